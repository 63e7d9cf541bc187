"""What attempts and messages need of tokens: the seam between them and the host."""

from __future__ import annotations

from typing import Protocol

from duetto.kernel.fold import RunState
from duetto.model.effect import Input, Transition
from duetto.model.token import Error, Outcome, Token
from duetto.runtime.cause import Cause


class Tokens(Protocol):
    """Moves tokens; what they lead to is written in the batch under way."""

    def advance(self, run: RunState, path: str, input: Input, cause: Cause) -> None:
        """Give a resting token an input."""
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
