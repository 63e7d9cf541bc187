"""What is outside of the workflow language, what to say of it, and how several are shown."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from difflib import get_close_matches
from typing import NamedTuple

from duetto.errors import DefinitionError

NAMES_SHOWN_MAX = 12
"""A reader looks for one name; more than a line of them hides it."""


class Advice(NamedTuple):
    """Why a construct is refused, what is expected, and what to write instead."""

    message: str
    expected: str
    do: str


AWAIT_ALONE = Advice(
    "An `await` stands alone, after an assignment, or after `return`.",
    "`x = await task(...)`, `return await task(...)` or `await task(...)`",
    "assign the awaited value to a variable first, then use the variable",
)

STATEMENTS: dict[type[ast.stmt], Advice] = {
    ast.Match: Advice(
        "`match` is not part of the workflow language.",
        "`if`, `elif` and `else`",
        "write `if x == …:` and `elif x == …:`, or move the choice into a function",
    ),
    ast.Global: Advice(
        "A workflow cannot write global variables: they would not survive a crash.",
        "variables of the workflow",
        "return the value, or keep it in a task",
    ),
    ast.Nonlocal: Advice(
        "A workflow cannot write variables of a function around it.",
        "variables of the workflow",
        "return the value, or keep it in a task",
    ),
    ast.Delete: Advice(
        "`del` changes a value in place, or drops a variable.",
        "an assignment of a new value",
        "write a new value, e.g. `items = [item for item in items if …]`; variables need no `del`",
    ),
    ast.Import: Advice(
        "An import inside a workflow is refused.",
        "imports at the top of the module",
        "move the import to the top of the module",
    ),
    ast.ImportFrom: Advice(
        "An import inside a workflow is refused.",
        "imports at the top of the module",
        "move the import to the top of the module",
    ),
    ast.FunctionDef: Advice(
        "A function inside a workflow is refused: it is no value that could be stored.",
        "functions of the module",
        "move the function to the module and pass it what it needs",
    ),
    ast.AsyncFunctionDef: Advice(
        "A function inside a workflow is refused: it is no value that could be stored.",
        "tasks and workflows of the module",
        "move it to the module and make it a task (`@service.task`) or a `@workflow`",
    ),
    ast.ClassDef: Advice(
        "A class inside a workflow is refused: its values could not be found again by name.",
        "classes of the module",
        "move the class to the module",
    ),
    ast.With: Advice(
        "`with` is refused: what it opens does not survive a crash.",
        "`async with saga():` or `async with timeout(…):`",
        "open the resource inside a task",
    ),
    ast.AsyncFor: Advice(
        "`async for` is refused: a stream has no place that could be stored.",
        "`for` over a collection",
        "collect the items in a task, then write `for item in items:`",
    ),
    ast.TryStar: Advice(
        "`except*` is refused: a gather raises the error of its first failed branch.",
        "`except`",
        "write `except` with the classes of the errors",
    ),
}

EXPRESSIONS: dict[type[ast.expr], Advice] = {
    ast.Await: AWAIT_ALONE,
    ast.NamedExpr: Advice(
        "`:=` writes a variable inside of an expression.",
        "an assignment of its own",
        "write the assignment on the line before",
    ),
    ast.Yield: Advice(
        "A workflow cannot `yield`: it ends with one value.",
        "`return`",
        "return the value, or `emit` an event",
    ),
    ast.YieldFrom: Advice(
        "A workflow cannot `yield`: it ends with one value.",
        "`return`",
        "return the values as a list",
    ),
}

IN_FINALLY = Advice(
    "`{0}` in `finally` would swallow an error or a cancel.",
    "a `finally` that ends at its last line",
    "set a variable, and write `{0}` after the `try`",
)


def near(name: str, known: Iterable[str]) -> str:
    """Return the known name that comes nearest, or nothing."""
    found = get_close_matches(name, sorted(set(known)), n=1)
    return found[0] if found else ""


def one_of(known: Iterable[str]) -> str:
    """Return `one of: a, b, c`."""
    names = sorted(set(known))
    more = ", …" if len(names) > NAMES_SHOWN_MAX else ""
    return f"one of: {', '.join(names[:NAMES_SHOWN_MAX])}{more}"


def together(errors: list[DefinitionError]) -> DefinitionError:
    """Return one error that shows all of them, in the order of the source."""
    first, *others = sorted(errors, key=lambda error: (error.line, error.column))
    first.others = tuple(others)
    return first
