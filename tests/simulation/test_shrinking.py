"""Shrinking: the product is broken on purpose, and little is left that breaks the same promise."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec import structs

from duetto.model.placement import Placement, choreography
from duetto.testing.simulation import CLASSES, Scenario, World, draw, from_json, to_json
from duetto.testing.simulation import blocks as b
from duetto.testing.simulation.blocks import Shape
from duetto.testing.simulation.faults import CommitLost, Fault, MessageDoubled, MessageLost
from duetto.testing.simulation.graphs import children
from duetto.testing.simulation.scenario import APART
from duetto.testing.simulation.world import Committed
from tests.sabotage.guards import GUARDS
from tests.simulation import regressions
from tests.simulation.__main__ import main
from tests.simulation.printing import described, fault_told, in_words, source
from tests.simulation.quiet import quietly
from tests.simulation.reference import Wrong
from tests.simulation.regressions import Regression, scenario_of
from tests.simulation.replaying import impatient, replay
from tests.simulation.shrinking import Broken, Shrinking, breaks, shrink
from tests.simulation.smaller import ends, is_sound, size, smaller, with_children
from tests.simulation.trying import hold
from tests.simulation.watching import watch

SEEDS_MAX = 300
"""A guard that is off is noticed within some dozens of seeds."""

BLOCKS_MAX, FAULTS_MAX = 6, 3
"""What is left of some twenty blocks and up to a hundred faults."""


@contextmanager
def without(guard: str) -> Generator[None]:
    """Break the product on purpose."""
    with quietly(), next(each for each in GUARDS if each.name == guard).off(), impatient():
        yield


def noticed(kind: str, fits: Callable[[Scenario, Broken], bool]) -> tuple[Scenario, Broken]:
    """Return the first scenario that notices that a guard is off, and does so as it should."""
    for seed in range(SEEDS_MAX):
        scenario = draw(seed, kind)
        found = breaks(hold, scenario)
        if found is not None and found.promise and fits(scenario, found):
            return scenario, found
    raise AssertionError(f"no seed of {kind} below {SEEDS_MAX} notices it")


def is_large(scenario: Scenario, _: Broken) -> bool:
    return size(scenario.block) > 8 and len(scenario.faults) > 5


def test_without_the_inbox_little_is_left_that_breaks_the_same_promise() -> None:
    with without("inbox"):
        scenario, found = noticed("crashes", is_large)
        small = shrink(scenario, lambda each: breaks(hold, each) == found)
        assert breaks(hold, small) == found
    assert size(small.block) <= BLOCKS_MAX < size(scenario.block)
    assert 0 < len(small.faults) <= FAULTS_MAX < len(scenario.faults)
    assert breaks(hold, small) is None, "it is not the scenario that is wrong"


def test_a_failing_seed_is_replayed_shrunk_printed_and_drawn(tmp_path: Path) -> None:
    said: list[str] = []
    with without("call-after"):
        scenario, found = noticed("crashes", lambda each, _: len(each.faults) > 2)
        assert replay(scenario, "crashes-7", folder=tmp_path, say=said.append) == 1
        small = from_json((tmp_path / "crashes-7.json").read_bytes())
        assert breaks(hold, small) == found, "what is written breaks the same"
    text = "\n".join(said)
    assert source(small.block) in text
    for fault in small.faults:
        assert fault_told(fault) in text
    assert f"broken    promise {found.promise}" in text
    assert text.endswith(f"--scenario {tmp_path / 'crashes-7.json'}")
    drawn = (tmp_path / "crashes-7.svg").read_text("utf-8")
    assert f"promise {found.promise}" in drawn
    assert 'class="struck"' in drawn, "the crash is marked"
    assert 'class="head"' in drawn
    assert ">app</text>" in drawn
    assert "the process dies" in drawn
    for fault in small.faults:
        assert in_words(fault).split(",")[0] in text


def test_what_keeps_every_promise_is_shown_as_it_is(tmp_path: Path) -> None:
    said: list[str] = []
    scenario = draw(3, "placements")
    assert replay(scenario, "placements-3", folder=tmp_path, say=said.append) == 0
    assert from_json((tmp_path / "placements-3.json").read_bytes()) == scenario
    assert "every promise is kept" in said[0]


def test_a_series_prints_the_command_that_replays_a_failing_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with without("call-after"):
        scenario, found = noticed("crashes", lambda each, _: len(each.faults) > 2)
        seed = str(scenario.seed)
        series = ["--class", "crashes", "--seeds", "1", "--jobs", "1", "--first", seed]
        monkeypatch.setattr(sys, "argv", ["x", *series])
        assert main() == 1
        command = f"python -m tests.simulation --class crashes --seed {seed}"
        assert command in capsys.readouterr().out.splitlines()
        arguments = command.split()[3:]
        monkeypatch.setattr(sys, "argv", ["x", *arguments, "--into", str(tmp_path)])
        assert main() == 1
    assert f"broken    promise {found.promise}" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {
        f"crashes-{seed}.json",
        f"crashes-{seed}.svg",
    }


def test_a_scenario_is_kept_as_a_regression_with_what_it_taught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "small.json"
    file.write_bytes(to_json(haystack()))
    monkeypatch.setattr(regressions, "FOLDER", tmp_path / "regressions")
    regressions.FOLDER.mkdir()
    keep = ["x", "--scenario", str(file), "--keep", "needles", "that hay is dry"]
    monkeypatch.setattr(sys, "argv", keep)
    assert main() == 0
    assert regressions.names() == ["needles"]
    assert regressions.read("needles") == Regression("that hay is dry", haystack())
    assert scenario_of((regressions.FOLDER / "needles.json").read_bytes()) == haystack()
    monkeypatch.setattr(sys, "argv", ["x", "--keep", "needles", "that hay is dry"])
    assert main() == 2
    assert "--scenario FILE" in capsys.readouterr().err


# -- watching changes nothing ----------------------------------------------------------------


@pytest.mark.parametrize("kind", CLASSES)
def test_a_watched_run_is_the_same_run(kind: str) -> None:
    for seed in range(8):
        scenario = draw(seed, kind)
        alone: list[World] = []
        result = hold(scenario, prepare=alone.append)
        watched: list[World] = []

        def prepare(world: World, watched: list[World] = watched) -> None:
            watched.append(world)
            watch(world)

        assert hold(scenario, prepare=prepare) == result
        assert told_of(watched[0]) == told_of(alone[0])


def told_of(world: World) -> list[tuple[int, int, object]]:
    """Return a history without how long bodies took, which is measured in real time."""
    return [
        (it.order, it.store, structs.replace(it.record, **({"took": 0} if has_took(it) else {})))
        for it in world.history
    ]


def has_took(committed: Committed) -> bool:
    return "took" in committed.record.__struct_fields__


def test_a_chart_has_every_message_and_every_body() -> None:
    scenario = next(each for each in map(large_and_apart, range(100)) if each is not None)
    worlds: list[World] = []
    charts: list[Any] = []

    def prepare(world: World) -> None:
        worlds.append(world)
        charts.append(watch(world))

    hold(scenario, prepare=prepare)
    chart = charts[0].chart("r", "one")
    kinds = [type(event).__name__ for event in chart.events]
    assert kinds.count("Sent") == worlds[0].network.published > 0
    begun = [event for event in chart.events if getattr(event, "kind", "") == "begun"]
    assert len(begun) == sum(worlds[0].effects.calls.values()) > 0
    crashes = [event for event in chart.events if getattr(event, "kind", "") == "crash"]
    assert len(crashes) >= 1


def large_and_apart(seed: int) -> Scenario | None:
    """Return a scenario with a crash that comes, and messages, short enough for one chart."""
    scenario = draw(seed, "crashes")
    found: list[World] = []
    hold(scenario, prepare=found.append)
    world = found[0]
    dead = any(isinstance(strike.fault, CommitLost) for strike in world.strikes)
    return scenario if dead and 0 < world.network.published < 40 else None


# -- the search ------------------------------------------------------------------------------

CULPRIT = MessageLost("b", "c", 2)


def needs_a_race_and_a_loss(scenario: Scenario) -> bool:
    """Stand in for a promise: a race with `b.keep` in it, and one fault of many."""
    races = [each for each in within(scenario.block) if isinstance(each, b.First)]
    kept = any(b.Step("b.keep", "x", "y") in within(each) for each in races)
    lost = [each for each in scenario.faults if isinstance(each, MessageLost)]
    return kept and any((each.source, each.to) == ("b", "c") for each in lost)


def within(block: b.Block) -> list[b.Block]:
    return [block, *(each for child in children(block) for each in within(child))]


def haystack() -> Scenario:
    step = b.Step("b.keep", "x", "y")
    race = b.First((b.Sequence((b.Sleep(700), step, b.Tell())), b.Step("c.slow")))
    body = b.Try(b.Saga(b.Repeat(3, race)), "ValueError", b.Fail("no more"))
    block = b.Sequence((b.Step("a.flaky"), b.Together((body, b.Sleep(60)), limit=2), b.Leave()))
    noise: list[Fault] = [MessageDoubled("a", "c", nth, 80.5) for nth in range(1, 30)]
    faults = (*noise[:13], CULPRIT, *noise[13:])
    placements = (choreography(), Placement("scattered", "", {}, {"a.keep": "b"}))
    return Scenario(block, APART, (*placements, *placements), faults, home="b", failing=0.2)


def test_only_what_is_needed_is_left_however_it_was_wrapped() -> None:
    small = shrink(haystack(), needs_a_race_and_a_loss)
    assert small.block == b.First((b.Step("b.keep", "x", "y"),))
    assert small.faults == (MessageLost("b", "c", 1),)
    assert len(small.stores) == 1
    assert small.placements == (Placement(),)
    assert (small.home, small.failing) == ("", 0.0)


def test_the_same_scenario_shrinks_to_the_same() -> None:
    searches = [Shrinking(haystack(), needs_a_race_and_a_loss) for _ in range(2)]
    assert searches[0].run() == searches[1].run()
    assert searches[0].trials == searches[1].trials < 400


def test_a_search_ends_in_time_with_what_there_is() -> None:
    tried: list[int] = []
    search = Shrinking(
        haystack(),
        needs_a_race_and_a_loss,
        trials_max=10,
        progress=lambda it: tried.append(it.trials),
    )
    assert needs_a_race_and_a_loss(search.run())
    assert tried == list(range(1, 11))
    assert search.is_over
    late = Shrinking(haystack(), needs_a_race_and_a_loss, seconds_max=0.0)
    assert late.run() == haystack()


def test_a_fault_may_strike_sooner_in_a_smaller_workflow() -> None:
    def at_its_last_commit(scenario: Scenario) -> bool:
        steps = size(scenario.block)
        return steps > 0 and scenario.faults == (CommitLost(0, steps, 0.0),)

    long = b.Sequence((b.Step("a.plain"),) * 6)
    small = shrink(Scenario(long, faults=(CommitLost(0, 6, 0.0),)), at_its_last_commit)
    assert small.block == b.Step("a.plain")
    assert small.faults == (CommitLost(0, 1, 0.0),)


def test_what_is_wrong_is_a_promise_or_an_error_and_its_place() -> None:
    def wrong(_: Scenario) -> None:
        raise Wrong(5, "undone twice")

    def strange(scenario: Scenario) -> None:
        with World(structs.replace(scenario, home="nowhere")) as world:
            world.home()

    assert breaks(wrong, haystack()) == Broken(5)
    assert str(breaks(strange, haystack())).startswith("StopIteration")
    assert breaks(lambda _: None, haystack()) is None


# -- candidates and source -------------------------------------------------------------------


def drawn(seed: int) -> b.Block:
    return b.draw(Random(f"shrinking {seed}"), Shape(choices=True))


@pytest.mark.parametrize("seed", range(40))
def test_every_candidate_is_a_workflow_and_simpler_than_it(seed: int) -> None:
    block = drawn(seed)
    assert is_sound(block)
    assert ends(block)
    for each in smaller(block):
        assert is_sound(each)
        assert each != block
        assert size(each) <= size(block)


def test_what_would_never_end_is_no_candidate() -> None:
    for_ever = b.Sleep(b.ENDLESS_MS)
    assert ends(b.Limit(5, for_ever))
    assert ends(b.First((b.Step("a.plain"), b.Sequence((for_ever, b.Tell())))))
    assert not ends(for_ever)
    assert not ends(b.First((for_ever, for_ever)))
    assert not ends(b.Limit(5, b.Cleanup(b.Tell(), for_ever)))
    scenario = Scenario(b.Limit(5, for_ever))
    assert shrink(scenario, lambda each: for_ever in within(each.block)).block == b.Limit(
        0, for_ever
    )


@pytest.mark.parametrize("seed", range(40))
def test_a_block_is_its_children_and_the_rest(seed: int) -> None:
    for each in within(drawn(seed)):
        assert with_children(each, children(each)) == each


@pytest.mark.parametrize("seed", range(40))
def test_a_workflow_is_printed_as_python(seed: int) -> None:
    block = drawn(seed)
    text = source(block)
    tree = ast.parse(text)
    functions = [node for node in tree.body if isinstance(node, ast.AsyncFunctionDef)]
    assert functions[-1].name == "generated"
    steps = [each for each in within(block) if isinstance(each, b.Step)]
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert sorted(name for name in calls if "." in name) == sorted(each.task for each in steps)


def test_a_scenario_is_described_with_its_system_and_a_line_for_each_fault() -> None:
    lines = described(haystack()).splitlines()
    assert "home        b" in lines
    assert "process 0   app: choreography" in lines
    assert "process 1   a: scattered (a.keep=b)" in lines
    assert "failing     20% of the tasks" in lines
    assert "30 faults:" in lines
    assert "  MessageLost(source=b, to=c, nth=2)" in lines
    assert in_words(CULPRIT) == "message lost: source b, to c, nth 2"
