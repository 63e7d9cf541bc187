"""One system in virtual time: machines, a network, an operator, and all that befalls them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType

from msgspec import Struct

from duetto.kernel import journal
from duetto.model.message import Answer, Arrive, CancelPath, Command, Message, Reporting
from duetto.model.record import Record
from duetto.model.token import ROOT, OnUndo, Outcome, Parked, Token, parent_of
from duetto.model.view import RUNNING, RunRow
from duetto.observer import Observer, Signal, TokenParked
from duetto.runtime.host import Host
from duetto.runtime.runs import start
from duetto.store import Batch, unseal
from duetto.testing.simulation.codes import CODEC, HANDLES, SYMBOLS, Codes
from duetto.testing.simulation.faults import (
    ClockJumps,
    CodeFault,
    Fault,
    NodePauses,
    OperatorFault,
    OperatorMoves,
    TaskFault,
    TaskHangs,
    TaskKills,
)
from duetto.testing.simulation.machines import RETENTION_MS, Machine
from duetto.testing.simulation.network import Network
from duetto.testing.simulation.operators import RESUME_S, RESUMES_MAX, UNKNOWN, Operator
from duetto.testing.simulation.scenario import Scenario
from duetto.testing.simulation.services import EFFECTS, Effects
from duetto.testing.simulation.timeline import Process, Timeline

RUN_S_MAX = 40_000.0
"""No generated workflow takes longer: what has not ended by then never will."""

QUIET_S = 65.0
"""Some sweeps after the end: guests learn that their run is closed, late duplicates have come."""

SWEEPS_S = 45.0
"""What is due to be swept is gone by then."""

ANSWERS_MAX = 10
"""How often more time is given to what a late message has set off."""

HANG_S = 5.0
"""How long an operator watches a body that hangs before its process is restarted."""

UNDO = "Undo"
"""Stands in the place of a node where something strikes what is undone."""

RUN = "Run"
"""Stands in the place of a node where something strikes the record of a run at its home."""


HANDLER, MAILBOX = "Handler", "Mailbox"
"""Stand there where something strikes a handler at work, or a run that looks into a mailbox."""


class Committed(Struct, frozen=True):
    """A record, in the order in which a whole system committed: `store` is the host's number."""

    order: int
    store: int
    record: Record


class Strike(Struct, frozen=True):
    """A fault that did strike: the kinds of the nodes where it did, and the placement there."""

    fault: Fault
    nodes: tuple[str, ...]
    placement: str


class World:
    """One run of one workflow in one system."""

    def __init__(self, scenario: Scenario, *, run: str = "r") -> None:
        self.scenario, self.run_id = scenario, run
        self.timeline = Timeline()
        self.codes = Codes(scenario)
        self.compiled = self.codes.today
        self.network = Network(self.timeline, scenario.faults, self._message_struck)
        self.observer: Observer = self
        self.strikes: list[Strike] = []
        self.history: list[Committed] = []
        self.happened = 0
        self.outcome: Outcome | None = None
        """How the run ended, once it has."""
        self.on_commit: Callable[[int, Host], None] | None = None
        """Called after each commit that a host survives."""
        self.effects = Effects(
            scenario.seed,
            chance=scenario.chance,
            failing=scenario.failing,
            faults=scenario.faults,
        )
        self.effects.order, self.effects.struck = self.order, self._task_struck
        self.machines = [Machine(self, number) for number in range(len(scenario.stores))]
        self.operator = Operator(self)

    # -- observing

    def note(self, signal: Signal) -> None:
        """Be the observer of all hosts."""
        if isinstance(signal, TokenParked):
            self.operator.parked(signal)

    def order(self) -> int:
        self.happened += 1
        return self.happened

    def committed(self, machine: Machine, batch: Batch) -> None:
        """Note what has become durable, in the order of the whole system."""
        for _, sealed in batch.journal:
            record = journal.record(unseal(sealed))
            self.history.append(Committed(self.order(), machine.number, record))
        if batch.ended and self.outcome is None:
            row = self.row()
            if row is not None and row.status != RUNNING:
                self.outcome = journal.outcome(row.result)
                self.timeline.stop()
        if self.on_commit is not None and machine.host is not None:
            self.on_commit(machine.number, machine.host)

    @property
    def hosts(self) -> list[Host | None]:
        """The hosts that are there, by number."""
        return [machine.host for machine in self.machines]

    # -- faults

    def strike(
        self, fault: Fault, machine: Machine | None = None, message: Message | None = None
    ) -> None:
        """Note that a fault strikes: a machine, a message, or else the whole run."""
        if message is not None:
            sender = next(each for each in self.machines if message.source in each.participants)
            nodes, placement = (self._node_of(message),), sender.placement
        elif machine is not None:
            nodes, placement = self._nodes_at(machine), machine.placement
        else:
            home = self.machines[self.home()]
            found = {name for each in self.machines for name in self._nodes_at(each)}
            nodes, placement = tuple(sorted(found)), home.placement
        name = placement.name.partition(":")[0]
        self.strikes.append(Strike(fault, nodes, name))

    def _nodes_at(self, machine: Machine) -> tuple[str, ...]:
        """Return the kinds of the nodes at which tokens rest on a machine."""
        found = {self.kind(token) for token in self._tokens(machine)}
        return tuple(sorted(found)) or (RUN,)

    def _tokens(self, machine: Machine) -> Iterator[Token]:
        if machine.host is not None:
            for run in machine.host.runs.values():
                yield from run.tokens.values()

    def kind(self, token: Token) -> str:
        """Return the kind of the node at which a token is, or that it undoes."""
        rest = token.rest.over if isinstance(token.rest, Parked) else token.rest
        if isinstance(rest, OnUndo):
            return UNDO
        definition = self.codes.definition(token.definition)
        return type(definition.regions[token.region].nodes[token.node]).__name__

    def _node_of(self, message: Message) -> str:
        match message.body:
            case Arrive(token):
                return self.kind(token)
            case Command(undo=undo) | Answer(undo=undo):
                return UNDO if undo else "Task"
            case Reporting(path):
                return RUN if path == ROOT else self._kind_at(parent_of(path)[0])
            case CancelPath(path):
                return self._kind_at(path)
            case _:
                return RUN

    def _kind_at(self, path: str) -> str:
        for machine in self.machines:
            for token in self._tokens(machine):
                if token.path == path:
                    return self.kind(token)
        return RUN if path == ROOT else self._kind_at(parent_of(path)[0])

    def _message_struck(self, fault: Fault, message: Message) -> None:
        self.strike(fault, None, message)

    def _task_struck(self, fault: TaskFault) -> None:
        """A body is befallen; it runs in the process that is running."""
        machine = next(each for each in self.machines if fault.service in each.participants)
        name = machine.placement.name.partition(":")[0]
        node = UNDO if getattr(fault, "undo", False) else "Task"
        self.strikes.append(Strike(fault, (node,), name))
        process = machine.process
        if isinstance(fault, TaskKills):
            machine.die(fault.away_ms)
        elif isinstance(fault, TaskHangs) and process is not None:
            self.timeline.outside.call_later(HANG_S, self._unhang, machine, process)

    def _unhang(self, machine: Machine, process: Process) -> None:
        """Let an operator restart a process in which a body hangs."""
        if machine.process is process and process in self.effects.hanging:
            machine.die(10.0)

    def _arm(self, fault: Fault) -> None:
        """Set the timer of a fault that has an instant of its own."""
        match fault:
            case NodePauses(at_ms=at_ms):
                act = self._pause
            case ClockJumps(at_ms=at_ms):
                act = self._jump
            case OperatorMoves(at_ms=at_ms):
                act = self._move
            case _ if isinstance(fault, CodeFault):
                act, at_ms = self._redeploy, fault.at_ms
            case _ if isinstance(fault, OperatorFault):
                act, at_ms = self.operator.act, fault.at_ms
            case _:
                return
        self.timeline.outside.call_later(at_ms / 1000, act, fault)

    def _pause(self, fault: NodePauses) -> None:
        machine = self.machines[fault.host]
        if machine.process is not None:
            self.strike(fault, machine)
            machine.pause(fault.for_ms)

    def _jump(self, fault: ClockJumps) -> None:
        machine = self.machines[fault.host]
        self.strike(fault, machine)
        machine.jump(fault.by_ms)

    def _move(self, fault: OperatorMoves) -> None:
        machine = self.machines[fault.host]
        self.strike(fault, machine)
        machine.placement = fault.placement
        if machine.host is not None:
            machine.host.placement = fault.placement

    def _redeploy(self, fault: CodeFault) -> None:
        machine = self.machines[fault.host]
        if machine.process is None:
            return
        self.strike(fault, machine)
        machine.redeploy(fault, 1.0)
        after_s = fault.for_ms / 1000
        self.timeline.outside.call_later(after_s, machine.redeploy, None, 1.0)

    # -- running

    def equip(self, host: Host) -> None:
        """Leave a new host as it is: these workflows have no events."""

    def booted(self, machine: Machine) -> None:
        """Whoever asked for the run, and was not answered, asks again."""
        if self.ended:
            return
        if machine.number == self.home() and machine.root and self.row() is None:
            host = machine.host
            assert host is not None, "it has just been booted"
            program = host.programs.program(machine.root)
            start(host, program, self.run_id, self.scenario.arguments, {})

    def run(self) -> Outcome | None:
        """Run the workflow to its end, and on until guests have heard of that.

        Return its outcome, None where it has not ended in time.
        """
        EFFECTS[self.run_id] = self.effects
        for machine in self.machines:
            machine.boot()
        for fault in self.scenario.faults:
            self._arm(fault)
        self.timeline.run_until(RUN_S_MAX + self._jumps_s())
        if self.outcome is None:
            return None
        self._run_for(QUIET_S)
        self._wake_all()
        return self.outcome

    def settle(self) -> None:
        """Run on until the latest message has come, and what answers it."""
        while self.network.under_way:
            self._sleep_until(min(self.network.under_way) - QUIET_S)
            self._run_for(2 * QUIET_S)
        for _ in range(ANSWERS_MAX):
            self._wake_all()
            if not any(host.exchange.unconfirmed for host in self.hosts if host is not None):
                return
            self._run_for(QUIET_S)

    def age(self) -> None:
        """Run on until what is kept of closed runs is due to be swept.

        That is by the slower of two clocks: one that was set delays it by as much.
        """
        late_s = RETENTION_MS / 1000 + self._jumps_s()
        self._sleep_until(self.timeline.now_s + late_s)
        self._run_for(SWEEPS_S)
        self._wake_all()

    def _jumps_s(self) -> float:
        """How late a deadline may be by clocks that were set: skew costs lateness (rule 17)."""
        jumps = (each for each in self.scenario.faults if isinstance(each, ClockJumps))
        return sum(abs(jump.by_ms) for jump in jumps) / 1000

    def _sleep_until(self, instant_s: float) -> None:
        """Let all hosts stand still for long: when all is quiet they would do nothing but sweep."""
        seconds = instant_s - self.timeline.now_s
        if seconds > 0:
            for machine in self.machines:
                machine.pause(seconds * 1000)
            self._run_for(seconds)

    def _wake_all(self) -> None:
        """Run on until every host is there again."""
        while not all(machine.up for machine in self.machines):
            self._run_for(1.0)

    def _run_for(self, seconds: float) -> None:
        self.timeline.run_until(self.timeline.now_s + seconds)

    def close(self) -> None:
        """Let every process die, so that nothing runs on behind a run that has failed."""
        EFFECTS.pop(self.run_id, None)
        for machine in self.machines:
            machine.die(None)
        self.timeline.close()

    def __enter__(self) -> World:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def home(self) -> int:
        """Return the number of the host that keeps the run."""
        home = self.scenario.home
        return next(n for n, names in enumerate(self.scenario.stores) if home in names)

    def row(self) -> RunRow | None:
        """Return the run's row at its home."""
        return self.machines[self.home()].disk.run(self.run_id)

    @property
    def ended(self) -> bool:
        """Has the run ended?"""
        return self.outcome is not None


__all__ = [
    "CODEC",
    "HANDLER",
    "HANDLES",
    "MAILBOX",
    "RESUMES_MAX",
    "RESUME_S",
    "RUN",
    "SYMBOLS",
    "UNDO",
    "UNKNOWN",
    "Committed",
    "Strike",
    "World",
]
