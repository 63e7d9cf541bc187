"""The page on testing has every fixture, every call and every option."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import get_args

import pytest

from duetto.testing import (
    AppFactory,
    AppUnderTest,
    Crashes,
    JumpingClock,
    Ledger,
    Mock,
    TaskMocks,
    Trial,
    check_placements,
    check_trial,
    plugin,
    simulate,
    strategies,
)
from duetto.testing.strikes import TrialFault
from tests.tidy.sources import ROOT

PAGE = (ROOT / "docs/testing.md").read_text("utf-8")
OURS = {
    *("hosts", "describe", "close", "take", "at_task", "nothing_more", "is_mocked", "body"),
    *("takes_s", "task_names", "by_key", "waiting", "charts"),
}
"""What the fixtures themselves need of each other."""


@pytest.mark.parametrize("kind", [AppUnderTest, Crashes, JumpingClock, Ledger, Mock, TaskMocks])
def test_every_call_is_documented(kind: type) -> None:
    documented = set(re.findall(r"[`.](\w+)(?=[`(.])", PAGE))
    assert {name for name in vars(kind) if name[0] != "_"} - OURS <= documented


def test_every_option_is_documented() -> None:
    for name in inspect.signature(AppFactory.__call__).parameters.keys() - {"self", "app"}:
        assert f"`{name}=" in PAGE or f"{name}=True" in PAGE or f"{name}=Faults" in PAGE, name


def test_every_fixture_is_documented() -> None:
    fixtures = {name for name in vars(plugin) if name.startswith("duetto_")} - {"duetto_stage"}
    assert set(re.findall(r"^\| `(duetto_\w+)` \|", PAGE, re.M)) == fixtures


@pytest.mark.parametrize("call", [check_placements, check_trial, simulate])
def test_every_option_of_a_trial_is_documented(call: Callable[..., object]) -> None:
    for name in inspect.signature(call).parameters.keys() - {"app", "workflow", "args"}:
        assert re.search(rf"`{name}=|, {name}=|`{name}`", PAGE), name


def test_every_fault_and_strategy_is_documented() -> None:
    for fault in get_args(TrialFault):
        assert f"`{fault.__name__}" in PAGE, fault
    assert all(field in PAGE for field in (f"`{name}`" for name in Trial.__struct_fields__))
    table = PAGE.partition("| strategy of ")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)\(", table, re.M)) == set(strategies.__all__)
