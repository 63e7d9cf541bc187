"""FastStream: one handler, or four that publish for the next; `bench.rivals.faststream` says how.

It is outside the type checker, because its rival is installed only in bench/.cache/venv-faststream.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from functools import partial

import nats
import uvloop
from fast_depends.msgspec import MsgSpecSerializer
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from msgspec import Struct
from nats.js import JetStreamContext
from nats.js.api import StorageType

Acknowledged = Callable[[], Awaitable[None]]

STREAM = JStream("bench", storage=StorageType.FILE)
KEYS = 100
TIMEOUT_S = 30.0
"""By default a publish gives up after half a second, which a hundred syncs can take."""


class Event(Struct, frozen=True):
    key: str
    number: int


class Counted:
    """Which events the last handler has seen; one that is delivered again does not count twice."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._wanted, self._reached = 0, asyncio.Event()

    def want(self, count: int) -> None:
        self._seen.clear()
        self._wanted = count
        self._reached.clear()

    def one(self, number: int) -> None:
        self._seen.add(number)
        if len(self._seen) == self._wanted:
            self._reached.set()

    async def all(self) -> None:
        await self._reached.wait()


def add_stage(broker: NatsBroker, number: int, last: int, at_once: int, counted: Counted) -> None:
    """Add the handler of a subject; all but the last publish to the next one."""
    takes = broker.subscriber(
        f"stage.{number}",
        stream=STREAM,
        durable=f"stage-{number}",
        pull_sub=PullSub(batch_size=at_once),
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )
    if number == last:

        @takes
        async def end(event: Event) -> None:
            counted.one(event.number)

        return

    @takes
    @broker.publisher(f"stage.{number + 1}", stream="bench", timeout=TIMEOUT_S)
    async def hand_on(event: Event) -> Event:
        return Event(event.key, event.number)


async def handled(
    broker: NatsBroker, counted: Counted, count: int, many: int, acknowledged: Acknowledged
) -> None:
    """Publish events, so many at a time, and wait until all handlers' are acknowledged."""
    counted.want(count)
    for at in range(0, count, many):
        events = (Event(f"k{number % KEYS}", number) for number in range(at, min(at + many, count)))
        await asyncio.gather(
            *(
                broker.publish(event, "stage.1", stream="bench", timeout=TIMEOUT_S)
                for event in events
            )
        )
    await counted.all()
    await acknowledged()


async def all_acknowledged(jetstream: JetStreamContext, stages: int) -> None:
    """Ask the server until it has all acknowledgements; they are sent without an answer."""
    for number in range(1, stages + 1):
        while True:
            state = await jetstream.consumer_info("bench", f"stage-{number}")
            if not state.num_pending and not state.num_ack_pending:
                break


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("stages", "events", "at-once"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--address", required=True)
    options = parser.parse_args()
    broker = NatsBroker(
        options.address,
        serializer=MsgSpecSerializer(use_fastdepends_errors=False),
        logger=None,
    )
    counted = Counted()
    for number in range(1, options.stages + 1):
        add_stage(broker, number, options.stages, options.at_once, counted)
    async with broker, await nats.connect(options.address) as asking:
        await broker.start()
        acknowledged = partial(all_acknowledged, asking.jetstream(), options.stages)
        # The first messages pay for what is made on first use; they do not count.
        await handled(broker, counted, options.at_once, options.at_once, acknowledged)
        began, cpu = time.perf_counter(), time.process_time()
        await handled(broker, counted, options.events, options.at_once, acknowledged)
        took = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    print(json.dumps(took), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
