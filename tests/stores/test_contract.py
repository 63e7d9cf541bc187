"""Both stores keep the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from duetto.store import Store
from duetto.stores.memory import MemoryStore
from duetto.stores.sqlite import SqliteStore
from duetto.testing.stores import Features, StoreContract


class TestMemoryStore(StoreContract):
    features = Features(backup=False)

    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()


class TestSqliteStore(StoreContract):
    def reopened(self, path: Path) -> Store:
        return SqliteStore.open(path)

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        store = SqliteStore.open(tmp_path / "store.sqlite")
        yield store
        store.close()
