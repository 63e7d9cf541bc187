"""The bytes of records, messages and outcomes: msgpack, the same in stores and on brokers."""

from __future__ import annotations

from typing import Any, TypeVar, cast

import msgspec

from duetto.errors import StoreDamaged
from duetto.model.message import Message
from duetto.model.record import Record
from duetto.model.token import Entry, Outcome, Undo, entries, extended

T = TypeVar("T")


def _to_wire(value: object) -> object:
    if isinstance(value, Undo):
        return entries(value)
    raise NotImplementedError(f"{type(value).__name__} is not part of a record")


def _from_wire(kind: type, value: Any) -> object:
    if kind is Undo:
        return extended(None, tuple(msgspec.convert(cast("list[Any]", value), tuple[Entry, ...])))
    raise NotImplementedError(f"{kind.__name__} is not part of a record")


encode = msgspec.msgpack.Encoder(enc_hook=_to_wire).encode
"""Return the bytes of a record, message or outcome."""

_record = msgspec.msgpack.Decoder[Record](cast("type[Record]", Record), dec_hook=_from_wire)
_message = msgspec.msgpack.Decoder[Message](Message, dec_hook=_from_wire)
_outcome = msgspec.msgpack.Decoder[Outcome](cast("type[Outcome]", Outcome), dec_hook=_from_wire)


def record(data: bytes) -> Record:
    """Return the record; raises StoreDamaged where the bytes are none."""
    return _decoded(_record, data, "record")


def message(data: bytes) -> Message:
    """Return the message; raises StoreDamaged where the bytes are none."""
    return _decoded(_message, data, "message")


def outcome(data: bytes) -> Outcome:
    """Return the outcome; raises StoreDamaged where the bytes are none."""
    return _decoded(_outcome, data, "outcome")


def _decoded(decoder: msgspec.msgpack.Decoder[T], data: bytes, kind: str) -> T:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError) as error:
        raise StoreDamaged(
            f"A {kind} cannot be read.",
            found=str(error),
            expected=f"a {kind} of this version",
            do="restore a backup, or upgrade this participant",
        ) from error
