"""Pictures of a workflow: the same tasks, and the token's path under each placement."""

from __future__ import annotations

from duetto.drawing.mermaid import mermaid
from duetto.drawing.svg import svg

__all__ = ["mermaid", "svg"]
