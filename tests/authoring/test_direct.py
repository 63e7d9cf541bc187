"""Workflows called directly: sagas, calls, interruption, and what fails while it is undone."""

from __future__ import annotations

import asyncio

import pytest

from duetto.authoring import Service, gather, saga, sleep, timeout
from tests.authoring.ledger import Declined, Ledger, uncompiled


async def test_a_workflow_is_plain_python() -> None:
    ledger = Ledger()

    @uncompiled
    async def fulfil(name: str, *, again: str = "b") -> str:
        return await ledger.do(name) + await ledger.note(again)

    assert await fulfil("a") == "AB"
    assert ledger.lines == ["a", "b"]


async def test_an_error_that_leaves_a_workflow_undoes_what_completed_newest_first() -> None:
    ledger = Ledger()

    @uncompiled
    async def fulfil() -> None:
        await ledger.do("a")
        await ledger.note("n")
        await ledger.do("b")
        await ledger.fail("c")

    with pytest.raises(Declined, match="c"):
        await fulfil()
    assert ledger.lines == ["a", "n", "b", "undo b B", "undo a A"]


async def test_nothing_is_undone_for_an_error_that_is_caught_inside() -> None:
    ledger = Ledger()

    @uncompiled
    async def fulfil() -> str:
        await ledger.do("a")
        try:
            await ledger.fail("b")
        except Declined:
            return "caught"
        return "not raised"

    assert await fulfil() == "caught"
    assert ledger.lines == ["a"]


async def test_an_inner_saga_undoes_its_own_and_leaves_the_rest_to_the_outer_one() -> None:
    ledger = Ledger()

    @uncompiled
    async def fulfil() -> None:
        await ledger.do("a")
        try:
            async with saga():
                await ledger.do("b")
                await ledger.fail("c")
        except Declined:
            await ledger.do("d")
        async with saga():
            await ledger.do("kept")
        async with saga(keep=False):
            await ledger.do("dropped")
        await ledger.fail("e")

    with pytest.raises(Declined, match="e"):
        await fulfil()
    assert ledger.lines[:4] == ["a", "b", "undo b B", "d"]
    assert ledger.lines[4:] == ["kept", "dropped", "undo kept KEPT", "undo d D", "undo a A"]


async def test_a_called_workflow_is_a_saga_and_hands_over_what_it_completed() -> None:
    ledger = Ledger()

    @uncompiled
    async def child(name: str, fails: bool) -> None:
        await ledger.do(name)
        if fails:
            await ledger.fail(name)

    @uncompiled
    async def parent() -> None:
        await child("a", False)
        try:
            await child("b", True)
        except Declined:
            await ledger.note("caught")
        await ledger.fail("end")

    with pytest.raises(Declined, match="end"):
        await parent()
    assert ledger.lines == ["a", "b", "undo b B", "caught", "undo a A"]


async def test_a_task_that_is_called_by_a_task_is_undone_by_nobody() -> None:
    ledger = Ledger()

    @Service("outer").task
    async def outer() -> str:
        return await ledger.do("inner")

    @outer.compensate
    async def undo_outer(result: str) -> None:
        await ledger.note("undo outer")

    @uncompiled
    async def fulfil() -> None:
        await outer()
        await ledger.fail("x")

    with pytest.raises(Declined):
        await fulfil()
    assert ledger.lines == ["inner", "undo outer"]


async def test_tasks_of_one_run_are_not_undone_by_the_next() -> None:
    ledger = Ledger()

    @uncompiled
    async def fulfil(fails: bool) -> None:
        await ledger.do("a")
        if fails:
            await ledger.fail("a")

    await fulfil(False)
    with pytest.raises(Declined):
        await fulfil(True)
    assert ledger.lines == ["a", "a", "undo a A"]


async def test_a_cancelled_workflow_lets_the_task_end_and_undoes_it() -> None:
    ledger = Ledger()

    @uncompiled
    async def fulfil() -> None:
        await ledger.do("a")
        await ledger.wait("b")

    running = asyncio.create_task(fulfil())
    await ledger.start("b").wait()
    running.cancel()
    await sleep(0)
    assert ledger.lines == ["a"]
    ledger.gate("b").set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ledger.lines == ["a", "b", "undo b B", "undo a A"]


async def test_a_second_cancel_does_not_cut_the_undoing_in_half() -> None:
    ledger = Ledger()

    @uncompiled
    async def fulfil() -> None:
        await ledger.do("a")
        await ledger.wait("b")

    running = asyncio.create_task(fulfil())
    await ledger.start("b").wait()
    for _ in range(3):
        running.cancel()
        await sleep(0)
    ledger.gate("b").set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ledger.lines[-2:] == ["undo b B", "undo a A"]


async def test_an_interrupted_task_sees_the_notice_and_is_undone_if_it_took_effect() -> None:
    from duetto.authoring import context

    ledger = Ledger()
    service = Service("slow")

    @service.task
    async def slow(effect: bool) -> str:
        await context().wait_cancelled()
        assert context().cancelled
        if not effect:
            raise Declined("given up")
        return "done"

    @slow.compensate
    async def undo_slow(result: str) -> None:
        ledger.lines.append(f"undo {result}")

    @uncompiled
    async def fulfil(effect: bool) -> None:
        await ledger.do("a")
        async with timeout(0.001):
            await slow(effect)

    with pytest.raises(TimeoutError):
        await fulfil(effect=True)
    assert ledger.lines == ["a", "undo done", "undo a A"]
    with pytest.raises(TimeoutError):
        await fulfil(effect=False)
    assert ledger.lines[3:] == ["a", "undo a A"]


async def test_what_runs_on_after_a_caught_timeout_ends_before_the_workflow_does() -> None:
    ledger = Ledger()

    @uncompiled
    async def fulfil() -> str:
        try:
            async with timeout(0.001):
                await ledger.wait("a")
        except TimeoutError:
            ledger.gate("a").set()
            return "late"
        return "in time"

    assert await fulfil() == "late"
    assert ledger.lines == ["a"]


async def test_a_task_without_a_compensation_is_cancelled_as_in_plain_python() -> None:
    never = asyncio.Event()

    @Service("plain").task
    async def forever() -> None:
        await never.wait()

    @uncompiled
    async def fulfil() -> None:
        async with timeout(0.001):
            await forever()

    with pytest.raises(TimeoutError):
        await fulfil()


async def test_a_compensation_that_fails_is_raised_with_what_it_means() -> None:
    ledger = Ledger()

    @Service("broken").task
    async def broken() -> None: ...

    @broken.compensate
    async def mend(result: None) -> None:
        raise ConnectionError("away")

    @uncompiled
    async def fulfil() -> None:
        await ledger.do("a")
        try:
            async with saga():
                await broken()
                await ledger.fail("x")
        except ConnectionError:
            # A parked run does not go on; plain Python would.
            await ledger.note("went on")

    with pytest.raises(ConnectionError, match="away") as failed:
        await fulfil()
    assert "would park" in failed.value.__notes__[0]
    assert isinstance(failed.value.__cause__, Declined)


async def test_branches_are_undone_in_the_reverse_order_of_their_index() -> None:
    ledger = Ledger()

    async def two(name: str) -> None:
        await ledger.do(f"{name}1")
        await ledger.do(f"{name}2")

    @uncompiled
    async def fulfil() -> None:
        await ledger.do("a")
        await gather(two("b"), two("c"))
        await ledger.fail("x")

    with pytest.raises(Declined):
        await fulfil()
    undone = [line.split()[1] for line in ledger.lines if line.startswith("undo")]
    assert undone == ["c2", "c1", "b2", "b1", "a"]


async def test_a_workflow_knows_where_it_stands_and_what_it_calls() -> None:
    assert outer_flow.callees == {"test": inner_flow}
    assert inner_flow.callees == {}
    assert outer_flow.file == __file__
    assert outer_flow.line > 0
    assert await outer_flow() == [1, 1]


@uncompiled
async def inner_flow() -> int:
    return 1


@uncompiled
async def outer_flow() -> list[int]:
    return await gather(inner_flow() for _ in range(2))
