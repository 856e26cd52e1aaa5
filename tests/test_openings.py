"""Opening balances: what a file says, what is wrong with it, and what is written."""

from __future__ import annotations

import pickle
import random
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loyaltycore import Membership, Money, Program
from loyaltycore.errors import ConflictError, CurrencyMismatchError, UsageError
from loyaltycore.facts import Append, Change, Command
from loyaltycore.identity import CounterId, Key, StreamId, member_stream
from loyaltycore.ledger import Granted
from loyaltycore.memberships import MemberJoined, OrderCounted
from loyaltycore.openings import (
    COLUMNS,
    PROBLEMS_LIMIT,
    Opening,
    OpeningProblem,
    OpeningsError,
    OpeningsImported,
    OpeningTotals,
    check_openings,
    import_openings,
    read_openings,
)
from loyaltycore.repositories import Claimed, Cursor, Due, Receipt, StoredStream
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.store.sqlite import SQLiteRepository
from tests.programs import velo

AT = datetime(2026, 7, 1, 8, tzinfo=UTC)
TODAY = date(2026, 7, 1)
SOON = date(2026, 12, 31)
PROGRAM = velo()


def read(*rows: str, currency: str = "EUR") -> list[Opening]:
    """Read rows."""
    return list(read_openings([f"{row}\n" for row in rows], currency=currency))


def problems(*rows: str) -> list[str]:
    """Give what is wrong with rows."""
    with pytest.raises(OpeningsError) as caught:
        read(*rows)
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return [str(problem) for problem in caught.value.problems]


def opening(**changes: Any) -> Opening:  # noqa: ANN401 - whatever a field takes, and what it does not
    """Make the opening of 120 points until the end of the year, with changes."""
    return attrs.evolve(Opening(member_id="m-42", points=120, expires=SOON), **changes)


def spent(minor: int, day: date, member_id: str = "m-42") -> Opening:
    """Make the opening of what was spent on a day."""
    return Opening(member_id=member_id, expires=None, spent=Money(minor, "EUR"), spent_on=day)


def granted(*, rule: str, units: int, available_at: datetime, expires_at: datetime | None, at: datetime) -> Granted:
    """Make the fact of a lot."""
    return Granted(
        account="points",
        ref="opening",
        rule=rule,
        units=units,
        available_at=available_at,
        expires_at=expires_at,
        reason="opening balance",
        actor="import",
        at=at,
    )


def member(repository: MemoryRepository, member_id: str = "m-42") -> Membership:
    """Load a member."""
    stream = member_stream(member_id)
    return Membership.replay(member_id, repository.load([stream])[stream].facts)


class TestReading:
    """From CSV to openings."""

    def test_every_column(self) -> None:
        """Each heading tells one thing, in any order; cells may be quoted."""
        rows = [
            "points,member_id,account,earned_on,expires_on,expires_at,tier_spend,tier_on,joined_on",
            '120,"m-1, é",status,2025-11-03,2026-12-31,,,,2024-05-01',
            "30,m-2,,,,2026-12-31T23:00:00+01:00,,,",
            "7,m-3,,,never,,,,",
            ",m-3,,,,never,12.50,2026-03-15,",
            "0,m-4,,,,,0,2026-06-30,",
        ]
        end = datetime(2026, 12, 31, 22, tzinfo=UTC)
        assert read(*rows) == [
            Opening(
                member_id="m-1, é",
                points=120,
                account="status",
                earned_on=date(2025, 11, 3),
                expires=SOON,
                joined_on=date(2024, 5, 1),
            ),
            Opening(member_id="m-2", points=30, expires=end),
            Opening(member_id="m-3", points=7, expires=None),
            spent(1250, date(2026, 3, 15), "m-3"),
            spent(0, date(2026, 6, 30), "m-4"),
        ]
        assert [one.line for one in read(*rows)] == [2, 3, 4, 5, 6]
        assert set(rows[0].split(",")) == set(COLUMNS)

    def test_semicolons(self) -> None:
        """With semicolons the decimals may stand behind a comma."""
        rows = ["\ufeffmember_id;tier_spend;tier_on\r", "m-1;12,50;2026-03-15\r", ";;\r", "\r", "m-2;12.5;2026-03-15\r"]
        assert read(*rows) == [spent(1250, date(2026, 3, 15), "m-1"), spent(1250, date(2026, 3, 15), "m-2")]

    def test_lines_are_those_of_the_file(self) -> None:
        """A row is named by the line it begins on, also behind a cell of two lines."""
        with pytest.raises(OpeningsError) as caught:
            read("member_id,points,expires_on", '"m', '-1",3,never', "m-2,x,never", '"m', '-3",x,never')
        assert [(problem.line, problem.column) for problem in caught.value.problems] == [
            (2, "member_id"),
            (4, "points"),
            (5, "member_id"),
            (5, "points"),
        ]

    def test_a_file(self, tmp_path: Path) -> None:
        """An open file is read as it stands."""
        path = tmp_path / "balances.csv"
        path.write_bytes("\ufeffmember_id,points,expires_on\r\nm-é,3,never\r\n".encode())
        with path.open(encoding="utf-8-sig", newline="") as file:
            assert list(read_openings(file, currency="EUR")) == [Opening(member_id="m-é", points=3, expires=None)]

    def test_it_is_read_row_by_row(self) -> None:
        """No more is held in memory than a row."""

        def rows() -> Iterator[str]:
            yield "member_id,points,expires_on"
            yield "m-1,3,never"
            pytest.fail("read ahead")

        assert next(iter(read_openings(rows(), currency="EUR"))).member_id == "m-1"

    def test_unknown_currency(self) -> None:
        """What is spent has a currency."""
        with pytest.raises(UsageError, match="currency must be"):
            next(read_openings([], currency="EUX"))


class TestProblems:
    """All of them, at once."""

    @pytest.mark.parametrize(
        "heading, found",
        [
            ("", ["line 1, member_id: is missing", "line 1, points: is missing, and tier_spend and joined_on too"]),
            ("member_id", ["line 1, points: is missing, and"]),
            ("member_id,points", ["line 1, expires_on: is missing: until when"]),
            ("member_id,tier_spend", ["line 1, tier_on: is missing"]),
            ("member_id,tier_on,joined_on", ["line 1, tier_spend: is missing"]),
            ("member_id,joined_on,joined_on", ["line 1, joined_on: must stand there once"]),
            ("member_id,joined_on,", ["line 1, (heading): is not known to this version, which knows member_id, points"]),
            (
                "id,Points,joined_on",
                ["line 1, id: is not known", "line 1, Points: is not known", "line 1, member_id: is missing"],
            ),
            ("member_id\tpoints", ["line 1, member_id\tpoints: is not known", "line 1, member_id: is", "line 1, points: is"]),
        ],
    )
    def test_headings(self, heading: str, found: Sequence[str]) -> None:
        """Headings that cannot be right are told before any row is looked at."""
        told = problems(heading, "x,y,z")
        assert len(told) == len(found)
        for one, begins in zip(told, found, strict=True):
            assert one.startswith(begins)

    def test_rows(self) -> None:
        """Every cell that cannot be read is named with its line and column, and what stands there."""
        told = problems(
            "member_id,points,account,earned_on,expires_on,expires_at,tier_spend,tier_on,joined_on",
            ",x,b!,03/11/2025,31.12.2026,tomorrow,1.005,soon,2026-13-01",
            "m-1,3",
            "m-1,1.5,,,never,,,,",
            "m-1,-5,,,never,,,,",
            "m-1,3,,,,,,,",
            "m-1,3,,,never,never,,,",
            "m-1,3,,,2026-12-31,2026-12-31T00:00:00,,,",
            "m-1,,,,,,-1,2026-03-15,",
            "m-1,,,,,,1,,",
            "m-1,,,,,,,2026-03-15,",
            "m-1,4,,9999-01-01,never,,,,",
            f"{'m' * 201},,,,,,,,",
            "m-1,3,,,never,,,,",
        )
        assert [line.partition(",")[0] + ", " + line.split(", ")[1].partition(":")[0] for line in told] == [
            "line 2, member_id",
            "line 2, points",
            "line 2, account",
            "line 2, earned_on",
            "line 2, joined_on",
            "line 2, tier_on",
            "line 2, expires_on",
            "line 2, expires_at",
            "line 2, expires_at",
            "line 2, tier_spend",
            "line 3, (row)",
            "line 4, points",
            "line 5, points",
            "line 6, expires_on",
            "line 7, expires_at",
            "line 8, expires_at",
            "line 8, expires_at",
            "line 9, tier_spend",
            "line 10, tier_on",
            "line 11, tier_spend",
            "line 12, earned_on",
            "line 13, member_id",
        ]
        assert told[1] == "line 2, points: must be a whole number such as 120; a debt cannot be brought along, got 'x'"
        assert told[3] == "line 2, earned_on: must be a day such as 2026-12-31, got '03/11/2025'"
        assert told[9] == "line 2, tier_spend: must be an amount in EUR of at least 0, such as 12.50, got '1.005'"
        assert told[10] == "line 3, (row): must have 9 cells, got 2"
        assert told[13] == "line 6, expires_on: must be the last day they can be used, such as 2026-12-31, or never, got ''"

    @pytest.mark.parametrize("row", ['m-1,"3', 'm-1,"3"x,never', "m-1," + "9" * 200_000])
    def test_what_is_no_csv(self, row: str) -> None:
        """Quotes that do not end, and cells beyond any size, end the reading."""
        told = problems("member_id,points,expires_on", "m-0,x,never", row, "m-2,x,never")
        assert [one.partition(":")[0] for one in told] == ["line 2, points", "line 3, (row)"]
        assert "must be CSV in UTF-8" in told[1]

    def test_what_is_no_text(self, tmp_path: Path) -> None:
        """Bytes that are no UTF-8."""
        path = tmp_path / "balances.csv"
        path.write_bytes(b"member_id,points,expires_on\nm-\xe9,3,never\n")
        with path.open(encoding="utf-8") as file, pytest.raises(OpeningsError, match="must be CSV in UTF-8"):
            list(read_openings(file, currency="EUR"))

    def test_more_than_anybody_reads(self) -> None:
        """The first thousand are told, the others counted."""
        rows = ["member_id,points,expires_on", *["m-1,x,never"] * (PROBLEMS_LIMIT + 2)]
        with pytest.raises(OpeningsError) as caught:
            check_openings(PROGRAM, read_openings(rows, currency="EUR"), at=AT)
        assert (len(caught.value.problems), caught.value.more) == (PROBLEMS_LIMIT, 2)
        assert str(caught.value).endswith("\nand 2 more")
        again = pickle.loads(pickle.dumps(caught.value))
        assert (again.problems, again.more, str(again)) == (caught.value.problems, 2, str(caught.value))

    @given(st.text(alphabet='m-1,;"\n\r\t\0é 0', max_size=40))
    def test_any_text(self, text: str) -> None:
        """Rows of anything are read, or what is wrong is told."""
        rows = ["member_id,points,expires_on\n", *text.splitlines(keepends=True)]
        try:
            found = list(read_openings(rows, currency="EUR"))
        except OpeningsError as error:
            found = []
            told = error.problems
        else:
            told = ()
        assert all(one.points >= 0 and one.member_id for one in found)
        assert all(isinstance(one, OpeningProblem) and one.line > 1 for one in told)


class TestOpening:
    """One row, made by hand."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"member_id": ""},
            {"points": -1},
            {"points": True},
            {"account": "a b"},
            {"earned_on": AT},
            {"expires": datetime(2026, 7, 1)},  # noqa: DTZ001 - naive is what is refused
            {"expires": "never"},
            {"joined_on": date(1, 1, 1)},
            {"spent": Money(1, "EUR")},
            {"spent_on": TODAY},
            {"spent": Money(-1, "EUR"), "spent_on": TODAY},
            {"spent": 1, "spent_on": TODAY},
        ],
    )
    def test_refuses(self, changes: Mapping[str, object]) -> None:
        """What could not be written."""
        with pytest.raises(UsageError):
            opening(**changes)

    def test_instants_are_kept_in_utc(self) -> None:
        """The same instant on two clocks is the same."""
        paris = datetime.fromisoformat("2026-12-31T23:00:00+01:00")
        assert opening(expires=paris) == opening(expires=datetime(2026, 12, 31, 22, tzinfo=UTC))


class TestChecking:
    """Against the program and the day of the import, before anything is written."""

    def test_totals(self) -> None:
        """What it all comes to; a row that brings nothing is no member."""
        totals = check_openings(
            PROGRAM,
            [
                opening(),
                opening(points=30, expires=None),
                opening(member_id="m-7", joined_on=TODAY),
                spent(1250, TODAY, "m-8"),
                spent(50, TODAY - timedelta(days=1), "m-8"),
                opening(member_id="m-9", points=0),
            ],
            at=AT,
        )
        assert totals == OpeningTotals(members=3, lots=3, points={"points": 270}, spent=Money.of("13.00", "EUR"), joined=1)  # type: ignore[arg-type]  # equal to any mapping

    def test_all_at_once(self) -> None:
        """What the file gets wrong and what the program refuses are told together, in the order of the lines."""
        rows = [
            "member_id,points,account,earned_on,expires_on,expires_at,tier_spend,tier_on,joined_on",
            "m-1,3,point,,never,,,,",
            "m-2,x,,,never,,,,",
            "m-3,3,,2026-07-02,never,,1,2026-07-02,2026-07-02",
            "m-4,3,,,2026-06-30,,,,",
            "m-4,3,,,,2026-07-01T08:00:00Z,,,",
            "m-5,3,,,9998-12-31,,,,",
            "m-6,,,,,,,,2026-01-01",
            "m-6,,,,,,,,2026-01-02",
            "m-7,3,,0002-01-01,never,,,,",
        ]
        with pytest.raises(OpeningsError) as caught:
            import_openings(PROGRAM, MemoryRepository(), read_openings(rows, currency="EUR"), at=AT)
        assert str(caught.value).splitlines() == [
            "line 2, account: must be one of the program's, points, got 'point'",
            "line 3, points: must be a whole number such as 120; a debt cannot be brought along, got 'x'",
            "line 4, earned_on: must not be after the day of the import, 2026-07-01, got 2026-07-02",
            "line 4, tier_on: must not be after the day of the import, 2026-07-01, got 2026-07-02",
            "line 4, joined_on: must not be after the day of the import, 2026-07-01, got 2026-07-02",
            "line 5, expires_on: must not have passed before the import, got 2026-06-30",
            "line 6, expires_at: must not have passed before the import, got 2026-07-01 08:00:00+00:00",
            "line 7, expires_on: must be a day that calendars reach, got 9998-12-31",
            "line 9, joined_on: must be the same in all rows of 'm-6', got 2026-01-02",
            "line 10, earned_on: must be a day that calendars reach, got 0002-01-01",
        ]

    def test_the_last_day_is_today(self) -> None:
        """Points of a member can still be used today."""
        assert check_openings(PROGRAM, [opening(expires=TODAY)], at=AT).lots == 1

    def test_bugs_of_the_caller(self) -> None:
        """Another currency, another thing, a naive time: nothing a file could have said."""
        with pytest.raises(CurrencyMismatchError):
            check_openings(PROGRAM, [attrs.evolve(spent(1, TODAY), spent=Money(1, "JPY"))], at=AT)
        with pytest.raises(UsageError, match="each of the openings"):
            check_openings(PROGRAM, ["m-42"], at=AT)  # type: ignore[list-item]  # the mistake
        with pytest.raises(UsageError, match="at must be"):
            check_openings(PROGRAM, [], at=datetime(2026, 7, 1))  # noqa: DTZ001 - naive is what is refused
        for named in ({"ref": "a b"}, {"actor": ""}, {"reason": "\0"}):
            with pytest.raises(UsageError):
                import_openings(PROGRAM, MemoryRepository(), [opening()], at=AT, **named)


class TestWriting:
    """What stands in the store afterwards."""

    def test_facts(self) -> None:
        """Joining, an order for each day of spending, a lot for each row: days begin and end in the program's zone."""
        repository = MemoryRepository()
        rows = [
            opening(points=30, expires=None),
            opening(earned_on=date(2025, 11, 3), joined_on=date(2024, 5, 1)),
            spent(300_00, date(2026, 3, 15)),
            spent(50_00, date(2026, 1, 2)),
            spent(25_00, date(2026, 3, 15)),
        ]
        assert import_openings(PROGRAM, repository, rows, at=AT) == OpeningsImported(
            members=1, facts=5, unchanged=0, differing=()
        )
        stream = member_stream("m-42")
        earned_at = datetime(2025, 11, 2, 23, tzinfo=UTC)
        assert repository.load([stream])[stream].facts == (
            MemberJoined(member_id="m-42", at=datetime(2024, 4, 30, 22, tzinfo=UTC)),
            OrderCounted(
                order_id="opening/1", day=date(2026, 1, 2), qualifying_minor=50_00, at=datetime(2026, 1, 1, 23, tzinfo=UTC)
            ),
            OrderCounted(
                order_id="opening/2", day=date(2026, 3, 15), qualifying_minor=325_00, at=datetime(2026, 3, 14, 23, tzinfo=UTC)
            ),
            granted(rule="lot-1", units=30, available_at=AT, expires_at=None, at=AT),
            granted(
                rule="lot-2",
                units=120,
                available_at=earned_at,
                expires_at=datetime(2026, 12, 31, 23, tzinfo=UTC),
                at=earned_at,
            ),
        )
        found = member(repository)
        assert found.available(at=AT) == 150
        assert found.available(at=datetime(2026, 12, 31, 22, 59, tzinfo=UTC)) == 150
        assert found.available(at=datetime(2026, 12, 31, 23, tzinfo=UTC)) == 30
        status = PROGRAM.tier(found, at=AT)
        assert status is not None
        assert (status.tier, status.metric) == ("silver", 375_00)
        assert found.order_count == 2
        due = repository.due(before=datetime(2027, 1, 1, tzinfo=UTC), after=None, limit=9)
        assert [(one.stream, one.due_at) for one in due] == [(stream, datetime(2026, 12, 31, 23, tzinfo=UTC))]

    def test_members_who_are_there(self) -> None:
        """What they have stays; points pay what they owe, as any others would."""
        repository = MemoryRepository()
        stream = member_stream("m-42")
        before = Membership.open("m-42").join(at=AT - timedelta(days=9))
        repository.commit(Command.of(stream, Key("join"), actor="shop"), before.changes)
        rows = [opening(joined_on=date(2024, 5, 1))]
        assert import_openings(PROGRAM, repository, rows, at=AT).facts == 1
        assert member(repository).joined_at == AT - timedelta(days=9)
        only_joined = [Opening(member_id="m-42", expires=None, joined_on=date(2024, 5, 1))]
        assert import_openings(PROGRAM, repository, only_joined, at=AT, ref="second") == OpeningsImported(
            members=0, facts=0, unchanged=1, differing=()
        )

    @settings(deadline=None)
    @given(st.randoms(use_true_random=False))
    def test_twice_is_once(self, chance: random.Random) -> None:
        """Whatever the order of the rows, later or again: the same."""
        rows = [opening(), opening(), opening(points=7, expires=None), opening(member_id="m-7"), spent(5, TODAY), spent(6, TODAY)]
        repository = MemoryRepository()
        first = import_openings(PROGRAM, repository, rows, at=AT)
        before = {member_id: member(repository, member_id) for member_id in ("m-42", "m-7")}
        chance.shuffle(rows)
        again = import_openings(PROGRAM, repository, rows, at=AT + timedelta(days=9))
        assert (first.members, again) == (2, OpeningsImported(members=0, facts=0, unchanged=2, differing=()))
        assert {member_id: member(repository, member_id) for member_id in before} == before
        assert before["m-42"].available(at=AT) == 247

    def test_other_rows(self) -> None:
        """A member who came with other rows is named and left alone; the others are written."""
        repository = MemoryRepository()
        import_openings(PROGRAM, repository, [opening(), opening(member_id="m-7")], at=AT)
        rows = [opening(points=121), opening(member_id="m-7"), opening(member_id="m-9"), opening(member_id="m-1")]
        assert import_openings(PROGRAM, repository, rows, at=AT) == OpeningsImported(
            members=2, facts=2, unchanged=1, differing=("m-42",)
        )
        assert member(repository).available(at=AT) == 120

    def test_points_of_the_same_name(self) -> None:
        """A member who has other points under the name of a lot is named too."""
        repository = MemoryRepository()
        given = Membership.open("m-42").earn(5, ref="opening", rule="lot-1", expires_at=None, at=AT)
        repository.commit(Command.of(member_stream("m-42"), Key("earn"), actor="shop"), given.changes)
        assert import_openings(PROGRAM, repository, [opening()], at=AT).differing == ("m-42",)
        assert member(repository).available(at=AT) == 5

    def test_another_name_is_another_import(self) -> None:
        """The same balances come a second time."""
        repository = MemoryRepository()
        for ref in ("old-till", "old-shop"):
            import_openings(PROGRAM, repository, [opening(), spent(5, TODAY)], at=AT, ref=ref)
        assert member(repository).available(at=AT) == 240
        assert list(member(repository).orders) == ["old-till/1", "old-shop/1"]

    def test_more_than_a_page(self) -> None:
        """Members are loaded some at a time, into any repository."""
        repository = SQLiteRepository(connection=sqlite3.connect(":memory:", isolation_level=None))
        rows = [opening(member_id=f"m-{number}") for number in range(1_001)]
        assert import_openings(PROGRAM, repository, rows, at=AT).members == 1_001
        assert import_openings(PROGRAM, repository, rows, at=AT).unchanged == 1_001

    def test_other_accounts(self) -> None:
        """Accounts that the program's rules give to."""
        program = Program.parse(
            """
            program = { name = "a", version = 1, currency = "EUR", zone = "UTC", starts_on = 2026-07-01 }
            [points]
            basis = "paid"
            overdraft = "carry"
            expires = "12 months"
            [[points.rules]]
            id = "status"
            earn = "1 per 1.00"
            account = "status"
            """
        )
        repository = MemoryRepository()
        import_openings(program, repository, [opening(account="status"), opening(points=5)], at=AT)
        found = member(repository)
        assert (found.available(at=AT), found.on("status").available(at=AT)) == (5, 120)


class Racing:
    """A repository in which somebody else is faster, a few times."""

    def __init__(self, times: int, other: Append | None = None) -> None:
        """Start empty."""
        self.inner = MemoryRepository()
        self.times = times
        self.other = other

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        """Load."""
        return self.inner.load(streams)

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        """Give a receipt."""
        return self.inner.receipt(home, key)

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Let the other one go first."""
        if self.times:
            self.times -= 1
            if self.other is None:
                raise ConflictError
            self.inner.commit(command, [self.other])
        self.inner.commit(command, changes)

    def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        """Say what is claimed."""
        return self.inner.claimed(counters, key=key, at=at)

    def due(self, *, before: datetime, after: Cursor | None, limit: int) -> Sequence[Due]:
        """List what is due."""
        return self.inner.due(before=before, after=after, limit=limit)


class TestRaces:
    """Somebody else writes at the same time."""

    def test_somebody_was_faster(self) -> None:
        """The member is loaded and decided again, a few times."""
        repository = Racing(5)
        assert import_openings(PROGRAM, repository, [opening()], at=AT).members == 1
        with pytest.raises(ConflictError):
            import_openings(PROGRAM, Racing(6), [opening()], at=AT)

    def test_the_same_import_was_faster(self) -> None:
        """What it wrote counts."""
        joined = MemberJoined(member_id="m-42", at=AT)
        repository = Racing(1, Append(stream=member_stream("m-42"), expected_version=0, facts=[joined]))
        assert import_openings(PROGRAM, repository, [opening()], at=AT).unchanged == 1


def test_amounts_stay_below_what_sums_can_hold() -> None:
    """A row of more than fifteen digits is told with its line, before anything is written."""
    rows = ["member_id,tier_spend,tier_on", "m,90000000000000000.00,2026-01-01"]
    with pytest.raises(OpeningsError, match="line 2, tier_spend: must be an amount in EUR"):
        list(read_openings(rows, currency="EUR"))
    with pytest.raises(UsageError, match="spent must be a whole number"):
        Opening(member_id="m", expires=None, spent=Money(10**15, "EUR"), spent_on=date(2026, 1, 1))
    with pytest.raises(UsageError, match="points must be a whole number"):
        Opening(member_id="m", points=10**15, expires=None)


def test_a_file_of_bytes_is_told() -> None:
    """It was opened without saying how it is written."""
    with pytest.raises(UsageError, match="a line must be of type str"):
        list(read_openings([b"member_id"], currency="EUR"))  # type: ignore[list-item]  # a wrong value on purpose
