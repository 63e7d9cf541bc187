"""A definition that lacks a symbol here is linked once, however many runs ask for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from duetto import App, workflow
from duetto.authoring.symbols import Symbols
from duetto.errors import NotFound
from duetto.runtime.programs import Programs


def half(amount: int) -> int:
    return amount // 2


@workflow
async def halve(amount: int) -> int:
    return half(amount)


def test_a_symbol_that_is_missing_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    app, asked = App("halves", workflows=[halve]), list[str]()

    def missing(_: Symbols, name: str) -> Callable[..., object]:
        asked.append(name)
        raise NotFound(f"There is no {name}.")

    monkeypatch.setattr(Symbols, "resolve", missing)
    programs = Programs(list(app.workflows.values()), app.codec, Symbols(()))
    for _ in range(3):
        with pytest.raises(NotFound, match="half"):
            programs.program(programs.by_name["halve"])
    assert len(asked) == 1
