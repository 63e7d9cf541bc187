"""The topology of an app as it happened: who published what, and who took it.

An event names its publisher, and a consumer has a watermark for each lane that it took; which run
received something is in its journal. So that it costs the same however much has happened, only the
newest of each is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from duetto.model.event import Event, place_of
from duetto.model.topology import Part, Seen, Topology
from duetto.operations.rows import received_by
from duetto.runtime.engine import Engine
from duetto.runtime.events import MAILBOX, START, HostEvents
from duetto.store import Query

EVENTS_MAX = 50_000
"""Events that are looked at, the newest of each lane: some tenths of a second of a running app."""

RUNS_MAX = 200
"""Runs that are looked at, the newest of each workflow: each look reads a journal."""


class Observed(Struct, frozen=True):
    """What was seen; `events` were looked at, and `whole` says whether those were all."""

    seen: tuple[Seen, ...]
    events: int
    whole: bool


def observed(engine: Engine) -> Observed:
    """Return who published and who took what, as far as the stores here tell."""
    seen, count, whole = set[Seen](), 0, True
    for events in engine.events:
        share = max(1, EVENTS_MAX // max(1, len(engine.events) * len(events.publisher.heads)))
        for event in _newest(events, share):
            count += 1
            seen.add(Seen(event.by, event.topic, ""))
        whole = whole and all(head <= share for head in events.publisher.heads.values())
        seen |= set(_taken(events))
    seen |= set(_received(engine))
    return Observed(tuple(sorted(seen)), count, whole)


def _newest(events: HostEvents, share: int) -> Iterator[Event]:
    publisher = events.publisher
    for (topic, lane), head in publisher.heads.items():
        after = max(0, head - share)
        while after < head and (page := publisher.read(topic, lane, after)):
            yield from (event for event in page if not event.is_mark)
            after = page[-1].seq


def _taken(events: HostEvents) -> Iterator[Seen]:
    """Yield what handlers took, and what started runs."""
    for name, consumer in events.consumers.items():
        if not name.startswith(MAILBOX):
            for lane in consumer.lanes:
                if lane.watermark or lane.done:
                    yield Seen("", lane.key[1], name.removeprefix(START))


def _received(engine: Engine) -> Iterator[Seen]:
    """Yield what runs received."""
    for workflow in engine.programs.by_name:
        for host in engine.hosts:
            for row in host.store.runs(Query(workflow, limit=RUNS_MAX)):
                if row.home in host.participants:
                    places = map(place_of, received_by(engine.hosts, row.id))
                    yield from (Seen("", place.topic, workflow) for place in places if place)


def as_seen(declared: Topology, found: Observed) -> Topology:
    """Return a topology with what was seen of each part, and parts that are not declared."""
    known = {part.name: part for part in declared.parts}
    names = {each.publisher or each.listener for each in found.seen} - {""}
    parts: list[Part] = []
    for name in [*known, *sorted(names - known.keys())]:
        own = {each.topic for each in found.seen if each.publisher == name}
        heard = {each.topic for each in found.seen if each.listener == name}
        part = known.get(name) or Part(name, "handler", name.rpartition(".")[0])
        undeclared = heard - set(part.hears)
        parts.append(
            replace(
                part,
                publishes=tuple(sorted(own)),
                listens=tuple(sorted((heard & set(part.listens)) | undeclared)),
                receives=tuple(sorted(heard & set(part.receives))),
                starts=tuple(sorted(heard & set(part.starts))),
            )
        )
    topics = sorted({each.topic for each in found.seen})
    outside = {each.topic for each in found.seen if not each.publisher and not each.listener}
    return Topology(declared.app, tuple(parts), tuple(topics), tuple(sorted(outside)))
