"""Each house rule finds what it is for, and leaves its neighbour alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.tidy import rules
from tests.tidy.sources import Finding, Source

HANDLED = "try:\n    f()\nexcept {}\n    pass\n"

# The rule, a text that breaks it, and a text that only looks like it.
CASES: list[tuple[Callable[[Source], Iterator[Finding]], str, str]] = [
    (rules.module_has_docstring, "x = 1\n", '"""Own x."""\n'),
    (rules.functions_are_short, "def f():\n" + "    f()\n" * 60, "def f():\n" + "    f()\n" * 59),
    (rules.files_are_short, "x = 1\n" * 601, "x = 1\n" * 600),
    (rules.excepts_are_narrow, HANDLED.format(":"), HANDLED.format("ValueError:")),
    (rules.excepts_are_narrow, HANDLED.format("Exception:"), HANDLED.format("KeyError:")),
    (
        rules.excepts_are_narrow,
        HANDLED.format("(ValueError, BaseException):"),
        HANDLED.format("BaseException:  # the caller's code may raise anything"),
    ),
    (
        rules.excepts_are_narrow,
        HANDLED.format("Exception as error:"),
        HANDLED.format("Exception as error:\n    # A task may raise anything."),
    ),
    (
        rules.excuses_have_reasons,
        "x = 1  # type: " + "ignore[misc]\n",
        "x = 1  # type: " + "ignore[misc]  # the stub lacks it\n",
    ),
    (
        rules.excuses_have_reasons,
        "x = 1  # no" + "qa: E501, B008\n",
        "x = 1  # no" + "qa: E501 a URL cannot be broken\n",
    ),
    (
        rules.excuses_have_reasons,
        "# pyright: " + "basic\n",
        "# pyright: " + "reportPrivateUsage=false  the layout is read on purpose\n",
    ),
    (rules.nothing_evaluates_text, "import pickle\n", "import json\n"),
    (rules.nothing_evaluates_text, "from marshal import loads\n", "from json import loads\n"),
    (rules.nothing_evaluates_text, "eval(text)\n", "tree.eval(text)\n"),
    (rules.kernel_is_pure, "datetime.now()\n", "datetime.fromisoformat(text)\n"),
    (rules.kernel_is_pure, "open(path)\n", "token.open(path)\n"),
    (rules.tests_do_not_sleep, "asyncio.sleep(0.1)\n", "asyncio.sleep(0)\n"),
    (rules.tests_do_not_sleep, "from time import sleep as nap\nnap(1)\n", "sleep(1)\n"),
    (
        rules.root_is_small,
        f"__all__ = {[f'n{i}' for i in range(26)]}\n",
        f"__all__ = {[f'n{i}' for i in range(25)]}\n",
    ),
    (
        rules.errors_are_drawn,
        '"""Nothing."""\nclass Parked(Exception): ...\n',
        '"""The tree: Parked"""\nclass Parked(Exception): ...\n',
    ),
]


@pytest.mark.parametrize(("rule", "bad", "good"), CASES, ids=[c[0].__name__ for c in CASES])
def test_a_rule_finds_what_it_is_for(
    rule: Callable[[Source], Iterator[Finding]], bad: str, good: str
) -> None:
    assert list(rule(Source("src/duetto/example.py", bad)))
    assert not list(rule(Source("src/duetto/example.py", good)))


@pytest.mark.parametrize("path", ["src/duetto/utils.py", "src/duetto/core/token.py"])
def test_a_vague_name_is_found_anywhere_in_a_path(path: str) -> None:
    assert list(rules.names_say_what_is_inside(Source(path, "")))
    assert not list(rules.names_say_what_is_inside(Source("src/duetto/store.py", "")))


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        ("cd /" + "work/main", "cd ./work/main"),
        ("see /" + "root/.cache", "a token's path is / or /2[0]"),
        ("in /" + "tmp/x", "in tmp/x"),
        ("from https://py" + "pi.org/simple", "from PyPI"),
    ],
)
def test_a_path_of_one_machine_and_a_host_are_found(bad: str, good: str) -> None:
    assert list(rules.names_no_machine("README.md", bad))
    assert not list(rules.names_no_machine("README.md", good))
