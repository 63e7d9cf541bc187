"""Which variables a token still needs at each node: the only ones that it carries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from duetto.model.definition import (
    OUTERMOST,
    RESUME,
    Assign,
    Bind,
    Call,
    Choice,
    Emit,
    ForEach,
    Node,
    Parallel,
    Race,
    Raise,
    Receive,
    Region,
    Return,
    Scope,
    Task,
    Unpack,
    Wait,
)
from duetto.model.expression import Element, Expr, More, Name


class Flow(Struct, frozen=True):
    """Where a token may go on from each node of a region.

    `normal` has the nodes that follow, `finally` bodies in between included. `raised` has the
    handlers and `finally` bodies around, each with the name that it binds (or none).
    """

    normal: tuple[tuple[int, ...], ...]
    raised: tuple[tuple[tuple[int, str], ...], ...]


def live(region: Region) -> tuple[frozenset[str], ...]:
    """Return for each node the variables that may be read by it or after it.

    A variable may be live before it is bound (a `finally` body reads it and every node of the
    `try` may fail), so whoever selects by this takes what is there.
    """
    flow = flow_of(region)
    known: list[frozenset[str]] = [frozenset()] * len(region.nodes)
    changed = True
    while changed:
        changed = False
        for index in reversed(range(len(known))):
            node = region.nodes[index]
            found = reads(node) | _behind(node, index, flow, known)
            changed = changed or found != known[index]
            known[index] = found
    return tuple(known)


def after(region: Region) -> tuple[frozenset[str], ...]:
    """Return for each node what its token carries while it rests there, arguments evaluated."""
    flow, known = flow_of(region), live(region)
    return tuple(_behind(node, index, flow, known) for index, node in enumerate(region.nodes))


def may_be_bound(region: Region) -> tuple[frozenset[str], ...]:
    """Return for each node the variables that some path to it has bound."""
    flow = flow_of(region)
    known: list[set[str] | None] = [None] * len(region.nodes)
    todo = [(0, frozenset(parameter.name for parameter in region.parameters))] if known else []
    while todo:
        index, names = todo.pop()
        before = known[index]
        if before is not None and names <= before:
            continue
        found = known[index] = (before or set()) | names
        completed = frozenset(found) | binds(region.nodes[index])
        todo += [(target, completed) for target in flow.normal[index]]
        todo += [(target, frozenset(found) | {name}) for target, name in flow.raised[index]]
    return tuple(frozenset(names or ()) for names in known)


def reads(tree: Node | Expr) -> frozenset[str]:
    """Return the variables that a node or expression reads itself."""
    found: set[str] = set()
    for part in parts(tree):
        if isinstance(part, Name) and not part.local:
            found.add(part.id)
        elif isinstance(part, More | Element):
            found |= {part.source, part.index}
    return frozenset(found)


def binds(node: Node) -> frozenset[str]:
    """Return the variables that a node writes when it completes."""
    match node:
        case Assign():
            return frozenset(bind.name for bind in bound(node.target))
        case Task() | Parallel() | ForEach() | Race() | Receive() | Call():
            return frozenset(bind.name for bind in bound(node.into))
        case Choice() | Wait() | Emit() | Scope() | Return() | Raise():
            return frozenset()


def bound(target: Bind | Unpack | None) -> Iterator[Bind]:
    """Yield the variables of a target, from left to right."""
    match target:
        case Bind():
            yield target
        case Unpack():
            for item in target.items:
                yield from bound(item)
        case None:
            pass


def parts(tree: Any) -> Iterator[Struct]:
    """Yield a tree and all below it. Definitions are data, so no kind is left out by mistake."""
    if isinstance(tree, tuple):
        for item in tree:  # pyright: ignore[reportUnknownVariableType] — fields of any kind
            yield from parts(item)
    elif isinstance(tree, Struct):
        yield tree
        for field in tree.__struct_fields__:
            yield from parts(getattr(tree, field))


def edges(node: Node) -> tuple[int, ...]:
    """Return the edges of a node as they are written, END and RESUME included."""
    match node:
        case Return() | Raise():
            return ()
        case Choice():
            return (node.next, node.otherwise)
        case _:
            return (node.next,)


def flow_of(region: Region) -> Flow:
    """Return the graph that a token really walks."""
    around = [tuple(_around(region, index)) for index in range(len(region.nodes))]
    resumed = _resumed(region, around)
    return Flow(
        tuple(
            tuple(dict.fromkeys(_steps(region, around, resumed, at))) for at in range(len(around))
        ),
        tuple(tuple(_raised(region, around, at)) for at in range(len(around))),
    )


def _behind(node: Node, index: int, flow: Flow, known: Sequence[frozenset[str]]) -> frozenset[str]:
    """Return what is read after a node. What it binds is not needed, unless it fails."""
    completed = frozenset[str]().union(*(known[target] for target in flow.normal[index]))
    failed = (known[target] - {name} for target, name in flow.raised[index])
    return (completed - binds(node)).union(*failed)


def _around(region: Region, index: int) -> Iterator[int]:
    """Yield the scopes around a node, the innermost first."""
    scope = region.nodes[index].scope
    while scope != OUTERMOST:
        yield scope
        scope = region.nodes[scope].scope


def _entered(region: Region, around: list[tuple[int, ...]], index: int) -> tuple[int, ...]:
    """Return the scopes that are open behind a node: a Scope node has entered its own."""
    own = (index,) if isinstance(region.nodes[index], Scope) else ()
    return (*own, *around[index])


def _finals(region: Region, scopes: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Yield those scopes whose `finally` body is still to come, each with that body's scope."""
    for scope in scopes:
        node = region.nodes[scope]
        if isinstance(node, Scope) and node.kind == "finally" and node.final not in scopes:
            yield scope, node.final


def _resumed(region: Region, around: list[tuple[int, ...]]) -> dict[int, list[int]]:
    """Return for each `finally` body where the edges lead that leave its `try`.

    Where it stands in another `finally` body, RESUME stands for where that one leads.
    """
    found: dict[int, list[int]] = {}
    for index, node in enumerate(region.nodes):
        entered = _entered(region, around, index)
        within = next((at for at, scope in enumerate(entered) if _is_final(region, scope)), 0)
        for scope, final in _finals(region, entered):
            leaving = (to for to in edges(node) if to >= 0 and scope not in around[to])
            targets = found.setdefault(final, [])
            targets.extend(to for to in leaving if to != final)
            if RESUME in edges(node) and scope in entered[:within]:
                targets.append(RESUME)
    return found


def _is_final(region: Region, scope: int) -> bool:
    node = region.nodes[scope]
    return isinstance(node, Scope) and node.kind == "final"


def _resuming(resumed: dict[int, list[int]], bodies: tuple[int, ...]) -> Iterator[int]:
    """Yield where RESUME leads from within `finally` bodies, the innermost first."""
    for target in resumed.get(bodies[0], ()) if bodies else ():
        if target == RESUME:
            yield from _resuming(resumed, bodies[1:])
        else:
            yield target


def _steps(
    region: Region, around: list[tuple[int, ...]], resumed: dict[int, list[int]], index: int
) -> Iterator[int]:
    """Yield the nodes that may be next: a `finally` body comes before what lies outside of it."""
    entered = _entered(region, around, index)
    bodies = tuple(scope for scope in entered if scope in resumed)
    for edge in edges(region.nodes[index]):
        for target in _resuming(resumed, bodies) if edge == RESUME else (edge,):
            if target >= 0:
                left = (
                    final
                    for scope, final in _finals(region, entered)
                    if scope not in around[target]
                )
                yield next(left, target)


def _raised(region: Region, around: list[tuple[int, ...]], index: int) -> Iterator[tuple[int, str]]:
    """Yield where an error in a node may lead."""
    for scope in around[index]:
        node = region.nodes[scope]
        if isinstance(node, Scope):
            yield from ((handler.next, handler.into) for handler in node.handlers)
    yield from ((final, "") for _, final in _finals(region, around[index]))
