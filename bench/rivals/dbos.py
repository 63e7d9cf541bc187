"""DBOS on SQLite, with the best of its documented settings that keep every commit on disk.

- Asynchronous workflows and steps, started from one asyncio program; branches by `asyncio.gather`.
- `system_database_url` of a new SQLite file in WAL mode. DBOS leaves the mode as the file has it,
  and its default (a rollback journal) is a fifth to a half slower. `synchronous` stays FULL, as
  SQLite has it by default: one fsync per commit, as in Duetto's own figures.
- `max_executor_threads` 2: SQLite has one writer, and without a limit dozens of threads contend
  for it (at 100 runs at a time 480 steps/s instead of 320).
- No telemetry, log level ERROR, a fixed `application_version`.

Tried and not better: `sys_db_pool_size` 1, 2 and 50; uvloop.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from bench.rivals import child, environment

OPTIONS = ("--journal-mode", "WAL", "--executor-threads", "2")


def measure(workload: str, concurrency: int, seconds: float, directory: Path) -> float | None:
    """Return DBOS's median units per second, or None where it cannot be installed."""
    python = environment.python_of("dbos")
    if python is None:
        return None
    with TemporaryDirectory(prefix="dbos-", dir=directory) as data:
        return child.median_of(
            python,
            "dbos_child.py",
            workload,
            concurrency,
            seconds,
            directory=Path(data),
            options=[*OPTIONS, "--directory", data],
        )
