"""An app with a task that kills its process, among many that do not: `… FOLDER INNOCENT`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from duetto import App, Service, workflow

farm = Service("farm")
DEADLY = "deadly"
STEP_S = 0.05


@farm.task
async def pick(name: str) -> str:
    """Die, or take a while."""
    if name == DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)
    await asyncio.sleep(STEP_S)
    return name


@workflow
async def harvest(name: str) -> str:
    """Pick."""
    return await pick(name)


async def main(folder: Path, innocent: int) -> None:
    """Bring all runs to where nothing moves any more, and print how each stands."""
    async with App(
        "farm", services=[farm], workflows=[harvest], store=folder / "farm.sqlite"
    ) as app:
        names = [DEADLY, *(f"tree-{number}" for number in range(innocent))]
        for name in names:
            await app.start_async(harvest, name, id=name)
        await app.operations.settled()
        for name in names:
            view = app.operations.show(name)
            print(name, "parked" if view.parked else view.status)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
