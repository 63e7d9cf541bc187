"""Regions while they are built: nodes whose edges are still open, patched, pruned and frozen."""

from __future__ import annotations

import ast
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from msgspec import structs

from duetto.model.definition import END, OUTERMOST, Choice, Node, Parameter, Raise, Region, Return
from duetto.model.definition import Scope as ScopeNode

NEXT, OTHERWISE, FINAL = "next", "otherwise", "final"


@dataclass(eq=False)
class Draft:
    """A node; `edges` go from the name of a slot to a draft's index, `handler 0` … included.

    `result` is the static type of what an awaiting node gives, `declared` that of an annotation.
    `walks` marks the items of a `for` loop, `augmented` an assignment such as `x += 1`.
    """

    node: Node
    syntax: ast.expr | ast.stmt
    scope: int
    index: int
    result: Any = None
    declared: Any = None
    walks: bool = False
    augmented: bool = False
    edges: dict[str, int] = field(default_factory=dict[str, int])


Ends = list[tuple[Draft, str]]
"""Edges that wait for the next node."""


@dataclass
class Loop:
    """Where `continue` goes, and the edges that `break` left open."""

    head: int
    breaks: Ends = field(default_factory=list[tuple[Draft, str]])


@dataclass
class RegionDraft:
    """One region: emitting a node connects all open ends to it."""

    drafts: list[Draft] = field(default_factory=list[Draft])
    ends: Ends = field(default_factory=list[tuple[Draft, str]])
    scopes: list[int] = field(default_factory=list[int])
    loops: list[Loop] = field(default_factory=list[Loop])
    hidden: int = 0
    parameters: list[tuple[Parameter, Any]] = field(default_factory=list[tuple[Parameter, Any]])
    """Each parameter with its static type."""

    def emit(self, node: Node, syntax: ast.expr | ast.stmt, **known: Any) -> Draft:
        """Add a node behind the open ends; what ends a region leaves none behind."""
        draft = Draft(node, syntax, self.scope, self.head, **known)
        self.connect(self.head)
        self.drafts.append(draft)
        self.ends = [] if isinstance(node, Return | Raise) else [(draft, NEXT)]
        return draft

    @property
    def scope(self) -> int:
        return self.scopes[-1] if self.scopes else OUTERMOST

    @property
    def head(self) -> int:
        """The index that the next node will have."""
        return len(self.drafts)

    def connect(self, index: int) -> None:
        """Let all open ends go to a node, or to END or RESUME."""
        for draft, slot in self.ends:
            draft.edges[slot] = index
        self.ends = []

    def variable(self) -> str:
        """Return the name of a new hidden variable; no name of Python looks like it."""
        self.hidden += 1
        return f"${self.hidden}"

    @contextmanager
    def inside(self, scope: int) -> Generator[None]:
        """Let nodes stand in a Scope node."""
        self.scopes.append(scope)
        try:
            yield
        finally:
            self.scopes.pop()

    def chain(self, index: int) -> Iterator[int]:
        """Yield the scopes around a node, from the inside out."""
        scope = self.drafts[index].scope
        while scope != OUTERMOST:
            yield scope
            scope = self.drafts[scope].scope

    def freeze(self, finish: Callable[[Draft], Node], types: Callable[[Any], int]) -> Region:
        """Return the region without the nodes that nothing leads to."""
        alive = self.reachable()
        place = {old: new for new, old in enumerate(alive)}
        place |= {edge: edge for draft in self.drafts for edge in draft.edges.values() if edge < 0}
        place[OUTERMOST] = OUTERMOST
        nodes = tuple(_placed(finish(self.drafts[old]), self.drafts[old], place) for old in alive)
        parameters = tuple(
            structs.replace(parameter, type=types(known)) for parameter, known in self.parameters
        )
        return Region(nodes, parameters)

    def reachable(self) -> list[int]:
        """Return the indices of the nodes that an edge leads to, in their order."""
        found, todo = {0}, [0]
        while todo:
            for edge in self.drafts[todo.pop()].edges.values():
                if edge >= 0 and edge not in found:
                    found.add(edge)
                    todo.append(edge)
        return sorted(found)


def _placed(node: Node, draft: Draft, place: dict[int, int]) -> Node:
    """Return the node with its final edges and scope."""
    edges = {slot: place[index] for slot, index in draft.edges.items()}
    changes: dict[str, Any] = {"scope": place[draft.scope], "line": draft.syntax.lineno}
    match node:
        case Return() | Raise():
            pass
        case Choice():
            changes |= {"next": edges.get(NEXT, END), "otherwise": edges.get(OTHERWISE, END)}
        case ScopeNode(handlers=handlers):
            changes["next"] = edges.get(NEXT, END)
            changes["final"] = edges.get(FINAL, END)
            changes["handlers"] = tuple(
                structs.replace(handler, next=edges.get(f"handler {number}", END))
                for number, handler in enumerate(handlers)
            )
        case _:
            changes["next"] = edges.get(NEXT, END)
    return structs.replace(node, **changes)
