"""The disk under a simulated host: it outlives processes, and bits of it may flip."""

from __future__ import annotations

from collections.abc import Callable

from duetto.stores.memory import MemoryStore


class Disk(MemoryStore):
    """A store in memory whose records may go bad, and be mended."""

    def reopen(self) -> None:
        """Forget what was found damaged: a process finds it for itself."""
        self._damaged.clear()

    def leftovers(self) -> list[int]:
        """Return the numbers of the runs of which there are records."""
        return sorted(self._journal)

    def damage(self, rid: int) -> Callable[[], None]:
        """Flip a bit of the last record of a run; return what mends it."""
        records = self._journal[rid]
        position, sealed = len(records) - 1, records[-1]
        records[position] = bytes((sealed[0] ^ 1,)) + sealed[1:]

        def mend() -> None:
            records[position] = sealed

        return mend
