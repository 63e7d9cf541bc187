"""What looks like a guard, and is none: nothing changes without it, for a reason that is given."""

from __future__ import annotations

from random import Random
from typing import Any

from msgspec.structs import replace

from duetto.kernel import advance as advancing
from duetto.kernel.fold import RunState
from duetto.kernel.walk import Walk
from duetto.model.token import OnUndo
from duetto.runtime import starting
from duetto.runtime.desk import Desk
from duetto.runtime.host import Host
from duetto.runtime.suspects import Suspects
from duetto.stores.sqlite import SqliteStore
from tests.sabotage.switching import Guards

GUARDS = Guards()

DICE = Random(37)


@GUARDS.around(
    Host,
    "wake",
    rule="17",
    because="what a timer does follows from the state of its token and from the time, so one that "
    "was armed for an earlier step finds nothing to do, and arms itself again at most",
)
def stale_timer(original: Any, host: Host, run_id: str, path: str, step: int) -> None:
    """A timer that was armed for an earlier step is not told from today's."""
    run = host.runs.get(run_id)
    token = run.tokens.get(path) if run is not None else None
    original(host, run_id, path, step if token is None else token.step)


@GUARDS.around(
    Host,
    "cancel",
    rule="15",
    because="a cancel is a state: a token that has it already was interrupted by it, or is "
    "shielded, and is so still",
)
def second_cancel(original: Any, host: Host, run: RunState, path: str) -> None:
    """A second cancel is given to a token that is cancelled."""
    token = run.tokens.get(path)
    if token is not None and token.cancelled:
        run.tokens[path] = replace(token, cancelled=False)
        original(host, run, path)
        after = run.tokens.get(path)
        if after is not None and after.rest == token.rest:
            run.tokens[path] = replace(after, cancelled=True)
    else:
        original(host, run, path)


@GUARDS.around(
    advancing,
    "_interrupt",
    rule="15",
    because="the innermost frame of a token that undoes is the one that unwinds, and it shields",
)
def undo_uninterrupted(original: Any, walk: Walk, *, begun: bool = True) -> None:
    """A token that undoes is asked whether something interrupts it."""
    if isinstance(walk.token.rest, OnUndo):
        walk.rest = walk.token.rest
        raising = walk.interruption()
        walk.rest = walk.token.rest
        if raising is not None:
            walk.rest = None
            advancing.leave(walk, raising)
    else:
        original(walk, begun=begun)


@GUARDS.around(
    Desk,
    "hold",
    rule="7",
    kinds=("choices", "crashes", "tasks"),
    because="a message whose arrival is not written is sent again each second and joins the first, "
    "and what a death hides counts as begun; written early, it only saves those messages",
)
def slow_arrival(original: Any, desk: Desk, write: Any) -> None:
    """The arrival at a slow task is written with its end only."""
    if desk.died:
        original(desk, write)


@GUARDS.around(
    Suspects,
    "count",
    rule="22",
    because="nothing that is taken up again runs before the commit that has its count; the commit "
    "before that is for what kills a process in an expression, of which the simulator has none",
)
def counted_first(original: Any, suspects: Any) -> None:
    """The deaths of what was in hand are written with what begins again, not before it."""
    original(suspects)
    host = suspects._host

    def not_yet() -> None:
        del host.flush

    host.flush = not_yet


@GUARDS.everywhere(
    starting.run_id,
    rule="37",
    kinds=("mailboxes",),
    because="a start shares a commit with the watermark of its event, so that within one store no "
    "event comes to it twice; it is for what is replayed, or comes to several stores",
)
def run_id(original: Any, workflow: str, event: str) -> str:
    """A run that an event starts has an id by chance."""
    return f"{original(workflow, event)}{DICE.random()}"


@GUARDS.around(
    SqliteStore,
    "_check_writable",
    rule="sync",
    kinds=("broken", "power"),
    because="SQLite writes again what a sync failed for, since neither the end of its log nor its "
    "checkpoint moved on; the store does not rely on that",
)
def writes_end(original: Any, store: Any) -> None:
    """A store goes on writing after a sync has failed."""
