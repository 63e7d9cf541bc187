"""The types of variables: what reaches each node, along edges, loops and errors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from msgspec import structs

from duetto.authoring.compiler.inference import Inference, parts
from duetto.authoring.compiler.lattice import UNKNOWN, Items, element, join, settled
from duetto.authoring.compiler.regions import Draft, RegionDraft
from duetto.authoring.types import describe
from duetto.errors import DefinitionError
from duetto.model.definition import (
    DYNAMIC,
    RESUME,
    Assign,
    Bind,
    Call,
    ForEach,
    Node,
    Parallel,
    Race,
    Receive,
    Return,
    Scope,
    Task,
    TypeRef,
    Unpack,
)

Environment = dict[str, Any]


@dataclass
class Table:
    """The table of types of a definition, each once."""

    refs: list[TypeRef] = field(default_factory=list[TypeRef])

    def index(self, known: Any) -> int:
        """Return the index of a type, or DYNAMIC where it is unknown or cannot be written down."""
        if known is UNKNOWN:
            return DYNAMIC
        try:
            ref = described(known)
        except DefinitionError:
            return DYNAMIC
        if ref.name == "Any":
            return DYNAMIC
        if ref not in self.refs:
            self.refs.append(ref)
        return self.refs.index(ref)


def described(known: Any) -> TypeRef:
    if isinstance(known, Items):
        return TypeRef("items", (described(settled(known.element)),))
    return describe(settled(known))


@dataclass
class Typing:
    """The types that reach each node of one region, found by following edges until none changes."""

    region: RegionDraft
    symbols: dict[str, Any]
    before: dict[int, Environment] = field(default_factory=dict[int, Environment])

    def solve(self) -> None:
        start = {parameter.name: known for parameter, known in self.region.parameters}
        self.before = {0: start}
        todo = {0}
        while todo:
            index = min(todo)
            todo.remove(index)
            todo |= {target for target, env in self.flows(index) if self.merge(target, env)}

    def flows(self, index: int) -> Iterator[tuple[int, Environment]]:
        """Yield where control may go from a node, and the types that arrive there."""
        draft = self.region.drafts[index]
        before = self.before[index]
        after = {**before, **self.written(draft, before)}
        handlers = isinstance(draft.node, Scope)
        for slot, target in draft.edges.items():
            if target >= 0 and not (handlers and slot != "next"):
                yield target, after
        if RESUME in draft.edges.values():
            yield from ((target, after) for target in self.resumed(index) if target != index)
        for scope in self.region.chain(index):
            yield from self.interrupted(self.region.drafts[scope], {**before})
            yield from self.interrupted(self.region.drafts[scope], after)

    def resumed(self, index: int) -> Iterator[int]:
        """Yield where control may go on once the `finally` body that a node stands in has ended."""
        drafts = self.region.drafts
        final = next(scope for scope in self.region.chain(index) if is_final(drafts[scope]))
        [protected] = [i for i, each in enumerate(drafts) if each.edges.get("final") == final]
        for inner, draft in enumerate(drafts):
            if protected in self.region.chain(inner):
                yield from (
                    target
                    for target in draft.edges.values()
                    if target >= 0 and protected not in self.region.chain(target)
                )

    def interrupted(self, scope: Draft, env: Environment) -> Iterator[tuple[int, Environment]]:
        """Yield where an error may go from inside a scope."""
        if not isinstance(scope.node, Scope):
            return
        if scope.node.kind == "finally":
            yield scope.edges["final"], env
        for number, handler in enumerate(scope.node.handlers):
            caught = {handler.into: self.caught(handler.types)} if handler.into else {}
            target = scope.edges.get(f"handler {number}", -1)
            if target >= 0:
                yield target, {**env, **caught}

    def caught(self, types: tuple[str, ...]) -> Any:
        """Return the class of a caught error where it is known exactly enough."""
        return self.symbols.get(types[0], UNKNOWN) if len(types) == 1 else UNKNOWN

    def merge(self, target: int, env: Environment) -> bool:
        """Let types arrive at a node; returns whether that changed anything."""
        known = self.before.get(target)
        if known is None:
            self.before[target] = dict(env)
            return True
        merged = {
            name: join(known[name], each) if name in known else each for name, each in env.items()
        }
        changed = any(name not in known or known[name] != each for name, each in merged.items())
        known |= merged
        return changed

    def inference(self, index: int) -> Inference:
        return Inference(self.symbols, self.before.get(index, {}))

    def value(self, draft: Draft, env: Environment) -> Any:
        """Return the type of what a node writes."""
        if draft.declared is not None:
            return draft.declared
        if isinstance(draft.node, Assign):
            return value_of(draft, Inference(self.symbols, env))
        return draft.result if draft.result is not None else UNKNOWN

    def written(self, draft: Draft, env: Environment) -> Environment:
        """Return the types of the variables that a node writes."""
        match draft.node:
            case Assign(target=Unpack() as target):
                return dict(unpacked(target, self.value(draft, env)))
            case Assign(target=Bind(name=name)):
                return {name: self.value(draft, env)}
            case Task(into=Bind(name=name)) | Call(into=Bind(name=name)):
                return {name: self.value(draft, env)}
            case Parallel(into=Bind(name=name)) | ForEach(into=Bind(name=name)):
                return {name: self.value(draft, env)}
            case Race(into=Bind(name=name)) | Receive(into=Bind(name=name)):
                return {name: self.value(draft, env)}
            case _:
                return {}

    def finish(self, draft: Draft, table: Table) -> Node:
        """Return the node with the types of what it writes."""
        env = self.before.get(draft.index, {})
        known = self.written(draft, env)
        node = draft.node
        match node:
            case Return():
                return structs.replace(node, type=table.index(draft.declared))
            case Assign(target=Unpack() as target):
                return structs.replace(node, target=typed(target, known, table))
            case Assign(target=Bind(name=name)):
                return structs.replace(node, target=Bind(name, table.index(known[name])))
            case (
                Task(into=Bind(name=name))
                | Call(into=Bind(name=name))
                | Receive(into=Bind(name=name))
            ):
                return structs.replace(node, into=Bind(name, table.index(known[name])))
            case (
                Parallel(into=Bind(name=name))
                | ForEach(into=Bind(name=name))
                | Race(into=Bind(name=name))
            ):
                return structs.replace(node, into=Bind(name, table.index(known[name])))
            case _:
                return node

    def pass_on(self, regions: list[RegionDraft]) -> None:
        """Give the parameters of branches the types of their arguments."""
        for index, draft in enumerate(self.region.drafts):
            if index not in self.before:
                continue
            inference = self.inference(index)
            match draft.node:
                case Parallel(branches=branches) | Race(branches=branches):
                    for branch in branches:
                        self.give(
                            regions[branch.region], [inference.infer(arg) for arg in branch.args]
                        )
                case ForEach(region=region, items=items):
                    known = element(inference.infer(items))
                    self.give(regions[region], parts(known, len(regions[region].parameters), -1))
                case _:
                    pass

    def give(self, region: RegionDraft, known: list[Any]) -> None:
        """Prefer what is inferred to what the callee declares: a value may be of a subclass."""
        region.parameters = [
            (parameter, declared if each is UNKNOWN else each)
            for (parameter, declared), each in zip(region.parameters, known, strict=True)
        ]


def is_final(draft: Draft) -> bool:
    return isinstance(draft.node, Scope) and draft.node.kind == "final"


def value_of(draft: Draft, inference: Inference) -> Any:
    """Return the type of an assigned expression; what a `for` loop walks is items of it."""
    assert isinstance(draft.node, Assign)
    known = inference.infer(draft.node.value)
    return Items(element(known)) if draft.walks else known


def unpacked(target: Unpack, known: Any) -> Iterator[tuple[str, Any]]:
    """Yield the variables of a pattern with their types."""
    for item, part in zip(target.items, parts(known, len(target.items), target.star), strict=True):
        if isinstance(item, Bind):
            yield item.name, part
        else:
            yield from unpacked(item, part)


def typed(target: Unpack, known: Environment, table: Table) -> Unpack:
    """Return a pattern whose variables have their types."""
    items = tuple(
        Bind(item.name, table.index(known[item.name]))
        if isinstance(item, Bind)
        else typed(item, known, table)
        for item in target.items
    )
    return structs.replace(target, items=items)
