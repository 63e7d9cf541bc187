"""Hold a batch that has ended against the plain interpreter, by its stores and the ledger alone."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeGuard

from msgspec import Struct
from msgspec.structs import replace

from duetto.cli.doctor import damage, layout
from duetto.kernel import fold, journal
from duetto.kernel.fold import RunState
from duetto.model.record import CancelCame, Ended, InHand, Moved, Record, Started, TaskEnded
from duetto.model.token import ROOT
from duetto.model.view import RUNNING, RunRow
from duetto.store import Query
from duetto.stores.sqlite import SqliteStore
from duetto.testing.simulation.faults import OperatorCancels
from duetto.testing.simulation.world import Committed
from tests.crashes.generated import BLAMED, Batch, store_files
from tests.crashes.generated_ledger import (
    Answered,
    Asked,
    Begun,
    Born,
    Died,
    Done,
    Entry,
    Kept,
    Recorded,
    Undone,
    Unquiet,
    entries,
)
from tests.simulation.checks import told_alike
from tests.simulation.reference import Wrong

ROWS_MAX = 1_000_000


class Broken(Struct, frozen=True):
    """A promise that a run broke; `number` is -1 where it is no single run's."""

    number: int
    text: str


class Held(Struct):
    """What came of a batch: the promises that it broke, tokens that were parked as they were in
    hand at too many deaths, and effects that were had once more, under their key."""

    broken: list[Broken]
    blamed: int = 0
    repeated: int = 0


class Told:
    """What the stores and the ledger tell of one run."""

    def __init__(self, batch: Batch, number: int) -> None:
        self.history: list[Committed] = []
        self.effects = Recorded(batch, number)
        self.lives: dict[int, list[int]] = {}
        """When each process was born, by its stores."""
        self.asked, self.answered = False, 0
        """Whether an operator wanted to cancel the run, and when it was told that it is."""

    def blamed(self) -> int:
        """Return how often a token was parked as it was in hand at too many deaths."""
        return sum(
            isinstance(each.record, Moved)
            and each.record.cause == "parked"
            and BLAMED in each.record.note
            for each in self.history
        )

    def blamed_once(self) -> None:
        """A death is counted once for each token, or command, that was in hand: a task and its undo
        may both have come for one token. Raises Wrong."""
        seen: set[tuple[object, ...]] = set()
        for each in self.history:
            if isinstance(each.record, InHand):
                life = bisect_left(self.lives[each.store], each.order)
                one = each.record
                count = (life, each.store, one.path, one.step, one.task, one.undo)
                if count in seen:
                    raise Wrong(8, f"{one.path}: one death was counted twice")
                seen.add(count)

    def cancelled(self) -> None:
        """A cancel that was answered is stored by then, or the run's end is. Raises Wrong."""
        before = [each.record for each in self.history if each.order <= self.answered]
        if self.answered and not any(is_cancel(record) for record in before):
            raise Wrong(3, f"cancelled at {self.answered}, and nothing is stored of it")


def is_cancel(record: Record) -> bool:
    """Is a run cancelled, or over, from this record on?"""
    match record:
        case CancelCame(path) | Ended(path):
            return path == ROOT
        case Moved(path=path, change=change) | TaskEnded(path=path, change=change):
            return path == ROOT and change.cancelled
        case _:
            return False


class Read:
    """The runs and records of one store."""

    def __init__(self, path: Path) -> None:
        store = SqliteStore.open(path, read_only=True)
        try:
            self.rows = {row.rid: row for row in store.runs(Query(limit=ROWS_MAX))}
            self.records: dict[int, list[Record]] = {
                rid: [journal.record(data) for data in store.journal(rid)] for rid in self.rows
            }
            began = [each for kept in self.records.values() for each in kept if is_start(each)]
            self.unknown = {
                each.token.definition
                for each in began
                if not store.definition(each.token.definition)
            }
            """Definitions of tokens that were here, which only another store could tell."""
        finally:
            store.close()

    def row(self, run: str) -> RunRow | None:
        return next((row for row in self.rows.values() if row.id == run), None)


def is_start(record: Record) -> TypeGuard[Started]:
    return isinstance(record, Started)


def hold(batch: Batch, directory: Path) -> Held:
    """Return what came of a batch that has ended."""
    files = store_files(batch, directory)
    if found := [text for path in files for text in unsound(path)]:
        return Held([Broken(-1, text) for text in found])
    stores, happened = [Read(path) for path in files], entries(directory)
    if gone := forgotten(happened):
        return Held([Broken(-1, gone)])
    told = tell(batch, happened, stores)
    held = Held([Broken(-1, entry.what) for entry in happened if isinstance(entry, Unquiet)])
    for path, store in zip(files, stores, strict=True):
        for digest in sorted(store.unknown):
            text = f"promise 10: {path.name} lacks the definition {digest} of tokens that it had"
            held.broken.append(Broken(-1, text))
    for number in range(batch.count):
        mine = told[batch.run(number)]
        held.blamed += mine.blamed()
        held.repeated += sum(len(each) - 1 for each in mine.effects.done.values())
        try:
            hold_one(batch, number, stores, mine)
        except Exception as wrong:  # a journal that cannot be followed is one too
            text = str(wrong) if isinstance(wrong, Wrong) else repr(wrong)
            held.broken.append(Broken(number, text))
    return held


def unsound(path: Path) -> Iterator[str]:
    """Yield what `duetto doctor` finds wrong with a store."""
    if not path.exists():
        yield f"there is no {path.name}"
        return
    for finding in (*layout(path), *damage(path)):
        if finding.state != "ok":
            yield f"{path.name}: {finding.name}: {finding.text}"


def hold_one(batch: Batch, number: int, stores: list[Read], told: Told) -> None:
    """Hold one run against the reference. Raises Wrong."""
    scenario, run = batch.scenario(number), batch.run(number)
    row = stores[batch.home(number)].row(run)
    if row is None:
        raise Wrong(3, "the run was never begun")
    if row.status == RUNNING:
        raise Wrong(3, "the run has not ended")
    if told.asked:
        scenario = replace(scenario, faults=(OperatorCancels(0),))
    told_alike(scenario, journal.outcome(row.result), told.history, told.effects)
    told.blamed_once()
    told.cancelled()
    for store in stores:
        there = store.row(run)
        if there is not None:
            over(there, store.records[there.rid], is_home=store is stores[batch.home(number)])


def over(row: RunRow, records: Iterable[Record], *, is_home: bool) -> None:
    """Nothing of a run that has ended is alive in a store, by its journal. Raises Wrong.

    At its home a command may be: of a task that was interrupted and is not to be undone, whose
    process died after the run had ended. Nobody waits for it, and no closed run is taken up. A
    guest is let go of only when its commands have ended.
    """
    state = RunState(row.rid, row.id, row.digest, row.home)
    for record in records:
        fold.apply(state, record)
    if state.tokens or (state.commands and not is_home):
        raise Wrong(8, f"alive: tokens {list(state.tokens)}, commands {list(state.commands)}")


def forgotten(happened: Iterable[Entry]) -> str:
    """Say which records were acknowledged and are not in their store after a death."""
    kept: Counter[tuple[int, int]] = Counter()
    for entry in happened:
        match entry:
            case Kept(store, rids):
                kept.update((store, rid) for rid in rids)
            case Died(records):
                for (store, rid), count in kept.items():
                    found = records[store].get(rid, 0) if store in records else count
                    if found < count:
                        return f"promise 3: {count - found} acknowledged records are gone"
                for store, counts in records.items():
                    kept |= Counter({(store, rid): count for rid, count in counts.items()})
            case _:
                pass
    return ""


def tell(batch: Batch, happened: Iterable[Entry], stores: list[Read]) -> dict[str, Told]:
    """Put the records of all stores and what happened outside into the one order that they had."""
    told = {batch.run(number): Told(batch, number) for number in range(batch.count)}
    taken = [dict.fromkeys(store.rows, 0) for store in stores]
    order = 0

    def take(number: int, rid: int) -> None:
        nonlocal order
        order += 1
        store = stores[number]
        record = store.records[rid][taken[number][rid]]
        taken[number][rid] += 1
        told[store.rows[rid].id].history.append(Committed(order, number, record))

    for each in told.values():
        each.effects.order = lambda: order
    for entry in happened:
        match entry:
            case Born(numbers):
                for each in told.values():
                    for number in numbers:
                        each.lives.setdefault(number, []).append(order)
            case Begun(run=run) | Done(run=run) | Undone(run=run):
                order += 1
                told[run].effects.replay(entry)
            case Asked(run):
                told[run].asked = True
            case Answered(run):
                told[run].answered = order
            case Kept(store, rids):
                for rid in rids:
                    take(store, rid)
            case Died(records):
                for number, counts in records.items():
                    for rid, count in counts.items():
                        for _ in range(count - taken[number][rid]):
                            take(number, rid)
            case _:
                pass
    for number, store in enumerate(stores):
        counts = {rid: len(records) for rid, records in store.records.items()}
        assert taken[number] == counts, "every commit was told of, or found at a death"
    return told
