"""`duetto events publish --cloudevent`, and the letters of what does not fit, at rest."""

from __future__ import annotations

import asyncio
import json

import pytest

from duetto.cli.project import load_app
from tests.cli.conftest import Project

APP = """
import msgspec

from duetto import App, Service, event
from duetto.brokers import InProcessTopics

till = Service("till")


@event(key="order", foreign="orders.placed")
class Placed(msgspec.Struct):
    order: str


@till.on(Placed)
async def note(placed: Placed) -> None: ...


app = App("till_app", services=[till], topics=InProcessTopics(), secret=b"a secret of this test")
"""


@pytest.fixture
def shop(project: Project) -> Project:
    """A project whose event comes from another program."""
    project.write(f"{project.module}.py", APP)
    asyncio.run(once())
    return project


async def once() -> None:
    """Let the app run, so that there is a store."""
    async with load_app(None):
        pass


def cloud(id: str, **data: object) -> str:
    said = {"specversion": "1.0", "id": id, "source": "/till", "type": "orders.placed"}
    return json.dumps({**said, "data": data})


def adopt(shop: Project, text: str) -> str:
    """Adopt what comes by the standard input."""
    return shop.duetto("events", "publish", "Placed", "-", "--cloudevent", input=text).stdout


def test_a_cloudevent_is_adopted_once(shop: Project) -> None:
    assert "/Placed/" in adopt(shop, cloud("1", order="a"))
    assert "nothing new: it was adopted before" in adopt(shop, cloud("1", order="a"))
    [event] = shop.lines("events", "tail")
    assert (event["topic"], event["data"]) == ("Placed", {"order": "a"})


def test_what_does_not_fit_is_shown_mended_and_discarded_as_other_letters(shop: Project) -> None:
    for text in (cloud("1", pence=1), "no json"):
        assert "is a dead letter now" in adopt(shop, text)
    first, second = shop.lines("deadletters", "list")
    assert {first["handler"], second["handler"]} == {"@adopt.Placed"}
    shown = shop.json("deadletters", "show", "@adopt.Placed", str(second["position"]))
    assert shown["event"]["data"]["body"] == "no json"
    assert "Expecting value" in shown["reason"]
    mended = ("@adopt.Placed", str(first["position"]), "--data", '{"order": "mended"}')
    assert "1 letter is handled again" in shop.duetto("deadletters", "redrive", *mended).stdout
    assert [each["data"] for each in shop.lines("events", "tail")] == [{"order": "mended"}]
    again = shop.duetto("deadletters", "redrive", "@adopt.Placed", str(second["position"]), code=4)
    assert "cannot be taken" in again.stderr
    shop.duetto("deadletters", "discard", "@adopt.Placed", str(second["position"]))
    assert shop.lines("deadletters", "list") == []
