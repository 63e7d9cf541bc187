"""Three services whose tasks keep a ledger outside of Duetto, by idempotency key.

How a task ends is a function of its key and the seed, so it is the same under every placement;
how long it takes is drawn for each system anew.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import blake2b
from typing import Any, assert_never

from duetto.authoring.context import TaskContext, context
from duetto.authoring.retry import Retry
from duetto.authoring.service import Service
from duetto.authoring.task import Task
from duetto.testing.simulation.blocks import MODULUS, SERVICES
from duetto.testing.simulation.blocks import TASKS as BLOCK_TASKS
from duetto.testing.simulation.faults import (
    Fault,
    TaskFault,
    TaskHangs,
    TaskKills,
    TaskOutlastsCancel,
    TaskOutlastsTimeout,
    TaskRaises,
)
from duetto.testing.simulation.timeline import Died

LATE_S = 0.2
"""The time limit of a `late` task. It is exceeded as often as there are attempts or more, with an
effect before that or without, and then kept."""

LATE_ATTEMPTS = 2

OUTLASTS_S = 2.0
"""How long a body goes on for which nobody waits."""

TROUBLE = "trouble"
"""What a body raises whose scenario lets it raise."""

RETRY = Retry(attempts_max=3, delay_ms=20, never=(ValueError,))


def mixed(*parts: object) -> int:
    """Return a number below MODULUS that depends on all parts, the same in every process."""
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=5).digest(), "big") % MODULUS


class Effects:
    """The ledger of one run: what was done and undone, and when bodies began.

    `faults` are those of its tasks; `kill` ends the process of the body that calls it.
    """

    def __init__(
        self,
        seed: object,
        *,
        chance: object = 0,
        failing: float = 0.0,
        faults: Iterable[Fault] = (),
    ) -> None:
        self.seed, self.chance, self.failing = seed, chance, failing
        self.order: Callable[[], int] = lambda: 0
        """Numbers everything that happens in one system, commits included."""
        self.struck: Callable[[TaskFault], None] = lambda fault: None
        self.done: dict[str, list[int]] = {}
        self.undone: dict[str, list[int]] = {}
        self.begun: list[tuple[int, str]] = []
        self.calls: Counter[str] = Counter()
        self.hanging: Counter[object] = Counter()
        """How many bodies hang in each process."""
        self.troubled: dict[str, list[TaskFault]] = {}
        """The faults of each key that came to bear."""
        self._faults: dict[tuple[str, int, bool], list[TaskFault]] = {}
        for fault in faults:
            if isinstance(fault, TaskFault):
                outlasts = isinstance(fault, TaskOutlastsTimeout | TaskOutlastsCancel)
                undo = not outlasts and fault.undo
                self._faults.setdefault((fault.service, fault.nth, undo), []).append(fault)
        self.tasks: dict[str, str] = {}
        """The name of the task of each key that was begun."""
        self._planned: dict[str, list[TaskFault]] = {}
        self._keys: Counter[tuple[str, bool]] = Counter()

    def begin(self, key: str) -> None:
        """Note that the body of a task has begun."""
        self.calls[key] += 1
        if not is_fenced():
            self.begun.append((self.order(), key))

    def do(self, key: str) -> None:
        """Have the effect of a task: what a key did once it does not do again, only notes it.

        A process that does not know that it was succeeded cannot be kept from acting (PROTOCOL,
        rule 44); what is outside is kept by the key, once that is undone.
        """
        if key in self.undone and is_fenced():
            return
        self.done.setdefault(key, []).append(self.order())

    def undo(self, key: str) -> None:
        """Take the effect of a task back."""
        self.undone.setdefault(key, []).append(self.order())

    def fails(self, key: str) -> bool:
        """Does the task of a key fail for good?"""
        return mixed(self.seed, "fails", key) % 1000 < self.failing * 1000

    def is_late(self, key: str) -> bool:
        """Does a `late` task exceed its time as often as it is tried?"""
        return mixed(self.seed, "late", key) % 3 == 0

    def overruns(self, key: str) -> int:
        """How often does a late task exceed its time? Some do when they are to be settled, too."""
        return LATE_ATTEMPTS if mixed(self.seed, "overruns", key) % 3 else 2 * LATE_ATTEMPTS + 1

    def result(self, key: str, value: int) -> int:
        return mixed(self.seed, key, value)

    def delay_s(self, key: str, longest_ms: int) -> float:
        """Return how long a body takes: often no time at all."""
        drawn = mixed(self.chance, key, self.calls[key])
        return 0.0 if drawn % 3 == 0 else drawn % longest_ms / 1000

    def endings(self, key: str, task: str) -> set[tuple[str, str] | None]:
        """Return how the task of a key may have ended: None for a result, or what it raised."""
        kind = task.partition(".")[2]
        struck = self.troubled.get(key, ())
        found: set[tuple[str, str] | None] = {("ValueError", key) if self.fails(key) else None}
        slow = any(not isinstance(fault, TaskRaises | TaskKills) for fault in struck)
        if kind == "late" and (slow or self.is_late(key)):
            found.add(("TimeoutError", f"took longer than {LATE_S:g} s"))
        if any(isinstance(fault, TaskRaises) for fault in struck):
            found.add(("ConnectionError", TROUBLE))
        return found

    # -- trouble

    def trouble(self, task: str, key: str, *, undo: bool = False) -> TaskFault | None:
        """Return what befalls the body that has just begun for a key, if anything does."""
        if not self._faults:
            return None
        name = key + "!undo" * undo
        if undo:
            self.calls[name] += 1
        service = task.partition(".")[0]
        if name not in self._planned:
            self._keys[service, undo] += 1
            place = (service, self._keys[service, undo], undo)
            self._planned[name] = self._faults.get(place, [])
        for fault in self._planned[name]:
            times = fault.times if isinstance(fault, TaskRaises | TaskKills) else 1
            if isinstance(fault, TaskRaises) and key in self.done and not undo:
                # Who raises for good while it is settled says that its key has no effect.
                times = min(times, LATE_ATTEMPTS)
            if self.calls[name] <= times:
                self.troubled.setdefault(name, []).append(fault)
                self.struck(fault)
                return fault
        return None


def is_fenced() -> bool:
    """Return whether the running process has been succeeded by another, and does not know it."""
    return getattr(asyncio.get_running_loop(), "fenced", False)


EFFECTS: dict[str, Effects] = {}
"""The ledger of each run that is being simulated: the outside world is one for all."""


async def perform(kind: str, value: int) -> int:
    """Do what a task of a kind does."""
    asked = context()
    effects, key = EFFECTS[asked.run], asked.key.removeprefix(asked.run)
    effects.begin(key)
    effects.tasks[key] = asked.task
    fault = effects.trouble(asked.task, key)
    if fault is not None and not isinstance(fault, TaskOutlastsTimeout):
        await suffer(fault, asked)
    if kind == "late" and effects.is_late(key) and effects.calls[key] <= effects.overruns(key):
        if mixed(effects.seed, "acts", key) % 2 and not effects.fails(key):
            effects.do(key)
        await asyncio.sleep(LATE_S * 5)
    if kind == "slow":
        await dawdle(effects, asked, key)
    elif delay_s := effects.delay_s(key, 60):
        await asyncio.sleep(delay_s)
    if kind == "flaky" and asked.attempt == 1:
        raise ConnectionError("the first attempt")
    if effects.fails(key):
        raise ValueError(key)
    effects.do(key)
    if fault is not None and isinstance(fault, TaskOutlastsTimeout):
        await asyncio.sleep(LATE_S * 5)
    return effects.result(key, value)


async def suffer(fault: TaskFault, asked: TaskContext) -> None:
    """Let a body fare as its fault says."""
    match fault:
        case TaskRaises():
            raise ConnectionError(TROUBLE)
        case TaskHangs():
            await hang(EFFECTS[asked.run])
        case TaskKills():
            raise Died
        case TaskOutlastsCancel():
            with suppress(TimeoutError):
                await asyncio.wait_for(asked.wait_cancelled(), OUTLASTS_S)
            await asyncio.sleep(OUTLASTS_S / 100)
        case TaskOutlastsTimeout():
            await asyncio.sleep(LATE_S * 5)
        case _:
            assert_never(fault)


async def hang(effects: Effects) -> None:
    """Never end by itself."""
    loop = asyncio.get_running_loop()
    effects.hanging[loop] += 1
    try:
        await loop.create_future()
    finally:
        effects.hanging -= Counter({loop: 1})


async def dawdle(effects: Effects, asked: TaskContext, key: str) -> None:
    """Take long; told that nobody waits, some end early, with their effect or without."""
    delay_s = effects.delay_s(key, 2500)
    if mixed(effects.seed, "patient", key) % 2:
        await asyncio.sleep(delay_s)
        return
    try:
        await asyncio.wait_for(asked.wait_cancelled(), delay_s)
    except TimeoutError:
        return
    # Whoever had the effect under this key, in a process that died, does not give up.
    if mixed(effects.seed, "gives up", key) % 2 and key not in effects.done:
        raise ValueError("given up")


async def revert(kind: str) -> None:
    """Undo what a task of a kind did."""
    asked = context()
    effects = EFFECTS[asked.run]
    key = asked.key.removeprefix(asked.run).removesuffix("!undo")
    fault = effects.trouble(asked.task, key, undo=True)
    if fault is not None:
        await suffer(fault, asked)
    if delay_s := effects.delay_s(asked.key, 30):
        await asyncio.sleep(delay_s)
    if kind == "flaky" and asked.attempt == 1 and mixed(effects.seed, "undo", key) % 2:
        raise ConnectionError("the first attempt at undoing")
    effects.undo(key)


def service(name: str) -> Service:
    """Return a service with all kinds of tasks."""
    made = Service(name)

    @made.task(retry=RETRY)
    async def plain(value: int) -> int:
        return await perform("plain", value)

    @made.task(retry=RETRY)
    async def keep(value: int) -> int:
        return await perform("keep", value)

    @keep.compensate
    async def undo_keep(result: int) -> None:
        await revert("keep")

    @made.task(retry=RETRY)
    async def flaky(value: int) -> int:
        return await perform("flaky", value)

    @flaky.compensate
    async def undo_flaky(result: int, value: int) -> None:
        await revert("flaky")

    @made.task(retry=RETRY)
    async def slow(value: int) -> int:
        return await perform("slow", value)

    @slow.compensate
    async def undo_slow(result: int) -> None:
        await revert("slow")

    @made.task(
        retry=Retry(attempts_max=LATE_ATTEMPTS, delay_ms=20, never=(ValueError,)), timeout=LATE_S
    )
    async def late(value: int) -> int:
        return await perform("late", value)

    @late.compensate
    async def undo_late(result: int, value: int) -> None:
        await revert("late")

    for each in (plain, undo_keep, undo_flaky, undo_slow, undo_late):
        assert each.service is made, "declaring a task adds it to its service"
    return made


def changed_service(name: str) -> Service:
    """Return the service of other code, in which each task wants an argument more."""
    made = Service(name)

    def declare(kind: str) -> None:
        timeout = LATE_S if kind == "late" else None

        @made.task(name=kind, retry=RETRY, timeout=timeout)
        async def task(value: int, more: int) -> int:
            return await perform(kind, value)

        @task.compensate(name=f"undo_{kind}")
        async def undo(result: int, value: int, more: int) -> None:
            await revert(kind)

        assert undo.service is made, "declaring a task adds it to its service"

    for kind in BLOCK_TASKS:
        declare(kind)
    return made


def tasks_of(services: Iterable[Service]) -> list[Task[..., Any]]:
    """Return all tasks of services, compensations too."""
    return [task for each in services for task in each.tasks.values()]


TASKS = tuple(tasks_of(service(name) for name in SERVICES))
CHANGED = {task.qualified: task for task in tasks_of(changed_service(name) for name in SERVICES)}
