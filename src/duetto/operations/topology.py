"""The topology of an app's events, from annotations alone: nothing is run, no store is opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from duetto.authoring.compiler.inference import Inference
from duetto.authoring.compiler.lattice import members
from duetto.authoring.event import event_type
from duetto.authoring.handler import Handler
from duetto.authoring.service import Service
from duetto.authoring.symbols import Symbols
from duetto.authoring.task import Task
from duetto.authoring.types import annotation_of
from duetto.authoring.window import WindowFunction
from duetto.authoring.workflow import Workflow, named_by
from duetto.errors import DuettoError, NotFound
from duetto.kernel.contracts import types_of
from duetto.kernel.liveness import edges, flow_of
from duetto.kernel.liveness import parts as trees
from duetto.model import definition as nodes
from duetto.model.definition import END, Definition, Emit, Region, received
from duetto.model.expression import Symbol
from duetto.model.topology import Difference, Link, Part, Seen, Topology, Undoing


def topology(
    app: str,
    services: Iterable[Service],
    workflows: Iterable[Workflow[..., Any]],
    symbols: Symbols,
    *,
    topics: Iterable[str] = (),
    outside: Iterable[str] = (),
) -> Topology:
    """Return who publishes and who listens.

    `topics` are events that are declared, whether or not anybody deals in them; `outside` are
    those that come from elsewhere. Raises NotFound for one of these that is not known.
    """
    owners, flows = list(services), list(workflows)
    handlers = [handler for service in owners for handler in service.handlers.values()]
    windows = [window for service in owners for window in service.windows.values()]
    parts = (
        *map(_handler, handlers),
        *map(_window, windows),
        *(_workflow(flow, symbols) for flow in flows),
    )
    known = {topic for part in parts for topic in (*part.publishes, *part.hears)}
    every = sorted({*known, *topics})
    for topic in (named := sorted(set(outside))):
        if topic not in every:
            raise NotFound.named("event", topic, every)
    undoings = tuple(_undoings(owners, flows, handlers))
    return Topology(app, parts, tuple(every), tuple(named), undoings)


def _handler(handler: Handler) -> Part:
    return Part(
        handler.qualified,
        "handler",
        handler.service.name,
        publishes=tuple(sorted(handler.publishes)),
        listens=tuple(sorted(handler.events)),
        ends=handler.may_end,
    )


def _window(window: WindowFunction) -> Part:
    return Part(
        window.qualified,
        "handler",
        window.service,
        publishes=tuple(sorted(window.makes)),
        listens=(window.topic,),
        ends=True,  # it is shown when its time has passed, and not for each event
    )


def _workflow(flow: Workflow[..., Any], symbols: Symbols) -> Part:
    definition = flow.definition
    publishes, unknown = _emitted(flow, symbols)
    started = event_type(flow.start_on) if flow.start_on is not None else None
    return Part(
        flow.name,
        "workflow",
        definition.home,
        publishes=tuple(sorted(publishes)),
        receives=tuple(sorted(_received(definition, symbols))),
        starts=(started.name,) if started is not None else (),
        ends=bool(unknown) or may_pass_by(definition.regions[0]),
        unknown=tuple(unknown),
    )


def _received(definition: Definition, symbols: Symbols) -> Iterator[str]:
    for name in received(definition):
        declared = event_type(symbols.resolve(name))
        if declared is not None:
            yield declared.name


def _emitted(flow: Workflow[..., Any], symbols: Symbols) -> tuple[set[str], list[str]]:
    """Return the topics that a workflow emits, and the places where that is not known."""
    topics, unknown = set[str](), list[str]()
    for region in flow.definition.regions:
        for node in region.nodes:
            if isinstance(node, Emit):
                kinds = members(_type_of(node, flow.definition, region, symbols))
                found = [event_type(kind) if isinstance(kind, type) else None for kind in kinds]
                topics |= {each.name for each in found if each is not None}
                if None in found:
                    unknown.append(f"{Path(flow.file).name}:{node.line}")
    return topics, unknown


def _type_of(node: Emit, definition: Definition, region: Region, symbols: Symbols) -> Any:
    """Return the type of what is emitted, as far as annotations tell."""
    names = {part.name for part in trees(node.event) if isinstance(part, Symbol)}
    named = {name: symbols.resolve(name) for name in names if symbols.has(name)}
    variables: dict[str, Any] = {}
    for name, ref in types_of(definition, region).items():
        try:
            variables[name] = annotation_of(ref, symbols.resolve) if ref is not None else Any
        except DuettoError:
            variables[name] = Any  # a class that is gone: nothing is known of its values
    return Inference(named, variables).infer(node.event)


def may_pass_by(region: Region) -> bool:
    """Can a token leave a region without an emit on its way, errors aside?"""
    flow, todo, seen = flow_of(region), [0] if region.nodes else [], set[int]()
    while todo:
        at = todo.pop()
        node = region.nodes[at]
        if at in seen or isinstance(node, Emit):
            continue
        seen.add(at)
        if isinstance(node, nodes.Return) or END in edges(node):
            return True
        todo += flow.normal[at]
    return not region.nodes


def _undoings(
    services: list[Service], flows: list[Workflow[..., Any]], handlers: list[Handler]
) -> Iterator[Undoing]:
    """Yield the compensations of all tasks, in their order."""
    named = {handler.qualified: _compensations(handler) for handler in handlers}
    for service in services:
        for task in service.tasks.values():
            if task.undo is None:
                continue
            callers = (flow.name for flow in flows if task.qualified in _called(flow.definition))
            by = (name for name, found in named.items() if task.undo.qualified in found)
            yield Undoing(task.undo.qualified, task.qualified, tuple(callers), tuple(by))


def _called(definition: Definition) -> set[str]:
    return {
        node.task
        for region in definition.regions
        for node in region.nodes
        if isinstance(node, nodes.Task)
    }


def _compensations(handler: Handler) -> set[str]:
    """Return the compensations that the body of a handler names."""
    return {
        thing.qualified
        for thing in named_by(handler.body)
        if isinstance(thing, Task) and thing.undoes is not None
    }


def differences(declared: Topology, seen: Iterable[Seen]) -> list[Difference]:
    """Return where what happened and what is declared differ, in both directions.

    What comes from outside is no link of a part; a listener that waits in vain shows as not seen.
    """
    verbs: Mapping[tuple[str, str], Link] = {
        (link.part, link.topic): link for link in declared.links if link.verb != "publishes"
    }
    happened: set[Link] = set()
    for fact in seen:
        if fact.publisher:
            happened.add(Link(fact.publisher, "publishes", fact.topic))
        if fact.listener:
            heard = Link(fact.listener, "listens", fact.topic)
            happened.add(verbs.get((fact.listener, fact.topic), heard))
    said = set(declared.links)
    undeclared = (Difference(link, False) for link in happened - said)
    return sorted([*undeclared, *(Difference(link, True) for link in said - happened)])
