"""Commands: tasks and compensations that are run here for tokens that wait in another store."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from duetto.broker import Acknowledge
from duetto.errors import DuettoError, NotFound, RunParked
from duetto.kernel import fold
from duetto.kernel.fold import Key, RunState
from duetto.model.message import Answer, Command, Message
from duetto.model.record import CommandCame, CommandEnded
from duetto.model.token import DYNAMIC, NONE, Completed, Entry, Failed, Outcome, Stopped, Value
from duetto.runtime.attempt import Attempt, Then
from duetto.runtime.attempts import Attempts
from duetto.runtime.desk import Desk, Held
from duetto.runtime.undoing import Undoing, Unsettled


class Commands:
    """The commands of one desk."""

    def __init__(
        self,
        desk: Desk,
        attempts: Attempts,
        undoing: Undoing,
        publish: Callable[[Message], None],
    ) -> None:
        self.desk, self.attempts, self.undoing = desk, attempts, undoing
        self.held: dict[tuple[str, str, int, bool], Held] = {}
        self._publish = publish

    def came(
        self, run: RunState, message: Message, command: Command, acknowledge: Acknowledge
    ) -> None:
        key = (command.path, command.step, command.undo)
        place = (run.id, *key)
        done = run.keys.get(key)
        if command.skipped:
            self._skipped(run, command)
            self.desk.after_commit(acknowledge)
        elif done is not None and not _was_given_up(command, done):
            outcome, unknown = done.outcome, done.unknown
            answer = Answer(*key[:2], command.token, outcome, command.undo, unknown, done.parks)
            reply = self.desk.message(run, command.reply_to, answer)
            # The row that answers may be in the batch that is still to be committed.
            self.desk.after_commit(partial(self._publish, reply))
            self.desk.after_commit(acknowledge)
        elif place in self.held:
            self.held[place].acknowledge.append(acknowledge)
        elif key in run.commands or (not command.undo and place[:3] in self.attempts.running):
            self.desk.after_commit(acknowledge)
        else:
            record = CommandCame(command.path, self.desk.clock.now_ms(), message)
            self.held[place] = Held(record, acknowledge)
            self.desk.hold(partial(self._late, run, place))
            self.execute(run, message, command)

    def _skipped(self, run: RunState, command: Command) -> None:
        """Keep what a task that was skipped is taken to have returned, unless it has a result of
        its own here, or may yet have one."""
        key, place = (command.path, command.step, False), (run.id, command.path, command.step)
        begun = place in self.attempts.running or (*place, False) in self.held
        known = run.keys.get(key)
        completed = known is not None and isinstance(known.outcome, Completed)
        if completed or key in run.commands or begun:
            return
        outcome = Completed(Value(DYNAMIC, command.skipped))
        now = self.desk.clock.now_ms()
        record = CommandEnded(
            command.path, now, command.task, command.step, 0, 0, outcome, command.args
        )
        self.desk.write(run, record)
        fold.apply(run, record)
        self.attempts.settled(place)

    def execute(self, run: RunState, message: Message, command: Command) -> None:
        """Run what a command asks for; its end is written with the answer."""
        desk = self.desk
        handle = desk.tasks.get(command.task)
        if handle is None:
            self.desk.note(run, command.path, "unknown task", command.task)
            return
        if command.undo:
            self._execute_undo(run, message, command)
            return
        attempt = Attempt(
            run,
            command.path,
            command.step,
            handle,
            self._ended(command),
            arguments=command.args,
        )
        if 0 < command.deadline <= desk.clock.now_ms():
            # Its token is interrupted by the deadline itself, wherever it rests. Whether it began
            # before a crash that hid its arrival is unknown, so an undo settles it.
            self.answer(attempt, command, Stopped(), unknown=True)
            return
        try:
            call = handle.call(handle.unpack(command.args))
        except NotFound as unfit:
            # It waits for a version of the task that takes it, as for one that has it.
            self.desk.note(run, command.path, "unfit call", str(unfit))
            return
        self.attempts.call(attempt, *call, deadline_ms=command.deadline)

    def _ended(self, command: Command) -> Then:
        """Return what takes the end of an attempt at a command: retry it, or answer."""

        def ended(attempt: Attempt, result: Any, error: BaseException | None) -> None:
            if error is not None and self.attempts.again(attempt, error):
                return
            outcome = self.attempts.outcome(attempt.handle, result, error)
            if command.undo and error is None:
                outcome = Completed(NONE)  # nobody reads what a compensation returns
            # What was done and cannot be stored was an effect all the same.
            unstorable = error is None and isinstance(outcome, Failed)
            cut_off = error is not None and self.attempts.may_have_acted(attempt, error)
            unknown = (cut_off or unstorable) and not command.undo
            self.answer(attempt, command, outcome, unknown=unknown)

        return ended

    def execute_again(self, run: RunState, message: Message) -> None:
        """Run a command whose arrival was committed before the process died, unless its undo runs
        it already to settle it."""
        command = message.body
        assert isinstance(command, Command), "commands are kept as their messages"
        if command.undo or (run.id, command.path, command.step) not in self.attempts.running:
            self.execute(run, message, command)

    def _execute_undo(self, run: RunState, message: Message, command: Command) -> None:
        handle = self.desk.tasks[command.task]
        entry = Entry(command.path, command.step, command.task, command.unknown)

        def then(outcome: Outcome | DuettoError | Unsettled, args: bytes) -> None:
            self._compensate(run, message, command, outcome, args)

        self.undoing.settle(run, entry, handle, then, command.args)

    def _compensate(
        self,
        run: RunState,
        message: Message,
        command: Command,
        outcome: Outcome | DuettoError | Unsettled,
        args: bytes,
    ) -> None:
        desk = self.desk
        handle = desk.tasks[command.task]
        if handle.undo is None:
            outcome = NotFound(f"{command.task} has no compensation here.")
        attempt = Attempt(
            run,
            command.path,
            command.step,
            handle.undo or handle,
            self._ended(command),
            arguments=args,
            undo=True,
        )
        match outcome:
            case Completed(value):
                try:
                    call = handle.undo_call(value.data, args)
                except NotFound as unfit:
                    self.answer(attempt, command, Failed(desk.codec.error(unfit)))
                else:
                    self.attempts.call(attempt, *call)
            case Unsettled():
                error = desk.codec.error(TimeoutError(outcome.told(command.task)))
                self.answer(attempt, command, Failed(error), unknown=True)
            case DuettoError():
                self.answer(attempt, command, Failed(desk.codec.error(outcome)))
            case _:
                self.answer(attempt, command, Stopped())  # it had no effect: nothing to undo

    def give_up(self, run: RunState, command: Command, reason: str) -> None:
        """Answer a command that may be what kills its process: the token that waits for it parks,
        and is not begun here again before an operator wants it."""
        attempt = Attempt(
            run,
            command.path,
            command.step,
            self.desk.tasks[command.task],
            self._ended(command),
            number=0,
            arguments=command.args,
            undo=command.undo,
        )
        outcome = Failed(self.desk.codec.error(RunParked(run.id, reason)))
        self.answer(attempt, command, outcome, unknown=not command.undo, parks=True)

    def answer(
        self,
        attempt: Attempt,
        command: Command,
        outcome: Outcome,
        *,
        unknown: bool = False,
        parks: bool = False,
    ) -> None:
        """Write the end of a command with its answer, in one commit."""
        run = attempt.run
        body = Answer(
            command.path, command.step, command.token, outcome, command.undo, unknown, parks
        )
        reply = self.desk.message(run, command.reply_to, body)
        held = self.held.pop((run.id, command.path, command.step, command.undo), None)
        self.attempts.keep_key(
            attempt, outcome, (reply,), unknown=unknown, parks=parks, again=command.again
        )
        self.desk.after_commit(partial(self._publish, reply))
        if not command.undo:
            self.attempts.settled(attempt.place)
        for acknowledge in held.acknowledge if held is not None else ():
            self.desk.after_commit(acknowledge)

    def _late(self, run: RunState, place: tuple[str, str, int, bool]) -> None:
        """Commit that a command came whose task takes long, so that it can be acknowledged."""
        held = self.held.pop(place, None)
        if held is not None and not self.desk.stopping:
            self.desk.keep_held(run, held)
            fold.apply(run, held.record)


def _was_given_up(command: Command, done: Key) -> bool:
    """Return whether a command comes again as an operator wants another try: not where it is a late
    duplicate of the one that was given up."""
    given_up = done.parks or (command.undo and isinstance(done.outcome, Failed))
    return given_up and command.again > done.again
