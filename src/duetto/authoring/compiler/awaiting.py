"""What is awaited: tasks, workflows and the words of the language, as nodes and branch regions."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import Signature, signature
from typing import Any, NamedTuple, Protocol, cast

from msgspec import structs

from duetto.authoring.compiler import calls, unawaitable
from duetto.authoring.compiler.callees import CompiledWorkflow, kind, own_hints, word
from duetto.authoring.compiler.expressions import Translator
from duetto.authoring.compiler.lattice import UNKNOWN, generic, union
from duetto.authoring.compiler.regions import RegionDraft
from duetto.authoring.event import event_type
from duetto.authoring.task import Task as TaskOfService
from duetto.errors import DefinitionError, DuettoError
from duetto.model.definition import (
    Assign,
    Bind,
    Branch,
    Call,
    ForEach,
    Parallel,
    Parameter,
    Race,
    Receive,
    Return,
    Task,
    Wait,
    digest,
)
from duetto.model.expression import Comprehension, Const, Display, Expr, Name

BranchNode = Task | Call | Parallel | ForEach | Race | Wait | Receive
RESULT = "$r"
"""The variable of a branch that holds what it returns."""


class Awaited(NamedTuple):
    """A node without its target, and the static type of its value."""

    node: BranchNode
    result: Any


class Place(Protocol):
    """Where an argument is evaluated: here, or by the parent of the branch."""

    def __call__(self, expr: Expr, node: ast.expr, declared: Any, /) -> Expr: ...


def here(expr: Expr, node: ast.expr, declared: Any) -> Expr:
    return expr


@dataclass
class Hoist:
    """Lets the parent evaluate what a branch needs: the branch gets it as `$p0`, `$p1`, …"""

    outer: Place
    region: RegionDraft
    args: list[Expr] = field(default_factory=list[Expr])

    def __call__(self, expr: Expr, node: ast.expr, declared: Any) -> Expr:
        name = f"$p{len(self.args)}"
        self.args.append(self.outer(expr, node, declared))
        self.region.parameters.append((Parameter(name), declared))
        return Name(name)


@dataclass
class Awaitables:
    """Builds the nodes of one workflow's awaits; branch regions are added to `regions`."""

    itself: Callable[..., Any]
    name: str
    regions: list[RegionDraft]
    result: Any = UNKNOWN
    callees: dict[str, str] = field(default_factory=dict[str, str])

    def awaited(self, node: ast.expr, translator: Translator, place: Place) -> Awaited:
        """Return the node for what stands behind `await` or as a branch."""
        if not isinstance(node, ast.Call):
            raise unawaitable.not_a_call(node, translator)
        value = self.callee(node, translator)
        match kind(value):
            case "task":
                return self.task(node, value, translator, place)
            case "workflow" | "itself":
                return self.call(node, value, translator, place)
            case "word":
                return self.word(word(value), node, translator, place)
            case _:
                raise unawaitable.not_awaitable(node, value, translator)

    def callee(self, node: ast.Call, translator: Translator) -> Any:
        """Return what is called; a misspelt task is told from other names."""
        try:
            found = translator.names.resolve(node.func, translator.local)
        except DefinitionError as error:
            raise unawaitable.misspelt(node, translator) or error from None
        return None if found is None else found.value

    def task(
        self, node: ast.Call, task: TaskOfService[..., Any], translator: Translator, place: Place
    ) -> Awaited:
        calls.check_arguments(translator.source, node, task.arguments)
        try:
            hints = task.hints
        except DuettoError as error:
            raise translator.source.refusal(
                node, error.message, found=error.found, expected=error.expected, do=error.do
            ) from error
        args, kwargs = arguments(node, translator, place, task.arguments, hints)
        made = Task(task.qualified, args, kwargs, undoable=task.undo is not None)
        return Awaited(made, hints.get("return", UNKNOWN))

    def call(self, node: ast.Call, value: Any, translator: Translator, place: Place) -> Awaited:
        """Return the call of a workflow; of itself, whose digest is not known yet."""
        itself = kind(value) == "itself"
        other = cast(CompiledWorkflow, value)
        body, name = (self.itself, self.name) if itself else (other.body, other.name)
        named = "" if itself else digest(other.definition)
        if self.callees.setdefault(name, named) != named or (named and name == self.name):
            raise translator.source.refusal(
                node,
                f"Two workflows are named `{name}`.",
                expected="one workflow by each name",
                do='rename one of them: `@workflow(name="…")`',
            )
        hints = own_hints(body)
        result = self.result if itself else hints.get("return", UNKNOWN)
        calls.check_arguments(translator.source, node, signature(body))
        args, kwargs = arguments(node, translator, place, signature(body), hints)
        return Awaited(Call(name, args, kwargs), result)

    def word(self, name: str, node: ast.Call, translator: Translator, place: Place) -> Awaited:
        match name:
            case "gather":
                return self.gather(node, translator, place)
            case "race":
                return self.race(node, translator, place)
            case "sleep":
                [duration] = exactly(node, translator, 1, "sleep")
                seconds = place(translator.translate(duration), duration, UNKNOWN)
                return Awaited(Wait(seconds), type(None))
            case "receive":
                return self.receive(node, translator, place)
            case "emit":
                raise translator.source.refusal(
                    node,
                    "`emit` is not awaited: the event leaves with the next step.",
                    expected=calls.usage(name),
                    do="leave `await` out",
                )
            case _:
                raise translator.source.refusal(
                    node,
                    calls.misplaced(name),
                    expected=calls.usage(name),
                    do=f"write {calls.usage(name)}",
                )

    def gather(self, node: ast.Call, translator: Translator, place: Place) -> Awaited:
        options = constants(node, translator, {"cancel": bool, "limit": int})
        fail_fast, limit = bool(options.get("cancel")), options.get("limit") or 0
        match node.args:
            case [ast.GeneratorExp() | ast.ListComp() as each]:
                region, items, result = self.for_each(each, translator, place)
                made = ForEach(region, items, fail_fast=fail_fast, limit=limit)
                return Awaited(made, generic(list, result))
            case _:
                branches, results = self.branches(node, "gather", translator, place)
                made = Parallel(branches, fail_fast=fail_fast, limit=limit)
                return Awaited(made, generic(tuple, *results))

    def race(self, node: ast.Call, translator: Translator, place: Place) -> Awaited:
        constants(node, translator, {})
        branches, results = self.branches(node, "race", translator, place)
        known = UNKNOWN not in results
        return Awaited(Race(branches), union(results) if known else UNKNOWN)

    def branches(
        self, node: ast.Call, name: str, translator: Translator, place: Place
    ) -> tuple[tuple[Branch, ...], list[Any]]:
        """Return the branches of a gather or race, and the types of their results."""
        made: list[Branch] = []
        results: list[Any] = []
        for argument in node.args:
            if isinstance(argument, ast.Starred | ast.GeneratorExp | ast.ListComp):
                raise unawaitable.spread(argument, name, translator)
            branch, result = self.branch(argument, translator, place)
            made.append(branch)
            results.append(result)
        if not made:
            raise translator.source.refusal(
                node,
                f"`{name}` has no branches.",
                expected=calls.usage(name),
                do="give it what is to be done at the same time",
            )
        return tuple(made), results

    def branch(self, node: ast.expr, translator: Translator, place: Place) -> tuple[Branch, Any]:
        """Return one branch, whose arguments the parent evaluates, and the type of its result."""
        index, hoist, result = self.region(node, translator, place)
        return Branch(index, tuple(hoist.args)), result

    def region(
        self, node: ast.expr, translator: Translator, place: Place
    ) -> tuple[int, Hoist, Any]:
        """Add the region of a branch: an await, and the return of its value."""
        region, index = RegionDraft(), len(self.regions)
        self.regions.append(region)
        hoist = Hoist(place, region)
        awaited = self.awaited(node, translator, hoist)
        emit_awaited(region, awaited, node, RESULT)
        region.emit(Return(Name(RESULT)), node, declared=awaited.result)
        return index, hoist, awaited.result

    def for_each(
        self, node: ast.GeneratorExp | ast.ListComp, translator: Translator, place: Place
    ) -> tuple[int, Expr, Any]:
        """Return the region of each branch, the list of their arguments, and the result."""
        loops, inner = translator.loops(node.generators)
        index, hoist, result = self.region(node.elt, inner, here)
        items = Comprehension("list", Display("tuple", tuple(hoist.args)), loops)
        return index, place(items, node, UNKNOWN), result

    def receive(self, node: ast.Call, translator: Translator, place: Place) -> Awaited:
        """Return the wait for an event; the first argument is its class."""
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        if unknown := [
            keyword for keyword in node.keywords if keyword.arg not in ("key", "timeout")
        ]:
            raise translator.source.refusal(
                unknown[0],
                f"`receive` has no option `{unknown[0].arg or '**'}`.",
                expected="`receive(Event, key=…, timeout=…)`",
                do="leave the option out",
            )
        event = event_class(node, translator)
        placed = {
            str(name): place(translator.translate(value), value, UNKNOWN)
            for name, value in given.items()
        }
        named = f"{event.__module__}:{event.__qualname__}"
        declared = event_type(event)
        owner = declared.owner if declared is not None else ""
        waits = Receive(named, placed.get("key"), placed.get("timeout"), owner=owner)
        return Awaited(waits, event)


def emit_awaited(
    region: RegionDraft,
    awaited: Awaited,
    syntax: ast.expr | ast.stmt,
    into: str,
    declared: Any = None,
) -> None:
    """Emit an awaiting node that writes a variable, where it has a value."""
    if isinstance(awaited.node, Wait):
        region.emit(awaited.node, syntax)
        if into:
            region.emit(Assign(Const(None), Bind(into)), syntax, declared=declared)
        return
    node = structs.replace(awaited.node, into=Bind(into)) if into else awaited.node
    region.emit(node, syntax, result=awaited.result, declared=declared)


def arguments(
    node: ast.Call,
    translator: Translator,
    place: Place,
    signature: Signature,
    hints: dict[str, Any],
) -> tuple[tuple[Expr, ...], tuple[tuple[str, Expr], ...]]:
    """Return the arguments of a call in the order in which Python evaluates them."""
    names = list(signature.parameters)
    args = tuple(
        place(translator.translate(argument), argument, hints.get(name, UNKNOWN))
        for argument, name in zip(node.args, names, strict=False)
    )
    kwargs = tuple(
        (name, place(translator.translate(keyword.value), keyword.value, hints.get(name, UNKNOWN)))
        for keyword in node.keywords
        if (name := keyword.arg)
    )
    return args, kwargs


def exactly(node: ast.Call, translator: Translator, count: int, name: str) -> list[ast.expr]:
    """Return the positional arguments of a word that takes nothing else."""
    starred = any(isinstance(argument, ast.Starred) for argument in node.args)
    if len(node.args) != count or node.keywords or starred:
        raise translator.source.refusal(
            node,
            f"The arguments do not fit `{name}`.",
            expected=calls.usage(name),
            do=f"write {calls.usage(name)}",
        )
    return node.args


def constants(node: ast.Call, translator: Translator, known: dict[str, type]) -> dict[str, Any]:
    """Return the options of a word, which are part of the definition."""
    found: dict[str, Any] = {}
    for keyword in node.keywords:
        kind = known.get(keyword.arg or "")
        value = keyword.value.value if isinstance(keyword.value, ast.Constant) else ...
        if kind is None:
            options = ", ".join(f"{name}=" for name in known)
            raise translator.source.refusal(
                keyword,
                f"`{ast.unparse(node.func)}` has no option `{keyword.arg or '**'}`.",
                expected=f"the options {options}" if options else "no options",
                do="leave the option out",
            )
        if type(value) is not kind or (kind is int and int(str(value)) < 1):
            raise translator.source.refusal(
                keyword,
                f"The option `{keyword.arg}` is part of the definition, so it is a constant.",
                expected="True or False" if kind is bool else "an integer above 0, written out",
                do=f"write `{keyword.arg}={'True' if kind is bool else 10}`",
            )
        found[str(keyword.arg)] = value
    return found


def event_class(node: ast.Call, translator: Translator) -> type[Any]:
    """Return the class that `receive` names."""
    [event] = node.args if len(node.args) == 1 else [None]
    thing = None if event is None else translator.names.resolve(event, translator.local)
    if thing is None or not isinstance(thing.value, type):
        raise translator.source.refusal(
            event or node,
            "`receive` waits for one class of events.",
            expected="`await receive(Event, key=…)`, where `Event` is a class",
            do="name the class of the event first",
        )
    return cast("type[Any]", thing.value)
