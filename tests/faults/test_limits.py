"""PROTOCOL, rule 14: each limit has a name, and exceeding one raises in the workflow."""

from __future__ import annotations

from typing import Any

import pytest

from duetto.errors import LimitExceeded
from duetto.kernel import advance, fork, walk
from tests.faults.apps import an_app, failure, in_grammar
from tests.faults.trade import TRACE, dig, hoard, pile, spin, spread
from tests.faults.trade import walk as walk_for_ever


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real ones would take a while to reach."""
    monkeypatch.setattr(advance, "NODES_MAX", 1_000)
    monkeypatch.setattr(fork, "CHILDREN_MAX", 20)
    monkeypatch.setattr(fork, "DEPTH_MAX", 10)
    monkeypatch.setattr(walk, "UNDO_MAX", 30)
    monkeypatch.setattr("duetto.codecs.msgpack.items.ITEMS_MAX", 1_000)


@pytest.mark.parametrize(
    ("workflow", "argument", "limit", "undone"),
    [
        (hoard, 1_500, "TOKEN_BYTES_MAX", 1),
        (dig, 11, "DEPTH_MAX", 1),
        (spread, 21, "CHILDREN_MAX", 1),
        (pile, 40, "UNDO_MAX", 31),
        (spin, "x", "NODES_MAX", 1),
        (walk_for_ever, "x", "ITEMS_MAX", 1),
    ],
    ids=["bytes of a token", "calls", "children", "undo list", "no await", "endless loop"],
)
async def test_exceeding_a_limit_raises_in_the_workflow_and_undoes_it(
    workflow: Any, argument: Any, limit: str, undone: int
) -> None:
    async with an_app() as app:
        error = await failure(app, workflow, argument)
        assert isinstance(error, LimitExceeded)
        assert limit in error.expected
        assert in_grammar(error)
    assert TRACE.count("release") + TRACE.count("put_back") == undone
    assert TRACE.count("take") == TRACE.count("put_back")


@pytest.mark.parametrize(
    ("workflow", "argument", "result"),
    [(hoard, 1_300, 3 * 1_300 * 1024), (dig, 9, 9), (spread, 20, 20), (pile, 30, 30)],
    ids=["bytes of a token", "calls", "children", "undo list"],
)
async def test_what_is_just_within_a_limit_runs(workflow: Any, argument: Any, result: int) -> None:
    async with an_app() as app:
        assert await app.run_async(workflow, argument, id="r") == result
