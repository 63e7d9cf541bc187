"""Direct calls: what makes tasks and workflows plain Python in memory, with nothing stored.

The undo list of the innermost saga stands in a ContextVar. A branch has a list of its own, which
its parent joins in the order of branches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeVar

from duetto.authoring.mailbox import Mailbox

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """A task that completed, or may have, and the call that undoes it."""

    task: str
    undo: Callable[[], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class Memory:
    """What the workflows of one outermost direct call share.

    `unsettled` are bodies that were interrupted and run on; `parked` are compensations that
    failed, which would park a run.
    """

    mailbox: Mailbox = field(default_factory=Mailbox)
    unsettled: list[asyncio.Future[Any]] = field(default_factory=list[asyncio.Future[Any]])
    parked: list[Exception] = field(default_factory=list[Exception])


UndoList = list[Entry]
undo_list: ContextVar[UndoList | None] = ContextVar("duetto_direct_undo", default=None)
memory: ContextVar[Memory | None] = ContextVar("duetto_direct_memory", default=None)


class Saga:
    """Undoes what completed inside, newest first, when an error leaves it."""

    __slots__ = ("_keep", "_outer", "_token", "entries")

    def __init__(self, *, keep: bool = True) -> None:
        self._keep = keep
        self.entries: UndoList = []

    async def __aenter__(self) -> None:
        self._outer = undo_list.get()
        self._token = undo_list.set(self.entries)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A coroutine that is closed, never finished, may not await, and stands in another context.
        if isinstance(error, GeneratorExit):
            return
        undo_list.reset(self._token)
        if error is not None:
            await to_the_end(unwind(self.entries, error))
        elif self._keep and self._outer is not None:
            self._outer.extend(self.entries)


class DirectRun:
    """A workflow that is called directly: a saga, and for the outermost one a memory."""

    __slots__ = ("_memory", "_saga", "_token")

    def __init__(self) -> None:
        self._saga = Saga()
        self._memory = None if memory.get() else Memory()

    async def __aenter__(self) -> None:
        if self._memory:
            self._token = memory.set(self._memory)
        await self._saga.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self._saga.__aexit__(kind, error, traceback)
        finally:
            if self._memory and not isinstance(error, GeneratorExit):
                memory.reset(self._token)
                await finish(self._memory)


async def finish(shared: Memory) -> None:
    """Let interrupted bodies end, so that nothing outlives the call; raise what would park."""
    if shared.unsettled:
        await asyncio.gather(*shared.unsettled, return_exceptions=True)
    if shared.parked:
        raise shared.parked[0]


async def unwind(entries: UndoList, error: BaseException | None = None) -> None:
    """Undo what is listed, newest first. A compensation that fails ends it, as it would park."""
    undo_list.set(None)
    while entries:
        entry = entries.pop()
        try:
            await entry.undo()
        except Exception as failure:
            # Whatever a compensation raises would park the run, and must not get lost here.
            failure.add_note(f"while {entry.task} was undone; in Duetto the run would park here")
            if shared := memory.get():
                shared.parked.append(failure)
            raise failure from error


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Await work that a cancel must not cut in half; the cancel is raised afterwards."""
    running = asyncio.ensure_future(work)
    cancel: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError as error:
            if running.cancelled():
                raise
            cancel = error
    result = running.result()
    if cancel is not None:
        raise cancel
    return result


async def outside_sagas(work: Coroutine[Any, Any, T]) -> T:
    """Await the body of a task, in which the tasks that it calls are plain functions."""
    token = undo_list.set(None)
    try:
        return await work
    finally:
        undo_list.reset(token)


async def undoable(
    task: str,
    work: Coroutine[Any, Any, T],
    undo: Callable[[T], Coroutine[Any, Any, None]],
    notice: Callable[[], None],
) -> T:
    """Await the body of a task in a saga, and list what undoes it.

    An interrupted body is not killed: its effect would be unknown. It gets the notice and runs on,
    and unwinding waits for its end before it undoes it.
    """
    entries = undo_list.get()
    if entries is None:
        return await work
    running = asyncio.ensure_future(outside_sagas(work))
    try:
        result = await asyncio.shield(running)
    except asyncio.CancelledError:
        if running.cancelled():
            raise
        notice()
        entries.append(Entry(task, lambda: settle(running, undo)))
        if shared := memory.get():
            shared.unsettled.append(running)
        raise
    entries.append(Entry(task, lambda: undo(result)))
    return result


async def settle(
    running: asyncio.Future[T], undo: Callable[[T], Coroutine[Any, Any, None]]
) -> None:
    """Wait for the end of an interrupted body, and undo it if it took effect."""
    await asyncio.wait([running])
    if not running.cancelled() and running.exception() is None:
        await undo(running.result())


@contextmanager
def events(*published: object) -> Generator[Mailbox]:
    """Share one mailbox among the direct calls inside, with events that are there already."""
    shared = Memory()
    for event in published:
        shared.mailbox.put(event)
    token = memory.set(shared)
    try:
        yield shared.mailbox
    finally:
        memory.reset(token)


def join(branches: Iterable[UndoList]) -> None:
    """Hand the entries of branches to the parent, in the order of branches."""
    entries = undo_list.get()
    if entries is not None:
        for branch in branches:
            entries.extend(branch)
