"""The operator of a simulation: does what `explain` says, and what the scenario wants."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from msgspec import Struct

from duetto.errors import DuettoError, NotAllowed
from duetto.model.placement import Placement
from duetto.model.token import Parked
from duetto.model.view import RunRow, Waiting
from duetto.observer import TokenParked
from duetto.operations.operations import Operations
from duetto.runtime.engine import Engine
from duetto.runtime.runs import start
from duetto.testing.simulation.asking import Then
from duetto.testing.simulation.asking import ask as carry
from duetto.testing.simulation.codes import CODEC, HANDLES, Codes
from duetto.testing.simulation.faults import (
    OperatorCancels,
    OperatorErrs,
    OperatorFault,
    OperatorMoves,
    OperatorResumes,
    OperatorRetries,
    OperatorSkips,
    OperatorStartsAgain,
)
from duetto.testing.simulation.machines import Machine, Surroundings

RESUME_S = 0.3
"""How long a token stays parked before the operator has read why, and acts."""

UNKNOWN = "took effect is unknown"
"""Why a token parks whose interrupted task does not end in time again (PROTOCOL, rule 6)."""

RESUMES_MAX = 20
"""An operator who resumes one run more often would do so for ever."""

ROUND_S = 30.0
"""How often the operator asks why a run has not ended."""

AGAIN_S = 0.25
"""How soon the operator tries again where a host was away."""

SKIPPED = 77
"""The value with which a task is skipped."""

ACTS_MAX = 200
"""An operator who acts more often on one run would do so for ever."""

Ask = Callable[[Operations], Coroutine[Any, Any, Any]]


class Parking(Struct, frozen=True):
    """A token that parked, and why."""

    path: str
    reason: str


class Refusal(Struct, frozen=True):
    """What an operator asked, and how it was refused."""

    fault: OperatorFault
    error: DuettoError
    wrote: bool = False
    """Whether something was written for it all the same."""


class Operated(Surroundings, Protocol):
    """What an operator needs of a world."""

    run_id: str
    machines: list[Machine]

    @property
    def codes(self) -> Codes: ...
    @property
    def ended(self) -> bool: ...
    def home(self) -> int: ...
    def row(self) -> RunRow | None: ...


class Operator:
    """Acts on one world, through the operations that a command line or an API would use."""

    def __init__(self, world: Operated) -> None:
        self._world = world
        self.parkings: list[Parking] = []
        self.refusals: list[Refusal] = []
        self.said: list[list[Waiting]] = []
        """What `explain` said at each round, while the run was open."""
        self.helped: list[str] = []
        """What was missing for long, and had to be sent again."""
        self.acts = 0
        self._missed: set[tuple[str, str]] = set()
        """What was said to be under way at the last round: it may only have been sent just then."""
        self._skips: list[OperatorSkips] = []
        self._waits = False
        world.timeline.outside.call_later(ROUND_S, self._round)

    def operations(self) -> Operations:
        """Return the operations as they are now, on the hosts that are there."""
        world = self._world
        home = world.machines[world.home()]
        host, clock, process = home.host, home.clock, home.process
        assert host is not None, "the home is up"
        assert clock is not None, "the home is up"
        assert process is not None, "the home is up"
        engine = Engine(
            (),
            programs=host.programs,
            tasks=HANDLES,
            placement=Placement(),
            clock=clock,
            codec=CODEC,
            observer=world.observer,
            broker=world.network.endpoint(process, home.number),
            retention_ms=0,
        )
        engine.hosts = [each.host for each in world.machines if each.host is not None]
        return Operations(engine)

    @property
    def reaches_all(self) -> bool:
        """Whether every host can be talked to."""
        return all(machine.up for machine in self._world.machines)

    # -- reacting

    def parked(self, signal: TokenParked) -> None:
        """Read why a token is parked, and let it go on some time later."""
        self.parkings.append(Parking(signal.path, signal.reason))
        self._resume_later()

    def _resume_later(self) -> None:
        if not self._waits:
            self._waits = True
            self._world.timeline.outside.call_later(RESUME_S, self._resume)

    def _resume(self) -> None:
        """Resume all that is parked, or skip it once where the scenario wants that."""
        self._waits = False
        if self._skips:
            skips, self._skips = self._skips, []
            self._skip(skips[0])
        else:
            self._ask(lambda operations: operations.resume(self._world.run_id))

    def _skip(self, fault: OperatorSkips) -> None:
        """Skip what is parked; where that is refused, it is for later."""
        world = self._world

        async def skip(operations: Operations) -> None:
            try:
                await operations.skip(world.run_id, value=SKIPPED)
            except NotAllowed:
                await operations.skip(world.run_id)

        def then(error: DuettoError | None) -> None:
            if error is not None:
                self._skips.append(fault)
            else:
                world.strike(fault)

        self._ask(skip, then)

    def _round(self) -> None:
        """Ask why the run has not ended, and do what is said to help."""
        world = self._world
        if world.ended:
            return
        world.timeline.outside.call_later(ROUND_S, self._round)
        if not self.reaches_all or world.row() is None:
            return
        said = self.operations().explain(world.run_id)
        self.said.append(said)
        if any("deploy the version that started the run" in each.text for each in said):
            self._deploy()
        if any("duetto runs resume" in each.text for each in said):
            self._resume_later()
        missed = {(each.path, each.kind) for each in said if "duetto runs retry" in each.text}
        if missed & self._missed:
            self.helped += [each.text for each in said if (each.path, each.kind) in missed]
            self._ask(lambda operations: operations.retry(world.run_id))
        self._missed = missed

    def _deploy(self) -> None:
        """Deploy the version that knows what is unknown, where that parks a token."""
        codes = self._world.codes
        for machine in self._world.machines:
            run = machine.host.runs.get(self._world.run_id) if machine.host is not None else None
            for token in run.tokens.values() if run is not None else ():
                code = codes.knows(token.definition)
                if isinstance(token.rest, Parked) and code is not None and machine.code is None:
                    machine.redeploy(code, 1.0)

    # -- what the scenario wants

    def act(self, fault: OperatorFault) -> None:
        """Do what a fault says, once every host can be reached; too late is too late."""
        world = self._world
        if world.ended:
            return
        if not self.reaches_all or world.row() is None:
            world.timeline.outside.call_later(AGAIN_S, self.act, fault)
            return
        id = world.run_id
        match fault:
            case OperatorSkips():
                self._skips.append(fault)
                return
            case OperatorCancels():
                self._asked(fault, lambda operations: operations.cancel(id))
            case OperatorRetries():
                self._asked(fault, lambda operations: operations.retry(id))
            case OperatorResumes():
                self._asked(fault, lambda operations: operations.resume(id))
            case OperatorStartsAgain():
                self._start_again(fault)
            case OperatorErrs():
                for ask in mistakes(id):
                    self._asked(fault, ask)
            case OperatorMoves():
                pass

    def _asked(self, fault: OperatorFault, ask: Ask) -> None:
        self._world.strike(fault)

        def then(error: DuettoError | None) -> None:
            if error is not None:
                self.refusals.append(Refusal(fault, error, self._writing() != before))

        before = self._writing()
        self._ask(ask, then)

    def _writing(self) -> int:
        """Return how many records wait for their commit: a refusal comes at once, before one."""
        hosts = [machine.host for machine in self._world.machines]
        return sum(len(host.batch.journal) for host in hosts if host is not None)

    def _start_again(self, fault: OperatorStartsAgain) -> None:
        world = self._world
        machine = world.machines[world.home()]
        host, (x, y, z) = machine.host, world.scenario.arguments
        if host is None or not machine.root:
            return
        world.strike(fault)
        program = host.programs.program(machine.root)
        try:
            start(host, program, world.run_id, (x if fault.same else x + 1, y, z), {})
        except DuettoError as error:
            self.refusals.append(Refusal(fault, error))

    # -- asking

    def _ask(self, ask: Ask, then: Then = lambda error: None) -> None:
        """Ask something of the hosts once all can be reached; `then` is told of a refusal."""
        world = self._world
        if world.ended:
            return
        if not self.reaches_all:
            world.timeline.outside.call_later(AGAIN_S, self._ask, ask, then)
            return
        self.acts += 1
        if self.acts > ACTS_MAX:
            return
        carry(ask(self.operations()), then)


def mistakes(id: str) -> tuple[Ask, ...]:
    """Return what an operator may get wrong: each is refused, and changes nothing."""
    return (
        lambda operations: operations.cancel(id + "?"),
        lambda operations: operations.resume(id, "/no/such/path"),
        lambda operations: operations.skip(id, "/no/such/path", SKIPPED),
        lambda operations: operations.restart(id),
        lambda operations: operations.start("generatde", (1, 2, 3)),
    )
