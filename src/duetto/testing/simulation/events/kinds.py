"""The events of simulated systems, and the workflows that emit, receive and are started by them."""

from __future__ import annotations

import msgspec

from duetto.authoring import emit, event, receive, sleep, workflow
from duetto.testing.simulation.events.scenario import Move

KEPT_S = 1.5
"""How long a `Note` waits for who receives it; a `Post` waits for days."""


class Fact(msgspec.Struct, frozen=True):
    """What all events have. `poison` is a handler that can make nothing of it; `word` goes into
    every answer, so that what was mended is seen in what follows from it. For windows `at` says
    when it happened (ms), `id` what it is about, and of two about the same the lower `rank` counts.
    """

    key: str
    name: str
    hops: int = 0
    word: str = ""
    poison: str = ""
    at: int = 0
    id: str = ""
    rank: int = 0


@event(key="key", lanes=1)
class Red(Fact, frozen=True): ...


@event(key="key", lanes=2)
class Green(Fact, frozen=True): ...


@event(key="key", lanes=3)
class Blue(Fact, frozen=True): ...


@event(lanes=2)
class Grey(Fact, frozen=True): ...


@event(key="key", lanes=2)
class Post(Fact, frozen=True): ...


@event(key="key", lanes=1, kept=KEPT_S)
class Note(Fact, frozen=True): ...


@event(key="key", lanes=2)
class Spark(Fact, frozen=True): ...


@event(key="key", lanes=2, to_all=True)
class Bell(Fact, frozen=True): ...


@event(key="key", lanes=2, time="at")
class Tick(Fact, frozen=True): ...


@event(key="key", lanes=2, time="at")
class Tock(Fact, frozen=True): ...


@event(key="key", lanes=1)
class Tally(Fact, frozen=True): ...


CLASSES: dict[str, type[Fact]] = {
    each.__name__: each
    for each in (Red, Green, Blue, Grey, Post, Note, Spark, Bell, Tick, Tock, Tally)
}
MAILBOXES = {"Post": 7 * 24 * 3600.0, "Note": KEPT_S, "Bell": 7 * 24 * 3600.0}
"""The topics that runs receive, and how long (s) each is kept."""

NOTHING = "-"
"""What a run notes where nothing came in time."""


@workflow
async def walk(id: str, moves: list[Move]) -> list[str]:
    """Do what the moves say; return what was received."""
    found: list[str] = []
    number = 0
    for move in moves:
        name: str = f"{id}.{number}"
        key: str | None = move.key or None
        limit: float | None = move.seconds or None
        number = number + 1
        if move.does == "sleep":
            await sleep(move.seconds)
        elif move.does == "emit":
            if move.topic == "Red":
                emit(Red(move.key, name))
            elif move.topic == "Post":
                emit(Post(move.key, name))
            elif move.topic == "Note":
                emit(Note(move.key, name))
            elif move.topic == "Bell":
                emit(Bell(move.key, name))
            else:
                emit(Spark(move.key, name))
        else:
            try:
                if move.topic == "Post":
                    post = await receive(Post, key=key, timeout=limit)
                    found = [*found, post.name]
                elif move.topic == "Bell":
                    bell = await receive(Bell, key=key, timeout=limit)
                    found = [*found, bell.name]
                else:
                    note = await receive(Note, key=key, timeout=limit)
                    found = [*found, note.name]
            except TimeoutError:
                found = [*found, "-"]
    return found


@workflow(start_on=Spark)
async def kindle(spark: Spark) -> str:
    """Tell that a spark came, and wait a moment for a post of its key."""
    emit(Note(spark.key, f"{spark.name}>kindle"))
    try:
        post = await receive(Post, key=spark.key, timeout=0.2)
        return post.name
    except TimeoutError:
        return "-"


@workflow(start_on=Bell)
async def chime(bell: Bell) -> str:
    """Wait a moment for the next bell of the same key."""
    try:
        following = await receive(Bell, key=bell.key, timeout=0.2)
        return following.name
    except TimeoutError:
        return "-"
