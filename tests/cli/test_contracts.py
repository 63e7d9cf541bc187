"""`duetto topology` and `duetto contracts`: what they print, write, and exit with."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.conftest import Project

APP = """
from dataclasses import dataclass

from duetto import App, Service, event, workflow

stock, mail, money = Service("stock"), Service("mail"), Service("money")


@event(key="order")
@dataclass
class Placed:
    order: str
    pence: int


@event(key="order")
@dataclass
class Held:
    order: str


@stock.on(Placed)
async def hold(placed: Placed) -> Held:
    return Held(placed.order)


@mail.on(Held)
async def thank(held: Held) -> None: ...


@money.task
async def charge(placed: Placed) -> str:
    return placed.order


@workflow
async def pay(placed: Placed) -> str:
    return await charge(placed)


app = App(
    "shop", services=[stock, mail, money], workflows=[pay], placement="choreography"
)
"""


@pytest.fixture
def shop(project: Project) -> Project:
    project.write(f"{project.module}.py", APP)
    return project


def changed(shop: Project, *pairs: tuple[str, str]) -> None:
    """Change the app, as a deployment does, and forget the old module."""
    text = (shop.folder / f"{shop.module}.py").read_text("utf-8")
    sys.modules.pop(shop.module, None)
    old, shop.module = shop.module, f"{shop.module}_again"
    for one, other in pairs:
        assert one in text
        text = text.replace(one, other)
    shop.write(f"{shop.module}.py", text)
    config = (shop.folder / "pyproject.toml").read_text("utf-8")
    shop.write("pyproject.toml", config.replace(f'"{old}:app"', f'"{shop.module}:app"'))


def test_the_topology_is_told_with_what_is_wrong(shop: Project) -> None:
    said = shop.duetto("topology").stdout
    assert said.startswith("shop: 2 events, 2 handlers, 1 workflow\n")
    assert "  Held     stock.hold → mail.thank\n" in said
    assert "unfed: Nobody feeds stock.hold" in said


def test_strict_exits_with_1_where_something_was_found(shop: Project) -> None:
    shop.duetto("topology")
    shop.duetto("topology", "--strict", code=1)
    shop.duetto("topology", "--strict", "--outside", "Placed")
    said = shop.duetto("topology", "--outside", "Palced", code=3).stderr
    assert "did you mean `Placed`?" in said


def test_the_topology_in_every_format(shop: Project) -> None:
    assert shop.duetto("topology", "--format", "mermaid").stdout.startswith("flowchart LR\n")
    ElementTree.fromstring(shop.duetto("topology", "--format", "svg").stdout)
    data = json.loads(shop.duetto("topology", "--format", "json").stdout)
    assert data == shop.json("topology")
    assert {"part": "mail.thank", "verb": "listens", "topic": "Held"} in data["links"]
    assert [each["kind"] for each in data["findings"]] == ["unfed"]


def test_the_topology_into_a_file(shop: Project) -> None:
    result = shop.duetto("topology", "--format", "svg", "--output", "shop.svg")
    assert result.stdout == ""
    assert "written: shop.svg" in result.stderr
    assert "unfed: " in result.stderr
    ElementTree.parse(shop.folder / "shop.svg")
    shop.duetto("topology", "--output", "nowhere/shop.txt", code=4)


def test_an_export_writes_what_a_check_accepts(shop: Project) -> None:
    said = shop.duetto("contracts", "export", "contracts").stdout
    assert "2 events, 2 boundaries; 0 files unchanged" in said
    files = sorted(file.name for file in Path("contracts").iterdir())
    assert files == [
        "Held.v1.json",
        "Placed.v1.json",
        "asyncapi.json",
        "boundary.pay.app.money.charge.json",
        "boundary.pay.money.app.result.json",
    ]
    assert "5 files unchanged" in shop.duetto("contracts", "export", "contracts").stdout
    said = shop.duetto("contracts", "check", "contracts", "--compatibility", "full").stdout
    assert said == "4 compared, 0 changes, none breaks full compatibility\n"


def test_a_change_that_breaks_is_named_with_whom(shop: Project) -> None:
    shop.duetto("contracts", "export", "contracts")
    changed(shop, ("pence: int", "pence: str"))
    said = shop.duetto("contracts", "check", "contracts", code=1).stdout
    assert "Placed   v1 → v1\n  pence  integer became string   breaks backward\n" in said
    assert "    stock.hold cannot read what nobody here, but others who sent as v1" not in said
    assert "    stock.hold cannot read what was sent as v1" in said
    assert "    money cannot read what was sent before" in said
    found = shop.json("contracts", "check", "contracts", code=1)
    assert found["compatible"] is False


def test_a_change_may_break_one_way_only(shop: Project) -> None:
    shop.duetto("contracts", "export", "contracts")
    changed(shop, ("    pence: int\n", "    pence: int\n    note: str = ''\n"))
    shop.duetto("contracts", "check", "contracts", "--compatibility", "full")
    changed(shop, ("note: str = ''", "note: str"))
    shop.duetto("contracts", "check", "contracts", "--compatibility", "forward")
    shop.duetto("contracts", "check", "contracts", code=1)


def test_earlier_versions_stay_for_transitive(shop: Project) -> None:
    shop.duetto("contracts", "export", "contracts")
    held = 'event(key="order")\n@dataclass\nclass Held:\n    order: str\n'
    newer = held.replace('")', '", version=2)') + "    n: int = 0\n"
    changed(shop, (held, newer))
    shop.duetto("contracts", "export", "contracts")
    assert Path("contracts/Held.v1.json").exists()
    assert Path("contracts/Held.v2.json").exists()
    changed(shop, ("version=2", "version=3"), ("n: int = 0", "n: int"))
    shop.duetto("contracts", "export", "contracts")
    shop.duetto("contracts", "check", "contracts")
    said = shop.duetto("contracts", "check", "contracts", "--transitive", code=1).stdout
    assert "Held   v1 → v3\n  n  added (required)   breaks backward\n" in said
    assert "Held   v2 → v3\n  n  optional became required   breaks backward\n" in said


def test_a_boundary_that_is_gone_leaves_the_folder(shop: Project) -> None:
    shop.duetto("contracts", "export", "contracts")
    changed(shop, ('placement="choreography"', 'placement="orchestration"'))
    shop.duetto("contracts", "check", "contracts")
    said = shop.duetto("contracts", "export", "contracts").stdout
    assert "removed   contracts/boundary.pay.app.money.charge.json" in said
    assert not list(Path("contracts").glob("boundary.*"))


def test_what_is_no_folder_of_contracts_is_refused(shop: Project) -> None:
    said = shop.duetto("contracts", "check", "contracts", code=3).stderr
    assert "duetto contracts export contracts" in said
    shop.write("file", "x")
    shop.duetto("contracts", "check", "file", code=3)
    shop.duetto("contracts", "export", "file", code=4)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("required", 5), ("properties", []), ("$defs", {"Placed": {"anyOf": {}}}), ("minimum", "a")],
)
def test_a_contract_that_was_spoiled_is_named(shop: Project, keyword: str, value: object) -> None:
    shop.duetto("contracts", "export", "contracts")
    file = shop.folder / "contracts/Placed.v1.json"
    shop.write(
        "contracts/Placed.v1.json", json.dumps({**json.loads(file.read_text()), keyword: value})
    )
    said = shop.duetto("contracts", "check", "contracts", code=4).stderr
    assert "contracts/Placed.v1.json is no contract." in said


@pytest.mark.parametrize(
    "text",
    ['{"name": "x"}', "[]", "{", "null", '{"x-duetto": {"contract": "event"}}', '"' + "[" * 9],
)
def test_a_foreign_file_is_named(shop: Project, text: str) -> None:
    shop.duetto("contracts", "export", "contracts")
    shop.write("contracts/package.json", text)
    said = shop.duetto("contracts", "check", "contracts", code=4).stderr
    assert "contracts/package.json is no contract." in said
    assert "Traceback" not in said
