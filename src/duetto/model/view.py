"""What people and tools read: runs, their history, why they wait."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

RUNNING, COMPLETED, FAILED, CANCELLED, GUEST = 1, 2, 3, 4, 0
"""The status of a run row. GUEST: a run whose home is another store."""

Status = Literal["running", "completed", "failed", "cancelled", "guest"]
STATUSES: dict[int, Status] = {
    GUEST: "guest",
    RUNNING: "running",
    COMPLETED: "completed",
    FAILED: "failed",
    CANCELLED: "cancelled",
}


class RunRow(Struct, frozen=True):
    """The record of a run as a store keeps it; instants in ms since the epoch.

    `rid` is dense and local to a store. `input` and `result` are packed; `result` is an Outcome.
    `identity` is the digest of workflow name and input: another one under the same id conflicts. It
    is empty where the id was drawn: whoever asks for that is compared with the row itself.
    """

    rid: int
    id: str
    workflow: str
    digest: str
    home: str
    status: int
    created: int
    updated: int
    identity: bytes = b""
    input: bytes = b""
    result: bytes = b""
    tags: tuple[str, ...] = ()


class RunView(Struct, frozen=True):
    """A run for a reader. `waiting` has one line per resting token while it is open."""

    id: str
    workflow: str
    digest: str
    status: Status
    created: int
    updated: int
    tags: tuple[str, ...] = ()
    parked: int = 0
    compensated: int = 0
    error: str = ""
    result: Any = None


class Fact(Struct, frozen=True):
    """One thing that happened in a run: `what` is the kind, `text` a sentence."""

    at: int
    path: str
    participant: str
    what: str
    text: str
    line: int = 0


class Waiting(Struct, frozen=True):
    """Why one token is not moving: one exact sentence."""

    path: str
    participant: str
    kind: str
    text: str
    line: int = 0


class EventView(Struct, frozen=True):
    """An event for a reader. `data` is its fields, or a text where its class is not known here."""

    name: str
    topic: str
    key: str
    version: int
    at: int
    correlation: str
    causation: str
    data: Any = None


class LetterView(Struct, frozen=True):
    """A dead letter: an event that a handler could not take, and what waits behind it."""

    handler: str
    position: int
    event: EventView
    reason: str
    attempts: int
    since: int
    behind: int = 0
    trace: str = ""
    mended: Any = None


class WindowView(Struct, frozen=True):
    """What was made of the events from `start` to before `end`, in ms since the epoch."""

    key: str
    start: int
    end: int
    revision: int
    value: Any


Origin = Literal["event", "run", "held", "gone"]


class LineageNode(Struct, frozen=True):
    """One thing of a lineage. `what` is the topic, workflow or handler; `by` says who published it.

    `held` is an event that a handler has yet to take, `gone` one that was purged.
    """

    name: str
    kind: Origin
    what: str
    at: int
    key: str = ""
    by: str = ""
    note: str = ""


class LineageView(Struct, frozen=True):
    """What an event or a run follows from, and what followed: things by time, and what led to what.

    `whole` is false where there was more than is shown.
    """

    asked: str
    nodes: tuple[LineageNode, ...]
    edges: tuple[tuple[str, str], ...]
    whole: bool = True
