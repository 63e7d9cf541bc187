"""What happened in an app or a simulated system, event by event: the makings of a chart.

A recorder is told of messages, commits, bodies, crashes and restarts as they happen, and keeps them
as events of `duetto.drawing.sequence`. `RecordingBroker` stands between participants and their
broker, and tells it of every message that leaves and every copy that arrives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import assert_never

from msgspec import Struct, structs

from duetto.broker import Acknowledge, Broker, Receive
from duetto.drawing.sequence import Arrived, Chart, Event, Kind, Lane, Mark, Sent, Style
from duetto.kernel import journal
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
    RunState,
)
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
    Ready,
    Rest,
    Stopped,
    Token,
    parent_of,
)
from duetto.store import unseal

EVENTS_MAX = 20_000
"""Events that are kept: a chart of more would be read by nobody. The first are the cause."""

FIRST_MAX, LAST_MAX = 320, 60
"""Events of one chart, from its two ends: a run that never ends repeats itself."""

Said = tuple[Kind, str]
"""How a mark looks, and what it says."""


class Left(Struct, frozen=True):
    """A message that left, and its number."""

    at_ms: float
    number: int
    message: Message


class Kept(Struct, frozen=True):
    """A record that has become durable in a store, as its journal has it."""

    at_ms: float
    store: int
    sealed: bytes


Noticed = tuple[str, Event | Left | Kept]
"""What happened, and the run that it is of: none where it is of the whole system."""


class Recorder:
    """Keeps what happens; `stores` are the participants of each host, in order.

    Nothing is put into words before a chart is asked for: most are never drawn. `processes` names
    the process of each store.
    """

    def __init__(
        self,
        now_ms: Callable[[], float],
        stores: Sequence[Sequence[str]] = (),
        processes: Sequence[str] = (),
    ) -> None:
        self._now_ms = now_ms
        self.stores, self.processes = stores, processes
        self.noticed: list[Noticed] = []
        self._numbers: dict[int, Left] = {}
        """Each message that left, by its identity; kept with it, so that it stays its own."""

    @property
    def is_full(self) -> bool:
        """Whether no more is kept."""
        return len(self.noticed) >= EVENTS_MAX

    # -- being told

    def mark(self, lane: str, kind: Kind, label: str, *, run: str = "", span: str = "") -> None:
        """Note something on a lane."""
        if not self.is_full:
            self.noticed.append((run, Mark(self._now_ms(), lane, kind, label, span)))

    def sent(self, message: Message) -> None:
        """Note that a message leaves, which is known by its identity when it arrives."""
        if not self.is_full:
            left = Left(self._now_ms(), len(self._numbers) + 1, message)
            self._numbers[id(message)] = left
            self.noticed.append((message.run, left))

    def arrived(self, message: Message) -> None:
        """Note that a copy of a message arrives."""
        left = self._numbers.get(id(message))
        if left is not None and not self.is_full:
            self.noticed.append((message.run, Arrived(self._now_ms(), left.number)))

    def committed(self, store: int, run: str, sealed: bytes) -> None:
        """Note a record that has become durable."""
        if not self.is_full:
            self.noticed.append((run, Kept(self._now_ms(), store, sealed)))

    # -- telling

    def chart(self, run: str, title: str, notes: Iterable[str] = ()) -> Chart:
        """Return the chart of a run: times count from its first event."""
        events = shortened(list(self._events(run)))
        lanes = self._lanes(events)
        began = events[0].at_ms if events else 0.0
        shifted = tuple(structs.replace(each, at_ms=each.at_ms - began) for each in events)
        return Chart(title, lanes, shifted, tuple(notes))

    def _events(self, run: str) -> Iterator[Event]:
        reader = _Reader(self.stores)
        for whose, noticed in self.noticed:
            if whose not in ("", run):
                continue
            match noticed:
                case Left(at_ms, number, message):
                    style, label = spelled(message)
                    yield Sent(at_ms, number, message.source, message.to, label, style)
                case Kept(at_ms, store, sealed):
                    yield from reader.read(at_ms, store, journal.record(unseal(sealed)))
                case _:
                    yield noticed

    def _lanes(self, events: Iterable[Event]) -> tuple[Lane, ...]:
        """Return the participants that anything happens to, the app always; in their order."""
        seen = {""}
        for event in events:
            match event:
                case Sent(source=source, to=to):
                    seen |= {source, to}
                case Mark(lane=lane):
                    seen.add(lane)
                case Arrived():
                    pass
        processes = self.processes or [f"process {at}" for at in range(len(self.stores))]
        return tuple(
            Lane(name, name or "app", process)
            for process, names in zip(processes, self.stores, strict=True)
            for name in names
            if name in seen
        )


class _Reader:
    """Reads the records of one run, and knows where its tokens are."""

    def __init__(self, stores: Sequence[Sequence[str]]) -> None:
        self._stores = stores
        self._at: dict[tuple[int, str], str] = {}

    def read(self, at_ms: float, store: int, record: Record) -> Iterator[Mark]:
        """Yield the mark of a record; what only follows from another has none of its own."""
        lane = self._lane(store, record)
        self._follow(store, record)
        if (
            isinstance(record, Moved)
            and record.cause == "arrived"
            and not record.forked
            and not isinstance(record.change.rest, Parked)
        ):
            return  # of the same commit as its arrival, which has been told
        kind, label = told(record)
        yield Mark(at_ms, lane, kind, label, _span(record))

    def _lane(self, store: int, record: Record) -> str:
        match record:
            case Started(source="", token=token):
                return token.reply_to
            case Started(token=token):
                return token.at
            case CommandCame(message=message):
                return message.to
            case CommandEnded(task=task) | AttemptFailed(task=task, command=True):
                return task.partition(".")[0]
            case ReportCame(path=path):
                parent = path if path == ROOT else parent_of(path)[0]
            case _:
                parent = record.path
        return self._at.get((store, parent), self._stores[store][0])

    def _follow(self, store: int, record: Record) -> None:
        """Keep where tokens are that a record moves, or makes."""
        match record:
            case Started(token=token):
                self._at[store, token.path] = token.at
            case TaskEnded(path=path, change=change) | Moved(path=path, change=change):
                self._at[store, path] = change.at
            case _:
                pass
        for token in _forked(record):
            self._at[store, token.path] = token.at


def shortened(events: list[Event]) -> list[Event]:
    """Leave out the middle of what is too long, but for the arrivals of what left before it."""
    if len(events) <= FIRST_MAX + LAST_MAX:
        return events
    first, middle, last = events[:FIRST_MAX], events[FIRST_MAX:-LAST_MAX], events[-LAST_MAX:]
    left = {event.message for event in (*first, *last) if isinstance(event, Sent)}
    kept = [event for event in middle if isinstance(event, Arrived) and event.message in left]
    said = f"{len(middle) - len(kept):,} events are left out"
    note = Mark(middle[-1].at_ms, "", "note", said)
    known = [event for event in last if not isinstance(event, Arrived) or event.message in left]
    return [*first, *kept, note, *known]


class RecordingBroker:
    """A broker that tells a recorder of what it carries."""

    def __init__(self, broker: Broker, recorder: Recorder) -> None:
        self._broker, self._recorder = broker, recorder

    def publish(self, message: Message, confirmed: Acknowledge) -> None:
        copied = structs.replace(message)  # what is sent again has an identity of its own
        self._broker.publish(copied, confirmed)
        # A broker delivers later; what befalls a message in it is told before its way is drawn.
        self._recorder.sent(copied)

    def subscribe(self, participant: str, receive: Receive) -> None:
        def noted(message: Message, acknowledge: Acknowledge) -> None:
            self._recorder.arrived(message)
            receive(message, acknowledge)

        self._broker.subscribe(participant, noted)

    def unsubscribe(self, participant: str) -> None:
        self._broker.unsubscribe(participant)


# -- in words ---------------------------------------------------------------------------------


def spelled(message: Message) -> tuple[Style, str]:
    """Return how a message is drawn, and what it says."""
    body = message.body
    match body:
        case Arrive(token):
            return "token", f"token {token.path} at hop {token.hop}"
        case Command(path=path, step=step, task=task, undo=undo, unknown=unknown):
            what = "settle and undo" if undo and unknown else "undo" if undo else "run"
            return "command", f"{what} {task} {path}#{step}"
        case Answer(path=path, step=step, outcome=outcome, undo=undo):
            return "answer", f"{path}#{step}{' undo' if undo else ''}: {ending(outcome)}"
        case Reporting(path, outcome):
            return "report", f"report of {path}: {ending(outcome)}"
        case CancelPath(path):
            return "cancel", f"cancel {path}"
        case AskRun():
            return "question", "is the run open?"
        case RunState(closed):
            return "question", "the run is closed" if closed else "the run is open"
        case Listen(topics):
            return "question", f"what is new of {', '.join(topics)}?"
        case EventPage(topic, entries):
            events = [each for each in entries if not each.is_mark]
            if not events:
                return "report", f"how far {topic} has come"
            first, more = events[0], len(events) - 1
            return "report", f"{first.topic} {first.key}{f' and {more} more' if more else ''}"
        case _:
            assert_never(body)


def ending(outcome: Outcome) -> str:
    """Return an outcome in a word or two."""
    match outcome:
        case Completed():
            return "completed"
        case Failed(error):
            return f"failed, {_error(error)}"
        case Stopped():
            return "cancelled"
        case _:
            assert_never(outcome)


def _error(error: Error) -> str:
    name = error.type.rpartition(":")[2].rpartition(".")[2]
    return f"{name} {error.message[:40]}".rstrip()


def told(record: Record) -> Said:
    """Return what a record says, and how that looks."""
    match record:
        case Started(path=path, token=token):
            if path == ROOT and not record.source:
                return "start", f"the run begins{_waits(token.rest)}"
            return "commit", f"{path} is here{_waits(token.rest)}"
        case TaskEnded() | Ended() | Moved():
            return _moved(record)
        case AttemptFailed(task=task, attempt=attempt, error=error):
            return "failed", f"{task} attempt {attempt}: {_error(error)}"
        case ReportCame(path=path, outcome=outcome):
            return "commit", f"{path} {ending(outcome)}"
        case CommandCame(message=message):
            return "commit", f"accepts: {spelled(message)[1]}"
        case CommandEnded(task=task, outcome=outcome, undo=undo):
            failed: Kind = "failed" if isinstance(outcome, Failed) else "commit"
            return ("undone" if undo else failed), f"{task} {record.path}#{record.step}: " + (
                "undone" if undo and isinstance(outcome, Completed) else ending(outcome)
            )
        case CancelCame(path=path):
            return "cancel", f"{path} is cancelled"
        case InHand(path=path, deaths=deaths, task=task):
            what = f"{task} {path}#{record.step}" if task else path
            return "fault", f"{what} was in hand at {deaths} death{'s' * (deaths > 1)}"
        case Progressed(path=path):
            return "note", f"{path} told of its progress"
        case Noted(what=what, note=note):
            return "operator", f"{what}{': ' if note else ''}{note}"
        case _:
            assert_never(record)


def _moved(record: TaskEnded | Ended | Moved) -> Said:
    """Say why a token moved on, and to what."""
    task = record.task if isinstance(record, TaskEnded | Ended) else ""
    cause = record.cause if isinstance(record, Moved | Ended) else ""
    error = record.error if isinstance(record, TaskEnded | Ended) else None
    why = cause or "goes on"
    if task:
        why = f"{task} " + ("completed" if error is None else f"failed, {_error(error)}")
    kind: Kind = "commit" if error is None else "failed"
    if isinstance(record, Ended):
        if record.path == ROOT:
            return "end", f"the run {ending(record.outcome)}"
        return kind, f"{record.path}: {why}; {ending(record.outcome)}"
    marked = MARKS.get(cause, kind)
    return marked, f"{record.path}: {why}{_waits(record.change.rest)}{_forks(record)}"


MARKS: dict[str, Kind] = {
    "woken": "timer",
    "cancelled": "cancel",
    "undone": "undone",
    "parked": "park",
    "resumed": "operator",
    "skipped": "operator",
    "retried": "operator",
}
"""How the causes of a move look that are more than a commit."""


def _waits(rest: Rest) -> str:
    match rest:
        case OnTask():
            return ""
        case OnTimer():
            return "; sleeps"
        case OnEvent():
            return "; waits for an event"
        case OnChildren(total=total, started=started, ended=ended):
            return f"; {ended} of {total} ended" if ended else f"; {started} of {total} begin"
        case OnUndo(entry):
            return f"; undoes {entry.task} {entry.path}#{entry.step}"
        case Parked(reason=reason):
            return f"; parked: {reason}"
        case Ready():
            return ""
        case _:
            assert_never(rest)


def _forks(record: Record) -> str:
    paths = ", ".join(token.path for token in _forked(record))
    return f": {paths}" if paths else ""


def _forked(record: Record) -> tuple[Token, ...]:
    match record:
        case Started(forked=forked) | TaskEnded(forked=forked) | Moved(forked=forked):
            return forked
        case _:
            return ()


def _span(record: Record) -> str:
    """Return the body that a record is about, which has ended with it."""
    match record:
        case TaskEnded(path=path, step=step) | CommandEnded(path=path, step=step):
            return f"{path}#{step}"
        case AttemptFailed(path=path, step=step):
            return f"{path}#{step}"
        case _:
            return ""


__all__ = ["Recorder", "RecordingBroker", "ending", "spelled", "told"]
