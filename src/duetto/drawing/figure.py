"""What is to be drawn of a definition, whatever its placement: items in rows, and edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from msgspec import Struct

from duetto.drawing.spelling import short, spell
from duetto.kernel.contracts import START, children
from duetto.kernel.liveness import Flow, edges, flow_of
from duetto.model.definition import (
    END,
    RESUME,
    Assign,
    Call,
    Choice,
    Definition,
    Emit,
    ForEach,
    Node,
    Parallel,
    Race,
    Raise,
    Receive,
    Region,
    Return,
    Scope,
    Task,
    Wait,
)
from duetto.model.expression import More

Kind = Literal[
    "start", "end", "task", "choice", "fork", "join", "wait", "receive", "emit", "call", "raise"
]

EXIT = -1
"""The target of a contracted edge that leaves its region."""


class Item(Struct, frozen=True):
    """A thing with a row of its own. `track` keeps branches apart: 0 is the middle of a lane.

    `undo` names the compensation of a task, or is empty; `width` counts the branches of a fork.
    """

    row: int
    kind: Kind
    label: str
    region: int
    node: int
    service: str = ""
    undo: str = ""
    line: int = 0
    track: float = 0
    width: int = 1


class Edge(Struct, frozen=True):
    """A way of the token between two items; `error` is the way to a handler."""

    source: int
    target: int
    note: str = ""
    error: bool = False


class Bracket(Struct, frozen=True):
    """A scope beside the rows that it covers; `depth` counts the brackets around it."""

    label: str
    first: int
    last: int
    depth: int


class Figure(Struct, frozen=True):
    items: tuple[Item, ...]
    edges: tuple[Edge, ...]
    brackets: tuple[Bracket, ...]


def figure(definition: Definition, compensations: Mapping[str, str] | None = None) -> Figure:
    """Return the items, edges and brackets of a definition: start, body, end.

    `compensations` names the task that undoes a task (`service.name` → name), where it is known.
    """
    drafter = _Drafter(definition, compensations or {})
    start = drafter.item("start", definition.name, 0, START)
    exits = drafter.region(0, start, 0.0, 1.0, 0)
    end = drafter.item("end", "", 0, START)
    drafter.edges += [Edge(source, end, note) for source, note in exits]
    edges = sorted(drafter.edges, key=lambda edge: (edge.source, edge.target))
    return Figure(tuple(drafter.items), tuple(edges), tuple(drafter.brackets))


def drawn(node: Node) -> bool:
    """Does a node have an item of its own?"""
    return not isinstance(node, Assign | Scope | Return)


def in_order(flow: Flow) -> list[int]:
    """Return the nodes so that each comes after what leads to it, loops aside."""
    order: list[int] = []
    seen = {0}
    stack = [(0, iter(_onward(flow, 0)))]
    while stack:
        at, onward = stack[-1]
        target = next((to for to in onward if to not in seen), None)
        if target is None:
            order.append(at)
            stack.pop()
        else:
            seen.add(target)
            stack.append((target, iter(_onward(flow, target))))
    return order[::-1]


def _onward(flow: Flow, at: int) -> list[int]:
    """Return what follows; what is visited last stands nearest: the body before the rest."""
    return [*(to for to, _ in flow.raised[at]), *reversed(flow.normal[at])]


def targets(region: Region, flow: Flow, at: int) -> Iterator[int]:
    """Yield the items' nodes that follow a node, through those that are not drawn, and EXIT."""
    todo, seen = [at], set[int]()
    while todo:
        index = todo.pop(0)
        node = region.nodes[index]
        if _leaves(region, flow, node, index):
            yield EXIT
        onward = [*flow.normal[index], *_finals(region, flow, index)]
        for to in onward:
            if to not in seen:
                seen.add(to)
                if drawn(region.nodes[to]):
                    yield to
                else:
                    todo.append(to)


def ways(region: Region, flow: Flow, at: int) -> list[tuple[int, str]]:
    """Return the targets of a node, those of a choice with their notes."""
    node = region.nodes[at]
    found = list(targets(region, flow, at))
    if not isinstance(node, Choice):
        return [(target, "") for target in found]
    yes, no = ("", "done") if isinstance(node.test, More) else ("yes", "no")
    one, other = (_behind(region, flow, at, edge) for edge in (node.next, node.otherwise))
    return [
        (target, yes if target in one - other else no if target in other - one else "")
        for target in found
    ]


def _behind(region: Region, flow: Flow, at: int, edge: int) -> set[int]:
    """Return the targets of one edge of a choice."""
    if edge not in flow.normal[at]:
        return {EXIT} if edge == END and not _finals(region, flow, at) else set()
    return {edge} if drawn(region.nodes[edge]) else set(targets(region, flow, edge))


def _leaves(region: Region, flow: Flow, node: Node, index: int) -> bool:
    """Does the token leave its region here (rather than by way of a `finally` body)?"""
    if RESUME in edges(node):
        return any(
            _ends(other) and _finals(region, flow, i) for i, other in enumerate(region.nodes)
        )
    return _ends(node) and not _finals(region, flow, index)


def _ends(node: Node) -> bool:
    return isinstance(node, Return) or END in edges(node)


def _finals(region: Region, flow: Flow, index: int) -> list[int]:
    """Return the `finally` body through which a node ends its region, if it does so."""
    if not _ends(region.nodes[index]):
        return []
    scopes = (to for to, _ in flow.raised[index] if isinstance(region.nodes[to], Scope))
    return [to for to in scopes if getattr(region.nodes[to], "kind", "") == "final"][:1]


class _Drafter:
    """Collects items row by row."""

    def __init__(self, definition: Definition, compensations: Mapping[str, str]) -> None:
        self.definition, self.compensations = definition, compensations
        self.items: list[Item] = []
        self.edges: list[Edge] = []
        self.brackets: list[Bracket] = []

    def item(self, kind: Kind, label: str, region: int, node: int, **more: object) -> int:
        row = len(self.items)
        self.items.append(Item(row, kind, label, region, node, **more))  # type: ignore[arg-type]  # named fields
        return row

    def region(
        self, index: int, entry: int, track: float, unit: float, depth: int
    ) -> list[tuple[int, str]]:
        """Draw a region behind an item; return the items that leave it, each with a note."""
        region = self.definition.regions[index]
        if not region.nodes:
            return [(entry, "")]
        flow = flow_of(region)
        first, last = dict[int, int](), dict[int, int]()
        for at in in_order(flow):
            if drawn(region.nodes[at]):
                first[at] = self.node(index, at, track, depth)
                last[at] = self.branches(first[at], region.nodes[at], unit, depth)
        exits = self.entry(region, flow, entry, first)
        for at in first:
            for target, note in ways(region, flow, at):
                if target == EXIT:
                    exits.append((last[at], note))
                else:
                    self.edges.append(Edge(last[at], first[target], note))
        self.scopes(region, flow, first, last, depth)
        return exits

    def entry(
        self, region: Region, flow: Flow, entry: int, first: dict[int, int]
    ) -> list[tuple[int, str]]:
        """Connect what is before a region; where no item is on the way, it is left at once."""
        begins = [0] if 0 in first else list(targets(region, flow, 0))
        self.edges += [Edge(entry, first[to]) for to in begins if to != EXIT]
        return [(entry, "") for to in begins if to == EXIT]

    def node(self, region: int, at: int, track: float, depth: int) -> int:
        node = self.definition.regions[region].nodes[at]
        kind, label = described(node)
        more: dict[str, object] = {"line": node.line, "track": track, "width": len(children(node))}
        if isinstance(node, Task):
            undo = self.compensations.get(node.task, "undo") if node.undoable else ""
            more |= {"service": node.service, "undo": undo}
        return self.item(kind, label, region, at, **more)

    def branches(self, fork: int, node: Node, unit: float, depth: int) -> int:
        """Draw the branches of a fork and its join; return the item behind which it goes on."""
        regions = children(node)
        if not regions:
            return fork
        opened = self.items[fork]
        exits: list[tuple[int, str]] = []
        for number, region in enumerate(regions):
            track = opened.track + (number - (len(regions) - 1) / 2) * unit
            exits += self.region(region, fork, track, unit / len(regions), depth)
        join = self.item(
            "join", "", opened.region, opened.node, track=opened.track, width=opened.width
        )
        self.edges += [Edge(source, join, note) for source, note in exits]
        return join

    def scopes(
        self, region: Region, flow: Flow, first: dict[int, int], last: dict[int, int], depth: int
    ) -> None:
        """Draw the brackets of scopes, and the ways to handlers."""
        for index, node in enumerate(region.nodes):
            inside = [at for at in first if index in _around(region, at)]
            if not isinstance(node, Scope) or not inside:
                continue
            rows = [first[at] for at in inside] + [last[at] for at in inside]
            around = len(list(_around(region, index)))
            self.brackets.append(Bracket(_scope(node), min(rows), max(rows), depth + around))
            for handler in node.handlers:
                begin = handler.next
                to = [begin] if begin in first else list(targets(region, flow, begin))
                types = "/".join(
                    name.rpartition(":")[2].rpartition(".")[2] for name in handler.types
                )
                note = short(f"except {types}")
                self.edges += [Edge(max(rows), first[at], note, True) for at in to if at != EXIT]


def _around(region: Region, at: int) -> Iterator[int]:
    scope = region.nodes[at].scope
    while scope >= 0:
        yield scope
        scope = region.nodes[scope].scope


def _scope(scope: Scope) -> str:
    if scope.kind == "final":
        return "finally"
    if scope.kind == "finally":
        return "try"
    return f"timeout {spell(scope.seconds)} s" if scope.seconds is not None else scope.kind


def described(node: Node) -> tuple[Kind, str]:
    """Return the kind of a node's item, and its label."""
    match node:
        case Task(task=task):
            return "task", task.partition(".")[2]
        case Choice(test=More()):
            return "choice", "for each"
        case Choice(test=test):
            return "choice", short(spell(test))
        case Parallel():
            return "fork", "all"
        case ForEach():
            return "fork", "each"
        case Race():
            return "fork", "race"
        case Wait(seconds=seconds):
            return "wait", short(f"sleep {spell(seconds)}")
        case Receive(event=event):
            return "receive", short(event.rpartition(":")[2])
        case Emit(event=event):
            return "emit", short(spell(event))
        case Call(workflow=workflow):
            return "call", short(workflow)
        case Raise(error=error):
            return "raise", short(spell(error))
        case Assign() | Scope() | Return():
            return "join", ""
