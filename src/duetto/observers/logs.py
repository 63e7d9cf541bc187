"""Write signals as log lines that carry run, path and task."""

from __future__ import annotations

import logging
from typing import assert_never

from duetto.authoring.context import current_slot
from duetto.model.record import APP
from duetto.observer import (
    AttemptFailedSignal,
    EventFailed,
    HandlerPaused,
    LetterKept,
    LoopBlocked,
    MessageRefused,
    Recovered,
    RunEnded,
    RunPurged,
    RunStarted,
    Signal,
    StorePaused,
    TokenParked,
    TopicFailed,
    Unfinished,
)

log = logging.getLogger("duetto")

OFTEN = frozenset[type[Signal]]({RunStarted, RunEnded})
"""Noted for each run, and only where somebody debugs."""

IDS_SHOWN_MAX = 20
"""Unfinished runs named in one line; the rest is counted."""


def named(runs: tuple[str, ...]) -> str:
    """Return the first ids, and how many more there are."""
    more = f" and {len(runs) - IDS_SHOWN_MAX} more" if len(runs) > IDS_SHOWN_MAX else ""
    return ", ".join(runs[:IDS_SHOWN_MAX]) + more


class TaskFields(logging.Filter):
    """Gives each log record the `run`, `path`, `task` and `attempt` of the body that writes it.

    Add it to a handler: `handler.addFilter(TaskFields())`. Outside a body they are empty.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        slot = current_slot.get()
        context = slot.context if slot is not None else None
        found = ("", "", "", 0)
        if context is not None:
            found = (context.run, context.path, context.task, context.attempt)
        record.run, record.path, record.task, record.attempt = found
        return True


class LogObserver:
    """Logs to the logger `duetto`: what needs somebody is a warning, the rest is information."""

    def note(self, signal: Signal, /) -> None:
        if type(signal) in OFTEN and not log.isEnabledFor(logging.DEBUG):
            return
        match signal:
            case RunStarted(run, workflow):
                log.debug("run %s of %s started", run, workflow)
            case RunEnded(run, _, status, error):
                log.debug("run %s %s%s", run, status, f": {error}" if error else "")
            case AttemptFailedSignal(run, path, task, attempt, error, due):
                log.info(
                    "run %s %s task %s attempt %d failed: %s; next at %d",
                    *(run, path, task, attempt, error, due),
                )
            case TokenParked(run, path, reason, task):
                on = f"{path} task {task}" if task else path
                log.warning("run %s %s is parked: %s", run, on, reason)
            case Recovered(runs):
                log.warning("continuing %d unfinished runs: %s", len(runs), named(runs))
            case Unfinished(runs):
                log.warning("left unfinished (%d): %s", len(runs), named(runs))
            case StorePaused(reason):
                log.error("the store does not take commits: %s", reason)
            case LoopBlocked(task, took_ms):
                log.warning("task %s held the event loop for %d ms", task, took_ms)
            case RunPurged(count):
                log.debug("%d closed runs were purged", count)
            case EventFailed(handler, event, attempt, error, due):
                log.info(
                    "%s attempt %d at %s failed: %s; next at %d",
                    *(handler, attempt, event, error, due),
                )
            case LetterKept(handler, event, reason):
                log.warning("%s is a dead letter of %s: %s", event, handler, reason)
            case HandlerPaused(handler, held):
                log.error("%s is paused, as it holds %d events", handler, held)
            case MessageRefused(source, to, message, reason):
                log.error(
                    "%s refuses %s, which says to come from %s: %s",
                    *(to or APP, message, source or APP, reason),
                )
            case TopicFailed(name, reason):
                log.error("%s is tried again: %s", name, reason)
            case _:
                assert_never(signal)
