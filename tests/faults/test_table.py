"""The table of faults names every row that was promised, and only tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs" / "faults.md").read_text("utf-8")

FAULTS = (1, 2, 3, 4, 5, 7, 8, 19, 21, 22, 29, 31, 32)
INPUTS = (
    *("an unknown task", "wrong types", "a workflow outside the subset", "a full disk"),
    *("a store from a newer version", "a corrupt or truncated file", "an oversize value"),
    *("NaN", "lone surrogates", "integers beyond 64 bits", "cycles"),
    "two runs with one id and different input",
)


def rows() -> list[list[str]]:
    """Return the rows of all tables, as their cells."""
    lines = [line for line in TABLE.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[2] != "tests"]


def named(row: list[str]) -> list[str]:
    """Return the tests that a row names."""
    return re.findall(r"`(\S+::\w+)`", row[2])


@cache
def functions(file: str) -> frozenset[str]:
    """Return the names of the functions in a file, methods too."""
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:40])
def test_a_row_has_a_promise_and_tests_that_exist(row: list[str]) -> None:
    assert len(row) == 3
    assert row[1]
    assert named(row)
    for test in named(row):
        file, _, name = test.partition("::")
        assert name in functions(file), test


def test_every_fault_and_input_that_was_promised_has_a_row() -> None:
    subjects = [row[0] for row in rows()]
    for number in FAULTS:
        assert any(subject.startswith(f"F{number} ") for subject in subjects), number
    for text in INPUTS:
        assert any(text in subject for subject in subjects), text


def test_every_test_of_faults_is_in_the_table() -> None:
    table = {test for row in rows() for test in named(row)}
    for file in sorted((ROOT / "tests" / "faults").glob("test_*.py")):
        path = file.relative_to(ROOT).as_posix()
        for name in sorted(functions(path)):
            if name.startswith("test_") and file.name != "test_table.py":
                assert f"{path}::{name}" in table, name
