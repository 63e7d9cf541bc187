"""Definitions as text, so that a test shows the whole graph that it expects."""

from __future__ import annotations

from typing import Any

from duetto.model import definition as d
from duetto.model import expression as e

EDGES = {d.END: "end", d.RESUME: "resume"}


def graph(definition: d.Definition, region: int = 0) -> str:
    """Return one line for each node: `index scope| what -> next`."""
    shown = Shown(definition)
    nodes = definition.regions[region].nodes
    return "\n".join(shown.line(index, node) for index, node in enumerate(nodes))


def parameters(definition: d.Definition, region: int = 0) -> str:
    """Return the parameters of a region with their types."""
    shown = Shown(definition)
    return ", ".join(
        shown.bind(d.Bind(p.name, p.type)) + (f" = {text(p.default)}" if p.default else "")
        for p in definition.regions[region].parameters
    )


class Shown:
    """Shows the nodes of one definition."""

    def __init__(self, definition: d.Definition) -> None:
        self.types = definition.types

    def line(self, index: int, node: d.Node) -> str:
        scope = "" if node.scope == d.OUTERMOST else f" in {node.scope}"
        return f"{index}{scope}: {self.what(node)}{self.edges(node)}"

    def edges(self, node: d.Node) -> str:
        match node:
            case d.Return() | d.Raise():
                return ""
            case d.Choice():
                return f" -> {edge(node.next)} | {edge(node.otherwise)}"
            case d.Scope():
                handlers = "".join(
                    f" | {', '.join(h.types)}{f' as {h.into}' if h.into else ''} -> {edge(h.next)}"
                    for h in node.handlers
                )
                final = "" if node.final == d.END else f" | final -> {edge(node.final)}"
                return f" -> {edge(node.next)}{handlers}{final}"
            case _:
                return f" -> {edge(node.next)}"

    def what(self, node: d.Node) -> str:
        match node:
            case d.Task():
                undo = "!" if node.undoable else ""
                return self.into(node.into) + f"{node.task}{undo}({arguments(node)})"
            case d.Call():
                return self.into(node.into) + f"call {node.workflow}({arguments(node)})"
            case d.Assign(value, target):
                return (f"{self.target(target)} = " if target else "") + text(value)
            case d.Choice(test):
                return f"if {text(test)}"
            case d.Parallel() | d.Race():
                each = ", ".join(f"{b.region}({commas(b.args)})" for b in node.branches)
                name = "gather" if isinstance(node, d.Parallel) else "race"
                return self.into(node.into) + f"{name} {each}{options(node)}"
            case d.ForEach():
                items = text(node.items)
                return self.into(node.into) + f"each {node.region} of {items}{options(node)}"
            case d.Wait(seconds):
                return f"sleep {text(seconds)}"
            case d.Receive():
                key = f" key {text(node.key)}" if node.key else ""
                timeout = f" timeout {text(node.timeout)}" if node.timeout else ""
                return self.into(node.into) + f"receive {node.event}{key}{timeout}"
            case d.Emit(event):
                return f"emit {text(event)}"
            case d.Scope():
                seconds = f" {text(node.seconds)}" if node.seconds else ""
                return f"{node.kind}{seconds}{'' if node.keep else ' keep=False'}"
            case d.Return(value, kind):
                return f"return {text(value)}" + (f": {self.types[kind]}" if kind >= 0 else "")
            case d.Raise(error, cause):
                return f"raise {text(error)}" + (f" from {text(cause)}" if cause else "")

    def into(self, bind: d.Bind | None) -> str:
        return f"{self.bind(bind)} = " if bind else ""

    def bind(self, bind: d.Bind) -> str:
        return bind.name if bind.type == d.DYNAMIC else f"{bind.name}: {self.types[bind.type]}"

    def target(self, target: d.Bind | d.Unpack) -> str:
        if isinstance(target, d.Bind):
            return self.bind(target)
        items = [
            ("*" if index == target.star else "") + self.target(item)
            for index, item in enumerate(target.items)
        ]
        return f"({'; '.join(items)})"


def edge(index: int) -> str:
    return EDGES.get(index, str(index))


def options(node: d.Parallel | d.Race | d.ForEach) -> str:
    if isinstance(node, d.Race):
        return ""
    return (" cancel" if node.fail_fast else "") + (f" limit {node.limit}" if node.limit else "")


def arguments(call: d.Task | d.Call | e.Call) -> str:
    named = [f"{name}={text(value)}" if name else f"**{text(value)}" for name, value in call.kwargs]
    return ", ".join([*map(text, call.args), *named])


def commas(exprs: tuple[e.Expr, ...]) -> str:
    return ", ".join(map(text, exprs))


def text(expr: e.Expr) -> str:
    """Return an expression with all its parentheses."""
    match expr:
        case e.Const(value):
            return repr(value)
        case e.Name(id, local):
            return f".{id}" if local else id
        case e.Symbol(name):
            return name
        case e.Attribute(value, name):
            return f"{text(value)}.{name}"
        case e.More(source, index):
            return f"more({source}, {index})"
        case e.Element(source, index):
            return f"element({source}, {index})"
        case e.Item(value, index):
            return f"{text(value)}[{text(index)}]"
        case e.Slice(start, stop, step):
            return ":".join(text(part) if part else "" for part in (start, stop, step))
        case e.Starred(value, double):
            return ("**" if double else "*") + text(value)
        case e.Call(function):
            return f"{text(function)}({arguments(expr)})"
        case e.Unary(op, value):
            return f"({op} {text(value)})"
        case e.Binary(op, left, right):
            return f"({text(left)} {op} {text(right)})"
        case e.Compare(first, rest):
            return f"({text(first)}{''.join(f' {op} {text(value)}' for op, value in rest)})"
        case e.Logic(op, values):
            return f"({f' {op} '.join(map(text, values))})"
        case e.IfElse(test, then, otherwise):
            return f"({text(then)} if {text(test)} else {text(otherwise)})"
        case e.Display(kind, items):
            return f"{kind}[{commas(items)}]"
        case e.Mapping(items):
            pairs = (f"{text(k)}: {text(v)}" if k else f"**{text(v)}" for k, v in items)
            return f"{{{', '.join(pairs)}}}"
        case e.Text(parts):
            return f"f[{commas(parts)}]"
        case e.Format(value, conversion, spec):
            how = (f"!{conversion}" if conversion else "") + (f":{text(spec)}" if spec else "")
            return f"{{{text(value)}{how}}}"
        case e.Comprehension(kind, element, loops, key):
            inner = f"{text(key)}: {text(element)}" if key else text(element)
            return f"{kind}({inner} {' '.join(map(loop, loops))})"
        case e.Lambda(names, inner):
            return f"(lambda {', '.join(names)}: {text(inner)})"


def loop(each: e.Loop) -> str:
    conditions = "".join(f" if {text(condition)}" for condition in each.conditions)
    return f"for {pattern(each.target)} in {text(each.items)}{conditions}"


def pattern(target: e.Target) -> Any:
    if not target.items:
        return target.name
    items = [
        ("*" if index == target.star else "") + pattern(item)
        for index, item in enumerate(target.items)
    ]
    return f"({', '.join(items)})"
