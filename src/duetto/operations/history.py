"""Read a journal as a history."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from duetto.model.definition import Definition
from duetto.model.record import Record
from duetto.model.view import Fact


def facts(records: Iterable[Record], definition: Callable[[str], Definition]) -> list[Fact]:
    """Return what happened, for people."""
    del definition
    return [Fact(record.at, record.path, "", type(record).__name__, "") for record in records]
