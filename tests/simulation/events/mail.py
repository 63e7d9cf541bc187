"""What runs emit, receive and are started by, commit by commit, held against what was promised.

Who waits is read from the records of runs, and what is kept from the rows of mailboxes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from duetto.kernel import journal
from duetto.model.event import Event
from duetto.model.record import Ended, Moved, Record, Started
from duetto.model.token import Completed, OnEvent
from duetto.model.view import COMPLETED, RUNNING, RunRow
from duetto.runtime.desk import FULL_RETRY_MS
from duetto.store import Batch, unseal
from duetto.testing.simulation.events import CODEC, EventWorld
from duetto.testing.simulation.events.kinds import MAILBOXES, NOTHING
from duetto.testing.simulation.events.scenario import Move
from duetto.testing.simulation.faults import (
    ClockJumps,
    CommitSlow,
    Fault,
    NodePauses,
    StoreFilled,
)
from tests.simulation.events.book import PLANS, Book
from tests.simulation.reference import Wrong

STARTS = {"@start.kindle": ("kindle", "spark", "Spark"), "@start.chime": ("chime", "bell", "Bell")}
"""By consumer: the workflow that is started, its parameter, and by what."""

MAILBOX, TO_ALL = "@mailbox.", ("Bell",)

mail_of = msgspec.msgpack.Decoder(tuple[int, Event, int]).decode


class Wait(Struct, frozen=True):
    """A token that waits for an event, since an instant (ms); `key` is None for any."""

    since: int
    step: int
    topic: str
    key: str | None

    def takes(self, event: Event) -> bool:
        """Return whether it would take an event."""
        return self.topic == event.topic and self.key in (None, event.key)


class Kept(Struct, frozen=True):
    """An event in a mailbox: since when, by the clock of whoever keeps it."""

    event: Event
    clock_ms: int


class MailBook:
    """Mailboxes, and the runs that look into them."""

    def __init__(self, world: EventWorld, book: Book) -> None:
        self.world, self.book = world, book
        self.waits: dict[tuple[int, str], Wait] = {}
        """By the number of the run, and the path of the token."""
        self.kept: dict[str, Kept] = {}
        """By the name of the row."""
        self.taken: dict[str, int] = {}
        """By the name of the event: the number of the run that received it."""
        self.heard: dict[tuple[int, str], dict[str, int]] = {}
        """Of what all receive: by token, and source, topic and key, the seq that it has come to."""
        self.told: dict[int, list[str]] = {}
        """By run, what it received, as outsiders name it."""
        self.rows: dict[int, RunRow] = {}
        self.clock_ms = 0
        self._turns_back = any(
            isinstance(fault, ClockJumps) and fault.by_ms < 0 for fault in world.given.faults
        )
        self._doubt_ms = world.jumps_s * 1000 + sum(map(stalls_ms, world.given.faults))
        world.on_commit.append(self.committed)

    # -- what is committed

    def committed(self, batch: Batch) -> None:
        """Take in what has become durable, after the book has, and hold it against what may."""
        clock = self.world.machine.clock
        assert clock is not None, "who commits has a clock"
        self.clock_ms = clock.now_ms()
        self.rows |= {row.rid: row for row in batch.runs}
        for rid, sealed in batch.journal:
            self._moved(rid, journal.record(unseal(sealed)))
        self._mailed(batch)
        for consumer in STARTS:
            self._started(batch, consumer)
        self._nobody_waits_in_vain()

    def _moved(self, rid: int, record: Record) -> None:
        place = (rid, record.path)
        match record:
            case Started(token=token):
                rest, step = token.rest, token.step
            case Moved(change=change):
                rest, step = change.rest, change.step
            case Ended():
                rest, step = None, 0
            case _:
                return
        if isinstance(record, Moved | Ended) and record.cause == "received":
            self._received(place, record.note)
        before = self.waits.pop(place, None)
        if isinstance(rest, OnEvent):
            if before is not None and before.step == step:
                self.waits[place] = before
                return
            topic = rest.event.rpartition(":")[2]
            key = CODEC.dynamic.decode(rest.key.data) if rest.key.data else rest.key.live
            self.waits[place] = Wait(rest.since, step, topic, key)

    def _received(self, place: tuple[int, str], name: str) -> None:
        """The oldest event that fits goes to whoever has waited longest, once."""
        wait, known = self.waits.get(place), self.book.known.get(name)
        if wait is None or known is None:
            raise Wrong(7, f"{place} receives {name}: it waits {wait}, and the event is {known}")
        event = known.event
        if name in self.taken or self._has_heard(place, event):
            raise Wrong(6, f"{name} is received by {place}, and was by {self.taken.get(name)}")
        if not wait.takes(event):
            raise Wrong(6, f"{place} waits for {wait}, and receives {name} of {event.key}")
        for other, each in self.waits.items():
            longer = each.since < wait.since and not self._turns_back
            if longer and each.takes(event) and event.topic not in TO_ALL:
                raise Wrong(6, f"{place} receives {name}, and {other} has waited longer")
        for row in self.kept.values():
            if row.event.name == name:
                break
            if self._fits(place, wait, row):
                raise Wrong(6, f"{place} receives {name}, and {row.event.name} is older")
        self.told.setdefault(place[0], []).append(known.fact.name)
        if event.topic in TO_ALL:
            self.heard.setdefault(place, {})[event.stream] = event.seq
        else:
            self.taken[name] = place[0]

    def _has_heard(self, place: tuple[int, str], event: Event) -> bool:
        """Return whether a token has received an event, or one that is behind it, or was started by
        one."""
        seq = self.heard.get(place, {}).get(event.stream, 0)
        row = self.rows[place[0]]
        if row.workflow == "chime":
            first = self.book.named[started_by(row)].event
            seq = max(seq, first.seq) if first.stream == event.stream else seq
        return event.seq <= seq

    def _fits(self, place: tuple[int, str], wait: Wait, row: Kept) -> bool:
        """Return whether a token that waits has to get an event that is kept."""
        event = row.event
        is_free = event.name not in self.taken and not self._has_heard(place, event)
        return is_free and wait.takes(event) and not self._is_old(row)

    def _mailed(self, batch: Batch) -> None:
        """Take in the rows of mailboxes; what is gone was received, or is too old."""
        for name, sealed in batch.state.items():
            if not name.startswith("mail/"):
                continue
            row = self.kept.pop(name, None)
            if sealed is not None:
                _, event, _ = mail_of(unseal(sealed))
                if event.name in self.taken:
                    raise Wrong(6, f"{event.name} is kept, and was received")
                self.kept[name] = row or Kept(event, self.clock_ms)
            elif row is not None and row.event.name not in self.taken and not self._is_old(row):
                raise Wrong(8, f"{row.event.name} is gone from its mailbox before its time")
        kept = {row.event.name for row in self.kept.values()}
        for name in self._arrived(batch):
            if name not in kept and name not in self.taken and self._lasts(name):
                raise Wrong(8, f"{name} is lost: it is neither kept nor received")

    def _lasts(self, name: str) -> bool:
        """Return whether what came and went in one commit cannot have been too old."""
        return MAILBOXES[self.book.known[name].event.topic] > 60

    def _arrived(self, batch: Batch) -> Iterator[str]:
        """Yield what mailboxes have behind them since this commit."""
        for consumer, name in self.book.latest:
            if consumer.startswith(MAILBOX):
                yield name

    def _is_old(self, row: Kept) -> bool:
        """Return whether an event may be too old, by a clock that may have been set, and since it
        came: that may be before it was written."""
        age_ms = self.clock_ms - row.clock_ms + self._doubt_ms
        return age_ms >= MAILBOXES[row.event.topic] * 1000

    def _started(self, batch: Batch, start: str) -> None:
        """An event starts its run in the commit that has it behind it."""
        workflow, *_ = STARTS[start]
        begun = [started_by(row) for row in batch.runs if row.workflow == workflow]
        taken = [
            self.book.known[name].fact.name
            for consumer, name in self.book.latest
            if consumer == start
        ]
        if sorted(begun) != sorted(taken):
            raise Wrong(1, f"{taken} were to start a run each, and {begun} did")

    def _nobody_waits_in_vain(self) -> None:
        for place, wait in self.waits.items():
            for row in self.kept.values():
                if self._fits(place, wait, row):
                    raise Wrong(8, f"{place} waits for {wait}, and {row.event.name} is kept")

    # -- in the end

    def unquiet(self) -> Iterator[str]:
        """Yield the runs that are still to go on by themselves."""
        disk = self.world.machine.disk
        for number, _ in enumerate(self.world.given.walks):
            if disk.run(f"w{number}") is None:
                yield f"w{number} is not started"
        endless = {rid for (rid, _), wait in self.waits.items() if self._is_endless(rid, wait)}
        for rid, row in self.rows.items():
            current = disk.run(row.id)
            if current is not None and current.status == RUNNING and rid not in endless:
                yield f"{row.id} has not ended"

    def _is_endless(self, rid: int, wait: Wait) -> bool:
        """Return whether a token waits without a limit."""
        row = self.rows[rid]
        if row.workflow != "walk":
            return False
        moves = self.world.given.walks[int(row.id[1:])].moves
        waits = [move for move in moves if move.does in ("receive", "sleep")]
        return waits[wait.step - 1].seconds == 0

    def ended(self) -> None:
        """Each run that ended tells what it received, and emitted all that it was to emit."""
        for rid, row in self.rows.items():
            current = self.world.machine.disk.run(row.id)
            if current is None or current.status == RUNNING:
                continue
            if current.status != COMPLETED:
                raise Wrong(3, f"{row.id} ended with {journal.outcome(current.result)}")
            told = [name for name in result_of(current) if name != NOTHING]
            if told != self.told.get(rid, []):
                raise Wrong(6, f"{row.id} tells of {told}, and received {self.told.get(rid)}")
            for name in self._emitted(row):
                if name not in self.book.named:
                    raise Wrong(7, f"{row.id} has ended, and {name} was not published")

    def _emitted(self, row: RunRow) -> list[str]:
        if row.workflow == "kindle":
            return [f"{started_by(row)}>kindle"]
        if row.workflow == "chime":
            return []
        moves: tuple[Move, ...] = self.world.given.walks[int(row.id[1:])].moves
        return [f"{row.id}.{at}" for at, move in enumerate(moves) if move.does == "emit"]


def stalls_ms(fault: Fault) -> float:
    """Return how long a fault may keep a process from writing what it has taken up."""
    match fault:
        case StoreFilled(times=times):
            return times * FULL_RETRY_MS
        case CommitSlow(for_ms=for_ms) | NodePauses(for_ms=for_ms):
            return for_ms
        case _:
            return 0.0


def started_by(row: RunRow) -> str:
    """Return the name of the event that started a run: its input."""
    parts = {workflow: (name, topic) for workflow, name, topic in STARTS.values()}
    name, topic = parts[row.workflow]
    return PLANS[topic].decode(msgspec.msgpack.decode(row.input)[name]).name


def result_of(row: RunRow) -> list[str]:
    """Return the names that a run tells of."""
    outcome = journal.outcome(row.result)
    assert isinstance(outcome, Completed), "it was asked before"
    found: Any = msgspec.msgpack.decode(outcome.value.data)
    return found if isinstance(found, list) else [found]  # pyright: ignore[reportUnknownVariableType]  # a list of names
