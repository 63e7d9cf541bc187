"""The words of the workflow language; called directly they work in memory, on plain asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from datetime import timedelta
from inspect import isawaitable
from typing import Any, TypeVar, cast, overload

from duetto.authoring.branches import Branches
from duetto.authoring.direct import Saga, memory
from duetto.authoring.mailbox import Mailbox
from duetto.authoring.names import checked_count, seconds_of
from duetto.errors import ConfigurationError

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")
G = TypeVar("G")
H = TypeVar("H")


@overload
async def gather(*, cancel: bool = ..., limit: int | None = ...) -> tuple[()]: ...
@overload
async def gather(
    a: Awaitable[A], /, *, cancel: bool = ..., limit: int | None = ...
) -> tuple[A]: ...
@overload
async def gather(
    a: Awaitable[A], b: Awaitable[B], /, *, cancel: bool = ..., limit: int | None = ...
) -> tuple[A, B]: ...
@overload
async def gather(
    a: Awaitable[A],
    b: Awaitable[B],
    c: Awaitable[C],
    /,
    *,
    cancel: bool = ...,
    limit: int | None = ...,
) -> tuple[A, B, C]: ...
@overload
async def gather(
    a: Awaitable[A],
    b: Awaitable[B],
    c: Awaitable[C],
    d: Awaitable[D],
    /,
    *,
    cancel: bool = ...,
    limit: int | None = ...,
) -> tuple[A, B, C, D]: ...
@overload
async def gather(
    a: Awaitable[A],
    b: Awaitable[B],
    c: Awaitable[C],
    d: Awaitable[D],
    e: Awaitable[E],
    /,
    *,
    cancel: bool = ...,
    limit: int | None = ...,
) -> tuple[A, B, C, D, E]: ...
@overload
async def gather(
    a: Awaitable[A],
    b: Awaitable[B],
    c: Awaitable[C],
    d: Awaitable[D],
    e: Awaitable[E],
    f: Awaitable[F],
    /,
    *,
    cancel: bool = ...,
    limit: int | None = ...,
) -> tuple[A, B, C, D, E, F]: ...
@overload
async def gather(
    a: Awaitable[A],
    b: Awaitable[B],
    c: Awaitable[C],
    d: Awaitable[D],
    e: Awaitable[E],
    f: Awaitable[F],
    g: Awaitable[G],
    /,
    *,
    cancel: bool = ...,
    limit: int | None = ...,
) -> tuple[A, B, C, D, E, F, G]: ...
@overload
async def gather(
    a: Awaitable[A],
    b: Awaitable[B],
    c: Awaitable[C],
    d: Awaitable[D],
    e: Awaitable[E],
    f: Awaitable[F],
    g: Awaitable[G],
    h: Awaitable[H],
    /,
    *,
    cancel: bool = ...,
    limit: int | None = ...,
) -> tuple[A, B, C, D, E, F, G, H]: ...
@overload
async def gather(
    each: Iterable[Awaitable[A]], /, *, cancel: bool = ..., limit: int | None = ...
) -> list[A]: ...
@overload
async def gather(
    *branches: Awaitable[A], cancel: bool = ..., limit: int | None = ...
) -> tuple[A, ...]: ...
async def gather(*given: Any, cancel: bool = False, limit: int | None = None) -> Any:
    """Run branches at the same time and return their values: a tuple, or a list for an iterable.

    Waits for all, then raises the error of the lowest index. With `cancel` the first error
    cancels the others, and is raised when they have ended. `limit` is how many run at a time.
    """
    over_iterable = len(given) == 1 and not isawaitable(given[0])
    each = cast("Iterable[Awaitable[Any]]", given[0] if over_iterable else given)
    at_a_time = checked_count("limit of gather", limit)
    values = await Branches([*each], limit=at_a_time, fail_fast=cancel).all()
    return values if over_iterable else tuple(values)


async def race(first: Awaitable[A], /, *others: Awaitable[A]) -> A:
    """Return the value of the first branch to end, or raise its error.

    Each branch is a saga of its own: the others are cancelled and undo themselves, and one that
    completed all the same is undone.
    """
    return await Branches([first, *others], sagas=True).first()


async def sleep(duration: float | timedelta, /) -> None:
    """Wait for seconds, or a timedelta."""
    await asyncio.sleep(seconds_of(duration))


def timeout(duration: float | timedelta, /) -> asyncio.Timeout:
    """Interrupt what is inside after a time; `async with timeout(5):` raises TimeoutError."""
    return asyncio.timeout(seconds_of(duration))


def saga(*, keep: bool = True) -> Saga:
    """Undo what completed inside, newest first, when an error leaves the block.

    A block that ends well keeps its entries for the saga around it; `keep=False` drops them, for
    loops without end.
    """
    return Saga(keep=keep)


async def receive(
    event: type[E], /, *, key: object = None, timeout: float | timedelta | None = None
) -> E:
    """Wait for an event of a type, and of a key where one is given; TimeoutError after a time."""
    mailbox = shared_mailbox(f"receive({event.__name__})")
    limit = None if timeout is None else seconds_of(timeout)
    async with asyncio.timeout(limit):
        return await mailbox.take(event, key)


def emit(event: object, /) -> None:
    """Publish an event."""
    shared_mailbox(f"emit({type(event).__name__})").put(event)


def shared_mailbox(call: str) -> Mailbox:
    """Return the mailbox that the direct calls under way share."""
    if shared := memory.get():
        return shared.mailbox
    raise ConfigurationError(
        "There is no mailbox here.",
        found=f"{call} outside a workflow",
        expected="a workflow, or a test that shares its events",
        do="call it in a workflow, or in `with events():` of duetto.authoring.direct",
    )
