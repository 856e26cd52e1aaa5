"""Rewards: what a member is given beside purchases, for points, for a milestone, for a tier, for a friend.

A reward is a benefit that the shop knows already. Points become a lot of the main account, a ``NextCoupon`` a coupon of that
campaign, a ``PayOut`` money that the shop pays outside. Of any other benefit the program makes a campaign of its own, whose
coupon the member holds and chooses for an order.

Invariants:
    1. A reward has a campaign of its own exactly where part of it applies to a basket.
    2. A milestone is given once. Points that rewards give count for no milestone but that of a balance.

>>> from loyaltycore.benefits import Gift, PercentOff
>>> tenth = Milestone("tenth-order", when=OrderNumber(10), give=PercentOff("20"), valid_for=Period(months=3))
>>> [campaign.campaign_id for campaign in reward_campaigns(milestones=[tenth])]
['milestone-tenth-order']
>>> mug = CatalogueReward("mug", give=Gift("mug"), price=500, tier_prices={"gold": 400}, per_member=Times(per_year=1))
>>> mug.price_in("gold"), mug.price_in(None)
(400, 500)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Protocol, TypeAlias, final

import attrs

from loyaltycore._campaign import CouponCampaign, Validity, check_validity
from loyaltycore._checks import check_count, check_kind, check_mapping, check_several, check_whole, shown
from loyaltycore._frozen import FrozenMap
from loyaltycore._offer_kinds import FreedBy, Limits, Times
from loyaltycore._payouts import (
    PayOut,
    Payout,
    PayoutAs,
    PayoutDue,
    PayoutPaid,
    PayoutReversed,
    PayoutStatus,
    RewardBenefit,
    check_reward_benefit,
)
from loyaltycore.benefits import Benefit, BonusPoints, NextCoupon, Several
from loyaltycore.errors import CurrencyMismatchError, UsageError
from loyaltycore.identity import check_slug, labels
from loyaltycore.periods import Period, Window
from loyaltycore.points import POINTS
from loyaltycore.quantities import Money
from loyaltycore.tiers import TierRule

__all__ = [
    "CHOICES_LIMIT",
    "REWARDS_LIMIT",
    "BalanceReaches",
    "CatalogueReward",
    "Choice",
    "Crossing",
    "LifetimePoints",
    "Milestone",
    "OrderNumber",
    "PayOut",
    "Payout",
    "PayoutAs",
    "PayoutDue",
    "PayoutPaid",
    "PayoutReversed",
    "PayoutStatus",
    "RewardBenefit",
]

REWARDS_LIMIT: Final = 1_000
"""Rewards in one catalogue, and milestones of one program."""

CHOICES_LIMIT: Final = 20
"""Rewards to choose from: more is a catalogue."""

_COUPON_LIMITS: Final = Limits(freed_by=FreedBy.RETURNED)
"""A coupon that was a reward is the member's again where all of the order that used it comes back."""

_ANY_TIMES: Final = Times()


def _times(times: Times | int | None) -> Times:
    if times is None:
        return _ANY_TIMES
    return Times(lifetime=times) if isinstance(times, int) else times


def _prices(prices: Mapping[str, int]) -> FrozenMap[str, int]:
    found = check_mapping("tier_prices", prices)
    for tier, price in found.items():
        check_slug("tier", tier)
        check_whole(f"price of tier {tier!r}", price, low=0)
    return FrozenMap(found)


@final
@attrs.frozen
class CatalogueReward:
    """A benefit for a price in points.

    Attributes:
        reward_id: The program's name for it.
        give: What it gives.
        price: Points of the main account, 0 or more.
        tier_prices: Another price for members of a tier.
        tiers: Members of one of these tiers alone; empty for every member.
        stock: How many there are, for all: so many ever, or ``Times`` in spans of local time; ``None`` no limit.
        per_member: How many one member can take, likewise.
        window: When it can be taken; ``None`` always.
        valid_for: How long a coupon that it gives can be redeemed; ``None`` for ever. A coupon of a ``NextCoupon`` is as its
            campaign says.
    """

    reward_id: str
    give: RewardBenefit = attrs.field(kw_only=True)
    price: int = attrs.field(kw_only=True)
    tier_prices: FrozenMap[str, int] = attrs.field(default=FrozenMap[str, int](), converter=_prices, kw_only=True)
    tiers: frozenset[str] = attrs.field(default=frozenset(), converter=labels, kw_only=True)
    stock: Times = attrs.field(default=_ANY_TIMES, converter=_times, kw_only=True)
    per_member: Times = attrs.field(default=_ANY_TIMES, converter=_times, kw_only=True)
    window: Window | None = attrs.field(default=None, kw_only=True)
    valid_for: Validity | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the name, the price and what it gives."""
        check_slug("reward_id", self.reward_id)
        check_reward_benefit(self.give)
        check_whole("price", self.price, low=0)
        check_kind("stock", self.stock, Times)
        check_kind("per_member", self.per_member, Times)
        if self.window is not None:
            check_kind("window", self.window, Window)
        check_validity("valid_for", self.valid_for)
        reward_campaign(self.campaign_id, self.give, self.valid_for)  # so that what is wrong with it is said at once

    @property
    def source(self) -> str:
        """What its rewards are said to come from: ``catalogue/<id>``."""
        return f"catalogue/{self.reward_id}"

    @property
    def campaign_id(self) -> str:
        """The name of the campaign that the program makes for it, where it needs one."""
        return f"reward-{self.reward_id}"

    def price_in(self, tier: str | None) -> int:
        """Give the price for a member of a tier.

        Args:
            tier: The tier; ``None`` below the first.
        """
        return self.price if tier is None else self.tier_prices.get(tier, self.price)


@final
@attrs.frozen
class BalanceReaches:
    """The points that the member can burn have become so many.

    Attributes:
        points: At least 1, on the main account.
    """

    points: int

    def __attrs_post_init__(self) -> None:
        """Check the number."""
        check_count("points", self.points)


@final
@attrs.frozen
class LifetimePoints:
    """The points ever earned, less those taken back, have become so many; those of rewards do not count.

    Attributes:
        points: At least 1.
        account: Of which account.
    """

    points: int
    account: str = POINTS

    def __attrs_post_init__(self) -> None:
        """Check the number and the name."""
        check_count("points", self.points)
        check_slug("account", self.account)


@final
@attrs.frozen
class OrderNumber:
    """So many orders count: those that came back whole do not.

    Attributes:
        number: At least 1.
    """

    number: int

    def __attrs_post_init__(self) -> None:
        """Check the number."""
        check_count("number", self.number)


Crossing: TypeAlias = BalanceReaches | LifetimePoints | OrderNumber
"""What a milestone waits for."""


def _options(options: Mapping[str, RewardBenefit]) -> FrozenMap[str, RewardBenefit]:
    found = check_mapping("options", options, limit=CHOICES_LIMIT)
    for name, benefit in found.items():
        check_slug("option", name)
        check_reward_benefit(benefit)
    if len(found) < 2:  # noqa: PLR2004 - of one there is no choice
        msg = f"options must be 2 to {CHOICES_LIMIT} rewards by name, got {shown(options)}"
        raise UsageError(msg)
    return FrozenMap(found)


@final
@attrs.frozen
class Choice:
    """One of several rewards, as the member chooses.

    Attributes:
        options: What may be chosen, by name.
        within: How long, in local days from when it is offered.
    """

    options: FrozenMap[str, RewardBenefit] = attrs.field(converter=_options)
    within: Period = attrs.field(kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the time."""
        check_kind("within", self.within, Period)


@final
@attrs.frozen
class Milestone:
    """A benefit for a mark that a member passes, once.

    Attributes:
        milestone_id: The program's name for it.
        when: Which mark.
        give: What it gives, or what may be chosen.
        valid_for: How long a coupon that it gives can be redeemed; ``None`` for ever. A coupon of a ``NextCoupon`` is as its
            campaign says.
    """

    milestone_id: str
    when: Crossing = attrs.field(kw_only=True)
    give: RewardBenefit | Choice = attrs.field(kw_only=True)
    valid_for: Validity | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the name, the mark and what it gives."""
        check_slug("milestone_id", self.milestone_id)
        when: object = self.when
        if not isinstance(when, Crossing):
            msg = f"when must be BalanceReaches, LifetimePoints or OrderNumber, got {shown(when)}"
            raise UsageError(msg)
        check_validity("valid_for", self.valid_for)
        for option, give in self.gives:
            check_reward_benefit(give)
            reward_campaign(self.campaign_id(option), give, self.valid_for)

    @property
    def source(self) -> str:
        """What its reward is said to come from: ``milestone/<id>``."""
        return f"milestone/{self.milestone_id}"

    @property
    def gives(self) -> tuple[tuple[str, RewardBenefit], ...]:
        """What it may come to, by the option; the option is empty where there is no choice."""
        return tuple(self.give.options.items()) if isinstance(self.give, Choice) else (("", self.give),)

    def campaign_id(self, option: str = "") -> str:
        """Give the name of the campaign that the program makes for it, where it needs one.

        Args:
            option: What was chosen, where there is a choice.
        """
        name = f"milestone-{self.milestone_id}"
        return f"{name}:{option}" if option else name


def rewards_by_id(rewards: Iterable[CatalogueReward] | Mapping[str, CatalogueReward]) -> FrozenMap[str, CatalogueReward]:
    """Take the rewards of a catalogue, in any order or by their ids.

    Raises:
        UsageError: Two of one name, or too many.
    """
    given = rewards.values() if isinstance(rewards, Mapping) else rewards
    several = check_several("rewards", given, CatalogueReward, limit=REWARDS_LIMIT)
    _check_own("rewards", [reward.reward_id for reward in several])
    return FrozenMap({reward.reward_id: reward for reward in several})


def milestones_by_id(milestones: Iterable[Milestone] | Mapping[str, Milestone]) -> FrozenMap[str, Milestone]:
    """Take the milestones of a program, in any order or by their ids.

    Raises:
        UsageError: Two of one name, or too many.
    """
    given = milestones.values() if isinstance(milestones, Mapping) else milestones
    several = check_several("milestones", given, Milestone, limit=REWARDS_LIMIT)
    _check_own("milestones", [milestone.milestone_id for milestone in several])
    return FrozenMap({milestone.milestone_id: milestone for milestone in several})


def _check_own(what: str, names: Iterable[str]) -> None:
    doubled = sorted(name for name, count in Counter(names).items() if count > 1)
    if doubled:
        msg = f"{what} must have names of their own, got {doubled[0]!r} twice"
        raise UsageError(msg)


# ---- the campaigns that a program makes itself ----


def reward_campaign(source_id: str, benefit: RewardBenefit, valid_for: Validity | None = None) -> CouponCampaign | None:
    """Make the campaign of a reward: its coupons are for what of it applies to a basket.

    Args:
        source_id: Its name.
        benefit: What the reward gives.
        valid_for: How long a coupon can be redeemed; ``None`` for ever.

    Returns:
        A campaign without codes; ``None`` where nothing of the reward applies to a basket: points, other campaigns' coupons and
        payouts need none.

    Example:
        >>> from loyaltycore.benefits import PercentOff
        >>> reward_campaign("tier-gold", PercentOff("10")).codes is None, reward_campaign("tier-gold", NextCoupon("sorry"))
        (True, None)
    """
    own = own_benefit(check_reward_benefit(benefit))
    campaign_id = check_slug("the name of the campaign of a reward", source_id)
    if own is None:
        return None
    return CouponCampaign(campaign_id, give=own, codes=None, valid_for=valid_for, limits=_COUPON_LIMITS)


def own_benefit(benefit: RewardBenefit) -> Benefit | None:
    """Give what of a reward applies to a basket; ``None`` where nothing does."""
    match benefit:
        case PayOut() | BonusPoints() | NextCoupon():
            return None
        case Several():
            parts = [one for one in benefit.benefits if not isinstance(one, BonusPoints | NextCoupon)]
            return None if not parts else parts[0] if len(parts) == 1 else Several(parts)
        case _:
            return benefit


def points_of(benefit: RewardBenefit) -> BonusPoints | None:
    """Give what of a reward is points; there is one such part at most."""
    return next((one for one in _parts(benefit) if isinstance(one, BonusPoints)), None)


def next_coupons(benefit: RewardBenefit) -> tuple[str, ...]:
    """Name the shop's own campaigns of which a reward gives a coupon, in its order."""
    return tuple(one.coupon_id for one in _parts(benefit) if isinstance(one, NextCoupon))


def campaigns_needed(give: RewardBenefit, campaign_id: str) -> tuple[str, ...]:
    """Name the campaigns of which a reward gives a coupon.

    Args:
        give: What it gives.
        campaign_id: The one that the program made for it, where it needs one.
    """
    return (*next_coupons(give), *(() if own_benefit(give) is None else (campaign_id,)))


def _parts(benefit: RewardBenefit) -> tuple[object, ...]:
    return benefit.benefits if isinstance(benefit, Several) else (benefit,)


class Referring(Protocol):
    """What is asked of a referral program."""

    @property
    def campaigns(self) -> tuple[CouponCampaign, ...]:
        """The campaigns that it makes."""
        ...

    @property
    def gives(self) -> tuple[RewardBenefit, ...]:
        """What it gives an advocate."""
        ...

    @property
    def moneys(self) -> tuple[Money, ...]:
        """Amounts that its conditions name."""
        ...


@final
@attrs.frozen
class RewardPart:
    """Something that a program gives beside purchases.

    Attributes:
        name: What it is, in a sentence.
        campaign_id: The name of its campaign, where it needs one.
        give: What it gives.
        valid_for: How long a coupon of it can be redeemed.
    """

    name: str
    campaign_id: str
    give: RewardBenefit
    valid_for: Validity | None


def parts_of(
    rewards: Mapping[str, CatalogueReward], milestones: Mapping[str, Milestone], tiers: TierRule | None
) -> Iterator[RewardPart]:
    """List what a program gives for points, for milestones and for tiers, each with the name of its campaign."""
    for reward in rewards.values():
        yield RewardPart(f"reward {reward.reward_id!r}", reward.campaign_id, reward.give, reward.valid_for)
    for milestone in milestones.values():
        for option, give in milestone.gives:
            yield RewardPart(f"milestone {milestone.milestone_id!r}", milestone.campaign_id(option), give, milestone.valid_for)
    for tier, benefits in {} if tiers is None else tiers.benefits.items():
        if benefits.entry_gift is not None:
            yield RewardPart(f"the entry gift of tier {tier!r}", gift_campaign_id(tier), benefits.entry_gift, benefits.valid_for)


def gift_campaign_id(tier: str) -> str:
    """Name the campaign of the gift for entering a tier, where it needs one."""
    return f"tier-{tier}"


def reward_campaigns(
    rewards: Iterable[CatalogueReward] | Mapping[str, CatalogueReward] = (),
    milestones: Iterable[Milestone] | Mapping[str, Milestone] = (),
    tiers: TierRule | None = None,
    referrals: Referring | None = None,
    *,
    campaigns: Mapping[str, CouponCampaign] = FrozenMap[str, CouponCampaign](),
) -> tuple[CouponCampaign, ...]:
    """Make the campaigns of all rewards of a program.

    Args:
        rewards: Its catalogue.
        milestones: Its milestones.
        tiers: Its tiers, which may have entry gifts.
        referrals: Its referral program.
        campaigns: The shop's own, by id: none of them may have the name of one that is made.

    Returns:
        By id.

    Raises:
        UsageError: Two of one name; the message says which, and what the other is.
    """
    made = dict[str, tuple[str, CouponCampaign]]()
    for part in parts_of(rewards_by_id(rewards), milestones_by_id(milestones), tiers):
        campaign = reward_campaign(part.campaign_id, part.give, part.valid_for)
        if campaign is not None:
            _add(made, part.name, campaign)
    for campaign in () if referrals is None else referrals.campaigns:
        _add(made, "the referral program", campaign)
    for campaign_id, (name, campaign) in made.items():
        if campaigns.get(campaign_id, campaign) != campaign:
            msg = f"campaign {campaign_id!r} must have another name: the program makes one of that name for {name}"
            raise UsageError(msg)
    return tuple(campaign for _, (_, campaign) in sorted(made.items()))


def _add(made: dict[str, tuple[str, CouponCampaign]], name: str, campaign: CouponCampaign) -> None:
    other = made.get(campaign.campaign_id)
    if other is not None:
        msg = f"{other[0]} and {name} must have other names: the campaigns of both would be called {campaign.campaign_id!r}"
        raise UsageError(msg)
    made[campaign.campaign_id] = (name, campaign)


def check_rewards(
    rewards: Mapping[str, CatalogueReward],
    milestones: Mapping[str, Milestone],
    tiers: TierRule | None,
    referrals: Referring | None = None,
    *,
    campaigns: Mapping[str, CouponCampaign],
    currency: str,
) -> None:
    """Check what rewards cannot check alone: the tiers and campaigns that they name, and their money.

    Args:
        rewards: Those of the catalogue.
        milestones: Those of the program.
        tiers: The program's; ``None`` has none.
        referrals: The program's; ``None`` has none.
        campaigns: All campaigns of the program.
        currency: Of all its money.

    Raises:
        UsageError: A tier that is none; a coupon of a campaign that is none, or that has codes.
        CurrencyMismatchError: A payout, or an amount that qualifies a friend, in another currency.
    """
    names = frozenset[str]() if tiers is None else frozenset(rung.value for rung in tiers.ladder.rungs)
    for reward in rewards.values():
        unknown = sorted((reward.tiers | frozenset(reward.tier_prices)) - names)
        if unknown:
            known = ", ".join(sorted(names)) or "none"
            msg = f"reward {reward.reward_id!r} must name tiers of the program ({known}), got {', '.join(map(repr, unknown))}"
            raise UsageError(msg)
    for part in parts_of(rewards, milestones, tiers):
        check_given(part.name, part.give, campaigns=campaigns, currency=currency)
    for give in () if referrals is None else referrals.gives:
        check_given("the referral program", give, campaigns=campaigns, currency=currency)
    for money in () if referrals is None else referrals.moneys:
        if money.currency != currency:
            raise CurrencyMismatchError(currency, money.currency)


def check_given(name: str, give: RewardBenefit, *, campaigns: Mapping[str, CouponCampaign], currency: str) -> None:
    """Check what a reward names of the rest of the program.

    Args:
        name: What it is, for the message.
        give: What it gives.
        campaigns: All campaigns of the program.
        currency: Of all its money.

    Raises:
        UsageError: A coupon of a campaign that is none, or that has codes.
        CurrencyMismatchError: A payout in another currency.
    """
    for campaign_id in next_coupons(give):
        campaign = campaigns.get(campaign_id)
        if campaign is None or campaign.codes is not None:
            what = "there is none" if campaign is None else "it has codes"
            msg = f"{name} must give coupons of a campaign without codes, got {campaign_id!r}: {what}"
            raise UsageError(msg)
    if isinstance(give, PayOut) and give.amount.currency != currency:
        raise CurrencyMismatchError(currency, give.amount.currency)
