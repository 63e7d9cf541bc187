"""What may be called, read or passed around in an expression, and what is said where it may not."""

from __future__ import annotations

import ast
from inspect import Signature
from types import ModuleType
from typing import Any

from duetto.authoring.compiler import callees
from duetto.authoring.compiler.refusals import near
from duetto.authoring.compiler.source import Source
from duetto.errors import DefinitionError

MUTATING = frozenset(
    [
        "append",
        "appendleft",
        "extend",
        "extendleft",
        "insert",
        "remove",
        "pop",
        "popleft",
        "popitem",
        "clear",
        "sort",
        "reverse",
        "rotate",
        "update",
        "setdefault",
        "add",
        "discard",
        "difference_update",
        "intersection_update",
        "symmetric_difference_update",
        "move_to_end",
        "subtract",
    ]
)
"""Methods of Python's collections that change them in place."""

REWRITTEN = {
    "append": "[*{0}, x]",
    "appendleft": "[x, *{0}]",
    "extend": "[*{0}, *more]",
    "insert": "[*{0}[:i], x, *{0}[i:]]",
    "remove": "[item for item in {0} if item != x]",
    "discard": "{0} - {{x}}",
    "add": "{0} | {{x}}",
    "pop": "{0}[:-1]` after `last = {0}[-1]",
    "clear": "[]",
    "sort": "sorted({0})",
    "reverse": "{0}[::-1]",
    "update": "{{**{0}, **more}}",
    "setdefault": "{{key: default, **{0}}}",
}
"""The new value that a method would have made of the old one."""

BY_TEXT = frozenset({"format", "format_map"})
"""Methods that reach any attribute by text."""


def check_attribute(source: Source, node: ast.Attribute) -> None:
    """Refuse attributes that are out of reach for definitions, which are data."""
    if node.attr.startswith("_"):
        raise source.refusal(
            node,
            f"`{node.attr}` begins with an underscore: it is out of reach for a workflow.",
            expected="a public attribute",
            do="use a public attribute, or a function of the module",
        )
    if node.attr in BY_TEXT:
        raise source.refusal(
            node,
            f"`{node.attr}` reaches attributes by text.",
            expected="an f-string",
            do="write an f-string",
        )


def refuse_as_value(source: Source, node: ast.expr, value: Any) -> None:
    """Refuse what is no value although it has a name."""
    match callees.kind(value):
        case "task" | "workflow" | "itself" as kind:
            what = "task" if kind == "task" else "workflow"
            raise source.refusal(
                node,
                f"A {what} is no value: it cannot be passed around.",
                expected=f"a call: `await {ast.unparse(node)}(...)`",
                do=f"call the {what} where it is needed, chosen by `if` and `else`",
            )
        case "word":
            raise source.refusal(
                node,
                f"`{ast.unparse(node)}` is a word of the workflow language, not a value.",
                expected=usage(callees.word(value)),
                do="write it where it is needed",
            )
        case _:
            pass
    if isinstance(value, ModuleType):
        raise source.refusal(
            node,
            "A module is no value that could be stored.",
            expected=f"a name of the module: `{ast.unparse(node)}.name`",
            do="name what you need of the module",
        )


def refuse_as_call(source: Source, node: ast.Call, value: Any) -> None:
    """Refuse the call of what has to be awaited, entered or cannot be called."""
    written = source.snippet(node)
    match callees.kind(value):
        case "task" | "workflow" | "itself" as kind:
            what = "task" if kind == "task" else "workflow"
            raise source.refusal(
                node,
                f"A {what} is called without `await`; it would never run.",
                expected="`await` before the call",
                do=f"write `await {written}`",
            )
        case "word":
            word = callees.word(value)
            raise source.refusal(
                node, misplaced(word), expected=usage(word), do=f"write {usage(word)}"
            )
        case "coroutine":
            raise source.refusal(
                node,
                f"`{ast.unparse(node.func)}` is an async function: its call gives no value.",
                expected="a plain function, or `await` of a task",
                do=f"make it a task (`@service.task`) and write `await {written}`",
            )
        case _:
            pass
    if not callable(value):
        raise source.refusal(
            node,
            f"`{ast.unparse(node.func)}` cannot be called.",
            expected="a function or class",
            do="correct the name",
        )


def misplaced(word: str) -> str:
    if word in ("saga", "timeout"):
        return f"`{word}` stands only in `async with`."
    if word == "emit":
        return "`emit` stands alone on its line."
    return f"`{word}` is called without `await`; it would never run."


def usage(word: str) -> str:
    """Return how a word of the workflow language is written."""
    return {
        "gather": "`await gather(a(x), b(y))`",
        "race": "`await race(a(x), b(y))`",
        "sleep": "`await sleep(seconds)`",
        "receive": "`await receive(Event, key=…)`",
        "emit": "`emit(event)`",
        "saga": "`async with saga():`",
        "timeout": "`async with timeout(seconds):`",
    }[word]


def not_callable(source: Source, node: ast.Call) -> DefinitionError:
    """Return the error for a call of what is neither a name of the module nor a method."""
    return source.refusal(
        node,
        "Only functions and classes of a module, and methods, can be called.",
        expected="a name of the module, a builtin, or a method of a value",
        do="move the call into a function of the module",
    )


def mutation(source: Source, node: ast.Call, receiver: ast.expr, method: str) -> DefinitionError:
    """Return the error for a method that changes its value in place."""
    old = source.snippet(receiver)
    new = old if isinstance(receiver, ast.Name) else "new"
    return source.refusal(
        node,
        f"`{method}` changes `{old}` in place: a crash or a placement would show through.",
        expected="an assignment of a new value",
        do=f"write `{new} = {REWRITTEN.get(method, '…').format(old)}`",
    )


def check_arguments(source: Source, node: ast.Call, signature: Signature) -> None:
    """Refuse arguments that do not fit the signature of a task or workflow."""
    for argument in [*node.args, *node.keywords]:
        spread = isinstance(argument, ast.Starred) or (
            isinstance(argument, ast.keyword) and argument.arg is None
        )
        if spread:
            raise source.refusal(
                argument,
                "The arguments of a task or workflow are written out.",
                expected="one argument for each parameter",
                do="write the arguments one by one",
            )
    keywords = {keyword.arg: None for keyword in node.keywords if keyword.arg}
    try:
        signature.bind(*node.args, **keywords)
    except TypeError as error:
        unknown = [name for name in keywords if name not in signature.parameters]
        guess = near(unknown[0], signature.parameters) if unknown else ""
        name = ast.unparse(node.func)
        raise source.refusal(
            node,
            f"The arguments do not fit `{name}`: {error}.",
            expected=f"{name}{unquoted(signature)}",
            do=f"did you mean `{guess}`?" if guess else "give what the signature asks for",
        ) from None


def unquoted(signature: Signature) -> str:
    """Return a signature as it is written: annotations that are kept as text have no quotes."""
    return str(signature).replace("'", "")
