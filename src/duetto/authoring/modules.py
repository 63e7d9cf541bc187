"""What an app knows of by name: the modules of its services and workflows, and their events."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

from duetto.authoring.event import event_type
from duetto.authoring.service import Service
from duetto.authoring.symbols import Symbols
from duetto.authoring.workflow import Workflow
from duetto.model.definition import received


def modules_of(
    services: Iterable[Service], workflows: Iterable[Workflow[..., Any]]
) -> list[ModuleType]:
    """Return the modules of bodies, of events, and of workflows with those that they call."""
    names: set[str] = set()
    for service in services:
        names |= {task.body.__module__ for task in service.tasks.values()}
        for handler in service.handlers.values():
            names.add(handler.body.__module__)
            names |= {kind.__module__ for kind in handler.events.values()}
        for window in service.windows.values():
            names |= {window.body.__module__, window.event.__module__}
    pending = list(workflows)
    names |= {workflow.body.__module__ for workflow in pending}
    while pending:
        for callee in pending.pop().callees.values():
            if callee.body.__module__ not in names:
                pending.append(callee)
                names.add(callee.body.__module__)
    return [sys.modules[name] for name in sorted(names) if name in sys.modules]


def event_classes(
    services: Iterable[Service], workflows: Iterable[Workflow[..., Any]], symbols: Symbols
) -> Iterator[type]:
    """Yield the events that handlers, windows and workflows name. Raises ConfigurationError where
    their annotations do not fit."""
    for service in services:
        for handler in service.handlers.values():
            handler.check()
            yield from (*handler.events.values(), *handler.publishes.values())
        for window in service.windows.values():
            yield from (window.event, *window.makes.values())
    for workflow in workflows:
        if workflow.start_on is not None:
            yield workflow.start_on
        yield from (symbols.resolve(name) for name in received(workflow.definition))


def events_in(modules: Iterable[ModuleType]) -> Iterator[type]:
    """Yield the events that are declared in modules."""
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, type) and event_type(value) is not None:
                yield value
