"""What may go wrong in a scenario: each fault is data, with a when and where of its own.

Hosts are numbers, in the order of the scenario's stores; a link is a pair of participants, a body
one of the keys that a service is called with. `nth` and `step` count from 1, over all processes of
a host; `at_ms` counts from the start of the run. So any fault can be left out, and the others stay
what they are.
"""

from __future__ import annotations

from typing import get_args

from msgspec import Struct

from duetto.model.placement import Placement

# -- stores: the nth commit of a host


class CommitLost(Struct, frozen=True, tag=True):
    """The process dies before the commit is durable, and is back after a time."""

    host: int
    nth: int
    away_ms: float


class CommitUnanswered(Struct, frozen=True, tag=True):
    """The process dies of the commit: it is durable, and nothing that it leads to was done."""

    host: int
    nth: int
    away_ms: float


class CommitSlow(Struct, frozen=True, tag=True):
    """The commit takes a time, in which its process does nothing else."""

    host: int
    nth: int
    for_ms: float


class CommitRefused(Struct, frozen=True, tag=True):
    """The disk refuses the write: nothing is kept, and the process is restarted after a time."""

    host: int
    nth: int
    away_ms: float


class CommitFenced(Struct, frozen=True, tag=True):
    """Another process has taken the store over: the commits of this one, which lives on for a
    time, are refused from now on."""

    host: int
    nth: int
    for_ms: float


class StoreFilled(Struct, frozen=True, tag=True):
    """The disk has no room for the commit, so many times."""

    host: int
    nth: int
    times: int


class RecordDamaged(Struct, frozen=True, tag=True):
    """A bit of the commit's last record flips on the disk; it is mended after a time.

    `dies` says whether the process dies of it as well, or finds it when it next reads.
    """

    host: int
    nth: int
    for_ms: float
    dies: bool = True


# -- the broker: the nth message of a link


class MessageDoubled(Struct, frozen=True, tag=True):
    """It comes twice, the second time `late_ms` after it was sent."""

    source: str
    to: str
    nth: int
    late_ms: float = 0.0


class MessageDelayed(Struct, frozen=True, tag=True):
    """It comes late, and others may overtake it."""

    source: str
    to: str
    nth: int
    late_ms: float


class MessageReordered(Struct, frozen=True, tag=True):
    """It comes right after the next one of its link, or after `late_ms` where none follows."""

    source: str
    to: str
    nth: int
    late_ms: float


class MessageLost(Struct, frozen=True, tag=True):
    """It never comes, and its sender hears nothing."""

    source: str
    to: str
    nth: int


class MessageUnconfirmed(Struct, frozen=True, tag=True):
    """It comes, and the news that it came is lost."""

    source: str
    to: str
    nth: int


class MessageRedelivered(Struct, frozen=True, tag=True):
    """It comes, is confirmed, and `late_ms` after that it comes once more."""

    source: str
    to: str
    nth: int
    late_ms: float


class MessageForgotten(Struct, frozen=True, tag=True):
    """The broker confirms it, and never delivers it."""

    source: str
    to: str
    nth: int


class LinkCut(Struct, frozen=True, tag=True):
    """Two hosts do not reach each other for a time: what is sent is lost, both ways."""

    one: int
    other: int
    at_ms: float
    for_ms: float


# -- tasks: the nth key for which a service runs a body, or with `undo` a compensation


class TaskRaises(Struct, frozen=True, tag=True):
    """Its first bodies raise, so many; they had no effect."""

    service: str
    nth: int
    times: int
    undo: bool = False


class TaskHangs(Struct, frozen=True, tag=True):
    """Its first body never ends by itself: its process is restarted where no limit ends it."""

    service: str
    nth: int
    undo: bool = False


class TaskOutlastsTimeout(Struct, frozen=True, tag=True):
    """Its first body has its effect, and then does not end before its limit."""

    service: str
    nth: int


class TaskOutlastsCancel(Struct, frozen=True, tag=True):
    """Its first body takes long, and goes on to its effect though nobody waits any more."""

    service: str
    nth: int


class TaskKills(Struct, frozen=True, tag=True):
    """Its first bodies kill their process, so many: poison."""

    service: str
    nth: int
    times: int
    away_ms: float
    undo: bool = False


# -- nodes


class NodeDies(Struct, frozen=True, tag=True):
    """The process dies between two steps of its loop, and is back after a time."""

    host: int
    step: int
    away_ms: float


class NodePauses(Struct, frozen=True, tag=True):
    """The process does nothing for a time, and does not know it."""

    host: int
    at_ms: float
    for_ms: float


class CodeLacksTask(Struct, frozen=True, tag=True):
    """The process is restarted with code that lacks a task, and after a time with its own."""

    host: int
    at_ms: float
    for_ms: float
    task: str


class CodeChangesTask(Struct, frozen=True, tag=True):
    """The process is restarted with code in which a task takes something else; then as above."""

    host: int
    at_ms: float
    for_ms: float
    task: str


class CodeIsNewer(Struct, frozen=True, tag=True):
    """The process is restarted with code in which the workflow does something else; then as
    above."""

    host: int
    at_ms: float
    for_ms: float


class CodeIsOlder(Struct, frozen=True, tag=True):
    """The process is restarted with code that does not know the workflow; then with its own."""

    host: int
    at_ms: float
    for_ms: float


# -- clocks


class ClockSkewed(Struct, frozen=True, tag=True):
    """The clock of a host is off by so much."""

    host: int
    by_ms: int


class ClockJumps(Struct, frozen=True, tag=True):
    """The clock of a host is set, forward or back, while it runs."""

    host: int
    at_ms: float
    by_ms: int


# -- operators


class OperatorCancels(Struct, frozen=True, tag=True):
    """The run is cancelled from outside."""

    at_ms: float


class OperatorRetries(Struct, frozen=True, tag=True):
    """What waits for a next attempt is tried at once, and what is under way is sent again."""

    at_ms: float


class OperatorResumes(Struct, frozen=True, tag=True):
    """What is parked is resumed now; where nothing is, that is said."""

    at_ms: float


class OperatorSkips(Struct, frozen=True, tag=True):
    """The first token that is parked from now on is skipped, and not resumed."""

    at_ms: float


class OperatorMoves(Struct, frozen=True, tag=True):
    """A host gets another placement while the run is in flight."""

    host: int
    at_ms: float
    placement: Placement


class OperatorStartsAgain(Struct, frozen=True, tag=True):
    """The run is started once more under its id, with the same input or another."""

    at_ms: float
    same: bool


class OperatorErrs(Struct, frozen=True, tag=True):
    """An operator asks for what there is not, or gives what does not fit."""

    at_ms: float


# -- operators of dead letters: what there is at an instant, or else the next that there are


class OperatorRedrives(Struct, frozen=True, tag=True):
    """Dead letters are redriven, as they are or mended. `twice`: by two who do not know of one
    another, of whom the second gives up what was not mended."""

    at_ms: float
    mends: bool
    twice: bool = False


class OperatorDiscards(Struct, frozen=True, tag=True):
    """A dead letter is given up."""

    at_ms: float


class OperatorReplays(Struct, frozen=True, tag=True):
    """A handler, counted from 0, handles events once more: those of a key, or all."""

    at_ms: float
    handler: int
    key: str = ""


CommitFault = (
    CommitLost
    | CommitUnanswered
    | CommitSlow
    | CommitRefused
    | CommitFenced
    | StoreFilled
    | RecordDamaged
)
MessageFault = (
    MessageDoubled
    | MessageDelayed
    | MessageReordered
    | MessageLost
    | MessageUnconfirmed
    | MessageRedelivered
    | MessageForgotten
)
TaskFault = TaskRaises | TaskHangs | TaskOutlastsTimeout | TaskOutlastsCancel | TaskKills
CodeFault = CodeLacksTask | CodeChangesTask | CodeIsNewer | CodeIsOlder
OperatorFault = (
    OperatorCancels
    | OperatorRetries
    | OperatorResumes
    | OperatorSkips
    | OperatorMoves
    | OperatorStartsAgain
    | OperatorErrs
)
LetterFault = OperatorRedrives | OperatorDiscards

Fault = (
    CommitFault
    | MessageFault
    | LinkCut
    | TaskFault
    | NodeDies
    | NodePauses
    | CodeFault
    | ClockSkewed
    | ClockJumps
    | OperatorFault
    | LetterFault
    | OperatorReplays
)
"""Everything that a scenario may contain."""

KINDS: tuple[str, ...] = tuple(each.__name__ for each in get_args(Fault))
"""The names of all kinds of faults, in the order of this file."""
