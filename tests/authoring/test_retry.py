"""How often, and after which delay."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duetto.authoring import Retry
from duetto.errors import Cancelled, ConfigurationError


def test_delays_grow_by_the_factor_up_to_the_limit() -> None:
    retry = Retry(delay_ms=100, factor=3, delay_max_ms=1000, jitter=0)
    assert [retry.delay_ms_after(attempt, 0.9) for attempt in range(1, 5)] == [100, 300, 900, 1000]


def test_chance_adds_and_takes_the_share_of_jitter() -> None:
    retry = Retry(delay_ms=100, jitter=0.2)
    assert [retry.delay_ms_after(1, random) for random in (0, 0.5, 1)] == [80, 100, 120]


@given(st.integers(1, 10**6), st.floats(0, 1, exclude_max=True), st.floats(1, 100))
def test_a_delay_is_within_its_limits(attempt: int, random: float, factor: float) -> None:
    delay = Retry(factor=factor, attempts_max=10**6).delay_ms_after(attempt, random)
    assert 80 <= delay <= 60_000


def test_attempts_end_and_answers_are_not_asked_again() -> None:
    retry = Retry(attempts_max=2, never=(KeyError,))
    assert retry.retries(ValueError(), 1)
    assert not retry.retries(ValueError(), 2)
    assert not retry.retries(KeyError(), 1)
    assert not retry.retries(Cancelled(), 1)
    assert not retry.retries(KeyboardInterrupt(), 1)


@pytest.mark.parametrize(
    "options",
    [
        {"attempts_max": 0},
        {"delay_ms": -1},
        {"factor": 0.5},
        {"delay_max_ms": -1},
        {"jitter": 1.5},
        {"jitter": float("nan")},
        {"never": ValueError},
        {"never": ("ValueError",)},
    ],
)
def test_an_option_that_does_not_fit_is_named(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Retry(**options)
    assert next(iter(options)) in refused.value.found
    assert refused.value.expected
