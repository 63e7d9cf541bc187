"""Events as records of topics: CloudEvents in binary mode, and whatever mode others use."""

from __future__ import annotations

import msgspec

from duetto.broker import Arrival, Record
from duetto.codecs.cloudevents.binary import HTTP
from duetto.codecs.cloudevents.events import SCHEMA, CloudEvents, ToJson
from duetto.codecs.cloudevents.foreign import Foreign
from duetto.codecs.cloudevents.strict import dumps
from duetto.model.event import Event


class CloudEventWire:
    """Records with the headers of HTTP; `to_json` returns the data of an event as a JSON value."""

    def __init__(self, to_json: ToJson) -> None:
        self._codec = CloudEvents(to_json, _packs_nothing)

    def record(self, event: Event) -> Record:
        """Return the record of an event. Raises ValueRefused, and LimitExceeded."""
        headers, body = self._codec.binary(event, HTTP)
        return Record(body, event.key, headers, event.name)

    def read(self, record: Record) -> list[Arrival]:
        """Return the events of a record, in any mode. Raises ValueRefused, and LimitExceeded."""
        found = self._codec.parsed(record.headers.items(), record.body, HTTP)
        return [_arrival(each) for each in found]


def _arrival(found: Foreign) -> Arrival:
    said = found.extensions
    version = found.schema.rpartition(":")[2] if found.schema.startswith(SCHEMA) else "0"
    data = found.data
    return Arrival(
        found.source,
        found.id,
        found.type,
        data if isinstance(data, bytes) else dumps(data),
        _count(version),
        str(said.get("correlationid", "")),
        str(said.get("causationid", "")),
        str(said.get("traceparent", "")),
        _count(said.get("duettohops", 0)),
        _count(said.get("duettodeadline", 0)),
    )


def _count(value: object) -> int:
    """Return what another says to be a number from 0; 0 where it is none."""
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _packs_nothing(topic: str, version: int, data: object) -> bytes:
    return msgspec.json.encode(data)


__all__ = ["CloudEventWire"]
