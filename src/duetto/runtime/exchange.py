"""Messages between stores: sent after their commit until they are confirmed, received once.

A message that leads to a local task is held in memory until the task ends, so that arrival and
end are one write; where that takes long, the arrival is committed first.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from msgspec.structs import replace

from duetto.broker import Acknowledge, Broker
from duetto.errors import DefinitionError, DuettoError, NotFound
from duetto.kernel import fold
from duetto.kernel.advance import advance
from duetto.kernel.fold import RunState
from duetto.model.definition import Task
from duetto.model.effect import Begin, TaskCompleted, TaskFailed, Undone
from duetto.model.message import (
    Answer,
    Arrive,
    AskRun,
    CancelPath,
    Command,
    Message,
    Reporting,
    name,
)
from duetto.model.message import RunState as RunStateMessage
from duetto.model.record import APP, CommandCame, ReportCame, Started
from duetto.model.token import (
    NONE,
    ROOT,
    Completed,
    Entry,
    Failed,
    OnChildren,
    OnTask,
    OnUndo,
    Outcome,
    Stopped,
    Token,
    Value,
    parent_of,
)
from duetto.model.view import COMPLETED, GUEST, RunRow
from duetto.runtime.attempts import Attempt, Attempts, Then, is_unknown
from duetto.runtime.cause import Cause
from duetto.runtime.desk import Desk, Held
from duetto.runtime.tokens import Tokens
from duetto.runtime.undoing import Undoing

HOLD_MS = 500
"""A task that takes longer has its arrival committed, well before a broker would redeliver it."""

RESEND_MS = 1000
"""A message that is not confirmed is sent again after this time."""


KEEP_MS = 7 * 24 * 3600 * 1000
"""How long what is known of a closed run is kept, unless the app says otherwise."""


class Exchange:
    """The messages of one desk."""

    def __init__(self, desk: Desk, tokens: Tokens, attempts: Attempts, undoing: Undoing) -> None:
        self.desk, self.tokens, self.attempts, self.undoing = desk, tokens, attempts, undoing
        self.broker: Broker | None = None
        self.held_commands: dict[tuple[str, str, int, bool], Held] = {}
        self.unconfirmed: dict[str, Message] = {}
        self.resending = False
        self.keep_ms = KEEP_MS
        self.doubted: dict[str, dict[str, tuple[Message, Acknowledge]]] = {}

    def connect(self, broker: Broker) -> None:
        """Send by a broker, and receive for the participants of this desk."""
        self.broker = broker
        for participant in self.desk.participants:
            broker.subscribe(participant, self.receive)

    # -- sending

    def send(self, run: RunState, message: Message) -> None:
        """Publish a message once its record is durable."""
        self.desk.after_commit(lambda: self.publish(message))

    def publish(self, message: Message) -> None:
        """Publish a message, and again until its receiver has committed."""
        if self.broker is None:
            return
        key = name(message)
        self.unconfirmed[key] = message
        self.broker.publish(message, partial(self._confirmed, key))
        if not self.resending:
            self.resending = True
            self.desk.loop.call_later(RESEND_MS / 1000, self._resend)

    def _confirmed(self, key: str) -> None:
        self.unconfirmed.pop(key, None)

    def send_again(self, run: str) -> int:
        """Publish at once what of a run is not confirmed; return how many messages."""
        found = [message for message in self.unconfirmed.values() if message.run == run]
        for message in found:
            self.publish(message)
        return len(found)

    def _resend(self) -> None:
        self.resending = False
        if self.desk.stopping or self.broker is None:
            return
        now = self.desk.clock.now_ms()
        for key, message in list(self.unconfirmed.items()):
            # What was sent in the future was sent before the clock was put back.
            if not now - RESEND_MS < message.sent <= now:
                self.broker.publish(message, partial(self._confirmed, key))
        if self.unconfirmed:
            self.resending = True
            self.desk.loop.call_later(RESEND_MS / 1000, self._resend)

    # -- receiving

    def receive(self, message: Message, acknowledge: Acknowledge) -> None:
        """Handle a message: what it changes is committed before it is acknowledged."""
        if self.desk.stopping or self.desk.failure is not None:
            return
        body = message.body
        if isinstance(body, AskRun):
            self._tell_home(message)
            acknowledge()
            return
        if isinstance(body, RunStateMessage) and self._settle_doubt(message, body.closed):
            acknowledge()
        elif self._is_doubtful(message):
            self._doubt(message, acknowledge)
        else:
            self._handle(message, acknowledge)

    def _handle(self, message: Message, acknowledge: Acknowledge) -> None:
        body, run = message.body, self._run(message)
        if run is None:
            # It is closed, which this turn's commit may be about to make durable.
            self.desk.after_commit(acknowledge)
            return
        match body:
            case AskRun():
                pass
            case Arrive(token):
                self._arrived(run, message, token, acknowledge)
            case Command():
                self._commanded(run, message, body, acknowledge)
            case Answer():
                self._answered(run, body)
                self.desk.after_commit(acknowledge)
            case Reporting(path, outcome):
                self._reported(run, path, outcome)
                self.desk.after_commit(acknowledge)
            case CancelPath(path):
                self.tokens.cancel(run, path)
                self.desk.after_commit(acknowledge)
            case RunStateMessage(closed=closed):
                if closed and not run.tokens and not run.commands and not self.is_held(run):
                    self._let_go(run, closed)
                self.desk.after_commit(acknowledge)

    def _tell_home(self, message: Message) -> None:
        """Answer a guest: a run that is unknown here was purged, so it is closed."""
        row = self.desk.store.run(message.run)
        closed = row.updated if row is not None else 1
        if message.run in self.desk.runs:
            closed = 0
        reply = Message(
            message.run,
            message.home,
            message.to,
            message.source,
            self.desk.clock.now_ms(),
            RunStateMessage(closed),
        )
        self.desk.after_commit(lambda: self.publish(reply))

    # -- messages older than what is kept of runs (PROTOCOL, rule 20)

    def _is_doubtful(self, message: Message) -> bool:
        """Return whether a message is so old that its run may have been forgotten here."""
        desk = self.desk
        if not 0 < message.sent < desk.clock.now_ms() - self.keep_ms:
            return False
        if message.run in desk.runs or message.home in desk.participants:
            return False
        return desk.store.run(message.run) is None

    def _doubt(self, message: Message, acknowledge: Acknowledge) -> None:
        """Execute nothing of it before its home says that the run is open."""
        self.doubted.setdefault(message.run, {})[name(message)] = (message, acknowledge)
        now, here = self.desk.clock.now_ms(), min(self.desk.participants)
        self.publish(Message(message.run, message.home, here, message.home, now, AskRun()))

    def _settle_doubt(self, answer: Message, closed: int) -> bool:
        """Take what was in doubt, or discard it; return whether the answer was about that."""
        doubted = self.doubted.pop(answer.run, {})
        if closed and doubted:
            self._discard([message for message, _ in doubted.values()])
        for message, acknowledge in doubted.values():
            if closed:
                self.desk.after_commit(acknowledge)
            else:
                self._handle(message, acknowledge)
        return bool(doubted) or answer.run not in self.desk.runs

    def _discard(self, messages: list[Message]) -> None:
        """Keep that messages came too late, as a run that is closed already."""
        message, desk, now = messages[0], self.desk, self.desk.clock.now_ms()
        if desk.store.run(message.run) is not None:
            return
        run = desk.open_run(message.run, "", message.home)
        row = RunRow(run.rid, run.id, "?", "", message.home, GUEST, now, now)
        desk.keep_row(row)
        for each in messages:
            text = f"{name(each)} from {each.source or APP} came after its run was closed"
            desk.note(run, ROOT, "discarded", text)
        self._let_go(run, now)

    def _let_go(self, run: RunState, closed: int) -> None:
        """Close a guest: its rows are kept for their time, for late duplicates."""
        self.desk.runs.pop(run.id, None)
        self.desk.batch.ended.append((run.rid, COMPLETED, closed, b""))
        self.desk.schedule()

    def ask_homes(self) -> None:
        """Ask the homes of guests that have nothing under way here whether their runs are open."""
        for run in list(self.desk.runs.values()):
            if run.home in self.desk.participants or run.tokens or run.commands:
                continue
            if not self.is_held(run):
                self.publish(self.desk.message(run, run.home, AskRun()))

    def is_held(self, run: RunState) -> bool:
        """Return whether something of a run is being worked on that is not written yet."""
        keys = (*self.desk.held, *self.held_commands)
        return any(key[0] == run.id for key in keys)

    def _run(self, message: Message) -> RunState | None:
        """Return the run of a message, new here where it is a guest; None where it is closed."""
        desk = self.desk
        run = desk.runs.get(message.run)
        if run is not None:
            return run
        if message.home in desk.participants or desk.store.run(message.run) is not None:
            return None
        now = desk.clock.now_ms()
        digest = message.body.token.definition if isinstance(message.body, Arrive) else ""
        if isinstance(message.body, Command):
            digest = message.body.definition
        run = desk.open_run(message.run, digest, message.home)
        workflow = self._workflow(digest)
        row = RunRow(run.rid, run.id, workflow, digest, message.home, GUEST, now, now)
        desk.new_rows[run.id] = row
        return run

    def _workflow(self, digest: str) -> str:
        """Return the name of a definition, as far as it is known here."""
        try:
            return self.desk.programs.definition(digest).name if digest else "?"
        except (NotFound, DefinitionError):
            return "?"

    def _arrived(
        self, run: RunState, message: Message, token: Token, acknowledge: Acknowledge
    ) -> None:
        desk, path = self.desk, token.path
        if run.hops.get(path, -1) >= token.hop:
            if (run.id, path) in self.desk.held:
                self.desk.held[run.id, path].acknowledge.append(acknowledge)
            else:
                desk.after_commit(acknowledge)
            return
        run.hops[path] = token.hop
        run.away.pop(path, None)
        run.tokens[path] = token
        record = Started(path, desk.clock.now_ms(), token, message.source or APP)
        self.desk.held[run.id, path] = Held(record, acknowledge)
        if path in run.tombs:
            token = replace(token, cancelled=True)
            run.tokens[path] = token
        try:
            program = desk.programs.program(token.definition)
        except DuettoError as unknown:
            self.tokens.park(run, token, f"its definition is unknown here: {unknown}")
            return
        node = program.regions[token.region][token.node].node
        begun = isinstance(node, Task) and node.service in desk.local_services
        transition = advance(program, desk.placement, token, Begin(begun), desk.clock.now_ms())
        after = transition.token
        if (
            after is None
            or after.rest is not token.rest
            or not isinstance(after.rest, OnTask | OnUndo)
        ):
            cause = Cause("arrived")
            if begun and isinstance(token.rest, OnTask):  # addressed is begun (PROTOCOL, rule 7)
                cause.step, cause.args = token.step, token.rest.args
            self.tokens.take(run, token, transition, cause)
            return
        self.tokens.begin_held(run, after, transition)
        desk.loop.call_later(HOLD_MS / 1000, self._late, run, path, None)

    def _late(self, run: RunState, path: str, command: tuple[str, str, int, bool] | None) -> None:
        """A task takes long: commit its arrival, so that the message can be acknowledged."""
        if command is not None:
            held = self.held_commands.pop(command, None)
        else:
            held = self.desk.held.pop((run.id, path), None)
        if held is not None and not self.desk.stopping:
            row = self.desk.new_rows.pop(run.id, None)
            if row is not None:
                self.desk.keep_row(row)
            self.desk.write_held(run, held)
            if command is not None:
                fold.apply(run, held.record)
            self.desk.schedule()

    # -- commands

    def _commanded(
        self, run: RunState, message: Message, command: Command, acknowledge: Acknowledge
    ) -> None:
        key = (command.path, command.step, command.undo)
        place = (run.id, *key)
        done = run.keys.get(key)
        if done is not None and not (command.undo and isinstance(done.outcome, Failed)):
            outcome, unknown = done.outcome, done.unknown
            answer = Answer(*key[:2], command.token, outcome, command.undo, unknown)
            self.publish(self.desk.message(run, command.reply_to, answer))
            self.desk.after_commit(acknowledge)
        elif place in self.held_commands:
            self.held_commands[place].acknowledge.append(acknowledge)
        elif key in run.commands or (not command.undo and place[:3] in self.attempts.running):
            self.desk.after_commit(acknowledge)
        else:
            record = CommandCame(command.path, self.desk.clock.now_ms(), message)
            self.held_commands[place] = Held(record, acknowledge)
            self.desk.loop.call_later(HOLD_MS / 1000, self._late, run, command.path, place)
            self.execute(run, message, command)

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
            packed=command.args,
        )
        if 0 < command.deadline <= desk.clock.now_ms():
            # Its token is interrupted by the deadline itself, wherever it rests. Whether it began
            # before a crash that hid its arrival is unknown, so an undo settles it.
            self.answer(attempt, command, Stopped(), unknown=True)
            return
        call = handle.call(handle.unpack(command.args))
        self.attempts.invoke(attempt, *call, deadline_ms=command.deadline)

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
            unknown = (is_unknown(attempt, error) or unstorable) and not command.undo
            self.answer(attempt, command, outcome, unknown=unknown)

        return ended

    def execute_again(self, run: RunState, message: Message) -> None:
        """Run a command whose arrival was committed before the process died."""
        if isinstance(message.body, Command):
            self.execute(run, message, message.body)

    def _execute_undo(self, run: RunState, message: Message, command: Command) -> None:
        handle = self.desk.tasks[command.task]
        entry = Entry(command.path, command.step, command.task, command.unknown)

        def then(outcome: Outcome | None, args: bytes) -> None:
            self._compensate(run, message, command, outcome, args)

        self.undoing.settle(run, entry, handle, then, command.args)

    def _compensate(
        self,
        run: RunState,
        message: Message,
        command: Command,
        outcome: Outcome | None,
        args: bytes,
    ) -> None:
        desk = self.desk
        handle = desk.tasks[command.task]
        undo = handle.undo
        assert undo is not None, f"{command.task} has no compensation"
        attempt = Attempt(
            run,
            command.path,
            command.step,
            undo,
            self._ended(command),
            packed=args,
            undo=True,
        )
        match outcome:
            case Completed(value):
                call = handle.undo_call(handle.result.decode(value.data), args)
                self.attempts.invoke(attempt, *call)
            case None:
                unsettled = f"whether {command.task} took effect is unknown"
                error = desk.codec.error(TimeoutError(unsettled))
                self.answer(attempt, command, Failed(error), unknown=True)
            case _:
                self.answer(attempt, command, Stopped())  # it had no effect: nothing to undo

    def answer(
        self,
        attempt: Attempt,
        command: Command,
        outcome: Outcome,
        *,
        unknown: bool = False,
    ) -> None:
        """Write the end of a command with its answer, in one commit."""
        run = attempt.run
        body = Answer(command.path, command.step, command.token, outcome, command.undo, unknown)
        reply = self.desk.message(run, command.reply_to, body)
        held = self.held_commands.pop((run.id, command.path, command.step, command.undo), None)
        self.attempts.keep_key(attempt, outcome, (reply,), unknown=unknown)
        self.send(run, reply)
        if not command.undo:
            self.attempts.settled(attempt.place)
        for acknowledge in held.acknowledge if held is not None else ():
            self.desk.after_commit(acknowledge)

    def _answered(self, run: RunState, answer: Answer) -> None:
        token = run.tokens.get(answer.token)
        if token is None:
            return
        if answer.undo:
            self._undone(run, token, answer)
        elif token.step == answer.step and isinstance(token.rest, OnTask):
            self._task_answered(run, token, answer)

    def _undone(self, run: RunState, token: Token, answer: Answer) -> None:
        rest = token.rest
        if not isinstance(rest, OnUndo):
            return
        if (rest.entry.path, rest.entry.step) != (answer.path, answer.step):
            return
        if isinstance(answer.outcome, Failed):
            error = answer.outcome.error
            text = f"the compensation of {rest.entry.task} failed: {error.message}"
            self.tokens.park(run, token, text, error)
        else:
            nothing = " had no effect" if isinstance(answer.outcome, Stopped) else ""
            cause = Cause("undone", note=rest.entry.task + nothing)
            self.tokens.advance(run, token.path, Undone(), cause)

    def _task_answered(self, run: RunState, token: Token, answer: Answer) -> None:
        desk = self.desk
        program = desk.programs.program(token.definition)
        node = program.regions[token.region][token.node].node
        task: str = getattr(node, "task", "")
        cause = Cause("answered", note=task)
        match answer.outcome:
            case Completed(value):
                into = getattr(node, "into", None)
                handle = desk.tasks[task]
                if into is None:
                    value = NONE
                elif program.plans[into.type] is handle.result:
                    value = Value(into.type, value.data)
                else:
                    value = program.pack(handle.result.decode(value.data), into.type)
                self.tokens.advance(run, token.path, TaskCompleted(value), cause)
            case Failed(error):
                self.tokens.advance(run, token.path, TaskFailed(error, answer.unknown), cause)
            case _:
                pass

    def _reported(self, run: RunState, path: str, outcome: Outcome) -> None:
        desk = self.desk
        if path != ROOT:
            parent, step, index = parent_of(path)
            token = run.tokens.get(parent)
            waits = token is not None and token.step == step and isinstance(token.rest, OnChildren)
            if not waits or index in run.reports.get(parent, {}):
                return
        desk.write(run, ReportCame(path, desk.clock.now_ms(), outcome))
        self.tokens.reported(run, path, outcome)


__all__ = ["Exchange"]
