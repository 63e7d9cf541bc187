"""A system of handlers and runs in virtual time: one store, whatever befalls it, an operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from duetto.authoring.symbols import Symbols
from duetto.authoring.workflow import Workflow
from duetto.codec import Codec
from duetto.codecs import MsgpackCodec
from duetto.errors import DuettoError, StoreFull
from duetto.model.message import Message
from duetto.observer import LetterKept, Observer, Signal
from duetto.operations.operations import Operations
from duetto.runtime.engine import Engine
from duetto.runtime.events import Choreography, HostEvents, join_logs, source_of
from duetto.runtime.host import Host
from duetto.runtime.kinds import Kinds
from duetto.runtime.programs import Programs
from duetto.runtime.reactions import Reactions
from duetto.runtime.replays import Picked
from duetto.runtime.tasks import TaskHandle
from duetto.store import Batch
from duetto.testing.simulation.asking import ask
from duetto.testing.simulation.codes import Fetch
from duetto.testing.simulation.events import kinds
from duetto.testing.simulation.events.kinds import CLASSES, MAILBOXES, Tick, chime, kindle, walk
from duetto.testing.simulation.events.operators import ROUND_S, LetterOperator
from duetto.testing.simulation.events.scenario import EventScenario, Publication, Walking
from duetto.testing.simulation.events.services import Ledger, handlers_of, windows_of
from duetto.testing.simulation.faults import (
    ClockJumps,
    CodeFault,
    Fault,
    LetterFault,
    NodePauses,
    OperatorReplays,
    TaskFault,
    TaskHangs,
    TaskKills,
)
from duetto.testing.simulation.machines import Machine
from duetto.testing.simulation.network import Network
from duetto.testing.simulation.timeline import Process, Timeline
from duetto.testing.simulation.world import HANDLER, HANG_S, MAILBOX, Strike

AGAIN_S = 0.25
"""How soon who found nobody there tries again."""

LOOK_S = 5.0
"""How often it is looked whether all is quiet."""

QUIET_S_MAX = 900.0
"""What has not become quiet by then never will."""

PLACED = "orchestration"
"""By what it is counted that something struck: in one store nothing is placed."""

SYMBOLS = Symbols((kinds,))
CODEC = MsgpackCodec(SYMBOLS)
WORKFLOWS: list[Workflow[..., Any]] = [walk, kindle, chime]
PROGRAMS = Programs(WORKFLOWS, CODEC, SYMBOLS)
KINDS = Kinds(CLASSES.values(), CODEC)


class EventCode:
    """The code of all scenarios of events: no task, two workflows."""

    codec: Codec = CODEC

    def tasks(self, fault: CodeFault | None) -> Mapping[str, TaskHandle]:
        """Return no task: what works are handlers."""
        return {}

    def programs(self, fault: CodeFault | None, fetch: Fetch) -> tuple[Programs, str]:
        """Return the workflows that walk, and are started by an event."""
        return PROGRAMS, PROGRAMS.by_name["walk"]


class EventWorld:
    """One system, and all that happens in it."""

    def __init__(self, given: EventScenario) -> None:
        self.given, self.scenario = given, given.system()
        self.codes = EventCode()
        self.timeline = Timeline()
        self.network = Network(self.timeline, given.faults, self._message_struck)
        self.observer: Observer = self
        self.happened = 0
        self.strikes: list[Strike] = []
        self.handed: list[str] = []
        """The events from outside that were handed over, by the names that outsiders gave them."""
        self.on_commit: list[Callable[[Batch], None]] = []
        self.on_publish: Callable[[str], None] = lambda name: None
        """Told of each event whose publication was acknowledged."""
        self.ledger = Ledger(given, self.order)
        self.ledger.effects.struck = self._task_struck
        self.ledger.on_error = self._end
        self.handlers = handlers_of(given, self.ledger)
        self.windows = windows_of(given)
        self.services = {handler.service.name for handler in self.handlers}
        self.services |= {window.service for window in self.windows.values()}
        self.has_ended = not given.windows
        """Whether it was said, and acknowledged, that no more ticks come."""
        self.machine = Machine(self, 0)
        self.events: HostEvents | None = None
        self.operator = LetterOperator(self)
        self._waiting = 0

    # -- what machines tell

    def note(self, signal: Signal) -> None:
        """Be the observer of the host: an operator is told of dead letters."""
        if isinstance(signal, LetterKept):
            self.timeline.outside.call_later(ROUND_S, self.operator.look)

    def _end(self, error: Exception) -> None:
        """Let the world end with an error."""
        self.timeline.errors.append(error)
        self.timeline.stop()

    def order(self) -> int:
        """Number what happens."""
        self.happened += 1
        return self.happened

    def committed(self, machine: Machine, batch: Batch) -> None:
        """Tell what has become durable."""
        self.order()
        for told in self.on_commit:
            told(batch)

    def equip(self, host: Host) -> None:
        """Let a host have its handlers; each process counts anew how many of each run."""
        handlers = {
            handler.qualified: (handler, TaskHandle(handler.task, CODEC))
            for handler in self.handlers
        }
        app = Choreography(
            KINDS,
            frozenset({"", *self.services}),
            handlers,
            self.windows,
            {"": frozenset(MAILBOXES)},
            {"kindle": ("", "Spark"), "chime": ("", "Bell")},
        )
        self.events = HostEvents(
            host, app, dict.fromkeys(host.participants, source_of(host.participants))
        )
        join_logs([self.events])
        for consumer in self.events.consumers.values():
            if self.given.room and isinstance(consumer, Reactions):
                consumer.held_max = consumer.queue_max = self.given.room
        self.ledger.gone()

    def booted(self, machine: Machine) -> None:
        """Whoever asked for a run, and was not answered, asks again."""
        for number, walking in enumerate(self.given.walks):
            if round(self.timeline.now_s * 1000, 3) >= walking.at_ms:
                self._start(number, walking)
        passed_ms = round(self.timeline.now_s * 1000, 3)
        if not self.has_ended and passed_ms >= self.given.ends_at_ms:
            self._end_input()

    # -- what strikes

    def strike(self, fault: Fault, machine: Machine | None = None) -> None:
        """Note that a fault strikes, and whom."""
        works = self.ledger.running or isinstance(fault, LetterFault | OperatorReplays)
        nodes = (HANDLER,) if works else ()
        host = self.machine.host
        waits = host is not None and any(run.tokens for run in host.runs.values())
        self.strikes.append(Strike(fault, (*nodes, MAILBOX) if waits else nodes, PLACED))

    def _message_struck(self, fault: Fault, message: Message) -> None:
        self.strike(fault)

    def _task_struck(self, fault: TaskFault) -> None:
        self.strikes.append(Strike(fault, (HANDLER,), PLACED))
        process = self.machine.process
        if isinstance(fault, TaskKills):
            self.machine.die(fault.away_ms)
        elif isinstance(fault, TaskHangs) and process is not None:
            self.timeline.outside.call_later(HANG_S, self._unhang, process)

    def _unhang(self, process: Process) -> None:
        """Let an operator restart a process in which a body hangs."""
        if self.machine.process is process and process in self.ledger.effects.hanging:
            self.machine.die(10.0)

    def _arm(self, fault: Fault) -> None:
        match fault:
            case NodePauses(at_ms=at_ms):
                self._at(at_ms, self._pause, fault)
            case ClockJumps(at_ms=at_ms):
                self._at(at_ms, self._jump, fault)
            case OperatorReplays(at_ms=at_ms):
                self._at(at_ms, self._replay, fault)
            case _ if isinstance(fault, LetterFault):
                self._at(fault.at_ms, self.operator.act, fault)
            case _:
                pass

    def _pause(self, fault: NodePauses) -> None:
        self.strike(fault)
        self.machine.pause(fault.for_ms)

    def _replay(self, fault: OperatorReplays) -> None:
        """Let a handler handle again what it has behind it."""
        operations, handlers = self.operations(), self.given.handlers
        if operations is None:
            self._at(AGAIN_S * 1000, self._replay, fault)
        elif handlers:
            name = handlers[fault.handler % len(handlers)].qualified
            ask(operations.events.replay(name, Picked(key=fault.key)), lambda _: None)
            self.strike(fault)

    def _jump(self, fault: ClockJumps) -> None:
        self.strike(fault)
        self.machine.jump(fault.by_ms)

    def _at(self, at_ms: float, act: Callable[..., None], *args: Any) -> None:
        """Act at an instant, which is waited for before all is called quiet."""
        self._waiting += 1

        def now() -> None:
            self._waiting -= 1
            act(*args)

        self.timeline.outside.call_later(at_ms / 1000, now)

    # -- from outside

    def operations(self) -> Operations | None:
        """Return the operations on the host that is there, None where none can be talked to."""
        host, clock, events = self.machine.host, self.machine.clock, self.events
        if host is None or clock is None or events is None or not self.machine.up:
            return None
        engine = Engine(
            (),
            programs=host.programs,
            tasks={},
            placement=host.placement,
            clock=clock,
            codec=CODEC,
            observer=self.observer,
            broker=self.network.endpoint(host.loop, 0),  # pyright: ignore[reportArgumentType]  # it is the machine's process
            retention_ms=0,
        )
        engine.hosts, engine.events = [host], [events]
        return Operations(engine)

    def _publish(self, number: int, publication: Publication) -> None:
        operations, name = self.operations(), f"p{number}"
        if operations is None:
            self._at(AGAIN_S * 1000, self._publish, number, publication)
            return
        made = CLASSES[publication.topic]
        about = (publication.at, publication.id, publication.rank)
        fact = made(publication.key, name, 0, name, publication.poisons, *about)
        self.handed.append(name)

        def then(error: DuettoError | None) -> None:
            if error is None:
                self.on_publish(name)

        ask(operations.events.publish(fact), then)

    def _end_input(self) -> None:
        """Say that no more ticks come; again, where nobody is there or that was not durable."""
        operations = self.operations()

        def then(error: DuettoError | None) -> None:
            self.has_ended = error is None
            if isinstance(error, StoreFull):
                self._at(AGAIN_S * 1000, self._end_input)

        if operations is None:
            self._at(AGAIN_S * 1000, self._end_input)
        else:
            ask(operations.events.end_of(Tick), then)

    def _start(self, number: int, walking: Walking) -> None:
        operations, id = self.operations(), f"w{number}"

        def then(error: DuettoError | None) -> None:
            if isinstance(error, StoreFull):
                self._at(AGAIN_S * 1000, self._start, number, walking)

        if operations is None:
            self._at(AGAIN_S * 1000, self._start, number, walking)
        elif self.machine.disk.run(id) is None:
            ask(operations.start("walk", (id, list(walking.moves)), id=id), then)

    # -- running

    def run(self, is_quiet: Callable[[], bool]) -> bool:
        """Run until all is quiet; return whether it became so in time."""
        self.machine.boot()
        for fault in self.given.faults:
            self._arm(fault)
        for number, publication in enumerate(self.given.publications):
            self._at(publication.at_ms, self._publish, number, publication)
        for number, walking in enumerate(self.given.walks):
            self._at(walking.at_ms, self._start, number, walking)
        if self.given.windows:
            self._at(self.given.ends_at_ms, self._end_input)
        return self.settle(is_quiet)

    def settle(self, is_quiet: Callable[[], bool]) -> bool:
        """Run on until all is quiet."""
        until = self.timeline.now_s + QUIET_S_MAX + self.jumps_s
        while self.timeline.now_s < until:
            self.timeline.run_until(self.timeline.now_s + LOOK_S)
            if not self._waiting and self._is_writable and is_quiet():
                return True
        return False

    @property
    def _is_writable(self) -> bool:
        """Whether the process is there, and nothing waits for room on its disk."""
        host = self.machine.host
        return self.machine.up and host is not None and host.full is None

    @property
    def jumps_s(self) -> float:
        """Return how late something may be by a clock that was set: skew costs lateness."""
        jumps = (each for each in self.given.faults if isinstance(each, ClockJumps))
        return sum(abs(jump.by_ms) for jump in jumps) / 1000

    def close(self) -> None:
        """Let the process die, so that nothing runs on behind what has failed."""
        self.machine.die(None)
        self.timeline.close()

    def __enter__(self) -> EventWorld:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
