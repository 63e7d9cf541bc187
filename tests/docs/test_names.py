"""Every public name, option, signal, error and operation is documented."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest

import duetto
from duetto import (
    App,
    Retry,
    Service,
    TaskContext,
    errors,
    event,
    gather,
    observer,
    receive,
    saga,
    workflow,
)
from duetto.authoring.compiler import refusals
from duetto.observer import Signal
from duetto.operations import Handle, Operations
from duetto.operations.events import EventOperations
from tests.tidy.sources import ROOT

DOCS = ROOT / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def section(text: str, heading: str) -> str:
    """Return what stands below a heading of the second level."""
    found = re.search(rf"^## {re.escape(heading)}$(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert found is not None, f"there is no section `{heading}`"
    return found[1]


def first_column(text: str) -> set[str]:
    """Return the names in the first column of the tables of a text."""
    rows = re.findall(r"^\| (.*?) \|", text, re.M)
    return {name for row in rows for name in re.findall(r"`([\w.]+)", row)}


def options(function: Callable[..., Any]) -> set[str]:
    """Return the keyword-only parameters of a function."""
    parameters = inspect.signature(function).parameters.values()
    return {one.name for one in parameters if one.kind is one.KEYWORD_ONLY}


def members(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")}


def test_the_names_are_those_of_the_package() -> None:
    assert first_column(section(page("api.md"), "Names")) == set(duetto.__all__)


@pytest.mark.parametrize(
    ("heading", "function"),
    [
        ("`App(name, …)`", App.__init__),
        ("`Service(name, …)`", Service.__init__),
        ("`@service.task(…)`", Service.task),
        ("`@workflow(…)`", workflow),
    ],
)
def test_the_options_are_those_of_the_code(heading: str, function: Callable[..., Any]) -> None:
    assert first_column(section(page("api.md"), heading)) == options(function)


def test_the_options_of_retry_are_those_of_the_code() -> None:
    text = section(page("tasks.md"), "Options")
    assert first_column(text) == {each.name for each in fields(Retry)} | {"Retry"}
    for each in fields(Retry):
        row = re.search(rf"^\| `{each.name}` \| (.*?) \|", text, re.M)
        assert row is not None
        shown = row[1].strip("`").replace(",", "")
        assert shown == str(each.default), f"the default of {each.name}"


@pytest.mark.parametrize("word", [event, gather, receive, saga])
def test_the_options_of_a_word_are_documented(word: Callable[..., Any]) -> None:
    row = re.search(rf"^\| `{word.__name__}` \| (.*) \|$", page("api.md"), re.M)
    assert row is not None
    assert {f"`{name}=" for name in options(word)} <= set(re.findall(r"`\w+=", row[1]))


def test_the_context_is_documented_whole() -> None:
    public = {name for name in members(TaskContext) if name not in {"cancel", "statements"}}
    documented = set(re.findall(r"`(\w+)", section(page("tasks.md"), "The context")))
    assert public <= documented, public - documented


def test_the_signals_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .*? \| (.*?) \|$", page("operations.md"), re.M)
    documented = {name: tuple(found.split(", ")) for name, found in rows}
    for signal in get_args(Signal):
        assert documented.get(signal.__name__) == signal.__struct_fields__, signal.__name__


def test_the_table_of_signals_is_the_one_beside_the_code() -> None:
    row = re.compile(r"^\| (\w+) \| (.*?) \| (.*?) \|$", re.M)
    beside = row.findall(observer.__doc__ or "")
    shown = row.findall(section(page("operations.md"), "Signals").replace("`", ""))
    assert beside == shown
    assert {name for name, *_ in beside} - {"signal"} == {one.__name__ for one in get_args(Signal)}


def test_the_tree_of_errors_is_that_of_the_code() -> None:
    tree = (errors.__doc__ or "").partition("\n\n")[2].strip()
    assert tree in page("api.md")
    kinds = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.DuettoError)
    }
    assert set(re.findall(r"^[│├└─ ]*([A-Z]\w+)", tree, re.M)) == kinds


def test_every_error_is_raised_somewhere() -> None:
    texts = [
        path.read_text("utf-8")
        for path in sorted((ROOT / "src/duetto").rglob("*.py"))
        if path.name != "errors.py"
    ]
    for name in ("ConflictError", "RunParked", "TaskError", "LimitExceeded", "CommitsLost"):
        assert any(f"{name}(" in text for text in texts), name


@pytest.mark.parametrize("kind", [Operations, Handle])
def test_the_operations_are_documented(kind: type) -> None:
    text = page("operations.md") + page("api.md")
    for name in members(kind) - {"home"}:
        assert f"`{name}(" in text, f"docs/operations.md has no `{name}`"


def test_the_operations_on_events_are_documented() -> None:
    calls = dict(re.findall(r"`(\w+)\(([^`]*)\)`", section(page("events.md"), "Operations")))
    for name in members(EventOperations) - {"is_quiet"}:
        taken = set(inspect.signature(getattr(EventOperations, name)).parameters) - {"self"}
        assert set(re.findall(r"\w+", calls[name])) == taken, f"docs/events.md: `{name}`"


def test_the_parameters_of_operations_are_documented() -> None:
    calls = dict(
        re.findall(r"`(\w+)\(([^`]*)\)`", section(page("operations.md"), "The operations"))
    )
    for name in members(Operations) - {"home"}:
        taken = set(inspect.signature(getattr(Operations, name)).parameters) - {"self"}
        assert set(re.findall(r"\w+", calls[name])) == taken, f"docs/operations.md: `{name}`"


def test_the_methods_of_an_app_are_documented() -> None:
    text = page("operations.md") + page("api.md")
    for name in members(App):
        assert re.search(rf"`(app\.)?{name}\b", text), f"no page has `{name}` of an app"


WORDS = {
    "Match": "`match`",
    "Global": "`global`",
    "Nonlocal": "`nonlocal`",
    "Delete": "`del x`",
    "Import": "`import`",
    "ImportFrom": "`import`",
    "FunctionDef": "`def`",
    "AsyncFunctionDef": "`def`",
    "ClassDef": "`class`",
    "With": "`with`",
    "AsyncFor": "`async for`",
    "TryStar": "`except*`",
    "Await": "`a = 1 + await task()`",
    "NamedExpr": "`:=`",
    "Yield": "`yield`",
    "YieldFrom": "`yield`",
}
"""How the page of the language writes what the compiler refuses."""


def test_what_the_compiler_refuses_is_documented() -> None:
    table = section(page("workflows.md"), "What is refused, and what to write")
    for kind in (*refusals.STATEMENTS, *refusals.EXPRESSIONS):
        assert WORDS[kind.__name__] in table, kind.__name__


def test_the_placements_of_the_page_are_those_of_the_code() -> None:
    text = page("placements.md")
    for name in ("orchestration()", "choreography()", "hybrid("):
        assert name in text


def test_every_decision_is_listed() -> None:
    listed = page("decisions/index.md")
    for file in sorted((DOCS / "decisions").glob("0*.md")):
        title = file.read_text("utf-8").partition("\n")[0].removeprefix("# ")
        assert f"[{title}]({file.name})" in listed, f"docs/decisions/index.md lacks {file.name}"


def test_ports_are_documented_with_their_implementations() -> None:
    text = section(page("api.md"), "Ports")
    for contract in ("store", "broker", "invoker", "codec", "clock", "observer"):
        assert f"`duetto.{contract}." in text
        assert Path(duetto.__file__).with_name(f"{contract}.py").exists()
