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
    `identity` is the digest of workflow name and input: another one under the same id conflicts.
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
