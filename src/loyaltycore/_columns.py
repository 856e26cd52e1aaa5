"""Reading a shop's export of order lines: one row a line, under a column map that says what the columns mean.

Every row ends in exactly one bucket. What is no purchase by the map (postage, fees, manual entries) is counted and never
silently dropped; the other rows of one invoice become one order or one cancellation.
"""

from __future__ import annotations

import codecs
import csv
import re
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import lru_cache
from heapq import heappop, heappush
from operator import itemgetter
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, final
from zoneinfo import ZoneInfo

import attrs

from loyaltycore._checks import check_instant, check_whole
from loyaltycore._frozen import FrozenMap
from loyaltycore._history import Bucket, Cancelled, Event, HistoryError, Ordered, Tally, lines_of, open_history
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

STAYS_OPEN_LIMIT: Final = 366 * 24 * 60
"""Minutes an invoice may stay open: a year; all that is open is held in memory."""

NUMBER_LENGTH_LIMIT: Final = 30
"""Characters of a number: more than any price has."""

_KEPT: Final = 10_000
"""Cells of a column kept as they were read: most come again soon; a file with more is read again rather than held in memory."""


@final
@attrs.frozen(kw_only=True)
class ColumnMap:
    """What the columns of an export mean.

    Attributes:
        currency: Of all amounts.
        zone: Of times that carry no offset; of an hour that comes twice it is the first.
        time_format: As ``strptime`` takes it.
        delimiter: What stands between two cells: one character.
        decimal: What stands before the decimals: ``"."`` or ``","``.
        encoding: Of the file, as Python names it: ``"utf-8"``, ``"cp1252"``.
        stays_open: How long after its first row an invoice may still get rows, in minutes, at most a year.
        columns: Heading by what it tells: ``order``, ``time``, ``member``, ``product``, ``quantity``, ``unit_price``.
        cancelled_prefix: Of the numbers of invoices that cancel; empty when there are none.
        bad_debt_prefix: Of the numbers of invoices that write off; empty when there are none.
        no_products: Patterns of product codes by what they stand for.
    """

    currency: str
    zone: str
    time_format: str
    delimiter: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    stays_open: int
    columns: FrozenMap[str, str]
    cancelled_prefix: str
    bad_debt_prefix: str
    no_products: FrozenMap[Bucket, tuple[str, ...]]

    def __attrs_post_init__(self) -> None:
        """Check what a row would stumble over."""
        exponent_of(self.currency)
        Calendar(self.zone)
        _check_format(self.time_format)
        _check_delimiter(self.delimiter)
        _check_decimal(self.decimal)
        _check_encoding(self.encoding)
        check_whole("stays_open", self.stays_open, low=1, high=STAYS_OPEN_LIMIT)
        missing = [name for name in COLUMNS if name not in self.columns]
        if missing:
            msg = f"columns must tell {', '.join(COLUMNS)}, got none for {', '.join(missing)}"
            raise UsageError(msg)

    @classmethod
    def load(cls, path: Path) -> ColumnMap:
        """Read a column map from a TOML file.

        Raises:
            ProgramError: Everything that is wrong with it, all at once.
            HistoryError: The file cannot be read.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            msg = f"{path}: cannot be read ({error.strerror or error})"
            raise HistoryError(msg) from error
        except UnicodeDecodeError as error:
            msg = f"{path}: not UTF-8 text ({error})"
            raise HistoryError(msg) from error
        return read_columns(text)


def read_columns(text: str) -> ColumnMap:
    """Read a column map from TOML text.

    Raises:
        ProgramError: Everything that is wrong with it, all at once.
    """
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # Besides what is no TOML: numbers of too many digits, and nesting that is too deep to read.
        raise ProgramError(Problem("file", "", f"must be TOML: {error}")) from error
    problems: list[Problem] = []
    root = Table(data, "", problems)
    file, columns = root.needed("file"), root.needed("columns")
    orders = root.table("orders") or Table({}, "orders", problems)
    products = root.table("products") or Table({}, "products", problems)
    found: dict[str, Any] = {
        "currency": file.text("currency", _passing(exponent_of), "an ISO 4217 code"),
        "zone": file.text("zone", _passing(Calendar), 'an IANA time zone such as "Europe/London"'),
        "time_format": file.text("time_format", _check_format, 'as strptime takes it, such as "%Y-%m-%d %H:%M:%S"'),
        "delimiter": file.text("delimiter", _check_delimiter, 'one character such as ";"', ","),
        "decimal": file.text("decimal", _check_decimal, '"." or ","', "."),
        "encoding": file.text("encoding", _check_encoding, 'a name of an encoding such as "cp1252"', "utf-8"),
        "stays_open": file.take("stays_open_minutes", int, _check_minutes, "a whole number of minutes", 60),
        "columns": FrozenMap({name: columns.text(name, str, "a heading of the file") for name in COLUMNS}),
        "cancelled_prefix": orders.text("cancelled_prefix", str, "a text", ""),
        "bad_debt_prefix": orders.text("bad_debt_prefix", str, "a text", ""),
        "no_products": FrozenMap({bucket: tuple(products.strings(bucket.value)) for bucket in NO_PRODUCTS}),
    }
    for table in (file, columns, orders, products, root):
        table.close()
    if problems:
        raise ProgramError(*problems)
    return ColumnMap(**found)


def _passing(check: Callable[[str], object]) -> Callable[[str], str]:
    """Make a reader of a check: the text itself, where the check lets it pass."""

    def read(text: str) -> str:
        check(text)
        return text

    return read


def _check_format(text: str) -> str:
    written = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
    try:
        read = datetime.strptime(written.strftime(text), text)  # noqa: DTZ007 - only its day is looked at
    except (ValueError, re.error) as error:
        msg = f"time_format must be as strptime takes it ({error}), got {text!r}"
        raise UsageError(msg) from error
    if read.date() != written.date():
        msg = f"time_format must tell the year, the month and the day, got {text!r}"
        raise UsageError(msg)
    return text


def _check_decimal(text: str) -> str:
    if text not in {".", ","}:
        msg = f'decimal must be "." or ",", got {text!r}'
        raise UsageError(msg)
    return text


def _check_encoding(text: str) -> str:
    try:
        codecs.lookup(text)
    except (LookupError, ValueError) as error:
        msg = f'encoding must be a name of an encoding such as "cp1252", got {text!r}'
        raise UsageError(msg) from error
    return text


def _check_delimiter(text: str) -> str:
    if len(text) != 1 or text in '"\r\n' or not (text.isascii() and (text.isprintable() or text == "\t")):
        msg = f"delimiter must be one character such as ';', no quote and no line end, got {text!r}"
        raise UsageError(msg)
    return text


def _check_minutes(minutes: int) -> int:
    return check_whole("stays_open_minutes", minutes, low=1, high=STAYS_OPEN_LIMIT)


class _Row(NamedTuple):
    """One row that could be read."""

    order: str
    at: datetime
    member: str | None
    product: str
    quantity: int
    price: int | Fraction
    """In minor units, exact."""


@final
@attrs.define
class _Invoice:
    """An invoice that may still get rows."""

    at: datetime
    member: str | None
    rows: list[_Row] = attrs.Factory(list)
    shipping: int | Fraction = 0
    seen: set[tuple[str, ...]] = attrs.Factory(set)


def read_rows(path: Path, columns: ColumnMap, tally: Tally) -> Iterator[tuple[Event, int]]:
    """Read events out of a CSV file of order lines, plain or gzipped, sorted by time.

    Memory holds the invoices that are still open, not the file.

    Args:
        path: The file.
        columns: What its columns mean.
        tally: Where rows are counted.

    Yields:
        Each event, and how many bytes of the file were read to find it.

    Raises:
        HistoryError: A column is missing, or the file cannot be read to its end.
    """
    with open_history(path, encoding=columns.encoding) as (file, raw):
        rows = _rows(file, columns.delimiter, tally)
        reader = _Reader(columns, tally, next(rows, []), path)
        for cells in rows:
            for event in reader.take(cells):
                yield event, raw.tell()
        for event in reader.close_until(None):
            yield event, raw.tell()


def _rows(file: IO[str], delimiter: str, tally: Tally) -> Iterator[list[str]]:
    """Give the heading, and the cells of each row; what is no CSV counts as unreadable, with every line of it."""
    rows = csv.reader(lines_of(file), delimiter=delimiter, strict=True)
    while True:
        start = rows.line_num
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error:
            tally.read += rows.line_num - start
            tally.buckets[Bucket.UNREADABLE] += rows.line_num - start
        else:
            if cells:
                yield cells


def _places(heading: list[str], columns: ColumnMap, path: Path) -> list[int]:
    wanted = [columns.columns[name] for name in COLUMNS]
    missing = [name for name in wanted if name not in heading]
    if missing:
        msg = f"{path}: columns missing: {', '.join(missing)}; the file has: {', '.join(heading) or 'nothing'}"
        raise HistoryError(msg)
    twice = [name for name in wanted if heading.count(name) > 1]
    if twice:
        msg = f"{path}: columns that come twice: {', '.join(twice)}"
        raise HistoryError(msg)
    return [heading.index(name) for name in wanted]


class _Reader:
    """Turns rows into events, invoice by invoice."""

    def __init__(self, columns: ColumnMap, tally: Tally, heading: list[str], path: Path) -> None:
        self.columns, self.tally = columns, tally
        self.width, self.pick = len(heading), itemgetter(*_places(heading, columns, path))
        self.stays_open = timedelta(minutes=columns.stays_open)
        self.open: dict[str, _Invoice] = {}
        self.queue: list[tuple[datetime, bool, str]] = []
        """The open invoices in the order they are given: by time, orders before cancellations, then by id."""
        zone, scale, currency = ZoneInfo(columns.zone), 10 ** exponent_of(columns.currency), columns.currency
        # A cell mostly says what one shortly before it said.
        self.id_of = lru_cache(_KEPT)(_id)
        self.instant_of = lru_cache(_KEPT)(lambda text: _instant(text, columns.time_format, zone))
        self.quantity_of = lru_cache(_KEPT)(lambda text: _quantity(text, columns.decimal))
        self.price_of = lru_cache(_KEPT)(lambda text: _whole_if_it_is(Fraction(_plain_number(text, columns.decimal)) * scale))
        self.stands_for = lru_cache(_KEPT)(self._stands_for)
        self.money = lru_cache(_KEPT)(lambda minor_units: Money(minor_units, currency))

    def take(self, cells: list[str]) -> list[Event]:
        """Count a row, keep it with its invoice, and give the events of invoices that are closed by its time."""
        self.tally.read += 1
        row = self._row(cells)
        if row is None:
            self.tally.buckets[Bucket.UNREADABLE] += 1
            return []
        # The longest open invoice tells whether there is anything to close.
        is_due = self.queue and row.at - self.queue[0][0] >= self.stays_open
        events = self.close_until(row.at) if is_due else []
        invoice = self.open.get(row.order)
        if invoice is None:
            invoice = self.open[row.order] = _Invoice(row.at, row.member)
            heappush(self.queue, (row.at, self._cancels(row.order), row.order))
        bucket = self._decided(row) if row.member == invoice.member else Bucket.UNREADABLE  # an order is of one member
        # Rows that are equal in everything are sales all the same; how many there are is told beside.
        before = len(invoice.seen)
        invoice.seen.add(tuple(cells))
        self.tally.beside["duplicate_rows"] += before == len(invoice.seen)
        if bucket is None:
            invoice.rows.append(row)
            return events
        self.tally.buckets[bucket] += 1
        if bucket is Bucket.SHIPPING and row.quantity > 0 and row.price > 0:
            invoice.shipping += row.price * row.quantity
        return events

    def close_until(self, now: datetime | None) -> list[Event]:
        """Give the events of invoices that can get no more rows; ``None`` closes all."""
        events = list[Event]()
        while self.queue and (now is None or now - self.queue[0][0] >= self.stays_open):
            _, cancels, order = heappop(self.queue)
            invoice = self.open.pop(order)
            if not invoice.rows:  # nothing of it was a product
                continue
            if cancels and invoice.member is None:
                self.tally.buckets[Bucket.RETURN_GUEST] += len(invoice.rows)
                continue
            try:
                events.append(_cancelled(order, invoice) if cancels else self._ordered(order, invoice))
            except UsageError:  # more lines, or a larger sum, than any order may have
                self.tally.buckets[Bucket.UNREADABLE] += len(invoice.rows)
        return events

    def _row(self, cells: list[str]) -> _Row | None:
        if len(cells) != self.width:
            return None
        order, time, member, product, quantity, price = self.pick(cells)
        try:
            return _Row(
                self.id_of(order),
                self.instant_of(time),
                self.id_of(member) if member and not member.isspace() else None,
                self.id_of(product),
                self.quantity_of(quantity),
                self.price_of(price),
            )
        except (ValueError, OverflowError):  # a UsageError is a ValueError
            return None

    def _cancels(self, order: str) -> bool:
        return _begins(order, self.columns.cancelled_prefix)

    def _decided(self, row: _Row) -> Bucket | None:
        """Give the bucket of a row that is no purchase and no return."""
        if _begins(row.order, self.columns.bad_debt_prefix):
            return Bucket.BAD_DEBT
        bucket = self.stands_for(row.product)
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

    def _ordered(self, order: str, invoice: _Invoice) -> Ordered:
        below, finer, lines = Fraction(0), 0, list[Line]()
        for place, row in enumerate(invoice.rows, 1):
            if isinstance(row.price, int):
                lines.append(Line(str(place), self.money(row.price), row.quantity, product_id=row.product))
            else:
                below, finer = below + row.price * row.quantity, finer + 1
        rounded = _rounded(below)
        if rounded:
            lines.append(Line(BELOW_MINOR_UNIT, self.money(rounded)))
        basket = Basket(lines, shipping=self.money(_rounded(invoice.shipping)), currency=self.columns.currency)
        self.tally.beside["rows_below_minor_unit"] += finer
        return Ordered(at=invoice.at, order_id=order, member_id=invoice.member, basket=basket, rows=len(invoice.rows))


def _cancelled(order: str, invoice: _Invoice) -> Cancelled:
    assert invoice.member is not None  # a guest's is counted, and goes no further
    items = tuple((row.product, -row.quantity) for row in invoice.rows)
    return Cancelled(at=invoice.at, return_id=order, member_id=invoice.member, items=items)


def _begins(order: str, prefix: str) -> bool:
    return prefix != "" and order.startswith(prefix)


def _id(text: str) -> str:
    return check_id("it", text.strip())


def _instant(text: str, form: str, zone: ZoneInfo) -> datetime:
    # The format may carry an offset; where it does not, the map names the zone.
    at = datetime.strptime(text.strip(), form)  # noqa: DTZ007 - given its zone below
    return check_instant("time", at if at.tzinfo is not None else at.replace(tzinfo=zone))


def _quantity(text: str, decimal: str) -> int:
    quantity = _whole_if_it_is(Fraction(_plain_number(text, decimal)))
    return check_whole("quantity", quantity, low=-QUANTITY_LIMIT, high=QUANTITY_LIMIT)


def _whole_if_it_is(number: Fraction) -> int | Fraction:
    return number.numerator if number.denominator == 1 else number


def _rounded(amount: int | Fraction) -> int:
    return divide(amount.numerator, amount.denominator, rounding=Rounding.HALF_UP)


def _plain_number(text: str, decimal: str) -> str:
    """Take digits with a sign and a point; ``1e5``, ``1_000``, ``nan`` and other scripts' digits are no numbers here."""
    number = text.strip()
    if decimal == ",":
        # A point would be a thousands' separator, or a mistake: it makes no number.
        number = number.translate(_COMMA_FOR_POINT)
    if len(number) > NUMBER_LENGTH_LIMIT or not _NUMBER.fullmatch(number):
        msg = f"must be a plain number, got {text!r:.40}"
        raise UsageError(msg)
    return number


_COMMA_FOR_POINT: Final = str.maketrans({",": ".", ".": ","})
_NUMBER: Final = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
