"""What is likely wrong with a topology: what nobody hears, feeds, ends or triggers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from duetto.model.event import HOPS_MAX
from duetto.model.topology import Difference, Finding, Link, Part, Topology, Undoing

DOES = {
    "publishes": "publishes",
    "listens": "listens to",
    "receives": "receives",
    "starts": "is started by",
}


def findings(topology: Topology) -> list[Finding]:
    """Return what is likely a mistake, in a fixed order."""
    return [
        *_unheard(topology),
        *_unfed(topology),
        *_endless(topology),
        *_untriggered(topology),
        *_unknown(topology),
    ]


def differing(found: Iterable[Difference]) -> list[Finding]:
    """Return what was seen and is not declared, or is declared and was not seen."""
    return [_differing(*each) for each in ((one.link, one.declared) for one in found)]


def _differing(link: Link, declared: bool) -> Finding:
    what = f"{link.part} {DOES[link.verb]} {link.topic}"
    if declared:
        message, do = (
            f"It is declared that {what}; that was not seen.",
            "leave it out, if it is over",
        )
    else:
        message, do = (
            f"It was seen that {what}; that is not declared.",
            "declare it, or see who did",
        )
    kind = "unseen" if declared else "undeclared"
    return Finding(kind, message, do, topics=(link.topic,), parts=(link.part,))


def _unheard(topology: Topology) -> Iterator[Finding]:
    for topic in topology.topics:
        if topology.listeners(topic):
            continue
        publishers = topology.publishers(topic)
        by = f": {', '.join(publishers)} publishes it" if publishers else ", nor publishes it"
        yield Finding(
            "unheard",
            f"Nobody hears {topic}{by}.",
            f"listen to it: `@service.on({topic})`, or leave it out",
            topics=(topic,),
            parts=tuple(publishers),
        )


def _unfed(topology: Topology) -> Iterator[Finding]:
    for part in topology.parts:
        for topic in part.hears:
            if topology.publishers(topic) or topic in topology.outside:
                continue
            yield Finding(
                "unfed",
                f"Nobody feeds {part.name}: {topic} is published by nobody here.",
                f"publish it; where it comes from elsewhere, `--outside {topic}`",
                topics=(topic,),
                parts=(part.name,),
            )


def _endless(topology: Topology) -> Iterator[Finding]:
    for cycle in cycles(lasting(topology)):
        names = {part.name for part in cycle}
        topics = sorted({topic for part in cycle for topic in part.publishes})
        yield Finding(
            "endless",
            f"A cycle has no end: {', '.join(sorted(names))}, by {', '.join(topics)}.",
            f"let one return None, or another event; else hop {HOPS_MAX} makes a dead letter",
            topics=tuple(topics),
            parts=tuple(sorted(names)),
        )


def lasting(topology: Topology) -> dict[Part, list[Part]]:
    """Return the parts after which something always follows, for ever, with their successors.

    The greatest such set: what may end, or may publish what none of the others takes up, goes out,
    again and again until nothing does.
    """
    left = [part for part in topology.parts if part.publishes and not part.ends]
    while True:
        heard = {topic for part in left for topic in (*part.listens, *part.starts)}
        kept = [part for part in left if heard.issuperset(part.publishes)]
        if len(kept) == len(left):
            break
        left = kept
    return {
        part: [
            other
            for other in left
            if not set(part.publishes).isdisjoint((*other.listens, *other.starts))
        ]
        for part in left
    }


def cycles(following: dict[Part, list[Part]]) -> list[list[Part]]:
    """Return the strongly connected parts: each reaches each of the others, or itself."""
    reached = {part: _reached(part, following) for part in following}
    found: list[list[Part]] = []
    for part in following:
        if part in reached[part] and not any(part in cycle for cycle in found):
            found.append([each for each in following if _both(part, each, reached)])
    return found


def _both(one: Part, other: Part, reached: dict[Part, set[Part]]) -> bool:
    return other in reached[one] and one in reached[other]


def _reached(part: Part, following: dict[Part, list[Part]]) -> set[Part]:
    todo, seen = [*following[part]], set[Part]()
    while todo:
        each = todo.pop()
        if each not in seen:
            seen.add(each)
            todo += following[each]
    return seen


def _untriggered(topology: Topology) -> Iterator[Finding]:
    by_name = {part.name: part for part in topology.parts}
    for undoing in topology.undoings:
        fed = [name for name in undoing.handlers if _is_fed(by_name[name], topology)]
        if undoing.callers or fed:
            continue
        yield Finding(
            "untriggered",
            f"Nobody triggers the compensation {undoing.name}: {_why(undoing, topology)}.",
            f"call {undoing.task} in a workflow, or {undoing.name} in a handler that is fed",
            parts=(undoing.name, *undoing.handlers),
        )


def _why(undoing: Undoing, topology: Topology) -> str:
    if not undoing.handlers:
        return f"no workflow calls {undoing.task}, and no handler names the compensation"
    names = ", ".join(undoing.handlers)
    topics = [
        topic for part in topology.parts if part.name in undoing.handlers for topic in part.hears
    ]
    return f"{names} would, but nobody publishes {', '.join(topics)}"


def _is_fed(part: Part, topology: Topology) -> bool:
    return any(topology.publishers(topic) or topic in topology.outside for topic in part.hears)


def _unknown(topology: Topology) -> Iterator[Finding]:
    for part in topology.parts:
        for place in part.unknown:
            yield Finding(
                "unknown",
                f"What {part.name} emits at {place} is not known.",
                "annotate it: `placed: OrderPlaced = …`, or emit a constructor call",
                parts=(part.name,),
            )
