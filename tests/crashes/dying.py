"""The shop's command, made to die at a named point: `python -m tests.crashes.dying POINT N run …`.

The points are put into this process from outside; the product knows nothing of them.
"""

from __future__ import annotations

import inspect
import os
import signal
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from duetto.examples.shop import ledger
from duetto.examples.shop.__main__ import main
from duetto.examples.shop.report import UNDOING
from duetto.examples.shop.workshop import Premises
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


def before(owner: Any, name: str, when: Callable[..., bool] | None = None) -> Callable[[Die], None]:
    """Die before a function is called (if the call is one that counts)."""
    return lambda die: _wrap(owner, name, die, when, first=True)


def after(owner: Any, name: str, when: Callable[..., bool] | None = None) -> Callable[[Die], None]:
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


def _undoes(*args: Any) -> bool:
    return args[3] in UNDOING


def _does(*args: Any) -> bool:
    return args[3] not in UNDOING


def _has_work(desk: Any) -> bool:
    return bool(desk.batch)


POINTS: dict[str, Callable[[Die], None]] = {
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
    "body begun": after(Premises, "begin"),
    "before effect": before(Premises, "effect", _does),
    "after effect": after(Premises, "effect", _does),
    "before undoing effect": before(Premises, "effect", _undoes),
    "after undoing effect": after(Premises, "effect", _undoes),
    "effect committed, not exported": before(ledger.Export, "catch_up"),
    "before retry is written": before(Attempts, "again"),
    "after retry is written": after(Attempts, "again"),
    "before end of run": before(Host, "finish"),
    "after end of run, not committed": after(Host, "finish"),
    "before stop": before(engine.Engine, "stop"),
    "after stop": after(engine.Engine, "stop"),
}
"""Every named point; those of recovery need a process that died before."""

ENDING = ("before stop", "after stop")
"""Reached only when all orders have ended."""

OPENING_EXPORTS = 4
"""Each of four ledgers brings its export up to date when it opens; only then do orders come."""


def arm(point: str, count: int) -> None:
    """Let this process kill itself when a point is reached for the count-th time."""
    left = count + OPENING_EXPORTS * (point == "effect committed, not exported")
    sqlite.CHECKPOINT_PAGES = CHECKPOINT_PAGES

    def die() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    POINTS[point](die)


if __name__ == "__main__":
    arm(sys.argv[1], int(sys.argv[2]))
    main(sys.argv[3:])
