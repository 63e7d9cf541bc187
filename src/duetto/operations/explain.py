"""Say why a run waits: one exact sentence per resting token, message under way and command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import assert_never

from msgspec import Struct

from duetto.kernel.fold import RunState
from duetto.model.definition import Call, Definition, Race
from duetto.model.message import Arrive, CancelPath, Command, Message, Reporting, name
from duetto.model.record import (
    AttemptFailed,
    Moved,
    Progressed,
    Record,
    Started,
    TaskEnded,
)
from duetto.model.token import (
    ROOT,
    Error,
    Failed,
    OnChildren,
    OnEvent,
    OnTask,
    OnTimer,
    OnUndo,
    Outcome,
    Parked,
    Ready,
    Rest,
    Token,
)
from duetto.model.view import RunRow, Waiting
from duetto.operations.merging import forked_by, merged, tokens_sent
from duetto.operations.nodes import Nodes, Shown
from duetto.operations.phrases import (
    ahead,
    clock,
    lasting,
    named,
    plural,
    since,
    token_name,
    told,
)

BRANCHES_SHOWN_MAX = 10
"""Branches named in a sentence; the rest is counted."""


QUOTES = ("'", '"')


class Queue(Struct, frozen=True):
    """Who waits for room: `places` (run, path, step), in their order."""

    concurrency_max: int
    running: int
    places: tuple[tuple[str, str, int], ...]


class Limit(Struct, frozen=True):
    """What is known of a task here: its attempts, and who waits for room in it or its service."""

    attempts_max: int
    queues: tuple[Queue, ...] = ()
    undo: str = ""


def nothing_is_known(message: Message) -> str:
    """Tell nothing of what became of a command: its service is in another process."""
    return ""


def never_came(participant: str, path: str) -> bool:
    """Tell that a cancel is not known to have come."""
    return False


MISSED_MS = 10_000
"""What was confirmed and is not there by then is missed; before that it is on its way."""


def nobody_keeps(rest: OnEvent) -> None:
    """Say that there is no mailbox."""


class Knowledge(Struct, frozen=True):
    """What one store and its participants know of a run that is open.

    `records` are the run's own, those that wait for their commit included. `unconfirmed` are the
    names of messages whose receivers have not committed them. `arrived` says whether a token that
    left is known where it went, `commanded` what became of a command at its service (`lost`,
    `answered`, or nothing yet), and `cancelled` whether a path's cancel has come to a participant.
    `kept` counts the events in a mailbox that a token would take.
    `working` is false where nothing is executed: the app is at rest.
    """

    state: RunState
    records: list[Record]
    tasks: Mapping[str, Limit]
    services: frozenset[str]
    unconfirmed: Mapping[str, Message]
    arrived: Callable[[str, str, int], bool]
    reported: Callable[[str, str], bool]
    commanded: Callable[[Message], str] = nothing_is_known
    cancelled: Callable[[str, str], bool] = never_came
    held: tuple[Message, ...] = ()
    kept: Callable[[OnEvent], int | None] = nobody_keeps
    working: bool = True


def waiting(
    known: Knowledge, definition: Callable[[str], Definition], shown: Shown, now: int
) -> list[Waiting]:
    """Return one sentence per token that rests here, and per message that has not arrived."""
    return _Explainer(known, Nodes(definition), shown, now).explain()


def ended(row: RunRow, status: str, outcome: Outcome | None, now: int) -> Waiting:
    """Return the sentence for a run that waits for nothing any more."""
    after = lasting(row.updated - row.created)
    why = f" with {told(outcome.error)}" if isinstance(outcome, Failed) else ""
    verb = "was cancelled" if status == "cancelled" else status
    text = f"{row.id} {verb}{why} at {clock(row.updated, now)}, {after} after its start."
    return Waiting(ROOT, row.home, status, text)


class _Since(Struct):
    """What the records tell of one token's rest: since when, the last error, the last progress."""

    at: int = 0
    error: Error | None = None
    told_at: int = 0


class _Explainer:
    """Explains the tokens of one store."""

    def __init__(self, known: Knowledge, nodes: Nodes, shown: Shown, now: int) -> None:
        self._known, self._nodes, self._shown, self._now = known, nodes, shown, now
        self._state = known.state
        self._sinces = self._read_records()

    def _read_records(self) -> dict[str, _Since]:
        found: dict[str, _Since] = {}
        for step in merged([(0, record) for record in self._known.records]):
            record = step.record
            for child in (*forked_by(record), *tokens_sent(record)):
                found[child.path] = _Since(record.at)
            if isinstance(record, AttemptFailed):
                found.setdefault(record.path, _Since(record.at)).error = record.error
                found[record.path].at = record.at
            elif isinstance(record, Progressed):
                found.setdefault(record.path, _Since(record.at)).told_at = record.at
            elif isinstance(record, TaskEnded | Moved | Started):
                found[record.path] = _Since(record.at)
        return found

    def explain(self) -> list[Waiting]:
        found = [self._rests(token) for _, token in sorted(self._state.tokens.items())]
        found += [one for one in map(self._sent, self._messages()) if one is not None]
        commands = [*self._state.commands.values(), *self._known.held]
        found += [self._command(message) for message in commands]
        return found

    def _messages(self) -> list[Message]:
        trails = [trail.message for trail in self._state.away.values() if trail.message is not None]
        return [*trails, *self._state.sent.values()]

    # -- tokens at rest

    def _rests(self, token: Token) -> Waiting:
        kind, text = self._rest(token, token.rest)
        name = token_name(self._state.id, token.path)
        text = f"{name} {text}{self._around(token)}."
        return Waiting(token.path, token.at, kind, text, self._nodes.line(token))

    def _rest(self, token: Token, rest: Rest) -> tuple[str, str]:
        match rest:
            case OnTask(attempt=attempt, due=due):
                return self._on_task(token, attempt, due)
            case OnUndo():
                return self._on_undo(token, rest)
            case OnTimer(until):
                until = ahead(until, self._now)
                return "sleep", f"sleeps{self._at(token)} until {until}, {self._since(token)}"
            case OnEvent():
                return "event", self._on_event(token, rest)
            case OnChildren():
                return "branches", self._on_children(token, rest)
            case Parked(reason, over):
                return "parked", self._parked(token, reason, over)
            case Ready():
                return "ready", f"is about to go on{self._at(token)}"
            case _:
                assert_never(rest)

    def _on_task(self, token: Token, attempt: int, due: int) -> tuple[str, str]:
        task = self._nodes.task(token)
        service = task.partition(".")[0]
        if service not in self._known.services:
            return "command", self._commanded(token, task, f"{token.path}#{token.step}")
        number = self._number(task, attempt)
        if due > self._now:
            return "retry", self._due(token, f"{number} of {task}", due)
        queue = self._queue(token, task)
        if queue:
            return "queued", queue
        if not self._known.working:
            return "task", f"runs {task}{self._at(token)} once the app runs: {number}"
        told_so_far = self._progress(token)
        return "task", f"runs {task}{self._at(token)}: {number}, {self._since(token)}{told_so_far}"

    def _number(self, task: str, attempt: int) -> str:
        limit = self._known.tasks.get(task)
        return f"attempt {attempt}" + (f" of {limit.attempts_max}" if limit is not None else "")

    def _due(self, token: Token, what: str, due: int) -> str:
        error = self._sinces.get(token.path, _Since()).error
        after = f", after {told(error)}" if error is not None else ""
        return f"waits{self._at(token)} for {what}, due {ahead(due, self._now)}{after}"

    def _queue(self, token: Token, task: str) -> str:
        limit, key = self._known.tasks.get(task), (self._state.id, token.path, token.step)
        for queue in limit.queues if limit is not None else ():
            if key in queue.places:
                number, total = queue.places.index(key) + 1, len(queue.places)
                text = f"waits{self._at(token)} for room to run {task}: {queue.running} run, "
                text += f"at most {queue.concurrency_max} may; number {number} of {total} that wait"
                return text
        return ""

    def _progress(self, token: Token) -> str:
        value = self._state.progress.get(token.path)
        if value is None:
            return ""
        at = self._sinces.get(token.path, _Since()).told_at
        return f"; told {clock(at, self._now)} of its progress: {self._shown(value)}"

    def _commanded(self, token: Token, task: str, key: str) -> str:
        service = task.partition(".")[0]
        message = self._state.sent.get(f"{self._state.id}{key}")
        if message is None:
            return f"is about to send {service} the command {task}{self._at(token)}"
        sent = f"sent {clock(message.sent, self._now)} ({lasting(self._now - message.sent)} ago)"
        how = self._fared(message)
        return f"waits{self._at(token)} for {service} to answer the command {task}: {sent}, {how}"

    def _fared(self, message: Message) -> str:
        """Say what became of a command that is not answered here."""
        if name(message) in self._known.unconfirmed:
            return "not confirmed as received, and sent again until it is"
        retry = f"`duetto runs retry {self._state.id}`"
        if self._now - message.sent < MISSED_MS:
            return "received, not answered"
        match self._known.commanded(message):
            case "lost":
                return f"confirmed, and not there: {retry} sends it again"
            case "answered":
                return f"answered, and the answer has not arrived: {retry} asks for it again"
            case _:
                return "received, not answered"

    def _on_undo(self, token: Token, rest: OnUndo) -> tuple[str, str]:
        entry = rest.entry
        limit = self._known.tasks.get(entry.task)
        undo = limit.undo if limit is not None and limit.undo else "its compensation"
        left = (token.undo.size if token.undo is not None else 1) - 1 - _mark(token)
        more = f"; {plural(left, 'more task')} to undo" if left > 0 else ""
        if entry.task.partition(".")[0] not in self._known.services:
            text = self._commanded(token, entry.task, f"{entry.path}#{entry.step}!undo")
            return "undo", text.replace("command ", "command to undo ", 1) + more
        number = self._number(undo, rest.attempt)
        if rest.due > self._now:
            what = f"{number} of {undo}, which undoes {entry.task}"
            return "undo", self._due(token, what, rest.due) + more
        settles = ", once it is known how that ended" if entry.unknown else ""
        since = self._since(token)
        text = f"undoes {entry.task} by {undo}{settles}{self._at(token)}: {number}, {since}"
        return "undo", text + more

    def _on_event(self, token: Token, rest: OnEvent) -> str:
        kind = rest.event.rpartition(":")[2]
        text = f"waits{self._at(token)} for `{kind}` {_keyed(self._shown(rest.key))}, "
        text += self._since(token)
        kept = self._known.kept(rest)
        if kept is not None:
            text += f"; {plural(kept, 'matching event')} kept"
        return text + (f"; times out {ahead(rest.deadline, self._now)}" if rest.deadline else "")

    def _on_children(self, token: Token, rest: OnChildren) -> str:
        node = self._nodes.node(token)
        if isinstance(node, Call):
            text = f"waits{self._at(token)} for the workflow {node.workflow} that it called"
            return f"{text}{_interruption(rest)}, {self._since(token)}"
        open_ones = self._open(token, rest)
        what = f"{len(open_ones)} of {plural(rest.total, 'branch', 'branches')}"
        if isinstance(node, Race) and rest.decided < 0 and rest.interrupt is None:
            what = f"the first of {plural(rest.total, 'branch', 'branches')}"
        left = rest.total - rest.started
        begun = f", {left} of which have not begun" if left > 0 else ""
        names = _listed(open_ones)
        decided = _interruption(rest) or _decision(rest, isinstance(node, Race))
        ended = f"{rest.ended} ended"
        text = f"waits{self._at(token)} for {what}{begun}{decided}: {names} ({ended})"
        return f"{text}, {self._since(token)}"

    def _open(self, token: Token, rest: OnChildren) -> list[int]:
        rows = self._state.reports.get(token.path, {})
        return [index for index in range(rest.total) if index not in rows]

    def _parked(self, token: Token, reason: str, over: Rest) -> str:
        """Say what an operator can do: what waited for nothing cannot be skipped."""
        id = self._state.id
        do = f"duetto runs resume {id}"
        if isinstance(over, OnTask | OnUndo | OnEvent | OnTimer):
            do += f"`, or go on without it: `duetto runs skip {id}"
        reason = reason.rstrip(".").replace("\n  ", "; ")
        waits = self._nodes.task(token) if isinstance(over, OnTask | OnUndo) else ""
        on = f" on {waits}" if waits else ""
        since = self._since(token)
        return f"is parked{on}{self._at(token)}, {since}: {reason}; mend that, then `{do}`"

    def _at(self, token: Token) -> str:
        where = self._nodes.place(token)
        return f" at {where}" if where else ""

    def _since(self, token: Token) -> str:
        return since(self._sinces.get(token.path, _Since()).at, self._now) or "just now"

    def _around(self, token: Token) -> str:
        """Say what bears on the token beside what it waits for."""
        frames = token.frames
        shield = max((i for i, frame in enumerate(frames) if frame.pending), default=-1)
        found = ""
        if not isinstance(token.rest, Parked):
            found += self._died(self._state.deaths.get(token.path, 0))
        instants = [frame.deadline for frame in frames[shield + 1 :] if frame.deadline]
        if instants and not isinstance(token.rest, Parked):
            found += f"; times out {ahead(min(instants), self._now)}"
        if token.cancelled:
            found += "; the run is cancelled" if token.path == ROOT else "; it is cancelled"
        return found

    def _died(self, deaths: int) -> str:
        return f"; its process died {plural(deaths, 'time')} meanwhile" if deaths else ""

    # -- messages and commands

    def _sent(self, message: Message) -> Waiting | None:
        body, id = message.body, self._state.id
        ago = lasting(self._now - message.sent)
        lost = name(message) in self._known.unconfirmed
        match body:
            case Arrive(token):
                if self._known.arrived(message.to, token.path, token.hop):
                    return None
                text = f"{token_name(id, token.path)} left for {named(message.to)}"
                text += f" at hop {token.hop}, not arrived for {ago}"
                line = self._nodes.line(token)
                return Waiting(token.path, message.source, "under way", self._resent(text), line)
            case Reporting(path):
                if not lost and self._known.reported(message.to, path):
                    return None
                text = f"{token_name(id, path)} ended, its report to {named(message.to)}"
                text += f" has been under way for {ago}"
                return Waiting(path, message.source, "report", self._resent(text))
            case Command(task=task, token=waits, skipped=skipped):
                waited_for = waits in self._state.tokens and not skipped
                if waited_for or lost or self._known.commanded(message) != "lost":
                    return None
                text = f"the command {task} for {token_name(id, waits)} was confirmed"
                text += f" {ago} ago, and is not at {named(message.to)}"
                return Waiting(waits, message.source, "command", self._resent(text))
            case CancelPath(path):
                if self._known.cancelled(message.to, path):
                    return None
                text = f"the cancel of {token_name(id, path)} has been under way"
                text += f" to {named(message.to)} for {ago}"
                return Waiting(path, message.source, "cancel", self._resent(text))
            case _:
                return None

    def _resent(self, text: str) -> str:
        return f"{text}; `duetto runs retry {self._state.id}` sends it again."

    def _command(self, message: Message) -> Waiting:
        body = message.body
        assert isinstance(body, Command), "commands are kept as their messages"
        sent = f"{clock(message.sent, self._now)} ({lasting(self._now - message.sent)} ago)"
        source, run = named(message.source), token_name(self._state.id, body.token)
        what = "undoes" if body.undo else "runs"
        text = f"{message.to} {what} {body.task} for {run}, as {source} asked {sent}"
        if body.task not in self._known.tasks:
            verb = "undo" if body.undo else "run"
            text = f"{message.to} does not know {body.task}, "
            text += f"which {source} asked it to {verb} for {run} {sent}"
        last = self._sinces.get(body.path)
        if last is not None and last.error is not None:
            text += f"; an attempt failed with {told(last.error)}"
        text += self._died(self._state.deaths.get((body.path, body.step, body.undo), 0))
        return Waiting(body.token, message.to, "command", text + ".")


def _mark(token: Token) -> int:
    return token.frames[-1].mark if token.frames else 0


def _keyed(shown: str) -> str:
    """Say which key is waited for: as events are published with it, text without its quotes."""
    if shown == repr(None):
        return "of any key"
    return f"with key `{shown[1:-1] if shown[0] in QUOTES else shown}`"


def _listed(indexes: list[int]) -> str:
    shown = ", ".join(map(str, indexes[:BRANCHES_SHOWN_MAX]))
    more = len(indexes) - BRANCHES_SHOWN_MAX
    return shown + (f" and {more} more" if more > 0 else "")


def _interruption(rest: OnChildren) -> str:
    if rest.interrupt is None:
        return ""
    how = "cancelled" if rest.interrupt.interrupt == 0 else "timed out"
    return f" to end, as it {how}" if how == "timed out" else " to end, as it is cancelled"


def _decision(rest: OnChildren, race: bool) -> str:
    if rest.decided < 0:
        return ""
    return f" to end, as branch {rest.decided} {'won' if race else 'failed'}"


__all__ = ["Knowledge", "Limit", "Queue", "ended", "waiting"]
