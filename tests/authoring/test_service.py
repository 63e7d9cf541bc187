"""Services and tasks: names, options, signatures, and what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from duetto.authoring import Retry, Service, TaskContext, context, resource
from duetto.errors import ConfigurationError


class Pool:
    """A resource."""


class BigPool(Pool):
    """One below it."""


def a_service() -> Service:
    return Service("inventory")


@pytest.mark.parametrize("name", ["", "a.b", "my service", "1st", "class"])
def test_a_name_that_is_no_identifier_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be the name of a service"):
        Service(name)
    with pytest.raises(ConfigurationError, match="cannot be the name of a task"):
        a_service().task(name=name or "-")(lambda: None)


def test_the_refusal_of_a_name_says_what_would_do() -> None:
    with pytest.raises(ConfigurationError) as refused:
        Service("my-service")
    assert refused.value.do == "name it `my_service`"


def test_two_tasks_of_one_name_are_refused_with_both_places() -> None:
    service = a_service()

    @service.task
    async def reserve(order: int) -> int:
        return order

    with pytest.raises(ConfigurationError) as refused:
        service.task(name="reserve")(reserve.body)
    assert refused.value.found.count("test_service.py:") == 2


def test_a_task_knows_what_it_was_declared_with() -> None:
    service = a_service()
    never = Retry(attempts_max=7)

    @service.task(name="hold", retry=never, timeout=timedelta(minutes=1), concurrency_max=3)
    async def reserve(order: int, count: int = 2, *, pool: Pool = resource()) -> str:
        return ""

    assert service.tasks == {"hold": reserve}
    assert (reserve.name, reserve.qualified, reserve.service) == (
        "hold",
        "inventory.hold",
        service,
    )
    assert (reserve.retry, reserve.timeout_s, reserve.concurrency_max) == (never, 60.0, 3)
    assert reserve.is_async
    assert [parameter.name for parameter in reserve.parameters] == ["order", "count"]
    assert reserve.resources == {"pool": Pool}
    assert reserve.hints == {"order": int, "count": int, "pool": Pool, "return": str}


@pytest.mark.parametrize("options", [{"timeout": 0}, {"concurrency_max": 0}])
def test_an_option_that_does_not_fit_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError):
        a_service().task(name="work", **options)(lambda: None)  # pyright: ignore[reportArgumentType]  # of no fixed option


def test_a_resource_that_is_not_keyword_only_is_refused() -> None:
    async def reserve(order: int, pool: Pool = resource()) -> None: ...

    with pytest.raises(ConfigurationError, match="mistaken for an argument"):
        a_service().task(reserve)


def test_an_annotation_that_is_not_known_at_run_time_is_named() -> None:
    @a_service().task
    async def task(order: int) -> None: ...

    task.body.__annotations__["order"] = "Nowhere"
    with pytest.raises(ConfigurationError, match=r"(?s)inventory\.task.*Nowhere"):
        _ = task.hints


async def test_a_task_is_the_plain_function() -> None:
    @a_service().task
    async def double(number: int) -> int:
        return 2 * number

    assert await double(4) == 8
    assert await double(number=5) == 10


async def test_a_synchronous_body_runs_in_a_thread_with_its_context() -> None:
    import threading

    @a_service().task
    def where() -> tuple[str, str]:
        return threading.current_thread().name, context().task

    thread, task = await where()
    assert thread != threading.main_thread().name
    assert task == "inventory.where"


async def test_each_direct_call_has_a_context_of_its_own() -> None:
    service = a_service()

    @service.task
    async def inner() -> TaskContext:
        return context()

    @service.task
    async def outer() -> tuple[TaskContext, TaskContext, TaskContext]:
        before = context()
        return before, await inner(), context()

    before, inside, after = await outer()
    assert before is after
    assert (before.task, inside.task) == ("inventory.outer", "inventory.inner")
    assert before.key.startswith("direct:")
    assert before.key != inside.key
    assert (before.attempt, before.deadline, before.cancelled) == (1, None, False)
    with pytest.raises(ConfigurationError, match="no task here"):
        context()


def test_a_compensation_is_a_task_of_the_service_that_retries_like_the_task() -> None:
    service = a_service()
    retry = Retry(attempts_max=9)

    @service.task(retry=retry)
    async def reserve(order: int) -> str:
        return ""

    @reserve.compensate
    async def release(reservation: str, order: int) -> None: ...

    assert service.tasks == {"reserve": reserve, "release": release}
    assert reserve.undo is release
    assert release.undoes is reserve
    assert release.retry is retry
    assert reserve.undoes is release.undo is None


def test_a_compensation_gets_what_its_signature_wants() -> None:
    service = a_service()

    @service.task
    async def reserve(order: int, count: int = 1, *, express: bool = False) -> str:
        return ""

    @service.task(name="again")
    async def reserve_again(order: int) -> str:
        return ""

    @reserve.compensate
    async def release(held: str, order: int, count: int, *, express: bool = False) -> None: ...

    @reserve_again.compensate
    async def release_again(held: str) -> None: ...

    assert reserve.undo_arguments("r", (1,), {"express": True}) == (("r", 1, 1), {"express": True})
    assert reserve.undo_arguments("r", (), {"count": 2, "order": 1})[0] == ("r", 1, 2)
    assert reserve_again.undo_arguments("r", (1,), {}) == (("r",), {})


def test_compensations_that_do_not_fit_are_refused() -> None:
    service = a_service()

    @service.task
    async def reserve(order: int, count: int) -> str:
        return ""

    async def release(reservation: str, order: int) -> None: ...
    async def give_back(reservation: str) -> None: ...

    with pytest.raises(ConfigurationError) as refused:
        reserve.compensate(release)  # pyright: ignore[reportCallIssue, reportArgumentType]  # types see it, users without types do not
    assert "release(result, order, count)" in refused.value.expected
    assert "release" not in service.tasks
    undo = reserve.compensate(give_back)
    with pytest.raises(ConfigurationError, match="two of what it can have once"):
        reserve.compensate(name="another")(give_back)
    with pytest.raises(ConfigurationError, match="is not undone itself"):
        undo.compensate(name="redo")(give_back)  # pyright: ignore[reportCallIssue, reportArgumentType]  # as above


async def test_a_lookup_is_kept_with_its_task_and_is_none_of_the_service() -> None:
    service = a_service()

    @service.task
    async def charge(order: int) -> str:
        return ""

    @charge.lookup
    async def charge_of(key: str) -> str | None:
        return "paid" if key == "k" else None

    assert charge.look_up is charge_of
    assert set(service.tasks) == {"charge"}
    assert [await charge_of("k"), await charge_of("x")] == ["paid", None]

    async def find() -> str | None: ...

    with pytest.raises(ConfigurationError, match="two of what"):
        charge.lookup(charge_of.body)
    with pytest.raises(ConfigurationError, match="does not fit"):
        service.task(name="other")(charge.body).lookup(find)
