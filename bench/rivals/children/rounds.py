"""What the rivals' children share: the shape of the workloads and the median over rounds.

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
TIMER_SLEEP_S = 2.0  # three rounds fit into ten seconds, and hundreds of timers into a round
ROUNDS_MIN, ROUNDS_MAX = 3, 5
OVERRUN_MAX = 3  # times the budget: then the rounds done must do, were it only one

RunOnce = Callable[[int], Awaitable[object]]
"""Do one run to its end; the size is a loop's turns and means nothing to the others."""


@dataclass(frozen=True, slots=True)
class Done:
    """What one round did."""

    units: int
    worked_s: float  # without sleep that is no work
    filled_s: float  # grows with the amount: by this the next round is sized


@dataclass(frozen=True, slots=True)
class Plan:
    """One workload at one concurrency; `amount` scales a round to its share of the budget."""

    round: Callable[[int], Awaitable[Done]]
    amount_first: int
    amount_max: int
    share_s: float | None = None  # of one round, where it is not the budget that decides


def sequence(run: RunOnce, concurrency: int) -> Plan:
    return _runs(run, concurrency, units_per_run=SEQUENCE_STEPS)


def fanout(run: RunOnce, concurrency: int) -> Plan:
    return _runs(run, concurrency, units_per_run=FANOUT_BRANCHES)


def _runs(run: RunOnce, concurrency: int, *, units_per_run: int) -> Plan:
    """So many runners, each of which starts its next run when the one before has ended."""

    async def runner(runs: int) -> None:
        for _ in range(runs):
            await run(0)

    async def round(runs_each: int) -> Done:
        began = time.perf_counter()
        await asyncio.gather(*(runner(runs_each) for _ in range(concurrency)))
        worked_s = time.perf_counter() - began
        return Done(concurrency * runs_each * units_per_run, worked_s, worked_s)

    return Plan(round, amount_first=1, amount_max=100_000)


def loop(run: RunOnce, concurrency: int) -> Plan:
    """So many runs at once, of as many turns as the budget allows; all their turns count."""

    async def round(turns: int) -> Done:
        began = time.perf_counter()
        await asyncio.gather(*(run(turns) for _ in range(concurrency)))
        worked_s = time.perf_counter() - began
        return Done(concurrency * turns, worked_s, worked_s)

    return Plan(round, amount_first=5, amount_max=LOOP_TURNS_MAX)


def timers(start: Callable[[float], Awaitable[Awaitable[object]]], concurrency: int) -> Plan:
    """So many starters; every run is one sleep.

    A round is as large as can be set within one sleep, so that all its timers are asleep together
    and the sleep can be deducted; what they fire late counts.
    """

    async def starter(count: int) -> list[Awaitable[object]]:
        return [await start(TIMER_SLEEP_S) for _ in range(count)]

    async def round(timers_each: int) -> Done:
        began = time.perf_counter()
        started = await asyncio.gather(*(starter(timers_each) for _ in range(concurrency)))
        set_s = time.perf_counter() - began
        await asyncio.gather(*(end for ends in started for end in ends))
        worked_s = time.perf_counter() - began - TIMER_SLEEP_S
        return Done(concurrency * timers_each, worked_s, set_s)

    return Plan(
        round,
        amount_first=-(-20 // concurrency),
        amount_max=TIMERS_MAX // concurrency,
        share_s=TIMER_SLEEP_S,
    )


async def median_rate(plan: Plan, seconds: float) -> float:
    """Return the median units per second of three to five rounds that take about `seconds` in all.

    A small round comes first and does not count: it pays for imports, connections and caches. A
    second one tells how large a round may be, unless the first took a round's share already.
    """
    share_s = plan.share_s or seconds / ROUNDS_MIN
    first = await plan.round(plan.amount_first)
    amount = _scaled(plan, plan.amount_first, share_s / first.filled_s)
    if amount > plan.amount_first:
        # The first round was slow for being first, so the second is a third of what it allows.
        trial = _scaled(plan, amount, 1 / 3)
        second = await plan.round(trial)
        amount = _scaled(plan, trial, share_s / second.filled_s)
    rates: list[float] = []
    began = time.perf_counter()
    while _another(len(rates), (time.perf_counter() - began) / seconds):
        done = await plan.round(amount)
        rates.append(done.units / done.worked_s)
        print(f"  {done.units} units, {rates[-1]:.0f}/s", file=sys.stderr, flush=True)
    return statistics.median(rates)


def _scaled(plan: Plan, amount: int, factor: float) -> int:
    return max(1, min(plan.amount_max, int(amount * factor)))


def _another(rounds_done: int, budgets_spent: float) -> bool:
    if rounds_done < ROUNDS_MIN:
        return rounds_done == 0 or budgets_spent < OVERRUN_MAX
    return rounds_done < ROUNDS_MAX and budgets_spent < 1


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=["sequence", "fanout", "timers", "loop"])
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    return parser


def answer_and_leave(median: float) -> None:
    """Print the line that the parent reads, and leave at once: engines sometimes crash at exit."""
    print(json.dumps({"median": median}), flush=True)
    os._exit(0)
