"""What took effect, counted by idempotency key, apart from all that Duetto records itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from duetto.authoring.task import Task
from duetto.runtime.attempt import UNDO_SUFFIX
from duetto.testing.tasks import Call

__tracebackhide__ = True  # a reader of a failed test looks for a line of their own

Find = Callable[[str], None]
"""Raises NotFound for a run that there is not: of a misspelt one nothing ever took effect."""


class Ledger:
    """The bodies that ended without an error, in order, those of compensations too.

    Whoever asks for a run that there is not gets NotFound.
    """

    def __init__(self, find: Find) -> None:
        self._find = find
        self.entries: list[Call] = []

    def effects(self, run: str) -> list[str]:
        """Return the tasks of a run that took effect, in order, each key once."""
        return [call.task for call in self.by_key(run).values()]

    def standing(self, run: str) -> list[str]:
        """Return the tasks of a run that took effect, and were not undone."""
        found = self.by_key(run)
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
        return [call.task for key, call in self.by_key(run).items() if times[key] > 1]

    def assert_order(self, run: str, *tasks: str | Task[..., Any]) -> None:
        """Raise AssertionError unless these took effect in this order; others may lie between.

        So a test need not know in which order the branches of a gather come.
        """
        effects = self.effects(run)
        names = [task if isinstance(task, str) else task.qualified for task in tasks]
        left = iter(effects)
        missing = next((name for name in names if name not in left), None)
        if missing is not None:
            raise AssertionError(
                f"The tasks of {run} did not take effect in this order: {missing} "
                + ("comes too early." if missing in effects else "took no effect.")
                + f"\n  found     {', '.join(effects) or 'no effects'}"
                f"\n  expected  {', then '.join(names)}"
            )

    def by_key(self, run: str) -> dict[str, Call]:
        """Return the first effect of a run under each key, in order."""
        self._find(run)
        found: dict[str, Call] = {}
        for call in self.entries:
            if call.run == run:
                found.setdefault(call.key, call)
        return found
