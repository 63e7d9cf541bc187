"""A numbered sequence of events of one source and topic, as one consumer knows it."""

from __future__ import annotations

from msgspec import Struct

LaneKey = tuple[str, str, int]
"""Source, topic, number."""


class Lane(Struct, eq=False):
    """All up to `watermark` is done with, and so is what is in `done`, above it. `taken` is the
    last that was taken up here since the process began. `mark` is how far it has come in the time
    of its events, by what is done with, and None where that was not said. Some of what the last
    process had in hand is taken up again until `resumed` is."""

    key: LaneKey
    watermark: int = 0
    done: set[int] = set()
    taken: int = 0
    mark: int | None = None
    resumed: int = 0
