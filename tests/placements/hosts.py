"""Stop, wake, crash and recover single hosts of a running app."""

from __future__ import annotations

from duetto.errors import StoreFailed
from duetto.invokers import LocalInvoker
from duetto.runtime.engine import Engine
from duetto.runtime.host import Host
from duetto.runtime.runs import recover
from duetto.store import Batch


def stop(host: Host) -> None:
    """Let a host hear and do nothing."""
    host.stopping = True
    assert host.exchange.broker is not None
    for participant in host.participants:
        host.exchange.broker.unsubscribe(participant)


def go_on(host: Host) -> None:
    """Let it hear again, what came meanwhile first."""
    host.stopping = False
    assert host.exchange.broker is not None
    for participant in host.participants:
        host.exchange.broker.subscribe(participant, host.exchange.receive)


async def crash(host: Host) -> None:
    """Lose all that a host has in memory: what is not committed never will be."""
    stop(host)
    host.failure = StoreFailed("the process has died")
    host.batch = Batch()
    host.released.clear()
    host.invocations.clear()
    host.timers.close()
    assert host.invoker is not None
    await host.invoker.drain(0)


def revive(engine: Engine, dead: Host) -> Host:
    """Start a host anew on the store of a dead one, which says that its owner died."""
    dead.store.died = True
    host = Host(
        dead.store,
        dead.participants,
        programs=dead.programs,
        tasks=dead.tasks,
        placement=dead.placement,
        clock=dead.clock,
        codec=dead.codec,
        observer=dead.observer,
        alone=False,
    )
    host.waiters = dead.waiters
    host.invoker = LocalInvoker(host.attempts.ended)
    engine.hosts[engine.hosts.index(dead)] = host
    assert dead.exchange.broker is not None
    host.exchange.connect(dead.exchange.broker)
    recover(host)
    return host
