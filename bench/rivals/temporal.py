"""Temporal's development server with its Python SDK, steps as local activities: its fastest way.

- The server keeps its store in a file (by default it is in memory, and nothing is durable), in WAL
  mode with `synchronous=FULL`, and its throttle is lifted: see `temporal_server.SETTINGS`.
- Local activities run in the worker and are recorded with the workflow task; `temporal_activities`
  measures ordinary ones. Client and worker are one process; workflows run outside the sandbox, are
  started eagerly and stay in the worker's cache. A loop continues as new when Temporal suggests it.
- Everything else is default: pollers, slots, timeouts of tasks.

Tried and not better: lifting `history.timerProcessorMaxPollRPS` and
`history.visibilityProcessorMaxPollRPS` as well.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from bench.rivals import child, environment, temporal_server


def measure(workload: str, concurrency: int, seconds: float, directory: Path) -> float | None:
    """Return Temporal's median units per second, or None where its server or SDK is absent."""
    return measure_with("local", workload, concurrency, seconds, directory)


def measure_with(
    activities: str, workload: str, concurrency: int, seconds: float, directory: Path
) -> float | None:
    binary = temporal_server.find()
    if binary is None:
        return None
    python = environment.python_of("temporal")
    if python is None:
        return None
    with (
        TemporaryDirectory(prefix="temporal-", dir=directory) as data,
        temporal_server.running(binary, Path(data)) as address,
    ):
        return child.median_of(
            python,
            "temporal_child.py",
            workload,
            concurrency,
            seconds,
            directory=Path(data),
            options=["--address", address, "--activities", activities],
        )
