"""How histories and explanations spell instants, durations, places, participants and errors."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePath

from duetto.model.record import APP
from duetto.model.token import ROOT, Error

SHOWN_MAX = 80
"""Characters of a value in a sentence: more would hide the sentence."""

DAY_S, HOUR_S, MINUTE_S, SECOND_MS = 86_400, 3_600, 60, 1_000
DECIMALS_BELOW_S = 10
"""Below it a tenth of a second tells something."""


def clock(at_ms: int, now_ms: int) -> str:
    """Return an instant in UTC, with its date where that is not today's."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    return f"{at:%H:%M:%S}Z" if at.date() == today else f"{at:%Y-%m-%d %H:%M:%S}Z"


def lasting(duration_ms: float) -> str:
    """Return a duration in the two units that matter."""
    if duration_ms < SECOND_MS:
        return f"{max(0, round(duration_ms))} ms"
    seconds = duration_ms / 1000
    if seconds < DECIMALS_BELOW_S:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < MINUTE_S:
        return f"{whole} s"
    if whole < HOUR_S:
        return _two(whole // MINUTE_S, "min", whole % MINUTE_S, "s")
    if whole < DAY_S:
        return _two(whole // HOUR_S, "h", whole % HOUR_S // MINUTE_S, "min")
    return _two(whole // DAY_S, "d", whole % DAY_S // HOUR_S, "h")


def _two(large: int, unit: str, small: int, smaller: str) -> str:
    return f"{large} {unit} {small} {smaller}" if small else f"{large} {unit}"


def took(took_us: int) -> str:
    """Return how long a body took, measured in µs."""
    return f"{took_us} µs" if took_us < SECOND_MS else lasting(took_us / 1000)


def ahead(at_ms: int, now_ms: int) -> str:
    """Return an instant to come, and how far off it is."""
    left = at_ms - now_ms
    return f"{clock(at_ms, now_ms)} (in {lasting(left)})" if left > 0 else "now"


def since(at_ms: int, now_ms: int) -> str:
    """Return since when, and how long that is."""
    return f"since {clock(at_ms, now_ms)} ({lasting(now_ms - at_ms)})" if at_ms else ""


def place(file: str, line: int) -> str:
    """Return where a line stands, empty where that is not known."""
    return f"{PurePath(file).name}:{line}" if file and line else ""


def named(participant: str) -> str:
    """Return a participant's name; the app's own has none."""
    return participant if participant not in ("", APP) else "the app"


def plural(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def told(error: Error) -> str:
    """Return an error as its class and message."""
    kind = error.type.rpartition(":")[2].rpartition(".")[2]
    return f"{kind}: {error.message}" if error.message else kind


def short(value: object) -> str:
    """Return a value as short text on one line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 1] + "…"


def token_name(run: str, path: str) -> str:
    """Return the name of a token: its run, and its path where it is a branch."""
    return run if path == ROOT else run + path
