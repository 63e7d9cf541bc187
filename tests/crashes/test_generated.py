"""Generated workflows on real files end as the plain interpreter says, however often they die."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from tests.crashes import generated_lives
from tests.crashes.generated import Batch
from tests.crashes.generated_deaths import Tally
from tests.crashes.generated_holding import hold
from tests.crashes.generated_ledger import LEDGER_FILE, Begun, Done, Entry, Ledger, Undone, entries
from tests.crashes.generated_lives import kill_and_hold

RUNS, CONCURRENCY = 150, 12
KILLS_MIN = 10
SEED = 20_261_126
SYSTEMS = (
    Batch(0, 50, "orchestration", "one", cancels=True),
    Batch(50, 50, "choreography", "apart"),
    Batch(100, 50, "changing", "paired", separate=True),
    Batch(150, 50, "changing", "apart", cancels=True),
    Batch(200, 50, "scattered", "paired"),
)
"""More than are needed: where few kills came in time there are more runs."""


@pytest.mark.slow
def test_killed_processes_change_nothing(tmp_path: Path) -> None:
    random, tally = Random(SEED), Tally()
    for number, system in enumerate(SYSTEMS):
        batch = replace(system, concurrency=CONCURRENCY)
        broken = kill_and_hold(batch, tmp_path / str(number), random, tally)
        assert not broken, [(each.text, batch.again(each.number)) for each in broken]
        if tally.runs >= RUNS and tally.kills >= KILLS_MIN:
            break
    print(tally)
    assert tally.runs >= RUNS
    assert tally.kills >= KILLS_MIN
    assert tally.in_hand.total() > tally.kills


@pytest.mark.slow
def test_what_is_broken_is_found(tmp_path: Path) -> None:
    """The ledger of a batch is changed as a broken Duetto would have left it."""
    batch = Batch(0, 20, "choreography", "apart")
    assert kill_and_hold(batch, tmp_path, Random(SEED), Tally()) == []
    happened = entries(tmp_path)

    def broken(*changed: Entry) -> str:
        (tmp_path / LEDGER_FILE).unlink()
        ledger = Ledger(tmp_path)
        for entry in changed:
            ledger.write(entry)
        ledger.close()
        return " ".join(each.text for each in hold(batch, tmp_path).broken)

    assert broken(*happened) == ""
    done = [entry for entry in happened if isinstance(entry, Done)]
    unseen = broken(*(entry for entry in happened if not isinstance(entry, Done)))
    assert "completed without an effect" in unseen
    assert "ran again" in broken(*happened, *(Begun(one.run, one.key) for one in done))
    undone = [entry for entry in happened if isinstance(entry, Undone)]
    assert undone, "the batch has something to undo"
    assert "promise 5" in broken(*(entry for entry in happened if not isinstance(entry, Undone)))
    assert "an effect after its undo" in broken(
        *happened, *(Done(one.run, one.key) for one in undone)
    )


def test_a_process_that_ends_early_is_found(tmp_path: Path) -> None:
    broken = kill_and_hold(Batch(0, 1, "nowhere"), tmp_path, Random(SEED), Tally())
    assert ["PlacementError" in each.text for each in broken] == [True]


def test_a_process_that_does_nothing_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generated_lives, "IDLE_S_MAX", 0.01)
    broken = kill_and_hold(Batch(0, 1), tmp_path, Random(SEED), Tally())
    assert ["nothing happens" in each.text for each in broken] == [True]
