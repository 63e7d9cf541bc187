"""Messages between stores: sent after their commit until they are confirmed, received once.

A message that leads to a local task is held in memory until the task ends, so that arrival and
end are one write; where that takes long, the arrival is committed first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from msgspec.structs import replace

from duetto.broker import Acknowledge, Broker
from duetto.errors import DefinitionError, DuettoError, NotFound
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
    EventPage,
    Listen,
    Message,
    Reporting,
    name,
)
from duetto.model.message import RunState as RunStateMessage
from duetto.model.record import APP, ReportCame, Started
from duetto.model.token import (
    NONE,
    ROOT,
    Completed,
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
from duetto.runtime.attempts import Attempts
from duetto.runtime.cause import Cause
from duetto.runtime.commands import Commands
from duetto.runtime.desk import Desk, Held
from duetto.runtime.tokens import Tokens
from duetto.runtime.undoing import Undoing

Hear = Callable[[Message, Acknowledge], None]

RESEND_MS = 1000
"""A message that is not confirmed is sent again after this time."""


KEEP_MS = 7 * 24 * 3600 * 1000
"""How long what is known of a closed run is kept, unless the app says otherwise."""


class Exchange:
    """The messages of one desk."""

    def __init__(self, desk: Desk, tokens: Tokens, attempts: Attempts, undoing: Undoing) -> None:
        self.desk, self.tokens, self.attempts, self.undoing = desk, tokens, attempts, undoing
        self.broker: Broker | None = None
        self.commands = Commands(desk, attempts, undoing, self.publish)
        self.unconfirmed: dict[str, Message] = {}
        self._told: dict[str, Acknowledge] = {}
        self.events: Hear | None = None
        """Takes messages of events, where the app has any."""
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

    def publish(self, message: Message, confirmed: Acknowledge | None = None) -> None:
        """Publish a message, and again until its receiver has committed; then call `confirmed`."""
        if self.broker is None:
            return
        key = name(message)
        self.unconfirmed[key] = message
        if confirmed is not None:
            self._told[key] = confirmed
        self.broker.publish(message, partial(self._confirmed, key))
        if not self.resending:
            self.resending = True
            self.desk.loop.call_later(RESEND_MS / 1000, self._resend)

    def _confirmed(self, key: str) -> None:
        self.unconfirmed.pop(key, None)
        if (told := self._told.pop(key, None)) is not None and not self.desk.stopping:
            told()

    def send_again(self, run: RunState) -> int:
        """Publish what of a run may be missing elsewhere, once all of it is durable; return how
        many messages.

        That is what is not confirmed, and what a broker may have lost though it confirmed it: names
        make duplicates harmless. A lost answer is given again to the command that it answers.
        """
        messages = {key: each for key, each in self.unconfirmed.items() if each.run == run.id}
        for trail in run.peek("away").values():
            if trail.message is not None:
                messages[name(trail.message)] = trail.message
        messages |= {key: each for key, each in run.peek("sent").items() if _matters(run, each)}
        for message in messages.values():
            self.send(run, message)
        return len(messages)

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
        if isinstance(body, Listen | EventPage):
            if self.events is not None:
                self.events(message, acknowledge)
            return
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
            # It is closed, which this turn's commit may be about to make durable. Or it is damaged:
            # then the message is sent again until somebody has mended that.
            if not self._is_damaged(message.run):
                self.desk.after_commit(acknowledge)
            return
        match body:
            case AskRun() | Listen() | EventPage():
                pass
            case Arrive(token):
                self._arrived(run, message, token, acknowledge)
            case Command():
                self.commands.came(run, message, body, acknowledge)
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
                    self._let_go(run)
                self.desk.after_commit(acknowledge)

    def _tell_home(self, message: Message) -> None:
        """Answer a guest: a run that is unknown here was purged, so it is closed."""
        row = self.desk.store.run(message.run)
        closed = row.updated if row is not None else 1
        if message.run in self.desk.runs or self._is_damaged(message.run):
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

    def _is_damaged(self, run: str) -> bool:
        return any(each.run == run for each in self.desk.store.damaged())

    # -- messages older than what is kept of runs (PROTOCOL, rule 20)

    def _is_doubtful(self, message: Message) -> bool:
        """Return whether a message is so old that its run may have been forgotten here.

        Its age is by two clocks, so half of the time is left for what they differ by; and what
        seems to be of the future was sent by a clock that differs by as much.
        """
        desk = self.desk
        if not message.sent or abs(desk.clock.now_ms() - message.sent) < self.keep_ms // 2:
            return False
        if message.run in desk.runs or message.home in desk.participants:
            return False
        return desk.store.run(message.run) is None

    def _doubt(self, message: Message, acknowledge: Acknowledge) -> None:
        """Execute nothing of it before its home says that the run is open."""
        self.doubted.setdefault(message.run, {})[name(message)] = (message, acknowledge)
        self._ask(message)

    def _ask(self, message: Message) -> None:
        """Ask the home of a message that is in doubt."""
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
        self._let_go(run)

    def _let_go(self, run: RunState) -> None:
        """Close a guest: its rows are kept for their time, for late duplicates. That counts from
        now, by the clock here: the home's may be behind."""
        self.desk.runs.pop(run.id, None)
        self.desk.batch.ended.append((run.rid, COMPLETED, self.desk.clock.now_ms(), b""))
        self.desk.schedule()

    def ask_homes(self) -> None:
        """Ask the homes of guests that have nothing under way here, and of messages in doubt,
        whether their runs are open."""
        for doubted in self.doubted.values():
            self._ask(next(iter(doubted.values()))[0])
        for run in list(self.desk.runs.values()):
            if run.home in self.desk.participants or run.tokens or run.commands:
                continue
            if not self.is_held(run):
                self.publish(self.desk.message(run, run.home, AskRun()))

    def is_held(self, run: RunState) -> bool:
        """Return whether something of a run is being worked on that is not written yet."""
        keys = (*self.desk.held, *self.commands.held)
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
        # The run may have come here by another message, or by a token of what it calls.
        desk.keep_definition(token.definition)
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
        desk.hold(partial(self._late, run, path))
        self.tokens.begin_held(run, after, transition)

    def _late(self, run: RunState, path: str) -> None:
        """Commit an arrival whose task takes long, so that the message can be acknowledged."""
        held = self.desk.held.pop((run.id, path), None)
        if held is not None and not self.desk.stopping:
            self.desk.keep_held(run, held)

    # -- answers and reports

    def _answered(self, run: RunState, answer: Answer) -> None:
        token = run.tokens.get(answer.token)
        if token is None:
            return
        if not _is_about(token, answer):
            return
        if answer.parks and isinstance(answer.outcome, Failed):
            self.tokens.park(run, token, answer.outcome.error.message)
        elif isinstance(token.rest, OnUndo):
            self._undone(run, token, token.rest.entry.task, answer)
        else:
            self._task_answered(run, token, answer)

    def _undone(self, run: RunState, token: Token, task: str, answer: Answer) -> None:
        if isinstance(answer.outcome, Failed):
            error = answer.outcome.error
            text = f"the compensation of {task} failed: {error.message}"
            self.tokens.park(run, token, text, error)
        else:
            nothing = " had no effect" if isinstance(answer.outcome, Stopped) else ""
            cause = Cause("undone", note=task + nothing)
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
                handle = desk.tasks.get(task)
                if handle is None:
                    unknown = NotFound.named("task", task, desk.tasks)
                    self.attempts.refuse(run, token.path, token.step, unknown)
                    return
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


def _is_about(token: Token, answer: Answer) -> bool:
    """Return whether a token still waits for what an answer is about."""
    match token.rest:
        case OnUndo(entry):
            return answer.undo and (entry.path, entry.step) == (answer.path, answer.step)
        case OnTask():
            return not answer.undo and token.step == answer.step
        case _:
            return False


def _matters(run: RunState, message: Message) -> bool:
    """Return whether somebody may wait for a message that was sent and confirmed."""
    match message.body:
        case Command(skipped=skipped) if skipped:
            return True
        case Command(path=path, step=step, token=waits, undo=undo):
            token = run.tokens.get(waits)
            if token is None:
                return True  # interrupted, it may have gone to where the command is to be settled
            if isinstance(token.rest, OnUndo):
                entry = token.rest.entry
                return undo and (entry.path, entry.step) == (path, step)
            return isinstance(token.rest, OnTask) and token.step == step
        case Reporting() | CancelPath():
            return True
        case _:
            return False


__all__ = ["Exchange"]
