"""The embedded store: one SQLite file, one owner, every commit synced."""

from duetto.stores.sqlite.owner import Owner, owner_of
from duetto.stores.sqlite.schema import Migration
from duetto.stores.sqlite.store import SqliteStore

__all__ = ["Migration", "Owner", "SqliteStore", "owner_of"]
