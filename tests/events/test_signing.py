"""What nobody with the secret has signed is not looked at, and nothing true is lost by that."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from duetto import App, Service, event
from duetto.broker import Acknowledge, Broker, Receive, Record, Topics
from duetto.brokers import InProcessBroker, InProcessTopics, SignedBroker
from duetto.brokers.signed import MESSAGE
from duetto.codecs.cloudevents.signed import RECORD, SIGNATURE
from duetto.errors import ConfigurationError, StoreDamaged
from duetto.kernel import journal
from duetto.model.event import Event
from duetto.model.message import AskRun, EventPage, Listen, Message, name
from duetto.runtime.rights import Rights
from duetto.signing import Secrets
from duetto.stores.memory import MemoryStore
from tests.brokers.hosting import harbour, send, warehouse
from tests.events.apart import Told, Watching, office, shop
from tests.events.shipping import STRUCTURED, Shipped, cloud, create, shipped, store_room
from tests.events.signed import signed

OLD, NEW, OTHER = b"old" * 16, b"new" * 16, b"other" * 16


# -- secrets


@pytest.mark.parametrize("secret", [b"short", b"x" * 15, [], [OLD, b"tiny"]])
def test_a_secret_that_can_be_guessed_is_refused_and_not_shown(
    secret: bytes | Sequence[bytes],
) -> None:
    with pytest.raises(ConfigurationError, match="too short") as refused:
        Secrets(secret)
    assert not any(each in str(refused.value) for each in ("tiny", OLD.decode()))


def test_a_secret_is_changed_without_a_pause() -> None:
    steps = [[OLD], [OLD, NEW], [NEW, OLD], [NEW]]
    for before, after in itertools.pairwise(map(Secrets, steps)):
        for signs, knows in ((before, after), (after, before)):
            assert knows.fits(MESSAGE, b"data", signs.sign(MESSAGE, b"data"))


def test_a_signature_is_for_one_purpose() -> None:
    secrets = Secrets(OLD)
    assert not secrets.fits(RECORD, b"data", secrets.sign(MESSAGE, b"data"))


# -- messages


class Wire:
    """A broker whose messages anybody can see and change."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.receivers: dict[str, Receive] = {}

    def publish(self, message: Message, confirmed: Acknowledge) -> None:
        self.sent.append(message)

    def subscribe(self, participant: str, receive: Receive) -> None:
        self.receivers[participant] = receive

    def unsubscribe(self, participant: str) -> None:
        del self.receivers[participant]


class Line:
    """A signed broker, what came out of it, and what was acknowledged."""

    def __init__(self, secret: bytes = OLD) -> None:
        self.wire, self.watching = Wire(), Watching()
        self.broker: Broker = SignedBroker(self.wire, secret, self.watching)
        self.came: list[Message] = []
        self.acknowledged = 0
        for participant in ("office", "shop"):
            self.broker.subscribe(participant, lambda message, _: self.came.append(message))

    def signed(self, message: Message) -> Message:
        """Return a message as it travels."""
        self.broker.publish(message, lambda: None)
        return self.wire.sent.pop()

    def hand(self, message: Message, to: str = "office") -> bool:
        """Hand a message over; return whether it came out."""
        count = len(self.came)
        self.wire.receivers[to](message, self._acknowledge)
        return len(self.came) > count

    def _acknowledge(self) -> None:
        self.acknowledged += 1


PAID = Event("shop", "Paid", 3, 7, "key", 1, 5, b"data", "c", "d", 1, 2, "t", "f", 3, 4, 5, "by")
PAGE = Message("", "", "shop", "office", 9, EventPage("Paid", (PAID,), 4))
ASKED = Message("", "", "shop", "office", 9, Listen({"Paid": {"shop": {3: 7}}}, 4))


@pytest.mark.parametrize("message", [PAGE, ASKED, replace(PAGE, run="r", body=AskRun())])
async def test_what_was_signed_comes_out_as_it_went_in(message: Message) -> None:
    line = Line()
    assert line.hand(line.signed(message))
    assert [replace(each, signature=b"") for each in line.came] == [message]
    assert line.watching.refused == []


async def test_a_message_that_is_sent_again_has_its_name_and_a_forged_one_another() -> None:
    line = Line()
    assert name(line.signed(PAGE)) == name(line.signed(PAGE))
    assert name(line.signed(PAGE)) != name(PAGE)
    assert name(line.signed(PAGE)) != name(replace(PAGE, signature=b"another one"))


@pytest.mark.parametrize("message", [PAGE, ASKED])
async def test_no_bit_of_a_message_can_be_changed(message: Message) -> None:
    line = Line()
    data = journal.encode(line.signed(message))
    readable = 0
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        with suppress(StoreDamaged):
            assert not line.hand(journal.message(bytes(changed)))
            readable += 1
    assert readable > len(data) // 2
    assert line.acknowledged == 0
    assert line.hand(journal.message(data))


def other(value: Any) -> Any:
    """Return another value of the kind."""
    return value + 1 if isinstance(value, int) else value + value


@pytest.mark.parametrize("field", msgspec.structs.fields(Event), ids=lambda each: each.name)
async def test_every_field_of_an_event_is_covered(field: msgspec.structs.FieldInfo) -> None:
    line = Line()
    event = replace(PAID, **{field.name: other(getattr(PAID, field.name))})
    assert not line.hand(replace(line.signed(PAGE), body=EventPage("Paid", (event,), 4)))


FORGED: dict[str, Callable[[Line], Message]] = {
    "it is not signed": lambda _: PAGE,
    "its signature is wrong": lambda _: Line(OTHER).signed(PAGE),
    "it was signed for somebody else": lambda line: line.signed(replace(PAGE, to="shop")),
}


@pytest.mark.parametrize("reason", FORGED)
async def test_what_is_refused_is_told_and_not_acknowledged(reason: str) -> None:
    """It may be a true one, of a process that has not got the secret yet: that sends it again."""
    line = Line()
    assert not line.hand(FORGED[reason](line))
    [refused] = line.watching.refused
    assert (refused.source, refused.to, refused.reason) == ("shop", "office", reason)
    assert line.acknowledged == 0


async def test_who_forges_many_is_told_of_once_and_breaks_no_line() -> None:
    line = Line()
    for number in range(50):
        line.hand(replace(PAGE, source=f"forger\n{number}" + "x" * 1000))
    [refused] = line.watching.refused
    assert refused.source.startswith("forger\\n0xxx")
    assert len(refused.source) < 110


# -- apps


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(OLD, OTHER), (None, OLD)],
    ids=["another", "none"],
)
async def test_what_two_secrets_kept_apart_comes_once_they_are_one(
    ours: bytes | None, theirs: bytes | None
) -> None:
    broker, here, there = InProcessBroker(), MemoryStore(), MemoryStore()
    heard, watching = asyncio.Queue[str](), Watching()
    async with office(broker, here, heard, ours), shop(broker, there, theirs, watching) as app:
        await app.publish_async(Told("a"))
        async with asyncio.timeout(10):
            await watching.at_refusal.wait()  # the office asks what is new
        assert heard.empty()
    async with office(broker, here, heard, OLD), shop(broker, there, OLD):
        async with asyncio.timeout(10):
            assert await heard.get() == "a"


async def test_a_page_of_who_does_not_declare_it_is_refused() -> None:
    rights = Rights({"shop.sell": frozenset({"Sold"}), "shop.count": frozenset({"Paid"})})
    page = EventPage("Paid", (PAID,))
    assert rights.refusal("shop", page) == ""  # of another version of the app
    by = partial(replace, PAID)
    assert rights.refusal("shop", EventPage("Paid", (by(by="shop.count"),))) == ""
    refused = rights.refusal("shop", EventPage("Paid", (PAID, by(by="shop.sell"))))
    assert refused == "shop.sell does not declare that it publishes Paid"
    assert "in the log of office" in rights.refusal("office", page)
    assert "not of Sold" in rights.refusal("shop", EventPage("Sold", (PAID,)))


async def test_a_true_process_cannot_publish_for_another_one() -> None:
    """Who has the secret, and says to be another store, is found out by the name of the event."""
    broker, heard = InProcessBroker(), asyncio.Queue[str]()
    watching = Watching()
    async with office(broker, MemoryStore(), heard, OLD, watching):
        signed = SignedBroker(broker, OLD, watching)
        forged = Event("office", "Told", 0, 1, "", 1, 1, b"x")
        page = EventPage("Told", (forged,), 0)
        signed.publish(Message("", "", "", "office", 1, page), lambda: None)
        async with asyncio.timeout(10):
            await watching.at_refusal.wait()
    [refused] = watching.refused
    assert "is not of Told in the log of app" in refused.reason


@pytest.mark.parametrize("placement", ["orchestration", "choreography"])
async def test_runs_go_on_between_processes_that_share_a_secret(
    tmp_path: Path, placement: str
) -> None:
    """Tokens, commands, answers and reports are signed as pages are, through a file."""
    heard = {"sender": Watching(), "warehouse": Watching()}

    def process(*participants: str) -> App:
        return App(
            "sender",
            services=[warehouse, harbour],
            workflows=[send],
            placement=placement,
            store=tmp_path / f"{participants[0]}.sqlite",
            broker=f"sqlite:{tmp_path / 'broker.sqlite'}",
            participants=participants,
            secret=[OLD, NEW],
            observer=heard[participants[0]],
        )

    async with process("sender") as app, process("warehouse", "harbour"), asyncio.timeout(20):
        assert await app.run_async(send, "tea") == "ship with a box of tea"
    assert [each.refused for each in heard.values()] == [[], []]


# -- topics


@asynccontextmanager
async def signed_app(topics: Topics, watching: Watching | None = None) -> AsyncGenerator[App]:
    """The app that ships, with a secret."""
    app = App(
        "shipping",
        services=[store_room],
        store=MemoryStore(),
        topics=topics,
        secret=OLD,
        observer=watching or Watching(),
    )
    async with app:
        yield app


async def test_what_is_published_is_signed_and_another_program_can_tell(topics: Topics) -> None:
    async with signed_app(topics) as app:
        await app.publish_async(Shipped("a"))
        [record] = await shipped(topics, 1)
    bare = {title: value for title, value in record.headers.items() if title != SIGNATURE}
    assert signed(replace(record, headers=bare), OLD).headers == record.headers


async def test_what_another_program_signs_is_adopted(topics: Topics) -> None:
    async with signed_app(topics) as app:
        await topics.publish("orders.placed", [signed(Record(cloud(1), "k", STRUCTURED), OLD)])
        await shipped(topics, 1)
        assert app.operations.events.letters() == []


GOOD = Record(
    b'{"order": "b"}',
    "k",
    {
        "ce-specversion": "1.0",
        "ce-id": "b1",
        "ce-source": "/till",
        "ce-type": "orders.placed",
        "content-type": "application/json",
    },
)
SIGNED = signed(GOOD, OLD)


def header(title: str, value: str) -> Record:
    """Return the signed record with another header."""
    return replace(SIGNED, headers={**SIGNED.headers, title: value})


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(GOOD, id="no signature"),
        pytest.param(signed(GOOD, OTHER), id="another key"),
        pytest.param(header(SIGNATURE, ""), id="an empty one"),
        pytest.param(header(SIGNATURE, "no digits"), id="no digits"),
        pytest.param(header(SIGNATURE, "é" * 64), id="no ASCII"),
        pytest.param(header(SIGNATURE, SIGNED.headers[SIGNATURE][:32]), id="half of it"),
        pytest.param(header("ce-id", "b2"), id="another id"),
        pytest.param(header("ce-source", "/"), id="another source"),
        pytest.param(header("ce-correlationid", "x"), id="one more header"),
        pytest.param(header("content-type", "text/json"), id="another type"),
        pytest.param(replace(SIGNED, key="other"), id="another key of the record"),
        pytest.param(replace(SIGNED, body=b'{"order": "c"}'), id="another body"),
        pytest.param(replace(SIGNED, body=b"no json"), id="no body"),
        pytest.param(replace(SIGNED, key="k14:{", body=SIGNED.body[1:]), id="a part moved"),
    ],
)
async def test_a_record_that_is_not_signed_so_is_a_letter(record: Record) -> None:
    topics, watching = InProcessTopics(), Watching()
    await create(topics)
    async with signed_app(topics, watching) as app:
        await topics.publish("orders.placed", [record, replace(SIGNED, id="true")])
        assert [each.key for each in await shipped(topics, 1)] == ["b"]
        [letter] = app.operations.events.letters()
        assert "signature is missing or wrong" in letter.reason
        assert app.operations.events.count("Placed") == 1
        done = await app.operations.events.redrive_all()
        assert done.count == 0, "who redrives it does not make it true"


async def test_what_an_operator_gives_needs_no_signature() -> None:
    async with signed_app(InProcessTopics()) as app:
        events = app.operations.events
        assert len(await events.adopt("Placed", cloud(1), STRUCTURED)) == 1
        await events.adopt("Placed", cloud(2, data={}), STRUCTURED)
        [letter] = events.letters()
        with pytest.raises(Exception, match="does not fit"):
            await events.redrive(letter.handler, letter.position)


@event(key="name", foreign="unsigned.topic", unsigned=True)
class Plain(msgspec.Struct, frozen=True):
    name: str


async def test_a_topic_that_nobody_signs_is_taken_where_that_is_declared() -> None:
    service, topics, came = Service("reader"), InProcessTopics(), asyncio.Queue[str]()

    @service.on(Plain)
    async def read(plain: Plain) -> None:
        came.put_nowait(plain.name)

    await topics.create("unsigned.topic")
    app = App("reading", services=[service], store="memory:", topics=topics, secret=OLD)
    async with app:
        body = cloud(1, type="unsigned.topic", data={"name": "a"})
        await topics.publish("unsigned.topic", [Record(body, "", STRUCTURED)])
        async with asyncio.timeout(10):
            assert await came.get() == "a"
    with pytest.raises(ConfigurationError, match="unsigned, and not foreign"):
        event(unsigned=True)(type("Neither", (), {}))
