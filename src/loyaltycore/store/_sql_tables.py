"""The tables that facts are kept in, as SQLAlchemy describes them.

Ids are compared by code point in either database: ``COLLATE "C"`` in PostgreSQL, SQLite's own ``BINARY``. Instants are whole
microseconds since 1970 in UTC: no time zone of a session can change them, and the year 9999 reads back in any.
"""

from __future__ import annotations

from typing import final

import attrs
from sqlalchemy import BigInteger, Column, Identity, Index, Integer, MetaData, Table, Text, UniqueConstraint
from sqlalchemy.dialects import postgresql

__all__ = ["Tables", "make_tables"]


@final
@attrs.frozen(kw_only=True)
class Tables:
    """What is kept, table by table.

    Attributes:
        metadata: All of them, for ``create_all`` and for migrations.
        streams: The version of each stream, and when time next brings something for it; a row has at least one fact.
        facts: One row a fact, as JSON, with the number of the receipt of the commit that wrote it.
        receipts: One row a command that was committed, numbered as they came.
        counters: One row a counter, which a commit that claims of it locks.
        claims: What each key holds of a counter.
        snapshots: What a stream came to, where that is kept.
    """

    metadata: MetaData
    streams: Table
    facts: Table
    receipts: Table
    counters: Table
    claims: Table
    snapshots: Table


def make_tables(*, schema: str | None, prefix: str) -> Tables:
    """Describe the tables.

    Args:
        schema: Where they stand; ``None`` is the connection's own.
        prefix: What every name begins with.
    """
    metadata = MetaData(schema=schema)
    name = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

    def table(title: str, *parts: Column[str] | Column[int] | Column[int | None] | Index | UniqueConstraint) -> Table:
        # Rows of SQLite lie in the order of their key, which is what they are looked for by.
        is_numbered = title == "receipts"
        return Table(f"{prefix}{title}", metadata, *parts, sqlite_with_rowid=is_numbered)

    due_at = Column("due_at", BigInteger)
    return Tables(
        metadata=metadata,
        streams=table(
            "streams",
            stream := Column("stream", name, primary_key=True),
            Column("version", BigInteger, nullable=False),
            due_at,
            Index(f"{prefix}streams_due", due_at, stream, postgresql_where=due_at.is_not(None), sqlite_where=due_at.is_not(None)),
        ),
        facts=table(
            "facts",
            Column("stream", name, primary_key=True),
            Column("version", BigInteger, primary_key=True, autoincrement=False),
            receipt := Column("receipt", BigInteger, nullable=False),
            Column("fact", Text, nullable=False),
            Index(f"{prefix}facts_receipt", receipt),
        ),
        receipts=table(
            "receipts",
            Column("number", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
            Column("home", name, nullable=False),
            Column("key", name, nullable=False),
            Column("actor", Text, nullable=False),
            Column("fingerprint", Text, nullable=False),
            UniqueConstraint("home", "key", name=f"{prefix}receipts_home_key"),
        ),
        counters=table(
            "counters",
            Column("counter", name, primary_key=True),
            Column("turns", BigInteger, nullable=False),
        ),
        claims=table(
            "claims",
            Column("counter", name, primary_key=True),
            Column("key", name, primary_key=True),
            Column("amount", BigInteger, nullable=False),
            Column("until", BigInteger),
        ),
        snapshots=table(
            "snapshots",
            Column("stream", name, primary_key=True),
            Column("form", Text, nullable=False),
            Column("version", BigInteger, nullable=False),
            Column("text", Text, nullable=False),
        ),
    )
