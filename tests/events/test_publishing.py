"""What is published, by whom, and what is refused."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
import pytest

from duetto import App, Retry, Service, TaskContext, context, emit, event, workflow
from duetto.errors import ConfigurationError, ValueRefused
from duetto.model.event import HOPS_MAX, lane_of, place_of
from duetto.runtime.reactions import Reactions
from duetto.store import Query
from duetto.stores.memory import MemoryStore
from duetto.testing import AppFactory, AppUnderTest
from tests.events import newer


@event(key="n")
class Told(msgspec.Struct, frozen=True):
    n: int
    more: float = 0.0


@event(key="n")
class Again(msgspec.Struct, frozen=True):
    n: int


@event(key="n")
class Passed(msgspec.Struct, frozen=True):
    n: int


@event(key="n")
class Round(msgspec.Struct, frozen=True):
    n: int


@workflow(start_on=Again)
async def pass_further(again: Again) -> None:
    emit(Passed(again.n))


@workflow(start_on=Round)
async def pass_round(round: Round) -> None:
    emit(Round(round.n + 1))


@dataclass
class Heard:
    """What was heard, for a test to look at."""

    numbers: list[int] = field(default_factory=list[int])


heard = Heard()
office = Service("office")


@office.on(Told, retry=Retry(attempts_max=1))
async def hear(told: Told) -> None:
    if told.more < 0:
        raise ValueError("less")
    heard.numbers.append(told.n)


@office.on(Again)
async def repeat(again: Again) -> Again:
    return Again(again.n + 1)


@workflow
async def tell(n: int) -> int:
    emit(Told(n))
    emit(Told(n + 1))
    return n


app = App("office", services=[office], workflows=[tell], store="memory:")


@pytest.fixture
def told(duetto_app: AppFactory) -> AppUnderTest:
    """The office."""
    heard.numbers.clear()
    return duetto_app(app)


def test_what_a_workflow_emits_is_published_with_its_last_step(told: AppUnderTest) -> None:
    told.run(tell, 4, id="r")
    told.settle()
    assert sorted(heard.numbers) == [4, 5]
    assert {each.correlation for each in told.operations.events.list()} == {"r"}


def test_a_cycle_without_an_end_is_ended(told: AppUnderTest) -> None:
    told.publish(Again(0))
    told.settle()
    [letter] = told.letters()
    assert "follows from too many others" in letter.reason
    assert len(told.operations.events.list(limit=1000)) == HOPS_MAX + 1


@pytest.mark.parametrize(
    "value",
    [Told(1, math.nan), Told(2**64), Told(1, math.inf), Told("nul\0"), Told("\ud800")],  # type: ignore[arg-type]  # as a caller without types may
)
def test_what_cannot_be_kept_is_refused_before_anything_is_written(
    told: AppUnderTest, value: Told
) -> None:
    with pytest.raises(ValueRefused):
        told.publish(value)
    assert told.operations.events.list() == []


def test_only_events_are_published(told: AppUnderTest) -> None:
    with pytest.raises(ConfigurationError, match="is no event"):
        told.publish("text")


async def test_a_newer_version_waits_for_a_deploy() -> None:
    """Neither lost nor dead: this version does not know what it says."""
    store = MemoryStore()
    heard.numbers.clear()
    newer.heard.clear()
    mute = Service("mute")
    later = App("office", services=[mute], store=store)
    later.kinds.add(newer.Told)
    await published(later, newer.Told(7))
    older = App("office", services=[office], workflows=[tell], store=store)
    await published(older, Told(7))
    assert heard.numbers == []
    await published(App("office", services=[newer.office], store=store), newer.Told(8))
    assert newer.heard[0] == 7


async def published(app: App, event: object) -> None:
    """Run an app, publish an event, and let everything be taken that can be."""
    async with app:
        await app.publish_async(event)
        await app.operations.events.quiet()


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_what_follows_carries_on_what_it_belongs_to() -> None:
    """Over a handler, a run that its event starts, what that emits, and a handler again."""
    asked: list[TaskContext] = []
    desk = Service("desk")

    @desk.on(Told)
    async def pass_on(told: Told) -> Again:
        return Again(told.n)

    @desk.on(Passed)
    async def hear_of_it(passed: Passed) -> None:
        asked.append(context())

    until = datetime(2099, 1, 1, tzinfo=UTC)
    app = App("desk", services=[desk], workflows=[pass_further], store=MemoryStore())
    async with app:
        events = app.operations.events
        first = await events.publish(Told(1), correlation="c", trace=TRACE, deadline=until)
        await app.operations.settled()
        await events.quiet()
        assert [(each.run, each.trace, each.deadline) for each in asked] == [("c", TRACE, until)]
        assert {node.what for node in events.lineage(first).nodes} == {
            *("Told", "Again", "pass_further", "Passed")
        }
        [run] = app.operations.list()
        assert len(events.lineage(run.id).nodes) == 4
        with pytest.raises(ValueRefused, match="trace context"):
            await events.publish(Told(1), trace="00-1-2-3")


async def test_a_cycle_through_runs_has_an_end() -> None:
    app = App("cycle", workflows=[pass_round], store=MemoryStore())
    async with app:
        await app.publish_async(Round(0))
        await app.operations.settled()
        await app.operations.events.quiet()
        await app.operations.settled()
        [letter] = app.operations.events.letters()
        assert "follows from too many others" in letter.reason
        assert len(app.operations.list(Query(limit=1000))) == HOPS_MAX


def test_a_handler_that_holds_too_much_pauses(
    told: AppUnderTest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Reactions, "held_max", 3)
    for number in range(8):
        told.publish(Told(number, -1.0))
    told.publish(Told(99))
    told.settle()
    assert 3 <= len(told.letters()) < 8
    assert "is paused" in caplog.text
    assert heard.numbers == []
    while found := told.letters():
        told.discard(found[0].handler, found[0].position)
        told.settle()
    assert heard.numbers == [99]


def test_a_key_falls_into_one_lane() -> None:
    assert {lane_of("order-1", 16) for _ in range(3)} == {lane_of("order-1", 16)}
    assert len({lane_of(f"order-{number}", 16) for number in range(200)}) == 16


def test_the_parts_of_a_name_are_read_back() -> None:
    place = place_of("app/Told/3:14")
    assert place is not None
    assert (place.source, place.topic, place.lane, place.seq) == ("app", "Told", 3, 14)
    for text in ("", "app/Told", "app/Told/x:1", "a/b/1:", "1:2"):
        assert place_of(text) is None


def test_a_handler_that_publishes_what_it_does_not_declare_is_a_letter(
    duetto_app: AppFactory,
) -> None:
    wrong = Service("wrong")

    @wrong.on(Told, retry=Retry(attempts_max=1))
    async def lie(told: Told) -> None:
        return Again(told.n)  # type: ignore[return-value]  # what is to be found out

    found = duetto_app(App("wrong", services=[wrong], store="memory:"))
    found.publish(Told(1))
    found.settle()
    assert "may not publish" in found.letters()[0].reason


def test_what_does_not_fit_is_refused_when_it_is_declared() -> None:
    service = Service("service")
    with pytest.raises(ConfigurationError, match="listens to nothing"):
        service.on()(hear)
    with pytest.raises(ConfigurationError, match="does not fit"):

        @service.on(Told)
        async def two(told: Told, other: Told) -> None: ...

    with pytest.raises(ConfigurationError, match="is no event"):

        @service.on(str)
        async def text(told: str) -> None: ...

    @service.on(Told)
    async def silent(told: Told): ...  # what is refused

    with pytest.raises(ConfigurationError, match="does not say what it publishes"):
        App("app", services=[service], store="memory:")
