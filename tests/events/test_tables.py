"""A handler changes tables of its service in the commit that has its event behind it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from duetto import App, Retry, Service, event, resource
from duetto.authoring import Batch, Tables
from duetto.authoring.context import Slot, TaskContext, current_slot
from duetto.errors import ConfigurationError, ValueRefused
from duetto.testing import AppFactory, AppUnderTest, Crashes

TABLES = """
CREATE TABLE IF NOT EXISTS stock (item TEXT PRIMARY KEY, left INT CHECK (left >= 0)) STRICT;
CREATE TABLE IF NOT EXISTS sale (number INT PRIMARY KEY, item TEXT NOT NULL) STRICT;
"""

shelf = Service("shelf", tables=TABLES)


@event(key="item")
class Stocked(msgspec.Struct, frozen=True):
    item: str
    count: int


@event(key="item")
class Sold(msgspec.Struct, frozen=True):
    item: str
    number: int


@event(key="item")
class Shipped(msgspec.Struct, frozen=True):
    item: str
    number: int


@shelf.on(Stocked)
async def stock(stocked: Stocked, *, tables: Tables = resource()) -> None:
    tables.execute(
        "INSERT INTO stock VALUES (?, ?)"
        " ON CONFLICT (item) DO UPDATE SET left = left + excluded.left",
        stocked.item,
        stocked.count,
    )


@shelf.on(Sold, retry=Retry(attempts_max=2, delay_ms=10))
async def take(sold: Sold, *, tables: Tables = resource()) -> Shipped:
    tables.execute("INSERT INTO sale VALUES (?, ?)", sold.number, sold.item)
    tables.execute("UPDATE stock SET left = left - 1 WHERE item = ?", sold.item)
    return Shipped(sold.item, sold.number)


@shelf.on(Shipped)
async def look(shipped: Shipped, *, tables: Tables = resource()) -> None:
    [(count,)] = tables.select("SELECT count(*) FROM sale WHERE number = ?", shipped.number)
    assert count == 1, "what published the event is committed"


app = App("shop", services=[shelf])


def rows(shop: AppUnderTest, sql: str) -> list[tuple[object, ...]]:
    """Return what the tables have."""
    return shop.select("shelf", sql)


@pytest.fixture(params=[False, True], ids=["together", "apart"])
def shop(request: pytest.FixtureRequest, duetto_app: AppFactory) -> AppUnderTest:
    """The shop, with two kettles."""
    found = duetto_app(app, apart=request.param)
    found.publish(Stocked("kettle", 2))
    found.settle()
    return found


def test_tables_change_with_the_event(shop: AppUnderTest) -> None:
    shop.publish(Sold("kettle", 1))
    shop.settle()
    assert rows(shop, "SELECT * FROM stock") == [("kettle", 1)]
    assert rows(shop, "SELECT * FROM sale") == [(1, "kettle")]


def test_what_the_database_refuses_is_a_letter_and_changes_nothing(shop: AppUnderTest) -> None:
    for number in (1, 2, 3):
        shop.publish(Sold("kettle", number))
    shop.publish(Sold("pan", 4))
    shop.settle()
    [letter] = shop.letters()
    assert letter.event.data == {"item": "kettle", "number": 3}
    assert "CHECK constraint failed: left >= 0" in letter.reason
    assert letter.attempts == 2
    assert rows(shop, "SELECT number FROM sale ORDER BY number") == [(1,), (2,), (4,)]
    shop.publish(Stocked("kettle", 1))
    shop.settle()
    shop.redrive(letter.handler, letter.position)
    shop.settle()
    assert rows(shop, "SELECT left FROM stock") == [(0,)]
    assert rows(shop, "SELECT count(*) FROM sale") == [(4,)]


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("number", [2, 3])
def test_every_commit_may_be_the_last(
    duetto_app: AppFactory, duetto_crash: Crashes, number: int, kept: bool
) -> None:
    shop = duetto_app(app)
    shop.publish(Stocked("kettle", 9))
    shop.settle()
    duetto_crash.at_commit(number, kept=kept)  # the first is that of the publication
    shop.publish(Sold("kettle", 1))
    shop.settle()
    shop.publish(Sold("kettle", 2))
    shop.settle()
    assert not duetto_crash.planned
    assert rows(shop, "SELECT left FROM stock") == [(7,)]
    assert rows(shop, "SELECT count(*) FROM sale") == [(2,)]


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM journal",
        "SELECT * FROM run",
        "COMMIT",
        "PRAGMA user_version = 9",
        "ATTACH 'other.db' AS other",
        "DROP TABLE state",
        "CREATE TABLE event (a)",
        "CREATE INDEX mine ON journal(lsn)",
        "no sql",
    ],
)
@pytest.mark.parametrize("place", ["memory:", "file"])
async def test_other_statements_are_refused(sql: str, place: str, tmp_path: Path) -> None:
    path = place if place == "memory:" else str(tmp_path / "shop.sqlite")
    async with App("shop", services=[shelf], store=path) as running:
        with pytest.raises(ValueRefused):
            await sell(running, sql)
        await running.operations.events.quiet()
        assert running.operations.events.list() == []
        async with running.transaction() as work:
            assert work.select("SELECT * FROM sale") == []


async def sell(running: App, *statements: str) -> None:
    """Sell a kettle, with more statements."""
    async with running.transaction() as work:
        work.execute("INSERT INTO sale VALUES (1, 'kettle')")
        for sql in statements:
            work.execute(sql)
        work.publish(Sold("kettle", 1))


async def number(running: App, value: object) -> None:
    """Give a sale a number."""
    async with running.transaction() as work:
        work.execute("INSERT INTO sale VALUES (?, 'kettle')", value)


async def divide(running: App) -> None:
    """Publish, and fail."""
    async with running.transaction() as work:
        work.publish(Sold("kettle", 2))
        raise ZeroDivisionError


async def publish_text(running: App) -> None:
    """Publish what is no event."""
    async with running.transaction() as work:
        work.execute("DELETE FROM stock")
        work.publish("text")


@pytest.mark.parametrize("value", [float("nan"), 2**63, "\ud800", True, [1]])
async def test_values_that_do_not_come_back_are_refused(value: object) -> None:
    async with App("shop", services=[shelf], store="memory:") as running:
        with pytest.raises(ValueRefused, match="cannot be kept"):
            await number(running, value)


@pytest.mark.parametrize("place", ["memory:", "file"])
async def test_an_application_changes_its_tables_and_publishes_in_one_commit(
    place: str, tmp_path: Path
) -> None:
    path = place if place == "memory:" else str(tmp_path / "shop.sqlite")
    running = App("shop", services=[shelf], store=path)
    async with running:
        async with running.transaction("shelf") as work:
            work.execute("INSERT INTO stock VALUES ('kettle', 3)")
            work.publish(Sold("kettle", 1))
        assert len(work.published) == 1
        await running.operations.events.quiet()
        with pytest.raises(ZeroDivisionError):
            await divide(running)
        with pytest.raises(ConfigurationError, match="no event"):
            await publish_text(running)
        async with running.transaction() as work:
            assert work.select("SELECT left FROM stock") == [(2,)]
    if place != "memory:":
        async with running, running.transaction() as work:
            assert work.select("SELECT left FROM stock") == [(2,)]


async def test_a_body_in_a_thread_has_them_too(tmp_path: Path) -> None:
    later = Service("later", tables="CREATE TABLE IF NOT EXISTS seen (n INT)")

    @later.on(Sold)
    def see(sold: Sold, *, tables: Tables = resource()) -> None:
        count = len(tables.select("SELECT n FROM seen"))
        tables.execute("INSERT INTO seen VALUES (?)", count)

    async with App("later", services=[later], store=tmp_path / "later.sqlite") as running:
        for number in range(3):
            await running.publish_async(Sold("kettle", number))
            await running.operations.events.quiet()
        async with running.transaction() as work:
            assert work.select("SELECT n FROM seen") == [(0,), (1,), (2,)]


async def test_a_batch_is_one_transaction() -> None:
    counted = Service("counted", tables="CREATE TABLE IF NOT EXISTS total (n INT)")

    @counted.on(Sold, batch=Batch(size_max=10))
    async def count(sold: list[Sold], *, tables: Tables = resource()) -> None:
        for each in sold:
            tables.execute("INSERT INTO total VALUES (?)", each.number)

    async with App("counted", services=[counted], store="memory:") as running:
        await running.operations.events.publish_all([Sold("a", 1), Sold("b", 2)])
        await running.operations.events.quiet()
        async with running.transaction() as work:
            assert sorted(work.select("SELECT n FROM total")) == [(1,), (2,)]


async def test_a_task_has_no_commit_of_its_own_for_them() -> None:

    tables = Tables(lambda sql, values: [])
    token = current_slot.set(Slot(TaskContext(task="desk.scribble", key="k")))
    try:
        with pytest.raises(ConfigurationError, match="cannot execute a statement"):
            tables.execute("DELETE FROM stock")
    finally:
        current_slot.reset(token)
