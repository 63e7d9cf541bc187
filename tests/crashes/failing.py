"""Die once at each named point, on one directory, and come to the same end."""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.crashes.campaign import Campaign, Shop, Tally, quiet_run
from tests.crashes.dying import ENDING, POINTS

RARE, OFTEN = (1, 4), (80, 140)
"""Which time a point is hit, at random between these: late enough where it is reached often that
most tasks in hand end in that life: one in hand at six deaths in a row is parked by design."""
SELDOM = ("recovery", "undoing", "retry", "checkpoint", "end of run", "exported")


def die_at_all(
    orders: Path, folder: Path, placement: str, random: Random, tally: Tally | None = None
) -> dict[str, int]:
    """Return how often each point was hit: each once, in an order drawn at random."""
    quiet = quiet_run(orders, folder / "quiet")
    shop = Shop(orders, folder / placement, placement, task_ms=5, concurrency=20)
    campaign = Campaign(shop, quiet, random, tally or Tally())
    hits = dict.fromkeys(POINTS, 0)
    for point in _mixed(random):
        campaign.die_at(point, _count(point, random))
        hits[point] += 1
    for point in ENDING:
        campaign.die_at(point, 1)
        hits[point] += 1
    campaign.end()
    return hits


def _mixed(random: Random) -> list[str]:
    """Return all points but those of the end: at most two lives that may be short in a row, as
    what is in hand at each of them is blamed in the end; none first, as recovery needs runs."""
    starts = [point for point in POINTS if "start" in point]
    others = [point for point in POINTS if point not in (*starts, *ENDING)]
    random.shuffle(others)
    short = [point for point in others if _is_short(point)]
    long = starts + [point for point in others if not _is_short(point)]
    found: list[str] = []
    for done, point in enumerate(long):
        share = slice(len(short) * done // len(long), len(short) * (done + 1) // len(long))
        found += [point, *short[share]]
    return found


def _is_short(point: str) -> bool:
    """Return whether a life may end at a point before most tasks in hand have."""
    return _is_once(point) or any(word in point for word in SELDOM)


def _is_once(point: str) -> bool:
    """Return whether a point is reached once in a life."""
    return "recovery" in point and "before a run" not in point


def _count(point: str, random: Random) -> int:
    if _is_once(point):
        return 1
    return random.randint(*(RARE if _is_short(point) else OFTEN))
