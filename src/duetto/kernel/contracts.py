"""What travels between participants under a placement: derived from the definition, and typed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from duetto.kernel.liveness import after, bound, edges, flow_of, may_be_bound
from duetto.model import expression as ex
from duetto.model.definition import (
    DYNAMIC,
    END,
    Assign,
    Call,
    Definition,
    ForEach,
    Node,
    Parallel,
    Race,
    Receive,
    Region,
    Return,
    Task,
    TypeRef,
    Wait,
)
from duetto.model.placement import Placement

START = -1
"""The node of a site before the first node of a region: where the run, or its fork, begins."""

RESULT = "result"
"""The name of what a report carries."""


class Site(Struct, frozen=True, order=True):
    """A place in a definition."""

    region: int
    node: int
    line: int = 0


class Contract(Struct, frozen=True):
    """One crossing of a token: from where it last rested, and what it carries.

    A `token` goes on at `to`, a `report` ends at its parent (`to` is the fork, or the run's start
    at home). The payload is sorted by name; a type that is not known is None.
    """

    kind: Literal["token", "report"]
    source: str
    target: str
    origin: Site
    to: Site
    payload: tuple[tuple[str, TypeRef | None], ...] = ()


class Stay(Struct, frozen=True, order=True):
    """A token at a participant, and the node where it last rested."""

    participant: str
    node: int = START


class Walked(Struct, frozen=True):
    """A region walked by tokens that start at one participant and report to it.

    `arrives` and `rests` have for each node where tokens may be before and while it executes.
    `fork` is the site of the parent: (0, START) for the root.
    """

    region: int
    begins: str
    fork: Site
    arrives: tuple[frozenset[Stay], ...]
    rests: tuple[frozenset[Stay], ...]


def contracts(definition: Definition, placement: Placement, home: str) -> list[Contract]:
    """Return every crossing of participants: tokens in the order of the program, then reports."""
    found: set[Contract] = set()
    for walked in walk(definition, placement, home):
        found |= set(_hops(definition, walked))
        found |= set(_reports(definition, walked))
    return sorted(found, key=_order)


def _order(contract: Contract) -> tuple[object, ...]:
    of_run = contract.to.node == START
    return contract.kind == "report", of_run, contract.origin, contract.to, contract.source


def walk(definition: Definition, placement: Placement, home: str) -> list[Walked]:
    """Return the regions with where their tokens are, parents before children."""
    todo, found = [(0, home, Site(0, START))], list[Walked]()
    while todo:
        region, begins, fork = todo.pop(0)
        walked = _walked(definition, placement, home, region, begins, fork)
        found.append(walked)
        for index, node in enumerate(definition.regions[region].nodes):
            places = sorted({stay.participant for stay in walked.rests[index]})
            site = Site(region, index, node.line)
            todo += [(child, place, site) for child in children(node) for place in places]
    return found


def children(node: Node) -> tuple[int, ...]:
    """Return the child regions of a node."""
    match node:
        case Parallel() | Race():
            return tuple(branch.region for branch in node.branches)
        case ForEach():
            return (node.region,)
        case _:
            return ()


def rests(node: Node) -> bool:
    """Does a token rest at such a node?"""
    return isinstance(node, Task | Parallel | ForEach | Race | Wait | Receive | Call)


def _walked(
    definition: Definition, placement: Placement, home: str, index: int, begins: str, fork: Site
) -> Walked:
    """Flow the places of the token forward until nothing new is found."""
    region = definition.regions[index]
    flow = flow_of(region)
    arrives: list[set[Stay]] = [set() for _ in region.nodes]
    todo = [(0, Stay(begins))] if region.nodes else []
    while todo:
        at, stay = todo.pop()
        if stay in arrives[at]:
            continue
        arrives[at].add(stay)
        here = _resting(region.nodes[at], at, stay, placement, home)
        targets = (*flow.normal[at], *(target for target, _ in flow.raised[at]))
        todo += [(target, here) for target in targets]
    at_rest = tuple(
        frozenset(_resting(node, at, stay, placement, home) for stay in arrives[at])
        for at, node in enumerate(region.nodes)
    )
    return Walked(index, begins, fork, tuple(map(frozenset, arrives)), at_rest)


def _resting(node: Node, index: int, stay: Stay, placement: Placement, home: str) -> Stay:
    """Return where a token is once it has executed, or waits at, a node."""
    match node:
        case Task():
            return Stay(placement.of(node.task), index)
        case Receive(owner=owner):
            return Stay(owner or home, index)
        case _:
            return Stay(stay.participant, index) if rests(node) else stay


def _hops(definition: Definition, walked: Walked) -> Iterator[Contract]:
    region = definition.regions[walked.region]
    carried, types, written = after(region), types_of(definition, region), may_be_bound(region)
    for index, node in enumerate(region.nodes):
        if not isinstance(node, Task | Receive):
            continue
        to = Site(walked.region, index, node.line)
        payload = _payload(node, carried[index] & written[index], types)
        for target in {rest.participant for rest in walked.rests[index]}:
            for stay in walked.arrives[index]:
                if stay.participant != target:
                    origin = _origin(region, walked, stay)
                    yield Contract("token", stay.participant, target, origin, to, payload)


def _origin(region: Region, walked: Walked, stay: Stay) -> Site:
    """Return the site where a token last rested: the fork, where it just began."""
    if stay.node == START:
        return walked.fork
    return Site(walked.region, stay.node, region.nodes[stay.node].line)


def _reports(definition: Definition, walked: Walked) -> Iterator[Contract]:
    region = definition.regions[walked.region]
    for index, node in enumerate(region.nodes):
        if not isinstance(node, Return) and END not in edges(node):
            continue
        for stay in walked.rests[index]:
            if stay.participant != walked.begins:
                yield Contract(
                    "report",
                    stay.participant,
                    walked.begins,
                    _origin(region, walked, stay),
                    walked.fork,
                    ((RESULT, _result(definition, walked.region, node)),),
                )


def _result(definition: Definition, region: int, node: Node) -> TypeRef | None:
    if not isinstance(node, Return):
        return TypeRef("None")
    known = definition.result if region == 0 and node.type == DYNAMIC else node.type
    return definition.types[known] if known != DYNAMIC else None


def types_of(definition: Definition, region: Region) -> dict[str, TypeRef | None]:
    """Return the types of a region's variables; one that has several, or none, is None."""
    found: dict[str, set[int]] = {}
    for parameter in region.parameters:
        found.setdefault(parameter.name, set()).add(parameter.type)
    for node in region.nodes:
        for bind in bound(node.target if isinstance(node, Assign) else getattr(node, "into", None)):
            found.setdefault(bind.name, set()).add(bind.type)
    return {
        name: definition.types[next(iter(types))]
        if len(types) == 1 and types != {DYNAMIC}
        else None
        for name, types in found.items()
    }


def _payload(
    node: Task | Receive, carried: frozenset[str], types: dict[str, TypeRef | None]
) -> tuple[tuple[str, TypeRef | None], ...]:
    """Return what a token carries to a node: its evaluated arguments, and what is read later."""
    args = node.args if isinstance(node, Task) else () if node.key is None else (node.key,)
    found = {name: types.get(name) for name in carried}
    for number, arg in enumerate(args, 1):
        found |= {_spelled(arg, f"argument {number}"): _type(arg, types)}
    for name, arg in node.kwargs if isinstance(node, Task) else ():
        found |= {_spelled(arg, name): _type(arg, types)}
    return tuple(sorted(found.items()))


def _spelled(arg: ex.Expr, otherwise: str) -> str:
    match arg:
        case ex.Name(id=name):
            return name
        case ex.Attribute(value=value, name=name):
            return f"{_spelled(value, otherwise)}.{name}"
        case _:
            return otherwise


def _type(arg: ex.Expr, types: dict[str, TypeRef | None]) -> TypeRef | None:
    match arg:
        case ex.Name(id=name):
            return types.get(name)
        case ex.Const(value=value):
            return TypeRef(type(value).__name__ if value is not None else "None")
        case _:
            return None


def is_spoken(name: str) -> bool:
    """Is a name of a payload for people? Numbered variables are a loop's own: items and index."""
    return not name.removeprefix("$").isdigit()


def spoken(name: str) -> str:
    """Return a variable's name; the arguments of a branch are numbered by the compiler."""
    number = name.removeprefix("$p")
    return f"argument {int(number) + 1}" if number != name and number.isdigit() else name


__all__ = [
    "RESULT",
    "START",
    "Contract",
    "Site",
    "Stay",
    "Walked",
    "children",
    "contracts",
    "is_spoken",
    "spoken",
    "types_of",
    "walk",
]
