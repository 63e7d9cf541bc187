"""Messages signed by who shares a secret: what anybody else puts into a broker is not looked at.

The signature covers the whole envelope with all that it carries: of a page of events the source,
lane, seq, key, stamp, type and body of each, of a request from where on, of a token, a command or a
report its all (PROTOCOL, rules 23 and 40).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec.structs import replace

from duetto.broker import Acknowledge, Broker, Receive
from duetto.kernel import journal
from duetto.model.message import Message, name
from duetto.observer import MessageRefused, Observer
from duetto.signing import Secrets

REFUSED_TOLD_MS = 60_000
"""How often it is told that a participant refuses messages: whoever forges one can forge many."""

MESSAGE = b"duetto message 1\n"
"""Begins what is signed, so that a signature of something else is none of a message."""

SAID_CHARACTERS = 100
"""How much is told of what somebody says who may be anybody."""


def signed(broker: Broker, secret: bytes | Sequence[bytes] | None, observer: Observer) -> Broker:
    """Return a broker whose messages are signed, or the same where there is no secret.

    Raises ConfigurationError for a secret that is too short.
    """
    return broker if secret is None else SignedBroker(broker, secret, observer)


class SignedBroker:
    """A broker whose messages are signed on their way in, and checked on their way out.

    What is refused is not acknowledged: it may be a true one, of a process that has not got the
    secret yet, or has it no more. That one sends it again, and it comes once this is mended.
    """

    def __init__(self, broker: Broker, secret: bytes | Sequence[bytes], observer: Observer) -> None:
        self._broker, self._secrets, self._observer = broker, Secrets(secret), observer
        self._told_s: dict[str, float] = {}

    def publish(self, message: Message, confirmed: Acknowledge) -> None:
        """Sign a message, and send it."""
        signature = self._secrets.sign(MESSAGE, journal.encode(replace(message, signature=b"")))
        self._broker.publish(replace(message, signature=signature), confirmed)

    def subscribe(self, participant: str, receive: Receive) -> None:
        """Hand over what is signed; the rest is told of."""

        def check(message: Message, acknowledge: Acknowledge) -> None:
            if reason := self._refusal(participant, message):
                self._tell(participant, message, reason)
            else:
                receive(message, acknowledge)

        self._broker.subscribe(participant, check)

    def unsubscribe(self, participant: str) -> None:
        """Stop handing over."""
        self._broker.unsubscribe(participant)

    def _refusal(self, participant: str, message: Message) -> str:
        """Return why a message is not handed over, "" where it is."""
        if not message.signature:
            return "it is not signed"
        plain = journal.encode(replace(message, signature=b""))
        if not self._secrets.fits(MESSAGE, plain, message.signature):
            return "its signature is wrong"
        return "" if message.to == participant else "it was signed for somebody else"

    def _tell(self, participant: str, message: Message, reason: str) -> None:
        """Tell of it, for each participant now and then."""
        now_s = asyncio.get_running_loop().time()
        told_s = self._told_s.get(participant)
        if told_s is None or now_s - told_s >= REFUSED_TOLD_MS / 1000:
            self._told_s[participant] = now_s
            source, called = _plain(message.source), _plain(name(message))
            self._observer.note(MessageRefused(source, participant, called, reason))


def _plain(text: str) -> str:
    """Return what a stranger says so that it breaks no line of a log, and is not long."""
    return ascii(text[:SAID_CHARACTERS])[1:-1]
