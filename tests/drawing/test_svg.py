"""The picture: tasks in their places, lines clear of them, text that any browser reads."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from msgspec import structs

from duetto.drawing import svg
from duetto.drawing.figure import figure
from duetto.drawing.layout import Box, Layout, Line, Point, arrange, simple
from duetto.drawing.panel import lanes, panel
from duetto.model.definition import Definition, Region, Task
from duetto.model.placement import Placement, choreography, hybrid, orchestration
from tests.drawing.shop import everything, fulfil
from tests.kernel.graphs import Statement, blocks, region_of

PLACEMENTS = [orchestration(), choreography(), hybrid("payments"), hybrid("shipping", "inventory")]
DEFINITIONS = [fulfil(), everything()]
SVG = "{http://www.w3.org/2000/svg}"


def layouts(definition: Definition, placements: list[Placement]) -> list[Layout]:
    plan = figure(definition)
    panels = [panel(definition, plan, placement) for placement in placements]
    return arrange(plan, panels, lanes(definition), 20)


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda it: it.name)
def test_tasks_stay_in_the_same_places_in_every_panel(definition: Definition) -> None:
    first, *others = layouts(definition, PLACEMENTS)
    for other in others:
        for row, home in first.homes.items():
            assert other.homes[row].y == home.y
            assert other.homes[row].x - other.x == pytest.approx(home.x - first.x)


def test_only_the_path_changes() -> None:
    drawn = layouts(fulfil(), PLACEMENTS)
    assert len({tuple(point for line in it.lines for point in line.points) for it in drawn}) == 4


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda it: it.name)
def test_no_line_runs_through_a_task(definition: Definition) -> None:
    for layout in layouts(definition, PLACEMENTS):
        assert not [line for line in layout.lines if blocked(line, layout)]


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda it: it.name)
def test_lines_are_upright_or_level_and_stay_in_their_panel(definition: Definition) -> None:
    for layout in layouts(definition, PLACEMENTS):
        for line in layout.lines:
            assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(line.points))
            assert all(layout.x <= x <= layout.x + layout.width for x, _ in line.points)


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda it: it.name)
def test_lines_begin_and_end_at_their_items(definition: Definition) -> None:
    for layout in layouts(definition, PLACEMENTS):
        for line in layout.lines:
            source, target = (
                layout.boxes[at] for at in (line.path.edge.source, line.path.edge.target)
            )
            (x1, y1), (x2, y2) = line.points[0], line.points[-1]
            assert y1 == pytest.approx(source.y + source.height)
            assert y2 == pytest.approx(target.y)
            assert source.x <= x1 <= source.x + source.width
            assert target.x <= x2 <= target.x + target.width


@settings(max_examples=60)
@given(blocks(2))
def test_property_any_graph_is_drawn_with_clear_lines(block: tuple[Statement, ...]) -> None:
    nodes = [
        structs.replace(node, task=f"s{at % 3}.t") if isinstance(node, Task) else node
        for at, node in enumerate(region_of(block).nodes)
    ]
    definition = Definition("w", (Region(tuple(nodes)),))
    for layout in layouts(definition, [orchestration(), choreography()]):
        assert not [line for line in layout.lines if blocked(line, layout)]


def blocked(line: Line, layout: Layout) -> bool:
    """Does a line run through the box of a task that is not its end?"""
    ends = (line.path.edge.source, line.path.edge.target)
    boxes = [box for row, box in layout.homes.items() if row not in ends]
    return any(hits(box, a, b) for box in boxes for a, b in pairwise(line.points))


def test_boxes_stand_in_the_lane_of_their_service() -> None:
    for layout in layouts(fulfil(), PLACEMENTS):
        services = {item.row: item.service for item in figure(fulfil()).items}
        for row, box in layout.homes.items():
            lane = layout.lanes[services[row]]
            assert lane.x <= box.x
            assert box.x + box.width <= lane.x + lane.width


def test_a_line_keeps_only_its_corners() -> None:
    assert simple([(0, 0), (0, 5), (0, 5), (0, 9), (4, 9)]) == ((0, 0), (0, 9), (4, 9))


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda it: it.name)
def test_the_picture_is_accessible_and_needs_nothing_else(definition: Definition) -> None:
    text = svg(definition, PLACEMENTS)
    root = ElementTree.fromstring(text)
    assert root.get("role") == "img"
    assert (
        root.findtext(f"{SVG}title")
        == f"{definition.name}: {', '.join(it.name for it in PLACEMENTS)}"
    )
    assert "charge" in (root.findtext(f"{SVG}desc") or "")
    assert "prefers-color-scheme: dark" in text
    assert {element.tag for element in root.iter()}.isdisjoint({f"{SVG}script", f"{SVG}image"})
    assert "@import" not in text
    assert "url(" not in text


def test_a_panel_has_its_title_lanes_contracts_and_compensations() -> None:
    named = {"payments.charge": "refund"}
    root = ElementTree.fromstring(svg(fulfil(), [hybrid("payments")], compensations=named))
    found = [element.text for element in root.iter(f"{SVG}text")]
    for text in (
        "hybrid: payments",
        "app",
        "notifications",
        "Order, Reservation",
        "↶ refund",
        "↶ undo",
    ):
        assert text in found
    assert "the token crosses participants 2 times" in found


def test_names_are_escaped() -> None:
    definition = Definition("a<b>&c", fulfil().regions, fulfil().types)
    assert ElementTree.fromstring(svg(definition, [orchestration()])).findtext(f"{SVG}title")


def hits(box: Box, a: Point, b: Point) -> bool:
    """Does a line between two points cut a box?"""
    left, right = min(a[0], b[0]), max(a[0], b[0])
    top, bottom = min(a[1], b[1]), max(a[1], b[1])
    return (
        left < box.x + box.width and right > box.x and top < box.y + box.height and bottom > box.y
    )
