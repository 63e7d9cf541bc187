"""Who is told of signals."""

from duetto.observers.logs import LogObserver, TaskFields

__all__ = ["LogObserver", "TaskFields"]
