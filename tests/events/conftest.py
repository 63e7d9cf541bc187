"""The warehouse, in one store and with a store for each service."""

from __future__ import annotations

import pytest

from duetto.testing import AppFactory, AppUnderTest
from tests.events.warehouse import Notes, app


@pytest.fixture
def notes() -> Notes:
    """What the handlers of this test do."""
    return Notes()


@pytest.fixture(params=[False, True], ids=["together", "apart"])
def warehouse(request: pytest.FixtureRequest, duetto_app: AppFactory, notes: Notes) -> AppUnderTest:
    """The warehouse."""
    return duetto_app(app, resources=[notes], apart=request.param)
