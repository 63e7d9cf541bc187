"""`duetto run`: lines become runs, bad lines are named before anything starts."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from tests.cli.conftest import Project


def test_every_line_becomes_a_run(project: Project) -> None:
    project.orders(1, 2, 7)
    found = project.json("run", "fulfil", "--input", "orders.jsonl")
    assert (found["runs"], found["completed"], found["failed"]) == (3, 2, {"ValueError": 1})
    assert (found["compensated"], found["parked"], found["open"]) == (1, 0, 0)
    assert found["steps"] == 2 * 2 + 1
    assert found["p50_ms"] is not None


def test_the_same_command_resumes_and_starts_nothing_twice(project: Project) -> None:
    project.orders(1, 7)
    first = project.json("run", "fulfil", "--input", "orders.jsonl")
    again = project.json("run", "fulfil", "--input", "orders.jsonl")
    assert [again[name] for name in ("completed", "failed", "compensated")] == [
        first[name] for name in ("completed", "failed", "compensated")
    ]
    assert (again["steps"], again["p50_ms"]) == (0, None)
    assert len(project.lines("runs", "list")) == 2


def test_people_get_a_table(project: Project) -> None:
    project.orders(7)
    said = project.duetto("run", "fulfil", "--input", "orders.jsonl").stdout
    assert "failed       1   ValueError 1" in said
    assert "\x1b" not in said


def test_a_placement_can_be_chosen(project: Project) -> None:
    project.orders(1)
    args = ("run", "fulfil", "--input", "orders.jsonl", "--placement", "choreography")
    found = project.json(*args)
    assert found["placement"] == "choreography"
    assert found["messages"] > 0


def test_a_placement_that_names_no_service_is_refused(project: Project) -> None:
    project.orders(1)
    args = ("run", "fulfil", "--input", "orders.jsonl", "--placement", "hybrid:paiments")
    said = project.duetto(*args, code=4).stderr
    assert "paiments" in said
    assert "expected" in said


def test_a_parked_run_is_named_and_exits_with_1(project: Project) -> None:
    project.orders(1, 13)
    result = project.duetto("run", "fulfil", "--input", "orders.jsonl", code=1)
    assert "o2 is parked: duetto runs explain o2" in result.stderr
    again = project.duetto("run", "fulfil", "--input", "orders.jsonl", "--json", code=1)
    assert json.loads(again.stdout)["parked"] == 1
    assert "continuing 1 unfinished runs: o2" in again.stderr


def test_runs_of_others_that_stay_open_are_mentioned(project: Project) -> None:
    project.orders(13)
    project.duetto("run", "fulfil", "--input", "orders.jsonl", code=1)
    project.write("more.jsonl", '{"id": "other", "n": 1}')
    said = project.duetto("run", "fulfil", "--input", "more.jsonl").stderr
    assert "1 other runs of this store are open: o1" in said


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('{"id": "a", "n": "x"}', "Expected `int`, got `str` - at `$.n`"),
        ('{"n": 1}', "missing required field `id`"),
        ('{"id": "a", "m": 1}', "a key `m` that Order does not have - at `$`"),
        ('{"id": "a"', "truncated"),
        ("3", "Expected `object`, got `int`"),
        ('{"args": [1, 2]}', "2 arguments"),
        ('{"args": [1], "input": 2}', "both `args` and `input`"),
        ('{"id": "a", "args": [{"id": "b", "n": []}]}', "at `$.order.n`"),
    ],
)
def test_a_bad_line_is_named_before_anything_starts(
    project: Project, line: str, found: str
) -> None:
    project.write("bad.jsonl", '{"id": "good"}\n\n' + line + "\n")
    said = project.duetto("run", "fulfil", "--input", "bad.jsonl", code=4).stderr
    assert "Line 3 of bad does not fit fulfil." in said
    assert found in said
    assert "fulfil(order: Order) as JSON" in said
    assert not (project.folder / "shop.sqlite").exists()


def test_lines_may_name_their_runs(project: Project) -> None:
    lines = [
        '{"id": "x1", "args": [1, 2], "tags": ["big"]}',
        '{"id": 7, "input": {"a": 3}}',
        '{"a": 4, "b": 5}',
    ]
    project.write("sums.jsonl", "\n".join(lines))
    project.duetto("run", "add", "--input", "sums.jsonl")
    runs = {run["id"]: run for run in project.lines("runs", "list")}
    assert {id: run["result"] for id, run in runs.items()} == {"x1": 3, "7": 4, "sums-3": 9}
    assert runs["x1"]["tags"] == ["big"]
    assert [run["id"] for run in project.lines("runs", "list", "--tag", "big")] == ["x1"]


@pytest.mark.parametrize(
    ("line", "found"),
    [('{"b": 1}', "no argument `a`"), ('{"a": 1, "c": 1}', "an argument `c`, which there is not")],
)
def test_arguments_by_name_must_be_those_of_the_workflow(
    project: Project, line: str, found: str
) -> None:
    project.write("sums.jsonl", line)
    assert found in project.duetto("run", "add", "--input", "sums.jsonl", code=4).stderr


def test_a_line_that_changed_is_a_conflict(project: Project) -> None:
    project.orders(1)
    project.duetto("run", "fulfil", "--input", "orders.jsonl")
    project.orders(2)
    said = project.duetto("run", "fulfil", "--input", "orders.jsonl", code=4).stderr
    assert "Line 1: The run id `o1` is taken." in said


def test_the_input_may_come_through_a_pipe(project: Project) -> None:
    result = project.duetto("run", "add", "--input", "-", "--json", input='{"a": 1}\n{"a": 2}\n')
    assert json.loads(result.stdout)["completed"] == 2
    assert {run["id"] for run in project.lines("runs", "list")} == {"line-1", "line-2"}


def test_an_interrupt_stops_and_the_same_command_resumes(project: Project) -> None:
    project.orders(1, 1)
    command = [sys.executable, "-m", "duetto", "run", "wait", "--input", "orders.jsonl", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            until_asleep(project, process)
            process.send_signal(signal.SIGTERM)
            said, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 1, errors.decode()
    assert (json.loads(said)["interrupted"], json.loads(said)["open"]) == (True, 2)
    assert b"interrupted: the same command resumes" in errors
    assert {run["status"] for run in project.lines("runs", "list")} == {"running"}


def until_asleep(project: Project, process: subprocess.Popen[bytes]) -> None:
    """Return once two runs of a process are open; asking takes long enough to need no pause."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if (project.folder / "shop.sqlite-socket").exists():
            runs = project.lines("runs", "list")
            if sum(run["status"] == "running" for run in runs) == 2:
                return
    pytest.fail(f"the runs were never open; exit code {process.poll()}")
