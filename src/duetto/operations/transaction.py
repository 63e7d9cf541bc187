"""The application's own transaction: statements on its tables and events, in one commit."""

from __future__ import annotations

from duetto.authoring.tables import Row, Select
from duetto.store import Statement


class Transaction:
    """What is to be done together. Nothing is until its block has ended."""

    def __init__(self, select: Select) -> None:
        self._select = select
        self.statements: list[Statement] = []
        self.events: list[object] = []
        self.published: list[str] = []
        """The names of the events, once all of it is durable."""

    def select(self, sql: str, *values: object) -> list[Row]:
        """Return the rows of a query, of what is committed. Raises ValueRefused."""
        return self._select(sql, values)

    def execute(self, sql: str, *values: object) -> None:
        """Execute a statement in the commit."""
        self.statements.append((sql, values))

    def publish(self, event: object) -> None:
        """Publish an event in the commit."""
        self.events.append(event)
