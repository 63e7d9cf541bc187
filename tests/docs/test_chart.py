"""The picture of a sequence: it is what the code draws, of what still happens."""

from __future__ import annotations

from duetto.drawing import sequence_svg
from duetto.drawing.sequence import Chart, Mark
from tests.docs.picture import HAPPENED, SEQUENCE, happened, happens

AGAIN = "do: python -m tests.docs.picture"
PAGE = SEQUENCE.with_name("simulation.md")


def test_the_page_shows_the_picture_that_the_code_draws() -> None:
    assert "(sequence.svg)" in PAGE.read_text("utf-8")
    assert HAPPENED.exists()
    assert SEQUENCE.read_text("utf-8") == sequence_svg(happened()), AGAIN


def test_it_shows_what_still_befalls_that_scenario() -> None:
    now, then = happens(), happened()
    assert now.lanes == then.lanes, AGAIN
    assert now.notes == then.notes == ("every promise is kept",)
    assert struck(now) == struck(then) == ["fault", "fault", "crash", "restart", "fault", "end"]


def struck(chart: Chart) -> list[str]:
    marks = [event.kind for event in chart.events if isinstance(event, Mark)]
    return [kind for kind in marks if kind in ("fault", "crash", "restart", "end")]
