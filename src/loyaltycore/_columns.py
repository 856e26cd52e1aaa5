"""Reading a shop's export of order lines: one row a line, under a column map that says what the columns mean.

Every row ends in exactly one bucket. What is no purchase by the map (postage, fees, manual entries) is counted and never
silently dropped; the other rows of one invoice become one order or one cancellation.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from fractions import Fraction
from pathlib import Path
from typing import Final, final
from zoneinfo import ZoneInfo

import attrs

from loyaltycore._frozen import FrozenMap
from loyaltycore._history import Bucket, Cancelled, Event, HistoryError, Ordered, Tally, open_history
from loyaltycore._program_file import Problem, ProgramError, Table
from loyaltycore.basket import QUANTITY_LIMIT, Basket, Line
from loyaltycore.errors import UsageError
from loyaltycore.identity import check_id
from loyaltycore.periods import Calendar
from loyaltycore.quantities import Money, Rounding, divide, exponent_of

__all__ = ["BELOW_MINOR_UNIT", "ColumnMap", "read_columns", "read_rows"]

BELOW_MINOR_UNIT: Final = "(below-minor-unit)"
"""Product of the one line that holds an invoice's amounts finer than the minor unit, summed exactly and rounded once."""

COLUMNS: Final = ("order", "time", "member", "product", "quantity", "unit_price")
"""What a row must tell."""

NO_PRODUCTS: Final = (Bucket.SHIPPING, Bucket.DISCOUNT, Bucket.MANUAL, Bucket.FEE, Bucket.GIFT_VOUCHER)
"""What a product code may stand for besides a product, in the order they are tried."""

_PRICES_LIMIT: Final = 100_000
"""Prices kept parsed; a file with more is parsed again rather than held in memory."""


@final
@attrs.frozen(kw_only=True)
class ColumnMap:
    """What the columns of an export mean.

    Attributes:
        currency: Of all amounts.
        zone: Of times that carry no offset.
        time_format: As ``strptime`` takes it.
        stays_open: How long after its first row an invoice may still get rows, in minutes.
        columns: Heading by what it tells.
        cancelled_prefix: Of the numbers of invoices that cancel.
        bad_debt_prefix: Of the numbers of invoices that write off.
        no_products: Patterns of product codes by what they stand for.
    """

    currency: str
    zone: str
    time_format: str
    stays_open: int
    columns: FrozenMap[str, str]
    cancelled_prefix: str
    bad_debt_prefix: str
    no_products: FrozenMap[Bucket, tuple[str, ...]]

    @classmethod
    def load(cls, path: Path) -> ColumnMap:
        """Read a column map from a TOML file.

        Raises:
            ProgramError: Everything that is wrong with it, all at once.
            HistoryError: The file cannot be read.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            msg = f"{path}: cannot be read ({error})"
            raise HistoryError(msg) from error
        return read_columns(text)


def read_columns(text: str) -> ColumnMap:
    """Read a column map from TOML text.

    Raises:
        ProgramError: Everything that is wrong with it, all at once.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProgramError(Problem("file", "", f"must be TOML: {error}")) from error
    problems: list[Problem] = []
    root = Table(data, "", problems)
    file, columns = root.needed("file"), root.needed("columns")
    orders, products = (
        root.table("orders") or Table({}, "orders", problems),
        root.table("products") or Table({}, "products", problems),
    )
    found = ColumnMap(
        currency=file.text("currency", _currency, "an ISO 4217 code"),
        zone=file.text("zone", lambda text: Calendar(text).zone, 'an IANA time zone such as "Europe/London"'),
        time_format=file.text("time_format", str, 'as strptime takes it, such as "%Y-%m-%d %H:%M:%S"'),
        stays_open=file.count("stays_open_minutes", 60),
        columns=FrozenMap({name: columns.text(name, str, "a heading of the file") for name in COLUMNS}),
        cancelled_prefix=orders.text("cancelled_prefix", str, "a text", ""),
        bad_debt_prefix=orders.text("bad_debt_prefix", str, "a text", ""),
        no_products=FrozenMap({bucket: tuple(products.strings(bucket.value)) for bucket in NO_PRODUCTS}),
    )
    for table in (file, columns, orders, products, root):
        table.close()
    if problems:
        raise ProgramError(*problems)
    return found


def _currency(text: str) -> str:
    exponent_of(text)
    return text


@final
@attrs.frozen
class _Row:
    """One row that could be read."""

    order: str
    at: datetime
    member: str | None
    product: str
    quantity: int
    price: Fraction
    """In minor units, exact."""


@final
@attrs.define
class _Invoice:
    """An invoice that may still get rows."""

    order: str
    at: datetime
    member: str | None
    rows: list[_Row] = attrs.Factory(list)
    shipping: Fraction = Fraction(0)
    seen: set[tuple[str, ...]] = attrs.Factory(set)


def read_rows(path: Path, columns: ColumnMap, tally: Tally) -> Iterator[tuple[Event, int]]:
    """Read events out of a CSV file of order lines, plain or gzipped, sorted by time.

    Memory holds the invoices that are still open, not the file.

    Args:
        path: The file; its first row names the columns.
        columns: What they mean.
        tally: Where rows are counted; the rows of an event are counted in their bucket by whoever takes the event.

    Yields:
        Each event, in order of time, kind and id, and how many bytes of the file were read to find it.

    Raises:
        HistoryError: A column is missing, or the file cannot be read to its end.
    """
    with open_history(path) as (file, raw):
        rows = csv.reader(file)
        places = _places(next(rows, []), columns, path)
        reader = _Reader(columns, tally)
        try:
            for cells in rows:
                if cells:
                    for event in reader.take(cells, [cells[place] if place < len(cells) else "" for place in places]):
                        yield event, raw.tell()
        except csv.Error as error:
            msg = f"{path}: not CSV after row {tally.read} ({error})"
            raise HistoryError(msg) from error
        for event in reader.close_until(None):
            yield event, raw.tell()


def _places(heading: list[str], columns: ColumnMap, path: Path) -> list[int]:
    missing = [name for name in columns.columns.values() if name not in heading]
    if missing:
        msg = f"{path}: columns missing: {', '.join(missing)}; the file has: {', '.join(heading) or 'nothing'}"
        raise HistoryError(msg)
    return [heading.index(columns.columns[name]) for name in COLUMNS]


class _Reader:
    """Turns rows into events, invoice by invoice."""

    def __init__(self, columns: ColumnMap, tally: Tally) -> None:
        self.columns, self.tally = columns, tally
        self.zone = ZoneInfo(columns.zone)
        self.scale = 10 ** exponent_of(columns.currency)
        self.open: dict[str, _Invoice] = {}
        self.last_time: tuple[str, datetime] | None = None
        self.prices: dict[str, Fraction] = {}
        self.buckets: dict[str, Bucket | None] = {}

    def take(self, whole: list[str], cells: list[str]) -> Iterator[Event]:
        """Count a row, keep it with its invoice, and give the events of invoices that are closed by its time."""
        self.tally.read += 1
        row = self._row(cells)
        if row is None:
            self.tally.buckets[Bucket.UNREADABLE] += 1
            return
        yield from self.close_until(row.at)
        invoice = self.open.get(row.order)
        if invoice is None:
            invoice = self.open[row.order] = _Invoice(row.order, row.at, row.member)
        # Rows that are equal in everything are sales all the same; how many there are is told beside.
        self.tally.beside["duplicate_rows"] += tuple(whole) in invoice.seen
        invoice.seen.add(tuple(whole))
        bucket = self._decided(row)
        if bucket is None:
            invoice.rows.append(row)
        else:
            self.tally.buckets[bucket] += 1
            if bucket is Bucket.SHIPPING and row.quantity > 0 and not self._cancels(row.order):
                invoice.shipping += row.price * row.quantity

    def close_until(self, now: datetime | None) -> Iterator[Event]:
        """Give the events of invoices that can get no more rows: by time, orders before cancellations, then by id."""
        closed = []
        for invoice in self.open.values():
            if now is not None and now - invoice.at < timedelta(minutes=self.columns.stays_open):
                break
            closed.append(invoice)
        for invoice in sorted(closed, key=lambda one: (one.at, self._cancels(one.order), one.order)):
            del self.open[invoice.order]
            try:
                event = self._event(invoice)
            except UsageError:  # more lines, or a larger sum, than any order may have
                event = None
                self.tally.buckets[Bucket.UNREADABLE] += len(invoice.rows)
            if event is not None:
                yield event

    def _row(self, cells: list[str]) -> _Row | None:
        order, time, member, product, quantity, price = cells
        try:
            return _Row(
                check_id("order", order.strip()),
                self._instant(time),
                check_id("member", member.strip()) if member.strip() else None,
                check_id("product", product.strip()),
                _quantity(quantity),
                self._price(price),
            )
        except (UsageError, ValueError, OverflowError):
            return None

    def _instant(self, text: str) -> datetime:
        if self.last_time is None or self.last_time[0] != text:
            # The format may carry an offset; where it does not, the map names the zone.
            at = datetime.strptime(text.strip(), self.columns.time_format)  # noqa: DTZ007 - given its zone below
            self.last_time = (text, (at if at.tzinfo is not None else at.replace(tzinfo=self.zone)).astimezone(UTC))
        return self.last_time[1]

    def _price(self, text: str) -> Fraction:
        price = self.prices.get(text)
        if price is None:
            price = Fraction(_plain_number(text)) * self.scale
            if len(self.prices) < _PRICES_LIMIT:
                self.prices[text] = price
        return price

    def _cancels(self, order: str) -> bool:
        return bool(self.columns.cancelled_prefix) and order.startswith(self.columns.cancelled_prefix)

    def _decided(self, row: _Row) -> Bucket | None:
        """Give the bucket of a row that is no purchase and no return."""
        if self.columns.bad_debt_prefix and row.order.startswith(self.columns.bad_debt_prefix):
            return Bucket.BAD_DEBT
        if row.product not in self.buckets:
            self.buckets[row.product] = self._stands_for(row.product)
        bucket = self.buckets[row.product]
        if bucket is not None:
            return bucket
        cancels = self._cancels(row.order)
        if row.price < 0 or row.quantity == 0 or (cancels and row.quantity > 0):
            return Bucket.UNREADABLE
        if row.quantity < 0 and not cancels:
            return Bucket.STOCK_CORRECTION
        return Bucket.FREE if row.price == 0 else None

    def _stands_for(self, product: str) -> Bucket | None:
        for bucket, patterns in self.columns.no_products.items():
            if any(fnmatchcase(product, pattern) for pattern in patterns):
                return bucket
        return None

    def _event(self, invoice: _Invoice) -> Event | None:
        rows = invoice.rows
        if not rows:
            return None
        if not self._cancels(invoice.order):
            return self._order(invoice)
        if invoice.member is None:
            self.tally.buckets[Bucket.RETURN_GUEST] += len(rows)
            return None
        items = tuple((row.product, -row.quantity) for row in rows)
        return Cancelled(at=invoice.at, return_id=invoice.order, member_id=invoice.member, items=items)

    def _order(self, invoice: _Invoice) -> Event | None:
        currency, below, lines = self.columns.currency, Fraction(0), list[Line]()
        for place, row in enumerate(invoice.rows, 1):
            if row.price.denominator == 1:
                price = Money(row.price.numerator, currency)
                lines.append(Line(str(place), price, row.quantity, product_id=row.product))
            else:
                self.tally.beside["rows_below_minor_unit"] += 1
                below += row.price * row.quantity
        rounded = divide(below.numerator, below.denominator, rounding=Rounding.HALF_UP)
        if rounded:
            lines.append(Line(BELOW_MINOR_UNIT, Money(rounded, currency)))
        shipping = divide(invoice.shipping.numerator, invoice.shipping.denominator, rounding=Rounding.HALF_UP)
        basket = Basket(lines, shipping=Money(shipping, currency), currency=currency)
        return Ordered(at=invoice.at, order_id=invoice.order, member_id=invoice.member, basket=basket, rows=len(invoice.rows))


def _quantity(text: str) -> int:
    quantity = int(_plain_number(text))
    if abs(quantity) > QUANTITY_LIMIT:
        msg = f"quantity must be at most {QUANTITY_LIMIT}, got {quantity}"
        raise UsageError(msg)
    return quantity


def _plain_number(text: str) -> str:
    """Take digits with a sign and a point; ``1e5``, ``1_000``, ``nan`` and other scripts' digits are no numbers here."""
    number = text.strip()
    if not number.isascii() or len(number) > 30 or not number.lstrip("-+").replace(".", "", 1).isdigit():  # noqa: PLR2004 - more digits than any price has
        msg = f"must be a plain number, got {text!r:.40}"
        raise UsageError(msg)
    return number
