"""Events that other programs read, and theirs: over the topics of a broker."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec
import pytest

from duetto import App, event
from duetto.broker import Record, Topics
from duetto.brokers import InProcessTopics
from duetto.errors import ConfigurationError, NotAllowed, NotFound, StoreError
from duetto.runtime.adoption import Adopter
from duetto.stores.memory import MemoryStore
from tests.events.shipping import (
    STRUCTURED,
    TRACE,
    Shipped,
    cloud,
    create,
    put,
    running,
    settled,
    shipped,
    store_room,
)


async def test_what_comes_is_handled_and_what_follows_is_told(topics: Topics) -> None:
    async with running(topics, MemoryStore()) as app:
        await put(topics, cloud(1), cloud(2), cloud(1))
        await settled(topics, app, 2)
        records = await shipped(topics, 2)
        assert sorted(json.loads(each.body)["order"] for each in records) == ["o1", "o2"]
        headers = next(each for each in records if each.key == "o1").headers
        assert headers["ce-type"] == "Shipped"
        assert headers["ce-correlationid"] == "basket-7"
        assert headers["ce-traceparent"] == TRACE
        assert headers["ce-id"].startswith("app/Shipped/")


async def test_in_every_mode(topics: Topics) -> None:
    batch = {"content-type": "application/cloudevents-batch+json"}
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "b1",
        "ce-source": "/till",
        "ce-type": "orders.placed",
        "content-type": "application/json",
    }
    async with running(topics, MemoryStore()) as app:
        both = b"[" + cloud(1) + b"," + cloud(2) + b"]"
        await topics.publish("orders.placed", [Record(both, "", batch)])
        await topics.publish("orders.placed", [Record(b'{"order": "b"}', "", headers)])
        await settled(topics, app, 3)
        assert {each.key for each in app.operations.events.list(topic="Placed")} == {
            *("o1", "o2", "b")
        }


async def test_after_a_restart_it_goes_on_where_it_was(topics: Topics) -> None:
    store = MemoryStore()
    for number in range(1, 4):
        async with running(topics, store) as app:
            await put(topics, cloud(number), cloud(1))
            await settled(topics, app, number)
    async with running(topics, store) as app:
        await put(topics, cloud(9))
        await settled(topics, app, 4)
        found = {json.loads(each.body)["order"] for each in await shipped(topics, 4)}
        assert found == {"o1", "o2", "o3", "o9"}


class Failing(InProcessTopics):
    """Topics of a broker that is away for a while."""

    away = 0

    async def publish(self, topic: str, records: Sequence[Record]) -> None:
        if topic == "Shipped" and self.away:
            self.away -= 1
            raise StoreError("the broker is away") if self.away < 0 else NotFound("no broker")
        await super().publish(topic, records)


async def test_a_broker_that_is_away_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    topics = Failing()
    topics.away = 2
    await create(topics)
    async with running(topics, MemoryStore()) as app:
        await put(topics, cloud(1))
        await settled(topics, app, 1)
        assert len(await shipped(topics, 1)) == 1
    assert "@relay.Shipped is tried again" in caplog.text


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"no json", "JSON"),
        (cloud(1, data={"pence": 1}), "order"),
        (cloud(1, data={"order": "a", "pence": "x"}), "pence"),
        (cloud(1, type="orders.lost"), "another type"),
        (cloud(1, id=""), "id"),
        (cloud(1).replace(b'"pence": 1', b'"pence": NaN'), "NaN"),
        (cloud(1).replace(b'"pence": 1', b'"pence": 99999999999999999999'), "9999"),
        (cloud(1, data={"order": "a\u0000b"}), "cannot be published"),
        (cloud(1).replace(b'"o1"', b'"\\ud800"'), "ud800"),
        (b"[" * 5000, "deep"),
    ],
)
async def test_what_does_not_fit_is_a_letter_and_mended(body: bytes, reason: str) -> None:
    topics = InProcessTopics()
    async with running(topics, MemoryStore()) as app:
        events = app.operations.events
        assert await events.adopt("Placed", body, STRUCTURED) == []
        [letter] = events.letters()
        assert letter.handler == "@adopt.Placed"
        assert letter.event.data["body"] == body.decode()
        assert reason in letter.reason
        await events.redrive(letter.handler, letter.position, '{"order": "mended"}')
        await events.quiet()
        assert [each.key for each in events.list(topic="Shipped")] == ["mended"]
        assert events.letters() == []
        assert len(await events.adopt("Placed", cloud(5), STRUCTURED)) == 1


async def test_a_newer_version_waits_for_a_deploy() -> None:
    store = MemoryStore()
    newer = cloud(1, dataschema="urn:duetto:Placed:7")
    async with running(InProcessTopics(), store) as app:
        assert await app.operations.events.adopt("Placed", newer, STRUCTURED) == []
        assert app.operations.events.letters() == []
        assert app.operations.events.count("Placed") == 0


async def test_what_a_broker_never_takes_is_a_letter_and_no_standstill() -> None:
    topics = InProcessTopics()
    topics.capabilities = msgspec.structs.replace(topics.capabilities, record_bytes_max=900)
    await create(topics)
    async with running(topics, MemoryStore()) as app:
        await app.publish_async(Shipped("x" * 450))
        await app.publish_async(Shipped("small"))
        assert [each.key for each in await shipped(topics, 1)] == ["small"]
        [letter] = app.operations.events.letters()
        assert letter.handler == "@relay.Shipped"
        with pytest.raises(NotAllowed, match="not published to it later"):
            await app.operations.events.redrive(letter.handler, letter.position)
        await app.operations.events.discard(letter.handler, letter.position)


async def test_what_was_adopted_is_forgotten_after_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, adopters = MemoryStore(), list[Adopter]()
    recover = Adopter.recover

    def note(adopter: Adopter) -> None:
        adopters.append(adopter)
        recover(adopter)

    monkeypatch.setattr(Adopter, "recover", note)
    async with running(InProcessTopics(), store) as app:
        await app.operations.events.adopt("Placed", cloud(1), STRUCTURED)
        assert len(store.log.state("adopted/")) == 1
        [adopter] = adopters
        adopter.sweep(0)
        await app.operations.events.adopt("Placed", cloud(2), STRUCTURED)
        assert len(store.log.state("adopted/")) == 2
        adopter.sweep(2**62)
        await app.operations.events.adopt("Placed", cloud(3), STRUCTURED)
        assert len(store.log.state("adopted/")) == 1


async def test_topics_are_needed() -> None:
    with pytest.raises(ConfigurationError, match="no topics"):
        async with App("shipping", services=[store_room], store="memory:"):
            pass
    with pytest.raises(ConfigurationError, match="shared and foreign"):
        event(shared=True, foreign="both")(type("Both", (), {}))
    async with running(InProcessTopics(), MemoryStore()) as app:
        with pytest.raises(NotAllowed, match="do not come from other programs"):
            await app.operations.events.adopt("Shipped", b"{}")
