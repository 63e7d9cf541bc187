"""A task that kills its process is parked after some deaths, and none of those beside it is."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from duetto.runtime.suspects import DEATHS_MAX
from tests.crashes.poisoned import DEADLY

INNOCENT = 30


def live(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.crashes.poisoned", str(folder), str(INNOCENT)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_only_the_task_that_kills_is_parked(tmp_path: Path) -> None:
    for _ in range(DEATHS_MAX + 1):
        died = live(tmp_path)
        assert died.returncode == -signal.SIGKILL, died.stderr
    life = live(tmp_path)
    assert life.returncode == 0, life.stderr
    stands = dict(line.split() for line in life.stdout.splitlines())
    assert stands.pop(DEADLY) == "parked"
    assert stands == {f"tree-{number}": "completed" for number in range(INNOCENT)}
