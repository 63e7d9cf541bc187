"""A process that dies with its machine: what it wrote and did not sync is lost, in part.

The ledger is another machine's. Whatever lies on the disk when the process begins counts as synced.
"""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from random import Random

import apsw

from duetto.stores.sqlite import store as sqlite
from tests.crashes.points import CHECKPOINT_PAGES
from tests.stores.faulty_vfs import Disk, Write, faulty_disk

UNTIL_THE_END = ExitStack()


class LastDisk(Disk):
    """A disk whose power goes, and the process with it."""

    def about_to(self, operation: str, path: str, write: Write | None = None) -> None:
        try:
            super().about_to(operation, path, write)
        except apsw.IOError:
            self.power_comes_back(Random(self.cut_at))
            os.kill(os.getpid(), signal.SIGKILL)


def cut_after(operations: int) -> None:
    """Let the power go in the middle of an operation on the disk, so many from now."""
    sqlite.CHECKPOINT_PAGES = CHECKPOINT_PAGES
    disk = UNTIL_THE_END.enter_context(faulty_disk(LastDisk()))
    disk.cut_after(operations)
