"""F3 to F5 through the app: a damaged run, a broken disk, a full one; what goes on meanwhile."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import apsw
import pytest

from duetto import App
from duetto.errors import StoreDamaged, StoreFailed, StoreFull
from duetto.observer import StorePaused
from duetto.runtime import desk
from duetto.store import Query, seal, unseal
from duetto.stores.sqlite.connection import connect, let_go
from tests.faults.apps import Signals, an_app
from tests.faults.trade import TRACE, Order, hand_over, nap, sell
from tests.stores.faulty_vfs import Disk, broken, faulty_disk, full

NAP_S = 3600.0
"""Longer than any test: a run that is open until it is cancelled."""


@pytest.fixture
def disk() -> Iterator[Disk]:
    with faulty_disk() as disk:
        yield disk


# -- F3: damage


def flip(path: Path, text: bytes) -> None:
    """Flip a bit behind a text in a file, as a bad medium would."""
    content = bytearray(path.read_bytes())
    content[content.index(text) + len(text) - 1] ^= 1
    path.write_bytes(content)


async def test_a_damaged_run_is_kept_from_executing_and_others_go_on(tmp_path: Path) -> None:
    path = tmp_path / "trade.sqlite"
    async with an_app(path) as app:
        for number in range(40):
            await app.start_async(nap, NAP_S, id=f"nap-{number}", tags=["x" * 900])
    flip(path, b"nap-20nap")
    async with an_app(path) as app:
        operations = app.operations
        lost = {damage.run for damage in operations.home.store.damaged()}
        assert "nap-20" in lost
        assert len(lost) < 20
        for number in range(40):
            if f"nap-{number}" not in lost:
                assert operations.explain(f"nap-{number}")[0].kind == "sleep"
        assert await app.run_async(sell, Order("a", 1), id="a") == "r-a"


def damage_a_record(path: Path) -> None:
    """Change a record under the nose of the page checksums, as a mistaken program would."""
    db = connect(path, write=True)
    [(rid,)] = db.execute("SELECT rid FROM run WHERE id = 'bad'").fetchall()
    db.execute("UPDATE journal SET data = zeroblob(length(data)) WHERE rid = ?", (rid,))
    let_go(db)


async def test_a_damaged_record_is_told_by_show_list_and_explain(tmp_path: Path) -> None:
    path = tmp_path / "trade.sqlite"
    async with an_app(path) as app:
        await app.start_async(nap, NAP_S, id="bad")
        await app.start_async(nap, NAP_S, id="good")
    damage_a_record(path)
    async with an_app(path) as app:
        operations = app.operations
        assert operations.explain("bad")[0].kind == "damaged"
        assert "kept from executing" in operations.explain("bad")[0].text
        assert operations.show("bad").error.startswith("damaged: ")
        errors = {view.id: view.error for view in operations.list(Query())}
        assert errors["bad"].startswith("damaged: ")
        assert errors["good"] == ""
        for act in (operations.cancel, operations.outcome):
            with pytest.raises(StoreDamaged, match="kept from executing") as caught:
                await act("bad")
            assert caught.value.do.startswith("restore a backup")
        with pytest.raises(StoreDamaged):
            operations.history("bad")
        await operations.cancel("good")
        await operations.outcome("good")
        assert operations.show("good").status == "cancelled"


def test_every_flipped_bit_of_a_record_is_noticed() -> None:
    sealed = seal(b"a small record of a journal")
    assert unseal(sealed) == sealed[:-4]
    for place in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(StoreDamaged):
            unseal(bytes(flipped))


# -- F4: a disk that fails


@pytest.mark.parametrize("operation", ["write", "sync"])
async def test_nothing_is_acknowledged_after_a_failed_write(
    disk: Disk, tmp_path: Path, operation: str
) -> None:
    path, signals = tmp_path / "trade.sqlite", Signals()
    app = an_app(path, observer=signals)
    await app.__aenter__()
    await app.start_async(nap, NAP_S, id="before")
    waiting = asyncio.create_task(app.run_async(nap, NAP_S, id="before"))
    await asyncio.sleep(0)
    fail(disk, operation)
    with pytest.raises(StoreFailed, match="nothing is acknowledged after it") as caught:
        await app.start_async(sell, Order("a", 1), id="during")
    assert "open the store again" in caught.value.do
    with pytest.raises(StoreFailed):
        await waiting
    for act in (app.start_async(sell, Order("b", 1), id="b"), app.operations.outcome("before")):
        with pytest.raises(StoreFailed):
            await act
    assert len(signals.of(StorePaused)) == 1
    assert TRACE.done == []
    await app.__aexit__(None, None, None)
    disk.refuse = lambda operation, path: None
    async with an_app(path) as app:
        assert app.operations.explain("before")[0].kind == "sleep"
        assert await app.run_async(sell, Order("a", 1), id="during") == "r-a"


def fail(disk: Disk, operation: str) -> None:
    """Let every such operation fail from now on."""
    code = {"write": apsw.SQLITE_IOERR_WRITE, "sync": apsw.SQLITE_IOERR_FSYNC}[operation]
    error = broken("i/o error", code)
    disk.refuse = lambda asked, path: error if (asked, path[-4:]) == (operation, "-wal") else None


# -- F5: a disk without room


class Room(NamedTuple):
    """A place for a store, and how to take and to give back its room."""

    folder: Path
    fill: Callable[[], None]
    free: Callable[[], None]


def virtual_room(tmp_path: Path, disk: Disk) -> Room:
    """Return a place on the faulty disk."""

    def fill() -> None:
        error = full()
        disk.refuse = lambda asked, path: error if (asked, path[-4:]) == ("write", "-wal") else None

    def free() -> None:
        disk.refuse = lambda operation, path: None

    return Room(tmp_path, fill, free)


def mounted_room(folder: Path) -> Room:
    """Return a place on a file system of its own, of one MiB."""

    def fill() -> None:
        with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    return Room(folder, fill, lambda: (folder / "filler").unlink())


@pytest.fixture(params=["a full virtual disk", "a full tmpfs"])
def room(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Room]:
    if request.param == "a full virtual disk":
        with faulty_disk() as disk:
            yield virtual_room(tmp_path, disk)
        return
    with mounted(tmp_path / "small", "size=1m") as folder:
        yield mounted_room(folder)


@contextmanager
def mounted(folder: Path, option: str) -> Generator[Path]:
    """Give a small file system of its own, where this user may mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", option, "tmpfs", str(folder)]
    mount = shutil.which("mount")
    if os.getuid() != 0 or mount is None or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("only root may mount; the virtual disk has shown the same")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.blocking  # the disk is filled by the test itself, in the loop
async def test_a_full_disk_refuses_starts_and_all_goes_on_once_there_is_room(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "FULL_RETRY_MS", 1)
    signals = Signals()
    async with an_app(room.folder / "trade.sqlite", observer=signals) as app:
        await app.start_async(nap, NAP_S, id="asleep")
        room.fill()
        caught_by_it = await fill_the_log(app)
        with pytest.raises(StoreFull) as caught:
            await app.start_async(sell, Order("a", 1), id="refused")
        assert caught.value.do == "free some space; the commit may then be tried again"
        assert app.operations.explain("asleep")[0].kind == "sleep"
        assert "asleep" in [view.id for view in app.operations.list(Query())]
        cancelling = asyncio.create_task(app.operations.cancel("asleep"))
        await asyncio.sleep(0)
        assert not cancelling.done()
        room.free()
        await cancelling
        await app.operations.outcome("asleep")
        assert app.operations.show("asleep").status == "cancelled"
        assert await caught_by_it == 1
        assert await app.run_async(sell, Order("a", 1), id="refused") == "r-a"
    assert TRACE.count("take") == 1
    assert len(signals.of(StorePaused)) == 1


async def fill_the_log(app: App) -> asyncio.Task[int]:
    """Begin runs with large values until one of them finds no room; return that one."""
    TRACE.gives = "x" * 300_000
    number = 0
    while True:
        TRACE.done.clear()
        number += 1
        run = asyncio.create_task(app.run_async(hand_over, "x", id=f"large-{number}"))
        while app.operations.home.full is None and not run.done():  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0)
        if not run.done():
            return run
        assert await run == 1


# -- F5: a disk without inodes


def take_inodes(folder: Path) -> list[Path]:
    """Make empty files until no more can be made; return them."""
    made: list[Path] = []
    with suppress(OSError):
        while True:
            made.append(folder / f"filler-{len(made)}")
            made[-1].touch()
    made.pop()
    return made


@pytest.fixture
def few_inodes(tmp_path: Path) -> Iterator[Path]:
    """A file system with so few that a test can take them all."""
    with mounted(tmp_path / "few", "nr_inodes=40") as folder:
        yield folder


@pytest.mark.blocking  # the inodes are taken by the test itself, in the loop
async def test_an_app_that_runs_needs_no_further_inode(few_inodes: Path) -> None:
    path = few_inodes / "trade.sqlite"
    async with an_app(path) as app:
        await app.start_async(nap, NAP_S, id="asleep")
        take_inodes(few_inodes)
        for number in range(200):  # with checkpoints among them
            await app.start_async(nap, NAP_S, id=f"nap-{number}", tags=["x" * 900])
        assert await app.run_async(sell, Order("a", 1), id="a") == "r-a"


async def refusals(path: Path, taken: list[Path]) -> AsyncIterator[StoreFull]:
    """Try to open a store, with one more inode after each refusal, which is yielded."""
    while True:
        try:
            async with an_app(path):
                return
        except StoreFull as full:
            yield full
            taken.pop().unlink()


@pytest.mark.blocking
async def test_a_store_without_inodes_is_refused_with_that_reason_and_loses_nothing(
    few_inodes: Path,
) -> None:
    """With each number of inodes left, from none on, the opening fails whole or is whole."""
    path = few_inodes / "trade.sqlite"
    async with an_app(path) as app:
        await app.start_async(nap, NAP_S, id="asleep")
        await app.run_async(sell, Order("a", 1), id="a")
    taken, refused = take_inodes(few_inodes), 0
    async for refusal in refusals(path, taken):
        refused += 1
        assert f"There is no room to open {path}" in str(refusal)
        assert "an inode for each" in refusal.expected
        assert "df -i" in refusal.do
    assert refused >= 2
    async with an_app(path) as app:
        assert app.operations.explain("asleep")[0].kind == "sleep"
        assert app.operations.show("a").status == "completed"
        assert await app.run_async(sell, Order("a", 1), id="a") == "r-a"
    assert TRACE.count("take") == 0, "what is stored is not executed again"


@pytest.mark.blocking
async def test_a_new_store_is_whole_once_there_are_inodes_for_it(few_inodes: Path) -> None:
    path = few_inodes / "trade.sqlite"
    taken = take_inodes(few_inodes)
    assert len(["refused" async for _ in refusals(path, taken)]) >= 3
    async with an_app(path) as app:
        assert await app.run_async(sell, Order("a", 1), id="a") == "r-a"
