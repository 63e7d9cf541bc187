"""A rival's child process: started with the rival's interpreter, read by one JSON line."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.rivals.environment import HERE

WORKLOADS = ("sequence", "fanout", "timers", "loop")
# Seconds for imports, warm-up and a round that was larger than its share; beyond, the rival hangs.
ALLOWANCE_S = 600


class RivalFailed(Exception):
    """A rival that is installed gave no figure."""


def median_of(
    python: Path,
    script: str,
    workload: str,
    concurrency: int,
    seconds: float,
    *,
    directory: Path,
    options: Sequence[str],
) -> float:
    """Run one workload in the child and return its median, in units per second.

    The exit status is not asked: Temporal's workers sometimes crash at exit, after their result.
    """
    if workload not in WORKLOADS:
        raise ValueError(f"unknown workload {workload!r}; expected one of {', '.join(WORKLOADS)}")
    answer = answer_of(
        python,
        script,
        *(workload, "--concurrency", str(concurrency), "--seconds", str(seconds)),
        *options,
        directory=directory,
        within_s=ALLOWANCE_S + 3 * seconds,
    )
    if "median" not in answer:
        raise RivalFailed(f"{script} printed no median: {answer}")
    return answer["median"]


def answer_of(
    python: Path, script: str, *arguments: str, directory: Path, within_s: float
) -> dict[str, float]:
    """Run a script in the child and return the figures of its last line.

    Raises RivalFailed where it prints none, and TimeoutExpired.
    """
    log = directory / "child.log"
    command = [str(python), str(HERE / "children" / script), *arguments]
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr, cwd=directory, env=_environment()
        ) as child,
    ):
        try:
            output, _ = child.communicate(timeout=within_s)
        except BaseException:  # an interrupt too must not leave the child running
            child.kill()
            raise
    return _figures_in(output.decode(), script, log)


def _figures_in(output: str, script: str, log: Path) -> dict[str, float]:
    lines = output.strip().splitlines()
    try:
        answer: Any = json.loads(lines[-1])
        return {str(name): float(figure) for name, figure in answer.items()}
    except (IndexError, ValueError, AttributeError, TypeError) as error:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise RivalFailed(f"{script} printed no figures; its last words were:\n{tail}") from error


def _environment() -> dict[str, str]:
    """Ours without what would lead the child to our packages or to a server of the user's."""
    ours = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    return {
        name: value
        for name, value in os.environ.items()
        if name not in ours and not name.startswith(("DBOS_", "TEMPORAL_"))
    }
