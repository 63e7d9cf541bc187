"""Messages signed by who shares a secret: what anybody else puts into a broker is not looked at.

The signature covers the whole envelope with all that it carries: of a page of events the source,
lane, seq, key, stamp, type and body of each, of a request from where on, of a token, a command or a
report its all (PROTOCOL, rules 23 and 40). It is HMAC-SHA256 (RFC 2104).
"""

from __future__ import annotations

import hmac
from hashlib import sha256

from msgspec.structs import replace

from duetto.broker import Acknowledge, Broker, Receive
from duetto.errors import ConfigurationError
from duetto.kernel import journal
from duetto.model.message import Message, name
from duetto.observer import MessageRefused, Observer

SECRET_BYTES_MIN = 16
"""Of a secret: a shorter one could be guessed."""


def signed(broker: Broker, secret: bytes | None, observer: Observer) -> Broker:
    """Return a broker whose messages are signed, or the same where there is no secret.

    Raises ConfigurationError for a secret that is too short.
    """
    return broker if secret is None else SignedBroker(broker, secret, observer)


class SignedBroker:
    """A broker whose messages are signed on their way in, and checked on their way out."""

    def __init__(self, broker: Broker, secret: bytes, observer: Observer) -> None:
        if len(secret) < SECRET_BYTES_MIN:
            raise ConfigurationError(
                "The secret of an app is too short.",
                found=f"{len(secret)} bytes",
                expected=f"at least {SECRET_BYTES_MIN} bytes (SECRET_BYTES_MIN)",
                do="draw one: `secrets.token_bytes(32)`, and give it to all processes of the app",
            )
        self._broker, self._secret, self._observer = broker, secret, observer

    def publish(self, message: Message, confirmed: Acknowledge) -> None:
        """Sign a message, and send it."""
        self._broker.publish(replace(message, signature=self._signature(message)), confirmed)

    def subscribe(self, participant: str, receive: Receive) -> None:
        """Hand over what is signed; the rest is told of, and taken from the broker."""

        def check(message: Message, acknowledge: Acknowledge) -> None:
            if hmac.compare_digest(message.signature, self._signature(message)):
                receive(message, acknowledge)
            else:
                found = MessageRefused(message.source, message.to, name(message))
                self._observer.note(found)
                acknowledge()

        self._broker.subscribe(participant, check)

    def unsubscribe(self, participant: str) -> None:
        """Stop handing over."""
        self._broker.unsubscribe(participant)

    def _signature(self, message: Message) -> bytes:
        plain = journal.encode(replace(message, signature=b""))
        return hmac.digest(self._secret, plain, sha256)
