"""The running app's side of its socket: a line in, Operations, a line out."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import msgspec

from duetto.errors import LimitExceeded
from duetto.operations.operations import Operations
from duetto.operations.requests import REQUEST_BYTES_MAX, refused, reply
from duetto.operations.sockets import listening, socket_file

log = logging.getLogger("duetto.operations")


class Listener:
    """Answers at the socket beside a store, from `open` to `close`."""

    def __init__(self, operations: Operations, store: Path) -> None:
        self._operations, self._file = operations, socket_file(store)
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen; an app works without, so where the socket cannot be made that is only said."""
        try:
            made = listening(self._file)
        except OSError as error:
            log.warning("no socket at %s (%s): commands cannot reach this app", self._file, error)
            return
        self._server = await asyncio.start_unix_server(
            self._serve, sock=made, limit=REQUEST_BYTES_MAX
        )

    async def close(self) -> None:
        """Answer no more."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        self._file.unlink(missing_ok=True)
        serving = list(self._serving)
        for task in serving:
            task.cancel()  # who waits for a run would keep it for a while
        await asyncio.gather(*serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            while line := await self._line(reader, writer):
                writer.write(await reply(self._operations, line) + b"\n")
                await writer.drain()
        except ConnectionError:
            pass  # whoever asked has gone; what was asked for is done all the same
        except asyncio.CancelledError:
            pass  # the app stops; what was asked for is in a batch already, or was refused
        finally:
            self._serving.discard(task)
            writer.close()

    async def _line(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """Return the next line, or nothing at the end and behind a line that is too long."""
        try:
            return await reader.readline()
        except ValueError:
            writer.write(msgspec.json.encode(refused(too_long())) + b"\n")
            await writer.drain()
            return b""


def too_long() -> LimitExceeded:
    """Return the error for a request that is not read to its end."""
    return LimitExceeded(
        "The request is too long.",
        found=f"more than {REQUEST_BYTES_MAX} bytes",
        expected=f"a line of at most {REQUEST_BYTES_MAX} bytes",
        do="send less",
    )
