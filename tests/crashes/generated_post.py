"""A broker between processes of one machine: datagrams to their ports, some of which are lost.

A port belongs to whoever keeps the processes, and each gets it at its birth: so what was sent to
one that is dead waits for the next.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from contextlib import suppress

import msgspec
from msgspec import Struct

from duetto.broker import Acknowledge, Receive
from duetto.kernel import journal
from duetto.model.message import Message

MACHINE = "127.0.0.1"

DATAGRAM_BYTES_MAX = 65_000
"""A message that is longer is lost; those of generated workflows have some hundred bytes."""

TURN_MAX = 64
"""So many are taken in one turn of the loop: then what follows from them is committed."""


class Parcel(Struct, frozen=True, array_like=True, tag="parcel"):
    """A message, as its sender has numbered it."""

    number: int
    message: bytes


class Receipt(Struct, frozen=True, array_like=True, tag="receipt"):
    """The receiver of a parcel has committed."""

    number: int


DECODER: msgspec.msgpack.Decoder[Parcel | Receipt] = msgspec.msgpack.Decoder(Parcel | Receipt)


def port() -> socket.socket:
    """Return a socket with a port of its own."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((MACHINE, 0))
    made.setblocking(False)
    return made


class Post:
    """The broker of one process. `places` has the port of each participant."""

    def __init__(self, own: socket.socket, places: Mapping[str, int]) -> None:
        self._own, self._places = own, places
        self._receivers: dict[str, Receive] = {}
        self._waiting: dict[int, Acknowledge] = {}
        # Receipts for who was here before must not be taken for one's own.
        self._number = int.from_bytes(os.urandom(4)) << 24

    def open(self) -> None:
        """Take what comes."""
        asyncio.get_running_loop().add_reader(self._own, self._take)

    def close(self) -> None:
        """Take nothing more."""
        asyncio.get_running_loop().remove_reader(self._own)

    def publish(self, message: Message, confirmed: Acknowledge) -> None:
        self._number += 1
        self._waiting[self._number] = confirmed
        self._send(self._places[message.to], Parcel(self._number, journal.encode(message)))

    def subscribe(self, participant: str, receive: Receive) -> None:
        self._receivers[participant] = receive

    def unsubscribe(self, participant: str) -> None:
        self._receivers.pop(participant, None)

    def _send(self, place: int, what: Parcel | Receipt) -> None:
        # If it is lost, whoever waits for the receipt sends it again.
        with suppress(OSError):
            self._own.sendto(msgspec.msgpack.encode(what), (MACHINE, place))

    def _take(self) -> None:
        for _ in range(TURN_MAX):
            try:
                data, (_, place) = self._own.recvfrom(DATAGRAM_BYTES_MAX)
            except OSError:
                return
            self._taken(DECODER.decode(data), place)

    def _taken(self, what: Parcel | Receipt, place: int) -> None:
        match what:
            case Parcel(number, packed):
                message = journal.message(packed)
                receive = self._receivers.get(message.to)
                if receive is not None:
                    receive(message, lambda: self._send(place, Receipt(number)))
            case Receipt(number):
                confirmed = self._waiting.pop(number, None)
                if confirmed is not None:
                    confirmed()
