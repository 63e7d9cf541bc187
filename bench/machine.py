"""What the machine is like while it is measured: figures of two machines are not compared."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from statistics import median

SYNCS = 200
ROW_BYTES = 4096


def described(directory: Path) -> str:
    """Return one line: cores, load, Python, loop, and how long a sync of 4 KiB takes."""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        f"{os.cpu_count()} cores, load {load}; Python {platform.python_version()}, {loop_name()}; "
        f"a sync of 4 KiB takes {sync_us(directory):.0f} µs"
    )


def loop_name() -> str:
    try:
        import uvloop
    except ImportError:
        return "asyncio"
    return f"uvloop {uvloop.__version__}"


def sync_us(directory: Path) -> float:
    """Return the median time of an appended and synced block, in µs."""
    path = directory / "sync"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    took: list[float] = []
    try:
        for _ in range(SYNCS):
            began = time.perf_counter()
            os.write(descriptor, bytes(ROW_BYTES))
            os.fsync(descriptor)
            took.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink()
    return median(took) * 1e6


def resident_mib() -> float:
    """Return the resident size of this process, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20
