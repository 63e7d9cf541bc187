"""Windows by key in event time: what came is kept, and folded when a window is shown.

The state of a window is its contributions, by business id: of two with one id the lower position
wins, whichever came first. So what is shown is a function of the input alone, and a change after
that is a correction: the result is made and published anew (PROTOCOL, rules 34 to 36).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from duetto.authoring.event import key_text
from duetto.authoring.window import Window, WindowFunction
from duetto.errors import ConfigurationError, DuettoError, ValueRefused
from duetto.model.event import Event, Held
from duetto.runtime.consumer import Consumer, reason_of
from duetto.runtime.desk import Desk
from duetto.runtime.kinds import Kinds
from duetto.runtime.lane import LaneKey
from duetto.runtime.publishing import Origin, Publisher, origin_of
from duetto.store import seal

Place = tuple[int, str]
"""The start of a window, in ms since the epoch, and its key."""


class Contribution(Struct, frozen=True, array_like=True):
    """What an event contributes to a window; the lower position stays."""

    position: str
    data: bytes
    version: int = 1


class Result(Struct, frozen=True, array_like=True):
    """What was made of a window: an event of a topic, or none, and how often that was."""

    revision: int
    topic: str = ""
    data: bytes = b""
    version: int = 1


encode = msgspec.msgpack.Encoder().encode
contribution = msgspec.msgpack.Decoder(Contribution).decode
result_of = msgspec.msgpack.Decoder(Result).decode


class Windows(Consumer):
    """The windows of one function at its one store."""

    def __init__(
        self, desk: Desk, function: WindowFunction, *, kinds: Kinds, publisher: Publisher
    ) -> None:
        super().__init__(desk, function.qualified, (function.topic,), publisher=publisher)
        self.function, self.kinds = function, kinds
        self._open = {_place(name): None for name, _ in desk.store.log.state(f"open/{self.name}/")}
        self.failed: dict[Place, DuettoError] = {}
        """Of which windows nothing could be made when all were to be shown, and why."""
        self._watermarks: dict[LaneKey, int] = {}
        """Of each lane that had an event since the start: what is earlier has come, if in order."""

    # -- taking

    def offer(self, event: Event) -> None:
        lane = self.lanes.take(event)
        if lane is None:
            return
        try:
            if self._is_late(event):
                raise ValueRefused(
                    "The event is late: its window was closed before it came.",
                    found=f"{event.stamp - event.time} ms behind the latest before it",
                    expected=f"at most {self.function.lateness_ms} ms",
                    do="redrive it, and the window is corrected; or discard it",
                )
            self._contribute(event, b"")
        except DuettoError as error:
            self._bury(event, error)
        self.lanes.finish(lane, event.seq)
        if self.function.lateness_ms is not None:
            self._watermarks[lane.key] = max(self._watermarks.get(lane.key, 0), event.stamp)
            try:
                self._show_due(event, self.function.lateness_ms)
            except DuettoError as error:
                self._bury(event, error)

    def _is_late(self, event: Event) -> bool:
        """Return whether an event is late, which its source decided once (PROTOCOL, rule 34)."""
        lateness = self.function.lateness_ms
        return lateness is not None and event.time < event.stamp - lateness

    def _contribute(self, event: Event, mended: bytes, *, again: bool = False) -> None:
        """Keep what an event contributes; where its window was shown, correct it, or do so
        `again`."""
        function, kind = self.function, self.kinds.topic(event.topic)
        version = kind.declared.version if mended else event.version
        live = self.kinds.load(event, mended)
        time = kind.time_of(live)
        key = self._field(live, function.by) if function.by else ""
        id = self._field(live, function.id) if function.id else event.name
        position = self._position(live, event)
        place = (function.start_of(time), key)
        name = f"{self._prefix(place)}{id}"
        before = self.desk.row(name)
        kept = None if before is None else contribution(before).position
        if kept is None or position < kept or (again and position == kept):
            self._put(name, encode(Contribution(position, mended or event.data, version)))
        elif not again:
            return
        shown = self.desk.row(self._result_name(place))
        if shown is not None:
            self._show(place, result_of(shown).revision + 1, origin_of(event))
        elif place not in self._open:
            self._open[place] = None
            self._put(f"open/{self.name}/{_spelled(place)}", b"\x01")

    def _field(self, live: Any, name: str) -> str:
        try:
            return key_text(getattr(live, name))
        except AttributeError as error:
            raise ConfigurationError(
                f"The window {self.name} names a field that its events have not.",
                found=str(error),
                expected=f"a field of {type(live).__qualname__}",
            ) from error

    def _position(self, live: Any, event: Event) -> str:
        if not self.function.position:
            return f"{event.at:020}/{event.name}"
        return f"{int(getattr(live, self.function.position)):020}"

    def _bury(self, event: Event, error: DuettoError) -> None:
        reason, now = reason_of(error, self.desk.codec.error(error)), self.desk.clock.now_ms()
        position = self.letters.next_position()
        self.letters.put(Held(position, event, "dead", 0, 1, reason, since=now))
        self.note_letter(event, reason)

    def redrive(self, position: int, mended: bytes = b"") -> None:
        row = self.dead(position)
        self._contribute(row.event, mended or row.mended, again=True)
        self.letters.remove(row)

    # -- showing

    def show_all(self, limit: int) -> int:
        """Show windows that were not, as their input has ended; return how many were tried.

        One of which nothing can be made stays open, and `failed` has why.
        """
        left = [place for place in sorted(self._open) if place not in self.failed]
        for place in left[:limit]:
            try:
                self._show(place, 1, Origin())
            except DuettoError as error:
                self.failed[place] = error
        return len(left[:limit])

    def _show_due(self, event: Event, lateness_ms: int) -> None:
        """Show the windows that every lane has passed, by as much as events may be late."""
        passed = min(self._watermarks.values()) - lateness_ms - self.function.size_ms
        for place in [each for each in self._open if each[0] <= passed]:
            self._show(place, 1, origin_of(event))

    def _show(self, place: Place, revision: int, origin: Origin) -> None:
        start, key = place
        kind = self.kinds.topic(self.function.topic)
        kept = sorted(
            (contribution(data) for _, data in self.desk.rows(self._prefix(place))),
            key=lambda each: each.position,
        )
        events = tuple(kind.load(each.data, each.version) for each in kept)
        made = self._made(self.function.window(key, start, events, revision))
        result = Result(revision)
        if made is not None:
            event = self.publisher.publish(made, origin, by=self.name)
            result = Result(revision, event.topic, event.data, event.version)
        self._put(self._result_name(place), encode(result))
        if place in self._open:
            del self._open[place]
            self.desk.batch.state[f"open/{self.name}/{_spelled(place)}"] = None

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

    # -- reading

    def results(self) -> Iterator[tuple[int, str, int, Any]]:
        """Yield (start, key, revision, what was made) of each window that was shown, by start."""
        for name, data in self.desk.rows(f"result/{self.name}/"):
            result = result_of(data)
            if result.topic:
                kind, (start, key) = self.kinds.topic(result.topic), _place(name)
                yield start, key, result.revision, kind.load(result.data, result.version)

    def _prefix(self, place: Place) -> str:
        return f"window/{self.name}/{_spelled(place)}/"

    def _result_name(self, place: Place) -> str:
        return f"result/{self.name}/{_spelled(place)}"

    def _put(self, name: str, data: bytes) -> None:
        self.desk.batch.state[name] = seal(data)
        self.desk.schedule()


EPOCH_SHIFT = 10**15
"""Added to starts in names, so that instants before 1970 are in their order too."""


def _spelled(place: Place) -> str:
    start, key = place
    return f"{start + EPOCH_SHIFT:016}/{key.replace('%', '%25').replace('/', '%2F')}"


def _place(name: str) -> Place:
    start, key = name.split("/")[2:]
    return int(start) - EPOCH_SHIFT, key.replace("%2F", "/").replace("%25", "%")
