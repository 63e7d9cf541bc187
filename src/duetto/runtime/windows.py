"""Windows by key in event time: what came is kept, and folded when a window is shown.

What is shown is a function of the input alone. The watermark decides only when that is first; a
change after it is a correction: the result is made and published anew (PROTOCOL, rules 34 to 36).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from duetto.authoring.event import key_text
from duetto.authoring.window import Window, WindowFunction
from duetto.errors import ConfigurationError, DuettoError, ValueRefused
from duetto.kernel.windows import Said, changed
from duetto.model.event import Event
from duetto.runtime.consumer import Consumer
from duetto.runtime.contributions import Contribution, Contributions, Place, Result
from duetto.runtime.desk import Desk
from duetto.runtime.kinds import Kinds
from duetto.runtime.lane import LaneKey
from duetto.runtime.publishing import Origin, Publisher, origin_of

SHOWN_AT_ONCE_MAX = 200
"""Windows that are shown in one commit: more would stop the loop."""

CLOSED_AT_ONCE_MAX = 200
"""Windows whose contributions are deleted in one commit: a long delete would stop the loop."""

POSITION_SHIFT = 2**63
"""Added to positions in text, so that numbers below zero are in their order too."""


class Row(Struct, frozen=True):
    """What an event says to a window."""

    place: Place
    id: str
    given: Contribution


class Windows(Consumer):
    """The windows of one function at its one store."""

    def __init__(
        self, desk: Desk, function: WindowFunction, *, kinds: Kinds, publisher: Publisher
    ) -> None:
        super().__init__(desk, function.qualified, (function.topic,), publisher=publisher)
        self.function, self.kinds, self.span = function, kinds, function.span
        self.makes = tuple(function.makes)
        self.kept = Contributions(desk, self.name)
        self._due: dict[Place, None] = {}
        """The windows that are to be shown, in their order."""
        self._goes_on = False
        """Whether more of them are shown after the next commit."""
        self._failed: dict[Place, int] = {}
        """Of which windows nothing could be made when they were due: the positions of letters."""
        for row in self.letters:
            if row.event.is_mark:
                self._failed[_place_of(row.event)] = row.position

    @property
    def idle(self) -> bool:
        return not self._due

    # -- taking

    def offer(self, event: Event) -> None:
        lane = self.lanes.take(event)
        if lane is None:
            return
        try:
            if not event.is_mark:
                self._take(event)
        except DuettoError as error:
            self.bury(event, self.reason(error))
        self.finish(lane, event)
        self._show_due()

    def _take(self, event: Event) -> None:
        time, stamp = event.time, event.stamp
        if time is None or not self.span.is_late(time, stamp):
            self._contribute(event, self._said(event))
        elif self.function.late is not None:
            made = self.function.made_of_late(self.kinds.load(event))
            self.publisher.publish(made, origin_of(event), by=self.name)
        else:
            raise ValueRefused(
                "The event is late: its window was to be closed before it came.",
                found=f"{(stamp or time) - time} ms behind the latest before it",
                expected=f"at most {self.span.lateness_ms} ms",
                do="redrive it, and the window is corrected; or discard it",
            )

    def _said(self, event: Event, mended: bytes = b"") -> Row:
        """Return what an event says. Raises ValueRefused for what does not fit."""
        function, kind = self.function, self.kinds.topic(event.topic)
        version = kind.declared.version if mended else event.version
        live = self.kinds.load(event, mended)
        time = kind.time_of(live)
        assert time is not None, "events of windows have a time"
        key = key_text(self._field(live, function.by)) if function.by else ""
        id = key_text(self._field(live, function.id)) if function.id else event.name
        given = Contribution(self._position(live, event), mended or event.data, version)
        return Row((self.span.start_of(time), key), id, given)

    def _field(self, live: Any, name: str) -> Any:
        try:
            return getattr(live, name)
        except AttributeError as error:
            raise ConfigurationError(
                f"The window {self.name} names a field that its events have not.",
                found=str(error),
                expected=f"a field of {type(live).__qualname__}",
            ) from error

    def _position(self, live: Any, event: Event) -> str:
        name = self.function.position
        if not name:
            lane: LaneKey = (event.source, event.topic, event.lane)
            return f"{event.at:020}/{'/'.join(map(str, lane))}/{event.seq:020}"
        position = self._field(live, name)
        is_whole = isinstance(position, int) and not isinstance(position, bool)
        if not is_whole or not -POSITION_SHIFT <= position < POSITION_SHIFT:
            raise ValueRefused(
                f"An event {event.topic} has no position in the window {self.name}.",
                found=f"`{name}` is {position!r:.40}",
                expected="a whole number of 64 bits: of two events with one id the lower counts",
                do="mend it and redrive it; or name another field: `window(…, position=…)`",
            )
        return f"{position + POSITION_SHIFT:020}"

    def _contribute(self, event: Event, row: Row, *, again: bool = False) -> None:
        """Keep what an event says where it counts, and correct what was shown; do so `again` where
        that failed before."""
        place = row.place
        made = self.kept.result(place)
        if made is not None and made.closed:
            raise ValueRefused(
                "The event comes too late to correct its window.",
                found=f"nothing was changed in it since {made.at}, in ms since the epoch",
                expected="a correction while its events are kept, as long as closed runs",
                do="discard it",
            )
        start, key = place
        found = self.kept.find(key, row.id)
        kept = Said(found[0][0], found[1].position) if found is not None else None
        starts = changed(Said(start, row.given.position), kept, again=again)
        if not starts:
            return
        if found is not None and found[0] != place:
            self.kept.remove(found[0], row.id)
        self.kept.put(place, row.id, row.given)
        self._correct([(each, key) for each in starts], event)

    def _correct(self, places: Iterable[Place], event: Event) -> None:
        """Make anew what was shown of windows; the others are shown if they are due."""
        failed: list[DuettoError] = []
        for place in places:
            made = self.kept.result(place)
            if made is not None:
                try:
                    self._show(place, origin_of(event))
                except DuettoError as error:
                    failed.append(error)
            elif self.span.is_due(place[0], self.watermark):
                self._due[place] = None
        if failed:
            raise failed[0]

    def redrive(self, position: int, mended: bytes = b"") -> None:
        row = self.dead(position)
        if row.event.is_mark:
            self._redrive_window(_place_of(row.event))
        else:
            said = self._said(row.event, mended or row.mended)
            self._retract(row.event, said)
            self._contribute(row.event, said, again=True)
            self.letters.remove(row)
        self._show_due()

    def _redrive_window(self, place: Place) -> None:
        if place in self.kept.open:
            self._show(place, Origin())
        self._forgive(place)

    def _retract(self, event: Event, said: Row) -> None:
        """Take back what an event said before it was mended, where that was kept."""
        try:
            before = self._said(event)
        except DuettoError:
            return
        found = self.kept.find(before.place[1], before.id)
        is_other = (before.place[1], before.id) != (said.place[1], said.id)
        if is_other and found is not None and found[1] == before.given:
            self.kept.remove(found[0], before.id)
            self._correct([found[0]], event)

    def discard(self, position: int) -> None:
        row = self.dead(position)
        super().discard(position)
        if row.event.is_mark:
            self._failed.pop(_place_of(row.event), None)

    # -- showing

    def look(self) -> None:
        before = self.watermark
        super().look()
        if self.watermark != before:
            due = (place for place in self.kept.open if self.span.is_due(place[0], self.watermark))
            self._due |= dict.fromkeys(sorted(place for place in due if place not in self._failed))

    def resume(self) -> None:
        super().resume()
        self._show_due()

    def _show_due(self) -> None:
        """Show windows that all that they take has passed, by as much as events may be late."""
        if self.desk.stopping or self._goes_on:
            return
        for place in list(islice(self._due, SHOWN_AT_ONCE_MAX)):
            del self._due[place]
            try:
                self._show(place, Origin())
            except DuettoError as error:
                if place not in self._failed:
                    self._failed[place] = self.bury(self._named(place), self.reason(error))
            else:
                self._forgive(place)
        if self._due:
            self._goes_on = True
            self.desk.after_commit(self._go_on)
        self.pass_on()

    def _go_on(self) -> None:
        self._goes_on = False
        self._show_due()

    def promise(self, watermark: int) -> int | None:
        return None if self._due else self.span.passed(watermark)

    def _named(self, place: Place) -> Event:
        """Return an entry without data that names a window, for a letter about it."""
        topic, now = self.function.topic, self.desk.clock.now_ms()
        start, key = place
        source = self.publisher.source
        return Event(source, topic, 0, 0, key, 1, now, b"", time=start, mark=start)

    def _forgive(self, place: Place) -> None:
        """Drop the letter that nothing could be made of a window."""
        row = self.letters.get(self._failed.pop(place, 0))
        if row is not None:
            self.letters.remove(row)

    def _show(self, place: Place, origin: Origin) -> None:
        start, key = place
        before = self.kept.result(place)
        revision = 1 if before is None else before.revision + 1
        kind = self.kinds.topic(self.function.topic)
        kept = self.kept.of(place)
        events = tuple(kind.load(each.data, each.version) for each in kept)
        # A window that has lost all of its events is withdrawn: there is nothing to call it with.
        made = self._made(self.function.window(key, start, events, revision)) if events else None
        result = Result(revision, self.desk.clock.now_ms())
        if made is not None:
            # Whether events were late was decided before: what is made of them never is.
            event = self.publisher.publish(made, replace(origin, stamp=start), by=self.name)
            result = replace(result, topic=event.topic, data=event.data, version=event.version)
        self.kept.show(place, result)

    def _made(self, window: Window[Any]) -> Any:
        """Return what the function makes of a window. Raises ValueRefused where it fails."""
        try:
            made = self.function.body(window)
        except Exception as error:  # the body is anybody's code
            failed, when = self.desk.codec.error(error), f"{window.start:%Y-%m-%d %H:%M}"
            raise ValueRefused(
                f"{self.name} cannot make anything of a window.",
                found=f"{failed.type}: {failed.message}",
                expected=f"an event, or None, for {window.key!r} from {when}",
                do="mend the function, and redrive the letter: what the window holds is kept",
            ) from error
        if made is not None and type(made) not in self.function.publishes.values():
            raise ValueRefused(
                f"{self.name} may not publish what it made.",
                found=type(made).__qualname__,
                expected=" or ".join(self.function.publishes) or "None",
                do="declare it in the return annotation of the function",
            )
        return made

    def sweep(self, before: int) -> None:
        """Let go of what windows are made of that were not changed since an instant."""
        self.kept.close(before, CLOSED_AT_ONCE_MAX)

    # -- reading

    def results(self) -> Iterator[tuple[int, str, int, Any]]:
        """Yield (start, key, revision, what was made) of each window that was shown, by start."""
        for (start, key), result in self.kept.results():
            if result.topic:
                kind = self.kinds.topic(result.topic)
                yield start, key, result.revision, kind.load(result.data, result.version)


def _place_of(event: Event) -> Place:
    assert event.time is not None, "it names a window"
    return event.time, event.key
