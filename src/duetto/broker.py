"""The contract of a broker: carries messages between participants, at least once, in any order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from duetto.model.message import Message

Acknowledge = Callable[[], None]
Receive = Callable[[Message, Acknowledge], None]


class Broker(Protocol):
    """A message may be duplicated, delayed, reordered or lost; what is lost is sent again."""

    def publish(self, message: Message, confirmed: Acknowledge) -> None:
        """Send a message to `message.to`; `confirmed` is called once its receiver has committed."""
        ...

    def subscribe(self, participant: str, receive: Receive) -> None:
        """Hand each message for a participant to `receive`, which acknowledges after its commit."""
        ...

    def unsubscribe(self, participant: str) -> None:
        """Stop handing over; what is under way stays until somebody subscribes."""
        ...
