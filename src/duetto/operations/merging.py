"""Merge the journals of several stores by causality: by the names of messages, never by time.

Each journal is in a causal order already. What follows from a message of another store comes
after the record that sent it, found by run, path and hop or step (PROTOCOL, rule 8).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from msgspec import Struct

from duetto.kernel import fold
from duetto.kernel.fold import RunState
from duetto.model.message import Answer, Arrive, CancelPath, Command, Message, Reporting
from duetto.model.record import (
    CancelCame,
    CommandCame,
    CommandEnded,
    Ended,
    Moved,
    Record,
    ReportCame,
    Started,
)
from duetto.model.token import ROOT, OnUndo, Token, parent_of

Name = tuple[str | int | bool, ...]
Place = tuple[int, int]
"""A store, and the position of a record in its journal."""


class Step(Struct, frozen=True):
    """A record with the token that it moved, as it was before and is afterwards."""

    store: int
    record: Record
    before: Token | None
    after: Token | None
    parent: Token | None = None


def merged(records: Iterable[tuple[int, Record]]) -> list[Step]:
    """Return the records of all stores in one causal order.

    What is concurrent is ordered by the paths of its tokens, so that the order is always the same.
    """
    journals: dict[int, list[Record]] = defaultdict(list)
    for store, record in records:
        journals[store].append(record)
    steps = {store: _folded(store, journal) for store, journal in journals.items()}
    return _interleaved(steps, _causes(steps))


def _folded(store: int, records: list[Record]) -> list[Step]:
    state = RunState(0, "", "", "")
    found: list[Step] = []
    for record in records:
        path = record.path
        before = state.tokens.get(path)
        parent = state.tokens.get(parent_of(path)[0]) if path != ROOT else None
        fold.apply(state, record)
        after = record.token if isinstance(record, Started) else state.tokens.get(path)
        if after is None:
            after = next((token for token in tokens_sent(record) if token.path == path), None)
        found.append(Step(store, record, before, after, parent))
    return found


def sent_by(record: Record) -> tuple[Message, ...]:
    """Return the messages that a record sent."""
    return getattr(record, "sent", ())


def tokens_sent(record: Record) -> list[Token]:
    """Return the tokens that left with a record."""
    return [message.body.token for message in sent_by(record) if isinstance(message.body, Arrive)]


def forked_by(record: Record) -> tuple[Token, ...]:
    """Return the children that began with a record and did not leave."""
    return getattr(record, "forked", ())


def _interleaved(steps: dict[int, list[Step]], causes: dict[Place, Place]) -> list[Step]:
    heads = dict.fromkeys(steps, 0)
    found: list[Step] = []
    while heads:
        ready = [store for store in heads if _is_ready(causes.get((store, heads[store])), heads)]
        # A cause that is not there was lost with its store: better a history than none.
        store = min(ready or heads, key=lambda one: (_parts(steps[one][heads[one]]), one))
        found.append(steps[store][heads[store]])
        heads[store] += 1
        if heads[store] == len(steps[store]):
            del heads[store]
    return found


def _is_ready(cause: Place | None, heads: dict[int, int]) -> bool:
    if cause is None:
        return True
    store, position = cause
    return store not in heads or position < heads[store]


def _parts(step: Step) -> tuple[tuple[int, int], ...]:
    path = step.record.path
    found: list[tuple[int, int]] = []
    while path != ROOT:
        path, number, index = parent_of(path)
        found.append((number, index))
    return tuple(reversed(found))


def _causes(steps: dict[int, list[Step]]) -> dict[Place, Place]:
    """Return for each record that a message led to the record that sent it."""
    sent: dict[Name, list[Place]] = defaultdict(list)
    for store, journal in steps.items():
        for position, step in enumerate(journal):
            for message in sent_by(step.record):
                sent[_name(message)].append((store, position))
    if not sent:
        return {}
    causes: dict[Place, Place] = {}
    for store, journal in steps.items():
        hosted = {step.after.at for step in journal if step.after is not None}
        taken: dict[Name, int] = defaultdict(int)
        for position, step in enumerate(journal):
            for name in _led_by(step, hosted):
                places = sent.get(name)
                if places is not None:
                    # The n-th answer follows from the n-th that was sent under the same name.
                    place = places[min(taken[name], len(places) - 1)]
                    taken[name] += not isinstance(step.record, CommandCame)
                    if place[0] != store:
                        causes[store, position] = place
    return causes


def _name(message: Message) -> Name:
    match message.body:
        case Arrive(token):
            return ("token", token.path, token.hop)
        case Command(path=path, step=step, undo=undo):
            return ("command", path, step, undo)
        case Answer(path=path, step=step, undo=undo):
            return ("answer", path, step, undo)
        case Reporting(path):
            return ("report", path)
        case CancelPath(path):
            return ("cancel", path, message.to)
        case _:
            return ("other",)


def _led_by(step: Step, hosted: set[str]) -> list[Name]:
    """Return the names of the messages that may have led to a record."""
    record, before = step.record, step.before
    match record:
        case Started(path=path, source=source) if source:
            return [("token", path, record.token.hop)]
        case ReportCame(path=path):
            return [("report", path)]
        case CommandCame(message=message):
            return [_name(message)]
        case CommandEnded(path=path, step=number, undo=undo):
            return [("command", path, number, undo)]
        case CancelCame(path=path):
            return [("cancel", path, at) for at in sorted(hosted)]
        case Moved(cause="answered") | Ended(cause="answered") if before is not None:
            return [("answer", before.path, before.step, False)]
        case Moved(cause="undone" | "parked") | Ended(cause="undone") if before is not None:
            if isinstance(before.rest, OnUndo):
                return [("answer", before.rest.entry.path, before.rest.entry.step, True)]
            return []
        case _:
            return []


__all__ = ["Step", "forked_by", "merged", "sent_by", "tokens_sent"]
