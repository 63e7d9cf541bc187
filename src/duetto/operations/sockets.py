"""Where a running app listens: a unix socket beside its store, however long the path is."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

ADDRESS_BYTES_MAX = 100
"""Linux takes 107 bytes of path, macOS 103."""

FD_FOLDER = Path("/proc/self/fd")


def socket_file(store: Path) -> Path:
    """Return the file of the socket of the app that owns the store at `store`."""
    resolved = store.resolve()
    return resolved.with_name(resolved.name + "-socket")


@contextmanager
def address_of(file: Path) -> Generator[str]:
    """Give an address for a socket's file that is short enough to bind or connect to."""
    if len(os.fsencode(file)) <= ADDRESS_BYTES_MAX:
        yield str(file)
        return
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield str(FD_FOLDER / str(folder) / file.name) if FD_FOLDER.exists() else relative(file)
    finally:
        os.close(folder)


def relative(file: Path) -> str:
    """Return the path from the current folder: where there is no /proc, the shortest there is."""
    return os.path.relpath(file)


def listening(file: Path) -> socket.socket:
    """Return a socket that listens at a file, for this user only.

    Whoever calls owns the store, so a socket that is there already is left from a process that
    was killed. Raises OSError where none can be made.
    """
    file.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with address_of(file) as address:
            made.bind(address)
        # Before it listens nobody can connect, so the mode is in time.
        file.chmod(stat.S_IRUSR | stat.S_IWUSR)
        made.listen()
    except OSError:
        made.close()
        raise
    made.setblocking(False)
    return made


def connected(file: Path, timeout_s: float) -> socket.socket | None:
    """Return a connection to who listens at a file; None where nobody does."""
    if not file.exists():
        return None
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.settimeout(timeout_s)
    try:
        with address_of(file) as address:
            made.connect(address)
    except (ConnectionError, FileNotFoundError):
        made.close()
        return None
    except OSError:
        made.close()
        raise
    return made
