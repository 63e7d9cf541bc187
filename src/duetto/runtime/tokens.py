"""What attempts and messages need of tokens, and tokens of events: the seams of the host."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from duetto.kernel.fold import RunState
from duetto.kernel.program import Program
from duetto.model.effect import Effect, Input, Transition
from duetto.model.token import Error, OnEvent, Outcome, Token
from duetto.runtime.cause import Cause
from duetto.runtime.timers import Timers


class Tokens(Protocol):
    """Moves tokens; what they lead to is written in the batch under way."""

    def advance(self, run: RunState, path: str, input: Input, cause: Cause) -> None:
        """Give a resting token an input."""
        ...

    def give(
        self, run: RunState, token: Token, program: Program, input: Input, cause: Cause
    ) -> None:
        """Give a resting token, with its program at hand, an input."""
        ...

    def take(self, run: RunState, token: Token, transition: Transition, cause: Cause) -> None:
        """Write a transition and what follows from it."""
        ...

    def begin_held(self, run: RunState, token: Token, transition: Transition) -> None:
        """Begin what an arrived token came for, its arrival not yet written."""
        ...

    def park(self, run: RunState, token: Token, reason: str, error: Error | None = None) -> None:
        """Let a token wait for an operator."""
        ...

    def cancel(self, run: RunState, path: str) -> None:
        """Cancel a path."""
        ...

    def reported(self, run: RunState, path: str, outcome: Outcome) -> None:
        """Take the report of a child, or of a run."""
        ...


class Events:
    """Takes what tokens publish, and lets them wait for events; all in the batch under way.

    This one is of an app without events: nothing is published, and who waits for one times out.
    """

    timers: tuple[Timers, ...] = ()
    """Of the rows that are tried again."""

    def publish(self, run: RunState, token: Token, effects: Iterable[Effect]) -> None:
        """Publish the events among effects; one that cannot be is noted in the history."""

    def listen(self, run: RunState, token: Token) -> None:
        """Let a token that rests on an event wait for it, or take one that is kept."""

    def kept(self, rest: OnEvent) -> int | None:
        """Return how many events are kept here that fit, None where nobody keeps any."""
        return None

    def count_deaths(self) -> None:
        """Count a death of the process before this one, before anything is taken up."""

    def recover(self) -> None:
        """Take up what is held, and read on."""

    def sweep(self, before: int) -> None:
        """Drop what was kept for its time, and what was not needed since an instant."""

    def close(self) -> None:
        """Begin nothing any more."""


NO_EVENTS = Events()
