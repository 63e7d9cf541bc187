"""Find the task that kills its process: what was in hand at several deaths is taken up alone.

At a death everything in hand looks the same, the culprit and those beside it. So after a few
deaths in a row they are begun one at a time, each with its count raised and committed before: a
further death is counted for the one in hand alone, and the innocent are cleared by their ends.
Each host looks for itself: where several share a process, each has one in hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from duetto.errors import DuettoError
from duetto.kernel import fold
from duetto.kernel.fold import RunState
from duetto.model.definition import Task
from duetto.model.record import InHand
from duetto.model.token import OnTask, OnUndo, Token
from duetto.runtime.host import Host

DEATHS_MAX = 5
"""Deaths of its process with a task in hand; above them it is parked: it may be what kills it."""

SUSPECTED = 2
"""Deaths from which on it is taken up alone: fewer would slow down each ordinary recovery."""

LOOK_S = 0.002
"""How often a suspect that runs alone is looked at: most tasks end within a few looks."""

ALONE_LOOKS_MAX = 500
"""About a second: a longer task no longer holds up the others."""


class Suspects:
    """The suspects of one host, from its recovery on."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._waiting: list[tuple[RunState, Token]] = []
        self._places: set[tuple[str, str]] = set()

    def count(self) -> None:
        """Count a death for what was in hand, and keep back what has several."""
        for run, token in list(in_hand(self._host)):
            if run.deaths.get(token.path, 0) < SUSPECTED:
                self._raise(run, token)
            else:
                self._waiting.append((run, token))
                self._places.add((run.id, token.path))
        # The least blamed is last, and so begun first: short lives spread their blame, and what
        # kills is reached when the others have ended.
        chance = self._host.clock.random
        self._waiting.sort(key=lambda w: (-w[0].deaths.get(w[1].path, 0), chance()))

    def holds(self, run: RunState, path: str) -> bool:
        """Return whether a token is kept back."""
        return (run.id, path) in self._places

    def begin(self) -> None:
        """Begin the next suspect, in the commit that raises its count; none where a host stops."""
        host = self._host
        while self._waiting and not host.stopping and host.failure is None:
            run, token = self._waiting.pop()
            current = waiting_as(run, token)
            if current is None:
                continue  # interrupted or retried meanwhile
            deaths = self._raise(run, token)
            if deaths > DEATHS_MAX:
                reason = f"its process died {deaths} times while this task was in hand"
                host.park(run, current, reason)
                continue
            host.begin_due(run, current)
            begun = run.tokens.get(token.path, current)
            host.after_commit(partial(self._look, run, begun, ALONE_LOOKS_MAX))
            return

    def _look(self, run: RunState, token: Token, looks: int) -> None:
        if looks and waiting_as(run, token) is not None:
            self._host.loop.call_later(LOOK_S, self._look, run, token, looks - 1)
        else:
            self.begin()

    def _raise(self, run: RunState, token: Token) -> int:
        deaths = run.deaths.get(token.path, 0) + 1
        record = InHand(token.path, self._host.clock.now_ms(), token.step, deaths)
        self._host.write(run, record)
        fold.apply(run, record)
        return deaths


def waiting_as(run: RunState, token: Token) -> Token | None:
    """Return the token as it is now, if it waits for the same still: a cancel may have marked it
    while it is shielded."""
    current = run.tokens.get(token.path)
    same = current is not None and (current.step, current.rest) == (token.step, token.rest)
    return current if same else None


def in_hand(host: Host) -> Iterator[tuple[RunState, Token]]:
    """Yield the tokens whose task or compensation was under way here, or about to begin."""
    now = host.clock.now_ms()
    for run in host.runs.values():
        for token in run.tokens.values():
            rest = token.rest
            if isinstance(rest, OnTask | OnUndo) and rest.due <= now and _is_here(host, token):
                yield run, token


def _is_here(host: Host, token: Token) -> bool:
    """Return whether a token's work is done by this host: a command kills another, if any."""
    if isinstance(token.rest, OnUndo):
        task = token.rest.entry.task
    else:
        try:
            program = host.programs.program(token.definition)
        except DuettoError:
            return False  # it is parked for that
        node = program.regions[token.region][token.node].node
        task = node.task if isinstance(node, Task) else ""
    return task.partition(".")[0] in host.local_services


__all__ = ["DEATHS_MAX", "Suspects"]
