"""The systems that a generated workflow is run in: placements, stores, faults and crashes."""

from __future__ import annotations

from random import Random

from duetto.brokers.in_process import Faults
from duetto.model.placement import Placement, choreography, hybrid, orchestration
from duetto.testing.simulation.blocks import SERVICES
from duetto.testing.simulation.world import ALONE, APART, TASKS, Layout

PARTICIPANTS = ("", *SERVICES)
NAMES = [task.qualified for task in TASKS]
PAIRED = (frozenset(("", "a")), frozenset(("b", "c")))


def scattered(random: Random) -> Placement:
    """Each task at a participant of its own, whatever its service."""
    where = {name: random.choice(PARTICIPANTS) for name in NAMES}
    return Placement("scattered", "", {}, where)


def faults(random: Random) -> Faults:
    """A bad network: a quarter of the messages twice, some lost, some late."""
    return Faults(0.25, 0.1, 0.5, random.choice((20, 100, 3000)), random.getrandbits(32))


def fixed(random: Random) -> list[Layout]:
    """The placements by name, in one store and in stores of their own, with faults and without."""
    named = (orchestration(), choreography(), hybrid("b"), hybrid("a", "c"), scattered(random))
    found = [Layout(f"{each.name} one store", ALONE, (each,)) for each in named[:1]]
    found += [Layout(f"{each.name} apart", APART, (each,)) for each in named]
    each = random.choice(named)
    found.append(Layout(f"{each.name} faults", APART, (each,), faults=faults(random)))
    found.append(changing(random))
    return found


def changing(random: Random, *, crashes: int = 0, within: int = 30, cancel: bool = False) -> Layout:
    """Every participant with an opinion of its own, which changes as it goes; clocks differ.

    Each crash is at one of a host's first commits, `within` so many.
    """
    stores = random.choice((APART, APART, APART, PAIRED, ALONE))
    count = len(stores)
    moves = tuple(
        (random.random() * 0.4, random.randrange(count), scattered(random))
        for _ in range(random.randint(0, 6))
    )
    placements = tuple(
        random.choice((orchestration(), choreography(), scattered(random))) for _ in range(count)
    )
    dying = tuple(
        (random.randint(1, within), random.randrange(count), random.random() < 0.6, random.random())
        for _ in range(random.randint(1, crashes) if crashes else 0)
    )
    return Layout(
        "changing" + (" crashes" if crashes else "") + (" cancel" if cancel else ""),
        stores,
        placements,
        moves,
        faults(random) if random.random() < 0.6 else None,
        dying,
        tuple(random.choice((-40, -5, 0, 5, 40)) for _ in range(count)),
        random.random() * 0.4 if cancel else 0.0,
    )
