"""The page of limits has every named limit of the code, with its value and reason, and no other."""

from __future__ import annotations

import ast
import re
from itertools import zip_longest
from typing import NamedTuple

import pytest

from tests.tidy.sources import ROOT, Source, python_sources

PAGE = (ROOT / "docs/limits.md").read_text("utf-8")
NAMED = re.compile(r"^[A-Z][A-Z_]*_(MAX|MIN|MS|S|US)$")
FOLDERS = (
    "authoring",
    "brokers",
    "codecs",
    "kernel",
    "runtime",
    "invokers",
    "operations",
    "stores",
)
FILES = (
    "app.py",
    "broker.py",
    "codec.py",
    "signing.py",
    "store.py",
    "cli/lines.py",
    "cli/there.py",
)
"""What drawings, examples, tests and measurements allow themselves limits no user."""
SHOWN = re.compile(r"_SHOWN_|SHOWN_MAX|SNIPPET_|DECIMALS_|HOUR_S|DAY_S|MINUTE_S|SECOND_MS")
"""How much of something is printed limits nobody."""
UNITS = {"KiB": 2**10, "MiB": 2**20, "ms": 1, "s": 1000, "days": 24 * 3600 * 1000}


class Limit(NamedTuple):
    """What a constant stands for, and the text behind it."""

    value: float
    reason: str


def limits(sources: list[Source]) -> dict[str, Limit]:
    """Return the named limits of these files, by name."""
    found: dict[str, Limit] = {}
    for source in sources:
        for node, behind in zip_longest(source.tree.body, source.tree.body[1:]):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    if NAMED.match(name) and not SHOWN.search(name):
                        assert name not in found, f"two limits are named {name}"
                        found[name] = Limit(number(value), text_of(behind))
                case _:
                    pass
    return found


def text_of(node: ast.stmt | None) -> str:
    """Return the text that a statement is, empty where it is none."""
    match node:
        case ast.Expr(value=ast.Constant(value=str() as text)):
            return text
        case _:
            return ""


def number(node: ast.expr) -> float:
    """Return what a constant expression of numbers stands for."""
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return number(left) * number(right)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return number(left) ** number(right)
        case ast.BinOp(left=left, op=ast.LShift(), right=right):
            return int(number(left)) << int(number(right))
        case _:
            raise AssertionError(f"a limit is a number: {ast.unparse(node)}")


def documented() -> dict[str, float]:
    """Return the limits of the page; times in milliseconds."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([\d,.]+) ?(\w*) \| \S.* \|$", PAGE, re.M)
    return {name: float(value.replace(",", "")) * UNITS.get(unit, 1) for name, value, unit in rows}


CODE = limits(
    [
        source
        for source in python_sources("src/duetto")
        if source.path.startswith(tuple(f"src/duetto/{each}/" for each in FOLDERS))
        or source.path in {f"src/duetto/{each}" for each in FILES}
    ]
)


@pytest.mark.parametrize("name", CODE)
def test_a_limit_is_documented_with_its_value(name: str) -> None:
    value = CODE[name].value
    if name.endswith("_US"):
        value /= 1000
    elif name.endswith("_S"):
        value *= 1000
    assert documented().get(name) == value, f"docs/limits.md lacks `{name}`, or its value"


@pytest.mark.parametrize("name", CODE)
def test_a_limit_has_its_reason_behind_it(name: str) -> None:
    assert CODE[name].reason, f"say behind {name} why it is so"


def test_no_limit_is_documented_that_there_is_not() -> None:
    assert documented().keys() <= CODE.keys()
    assert len(CODE) > 20
