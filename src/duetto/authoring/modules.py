"""The modules in which services and workflows are written: names in them are known to an app."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from duetto.authoring.service import Service
from duetto.authoring.workflow import Workflow


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
