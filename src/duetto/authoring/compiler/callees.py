"""What a workflow may await, recognised by identity: tasks, workflows, and the words of `flow`."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, Literal, Protocol, get_type_hints

from duetto.authoring import flow
from duetto.authoring.task import Task
from duetto.model.definition import Definition

Kind = Literal["", "task", "workflow", "itself", "word", "coroutine"]

WORDS = ("gather", "race", "sleep", "receive", "emit", "saga", "timeout")


class CompiledWorkflow(Protocol):
    """What the compiler reads of a workflow, whose module imports the compiler."""

    name: str
    definition: Definition
    body: Callable[..., Any]


class Itself:
    """Stands for the workflow inside of its own body, where it does not exist yet."""


ITSELF = Itself()


def kind(value: Any) -> Kind:
    """Return what sort of awaitable a value makes when it is called, or nothing."""
    if value is ITSELF:
        return "itself"
    if isinstance(value, Task):
        return "task"
    if isinstance(getattr(value, "definition", None), Definition):
        return "workflow"
    if word(value):
        return "word"
    return "coroutine" if inspect.iscoroutinefunction(value) else ""


def word(value: Any) -> str:
    """Return the name of a function of `flow`, or nothing."""
    return next((name for name in WORDS if getattr(flow, name, None) is value), "")


def own_hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of a workflow, or none where they cannot be resolved yet."""
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return {}


ASYNCIO: dict[Any, str] = {
    asyncio.sleep: "`duetto.sleep`: `await sleep(seconds)`",
    asyncio.gather: "`duetto.gather`: `await gather(a(x), b(y))`",
    asyncio.timeout: "`duetto.timeout`: `async with timeout(seconds):`",
    asyncio.wait_for: "`duetto.timeout`: `async with timeout(seconds):`",
}
"""What people write by habit, and the word of the workflow language for it."""


def stand_in(value: Any) -> str:
    """Return what to write for a function of asyncio, or nothing."""
    return next((text for known, text in ASYNCIO.items() if known is value), "")
