"""A lineage as an indented tree, and for Mermaid: what led to what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from duetto.drawing.mermaid import quoted
from duetto.drawing.sequence import moment
from duetto.model.view import LineageNode, LineageView

ASKED = "←"
"""Marks what was asked for."""

SHAPES = {"event": ("[", "]"), "run": ("[[", "]]"), "held": ("{{", "}}"), "gone": ("([", "])")}


class Branch(Struct, frozen=True):
    """A line of the tree: `ahead` says for each level whether more of it comes below.

    `again` is a thing that has another line, where what follows from it stands.
    """

    node: LineageNode
    parent: str = ""
    ahead: tuple[bool, ...] = ()
    again: bool = False


def branches(view: LineageView) -> Iterator[Branch]:
    """Yield the lines of a lineage, each thing below the first that led to it."""
    nodes = {node.name: node for node in view.nodes}
    follows: defaultdict[str, list[str]] = defaultdict(list)
    for parent, child in view.edges:
        follows[parent].append(child)
    led_to = {child for _, child in view.edges}
    # What runs in a circle has no beginning: then the oldest of it is one.
    firsts = sorted(nodes, key=lambda name: name in led_to)
    seen = set[str]()
    for first in firsts:
        if first not in seen:
            pending = [Branch(nodes[first])]
            while pending:
                name = (line := pending.pop()).node.name
                if name in seen:
                    yield Branch(line.node, line.parent, line.ahead, again=True)
                    continue
                seen.add(name)
                yield line
                below = sorted(follows[name], key=lambda child: (nodes[child].at, child))
                pending += [
                    Branch(nodes[child], name, (*line.ahead, child != below[-1]))
                    for child in reversed(below)
                ]


def titled(node: LineageNode) -> str:
    """Return what a thing is, in a few words."""
    return f"run of {node.what}" if node.kind == "run" else node.what


def told(node: LineageNode, since: int) -> list[str]:
    """Return what else there is to say of a thing, of which the first was at `since`."""
    said = [f"key {node.key}"] if node.key else []
    said += [f"by {node.by}"] if node.by else []
    said += ["purged"] if node.kind == "gone" else []
    said += [node.note] if node.note else []
    return said + ([f"+{moment(node.at - since)}"] if node.at > since else [])


def beginning(view: LineageView) -> int:
    """Return when the first of a lineage was, as far as that is known."""
    return min((node.at for node in view.nodes if node.at), default=0)


def lineage_text(view: LineageView) -> str:
    """Return a lineage as a tree, each thing indented below what it follows from."""
    since = beginning(view)
    lines = [_line(branch, view.asked, since) for branch in branches(view)]
    return "\n".join([*lines, *([] if view.whole else ["… and more"])]) + "\n"


def _line(branch: Branch, asked: str, since: int) -> str:
    *above, last = branch.ahead or (False,)
    indent = "".join("│  " if more else "   " for more in above)
    if branch.ahead:
        indent += "├─ " if last else "└─ "
    node = branch.node
    name = [node.name] if node.kind != "held" else []
    said = ["(see above)"] if branch.again else told(node, since)
    mark = [ASKED] if node.name == asked and not branch.again else []
    return indent + "  ".join([titled(node), *name, *said, *mark])


def lineage_mermaid(view: LineageView) -> str:
    """Return a lineage as a flowchart: events are boxes, runs have double sides."""
    since = beginning(view)
    number = {node.name: at for at, node in enumerate(view.nodes)}
    lines = ["flowchart LR"]
    for node in view.nodes:
        opened, closed = SHAPES[node.kind]
        words = " · ".join([titled(node), *told(node, since)])
        lines.append(f"  n{number[node.name]}{opened}{quoted(words)}{closed}")
    lines += [f"  n{number[parent]} --> n{number[child]}" for parent, child in view.edges]
    lines.append(f"  style n{number[view.asked]} stroke-width:3px")
    return "\n".join(lines) + "\n"
