"""JSON without its loopholes: what is read is what was meant, and comes back when it is written.

Two members of one name, NaN, numbers that no other program can hold, halves of surrogate pairs:
readers disagree on each, so each is refused.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import Any, cast

from duetto.codec import NESTING_MAX
from duetto.errors import LimitExceeded, ValueRefused

CLOUD_EVENT_BYTES_MAX = 8 * 1024 * 1024
"""Bytes of one event, or of a batch: a value's limit four times over, as JSON is longer."""

INTEGER_DIGITS_MAX = 20
"""Digits of an integer of 64 bits, with its sign: a longer one is not even converted."""

INT_MIN, INT_MAX = -(2**63), 2**63 - 1


def loads(data: bytes) -> Any:
    """Return the value of a JSON text. Raises ValueRefused, and LimitExceeded for its size."""
    check_size(data)
    try:
        value = json.loads(
            data.decode(),
            object_pairs_hook=_members,
            parse_constant=_no_number,
            parse_int=_integer,
        )
    except UnicodeDecodeError as error:
        raise _malformed(f"byte {data[error.start]:#04x} at {error.start}", "UTF-8") from error
    except json.JSONDecodeError as error:
        found = f"{error.msg} in line {error.lineno}, column {error.colno}"
        raise _malformed(found, "one JSON value") from error
    except RecursionError as error:
        raise _too_deep() from error
    check(value)
    return value


def dumps(value: object) -> bytes:
    """Return the JSON text of a value. Raises ValueRefused for what JSON cannot hold."""
    check(value)
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    check_size(data)
    return data


def check(value: object) -> None:
    """Raise ValueRefused or LimitExceeded for a value that would not come back as it is."""
    level: list[object] = [value]
    for _ in range(NESTING_MAX + 1):
        below: list[object] = []
        for each in level:
            _check_one(each, below)
        if not below:
            return
        level = below
    raise _too_deep()


def _check_one(value: object, below: list[object]) -> None:
    """Check one value but for its parts, which are added to `below`."""
    kind = type(value)
    if kind is str:
        check_text(cast("str", value))
    elif kind is int:
        _check_integer(cast("int", value))
    elif kind is float:
        if not isfinite(cast("float", value)):
            raise _malformed(repr(value), "a finite number")
    elif kind is list:
        below += cast("list[object]", value)
    elif kind is dict:
        members = cast("dict[object, object]", value)
        for name in members:
            if type(name) is not str:
                raise _malformed(f"the name {name!r}", "names that are text")
            check_text(name)
        below += members.values()
    elif value is not None and kind is not bool:
        raise _malformed(f"a {kind.__qualname__}", "a value of JSON")


def check_text(text: str) -> None:
    """Raise ValueRefused for text that UTF-8 cannot hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        found = f"{text[error.start]!a} at {error.start}"
        raise _malformed(found, "text without lone surrogates") from error


def check_size(data: bytes) -> None:
    """Raise LimitExceeded for what is too large."""
    if len(data) > CLOUD_EVENT_BYTES_MAX:
        raise LimitExceeded(
            "A CloudEvent is too large.",
            found=f"{len(data):,} bytes",
            expected=f"at most {CLOUD_EVENT_BYTES_MAX:,} (CLOUD_EVENT_BYTES_MAX)",
            do="publish a reference to the value instead",
        )


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise _malformed(f"{name[:40]!a} twice in one object", "members of different names")
        members[name] = value
    return members


def _no_number(text: str) -> None:
    raise _malformed(text, "a finite number")


def _integer(text: str) -> int:
    if len(text) > INTEGER_DIGITS_MAX:
        raise _malformed(f"an integer of {len(text)} digits", "integers of 64 bits")
    return int(text)


def _check_integer(value: int) -> None:
    if not INT_MIN <= value <= INT_MAX:
        found = str(value) if value.bit_length() < 100 else f"{value.bit_length()} bits"
        raise _malformed(found, "integers of 64 bits, with their sign")


def _too_deep() -> LimitExceeded:
    return LimitExceeded(
        "The data of a CloudEvent is nested too deeply.",
        found=f"more than {NESTING_MAX} levels",
        expected=f"at most {NESTING_MAX} (NESTING_MAX)",
        do="publish a flatter value",
    )


def _malformed(found: str, expected: str) -> ValueRefused:
    return ValueRefused(
        "The JSON of a CloudEvent cannot be taken.",
        found=found,
        expected=expected,
        do="mend the program that wrote it",
    )
