"""Users' mistakes are seen by pyright strict before anything runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.typing import user

HERE = Path(__file__).parent


Complaints = dict[str, dict[int, list[str]]]


@pytest.fixture(scope="module")
def complaints() -> Complaints:
    """Return what pyright says of the two modules: by file name and line, from 1."""
    # The settings are those of this folder: the project's own leave out the module with mistakes.
    command = [sys.executable, "-m", "pyright", "--outputjson", "--project", str(HERE)]
    command += ["--pythonpath", sys.executable]
    told = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    report = json.loads(told.stdout)
    assert report["summary"]["filesAnalyzed"] >= 2, told.stderr
    found: Complaints = {"user.py": {}, "wrong.py": {}}
    for each in report["generalDiagnostics"]:
        lines = found[Path(each["file"]).name]
        lines.setdefault(each["range"]["start"]["line"] + 1, []).append(each["message"])
    return found


def planted() -> dict[int, str]:
    """Return the lines of the mistakes, and what they are."""
    lines = (HERE / "wrong.py").read_text().splitlines()
    marked = (line.partition("# mistake: ") for line in lines)
    return {number: what for number, (_, _, what) in enumerate(marked, 1) if what}


def test_nothing_is_said_of_a_module_without_a_mistake(complaints: Complaints) -> None:
    assert complaints["user.py"] == {}


@pytest.mark.parametrize(
    ("line", "mistake"), [pytest.param(line, what, id=what) for line, what in planted().items()]
)
def test_a_mistake_is_found_on_its_line(complaints: Complaints, line: int, mistake: str) -> None:
    assert line in complaints["wrong.py"], f"nobody sees {mistake}"


def test_nothing_else_is_said_of_the_module_with_mistakes(complaints: Complaints) -> None:
    assert set(complaints["wrong.py"]) - set(planted()) == set()


def test_the_module_without_a_mistake_compiles() -> None:
    assert set(user.fulfil.callees) == {"pay"}
    assert user.inventory.tasks.keys() == {"reserve", "release", "count", "weigh", "price"}
    assert user.payments.tasks["charge_card"] is user.charge
