"""A CloudEvent of any system, with its attributes checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

from msgspec import Struct

from duetto.errors import LimitExceeded, ValueRefused

SPEC_VERSION = "1.0"

CLOUD_ATTRIBUTE_BYTES_MAX = 1_000
"""Bytes of one attribute: source and id become keys of an index, others travel as headers."""

CLOUD_ATTRIBUTES_MAX = 100
"""Attributes of one event: each travels as a header."""

NAME = re.compile(r"[a-z0-9]{1,100}")
UNFIT = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(17))
    + "]"
)
"""What the specification keeps out of text: control characters, surrogates, no characters."""

INTEGERS = range(-(2**31), 2**31)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,12}))?(?:([Zz])|([+-])(\d\d):(\d\d))",
    re.ASCII,
)

Attribute = str | int | bool
KNOWN = ("id", "source", "type", "subject", "time", "datacontenttype", "dataschema")
NEVER = ("specversion", "data", "data_base64", *KNOWN)
"""No extension has one of these names."""


class Foreign(Struct, frozen=True):
    """A CloudEvent as it came, whoever published it.

    `time` is in ms since the epoch, None where it has none. `data` is a JSON value where
    `content_type` is JSON or left out, and text or bytes else; None where there is none. An
    extension that came as a header is text, whatever it was.
    """

    source: str
    id: str
    type: str
    subject: str = ""
    time: int | None = None
    content_type: str = ""
    schema: str = ""
    data: object = None
    extensions: Mapping[str, Attribute] = {}

    @property
    def key(self) -> str:
        """What orders it: its partition key, else its subject, else nothing."""
        return str(self.extensions.get("partitionkey", self.subject))


def is_json(content_type: str) -> bool:
    """Does a media type say JSON? So does none at all."""
    media = content_type.partition(";")[0].strip().lower()
    return not media or media.endswith(("/json", "+json"))


def from_attributes(found: Mapping[str, object], data: object) -> Foreign:
    """Return the event with these attributes, `specversion` among them.

    Raises ValueRefused and LimitExceeded.
    """
    given = {name: value for name, value in found.items() if value is not None}
    if len(given) > CLOUD_ATTRIBUTES_MAX:
        raise LimitExceeded(
            "A CloudEvent has too many attributes.",
            found=f"{len(given):,}",
            expected=f"at most {CLOUD_ATTRIBUTES_MAX} (CLOUD_ATTRIBUTES_MAX)",
            do="put them into its data",
        )
    version = given.pop("specversion", None)
    if version != SPEC_VERSION:
        raise refused("specversion", version, f"{SPEC_VERSION!r}")
    known = {name: _text(name, given.pop(name, "")) for name in KNOWN}
    for name in ("id", "source", "type"):
        if not known[name]:
            raise refused(name, known[name] or None, "text that is not empty")
    return Foreign(
        known["source"],
        known["id"],
        known["type"],
        known["subject"],
        instant(known["time"]) if known["time"] else None,
        known["datacontenttype"],
        known["dataschema"],
        data,
        {name: extension(name, value) for name, value in given.items()},
    )


def to_attributes(event: Foreign) -> dict[str, Attribute]:
    """Return the attributes of an event. Raises ValueRefused and LimitExceeded as for reading."""
    texts = {
        "specversion": SPEC_VERSION,
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": "" if event.time is None else instant_text(event.time),
        "datacontenttype": event.content_type,
        "dataschema": event.schema,
    }
    for name, value in event.extensions.items():
        extension(name, value)
    found: dict[str, Attribute] = {name: text for name, text in texts.items() if text}
    found.update(event.extensions)
    from_attributes(found, None)
    return found


def extension(name: str, value: object) -> Attribute:
    """Return the value of an extension. Raises ValueRefused for one that is none."""
    if not NAME.fullmatch(name) or name in NEVER:
        raise ValueRefused(
            "An attribute of a CloudEvent cannot have this name.",
            found=f"{name[:40]!a}",
            expected="lower-case letters a to z and digits, and no name of the specification",
            do="mend the program that wrote it",
        )
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if value not in INTEGERS:
            raise refused(name, value, "an integer of 32 bits, with its sign")
        return value
    return _text(name, value)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise refused(name, value, "text")
    if unfit := UNFIT.search(value):
        raise refused(name, value, f"text without {unfit.group()!a}")
    if len(value.encode()) > CLOUD_ATTRIBUTE_BYTES_MAX:
        raise LimitExceeded(
            f"The attribute `{name}` of a CloudEvent is too long.",
            found=f"{len(value.encode()):,} bytes",
            expected=f"at most {CLOUD_ATTRIBUTE_BYTES_MAX:,} (CLOUD_ATTRIBUTE_BYTES_MAX)",
            do="put it into its data",
        )
    return value


def instant(text: str) -> int:
    """Return ms since the epoch from an instant of RFC 3339. Raises ValueRefused."""
    match = INSTANT.fullmatch(text)
    if match is None:
        raise refused("time", text, "an instant as in 2026-11-26T08:00:00Z")
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    fraction, _, sign, offset_hours, offset_minutes = match.groups()[6:]
    leap = second == 60
    try:
        zone = UTC
        if sign:
            offset = timedelta(hours=int(offset_hours), minutes=int(offset_minutes))
            zone = timezone(-offset if sign == "-" else offset)
            if int(offset_minutes) > 59:
                raise ValueError("an hour has 60 minutes")
        at = datetime(year, month, day, hour, minute, second - leap, tzinfo=zone)
        whole = (at - EPOCH) // timedelta(seconds=1) + leap
    except (ValueError, OverflowError) as error:
        raise refused("time", text, f"an instant that there is ({error})") from error
    return whole * 1000 + int(((fraction or "") + "000")[:3])


def instant_text(at: int) -> str:
    """Return an instant of ms since the epoch as text. Raises ValueRefused beyond year 9999."""
    try:
        when = EPOCH + timedelta(milliseconds=at)
    except OverflowError as error:
        raise refused("time", at, "an instant in the years 1 to 9999") from error
    return when.strftime("%Y").zfill(4) + when.strftime("-%m-%dT%H:%M:%S.") + f"{at % 1000:03}Z"


def refused(name: str, found: object, expected: str) -> ValueRefused:
    """Return the error for an attribute that is missing or does not fit."""
    shown = "nothing" if found is None else ascii(found)
    return ValueRefused(
        f"The attribute `{name}` of a CloudEvent does not fit.",
        found=shown if len(shown) <= 60 else f"{shown[:60]}…",
        expected=expected,
        do="mend the program that wrote it",
    )
