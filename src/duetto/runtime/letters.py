"""The rows of events that one consumer has yet to take: retried, dead, or behind one that is.

One table serves them all (PROTOCOL, rule 30). Rows of one key are in the order of their positions.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator

import msgspec

from duetto.model.event import Held
from duetto.runtime.desk import Desk

HELD_MAX = 10_000
"""Rows of one consumer; at the limit it takes no more, whatever their keys (PROTOCOL, rule 33)."""

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Held).decode


class Letters:
    """The held rows of one consumer, all in memory too: their number is bounded."""

    def __init__(self, desk: Desk, consumer: str) -> None:
        self._desk, self._prefix = desk, f"held/{consumer}/"
        self._rows: dict[int, Held] = {}
        self._keys: dict[str, list[int]] = {}
        for _, data in desk.store.log.state(self._prefix):
            self._remember(decode(data))
        self.last = max(self._rows, default=0)
        """The last position that was given."""

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Held]:
        return iter(list(self._rows.values()))

    def get(self, position: int) -> Held | None:
        """Return a row, if it is there."""
        return self._rows.get(position)

    def first(self, key: str) -> Held | None:
        """Return the first row of a key."""
        positions = self._keys.get(key)
        return self._rows[positions[0]] if positions else None

    def tried(self) -> Iterator[Held]:
        """Yield the rows that go on without anybody's doing, and those behind them."""
        for row in self._rows.values():
            before = self.first(row.event.key) if row.state == "behind" else row
            if before is not None and is_due(before):
                yield row

    def next_position(self) -> int:
        """Return a position behind all that there are."""
        self.last += 1
        return self.last

    def put(self, row: Held) -> None:
        """Write a row, new or changed."""
        self._remember(row)
        self._desk.put(self._name(row.position), encode(row))

    def remove(self, row: Held) -> None:
        """Write that a row is gone."""
        if self._rows.pop(row.position, None) is None:
            return
        positions = self._keys[row.event.key]
        positions.remove(row.position)
        if not positions:
            del self._keys[row.event.key]
        self._desk.put(self._name(row.position), None)

    def _remember(self, row: Held) -> None:
        if row.position not in self._rows:
            insort(self._keys.setdefault(row.event.key, []), row.position)
        self._rows[row.position] = row

    def _name(self, position: int) -> str:
        return f"{self._prefix}{position:015}"


def is_due(row: Held) -> bool:
    """Return whether a row is taken up without anybody's doing: now, or at its time."""
    return row.state == "ready" or (row.state == "delayed" and row.due > 0)
