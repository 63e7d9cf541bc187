"""The pytest plugin: fixtures for apps in virtual time, and how to reproduce a failure."""

from __future__ import annotations

import os
import shlex
from collections.abc import Generator, Iterator
from pathlib import Path
from random import SystemRandom
from typing import cast

import pytest

from duetto.testing.app import AppFactory, PlacementName
from duetto.testing.charted import file_name, write
from duetto.testing.clock import JumpingClock
from duetto.testing.crash import Crashes
from duetto.testing.stage import Stage
from duetto.testing.tasks import TaskMocks

SEEDS = 1_000_000
"""Seeds are drawn from so many: short enough to be typed."""

SEED = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--duetto-seed` and `--duetto-charts`."""
    group = parser.getgroup("duetto")
    group.addoption(
        "--duetto-seed", type=int, metavar="N", help="the seed of tests that use Duetto's fixtures"
    )
    group.addoption(
        "--duetto-charts", metavar="FOLDER", help="draw the runs of failed tests, each in a file"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Draw the seed of this session, unless it is given."""
    config.addinivalue_line(
        "markers", "duetto_seed(n): the seed of this test: of ids, jitter and the broker's faults"
    )
    given = cast("int | None", config.getoption("--duetto-seed"))
    config.stash[SEED] = SystemRandom().randrange(SEEDS) if given is None else given


@pytest.fixture
def duetto_seed(request: pytest.FixtureRequest) -> int:
    """The seed of this test: by its marker, else `--duetto-seed`, else drawn for the session."""
    item = cast("pytest.Item", request.node)
    marker = item.get_closest_marker("duetto_seed")
    seed = int(marker.args[0]) if marker is not None else request.config.stash[SEED]
    item.stash[SEED] = seed
    return seed


@pytest.fixture
def duetto_stage(duetto_seed: int) -> Iterator[Stage]:
    """What the apps of this test share."""
    stage = Stage(seed=duetto_seed)
    try:
        yield stage
    finally:
        stage.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that passed although a crash that it planned never came."""
    result = yield
    stage = stage_of(item)
    if stage is not None and stage.crashes.planned:
        pytest.fail(never_came(stage), pytrace=False)
    return result


def stage_of(item: pytest.Item) -> Stage | None:
    """Return the stage of a test, if it has one."""
    stage = getattr(item, "funcargs", {}).get("duetto_stage")
    return stage if isinstance(stage, Stage) else None


def never_came(stage: Stage) -> str:
    """Say which crash was planned for what did not happen."""
    called = ", ".join(sorted({call.task for call in stage.tasks.made})) or "no task"
    return (
        f"A planned crash never came.\n  found     {', '.join(stage.crashes.planned)}"
        f"\n  expected  what happens in this test; called were: {called}"
        "\n  do        plan it before the run is started, or `duetto_crash.forget()` it"
    )


@pytest.fixture
def duetto_app(request: pytest.FixtureRequest, duetto_stage: Stage) -> AppFactory:
    """Makes apps in memory and virtual time; under `duetto_placement` where that is asked for."""
    placement: PlacementName | None = None
    if "duetto_placement" in request.fixturenames:
        placement = request.getfixturevalue("duetto_placement")
    return AppFactory(duetto_stage, placement)


@pytest.fixture
def duetto_clock(duetto_stage: Stage) -> JumpingClock:
    """The clock of this test's apps."""
    return JumpingClock(duetto_stage)


@pytest.fixture
def duetto_tasks(duetto_stage: Stage) -> TaskMocks:
    """Mocks of tasks, and the calls that were made."""
    return duetto_stage.tasks


@pytest.fixture
def duetto_crash(duetto_stage: Stage) -> Crashes:
    """Plans where the process dies."""
    return duetto_stage.crashes


@pytest.fixture(params=["orchestration", "choreography", "hybrid"])
def duetto_placement(request: pytest.FixtureRequest) -> PlacementName:
    """Runs the test under all three; the hybrid is that of every second service."""
    return cast("PlacementName", request.param)


def place_of(item: pytest.Item) -> str:
    """Return how a test is named from where pytest was called."""
    file = os.path.relpath(item.path, item.config.invocation_params.dir)
    return "::".join([file, *item.nodeid.split("::")[1:]])


def draw(item: pytest.Item, stage: Stage) -> list[str]:
    """Draw the runs of a test where that is asked for; return the files."""
    folder = cast("str | None", item.config.getoption("--duetto-charts"))
    if folder is None:
        return []
    return [
        str(write(chart, Path(folder, file_name(item.name, chart.title) + ".svg")))
        for chart in stage.charts()
    ]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the command that reproduces a failure."""
    report = yield
    if report.failed:
        if SEED in item.stash:
            command = f"pytest {shlex.quote(place_of(item))} --duetto-seed={item.stash[SEED]}"
            report.sections.append(("duetto: to reproduce it", command))
        stage = stage_of(item)
        if stage is not None and (lines := stage.describe()):
            report.sections.append(("duetto: runs", "\n".join(lines)))
        if stage is not None and (drawn := draw(item, stage)):
            report.sections.append(("duetto: drawn", "\n".join(drawn)))
    return report
