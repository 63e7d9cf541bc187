"""The contracts of an app as documents: one for each event, and one for each boundary.

A document is a JSON Schema; what is said beside the shape stands in its `x-duetto`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct

from duetto.authoring.event import EventType, declared_event
from duetto.authoring.symbols import Symbols
from duetto.authoring.types import annotation_of
from duetto.authoring.upcast import upcasters
from duetto.authoring.workflow import Workflow
from duetto.errors import DuettoError
from duetto.kernel.contracts import START, Contract, contracts, is_spoken, spoken
from duetto.model.definition import Definition, Receive, Task, TypeRef
from duetto.model.placement import Placement
from duetto.model.topology import Topology
from duetto.operations.contracts.schemas import DIALECT, Schema, Schemas, whole

ABOUT = "x-duetto"


class Document(Struct, frozen=True):
    """A contract: its `name` is that of its file without `.json`."""

    name: str
    kind: Literal["event", "boundary"]
    schema: Schema

    @property
    def about(self) -> dict[str, Any]:
        """What is said beside the shape: topic, version, key, publishers, listeners, …"""
        return self.schema[ABOUT]

    @property
    def subject(self) -> str:
        """What stays the same over versions: the topic, or the boundary's name."""
        return self.about["topic"] if self.kind == "event" else self.name

    @property
    def version(self) -> int:
        """The version of an event; a boundary has but one."""
        return self.about.get("version", 1)


def event_documents(kinds: Mapping[str, type], topology: Topology) -> list[Document]:
    """Return a document for each event, by topic."""
    return [_event(kinds[topic], topology) for topic in sorted(kinds)]


def _event(cls: type, topology: Topology) -> Document:
    declared = declared_event(cls, where="an app")
    about = _about_event(declared, topology)
    if read := sorted(upcasters(cls)):
        about["upcasts"] = read
    identity = f"urn:duetto:{declared.name}:{declared.version}"
    schema = whole(identity, declared.name, cls, **{ABOUT: about})
    return Document(f"{declared.name}.v{declared.version}", "event", schema)


def _about_event(declared: EventType, topology: Topology) -> dict[str, Any]:
    outside = ["outside"] if declared.name in topology.outside else []
    return {
        "contract": "event",
        "topic": declared.name,
        "version": declared.version,
        "key": declared.key,
        "lanes": declared.lanes,
        "publishers": outside + topology.publishers(declared.name),
        "listeners": topology.listeners(declared.name),
    }


def boundary_documents(
    workflows: Iterable[Workflow[..., Any]], placement: Placement, symbols: Symbols
) -> list[Document]:
    """Return a document for each place where a token crosses participants, in their order."""
    found: dict[str, Document] = {}
    for workflow in workflows:
        definition = workflow.definition
        crossings = contracts(definition, placement, definition.home)
        for name, same in _named(definition, crossings).items():
            found[name] = _boundary(name, workflow.name, same, symbols)
    return list(found.values())


def _named(definition: Definition, crossings: list[Contract]) -> dict[str, Contract]:
    """Return crossings by name; those that carry the same to the same place are one."""
    found: dict[str, Contract] = {}
    for one in crossings:
        ends = f"{one.source or 'app'}.{one.target or 'app'}"
        stem = f"boundary.{definition.name}.{ends}.{_purpose(definition, one)}"
        name, number = stem, 1
        while name in found and found[name].payload != one.payload:
            number += 1
            name = f"{stem}.{number}"
        found.setdefault(name, one)
    return found


def _purpose(definition: Definition, one: Contract) -> str:
    """Return what a crossing is for: the task that is next, an event, or a result."""
    if one.kind == "report":
        return "result" if one.to.node == START else "branch"
    node = definition.regions[one.to.region].nodes[one.to.node]
    if isinstance(node, Task):
        return node.task.partition(".")[2]
    return node.event.rpartition(":")[2] if isinstance(node, Receive) else "token"


def _boundary(name: str, workflow: str, one: Contract, symbols: Symbols) -> Document:
    schemas = Schemas()
    carried = {title: schemas.schema(_annotation(ref, symbols)) for title, ref in _carried(one)}
    about = {
        "contract": "boundary",
        "workflow": workflow,
        "kind": one.kind,
        "publishers": [one.source or "app"],
        "listeners": [one.target or "app"],
    }
    schema: Schema = {
        "$schema": DIALECT,
        "$id": f"urn:duetto:{name}",
        "title": name,
        ABOUT: about,
        "type": "object",
        "properties": carried,
        "required": list(carried),
        "$defs": dict(sorted(schemas.definitions.items())),
    }
    return Document(name, "boundary", schema)


def _carried(one: Contract) -> Iterator[tuple[str, TypeRef | None]]:
    for name, ref in one.payload:
        if is_spoken(name):
            yield spoken(name), ref


def _annotation(ref: TypeRef | None, symbols: Symbols) -> Any:
    """Return the live type, Any where it is not known."""
    try:
        return annotation_of(ref, symbols.resolve) if ref is not None else Any
    except DuettoError:
        return Any
