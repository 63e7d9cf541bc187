"""The journal: one record a transition, the only durable form of it.

A record is at once the token's change, the key row, the undo entry, the inbox and trail row, the
outbox, the report and the history fact of PROTOCOL: those are views that `duetto.kernel.fold`
makes from it. Instants are ms since the epoch, UTC; durations are microseconds.
"""

from __future__ import annotations

from msgspec import Struct

from duetto.model.effect import Change
from duetto.model.message import Message
from duetto.model.token import Error, Outcome, Token, Value

APP = "(app)"
"""The source of what came from the app's own participant, which has no name."""


class Started(Struct, frozen=True, array_like=True, tag="s"):
    """A token that is new to this store: a run's root, or one that arrived (`source` is set)."""

    path: str
    at: int
    token: Token
    source: str = ""
    forked: tuple[Token, ...] = ()
    sent: tuple[Message, ...] = ()


class TaskEnded(Struct, frozen=True, array_like=True, tag="t", gc=False):
    """A local task ended, and the token moved on. `result` is empty where `change` writes it to
    the variable `into`, `args` is empty where no compensation will need them."""

    path: str
    at: int
    task: str
    step: int
    attempt: int
    took: int
    change: Change
    into: str = ""
    result: bytes = b""
    args: bytes = b""
    error: Error | None = None
    forked: tuple[Token, ...] = ()
    sent: tuple[Message, ...] = ()


class AttemptFailed(Struct, frozen=True, array_like=True, tag="a"):
    """An attempt at a task (or compensation) failed; the next may begin at `due`."""

    path: str
    at: int
    task: str
    step: int
    attempt: int
    took: int
    error: Error
    due: int
    undo: bool = False
    command: bool = False


class Moved(Struct, frozen=True, array_like=True, tag="m"):
    """A token moved on for another reason: `cause` is `woken`, `joined`, `cancelled`, `answered`,
    `undone`, `received`, `decided`, `parked`, `resumed`, `skipped` or `retried`. `step` and
    `args` are those of a task that was interrupted: it is settled with them when it is undone."""

    path: str
    at: int
    cause: str
    change: Change
    note: str = ""
    step: int = 0
    args: bytes = b""
    forked: tuple[Token, ...] = ()
    sent: tuple[Message, ...] = ()


class Ended(Struct, frozen=True, array_like=True, tag="e"):
    """A token ended. Where its parent rests in this store, this is its report as well.

    `task` and what follows describe the local task whose end was the end of the token; `away`
    says that its parent rests at another participant. `cause` and `note` are as in Moved.
    """

    path: str
    at: int
    outcome: Outcome
    task: str = ""
    step: int = 0
    attempt: int = 0
    took: int = 0
    result: bytes = b""
    args: bytes = b""
    error: Error | None = None
    sent: tuple[Message, ...] = ()
    away: bool = False
    cause: str = ""
    note: str = ""


class ReportCame(Struct, frozen=True, array_like=True, tag="r"):
    """The report of a child that ended at another store."""

    path: str
    at: int
    outcome: Outcome


class CommandCame(Struct, frozen=True, array_like=True, tag="c"):
    """A command that is taking long was accepted before its end."""

    path: str
    at: int
    message: Message


class CommandEnded(Struct, frozen=True, array_like=True, tag="k"):
    """A command's end at its service: the key row, and the answer. It may be given up, so that it
    `parks` the token that waits for it, until a command comes whose `again` is higher."""

    path: str
    at: int
    task: str
    step: int
    attempt: int
    took: int
    outcome: Outcome
    args: bytes = b""
    undo: bool = False
    unknown: bool = False
    sent: tuple[Message, ...] = ()
    parks: bool = False
    again: int = 0


class CancelCame(Struct, frozen=True, array_like=True, tag="x"):
    """A path is cancelled here: the tombstone, and what was forwarded along its trail."""

    path: str
    at: int
    sent: tuple[Message, ...] = ()


class Progressed(Struct, frozen=True, array_like=True, tag="p"):
    """What a running task told of its progress."""

    path: str
    at: int
    step: int
    value: Value


class InHand(Struct, frozen=True, array_like=True, tag="d"):
    """A task was in hand when its process died: counted before recovery begins it again.

    Where it was a command's, `task` names it, and `undo` says whether it was its compensation.
    """

    path: str
    at: int
    step: int
    deaths: int
    task: str = ""
    undo: bool = False


class Noted(Struct, frozen=True, array_like=True, tag="n"):
    """Something an operator or the runtime did that changes no token: `what` names it."""

    path: str
    at: int
    what: str
    note: str = ""


Record = (
    Started
    | TaskEnded
    | AttemptFailed
    | Moved
    | Ended
    | ReportCame
    | CommandCame
    | CommandEnded
    | CancelCame
    | Progressed
    | InHand
    | Noted
)
