"""Look for a seed that notices that a guard is off, and is clean while it is on."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import msgspec
from msgspec import Struct

from tests.sabotage.switching import Guard
from tests.sabotage.trying import Broke, Caught, Clean, Verdict, tried

RECORDED = Path(__file__).with_name("recorded.json")


class Place(Struct, frozen=True):
    """A seed of a class of trials, and the promise that it finds broken."""

    kind: str
    seed: int
    promise: int


class Found(Struct, frozen=True):
    """What a search for one guard came to; `dirty` are seeds that fail with every guard on."""

    guard: str
    place: Place | None
    text: str
    seeds: int
    seconds: float
    broke: dict[str, int] = {}
    dirty: tuple[str, ...] = ()


def search(guard: Guard, seeds_max: int) -> Found:
    """Try seed after seed, each in all the guard's classes."""
    began = time.perf_counter()
    broke: Counter[str] = Counter()
    dirty: list[str] = []

    def found(place: Place | None, text: str, seeds: int) -> Found:
        seconds = time.perf_counter() - began
        return Found(guard.name, place, text, seeds, seconds, dict(broke), tuple(dirty))

    for seed in range(seeds_max):
        for kind in guard.kinds:
            match with_it_off(guard, kind, seed):
                case Clean():
                    pass
                case Broke(text):
                    broke[text.partition(":")[0]] += 1
                case Caught(promise, text):
                    sound = tried(kind, seed)
                    if isinstance(sound, Clean):
                        return found(Place(kind, seed, promise), text, seed + 1)
                    dirty.append(f"{kind} {seed}: {sound.text}")
    return found(None, "", seeds_max)


def with_it_off(guard: Guard, kind: str, seed: int) -> Verdict:
    """Run one seed without the guard."""
    with guard.off():
        return tried(kind, seed)


def recorded() -> dict[str, Place]:
    """Return the seeds that once noticed, by guard."""
    return msgspec.json.decode(RECORDED.read_bytes(), type=dict[str, Place])


def record(places: dict[str, Place]) -> None:
    """Keep seeds for the quick check."""
    encoded = msgspec.json.encode(dict(sorted(places.items())))
    RECORDED.write_bytes(msgspec.json.format(encoded, indent=2) + b"\n")
