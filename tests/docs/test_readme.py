"""The README: its programs run as pasted, its figures are computed anew, its commands exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from duetto.cli import door
from duetto.examples.shop.workflow import fulfil
from duetto.kernel.estimate import estimate
from duetto.model.placement import parse
from tests.docs.pages import Reader, snippets
from tests.docs.picture import PICTURE, PLACEMENTS, drawn
from tests.tidy.sources import ROOT

README = ROOT / "README.md"
LINES_MAX = 150
"""More is a manual, and belongs into docs/."""
PRINTED = "the goods of order-1 are on their way, for 90 pounds\n"
TELLS = ('    return f"the goods', '    print("reserve", flush=True)\n    return f"the goods')
COSTS = re.compile(r"^\| `([^`]+)` \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", re.M)


def text() -> str:
    return README.read_text("utf-8")


def test_it_is_short() -> None:
    assert len(text().splitlines()) <= LINES_MAX


def test_it_can_be_followed_from_an_empty_folder(tmp_path: Path) -> None:
    assert Reader(README, tmp_path).follow() >= 4


def test_the_first_program_runs_its_tasks_once(tmp_path: Path) -> None:
    """Its comment says: twice with one id, runs once."""
    write(tmp_path, TELLS)
    assert run(tmp_path) == f"reserve\n{PRINTED}"
    assert run(tmp_path) == PRINTED


def test_the_first_program_goes_on_after_a_crash(tmp_path: Path) -> None:
    """Killed in its second task, it does not begin the first one again."""
    write(tmp_path, TELLS, ("    if pounds >", "    os.kill(os.getpid(), 9)\n    if pounds >"))
    died = python(tmp_path)
    assert (died.returncode, died.stdout) == (-9, "reserve\n")
    write(tmp_path, TELLS)
    assert run(tmp_path) == PRINTED


def write(folder: Path, *changes: tuple[str, str]) -> None:
    """Write the first program into a folder, with changes."""
    program = next(one.text for one in snippets(README) if one.title == "shop.py")
    for old, new in changes:
        assert program.count(old) == 1
        program = program.replace(old, new)
    (folder / "shop.py").write_text(f"import os\n{program}", "utf-8")


def python(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run shop.py in a folder."""
    return subprocess.run([sys.executable, "shop.py"], cwd=folder, capture_output=True, text=True)


def run(folder: Path) -> str:
    """Run shop.py in a folder; return what it prints."""
    ran = python(folder)
    assert not ran.returncode, ran.stderr
    return ran.stdout


def test_the_costs_are_what_the_kernel_computes() -> None:
    rows = COSTS.findall(text())
    assert [name for name, *_ in rows] == [placement.name for placement in PLACEMENTS]
    for name, *figures in rows:
        assert [int(figure) for figure in figures] == costs(name), name


def costs(placement: str) -> list[int]:
    """Return messages and writes with one store, then with a store each."""
    definition = fulfil.definition
    found = [
        estimate(definition, parse(placement), definition.home, together=together)
        for together in (True, False)
    ]
    assert all(one.steps == 5 for one in found), "the text says five tasks"
    return [figure for one in found for figure in (one.messages, one.store_writes)]


def test_it_shows_the_picture_that_the_code_draws() -> None:
    assert f"]({PICTURE.relative_to(ROOT).as_posix()})" in text()
    assert PICTURE.read_text("utf-8") == drawn(), "do: python -m tests.docs.picture"


def test_each_make_target_exists() -> None:
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", text(), re.M))
    assert {"demo", "test"} <= named
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert named <= set(targets)


def test_each_command_of_duetto_exists() -> None:
    named = set(re.findall(r"(?:^|`|\$ |&& )duetto ([a-z]+)", text(), re.M))
    assert {"demo", "check", "graph", "new"} <= named
    assert named <= set(door.commands)


def test_the_package_is_described_by_it() -> None:
    assert 'readme = "README.md"' in (ROOT / "pyproject.toml").read_text("utf-8")
