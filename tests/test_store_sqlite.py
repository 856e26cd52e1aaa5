"""SQLite: files, threads, processes that die, and the caller's own transaction; the contract is checked by the kit."""

from __future__ import annotations

import gc
import json
import multiprocessing
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loyaltycore import Basket, Loyalty, Program, RefusedError
from loyaltycore.errors import ConflictError, CorruptStateError, DuplicateError, LimitReachedError, UsageError
from loyaltycore.facts import Append, Claim, Command, Expect
from loyaltycore.identity import CounterId, Key, StreamId, member_stream, order_stream
from loyaltycore.memberships import MemberJoined
from loyaltycore.repositories import Cursor, Enumerable, StoredStream
from loyaltycore.store import sqlite
from loyaltycore.store.sqlite import SQLiteRepository
from loyaltycore.testing import check_repository

AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
MEMBER = StreamId("member/m")
COUNTER = CounterId("coupon/SUMMER")
PROGRAM = Program.parse(
    """
    program = { name = "velo", version = 1, currency = "EUR", zone = "Europe/Paris", starts_on = 2026-01-01 }
    points = { earn = "1 per 1.00", basis = "paid", expires = "12 months", overdraft = "carry" }
    """
)
BASKET = Basket.of("EUR", {"helmet": "79.90"})


def command(key: str) -> Command:
    """Make a command of a member."""
    return Command.of(MEMBER, Key(key), actor="test")


def append(version: int, *, stream: StreamId = MEMBER, count: int = 1) -> Append:
    """Make an append of some facts."""
    return Append(stream=stream, expected_version=version, facts=[MemberJoined(member_id="m", at=AT)] * count)


def claim(key: str, amount: int, *, limit: int | None = 10) -> Claim:
    """Make a claim on a counter of ten."""
    return Claim(counter=COUNTER, key=Key(key), amount=amount, limit=limit, at=AT, until=None)


def version_in(repository: SQLiteRepository, stream: StreamId = MEMBER) -> int:
    """Give the version of a stream."""
    return repository.load([stream])[stream].version


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / "loyalty.db"


@pytest.fixture
def repository(path: Path) -> Iterator[SQLiteRepository]:
    """A store in a file of its own."""
    with SQLiteRepository(path) as made:
        yield made


def run(code: str, *args: object) -> subprocess.Popen[str]:
    """Start another process on the same file."""
    return subprocess.Popen([sys.executable, "-u", "-c", code, *map(str, args)], stdout=subprocess.PIPE, text=True)


class TestFile:
    @pytest.mark.law(38, 39)
    def test_keeps_the_contract(self, path: Path) -> None:
        """Every clause, by the kit, with a connection for each thread."""
        check_repository(lambda: SQLiteRepository(path))

    def test_lists_its_streams(self, repository: SQLiteRepository) -> None:
        """It can be exported."""
        assert isinstance(repository, Enumerable)

    def test_reopened_file_holds_everything(self, path: Path) -> None:
        """Streams, receipts, claims and what is due survive closing."""
        with SQLiteRepository(str(path)) as first:
            due = Append(stream=MEMBER, expected_version=0, facts=append(0).facts, due_at=AT)
            first.commit(command("k"), [due, claim("a", 3)])
            kept = (first.load([MEMBER]), first.receipt(MEMBER, Key("k")), first.claimed([COUNTER], key=Key("a"), at=AT))
            listed = first.due(before=datetime(2027, 1, 1, tzinfo=UTC), after=None, limit=9)
        with SQLiteRepository(path) as again:
            assert (again.load([MEMBER]), again.receipt(MEMBER, Key("k"))) == kept[:2]
            assert again.claimed([COUNTER], key=Key("a"), at=AT) == kept[2]
            assert again.due(before=datetime(2027, 1, 1, tzinfo=UTC), after=None, limit=9) == listed
            assert [due.due_at for due in listed] == [AT]
            with pytest.raises(DuplicateError, match="'k' was committed in 'member/m' before"):
                again.commit(command("k"), [append(1)])

    def test_facts_are_readable_rows(self, repository: SQLiteRepository, path: Path) -> None:
        """One row a fact, as JSON that any tool reads."""
        repository.commit(command("k"), [append(0, count=2)])
        with sqlite3.connect(path) as db:
            rows = db.execute("SELECT stream, version, fact FROM loyalty_facts ORDER BY version").fetchall()
        assert [row[:2] for row in rows] == [("member/m", 1), ("member/m", 2)]
        assert json.loads(rows[0][2]) == {"kind": "member.joined", "form": 1, "at": "2026-07-01T12:00:00Z", "member_id": "m"}

    def test_writes_ahead_and_waits_for_the_disk(self, repository: SQLiteRepository) -> None:
        """What is acknowledged is on the disk."""
        db = repository._db()
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)
        assert db.execute("PRAGMA busy_timeout").fetchone() == (30_000,)
        assert db.isolation_level is None

    def test_closed_repository_opens_again(self, repository: SQLiteRepository) -> None:
        """Closing ends the connections, not the repository."""
        repository.commit(command("k"), [append(0)])
        before = repository._db()
        repository.close()
        with pytest.raises(sqlite3.ProgrammingError):
            before.execute("SELECT 1")
        assert version_in(repository) == 1

    @pytest.mark.parametrize(
        "make",
        [
            SQLiteRepository,
            lambda: SQLiteRepository(":memory:"),
            lambda: SQLiteRepository("shop.db", connection=sqlite3.connect(":memory:")),
        ],
    )
    def test_a_file_or_a_connection_must_be_given(self, make: Callable[[], SQLiteRepository]) -> None:
        """Neither, both, and a database that each thread would have alone are refused."""
        with pytest.raises(UsageError, match="give a file's path or a connection"):
            make()

    @pytest.mark.parametrize("schema", [0, 2, 99])
    def test_another_schema_is_refused(self, schema: int, path: Path) -> None:
        """Tables of a later version are not touched."""
        SQLiteRepository(path).close()
        with sqlite3.connect(path) as db:
            db.execute("UPDATE loyalty_meta SET schema = ?", (schema,))
        with pytest.raises(CorruptStateError, match=f"the tables have form {schema}; this version knows form 1"):
            SQLiteRepository(path)

    def test_tables_without_a_schema_are_finished(self, path: Path) -> None:
        """A file whose making was cut short is made whole."""
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE loyalty_meta (schema INTEGER NOT NULL)")
        with SQLiteRepository(path) as repository:
            assert version_in(repository) == 0
        with sqlite3.connect(path) as db:
            assert db.execute("SELECT schema FROM loyalty_meta").fetchall() == [(1,)]

    def test_corrupt_fact_is_told(self, repository: SQLiteRepository, path: Path) -> None:
        """What the library did not write is not read."""
        repository.commit(command("k"), [append(0)])
        with sqlite3.connect(path) as db:
            db.execute("UPDATE loyalty_facts SET fact = '{}'")
        with pytest.raises(CorruptStateError):
            repository.load([MEMBER])

    @pytest.mark.parametrize("cursor", ["", "x", "x member/m", "1.5 member/m"])
    def test_foreign_cursor_is_refused(self, cursor: str, repository: SQLiteRepository) -> None:
        """A cursor comes from an earlier listing."""
        with pytest.raises(UsageError, match="a cursor must come from an earlier listing"):
            repository.due(before=AT, after=Cursor(cursor), limit=1)

    def test_missing_folder_is_told(self, tmp_path: Path) -> None:
        """An error of the system stays what it is."""
        with pytest.raises(sqlite3.OperationalError, match="unable to open"):
            SQLiteRepository(tmp_path / "none" / "loyalty.db")

    def test_missing_table_is_told(self, repository: SQLiteRepository, path: Path) -> None:
        """Only a busy database is a conflict; nothing stays open."""
        with sqlite3.connect(path) as db:
            db.execute("DROP TABLE loyalty_claims")
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            repository.commit(command("k"), [append(0), claim("a", 1)])
        assert version_in(repository) == 0
        assert not repository._db().in_transaction

    def test_database_that_rolls_back_by_itself_is_told(self, repository: SQLiteRepository, path: Path) -> None:
        """Where SQLite has ended the transaction already, as on a full disk, the first error is the one told."""
        with sqlite3.connect(path) as db:
            db.execute("CREATE TRIGGER full BEFORE INSERT ON loyalty_facts BEGIN SELECT RAISE(ROLLBACK, 'the disk is full'); END")
        with pytest.raises(sqlite3.IntegrityError, match="the disk is full"):
            repository.commit(command("k"), [append(0)])
        assert repository.receipt(MEMBER, Key("k")) is None


class TestBusy:
    def test_busy_file_is_a_conflict(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A writer that never ends makes others lose, after a while, and they may try again."""
        monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
        other = sqlite3.connect(path, isolation_level=None)
        with SQLiteRepository(path) as repository:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(ConflictError, match=r"busy for 0.05 s"):
                repository.commit(command("k"), [append(0)])
            other.execute("ROLLBACK")
            repository.commit(command("k"), [append(0)])
            assert version_in(repository) == 1
        other.close()

    def test_busy_file_is_opened_and_read(
        self, repository: SQLiteRepository, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A store that is there is opened without waiting for its writer."""
        monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
        repository.commit(command("k"), [append(0)])
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with SQLiteRepository(path) as reader:
            assert version_in(reader) == 1
        other.close()

    def test_file_that_cannot_be_made_yet_is_a_conflict(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file that another program holds cannot be given tables."""
        monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ConflictError):
            SQLiteRepository(path)
        other.close()


class TestThreads:
    def test_connections_end_with_their_threads(self, repository: SQLiteRepository) -> None:
        """A server that starts a thread for each request keeps no connection of those that ended."""
        repository.commit(command("k"), [append(0)])
        seen = list[int]()
        for _ in range(20):
            thread = threading.Thread(target=lambda: seen.append(version_in(repository)))
            thread.start()
            thread.join()
        gc.collect()
        assert seen == [1] * 20
        assert len(repository._opened) == 1

    def test_close_ends_the_connections_of_all_threads(self, repository: SQLiteRepository) -> None:
        """One thread closes for all."""
        opened, done = threading.Event(), threading.Event()
        connections = list[sqlite3.Connection]()

        def work() -> None:
            connections.append(repository._db())
            opened.set()
            done.wait(timeout=30)

        thread = threading.Thread(target=work)
        thread.start()
        assert opened.wait(timeout=30)
        repository.close()
        with pytest.raises(sqlite3.ProgrammingError):
            connections[0].execute("SELECT 1")
        done.set()
        thread.join()


WRITER = """
import sys
from datetime import UTC, datetime
from loyaltycore.errors import ConflictError
from loyaltycore.facts import Append, Command
from loyaltycore.identity import Key, StreamId
from loyaltycore.memberships import MemberJoined
from loyaltycore.store.sqlite import SQLiteRepository
path, name, count = sys.argv[1:]
stream = StreamId("member/m")
repository = SQLiteRepository(path)
for number in range(int(count)):
    fact = MemberJoined(member_id=f"{name}-{number}", at=datetime(2026, 7, 1, tzinfo=UTC))
    while True:
        version = repository.load([stream])[stream].version
        try:
            append = Append(stream=stream, expected_version=version, facts=[fact])
            repository.commit(Command.of(stream, Key(f"{name}-{number}"), actor=name), [append])
            break
        except ConflictError:
            pass
"""

DYING = """
import sys
from datetime import UTC, datetime
from loyaltycore.facts import Append, Claim, Command
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.memberships import MemberJoined
from loyaltycore.store.sqlite import SQLiteRepository
path, start = sys.argv[1], int(sys.argv[2])
at = datetime(2026, 7, 1, tzinfo=UTC)
repository = SQLiteRepository(path)
for number in range(start, start + 20):
    facts = [MemberJoined(member_id=f"{number}-{place}", at=at) for place in range(40)]
    changes = [Append(stream=StreamId(f"member/{name}"), expected_version=40 * number, facts=facts, due_at=at) for name in "ab"]
    changes.append(Claim(counter=CounterId("c"), key=Key("k"), amount=number + 1, limit=None, at=at, until=None))
    repository.commit(Command.of(StreamId("member/a"), Key(str(number)), actor="test"), changes)
    print(number, flush=True)
"""


class TestProcesses:
    @pytest.mark.law(38)
    def test_processes_race_for_one_stream(self, path: Path) -> None:
        """Writers in processes of their own, started on a file that is not there, give one serial history."""
        with ExitStack() as stack:
            writers = [stack.enter_context(run(WRITER, path, name, 15)) for name in "abc"]
            assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0]
        with SQLiteRepository(path) as repository:
            stored = repository.load([MEMBER])[MEMBER]
        names = [fact.member_id for fact in stored.facts if isinstance(fact, MemberJoined)]
        assert stored.version == 45
        assert sorted(names) == sorted(f"{name}-{number}" for name in "abc" for number in range(15))
        assert [name for name in names if name.startswith("a")] == [f"a-{number}" for number in range(15)]

    @pytest.mark.law(40)
    @pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill a process at once")
    def test_killed_process_loses_nothing_acknowledged_and_leaves_no_half(self, path: Path) -> None:
        """Each commit of a killed process is there whole or not at all; those it acknowledged are there."""
        start, chance = 0, random.Random(40)
        for _ in range(6):
            acknowledged = start - 1
            with run(DYING, path, start) as child:
                assert child.stdout is not None  # it was asked for
                for _ in range(chance.randrange(1, 12)):
                    acknowledged = int(child.stdout.readline())
                time.sleep(chance.random() / 200)  # into the middle of the next one
                child.kill()
                acknowledged = max([acknowledged, *(int(line) for line in child.stdout.read().split())])
            start = self.whole_commits(path)
            assert acknowledged + 1 <= start <= acknowledged + 2
        assert start >= 6

    def whole_commits(self, path: Path) -> int:
        """Count the commits, and demand that each is whole."""
        with SQLiteRepository(path) as repository:
            streams = [StreamId("member/a"), StreamId("member/b")]
            loaded = repository.load(streams)
            count, rest = divmod(loaded[streams[0]].version, 40)
            assert rest == 0
            wanted = [f"{number}-{place}" for number in range(count) for place in range(40)]
            for stream in streams:
                assert [fact.member_id for fact in loaded[stream].facts if isinstance(fact, MemberJoined)] == wanted
            assert repository.claimed([CounterId("c")], key=Key("k"), at=AT)[CounterId("c")].mine == count
            known = [repository.receipt(streams[0], Key(str(number))) is not None for number in range(count + 1)]
            assert known == [True] * count + [False]
            assert len(repository.due(before=AT, after=None, limit=9)) == 2
            assert repository._db().execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return count

    def test_a_parents_connection_is_not_closed(self, repository: SQLiteRepository) -> None:
        """What another process opened is kept, not closed: closing it would end locks that are not ours."""
        db = repository._db()
        handle = repository._local.handle
        handle.process -= 1
        repository.close()
        assert db.execute("SELECT 1").fetchone() == (1,)
        assert db in sqlite._INHERITED
        assert version_in(repository) == 0
        assert repository._db() is not db
        sqlite._INHERITED.clear()
        db.close()

    @pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
    def test_forked_process_opens_its_own(self, repository: SQLiteRepository, path: Path) -> None:
        """A repository made before a fork works on both sides; the child leaves the parent's connection alone."""
        repository.commit(command("parent"), [append(0)])
        mine = repository._db()
        context = multiprocessing.get_context("fork")
        answers = context.Queue()

        def work() -> None:
            own = repository._db()
            repository.commit(command("child"), [append(1)])
            repository.close()
            gc.collect()
            answers.put((own is not mine, mine.execute("SELECT 1").fetchone(), version_in(repository)))

        child = context.Process(target=work)
        child.start()
        assert answers.get(timeout=60) == (True, (1,), 2)
        child.join()
        repository.commit(command("after"), [append(2)])
        assert repository._db() is mine
        with SQLiteRepository(path) as again:
            assert version_in(again) == 3


class TestConnection:
    """Law 45, in the ways a connection may be set up."""

    def test_keeps_the_contract(self) -> None:
        """Every clause but the races, which one connection cannot run."""
        check_repository(lambda: SQLiteRepository(connection=sqlite3.connect(":memory:")), threads=1)

    def test_keeps_the_contract_in_an_open_transaction(self) -> None:
        """Every commit in a savepoint."""

        def factory() -> SQLiteRepository:
            db = sqlite3.connect(":memory:", isolation_level=None)
            db.execute("BEGIN")
            return SQLiteRepository(connection=db)

        check_repository(factory, threads=1)

    @pytest.mark.law(45)
    @pytest.mark.parametrize("isolation_level", ["", "IMMEDIATE", None])
    @pytest.mark.parametrize("first", ["shop", "library"])
    def test_the_callers_rollback_leaves_nothing_of_ours(self, first: str, isolation_level: str | None, path: Path) -> None:
        """Whoever wrote first, one rollback undoes both; one commit keeps both.

        Before, a commit on a connection whose transaction Python had not begun yet was kept at once.
        """
        db = caller(path, isolation_level)
        shop = Loyalty(PROGRAM, SQLiteRepository(connection=db), clock=lambda: AT, retries=0)
        for end in ("rollback", "commit"):
            if isolation_level is None:
                db.execute("BEGIN")
            if first == "shop":
                db.execute("INSERT INTO orders VALUES ('1')")
            shop.place(shop.quote(BASKET, member_id="m"), order_id="1")
            if first == "library":
                db.execute("INSERT INTO orders VALUES ('1')")
            getattr(db, end)()
            kept = end == "commit"
            assert (shop.order("1").placed is not None) is kept
            assert shop.overview("m").order_count == int(kept)
            assert (shop.repository.receipt(order_stream("1"), Key("place")) is not None) is kept
            assert db.execute("SELECT count(*) FROM orders").fetchone() == (int(kept),)
        assert not db.in_transaction
        db.close()
        with SQLiteRepository(path) as again:
            assert version_in(again, order_stream("1")) == 1

    @pytest.mark.law(45)
    @pytest.mark.parametrize("isolation_level", ["", None])
    def test_our_refusal_leaves_the_callers_work(self, isolation_level: str | None, path: Path) -> None:
        """A refused commit undoes itself alone: the shop's rows and our earlier commits stay."""
        db = caller(path, isolation_level)
        repository = SQLiteRepository(connection=db)
        if isolation_level is None:
            db.execute("BEGIN")
        db.execute("INSERT INTO orders VALUES ('1')")
        repository.commit(command("first"), [append(0), claim("a", 10)])
        with pytest.raises(DuplicateError):
            repository.commit(command("first"), [append(1)])
        with pytest.raises(ConflictError):
            repository.commit(command("late"), [append(0), claim("b", 0)])
        with pytest.raises(ConflictError):
            repository.commit(command("moved"), [append(1), Expect(stream=member_stream("z"), version=1)])
        with pytest.raises(LimitReachedError):
            repository.commit(command("full"), [append(1), claim("b", 1)])
        assert db.in_transaction
        db.commit()
        assert db.execute("SELECT * FROM orders").fetchall() == [("1",)]
        assert version_in(repository) == 1
        assert repository.receipt(MEMBER, Key("full")) is None
        db.close()

    @pytest.mark.law(45)
    def test_a_refusal_of_the_program_leaves_the_callers_work(self, path: Path) -> None:
        """The shop's transaction goes on after a rule's no."""
        db = caller(path, "")
        shop = Loyalty(PROGRAM, SQLiteRepository(connection=db), clock=lambda: AT, retries=0)
        db.execute("INSERT INTO orders VALUES ('1')")
        with pytest.raises(RefusedError):
            shop.refund("1", return_id="r", lines={"helmet": 1})
        db.commit()
        assert db.execute("SELECT * FROM orders").fetchall() == [("1",)]
        db.close()

    def test_refusal_without_a_transaction_opens_none(self, path: Path) -> None:
        """A connection is left as it was found."""
        db = caller(path, "")
        repository = SQLiteRepository(connection=db)
        with pytest.raises(ConflictError, match=r"^'member/m' is at version 0, not 3$"):
            repository.commit(command("late"), [append(3)])
        assert not db.in_transaction
        db.close()

    @pytest.mark.parametrize("in_transaction", [True, False])
    def test_without_implicit_transactions_a_commit_is_kept_at_once(self, in_transaction: bool, path: Path) -> None:  # noqa: FBT001 - a table of two
        """On a connection that begins nothing by itself, what is not in a transaction is kept."""
        db = caller(path, None)
        repository = SQLiteRepository(connection=db)
        if in_transaction:
            db.execute("BEGIN")
        repository.commit(command("k"), [append(0)])
        assert db.in_transaction is in_transaction
        db.close()
        with SQLiteRepository(path) as again:
            assert version_in(again) == int(not in_transaction)

    def test_autocommit_connection_keeps_at_once(self, path: Path) -> None:
        """From Python 3.12 on a connection may say ``autocommit=True``, whatever its isolation level."""

        class Autocommit(sqlite3.Connection):
            autocommit = True

        db = sqlite3.connect(path, factory=Autocommit)
        SQLiteRepository(connection=db).commit(command("k"), [append(0)])
        assert not db.in_transaction
        db.close()

    def test_making_the_tables_joins_the_transaction(self, path: Path) -> None:
        """Tables made in the caller's transaction go with it, and are made again."""
        db = caller(path, None)
        db.execute("BEGIN")
        SQLiteRepository(connection=db)
        db.execute("ROLLBACK")
        assert db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall() == [("orders",)]
        assert version_in(SQLiteRepository(connection=db)) == 0
        db.close()

    def test_making_the_tables_keeps_no_lock(self, path: Path) -> None:
        """A repository made at the start of a program holds nobody up."""
        db = caller(path, "")
        SQLiteRepository(connection=db)
        assert not db.in_transaction
        db.close()

    def test_close_leaves_the_callers_connection_open(self, path: Path) -> None:
        """Who opened it closes it."""
        db = caller(path, "")
        with SQLiteRepository(connection=db):
            pass
        assert db.execute("SELECT 1").fetchone() == (1,)
        db.close()

    @pytest.mark.parametrize(
        "rows", [sqlite3.Row, lambda cursor, row: {c[0]: v for c, v in zip(cursor.description, row, strict=True)}]
    )
    def test_any_kind_of_rows_will_do(self, rows: Callable[..., object], path: Path) -> None:
        """The caller's row factory is the caller's: ours are tuples.

        Before, a connection that makes dictionaries could not be used.
        """
        db = caller(path, "")
        db.row_factory = rows
        check_repository(lambda: SQLiteRepository(connection=db), threads=1)
        db.close()

    def test_stale_transaction_is_a_conflict(self, path: Path) -> None:
        """A transaction that has read cannot write once another has written: the caller begins again.

        Before, this was the database's own error, which no caller of ``Loyalty`` expects.
        """
        db = caller(path, None)
        repository = SQLiteRepository(connection=db)
        with SQLiteRepository(path) as other:
            db.execute("BEGIN")
            assert version_in(repository) == 0
            other.commit(command("other"), [append(0)])
            with pytest.raises(ConflictError, match="another writer was faster"):
                repository.commit(command("k"), [append(0)])
            db.execute("ROLLBACK")
            repository.commit(command("k"), [append(1)])
            assert version_in(other) == 2
        db.close()

    def test_unknown_streams_are_empty(self) -> None:
        """The example of the module, with more than one statement's worth of ids."""
        repository = SQLiteRepository(connection=sqlite3.connect(":memory:"))
        streams = [member_stream(str(number)) for number in range(1001)]
        assert repository.load(streams) == dict.fromkeys(streams, StoredStream())


def caller(path: Path, isolation_level: str | None) -> sqlite3.Connection:
    """Open a shop's own database."""
    db = sqlite3.connect(path, isolation_level=isolation_level)  # type: ignore[arg-type]  # a table of the levels there are
    db.execute("CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY)")
    db.commit()
    return db
