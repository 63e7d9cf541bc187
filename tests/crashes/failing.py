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
    """Return all points but those of the end: deaths in recovery among the others, as they need
    runs that another death left under way."""
    recovery = [point for point in POINTS if "recovery" in point]
    starts = [point for point in POINTS if "start" in point]
    others = [point for point in POINTS if point not in (*recovery, *starts, *ENDING)]
    random.shuffle(others)
    others += starts  # first, when there are orders that were never started
    found: list[str] = []
    while others:
        found.append(others.pop())
        found += [recovery.pop()] if recovery and len(found) > 1 else []
    return found + recovery


def _count(point: str, random: Random) -> int:
    if "before a run" not in point and "recovery" in point:
        return 1  # reached once in a life
    return random.randint(*(RARE if any(word in point for word in SELDOM) else OFTEN))
