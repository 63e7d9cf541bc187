"""Temporal as in `temporal`, but with ordinary activities, each a task of its own on the server."""

from pathlib import Path

from bench.rivals import temporal


def measure(workload: str, concurrency: int, seconds: float, directory: Path) -> float | None:
    """Return the median units per second; None where Temporal is absent.

    Also None for timers, which run no activity: `temporal` has them.
    """
    if workload == "timers":
        return None
    return temporal.measure_with("remote", workload, concurrency, seconds, directory)
