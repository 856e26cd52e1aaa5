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
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

try:
    import resource
except ImportError:  # no Unix
    resource = None  # type: ignore[assignment]  # tests that need it say so

from loyaltycore import Basket, Loyalty, Program, RefusedError
from loyaltycore.errors import (
    ConflictError,
    CorruptStateError,
    DuplicateError,
    LimitReachedError,
    OutcomeUnknownError,
    UsageError,
)
from loyaltycore.facts import Append, Claim, Command, Expect
from loyaltycore.identity import CounterId, Key, StreamId, member_stream, order_stream
from loyaltycore.memberships import MemberJoined
from loyaltycore.repositories import (
    Claimed,
    Cursor,
    Enumerable,
    Exportable,
    Forgetting,
    Joining,
    Projecting,
    Snapshot,
    Snapshots,
    StoredStream,
    every_stream,
)
from loyaltycore.store import sqlite
from loyaltycore.store._sqlite_check import problems_in
from loyaltycore.store.sqlite import SQLiteRepository
from loyaltycore.testing.conformance import check_repository, check_transactions

AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
MEMBER = StreamId("member/m")
COUNTER = CounterId("coupon/SUMMER")
POWERS = [Enumerable, Exportable, Snapshots, Projecting, Joining, Forgetting]
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
    command = [sys.executable, "-u", "-c", code, *map(str, args)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


class TestFile:
    @pytest.mark.law(38, 39)
    def test_keeps_the_contract(self, path: Path) -> None:
        """Every clause, by the kit, with a connection for each thread."""
        check_repository(lambda: SQLiteRepository(path), capabilities=POWERS)
        with SQLiteRepository(path) as repository:
            assert repository.check() == ()

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

    @pytest.mark.parametrize("schema", [0, 3, 99])
    def test_another_schema_is_refused(self, schema: int, path: Path) -> None:
        """Tables of a later version are not touched."""
        SQLiteRepository(path).close()
        with sqlite3.connect(path) as db:
            db.execute("UPDATE loyalty_meta SET schema = ?", (schema,))
        with pytest.raises(CorruptStateError, match=f"the tables have form {schema}; this version knows form 2"):
            SQLiteRepository(path)

    def test_tables_without_a_schema_are_finished(self, path: Path) -> None:
        """A file whose making was cut short is made whole."""
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE loyalty_meta (schema INTEGER NOT NULL)")
        with SQLiteRepository(path) as repository:
            assert version_in(repository) == 0
        with sqlite3.connect(path) as db:
            assert db.execute("SELECT schema FROM loyalty_meta").fetchall() == [(2,)]

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
    def test_busy_file_is_a_conflict(self, path: Path) -> None:
        """A writer that never ends makes others lose, after a while, and they may try again."""
        other = sqlite3.connect(path, isolation_level=None)
        with SQLiteRepository(path, busy_seconds=0.05) as repository:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(ConflictError, match=r"busy for 0.05 s"):
                repository.commit(command("k"), [append(0)])
            other.execute("ROLLBACK")
            repository.commit(command("k"), [append(0)])
            assert version_in(repository) == 1
        other.close()

    def test_busy_file_is_opened_and_read(self, repository: SQLiteRepository, path: Path) -> None:
        """A store that is there is opened without waiting for its writer."""
        repository.commit(command("k"), [append(0)])
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with SQLiteRepository(path, busy_seconds=0.05) as reader:
            assert version_in(reader) == 1
        other.close()

    def test_file_that_cannot_be_made_yet_is_a_conflict(self, path: Path) -> None:
        """A file that another program holds cannot be given tables."""
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ConflictError):
            SQLiteRepository(path, busy_seconds=0.05)
        other.close()

    @pytest.mark.parametrize("seconds", [0, 1, 2.5, 3600])
    def test_how_long_to_wait_is_said(self, seconds: float, path: Path) -> None:
        """The time goes to the database, in milliseconds."""
        with SQLiteRepository(path, busy_seconds=seconds) as repository:
            assert repository._db().execute("PRAGMA busy_timeout").fetchone() == (seconds * 1000,)

    @pytest.mark.parametrize("seconds", [-1, 3601, float("nan"), float("inf"), True, "30", None])
    def test_another_time_is_refused(self, seconds: object, path: Path) -> None:
        """Nobody waits less than nothing, or for ever."""
        with pytest.raises(UsageError, match=r"^busy_seconds must be a number in \[0, 3600\], got "):
            SQLiteRepository(path, busy_seconds=seconds)  # type: ignore[arg-type]  # that it is refused is the point
        assert not path.exists()

    @pytest.mark.parametrize(
        "read",
        [
            lambda repository: repository.load([MEMBER]),
            lambda repository: repository.receipt(MEMBER, Key("k")),
            lambda repository: repository.claimed([COUNTER], key=Key("k"), at=AT),
            lambda repository: repository.due(before=AT, after=None, limit=1),
            lambda repository: repository.streams("member"),
            lambda repository: repository.commits(after=None, limit=1),
            lambda repository: repository.claims(after=None, limit=1),
            lambda repository: repository.load_tails([MEMBER], form="f"),
            lambda repository: repository.check(),
            lambda repository: SQLiteRepository(connection=repository._db()),
        ],
    )
    def test_reading_a_busy_database_is_a_conflict(self, read: Callable[[SQLiteRepository], object], path: Path) -> None:
        """Without write-ahead logging a writer keeps readers out; that too is worth another try."""
        db = sqlite3.connect(path, timeout=0, isolation_level=None)
        repository, other = SQLiteRepository(connection=db), sqlite3.connect(path, isolation_level=None)
        repository.commit(command("k"), [append(0)])
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ConflictError):
            read(repository)
        assert not db.in_transaction
        other.execute("ROLLBACK")
        read(repository)
        other.close()
        db.close()

    def test_a_connections_own_time_is_not_told(self, path: Path) -> None:
        """How long a caller's connection waited is the caller's to know."""
        other = sqlite3.connect(path, isolation_level=None)
        db = sqlite3.connect(path, timeout=0, isolation_level=None)
        repository = SQLiteRepository(connection=db)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ConflictError, match=r"the database was busy$"):
            repository.commit(command("k"), [append(0)])
        other.close()
        db.close()


OLD = Path(__file__).parent / "golden" / "sqlite_schema_1.sql"
"""A store as the first form kept it: orders, a return, an adjustment, claims and what is due."""

OPENING = """
import sys
from loyaltycore.store.sqlite import SQLiteRepository
print("ready", flush=True)
sys.stdin.readline()
with SQLiteRepository(sys.argv[1]) as repository:
    print(len(repository.commits(after=None, limit=100)), *repository.check())
"""


def contents(repository: SQLiteRepository) -> tuple[object, ...]:
    """Give everything a store holds, but for the order of its commits."""
    commits = repository.commits(after=None, limit=100)
    streams = [*every_stream(repository, "member"), *every_stream(repository, "order"), *every_stream(repository, "campaign")]
    return (
        repository.load(streams),
        {commit.command: commit.appends for commit in commits},
        {commit.command: repository.receipt(commit.command.home, commit.command.key) for commit in commits},
        repository.claims(after=None, limit=100),
        repository.due(before=datetime(2100, 1, 1, tzinfo=UTC), after=None, limit=100),
    )


class TestMigration:
    @pytest.fixture
    def old(self, path: Path) -> Path:
        """A file as the first form made it."""
        with closing(sqlite3.connect(path)) as db:
            db.executescript(OLD.read_text(encoding="utf-8"))
        return path

    def test_first_form_is_found_whole(self, old: Path) -> None:
        """Orders, members, receipts, claims and what is due are there, and the shop goes on."""
        with SQLiteRepository(old) as repository:
            shop = Loyalty(PROGRAM, repository, clock=lambda: datetime(2026, 7, 2, tzinfo=UTC))
            assert shop.overview("m-42").balance.available == 52
            assert shop.overview("zoé").balance.available == 0
            assert shop.order("1002").returned == {"helmet": 1}
            granted = repository.receipt(StreamId("member/due"), Key("grant"))
            assert granted is not None
            assert {stream: len(facts) for stream, facts in granted.facts.items()} == {"member/due": 2, "campaign/1": 1}
            counter = CounterId("coupon/SUMMER/2026-07")
            at = datetime(2026, 7, 1, 9, tzinfo=UTC)
            assert repository.claimed([counter], key=Key("order/1001"), at=at)[counter] == Claimed(total=5, mine=2)
            at += timedelta(hours=1)
            assert repository.claimed([counter], key=Key("order/1001"), at=at)[counter] == Claimed(total=2, mine=2)
            due = repository.due(before=datetime(2100, 1, 1, tzinfo=UTC), after=None, limit=9)
            assert [(one.stream, one.due_at) for one in due] == [("member/due", datetime(2027, 1, 1, tzinfo=UTC))]
            assert repository.check() == ()
            given = shop.earn(40, member_id="m-42", ref="ticket-7", rule="goodwill", expires_at=None, actor="user-3")
            assert given.at == datetime(2026, 7, 1, 8, 3, 30, 5, tzinfo=UTC)
            shop.place(shop.quote(BASKET, member_id="m-42"), order_id="1003")
            assert repository.commits(after=None, limit=99)[-1].command.home == "order/1003"
            assert repository.check() == ()

    def test_commits_are_in_the_order_of_their_facts(self, old: Path) -> None:
        """The first form did not say which came first; as it is listed, every version is met."""
        with SQLiteRepository(old) as repository:
            commits = repository.commits(after=None, limit=99)
        names = [f"{commit.command.home} {commit.command.key}" for commit in commits]
        assert names == [
            "order/claims only",
            "member/zoé join",
            "member/m-42 join",
            "order/1002 place",
            "order/1001 place",
            "member/m-42 earn:ticket-7",
            "order/1002 refund:r-1",
            "member/due grant",
            "member/due again",
        ]
        reached = dict[StreamId, int]()
        for append in [append for commit in commits for append in commit.appends]:
            assert append.expected_version == reached.get(append.stream, 0)
            reached[append.stream] = append.expected_version + len(append.facts)

    def test_migrated_has_the_tables_of_a_new_one(self, old: Path, tmp_path: Path) -> None:
        """Whatever way a file came to its form, it is the same form."""

        def columns(file: Path) -> list[tuple[object, ...]]:
            SQLiteRepository(file).close()
            with closing(sqlite3.connect(file)) as db:
                return db.execute(
                    'SELECT t.name, t.wr, c.name, c.type, c."notnull", c.pk'
                    " FROM pragma_table_list AS t, pragma_table_info(t.name) AS c WHERE t.name LIKE 'loyalty%' ORDER BY 1, c.cid"
                ).fetchall()

        found = columns(old)
        assert found == columns(tmp_path / "new.db")
        assert {row[0] for row in found} == {
            f"loyalty_{name}" for name in ("claims", "facts", "meta", "receipts", "snapshots", "streams")
        }

    def test_stopped_anywhere_it_is_the_old_one_still(self, old: Path) -> None:
        """After every few steps of the database's machine, stopped: nothing is changed, and the next one does it."""
        before = old.read_bytes()
        stopped = 0
        for steps in range(1, 10_000, 97):
            db = sqlite3.connect(old, isolation_level=None)
            stops = iter([0] * steps + [1])
            db.set_progress_handler(lambda stops=stops: next(stops, 0), 1)  # type: ignore[misc]  # it is called with nothing
            try:
                SQLiteRepository(connection=db)
                break
            except sqlite3.OperationalError as error:
                assert error.sqlite_errorname == "SQLITE_INTERRUPT"  # noqa: PT017 - any other is a failure
                assert not db.in_transaction
                stopped += 1
            finally:
                db.close()
            assert old.read_bytes() == before
        assert stopped > 5
        with SQLiteRepository(old) as repository:
            assert repository.check() == ()

    def test_processes_that_open_at_once_migrate_once(self, old: Path) -> None:
        """One does it, the others wait; each finds everything."""
        with ExitStack() as stack:
            opening = [stack.enter_context(run(OPENING, old)) for _ in range(3)]
            for process in opening:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
            for process in opening:
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
            assert [process.communicate(timeout=60)[0] for process in opening] == ["9\n"] * 3

    @pytest.mark.parametrize("turns, opens", [(3, True), (10_000, False)])
    def test_opening_waits_for_others_who_open(
        self,
        turns: int,
        opens: bool,  # noqa: FBT001 - a table of two
        path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """SQLite says busy at once where two turn write-ahead logging on: it is asked again, as long as a commit would wait."""
        left, connect = [turns], sqlite3.connect

        class Busy(sqlite3.Connection):
            def execute(self, *arguments: Any) -> sqlite3.Cursor:  # noqa: ANN401 - as the method it hides
                if "WAL" in arguments[0] and left[0]:
                    left[0] -= 1
                    error = sqlite3.OperationalError("database is locked")
                    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
                    raise error
                return super().execute(*arguments)

        monkeypatch.setattr(sqlite3, "connect", partial(connect, factory=Busy))
        if opens:
            with SQLiteRepository(path, busy_seconds=30) as repository:
                assert repository.check() == ()
        else:
            with pytest.raises(ConflictError, match=r"the database was busy for 0\.05 s"):
                SQLiteRepository(path, busy_seconds=0.05)

    def test_joins_the_callers_transaction(self, old: Path) -> None:
        """The caller's rollback leaves the old form."""
        with closing(sqlite3.connect(old, isolation_level=None)) as db:
            db.execute("BEGIN")
            found = contents(SQLiteRepository(connection=db))
            assert db.in_transaction
            db.execute("ROLLBACK")
            assert db.execute("SELECT schema FROM loyalty_meta").fetchone() == (1,)
            assert contents(SQLiteRepository(connection=db)) == found

    def test_connection_that_may_not_write_is_told(self, old: Path) -> None:
        """Somebody who only looks cannot migrate, and is told what to do."""
        with closing(sqlite3.connect(f"{old.as_uri()}?mode=ro", uri=True, isolation_level=None)) as db:
            with pytest.raises(UsageError, match=r"^the tables have form 1 and must be migrated to form 2: open them once"):
                SQLiteRepository(connection=db)
            SQLiteRepository(old).close()
            assert len(SQLiteRepository(connection=db).commits(after=None, limit=99)) == 9

    def test_new_tables_need_a_connection_that_may_write(self, path: Path) -> None:
        """Where there is nothing to migrate the database's own words say enough."""
        sqlite3.connect(path).execute("CREATE TABLE orders (id)").connection.close()
        db = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
        with closing(db), pytest.raises(sqlite3.OperationalError, match="readonly"):
            SQLiteRepository(connection=db)

    def test_busy_file_is_migrated_later(self, old: Path) -> None:
        """Another writer stands in the way: a conflict, and nothing is changed."""
        with closing(sqlite3.connect(old, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("BEGIN IMMEDIATE")
            with pytest.raises(ConflictError):
                SQLiteRepository(old, busy_seconds=0.05)
        with SQLiteRepository(old) as repository:
            assert repository.check() == ()


def spoiled(path: Path, *statements: str) -> tuple[str, ...]:
    """Change a store behind the library's back, and check it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)
    with SQLiteRepository(path) as repository:
        return repository.check()


class TestCheck:
    @pytest.fixture
    def kept(self, path: Path) -> Path:
        """A store with two streams, three commits, a claim and a snapshot."""
        with SQLiteRepository(path) as repository:
            repository.commit(command("one"), [append(0, count=2), claim("a", 3)])
            repository.commit(command("two"), [append(2, count=2), append(0, stream=member_stream("z"))])
            repository.commit(command("three"), [])
            repository.keep_snapshot(MEMBER, Snapshot(form="f", version=3, text="t"))
        return path

    def test_all_is_well(self, kept: Path) -> None:
        """Nothing is found where nothing is wrong."""
        assert spoiled(kept) == ()

    @pytest.mark.parametrize(
        "statement, problems",
        [
            (
                "DELETE FROM loyalty_facts WHERE stream = 'member/m' AND version = 2",
                ["'member/m' is at version 4; facts found: 3, the last at 4"],
            ),
            (
                "UPDATE loyalty_facts SET version = 9 WHERE stream = 'member/m' AND version = 4",
                ["'member/m' is at version 4; facts found: 4, the last at 9"],
            ),
            (
                "UPDATE loyalty_facts SET version = version - 1 WHERE stream = 'member/m'",
                ["'member/m' is at version 4; facts found: 4, the last at 3"],
            ),
            (
                "DELETE FROM loyalty_facts WHERE stream = 'member/z'",
                ["'member/z' is at version 1; facts found: 0, the last at None"],
            ),
            (
                "UPDATE loyalty_streams SET version = 3 WHERE stream = 'member/m'",
                ["'member/m' is at version 3; facts found: 4, the last at 4", "facts 4 to 4 of 'member/m' are not there"],
            ),
            (
                "DELETE FROM loyalty_streams WHERE stream = 'member/z'",
                ["'member/z' holds facts and is no stream"],
            ),
            ("DELETE FROM loyalty_receipts WHERE key = 'one'", ["facts 1 to 2 of 'member/m' belong to no receipt"]),
            (
                "DELETE FROM loyalty_receipts WHERE key = 'two'",
                ["facts 3 to 4 of 'member/m' belong to no receipt", "facts 1 to 1 of 'member/z' belong to no receipt"],
            ),
            (
                "UPDATE loyalty_receipts SET appended = '[[\"member/m\", 1, 2]]' WHERE key = 'three'",
                ["facts 2 to 2 of 'member/m' belong to two receipts"],
            ),
            (
                "UPDATE loyalty_receipts SET appended = '[[\"member/m\", 4, 6]]' WHERE key = 'three'",
                ["facts 5 to 6 of 'member/m' are not there"],
            ),
            (
                "UPDATE loyalty_receipts SET appended = '[[\"member/m\", 4, 4]]' WHERE key = 'three'",
                ["the receipt of 'three' in 'member/m' does not say what was appended"],
            ),
            (
                "UPDATE loyalty_receipts SET appended = '[[\"member/m\", \"4\", 5]]' WHERE key = 'three'",
                ["the receipt of 'three' in 'member/m' does not say what was appended"],
            ),
            (
                "UPDATE loyalty_receipts SET appended = '{}' WHERE key = 'three'",
                ["the receipt of 'three' in 'member/m' does not say what was appended"],
            ),
            (
                "UPDATE loyalty_receipts SET appended = '[' WHERE key = 'three'",
                ["the receipt of 'three' in 'member/m': not JSON of this library: Expecting value: line 1 column 2 (char 1)"],
            ),
            (
                "UPDATE loyalty_receipts SET fingerprint = '[]' WHERE key = 'three'",
                ["the receipt of 'three' in 'member/m': fingerprint must be a mapping of text to text, got []"],
            ),
            (
                "UPDATE loyalty_facts SET fact = '{}' WHERE stream = 'member/z'",
                ["fact 1 of 'member/z': this version does not know facts of kind None form None"],
            ),
            ("UPDATE loyalty_claims SET amount = 0", ["the claim of 'a' on 'coupon/SUMMER' is of 0"]),
            ("UPDATE loyalty_claims SET amount = 1.5", ["the claim of 'a' on 'coupon/SUMMER' is of 1.5"]),
            ("UPDATE loyalty_snapshots SET version = 5", ["the snapshot of 'member/m' is of version 5, and the stream is at 4"]),
            ("UPDATE loyalty_snapshots SET stream = 'x'", ["the snapshot of 'x' is of version 3, and the stream is at 0"]),
        ],
    )
    def test_what_is_wrong_is_named(self, statement: str, problems: list[str], kept: Path) -> None:
        """One line for each problem, and no other."""
        assert list(spoiled(kept, statement)) == problems

    def test_text_that_is_none_is_told(self, kept: Path) -> None:
        """A fact of broken bytes is one problem, and the rest is looked at."""
        problems = spoiled(kept, "UPDATE loyalty_facts SET fact = CAST(x'ff22' AS TEXT)")
        assert len(problems) == 5
        assert problems[0].startswith("fact 1 of 'member/m': not JSON of this library: ")

    def test_what_sqlite_finds_is_told(self, kept: Path) -> None:
        """A page that belongs to nothing."""
        (problem,) = spoiled(kept, "PRAGMA writable_schema = ON", "DELETE FROM sqlite_master WHERE name = 'loyalty_streams_due'")
        assert problem.startswith("the database: ")
        assert problem.endswith("is never used")

    def test_broken_file_is_told(self, kept: Path) -> None:
        """What cannot be read does not end the check."""
        with closing(sqlite3.connect(kept)) as db:
            (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'loyalty_facts'").fetchone()
            (size,) = db.execute("PRAGMA page_size").fetchone()
        pages = kept.read_bytes()
        kept.write_bytes(pages[: (root - 1) * size] + b"\xff" * size + pages[root * size :])
        problems = spoiled(kept, "DELETE FROM loyalty_receipts WHERE key = 'one'")
        assert "the database cannot be read: database disk image is malformed" in problems
        assert "facts 1 to 2 of 'member/m' belong to no receipt" in problems

    def test_missing_table_is_told(self, kept: Path) -> None:
        """A check of what is not there says so."""
        assert "the database cannot be read: no such table: loyalty_claims" in spoiled(kept, "DROP TABLE loyalty_claims")

    def test_so_many_are_named(self, path: Path) -> None:
        """A thousand lines say enough."""
        with SQLiteRepository(path) as repository:
            repository.commit(command("k"), [append(0, count=1200)])
        assert len(spoiled(path, "UPDATE loyalty_facts SET fact = '{}'")) == 1000

    def test_looks_at_one_moment(self, kept: Path) -> None:
        """What another commits meanwhile is not half seen; in the caller's transaction it is looked at as it is there."""
        with SQLiteRepository(kept) as repository, repository._view() as cursor:
            assert cursor.execute("SELECT count(*) FROM loyalty_receipts").fetchone() == (3,)
            with SQLiteRepository(kept) as other:
                other.commit(command("four"), [append(4)])
            assert list(problems_in(cursor)) == []
            assert cursor.execute("SELECT count(*) FROM loyalty_receipts").fetchone() == (3,)
        with closing(sqlite3.connect(kept, isolation_level=None)) as db:
            db.execute("BEGIN")
            db.execute("UPDATE loyalty_claims SET amount = -1")
            assert SQLiteRepository(connection=db).check() == ("the claim of 'a' on 'coupon/SUMMER' is of -1",)
            assert db.in_transaction


class Failing(sqlite3.Connection):
    """A connection whose disk fails under one statement."""

    statement = ""
    error: BaseException
    ends = True

    def cursor(self, *_: object) -> sqlite3.Cursor:  # type: ignore[override]  # no factory is asked for here
        """Give a cursor that fails."""
        return super().cursor(FailingCursor)


class FailingCursor(sqlite3.Cursor):
    """Fails once, and ends the transaction as SQLite does."""

    def execute(self, statement: str, parameters: object = (), /) -> sqlite3.Cursor:  # type: ignore[override]  # the same
        """Do what is asked, or fail."""
        db = self.connection
        assert isinstance(db, Failing)
        if statement != db.statement:
            return super().execute(statement, parameters)  # type: ignore[arg-type]  # passed on as it came
        db.statement = ""
        if db.ends:
            super().execute("ROLLBACK")
        raise db.error


def failure(code: int) -> sqlite3.OperationalError:
    """Make an error as SQLite tells it."""
    error = sqlite3.OperationalError("as SQLite says it")
    error.sqlite_errorcode = code
    return error


class TestFailures:
    """What leaves the outcome of a commit open is told so; all else is known, and comes out as it is."""

    @pytest.mark.parametrize(
        "error",
        [
            failure(sqlite3.SQLITE_FULL),
            failure(sqlite3.SQLITE_IOERR_FSYNC),
            failure(sqlite3.SQLITE_CORRUPT),
            sqlite3.DatabaseError("one without a code"),
            MemoryError(),
        ],
        ids=repr,
    )
    def test_failing_while_it_is_kept_leaves_the_outcome_open(self, error: Exception, path: Path) -> None:
        """What was on the disk may count after a crash: the same command again settles it."""
        db = sqlite3.connect(path, isolation_level=None, factory=Failing)
        repository = SQLiteRepository(connection=db)
        db.statement, db.error = "COMMIT", error
        with pytest.raises(OutcomeUnknownError, match=r"^the database failed while a commit was being kept: ") as told:
            repository.commit(command("k"), [append(0)])
        assert told.value.__cause__ is error
        repository.commit(command("k"), [append(0)])
        assert version_in(repository) == 1
        db.close()

    def test_transaction_still_open_was_not_kept(self, path: Path) -> None:
        """Where SQLite can go on, as after a constraint looked at last, nothing was kept, and the error is its own."""
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("CREATE TABLE customers (id TEXT PRIMARY KEY)")
        db.execute("CREATE TABLE points (customer TEXT REFERENCES customers DEFERRABLE INITIALLY DEFERRED)")
        repository = SQLiteRepository(connection=db)
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            repository.commit_then(command("k"), [append(0)], lambda cursor: cursor.execute("INSERT INTO points VALUES ('m')"))
        assert not db.in_transaction
        assert version_in(repository) == 0
        db.close()

    def test_readers_may_keep_a_commit_waiting(self, path: Path) -> None:
        """Without write-ahead logging a reader stands in the way of COMMIT: that is a conflict, and nothing is kept."""
        db = sqlite3.connect(path, timeout=0, isolation_level=None)
        repository, other = SQLiteRepository(connection=db), sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN")
        other.execute("SELECT * FROM loyalty_meta").fetchall()
        with pytest.raises(ConflictError):
            repository.commit(command("k"), [append(0)])
        assert not db.in_transaction
        other.close()
        assert version_in(repository) == 0
        db.close()

    @pytest.mark.parametrize("isolation_level", ["", None])
    def test_failing_in_the_callers_transaction_is_known(self, isolation_level: str | None, path: Path) -> None:
        """What is not kept yet is lost for certain, and the caller hears the database's own words."""
        db = sqlite3.connect(path, isolation_level=isolation_level, factory=Failing)  # type: ignore[arg-type]  # a table of both
        repository = SQLiteRepository(connection=db)
        db.execute("BEGIN")
        db.statement, db.error = "RELEASE loyalty", failure(sqlite3.SQLITE_IOERR)
        with pytest.raises(sqlite3.OperationalError, match="as SQLite says it"):
            repository.commit(command("k"), [append(0)])
        assert version_in(repository) == 0
        db.close()

    def test_full_database_is_told(self, repository: SQLiteRepository) -> None:
        """A file that may not grow: what SQLite finds out before it keeps a commit is its own error."""
        pages = repository._db().execute("PRAGMA page_count").fetchone()[0]
        repository._db().execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(sqlite3.OperationalError, match="full"):
            repository.commit(command("k"), [append(0, count=500)])
        assert repository.receipt(MEMBER, Key("k")) is None
        repository._db().execute("PRAGMA max_page_count = 1000000")
        repository.commit(command("k"), [append(0, count=500)])
        assert repository.check() == ()

    @pytest.mark.skipif(resource is None, reason="this system has no limits to set")
    def test_disk_that_takes_no_more_leaves_the_outcome_open(self, repository: SQLiteRepository, path: Path) -> None:
        """A real one: the system refuses to let the log grow while SQLite keeps a commit."""
        assert resource is not None  # or the test is not run
        repository.commit(command("before"), [append(0)])
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.with_name("loyalty.db-wal").stat().st_size + 100, limits[1]))
        try:
            with pytest.raises(OutcomeUnknownError):
                repository.commit(command("k"), [append(1, count=100)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        with SQLiteRepository(path) as other:
            assert version_in(other) in {1, 101}
        with suppress(DuplicateError):  # where it had been kept
            repository.commit(command("k"), [append(1, count=100)])
        assert version_in(repository) == 101
        assert repository.check() == ()


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
from loyaltycore.errors import DuplicateError
from loyaltycore.facts import Append, Claim, Command
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.memberships import MemberJoined
from loyaltycore.store.sqlite import SQLiteRepository
path, start = sys.argv[1], int(sys.argv[2])
at = datetime(2026, 7, 1, tzinfo=UTC)
repository = SQLiteRepository(path)
with repository._db() as db:
    db.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY)")
for number in range(start, start + 60):
    facts = [MemberJoined(member_id=f"{number}-{place}", at=at) for place in range(40)]
    changes = [Append(stream=StreamId(f"member/{name}"), expected_version=40 * number, facts=facts, due_at=at) for name in "ab"]
    changes.append(Claim(counter=CounterId("c"), key=Key("k"), amount=number + 1, limit=None, at=at, until=None))
    command = Command.of(StreamId("member/a"), Key(str(number)), actor="test")
    try:
        repository.commit_then(command, changes, lambda cursor: cursor.execute("INSERT INTO orders VALUES (?)", (number,)))
    except DuplicateError:
        assert number == start  # only the call whose answer was lost may have been done
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
        """Over 200 commits, killed at random: each is there whole or not at all; those it acknowledged are there.

        What comes next makes the last call again, as a shop does that heard nothing: it is done once.
        """
        done, chance = 0, random.Random(40)
        while done < 200:
            acknowledged = -1
            with run(DYING, path, max(0, done - 1)) as child:
                assert child.stdout is not None  # it was asked for
                for _ in range(chance.randrange(1, 40)):
                    acknowledged = int(child.stdout.readline())
                time.sleep(chance.random() / 200)  # into the middle of the next one
                child.kill()
                acknowledged = max([acknowledged, *(int(line) for line in child.stdout.read().split())])
            done = self.whole_commits(path)
            assert acknowledged + 1 <= done <= acknowledged + 2

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
            orders = repository._db().execute("SELECT id FROM orders ORDER BY id").fetchall()
            assert orders == [(number,) for number in range(count)]
            assert repository.check() == ()
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
        check_repository(lambda: SQLiteRepository(connection=sqlite3.connect(":memory:")), threads=1, capabilities=POWERS)

    @pytest.mark.law(45)
    def test_keeps_the_contract_of_joining(self, path: Path) -> None:
        """Every clause of it, by the kit, others looking on.

        Where Python begins transactions by itself the kit's own commits outside of one would stay open and hold up the others.
        """
        opened = list[sqlite3.Connection]()

        def factory() -> SQLiteRepository:
            opened.append(sqlite3.connect(path, isolation_level=None, check_same_thread=False))
            opened[-1].execute("PRAGMA journal_mode = WAL")  # so that others can look on
            return SQLiteRepository(connection=opened[-1])

        @contextmanager
        def transaction(repository: SQLiteRepository) -> Iterator[None]:
            db = repository._db()
            db.execute("BEGIN")
            with db:
                yield

        check_transactions(factory, transaction=transaction)
        for db in opened:
            db.close()

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
