"""What is said of an `await`, or of a branch, that awaits what it cannot."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import Any

from duetto.authoring.compiler import calls
from duetto.authoring.compiler.callees import kind, stand_in
from duetto.authoring.compiler.expressions import Translator
from duetto.authoring.compiler.refusals import near, one_of
from duetto.authoring.task import Task
from duetto.errors import DefinitionError

AWAITABLE = "a call of a task or workflow, or `gather`, `race`, `sleep`, `receive`"


def not_a_call(node: ast.expr, translator: Translator) -> DefinitionError:
    return translator.source.refusal(
        node,
        "What is awaited is written as a call: a coroutine cannot be stored.",
        expected=AWAITABLE,
        do="call the task where it is awaited: `await task(...)`",
    )


def not_awaitable(node: ast.Call, value: Any, translator: Translator) -> DefinitionError:
    """Return the error for a call of something that is no task, workflow or word."""
    written, name = translator.source.snippet(node), ast.unparse(node.func)
    if text := stand_in(value):
        return translator.source.refusal(
            node,
            f"`{name}` is asyncio's: its wait would not survive a crash.",
            expected=AWAITABLE,
            do=f"use {text}",
        )
    if kind(value) == "coroutine":
        return translator.source.refusal(
            node,
            f"`{name}` is neither a task nor a workflow: a crash would run it again.",
            expected=AWAITABLE,
            do=f"decorate it: `@service.task` above `async def {name.rpartition('.')[2]}`",
        )
    if value is not None and callable(value) and not inspect.isclass(value):
        return translator.source.refusal(
            node,
            f"`{name}` is a plain function: there is nothing to wait for.",
            expected=AWAITABLE,
            do=f"write `{written}` without `await`, or make it a task",
        )
    return translator.source.refusal(
        node, f"`{name}` cannot be awaited.", expected=AWAITABLE, do="await a task or a workflow"
    )


def misspelt(node: ast.Call, translator: Translator) -> DefinitionError | None:
    """Return the error for a name that is nearly a task's, told with its service."""
    func = node.func
    name = func.attr if isinstance(func, ast.Attribute) else ast.unparse(func)
    tasks = dict(tasks_in_reach(func, translator))
    guess = near(name, tasks)
    if not guess:
        return None
    service = tasks[guess].qualified.partition(".")[0]
    others = (known for known, task in tasks.items() if task.qualified.startswith(f"{service}."))
    return translator.source.refusal(
        func,
        f"`{name}` is not a task of {service}.",
        expected=one_of(others),
        do=f"did you mean `{guess}`?",
        found=f"await {translator.source.snippet(node)}",
    )


def tasks_in_reach(func: ast.expr, translator: Translator) -> Iterator[tuple[str, Task[..., Any]]]:
    """Yield the tasks that the module of a dotted name has, or else the workflow's module."""
    names = translator.names.in_reach()
    if isinstance(func, ast.Attribute):
        owner = translator.names.resolve(func.value, translator.local)
        names = vars(owner.value) if owner is not None and inspect.ismodule(owner.value) else {}
    yield from ((name, value) for name, value in names.items() if isinstance(value, Task))


def spread(node: ast.expr, name: str, translator: Translator) -> DefinitionError:
    """Return the error for branches that are not written out."""
    only = name == "gather"
    return translator.source.refusal(
        node,
        f"The branches of `{name}` are written out.",
        expected="`await gather(f(x) for x in items)`, alone" if only else calls.usage(name),
        do="write `gather(f(x) for x in items)`" if only else "write the branches one by one",
    )
