"""Why some faults can never strike at some nodes: the declared gaps of the coverage."""

from __future__ import annotations

from msgspec import Struct


class Unreachable(Struct, frozen=True):
    """Cells that cannot be reached, and why. Empty tuples stand for all."""

    reason: str
    faults: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    placements: tuple[str, ...] = ()

    def covers(self, fault: str, node: str, placement: str) -> bool:
        """Return whether a cell is one of these."""
        pairs = ((self.faults, fault), (self.nodes, node), (self.placements, placement))
        return all(not names or name in names for names, name in pairs)


PASSED = ("Assign", "Choice", "Emit", "Scope", "Return", "Raise")
BODIES = ("TaskRaises", "TaskHangs", "TaskOutlastsTimeout", "TaskOutlastsCancel", "TaskKills")

EVENTS = ("Handler", "Mailbox")
TOKENS = (*PASSED, "Task", "Wait", "Receive", "Parallel", "ForEach", "Race", "Call", "Undo", "Run")
MESSAGES = (
    *("MessageDoubled", "MessageDelayed", "MessageReordered", "MessageLost"),
    *("MessageUnconfirmed", "MessageRedelivered", "MessageForgotten", "LinkCut"),
)
OF_RUNS = (
    *("OperatorCancels", "OperatorRetries", "OperatorResumes", "OperatorSkips"),
    *("OperatorMoves", "OperatorStartsAgain", "OperatorErrs", "RecordDamaged"),
    *("CodeLacksTask", "CodeChangesTask", "CodeIsNewer", "CodeIsOlder"),
)

UNREACHABLE: tuple[Unreachable, ...] = (
    Unreachable("a token walks through within one transition, and never rests there", (), PASSED),
    Unreachable(
        "it befalls bodies, which only tasks and compensations have",
        BODIES,
        ("Wait", "Receive", "Parallel", "ForEach", "Race", "Call", "Run", "Mailbox"),
    ),
    Unreachable(
        "the compensations of these services have no time limit",
        ("TaskOutlastsTimeout",),
        ("Undo",),
    ),
    Unreachable(
        "a compensation is shielded, and so never told of a cancel",
        ("TaskOutlastsCancel",),
        ("Undo",),
    ),
    Unreachable("nobody cancels a handler", ("TaskOutlastsCancel",), ("Handler",)),
    Unreachable(
        "only what a handler could not take becomes a dead letter",
        ("OperatorRedrives", "OperatorDiscards"),
        TOKENS,
    ),
    Unreachable("only handlers handle events once more", ("OperatorReplays",), TOKENS),
    Unreachable(
        "handlers and mailboxes are simulated in one store, where nothing is placed",
        (),
        EVENTS,
        ("choreography", "hybrid", "scattered"),
    ),
    Unreachable("no message leaves the one store of handlers and mailboxes", MESSAGES, EVENTS),
    Unreachable("not drawn yet where there are handlers and mailboxes", OF_RUNS, EVENTS),
)
