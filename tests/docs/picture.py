"""The drawn shop: `python -m tests.docs.picture` writes docs/shop.svg anew."""

from __future__ import annotations

from duetto import choreography, hybrid, orchestration
from duetto.drawing import svg
from duetto.examples.shop.services import inventory, notifications, payments, shipping
from duetto.examples.shop.workflow import fulfil
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


if __name__ == "__main__":
    PICTURE.write_text(drawn(), "utf-8")
