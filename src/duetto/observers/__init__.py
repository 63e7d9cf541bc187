"""Who is told of signals."""

from duetto.observers.logs import LogObserver

__all__ = ["LogObserver"]
