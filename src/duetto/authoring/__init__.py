"""What users write: services, tasks, workflows, and the words of the workflow language."""

from duetto.authoring.batch import Batch
from duetto.authoring.context import TaskContext, context
from duetto.authoring.event import event
from duetto.authoring.flow import emit, gather, race, receive, saga, sleep, timeout
from duetto.authoring.resources import resource
from duetto.authoring.retry import Retry
from duetto.authoring.service import Service
from duetto.authoring.tables import Tables
from duetto.authoring.task import Task
from duetto.authoring.upcast import upcast
from duetto.authoring.window import Window
from duetto.authoring.workflow import Workflow, workflow

__all__ = [
    "Batch",
    "Service",
    "Tables",
    "Task",
    "Window",
    "Workflow",
    "Retry",
    "TaskContext",
    "context",
    "resource",
    "workflow",
    "gather",
    "race",
    "sleep",
    "receive",
    "emit",
    "saga",
    "timeout",
    "event",
    "upcast",
]
