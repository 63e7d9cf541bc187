"""A thread of control in a run: where it is, what is still needed, what is to be undone.

What each step makes anew is data that can be in no cycle: `gc=False` spares the collector from
looking through it.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from duetto.model.definition import DYNAMIC
from duetto.model.event import Origin

ROOT = "/"
"""The path of a run's first token."""

OPEN: Final[Any] = object()
"""The live form of a value that is only stored."""


class Beside:
    """Room beside the fields of a struct, which are stored: this is not."""

    __slots__ = ("live",)
    live: Any


class Value(Beside, Struct, array_like=True, gc=False):
    """A stored value: the index of its type, its bytes, and its live form where that is kept.

    Only immutable values keep a live form, so that nobody can change what others read; the rest
    are decoded at each read. `data` is msgpack, in the layout of the type.
    """

    type: int
    data: bytes

    def __post_init__(self) -> None:
        self.live = OPEN

    def __hash__(self) -> int:
        return hash((self.type, self.data))


def kept(type: int, data: bytes, live: Any) -> Value:
    """Return a value with its live form, or OPEN where that is not kept."""
    value = Value(type, data)
    value.live = live
    return value


NONE = kept(DYNAMIC, b"\xc0", None)
"""The value None."""


class Error(Struct, frozen=True, array_like=True):
    """An error as data: its qualified class and bases, nearest first, and what rebuilds it.

    `data` is the packed pair of its args and attributes, or empty where they cannot be stored.
    `trace` is the user's own frames as text, `cause` what it was raised from.
    """

    type: str
    bases: tuple[str, ...]
    message: str
    data: bytes = b""
    trace: str = ""
    cause: Error | None = None


class Entry(Struct, frozen=True, array_like=True, gc=False):
    """A task to undo: its key is (run, path, step); `unknown` where it was interrupted."""

    path: str
    step: int
    task: str
    unknown: bool = False


class Undo:
    """An undo list, newest first: a chain, so that adding to a long one costs no more."""

    __slots__ = ("below", "entry", "size")

    def __init__(self, entry: Entry, below: Undo | None, size: int) -> None:
        self.entry, self.below, self.size = entry, below, size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Undo) and entries(self) == entries(other)

    def __hash__(self) -> int:
        return hash((self.entry, self.size))

    def __repr__(self) -> str:
        return f"Undo({entries(self)})"


class Goto(Struct, frozen=True, array_like=True, tag="g"):
    """Going on at a node."""

    node: int


class Returning(Struct, frozen=True, array_like=True, tag="r"):
    """Leaving the region with a value."""

    value: Value


class Raising(Struct, frozen=True, array_like=True, tag="e"):
    """Leaving scopes with an error; `interrupt` is the depth of the frame that was interrupted
    (0 for the token itself, n for the n-th frame's timeout), or -1 for an ordinary error."""

    error: Error
    interrupt: int = -1


Completion = Goto | Returning | Raising


class Frame(Struct, frozen=True, array_like=True):
    """An open scope of a token.

    `mark` is the size of the undo list at entry (saga), `deadline` its instant in ms since the
    epoch (timeout). `pending` is what goes on after a `final` body or after unwinding: a frame
    that has it is shielded.
    """

    scope: int
    mark: int = 0
    deadline: int = 0
    pending: Completion | None = None


class Ready(Struct, frozen=True, array_like=True, tag="r"):
    """About to execute `node`: a token that was just created, or is under way to its next node."""


class OnTask(Struct, frozen=True, array_like=True, tag="t"):
    """A task is to run, or running. `args` are packed by the task's signature where they cannot be
    evaluated again (they travelled, or are not a pure function of the variables), else empty;
    `attempt` counts from 1; `due` is when the next attempt may begin."""

    args: bytes = b""
    attempt: int = 1
    due: int = 0


class OnTimer(Struct, frozen=True, array_like=True, tag="w"):
    """Asleep until an instant, in ms since the epoch."""

    until: int


class OnEvent(Struct, frozen=True, array_like=True, tag="v"):
    """Waits for an event `since` an instant until a `deadline`, 0 for none; ms since the epoch."""

    event: str
    key: Value
    deadline: int = 0
    since: int = 0


class OnChildren(Struct, frozen=True, array_like=True, tag="c"):
    """Rests where it forked. `total` children, `started` so far, `ended` of them reported.

    `decided` is the index of the child that decided (a race's winner, the failure of a gather that
    fails fast), and `interrupt` is set where the parent itself was interrupted; both are -1 before.
    """

    total: int
    started: int
    ended: int = 0
    decided: int = -1
    interrupt: Raising | None = None


class OnUndo(Struct, frozen=True, array_like=True, tag="u"):
    """The compensation of `entry` is to run, or running."""

    entry: Entry
    attempt: int = 1
    due: int = 0


class Parked(Struct, frozen=True, array_like=True, tag="p"):
    """Waits for an operator; `over` is what it waited for before."""

    reason: str
    over: Rest
    error: Error | None = None


Rest = Ready | OnTask | OnTimer | OnEvent | OnChildren | OnUndo | Parked


class Token(Struct, frozen=True, array_like=True, gc=False):
    """A thread of control. `path` is structural: `/`, `/2[0]`, `/2[1]/5[0]`: (step, branch) pairs.

    `definition` is the digest and `region` the index of what it walks. `at` is its participant,
    `hop` counts its moves, `reply_to` is where its parent rests. `step` counts its awaiting
    nodes; with run and path it names the keys of tasks. `depth` counts the calls around it.
    `origin` is that of the event which started the run, if one did: it is passed on. `heard` has
    the seq of the last event of a source, topic and key that it received, of those that all receive
    (PROTOCOL, rule 18).
    """

    path: str
    definition: str
    region: int
    at: str
    reply_to: str
    node: int = 0
    step: int = 0
    hop: int = 0
    vars: dict[str, Value] = {}
    frames: tuple[Frame, ...] = ()
    undo: Undo | None = None
    rest: Rest = Ready()
    cancelled: bool = False
    depth: int = 0
    origin: Origin | None = None
    heard: dict[str, int] = {}


class Completed(Struct, frozen=True, array_like=True, tag="c"):
    """A task, a child or a run ended with a value. `undo` is what its parent may have to undo,
    oldest first."""

    value: Value
    undo: tuple[Entry, ...] = ()
    heard: dict[str, int] = {}


class Failed(Struct, frozen=True, array_like=True, tag="f"):
    """A task, a child or a run ended with an error."""

    error: Error
    undo: tuple[Entry, ...] = ()
    heard: dict[str, int] = {}


class Stopped(Struct, frozen=True, array_like=True, tag="s"):
    """A child or a run ended because it was cancelled."""

    undo: tuple[Entry, ...] = ()
    heard: dict[str, int] = {}


Outcome = Completed | Failed | Stopped


def child_path(path: str, step: int, index: int) -> str:
    """Return the path of the `index`-th child that a token forks at `step`."""
    return f"{'' if path == ROOT else path}/{step}[{index}]"


def parent_of(path: str) -> tuple[str, int, int]:
    """Return (path, step, index): whose child a path is. The root has no parent."""
    parent, _, last = path.rpartition("/")
    step, _, index = last.partition("[")
    return parent or ROOT, int(step), int(index[:-1])


def task_key(run: str, path: str, step: int) -> str:
    """Return the idempotency key of a task: the same over all its attempts."""
    return f"{run}{path}#{step}"


def entries(undo: Undo | None, above: int = 0) -> tuple[Entry, ...]:
    """Return the entries of a list down to the size `above`, oldest first."""
    if undo is None:
        return ()
    found: list[Entry] = []
    while undo is not None and undo.size > above:
        found.append(undo.entry)
        undo = undo.below
    return tuple(reversed(found))


def extended(undo: Undo | None, more: tuple[Entry, ...]) -> Undo | None:
    """Return the list with `more` (oldest first) on top."""
    for entry in more:
        undo = Undo(entry, undo, undo.size + 1 if undo else 1)
    return undo
