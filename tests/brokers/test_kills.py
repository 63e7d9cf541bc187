"""Processes that share the database broker are killed, again and again, and nothing is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from duetto.stores.sqlite_broker import SqliteBroker
from tests.brokers.processes import Process, heard, kill, killed_at_the_end, start
from tests.brokers.worker import ACK_WAIT_MS, KEYS

ROUNDS = 6


@pytest.mark.slow
def test_what_was_acknowledged_arrives_in_order_whoever_is_killed(tmp_path: Path) -> None:
    random, place, log = Random(5), tmp_path / "broker.sqlite", tmp_path / "seen.txt"
    acknowledged: set[int] = set()
    for _ in range(ROUNDS):
        processes: list[Process] = []
        with killed_at_the_end(processes):
            first = max(acknowledged, default=-1) + 1
            publisher = start("tests.brokers.worker", place, "publish", str(first))
            consumers = [start("tests.brokers.worker", place, "consume", log) for _ in range(2)]
            processes += [publisher, *consumers]
            acknowledged |= set(map(int, heard(publisher, random.randint(1, 40))))
            heard(random.choice(consumers), random.randint(1, 20))
            random.shuffle(processes)
            for process in processes:
                lines = kill(process)
                if process is publisher:
                    acknowledged |= set(map(int, lines))
    asyncio.run(take_the_rest(place, log, acknowledged))
    assert acknowledged <= seen(log)
    firsts = list(dict.fromkeys(map(int, log.read_text().split())))
    for key in range(KEYS):
        ordered = [number for number in firsts if number % KEYS == key]
        assert ordered == sorted(ordered)
    assert acknowledged == set(range(len(acknowledged)))


def seen(log: Path) -> set[int]:
    return {int(line) for line in log.read_text().split()}


async def take_the_rest(place: Path, log: Path, wanted: set[int]) -> None:
    broker = SqliteBroker.open(place)
    consumer = await broker.topics.consume("numbers", "readers", ack_wait_ms=ACK_WAIT_MS)
    with log.open("a") as file:
        while not wanted <= seen(log):
            for each in await asyncio.wait_for(consumer.take(50), 20):
                file.write(f"{each.record.body.decode()}\n")
                await consumer.ack(each)
            file.flush()
    await broker.close()


ORDERS = 40


@pytest.mark.slow
def test_hosts_in_processes_of_their_own_exchange_messages_whoever_is_killed(
    tmp_path: Path,
) -> None:
    """The app in one process, two services in another; both are killed while runs are open."""
    random = Random(3)
    module, processes = "tests.brokers.hosting", list[Process]()
    with killed_at_the_end(processes):
        for number in range(1, ROUNDS):  # each begins some orders, and goes on with the others
            app = start(module, tmp_path, str(ORDERS * number), "sender")
            services = start(module, tmp_path, "0", "warehouse", "harbour")
            processes += [app, services]
            heard(services, random.randint(1, ORDERS))
            for process in random.sample([app, services], 2):
                kill(process)
        app = start(module, tmp_path, str(ORDERS * ROUNDS), "sender")
        services = start(module, tmp_path, "0", "warehouse", "harbour")
        processes += [app, services]
        assert heard(app, 1) == [f"{ORDERS * ROUNDS} ended well"]
