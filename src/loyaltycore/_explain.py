"""A whole quote in words, for somebody who has never seen the library: what is paid, why, and what is still in reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import Final, Protocol

from loyaltycore._burning import BurnAnswer
from loyaltycore._rewards import count_text, goods_text, reward_text
from loyaltycore.benefits import Benefit, QuantityLadder, SpendLadder
from loyaltycore.conditions import (
    Across,
    CodePresented,
    CouponHeld,
    During,
    Evidence,
    InMarket,
    InTier,
    IsMember,
    MemberTagged,
    Not,
    NthOrder,
    OwnCondition,
    PaidBy,
    PastDiscount,
    PointsAtLeast,
    ProductsAtLeast,
    QuantityAtLeast,
    Situation,
    SpendAtLeast,
    ViaChannel,
    evidence,
)
from loyaltycore.coupons import CodeAnswer
from loyaltycore.errors import Detail, Reason, Refusal
from loyaltycore.messages import Language, explain_refusal, name_text, say, texts
from loyaltycore.offers import AppliedOffer, Evaluation, Nudge
from loyaltycore.orders import EarnedPoints
from loyaltycore.quantities import Money

__all__ = ["explain"]

_TOLD_LIMIT: Final = 5
"""Offers not applied, and nudges, that are told: a program of a thousand offers is no reading matter."""

_BECAUSE: Final[Mapping[type, str]] = {
    IsMember: "member",
    InTier: "tier",
    MemberTagged: "member_tag",
    InMarket: "market",
    ViaChannel: "channel",
    PaidBy: "payment",
    CodePresented: "code",
    CouponHeld: "coupon",
    During: "time",
    PointsAtLeast: "points",
    PastDiscount: "past_discount",
    OwnCondition: "own",
    Not: "excluded",
}

_WITHIN_REACH: Final = frozenset(
    {
        Reason.BASKET_BELOW_THRESHOLD,
        Reason.QUANTITY_BELOW_THRESHOLD,
        Reason.PRODUCTS_BELOW_THRESHOLD,
        Reason.POINTS_INSUFFICIENT,
    }
)
"""What a shopper can do something about."""

_BEHIND: Final = frozenset({Reason.CODE_MISSING, Reason.COUPON_MISSING})
"""What stands behind a code or a coupon."""

_OUT_OF_REACH: Final = frozenset(
    {
        Reason.OFFER_NOT_STARTED,
        Reason.OFFER_EXPIRED,
        Reason.OFFER_LIMIT_REACHED,
        Reason.OFFER_MEMBER_LIMIT_REACHED,
        Reason.OFFER_BUDGET_REACHED,
    }
)
"""What nobody can do anything about."""

_EXCLUDED: Final = frozenset(key for key in texts() if key.startswith("excluded."))


class _Line(Protocol):
    """What is said of a line."""

    @property
    def product_id(self) -> str: ...

    @property
    def quantity(self) -> int: ...

    @property
    def list_price(self) -> Money: ...

    @property
    def net(self) -> Money: ...


class _Card(Protocol):
    """What is said of a gift card."""

    @property
    def paid(self) -> Money: ...

    @property
    def refusal(self) -> Refusal | None: ...


class Explained(Protocol):
    """What is said of a quote; ``Quote`` says what each means."""

    @property
    def lines(self) -> Mapping[str, _Line]: ...

    @property
    def offers(self) -> Evaluation: ...

    @property
    def burn(self) -> BurnAnswer: ...

    @property
    def shipping(self) -> Money | None: ...

    @property
    def total(self) -> Money: ...

    @property
    def to_pay(self) -> Money: ...

    @property
    def earned(self) -> tuple[EarnedPoints, ...]: ...

    @property
    def points_to_earn(self) -> int: ...

    @property
    def tier_after(self) -> str | None: ...

    @property
    def cards(self) -> Mapping[str, _Card]: ...

    @property
    def codes(self) -> Mapping[str, CodeAnswer]: ...

    @property
    def nudges(self) -> tuple[Nudge, ...]: ...


def explain(quote: Explained, language: Language = "en") -> str:
    """Say the whole quote to a person, one line for each thing.

    Args:
        quote: What is said.
        language: ``"en"``, ``"fr"`` or a catalogue.

    Returns:
        The goods, the offers applied and why, burned points, shipping, gifts, what is to pay and to earn; then the answer to
        each code, the nearest of the offers that are not applied, and how little more would get another.
    """
    about = (_about_goods, _about_offers, _about_shipping, _about_total, _about_points, _about_codes, _about_others)
    return "\n".join(told for say_some in about for told in say_some(quote, language))


def _about_goods(quote: Explained, language: Language) -> Iterator[str]:
    for line in quote.lines.values():
        key = "explain.line" if line.net == line.list_price else "explain.line_reduced"
        product = name_text(line.product_id, language)
        yield say(key, language, quantity=line.quantity, product=product, net=line.net, list=line.list_price)


def _about_offers(quote: Explained, language: Language) -> Iterator[str]:
    currency, situation = quote.total.currency, quote.offers.situation
    left = [group.list_minor for group in situation.groups]
    for applied in quote.offers.applied:
        offer = quote.offers.book.offer(applied.offer_id)
        assert offer is not None  # the book applied it
        reward = reward_text(_reached(offer.give, situation), language, discount_limit=offer.discount_limit)
        told = _offer(applied, offer.discount_limit, reward, currency, language)
        why = [_because(found, currency, language) for found in evidence(offer.when, situation, left=left)]
        yield say("explain.why", language, told=told, why=_and(why, language)) if why else told
        left = [rest - share for rest, share in zip(left, applied.shares, strict=True)]
    if quote.burn.granted:
        discount = Money(quote.burn.discount_minor, currency)
        yield say("explain.burn", language, points=quote.burn.granted, discount=discount)


def _offer(applied: AppliedOffer, own_limit: Money | None, reward: str, currency: str, language: Language) -> str:
    """Say what an offer gives, and what it takes off."""
    name = name_text(applied.offer_id, language)
    if not applied.discount_minor:
        return say("explain.offer_gives", language, offer=name, reward=reward)
    told = say("explain.offer", language, offer=name, reward=reward, discount=Money(applied.discount_minor, currency))
    # What an offer says itself that it takes off at most is told with its reward.
    is_cut = applied.cut_minor and (own_limit is None or applied.discount_minor < own_limit.minor_units)
    return say("explain.offer_cut", language, told=told, cut=Money(applied.cut_minor, currency)) if is_cut else told


def _reached(give: Benefit, situation: Situation) -> Benefit:
    """Give the rung of a ladder that is reached; any other benefit as it is."""
    match give:
        case SpendLadder():
            return give.at(situation.goods.of(give.of).list_minor) or give
        case QuantityLadder():
            return give.at(situation.goods.of(give.of).units) or give
        case _:
            return give


def _because(found: Evidence, currency: str, language: Language) -> str:
    """Say why one part of a condition is met."""
    condition, details = found.condition, found.details
    values: dict[str, Money | Detail] = dict(details)
    for name, value in details.items():
        if name.endswith("_minor") and isinstance(value, int):
            values[name.removesuffix("_minor")] = Money(value, currency)
    match condition:
        case SpendAtLeast() | ProductsAtLeast():
            goods = goods_text(condition.of, language)
            kind = "spend" if isinstance(condition, SpendAtLeast) else "products"
            return say(f"because.{kind}{'_of' if goods else ''}", language, goods=goods, **values)
        case QuantityAtLeast():
            goods = goods_text(condition.of, language)
            if goods and condition.units == 1:
                return say("because.contains", language, goods=goods)
            units = details["found_units"]
            assert isinstance(units, int)  # conditions count whole units
            any_product = condition.across is Across.PRODUCT and len(condition.of.products) != 1
            counted = count_text(units, condition.of, language, key="one" if any_product else "units")
            return say("because.units", language, goods=counted, needed=condition.units)
        case NthOrder():
            return say("because.first_order" if condition.number == 1 else "because.nth_order", language, **values)
        case Not() if f"excluded.{values['condition']}" in _EXCLUDED:
            return say("because.excluded", language, condition=say(f"excluded.{values['condition']}", language))
        case _:
            return say(f"because.{_BECAUSE[type(condition)]}", language, **_worded(values, language))


def _worded(values: Mapping[str, Money | Detail], language: Language) -> dict[str, Money | Detail]:
    """Put the shop's words in the place of its ids."""

    def word(value: Money | Detail) -> Money | Detail:
        if isinstance(value, str):
            return name_text(value, language)
        return tuple(name_text(text, language) for text in value) if isinstance(value, tuple) else value

    return {name: word(value) for name, value in values.items()}


def _and(said: Sequence[str], language: Language) -> str:
    return reduce(lambda told, more: say("explain.and", language, told=told, more=more), said)


def _about_shipping(quote: Explained, language: Language) -> Iterator[str]:
    before = quote.offers.situation.basket.shipping
    if quote.shipping is None:
        yield say("explain.shipping_unknown", language)
    elif before is None or before == quote.shipping:
        yield say("explain.shipping", language, net=quote.shipping)
    else:
        yield say("explain.shipping_reduced", language, net=quote.shipping, list=before)


def _about_total(quote: Explained, language: Language) -> Iterator[str]:
    for gift in quote.offers.gifts:
        yield say("explain.gift", language, quantity=gift.quantity, product=name_text(gift.product_id, language))
    yield say("explain.total", language, total=quote.total)
    for answer in quote.cards.values():
        if answer.refusal is not None:
            yield say("explain.card_refused", language, why=explain_refusal(answer.refusal, language))
        elif answer.paid.minor_units:
            yield say("explain.card", language, paid=answer.paid)
    if quote.to_pay != quote.total:
        yield say("explain.to_pay", language, to_pay=quote.to_pay)


def _about_points(quote: Explained, language: Language) -> Iterator[str]:
    giving = {applied.offer_id for applied in quote.offers.applied if applied.bonus}
    bonus = sum(earned.points for earned in quote.earned if earned.rule in giving)
    key = "explain.earn_bonus" if bonus else "explain.earn"
    yield say(key, language, points=quote.points_to_earn, bonus=bonus)
    for coupon_id in quote.offers.coupons:
        yield say("explain.coupon", language, coupon=name_text(coupon_id, language))
    if quote.tier_after is not None:
        yield say("explain.tier", language, tier=name_text(quote.tier_after, language))


def _about_codes(quote: Explained, language: Language) -> Iterator[str]:
    for answer in quote.codes.values():
        code = answer.entered.strip()
        if answer.refusal is None:
            yield say("explain.code_applied", language, code=code, offer=name_text(answer.offer_id or "", language))
        else:
            yield say("explain.code_refused", language, code=code, why=explain_refusal(answer.refusal, language))
    burn = quote.burn
    if burn.refusal is not None:
        why = explain_refusal(burn.refusal, language)
        yield say("explain.burn_refused", language, asked=burn.asked, granted=burn.granted, why=why)


def _about_others(quote: Explained, language: Language) -> Iterator[str]:
    """Say which offers are not applied, the nearest first, and which are only a little away."""
    # What a code's answer or a nudge says is not said twice.
    nudges = quote.nudges[:_TOLD_LIMIT]
    told = {answer.offer_id for answer in quote.codes.values()} | {nudge.offer_id for nudge in nudges}
    # Offers behind a code that was not entered, or a coupon nobody holds, stay unsaid: a page is no list of codes.
    others = [
        (offer_id, refusals)
        for offer_id, refusals in quote.offers.refused.items()
        if offer_id not in told and all(refusal.reason not in _BEHIND for refusal in refusals)
    ]
    others.sort(key=lambda other: _distance(other[1]))
    for offer_id, refusals in others[:_TOLD_LIMIT]:
        offer = quote.offers.book.offer(offer_id)
        assert offer is not None  # the book refused it
        reward = reward_text(offer.give, language, discount_limit=offer.discount_limit)
        why = _and([explain_refusal(refusal, language) for refusal in refusals], language)
        yield say("explain.offer_refused", language, offer=name_text(offer_id, language), reward=reward, why=why)
    if len(others) > _TOLD_LIMIT:
        yield say("explain.more", language, offers=len(others) - _TOLD_LIMIT)
    for nudge in nudges:
        yield nudge.text(language)


def _distance(refusals: Sequence[Refusal]) -> tuple[int, int, int]:
    """Say how far an offer is from applying: those that gave way to another first, then those a shopper can do something for."""
    first = refusals[0]
    if first.reason is Reason.OFFER_SUPERSEDED:
        reach = 0
    elif all(refusal.reason in _WITHIN_REACH for refusal in refusals):
        reach = 1
    else:
        reach = 3 if any(refusal.reason in _OUT_OF_REACH for refusal in refusals) else 2
    missing = [value for name, value in first.details.items() if name.startswith("missing_") and isinstance(value, int)]
    return (reach, len(refusals), sum(missing))
