"""Participants that name one file share its store, however its path is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from duetto import App, Service, workflow


def shop(stores: tuple[str, str], file: str) -> App:
    """Return an app whose two services name stores."""
    stock, money = Service("stock", store=stores[0]), Service("money", store=stores[1])

    @stock.task
    async def reserve(item: str) -> str:
        return f"one {item}"

    @money.task
    async def charge(item: str) -> str:
        return f"paid for {item}"

    @workflow
    async def buy(item: str) -> str:
        await reserve(item)
        return await charge(item)

    return App("shop", services=[stock, money], workflows=[buy], store=file)


@pytest.mark.parametrize(
    ("stores", "files"),
    [
        (("shop.sqlite", "./shop.sqlite"), ["shop.sqlite"]),
        (("own.sqlite", "./own.sqlite"), ["own.sqlite", "shop.sqlite"]),
    ],
    ids=["the app's", "each other's"],
)
async def test_one_file_is_one_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stores: tuple[str, str], files: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    async with shop(stores, str(tmp_path / "shop.sqlite")) as app:
        assert await app.run_async(app.workflows["buy"], "tea", id="buy-1") == "paid for tea"
        messages = app.operations.counts("buy-1").messages
    assert messages == 4 * (len(files) - 1)  # two commands, where a store lies between
    assert sqlite_files(tmp_path) == files


def sqlite_files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("*.sqlite"))
