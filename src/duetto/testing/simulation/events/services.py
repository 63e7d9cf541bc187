"""The handlers of a scenario, and a ledger outside of Duetto of what their bodies did."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Union

from msgspec import Struct

from duetto.authoring.context import context
from duetto.authoring.handler import Handler
from duetto.authoring.retry import Retry
from duetto.authoring.service import Service
from duetto.authoring.window import Window, WindowFunction, ms_of
from duetto.testing.simulation.events.kinds import CLASSES, Fact, Tally
from duetto.testing.simulation.events.scenario import (
    HOPS_MAX,
    WINDOWS,
    EventScenario,
    Listening,
    Windowing,
)
from duetto.testing.simulation.faults import (
    TaskFault,
    TaskHangs,
    TaskKills,
    TaskOutlastsTimeout,
    TaskRaises,
)
from duetto.testing.simulation.services import LATE_S, TROUBLE, Effects, hang, is_fenced
from duetto.testing.simulation.timeline import Died

ATTEMPTS_MAX = 3

RETRY = Retry(attempts_max=ATTEMPTS_MAX, delay_ms=20, never=(ValueError,))

UNION: Any = Union
"""As any value: its parts are drawn."""

MARK = "!"
"""What mending adds to the word of an event."""

WINDOW = timedelta(seconds=10)
"""How long a window is."""

LONGEST_MS = 60
"""How long a body takes at most, unless something befalls it."""


class Body(Struct, frozen=True):
    """A body that began, or how it ended: as `order` counts everything in one system. `name` is
    that of the event, as Duetto has it; `how` is what was raised, "" for nothing."""

    order: int
    handler: str
    name: str
    fact: Fact
    attempt: int
    process: object
    how: str = ""


class Ledger:
    """What bodies did, in the order of the whole system. What a process does that was succeeded,
    and does not know it, is not noted: it cannot be kept from that."""

    def __init__(self, scenario: EventScenario, order: Callable[[], int]) -> None:
        self.effects = Effects(scenario.seed, chance=scenario.chance, faults=scenario.faults)
        self.order = order
        self.running: dict[str, Body] = {}
        """By idempotency key: what is in hand now."""
        self.ended: dict[str, list[Body]] = {}
        self.on_begin: Callable[[str, Body], None] = lambda key, body: None
        self.on_error: Callable[[Exception], None] = lambda error: None
        """Told of what is wrong with a body that begins: raised in it, it would be its error."""
        self.bodies = 0

    def begin(self, key: str, handler: str, fact: Fact) -> Body:
        """Note that a body has begun."""
        name, process = key.partition(":")[2], asyncio.get_running_loop()
        body = Body(self.order(), handler, name, fact, context().attempt, process)
        self.effects.calls[key] += 1
        if not is_fenced():
            self.bodies += 1
            try:
                self.on_begin(key, body)
            except Exception as error:  # whatever it is, the world ends with it
                self.on_error(error)
            self.running[key] = body
        return body

    def end(self, key: str, body: Body, how: str) -> None:
        """Note how a body ended."""
        if not is_fenced():
            self.running.pop(key, None)
            ended = Body(
                self.order(), body.handler, body.name, body.fact, body.attempt, body.process, how
            )
            self.ended.setdefault(key, []).append(ended)

    def gone(self) -> None:
        """Note that a process is gone, with what it had in hand, as another has begun."""
        self.running.clear()


def answers(listening: Listening, fact: Fact) -> list[Fact]:
    """Return what a handler publishes in answer to an event."""
    if fact.hops >= HOPS_MAX:
        return []
    return [
        CLASSES[say.topic](
            say.key or fact.key,
            f"{fact.name}>{listening.qualified}.{number}",
            fact.hops + 1,
            fact.word,
            at=fact.at,
            id=fact.id,
            # No two answers have one rank: which of them counts would be up to chance.
            rank=10 * fact.rank + int(listening.name[1:]),
        )
        for number, say in enumerate(listening.says)
    ]


def handlers_of(scenario: EventScenario, ledger: Ledger) -> list[Handler]:
    """Return the handlers of a scenario, whose bodies keep the ledger."""
    services: dict[str, Service] = {}
    found: list[Handler] = []
    for listening in scenario.handlers:
        name = listening.service
        service = services.setdefault(name, Service(name))
        found.append(_handler(service, listening, ledger))
    return found


def windows_of(scenario: EventScenario) -> dict[str, WindowFunction]:
    """Return the functions of windows of a scenario, by their names. They tell what they got."""
    service = Service(WINDOWS)
    for given in scenario.windows:
        lateness = timedelta(milliseconds=given.lateness_ms) if given.lateness_ms >= 0 else None
        service.window(
            CLASSES[given.topic],
            size=WINDOW,
            by="key",
            id="id",
            position="rank",
            lateness=lateness,
            name=given.name,
        )(_teller(given))
    return {each.qualified: each for each in service.windows.values()}


def _teller(given: Windowing) -> Callable[[Window[Fact]], Tally]:
    def tell(window: Window[Fact]) -> Tally:
        name = f"{given.qualified}:{window.key}:{ms_of(window.start)}:{window.revision}"
        return Tally(window.key, name, HOPS_MAX, ",".join(each.name for each in window.events))

    # The class is known here, and not where its name would be looked up.
    tell.__annotations__ = {"return": Tally}
    return tell


def _handler(service: Service, listening: Listening, ledger: Ledger) -> Handler:
    async def body(fact: Any) -> Any:
        return await react(listening, ledger, fact)

    taken = [CLASSES[topic] for topic in listening.topics]
    said: list[Any] = [CLASSES[topic] for topic in dict.fromkeys(s.topic for s in listening.says)]
    published = UNION[(*said, None)] if said else None
    body.__annotations__ = {"fact": UNION[tuple(taken)], "return": published}
    return service.on(
        *taken,
        name=listening.name,
        retry=RETRY,
        timeout=LATE_S if listening.timed else None,
        concurrency_max=listening.concurrency or None,
        ordered=listening.ordered,
    )(body)


async def react(listening: Listening, ledger: Ledger, fact: Fact) -> list[Fact] | None:
    """Be the body of a handler."""
    asked = context()
    key, handler = asked.key, listening.qualified
    body = ledger.begin(key, handler, fact)
    try:
        await befall(listening, ledger, key, fact)
    except Exception as error:  # whatever it is, it is noted and raised on
        ledger.end(key, body, type(error).__name__)
        raise
    except asyncio.CancelledError:
        ledger.end(key, body, "TimeoutError")
        raise
    ledger.end(key, body, "")
    return answers(listening, fact) or None


async def befall(listening: Listening, ledger: Ledger, key: str, fact: Fact) -> None:
    """Take a time, and let happen what befalls a body."""
    effects = ledger.effects
    fault: TaskFault | None = None
    if MARK not in fact.word:  # what was mended is befallen by nothing any more
        fault = effects.trouble(listening.qualified, key)
    match fault:
        case TaskRaises():
            raise ConnectionError(TROUBLE)
        case TaskKills():
            raise Died
        case TaskHangs():
            await hang(effects)
        case TaskOutlastsTimeout():
            await asyncio.sleep(LATE_S * 5)
        case _:
            pass
    if delay_s := effects.delay_s(key, LONGEST_MS):
        await asyncio.sleep(delay_s)
    if fact.poison == listening.qualified:
        raise ValueError("poison")


__all__ = ["ATTEMPTS_MAX", "MARK", "Body", "Ledger", "answers", "handlers_of", "windows_of"]
