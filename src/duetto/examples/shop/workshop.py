"""Where the services work: their ledgers, the list of attempts, the time that work takes."""

from __future__ import annotations

import asyncio
import os
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import msgspec

from duetto.examples.shop.ledger import Ledger, Request

SERVICES = ("inventory", "payments", "shipping", "notifications")
FLAKY_ONE_IN = 10
ATTEMPT_BYTES_MAX = 65_536
"""More than any line of attempts.jsonl, so that the last of them is found in its tail."""


class Visit(Protocol):
    """What a body must know of the call that it serves; Duetto's TaskContext fits."""

    @property
    def key(self) -> str:
        """The idempotency key, the same for all attempts."""
        ...

    @property
    def attempt(self) -> int:
        """The number of the attempt, from 1."""
        ...


class Attempt(msgspec.Struct, frozen=True):
    """A body that was begun; `at_ns` since the epoch."""

    key: str
    order: str
    operation: str
    attempt: int
    at_ns: int


def is_flaky(order: str, operation: str) -> bool:
    """Tell whether the first attempt of an operation finds its service out of reach."""
    digest = sha256(f"{order}:{operation}".encode()).hexdigest()
    return int(digest, 16) % FLAKY_ONE_IN == 0


class Workshop(ABC):
    """What a body needs of the place where it runs; Duetto injects it by this type."""

    @abstractmethod
    async def begin(self, order: str, operation: str) -> None:
        """Say that a body has begun, and take the time that it takes.

        Raises ConnectionError where the service cannot be reached this time.
        """

    @abstractmethod
    async def effect(
        self,
        service: str,
        order: str,
        operation: str,
        *,
        amount: Decimal | None = None,
        units: int | None = None,
    ) -> str:
        """Do what is asked for, once for each call, and return the service's name for it.

        `amount` in pounds, `units` in pieces.
        """


class Premises(Workshop):
    """The ledgers of the four services and the attempts of all bodies, in one directory."""

    def __init__(self, directory: Path, *, visit: Callable[[], Visit], task_ms: int = 0) -> None:
        """Open the ledgers, mended after a kill, and `attempts.jsonl`. Blocks.

        `visit` tells which call a body serves, from within that body.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self._visit = visit
        self._task_ms = task_ms
        self._ledgers = {name: Ledger(directory / "ledgers", name) for name in SERVICES}
        self._attempts = open_attempts(directory / "attempts.jsonl")

    def close(self) -> None:
        """Close the ledgers, with what was asked of them committed. Blocks."""
        for ledger in self._ledgers.values():
            ledger.close()
        os.close(self._attempts)

    async def begin(self, order: str, operation: str) -> None:
        """Append a line to the attempts, take the time, fail where the operation is_flaky."""
        visit = self._visit()
        attempt = Attempt(visit.key, order, operation, visit.attempt, time.time_ns())
        # One short write at the end of the file is whole after a kill; it does not wait for a disk.
        os.write(self._attempts, msgspec.json.encode(attempt) + b"\n")
        if self._task_ms:
            await asyncio.sleep(self._task_ms / 1000)
        if visit.attempt == 1 and is_flaky(order, operation):
            raise ConnectionError(f"{operation} of order {order}: the service does not answer")

    async def effect(
        self,
        service: str,
        order: str,
        operation: str,
        *,
        amount: Decimal | None = None,
        units: int | None = None,
    ) -> str:
        """Enter a line in the ledger of the service, durable when this returns.

        Raises KeyReused, or what the disk raises.
        """
        text = None if amount is None else str(amount)
        request = Request(order, operation, text, units)
        return (await self._ledgers[service].use(self._visit().key, request)).reference


def open_attempts(path: Path) -> int:
    """Open the list of attempts for writing at its end, without the line that a power cut tore."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    size = os.fstat(file).st_size
    start = max(0, size - ATTEMPT_BYTES_MAX)
    tail = os.pread(file, size - start, start)
    os.ftruncate(file, start + tail.rfind(b"\n") + 1)
    return file


@asynccontextmanager
async def open_premises(
    directory: Path, *, visit: Callable[[], Visit], task_ms: int = 0
) -> AsyncGenerator[Premises]:
    """Open the workshop of a directory for as long as the context lasts."""
    premises = await asyncio.to_thread(Premises, directory, visit=visit, task_ms=task_ms)
    try:
        yield premises
    finally:
        await asyncio.to_thread(premises.close)
