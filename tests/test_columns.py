"""Order lines as CSV: every row ends in exactly one bucket, and what is bought becomes orders."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from loyaltycore import UsageError
from loyaltycore._columns import BELOW_MINOR_UNIT, COLUMNS, ColumnMap, read_columns, read_rows
from loyaltycore._frozen import FrozenMap
from loyaltycore._history import Bucket, Cancelled, Event, HistoryError, Ordered, Tally
from loyaltycore._program_file import ProgramError
from loyaltycore.basket import Basket, Line
from loyaltycore.quantities import Money

MAP = """
[file]
currency = "GBP"
zone = "Europe/London"
time_format = "%Y-%m-%d %H:%M:%S"

[columns]
order = "Order"
time = "Time"
member = "Member"
product = "Product"
quantity = "Units"
unit_price = "Price"

[orders]
cancelled_prefix = "C"
bad_debt_prefix = "A"

[products]
shipping = ["POST"]
discount = ["D"]
manual = ["M", "P*"]
fee = ["BANK ?", "POST"]
gift_voucher = ["gift_*"]
"""
HEADING = ["Order", "Product", "Note", "Units", "Time", "Price", "Member"]
TIME = "2011-01-04 10:00:00"
AT = datetime(2011, 1, 4, 10, tzinfo=UTC)


def row(
    order: str = "1001",
    product: str = "bell",
    units: str = "1",
    price: str = "2.50",
    *,
    time: str = TIME,
    member: str = "17",
    note: str = "",
) -> list[str]:
    """Make a row; what is not said is that of a plain sale."""
    return [order, product, note, units, time, price, member]


def text_of(rows: Iterable[Sequence[str]], *, delimiter: str = ",", heading: Sequence[str] = HEADING) -> str:
    """Write rows as CSV."""
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter).writerows([heading, *rows])
    return file.getvalue()


def read_text(tmp_path: Path, text: str | bytes, columns: ColumnMap | None = None) -> tuple[list[Ordered | Cancelled], Tally]:
    """Read the text of a file."""
    path, tally = tmp_path / "lines.csv", Tally()
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    events = [narrow(event) for event, _ in read_rows(path, columns or read_columns(MAP), tally)]
    booked = sum(event.rows if isinstance(event, Ordered) else len(event.items) for event in events)
    assert sum(tally.buckets.values()) + booked == tally.read, "every row ends in one bucket"
    return events, tally


def narrow(event: Event) -> Ordered | Cancelled:
    """Say what order lines can become."""
    assert isinstance(event, Ordered | Cancelled)
    return event


def read(tmp_path: Path, *rows: Sequence[str], columns: ColumnMap | None = None) -> tuple[list[Ordered | Cancelled], Tally]:
    """Read rows."""
    return read_text(tmp_path, text_of(rows), columns)


def bucket(tmp_path: Path, *cells: str, **named: str) -> Bucket | None:
    """Read one row, and give its bucket; ``None`` when it became an event."""
    events, tally = read(tmp_path, row(*cells, **named))
    assert tally.read == 1
    found = [*tally.buckets]
    assert len(found) + len(events) == 1
    return found[0] if found else None


def pounds(amount: str) -> Money:
    """Give money."""
    return Money.of(amount, "GBP")


class TestBuckets:
    """Which bucket a row falls in: the first that fits."""

    @pytest.mark.parametrize(
        "cells, named, wanted",
        [
            ([], {}, None),
            (["A1", "POST", "0", "-9"], {}, Bucket.BAD_DEBT),
            (["1", "POST", "-1", "0"], {}, Bucket.SHIPPING),
            (["C1", "POST", "-1"], {}, Bucket.SHIPPING),
            (["1", "D"], {}, Bucket.DISCOUNT),
            (["1", "d"], {}, None),
            (["1", "M"], {}, Bucket.MANUAL),
            (["1", "PADS"], {}, Bucket.MANUAL),
            (["1", "BANK 1"], {}, Bucket.FEE),
            (["1", "BANK 12"], {}, None),
            (["1", "gift_10"], {}, Bucket.GIFT_VOUCHER),
            (["1", "bell", "-1", "0"], {}, Bucket.STOCK_CORRECTION),
            (["1", "bell", "1", "0.00"], {}, Bucket.FREE),
            (["C1", "bell", "-1", "0"], {}, Bucket.FREE),
            (["C1", "bell", "-1"], {"member": ""}, Bucket.RETURN_GUEST),
            (["C1", "bell", "-1"], {}, None),
            (["1"], {"member": " "}, None),
            (["C1", "bell", "1"], {}, Bucket.UNREADABLE),
            (["1", "bell", "1", "-0.01"], {}, Bucket.UNREADABLE),
            (["1", "bell", "0"], {}, Bucket.UNREADABLE),
        ],
    )
    def test_first_that_fits(self, tmp_path: Path, cells: list[str], named: dict[str, str], wanted: Bucket | None) -> None:
        """Each bucket, and the order in which they are tried."""
        assert bucket(tmp_path, *cells, **named) is wanted

    @pytest.mark.parametrize(
        "named",
        [
            {"order": ""},
            {"order": " "},
            {"order": "a\0b"},
            {"order": "1" * 201},
            {"product": ""},
            {"member": "m" * 201},
            {"time": ""},
            {"time": "2011-01-04"},
            {"time": "2011-02-29 10:00:00"},
            {"time": "0001-01-01 00:00:00"},
            {"time": "9999-12-31 23:59:59"},
            {"units": ""},
            {"units": "one"},
            {"units": "1.5"},
            {"units": "1e3"},
            {"units": "1_000"},
            {"units": "\N{ARABIC-INDIC DIGIT ONE}"},
            {"units": "1000001"},
            {"units": "--1"},
            {"price": ""},
            {"price": "."},
            {"price": "1e5"},
            {"price": "1,50"},
            {"price": "1.2.3"},
            {"price": "£2.50"},
            {"price": "nan"},
            {"price": "inf"},
            {"price": "1/2"},
            {"price": "1_0"},
            {"price": "²"},
            {"price": "\N{ARABIC-INDIC DIGIT TWO}.\N{ARABIC-INDIC DIGIT FIVE}"},
            {"price": "9" * 31},
        ],
    )
    def test_unreadable(self, tmp_path: Path, named: dict[str, str]) -> None:
        """A time, a number or an id that is none; the other rows of the invoice are read all the same."""
        assert bucket(tmp_path, **named) is Bucket.UNREADABLE
        events, tally = read(tmp_path, row(), row(**named), row(product="lamp"))
        assert tally.buckets == {Bucket.UNREADABLE: 1}
        assert [event.rows for event in events if isinstance(event, Ordered)] == [2]

    @pytest.mark.parametrize("number, cells", [("1", ["0"]), ("1", ["1", "-0.01"]), ("C1", ["1"]), ("C1", ["0"])])
    def test_no_purchase_and_no_return(self, tmp_path: Path, number: str, cells: list[str]) -> None:
        """No units, a price below zero, or units bought in a cancellation; the other rows of the invoice are read."""
        sign = "-1" if number == "C1" else "1"
        events, tally = read(tmp_path, row(number, units=sign), row(number, "lamp", *cells))
        assert (len(events), tally.buckets) == (1, {Bucket.UNREADABLE: 1})

    @pytest.mark.parametrize("cells", [["x"], row()[:-1], [*row(), ""], [*row(), *row()]])
    def test_cells_too_few_or_too_many(self, tmp_path: Path, cells: list[str]) -> None:
        """A row of another width than the heading is unreadable: nobody knows which cell is which."""
        events, tally = read(tmp_path, cells)
        assert (events, tally.buckets) == ([], {Bucket.UNREADABLE: 1})

    def test_order_of_two_members(self, tmp_path: Path) -> None:
        """An order is of the member of its first row; rows of another member, or of none, are unreadable."""
        events, tally = read(tmp_path, row(), row(member="18"), row(member=""), row(product="lamp"))
        assert [(event.member_id, event.rows) for event in events if isinstance(event, Ordered)] == [("17", 2)]
        assert tally.buckets == {Bucket.UNREADABLE: 2}

    def test_duplicates_are_sales_and_counted(self, tmp_path: Path) -> None:
        """Rows that are equal in every cell are sales, and counted beside; one other cell makes them two things."""
        events, tally = read(tmp_path, row(), row(), row(), row(note="other"), row("1002"))
        assert tally.beside["duplicate_rows"] == 2
        assert [event.rows for event in events if isinstance(event, Ordered)] == [4, 1]

    def test_order_larger_than_any(self, tmp_path: Path) -> None:
        """An order that is more than a basket may be is unreadable, with all its rows and nothing beside."""
        huge = row(units="1000000", price="9" * 16)
        events, tally = read(tmp_path, huge, row(price="0.001"), row("1002"))
        assert [event.order_id for event in events if isinstance(event, Ordered)] == ["1002"]
        assert tally.buckets == {Bucket.UNREADABLE: 2}
        assert tally.beside["rows_below_minor_unit"] == 0


class TestOrders:
    """What the rows of one invoice become."""

    def test_order(self, tmp_path: Path) -> None:
        """Rows become lines in their order; what is no product is none; positive shipping is summed."""
        events, tally = read(
            tmp_path,
            row(product="lamp", units="2", price="2.550"),
            row(product="POST", units="2", price="1.005"),
            row(product="POST", units="-1", price="100"),
            row(product="POST", units="1", price="-100"),
            row(product="D", units="1", price="-9"),
            row(product="bell", units="3.0", price=" +.5 "),
            row(product="bell", units="+1", price="5."),
        )
        lines = [
            Line("1", pounds("2.55"), 2, product_id="lamp"),
            Line("2", pounds("0.50"), 3, product_id="bell"),
            Line("3", pounds("5.00"), 1, product_id="bell"),
        ]
        basket = Basket(lines, shipping=pounds("2.01"), currency="GBP")
        assert events == [Ordered(at=AT, order_id="1001", member_id="17", basket=basket, rows=3)]
        assert tally.buckets == {Bucket.SHIPPING: 3, Bucket.DISCOUNT: 1}

    def test_guest(self, tmp_path: Path) -> None:
        """A row without a member is a guest's; ids are taken without the spaces around them."""
        events, _ = read(tmp_path, row(" 1001 ", " bell ", member="  "), row("1002", member=" 17 "))
        found = [event for event in events if isinstance(event, Ordered)]
        assert [(event.order_id, event.member_id) for event in found] == [("1001", None), ("1002", "17")]
        assert found[0].basket.lines[0].product_id == "bell"

    def test_cancellation(self, tmp_path: Path) -> None:
        """A cancellation says units of products, one entry a row; its shipping is counted alone."""
        events, tally = read(tmp_path, row("C7", units="-2"), row("C7", "POST", "1", "9"), row("C7", units="-1"))
        assert events == [Cancelled(at=AT, return_id="C7", member_id="17", items=(("bell", 2), ("bell", 1)))]
        assert tally.buckets == {Bucket.SHIPPING: 1}

    def test_nothing_left(self, tmp_path: Path) -> None:
        """An invoice of which nothing is a product becomes nothing."""
        events, tally = read(tmp_path, row(product="POST"), row("C1", "M", "-1"), row("C2", member="", product="M", units="-1"))
        assert (events, tally.buckets) == ([], {Bucket.SHIPPING: 1, Bucket.MANUAL: 2})

    def test_no_prefixes(self, tmp_path: Path) -> None:
        """A map that names no prefixes has neither cancellations nor bad debt."""
        columns = attrs.evolve(read_columns(MAP), cancelled_prefix="", bad_debt_prefix="")
        events, tally = read(tmp_path, row("C1"), row("A1"), row("C2", units="-1"), columns=columns)
        assert [type(event) for event in events] == [Ordered, Ordered]
        assert tally.buckets == {Bucket.STOCK_CORRECTION: 1}

    @pytest.mark.parametrize(
        "currency, price, minor_units",
        [("GBP", "12.900", 1290), ("GBP", "0.010000000000000000000", 1), ("JPY", "120.00", 120), ("KWD", "1.234", 1234)],
    )
    def test_trailing_zeros_are_exact(self, tmp_path: Path, currency: str, price: str, minor_units: int) -> None:
        """A price with more decimals than its currency is exact when they are zero."""
        columns = attrs.evolve(read_columns(MAP), currency=currency)
        events, tally = read(tmp_path, row(price=price), columns=columns)
        (event,) = events
        assert isinstance(event, Ordered)
        assert [line.unit_price for line in event.basket.lines] == [Money(minor_units, currency)]
        assert tally.beside["rows_below_minor_unit"] == 0

    @pytest.mark.parametrize(
        "rows, line",
        [
            ([("1", "0.001")], None),
            ([("4", "0.001")], None),
            ([("5", "0.001")], "0.01"),
            ([("2", "0.001"), ("3", "0.001")], "0.01"),
            ([("7", "0.005"), ("1", "0.0049")], "0.04"),
            ([("3", "1.335")], "4.01"),
        ],
    )
    def test_below_the_minor_unit(self, tmp_path: Path, rows: list[tuple[str, str]], line: str | None) -> None:
        """What is finer than the minor unit is summed exactly in its invoice, rounded half up once, and counted."""
        fine = [row(product="pin", units=units, price=price) for units, price in rows]
        events, tally = read(tmp_path, row(), *fine, row("1002"))
        first = events[0]
        assert isinstance(first, Ordered)
        assert [(one.product_id, one.list_price) for one in first.basket.lines[1:]] == (
            [] if line is None else [(BELOW_MINOR_UNIT, pounds(line))]
        )
        assert (first.rows, tally.beside["rows_below_minor_unit"]) == (1 + len(rows), len(rows))

    @given(st.data())
    def test_totals_are_exact(self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
        """An invoice comes to the exact sum of its rows, rounded half up to the minor unit, once."""
        prices = st.decimals(0, 100, places=4).filter(bool)
        rows = data.draw(st.lists(st.tuples(st.integers(1, 100), prices), min_size=1, max_size=20))
        assume(sum(units * price for units, price in rows) > 0)
        tmp_path = tmp_path_factory.mktemp("exact")
        events, _ = read(tmp_path, *(row(units=str(units), price=f"{price:f}") for units, price in rows))
        exact = sum((units * Fraction(price) * 100 for units, price in rows), Fraction(0))
        (event,) = events
        assert isinstance(event, Ordered)
        assert event.basket.subtotal.minor_units == (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)


class TestTime:
    """When an order was, and until when it gets rows."""

    @pytest.mark.parametrize(
        "zone, form, text, at",
        [
            ("Europe/London", "%Y-%m-%d %H:%M:%S", "2011-07-04 10:00:00", datetime(2011, 7, 4, 9, tzinfo=UTC)),
            ("Europe/Paris", "%d/%m/%Y %H:%M", " 04/07/2011 10:00 ", datetime(2011, 7, 4, 8, tzinfo=UTC)),
            ("Europe/Paris", "%Y-%m-%dT%H:%M:%S%z", "2011-07-04T10:00:00+0530", datetime(2011, 7, 4, 4, 30, tzinfo=UTC)),
            # The hour that comes twice is the first; the one that never comes is an hour later.
            ("Europe/Paris", "%Y-%m-%d %H:%M", "2011-10-30 02:30", datetime(2011, 10, 30, 0, 30, tzinfo=UTC)),
            ("Europe/Paris", "%Y-%m-%d %H:%M", "2011-03-27 02:30", datetime(2011, 3, 27, 1, 30, tzinfo=UTC)),
        ],
    )
    def test_zone(self, tmp_path: Path, zone: str, form: str, text: str, at: datetime) -> None:
        """A time without an offset is of the map's zone; one with an offset tells itself."""
        columns = attrs.evolve(read_columns(MAP), zone=zone, time_format=form)
        events, _ = read(tmp_path, row(time=text), columns=columns)
        assert [event.at for event in events] == [at]

    def test_several_times(self, tmp_path: Path) -> None:
        """An invoice typed over several minutes, with another in between, is one, at its first time."""
        rows = [
            row(time="2011-01-04 10:00:00"),
            row("1002", time="2011-01-04 10:01:00"),
            row(time="2011-01-04 10:59:59"),
            row("1003", time="2011-01-04 11:00:00"),
        ]
        events, _ = read(tmp_path, *rows)
        found = [(event.order_id, event.at - AT, event.rows) for event in events if isinstance(event, Ordered)]
        assert found == [("1001", timedelta(0), 2), ("1002", timedelta(minutes=1), 1), ("1003", timedelta(hours=1), 1)]

    def test_closes(self, tmp_path: Path) -> None:
        """After that time the same number is another invoice, whoever writes it."""
        again = row(time="2011-01-04 11:00:00", member="18")
        events, tally = read(tmp_path, row(), again)
        assert [event.member_id for event in events if isinstance(event, Ordered)] == ["17", "18"]
        assert tally.buckets == {}

    def test_order_of_events(self, tmp_path: Path) -> None:
        """At one time orders come before cancellations, then by number, whatever the order of the rows."""
        rows = [row("C2", units="-1"), row("C1", units="-1"), row("9"), row("10"), row("1", time="2011-01-04 10:00:01")]
        events, _ = read(tmp_path, *rows)
        names = [event.order_id if isinstance(event, Ordered) else event.return_id for event in events]
        assert names == ["10", "9", "C1", "C2", "1"]

    def test_streams(self, tmp_path: Path) -> None:
        """An order is given as soon as its time is over, and one from the far future holds up nothing."""
        rows = [row("far", time="2099-01-01 00:00:00")]
        rows += [row(str(hour), time=f"2011-01-04 {hour:02d}:30:00") for hour in range(10, 24)]
        path, tally = tmp_path / "lines.csv", Tally()
        path.write_text(text_of(rows))
        seen = [
            (tally.read, event.order_id) for event, _ in read_rows(path, read_columns(MAP), tally) if isinstance(event, Ordered)
        ]
        assert seen == [*((place, str(place + 7)) for place in range(3, 16)), (15, "23"), (15, "far")]

    @given(st.data())
    def test_every_row_once(self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
        """Whatever the rows, each ends in one bucket or in one event, and reading again gives the same."""
        cell = {
            "order": st.sampled_from(["1", "2", "C1", "C2", "A1", ""]),
            "product": st.sampled_from(["bell", "lamp", "POST", "D", "M", ""]),
            "units": st.integers(-3, 3).map(str) | st.sampled_from(["", "x", "2.0", "0.5"]),
            "price": st.sampled_from(["0", "1", "2.50", "0.001", "0.005", "-1", "x"]),
            "time": st.integers(0, 300).map(lambda minutes: (AT + timedelta(minutes=minutes)).strftime("%Y-%m-%d %H:%M:%S")),
            "member": st.sampled_from(["", "17", "18"]),
        }
        rows = data.draw(st.lists(st.fixed_dictionaries(cell), max_size=30))
        tmp_path = tmp_path_factory.mktemp("rows")
        events, tally = read(tmp_path, *(row(**cells) for cells in rows))  # counts each row
        assert (events, tally) == read(tmp_path, *(row(**cells) for cells in rows))


class TestFiles:
    """What the file itself may look like."""

    @pytest.mark.parametrize("delimiter", [";", "\t", "|", ","])
    def test_delimiter(self, tmp_path: Path, delimiter: str) -> None:
        """The map says what stands between two cells."""
        columns = attrs.evolve(read_columns(MAP), delimiter=delimiter)
        events, tally = read_text(tmp_path, text_of([row(note="a, b; c")], delimiter=delimiter), columns)
        assert (len(events), tally.buckets) == (1, {})

    def test_line_ends_quotes_and_mark(self, tmp_path: Path) -> None:
        """Unix and Windows line ends, quotes, cells of several lines, a byte order mark and blank lines are fine."""
        text = "\ufeff" + text_of([row(note='12" ruler\nof "wood"'), row(note="a\0b")])
        for form in (text, text.replace("\r\n", "\n"), text.replace("\r\n", "\r\n\r\n"), text.removesuffix("\r\n")):
            events, tally = read_text(tmp_path, form)
            assert [event.rows for event in events if isinstance(event, Ordered)] == [2]
            assert (tally.read, tally.buckets) == (2, {})

    @pytest.mark.parametrize(
        "broken, lines",
        [
            ('1001,bell,"12" ruler",1,2011-01-04 10:00:00,2.50,17', 1),
            ('1001,bell,"never closed,1,2011-01-04 10:00:00,2.50,17\n1001,bell,"a",1,2011-01-04 10:00:00,2.50,17', 2),
            ("1001,bell," + "x" * 140_000 + ",1,2011-01-04 10:00:00,2.50,17", 1),
        ],
    )
    def test_what_is_no_csv_is_unreadable(self, tmp_path: Path, broken: str, lines: int) -> None:
        """A row that breaks the form is counted with every line it swallowed; the rows after it are read."""
        good = ",".join(row())
        events, tally = read_text(tmp_path, "\n".join([",".join(HEADING), good, broken, good, ""]))
        assert [event.rows for event in events if isinstance(event, Ordered)] == [2]
        assert (tally.read, tally.buckets) == (2 + lines, {Bucket.UNREADABLE: lines})

    def test_quote_that_is_never_closed(self, tmp_path: Path) -> None:
        """No row is silently swallowed by the last cell of a file."""
        good = ",".join(row())
        events, tally = read_text(tmp_path, "\n".join([",".join(HEADING), good, '1,"', good, good]))
        assert (len(events), tally.read, tally.buckets) == (1, 4, {Bucket.UNREADABLE: 3})

    def test_other_columns_and_other_order(self, tmp_path: Path) -> None:
        """Columns are found by their headings."""
        heading, cells = [*reversed(HEADING), "More"], [*reversed(row()), "more"]
        events, _ = read_text(tmp_path, text_of([cells], heading=heading))
        assert len(events) == 1

    @pytest.mark.parametrize(
        "text, why",
        [
            ("", "columns missing: Order, Time, Member, Product, Units, Price; the file has: nothing"),
            (
                "Order,Product,Units,When,Member\n",
                "columns missing: Time, Price; the file has: Order, Product, Units, When, Member",
            ),
            (
                "Order;Product;Units;Time;Price;Member\n",
                "columns missing: .* the file has: Order;Product;Units;Time;Price;Member",
            ),
            ("Order,Product,Units,Time,Price,Member,Price\n", "columns that come twice: Price"),
            ('{"kind": "join"}\n', "columns missing"),
        ],
    )
    def test_columns_missing(self, tmp_path: Path, text: str, why: str) -> None:
        """A file without the columns is refused, with what is missing and what is there."""
        with pytest.raises(HistoryError, match=f"lines.csv: {why}"):
            read_text(tmp_path, text)

    def test_nothing_but_headings(self, tmp_path: Path) -> None:
        """A file of headings has no rows."""
        assert read(tmp_path) == ([], Tally())

    def test_many_different_cells(self, tmp_path: Path) -> None:
        """More prices, times and products than are kept are read as well."""
        rows = [row(str(n), f"p-{n}", price=f"{n}.25", member=str(n)) for n in range(1, 10_200)]
        events, tally = read(tmp_path, *rows, *rows)
        assert (len(events), tally.read, tally.beside["duplicate_rows"]) == (10_199, 20_398, 10_199)


class TestMap:
    """The map itself: read once, checked whole."""

    def test_read(self) -> None:
        """Every key is read."""
        columns = read_columns(MAP.replace("[columns]", 'stays_open_minutes = 5\ndelimiter = ";"\n[columns]'))
        assert columns == ColumnMap(
            currency="GBP",
            zone="Europe/London",
            time_format="%Y-%m-%d %H:%M:%S",
            delimiter=";",
            stays_open=5,
            columns=FrozenMap(dict(zip(COLUMNS, ["Order", "Time", "Member", "Product", "Units", "Price"], strict=True))),
            cancelled_prefix="C",
            bad_debt_prefix="A",
            no_products=FrozenMap(
                {
                    Bucket.SHIPPING: ("POST",),
                    Bucket.DISCOUNT: ("D",),
                    Bucket.MANUAL: ("M", "P*"),
                    Bucket.FEE: ("BANK ?", "POST"),
                    Bucket.GIFT_VOUCHER: ("gift_*",),
                }
            ),
        )

    def test_defaults(self) -> None:
        """What may be left out has neutral defaults."""
        columns = read_columns(MAP[: MAP.index("[orders]")])
        assert (columns.delimiter, columns.stays_open, columns.cancelled_prefix, columns.bad_debt_prefix) == (",", 60, "", "")
        assert Counter(len(patterns) for patterns in columns.no_products.values()) == {0: 5}

    def test_every_mistake_at_once(self, tmp_path: Path) -> None:
        """Each mistake is named with its key, what was found and what is allowed."""
        path = tmp_path / "columns.toml"
        path.write_text(
            """
            more = 1
            [file]
            currency = "GBX"
            zone = "Europe/Londres"
            time_format = "%Q"
            delimiter = ";;"
            stays_open_minutes = 0
            decimal = "'"
            encoding = "cp1253b"
            thousands = " "
            [columns]
            order = 1
            time = "Time"
            member = "Member"
            product = "Product"
            quantity = "Units"
            [products]
            shipping = "POST"
            discount = [1]
            """
        )
        with pytest.raises(ProgramError) as caught:
            ColumnMap.load(path)
        assert [problem.key for problem in caught.value.problems] == [
            "file.currency",
            "file.zone",
            "file.time_format",
            "file.delimiter",
            "file.decimal",
            "file.encoding",
            "file.stays_open_minutes",
            "columns.order",
            "columns.unit_price",
            "products.shipping",
            "products.discount",
            "file.thousands",
            "more",
        ]

    @pytest.mark.parametrize(
        "form", ["%Q", "%Y %Y-%m-%d", "%Y-%m-%d %", "%H:%M", "%Y-%m", "", "yesterday"], ids=lambda form: form or "empty"
    )
    def test_time_formats(self, form: str) -> None:
        """A format that ``strptime`` does not take, or that tells no day, is found before the first row."""
        with pytest.raises(ProgramError, match=r"file\.time_format: time_format must"):
            read_columns(MAP.replace("%Y-%m-%d %H:%M:%S", form))

    @pytest.mark.parametrize("delimiter", ['"', "\n", "\r", "", ";;", "é", "\0"])
    def test_delimiters(self, delimiter: str) -> None:
        """A delimiter is one character that is no quote and no line end."""
        with pytest.raises(UsageError, match="delimiter must be one character"):
            attrs.evolve(read_columns(MAP), delimiter=delimiter)

    @pytest.mark.parametrize("text", ["[file", "a = " + "9" * 5_000, "a = " + "[" * 5_000])
    def test_no_toml(self, text: str) -> None:
        """What is no TOML is one problem."""
        with pytest.raises(ProgramError, match="file: must be TOML"):
            read_columns(text)

    def test_needs_its_tables(self) -> None:
        """A map without tables is told each key it needs."""
        with pytest.raises(ProgramError) as caught:
            read_columns("")
        assert [problem.key for problem in caught.value.problems] == [
            "file.currency",
            "file.zone",
            "file.time_format",
            *(f"columns.{name}" for name in COLUMNS),
        ]

    def test_cannot_be_read(self, tmp_path: Path) -> None:
        """A map that is not there, or is no text."""
        with pytest.raises(HistoryError, match=r"none\.toml: cannot be read \(No such file or directory\)"):
            ColumnMap.load(tmp_path / "none.toml")
        (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
        with pytest.raises(HistoryError, match=r"bytes\.toml: not UTF-8 text"):
            ColumnMap.load(tmp_path / "bytes.toml")

    @pytest.mark.parametrize(
        "change, message",
        [
            ({"currency": "GBX"}, "currency"),
            ({"zone": "Nowhere"}, "zone"),
            ({"time_format": "%H"}, "time_format must tell the year"),
            ({"stays_open": 366 * 24 * 60 + 1}, "stays_open must be a whole number in"),
            ({"stays_open": 0}, "stays_open must be a whole number in"),
            ({"columns": FrozenMap({"order": "Order"})}, "got none for time, member, product, quantity, unit_price"),
        ],
    )
    def test_made_in_python(self, change: dict[str, Any], message: str) -> None:
        """A map made without a file is checked as well."""
        with pytest.raises(UsageError, match=message):
            attrs.evolve(read_columns(MAP), **change)

    def test_longest_open(self) -> None:
        """An invoice may stay open for a year."""
        assert attrs.evolve(read_columns(MAP), stays_open=366 * 24 * 60).stays_open == 527_040


class TestForeignFiles:
    """What spreadsheets of other countries write."""

    def test_decimal_comma(self, tmp_path: Path) -> None:
        """With a decimal comma a point makes no number, and the other way round."""
        french = attrs.evolve(read_columns(MAP), decimal=",", delimiter=";")
        heading = "Order;Time;Member;Product;Units;Price\n"
        row = "{order};2026-07-01 10:00:00;m-1;bell;{units};{price}\n"
        cells = [("1", "2", "12,50"), ("2", "1,0", "3,1"), ("3", "1", "1.250,00"), ("4", "1", "12.50")]
        text = heading + "".join(row.format(order=order, units=units, price=price) for order, units, price in cells)
        events, tally = read_text(tmp_path, text, french)
        assert [(event.order_id, event.basket.subtotal.minor_units) for event in events if isinstance(event, Ordered)] == [
            ("1", 2500),
            ("2", 310),
        ]
        assert tally.buckets[Bucket.UNREADABLE] == 2

    def test_encoding(self, tmp_path: Path) -> None:
        """A file in another encoding is read as the map says, and told where it is not in it."""
        western = attrs.evolve(read_columns(MAP), encoding="cp1252")
        text = "Order,Time,Member,Product,Units,Price\n1,2026-07-01 10:00:00,m-1,vélo,1,5.00\n"
        events, _ = read_text(tmp_path, text.encode("cp1252"), western)
        assert [event.basket.lines[0].product_id for event in events if isinstance(event, Ordered)] == ["vélo"]
        with pytest.raises(HistoryError, match="not UTF-8 text"):
            read_text(tmp_path, text.encode("cp1252"))

    @pytest.mark.parametrize("changes", [{"decimal": ""}, {"decimal": ".,"}, {"encoding": "no such"}, {"encoding": "a\0"}])
    def test_refused(self, changes: dict[str, Any]) -> None:
        """Another sign, another name."""
        with pytest.raises(UsageError, match=f"^{next(iter(changes))} must be"):
            attrs.evolve(read_columns(MAP), **changes)
