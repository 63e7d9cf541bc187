"""What an observer is told of a run, from its start to its end."""

from __future__ import annotations

import pytest

from duetto import App, Retry, RunFailed, Service, workflow
from duetto.observer import AttemptFailedSignal, RunEnded, RunStarted, Signal

till = Service("till")


@till.task(retry=Retry(attempts_max=2, delay_ms=1))
async def charge(amount: int) -> int:
    if amount > 10:
        raise ValueError(f"{amount} is too much")
    return amount


@workflow
async def pay(amount: int) -> int:
    return await charge(amount)


class Signals:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.seen: list[Signal] = []

    def note(self, signal: Signal, /) -> None:
        self.seen.append(signal)


@pytest.fixture
def signals() -> Signals:
    return Signals()


@pytest.fixture
def app(signals: Signals) -> App:
    return App("till", services=[till], workflows=[pay], store="memory:", observer=signals)


def test_a_run_is_named_with_its_workflow_at_its_start_and_end(app: App, signals: Signals) -> None:
    app.run(pay, 7, id="order-1")
    assert signals.seen == [
        RunStarted("order-1", "pay"),
        RunEnded("order-1", "pay", "completed"),
    ]


def test_a_failed_attempt_and_the_error_of_the_run_are_told(app: App, signals: Signals) -> None:
    with pytest.raises(RunFailed):
        app.run(pay, 70, id="order-2")
    started, attempt, ended = signals.seen
    assert started == RunStarted("order-2", "pay")
    assert isinstance(attempt, AttemptFailedSignal)
    assert (attempt.task, attempt.attempt) == ("till.charge", 1)
    assert ended == RunEnded("order-2", "pay", "failed", "ValueError: 70 is too much")
