"""Statements that run straight through: assignments, calls, return, raise and assert."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from duetto.authoring.compiler import calls
from duetto.authoring.compiler.annotations import evaluate
from duetto.authoring.compiler.awaiting import Awaitables, Awaited, emit_awaited, exactly, here
from duetto.authoring.compiler.callees import kind, word
from duetto.authoring.compiler.expressions import BINARY, Translator
from duetto.authoring.compiler.lattice import UNKNOWN
from duetto.authoring.compiler.regions import OTHERWISE, RegionDraft
from duetto.errors import DefinitionError
from duetto.model.definition import (
    END,
    Assign,
    Bind,
    Choice,
    Emit,
    Raise,
    Return,
    Unpack,
    Wait,
)
from duetto.model.expression import (
    Attribute,
    Binary,
    Call,
    Const,
    Expr,
    Name,
    Symbol,
)


@dataclass
class Caught:
    """The error of an `except` around, and the variable that holds it once it is needed."""

    name: str


@dataclass
class Straight:
    """Emits the nodes of simple statements into one region."""

    region: RegionDraft
    translator: Translator
    awaitables: Awaitables
    returns: Any
    caught: list[Caught] = field(default_factory=list[Caught])
    annotated: dict[str, Any] = field(default_factory=dict[str, Any])

    def awaited(self, node: ast.Await) -> Awaited:
        return self.awaitables.awaited(node.value, self.translator, here)

    def assign(self, node: ast.Assign) -> None:
        match node.targets, node.value:
            case [ast.Name(id=name)], ast.Await() as awaited:
                self.emit_await(self.awaited(awaited), node, name)
            case [ast.Name(id=name)], value:
                self.write(Bind(name), self.value(value), node, self.annotated.get(name))
            case [ast.Tuple() | ast.List() as target], value if not isinstance(value, ast.Await):
                self.write(self.target(target), self.value(value), node, None)
            case targets, value:
                self.assign_each(targets, value, node)

    def assign_each(self, targets: list[ast.expr], value: ast.expr, node: ast.Assign) -> None:
        """Write several targets, or the parts of an awaited value, through a hidden variable."""
        written = [self.target(target) for target in targets]
        hidden = self.region.variable()
        if isinstance(value, ast.Await):
            self.emit_await(self.awaited(value), node, hidden)
        else:
            self.write(Bind(hidden), self.value(value), node, None)
        for target in written:
            declared = self.annotated.get(target.name) if isinstance(target, Bind) else None
            self.write(target, Name(hidden), node, declared)

    def annotate(self, node: ast.AnnAssign) -> None:
        """Write a variable with its type; an annotation holds for later assignments too."""
        if not isinstance(node.target, ast.Name):
            raise self.in_place(node.target)
        names, source = self.translator.names, self.translator.source
        self.annotated[node.target.id] = declared = evaluate(node.annotation, names, source)
        match node.value:
            case None:
                pass
            case ast.Await() as awaited:
                self.emit_await(self.awaited(awaited), node, node.target.id)
            case value:
                self.write(Bind(node.target.id), self.value(value), node, declared)

    def augment(self, node: ast.AugAssign) -> None:
        if not isinstance(node.target, ast.Name):
            raise self.in_place(node.target)
        name = node.target.id
        value = Binary(BINARY[type(node.op)], Name(name), self.translator.translate(node.value))
        declared = self.annotated.get(name)
        self.region.emit(Assign(value, Bind(name)), node, declared=declared, augmented=True)

    def write(self, target: Bind | Unpack, value: Expr, node: ast.stmt, declared: Any) -> None:
        self.region.emit(Assign(value, target), node, declared=declared)

    def emit_await(self, awaited: Awaited, node: ast.stmt, into: str) -> None:
        emit_awaited(self.region, awaited, node, into, self.annotated.get(into))

    def value(self, node: ast.expr) -> Expr:
        """Return an expression whose value can be stored."""
        expr = self.translator.translate(node)
        thing = self.translator.names.found.get(expr.name) if isinstance(expr, Symbol) else None
        if callable(thing):
            raise self.translator.source.refusal(
                node,
                f"`{ast.unparse(node)}` is a function or class: it is no value to be stored.",
                expected="a value of data",
                do="call it, or name it where it is needed",
            )
        return expr

    def target(self, node: ast.expr) -> Bind | Unpack:
        """Return what an assignment writes; parts of values cannot be written."""
        match node:
            case ast.Name(id=name):
                return Bind(name)
            case ast.Tuple(elts=items) | ast.List(elts=items) if items:
                stars = [i for i, item in enumerate(items) if isinstance(item, ast.Starred)]
                inner = [item.value if isinstance(item, ast.Starred) else item for item in items]
                return Unpack(tuple(map(self.target, inner)), stars[0] if stars else -1)
            case _:
                raise self.in_place(node)

    def in_place(self, node: ast.expr) -> DefinitionError:
        """Return the error for a target that is a part of a value."""
        source = self.translator.source
        match node:
            case ast.Subscript(value=value, slice=index):
                name, key = source.snippet(value), source.snippet(index)
                do = f"write `{name} = {{**{name}, {key}: …}}`, or a list with the new item"
            case ast.Attribute(value=value, attr=field):
                name = source.snippet(value)
                do = f"build a new value: `{name} = replace({name}, {field}=…)`"
            case _:
                do = "assign to names"
        return source.refusal(
            node,
            "An assignment to a part changes its value in place: a crash would show through.",
            expected="an assignment to a variable",
            do=do,
        )

    def expression(self, node: ast.Expr) -> None:
        """Run a statement whose value is dropped."""
        match node.value:
            case ast.Constant(value=value) if value is ... or isinstance(value, str):
                return
            case ast.Await() as awaited:
                self.emit_await(self.awaited(awaited), node, "")
            case ast.Call() as call if self.is_emit(call):
                [event] = exactly(call, self.translator, 1, "emit")
                self.region.emit(Emit(self.translator.translate(event)), node)
            case ast.Call() as call:
                self.dropped(call, node)
            case value:
                self.translator.translate(value)
                raise self.pointless(value)

    def is_emit(self, node: ast.Call) -> bool:
        try:
            thing = self.translator.names.resolve(node.func, self.translator.local)
        except DefinitionError:
            return False
        return thing is not None and word(thing.value) == "emit"

    def dropped(self, call: ast.Call, node: ast.Expr) -> None:
        """Call a function for what it does; a method of a variable could only change it."""
        expr = self.translator.translate(call)
        assert isinstance(expr, Call)
        function = expr.function
        while isinstance(function, Attribute):
            function = function.value
        rooted = isinstance(function, Symbol)
        if not rooted and isinstance(call.func, ast.Attribute) and call.func.attr in calls.MUTATING:
            raise calls.mutation(self.translator.source, call, call.func.value, call.func.attr)
        found = (
            self.translator.names.found.get(function.name) if isinstance(function, Symbol) else None
        )
        builtin = isinstance(function, Symbol) and ":" not in function.name and found is not print
        if not isinstance(function, Symbol) or isinstance(found, type) or builtin:
            raise self.pointless(call)
        self.region.emit(Assign(expr), node)

    def pointless(self, node: ast.expr) -> DefinitionError:
        return self.translator.source.refusal(
            node,
            "The value of this expression is dropped.",
            expected="an assignment, an `await`, `emit(...)` or a call of a function of a module",
            do="assign the value to a variable, or leave the line out",
        )

    def end(self, node: ast.Return) -> None:
        match node.value:
            case None:
                value: Expr = Const(None)
            case ast.Await() as awaited:
                value = self.awaited_value(self.awaited(awaited), node)
            case given:
                value = self.translator.translate(given)
        self.region.emit(Return(value), node, declared=self.returns)

    def awaited_value(self, awaited: Awaited, node: ast.stmt) -> Expr:
        if isinstance(awaited.node, Wait):
            self.emit_await(awaited, node, "")
            return Const(None)
        hidden = self.region.variable()
        self.emit_await(awaited, node, hidden)
        return Name(hidden)

    def throw(self, node: ast.Raise) -> None:
        if node.exc is None:
            self.region.emit(Raise(Name(self.caught_variable(node))), node)
            return
        error = self.translator.translate(node.exc)
        cause = None if node.cause is None else self.translator.translate(node.cause)
        self.check_raised(node.exc)
        self.region.emit(Raise(error, cause), node)

    def check_raised(self, node: ast.expr) -> None:
        """Refuse what Python would refuse when it gets there."""
        func = node.func if isinstance(node, ast.Call) else node
        thing = self.translator.names.resolve(func, self.translator.local)
        found = UNKNOWN if thing is None else thing.value
        wrong = isinstance(found, type) and not issubclass(found, Exception)
        if wrong and found is not UNKNOWN:
            raise self.translator.source.refusal(
                node,
                f"`{ast.unparse(func)}` is not an error that a workflow can raise.",
                expected="a subclass of Exception",
                do="raise an Exception of your own",
            )

    def caught_variable(self, node: ast.Raise) -> str:
        """Return the variable of the error that a bare `raise` raises again."""
        if not self.caught:
            raise self.translator.source.refusal(
                node,
                "`raise` without an error stands only in `except`.",
                expected="`raise Error(...)`",
                do="name the error",
            )
        if not self.caught[-1].name:
            self.caught[-1].name = self.region.variable()
        return self.caught[-1].name

    def claim(self, node: ast.Assert) -> None:
        """Raise AssertionError where the test is false."""
        test = self.region.emit(Choice(self.translator.translate(node.test), END), node)
        holds, self.region.ends = self.region.ends, [(test, OTHERWISE)]
        message = () if node.msg is None else (self.translator.translate(node.msg),)
        self.region.emit(Raise(Call(Symbol("AssertionError"), message)), node)
        self.region.ends = holds


def is_word(node: ast.expr, name: str, translator: Translator) -> bool:
    """Is this the name of a word of the workflow language?"""
    thing = translator.names.resolve(node, translator.local)
    return thing is not None and kind(thing.value) == "word" and word(thing.value) == name
