"""Make orders of the shop's shape from a seed: `python -m duetto.examples.shop.generate`.

What it makes from SEED is shipped beside it as `orders.csv`. The goods are of its own invention.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from random import Random

from duetto.examples.shop.orders import COLUMNS

SEED = 20_261_103
SHIPPED = Path(__file__).with_name("orders.csv")
CUSTOMERS = 400
ARTICLES = 600
INVOICE_FIRST = 700_001
OPENING = datetime(2026, 11, 2, 8, 0, 0)
SECONDS_BETWEEN_MAX = 1_100

NEAR = ("EIRE", "Germany", "France", "Belgium", "Netherlands", "Spain", "Portugal", "Italy")
FAR = ("Japan", "Norway", "Australia", "Lithuania", "Channel Islands", "Iceland", "Poland")

MATERIALS = (
    "AMBER",
    "BAMBOO",
    "BRASS",
    "CERAMIC",
    "CORK",
    "ENAMEL",
    "FELT",
    "GLASS",
    "LINEN",
    "PAPER",
    "PEWTER",
    "SLATE",
    "WICKER",
    "WOOL",
)
MOTIFS = (
    "BADGER",
    "BEEHIVE",
    "COMET",
    "DRAGONFLY",
    "FERN",
    "HARBOUR",
    "HEDGEHOG",
    "LIGHTHOUSE",
    "MEADOW",
    "OTTER",
    "PAGODA",
    "SNOWDROP",
    "TEAPOT",
    "WINDMILL",
)
THINGS = (
    "BOOKEND",
    "BUNTING",
    "CAKE STAND",
    "COASTERS, SET OF 4",
    "DOORSTOP",
    "EGG CUP",
    "KEY RACK",
    "LAMPSHADE",
    "NAPKIN RING",
    "PLANT POT",
    'RULER 12"',
    "TEA TOWEL",
    "TRINKET BOX",
    "WATERING CAN",
)


@dataclass(frozen=True, slots=True)
class Article:
    """Goods with their price for each piece, as text in pounds."""

    stock_code: str
    description: str
    unit_price: str


@dataclass(frozen=True, slots=True)
class Row:
    """A line of an invoice as the file has it, all of it text."""

    invoice: str
    article: Article
    quantity: str
    date: str
    customer: str
    country: str

    def cells(self) -> list[str]:
        """The row in the columns of the file."""
        return [
            self.invoice,
            self.article.stock_code,
            self.article.description,
            self.quantity,
            self.date,
            self.article.unit_price,
            self.customer,
            self.country,
        ]


class Trade:
    """The draws that invoices are made of, all from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self._articles = [self._article(number) for number in range(ARTICLES)]
        self._customers = [f"{13_000 + number}.0" for number in range(CUSTOMERS)]
        # A customer stays where they are, and one in twelve lives abroad.
        self._countries = {each: self._country() for each in self._customers}

    def one(self, choices: Sequence[str]) -> str:
        """One of the choices."""
        return choices[self.below(len(choices))]

    def below(self, limit: int) -> int:
        """A number from 0 to limit - 1."""
        # Of all methods of Random only this one is promised to give the same in every Python.
        return int(self.random.random() * limit)

    def between(self, lowest: int, highest: int) -> int:
        """A number from lowest to highest, both included."""
        return lowest + self.below(highest - lowest + 1)

    def invoice(self, number: str, date: str, lines: int) -> list[Row]:
        """An invoice that every service accepts, if it has few lines: small amounts, near by."""
        customer = self.one(self._customers)
        return [
            Row(
                invoice=number,
                article=self._articles[self.below(ARTICLES)],
                quantity=str(self.between(1, 5)),
                date=date,
                customer=customer,
                country=self._countries[customer],
            )
            for _ in range(lines)
        ]

    def size(self) -> int:
        """How many lines an invoice has: mostly a few, sometimes up to 40."""
        return 1 + int(40 * self.random.random() ** 3)

    def _article(self, number: int) -> Article:
        name = " ".join((self.one(MATERIALS), self.one(MOTIFS), self.one(THINGS)))
        suffix = self.one(("", "", "", "A", "B"))
        pence = (5, 9, 25, 29, 45, 65, 85, 95)[self.below(8)]
        return Article(f"{20_000 + 7 * number}{suffix}", name, f"{self.below(7)}.{pence:02d}")

    def _country(self) -> str:
        return self.one(NEAR) if self.below(12) == 0 else "United Kingdom"


Shape = Callable[[Trade, str, str], list[Row]]
"""Makes an invoice of one kind, given its number and date."""


def ordinary(trade: Trade, number: str, date: str) -> list[Row]:
    """An order that is completed."""
    return trade.invoice(number, date, trade.size())


def out_of_stock(trade: Trade, number: str, date: str) -> list[Row]:
    """An order with a line above 200 pieces."""
    rows = ordinary(trade, number, date)
    at = trade.below(len(rows))
    rows[at] = replace(rows[at], quantity=str(trade.between(201, 2_400)))
    return rows


def declined(trade: Trade, number: str, date: str) -> list[Row]:
    """An order of more than 1,000 pounds, of lines of at most 200 pieces."""
    rows = trade.invoice(number, date, trade.between(4, 12))
    return [replace(row, quantity="160", article=_at(row.article, "3.95")) for row in rows]


def undeliverable(trade: Trade, number: str, date: str) -> list[Row]:
    """An order to where no carrier goes."""
    country = trade.one(FAR)
    return [replace(row, country=country) for row in ordinary(trade, number, date)]


def bulky(trade: Trade, number: str, date: str) -> list[Row]:
    """An order of more than 60 lines, of small amounts."""
    rows = trade.invoice(number, date, trade.between(61, 95))
    return [
        replace(row, quantity="1", article=_at(row.article, f"{trade.below(6)}.45")) for row in rows
    ]


def half_penny(trade: Trade, number: str, date: str) -> list[Row]:
    """An order whose total ends in half a penny, to be rounded to the even side."""
    rows = ordinary(trade, number, date)
    price = trade.one(("0.125", "0.375", "2.005", "1.115"))
    return [*rows, replace(rows[0], quantity="1", article=_at(rows[0].article, price))]


def at_the_limits(trade: Trade, number: str, date: str) -> list[Row]:
    """An order of 60 lines, 200 pieces in one, and 1,000.005 pounds: just accepted by all."""
    rows = [
        replace(row, quantity="1", article=_at(row.article, "10.00"))
        for row in trade.invoice(number, date, 60)
    ]
    rows[0] = replace(rows[0], quantity="200", article=_at(rows[0].article, "2.00"))
    rows[1] = replace(rows[1], quantity="1", article=_at(rows[1].article, "20.005"))
    return [replace(row, country="United Kingdom") for row in rows]


def above_by_rounding(trade: Trade, number: str, date: str) -> list[Row]:
    """An order of 1,000.015 pounds, which rounds to 1,000.02 and is declined."""
    rows = trade.invoice(number, date, 2)
    return [
        replace(rows[0], quantity="100", article=_at(rows[0].article, "9.95")),
        replace(rows[1], quantity="1", article=_at(rows[1].article, "5.015")),
    ]


def cancelled(trade: Trade, number: str, date: str) -> list[Row]:
    """A cancellation: negative pieces, sometimes without a customer, which does not matter."""
    rows = ordinary(trade, f"C{number}", date)
    customer = rows[0].customer if trade.below(4) else ""
    return [replace(row, quantity=f"-{row.quantity}", customer=customer) for row in rows]


def malformed(trade: Trade, number: str, date: str) -> list[Row]:
    """An invoice with a line whose quantity or price is no number."""
    rows = ordinary(trade, number, date)
    at = trade.below(len(rows))
    row = rows[at]
    if trade.below(2):
        rows[at] = replace(row, quantity=trade.one(("", "six", "1O", "2.5", "NaN")))
    else:
        price = trade.one(("", "free", "3,95", "£2.10", "1.2.5"))
        rows[at] = replace(row, article=_at(row.article, price))
    return rows


def cut_short(trade: Trade, number: str, date: str) -> list[Row]:
    """An invoice with a line that lacks its last columns; `render` leaves out the country."""
    rows = ordinary(trade, number, date)
    return [*rows[:-1], replace(rows[-1], country=CUT)]


def anonymous(trade: Trade, number: str, date: str) -> list[Row]:
    """An invoice without a customer."""
    return [replace(row, customer="") for row in ordinary(trade, number, date)]


def below_one(trade: Trade, number: str, date: str) -> list[Row]:
    """An invoice with a line of no pieces, or of less than none."""
    rows = ordinary(trade, number, date)
    at = trade.below(len(rows))
    rows[at] = replace(rows[at], quantity=trade.one(("0", "-1", "-12")))
    return rows


def given_away(trade: Trade, number: str, date: str) -> list[Row]:
    """An invoice with a line whose price is zero, or below."""
    rows = ordinary(trade, number, date)
    at = trade.below(len(rows))
    price = trade.one(("0.0", "0", "-4.25"))
    rows[at] = replace(rows[at], article=_at(rows[at].article, price))
    return rows


CUT = "\0"
"""Stands for the columns that a line lacks."""

ORDERS: tuple[tuple[Shape, int], ...] = (
    (ordinary, 850),
    (half_penny, 48),
    (at_the_limits, 2),
    (out_of_stock, 39),
    (declined, 46),
    (above_by_rounding, 3),
    (undeliverable, 10),
    (bulky, 37),
)
REFUSALS: tuple[tuple[Shape, int], ...] = (
    (cancelled, 64),
    (malformed, 24),
    (cut_short, 8),
    (anonymous, 40),
    (below_one, 18),
    (given_away, 12),
)


def generate(seed: int = SEED) -> str:
    """Return the file that a seed makes: a header, then the lines of 1,201 invoices."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in _rows(Trade(seed)):
        cells = row.cells()
        writer.writerow(cells[:-2] if cells[-1] == CUT else cells)
    return text.getvalue()


def _rows(trade: Trade) -> Iterator[Row]:
    now = OPENING
    for number, shape in enumerate(_shapes(trade), start=INVOICE_FIRST):
        now += timedelta(seconds=trade.between(20, SECONDS_BETWEEN_MAX))
        yield from shape(trade, str(number), now.isoformat(sep=" "))


def _shapes(trade: Trade) -> list[Shape]:
    shapes = [shape for shape, count in (*ORDERS, *REFUSALS) for _ in range(count)]
    for last in range(len(shapes) - 1, 0, -1):
        other = trade.below(last + 1)
        shapes[last], shapes[other] = shapes[other], shapes[last]
    return shapes


def _at(article: Article, price: str) -> Article:
    return replace(article, unit_price=price)


def main() -> None:
    """Write the file of SEED to the path that is given, or to where it is shipped from."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED
    path.write_text(generate(), encoding="utf-8", newline="")


if __name__ == "__main__":
    main()
