"""Bad input is refused where it comes in, in the grammar, and nothing of it is executed or kept."""

from __future__ import annotations

import unicodedata
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from duetto.errors import (
    ConfigurationError,
    ConflictError,
    DuettoError,
    LimitExceeded,
    NotFound,
    ValueRefused,
)
from duetto.store import Query
from tests.faults.apps import an_app, in_grammar
from tests.faults.trade import TRACE, Order, nap, sell


def cyclic() -> list[Any]:
    """Return a list that holds itself."""
    found: list[Any] = []
    found.append(found)
    return found


def deep(levels: int) -> Any:
    """Return a value within lists."""
    found: Any = 1
    for _ in range(levels):
        found = [found]
    return found


UNSTORABLE: dict[str, Callable[[], Any]] = {
    "NaN": lambda: float("nan"),
    "infinity": lambda: float("-inf"),
    "a lone surrogate": lambda: "\ud800",
    "a key that is a lone surrogate": lambda: {"\udfff": 1},
    "beyond 64 bits": lambda: 2**63,
    "a cycle": cyclic,
    "100,000 levels": lambda: deep(100_000),
    "an open file's kind of thing": object,
    "a lambda": lambda: len,
}


async def refusal(*args: Any, **options: Any) -> BaseException:
    """Return the error of a start that is refused, once it is certain that nothing happened."""
    async with an_app() as app:
        with pytest.raises(DuettoError) as caught:
            await app.start_async(sell, *args, **options)
        assert app.operations.list(Query()) == []
        await app.operations.settled()
    assert TRACE.done == []
    return caught.value


@pytest.mark.parametrize("make", UNSTORABLE.values(), ids=UNSTORABLE)
async def test_an_input_that_would_not_come_back_is_refused_at_the_start(
    make: Callable[[], Any],
) -> None:
    error = await refusal(Order("a", 1, make()), id="r")
    assert isinstance(error, ValueRefused)
    assert "The input of sell cannot be stored; nothing was started." in str(error)
    assert in_grammar(error)


@pytest.mark.parametrize(
    ("args", "found", "expected"),
    [
        (({"id": "a", "units": 1},), "dict at Order", "Order"),
        ((Order("a", "many"),), "str 'many' at Order.units", "int"),  # type: ignore[arg-type]  # the mistake under test
        ((Order("a", 1.5),), "float 1.5 at Order.units", "int"),  # type: ignore[arg-type]  # as above
        ((None,), "None", "Order"),
    ],
)
async def test_an_input_of_another_type_is_refused_at_the_start(
    args: tuple[Any, ...], found: str, expected: str
) -> None:
    error = await refusal(*args)
    assert isinstance(error, ValueRefused)
    assert found in error.found
    assert error.expected == expected
    assert in_grammar(error)


@pytest.mark.parametrize(
    ("args", "found"), [((), "misses the argument `order`"), ((Order("a", 1), 2), "unexpected")]
)
async def test_arguments_that_do_not_fit_are_refused_at_the_start(
    args: tuple[Any, ...], found: str
) -> None:
    error = await refusal(*args)
    assert isinstance(error, ValueRefused)
    assert "The arguments do not fit sell; nothing was started." in str(error)
    assert found in error.found
    assert error.expected == "sell(order)"


async def test_an_input_that_is_too_big_is_refused_at_the_start() -> None:
    error = await refusal(Order("a", 1, "x" * 3_000_000))
    assert isinstance(error, LimitExceeded)
    assert "VALUE_BYTES_MAX" in error.expected
    assert in_grammar(error)


@pytest.mark.parametrize(
    "name", ["", "x" * 3_000, "nul\0", "\ud800"], ids=["empty", "3,000 characters", "NUL", "lone"]
)
async def test_names_that_no_store_keeps_are_refused(name: str) -> None:
    for options in ({"id": name}, {"id": "r", "tags": [name]}):
        error = await refusal(Order("a", 1), **options)
        assert isinstance(error, ValueRefused)
        assert in_grammar(error)


async def test_too_many_tags_are_refused() -> None:
    error = await refusal(Order("a", 1), tags=[str(number) for number in range(101)])
    assert isinstance(error, LimitExceeded)
    assert "TAGS_MAX" in error.expected


async def test_ids_that_look_alike_are_two_runs() -> None:
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    async with an_app() as app:
        assert await app.run_async(sell, Order("a", 1), id=composed) == "r-a"
        assert await app.run_async(sell, Order("b", 1), id=decomposed) == "r-b"
        assert app.operations.show(composed).result == "r-a"
        assert app.operations.show(decomposed).result == "r-b"
    assert TRACE.count("reserve") == 2


async def test_one_id_with_the_same_input_is_one_run() -> None:
    async with an_app() as app:
        assert await app.run_async(sell, Order("a", 1), id="r") == "r-a"
        assert await app.run_async(sell, Order("a", 1), id="r") == "r-a"
    assert TRACE.count("reserve") == 1


async def test_one_id_with_another_input_is_a_conflict() -> None:
    async with an_app() as app:
        await app.run_async(sell, Order("a", 1), id="r")
        for workflow, argument in ((sell, Order("a", 2)), (nap, 0.0)):
            with pytest.raises(ConflictError, match="The run id `r` is taken") as caught:
                await app.start_async(workflow, argument, id="r")  # type: ignore[arg-type]  # either fits one of them
            assert in_grammar(caught.value)
    assert TRACE.count("reserve") == 1


async def test_an_unknown_workflow_is_named_with_what_comes_near() -> None:
    async with an_app() as app:
        with pytest.raises(NotFound) as caught:
            await app.operations.start("selll", [Order("a", 1)])
        assert caught.value.do == "did you mean `sell`?"
    with pytest.raises(ConfigurationError) as refused:
        async with an_app(workflows=[nap]) as app:
            await app.start_async(sell, Order("a", 1))
    assert in_grammar(refused.value)


async def answered(answer: Any) -> None:
    """Wait for the answer of an operation that has to be waited for."""
    if isinstance(answer, Awaitable):
        await answer


@pytest.mark.parametrize("act", ["show", "history", "explain", "cancel", "retry", "resume", "skip"])
async def test_an_unknown_run_is_not_found(act: str) -> None:
    async with an_app() as app:
        await app.run_async(sell, Order("a", 1), id="order-1")
        with pytest.raises(NotFound, match="did you mean `order-1`"):
            await answered(getattr(app.operations, act)("order-l"))
