"""Gifts for entering a tier and milestones: given with the command that brings them about, taken back with what undid it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore import Basket, Loyalty, Membership, UsageError
from loyaltycore._payouts import PayoutStatus
from loyaltycore._rewards_due import reward_streams, seen_after, settle, settle_return
from loyaltycore._snapshots import tallied
from loyaltycore.benefits import BonusPoints, NextCoupon, PercentOff, Several
from loyaltycore.coupons import Coupon, CouponCampaign, CouponStatus
from loyaltycore.memberships import (
    REWARD_RULE,
    OrderCounted,
    ReturnCounted,
    RewardGiven,
    RewardTakenBack,
    TierGranted,
    TierGrantEnded,
)
from loyaltycore.offers import NO_VIEW, View
from loyaltycore.periods import Period, Term
from loyaltycore.points import Overdraft
from loyaltycore.rewards import BalanceReaches, Choice, LifetimePoints, Milestone, OrderNumber, PayOut, RewardBenefit
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.tiers import CalendarMonths, CalendarYears, Downgrade, Ladder, Metric, Rolling, TierBenefits, TierRule, Upgrade
from tests.rewards_shop import DAY, NOON, RewardShop, euros, program, tiers
from tests.test_services import Clock

TEN = PercentOff("10")
POINTS = BonusPoints(500, expires=None)
GOLD = tiers({0: "bronze", 10000: "gold"}, gold=TierBenefits(entry_gift=POINTS))


def third(give: RewardBenefit | Choice = TEN) -> Milestone:
    """Give a milestone for the third order."""
    return Milestone("third", when=OrderNumber(3), give=give)


def balance(points: int = 100, give: RewardBenefit | Choice = TEN) -> Milestone:
    """Give a milestone for a balance."""
    return Milestone("rich", when=BalanceReaches(points), give=give)


def shop(
    *milestones: Milestone,
    rule: TierRule | None = None,
    campaigns: Iterable[CouponCampaign] = (),
    overdraft: Overdraft = Overdraft.CARRY,
) -> RewardShop:
    """Give a shop with milestones and tiers."""
    return RewardShop(program(milestones=milestones, tier_rule=rule, campaigns=campaigns, overdraft=overdraft))


class TestEntryGifts:
    def test_entering_gives_once(self) -> None:
        """With the order that reaches the tier, under the day's name."""
        here = shop(rule=GOLD)
        here.order("1", "60")
        assert here.standing == {}
        here.order("2", "60")
        assert here.standing == {"tier/gold/2026-07-01": "tier/gold"}
        assert here.points == 120 + 500
        here.order("3", "60")
        assert here.points == 180 + 500

    def test_a_return_that_undoes_it_takes_it_back(self) -> None:
        """And the next order gives it again, under a name of its own."""
        here = shop(rule=GOLD)
        here.order("1", "60")
        here.order("2", "60")
        here.back("1")
        assert here.standing == {}
        assert here.points == 60
        here.order("3", "60")
        assert here.standing == {"tier/gold/2026-07-01/2": "tier/gold"}
        assert here.points == 120 + 500

    def test_a_return_that_leaves_enough_takes_nothing(self) -> None:
        """The tier was entered without it just as well."""
        here = shop(rule=GOLD)
        here.order("1", "100")
        here.wait(1)
        here.order("2", "100")
        here.back("1")
        assert here.standing == {"tier/gold/2026-07-01": "tier/gold"}
        assert here.points == 100 + 500

    def test_a_jump_gives_for_each_tier(self) -> None:
        """Every rung that is passed."""
        rule = tiers({1000: "silver", 10000: "gold"}, gold=TierBenefits(entry_gift=POINTS), silver=TierBenefits(entry_gift=TEN))
        here = shop(rule=rule)
        here.order("1", "100")
        assert sorted(here.standing) == ["tier/gold/2026-07-01", "tier/silver/2026-07-01"]
        here.back("1", "50")
        assert sorted(here.standing) == ["tier/silver/2026-07-01"]

    def test_each_entry_gives(self) -> None:
        """A tier that was lost and is reached again, a year later."""
        here = shop(rule=GOLD)
        here.order("1", "100")
        here.wait(800)
        here.order("2", "100")
        assert sorted(here.standing) == ["tier/gold/2026-07-01", "tier/gold/2028-09-08"]
        here.back("2")
        assert sorted(here.standing) == ["tier/gold/2026-07-01"]

    def test_the_gift_of_the_entry_that_is_undone_goes(self) -> None:
        """The first order comes back late: the later entry has a day that still stands."""
        here = shop(rule=GOLD)
        here.order("1", "100")
        here.wait(800)
        here.order("2", "100")
        here.back("1")
        assert sorted(here.standing) == ["tier/gold/2028-09-08"]

    def test_a_return_counts_as_never_bought(self) -> None:
        """Without the order in between the member fell, and rose again: that rise has its gift, once."""
        rule = attrs.evolve(GOLD, window=Period(days=10))
        here = shop(rule=rule)
        here.order("1", "100")
        here.wait(8)
        here.order("2", "100")
        here.wait(8)
        here.order("3", "100")
        assert sorted(here.standing) == ["tier/gold/2026-07-01"]
        here.back("2")
        assert sorted(here.standing) == ["tier/gold/2026-07-01", "tier/gold/2026-07-17"]
        here.order("4", "1")
        here.back("3")
        assert sorted(here.standing) == ["tier/gold/2026-07-01"]

    def test_an_entry_that_time_brings_is_given_with_the_next_command(self) -> None:
        """A tier that begins with the next year."""
        rule = TierRule(
            Ladder.of({0: "bronze", 10000: "gold"}),
            window=CalendarYears(),
            downgrade=Downgrade.REASSESS,
            upgrade=Upgrade.NEXT_PERIOD,
            benefits={"gold": TierBenefits(entry_gift=POINTS)},
        )
        here = shop(rule=rule)
        here.order("1", "100")
        assert here.standing == {}
        here.wait(200)
        here.record("r-1")
        assert here.standing == {"tier/gold/2027-01-01": "tier/gold"}
        here.record("r-2")
        assert len(here.member.rewards) == 1

    def test_what_was_entered_before_there_was_a_gift_gives_none(self) -> None:
        """A change of the program gives nothing for the past, and takes nothing back."""
        here = shop(rule=attrs.evolve(GOLD, benefits={}))
        here.order("1", "100")
        here.program = program(tier_rule=GOLD)
        here.wait(1)
        here.order("2", "10")
        assert here.standing == {}
        here.back("2")
        assert here.standing == {}
        here.back("1")
        assert here.standing == {}

    def test_a_gift_that_the_program_no_longer_has_is_taken_back_all_the_same(self) -> None:
        """It stands in the member's stream."""
        here = shop(rule=GOLD)
        here.order("1", "100")
        here.program = program(tier_rule=attrs.evolve(GOLD, benefits={}))
        here.back("1")
        assert here.standing == {}
        assert here.points == 0

    def test_without_tiers_nothing_is_looked_at(self) -> None:
        """The program has none any more."""
        here = shop(rule=GOLD)
        here.order("1", "100")
        here.program = program()
        here.back("1")
        assert list(here.standing) == ["tier/gold/2026-07-01"]

    def test_a_tier_that_asks_for_more_today(self) -> None:
        """The gift stands as long as the mark of then is reached."""
        here = shop(rule=GOLD)
        here.order("1", "60")
        here.order("2", "60")
        here.program = program(tier_rule=attrs.evolve(GOLD, ladder=Ladder.of({0: "bronze", 50000: "gold"})))
        here.back("1", "20")
        assert list(here.standing) == ["tier/gold/2026-07-01"]
        here.back("1", "1")
        assert here.standing == {}

    def test_a_tier_that_has_another_name_today(self) -> None:
        """Nobody rises into it; its gift stands as long as the mark of then is reached."""
        here = shop(rule=GOLD)
        here.order("1", "100")
        here.order("2", "20")
        here.program = program(tier_rule=tiers({0: "bronze", 20000: "vip"}))
        here.back("1", "20")
        assert list(here.standing) == ["tier/gold/2026-07-01"]
        here.back("1", "1")
        assert here.standing == {}

    def test_never_more_gifts_than_entries(self) -> None:
        """The tiers were gone for a time, and the order came back then."""
        here = shop(rule=GOLD)
        here.order("1", "100")
        here.program = program()
        here.back("1")
        here.program = program(tier_rule=GOLD)
        here.wait(1)
        here.order("2", "100")
        assert list(here.standing) == ["tier/gold/2026-07-01"]

    def grant(self, here: RewardShop, ref: str) -> None:
        """Grant gold by hand."""
        here.at += timedelta(minutes=1)
        decided = here.member.posting([TierGranted(ref=ref, tier="gold", at=here.at)])
        posting, beside = settle(here.program, here.member, decided, at=here.at)
        here.keep(posting, *beside)

    def end(self, here: RewardShop, ref: str) -> None:
        """End the grant."""
        here.at += timedelta(minutes=1)
        decided = here.member.posting([TierGrantEnded(ref=ref, at=here.at)])
        posting, beside = settle_return(here.program, here.member, decided, view=here.view(), at=here.at)
        here.keep(posting, *beside)

    def test_a_grant_that_is_ended_takes_its_gift_along(self) -> None:
        """However often that is done; what was reached besides keeps its own."""
        here = shop(rule=GOLD)
        for nth in range(3):
            self.grant(here, f"g-{nth}")
            assert here.points == 500
            self.end(here, f"g-{nth}")
            assert (here.points, here.standing) == (0, {})
            here.wait(2)
        here.order("1", "100")
        assert here.points == 600
        self.grant(here, "g-4")
        self.end(here, "g-4")
        assert here.points == 600

    def test_a_grant_keeps_a_gift_only_while_it_lasts(self) -> None:
        """The orders that brought it come back; then the grant is ended."""
        here = shop(rule=GOLD)
        here.order("1", "100")
        here.wait(1)
        self.grant(here, "g")
        here.back("1")
        assert here.points == 500
        self.end(here, "g")
        assert here.points == 0

    def test_points_of_a_gift_end_as_the_tiers_do(self) -> None:
        """Unless they say; those of a milestone as the rules do."""
        month, year = Term(Period(months=1)), Term(Period(months=12))
        for gift, ends in ((BonusPoints(5), month), (BonusPoints(5, expires=year), year)):
            rule = attrs.evolve(GOLD, benefits={"gold": TierBenefits(entry_gift=gift, expires=month)})
            here = shop(Milestone("first", when=OrderNumber(1), give=BonusPoints(7)), rule=rule)
            here.order("1", "100")
            found = {lot.granted: lot.expires_at for lot in here.member.ledger.lots.values() if lot.rule == REWARD_RULE}
            calendar = here.program.calendar
            assert found == {5: ends.end_after(here.at, calendar=calendar), 7: year.end_after(here.at, calendar=calendar)}

    def test_the_points_of_a_gift_carry_no_tier(self) -> None:
        """Of a tier by points: what is given for it does not keep it."""
        rule = attrs.evolve(GOLD, ladder=Ladder.of({0: "bronze", 100: "gold", 300: "vip"}), metric=Metric.POINTS)
        here = shop(rule=rule)
        here.order("1", "120")
        assert here.points == 120 + 500
        status = here.program.tier(here.member, at=here.at)
        assert status is not None
        assert (status.tier, status.metric) == ("gold", 120)
        here.back("1", "30")
        assert here.standing == {}


class TestSums:
    """A member restored from a snapshot: what counts is added up, up to a day."""

    def summed(self, here: RewardShop) -> Membership:
        """Give the member with the sums."""
        found = tallied(here.member, here.program.tiers, calendar=here.program.calendar, at=here.at)
        assert found.tallied is not None
        return found

    def long_ago(self) -> RewardShop:
        """Give a shop whose member has a history."""
        here = shop(rule=GOLD)
        here.order("1", "60")
        here.wait(200)
        return here

    def test_entering_on_top_of_sums(self) -> None:
        """The same gift, under the same name."""
        here = self.long_ago()
        before = self.summed(here)
        fact = OrderCounted(order_id="2", day=here.at.date(), qualifying_minor=4000, at=here.at)
        for member in (before, here.member):
            posting, _ = settle(here.program, member, member.posting([fact]), at=here.at)
            assert list(posting.state.rewards) == ["tier/gold/2027-01-17"]
        fact = attrs.evolve(fact, qualifying_minor=3999)
        posting, _ = settle(here.program, before, before.posting([fact]), at=here.at)
        assert posting.state.rewards == {}

    def test_a_return_of_what_was_added_up(self) -> None:
        """Then all is gone through."""
        here = self.long_ago()
        here.order("2", "40")
        assert list(here.standing) == ["tier/gold/2027-01-17"]
        here.wait(60)
        before = self.summed(here)
        decided = before.posting([attrs.evolve(_returned("1"), at=here.at)])
        assert decided.state.tallied is None
        posting, _ = settle_return(here.program, before, decided, view=NO_VIEW, at=here.at)
        assert posting.state.rewards["tier/gold/2027-01-17"].is_gone

    def test_a_gift_of_what_was_added_up_stands(self) -> None:
        """An entry without a gift is undone: the gift of an earlier one, long ago, is none of its business."""
        here = shop(rule=GOLD)
        here.order("1", "100")
        here.program = program(tier_rule=attrs.evolve(GOLD, benefits={}))
        here.wait(800)
        here.order("2", "100")
        here.program = program(tier_rule=GOLD)
        here.wait(1)
        assert list(here.standing) == ["tier/gold/2026-07-01"]
        before = self.summed(here)
        decided = before.posting([attrs.evolve(_returned("2"), at=here.at)])
        assert decided.state.tallied is not None
        posting, _ = settle_return(here.program, before, decided, view=NO_VIEW, at=here.at)
        assert not posting.state.rewards["tier/gold/2026-07-01"].is_gone
        here.back("2")
        assert list(here.standing) == ["tier/gold/2026-07-01"]


class TestOrderNumber:
    def test_it_is_given_once(self) -> None:
        """With the third order; the fourth gives nothing."""
        here = shop(third())
        for number in "1234":
            here.order(number, "10")
            assert bool(here.standing) is (number >= "3")
        (name,) = here.standing
        assert (name, len(here.usable), len(here.member.rewards)) == ("milestone/third", 1, 1)

    def test_what_came_back_whole_does_not_count(self) -> None:
        """Of part of an order something was kept."""
        here = shop(third())
        here.order("1", "10")
        here.order("2", "10")
        here.back("1")
        here.back("2", "9.99")
        here.order("3", "10")
        assert here.standing == {}
        here.order("4", "10")
        assert list(here.standing) == ["milestone/third"]
        here.back("2")
        assert here.standing == {}
        assert here.usable == []
        here.order("5", "10")
        assert list(here.standing) == ["milestone/third/2"]
        assert len(here.usable) == 1

    def test_a_milestone_that_comes_later_waits_for_its_mark(self) -> None:
        """Whoever has passed it already gets nothing."""
        here = shop()
        for number in "1234":
            here.order(number, "10")
        here.program = program(milestones=[third()])
        here.order("5", "10")
        assert here.standing == {}

    @pytest.mark.parametrize("now, left", [(9, 3), (3, 3), (2, 2)])
    def test_a_mark_that_was_moved(self, now: int, left: int) -> None:
        """What was given by the mark of then stands until a return goes below it, and below the mark of now."""
        here = shop(third())
        for number in "1234":
            here.order(number, "10")
        here.program = program(milestones=[Milestone("third", when=OrderNumber(now), give=TEN)])
        for count, number in zip((3, 2, 1), "432", strict=True):
            here.back(number)
            assert bool(here.standing) is (count >= left)

    def test_of_a_milestone_that_is_no_more_nothing_is_taken_back(self) -> None:
        """Nobody can say what it was given for; there again, it is not given twice."""
        here = shop(third())
        for number in "123":
            here.order(number, "10")
        here.program = program()
        here.back("1")
        here.program = program(milestones=[third()])
        here.order("4", "10")
        assert list(here.standing) == ["milestone/third"]
        assert len(here.usable) == 1


class TestLifetimePoints:
    MARK = Milestone("hundred", when=LifetimePoints(100), give=POINTS)

    def test_spending_does_not_matter(self) -> None:
        """Nor does a reward count: its points are no earning."""
        here = shop(self.MARK, Milestone("more", when=LifetimePoints(400), give=TEN))
        here.order("1", "60")
        here.order("2", "60", burn=20)
        assert list(here.standing) == ["milestone/hundred"]
        assert here.points == 60 + 59 - 20 + 500
        here.back("1", "19")
        assert list(here.standing) == ["milestone/hundred"]
        here.back("1", "1")
        assert here.standing == {}
        assert here.points == 40 + 59 - 20

    def test_the_bound_itself(self) -> None:
        """One hundred is reached with one hundred."""
        here = shop(self.MARK)
        here.order("1", "99")
        assert here.standing == {}
        here.order("2", "1")
        assert list(here.standing) == ["milestone/hundred"]

    def test_points_of_another_member_are_no_earning(self) -> None:
        """However often they go to and fro."""
        here = shop(self.MARK)
        here.order("1", "60")
        other = Membership.open("n")
        for nth in range(4):
            out = here.member.transfer(60, to=other, ref=f"out-{nth}", at=here.at)
            back = out.taker.state.transfer(60, to=out.giver.state, ref=f"back-{nth}", at=here.at)
            here.member, other = back.taker.state, back.giver.state
        here.order("2", "39")
        assert here.standing == {}

    def test_another_account(self) -> None:
        """Only what is earned on it."""
        here = shop(attrs.evolve(self.MARK, when=LifetimePoints(100, "status")))
        here.order("1", "200")
        assert here.standing == {}

    def test_what_went_on_to_another_lot_counts_once(self) -> None:
        """Points of an expired lot that came back into a new one are those of the first; taken back there, they are gone."""
        here = shop(self.MARK)
        here.program = attrs.evolve(here.program, restore=Term(Period(months=12)))
        here.order("1", "60")
        here.order("2", "1", burn=60)
        here.wait(400)
        here.back("2")
        assert len(here.member.ledger.lots) == 2
        here.order("3", "39")
        assert here.standing == {}
        here.order("4", "1")
        assert list(here.standing) == ["milestone/hundred"]
        here.back("1")
        assert here.standing == {}


class TestBalance:
    def test_the_balance_as_it_is(self) -> None:
        """Reached by whatever brings it; given once."""
        here = shop(balance())
        here.order("1", "60")
        here.record("r-1")
        assert list(here.standing) == ["milestone/rich"]
        assert here.member.rewards["milestone/rich"].mark == 100
        here.order("2", "60", burn=100)
        here.order("3", "100")
        assert len(here.member.rewards) == 1

    def test_whoever_has_it_already_is_given_it(self) -> None:
        """With the next command: what is looked at is the balance of now."""
        here = shop()
        here.order("1", "200")
        here.program = program(milestones=[balance()])
        here.record("r-1")
        assert list(here.standing) == ["milestone/rich"]
        assert here.member.rewards["milestone/rich"].mark == 100

    @pytest.mark.parametrize("spent", [0, 1, 50])
    def test_spending_saves_nothing(self, spent: int) -> None:
        """The order that brought it comes back: it goes, whatever was spent meanwhile."""
        here = shop(balance())
        here.order("1", "100")
        if spent:
            here.order("2", "60", burn=spent)
        here.back("1")
        assert here.standing == {}
        assert here.usable == []

    def test_what_is_to_spare_may_come_back(self) -> None:
        """So much was there beside what it took."""
        here = shop(balance())
        here.order("1", "40")
        here.order("2", "80")
        here.order("3", "1", burn=50)
        here.back("2", "20")
        assert list(here.standing) == ["milestone/rich"]
        here.back("2", "1")
        assert here.standing == {}

    def test_later_orders_do_not_carry_it(self) -> None:
        """What was earned afterwards had no part in it; it gives the milestone anew."""
        here = shop(balance())
        here.order("1", "100")
        here.wait(1)
        here.order("2", "500")
        here.back("1")
        assert here.member.rewards["milestone/rich"].is_gone
        assert list(here.standing) == ["milestone/rich/2"]
        here.back("2")
        assert here.standing == {}

    def test_points_of_another_reward_of_the_same_instant(self) -> None:
        """They were there when the balance was looked at: without them it does not stand."""
        here = shop(balance(250))
        given_ = RewardGiven(reward_id="referral/f/1", source="referral/f", points=250, at=NOON)
        lot = here.member.ledger.grant(250, ref="referral/f/1", rule=REWARD_RULE, available_at=NOON, expires_at=None, at=NOON)
        posting, beside = settle(here.program, here.member, here.member.posting([*lot, given_]), at=NOON)
        here.keep(posting, *beside)
        assert here.member.rewards["milestone/rich"].mark == 250
        gone = here.member.ledger.revoke("referral/f/1", 250, ref="x", rule=REWARD_RULE, overdraft=Overdraft.CARRY, at=NOON)
        decided = here.member.posting([*gone, RewardTakenBack(reward_id="referral/f/1", at=NOON)])
        posting, _ = settle_return(here.program, here.member, decided, view=here.view(), at=NOON)
        assert posting.state.rewards["milestone/rich"].is_gone

    def test_gifts_of_the_same_command_come_behind_it(self) -> None:
        """A gift for entering a tier had no part in the balance, though it is of the same instant."""
        here = shop(balance(100), rule=GOLD)
        here.order("1", "100")
        assert list(here.standing) == ["milestone/rich", "tier/gold/2026-07-01"]
        assert here.member.rewards["milestone/rich"].mark == 100
        here.back("1", "1")
        assert here.standing == {}

    def test_a_later_order_that_comes_back_leaves_it(self) -> None:
        """It was reached before."""
        here = shop(balance())
        here.order("1", "100")
        here.wait(1)
        here.order("2", "500")
        here.back("2")
        assert list(here.standing) == ["milestone/rich"]

    def test_points_of_an_earlier_reward_count(self) -> None:
        """From the next command on; taken back, they take it along."""
        here = shop(balance(500), rule=GOLD)
        here.order("1", "100")
        assert list(here.standing) == ["tier/gold/2026-07-01"]
        here.record("r-1")
        assert sorted(here.standing) == ["milestone/rich", "tier/gold/2026-07-01"]
        here.back("1")
        assert here.points == 50

    def test_points_that_wait_do_not_count(self) -> None:
        """They are no balance yet."""
        late = attrs.evolve(program(milestones=[balance()]).earning[0], pending=Term(Period(days=14)))
        here = RewardShop(attrs.evolve(program(milestones=[balance()]), earning=[late]))
        here.order("1", "100")
        assert here.standing == {}
        here.wait(15)
        here.record("r-1")
        assert list(here.standing) == ["milestone/rich"]
        assert here.member.rewards["milestone/rich"].mark == 100


class TestCoupons:
    def test_a_coupon_that_was_not_used_goes(self) -> None:
        """With the reward; nothing is left that could be used."""
        here = shop(third())
        for number in "123":
            here.order(number, "10")
        (coupon_id,) = here.usable
        here.back("3")
        assert here.coupons[coupon_id].status(at=here.at) is CouponStatus.REVOKED
        assert here.member.coupons[coupon_id].is_gone
        assert here.member.rewards["milestone/third"].coupons_kept == ()

    def test_a_coupon_that_was_used_stays_used(self) -> None:
        """And is what the milestone gives when it is passed again: no second one."""
        here = shop(third())
        for number in "123":
            here.order(number, "10")
        (coupon_id,) = here.usable
        here.order("4", "10", coupons=[coupon_id])
        assert here.usable == []
        here.back("1")
        here.back("2")
        assert here.standing == {}
        assert here.member.rewards["milestone/third"].coupons_kept == (coupon_id,)
        assert here.coupons[coupon_id].status(at=here.at) is CouponStatus.REDEEMED
        here.order("5", "10")
        assert list(here.standing) == ["milestone/third/2"]
        assert here.member.rewards["milestone/third/2"].coupons == (coupon_id,)
        assert (here.usable, len(here.coupons)) == ([], 1)

    def test_it_stays_used_however_often_it_is_passed(self) -> None:
        """Taken back and given again and again."""
        here = shop(third())
        for number in "123":
            here.order(number, "10")
        here.order("4", "10", coupons=here.usable)
        here.back("1")
        gone = "2"
        for nth in range(2, 7):
            here.back(gone)
            assert here.standing == {}
            gone = f"more-{nth}"
            here.order(gone, "10")
            assert list(here.standing) == [f"milestone/third/{nth}"]
        assert (len(here.coupons), here.usable) == (1, [])

    def test_the_order_that_used_it_comes_back_too(self) -> None:
        """Then it is nobody's, and the milestone gives a new one."""
        here = shop(third())
        for number in "123":
            here.order(number, "10")
        (coupon_id,) = here.usable
        here.order("4", "10", coupons=[coupon_id])
        here.back("1")
        here.back("2")
        here.back("4")
        assert (here.usable, here.standing) == ([], {})
        here.order("5", "10")
        here.order("6", "10")
        assert list(here.standing) == ["milestone/third/2"]
        (other,) = here.usable
        assert other != coupon_id

    def test_it_is_handed_on_and_free_again(self) -> None:
        """The order that used it comes back after the mark was passed again: it is the member's, as it was."""
        here = shop(third())
        for number in "123":
            here.order(number, "10")
        (coupon_id,) = here.usable
        here.order("4", "10", coupons=[coupon_id])
        here.back("1")
        here.back("2")
        here.order("5", "10")
        here.order("6", "10")
        assert here.usable == []
        here.back("4")
        assert here.usable == [coupon_id]
        here.back("5")
        assert (here.usable, here.coupons[coupon_id].status(at=here.at)) == ([], CouponStatus.REVOKED)
        here.order("7", "10")
        assert len(here.usable) == 1
        assert here.usable != [coupon_id]

    def test_a_return_may_free_a_coupon_and_undo_what_gave_it(self) -> None:
        """One posting for its stream: released, and taken back."""
        here = shop(Milestone("hundred", when=LifetimePoints(100), give=TEN))
        here.order("1", "60")
        here.order("2", "60")
        (coupon_id,) = here.usable
        here.order("3", "60", coupons=[coupon_id])
        here.back("1")
        assert list(here.standing) == ["milestone/hundred"]
        here.back("3")
        assert here.standing == {}
        assert here.member.rewards["milestone/hundred"].coupons_kept == ()
        assert (here.usable, here.coupons[coupon_id].status(at=here.at)) == ([], CouponStatus.REVOKED)

    def test_of_a_stopped_campaign_the_coupon_waits(self) -> None:
        """A milestone is passed once: what it gives must not be lost because its campaign was stopped that day."""
        here = shop(third(Several([TEN, BonusPoints(5, expires=None)])))
        here.stopped = frozenset(["milestone-third"])
        for number in "123":
            here.order(number, "10")
        assert here.points == 35
        assert len(here.member.rewards["milestone/third"].coupons) == 1

    def test_a_coupon_of_the_shops_own_campaign(self) -> None:
        """It applies as that campaign says."""
        sorry = CouponCampaign("sorry", give=TEN, codes=None, automatic=True)
        here = shop(third(NextCoupon("sorry")), campaigns=[sorry])
        for number in "123":
            here.order(number, "10")
        assert [here.coupons[name].campaign_id for name in here.usable] == ["sorry"]
        here.order("4", "10")
        assert here.orders["4"].placed is not None
        assert [one.campaign_id for one in here.orders["4"].placed.coupons_redeemed] == ["sorry"]


class TestPayouts:
    def test_it_is_due_and_reversed(self) -> None:
        """The shop owes it until the order comes back."""
        here = shop(third(PayOut(euros("5"))))
        for number in "123":
            here.order(number, "10")
        (payout_id,) = here.payouts
        assert here.payouts[payout_id].status is PayoutStatus.DUE
        assert (here.payouts[payout_id].source, here.payouts[payout_id].ref) == ("milestone/third", "milestone/third")
        assert reward_streams(here.member) == (f"payout/{payout_id}",)
        here.back("1")
        assert here.payouts[payout_id].status is PayoutStatus.REVERSED
        assert reward_streams(here.member) == ()

    def test_what_was_paid_is_to_be_claimed_back(self) -> None:
        """And a new one is due when the mark is passed again."""
        here = shop(third(PayOut(euros("5"))))
        for number in "123":
            here.order(number, "10")
        here.pay(*here.payouts)
        here.back("1")
        here.order("4", "10")
        assert sorted(one.status.value for one in here.payouts.values()) == ["due", "to claim back"]


class TestChoices:
    CHOICE = Choice({"ten": TEN, "points": POINTS}, within=Period(days=30))

    def test_it_is_offered_and_chosen(self) -> None:
        """Once."""
        here = shop(third(self.CHOICE))
        for number in "123":
            here.order(number, "10")
        held = here.member.rewards["milestone/third"]
        assert held.options == ("ten", "points")
        assert held.until is not None
        assert held.until.isoformat() == "2026-07-31T22:00:00+00:00"
        here.choose("milestone/third", "points")
        assert here.points == 30 + 500
        here.order("4", "10")
        assert len(here.member.rewards) == 1
        here.back("1")
        here.back("2")
        assert (here.points, here.standing) == (20, {})

    def test_what_was_not_chosen_is_taken_back_too(self) -> None:
        """And offered again when the mark is passed again."""
        here = shop(third(self.CHOICE))
        for number in "123":
            here.order(number, "10")
        here.back("3")
        assert here.standing == {}
        here.order("4", "10")
        assert here.member.rewards["milestone/third/2"].options == ("ten", "points")

    def test_what_was_chosen_and_used_stays_chosen(self) -> None:
        """Something else would come on top of the coupon that was used."""
        here = shop(third(self.CHOICE))
        for number in "123":
            here.order(number, "10")
        here.choose("milestone/third", "ten")
        here.order("4", "10", coupons=here.usable)
        here.back("1")
        here.back("2")
        here.order("5", "10")
        held = here.member.rewards["milestone/third/2"]
        assert (held.option, held.options, len(held.coupons), here.usable) == ("ten", (), 1, [])

    def test_an_option_that_is_no_more_is_chosen_anew(self) -> None:
        """The program has others; the coupon that was used counts all the same."""
        here = shop(third(self.CHOICE))
        for number in "123":
            here.order(number, "10")
        here.choose("milestone/third", "ten")
        here.order("4", "10", coupons=here.usable)
        here.back("1")
        here.back("2")
        other = Choice({"twenty": PercentOff("20"), "points": POINTS}, within=Period(days=30))
        here.program = program(milestones=[third(other)])
        here.order("5", "10")
        assert here.member.rewards["milestone/third/2"].options == ("twenty", "points")
        here.choose("milestone/third/2", "twenty")
        assert here.usable == []

    def test_the_mark_of_a_balance_is_that_of_the_offer(self) -> None:
        """Whenever it is chosen: the order that brought it comes back."""
        here = shop(balance(give=self.CHOICE))
        here.order("1", "100")
        here.wait(3)
        here.order("2", "500")
        here.choose("milestone/rich", "points")
        held = here.member.rewards["milestone/rich"]
        assert (held.mark, held.at) == (100, NOON + timedelta(minutes=1))
        here.back("2")
        assert list(here.standing) == ["milestone/rich"]
        here.back("1")
        assert here.standing == {}


class TestSettling:
    def test_a_repeated_command_adds_nothing(self) -> None:
        """Settled again, what was settled is as it was."""
        here = shop(third(), balance(10), rule=GOLD)
        for number in "123":
            here.order(number, "60")
        before = here.member
        again = settle(here.program, before, before.posting(()), at=here.at)
        assert again == (before.posting(()), ())
        joined = before.join(at=here.at)
        posting, beside = settle(here.program, before, joined, at=here.at)
        assert (posting, beside) == (joined, ())
        assert settle_return(here.program, before, before.posting(()), view=NO_VIEW, at=here.at) == (before.posting(()), ())

    def test_a_posting_goes_on(self) -> None:
        """Its stream and version stay, the facts come behind."""
        here = shop(rule=GOLD)
        decided = here.member.posting([OrderCounted(order_id="1", day=here.at.date(), qualifying_minor=10000, at=here.at)])
        posting, beside = settle(here.program, here.member, decided, at=here.at)
        assert (posting.version, posting.stream, beside) == (0, "member/m", ())
        assert posting.facts[0] == decided.facts[0]
        given = [fact for fact in posting.facts if isinstance(fact, RewardGiven)]
        assert [(fact.reward_id, fact.source, fact.points) for fact in given] == [("tier/gold/2026-07-01", "tier/gold", 500)]
        assert Membership.replay("m", posting.facts) == posting.state

    def test_what_is_taken_back_must_be_known(self) -> None:
        """A view without the coupon would leave it with the member."""
        here = shop(third(Several([TEN, NextCoupon("sorry")])), campaigns=[CouponCampaign("sorry", give=TEN, codes=None)])
        for number in "123":
            here.order(number, "10")
        assert len(reward_streams(here.member)) == 2
        decided = here.member.posting([attrs.evolve(_returned("1"), at=here.at)])
        with pytest.raises(UsageError, match="view must hold the coupons of a reward that is taken back"):
            settle_return(here.program, here.member, decided, view=NO_VIEW, at=here.at)

    def test_payouts_must_be_known_too(self) -> None:
        """Else the shop would pay what is no longer owed."""
        here = shop(third(PayOut(euros("5"))))
        for number in "123":
            here.order(number, "10")
        decided = here.member.posting([attrs.evolve(_returned("1"), at=here.at)])
        with pytest.raises(UsageError, match="view must hold the payouts of a reward that is taken back"):
            settle_return(here.program, here.member, decided, view=NO_VIEW, at=here.at)

    def test_rewards_of_the_catalogue_and_of_friends_are_left_alone(self) -> None:
        """A return has nothing to do with them: their streams are not asked for."""
        here = shop()
        facts = [
            RewardGiven(reward_id="reward/1", source="catalogue/mug", coupons=("c-1",), at=NOON),
            RewardGiven(reward_id="referral/f/1", source="referral/f", coupons=("c-2",), at=NOON),
            RewardGiven(reward_id="tier/gold/2026-07-01", source="tier/gold", coupons=("c-3",), payouts=("p-3",), at=NOON),
            RewardGiven(reward_id="milestone/a", source="milestone/a", coupons=("c-4",), at=NOON),
            RewardGiven(reward_id="milestone/b", source="milestone/b", coupons=("c-4",), at=NOON),
        ]
        member = here.member.folded(facts)
        assert reward_streams(member) == ("coupon/c-3", "payout/p-3", "coupon/c-4")
        gone = member.folded([RewardTakenBack(reward_id="milestone/a", coupons_kept=("c-4",), at=NOON)])
        assert reward_streams(gone) == ("coupon/c-3", "payout/p-3", "coupon/c-4")

    def test_a_view_after_postings(self) -> None:
        """What moved stands as it is afterwards; what did not is as it was."""
        first = Coupon.issued("c-1").grant("a", holder="m", ref="r", at=NOON)
        other = Coupon.issued("c-2").grant("a", holder="m", ref="s", at=NOON).state
        view = View(coupons=[Coupon.issued("c-1"), other])
        assert seen_after(view, ()) is view
        assert seen_after(view, (Membership.open("m").join(at=NOON), first)).coupons == (first.state, other)

    def test_a_backdated_command_gives_by_what_is_known(self) -> None:
        """It is dated before the last order, and reaches the tier with it."""
        here = shop(rule=GOLD)
        here.order("1", "60")
        here.at -= 30 * DAY
        here.order("2", "60")
        assert list(here.standing) == ["tier/gold/2026-07-01"]

    def test_overdraft_that_rejects_does_not_keep_a_gift(self) -> None:
        """The points of a gift that was spent are owed."""
        soon = TierBenefits(entry_gift=BonusPoints(500, expires=Term(Period(days=7))))
        here = shop(rule=attrs.evolve(GOLD, benefits={"gold": soon}), overdraft=Overdraft.REJECT)
        here.order("1", "120")
        here.order("2", "5", burn=500)
        here.back("1", "60")
        assert here.standing == {}
        assert here.member.balance(at=here.at).debt > 0


class TestLaws:
    @pytest.mark.law(46)
    @given(st.data(), st.lists(st.sampled_from([1, 60, 120, 300]), min_size=1, max_size=6))
    def test_all_orders_back_leave_nothing(self, data: st.DataObject, amounts: list[int]) -> None:
        """In any order, with points burned and coupons used in between: no gift, no points, no coupon, nothing owed."""
        choice = TestChoices.CHOICE
        here = shop(third(), balance(give=PayOut(euros("5"))), Milestone("first", when=OrderNumber(1), give=choice), rule=GOLD)
        names = [f"o-{number}" for number in range(len(amounts))]
        for name, euro in zip(names, amounts, strict=True):
            burn = data.draw(st.integers(0, min(40, here.points)))
            here.order(name, f"{euro}.00", burn=burn, coupons=here.usable[:1] if data.draw(st.booleans()) else ())
            for reward_id, held in here.member.rewards.items():
                if held.is_open(here.at) and data.draw(st.booleans()):
                    here.choose(reward_id, data.draw(st.sampled_from(held.options)))
            here.wait(data.draw(st.sampled_from([0, 1, 200])))
        for name in data.draw(st.permutations(names)):
            here.back(name)
        assert here.standing == {}
        assert here.usable == []
        assert here.member.balance(at=here.at).debt == 0
        assert sum(lot.remaining for lot in here.member.ledger.lots.values()) == 0
        assert PayoutStatus.DUE not in {payout.status for payout in here.payouts.values()}


def _returned(order_id: str) -> ReturnCounted:
    return ReturnCounted(order_id=order_id, return_id="r", qualifying_minor=100000, at=NOON)


class TestEntriesOfThePast:
    """What happened on earlier days is learnt of late: entries come and go, and each has one gift."""

    @staticmethod
    def gifts(shop: Loyalty) -> list[str]:
        """Name the gifts that stand."""
        return sorted(name for name, held in shop.membership("m").rewards.items() if not held.is_gone)

    @pytest.mark.parametrize("late", [False, True])
    def test_a_return_makes_an_earlier_entry(self, *, late: bool) -> None:
        """Without what came back the member fell and rose again: that rise has its gift, whatever the later one has."""
        rule = TierRule(
            Ladder.of({0: "bronze", 5000: "silver"}),
            window=Rolling(Period(months=3)),
            downgrade=Downgrade.REASSESS,
            benefits={"silver": TierBenefits(entry_gift=BonusPoints(7, expires=None))},
        )
        clock = Clock(NOON)
        shop = Loyalty(program(tier_rule=rule), MemoryRepository(), clock=clock)

        def buy(order_id: str, day: datetime) -> None:
            clock.at = day
            shop.place(shop.quote(Basket.of("EUR", {"bike": "50.00"}), member_id="m"), order_id=order_id)

        def back(day: datetime) -> None:
            clock.at = day
            shop.refund("x", lines={"bike": 1}, return_id="r")

        buy("a", datetime(2026, 1, 10, 10, tzinfo=UTC))
        buy("x", datetime(2026, 4, 5, 10, tzinfo=UTC))
        buy("b", datetime(2026, 5, 20, 10, tzinfo=UTC))
        if not late:
            back(datetime(2026, 11, 1, 10, tzinfo=UTC))
        buy("c", datetime(2026, 12, 1, 10, tzinfo=UTC))
        if late:
            back(datetime(2026, 12, 10, 10, tzinfo=UTC))
        assert self.gifts(shop) == [f"tier/silver/2026-{day}" for day in ("01-10", "05-20", "12-01")]

    @pytest.mark.parametrize("touched", [False, True])
    def test_a_gift_that_an_attached_order_brought(self, *, touched: bool) -> None:
        """It was given for a day of the past, and is no news to whatever comes next."""
        rule = TierRule(
            Ladder.of({0: "bronze", 5000: "silver"}),
            window=CalendarMonths(1),
            upgrade=Upgrade.NEXT_PERIOD,
            downgrade=Downgrade.REASSESS,
            benefits={"silver": TierBenefits(entry_gift=BonusPoints(7, expires=None))},
        )
        clock = Clock(datetime(2026, 8, 22, 10, tzinfo=UTC))
        shop = Loyalty(program(tier_rule=rule), MemoryRepository(), clock=clock)
        shop.place(shop.quote(Basket.of("EUR", {"bike": "60.00"})), order_id="g")
        clock.at = datetime(2026, 10, 1, 10, tzinfo=UTC)
        shop.attach("g", member_id="m")
        if touched:
            shop.earn(1, member_id="m", ref="hello", expires_at=None, actor="ann")
        clock.at = datetime(2026, 10, 7, 10, tzinfo=UTC)
        shop.grant_tier("silver", member_id="m", ref="t", until=None, reason="", by="ann")
        clock.at += timedelta(days=1)
        shop.place(shop.quote(Basket.of("EUR", {"bike": "10.00"}), member_id="m"), order_id="1")
        assert self.gifts(shop) == ["tier/silver/2026-09-01", "tier/silver/2026-10-07"]
