"""Who publishes and who listens, and what is wrong with it."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from duetto.cli.topology import declared_by
from duetto.drawing import topology_mermaid, topology_svg, topology_text
from duetto.drawing.topology_layout import OUTSIDE, event_mark, plan
from duetto.errors import NotFound
from duetto.model.definition import Choice, Emit, Region, Return
from duetto.model.expression import Const
from duetto.model.topology import Difference, Link, Part, Seen, Topology, Undoing
from duetto.operations.findings import findings
from duetto.operations.topology import differences, may_pass_by
from tests.contracts.choreography import app
from tests.events.warehouse import app as warehouse

SVG = "{http://www.w3.org/2000/svg}"
DRAWN = declared_by(app)
PARTS = {part.name: part for part in DRAWN.parts}


def handler(name: str, hears: str, *publishes: str, ends: bool = False) -> Part:
    """Return a handler that publishes one of these topics, or none where it may end."""
    return Part(name, "handler", "s", publishes, tuple(hears.split()), ends=ends)


def of(*parts: Part, **more: Any) -> Topology:
    topics = sorted({topic for part in parts for topic in (*part.publishes, *part.hears)})
    return Topology("app", parts, tuple(topics), **more)


def kinds(topology: Topology) -> list[tuple[str, ...]]:
    return [(each.kind, *each.topics, *each.parts) for each in findings(topology)]


def test_annotations_say_who_publishes_and_who_listens() -> None:
    hold, ship, watch = PARTS["stock.hold"], PARTS["ship"], PARTS["watch"]
    assert (hold.listens, hold.publishes, hold.ends) == (("Placed",), ("Held",), True)
    assert (ship.starts, ship.publishes, ship.service) == (("Held",), ("Shipped",), "")
    assert (watch.receives, watch.service) == (("Shipped",), "orders")
    assert not PARTS["orders.ping"].ends
    assert PARTS["money.bill"].ends, "an iterator may yield nothing"


def test_what_is_emitted_is_known_from_constructors_variables_and_helpers() -> None:
    [place] = PARTS["ship"].unknown
    assert place.startswith("choreography.py:")


def test_every_kind_of_finding() -> None:
    found = kinds(DRAWN)
    assert ("unheard", "Lonely", "money.bill") in found
    assert ("unfed", "Placed", "stock.hold") in found
    assert ("endless", "Ping", "Pong", "orders.ping", "orders.pong") in found
    assert ("untriggered", "stock.unpack") in found
    assert ("untriggered", "stock.put_back", "stock.release") in found
    assert ("unknown", "ship") in found
    assert not [each for each in found if "money.refund" in each], "a workflow calls its task"


def test_what_comes_from_outside_feeds() -> None:
    drawn = declared_by(app, ["Placed", "Declined"])
    found = kinds(drawn)
    assert not [each for each in found if each[0] == "unfed"]
    assert ("untriggered", "stock.put_back", "stock.release") not in found
    with pytest.raises(NotFound, match="Placd") as refused:
        declared_by(app, ["Placd"])
    assert refused.value.do == "did you mean `Placed`?"


ENDLESS: list[tuple[list[Part], Any]] = [
    ([handler("a", "A", "B"), handler("b", "B", "A")], [("a", "b")]),
    ([handler("a", "A", "A")], [("a",)]),
    ([handler("a", "A", "B"), handler("b", "B", "A", ends=True)], []),
    ([handler("a", "A", "B"), handler("b", "B", "A", "Out")], []),
    # An exit that leads into another cycle is none.
    (
        [handler("a", "A", "B", "C"), handler("b", "B", "A"), handler("c", "C", "C")],
        [("a", "b"), ("c",)],
    ),
    # What leads into a cycle is no part of it.
    ([handler("in", "Go", "A"), handler("a", "A", "A")], [("a",)]),
    # One listener that ends does not stop the other.
    ([handler("a", "A", "A"), handler("log", "A", ends=True)], [("a",)]),
    # A workflow is started anew each time; one that waits already is not.
    ([handler("a", "A", "B"), Part("w", "workflow", "", ("A",), starts=("B",), ends=False)], "aw"),
    ([handler("a", "A", "B"), Part("w", "workflow", "", ("A",), receives=("B",), ends=False)], []),
]


@pytest.mark.parametrize(("parts", "cycles"), ENDLESS)
def test_cycles_without_an_end(parts: list[Part], cycles: Any) -> None:
    found = [each.parts for each in findings(of(*parts)) if each.kind == "endless"]
    assert found == ([tuple(cycles)] if isinstance(cycles, str) else cycles)


def test_a_workflow_ends_where_a_way_passes_all_emits_by() -> None:
    emit = Emit(Const(None), next=2)
    choice = Choice(Const(None), otherwise=2, next=1)
    end = Return(Const(None))
    assert may_pass_by(Region((choice, emit, end)))
    assert not may_pass_by(Region((replace_next(emit, 1), end)))
    assert may_pass_by(Region(()))


def replace_next(node: Emit, to: int) -> Emit:
    return Emit(node.event, next=to)


def test_a_handler_triggers_a_compensation_once_it_is_fed() -> None:
    undoing = Undoing("s.undo", "s.do", handlers=("a",))
    alone = of(handler("a", "A", ends=True), undoings=(undoing,))
    assert ("untriggered", "s.undo", "a") in kinds(alone)
    fed = of(handler("a", "A", ends=True), handler("b", "B", "A"), undoings=(undoing,))
    assert not [each for each in kinds(fed) if each[0] == "untriggered"]


def test_what_happened_and_what_is_declared_differ() -> None:
    declared = of(handler("a", "A", "B"), handler("b", "B", ends=True))
    assert differences(declared, [Seen("", "A", "a"), Seen("a", "B", "b")]) == []
    found = differences(declared, [Seen("a", "B", ""), Seen("x", "A", "a")])
    assert found == [
        Difference(Link("b", "listens", "B"), True),
        Difference(Link("x", "publishes", "A"), False),
    ]


MERMAID = """\
flowchart LR
  subgraph s0["inventory"]
    p0["hold_stock"]
  end
  subgraph s1["payments"]
    p1["take_payment"]
  end
  subgraph s2["mail"]
    p2["write_letters"]
    p3["count_letters"]
  end
  subgraph s3["warehouse"]
    p4[["await_payment"]]
    p5[["apologise"]]
  end
  e0(["Held"])
  e1(["Paid"])
  e2(["Placed"])
  e3(["Refused"])
  e4(["Sent"])
  outside(("outside"))
  outside --> e2
  p0 --> e0
  p0 --> e3
  e2 --> p0
  p1 --> e1
  e0 --> p1
  p2 --> e4
  e1 --> p2
  e3 --> p2
  e4 --> p3
  e1 -.->|received| p4
  e3 ==>|starts| p5
"""


def test_the_warehouse_as_mermaid() -> None:
    drawn = declared_by(warehouse, ["Placed"])
    assert topology_mermaid(drawn, findings(drawn)) == MERMAID


def test_what_a_finding_is_about_is_marked() -> None:
    drawn = declared_by(warehouse)
    text = topology_mermaid(drawn, findings(drawn))
    assert "  class p0,e2 doubtful\n" in text
    assert topology_svg(drawn, findings(drawn)).count(' doubtful"') == 2


def test_the_text_says_whom_an_event_reaches_and_what_is_wrong() -> None:
    drawn = declared_by(warehouse)
    text = topology_text(drawn, findings(drawn))
    assert text.startswith("warehouse: 5 events, 4 handlers, 2 workflows\n")
    assert "  Refused   inventory.hold_stock → mail.write_letters, apologise (starts it)\n" in text
    assert "unfed: Nobody feeds inventory.hold_stock: Placed is published by nobody here." in text


TOPOLOGIES = [DRAWN, declared_by(warehouse, ["Placed"]), of(*ENDLESS[4][0]), of()]


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_the_picture_is_a_picture_and_the_same_each_time(topology: Topology) -> None:
    picture = topology_svg(topology, findings(topology))
    assert picture == topology_svg(topology, findings(topology))
    root = ElementTree.fromstring(picture)
    assert root.find(f"{SVG}title") is not None
    said = [each.text for each in root.iter(f"{SVG}text")]
    assert set(topology.topics) | {part.short for part in topology.parts} <= set(said)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_boxes_are_apart_and_within_their_lanes(topology: Topology) -> None:
    drawn = plan(topology)
    solid = [(mark, drawn.boxes[name]) for name, mark in drawn.marks.items()]
    for index, (mark, box) in enumerate(solid):
        lane = drawn.lanes[mark.lane]
        assert lane.y <= box.y
        assert box.y + box.height <= lane.y + lane.height
        for _, other in solid[index + 1 :]:
            across = box.x < other.x + other.width and other.x < box.x + box.width
            along = box.y < other.y + other.height and other.y < box.y + box.height
            assert not (across and along)


def test_lines_lead_on_but_for_those_of_a_cycle() -> None:
    drawn = plan(DRAWN)
    back = {(wire.source, wire.target) for wire in drawn.wires if wire.back}
    assert len(back) == 1
    assert back <= {
        (one, other)
        for one in ("orders.ping", "orders.pong", event_mark("Ping"), event_mark("Pong"))
        for other in ("orders.ping", "orders.pong", event_mark("Ping"), event_mark("Pong"))
    }
    assert drawn.marks[event_mark("Placed")].lane == OUTSIDE
    for wire in drawn.wires:
        assert wire.back or all(
            one[0] <= other[0] for one, other in zip(wire.points, wire.points[1:], strict=False)
        )


def test_an_unused_event_is_heard_by_nobody_and_published_by_nobody() -> None:
    lone = replace_topics(of(), "Forgotten")
    [found] = findings(lone)
    assert found.message == "Nobody hears Forgotten, nor publishes it."


def replace_topics(topology: Topology, *topics: str) -> Topology:
    return Topology(topology.app, topology.parts, topics)
