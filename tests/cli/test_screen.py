"""Tables are cut to the terminal, and never in what must be copied."""

from __future__ import annotations

from rich.cells import cell_len

from duetto.cli.screen import table

ID = "order-2026-11-25-000017-a7f3c9"
ROWS = [["id", "workflow", "note"], [ID, "fulfil_everything_at_once", "x" * 80]]


def test_columns_are_cut_before_ids() -> None:
    for width in (200, 80, 60, 40, 20):
        lines = table(ROWS, [True, False, False], width)
        assert ID in lines[1]
        if width >= len(ID) + 12:
            assert max(map(cell_len, lines)) <= width


def test_what_fits_is_not_cut() -> None:
    assert table([["id", "note"], ["a", "b c"]], [True, False], 80) == ["id  note", "a   b c"]


def test_wide_letters_count_twice() -> None:
    _, line = table([["id", "n"], ["a", "日本語日本語"]], [True, False], 11)
    assert cell_len(line) <= 11
    assert line.endswith("…")
