"""The steps of a quote, one way: units → offers → burn → earning → resulting tier.

What the program says is read through ``Rules``; nothing here looks back at a later step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Final, Protocol, TypedDict

import attrs

from loyaltycore._booking import own_hold
from loyaltycore._checks import check_kind
from loyaltycore._earning import Basis, Combine, EarningRule
from loyaltycore._frozen import FrozenMap
from loyaltycore._purchase import Earnings, Purchase, earn_on_order
from loyaltycore._quote import Asked, CardAnswer, Quote, Shared, after_offers, payable, quoted_lines, shipping_after
from loyaltycore._redeeming import answers, held_answers, pay, present, with_own_uses
from loyaltycore.basket import UnitGroup
from loyaltycore.conditions import Situation
from loyaltycore.coupons import CodeAnswer, CouponCampaign, read_codes
from loyaltycore.errors import CurrencyMismatchError, Reason, Refusal
from loyaltycore.memberships import Membership
from loyaltycore.offers import Evaluation, OfferBook, View
from loyaltycore.orders import EarnedPoints
from loyaltycore.periods import AsRules, Calendar, check_instant
from loyaltycore.points import POINTS, BurnAnswer, BurnRule
from loyaltycore.quantities import Money, allocate
from loyaltycore.referrals import ReferralProgram
from loyaltycore.tiers import Metric, Qualifying, TierGrant, TierRule, TierStatus, TierTally

__all__ = ["Rules", "TierTerms", "counted", "price", "tier_of"]


class Rules(Protocol):
    """What a quote asks of a program."""

    __slots__ = ()

    @property
    def currency(self) -> str:
        """Of all money in it."""
        ...

    @property
    def calendar(self) -> Calendar:
        """The local days that count."""
        ...

    @property
    def starts_at(self) -> datetime:
        """First instant at which anything is earned."""
        ...

    @property
    def earning(self) -> tuple[EarningRule, ...]:
        """Points on orders."""
        ...

    @property
    def combine(self) -> Combine:
        """What becomes of several rules."""
        ...

    @property
    def burning(self) -> BurnRule | None:
        """Points as a discount."""
        ...

    @property
    def tiers(self) -> TierRule | None:
        """Tiers."""
        ...

    @property
    def book(self) -> OfferBook:
        """The offers."""
        ...

    @property
    def campaigns(self) -> Mapping[str, CouponCampaign]:
        """What codes and coupons open, by id."""
        ...

    @property
    def referrals(self) -> ReferralProgram | None:
        """What members get who bring friends."""
        ...

    @property
    def digest(self) -> str:
        """The whole rulebook in 32 characters."""
        ...


def price(
    rules: Rules,
    asked: Asked,
    membership: Membership | None,
    *,
    order_id: str | None,
    view: View,
    at: datetime,
    late: bool = False,
) -> Quote:
    """Go through the steps of a quote.

    Args:
        rules: The program.
        asked: The basket, whose, and the codes and points presented.
        membership: As it is now; ``None`` for a guest.
        order_id: The order it is to become, where points are held in its name.
        view: What was loaded besides the member.
        at: Timezone-aware.
        late: Whether what was held for the order pays for it, however late.

    Raises:
        CurrencyMismatchError: A basket in another currency.
        UsageError: A naive time.
    """
    basket, currency = asked.basket, rules.currency
    if basket.currency != currency:
        raise CurrencyMismatchError(currency, basket.currency)
    check_instant("at", at)
    check_kind("view", view, View)
    folded, unread = read_codes(asked.codes)
    presented = present(rules.campaigns, asked, view, membership=membership, order_id=order_id, at=at)
    view = with_own_uses(view, rules.book, membership, order_id=order_id, at=at, calendar=rules.calendar)
    codes = [code for text, code in folded.items() if text not in view.codes]
    situation = _situation(rules, asked, membership, codes=codes, coupons=presented.usable, at=at)
    groups = situation.groups
    offers = rules.book.evaluate(situation, view=view)
    shipping = shipping_after(basket, offers)
    offered = after_offers(groups, offers)
    may_pay = offered if rules.burning is None else payable(rules.burning, groups, offered)
    burn = _NO_BURN
    if asked.burn:
        burn = _burn(rules, asked.burn, membership, situation, order_id=order_id, goods_minor=sum(may_pay), late=late)
    shared, earnings = _shared(rules, membership, situation, offers, shipping, offered=offered, may_pay=may_pay, burn=burn)
    total = Money(sum(shared.net) + (0 if shipping is None else shipping.minor_units), currency)
    cards = pay(asked, view, groups, shared.net, total, order_id=order_id, at=at) if asked.cards else _NO_CARDS
    return Quote(
        asked=asked,
        at=at,
        lines=quoted_lines(basket, groups, shared, offers),
        offers=offers,
        shipping=shipping,
        burn=burn,
        earned=earnings.earned,
        earning=earnings.answers,
        codes=answers(asked, presented, offers, folded=folded, unread=unread) if asked.codes else _NO_ANSWERS,
        held_coupons=held_answers(presented, offers) if presented.campaigns or presented.refused else _NO_ANSWERS,
        usable=FrozenMap({campaign_id: coupon.coupon_id for campaign_id, coupon in presented.usable.items()}),
        book=rules.book,
        groups=groups,
        situation=situation,
        cards=cards,
        tier=situation.tier,
        tier_after=None if membership is None else _tier_after(rules, membership, shared, earnings.earned, at),
        referrals=rules.referrals,
        subtotal=basket.subtotal,
        total=total,
        to_pay=total if not cards else total - Money(sum(one.paid.minor_units for one in cards.values()), currency),
        program_digest=rules.digest,
    )


_NO_BURN: Final = BurnAnswer()
_NO_ANSWERS: Final = FrozenMap[str, CodeAnswer]()
_NO_CARDS: Final = FrozenMap[str, CardAnswer]()


def _situation(
    rules: Rules, asked: Asked, membership: Membership | None, *, codes: Iterable[str], coupons: Iterable[str], at: datetime
) -> Situation:
    """Gather what conditions see: the member as before this order."""
    book, calendar, profile = rules.book, rules.calendar, asked.profile
    if membership is None:
        return book.situation(
            asked.basket,
            codes=codes,
            coupons=coupons,
            profile=profile,
            gives_points=at >= rules.starts_at,
            at=at,
            calendar=calendar,
        )
    status = tier_of(rules, membership, at)
    return book.situation(
        asked.basket,
        is_member=True,
        order_count=membership.order_count,
        codes=codes,
        coupons=coupons,
        tier=None if status is None else status.tier,
        points=membership.ledger_of(POINTS).available(at=at),
        past_list_minor=membership.past_list_minor,
        past_discount_minor=membership.past_discount_minor,
        profile=profile,
        gives_points=at >= rules.starts_at,
        at=at,
        calendar=calendar,
    )


class TierTerms(TypedDict):
    """What a tier depends on besides what counts."""

    day: date
    calendar: Calendar
    joined_on: date | None
    grants: tuple[TierGrant, ...]
    tally: TierTally | None
    at: datetime


def counted(rule: TierRule, rules: Rules, membership: Membership, at: datetime) -> tuple[Iterable[Qualifying], TierTerms]:
    """Gather what counts for a member's tier, and what the tier depends on besides.

    Args:
        rule: Of the tiers.
        rules: The program.
        membership: As it is now.
        at: The instant that is asked about.
    """
    calendar, joined_at = rules.calendar, membership.joined_at
    day = calendar.day_of(at)
    history, tally = membership.toward(rule, day=day, calendar=calendar)
    return history, TierTerms(
        day=day,
        calendar=calendar,
        joined_on=None if joined_at is None else calendar.day_of(joined_at),
        grants=tuple(membership.tier_grants.values()),
        tally=tally,
        at=at,
    )


def tier_of(rules: Rules, membership: Membership, at: datetime, *, adding: Iterable[Qualifying] = ()) -> TierStatus | None:
    """Tell where a member stands, with what else counts; ``None`` in a program without tiers."""
    if rules.tiers is None:
        return None
    history, terms = counted(rules.tiers, rules, membership, at)
    return rules.tiers.status((*history, *adding), **terms)


def _tier_after(rules: Rules, membership: Membership, shared: Shared, earned: Iterable[EarnedPoints], at: datetime) -> str | None:
    """Name the tier with this order; points that wait count as those that do not."""
    if rules.tiers is None:
        return None
    day, spend = rules.calendar.day_of(at), shared.qualifying_minor
    points = sum(one.points for one in earned if one.account == rules.tiers.account)
    units = {Metric.SPEND: spend, Metric.ORDERS: int(spend > 0), Metric.POINTS: points, Metric.REFERRALS: 0}
    adding = [Qualifying(day=day, units=units[metric], metric=metric) for metric in rules.tiers.metrics if units[metric]]
    status = tier_of(rules, membership, at, adding=adding)
    return None if status is None else status.tier


def _burn(
    rules: Rules,
    asked: int,
    membership: Membership | None,
    situation: Situation,
    *,
    order_id: str | None,
    goods_minor: int,
    late: bool,
) -> BurnAnswer:
    """Decide how many points are burned: those held in the order's name, where there are any."""
    if membership is None:
        return BurnAnswer(asked=asked, refusal=Refusal(Reason.MEMBER_REQUIRED))
    at = situation.at
    hold = None if order_id is None else own_hold(membership, order_id)
    too_early = membership.ledger_of(POINTS).check_at(at)
    if too_early is not None and hold is None:
        return BurnAnswer(asked=asked, refusal=too_early)
    if rules.burning is None:
        details = {"asked_points": asked, "granted_points": 0}
        return BurnAnswer(asked=asked, refusal=Refusal(Reason.POINTS_ABOVE_SHARE, details))
    available = situation.points
    if hold is not None:
        available = hold.units if late or at < hold.until else min(hold.units, available)
    return rules.burning.answer(asked, available=available, goods_minor=goods_minor)


def _shared(
    rules: Rules,
    membership: Membership | None,
    situation: Situation,
    offers: Evaluation,
    shipping: Money | None,
    *,
    offered: tuple[int, ...],
    may_pay: tuple[int, ...],
    burn: BurnAnswer,
) -> tuple[Shared, Earnings]:
    """Share out what offers and points take off, and what the order earns."""
    groups = situation.groups
    listed = tuple([group.list_minor for group in groups])
    burned = allocate(burn.discount_minor, may_pay) if burn.granted else (0,) * len(groups)
    net = tuple([left - share for left, share in zip(offered, burned, strict=True)]) if burn.granted else offered
    started = situation.at >= rules.starts_at
    purchase = Purchase(
        basket=situation.basket,
        groups=groups,
        prices={Basis.LIST: listed, Basis.DISCOUNTED: offered, Basis.PAID: net},
        shipping_minor=0 if shipping is None else shipping.minor_units,
        situation=situation,
        ledgers={} if membership is None else membership.ledgers,
        carried=None if membership is None else membership.carried,
        offers=offers.applied if started else (),
    )
    earnings = earn_on_order(_earning(rules, situation.tier) if started else (), rules.combine, purchase)
    shared = Shared(
        list_minor=listed,
        offered=offered,
        net=net,
        # Points follow the money they took off; a worth below one minor unit may leave some groups none.
        burn_points=allocate(burn.granted, burned) if any(burned) else (0,) * len(groups),
        points=earnings.shares,
        qualifies=tuple([started and _may_earn(rules.earning, group) for group in groups]),
    )
    return shared, earnings


def _earning(rules: Rules, tier: str | None) -> tuple[EarningRule, ...]:
    """Give the rules of earning; on the main account points end as the member's tier says, where it says so."""
    tiers = rules.tiers
    if tiers is None or isinstance(tiers.benefits_of(tier).expires, AsRules):
        return rules.earning
    return tuple(
        [
            attrs.evolve(rule, expires=tiers.expires_in(tier, rule.expires)) if rule.account == POINTS else rule
            for rule in rules.earning
        ]
    )


def _may_earn(earning: tuple[EarningRule, ...], group: UnitGroup) -> bool:
    """Say whether goods count for tiers: those that some rule counts, whatever its conditions; all, without rules."""
    return not earning or any(rule.counts(group) for rule in earning)
