"""What it costs to bring balances along, and to carry a whole store over, beside the bare statements and the bare reading."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime

from benchmarks._harness import Pair, bench
from loyaltycore import Program
from loyaltycore.archive import export_lines, import_lines
from loyaltycore.openings import import_openings, read_openings
from loyaltycore.store.sqlite import SQLiteRepository

AT = datetime(2026, 7, 1, 10, tzinfo=UTC)
MEMBERS = 500
HEADING = "member_id,points,expires_on,tier_spend,tier_on,joined_on"
ROWS = [
    row
    for number in range(MEMBERS)
    for row in (
        f"m-{number},{number + 100},2027-12-31,{number}.50,2026-03-15,2024-05-01",
        f"m-{number},{number + 1},2027-06-30,,,",
    )
]
FACTS = 4 * MEMBERS
"""A joining, an order that counts and two lots for each member."""


def connected(*statements: str) -> sqlite3.Connection:
    """Open a database in memory, in one transaction: what the disk costs is measured elsewhere."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    for statement in statements:
        db.execute(statement)
    db.execute("BEGIN")
    return db


def filled() -> SQLiteRepository:
    """Import all rows into a new database."""
    repository = SQLiteRepository(connection=connected())
    program = Program.load("examples/velo/program.toml")
    import_openings(program, repository, read_openings([HEADING, *ROWS], currency="EUR"), at=AT)
    return repository


@bench("import.openings", unit="µs", against="reading the rows and inserting as many rows of text")
def openings() -> Pair:
    """Read, check and import the balances of 500 members into SQLite, a commit for each; the value is of one fact."""

    def bare() -> None:
        db = connected(
            "CREATE TABLE facts (stream TEXT, version INTEGER, fact TEXT, PRIMARY KEY (stream, version)) WITHOUT ROWID",
            "CREATE TABLE receipts (home TEXT, key TEXT, asked TEXT, done TEXT, PRIMARY KEY (home, key)) WITHOUT ROWID",
        )
        for place, row in enumerate(ROWS):
            cells = row.split(",")
            for half in (0, 1):
                db.execute("INSERT INTO facts VALUES (?, ?, ?)", (cells[0], 2 * (place % 2) + half, json.dumps(cells)))
            if place % 2:
                db.execute("INSERT INTO receipts VALUES (?, 'opening', ?, '')", (cells[0], json.dumps(cells)))

    return Pair(filled, bare, items=FACTS)


@bench("import.archive", unit="µs", against="reading the same JSON lines")
def archive() -> Pair:
    """Import an export of 500 members into SQLite; the value is of one fact."""
    lines = list(export_lines(filled()))

    def ours() -> None:
        import_lines(SQLiteRepository(connection=connected()), lines)

    def bare() -> None:
        for line in lines:
            json.loads(line)

    return Pair(ours, bare, items=FACTS)


@bench("export.archive", unit="µs", against="writing the same JSON lines")
def export() -> Pair:
    """Export 500 members from SQLite; the value is of one fact."""
    repository = filled()
    data = [json.loads(line) for line in export_lines(repository)]

    def ours() -> None:
        for _ in export_lines(repository):
            pass

    def bare() -> None:
        for one in data:
            json.dumps(one)

    return Pair(ours, bare, items=FACTS)
