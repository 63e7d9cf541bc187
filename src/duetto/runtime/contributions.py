"""What the windows of one function are made of, and what was made of them, as rows of its store.

The state of a window is its contributions. One of a business id counts for a key, wherever it falls
(PROTOCOL, rule 35).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from duetto.kernel.windows import folded
from duetto.runtime.desk import Desk

Place = tuple[int, str]
"""The start of a window, in ms since the epoch, and its key."""

EPOCH_SHIFT = 10**15
"""Added to starts in names, so that instants before 1970 are in their order too."""


class Contribution(Struct, frozen=True, array_like=True):
    """What an event contributes to a window; the lower position stays."""

    position: str
    data: bytes
    version: int = 1


class Result(Struct, frozen=True, array_like=True):
    """What was made of a window: an event of a topic, or none; how often that was, and when it was
    last, in ms since the epoch. Of one that is `closed` the contributions are gone."""

    revision: int
    at: int
    topic: str = ""
    data: bytes = b""
    closed: bool = False
    version: int = 1


encode = msgspec.msgpack.Encoder().encode
contribution = msgspec.msgpack.Decoder(Contribution).decode
result_of = msgspec.msgpack.Decoder(Result).decode
start_of = msgspec.msgpack.Decoder(int).decode


class Contributions:
    """The windows of one function. What changes is written with whatever else is."""

    def __init__(self, desk: Desk, name: str) -> None:
        self._desk, self._name = desk, name
        log = desk.store.log
        self.open = {_place(row): None for row, _ in log.state(f"open/{name}/")}
        """The windows that have contributions, and were not shown yet."""
        shown = [(result_of(data), _place(row)) for row, data in log.state(f"result/{name}/")]
        self._shown = {
            place: result.at
            for result, place in sorted(shown, key=lambda each: each[0].at)
            if not result.closed
        }
        """When what was made of each was last made, the oldest first."""

    def find(self, key: str, id: str) -> tuple[Place, Contribution] | None:
        """Return what counts for an id, and where."""
        start = self._desk.row(self._id_name(key, id))
        if start is None:
            return None
        place = (start_of(start), key)
        data = self._desk.row(self._prefix(place) + id)
        return None if data is None else (place, contribution(data))

    def of(self, place: Place) -> list[Contribution]:
        """Return the contributions to a window, in the order of their positions."""
        rows = (contribution(data) for _, data in self._desk.rows(self._prefix(place)))
        return folded((each.position, each) for each in rows)

    def put(self, place: Place, id: str, given: Contribution) -> None:
        """Write a contribution; a window of which nothing was made yet is open from now on."""
        self._desk.put(self._prefix(place) + id, encode(given))
        self._desk.put(self._id_name(place[1], id), encode(place[0]))
        if place not in self.open and place not in self._shown:
            self.open[place] = None
            self._desk.put(f"open/{self._name}/{_spelled(place)}", b"\x01")

    def remove(self, place: Place, id: str) -> None:
        """Write that a contribution is gone."""
        self._desk.put(self._prefix(place) + id, None)
        self._desk.put(self._id_name(place[1], id), None)

    # -- what was made

    def result(self, place: Place) -> Result | None:
        """Return what was made of a window last."""
        data = self._desk.row(f"result/{self._name}/{_spelled(place)}")
        return None if data is None else result_of(data)

    def show(self, place: Place, made: Result) -> None:
        """Write what was made of a window; it is open no more."""
        self._desk.put(f"result/{self._name}/{_spelled(place)}", encode(made))
        self._shown.pop(place, None)
        self._shown[place] = made.at
        if place in self.open:
            del self.open[place]
            self._desk.put(f"open/{self._name}/{_spelled(place)}", None)

    def results(self) -> Iterator[tuple[Place, Result]]:
        """Yield what was made of each window, by start and key."""
        for name, data in self._desk.rows(f"result/{self._name}/"):
            yield _place(name), result_of(data)

    def close(self, before: int, limit: int) -> int:
        """Let go of what at most so many windows were made of, of which nothing was made since an
        instant; return how many."""
        old: list[Place] = []
        for place, at in self._shown.items():
            if at >= before or len(old) == limit:
                break
            old.append(place)
        for place in old:
            result, prefix = self.result(place), self._prefix(place)
            assert result is not None, "it was shown"
            for name, _ in self._desk.rows(prefix):
                self.remove(place, name.removeprefix(prefix))
            self._desk.put(
                f"result/{self._name}/{_spelled(place)}", encode(replace(result, closed=True))
            )
            del self._shown[place]
        return len(old)

    # -- names

    def _prefix(self, place: Place) -> str:
        return f"window/{self._name}/{_spelled(place)}/"

    def _id_name(self, key: str, id: str) -> str:
        return f"id/{self._name}/{_key(key)}/{id}"


def _key(key: str) -> str:
    return key.replace("%", "%25").replace("/", "%2F")


def _spelled(place: Place) -> str:
    start, key = place
    return f"{start + EPOCH_SHIFT:016}/{_key(key)}"


def _place(name: str) -> Place:
    start, key = name.split("/")[2:]
    return int(start) - EPOCH_SHIFT, key.replace("%2F", "/").replace("%25", "%")
