"""What rewards cost against what members bring for them: what a person should know before a program meets a shopper.

Said only where it can be worked out exactly, from the program alone; nothing is refused.

Invariants:
    1. A reward of unknown worth, such as a gift or a percentage of an unknown basket, counts as nothing: what is said holds all
       the more.
    2. What is said to cost more than it brings does so for every member who pays or spends no more than he must.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from fractions import Fraction
from typing import Final, Protocol, assert_never, final

import attrs

from loyaltycore._burning import BurnRule
from loyaltycore._earning import Action, Basis, EarningRule
from loyaltycore._formula import Percent, Step
from loyaltycore._offer_kinds import Offer
from loyaltycore._payouts import PayOut, RewardBenefit
from loyaltycore._referral_program import ReferralProgram
from loyaltycore.benefits import (
    AmountOff,
    BonusPoints,
    NextCoupon,
    Per,
    PercentOff,
    PointsTimes,
    Several,
    ShippingAmountOff,
    singles,
)
from loyaltycore.conditions import AllOf, Condition, SpendAtLeast
from loyaltycore.coupons import CouponCampaign
from loyaltycore.points import POINTS
from loyaltycore.quantities import Money, Rounding
from loyaltycore.rewards import BalanceReaches, CatalogueReward, LifetimePoints, Milestone, OrderNumber, parts_of
from loyaltycore.tiers import Metric, TierRule

__all__ = ["REFERRAL_SHARE", "RewardWarning", "RewardWarningKind", "friend_cost_minor", "reward_warnings"]

REFERRAL_SHARE: Final = Fraction(1)
"""What a friend may cost, of the least order that counts, before it is said: all of it. Below that, growth may be worth it."""


class RewardWarningKind(StrEnum):
    """What is odd.

    ``ABOVE_PRICE``: a reward gives more money than its points are worth as a discount. ``OUT_OF_REACH``: nobody can hold as many
    points as it costs. ``ABOVE_SPEND``: a milestone or a gift for entering a tier gives more than what must be spent for it.
    ``ABOVE_SHARE``: a friend costs more than the least order that counts.
    """

    ABOVE_PRICE = "above_price"
    OUT_OF_REACH = "out_of_reach"
    ABOVE_SPEND = "above_spend"
    ABOVE_SHARE = "above_share"


@final
@attrs.frozen(kw_only=True)
class RewardWarning:
    """One thing to look at in the rewards of a program; the program works all the same.

    Attributes:
        kind: What is odd.
        name: What is meant, as in a sentence.
        because: Why, as the rest of the sentence.
    """

    kind: RewardWarningKind
    name: str
    because: str

    @property
    def text(self) -> str:
        """Say it in one sentence."""
        return f"{self.name} {self.because}"


class Costs(Protocol):
    """What is asked of a program."""

    @property
    def currency(self) -> str:
        """Of all money in it."""
        ...

    @property
    def burning(self) -> BurnRule | None:
        """Points as a discount."""
        ...

    @property
    def earning(self) -> tuple[EarningRule, ...]:
        """Points on orders."""
        ...

    @property
    def actions(self) -> Mapping[str, Action]:
        """Points by named action."""
        ...

    @property
    def tiers(self) -> TierRule | None:
        """The tiers, and their entry gifts."""
        ...

    @property
    def rewards(self) -> Mapping[str, CatalogueReward]:
        """The catalogue, by id."""
        ...

    @property
    def milestones(self) -> Mapping[str, Milestone]:
        """The milestones, by id."""
        ...

    @property
    def referrals(self) -> ReferralProgram | None:
        """What members get who bring friends."""
        ...

    @property
    def campaigns(self) -> Mapping[str, CouponCampaign]:
        """All campaigns, by id."""
        ...


def reward_warnings(rules: Costs, offers: Iterable[Offer]) -> tuple[RewardWarning, ...]:
    """List what a person should know of the rewards of a program.

    Args:
        rules: The program.
        offers: Those of its book.

    Returns:
        By kind, then by name.
    """
    worth, sources = _Worth(rules), _Sources(rules, tuple(offers))
    found = [
        *_above_price(rules, worth),
        *_out_of_reach(rules, sources),
        *_milestones(rules, worth, sources),
        *_gifts(rules, worth),
        *_referral(rules, worth),
    ]
    kinds = list(RewardWarningKind)
    return tuple(sorted(found, key=lambda one: (kinds.index(one.kind), one.name)))


# ---- what a reward is worth ----


@final
class _Worth:
    """Says what rewards are worth in minor units, as far as that is known."""

    def __init__(self, rules: Costs) -> None:
        self.campaigns = rules.campaigns
        self.a_point = Fraction(0) if rules.burning is None else rules.burning.worth_minor.factor

    def of(self, give: RewardBenefit, *, order_minor: int = 0) -> Fraction:
        """Give the worth of a reward that can be worked out.

        Args:
            give: What it gives.
            order_minor: What is bought with it at the least.
        """
        match give:
            case PayOut():
                return Fraction(give.amount.minor_units)
            case Several():
                return sum((self.of(one, order_minor=order_minor) for one in give.benefits), Fraction(0))
            case BonusPoints():
                return give.points * self.a_point
            case AmountOff(per=Per.BASKET | Per.SHARED) | ShippingAmountOff():
                return Fraction(give.amount.minor_units)
            case PercentOff() if give.goods.is_open and give.units.are_all:
                return Fraction(give.amount_off(order_minor))
            case NextCoupon() if give.coupon_id in self.campaigns:
                # A campaign never gives another's coupon without an order in between: that much is known.
                next_give = self.campaigns[give.coupon_id].give
                return Fraction(0) if _gives_coupons(next_give) else self.of(next_give)
            case _:
                return Fraction(0)


def _gives_coupons(give: RewardBenefit) -> bool:
    return not isinstance(give, PayOut) and any(isinstance(one, NextCoupon) for one in singles(give))


def _text(minor: Fraction | int, currency: str) -> str:
    """Write an amount; what is below a minor unit is left out."""
    return str(Money(int(minor), currency))


def _above_price(rules: Costs, worth: _Worth) -> Iterator[RewardWarning]:
    if rules.burning is None:
        return
    for reward in rules.rewards.values():
        price, gives = _least_price(reward), worth.of(reward.give)
        paid = price * worth.a_point
        if gives > paid:
            because = (
                f"gives {_text(gives, rules.currency)} for {price} points, "
                f"which are worth {_text(paid, rules.currency)} as a discount"
            )
            yield RewardWarning(kind=RewardWarningKind.ABOVE_PRICE, name=f"reward {reward.reward_id!r}", because=because)


def _least_price(reward: CatalogueReward) -> int:
    """Give the lowest price that any member pays."""
    of_tiers = [price for tier, price in reward.tier_prices.items() if not reward.tiers or tier in reward.tiers]
    every_tier_has_its_own = bool(reward.tiers) and reward.tiers <= reward.tier_prices.keys()
    return min(of_tiers if every_tier_has_its_own else [*of_tiers, reward.price])


# ---- what it takes to have points ----


@final
class _Sources:
    """Says how points of an account come about."""

    def __init__(self, rules: Costs, offers: tuple[Offer, ...]) -> None:
        self.rules = rules
        gives = [one for offer in offers for one in singles(offer.give)]
        self.offers_give = any(isinstance(one, BonusPoints) for one in gives)
        self.offers_multiply = any(isinstance(one, PointsTimes) for one in gives)
        parts = [part.give for part in parts_of(rules.rewards, rules.milestones, rules.tiers)]
        if rules.referrals is not None:
            parts += [give for _, give in rules.referrals.sources()]
        self.rewards_give = any(
            isinstance(one, BonusPoints) for give in parts if not isinstance(give, PayOut) for one in singles(give)
        )

    def least_spend(self, points: int, account: str) -> Fraction | None:
        """Give what must be spent at the least to earn so many points; ``None`` where that cannot be said."""
        mine = [rule for rule in self.rules.earning if rule.account == account]
        if len(mine) != 1 or any(action.account == account for action in self.rules.actions.values()):
            return None
        if account == POINTS and (self.offers_give or self.offers_multiply):
            return None
        (rule,) = mine
        if rule.multipliers or rule.basis is not Basis.PAID:
            return None
        match rule.gives:
            case Step(points=each, per_minor=per_minor):
                return Fraction(-(-points // each) * per_minor)
            case Percent(rounding=Rounding.DOWN, rate=rate, worth_minor=worth_minor):
                return points * worth_minor.factor / rate.factor
            case _:
                return None

    def most_held(self) -> int | None:
        """Give the most points that anybody can come to hold; ``None`` where that cannot be said."""
        mine = [rule for rule in self.rules.earning if rule.account == POINTS]
        caps = [rule.caps.balance for rule in mine if rule.caps is not None and rule.caps.balance is not None]
        by_hand = any(action.account == POINTS for action in self.rules.actions.values())
        if not caps or len(caps) < len(mine) or by_hand or self.offers_give or self.rewards_give:
            return None
        return max(caps)


def _out_of_reach(rules: Costs, sources: _Sources) -> Iterator[RewardWarning]:
    most = sources.most_held()
    for reward in rules.rewards.values() if most is not None else ():
        price = _least_price(reward)
        if most is not None and price > most:
            because = f"costs {price} points, and no rule gives to whoever holds {most}"
            yield RewardWarning(kind=RewardWarningKind.OUT_OF_REACH, name=f"reward {reward.reward_id!r}", because=because)


def _milestones(rules: Costs, worth: _Worth, sources: _Sources) -> Iterator[RewardWarning]:
    for milestone in rules.milestones.values():
        match milestone.when:
            case LifetimePoints():
                spent = sources.least_spend(milestone.when.points, milestone.when.account)
            case BalanceReaches():
                spent = None if sources.rewards_give else sources.least_spend(milestone.when.points, POINTS)
            case OrderNumber():
                continue  # an order may be of any amount
            case _:
                assert_never(milestone.when)
        gives = max(worth.of(give) for _, give in milestone.gives)
        if spent is not None and gives > spent:
            yield _above_spend(f"milestone {milestone.milestone_id!r}", gives, spent, rules.currency)


def _gifts(rules: Costs, worth: _Worth) -> Iterator[RewardWarning]:
    if rules.tiers is None or rules.tiers.metric is not Metric.SPEND:
        return
    for rung in rules.tiers.ladder.rungs:
        gift = rules.tiers.benefits_of(rung.value).entry_gift
        gives = Fraction(0) if gift is None else worth.of(gift)
        # What a tier gives that takes nothing is a welcome.
        if gives > rung.threshold > 0:
            yield _above_spend(f"the entry gift of tier {rung.value!r}", gives, Fraction(rung.threshold), rules.currency)


def _above_spend(name: str, gives: Fraction, spent: Fraction, currency: str) -> RewardWarning:
    because = f"gives {_text(gives, currency)} to whoever has spent {_text(spent, currency)}"
    return RewardWarning(kind=RewardWarningKind.ABOVE_SPEND, name=name, because=because)


# ---- friends ----


def _referral(rules: Costs, worth: _Worth) -> Iterator[RewardWarning]:
    program = rules.referrals
    least = None if program is None else _least_order(program.qualifies)
    if program is None or least is None:
        return
    exact = () if program.advocate_at is None else program.advocate_at.rungs
    numbers = sorted({rung.threshold for rung in (*program.advocate.rungs, *exact)})
    cost, number = max([(_cost(program, worth, number, least), number) for number in numbers], key=lambda one: one[0])
    if cost > least * REFERRAL_SHARE:
        because = (
            f"gives {_text(cost, rules.currency)} to both for friend number {number}, "
            f"whose order may be of {_text(least, rules.currency)}"
        )
        yield RewardWarning(kind=RewardWarningKind.ABOVE_SHARE, name=f"referral program {program.program_id!r}", because=because)


def friend_cost_minor(rules: Costs, number: int) -> Fraction:
    """Give what a friend costs at the least, as far as it can be worked out: what both get, in minor units.

    Args:
        rules: A program with referrals; without, nothing.
        number: Which friend of an advocate's, from 1.
    """
    if rules.referrals is None:
        return Fraction(0)
    return _cost(rules.referrals, _Worth(rules), number, _least_order(rules.referrals.qualifies) or 0)


def _cost(program: ReferralProgram, worth: _Worth, number: int, least: int) -> Fraction:
    friend = Fraction(0) if program.friend is None else worth.of(program.friend, order_minor=least)
    return sum((worth.of(give) for _, give in program.rungs(number)), friend)


def _least_order(condition: Condition) -> int | None:
    """Give what an order must be worth at the least; ``None`` where nothing is said of it."""
    parts = condition.parts if isinstance(condition, AllOf) else (condition,)
    return max((part.amount.minor_units for part in parts if isinstance(part, SpendAtLeast)), default=None)
