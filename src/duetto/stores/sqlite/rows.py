"""Run rows and their checksums: how a RunRow is kept in columns."""

from __future__ import annotations

from zlib import crc32

import apsw
import msgspec

from duetto.errors import StoreDamaged
from duetto.model.view import RunRow


def columns_of(row: RunRow) -> apsw.SQLiteValues:
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


def read_rows(cursor: apsw.Cursor) -> list[RunRow]:
    """Return the rows of a `SELECT *` on runs; raises StoreDamaged at one that does not fit."""
    try:
        names = [name for name, *_ in cursor.description]
    except apsw.ExecutionCompleteError:  # no row at all
        return []
    return [row_of(dict(zip(names, columns, strict=True))) for columns in cursor]


def row_of(named: dict[str, apsw.SQLiteValue]) -> RunRow:
    """Return the row in these columns, checked."""
    seals = named.pop("start_seal"), named.pop("end_seal")
    try:
        tags = named["tags"]
        named["tags"] = msgspec.json.decode(str(tags)) if tags is not None else ()
        row = msgspec.convert(named, RunRow)
    except msgspec.MsgspecError as error:
        raise damaged_row(named) from error
    if seals != (start_seal(row), end_seal(row.rid, row.status, row.updated, row.result)):
        raise damaged_row(named)
    return row


def damaged_row(named: dict[str, apsw.SQLiteValue]) -> StoreDamaged:
    """Return the error for a row that does not fit its checksums."""
    return StoreDamaged(
        "The row of a run does not fit its checksum.",
        found=f"rid {named.get('rid')!r}, id {named.get('id')!r}",
        expected="the row as it was committed",
        do="restore a backup; the run is kept from executing meanwhile",
    )
