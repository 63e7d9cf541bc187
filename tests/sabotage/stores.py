"""Small trials of a real SQLite file: damage, two owners, upgrades, files that got lost, power.

Each is drawn from a seed, holds the store against a model in memory, and names the promise that a
difference breaks.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import apsw

from duetto.errors import (
    CommitsLost,
    DuettoError,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreNewer,
)
from duetto.model.view import COMPLETED, RUNNING, RunRow
from duetto.store import Batch, Query, seal
from duetto.stores.memory import MemoryStore
from duetto.stores.sqlite import SqliteStore, opening
from duetto.stores.sqlite import store as sqlite_store
from duetto.stores.sqlite.connection import connect
from duetto.stores.sqlite.mark import mark_file
from duetto.stores.sqlite.opening import log_file
from duetto.stores.sqlite.schema import Migration, migrations
from duetto.testing.stores import a_row
from tests.sabotage.switching import instead
from tests.simulation.reference import Wrong
from tests.stores.faulty_vfs import Disk, Platter, broken, faulty_disk
from tests.stores.powercut import CHECKPOINT_PAGES, Rounds
from tests.stores.powercut import Wrong as WrongAfterCut

CUTS = 3
"""Power cuts of one seed."""


class Shelf:
    """A store in a file, and the model of it: what was acknowledged."""

    def __init__(self, random: Random, path: Path) -> None:
        self.random, self.path = random, path
        self.model = MemoryStore()
        self.rid = 0

    def batch(self) -> Batch:
        """Draw what one commit writes."""
        random = self.random
        rows = [self.row() for _ in range(random.randint(0, 3))]
        rids = [row.rid for row in (*self.model.runs(Query(limit=20)), *rows)]
        open_rids = [rid for rid in rids if self.is_open(rid, rows)]
        return Batch(
            runs=rows,
            ended=[(rid, COMPLETED, rid, b"result") for rid in open_rids if random.random() < 0.1],
            journal=[(rid, seal(random.randbytes(80))) for rid in open_rids],
        )

    def row(self) -> RunRow:
        self.rid += 1
        return a_row(self.rid, input=self.random.randbytes(60))

    def is_open(self, rid: int, new: list[RunRow]) -> bool:
        rows = (*new, *self.model.runs(Query(limit=1000)))
        return any(row.rid == rid and row.status == RUNNING for row in rows)

    def commit(self, store: SqliteStore, count: int) -> None:
        """Commit so many batches to both."""
        for _ in range(count):
            batch = self.batch()
            store.commit(batch)
            self.model.commit(batch)

    def filled(self, count: int) -> None:
        """Make the file, and close it as one should."""
        store = SqliteStore.open(self.path)
        self.commit(store, count)
        store.close()

    def hold(self, store: SqliteStore, *, promise: int, whole: bool = True) -> None:
        """Hold the store against the model; what is not `whole` may have reported runs as damaged.

        Raises Wrong.
        """
        rows = {row.rid: row for row in store.runs(Query(limit=1000))}
        found = {
            row.rid: self.journal(store, row.rid) for row in self.model.runs(Query(limit=1000))
        }
        open_runs = {row.rid for row, _ in store.unfinished()}
        damaged = {damage.rid for damage in store.damaged()}
        if whole and damaged:
            raise Wrong(promise, f"runs {sorted(damaged)} are damaged")
        for row in self.model.runs(Query(limit=1000)):
            if row.rid in damaged:
                continue
            if rows.get(row.rid) != row:
                raise Wrong(promise, f"{rows.get(row.rid)} instead of {row}")
            if found[row.rid] != self.model.journal(row.rid):
                raise Wrong(promise, f"run {row.rid} has other records than were committed")
            if (row.rid in open_runs) != (row.status == RUNNING):
                raise Wrong(promise, f"run {row.rid} is taken up: {row.rid in open_runs}")
        if more := set(rows) - {row.rid for row in self.model.runs(Query(limit=1000))}:
            raise Wrong(promise, f"runs that nobody committed: {sorted(more)}")

    def hold_with(self, store: SqliteStore, unanswered: list[Batch]) -> None:
        """Hold it against what was acknowledged, with the first that was not or without it."""
        try:
            self.hold(store, promise=3)
        except Wrong:
            if not unanswered:
                raise
            self.model.commit(unanswered.pop(0))
            self.hold(store, promise=3)

    def journal(self, store: SqliteStore, rid: int) -> list[bytes] | None:
        """Return the records of a run, None where the store says that they are damaged."""
        try:
            return store.journal(rid)
        except StoreDamaged:
            return None


@contextmanager
def shelf(kind: str, seed: int) -> Generator[Shelf]:
    """Give a folder to a trial."""
    with TemporaryDirectory() as folder:
        yield Shelf(Random(f"{kind} {seed}"), Path(folder) / "s.sqlite")


# -- damage


def flipped_pages(seed: int) -> None:
    """The disk gives other bits than were written, anywhere in the file."""
    with shelf("pages", seed) as kept:
        kept.filled(kept.random.randint(5, 25))
        data = bytearray(kept.path.read_bytes())
        for _ in range(kept.random.randint(1, 4)):
            data[kept.random.randrange(100, len(data))] ^= 1 << kept.random.randrange(8)
        kept.path.write_bytes(data)
        held_if_it_opens(kept)


def held_if_it_opens(kept: Shelf) -> None:
    """What can be read is as it was committed; the rest is refused, by a name."""
    try:
        store = SqliteStore.open(kept.path)
    except StoreError:
        return
    try:
        kept.hold(store, promise=8, whole=False)
    except StoreError:
        pass  # it says so, and gives nothing
    finally:
        store.close()


def changed_records(seed: int) -> None:
    """Bytes of a record or of a run's row were changed, where the page does not show it."""
    with shelf("records", seed) as kept:
        kept.filled(kept.random.randint(3, 12))
        db = connect(kept.path, write=True)
        for _ in range(kept.random.randint(1, 3)):
            change_something(kept.random, db)
        db.close()
        held_if_it_opens(kept)


def change_something(random: Random, db: object) -> None:
    """Change one value of one row, as a program could that writes to the file."""
    execute = getattr(db, "execute")  # noqa: B009  # only for the sake of the type
    empty = not execute("SELECT 1 FROM journal WHERE rid > 0").fetchall()
    table, number, columns = random.choice(
        (
            ("run", "rid", ("input",)) if empty else ("journal", "lsn", ("data",)),
            ("run", "rid", ("workflow", "digest", "home", "input", "result", "identity")),
        )
    )
    numbers = [row[0] for row in execute(f"SELECT {number} FROM {table} WHERE rid > 0").fetchall()]
    column = random.choice(columns)
    if not numbers:
        return  # nobody has started anything yet
    at = random.choice(numbers)
    (old,) = execute(f"SELECT {column} FROM {table} WHERE {number} = ?", (at,)).fetchall()[0]
    new = old + "x" if isinstance(old, str) else bytes(old) + b"x"
    execute(f"UPDATE {table} SET {column} = ? WHERE {number} = ?", (new, at))


# -- owners and layouts


def two_owners(seed: int) -> None:
    """Somebody opens a store that is in use."""
    with shelf("owners", seed) as kept:
        store = SqliteStore.open(kept.path)
        kept.commit(store, kept.random.randint(1, 6))
        name = kept.path
        if kept.random.random() < 0.5:
            name = kept.path.with_name("link.sqlite")
            name.symlink_to(kept.path)
        try:
            other = SqliteStore.open(name)
        except StoreBusy:
            store.close()
            return
        except DuettoError as error:
            store.close()
            raise Wrong(11, f"a store in use is refused as something else: {error}") from error
        kept.commit(other, 1)
        kept.commit(store, 1)
        other.close()
        store.close()
        raise Wrong(9, "two owners of one store committed")


def upgraded(seed: int) -> None:
    """A store is brought to a newer layout, in use or not, and a step may fail."""
    with shelf("upgrades", seed) as kept:
        random = kept.random
        kept.filled(random.randint(1, 5))
        before = layout(kept.path)
        step = a_step(random)
        with instead(opening, "migrations", lambda: (*migrations(), step)):
            if random.random() < 0.5:
                while_in_use(kept, step)
            fails = "fails" in step.statements
            try:
                SqliteStore.upgrade(kept.path)
            except DuettoError:
                if not fails:
                    raise
            after = layout(kept.path)
            if fails and after != before:
                raise Wrong(8, f"a step that failed left {after} of {before}")
            if not fails and after[0] != step.version:
                raise Wrong(8, f"the layout is {after[0]} after an upgrade to {step.version}")


def a_step(random: Random) -> Migration:
    """Draw a step of the layout, of some statements, one of which may fail."""
    statements = {
        f"table {number}": f"CREATE TABLE extra{number}(n INTEGER PRIMARY KEY) STRICT"
        for number in range(random.randint(1, 3))
    }
    if random.random() < 0.5:
        statements["fails"] = "CREATE TABLE run(rid INTEGER)"
    return Migration(99, "a step of the trial", statements)


def while_in_use(kept: Shelf, step: Migration) -> None:
    """Nobody upgrades a store under its owner."""
    with instead(opening, "migrations", migrations):
        store = SqliteStore.open(kept.path)
    try:
        SqliteStore.upgrade(kept.path)
    except StoreBusy:
        return
    except DuettoError as error:
        if "fails" not in step.statements:
            raise Wrong(9, f"an upgrade beside the owner came to {error}") from error
        raise Wrong(9, "an upgrade began beside the owner") from error
    finally:
        store.close()
    raise Wrong(9, "a store was upgraded under its owner")


def layout(path: Path) -> tuple[int, frozenset[str]]:
    """Return the version and the tables of a file."""
    db = connect(path, write=False)
    try:
        names = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        return int(db.pragma("user_version")), frozenset(name for (name,) in names)
    finally:
        db.close()


def newer(seed: int) -> None:
    """A store was written by a newer version."""
    with shelf("newer", seed) as kept:
        kept.filled(kept.random.randint(1, 4))
        db = connect(kept.path, write=True)
        db.pragma("user_version", kept.random.randint(50, 90))
        db.close()
        try:
            store = SqliteStore.open(kept.path)
        except StoreNewer:
            return
        store.close()
        raise Wrong(11, "a store of a newer version was opened")


# -- what got lost


HARMS = (
    *("nothing", "no mark", "no log", "no log, no mark"),
    *("older log", "older all but mark", "another store"),
)


def lost_files(seed: int) -> None:
    """A process dies; then somebody loses a file, or brings an older one back."""
    with shelf("losses", seed) as kept:
        random = kept.random
        store = SqliteStore.open(kept.path)
        kept.commit(store, random.randint(1, 5))
        older = saved(kept.path, "older")
        kept.commit(store, random.randint(1, 5))
        died = saved(kept.path, "died")
        store.close()
        harm = random.choice(HARMS)
        restored(died, kept.path)
        mark = mark_file(kept.path)
        match harm:
            case "no log, no mark":
                log_file(kept.path).unlink()
                mark.unlink()
            case "another store":
                acknowledged = mark.read_bytes()
                restored(another(kept), kept.path)
                mark.write_bytes(acknowledged)
            case "no log":
                log_file(kept.path).unlink()
            case "older log":
                shutil.copy(log_file(older), log_file(kept.path))
            case "older all but mark":
                acknowledged = mark.read_bytes()
                restored(older, kept.path)
                mark.write_bytes(acknowledged)
            case "no mark":
                mark.unlink()
            case _:
                pass
        hold_or_told(kept, harm)


def hold_or_told(kept: Shelf, harm: str) -> None:
    """All that was acknowledged is there, or the opening says that it is not."""
    try:
        store = SqliteStore.open(kept.path)
    except CommitsLost:
        if harm in ("nothing", "no mark"):
            raise Wrong(8, f"refused although nothing is lost: {harm}") from None
        return
    try:
        kept.hold(store, promise=8)
    finally:
        store.close()


def saved(path: Path, name: str) -> Path:
    """Copy the files of a store in use, as a kill would leave them."""
    folder = path.parent / name
    folder.mkdir()
    for file in path.parent.glob(path.name + "*"):
        shutil.copy(file, folder)
    return folder / path.name


def restored(source: Path, path: Path) -> None:
    """Put files back as they were saved."""
    for file in path.parent.glob(path.name + "*"):
        file.unlink()
    for file in source.parent.glob(source.name + "*"):
        if not file.name.endswith("-shm"):
            shutil.copy(file, path.parent)


def another(kept: Shelf) -> Path:
    """Return the path of another store, with as many commits or more."""
    folder = kept.path.parent / "another"
    folder.mkdir()
    other = Shelf(kept.random, folder / kept.path.name)
    other.filled(20)
    return other.path


# -- retention


def purged(seed: int) -> None:
    """Closed runs go after their time; open ones, and numbers, stay."""
    with shelf("purges", seed) as kept:
        random = kept.random
        store = SqliteStore.open(kept.path)
        for _ in range(random.randint(2, 5)):
            kept.commit(store, random.randint(1, 4))
            # Each of them closed at the instant that is its number, if it did.
            before = random.choice((random.randint(1, kept.rid + 2), 1 << 40))
            purge(kept, store, before, random.randint(1, 10))
            if random.random() < 0.5:
                store.close()
                store = SqliteStore.open(kept.path)
            if store.next_rid() <= kept.rid:
                raise Wrong(8, f"number {store.next_rid()} is given twice")
        kept.hold(store, promise=8)
        store.close()


def purge(kept: Shelf, store: SqliteStore, before: int, limit: int) -> None:
    """Purge both; which of the closed ones go first is the store's choice."""
    rows = kept.model.runs(Query(limit=1000))
    closed = {row.rid for row in rows if row.status != RUNNING and row.updated < before}
    count = store.purge(before, limit)
    if count != min(limit, len(closed)):
        raise Wrong(8, f"{count} of {len(closed)} closed runs were purged, at most {limit}")
    left = {row.rid for row in store.runs(Query(limit=1000))}
    gone = {row.rid for row in rows} - left
    if not gone <= closed:
        raise Wrong(8, f"purged although not closed that long: {sorted(gone - closed)}")
    kept.model = without(kept.model, gone)


def without(model: MemoryStore, gone: set[int]) -> MemoryStore:
    """Return the model without some runs."""
    fresh = MemoryStore()
    rows = [row for row in reversed(model.runs(Query(limit=1000))) if row.rid not in gone]
    records = [(row.rid, seal(data)) for row in rows for data in model.journal(row.rid)]
    fresh.commit(Batch(runs=rows, journal=records))
    return fresh


# -- power


def cut_power(seed: int) -> None:
    """The power goes, several times, in the middle of whatever."""
    with (
        TemporaryDirectory() as folder,
        faulty_disk() as disk,
        instead(sqlite_store, "CHECKPOINT_PAGES", CHECKPOINT_PAGES),
    ):
        rounds = Rounds(disk, Path(folder, "s.sqlite"), Random(f"power {seed}"), Counter())
        try:
            for _ in range(CUTS):
                rounds.cut()
        except WrongAfterCut as wrong:
            raise Wrong(3, str(wrong)) from wrong


def broken_disk(seed: int) -> None:
    """A sync fails, so what it was to keep is in memory only; the power goes, at once or later."""
    with (
        TemporaryDirectory() as folder,
        faulty_disk() as disk,
        instead(sqlite_store, "CHECKPOINT_PAGES", CHECKPOINT_PAGES),
    ):
        kept = Shelf(Random(f"broken {seed}"), Path(folder, "s.sqlite"))
        store = SqliteStore.open(kept.path)
        kept.commit(store, kept.random.randint(1, 4))
        disk.refuse = Unsynced(disk, kept.random.randint(1, 6))
        unanswered = as_it_goes(kept, store, 6)
        if kept.random.random() < 0.5:
            kept.path = killed(disk, store)
            store = opened_again(kept.path)
            kept.hold_with(store, unanswered)
            kept.commit(store, 2)
        disk.is_off = True
        store.close()
        disk.refuse = lambda operation, path: None
        disk.power_comes_back(kept.random)
        store = opened_again(kept.path)
        try:
            kept.hold_with(store, unanswered)
        finally:
            store.close()


def opened_again(path: Path) -> SqliteStore:
    """Open what has all that was acknowledged."""
    try:
        return SqliteStore.open(path)
    except StoreError as error:
        raise Wrong(3, f"the store does not open: {error}") from error


def killed(disk: Disk, store: SqliteStore) -> Path:
    """Let a process die: return a copy of its files, with what is on the disk and what is not."""
    path = store.path
    copy = saved(path, "killed")
    for file in copy.parent.glob(copy.name + "*"):
        old = disk.platters.get(str(path.with_name(file.name)))
        if old is not None:
            disk.platters[str(file)] = Platter(old.durable, old.has_name, list(old.pending))
    file_of_processes(copy).unlink(missing_ok=True)
    store.close()
    return copy


def file_of_processes(path: Path) -> Path:
    """Return what processes share while they live."""
    return path.with_name(path.name + "-shm")


class Unsynced:
    """Refuses the nth sync; what it was to keep stays in memory, and looks as if it were kept."""

    def __init__(self, disk: Disk, nth: int) -> None:
        self._disk, self._left = disk, nth

    def __call__(self, operation: str, path: str) -> Exception | None:
        if operation != "sync":
            return None
        self._left -= 1
        if self._left != 0:
            return None
        self._disk.platters[path].pending.clear()
        return broken("i/o error", apsw.SQLITE_IOERR_FSYNC)


def as_it_goes(kept: Shelf, store: SqliteStore, count: int) -> list[Batch]:
    """Commit so many batches, refused or not; return those that may be there or not."""
    unanswered: list[Batch] = []
    for _ in range(count):
        batch = kept.batch()
        try:
            store.commit(batch)
        except StoreError:
            unanswered.append(batch)
        else:
            kept.model.commit(batch)
    return unanswered


TRIALS = {
    "pages": flipped_pages,
    "records": changed_records,
    "owners": two_owners,
    "upgrades": upgraded,
    "newer": newer,
    "losses": lost_files,
    "purges": purged,
    "power": cut_power,
    "broken": broken_disk,
}
"""The trials by the class that names them."""
