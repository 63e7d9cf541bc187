"""The workloads as Duetto runs them; the shape of a round is the one that its rivals have."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from functools import partial
from statistics import median

from bench.rivals.children import rounds
from bench.rivals.children.rounds import Done, Plan
from duetto import App, Service, gather, sleep, workflow
from duetto.store import Store

NAMES = ("sequence", "fanout", "timers", "loop")
TIMERS = 10_000
TIMER_SLEEP_S = 4.0
"""As long as it takes to set all of them one at a time, so that all are asleep together."""
TENTHS = 10

worker = Service("worker")


class Marks:
    """The CPU time at each tenth of a loop, so that growth shows whatever the disk does."""

    def __init__(self) -> None:
        self.tenth = 0
        self._at: dict[int, list[float]] = {}

    def begin(self, turns: int) -> None:
        self.tenth = max(1, turns // TENTHS)
        self._at = {0: [time.process_time()]}

    def pass_by(self, turn: int) -> None:
        if turn and turn % self.tenth == 0:
            self._at.setdefault(turn // self.tenth, []).append(time.process_time())

    @property
    def growth(self) -> float:
        """How much more CPU the last tenth took than the first."""
        at = {tenth: median(times) for tenth, times in self._at.items()}
        # The last turn of all starts no other, so the tenth before the end is the last whole one.
        return (at[TENTHS - 1] - at[TENTHS - 2]) / (at[1] - at[0])


marks = Marks()


@worker.task
async def trivial(number: int) -> int:
    return number + 1


@worker.task
async def turn(number: int) -> int:
    marks.pass_by(number)
    return number + 1


@workflow
async def sequence(size: int) -> int:
    a = await trivial(size)
    b = await trivial(a)
    c = await trivial(b)
    d = await trivial(c)
    return await trivial(d)


@workflow
async def fanout(size: int) -> int:
    numbers = await gather(trivial(number) for number in range(50))
    return sum(numbers)


@workflow
async def loop(turns: int) -> int:
    number = 0
    while number < turns:
        number = await turn(number)
    return number


@workflow
async def nap(seconds: float) -> None:
    await sleep(seconds)


def new_app(store: Store) -> App:
    """Return the app of all workloads."""
    workflows = [sequence, fanout, loop, nap]
    return App("bench", services=[worker], workflows=workflows, store=store)


def plan(app: App, name: str, concurrency: int) -> Plan:
    """Return the rounds of one workload at one concurrency."""
    match name:
        case "sequence":
            return rounds.sequence(partial(app.run_async, sequence), concurrency)
        case "fanout":
            return rounds.fanout(partial(app.run_async, fanout), concurrency)
        case "loop":
            return _loops(app, concurrency)
        case "timers":
            return _timers(app, concurrency)
        case _:
            raise ValueError(f"unknown workload {name!r}; expected one of {', '.join(NAMES)}")


def _loops(app: App, concurrency: int) -> Plan:
    shape = rounds.loop(partial(app.run_async, loop), concurrency)

    async def round(turns: int) -> Done:
        marks.begin(turns)
        return await shape.round(turns)

    return Plan(round, amount_first=TENTHS, amount_max=rounds.LOOP_TURNS_MAX, share_s=float("inf"))


def _timers(app: App, concurrency: int) -> Plan:
    """All of them asleep at once; the rate is timers / (elapsed - one sleep), as the rivals' is."""

    async def starter(count: int) -> list[Awaitable[None]]:
        return [(await app.start_async(nap, TIMER_SLEEP_S)).result() for _ in range(count)]

    async def round(timers_each: int) -> Done:
        began = time.perf_counter()
        started = await asyncio.gather(*(starter(timers_each) for _ in range(concurrency)))
        set_s = time.perf_counter() - began
        await asyncio.gather(*(end for ends in started for end in ends))
        worked_s = time.perf_counter() - began - TIMER_SLEEP_S
        return Done(concurrency * timers_each, worked_s, set_s)

    return Plan(round, amount_first=1, amount_max=TIMERS // concurrency, share_s=float("inf"))
