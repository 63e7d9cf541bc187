"""Windows, and how far their input has come, commit by commit, held against what was promised.

What windows are made of in the end is computed from the log alone, whatever came when.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from duetto.model.event import END, Event
from duetto.runtime.contributions import Result
from duetto.store import Batch, unseal
from duetto.testing.simulation.events import EventWorld
from duetto.testing.simulation.events.kinds import Fact
from duetto.testing.simulation.events.scenario import Windowing
from tests.simulation.events.book import Book, Known, LaneKey, event_of, mark_of
from tests.simulation.reference import Wrong

SIZE_MS = 10_000
LANES = 2
"""Of ticks and of tocks."""

EPOCH_SHIFT = 10**15
result_of = msgspec.msgpack.Decoder(Result).decode


class Gauge:
    """The windows of one world."""

    def __init__(self, world: EventWorld, book: Book) -> None:
        self.world, self.book = world, book
        self.given = {each.qualified: each for each in world.given.windows}
        self.reached: dict[tuple[str, LaneKey], int] = {}
        """By consumer and lane, the watermark that it has read."""
        self.shown: dict[tuple[str, int, str], int] = {}
        """By window, start and key, how often something was made of it."""
        world.on_commit.append(self.committed)

    # -- what is committed

    def committed(self, batch: Batch) -> None:
        """Take in what has become durable, after the book has, and hold it against what may."""
        for name, sealed in batch.state.items():
            if name.startswith("next/") and sealed is not None:
                _, consumer, _, topic, number = name.split("/")
                _, _, mark = mark_of(unseal(sealed))
                if mark is not None:
                    self.reached[consumer, (topic, int(number))] = mark
        for *_, sealed in batch.events:
            event = event_of(unseal(sealed))
            if event.is_mark:
                self._hold_mark(event)
            else:
                self._hold_stamp(event)
        for name, sealed in batch.state.items():
            if name.startswith("result/") and sealed is not None:
                self._hold_shown(name, result_of(unseal(sealed)))

    def _hold_stamp(self, event: Event) -> None:
        """Whether something is late is decided where its time is first known."""
        cause = self.book.known.get(event.causation)
        if event.by in self.world.windows or cause is None or event.topic != "Tock":
            return
        if event.stamp != cause.event.stamp:
            was = cause.event.stamp
            raise Wrong(6, f"{event.name} is stamped {event.stamp}, and what it follows from {was}")

    def _hold_mark(self, event: Event) -> None:
        """Who makes tocks says that they have come no further than what it is still to take."""
        mark = event.mark
        if event.topic != "Tock" or mark is None:
            return
        for handler, listening in self.book.listening.items():
            if any(say.topic == "Tock" for say in listening.says):
                for known in self._open(handler):
                    stamp = known.event.stamp
                    is_before = mark == END or (stamp is not None and stamp < mark)
                    if is_before and not self._corrects(known, mark):
                        raise Wrong(
                            6, f"{event.name} says {mark}, and {handler} has still {known.event}"
                        )

    def _open(self, handler: str) -> Iterator[Known]:
        """Yield what a handler has still to take without anybody's doing."""
        for known in self.book.known.values():
            if known.event.topic != "Tick":
                continue
            name = known.event.name
            if (handler, name) not in self.book.over and self._is_tried(handler, name):
                yield known

    def _corrects(self, known: Known, mark: int) -> bool:
        """Return whether an event came once its lane had passed a watermark: as a correction."""
        before = self.book.lanes[known.lane][: known.event.seq - 1]
        return any(each.event.mark is not None and each.event.mark >= mark for each in before)

    def _is_tried(self, handler: str, name: str) -> bool:
        """Return whether an event goes on by itself: what an operator redrives is a correction."""
        for letter, row in self.book.held.items():
            if letter.handler == handler and row.name == name:
                is_redriven = letter in self.world.operator.redriven
                return row.state in ("ready", "delayed") and not is_redriven
        return True

    def _hold_shown(self, name: str, result: Result) -> None:
        """A window is first shown once all lanes have passed it."""
        _, consumer, start, key = name.split("/")
        place = (consumer, int(start) - EPOCH_SHIFT, key)
        before = self.shown.get(place, 0)
        if result.revision <= before:  # what was shown twice in one commit is one row
            raise Wrong(6, f"{place} is shown the time {result.revision}, after {before}")
        self.shown[place] = result.revision
        if not before and not self._has_passed(self.given[consumer], place[1]):
            raise Wrong(6, f"{place} is shown, and not all lanes have passed it")

    def _has_passed(self, given: Windowing, start: int) -> bool:
        for number in range(LANES):
            mark = self.reached.get((given.qualified, (given.topic, number)))
            due = start + SIZE_MS + given.lateness_ms if given.lateness_ms >= 0 else END
            if mark is None or mark < due:
                return False
        return True

    # -- in the end

    def unquiet(self) -> Iterator[str]:
        """Yield what is still to be done by itself."""
        if not self.world.has_ended:
            yield "it is to be said that no more ticks come"

    def ended(self) -> None:
        """Windows are made of their input alone. Raises Wrong."""
        operations = self.world.operations()
        assert operations is not None, "all is quiet"
        for name, given in self.given.items():
            found = {
                (view.start, view.key): view.value.word for view in operations.events.results(name)
            }
            wanted = self._wanted(given)
            if found != wanted:
                raise Wrong(8, f"the windows of {name} are {found}, and should be {wanted}")

    def _wanted(self, given: Windowing) -> dict[tuple[int, str], str]:
        """Return by start and key what each window holds: of one id the lower rank, in order."""
        first: dict[tuple[str, str], Fact] = {}
        for fact in self._counted(given):
            kept = first.get((fact.key, fact.id))
            if kept is None or fact.rank < kept.rank:
                first[fact.key, fact.id] = fact
        windows: dict[tuple[int, str], list[Fact]] = {}
        for fact in first.values():
            start = fact.at - fact.at % SIZE_MS
            windows.setdefault((start, fact.key), []).append(fact)
        return {place: _told(facts) for place, facts in windows.items()}

    def _counted(self, given: Windowing) -> Iterator[Fact]:
        for name, known in self.book.known.items():
            taking = (given.qualified, name)
            if known.event.topic == given.topic and self.book.over.get(taking) == "handled":
                yield known.fact


def _told(facts: Iterable[Fact]) -> str:
    return ",".join(fact.name for fact in sorted(facts, key=lambda fact: fact.rank))
