"""What booking a history costs, beside a loop that only parses the same lines."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing, redirect_stdout
from datetime import datetime
from itertools import islice
from pathlib import Path

from benchmarks._harness import Pair, bench
from examples.velo import generate
from loyaltycore import Program
from loyaltycore._columns import read_rows
from loyaltycore._history import Tally
from loyaltycore.coupons import CodeBook, CodeSpace, SecretKey
from loyaltycore.gift_cards import CardNumbers
from loyaltycore.replay import ColumnMap, replay
from loyaltycore.store.sqlite import SQLiteRepository
from tools.project import ROOT, shared_folder

FOLDER = tempfile.TemporaryDirectory()  # gone with the process
RETAIL = ROOT / "examples" / "online-retail"
RETAIL_ROWS = 5_000


def booking(
    program: Program,
    path: Path,
    rows: int,
    columns: ColumnMap | None = None,
    *,
    codes: CodeBook | None = None,
    card_numbers: CardNumbers | None = None,
) -> Callable[[], object]:
    """Book a file into an empty store."""

    def book() -> None:
        # A temporary database in one transaction, as the command line does when nothing is to be kept.
        with closing(sqlite3.connect("", isolation_level=None)) as db:
            db.execute("BEGIN")
            store = SQLiteRepository(connection=db)
            report = replay(program, [path], store, columns=columns, codes=codes, card_numbers=card_numbers)
        assert (report.read, report.balanced) == (rows, True)

    return book


@bench("replay, a line of JSON", unit="µs", against="json.loads and datetime.fromisoformat, booking nothing")
def replay_events() -> Pair:
    """Book a bicycle shop's history of some hundred events."""
    path = Path(FOLDER.name, "velo.jsonl")
    with redirect_stdout(io.StringIO()):
        generate.main(["--out", str(path), "--members", "40", "--orders", "300"])
    lines = path.read_text(encoding="utf-8").splitlines()

    def parse() -> None:
        for line in lines:
            try:
                datetime.fromisoformat(json.loads(line)["at"])
            except ValueError:  # the planted dirt
                continue

    program = Program.load(ROOT / "examples" / "velo" / "program.toml")
    codes, cards = (SecretKey.from_hex("key", path.with_name(f"{of}.key").read_text()) for of in ("codes", "cards"))
    book = CodeBook([CodeSpace(codes, pattern=generate.WELCOME_PATTERN, context=program.name)])
    numbers = CardNumbers(cards)
    return Pair(booking(program, path, len(lines), codes=book, card_numbers=numbers), parse, items=len(lines))


def retail_rows() -> str:
    """Give rows of real orders where the shared data is, and made-up ones of the same form elsewhere."""
    folder = shared_folder()
    source = None if folder is None else folder / "data" / "online_retail.csv.gz"
    if source is not None and source.exists():
        with gzip.open(source, "rt", encoding="utf-8", newline="") as whole:
            return "".join(islice(whole, RETAIL_ROWS + 1))
    print("shared data absent: made-up order lines instead")
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"])
    for number in range(RETAIL_ROWS):
        invoice, minute = number // 20, number // 100 % 60
        time = f"2010-12-01 08:{minute:02d}:00"
        table.writerow([invoice, f"P{number * 7 % 997}", "GIFT", number % 9 + 1, time, "2.55", invoice % 60, "United Kingdom"])
    return text.getvalue()


def parse_rows(text: str) -> None:
    """Read rows and their numbers and times, and do nothing with them."""
    for row in islice(csv.reader(io.StringIO(text, newline="")), 1, None):
        int(row[3])
        float(row[5])
        datetime.fromisoformat(row[4])


@bench("replay, an order line", unit="µs", against="csv.reader that parses numbers and times, booking nothing")
def replay_lines() -> Pair:
    """Book rows of order lines: read, sort into buckets, price, book, sum up."""
    text = retail_rows()
    path = Path(FOLDER.name, "lines.csv")
    path.write_text(text, encoding="utf-8", newline="")
    columns, program = ColumnMap.load(RETAIL / "columns.toml"), Program.load(RETAIL / "program.toml")
    return Pair(booking(program, path, RETAIL_ROWS, columns), lambda: parse_rows(text), items=RETAIL_ROWS)


@bench("read, an order line", unit="µs", against="csv.reader that parses numbers and times")
def read_lines() -> Pair:
    """Read rows into events, and book nothing."""
    text = retail_rows()
    path = Path(FOLDER.name, "read.csv")
    path.write_text(text, encoding="utf-8", newline="")
    columns = ColumnMap.load(RETAIL / "columns.toml")

    def read() -> None:
        tally = Tally()
        for _ in read_rows(path, columns, tally):
            pass
        assert tally.read == RETAIL_ROWS

    return Pair(read, lambda: parse_rows(text), items=RETAIL_ROWS)
