"""Named points of the product where a process may be made to die.

They are put into a process from outside; the product knows nothing of them.
"""

from __future__ import annotations

import inspect
import os
import signal
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from duetto.runtime import engine, runs
from duetto.runtime.attempts import Attempts
from duetto.runtime.desk import Desk
from duetto.runtime.host import Host
from duetto.runtime.suspects import Suspects
from duetto.stores.sqlite import store as sqlite
from duetto.stores.sqlite.store import SqliteStore

CHECKPOINT_PAGES = 20
"""So that a short run has checkpoints."""

Die = Callable[[], None]
Point = Callable[[Die], None]


def before(owner: Any, name: str, when: Callable[..., bool] | None = None) -> Point:
    """Die before a function is called (if the call is one that counts)."""
    return lambda die: _wrap(owner, name, die, when, first=True)


def after(owner: Any, name: str, when: Callable[..., bool] | None = None) -> Point:
    """Die after a function has returned."""
    return lambda die: _wrap(owner, name, die, when, first=False)


def _wrap(
    owner: Any, name: str, die: Die, when: Callable[..., bool] | None, *, first: bool
) -> None:
    original = getattr(owner, name)

    def reached(now: bool, args: Any) -> None:
        if now and (when is None or when(*args)):
            die()

    @wraps(original)
    def plain(*args: Any, **kwargs: Any) -> Any:
        reached(first, args)
        result = original(*args, **kwargs)
        reached(not first, args)
        return result

    @wraps(original)
    async def waiting(*args: Any, **kwargs: Any) -> Any:
        reached(first, args)
        result = await original(*args, **kwargs)
        reached(not first, args)
        return result

    setattr(owner, name, waiting if inspect.iscoroutinefunction(original) else plain)


def _has_work(desk: Any) -> bool:
    return bool(desk.batch)


ENDING: Mapping[str, Point] = {
    "before stop": before(engine.Engine, "stop"),
    "after stop": after(engine.Engine, "stop"),
}
"""Reached only when all runs have ended."""

PRODUCT: Mapping[str, Point] = {
    "before start": before(runs, "start"),
    "after start, not committed": after(runs, "start"),
    "before flush": before(Desk, "flush", _has_work),
    "before commit": before(SqliteStore, "commit"),
    "after commit, before watermark": before(SqliteStore, "_acknowledge"),
    "after commit, before acting": after(SqliteStore, "commit"),
    "after acting": after(Desk, "flush"),
    "before checkpoint": before(SqliteStore, "_checkpoint"),
    "after checkpoint": after(SqliteStore, "_checkpoint"),
    "before recovery": before(engine, "recover"),
    "in recovery, before deaths are counted": before(Suspects, "count"),
    "in recovery, deaths not committed": after(Suspects, "count"),
    "in recovery, before a run continues": before(runs, "_continue"),
    "after recovery": after(engine, "recover"),
    "before retry is written": before(Attempts, "again"),
    "after retry is written": after(Attempts, "again"),
    "before end of run": before(Host, "finish"),
    "after end of run, not committed": after(Host, "finish"),
}
"""Those of recovery need a process that died before."""


def die_at(point: Point, count: int) -> None:
    """Let this process kill itself when a point is reached for the count-th time."""
    left = count
    sqlite.CHECKPOINT_PAGES = CHECKPOINT_PAGES

    def die() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    point(die)
