"""Guards of how a token walks, forks and turns round: rules 5, 6, and 8 to 17."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from msgspec.structs import replace

from duetto.kernel import advance as advancing
from duetto.kernel import fold, fork, scopes
from duetto.kernel.fold import RunState
from duetto.kernel.walk import Walk
from duetto.model.definition import Race
from duetto.model.message import Message
from duetto.model.record import AttemptFailed
from duetto.model.token import (
    ROOT,
    Entry,
    Failed,
    OnChildren,
    Outcome,
    Raising,
    Stopped,
    extended,
    parent_of,
)
from duetto.runtime.attempts import Attempts, is_unknown
from duetto.runtime.exchange import Exchange
from duetto.runtime.host import Host
from duetto.runtime.undoing import Undoing, Unsettled
from tests.sabotage.switching import Guards, around, everywhere

GUARDS = Guards()

# -- undoing


@GUARDS.around(scopes, "_scope", rule="5")
def inner_entries(original: Any, walk: Walk, index: int) -> Any:
    """Leaving an inner saga drops what it would have to undo."""
    scope = original(walk, index)
    return replace(scope, keep=False) if scope.kind == "saga" else scope


@GUARDS.around(scopes, "_scope", rule="5")
def keep_false(original: Any, walk: Walk, index: int) -> Any:
    """`keep=False` keeps it."""
    return replace(original(walk, index), keep=True)


@GUARDS.around(Undoing, "settle", rule="6")
def unknown_settled(
    original: Any,
    undoing: Undoing,
    run: RunState,
    entry: Entry,
    handle: Any,
    then: Any,
    args: bytes = b"",
) -> None:
    """An interrupted task of which nothing is stored has had no effect."""
    if entry.unknown and undoing.key(run, entry.path, entry.step) is None:
        then(Stopped(), args)
    else:
        original(undoing, run, entry, handle, then, args)


@GUARDS.around(Undoing, "settle", rule="6")
def let_it_end(
    original: Any,
    undoing: Undoing,
    run: RunState,
    entry: Entry,
    handle: Any,
    then: Any,
    args: bytes = b"",
) -> None:
    """An interrupted task that runs still is not waited for."""
    place = (run.id, entry.path, entry.step)
    running = undoing.attempts.running.pop(place, None)
    original(undoing, run, entry, handle, then, args)
    if running is not None:
        undoing.attempts.running.setdefault(place, running)


@GUARDS.around(advancing, "_note_unknown", rule="6")
def interrupted_entry(original: Any, walk: Walk) -> None:
    """An interrupted task leaves nothing to undo."""


@GUARDS.around(Undoing, "settle", rule="6", kinds=("tasks", "operators", "everything"))
def unknown_parks(
    original: Any,
    undoing: Undoing,
    run: RunState,
    entry: Entry,
    handle: Any,
    then: Any,
    args: bytes = b"",
) -> None:
    """What stays unknown has had no effect."""

    def settled(outcome: Outcome | Unsettled, packed: bytes) -> None:
        then(Stopped() if isinstance(outcome, Unsettled) else outcome, packed)

    original(undoing, run, entry, handle, settled, args)


@GUARDS.around(Host, "_keep_arguments", rule="6")
def kept_arguments(original: Any, host: Host, *token: Any) -> None:
    """The arguments of an interrupted task are not kept for whoever settles it."""


@GUARDS.around(Attempts, "settled", rule="6")
def told_of_the_end(original: Any, attempts: Attempts, place: Any) -> None:
    """Who waits for the end of an interrupted task is not told of it."""


@GUARDS.around(Attempts, "keep_key", rule="6")
def late_key_row(
    original: Any,
    attempts: Attempts,
    attempt: Any,
    outcome: Outcome,
    sent: tuple[Message, ...] = (),
    *,
    unknown: bool = False,
) -> None:
    """How a task ended that nobody waited for any more is not written."""
    if sent:
        original(attempts, attempt, outcome, sent, unknown=unknown)


@GUARDS.everywhere(is_unknown, rule="6")
def timed_out(original: Any, *attempt: Any) -> bool:
    """A task that exceeded its time has had no effect."""
    return False


@GUARDS.around(fold, "_attempt", rule="6", kinds=("tasks", "operators", "everything", "choices"))
def cut_off_before(original: Any, state: RunState, record: AttemptFailed) -> None:
    """A task that exceeded its time, and then failed in another way, has had no effect."""
    original(state, record)
    if state.peek("cut_off"):
        state.cut_off.clear()


@GUARDS.around(fork, "_inherit", rule="8")
def undo_order(original: Any, walk: Walk, undo: tuple[Entry, ...]) -> None:
    """A branch's list is walked from its beginning."""
    original(walk, undo[::-1])


@GUARDS.around(Host, "join_if_complete", rule="8")
def join_order(original: Any, host: Host, run: RunState, parent: str) -> None:
    """Lists of branches are joined in the order in which they ended."""
    order = list(run.peek("reports").get(parent, ()))

    def join(joined: Any, walk: Walk, outcomes: Any) -> None:
        if len(order) == len(outcomes) and not isinstance(walk.linked.node, Race):
            for index in order:
                walk.undo = extended(walk.undo, outcomes[index].undo)
            outcomes = tuple(replace(outcome, undo=()) for outcome in outcomes)
        joined(walk, outcomes)

    with around(advancing, "join", join)():
        original(host, run, parent)


# -- concurrency


@GUARDS.around(fork, "_decides", rule="10", kinds=("placements", "choices"))
def gather_waits(original: Any, node: Any, failed: bool) -> bool:
    """The first failure decides a gather that is to wait for all."""
    return failed or original(node, failed)


@GUARDS.around(advancing, "join", rule="10", kinds=("placements", "choices"))
def lowest_error(original: Any, walk: Walk, outcomes: tuple[Outcome, ...]) -> None:
    """A gather raises the error of its highest index."""
    rest = walk.rest or walk.token.rest
    failed = [i for i, outcome in enumerate(outcomes) if isinstance(outcome, Failed)]
    if len(failed) > 1 and isinstance(rest, OnChildren) and rest.decided < 0:
        last = outcomes[failed[-1]]
        assert isinstance(last, Failed)
        first = Failed(last.error, outcomes[failed[0]].undo)
        outcomes = (*outcomes[: failed[0]], first, *outcomes[failed[0] + 1 :])
    original(walk, outcomes)


@GUARDS.around(Host, "join_if_complete", rule="12")
def join_waits(original: Any, host: Host, run: RunState, parent: str) -> None:
    """A parent that has decided, or was interrupted, does not wait for the other reports."""
    token = run.tokens.get(parent)
    if token is not None and isinstance(token.rest, OnChildren):
        rest = token.rest
        if rest.decided >= 0 or rest.interrupt is not None:
            rows = run.reports.setdefault(parent, {})
            for index in range(rest.total):
                rows.setdefault(index, Stopped())
            run.tokens[parent] = replace(token, rest=replace(rest, ended=rest.total))
    original(host, run, parent)


@GUARDS.switch(rule="12")
def first_decision() -> Generator[None]:
    """A later end decides again."""

    def again(original: Any, walk: Walk, index: int, failed: bool) -> None:
        rest = walk.token.rest
        if isinstance(rest, OnChildren) and rest.decided >= 0:
            walk.token = replace(walk.token, rest=replace(rest, decided=-1))
        original(walk, index, failed)

    def never(original: Any, *args: Any) -> bool:
        return False

    with around(advancing, "reported", again)(), everywhere(fork.only_counts, never)():
        yield


@GUARDS.around(fork, "_join_race", rule="13")
def race_undo(original: Any, walk: Walk, node: Any, rest: OnChildren, outcomes: Any) -> None:
    """What the losers of a race have done stays done."""
    kept = tuple(
        outcome if index == rest.decided else replace(outcome, undo=())
        for index, outcome in enumerate(outcomes)
    )
    original(walk, node, rest, kept)


@GUARDS.around(fork, "_join_race", rule="13")
def winner_kept(original: Any, walk: Walk, node: Any, rest: OnChildren, outcomes: Any) -> None:
    """What the winner of a race has done cannot be undone any more."""
    kept = tuple(
        replace(outcome, undo=()) if index == rest.decided else outcome
        for index, outcome in enumerate(outcomes)
    )
    original(walk, node, rest, kept)


@GUARDS.around(fork, "_child", rule="13")
def branch_is_saga(original: Any, *args: Any) -> Any:
    """A branch of a race that fails leaves to its parent what it should undo itself."""
    return replace(original(*args), frames=())


@GUARDS.around(fork, "root", rule="13")
def called_is_saga(original: Any, *args: Any) -> Any:
    """A called workflow that fails leaves to its caller what it should undo itself."""
    token = original(*args)
    return token if token.path == "/" else replace(token, frames=())


@GUARDS.around(fork, "_decides", rule="13")
def error_wins(original: Any, node: Any, failed: bool) -> bool:
    """A branch of a race that fails does not end it."""
    return original(node, failed) and not (failed and isinstance(node, Race))


# -- interruption


@GUARDS.around(Walk, "interruption", rule="15")
def level(original: Any, walk: Walk) -> Raising | None:
    """A cancel is a signal: it interrupts what a token does at that moment, or nothing."""
    raising = original(walk)
    if raising is not None and raising.interrupt == 0 and walk.token.cancelled:
        return None
    return raising


@GUARDS.around(Walk, "interruption", rule="15")
def shield(original: Any, walk: Walk) -> Raising | None:
    """`finally` bodies and compensations are interrupted."""
    frames = walk.frames
    walk.frames = tuple(replace(frame, pending=None) for frame in frames)
    try:
        return original(walk)
    finally:
        walk.frames = frames


@GUARDS.around(Walk, "interruption", rule="15")
def timeouts_of_their_own(original: Any, walk: Walk) -> Raising | None:
    """A timeout within a `finally` body does not interrupt it."""
    shielded = any(frame.pending for frame in walk.frames)
    return None if shielded else original(walk)


@GUARDS.around(scopes, "_caught", rule="15")
def not_caught(original: Any, walk: Walk, scope: Any, raising: Raising) -> bool:
    """A handler within a timeout catches it."""
    return original(walk, scope, replace(raising, interrupt=-1))


@GUARDS.around(advancing, "interrupt_children", rule="17")
def join_interrupted(original: Any, walk: Walk, rest: OnChildren, raising: Raising) -> None:
    """A parent at a join goes on waiting when its deadline has passed."""
    walk.rest = rest


@GUARDS.switch(rule="12")
def report_once() -> Generator[None]:
    """A report that comes twice counts twice."""

    def forgotten(original: Any, some: Any, run: RunState, path: str, outcome: Outcome) -> None:
        if path != ROOT:
            parent, _, index = parent_of(path)
            run.reports.get(parent, {}).pop(index, None)
        original(some, run, path, outcome)

    def incomplete(original: Any, host: Host, run: RunState, parent: str) -> None:
        token = run.tokens.get(parent)
        rest = token.rest if token is not None else None
        if isinstance(rest, OnChildren) and rest.ended >= rest.total:
            rows = run.reports.setdefault(parent, {})
            for index in range(rest.total):
                rows.setdefault(index, Stopped())
        original(host, run, parent)

    with (
        around(Host, "reported", forgotten)(),
        around(Exchange, "_reported", forgotten)(),
        around(Host, "join_if_complete", incomplete)(),
    ):
        yield
