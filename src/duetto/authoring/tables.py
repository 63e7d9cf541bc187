"""The tables of a service in the file of its store, for the bodies of handlers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from duetto.authoring.context import context
from duetto.errors import ConfigurationError

Row = tuple[Any, ...]
Select = Callable[[str, Sequence[object]], list[Row]]


class Tables:
    """Ask for them as for a resource: `*, tables: Tables = resource()`.

    What a handler executes is done when its body has ended, in the commit that has its event behind
    it and publishes what it returned: all of that, or nothing. Values are None, bytes, text,
    numbers; `?` stands for them in the SQL.
    """

    def __init__(self, select: Select) -> None:
        self._select = select

    def select(self, sql: str, *values: object) -> list[Row]:
        """Return the rows of a query, of what is committed: not what this body executes.

        Raises ValueRefused for what the database refuses.
        """
        return self._select(sql, values)

    def execute(self, sql: str, *values: object) -> None:
        """Execute a statement at the end of the body. What the database refuses is then its error,
        which is retried, and a dead letter in the end. Raises ConfigurationError in a task."""
        asked = context()
        if asked.statements is None:
            raise ConfigurationError(
                f"{asked.task} cannot execute a statement.",
                found="a task, or a compensation",
                expected="a handler of events: its tables change with the commit of its event",
                do="let a handler do it, or use a connection of your own with `context().key`",
            )
        asked.statements.append((sql, values))
