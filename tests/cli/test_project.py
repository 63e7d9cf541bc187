"""Where the app and its store come from, and what is said when they do not come."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.conftest import Project


def test_the_project_is_found_from_a_folder_below(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.orders(1)
    project.duetto("run", "fulfil", "--input", "orders.jsonl")
    below = project.folder / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert [run["id"] for run in project.lines("runs", "list")] == ["o1"]


def test_an_option_wins_over_the_project(project: Project) -> None:
    project.orders(1)
    found = project.json("run", "fulfil", "--input", "orders.jsonl", "--store", "other.sqlite")
    assert found["store"] == "other.sqlite"
    assert not (project.folder / "shop.sqlite").exists()


@pytest.mark.parametrize(
    ("text", "code", "found"),
    [
        ("", 4, "No app is named."),
        ('[tool.duetto]\nap = "x"', 3, "did you mean `app`?"),
        ("[tool.duetto]\napp = 3", 4, "`app` of [tool.duetto]"),
        ("[tool.duetto", 4, "is not TOML"),
        ('[tool.duetto]\napp = "nowhere_at_all:app"', 3, "There is no module `nowhere_at_all`."),
        ('[tool.duetto]\napp = "MODULE:ap"', 3, "did you mean `app`?"),
        ('[tool.duetto]\napp = "MODULE:Order"', 3, "expected  one of: app"),
    ],
)
def test_what_is_wrong_with_the_project_is_said(
    project: Project, text: str, code: int, found: str
) -> None:
    project.write("pyproject.toml", text.replace("MODULE", project.module))
    said = project.duetto("check", code=code).stderr
    assert found in said
    assert "Traceback" not in said


def test_an_app_in_memory_has_no_store_to_look_at(project: Project) -> None:
    source = (project.folder / f"{project.module}.py").read_text()
    project.write(
        f"{project.module}.py", source.replace('App("shop",', 'App("shop", store="memory:",')
    )
    project.write("pyproject.toml", f'[tool.duetto]\napp = "{project.module}:app"\n')
    assert "keeps its runs in memory" in project.duetto("runs", "list", code=4).stderr
    project.orders(1)
    assert project.json("run", "fulfil", "--input", "orders.jsonl")["completed"] == 1


@pytest.mark.parametrize(
    ("args", "hint"),
    [(("chekc",), "Did you mean `check`?"), (("store", "bakcup"), "Did you mean `backup`?")],
)
def test_an_unknown_command_gets_a_suggestion(
    project: Project, args: tuple[str, ...], hint: str
) -> None:
    assert hint in project.duetto(*args, code=2).stderr


def test_python_m_duetto_is_the_same_command(project: Project) -> None:
    command = [sys.executable, "-m", "duetto", "check", "--json"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(found.stdout.splitlines()) == 3
