"""Events of Duetto as CloudEvents, and back; what others published stays as it came.

| attribute | of an event |
|---|---|
| `id` | its name: source, topic, lane, seq |
| `source` | its source, percent-encoded |
| `type` | its topic |
| `subject`, `partitionkey` | its key |
| `time` | when it was published |
| `dataschema` | `urn:duetto:TOPIC:VERSION`: by this it is known as one of ours |
| `sequence` | its seq, of equal length, so that it sorts as text |
| `correlationid`, `causationid` | of the CloudEvents extension for correlation |
| `traceparent` | of the extension for distributed tracing |
| `duettotime`, `duettostamp`, `duettomark` | when it happened, and what its source says of time |
| `duettohops`, `duettodeadline`, `duettoforeign` | the rest, where it is not empty |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from urllib.parse import quote

from msgspec.structs import replace

from duetto.codecs.cloudevents.binary import CONTENT_TYPE, Binding, decode_binary, encode_binary
from duetto.codecs.cloudevents.foreign import UNFIT, Attribute, Foreign, refused
from duetto.codecs.cloudevents.strict import INT_MAX
from duetto.codecs.cloudevents.structured import (
    BATCH,
    STRUCTURED,
    decode_batch,
    decode_structured,
    encode_batch,
    encode_structured,
)
from duetto.errors import ValueRefused
from duetto.model.event import Event, Place, place_of

SCHEMA = "urn:duetto:"
JSON = "application/json"
SEQUENCE_DIGITS = 19
"""Those of the greatest seq."""

ToJson = Callable[[Event], object]
"""Returns the data of an event as a JSON value."""
FromJson = Callable[[str, int, object], bytes]
"""Returns the data of a topic's event in a version, packed, from its JSON value."""

TEXTS = {"correlationid": "correlation", "causationid": "causation", "traceparent": "trace"}
"""The extensions that are text of an event as it is."""

INSTANTS = ("time", "stamp", "mark")
"""The fields of an event that are ms since the epoch, before 1970 too, or not there."""


class CloudEvents:
    """Events in all modes of CloudEvents.

    Everything raises ValueRefused for what does not fit, and LimitExceeded for what is too large,
    and beside that what the two functions raise.
    """

    def __init__(self, to_json: ToJson, from_json: FromJson) -> None:
        self._to_json, self._from_json = to_json, from_json

    def structured(self, event: Event) -> bytes:
        """Return an event as one JSON object."""
        return encode_structured(self.foreign(event))

    def batch(self, events: Sequence[Event]) -> bytes:
        """Return events as one JSON array."""
        return encode_batch([self.foreign(event) for event in events])

    def binary(self, event: Event, binding: Binding) -> tuple[dict[str, str], bytes]:
        """Return an event as headers and body."""
        return encode_binary(self.foreign(event), binding)

    def read(
        self, headers: Iterable[tuple[str, str | bytes]], body: bytes, binding: Binding
    ) -> list[Event | Foreign]:
        """Return the events of a message; its `content-type` says in which mode they are."""
        headers = list(headers)
        match _mode(headers):
            case "structured":
                found = [decode_structured(body)]
            case "batch":
                found = decode_batch(body)
            case _:
                found = [decode_binary(headers, body, binding)]
        return [self.ours(each) for each in found]

    def foreign(self, event: Event) -> Foreign:
        """Return an event as others see it."""
        place = Place(event.source, event.topic, event.lane, event.seq)
        if place_of(event.name) != place or UNFIT.search(event.name):
            raise refused("id", event.name, "a source and topic by which the event can be named")
        check_number("seq", event.seq)
        check_number("lane", event.lane)
        return Foreign(
            quote(event.source, safe="/"),
            event.name,
            event.topic,
            event.key,
            event.at,
            JSON,
            f"{SCHEMA}{quote(event.topic, safe='')}:{check_number('version', event.version)}",
            self._to_json(event),
            dict(_extensions(event)),
        )

    def ours(self, found: Foreign) -> Event | Foreign:
        """Return the event of Duetto that it says to be; itself where it says nothing of it."""
        if not found.schema.startswith(SCHEMA):
            return found
        place = place_of(found.id)
        if place is None:
            raise refused("id", found.id, "the name of an event: SOURCE/TOPIC/LANE:SEQ")
        if found.time is None:
            raise refused("time", None, "when the event was published")
        topic, _, version = found.schema.removeprefix(SCHEMA).rpartition(":")
        number = _number("dataschema", version)
        event = Event(
            place.source,
            place.topic,
            check_number("lane", place.lane),
            check_number("seq", place.seq),
            found.key,
            number,
            found.time,
            b"",
            hops=_number("duettohops", found.extensions.get("duettohops", 0)),
            deadline=_number("duettodeadline", found.extensions.get("duettodeadline", 0)),
            foreign=_text(found, "duettoforeign"),
            time=_instant(found, "duettotime"),
            stamp=_instant(found, "duettostamp"),
            mark=_instant(found, "duettomark"),
            **{field: _text(found, name) for name, field in TEXTS.items()},
        )
        _check(found, event, topic)
        return replace(event, data=self._from_json(event.topic, number, found.data))


def _extensions(event: Event) -> Iterable[tuple[str, Attribute]]:
    yield "sequence", str(event.seq).zfill(SEQUENCE_DIGITS)
    if event.key:
        yield "partitionkey", event.key
    for name, field in TEXTS.items():
        if text := getattr(event, field):
            yield name, text
    if event.hops:
        yield "duettohops", str(check_number("hops", event.hops))
    if event.deadline:
        yield "duettodeadline", str(check_number("deadline", event.deadline))
    if event.foreign:
        yield "duettoforeign", event.foreign
    for field in INSTANTS:
        if (instant := getattr(event, field)) is not None:
            yield f"duetto{field}", str(instant)


def _check(found: Foreign, event: Event, topic: str) -> None:
    """Raise ValueRefused where an event contradicts itself, so that nobody takes it for another."""
    told: dict[str, tuple[object, object]] = {
        "id": (found.id, event.name),
        "source": (found.source, quote(event.source, safe="/")),
        "type": (found.type, event.topic),
        "dataschema": (topic, quote(event.topic, safe="")),
        "subject": (found.subject, event.key),
        "sequence": (found.extensions.get("sequence"), str(event.seq).zfill(SEQUENCE_DIGITS)),
    }
    for name, (said, follows) in told.items():
        if said != follows:
            raise refused(name, said, f"{follows!a}, as the others say")


def check_number(name: str, value: int) -> int:
    """Return a number that fits. Raises ValueRefused."""
    if not 0 <= value <= INT_MAX:
        raise refused(name, value, "a number from 0, of 63 bits")
    return value


def _number(name: str, value: object) -> int:
    """Return a number that came as text, or as one."""
    text = str(value)
    if not (text.isascii() and text.isdecimal()) or (text != text.lstrip("0") and text != "0"):
        raise refused(name, value, "a number")
    if len(text) > SEQUENCE_DIGITS:
        raise refused(name, value, "a number from 0, of 63 bits")
    return check_number(name, int(text))


def _instant(found: Foreign, name: str) -> int | None:
    """Return ms since the epoch, where they are told."""
    value = found.extensions.get(name)
    if value is None:
        return None
    text = str(value)
    number = _number(name, text.removeprefix("-"))
    if number == 0 and text != "0":
        raise refused(name, value, "a number")
    return -number if text.startswith("-") else number


def _text(found: Foreign, name: str) -> str:
    text = found.extensions.get(name, "")
    if not isinstance(text, str):
        raise refused(name, text, "text")
    return text


def _mode(headers: list[tuple[str, str | bytes]]) -> str:
    """Return the mode that the media type says."""
    for title, value in headers:
        if title.lower() == CONTENT_TYPE:
            said = value.decode("latin-1") if isinstance(value, bytes) else value
            media = said.partition(";")[0].strip().lower()
            if media in (STRUCTURED, BATCH):
                return "structured" if media == STRUCTURED else "batch"
            if media.startswith("application/cloudevents"):
                raise ValueRefused(
                    "CloudEvents came in a format that is not read here.",
                    found=media[:60],
                    expected=f"{STRUCTURED}, {BATCH}, or binary mode",
                    do="send them as JSON",
                )
    return "binary"
