"""The row of a run at its home, and its records in every store of an app."""

from __future__ import annotations

from collections.abc import Sequence

from duetto.errors import StoreDamaged
from duetto.kernel import journal
from duetto.model.record import Ended, Moved, Record
from duetto.model.view import RunRow
from duetto.runtime.host import Host


def home_row(hosts: Sequence[Host], id: str) -> tuple[Host, RunRow] | None:
    """Return a run with the host that is its home, None where there is none of this id."""
    for host in hosts:
        row = host.new_rows.get(id) or host.store.run(id)
        if row is None and id in host.runs:
            row = next((one for one in host.batch.runs if one.id == id), None)
        if row is not None and row.home in host.participants:
            return host, row
    return None


def received_by(hosts: Sequence[Host], id: str) -> list[str]:
    """Return the names of the events that a run received; none where its records are damaged."""
    try:
        records = records_of(hosts, id)
    except StoreDamaged:
        return []
    return [
        record.note
        for _, record in records
        if isinstance(record, Moved | Ended) and record.cause == "received"
    ]


def records_of(hosts: Sequence[Host], id: str) -> list[tuple[int, Record]]:
    """Return the records of a run, each with the number of its store, in the stores' order.

    Raises StoreDamaged.
    """
    found: list[tuple[int, Record]] = []
    for number, host in enumerate(hosts):
        row = host.store.run(id)
        if row is not None:
            found += [(number, journal.record(data)) for data in host.store.journal(row.rid)]
    return found
