"""The conformance kit: it passes honest repositories, and catches each canary by the clause that it breaks."""

from __future__ import annotations

import asyncio
import inspect
import json
import pickle
import re
import sqlite3
import subprocess
import sys
import threading
import unittest
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import ClassVar

import attrs
import pytest

from loyaltycore.codec import FACTS
from loyaltycore.errors import ConflictError, UsageError
from loyaltycore.facts import Change, Claim, Command, Posting
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.ledger import Held, Ledger, Lot
from loyaltycore.memberships import MemberJoined
from loyaltycore.points import PointsAccount
from loyaltycore.repositories import (
    AsyncSnapshots,
    Claimed,
    Cursor,
    Due,
    Enumerable,
    Exportable,
    Forgetting,
    Joining,
    PointsAccountRepository,
    Projecting,
    Receipt,
    Repository,
    Snapshots,
    StoredStream,
)
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.store.sqlite import SQLiteRepository
from loyaltycore.testing import ConformanceError, check_points_repository, check_repository
from loyaltycore.testing._stage import CALLS_SHOWN, Source, Stage
from loyaltycore.testing.conformance import Projection, check_async_repository, check_transactions
from tests.canaries import CANARIES, POINTS_CANARIES, ForgetsOpenHolds, Plain, PlainAccounts, RebuildsAccounts
from tests.canaries_more import ASYNC_CANARIES, JOINING_CANARIES, MORE_CANARIES, Awaiting, Client, Full, Joined

LIARS = [(contract, clause, liar) for (contract, clause), liars in CANARIES.items() for liar in liars]
MORE_LIARS = [(contract, clause, liar) for (contract, clause), liars in MORE_CANARIES.items() for liar in liars]
JOINING_LIARS = [(clause, liar) for clause, liars in JOINING_CANARIES.items() for liar in liars]
ASYNC_LIARS = [(clause, liar) for clause, liars in ASYNC_CANARIES.items() for liar in liars]
POINTS_LIARS = [(clause, liar) for clause, liars in POINTS_CANARIES.items() for liar in liars]
RACING = {
    "ChecksThenActs",
    "ReadsExpectationsEarly",
    "ReadsKnownStreamsEarly",
    "GivesUpWhenBusy",
    "LooksForRepeatsOnce",
    "LooksForRepeatsEarly",
    "CountsThenClaims",
    "LocksAsItGoes",
    "LocksCountersAsItGoes",
    "ReadsInTwoViews",
}


OPTIONAL = (Enumerable, Exportable, Snapshots, Projecting, Forgetting)


def numbered(*contracts: type) -> set[tuple[str, int]]:
    """Read the numbers of the clauses of contracts."""
    return {
        (contract.__name__, int(number))
        for contract in contracts
        for number in re.findall(r"^ *(\d+)\. ", inspect.getdoc(contract) or "", re.MULTILINE)
    }


def chances_of(liar: type) -> int:
    """Count how often a liar may be checked: once, unless only a race shows it."""
    return 5 if liar.__name__ in RACING else 1


def told_of(check: Callable[[], None], contract: str, clause: int, *, chances: int) -> ConformanceError:
    """Give the failure that names a clause; a race is lost only now and then, so a racing liar gets more than one chance."""
    told = list[str]()
    for _ in range(chances):
        try:
            check()
        except ConformanceError as caught:
            if (caught.contract, caught.clause) == (contract, clause):
                return caught
            told.append(str(caught))
    pytest.fail(f"clause {clause} was not named: {told}")


class TestCheckRepository:
    @pytest.mark.law(38, 39)
    def test_memory_passes(self) -> None:
        """The repository in memory keeps every clause."""
        check_repository(MemoryRepository)

    @pytest.mark.law(38, 39)
    @pytest.mark.parametrize("files", ["one", "many"])
    def test_sqlite_passes(self, files: str, tmp_path: Path) -> None:
        """SQLite keeps every clause: among connections to one file, and among threads that share a repository."""
        numbers = count()
        check_repository(lambda: SQLiteRepository(tmp_path / ("one.db" if files == "one" else f"{next(numbers)}.db")))

    def test_sqlite_passes_on_the_callers_connection(self) -> None:
        """With the caller's connection there is one thread, and every other clause holds."""
        check_repository(lambda: SQLiteRepository(connection=sqlite3.connect(":memory:")), threads=1)

    def test_honest_canary_passes(self) -> None:
        """What the liars are made from does not lie."""
        check_repository(Plain)

    def test_every_kind_of_fact_is_kept(self) -> None:
        """The kit appends facts of every kind there is, on two accounts of one member."""
        one = Plain()
        check_repository(lambda: one)
        streams = one.facts.values()
        assert {type(fact) for facts in streams for fact in facts} >= set(FACTS)
        assert any({"points", "status"} <= {fact.account for fact in facts if isinstance(fact, Held)} for facts in streams)

    def test_facts_are_told_late_and_at_one_instant(self) -> None:
        """The kit appends what is dated back and what happened at one instant, in one append and in several."""
        one = Plain()
        check_repository(lambda: one)
        told = [facts for stream, facts in one.facts.items() if stream.endswith(("-bits", "-once"))]
        assert len(told) == 2
        for facts in told:
            instants = [fact.at for fact in facts]
            assert instants != sorted(instants)
            assert len(set(facts)) < len(facts)
            assert len(set(instants)) < len(set(facts))

    def test_one_repository_for_all_passes(self) -> None:
        """A factory may give the same repository each time; it is not closed under its owner."""
        one = MemoryRepository()
        check_repository(lambda: one)

    def test_crowded_database_passes(self) -> None:
        """A database that is full of others' streams, and of what is due there, is no hindrance."""
        crowded = Plain()
        for number in range(1200):
            stream = StreamId(f"member/{number:05d}")
            due_at = datetime(1949, 1, 1, tzinfo=UTC) + timedelta(days=number)
            crowded.facts[stream] = [MemberJoined(member_id=str(number), at=due_at)]
            if number % 10 == 0:
                crowded.dues[stream] = due_at
        check_repository(lambda: crowded)

    @pytest.mark.law(41)
    @pytest.mark.parametrize("contract, clause, liar", LIARS)
    def test_each_canary_is_caught(self, contract: str, clause: int, liar: type[Plain]) -> None:
        """A repository that lies in one way breaks the clause that says so."""
        caught = told_of(lambda: check_repository(liar, patience=2), contract, clause, chances=chances_of(liar))
        assert caught.words
        assert str(caught).startswith(f"{contract}, clause {clause}: {caught.words}\nfound: ")
        assert caught.history

    def test_every_clause_has_a_canary(self) -> None:
        """No clause of the contract is checked by a check that was never seen to fail."""
        assert numbered(Repository, Enumerable) == set(CANARIES)
        assert max(clause for _, clause in CANARIES) == 14

    def test_canary_is_caught_in_one_thread(self) -> None:
        """With one thread, everything but races is looked at."""
        for _, clause, liar in LIARS:
            if liar.__name__ not in RACING:
                with pytest.raises(ConformanceError) as caught:
                    check_repository(liar, threads=1, examples=0)
                assert caught.value.clause == clause

    def test_races_need_threads(self) -> None:
        """What lies only when two run at once is not caught in one thread."""
        racing = [liar for _, _, liar in LIARS if liar.__name__ in RACING]
        assert len(racing) == len(RACING - {"ReadsInTwoViews"})
        for liar in racing:
            check_repository(liar, threads=1, examples=0)

    def test_repository_without_a_listing_passes(self) -> None:
        """``streams`` is optional."""
        check_repository(WithoutListing)

    @pytest.mark.parametrize("threads", [0, 201, True])
    def test_threads_are_limited(self, threads: int) -> None:
        """Threads number 1 to 200."""
        with pytest.raises(UsageError, match="threads must be a whole number"):
            check_repository(MemoryRepository, threads=threads)

    def test_threads_that_see_the_same_get_their_own(self) -> None:
        """Where two repositories see the same database, a repository need not be safe among threads."""
        shared = Plain()
        made = list[OfOneThread]()

        def factory() -> OfOneThread:
            repository = OfOneThread(shared)
            made.append(repository)
            return repository  # not the last that was made: another thread may have made one meanwhile

        check_repository(factory)
        assert len({repository.thread for repository in made}) > 8
        assert all(repository.is_closed for repository in made)

    def test_factory_that_fails_in_a_thread_is_told(self) -> None:
        """A connection that cannot be opened in a thread ends the check, and no thread waits for ever."""
        shared = Plain()

        def factory() -> OfOneThread:
            if threading.current_thread() is not threading.main_thread():
                msg = "too many connections"
                raise RuntimeError(msg)
            return OfOneThread(shared)

        with pytest.raises(RuntimeError, match="too many connections"):
            check_repository(factory)

    def test_kit_needs_no_test_framework(self) -> None:
        """Importing the kit loads neither pytest nor Hypothesis; without histories it runs as a plain script."""
        code = (
            "import sys; from loyaltycore.testing import check_repository; from loyaltycore.store.memory import MemoryRepository;"
            "check_repository(MemoryRepository, examples=0); print({'pytest', 'hypothesis', 'unittest'} & set(sys.modules))"
        )
        answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        assert answer.stdout.strip() == "set()"

    def test_kit_runs_under_unittest(self) -> None:
        """A failure is an AssertionError: unittest counts it as one."""

        class Case(unittest.TestCase):
            def test_mine(self) -> None:
                check_repository(SILENT)

        result = unittest.TestResult()
        Case("test_mine").run(result)
        assert (len(result.failures), len(result.errors)) == (1, 0)


def written_in(shop: Full) -> Projection:
    """Tell how to write through what a commit of one repository gives."""

    def write(given: Full, text: str) -> None:
        given.texts[text] = None

    return Projection(write=write, has=lambda text: text in shop.texts)


class TestCapabilities:
    def test_honest_repository_passes(self) -> None:
        """One that can do everything is checked in everything."""
        one = Full()
        check_repository(lambda: one, capabilities=OPTIONAL, projection=written_in(one))

    def test_honest_clients_of_one_store_pass(self) -> None:
        """So are several over one store."""
        check_repository(Client, capabilities=[*OPTIONAL, Joining], examples=10)

    @pytest.mark.law(41)
    @pytest.mark.parametrize("contract, clause, liar", MORE_LIARS)
    def test_each_canary_is_caught(self, contract: str, clause: int, liar: type[Full]) -> None:
        """A repository that lies about what it can do besides breaks the clause that says so."""

        def check() -> None:
            one = liar()
            check_repository(lambda: one, projection=written_in(one), examples=0)

        caught = told_of(check, contract, clause, chances=chances_of(liar))
        assert caught.words
        assert caught.history

    def test_every_clause_has_a_canary(self) -> None:
        """No clause of an optional protocol is checked by a check that was never seen to fail."""
        assert numbered(Exportable, Snapshots, Projecting, Forgetting) == set(MORE_CANARIES)

    def test_what_is_not_there_is_told(self) -> None:
        """A capability that is declared and missing is a failure that names it."""
        for protocol in (*OPTIONAL, Joining):
            with pytest.raises(
                ConformanceError, match=f"found: {protocol.__name__} is declared, and there is no method"
            ) as caught:
                check_repository(WithoutListing, capabilities=[protocol])
            assert (caught.value.contract, caught.value.clause) == (protocol.__name__, 1)

    def test_what_is_misspelt_is_told(self) -> None:
        """A method that is nearly there is named."""
        with pytest.raises(ConformanceError, match=r"no method 'streams'; did you mean 'streams' by 'stream'\?"):
            check_repository(Misspelt, capabilities=[Enumerable])

    def test_what_is_no_capability_is_a_usage_error(self) -> None:
        """Only the optional protocols can be declared."""
        with pytest.raises(UsageError, match=r"capabilities must be of Enumerable, .*, got 'Repository'"):
            check_repository(MemoryRepository, capabilities=[Repository])


class TestHistories:
    def test_they_need_hypothesis(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where Hypothesis is not installed, it is said, and how to go without."""
        monkeypatch.setitem(sys.modules, "loyaltycore.testing.port_machine", None)
        with pytest.raises(UsageError, match=r"install loyaltycore\[testing\], which brings it, or pass examples=0"):
            check_repository(MemoryRepository)
        check_repository(MemoryRepository, examples=0)

    @pytest.mark.parametrize("examples", [-1, 100_001, True])
    def test_examples_are_limited(self, examples: int) -> None:
        """Histories number 0 to 100,000."""
        with pytest.raises(UsageError, match="examples must be a whole number"):
            check_repository(MemoryRepository, examples=examples)

    def test_they_find_what_the_checks_by_clause_do_not(self) -> None:
        """A fault that needs an odd history is found, and the failure shows the shortest."""
        with pytest.raises(ConformanceError) as caught:
            check_repository(SettlesWithClaims)
        assert (caught.value.contract, caught.value.clause) == ("Repository", 14)
        commits = [call for call in caught.value.history if call.startswith("commit(")]
        assert len(commits) == len(caught.value.history) - 1 <= 3


class SettlesWithClaims(Plain):
    """A claim without a limit, alone, settles everything that is due."""

    def write(self, command: Command, changes: Sequence[Change]) -> None:
        """Write, and settle too much."""
        if any(isinstance(change, Claim) and change.limit is None for change in changes) and len(changes) == 1:
            self.dues.clear()
        super().write(command, changes)


class TestCheckTransactions:
    @pytest.mark.law(45)
    @pytest.mark.parametrize("honest", [Joined, Client])
    def test_honest_repository_passes(self, honest: type[Joined]) -> None:
        """Alone, or with others who look at the same."""
        check_transactions(honest, transaction=begin)

    @pytest.mark.law(41, 45)
    @pytest.mark.parametrize("clause, liar", JOINING_LIARS)
    def test_each_canary_is_caught(self, clause: int, liar: type[Joined]) -> None:
        """A repository that lies about transactions breaks the clause that says so."""
        with pytest.raises(ConformanceError) as caught:
            check_transactions(liar, transaction=begin, patience=1)
        assert (caught.value.contract, caught.value.clause) == ("Joining", clause)

    def test_every_clause_has_a_canary(self) -> None:
        """No clause of transactions is checked by a check that was never seen to fail."""
        assert numbered(Joining) == {("Joining", clause) for clause in JOINING_CANARIES}

    def test_repository_that_joins_nothing_is_told(self) -> None:
        """One without transactions has nothing to check."""
        with pytest.raises(ConformanceError, match="Joining is declared, and there is no method 'in_transaction'"):
            check_transactions(Full, transaction=begin)

    @pytest.mark.law(45)
    def test_connection_that_begins_by_itself(self, tmp_path: Path) -> None:
        """With Python's usual settings every commit waits for the caller's, and the kit is told so."""

        def repository() -> SQLiteRepository:
            return SQLiteRepository(connection=sqlite3.connect(tmp_path / "shop.db"))

        @contextmanager
        def caller(repository: SQLiteRepository) -> Iterator[None]:
            db = repository._db()
            assert not db.in_transaction
            with db:
                yield

        check_transactions(repository, transaction=caller, always=True)
        with pytest.raises(ConformanceError, match="what in_transaction says before is True, not False"):
            check_transactions(repository, transaction=caller)

    @pytest.mark.parametrize("liar", [liar for clause, liar in JOINING_LIARS if clause in {2, 3}])
    def test_canaries_that_begin_by_themselves_are_caught(self, liar: type[Joined]) -> None:
        """They say that they always join, and lie all the same."""
        always = type(liar.__name__, (liar,), {"in_transaction": lambda _: True})
        with pytest.raises(ConformanceError) as caught:
            check_transactions(always, transaction=begin, always=True, patience=1)
        assert caught.value.contract == "Joining"

    def test_same_transaction_is_no_other(self) -> None:
        """A repository that takes part in the same transaction sees what is in it, and is not taken for another."""
        check_transactions(SameConnection, transaction=begin)


class SameConnection(Client):
    """Every repository of the factory is over one connection."""

    store = Full()
    openings: ClassVar[list[bool]] = [False]

    def __init__(self) -> None:
        begun = self.is_open
        super().__init__()
        self.is_open = begun

    @property
    def is_open(self) -> bool:
        """Whether the one connection has a transaction."""
        return self.openings[0]

    @is_open.setter
    def is_open(self, value: bool) -> None:
        self.openings[0] = value

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Begin on the one connection."""
        with Joined.transaction(self):
            yield


def begin(repository: Joined) -> AbstractContextManager[None]:
    """Begin a transaction of the caller's."""
    return repository.transaction()


class OnlyForgets:
    """An honest repository that can rename, and list nothing."""

    def __init__(self) -> None:
        inner = MemoryRepository()
        self.load, self.receipt, self.commit = inner.load, inner.receipt, inner.commit
        self.claimed, self.due, self.rename = inner.claimed, inner.due, inner.rename


def test_one_power_alone_is_checked() -> None:
    """A repository that forgets and lists nothing is looked at as far as can be seen."""
    check_repository(OnlyForgets, capabilities=[Forgetting], examples=0)


class LeavesWork(Awaiting):
    """An honest repository that leaves something running behind."""

    async def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        """Load, and go on with something else."""
        self.behind = asyncio.ensure_future(asyncio.sleep(3600))
        return await super().load(streams)


class TestCheckAsyncRepository:
    def test_what_is_left_running_is_ended(self) -> None:
        """The kit ends its loop, and whatever runs in it, without a word."""
        check_async_repository(LeavesWork, threads=2, examples=0)

    def test_honest_repository_passes(self) -> None:
        """One that is awaited keeps every clause, and is closed after use."""
        made = list[Awaiting]()

        def factory() -> Awaiting:
            assert asyncio.get_running_loop().is_running()
            made.append(Awaiting())
            return made[-1]

        check_async_repository(factory, capabilities=[AsyncSnapshots, Exportable], examples=10)
        assert all(repository.is_closed for repository in made)

    def test_what_the_shop_writes_is_awaited(self) -> None:
        """The shop's own work in a commit may be awaited or not."""
        one = Awaiting()

        async def write(given: Full, text: str) -> None:
            await asyncio.sleep(0)
            given.texts[text] = None

        for projection in (Projection(write=write, has=one.inner.texts.__contains__), written_in(one.inner)):
            check_async_repository(lambda: one, projection=projection, examples=0)

    @pytest.mark.law(41)
    @pytest.mark.parametrize("clause, liar", ASYNC_LIARS)
    def test_each_canary_is_caught(self, clause: int, liar: type[Awaiting]) -> None:
        """One that lies where it awaits breaks the clause that says so."""
        with pytest.raises(ConformanceError) as caught:
            check_async_repository(liar, patience=1, examples=0)
        assert (caught.value.contract, caught.value.clause) == ("Repository", clause)

    def test_five_methods_are_enough(self) -> None:
        """One without anything besides passes, closed by a plain function."""
        check_async_repository(AwaitingLess, examples=5)

    def test_nothing_is_left_behind(self) -> None:
        """No event loop is set, and no thread goes on."""
        before = set(threading.enumerate())
        check_async_repository(AwaitingLess, examples=0)
        assert set(threading.enumerate()) <= before
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()

    def test_answer_that_is_a_timeout_is_told(self) -> None:
        """A repository's own TimeoutError is told as what it raised, not as a call that is stuck."""
        with pytest.raises(ConformanceError, match="the last call raised TimeoutError: the database is slow"):
            check_async_repository(RaisesTimeouts, examples=0)


class AwaitingLess:
    """The five methods, awaited, and a plain ``close``."""

    def __init__(self) -> None:
        self.inner = MemoryRepository()

    async def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        """Load."""
        return self.inner.load(streams)

    async def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        """Ask for a receipt."""
        return self.inner.receipt(home, key)

    async def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Commit."""
        self.inner.commit(command, changes)

    async def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        """Ask what is held."""
        return self.inner.claimed(counters, key=key, at=at)

    async def due(self, *, before: datetime, after: Cursor | None, limit: int) -> Sequence[Due]:
        """List what is due."""
        return self.inner.due(before=before, after=after, limit=limit)

    def close(self) -> None:
        """Close nothing."""


class RaisesTimeouts(AwaitingLess):
    """Its database is slow."""

    async def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:  # noqa: ARG002 - it gives up
        """Give up."""
        msg = "the database is slow"
        raise TimeoutError(msg)


SILENT = CANARIES["Repository", 6][1]


class WithoutListing:
    """The five methods and no more."""

    def __init__(self) -> None:
        inner = MemoryRepository()
        self.load, self.receipt, self.commit = inner.load, inner.receipt, inner.commit
        self.claimed, self.due = inner.claimed, inner.due


class Misspelt(WithoutListing):
    """A listing under another name."""

    stream = Plain.streams


class OfOneThread(WithoutListing):
    """A repository whose connection belongs to the thread that opened it."""

    def __init__(self, shared: Plain) -> None:
        self.thread = threading.get_ident()
        self.is_closed = False
        self.shared = shared

    def __getattribute__(self, name: str) -> object:
        own = {"thread", "is_closed", "shared", "close", "__class__", "__dict__"}
        if name in own:
            return object.__getattribute__(self, name)
        assert threading.get_ident() == self.thread
        return getattr(self.shared, name)

    def close(self) -> None:
        """Close once."""
        assert not self.is_closed
        self.is_closed = True


class TestCheckPointsRepository:
    def test_honest_table_passes(self) -> None:
        """A table of accounts that compares versions keeps both clauses."""
        check_points_repository(PlainAccounts)

    def test_rebuilt_accounts_pass(self) -> None:
        """An account may be made anew from tables, as long as nothing is lost."""
        check_points_repository(RebuildsAccounts)

    def test_whole_accounts_are_saved(self) -> None:
        """The kit saves an account that has something in every place: holds, debts, ends that slide, lots that await."""
        one = PlainAccounts()
        check_points_repository(lambda: one)
        ledger = next(account.ledger for account in one.rows.values() if account.ledger.account == "status")
        names = [field.name for field in attrs.fields(Ledger) if field.eq]
        # Only an account that came out of a snapshot has lots before it: no fact brings it there.
        assert [name for name in names if not getattr(ledger, name)] == ["earned_before"]
        assert {True, False} == {hold.is_open for hold in ledger.holds.values()}
        assert {True, False} == {span.is_closed for span in ledger.spans}
        defaults = Lot._field_defaults
        lots = ledger.lots.values()
        assert [name for name in defaults if all(getattr(lot, name) == defaults[name] for lot in lots)] == []
        assert any(lot.remaining < 0 for lot in lots)

    def test_failure_shows_what_differs(self) -> None:
        """Of a whole account the failure names the one part that is lost, and shows it."""
        with pytest.raises(ConformanceError) as caught:
            check_points_repository(ForgetsOpenHolds)
        assert caught.value.found.startswith("holds['h-1'] of the account read again is None, not Hold(parts=(Part(")

    @pytest.mark.parametrize("threads", [1, 8])
    def test_column_passes(self, threads: int, tmp_path: Path) -> None:
        """One JSON column and a version on a table that is there already."""
        path = tmp_path / "shop.db"
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE customers (id TEXT PRIMARY KEY, loyalty TEXT, loyalty_version INTEGER NOT NULL DEFAULT 0)")
        numbers = count(1)

        def new_member() -> str:
            with sqlite3.connect(path) as db:
                member_id = f"m-{next(numbers)}"
                db.execute("INSERT INTO customers (id) VALUES (?)", (member_id,))
            return member_id

        check_points_repository(lambda: Customers(path), new_member=new_member, threads=threads)

    @pytest.mark.law(41)
    @pytest.mark.parametrize("clause, liar", POINTS_LIARS)
    def test_each_canary_is_caught(self, clause: int, liar: type[PlainAccounts]) -> None:
        """A table that lies in one way breaks the clause that says so."""
        assert told_of(lambda: check_points_repository(liar), "PointsAccountRepository", clause, chances=chances_of(liar)).words

    def test_every_clause_has_a_canary(self) -> None:
        """No clause is checked by a check that was never seen to fail."""
        numbers = re.findall(r"^ *(\d+)\. ", inspect.getdoc(PointsAccountRepository) or "", re.MULTILINE)
        assert [int(number) for number in numbers] == list(POINTS_CANARIES)


class Customers:
    """A shop's own table, after the example in the guide."""

    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)

    def get(self, member_id: str, /) -> PointsAccount:
        """Read the column."""
        (text,) = self.db.execute("SELECT loyalty FROM customers WHERE id = ?", (member_id,)).fetchone()
        return PointsAccount.open(member_id) if text is None else PointsAccount.from_dict(json.loads(text))

    def save(self, posting: Posting[PointsAccount], /) -> None:
        """Write the column where the version is still the one read."""
        updated = self.db.execute(
            "UPDATE customers SET loyalty = ?, loyalty_version = ? WHERE id = ? AND loyalty_version = ?",
            (
                json.dumps(posting.state.to_dict()),
                posting.version + len(posting.facts),
                posting.state.member_id,
                posting.version,
            ),
        )
        if updated.rowcount != 1:
            raise ConflictError

    def close(self) -> None:
        """Close the connection."""
        self.db.close()


class TestConformanceError:
    def test_long_history_is_cut(self) -> None:
        """The last calls are listed, and how many came before."""
        error = ConformanceError("Repository", 5, "words", "two winners", tuple(f"call {n}" for n in range(CALLS_SHOWN + 3)))
        lines = str(error).splitlines()
        assert lines[:4] == ["Repository, clause 5: words", "found: two winners", "calls:", "  (3 calls before)"]
        assert lines[4] == "  call 3"
        assert lines[-1] == f"  call {CALLS_SHOWN + 2}"
        assert len(lines) == CALLS_SHOWN + 4

    def test_short_history_is_whole(self) -> None:
        """Nothing is left out of a short one."""
        error = ConformanceError("Repository", 5, "words", "two winners", tuple(f"call {n}" for n in range(CALLS_SHOWN)))
        assert str(error).splitlines()[3:] == [f"  call {n}" for n in range(CALLS_SHOWN)]

    def test_survives_pickling(self) -> None:
        """A failure in another process arrives whole."""
        error = ConformanceError("Repository", 5, "words", "two winners", ("call",))
        copy = pickle.loads(pickle.dumps(error))
        assert (str(copy), copy.clause, copy.history) == (str(error), 5, ("call",))

    def test_history_holds_the_calls_of_one_check(self) -> None:
        """A failure lists the few calls that break the clause, and nothing of the checks before."""
        with pytest.raises(ConformanceError) as caught:
            check_repository(CANARIES["Repository", 10][0])
        commits = [call for call in caught.value.history if call.startswith("commit(")]
        assert len(commits) == 3
        assert "Claim('kit/" in commits[-1]
        assert caught.value.found.endswith("is 6, not 3")

    def test_contract_without_docstring_has_no_words(self) -> None:
        """Where docstrings are stripped, the number alone names the clause."""

        class Stripped:
            pass

        Stripped.__doc__ = None
        source = Source(Plain, threads=1, shares=lambda _first, _second: False)
        with pytest.raises(ConformanceError, match=r"Stripped, clause 3: \nfound: a long text x{380}") as caught:
            Stage(Stripped, 3, source, Plain()).fail("a long text " + "x" * 400)
        assert caught.value.words == ""
