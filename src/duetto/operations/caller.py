"""The command line's side of a running app's socket: one request, one reply."""

from __future__ import annotations

from pathlib import Path

import msgspec

from duetto.errors import StoreBusy
from duetto.operations.requests import AnyRequest, Reply, raised
from duetto.operations.sockets import connected, socket_file

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
        raise StoreBusy(
            f"The app that owns {store} does not answer.",
            found=str(error) or type(error).__name__,
            expected=f"an answer at {file.name} within {ANSWER_S:g} s",
            do="look whether its loop is blocked, or stop it",
        ) from error
    if not line:
        return None
    found = msgspec.json.decode(line, type=Reply)
    if found.error:
        raise raised(found)
    return found.answer


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
