"""SQLAlchemy over PostgreSQL and SQLite: transactions, locks, connections that break; the contract is checked by the kit."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias, TypeVar

import pytest
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Integer,
    String,
    create_engine,
    event,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import NullPool, StaticPool
from sqlalchemy.schema import CreateTable

from loyaltycore import Basket, Loyalty, Program
from loyaltycore.errors import ConflictError, DuplicateError, LimitReachedError, OutcomeUnknownError, UsageError
from loyaltycore.facts import Append, Change, Claim, Command, Expect
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.memberships import MemberJoined
from loyaltycore.repositories import (
    Claimed,
    Cursor,
    Enumerable,
    Exportable,
    Forgetting,
    Joining,
    KeptCommit,
    Projecting,
    Snapshot,
    Snapshots,
    SnapshotStream,
    StoredStream,
)
from loyaltycore.store._sql_transactions import _taken
from loyaltycore.store.sqlalchemy import AsyncSQLAlchemyRepository, SQLAlchemyRepository, metadata
from loyaltycore.testing import check_async_repository, check_repository, check_transactions
from tests.cutting import Cutter

AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
LATER, AFTER = datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 1, 2, tzinfo=UTC)
A, B, C = StreamId("member/a"), StreamId("member/b"), StreamId("member/c")
COUNTER = CounterId("coupon/SUMMER")
PROGRAM = Program.parse(
    """
    program = { name = "velo", version = 1, currency = "EUR", zone = "Europe/Paris", starts_on = 2026-01-01 }
    points = { earn = "1 per 1.00", basis = "paid", expires = "12 months", overdraft = "carry" }
    """
)
BASKET = Basket.of("EUR", {"helmet": "79.90"})
EXAMPLES = 5
"""Random histories by the kit: a repository is given in six ways here, and the kit's own tests draw many."""

THREADS = 6
"""Who race in the kit: enough to meet; a test below sends sixteen at one counter."""

Bind: TypeAlias = Connection | Session
T = TypeVar("T")


def command(key: str, *, home: StreamId = A) -> Command:
    """Make a command."""
    return Command.of(home, Key(key), actor="test")


def joined(member_id: str = "a") -> MemberJoined:
    """Make a fact."""
    return MemberJoined(member_id=member_id, at=AT)


def append(version: int = 0, *, stream: StreamId = A, count: int = 1, due_at: datetime | None = None) -> Append:
    """Make an append of some facts."""
    return Append(stream=stream, expected_version=version, facts=[joined()] * count, due_at=due_at)


def claim(key: str, amount: int, *, limit: int | None = 10, until: datetime | None = None, at: datetime = AT) -> Claim:
    """Make a claim on a counter of ten."""
    return Claim(counter=COUNTER, key=Key(key), amount=amount, limit=limit, at=at, until=until)


def version_of(stream: StreamId, repository: SQLAlchemyRepository) -> int:
    """Give the version of a stream."""
    return repository.load([stream])[stream].version


MADE: list[Engine] = []
"""Engines of one test, to be disposed of after it."""


def engine_of(url: URL, **options: Any) -> Engine:  # noqa: ANN401  # an engine takes what its dialect takes
    """Make an engine with a connection for each thread of a test."""
    MADE.append(create_engine(url, pool_size=20, **options))
    return MADE[-1]


@pytest.fixture(autouse=True)
def _disposed() -> Iterator[None]:
    """Close every connection that a test's engines hold."""
    yield
    while MADE:
        MADE.pop().dispose()


def begin_by_hand(engine: Engine) -> Engine:
    """Let SQLite begin when SQLAlchemy does, as SQLAlchemy's own pages advise."""

    @event.listens_for(engine, "connect")
    def leave_it_alone(connection: Any, _: object) -> None:  # noqa: ANN401  # whatever the driver makes
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


@pytest.fixture
def sqlite_url(tmp_path: Path) -> URL:
    """A file for SQLite."""
    return make_url(f"sqlite:///{tmp_path}/shop.db")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> URL:
    """A fresh database of either kind."""
    found: URL = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres")
    return found


@pytest.fixture
def engine(url: URL) -> Engine:
    """An engine on either kind of database, with the tables made."""
    made = engine_of(url)
    if made.dialect.name == "sqlite":
        with made.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    SQLAlchemyRepository(made).create_tables()
    return made


@pytest.fixture
def pg(postgres: URL) -> Engine:
    """An engine on PostgreSQL, with the tables made."""
    made = engine_of(postgres)
    SQLAlchemyRepository(made).create_tables()
    return made


@pytest.fixture
def repository(engine: Engine) -> SQLAlchemyRepository:
    """A repository on either kind of database."""
    return SQLAlchemyRepository(engine)


def asynchronous(url: URL, **options: Any) -> AsyncEngine:  # noqa: ANN401  # an engine takes what its dialect takes
    """Make the asynchronous engine of a database."""
    driver = "sqlite+aiosqlite" if url.get_backend_name() == "sqlite" else "postgresql+psycopg"
    return create_async_engine(url.set(drivername=driver), **options)


def blocked(waiting: Future[T], engine: Engine) -> Future[T]:
    """Wait until a call waits for a lock of PostgreSQL."""
    asked = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")
    deadline = time.monotonic() + 30
    with engine.connect() as connection:
        while not connection.execute(asked).scalar_one():
            assert time.monotonic() < deadline
            assert not waiting.done(), waiting.exception()
            time.sleep(0.01)
            connection.rollback()
    return waiting


class TestContract:
    @pytest.mark.law(38, 39)
    def test_engine_keeps_the_contract(self, engine: Engine) -> None:
        """Every clause, by the kit, each thread with a connection of its own."""
        declared = (Enumerable, Exportable, Snapshots, Projecting, Forgetting)
        check_repository(lambda: SQLAlchemyRepository(engine), capabilities=declared, threads=THREADS, examples=EXAMPLES)

    @pytest.mark.law(38, 39)
    def test_awaited_engine_keeps_the_contract(self, engine: Engine) -> None:
        """Every clause, awaited, each repository with a pool that ends with it."""
        declared = (Enumerable, Exportable, Snapshots, Projecting, Forgetting)

        def make() -> AsyncSQLAlchemyRepository:
            awaited = asynchronous(engine.url, pool_size=20)
            made = AsyncSQLAlchemyRepository(awaited)
            vars(made)["aclose"] = awaited.dispose
            return made

        check_async_repository(make, capabilities=declared, threads=THREADS, examples=EXAMPLES)

    @pytest.mark.law(39)
    @pytest.mark.parametrize("kind", ["connection", "session"])
    def test_callers_transaction_keeps_the_contract(self, kind: str, engine: Engine) -> None:
        """Every clause that one connection can show, inside a transaction that is rolled back at the end."""
        with engine.connect() as connection, Session(connection) as session:
            bind: Bind = connection if kind == "connection" else session
            check_repository(lambda: SQLAlchemyRepository(bind), threads=1, examples=EXAMPLES)
            connection.rollback()
        assert SQLAlchemyRepository(engine).commits(after=None, limit=1) == []

    def test_declares_what_it_can(self, repository: SQLAlchemyRepository) -> None:
        """All that a repository may be able to do."""
        for capability in (Enumerable, Exportable, Snapshots, Projecting, Joining, Forgetting):
            assert isinstance(repository, capability)


class TestBind:
    @pytest.mark.parametrize("bind", [None, "sqlite://", create_async_engine("sqlite+aiosqlite:///x", poolclass=NullPool)])
    def test_synchronous_kinds_are_asked_for(self, bind: Any) -> None:  # noqa: ANN401  # wrong on purpose
        """A URL is no engine, and an asynchronous engine is for the other class."""
        with pytest.raises(UsageError, match=f"one of Engine, Connection, Session, got {type(bind).__name__}"):
            SQLAlchemyRepository(bind)

    def test_asynchronous_kinds_are_asked_for(self, engine: Engine) -> None:
        """A synchronous engine is for the other class."""
        with pytest.raises(UsageError, match="one of AsyncEngine, AsyncConnection, AsyncSession, got Engine"):
            AsyncSQLAlchemyRepository(engine)  # type: ignore[arg-type]  # wrong on purpose

    @pytest.mark.parametrize("name", ["mysql+mysqldb", "postgresql+pg8000"])
    def test_other_databases_and_drivers_are_refused(self, name: str) -> None:
        """What was never tried is not trusted."""
        driver = SimpleNamespace(paramstyle="format", version_info=(2, 0), __version__="2.9.9")
        engine = create_engine(f"{name}://shop@localhost/shop", module=driver)
        for bind in (engine, Session(engine)):
            with pytest.raises(UsageError) as caught:
                SQLAlchemyRepository(bind)
            assert str(caught.value).endswith(f"or SQLite (sqlite, sqlite+aiosqlite), got {name}")

    def test_one_connection_for_all_is_refused(self) -> None:
        """Threads, or tasks, would write into each other's transactions; a session of one thread does not."""
        engine = create_engine("sqlite://", poolclass=StaticPool)
        with pytest.raises(UsageError, match="StaticPool"):
            SQLAlchemyRepository(engine)
        with pytest.raises(UsageError, match="StaticPool"):
            AsyncSQLAlchemyRepository(create_async_engine("sqlite+aiosqlite://", poolclass=StaticPool))
        with Session(engine) as session:
            SQLAlchemyRepository(session).create_tables()
            assert version_of(A, SQLAlchemyRepository(session)) == 0
        engine.dispose()

    @pytest.mark.parametrize("level", ["AUTOCOMMIT", "SERIALIZABLE"])
    def test_engines_level_is_not_relied_on(self, level: str, url: URL) -> None:
        """A commit is all or nothing, whatever the engine does for others."""
        repository = SQLAlchemyRepository(engine_of(url, isolation_level=level))
        repository.create_tables()
        repository.commit(command("first"), [append(), claim("a", 10)])
        with pytest.raises(LimitReachedError):
            repository.commit(command("second"), [append(1), claim("b", 1)])
        assert version_of(A, repository) == 1
        assert repository.receipt(A, Key("second")) is None


class TestTables:
    def test_repository_of_each_request_prepares_nothing_anew(self, engine: Engine) -> None:
        """What SQLAlchemy compiled for the first serves them all, and does not fill the shop's cache."""
        compiled: dict[Any, Any] = {}
        caching = engine.execution_options(compiled_cache=compiled)
        sizes = list[int]()
        for number in range(3):
            with caching.connect() as connection, Session(connection) as session:
                repository = SQLAlchemyRepository(session)
                repository.load([A])
                repository.commit(command(f"{number}"), [append(), claim("a", 1)])
                sizes.append(len(compiled))
        assert sizes[0] == sizes[2] > 0

    def test_metadata_is_what_is_made(self, engine: Engine) -> None:
        """Migrations of the shop's own make the same tables."""
        made = inspect(engine)
        assert sorted(made.get_table_names()) == sorted(metadata().tables)
        for name, table in metadata().tables.items():
            assert [column["name"] for column in made.get_columns(name)] == [column.name for column in table.columns]
            assert made.get_pk_constraint(name)["constrained_columns"] == [column.name for column in table.primary_key]
        indexes = {index["name"] for name in metadata().tables for index in made.get_indexes(name)}
        assert {"loyalty_streams_due", "loyalty_facts_receipt"} <= indexes

    def test_names_are_the_shops_to_choose(self, url: URL) -> None:
        """Two programs live in one database, each under a prefix of its own."""
        engine = engine_of(url)
        one, other = (SQLAlchemyRepository(engine, prefix=prefix) for prefix in ("one_", "other "))
        for repository in (one, other):
            repository.create_tables()
        one.commit(command("k"), [append()])
        assert (version_of(A, one), version_of(A, other)) == (1, 0)
        assert "other facts" in inspect(engine).get_table_names()

    @pytest.mark.parametrize("prefix", ["50% ", "{s} ", '"', "", "%(s0)s "])
    def test_any_prefix_is_a_name(self, prefix: str, url: URL) -> None:
        """Whatever means something to a driver or a formatter in between."""
        repository = SQLAlchemyRepository(engine_of(url), prefix=prefix)
        repository.create_tables()
        repository.commit(command("k"), [append(), append(stream=B), claim("a", 1)])
        repository.commit(command("l"), [append(1), Expect(stream=B, version=1), claim("a", 0), Expect(stream=C, version=0)])
        assert repository.load([A, B]) == {A: StoredStream(2, (joined(),) * 2), B: StoredStream(1, (joined(),))}
        assert repository.claims(after=None, limit=1) == []

    def test_schema_of_a_tenant_is_followed(self, pg: Engine) -> None:
        """An engine that translates schemas leads reads and writes to one place."""
        with pg.begin() as connection:
            connection.execute(text("CREATE SCHEMA tenant"))
        repository = SQLAlchemyRepository(pg.execution_options(schema_translate_map={None: "tenant"}))
        repository.create_tables()
        repository.commit(command("k"), [append(), claim("a", 1)])
        with pytest.raises(DuplicateError):
            repository.commit(command("k"), [])
        assert version_of(A, repository) == 1
        assert version_of(A, SQLAlchemyRepository(pg)) == 0
        assert version_of(A, SQLAlchemyRepository(pg, schema="tenant")) == 1

    def test_schema_is_the_shops_to_choose(self, pg: Engine) -> None:
        """The tables may stand in a schema of their own."""
        with pg.begin() as connection:
            connection.execute(text("CREATE SCHEMA points"))
        repository = SQLAlchemyRepository(pg, schema="points")
        repository.create_tables()
        repository.commit(command("k"), [append(due_at=AT), claim("a", 1)])
        assert version_of(A, repository) == 1
        assert version_of(A, SQLAlchemyRepository(pg)) == 0
        assert "points.loyalty_facts" in metadata(schema="points").tables

    def test_tables_are_made_by_several_at_once(self, url: URL) -> None:
        """Workers of one shop that start together do not meet an error; making again changes nothing."""
        engine = engine_of(url)
        with ThreadPoolExecutor(8) as pool:
            for made in [pool.submit(SQLAlchemyRepository(engine).create_tables) for _ in range(8)]:
                made.result()
        repository = SQLAlchemyRepository(engine)
        repository.commit(command("k"), [append()])
        repository.create_tables()
        assert version_of(A, repository) == 1

    def test_facts_are_readable_rows(self, repository: SQLAlchemyRepository, engine: Engine) -> None:
        """One row a fact, as JSON that any tool reads, with the command that wrote it."""
        repository.commit(command("k"), [append(count=2)])
        asked = "SELECT f.stream, f.version, f.fact, r.actor FROM loyalty_facts f JOIN loyalty_receipts r ON r.number = f.receipt"
        with engine.connect() as connection:
            rows = connection.execute(text(f"{asked} ORDER BY f.version")).all()
        assert [(row.stream, row.version, row.actor) for row in rows] == [(A, 1, "test"), (A, 2, "test")]
        assert json.loads(rows[0].fact) == {"kind": "member.joined", "form": 1, "at": "2026-07-01T12:00:00Z", "member_id": "a"}

    def test_ids_are_compared_by_code_point(self) -> None:
        """Whatever the database's own collation is."""
        made = str(
            CreateTable(metadata().tables["loyalty_claims"]).compile(dialect=make_url("postgresql+psycopg://").get_dialect()())
        )
        assert made.count('TEXT COLLATE "C" NOT NULL') == 2

    def test_ids_are_listed_by_code_point(self, repository: SQLAlchemyRepository) -> None:
        """In pages, among streams of one instant too."""
        names = [StreamId(f"member/{name}") for name in ("B", "a", "é", "🛵", "Z", "_")]
        for name in names:
            repository.commit(command("k", home=name), [append(stream=name, due_at=AT)])
        assert repository.streams("member") == sorted(names)
        listed, after = [], None
        while page := repository.due(before=LATER, after=after, limit=4):
            listed += [due.stream for due in page]
            after = page[-1].cursor
        assert listed == sorted(names)

    def test_instants_are_those_of_the_calendar(self, repository: SQLAlchemyRepository) -> None:
        """The first and the last that a fact may have come back, whatever the zone of the session."""
        ends = datetime(2, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
        for stream, due_at in zip((A, B), ends, strict=True):
            repository.commit(command("k", home=stream), [append(stream=stream, due_at=due_at)])
        found = repository.due(before=datetime.max.replace(tzinfo=UTC), after=None, limit=9)
        assert [(due.stream, due.due_at) for due in found] == [(A, ends[0]), (B, ends[1])]
        assert repository.due(before=ends[1], after=None, limit=9) == found[:1]

    @pytest.mark.parametrize("cursor", ["", "x", "x member/a", "1.5 member/a", "[]", '["a"]', '["a", 1]', "{}"])
    def test_foreign_cursor_is_refused(self, cursor: str, repository: SQLAlchemyRepository) -> None:
        """A cursor comes from an earlier listing."""
        lists: list[Callable[[], object]] = [
            lambda: repository.due(before=AT, after=Cursor(cursor), limit=1),
            lambda: repository.commits(after=Cursor(cursor), limit=1),
            lambda: repository.claims(after=Cursor(cursor), limit=1),
        ]
        for listing in lists:
            with pytest.raises(UsageError, match="a cursor must come from an earlier listing"):
                listing()

    def test_fact_that_cannot_be_stored_sends_nothing(self, repository: SQLAlchemyRepository) -> None:
        """A kind that is not the library's is told before a lock is taken."""
        unknown = SimpleNamespace(kind="own.kind", form=1)
        change = append()
        object.__setattr__(change, "facts", (unknown,))
        with pytest.raises(UsageError, match=r"kind in FACTS, got 'own\.kind'"):
            repository.commit(command("k"), [change])
        assert repository.receipt(A, Key("k")) is None

    def test_missing_tables_are_told(self, url: URL) -> None:
        """An error of the database stays what it is."""
        with pytest.raises(DBAPIError, match="loyalty_receipts"):
            SQLAlchemyRepository(engine_of(url)).commit(command("k"), [append()])


class TestCommit:
    @pytest.mark.parametrize(
        "streams, facts, counters",
        [(0, 0, 0), (1, 1, 0), (6, 3, 6), (7, 1, 0), (1, 21, 1), (2, 1, 7), (0, 0, 1), (40, 2, 40)],
    )
    def test_commit_of_any_size_is_whole(self, streams: int, facts: int, counters: int, repository: SQLAlchemyRepository) -> None:
        """One statement or several: first facts and later ones, what time brings, claims, the receipt."""
        names = [StreamId(f"member/{number}") for number in range(streams)]
        ids = [CounterId(f"coupon/{number}") for number in range(counters)]

        def changes(key: str, version: int, ends: datetime | None) -> list[Change]:
            appends = [append(version, stream=name, count=facts, due_at=ends) for name in names]
            claims = [Claim(counter=counter, key=Key(key), amount=1, limit=2, at=AT, until=ends) for counter in ids]
            return [*reversed(appends), *reversed(claims), Expect(stream=A, version=0)]

        repository.commit(command("first"), changes("first", 0, None))
        repository.commit(command("second"), changes("second", facts, LATER))
        assert repository.load(names) == dict.fromkeys(names, StoredStream(2 * facts, (joined(),) * 2 * facts))
        assert [due.stream for due in repository.due(before=AFTER, after=None, limit=99)] == sorted(names)
        for key in ("first", "second"):
            kept = repository.receipt(A, Key(key))
            assert kept is not None
            assert dict(kept.facts) == dict.fromkeys(names, (joined(),) * facts)
        for at, total in ((AT, 2), (LATER, 1)):
            assert repository.claimed(ids, key=Key("first"), at=at) == dict.fromkeys(ids, Claimed(total=total, mine=1))
        assert repository.streams("member", limit=99) == sorted(names)

    @pytest.mark.parametrize("wrong", range(4))
    @pytest.mark.parametrize("others", [0, 9])
    def test_step_that_is_not_met_leaves_nothing(self, others: int, wrong: int, repository: SQLAlchemyRepository) -> None:
        """Whichever it is of an append, an expectation, and either of what was never written; the stream is named."""
        streams = [StreamId(f"member/{number}") for number in range(4)]
        repository.commit(command("before"), [append(stream=streams[0]), append(stream=streams[2])])
        versions = [1, 0, 1, 0]
        if versions[wrong]:
            repository.commit(command("moves"), [append(1, stream=streams[wrong])])
        else:
            repository.commit(command("begins"), [append(stream=streams[wrong])])
        stored = repository.load(streams)
        asked: list[Change] = [
            append(1, stream=streams[0]),
            append(0, stream=streams[1]),
            Expect(stream=streams[2], version=1),
            Expect(stream=streams[3], version=0),
        ]
        more = [append(stream=StreamId(f"order/{number}")) for number in range(others)]
        with pytest.raises(ConflictError, match=f"'{streams[wrong]}' is not at version {versions[wrong]}"):
            repository.commit(command("late"), [*asked, *more, claim("late", 1)])
        assert repository.load(streams) == stored
        assert repository.receipt(A, Key("late")) is None
        assert repository.streams("order") == []
        assert repository.claimed([COUNTER], key=Key("late"), at=AT)[COUNTER].total == 0
        with pytest.raises(DuplicateError):
            repository.commit(command("before"), [*asked, *more, claim("late", 11)])

    def test_stream_may_be_expected_twice(self, repository: SQLAlchemyRepository) -> None:
        """At one version; two versions cannot both be so."""
        for version in (0, 1):
            repository.commit(command(f"k{version}"), [Expect(stream=B, version=version)] * 2)
            with pytest.raises(ConflictError, match="'member/b'"):
                repository.commit(command("l"), [Expect(stream=B, version=0), Expect(stream=B, version=1)])
            if not version:
                repository.commit(command("m"), [append(stream=B)])

    def test_expectation_and_append_of_one_stream_are_of_one_version(self, repository: SQLAlchemyRepository) -> None:
        """What is expected is what was stored before."""
        repository.commit(command("first"), [Expect(stream=A, version=0), append()])
        with pytest.raises(ConflictError, match="'member/a' is not at version 0"):
            repository.commit(command("second"), [append(1), Expect(stream=A, version=0)])
        with pytest.raises(DuplicateError):
            repository.commit(command("first"), [append(1), Expect(stream=A, version=0)])
        repository.commit(command("second"), [append(1), Expect(stream=A, version=1)])
        assert version_of(A, repository) == 2

    def test_guarded_stream_leaves_no_row(self, repository: SQLAlchemyRepository, engine: Engine) -> None:
        """What was only expected unwritten stays unwritten, in the tables too."""
        repository.commit(command("k"), [append(), Expect(stream=B, version=0), Expect(stream=C, version=0)])
        with engine.connect() as connection:
            assert connection.execute(text("SELECT stream FROM loyalty_streams")).scalars().all() == [A]

    def test_commit_may_change_nothing(self, repository: SQLAlchemyRepository) -> None:
        """Its receipt says that it happened."""
        repository.commit(command("k"), [])
        kept = repository.receipt(A, Key("k"))
        assert kept is not None
        assert (kept.command, dict(kept.facts)) == (command("k"), {})
        with pytest.raises(DuplicateError, match="'k' was committed in 'member/a' before"):
            repository.commit(command("k"), [append()])

    def test_claims_that_ended_are_swept_by_the_next(self, repository: SQLAlchemyRepository, engine: Engine) -> None:
        """A counter does not grow with the reservations that timed out."""
        hour = timedelta(hours=1)
        for number in range(10):
            repository.commit(command(str(number)), [claim(str(number), 1, until=AT + hour)])
        with pytest.raises(LimitReachedError):
            repository.commit(command("early"), [claim("new", 1)])
        both = [claim("new", 4, at=AT + hour), claim("other", 6, at=AT + 2 * hour, until=AT + 3 * hour)]
        repository.commit(command("late"), both)
        assert repository.claimed([COUNTER], key=Key("new"), at=AT + hour) == {COUNTER: Claimed(total=10, mine=4)}
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM loyalty_claims")).scalar_one() == 2

    def test_then_writes_in_the_same_commit(self, repository: SQLAlchemyRepository, engine: Engine) -> None:
        """The shop's own table is kept with the facts, or not at all."""
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE customer (id TEXT PRIMARY KEY, points INTEGER)"))

        def project(connection: Connection) -> None:
            connection.execute(text("INSERT INTO customer VALUES ('a', 79)"))

        repository.commit_then(command("first"), [append()], project)
        with pytest.raises(IntegrityError):
            repository.commit_then(command("second"), [append(1)], project)
        assert version_of(A, repository) == 1
        with engine.connect() as connection:
            assert connection.execute(text("SELECT id, points FROM customer")).all() == [("a", 79)]


class TestJoining:
    @pytest.mark.law(45)
    @pytest.mark.parametrize("by_hand", [False, True])
    @pytest.mark.parametrize("kind", ["connection", "session"])
    def test_callers_rollback_leaves_nothing(self, kind: str, by_hand: bool, engine: Engine) -> None:  # noqa: FBT001  # a parameter
        """No facts, no receipts, no claims, whoever begins in SQLite: the driver, late, or SQLAlchemy's own advice."""
        if by_hand and engine.dialect.name == "sqlite":
            begin_by_hand(engine)
        with engine.connect() as connection, Session(connection) as session:
            bind: Bind = connection if kind == "connection" else session
            repository = SQLAlchemyRepository(bind)
            repository.load([A])
            repository.commit(command("k"), [append(due_at=AT), claim("a", 1)])
            assert repository.in_transaction()
            assert version_of(A, repository) == 1
            assert version_of(A, SQLAlchemyRepository(engine)) == 0
            bind.rollback()
            assert (version_of(A, repository), repository.receipt(A, Key("k"))) == (0, None)
            assert repository.claimed([COUNTER], key=Key("a"), at=AT)[COUNTER].total == 0
            repository.commit(command("k"), [append()])
            bind.commit()
            assert version_of(A, SQLAlchemyRepository(engine)) == 1
            assert not SQLAlchemyRepository(engine).in_transaction()

    @pytest.mark.law(45)
    @pytest.mark.parametrize("kind", ["connection", "session"])
    def test_kit_of_transactions(self, kind: str, engine: Engine) -> None:
        """Connection and session begin by themselves: every commit takes part in the caller's transaction."""
        SQLAlchemyRepository(engine).create_tables()
        with engine.connect() as connection, Session(connection) as session:
            bind: Bind = connection if kind == "connection" else session

            @contextmanager
            def caller(_: SQLAlchemyRepository) -> Iterator[None]:
                bind.rollback()  # reading has begun one
                with bind.begin():
                    yield

            check_transactions(lambda: SQLAlchemyRepository(bind), transaction=caller, always=True)

    @pytest.mark.law(45)
    @pytest.mark.parametrize("kind", ["connection", "session"])
    def test_refusal_leaves_the_callers_work(self, kind: str, engine: Engine) -> None:
        """The transaction goes on after each of our refusals, and keeps what the caller wrote."""
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE customer (id TEXT PRIMARY KEY)"))
        with engine.connect() as connection, Session(connection) as session, connection.begin():
            bind: Bind = connection if kind == "connection" else session
            bind.execute(text("INSERT INTO customer VALUES ('a')"))
            repository = SQLAlchemyRepository(bind)
            repository.commit(command("k"), [append(), claim("a", 10)])
            refusals: list[tuple[str, list[Change]]] = [
                ("k", [append(1)]),
                ("l", [append(2)]),
                ("l", [append(1), claim("b", 1)]),
            ]
            for refused, changes in refusals:
                with pytest.raises((DuplicateError, ConflictError, LimitReachedError)):
                    repository.commit(command(refused), changes)
            bind.execute(text("INSERT INTO customer VALUES ('b')"))
            if kind == "session":
                session.flush()
        with engine.connect() as connection:
            assert connection.execute(text("SELECT id FROM customer ORDER BY id")).scalars().all() == ["a", "b"]
        assert version_of(A, SQLAlchemyRepository(engine)) == 1

    def test_autocommit_has_nothing_to_join(self, engine: Engine) -> None:
        """Where every statement is kept at once there is no transaction; that is said before anything is written."""
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            with pytest.raises(UsageError, match="autocommit mode has no transaction to join"):
                SQLAlchemyRepository(connection).commit(command("k"), [append()])
            assert version_of(A, SQLAlchemyRepository(connection)) == 0

    def test_session_forgets_what_then_left_undone(self, engine: Engine) -> None:
        """Objects that the shop changed beside a commit that fails are not written by its later flush."""
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(Customer(id="a", points=0))
            session.flush()
            repository = SQLAlchemyRepository(session)

            def project(given: Session) -> None:
                given.get_one(Customer, "a").points = 79
                msg = "the shop's own"
                raise LookupError(msg)

            with pytest.raises(LookupError, match="the shop's own"):
                repository.commit_then(command("k"), [append()], project)
            session.commit()
            assert session.scalars(select(Customer.points)).all() == [0]
            assert version_of(A, repository) == 0

    def test_rolling_back_inside_then_is_told(self, engine: Engine) -> None:
        """The transaction is the caller's to end, not the hook's: nothing is kept."""
        repository = SQLAlchemyRepository(engine)
        with pytest.raises(Exception, match="inactive"):
            repository.commit_then(command("k"), [append()], lambda connection: connection.rollback())
        assert version_of(A, repository) == 0

    @pytest.mark.law(45)
    def test_order_and_points_are_one_transaction(self, engine: Engine) -> None:
        """The shop's order row and the loyalty of it are kept together, or not at all."""
        Base.metadata.create_all(engine)
        for is_kept in (False, True):
            with Session(engine) as session:
                shop = Loyalty(PROGRAM, SQLAlchemyRepository(session), clock=lambda: AT)
                session.add(Customer(id="m-42", points=0))
                shop.place(shop.quote(BASKET, member_id="m-42"), order_id="1001")
                if is_kept:
                    session.commit()
            with Session(engine) as session:
                shop = Loyalty(PROGRAM, SQLAlchemyRepository(session), clock=lambda: AT)
                assert len(session.scalars(select(Customer)).all()) == is_kept
                assert shop.overview("m-42").balance.available == (79 if is_kept else 0)


class Base(DeclarativeBase):
    """The shop's own tables."""


class Customer(Base):
    """A customer of the shop, with the points beside."""

    __tablename__ = "customer"

    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    points: Mapped[int] = mapped_column(Integer)


class TestPostgreSQL:
    @pytest.mark.law(38)
    @pytest.mark.parametrize("is_kept", [True, False])
    def test_key_that_is_being_committed_is_waited_for(self, is_kept: bool, pg: Engine) -> None:  # noqa: FBT001  # a parameter
        """It is a duplicate when the other is kept, and the first when the other is rolled back."""
        repository = SQLAlchemyRepository(pg)
        with pg.connect() as connection, ThreadPoolExecutor(1) as pool:
            SQLAlchemyRepository(connection).commit(command("k"), [append()])
            waiting = blocked(pool.submit(repository.commit, command("k"), [append(count=2)]), pg)
            connection.commit() if is_kept else connection.rollback()
            heard = waiting.exception(timeout=30)
        assert isinstance(heard, DuplicateError) if is_kept else heard is None
        assert version_of(A, repository) == (1 if is_kept else 2)

    @pytest.mark.law(38)
    @pytest.mark.parametrize("wrong", [append(0), append(1), Expect(stream=A, version=0), Expect(stream=A, version=1)])
    def test_stream_that_is_being_written_is_waited_for(self, wrong: Change, pg: Engine) -> None:
        """What it is when the other is kept decides, for an append and for an expectation."""
        repository = SQLAlchemyRepository(pg)
        found = wrong.expected_version if isinstance(wrong, Append) else wrong.version  # type: ignore[union-attr]  # no claims here
        if found:
            repository.commit(command("before"), [append()])
        for is_kept in (False, True):
            with pg.connect() as connection, ThreadPoolExecutor(1) as pool:
                SQLAlchemyRepository(connection).commit(command("first"), [append(found)])
                other = append(stream=B) if is_kept else append(stream=C)
                name = f"second {is_kept}"
                if isinstance(wrong, Append) and not is_kept:
                    wrong_now: list[Change] = [Expect(stream=A, version=found), other]
                else:
                    wrong_now = [wrong, other]
                waiting = blocked(pool.submit(repository.commit, command(name), wrong_now), pg)
                connection.commit() if is_kept else connection.rollback()
                heard = waiting.exception(timeout=30)
            assert isinstance(heard, ConflictError) if is_kept else heard is None
        assert version_of(B, repository) == 0

    @pytest.mark.law(38)
    @pytest.mark.parametrize("by_key", [False, True])
    @pytest.mark.parametrize("moved", [append(1, stream=B), Expect(stream=B, version=1)])
    def test_stream_that_moved_while_another_was_waited_for(self, moved: Change, by_key: bool, pg: Engine) -> None:  # noqa: FBT001  # a parameter
        """What it is when its turn comes decides, not what it was when the statement began."""
        repository = SQLAlchemyRepository(pg)
        repository.commit(command("before"), [append(stream=B)])
        with pg.connect() as connection, ThreadPoolExecutor(1) as pool:
            SQLAlchemyRepository(connection).commit(command("k" if by_key else "first"), [append()])
            waiting = blocked(pool.submit(repository.commit, command("k"), [append(), moved, claim("a", 1)]), pg)
            repository.commit(command("meanwhile"), [append(1, stream=B)])
            connection.rollback()
            with pytest.raises(ConflictError, match="'member/b' is not at version 1"):
                waiting.result(timeout=30)
        assert repository.load([A, B]) == {A: StoredStream(), B: StoredStream(2, (joined(),) * 2)}
        assert repository.claims(after=None, limit=1) == []

    @pytest.mark.law(32)
    def test_claim_that_waited_for_its_turn_sees_the_one_before(self, pg: Engine) -> None:
        """The room is looked at when the counter is held, not when the commit began."""
        repository = SQLAlchemyRepository(pg)
        for is_kept in (False, True):
            with pg.connect() as connection, ThreadPoolExecutor(1) as pool:
                SQLAlchemyRepository(connection).commit(command(f"first {is_kept}"), [claim("a", 6)])
                waiting = blocked(pool.submit(repository.commit, command(f"second {is_kept}"), [claim("b", 5)]), pg)
                connection.commit() if is_kept else connection.rollback()
                heard = waiting.exception(timeout=30)
            assert isinstance(heard, LimitReachedError) if is_kept else heard is None
            repository.commit(command(f"frees {is_kept}"), [claim("b", 0)])
        assert repository.claimed([COUNTER], key=Key("a"), at=AT)[COUNTER] == Claimed(total=6, mine=6)

    @pytest.mark.law(38)
    @pytest.mark.parametrize("more", [0, 5])
    def test_streams_and_counters_in_any_order_do_not_deadlock(self, more: int, pg: Engine) -> None:
        """Commits of one statement, and of several beside them, take their locks in one order."""
        repository = SQLAlchemyRepository(pg)
        counters = [CounterId(f"coupon/{number}") for number in range(3)]

        def attempt(number: int) -> str:
            turn = 1 if number % 2 else -1
            stored = repository.load([A, B, C])
            others = range(more if number % 3 else 0)
            changes: list[Change] = [
                *(append(stored[stream].version, stream=stream) for stream in [A, B, C][::turn]),
                *(append(stream=StreamId(f"order/{number}/{other}")) for other in others),
                *(Claim(counter=one, key=Key(f"{number}"), amount=1, limit=None, at=AT, until=None) for one in counters[::turn]),
            ]
            try:
                repository.commit(command(f"k{number}", home=StreamId(f"order/{number}")), changes)
            except ConflictError as error:
                return str(error)
            return ""

        with ThreadPoolExecutor(8) as pool:
            heard = list(pool.map(attempt, range(64)))
        assert not [message for message in heard if "deadlock" in message]
        assert version_of(A, repository) == heard.count("") >= 1

    def test_commit_is_one_statement(self, pg: Engine) -> None:
        """And two more for each counter; only what is out of the ordinary takes others."""
        asked = list[str]()
        event.listen(pg, "before_cursor_execute", lambda *arguments: asked.append(arguments[2]))
        repository = SQLAlchemyRepository(pg)
        repository.commit(command("1"), [append(count=3), append(stream=B)])
        repository.commit(command("2"), [append(3), Expect(stream=B, version=1)])
        assert len(asked) == 2
        repository.commit(command("3"), [append(4, due_at=AT), claim("a", 1)])
        repository.commit(command("4"), [claim("a", 0)])
        assert len(asked) == 2 + 3 + 3

    def test_expected_stream_cannot_be_written_meanwhile(self, pg: Engine) -> None:
        """One that was never written neither."""
        repository = SQLAlchemyRepository(pg)
        for version in (0, 1):
            with pg.connect() as connection, ThreadPoolExecutor(1) as pool:
                SQLAlchemyRepository(connection).commit(command(f"expects {version}"), [Expect(stream=A, version=version)])
                waiting = blocked(pool.submit(repository.commit, command(f"k{version}"), [append(version)]), pg)
                connection.commit()
                waiting.result(timeout=30)
        assert version_of(A, repository) == 2

    def test_two_that_expect_the_same_do_not_wait(self, pg: Engine) -> None:
        """Reading is shared."""
        SQLAlchemyRepository(pg).commit(command("k"), [append()])
        with pg.connect() as one, pg.connect() as other:
            for number, connection in enumerate((one, other)):
                connection.execute(text("SET LOCAL lock_timeout = '1s'"))
                SQLAlchemyRepository(connection).commit(command(f"reads {number}"), [Expect(stream=A, version=1)])

    def test_deadlock_of_two_callers_is_a_conflict(self, pg: Engine) -> None:
        """Transactions that hold several commits may lock in any order: one of them is told, and can go on."""

        def finish(connection: Connection, change: Append) -> ConflictError | None:
            try:
                SQLAlchemyRepository(connection).commit(command(f"then {change.stream}"), [change])
            except ConflictError as error:
                connection.rollback()
                return error
            connection.commit()
            return None

        with pg.connect() as one, pg.connect() as other, ThreadPoolExecutor(2) as pool:
            SQLAlchemyRepository(one).commit(command("a", home=A), [append(stream=A)])
            SQLAlchemyRepository(other).commit(command("b", home=B), [append(stream=B)])
            first = blocked(pool.submit(finish, one, append(stream=B)), pg)
            second = pool.submit(finish, other, append(stream=A))
            heard = [first.result(timeout=60), second.result(timeout=60)]
        (conflict,) = [error for error in heard if error is not None]
        assert "deadlock detected" in str(conflict)

    def test_lock_that_takes_too_long_is_a_conflict(self, pg: Engine) -> None:
        """Where the shop says how long is too long."""
        with pg.connect() as one, pg.connect() as other:
            SQLAlchemyRepository(one).commit(command("first"), [append()])
            other.execute(text("SET LOCAL lock_timeout = '50ms'"))
            with pytest.raises(ConflictError, match="lock timeout"):
                SQLAlchemyRepository(other).commit(command("second"), [append()])

    @pytest.mark.law(32)
    @pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
    def test_older_view_of_the_caller_is_a_conflict(self, level: str, pg: Engine) -> None:
        """In a transaction that looks at an older state neither a version nor a cap is passed unseen."""
        repository = SQLAlchemyRepository(pg)
        repository.commit(command("before"), [append(), claim("a", 9)])
        caller = pg.execution_options(isolation_level=level)
        with caller.connect() as connection:
            older = SQLAlchemyRepository(connection)
            older.load([A])
            repository.commit(command("meanwhile"), [append(1), claim("b", 1)])
            refused: list[list[Change]] = [[append(1)], [Expect(stream=A, version=1)], [claim("c", 1)]]
            for number, changes in enumerate(refused):
                with pytest.raises(ConflictError, match="concurrent update"):
                    older.commit(command(f"late {number}"), changes)

    def test_snapshot_waits_for_a_renaming(self, pg: Engine) -> None:
        """A state kept for a stream that goes is gone with it."""
        repository = SQLAlchemyRepository(pg)
        repository.commit(command("k"), [append()])
        with pg.connect() as connection, ThreadPoolExecutor(1) as pool:
            SQLAlchemyRepository(connection).rename(A, B, facts={})
            waiting = blocked(pool.submit(repository.keep_snapshot, A, Snapshot(form="f", version=1, text="state")), pg)
            connection.commit()
            waiting.result(timeout=30)
        assert repository.load_tails([A], form="f") == {A: SnapshotStream()}

    @pytest.mark.law(32)
    def test_hot_counter_gives_exactly_its_limit(self, pg: Engine) -> None:
        """Sixteen threads at one counter, with two streams in either order: no deadlock, no claim too many."""
        repository = SQLAlchemyRepository(pg)

        def attempt(number: int) -> bool:
            home = StreamId(f"order/{number}")
            streams = [StreamId(f"member/{number}"), home][:: 1 if number % 2 else -1]
            changes: list[Change] = [*(append(stream=stream) for stream in streams), claim(str(number), 1)]
            try:
                repository.commit(command("place", home=home), changes)
            except LimitReachedError:
                return False
            return True

        with ThreadPoolExecutor(16) as pool:
            won = sum(pool.map(attempt, range(64)))
        assert won == 10
        assert repository.claimed([COUNTER], key=Key("x"), at=AT)[COUNTER].total == 10
        assert len(repository.streams("order")) == 10


class TestBrokenConnections:
    def test_cut_before_commit_was_sent_is_unknown_to_the_driver(self, pg: Engine) -> None:
        """A server that ended the connection after the last write: COMMIT meets a broken connection."""
        repository = SQLAlchemyRepository(pg)

        def end(connection: Connection) -> None:
            process = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with pg.connect() as other:
                other.execute(text("SELECT pg_terminate_backend(:process, 5000)"), {"process": process})

        with pytest.raises(OutcomeUnknownError, match="broke while the commit was under way"):
            repository.commit_then(command("k"), [append()], end)
        assert repository.receipt(A, Key("k")) is None
        repository.commit(command("k"), [append()])
        assert version_of(A, repository) == 1

    def test_cut_before_the_end_is_the_drivers_error(self, pg: Engine) -> None:
        """Where a statement before COMMIT met the broken connection nothing was written, and that is known."""
        repository = SQLAlchemyRepository(pg)
        with pytest.raises(OperationalError, match="terminating connection"):
            repository.commit_then(
                command("k"),
                [append()],
                lambda connection: connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())")),
            )
        assert repository.receipt(A, Key("k")) is None

    @pytest.mark.parametrize("is_sent", [True, False])
    def test_same_call_again_settles_it(self, is_sent: bool, pg: Engine) -> None:  # noqa: FBT001  # a parameter
        """The socket is cut as COMMIT is sent, and just after: the service answers unknown, then what is so, and once."""
        with Cutter(Path(str(pg.url.query["host"]))) as cutter:
            through = create_engine(pg.url.update_query_dict({"host": str(cutter.folder)}))
            shop = Loyalty(PROGRAM, SQLAlchemyRepository(through), clock=lambda: AT)
            quote = shop.quote(BASKET, member_id="m-42")
            cutter.cut_at(b"COMMIT\0", is_sent=is_sent)
            with pytest.raises(OutcomeUnknownError):
                shop.place(quote, order_id="1001")
            assert cutter.cuts == 1
            shop.place(quote, order_id="1001")
            assert shop.overview("m-42").balance.available == 79
            assert SQLAlchemyRepository(pg).streams("order") == ["order/1001"]
            through.dispose()

    def test_commit_that_the_server_refuses_is_no_question(self, pg: Engine) -> None:
        """A constraint that is looked at last: the server says no, and has rolled back."""
        with pg.begin() as connection:
            connection.execute(text("CREATE TABLE a (id INTEGER PRIMARY KEY)"))
            connection.execute(text("CREATE TABLE b (id INTEGER REFERENCES a DEFERRABLE INITIALLY DEFERRED)"))
        repository = SQLAlchemyRepository(pg)
        with pytest.raises(IntegrityError, match="violates foreign key"):
            repository.commit_then(
                command("k"), [append()], lambda connection: connection.execute(text("INSERT INTO b VALUES (1)"))
            )
        assert repository.receipt(A, Key("k")) is None

    @pytest.mark.parametrize(
        "code, heard",
        [
            (sqlite3.SQLITE_IOERR, OutcomeUnknownError),
            (sqlite3.SQLITE_IOERR_FSYNC, OutcomeUnknownError),
            (sqlite3.SQLITE_BUSY, ConflictError),
            (sqlite3.SQLITE_LOCKED_SHAREDCACHE, ConflictError),
            (sqlite3.SQLITE_FULL, OperationalError),
        ],
    )
    def test_what_sqlite_says_at_commit(self, code: int, heard: type[Exception], sqlite_url: URL) -> None:
        """A disk that failed leaves it open; a busy database and a full disk do not."""
        engine = engine_of(sqlite_url)
        repository = SQLAlchemyRepository(engine)
        repository.create_tables()

        @event.listens_for(engine, "commit")
        def fail(_: Connection) -> None:
            error = sqlite3.OperationalError("as told")
            error.sqlite_errorcode = code
            raise OperationalError(None, None, error)

        with pytest.raises(heard, match="as told"):
            repository.commit(command("k"), [append()])
        event.remove(engine, "commit", fail)
        assert version_of(A, repository) == 0

    @pytest.mark.parametrize(
        "state, heard",
        [
            (None, OutcomeUnknownError),
            ("08006", OutcomeUnknownError),
            ("57P01", OutcomeUnknownError),
            ("40001", ConflictError),
            ("23503", OperationalError),
            ("57014", OperationalError),
        ],
    )
    def test_what_postgresql_says_at_commit(self, state: str | None, heard: type[Exception], pg: Engine) -> None:
        """A server that answers has rolled back; one that goes away may have kept it."""

        class StateError(Exception):
            sqlstate = state

        @event.listens_for(pg, "commit")
        def fail(_: Connection) -> None:
            raise OperationalError(None, None, StateError("as told"))

        with pytest.raises(heard, match="as told"):
            SQLAlchemyRepository(pg).commit(command("k"), [append()])

    def test_busy_sqlite_is_a_conflict(self, sqlite_url: URL) -> None:
        """A writer that never ends, and a reader that stands in the way of COMMIT, where no log is written ahead."""
        engine = engine_of(sqlite_url, connect_args={"timeout": 0.05})
        repository = SQLAlchemyRepository(engine)
        repository.create_tables()
        other = sqlite3.connect(str(sqlite_url.database), isolation_level=None)
        for statement in ("BEGIN IMMEDIATE", "BEGIN"):
            other.execute(statement)
            other.execute("SELECT count(*) FROM loyalty_facts").fetchall()
            with pytest.raises(ConflictError, match="locked"):
                repository.commit(command("k"), [append()])
            other.execute("ROLLBACK")
        repository.commit(command("k"), [append()])
        assert version_of(A, repository) == 1
        other.close()

    def test_callers_savepoint_ends_with_the_connection(self, pg: Engine) -> None:
        """Inside the caller's transaction a broken connection is no question: all of it is gone."""
        with pg.connect() as connection:
            with pytest.raises(OperationalError):
                SQLAlchemyRepository(connection).commit_then(
                    command("k"), [append()], lambda given: given.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
                )
            with suppress(DBAPIError):
                connection.rollback()
        assert version_of(A, SQLAlchemyRepository(pg)) == 0


class TestListing:
    def test_commits_are_listed_as_they_were_made(self, repository: SQLAlchemyRepository) -> None:
        """In pages; what is due is said where it still is, and a commit that appended nothing is there too."""
        repository.commit(command("1"), [append(count=2, due_at=AT), append(stream=B, due_at=AT)])
        repository.commit(command("2"), [append(2)])
        repository.commit(command("3", home=B), [claim("a", 1)])
        listed, after = list[KeptCommit](), None
        while page := repository.commits(after=after, limit=2):
            assert len(page) <= 2
            listed += page
            after = page[-1].cursor
        assert [kept.command for kept in listed] == [command("1"), command("2"), command("3", home=B)]
        assert listed[0].appends == (append(count=2), append(stream=B, due_at=AT))
        assert [kept.appends for kept in listed[1:]] == [(append(2),), ()]

    def test_claims_are_listed_by_counter_and_key(self, repository: SQLAlchemyRepository) -> None:
        """In pages, with their ends."""
        for key, until in (("b", None), ("a", LATER), ("c", None)):
            repository.commit(command(key), [claim(key, 2, until=until)])
        repository.commit(command("free"), [claim("c", 0)])
        (first,) = repository.claims(after=None, limit=1)
        (second,) = repository.claims(after=first.cursor, limit=9)
        assert [(one.key, one.amount, one.until) for one in (first, second)] == [("a", 2, LATER), ("b", 2, None)]
        assert repository.claims(after=second.cursor, limit=9) == []


class TestSnapshots:
    def test_tail_is_what_came_after(self, repository: SQLAlchemyRepository) -> None:
        """With the snapshot of the form asked for, and with all facts in another form."""
        repository.commit(command("1"), [append(count=3)])
        kept = Snapshot(form="f", version=2, text='{"two": "🛵 \\u0000"}')
        repository.keep_snapshot(A, kept)
        assert repository.load_tails([A, B], form="f") == {
            A: SnapshotStream(version=3, snapshot=kept, facts=(joined(),)),
            B: SnapshotStream(),
        }
        assert repository.load_tails([A], form="g") == {A: SnapshotStream(version=3, facts=(joined(),) * 3)}

    def test_later_one_is_kept(self, repository: SQLAlchemyRepository) -> None:
        """An older one replaces nothing, one of another form does; one of facts that are not there is not kept."""
        repository.commit(command("1"), [append(count=3)])
        for version, form in ((3, "f"), (2, "f"), (3, "g"), (4, "g")):
            repository.keep_snapshot(A, Snapshot(form=form, version=version, text=f"{version}"))
        repository.keep_snapshot(B, Snapshot(form="g", version=1, text="never written"))
        found = repository.load_tails([A, B], form="g")
        assert found == {A: SnapshotStream(version=3, snapshot=Snapshot(form="g", version=3, text="3")), B: SnapshotStream()}

    def test_one_that_met_a_writer_is_lost(self, sqlite_url: URL) -> None:
        """And nobody is told."""
        engine = engine_of(sqlite_url, connect_args={"timeout": 0.05})
        repository = SQLAlchemyRepository(engine)
        repository.create_tables()
        repository.commit(command("1"), [append()])
        other = sqlite3.connect(str(sqlite_url.database), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        repository.keep_snapshot(A, Snapshot(form="f", version=1, text="state"))
        awaited = AsyncSQLAlchemyRepository(asynchronous(sqlite_url.update_query_dict({"timeout": "0.05"}), poolclass=NullPool))
        asyncio.run(awaited.keep_snapshot(A, Snapshot(form="f", version=1, text="state")))
        other.close()
        assert repository.load_tails([A], form="f")[A].snapshot is None


class TestForgetting:
    def test_renamed_stream_is_as_if_it_had_always_been(self, repository: SQLAlchemyRepository) -> None:
        """Facts, receipts of every home, actors, what is due and claims go along; the old one was never written."""
        by_member = Command.of(B, Key("gives"), actor="a")
        repository.commit(
            command("1"), [append(count=2), Claim(counter=COUNTER, key=Key(A), amount=3, limit=None, at=AT, until=None)]
        )
        repository.commit(by_member, [append(2, due_at=AT), append(stream=B)])
        for stream in (A, B):
            repository.keep_snapshot(stream, Snapshot(form="f", version=1, text="state"))
        facts = {C: [joined("c")] * 3, B: [joined("c")]}
        repository.rename(A, C, facts=facts)
        assert repository.load([A, B, C]) == {
            A: StoredStream(),
            B: StoredStream(1, (joined("c"),)),
            C: StoredStream(3, (joined("c"),) * 3),
        }
        assert repository.receipt(A, Key("1")) is None
        given = repository.receipt(B, Key("gives"))
        assert given is not None
        assert (given.command.actor, dict(given.facts)) == ("c", {B: (joined("c"),), C: (joined("c"),)})
        assert [due.stream for due in repository.due(before=LATER, after=None, limit=9)] == [C]
        assert repository.claimed([COUNTER], key=Key(C), at=AT)[COUNTER] == Claimed(total=3, mine=3)
        assert all(tail.snapshot is None for tail in repository.load_tails([A, B, C], form="f").values())
        assert repository.streams("member") == [B, C]
        repository.commit(command("again"), [append()])

    @pytest.mark.parametrize("facts", [{C: 1}, {C: 3}, {B: 2}, {A: 2}])
    def test_other_number_of_facts_is_a_conflict(self, facts: dict[StreamId, int], repository: SQLAlchemyRepository) -> None:
        """Nothing is renamed then."""
        repository.commit(command("1"), [append(count=2), append(stream=B)])
        with pytest.raises(ConflictError, match="facts, not"):
            repository.rename(A, C, facts={stream: [joined("c")] * count for stream, count in facts.items()})
        assert (version_of(A, repository), version_of(C, repository)) == (2, 0)
        assert repository.streams("member") == [A, B]

    @pytest.mark.parametrize("taken", [[append(stream=C)], [claim(C, 1)]], ids=["facts", "claims"])
    def test_name_that_is_taken_is_a_conflict(self, taken: list[Change], repository: SQLAlchemyRepository) -> None:
        """By facts, by a receipt or by a claim."""
        repository.commit(command("1"), [append()])
        repository.commit(command("other"), taken)
        with pytest.raises(ConflictError, match="'member/c' is not empty"):
            repository.rename(A, C, facts={})
        repository.commit(command("k", home=B), [])
        with pytest.raises(ConflictError, match="'member/b' is not empty"):
            repository.rename(A, B, facts={})

    def test_stream_that_was_never_written_gives_its_receipts(self, repository: SQLAlchemyRepository) -> None:
        """A member who only ever was a home leaves no trace either."""
        repository.commit(command("k"), [append(stream=B)])
        repository.rename(A, C, facts={})
        assert repository.receipt(A, Key("k")) is None
        assert repository.receipt(C, Key("k")) is not None


class TestCancelled:
    def test_a_connection_that_comes_late_is_given_back(self) -> None:
        """Whoever asked has gone: it is closed as soon as it is there, and one that never comes is no error of anybody's."""
        closed = list[str]()

        class Late:
            async def close(self) -> None:
                closed.append("closed")

        async def cut_off(error: Exception | None) -> None:
            coming: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            engine: Any = SimpleNamespace(connect=lambda: coming)

            async def ask() -> None:
                async with _taken(engine):
                    raise AssertionError

            asking = asyncio.ensure_future(ask())
            await asyncio.sleep(0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            coming.set_result(Late()) if error is None else coming.set_exception(error)
            while left := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(left)

        asyncio.run(cut_off(None))
        assert closed == ["closed"]
        asyncio.run(cut_off(ConnectionRefusedError()))
        assert closed == ["closed"]


class TestAwaited:
    def run(self, url: URL, work: Callable[[AsyncEngine], Awaitable[None]]) -> None:
        """Run something with an asynchronous engine."""

        async def main() -> None:
            engine = asynchronous(url)
            await AsyncSQLAlchemyRepository(engine).create_tables()
            await work(engine)
            await engine.dispose()

        asyncio.run(main())

    def test_then_is_awaited(self, url: URL) -> None:
        """What it writes is kept with the commit; what it raises comes out, and nothing is kept."""

        async def work(engine: AsyncEngine) -> None:
            repository = AsyncSQLAlchemyRepository(engine)

            async def project(connection: AsyncConnection) -> None:
                await connection.execute(text("CREATE TABLE customer (id TEXT)"))

            async def fail(_: AsyncConnection) -> None:
                await asyncio.sleep(0)
                msg = "the shop's own"
                raise LookupError(msg)

            await repository.commit_then(command("1"), [append()], project)
            with pytest.raises(LookupError, match="the shop's own"):
                await repository.commit_then(command("2"), [append(1)], fail)
            assert (await repository.load([A]))[A].version == 1
            async with engine.connect() as connection:
                assert (await connection.execute(text("SELECT count(*) FROM customer"))).scalar_one() == 0
            assert not repository.in_transaction()

        self.run(url, work)

    @pytest.mark.law(45)
    def test_callers_transaction_is_joined(self, url: URL) -> None:
        """Connection and session; calls that overlap take turns, a refusal leaves the rest, the rollback leaves nothing."""

        async def work(engine: AsyncEngine) -> None:
            async with engine.connect() as connection, AsyncSession(engine) as session:
                for bind in (connection, session):
                    repository = AsyncSQLAlchemyRepository(bind)
                    assert repository.in_transaction()
                    calls = [repository.commit(command("k", home=s), [append(stream=s)]) for s in (A, B, C)]
                    await asyncio.gather(*calls)
                    with pytest.raises(DuplicateError):
                        await repository.commit(command("k"), [append(1)])
                    given = list[object]()

                    async def project(through: object, given: list[object] = given) -> None:
                        await asyncio.sleep(0)
                        given.append(through)

                    await repository.commit_then(command("l"), [append(1)], project)
                    assert given == [bind]
                    assert await repository.streams("member") == [A, B, C]
                    await bind.rollback()
                    assert await repository.streams("member") == []
                    await bind.rollback()

        self.run(url, work)

    def test_cancelled_commit_leaves_nothing(self, url: URL) -> None:
        """A request that is given up before COMMIT: the connection goes back clean."""

        async def work(engine: AsyncEngine) -> None:
            repository = AsyncSQLAlchemyRepository(engine)
            begun = asyncio.Event()

            async def wait(_: AsyncConnection) -> None:
                begun.set()
                await asyncio.sleep(60)

            task = asyncio.ensure_future(repository.commit_then(command("1"), [append()], wait))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await repository.receipt(A, Key("1")) is None
            await repository.commit(command("1"), [append()])
            assert len(await repository.commits(after=None, limit=9)) == 1
            assert await repository.due(before=LATER, after=None, limit=9) == []

        self.run(url, work)
