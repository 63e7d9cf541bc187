"""What the names in a workflow stand for: variables, things of the module, or builtins."""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from types import CellType, FunctionType, ModuleType
from typing import Any

from duetto.authoring.compiler import callees
from duetto.authoring.compiler.refusals import near
from duetto.authoring.compiler.source import Source
from duetto.authoring.symbols import BUILTINS, Symbols
from duetto.errors import DefinitionError

WITHHELD = frozenset({"hash", "iter", "next"})
"""What definitions may name, but whose values do not survive: iterators, and salted hashes."""

ALLOWED = BUILTINS.keys() - WITHHELD


@dataclass(frozen=True)
class Global:
    """Something that is reachable by name, and the symbol that finds it again."""

    value: Any
    symbol: str


@dataclass
class Names:
    """Resolves the names of one workflow; `variables` are those that its body writes."""

    function: Callable[..., Any]
    source: Source
    variables: frozenset[str]
    found: dict[str, Any] = field(default_factory=dict[str, Any])
    """What each symbol stood for when it was resolved."""

    def resolve(self, node: ast.expr, local: frozenset[str]) -> Global | None:
        """Return what a name or dotted name stands for, or None where it is rooted in a variable.

        Raises DefinitionError for a name that is not defined.
        """
        match node:
            case ast.Name(id=name):
                if name in local or name in self.variables:
                    return None
                return self.keep(self.look_up(node))
            case ast.Attribute(value=value, attr=name):
                owner = self.resolve(value, local)
                if owner is None or not isinstance(owner.value, ModuleType):
                    return None
                return self.keep(self.of_module(owner.value, name, node))
            case _:
                return None

    def keep(self, thing: Global) -> Global:
        self.found[thing.symbol] = thing.value
        return thing

    def look_up(self, node: ast.Name) -> Global:
        name, module = node.id, self.function.__module__
        if name in self.function.__code__.co_freevars:
            return self.closed_over(node)
        if name == self.function.__name__:
            return Global(callees.ITSELF, name)
        if name in self.function.__globals__:
            value = self.function.__globals__[name]
            return Global(value, symbol_of(value) or f"{module}:{name}")
        if name in ALLOWED:
            return Global(getattr(builtins, name), name)
        if hasattr(builtins, name):
            raise self.source.refusal(
                node,
                f"The builtin `{name}` is out of reach for a workflow.",
                expected="a builtin that only computes, such as `len`, `sum` or `sorted`",
                do=BUILTIN_ADVICE.get(name, "call it inside a task or a function of the module"),
            )
        raise self.unknown(node, name)

    def closed_over(self, node: ast.Name) -> Global:
        """Return a thing of the function around the workflow, if it can be found again by name."""
        index = self.function.__code__.co_freevars.index(node.id)
        try:
            value = (self.function.__closure__ or ())[index].cell_contents
        except ValueError:  # an empty cell: not assigned yet
            if node.id == self.function.__name__:
                return Global(callees.ITSELF, node.id)
            raise self.unknown(node, node.id) from None
        if symbol := symbol_of(value):
            return Global(value, symbol)
        if isinstance(value, ModuleType):
            return Global(value, value.__name__)
        if callees.kind(value):
            return Global(value, node.id)
        raise self.source.refusal(
            node,
            f"The workflow uses `{node.id}`, a local variable of the function around it.",
            expected="a parameter, or something that stands in a module",
            do=f"pass `{node.id}` as a parameter of the workflow, or move it to the module",
        )

    def of_module(self, module: ModuleType, name: str, node: ast.Attribute) -> Global:
        if name.startswith("_"):
            raise self.source.refusal(
                node,
                f"`{name}` begins with an underscore: it is not for others.",
                expected="a public name",
                do=f"add a public function to `{module.__name__}`",
            )
        if not hasattr(module, name):
            public = [known for known in dir(module) if not known.startswith("_")]
            guess = near(name, public)
            raise self.source.refusal(
                node,
                f"`{name}` is not in module `{module.__name__}`.",
                expected="a name of the module",
                do=f"did you mean `{guess}`?" if guess else "correct the name",
            )
        value = getattr(module, name)
        return Global(value, symbol_of(value) or f"{module.__name__}:{name}")

    def unknown(self, node: ast.Name, name: str) -> DefinitionError:
        """Return the error for a name that is not defined, with what comes near it."""
        if name in module_level_names(self.source.text):
            return self.source.refusal(
                node,
                f"`{name}` is defined below the workflow, which is compiled before.",
                expected="names that are defined above the workflow",
                do=f"move `{name}` above the workflow",
            )
        guess = near(name, self.known())
        return self.source.refusal(
            node,
            f"`{name}` is not defined.",
            expected="a variable, something of the module, or a builtin",
            do=f"did you mean `{guess}`?" if guess else f"define or import `{name}`",
        )

    def check_reach(self, node: ast.expr, thing: Global) -> None:
        """Refuse what a stored definition would not find again, or must not reach."""
        if not self.symbols.has(thing.symbol):
            module = thing.symbol.partition(":")[0]
            raise self.source.refusal(
                node,
                f"`{ast.unparse(node)}` of `{module}` is out of reach for a workflow.",
                expected="what the module imports or defines, and modules that only compute",
                do=f"use `{ast.unparse(node)}` in a task, or in a function of the module",
            )

    @cached_property
    def symbols(self) -> Symbols:
        """What the kernel will find by name, of this workflow's module alone."""
        module = sys.modules.get(self.function.__module__)
        return Symbols([module] if module else [])

    def builtin(self, name: str, kind: type) -> bool:
        """Is this one of Python's classes of that kind that a workflow may not name?"""
        found = getattr(builtins, name, None)
        own = name in self.variables or name in self.function.__globals__ or name in ALLOWED
        return not own and isinstance(found, type) and issubclass(found, kind)

    def in_reach(self) -> dict[str, Any]:
        """Return what the module and the function around define, by name."""
        cells = zip(
            self.function.__code__.co_freevars, self.function.__closure__ or (), strict=True
        )
        return {**self.function.__globals__, **dict(filled(cells))}

    def known(self) -> Iterator[str]:
        yield from self.variables
        yield from self.function.__code__.co_freevars
        yield from (name for name in self.function.__globals__ if not name.startswith("_"))
        yield from ALLOWED


def filled(cells: Iterable[tuple[str, CellType]]) -> Iterator[tuple[str, Any]]:
    """Yield the variables of the function around that have a value by now."""
    for name, cell in cells:
        try:
            yield name, cell.cell_contents
        except ValueError:
            continue


BUILTIN_ADVICE = {
    "open": "read the file inside a task",
    "input": "receive the answer as an event: `await receive(Answer, key=…)`",
    "super": "call a function of the module",
    "next": "write a `for` loop, or `items[0]`",
    "iter": "write a `for` loop",
    "type": "use `isinstance`",
    "getattr": "write the attribute: `value.name`",
    "setattr": "build a new value with the changed field",
}


def symbol_of(value: Any) -> str:
    """Return `module:qualified.name` of a class or function that is found there, or nothing."""
    if not isinstance(value, type | FunctionType) and not inspect.isbuiltin(value):
        return ""
    module, path = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    if not isinstance(module, str) or not path:
        return ""
    if module == "builtins":
        return path if getattr(builtins, path, None) is value and path in ALLOWED else ""
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return f"{module}:{path}" if found is value else ""


def module_level_names(text: str) -> set[str]:
    """Return what a module defines at its top level."""
    names: set[str] = set()
    for node in ast.parse(text).body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case _:
                pass
    return names


def written_in(body: list[ast.stmt]) -> frozenset[str]:
    """Return the variables that statements write; those of comprehensions are their own."""
    names: set[str] = set()
    for node in walk(body):
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.ExceptHandler(name=str(name)):
                names.add(name)
            case _:
                pass
    return frozenset(names)


INNER = (
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.Lambda,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
)


def walk(nodes: list[ast.stmt]) -> Iterator[ast.AST]:
    """Yield every node that belongs to the function itself, not to a scope inside of it."""
    todo: list[ast.AST] = list(nodes)
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, INNER):
            todo.extend(ast.iter_child_nodes(node))
