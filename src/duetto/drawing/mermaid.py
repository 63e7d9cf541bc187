"""A workflow under a placement as Mermaid text: participants are subgraphs."""

from __future__ import annotations

from collections.abc import Iterator

from duetto.drawing.figure import Figure, Item, figure
from duetto.drawing.panel import Path, lanes, panel
from duetto.model.definition import Definition
from duetto.model.placement import Placement

SHAPES = {
    "start": ("((", "))"),
    "end": ("(((", ")))"),
    "task": ("[", "]"),
    "choice": ("{", "}"),
    "fork": ("[[", "]]"),
    "join": ("[[", "]]"),
    "wait": ("([", "])"),
    "receive": (">", "]"),
    "emit": ("[/", "/]"),
    "call": ("[[", "]]"),
    "raise": ("{{", "}}"),
}


def mermaid(definition: Definition, placement: Placement) -> str:
    """Return a flowchart: thick edges cross participants, dashed boxes can be compensated."""
    plan = figure(definition)
    drawn = panel(definition, plan, placement)
    lines = ["flowchart TD"]
    for number, name in enumerate(lanes(definition)):
        here = [row for row, at in enumerate(drawn.stations) if at == name]
        if here:
            lines.append(f"  subgraph p{number}[{quoted(name or 'app')}]")
            lines += [f"    {_node(plan.items[row], name)}" for row in here]
            lines.append("  end")
    lines += [f"  {_edge(path)}" for path in drawn.paths]
    lines += _classes(plan)
    return "\n".join(lines) + "\n"


def _node(item: Item, participant: str) -> str:
    opened, closed = SHAPES[item.kind]
    words = item.label or item.kind
    if item.kind == "task" and item.service != participant:
        words = f"{item.service}.{item.label}"
    return f"n{item.row}{opened}{quoted(words)}{closed}"


def _edge(path: Path) -> str:
    edge = path.edge
    arrow = "-.->" if edge.error else "==>" if path.crosses else "-->"
    words = ", ".join(path.words) or edge.note
    label = f"|{quoted(words)}|" if words else ""
    return f"n{edge.source} {arrow}{label} n{edge.target}"


def _classes(plan: Figure) -> Iterator[str]:
    undone = [f"n{item.row}" for item in plan.items if item.undo]
    if undone:
        yield "  classDef undoable stroke-dasharray: 5 3"
        yield f"  class {','.join(undone)} undoable"


def quoted(text: str) -> str:
    """Return a text in quotes; Mermaid knows entities by number only."""
    safe = "".join(f"#{ord(sign)};" if sign in '"#<>&`' else sign for sign in text)
    return f'"{safe}"'
