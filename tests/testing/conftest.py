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
