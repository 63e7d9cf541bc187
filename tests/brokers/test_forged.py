"""Whoever can write to the file of a broker, and has no secret, takes nothing true out of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from msgspec.structs import replace

from duetto.brokers import SignedBroker
from duetto.model.message import CancelPath, Message, name
from duetto.observer import Signal
from duetto.stores.sqlite_broker import SqliteBroker

SECRET, OTHER = b"0123456789abcdef", b"fedcba9876543210"
TRUE = Message("run", "", "office", "shop", 5, CancelPath("/1"))


class Ears:
    """Lets a test wait until something is refused."""

    def __init__(self) -> None:
        self.heard = asyncio.Event()

    def note(self, signal: Signal) -> None:
        self.heard.set()


async def test_a_forged_message_of_the_same_name_takes_no_place(tmp_path: Path) -> None:
    """The broker keeps one message of a name, and names can be foretold."""
    place, ears = tmp_path / "broker.sqlite", Ears()
    forger, sender, receiver = (SqliteBroker.open(place) for _ in range(3))
    came, confirmed = asyncio.Queue[Message](), asyncio.Event()

    def receive(message: Message, acknowledge: object) -> None:
        came.put_nowait(message)
        assert callable(acknowledge)
        acknowledge()

    forged = replace(TRUE, home="elsewhere")
    assert name(forged) == name(TRUE)
    forger.publish(forged, lambda: None)
    await forger.close()  # it is there
    SignedBroker(sender, SECRET, ears).publish(TRUE, confirmed.set)
    SignedBroker(receiver, SECRET, ears).subscribe("shop", receive)
    async with asyncio.timeout(5):
        assert replace(await came.get(), signature=b"") == TRUE
        await confirmed.wait()
        await ears.heard.wait()
    for broker in (sender, receiver):
        await broker.close()


async def test_a_true_message_outlasts_a_receiver_that_has_another_secret(tmp_path: Path) -> None:
    place, ears = tmp_path / "broker.sqlite", Ears()
    sender, receiver = SqliteBroker.open(place), SqliteBroker.open(place)
    came, confirmed = asyncio.Queue[Message](), asyncio.Event()
    SignedBroker(sender, SECRET, ears).publish(TRUE, confirmed.set)
    mistaken = SignedBroker(receiver, OTHER, ears)
    mistaken.subscribe("shop", lambda message, _: came.put_nowait(message))
    async with asyncio.timeout(5):
        await ears.heard.wait()
    mistaken.unsubscribe("shop")
    assert not confirmed.is_set()
    mended = SignedBroker(receiver, SECRET, ears)
    mended.subscribe("shop", lambda message, _: came.put_nowait(message))
    async with asyncio.timeout(5):
        assert replace(await came.get(), signature=b"") == TRUE
    for broker in (sender, receiver):
        await broker.close()
