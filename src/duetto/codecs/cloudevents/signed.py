"""Records with a signature: what came by a topic without one is refused before it is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from duetto.broker import Arrival, Record, Wire
from duetto.codecs.cloudevents.binary import CONTENT_TYPE, HTTP
from duetto.errors import NotAllowed
from duetto.model.event import Event
from duetto.signing import Secrets

SIGNATURE = "duetto-signature"
"""The header of a signature, in hexadecimal digits. It is no attribute of the CloudEvent: one
covers a batch, too."""

RECORD = b"duetto record 1\n"
"""Begins what is signed, so that a signature of something else is none of a record."""


class SignedWire:
    """Signs what is published, and reads only what is signed. Raises ConfigurationError for a
    secret that is too short."""

    def __init__(self, wire: Wire, secret: bytes | Sequence[bytes]) -> None:
        self._wire, self._secrets = wire, Secrets(secret)

    def record(self, event: Event) -> Record:
        """Return the record of an event, signed. Raises what the wire does."""
        record = self._wire.record(event)
        signature = self._secrets.sign(RECORD, signed_of(record)).hex()
        return replace(record, headers={**record.headers, SIGNATURE: signature})

    def read(self, record: Record) -> list[Arrival]:
        """Return the events of a record. Raises NotAllowed where its signature is missing or wrong,
        and what the wire does."""
        found = {title.lower(): value for title, value in record.headers.items()}.get(SIGNATURE)
        if found is None or not self._fits(record, found):
            raise NotAllowed(
                "A record is refused, as its signature is missing or wrong.",
                found="no signature" if found is None else f"{found[:64]!a}",
                expected=f"the header `{SIGNATURE}`, by a secret of the app",
                do="have it signed, or take what nobody signs: @event(foreign=…, unsigned=True)",
            )
        return self._wire.read(record)

    def _fits(self, record: Record, signature: str) -> bool:
        try:
            digest = bytes.fromhex(signature)
        except ValueError:
            return False
        return self._secrets.fits(RECORD, signed_of(record), digest)


def signed_of(record: Record) -> bytes:
    """Return what is signed of a record: the headers that make a CloudEvent, by their names in
    lower case, then its key and its body; each with its length, so that none runs into another."""
    return b"".join(b"%d:%b" % (len(part), part) for part in _parts(record))


def _parts(record: Record) -> Iterator[bytes]:
    headers = sorted((title.lower(), value) for title, value in record.headers.items())
    for title, value in headers:
        if title.startswith(HTTP.prefix) or title == CONTENT_TYPE:
            yield title.encode("utf-8", "surrogatepass")
            yield value.encode("utf-8", "surrogatepass")
    yield record.key.encode("utf-8", "surrogatepass")
    yield record.body
