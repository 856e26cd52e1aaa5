"""Rewards as values: what they cost, what they wait for, and the campaigns that a program makes for them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from loyaltycore import Money, UsageError
from loyaltycore._earning import Times
from loyaltycore.benefits import BonusPoints, FreeShipping, Gift, NextCoupon, PercentOff, Several, SpendLadder
from loyaltycore.coupons import CouponCampaign
from loyaltycore.errors import CurrencyMismatchError
from loyaltycore.offers import FreedBy, Lane
from loyaltycore.periods import Period, Window
from loyaltycore.rewards import (
    CHOICES_LIMIT,
    REWARDS_LIMIT,
    BalanceReaches,
    CatalogueReward,
    Choice,
    LifetimePoints,
    Milestone,
    OrderNumber,
    PayOut,
    RewardBenefit,
    check_rewards,
    milestones_by_id,
    next_coupons,
    own_benefit,
    points_of,
    reward_campaign,
    reward_campaigns,
    rewards_by_id,
)
from loyaltycore.tiers import TierBenefits
from tests.rewards_shop import NOON, euros, program, tiers

TEN = PercentOff("10")
MUG = CatalogueReward("mug", give=Gift("mug"), price=500)
TENTH = Milestone("tenth", when=OrderNumber(10), give=TEN)
CASH = PayOut(euros("5"))
CHOICE = Choice({"ten": TEN, "points": BonusPoints(100)}, within=Period(days=30))
SORRY = CouponCampaign("sorry", give=TEN, codes=None)


class TestCatalogueReward:
    def test_a_price_for_a_tier(self) -> None:
        """Others pay the price; so does who stands below every tier."""
        reward = attrs.evolve(MUG, tier_prices={"gold": 400, "vip": 0})
        assert [reward.price_in(tier) for tier in ("gold", "vip", "silver", None)] == [400, 0, 500, 500]

    @pytest.mark.parametrize(
        "changes",
        [
            {"reward_id": "a mug"},
            {"price": -1},
            {"price": 1.5},
            {"give": "a mug"},
            {"tier_prices": {"gold": -1}},
            {"tier_prices": {"": 1}},
            {"tiers": "gold"},
            {"stock": -1},
            {"stock": "many"},
            {"per_member": "one"},
            {"window": NOON},
            {"valid_for": 30},
        ],
    )
    def test_what_is_wrong_is_refused(self, changes: dict[str, Any]) -> None:
        """At once, where it is written."""
        with pytest.raises(UsageError):
            attrs.evolve(attrs.evolve(MUG, give=TEN), **changes)

    @pytest.mark.parametrize("wrong", ["30 days", timedelta(0), timedelta(days=367)])
    def test_a_length_of_time_is_one(self, wrong: Any) -> None:  # noqa: ANN401  # a wrong value on purpose
        """Of what gives no coupon too: what it gives may change."""
        for plain in (MUG, TENTH):
            with pytest.raises(UsageError, match="valid_for must be"):
                attrs.evolve(plain, give=BonusPoints(5), valid_for=wrong)

    def test_a_name_leaves_room_for_the_campaign(self) -> None:
        """Of one that gives nothing in a basket too: what it gives may change."""
        with pytest.raises(UsageError, match="the name of the campaign of a reward"):
            CatalogueReward("m" * 60, give=CASH, price=1)
        assert CatalogueReward("m" * 57, give=TEN, price=1).campaign_id == "reward-" + "m" * 57

    def test_numbers_are_times(self) -> None:
        """A number is so many ever."""
        reward = attrs.evolve(MUG, stock=10, per_member=Times(per_year=1), window=Window(starts_at=NOON, ends_at=None))
        assert (reward.stock, reward.per_member) == (Times(lifetime=10), Times(per_year=1))
        assert (MUG.stock, MUG.per_member) == (Times(), Times())
        assert attrs.evolve(MUG, stock=None) == MUG

    def test_its_names(self) -> None:
        """The source of what it gives, and its campaign."""
        assert (MUG.source, MUG.campaign_id) == ("catalogue/mug", "reward-mug")


class TestMilestone:
    @pytest.mark.parametrize(
        "changes",
        [{"milestone_id": "a b"}, {"when": 10}, {"give": 10}, {"valid_for": timedelta(0)}, {"give": {"a": TEN}}],
    )
    def test_what_is_wrong_is_refused(self, changes: dict[str, Any]) -> None:
        """At once, where it is written."""
        with pytest.raises(UsageError):
            attrs.evolve(TENTH, **changes)

    def test_a_mark_says_what_it_may_be(self) -> None:
        """In the message."""
        with pytest.raises(UsageError, match="when must be BalanceReaches, LifetimePoints or OrderNumber"):
            attrs.evolve(TENTH, when="tenth")  # type: ignore[arg-type]

    @pytest.mark.parametrize("kind", [BalanceReaches, LifetimePoints, OrderNumber])
    @pytest.mark.parametrize("number", [0, -1, 1.5, True])
    def test_a_mark_is_a_number_above_nothing(self, kind: type[OrderNumber], number: int) -> None:
        """Zero is passed by everybody."""
        with pytest.raises(UsageError):
            kind(number)

    def test_an_account_is_a_name(self) -> None:
        """Of the program."""
        with pytest.raises(UsageError, match="account"):
            LifetimePoints(10, account="my points")

    def test_its_names(self) -> None:
        """Each option has a campaign of its own."""
        assert (TENTH.source, TENTH.campaign_id(), TENTH.campaign_id("ten")) == (
            "milestone/tenth",
            "milestone-tenth",
            "milestone-tenth:ten",
        )
        assert TENTH.gives == (("", TEN),)
        assert dict(attrs.evolve(TENTH, give=CHOICE).gives) == dict(CHOICE.options)


class TestChoice:
    @pytest.mark.parametrize(
        "options",
        [{}, {"ten": TEN}, {"ten": TEN, "a b": TEN}, {"ten": TEN, "two": 2}, {str(n): TEN for n in range(CHOICES_LIMIT + 1)}],
    )
    def test_options_are_two_to_twenty(self, options: object) -> None:
        """Each with a name, each a reward."""
        with pytest.raises(UsageError):
            Choice(options, within=Period(days=1))  # type: ignore[arg-type]

    def test_as_many_as_allowed(self) -> None:
        """The bounds themselves."""
        for count in (2, CHOICES_LIMIT):
            assert len(Choice({str(n): TEN for n in range(count)}, within=Period(days=1)).options) == count

    def test_its_time_is_a_period(self) -> None:
        """Of local days."""
        with pytest.raises(UsageError, match="within"):
            Choice({"a": TEN, "b": TEN}, within=timedelta(days=1))  # type: ignore[arg-type]


class TestById:
    def test_several_are_taken_in_any_order(self) -> None:
        """Given again by their ids they are the same."""
        two = attrs.evolve(MUG, reward_id="bell")
        assert rewards_by_id(rewards_by_id([MUG, two])) == {"mug": MUG, "bell": two}
        other = attrs.evolve(TENTH, milestone_id="other")
        assert milestones_by_id(milestones_by_id([TENTH, other])) == {"tenth": TENTH, "other": other}

    def test_names_are_their_own(self) -> None:
        """Two of one name are a mistake."""
        with pytest.raises(UsageError, match="rewards must have names of their own, got 'mug' twice"):
            rewards_by_id([MUG, MUG])
        with pytest.raises(UsageError, match="milestones must have names of their own, got 'tenth' twice"):
            milestones_by_id([TENTH, TENTH])

    def test_there_is_a_limit(self) -> None:
        """More is a mistake in a file."""
        with pytest.raises(UsageError, match="rewards"):
            rewards_by_id([MUG] * (REWARDS_LIMIT + 1))
        with pytest.raises(UsageError, match="milestones"):
            milestones_by_id([TENTH] * (REWARDS_LIMIT + 1))


class TestParts:
    @pytest.mark.parametrize(
        "give, own, points, coupons",
        [
            (TEN, TEN, None, ()),
            (CASH, None, None, ()),
            (BonusPoints(5), None, BonusPoints(5), ()),
            (NextCoupon("sorry"), None, None, ("sorry",)),
            (Several([BonusPoints(5), NextCoupon("a"), NextCoupon("b")]), None, BonusPoints(5), ("a", "b")),
            (Several([TEN, BonusPoints(5)]), TEN, BonusPoints(5), ()),
            (Several([TEN, NextCoupon("a"), FreeShipping()]), Several([TEN, FreeShipping()]), None, ("a",)),
            (SpendLadder({euros("1"): TEN}), SpendLadder({euros("1"): TEN}), None, ()),
        ],
    )
    def test_what_a_reward_is_made_of(self, give: RewardBenefit, own: object, points: object, coupons: object) -> None:
        """Points, coupons of the shop's campaigns, and what needs a campaign of its own."""
        assert (own_benefit(give), points_of(give), next_coupons(give)) == (own, points, coupons)


class TestCampaigns:
    def test_a_campaign_of_a_reward(self) -> None:
        """Without codes, chosen by the member, and the member's again where the order comes back."""
        campaign = reward_campaign("tier-gold", FreeShipping(), Period(days=30))
        assert campaign is not None
        assert (campaign.campaign_id, campaign.codes, campaign.automatic) == ("tier-gold", None, False)
        assert (campaign.give, campaign.valid_for, campaign.lane) == (FreeShipping(), Period(days=30), Lane.SHIPPING)
        assert campaign.limits.freed_by is FreedBy.RETURNED
        assert campaign.limits.are_open

    @pytest.mark.parametrize("give", [CASH, BonusPoints(5), NextCoupon("sorry")])
    def test_what_needs_none(self, give: RewardBenefit) -> None:
        """Nothing of it applies to a basket; the name is checked all the same."""
        assert reward_campaign("tier-gold", give) is None
        with pytest.raises(UsageError, match="the name of the campaign of a reward"):
            reward_campaign("tier gold", give)
        with pytest.raises(UsageError, match="a benefit must be"):
            reward_campaign("tier-gold", "ten")  # type: ignore[arg-type]

    def test_of_all_rewards_by_id(self) -> None:
        """Options, entry gifts and the referral program's among them."""

        class Friends:
            campaigns = (CouponCampaign("friends-friend", give=TEN, codes=None),)
            gives: tuple[RewardBenefit, ...] = ()
            moneys: tuple[Money, ...] = ()

        rule = tiers(
            {0: "bronze", 10000: "gold"}, gold=TierBenefits(entry_gift=TEN, valid_for=Period(days=9)), bronze=TierBenefits()
        )
        found = reward_campaigns(
            [MUG, attrs.evolve(MUG, reward_id="cash", give=CASH)],
            [TENTH, Milestone("first", when=OrderNumber(1), give=CHOICE, valid_for=Period(days=7))],
            rule,
            Friends(),
        )
        assert [campaign.campaign_id for campaign in found] == [
            "friends-friend",
            "milestone-first:ten",
            "milestone-tenth",
            "reward-mug",
            "tier-gold",
        ]
        assert [campaign.valid_for for campaign in found] == [None, Period(days=7), None, None, Period(days=9)]
        assert reward_campaigns() == ()

    def test_two_of_one_name_say_which(self) -> None:
        """An option and a milestone of that name, a friend's and the shop's."""
        first, second = Milestone("a", when=OrderNumber(1), give=CHOICE), Milestone("a:ten", when=OrderNumber(1), give=TEN)
        with pytest.raises(UsageError, match=r"milestone 'a' and milestone 'a:ten' must have other names.*'milestone-a:ten'"):
            reward_campaigns(milestones=[first, second])

        class Friends:
            campaigns = (CouponCampaign("reward-mug", give=TEN, codes=None),)
            gives: tuple[RewardBenefit, ...] = ()
            moneys: tuple[Money, ...] = ()

        with pytest.raises(UsageError, match="reward 'mug' and the referral program must have other names"):
            reward_campaigns([MUG], referrals=Friends())

    def test_the_shops_own_keep_their_names(self) -> None:
        """One that is the very same is no other."""
        own = {"reward-mug": CouponCampaign("reward-mug", give=TEN, codes=None)}
        with pytest.raises(UsageError, match=r"campaign 'reward-mug' must have another name: .* for reward 'mug'"):
            reward_campaigns([MUG], campaigns=own)
        made = reward_campaigns([MUG])
        assert reward_campaigns([MUG], campaigns={one.campaign_id: one for one in made}) == made


class TestCheckRewards:
    def check(self, *rewards: CatalogueReward, milestones: tuple[Milestone, ...] = (), **campaigns: CouponCampaign) -> None:
        """Check rewards of a program with one tier."""
        check_rewards(
            rewards_by_id(rewards),
            milestones_by_id(milestones),
            tiers({1: "gold"}),
            campaigns=campaigns,
            currency="EUR",
        )

    def test_tiers_are_the_programs(self) -> None:
        """Those that may take it, and those that have a price."""
        self.check(attrs.evolve(MUG, tiers=["gold"], tier_prices={"gold": 1}))
        for changes in ({"tiers": ["gold", "vip"]}, {"tier_prices": {"vip": 1}}):
            with pytest.raises(UsageError, match=r"reward 'mug' must name tiers of the program \(gold\), got 'vip'"):
                self.check(attrs.evolve(MUG, **changes))
        with pytest.raises(UsageError, match=r"of the program \(none\), got 'gold'"):
            check_rewards({"mug": attrs.evolve(MUG, tiers=["gold"])}, {}, None, campaigns={}, currency="EUR")

    def test_coupons_are_of_campaigns_without_codes(self) -> None:
        """The program gives them itself."""
        reward = attrs.evolve(MUG, give=NextCoupon("sorry"))
        self.check(reward, sorry=SORRY)
        with pytest.raises(
            UsageError, match="reward 'mug' must give coupons of a campaign without codes, got 'sorry': there is none"
        ):
            self.check(reward)
        with pytest.raises(UsageError, match="got 'sorry': it has codes"):
            self.check(reward, sorry=attrs.evolve(SORRY, codes="human"))

    def test_money_is_the_programs(self) -> None:
        """A payout in another currency is a mistake."""
        self.check(attrs.evolve(MUG, give=CASH))
        with pytest.raises(CurrencyMismatchError):
            self.check(milestones=(attrs.evolve(TENTH, give=PayOut(Money.of("5", "USD"))),))

    def test_a_program_checks_its_own(self) -> None:
        """When it is made; its campaigns stand among those of the shop."""
        assert set(program(rewards=[attrs.evolve(MUG, give=TEN)], campaigns=[SORRY]).campaigns) == {"reward-mug", "sorry"}
        with pytest.raises(UsageError, match="there is none"):
            program(rewards=[attrs.evolve(MUG, give=NextCoupon("sorry"))])
