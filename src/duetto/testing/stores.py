"""What every store promises, as tests: give the class a `store` fixture and it holds it to them.

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self) -> Iterator[Store]: ...

The suite knows no store by name. What a store cannot do it declares in `features`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from duetto.errors import ConflictError, DuettoError, StoreDamaged, ValueRefused
from duetto.model.view import CANCELLED, COMPLETED, FAILED, GUEST, RUNNING, RunRow
from duetto.store import Batch, Query, Store, seal
from duetto.testing.tables import TablesContract

ODD_IDS = (
    "order 1",
    "'; DROP TABLE run; --",
    "caf\u00e9",
    "cafe\u0301",  # the same to a reader, and another run
    "\u202eright-to-left",
    "\U0001f980" * 250,
    "tab\tand\nline",
    "%_*?[",
    " ",
    "a" * 1000,
    "A",
    "a",
)
"""Ids that come back as they are, each another run than all the others."""

REFUSED_IDS = ("", "nul\0inside", "\ud800", "a" * 1001, "\U0001f980" * 251)
"""Ids that some store could not give back, so every store refuses them."""


class Features(NamedTuple):
    """What a store may be without."""

    backup: bool = True
    """Can it write a copy of itself, which `reopened` can open?"""


def a_row(rid: int, **changed: object) -> RunRow:
    """Return a running run of the workflow `fulfil`, with what a test cares for changed."""
    fields: dict[str, object] = {
        "rid": rid,
        "id": f"run-{rid}",
        "workflow": "fulfil",
        "digest": "d1",
        "home": "shop",
        "status": RUNNING,
        "created": 1_000 + rid,
        "updated": 1_000 + rid,
        "identity": b"identity",
        "input": b"input",
    }
    return RunRow(**{**fields, **changed})  # type: ignore[arg-type]  # a test's own mistake to make


def records(rid: int, *texts: bytes) -> list[tuple[int, bytes]]:
    """Return records of a run as a batch takes them."""
    return [(rid, seal(text)) for text in texts]


def rids(rows: Iterable[RunRow]) -> list[int]:
    """Return the rids, in order."""
    return [row.rid for row in rows]


def refused(store: Store, batch: Batch) -> DuettoError | None:
    """Return the error with which a store refuses a batch."""
    try:
        store.commit(batch)
    except DuettoError as error:
        return error
    return None


class CommitContract:
    """A commit is there whole, in order, or not at all."""

    def test_a_row_comes_back_as_it_was(self, store: Store) -> None:
        row = a_row(1, tags=("vip", "ü"), result=b"\0\xff", input=b"", home="")
        store.commit(Batch(runs=[row]))
        assert store.run("run-1") == row
        assert store.run("run-2") is None

    def test_numbers_of_64_bits_come_back(self, store: Store) -> None:
        row = a_row(2**62, created=-(2**63), updated=2**63 - 1)
        store.commit(Batch(runs=[row]))
        assert store.run(row.id) == row

    def test_records_come_back_in_order(self, store: Store) -> None:
        store.commit(Batch(runs=[a_row(1), a_row(2)]))
        store.commit(Batch(journal=[*records(1, b"a"), *records(2, b"x"), *records(1, b"b", b"")]))
        store.commit(Batch(journal=records(1, b"a")))
        assert store.journal(1) == [b"a", b"b", b"", b"a"]
        assert store.journal(2) == [b"x"]
        assert store.journal(3) == []

    def test_large_records_come_back(self, store: Store) -> None:
        large = bytes(range(256)) * 8192
        store.commit(Batch(runs=[a_row(1)], journal=records(1, large, b"after")))
        assert store.journal(1) == [large, b"after"]

    def test_a_run_starts_and_ends_in_one_commit(self, store: Store) -> None:
        store.commit(Batch(runs=[a_row(1)], ended=[(1, COMPLETED, 5_000, b"done")]))
        row = store.run("run-1")
        assert row is not None
        assert (row.status, row.updated, row.result) == (COMPLETED, 5_000, b"done")

    def test_an_end_changes_nothing_else(self, store: Store) -> None:
        row = a_row(1, tags=("a",))
        store.commit(Batch(runs=[row]))
        store.commit(Batch(ended=[(1, FAILED, 7, b"why")]))
        assert store.run("run-1") == a_row(1, tags=("a",), status=FAILED, updated=7, result=b"why")

    def test_an_end_may_be_taken_back(self, store: Store) -> None:
        """Retrying or restarting a failed run opens it again."""
        store.commit(Batch(runs=[a_row(1)], ended=[(1, FAILED, 7, b"why")]))
        store.commit(Batch(ended=[(1, RUNNING, 9, b"")]))
        assert [row.rid for row, _ in store.unfinished()] == [1]

    def test_an_empty_batch_is_a_commit_of_nothing(self, store: Store) -> None:
        store.commit(Batch())
        store.commit(Batch())
        assert store.runs(Query()) == []
        assert store.counts() == {}

    def test_a_batch_is_not_emptied(self, store: Store) -> None:
        batch = Batch(runs=[a_row(1)], journal=records(1, b"a"))
        store.commit(batch)
        assert len(batch.runs) == 1
        assert len(batch.journal) == 1

    def test_an_id_is_used_once(self, store: Store) -> None:
        store.commit(Batch(runs=[a_row(1)]))
        batch = Batch(
            runs=[a_row(2), a_row(3, id="run-1")],
            ended=[(1, COMPLETED, 9, b"")],
            journal=records(1, b"a"),
            definitions=[("d", "w", b"x")],
        )
        assert isinstance(refused(store, batch), ConflictError)
        self.assert_only_the_first(store)

    def test_a_rid_is_used_once(self, store: Store) -> None:
        store.commit(Batch(runs=[a_row(1)]))
        batch = Batch(runs=[a_row(2), a_row(1, id="other")], journal=records(1, b"a"))
        assert isinstance(refused(store, batch), ConflictError)
        self.assert_only_the_first(store)

    def test_an_id_is_used_once_in_a_batch(self, store: Store) -> None:
        store.commit(Batch(runs=[a_row(1)]))
        batch = Batch(runs=[a_row(2, id="twin"), a_row(3, id="twin")], journal=records(1, b"a"))
        assert isinstance(refused(store, batch), ConflictError)
        self.assert_only_the_first(store)

    def test_what_is_not_there_cannot_end(self, store: Store) -> None:
        store.commit(Batch(runs=[a_row(1)]))
        batch = Batch(
            ended=[(1, COMPLETED, 9, b""), (7, COMPLETED, 9, b"")], journal=records(1, b"a")
        )
        assert isinstance(refused(store, batch), ConflictError)
        self.assert_only_the_first(store)

    def test_after_a_refusal_the_store_goes_on(self, store: Store) -> None:
        store.commit(Batch(runs=[a_row(1)]))
        assert refused(store, Batch(runs=[a_row(1)])) is not None
        store.commit(Batch(runs=[a_row(2)], journal=records(2, b"a")))
        assert store.journal(2) == [b"a"]

    def assert_only_the_first(self, store: Store) -> None:
        """Run 1 is as it was committed, and nothing else is there."""
        assert store.runs(Query()) == [a_row(1)]
        assert store.journal(1) == []
        assert store.definition("d") is None

    def test_closing_twice_is_closing(self, store: Store) -> None:
        store.commit(Batch(runs=[a_row(1)]))
        store.close()
        store.close()

    def test_definitions_are_kept_by_digest(self, store: Store) -> None:
        store.commit(Batch(definitions=[("d1", "fulfil", b"one"), ("d2", "fulfil", b"two")]))
        store.commit(Batch(definitions=[("d1", "fulfil", b"one")]))
        assert (store.definition("d1"), store.definition("d2")) == (b"one", b"two")
        assert store.definition("d3") is None


class NameContract:
    """Names come back as they are, or are refused by every store alike."""

    def test_odd_ids_are_runs_of_their_own(self, store: Store) -> None:
        rows = [a_row(rid, id=id) for rid, id in enumerate(ODD_IDS, 1)]
        store.commit(Batch(runs=rows))
        assert [store.run(id) for id in ODD_IDS] == rows

    def test_odd_workflows_and_tags_are_told_apart(self, store: Store) -> None:
        for rid, name in enumerate(ODD_IDS, 1):
            store.commit(Batch(runs=[a_row(rid, workflow=name, tags=(name, "all"))]))
        for rid, name in enumerate(ODD_IDS, 1):
            assert rids(store.runs(Query(workflow=name))) == [rid]
            assert rids(store.runs(Query(tag=name))) == [rid]
        assert len(store.runs(Query(tag="all"))) == len(ODD_IDS)

    def test_what_cannot_be_kept_is_refused(self, store: Store) -> None:
        for name in REFUSED_IDS:
            for row in (a_row(2, id=name), a_row(2, workflow=name), a_row(2, tags=(name,))):
                assert isinstance(refused(store, Batch(runs=[a_row(1), row])), ValueRefused)
        assert store.runs(Query()) == []

    def test_numbers_beyond_64_bits_are_refused(self, store: Store) -> None:
        for row in (a_row(1, created=2**63), a_row(1, updated=-(2**63) - 1), a_row(2**64)):
            assert isinstance(refused(store, Batch(runs=[row])), ValueRefused)
        store.commit(Batch(runs=[a_row(1)]))
        ended = Batch(ended=[(1, COMPLETED, 2**63, b"")])
        assert isinstance(refused(store, ended), ValueRefused)
        assert store.runs(Query()) == [a_row(1)]

    def test_asking_for_what_cannot_be_kept_finds_nothing(self, store: Store) -> None:
        for name in REFUSED_IDS:
            assert store.run(name) is None


class ListContract:
    """Lists are newest first, filtered, and stable from page to page."""

    def test_newest_first(self, store: Store) -> None:
        store.commit(Batch(runs=[a_row(rid) for rid in range(1, 6)]))
        assert rids(store.runs(Query())) == [5, 4, 3, 2, 1]
        assert rids(store.runs(Query(limit=2))) == [5, 4]

    def test_filters_hold_together(self, store: Store) -> None:
        store.commit(
            Batch(
                runs=[
                    a_row(1, workflow="a", status=COMPLETED, tags=("x",)),
                    a_row(2, workflow="a", status=FAILED, tags=("x", "y")),
                    a_row(3, workflow="b", status=FAILED, tags=("x",)),
                    a_row(4, workflow="a", status=GUEST),
                ]
            )
        )
        assert rids(store.runs(Query(workflow="a"))) == [4, 2, 1]
        assert rids(store.runs(Query(statuses=(FAILED,)))) == [3, 2]
        assert rids(store.runs(Query(statuses=(FAILED, COMPLETED), workflow="a"))) == [2, 1]
        assert rids(store.runs(Query(tag="x", workflow="a"))) == [2, 1]
        assert rids(store.runs(Query(tag="x", statuses=(FAILED,), before=3))) == [2]
        assert store.runs(Query(tag="z")) == []
        assert store.runs(Query(workflow="A")) == []

    def test_the_time_of_the_start_is_from_since_to_before_until(self, store: Store) -> None:
        store.commit(Batch(runs=[a_row(rid, created=rid * 10) for rid in range(1, 5)]))
        assert rids(store.runs(Query(since=20, until=40))) == [3, 2]
        assert rids(store.runs(Query(since=20, tag="none"))) == []

    def test_pages_are_stable_while_runs_start(self, store: Store) -> None:
        store.commit(Batch(runs=[a_row(rid) for rid in range(1, 11)]))
        seen = rids(store.runs(Query(limit=4)))
        while page := rids(store.runs(Query(limit=4, before=seen[-1]))):
            rid = store.runs(Query(limit=1))[0].rid + 1
            store.commit(Batch(runs=[a_row(rid)]))
            seen += page
        assert seen == list(range(10, 0, -1))

    def test_counts_follow_ends_and_purges(self, store: Store) -> None:
        store.commit(Batch(runs=[a_row(1), a_row(2), a_row(3, workflow="other")]))
        store.commit(Batch(ended=[(1, COMPLETED, 5, b"")]))
        assert store.counts() == {
            ("fulfil", COMPLETED): 1,
            ("fulfil", RUNNING): 1,
            ("other", RUNNING): 1,
        }
        store.purge(10, 10)
        assert store.counts() == {("fulfil", RUNNING): 1, ("other", RUNNING): 1}


class RecoveryContract:
    """What was open is found again, whole; what is damaged is set apart."""

    def test_open_runs_come_with_their_records_oldest_first(self, store: Store) -> None:
        store.commit(Batch(runs=[a_row(3, status=GUEST), a_row(1), a_row(2)]))
        store.commit(Batch(journal=[*records(3, b"g"), *records(1, b"a"), *records(3, b"h")]))
        store.commit(Batch(ended=[(2, CANCELLED, 9, b"")], journal=records(2, b"end")))
        found = [(row.rid, row.status, kept) for row, kept in store.unfinished()]
        assert found == [(1, RUNNING, [b"a"]), (3, GUEST, [b"g", b"h"])]

    def test_many_open_runs_stream(self, store: Store) -> None:
        store.commit(Batch(runs=[a_row(rid) for rid in range(1, 1_501)]))
        store.commit(Batch(journal=[(rid, seal(b"%d" % rid)) for rid in range(1, 1_501)]))
        assert [(row.rid, kept) for row, kept in store.unfinished()] == [
            (rid, [b"%d" % rid]) for rid in range(1, 1_501)
        ]

    def test_commits_go_on_while_open_runs_stream(self, store: Store) -> None:
        store.commit(Batch(runs=[a_row(rid) for rid in range(1, 1_101)]))
        seen = 0
        for row, _ in store.unfinished():
            seen += 1
            if row.rid % 100 == 0:
                store.commit(Batch(ended=[(row.rid, COMPLETED, 9, b"")]))
        assert seen == 1_100
        assert store.counts()["fulfil", COMPLETED] == 11

    def test_a_record_that_does_not_fit_its_seal_quarantines_its_run(self, store: Store) -> None:
        store.commit(Batch(runs=[a_row(1), a_row(2), a_row(3)]))
        store.commit(Batch(journal=[*records(1, b"a"), (2, b"not sealed"), *records(3, b"c")]))
        assert store.damaged() == ()
        assert [row.rid for row, _ in store.unfinished()] == [1, 3]
        assert [(damage.rid, damage.run) for damage in store.damaged()] == [(2, "run-2")]
        assert store.damaged()[0].reason

    def test_damaged_records_are_never_returned(self, store: Store) -> None:
        store.commit(Batch(runs=[a_row(1)], journal=[*records(1, b"a"), (1, b"bad")]))
        try:
            store.journal(1)
        except StoreDamaged:
            assert [damage.rid for damage in store.damaged()] == [1]
            return
        raise AssertionError("a damaged journal was returned")

    def test_rids_go_on_where_they_ended(self, store: Store) -> None:
        assert store.next_rid() == 1
        store.commit(Batch(runs=[a_row(1), a_row(7)]))
        assert store.next_rid() == 8


class PurgeContract:
    """Retention deletes closed runs, oldest of them and small batches, and nothing else."""

    def test_only_closed_runs_from_before_go(self, store: Store) -> None:
        store.commit(
            Batch(
                runs=[a_row(rid, tags=("t",)) for rid in range(1, 6)],
                journal=[(rid, seal(b"x")) for rid in range(1, 6)],
            )
        )
        ends = [(1, COMPLETED, 10, b""), (2, FAILED, 10, b""), (3, CANCELLED, 10, b"")]
        store.commit(Batch(ended=[*ends, (4, COMPLETED, 20, b"")]))
        assert store.purge(20, 100) == 3
        assert rids(store.runs(Query())) == [5, 4]
        assert rids(store.runs(Query(tag="t"))) == [5, 4]
        assert store.run("run-1") is None
        assert [store.journal(rid) for rid in (1, 2, 3, 4)] == [[], [], [], [b"x"]]

    def test_a_batch_is_at_most_the_limit(self, store: Store) -> None:
        store.commit(Batch(runs=[a_row(rid, status=COMPLETED, updated=1) for rid in range(1, 8)]))
        assert [store.purge(5, 3) for _ in range(4)] == [3, 3, 1, 0]
        assert store.counts() == {}

    def test_a_purged_id_may_be_used_again_and_a_rid_is_not(self, store: Store) -> None:
        store.commit(Batch(runs=[a_row(1, status=COMPLETED, updated=1)], journal=records(1, b"x")))
        assert store.purge(5, 10) == 1
        assert store.next_rid() == 2
        store.commit(Batch(runs=[a_row(2, id="run-1")]))
        assert store.journal(2) == []
        assert store.run("run-1") == a_row(2, id="run-1")


class BackupContract:
    """A backup is a store with everything in it."""

    features = Features()

    def reopened(self, path: Path) -> Store:
        """Open the backup at a path."""
        raise NotImplementedError

    def test_a_backup_opens_with_everything(self, store: Store, tmp_path: Path) -> None:
        if not self.features.backup:
            return
        store.commit(Batch(runs=[a_row(1, tags=("t",))], definitions=[("d", "w", b"def")]))
        store.commit(Batch(journal=records(1, b"a", b"b")))
        store.backup(tmp_path / "copy")
        store.commit(Batch(journal=records(1, b"later")))
        copy = self.reopened(tmp_path / "copy")
        try:
            assert copy.runs(Query(tag="t")) == [a_row(1, tags=("t",))]
            assert copy.journal(1) == [b"a", b"b"]
            assert copy.definition("d") == b"def"
            copy.commit(Batch(runs=[a_row(copy.next_rid())]))
        finally:
            copy.close()
        assert store.journal(1) == [b"a", b"b", b"later"]


class StoreContract(
    CommitContract,
    NameContract,
    ListContract,
    RecoveryContract,
    PurgeContract,
    BackupContract,
    TablesContract,
):
    """Everything that a store promises."""
