"""What counts for tiers, as sums and what came after: where a member stands is what the whole history says."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any, Final, final

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loyaltycore._frozen import HistoryNeeded, LaterMap
from loyaltycore._snapshots import LATE, compact, restored, tallied
from loyaltycore._tallied import REWARD_RULE, as_counted, earned_points
from loyaltycore.errors import RefusedError, UsageError
from loyaltycore.facts import Fact
from loyaltycore.ladders import Ladder
from loyaltycore.ledger import Granted, Overdraft
from loyaltycore.memberships import (
    FriendReversed,
    FriendRewarded,
    Membership,
    OrderCounted,
    ReturnCounted,
)
from loyaltycore.periods import Calendar, Period, YearDay
from loyaltycore.quantities import Rate
from loyaltycore.repositories import SnapshotStream
from loyaltycore.tiers import (
    CalendarYears,
    Downgrade,
    Lifetime,
    MembershipYears,
    Metric,
    Mix,
    Qualifying,
    TierRule,
    TierStatus,
    Upgrade,
)

T0: Final = datetime(2026, 1, 1, 10, tzinfo=UTC)


def again(membership: Membership) -> Membership:
    """Write a member down, and read it back."""
    return restored(membership.member_id, SnapshotStream(version=membership.version, snapshot=compact(membership)))


PARIS: Final = Calendar("Europe/Paris")
TIERS: Final = Ladder.of({0: "bronze", 30: "silver", 100: "gold"})
MIX: Final = Mix({Metric.SPEND: Rate(Fraction(1, 2)), Metric.ORDERS: Rate(Fraction(10)), Metric.POINTS: Rate(Fraction(1))})
RULES: Final = tuple(
    TierRule(TIERS, window=window, downgrade=downgrade, metric=metric, upgrade=upgrade, grace=grace)
    for metric in (*Metric, MIX)
    for window, upgrade, grace in (
        (Period(days=20), Upgrade.AT_ONCE, None),
        (CalendarYears(starts=YearDay(1, 20)), Upgrade.NEXT_PERIOD, Period(days=5)),
        (MembershipYears(), Upgrade.AT_ONCE, None),
        (Lifetime(), Upgrade.AT_ONCE, None),
    )
    for downgrade in (Downgrade.ONE_STEP, Downgrade.REASSESS)
)
"""Every metric and a mix of them, every kind of window."""

STEPS: Final = st.lists(
    st.tuples(
        st.sampled_from(("order", "order", "return", "friend", "unfriend", "earn", "burn", "revoke", "take", "undo", "join")),
        st.integers(1, 4),
        st.sampled_from((1, 30, 60)),
        st.integers(0, 4),
        st.sampled_from((0, 0, 0, 1, 9)),
    ),
    max_size=14,
)
"""What happens: what, to which, how much, how many days later, and of how many days before."""


@final
@attrs.frozen
class Lived:
    """A member some time after.

    Attributes:
        member: Whoever.
        at: The time.
        number: Steps made.
    """

    member: Membership
    at: datetime = T0
    number: int = 0

    def after(self, step: tuple[str, int, int, int, int]) -> tuple[Lived, tuple[Fact, ...]]:
        """Make a step; without facts where it cannot be made."""
        later = attrs.evolve(self, at=self.at + timedelta(days=step[3]), number=self.number + 1)
        facts = later.facts(*step[:3], later.at - timedelta(days=step[4]))
        return attrs.evolve(later, member=later.member.folded(facts)), facts

    def facts(self, what: str, which: int, units: int, of: datetime) -> tuple[Fact, ...]:
        """Say what happened; nothing where it cannot."""
        try:
            return self.bought(what, which, units, of) + self.earned(what, which, units, of)
        except (RefusedError, UsageError):
            return ()

    def bought(self, what: str, which: int, units: int, of: datetime) -> tuple[Fact, ...]:
        """Say what happened to orders and friends."""
        order, friend, day = f"o-{which}", f"m-{which}", PARIS.day_of(of)
        match what:
            case "order":
                return (OrderCounted(order_id=f"o-{self.number}", day=day, qualifying_minor=units, at=self.at),)
            case "return" if order in self.member.orders:
                return (ReturnCounted(order_id=order, return_id=f"r-{self.number}", qualifying_minor=units, at=self.at),)
            case "friend":
                return (FriendRewarded(friend_id=friend, program_id="friends", day=day, number=which, at=self.at),)
            case "unfriend" if friend in self.member.friends:
                return (FriendReversed(friend_id=friend, program_id="friends", at=self.at),)
            case "join":
                return self.member.join(at=self.at).facts
        return ()

    def earned(self, what: str, which: int, units: int, of: datetime) -> tuple[Fact, ...]:
        """Say what happened to points; a giver had them all along."""
        member, giver = self.member, Membership.open("m-9").earn(60, ref="e", expires_at=None, at=of).state
        match what:
            case "earn":
                if which == 1:
                    return (reward(f"e-{self.number}", units, at=of),)
                return member.earn(units, ref=f"e-{self.number}", expires_at=None, at=of).facts
            case "burn":
                return member.burn(member.available(at=self.at), ref=f"b-{self.number}", at=self.at).facts
            case "revoke":
                return member.revoke(f"e-{which}", ref=f"v-{self.number}", overdraft=Overdraft.CARRY, at=self.at).facts
            case "take":
                return giver.transfer(units, to=member, ref=f"g-{which}", at=self.at).taker.facts
            case "undo":
                moved = giver.transfer(60, to=Membership.open(member.member_id), ref=f"g-{which}", at=self.at)
                return moved.giver.state.undo_transfer(f"g-{which}", taker=member, at=self.at).taker.facts
        return ()


def reward(ref: str, points: int, at: datetime) -> Granted:
    """Give points as a reward does."""
    return Granted(account="points", ref=ref, rule=REWARD_RULE, units=points, available_at=at, at=at)


def status(member: Membership, rule: TierRule, on: date) -> TierStatus:
    """Ask where a member stands on a day."""
    joined_on = None if member.joined_at is None else PARIS.day_of(member.joined_at)
    history, tally = member.toward(rule, day=on, calendar=PARIS)
    grants = member.tier_grants.values()
    return rule.status(history, day=on, calendar=PARIS, joined_on=joined_on, grants=grants, tally=tally)


def statuses(member: Membership, rule: TierRule, at: datetime) -> list[TierStatus]:
    """Ask where a member stands, on every day of three months and some of later years."""
    last = PARIS.day_of(at)
    return [status(member, rule, last + timedelta(days=ahead)) for ahead in (*range(-60, 31), 366, 740)]


class TestTiers:
    """Where a member stands is told from sums, and what came after them."""

    @pytest.mark.law(7, 35)
    @settings(max_examples=150)
    @given(st.sampled_from(RULES), STEPS, STEPS, STEPS)
    def test_restored_stands_where_replayed_does(self, rule: TierRule, before: Any, tail: Any, after_it: Any) -> None:  # noqa: ANN401 - steps
        """On every date, after any snapshot of a snapshot with any facts since; or the history is needed."""
        full, read = Lived(Membership.open("m-42")), None
        for steps in (before, tail, after_it):
            facts = list[Fact]()
            for step in steps:
                full, more = full.after(step)
                facts += more
            if read is not None:
                try:
                    read = read.folded(facts)
                    assert statuses(read, rule, full.at) == statuses(full.member, rule, full.at)
                except HistoryNeeded:
                    read = None
            if not full.member.version:
                continue
            whole = tallied(full.member, rule, calendar=PARIS, at=full.at)
            kept = whole if read is None else tallied(read, rule, calendar=PARIS, at=full.at)
            if kept.tallied is not None:
                assert compact(kept) == compact(whole)
            read = again(kept)
        if read is not None:
            assert (read.order_count, read.friends) == (full.member.order_count, full.member.friends)


SPEND: Final = TierRule(TIERS, window=Period(months=12), downgrade=Downgrade.ONE_STEP)
POINTS_RULE: Final = attrs.evolve(SPEND, metric=Metric.POINTS)
FRIENDS_RULE: Final = attrs.evolve(SPEND, metric=Metric.REFERRALS)
NOW: Final = T0 + timedelta(days=30)
LONG_AGO, TODAY = date(2026, 1, 1), date(2026, 1, 31)


def order(order_id: str, day: date = TODAY, units: int = 40) -> OrderCounted:
    """Count an order."""
    return OrderCounted(order_id=order_id, day=day, qualifying_minor=units, at=NOW)


def back(order_id: str, units: int = 30) -> ReturnCounted:
    """Count what came back."""
    return ReturnCounted(order_id=order_id, return_id=f"r-{order_id}", qualifying_minor=units, at=NOW)


def friend(friend_id: str, day: date = TODAY) -> FriendRewarded:
    """Count a friend."""
    return FriendRewarded(friend_id=friend_id, program_id="friends", day=day, number=1, at=NOW)


def gone(friend_id: str) -> FriendReversed:
    """Count a friend no longer."""
    return FriendReversed(friend_id=friend_id, program_id="friends", at=NOW)


OLD: Final = (
    Membership.open("m-42")
    .earn(40, ref="old", expires_at=None, at=T0)
    .state.folded([reward("gift", 5, at=T0), order("old", LONG_AGO), friend("m-1", LONG_AGO), order("new"), friend("m-2")])
    .earn(7, ref="new", expires_at=None, at=NOW)
    .state
)
"""Somebody who bought, earned and brought a friend a month ago, and again today."""


def kept(rule: TierRule, member: Membership = OLD) -> Membership:
    """Restore a member with sums of all but the last days."""
    return again(tallied(member, rule, calendar=PARIS, at=NOW))


class TestSums:
    """What keeps the sums, and what makes them worthless."""

    def test_where_a_member_stands_is_told_without_the_orders(self) -> None:
        """A line of a hundred thousand orders is not read for the tier, for how many there are, nor for a new one."""
        new = [order("o-3", units=60), back("o-3")]
        read, full = kept(SPEND).folded(new), OLD.folded(new)
        assert status(read, SPEND, TODAY) == status(full, SPEND, TODAY)
        assert (read.order_count, "o-4" in read.orders, read.orders.get("o-4")) == (3, False, None)
        assert type(read.orders) is LaterMap
        assert read.orders["old"].units == 40
        assert type(read.orders) is not LaterMap

    @pytest.mark.parametrize(
        "rule,facts",
        [
            (SPEND, (order("o-3"), back("o-3"), back("o-3"))),
            (SPEND, (back("new"), back("new"))),
            (SPEND, (friend("m-3", LONG_AGO), gone("m-1"))),
            (SPEND, OLD.revoke("old", ref="v", overdraft=Overdraft.CARRY, at=NOW).facts),
            (attrs.evolve(SPEND, metric=Metric.ORDERS), (order("o-3"), back("new", 40), back("o-3", 9))),
            (FRIENDS_RULE, (friend("m-3"), gone("m-2"), gone("m-3"), friend("m-3"), order("o", LONG_AGO), back("old"))),
            (POINTS_RULE, OLD.earn(9, ref="e", expires_at=None, at=NOW).facts),
            (POINTS_RULE, (reward("e", 9, at=T0),)),
            (POINTS_RULE, OLD.on("status").earn(9, ref="e", expires_at=None, at=T0).facts),
            (POINTS_RULE, OLD.burn(50, ref="b", at=NOW).facts),
            (POINTS_RULE, OLD.revoke("new", ref="v", overdraft=Overdraft.CARRY, at=NOW).facts),
            (POINTS_RULE, OLD.revoke("gift", ref="v", overdraft=Overdraft.CARRY, at=NOW).facts),
        ],
    )  # fmt: skip
    def test_what_is_new_keeps_the_sums(self, rule: TierRule, facts: tuple[Fact, ...]) -> None:
        """What comes after them, what comes back of that, and what does not count, is told beside them."""
        read, full = kept(rule).folded(facts), OLD.folded(facts)
        assert read.tallied is not None
        assert read.tallied.of(rule, day=TODAY, calendar=PARIS) is not None
        assert statuses(read, rule, NOW) == statuses(full, rule, NOW)
        assert compact(tallied(read, rule, calendar=PARIS, at=NOW)) == compact(tallied(full, rule, calendar=PARIS, at=NOW))

    @pytest.mark.parametrize(
        "rule,facts",
        [
            (SPEND, (order("late", NOW.date() - LATE),)),
            (SPEND, (order("old"),)),
            (SPEND, (back("old"),)),
            (SPEND, OLD.join(at=NOW).facts),
            (FRIENDS_RULE, (friend("m-3", LONG_AGO),)),
            (FRIENDS_RULE, (friend("m-1"),)),
            (FRIENDS_RULE, (gone("m-1"),)),
            (POINTS_RULE, OLD.earn(9, ref="e", expires_at=None, at=T0).facts),
            (POINTS_RULE, OLD.revoke("old", ref="v", overdraft=Overdraft.CARRY, at=NOW).facts),
        ],
    )  # fmt: skip
    def test_what_is_old_makes_them_worthless(self, rule: TierRule, facts: tuple[Fact, ...]) -> None:
        """An order told late, or anew, a return of an old one, the day of joining: then all is looked at."""
        read = kept(rule).folded(facts)
        assert read.tallied is None
        assert statuses(read, rule, NOW) == statuses(OLD.folded(facts), rule, NOW)

    def test_a_day_later_than_the_last_that_was_added_up_keeps_them(self) -> None:
        """The day after the last one is the first that is told apart."""
        read = kept(SPEND).folded([order("late", NOW.date() - LATE + timedelta(days=1))])
        assert read.tallied is not None

    def test_sums_of_another_rule_or_zone_say_nothing(self) -> None:
        """A rule that counts otherwise, and days of elsewhere, are asked of all orders; what tiers give is no matter."""
        read = kept(SPEND)
        assert read.tallied is not None
        other = attrs.evolve(SPEND, window=Period(months=6))
        assert read.tallied.of(other, day=TODAY, calendar=PARIS) is None
        assert read.tallied.of(SPEND, day=TODAY, calendar=Calendar("Asia/Tokyo")) is None
        assert read.tallied.of(SPEND, day=read.tallied.through, calendar=PARIS) is not None
        assert read.tallied.of(SPEND, day=read.tallied.through - timedelta(days=1), calendar=PARIS) is None
        assert statuses(read, other, NOW) == statuses(OLD, other, NOW)
        assert kept(SPEND, kept(other)) == OLD
        assert kept(SPEND, kept(other)).tallied == kept(SPEND).tallied

    def test_sums_go_on(self) -> None:
        """A snapshot of a restored member goes on from the sums, and an earlier clock than before leaves them."""
        read = kept(POINTS_RULE, OLD.burn(47, ref="b", at=NOW).state)
        later = tallied(read, POINTS_RULE, calendar=PARIS, at=NOW + timedelta(days=400)).tallied
        assert later is not None
        assert later.through == TODAY + timedelta(days=400) - LATE
        assert not later.later
        earlier = tallied(read, POINTS_RULE, calendar=PARIS, at=NOW - timedelta(days=9))
        assert earlier.tallied == read.tallied
        assert tallied(read, None, calendar=PARIS, at=NOW).tallied is None

    def test_points_that_are_left_out_cannot_be_added_up_anew(self) -> None:
        """Where the sums are gone and lots too, the history is needed to make others: none are kept until then."""
        read = kept(SPEND, OLD.burn(52, ref="b", at=NOW).state)
        assert tallied(read, POINTS_RULE, calendar=PARIS, at=NOW).tallied is None
        with pytest.raises(HistoryNeeded):
            statuses(read, POINTS_RULE, NOW)

    def test_sums_are_no_part_of_the_member(self) -> None:
        """Equality, and what is written for a column of the shop's, are those of the member without."""
        member = tallied(OLD, SPEND, calendar=PARIS, at=NOW)
        assert member.tallied is not None
        assert member == OLD
        assert member.to_dict() == OLD.to_dict()

    def test_only_what_a_metric_counts_is_given(self) -> None:
        """An order counts as what was spent, as one, or not at all; one of nothing is no order."""
        spent, nothing = Qualifying(day=TODAY, units=40), Qualifying(day=TODAY, units=0)
        one = Qualifying(day=TODAY, units=1, metric=Metric.ORDERS)
        assert list(as_counted([spent, nothing], [Metric.ORDERS])) == [one]
        assert list(as_counted([spent, nothing], [Metric.SPEND, Metric.ORDERS])) == [spent, one, nothing]
        assert list(as_counted([spent], [Metric.POINTS])) == []

    def test_points_that_went_on_to_another_lot_are_those_of_the_first(self) -> None:
        """Given back with a later end they were earned once, on the first day; what is taken back of them is taken off there."""
        member = Membership.open("m-42").earn(40, ref="e", expires_at=T0 + timedelta(days=9), at=T0).state
        member = member.burn(30, ref="b", at=T0).state
        at, until = T0 + timedelta(days=20), T0 + timedelta(days=90)
        ledger = member.folded(member.ledger.refund_burn("b", 30, ref="r", extended_until=until, at=at)).ledger
        assert len(ledger.lots) == 2
        earned = ("e/base", Qualifying(day=LONG_AGO, units=40, metric=Metric.POINTS))
        assert list(earned_points(ledger, PARIS)) == [earned]
        revoked = ledger.folded(ledger.revoke("e", 40, ref="v", overdraft=Overdraft.CARRY, at=at))
        assert list(earned_points(revoked, PARIS)) == []
