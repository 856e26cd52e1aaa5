"""Statements: every line has its why, and the balance after each is what the account said."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore._statement import REFS_SHOWN, Movement, Statement, StatementLine, statement
from loyaltycore.errors import RefusedError, UsageError
from loyaltycore.facts import Fact
from loyaltycore.ledger import LedgerFact, Overdraft, Part
from loyaltycore.memberships import Membership
from loyaltycore.messages import Language
from loyaltycore.periods import Calendar, Lasting, Period, Term, Window
from loyaltycore.points import PointsAccount
from loyaltycore.wire import plain
from tests.odd_values import answers_or_refuses

PARIS = Calendar("Europe/Paris")
JULY = datetime(2026, 7, 1, 10, tzinfo=UTC)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
SLIDING = Lasting(Term(Period(days=10)), "UTC", sliding=True)
FROM_RELEASE = Lasting(Term(Period(days=5)), "UTC")

WHO = "m-42"
OTHER = "m-43"


class Desk:
    """One member's account at work: makes calls, and keeps the facts of those that are not refused."""

    def __init__(self) -> None:
        self.account = PointsAccount.open(WHO)
        self.other = PointsAccount.open(OTHER).earn(500, ref="own", expires_at=None, at=JULY).state
        self.facts: list[Fact] = []
        self.number = 0

    def name(self) -> str:
        """Give a reference that was not used yet."""
        self.number += 1
        return f"r-{self.number}"

    def call(self, verb: str, *args: object, **named: object) -> None:
        """Make a call on the account."""
        posting = getattr(self.account, verb)(*args, **named)
        self.account = posting.state
        self.facts += posting.facts

    def transfer(self, points: int, *, ref: str, at: datetime) -> None:
        """Give points to the other member."""
        moved = self.account.transfer(points, to=self.other, ref=ref, at=at)
        self.account, self.other = moved.giver.state, moved.taker.state
        self.facts += moved.giver.facts

    def receive(self, points: int, *, ref: str, at: datetime) -> None:
        """Get points from the other member."""
        moved = self.other.transfer(points, to=self.account, ref=ref, at=at)
        self.other, self.account = moved.giver.state, moved.taker.state
        self.facts += moved.taker.facts

    def undo(self, ref: str, *, at: datetime) -> None:
        """Undo a transfer to the other member."""
        moved = self.account.undo_transfer(ref, taker=self.other, at=at)
        self.account, self.other = moved.giver.state, moved.taker.state
        self.facts += moved.giver.facts

    def told(self, *, until: datetime, since: datetime | None = None) -> Statement:
        """Give the statement up to an instant, itself inside."""
        return statement(self.facts, window=Window(starts_at=since, ends_at=until + TICK))


def one_of(draw: st.DrawFn, values: Sequence[str]) -> str:
    """Choose a reference that is known; one that is not where there is none."""
    return draw(st.sampled_from(sorted(values))) if values else "none"


def earn(draw: st.DrawFn, desk: Desk, points: int, ref: str, at: datetime) -> None:
    """Earn points: at once or later, for some days, for ever or sliding."""
    opens, lasts = draw(st.integers(0, 8)), draw(st.sampled_from([None, None, SLIDING]))
    life = None if lasts is not None else draw(st.none() | st.integers(1, 20))
    opens_at = at + opens * DAY
    ends_at = None if life is None else opens_at + life * DAY
    desk.call("earn", points, ref=ref, available_at=opens_at, expires_at=ends_at, lasts=lasts, at=at)


def wait(draw: st.DrawFn, desk: Desk, points: int, ref: str, at: datetime) -> None:
    """Earn points that wait for an event."""
    lasts = draw(st.sampled_from([None, FROM_RELEASE, SLIDING]))
    deadline = at + draw(st.integers(1, 12)) * DAY
    desk.call("earn", points, ref=ref, available_at=deadline, expires_at=None, awaits="delivered", lasts=lasts, at=at)


def release(draw: st.DrawFn, desk: Desk, _points: int, _ref: str, at: datetime) -> None:
    """Let the event happen."""
    waiting = [lot.earn_ref for lot in desk.account.ledger.lots.values() if lot.awaits]
    desk.call("release", one_of(draw, waiting), event="delivered", at=at)


def revoke(draw: st.DrawFn, desk: Desk, points: int, ref: str, at: datetime) -> None:
    """Take back some of what was earned, or all, under any policy."""
    earned = sorted({lot_id.rpartition("/")[0] for lot_id in desk.account.ledger.lots})
    policy = draw(st.sampled_from(Overdraft))
    desk.call("revoke", one_of(draw, earned), draw(st.none() | st.just(points)), ref=ref, overdraft=policy, at=at)


def refund_burn(draw: st.DrawFn, desk: Desk, _points: int, ref: str, at: datetime) -> None:
    """Give back a burn, to lots with a new end or not."""
    until = draw(st.sampled_from([None, at + 5 * DAY]))
    desk.call("refund_burn", one_of(draw, list(desk.account.ledger.burns)), ref=ref, extended_until=until, at=at)


def hold(draw: st.DrawFn, desk: Desk, points: int, ref: str, at: datetime) -> None:
    """Set points aside for some days."""
    desk.call("hold", points, ref=ref, until=at + draw(st.integers(1, 9)) * DAY, at=at)


def capture(draw: st.DrawFn, desk: Desk, _points: int, _ref: str, at: datetime) -> None:
    """Burn what was held, all of it or one."""
    desk.call("capture", one_of(draw, list(desk.account.ledger.holds)), draw(st.none() | st.just(1)), at=at)


Step = Callable[[st.DrawFn, Desk, int, str, datetime], None]

STEPS: dict[str, Step] = {
    "earn": earn,
    "wait": wait,
    "release": release,
    "revoke": revoke,
    "refund_burn": refund_burn,
    "hold": hold,
    "capture": capture,
    "void": lambda draw, desk, _, __, at: desk.call("void", one_of(draw, list(desk.account.ledger.holds)), at=at),
    "burn": lambda _, desk, points, ref, at: desk.call("burn", points, ref=ref, at=at),
    "adjust": lambda _, desk, points, ref, at: desk.call("adjust_down", points, ref=ref, reason="x", actor="desk", at=at),
    "reverse": lambda draw, desk, _, ref, at: desk.call(
        "reverse_adjustment", one_of(draw, list(desk.account.ledger.adjustments)), ref=ref, at=at
    ),
    "transfer": lambda _, desk, points, ref, at: desk.transfer(points, ref=ref, at=at),
    "receive": lambda _, desk, points, ref, at: desk.receive(
        min(points, 9), ref=ref, at=max(at, desk.other.ledger.last_at or at)
    ),
    "undo": lambda draw, desk, _, __, at: desk.undo(one_of(draw, list(desk.account.ledger.transfers)), at=at),
    "touch": lambda _, desk, __, ref, at: desk.call("touch", ref=ref, at=at),
    "report": lambda _, desk, __, ref, at: desk.call("report_expired", ref=ref, at=at),
}

TAKING = frozenset({"burn", "hold", "adjust", "transfer"})
BEGINNINGS = (
    ("earn",),
    ("earn", "burn", "revoke", "earn", "refund_burn"),
    ("earn", "hold", "wait", "release", "capture"),
)
VERBS = (*STEPS, *("earn",) * 4, *("burn", "hold", "revoke", "refund_burn"))


@st.composite
def desks(draw: st.DrawFn) -> Desk:
    """Draw accounts after up to 25 calls, some of them dated back; refused ones leave nothing."""
    desk, now = Desk(), JULY
    # By themselves lists stay short, and most of what can be told takes several calls.
    some, many = (st.lists(st.sampled_from(VERBS), min_size=least, max_size=20) for least in (0, 12))
    for verb in [*draw(st.sampled_from(BEGINNINGS)), *draw(some | many)]:
        now += draw(st.sampled_from([0, 0, 1, 3])) * DAY
        at = now - draw(st.sampled_from([0, 0, 0, 0, 6])) * DAY
        try:
            # Mostly no more than there is, so that most calls lead somewhere.
            most = max(1, desk.account.available(at=at)) if verb in TAKING else 60
            STEPS[verb](draw, desk, draw(st.integers(1, most)), desk.name(), at)
        except RefusedError:
            continue
    return desk


def net(facts: Sequence[Fact], at: datetime) -> int:
    """Ask the account itself."""
    books = PointsAccount.replay(WHO, facts).books(at=at)
    return books.live - books.debt


def until_known(facts: Sequence[Fact], before: datetime) -> list[Fact]:
    """Give the facts that were recorded before an instant: those before the first that names it or a later one."""
    found: list[Fact] = []
    for fact in facts:
        if fact.at >= before:
            break
        found.append(fact)
    return found


class TestLaws:
    @given(desks(), st.sampled_from([0, 1, 5, 60]))
    def test_points_sum_to_what_the_account_says(self, desk: Desk, later: int) -> None:
        """From nothing to the balance at the end, and so does every line on the way."""
        last = max(fact.at for fact in desk.facts)
        told = desk.told(until=last + later * DAY)
        balance = told.opening
        for line in told.lines:
            balance += line.points
            assert line.balance == balance
        assert (told.opening, told.closing) == (0, balance)
        assert balance == net(desk.facts, last + later * DAY)

    @given(desks())
    def test_every_fact_is_a_line(self, desk: Desk) -> None:
        """Each once, in the order recorded, and time never runs back; what is dated back says so."""
        last = max(fact.at for fact in desk.facts)
        lines = desk.told(until=last).lines
        assert [line.position for line in lines if line.position is not None] == list(range(1, len(desk.facts) + 1))
        assert [line.at for line in lines] == sorted(line.at for line in lines)
        for line in lines:
            if line.position is not None:
                fact = desk.facts[line.position - 1]
                assert isinstance(fact, LedgerFact)
                assert line.ref == fact.ref
                assert (line.dated_at or line.at) == fact.at
                assert line.at >= fact.at

    @given(desks(), st.integers(-1, 40), st.integers(0, 40))
    def test_a_window_cut_in_two(self, desk: Desk, first: int, second: int) -> None:
        """The halves have the lines of the whole, and the first closes as the second opens, on what was known then."""
        cut, end = JULY + first * DAY, JULY + (first + second) * DAY + TICK
        whole = statement(desk.facts, window=Window(starts_at=None, ends_at=end))
        left = statement(desk.facts, window=Window(starts_at=None, ends_at=cut))
        right = statement(desk.facts, window=Window(starts_at=cut, ends_at=end))
        assert left.lines + right.lines == whole.lines
        assert (left.closing, right.closing) == (right.opening, whole.closing)
        assert left.closing == net(until_known(desk.facts, cut), cut - TICK)

    @given(desks())
    def test_time_tells_nothing_without_effect(self, desk: Desk) -> None:
        """What opens adds, what ends takes away, what lapses was never there; each names its lots."""
        last = max(fact.at for fact in desk.facts)
        for line in desk.told(until=last + 60 * DAY).lines:
            if line.movement is Movement.BECAME_AVAILABLE:
                assert line.points == line.units > 0
            if line.movement is Movement.EXPIRED:
                assert -line.points == line.units > 0
            if line.movement is Movement.LAPSED:
                assert line.points == 0 < line.units
            if line.movement in {Movement.TOUCHED, Movement.EXPIRY_REPORTED}:
                assert line.points == 0
            if line.position is None:
                assert line.units == sum(part.units for part in line.lots)

    @given(desks(), st.sampled_from(["en", "fr"]))
    def test_everything_can_be_said(self, desk: Desk, language: Language) -> None:
        """In every language, a line each, with nothing left to fill in."""
        last = max(fact.at for fact in desk.facts)
        told = desk.told(until=last + 60 * DAY)
        text = told.text(language, calendar=PARIS)
        assert text.count("\n") == len(told.lines) + 2
        assert "{" not in text

    @given(desks())
    def test_twice_the_same(self, desk: Desk) -> None:
        """A statement is a value: equal, picklable, and a wire value for whoever shows it elsewhere."""
        last = max(fact.at for fact in desk.facts)
        told = desk.told(until=last)
        assert told == desk.told(until=last)
        assert pickle.loads(pickle.dumps(told)) == told
        assert plain(told)["closing"] == told.closing


def rows(told: Statement) -> list[tuple[str, int, int, int]]:
    """Give what happened, units, change and balance of each line."""
    return [(line.movement.value, line.units, line.points, line.balance) for line in told.lines]


class TestStatement:
    def test_a_year_at_the_shop(self) -> None:
        """Points that wait, open, are burned, come back and expire."""
        desk = Desk()
        desk.call("earn", 100, ref="o-1", available_at=JULY + 5 * DAY, expires_at=JULY + 40 * DAY, at=JULY)
        desk.call("burn", 60, ref="o-2", at=JULY + 6 * DAY)
        desk.call("refund_burn", "o-2", 10, ref="back", at=JULY + 7 * DAY)
        desk.call("revoke", "o-1", 80, ref="o-1-back", overdraft=Overdraft.CARRY, at=JULY + 8 * DAY)
        desk.call("earn", 50, ref="o-3", expires_at=JULY + 20 * DAY, at=JULY + 9 * DAY)
        assert rows(desk.told(until=JULY + 60 * DAY)) == [
            ("earned", 100, 0, 0),
            ("became_available", 100, 100, 100),
            ("burned", 60, -60, 40),
            ("burn_refunded", 10, 10, 50),
            ("revoked", 80, -80, -30),
            ("earned", 50, 50, 20),
            ("expired", 50, -50, -30),
        ]

    def test_holds(self) -> None:
        """Set aside, burned in part, given up, ended by time, burned late."""
        desk = Desk()
        desk.call("earn", 100, ref="o-1", expires_at=None, at=JULY)
        desk.call("hold", 40, ref="h-1", until=JULY + 2 * DAY, at=JULY)
        desk.call("hold", 30, ref="h-2", until=JULY + 2 * DAY, at=JULY)
        desk.call("hold", 20, ref="h-3", until=JULY + 2 * DAY, at=JULY)
        desk.call("capture", "h-1", 25, at=JULY + DAY)
        desk.call("void", "h-2", at=JULY + DAY)
        desk.call("capture", "h-3", at=JULY + 3 * DAY)
        told = desk.told(until=JULY + 60 * DAY)
        assert rows(told) == [
            ("earned", 100, 100, 100),
            ("held", 40, -40, 60),
            ("held", 30, -30, 30),
            ("held", 20, -20, 10),
            ("captured", 25, 15, 25),
            ("voided", 30, 30, 55),
            ("hold_ended", 20, 20, 75),
            ("captured", 20, -20, 55),
        ]
        assert [line.ref for line in told.lines if line.movement is Movement.HOLD_ENDED] == ["h-3"]
        assert [line.why.get("late") for line in told.lines if line.movement is Movement.CAPTURED] == [None, "yes"]

    def test_a_hold_that_outlives_its_lot(self) -> None:
        """While it is held a lot does not expire; when the hold ends, its time is over and nothing comes back."""
        desk = Desk()
        desk.call("earn", 100, ref="o-1", expires_at=JULY + DAY, at=JULY)
        desk.call("hold", 40, ref="h-1", until=JULY + 2 * DAY, at=JULY)
        assert rows(desk.told(until=JULY + 60 * DAY)) == [
            ("earned", 100, 100, 100),
            ("held", 40, -40, 60),
            ("expired", 60, -60, 0),
            ("hold_ended", 40, 0, 0),
        ]

    def test_one_instant_brings_several_things(self) -> None:
        """Holds end first, then lots end, then lots open; the balance after each is told."""
        desk = Desk()
        desk.call("earn", 100, ref="o-1", expires_at=JULY + 2 * DAY, at=JULY)
        desk.call("earn", 30, ref="o-2", available_at=JULY + 2 * DAY, expires_at=None, at=JULY)
        desk.call("earn", 10, ref="o-3", available_at=JULY + 2 * DAY, expires_at=None, awaits="delivered", at=JULY)
        desk.call("earn", 50, ref="o-4", expires_at=None, at=JULY)
        desk.call("hold", 120, ref="h-1", until=JULY + 2 * DAY, at=JULY)
        assert rows(desk.told(until=JULY + 2 * DAY))[-3:] == [
            ("hold_ended", 120, 20, 50),
            ("became_available", 30, 30, 80),
            ("lapsed", 10, 0, 80),
        ]

    def test_ends_and_openings_of_one_instant(self) -> None:
        """Each line has the balance after it, not after both."""
        desk = Desk()
        desk.call("earn", 100, ref="o-1", expires_at=JULY + 2 * DAY, at=JULY)
        desk.call("earn", 30, ref="o-2", available_at=JULY + 2 * DAY, expires_at=None, at=JULY)
        assert rows(desk.told(until=JULY + 2 * DAY))[2:] == [("expired", 100, -100, 0), ("became_available", 30, 30, 30)]

    def test_the_end_of_the_window_is_outside(self) -> None:
        """And its start is inside: for facts and for what time does."""
        desk = Desk()
        desk.call("earn", 100, ref="o-1", expires_at=JULY + DAY, at=JULY)
        one = statement(desk.facts, window=Window(starts_at=JULY, ends_at=JULY + DAY))
        two = statement(desk.facts, window=Window(starts_at=JULY + DAY, ends_at=JULY + 2 * DAY))
        none = statement(desk.facts, window=Window(starts_at=JULY - DAY, ends_at=JULY))
        assert [rows(told) for told in (none, one, two)] == [[], [("earned", 100, 100, 100)], [("expired", 100, -100, 0)]]
        assert [(told.opening, told.closing) for told in (none, one, two)] == [(0, 0), (0, 100), (100, 0)]

    def test_what_is_dated_back_stands_where_it_became_known(self) -> None:
        """Its line says both instants; what is over by then adds nothing."""
        desk = Desk()
        desk.call("earn", 10, ref="o-1", expires_at=None, at=JULY + 9 * DAY)
        desk.call("earn", 20, ref="o-2", expires_at=JULY + 5 * DAY, at=JULY)
        desk.call("earn", 30, ref="o-3", expires_at=None, at=JULY)
        told = desk.told(until=JULY + 60 * DAY)
        assert rows(told) == [("earned", 10, 10, 10), ("earned", 20, 0, 10), ("earned", 30, 30, 40)]
        assert [line.at for line in told.lines] == [JULY + 9 * DAY] * 3
        assert [line.dated_at for line in told.lines] == [None, JULY, JULY]

    def test_an_activity_that_became_known_too_late(self) -> None:
        """Points that slid to their end come back to life when an earlier activity is told after it."""
        desk = Desk()
        desk.call("earn", 100, ref="o-1", expires_at=None, lasts=SLIDING, at=JULY)
        desk.call("report_expired", ref="2026-07", at=JULY + 20 * DAY)
        desk.call("touch", ref="seen", at=JULY + 9 * DAY)
        desk.call("touch", ref="again", at=JULY + 15 * DAY)
        desk.call("report_expired", ref="once more", at=JULY + 20 * DAY - timedelta(hours=1))
        told = desk.told(until=JULY + 60 * DAY)
        assert rows(told) == [
            ("earned", 100, 100, 100),
            ("expired", 100, -100, 0),
            ("expiry_reported", 100, 0, 0),
            ("touched", 0, 0, 0),
            ("touched", 0, 100, 100),
            ("expiry_reported", 0, 0, 100),
            ("expired", 100, -100, 0),
        ]
        assert [line.at for line in told.lines[2:6]] == [JULY + 20 * DAY] * 4

    def test_time_comes_before_the_facts_of_its_instant(self) -> None:
        """What ends at an instant has ended when something else happens at it."""
        desk = Desk()
        desk.call("earn", 100, ref="o-1", expires_at=JULY + DAY, at=JULY)
        desk.call("earn", 5, ref="o-2", expires_at=None, at=JULY + DAY)
        assert rows(desk.told(until=JULY + DAY)) == [
            ("earned", 100, 100, 100),
            ("expired", 100, -100, 0),
            ("earned", 5, 5, 5),
        ]

    def test_a_hold_that_was_over_when_it_became_known(self) -> None:
        """A report of a later day was there already: the hold sets nothing aside, and no end of it is told."""
        desk = Desk()
        desk.call("earn", 100, ref="o-1", expires_at=None, at=JULY)
        desk.call("report_expired", ref="2026-07", at=JULY + 20 * DAY)
        desk.call("hold", 40, ref="h-1", until=JULY + 2 * DAY, at=JULY + DAY)
        desk.call("capture", "h-1", at=JULY + 3 * DAY)
        assert rows(desk.told(until=JULY + 60 * DAY)) == [
            ("earned", 100, 100, 100),
            ("expiry_reported", 0, 0, 100),
            ("held", 40, 0, 100),
            ("captured", 40, -40, 60),
        ]

    def test_what_waited_lapses_once(self) -> None:
        """At the deadline, and not again on the last day of a promotion."""
        desk = Desk()
        deadline, ends_at = JULY + 2 * DAY, JULY + 9 * DAY
        desk.call("earn", 20, ref="o-1", available_at=deadline, expires_at=ends_at, awaits="delivered", at=JULY)
        told = desk.told(until=JULY + 60 * DAY)
        assert rows(told) == [("earned", 20, 0, 0), ("lapsed", 20, 0, 0)]
        assert told.lines[-1].at == deadline

    def test_settlement_and_forgiveness(self) -> None:
        """What one lot pays for another changes no balance, but for a payer that still waits."""
        desk = Desk()
        desk.call("earn", 100, ref="o-1", expires_at=None, at=JULY)
        desk.call("burn", 100, ref="o-2", at=JULY)
        desk.call("revoke", "o-1", 40, ref="b-1", overdraft=Overdraft.SETTLE, at=JULY)
        desk.call("earn", 30, ref="o-3", expires_at=None, at=JULY + DAY)
        desk.call("earn", 50, ref="o-4", available_at=JULY + 9 * DAY, expires_at=None, at=JULY + DAY)
        desk.call("refund_burn", "o-2", ref="b-2", at=JULY + 2 * DAY)
        told = desk.told(until=JULY + 3 * DAY)
        assert rows(told) == [
            ("earned", 100, 100, 100),
            ("burned", 100, -100, 0),
            ("revoked", 40, -40, -40),
            ("earned", 30, 30, -10),
            ("settled", 30, 0, -10),
            ("earned", 50, 0, -10),
            ("settled", 10, 10, 0),
            ("burn_refunded", 100, 100, 100),
            ("settlement_undone", 40, -10, 90),
        ]
        assert told.lines[2].why["overdraft"] == "settle"
        forgiven = Desk()
        forgiven.call("earn", 100, ref="o-1", expires_at=None, at=JULY)
        forgiven.call("burn", 100, ref="o-2", at=JULY)
        forgiven.call("revoke", "o-1", 40, ref="b-1", overdraft=Overdraft.FORGIVE, at=JULY)
        forgiven.call("refund_burn", "o-2", ref="b-2", at=JULY)
        assert rows(forgiven.told(until=JULY))[2:] == [
            ("revoked", 40, -40, -40),
            ("forgiven", 40, 40, 0),
            ("burn_refunded", 100, 100, 100),
            ("forgiveness_taken_back", 40, -40, 60),
        ]

    def test_renewed_and_released(self) -> None:
        """Points that come back to a lot whose time is over go on to another; those that waited have a window now."""
        desk = Desk()
        desk.call("earn", 100, ref="o-1", expires_at=JULY + DAY, at=JULY)
        desk.call("burn", 100, ref="o-2", at=JULY)
        desk.call("refund_burn", "o-2", 60, ref="b", extended_until=JULY + 9 * DAY, at=JULY + 2 * DAY)
        desk.call(
            "earn",
            20,
            ref="o-3",
            available_at=JULY + 30 * DAY,
            expires_at=None,
            awaits="delivered",
            lasts=FROM_RELEASE,
            at=JULY + 2 * DAY,
        )
        desk.call("release", "o-3", event="delivered", at=JULY + 3 * DAY)
        assert rows(desk.told(until=JULY + 60 * DAY)) == [
            ("earned", 100, 100, 100),
            ("burned", 100, -100, 0),
            ("burn_refunded", 60, 0, 0),
            ("renewed", 60, 60, 60),
            ("earned", 20, 0, 60),
            ("released", 20, 20, 80),
            ("expired", 20, -20, 60),
            ("expired", 60, -60, 0),
        ]

    def test_a_released_lot_of_which_nothing_is_left(self) -> None:
        """It opens with nothing; its line names no lot."""
        desk = Desk()
        desk.call("earn", 20, ref="o-1", available_at=JULY + 9 * DAY, expires_at=None, awaits="delivered", at=JULY)
        desk.call("revoke", "o-1", ref="b", overdraft=Overdraft.CARRY, at=JULY)
        desk.call("release", "o-1", event="delivered", at=JULY)
        line = desk.told(until=JULY + 60 * DAY).lines[-1]
        assert (line.movement, line.units, line.points, line.lots) == (Movement.RELEASED, 0, 0, ())

    def test_transfers(self) -> None:
        """Out, in, and undone."""
        desk = Desk()
        desk.call("earn", 100, ref="o-1", expires_at=None, at=JULY)
        desk.transfer(30, ref="t-1", at=JULY)
        desk.receive(5, ref="t-2", at=JULY)
        desk.undo("t-1", at=JULY)
        told = desk.told(until=JULY)
        assert rows(told)[1:] == [
            ("transferred_out", 30, -30, 70),
            ("transferred_in", 5, 5, 75),
            ("transfer_undone", 30, 30, 105),
        ]
        assert (told.lines[1].why["to"], told.lines[2].why["giver"]) == (OTHER, OTHER)
        assert told.lines[2].lots == (Part("t-2/moved-1", 5),)

    def test_one_account_of_a_membership(self) -> None:
        """Positions count all facts of the member; those of other accounts and other kinds are no lines."""
        member = Membership.open(WHO)
        joined = member.join(at=JULY)
        first = joined.state.on("status").earn(7, ref="o-1", expires_at=None, at=JULY)
        second = first.state.on("points").earn(100, ref="o-1", expires_at=None, at=JULY)
        facts = [*joined.facts, *first.facts, *second.facts]
        window = Window(starts_at=None, ends_at=JULY + DAY)
        points, status = statement(facts, window=window), statement(facts, window=window, account="status")
        assert [(line.position, line.points) for line in points.lines] == [(3, 100)]
        assert [(line.position, line.points) for line in status.lines] == [(2, 7)]
        assert (points.account, status.account) == ("points", "status")

    def test_nothing_is_a_statement_too(self) -> None:
        """Nobody did anything."""
        told = statement([], window=Window(starts_at=None, ends_at=JULY))
        assert (told.opening, told.closing, told.lines) == (0, 0, ())
        assert told.text(calendar=PARIS) == "Points, through 1 July 2026\nBalance before: 0\nNothing happened\nBalance: 0"
        assert told.text("fr", calendar=PARIS).splitlines()[2] == "Aucun mouvement"

    def test_a_window_needs_an_end(self) -> None:
        """Else every expiry to come would be told as if it had happened."""
        with pytest.raises(UsageError, match=r"^window must have an end, got Window"):
            statement([], window=Window(starts_at=JULY, ends_at=None))

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(lambda window: statement([], window=window), window=Window(starts_at=None, ends_at=JULY))
        told = statement([], window=Window(starts_at=None, ends_at=JULY))
        answers_or_refuses(told.text, language="en", calendar=PARIS)


def line(movement: Movement, *, ref: str = "r", lots: Sequence[str] = ("o-1/base",), **why: str) -> StatementLine:
    """Make a line about 1,200 points."""
    return StatementLine(
        at=JULY,
        position=1,
        movement=movement,
        ref=ref,
        units=1200,
        points=0,
        balance=0,
        lots=tuple(Part(lot_id, 1) for lot_id in lots),
        why=why,  # type: ignore[arg-type]  # any mapping of text will do here
    )


class TestText:
    def test_for_a_support_desk(self) -> None:
        """Day, change, balance and what happened, in columns; local days, first and last of the window."""
        desk = Desk()
        desk.call("earn", 1200, ref="o-1", available_at=JULY + 30 * DAY, expires_at=JULY + 395 * DAY, at=JULY)
        desk.call("burn", 500, ref="o-2", at=JULY + 31 * DAY)
        desk.call("adjust_down", 100, ref="ticket-7", reason="counted twice", actor="desk", at=JULY + 31 * DAY)
        desk.call("earn", 5, ref="o-3", expires_at=None, at=JULY)
        window = Window(starts_at=PARIS.first_instant(JULY.date()), ends_at=JULY + 32 * DAY)
        told = statement(desk.facts, window=window)
        first = "earned for o-1 (base): 1,200; available from 31 July 2026; usable through 31 July 2027"
        assert told.text(calendar=PARIS).splitlines() == [
            "Points, 1 July 2026 to 2 August 2026",
            "Balance before: 0",
            f"1 July 2026         0      0  {first}",
            "31 July 2026   +1,200  1,200  now available (o-1): 1,200",
            "1 August 2026    −500    700  burned for o-2: 500",
            "1 August 2026    −100    600  taken away by hand (ticket-7): 100; counted twice; by desk",
            "1 August 2026      +5    605  earned for o-3 (base): 5; dated 1 July 2026, known later",
            "Balance: 605",
        ]
        first = (
            "gagnés pour o-1 (base) : 1 200 ; disponibles à partir du 31 juillet 2026 ; "
            "utilisables jusqu'au 31 juillet 2027 inclus"
        )
        assert told.text("fr", calendar=PARIS).splitlines()[:4] == [
            "Points, du 1er juillet 2026 au 2 août 2026 inclus",
            "Solde avant : 0",
            f"1er juillet 2026       0      0  {first}",
            "31 juillet 2026   +1 200  1 200  désormais disponibles (o-1) : 1 200",
        ]

    @pytest.mark.parametrize(
        "told,text",
        [
            (line(Movement.EARNED, rule="base", lasts="sliding"), "earned for r (base): 1,200; every activity prolongs them"),
            (line(Movement.EARNED, rule="base", lasts="from release"), "earned for r (base): 1,200"),
            (
                line(Movement.EARNED, rule="base", awaits="delivered", available_at="2026-07-31T22:00:00Z"),
                "earned for r (base): 1,200; waiting for delivered through 31 July 2026",
            ),
            (line(Movement.EARNED, rule="base", available_at="2026-07-01T10:00:00Z"), "earned for r (base): 1,200"),
            (
                line(Movement.EARNED, rule="base", available_at="2026-07-01T22:00:00Z"),
                "earned for r (base): 1,200; available from 2 July 2026",
            ),
            (line(Movement.HELD, until="2026-07-02T10:00:00Z"), "set aside for r: 1,200; until 12:00 on 2 July 2026"),
            (line(Movement.HELD, until="2026-07-02T10:00:30Z"), "set aside for r: 1,200; until 12:00:30 on 2 July 2026"),
            (line(Movement.HELD, until="2026-07-02T22:00:00Z"), "set aside for r: 1,200; through 2 July 2026"),
            (line(Movement.CAPTURED, late="yes"), "set aside before, now burned for r: 1,200; after its time was over"),
            (line(Movement.REVOKED, earn_ref="o-7"), "taken back of what was earned for o-7 (r): 1,200"),
            (
                line(Movement.REVOKED, lots=["o-1/a", "o-1/b", "o-2/a"], overdraft="settle"),
                "taken back of what was earned for o-1, o-2 (r): 1,200; what is owed is paid with other points",
            ),
            (
                line(Movement.REVOKED, earn_ref="o-7", overdraft="forgive"),
                "taken back of what was earned for o-7 (r): 1,200; what was spent already is not asked back",
            ),
            (line(Movement.REVOKED, earn_ref="o-7", overdraft="carry"), "taken back of what was earned for o-7 (r): 1,200"),
            (line(Movement.SETTLED, debtor_id="o-9/base"), "paid with other points what o-9 still owed (r): 1,200"),
            (line(Movement.FORGIVEN), "debt of o-1 forgiven (r): 1,200"),
            (line(Movement.EXPIRED, lots=[f"o-{n}/x" for n in range(REFS_SHOWN)]), "expired (o-0, o-1, o-2): 1,200"),
            (line(Movement.EXPIRED, lots=[f"o-{n}/x" for n in range(5)]), "expired (o-0, o-1, o-2 + 2): 1,200"),
            (line(Movement.LAPSED), "lapsed, what was awaited did not happen in time (o-1): 1,200"),
            (line(Movement.TOUCHED), "active (r)"),
        ],
        ids=lambda value: value.movement.value if isinstance(value, StatementLine) else "",
    )
    def test_lines(self, told: StatementLine, text: str) -> None:
        """What happened, then the why, as far as it matters to a customer."""
        assert told.text(calendar=PARIS) == text

    def test_needs_a_calendar(self) -> None:
        """Near midnight another zone names another day."""
        with pytest.raises(UsageError, match=r"^calendar must be of type Calendar, got 'Europe/Paris'$"):
            statement([], window=Window(starts_at=None, ends_at=JULY)).text(calendar="Europe/Paris")  # type: ignore[arg-type]
