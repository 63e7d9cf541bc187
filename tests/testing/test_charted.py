"""The charts of a user's own runs: as text, in a file, and of a failed test."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from duetto import App, Retry, RunFailed, Service, choreography, gather, workflow
from duetto.drawing.sequence import Arrived, Chart, Mark, Sent
from duetto.errors import NotFound
from duetto.testing import AppFactory, Crashes, TaskMocks
from duetto.testing.app import AppUnderTest
from duetto.testing.charted import file_name

pytest_plugins = ["pytester"]

payments, post = Service("payments"), Service("post")


@payments.task(retry=Retry(attempts_max=2, delay_ms=50))
async def charge(pence: int) -> str:
    return f"payment of {pence}"


@charge.compensate
async def refund(payment: str) -> None: ...


@post.task(retry=Retry(attempts_max=1))
async def send(item: str) -> str:
    return f"parcel of {item}"


@workflow
async def sell(item: str, pence: int) -> str:
    await charge(pence)
    return await send(item)


@workflow
async def sell_two(pence: int) -> int:
    both = await gather(charge(pence), charge(pence + 1))
    return len(both)


shop = App("shop", services=[payments, post], workflows=[sell, sell_two], placement=choreography())


def chart_of(app: AppUnderTest, run: str) -> Chart:
    return next(each for each in app.charts() if each.title == f"shop: {run}")


def marks(chart: Chart) -> list[tuple[str, str]]:
    return [(it.lane, it.kind) for it in chart.events if isinstance(it, Mark)]


def test_a_chart_tells_of_messages_bodies_and_the_crash(
    duetto_app: AppFactory, duetto_crash: Crashes, duetto_tasks: TaskMocks
) -> None:
    duetto_crash.after(charge)
    duetto_tasks.mock(send).raises(ValueError("no address"))
    app = duetto_app(shop, apart=True)
    with pytest.raises(RunFailed):
        app.run(sell, "kettle", 700, id="order-1")
    chart = chart_of(app, "order-1")
    assert [lane.title for lane in chart.lanes] == ["app", "payments", "post"]
    assert chart.notes == ("choreography",)
    found = marks(chart)
    assert found[0] == ("", "start")
    crash = found.index(("", "crash"))
    assert found[crash + 1] == ("", "restart")
    assert found[:crash].count(("payments", "begun")) == 1
    assert found[crash:].count(("payments", "begun")) == 2, "again, and its compensation"
    assert ("post", "failed") in found
    assert found[-1][1] in ("end", "commit", "failed")
    sent = {it.message for it in chart.events if isinstance(it, Sent)}
    arrived = {it.message for it in chart.events if isinstance(it, Arrived)}
    assert arrived <= sent
    assert len(arrived) >= 3, "the token to payments, to post, and back"


def test_all_lanes_of_an_app_die_together(duetto_app: AppFactory, duetto_crash: Crashes) -> None:
    duetto_crash.before(send)
    app = duetto_app(shop, apart=True)
    app.run(sell, "kettle", 700, id="order-1")
    line = next(line for line in app.chart("order-1").splitlines() if "the process dies" in line)
    assert line.count("╳") == 3


def test_a_chart_is_of_its_run_alone(duetto_app: AppFactory) -> None:
    app = duetto_app(shop)
    app.run(sell, "kettle", 700, id="order-1")
    app.run(sell_two, 500, id="order-2")
    assert "post.send" in app.chart("order-1")
    assert "post.send" not in app.chart("order-2")
    assert app.chart("order-2").count("payments.charge has ended") == 2
    assert [it.title for it in app.charts()] == ["shop: order-1", "shop: order-2"]
    with pytest.raises(NotFound, match="did you mean"):
        app.chart("order-3")


@pytest.mark.parametrize(
    ("name", "beginning"), [("a.svg", "<svg "), ("a.mmd", "sequenceDiagram"), ("a.txt", "shop: ")]
)
def test_a_run_is_drawn_as_its_file_is_named(
    duetto_app: AppFactory, tmp_path: Path, name: str, beginning: str
) -> None:
    app = duetto_app(shop)
    app.run(sell, "kettle", 700, id="order-1")
    file = app.draw("order-1", tmp_path / "charts" / name)
    text = file.read_text("utf-8")
    assert text.startswith(beginning)
    assert "payments.charge" in text
    if name.endswith(".svg"):
        assert ElementTree.fromstring(text).get("role") == "img"


def test_the_names_of_files_are_plain() -> None:
    assert file_name("test_it[hybrid]", "shop: order/1") == "test_it-hybrid--shop-order-1"


def test_the_runs_of_a_failed_test_are_drawn(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_shop="""
        from duetto import App, Service, workflow

        till = Service("till")

        @till.task
        async def charge(pence: int) -> int:
            return pence

        @workflow
        async def sell(pence: int) -> int:
            return await charge(pence)

        app = App("shop", services=[till], workflows=[sell])

        def test_wrong(duetto_app):
            assert duetto_app(app).run(sell, 7, id="order-1") == 8

        def test_right(duetto_app):
            assert duetto_app(app).run(sell, 7, id="order-2") == 7
        """
    )
    pytester.runpytest().assert_outcomes(failed=1, passed=1)
    assert not list(pytester.path.glob("**/*.svg")), "only where that is asked for"
    result = pytester.runpytest("--duetto-charts=charts")
    result.stdout.fnmatch_lines(["*duetto: drawn*", "charts/test_wrong-shop-order-1.svg"])
    assert [each.name for each in (pytester.path / "charts").iterdir()] == [
        "test_wrong-shop-order-1.svg"
    ]
