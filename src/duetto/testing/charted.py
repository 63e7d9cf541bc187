"""An app under test that keeps what happens in it, so that its runs can be drawn."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from duetto.authoring.context import TaskContext
from duetto.broker import Broker
from duetto.drawing import sequence_mermaid, sequence_svg, sequence_text
from duetto.drawing.sequence import Chart
from duetto.runtime.tasks import TaskHandle
from duetto.store import Batch, Store
from duetto.testing.mortal import MortalApp
from duetto.testing.recorder import Recorder, RecordingBroker

__tracebackhide__ = True  # a reader of a failed test looks for a line of their own

DRAWN_MAX = 5
"""Runs of one failed test that are drawn: what went wrong is among the newest."""


class ChartedApp(MortalApp):
    """Tells a recorder of its messages, commits, bodies and deaths."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.recorder = Recorder(lambda: self._stage.loop.time() * 1000)
        self._runs: dict[tuple[int, int], str] = {}

    def _stores(self, *, read_only: bool = False) -> list[tuple[Store, frozenset[str]]]:
        found = super()._stores(read_only=read_only)
        self.recorder.stores = [sorted(names) for _, names in found]
        # All stores are of one process, and die together.
        self.recorder.processes = [self.name] * len(found)
        return found

    def _new_broker(self) -> Broker:
        if self._lives > 1:
            self.recorder.mark("", "restart", "another process starts")
        return RecordingBroker(super()._new_broker(), self.recorder)

    def kept(self, host: int, batch: Batch) -> None:
        """Hear that a commit is durable."""
        super().kept(host, batch)
        for row in batch.runs:
            self._runs[host, row.rid] = row.id
        for rid, sealed in batch.journal:
            self.recorder.committed(host, self._runs[host, rid], sealed)

    def die(self, away_s: float = 0.0) -> None:
        """End the process at once; another starts after a time."""
        self.recorder.mark("", "crash", "the process dies")
        super().die(away_s)

    async def _performed(
        self,
        handle: TaskHandle,
        own: Callable[..., Awaitable[Any]],
        asked: TaskContext,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        lane, span = handle.service, asked.key.removeprefix(asked.run)
        attempt = f", attempt {asked.attempt}" if asked.attempt > 1 else ""
        self.recorder.mark(lane, "begun", f"{handle.name}{attempt}", run=asked.run, span=span)
        try:
            result = await super()._performed(handle, own, asked, args, kwargs)
        except Exception as error:  # whatever the body raised is raised again
            label = f"{handle.name} raises {type(error).__name__}"
            self.recorder.mark(lane, "failed", label, run=asked.run, span=span)
            raise
        self.recorder.mark(lane, "done", f"{handle.name} has ended", run=asked.run, span=span)
        return result

    def chart(self, run: str) -> Chart:
        """Return what happened in a run, among its participants. Raises NotFound."""
        self.find(run)
        return self.recorder.chart(run, f"{self.name}: {run}", [self.placement.name])

    def charts(self) -> list[Chart]:
        """Return the charts of its newest runs, oldest first."""
        runs = list(dict.fromkeys(self._runs.values()))
        return [self.chart(run) for run in runs[-DRAWN_MAX:]]


def file_name(*parts: str) -> str:
    """Return a name that every file system takes."""
    return re.sub(r"[^\w.-]+", "-", "-".join(parts)).strip("-")


def write(chart: Chart, file: Path) -> Path:
    """Write a chart as its file is named: `.svg`, `.mmd` for Mermaid, or else plain text."""
    match file.suffix:
        case ".svg":
            text = sequence_svg(chart)
        case ".mmd":
            text = sequence_mermaid(chart)
        case _:
            text = sequence_text(chart)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    return file
