"""What goes wrong between an app and other programs: deaths, failing brokers, bad records."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duetto import App, Service, event
from duetto.broker import Record, Topics
from duetto.brokers import InProcessTopics
from duetto.errors import NotAllowed, StoreBusy, StoreFailed
from duetto.model.event import Held
from duetto.observer import HandlerPaused, Signal
from duetto.runtime import adoption
from duetto.store import Batch
from duetto.stores.memory import MemoryStore
from tests.events.shipping import STRUCTURED, Shipped, cloud, create, put, running, shipped

BATCH = {"content-type": "application/cloudevents-batch+json"}


# -- deaths


class Dying(MemoryStore):
    """A store whose process dies of one commit, which is kept or not."""

    left, kept = 0, False

    def __init__(self) -> None:
        super().__init__()
        self.at_death = asyncio.Event()

    def commit(self, batch: Batch) -> None:
        self.left -= 1
        if self.left != 0:
            super().commit(batch)
            return
        if self.kept:
            super().commit(batch)
        self.at_death.set()
        raise StoreFailed("the process has died")


async def all_shipped(topics: Topics, group: str, orders: set[str]) -> set[tuple[str, str]]:
    """Read until every order was shipped; return (id, order) of what was read."""
    consumer, found = await topics.consume("Shipped", group), set[tuple[str, str]]()
    while {order for _, order in found} < orders:
        for delivery in await consumer.take(10):
            record = delivery.record
            found.add((record.headers["ce-id"], json.loads(record.body)["order"]))
            await consumer.ack(delivery)
    await consumer.close()
    return found


@pytest.mark.parametrize("kept", [False, True])
async def test_every_commit_may_be_the_last(topics: Topics, kept: bool) -> None:
    """However it dies: each order is adopted once, and what is told of it has one id."""
    number, orders = 0, set[str]()
    store = Dying()
    while True:
        number += 1
        store.left, store.kept = number, kept
        store.at_death.clear()
        fresh = {f"o{number}0", f"o{number}1"}
        orders |= fresh
        await put(topics, cloud(number * 10), cloud(number * 10 + 1), cloud(number * 10))
        async with asyncio.timeout(20):
            async with running(topics, store):
                told = asyncio.create_task(all_shipped(topics, f"first-{number}", orders))
                died = asyncio.create_task(store.at_death.wait())
                await asyncio.wait({told, died}, return_when=asyncio.FIRST_COMPLETED)
                is_over = not store.at_death.is_set()
                for task in (told, died):
                    task.cancel()
                await asyncio.gather(told, died, return_exceptions=True)
            store.left = 0
            async with running(topics, store) as app:
                found = await all_shipped(topics, f"second-{number}", orders)
                assert len(found) == len(orders)
                assert app.operations.events.count("Placed") == len(orders)
                assert app.operations.events.letters() == []
        if is_over:
            break
    assert number > 2


# -- brokers that fail


class Full(InProcessTopics):
    """Topics of a broker whose file is busy for a while."""

    away = 0
    published = 0

    async def publish(self, topic: str, records: Sequence[Record]) -> None:
        if topic == "Shipped":
            self.published += 1
            if self.away > 0:
                self.away -= 1
                raise StoreBusy("the broker's file is busy")
        await super().publish(topic, records)


async def test_a_file_of_a_broker_that_is_busy_is_waited_for_and_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    topics = Full()
    topics.away = 3
    await create(topics)
    async with running(topics, MemoryStore()) as app:
        await app.publish_async(Shipped("a"))
        [record] = await shipped(topics, 1)
    assert record.key == "a"
    assert topics.published == 4
    assert caplog.text.count("@relay.Shipped is tried again") == 1


async def test_a_broker_of_any_make_may_fail_in_its_own_way() -> None:
    class Odd(InProcessTopics):
        asked = 0
        at_shipped = asyncio.Event()

        async def create(self, topic: str) -> None:
            self.asked += 1
            if self.asked < 3:
                raise RuntimeError("no route to the broker")
            await super().create(topic)
            if topic == "Shipped":
                self.at_shipped.set()

    topics = Odd()
    async with running(topics, MemoryStore()) as app:
        await app.publish_async(Shipped("a"))
        async with asyncio.timeout(10):
            await topics.at_shipped.wait()
        assert [each.key for each in await shipped(topics, 1)] == ["a"]


async def test_a_letter_is_kept_once_however_often_its_page_is_tried() -> None:
    topics = Full()
    topics.away = 2
    topics.capabilities = msgspec.structs.replace(topics.capabilities, record_bytes_max=900)
    await create(topics)
    async with running(topics, MemoryStore()) as app:
        async with app.transaction() as work:
            work.publish(Shipped("x" * 450))
            for number in range(40):
                work.publish(Shipped(f"small{number}"))
        await shipped(topics, 40)
        await app.operations.events.quiet()
        assert len(app.operations.events.letters()) == 1


async def test_what_was_deleted_before_the_broker_took_it_is_told_of() -> None:
    store, topics = MemoryStore(), Full()
    await create(topics)
    async with running(topics, store) as app:
        await app.publish_async(Shipped("a"))
        await shipped(topics, 1)
    topics.away = 1_000
    async with running(topics, store) as app:
        for grams in range(3):
            await app.publish_async(Shipped("a", grams))
    assert store.log.purge(2**62, 100) == 3
    topics.away = 0
    async with running(topics, store) as app:
        await shipped(topics, 2, "late")
        await app.operations.events.quiet()
        [letter] = app.operations.events.letters()
        assert letter.handler == "@relay.Shipped"
        assert letter.reason.startswith("events 2 to 3 of the lane were deleted")
        assert letter.event.data is None


# -- known by source and id

SOURCES = st.sampled_from(["/till", "/till/1", "1", "urn:x"])
IDS = st.sampled_from(["1", "2", "1 1", "/till", "é"])
EVENTS = st.lists(st.tuples(SOURCES, IDS), min_size=1, max_size=4)


@settings(max_examples=40, deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=6))
def test_each_source_and_id_is_adopted_once(records: list[list[tuple[str, str]]]) -> None:
    """In whatever records they come, over a restart, several of them in one record too."""

    async def adopted() -> tuple[int, int]:
        store, names, half = MemoryStore(), list[str](), len(records) // 2
        for part in (records[:half], records[half:]):
            async with running(InProcessTopics(), store) as app:
                for events in part:
                    each = [cloud(1, source=source, id=id) for source, id in events]
                    body = b"[" + b",".join(each) + b"]"
                    names += await app.operations.events.adopt("Placed", body, BATCH)
        async with running(InProcessTopics(), store) as app:
            return len(set(names)), app.operations.events.count("Placed")

    told = {each for events in records for each in events}
    assert asyncio.run(adopted()) == (len(told), len(told))


# -- records that lie


def binary(**changed: str) -> dict[str, str]:
    """Return the headers of a CloudEvent in binary mode; one that is "" is left out."""
    said = {
        "ce-specversion": "1.0",
        "ce-id": "b1",
        "ce-source": "/till",
        "ce-type": "orders.placed",
        "content-type": "application/json",
    }
    said |= {name.replace("_", "-"): value for name, value in changed.items()}
    return {name: value for name, value in said.items() if value}


PLAIN = b'{"order": "b"}'


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        pytest.param(binary(ce_id=""), PLAIN, "`id`", id="no id"),
        pytest.param(binary(ce_source=""), PLAIN, "`source`", id="no source"),
        pytest.param(binary(ce_type=""), PLAIN, "`type`", id="no type"),
        pytest.param(binary(ce_specversion="9"), PLAIN, "`specversion`", id="a later CloudEvents"),
        pytest.param(binary(ce_id="a\0b"), PLAIN, "`id`", id="NUL in an id"),
        pytest.param(binary(ce_id="x" * 2000), PLAIN, "too long", id="a long id"),
        pytest.param(binary(ce_id="%zz"), PLAIN, "%zz", id="a broken header"),
        pytest.param(binary(), b"", "got `null`", id="nothing"),
        pytest.param(binary(), b"\xff\xfe", "byte 0xff", id="no text"),
        pytest.param(binary(), b'{"order": "a", "order": "b"}', "twice", id="a member twice"),
        pytest.param(binary(), b'{"order": "a", "pence": Infinity}', "Infinity", id="infinity"),
        pytest.param(binary(), b'{"order": "a", "pence": 9223372036854775808}', "9223", id="2^63"),
        pytest.param(
            binary(), b'{"order": "' + b"9" * 600 + b'"}', "cannot be published", id="a long key"
        ),
        pytest.param(binary(), b" " * (8 * 1024 * 1024 + 1), "too large", id="a large body"),
        pytest.param(STRUCTURED, b"[]", "no CloudEvent", id="an array as one event"),
        pytest.param(BATCH, b"{}", "no CloudEvent", id="one event as a batch"),
        pytest.param(BATCH, b"[" + cloud(1) + b",{}]", "does not fit", id="one bad in a batch"),
        pytest.param({}, b"\x00\x01", "does not fit", id="bytes without a header"),
    ],
)
async def test_what_cannot_be_read_is_a_letter_with_the_bytes_that_came(
    headers: dict[str, str], body: bytes, reason: str
) -> None:
    store = MemoryStore()
    async with running(InProcessTopics(), store) as app:
        assert await app.operations.events.adopt("Placed", body, headers) == []
        [letter] = app.operations.events.letters()
        assert reason in letter.reason
        [(_, row)] = store.log.state("held/@adopt.Placed/")
        held = msgspec.msgpack.decode(row, type=Held)
        assert adoption.record_of(held.event.data) == Record(body, headers=headers)
        assert len(await app.operations.events.adopt("Placed", PLAIN, binary())) == 1
        await app.operations.events.discard(letter.handler, letter.position)
    async with running(InProcessTopics(), store) as app:
        assert app.operations.events.letters() == []


async def test_what_comes_behind_a_bad_record_is_adopted(topics: Topics) -> None:
    async with running(topics, MemoryStore()) as app:
        await put(topics, b"no json", cloud(1))
        async with asyncio.timeout(10):
            assert len(await all_shipped(topics, "readers", {"o1"})) == 1
        assert len(app.operations.events.letters()) == 1


@event(key="name", foreign="fussy")
class Fussy(msgspec.Struct):
    name: str

    def __post_init__(self) -> None:
        raise KeyError("anybody's code may raise anything")


async def test_a_class_that_raises_anything_makes_letters() -> None:
    service, topics = Service("service"), InProcessTopics()

    @service.on(Fussy)
    async def never(fussy: Fussy) -> None: ...

    async with App("fussing", services=[service], store="memory:", topics=topics) as app:
        body = cloud(1, type="fussy", data={"name": "a"})
        assert await app.operations.events.adopt("Fussy", body, STRUCTURED) == []
        [letter] = app.operations.events.letters()
        assert "anybody's code" in letter.reason


async def test_a_batch_is_not_mended_as_if_it_were_one_event() -> None:
    async with running(InProcessTopics(), MemoryStore()) as app:
        events = app.operations.events
        body = b"[" + cloud(1) + b"," + cloud(2, data={}) + b"]"
        await events.adopt("Placed", body, BATCH)
        [letter] = events.letters()
        with pytest.raises(NotAllowed, match="others in it would be lost"):
            await events.redrive(letter.handler, letter.position, '{"order": "one"}')
        assert len(events.letters()) == 1
        assert events.count("Placed") == 0


async def test_what_was_mended_is_the_event_of_that_id() -> None:
    """It keeps what it belongs to, and the same event, sent again as it should be, is known."""
    async with running(InProcessTopics(), MemoryStore()) as app:
        events = app.operations.events
        for _ in range(2):
            await events.adopt("Placed", cloud(1, data={}), STRUCTURED)
        first, second = events.letters()
        await events.redrive(first.handler, first.position, '{"order": "mended"}')
        [placed] = events.list(topic="Placed")
        assert placed.correlation == "basket-7"
        assert await events.adopt("Placed", cloud(1), STRUCTURED) == []
        with pytest.raises(NotAllowed, match="adopted already"):
            await events.redrive(second.handler, second.position, '{"order": "twice"}')
        assert events.count("Placed") == 1


async def test_one_that_holds_too_many_letters_takes_no_more_until_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Watching:
        at_pause = asyncio.Event()

        def note(self, signal: Signal, /) -> None:
            if signal == HandlerPaused("@adopt.Placed", 1):
                self.at_pause.set()

    monkeypatch.setattr(adoption, "HELD_MAX", 1)
    monkeypatch.setattr(adoption, "PAUSE_S", 0.01)
    topics, watching = InProcessTopics(), Watching()
    await create(topics)
    async with running(topics, MemoryStore(), watching) as app:
        events = app.operations.events
        await events.adopt("Placed", b"no json", STRUCTURED)
        await put(topics, cloud(1))
        async with asyncio.timeout(10):
            await watching.at_pause.wait()
        await put(topics, cloud(2))
        [letter] = events.letters()
        await events.discard(letter.handler, letter.position)
        async with asyncio.timeout(10):
            await all_shipped(topics, "readers", {"o1", "o2"})
