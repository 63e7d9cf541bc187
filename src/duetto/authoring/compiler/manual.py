"""What Python's manual says of the results of builtins and of methods of builtin classes."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any


def words(text: str) -> list[str]:
    return text.split()


BUILTINS: dict[Any, Any] = {
    len: int,
    ord: int,
    any: bool,
    all: bool,
    isinstance: bool,
    issubclass: bool,
    repr: str,
    ascii: str,
    chr: str,
    format: str,
    bin: str,
    hex: str,
    print: type(None),
    range: range,
}

METHODS: dict[tuple[Any, str], Any] = {
    **{
        (str, name): str
        for name in words(
            """upper lower strip lstrip rstrip title capitalize casefold swapcase
            replace join center ljust rjust zfill removeprefix removesuffix
            expandtabs translate"""
        )
    },
    **{
        (str, name): bool
        for name in words(
            """startswith endswith isdigit isalpha isalnum isspace isupper islower
            isdecimal isnumeric isidentifier istitle isascii isprintable"""
        )
    },
    **{(str, name): int for name in ("find", "rfind", "index", "rindex", "count")},
    **{(str, name): list[str] for name in ("split", "rsplit", "splitlines")},
    **{(str, name): tuple[str, str, str] for name in ("partition", "rpartition")},
    (str, "encode"): bytes,
    (bytes, "decode"): str,
    (bytes, "hex"): str,
    (list, "index"): int,
    (list, "count"): int,
    (tuple, "index"): int,
    (tuple, "count"): int,
    **{(datetime, name): datetime for name in ("replace", "astimezone")},
    **{(kind, "isoformat"): str for kind in (date, datetime, time)},
    **{(kind, "strftime"): str for kind in (date, datetime, time)},
    **{(kind, name): int for kind in (date, datetime) for name in ("weekday", "isoweekday")},
    (date, "replace"): date,
    (datetime, "date"): date,
    (datetime, "time"): time,
    (datetime, "timestamp"): float,
    (timedelta, "total_seconds"): float,
    **{(Decimal, name): Decimal for name in ("quantize", "copy_abs", "normalize", "sqrt")},
}

MAKERS: dict[Any, frozenset[str]] = {
    datetime: frozenset(
        words(
            """now utcnow today fromtimestamp utcfromtimestamp fromisoformat strptime
            combine"""
        )
    ),
    date: frozenset(words("today fromtimestamp fromisoformat fromordinal")),
    time: frozenset(["fromisoformat"]),
    Decimal: frozenset(["from_float"]),
    bytes: frozenset(["fromhex"]),
}
"""Classmethods of builtin classes that return the class they are called on."""

COPIES = frozenset({"copy", "union", "intersection", "difference", "symmetric_difference"})

SETS = (set, frozenset, dict)

INSTANTS: dict[tuple[Any, str, Any], Any] = {
    **{(kind, op, timedelta): kind for kind in (datetime, date, timedelta) for op in "+-"},
    **{(timedelta, "+", kind): kind for kind in (datetime, date)},
    **{(kind, "-", kind): timedelta for kind in (datetime, date)},
    **{(timedelta, op, kind): timedelta for kind in (int, float) for op in "*/"},
    **{(kind, "*", timedelta): timedelta for kind in (int, float)},
    (timedelta, "/", timedelta): float,
}
"""Arithmetic of instants and durations."""

NUMBERS = (int, float, Decimal, Fraction)
