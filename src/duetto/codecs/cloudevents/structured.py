"""CloudEvents in structured mode: one JSON object, or a batch of them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, cast

from duetto.codecs.cloudevents import strict
from duetto.codecs.cloudevents.foreign import (
    Foreign,
    from_attributes,
    is_json,
    refused,
    to_attributes,
)
from duetto.errors import LimitExceeded, ValueRefused

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
"""What the `content-type` says of each mode; anything else is binary mode."""

CLOUD_BATCH_MAX = 10_000
"""Events of one batch: they are taken in one commit."""


def encode_structured(event: Foreign) -> bytes:
    """Return an event as JSON. Raises ValueRefused and LimitExceeded."""
    return strict.dumps(_members(event))


def encode_batch(events: Sequence[Foreign]) -> bytes:
    """Return events as a JSON array. Raises ValueRefused and LimitExceeded."""
    _check_count(len(events))
    return strict.dumps([_members(event) for event in events])


def decode_structured(data: bytes) -> Foreign:
    """Return the event of a JSON text. Raises ValueRefused and LimitExceeded."""
    return _event(strict.loads(data))


def decode_batch(data: bytes) -> list[Foreign]:
    """Return the events of a JSON array, all or none. Raises ValueRefused and LimitExceeded."""
    found = strict.loads(data)
    if not isinstance(found, list):
        raise _no_event(found, "an array of events")
    _check_count(len(cast("list[Any]", found)))
    return [_event(each) for each in cast("list[Any]", found)]


def _members(event: Foreign) -> dict[str, object]:
    members: dict[str, object] = {**to_attributes(event)}
    if isinstance(event.data, bytes):
        members["data_base64"] = base64.b64encode(event.data).decode()
    elif event.data is not None:
        members["data"] = event.data
    return members


def _event(found: object) -> Foreign:
    if not isinstance(found, dict):
        raise _no_event(found, "an object")
    members = dict(cast("dict[str, object]", found))
    data, encoded = members.pop("data", None), members.pop("data_base64", None)
    event = from_attributes(members, data)
    if encoded is None:
        return event
    if data is not None:
        raise refused("data_base64", encoded, "no `data` beside it")
    return from_attributes(members, _decoded(encoded, event.content_type))


def _decoded(encoded: object, content_type: str) -> object:
    """Return data that was put in base64; where it says to be JSON, its value."""
    if not isinstance(encoded, str):
        raise refused("data_base64", encoded, "text")
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise refused("data_base64", encoded, f"base64 ({error})") from error
    return strict.loads(data) if content_type and is_json(content_type) else data


def _check_count(count: int) -> None:
    if count > CLOUD_BATCH_MAX:
        raise LimitExceeded(
            "A batch has too many CloudEvents.",
            found=f"{count:,}",
            expected=f"at most {CLOUD_BATCH_MAX:,} (CLOUD_BATCH_MAX)",
            do="send several batches",
        )


def _no_event(found: object, expected: str) -> ValueRefused:
    return ValueRefused(
        "This is no CloudEvent.",
        found=f"JSON of another kind ({type(found).__name__})",
        expected=expected,
        do="mend the program that wrote it",
    )
