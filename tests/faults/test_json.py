"""F21: JSON bombs in the input of `duetto run` are refused with their line; nothing runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from duetto.cli import lines
from duetto.cli.lines import Reader
from duetto.errors import LimitExceeded, ValueRefused
from tests.faults.apps import an_app, in_grammar
from tests.faults.trade import TRACE, hand_over, sell, take

BOMBS = {
    "100,000 lists": b"[" * 100_000 + b"]" * 100_000,
    "100,000 objects": b'{"id": ' * 100_000 + b"1" + b"}" * 100_000,
    "an int of 100,000 digits": b'{"id": "a", "units": ' + b"7" * 100_000 + b"}",
    "an int beyond 64 bits": b'{"id": "a", "units": 9223372036854775808}',
    "NaN": b'{"id": "a", "units": NaN}',
    "a float for an int": b'{"id": "a", "units": 1.5}',
    "a lone surrogate": b'{"id": "\\ud800", "units": 1}',
    "broken UTF-8": b'{"id": "\xff", "units": 1}',
    "half a line": b'{"id": "a", ',
    "nothing but NUL": b"\0" * 1000,
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
async def test_a_bomb_is_refused_with_its_line(bomb: bytes, tmp_path: Path) -> None:
    file = tmp_path / "bomb.jsonl"
    file.write_bytes(b'{"id": "fine", "units": 1}\n' + bomb + b"\n")
    TRACE.done.clear()
    with pytest.raises(ValueRefused) as caught:
        await everything_started(file)
    assert in_grammar(caught.value)
    assert TRACE.done == []


async def everything_started(file: Path) -> None:
    """Do as `duetto run` does: check every line, then start each."""
    app = an_app()
    program = app.programs.program(app.programs.by_name["sell"])
    reader = Reader(sell, lambda args, kwargs: program.bind(0, args, kwargs))
    found = list(reader.read(file, "bomb"))
    async with app:
        for line in found:
            await app.operations.start("sell", line.args, line.kwargs, id=line.id)


def test_the_line_of_a_bomb_is_named(tmp_path: Path) -> None:
    file = tmp_path / "bomb.jsonl"
    file.write_bytes(b"\n\n" + BOMBS["100,000 lists"])
    with pytest.raises(ValueRefused, match="Line 3 of bomb does not fit hand_over"):
        list(Reader(hand_over).read(file, "bomb"))


def test_a_line_without_an_end_is_not_read_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LINE_BYTES_MAX", 10_000)
    file = tmp_path / "bomb.jsonl"
    file.write_bytes(b'"' + b"x" * 100_000)
    with pytest.raises(LimitExceeded, match="Line 1 of bomb is too long") as caught:
        list(Reader(hand_over).read(file, "bomb"))
    assert "LINE_BYTES_MAX" in caught.value.expected


async def test_levels_that_json_can_hold_and_a_store_cannot_are_refused() -> None:
    deep = b'{"id": "a", "units": 1, "notes": ' + b"[" * 500 + b"]" * 500 + b"}"
    line = Reader(sell).line(deep, 1, "deep")
    async with an_app() as app:
        with pytest.raises(ValueRefused) as caught:
            await app.operations.start("sell", line.args, line.kwargs, id=line.id)
        assert in_grammar(caught.value)
    assert TRACE.count(take.name) == 0
