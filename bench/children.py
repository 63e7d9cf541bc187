"""Child processes of the benchmarks: each begins with fresh memory, and prints one JSON line."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any


def answer_of(module: str, *arguments: str) -> dict[str, float]:
    """Run `python -m MODULE ARGUMENTS` and return what it answers."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    answer: Any = json.loads(done.stdout.decode().splitlines()[-1])
    return {str(name): float(value) for name, value in answer.items()}


def answer(**figures: float) -> None:
    """Print the line that the parent reads."""
    print(json.dumps(figures), flush=True)
