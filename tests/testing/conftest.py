"""The till, ready to be tested."""

from __future__ import annotations

import pytest

from duetto.testing import AppFactory, AppUnderTest
from tests.testing.till import Drawer, app


@pytest.fixture
def drawer() -> Drawer:
    """A drawer of this test's own."""
    return Drawer()


@pytest.fixture
def shop(duetto_app: AppFactory, drawer: Drawer) -> AppUnderTest:
    """The till with that drawer."""
    return duetto_app(app, resources=[drawer])


@pytest.fixture
def the_loop_is_not_blocked() -> None:
    """Let the loop of an app under test wait for threads: it does so that a seed repeats all."""
