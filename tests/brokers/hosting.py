"""A process that hosts some participants of an app: `python -m tests.brokers.hosting FOLDER …`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from duetto import App, Service, workflow

warehouse, harbour = Service("warehouse"), Service("harbour")


@warehouse.task
async def pack(item: str) -> str:
    print("packed", flush=True)
    return f"box of {item}"


@harbour.task
async def ship(box: str) -> str:
    print("shipped", flush=True)
    return f"ship with a {box}"


@workflow
async def send(item: str) -> str:
    box = await pack(item)
    return await ship(box)


def an_app(folder: Path, *participants: str, placement: str = "choreography") -> App:
    """Return the app as one process has it, with a store of its own."""
    return App(
        "sender",
        services=[warehouse, harbour],
        workflows=[send],
        placement=placement,
        store=folder / f"{participants[0]}.sqlite",
        broker=f"sqlite:{folder / 'broker.sqlite'}",
        participants=participants,
    )


async def main(folder: str, count: str, *participants: str) -> None:
    async with an_app(Path(folder), *participants) as app:
        orders = range(int(count))
        runs = [app.run_async(send, f"tea {n}", id=f"order-{n}") for n in orders]
        found = await asyncio.gather(*runs)
        if found:
            assert found == [f"ship with a box of tea {n}" for n in orders]
            print(f"{len(found)} ended well", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
