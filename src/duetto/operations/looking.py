"""What the hosts of an app know of a run, gathered for explanations."""

from __future__ import annotations

from collections.abc import Iterable

from duetto.kernel import journal
from duetto.kernel.fold import RunState
from duetto.model.message import Command, Message
from duetto.model.record import CommandCame, Record
from duetto.model.token import ROOT, OnChildren, parent_of
from duetto.operations.explain import Knowledge, Limit, Queue
from duetto.runtime.attempt import Attempt
from duetto.runtime.host import Host
from duetto.runtime.tasks import Room, TaskHandle
from duetto.store import unseal


def knowledge(host: Host, run: RunState, hosts: Iterable[Host]) -> Knowledge:
    """Return what one host knows of a run that is open there; `hosts` are all in this process."""
    by_participant = {name: each for each in hosts for name in each.participants}

    def arrived(participant: str, path: str, hop: int) -> bool:
        other = _state(by_participant.get(participant), run.id)
        return other is not None and other.hops.get(path, -1) >= hop

    def reported(participant: str, path: str) -> bool:
        other = _state(by_participant.get(participant), run.id)
        return other is None or not _awaits(other, path)

    def commanded(message: Message) -> str:
        return _commanded(by_participant.get(message.to), message)

    def cancelled(participant: str, path: str) -> bool:
        other = _state(by_participant.get(participant), run.id)
        return other is not None and path in other.tombs

    held = tuple(_held_commands(host, run))
    return Knowledge(
        run,
        records(host, run),
        {name: _limit(handle) for name, handle in host.tasks.items()},
        host.local_services,
        host.exchange.unconfirmed,
        arrived,
        reported,
        commanded,
        cancelled,
        held,
        host.events.kept,
        working=not host.stopping,
    )


def records(host: Host, run: RunState) -> list[Record]:
    """Return the records of a run, with those that wait for their commit or their first end."""
    stored = [journal.record(data) for data in host.store.journal(run.rid)]
    stored += [journal.record(unseal(data)) for rid, data in host.batch.journal if rid == run.rid]
    stored += [held.record for (id, _), held in host.held.items() if id == run.id]
    return stored


def _held_commands(host: Host, run: RunState) -> Iterable[Message]:
    for place, held in host.exchange.commands.held.items():
        if place[0] == run.id and isinstance(held.record, CommandCame):
            yield held.record.message


def _commanded(host: Host | None, message: Message) -> str:
    """Return what became of a command at its service: `lost`, `answered`, or nothing yet."""
    body = message.body
    if host is None or not isinstance(body, Command):
        return ""
    key, run = (body.path, body.step, body.undo), host.runs.get(message.run)
    if (message.run, *key) in host.exchange.commands.held:
        return ""
    if run is None:
        return "lost"
    if key in run.keys:
        return "answered"
    return "" if key in run.commands else "lost"


def _state(host: Host | None, id: str) -> RunState | None:
    return host.runs.get(id) if host is not None else None


def _awaits(run: RunState, path: str) -> bool:
    if path == ROOT:
        return True
    parent, step, index = parent_of(path)
    token = run.tokens.get(parent)
    if token is None or token.step != step or not isinstance(token.rest, OnChildren):
        return False
    return index not in run.reports.get(parent, {})


def _limit(handle: TaskHandle) -> Limit:
    return Limit(
        handle.task.retry.attempts_max,
        tuple(_queue(room) for room in handle.rooms if room.waiting),
        handle.undo.name if handle.undo is not None else "",
    )


def _queue(room: Room) -> Queue:
    places = tuple(each.place for each in room.waiting if isinstance(each, Attempt))
    return Queue(room.limit, room.running, places)
