"""What nobody may have to help with: a late message begins nothing, and a lost one comes again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from duetto.kernel.walk import wake_at
from duetto.model.message import Arrive, Command, Message
from duetto.model.record import Ended, InHand, Moved, Started, TaskEnded
from duetto.model.token import OnTask
from duetto.testing.simulation import World
from duetto.testing.simulation.blocks import UNDOABLE
from duetto.testing.simulation.clock import EPOCH_MS
from duetto.testing.simulation.faults import (
    ClockSkewed,
    CodeChangesTask,
    CodeIsNewer,
    CodeIsOlder,
    CodeLacksTask,
    CommitLost,
    CommitUnanswered,
    Fault,
    MessageDelayed,
    MessageDoubled,
    MessageForgotten,
    MessageLost,
    MessageRedelivered,
    MessageReordered,
    MessageUnconfirmed,
    NodeDies,
    OperatorCancels,
    OperatorMoves,
    TaskKills,
)
from tests.simulation.reference import Wrong

SKEW_MS = 100
"""Whose clock is behind begins what another's says is too late; they are 40 ms off at most."""

SOON_MS = 5000
"""What is so late, or so long away, is waited for: nobody has to do anything about it."""

LATE = (MessageDelayed, MessageDoubled, MessageRedelivered, MessageReordered)
LOST = (MessageLost, MessageUnconfirmed)
AROUND = (ClockSkewed, OperatorCancels, OperatorMoves)
STOPS = (CodeChangesTask, CodeIsNewer, CodeIsOlder, CodeLacksTask)
"""A process that is stopped has not died, so what kills the next one comes as a surprise."""
DEATHS = (CommitLost, CommitUnanswered, NodeDies)


class Promptness:
    """Watches one world, from its start."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._begun: dict[str, float] = {}
        begin = world.effects.begin

        def noted(key: str) -> None:
            self._begun.setdefault(key, EPOCH_MS + world.timeline.now_s * 1000)
            begin(key)

        world.effects.begin = noted

    def check(self) -> None:
        """Hold the world against what was drawn for it. Raises Wrong."""
        faults = self._world.scenario.faults
        if all(isinstance(fault, (*LATE, *LOST, *AROUND)) for fault in faults):
            self._in_time()
        if all(passes(fault) for fault in faults):
            self._by_itself()
        if not any(isinstance(fault, STOPS) for fault in faults):
            self._counted()

    def _in_time(self) -> None:
        """No process stood still, or forgot that it had begun: so nothing began too late."""
        for key, deadline_ms in self._deadlines():
            # What can be undone may be run to find out whether it has to be (PROTOCOL, rule 6).
            if self._world.effects.tasks[key].partition(".")[2] in UNDOABLE:
                continue
            late_ms = self._begun.get(key, 0) - deadline_ms
            if late_ms > SKEW_MS:
                raise Wrong(6, f"{key} began {late_ms:.0f} ms after its deadline")

    def _deadlines(self) -> Iterator[tuple[str, int]]:
        for message in self._sent():
            match message.body:
                case Command(path=path, step=step, undo=False, deadline=deadline_ms):
                    pass
                case Arrive(token) if isinstance(token.rest, OnTask):
                    path, step = token.path, token.step
                    deadline_ms = wake_at(token.rest, token.frames)
                case _:
                    continue
            key = f"{path}#{step}"
            if deadline_ms and key in self._begun:
                yield key, deadline_ms

    def _sent(self) -> Iterator[Message]:
        for each in self._world.history:
            if isinstance(each.record, Started | Moved | TaskEnded | Ended):
                yield from each.record.sent

    def _by_itself(self) -> None:
        """All that went wrong passes by: so no operator was told to send anything again."""
        for text in self._world.operator.helped:
            raise Wrong(6, f"an operator had to help: {text}")

    def _counted(self) -> None:
        """A body that kills its process once more was counted before it (PROTOCOL, rule 22).

        With stores apart it may surprise twice: as it comes, and as what settles it comes.
        """
        surprises = 1 if len(self._world.machines) == 1 else 2
        killed = Counter(
            strike.fault for strike in self._world.strikes if isinstance(strike.fault, TaskKills)
        )
        counted = sum(isinstance(each.record, InHand) for each in self._world.history)
        again = sum(max(0, count - surprises) for count in killed.values())
        if counted < again:
            raise Wrong(8, f"killed its process again {again} times, counted {counted} times")


def passes(fault: Fault) -> bool:
    """Return whether what a fault does is over, or made good, after a short time."""
    match fault:
        case MessageForgotten():
            return False
        case _ if isinstance(fault, LATE):
            return fault.late_ms < SOON_MS
        case _ if isinstance(fault, DEATHS):
            return fault.away_ms < SOON_MS
        case _:
            return isinstance(fault, (*LOST, *AROUND))
