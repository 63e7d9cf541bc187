"""The page on testing has every fixture, every call and every option."""

from __future__ import annotations

import inspect
import re

import pytest

from duetto.testing import (
    AppFactory,
    AppUnderTest,
    Crashes,
    JumpingClock,
    Ledger,
    Mock,
    TaskMocks,
    plugin,
)
from tests.tidy.sources import ROOT

PAGE = (ROOT / "docs/testing.md").read_text("utf-8")
OURS = {"hosts", "describe", "close", "take", "at_task", "nothing_more", "is_mocked", "body"}
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
