"""What the kernel is told (inputs) and what it asks for (effects): data, nothing more.

The runtime commits a transition first, and only then acts on its effects.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from duetto.model.token import Entry, Error, Frame, Outcome, Rest, Token, Value


class Begin(Struct, frozen=True):
    """A token that was created here, or has arrived from another participant.

    `begun` says whether a task that it is addressed to may have run here already, before a crash
    that hid it: not where the task's service is elsewhere, as a command only follows a commit.
    """

    begun: bool = True


class TaskCompleted(Struct, frozen=True, gc=False):
    """The task that the token waits for has a result, stored with this transition."""

    result: Value


class TaskFailed(Struct, frozen=True):
    """The task that the token waits for failed for good. `unknown` where it may have had its
    effect all the same (attempts exhausted by timeout)."""

    error: Error
    unknown: bool = False


class Undone(Struct, frozen=True):
    """The compensation that the token waits for has ended, or there was nothing to undo."""


class Woken(Struct, frozen=True):
    """An instant was reached: the end of a sleep, or a deadline of a scope."""


class Received(Struct, frozen=True):
    """The event that the token waits for. `stream` names what it is of, and `seq` its place there,
    where all receive it: so that the token does not receive it again."""

    event: Value
    stream: str = ""
    seq: int = 0


class Cancel(Struct, frozen=True):
    """The path of the token is cancelled. `begun` says whether the task that it waits for may have
    begun: not where it was parked before its command was sent."""

    begun: bool = True


class Reported(Struct, frozen=True):
    """A child ended. Its outcome is a row at the parent's participant."""

    index: int
    failed: bool


class Joined(Struct, frozen=True):
    """All children ended: their outcomes, by index."""

    outcomes: tuple[Outcome, ...]


class Resume(Struct, frozen=True):
    """An operator lets a parked token go on with what it waited for, attempts at zero. `begun` is
    as in Cancel, should the token have been interrupted meanwhile."""

    begun: bool = True


class Skip(Struct, frozen=True):
    """An operator lets a parked token go on as if what it waited for had ended with `result`."""

    result: Value


Input = (
    Begin
    | TaskCompleted
    | TaskFailed
    | Undone
    | Woken
    | Received
    | Cancel
    | Reported
    | Joined
    | Resume
    | Skip
)


class CallTask(Struct, frozen=True, gc=False):
    """Run a task, or send a command for it, with live `args` and `kwargs`, or with `packed` ones.

    `pure` says that they may be evaluated again: else they are kept with the token. `stored` are
    the variables that all of them are, where they are nothing but variables."""

    task: str
    step: int
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    packed: bytes = b""
    attempt: int = 1
    due: int = 0
    deadline: int = 0
    pure: bool = True
    stored: tuple[Value, ...] = ()


class CallUndo(Struct, frozen=True):
    """Run the compensation of an entry, or send a command for it."""

    entry: Entry
    attempt: int = 1
    due: int = 0


class Subscribe(Struct, frozen=True):
    """Wait in the mailbox of an event type."""

    event: str
    key: Value


class Publish(Struct, frozen=True):
    """Publish an event, in the commit of this transition."""

    event: Value


class Fork(Struct, frozen=True):
    """Begin these children, here."""

    children: tuple[Token, ...]


class Report(Struct, frozen=True):
    """The token has ended; its outcome goes to where its parent rests."""

    outcome: Outcome


class CancelChildren(Struct, frozen=True):
    """Cancel these paths, all children of the token."""

    paths: tuple[str, ...]


Effect = CallTask | CallUndo | Subscribe | Publish | Fork | Report | CancelChildren


class Change(Struct, frozen=True, array_like=True, gc=False):
    """What a transition changed of a token, enough to make the new token from the old.

    `frames` and `heard` are None where they are as before. The undo list keeps its oldest
    `undo_kept` entries and gets `undo_added` on top, oldest first.
    """

    node: int
    step: int
    rest: Rest
    writes: dict[str, Value] = {}
    frames: tuple[Frame, ...] | None = None
    undo_kept: int = 0
    undo_added: tuple[Entry, ...] = ()
    hop: int = 0
    at: str = ""
    cancelled: bool = False
    heard: dict[str, int] | None = None


class Transition(Struct, frozen=True, gc=False):
    """What becomes of a token: the new one (None once it has ended), the change that leads to it,
    and the effects to act on once it is committed. `wake` is the next instant (ms since the
    epoch) at which the token must be Woken, 0 for none."""

    token: Token | None
    change: Change | None
    effects: tuple[Effect, ...] = ()
    wake: int = 0
