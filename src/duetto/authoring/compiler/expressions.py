"""Expressions of Python as trees of the closed language, in Python's order of evaluation."""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass, field, replace

from duetto.authoring.compiler import calls
from duetto.authoring.compiler.names import Names
from duetto.authoring.compiler.refusals import EXPRESSIONS
from duetto.authoring.compiler.source import Source
from duetto.model.expression import (
    Attribute,
    Binary,
    Call,
    Compare,
    Comprehension,
    Const,
    Display,
    Expr,
    Format,
    IfElse,
    Item,
    Lambda,
    Logic,
    Loop,
    Mapping,
    Name,
    Slice,
    Starred,
    Symbol,
    Target,
    Text,
    Unary,
)

INTEGER_BITS = 64
"""What every codec and store can keep exactly."""

UNARY: dict[type[ast.unaryop], str] = {
    ast.Not: "not",
    ast.USub: "-",
    ast.UAdd: "+",
    ast.Invert: "~",
}
BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.MatMult: "@",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
    ast.LShift: "<<",
    ast.RShift: ">>",
}
COMPARE: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
}


@dataclass(frozen=True)
class Translator:
    """Translates expressions where the variables `local` of comprehensions are in reach."""

    source: Source
    names: Names
    local: frozenset[str] = frozenset()
    origins: list[tuple[Expr, ast.expr]] = field(default_factory=list[tuple[Expr, ast.expr]])
    """Where each attribute and call came from, for what is found out about types later."""

    def inside(self, names: frozenset[str]) -> Translator:
        return replace(self, local=self.local | names)

    def optional(self, node: ast.expr | None) -> Expr | None:
        return None if node is None else self.translate(node)

    def all(self, nodes: list[ast.expr]) -> tuple[Expr, ...]:
        return tuple(self.translate(node) for node in nodes)

    def translate(self, node: ast.expr) -> Expr:
        """Return the tree of an expression; raises DefinitionError for what has none."""
        if advice := EXPRESSIONS.get(type(node)):
            self.source.refuse(node, advice)
        match node:
            case ast.Constant():
                return self.constant(node)
            case ast.Name() | ast.Attribute():
                return self.named(node)
            case ast.Call():
                return self.kept(self.call(node), node)
            case ast.BinOp(left=left, op=op, right=right):
                return Binary(BINARY[type(op)], self.translate(left), self.translate(right))
            case ast.Compare():
                return self.compare(node)
            case ast.UnaryOp(op=op, operand=operand):
                return self.unary(UNARY[type(op)], operand)
            case ast.BoolOp(op=op, values=values):
                return Logic("and" if isinstance(op, ast.And) else "or", self.all(values))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return IfElse(*self.all([test, body, orelse]))
            case ast.Subscript(value=value, slice=index):
                return Item(self.translate(value), self.translate(index))
            case ast.Slice(lower=lower, upper=upper, step=step):
                return Slice(self.optional(lower), self.optional(upper), self.optional(step))
            case ast.Tuple(elts=items):
                return Display("tuple", self.all(items))
            case ast.List(elts=items):
                return Display("list", self.all(items))
            case ast.Set(elts=items):
                return Display("set", self.all(items))
            case ast.Starred(value=value):
                return Starred(self.translate(value))
            case ast.Dict(keys=keys, values=values):
                pairs = zip(keys, values, strict=True)
                return Mapping(tuple((self.optional(k), self.translate(v)) for k, v in pairs))
            case ast.JoinedStr(values=parts):
                return Text(self.all(parts))
            case ast.FormattedValue():
                return self.format(node)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self.kept(self.comprehension(node), node)
            case ast.Lambda():
                raise self.lambda_refused(node)
            case _:
                raise self.source.refusal(
                    node,
                    f"`{type(node).__name__}` is not part of the workflow language.",
                    expected="an expression of names, constants, operators, calls and displays",
                    do="move it into a function of the module",
                )

    def kept(self, expr: Expr, node: ast.expr) -> Expr:
        self.origins.append((expr, node))
        return expr

    def constant(self, node: ast.Constant) -> Expr:
        value = node.value
        match value:
            case None | bool() | bytes():
                return Const(value)
            case int() if -(2 ** (INTEGER_BITS - 1)) <= value < 2 ** (INTEGER_BITS - 1):
                return Const(value)
            case float() if math.isfinite(value):
                return Const(value)
            case str() if not any("\ud800" <= letter <= "\udfff" for letter in value):
                return Const(value)
            case _:
                raise self.source.refusal(
                    node,
                    f"A constant of this kind cannot be stored: {unstorable(value)}.",
                    expected="None, a bool, an integer of 64 bits, a finite float, text or bytes",
                    do="compute it in a function of the module",
                )

    def unary(self, op: str, operand: ast.expr) -> Expr:
        """Return `-1` as the constant that it is; the smallest integer has no positive form."""
        match operand:
            case ast.Constant(value=int() | float() as value) if op == "-" and value is not True:
                return self.constant(ast.copy_location(ast.Constant(-value), operand))
            case _:
                return Unary(op, self.translate(operand))

    def named(self, node: ast.Name | ast.Attribute) -> Expr:
        """Return a variable, a symbol of the module, or an attribute of a value."""
        if (thing := self.names.resolve(node, self.local)) is not None:
            calls.refuse_as_value(self.source, node, thing.value)
            self.names.check_reach(node, thing)
            return self.kept(Symbol(thing.symbol), node)
        if isinstance(node, ast.Name):
            return Name(node.id, local=node.id in self.local)
        calls.check_attribute(self.source, node)
        return self.kept(Attribute(self.translate(node.value), node.attr), node)

    def call(self, node: ast.Call) -> Expr:
        func = node.func
        thing = self.names.resolve(func, self.local)
        if isinstance(func, ast.Subscript) and self.is_class(func.value):
            # `list[int]()`: the arguments of a generic are for type checkers.
            func = func.value
            thing = self.names.resolve(func, self.local)
        if thing is not None:
            calls.refuse_as_call(self.source, node, thing.value)
            self.names.check_reach(func, thing)
            function: Expr = self.kept(Symbol(thing.symbol), func)
        elif isinstance(node.func, ast.Attribute):
            calls.check_attribute(self.source, node.func)
            value = self.translate(node.func.value)
            function = self.kept(Attribute(value, node.func.attr), node.func)
        else:
            raise calls.not_callable(self.source, node)
        return Call(function, self.arguments(node.args), self.keywords(node.keywords))

    def is_class(self, node: ast.expr) -> bool:
        thing = self.names.resolve(node, self.local)
        return thing is not None and isinstance(thing.value, type)

    def arguments(self, nodes: list[ast.expr]) -> tuple[Expr, ...]:
        return tuple(self.argument(node) for node in nodes)

    def keywords(self, nodes: list[ast.keyword]) -> tuple[tuple[str, Expr], ...]:
        """Return keywords in their order; an empty name spreads a mapping."""
        return tuple((node.arg or "", self.argument(node.value)) for node in nodes)

    def argument(self, node: ast.expr) -> Expr:
        """Return an argument of a call, which may be a `lambda`."""
        if not isinstance(node, ast.Lambda):
            return self.translate(node)
        given = node.args
        if given.defaults or given.vararg or given.kwarg or given.kwonlyargs or given.posonlyargs:
            raise self.source.refusal(
                node,
                "A `lambda` in a workflow takes plain parameters only.",
                expected="`lambda x, y: …` without defaults and stars",
                do="write a function in the module",
            )
        names = tuple(argument.arg for argument in given.args)
        return Lambda(names, self.inside(frozenset(names)).translate(node.body))

    def lambda_refused(self, node: ast.Lambda) -> Exception:
        return self.source.refusal(
            node,
            "A `lambda` is no value that could be stored.",
            expected="a `lambda` as an argument of a call, as in `sorted(x, key=lambda y: …)`",
            do="write a function in the module",
        )

    def compare(self, node: ast.Compare) -> Expr:
        for op, operand in zip(node.ops, node.comparators, strict=True):
            identity = isinstance(op, ast.Is | ast.IsNot)
            if identity and not is_singleton(operand) and not is_singleton(node.left):
                raise self.source.refusal(
                    node,
                    "`is` compares identities, and a stored value comes back as another object.",
                    expected="`is` with None, True or False",
                    do="write `==`" if isinstance(op, ast.Is) else "write `!=`",
                )
        first, *rest = self.all([node.left, *node.comparators])
        ops = [COMPARE[type(op)] for op in node.ops]
        return Compare(first, tuple(zip(ops, rest, strict=True)))

    def format(self, node: ast.FormattedValue) -> Expr:
        conversion = "" if node.conversion < 0 else chr(node.conversion)
        return Format(self.translate(node.value), conversion, self.optional(node.format_spec))

    def comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
    ) -> Expr:
        """Return a comprehension; its first iterable sees the variables outside of it."""
        loops, inner = self.loops(node.generators)
        match node:
            case ast.DictComp(key=key, value=value):
                first = inner.translate(key)
                return Comprehension("dict", inner.translate(value), loops, first)
            case ast.ListComp(elt=element):
                return Comprehension("list", inner.translate(element), loops)
            case ast.SetComp(elt=element):
                return Comprehension("set", inner.translate(element), loops)
            case ast.GeneratorExp(elt=element):
                return Comprehension("generator", inner.translate(element), loops)

    def loops(self, nodes: list[ast.comprehension]) -> tuple[tuple[Loop, ...], Translator]:
        """Return the loops of a comprehension and the translator of what stands inside."""
        inner, loops = self, list[Loop]()
        for node in nodes:
            if node.is_async:
                raise self.source.refusal(
                    node.iter,
                    "`async for` is refused: a stream has no place that could be stored.",
                    expected="`for` over a collection",
                    do="collect the items in a task first",
                )
            items = inner.translate(node.iter)
            inner = inner.inside(names_of(node.target))
            target = self.target(node.target)
            loops.append(Loop(target, items, inner.all(node.ifs)))
        return tuple(loops), inner

    def target(self, node: ast.expr) -> Target:
        """Return a name or pattern that a comprehension writes."""
        match node:
            case ast.Name(id=name):
                return Target(name)
            case ast.Tuple(elts=items) | ast.List(elts=items) if items:
                stars = [i for i, item in enumerate(items) if isinstance(item, ast.Starred)]
                inner = [item.value if isinstance(item, ast.Starred) else item for item in items]
                return Target("", tuple(map(self.target, inner)), stars[0] if stars else -1)
            case _:
                raise self.source.refusal(
                    node,
                    "A comprehension writes plain names.",
                    expected="a name, or names in parentheses",
                    do="name the item, then use its parts",
                )


def names_of(target: ast.expr) -> frozenset[str]:
    """Return the names that a target writes."""
    return frozenset(node.id for node in ast.walk(target) if isinstance(node, ast.Name))


def is_singleton(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool))


def unstorable(value: object) -> str:
    """Return why a constant cannot be kept."""
    match value:
        case int():
            return f"an integer beyond {INTEGER_BITS} bits"
        case float():
            return "a float that is not finite"
        case str():
            return "text with half of a surrogate pair"
        case _ if value is ...:
            return "`...`"
        case _:
            return f"a {type(value).__name__}"
