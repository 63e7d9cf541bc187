"""The table of what was generated, and of what was in hand when a process was killed."""

from __future__ import annotations

from tests.crashes.generated import PLACEMENTS
from tests.crashes.generated_deaths import UNDOING, Tally

PASSED = ("Assign", "Choice", "Emit", "Raise", "Return", "Scope")
"""Kinds at which no token rests: one input takes it through them, within one commit."""

RESTING = ("Task", "Parallel", "ForEach", "Race", "Wait", "Receive", "Call")

WIDTH = 16


def table(tally: Tally) -> str:
    """Return a row for each kind of node: how many were generated, how many tokens rested there
    when a process was killed."""
    head = "node".ljust(WIDTH) + "".join(name.rjust(WIDTH) for name in PLACEMENTS)
    rows = [row(tally, kind) for kind in (*RESTING, UNDOING, *PASSED)]
    return "\n".join((head, *rows, "generated / in hand at a kill; – where no token ever rests"))


def row(tally: Tally, kind: str) -> str:
    cells: list[str] = []
    for placement in PLACEMENTS:
        made, held = tally.nodes[kind, placement], tally.in_hand[kind, placement]
        cell = f"{made} / {'–' if kind in PASSED else held}"
        cells.append(f"/ {held}" if kind == UNDOING else cell)
    return kind.ljust(WIDTH) + "".join(cell.rjust(WIDTH) for cell in cells)
