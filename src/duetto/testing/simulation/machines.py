"""What a host runs on: its disk, clock, code and placement outlive each process that it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from duetto.codec import Codec
from duetto.errors import StoreFailed, StoreFull
from duetto.invokers import LocalInvoker
from duetto.model.placement import Placement
from duetto.observer import Observer
from duetto.runtime.exchange import KEEP_MS
from duetto.runtime.host import Host
from duetto.runtime.programs import Programs
from duetto.runtime.runs import recover
from duetto.runtime.sweeps import Sweeps
from duetto.runtime.tasks import TaskHandle
from duetto.store import Batch, Store
from duetto.testing.simulation.clock import SimulatedClock
from duetto.testing.simulation.codes import Fetch
from duetto.testing.simulation.disks import Disk
from duetto.testing.simulation.faults import (
    ClockSkewed,
    CodeFault,
    CommitFault,
    CommitFenced,
    CommitLost,
    CommitRefused,
    CommitSlow,
    CommitUnanswered,
    Fault,
    NodeDies,
    RecordDamaged,
    StoreFilled,
)
from duetto.testing.simulation.network import Network
from duetto.testing.simulation.scenario import Scenario
from duetto.testing.simulation.timeline import Died, Process, Timeline

RETENTION_MS = KEEP_MS
"""How long what is known of closed runs is kept: as an app does, unless told otherwise."""


SKEW_COMMITS = (1, 2, 4, 8, 16)
"""The commits at which it is counted where a clock is off: it is so all the time."""


class Code(Protocol):
    """What a process can be started with."""

    @property
    def codec(self) -> Codec: ...

    def tasks(self, fault: CodeFault | None) -> Mapping[str, TaskHandle]:
        """Return the tasks of the code that a fault brings, or of today's."""
        ...

    def programs(self, fault: CodeFault | None, fetch: Fetch) -> tuple[Programs, str]:
        """Return the definitions that a process knows, and the digest of its workflow, if any."""
        ...


class Surroundings(Protocol):
    """What a machine needs of its world."""

    timeline: Timeline
    network: Network
    observer: Observer

    @property
    def scenario(self) -> Scenario: ...

    @property
    def codes(self) -> Code: ...

    def strike(self, fault: Fault, machine: Machine | None = None) -> None:
        """Note that a fault strikes a machine, or what is between them."""
        ...

    def committed(self, machine: Machine, batch: Batch) -> None:
        """Note what has become durable."""
        ...

    def equip(self, host: Host) -> None:
        """Give a new host what it needs besides, before it takes up what its store held."""
        ...

    def booted(self, machine: Machine) -> None:
        """Note that a host has taken up what its store held."""
        ...


class View:
    """A store as one process sees it, until another has taken it over."""

    def __init__(self, machine: Machine) -> None:
        self._machine, self._disk = machine, machine.disk
        self.fenced = False

    def commit(self, batch: Batch) -> None:
        if self.fenced:
            raise taken_over()
        self._machine.commit(batch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._disk, name)


class Machine:
    """One host's machine. `commits`, `steps` and `boots` count over all its processes."""

    def __init__(self, world: Surroundings, number: int) -> None:
        scenario = world.scenario
        self.world, self.number = world, number
        self.disk = Disk()
        self.participants = frozenset(scenario.stores[number])
        self.placement: Placement = scenario.placements[number]
        self.process: Process | None = None
        self.host: Host | None = None
        self.sweeps: Sweeps | None = None
        self.view = View(self)
        self.code: CodeFault | None = None
        self.root = ""
        """The digest of the workflow that the process would start."""
        self.skew_ms = 0
        self.clock: SimulatedClock | None = None
        self.commits = self.steps = self.boots = 0
        self._fills = 0
        self._commit_faults: dict[int, CommitFault] = {}
        self._deaths: dict[int, NodeDies] = {}
        self._skews: list[ClockSkewed] = []
        for fault in scenario.faults:
            if isinstance(fault, CommitFault) and fault.host == number:
                self._commit_faults[fault.nth] = fault
            elif isinstance(fault, NodeDies) and fault.host == number:
                self._deaths[fault.step] = fault
            elif isinstance(fault, ClockSkewed) and fault.host == number:
                self.skew_ms += fault.by_ms
                self._skews.append(fault)

    @property
    def up(self) -> bool:
        """Whether its process is there and can be talked to."""
        host, process = self.host, self.process
        if host is None or process is None:
            return False
        return not process.dead and not process.paused and host.failure is None

    # -- life and death

    def boot(self) -> None:
        """Start a process, unless there is one."""
        if self.process is None:
            stepped = self._stepped if self._deaths else None
            self.process = Process(self.world.timeline, f"host {self.number}", stepped)
            self.process.call_soon(self._start, self.process)

    def _start(self, process: Process) -> None:
        """Make a host, and take up what the last process left."""
        world, codes = self.world, self.world.codes
        self.boots += 1
        self.disk.reopen()
        view = self.view = View(self)
        programs, self.root = codes.programs(self.code, self.disk.definition)
        seed = (world.scenario.chance, self.number)
        self.clock = SimulatedClock(process, seed=seed, skew_ms=self.skew_ms)
        host = Host(
            cast("Store", view),  # all but `commit` is the store's own
            self.participants,
            programs=programs,
            tasks=codes.tasks(self.code),
            placement=self.placement,
            clock=self.clock,
            codec=codes.codec,
            observer=world.observer,
            alone=len(world.scenario.stores) == 1,
        )
        host.invoker = LocalInvoker(host.attempts.ended)
        host.exchange.keep_ms = RETENTION_MS
        self.host = host
        if not host.alone:
            host.exchange.connect(world.network.endpoint(process, self.number))
        world.equip(host)
        recover(host)
        if host.failure is None:
            self.sweeps = Sweeps(host, RETENTION_MS)
            self.disk.died = True  # unless it is stopped in order
            world.booted(self)

    def die(self, away_ms: float | None) -> None:
        """End the process at once, and start another after a time, if at all."""
        process = self._drop()
        if process is not None:
            process.die()
        if away_ms is not None:
            self.world.timeline.outside.call_later(away_ms / 1000, self.boot)

    def _drop(self) -> Process | None:
        """Forget the process, which may go on without anybody's knowing."""
        process, self.process, self.host, self.sweeps = self.process, None, None, None
        if process is not None:
            for participant in self.participants:
                self.world.network.unsubscribe(process, participant)
        return process

    def pause(self, for_ms: float) -> None:
        if self.process is not None:
            self.process.pause(for_ms / 1000)

    def redeploy(self, code: CodeFault | None, away_ms: float) -> None:
        """Stop in order what runs, and start again with other code."""
        self.code = code
        host, process = self.host, self.process
        if host is None or process is None or process.dead:
            return
        host.stopping = True
        if self.sweeps is not None:
            self.sweeps.close()
        if host.failure is None:
            host.flush()
        self.disk.died = False
        self.die(away_ms)

    def _stepped(self, process: Process) -> None:
        self.steps += 1
        fault = self._deaths.get(self.steps)
        if fault is not None and process is self.process:
            self.world.strike(fault, self)
            self.die(fault.away_ms)

    # -- the clock

    def jump(self, by_ms: int) -> None:
        """Set the clock."""
        self.skew_ms += by_ms
        if self.clock is not None:
            self.clock.skew_ms = self.skew_ms

    # -- the disk

    def commit(self, batch: Batch) -> None:
        """Keep a batch, or not, as its faults say. Raises what the store does, and Died."""
        self.commits += 1
        if self._skews and self.commits in SKEW_COMMITS:
            for skew in self._skews:
                self.world.strike(skew, self)
        fault = self._commit_faults.get(self.commits)
        if fault is None or (isinstance(fault, RecordDamaged) and not batch.journal):
            self._keep(batch)
            return
        self.world.strike(fault, self)
        match fault:
            case CommitLost(away_ms=away_ms):
                self.die(away_ms)
                raise Died
            case CommitUnanswered(away_ms=away_ms):
                self._keep(batch)
                self.die(away_ms)
                raise Died
            case CommitSlow(for_ms=for_ms):
                self._keep(batch)
                self.pause(for_ms)
            case CommitRefused(away_ms=away_ms):
                process = self.process
                self._later(away_ms, lambda: self._restart(process))
                raise StoreFailed(
                    "The store could not be written.",
                    found="an error of the disk",
                    expected="a disk that takes what is written to it",
                    do="mend the disk, then start again: the runs continue",
                )
            case CommitFenced(for_ms=for_ms):
                self._take_over(for_ms)
                raise taken_over()
            case StoreFilled(times=times):
                self._fills += 1
                if self._fills <= times:
                    self.commits -= 1
                    raise StoreFull("There is no room on the disk.", do="make room")
                self._fills = 0
                self._keep(batch)
            case RecordDamaged():
                self._keep(batch)
                self._damage(fault, batch)

    def _keep(self, batch: Batch) -> None:
        self.disk.commit(batch)
        self.world.committed(self, batch)

    def _later(self, after_ms: float, act: Callable[[], None]) -> None:
        self.world.timeline.outside.call_later(after_ms / 1000, act)

    def _restart(self, process: Process | None) -> None:
        """Let an operator restart a process, if it is still that one."""
        if self.process is process and process is not None:
            self.die(0.0)

    def _take_over(self, for_ms: float) -> None:
        """Start another process on the store, while the old one does not know it for a time."""
        self.view.fenced = True
        zombie = self._drop()
        if zombie is not None:
            zombie.fenced = True
            self._later(for_ms, zombie.die)
        self.boot()

    def _damage(self, fault: RecordDamaged, batch: Batch) -> None:
        """Let the last record that was written go bad, and be mended after a time."""
        mend = self.disk.damage(batch.journal[-1][0])

        def repair() -> None:
            mend()
            self.die(0.0)

        self._later(fault.for_ms, repair)
        if fault.dies:
            self.die(1.0)
            raise Died


def taken_over() -> StoreFailed:
    """Return the error for a store that another process owns by now."""
    return StoreFailed(
        "The store could not be written.",
        found="another process that owns it",
        expected="one owner per store",
        do="stop this process: the other goes on",
    )


__all__ = ["RETENTION_MS", "Machine", "Surroundings", "View"]
