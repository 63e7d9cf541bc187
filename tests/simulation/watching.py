"""A simulated world that is watched: all that happens in it becomes a sequence chart."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from duetto.authoring.context import context
from duetto.broker import Broker
from duetto.drawing.sequence import moment
from duetto.store import Batch
from duetto.testing.recorder import Recorder, RecordingBroker
from duetto.testing.simulation import World
from duetto.testing.simulation.faults import Fault, OperatorFault
from duetto.testing.simulation.machines import Machine
from duetto.testing.simulation.timeline import Process
from tests.simulation.printing import in_words


def watch(world: World) -> Recorder:
    """Let a recorder hear of everything, from outside: the world goes on as it would anyway."""
    recorder = Recorder(lambda: world.timeline.now_s * 1000, world.scenario.stores)
    watcher = _Watcher(world, recorder)
    endpoint = world.network.endpoint

    def overheard(process: Process, host: int) -> Broker:
        return RecordingBroker(endpoint(process, host), recorder)

    instead(world.network, "endpoint", overheard)
    before(world, "committed", watcher.committed)
    before(world, "strike", watcher.struck)
    before(world.effects, "struck", watcher.struck)
    before(world.effects, "begin", watcher.begun)
    before(world.effects, "do", watcher.done)
    before(world.effects, "undo", watcher.undone)
    for machine in world.machines:
        before(machine, "_start", partial(watcher.starts, machine))
        before(machine, "die", partial(watcher.dies, machine))
        before(machine, "pause", partial(watcher.paused, machine))
    return recorder


def instead(owner: Any, name: str, other: Callable[..., Any]) -> None:
    """Put something else in the place of a method of one object."""
    setattr(owner, name, other)


def before(owner: Any, name: str, told: Callable[..., None]) -> None:
    """Let a method of one object tell of its calls, each before it does anything."""
    own = getattr(owner, name)

    def telling(*args: Any, **kwargs: Any) -> Any:
        told(*args, **kwargs)
        return own(*args, **kwargs)

    instead(owner, name, telling)


class _Watcher:
    """Says in the recorder's words what a world tells itself of."""

    def __init__(self, world: World, recorder: Recorder) -> None:
        self._world, self._recorder = world, recorder

    def committed(self, machine: Machine, batch: Batch) -> None:
        for _, sealed in batch.journal:
            self._recorder.committed(machine.number, self._world.run_id, sealed)

    def starts(self, machine: Machine, _: Process) -> None:
        if machine.boots:
            self._recorder.mark(self._lane(machine.number), "restart", "a process starts")

    def dies(self, machine: Machine, away_ms: float | None) -> None:
        if away_ms is not None and machine.process is not None:
            label = f"the process dies, and is away for {moment(away_ms)}"
            self._recorder.mark(self._lane(machine.number), "crash", label)

    def paused(self, machine: Machine, for_ms: float) -> None:
        lane, recorder = self._lane(machine.number), self._recorder
        recorder.mark(lane, "pause", "the process is paused")
        goes_on = partial(recorder.mark, lane, "resumed", "the process goes on")
        self._world.timeline.outside.call_later(for_ms / 1000, goes_on)

    def struck(self, fault: Fault, *_: object) -> None:
        kind = "operator" if isinstance(fault, OperatorFault) else "fault"
        self._recorder.mark(self._where(fault), kind, in_words(fault))

    def _where(self, fault: Fault) -> str:
        """Return the lane of a fault: whoever sends, whoever works, or else its host's first."""
        for name in ("source", "service"):
            if (lane := getattr(fault, name, None)) is not None:
                return lane
        return self._lane(getattr(fault, "host", getattr(fault, "one", self._world.home())))

    def _lane(self, host: int) -> str:
        return self._world.scenario.stores[host][0]

    # -- bodies

    def begun(self, key: str) -> None:
        asked = context()
        self._recorder.mark(
            asked.task.partition(".")[0],
            "begun",
            f"{asked.task} {key}, attempt {asked.attempt}",
            span=key,
        )

    def done(self, key: str) -> None:
        task = context().task
        label = f"{task} {key} has its effect"
        self._recorder.mark(task.partition(".")[0], "done", label, span=key)

    def undone(self, key: str) -> None:
        task = context().task
        self._recorder.mark(task.partition(".")[0], "undone", f"{key} is taken back")
