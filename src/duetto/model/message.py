"""What travels between participants that do not share a store.

Every message has a name that follows from run, path and hop or step, never from a negotiation;
so a duplicate is recognised by anyone, after any crash.
"""

from __future__ import annotations

from msgspec import Struct

from duetto.model.event import Event
from duetto.model.token import Outcome, Token


class Arrive(Struct, frozen=True, array_like=True, tag="token"):
    """A token; named (run, path, hop)."""

    token: Token


class Command(Struct, frozen=True, array_like=True, tag="command"):
    """Run a task, or its compensation (`undo`), under the key (run, path, step).

    `args` is packed by the task's own signature and empty for a compensation: the service has
    them. `unknown` asks to settle the task first, with `args` in case it never came. `deadline` is
    ms since the epoch, 0 for none. `token` is the path of the token that waits, at `reply_to`.
    Where an operator skipped the task, `skipped` is what it is taken to have returned: nothing is
    run or answered, and that is kept for the compensation. `again` counts how often an operator has
    resumed the token: a command that was given up is begun again by a later one only.
    """

    path: str
    step: int
    task: str
    reply_to: str
    token: str
    args: bytes = b""
    undo: bool = False
    unknown: bool = False
    deadline: int = 0
    definition: str = ""
    skipped: bytes = b""
    again: int = 0


class Answer(Struct, frozen=True, array_like=True, tag="answer"):
    """How a command ended; `unknown` where a task may have had its effect all the same.

    A command that `parks` its token was given up before it ended; so does each compensation that
    Failed.
    """

    path: str
    step: int
    token: str
    outcome: Outcome
    undo: bool = False
    unknown: bool = False
    parks: bool = False


class Reporting(Struct, frozen=True, array_like=True, tag="report"):
    """The outcome of the child at `path`, for where its parent rests."""

    path: str
    outcome: Outcome


class CancelPath(Struct, frozen=True, array_like=True, tag="cancel"):
    """Cancel a path; followed along its trail."""

    path: str


class AskRun(Struct, frozen=True, array_like=True, tag="ask-run"):
    """Is this run open? Asked of its home by a sweep."""


class RunState(Struct, frozen=True, array_like=True, tag="run-state"):
    """The home's answer: closed at `closed` (ms since the epoch), or open (0)."""

    closed: int = 0


class Listen(Struct, frozen=True, array_like=True, tag="listen"):
    """From where on a store takes the events of topics: by topic, source and lane the last seq that
    it has. What is not there is taken from the first on. `serial` is that of the process that asks,
    as no other of this participant has it."""

    topics: dict[str, dict[str, dict[int, int]]]
    serial: int = 0


class EventPage(Struct, frozen=True, array_like=True, tag="events"):
    """Events of one lane that follow one another, never none. `serial` is that of the process that
    asked: what another one took and lost is another page, and not one that a broker knows as taken.
    """

    topic: str
    events: tuple[Event, ...]
    serial: int = 0


Body = Arrive | Command | Answer | Reporting | CancelPath | AskRun | RunState | Listen | EventPage


class Message(Struct, frozen=True, array_like=True):
    """The envelope: who sends what to whom about which run, when (ms since the epoch). Messages of
    events are about no run, and name none. The `signature` is of who shares a secret, if it is
    signed at all."""

    run: str
    home: str
    source: str
    to: str
    sent: int
    body: Body
    signature: bytes = b""


def name(message: Message) -> str:
    """Return what names a message: equal for duplicates, different for everything else.

    One that is signed is named by its signature too: a broker keeps one of each name, and must not
    keep a forged one in place of the true one.
    """
    if message.signature:
        return f"{_plain_name(message)}~{message.signature[:8].hex()}"
    return _plain_name(message)


def _plain_name(message: Message) -> str:
    body = message.body
    match body:
        case Arrive(token):
            return f"{message.run}{token.path}:{token.hop}"
        case Command(path=path, step=step, undo=undo):
            return f"{message.run}{path}#{step}{'!undo' if undo else ''}"
        case Answer(path=path, step=step, undo=undo):
            return f"{message.run}{path}#{step}{'!undone' if undo else '!done'}"
        case Reporting(path):
            return f"{message.run}{path}!report"
        case CancelPath(path):
            return f"{message.run}{path}!cancel@{message.to}"
        case EventPage(events=events, serial=serial):
            return f"{events[0].name}-{events[-1].seq}@{message.to}#{serial}"
        case Listen(serial=serial):
            return f"!listen:{message.source}@{message.to}#{serial}"
        case _:
            return f"{message.run}!{type(body).__name__}:{message.sent}"
