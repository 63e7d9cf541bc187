"""Leave scopes: by an edge, by returning, by an error; run `finally` bodies; walk undo lists."""

from __future__ import annotations

from typing import assert_never

from duetto.kernel.walk import Walk
from duetto.model.definition import END, OUTERMOST, RESUME, Scope
from duetto.model.effect import CallUndo
from duetto.model.token import (
    NONE,
    Completion,
    Error,
    Frame,
    Goto,
    OnUndo,
    Raising,
    Returning,
)

UNDOING = -2
"""The scope of a frame that only unwinds: a race's losers, undone before its parent goes on."""


def follow(walk: Walk, edge: int) -> None:
    """Go on along an edge, leaving the scopes that its target does not stand in."""
    if edge >= 0:
        if walk.nodes[edge].node.scope == walk.nodes[walk.node].node.scope:
            walk.node = edge
        else:
            leave(walk, Goto(edge))
    elif edge == END:
        leave(walk, Returning(NONE))
    elif edge == RESUME:
        leave(walk, Goto(RESUME))


def follow_into(walk: Walk, edge: int) -> None:
    """Go on at the first node of a body; where the body is a lone `break`, this leaves scopes."""
    around = walk.frames[-1].scope if walk.frames else OUTERMOST
    if edge >= 0 and walk.nodes[edge].node.scope == around:
        walk.node = edge
    else:
        leave(walk, Goto(edge))


def fail(walk: Walk, error: Error) -> None:
    """Raise an error at the node where the walk is."""
    leave(walk, Raising(walk.program.place(error, walk.linked.node.line)))


def leave(walk: Walk, completion: Completion) -> None:
    """Leave scopes, innermost first, until the completion has found its place.

    Afterwards the walk stands at a node, rests (a compensation is under way), or has ended.
    """
    if isinstance(completion, Goto) and completion.node == END:
        completion = Returning(NONE)
    while walk.frames:
        frame = walk.frames[-1]
        if isinstance(completion, Goto) and _is_around(walk, frame, completion.node):
            break
        walk.pop_frame()
        if frame.scope < 0:
            if _unwinds(walk, frame, completion):
                return
            continue
        scope = _scope(walk, frame.scope)
        match scope.kind:
            case "try":
                if isinstance(completion, Raising) and _caught(walk, scope, completion):
                    return
            case "finally":
                walk.push_frame(Frame(scope.final, pending=completion))
                follow_into(walk, _scope(walk, scope.final).next)
                return
            case "saga":
                if _unwinds(walk, frame, completion):
                    return
                if not scope.keep and not isinstance(completion, Raising):
                    walk.cut_undo(frame.mark)
            case "timeout":
                if isinstance(completion, Raising) and completion.interrupt == len(walk.frames) + 1:
                    completion = Raising(walk.program.place(completion.error, scope.line))
            case "final":
                if isinstance(completion, Goto) and completion.node == RESUME:
                    completion = frame.pending or Returning(NONE)
            case _:
                assert_never(scope.kind)
    _arrive(walk, completion)


def _is_around(walk: Walk, frame: Frame, node: int) -> bool:
    """Does a node stand in the scope of a frame? RESUME stands outside of the innermost `final`."""
    return node >= 0 and frame.scope in walk.nodes[node].chain


def _scope(walk: Walk, index: int) -> Scope:
    scope = walk.nodes[index].node
    if not isinstance(scope, Scope):
        raise TypeError(f"node {index} of {walk.program.definition.name} is no scope")
    return scope


def _arrive(walk: Walk, completion: Completion) -> None:
    match completion:
        case Goto(node):
            walk.node = node
        case Returning(value):
            walk.end_with(value)
        case Raising():
            walk.end_raising(completion)
        case _:
            assert_never(completion)


def _caught(walk: Walk, scope: Scope, raising: Raising) -> bool:
    """Go on at the handler that matches, by the names of the error's class and bases."""
    if raising.interrupt >= 0:
        return False
    names = {raising.error.type, *raising.error.bases}
    for handler in scope.handlers:
        if names.intersection(handler.types):
            if handler.into:
                exception = walk.program.codec.exception(raising.error)
                walk.write(handler.into, walk.program.pack(exception))
            follow_into(walk, handler.next)
            return True
    return False


def _unwinds(walk: Walk, frame: Frame, completion: Completion) -> bool:
    """Turn the token around where an error leaves a saga that has something to undo."""
    if not isinstance(completion, Raising) or walk.undo_size <= frame.mark:
        return False
    walk.push_frame(Frame(frame.scope, frame.mark, pending=completion))
    unwind(walk)
    return True


def unwind(walk: Walk) -> None:
    """Undo the newest entry, at its service where it is placed there; at the mark, go on."""
    frame = walk.frames[-1]
    if walk.undo is not None and walk.undo.size > frame.mark:
        entry = walk.undo.entry
        walk.move(walk.placement.of(entry.task))
        walk.rest = OnUndo(entry)
        walk.effects.append(CallUndo(entry))
        return
    walk.pop_frame()
    leave(walk, frame.pending if frame.pending is not None else Returning(NONE))


def undo_then(walk: Walk, mark: int, pending: Completion) -> None:
    """Undo what is above the mark, then go on with `pending`; shielded meanwhile."""
    walk.push_frame(Frame(UNDOING, mark, pending=pending))
    unwind(walk)


__all__ = ["OUTERMOST", "fail", "follow", "leave", "undo_then", "unwind"]
