"""Crashes that a test plans: at a task, or at a commit, the process dies and starts again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast

from duetto.authoring.task import Task
from duetto.errors import ConfigurationError, NotFound, StoreFailed
from duetto.store import Batch, Store
from duetto.stores.memory import MemoryStore

__tracebackhide__ = True  # a reader of a failed test looks for a line of their own

When = Literal["before", "after"]


@dataclass(slots=True)
class Planned:
    """A crash that is to come once `left` more things have happened."""

    what: str
    left: int
    kept: bool = False


class Crashes:
    """The crashes of a test: each comes once. The runs go on in the process that starts next."""

    def __init__(self, known: Callable[[], Collection[str]] = tuple) -> None:
        self.count = 0
        """How many have come."""
        self._known = known
        self._planned: list[Planned] = []

    def before(self, task: str | Task[..., Any], *, call: int = 1) -> None:
        """Die as a task is about to run, at its `call`-th attempt from now on."""
        self._plan(f"before {self._name(task)}", call)

    def after(self, task: str | Task[..., Any], *, call: int = 1) -> None:
        """Die when a task has had its effect and nothing tells of it yet, at its `call`-th."""
        self._plan(f"after {self._name(task)}", call)

    def at_commit(self, number: int, *, kept: bool = False) -> None:
        """Die at the `number`-th commit from now on: it is lost, or kept and never acted upon."""
        self._plan("commit", number, kept=kept)

    def _name(self, task: str | Task[..., Any]) -> str:
        """Return the name of a task; one that no app has is refused, once there is an app."""
        name = task if isinstance(task, str) else task.qualified
        known = self._known()
        if known and name not in known:
            raise NotFound.named("task", name, known, do="make the app that has it first")
        return name

    def _plan(self, what: str, number: int, *, kept: bool = False) -> None:
        if number < 1:
            raise ConfigurationError(
                "A crash is planned for what never comes.",
                found=f"{what}, number {number}",
                expected="a number of 1 or more",
            )
        self._planned.append(Planned(what, number, kept))

    @property
    def planned(self) -> tuple[str, ...]:
        """What was planned and has not come."""
        return tuple(each.what for each in self._planned)

    def forget(self) -> None:
        """Plan no crash any more."""
        self._planned.clear()

    async def at_task(self, when: When, task: str, die: Callable[[], None]) -> None:
        """Die here if that is planned; then this never returns."""
        if self.take(f"{when} {task}") is not None:
            die()
            await self.nothing_more()

    async def nothing_more(self) -> None:
        """Wait, in a process that has died, for the end of its loop's tasks."""
        await asyncio.get_running_loop().create_future()

    def take(self, what: str) -> Planned | None:
        """Count one thing that happens; return the crash that was planned for it."""
        found: Planned | None = None
        for each in [each for each in self._planned if each.what == what]:
            each.left -= 1
            if each.left == 0:
                self._planned.remove(each)
                self.count += 1
                found = each
        return found


@dataclass(frozen=True, slots=True)
class Death:
    """The process dies of a commit, which is `kept` or not, and is back after a time."""

    kept: bool
    away_s: float = 0.0


class Mortal(Protocol):
    """The process that lives by some stores."""

    def fate(self, host: int) -> Death | None:
        """Say whether it dies of the commit that a host is about to make."""
        ...

    def kept(self, host: int, batch: Batch) -> None:
        """Hear that a commit is durable."""
        ...

    def die(self, away_s: float = 0.0) -> None:
        """End at once, and be back after a time."""
        ...


class MortalStore:
    """A store as one life of a process has it: with that process it ends."""

    def __init__(self, store: MemoryStore, host: int, process: Mortal) -> None:
        self._store, self._host, self._process = store, host, process
        self.dead = False

    def commit(self, batch: Batch) -> None:
        """Keep a batch, or die of it."""
        if self.dead:
            raise StoreFailed("the process has died")
        death = self._process.fate(self._host)
        if death is None or death.kept:
            self._store.commit(batch)
            self._process.kept(self._host, batch)
        if death is not None:
            self._process.die(death.away_s)
            raise StoreFailed("the process has died")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @property
    def as_store(self) -> Store:
        """This, as the contract that it keeps: all but `commit` is the store's own."""
        return cast("Store", self)
