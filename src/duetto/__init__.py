"""Duetto coordinates services: a workflow is written once, and placed.

Orchestrated, choreographed or anything in between: the outcome is the same.
"""

from duetto.app import App
from duetto.authoring import (
    Retry,
    Service,
    Task,
    TaskContext,
    Window,
    Workflow,
    context,
    emit,
    event,
    gather,
    race,
    receive,
    resource,
    saga,
    sleep,
    timeout,
    workflow,
)
from duetto.errors import Cancelled, DuettoError, RunFailed, TaskError
from duetto.model.placement import choreography, hybrid, orchestration

__all__ = [
    "App",
    "Cancelled",
    "DuettoError",
    "Retry",
    "RunFailed",
    "Service",
    "Task",
    "TaskContext",
    "TaskError",
    "Window",
    "Workflow",
    "choreography",
    "context",
    "emit",
    "event",
    "gather",
    "hybrid",
    "orchestration",
    "race",
    "receive",
    "resource",
    "saga",
    "sleep",
    "timeout",
    "workflow",
]
