"""Find the task that kills its process: what was in hand at several deaths is taken up alone.

At a death everything in hand looks the same, the culprit and those beside it. So after a few
deaths in a row they are begun one at a time, each with its count raised and committed before: a
further death is counted for the one in hand alone, and the innocent are cleared by their ends.
Each host looks for itself: where several share a process, each has one in hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from msgspec import Struct

from duetto.errors import DuettoError
from duetto.kernel import fold
from duetto.kernel.fold import CommandKey, RunState
from duetto.model.definition import Task
from duetto.model.message import Command, Message
from duetto.model.record import InHand
from duetto.model.token import OnTask, OnUndo, Token
from duetto.runtime.host import Host

DEATHS_MAX = 5
"""Deaths of its process with a task in hand; above them it is parked: it may be what kills it."""

SUSPECTED = 2
"""Deaths from which on it is taken up alone: fewer would slow down each ordinary recovery."""

LOOK_S = 0.002
"""How often a suspect that runs alone is looked at: most tasks end within a few looks."""

ALONE_LOOKS_MAX = 500
"""About a second: a longer task no longer holds up the others."""


class Suspect(Struct, frozen=True):
    """What was in hand: a token that waits for a task here, or a command that came for one."""

    run: RunState
    what: Token | Message

    @property
    def key(self) -> str | CommandKey:
        """What its deaths are counted under."""
        return self.what.path if isinstance(self.what, Token) else command_key(self.what)

    @property
    def deaths(self) -> int:
        """How many it has seen."""
        return self.run.deaths.get(self.key, 0)

    def is_waiting(self) -> bool:
        """Return whether it is as it was: neither ended, nor interrupted or retried meanwhile."""
        if isinstance(self.what, Token):
            return waiting_as(self.run, self.what) is not None
        return self.run.commands.get(command_key(self.what)) is self.what


class Suspects:
    """The suspects of one host, from its recovery on."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._waiting: list[Suspect] = []
        self._places: set[tuple[str, str | CommandKey]] = set()

    def count(self) -> None:
        """Count a death for what was in hand, and keep back what has several."""
        for suspect in list(in_hand(self._host)):
            if suspect.deaths < SUSPECTED:
                self._raise(suspect)
            else:
                self._waiting.append(suspect)
                self._places.add((suspect.run.id, suspect.key))
        # The least blamed is last, and so begun first: short lives spread their blame, and what
        # kills is reached when the others have ended.
        chance = self._host.clock.random
        self._waiting.sort(key=lambda suspect: (-suspect.deaths, chance()))

    def holds(self, run: RunState, key: str | CommandKey) -> bool:
        """Return whether a token, or a command, is kept back."""
        return (run.id, key) in self._places

    def begin(self) -> None:
        """Begin the next suspect, in the commit that raises its count; none where a host stops."""
        host = self._host
        while self._waiting and not host.stopping and host.failure is None:
            suspect = self._waiting.pop()
            if not suspect.is_waiting():
                continue
            deaths = self._raise(suspect)
            if deaths > DEATHS_MAX:
                reason = f"its process died {deaths} times while this task was in hand"
                self._park(suspect, reason)
                continue
            begun = self._begin(suspect)
            host.after_commit(partial(self._look, begun, ALONE_LOOKS_MAX))
            return

    def _begin(self, suspect: Suspect) -> Suspect:
        """Begin a suspect; return it as it waits from now on."""
        host, run, what = self._host, suspect.run, suspect.what
        if isinstance(what, Message):
            host.exchange.commands.execute_again(run, what)
            return suspect
        host.begin_due(run, run.tokens[what.path])
        return Suspect(run, run.tokens.get(what.path, what))

    def _park(self, suspect: Suspect, reason: str) -> None:
        host, run, what = self._host, suspect.run, suspect.what
        if isinstance(what, Token):
            host.park(run, run.tokens[what.path], reason)
        elif isinstance(what.body, Command):
            host.exchange.commands.give_up(run, what.body, reason)

    def _look(self, suspect: Suspect, looks: int) -> None:
        if looks and suspect.is_waiting():
            self._host.loop.call_later(LOOK_S, self._look, suspect, looks - 1)
        else:
            self.begin()

    def _raise(self, suspect: Suspect) -> int:
        run, what, deaths = suspect.run, suspect.what, suspect.deaths + 1
        now = self._host.clock.now_ms()
        if isinstance(what, Token):
            record = InHand(what.path, now, what.step, deaths)
        else:
            command = what.body
            assert isinstance(command, Command), "commands are kept as their messages"
            record = InHand(command.path, now, command.step, deaths, command.task, command.undo)
        self._host.write(run, record)
        fold.apply(run, record)
        return deaths


def command_key(message: Message) -> CommandKey:
    """Return what names a command in its run."""
    command = message.body
    assert isinstance(command, Command), "commands are kept as their messages"
    return command.path, command.step, command.undo


def waiting_as(run: RunState, token: Token) -> Token | None:
    """Return the token as it is now, if it waits for the same still: a cancel may have marked it
    while it is shielded."""
    current = run.tokens.get(token.path)
    same = current is not None and (current.step, current.rest) == (token.step, token.rest)
    return current if same else None


def in_hand(host: Host) -> Iterator[Suspect]:
    """Yield what was under way here, or about to begin: tasks and compensations."""
    now = host.clock.now_ms()
    for run in host.runs.values():
        for token in run.tokens.values():
            rest = token.rest
            if isinstance(rest, OnTask | OnUndo) and rest.due <= now and _is_here(host, token):
                yield Suspect(run, token)
        for message in run.peek("commands").values():
            yield Suspect(run, message)


def _is_here(host: Host, token: Token) -> bool:
    """Return whether a token's work is done by this host: a command kills another, if any."""
    if isinstance(token.rest, OnUndo):
        task = token.rest.entry.task
    else:
        try:
            program = host.programs.program(token.definition)
        except DuettoError:
            return False  # it is parked for that
        node = program.regions[token.region][token.node].node
        task = node.task if isinstance(node, Task) else ""
    return task.partition(".")[0] in host.local_services


__all__ = ["DEATHS_MAX", "Suspects", "command_key"]
