"""Three services whose tasks keep a ledger outside of Duetto, by idempotency key.

How a task ends is a function of its key and the seed, so it is the same under every placement;
how long it takes is drawn for each system anew.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from hashlib import blake2b

from duetto.authoring.context import TaskContext, context
from duetto.authoring.retry import Retry
from duetto.authoring.service import Service
from duetto.testing.simulation.blocks import MODULUS, SERVICES

LATE_S = 0.2
"""The time limit of a `late` task; it is exceeded as often as there are attempts, then kept."""

LATE_ATTEMPTS = 2

RETRY = Retry(attempts_max=3, delay_ms=20, never=(ValueError,))


def mixed(*parts: object) -> int:
    """Return a number below MODULUS that depends on all parts, the same in every process."""
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=5).digest(), "big") % MODULUS


class Effects:
    """The ledger of one run: what was done and undone, and when bodies began."""

    def __init__(self, seed: object, *, chance: object = 0, failing: float = 0.0) -> None:
        self.seed, self.chance, self.failing = seed, chance, failing
        self.order: Callable[[], int] = lambda: 0
        """Numbers everything that happens in one system, commits included."""
        self.done: dict[str, list[int]] = {}
        self.undone: dict[str, list[int]] = {}
        self.begun: list[tuple[int, str]] = []
        self.calls: Counter[str] = Counter()

    def fails(self, key: str) -> bool:
        """Does the task of a key fail for good?"""
        return mixed(self.seed, "fails", key) % 1000 < self.failing * 1000

    def is_late(self, key: str) -> bool:
        """Does a `late` task exceed its time as often as it is tried?"""
        return mixed(self.seed, "late", key) % 3 == 0

    def result(self, key: str, value: int) -> int:
        return mixed(self.seed, key, value)

    def delay_s(self, key: str, longest_ms: int) -> float:
        """Return how long a body takes: often no time at all."""
        drawn = mixed(self.chance, key, self.calls[key])
        return 0.0 if drawn % 3 == 0 else drawn % longest_ms / 1000


EFFECTS: dict[str, Effects] = {}
"""The ledger of each run that is being simulated: the outside world is one for all."""


async def perform(kind: str, value: int) -> int:
    """Do what a task of a kind does."""
    asked = context()
    effects, key = EFFECTS[asked.run], asked.key.removeprefix(asked.run)
    effects.calls[key] += 1
    effects.begun.append((effects.order(), key))
    if kind == "late" and effects.is_late(key) and effects.calls[key] <= LATE_ATTEMPTS:
        await asyncio.sleep(LATE_S * 5)
    if kind == "slow":
        await dawdle(effects, asked, key)
    elif delay_s := effects.delay_s(key, 60):
        await asyncio.sleep(delay_s)
    if kind == "flaky" and asked.attempt == 1:
        raise ConnectionError("the first attempt")
    if effects.fails(key):
        raise ValueError(key)
    effects.done.setdefault(key, []).append(effects.order())
    return effects.result(key, value)


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
    if delay_s := effects.delay_s(asked.key, 30):
        await asyncio.sleep(delay_s)
    if kind == "flaky" and asked.attempt == 1 and mixed(effects.seed, "undo", key) % 2:
        raise ConnectionError("the first attempt at undoing")
    effects.undone.setdefault(key, []).append(effects.order())


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


SERVICES_MADE = tuple(service(name) for name in SERVICES)
