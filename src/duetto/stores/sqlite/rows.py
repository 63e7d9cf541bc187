"""Run rows and their checksums: how a RunRow is kept in columns."""

from __future__ import annotations

from operator import itemgetter
from typing import Any
from zlib import crc32

import apsw
import msgspec

from duetto.errors import StoreDamaged
from duetto.model.view import RunRow
from duetto.stores.sqlite.database import Cursor, Row

FIELDS = RunRow.__struct_fields__
made_of: Any = RunRow  # a type checker cannot count what comes from a statement
json_decoded = msgspec.json.Decoder(tuple[str, ...]).decode


def columns_of(row: RunRow) -> Row:
    """Return a row's columns, in the order of the statement `insert_run`."""
    tags = msgspec.json.encode(row.tags).decode() if row.tags else None
    return (
        row.rid,
        row.id,
        row.workflow,
        row.digest,
        row.home,
        row.status,
        row.created,
        row.updated,
        row.identity,
        row.input,
        row.result,
        tags,
        start_seal(row),
        end_seal(row.rid, row.status, row.updated, row.result),
    )


def start_seal(row: RunRow) -> int:
    """Return the checksum of what a run's start writes, which no later commit changes."""
    text = "\0".join((row.id, row.workflow, row.digest, row.home, *row.tags))
    seal = crc32(f"{row.rid} {row.created} {text}".encode())
    return crc32(row.input, crc32(row.identity, seal))


def end_seal(rid: int, status: int, updated: int, result: bytes) -> int:
    """Return the checksum of what a run's end writes."""
    return crc32(result, crc32(b"%d %d %d" % (rid, status, updated)))


def read_rows(cursor: Cursor) -> list[RunRow]:
    """Return the rows of a `SELECT *` on runs; raises StoreDamaged at one that does not fit."""
    try:
        names = [str(name) for name, *_ in cursor.description]
    except apsw.ExecutionCompleteError:  # no row at all
        return []
    # Names are looked up once an answer, as a look-up a row would cost as much as reading it.
    places = [names.index(name) for name in FIELDS]
    in_order = itemgetter(*places, names.index("start_seal"), names.index("end_seal"))
    return [row_of(*in_order(columns)) for columns in cursor]


def row_of(*columns: Any) -> RunRow:
    """Return the row in the columns FIELDS and the two seals, checked."""
    *fields, tags, start, end = columns
    try:
        row: RunRow = made_of(*fields, json_decoded(tags) if tags else ())
        fits = start == start_seal(row)
        fits = fits and end == end_seal(row.rid, row.status, row.updated, row.result)
    except (msgspec.MsgspecError, TypeError, AttributeError) as error:  # not even the types fit
        raise damaged_row(columns) from error
    if not fits:
        raise damaged_row(columns)
    return row


def damaged_row(columns: tuple[Any, ...]) -> StoreDamaged:
    """Return the error for a row that does not fit its checksums."""
    return StoreDamaged(
        "The row of a run does not fit its checksum.",
        found=f"rid {columns[0]!r}, id {columns[1]!r}",
        expected="the row as it was committed",
        do="restore a backup; the run is kept from executing meanwhile",
    )
