"""The classes of an `except` clause, by their qualified names."""

from __future__ import annotations

import ast
from typing import Any, cast

from duetto.authoring.compiler.expressions import Translator
from duetto.authoring.compiler.refusals import Advice
from duetto.authoring.types import name_of
from duetto.errors import Cancelled

BARE = Advice(
    "A bare `except` would swallow a cancel.",
    "`except` with the classes of the errors",
    "write `except Exception:`, or the errors that you expect",
)
UNCATCHABLE = Advice(
    "This class cannot be caught in a workflow: a cancel must not be swallowed.",
    "subclasses of Exception; only `finally` sees a cancel",
    "write `except Exception:`, and clean up in `finally`",
)
NO_CLASS = Advice(
    "`except` names classes of errors.",
    "a class, or several in parentheses",
    "name the class of the error",
)


def types(node: ast.ExceptHandler, translator: Translator) -> tuple[str, ...]:
    """Return the qualified names of what a handler catches."""
    if node.type is None:
        translator.source.refuse(node, BARE)
    parts = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    return tuple(name for part in parts for name in names_of(part, translator))


def names_of(node: ast.expr, translator: Translator) -> list[str]:
    """Return the names of one class, or of a constant that holds several."""
    if isinstance(node, ast.Name) and translator.names.builtin(node.id, BaseException):
        translator.source.refuse(node, UNCATCHABLE)
    thing = translator.names.resolve(node, translator.local)
    value: Any = () if thing is None else thing.value
    classes = cast("tuple[Any, ...]", value if isinstance(value, tuple) else (value,))
    if not classes:
        translator.source.refuse(node, NO_CLASS)
    for each in classes:
        if not (isinstance(each, type) and issubclass(each, BaseException)):
            translator.source.refuse(node, NO_CLASS)
        if not issubclass(each, Exception) or issubclass(each, Cancelled):
            translator.source.refuse(node, UNCATCHABLE)
    return [name_of(each) for each in classes]
