"""What a failed test shows: errors at the user's own line, and what happened in the runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import duetto
from duetto.clock import Clock
from duetto.errors import DuettoError
from duetto.model.view import Fact
from duetto.operations import Operations
from duetto.operations.phrases import clock as spelled
from duetto.operations.phrases import named
from duetto.store import Query
from duetto.testing.simulation.loop import Stalled

R = TypeVar("R")

__tracebackhide__ = True  # a reader of a failed test looks for a line of their own

RUNS_MAX = 10
"""Runs in the report of a failure: what matters is among the newest."""

HISTORIES_MAX = 3
"""Of so many the history is told as well."""

FACTS_MAX = 25
"""Facts of a history: what went wrong is among the last."""

HERE = str(Path(duetto.__file__).parent)


def plainly(act: Callable[[], R], *, raised: Iterable[BaseException] = ()) -> R:
    """Act; what Duetto refuses is raised here, where its caller reads it, without its own frames.

    Where the cause of it is an error that a body raised, it gets the traceback of that back.
    """
    try:
        return act()
    except (DuettoError, Stalled) as error:
        cause = error.__cause__
        if cause is not None and cause.__traceback__ is None:
            cause.__traceback__ = next(
                (
                    users_part(one.__traceback__)
                    for one in reversed(list(raised))
                    if type(one) is type(cause) and str(one) == str(cause)
                ),
                None,
            )
        raise error.with_traceback(None) from cause


def users_part(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback from its first frame that is none of Duetto's."""
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(HERE):
        trace = trace.tb_next
    return trace


def described(operations: Operations, clock: Clock) -> list[str]:
    """Return how the newest runs ended or why they wait, and what happened in the last of them."""
    runs = operations.list(Query(limit=RUNS_MAX))
    found: list[str] = []
    for number, run in reversed(list(enumerate(runs))):
        found += [one.text for one in operations.explain(run.id)]
        if number < HISTORIES_MAX:
            found += told(operations.history(run.id), clock.now_ms())
    return found


def told(facts: Sequence[Fact], now_ms: int) -> list[str]:
    """Return the last facts of a history, a line each."""
    left_out = len(facts) - FACTS_MAX
    lines = [f"    … {left_out} more"] if left_out > 0 else []
    for fact in facts[-FACTS_MAX:]:
        where = f"{named(fact.participant)} {fact.path}"
        lines.append(f"    {spelled(fact.at, now_ms)}  {where:<20}  {fact.text}")
    return lines


def not_in_history(id: str, facts: Sequence[Fact], texts: Iterable[str]) -> str | None:
    """Return what to say of the first text that no sentence has, in this order; None if all are."""
    wanted, left = list(texts), iter(facts)
    for number, text in enumerate(wanted):
        if not any(text in fact.text for fact in left):
            behind = f"behind `{wanted[number - 1]}`" if number else "in it"
            found = "".join(f"\n    {fact.text}" for fact in facts) or " nothing"
            return (
                f"The history of {id} does not tell of this.\n  expected  `{text}` {behind}"
                f"\n  found    {found}"
            )
    return None
