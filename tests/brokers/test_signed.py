"""Messages that are not signed by who shares the secret are not looked at (PROTOCOL, rule 40)."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from duetto import App, Service, event, workflow
from duetto.brokers import InProcessBroker
from duetto.errors import ConfigurationError
from duetto.model.event import Event
from duetto.model.message import EventPage, Listen, Message
from duetto.observer import MessageRefused, Signal

SECRET = b"0123456789abcdef"


@event(key="sack")
class Ground(msgspec.Struct, frozen=True):
    sack: str


class Ears:
    """Notes what is refused."""

    def __init__(self) -> None:
        self.refused: list[MessageRefused] = []

    def note(self, signal: Signal) -> None:
        if isinstance(signal, MessageRefused):
            self.refused.append(signal)


class Tampering(InProcessBroker):
    """A broker that somebody else writes to as well."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Message] = []

    def forge(self, message: Message) -> None:
        super().publish(message, lambda: None)

    def publish(self, message: Message, confirmed: object) -> None:
        self.seen.append(message)
        super().publish(message, confirmed)  # pyright: ignore[reportArgumentType]  # as it came


mill = Service("mill", store="mill.sqlite")
oven = Service("oven", store="oven.sqlite")
baked: list[str] = []


@oven.on(Ground)
async def bake(ground: Ground) -> None:
    baked.append(ground.sack)


@mill.task
async def grind(sack: str) -> str:
    return f"{sack} is ground"


@workflow
async def mill_it(sack: str) -> str:
    return await grind(sack)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    baked.clear()


def bakery(broker: InProcessBroker, ears: Ears, secret: bytes = SECRET) -> App:
    """The bakery, whose services have stores of their own."""
    return App(
        "bakery",
        services=[mill, oven],
        workflows=[mill_it],
        broker=broker,
        observer=ears,
        secret=secret,
    )


async def test_what_is_signed_goes_through() -> None:
    broker, ears = Tampering(), Ears()
    app = bakery(broker, ears)
    async with app:
        await app.publish_async(Ground("s-1"))
        await app.operations.events.quiet()
        assert await app.run_async(mill_it, "s-2") == "s-2 is ground"
    assert baked == ["s-1"]
    assert ears.refused == []
    assert all(len(message.signature) == 32 for message in broker.seen)


@pytest.mark.parametrize("signature", [b"", b"x" * 32])
async def test_a_forged_event_is_refused_and_hides_no_true_one(signature: bytes) -> None:
    broker, ears = Tampering(), Ears()
    app = bakery(broker, ears)
    forged = Event("app", "Ground", 3, 1, "k", 1, 0, b"forged")
    page = Message("", "", "", "oven", 0, EventPage("Ground", (forged,)), signature)
    async with app:
        broker.forge(page)
        broker.forge(replace(page, body=Listen({"Ground": {"app": {3: 99}}})))
        for number in range(40):
            await app.publish_async(Ground(f"s-{number}"))
        await app.operations.events.quiet()
    assert sorted(baked) == sorted(f"s-{number}" for number in range(40))
    assert [each.to for each in ears.refused] == ["oven"], "told of once in a while"


async def test_what_was_changed_on_its_way_is_refused() -> None:
    broker, ears = Tampering(), Ears()
    app = bakery(broker, ears)
    async with app:
        await app.publish_async(Ground("s-1"))
        await app.operations.events.quiet()
        page = next(each for each in broker.seen if isinstance(each.body, EventPage))
        broker.forge(replace(page, sent=page.sent + 1))
        await app.publish_async(Ground("s-2"))
        await app.operations.events.quiet()
    assert baked == ["s-1", "s-2"]
    assert len(ears.refused) == 1


async def test_a_secret_has_to_be_long() -> None:
    app = bakery(InProcessBroker(), Ears(), b"short")
    with pytest.raises(ConfigurationError, match="too short"):
        async with app:
            pass
