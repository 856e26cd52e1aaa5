"""What a commit to PostgreSQL costs, beside the raw statements of the same transaction through the same driver."""

from __future__ import annotations

import atexit
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import count

import psycopg
from sqlalchemy import create_engine

from benchmarks._harness import Pair, bench
from loyaltycore.codec import fact_text
from loyaltycore.facts import Append, Claim, Command
from loyaltycore.identity import CounterId, Key, member_stream
from loyaltycore.memberships import MemberJoined
from loyaltycore.store.sqlalchemy import SQLAlchemyRepository
from tests.postgres import POSTGRES_ABSENT, binaries, running

AT = datetime(2026, 7, 1, 10, tzinfo=UTC)
PROGRAMS = binaries()
RUNNING = ExitStack()
"""The server and its connections, until the process ends."""

atexit.register(RUNNING.close)

ADD_RECEIPT = (
    "INSERT INTO loyalty_receipts (home, key, actor, fingerprint) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING number"
)
ADD_STREAM = "INSERT INTO loyalty_streams (stream, version, due_at) VALUES (%s, 1, NULL) ON CONFLICT DO NOTHING"
ADD_FACT = "INSERT INTO loyalty_facts (stream, version, receipt, fact) VALUES (%s, 1, %s, %s)"
TAKE_TURN = (
    "INSERT INTO loyalty_counters AS c (counter, turns) VALUES (%s, 1) ON CONFLICT (counter) DO UPDATE SET turns = c.turns + 1"
)
SUM = "SELECT coalesce(sum(amount), 0) FROM loyalty_claims WHERE counter = %s AND (until IS NULL OR until > %s)"
HOLD = (
    "INSERT INTO loyalty_claims (counter, key, amount, until) VALUES (%s, %s, 1, NULL)"
    " ON CONFLICT (counter, key) DO UPDATE SET amount = excluded.amount, until = excluded.until"
)


def commit() -> Pair:
    """Append one fact to a new stream, with its receipt, synced to disk."""
    return pair(claims=False)


def commit_with_a_claim() -> Pair:
    """The same, with a claim on a counter of its own."""
    return pair(claims=True)


def pair(*, claims: bool) -> Pair:
    """Prepare both sides on two databases of one server."""
    assert PROGRAMS is not None  # neither is registered without
    cluster = RUNNING.enter_context(running(PROGRAMS))
    engine = create_engine(cluster.url(cluster.database()))
    RUNNING.callback(engine.dispose)
    repository = SQLAlchemyRepository(engine)
    repository.create_tables()
    bare_name = cluster.database()
    bare_engine = create_engine(cluster.url(bare_name))
    SQLAlchemyRepository(bare_engine).create_tables()
    bare_engine.dispose()
    raw = RUNNING.enter_context(psycopg.connect(cluster.dsn(bare_name)))
    ours_ids, raw_ids = count(), count()

    def ours() -> None:
        member_id = f"m-{next(ours_ids)}"
        stream = member_stream(member_id)
        append = Append(stream=stream, expected_version=0, facts=[MemberJoined(member_id=member_id, at=AT)])
        claim = Claim(counter=CounterId(member_id), key=Key(member_id), amount=1, limit=10, at=AT, until=None)
        repository.commit(Command.of(stream, Key("join"), actor="shop"), [append, claim] if claims else [append])

    text = fact_text(MemberJoined(member_id="m-0", at=AT))

    def bare() -> None:
        stream = f"member/m-{next(raw_ids)}"
        with raw.transaction():
            row = raw.execute(ADD_RECEIPT, (stream, "join", "shop", "{}")).fetchone()
            assert row is not None  # the key is new
            raw.execute(ADD_STREAM, (stream,))
            raw.execute(ADD_FACT, (stream, row[0], text))
            if claims:
                raw.execute(TAKE_TURN, (stream,))
                raw.execute(SUM, (stream, 0)).fetchone()
                raw.execute(HOLD, (stream, stream))

    return Pair(ours, bare)


if PROGRAMS is None:
    print(f"WARNING: {POSTGRES_ABSENT}: store.postgres.commit is passed over", file=sys.stderr)
else:
    AGAINST = "the raw psycopg statements of the same transaction"
    bench("store.postgres.commit", unit="µs", against=AGAINST)(commit)
    bench("store.postgres.commit, with a claim", unit="µs", against=AGAINST)(commit_with_a_claim)
