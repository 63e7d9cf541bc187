"""`duetto new`: the project works as it is written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Project


def within(folder: Path, *args: str) -> str:
    """Run a module of Python in a folder, as a user would; return what it said."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    done = subprocess.run(
        [sys.executable, "-m", *args], cwd=folder, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_tests_pass_and_its_workflow_runs(project: Project) -> None:
    files = project.json("new", "greengrocer")["files"]
    folder = project.folder / "greengrocer"
    assert {
        str(file.relative_to(project.folder)) for file in folder.rglob("*") if file.is_file()
    } == {*files}
    assert "9 passed" in within(folder, "pytest", "-q", "-p", "no:cacheprovider")
    said = within(folder, "duetto", "run", "fulfil", "--input", "orders.jsonl")
    assert "completed    2" in said
    assert "failed       1   TooHeavy 1" in said
    assert "0 errors" in within(folder, "duetto", "check")


def test_it_is_linted_and_formatted_as_it_is_written(project: Project) -> None:
    project.duetto("new", "greengrocer")
    folder = project.folder / "greengrocer"
    within(folder, "ruff", "check", "--no-cache", ".")
    within(folder, "ruff", "format", "--no-cache", "--check", ".")


def test_nothing_is_overwritten(project: Project) -> None:
    project.duetto("new", "greengrocer")
    file = project.folder / "greengrocer" / "greengrocer.py"
    file.write_text("mine")
    said = project.duetto("new", "greengrocer", code=4).stderr
    assert "`greengrocer` exists already." in said
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("my-shop", "my_shop"),
        ("9lives", "app_9lives"),
        ("json", "json_app"),
        ("class", "class_app"),
        ("../up", "up"),
        ("…", "shop"),
        ("duetto", "duetto_app"),
    ],
)
def test_a_name_that_is_no_module_gets_a_better_one(
    project: Project, name: str, better: str
) -> None:
    before = sorted(project.folder.parent.iterdir())
    said = project.duetto("new", name, code=4).stderr
    assert f"duetto new {better}\n" in said
    assert sorted(project.folder.parent.iterdir()) == before
