"""The office of a later version, whose `Told` says more."""

from __future__ import annotations

import msgspec

from duetto import Service, event

office = Service("office")
heard: list[int] = []


@event(key="n", version=2)
class Told(msgspec.Struct, frozen=True):
    n: int


@office.on(Told)
async def hear(told: Told) -> None:
    heard.append(told.n)
