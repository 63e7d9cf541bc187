"""Runs wait for events as long as they say, and the oldest of them is served first."""

from __future__ import annotations

import msgspec
import pytest

from duetto import App, event, receive, sleep, workflow
from duetto.errors import RunFailed, StoreFailed
from duetto.testing import AppFactory, AppUnderTest, Crashes


@event(key="key")
class Letter(msgspec.Struct, frozen=True):
    key: str
    text: str = ""


@workflow
async def collect(pause: float, limit: float | None) -> str:
    await sleep(pause)
    letter = await receive(Letter, key="k", timeout=limit)
    return letter.text


app = App("post", workflows=[collect])


@pytest.fixture
def post(duetto_app: AppFactory) -> AppUnderTest:
    """The app whose runs collect letters."""
    return duetto_app(app)


def test_a_limit_that_is_none_is_no_limit(post: AppUnderTest) -> None:
    run = post.start(collect, 0.0, None)
    post.settle(waiting=[run])
    post.publish(Letter("k", "late"))
    assert post.result(run) == "late"


def test_who_has_waited_longest_is_served_first_after_a_restart(
    post: AppUnderTest, duetto_crash: Crashes
) -> None:
    second = post.start(collect, 5.0, None)
    first = post.start(collect, 1.0, None)
    with pytest.raises(RunFailed):
        post.run(collect, 10.0, 0.1)
    duetto_crash.at_commit(1, kept=False)
    with pytest.raises(StoreFailed):
        post.publish(Letter("k", "lost"))
    post.publish(Letter("k", "one"))
    post.publish(Letter("k", "two"))
    assert (post.result(first), post.result(second)) == ("one", "two")
