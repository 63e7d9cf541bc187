"""The tables of services in the stores that are open here."""

from __future__ import annotations

from collections.abc import Iterable

from duetto.authoring.service import Service
from duetto.authoring.tables import Tables
from duetto.store import Batch, Store

Stores = list[tuple[Store, frozenset[str]]]


def make_tables(stores: Stores, services: Iterable[Service]) -> None:
    """Make the tables that services declare, each in its store.

    Raises ValueRefused for SQL that does not fit.
    """
    wanted = {service.name: service.tables for service in services if service.tables}
    for store, participants in stores:
        batch = Batch()
        for name in sorted(participants & wanted.keys()):
            store.apply(batch, [(wanted[name], ())])
        if batch:
            store.commit(batch)


def tables_of(stores: Stores) -> dict[str, Tables]:
    """Return the tables of each participant."""
    return {name: Tables(store.select) for store, names in stores for name in names}
