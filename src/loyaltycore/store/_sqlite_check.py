"""Looks through the tables of ``store.sqlite`` for what the library cannot have written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from loyaltycore.codec import fact_from_text
from loyaltycore.errors import CorruptStateError, LoyaltyError
from loyaltycore.facts import Command
from loyaltycore.wire import Json, read_json

__all__ = ["problems_in"]


def problems_in(cursor: sqlite3.Cursor) -> Iterator[str]:
    """Name what is wrong, one line each; nothing where all is well.

    Complexity:
        Reads every row once, and sorts what was appended, on the disk where it is much.
    """
    for check in (_in_the_file, _in_the_tables, _in_the_facts, _in_the_receipts, _in_what_was_appended):
        try:
            yield from check(cursor)
        except sqlite3.DatabaseError as error:
            yield f"the database cannot be read: {error}"


def _in_the_file(cursor: sqlite3.Cursor) -> Iterator[str]:
    for (found,) in cursor.execute("PRAGMA integrity_check"):
        if found != "ok":
            yield f"the database: {found}"


# Versions of a stream are distinct whole numbers: as many as the greatest, none below 1, are all of them.
_MISCOUNTED: Final = """
SELECT stream, version, coalesce(facts, 0), greatest FROM loyalty_streams
LEFT JOIN (
    SELECT stream, count(*) AS facts, min(version) AS least, max(version) AS greatest FROM loyalty_facts GROUP BY stream
) USING (stream)
WHERE facts IS NULL OR (version, version, 1) <> (facts, greatest, least)
"""

_NAMELESS: Final = """
SELECT DISTINCT stream FROM loyalty_facts WHERE stream NOT IN (SELECT stream FROM loyalty_streams)
"""

_EMPTY_CLAIMS: Final = """
SELECT counter, key, amount FROM loyalty_claims WHERE typeof(amount) <> 'integer' OR amount < 1
"""

_EARLY_SNAPSHOTS: Final = """
SELECT kept.stream, kept.version, coalesce(stored.version, 0)
FROM loyalty_snapshots AS kept LEFT JOIN loyalty_streams AS stored USING (stream)
WHERE kept.version NOT BETWEEN 1 AND coalesce(stored.version, 0)
"""

_TABLES: Final = (
    ("{!r} is at version {}; facts found: {}, the last at {}", _MISCOUNTED),
    ("{!r} holds facts and is no stream", _NAMELESS),
    ("the claim of {1!r} on {0!r} is of {2!r}", _EMPTY_CLAIMS),
    ("the snapshot of {!r} is of version {}, and the stream is at {}", _EARLY_SNAPSHOTS),
)
"""What to say of each row that a query finds."""


def _in_the_tables(cursor: sqlite3.Cursor) -> Iterator[str]:
    for words, query in _TABLES:
        for row in cursor.execute(query):
            yield words.format(*row)


def _in_the_facts(cursor: sqlite3.Cursor) -> Iterator[str]:
    # As bytes: text that is no Unicode would end the listing.
    for stream, version, fact in cursor.execute("SELECT stream, version, CAST(fact AS BLOB) FROM loyalty_facts"):
        try:
            fact_from_text(fact)
        except CorruptStateError as error:
            yield f"fact {version} of {stream!r}: {error}"


def _in_the_receipts(cursor: sqlite3.Cursor) -> Iterator[str]:
    rows = cursor.execute("SELECT home, key, actor, CAST(fingerprint AS BLOB), CAST(appended AS BLOB) FROM loyalty_receipts")
    for home, key, actor, fingerprint, appended in rows:
        try:
            Command(home=home, key=key, actor=actor, fingerprint=read_json(fingerprint))
            ranges = read_json(appended)
        except LoyaltyError as error:
            yield f"the receipt of {key!r} in {home!r}: {error}"
        else:
            if not isinstance(ranges, list) or not all(map(_is_range, ranges)):
                yield f"the receipt of {key!r} in {home!r} does not say what was appended"


def _is_range(part: Json) -> bool:
    match part:
        case [str(), int(start), int(stop)]:
            return 0 <= start < stop
    return False


_APPENDED: Final = """
WITH parts AS (
    SELECT json_extract(part.value, '$[0]') AS stream, json_extract(part.value, '$[1]') AS start,
        json_extract(part.value, '$[2]') AS stop
    FROM loyalty_receipts, json_each(CASE WHEN json_valid(appended) THEN appended ELSE '[]' END) AS part)
SELECT stream, 0 AS is_end, start, stop FROM parts WHERE typeof(start) = 'integer' AND typeof(stop) = 'integer'
UNION ALL SELECT stream, 1, version, version FROM loyalty_streams
ORDER BY 1, 2, 3
"""
"""What the commits appended to each stream, by version, and the version of the stream behind them."""


def _in_what_was_appended(cursor: sqlite3.Cursor) -> Iterator[str]:
    for stream, rows in groupby(cursor.execute(_APPENDED), key=lambda row: row[0]):
        reached = 0
        for _, is_end, start, stop in rows:
            if start > reached:
                yield f"facts {reached + 1} to {start} of {stream!r} belong to no receipt"
            elif start < reached:
                wrong = "are not there" if is_end else "belong to two receipts"
                yield f"facts {start + 1} to {reached} of {stream!r} {wrong}"
            reached = stop
