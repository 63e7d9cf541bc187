"""What a token waits for: read, changed, and whether it may have begun."""

from __future__ import annotations

from typing import Any

from duetto.kernel.fold import RunState
from duetto.kernel.program import Program
from duetto.model.definition import Task
from duetto.model.effect import Change, Report, Transition
from duetto.model.message import Command
from duetto.model.token import OnTask, OnUndo, Outcome, Parked, Rest, Token, task_key


def outcome_of(transition: Transition) -> Outcome:
    """Return the outcome that an ended token reports."""
    return next(effect.outcome for effect in transition.effects if isinstance(effect, Report))


def awaited(token: Token) -> Rest:
    """Return what a token waits for, or waited for until it was parked."""
    return token.rest.over if isinstance(token.rest, Parked) else token.rest


def without_due(rest: Rest) -> Rest:
    """Return a rest whose next attempt has begun."""
    match rest:
        case OnTask(args, attempt):
            return OnTask(args, attempt)
        case OnUndo(entry, attempt):
            return OnUndo(entry, attempt)
        case _:
            return rest


def as_it_is(token: Token, rest: Any) -> Change:
    """Return the change that alters nothing but what a token waits for."""
    return Change(
        token.node,
        token.step,
        rest,
        undo_kept=token.undo.size if token.undo else 0,
        hop=token.hop,
        at=token.at,
        cancelled=token.cancelled,
    )


def sent_for(run: RunState, token: Token) -> Command | None:
    """Return the command of the task that a token waits for, if it was sent from here."""
    message = run.peek("sent").get(task_key(run.id, token.path, token.step))
    return message.body if message is not None else None


def may_have_begun(
    run: RunState, token: Token, program: Program, participants: frozenset[str]
) -> bool:
    """Return whether the task that a token waits for may have begun: not where no command was sent,
    as this version has not the task, which parks the token or is about to."""
    node = program.regions[token.region][token.node].node
    if not isinstance(node, Task):
        return True
    return node.service in participants or sent_for(run, token) is not None
