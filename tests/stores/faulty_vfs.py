"""A disk that fails on purpose: full, broken, or without power, under a real SQLite.

What a store writes goes to real files at once, as into the memory of a machine. What was synced
is kept apart; a power cut puts that back, with a random part of the rest, in no order, one torn.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import apsw
import apsw.sqlite_extra
import pytest

from duetto.stores.sqlite import connection, mark, opening

NAME = "duetto-faults"
KEPT = (0.0, 0.5, 0.9, 1.0)
"""The share of the unsynced writes that reach the disk before the power is gone; one a cut."""
TORN = 0.3
"""The share of those that reach it only in part."""

Write = tuple[int, bytes]
"""Bytes at an offset; at offset -1 the new size of a truncated file, as text."""


@dataclass
class Platter:
    """One file: what is on the disk, its name too or not, and what is only in memory."""

    durable: bytes
    has_name: bool
    pending: list[Write] = field(default_factory=list[Write])


def applied(content: bytes, writes: list[Write]) -> bytes:
    """Return the content after the writes."""
    image = bytearray(content)
    for offset, data in writes:
        if offset < 0:
            size = int(data)
            image = image[:size].ljust(size, b"\0")
            continue
        if len(image) < offset:
            image.extend(bytes(offset - len(image)))
        image[offset : offset + len(data)] = data
    return bytes(image)


class Disk:
    """The disk under all files of the tests; without a fault set it only passes through."""

    def __init__(self) -> None:
        self.platters: dict[str, Platter] = {}
        self.deleted: dict[str, bytes] = {}
        self.refuse: Callable[[str, str], Exception | None] = lambda operation, path: None
        self.operations = 0
        self.cut_at = 0
        self.is_off = False

    def opened(self, path: str) -> None:
        """Take note of a file as it is before anything is written to it."""
        if path not in self.platters:
            is_there = os.path.exists(path)
            self.platters[path] = Platter(Path(path).read_bytes() if is_there else b"", is_there)

    def about_to(self, operation: str, path: str, write: Write | None = None) -> None:
        """Count an operation; raise where it is to fail, or where the power goes."""
        if self.is_off:
            raise broken(f"no power: {operation} {path}")
        self.operations += 1
        error = self.refuse(operation, path)
        if error is not None:
            raise error
        platter = self.platters.get(path)
        if write is not None and platter is not None:
            platter.pending.append(write)
        if self.operations == self.cut_at:
            self.is_off = True
            raise broken(f"power cut: {operation} {path}")

    def synced(self, path: str) -> None:
        """What was written is on the disk now; not yet the name of a new file."""
        platter = self.platters[path]
        platter.durable = applied(platter.durable, platter.pending)
        platter.pending.clear()

    def folder_synced(self) -> None:
        """The names of new files are on the disk, and those of deleted ones are gone."""
        self.deleted.clear()
        for platter in self.platters.values():
            platter.has_name = True

    def removed(self, path: str) -> None:
        """The name is gone from memory; on the disk it may still be there."""
        platter = self.platters.pop(path, None)
        if platter is not None and platter.has_name:
            self.deleted[path] = platter.durable

    def cut_after(self, operations: int) -> None:
        """Let the power go in the middle of the operation that is so many from now."""
        self.cut_at = self.operations + operations

    def power_comes_back(self, random: Random) -> None:
        """Make the files what the disk has, and go on without faults."""
        share = random.choice(KEPT)
        for path, content in self.deleted.items():
            if path not in self.platters and random.random() > share:
                Path(path).write_bytes(content)
        for path, platter in self.platters.items():
            survived = surviving(platter.pending, share, random)
            if not platter.has_name and random.random() > share:
                Path(path).unlink(missing_ok=True)
            else:
                Path(path).write_bytes(applied(platter.durable, survived))
            Path(path + "-shm").unlink(missing_ok=True)
        self.forget()

    def forget(self) -> None:
        """Start anew, with whatever files there are."""
        self.platters.clear()
        self.deleted.clear()
        self.is_off, self.cut_at, self.operations = False, 0, 0


def surviving(pending: list[Write], share: float, random: Random) -> list[Write]:
    """Return the writes that reached the disk: some, in no order, some in part."""
    kept = [write for write in pending if random.random() < share]
    random.shuffle(kept)
    return [
        (offset, data[: random.randrange(len(data))])
        if offset >= 0 and data and share < 1.0 and random.random() < TORN
        else (offset, data)
        for offset, data in kept
    ]


def broken(text: str, code: int = apsw.SQLITE_IOERR_WRITE) -> apsw.IOError:
    """Return the error of a disk that does not do what it is asked for."""
    error: Any = apsw.IOError(text)
    error.extendedresult = code
    return error


def full() -> apsw.FullError:
    """Return the error of a disk without room."""
    return apsw.FullError("no space left on device")


class FaultyFile(apsw.VFSFile):
    """A file on the disk."""

    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk = disk
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        # SQLite syncs the folder with the first sync of a log or journal that it may have made.
        self._syncs_folder = self._path.endswith(("-wal", "-journal"))
        disk.opened(self._path)
        super().__init__("unix", name, flags)

    def xWrite(self, data: Any, offset: int) -> None:
        self._disk.about_to("write", self._path, (offset, bytes(data)))
        below: Any = super()  # apsw's stubs have a type here that Python 3.11 lacks
        below.xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self._disk.about_to("truncate", self._path, (-1, str(newsize).encode()))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        self._disk.about_to("sync", self._path)
        super().xSync(flags)
        self._disk.synced(self._path)
        if self._syncs_folder:
            self._disk.folder_synced()
            self._syncs_folder = False

    def xRead(self, amount: int, offset: int) -> Any:
        self._disk.about_to("read", self._path)
        below: Any = super()
        return below.xRead(amount, offset)


class FaultyVFS(apsw.VFS):
    """Opens files on the disk."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        super().__init__(NAME, "unix")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        return FaultyFile(self._disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self._disk.about_to("delete", filename)
        super().xDelete(filename, syncdir)
        self._disk.removed(filename)


class FaultyOs:
    """The calls by which marks and folders are written, on the same disk."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._paths: dict[int, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        if not flags & os.O_DIRECTORY:
            self._disk.opened(str(path))
        descriptor = os.open(path, flags, mode)
        self._paths[descriptor] = str(path)
        return descriptor

    def pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        self._about_to("write", descriptor, (offset, data))
        return os.pwrite(descriptor, data, offset)

    def fsync(self, descriptor: int) -> None:
        self._about_to("sync", descriptor)
        if self._paths[descriptor] in self._disk.platters:
            self._disk.synced(self._paths[descriptor])
        else:
            self._disk.folder_synced()

    def _about_to(self, operation: str, descriptor: int, write: Write | None = None) -> None:
        try:
            self._disk.about_to(operation, self._paths[descriptor], write)
        except apsw.Error as error:
            raise OSError(str(error)) from error


@contextmanager
def faulty_disk(disk: Disk | None = None) -> Generator[Disk]:
    """Put a disk under every store that is opened within, page checksums above it."""
    disk = disk or Disk()
    vfs = FaultyVFS(disk)
    with pytest.MonkeyPatch.context() as patch:
        for module in (mark, opening):
            patch.setattr(module, "os", FaultyOs(disk))
        put_checksums_over(NAME)
        try:
            yield disk
        finally:
            put_checksums_over("unix")
            vfs.unregister()


def put_checksums_over(name: str) -> None:
    """Make the checksum extension write to another VFS from now on."""
    if connection.CHECKSUM_VFS in apsw.vfs_names():
        apsw.unregister_vfs(connection.CHECKSUM_VFS)
    apsw.set_default_vfs(name)
    apsw.sqlite_extra.load(apsw.Connection(":memory:"), "cksumvfs")
    apsw.set_default_vfs("unix")
