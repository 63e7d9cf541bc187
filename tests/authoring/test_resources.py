"""Resources: opened in order, closed in reverse, found by type, passed to direct calls."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

import pytest

from duetto.authoring import Service, resource
from duetto.authoring.resources import (
    find_resource,
    open_resources,
    provided,
    providers,
    yielded_type,
)
from duetto.errors import ConfigurationError

log: list[str] = []


class Pool:
    """A resource."""


class BigPool(Pool):
    """One below it."""


class SmallPool(Pool):
    """Another."""


class Client:
    """A class that is its own context manager."""

    async def __aenter__(self) -> Self:
        log.append("open client")
        return self

    async def __aexit__(self, *error: object) -> None:
        log.append("close client")


@asynccontextmanager
async def pool() -> AsyncGenerator[Pool]:
    log.append("open pool")
    yield Pool()
    log.append("close pool")


@asynccontextmanager
async def no_type():
    yield Pool()


@asynccontextmanager
async def needs(url: str) -> AsyncGenerator[Pool]:
    yield Pool()


async def older_spelling() -> AsyncIterator[SmallPool]:
    yield SmallPool()


def test_the_type_is_read_from_either_spelling() -> None:
    assert yielded_type(asynccontextmanager(older_spelling)) is SmallPool  # pyright: ignore[reportDeprecated]  # users write it


async def test_resources_are_opened_in_order_and_closed_in_reverse() -> None:
    log.clear()
    instance = BigPool()
    async with open_resources([pool, Client, instance]) as opened:
        assert list(opened) == [Pool, Client, BigPool]
        assert opened[BigPool] is instance
        assert log == ["open pool", "open client"]
    assert log[2:] == ["close client", "close pool"]


def test_the_exact_type_comes_first_then_the_only_one_below() -> None:
    big, exact = BigPool(), Pool()
    assert find_resource({BigPool: big, Client: Client()}, Pool, for_="a.b") is big
    assert find_resource({BigPool: big, Pool: exact}, Pool, for_="a.b") is exact


def test_missing_and_ambiguous_resources_are_named() -> None:
    with pytest.raises(ConfigurationError, match=r"a\.b needs a `Pool`, and no resource is one"):
        find_resource({Client: Client()}, Pool, for_="a.b")
    with pytest.raises(ConfigurationError) as refused:
        find_resource({BigPool: BigPool(), SmallPool: SmallPool()}, Pool, for_="a.b")
    assert refused.value.found == "BigPool, SmallPool"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([pool, Pool()], "Two resources are a `Pool`"),
        ([Pool], "cannot be used"),
        ([no_type], "cannot be used"),
        ([needs], "cannot be used"),
        ([len], "cannot be used"),
    ],
)
def test_what_cannot_be_a_resource_is_refused(given: list[object], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        providers(given)


@Service("inventory").task
async def borrow(name: str, *, pool: Pool = resource()) -> Pool:
    return pool


async def test_a_direct_call_gets_a_resource_passed_or_provided() -> None:
    big = BigPool()
    assert await borrow("x", pool=big) is big
    with provided(big):
        assert await borrow("x") is big
    with pytest.raises(ConfigurationError) as refused:
        await borrow("x")
    assert "pass `pool=…`" in refused.value.do
