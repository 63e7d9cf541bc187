"""Fork children, take their reports, join them."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from duetto.errors import LimitExceeded
from duetto.kernel.program import FORKED, Program
from duetto.kernel.scopes import fail, follow, leave, undo_then
from duetto.kernel.walk import Walk
from duetto.model.definition import OUTERMOST, Bind, Call, ForEach, Node, Parallel, Race
from duetto.model.effect import CancelChildren, Fork
from duetto.model.token import (
    Completed,
    Entry,
    Failed,
    Frame,
    Goto,
    OnChildren,
    Outcome,
    Raising,
    Ready,
    Token,
    Value,
    child_path,
    extended,
    kept,
)

Forking = Parallel | ForEach | Race | Call

CHILDREN_MAX = 100_000
"""Children of one fork: each is a token in memory, and its outcome a row until the join."""

DEPTH_MAX = 100
"""Workflows called by workflows: beyond it a recursion has no end in sight."""

SAGA = (Frame(OUTERMOST),)
"""The frames of a token that is a saga of its own."""

ARGUMENTS = "$forked"
"""The hidden variable with the arguments of children that have not begun."""


def fork(walk: Walk, node: Forking) -> None:
    """Begin the children of a node; with a limit, as many as may run at once."""
    if isinstance(node, Call):
        _call(walk, node)
        return
    regions, arguments = _branches(walk, node)
    total = len(regions)
    if total > CHILDREN_MAX:
        raise LimitExceeded(
            "Too many branches.",
            found=f"{total:,} branches",
            expected=f"at most {CHILDREN_MAX:,} branches (CHILDREN_MAX)",
            do="split the work into several workflows",
        )
    walk.step += 1
    limit = 0 if isinstance(node, Race) else node.limit
    started = min(limit or total, total)
    if started < total:
        walk.write(ARGUMENTS, walk.program.pack(arguments, FORKED))
    children = [_child(walk, i, regions[i], arguments[i]) for i in range(started)]
    walk.rest = OnChildren(total, started)
    if total:
        walk.effects.append(Fork(tuple(children)))
    else:
        join(walk, ())


def _branches(
    walk: Walk, node: Parallel | ForEach | Race
) -> tuple[list[int], list[tuple[Any, ...]]]:
    linked = walk.linked
    if isinstance(node, ForEach):
        items: list[tuple[Any, ...]] = linked.value(walk.vars)
        return [node.region] * len(items), items
    arguments = [evaluate(walk.vars) for evaluate in linked.branches]
    return [branch.region for branch in node.branches], arguments


def _child(walk: Walk, index: int, region: int, arguments: tuple[Any, ...]) -> Token:
    saga = isinstance(walk.linked.node, Race)
    return Token(
        child_path(walk.token.path, walk.step, index),
        walk.token.definition,
        region,
        walk.at,
        walk.at,
        vars=walk.program.bind(region, arguments, {}),
        frames=SAGA if saga else (),
        rest=Ready(),
        depth=walk.token.depth,
        origin=walk.token.origin,
        heard=walk.heard,
    )


def _call(walk: Walk, node: Call) -> None:
    if walk.token.depth >= DEPTH_MAX:
        raise LimitExceeded(
            f"`{node.workflow}` is called too deep.",
            found=f"{DEPTH_MAX} calls around it",
            expected=f"at most {DEPTH_MAX} (DEPTH_MAX)",
            do="end the recursion, or use a loop",
        )
    callee = walk.program.callee(node.workflow)
    variables = callee.bind(0, *walk.linked.args(walk.vars))
    walk.step += 1
    child = root(callee, child_path(walk.token.path, walk.step, 0), walk.at, variables)
    walk.rest = OnChildren(1, 1)
    depth, origin = walk.token.depth + 1, walk.token.origin
    walk.effects.append(Fork((replace(child, depth=depth, origin=origin, heard=walk.heard),)))


def root(program: Program, path: str, at: str, variables: dict[str, Value]) -> Token:
    """Return the first token of a run or called workflow: a saga of its own."""
    return Token(path, program.digest, 0, at, at, vars=variables, frames=SAGA)


def reported(walk: Walk, index: int, failed: bool) -> None:
    """Count a child's report: it may decide the node, or make room for the next child."""
    rest, node = walk.token.rest, walk.linked.node
    if not isinstance(rest, OnChildren) or not isinstance(node, Forking):
        return
    rest = replace(rest, ended=rest.ended + 1)
    undecided = rest.decided < 0 and rest.interrupt is None
    if undecided and _decides(node, failed):
        rest = replace(rest, decided=index, total=rest.started)
        cancel_children(walk, rest, index)
    elif undecided and rest.started < rest.total and isinstance(node, Parallel | ForEach):
        walk.effects.append(Fork((_next_child(walk, node, rest.started),)))
        rest = replace(rest, started=rest.started + 1)
    walk.rest = rest


def only_counts(node: Node, rest: OnChildren, failed: bool) -> bool:
    """Return whether a report changes nothing but its parent's count: most do, and need no walk."""
    if rest.decided >= 0 or rest.interrupt is not None:
        return True
    return isinstance(node, Forking) and rest.started == rest.total and not _decides(node, failed)


def _decides(node: Forking, failed: bool) -> bool:
    if isinstance(node, Race):
        return True
    return failed and isinstance(node, Parallel | ForEach) and node.fail_fast


def _next_child(walk: Walk, node: Parallel | ForEach, index: int) -> Token:
    items = walk.program.load(walk.vars[ARGUMENTS])
    region = node.region if isinstance(node, ForEach) else node.branches[index].region
    return _child(walk, index, region, tuple(items.element(index)))


def interrupt_children(walk: Walk, rest: OnChildren, raising: Raising) -> None:
    """Interrupt a parent at its join: it cancels its children and still waits for all reports."""
    if rest.decided >= 0 or rest.interrupt is not None:
        return
    walk.rest = replace(rest, interrupt=raising, total=rest.started)
    cancel_children(walk, rest, -1)


def cancel_children(walk: Walk, rest: OnChildren, but: int) -> None:
    """Cancel all children that began, but one."""
    paths = [child_path(walk.token.path, walk.step, i) for i in range(rest.started) if i != but]
    walk.effects.append(CancelChildren(tuple(paths)))


def join(walk: Walk, outcomes: tuple[Outcome, ...]) -> None:
    """Go on after the last report."""
    rest, node = walk.rest or walk.token.rest, walk.linked.node
    if not isinstance(rest, OnChildren) or not isinstance(node, Forking):
        return
    walk.rest = None
    for outcome in outcomes:
        for stream, seq in outcome.heard.items():
            walk.hear(stream, seq)
    if isinstance(node, Race):
        _join_race(walk, node, rest, outcomes)
        return
    for outcome in outcomes:
        _inherit(walk, outcome.undo)
    if rest.interrupt is not None:
        leave(walk, rest.interrupt)
        return
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    if rest.decided >= 0 and isinstance(decider := outcomes[rest.decided], Failed):
        failures = [decider]
    if failures:
        fail(walk, failures[0].error)
    elif all(isinstance(outcome, Completed) for outcome in outcomes):
        _bind(walk, node, outcomes)
    else:
        leave(walk, Raising(walk.program.error(TimeoutError("cancelled by an operator"))))


def _inherit(walk: Walk, undo: tuple[Entry, ...]) -> None:
    if undo:
        walk.undo = extended(walk.undo, undo)
        walk.refuse_long_undo()


def _bind(walk: Walk, node: Parallel | ForEach | Call, outcomes: tuple[Outcome, ...]) -> None:
    """Write the value of a join, and go on."""
    if node.into is not None:
        values = [outcome.value for outcome in outcomes if isinstance(outcome, Completed)]
        walk.write(node.into.name, _joined(walk, node, node.into, values))
    follow(walk, node.next)


def _joined(walk: Walk, node: Parallel | ForEach | Call, into: Bind, values: list[Value]) -> Value:
    program = walk.program
    if isinstance(node, Call):
        return _across(program, program.callee(node.workflow), values[0], into.type)
    live = [program.load(value) for value in values]
    return program.pack(live if isinstance(node, ForEach) else tuple(live), into.type)


def _across(program: Program, callee: Program, value: Value, type_index: int) -> Value:
    """Return a called workflow's result as a value of the caller: types are per definition."""
    ours, theirs = program.plans[type_index], callee.plans[value.type]
    if ours is theirs:
        return kept(type_index, value.data, value.live)
    return program.pack(callee.load(value), type_index)


def _join_race(walk: Walk, node: Race, rest: OnChildren, outcomes: tuple[Outcome, ...]) -> None:
    """The winner's entries are kept; a loser that completed is undone before anything goes on."""
    winner = outcomes[rest.decided] if rest.decided >= 0 and rest.interrupt is None else None
    if winner is not None:
        _inherit(walk, winner.undo)
    mark = walk.undo_size
    for outcome in outcomes:
        if outcome is not winner:
            _inherit(walk, outcome.undo)
    match winner:
        case None if rest.interrupt is not None:
            pending = rest.interrupt
        case Completed(value):
            if node.into is not None:
                live = walk.program.load(value)
                walk.write(node.into.name, walk.program.pack(live, node.into.type))
            pending = Goto(node.next)
        case Failed(error):
            pending = Raising(walk.program.place(error, node.line))
        case _:
            pending = Raising(walk.program.error(TimeoutError("the race has no winner")))
    undo_then(walk, mark, pending)
