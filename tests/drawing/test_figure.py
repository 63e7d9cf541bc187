"""The rows and edges of a figure, and what a placement makes of them."""

from __future__ import annotations

from duetto.drawing.figure import EXIT, Figure, figure, in_order, targets
from duetto.drawing.panel import lanes, panel
from duetto.drawing.spelling import short, spell, wrapped
from duetto.examples.shop.workflow import fulfil as shipped
from duetto.kernel.liveness import flow_of
from duetto.model import expression as ex
from duetto.model.definition import Assign, Choice, Definition, Region, Return
from duetto.model.placement import choreography, hybrid, orchestration
from tests.drawing.shop import everything, fulfil, task


def names(plan: Figure) -> list[str]:
    return [item.label if item.kind == "task" else item.kind for item in plan.items]


def edges(plan: Figure) -> list[tuple[str, str, str]]:
    told = names(plan)
    return [(told[edge.source], edge.note, told[edge.target]) for edge in plan.edges]


def test_each_task_and_control_node_has_a_row() -> None:
    assert names(figure(fulfil())) == [
        "start", "reserve", "charge", "book", "fork", "dispatch", "notify", "join", "end",
    ]  # fmt: skip


def test_branches_go_from_the_fork_to_the_join() -> None:
    found = edges(figure(fulfil()))
    for branch in ("dispatch", "notify"):
        assert ("fork", "", branch) in found
        assert (branch, "", "join") in found
    assert len(found) == 9


def test_a_branch_without_a_task_goes_straight_to_the_join() -> None:
    region = Region(
        (
            Choice(ex.Name("x"), otherwise=2, next=1),
            task("a.b", next=2),
            Assign(ex.Const(1), next=3),
            Return(ex.Const(None)),
        )
    )
    assert set(edges(figure(Definition("w", (region,))))) == {
        ("start", "", "choice"),
        ("choice", "yes", "b"),
        ("b", "", "end"),
        ("choice", "no", "end"),
    }


def test_a_loop_stands_before_what_follows_it_and_is_done_by_name() -> None:
    plan = figure(everything())
    told = names(plan)
    assert told.index("check") < told.index("wait") < told.index("charge")
    assert ("choice", "done", "charge") in edges(plan)
    assert ("wait", "", "choice") in edges(plan)


def test_a_finally_body_is_between_its_try_and_what_follows() -> None:
    found = edges(figure(everything()))
    assert ("tell", "", "tidy") in found
    assert ("tidy", "", "end") in found
    assert ("tell", "", "end") not in found


def test_a_handler_is_reached_by_a_way_of_its_own() -> None:
    plan = figure(everything())
    [handled] = [edge for edge in plan.edges if edge.error]
    assert (plan.items[handled.target].kind, handled.note) == ("raise", "except Refused")
    assert [bracket.label for bracket in plan.brackets] == ["timeout 30 s", "try", "try", "finally"]


def test_every_item_is_reached() -> None:
    for definition in (fulfil(), everything()):
        plan = figure(definition)
        reached = {edge.target for edge in plan.edges}
        assert reached == set(range(1, len(plan.items)))


def test_a_region_without_nodes_is_a_line() -> None:
    assert edges(figure(Definition("w", (Region(()),)))) == [("start", "", "end")]


def test_targets_pass_by_what_is_not_drawn() -> None:
    region = Region((Assign(ex.Const(1), next=1), Return(ex.Const(1))))
    flow = flow_of(region)
    assert list(targets(region, flow, 0)) == [EXIT]
    assert in_order(flow) == [0, 1]


def test_lanes_are_the_app_then_services_as_they_come() -> None:
    assert lanes(fulfil()) == ["", "inventory", "payments", "shipping", "notifications"]


def test_under_orchestration_the_token_stays() -> None:
    found = panel(fulfil(), figure(fulfil()), orchestration())
    assert set(found.stations) == {""}
    assert found.crossings == 0


def test_under_choreography_crossings_carry_their_types() -> None:
    plan = figure(fulfil())
    found = panel(fulfil(), plan, choreography())
    told = names(plan)
    words = {
        (told[path.edge.source], told[path.edge.target]): path.words
        for path in found.paths
        if path.crosses
    }
    assert words == {
        ("start", "reserve"): ("Order",),
        ("reserve", "charge"): ("Order", "Reservation"),
        ("charge", "book"): ("Order", "Payment"),
        ("fork", "notify"): ("Order", "Payment"),
        ("notify", "join"): ("Notice",),
        ("join", "end"): ("Receipt",),
    }


def test_the_shop_that_ships_looks_like_the_one_made_by_hand() -> None:
    compiled = shipped.definition
    assert names(figure(compiled)) == names(figure(fulfil()))
    for placement in (orchestration(), choreography(), hybrid("payments", "shipping")):
        ours = panel(compiled, figure(compiled), placement)
        hand = panel(fulfil(), figure(fulfil()), placement)
        assert (ours.stations, ours.paths) == (hand.stations, hand.paths)


def test_expressions_are_spelled_as_in_python() -> None:
    total = ex.Attribute(ex.Name("order"), "total")
    assert spell(ex.Compare(total, ((">", ex.Const(5)),))) == "order.total > 5"
    assert spell(ex.Unary("not", ex.Name("x"))) == "not x"
    call = ex.Call(ex.Symbol("shop:f"), (ex.Item(ex.Name("a"), ex.Const(0)),), (("k", total),))
    assert spell(call) == "f(a[0], k=order.total)"
    assert spell(ex.Lambda((), ex.Const(1))) == "…"


def test_long_labels_are_cut_and_wrapped() -> None:
    assert short("a" * 30, 10) == "a" * 9 + "…"
    assert wrapped(["Order", "Reservation", "Payment"], 18) == ["Order, Reservation", "Payment"]
