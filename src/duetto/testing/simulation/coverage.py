"""What a series of scenarios has covered: fault × kind of node × placement, as one table.

A cell has a letter for each placement under which a fault of a kind struck while a token was at a
node of a kind. What cannot be reached has its reason here; an empty cell without one is a gap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from msgspec import Struct

from duetto.testing.simulation.faults import KINDS
from duetto.testing.simulation.unreachable import UNREACHABLE, Unreachable
from duetto.testing.simulation.world import HANDLER, MAILBOX, RUN, UNDO, Strike

NODES = (
    *("Task", "Wait", "Receive", "Parallel", "ForEach", "Race", "Call"),
    *("Assign", "Choice", "Emit", "Scope", "Return", "Raise"),
    *(UNDO, RUN),
    *(HANDLER, MAILBOX),
)
"""The thirteen kinds of nodes, a token that undoes, the record of the run itself; and, in systems
of events, handlers at work and runs that look into mailboxes."""

PLACEMENTS = ("orchestration", "choreography", "hybrid", "scattered")
LETTERS: dict[str, str] = dict(zip(PLACEMENTS, "ochs", strict=True))
"""The letter of each placement; `scattered` has each task at some participant."""

NAME_WIDTH = max(map(len, KINDS)) + 1
CELL_WIDTH = 8

Cell = tuple[str, str, str]
"""Kind of fault, kind of node, placement."""


class Gap(Struct, frozen=True):
    """Empty cells of one kind of fault and of node, and why they cannot be reached, if so."""

    fault: str
    node: str
    placements: tuple[str, ...]
    reason: str


class Coverage:
    """Counts of cells."""

    def __init__(self, cells: Iterable[tuple[Cell, int]] = ()) -> None:
        self.cells: Counter[Cell] = Counter(dict(cells))

    def add(self, strikes: Iterable[Strike]) -> None:
        """Count what struck in one run."""
        for strike in strikes:
            kind = type(strike.fault).__name__
            for node in strike.nodes:
                self.cells[kind, node, strike.placement] += 1

    def gaps(self) -> Iterator[Gap]:
        """Yield what is empty, row by row."""
        for fault in KINDS:
            for node in NODES:
                by_reason: dict[str, list[str]] = {}
                for placement in PLACEMENTS:
                    if not self.cells[fault, node, placement]:
                        reason = why(fault, node, placement)
                        by_reason.setdefault(reason, []).append(placement)
                for reason, placements in by_reason.items():
                    yield Gap(fault, node, tuple(placements), reason)

    # -- as text

    def table(self) -> str:
        """Return the table: letters of placements, and how often each fault struck."""
        head = "fault".ljust(NAME_WIDTH) + "".join(node.ljust(CELL_WIDTH) for node in NODES)
        lines = [head + "   times", *(self._row(fault) for fault in KINDS)]
        legend = ", ".join(f"{letter} {name}" for name, letter in LETTERS.items())
        return "\n".join((*lines, f"{legend}; · was not reached"))

    def _row(self, fault: str) -> str:
        cells = "".join(self._cell(fault, node).ljust(CELL_WIDTH) for node in NODES)
        times = sum(count for (kind, _, _), count in self.cells.items() if kind == fault)
        return fault.ljust(NAME_WIDTH) + cells + f"{times:8,}"

    def _cell(self, fault: str, node: str) -> str:
        return "".join(
            letter if self.cells[fault, node, name] else "·" for name, letter in LETTERS.items()
        )

    def reasons(self) -> str:
        """Return the empty cells by the reason why they cannot be reached."""
        by_reason: dict[str, dict[str, set[str]]] = {}
        for gap in self.gaps():
            if gap.reason:
                names = by_reason.setdefault(gap.reason, {})
                short = "".join(LETTERS[name] for name in gap.placements)
                spelled = gap.node if short == "ochs" else f"{gap.node}({short})"
                names.setdefault(gap.fault, set()).add(spelled)
        return "\n".join(
            line for reason, faults in by_reason.items() for line in _reason(reason, faults)
        )

    def unexplained(self) -> list[Gap]:
        """Return what is empty and could be reached."""
        return [gap for gap in self.gaps() if not gap.reason]


def why(fault: str, node: str, placement: str) -> str:
    """Return why a cell cannot be reached, or nothing where it can."""
    return next((each.reason for each in UNREACHABLE if each.covers(fault, node, placement)), "")


def _reason(reason: str, faults: dict[str, set[str]]) -> Iterator[str]:
    """Yield a reason, and the cells that are empty for it: faults of the same nodes together."""
    yield f"  {reason}"
    by_nodes: dict[tuple[str, ...], list[str]] = {}
    for fault, nodes in faults.items():
        by_nodes.setdefault(tuple(sorted(nodes)), []).append(fault)
    for nodes, names in by_nodes.items():
        every = "every fault" if len(names) == len(KINDS) else ", ".join(names)
        yield f"    at {', '.join(nodes)}: {every}"


__all__ = ["NODES", "PLACEMENTS", "Coverage", "Gap", "Unreachable"]
