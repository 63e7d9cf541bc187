"""Events of earlier versions are read by upcasters; newer ones wait for a deploy."""

from __future__ import annotations

import msgspec
import pytest

from duetto import App, Service, event
from duetto.authoring import upcast
from duetto.errors import ConfigurationError
from duetto.stores.memory import MemoryStore
from tests.events.versions import Ordered, Ordered1, Till, await_order, desk, greet


@event(key="order", name="Ordered")
class Once(msgspec.Struct, frozen=True):
    """The first version, as it was declared when it was published."""

    order: str
    name: str
    pence: int


@event(key="order", name="Ordered", version=4)
class Later(msgspec.Struct, frozen=True):
    order: str


async def published(store: MemoryStore, *events: object) -> None:
    """Publish as an app of the version of these events did."""
    then = App("shop", services=[Service("mute")], store=store)
    then.kinds.add(type(events[0]))
    async with then:
        for each in events:
            await then.publish_async(each)


async def today(store: MemoryStore, *, runs: bool = False) -> tuple[list[Ordered], App]:
    """Let the app of today take what there is; return what it handled."""
    till = Till()
    app = App(
        "shop",
        services=[desk],
        workflows=[await_order, greet] if runs else [],
        resources=[till],
        store=store,
    )
    async with app:
        await app.operations.events.quiet()
    return till.seen, app


async def test_what_was_published_once_is_handled_as_one_of_today() -> None:
    store = MemoryStore()
    await published(store, Once("a", "Ada Lovelace", 250))
    seen, app = await today(store)
    assert seen == [Ordered("a", "Ada", "Lovelace", 2.5)]
    async with app:
        [shown] = app.operations.events.list()
    assert (shown.version, shown.data) == (1, {"order": "a", "name": "Ada Lovelace", "pence": 250})


async def test_runs_start_with_it_and_receive_it() -> None:
    store = MemoryStore()
    await published(store, Once("a", "Ada Lovelace", 250))
    _, app = await today(store, runs=True)
    async with app:
        operations = app.operations
        run = await app.start_async(await_order, "a")
        assert await run.result() == "Lovelace"
        await operations.settled()
        assert "Ada" in {view.result for view in operations.list()}


async def test_what_an_upcaster_cannot_read_is_a_letter_that_is_mended_as_one_of_today() -> None:
    store = MemoryStore()
    await published(store, Once("a", "Ada", 250), Once("b", "Bo Diddley", 1))
    seen, app = await today(store)
    assert [each.order for each in seen] == ["b"]
    async with app:
        [letter] = app.operations.events.letters()
        assert "not enough values to unpack" in letter.reason
        assert letter.event.data == {"order": "a", "name": "Ada", "pence": 250}
        mended = '{"order": "a", "first": "Ada", "last": "?", "pounds": 2.5}'
        await app.operations.events.redrive(letter.handler, letter.position, mended)
        await app.operations.events.quiet()
    assert seen[-1] == Ordered("a", "Ada", "?", 2.5)


async def test_a_newer_version_is_kept_for_runs_until_it_is_known() -> None:
    store = MemoryStore()
    await published(store, Later("a"))
    seen, app = await today(store, runs=True)
    assert seen == []
    async with app:
        assert app.operations.events.letters() == []
        assert app.operations.list() == []


def test_an_upcaster_has_to_fit() -> None:
    with pytest.raises(ConfigurationError, match="two upcasters"):

        @upcast(1)
        def _once_more(old: Ordered1) -> Ordered:
            raise NotImplementedError

    with pytest.raises(ConfigurationError, match="does not upcast"):

        @upcast(3)
        def _of_today(old: Ordered1) -> Ordered:
            raise NotImplementedError

    with pytest.raises(ConfigurationError, match="does not upcast"):

        @upcast(1)
        def _no_event(old: Ordered1) -> Till:
            raise NotImplementedError

    with pytest.raises(ConfigurationError, match="does not upcast"):

        @upcast(1)
        def _unsaid(old):  # pyright: ignore  # a mistake, which it has to see
            raise NotImplementedError
