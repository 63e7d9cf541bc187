"""A lane is read in order, and what was done ahead of others is not done again."""

from __future__ import annotations

from typing import cast

from duetto.model.event import Event
from duetto.runtime.desk import Desk
from duetto.runtime.lanes import Lanes
from duetto.store import Batch, seal
from duetto.stores.memory import MemoryStore


class Table:
    """As much of a desk as lanes need."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store

    def put(self, name: str, data: bytes) -> None:
        """Commit a row at once."""
        self.store.commit(Batch(state={name: seal(data)}))


def lanes(store: MemoryStore) -> Lanes:
    """Return what a process that begins knows of the lanes of a consumer."""
    return Lanes(cast("Desk", Table(store)), "office.hear")


def event(seq: int) -> Event:
    """Return an event of one lane."""
    return Event("app", "Told", 0, seq, "", 1, 0, b"")


def test_only_the_next_is_taken() -> None:
    read = lanes(MemoryStore())
    assert read.take(event(2)) is None
    assert read.take(event(1)) is not None
    assert read.take(event(1)) is None
    assert read.take(event(2)) is not None


def test_what_was_done_ahead_is_not_done_again() -> None:
    store = MemoryStore()
    before = lanes(store)
    for seq in (1, 2, 3):
        lane = before.take(event(seq))
    assert lane is not None
    before.finish(lane, 3)
    after = lanes(store)
    for seq in (1, 2):
        assert after.take(event(seq)) is not None
    known = after.of(lane.key)
    after.finish(known, 1)
    after.finish(known, 2)
    assert known.watermark == 3
    assert after.take(event(3)) is None
    assert after.take(event(4)) is not None


def test_what_is_lost_is_passed() -> None:
    read = lanes(MemoryStore())
    lane = read.of(("app", "Told", 0))
    read.skip_to(lane, 5)
    assert lane.watermark == 4
    assert read.take(event(5)) is lane
