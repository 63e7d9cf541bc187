"""The watermark beside a store: how far commits were acknowledged, where no damage to the log
can take it along.

It is written after each commit and not synced, so it is never ahead of what is durable; it is
synced at checkpoints. After a kill it is exact, after a power cut it may be behind, never ahead.
"""

from __future__ import annotations

import logging
import os
import struct
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

LAYOUT = struct.Struct(">4s16sqq")
SEAL = struct.Struct(">I")
MAGIC = b"DMK1"
SLOT_BYTES = 4096
"""A slot has a physical sector of its own, so that a torn write destroys no other slot."""
SYNCED_SLOTS = 2
"""Written in turn at checkpoints: while one is in danger the other is safe on the disk."""
COMMIT_SLOT = 2
"""Written after each commit."""

log = logging.getLogger("duetto.stores")


class Mark(NamedTuple):
    """The last record that was acknowledged, in which store, and when in ms since the epoch."""

    store: bytes
    lsn: int
    at: int


class MarkFile:
    """The file; a mark that cannot be written is logged, and never stops a commit."""

    def __init__(self, path: Path) -> None:
        self._path = mark_file(path)
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._turn = 0

    def write(self, mark: Mark) -> None:
        """Note a commit that is durable, without waiting for the disk."""
        self._put(mark, COMMIT_SLOT)

    def sync(self, mark: Mark) -> None:
        """Note a commit, and wait for the disk."""
        self._put(mark, self._turn)
        self._turn = (self._turn + 1) % SYNCED_SLOTS
        self._put(mark, COMMIT_SLOT)
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            log.warning("the watermark %s could not be synced: %s", self._path, error)

    def reset(self, mark: Mark) -> None:
        """Forget every older mark, even one that is further, and wait for the disk."""
        for slot in (*range(SYNCED_SLOTS), COMMIT_SLOT):
            self._put(mark, slot)
        self.sync(mark)

    def _put(self, mark: Mark, slot: int) -> None:
        packed = LAYOUT.pack(MAGIC, *mark)
        try:
            os.pwrite(self._descriptor, packed + SEAL.pack(crc32(packed)), slot * SLOT_BYTES)
        except OSError as error:
            log.warning("the watermark %s could not be written: %s", self._path, error)

    def close(self) -> None:
        """Close the file; the mark stays."""
        os.close(self._descriptor)


def mark_file(path: Path) -> Path:
    """Return where the mark of the store at `path` is."""
    return path.with_name(path.name + "-mark")


def read_mark(path: Path) -> Mark | None:
    """Return the furthest mark whose checksum fits; None where there is none."""
    try:
        data = mark_file(path).read_bytes()
    except FileNotFoundError:
        return None
    slots = (data[at : at + SLOT_BYTES] for at in range(0, len(data), SLOT_BYTES))
    marks = [mark for slot in slots if (mark := _parsed(slot)) is not None]
    return max(marks, key=lambda mark: mark.lsn, default=None)


def _parsed(slot: bytes) -> Mark | None:
    packed, sealed = slot[: LAYOUT.size], slot[LAYOUT.size : LAYOUT.size + SEAL.size]
    if len(sealed) < SEAL.size or SEAL.unpack(sealed)[0] != crc32(packed):
        return None
    magic, store, lsn, at = LAYOUT.unpack(packed)
    return Mark(store=store, lsn=lsn, at=at) if magic == MAGIC else None
