"""Statements that hold others: choices, loops, errors, and the scopes of `async with`."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from msgspec import structs

from duetto.authoring.compiler import errors_caught
from duetto.authoring.compiler.awaiting import constants, exactly
from duetto.authoring.compiler.names import written_in
from duetto.authoring.compiler.refusals import IN_FINALLY, STATEMENTS, Advice
from duetto.authoring.compiler.regions import FINAL, OTHERWISE, Draft, Ends, Loop
from duetto.authoring.compiler.straight import Caught, Straight, is_word
from duetto.errors import DefinitionError
from duetto.model.definition import END, RESUME, Assign, Bind, Choice, Handler, Scope
from duetto.model.expression import Binary, Const, Element, More, Name

ALWAYS_EMITS = (ast.Assign, ast.AugAssign, ast.If, ast.For, ast.Return, ast.Raise, ast.AsyncWith)
"""Statements that are never without a node, so that a loop can go back to it."""


@dataclass
class Blocks:
    """Emits the nodes of all statements; errors are collected, one for each statement."""

    straight: Straight
    errors: list[DefinitionError] = field(default_factory=list[DefinitionError])
    finals: list[int] = field(default_factory=list[int])
    """For each `finally` around: how many loops there were outside of it."""

    def __post_init__(self) -> None:
        self.region = self.straight.region
        self.translator = self.straight.translator
        self.source = self.translator.source

    def block(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            try:
                self.statement(statement)
            except DefinitionError as error:
                self.errors.append(error)

    def statement(self, node: ast.stmt) -> None:
        if advice := STATEMENTS.get(type(node)):
            self.source.refuse(node, advice)
        match node:
            case ast.Assign():
                self.straight.assign(node)
            case ast.AnnAssign():
                self.straight.annotate(node)
            case ast.AugAssign():
                self.straight.augment(node)
            case ast.Expr():
                self.straight.expression(node)
            case ast.Return():
                self.refuse_in_finally(node, "return", bool(self.finals))
                self.straight.end(node)
            case ast.Raise():
                self.straight.throw(node)
            case ast.Assert():
                self.straight.claim(node)
            case ast.If():
                self.choose(node)
            case ast.While():
                self.repeat(node)
            case ast.For():
                self.walk(node)
            case ast.Break() | ast.Continue():
                self.jump(node)
            case ast.Try():
                self.protect(node)
            case ast.AsyncWith():
                self.enter(node, node.items)
            case ast.Pass():
                pass
            case _:
                self.source.refuse(node, UNKNOWN_STATEMENT)

    def refuse_in_finally(self, node: ast.stmt, word: str, inside: bool) -> None:
        if inside:
            message, expected, do = IN_FINALLY
            self.source.refuse(node, Advice(message.format(word), expected, do.format(word)))

    def choose(self, node: ast.If) -> None:
        choice = self.region.emit(Choice(self.translator.translate(node.test), END), node.test)
        self.block(node.body)
        then, self.region.ends = self.region.ends, [(choice, OTHERWISE)]
        self.block(node.orelse)
        self.region.ends = then + self.region.ends

    def repeat(self, node: ast.While) -> None:
        """Emit a `while` loop; one without end needs no test."""
        head = self.region.head
        endless = isinstance(node.test, ast.Constant) and bool(node.test.value)
        left: Ends = []
        if not (endless and isinstance(node.body[0], ALWAYS_EMITS)):
            test = self.translator.translate(node.test)
            choice = self.region.emit(Choice(test, END), node.test)
            left = [] if endless else [(choice, OTHERWISE)]
            if endless:
                choice.edges[OTHERWISE] = END
        self.loop(Loop(head), node.body, node.orelse, left)

    def loop(self, loop: Loop, body: list[ast.stmt], otherwise: list[ast.stmt], left: Ends) -> None:
        """Emit the body, the edge back, and `else`, which `break` jumps over."""
        self.region.loops.append(loop)
        self.block(body)
        self.region.connect(loop.head)
        self.region.loops.pop()
        self.region.ends = left
        self.block(otherwise)
        self.region.ends = self.region.ends + loop.breaks

    def walk(self, node: ast.For) -> None:
        """Emit a `for` loop as a walk over stored items by index."""
        items = self.region.variable()
        index = f"{items}i"
        target = self.straight.target(node.target)
        source = self.translator.translate(node.iter)
        self.region.emit(Assign(source, Bind(items)), node, walks=True)
        self.region.emit(Assign(Const(0), Bind(index)), node)
        more = self.region.emit(Choice(More(items, index), END), node)
        declared = self.straight.annotated.get(target.name) if isinstance(target, Bind) else None
        self.region.emit(Assign(Element(items, index), target), node, declared=declared)
        step = Binary("+", Name(index), Const(1))
        self.region.emit(Assign(step, Bind(index)), node)
        head = more.index
        self.loop(Loop(head), node.body, node.orelse, [(more, OTHERWISE)])

    def jump(self, node: ast.Break | ast.Continue) -> None:
        """Leave an edge to the end or the head of the loop around."""
        loops = self.region.loops
        word = "break" if isinstance(node, ast.Break) else "continue"
        self.refuse_in_finally(node, word, bool(self.finals) and len(loops) == self.finals[-1])
        if isinstance(node, ast.Break):
            loops[-1].breaks += self.region.ends
        else:
            self.region.connect(loops[-1].head)
        self.region.ends = []

    def protect(self, node: ast.Try) -> None:
        """Emit `try`: a finally scope around a try scope, where there are such."""
        if all(is_empty(statement) for statement in node.finalbody):
            self.attempt(node)
            return
        outer = self.region.emit(Scope("finally"), node)
        with self.region.inside(outer.index):
            self.attempt(node)
        after = self.region.ends
        self.finally_body(node, outer)
        self.region.ends = after

    def finally_body(self, node: ast.Try, outer: Draft) -> None:
        """Emit the body of `finally` in a scope of its own, which ends with RESUME."""
        self.region.ends = [(outer, FINAL)]
        final = self.region.emit(Scope("final"), node.finalbody[0])
        self.finals.append(len(self.region.loops))
        with self.region.inside(final.index):
            self.block(node.finalbody)
            self.region.connect(RESUME)
        self.finals.pop()

    def attempt(self, node: ast.Try) -> None:
        """Emit the body, `else`, and the handlers, which stand outside of the try scope."""
        if not node.handlers:
            self.block([*node.body, *node.orelse])
            return
        scope = self.region.emit(Scope("try"), node)
        with self.region.inside(scope.index):
            self.block(node.body)
        self.block(node.orelse)
        ends, handlers = self.region.ends, list[Handler]()
        for number, handler in enumerate(node.handlers):
            self.region.ends = [(scope, f"handler {number}")]
            handlers.append(self.handler(handler))
            ends = ends + self.region.ends
        scope.node = structs.replace(scope.node, handlers=tuple(handlers))
        self.region.ends = ends

    def handler(self, node: ast.ExceptHandler) -> Handler:
        """Emit the body of `except`; a bare `raise` in it needs a variable that nobody writes."""
        types = self.caught_types(node)
        caught, name = Caught(node.name or ""), node.name or ""
        if name and name in written_in(node.body):
            caught = Caught(self.region.variable())
            self.region.emit(Assign(Name(caught.name), Bind(name)), node.body[0])
        self.straight.caught.append(caught)
        self.block(node.body)
        self.straight.caught.pop()
        return Handler(types, END, caught.name)

    def caught_types(self, node: ast.ExceptHandler) -> tuple[str, ...]:
        try:
            return errors_caught.types(node, self.translator)
        except DefinitionError as error:
            self.errors.append(error)
            return ()

    def enter(self, node: ast.AsyncWith, items: list[ast.withitem]) -> None:
        """Emit the scopes of `async with`, the first around the others."""
        if not items:
            self.block(node.body)
            return
        scope = self.region.emit(self.scope(items[0]), items[0].context_expr)
        with self.region.inside(scope.index):
            self.enter(node, items[1:])

    def scope(self, item: ast.withitem) -> Scope:
        call = item.context_expr
        if item.optional_vars is not None:
            self.source.refuse(item.optional_vars, NO_AS)
        match call:
            case ast.Call(func=func, args=[]) if is_word(func, "saga", self.translator):
                options = constants(call, self.translator, {"keep": bool})
                return Scope("saga", keep=bool(options.get("keep", True)))
            case ast.Call(func=func) if is_word(func, "timeout", self.translator):
                [seconds] = exactly(call, self.translator, 1, "timeout")
                return Scope("timeout", seconds=self.translator.translate(seconds))
            case _:
                self.source.refuse(call, OTHER_CONTEXT)


def is_empty(node: ast.stmt) -> bool:
    """Is this a statement without a node?"""
    return isinstance(node, ast.Pass) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


UNKNOWN_STATEMENT = Advice(
    "This statement is not part of the workflow language.",
    "assignments, if, for, while, try, raise, return, await and async with",
    "move it into a function of the module",
)
NO_AS = Advice(
    "`as` is refused here: the scope is no value that could be stored.",
    "`async with saga():` or `async with timeout(seconds):`",
    "leave `as …` out",
)
OTHER_CONTEXT = Advice(
    "`async with` of anything else is refused: what it opens does not survive a crash.",
    "`async with saga():` or `async with timeout(seconds):`",
    "open the resource inside a task",
)
