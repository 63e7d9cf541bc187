"""The pictures of the pages: `python -m tests.docs.picture` draws them anew."""

from __future__ import annotations

import msgspec

from duetto import choreography, hybrid, orchestration
from duetto.drawing import sequence_svg, svg
from duetto.drawing.sequence import Chart
from duetto.examples.shop.services import inventory, notifications, payments, shipping
from duetto.examples.shop.workflow import fulfil
from duetto.testing.simulation import Scenario
from duetto.testing.simulation import blocks as b
from duetto.testing.simulation.faults import CommitLost, MessageDoubled, MessageLost
from tests.simulation.replaying import seen
from tests.tidy.sources import ROOT

PICTURE = ROOT / "docs/shop.svg"
PLACEMENTS = [orchestration(), choreography(), hybrid("payments", "shipping")]


def drawn() -> str:
    """Return one workflow under three placements, as `duetto graph fulfil --svg FILE` draws it."""
    undone_by = {
        task.qualified: task.undo.name
        for service in (inventory, payments, shipping, notifications)
        for task in service.tasks.values()
        if task.undo is not None
    }
    return svg(fulfil.definition, PLACEMENTS, compensations=undone_by)


SEQUENCE = ROOT / "docs/architecture/sequence.svg"
HAPPENED = ROOT / "tests/docs/sequence.json"
"""What happened when it was drawn: so only another way to draw changes the picture."""

SCENARIO = Scenario(
    b.Sequence((b.Step("a.keep"), b.Step("b.keep"), b.Fail("sold out"))),
    stores=(("",), ("a",), ("b",)),
    placements=(choreography(),) * 3,
    faults=(
        MessageDoubled("a", "b", 1, 150.0),
        CommitLost(2, 2, 300.0),
        MessageLost("b", "a", 1),
    ),
    chance=(3, 0),
)


def happens() -> Chart:
    """Return what happens now in the scenario of the picture."""
    return seen(SCENARIO, "two tasks, three faults").chart


def happened() -> Chart:
    """Return what happened when the picture was drawn."""
    return msgspec.json.decode(HAPPENED.read_bytes(), type=Chart)


if __name__ == "__main__":
    PICTURE.write_text(drawn(), "utf-8")
    HAPPENED.write_bytes(msgspec.json.format(msgspec.json.encode(happens()), indent=1) + b"\n")
    SEQUENCE.write_text(sequence_svg(happened()), "utf-8")
