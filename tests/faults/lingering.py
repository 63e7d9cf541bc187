"""A workflow whose first task takes as long as the environment says, and tells when it begins."""

from __future__ import annotations

import asyncio
import os

from duetto import Service, workflow
from tests.faults.trade import TRACE

LINGER_S = "LINGER_S"

clerk = Service("clerk")


@clerk.task
async def linger(name: str) -> str:
    print("begun", flush=True)
    await asyncio.sleep(float(os.environ[LINGER_S]))
    print("ended", flush=True)
    TRACE.done.append("linger")
    return name


@clerk.task
async def leave(name: str) -> str:
    TRACE.done.append("leave")
    return f"{name} has left"


@workflow
async def visit(name: str) -> str:
    name = await linger(name)
    return await leave(name)
