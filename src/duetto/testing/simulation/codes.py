"""The code that a process runs: its tasks, and the workflows that it knows by itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

from msgspec import Struct
from msgspec.structs import replace

from duetto.authoring.symbols import Symbols
from duetto.codecs import MsgpackCodec
from duetto.model.definition import Definition, encode
from duetto.runtime.programs import Programs
from duetto.runtime.tasks import TaskHandle, handles
from duetto.testing.simulation import blocks
from duetto.testing.simulation.faults import (
    CodeChangesTask,
    CodeFault,
    CodeIsNewer,
    CodeIsOlder,
    CodeLacksTask,
)
from duetto.testing.simulation.graphs import Compiled, compiled
from duetto.testing.simulation.scenario import Scenario
from duetto.testing.simulation.services import CHANGED, TASKS

SYMBOLS = Symbols(())
CODEC = MsgpackCodec(SYMBOLS)
HANDLES: dict[str, TaskHandle] = handles(list(TASKS), CODEC)

Fetch = Callable[[str], bytes | None]


@lru_cache
def without(task: str) -> dict[str, TaskHandle]:
    """Return the tasks of code that lacks one, and its compensation with it."""
    undo = HANDLES[task].undo
    gone = {task, undo.name if undo is not None else task}
    return {name: handle for name, handle in HANDLES.items() if name not in gone}


@lru_cache
def with_changed(task: str) -> dict[str, TaskHandle]:
    """Return the tasks of code in which one takes an argument more."""
    other = handles(list(CHANGED.values()), CODEC)
    return {**HANDLES, task: other[task]}


def newer(block: blocks.Block) -> blocks.Block:
    """Return what a workflow became in newer code: it computes something else at the same nodes."""
    return blocks.Sequence((blocks.Set("y", "x", "z", 1), _other(block)))


def _other(block: Any) -> Any:
    """Return the same blocks, in which each `Set` gives another value."""
    if isinstance(block, blocks.Set):
        return replace(block, add=block.add + 1)
    changed: dict[str, object] = {}
    for name in block.__struct_fields__:
        value = getattr(block, name)
        if isinstance(value, Struct):
            changed[name] = _other(value)
        elif isinstance(value, tuple):
            changed[name] = tuple(map(_other, cast("tuple[object, ...]", value)))
    return replace(block, **changed)


class Codes:
    """The codes of one scenario; definitions are linked once for all processes."""

    codec = CODEC

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self.today = self._compiled(scenario.block)
        self._shared: Programs | None = None
        self._newer: Compiled | None = None
        """What newer code has, once there was some."""

    def definition(self, name: str) -> Definition:
        """Return a definition of today's or of newer code."""
        found = self.today.definitions.get(name)
        if found is None:
            assert self._newer is not None, "no other code has run"
            found = self._newer.definitions[name]
        return found

    def _compiled(self, block: blocks.Block) -> Compiled:
        return compiled(block, home=self._scenario.home, typed=self._scenario.typed)

    def knows(self, name: str) -> CodeFault | None:
        """Return the code that knows a definition, if that is not today's."""
        if name in self.today.definitions:
            return None  # newer code may have it too, and not what calls it
        if self._newer is None or name not in self._newer.definitions:
            return None
        return CodeIsNewer(0, 0.0, 0.0)

    def tasks(self, fault: CodeFault | None) -> dict[str, TaskHandle]:
        """Return the tasks of the code that a fault brings, or of today's."""
        match fault:
            case CodeLacksTask(task=task):
                return without(task)
            case CodeChangesTask(task=task):
                return with_changed(task)
            case _:
                return HANDLES

    def programs(self, fault: CodeFault | None, fetch: Fetch) -> tuple[Programs, str]:
        """Return the definitions that a process knows, and the digest of its workflow, if it
        knows one; `fetch` reads its own store."""
        match fault:
            case CodeIsOlder():
                return _programs({}, fetch), ""
            case CodeIsNewer():
                found = self._newer = self._compiled(newer(self._scenario.block))
                return _programs(_encoded(found), fetch), found.root
            case _ if self._newer is not None:
                return _programs(_encoded(self.today), fetch), self.today.root
            case _:
                if self._shared is None:
                    self._shared = _programs(_encoded(self.today))
                return self._shared, self.today.root


def _encoded(compiled: Compiled) -> dict[str, bytes]:
    return {name: encode(each) for name, each in compiled.definitions.items()}


def _programs(encoded: dict[str, bytes], *fetches: Fetch) -> Programs:
    programs = Programs((), CODEC, SYMBOLS)
    for fetch in (encoded.get, *fetches):
        programs.fetch_from(fetch)
    return programs
