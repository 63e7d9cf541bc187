"""The stores that ship with Duetto: one in memory, one in an SQLite file."""
