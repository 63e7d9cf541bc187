"""A sequence chart: numbered rows that keep clear of each other, and every end of every message."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duetto.drawing import sequence_mermaid, sequence_svg, sequence_text
from duetto.drawing.sequence import (
    KINDS,
    Arrived,
    Chart,
    Event,
    Lane,
    Mark,
    Score,
    Sent,
    moment,
    score,
)
from duetto.drawing.sequence_svg import HEADS_EVERY

SVG = "{http://www.w3.org/2000/svg}"
LANES = (Lane("", "app", "process 0"), Lane("a", "a", "process 1"), Lane("b", "b", "process 1"))

STORY: tuple[Event, ...] = (
    Mark(0, "", "start", "the run begins"),
    Sent(0, 1, "", "a", "token / at hop 1"),
    Arrived(0, 1),
    Mark(0, "a", "begun", "a.keep", "/#1"),
    Mark(1, "b", "begun", "b.slow", "/#2"),
    Sent(2, 2, "a", "", "report of /1[0]", "report"),
    Mark(5, "a", "done", "a.keep", "/#1"),
    Mark(6, "a", "crash", "commit 3 is lost"),
    Sent(7, 3, "", "b", "cancel of /", "cancel"),
    Arrived(40, 2),
    Mark(400, "a", "restart", "a process starts"),
    Arrived(5400, 2),
    Mark(5401, "b", "begun", "b.plain", "/#3"),
)


def chart(*events: Event) -> Chart:
    return Chart("a story", LANES, events or STORY, ("broken: promise 2",))


def texts(svg: str, kind: str = "") -> list[str]:
    found = ElementTree.fromstring(svg).iter(f"{SVG}text")
    return [
        each.text or "" for each in found if kind in (each.get("class") or "").split() or not kind
    ]


def test_an_arrival_at_once_shares_the_row_and_a_late_one_has_its_own() -> None:
    plan = score(chart())
    assert [row.number for row in plan.rows] == list(range(1, len(STORY)))
    ways = [(it.sent.message, it.left, it.taken, it.again) for it in plan.flights]
    assert ways == [(1, 2, 2, False), (2, 5, 9, False), (2, 5, 11, True), (3, 8, None, False)]


def test_a_crash_ends_what_runs_in_its_process_and_nothing_else() -> None:
    plan = score(chart(*STORY[:4], Mark(1, "", "begun", "elsewhere", "/#9"), *STORY[4:]))
    ends = {
        (it.lane, it.first): "cut" if it.cut else "open" if it.open else "" for it in plan.spans
    }
    assert ends == {("a", 3): "", ("", 4): "open", ("b", 5): "cut", ("b", 13): "open"}


def test_all_lanes_of_a_process_are_away_from_its_crash_to_its_restart() -> None:
    away = score(chart()).away
    assert {(it.lane, it.first, it.last) for it in away} == {("a", 7, 10), ("b", 7, 10)}


def test_a_process_that_is_paused_goes_on_or_dies() -> None:
    events = (Mark(0, "a", "pause", ""), Mark(1, "a", "crash", ""), Mark(2, "", "pause", ""))
    held = score(chart(*events)).held
    assert {(it.lane, it.first, it.last, it.open) for it in held} == {
        *(("a", 1, 2, False), ("b", 1, 2, False)),
        ("", 3, 3, True),
    }


def test_what_lasts_at_the_same_time_stands_side_by_side() -> None:
    begun = [Mark(0, "a", "begun", "", f"/#{number}") for number in range(3)]
    again = (Mark(1, "a", "done", "", "/#1"), Mark(2, "a", "begun", "", "/#4"))
    slots = {it.first: it.slot for it in score(chart(*begun, *again)).spans}
    assert slots == {1: 0, 2: 1, 3: 2, 5: 1}


def test_the_picture_says_what_there_is_to_see() -> None:
    svg = sequence_svg(chart())
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "a story"
    told = root.findtext(f"{SVG}desc") or ""
    for words in (
        "app, a, b",
        "promise 2",
        "row 7, a: commit 3 is lost",
        "row 8: a message is lost",
    ):
        assert words in told
    assert texts(svg, "head") == ["app", "a", "b"]
    assert texts(svg, "number") == [str(number) for number in range(1, len(STORY))]
    assert "a message is lost" in told
    assert {"again, from row 5", "from row 5", "commit 3 is lost"} <= set(texts(svg, "said"))
    assert "cancel of / – never arrives" in texts(svg, "bad")
    assert svg.count('class="struck"') == 2, "both lanes of the process that dies"
    assert "prefers-color-scheme: dark" in svg
    assert {each.tag for each in root.iter()}.isdisjoint({f"{SVG}script", f"{SVG}image"})
    assert "url(" not in svg


def test_a_time_without_rows_is_said() -> None:
    assert "5 s pass" in texts(sequence_svg(chart()), "time")


def test_the_names_of_lanes_come_again_in_a_long_chart() -> None:
    events = [Mark(number, "a", "note", f"note {number}") for number in range(3 * HEADS_EVERY)]
    assert texts(sequence_svg(chart(*events)), "head") == HEADS


HEADS = ["app", "app", "app", "a", "a", "a", "b", "b", "b"]
"""Lanes are drawn one by one, each with its name at the top and twice again."""


def test_a_message_that_is_long_under_way_is_drawn_at_its_ends() -> None:
    notes = [Mark(number, "a", "note", "") for number in range(40)]
    svg = sequence_svg(chart(Sent(0, 1, "", "b", "late"), *notes, Arrived(99, 1)))
    assert {"late – until row 42", "from row 1: late"} <= set(texts(svg, "said"))
    assert svg.count('class="port"') == 2


def test_names_are_escaped() -> None:
    lanes = (Lane("", "a<b>&c"),)
    odd = Chart("a<b>", lanes, (Mark(0, "", "note", '"<&>;"'),), ("<note>",))
    assert ElementTree.fromstring(sequence_svg(odd)).findtext(f"{SVG}title") == "a<b>"
    assert "#60;" in sequence_mermaid(odd)
    assert '"<&>;"' in sequence_text(odd)


def test_an_empty_chart_has_its_lanes() -> None:
    empty = Chart("nothing", LANES, ())
    assert texts(sequence_svg(empty), "head") == ["app", "a", "b"]
    assert sequence_text(empty).split() == ["nothing", "app", "a", "b"]


def test_as_text_each_row_is_a_line_with_its_lanes() -> None:
    lines = sequence_text(chart()).splitlines()
    assert lines[:2] == ["a story", "broken: promise 2"]
    assert lines[3].split() == ["app", "a", "b"]
    columns = {name: lines[3].index(name) for name in ("app", "a  ", "b")}
    drawn = {int(line.split()[0]): line for line in lines[4:]}
    assert len(drawn) == len(STORY) - 1
    assert "├─" in drawn[2]
    assert drawn[2][columns["a  "]] == "▶"
    assert "╳" in drawn[7]
    assert "commit 3 is lost" in drawn[7]
    assert drawn[8].endswith("cancel of /, never arrives")
    assert drawn[9][columns["a  "]] == " ", "its process is dead"
    assert "again: report of /1[0], from row 5" in drawn[11]


def test_mermaid_draws_a_message_where_it_arrives() -> None:
    lines = [line.strip() for line in sequence_mermaid(chart()).splitlines()]
    assert lines[:4] == [
        "sequenceDiagram",
        *(f"participant p{at} as {it.title}" for at, it in enumerate(LANES)),
    ]
    assert "p0->>p1: 2 token / at hop 1" in lines
    assert "Note over p1: 5 sends report of /1[0], to app" in lines
    assert "p1-->>p0: 9 report of /1[0], from row 5" in lines
    assert "p1-->>p0: 11 again: report of /1[0], from row 5" in lines
    assert "p0-xp2: 8 cancel of /, never arrives" in lines
    assert "Note over p1,p2: 7 ╳ commit 3 is lost" in lines


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 ms"),
        (18.25, "18.2 ms"),
        (999, "999 ms"),
        (2421, "2.421 s"),
        (3_725_000, "1 h 2 min 5 s"),
    ],
)
def test_times_are_told_to_people(ms: float, text: str) -> None:
    assert moment(ms) == text


def drawn(draw: st.DrawFn) -> Chart:
    """Draw any chart that a recorder may make."""
    names = [lane.name for lane in LANES]
    events: list[Event] = []
    sent, at = 0, 0.0
    for _ in range(draw(st.integers(0, 60))):
        at += draw(st.sampled_from((0.0, 0.0, 1.5, 20.0, 3000.0)))
        label = " ".join(["a word"] * draw(st.integers(0, 12)))
        match draw(st.sampled_from(("sent", "arrived", "mark", "mark"))):
            case "sent":
                sent += 1
                source, to = (draw(st.sampled_from(names)) for _ in range(2))
                events.append(Sent(at, sent, source, to, label))
            case "arrived" if sent:
                events.append(Arrived(at, draw(st.integers(1, sent))))
            case _:
                lane, kind = draw(st.sampled_from(names)), draw(st.sampled_from(KINDS))
                events.append(
                    Mark(at, lane, kind, label, draw(st.sampled_from(("", "/#1", "/#2"))))
                )
    return chart(*events) if events else Chart("nothing", LANES, ())


@settings(max_examples=80)
@given(st.composite(drawn)())
def test_property_no_words_of_any_chart_lie_over_others(it: Chart) -> None:
    svg = sequence_svg(it)
    assert svg == sequence_svg(it)
    plan = score(it)
    tops: list[list[float]] = []
    for group in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        if group.find(f"{SVG}title") is not None:
            found = [
                each for each in group.iter(f"{SVG}text") if "said" in (each.get("class") or "")
            ]
            tops.append([float(each.get("y") or 0) for each in found])
    assert len(tops) == len(plan.rows)
    ys = [y for row in tops for y in row]
    assert all(below - above >= 11.9 for above, below in pairwise(ys)), (
        "a row reaches into the next"
    )
    assert len(re.findall(r'class="number"', svg)) == len(plan.rows)
    assert_arrows(plan, svg)
    assert len(sequence_text(it).splitlines()) == len(plan.rows) + 3 + len(it.notes)


def assert_arrows(plan: Score, svg: str) -> None:
    """Each message has a line, and each arrival the tip of an arrow."""
    assert svg.count('class="tip') == sum(flight.taken is not None for flight in plan.flights)
    assert svg.count('<path class="sent') >= len(plan.flights)
