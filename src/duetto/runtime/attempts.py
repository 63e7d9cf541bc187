"""Attempts at tasks and compensations: local calls, retries, limits, and what is settled first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from duetto.authoring.context import TaskContext
from duetto.authoring.retry import Retry
from duetto.errors import ConfigurationError, DuettoError, NotFound
from duetto.invoker import Invocation, Invoker
from duetto.kernel import fold, journal
from duetto.kernel.advance import renewed
from duetto.kernel.fold import Key, RunState
from duetto.model.definition import Task
from duetto.model.effect import CallTask, CallUndo, TaskCompleted, TaskFailed, Undone
from duetto.model.message import Command, Message
from duetto.model.record import AttemptFailed, CommandEnded, Progressed
from duetto.model.token import (
    DYNAMIC,
    NONE,
    OPEN,
    Completed,
    Entry,
    Error,
    Failed,
    OnTask,
    OnUndo,
    Outcome,
    Token,
    Value,
    task_key,
)
from duetto.observer import AttemptFailedSignal
from duetto.runtime.cause import Cause
from duetto.runtime.desk import Desk
from duetto.runtime.tasks import TaskHandle
from duetto.runtime.timers import Timers
from duetto.runtime.tokens import Tokens
from duetto.store import unseal

TASK, UNDO, SETTLE, LOOKUP, COMMAND, COMMAND_UNDO = range(6)
"""What an attempt is for: a token's task or compensation, settling an interrupted task by running
or looking it up, or a command of a token that rests elsewhere."""


UNDO_SUFFIX = "!undo"
"""Marks the idempotency key of a compensation, which is otherwise that of its task."""


class Attempt:
    """One attempt, and what to do when it ends. `packed` are the arguments as they are stored."""

    __slots__ = (
        "answer",
        "handle",
        "kind",
        "message",
        "number",
        "packed",
        "path",
        "run",
        "step",
        "then",
    )

    def __init__(
        self,
        run: RunState,
        path: str,
        step: int,
        handle: TaskHandle,
        *,
        kind: int = TASK,
        number: int = 1,
        packed: bytes = b"",
        message: Message | None = None,
        then: Callable[[Outcome], None] | None = None,
        answer: Callable[[Attempt, Invocation, Outcome, bool], None] | None = None,
    ) -> None:
        self.run, self.path, self.step, self.handle = run, path, step, handle
        self.kind, self.number, self.packed = kind, number, packed
        self.message, self.then, self.answer = message, then, answer


class Attempts:
    """The attempts of one desk, by the key of their task."""

    def __init__(self, desk: Desk, tokens: Tokens, timers: Timers) -> None:
        self.desk, self.tokens, self.timers = desk, tokens, timers
        self.running: dict[tuple[str, str, int], Attempt] = {}
        self.invocations: dict[tuple[str, str, int], Invocation] = {}
        self.settling: dict[tuple[str, str, int], list[Callable[[Outcome], None]]] = {}

    # -- beginning

    def pack(self, effect: CallTask) -> bytes | DuettoError | TypeError:
        """Return the stored form of a call's arguments, or why there is none."""
        if effect.packed:
            return effect.packed
        handle = self.desk.tasks.get(effect.task)
        if handle is None:
            return NotFound.named("task", effect.task, self.desk.tasks)
        try:
            return handle.pack(handle.ordered(effect.args, effect.kwargs))
        except (DuettoError, TypeError) as error:
            return error

    def packed(self, token: Token) -> bytes:
        """Return the stored form of the arguments of the task that a token waits for."""
        effect = renewed(self.desk.programs.program(token.definition), token)[0]
        packed = self.pack(effect) if isinstance(effect, CallTask) else b""
        return packed if isinstance(packed, bytes) else b""

    def refuse(self, run: RunState, path: str, step: int, error: DuettoError | TypeError) -> None:
        """Raise in the workflow that a call cannot be made; park it where its task is unknown."""
        token = run.tokens.get(path)
        if token is None or token.step != step or not isinstance(token.rest, OnTask):
            return
        if isinstance(error, NotFound):
            self.tokens.park(run, token, str(error))
            return
        self.tokens.advance(run, path, TaskFailed(self.desk.codec.error(error)), Cause("refused"))

    def begin(self, run: RunState, token: Token, effect: CallTask, packed: bytes) -> Message | None:
        """Call a task: locally where its service shares the store, else by the command returned."""
        desk = self.desk
        handle = desk.tasks.get(effect.task)
        if handle is None:
            desk.loop.call_soon(
                self.refuse,
                run,
                token.path,
                token.step,
                NotFound.named("task", effect.task, desk.tasks),
            )
            return None
        if handle.service not in desk.local_services:
            return self._command(run, token, effect, packed)
        if effect.due > desk.clock.now_ms():
            self.timers.arm(effect.due, run.id, token.path, token.step)
            return None
        attempt = Attempt(run, token.path, token.step, handle, number=effect.attempt, packed=packed)
        if effect.packed:
            ordered = handle.unpack(effect.packed)
        else:
            ordered = handle.ordered(effect.args, effect.kwargs)
        self.invoke(attempt, ordered, effect.deadline)
        return None

    def _command(self, run: RunState, token: Token, effect: CallTask, packed: bytes) -> Message:
        command = Command(
            token.path,
            token.step,
            effect.task,
            token.at,
            token.path,
            packed,
            deadline=effect.deadline,
            definition=token.definition,
        )
        service = effect.task.partition(".")[0]
        message = self.desk.message(run, service, command)
        fold.note_sent(run, message)
        return message

    def invoke(self, attempt: Attempt, ordered: tuple[Any, ...], deadline_ms: int = 0) -> None:
        """Run an attempt once what was written until now is durable."""
        handle = attempt.handle
        args, kwargs = handle.call(ordered)
        self._prepare(attempt, handle, args, kwargs, deadline_ms)

    def _prepare(
        self,
        attempt: Attempt,
        handle: TaskHandle,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        deadline_ms: int = 0,
    ) -> None:
        run, step = attempt.run, attempt.step
        key = (run.id, attempt.path, step)
        context = TaskContext(
            task=handle.name,
            key=task_key(run.id, attempt.path, step),
            run=run.id,
            path=attempt.path,
            attempt=attempt.number,
            deadline_ms=deadline_ms,
            report=self._reporter(attempt) if attempt.kind == TASK else _nothing,
        )
        invocation = Invocation(
            handle.body,
            args,
            kwargs,
            context=context,
            owner=attempt,
            is_async=handle.is_async,
            timeout_s=handle.timeout_s,
        )
        if attempt.kind != UNDO:
            self.running[key] = attempt
            self.invocations[key] = invocation
        self.desk.invocations.append(invocation)
        self.desk.schedule()

    def _reporter(self, attempt: Attempt) -> Callable[[object], None]:
        desk = self.desk

        def keep(value: object) -> None:
            data = desk.codec.dynamic.encode(value)

            def write() -> None:
                if attempt.run.id in desk.runs:
                    stored = Value(DYNAMIC, data)
                    attempt.run.progress[attempt.path] = stored
                    now = desk.clock.now_ms()
                    desk.write(attempt.run, Progressed(attempt.path, now, attempt.step, stored))

            desk.loop.call_soon_threadsafe(write)

        return keep

    def submit(self, invocation: Invocation, invoker: Invoker) -> None:
        """Hand an invocation to the invoker, within the limits of its task."""
        handle: TaskHandle = invocation.owner.handle
        if handle.limit is not None:
            if handle.running >= handle.limit:
                handle.waiting.append(invocation)
                return
            handle.running += 1
        invoker.submit(invocation)

    def notice(self, run: RunState, token: Token) -> None:
        """Tell the body that runs for a token that its caller has lost interest."""
        invocation = self.invocations.get((run.id, token.path, token.step))
        if invocation is not None:
            invocation.context.cancel()

    # -- ending

    def ended(self, invocation: Invocation, result: Any, error: BaseException | None) -> None:
        """An attempt ended: retry, or go on with its outcome."""
        attempt: Attempt = invocation.owner
        handle = attempt.handle
        if handle.limit is not None:
            handle.running -= 1
            if handle.waiting:
                self.desk.submit(handle.waiting.popleft())
        if isinstance(error, asyncio.CancelledError):
            if self.desk.stopping:
                return
            error = ConfigurationError("The body of a task was cancelled from within.")
        key = (attempt.run.id, attempt.path, attempt.step)
        if attempt.kind != UNDO:
            self.running.pop(key, None)
            self.invocations.pop(key, None)
        match attempt.kind:
            case 0:  # TASK
                self._task_ended(attempt, invocation, result, error)
            case 1:  # UNDO
                self._undo_ended(attempt, invocation, error)
            case _:
                self._other_ended(attempt, invocation, result, error)

    def _task_ended(
        self, attempt: Attempt, invocation: Invocation, result: Any, error: BaseException | None
    ) -> None:
        run, path, step, desk = attempt.run, attempt.path, attempt.step, self.desk
        token = run.tokens.get(path)
        if token is None or token.step != step or type(token.rest) is not OnTask:
            if token is not None or run.id in desk.runs:
                self._late(attempt, invocation, result, error)
            return
        program = desk.programs.program(token.definition)
        node = program.regions[token.region][token.node].node
        assert isinstance(node, Task), "a token on a task stands at one"
        if error is None:
            try:
                self._completed(attempt, invocation, token, node, result)
                return
            except DuettoError as refused:
                error = refused
        elif self._again(attempt, invocation, error):
            return
        packed = attempt.packed if node.undoable else b""
        failed = desk.codec.error(error)
        unknown = isinstance(error, TimeoutError) and invocation.timeout_s is not None
        self.tokens.advance(
            run,
            path,
            TaskFailed(failed, unknown or isinstance(error, DuettoError)),
            Cause(
                "failed",
                task=node.task,
                step=step,
                attempt=attempt.number,
                took=invocation.took,
                args=packed,
                error=failed,
            ),
        )

    def _completed(
        self, attempt: Attempt, invocation: Invocation, token: Token, node: Task, result: Any
    ) -> None:
        desk, handle = self.desk, attempt.handle
        program = desk.programs.program(token.definition)
        stored = handle.result.encode(result)
        into = ""
        if node.into is None:
            value = NONE
        elif program.plans[node.into.type] is handle.result:
            into = node.into.name
            keep = result if handle.result.immutable else OPEN
            value = Value(node.into.type, stored, keep)
        else:
            value = program.pack(result, node.into.type)
        cause = Cause(
            "completed",
            task=node.task,
            step=attempt.step,
            attempt=attempt.number,
            took=invocation.took,
            into=into,
            value=value,
        )
        if node.undoable:
            cause.result, cause.args = stored, attempt.packed
        self.tokens.advance(attempt.run, attempt.path, TaskCompleted(value), cause)

    def _again(self, attempt: Attempt, invocation: Invocation, error: BaseException) -> bool:
        """Write that an attempt failed, where there is another; return whether there is."""
        retry: Retry = attempt.handle.task.retry
        if not retry.retries(error, attempt.number):
            return False
        desk, run = self.desk, attempt.run
        now = desk.clock.now_ms()
        due = now + retry.delay_ms_after(attempt.number, desk.clock.random())
        undo = attempt.kind in (UNDO, COMMAND_UNDO)
        record = AttemptFailed(
            attempt.path,
            now,
            attempt.handle.name,
            attempt.step,
            attempt.number,
            invocation.took,
            desk.codec.error(error),
            due,
            undo,
            attempt.kind not in (TASK, UNDO),
        )
        desk.write(run, record)
        fold.apply(run, record)
        text = f"{type(error).__name__}: {error}"
        signal = AttemptFailedSignal(
            run.id, attempt.path, attempt.handle.name, attempt.number, text, due
        )
        desk.after_commit(lambda: desk.observer.note(signal))
        if attempt.kind in (TASK, UNDO):
            token = run.tokens[attempt.path]
            self.timers.arm(due, run.id, attempt.path, token.step)
        else:
            delay_s = (due - now) / 1000
            desk.loop.call_later(delay_s, self._next, attempt, invocation)
        return True

    def _next(self, attempt: Attempt, invocation: Invocation) -> None:
        """Begin the next attempt of something that no token here waits for."""
        if self.desk.stopping:
            return
        attempt.number += 1
        if attempt.kind == COMMAND_UNDO:
            self.invoke_undo(attempt, invocation.args, invocation.kwargs)
            return
        deadline_ms = invocation.context.deadline_ms
        self._prepare(attempt, attempt.handle, invocation.args, invocation.kwargs, deadline_ms)

    def _undo_ended(
        self, attempt: Attempt, invocation: Invocation, error: BaseException | None
    ) -> None:
        desk, run = self.desk, attempt.run
        token = run.tokens.get(attempt.path)
        if token is None or not isinstance(token.rest, OnUndo):
            return
        if error is not None:
            if not self._again_undo(attempt, invocation, error, token):
                name = attempt.handle.name
                reason = f"the compensation {name} failed {attempt.number} times: {error}"
                self.tokens.park(run, token, reason, desk.codec.error(error))
            return
        self.tokens.advance(
            run,
            token.path,
            Undone(),
            Cause("undone", note=f"{attempt.handle.name} attempt {attempt.number}"),
        )

    def _again_undo(
        self, attempt: Attempt, invocation: Invocation, error: BaseException, token: Token
    ) -> bool:
        attempt.path, attempt.step = token.path, token.step
        return self._again(attempt, invocation, error)

    # -- what ended for nobody who waits here

    def _late(
        self, attempt: Attempt, invocation: Invocation, result: Any, error: BaseException | None
    ) -> None:
        """A task ended after its token had turned round: keep how, so that it can be undone."""
        key = (attempt.run.id, attempt.path, attempt.step)
        outcome = self._outcome(attempt.handle, result, error)
        if isinstance(outcome, Completed) or not _is_unknown(invocation, error):
            self.keep_key(attempt, invocation, outcome)
        for then in self.settling.pop(key, ()):
            then(outcome)

    def _outcome(self, handle: TaskHandle, result: Any, error: BaseException | None) -> Outcome:
        if error is None:
            try:
                return Completed(Value(DYNAMIC, handle.result.encode(result)))
            except DuettoError as refused:
                error = refused
        return Failed(self.desk.codec.error(error))

    def keep_key(
        self,
        attempt: Attempt,
        invocation: Invocation,
        outcome: Outcome,
        sent: tuple[Message, ...] = (),
    ) -> None:
        """Write the key row of a task that ended."""
        record = CommandEnded(
            attempt.path,
            self.desk.clock.now_ms(),
            attempt.handle.name,
            attempt.step,
            attempt.number,
            invocation.took,
            outcome,
            attempt.packed,
            attempt.kind == COMMAND_UNDO,
            sent=sent,
        )
        self.desk.write(attempt.run, record)
        fold.apply(attempt.run, record)

    def _other_ended(
        self, attempt: Attempt, invocation: Invocation, result: Any, error: BaseException | None
    ) -> None:
        """A command, or the settling of an interrupted task, ended."""
        if error is not None and self._again(attempt, invocation, error):
            key = (attempt.run.id, attempt.path, attempt.step)
            self.running[key] = attempt
            self.invocations[key] = invocation
            return
        if attempt.kind == LOOKUP and error is None:
            outcome = self._looked_up(attempt, result)
        else:
            outcome = self._outcome(attempt.handle, result, error)
        unknown = isinstance(outcome, Failed) and _is_unknown(invocation, error)
        if not unknown and attempt.kind in (SETTLE, LOOKUP):
            self.keep_key(attempt, invocation, outcome)
        if attempt.then is not None:
            attempt.then(outcome)
        if attempt.answer is not None:
            attempt.answer(attempt, invocation, outcome, unknown)
        for then in self.settling.pop((attempt.run.id, attempt.path, attempt.step), ()):
            then(outcome)

    def _looked_up(self, attempt: Attempt, result: Any) -> Outcome:
        if result is None:
            return Failed(self.desk.codec.error(NotFound("The task never took effect.")))
        return Completed(Value(DYNAMIC, attempt.handle.result.encode(result)))

    # -- undoing

    def undo(self, run: RunState, token: Token, effect: CallUndo) -> Message | None:
        """Compensate an entry: settle it first where it is unknown; by command where it is remote."""
        desk, entry = self.desk, effect.entry
        handle = desk.tasks.get(entry.task)
        if handle is None or handle.undo is None:
            reason = f"{entry.task} has no compensation here"
            desk.loop.call_soon(self._park_undo, run, token.path, reason)
            return None
        if handle.service not in desk.local_services:
            return self._undo_command(run, token, entry)
        if effect.due > desk.clock.now_ms():
            self.timers.arm(effect.due, run.id, token.path, token.step)
            return None

        def then(outcome: Outcome | None, args: bytes) -> None:
            self._compensate(run, token, entry, handle, outcome, args, effect.attempt)

        self.settle(run, entry, handle, then)
        return None

    def _park_undo(self, run: RunState, path: str, reason: str) -> None:
        token = run.tokens.get(path)
        if token is not None and isinstance(token.rest, OnUndo):
            self.tokens.park(run, token, reason)

    def _undo_command(self, run: RunState, token: Token, entry: Entry) -> Message:
        args = b""
        if entry.unknown:
            args = fold.interrupted_args(self.records(run), entry.path, entry.step)
        command = Command(
            entry.path,
            entry.step,
            entry.task,
            token.at,
            token.path,
            args,
            undo=True,
            unknown=entry.unknown,
            definition=token.definition,
        )
        message = self.desk.message(run, entry.task.partition(".")[0], command)
        fold.note_sent(run, message)
        return message

    def settle(
        self,
        run: RunState,
        entry: Entry,
        handle: TaskHandle,
        then: Callable[[Outcome | None, bytes], None],
        args: bytes = b"",
    ) -> None:
        """Find out how a task ended; where that is unknown, let it end (PROTOCOL, rule 6)."""
        key = self.key(run, entry.path, entry.step)
        if key is not None:
            then(key.outcome, key.args)
            return
        place = (run.id, entry.path, entry.step)
        args = args or fold.interrupted_args(self.records(run), entry.path, entry.step)
        if place in self.running:
            self.settling.setdefault(place, []).append(lambda outcome: then(outcome, args))
            return
        if not entry.unknown or not args:
            then(None, args)
            return
        if handle.look_up is not None:
            kind, target = LOOKUP, handle.look_up
            ordered: tuple[Any, ...] = (task_key(run.id, entry.path, entry.step),)
        else:
            kind, target, ordered = SETTLE, handle, handle.unpack(args)
        attempt = Attempt(
            run,
            entry.path,
            entry.step,
            target,
            kind=kind,
            packed=args,
            then=lambda outcome: then(self._settled(run, entry, outcome), args),
        )
        self.invoke(attempt, ordered)

    def _settled(self, run: RunState, entry: Entry, outcome: Outcome) -> Outcome | None:
        """Return the outcome that was kept, or None where it is still unknown."""
        return outcome if (entry.path, entry.step, False) in run.keys else None

    def _compensate(
        self,
        run: RunState,
        token: Token,
        entry: Entry,
        handle: TaskHandle,
        outcome: Outcome | None,
        args: bytes,
        number: int,
    ) -> None:
        desk = self.desk
        current = run.tokens.get(token.path)
        if current is None or not isinstance(current.rest, OnUndo) or current.rest.entry != entry:
            return
        match outcome:
            case Completed(value):
                assert handle.undo is not None
                result = handle.result.decode(value.data)
                call_args, kwargs = handle.undo_call(result, args)
                attempt = Attempt(
                    run, token.path, entry.step, handle.undo, kind=UNDO, number=number
                )
                attempt.packed = args
                self.invoke_undo(attempt, call_args, kwargs, entry.path)
            case None:
                reason = f"whether {entry.task} had its effect is unknown"
                desk.loop.call_soon(self._park_undo, run, token.path, reason)
            case _:
                desk.loop.call_soon(self._nothing_to_undo, run, token.path, entry)

    def _nothing_to_undo(self, run: RunState, path: str, entry: Entry) -> None:
        token = run.tokens.get(path)
        if token is not None and isinstance(token.rest, OnUndo) and token.rest.entry == entry:
            note = f"{entry.task} had no effect"
            self.tokens.advance(run, path, Undone(), Cause("undone", note=note))

    def invoke_undo(
        self, attempt: Attempt, args: tuple[Any, ...], kwargs: dict[str, Any], path: str = ""
    ) -> None:
        """Run a compensation once what was written until now is durable."""
        handle = attempt.handle
        path = path or attempt.path
        context = TaskContext(
            task=handle.name,
            key=task_key(attempt.run.id, path, attempt.step) + UNDO_SUFFIX,
            run=attempt.run.id,
            path=path,
            attempt=attempt.number,
        )
        self.desk.invocations.append(
            Invocation(
                handle.body,
                args,
                kwargs,
                context=context,
                owner=attempt,
                is_async=handle.is_async,
                timeout_s=handle.timeout_s,
            )
        )
        self.desk.schedule()

    def key(self, run: RunState, path: str, step: int) -> Key | None:
        """Return how a task ended, from memory or the journal."""
        found = run.keys.get((path, step, False))
        if found is None:
            found = fold.key_of(self.records(run), path, step)
        return found

    def records(self, run: RunState) -> list[Any]:
        """Return the records of a run, those that wait for their commit included."""
        desk = self.desk
        stored = [journal.record(data) for data in desk.store.journal(run.rid)]
        waiting = [
            journal.record(unseal(data)) for rid, data in desk.batch.journal if rid == run.rid
        ]
        return [*stored, *waiting]


def _is_unknown(invocation: Invocation, error: BaseException | None) -> bool:
    return isinstance(error, TimeoutError) and invocation.timeout_s is not None


def _nothing(_: object) -> None:
    return None


__all__ = ["COMMAND", "COMMAND_UNDO", "Attempt", "Attempts", "Error"]
