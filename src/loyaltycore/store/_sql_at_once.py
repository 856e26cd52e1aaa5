"""The first writes of a commit as one statement of PostgreSQL, and what it asks of counters, as text that the driver takes.

A commit is mostly waiting for answers: one statement waits once. Its parts run in the one order of locks, because each selects
from the one before it: the receipt, streams by id, counters by id. A part that writes nothing leaves nothing to those behind it.

Invariants:
    1. What it writes and answers is what the statements do one by one.
    2. The text holds names of tables and numbers of this module's making; all else is a parameter.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, final

import attrs
from sqlalchemy import Connection, make_url

from loyaltycore.facts import Command
from loyaltycore.identity import CounterId, StreamId
from loyaltycore.store._sql_tables import Tables

__all__ = ["AtOnce", "Step"]

_STEPS_LIMIT: Final = 6
_COUNTERS_LIMIT: Final = 6
_FACTS_LIMIT: Final = 20
"""What one statement takes: nearly every commit, in a text that the driver still keeps prepared."""

_SHAPES_LIMIT: Final = 256
"""Texts that are kept, each of a few hundred characters."""


_RECEIPT: Final = """receipt AS (
INSERT INTO {receipts} (home, key, actor, fingerprint) VALUES (%(home)s, %(key)s, %(actor)s, %(fingerprint)s)
ON CONFLICT DO NOTHING RETURNING number)"""

# One that another transaction is writing is waited for.
_FIRST: Final = """{name} AS (
INSERT INTO {streams} (stream, version, due_at) SELECT %(s{place})s::text, {facts}, {due_at} FROM {before}
ON CONFLICT DO NOTHING RETURNING 1)"""

_NEXT: Final = """{name} AS (
UPDATE {streams} AS s SET version = s.version + {facts}, due_at = %(d{place})s::bigint FROM {before}
WHERE s.stream = %(s{place})s AND s.version = %(e{place})s RETURNING 1)"""

# Shared: two that expect the same do not wait for each other.
_SHARED: Final = """{name} AS (
SELECT 1 FROM {streams} AS s, {before} WHERE s.stream = %(s{place})s AND s.version = %(e{place})s FOR SHARE OF s)"""

_FACT: Final = "(%(s{place})s::text, {version}, %(f{place}_{number})s::text)"

_WRITTEN: Final = """written AS (
INSERT INTO {facts} (stream, version, receipt, fact) SELECT x.stream, x.version, receipt.number, x.fact
FROM receipt, {before}, (VALUES {rows}) AS x (stream, version, fact))"""

_TURN: Final = """{name} AS (
INSERT INTO {counters} AS c (counter, turns) SELECT %(c{place})s::text, 1 FROM {before}
ON CONFLICT (counter) DO UPDATE SET turns = c.turns + 1 RETURNING 1)"""

_HELD: Final = """
SELECT coalesce(sum(amount) FILTER (WHERE (until IS NULL OR until > %(at)s) AND key <> %(holder)s), 0),
    coalesce(sum(amount) FILTER (WHERE (until IS NULL OR until > %(at)s) AND key = %(holder)s), 0),
    count(*) FILTER (WHERE until <= %(at)s)
FROM {claims} WHERE counter = %(asked)s
"""

_HOLD: Final = """
INSERT INTO {claims} (counter, key, amount, until) VALUES (%(counter)s, %(key)s, %(amount)s, %(until)s)
ON CONFLICT (counter, key) DO UPDATE SET amount = excluded.amount, until = excluded.until
"""

_FREE: Final = "DELETE FROM {claims} WHERE counter = %(asked)s AND key = %(holder)s"


@final
@attrs.frozen
class Step:
    """What a commit asks of one stream.

    Attributes:
        stream: Which.
        version: The version it must be at.
        texts: The facts to append, as text; none where it is only expected.
        due_at: When time next brings something, in microseconds; ``None`` where nothing is to come.
    """

    stream: StreamId
    version: int
    texts: tuple[str, ...] = ()
    due_at: int | None = None

    @property
    def is_unwritten(self) -> bool:
        """Whether the stream was never written."""
        return not self.version


@final
class AtOnce:
    """The texts over one set of tables."""

    def __init__(self, tables: Tables) -> None:
        """Take the tables."""
        dialect = make_url("postgresql+psycopg://").get_dialect()()
        write = dialect.identifier_preparer.format_table
        named = ("streams", "facts", "receipts", "counters", "claims")
        self._names = {name: write(getattr(tables, name)) for name in named}
        self._text = lru_cache(_SHAPES_LIMIT)(self._write_text)
        self.held: Final = _HELD.format(**self._names)
        """What others hold of a counter, what a key holds of it, and how many claims have ended."""

        self.hold: Final = _HOLD.format(**self._names)
        """Holds for a key."""

        self.free: Final = _FREE.format(**self._names)
        """Frees what a key holds."""

    def takes(self, connection: Connection, steps: Sequence[Step], counters: Collection[CounterId]) -> bool:
        """Say whether one statement is enough, and the tables stand where it looks for them."""
        is_small = len(steps) <= _STEPS_LIMIT and len(counters) <= _COUNTERS_LIMIT
        is_short = sum(len(step.texts) for step in steps) <= _FACTS_LIMIT
        return is_small and is_short and not connection.get_execution_options().get("schema_translate_map")

    def write(
        self, connection: Connection, command: Command, steps: Sequence[Step], counters: Collection[CounterId]
    ) -> Sequence[bool]:
        """Write the receipt, move and guard streams, append facts, and take the turn at counters.

        Args:
            connection: Within a transaction.
            command: Whose receipt it is.
            steps: In order of streams.
            counters: In order of ids.

        Returns:
            Whether the key is new, and for each step whether the version was met; behind the first ``False`` there are only such.
        """
        parameters: dict[str, Any] = {
            "home": command.home,
            "key": command.key,
            "actor": command.actor,
            "fingerprint": json.dumps(dict(command.fingerprint)),
        }
        for place, step in enumerate(steps):
            parameters[f"s{place}"] = step.stream
            if step.version:
                parameters[f"e{place}"] = step.version
            if step.texts:
                parameters[f"d{place}"] = step.due_at
                parameters.update((f"f{place}_{number}", text) for number, text in enumerate(step.texts, 1))
        parameters.update((f"c{place}", counter) for place, counter in enumerate(counters))
        text = self._text(tuple((step.is_unwritten, len(step.texts)) for step in steps), len(counters))
        return [bool(written) for written in connection.exec_driver_sql(text, parameters).one()]

    def _write_text(self, shape: Sequence[tuple[bool, int]], counters: int) -> str:
        """Write the statement for steps, each with whether its stream was never written and how many facts it appends."""
        names = ["receipt", *(f"step{place}" for place in range(len(shape)))]
        parts = [_RECEIPT.format(**self._names)]
        for place, (is_unwritten, facts) in enumerate(shape):
            due_at = f"%(d{place})s::bigint" if facts else "NULL"
            form = _FIRST if is_unwritten else _NEXT if facts else _SHARED
            filled = {"name": names[place + 1], "before": names[place], "place": place, "due_at": due_at, "facts": facts}
            parts.append(form.format(streams=self._names["streams"], **filled))
        if rows := ", ".join(_rows(shape)):
            parts.append(_WRITTEN.format(facts=self._names["facts"], before=names[-1], rows=rows))
        before = names[-1]
        for place in range(counters):
            parts.append(_TURN.format(counters=self._names["counters"], name=f"turn{place}", before=before, place=place))
            before = f"turn{place}"
        counted = ", ".join(map("(SELECT count(*) FROM {})".format, names))
        return f"WITH {', '.join(parts)} SELECT {counted}"


def _rows(shape: Sequence[tuple[bool, int]]) -> Iterator[str]:
    """Write the rows of the facts."""
    for place, (is_unwritten, facts) in enumerate(shape):
        start = "" if is_unwritten else f"%(e{place})s::bigint + "
        for number in range(1, facts + 1):
            yield _FACT.format(place=place, version=f"{start}{number}", number=number)
