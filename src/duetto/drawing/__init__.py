"""Pictures: a workflow under each placement, what happened among participants, who listens to what,
and what led to what."""

from __future__ import annotations

from duetto.drawing.lineage import lineage_mermaid, lineage_text
from duetto.drawing.lineage_svg import lineage_svg
from duetto.drawing.mermaid import mermaid
from duetto.drawing.sequence_svg import sequence_svg
from duetto.drawing.sequence_text import sequence_mermaid, sequence_text
from duetto.drawing.svg import svg
from duetto.drawing.topology_svg import topology_svg
from duetto.drawing.topology_text import topology_mermaid, topology_text

__all__ = [
    "lineage_mermaid",
    "lineage_svg",
    "lineage_text",
    "mermaid",
    "sequence_mermaid",
    "sequence_svg",
    "sequence_text",
    "svg",
    "topology_mermaid",
    "topology_svg",
    "topology_text",
]
