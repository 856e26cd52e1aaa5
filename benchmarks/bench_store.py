"""What a commit to SQLite costs, beside the raw statements of the same transaction."""

from __future__ import annotations

import sqlite3
import tempfile
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from benchmarks._harness import Pair, bench
from loyaltycore import Basket, Loyalty, Program
from loyaltycore.codec import fact_text
from loyaltycore.facts import Append, Command
from loyaltycore.identity import Key, member_stream
from loyaltycore.memberships import MemberJoined
from loyaltycore.store.sqlite import SQLiteRepository

AT = datetime(2026, 7, 1, 10, tzinfo=UTC)
FOLDERS: list[tempfile.TemporaryDirectory[str]] = []
"""Kept until the process ends: the databases are timed in them."""


def folder() -> Path:
    """Make a folder that lives as long as the measurement."""
    FOLDERS.append(tempfile.TemporaryDirectory())
    return Path(FOLDERS[-1].name)


@bench("store.sqlite.commit", unit="µs", against="the raw sqlite3 statements of the same transaction")
def commit() -> Pair:
    """Append one fact to a new stream, with its receipt, synced to disk."""
    repository = SQLiteRepository(folder() / "ours.db")
    raw = sqlite3.connect(folder() / "raw.db", isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        raw.execute(f"PRAGMA {pragma}")
    raw.execute("CREATE TABLE streams (stream TEXT PRIMARY KEY, version INTEGER, due_at INTEGER) WITHOUT ROWID")
    raw.execute("CREATE TABLE facts (stream TEXT, version INTEGER, fact TEXT, PRIMARY KEY (stream, version)) WITHOUT ROWID")
    raw.execute("CREATE TABLE receipts (home TEXT, key TEXT, asked TEXT, done TEXT, PRIMARY KEY (home, key)) WITHOUT ROWID")
    ours_ids, raw_ids = count(), count()

    def ours() -> None:
        member_id = f"m-{next(ours_ids)}"
        stream = member_stream(member_id)
        fact = MemberJoined(member_id=member_id, at=AT)
        repository.commit(
            Command.of(stream, Key("join"), actor="shop"), [Append(stream=stream, expected_version=0, facts=[fact])]
        )

    text = fact_text(MemberJoined(member_id="m-0", at=AT))

    def bare() -> None:
        stream = f"member/m-{next(raw_ids)}"
        raw.execute("BEGIN IMMEDIATE")
        raw.execute("INSERT INTO receipts VALUES (?, 'join', '{}', ?)", (stream, stream))
        raw.execute("SELECT version FROM streams WHERE stream = ?", (stream,)).fetchone()
        raw.execute("INSERT INTO streams VALUES (?, 1, NULL)", (stream,))
        raw.execute("INSERT INTO facts VALUES (?, 1, ?)", (stream, text))
        raw.execute("COMMIT")

    return Pair(ours, bare)


@bench("service.place_order", unit="µs", against="the raw sqlite3 statements of one small transaction")
def place() -> Pair:
    """Quote and place an order of ten lines end to end, each for a new member."""
    shop = Loyalty(Program.load("examples/velo/program.toml"), SQLiteRepository(folder() / "shop.db"), clock=lambda: AT)
    basket = Basket.of("EUR", {f"part-{number}": f"{number + 5}.90" for number in range(10)})
    ids, bare = count(), commit().other

    def ours() -> None:
        number = next(ids)
        shop.place(shop.quote(basket, member_id=f"m-{number}"), order_id=str(number))

    return Pair(ours, bare)
