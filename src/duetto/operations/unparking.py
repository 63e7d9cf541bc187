"""Let what is parked go on, or wait no longer for a next attempt: what an operator decides."""

from __future__ import annotations

from typing import Any

import msgspec

from duetto.errors import DuettoError, NotAllowed, NotFound, ValueRefused
from duetto.kernel import fold
from duetto.kernel.fold import RunState
from duetto.kernel.program import Program
from duetto.model.definition import DYNAMIC, Task
from duetto.model.effect import Resume, Skip
from duetto.model.message import Command, Message
from duetto.model.record import CommandEnded
from duetto.model.token import (
    NONE,
    Completed,
    OnEvent,
    OnTask,
    OnUndo,
    Parked,
    Token,
    Value,
)
from duetto.runtime.cause import Cause
from duetto.runtime.host import Host
from duetto.runtime.tasks import TaskHandle


def resume(host: Host, run: RunState, token: Token, rest: Parked) -> None:
    """Let a parked token wait once more for what it waited for, attempts at zero.

    Raises NotAllowed where that would park it again at once.
    """
    _program(host, run, token)
    node = _node(host, token)
    missing = ""
    if isinstance(rest.over, OnTask) and isinstance(node, Task):
        missing = node.task if node.task not in host.tasks else ""
    elif isinstance(rest.over, OnUndo):
        handle = host.tasks.get(rest.over.entry.task)
        missing = rest.over.entry.task if handle is None or handle.undo is None else ""
    if missing:
        raise not_yet(run, f"{missing} is not known here, or has no compensation")
    if isinstance(rest.over, OnTask):
        unfit = host.attempts.packed(fold.resting(token, rest.over))
        if isinstance(unfit, NotFound):
            raise not_yet(run, unfit.found)
    host.keep_definition(token.definition)
    fold.note_resumed(run, token.path)
    host.advance(run, token.path, Resume(), Cause(fold.RESUMED))


def not_yet(run: RunState, found: str) -> NotAllowed:
    """Return the error for what this deployment lacks."""
    return NotAllowed(
        f"Run {run.id} cannot go on yet.",
        found=found,
        expected="the task that the run waits for",
        do=f"deploy a module that has it, then `duetto runs resume {run.id}`",
    )


def skip(host: Host, run: RunState, token: Token, rest: Parked, value: Any) -> None:
    """Let a parked token go on as if what it waited for had ended with a value.

    A task that is skipped is undone with that value, should the run have to go back. Raises
    ValueRefused where the value does not fit, and NotAllowed where nothing can be skipped.
    """
    program, node = _program(host, run, token), _node(host, token)
    over = rest.over
    if isinstance(over, OnTask) and isinstance(node, Task):
        result = _task_result(host, run, token, program, node, value)
    elif isinstance(over, OnEvent):
        result = Value(DYNAMIC, host.codec.dynamic.encode(value))
    elif isinstance(over, OnUndo) and value is None:
        result = NONE
    else:
        raise NotAllowed(
            f"Run {run.id} waits for nothing that could be skipped so.",
            found=f"{rest.reason.splitlines()[0]}, and a value {value!r}",
            expected="a task or an event with a value, or a compensation without one",
            do=f"duetto runs resume {run.id}",
        )
    host.advance(run, token.path, Skip(result), Cause("skipped"))


def _task_result(
    host: Host, run: RunState, token: Token, program: Program, node: Task, value: Any
) -> Value:
    handle = host.tasks.get(node.task)
    type_index = node.into.type if node.into is not None else DYNAMIC
    if handle is None and node.undoable:
        raise not_yet(run, f"{node.task} is not known here, so nothing could undo what is skipped")
    if handle is None:
        return program.pack(value, type_index) if node.into is not None else NONE
    live, stored = typed(handle, value)
    result = program.pack(live, type_index) if node.into is not None else NONE
    if node.undoable:  # only now: what is refused writes nothing
        _keep_key(host, run, token, handle, stored)
    return result


def typed(handle: TaskHandle, value: Any) -> tuple[Any, bytes]:
    """Return a value as a result of a task, live and stored; plain JSON is built into its type."""
    try:
        return value, handle.result.encode(value)
    except ValueRefused as refused:
        try:
            live = msgspec.convert(value, handle.task.hints.get("return", Any), dec_hook=_validated)
        except (msgspec.ValidationError, TypeError, ValueError) as unfit:
            raise ValueRefused(
                f"The value is no result of {handle.name}.",
                found=str(unfit) or refused.found,
                expected=refused.expected,
                do="give a value of its result type",
            ) from refused
        return live, handle.result.encode(live)


def _validated(kind: Any, value: Any) -> Any:
    validate = getattr(kind, "model_validate", None)
    if validate is None:
        raise NotImplementedError(f"JSON has no form for {kind}")
    return validate(value)


def _keep_key(host: Host, run: RunState, token: Token, handle: TaskHandle, stored: bytes) -> None:
    """Write the key row of a skipped task, here and at its service: its compensation is called with
    that result."""
    assert isinstance(token.rest, Parked), "what is skipped was parked"
    args = host.attempts.packed(fold.resting(token, token.rest.over))
    if not isinstance(args, bytes):
        raise not_yet(run, args.message)
    now, outcome = host.clock.now_ms(), Completed(Value(DYNAMIC, stored))
    sent: tuple[Message, ...] = ()
    if handle.service not in host.local_services:
        command = Command(
            token.path,
            token.step,
            handle.name,
            token.at,
            token.path,
            args,
            definition=token.definition,
            skipped=stored,
        )
        sent = (host.message(run, handle.service, command),)
    record = CommandEnded(token.path, now, handle.name, token.step, 0, 0, outcome, args, sent=sent)
    host.write(run, record)
    fold.apply(run, record)
    for message in sent:
        host.exchange.send(run, message)


def try_at_once(host: Host, run: RunState, token: Token) -> bool:
    """Begin the next attempt that a token waits for; return whether there was one to begin."""
    rest, now = token.rest, host.clock.now_ms()
    if not isinstance(rest, OnTask | OnUndo) or rest.due <= now:
        return False
    host.retry(run, token)
    return True


def _program(host: Host, run: RunState, token: Token) -> Program:
    try:
        return host.programs.program(token.definition)
    except DuettoError as unknown:
        raise NotAllowed(
            f"Run {run.id} cannot go on yet: it needs what is unknown here.",
            found=unknown.found or unknown.message,
            expected=unknown.expected,
            do=f"deploy a module that has it, then `duetto runs resume {run.id}`",
        ) from unknown


def _node(host: Host, token: Token) -> object:
    return host.programs.program(token.definition).regions[token.region][token.node].node
