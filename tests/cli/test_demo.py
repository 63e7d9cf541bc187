"""`duetto demo`: a real kill, real counts, and ledgers that are compared."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from duetto.cli.ledgers import differences
from duetto.cli.shop import ENDS, Shop, ShopFailed
from duetto.examples.shop import events
from tests.cli.conftest import Project

INVOICES = 300


@pytest.fixture
def fewer(project: Project) -> str:
    """Some of the shop's own orders, in a file."""
    text = files("duetto.examples.shop").joinpath("orders.csv").read_text("utf-8")
    head, *lines = text.splitlines()
    chosen = set(sorted({line.partition(",")[0] for line in lines})[:INVOICES])
    kept = [line for line in lines if line.partition(",")[0] in chosen]
    project.write("fewer.csv", "\n".join([head, *kept]) + "\n")
    return "fewer.csv"


@pytest.mark.slow
def test_placements_and_events_do_the_same_though_one_is_killed(
    project: Project, fewer: str
) -> None:
    found = project.json("demo", "--orders", fewer)
    assert (found["ledgers_identical"], found["differences"]) == (True, [])
    first, second, third = found["placements"]
    fourth = found["events"]
    for name in ("orders", "completed", "failed", "compensated", "steps"):
        assert first[name] == second[name] == third[name] == fourth[name], name
    assert first["completed"] > 100
    assert [one["messages"] > 0 for one in (first, second, third)] == [False, True, True]
    killed = second["killed"]
    assert (first["killed"], third["killed"]) == (None, None)
    assert killed["continued"] > 0
    assert killed["results_stored"] > 0
    assert killed["results_recomputed"] == 0
    ElementTree.parse(project.folder / found["picture"])
    again = project.duetto("demo", "--orders", fewer).stdout  # it starts afresh
    assert "process killed (kill -9)" in again
    assert "ledgers identical in all four: yes" in again


def test_a_folder_with_something_else_is_left_alone(project: Project, fewer: str) -> None:
    folder = project.folder / "duetto-demo"
    folder.mkdir()
    (folder / "choreography").mkdir()
    (folder / "choreography" / "mine").touch()
    said = project.duetto("demo", "--orders", fewer, code=4).stderr
    assert "is not of an earlier demo" in said
    assert (folder / "choreography" / "mine").exists()


def test_a_shop_that_fails_says_why(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "nothing.csv", tmp_path / "data", "orchestration")
    shop.start()
    assert shop.wait(60)
    with pytest.raises(ShopFailed, match=r"nothing\.csv"):
        shop.figures()


def effect(operation: str, at_ns: int, **more: Any) -> str:
    return json.dumps({"order": "1", "operation": operation, "key": "k", "at_ns": at_ns, **more})


def ledgers(folder: Path, **services: list[str]) -> Path:
    (folder / "ledgers").mkdir(parents=True)
    for service, lines in services.items():
        (folder / "ledgers" / f"{service}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return folder


RESERVED = [effect("reserve", 1), effect("release", 5)]


@pytest.mark.parametrize(
    ("payments", "same"),
    [
        ([effect("charge", 2, amount="1.00"), effect("refund", 4, amount="1.00")], True),
        ([effect("charge", 3, amount="1.00"), effect("refund", 4, amount="1.00")], True),
        ([effect("charge", 2, amount="1.00"), effect("refund", 6, amount="1.00")], False),
        ([effect("charge", 2, amount="1.00")], False),
        ([effect("charge", 2, amount="1.01"), effect("refund", 4, amount="1.00")], False),
        ([], False),
    ],
    ids=["the same", "later", "undone in another order", "not undone", "another amount", "nothing"],
)
def test_ledgers_differ_by_effects_and_by_the_order_of_undoing(
    tmp_path: Path, payments: list[str], same: bool
) -> None:
    charged = [effect("charge", 2, amount="1.00"), effect("refund", 4, amount="1.00")]
    one = ledgers(tmp_path / "one", inventory=RESERVED, payments=charged)
    two = ledgers(tmp_path / "two", inventory=RESERVED, payments=payments)
    found = differences([one, two])
    assert (not found) == same
    assert all("order 1" in line for line in found)


def test_ledgers_by_events_have_other_keys(tmp_path: Path) -> None:
    one = ledgers(tmp_path / "one", inventory=RESERVED)
    two = ledgers(tmp_path / "two", inventory=[line.replace('"k"', '"l"') for line in RESERVED])
    assert differences([one, two])
    assert not differences([one, two], keyed=False)


def test_the_ends_of_the_shop_by_events_are_its_own() -> None:
    assert {*events.ENDS} == ENDS


def test_no_effects_at_all_are_a_difference(tmp_path: Path) -> None:
    assert differences([ledgers(tmp_path / "one"), ledgers(tmp_path / "two")])
