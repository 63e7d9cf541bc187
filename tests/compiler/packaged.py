"""A workflow in a module of a package."""

from __future__ import annotations

from duetto.authoring import workflow


@workflow
async def flow(number: int) -> int:
    """Return what it got."""
    return number
