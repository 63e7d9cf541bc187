"""An event that is for all goes to every run that waits, once each (PROTOCOL, rule 18)."""

from __future__ import annotations

import msgspec
import pytest

from duetto import App, Service, event, gather, race, receive, sleep, workflow
from duetto.testing import AppFactory, AppUnderTest, Crashes

tower = Service("tower")


@event(key="tone", to_all=True)
class Bell(msgspec.Struct, frozen=True):
    tone: str
    number: int


@tower.task
async def note(number: int) -> int:
    return number


@workflow
async def listen(count: int) -> list[int]:
    heard: list[int] = []
    for _ in range(count):
        bell = await receive(Bell, key="c", timeout=3600)
        number = await note(bell.number)
        heard = [*heard, number]
    return heard


@workflow
async def one() -> int:
    bell = await receive(Bell, key="c", timeout=3600)
    return await note(bell.number)


@workflow
async def late() -> int:
    await sleep(1)
    bell = await receive(Bell, timeout=3600)
    return bell.number


@workflow
async def fork() -> list[int]:
    """Both branches hear the second bell, and what comes after them the third."""
    first = await one()
    branches = await gather(one(), late())
    last = await receive(Bell, key="c", timeout=3600)
    return [first, *branches, last.number]


@workflow
async def contest() -> list[int]:
    """The branch that lost has heard the bell as well: a join takes the maximum."""
    won = await race(one(), sleep(7200))
    after = await receive(Bell, key="c", timeout=3600)
    return [won or 0, after.number]


@workflow(start_on=Bell)
async def strike(bell: Bell) -> list[int]:
    following = await receive(Bell, key=bell.tone, timeout=3600)
    return [bell.number, following.number]


app = App("tower", services=[tower], workflows=[listen, one, late, fork, contest])


@pytest.fixture(params=["orchestration", "choreography", "apart"])
def bells(request: pytest.FixtureRequest, duetto_app: AppFactory) -> AppUnderTest:
    """The tower, under several placements."""
    apart = request.param == "apart"
    placement = "choreography" if apart else request.param
    return duetto_app(app, placement=placement, apart=apart)


def ring(bells: AppUnderTest, *numbers: int) -> None:
    for number in numbers:
        bells.publish(Bell("c", number))
        bells.publish(Bell("d", -number))


def test_every_run_hears_every_bell_once(bells: AppUnderTest) -> None:
    before = bells.start(listen, 3)
    ring(bells, 1, 2)
    after = bells.start(listen, 3)
    ring(bells, 3, 4)
    assert bells.result(before) == bells.result(after) == [1, 2, 3]


def test_branches_know_what_was_heard_before_them_and_a_join_what_was_in_them(
    bells: AppUnderTest,
) -> None:
    forked, raced = bells.start(fork), bells.start(contest)
    for number in (1, 2, 3):
        bells.publish(Bell("c", number))
    assert bells.result(forked) == [1, 2, 2, 3]
    assert bells.result(raced) == [1, 2]


@pytest.mark.parametrize("number", range(1, 6))
def test_a_restart_forgets_nothing(
    duetto_app: AppFactory, duetto_crash: Crashes, number: int
) -> None:
    bells = duetto_app(app)
    run = bells.start(listen, 3)
    ring(bells, 1)
    duetto_crash.after(note)
    duetto_crash.at_commit(number + 10)
    ring(bells, 2, 3)
    assert bells.result(run) == [1, 2, 3]
    duetto_crash.forget()


def test_the_event_that_starts_a_run_counts_as_heard(duetto_app: AppFactory) -> None:
    bells = duetto_app(App("tower", workflows=[strike]))
    for number in (1, 2, 3):
        bells.publish(Bell("c", number))
    bells.settle(waiting=[view.id for view in bells.operations.list()])
    found = [view.result for view in bells.operations.list() if view.result is not None]
    assert sorted(found) == [[1, 2], [2, 3]]
