"""Say why a run waits: one exact sentence per resting token."""

from __future__ import annotations

from collections.abc import Callable

from duetto.kernel.fold import RunState
from duetto.model.definition import Definition
from duetto.model.view import Waiting


def waiting(state: RunState, definition: Callable[[str], Definition], now: int) -> list[Waiting]:
    """Return one sentence per token that rests here."""
    del definition, now
    return [
        Waiting(path, token.at, type(token.rest).__name__, repr(token.rest))
        for path, token in state.tokens.items()
    ]
