"""DBOS: the workloads as its documentation writes them; `bench.rivals.dbos` runs this and says how.

It is outside the type checker, because its rival is installed only in bench/.cache/venv-dbos.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable
from pathlib import Path

import rounds
from dbos import DBOS, DBOSConfig


@DBOS.step()
async def trivial(number: int) -> int:
    return number + 1


@DBOS.workflow()
async def sequence(size: int) -> int:
    number = size
    for _ in range(rounds.SEQUENCE_STEPS):
        number = await trivial(number)
    return number


@DBOS.workflow()
async def fanout(size: int) -> int:
    numbers = await asyncio.gather(*(trivial(number) for number in range(rounds.FANOUT_BRANCHES)))
    return sum(numbers)


@DBOS.workflow()
async def loop(turns: int) -> int:
    number = 0
    while number < turns:
        number = await trivial(number)
    return number


@DBOS.workflow()
async def nap(seconds: float) -> None:
    await DBOS.sleep_async(seconds)


async def start_nap(seconds: float) -> Awaitable[object]:
    handle = await DBOS.start_workflow_async(nap, seconds)
    return handle.get_result()


def plan(workload: str, concurrency: int) -> rounds.Plan:
    match workload:
        case "sequence":
            return rounds.sequence(sequence, concurrency)
        case "fanout":
            return rounds.fanout(fanout, concurrency)
        case "loop":
            return rounds.loop(loop, concurrency)
        case _:
            return rounds.timers(start_nap, concurrency)


def database(directory: Path, journal_mode: str) -> str:
    """Create the file in this journal mode, which SQLite remembers in it, and return its URL."""
    path = directory / "dbos.sqlite"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA journal_mode={journal_mode}")
    connection.close()
    return f"sqlite:///{path}"


async def main() -> None:
    parser = rounds.arguments()
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--journal-mode", required=True)
    parser.add_argument("--executor-threads", type=int, required=True)
    options = parser.parse_args()
    config: DBOSConfig = {
        "name": "duetto-bench",
        "system_database_url": database(options.directory, options.journal_mode),
        "application_version": "bench",
        "log_level": "ERROR",
        "enable_otlp": False,
        "max_executor_threads": options.executor_threads,
    }
    DBOS(config=config)
    DBOS.launch()
    rounds.answer_and_leave(
        await rounds.median_rate(plan(options.workload, options.concurrency), options.seconds)
    )


if __name__ == "__main__":
    asyncio.run(main())
