"""Attempts at tasks: begun after a commit, retried, ended in the workflow or for its undo."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from duetto.errors import ConfigurationError, DuettoError, NotFound
from duetto.invoker import Invoker
from duetto.kernel import fold
from duetto.kernel.advance import renewed
from duetto.kernel.fold import RunState
from duetto.kernel.program import Program
from duetto.model.definition import Task
from duetto.model.effect import CallTask, Effect, TaskCompleted, TaskFailed
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
    kept,
)
from duetto.observer import AttemptFailedSignal, LoopBlocked
from duetto.runtime.attempt import Attempt, Place, Then
from duetto.runtime.cause import Cause
from duetto.runtime.desk import Desk
from duetto.runtime.reaction import Reaction
from duetto.runtime.tasks import Room, TaskHandle
from duetto.runtime.timers import Timers
from duetto.runtime.tokens import Tokens


class Attempts:
    """The attempts of one host, by the place of their task."""

    def __init__(self, desk: Desk, tokens: Tokens, timers: Timers) -> None:
        self.desk, self.tokens, self.timers = desk, tokens, timers
        self.running: dict[Place, Attempt] = {}
        self.settling: dict[Place, list[Callable[[], None]]] = {}
        # Bound once, and not for each attempt.
        self._then: Then = self._task_ended
        self._report = self._progress

    # -- beginning

    def pack(self, effect: CallTask) -> bytes | DuettoError:
        """Return the stored form of a call's arguments, or why there is none."""
        if effect.packed:
            return effect.packed
        handle = self.desk.tasks.get(effect.task)
        if handle is None:
            return NotFound.named("task", effect.task, self.desk.tasks)
        try:
            return handle.pack(handle.ordered(effect.args, effect.kwargs))
        except DuettoError as error:
            return error
        except TypeError as unfit:
            # The compiler checked the call: it was of another version of the task.
            return handle.unfit(str(unfit))

    def begin_stored(self, run: RunState, token: Token, effect: Effect) -> bool:
        """Call a task here whose arguments are variables of the right types, so that nothing has
        to be encoded; return whether that was what the effect asks for."""
        if type(effect) is not CallTask or effect.due:
            return False
        desk, stored = self.desk, effect.stored
        handle = desk.local_tasks.get(effect.task)
        if not stored or handle is None or token.at not in desk.participants:
            return False
        if not handle.takes(stored, desk.programs.program(token.definition).plans):
            return False
        path = token.path
        attempt = Attempt(
            run,
            path,
            token.step,
            handle,
            self._then,
            path,
            effect.attempt,
            b"",
            stored,
            effect.args,
            effect.kwargs,
            effect.deadline,
        )
        self.invoke(attempt)
        return True

    def packed(self, token: Token) -> bytes | DuettoError:
        """Return the stored form of the arguments of the task that a token waits for, or why there
        is none."""
        effect = renewed(self.desk.programs.program(token.definition), token)[0]
        return self.pack(effect) if isinstance(effect, CallTask) else b""

    def refuse(self, run: RunState, path: str, step: int, error: DuettoError) -> None:
        """Raise in the workflow that a call cannot be made; park it where this deployment lacks
        the task, or has another version of it."""
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
        attempt = Attempt(run, path, token.step, handle, self._then, path, effect.attempt, packed)
        try:
            if effect.packed:
                ordered = handle.unpack(effect.packed)
            else:
                ordered = handle.ordered(effect.args, effect.kwargs)
        except NotFound as unfit:
            desk.loop.call_soon(self.refuse, run, path, token.step, unfit)
            return None
        self.call(attempt, *handle.call(ordered), deadline_ms=effect.deadline)
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
            again=run.peek("resumed").get(token.path, 0),
        )
        message = self.desk.message(run, effect.task.partition(".")[0], command)
        fold.note_sent(run, message)
        return message

    def call(
        self,
        attempt: Attempt,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        deadline_ms: int = 0,
    ) -> None:
        """Run an attempt with these arguments."""
        attempt.args, attempt.kwargs, attempt.deadline_ms = args, kwargs, deadline_ms
        self.invoke(attempt)

    def invoke(self, attempt: Attempt) -> None:
        """Run an attempt once what was written until now is durable."""
        attempt.report = self._report
        if not attempt.undo:
            self.running[attempt.place] = attempt
        desk = self.desk
        desk.invocations.append(attempt)
        if not desk.scheduled:
            desk.schedule()

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

    def submit(
        self, attempts: Iterable[Attempt | Reaction], invoker: Invoker[Attempt | Reaction]
    ) -> None:
        """Hand attempts to the invoker, within the limits of their tasks and services."""
        for attempt in attempts:
            if not attempt.handle.rooms or self._enter(attempt, attempt.handle.rooms):
                invoker.submit(attempt)

    def _enter(self, attempt: Attempt | Reaction, rooms: tuple[Room, ...]) -> bool:
        """Take a place in each room; where one is full, wait there."""
        for room in rooms:
            if room.is_full:
                room.waiting.append(attempt)
                return False
        for room in rooms:
            room.running += 1
        return True

    def _leave(self, rooms: tuple[Room, ...]) -> None:
        """Give places up, and let in who waits for one."""
        for room in rooms:
            room.running -= 1
        for room in rooms:
            # Who finds the other room full waits there, and this place is still free.
            while room.waiting and not room.is_full:
                self.desk.submit((room.waiting.popleft(),))

    def notice(self, run: RunState, token: Token) -> None:
        """Tell the body that runs for a token that its caller has lost interest."""
        running = self.running.get((run.id, token.path, token.step))
        if running is not None:
            running.context.cancel()

    def blocked(self, attempt: Attempt | Reaction, took_ms: int) -> None:
        """Report a body that held the loop."""
        self.desk.observer.note(LoopBlocked(attempt.handle.name, took_ms))

    # -- ending

    def ended(self, attempt: Attempt | Reaction, result: Any, error: BaseException | None) -> None:
        """An attempt ended: hand it to whoever began it."""
        if attempt.handle.rooms:
            self._leave(attempt.handle.rooms)
        if error is not None:
            if self.desk.stopping and isinstance(error, asyncio.CancelledError):
                return
            error = as_failure(attempt, error)
        if not isinstance(attempt, Attempt):
            attempt.then(attempt, result, error)
            return
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
                value, cause = self._stored(attempt, program, node, result)
            except DuettoError as refused:
                error = refused
            else:
                self.tokens.give(run, token, program, TaskCompleted(value), cause)
                return
        elif self.again(attempt, error):
            return
        failed = desk.codec.error(error)
        # A result that cannot be stored was an effect all the same, as a time limit may be.
        unknown = self.may_have_acted(attempt, error) or result is not None
        cause = Cause(
            "failed",
            task=node.task,
            step=step,
            attempt=attempt.number,
            took=attempt.took,
            args=attempt.packed if node.undoable else b"",
            error=failed,
        )
        self.tokens.give(run, token, program, TaskFailed(failed, unknown), cause)

    def _stored(
        self, attempt: Attempt, program: Program, node: Task, result: Any
    ) -> tuple[Value, Cause]:
        """Return a result as it is stored, and what its record says. Raises ValueRefused."""
        plan = attempt.handle.result
        stored = plan.encode(result)
        into, name = node.into, ""
        if into is None:
            value = NONE
        elif program.plans[into.type] is plan:
            value, name = kept(into.type, stored, result if plan.immutable else OPEN), into.name
        else:
            value = program.pack(result, into.type)
        cause = Cause(
            "completed", "", node.task, attempt.step, attempt.number, attempt.took, name, value
        )
        if node.undoable:
            cause.result, cause.args = stored, attempt.packed
        return value, cause

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
            self.invoke(attempt.next())

    def may_have_acted(self, attempt: Attempt, error: BaseException) -> bool:
        """Return whether a task that failed may have had its effect: an attempt was cut off by its
        time limit, be it the last one or one before."""
        if attempt.handle.timeout_s is None:
            return False
        place = (attempt.path, attempt.step)
        return is_unknown(attempt, error) or place in attempt.run.peek("cut_off")

    # -- what ended for nobody who waits here

    def _late(self, attempt: Attempt, result: Any, error: BaseException | None) -> None:
        """A task ended after its token had turned round: keep how, so that it can be undone."""
        outcome = self.outcome(attempt.handle, result, error)
        unknown = error is not None and self.may_have_acted(attempt, error)
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
        parks: bool = False,
        again: int = 0,
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
            parks,
            again,
        )
        self.desk.write(attempt.run, record)
        fold.apply(attempt.run, record)


def as_failure(attempt: Attempt | Reaction, error: BaseException) -> BaseException:
    """Return the error of an attempt; what would end the process has a name of its own."""
    if isinstance(error, asyncio.CancelledError):
        return ConfigurationError("The body of a task was cancelled from within.")
    if isinstance(error, SystemExit):
        return ConfigurationError(
            f"The body of {attempt.handle.name} asked the process to exit.",
            found=f"SystemExit({error.code!r})",
            expected="a result, or an error",
            do="raise an error; the process is ended by who started it",
        )
    return error


def is_unknown(attempt: Attempt, error: BaseException | None) -> bool:
    """Return whether an attempt was cut off by its time limit, its effect therefore unknown."""
    return isinstance(error, TimeoutError) and attempt.handle.timeout_s is not None


__all__ = ["Attempts", "is_unknown"]
