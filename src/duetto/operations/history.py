"""Read journals as a history: one sentence per thing that happened, in causal order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import assert_never

from duetto.kernel.fold import RESUMED
from duetto.model.definition import Definition
from duetto.model.message import Command
from duetto.model.record import (
    AttemptFailed,
    CancelCame,
    CommandCame,
    CommandEnded,
    Ended,
    InHand,
    Moved,
    Noted,
    Progressed,
    Record,
    ReportCame,
    Started,
    TaskEnded,
)
from duetto.model.token import (
    ROOT,
    Completed,
    Error,
    Failed,
    OnChildren,
    OnEvent,
    OnTask,
    OnTimer,
    OnUndo,
    Outcome,
    Parked,
    Rest,
    Stopped,
    Token,
    parent_of,
)
from duetto.model.view import Fact
from duetto.operations.merging import Step, forked_by, merged, sent_by, tokens_sent
from duetto.operations.nodes import Nodes, Shown, forks
from duetto.operations.phrases import ahead, clock, lasting, named, plural, told, took

HAD_NO_EFFECT = " had no effect"
"""Ends the note of an undo that had nothing to undo."""

Said = tuple[str, str]
"""What happened: its kind, and its sentence."""


def facts(
    records: Iterable[tuple[int, Record]],
    definition: Callable[[str], Definition],
    shown: Shown,
) -> list[Fact]:
    """Return what happened, in causal order; `records` come each with the number of its store."""
    reader = _Reader(Nodes(definition), shown)
    return [fact for step in merged(records) for fact in reader.read(step)]


class _Reader:
    """Spells steps; `nodes` know the source lines, `shown` spells stored values."""

    def __init__(self, nodes: Nodes, shown: Shown) -> None:
        self._nodes, self._shown = nodes, shown
        self._lines: dict[str, int] = {}
        self._unwinding: set[str] = set()

    def read(self, step: Step) -> list[Fact]:
        """Return the facts of one record: what happened, then what it led to."""
        record, before, after = step.record, step.before, step.after
        at, path = self._participant(step), record.path
        # A command's end is of the line where its token waits, which the service does not know.
        line = self._nodes.line(before or after) or self._lines.get(path, 0)
        found = [Fact(record.at, path, at, *said, line) for said in self._happened(step)]
        self._lines[path] = self._nodes.line(after) or line
        if after is not None and isinstance(record, TaskEnded | Moved | Started):
            found += self._led_to(record, before, after)
        for child in (*forked_by(record), *tokens_sent(record)):
            if child.path != record.path:
                found += self._led_to(record, None, child)
        return found

    def _participant(self, step: Step) -> str:
        match step.record:
            case Started(source="", token=token):
                return token.reply_to
            case CommandEnded(task=task) | AttemptFailed(task=task, command=True):
                return task.partition(".")[0]
            case InHand(task=task) if task:
                return task.partition(".")[0]
            case CommandCame(message=message):
                return message.to
            case _:
                token = step.before or step.after or step.parent
                return token.at if token is not None else ""

    # -- what happened

    def _happened(self, step: Step) -> list[Said]:
        record = step.record
        match record:
            case Started():
                return [self._started(record)]
            case TaskEnded():
                return [_task_ended(record, record.error)]
            case Ended():
                return self._ended(step, record)
            case Moved():
                return self._moved(step, record)
            case AttemptFailed():
                return [_attempt_failed(record)]
            case CommandEnded():
                return [_command_ended(record)]
            case CommandCame():
                return [_command_came(record)]
            case ReportCame():
                whose = _whose(record.path)
                return [("reported", f"the report of {whose} came: it {_ending(record.outcome)}")]
            case CancelCame():
                return [("cancel", _cancel_came(record))]
            case Progressed():
                task = self._nodes.task(step.before)
                return [("progress", f"{task} told of its progress: {self._shown(record.value)}")]
            case InHand():
                return [("died", self._in_hand(step, record))]
            case Noted():
                return [("noted", f"{record.what}{': ' if record.note else ''}{record.note}")]
            case _:
                assert_never(record)

    def _started(self, record: Started) -> Said:
        token = record.token
        if record.source or record.path != ROOT:
            return "arrived", f"arrived from {named(record.source)} at hop {token.hop}"
        given = ", ".join(name for name in token.vars if not name.startswith("$"))
        name = self._nodes.workflow(token.definition)
        text = f"run of {name} begins on definition {token.definition[:8]}"
        return "started", text + (f", with {given}" if given else "")

    def _ended(self, step: Step, record: Ended) -> list[Said]:
        """Say what ended the token, then that it ended."""
        why = [_task_ended(record, record.error)] if record.task else self._moved(step, record)
        if record.path != ROOT:
            return [*why, ("ended", f"{self._child(step)} {_ending(record.outcome)}")]
        kind = {Completed: "run completed", Failed: "run failed", Stopped: "run cancelled"}
        return [*why, (kind[type(record.outcome)], f"the run {_ending(record.outcome)}")]

    def _child(self, step: Step) -> str:
        token = step.before or step.after
        if token is not None and token.region == 0:
            return f"the called workflow {self._nodes.workflow(token.definition)}"
        return f"branch {parent_of(step.record.path)[2]}"

    def _moved(self, step: Step, record: Moved | Ended) -> list[Said]:
        before = step.before
        match record.cause:
            case "arrived" if record.args:
                task = self._nodes.task(before)
                return [("interrupted", f"interrupted on arrival: {task} may have begun before")]
            case "" | "arrived" | "began":
                return []
            case "woken":
                return [self._woken(record, before)]
            case "joined":
                return [("joined", self._joined(before))]
            case "decided":
                return [self._decided(record, step)]
            case "cancelled":
                return [("interrupted", f"cancelled while it {self._was(before)}")]
            case "answered":
                return [("answered", f"the answer of {record.note} came")]
            case "refused":
                task = self._nodes.task(before)
                return [("failed", f"the call of {task} could not be made")]
            case "undone":
                return [self._undone(record, before)]
            case "parked":
                return [("parked", f"parked: {record.note}")]
            case "resumed" | "skipped" | "retried":
                return [(record.cause, f"{record.cause} by an operator")]
            case _:
                return [(record.cause, record.note or record.cause)]

    def _woken(self, record: Moved | Ended, before: Token | None) -> Said:
        match before.rest if before is not None else None:
            case OnTimer(until) if until <= record.at:
                return "woke", "woke from its sleep"
            case OnEvent(event, deadline=deadline) if 0 < deadline <= record.at:
                return "timed out", f"no `{_kind(event)}` came in time"
            case _:
                return "timed out", f"timed out while it {self._was(before)}"

    def _joined(self, before: Token | None) -> str:
        if before is None or not isinstance(before.rest, OnChildren):
            return "joined its branches"
        called = self._nodes.called(before)
        if called:
            return f"the called workflow {called} ended"
        return f"joined {plural(before.rest.total, 'branch', 'branches')}"

    def _decided(self, record: Moved | Ended, step: Step) -> Said:
        rest = step.after.rest if step.after is not None else None
        if isinstance(rest, OnChildren) and rest.decided >= 0:
            how = "won the race" if self._nodes.is_race(step.after) else "failed"
            return "decided", f"branch {record.note} {how}: the others are cancelled"
        begun = ", ".join(str(parent_of(child.path)[2]) for child in forked_by(record))
        return "joined", f"branch {record.note} ended" + (f"; branch {begun} begins" * bool(begun))

    def _undone(self, record: Moved | Ended, before: Token | None) -> Said:
        if record.note.endswith(HAD_NO_EFFECT):
            return "nothing to undo", f"nothing to undo: {record.note}"
        if before is None or not isinstance(before.rest, OnUndo):
            return "undone", f"undone: {record.note}"
        task = before.rest.entry.task
        by = f" by {record.note.replace(' attempt ', ', attempt ')}" if record.note != task else ""
        return "undone", f"{task} is undone{by}"

    def _in_hand(self, step: Step, record: InHand) -> str:
        times = "" if record.deaths == 1 else f", for the {_nth(record.deaths)} time"
        verb = "undid" if record.undo else "ran"
        was = f"{verb} {record.task}" if record.task else self._was(step.before)
        return f"the process died while it {was}{times}; it is begun again"

    def _was(self, token: Token | None) -> str:
        """Return what a token did when something came over it."""
        match token.rest if token is not None else None:
            case OnTask():
                return f"ran {self._nodes.task(token)}"
            case OnUndo(entry):
                return f"undid {entry.task}"
            case OnTimer():
                return "slept"
            case OnEvent(event):
                return f"waited for `{_kind(event)}`"
            case OnChildren(total):
                called = self._nodes.called(token)
                what = f"the workflow {called}" if called else plural(total, "branch", "branches")
                return f"waited for {what}"
            case _:
                return "was under way"

    # -- what it led to

    def _led_to(self, record: Record, before: Token | None, after: Token) -> list[Fact]:
        found: list[Said] = []
        came = isinstance(record, Started) and bool(record.source) and record.path == after.path
        unwinds, path = isinstance(after.rest, OnUndo), after.path
        # One that arrives turned round where it came from, unless its arrival turned it.
        known = path in self._unwinding if came else isinstance(_rest(before), OnUndo)
        if unwinds and not known:
            found.append(("unwinding", self._turns(after)))
        if unwinds:
            self._unwinding.add(path)
        elif not isinstance(after.rest, Parked):
            self._unwinding.discard(path)
        if after.hop > (before.hop if before is not None else 0) and not came:
            found.append(("left", f"leaves for {named(after.at)} at hop {after.hop}"))
        waits = None if _is_same(record, before, after) else self._waits(record, after)
        if waits is not None:
            found.append(waits)
        line = self._nodes.line(after)
        at = before.at if before is not None else after.at if came else after.reply_to
        where = [at if kind in ("left", "unwinding") else after.at for kind, _ in found]
        return [
            Fact(record.at, after.path, place, kind, text, line)
            for place, (kind, text) in zip(where, found, strict=True)
        ]

    def _turns(self, token: Token) -> str:
        size = token.undo.size if token.undo is not None else 0
        mark = token.frames[-1].mark if token.frames else 0
        return f"turns round, to undo {plural(size - mark, 'task')}"

    def _waits(self, record: Record, token: Token) -> Said | None:
        match token.rest:
            case OnTimer(until):
                return "sleeps", f"sleeps until {ahead(until, record.at)}"
            case OnEvent(event, key, deadline):
                until = f", until {ahead(deadline, record.at)}" if deadline else ""
                return "waits", f"waits for `{_kind(event)}` with key {self._shown(key)}{until}"
            case OnChildren(total, started):
                return "forked", forks(self._nodes, token, total, started)
            case OnTask() | OnUndo():
                return _commanded(record, token)
            case Parked(reason) if not isinstance(record, Moved) or record.cause != "parked":
                return "parked", f"parked: {reason}"
            case _:
                return None


def _commanded(record: Record, token: Token) -> Said | None:
    for message in sent_by(record):
        body = message.body
        if isinstance(body, Command) and body.token == token.path:
            what = f"to undo {body.task}" if body.undo else f"to run {body.task}"
            return "commanded", f"sends {named(message.to)} the command {what}"
    return None


def _rest(token: Token | None) -> Rest | None:
    """Return what a token waits for, or waited for until it was parked."""
    if token is None:
        return None
    return token.rest.over if isinstance(token.rest, Parked) else token.rest


def _is_same(record: Record, before: Token | None, after: Token) -> bool:
    if before is None:
        return False
    same = (before.step, before.node, type(before.rest)) == (
        after.step,
        after.node,
        type(after.rest),
    )
    if same and isinstance(before.rest, OnUndo) and isinstance(after.rest, OnUndo):
        return before.rest.entry == after.rest.entry
    if same and isinstance(after.rest, Parked):
        # What is resumed may park again at once, for the same reason.
        resumed = isinstance(record, Moved) and record.cause == RESUMED
        return before.rest == after.rest and not resumed
    return same


def _whose(path: str) -> str:
    return "the run" if path == ROOT else f"branch {parent_of(path)[2]}"


def _task_ended(record: TaskEnded | Ended, error: Error | None) -> Said:
    how = f"attempt {record.attempt}, took {took(record.took)}"
    if error is None:
        return "completed", f"{record.task} completed: {how}"
    return "failed", f"{record.task} failed with {told(error)}: {how}"


def _attempt_failed(record: AttemptFailed) -> Said:
    text = f"attempt {record.attempt} of {record.task} failed after {took(record.took)}"
    wait = lasting(record.due - record.at)
    return "attempt failed", f"{text} with {told(record.error)}; the next begins in {wait}"


def _command_ended(record: CommandEnded) -> Said:
    how = f"attempt {record.attempt}, took {took(record.took)}"
    answered = "" if record.sent else "; nobody waits for it any more"
    match record.outcome:
        case Failed(error) if record.parks:
            return "given up", f"{record.task} is given up: {error.message}"
        case Completed() if record.attempt == 0:
            return "skipped", f"{record.task} is taken as completed, with a value given for it"
        case Completed():
            return "completed", f"{record.task} completed: {how}{answered}"
        case Failed(error):
            unknown = "; whether it took effect is unknown" if record.unknown else ""
            return "failed", f"{record.task} failed with {told(error)}: {how}{unknown}{answered}"
        case Stopped() if record.undo:
            return "nothing to undo", f"nothing to undo: {record.task} was not needed"
        case Stopped():
            return "refused", f"{record.task} is not begun: the command came after its deadline"
        case _:
            assert_never(record.outcome)


def _command_came(record: CommandCame) -> Said:
    body = record.message.body
    task = body.task if isinstance(body, Command) else "a task"
    came = clock(record.message.sent, record.at)
    return (
        "accepted",
        f"the command {task} is accepted, sent by {named(record.message.source)} at {came}",
    )


def _cancel_came(record: CancelCame) -> str:
    forwarded = ", ".join(named(message.to) for message in record.sent)
    return f"a cancel came, and is forwarded to {forwarded}" if forwarded else "a cancel came"


def _ending(outcome: Outcome) -> str:
    match outcome:
        case Completed():
            return "completed"
        case Failed(error):
            return f"failed with {told(error)}"
        case Stopped():
            return "was cancelled"
        case _:
            assert_never(outcome)


def _kind(event: str) -> str:
    return event.rpartition(":")[2]


def _nth(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")


__all__ = ["HAD_NO_EFFECT", "facts"]
