"""What is to happen: a tree of regions, each a control-flow graph that one token walks.

A definition is data: it is stored, fetched by its digest and run as it was, whatever today's
modules say. Concurrency exists only in nodes that own child regions.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Literal

import msgspec
from msgspec import Struct

from duetto.model.expression import Expr

FORMAT = 1
"""The version of this layout; a definition of a newer format parks the token."""

END = -1
"""The edge that leaves a region with None."""

RESUME = -2
"""The edge at the end of a `finally` body: goes on with what was under way before it."""

OUTERMOST = -1
"""The scope of nodes that stand in no Scope node."""

DYNAMIC = -1
"""The type of a variable whose type is not known: self-describing, or refused."""


class TypeRef(Struct, frozen=True):
    """A type as data: `str`, `list`, `union`, `Any`, … or `module:qualified.Name`, with arguments.

    `literal` has its values as arguments named by their repr; `items` is what a `for` loop walks.
    """

    name: str
    args: tuple[TypeRef, ...] = ()

    def __str__(self) -> str:
        name = self.name.rpartition(":")[2]
        args = [str(arg) for arg in self.args]
        if name == "union":
            return " | ".join(args)
        return f"{name}[{', '.join(args)}]" if args else name


class Bind(Struct, frozen=True, tag_field="target", tag="bind"):
    """A variable to write and the index of its type in `Definition.types` (or DYNAMIC)."""

    name: str
    type: int = DYNAMIC


class Unpack(Struct, frozen=True, tag_field="target", tag="unpack"):
    """A pattern of assignment targets; `star` is the index of the starred one or -1."""

    items: tuple[Bind | Unpack, ...]
    star: int = -1


class Task(Struct, frozen=True, tag_field="node", tag="task"):
    """Call a task; `task` is `service.name`. Undone by its compensation where it has one."""

    task: str
    args: tuple[Expr, ...] = ()
    kwargs: tuple[tuple[str, Expr], ...] = ()
    into: Bind | None = None
    undoable: bool = False
    next: int = END
    scope: int = OUTERMOST
    line: int = 0

    @property
    def service(self) -> str:
        return self.task.partition(".")[0]


class Assign(Struct, frozen=True, tag_field="node", tag="assign"):
    """Write variables; without a target, evaluate and drop."""

    value: Expr
    target: Bind | Unpack | None = None
    next: int = END
    scope: int = OUTERMOST
    line: int = 0


class Choice(Struct, frozen=True, tag_field="node", tag="choice"):
    """Go on at `next` where the test is true, at `otherwise` where it is not."""

    test: Expr
    otherwise: int
    next: int = END
    scope: int = OUTERMOST
    line: int = 0


class Branch(Struct, frozen=True):
    """A child region and the arguments its parameters get, evaluated by the parent at the fork."""

    region: int
    args: tuple[Expr, ...] = ()


class Parallel(Struct, frozen=True, tag_field="node", tag="parallel"):
    """`gather(a, b, …)`: fork the branches, wait for all; the value is a tuple."""

    branches: tuple[Branch, ...]
    into: Bind | None = None
    fail_fast: bool = False
    limit: int = 0
    next: int = END
    scope: int = OUTERMOST
    line: int = 0


class ForEach(Struct, frozen=True, tag_field="node", tag="foreach"):
    """`gather(f(x) for x in items)`: one branch per tuple of arguments; the value is a list.

    `items` evaluates to a list of tuples, one tuple of the region's arguments for each branch.
    """

    region: int
    items: Expr
    into: Bind | None = None
    fail_fast: bool = False
    limit: int = 0
    next: int = END
    scope: int = OUTERMOST
    line: int = 0


class Race(Struct, frozen=True, tag_field="node", tag="race"):
    """`race(a, b, …)`: the first branch to end wins, by result or by error."""

    branches: tuple[Branch, ...]
    into: Bind | None = None
    next: int = END
    scope: int = OUTERMOST
    line: int = 0


class Wait(Struct, frozen=True, tag_field="node", tag="wait"):
    """`sleep(seconds)`; `seconds` is a number or a timedelta."""

    seconds: Expr
    next: int = END
    scope: int = OUTERMOST
    line: int = 0


class Receive(Struct, frozen=True, tag_field="node", tag="receive"):
    """`receive(Event, key=…, timeout=…)`: the token waits where the mailbox is, at the `owner` of
    the event type; "" is the home of the definition (PROTOCOL, rule 18)."""

    event: str
    key: Expr | None = None
    timeout: Expr | None = None
    into: Bind | None = None
    next: int = END
    scope: int = OUTERMOST
    line: int = 0
    owner: str = ""


class Emit(Struct, frozen=True, tag_field="node", tag="emit"):
    """`emit(event)`: published in the commit of the token's next move."""

    event: Expr
    next: int = END
    scope: int = OUTERMOST
    line: int = 0


class Call(Struct, frozen=True, tag_field="node", tag="call"):
    """`await workflow(...)`: a child run of another definition, named by `Definition.callees`."""

    workflow: str
    args: tuple[Expr, ...] = ()
    kwargs: tuple[tuple[str, Expr], ...] = ()
    into: Bind | None = None
    next: int = END
    scope: int = OUTERMOST
    line: int = 0


class Handler(Struct, frozen=True):
    """`except types as name`; `types` are qualified class names."""

    types: tuple[str, ...]
    next: int
    into: str = ""


class Scope(Struct, frozen=True, tag_field="node", tag="scope"):
    """Enter a scope at `next`; its nodes have this node's index as `scope`.

    `try` has handlers. `finally` has `final`, the index of the `final` scope that holds its body;
    that body ends with the edge RESUME. `saga` compensates what completed inside when an error
    leaves it; with `keep=False` its entries are dropped when it is left. `timeout` has `seconds`.
    """

    kind: Literal["try", "finally", "final", "saga", "timeout"]
    handlers: tuple[Handler, ...] = ()
    final: int = END
    seconds: Expr | None = None
    keep: bool = True
    next: int = END
    scope: int = OUTERMOST
    line: int = 0


class Return(Struct, frozen=True, tag_field="node", tag="return"):
    value: Expr
    type: int = DYNAMIC
    scope: int = OUTERMOST
    line: int = 0


class Raise(Struct, frozen=True, tag_field="node", tag="raise"):
    """`raise error from cause`; `error` evaluates to an exception or its class."""

    error: Expr
    cause: Expr | None = None
    scope: int = OUTERMOST
    line: int = 0


Node = (
    Task
    | Assign
    | Choice
    | Parallel
    | ForEach
    | Race
    | Wait
    | Receive
    | Emit
    | Call
    | Scope
    | Return
    | Raise
)


class Parameter(Struct, frozen=True):
    """A parameter of a region; `default` is an expression or None where there is none."""

    name: str
    type: int = DYNAMIC
    default: Expr | None = None
    keyword_only: bool = False


class Region(Struct, frozen=True):
    """A graph of nodes, entered at node 0."""

    nodes: tuple[Node, ...]
    parameters: tuple[Parameter, ...] = ()


class Definition(Struct, frozen=True):
    """A workflow as data; region 0 is its body.

    `types` is the table of types that variables and results have, `callees` names the digests of
    the workflows that it calls (its own name stands for itself, with an empty digest), `home` is
    the participant that keeps the records of its runs (empty: the app itself).
    """

    name: str
    regions: tuple[Region, ...]
    types: tuple[TypeRef, ...] = ()
    result: int = DYNAMIC
    callees: tuple[tuple[str, str], ...] = ()
    home: str = ""
    file: str = ""
    format: int = FORMAT


def encode(definition: Definition) -> bytes:
    """Return the canonical bytes, which the digest names."""
    return msgspec.msgpack.encode(definition, order="deterministic")


def decode(data: bytes) -> Definition:
    """Return the definition; raises msgspec.ValidationError where the bytes are none."""
    return msgspec.msgpack.decode(data, type=Definition)


def digest(definition: Definition) -> str:
    """Return the name of the content: 32 hexadecimal digits of its SHA-256."""
    return sha256(encode(definition)).hexdigest()[:32]


def received(definition: Definition) -> tuple[str, ...]:
    """Return the event classes that a definition receives, as `module:Class`, in order, once."""
    found = {
        node.event: None
        for region in definition.regions
        for node in region.nodes
        if isinstance(node, Receive)
    }
    return tuple(found)
