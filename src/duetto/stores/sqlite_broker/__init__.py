"""The database broker: one SQLite file that several processes of one machine share."""

from duetto.stores.sqlite_broker.broker import SqliteBroker, broker_file

__all__ = ["SqliteBroker", "broker_file"]
