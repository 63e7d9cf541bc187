"""All hosts of an app in one process: started together, and drained together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from duetto.broker import Broker
from duetto.clock import Clock
from duetto.codec import Codec
from duetto.errors import ConfigurationError
from duetto.model.placement import Placement
from duetto.observer import Observer
from duetto.runtime.events import Choreography, HostEvents, join_logs, source_of
from duetto.runtime.host import Host
from duetto.runtime.programs import Programs
from duetto.runtime.runs import load, recover
from duetto.runtime.sweeps import Sweeps
from duetto.runtime.tasks import TaskHandle
from duetto.store import Store

BACKLOG_MAX = 10_000
"""Calls that wait for a worker: above it a start waits, so that memory stays bounded."""


class Engine:
    """Runs hosts. `stores` are (store, its participants); the one with "" keeps the app's runs."""

    def __init__(
        self,
        stores: Iterable[tuple[Store, frozenset[str]]],
        *,
        programs: Programs,
        tasks: Mapping[str, TaskHandle],
        placement: Placement,
        clock: Clock,
        codec: Codec,
        observer: Observer,
        broker: Broker,
        retention_ms: int,
        choreography: Choreography | None = None,
    ) -> None:
        self._choreography = choreography
        self._stores = list(stores)
        self.programs, self.tasks, self.clock = programs, tasks, clock
        self.codec, self.observer, self.broker = codec, observer, broker
        self._placement = placement
        self.retention_ms = retention_ms
        self._rooms = {room for handle in tasks.values() for room in handle.rooms}
        self.hosts: list[Host] = []
        self.events: list[HostEvents] = []
        """Of the hosts, in their order; none where the app has no events."""
        self._sweeps: list[Sweeps] = []

    @property
    def placement(self) -> Placement:
        return self._placement

    @placement.setter
    def placement(self, placement: Placement) -> None:
        """Place what departs from now on; runs in flight follow at their next hop."""
        self._placement = placement
        for host in self.hosts:
            host.placement = placement

    def start(self, invoker: Any) -> list[str]:
        """Start all hosts in the running loop; return the ids of the runs that continue.

        `invoker` makes an invoker from a function to call at the end of each attempt, and one to
        call, as `blocked`, after a body that held the loop.
        """
        self._make_hosts()
        for host in self.hosts:
            host.invoker = invoker(host.attempts.ended, blocked=host.attempts.blocked)
        continued: list[str] = []
        for host in self.hosts:
            if not host.alone:
                host.exchange.connect(self.broker)
            continued += recover(host)
            if host.failure is not None:
                raise host.failure
            self._sweeps.append(Sweeps(host, self.retention_ms))
        return continued

    def rest(self) -> None:
        """Load all hosts and execute nothing: for reads, and operations that only write."""
        self._make_hosts()
        for host in self.hosts:
            host.stopping = True
            load(host)

    @property
    def _is_whole(self) -> bool:
        """Whether every participant is here, in one store: then no message leaves it."""
        here = frozenset[str]().union(*(participants for _, participants in self._stores))
        services = {handle.service for handle in self.tasks.values()}
        if self._choreography is not None:
            services |= self._choreography.participants  # some have handlers only
        return len(self._stores) == 1 and here >= {"", *services}

    def _make_hosts(self) -> None:
        alone = self._is_whole
        sources = {
            participant: source_of(participants)
            for _, participants in self._stores
            for participant in participants
        }
        for store, participants in self._stores:
            host = Host(
                store,
                participants,
                programs=self.programs,
                tasks=self.tasks,
                placement=self._placement,
                clock=self.clock,
                codec=self.codec,
                observer=self.observer,
                alone=alone,
            )
            host.exchange.keep_ms = self.retention_ms
            if self._choreography is not None:
                self.events.append(HostEvents(host, self._choreography, sources))
            self.programs.fetch_from(store.definition)
            self.hosts.append(host)
        join_logs(self.events)

    def host_of(self, participant: str) -> Host:
        """Return the host of a participant."""
        for host in self.hosts:
            if participant in host.participants:
                return host
        raise ConfigurationError(
            "The app is not started, or a participant has no store.",
            found=participant or "the app",
            expected="`async with app:` around the call",
        )

    @property
    def congested(self) -> bool:
        """Whether a new start should wait: for a worker, or for room within a limit."""
        queued = 0
        for host in self.hosts:
            if host.invoker is not None:
                queued += host.invoker.backlog
        for room in self._rooms:
            queued += len(room.waiting)
        return queued > BACKLOG_MAX

    async def stop(self, timeout_s: float) -> int:
        """Let what runs end, start nothing new, commit, close; return how many were cut off."""
        left = 0
        for host in self.hosts:
            host.stopping = True
        for sweeps in self._sweeps:
            sweeps.close()
        for host in self.hosts:
            if host.invoker is not None:
                left += await host.invoker.drain(timeout_s)
        await asyncio.sleep(0)
        for host in self.hosts:
            if host.failure is None:
                host.flush()
            host.turn_away(_stopped())
            host.timers.close()
            host.events.close()
            for participant in host.participants:
                self.broker.unsubscribe(participant)
        self.hosts.clear()
        self.events.clear()
        self._sweeps.clear()
        return left


def _stopped() -> ConfigurationError:
    return ConfigurationError(
        "The app was stopped before the run had ended.",
        found="a run that is open",
        expected="an app that runs until then",
        do="run the app again: the run goes on where it is",
    )


__all__ = ["Engine"]
