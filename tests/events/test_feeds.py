"""A store sends of its log what another one asks for: once, and anew where that was lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from duetto.model.event import Event
from duetto.model.message import EventPage, Listen, Message, name
from duetto.runtime.feeds import Feeds
from duetto.runtime.host import Host
from duetto.runtime.publishing import Publisher

Confirm = Callable[[], None]


class Source:
    """As much of a host and its log as feeds need: a lane of three events."""

    participants = frozenset({"office"})
    stopping = False

    def __init__(self) -> None:
        self.sent: list[tuple[Message, Confirm | None]] = []
        self.exchange = self.clock = self.loop = self
        self.heads = {("Told", 0): 3}
        self.source = "office"

    def now_ms(self) -> int:
        """Return when it is."""
        return 5

    def publish(self, message: Message, confirmed: Confirm | None) -> None:
        """Keep what is sent, and who is to be told that it was taken."""
        self.sent.append((message, confirmed))

    def read(self, topic: str, lane: int, after: int, limit: int) -> list[Event]:
        """Return the events of the lane behind one."""
        seqs = range(after + 1, min(3, after + limit) + 1)
        return [Event("office", topic, lane, seq, "", 1, 0, b"x") for seq in seqs]

    def pages(self) -> list[str]:
        """Return the names of the pages that were sent."""
        return [name(each) for each, _ in self.sent if isinstance(each.body, EventPage)]


def asked(feeds: Feeds, taken: int) -> None:
    """Let another store say how far it has taken the lane."""
    body = Listen({"Told": {"office": {0: taken}}})
    feeds.listened(Message("", "", "home", "office", 0, body), body)


def begun() -> tuple[Source, Feeds]:
    """Return a source that was asked for the first time."""
    source: Any = Source()
    feeds = Feeds(cast("Host", source), cast("Publisher", source), {})
    asked(feeds, 0)
    return source, feeds


def test_what_is_under_way_is_not_sent_again() -> None:
    source, feeds = begun()
    asked(feeds, 0)
    assert len(source.pages()) == 1


def test_what_was_taken_and_lost_is_sent_under_another_name() -> None:
    source, feeds = begun()
    _, confirm = source.sent[0]
    assert confirm is not None
    confirm()
    asked(feeds, 3)
    assert len(source.pages()) == 1
    asked(feeds, 0)  # its process ended before it was written
    first, second = source.pages()
    assert first != second


def test_a_page_counts_as_under_way_once() -> None:
    source, feeds = begun()
    for _ in range(10):
        for _, confirm in source.sent[-1:]:
            assert confirm is not None
            confirm()
        asked(feeds, 0)
    assert len(source.pages()) == 11
