"""What an event, or a run, follows from, and what followed from it, over all services here.

What something follows from is found by name: an event names its cause, and a run the events that it
received. What followed is found by reading the log, once for each family of one correlation: that
of the event, then that of each run which the events so far led to.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property

from duetto.authoring.handler import Handler
from duetto.errors import NotFound
from duetto.model.definition import received
from duetto.model.event import Event, Held, place_of
from duetto.model.view import STATUSES, LineageNode, LineageView, RunRow
from duetto.operations.log import logged
from duetto.operations.rows import home_row, received_by
from duetto.runtime.engine import Engine
from duetto.runtime.events import START
from duetto.runtime.reactions import Reactions
from duetto.runtime.starting import run_id
from duetto.store import Query

PATH = re.compile(r"(/|(/\d+\[\d+\])+)$")
"""The path of a token, behind the id of its run."""

LINEAGE_MAX = 1_000
"""Events and runs of one lineage: nobody reads more, and each costs a look into the store."""

RECEIVERS_MAX = 1_000
"""Runs of a workflow, the newest, that are looked through for who received an event: each look
reads a journal, while the app waits."""


def lineage(engine: Engine, name: str) -> LineageView:
    """Return the ancestors and descendants of an event or a run. Raises NotFound."""
    return _Finder(engine).find(name)


class _Finder:
    """Finds one lineage; what was looked up is kept for as long as that takes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._items: dict[str, Event | RunRow | None] = {}
        self._nodes: dict[str, LineageNode] = {}
        self._edges: dict[tuple[str, str], None] = {}
        self._whole = True

    def find(self, name: str) -> LineageView:
        if self._item(name) is None:
            raise NotFound(
                f"There is no event or run `{name}` here.",
                found=name,
                expected="a name as `duetto events tail` shows it, or the id of a run",
                do="it may have been purged: events are kept as long as closed runs",
            )
        self._add(name)
        self._climb(name)
        self._descend(name)
        nodes = sorted(self._nodes.values(), key=lambda node: (node.at, node.name))
        return LineageView(name, tuple(nodes), tuple(self._edges), self._whole)

    # -- backwards

    def _climb(self, name: str) -> None:
        pending = [name]
        while pending:
            child = pending.pop()
            pending += [each for each in self._parents(child) if self._led(each, child)]

    def _parents(self, name: str) -> list[str]:
        match self._item(name):
            case Event() as event:
                cause = _cause(event)
                return [cause] if cause else []
            case RunRow() as row:
                return [*self._starter(row), *received_by(self._engine.hosts, row.id)]
            case None:
                return []

    def _starter(self, row: RunRow) -> Iterator[str]:
        """Yield the event that started a run. Its name went into the id, which hides it."""
        topics = {topic for topic, name in self._starts if name == row.workflow}
        if topics and row.id.startswith(f"{row.workflow}-"):
            for event in self._log(topics=topics):
                if run_id(row.workflow, event.name) == row.id:
                    yield event.name

    # -- forwards

    def _descend(self, name: str) -> None:
        # A run that an event started passes the family of that event on.
        families, seen = {self._family(each) for each in self._nodes} | {name}, set[str]()
        since = self._nodes[name].at
        followers: defaultdict[str, list[str]] = defaultdict(list)
        while fresh := families - seen:
            seen |= fresh
            for event in self._log(since=since):
                cause = _cause(event)
                if cause and ((event.correlation or event.name) in fresh or cause in fresh):
                    self._items[event.name] = event
                    followers[cause].append(event.name)
            families |= self._walk(name, followers)

    def _walk(self, name: str, followers: dict[str, list[str]]) -> set[str]:
        """Add all that is known to follow; return the runs among it: each has a family."""
        pending, reached = [name], {name}
        while pending:
            parent = pending.pop()
            self._add_held(parent)
            for child in [*followers.get(parent, ()), *self._begun(parent)]:
                self._led(parent, child)
                if child in self._nodes and child not in reached:
                    reached.add(child)
                    pending.append(child)
        return {each for each in reached if isinstance(self._item(each), RunRow)}

    def _begun(self, name: str) -> list[str]:
        """Return the runs that an event started, or that received it."""
        event = self._item(name)
        if not isinstance(event, Event):
            return []
        ids = [run_id(workflow, name) for topic, workflow in self._starts if topic == event.topic]
        started = [id for id in ids if self._item(id) is not None]
        return [*started, *self._receivers.get(name, ())]

    @cached_property
    def _receivers(self) -> dict[str, list[str]]:
        """By event: the runs that received it, as far as one looks."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for workflow, digest in self._engine.programs.by_name.items():
            if received(self._engine.programs.definition(digest)):
                for host in self._engine.hosts:
                    for row in host.store.runs(Query(workflow, limit=RECEIVERS_MAX)):
                        if row.home in host.participants:
                            for name in received_by(self._engine.hosts, row.id):
                                found[name].append(row.id)
        return found

    def _add_held(self, name: str) -> None:
        """Add who has yet to take an event: it failed there, or waits."""
        for handler, row in self._held.get(name, ()):
            held = f"{handler} {row.position}"
            self._nodes[held] = LineageNode(held, "held", handler, row.since, note=_state(row))
            self._edges[name, held] = None

    @cached_property
    def _held(self) -> dict[str, list[tuple[str, Held]]]:
        found: defaultdict[str, list[tuple[str, Held]]] = defaultdict(list)
        for events in self._engine.events:
            for name, consumer in events.consumers.items():
                for row in consumer.letters:
                    found[row.event.name].append((name, row))
        return found

    # -- parts

    def _led(self, parent: str, child: str) -> bool:
        """Add that one led to the other; return whether the parent is new."""
        is_new = parent not in self._nodes
        if self._add(parent) and self._add(child):
            self._edges[parent, child] = None
            return is_new
        return False

    def _add(self, name: str) -> bool:
        """Add a node, unless there are too many; return whether it is there."""
        if name not in self._nodes:
            if len(self._nodes) >= LINEAGE_MAX:
                self._whole = False
                return False
            self._nodes[name] = self._node(name)
        return True

    def _node(self, name: str) -> LineageNode:
        match self._item(name):
            case Event() as event:
                by = self._by(event)
                return LineageNode(name, "event", event.topic, event.at, key=event.key, by=by)
            case RunRow() as row:
                note = STATUSES[row.status]
                return LineageNode(name, "run", row.workflow, row.created, note=note)
            case None:
                place = place_of(name)
                return LineageNode(name, "gone", place.topic if place is not None else "run", 0)

    def _by(self, event: Event) -> str:
        """Say who published an event, or may have."""
        if event.by:
            return event.by
        match self._item(cause) if (cause := _cause(event)) else None:
            case RunRow() as row:
                return row.workflow
            case Event(topic=topic):
                names = (
                    each.qualified
                    for each in self._handlers
                    if topic in each.events and event.topic in each.publishes
                )
                return " or ".join(names)
            case None:
                return ""

    def _item(self, name: str) -> Event | RunRow | None:
        if name not in self._items:
            self._items[name] = self._event(name) or self._run(name)
        return self._items[name]

    def _event(self, name: str) -> Event | None:
        place = place_of(name)
        for events in self._engine.events:
            if place is not None and place.source == events.source:
                return events.publisher.find(place.topic, place.lane, place.seq)
        return None

    def _run(self, id: str) -> RunRow | None:
        found = home_row(self._engine.hosts, id)
        return found[1] if found is not None else None

    def _family(self, name: str) -> str:
        event = self._item(name)
        return event.correlation or name if isinstance(event, Event) else name

    def _log(self, topics: set[str] | None = None, since: int = 0) -> Iterator[Event]:
        for events in self._engine.events:
            yield from logged(events, topics=topics, since=since)

    @cached_property
    def _handlers(self) -> list[Handler]:
        return [
            consumer.handler
            for events in self._engine.events
            for consumer in events.consumers.values()
            if isinstance(consumer, Reactions)
        ]

    @cached_property
    def _starts(self) -> list[tuple[str, str]]:
        """The topics that start workflows, each with the workflow."""
        return [
            (topic, name.removeprefix(START))
            for events in self._engine.events
            for name, consumer in events.consumers.items()
            if name.startswith(START)
            for topic in consumer.topics
        ]


def _cause(event: Event) -> str:
    """Return what an event follows from: the name of an event, or the id of a run."""
    if place_of(event.causation) is not None:
        return event.causation
    return PATH.sub("", event.causation)


def _state(row: Held) -> str:
    match row.state:
        case "dead":
            return f"dead letter: {row.reason}"
        case "delayed":
            return f"tries again after: {row.reason}"
        case "behind":
            return "waits behind an earlier one of its key"
        case "ready":
            return "is to be taken next"


__all__ = ["lineage"]
