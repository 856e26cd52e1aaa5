"""The tables of ``store.sqlite``: how they are made, and how those of an earlier form become ours.

Invariants:
    1. Making and migrating are statements of one transaction: all of them, or none.
    2. What another process did in the meantime is looked at within it, and left alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final

__all__ = ["SCHEMA", "stored_schema", "update_schema"]

SCHEMA: Final = 2
"""Number of the tables' form."""

_RECEIPTS: Final = """(
    number INTEGER PRIMARY KEY, home TEXT NOT NULL, key TEXT NOT NULL, actor TEXT NOT NULL, fingerprint TEXT NOT NULL,
    appended TEXT NOT NULL, UNIQUE (home, key))"""
"""In the order of commits: SQLite numbers a new row one above the greatest, none is ever removed, and one writes at a time."""

# With a row id: a text may be far longer than what a table without one is good for.
_SNAPSHOTS: Final = """CREATE TABLE IF NOT EXISTS loyalty_snapshots (
    stream TEXT PRIMARY KEY, form TEXT NOT NULL, version INTEGER NOT NULL, text TEXT NOT NULL)"""

_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS loyalty_meta (schema INTEGER NOT NULL)",
    """CREATE TABLE IF NOT EXISTS loyalty_streams (
        stream TEXT PRIMARY KEY, version INTEGER NOT NULL, due_at INTEGER) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS loyalty_streams_due ON loyalty_streams (due_at, stream) WHERE due_at IS NOT NULL",
    """CREATE TABLE IF NOT EXISTS loyalty_facts (
        stream TEXT NOT NULL, version INTEGER NOT NULL, fact TEXT NOT NULL, PRIMARY KEY (stream, version)) WITHOUT ROWID""",
    f"CREATE TABLE IF NOT EXISTS loyalty_receipts {_RECEIPTS}",
    """CREATE TABLE IF NOT EXISTS loyalty_claims (
        counter TEXT NOT NULL, key TEXT NOT NULL, amount INTEGER NOT NULL, until INTEGER,
        PRIMARY KEY (counter, key)) WITHOUT ROWID""",
    _SNAPSHOTS,
    "INSERT INTO loyalty_meta VALUES (2)",
)

# The first form did not say which commit came first: the instant of its first fact does, nearly.
_NUMBER_RECEIPTS: Final = """
INSERT INTO loyalty_receipts_2 (home, key, actor, fingerprint, appended)
SELECT home, key, actor, fingerprint, appended FROM loyalty_receipts
ORDER BY (
    SELECT json_extract(fact, '$.at') FROM loyalty_facts
    WHERE stream = json_extract(appended, '$[0][0]') AND version = json_extract(appended, '$[0][1]') + 1
), json_extract(appended, '$[0][1]'), home, key
"""

_STEPS: Final[Mapping[int, tuple[str, ...]]] = {
    1: (
        f"CREATE TABLE loyalty_receipts_2 {_RECEIPTS}",
        _NUMBER_RECEIPTS,
        "DROP TABLE loyalty_receipts",
        "ALTER TABLE loyalty_receipts_2 RENAME TO loyalty_receipts",
        _SNAPSHOTS,
        "UPDATE loyalty_meta SET schema = 2",
    ),
}
"""What leads from each form to the next."""


def stored_schema(cursor: sqlite3.Cursor) -> int | None:
    """Say which form the tables have; ``None`` where there are none."""
    if cursor.execute("SELECT 1 FROM sqlite_master WHERE name = 'loyalty_meta'").fetchone() is None:
        return None
    row = cursor.execute("SELECT schema FROM loyalty_meta").fetchone()
    return None if row is None else int(row[0])


def update_schema(cursor: sqlite3.Cursor) -> int:
    """Make the tables, or migrate them, within a transaction that holds the write lock; say which form they have then."""
    schema = stored_schema(cursor)
    if schema is None:
        for statement in _TABLES:
            cursor.execute(statement)
        return SCHEMA
    while schema in _STEPS:
        for statement in _STEPS[schema]:
            cursor.execute(statement)
        schema += 1
    return schema
