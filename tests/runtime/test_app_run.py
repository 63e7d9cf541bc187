"""What the one synchronous door shows of a run that failed."""

from __future__ import annotations

import asyncio
import traceback

import pytest

from duetto import App, Retry, RunFailed, Service, workflow

till = Service("till")


@till.task(retry=Retry(attempts_max=1))
async def charge(amount: int) -> int:
    raise ValueError(f"{amount} is too much")


@workflow
async def pay(amount: int) -> int:
    return await charge(amount)


def test_a_failed_run_shows_the_users_frames_and_the_cause() -> None:
    app = App("till", services=[till], workflows=[pay], store="memory:")
    with pytest.raises(RunFailed, match="run order-1 failed") as caught:
        app.run(pay, 7, id="order-1")
    frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert frames == ["test_a_failed_run_shows_the_users_frames_and_the_cause", "run"]
    assert isinstance(caught.value.__cause__, ValueError)
    assert "test_app_run.py" in caught.value.found


@workflow
async def double(amount: int) -> int:
    return amount * 2


async def _doubled() -> int:
    async with App("till", services=[till], workflows=[double], store="memory:") as app:
        return await app.run_async(double, 4)


def test_a_run_that_waits_for_nothing_has_its_result() -> None:
    assert asyncio.run(_doubled()) == 8
