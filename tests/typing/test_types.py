"""Users' mistakes are seen by pyright strict before anything runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.typing import user

HERE = Path(__file__).parent
RIGHT, WRONG = ("user.py", "user_tests.py"), ("wrong.py", "wrong_tests.py")


Complaints = dict[str, dict[int, list[str]]]


@pytest.fixture(scope="module")
def complaints() -> Complaints:
    """Return what pyright says of the modules: by file name and line, from 1."""
    # The settings are those of this folder: the project's own leave out the modules with mistakes.
    command = [sys.executable, "-m", "pyright", "--outputjson", "--project", str(HERE)]
    command += ["--pythonpath", sys.executable]
    told = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    report = json.loads(told.stdout)
    assert report["summary"]["filesAnalyzed"] >= 4, told.stderr
    found: Complaints = {name: {} for name in (*RIGHT, *WRONG)}
    for each in report["generalDiagnostics"]:
        lines = found[Path(each["file"]).name]
        lines.setdefault(each["range"]["start"]["line"] + 1, []).append(each["message"])
    return found


def planted(name: str) -> dict[int, str]:
    """Return the lines of the mistakes in a module, and what they are."""
    lines = (HERE / name).read_text().splitlines()
    marked = (line.partition("# mistake: ") for line in lines)
    return {number: what for number, (_, _, what) in enumerate(marked, 1) if what}


@pytest.mark.parametrize("name", RIGHT)
def test_nothing_is_said_of_a_module_without_a_mistake(complaints: Complaints, name: str) -> None:
    assert complaints[name] == {}


MISTAKES = [(name, *mistake) for name in WRONG for mistake in planted(name).items()]


@pytest.mark.parametrize(
    ("name", "line", "mistake"), [pytest.param(*each, id=each[2]) for each in MISTAKES]
)
def test_a_mistake_is_found_on_its_line(
    complaints: Complaints, name: str, line: int, mistake: str
) -> None:
    assert line in complaints[name], f"nobody sees {mistake}"


@pytest.mark.parametrize("name", WRONG)
def test_nothing_else_is_said_of_the_module_with_mistakes(
    complaints: Complaints, name: str
) -> None:
    assert set(complaints[name]) - set(planted(name)) == set()


def test_the_module_without_a_mistake_compiles() -> None:
    assert set(user.fulfil.callees) == {"pay"}
    assert user.inventory.tasks.keys() == {"reserve", "release", "count", "weigh", "price"}
    assert user.payments.tasks["charge_card"] is user.charge
