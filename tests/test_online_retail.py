"""A shop's real orders: UCI Online Retail, dirt and all, through the example's map and program."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from itertools import islice
from pathlib import Path

import pytest

from loyaltycore import Program, cli
from loyaltycore.replay import ColumnMap, Report, replay
from loyaltycore.store.memory import MemoryRepository
from tools.project import ROOT

pytestmark = pytest.mark.shared

EXAMPLE = ROOT / "examples" / "online-retail"
PROGRAM = Program.load(EXAMPLE / "program.toml")
COLUMNS = ColumnMap.load(EXAMPLE / "columns.toml")

# What the data's own description counts, and where it ends.
ROWS = 541_909
DUPLICATES = 5_268
WHOLE = {
    "bad_debt": 3,
    "shipping": 2_110,
    "discount": 77,
    "manual": 635,
    "fee": 87,
    "gift_voucher": 34,
    "stock_correction": 1_336,
    "free": 1_162,
    "return_matched": 5_869,
    "return_partly_matched": 51,
    "return_late": 1_563,
    "return_unmatched": 1_056,
    "return_guest": 165,
    "sale_member": 396_340,
    "sale_guest": 131_421,
}


@pytest.fixture(scope="module")
def slice_of_it(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the first 30,000 rows to a file of their own."""
    path = tmp_path_factory.mktemp("retail") / "slice.csv"
    with gzip.open(shared / "data" / "online_retail.csv.gz", "rt", encoding="utf-8", newline="") as whole:
        path.write_text("".join(islice(whole, 30_001)), encoding="utf-8", newline="")
    return path


@pytest.fixture(scope="module")
def booked(slice_of_it: Path) -> tuple[Report, MemoryRepository]:
    """Replay the slice."""
    store = MemoryRepository()
    return replay(PROGRAM, [slice_of_it], store, columns=COLUMNS), store


@pytest.mark.law(5)
def test_slice(booked: tuple[Report, MemoryRepository]) -> None:
    """Each of the first rows is in one bucket, and the books balance."""
    report, _ = booked
    assert (report.read, sum(report.buckets.values()), report.balanced) == (30_000, 30_000, True)
    assert report.buckets == {
        "shipping": 71,
        "discount": 4,
        "manual": 34,
        "fee": 10,
        "stock_correction": 68,
        "free": 118,
        "return_matched": 143,
        "return_partly_matched": 2,
        "return_unmatched": 306,
        "return_guest": 21,
        "sale_member": 19_429,
        "sale_guest": 9_794,
    }
    assert report.beside == {"duplicate_rows": 431, "units_returned_unmatched": 11_928}
    assert (report.members, report.orders) == (698, {"member": 996, "guest": 70})


def test_slice_by_another_way(slice_of_it: Path, booked: tuple[Report, MemoryRepository]) -> None:
    """A plain loop, which knows neither events nor stores, counts the same."""
    report, _ = booked
    with slice_of_it.open(encoding="utf-8", newline="") as file:
        assert plainly_counted(file) == report.buckets


def test_slice_again(slice_of_it: Path, booked: tuple[Report, MemoryRepository]) -> None:
    """Again into the same store, and into a new one: the same report."""
    report, store = booked
    assert replay(PROGRAM, [slice_of_it], store, columns=COLUMNS) == report
    assert replay(PROGRAM, [slice_of_it], MemoryRepository(), columns=COLUMNS) == report


@pytest.mark.slow
def test_whole(shared: Path, tmp_path: Path) -> None:
    """The whole file, from the command line: every row, every duplicate, every bucket."""
    out = tmp_path / "out.json"
    history = shared / "data" / "online_retail.csv.gz"
    arguments = [EXAMPLE / "program.toml", history, "--columns", EXAMPLE / "columns.toml", "--json", out]
    assert cli.main(["replay", *map(str, arguments)]) == 0
    report = json.loads(out.read_text(encoding="utf-8"))
    assert report["lines"]["read"] == sum(report["lines"]["buckets"].values()) == ROWS
    assert report["lines"]["buckets"] == WHOLE
    with gzip.open(history, "rt", encoding="utf-8", newline="") as file:
        assert plainly_counted(file) == WHOLE
    assert report["lines"]["beside"] == {
        "duplicate_rows": DUPLICATES,
        "rows_below_minor_unit": 3,
        "units_returned_unmatched": 18_807,
    }
    assert report["orders"] == {"member": 18_402, "guest": 1_371}
    assert report["members"] == 4_334
    assert report["balanced"] is True


NO_PRODUCTS = {
    **dict.fromkeys(["POST", "DOT", "C2"], "shipping"),
    **dict.fromkeys(["M", "m", "S"], "manual"),
    **dict.fromkeys(["BANK CHARGES", "AMAZONFEE", "CRUK", "B"], "fee"),
    "D": "discount",
}


def plainly_counted(file: Iterable[str]) -> Counter[str]:
    """Count buckets the way one would first write it: all in memory, invoice by invoice, return by return."""
    counts, invoices = Counter[str](), dict[str, list[dict[str, str]]]()
    for row in csv.DictReader(file):
        bucket = decided(row)
        if bucket is None:
            invoices.setdefault(row["InvoiceNo"], []).append(row)
        else:
            counts[bucket] += 1
    bought: dict[tuple[str, str], list[tuple[date, int]]] = {}
    for number, rows in sorted(invoices.items(), key=lambda item: (item[1][0]["InvoiceDate"], item[0][0] == "C")):
        day = date.fromisoformat(rows[0]["InvoiceDate"][:10])
        for row in rows:
            purchases = bought.setdefault((row["CustomerID"], row["StockCode"]), [])
            if number[0] == "C":
                counts[taken_back(purchases, -int(row["Quantity"]), day)] += 1
            else:
                counts["sale_member" if row["CustomerID"] else "sale_guest"] += 1
                if float(row["UnitPrice"]) >= 0.01:  # finer prices go into a line of their own
                    purchases.append((day, int(row["Quantity"])))
    return counts


def decided(row: dict[str, str]) -> str | None:
    """Give the bucket of a row that is neither bought nor brought back."""
    number, product = row["InvoiceNo"], row["StockCode"]
    if number[0] == "A":
        return "bad_debt"
    if product in NO_PRODUCTS or product.startswith("gift_"):
        return NO_PRODUCTS.get(product, "gift_voucher")
    if int(row["Quantity"]) < 0 and number[0] != "C":
        return "stock_correction"
    if float(row["UnitPrice"]) == 0:
        return "free"
    return "return_guest" if number[0] == "C" and not row["CustomerID"] else None


def taken_back(purchases: list[tuple[date, int]], units: int, day: date) -> str:
    """Take units from the latest purchases, and say what the row is."""
    left, is_late = units, False
    while left and purchases:
        bought_on, had = purchases.pop()
        is_late |= day > bought_on + timedelta(days=30)
        if had > left:
            purchases.append((bought_on, had - left))
        left -= min(had, left)
    if left:
        return "return_unmatched" if left == units else "return_partly_matched"
    return "return_late" if is_late else "return_matched"
