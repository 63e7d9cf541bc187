"""A definition, linked: trees are closures, types are plans, symbols are today's objects.

Linking happens once per definition and process; a symbol that is not here fails it, and parks
the token.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol, assert_never

from duetto.errors import DefinitionError, LimitExceeded
from duetto.kernel.expressions import (
    Closure,
    Environment,
    Read,
    arguments,
    closure,
    unpacked,
    variables,
)
from duetto.kernel.liveness import after, binds
from duetto.kernel.purity import is_pure
from duetto.model.definition import (
    DYNAMIC,
    FORMAT,
    OUTERMOST,
    Assign,
    Bind,
    Branch,
    Call,
    Choice,
    Definition,
    Emit,
    ForEach,
    Node,
    Parallel,
    Parameter,
    Race,
    Raise,
    Receive,
    Region,
    Return,
    Scope,
    Task,
    TypeRef,
    Unpack,
    Wait,
)
from duetto.model.expression import Name
from duetto.model.placement import Placement
from duetto.model.token import OPEN, Error, Goto, OnUndo, Token, Value, kept

FORKED = -2
"""The type of the hidden variable with the arguments of children that have not begun."""

SCALARS = frozenset({str, int, float, bool, bytes, type(None)})

SECONDS_MAX = 10**10
"""Some three centuries: beyond it an instant does not fit."""

VALUE_BYTES_SMALL = 4096
"""A token holds few variables, so only one above it can make them too big together."""

TOKEN_BYTES_MAX = 4 * 1024 * 1024
"""Bytes of a token's variables: they are in memory while it rests, and one message at each move."""

Evaluate = Callable[[Environment], Any]


class Plan(Protocol):
    """How the values of one type are stored: `duetto.codec.Plan`, as far as the kernel needs it."""

    @property
    def immutable(self) -> bool: ...
    @property
    def encode(self) -> Callable[[Any], bytes]: ...
    @property
    def decode(self) -> Callable[[bytes], Any]: ...


class Codec(Protocol):
    """Plans by type, and errors as data: `duetto.codec.Codec`, as far as the kernel needs it."""

    @property
    def dynamic(self) -> Plan: ...
    def plan(self, ref: TypeRef, /) -> Plan: ...
    def error(self, error: BaseException, /) -> Error: ...
    def exception(self, error: Error, /) -> BaseException: ...


class Linked:
    """A node with its closures. Which of them are set depends on the kind of the node."""

    __slots__ = (
        "args",
        "branches",
        "carried",
        "chain",
        "node",
        "placed",
        "pure",
        "reads",
        "then",
        "value",
    )

    def __init__(self, node: Node, chain: frozenset[int], carried: frozenset[str]) -> None:
        self.node = node
        self.chain = chain
        """The scopes around the node, itself excluded."""
        self.carried = carried
        """The variables that a token needs while it rests here."""
        self.value: Evaluate = _nothing
        self.args: Callable[[Environment], tuple[tuple[Any, ...], dict[str, Any]]] = _no_arguments
        self.branches: tuple[Closure, ...] = ()
        self.pure = True
        """Whether the arguments of a task may be evaluated again."""
        self.reads: Callable[[Environment], Read] | None = None
        """Reads the arguments of a task, where all of them are plain variables."""
        self.then: Linked | None = None
        """The task or return that follows straight on this task, with nothing in between."""
        self.placed: tuple[Placement, str] | None = None
        """The placement that was asked last, and its answer."""

    def place(self, placement: Placement, task: str) -> str:
        """Return the participant for the task of this node."""
        placed = self.placed
        if placed is None or placed[0] is not placement:
            placed = self.placed = (placement, placement.of(task))
        return placed[1]


def _nothing(_: Environment) -> Any:
    return None


def _no_arguments(_: Environment) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (), {}


class Program:
    """A linked definition. `plans[-1]` is the plan of DYNAMIC values, `plans[-2]` of FORKED."""

    def __init__(
        self,
        definition: Definition,
        digest: str,
        *,
        codec: Codec,
        symbol: Callable[[str], Any],
        callee: Callable[[str], Program],
    ) -> None:
        """Link a definition. Raises NotFound for a symbol or type that is not known here."""
        if definition.format > FORMAT:
            raise DefinitionError(
                f"The definition {digest[:8]} of `{definition.name}` is newer than this Duetto.",
                found=f"format {definition.format}",
                expected=f"at most {FORMAT}",
                do="upgrade this participant",
            )
        self.definition, self.digest = definition, digest
        self.symbol = symbol
        self.error: Callable[[BaseException], Error] = codec.error
        self.codec = codec
        self.plans: list[Plan] = [
            *(codec.plan(ref) for ref in definition.types),
            codec.plan(TypeRef("items", (TypeRef("Any"),))),
            codec.dynamic,
        ]
        # What a `for` loop walks comes back as `Items`, whatever it was made from.
        self.shares = [plan.immutable for plan in self.plans]
        for index in (
            FORKED,
            *(i for i, ref in enumerate(definition.types) if ref.name == "items"),
        ):
            self.shares[index] = False
        """Whether a live value of a type may be kept and shared."""
        self._callees = {name: digest or self.digest for name, digest in definition.callees}
        self._callee = callee
        self.regions = tuple(self._region(region) for region in definition.regions)
        self.parameters = tuple(
            [(parameter, self._default(parameter)) for parameter in region.parameters]
            for region in definition.regions
        )

    def callee(self, name: str) -> Program:
        """Return the program of a workflow that this one calls."""
        digest = self._callees[name]
        return self if digest == self.digest else self._callee(digest)

    def load(self, value: Value) -> Any:
        """Return the live form of a value: a copy of its own, where it could be changed."""
        if value.live is not OPEN:
            return value.live
        plan = self.plans[value.type]
        live = plan.decode(value.data)
        if plan.immutable or type(live) in SCALARS:
            value.live = live
        return live

    def pack(self, live: Any, type_index: int = DYNAMIC) -> Value:
        """Return the stored form of a value. Raises ValueRefused or LimitExceeded."""
        data = self.plans[type_index].encode(live)
        keep = self.shares[type_index] or type(live) in SCALARS
        return kept(type_index, data, live if keep else OPEN)

    def bind(self, region: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Value]:
        """Return the variables of a region that begins with these arguments. Raises TypeError."""
        found: dict[str, Value] = {}
        rest = dict(kwargs)
        given = iter(args)
        for parameter, default in self.parameters[region]:
            name = parameter.name
            if not parameter.keyword_only and (value := next(given, OPEN)) is not OPEN:
                found[name] = self.pack(value, parameter.type)
            elif name in rest:
                found[name] = self.pack(rest.pop(name), parameter.type)
            elif default is not None:
                found[name] = self.pack(default({}), parameter.type)
            else:
                raise TypeError(f"{self.definition.name}() misses the argument `{name}`")
        if rest or next(given, OPEN) is not OPEN:
            names = ", ".join(rest) or "a positional one"
            raise TypeError(f"{self.definition.name}() got an unexpected argument: {names}")
        refuse_big(found)
        return found

    def travelling(self, token: Token) -> Token:
        """Return the token as it leaves its store: with what is still read after its node.

        Within a store it keeps the rest, as its arguments are evaluated again for each attempt.
        """
        node = self.regions[token.region][token.node]
        carried = node.carried
        if isinstance(token.rest, OnUndo) and isinstance(token.frames[-1].pending, Goto):
            # A race has bound its value before it undoes its losers, and goes on afterwards.
            carried |= binds(node.node)
        return Token(
            token.path,
            token.definition,
            token.region,
            token.at,
            token.reply_to,
            token.node,
            token.step,
            token.hop,
            {name: value for name, value in token.vars.items() if name in carried},
            token.frames,
            token.undo,
            token.rest,
            token.cancelled,
            token.depth,
            token.origin,
            token.heard,
        )

    def place(self, error: Error, line: int) -> Error:
        """Return an error with the workflow's own line in its trace."""
        frame = f"{self.definition.file}:{line} in {self.definition.name}"
        trace = f"{error.trace}\n{frame}" if error.trace else frame
        return Error(error.type, error.bases, error.message, error.data, trace, error.cause)

    def _default(self, parameter: Parameter) -> Evaluate | None:
        return closure(parameter.default, self) if parameter.default is not None else None

    def _region(self, region: Region) -> list[Linked]:
        carried = after(region)
        nodes = [self._link(node, region, carried[i]) for i, node in enumerate(region.nodes)]
        for linked in nodes:
            linked.then = following(nodes, linked)
        return nodes

    def _link(self, node: Node, region: Region, carried: frozenset[str]) -> Linked:
        linked = Linked(node, chain_of(region, node), carried)
        match node:
            case Task(args=args, kwargs=kwargs) | Call(args=args, kwargs=kwargs):
                linked.args = arguments(args, kwargs, self)
                trees = (*args, *(value for _, value in kwargs))
                linked.pure = all(is_pure(tree, self.symbol) for tree in trees)
                if not kwargs and all(isinstance(tree, Name) for tree in args):
                    ids = tuple(tree.id for tree in args if isinstance(tree, Name))
                    linked.reads = variables(ids, self)
            case Assign(value=value) | Return(value=value):
                linked.value = closure(value, self)
            case Choice(test=value) | Emit(event=value) | ForEach(items=value):
                linked.value = closure(value, self)
            case Parallel(branches=branches) | Race(branches=branches):
                linked.branches = tuple(self._branch(branch) for branch in branches)
            case Wait(seconds=value):
                linked.value = milliseconds(closure(value, self))
            case Receive(key=key, timeout=timeout):
                linked.value = closure(key, self) if key is not None else _nothing
                if timeout is not None:
                    limit = closure(timeout, self)
                    linked.branches = (limit, milliseconds(limit))
            case Scope(seconds=seconds):
                if seconds is not None:
                    linked.value = milliseconds(closure(seconds, self))
            case Raise(error=error, cause=cause):
                linked.value = closure(error, self)
                if cause is not None:
                    linked.branches = (closure(cause, self),)
            case _:
                assert_never(node)
        return linked

    def _branch(self, branch: Branch) -> Closure:
        items = arguments(branch.args, (), self)
        return lambda env: items(env)[0]


def refuse_big(variables: dict[str, Value]) -> None:
    """Raise LimitExceeded where the variables of one token are too big together."""
    size = sum([len(value.data) for value in variables.values()])
    if size > TOKEN_BYTES_MAX:
        largest = max(variables, key=lambda name: len(variables[name].data))
        raise LimitExceeded(
            "The variables of a workflow are too big together.",
            found=f"{size:,} bytes, most of them in `{largest}`",
            expected=f"at most {TOKEN_BYTES_MAX:,} bytes (TOKEN_BYTES_MAX)",
            do="keep large values in a file or database of yours, and pass their names",
        )


def following(nodes: list[Linked], linked: Linked) -> Linked | None:
    """Return what follows straight on a task: a task with plain variables for its arguments in the
    same scopes, none of them with a deadline, or a return that leaves no scope."""
    node = linked.node
    if not isinstance(node, Task) or node.next < 0:
        return None
    then = nodes[node.next]
    scopes = [nodes[index].node for index in linked.chain if index != OUTERMOST]
    if isinstance(then.node, Return):
        return None if scopes else then
    if not isinstance(then.node, Task) or then.reads is None or then.node.scope != node.scope:
        return None
    timed = any(isinstance(scope, Scope) and scope.kind == "timeout" for scope in scopes)
    return None if timed else then


def chain_of(region: Region, node: Node) -> frozenset[int]:
    """Return the indexes of the scopes around a node, OUTERMOST included."""
    found, scope = {OUTERMOST}, node.scope
    while scope != OUTERMOST:
        found.add(scope)
        scope = region.nodes[scope].scope
    return frozenset(found)


def milliseconds(seconds: Closure) -> Closure:
    """Return a closure for whole milliseconds, from seconds or a timedelta."""

    def convert(env: Environment) -> int:
        value = seconds(env)
        number = value.total_seconds() if isinstance(value, timedelta) else value
        if not 0 <= abs(number) <= SECONDS_MAX:
            raise LimitExceeded(
                "A time span is too long.",
                found=f"{number} s",
                expected=f"at most {SECONDS_MAX} s",
                do="wait for an event, or use a shorter time",
            )
        return max(0, round(number * 1000))

    return convert


def assigned(target: Bind | Unpack, live: Any) -> list[tuple[Bind, Any]]:
    """Return what an assignment writes, in its order; raises as Python does."""
    if isinstance(target, Bind):
        return [(target, live)]
    found: list[tuple[Bind, Any]] = []
    for item, value in zip(
        target.items, unpacked(live, len(target.items), target.star), strict=True
    ):
        found.extend(assigned(item, value))
    return found
