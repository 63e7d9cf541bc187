"""The names of services, tasks and workflows, and of durations that are given to them."""

from __future__ import annotations

from datetime import timedelta
from keyword import iskeyword

from duetto.errors import ConfigurationError


def checked_name(kind: str, name: str) -> str:
    """Return a name that reads like an identifier, since names are joined by dots."""
    if name.isidentifier() and not iskeyword(name):
        return name
    mended = "".join(letter if letter.isalnum() else "_" for letter in name).strip("_")
    raise ConfigurationError(
        f"`{name}` cannot be the name of a {kind}.",
        found=repr(name),
        expected="letters, digits and underscores, no digit first, no dot",
        do=f"name it `{mended}`" if mended.isidentifier() else f"name the {kind}",
    )


def seconds_of(duration: float | timedelta) -> float:
    """Return a duration in seconds, as asyncio has them."""
    return duration.total_seconds() if isinstance(duration, timedelta) else duration


def checked_seconds(what: str, duration: float | timedelta | None) -> float | None:
    """Return a limit in seconds; one that is not above zero is refused."""
    if duration is None:
        return None
    seconds = seconds_of(duration)
    if not seconds > 0:
        raise ConfigurationError(
            f"The timeout of {what} does not fit.",
            found=repr(duration),
            expected="seconds above 0, or a timedelta",
            do="leave it out for no limit",
        )
    return seconds


def checked_count(what: str, count: int | None) -> int | None:
    """Return a limit on how many may run at a time; None is no limit."""
    if count is None or count >= 1:
        return count
    raise ConfigurationError(
        f"{what} does not fit.",
        found=repr(count),
        expected="at least 1",
        do="leave it out for no limit",
    )
