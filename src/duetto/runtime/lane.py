"""A numbered sequence of events of one source and topic, as one consumer knows it."""

from __future__ import annotations

from msgspec import Struct

LaneKey = tuple[str, str, int]
"""Source, topic, number."""


class Lane(Struct, eq=False):
    """All up to `watermark` is done with, and so is what is in `done`, above it. `taken` is the
    last that was taken up here since the process began."""

    key: LaneKey
    watermark: int = 0
    done: set[int] = set()
    taken: int = 0
