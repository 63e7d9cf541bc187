"""Where a process that runs generated workflows may be made to die."""

from __future__ import annotations

from collections.abc import Mapping

from tests.crashes import points
from tests.crashes.generated_ledger import Recorded
from tests.crashes.points import Point, after, before, die_at

POINTS: Mapping[str, Point] = {
    **points.PRODUCT,
    "body begun": after(Recorded, "begin"),
    "before effect": before(Recorded, "do"),
    "after effect": after(Recorded, "do"),
    "before undoing effect": before(Recorded, "undo"),
    "after undoing effect": after(Recorded, "undo"),
    **points.ENDING,
}

POWER_CUT = "power cut"
"""Not a point: the power goes in the middle of the count-th operation on the disk."""


def arm(point: str, count: int) -> None:
    """Let this process kill itself when a point is reached for the count-th time."""
    if point == POWER_CUT:
        from tests.crashes.generated_power import cut_after

        cut_after(count)
    else:
        die_at(POINTS[point], count)
