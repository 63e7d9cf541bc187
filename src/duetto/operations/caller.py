"""The command line's side of a running app's socket: requests, and a reply to each."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from duetto.errors import StoreBusy
from duetto.operations.requests import REQUEST_BYTES_MAX, AnyRequest, Reply, raised
from duetto.operations.sockets import connected, socket_file

A = TypeVar("A")

ANSWER_S = 30.0
"""An app answers within one turn of its loop; this long means that it hangs."""


def call(store: Path, request: AnyRequest) -> msgspec.Raw | None:
    """Ask the app that owns a store; return its answer as JSON, None where no app listens.

    Raises the error that it answers with, and StoreBusy where it does not answer.
    """
    file = socket_file(store)
    try:
        line = _exchange(file, msgspec.json.encode(request) + b"\n")
    except OSError as error:
        raise silent(store, error) from error
    return answer_in(line) if line else None


def answer_in(line: bytes) -> msgspec.Raw:
    """Return the answer in a reply. Raises the error in it."""
    found = msgspec.json.decode(line, type=Reply)
    if found.error:
        raise raised(found)
    return found.answer


class Caller:
    """A connection to the app that owns a store, for one request after the other."""

    def __init__(
        self, store: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._store, self._reader, self._writer = store, reader, writer

    @classmethod
    async def to(cls, store: Path) -> Caller:
        """Connect. Raises StoreBusy where the app has gone, or does not answer."""
        try:
            made = await asyncio.to_thread(connected, socket_file(store), ANSWER_S)
            if made is None:
                raise gone(store)
            made.setblocking(False)
            streams = await asyncio.open_unix_connection(sock=made, limit=REQUEST_BYTES_MAX)
        except OSError as error:
            raise silent(store, error) from error
        return cls(store, *streams)

    async def ask(self, request: AnyRequest, kind: type[A]) -> A:
        """Return the answer to a request. Raises its error, and StoreBusy where none comes.

        After that, and where it is cancelled, the connection is of no further use.
        """
        try:
            self._writer.write(msgspec.json.encode(request) + b"\n")
            async with asyncio.timeout(ANSWER_S):
                await self._writer.drain()
                line = await self._reader.readline()
        except TimeoutError as error:
            raise silent(self._store, error) from error
        except ConnectionError as error:
            raise gone(self._store) from error
        if not line:
            raise gone(self._store)
        return msgspec.json.decode(answer_in(line), type=kind)

    async def close(self) -> None:
        """Let the connection go."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


def silent(store: Path, error: OSError) -> StoreBusy:
    """Return the error for an app that has its store, and says nothing."""
    return StoreBusy(
        f"The app that owns {store} does not answer.",
        found=str(error) or type(error).__name__,
        expected=f"an answer at {socket_file(store).name} within {ANSWER_S:g} s",
        do="look whether its loop is blocked, or stop it",
    )


def gone(store: Path) -> StoreBusy:
    """Return the error for an app that stopped while it was asked."""
    return StoreBusy(
        f"The app that owned {store} has stopped.",
        found="its socket is closed",
        expected="an answer",
        do="give the same command once more: it takes up what was started",
    )


def _exchange(file: Path, line: bytes) -> bytes:
    connection = connected(file, ANSWER_S)
    if connection is None:
        return b""
    with connection, connection.makefile("rb") as replies:
        connection.sendall(line)
        return replies.readline()


def is_owned(store: Path) -> bool:
    """Does an app listen beside the store?"""
    connection = connected(socket_file(store), ANSWER_S)
    if connection is not None:
        connection.close()
    return connection is not None
