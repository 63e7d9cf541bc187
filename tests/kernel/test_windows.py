"""The arithmetic of windows, held against what it says computed directly."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from duetto.kernel.windows import Said, Span, changed, folded, least, useful
from duetto.model.event import BEGINNING, END

times = st.integers(-500, 500)
spans = st.builds(Span, st.integers(1, 60), st.integers(0, 90))
unending = st.builds(Span, st.integers(1, 60))


@given(time=times, span=spans | unending)
def test_property_an_instant_is_in_one_window(time: int, span: Span) -> None:
    start = span.start_of(time)
    assert start <= time < start + span.size_ms
    assert start % span.size_ms == 0


@given(start=times, span=spans, watermark=times)
def test_property_a_window_is_due_once_nothing_in_it_is_on_time(
    start: int, span: Span, watermark: int
) -> None:
    start = span.start_of(start)
    on_time = [
        time for time in range(start, start + span.size_ms) if not span.is_late(time, watermark)
    ]
    assert span.is_due(start, watermark) == (not on_time)


@given(span=spans | unending, start=times)
def test_property_the_end_makes_everything_due_and_nothing_else_without_lateness(
    span: Span, start: int
) -> None:
    assert span.is_due(start, END)
    assert not span.is_due(start, None)
    assert span.is_due(start, 10_000) == (span.lateness_ms is not None)


@given(time=times, span=spans)
def test_property_nothing_is_late_that_was_stamped_first(time: int, span: Span) -> None:
    assert not span.is_late(time, BEGINNING)
    assert not span.is_late(time, None)


@given(watermark=times, several=st.lists(spans | unending, max_size=4), start=times)
def test_property_what_is_useful_makes_due_what_the_watermark_does(
    watermark: int, several: list[Span], start: int
) -> None:
    found = useful(watermark, several)
    assert found is None or found <= watermark
    for span in several:
        first = span.start_of(start)
        assert span.is_due(first, watermark) == span.is_due(first, found)


@given(watermark=times, span=spans, start=times)
def test_property_what_is_passed_on_is_before_all_that_is_not_due(
    watermark: int, span: Span, start: int
) -> None:
    passed, start = span.passed(watermark), span.start_of(start)
    assert passed is not None
    assert span.is_due(start, watermark) == (start < passed)


def test_the_ends_are_passed_on() -> None:
    assert useful(END, []) == END
    assert useful(BEGINNING, [Span(10, 0)]) is None
    assert Span(10).passed(END) == Span(10, 5).passed(END) == END
    assert Span(10).passed(7) is None


@given(watermarks=st.lists(st.none() | times))
def test_property_the_least_is_not_known_where_one_is_not(watermarks: list[int | None]) -> None:
    known = [each for each in watermarks if each is not None]
    is_whole = bool(watermarks) and len(known) == len(watermarks)
    assert least(watermarks) == (min(known) if is_whole else None)


class Row(Struct, frozen=True):
    """A row of an input."""

    id: str
    time: int
    position: int

    @property
    def place(self) -> str:
        """Its position as text, which no other row has."""
        return f"{self.position:03}{self.id}"


rows = st.lists(
    st.builds(Row, st.sampled_from("abc"), st.integers(0, 40), st.integers(0, 9)),
    max_size=12,
    unique_by=lambda row: (row.id, row.position),
)


def directly(given: list[Row], span: Span) -> dict[int, list[Row]]:
    """Return the windows of rows: of each id the one of the lowest position."""
    first: dict[str, Row] = {}
    for row in sorted(given, key=lambda row: row.position):
        first.setdefault(row.id, row)
    found: dict[int, list[Row]] = {}
    for row in sorted(first.values(), key=lambda row: row.place):
        found.setdefault(span.start_of(row.time), []).append(row)
    return found


@given(given_rows=rows, span=spans, shuffled=st.permutations(range(24)))
def test_property_windows_do_not_depend_on_the_order_or_on_copies(
    given_rows: list[Row], span: Span, shuffled: list[int]
) -> None:
    twice = [*given_rows, *given_rows]
    state: dict[int, dict[str, Row]] = {}
    kept: dict[str, Said] = {}
    for index in shuffled:
        if index >= len(twice):
            continue
        row = twice[index]
        said = Said(span.start_of(row.time), row.place)
        before = kept.get(row.id)
        starts = changed(said, before)
        if starts:
            if before is not None:
                del state[before.start][row.id]
            state.setdefault(said.start, {})[row.id] = row
            kept[row.id] = said
            assert set(starts) == {said.start, *([before.start] if before is not None else [])}
    found = {
        start: folded((row.place, row) for row in contributions.values())
        for start, contributions in state.items()
        if contributions
    }
    assert found == directly(given_rows, span)


def test_the_same_position_counts_again_where_it_was_mended() -> None:
    kept = Said(0, "1")
    assert changed(Said(10, "1"), kept) == ()
    assert changed(Said(10, "1"), kept, again=True) == (0, 10)
