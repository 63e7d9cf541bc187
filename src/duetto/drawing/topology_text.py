"""Who publishes and who listens, as lines for people and as Mermaid text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from duetto.drawing.mermaid import quoted
from duetto.model.topology import Finding, Part, Topology

ARROWS = {"listens": "-->", "starts": "==>|starts|", "receives": "-.->|received|"}


def topology_text(topology: Topology, found: Iterable[Finding]) -> str:
    """Return a line for each topic, then what was found."""
    wide = max(map(len, topology.topics), default=0)
    lines = [_counts(topology), ""]
    for topic in topology.topics:
        publishers = ["outside"] if topic in topology.outside else []
        publishers += topology.publishers(topic)
        heard = [_heard(part, topic) for part in topology.parts if topic in part.hears]
        lines.append(f"  {topic:<{wide}}   {_said(publishers)} → {_said(heard)}")
    for finding in found:
        lines += ["", f"{finding.kind}: {finding.message}", f"  do        {finding.do}"]
    return "\n".join(lines).rstrip() + "\n"


def _counts(topology: Topology) -> str:
    handlers = sum(part.kind == "handler" for part in topology.parts)
    counted = (
        (len(topology.topics), "event"),
        (handlers, "handler"),
        (len(topology.parts) - handlers, "workflow"),
    )
    return f"{topology.app}: " + ", ".join(
        f"{count} {word}{'' if count == 1 else 's'}" for count, word in counted
    )


def _said(names: list[str]) -> str:
    return ", ".join(names) or "nobody"


def _heard(part: Part, topic: str) -> str:
    if topic in part.starts:
        return f"{part.name} (starts it)"
    return f"{part.name} (received)" if topic in part.receives else part.name


def topology_mermaid(topology: Topology, found: Iterable[Finding]) -> str:
    """Return a flowchart: services are subgraphs, events are rounded; findings are dashed."""
    parts = {part.name: f"p{number}" for number, part in enumerate(topology.parts)}
    topics = {topic: f"e{number}" for number, topic in enumerate(topology.topics)}
    lines = ["flowchart LR"]
    for number, service in enumerate(dict.fromkeys(part.service for part in topology.parts)):
        lines.append(f"  subgraph s{number}[{quoted(service or topology.app)}]")
        here = (part for part in topology.parts if part.service == service)
        lines += [f"    {parts[part.name]}{_box(part)}" for part in here]
        lines.append("  end")
    lines += [f"  {topics[topic]}([{quoted(topic)}])" for topic in topology.topics]
    if topology.outside:
        lines.append('  outside(("outside"))')
        lines += [f"  outside --> {topics[topic]}" for topic in topology.outside]
    for link in topology.links:
        part, topic = parts[link.part], topics[link.topic]
        if link.verb == "publishes":
            lines.append(f"  {part} --> {topic}")
        else:
            lines.append(f"  {topic} {ARROWS[link.verb]} {part}")
    lines += _doubtful(found, {**parts, **topics})
    return "\n".join(lines) + "\n"


def _box(part: Part) -> str:
    opened, closed = ("[", "]") if part.kind == "handler" else ("[[", "]]")
    return f"{opened}{quoted(part.short)}{closed}"


def _doubtful(found: Iterable[Finding], ids: dict[str, str]) -> Iterator[str]:
    names = {name for finding in found for name in (*finding.topics, *finding.parts)}
    marked = [ids[name] for name in ids if name in names]
    if marked:
        yield "  classDef doubtful stroke:#b42318,stroke-dasharray:4 3"
        yield f"  class {','.join(marked)} doubtful"
