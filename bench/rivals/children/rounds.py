"""What every rival's child process shares: the shape of the workloads, and the median over rounds of them.

Standard library only: this runs inside the rival's own virtual environment.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

SEQUENCE_STEPS = 5
FANOUT_BRANCHES = 50
LOOP_TURNS_MAX = 10_000
TIMERS_MAX = 10_000
TIMER_SLEEP_S = 2.0  # short enough for three rounds in ten seconds, long enough to set hundreds of timers meanwhile
ROUNDS_MIN, ROUNDS_MAX = 3, 5

RunOnce = Callable[[int], Awaitable[object]]
"""Do one run of the given size (turns for a loop; ignored where the size of a run is fixed) to its end."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One workload at one concurrency; `amount` scales a round until it fills its share of the budget."""

    round: Callable[[int], Awaitable[int]]  # runs a round of this amount and returns the units done
    amount_first: int
    amount_max: int
    asleep_s: float = 0.0  # part of every round's time that is no work
    round_s_max: float = float("inf")


def sequence(run: RunOnce, concurrency: int) -> Plan:
    return _runs(run, concurrency, units_per_run=SEQUENCE_STEPS)


def fanout(run: RunOnce, concurrency: int) -> Plan:
    return _runs(run, concurrency, units_per_run=FANOUT_BRANCHES)


def _runs(run: RunOnce, concurrency: int, *, units_per_run: int) -> Plan:
    """So many runners, each of which starts its next run when the one before has ended."""

    async def runner(runs: int) -> None:
        for _ in range(runs):
            await run(0)

    async def round(runs_each: int) -> int:
        await asyncio.gather(*(runner(runs_each) for _ in range(concurrency)))
        return concurrency * runs_each * units_per_run

    return Plan(round, amount_first=1, amount_max=100_000)


def loop(run: RunOnce, concurrency: int) -> Plan:
    """So many runs at once, each of as many turns as the budget allows; the rate is over all runs together."""

    async def round(turns: int) -> int:
        await asyncio.gather(*(run(turns) for _ in range(concurrency)))
        return concurrency * turns

    return Plan(round, amount_first=5, amount_max=LOOP_TURNS_MAX)


def timers(start: Callable[[float], Awaitable[Awaitable[object]]], concurrency: int) -> Plan:
    """So many starters; every run is one sleep.

    A round is only as large as can be set within one sleep, so that all its timers are asleep together
    and the sleep itself can be deducted exactly.
    """

    async def starter(count: int) -> list[Awaitable[object]]:
        return [await start(TIMER_SLEEP_S) for _ in range(count)]

    async def round(timers_each: int) -> int:
        started = await asyncio.gather(*(starter(timers_each) for _ in range(concurrency)))
        await asyncio.gather(*(end for ends in started for end in ends))
        return concurrency * timers_each

    return Plan(
        round,
        amount_first=-(-20 // concurrency),
        amount_max=TIMERS_MAX // concurrency,
        asleep_s=TIMER_SLEEP_S,
        round_s_max=TIMER_SLEEP_S,
    )


async def median_rate(plan: Plan, seconds: float) -> float:
    """Return the median units per second of three to five rounds that take about `seconds` in all.

    Two rounds come first and do not count: the first pays for imports, connections and caches, the second
    tells how large a round may be. A rival too slow for three rounds in the budget gets three of the smallest.
    """
    amount = plan.amount_first
    for _ in range(2):
        worked_s, _ = await _timed(plan, amount)
        share_s = min(max(seconds / ROUNDS_MIN - plan.asleep_s, 0.1), plan.round_s_max)
        amount = max(1, min(plan.amount_max, int(amount * share_s / worked_s)))
    rates: list[float] = []
    began = time.perf_counter()
    while len(rates) < ROUNDS_MIN or (
        len(rates) < ROUNDS_MAX and time.perf_counter() - began < seconds
    ):
        worked_s, units = await _timed(plan, amount)
        rates.append(units / worked_s)
        print(f"  {units} units, {rates[-1]:.0f}/s", file=sys.stderr, flush=True)
    return statistics.median(rates)


async def _timed(plan: Plan, amount: int) -> tuple[float, int]:
    began = time.perf_counter()
    units = await plan.round(amount)
    return max(time.perf_counter() - began - plan.asleep_s, 1e-6), units


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=["sequence", "fanout", "timers", "loop"])
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    return parser


def answer_and_leave(median: float) -> None:
    """Print the one line that the parent reads, and leave without clean-up: engines sometimes crash at exit."""
    print(json.dumps({"median": median}), flush=True)
    os._exit(0)
