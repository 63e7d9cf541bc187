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
        self.later: list[Callable[[], None]] = []
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

    def call_soon(self, act: Callable[[], None]) -> None:
        """Do it in the next turn."""
        self.later.append(act)

    def turn(self) -> None:
        """Do what is to be done next."""
        later, self.later = self.later, []
        for act in later:
            act()


def asked(feeds: Feeds, taken: int, serial: int = 1) -> None:
    """Let a process of another store say how far it has taken the lane."""
    body = Listen({"Told": {"office": {0: taken}}}, serial)
    feeds.listened(Message("", "", "home", "office", 0, body), body)


def begun() -> tuple[Source, Feeds]:
    """Return a source that was asked for the first time."""
    source: Any = Source()
    feeds = Feeds(cast("Host", source), cast("Publisher", source), {})
    asked(feeds, 0)
    return source, feeds


def confirm(source: Source) -> None:
    """Confirm what was sent last."""
    _, confirmed = source.sent[-1]
    assert confirmed is not None
    confirmed()


def test_what_was_sent_is_not_sent_again() -> None:
    source, feeds = begun()
    asked(feeds, 0)
    confirm(source)
    asked(feeds, 0)  # it said so before it had the page
    assert len(source.pages()) == 1


def test_what_was_taken_and_lost_is_sent_under_another_name() -> None:
    source, feeds = begun()
    confirm(source)
    asked(feeds, 3)
    assert len(source.pages()) == 1
    asked(feeds, 0, serial=2)  # its process ended before it was written
    first, second = source.pages()
    assert first != second


def test_a_lane_that_is_new_is_sent_to_the_process_that_listens() -> None:
    source, feeds = begun()
    asked(feeds, 3, serial=2)
    source.heads["Told", 1] = 3
    feeds.published(Event("office", "Told", 1, 3, "", 1, 0, b"x"))
    source.turn()
    [page] = [each.body for each, _ in source.sent[1:]]
    assert isinstance(page, EventPage)
    assert (page.events[0].lane, page.serial) == (1, 2)


def test_what_the_process_before_asked_for_is_put_away_and_asked_for_anew() -> None:
    source: Any = Source()
    consumer = Hearing()
    feeds = Feeds(cast("Host", source), cast("Publisher", source), {"hear": cast("Any", consumer)})
    page = EventPage("Told", (Event("shop", "Told", 0, 1, "", 1, 0, b"x"),), serial=4)
    put_away: list[bool] = []
    message = Message("", "", "shop", "office", 0, page)
    feeds.take(message, page, lambda: put_away.append(True))
    assert put_away == [True]
    source.turn()
    [(again, _)] = source.sent
    assert (again.to, again.body) == ("shop", Listen({"Told": {}}, 5))


class Hearing:
    """As much of a consumer as feeds need."""

    topics = frozenset({"Told"})
    lanes = ()
