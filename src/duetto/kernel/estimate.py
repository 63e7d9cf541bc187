"""What a definition costs under a placement, and where its outcome may depend on chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import Struct

from duetto.kernel.contracts import children
from duetto.kernel.liveness import parts
from duetto.model.definition import (
    RESUME,
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
from duetto.model.expression import Symbol
from duetto.model.placement import Placement


class ChoicePoint(Struct, frozen=True, order=True):
    """A line whose result may differ from one execution to the next, and why."""

    line: int
    reason: str


class Estimate(Struct, frozen=True):
    """The straight path under one placement: steps, messages and store writes.

    `together` is true where all participants share one store: there, tasks are local calls, and
    a hand-over is a message that costs no store write of its own.
    """

    placement: str
    together: bool
    steps: int
    messages: int
    store_writes: int


def choice_points(definition: Definition, pure: Callable[[str], bool]) -> list[ChoicePoint]:
    """Return the choice points by line; `pure` says of a symbol that calling it is no choice."""
    found = {
        ChoicePoint(node.line, reason)
        for region in definition.regions
        for node in region.nodes
        for reason in _reasons(node, pure)
    }
    return sorted(found)


def estimate(
    definition: Definition, placement: Placement, home: str, *, together: bool
) -> Estimate:
    """Return the cost of the straight path, by the formula of the design's section 6.

    The straight path takes each `if` (and turns each loop once), unless that only raises; `gather`
    and `race` run every branch to its end, one for `gather` over items; nothing fails. A called
    workflow counts as nothing: it has an estimate of its own. Retries happen at the service, so a
    command is two messages however many attempts it takes. Impure values are committed with the
    transition that draws them, before any effect.
    """
    count = _Count(definition, placement, home, together)
    count.store_writes = 1
    count.region(0, home)
    return Estimate(placement.name, together, count.steps, count.messages, count.store_writes)


def straight(region: Region) -> Iterator[Node]:
    """Yield the nodes of the straight path, each once."""
    at, seen, resumed = 0, set[int](), list[int]()
    while 0 <= at < len(region.nodes) or (at == RESUME and resumed):
        if at == RESUME:
            at = resumed.pop()
            continue
        node = region.nodes[at]
        if at not in seen:
            yield node
        elif not isinstance(node, Choice) or node.otherwise in seen:
            return
        following = _following(region, node, again=at in seen)
        seen.add(at)
        at = _by_finally(region, at, following, resumed)


def _following(region: Region, node: Node, *, again: bool) -> int:
    match node:
        case Return() | Raise():
            return -1
        case Choice():
            skip = again or _only_raises(region, node.next)
            return node.otherwise if skip else node.next
        case _:
            return node.next


def _only_raises(region: Region, at: int) -> bool:
    return at >= 0 and isinstance(region.nodes[at], Raise)


def _by_finally(region: Region, at: int, to: int, resumed: list[int]) -> int:
    """Return the next node: the `finally` body first, where an edge leaves its scope."""
    node = region.nodes[at]
    scope = at if isinstance(node, Scope) else node.scope
    outside = {-1, *_chain(region, to)}
    for left in _chain_of(region, scope):
        if left in outside:
            break
        opened = region.nodes[left]
        if isinstance(opened, Scope) and opened.kind == "finally" and to != RESUME:
            resumed.append(to)
            return opened.final
    return to


def _chain(region: Region, at: int) -> Iterator[int]:
    return _chain_of(region, region.nodes[at].scope if at >= 0 else -1)


def _chain_of(region: Region, scope: int) -> Iterator[int]:
    while scope >= 0:
        yield scope
        scope = region.nodes[scope].scope


def _reasons(node: Node, pure: Callable[[str], bool]) -> Iterator[str]:
    match node:
        case Race():
            yield "race: the first to end wins"
        case Receive():
            yield f"receive: `{node.event.rpartition(':')[2]}` may come or not"
        case Scope(kind="timeout"):
            yield "timeout: time may pass or not"
        case Parallel(fail_fast=True) | ForEach(fail_fast=True):
            yield "gather with cancel=True: the first to fail decides"
        case _:
            pass
    for name in sorted({part.name for part in parts(node) if isinstance(part, Symbol)}):
        if not pure(name):
            yield f"`{name.rpartition(':')[2]}` is not known to be pure"


class _Count:
    """Counts along the straight path; `place` is where the token is."""

    def __init__(self, definition: Definition, placement: Placement, home: str, together: bool):
        self.definition, self.placement = definition, placement
        self.home, self.together = home, together
        self.steps = self.messages = self.store_writes = 0

    def region(self, index: int, begins: str) -> None:
        """Walk a region whose token begins, and reports, at a participant."""
        place = begins
        for node in straight(self.definition.regions[index]):
            match node:
                case Task():
                    place = self.task(node, place)
                case Receive(owner=owner):
                    place = self.hop(place, owner or self.home)
                    self.store_writes += 1
                case Wait():
                    self.store_writes += 1
                case Emit():
                    self.messages += 1
                case _:
                    for child in children(node):
                        self.region(child, place)
        self.hop(place, begins)

    def task(self, node: Task, place: str) -> str:
        """Count a task, and return where it leaves the token."""
        at = self.placement.of(node.task)
        self.steps += 1
        if not self.together and at != node.service:
            self.hop(place, at)
            self.message()
            self.message()
        elif self.together or at == place:
            self.hop(place, at)
            self.store_writes += 1
        else:  # the arrival and the end of the task share a write
            self.hop(place, at)
        return at

    def hop(self, place: str, to: str) -> str:
        """Count the way of a token or report."""
        if place != to:
            self.message()
        return to

    def message(self) -> None:
        self.messages += 1
        self.store_writes += not self.together


__all__ = ["ChoicePoint", "Estimate", "choice_points", "estimate", "straight"]
