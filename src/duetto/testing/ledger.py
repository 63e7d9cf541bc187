"""What took effect, counted by idempotency key, apart from all that Duetto records itself."""

from __future__ import annotations

from collections import Counter

from duetto.runtime.attempts import UNDO_SUFFIX
from duetto.testing.tasks import Call


class Ledger:
    """The bodies that ended without an error, in order, those of compensations too."""

    def __init__(self) -> None:
        self.entries: list[Call] = []

    def effects(self, run: str) -> list[str]:
        """Return the tasks of a run that took effect, in order, each key once."""
        return [call.task for call in self._by_key(run).values()]

    def standing(self, run: str) -> list[str]:
        """Return the tasks of a run that took effect, and were not undone."""
        found = self._by_key(run)
        return [
            call.task
            for key, call in found.items()
            if not key.endswith(UNDO_SUFFIX) and key + UNDO_SUFFIX not in found
        ]

    def repeated(self, run: str) -> list[str]:
        """Return the tasks of a run whose bodies ended more than once under one key.

        A crash between an effect and its commit repeats it; by the key a service notices.
        """
        times = Counter(call.key for call in self.entries)
        return [call.task for key, call in self._by_key(run).items() if times[key] > 1]

    def _by_key(self, run: str) -> dict[str, Call]:
        found: dict[str, Call] = {}
        for call in self.entries:
            if call.run == run:
                found.setdefault(call.key, call)
        return found
