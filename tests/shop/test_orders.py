"""What is an order, what is refused, and for which reason."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from duetto.examples.shop.orders import (
    COLUMNS,
    Line,
    Order,
    OrdersUnreadable,
    Refusal,
    read_orders,
)

REAL = Path(__file__).parents[3] / "shared" / "data" / "retail_orders.csv"
HEADER = ",".join(COLUMNS)


def row(
    invoice: str = "1",
    *,
    quantity: str = "6",
    price: str = "2.55",
    customer: str = "17850.0",
    country: str = "EIRE",
) -> str:
    return f"{invoice},10A,TEA TOWEL,{quantity},2010-12-01 08:26:00,{price},{customer},{country}"


def read(tmp_path: Path, *lines: str, header: str = HEADER) -> list[Order | Refusal]:
    path = tmp_path / "orders.csv"
    path.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    return list(read_orders(path))


def refusal(tmp_path: Path, *lines: str, header: str = HEADER) -> Refusal:
    [refused] = read(tmp_path, *lines, header=header)
    assert isinstance(refused, Refusal)
    return refused


def an_order(*lines: tuple[int, str]) -> Order:
    goods = tuple(Line("10A", "TEA TOWEL", pieces, Decimal(price)) for pieces, price in lines)
    return Order("1", "17850", "EIRE", goods)


def test_lines_of_one_number_make_an_order(tmp_path: Path) -> None:
    assert read(tmp_path, row(), row(quantity="2", price="0.50")) == [
        Order(
            "1",
            "17850",
            "EIRE",
            (
                Line("10A", "TEA TOWEL", 6, Decimal("2.55")),
                Line("10A", "TEA TOWEL", 2, Decimal("0.50")),
            ),
        )
    ]


def test_lines_of_an_invoice_need_not_stand_together(tmp_path: Path) -> None:
    orders = read(tmp_path, row("1"), row("2"), row("1"))
    assert [(order.id, len(order.lines)) for order in orders if isinstance(order, Order)] == [
        ("1", 2),
        ("2", 1),
    ]


@pytest.mark.parametrize(
    ("lines", "total"),
    [
        ([(1, "0.125")], "0.12"),
        ([(1, "0.375")], "0.38"),
        ([(3, "0.375")], "1.12"),
        ([(1, "0.125"), (1, "0.125")], "0.25"),
        ([(1, "1000.005")], "1000.00"),
        ([(1, "1000.0050001")], "1000.01"),
        ([(1, "5")], "5.00"),
        ([(10**18 - 1, "999999999999999999.01")], "999999999999999998010000000000000000.99"),
    ],
)
def test_a_total_is_exact_and_rounded_once_half_to_even(
    lines: list[tuple[int, str]], total: str
) -> None:
    assert str(an_order(*lines).total) == total


def test_units_are_the_pieces_of_all_lines() -> None:
    assert an_order((6, "1"), (2, "1")).units == 8


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("cancellation", row("C1", quantity="-6")),
        ("malformed", row(quantity="six")),
        ("malformed", row(quantity="")),
        ("malformed", row(quantity="2.5")),
        ("malformed", row(quantity="1_000")),
        ("malformed", row(quantity="٣")),
        ("malformed", row(quantity="1" + "0" * 18)),
        ("malformed", row(price="NaN")),
        ("malformed", row(price="Infinity")),
        ("malformed", row(price="1e999999")),
        ("malformed", row(price="£2")),
        ("malformed", row(price="")),
        ("malformed", "1,10A,TEA TOWEL,6"),
        ("malformed", row() + ",more"),
        ("malformed", row("")),
        ("no customer", row(customer="")),
        ("no customer", row(customer=" ")),
        ("quantity", row(quantity="0")),
        ("quantity", row(quantity="-1")),
        ("price", row(price="0.0")),
        ("price", row(price="-0.01")),
    ],
)
def test_what_is_no_order_is_refused(tmp_path: Path, reason: str, line: str) -> None:
    assert refusal(tmp_path, line).reason == reason


def test_one_line_is_enough_to_refuse_an_invoice(tmp_path: Path) -> None:
    assert refusal(tmp_path, row(), row(quantity="0"), row()).line == 3


@pytest.mark.parametrize(
    ("reason", "lines"),
    [
        ("cancellation", [row("C1", quantity="x", price="0", customer="")]),
        ("malformed", [row(customer=""), row(price="x")]),
        ("no customer", [row(quantity="0", price="0"), row(customer="")]),
        ("quantity", [row(price="0"), row(quantity="0")]),
    ],
)
def test_the_first_reason_that_fits_is_counted(
    tmp_path: Path, reason: str, lines: list[str]
) -> None:
    assert refusal(tmp_path, *lines).reason == reason


def test_a_column_that_the_header_lacks_spoils_every_invoice_but_cancellations(
    tmp_path: Path,
) -> None:
    header = HEADER.replace(",UnitPrice", "")
    short = "1,10A,TEA TOWEL,6,2010-12-01,17850.0,EIRE"
    first, second = read(tmp_path, short, "C" + short, header=header)
    assert isinstance(first, Refusal)
    assert isinstance(second, Refusal)
    assert (first.reason, first.found) == ("malformed", "7 columns; missing: UnitPrice")
    assert second.reason == "cancellation"


def test_columns_are_found_by_name_and_others_are_passed_over(tmp_path: Path) -> None:
    header = "Country,CustomerID,UnitPrice,InvoiceDate,Quantity,Description,StockCode,InvoiceNo,By"
    line = "EIRE,17850,2.55,2010-12-01,6,TEA TOWEL,10A,1,Ann"
    assert read(tmp_path, line, header=header) == [an_order((6, "2.55"))]


def test_a_refusal_says_where_what_and_what_to_do(tmp_path: Path) -> None:
    assert refusal(tmp_path, row(), row(quantity="six")).message == (
        "line 3  Invoice 1 is refused: malformed.\n"
        "  found     Quantity 'six'\n"
        "  expected  a whole number of at most 18 digits\n"
        "  do        correct the quantity"
    )


@pytest.mark.parametrize("broken", ['2,10A,"TEA TOWEL,6', '2,10A,"TEA"TOWEL,6'])
def test_a_quote_without_its_fellow_costs_its_own_invoice_only(tmp_path: Path, broken: str) -> None:
    first, second, third = read(tmp_path, row("1"), broken, row("3"))
    assert isinstance(second, Refusal)
    assert (second.invoice, second.reason, second.line) == ("2", "malformed", 3)
    assert isinstance(first, Order)
    assert isinstance(third, Order)


def test_text_may_have_commas_quotes_and_newlines_and_lines_are_still_counted(
    tmp_path: Path,
) -> None:
    text = row("1").replace("TEA TOWEL", '"RULER 12"", WOOD\nAND BRASS"')
    first, second = read(tmp_path, text, row("2", price="x"))
    assert isinstance(first, Order)
    assert first.lines[0].description == 'RULER 12", WOOD\nAND BRASS'
    assert isinstance(second, Refusal)
    assert second.line == 4


def test_bytes_that_are_not_utf8_cost_their_own_invoice_only(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    lines = (HEADER, row("1"), row("2"))
    path.write_bytes("\n".join(lines).encode().replace(b"1,10A,TEA", b"1,10A,\xa3TEA"))
    first, second = read_orders(path)
    assert isinstance(first, Refusal)
    assert first.found == "bytes that are not UTF-8"
    assert isinstance(second, Order)


def test_a_byte_order_mark_and_empty_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes(b"\xef\xbb\xbf" + f"{HEADER}\r\n\r\n{row()}\r\n\r\n".encode())
    assert [type(each) for each in read_orders(path)] == [Order]


@pytest.mark.parametrize("text", ["", "\n", "1,2,3\n", '"InvoiceNo\n'])
def test_a_file_without_a_header_is_unreadable(tmp_path: Path, text: str) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OrdersUnreadable, match="add the header"):
        list(read_orders(path))


@pytest.mark.skipif(not REAL.exists(), reason="the real orders are not beside this checkout")
def test_the_real_orders_are_read_to_the_last() -> None:
    invoices = list(read_orders(REAL))
    reasons = Counter(each.reason for each in invoices if isinstance(each, Refusal))
    assert len(invoices) == 1_458
    assert reasons == {"cancellation": 215, "no customer": 207, "price": 1}
