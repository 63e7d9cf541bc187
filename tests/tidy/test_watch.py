"""The watch over the loop sees what it should, or every other test is watched by nobody."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from blockbuster import BlockingError

import duetto


def nap_of_duetto() -> Callable[[], None]:
    """Return a function that blocks and that stands, by its file name, in Duetto."""
    names: dict[str, Any] = {"time": time}
    code = compile("def nap(): time.sleep(0)", str(duetto.__file__), "exec")
    exec(code, names)
    return names["nap"]


async def test_a_blocking_call_of_duetto_in_the_loop_is_an_error() -> None:
    with pytest.raises(BlockingError):
        nap_of_duetto()()


@pytest.mark.blocking
async def test_a_test_may_be_left_alone() -> None:
    nap_of_duetto()()


def test_outside_the_loop_it_may_block() -> None:
    nap_of_duetto()()
