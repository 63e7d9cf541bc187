"""A key is used once, whatever the process lives to see of it."""

from __future__ import annotations

import asyncio
import errno
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from duetto.examples.shop import ledger as module
from duetto.examples.shop.ledger import Effect, KeyReused, Ledger, LedgerClosed, Request

RESERVE = Request("1", "reserve", units=3)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path, "inventory")
    yield ledger
    ledger.close()


def used(folder: Path, *keys: str) -> list[Effect]:
    """Open the ledger, use the keys, and close it."""

    async def use_all() -> list[Effect]:
        return await asyncio.gather(*(ledger.use(key, RESERVE) for key in keys))

    ledger = Ledger(folder, "inventory")
    try:
        return asyncio.run(use_all())
    finally:
        ledger.close()


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "inventory.jsonl").read_text().splitlines()]


def rows(folder: Path) -> list[tuple[str, int]]:
    connection = sqlite3.connect(folder / "inventory.sqlite")
    try:
        return connection.execute("SELECT key, at_ns FROM effect ORDER BY seq").fetchall()
    finally:
        connection.close()


def assert_export_is_the_ledger(folder: Path) -> None:
    assert [(line["key"], line["at_ns"]) for line in lines(folder)] == rows(folder)


async def test_a_second_use_answers_as_the_first_and_does_nothing(
    ledger: Ledger, tmp_path: Path
) -> None:
    first = await ledger.use("k", RESERVE)
    second = await ledger.use("k", RESERVE)
    assert second == first
    assert second.reference == first.reference
    assert len(lines(tmp_path)) == 1


async def test_two_uses_in_one_batch_are_one_effect(ledger: Ledger, tmp_path: Path) -> None:
    effects = await asyncio.gather(*(ledger.use("k", RESERVE) for _ in range(20)))
    assert len(set(effects)) == 1
    assert len(lines(tmp_path)) == 1


async def test_a_key_is_not_used_for_another_request(ledger: Ledger, tmp_path: Path) -> None:
    await ledger.use("k", RESERVE)
    with pytest.raises(KeyReused, match=r'found .*"units":4'):
        await ledger.use("k", Request("1", "reserve", units=4))
    assert len(lines(tmp_path)) == 1


async def test_a_line_has_what_belongs_to_its_operation(ledger: Ledger, tmp_path: Path) -> None:
    await ledger.use("a", RESERVE)
    await ledger.use("b", Request("1", "charge", amount="7.50"))
    await ledger.use("c", Request("1", "book"))
    assert [{**line, "at_ns": 0} for line in lines(tmp_path)] == [
        {"order": "1", "operation": "reserve", "key": "a", "at_ns": 0, "units": 3},
        {"order": "1", "operation": "charge", "key": "b", "at_ns": 0, "amount": "7.50"},
        {"order": "1", "operation": "book", "key": "c", "at_ns": 0},
    ]


def test_an_effect_is_found_again_after_the_ledger_was_closed(tmp_path: Path) -> None:
    [first] = used(tmp_path, "k")
    assert used(tmp_path, "k") == [first]
    assert len(lines(tmp_path)) == 1


def test_a_closed_ledger_is_closed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "inventory")
    ledger.close()
    ledger.close()
    with pytest.raises(LedgerClosed):
        asyncio.run(ledger.use("k", RESERVE))


async def test_closing_commits_what_was_asked_for(ledger: Ledger, tmp_path: Path) -> None:
    uses = [asyncio.ensure_future(ledger.use(f"k{n}", RESERVE)) for n in range(1_000)]
    await asyncio.sleep(0)
    await asyncio.to_thread(ledger.close)
    assert len(await asyncio.gather(*uses)) == 1_000
    assert len(lines(tmp_path)) == 1_000


async def test_who_gave_up_waiting_does_not_stop_the_others(ledger: Ledger) -> None:
    use = asyncio.ensure_future(ledger.use("k", RESERVE))
    await asyncio.sleep(0)
    use.cancel()
    effect = await ledger.use("k", RESERVE)
    assert effect.key == "k"


async def test_a_full_disk_is_told_and_mended_at_the_next_use(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int, data: bytes, offset: int) -> None:
        write(file, data[:9], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    write = module.write_at
    monkeypatch.setattr(module, "write_at", full)
    with pytest.raises(OSError, match="No space left"):
        await ledger.use("k", RESERVE)
    monkeypatch.setattr(module, "write_at", write)
    effect = await ledger.use("k", RESERVE)
    assert [line["at_ns"] for line in lines(tmp_path)] == [effect.at_ns]


@pytest.mark.parametrize("tear", [0, 1, 40, -1])
def test_an_export_that_is_short_is_made_good(tmp_path: Path, tear: int) -> None:
    used(tmp_path, "a", "b", "c")
    export = tmp_path / "inventory.jsonl"
    export.write_bytes(export.read_bytes()[:tear])
    used(tmp_path)
    assert len(lines(tmp_path)) == 3
    assert_export_is_the_ledger(tmp_path)


def test_an_export_that_is_damaged_is_written_again(tmp_path: Path) -> None:
    used(tmp_path, "k")
    (tmp_path / "inventory.jsonl").write_bytes(b"\0" * 4_096)
    used(tmp_path, "k")
    assert len(lines(tmp_path)) == 1
    assert_export_is_the_ledger(tmp_path)


KILLED = """
import asyncio, os, sys
from pathlib import Path
from duetto.examples.shop import ledger as module

POINTS = {
    "before the commit": "commit",
    "after the commit": "commit",
    "in the export": "write_at",
    "after the export": "write_at",
}

def die_at(point, call):
    def dying(*arguments):
        if armed and point == "before the commit":
            os._exit(9)
        if armed and point == "in the export":
            file, data, offset = arguments
            call(file, data[: len(data) // 2], offset)
            os._exit(9)
        outcome = call(*arguments)
        if armed:
            os._exit(9)
        return outcome
    return dying

async def main(folder, point):
    ledger = module.Ledger(Path(folder), "inventory")
    await ledger.use("k0", module.Request("1", "reserve", units=3))
    armed.append(True)
    await asyncio.gather(
        *(ledger.use(f"k{n}", module.Request("1", "reserve", units=3)) for n in range(1, 20))
    )

armed = []
folder, point = sys.argv[1:]
setattr(module, POINTS[point], die_at(point, getattr(module, POINTS[point])))
asyncio.run(main(folder, point))
"""


@pytest.mark.parametrize(
    "point", ["before the commit", "after the commit", "in the export", "after the export"]
)
def test_a_kill_at_any_point_leaves_whole_lines_and_no_key_used_twice(
    tmp_path: Path, point: str
) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path), point]
    assert subprocess.run(command, check=False).returncode == 9
    survived = rows(tmp_path)
    assert survived[0][0] == "k0"
    used(tmp_path, *(f"k{n}" for n in range(20)))
    assert rows(tmp_path)[: len(survived)] == survived
    assert len(lines(tmp_path)) == 20
    assert_export_is_the_ledger(tmp_path)
