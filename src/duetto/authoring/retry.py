"""How often a task is tried, and how long it waits in between."""

from __future__ import annotations

from dataclasses import dataclass

from duetto.errors import Cancelled, ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Exponential backoff with jitter; attempts are finite, then the error is raised.

    `never` are errors that are an answer, so asking again would not change them. `jitter` is the
    share of the delay that chance adds or takes, so that those who failed together come apart.
    """

    attempts_max: int = 3
    delay_ms: int = 100
    factor: float = 2.0
    delay_max_ms: int = 60_000
    jitter: float = 0.2
    never: tuple[type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        checks = (
            ("attempts_max", self.attempts_max, self.attempts_max >= 1, "at least 1"),
            ("delay_ms", self.delay_ms, self.delay_ms >= 0, "at least 0"),
            ("factor", self.factor, self.factor >= 1, "at least 1"),
            ("delay_max_ms", self.delay_max_ms, self.delay_max_ms >= 0, "at least 0"),
            ("jitter", self.jitter, 0 <= self.jitter <= 1, "between 0 and 1"),
        )
        for name, value, fits, expected in checks:
            if not fits:
                raise refused(name, repr(value), expected)
        refuse_what_is_no_error(self.never)

    def retries(self, error: BaseException, attempt: int) -> bool:
        """Is there another attempt after the `attempt`-th (from 1) failed with `error`?"""
        if attempt >= self.attempts_max or not isinstance(error, Exception):
            return False
        return not isinstance(error, (Cancelled, *self.never))

    def delay_ms_after(self, attempt: int, random: float) -> int:
        """Return the delay after the `attempt`-th attempt; `random` is in [0, 1)."""
        try:
            delay = self.delay_ms * self.factor ** (attempt - 1)
        except OverflowError:
            delay = float(self.delay_max_ms)
        delay = min(delay, self.delay_max_ms) * (1 + self.jitter * (2 * random - 1))
        return min(round(delay), self.delay_max_ms)


def refuse_what_is_no_error(never: object) -> None:
    """Raise for a `never` that is no tuple of error classes, as users without types may write."""
    if not isinstance(never, tuple):
        raise refused("never", repr(never), "a tuple of error classes")
    for kind in never:  # pyright: ignore[reportUnknownVariableType]  # the check finds out what it is
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise refused("never", repr(kind), "classes of errors")  # pyright: ignore[reportUnknownArgumentType]  # as above


def refused(option: str, found: str, expected: str) -> ConfigurationError:
    """Return the error for an option of `Retry` that does not fit."""
    return ConfigurationError(
        f"`Retry({option}=…)` does not fit.", found=f"{option}={found}", expected=expected
    )
