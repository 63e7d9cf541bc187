"""Where a token stands: the node, source line and names that its definition gives."""

from __future__ import annotations

from collections.abc import Callable

from duetto.errors import DuettoError
from duetto.model.definition import Call, Definition, ForEach, Node, Parallel, Race, Task
from duetto.model.token import OnTask, OnUndo, Parked, Rest, Token, Value
from duetto.operations.phrases import place, plural

Shown = Callable[[Value], str]
"""Spells a stored value in a sentence."""


class Nodes:
    """Definitions by digest, each decoded once; one that is unknown here has no lines."""

    def __init__(self, definition: Callable[[str], Definition]) -> None:
        self._fetch = definition
        self._known: dict[str, Definition | None] = {}

    def definition(self, digest: str) -> Definition | None:
        """Return a definition, None where it is unknown here."""
        if digest not in self._known:
            try:
                self._known[digest] = self._fetch(digest)
            except DuettoError:
                self._known[digest] = None
        return self._known[digest]

    def workflow(self, digest: str) -> str:
        """Return the name of a workflow."""
        found = self.definition(digest)
        return found.name if found is not None else "a workflow that is unknown here"

    def node(self, token: Token | None) -> Node | None:
        """Return the node at which a token stands."""
        found = self.definition(token.definition) if token is not None else None
        if found is None or token is None:
            return None
        return found.regions[token.region].nodes[token.node]

    def line(self, token: Token | None) -> int:
        """Return the source line of a token's node, 0 where it is not known."""
        node = self.node(token)
        return node.line if node is not None else 0

    def place(self, token: Token) -> str:
        """Return `shop.py:31`, empty where it is not known."""
        found = self.definition(token.definition)
        return place(found.file, self.line(token)) if found is not None else ""

    def task(self, token: Token | None) -> str:
        """Return the task or undone task that a token waits for."""
        rest: Rest | None = token.rest if token is not None else None
        if isinstance(rest, Parked):
            rest = rest.over
        if isinstance(rest, OnUndo):
            return rest.entry.task
        node = self.node(token)
        if isinstance(rest, OnTask) and isinstance(node, Task):
            return node.task
        return "a task"

    def called(self, token: Token | None) -> str:
        """Return the workflow that a token's node calls, empty for another node."""
        node = self.node(token)
        return node.workflow if isinstance(node, Call) else ""

    def is_race(self, token: Token | None) -> bool:
        """Return whether a token's node is a race."""
        return isinstance(self.node(token), Race)


def forks(nodes: Nodes, token: Token, total: int, started: int) -> str:
    """Say what a node forks."""
    branches = plural(total, "branch", "branches")
    match nodes.node(token):
        case Call(workflow=workflow):
            return f"calls the workflow {workflow}"
        case Race():
            return f"races {branches}"
        case Parallel() | ForEach() if started < total:
            return f"forks {branches}, {started} at a time"
        case _:
            return f"forks {branches}"
