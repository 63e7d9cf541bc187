"""Processes that a test starts, hears, and kills."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.tidy.sources import ROOT

Process = subprocess.Popen[str]


def start(module: str, *arguments: str | Path) -> Process:
    """Start a module of the tests; what it prints is read by `heard`."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
    )


def heard(process: Process, count: int) -> list[str]:
    """Wait for so many lines."""
    assert process.stdout is not None
    lines = [process.stdout.readline().strip() for _ in range(count)]
    assert all(lines), f"the process ended with {process.wait()}"
    return lines


def kill(process: Process) -> list[str]:
    """Kill a process where it is; return the lines that nobody has heard."""
    process.kill()
    rest, _ = process.communicate()
    whole, _, _ = rest.rpartition("\n")
    return whole.split()


@contextmanager
def killed_at_the_end(processes: list[Process]) -> Generator[None]:
    """Leave nothing running, whatever a test finds."""
    try:
        yield
    finally:
        for process in processes:
            if process.poll() is None:
                kill(process)
