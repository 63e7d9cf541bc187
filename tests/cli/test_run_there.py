"""`duetto run` where an app owns the store already: that app runs the lines."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from duetto.stores.sqlite.owner import Ownership
from tests.cli.conftest import APP, Project
from tests.cli.test_socket import held

RUN = ("run", "fulfil", "--input", "orders.jsonl")


@pytest.fixture
def store(project: Project) -> Path:
    return project.folder / "shop.sqlite"


def test_the_app_that_owns_the_store_runs_the_lines(project: Project, store: Path) -> None:
    project.orders(1, 2, 7)
    with held(project, store):
        said = project.duetto(*RUN)
        assert f"the app that owns {store} runs them" in said.stderr
        assert "placement    –" in said.stdout
        again = project.json(*RUN)
        assert (again["runs"], again["completed"], again["failed"]) == (3, 2, {"ValueError": 1})
        assert (again["compensated"], again["open"], again["steps"]) == (1, 0, 0)
        runs = {run["id"]: run for run in project.lines("runs", "list")}
        assert runs.keys() == {"o1", "o2", "o3", "w1", "f1"}
        assert runs["o2"]["result"] == "paid 2"
        assert project.lines("runs", "history", "o2")


def test_what_it_cost_is_counted_there(project: Project, store: Path) -> None:
    project.write("sums.jsonl", '{"id": "s", "args": [1, 2], "tags": ["big"]}')
    project.orders(1, 2, 7)
    with held(project, store):
        found = project.json(*RUN)
        assert (found["steps"], found["placement"]) == (2 * 2 + 1, None)
        assert found["p50_ms"] is not None
        project.duetto("run", "add", "--input", "sums.jsonl")
        assert [run["result"] for run in project.lines("runs", "list", "--tag", "big")] == [3]


def test_a_run_that_is_parked_there_is_named(project: Project, store: Path) -> None:
    project.orders(1, 13)
    with held(project, store):
        said = project.duetto(*RUN, code=1)
        assert "o2 is parked: duetto runs explain o2" in said.stderr
        assert "2 other runs" not in said.stderr
        assert "1 other runs of this store are open: w1" in said.stderr


def test_a_line_that_changed_is_a_conflict_there_too(project: Project, store: Path) -> None:
    project.orders(1)
    with held(project, store):
        project.duetto(*RUN)
        project.orders(2)
        assert "Line 1: The run id `o1` is taken." in project.duetto(*RUN, code=4).stderr


def test_another_version_of_the_workflow_is_refused(project: Project, store: Path) -> None:
    project.orders(1)
    with held(project, store):
        changed = APP.replace("    await reserve(order)\n    return", "    return")
        assert changed != APP
        project.write(f"{project.module}.py", changed)
        said = project.duetto(*RUN, code=4).stderr
        assert "The app that owns the store has another version of fulfil." in said
        assert "start that app again" in said
        assert len(project.lines("runs", "list")) == 2


def test_a_placement_cannot_be_chosen_for_it(project: Project, store: Path) -> None:
    project.orders(1)
    with held(project, store):
        said = project.duetto(*RUN, "--placement", "choreography", code=4).stderr
        assert "runs with a placement of its own" in said


def test_an_owner_without_a_socket_is_refused(project: Project, store: Path) -> None:
    project.orders(1)
    owner = Ownership(store)
    try:
        assert f"owned by process {os.getpid()}" in project.duetto(*RUN, code=5).stderr
    finally:
        owner.release()


@pytest.fixture
def waiting(project: Project) -> list[str]:
    """Two lines of runs that sleep, and the command for them."""
    project.orders(1, 1)
    return [sys.executable, "-m", "duetto", "run", "wait", "--input", "orders.jsonl"]


def until_open(project: Project, process: subprocess.Popen[bytes]) -> None:
    """Return once the lines' runs are open; asking takes long enough to need no pause."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if {"o1", "o2"} <= {run["id"] for run in project.lines("runs", "list")}:
            return
    pytest.fail(f"the runs were never open; exit code {process.poll()}")


def test_an_app_that_stops_meanwhile_is_told(
    project: Project, store: Path, waiting: list[str]
) -> None:
    with (
        held(project, store) as owner,
        subprocess.Popen(waiting, stderr=subprocess.PIPE) as process,
    ):
        until_open(project, process)
        owner.kill()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 5, errors.decode()
    assert b"has stopped" in errors
    assert b"the same command once more" in errors


def test_an_interrupt_leaves_the_runs_to_the_app(
    project: Project, store: Path, waiting: list[str]
) -> None:
    with held(project, store), subprocess.Popen(waiting, stderr=subprocess.PIPE) as process:
        until_open(project, process)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 1, errors.decode()
        assert b"interrupted" in errors
        assert project.json("runs", "show", "o1")["run"]["status"] == "running"
