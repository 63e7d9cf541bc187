"""The database broker: one SQLite file that several processes of one machine share."""

from duetto.stores.sqlite_broker.broker import SqliteBroker

__all__ = ["SqliteBroker"]
