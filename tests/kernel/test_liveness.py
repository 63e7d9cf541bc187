"""What a token carries: by hand, and against an oracle that walks every path."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given

from duetto.kernel.liveness import after, live, reads
from duetto.model import expression as ex
from duetto.model.definition import (
    END,
    RESUME,
    Assign,
    Bind,
    Branch,
    Choice,
    Handler,
    Parallel,
    Raise,
    Region,
    Return,
    Scope,
    Task,
    Unpack,
)
from tests.kernel.graphs import (
    LETTERS,
    Finally,
    If,
    Leave,
    Simple,
    Statement,
    Try,
    While,
    blocks,
    call,
    region_of,
)


def name(id: str) -> ex.Name:
    return ex.Name(id)


def texts(sets: tuple[frozenset[str], ...]) -> list[str]:
    """Return each set as its sorted letters."""
    return ["".join(sorted(item)) for item in sets]


def test_a_sequence_drops_what_is_no_longer_read() -> None:
    region = Region(
        (call("b", "a", next=1), call("c", "b", next=2), call("d", "a", next=3), Return(name("c")))
    )
    assert texts(live(region)) == ["a", "ab", "ac", "c"]
    assert texts(after(region)) == ["a", "a", "c", ""]


def test_both_branches_of_a_choice_count() -> None:
    region = Region(
        (Choice(name("a"), otherwise=2, next=1), call("", "b", next=3), call("c", next=3),
         Return(name("c")))
    )  # fmt: skip
    assert texts(live(region)) == ["abc", "bc", "", "c"]


def test_a_loop_keeps_its_hidden_variables_and_what_its_next_turn_reads() -> None:
    region = Region(
        (
            Choice(ex.More("s", "i"), otherwise=4, next=1),
            Assign(ex.Element("s", "i"), Bind("x"), next=2),
            call("total", "x", "total", next=3),
            Assign(ex.Binary("+", name("i"), ex.Const(1)), Bind("i"), next=0),
            Return(name("total")),
        )
    )
    assert {"i", "s", "total"} == set(live(region)[0]) == set(after(region)[2]) | {"total"}
    assert set(after(region)[4]) == set()


def test_what_a_handler_reads_is_live_throughout_the_try() -> None:
    region = Region(
        (
            Scope("try", handlers=(Handler(("E",), 3, "e"),), next=1),
            call("b", next=2, scope=0),
            call("", "b", next=4, scope=0),
            call("", "h", "e", "b", next=4),
            Return(ex.Const(None)),
        )
    )
    assert texts(live(region)) == ["bh", "bh", "bh", "beh", ""]
    assert texts(after(region)) == ["bh", "bh", "bh", "", ""]


def finally_region() -> Region:
    return Region(
        (
            Scope("finally", final=3, next=1),
            call("b", next=2, scope=0),
            Assign(name("b"), Bind("c"), next=5, scope=0),
            Scope("final", next=4),
            call("", "f", next=RESUME, scope=3),
            Return(name("c")),
        )
    )


def test_a_finally_body_keeps_what_is_read_after_it() -> None:
    assert texts(live(finally_region())) == ["cf", "cf", "bcf", "cf", "cf", "c"]
    assert texts(after(finally_region()))[4] == "c"


def test_a_finally_inside_a_try_keeps_what_the_handler_reads() -> None:
    region = Region(
        (
            Scope("try", handlers=(Handler(("E",), 5),), next=1),
            Scope("finally", final=3, next=2, scope=0),
            call("", next=END, scope=1),
            Scope("final", next=4, scope=0),
            call("", next=RESUME, scope=3),
            Return(name("h")),
        )
    )
    assert texts(after(region)) == ["h", "h", "h", "h", "h", ""]


def test_arguments_of_branches_and_unpacked_targets_count() -> None:
    fork = Parallel((Branch(1, (name("a"),)), Branch(2, (name("b"),))), Bind("p"), next=1)
    split = Assign(name("p"), Unpack((Bind("x"), Unpack((Bind("y"),)))), next=2)
    region = Region((fork, split, Return(ex.Display("tuple", (name("x"), name("y"), name("z"))))))
    assert texts(live(region)) == ["abz", "pz", "xyz"]
    assert texts(after(region)) == ["z", "z", ""]


def test_names_of_a_comprehension_are_no_variables() -> None:
    loop = ex.Loop(
        ex.Target("x"), name("xs"), (ex.Compare(ex.Name("x", True), ((">", name("m")),)),)
    )
    assert reads(ex.Comprehension("list", ex.Name("x", True), (loop,))) == {"xs", "m"}


# The oracle: a walk over the states of a region, with what is pending written down.

State = tuple[int, tuple[tuple[int, int], ...]]
"""A node, and for each `final` scope under way what comes after it: an edge, or an error."""

RAISING, RETURNING = -10, -11


def leaving(
    region: Region, at: int, to: int, pending: tuple[tuple[int, int], ...]
) -> Iterator[State]:
    """Yield the states that follow when the token at a node leaves for an edge or with an error."""
    open_finals = dict(pending)
    scopes = [at] if isinstance(region.nodes[at], Scope) and to >= 0 else []
    scope = region.nodes[at].scope
    while scope != -1:
        scopes.append(scope)
        scope = region.nodes[scope].scope
    target_scopes: set[int] = set()
    scope = region.nodes[to].scope if to >= 0 else -1
    while scope != -1:
        target_scopes.add(scope)
        scope = region.nodes[scope].scope
    for scope in scopes:
        if scope in target_scopes:
            break
        node = region.nodes[scope]
        assert isinstance(node, Scope)
        open_finals.pop(scope, None)
        if to == RAISING and node.kind == "try":
            for handler in node.handlers:
                yield handler.next, tuple(open_finals.items())
        if node.kind == "finally":
            yield node.final, (*open_finals.items(), (node.final, to))
            return
    if to >= 0:
        yield to, tuple(open_finals.items())


def successors(region: Region, state: State) -> Iterator[tuple[State, frozenset[str]]]:
    """Yield each next state with the variables that were written on the way."""
    at, pending = state
    node = region.nodes[at]
    if not isinstance(node, Scope):
        for after_error in leaving(region, at, RAISING, pending):
            yield after_error, frozenset({caught_as(region, after_error[0])}) - {""}
    if isinstance(node, Raise):
        return
    if isinstance(node, Return):
        yield from ((state, frozenset()) for state in leaving(region, at, RETURNING, pending))
        return
    written = (
        frozenset({node.into.name}) if isinstance(node, Task) and node.into else frozenset[str]()
    )
    for edge in (node.next, node.otherwise) if isinstance(node, Choice) else (node.next,):
        target = dict(pending)[node.scope] if edge == RESUME else edge
        for following in leaving(region, at, target, pending):
            caught = caught_as(region, following[0]) if target == RAISING else ""
            yield following, written | ({caught} - {""})


def caught_as(region: Region, entry: int) -> str:
    """Return the name that the handler at this node binds."""
    for node in region.nodes:
        for handler in node.handlers if isinstance(node, Scope) else ():
            if handler.next == entry:
                return handler.into
    return ""


def oracle(region: Region) -> dict[int, set[str]]:
    """Return for each node that can be reached what some path from it reads before writing it."""
    graph: dict[State, list[tuple[State, frozenset[str]]]] = {}
    todo: list[State] = [(0, ())]
    while todo:
        state = todo.pop()
        if state not in graph:
            graph[state] = list(successors(region, state))
            todo += [target for target, _ in graph[state]]
    found: dict[int, set[str]] = {}
    for state in graph:
        for letter in LETTERS:
            if is_read(region, graph, state, letter):
                found.setdefault(state[0], set()).add(letter)
    return found


def is_read(
    region: Region,
    graph: dict[State, list[tuple[State, frozenset[str]]]],
    start: State,
    letter: str,
) -> bool:
    todo, seen = [start], {start}
    while todo:
        state = todo.pop()
        if letter in reads(region.nodes[state[0]]):
            return True
        more = {to for to, written in graph[state] if letter not in written} - seen
        seen |= more
        todo += more
    return False


@given(blocks(2))
def test_property_whatever_a_path_reads_is_live(block: tuple[Statement, ...]) -> None:
    region = region_of(block)
    known, exact = live(region), oracle(region)
    for index, letters in exact.items():
        assert letters <= known[index], (index, region)


@given(blocks(2))
def test_property_without_finally_nothing_else_is_live(block: tuple[Statement, ...]) -> None:
    region = region_of(without_finally(block))
    known, exact = live(region), oracle(region)
    for index, letters in exact.items():
        assert letters == known[index], (index, region)


def without_finally(block: tuple[Statement, ...]) -> tuple[Statement, ...]:
    """Return the block with each `finally` replaced by its body."""
    return tuple(plain for statement in block for plain in plainly(statement))


def plainly(statement: Statement) -> Iterator[Statement]:
    plain = without_finally
    match statement:
        case Finally(body=body):
            yield from plain(body)
        case If(read=read, then=then, otherwise=otherwise):
            yield If(read, plain(then), plain(otherwise))
        case While(read=read, body=body):
            yield While(read, plain(body))
        case Try(body=body, handler=handler, into=into):
            yield Try(plain(body), plain(handler), into)
        case Simple() | Leave():
            yield statement
