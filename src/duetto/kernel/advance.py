"""The one function of the kernel: a token and an input give a transition. Pure.

It reads no clock (`now` is given), draws nothing, and acts on nothing.
"""

from __future__ import annotations

from typing import Any, assert_never

from msgspec.structs import replace

from duetto.errors import DefinitionError, LimitExceeded, NotAllowed, NotFound
from duetto.kernel.fork import fork, interrupt_children, join, reported
from duetto.kernel.program import Linked, Program, assigned
from duetto.kernel.scopes import fail, follow, follow_into, leave, unwind
from duetto.kernel.straight import ON_TASK, begin, straight
from duetto.kernel.walk import Walk, wake_at, walk_of
from duetto.model.definition import (
    Assign,
    Bind,
    Call,
    Choice,
    Emit,
    ForEach,
    Parallel,
    Race,
    Raise,
    Receive,
    Return,
    Scope,
    Task,
    Unpack,
    Wait,
)
from duetto.model.effect import (
    Begin,
    CallTask,
    CallUndo,
    Cancel,
    Effect,
    Input,
    Joined,
    Publish,
    Received,
    Reported,
    Resume,
    Skip,
    Subscribe,
    TaskCompleted,
    TaskFailed,
    Transition,
    Undone,
    Woken,
)
from duetto.model.placement import Placement
from duetto.model.token import (
    Entry,
    Frame,
    OnChildren,
    OnEvent,
    OnTask,
    OnTimer,
    OnUndo,
    Parked,
    Ready,
    Rest,
    Returning,
    Token,
    Value,
)

NODES_MAX = 1_000_000
"""Nodes between two awaits: a loop without an await that runs longer has no end in sight."""


def advance(
    program: Program, placement: Placement, token: Token, input: Input, now: int
) -> Transition:
    """Return what becomes of a resting token when it is given an input.

    `now` is ms since the epoch. An input that the token does not wait for changes nothing but its
    time; a workflow's own errors are part of the transition and never leave this function.
    """
    transition = None
    if type(input) is TaskCompleted:
        transition = straight(program, placement, token, input.result)
    elif type(input) is Begin:
        transition = begin(program, placement, token)
    if transition is not None:
        return transition
    walk = walk_of(program, placement, token, now)
    try:
        _take(walk, input)
    except Exception as error:  # a value that cannot be stored, a limit: raised in the workflow
        walk.rest = None
        fail(walk, program.error(error))
    _run(walk)
    return walk.transition()


def _take(walk: Walk, input: Input) -> None:
    match input:
        case TaskCompleted(result):
            _task_completed(walk, result)
        case Begin(begun):
            _begin(walk, begun)
        case Reported(index, failed):
            reported(walk, index, failed)
        case Joined(outcomes):
            join(walk, outcomes)
        case TaskFailed(error, unknown):
            if unknown:
                _note_unknown(walk)
            fail(walk, error)
        case Undone():
            _undone(walk)
        case Woken():
            _woken(walk)
        case Received(event, stream, seq):
            if stream:
                walk.hear(stream, seq)
            _received(walk, event)
        case Cancel(begun):
            walk.cancelled = True
            _interrupt(walk, begun=begun)
        case Resume(begun):
            _resume(walk, begun)
        case Skip(result):
            _skip(walk, result)
        case _:
            assert_never(input)


def _run(walk: Walk) -> None:
    """Walk nodes until the token rests or has ended."""
    nodes_max = NODES_MAX
    while walk.rest is None and walk.outcome is None:
        nodes_max -= 1
        linked = walk.nodes[walk.node]
        try:
            if not nodes_max:
                raise LimitExceeded(
                    "A loop without an await does not end.",
                    found=f"{NODES_MAX:,} steps",
                    expected=f"an await within {NODES_MAX:,} steps (NODES_MAX)",
                    do="mend the loop, or let a task do the work",
                )
            _enter(walk, linked)
        except (NotFound, DefinitionError) as unknown:
            # A class, helper or definition that this deployment lacks: it may come back.
            walk.rest = Parked(str(unknown), Ready())
        except Exception as error:  # the workflow's own expressions: the error is raised in it
            fail(walk, walk.program.error(error))


def _enter(walk: Walk, linked: Linked) -> None:
    """Execute one node."""
    node = linked.node
    match node:
        case Task():
            if not (walk.cancelled or walk.timed) or not _interrupted(walk):
                _task(walk, node, linked)
        case Assign(target=target):
            live = linked.value(walk.vars)
            if target is not None:
                _assign(walk, target, live)
            follow(walk, node.next)
        case Choice():
            follow(walk, node.next if linked.value(walk.vars) else node.otherwise)
        case Return():
            value = walk.program.pack(linked.value(walk.vars), node.type)
            leave(walk, Returning(value))
        case Parallel() | ForEach() | Race() | Call():
            if not _interrupted(walk):
                fork(walk, node)
        case Scope():
            _open(walk, node, linked)
        case Wait():
            if not _interrupted(walk):
                until = walk.now + linked.value(walk.vars)
                walk.step += 1
                walk.rest = OnTimer(until)
        case Receive():
            if not _interrupted(walk):
                _receive(walk, node, linked)
        case Emit():
            walk.effects.append(Publish(walk.program.pack(linked.value(walk.vars))))
            follow(walk, node.next)
        case Raise():
            _raise(walk, node, linked)
        case _:
            assert_never(node)


def _task(walk: Walk, node: Task, linked: Linked) -> None:
    """Let the token wait for a task, at the participant where the sender places it."""
    args, kwargs, stored = _arguments(linked, walk.vars)
    walk.step += 1
    walk.rest = ON_TASK
    participant = linked.place(walk.placement, node.task)
    if participant != walk.at:
        walk.move(participant)
    deadline = wake_at(ON_TASK, walk.frames) if walk.timed else 0
    walk.effects.append(
        CallTask(node.task, walk.step, args, kwargs, b"", 1, 0, deadline, linked.pure, stored)
    )


def _arguments(
    linked: Linked, variables: dict[str, Value]
) -> tuple[tuple[Any, ...], dict[str, Any], tuple[Value, ...]]:
    """Return the arguments of a task, and as they are stored where all are variables."""
    if linked.reads is None:
        return *linked.args(variables), ()
    args, stored = linked.reads(variables)
    return args, {}, stored


def _task_completed(walk: Walk, result: Value) -> None:
    node = walk.nodes[walk.node].node
    if type(node) is not Task:
        raise NotAllowed("A task's result came for a token that waits for none.")
    # First, so that what was done is undone where its result is too big to be kept.
    if node.undoable:
        walk.add_undo(Entry(walk.token.path, walk.step, node.task))
        walk.refuse_long_undo()
    if node.into is not None:
        walk.write(node.into.name, result)
    follow(walk, node.next)


def _note_unknown(walk: Walk) -> None:
    """An interrupted task may or may not have had its effect: it is settled when it is undone."""
    node = walk.linked.node
    if isinstance(node, Task) and node.undoable:
        walk.add_undo(Entry(walk.token.path, walk.step, node.task, True))


def _assign(walk: Walk, target: Bind | Unpack, live: object) -> None:
    if isinstance(target, Bind):
        walk.write(target.name, walk.program.pack(live, target.type))
        return
    for bind, value in assigned(target, live):
        walk.write(bind.name, walk.program.pack(value, bind.type))


def _open(walk: Walk, scope: Scope, linked: Linked) -> None:
    deadline = walk.now + linked.value(walk.vars) if scope.kind == "timeout" else 0
    walk.push_frame(Frame(walk.node, walk.undo_size, deadline))
    follow_into(walk, scope.next)


def _receive(walk: Walk, node: Receive, linked: Linked) -> None:
    key = walk.program.pack(linked.value(walk.vars))
    deadline = 0
    if linked.branches:
        limit, milliseconds = linked.branches
        # A limit that is None is none, as where none is written.
        deadline = walk.now + milliseconds(walk.vars) if limit(walk.vars) is not None else 0
    walk.step += 1
    walk.rest = OnEvent(node.event, key, deadline, walk.now)
    walk.move(node.owner or walk.program.definition.home)
    walk.effects.append(Subscribe(node.event, key))


def _raise(walk: Walk, node: Raise, linked: Linked) -> None:
    raised = linked.value(walk.vars)
    error = raised() if isinstance(raised, type) else raised
    if not isinstance(error, Exception):
        raise TypeError("exceptions must derive from Exception")
    if linked.branches:
        cause = linked.branches[0](walk.vars)
        error.__cause__ = cause() if isinstance(cause, type) else cause
    fail(walk, walk.program.error(error))


def _begin(walk: Walk, begun: bool) -> None:
    """Go on with a token that was created, or has arrived."""
    rest = walk.token.rest
    if isinstance(rest, Ready):
        return
    walk.rest = rest
    _interrupt(walk, begun=begun)
    if walk.rest is rest:
        walk.effects.extend(renewed(walk.program, walk.token))


def _interrupted(walk: Walk) -> bool:
    """Raise what interrupts the token before it begins to wait here."""
    raising = walk.interruption()
    if raising is not None:
        leave(walk, raising)
    return raising is not None


def _interrupt(walk: Walk, *, begun: bool = True) -> None:
    """Raise what interrupts the token while it waits, if anything does."""
    rest = walk.token.rest
    waits_for = rest.over if isinstance(rest, Parked) else rest
    raising = walk.interruption()
    walk.rest = rest
    if raising is None or isinstance(waits_for, OnUndo | Ready):
        return
    if isinstance(waits_for, OnChildren):
        interrupt_children(walk, waits_for, raising)
        return
    if isinstance(waits_for, OnTask) and begun:
        _note_unknown(walk)
    walk.rest = None
    leave(walk, raising)


def _undone(walk: Walk) -> None:
    walk.cut_undo(walk.undo_size - 1)
    unwind(walk)


def _woken(walk: Walk) -> None:
    rest = walk.token.rest
    if isinstance(rest, OnTimer) and rest.until <= walk.now:
        follow(walk, _edge(walk))
    elif isinstance(rest, OnEvent) and 0 < rest.deadline <= walk.now:
        fail(walk, walk.program.error(TimeoutError("no event came in time")))
    else:
        _interrupt(walk)


def _edge(walk: Walk) -> int:
    """Return where a sleep goes on."""
    node = walk.linked.node
    if not isinstance(node, Wait):
        raise NotAllowed("A timer fired for a token that does not sleep.")
    return node.next


def _received(walk: Walk, event: Value) -> None:
    node = walk.linked.node
    if not isinstance(node, Receive):
        raise NotAllowed("An event came for a token that waits for none.")
    if node.into is not None:
        live = walk.program.load(event)
        walk.write(node.into.name, walk.program.pack(live, node.into.type))
    follow(walk, node.next)


def _resume(walk: Walk, begun: bool) -> None:
    rest = walk.token.rest
    if not isinstance(rest, Parked):
        walk.rest = rest
        return
    # It may have been cancelled, or have run out of time, while it was parked.
    _interrupt(walk, begun=begun)
    if walk.rest is not rest:
        return
    walk.rest = _fresh(rest.over)
    if isinstance(rest.over, Ready):
        walk.rest = None
    else:
        walk.effects.extend(renewed(walk.program, replace(walk.token, rest=walk.rest)))


def _fresh(rest: Rest) -> Rest:
    """Return a rest with its attempts at zero."""
    match rest:
        case OnTask(args=args):
            return OnTask(args)
        case OnUndo(entry):
            return OnUndo(entry)
        case _:
            return rest


def _skip(walk: Walk, result: Value) -> None:
    rest = walk.token.rest
    match rest.over if isinstance(rest, Parked) else rest:
        case OnTask():
            _task_completed(walk, result)
        case OnUndo():
            _undone(walk)
        case OnEvent():
            _received(walk, result)
        case OnTimer():
            follow(walk, _edge(walk))
        case Ready() | OnChildren() | Parked():
            walk.rest = rest


def renewed(program: Program, token: Token) -> tuple[Effect, ...]:
    """Return the effects of a resting token once more: after recovery, arrival or a retry."""
    rest = token.rest
    linked = program.regions[token.region][token.node]
    match rest:
        case OnTask(args, attempt, due) if isinstance(linked.node, Task):
            given, named, stored = ((), {}, ()) if args else _arguments(linked, token.vars)
            deadline = wake_at(rest, token.frames)
            call = CallTask(
                linked.node.task,
                token.step,
                given,
                named,
                args,
                attempt,
                due,
                deadline,
                linked.pure,
                stored,
            )
            return (call,)
        case OnUndo(entry, attempt, due):
            return (CallUndo(entry, attempt, due),)
        case OnEvent(event, key):
            return (Subscribe(event, key),)
        case _:
            return ()


__all__ = ["advance", "renewed"]
