"""The events that runs emit: nobody delivers them yet, so a test listens where tokens move."""

from __future__ import annotations

from collections.abc import Callable

from duetto.kernel.advance import advance
from duetto.kernel.fold import RunState
from duetto.model.effect import Begin, Change, Publish, Transition
from duetto.model.token import Outcome, Token
from duetto.runtime.cause import Cause
from duetto.runtime.host import Cascade, Host

Place = tuple[str, str, str, int, int, int]
"""Names an event: by how its token moved, run, path, hop, step, and its number in that move. Where
a crash hides a move, the same one is made again."""


Hear = Callable[[Place, object], None]
"""Told of an event before the commit of its token's move is durable."""


def listen(host: Host, hear: Hear) -> None:
    """Hear of each event that a token of a host emits."""
    take, begin, ended = host.take, host.begin, host.ended

    def tell(how: str, run: RunState, token: Token, transition: Transition) -> None:
        for number, effect in enumerate(transition.effects):
            if isinstance(effect, Publish):
                place = (how, run.id, token.path, token.hop, token.step, number)
                hear(place, host.programs.program(token.definition).load(effect.event))

    def taken(run: RunState, token: Token, transition: Transition, cause: Cause) -> None:
        tell("taken", run, token, transition)
        take(run, token, transition, cause)

    def begun(run: RunState, transition: Transition, cascade: Cascade) -> Change:
        if transition.token is not None:
            tell("begun", run, transition.token, transition)
        return begin(run, transition, cascade)

    def gone(run: RunState, token: Token, outcome: Outcome, cause: Cause) -> None:
        if cause.name == "began":
            # It ended with its first step, of which no more is handed on than how it ended.
            program = host.programs.program(token.definition)
            tell("ended", run, token, advance(program, host.placement, token, Begin(), cause.at))
        ended(run, token, outcome, cause)

    host.take, host.begin, host.ended = taken, begun, gone
