"""The embedded store: one SQLite file, one owner, every commit synced."""

from duetto.stores.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
