"""What a body gives that cannot be stored is raised in the workflow, and nothing done is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from duetto.errors import ConfigurationError, LimitExceeded, TaskError, ValueRefused
from tests.faults.apps import an_app, failure, in_grammar
from tests.faults.test_bad_input import UNSTORABLE
from tests.faults.trade import (
    TRACE,
    ask,
    ask_and_fetch,
    ask_units,
    catch,
    desk,
    fall,
    hand_over,
    keep,
    result_of,
)


@pytest.mark.parametrize("make", UNSTORABLE.values(), ids=UNSTORABLE)
@pytest.mark.parametrize("workflow", [ask, hand_over, keep, result_of])
async def test_a_value_that_would_not_come_back_fails_the_run_and_undoes_it(
    workflow: Any, make: Callable[[], Any]
) -> None:
    """As a task's result, its argument, a variable, the workflow's own result."""
    async with an_app() as app:
        TRACE.gives = make()
        error = await failure(app, workflow, "x")
        assert isinstance(error, ValueRefused)
        assert in_grammar(error)
        assert app.operations.show("r").status == "failed"
    assert TRACE.count("release") == 1
    assert TRACE.count("take") == 0


@pytest.mark.parametrize("workflow", [ask, hand_over, keep, result_of])
async def test_a_value_that_is_too_big_fails_the_run_and_undoes_it(workflow: Any) -> None:
    async with an_app() as app:
        TRACE.gives = "x" * 3_000_000
        error = await failure(app, workflow, "x")
        assert isinstance(error, LimitExceeded)
        assert "VALUE_BYTES_MAX" in error.expected
    assert TRACE.count("release") == 1


async def test_a_result_of_another_type_than_annotated_fails_the_run() -> None:
    async with an_app() as app:
        TRACE.gives = "three"
        error = await failure(app, ask_units, "x")
        assert isinstance(error, ValueRefused)
        assert error.found == "str 'three' at int"
    assert TRACE.done == ["reserve", "give_units", "release"]


async def test_an_effect_whose_result_cannot_be_kept_parks_and_is_undone_by_an_operator() -> None:
    """It took place, so it may not be forgotten; and its compensation needs what was not kept."""
    async with an_app() as app:
        TRACE.gives = object()
        await app.start_async(ask_and_fetch, "x", id="r")
        await app.operations.settled()
        [waiting] = app.operations.explain("r")
        assert waiting.kind == "parked"
        assert "whether desk.fetch took effect is unknown" in waiting.text
        TRACE.gives = "now it can"
        assert await app.operations.resume("r") == 1
        await app.operations.outcome("r")
        assert app.operations.show("r").status == "failed"
    assert TRACE.count("bring_back") == 1


async def test_an_effect_of_a_service_with_its_own_store_is_not_forgotten_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "store", str(tmp_path / "desk.sqlite"))
    async with an_app(tmp_path / "trade.sqlite") as app:
        TRACE.gives = object()
        await app.start_async(ask_and_fetch, "x", id="r")
        await app.operations.settled()
        [waiting] = [one for one in app.operations.explain("r") if one.kind == "parked"]
        assert "whether desk.fetch took effect is unknown" in waiting.text
        TRACE.gives = "now it can"
        assert await app.operations.resume("r") == 1
        await app.operations.outcome("r")
        assert app.operations.show("r").status == "failed"
    assert TRACE.count("bring_back") == 1


async def test_an_error_that_cannot_be_made_again_is_a_task_error() -> None:
    """Its class has its own `__init__`, it holds a lock, and its `__str__` raises."""
    async with an_app() as app:
        error = await failure(app, fall, "odd")
        assert isinstance(error, TaskError)
        assert error.type_name == "tests.faults.trade:Odd"
        assert "Odd" in app.operations.show("r").error
    assert TRACE.done == ["reserve", "stumble", "stumble", "release"]


@pytest.mark.parametrize("make", UNSTORABLE.values(), ids=UNSTORABLE)
async def test_an_error_with_data_that_cannot_be_stored_is_caught_by_its_class(
    make: Callable[[], Any],
) -> None:
    async with an_app() as app:
        TRACE.gives = make()
        said = await app.run_async(catch, "x", id="r")
        assert "tests.faults.trade:Spoken" in said
    assert TRACE.count("stumble") == 2


async def test_a_body_that_exits_ends_its_attempt_and_not_the_process() -> None:
    async with an_app() as app:
        error = await failure(app, fall, "exit")
        assert isinstance(error, ConfigurationError)
        assert "asked the process to exit" in str(error)
        assert in_grammar(error)
    assert TRACE.done == ["reserve", "stumble", "stumble", "release"]
