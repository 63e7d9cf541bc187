"""Small regions drawn at random: blocks of statements, written as nodes and edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from msgspec import Struct, structs

from duetto.model.definition import (
    END,
    RESUME,
    Bind,
    Choice,
    Handler,
    Node,
    Raise,
    Region,
    Return,
    Scope,
    Task,
)
from duetto.model.expression import Name


def call(into: str, *args: str, next: int, scope: int = -1, task: str = "a.t") -> Task:
    """Return a task whose arguments are variables."""
    bind = Bind(into) if into else None
    return Task(task, tuple(Name(arg) for arg in args), into=bind, next=next, scope=scope)


LETTERS = ("a", "b", "c")


class Simple(Struct, frozen=True):
    read: str
    write: str


class If(Struct, frozen=True):
    read: str
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]


class While(Struct, frozen=True):
    read: str
    body: tuple[Statement, ...]


class Try(Struct, frozen=True):
    body: tuple[Statement, ...]
    handler: tuple[Statement, ...]
    into: str


class Finally(Struct, frozen=True):
    body: tuple[Statement, ...]
    final: tuple[Statement, ...]


class Leave(Struct, frozen=True):
    read: str
    kind: str


Statement = Simple | If | While | Try | Finally | Leave


def blocks(depth: int) -> st.SearchStrategy[tuple[Statement, ...]]:
    letter = st.sampled_from(LETTERS)
    choices: list[st.SearchStrategy[Statement]] = [
        st.builds(Simple, letter, letter),
        st.builds(Leave, letter, st.sampled_from(["return", "raise", "break", "continue"])),
    ]
    if depth:
        inner = blocks(depth - 1)
        choices += [
            st.builds(If, letter, inner, inner),
            st.builds(While, letter, inner),
            st.builds(Try, inner, inner, letter),
            st.builds(Finally, inner, inner),
        ]
    return st.lists(st.one_of(choices), max_size=3).map(tuple)


class Builder:
    """Writes the nodes of a block from its end to its start, as edges are known then."""

    def __init__(self) -> None:
        self.nodes: list[Node | None] = []

    def add(self, node: Node) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def hole(self) -> int:
        self.nodes.append(None)
        return len(self.nodes) - 1

    def block(
        self, block: tuple[Statement, ...], to: int, scope: int, loop: tuple[int, int] | None
    ) -> int:
        for statement in reversed(block):
            to = self.statement(statement, to, scope, loop)
        return to

    def statement(self, it: Statement, to: int, scope: int, loop: tuple[int, int] | None) -> int:
        match it:
            case Simple(read=read, write=write):
                return self.add(call(write, read, next=to, scope=scope))
            case If(read=read, then=then, otherwise=otherwise):
                a, b = self.block(then, to, scope, loop), self.block(otherwise, to, scope, loop)
                return self.add(Choice(Name(read), otherwise=b, next=a, scope=scope))
            case While(read=read, body=body):
                head = self.hole()
                begin = self.block(body, head, scope, (head, to))
                self.nodes[head] = Choice(Name(read), otherwise=to, next=begin, scope=scope)
                return head
            case Try(body=body, handler=handler, into=into):
                head = self.hole()
                caught = self.block((*handler, Simple("a", "b")), to, scope, loop)
                begin = self.block((*body, Simple("b", "b")), to, head, loop)
                handlers = (Handler(("E",), caught, into),)
                self.nodes[head] = Scope("try", handlers, next=begin, scope=scope)
                return head
            case Finally(body=body, final=final):
                head, last = self.hole(), self.hole()
                ending = self.block((*final, Simple("c", "c")), RESUME, last, None)
                begin = self.block((*body, Simple("a", "a")), to, head, loop)
                self.nodes[head] = Scope("finally", final=last, next=begin, scope=scope)
                self.nodes[last] = Scope("final", next=ending, scope=scope)
                return head
            case Leave(read=read, kind=kind):
                return self.leave(read, kind, to, scope, loop)

    def leave(self, read: str, kind: str, to: int, scope: int, loop: tuple[int, int] | None) -> int:
        if kind == "raise":
            return self.add(Raise(Name(read), scope=scope))
        if loop and kind != "return":
            return self.add(call("", read, next=loop[kind == "break"], scope=scope))
        if loop is None and to != RESUME and kind == "return":
            return self.add(Return(Name(read), scope=scope))
        return self.add(call("", read, next=to, scope=scope))


def region_of(block: tuple[Statement, ...]) -> Region:
    builder = Builder()
    entry = builder.block((Simple("a", "a"), *block), END, -1, None)
    return entered_at_0([node for node in builder.nodes if node is not None], entry)


def entered_at_0(nodes: list[Node], entry: int) -> Region:
    """Return the region with its entry first, and each edge as it is then."""

    def moved(index: int) -> int:
        return index if index < 0 or index > entry else 0 if index == entry else index + 1

    return Region(
        tuple(rewired(nodes[at], moved) for at in (entry, *range(entry)))
        + tuple(rewired(node, moved) for node in nodes[entry + 1 :])
    )


def rewired(node: Node, moved: Callable[[int], int]) -> Node:
    names = {"next", "otherwise", "final", "scope"} & set(node.__struct_fields__)
    changes: dict[str, Any] = {name: moved(getattr(node, name)) for name in names}
    if isinstance(node, Scope):
        entries = ((handler, moved(handler.next)) for handler in node.handlers)
        changes["handlers"] = tuple(structs.replace(it, next=to) for it, to in entries)
    return structs.replace(node, **changes)
