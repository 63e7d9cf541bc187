"""Read orders from a CSV of invoice lines, and refuse what is no order, each with its reason."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation
from itertools import islice
from pathlib import Path
from typing import Literal, get_args

import msgspec

from duetto.errors import DuettoError

COLUMNS = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)

Reason = Literal["cancellation", "malformed", "no customer", "quantity", "price"]
REASONS: tuple[Reason, ...] = get_args(Reason)
"""Why an invoice is no order; the first that fits is the one that is counted."""

PENNY = Decimal("0.01")
NUMBER_LENGTH_MAX = 40
"""Characters of a quantity or a price. Longer ones are noise, and would make arithmetic slow."""
DIGITS_MAX = 18
"""Digits before and behind the point, so that a quantity fits in 64 bits and sums stay exact."""
EXACT = Context(prec=200, traps=[Inexact])
"""Enough digits for any sum of products within DIGITS_MAX; a sum that needs more is an error."""
ROUNDED = Context(prec=200, rounding=ROUND_HALF_EVEN)
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class OrdersUnreadable(DuettoError):
    """The file as a whole holds no invoices: it is empty, or its header names no `InvoiceNo`."""


class Line(msgspec.Struct, frozen=True):
    """A number of pieces of one article, at a price for each in pounds."""

    stock_code: str
    description: str
    quantity: int
    unit_price: Decimal


class Order(msgspec.Struct, frozen=True):
    """An invoice that is to be fulfilled; it has at least one line."""

    id: str
    customer: str
    country: str
    lines: tuple[Line, ...]

    @property
    def total(self) -> Decimal:
        """The exact sum of quantity times price, then rounded half to even, to pence."""
        exact = Decimal(0)
        for line in self.lines:
            exact = EXACT.add(exact, EXACT.multiply(Decimal(line.quantity), line.unit_price))
        return exact.quantize(PENNY, context=ROUNDED)

    @property
    def units(self) -> int:
        """The pieces of all lines together."""
        return sum(line.quantity for line in self.lines)


class Refusal(msgspec.Struct, frozen=True):
    """An invoice that is no order: the first reason that fits, and where in the file it shows."""

    invoice: str
    reason: Reason
    line: int
    found: str
    expected: str
    do: str

    @property
    def message(self) -> str:
        """The refusal for people: what was found, what was expected, what to do."""
        invoice = self.invoice or "(no number)"
        return (
            f"line {self.line}  Invoice {invoice} is refused: {self.reason}.\n"
            f"  found     {self.found}\n"
            f"  expected  {self.expected}\n"
            f"  do        {self.do}"
        )


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the file: where it begins, its fields by column, and what is wrong with it."""

    line: int
    fields: dict[str, str]
    defect: str | None = None

    @property
    def invoice(self) -> str:
        """The number of the invoice that this line belongs to; empty where it has none."""
        return self.fields.get("InvoiceNo", "").strip()


@dataclass(frozen=True, slots=True)
class Sale:
    """A well formed line of an invoice; the values may still be those of no order."""

    at: int
    customer: str
    country: str
    item: Line


def read_orders(path: Path) -> Iterator[Order | Refusal]:
    """Yield every invoice of a CSV file, in the order in which the invoices first appear.

    Lines of an invoice usually stand together, but need not: the file is read to its end before
    the first invoice is given. Raises OrdersUnreadable, or OSError where there is no such file.
    """
    for invoice, records in _invoices(path).items():
        yield judge(invoice, records)


def _invoices(path: Path) -> dict[str, list[Record]]:
    invoices: dict[str, list[Record]] = {}
    for record in _records(path):
        # A line without a number belongs to no other line, so it stands as an invoice of its own.
        name = record.invoice or f" line {record.line}"
        invoices.setdefault(name, []).append(record)
    return invoices


def judge(invoice: str, records: Sequence[Record]) -> Order | Refusal:
    """Make an order of the lines of an invoice, or refuse it for the first reason that fits."""
    if invoice.startswith("C"):
        return Refusal(
            invoice=invoice,
            reason="cancellation",
            line=records[0].line,
            found=f"InvoiceNo {invoice}",
            expected="a number that does not begin with C",
            do="nothing: a cancellation is not fulfilled",
        )
    sales: list[Sale] = []
    for record in records:
        sale = _sale(record)
        if isinstance(sale, Refusal):
            return sale
        sales.append(sale)
    return _first_defect(invoice, sales) or Order(
        id=invoice,
        customer=sales[0].customer,
        country=sales[0].country,
        lines=tuple(sale.item for sale in sales),
    )


def _first_defect(invoice: str, sales: Sequence[Sale]) -> Refusal | None:
    for sale in sales:
        if not sale.customer:
            return Refusal(
                invoice=invoice,
                reason="no customer",
                line=sale.at,
                found="CustomerID is empty",
                expected="the number of a customer",
                do="add the customer to every line of the invoice",
            )
    for sale in sales:
        if sale.item.quantity <= 0:
            return Refusal(
                invoice=invoice,
                reason="quantity",
                line=sale.at,
                found=f"Quantity {sale.item.quantity}",
                expected="a whole number above zero",
                do="correct the line, or take it out",
            )
    for sale in sales:
        if sale.item.unit_price <= 0:
            return Refusal(
                invoice=invoice,
                reason="price",
                line=sale.at,
                found=f"UnitPrice {sale.item.unit_price}",
                expected="a price above zero",
                do="correct the line, or take it out",
            )
    return None


def _sale(record: Record) -> Sale | Refusal:
    if record.defect is not None:
        return _malformed(
            record,
            found=record.defect,
            expected=f"{len(COLUMNS)} columns: {', '.join(COLUMNS)}",
            do="complete the line; put quotes around text that has a comma or a quote in it",
        )
    if not record.invoice:
        return _malformed(
            record,
            found="InvoiceNo is empty",
            expected="the number of an invoice",
            do="add the number to the line",
        )
    quantity = _number(record.fields["Quantity"])
    if quantity is None or quantity != quantity.to_integral_value():
        return _malformed(
            record,
            found=f"Quantity {record.fields['Quantity']!r}",
            expected=f"a whole number of at most {DIGITS_MAX} digits",
            do="correct the quantity",
        )
    price = _number(record.fields["UnitPrice"])
    if price is None:
        return _malformed(
            record,
            found=f"UnitPrice {record.fields['UnitPrice']!r}",
            expected=f"a decimal number, such as 2.55, of at most {DIGITS_MAX} digits on each side",
            do="correct the price",
        )
    return Sale(
        at=record.line,
        customer=record.fields["CustomerID"].strip().removesuffix(".0"),
        country=record.fields["Country"].strip(),
        item=Line(
            stock_code=record.fields["StockCode"].strip(),
            description=record.fields["Description"].strip(),
            quantity=int(quantity),
            unit_price=price,
        ),
    )


def _malformed(record: Record, *, found: str, expected: str, do: str) -> Refusal:
    return Refusal(
        invoice=record.invoice,
        reason="malformed",
        line=record.line,
        found=found,
        expected=expected,
        do=do,
    )


def _number(text: str) -> Decimal | None:
    """Return a finite decimal within DIGITS_MAX, or None where the text is none.

    Decimal itself also takes `NaN`, `1_000` and digits of other scripts: no number on an invoice.
    """
    text = text.strip()
    if len(text) > NUMBER_LENGTH_MAX or not text.isascii() or "_" in text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        return None
    return value if value.adjusted() < DIGITS_MAX and exponent >= -DIGITS_MAX else None


def _records(path: Path) -> Iterator[Record]:
    # What is not UTF-8 comes as lone surrogates, so that it spoils its own line and not the file.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        lines = list(file)
    header = _header(lines)
    if "InvoiceNo" not in header:
        raise OrdersUnreadable(
            f"{path.name}:1  This is no file of invoices.",
            found=", ".join(header)[:200] or "no header",
            expected=f"a header with the columns {', '.join(COLUMNS)}",
            do="add the header as the first line",
        )
    for line, fields in _fields(lines):
        yield _record(line, header, fields)


def _header(lines: Sequence[str]) -> list[str]:
    try:
        [names] = csv.reader(lines[:1], strict=True)
    except (csv.Error, ValueError):
        return []
    return [name.strip() for name in names]


def _fields(lines: Sequence[str]) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the line at which each record begins, with its fields, or with the line as it stands.

    A quote that is never closed would swallow all invoices behind it; reading starts afresh at
    the next line instead, so that only its own line is lost.
    """
    start = 1
    while start < len(lines):
        reader = csv.reader(islice(lines, start, None), strict=True)
        begin = start
        try:
            for fields in reader:
                if fields:
                    yield begin + 1, fields
                begin = start + reader.line_num
            return
        except csv.Error:
            yield begin + 1, lines[begin]
            start = begin + 1


def _record(line: int, header: Sequence[str], fields: list[str] | str) -> Record:
    if isinstance(fields, str):
        # Only what stands before the first comma can still be trusted: the invoice's number.
        number = fields.split(",", 1)[0] if header[0] == "InvoiceNo" else ""
        return Record(line, {"InvoiceNo": _printable(number)}, "a quote without its fellow")
    named = {name: _printable(field) for name, field in zip(header, fields, strict=False)}
    missing = [name for name in COLUMNS if name not in named]
    if missing:
        return Record(line, named, f"{len(fields)} columns; missing: {', '.join(missing)}")
    if len(fields) > len(header):
        return Record(line, named, f"{len(fields)} columns, {len(fields) - len(header)} too many")
    if any(not _is_unicode(field) for field in fields):
        return Record(line, named, "bytes that are not UTF-8")
    return Record(line, named)


def _is_unicode(text: str) -> bool:
    return text.isascii() or not LONE_SURROGATE.search(text)


def _printable(text: str) -> str:
    return text if _is_unicode(text) else text.encode("utf-8", "replace").decode()
