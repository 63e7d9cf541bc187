"""Signatures by a key that all processes of an app have: what comes without one is not looked at.

They tell who has the key from who has not. All who have it can sign for one another (PROTOCOL,
rule 40).
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterator, Sequence
from functools import partial

from msgspec.structs import replace

from duetto.broker import Acknowledge, Arrival, Broker, Receive, Record, Wire
from duetto.errors import ConfigurationError, DuettoError, NotAllowed
from duetto.kernel import journal
from duetto.model.event import Event
from duetto.model.message import Message, Signed, name
from duetto.observer import MessageRefused, Observer

SIGNING_KEY_BYTES_MIN = 32
"""Of a key: as many as HMAC-SHA256 makes of it, so that neither is easier to guess."""

REFUSED_TOLD_MS = 60_000
"""How often it is told that a participant refuses messages: whoever forges one can forge many."""

SIGNATURE = "duetto-signature"
"""The header of a record's signature, in hexadecimal digits."""

MESSAGE, RECORD = b"duetto message 1\n", b"duetto record 1\n"
"""Begin what is signed, so that a signature of the one is none of the other."""

Key = str | bytes


class Signer:
    """Signs with the first of its keys, and knows the signatures of all: so a key is changed by
    adding the new one behind the old, then putting it first, then leaving the old one out."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = tuple(keys)

    def sign(self, purpose: bytes, data: bytes) -> bytes:
        """Return the signature of data for one purpose."""
        return hmac.digest(self._keys[0], purpose + data, "sha256")

    def fits(self, purpose: bytes, data: bytes, signature: bytes) -> bool:
        """Return whether somebody who has a key signed data for this purpose."""
        signed = purpose + data
        return any(
            hmac.compare_digest(hmac.digest(key, signed, "sha256"), signature) for key in self._keys
        )


def signer_of(signing: Key | Sequence[Key] | None) -> Signer | None:
    """Return the signer of `App(signing=…)`. Raises ConfigurationError, which shows no key."""
    if signing is None:
        return None
    given = [signing] if isinstance(signing, str | bytes) else [*signing]
    keys = [key.encode() if isinstance(key, str) else key for key in given]
    shortest = min(map(len, keys), default=0)
    if shortest < SIGNING_KEY_BYTES_MIN:
        raise ConfigurationError(
            "A key for signatures does not fit.",
            found=f"{shortest} bytes" if keys else "no key",
            expected=f"at least {SIGNING_KEY_BYTES_MIN} bytes (SIGNING_KEY_BYTES_MIN)",
            do='make one by chance: python -c "import secrets; print(secrets.token_hex())"',
        )
    return Signer(keys)


class Refusals:
    """Tells of messages that are refused, of each participant that they come to now and then."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._told_s: dict[str, float] = {}

    def note(self, to: str, source: str, reason: str) -> None:
        """Tell of a message; `source` is who it says to be of, which anybody can say."""
        now_s = asyncio.get_running_loop().time()
        told_s = self._told_s.get(to)
        if told_s is None or now_s - told_s >= REFUSED_TOLD_MS / 1000:
            self._told_s[to] = now_s
            self._observer.note(MessageRefused(to, ascii(source[:60])[1:-1], reason))


class SignedBroker:
    """A broker whose messages are sealed, whatever they say, and opened before they are read.

    What is refused is not acknowledged: it may be a true one of a process that was not given the
    key yet, which goes on sending it.
    """

    def __init__(self, broker: Broker, signer: Signer, observer: Observer) -> None:
        self._broker, self._signer = broker, signer
        self._refusals = Refusals(observer)

    def publish(self, message: Message, confirmed: Acknowledge) -> None:
        data = journal.encode(message)
        sealed = Signed(name(message), data, self._signer.sign(MESSAGE, data))
        self._broker.publish(replace(message, body=sealed), confirmed)

    def subscribe(self, participant: str, receive: Receive) -> None:
        self._broker.subscribe(participant, partial(self._receive, participant, receive))

    def unsubscribe(self, participant: str) -> None:
        self._broker.unsubscribe(participant)

    def _receive(
        self, participant: str, receive: Receive, sealed: Message, acknowledge: Acknowledge
    ) -> None:
        opened = self._opened(participant, sealed.body)
        if isinstance(opened, Message):
            receive(opened, acknowledge)
        else:
            self._refusals.note(participant, sealed.source, opened)

    def _opened(self, participant: str, body: object) -> Message | str:
        """Return the message that was sealed, or why it is refused. Of what is around the seal
        nothing is believed."""
        if not isinstance(body, Signed):
            return "it is not signed"
        if not self._signer.fits(MESSAGE, body.data, body.signature):
            return "its signature is wrong"
        try:
            message = journal.message(body.data)
        except DuettoError as error:
            return f"it cannot be read: {error.found}"  # a newer participant may have written it
        if message.to != participant:
            return "it was signed for somebody else"
        return message


class SignedWire:
    """Records with a signature; what comes without one is refused before anything is read."""

    def __init__(self, wire: Wire, signer: Signer) -> None:
        self._wire, self._signer = wire, signer

    def record(self, event: Event) -> Record:
        """Return the record of an event, signed."""
        record = self._wire.record(event)
        signature = self._signer.sign(RECORD, signed_of(record)).hex()
        return replace(record, headers={**record.headers, SIGNATURE: signature})

    def read(self, record: Record) -> list[Arrival]:
        """Return the events of a record. Raises NotAllowed where its signature is missing or wrong,
        and what the wire does."""
        found = {title.lower(): value for title, value in record.headers.items()}.get(SIGNATURE)
        if found is None or not self._fits(record, found):
            raise NotAllowed(
                "A record is refused, as its signature is missing or wrong.",
                found="no signature" if found is None else f"{found[:64]!a}",
                expected=f"the header `{SIGNATURE}`, by a key of App(signing=…)",
                do="have it signed, or take what nobody signs: @event(foreign=…, unsigned=True)",
            )
        return self._wire.read(record)

    def _fits(self, record: Record, signature: str) -> bool:
        try:
            digest = bytes.fromhex(signature)
        except ValueError:
            return False
        return self._signer.fits(RECORD, signed_of(record), digest)


def signed_of(record: Record) -> bytes:
    """Return what is signed of a record: the headers that make a CloudEvent, by their names in
    lower case, then its key and its body; each with its length, so that none runs into another."""
    return b"".join(b"%d:%b" % (len(part), part) for part in _parts(record))


def _parts(record: Record) -> Iterator[bytes]:
    headers = sorted((title.lower(), value) for title, value in record.headers.items())
    for title, value in headers:
        if title.startswith("ce-") or title == "content-type":
            yield title.encode("utf-8", "surrogatepass")
            yield value.encode("utf-8", "surrogatepass")
    yield record.key.encode("utf-8", "surrogatepass")
    yield record.body
