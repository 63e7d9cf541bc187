"""Count what a run cost, from its journal: by the cost model of the design."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from msgspec import Struct

from duetto.model.message import Arrive, Message
from duetto.model.record import (
    AttemptFailed,
    CancelCame,
    CommandCame,
    CommandEnded,
    Ended,
    InHand,
    Moved,
    Noted,
    Progressed,
    Record,
    ReportCame,
    Started,
    TaskEnded,
)
from duetto.model.token import Token

DERIVED = frozenset({"joined", "decided", "refused", "began"})
"""Causes that follow from another record of the same batch."""


class Counts(Struct):
    """`steps` are tasks that ended, `undone` compensations; `messages` and `writes` by the model:
    a write is a batch of rows that is atomic, whatever it shares its fsync with."""

    steps: int = 0
    retries: int = 0
    undone: int = 0
    messages: int = 0
    writes: int = 0


def counted(records: Iterable[tuple[int, Record]]) -> Counts:
    """Return the counts of records, each given with the number of its store."""
    counts = Counts()
    hops: dict[str, int] = {}
    for _, record in records:
        _count(counts, record, hops)
    return counts


def _count(counts: Counts, record: Record, hops: dict[str, int]) -> None:
    match record:
        case Started(token=token, source=source, forked=forked, sent=sent):
            counts.writes += not source
            counts.messages += 0 if source else token.hop
            hops[record.path] = token.hop
            _began(counts, record, forked, sent, hops)
        case TaskEnded(change=change, sent=sent, forked=forked):
            counts.writes += 1
            counts.steps += record.error is None
            _hops(counts, record, change.hop, hops)
            _began(counts, record, forked, sent, hops)
        case Moved(change=change, sent=sent, forked=forked, cause=cause):
            counts.writes += cause not in DERIVED
            counts.undone += _undid(cause, record.note)
            _hops(counts, record, change.hop, hops)
            _began(counts, record, forked, sent, hops)
        case Ended(task=task, cause=cause):
            counts.writes += cause not in DERIVED
            counts.steps += bool(task) and record.error is None
            counts.undone += _undid(cause, record.note)
            counts.messages += record.away
        case CommandEnded(attempt=0):
            pass  # skipped by an operator: part of that write
        case CommandEnded(sent=sent, undo=undo):
            counts.writes += 1
            counts.steps += not undo
            counts.messages += len(sent)
        case AttemptFailed():
            counts.writes += 1
            counts.retries += 1
        case CancelCame(sent=sent):
            counts.messages += len(sent)
            counts.writes += 1
        case ReportCame() | CommandCame():
            counts.writes += 1
        case Progressed() | InHand() | Noted():
            pass
        case _:
            assert_never(record)


def _began(
    counts: Counts,
    record: Record,
    forked: tuple[Token, ...],
    sent: tuple[Message, ...],
    hops: dict[str, int],
) -> None:
    """Count what a record sent: the token's own departure is a hop of it, and counted as such."""
    counts.messages += sum(child.hop for child in forked)
    hops.update({child.path: child.hop for child in forked})
    for message in sent:
        body = message.body
        counts.messages += not (isinstance(body, Arrive) and body.token.path == record.path)


def _undid(cause: str, note: str) -> bool:
    return cause == "undone" and not note.endswith("had no effect")


def _hops(counts: Counts, record: TaskEnded | Moved, hop: int, hops: dict[str, int]) -> None:
    counts.messages += max(0, hop - hops.get(record.path, 0))
    hops[record.path] = hop
