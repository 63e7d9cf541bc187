"""Mend what is damaged and can be made again: the indexes, out of whole tables."""

from __future__ import annotations

import logging

import apsw

from duetto.stores.sqlite.database import Database
from duetto.stores.sqlite.schema import transaction

log = logging.getLogger("duetto.stores")


def mend_indexes(db: Database) -> bool:
    """Make the indexes again, and say whether that went well.

    The old ones are freed without checking their pages, as nothing of them is used; the tables
    are read checked, so that no damage gets into the new ones. It takes a second per million
    runs, and happens once per damage.
    """
    try:
        indexes = db.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
        ).fetchall()
        with transaction(db):
            for name, sql in indexes:
                db.pragma("checksum_verification", 0)
                db.execute(f"DROP INDEX {name}")
                db.pragma("checksum_verification", 1)
                db.execute(sql)
    except apsw.Error as error:
        log.error("the indexes of %s cannot be mended: %s", db.filename, error)
        return False
    finally:
        db.pragma("checksum_verification", 1)
    log.warning("a damaged page was found in %s; its indexes were made again", db.filename)
    return True
