"""Bodies leave a line before they work, are out of reach once in ten, and take their time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from duetto.examples.shop.workshop import Premises, is_flaky, open_premises


@dataclass
class Call:
    key: str = "k"
    attempt: int = 1


@pytest.fixture
def call() -> Call:
    return Call()


@pytest.fixture
async def shop(tmp_path: Path, call: Call) -> AsyncIterator[Premises]:
    async with open_premises(tmp_path, visit=lambda: call) as premises:
        yield premises


def an_order(*, flaky: bool) -> str:
    return next(str(n) for n in range(100) if is_flaky(str(n), "reserve") is flaky)


def attempts(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "attempts.jsonl").read_text().splitlines()]


def test_one_operation_in_ten_is_out_of_reach_at_first() -> None:
    assert 80 < sum(is_flaky(str(order), "reserve") for order in range(1_000)) < 120


async def test_the_first_attempt_of_a_flaky_operation_fails_and_the_second_does_not(
    shop: Premises, call: Call, tmp_path: Path
) -> None:
    order = an_order(flaky=True)
    with pytest.raises(ConnectionError):
        await shop.begin(order, "reserve")
    call.attempt = 2
    await shop.begin(order, "reserve")
    assert [{**line, "at_ns": 0} for line in attempts(tmp_path)] == [
        {"key": "k", "order": order, "operation": "reserve", "attempt": 1, "at_ns": 0},
        {"key": "k", "order": order, "operation": "reserve", "attempt": 2, "at_ns": 0},
    ]


async def test_an_effect_goes_to_the_ledger_of_its_service_under_the_key_of_the_call(
    shop: Premises, tmp_path: Path
) -> None:
    reference = await shop.effect("payments", "1", "charge", amount=Decimal("7.50"))
    assert await shop.effect("payments", "1", "charge", amount=Decimal("7.50")) == reference
    [line] = (tmp_path / "ledgers" / "payments.jsonl").read_text().splitlines()
    assert json.loads(line)["amount"] == "7.50"
    assert (tmp_path / "ledgers" / "inventory.jsonl").read_bytes() == b""


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        (b"", b""),
        (b'{"key":"a"}\n', b'{"key":"a"}\n'),
        (b'{"key":"a"}\n{"ke', b'{"key":"a"}\n'),
        (b'{"ke', b""),
    ],
)
def test_a_torn_attempt_is_dropped(tmp_path: Path, found: bytes, kept: bytes) -> None:
    path = tmp_path / "attempts.jsonl"
    path.write_bytes(found)
    Premises(tmp_path, visit=Call).close()
    assert path.read_bytes() == kept
