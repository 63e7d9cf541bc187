"""The contract of a store: what is committed together is there together, or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol
from zlib import crc32

from msgspec import Struct

from duetto.errors import LimitExceeded, StoreDamaged, ValueRefused
from duetto.model.view import RunRow

INT_MIN, INT_MAX = -(2**63), 2**63 - 1

SEAL_BYTES = 4
"""A crc32 finds each burst of up to 32 bits, and costs 0.3 µs; cryptography is not its task."""

NAME_BYTES_MAX = 1_000
"""Run ids, workflows and tags are keys of an index; PostgreSQL's end at 2,704 bytes a row."""


TAGS_MAX = 100
"""Tags of one run: each is a row of an index."""


def seal(record: bytes) -> bytes:
    """Return the record with its checksum appended; what is committed is sealed."""
    return record + crc32(record).to_bytes(SEAL_BYTES, "big")


def unseal(sealed: bytes) -> bytes:
    """Return the record without its checksum; raises StoreDamaged where they do not fit."""
    record = sealed[:-SEAL_BYTES]
    if len(sealed) < SEAL_BYTES or crc32(record) != int.from_bytes(sealed[-SEAL_BYTES:], "big"):
        raise StoreDamaged(
            "A record does not fit its checksum.",
            found=f"{len(sealed)} bytes that were changed after they were sealed",
            expected="the bytes as they were committed",
            do="restore a backup; the run is kept from executing meanwhile",
        )
    return record


def refuse_unstorable(row: RunRow) -> None:
    """Raise ValueRefused for names that some store could not give back as they are.

    The verdict is the same for every store: SQLite and PostgreSQL differ in what they refuse, so
    each refuses what any of them would.
    """
    if len(row.tags) > TAGS_MAX:
        raise LimitExceeded(
            "A run has too many tags.",
            found=f"{len(row.tags):,} tags",
            expected=f"at most {TAGS_MAX} (TAGS_MAX)",
            do="keep the rest in the input of the run",
        )
    if not is_storable(row.id):
        raise _unstorable("run id", row.id)
    if not is_storable(row.workflow):
        raise _unstorable("workflow", row.workflow)
    for tag in row.tags:
        if not is_storable(tag):
            raise _unstorable("tag", tag)
    refuse_beyond_64_bits(row.rid, row.created, row.updated)


def _unstorable(kind: str, text: str) -> ValueRefused:
    return ValueRefused(
        f"A {kind} cannot be stored.",
        found=f"{text[:40]!a}, {len(text)} characters",
        expected=f"1 to {NAME_BYTES_MAX} bytes of UTF-8 without NUL and lone surrogates",
        do=f"choose another {kind}",
    )


def refuse_beyond_64_bits(*numbers: int) -> None:
    """Raise ValueRefused for a number that a column cannot hold."""
    if min(numbers) < INT_MIN or max(numbers) > INT_MAX:
        raise ValueRefused(
            "A number cannot be stored.",
            found=", ".join(str(number) for number in numbers),
            expected="integers of 64 bits, with their sign",
            do="look for an instant in another unit than milliseconds",
        )


def is_storable(text: str) -> bool:
    """Can every store keep the text as a name, and give it back as it is?"""
    if text.isascii():
        return 0 < len(text) <= NAME_BYTES_MAX and "\0" not in text
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        return False
    return 0 < len(encoded) <= NAME_BYTES_MAX and 0 not in encoded


Statement = tuple[str, tuple[object, ...]]
"""SQL, and the values of its parameters."""


class Batch(Struct):
    """What one commit writes, all or nothing. Filled by the runtime, emptied by nobody.

    `runs` are new rows; `ended` are (rid, status, updated, result) of rows that exist; `journal`
    are (rid, sealed record) in order; `definitions` are (digest, name, encoded definition).
    `events` are (topic, lane, seq, at, sealed event) in order; `state` is what becomes of small
    rows by name: sealed data, or None for a row that is deleted. `statements` are those of services
    on tables of their own; `Store.apply` puts them in.
    """

    runs: list[RunRow] = []
    ended: list[tuple[int, int, int, bytes]] = []
    journal: list[tuple[int, bytes]] = []
    definitions: list[tuple[str, str, bytes]] = []
    events: list[tuple[str, int, int, int, bytes]] = []
    state: dict[str, bytes | None] = {}
    statements: list[Statement] = []

    def __bool__(self) -> bool:
        return bool(
            self.journal
            or self.runs
            or self.ended
            or self.definitions
            or self.events
            or self.state
            or self.statements
        )


class Query(Struct, frozen=True):
    """Which runs to list, newest first: `before` is a rid to go on from, 0 for the newest.

    `since` and `until` are of the start: from `since` to before `until`, 0 for no bound.
    """

    workflow: str = ""
    statuses: tuple[int, ...] = ()
    tag: str = ""
    since: int = 0
    until: int = 0
    before: int = 0
    limit: int = 100


def fits(row: RunRow, query: Query) -> bool:
    """Does the row fit everything that the query asks, but for its page?"""
    return (
        (not query.workflow or row.workflow == query.workflow)
        and (not query.statuses or row.status in query.statuses)
        and (not query.tag or query.tag in row.tags)
        and (not query.since or query.since <= row.created)
        and (not query.until or row.created < query.until)
    )


class Damage(Struct, frozen=True):
    """A run that must not be executed from, and why."""

    rid: int
    run: str
    reason: str


class EventLog(Protocol):
    """The events that a store has published, in lanes, and the small rows of who takes them.

    Everything comes back checked and without its seal; what is damaged raises StoreDamaged.
    """

    def heads(self) -> dict[tuple[str, int], int]:
        """Return the last seq of each (topic, lane) that was ever published to."""
        ...

    def events(self, topic: str, lane: int, after: int, limit: int) -> list[bytes]:
        """Return the first events of a lane after a seq, in order."""
        ...

    def state(self, prefix: str, *, after: str = "", limit: int = INT_MAX) -> list[StateRow]:
        """Return the (name, data) of small rows whose name begins so, after a name, in order."""
        ...

    def purge(self, published_before: int, limit: int) -> int:
        """Delete at most `limit` events, the oldest of each lane, but never a lane's last."""
        ...


StateRow = tuple[str, bytes]


class Store(Protocol):
    """One writer's durable state. Every method is synchronous and short.

    Records are sealed on their way in (`seal`), and come back checked and without their seal.
    Raises StoreFull where there is no room (nothing was committed, it may be tried again) and
    StoreFailed where a write or sync failed (the store is closed to writers until reopened).
    """

    died: bool
    """Whether the last owner ended without closing the store, as far as that is known."""

    @property
    def log(self) -> EventLog:
        """The events of this store, and the rows of who takes them."""
        ...

    def commit(self, batch: Batch) -> None:
        """Make the batch durable; when this returns it survives a power cut."""
        ...

    def apply(self, batch: Batch, statements: Sequence[Statement]) -> None:
        """Add statements to a batch that is about to be committed, all or none of them: they are
        tried at once, behind those that it has. Raises ValueRefused, with the database's words."""
        ...

    def select(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """Return the rows of a query on tables of services; any thread may ask.

        Raises ValueRefused.
        """
        ...

    def next_rid(self) -> int:
        """Return the first rid that was never used, at opening."""
        ...

    def run(self, id: str) -> RunRow | None:
        """Return the row of a run."""
        ...

    def runs(self, query: Query) -> list[RunRow]:
        """Return the rows that fit, newest first."""
        ...

    def counts(self) -> dict[tuple[str, int], int]:
        """Return how many runs there are by (workflow, status)."""
        ...

    def unfinished(self) -> Iterator[tuple[RunRow, list[bytes]]]:
        """Yield each open run (RUNNING or GUEST) with its records, checked, oldest first.

        A run that is damaged is not yielded but listed by `damaged`.
        """
        ...

    def journal(self, rid: int) -> list[bytes]:
        """Return the records of one run, checked; raises StoreDamaged."""
        ...

    def definition(self, digest: str) -> bytes | None:
        """Return an encoded definition."""
        ...

    def damaged(self) -> tuple[Damage, ...]:
        """Return the runs that are quarantined."""
        ...

    def purge(self, closed_before: int, limit: int) -> int:
        """Delete at most `limit` runs that closed before an instant; return how many."""
        ...

    def backup(self, path: Path) -> None:
        """Write a consistent copy to a new file while in use; may run in another thread."""
        ...

    def close(self) -> None:
        """Checkpoint and let go of the store; once more does nothing."""
        ...
