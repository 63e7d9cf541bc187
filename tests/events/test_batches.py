"""Batches: one call and one commit for many events; what is bad among them harms no other."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import pytest

from duetto import App, Retry, Service, event, resource
from duetto.authoring import Batch
from duetto.errors import ConfigurationError, StoreFailed
from duetto.testing import AppFactory, AppUnderTest, Crashes

office = Service("office")


@event(key="desk")
class Filed(msgspec.Struct, frozen=True):
    desk: str
    number: int


@event(key="desk")
class Stamped(msgspec.Struct, frozen=True):
    desk: str
    numbers: tuple[int, ...]


@dataclass
class Calls:
    """The batches that came, and the numbers that are bad."""

    got: list[list[Filed]] = field(default_factory=list[list[Filed]])
    bad: set[int] = field(default_factory=set[int])

    def take(self, filed: list[Filed]) -> None:
        self.got.append(filed)
        if bad := [each.number for each in filed if each.number in self.bad]:
            raise ValueError(f"{bad} cannot be read")

    def of(self, desk: str) -> list[int]:
        """Return the numbers of a desk, of calls that ended well, as they came."""
        fine = [filed for filed in self.got if not self.bad & {each.number for each in filed}]
        return [each.number for filed in fine for each in filed if each.desk == desk]


@office.on(Filed, batch=Batch(4, wait_ms=50), retry=Retry(attempts_max=2, delay_ms=1000))
async def stamp(filed: list[Filed], *, calls: Calls = resource()) -> list[Stamped]:
    calls.take(filed)
    desks = dict.fromkeys(each.desk for each in filed)
    return [
        Stamped(desk, tuple(each.number for each in filed if each.desk == desk)) for desk in desks
    ]


stamped: list[Stamped] = []


@office.on(Stamped)
async def note(one: Stamped) -> None:
    stamped.append(one)


app = App("office", services=[office], resources=[Calls()], store="memory:")


@pytest.fixture
def calls() -> Calls:
    """What the handler of this test got."""
    return Calls()


@pytest.fixture
def under_test(duetto_app: AppFactory, calls: Calls) -> AppUnderTest:
    """The office."""
    return duetto_app(app, resources=[calls])


def publish(under_test: AppUnderTest, *filed: Filed) -> None:
    """Publish events, and let the time pass."""
    for each in filed:
        under_test.publish(each)
    under_test.settle()


def numbers(under_test: AppUnderTest, desk: str) -> list[int]:
    """Return the numbers that were stamped for a desk, in the order of what was published."""
    found = under_test.operations.events.list(topic="Stamped", key=desk, limit=1000)
    in_order = sorted(found, key=lambda view: int(view.name.rpartition(":")[2]))
    return [number for view in in_order for number in view.data["numbers"]]


def test_a_batch_is_full_or_has_waited(under_test: AppUnderTest, calls: Calls) -> None:
    publish(under_test, *[Filed(f"d{number % 3}", number) for number in range(6)])
    assert [len(filed) for filed in calls.got] == [4, 2]
    assert sorted(each.number for filed in calls.got for each in filed) == list(range(6))


def test_a_batch_has_events_of_one_key_in_their_order(
    under_test: AppUnderTest, calls: Calls
) -> None:
    publish(under_test, *[Filed("a", number) for number in range(10)])
    assert calls.of("a") == list(range(10))
    assert len(calls.got) < 10
    assert numbers(under_test, "a") == list(range(10))


def test_only_what_is_bad_becomes_a_letter(under_test: AppUnderTest, calls: Calls) -> None:
    calls.bad = {1}
    filed = [Filed("a", 0), Filed("a", 1), Filed("b", 5), Filed("a", 2)]
    publish(under_test, *filed)
    assert [len(each) for each in calls.got] == [4, 1, 1, 1, 1]
    [letter] = under_test.letters()
    assert (letter.event.data["number"], letter.behind) == (1, 1)
    assert numbers(under_test, "a") == [0]
    assert numbers(under_test, "b") == [5]
    publish(under_test, Filed("a", 3), Filed("b", 6))
    assert numbers(under_test, "a") == [0]
    calls.bad = set()
    under_test.redrive(letter.handler, letter.position)
    under_test.settle()
    assert numbers(under_test, "a") == [0, 1, 2, 3]
    assert numbers(under_test, "b") == [5, 6]
    assert under_test.letters() == []


def test_what_follows_from_a_batch_names_its_last_event(under_test: AppUnderTest) -> None:
    names = [under_test.publish(Filed("a", number)) for number in range(3)]
    under_test.settle()
    [view] = under_test.operations.events.list(topic="Stamped")
    assert view.causation == names[-1]


@pytest.mark.parametrize("kept", [False, True])
def test_every_commit_may_be_the_last(
    duetto_app: AppFactory, duetto_crash: Crashes, kept: bool
) -> None:
    count = 0
    while not duetto_crash.planned:
        count += 1
        calls = Calls(bad={3})
        under_test = duetto_app(app, resources=[calls])
        assert under_test.letters() == []
        duetto_crash.at_commit(count, kept=kept)
        for number in range(8):
            published(under_test, Filed(f"d{number % 2}", number))
        under_test.settle()
        assert numbers(under_test, "d0") == [0, 2, 4, 6]
        assert numbers(under_test, "d1") == [1]
        [letter] = under_test.letters()
        assert (letter.event.data["number"], letter.behind) == (3, 2)
    assert count > 4
    duetto_crash.forget()


def published(under_test: AppUnderTest, filed: Filed) -> None:
    """Publish an event; who was not answered looks whether it is there."""
    try:
        under_test.publish(filed)
    except StoreFailed:
        views = under_test.operations.events.list(topic="Filed", limit=1000)
        if filed.number not in [view.data["number"] for view in views]:
            published(under_test, filed)


@pytest.mark.parametrize(
    ("size_max", "wait_ms"),
    [(0, 0), (1001, 0), (1, -1), (1, 60_001)],
    ids=["0", "1001", "-1", "60001"],
)
def test_sizes_and_waits_that_do_not_fit_are_refused(size_max: int, wait_ms: int) -> None:
    with pytest.raises(ConfigurationError, match="of a batch does not fit"):
        Batch(size_max, wait_ms)


def test_a_batch_is_a_list() -> None:
    other = Service("other")

    @other.on(Filed, batch=Batch(2))  # type: ignore[arg-type]  # what the test is about
    async def takes_one(filed: Filed) -> None: ...

    with pytest.raises(ConfigurationError, match="takes other events") as raised:
        App("other", services=[other], store="memory:")
    assert raised.value.expected == "events: list[Filed]"
