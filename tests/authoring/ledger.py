"""A service whose tasks write down what they did, and workflows that need no compiler."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from duetto.authoring import Service, Task, Workflow
from duetto.model.definition import Definition, Region

P = ParamSpec("P")
R = TypeVar("R")


class Declined(Exception):
    """A business error."""


class Ledger:
    """Tasks that append to `lines`: `do` is undone, `note` is not, `fail` raises."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.service = Service("ledger")
        self.gates: dict[str, asyncio.Event] = {}
        self.begun: dict[str, asyncio.Event] = {}
        self.do: Task[[str], str] = self.service.task(name="do")(self._do)
        self.do.compensate(name="undo")(self._undo)
        self.note: Task[[str], str] = self.service.task(name="note")(self._note)
        self.fail: Task[[str], str] = self.service.task(name="fail")(self._fail)
        self.wait: Task[[str], str] = self.service.task(name="wait")(self._wait)
        self.wait.compensate(name="unwait")(self._undo)

    def gate(self, name: str) -> asyncio.Event:
        """Return what `wait` waits for."""
        return self.gates.setdefault(name, asyncio.Event())

    def start(self, name: str) -> asyncio.Event:
        """Return what `wait` sets when it begins."""
        return self.begun.setdefault(name, asyncio.Event())

    async def _do(self, name: str) -> str:
        self.lines.append(name)
        return name.upper()

    async def _undo(self, result: str, name: str) -> None:
        self.lines.append(f"undo {name} {result}")

    async def _note(self, name: str) -> str:
        self.lines.append(name)
        return name.upper()

    async def _fail(self, name: str) -> str:
        raise Declined(name)

    async def _wait(self, name: str) -> str:
        self.start(name).set()
        await self.gate(name).wait()
        return await self._do(name)


def uncompiled(body: Callable[P, Coroutine[Any, Any, R]]) -> Workflow[P, R]:
    """Make a workflow of a body that uses variables of its test, which no compiler takes."""
    return Workflow(body, Definition("test", (Region(()),)), name="test")
