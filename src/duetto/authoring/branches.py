"""Branches that run at the same time in direct calls: how they start, end and are undone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from contextlib import AsyncExitStack
from inspect import iscoroutine
from typing import Generic, TypeVar

from duetto.authoring.direct import Saga, UndoList, join, to_the_end, undo_list, unwind

A = TypeVar("A")

UNDECIDED = -1


class Branches(Generic[A]):
    """One asyncio task for each branch, each with an undo list of its own."""

    def __init__(
        self,
        awaitables: Sequence[Awaitable[A]],
        *,
        limit: int | None = None,
        fail_fast: bool = False,
        sagas: bool = False,
    ) -> None:
        self._awaitables = awaitables
        self._fail_fast, self._sagas = fail_fast, sagas
        self._stopped = False
        self._window = asyncio.Semaphore(limit or len(awaitables) or 1)
        self._lists: list[UndoList] = [[] for _ in awaitables]
        self._ended: list[int] = []
        self._decided = UNDECIDED
        self._tasks = [asyncio.create_task(self._run(each)) for each in range(len(awaitables))]
        for index, task in enumerate(self._tasks):
            task.add_done_callback(lambda _, index=index: self._ended.append(index))

    async def all(self) -> list[A]:
        """Wait for all, or for the first error; raise the one that decides, or return all values.

        The branches hand what they did to the parent, which undoes it if its saga fails.
        """
        try:
            await self._settle(
                asyncio.FIRST_EXCEPTION if self._fail_fast else asyncio.ALL_COMPLETED
            )
        finally:
            join(self._lists)
        if failed := [index for index in self._ended if self._failed(index)]:
            return [self._tasks[failed[0] if self._fail_fast else min(failed)].result()]
        return [task.result() for task in self._tasks]

    async def first(self) -> A:
        """Wait for the first branch to end, undo the others, return its value or raise its error.

        Interrupted before there is a winner, it undoes all.
        """
        try:
            await self._settle(asyncio.FIRST_COMPLETED)
        finally:
            losers = [each for each in range(len(self._tasks)) if each != self._decided]
            if self._decided != UNDECIDED:
                join([self._lists[self._decided]])
            await to_the_end(self._undo(losers))
        return self._tasks[self._decided].result()

    async def _run(self, index: int) -> A:
        undo_list.set(self._lists[index])
        async with self._window, AsyncExitStack() as stack:
            if self._sagas:
                await stack.enter_async_context(Saga())
            try:
                return await self._awaitables[index]
            except Exception:
                # Whatever the error is: the window must not let another begin behind it.
                if self._fail_fast:
                    self._stop()
                raise

    async def _settle(self, when: str) -> None:
        if not self._tasks:
            return
        try:
            await asyncio.wait(self._tasks, return_when=when)
        finally:
            if self._ended:
                self._decided = self._ended[0]
            self._stop()
            await to_the_end(self._end())

    def _stop(self) -> None:
        """Cancel the branches, once: a second cancel would cut into what cleans up."""
        if not self._stopped:
            self._stopped = True
            for task in self._tasks:
                if task is not asyncio.current_task():
                    task.cancel()

    async def _end(self) -> None:
        """Wait for every branch, and close those that the window never let begin."""
        await asyncio.wait(self._tasks)
        for awaitable in self._awaitables:
            if iscoroutine(awaitable):
                awaitable.close()

    async def _undo(self, indexes: Iterable[int]) -> None:
        for index in sorted(indexes, reverse=True):
            await unwind(self._lists[index])

    def _failed(self, index: int) -> bool:
        task = self._tasks[index]
        return not task.cancelled() and task.exception() is not None
