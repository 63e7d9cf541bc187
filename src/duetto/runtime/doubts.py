"""Find the event that kills its process: after several deaths in a row what may have been in hand
is taken up alone, each with a mark that is committed before (PROTOCOL, rule 32).

It is what `suspects.py` does for tasks. A mark is cleared when its event is done with; with three
of them it becomes a dead letter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec

from duetto.runtime.desk import Desk
from duetto.runtime.reaction import Reaction

DEATHS, MARKS = "deaths", "mark/"

DEATHS_SUSPECTED = 2
"""Deaths in a row from which on events are taken up alone: fewer would slow down each restart."""

MARKS_MAX = 3
"""Deaths of its process with an event in hand alone; with them it is a dead letter."""

DOUBT_S = 2.0
"""How long they are: in that time a message that was not confirmed comes again."""

ALONE_S = 1.0
"""A longer attempt no longer holds up the others."""

Bury = Callable[[Reaction, str], None]


class Doubts:
    """The events of one host that may be what killed the process before."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._marks = {
            name: msgspec.msgpack.decode(data, type=int)
            for name, data in desk.store.log.state(MARKS)
        }
        self.is_serial = False
        """Whether events are taken up alone, as one of them may be what kills."""
        self._waiting: deque[tuple[Reaction, Bury]] = deque()
        self._alone: Reaction | None = None

    def count(self) -> None:
        """Count a death, if the process before this one died; it is committed with what else is
        counted, before anything is taken up."""
        rows = self._desk.store.log.state(DEATHS)
        before = msgspec.msgpack.decode(rows[0][1], type=int) if rows else 0
        deaths = before + 1 if self._desk.died else 0
        if deaths != before:
            self._put(DEATHS, deaths)
        if deaths >= DEATHS_SUSPECTED:
            self.is_serial = True
            self._desk.loop.call_later(DOUBT_S, self._trust)

    def call(self, reaction: Reaction, bury: Bury) -> None:
        """Let a body be called: at once, or when its turn comes."""
        if self.is_serial:
            self._waiting.append((reaction, bury))
            self._desk.loop.call_soon(self._next)
        else:
            self._submit(reaction)

    def ended(self, reaction: Reaction) -> None:
        """An attempt was survived: write that, with what it came to."""
        if self._marks:
            self._put(self._name(reaction), 0)
        if reaction is self._alone:
            self._alone = None
            self._desk.loop.call_soon(self._next)

    def _next(self) -> None:
        while self._waiting and self._alone is None and not self._desk.stopping:
            reaction, bury = self._waiting.popleft()
            name = self._name(reaction)
            marks = self._marks.get(name, 0)
            if marks >= MARKS_MAX:
                self._put(name, 0)
                bury(reaction, f"its process died {marks} times while this event was in hand")
                continue
            self._put(name, marks + 1)
            self._alone = reaction
            self._submit(reaction)
            self._desk.loop.call_later(ALONE_S, self._go_on, reaction)

    def _go_on(self, reaction: Reaction) -> None:
        if self._alone is reaction:
            self._alone = None
            self._next()

    def _trust(self) -> None:
        """Go on as ever, once what waits has had its turn."""
        if self._waiting or self._alone is not None:
            self._desk.loop.call_later(DOUBT_S, self._trust)
        else:
            self.is_serial = False

    def _submit(self, reaction: Reaction) -> None:
        self._desk.invocations.append(reaction)
        self._desk.schedule()

    def _put(self, name: str, count: int) -> None:
        if name != DEATHS:
            if count:
                self._marks[name] = count
            elif self._marks.pop(name, None) is None:
                return
        self._desk.put(name, msgspec.msgpack.encode(count) if count else None)

    def _name(self, reaction: Reaction) -> str:
        return f"{MARKS}{reaction.handle.name}/{reaction.name}"
