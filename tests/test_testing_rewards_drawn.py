"""Strategies of referrals, payouts, and of members who are given rewards and bring friends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from loyaltycore import Membership, Money, Order, Program
from loyaltycore.benefits import AmountOff, BonusPoints, Per
from loyaltycore.conditions import spend_at_least
from loyaltycore.ladders import Ladder
from loyaltycore.periods import Period
from loyaltycore.points import POINTS
from loyaltycore.referrals import After, Referral, ReferralProgram, ReferralStatus
from loyaltycore.rewards import (
    BalanceReaches,
    CatalogueReward,
    Choice,
    Milestone,
    OrderNumber,
    PayOut,
    Payout,
    PayoutStatus,
)
from loyaltycore.testing._histories import ShopHistory
from loyaltycore.testing._rewards_drawn import STEPS, Beside, reward_step
from loyaltycore.testing.strategies import memberships, payouts, referrals, shop_histories
from loyaltycore.tiers import Downgrade, TierBenefits, TierRule
from tests.programs import NOW, velo

PRICE = AmountOff(Money.of("5.00", "EUR"), per=Per.BASKET)
REWARDING: Program = attrs.evolve(
    velo(),
    tiers=TierRule(
        Ladder.of({0: "bronze", 5_000: "silver"}),
        window=Period(months=12),
        downgrade=Downgrade.ONE_STEP,
        benefits={"silver": TierBenefits(entry_gift=BonusPoints(50, expires=None))},
    ),
    rewards=(
        CatalogueReward("mug", give=PRICE, price=100),
        CatalogueReward("cash", give=PayOut(Money.of("1.00", "EUR")), price=50),
    ),
    milestones=(
        Milestone("first", when=OrderNumber(1), give=BonusPoints(10, expires=None)),
        Milestone(
            "rich",
            when=BalanceReaches(500),
            give=Choice({"bell": PRICE, "more": BonusPoints(30, expires=None)}, within=Period(days=30)),
        ),
    ),
    referrals=ReferralProgram(
        "friends",
        codes="VELO-####-####",
        qualifies=spend_at_least(Money.of("1.00", "EUR")),
        after=After.AT_ONCE,
        friend=PRICE,
        advocate=Ladder.of({1: PayOut(Money.of("2.00", "EUR")), 2: BonusPoints(20, expires=None)}),
        limit_in_all=3,
    ),
)
DRAWN = settings(max_examples=3_000, derandomize=True, database=None, phases=[Phase.generate])
PLAINEST = settings(max_examples=3_000, derandomize=True, database=None)
MEMBERS = memberships(REWARDING, steps_limit=9)


class TestReached:
    @pytest.mark.parametrize("status", [one for one in ReferralStatus if one is not ReferralStatus.NONE])
    def test_referrals_of_every_state(self, status: ReferralStatus) -> None:
        """None is missed."""
        assert find(referrals(), lambda referral: referral.status is status, settings=DRAWN).friend_id == "m-77"

    @pytest.mark.parametrize("status", [one for one in PayoutStatus if one is not PayoutStatus.NONE])
    def test_payouts_of_every_state(self, status: PayoutStatus) -> None:
        """None is missed."""
        assert find(payouts(), lambda payout: payout.status is status, settings=DRAWN).member_id == "m-42"

    def test_arguments_bound_the_values(self) -> None:
        """Who brought somebody, and how much is paid."""
        brought = referrals(advocates=["ada"]).filter(lambda referral: referral.advocate_id is not None)
        assert find(brought, lambda _: True, settings=PLAINEST).advocate_id == "ada"
        much = payouts("JPY", max_amount_minor=3)
        assert find(much, lambda payout: payout.amount == Money.minor(3, "JPY"), settings=PLAINEST).version == 1

    @pytest.mark.parametrize(
        "strategy,condition",
        [
            (MEMBERS, lambda member: any(grant.until is not None for grant in member.tier_grants.values())),
            (MEMBERS, lambda member: any(held.price_points and not held.is_gone for held in member.rewards.values())),
            (MEMBERS, lambda member: any(held.price_points and held.is_gone for held in member.rewards.values())),
            (MEMBERS, lambda member: any(held.options for held in member.rewards.values())),
            (MEMBERS, lambda member: any(held.option for held in member.rewards.values())),
            (MEMBERS, lambda member: any(held.payouts for held in member.rewards.values())),
            (MEMBERS, lambda member: any(held.coupons for held in member.rewards.values())),
            (MEMBERS, lambda member: any(name.startswith("tier/silver") for name in member.rewards)),
            (MEMBERS, lambda member: any(held.is_gone and "tier" in held.source for held in member.rewards.values())),
            (MEMBERS, lambda member: len(member.friends) > 1),
            (MEMBERS, lambda member: any(held.is_gone and "referral" in held.source for held in member.rewards.values())),
            (
                shop_histories(REWARDING, steps_limit=9),
                lambda lived: any(one.status is PayoutStatus.REVERSED for one in lived.beside.payouts.values()),
            ),
            (
                shop_histories(REWARDING, steps_limit=9),
                lambda lived: any(one.status is ReferralStatus.REVERSED for one in lived.beside.referrals.values()),
            ),
        ],
    )  # fmt: skip
    def test_members_with_everything(self, strategy: SearchStrategy[Any], condition: Callable[[Any], bool]) -> None:
        """Tiers granted, rewards taken, chosen and given back, gifts, friends who came and went."""
        assert find(strategy, condition, settings=DRAWN) is not None


class TestSound:
    @settings(max_examples=60)
    @given(shop_histories(REWARDING, steps_limit=9))
    def test_what_is_drawn_hangs_together(self, lived: ShopHistory) -> None:
        """Every coupon and payout of a reward stands beside the member, and orders are the member's."""
        for held in lived.membership.rewards.values():
            assert set(held.coupons) <= lived.beside.coupons.keys()
            assert set(held.payouts) <= lived.beside.payouts.keys()
        assert set(lived.membership.friends) <= lived.beside.referrals.keys()
        assert [order.order_id for order in lived.orders] == list(lived.membership.orders)
        assert {coupon.coupon_id for coupon in lived.beside.view.coupons} == set(lived.beside.coupons)

    @settings(max_examples=60)
    @given(memberships(REWARDING, steps_limit=9), st.sampled_from((POINTS, "status")))
    def test_members_are_written_and_read(self, member: Membership, account: str) -> None:
        """Through the column of a shop's own table."""
        assert Membership.from_dict(member.to_dict()) == member
        assert member.ledger_of(account).books(at=NOW + timedelta(days=900)).balanced

    @pytest.mark.parametrize("kind", STEPS)
    def test_nothing_happens_where_a_program_has_none_of_it(self, kind: str) -> None:
        """A program without tiers, rewards and friends, and a member without any."""
        bare = attrs.evolve(velo(), tiers=None)
        posting, beside = reward_step(bare, Membership.open("m-42"), Beside(), kind, number=1, ref="1", at=NOW)
        assert (posting.facts, tuple(beside)) == ((), ())

    @given(st.from_type(Referral), st.from_type(Payout), st.from_type(Order))
    def test_types_are_registered(self, referral: Referral, payout: Payout, order: Order) -> None:
        """By the type alone."""
        assert Referral.from_dict(referral.to_dict()) == referral
        assert Payout.from_dict(payout.to_dict()) == payout
        assert order.version
