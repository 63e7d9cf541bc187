"""A stage for each test."""

from __future__ import annotations

import pytest

from tests.operations import scene


@pytest.fixture(autouse=True)
def stage() -> scene.Stage:
    return scene.new_stage()


@pytest.fixture
def clock() -> scene.StillClock:
    return scene.StillClock()
