"""The words of the workflow language, called directly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from duetto.authoring import emit, event, gather, race, receive, sleep, timeout
from duetto.authoring.direct import events
from duetto.authoring.event import event_type
from duetto.errors import ConfigurationError
from tests.authoring.ledger import Declined, Ledger, uncompiled


@event(key="order", version=2)
@dataclass
class Approved:
    """An event with a key."""

    order: str


@event
@dataclass
class Closed:
    """An event without one."""


async def value(of: int) -> int:
    await sleep(0)
    return of


async def test_gather_returns_a_tuple_and_a_list_for_an_iterable() -> None:
    assert await gather(value(1), value(2)) == (1, 2)
    assert await gather(value(each) for each in range(3)) == [0, 1, 2]
    assert await gather([value(1)]) == [1]
    assert await gather() == ()
    nothing: list[Awaitable[int]] = []
    assert await gather(nothing) == []


async def test_gather_waits_for_all_and_raises_the_error_of_the_lowest_index() -> None:
    ledger = Ledger()
    both = asyncio.create_task(
        gather(late_failure(ledger), ledger.fail("first to fail"), ledger.note("end"))
    )
    await ledger.start("late").wait()
    ledger.gate("late").set()
    with pytest.raises(Declined, match="lowest"):
        await both
    assert ledger.lines == ["end", "late"]


async def late_failure(ledger: Ledger) -> None:
    await ledger.wait("late")
    await ledger.fail("lowest index")


async def test_gather_that_cancels_raises_the_first_error_when_the_others_have_ended() -> None:
    ledger = Ledger()
    ended: list[str] = []

    async def long() -> None:
        try:
            await ledger.gate("never").wait()
        finally:
            ended.append("long")

    with pytest.raises(Declined, match="b"):
        await gather(long(), ledger.fail("b"), cancel=True)
    assert ended == ["long"]


async def test_a_gather_that_cancels_hands_over_what_its_branches_did() -> None:
    ledger = Ledger()

    async def branch() -> None:
        await ledger.do("a")
        ledger.start("a").set()
        await ledger.gate("never").wait()

    async def failing() -> None:
        await ledger.start("a").wait()
        await ledger.fail("b")

    @uncompiled
    async def fulfil() -> None:
        try:
            await gather(branch(), failing(), cancel=True)
        except Declined:
            await ledger.note("caught")
        await ledger.fail("end")

    with pytest.raises(Declined, match="end"):
        await fulfil()
    assert ledger.lines == ["a", "caught", "undo a A"]


async def test_gather_runs_as_many_at_a_time_as_its_limit_in_their_order() -> None:
    now, most, order = 0, 0, list[int]()

    async def branch(index: int) -> None:
        nonlocal now, most
        now, most = now + 1, max(most, now + 1)
        order.append(index)
        await sleep(0)
        now -= 1

    await gather((branch(each) for each in range(7)), limit=3)
    assert most == 3
    assert order == list(range(7))
    with pytest.raises(ConfigurationError):
        await gather([], limit=0)


async def test_branches_that_never_began_are_closed_when_the_others_fail() -> None:
    ledger = Ledger()
    with pytest.raises(Declined):
        await gather(ledger.fail("a"), ledger.note("b"), value(1), limit=1, cancel=True)
    assert "b" not in ledger.lines


async def test_a_cancelled_gather_waits_for_its_branches() -> None:
    ended: list[int] = []
    never = asyncio.Event()

    async def branch(index: int) -> None:
        try:
            await never.wait()
        finally:
            await sleep(0)
            ended.append(index)

    running = asyncio.create_task(gather(branch(0), branch(1)))
    await sleep(0)
    await sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sorted(ended) == [0, 1]


async def test_the_first_branch_to_end_wins_by_its_value() -> None:
    ledger = Ledger()
    assert await race(ledger.gate("never").wait(), value(2)) == 2


async def test_the_first_branch_to_end_wins_by_its_error() -> None:
    ledger = Ledger()
    with pytest.raises(Declined):
        await race(ledger.gate("never").wait(), ledger.fail("b"))


async def test_a_loser_undoes_itself_and_the_winner_is_kept_for_the_parent() -> None:
    ledger = Ledger()

    async def loser() -> None:
        await ledger.do("l")
        ledger.start("l").set()
        await ledger.gate("never").wait()

    async def winner() -> str:
        await ledger.start("l").wait()
        return await ledger.do("w")

    @uncompiled
    async def fulfil() -> None:
        await race(loser(), winner())
        await ledger.note("after")
        await ledger.fail("x")

    with pytest.raises(Declined):
        await fulfil()
    assert ledger.lines == ["l", "w", "undo l L", "after", "undo w W"]


async def test_a_loser_that_completed_all_the_same_is_undone() -> None:
    ledger = Ledger()

    @uncompiled
    async def fulfil() -> str | int:
        return await race(value(1), ledger.wait("slow"))

    running = asyncio.create_task(fulfil())
    await ledger.start("slow").wait()
    ledger.gate("slow").set()
    assert await running == 1
    assert ledger.lines == ["slow", "undo slow SLOW"]


async def test_a_winner_that_failed_has_undone_itself() -> None:
    ledger = Ledger()

    async def failing() -> None:
        await ledger.do("f")
        await ledger.fail("f")

    @uncompiled
    async def fulfil() -> str:
        try:
            await race(failing(), ledger.gate("never").wait())
        except Declined:
            await ledger.note("caught")
        return "on"

    assert await fulfil() == "on"
    assert ledger.lines == ["f", "undo f F", "caught"]


async def test_a_race_that_is_interrupted_undoes_all() -> None:
    ledger = Ledger()

    async def branch(name: str) -> None:
        await ledger.do(name)
        ledger.start(name).set()
        await ledger.gate("never").wait()

    @uncompiled
    async def fulfil() -> str:
        try:
            async with timeout(0.001):
                await race(branch("a"), branch("b"))
        except TimeoutError:
            return "late"
        return "in time"

    assert await fulfil() == "late"
    assert sorted(ledger.lines) == ["a", "b", "undo a A", "undo b B"]


@pytest.mark.parametrize("duration", [0.001, timedelta(milliseconds=1)])
async def test_durations_are_seconds_or_a_timedelta(duration: float | timedelta) -> None:
    await sleep(duration)
    with pytest.raises(TimeoutError):
        async with timeout(duration):
            await asyncio.Event().wait()
    with events(), pytest.raises(TimeoutError):
        await receive(Closed, timeout=duration)


async def test_an_event_is_received_by_type_and_key_oldest_first() -> None:
    with events(Approved("1"), Closed(), Approved("2"), Approved("1")) as mailbox:
        assert await receive(Approved, key="2") == Approved("2")
        assert await receive(Approved) == Approved("1")
        assert await receive(Closed) == Closed()
        assert mailbox.kept == [Approved("1")]


async def test_workflows_that_share_a_mailbox_wake_each_other() -> None:
    @uncompiled
    async def waits(order: str) -> Approved:
        return await receive(Approved, key=order)

    @uncompiled
    async def approves(order: str) -> None:
        emit(Approved(order))

    with events() as mailbox:
        found = await gather(waits("b"), waits("a"), approves("a"), approves("b"))
    assert found[:2] == (Approved("b"), Approved("a"))
    assert mailbox.emitted == [Approved("a"), Approved("b")]


async def test_an_event_outside_any_workflow_has_nowhere_to_go() -> None:
    with pytest.raises(ConfigurationError, match="no mailbox"):
        emit(Closed())
    with pytest.raises(ConfigurationError, match="no mailbox"):
        await receive(Closed)


def test_the_decorator_records_what_it_was_told() -> None:
    declared = event_type(Approved)
    assert declared is not None
    assert (declared.key, declared.owner, declared.version) == ("order", "", 2)
    assert declared.name == "Approved"
    assert event_type(type("Below", (Approved,), {})) is None
