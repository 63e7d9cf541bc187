"""Attempts at tasks: begun after a commit, retried, ended in the workflow or for its undo."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from duetto.authoring.context import TaskContext
from duetto.errors import ConfigurationError, DuettoError, NotFound
from duetto.invoker import Invocation, Invoker
from duetto.kernel import fold
from duetto.kernel.advance import renewed
from duetto.kernel.fold import RunState
from duetto.kernel.program import Program
from duetto.model.definition import Task
from duetto.model.effect import CallTask, TaskCompleted, TaskFailed
from duetto.model.message import Command, Message
from duetto.model.record import AttemptFailed, CommandEnded, Progressed
from duetto.model.token import (
    DYNAMIC,
    NONE,
    OPEN,
    Completed,
    Failed,
    OnTask,
    Outcome,
    Token,
    Value,
    task_key,
)
from duetto.observer import AttemptFailedSignal, LoopBlocked
from duetto.runtime.cause import Cause
from duetto.runtime.desk import Desk
from duetto.runtime.tasks import Room, TaskHandle
from duetto.runtime.timers import Timers
from duetto.runtime.tokens import Tokens

UNDO_SUFFIX = "!undo"
"""Marks the idempotency key of a compensation, which is otherwise that of its task."""

Place = tuple[str, str, int]
"""Run, path and step: what names a task."""


class Attempt(Invocation):
    """One attempt at the task or, with `undo`, at the compensation of (run, path, step).

    `token` is the path of the token that waits for it here, None where it rests elsewhere or
    nobody waits. `packed` are the arguments as they are stored. `then` takes the end.
    """

    __slots__ = (
        "_context",
        "_packed",
        "deadline_ms",
        "handle",
        "number",
        "path",
        "place",
        "progress",
        "run",
        "step",
        "stored",
        "then",
        "token",
        "undo",
    )

    def __init__(
        self,
        run: RunState,
        path: str,
        step: int,
        handle: TaskHandle,
        then: Then,
        token: str | None = None,
        number: int = 1,
        packed: bytes = b"",
        stored: tuple[Value, ...] = (),
        *,
        undo: bool = False,
    ) -> None:
        self.run, self.path, self.step, self.handle = run, path, step, handle
        self.then, self.token, self.number = then, token, number
        self._packed, self.stored, self.undo = packed, stored, undo
        self.body, self.is_async, self.timeout_s = handle.body, handle.is_async, handle.timeout_s
        self.took = self.deadline_ms = 0
        self.place: Place = (run.id, path, step)
        self.progress: Callable[[Attempt, object], None] | None = None
        self._context: TaskContext | None = None

    @property
    def packed(self) -> bytes:
        """The arguments as they are stored; joined when they are needed, from variables."""
        if not self._packed and self.stored:
            self._packed = self.handle.codec.tuple_of([value.data for value in self.stored])
        return self._packed

    @property
    def context(self) -> TaskContext:
        """What the body may ask; most never do, so it is made at the first question."""
        if self._context is None:
            key = task_key(*self.place)
            self._context = TaskContext(
                task=self.handle.name,
                key=key + UNDO_SUFFIX if self.undo else key,
                run=self.run.id,
                path=self.path,
                attempt=self.number,
                deadline_ms=self.deadline_ms,
                report=self._report,
            )
        return self._context

    def next(self) -> Attempt:
        """Return the next attempt at the same."""
        return Attempt(
            self.run,
            self.path,
            self.step,
            self.handle,
            self.then,
            self.token,
            self.number + 1,
            self.packed,
            undo=self.undo,
        )

    def _report(self, value: object) -> None:
        if self.progress is not None:
            self.progress(self, value)


Then = Callable[[Attempt, Any, BaseException | None], None]
"""Takes the end of an attempt: its result, or its error."""


class Attempts:
    """The attempts of one host, by the place of their task."""

    def __init__(self, desk: Desk, tokens: Tokens, timers: Timers) -> None:
        self.desk, self.tokens, self.timers = desk, tokens, timers
        self.running: dict[Place, Attempt] = {}
        self.settling: dict[Place, list[Callable[[], None]]] = {}

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

    def begin_stored(
        self, run: RunState, token: Token, effect: CallTask, plans: Sequence[object]
    ) -> bool:
        """Call a task here whose arguments are variables of the right types, so that nothing has
        to be encoded; return whether it was."""
        handle = self.desk.tasks.get(effect.task)
        if handle is None or handle.service not in self.desk.local_services or effect.due:
            return False
        if not handle.takes(effect.stored, plans):
            return False
        path = token.path
        attempt = Attempt(
            run,
            path,
            token.step,
            handle,
            self._task_ended,
            path,
            effect.attempt,
            b"",
            effect.stored,
        )
        self.invoke(attempt, effect.args, effect.kwargs, deadline_ms=effect.deadline)
        return True

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
        failed = TaskFailed(self.desk.codec.error(error))
        self.tokens.advance(run, path, failed, Cause("refused"))

    def begin(self, run: RunState, token: Token, effect: CallTask, packed: bytes) -> Message | None:
        """Call a task: locally where its service shares the store, else by the command returned."""
        desk = self.desk
        handle = desk.tasks.get(effect.task)
        if handle is None:
            unknown = NotFound.named("task", effect.task, desk.tasks)
            desk.loop.call_soon(self.refuse, run, token.path, token.step, unknown)
            return None
        if handle.service not in desk.local_services:
            return self._command(run, token, effect, packed)
        if effect.due and effect.due > desk.clock.now_ms():
            self.timers.arm(effect.due, run.id, token.path, token.step)
            return None
        path = token.path
        attempt = Attempt(
            run, path, token.step, handle, self._task_ended, path, effect.attempt, packed
        )
        if effect.packed:
            ordered = handle.unpack(effect.packed)
        else:
            ordered = handle.ordered(effect.args, effect.kwargs)
        self.invoke(attempt, *handle.call(ordered), deadline_ms=effect.deadline)
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
        message = self.desk.message(run, effect.task.partition(".")[0], command)
        fold.note_sent(run, message)
        return message

    def invoke(
        self,
        attempt: Attempt,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        deadline_ms: int = 0,
    ) -> None:
        """Run an attempt once what was written until now is durable."""
        attempt.args, attempt.kwargs = args, kwargs
        attempt.deadline_ms, attempt.progress = deadline_ms, self._progress
        if not attempt.undo:
            self.running[attempt.place] = attempt
        self.desk.invocations.append(attempt)
        self.desk.schedule()

    def _progress(self, attempt: Attempt, value: object) -> None:
        """Keep what a body told of its progress; it may be called in any thread."""
        desk, run = self.desk, attempt.run
        stored = Value(DYNAMIC, desk.codec.dynamic.encode(value))

        def keep() -> None:
            if attempt.token is not None and run.id in desk.runs:
                run.progress[attempt.token] = stored
                now = desk.clock.now_ms()
                desk.write(run, Progressed(attempt.token, now, attempt.step, stored))

        desk.loop.call_soon_threadsafe(keep)

    def submit(self, attempt: Attempt, invoker: Invoker) -> None:
        """Hand an attempt to the invoker, within the limits of its task and service."""
        rooms = attempt.handle.rooms
        for room in rooms:
            if room.is_full:
                room.waiting.append(attempt)
                return
        for room in rooms:
            room.running += 1
        invoker.submit(attempt)

    def _leave(self, rooms: tuple[Room, ...]) -> None:
        """Give places up, and let in who waits for one."""
        for room in rooms:
            room.running -= 1
        for room in rooms:
            # Who finds the other room full waits there, and this place is still free.
            while room.waiting and not room.is_full:
                self.desk.submit(room.waiting.popleft())

    def notice(self, run: RunState, token: Token) -> None:
        """Tell the body that runs for a token that its caller has lost interest."""
        running = self.running.get((run.id, token.path, token.step))
        if running is not None:
            running.context.cancel()

    def blocked(self, attempt: Invocation, took_ms: int) -> None:
        """Report a body that held the loop."""
        assert isinstance(attempt, Attempt), "the invoker was given attempts"
        self.desk.observer.note(LoopBlocked(attempt.handle.name, took_ms))

    # -- ending

    def ended(self, attempt: Invocation, result: Any, error: BaseException | None) -> None:
        """An attempt ended: hand it to whoever began it."""
        assert isinstance(attempt, Attempt), "the invoker was given attempts"
        if attempt.handle.rooms:
            self._leave(attempt.handle.rooms)
        if isinstance(error, asyncio.CancelledError):
            if self.desk.stopping:
                return
            error = ConfigurationError("The body of a task was cancelled from within.")
        elif isinstance(error, SystemExit):
            error = ConfigurationError(
                f"The body of {attempt.handle.name} asked the process to exit.",
                found=f"SystemExit({error.code!r})",
                expected="a result, or an error",
                do="raise an error; the process is ended by who started it",
            )
        if not attempt.undo:
            self.running.pop(attempt.place, None)
        attempt.then(attempt, result, error)

    def _task_ended(self, attempt: Attempt, result: Any, error: BaseException | None) -> None:
        """The task of a token that rests here ended."""
        run, path, step, desk = attempt.run, attempt.path, attempt.step, self.desk
        token = run.tokens.get(path)
        if token is None or token.step != step or type(token.rest) is not OnTask:
            if run.id in desk.runs:
                self._late(attempt, result, error)
            return
        program = desk.programs.program(token.definition)
        node = program.regions[token.region][token.node].node
        assert isinstance(node, Task), "a token on a task stands at one"
        if error is None:
            try:
                self._completed(attempt, program, node, result)
                return
            except DuettoError as refused:
                error = refused
        elif self.again(attempt, error):
            return
        failed = desk.codec.error(error)
        # A result that cannot be stored was an effect all the same, as a time limit may be.
        unknown = is_unknown(attempt, error) or result is not None
        cause = Cause(
            "failed",
            task=node.task,
            step=step,
            attempt=attempt.number,
            took=attempt.took,
            args=attempt.packed if node.undoable else b"",
            error=failed,
        )
        self.tokens.advance(run, path, TaskFailed(failed, unknown), cause)

    def _completed(self, attempt: Attempt, program: Program, node: Task, result: Any) -> None:
        """Store a result, and let the token go on. Raises ValueRefused where it cannot."""
        handle = attempt.handle
        stored = handle.result.encode(result)
        cause = Cause(
            "completed",
            task=node.task,
            step=attempt.step,
            attempt=attempt.number,
            took=attempt.took,
        )
        if node.into is None:
            value = NONE
        elif program.plans[node.into.type] is handle.result:
            value = Value(node.into.type, stored, result if handle.result.immutable else OPEN)
            cause.into, cause.value = node.into.name, value
        else:
            value = program.pack(result, node.into.type)
        if node.undoable:
            cause.result, cause.args = stored, attempt.packed
        self.tokens.advance(attempt.run, attempt.path, TaskCompleted(value), cause)

    def again(self, attempt: Attempt, error: BaseException) -> bool:
        """Write that an attempt failed, where there is another; return whether there is."""
        retry = attempt.handle.task.retry
        if not retry.retries(error, attempt.number):
            return False
        desk, run = self.desk, attempt.run
        now, failed = desk.clock.now_ms(), desk.codec.error(error)
        delay_ms = retry.delay_ms_after(attempt.number, desk.clock.random())
        record = AttemptFailed(
            attempt.token or attempt.path,
            now,
            attempt.handle.name,
            attempt.step,
            attempt.number,
            attempt.took,
            failed,
            now + delay_ms,
            attempt.undo,
            attempt.token is None,
        )
        desk.write(run, record)
        fold.apply(run, record)
        text = f"{type(error).__name__}: {failed.message}"
        signal = AttemptFailedSignal(
            run.id, attempt.path, attempt.handle.name, attempt.number, text, now + delay_ms
        )
        desk.after_commit(lambda: desk.observer.note(signal))
        if attempt.token is not None:
            self.timers.arm(record.due, run.id, attempt.token, run.tokens[attempt.token].step)
        else:
            if not attempt.undo:
                self.running[attempt.place] = attempt
            desk.loop.call_later(delay_ms / 1000, self._next, attempt)
        return True

    def _next(self, attempt: Attempt) -> None:
        """Begin the next attempt of something that no token here waits for."""
        if not self.desk.stopping:
            self.invoke(
                attempt.next(), attempt.args, attempt.kwargs, deadline_ms=attempt.deadline_ms
            )

    # -- what ended for nobody who waits here

    def _late(self, attempt: Attempt, result: Any, error: BaseException | None) -> None:
        """A task ended after its token had turned round: keep how, so that it can be undone."""
        outcome = self.outcome(attempt.handle, result, error)
        unknown = is_unknown(attempt, error)
        self.keep_key(attempt, outcome, unknown=unknown)
        self.settled(attempt.place)

    def await_end(self, place: Place, then: Callable[[], None]) -> None:
        """Call `then` once a task has ended and its key row says how."""
        self.settling.setdefault(place, []).append(then)

    def settled(self, place: Place) -> None:
        """Tell those who waited for the end of a task to undo it."""
        for then in self.settling.pop(place, ()):
            then()

    def outcome(self, handle: TaskHandle, result: Any, error: BaseException | None) -> Outcome:
        """Return the end of an attempt as data; values are packed by the task's result type."""
        if error is None:
            try:
                return Completed(Value(DYNAMIC, handle.result.encode(result)))
            except DuettoError as refused:
                error = refused
        return Failed(self.desk.codec.error(error))

    def keep_key(
        self,
        attempt: Attempt,
        outcome: Outcome,
        sent: tuple[Message, ...] = (),
        *,
        unknown: bool = False,
    ) -> None:
        """Write the key row of a task or compensation that ended for a token elsewhere."""
        record = CommandEnded(
            attempt.path,
            self.desk.clock.now_ms(),
            attempt.handle.name,
            attempt.step,
            attempt.number,
            attempt.took,
            outcome,
            attempt.packed,
            attempt.undo,
            unknown,
            sent,
        )
        self.desk.write(attempt.run, record)
        fold.apply(attempt.run, record)


def is_unknown(attempt: Attempt, error: BaseException | None) -> bool:
    """Return whether an attempt was cut off by its time limit, its effect therefore unknown."""
    return isinstance(error, TimeoutError) and attempt.timeout_s is not None


__all__ = ["Attempt", "Attempts", "Then", "is_unknown"]
