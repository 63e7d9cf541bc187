"""`duetto runs …` on a store that nobody owns."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Project


@pytest.fixture
def mixed(project: Project) -> Project:
    """A project with a completed, a failed and a parked run: o1, o2, o3."""
    project.orders(1, 7, 13)
    project.duetto("run", "fulfil", "--input", "orders.jsonl", code=1)
    return project


def ids(project: Project, *args: str) -> list[str]:
    return [run["id"] for run in project.lines("runs", "list", *args)]


def test_runs_are_listed_newest_first_and_by_state(mixed: Project) -> None:
    assert ids(mixed) == ["o3", "o2", "o1"]
    assert ids(mixed, "--status", "failed") == ["o2"]
    assert ids(mixed, "--status", "parked") == ["o3"]
    assert ids(mixed, "--status", "completed", "--status", "failed") == ["o2", "o1"]
    assert ids(mixed, "--workflow", "wait") == []
    assert ids(mixed, "--limit", "1") == ["o3"]
    assert ids(mixed, "--since", "1h") == ["o3", "o2", "o1"]
    assert ids(mixed, "--until", "1h") == []


def test_a_piped_list_is_plain_lines(mixed: Project) -> None:
    lines = mixed.duetto("runs", "list").stdout.splitlines()
    assert [line.split("\t")[:3] for line in lines] == [
        ["o3", "fulfil", "parked"],
        ["o2", "fulfil", "failed"],
        ["o1", "fulfil", "completed"],
    ]


def test_a_run_is_shown_with_its_result_and_cost(mixed: Project) -> None:
    found = mixed.json("runs", "show", "o1")
    assert (found["run"]["result"], found["counts"]["steps"]) == ("paid 1", 2)
    said = mixed.duetto("runs", "show", "o2").stdout
    assert "ValueError: too big" in said
    assert "1 undone" in said


def test_a_store_can_be_read_without_its_app(mixed: Project) -> None:
    (mixed.folder / "pyproject.toml").unlink()
    assert ids(mixed, "--store", "shop.sqlite") == ["o3", "o2", "o1"]
    assert mixed.json("runs", "show", "o1", "--store", "shop.sqlite")["run"]["result"] == "paid 1"


def test_a_history_is_told_in_order(mixed: Project) -> None:
    facts = mixed.lines("runs", "history", "o1")
    assert len(facts) >= 3
    assert [fact["at"] for fact in facts] == sorted(fact["at"] for fact in facts)


def test_reading_writes_nothing(mixed: Project) -> None:
    before = (mixed.folder / "shop.sqlite").read_bytes()
    for command in ("show", "history", "explain"):
        mixed.duetto("runs", command, "o3")
    assert (mixed.folder / "shop.sqlite").read_bytes() == before


def test_what_waits_is_explained(mixed: Project) -> None:
    assert len(mixed.lines("runs", "explain", "o3")) == 1
    assert "o1 completed" in mixed.duetto("runs", "explain", "o1").stdout


def test_a_parked_run_is_skipped_and_goes_on_when_the_app_runs(mixed: Project) -> None:
    said = mixed.duetto("runs", "skip", "o3").stdout
    assert "o3: 1 skipped; no app runs here" in said
    found = mixed.json("run", "fulfil", "--input", "orders.jsonl")
    assert (found["parked"], found["failed"]) == (0, {"ValueError": 2})


def test_a_parked_run_is_resumed(mixed: Project) -> None:
    assert mixed.json("runs", "resume", "o3") == {"run": "o3", "answer": 1, "running": False}
    mixed.duetto("run", "fulfil", "--input", "orders.jsonl", code=1)  # it fails again, and parks
    assert ids(mixed, "--status", "parked") == ["o3"]


def test_an_ended_run_is_restarted_under_a_new_id(mixed: Project) -> None:
    found = mixed.json("runs", "restart", "o1", "--new-id", "o1-again")
    assert found["answer"] == "o1-again"
    assert mixed.json("runs", "show", "o1-again")["run"]["status"] == "running"
    mixed.duetto("run", "fulfil", "--input", "orders.jsonl", code=1)
    assert mixed.json("runs", "show", "o1-again")["run"]["result"] == "paid 1"


def test_operations_execute_nothing(mixed: Project) -> None:
    mixed.duetto("runs", "restart", "o1", "--new-id", "new")
    for _ in range(8):  # more often than a task may be in hand at a death
        mixed.duetto("runs", "retry", "new")
    assert mixed.json("runs", "show", "new")["counts"]["steps"] == 0
    mixed.duetto("run", "fulfil", "--input", "orders.jsonl", code=1)
    assert mixed.json("runs", "show", "new")["run"]["status"] == "completed"


def test_a_cancelled_run_compensates_when_the_app_runs(mixed: Project) -> None:
    mixed.duetto("runs", "restart", "o1", "--new-id", "gone")
    assert "gone is cancelled" in mixed.duetto("runs", "cancel", "gone").stdout
    mixed.duetto("run", "fulfil", "--input", "orders.jsonl", code=1)
    assert mixed.json("runs", "show", "gone")["run"]["status"] == "cancelled"


@pytest.mark.parametrize("command", ["show", "history", "explain", "cancel", "retry", "restart"])
def test_an_unknown_id_exits_with_3_and_a_suggestion(mixed: Project, command: str) -> None:
    said = mixed.duetto("runs", command, "o33", code=3).stderr
    assert "There is no run `o33`." in said
    assert "did you mean `o3`?" in said


@pytest.mark.parametrize("args", [("cancel", "o1"), ("resume", "o1"), ("restart", "o3")])
def test_what_does_not_fit_the_state_exits_with_4(mixed: Project, args: tuple[str, ...]) -> None:
    assert "  do " in mixed.duetto("runs", *args, code=4).stderr


def test_an_error_is_an_object_where_json_is_asked_for(mixed: Project) -> None:
    result = mixed.duetto("runs", "show", "o33", "--json", code=3)
    assert result.stdout == ""
    assert json.loads(result.stderr)["error"] == "NotFound"


def test_a_missing_store_is_named(project: Project) -> None:
    said = project.duetto("runs", "list", code=3).stderr
    assert "There is no store" in said
    assert "shop.sqlite" in said


@pytest.mark.parametrize(
    "args",
    [
        ("list", "--since", "yesterday"),
        ("list", "--status", "asleep"),
        ("list", "--limit", "0"),
        ("skip", "o1", "--value", "{"),
        ("shwo", "o1"),
        ("show",),
    ],
)
def test_a_command_line_that_cannot_be_understood_exits_with_2(
    project: Project, args: tuple[str, ...]
) -> None:
    project.duetto("runs", *args, code=2)
