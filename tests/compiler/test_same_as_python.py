"""A compiled run gives what the function gives when Python itself runs it."""

from __future__ import annotations

from typing import Any

import pytest

from duetto.app import App
from duetto.authoring import Workflow
from tests.compiler import flows

FLOWS: list[Workflow[[int], Any]] = [flows.errors, flows.forks, flows.turns, flows.values]


@pytest.mark.parametrize("flow", [pytest.param(flow, id=flow.name) for flow in FLOWS])
async def test_a_run_gives_what_python_gives(flow: Workflow[[int], Any]) -> None:
    expected = await flow(4)
    app = App("same", services=[flows.service], workflows=[*FLOWS, flows.tail], store="memory:")
    async with app:
        assert await app.run_async(flow, 4) == expected
