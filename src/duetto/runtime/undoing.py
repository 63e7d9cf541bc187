"""Compensations: settle what is unknown, then undo what took effect, under the key of its task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from duetto.errors import DuettoError, NotFound, StoreDamaged
from duetto.kernel import fold
from duetto.kernel.fold import Key, RunState
from duetto.model.effect import CallUndo, Undone
from duetto.model.message import Command, Message
from duetto.model.token import (
    Completed,
    Entry,
    Error,
    Failed,
    OnUndo,
    Outcome,
    Token,
    task_key,
)
from duetto.runtime.attempt import Attempt
from duetto.runtime.attempts import Attempts, is_unknown
from duetto.runtime.cause import Cause
from duetto.runtime.desk import Desk
from duetto.runtime.tasks import TaskHandle
from duetto.runtime.timers import Timers
from duetto.runtime.tokens import Tokens


class Unsettled(Struct, frozen=True):
    """It stays unknown how a task ended; `error` is what its last attempt came to."""

    error: Error | None = None

    def told(self, task: str) -> str:
        """Return that as a sentence."""
        kind = self.error.type.rpartition(":")[2] if self.error is not None else ""
        why = f"; {kind}: {self.error.message}" if self.error is not None else ""
        return f"whether {task} took effect is unknown{why}"


Settled = Callable[[Outcome | DuettoError | Unsettled, bytes], None]
"""Takes how a task ended (an error: why that cannot be found out here) and its packed arguments."""


class Undoing:
    """The compensations of one host."""

    def __init__(self, desk: Desk, tokens: Tokens, attempts: Attempts, timers: Timers) -> None:
        self.desk, self.tokens, self.attempts, self.timers = desk, tokens, attempts, timers

    def is_remote(self, entry: Entry) -> bool:
        """Return whether the service of an entry has another store."""
        handle = self.desk.tasks.get(entry.task)
        return handle is not None and handle.service not in self.desk.local_services

    def begin(self, run: RunState, token: Token, effect: CallUndo) -> None:
        """Compensate an entry here, now that the end of its task is written."""
        desk, entry = self.desk, effect.entry
        handle = desk.tasks.get(entry.task)
        if handle is None or handle.undo is None:
            reason = f"{entry.task} has no compensation here"
            desk.loop.call_soon(self._park, run, token.path, entry, reason)
            return
        if effect.due > desk.clock.now_ms():
            self.timers.arm(effect.due, run.id, token.path, token.step)
            return

        def then(outcome: Outcome | DuettoError | Unsettled, args: bytes) -> None:
            self._settled(run, token.path, effect, handle, outcome, args)

        self.settle(run, entry, handle, then)

    def command(self, run: RunState, token: Token, entry: Entry, args: bytes) -> Message:
        """Return the command to undo an entry; `args` are those of a task interrupted just now.

        Raises StoreDamaged where they are to be read, and cannot be.
        """
        if entry.unknown and not args:
            args = fold.interrupted_args(self.desk.records(run), entry.path, entry.step)
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
            again=run.peek("resumed").get(token.path, 0),
        )
        message = self.desk.message(run, entry.task.partition(".")[0], command)
        fold.note_sent(run, message)
        return message

    # -- settling

    def settle(
        self, run: RunState, entry: Entry, handle: TaskHandle, then: Settled, args: bytes = b""
    ) -> None:
        """Find out how a task ended; where that is unknown, let it end (PROTOCOL, rule 6)."""
        try:
            self._settle(run, entry, handle, then, args)
        except (NotFound, StoreDamaged) as error:
            then(error, args)

    def _settle(
        self, run: RunState, entry: Entry, handle: TaskHandle, then: Settled, args: bytes
    ) -> None:
        key = self.key(run, entry.path, entry.step)
        if key is not None and not key.unknown:
            then(key.outcome, key.args)
            return
        args = args or (key.args if key is not None else b"")
        place = (run.id, entry.path, entry.step)
        if key is not None and key.parks and not entry.unknown:
            # Its token went on, so an operator skipped it: that is under way, with what to undo.
            self.attempts.await_end(place, lambda: self.settle(run, entry, handle, then, args))
            return
        args = args or fold.interrupted_args(self.desk.records(run), entry.path, entry.step)
        if place in self.attempts.running:
            # Where it runs for a command, this is how its body hears of the cancel.
            self.attempts.running[place].context.cancel()
            self.attempts.await_end(place, lambda: self.settle(run, entry, handle, then, args))
        elif (not entry.unknown and key is None) or (not args and self.desk.alone):
            then(Unsettled(), args)
        elif not args:
            # Its command is still under way, and brings them; until then there is nothing to undo.
            self.attempts.await_end(place, lambda: self.settle(run, entry, handle, then))
        else:
            self._let_end(run, entry, handle, then, args)

    def _let_end(
        self, run: RunState, entry: Entry, handle: TaskHandle, then: Settled, args: bytes
    ) -> None:
        """Look an interrupted task up where it can be, else run it again under its key."""

        def ended(attempt: Attempt, result: Any, error: BaseException | None) -> None:
            if error is not None and self.attempts.again(attempt, error):
                return
            if handle.look_up is not None and error is None and result is None:
                error = NotFound("The task never took effect.")
            outcome = self.attempts.outcome(handle, result, error)
            stored = error is not None or not isinstance(outcome, Failed)
            known = (
                not is_unknown(attempt, error)
                and stored
                and (handle.look_up is None or not isinstance(outcome, Failed) or result is None)
            )
            if known:
                attempt.handle = handle
                self.attempts.keep_key(attempt, outcome)
            failed = outcome.error if isinstance(outcome, Failed) else None
            then(outcome if known else Unsettled(failed), args)
            self.attempts.settled(attempt.place)

        target = handle.look_up or handle
        attempt = Attempt(run, entry.path, entry.step, target, ended, arguments=args)
        if handle.look_up is not None:
            self.attempts.call(attempt, (task_key(run.id, entry.path, entry.step),), {})
        else:
            self.attempts.call(attempt, *handle.call(handle.unpack(args)))

    def key(self, run: RunState, path: str, step: int) -> Key | None:
        """Return how a task ended, from memory or the journal."""
        found = run.keys.get((path, step, False))
        return found or fold.key_of(self.desk.records(run), path, step)

    # -- compensating

    def _settled(
        self,
        run: RunState,
        path: str,
        effect: CallUndo,
        handle: TaskHandle,
        outcome: Outcome | DuettoError | Unsettled,
        args: bytes,
    ) -> None:
        entry, soon = effect.entry, self.desk.loop.call_soon
        match outcome:
            case Completed(value):
                assert handle.undo is not None, f"{handle.name} has no compensation"
                try:
                    call = handle.undo_call(value.data, args)
                except NotFound as unfit:
                    soon(self._park, run, path, entry, str(unfit))
                    return
                attempt = Attempt(
                    run,
                    entry.path,
                    entry.step,
                    handle.undo,
                    self._ended,
                    token=path,
                    number=effect.attempt,
                    undo=True,
                )
                if self._waiting(run, path, entry) is not None:
                    self.attempts.call(attempt, *call)
            case Unsettled():
                soon(self._park, run, path, entry, outcome.told(entry.task))
            case DuettoError():
                soon(self._park, run, path, entry, str(outcome))
            case _:
                soon(self._nothing, run, path, entry)

    def _waiting(self, run: RunState, path: str, entry: Entry) -> Token | None:
        """Return the token that waits for an entry to be undone, if it still does."""
        token = run.tokens.get(path)
        if token is None or not isinstance(token.rest, OnUndo) or token.rest.entry != entry:
            return None
        return token

    def _park(self, run: RunState, path: str, entry: Entry, reason: str) -> None:
        token = self._waiting(run, path, entry)
        if token is not None:
            self.tokens.park(run, token, reason)

    def _nothing(self, run: RunState, path: str, entry: Entry) -> None:
        if self._waiting(run, path, entry) is not None:
            note = f"{entry.task} had no effect"
            self.tokens.advance(run, path, Undone(), Cause("undone", note=note))

    def _ended(self, attempt: Attempt, result: Any, error: BaseException | None) -> None:
        """A compensation ended; one that fails for good parks its token (PROTOCOL, rule 9)."""
        run, path = attempt.run, attempt.token
        token = run.tokens.get(path) if path is not None else None
        if token is None or not isinstance(token.rest, OnUndo):
            return
        entry, name = token.rest.entry, attempt.handle.name
        if (entry.path, entry.step) != (attempt.path, attempt.step):
            return
        if error is None:
            note = f"{name} attempt {attempt.number}"
            self.tokens.advance(run, token.path, Undone(), Cause("undone", note=note))
        elif not self.attempts.again(attempt, error):
            failed = self.desk.codec.error(error)
            said = failed.message or type(error).__name__
            reason = f"the compensation {name} failed {attempt.number} times: {said}"
            self.tokens.park(run, token, reason, failed)


__all__ = ["Undoing"]
