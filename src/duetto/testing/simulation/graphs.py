"""Blocks to definitions: the graphs that the kernel walks."""

from __future__ import annotations

from collections import Counter
from typing import assert_never

from msgspec import Struct

from duetto.model import expression as x
from duetto.model.definition import (
    DYNAMIC,
    OUTERMOST,
    RESUME,
    Assign,
    Bind,
    Branch,
    Call,
    Choice,
    Definition,
    Emit,
    ForEach,
    Handler,
    Node,
    Parallel,
    Parameter,
    Race,
    Raise,
    Receive,
    Region,
    Return,
    Scope,
    Task,
    TypeRef,
    Wait,
    digest,
)
from duetto.testing.simulation import blocks as b

INT = 0
"""The index of `int` in the table of types."""

ALL: tuple[x.Expr, ...] = tuple(x.Name(name) for name in b.VARIABLES)


class Compiled(Struct, frozen=True):
    """A workflow and those that it calls, by digest; `kinds` counts its nodes, `depth` nests."""

    root: str
    definitions: dict[str, Definition]
    kinds: dict[str, int]
    depth: int


def compiled(block: b.Block, *, home: str = "", typed: bool = True) -> Compiled:
    """Return the definition of a block; untyped variables are stored by their own types."""
    found: dict[str, Definition] = {}
    definition = _Workflow("generated", block, home, typed, found).definition()
    root = digest(definition)
    found[root] = definition
    kinds = Counter(
        type(node).__name__
        for each in found.values()
        for region in each.regions
        for node in region.nodes
    )
    return Compiled(root, found, dict(kinds), depth_of(block))


def depth_of(block: b.Block) -> int:
    """Return how deep blocks are nested; a sequence does not count."""
    inner = [depth_of(each) for each in children(block)]
    return max(inner, default=0) + (0 if isinstance(block, b.Sequence) else 1)


def children(block: b.Block) -> tuple[b.Block, ...]:
    """Return the blocks directly inside."""
    match block:
        case b.Sequence(blocks):
            return blocks
        case b.Either(_, then, otherwise):
            return (then, otherwise)
        case b.Together(branches) | b.First(branches):
            return branches
        case b.Try(body, _, handler):
            return (body, handler)
        case b.Cleanup(body, final):
            return (body, final)
        case b.Repeat() | b.Each() | b.Sub() | b.Saga() | b.Limit():
            return (block.body,)
        case _:
            return ()


class _Workflow:
    """One definition under construction."""

    def __init__(
        self, name: str, body: b.Block, home: str, typed: bool, found: dict[str, Definition]
    ) -> None:
        self.name, self.home, self.typed, self.found = name, home, typed, found
        self.type = INT if typed else DYNAMIC
        self.regions: list[Region | None] = []
        self.callees: dict[str, str] = {}
        self.names = 0
        self.region(body)

    def definition(self) -> Definition:
        regions = tuple(region for region in self.regions if region is not None)
        types = (TypeRef("int"),)
        callees = tuple(sorted(self.callees.items()))
        return Definition(self.name, regions, types, self.type, callees, self.home)

    def region(self, body: b.Block) -> int:
        index = len(self.regions)
        self.regions.append(None)
        self.regions[index] = _Region(self, body).region()
        return index

    def call(self, body: b.Block) -> str:
        self.names += 1
        name = f"{self.name}_{self.names}"
        callee = _Workflow(name, body, self.home, self.typed, self.found).definition()
        self.callees[name] = digest(callee)
        self.found[self.callees[name]] = callee
        return name

    def fresh(self) -> str:
        self.names += 1
        return f"v{self.names}"


class _Region:
    """One graph under construction: each block gets the index of what follows it."""

    def __init__(self, workflow: _Workflow, body: b.Block) -> None:
        self.workflow = workflow
        self.nodes: list[Node | None] = [None]
        end = self.add(Return(x.Name("x"), workflow.type))
        entry = self.block(body, OUTERMOST, end)
        first = self.nodes[-1]
        if entry == len(self.nodes) - 1 and isinstance(first, Task):
            self.nodes[0] = self.nodes.pop()  # nothing else leads there
        else:
            self.nodes[0] = Assign(x.Const(None), next=entry)

    def region(self) -> Region:
        parameters = tuple(Parameter(name, self.workflow.type) for name in b.VARIABLES)
        return Region(tuple(node for node in self.nodes if node is not None), parameters)

    def add(self, node: Node) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def reserve(self) -> int:
        self.nodes.append(None)
        return len(self.nodes) - 1

    def bind(self, name: str) -> Bind:
        return Bind(name, self.workflow.type)

    def block(self, block: b.Block, scope: int, next: int) -> int:
        """Add a block that goes on at `next`; return where it is entered."""
        match block:
            case b.Sequence(blocks):
                for each in reversed(blocks):
                    next = self.block(each, scope, next)
                return next
            case b.Step(task, source, into):
                undoable = task.partition(".")[2] in b.UNDOABLE
                args = (x.Name(source),)
                return self.add(
                    Task(task, args, (), self.bind(into), undoable, next=next, scope=scope)
                )
            case b.Set(into, source, other, add):
                value = modulo(plus(times(x.Name(source), 31), plus(x.Name(other), x.Const(add))))
                return self.add(Assign(value, self.bind(into), next, scope))
            case b.Either(rest, then, otherwise):
                test = x.Compare(x.Binary("%", x.Name("x"), x.Const(2)), (("==", x.Const(rest)),))
                left, right = self.block(then, scope, next), self.block(otherwise, scope, next)
                return self.add(Choice(test, right, left, scope))
            case b.Repeat(times=count, body=body):
                return self.repeat(count, body, scope, next)
            case b.Together() | b.Each() | b.First() | b.Sub():
                return self.fork(block, scope, next)
            case b.Sleep(ms):
                return self.add(Wait(x.Const(ms / 1000), next, scope))
            case b.Await(ms):
                timeout = x.Const(ms / 1000)
                return self.add(Receive("never", x.Name("x"), timeout, next=next, scope=scope))
            case b.Tell():
                return self.add(Emit(x.Name("x"), next, scope))
            case b.Fail(message):
                error = x.Call(x.Symbol("ValueError"), (x.Const(message),))
                return self.add(Raise(error, scope=scope))
            case b.Leave():
                return self.add(Return(x.Name("x"), self.workflow.type, scope))
            case b.Try() | b.Cleanup() | b.Saga() | b.Limit():
                return self.scope(block, scope, next)
            case _:
                assert_never(block)

    def repeat(self, count: int, body: b.Block, scope: int, next: int) -> int:
        index = self.workflow.fresh()
        head, step = self.reserve(), self.reserve()
        entry = self.block(body, scope, step)
        target = self.bind(index)
        self.nodes[step] = Assign(plus(x.Name(index), x.Const(1)), target, head, scope)
        test = x.Compare(x.Name(index), (("<", x.Const(count)),))
        self.nodes[head] = Choice(test, next, entry, scope)
        return self.add(Assign(x.Const(0), target, head, scope))

    def fork(self, block: b.Together | b.Each | b.First | b.Sub, scope: int, next: int) -> int:
        workflow = self.workflow
        match block:
            case b.Together(branches, fail_fast, limit):
                found = tuple(Branch(workflow.region(each), ALL) for each in branches)
                into = workflow.fresh()
                add = self.summed(into, scope, next)
                return self.add(Parallel(found, Bind(into), fail_fast, limit, add, scope))
            case b.Each(count, body, fail_fast, limit):
                region, into = workflow.region(body), workflow.fresh()
                add = self.summed(into, scope, next)
                items = x.Display("list", tuple(item(index) for index in range(count)))
                return self.add(ForEach(region, items, Bind(into), fail_fast, limit, add, scope))
            case b.First(branches):
                found = tuple(Branch(workflow.region(each), ALL) for each in branches)
                return self.add(Race(found, self.bind("x"), next, scope))
            case b.Sub(body):
                return self.add(
                    Call(workflow.call(body), ALL, (), self.bind("x"), next=next, scope=scope)
                )

    def summed(self, into: str, scope: int, next: int) -> int:
        total = x.Call(x.Symbol("sum"), (x.Name(into),))
        return self.add(Assign(modulo(total), self.bind("x"), next, scope))

    def scope(self, block: b.Try | b.Cleanup | b.Saga | b.Limit, scope: int, next: int) -> int:
        index = self.reserve()
        entry = self.block(block.body, index, next)
        match block:
            case b.Try(catches=catches, handler=handler):
                types = (catches,)
                handlers = (Handler(types, self.block(handler, scope, next), "caught"),)
                node = Scope("try", handlers, next=entry, scope=scope)
            case b.Cleanup(final=final):
                body = self.reserve()
                inner = self.block(final, body, RESUME)
                self.nodes[body] = Scope("final", next=inner, scope=scope)
                node = Scope("finally", final=body, next=entry, scope=scope)
            case b.Saga(keep=keep):
                node = Scope("saga", keep=keep, next=entry, scope=scope)
            case b.Limit(ms=ms):
                node = Scope("timeout", seconds=x.Const(ms / 1000), next=entry, scope=scope)
        self.nodes[index] = node
        return index


def item(index: int) -> x.Expr:
    """Return the arguments of one branch of an Each."""
    first, *others = ALL
    return x.Display("tuple", (modulo(plus(first, x.Const(index))), *others))


def plus(left: x.Expr, right: x.Expr) -> x.Expr:
    return x.Binary("+", left, right)


def times(left: x.Expr, factor: int) -> x.Expr:
    return x.Binary("*", left, x.Const(factor))


def modulo(value: x.Expr) -> x.Expr:
    return x.Binary("%", value, x.Const(b.MODULUS))
