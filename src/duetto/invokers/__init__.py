"""Ways to run a task."""

from duetto.invokers.local import LocalInvoker

__all__ = ["LocalInvoker"]
