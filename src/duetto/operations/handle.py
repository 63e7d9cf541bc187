"""A run, as the one who started it holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar, cast

if TYPE_CHECKING:
    from duetto.model.view import RunView
    from duetto.operations.operations import Operations

R = TypeVar("R")


class Handle(Generic[R]):
    """`id` names the run."""

    def __init__(self, operations: Operations, id: str) -> None:
        self._operations, self.id = operations, id

    async def result(self) -> R:
        """Return the result once there is one. Raises RunFailed or RunCancelled."""
        return cast("R", await self._operations.result(self.id))

    def status(self) -> RunView:
        """Return the run as it is now."""
        return self._operations.show(self.id)

    async def cancel(self) -> None:
        """Cancel the run: it compensates what it did, and ends."""
        await self._operations.cancel(self.id)
