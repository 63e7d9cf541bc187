"""The layout's version: what an upgrade would do, and doing it whole or not at all."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from duetto.errors import StoreDamaged, StoreError, StoreNewer
from duetto.stores.sqlite.database import Database
from duetto.stores.sqlite.statements import parsed

APPLICATION_ID = 0x44756574
"""`Duet` in the file's header: what another program wrote is not taken for a store."""


class Migration(NamedTuple):
    """One step of the layout: the version that it leads to, its title, its statements."""

    version: int
    title: str
    statements: dict[str, str]


def migrations() -> tuple[Migration, ...]:
    """Return every step there is, oldest first, as `migrations/NNNN_title.sql` has them."""
    folder = files("duetto.stores.sqlite").joinpath("migrations")
    texts = {entry.name: entry.read_text("utf-8") for entry in folder.iterdir()}
    return tuple(
        Migration(int(name[:4]), name[5:-4].replace("_", " "), parsed(texts[name]))
        for name in sorted(texts)
        if name.endswith(".sql")
    )


def version_of(db: Database) -> int:
    """Return the file's version, 0 for an empty file; raises where another program wrote it."""
    application, version = int(db.pragma("application_id")), int(db.pragma("user_version"))
    empty = not db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
    if application != APPLICATION_ID and not (empty and application == version == 0):
        raise StoreDamaged(
            f"{db.filename} is not a store of Duetto.",
            found=f"an SQLite file with application id {application:#x}",
            expected=f"application id {APPLICATION_ID:#x}",
            do="give the path of a store, or of a file that does not exist yet",
        )
    return version


def pending(version: int, known: tuple[Migration, ...]) -> tuple[Migration, ...]:
    """Return the steps from a version to the newest; raises StoreNewer for one beyond."""
    newest = known[-1].version
    if version > newest:
        raise StoreNewer(
            "The store was written by a newer version of Duetto.",
            found=f"layout {version}",
            expected=f"layout {newest} or older",
            do="use the newer version; it never writes for older ones",
        )
    return tuple(step for step in known if step.version > version)


@contextmanager
def transaction(db: Database) -> Generator[None]:
    """Do what is within whole or not at all."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def take(db: Database, steps: tuple[Migration, ...]) -> None:
    """Take the steps, in a transaction of the caller's."""
    for step in steps:
        for statement in step.statements.values():
            db.execute(statement)
        db.pragma("user_version", step.version)
    db.pragma("application_id", APPLICATION_ID)


def outdated(path: Path, version: int, steps: tuple[Migration, ...]) -> StoreError:
    """Return the error for a store that must be upgraded first."""
    return StoreError(
        f"The store {path} was written by an older version of Duetto.",
        found=f"layout {version}",
        expected=f"layout {steps[-1].version}",
        do="`duetto store plan` shows what `duetto store upgrade` would do; take a backup first",
    )
