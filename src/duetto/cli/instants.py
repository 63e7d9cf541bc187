"""Instants as people write and read them, in local time."""

from __future__ import annotations

import re
import time
from datetime import datetime

import click

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def instant(at_ms: int, *, to_ms: bool = False, short: bool = False) -> str:
    """Return an instant as text; `short` leaves out the date where it is today."""
    if not at_ms:
        return ""
    spec = "milliseconds" if to_ms else "seconds"
    at = datetime.fromtimestamp(at_ms / 1000)
    if short and at.date() == datetime.now().date():
        return at.time().isoformat(timespec=spec)
    return at.isoformat(sep=" ", timespec=spec)


def since_ms(text: str | None) -> int:
    """Return an instant in ms since the epoch, 0 for none: `90m` is that long ago."""
    if text is None:
        return 0
    ago = re.fullmatch(r"(\d+)([smhd])", text)
    if ago:
        return int((time.time() - int(ago[1]) * UNITS_S[ago[2]]) * 1000)
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is no instant; write 2026-11-25T12:00, or 30s, 90m, 2d for that long ago"
        ) from error
