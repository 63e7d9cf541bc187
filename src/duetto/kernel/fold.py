"""Fold the journal of a run: tokens at rest, reports, keys, trails, and what was sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Generic, TypeVar, assert_never

from msgspec import Struct
from msgspec.structs import replace

from duetto.model.effect import Change
from duetto.model.message import Arrive, Command, Message, name
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
from duetto.model.token import (
    ROOT,
    Completed,
    Failed,
    OnChildren,
    OnTask,
    OnUndo,
    Outcome,
    Rest,
    Token,
    Value,
    extended,
    parent_of,
)

T = TypeVar("T")


class Key(Struct, frozen=True):
    """How a task ended at its service: what answers a duplicate, and what undoes it. What `parks`
    its token was given up, and is begun again by a command whose `again` is higher."""

    task: str
    outcome: Outcome
    args: bytes
    unknown: bool = False
    parks: bool = False
    again: int = 0


class Trail(Struct, frozen=True):
    """Where a token went from here: to a participant (by a message), or nowhere, as it ended."""

    to: str | None
    hop: int
    message: Message | None = None


CommandKey = tuple[str, int, bool]
"""Path and step of a task, and whether its compensation is meant."""

RESUMED = "resumed"
"""The cause of a move by which an operator lets a token go on with what it waited for."""

NO_ROWS: Mapping[Any, Any] = MappingProxyType({})


class Table(Generic[T]):
    """A table of a run, made at its first use: most runs need none, and a hundred thousand are
    open. It is no `__getattr__`, which would make all other attributes slow."""

    def __init__(self, kind: Callable[[], T]) -> None:
        self.kind = kind

    def __set_name__(self, _: type, name: str) -> None:
        self.name = name

    def __get__(self, run: RunState, _: type) -> T:
        found = run.made.get(self.name)
        if found is None:
            found = run.made[self.name] = self.kind()
        return found


class RunState:
    """What one store knows of one open run. Everything in it is folded from the journal."""

    __slots__ = ("digest", "home", "id", "made", "rid", "tokens")

    reports = Table(dict[str, dict[int, Outcome]])
    away = Table(dict[str, Trail])
    hops = Table(dict[str, int])
    tombs = Table(set[str])
    keys = Table(dict[CommandKey, Key])
    commands = Table(dict[CommandKey, Message])
    sent = Table(dict[str, Message])
    progress = Table(dict[str, Value])
    cut_off = Table(set[tuple[str, int]])
    """Path and step of tasks of which a time limit cut an attempt off: it may have had its effect,
    whatever the next one raised."""
    resumed = Table(dict[str, int])
    """How often an operator has resumed the token of a path here."""
    deaths = Table(dict[str | CommandKey, int])
    """By the path of the token that waits here, or by the key of a command."""

    def __init__(self, rid: int, id: str, digest: str, home: str) -> None:
        self.rid, self.id, self.digest, self.home = rid, id, digest, home
        self.tokens: dict[str, Token] = {}
        self.made: dict[str, Any] = {}

    def peek(self, table: str) -> Mapping[Any, Any]:
        """Return a table to read, empty where there is none, without making one."""
        return self.made.get(table, NO_ROWS)

    def forget(self, key: str | CommandKey, *tables: str) -> None:
        """Drop what is known of a path, or of a command, in tables, where there are any."""
        for table in tables:
            if table in self.made:
                self.made[table].pop(key, None)


def changed(token: Token, change: Change) -> Token:
    """Return the token that a change leads to."""
    undo = token.undo
    while undo is not None and undo.size > change.undo_kept:
        undo = undo.below
    return Token(
        token.path,
        token.definition,
        token.region,
        change.at,
        token.reply_to,
        change.node,
        change.step,
        change.hop,
        {**token.vars, **change.writes} if change.writes else token.vars,
        token.frames if change.frames is None else change.frames,
        extended(undo, change.undo_added),
        change.rest,
        change.cancelled,
        token.depth,
        token.origin,
        token.heard if change.heard is None else change.heard,
    )


def resting(token: Token, rest: Rest) -> Token:
    """Return the token with another rest."""
    return replace(token, rest=rest)


def apply(state: RunState, record: Record) -> None:
    """Take one record into the state. Records of a run are applied in the order of the journal."""
    match record:
        case TaskEnded() | Moved():
            if isinstance(record, Moved) and record.cause == RESUMED:
                note_resumed(state, record.path)
            _move(state, record.path, record.change)
            _begin(state, record.forked, record.sent)
        case Ended():
            state.tokens.pop(record.path, None)
            state.forget(record.path, "reports", "deaths", "progress", "resumed")
            state.away[record.path] = Trail(None, 0)
            report(state, record.path, record.outcome)
            _begin(state, (), record.sent)
        case Started():
            # It may have arrived after its cancel, which then is written before it.
            is_late = record.path in state.peek("tombs")
            token = record.token
            state.tokens[record.path] = replace(token, cancelled=True) if is_late else token
            state.forget(record.path, "away")
            if record.source:
                state.hops[record.path] = record.token.hop
            _begin(state, record.forked, record.sent)
        case InHand():
            key = (record.path, record.step, record.undo) if record.task else record.path
            state.deaths[key] = record.deaths
        case AttemptFailed():
            _attempt(state, record)
        case ReportCame():
            report(state, record.path, record.outcome)
        case CommandCame():
            body = record.message.body
            if isinstance(body, Command):
                state.commands[body.path, body.step, body.undo] = record.message
        case CommandEnded():
            key = (record.path, record.step, record.undo)
            state.commands.pop(key, None)
            state.forget(key, "deaths")
            state.keys[key] = Key(
                record.task,
                record.outcome,
                record.args,
                record.unknown,
                record.parks,
                record.again,
            )
            _begin(state, (), record.sent)
        case CancelCame():
            state.tombs.add(record.path)
            _begin(state, (), record.sent)
        case Progressed():
            state.progress[record.path] = record.value
        case Noted():
            pass
        case _:
            assert_never(record)


def _move(state: RunState, path: str, change: Change) -> None:
    old = state.tokens[path]
    token = changed(old, change)
    state.tokens[path] = token
    state.forget(path, "deaths", "progress")
    joined = isinstance(old.rest, OnChildren) and (
        not isinstance(token.rest, OnChildren) or old.step != token.step
    )
    if joined:
        state.forget(path, "reports")


def note_resumed(state: RunState, path: str) -> None:
    """Count that an operator resumed a token: what it asks for is asked for again."""
    state.resumed[path] = state.peek("resumed").get(path, 0) + 1


def _begin(state: RunState, forked: tuple[Token, ...], sent: tuple[Message, ...]) -> None:
    for token in forked:
        state.tokens[token.path] = token
    for message in sent:
        note_sent(state, message)


def note_sent(state: RunState, message: Message) -> None:
    """Keep what was sent: a token's trail, and what may have to be sent again."""
    match message.body:
        case Arrive(token):
            state.tokens.pop(token.path, None)
            state.away[token.path] = Trail(message.to, token.hop, message)
        case _:
            state.sent[name(message)] = message


def report(state: RunState, path: str, outcome: Outcome) -> bool:
    """Take a child's outcome as a row of its parent, once; return whether it is new."""
    if path == ROOT:
        return False
    parent, step, index = parent_of(path)
    token = state.tokens.get(parent)
    if token is None or token.step != step or not isinstance(token.rest, OnChildren):
        return False
    rows = state.reports.setdefault(parent, {})
    if index in rows:
        return False
    rows[index] = outcome
    state.tokens[parent] = counted(token, token.rest)
    return True


def counted(token: Token, rest: OnChildren) -> Token:
    """Return a parent that one more of its children has reported to."""
    return resting(token, replace(rest, ended=rest.ended + 1))


def _attempt(state: RunState, record: AttemptFailed) -> None:
    if record.error.type == "TimeoutError" and not record.undo:
        state.cut_off.add((record.path, record.step))
    if record.command:
        state.forget((record.path, record.step, record.undo), "deaths")
        return
    token = state.tokens.get(record.path)
    if token is None:
        return
    attempt = record.attempt + 1
    match token.rest:
        case OnTask(args):
            state.tokens[record.path] = resting(token, OnTask(args, attempt, record.due))
        case OnUndo(entry):
            state.tokens[record.path] = resting(token, OnUndo(entry, attempt, record.due))
        case _:
            pass
    state.forget(record.path, "deaths")


def key_of(records: Iterable[Record], path: str, step: int) -> Key | None:
    """Return how a task ended, or was interrupted (a Failed outcome with no class), by its key."""
    found: Key | None = None
    for record in records:
        if record.path != path:
            continue
        match record:
            case TaskEnded(step=at, task=task, args=args, error=None) if at == step:
                data = record.result
                if record.into and record.into in record.change.writes:
                    data = record.change.writes[record.into].data
                found = Key(task, Completed(Value(-1, data)), args)
            case Ended(step=at, task=task, args=args, error=None) if task and at == step:
                found = Key(task, Completed(Value(-1, record.result)), args)
            case CommandEnded(step=at, undo=False) if at == step:
                found = Key(record.task, record.outcome, record.args, record.unknown)
            case _:
                pass
    return found


def interrupted_args(records: Iterable[Record], path: str, step: int) -> bytes:
    """Return the packed arguments of a task that was interrupted, empty where it was not."""
    for record in records:
        match record:
            case Moved(path=at, args=args, step=number) if args and at == path and number == step:
                return args
            case TaskEnded(path=at, args=args, step=number) if at == path and number == step:
                return args
            case Ended(path=at, args=args, step=number) if args and at == path and number == step:
                return args
            case _:
                pass
    return b""


__all__ = [
    "Failed",
    "Key",
    "RunState",
    "Trail",
    "apply",
    "changed",
    "interrupted_args",
    "key_of",
    "note_sent",
    "report",
    "resting",
]
