"""An app runs in the lifespan of a FastAPI application, in its loop, over restarts of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import pytest
from fastapi import FastAPI, HTTPException, Request

from duetto import App, RunFailed, Service, workflow
from duetto.errors import ConflictError, NotFound

bakery = Service("bakery")
OVEN: dict[str, asyncio.Event] = {}
"""Ovens that are hot once somebody says so."""


class Burnt(Exception):
    """What came out is black."""


class Loaf(msgspec.Struct, frozen=True):
    """Bread."""

    name: str
    grams: int


@bakery.task
async def bake(name: str, grams: int) -> Loaf:
    """Bake at once, or once the oven of that name is hot."""
    if name in OVEN:
        await OVEN[name].wait()
    if grams > 2_000:
        raise Burnt(name)
    return Loaf(name, grams)


@workflow
async def order_bread(name: str, grams: int) -> Loaf:
    """Bake a loaf."""
    return await bake(name, grams)


def website(store: Path) -> FastAPI:
    """Return an application that takes orders for bread, with Duetto in its lifespan."""
    bread = App("bread", services=[bakery], workflows=[order_bread], store=store)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with bread:
            yield

    site = FastAPI(lifespan=lifespan)

    @site.post("/loaves/{id}")
    async def bake_now(id: str, request: Request) -> dict[str, object]:
        wanted = await request.json()
        try:
            loaf = await bread.run_async(order_bread, wanted["name"], wanted["grams"], id=id)
        except ConflictError as conflict:
            raise HTTPException(409, str(conflict)) from conflict
        except RunFailed as failed:
            raise HTTPException(422, type(failed.__cause__).__name__) from failed
        return {"name": loaf.name, "grams": loaf.grams}

    @site.put("/orders/{id}", status_code=202)
    async def bake_later(id: str, request: Request) -> dict[str, object]:
        wanted = await request.json()
        handle = await bread.start_async(order_bread, wanted["name"], wanted["grams"], id=id)
        return {"id": handle.id, "status": handle.status().status}

    @site.get("/orders/{id}")
    async def look(id: str) -> dict[str, object]:
        try:
            return {"id": id, "status": bread.operations.show(id).status}
        except NotFound as unknown:
            raise HTTPException(404, str(unknown)) from unknown

    _ = (bake_now, bake_later, look)
    return site


@asynccontextmanager
async def visiting(store: Path) -> AsyncGenerator[httpx.AsyncClient]:
    """Serve the site in this loop, and give a client of it."""
    site = website(store)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(site.router.lifespan_context(site))
        transport = httpx.ASGITransport(app=site)
        yield await stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url="http://bakery")
        )


async def test_requests_run_workflows_side_by_side(tmp_path: Path) -> None:
    async with visiting(tmp_path / "bread.sqlite") as client:
        answers = await asyncio.gather(
            *(client.post(f"/loaves/{n}", json={"name": "rye", "grams": n}) for n in range(20))
        )
    assert [answer.json() for answer in answers] == [{"name": "rye", "grams": n} for n in range(20)]


async def test_a_request_that_comes_twice_runs_once_and_another_is_a_conflict(
    tmp_path: Path,
) -> None:
    async with visiting(tmp_path / "bread.sqlite") as client:
        first = await client.post("/loaves/1", json={"name": "rye", "grams": 500})
        again = await client.post("/loaves/1", json={"name": "rye", "grams": 500})
        other = await client.post("/loaves/1", json={"name": "rye", "grams": 501})
    assert first.json() == again.json() == {"name": "rye", "grams": 500}
    assert other.status_code == 409
    assert "choose another id" in other.json()["detail"]


async def test_errors_of_tasks_reach_the_handler_with_their_classes(tmp_path: Path) -> None:
    async with visiting(tmp_path / "bread.sqlite") as client:
        burnt = await client.post("/loaves/1", json={"name": "rye", "grams": 2_001})
        unknown = await client.get("/orders/2")
    assert (burnt.status_code, burnt.json()["detail"]) == (422, "Burnt")
    assert unknown.status_code == 404


async def test_an_order_outlives_the_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duetto.app.STOP_S", 0.0)
    OVEN["slow"] = asyncio.Event()
    async with visiting(tmp_path / "bread.sqlite") as client:
        answer = await client.put("/orders/1", json={"name": "slow", "grams": 900})
        assert (answer.status_code, answer.json()["status"]) == (202, "running")
    del OVEN["slow"]
    async with visiting(tmp_path / "bread.sqlite") as client:
        loaf = await client.post("/loaves/1", json={"name": "slow", "grams": 900})
        status = await client.get("/orders/1")
    assert loaf.json() == {"name": "slow", "grams": 900}
    assert status.json()["status"] == "completed"
