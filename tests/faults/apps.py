"""Apps for the tests of faults: in memory or in a file, and what they tell of themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import pytest

from duetto import App
from duetto.clock import Clock
from duetto.errors import DuettoError, RunFailed
from duetto.observer import Signal
from duetto.store import Store
from tests.faults.trade import SERVICES, TRACE, WORKFLOWS

S = TypeVar("S")


class Signals:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.seen: list[Signal] = []

    def note(self, signal: Signal, /) -> None:
        self.seen.append(signal)

    def of(self, kind: type[S]) -> list[S]:
        return [signal for signal in self.seen if isinstance(signal, kind)]


def an_app(
    store: str | Path | Store = "memory:",
    *,
    clock: Clock | None = None,
    observer: Signals | None = None,
    **options: Any,
) -> App:
    """Return the app of the tests, with nothing done yet."""
    TRACE.done.clear()
    TRACE.gives = None
    return App(
        "trade",
        services=options.pop("services", SERVICES),
        workflows=options.pop("workflows", WORKFLOWS),
        store=store,
        clock=clock,
        observer=observer or Signals(),
        **options,
    )


async def failure(app: App, workflow: Any, *args: Any, id: str = "r") -> BaseException:
    """Run a workflow that is to fail, and return the error that it failed with."""
    with pytest.raises(RunFailed) as caught:
        await app.run_async(workflow, *args, id=id)
    assert caught.value.__cause__ is not None
    return caught.value.__cause__


def in_grammar(error: BaseException) -> bool:
    """Does an error say what was found, what was expected and what to do?"""
    return isinstance(error, DuettoError) and all((error.found, error.expected, error.do))
