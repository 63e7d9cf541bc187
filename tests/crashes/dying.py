"""The shop's command, made to die at a named point: `… POINT N run …`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from duetto.examples.shop import ledger
from duetto.examples.shop.__main__ import main
from duetto.examples.shop.report import UNDOING
from duetto.examples.shop.workshop import Premises
from tests.crashes import points
from tests.crashes.points import Point, after, before, die_at

ENDING = tuple(points.ENDING)


def _undoes(*args: Any) -> bool:
    return args[3] in UNDOING


def _does(*args: Any) -> bool:
    return args[3] not in UNDOING


POINTS: Mapping[str, Point] = {
    **points.PRODUCT,
    "body begun": after(Premises, "begin"),
    "before effect": before(Premises, "effect", _does),
    "after effect": after(Premises, "effect", _does),
    "before undoing effect": before(Premises, "effect", _undoes),
    "after undoing effect": after(Premises, "effect", _undoes),
    "effect committed, not exported": before(ledger.Export, "catch_up"),
    **points.ENDING,
}
"""Every named point, the shop's own among them."""

OPENING_EXPORTS = 4
"""Each of four ledgers brings its export up to date when it opens; only then do orders come."""


def arm(point: str, count: int) -> None:
    """Let this process kill itself when a point is reached for the count-th time."""
    die_at(POINTS[point], count + OPENING_EXPORTS * (point == "effect committed, not exported"))


if __name__ == "__main__":
    arm(sys.argv[1], int(sys.argv[2]))
    main(sys.argv[3:])
