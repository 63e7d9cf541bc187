"""`duetto events …` and `duetto deadletters …`, on a store that nobody owns and on one in use."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from duetto.cli import door
from duetto.cli.project import load_app
from tests.cli.conftest import Project

APP = """
from dataclasses import dataclass

from duetto import App, Retry, Service, emit, event, receive, resource, workflow

inventory = Service("inventory")


@event(key="order")
@dataclass(frozen=True)
class Placed:
    order: str
    n: int = 1


@event(key="order")
@dataclass(frozen=True)
class Reserved:
    order: str


@event(key="order")
@dataclass(frozen=True)
class Thanked:
    order: str


@event
@dataclass(frozen=True)
class Late:
    why: str


class Shelf:
    room = 9


@inventory.on(Placed, retry=Retry(attempts_max=1))
async def hold_stock(placed: Placed, *, shelf: Shelf = resource()) -> Reserved | None:
    if placed.n > shelf.room:
        raise ValueError("too many")
    return Reserved(placed.order)


@workflow
async def wait(order: str) -> str:
    reserved = await receive(Reserved, key=order, timeout=600)
    return reserved.order


@workflow(start_on=Reserved)
async def thank(reserved: Reserved) -> None:
    emit(Thanked(reserved.order))


@workflow
async def wait_for_any() -> str:
    late = await receive(Late)
    return late.why


app = App("shop", services=[inventory], workflows=[wait, thank, wait_for_any], resources=[Shelf()])
"""


@pytest.fixture
def shop(project: Project) -> Project:
    """A project with events, at rest: two orders are placed, the second is a dead letter."""
    project.write(f"{project.module}.py", APP)
    asyncio.run(run(project.module))
    for data in ('{"order": "a"}', '{"order": "b", "n": 10}'):
        assert "; no app runs here" in project.duetto("events", "publish", "Placed", data).stdout
    asyncio.run(run(project.module))
    return project


async def run(module: str) -> None:
    """Run the app until all is quiet."""
    sys.modules.pop(module, None)
    app = load_app(None)
    async with app:
        await app.operations.events.quiet()


def test_events_are_listed_the_last_one_last(shop: Project) -> None:
    found = shop.lines("events", "tail")
    assert [each["topic"] for each in found] == ["Placed", "Placed", "Reserved", "Thanked"]
    assert [each["key"] for each in shop.lines("events", "tail", "--key", "b")] == ["b"]
    plain = shop.duetto("events", "tail", "--topic", "Reserved").stdout.split("\t")
    assert plain[0] == found[2]["name"]
    assert plain[2:] == ["Reserved", "a", '{"order":"a"}\n']


def test_a_follower_misses_nothing_and_tells_nothing_twice(
    shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = iter(range(3))

    def publish_meanwhile(_: float) -> None:
        at = next(waits, None)
        if at is None:
            raise KeyboardInterrupt
        for number in range(3 * at):
            data = f'{{"order": "{at}-{number}"}}'
            CliRunner().invoke(door, ["events", "publish", "Placed", data])

    monkeypatch.setattr("duetto.cli.events.time.sleep", publish_meanwhile)
    found = shop.lines("events", "tail", "--topic", "Placed", "--limit", "1", "--follow")
    assert found[0]["key"] == "b"
    keys = [each["key"] for each in found if "-" in each["key"]]
    assert sorted(keys) == sorted(f"{at}-{number}" for at in range(3) for number in range(3 * at))
    assert keys[:3] == ["1-0", "1-1", "1-2"]


def test_an_event_says_what_it_follows_from(shop: Project) -> None:
    [reserved] = shop.lines("events", "tail", "--topic", "Reserved")
    assert reserved["causation"] == shop.lines("events", "tail", "--key", "a")[0]["name"]
    said = shop.duetto("events", "show", reserved["name"]).stdout
    assert f"follows from {reserved['causation']}" in said
    assert "found" in shop.duetto("events", "show", "app/Reserved/1:77", code=3).stderr


def test_a_letter_is_shown_with_its_reason_and_mended(shop: Project) -> None:
    [letter] = shop.lines("deadletters", "list")
    assert (letter["handler"], letter["reason"]) == ("inventory.hold_stock", "ValueError: too many")
    place = (letter["handler"], str(letter["position"]))
    said = shop.duetto("deadletters", "show", *place).stdout
    assert 'raise ValueError("too many")' in said
    refused = shop.duetto("deadletters", "redrive", *place, "--data", '{"n": 1}', code=4).stderr
    assert "Placed" in refused
    data = '{"order": "b", "n": 2}'
    assert "handled again" in shop.duetto("deadletters", "redrive", *place, "--data", data).stdout
    assert "not dead" in shop.duetto("deadletters", "redrive", *place, code=4).stderr
    asyncio.run(run(shop.module))
    assert shop.lines("deadletters", "list") == []
    assert len(shop.lines("events", "tail", "--topic", "Reserved")) == 2


def test_letters_are_redriven_and_discarded_by_what_they_are(shop: Project) -> None:
    assert shop.json("deadletters", "redrive", "--all", "--topic", "Reserved")["answer"] == {
        "count": 0,
        "refused": {},
    }
    assert shop.json("deadletters", "redrive", "--all", "--key", "b")["answer"]["count"] == 1
    asyncio.run(run(shop.module))
    assert "1 letter is discarded" in shop.duetto("deadletters", "discard", "--all").stdout
    assert shop.lines("deadletters", "list") == []


def test_a_store_is_read_without_its_app(shop: Project) -> None:
    store = str(next(shop.folder.glob("*.sqlite")))
    shop.write("pyproject.toml", "[project]\n")
    events = shop.lines("events", "tail", "--store", store, "--topic", "Placed")
    assert [each["key"] for each in events] == ["a", "b"]
    said = shop.duetto("events", "show", events[0]["name"], "--store", store).stdout
    assert "Placed   version 1" in said
    [letter] = shop.lines("deadletters", "list", "--store", store)
    assert (letter["handler"], letter["event"]["key"]) == ("inventory.hold_stock", "b")
    place = ("inventory.hold_stock", str(letter["position"]))
    assert "too many" in shop.duetto("deadletters", "show", *place, "--store", store).stdout
    assert shop.lines("events", "tail", "--store", store, "--topic", "Palced") == []


def test_what_happened_is_drawn_beside_what_is_declared(shop: Project) -> None:
    said = shop.duetto("topology", "--observed").stdout
    assert "Placed     outside → inventory.hold_stock" in said
    assert "Reserved   inventory.hold_stock → thank (starts it)" in said
    assert "unseen: It is declared that wait receives Reserved; that was not seen." in said
    assert "undeclared" not in said
    shop.write(f"{shop.module}.py", APP.replace("-> Reserved | None", "-> None"))
    sys.modules.pop(shop.module, None)
    said = shop.duetto("topology", "--observed", "--strict", code=1).stdout
    assert "It was seen that inventory.hold_stock publishes Reserved; that is not declared" in said
    found = shop.duetto("topology", "--observed", "--format", "mermaid")
    assert found.stdout.startswith("flowchart LR\n")


def test_a_handler_handles_again_what_is_picked(shop: Project) -> None:
    said = shop.duetto("events", "replay", "inventory.hold_stock", "--key", "a").stdout
    assert "replay 1 of inventory.hold_stock: 1 event; no app runs here" in said
    asyncio.run(run(shop.module))
    assert len(shop.lines("events", "tail", "--topic", "Reserved")) == 1
    shop.duetto("events", "replay", "inventory.hold_stock", "--key", "a", "--publish")
    asyncio.run(run(shop.module))
    assert len(shop.lines("events", "tail", "--topic", "Reserved")) == 2
    nothing = shop.duetto("events", "replay", "inventory.hold_stock", "--until", "2020-01-01")
    assert "nothing to replay" in nothing.stdout
    assert "no handler" in shop.duetto("events", "replay", "@start.thank", code=4).stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["redrive"], "Name the handler and the position"),
        (["discard", "inventory.hold_stock"], "Name the handler and the position"),
        (["redrive", "--handler", "inventory.hold_stock"], "together with --all only"),
        (["discard", "inventory.hold_stock", "1", "--all"], "or give --all with --handler"),
        (["redrive", "--all", "--data", "{}"], "mends one letter"),
    ],
)
def test_one_letter_or_all_that_fit(shop: Project, arguments: list[str], complaint: str) -> None:
    assert complaint in shop.duetto("deadletters", *arguments, code=2).stderr
    assert len(shop.lines("deadletters", "list", "--handler", "inventory.hold_stock")) == 1


def test_letters_of_a_handler_that_there_is_not(shop: Project) -> None:
    said = shop.duetto("deadletters", "discard", "--all", "--handler", "inventory.hold", code=3)
    assert "did you mean `inventory.hold_stock`?" in said.stderr


def test_a_lineage_leads_over_handlers_and_runs(shop: Project) -> None:
    [reserved] = shop.lines("events", "tail", "--topic", "Reserved")
    found = shop.json("events", "show", reserved["name"], "--lineage")
    assert sorted((node["kind"], node["what"], node["by"]) for node in found["nodes"]) == [
        ("event", "Placed", ""),
        ("event", "Reserved", "inventory.hold_stock"),
        ("event", "Thanked", "thank"),
        ("run", "thank", ""),
    ]
    [run] = [node["name"] for node in found["nodes"] if node["kind"] == "run"]
    text = shop.duetto("events", "show", run, "--lineage").stdout
    shape = [re.sub(r"(?<=  )\S+(/\d+:\d+|-[0-9a-f]{24})", "…", line) for line in text.splitlines()]
    assert [line.partition("  +")[0] for line in shape] == [
        "Placed  …  key a",
        "└─ Reserved  …  key a  by inventory.hold_stock",
        f"   └─ run of thank  …  completed{'  ←' if '  +' not in shape[2] else ''}",
        "      └─ Thanked  …  key a  by thank",
    ]
    drawn = shop.duetto("events", "show", run, "--lineage", "--format", "mermaid").stdout
    assert drawn.count(" --> ") == 3
    picture = shop.duetto("events", "show", run, "--lineage", "--format", "svg").stdout
    assert ElementTree.fromstring(picture).tag.endswith("svg")


def test_a_lineage_says_where_an_event_is_stuck(shop: Project) -> None:
    [placed] = shop.lines("events", "tail", "--topic", "Placed", "--key", "b")
    said = shop.duetto("events", "show", placed["name"], "--lineage").stdout
    assert "└─ inventory.hold_stock  dead letter: ValueError: too many" in said
    shop.duetto("events", "show", "nothing", "--lineage", code=3)
    shop.duetto("events", "show", placed["name"], "--format", "svg", code=2)


def test_what_is_no_event_is_refused(shop: Project) -> None:
    said = shop.duetto("events", "publish", "Plaecd", "{}", code=3).stderr
    assert "did you mean `Placed`?" in said
    shop.duetto("events", "publish", "Placed", "{", code=4)
    shop.duetto("events", "publish", "Placed", '{"order": "a", "n": 1e999}', code=4)


async def test_an_app_that_runs_is_asked(shop: Project, tmp_path: Path) -> None:
    sys.modules.pop(shop.module, None)
    async with load_app(None) as app:
        said = await asyncio.to_thread(shop.duetto, "events", "publish", "Placed", '{"order": "c"}')
        assert "no app runs" not in said.stdout
        await app.operations.events.quiet()
        found = await asyncio.to_thread(shop.lines, "events", "tail", "--key", "c")
        assert [each["topic"] for each in found] == ["Placed", "Reserved", "Thanked"]


def test_explain_says_for_which_event_a_run_waits(shop: Project) -> None:
    sys.modules.pop(shop.module, None)
    app = load_app(None)
    app.start(app.workflows["wait"], "zebra", id="r")
    said = shop.duetto("runs", "explain", "r").stdout
    assert re.fullmatch(
        rf"r waits at {shop.module}\.py:\d+ for `Reserved` with key `zebra`, since \S+Z \(.*\); "
        r"0 matching events kept; times out \S+Z \(in .*\)\.\n",
        said,
    )


def test_explain_says_that_any_key_will_do(shop: Project) -> None:
    sys.modules.pop(shop.module, None)
    app = load_app(None)
    app.start(app.workflows["wait_for_any"], id="any")
    assert " for `Late` of any key, since " in shop.duetto("runs", "explain", "any").stdout
