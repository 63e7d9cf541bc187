"""F31: no file and no thread is left: a clear error, nothing lost, and all goes on afterwards."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest

from duetto import Retry, Service, workflow
from duetto.errors import LimitExceeded, StoreBusy
from duetto.stores.sqlite import SqliteStore
from tests.faults.apps import an_app, failure, in_grammar
from tests.faults.trade import TRACE, Order, nap, sell, stock

ROOT = Path(__file__).parents[2]

OPEN_WITHOUT_FILES = """
import os, resource, sys
from duetto.errors import DuettoError
from duetto.stores.sqlite import SqliteStore

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
SqliteStore.open(sys.argv[2]).close()  # what is loaded late is loaded now
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
taken = []
try:
    while True:
        taken.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
refusals = []
while True:
    try:
        store = SqliteStore.open(sys.argv[1])
    except DuettoError as error:
        refusals.append(error)
        assert error.found and error.expected and error.do, error
        os.close(taken.pop())
    else:
        break
print(len(refusals), refusals[0])
print(store.run("asleep").id)
store.close()
"""

paper = Service("paper")


@paper.task(retry=Retry(attempts_max=3, delay_ms=0))
def write(text: str) -> str:
    """Run in a thread, as it is no coroutine."""
    TRACE.done.append("write")
    return text.upper()


@workflow
async def note(text: str) -> str:
    return await write(text)


def process(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a process to its end."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


async def test_a_store_is_opened_once_there_are_files_and_refused_before(tmp_path: Path) -> None:
    """With each number of files left, from none on, the opening fails whole or is whole."""
    path, other = tmp_path / "trade.sqlite", tmp_path / "other.sqlite"
    async with an_app(path) as app:
        await app.start_async(nap, 3600.0, id="asleep")
    command = [sys.executable, "-c", OPEN_WITHOUT_FILES, str(path), str(other)]
    ended = await asyncio.to_thread(process, command)
    assert ended.returncode == 0, ended.stderr
    first, *_, last = ended.stdout.splitlines()
    assert int(first.split()[0]) >= 3
    assert "as too many files are open" in first
    assert "raise the limit (`ulimit -n`)" in ended.stdout
    assert last == "asleep"


class NoThreads(ThreadPoolExecutor):
    """As where the system refuses new threads, for so many calls."""

    refused_max = 2
    refused = 0
    queued: ClassVar[list[Any]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        if NoThreads.refused < NoThreads.refused_max:
            NoThreads.refused += 1
            NoThreads.queued.append(fn)
            raise RuntimeError("can't start new thread")
        while NoThreads.queued:  # what was refused is in the queue all the same, as it really is
            super().submit(NoThreads.queued.pop())
        return super().submit(fn, *args, **kwargs)


@pytest.mark.parametrize("refused", [2, 3])
async def test_a_task_without_a_thread_is_tried_again_and_then_raises(
    refused: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duetto.invokers.local.ThreadPoolExecutor", NoThreads)
    monkeypatch.setattr(NoThreads, "refused", 0)
    monkeypatch.setattr(NoThreads, "refused_max", refused)
    async with an_app(services=[paper], workflows=[note]) as app:
        if refused == 2:
            assert await app.run_async(note, "ink", id="r") == "INK"
        else:
            error = await failure(app, note, "ink")
            assert isinstance(error, LimitExceeded)
            assert "no thread can be started" in str(error)
            assert in_grammar(error)
    assert TRACE.count("write") == (1 if refused == 2 else 0)


async def test_an_app_that_cannot_start_holds_nothing_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of its stores is taken: the first is free again for whoever comes next."""
    path = tmp_path / "trade.sqlite"
    taken = SqliteStore.open(tmp_path / "stock.sqlite")
    with monkeypatch.context() as patch:
        patch.setattr(stock, "store", str(tmp_path / "stock.sqlite"))
        with pytest.raises(StoreBusy) as caught:
            await an_app(path).__aenter__()
        assert in_grammar(caught.value)
    taken.close()
    async with an_app(path) as app:
        assert await app.run_async(sell, Order("a", 1), id="r") == "r-a"
