"""Each rule of the protocol is documented with code and tests that exist."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from tests.tidy.sources import ROOT, python_sources

PAGE = (ROOT / "docs/architecture/protocol.md").read_text("utf-8")
RULES = {
    int(number): cells
    for number, *cells in re.findall(r"^\| (\d+) \| (.*?) \| (.*?) \| (.*?) \|$", PAGE, re.M)
}
LATER = {23}
"""Rules that belong to a later release, and say so."""
TESTS = {
    source.path: set(re.findall(r"^(?:async )?def (test_\w+)", source.text, re.M))
    for source in python_sources("tests")
}


def test_every_rule_is_there() -> None:
    assert sorted(RULES) == list(range(1, 41))


@pytest.mark.parametrize("number", sorted(RULES.keys() - LATER))
def test_a_rule_is_kept_by_code_that_exists(number: int) -> None:
    names = re.findall(r"`(duetto\.[\w.]+)`", RULES[number][1])
    assert names, f"rule {number} names no code"
    for name in names:
        assert found(name), f"rule {number} names {name}"


@pytest.mark.parametrize("number", sorted(RULES.keys() - LATER))
def test_a_rule_is_held_by_tests_that_exist(number: int) -> None:
    names = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", RULES[number][2])
    assert names, f"rule {number} names no test"
    for path, prefix in names:
        exact = prefix in TESTS[path] or (
            prefix.endswith("_") and any(name.startswith(prefix) for name in TESTS[path])
        )
        assert exact, f"rule {number} names {path}::{prefix}"


@pytest.mark.parametrize("number", sorted(LATER))
def test_what_is_not_built_says_so(number: int) -> None:
    assert "Not built" in RULES[number][0]


def test_code_that_names_a_rule_names_one_of_the_page() -> None:
    for source in python_sources("src"):
        for number in re.findall(r"PROTOCOL, rule (\d+)", source.text):
            assert int(number) in RULES, f"{source.path} names rule {number}"


def found(name: str) -> bool:
    """Return whether a dotted name of a module, and of things in it, stands for something."""
    parts = name.split(".")
    for size in range(len(parts), 0, -1):
        try:
            thing: object = import_module(".".join(parts[:size]))
        except ModuleNotFoundError:
            continue
        for part in parts[size:]:
            if not hasattr(thing, part):
                return False
            thing = getattr(thing, part)
        return True
    return False
