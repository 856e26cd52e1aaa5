"""What the embedded stores can do besides: export, snapshots, the shop's work in a commit, forgetting; each clause directly."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore.errors import ConflictError, CorruptStateError, DuplicateError, LimitReachedError, UsageError
from loyaltycore.facts import Append, Change, Claim, Command, Expect, Fact
from loyaltycore.identity import CounterId, Key, StreamId, member_stream, order_stream
from loyaltycore.ledger import Adjusted, Part
from loyaltycore.memberships import MemberJoined
from loyaltycore.repositories import (
    Cursor,
    Enumerable,
    Exportable,
    Forgetting,
    Joining,
    KeptClaim,
    KeptCommit,
    Projecting,
    Repository,
    Snapshot,
    Snapshots,
    SnapshotStream,
    StoredStream,
    every_stream,
)
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.store.sqlite import SQLiteRepository

AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MEMBER, ORDER, OTHER = member_stream("m"), order_stream("1"), member_stream("other")
COUNTER = CounterId("coupon/SUMMER")
ALL = 1000


class Store(Repository, Enumerable, Exportable, Snapshots, Projecting, Forgetting, Protocol):
    """Both stores, as far as they are alike."""


def joined(member_id: str) -> Fact:
    """Make a fact."""
    return MemberJoined(member_id=member_id, at=AT)


def command(key: str, *, home: StreamId = MEMBER, actor: str = "test") -> Command:
    """Make a command."""
    return Command.of(home, Key(key), actor=actor, what=key)


def append(stream: StreamId, version: int, *names: str, due_at: datetime | None = None) -> Append:
    """Make an append."""
    return Append(stream=stream, expected_version=version, facts=map(joined, names), due_at=due_at)


def claim(key: str, amount: int, *, counter: CounterId = COUNTER, until: datetime | None = None) -> Claim:
    """Make a claim on a counter of ten."""
    return Claim(counter=counter, key=Key(key), amount=amount, limit=10, at=AT, until=until)


def everything(store: Store) -> tuple[object, ...]:
    """Give all that a store holds, but for its snapshots."""
    streams = [stream for kind in ("member", "order") for stream in every_stream(store, kind)]
    commits = store.commits(after=None, limit=ALL)
    receipts = [store.receipt(commit.command.home, commit.command.key) for commit in commits]
    due = store.due(before=datetime(2100, 1, 1, tzinfo=UTC), after=None, limit=ALL)
    return store.load(streams), commits, receipts, store.claims(after=None, limit=ALL), due


def make_memory(_: Path) -> Iterator[Store]:
    """Make one in memory."""
    yield MemoryRepository()


def make_file(path: Path) -> Iterator[Store]:
    """Make one in a file of its own."""
    with SQLiteRepository(path / "loyalty.db") as repository:
        yield repository
        assert repository.check() == ()


def make_joined(_: Path, isolation_level: str | None) -> Iterator[Store]:
    """Make one on a caller's connection."""
    db = sqlite3.connect(":memory:", isolation_level=isolation_level)  # type: ignore[arg-type]  # a table of the levels there are
    repository = SQLiteRepository(connection=db)
    yield repository
    assert repository.check() == ()
    db.close()


MAKERS: dict[str, Callable[[Path], Iterator[Store]]] = {
    "memory": make_memory,
    "file": make_file,
    "connection": partial(make_joined, isolation_level=None),
    "connection that begins by itself": partial(make_joined, isolation_level=""),
}


@pytest.fixture(params=MAKERS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Each of the stores, empty."""
    yield from MAKERS[request.param](tmp_path)


class TestPowers:
    @pytest.mark.parametrize("power", [Enumerable, Exportable, Snapshots, Projecting, Forgetting])
    def test_has_them_all(self, store: Store, power: type) -> None:
        """Having the methods declares them."""
        assert isinstance(store, power)

    def test_memory_joins_nothing(self) -> None:
        """There is no transaction in memory; SQLite has them."""
        assert not isinstance(MemoryRepository(), Joining)
        assert isinstance(SQLiteRepository(connection=sqlite3.connect(":memory:")), Joining)


class TestExportable:
    def fill(self, store: Store) -> None:
        """Commit a few things, a claim alone and nothing at all among them."""
        store.commit(command("z"), [append(MEMBER, 0, "a", "b", due_at=AT), append(ORDER, 0, "c", due_at=AT + HOUR)])
        store.commit(command("a", home=ORDER, actor="zoé"), [append(MEMBER, 2, "d")])
        store.commit(command("claims"), [claim("x", 3), claim("y", 2, until=AT + HOUR), claim("gone", 0)])
        store.commit(command("nothing", home=OTHER), [])
        store.commit(command("last"), [append(OTHER, 0, "e", due_at=AT), Expect(stream=MEMBER, version=3)])

    def test_commits_are_listed_as_they_were_made(self, store: Store) -> None:
        """Each once, in order, at the versions it found; what is due only where no later append replaced it."""
        self.fill(store)
        commits = store.commits(after=None, limit=ALL)
        assert [(commit.command, commit.appends) for commit in commits] == [
            (command("z"), (append(MEMBER, 0, "a", "b"), append(ORDER, 0, "c", due_at=AT + HOUR))),
            (command("a", home=ORDER, actor="zoé"), (append(MEMBER, 2, "d"),)),
            (command("claims"), ()),
            (command("nothing", home=OTHER), ()),
            (command("last"), (append(OTHER, 0, "e", due_at=AT),)),
        ]

    def test_claims_are_listed_that_hold_something(self, store: Store) -> None:
        """By counter and key; one that ran out too."""
        self.fill(store)
        assert [attrs_of(kept) for kept in store.claims(after=None, limit=ALL)] == [
            (COUNTER, "x", 3, None),
            (COUNTER, "y", 2, AT + HOUR),
        ]

    @pytest.mark.parametrize("limit", [1, 2, 3, 7])
    def test_pages_hold_each_once(self, store: Store, limit: int) -> None:
        """However long a page is."""
        for number in range(7):
            keys = [claim(f"k{number}", 1, counter=CounterId(f"c{number % 2}")), claim(f'"{number}', 1)]
            store.commit(command(str(number)), [append(MEMBER, number, "a"), *keys])
        assert list(pages(partial(store.commits, limit=limit))) == list(store.commits(after=None, limit=ALL))
        assert list(pages(partial(store.claims, limit=limit))) == list(store.claims(after=None, limit=ALL))
        assert len(store.claims(after=None, limit=ALL)) == 14

    def test_listing_goes_on_after_more_was_committed(self, store: Store) -> None:
        """What was listed is not listed again, what comes is."""
        self.fill(store)
        *_, last = store.commits(after=None, limit=ALL)
        assert store.commits(after=last.cursor, limit=ALL) == []
        store.commit(command("more"), [append(OTHER, 1, "f")])
        (more,) = store.commits(after=last.cursor, limit=ALL)
        assert more.command == command("more")

    def test_committed_again_gives_the_same(self, store: Store) -> None:
        """What is listed is everything: another store is filled from it."""
        self.fill(store)
        other = MemoryRepository()
        for commit in store.commits(after=None, limit=ALL):
            other.commit(commit.command, commit.appends)
        for number, kept in enumerate(store.claims(after=None, limit=ALL)):
            again = Claim(counter=kept.counter, key=kept.key, amount=kept.amount, limit=None, at=AT, until=kept.until)
            other.commit(command(f"claim {number}"), [again])
        streams = [MEMBER, ORDER, OTHER]
        assert other.load(streams) == store.load(streams)
        assert [attrs_of(kept) for kept in other.claims(after=None, limit=ALL)] == [
            attrs_of(kept) for kept in store.claims(after=None, limit=ALL)
        ]
        assert due_in(other) == due_in(store) == [(OTHER, AT), (ORDER, AT + HOUR)]
        for commit in store.commits(after=None, limit=ALL):
            asked = commit.command
            assert other.receipt(asked.home, asked.key) == store.receipt(asked.home, asked.key)

    @pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "²", "9" * 19, "[1]"])
    def test_foreign_cursor_of_commits_is_refused(self, store: Store, cursor: str) -> None:
        """A cursor comes from an earlier listing."""
        with pytest.raises(UsageError, match="a cursor must come from an earlier listing"):
            store.commits(after=Cursor(cursor), limit=1)

    @pytest.mark.parametrize("cursor", ["", "x", "1", '["a"]', '["a", 1]', "{}", "[" * 100_000])
    def test_foreign_cursor_of_claims_is_refused(self, store: Store, cursor: str) -> None:
        """A cursor comes from an earlier listing."""
        with pytest.raises(UsageError, match="a cursor must come from an earlier listing"):
            store.claims(after=Cursor(cursor), limit=1)

    @pytest.mark.law(39)
    @given(
        st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=60), min_size=5, max_size=5),
        st.sampled_from(["memory", "connection"]),
    )
    def test_any_text_comes_back(self, texts: Sequence[str], kind: str) -> None:
        """Names of streams, keys, counters and actors, and what facts say."""
        name, key, counter, actor, reason = texts
        stream = StreamId(f"member/{name}")
        fact = Adjusted(account="points", ref="r", parts=(Part("lot", 1),), reason=reason, actor=actor, at=AT)
        asked = Command.of(stream, Key(key), actor=actor, reason=reason)
        change = Append(stream=stream, expected_version=0, facts=[fact])
        held = Claim(counter=CounterId(counter), key=Key(key), amount=1, limit=None, at=AT, until=None)
        making = MAKERS[kind](Path())
        store = next(making)
        store.commit(asked, [change, held])
        (commit,) = store.commits(after=None, limit=ALL)
        assert (commit.command, commit.appends) == (asked, (change,))
        (kept,) = store.claims(after=None, limit=ALL)
        assert attrs_of(kept) == (counter, key, 1, None)
        assert store.claims(after=kept.cursor, limit=ALL) == []
        store.rename(stream, StreamId(f"member/{name}'"), facts={})
        assert store.load([stream])[stream] == StoredStream()
        assert next(making, None) is None


class TestSnapshots:
    def test_snapshot_and_tail_are_the_whole(self, store: Store) -> None:
        """At each version, with other streams beside, known and unknown."""
        names = [str(number) for number in range(9)]
        store.commit(command("one"), [append(MEMBER, 0, *names), append(OTHER, 0, "x")])
        for version in range(1, 10):
            store.keep_snapshot(MEMBER, Snapshot(form="f", version=version, text="🛵" * version))
            found = store.load_tails([OTHER, MEMBER, ORDER], form="f")
            assert found == {
                OTHER: SnapshotStream(version=1, facts=(joined("x"),)),
                MEMBER: SnapshotStream(
                    version=9,
                    snapshot=Snapshot(form="f", version=version, text="🛵" * version),
                    facts=tuple(map(joined, names[version:])),
                ),
                ORDER: SnapshotStream(),
            }

    def test_another_form_is_answered_whole(self, store: Store) -> None:
        """Who does not know the form reads the facts."""
        store.commit(command("one"), [append(MEMBER, 0, "a", "b")])
        store.keep_snapshot(MEMBER, Snapshot(form="f", version=1, text=""))
        whole = SnapshotStream(version=2, facts=(joined("a"), joined("b")))
        assert store.load_tails([MEMBER], form="g") == {MEMBER: whole}
        assert store.load_tails([MEMBER], form="f")[MEMBER].facts == (joined("b"),)

    def test_newer_replaces_older_of_any_form(self, store: Store) -> None:
        """An older one replaces nothing; one of the same version does."""
        store.commit(command("one"), [append(MEMBER, 0, "a", "b", "c")])
        for form, version, kept in [("f", 2, True), ("g", 1, False), ("g", 2, True), ("f", 3, True), ("f", 2, False)]:
            snapshot = Snapshot(form=form, version=version, text=f"{form}{version}")
            store.keep_snapshot(MEMBER, snapshot)
            assert (store.load_tails([MEMBER], form=form)[MEMBER].snapshot == snapshot) is kept

    def test_of_more_facts_than_there_are_is_not_kept(self, store: Store) -> None:
        """What came of facts that were never kept would change answers."""
        for stream in (MEMBER, ORDER):
            store.keep_snapshot(stream, Snapshot(form="f", version=1, text="t"))
        store.commit(command("one"), [append(MEMBER, 0, "a")])
        assert store.load_tails([MEMBER], form="f") == {MEMBER: SnapshotStream(version=1, facts=(joined("a"),))}

    def test_nothing_else_is_changed(self, store: Store) -> None:
        """Streams, receipts, claims and what is due are as they were, and the stream moves on."""
        store.commit(command("one"), [append(MEMBER, 0, "a", due_at=AT), claim("k", 1)])
        before = everything(store)
        store.keep_snapshot(MEMBER, Snapshot(form="f", version=1, text="t"))
        assert everything(store) == before
        store.commit(command("two"), [append(MEMBER, 1, "b")])
        store.keep_snapshot(MEMBER, Snapshot(form="f", version=1, text="t"))
        assert store.load_tails([MEMBER], form="f")[MEMBER].version == 2

    def test_many_streams_are_answered(self, store: Store) -> None:
        """More than one statement takes."""
        streams = [member_stream(str(number)) for number in range(1100)]
        store.commit(command("one"), [append(streams[1000], 0, "a")])
        found = dict(store.load_tails(streams, form="f"))
        assert found.pop(streams[1000]).version == 1
        assert found == {stream: SnapshotStream() for stream in streams if stream != streams[1000]}


class TestProjecting:
    def test_is_called_once_when_all_is_checked(self, store: Store) -> None:
        """And the commit is kept."""
        called = list[Any]()
        store.commit_then(command("one"), [append(MEMBER, 0, "a"), claim("k", 1)], called.append)
        assert len(called) == 1
        assert store.load([MEMBER])[MEMBER].version == 1
        assert store.receipt(MEMBER, Key("one")) is not None

    def test_what_is_written_is_seen_within(self, store: Store) -> None:
        """The shop may read what it is about to keep through the same repository."""
        seen = list[int]()
        store.commit_then(command("one"), [append(MEMBER, 0, "a")], lambda _: seen.append(store.load([MEMBER])[MEMBER].version))
        assert seen == [1]

    @pytest.mark.parametrize(
        "error", [RuntimeError("no"), sqlite3.OperationalError("mine"), KeyboardInterrupt(), ConflictError("mine")], ids=repr
    )
    def test_its_error_comes_out_and_nothing_is_kept(self, store: Store, error: BaseException) -> None:
        """Nothing of ours, nothing committed within, and the next one goes through."""
        store.commit(command("before"), [append(MEMBER, 0, "a", due_at=AT), claim("k", 1)])
        before = everything(store)

        def fail(_: object) -> None:
            store.commit(command("within"), [append(OTHER, 0, "x"), claim("within", 1)])
            store.keep_snapshot(MEMBER, Snapshot(form="f", version=1, text="t"))
            raise error

        changes: list[Change] = [append(MEMBER, 1, "b"), append(ORDER, 0, "c", due_at=AT), claim("k", 4), claim("l", 4)]
        with pytest.raises(type(error)) as told:
            store.commit_then(command("one"), changes, fail)
        assert told.value is error
        assert everything(store) == before
        assert store.load_tails([MEMBER], form="f")[MEMBER].snapshot is None
        store.commit_then(command("one"), changes, lambda _: None)
        assert store.load([ORDER])[ORDER].version == 1

    def test_refused_commit_does_not_call(self, store: Store) -> None:
        """Neither for a repetition, nor a conflict, nor a limit."""
        store.commit(command("one"), [append(MEMBER, 0, "a"), claim("k", 10)])
        refused: list[tuple[type[Exception], Command, Change]] = [
            (DuplicateError, command("one"), append(MEMBER, 1, "b")),
            (ConflictError, command("two"), append(MEMBER, 0, "b")),
            (LimitReachedError, command("two"), claim("l", 1)),
        ]
        for error, asked, change in refused:
            with pytest.raises(error):
                store.commit_then(asked, [change], lambda _: pytest.fail("called for a refused commit"))

    def test_memory_is_given_nothing(self) -> None:
        """There is nothing to write through."""
        called = list[None]()
        MemoryRepository().commit_then(command("one"), [], called.append)
        assert called == [None]


class TestForgetting:
    def fill(self, store: Store) -> None:
        """A member with an order, another who was given points, and claims under names of streams."""
        store.commit(command("join", actor="m"), [append(MEMBER, 0, "m", "x", due_at=AT), claim(MEMBER, 2)])
        store.commit(command("place", home=ORDER), [append(ORDER, 0, "m"), append(MEMBER, 2, "y", due_at=AT + HOUR)])
        store.commit(command("gift", home=OTHER, actor="m"), [append(OTHER, 0, "o"), append(MEMBER, 3, "z", due_at=AT + HOUR)])
        store.commit(command("only", home=OTHER, actor="mm"), [claim("member/m2", 1)])
        for stream in (MEMBER, ORDER, OTHER):
            store.keep_snapshot(stream, Snapshot(form="f", version=1, text="of m"))

    def test_everything_has_the_new_name(self, store: Store) -> None:
        """Facts at their versions, receipts under any home, what is due, claims of that key, actors of that id."""
        self.fill(store)
        new = member_stream("gone")
        store.rename(MEMBER, new, facts={})
        assert store.load([MEMBER, new]) == {
            MEMBER: StoredStream(),
            new: StoredStream(4, tuple(map(joined, ["m", "x", "y", "z"]))),
        }
        commits = store.commits(after=None, limit=ALL)
        assert [(commit.command.home, commit.command.key, commit.command.actor) for commit in commits] == [
            (new, "join", "gone"),
            (ORDER, "place", "test"),
            (OTHER, "gift", "gone"),
            (OTHER, "only", "mm"),
        ]
        assert [part.stream for commit in commits for part in commit.appends] == [new, ORDER, new, OTHER, new]
        assert store.receipt(MEMBER, Key("join")) is None
        gift = store.receipt(OTHER, Key("gift"))
        assert gift is not None
        assert gift.facts == {OTHER: (joined("o"),), new: (joined("z"),)}
        assert [attrs_of(kept)[1] for kept in store.claims(after=None, limit=ALL)] == ["member/gone", "member/m2"]
        assert due_in(store) == [(new, AT + HOUR)]
        assert list(every_stream(store, "member")) == [new, OTHER]
        for stream, is_kept in ((MEMBER, False), (new, False), (ORDER, True), (OTHER, True)):
            assert (store.load_tails([stream], form="f")[stream].snapshot is not None) is is_kept
        store.commit(command("join"), [append(MEMBER, 0, "another")])
        with pytest.raises(DuplicateError):
            store.commit(command("join", home=new), [])

    def test_facts_are_replaced_one_for_one(self, store: Store) -> None:
        """Receipts answer with them, and no snapshot tells the old ones."""
        self.fill(store)
        new = member_stream("gone")
        store.rename(MEMBER, new, facts={new: [joined(f"{n}'") for n in "mxyz"], ORDER: [joined("gone")]})
        assert store.load([new, ORDER]) == {
            new: StoredStream(4, tuple(joined(f"{n}'") for n in "mxyz")),
            ORDER: StoredStream(1, (joined("gone"),)),
        }
        placed = store.receipt(ORDER, Key("place"))
        assert placed is not None
        assert placed.facts == {ORDER: (joined("gone"),), new: (joined("y'"),)}
        assert store.load_tails([ORDER], form="f")[ORDER].snapshot is None
        assert store.load_tails([OTHER], form="f")[OTHER].snapshot is not None

    @pytest.mark.parametrize("new", [OTHER, ORDER, MEMBER, StreamId("member/m2"), StreamId("member/receipts")])
    def test_new_name_must_be_empty(self, store: Store, new: StreamId) -> None:
        """Of facts, of receipts, of claims."""
        self.fill(store)
        store.commit(command("alone", home=StreamId("member/receipts")), [claim("z", 1)])
        before = everything(store)
        with pytest.raises(ConflictError, match="is not empty"):
            store.rename(MEMBER, new, facts={})
        assert everything(store) == before

    @pytest.mark.parametrize(
        "facts",
        [
            {member_stream("gone"): [joined("a")] * 3},
            {member_stream("gone"): [joined("a")] * 5},
            {member_stream("gone"): [joined("a")] * 4, ORDER: []},
            {ORDER: [joined("a")], OTHER: [joined("a")] * 2},
            {MEMBER: [joined("a")] * 4},
            {member_stream("unknown"): [joined("a")]},
        ],
    )
    def test_all_or_nothing(self, store: Store, facts: dict[StreamId, list[Fact]]) -> None:
        """Another number of facts is a conflict, and nothing is changed."""
        self.fill(store)
        before = everything(store)
        with pytest.raises(ConflictError, match=r"is at version \d, not \d"):
            store.rename(MEMBER, member_stream("gone"), facts=facts)
        assert everything(store) == before
        assert store.load_tails([MEMBER], form="f")[MEMBER].snapshot is not None

    def test_stream_never_written_is_renamed_to_nothing(self, store: Store) -> None:
        """Its receipts and claims go along, where it has some; nothing else is touched."""
        store.commit(command("only", actor=""), [claim(MEMBER, 1)])
        store.rename(MEMBER, member_stream("gone"), facts={member_stream("gone"): []})
        assert store.receipt(member_stream("gone"), Key("only")) is not None
        assert [attrs_of(kept)[1] for kept in store.claims(after=None, limit=ALL)] == ["member/gone"]
        assert list(every_stream(store, "member")) == []

    def test_stream_without_an_id_renames_no_actor(self, store: Store) -> None:
        """Nobody is named by an empty id."""
        store.commit(command("one", home=StreamId("odd"), actor=""), [append(StreamId("odd"), 0, "a")])
        store.rename(StreamId("odd"), member_stream("gone"), facts={})
        (commit,) = store.commits(after=None, limit=ALL)
        assert (commit.command.home, commit.command.actor) == (member_stream("gone"), "")


class TestConnection:
    """Law 45: what is done on the caller's connection is the caller's to keep."""

    @pytest.mark.law(45)
    @pytest.mark.parametrize("isolation_level", ["", None])
    def test_rollback_leaves_nothing_of_any_power(self, isolation_level: str | None, tmp_path: Path) -> None:
        """A projection, a snapshot and a rename go with the transaction they were made in."""
        db = sqlite3.connect(tmp_path / "shop.db", isolation_level=isolation_level)  # type: ignore[arg-type]  # a table of two
        db.execute("CREATE TABLE customers (id TEXT PRIMARY KEY, points INTEGER)")
        store = SQLiteRepository(connection=db)
        store.commit(command("one"), [append(MEMBER, 0, "a")])
        db.commit()
        before = everything(store)
        if isolation_level is None:
            db.execute("BEGIN")
        assert store.in_transaction()
        store.commit_then(
            command("two"), [append(MEMBER, 1, "b")], lambda cursor: cursor.execute("INSERT INTO customers VALUES ('m', 2)")
        )
        assert store.in_transaction()
        store.keep_snapshot(MEMBER, Snapshot(form="f", version=2, text="t"))
        store.rename(MEMBER, OTHER, facts={})
        assert db.execute("SELECT points FROM customers").fetchall() == [(2,)]
        db.rollback()
        assert store.in_transaction() is (isolation_level is not None)
        assert everything(store) == before
        assert store.load_tails([MEMBER], form="f")[MEMBER].snapshot is None
        assert db.execute("SELECT points FROM customers").fetchall() == []
        db.close()

    @pytest.mark.law(45)
    def test_refusals_leave_the_callers_work(self, tmp_path: Path) -> None:
        """An error of the shop's own work, and a rename that is refused, undo themselves alone."""
        db = sqlite3.connect(tmp_path / "shop.db", isolation_level=None)
        db.execute("CREATE TABLE customers (id TEXT PRIMARY KEY)")
        store = SQLiteRepository(connection=db)
        db.execute("BEGIN")
        db.execute("INSERT INTO customers VALUES ('before')")
        store.commit(command("one"), [append(MEMBER, 0, "a"), append(OTHER, 0, "b")])

        def fail(cursor: sqlite3.Cursor) -> None:
            cursor.execute("INSERT INTO customers VALUES ('within')")
            cursor.execute("INSERT INTO customers VALUES ('within')")

        with pytest.raises(sqlite3.IntegrityError):
            store.commit_then(command("two"), [append(MEMBER, 1, "c")], fail)
        with pytest.raises(ConflictError):
            store.rename(MEMBER, OTHER, facts={})
        db.execute("COMMIT")
        assert db.execute("SELECT id FROM customers").fetchall() == [("before",)]
        assert store.load([MEMBER])[MEMBER].version == 1
        db.close()

    def test_snapshot_opens_no_transaction(self, tmp_path: Path) -> None:
        """A page that only reads must not leave a lock behind because something was kept for later."""
        db = sqlite3.connect(tmp_path / "shop.db")
        store = SQLiteRepository(connection=db)
        store.commit(command("one"), [append(MEMBER, 0, "a")])
        db.commit()
        store.keep_snapshot(MEMBER, Snapshot(form="f", version=1, text="t"))
        assert not db.in_transaction
        assert store.in_transaction()
        with SQLiteRepository(tmp_path / "shop.db") as other:
            assert other.load_tails([MEMBER], form="f")[MEMBER].snapshot is not None
        db.close()

    def test_reading_opens_no_transaction(self, tmp_path: Path) -> None:
        """Receipts, exports and checks leave the connection as they found it."""
        db = sqlite3.connect(tmp_path / "shop.db")
        store = SQLiteRepository(connection=db)
        store.commit(command("one"), [append(MEMBER, 0, "a")])
        db.commit()
        everything(store)
        assert store.check() == ()
        assert not db.in_transaction
        db.close()


class TestFile:
    def test_file_of_its_own_has_no_transaction_of_the_callers(self, tmp_path: Path) -> None:
        """Not even within the shop's work."""
        with SQLiteRepository(tmp_path / "loyalty.db") as store:
            seen = list[bool]()
            store.commit_then(command("one"), [], lambda _: seen.append(store.in_transaction()))
            assert [*seen, store.in_transaction()] == [False, False]

    def test_projection_is_kept_with_the_commit(self, tmp_path: Path) -> None:
        """What the shop wrote through the cursor is there, or is not, as the facts are."""
        with SQLiteRepository(tmp_path / "loyalty.db") as store, SQLiteRepository(tmp_path / "loyalty.db") as other:
            store._db().execute("CREATE TABLE customers (id TEXT PRIMARY KEY, points INTEGER)")

            def write(cursor: sqlite3.Cursor) -> None:
                cursor.execute("INSERT INTO customers VALUES ('m', 1)")
                assert other.load([MEMBER])[MEMBER].version == 0

            store.commit_then(command("one"), [append(MEMBER, 0, "a")], write)
            assert other.load([MEMBER])[MEMBER].version == 1
            assert other._db().execute("SELECT points FROM customers").fetchall() == [(1,)]

    def test_snapshot_is_given_up_where_the_file_is_busy(self, tmp_path: Path) -> None:
        """Nobody misses it, so nobody is told."""
        path = tmp_path / "loyalty.db"
        with SQLiteRepository(path, busy_seconds=0) as store:
            store.commit(command("one"), [append(MEMBER, 0, "a")])
            db = sqlite3.connect(path, isolation_level=None)
            db.execute("BEGIN IMMEDIATE")
            store.keep_snapshot(MEMBER, Snapshot(form="f", version=1, text="t"))
            db.close()
            assert store.load_tails([MEMBER], form="f")[MEMBER].snapshot is None

    def test_receipt_of_facts_that_are_gone_is_told(self, tmp_path: Path) -> None:
        """A retry is not answered with less than was done."""
        path = tmp_path / "loyalty.db"
        with SQLiteRepository(path) as store:
            store.commit(command("one"), [append(MEMBER, 0, "a", "b")])
            with sqlite3.connect(path) as db:
                db.execute("DELETE FROM loyalty_facts WHERE version = 2")
            db.close()
            for ask in (lambda: store.receipt(MEMBER, Key("one")), lambda: store.commits(after=None, limit=1)):
                with pytest.raises(CorruptStateError, match=r"^of facts 1 to 2 of 'member/m' there are 1$"):
                    ask()

    def test_rename_is_undone_where_a_fact_has_no_stored_form(self, tmp_path: Path) -> None:
        """What cannot be written changes nothing."""
        with SQLiteRepository(tmp_path / "loyalty.db") as store:
            store.commit(command("one"), [append(MEMBER, 0, "a")])
            with pytest.raises(UsageError):
                store.rename(MEMBER, OTHER, facts={OTHER: [Unknown(at=AT)]})
            assert store.load([MEMBER])[MEMBER] == StoredStream(1, (joined("a"),))


class Unknown(Fact):
    """A fact that no store can write."""

    kind = "test.unknown"


def due_in(store: Store) -> list[tuple[StreamId, datetime]]:
    """Give what time brings something for, without cursors."""
    due = store.due(before=datetime(2100, 1, 1, tzinfo=UTC), after=None, limit=ALL)
    return [(one.stream, one.due_at) for one in due]


def attrs_of(kept: KeptClaim) -> tuple[str, str, int, datetime | None]:
    """Give a claim without its cursor."""
    return kept.counter, kept.key, kept.amount, kept.until


def pages(
    ask: Callable[..., Sequence[KeptCommit]] | Callable[..., Sequence[KeptClaim]],
) -> Iterator[KeptCommit | KeptClaim]:
    """Go through a listing, page by page."""
    after: Cursor | None = None
    while page := ask(after=after):
        yield from page
        after = page[-1].cursor
