"""The source of a workflow: its syntax tree with the lines and columns of the user's file."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath
from typing import Any, NoReturn

from duetto.authoring.compiler.refusals import Advice
from duetto.errors import DefinitionError

SNIPPET_CHARACTERS_MAX = 72
"""What is shown of the user's code fits on a line of a terminal."""
MODULES_PARSED_MAX = 16
"""The workflows of one module are compiled one after the other; a few modules are kept parsed."""

Position = ast.expr | ast.stmt | ast.excepthandler | ast.arg | ast.keyword | ast.pattern


@dataclass(frozen=True)
class Source:
    """A file's text, and where its pieces stand."""

    file: str
    text: str

    def refusal(
        self, node: Position, message: str, *, expected: str, do: str, found: str = ""
    ) -> DefinitionError:
        """Return the error for a piece of the source; what was found is the piece itself."""
        return DefinitionError(
            message,
            file=self.file,
            line=node.lineno,
            column=self.column(node),
            found=found or self.snippet(node),
            expected=expected,
            do=do,
        )

    def refuse(self, node: Position, advice: Advice) -> NoReturn:
        raise self.refusal(node, advice.message, expected=advice.expected, do=advice.do)

    def column(self, node: Position) -> int:
        """Return the column from 1; Python counts the bytes of UTF-8 from 0."""
        line = self.text.splitlines()[node.lineno - 1]
        return len(line.encode()[: node.col_offset].decode(errors="replace")) + 1

    def snippet(self, node: Position) -> str:
        """Return the code of a node on one line, cut where it is long."""
        text = ast.get_source_segment(self.text, node) or ""
        if isinstance(node, ast.stmt | ast.excepthandler):
            text = text.partition("\n")[0]
        text = " ".join(text.split())
        cut = len(text) > SNIPPET_CHARACTERS_MAX
        return f"{text[: SNIPPET_CHARACTERS_MAX - 1]}…" if cut else text


def read(function: Callable[..., Any]) -> tuple[Source, ast.AsyncFunctionDef]:
    """Return the source and tree of an `async def`; raises DefinitionError where there is none."""
    code = getattr(function, "__code__", None)
    if code is None:
        raise DefinitionError(
            "A workflow is made of a function.",
            found=f"{type(function).__name__} {function!r}"[:SNIPPET_CHARACTERS_MAX],
            expected="an `async def`",
            do="decorate an `async def` of a module with `@workflow`",
        )
    file = file_of(function.__module__, code.co_filename)
    try:
        lines, _ = inspect.findsource(code)
    except OSError as error:
        raise DefinitionError(
            f"The source of workflow `{function.__name__}` cannot be read.",
            found=code.co_filename,
            expected="a file of source text",
            do="write the workflow into a module",
        ) from error
    source = Source(file, "".join(lines))
    for node in functions(source.text):
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        if node.name == function.__name__ and first == code.co_firstlineno:
            return source, asynchronous(node, source)
    raise DefinitionError(
        f"The source of workflow `{function.__name__}` is not what was imported.",
        file=file,
        line=code.co_firstlineno,
        column=1,
        found="a file that has changed since, or a function without a name",
        expected="an `async def` at this line",
        do="import the module again",
    )


def asynchronous(
    node: ast.FunctionDef | ast.AsyncFunctionDef, source: Source
) -> ast.AsyncFunctionDef:
    if isinstance(node, ast.FunctionDef):
        raise source.refusal(
            node,
            f"Workflow `{node.name}` is not an `async def`.",
            expected=f"async def {node.name}(...)",
            do="write `async` before `def`",
        )
    return node


@lru_cache(maxsize=MODULES_PARSED_MAX)
def functions(text: str) -> tuple[ast.FunctionDef | ast.AsyncFunctionDef, ...]:
    """Return every function of a file."""
    return tuple(
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def file_of(module: str, path: str) -> str:
    """Return the file's name from its top-level package on: the same on every machine."""
    parts = PurePath(path).parts
    depth = len(module.split(".")) + (parts[-1] == "__init__.py")
    return "/".join(parts[-depth:])
