"""Hold every file of the checkout against the house rules."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from tests.tidy import rules
from tests.tidy.sources import ROOT, Finding, Source, python_sources, text_files

# A failing rule is read from the top; the rest is only counted.
SHOWN_MAX = 40

Rule = Callable[[Source], Iterator[Finding]]

EVERYWHERE = ("src", "tests", "bench")
PURE = ("src/duetto/kernel", "src/duetto/model")

RULES: list[tuple[Rule, tuple[str, ...]]] = [
    (rules.module_has_docstring, EVERYWHERE),
    (rules.names_say_what_is_inside, EVERYWHERE),
    (rules.excepts_are_narrow, EVERYWHERE),
    (rules.excuses_have_reasons, EVERYWHERE),
    (rules.functions_are_short, ("src",)),
    (rules.files_are_short, ("src",)),
    (rules.nothing_evaluates_text, ("src",)),
    (rules.kernel_is_pure, PURE),
    (rules.tests_do_not_sleep, ("tests",)),
]


def report(findings: Iterable[Finding]) -> str:
    """Return the findings as text: the first lines of a failing test."""
    lines = [str(finding) for finding in findings]
    more = [f"… and {len(lines) - SHOWN_MAX} more"] if len(lines) > SHOWN_MAX else []
    return "\n".join(lines[:SHOWN_MAX] + more)


@pytest.mark.parametrize(("rule", "folders"), [pytest.param(*r, id=r[0].__name__) for r in RULES])
def test_the_house_rules_hold(rule: Rule, folders: tuple[str, ...]) -> None:
    found = [finding for source in python_sources(*folders) for finding in rule(source)]
    assert not found, f"{rule.__doc__}\n{report(found)}"


def test_the_root_has_few_names() -> None:
    found = list(rules.root_is_small(the_module("__init__")))
    assert not found, report(found)


def test_every_error_stands_in_the_tree() -> None:
    found = list(rules.errors_are_drawn(the_module("errors")))
    assert not found, report(found)


def test_no_file_names_one_machine() -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so what belongs to it is not known")
    found = [f for path, text in text_files() for f in rules.names_no_machine(path, text)]
    assert not found, report(found)


def test_every_dependency_has_its_reason() -> None:
    reasons = (ROOT / "docs/dependencies.md").read_text("utf-8")
    missing = [name for name in dependencies() if f"| {name} |" not in reasons]
    assert not missing, f"docs/dependencies.md has no row for: {', '.join(missing)}"


def the_module(name: str) -> Source:
    """Return a top-level module of the package, which may be a package itself."""
    [source] = [
        source
        for source in python_sources("src/duetto")
        if source.path in (f"src/duetto/{name}.py", f"src/duetto/{name}/__init__.py")
    ]
    return source


def dependencies() -> list[str]:
    """Return the names of all dependencies that are declared, those of development included."""
    declared: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    project = declared["project"]
    extras = project["optional-dependencies"].values()
    groups = declared["dependency-groups"].values()
    lines = [*project["dependencies"], *(x for each in (*extras, *groups) for x in each)]
    names = (re.match(r"[\w.-]+", line) for line in lines if isinstance(line, str))
    return sorted({name.group() for name in names if name} - {"duetto"})
