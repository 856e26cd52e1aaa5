"""What rewards cost against what members bring: said where it can be worked out, and only there."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore import Money
from loyaltycore._earning import Action, Basis, Caps, EarningRule, Multiplier
from loyaltycore._formula import Flat, Percent, Step
from loyaltycore._reward_warnings import REFERRAL_SHARE, RewardWarning, RewardWarningKind, friend_cost_minor, reward_warnings
from loyaltycore.basket import Filter
from loyaltycore.benefits import (
    AmountOff,
    Benefit,
    BonusPoints,
    Gift,
    NextCoupon,
    Per,
    PercentOff,
    PointsTimes,
    Several,
    ShippingAmountOff,
    Units,
)
from loyaltycore.conditions import first_order, spend_at_least
from loyaltycore.coupons import CouponCampaign
from loyaltycore.ladders import Ladder
from loyaltycore.offers import Offer
from loyaltycore.periods import Period
from loyaltycore.program import Program
from loyaltycore.quantities import Over, Rate, Rounding
from loyaltycore.referrals import After, ReferralProgram
from loyaltycore.rewards import (
    BalanceReaches,
    CatalogueReward,
    Choice,
    LifetimePoints,
    Milestone,
    OrderNumber,
    PayOut,
    RewardBenefit,
)
from loyaltycore.tiers import Metric, TierBenefits
from tests.rewards_shop import PLAIN, RewardShop, euros, program, tiers

RULE = PLAIN.earning[0]
CASH = PayOut(euros("5"))
FIVE_OFF = AmountOff(euros("5"), per=Per.BASKET)
KINDS = RewardWarningKind


def texts(rules: Program, *offers: Offer) -> list[str]:
    """Say what is odd."""
    return [warning.text for warning in reward_warnings(rules, (*rules.book.offers, *offers))]


def reward(give: RewardBenefit, price: int = 499, **tier_prices: int) -> CatalogueReward:
    """Give a reward."""
    return CatalogueReward("it", give=give, price=price, tier_prices=tier_prices)


def milestone(
    give: RewardBenefit | Choice, points: int = 499, *, when: type[BalanceReaches | LifetimePoints] = LifetimePoints
) -> Milestone:
    """Give a milestone."""
    return Milestone("it", when=when(points), give=give)


def without_actions(rules: Program, earning: Iterable[EarningRule] = PLAIN.earning) -> Program:
    """Give a program whose points are earned by orders alone."""
    return attrs.evolve(rules, actions={}, earning=earning)


class TestPrices:
    @pytest.mark.parametrize(
        "give",
        [
            CASH,
            FIVE_OFF,
            AmountOff(euros("5"), per=Per.SHARED),
            ShippingAmountOff(euros("5")),
            BonusPoints(500),
            Several([BonusPoints(200), AmountOff(euros("3"), per=Per.BASKET), Gift("mug")]),
            NextCoupon("five"),
        ],
    )
    def test_worth_more_than_its_points(self, give: RewardBenefit) -> None:
        """A point is a cent as a discount: five euros for 499 of them."""
        campaigns = [CouponCampaign("five", give=FIVE_OFF, codes=None)]
        expected = ["reward 'it' gives 5.00 EUR for 499 points, which are worth 4.99 EUR as a discount"]
        assert texts(program(rewards=[reward(give)], campaigns=campaigns)) == expected
        assert texts(program(rewards=[reward(give, price=500)], campaigns=campaigns)) == []

    @pytest.mark.parametrize(
        "give",
        [
            PercentOff("50"),
            Gift("mug"),
            AmountOff(euros("5"), per=Per.UNIT),
            AmountOff(euros("5"), per=Per.LINE),
            NextCoupon("again"),
        ],
    )
    def test_of_unknown_worth_nothing_is_said(self, give: Benefit) -> None:
        """Nor of a coupon that gives a coupon."""
        again = CouponCampaign("again", give=Several([FIVE_OFF, NextCoupon("again")]), codes=None)
        assert texts(program(rewards=[reward(give, price=1)], campaigns=[again])) == []

    def test_the_lowest_price_counts(self) -> None:
        """That some member pays: not one of a tier that cannot take it."""
        rule = tiers({0: "bronze", 1: "gold"})
        cheap = reward(CASH, price=600, gold=499)
        assert len(texts(program(rewards=[cheap], tier_rule=rule))) == 1
        assert texts(program(rewards=[attrs.evolve(cheap, tiers=["bronze"])], tier_rule=rule)) == []
        dear = reward(CASH, price=1, gold=500)
        assert texts(program(rewards=[attrs.evolve(dear, tiers=["gold"])], tier_rule=rule)) == []
        assert len(texts(program(rewards=[attrs.evolve(dear, tiers=["gold", "bronze"])], tier_rule=rule))) == 1
        assert len(texts(program(rewards=[dear], tier_rule=rule))) == 1

    def test_without_burning_a_point_has_no_worth(self) -> None:
        """Then nothing can be compared."""
        assert texts(attrs.evolve(program(rewards=[reward(CASH, price=1)]), burning=None)) == []

    @pytest.mark.parametrize("currency, amount, price", [("JPY", "500", 499), ("KWD", "0.500", 499)])
    def test_other_currencies(self, currency: str, amount: str, price: int) -> None:
        """A point is one minor unit in each."""
        rules = attrs.evolve(PLAIN, currency=currency, rewards=[reward(PayOut(Money.of(amount, currency)), price)])
        assert [warning.kind for warning in reward_warnings(rules, ())] == [KINDS.ABOVE_PRICE]


class TestReach:
    CAPPED = attrs.evolve(RULE, caps=Caps(balance=1000, over=Over.TRUNCATE))

    def test_a_price_beyond_every_cap(self) -> None:
        """Nobody can hold so many points."""
        rules = without_actions(program(rewards=[reward(CASH, 1001)]), [self.CAPPED])
        assert texts(rules) == ["reward 'it' costs 1001 points, and no rule gives to whoever holds 1000"]
        assert texts(without_actions(program(rewards=[reward(CASH, 1000)]), [self.CAPPED])) == []
        more = attrs.evolve(self.CAPPED, rule_id="more", caps=Caps(balance=1001, over=Over.TRUNCATE))
        assert texts(without_actions(program(rewards=[reward(CASH, 1001)]), [self.CAPPED, more])) == []

    def test_what_else_gives_points(self) -> None:
        """An action, an offer, a reward, a friend, a rule without a cap: then it cannot be said."""
        rules = without_actions(program(rewards=[reward(CASH, 1001)]), [self.CAPPED])
        open_rule = attrs.evolve(RULE, rule_id="open", caps=None)
        by_day = attrs.evolve(RULE, rule_id="day", caps=Caps(per_day=5, over=Over.TRUNCATE))
        status = attrs.evolve(RULE, rule_id="status", account="status")
        bonus = Offer("bonus", give=BonusPoints(5))
        assert texts(attrs.evolve(rules, actions=PLAIN.actions)) == []
        assert texts(attrs.evolve(rules, earning=[self.CAPPED, open_rule])) == []
        assert texts(attrs.evolve(rules, earning=[self.CAPPED, by_day])) == []
        assert texts(attrs.evolve(rules, earning=[])) == []
        assert texts(rules, bonus) == []
        assert texts(attrs.evolve(rules, milestones=[Milestone("m", when=OrderNumber(1), give=BonusPoints(5))])) == []
        assert texts(attrs.evolve(rules, referrals=friends(None, {1: BonusPoints(5)}))) == []
        assert len(texts(rules, Offer("times", give=PointsTimes("2")))) == 1
        assert len(texts(attrs.evolve(rules, earning=[self.CAPPED, status]))) == 1
        assert (
            len(texts(attrs.evolve(rules, actions={"like": Action(points=5, account="status", pending=None, expires=None)}))) == 1
        )


class TestSpend:
    @pytest.mark.parametrize(
        "gives, points, least",
        [
            (Step(1, per_minor=100), 5, 500),
            (Step(3, per_minor=100), 15, 500),
            (Step(3, per_minor=100), 13, 500),
            (Percent(Rate.percent("1"), worth_minor=Rate.times("1"), rounding=Rounding.DOWN), 5, 500),
        ],
    )
    def test_a_milestone_above_what_is_spent_for_it(self, gives: Step | Percent, points: int, least: int) -> None:
        """The least spend that earns the points, in cents."""
        rules = without_actions(program(), [attrs.evolve(RULE, gives=gives)])
        above, equal = PayOut(Money.minor(least + 1, "EUR")), PayOut(Money.minor(least, "EUR"))
        for when in (LifetimePoints, BalanceReaches):
            odd = attrs.evolve(rules, milestones=[milestone(above, points, when=when)])
            assert texts(odd) == ["milestone 'it' gives 5.01 EUR to whoever has spent 5.00 EUR"]
            assert texts(attrs.evolve(rules, milestones=[milestone(equal, points, when=when)])) == []

    def test_of_a_choice_the_dearest(self) -> None:
        """Somebody takes it."""
        choice = Choice({"little": PayOut(euros("1")), "much": PayOut(euros("900"))}, within=Period(days=1))
        rules = without_actions(program(milestones=[milestone(choice)]))
        assert texts(rules) == ["milestone 'it' gives 900.00 EUR to whoever has spent 499.00 EUR"]

    def test_where_it_cannot_be_said(self) -> None:
        """Several rules, another basis, rounding up, goods that count more, points from elsewhere, or no points at all."""
        rules = without_actions(program(milestones=[milestone(PayOut(euros("900")))]))
        up = Percent(Rate.percent("1"), worth_minor=Rate.times("1"), rounding=Rounding.UP)
        times = Multiplier(times=Rate.times("2"), only=Filter(categories=["bikes"]))
        assert len(texts(rules)) == 1
        for earning in (
            [RULE, attrs.evolve(RULE, rule_id="other")],
            [attrs.evolve(RULE, basis=Basis.LIST)],
            [attrs.evolve(RULE, gives=up)],
            [attrs.evolve(RULE, gives=Flat(5))],
            [attrs.evolve(RULE, multipliers=[times])],
            [attrs.evolve(RULE, account="status")],
            [],
        ):
            assert texts(attrs.evolve(rules, earning=earning)) == []
        assert texts(attrs.evolve(rules, actions=PLAIN.actions)) == []
        for give in (BonusPoints(5), PointsTimes("2")):
            assert texts(rules, Offer("more", give=give)) == []
        assert texts(attrs.evolve(rules, milestones=[Milestone("it", when=OrderNumber(1), give=CASH)])) == []

    def test_another_account_has_its_own_sources(self) -> None:
        """What gives to the main one does not matter."""
        mark = Milestone("it", when=LifetimePoints(5, "status"), give=PayOut(euros("900")))
        rules = attrs.evolve(program(milestones=[mark]), earning=[RULE, attrs.evolve(RULE, rule_id="status", account="status")])
        assert len(texts(rules, Offer("more", give=BonusPoints(5)))) == 1

    def test_a_balance_may_come_from_rewards(self) -> None:
        """What was ever earned does not."""
        gift = Milestone("gift", when=OrderNumber(1), give=BonusPoints(5))
        for when, count in ((BalanceReaches, 0), (LifetimePoints, 1)):
            rules = program(milestones=[milestone(PayOut(euros("900")), when=when), gift])
            assert len(texts(without_actions(rules))) == count

    def test_a_gift_above_what_its_tier_takes(self) -> None:
        """Of tiers by spend; one that takes nothing is a welcome."""
        rule = tiers(
            {0: "bronze", 499: "gold", 500: "vip"}, **{name: TierBenefits(entry_gift=CASH) for name in ("bronze", "gold", "vip")}
        )
        assert texts(program(tier_rule=rule)) == ["the entry gift of tier 'gold' gives 5.00 EUR to whoever has spent 4.99 EUR"]
        assert texts(program(tier_rule=attrs.evolve(rule, metric=Metric.ORDERS))) == []
        assert texts(program(tier_rule=tiers({1: "gold"}))) == []


def friends(
    friend: Benefit | None,
    advocate: dict[int, RewardBenefit],
    *,
    least: str | None = "40",
    at: dict[int, RewardBenefit] | None = None,
) -> ReferralProgram:
    """Give a referral program."""
    return ReferralProgram(
        "friends",
        codes="VELO-####-####",
        qualifies=first_order() if least is None else first_order() & spend_at_least(euros(least)),
        friend=friend,
        advocate=Ladder.of(advocate),
        after=After.AT_ONCE,
        advocate_at=None if at is None else Ladder.of(at),
    )


class TestFriends:
    def said(self, referrals: ReferralProgram) -> list[str]:
        """Say what is odd with it."""
        return texts(attrs.evolve(program(), referrals=referrals))

    def test_both_together_above_the_order(self) -> None:
        """The least one that counts."""
        assert self.said(friends(PercentOff("25"), {1: BonusPoints(3001)})) == [
            "referral program 'friends' gives 40.01 EUR to both for friend number 1, whose order may be of 40.00 EUR"
        ]
        assert self.said(friends(PercentOff("25"), {1: BonusPoints(3000)})) == []
        assert Fraction(1) == REFERRAL_SHARE

    def test_the_dearest_friend_is_named(self) -> None:
        """Of the ladder, or the one exactly at a number."""
        (said,) = self.said(friends(None, {1: CASH, 3: PayOut(euros("41"))}))
        assert "41.00 EUR to both for friend number 3" in said
        (said,) = self.said(friends(None, {1: CASH}, at={7: PayOut(euros("36"))}))
        assert "41.00 EUR to both for friend number 7" in said

    def test_what_a_friend_costs(self) -> None:
        """Both sides, by the number of the friend; of an unknown order a percentage is nothing."""
        rules = attrs.evolve(program(), referrals=friends(PercentOff("25"), {1: CASH, 3: BonusPoints(700)}, at={2: CASH}))
        assert [friend_cost_minor(rules, number) for number in (1, 2, 3)] == [1500, 2000, 1700]
        rules = attrs.evolve(program(), referrals=friends(PercentOff("25"), {1: CASH}, least=None))
        assert friend_cost_minor(rules, 1) == 500
        assert friend_cost_minor(attrs.evolve(program(), referrals=friends(None, {2: CASH})), 1) == 0
        assert friend_cost_minor(program(), 1) == 0

    def test_where_it_cannot_be_said(self) -> None:
        """An order of any amount; goods of some kinds only, or some units."""
        assert self.said(friends(None, {1: PayOut(euros("900"))}, least=None)) == []
        assert self.said(friends(PercentOff("90", of=Filter(categories=["bikes"])), {1: CASH})) == []
        assert self.said(friends(PercentOff("90", units=Units(at_most=1)), {1: CASH})) == []

    def test_the_least_order_alone(self) -> None:
        """Asked for by itself, and of several the highest."""
        alone = attrs.evolve(friends(None, {1: PayOut(euros("21"))}), qualifies=spend_at_least(euros("20")))
        assert len(self.said(alone)) == 1
        two = attrs.evolve(alone, qualifies=spend_at_least(euros("20")) & spend_at_least(euros("30")))
        assert self.said(two) == []


class TestAll:
    def test_by_kind_and_name(self) -> None:
        """All of them, each once."""
        rules = attrs.evolve(
            program(
                rewards=[reward(CASH, 1), attrs.evolve(reward(CASH, 1), reward_id="also")],
                milestones=[milestone(PayOut(euros("900")))],
                tier_rule=tiers({1: "gold"}, gold=TierBenefits(entry_gift=CASH)),
            ),
            actions={},
            referrals=friends(None, {1: PayOut(euros("900"))}),
        )
        found = reward_warnings(rules, ())
        assert [(warning.kind, warning.name) for warning in found] == [
            (KINDS.ABOVE_PRICE, "reward 'also'"),
            (KINDS.ABOVE_PRICE, "reward 'it'"),
            (KINDS.ABOVE_SPEND, "milestone 'it'"),
            (KINDS.ABOVE_SPEND, "the entry gift of tier 'gold'"),
            (KINDS.ABOVE_SHARE, "referral program 'friends'"),
        ]
        assert set(found) <= set(rules.warnings)

    def test_a_sentence(self) -> None:
        """The name, and why."""
        assert RewardWarning(kind=KINDS.ABOVE_PRICE, name="reward 'a'", because="gives").text == "reward 'a' gives"

    def test_a_program_without_rewards(self) -> None:
        """Has nothing to say."""
        assert texts(PLAIN) == []

    @given(st.integers(1, 1200), st.integers(1, 1200))
    def test_what_is_said_to_cost_more_does(self, price: int, cents: int) -> None:
        """Somebody who takes it has more money than points would have been worth."""
        here = RewardShop(program(rewards=[reward(PayOut(Money.minor(cents, "EUR")), price)]))
        here.keep(here.member.earn(1200, ref="welcome", expires_at=None, at=here.at))
        before = here.points
        here.take("it", "t-1")
        (payout,) = here.payouts.values()
        assert payout.amount is not None
        assert bool(texts(here.program)) is (payout.amount.minor_units > before - here.points)
