"""Conditions: what must hold for an offer to apply.

A condition is a small value. It looks at a ``Situation`` and says that it is met, with the evidence, or what is unmet and how
far off it is. Conditions combine with ``&`` (all), ``|`` (any) and ``~`` (not).

Invariants:
    1. A condition only looks: the same situation gives the same answer.
    2. No refusals means met; several come in the order of ``Reason``.
    3. Goods that no offer touches count for no threshold.

>>> from datetime import UTC, datetime
>>> from loyaltycore.basket import Basket
>>> rule = spend_at_least(Money.of("50", "EUR")) & (is_member() | code_presented("SUMMER10"))
>>> basket = Basket.of("EUR", {"helmet": "45.00"})
>>> seen = Situation(basket=basket, is_member=True, at=datetime(2026, 7, 1, tzinfo=UTC))
>>> [refusal.details["missing_minor"] for refusal in unmet(rule, seen)]
[500]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from loyaltycore._checks import check_kind
from loyaltycore._condition_kinds import (
    CONDITIONS_LIMIT,
    DEPTH_LIMIT,
    Across,
    AllOf,
    AnyOf,
    Base,
    CodePresented,
    Condition,
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
    OwnRule,
    PaidBy,
    PastDiscount,
    PointsAtLeast,
    ProductsAtLeast,
    QuantityAtLeast,
    Situation,
    SpendAtLeast,
    ViaChannel,
    check_condition,
    leaves,
)
from loyaltycore._goods import ALL_GOODS
from loyaltycore.basket import Filter
from loyaltycore.errors import Accepted, CurrencyMismatchError, Detail, Reason, Refusal, Refused
from loyaltycore.periods import Recurrence, Schedule, Window
from loyaltycore.quantities import Money, Rate
from loyaltycore.wire import instant_text

__all__ = [
    "CONDITIONS_LIMIT",
    "DEPTH_LIMIT",
    "Across",
    "AllOf",
    "AnyOf",
    "Base",
    "CodePresented",
    "Condition",
    "CouponHeld",
    "During",
    "Evidence",
    "InMarket",
    "InTier",
    "IsMember",
    "MemberTagged",
    "Not",
    "NthOrder",
    "OwnCondition",
    "OwnRule",
    "PaidBy",
    "PastDiscount",
    "PointsAtLeast",
    "ProductsAtLeast",
    "QuantityAtLeast",
    "Situation",
    "SpendAtLeast",
    "ViaChannel",
    "all_of",
    "any_of",
    "check",
    "code_presented",
    "contains",
    "coupon_held",
    "during",
    "evidence",
    "first_order",
    "holds",
    "in_market",
    "in_tier",
    "is_member",
    "leaves",
    "member_tagged",
    "nth_order",
    "own",
    "paid_by",
    "past_discount_at_least",
    "points_at_least",
    "products_at_least",
    "quantity_at_least",
    "spend_at_least",
    "unmet",
    "via_channel",
]

Left: TypeAlias = Sequence[int] | None
"""What the offers before have left of each group of a situation, in minor units; ``None`` where none came before."""

C = TypeVar("C")


def spend_at_least(amount: Money, *, of: Filter = ALL_GOODS, base: Base = Base.LIST) -> SpendAtLeast:
    """Ask for goods worth at least this: all or some, at list prices or at what the offers before have left."""
    return SpendAtLeast(amount, of=of, base=base)


def quantity_at_least(units: int, *, of: Filter = ALL_GOODS, across: Across = Across.BASKET) -> QuantityAtLeast:
    """Ask for at least so many units."""
    return QuantityAtLeast(units, of=of, across=across)


def contains(of: Filter) -> QuantityAtLeast:
    """Ask for at least one unit of these goods: a product, a category, a brand, a tag."""
    return QuantityAtLeast(1, of=of)


def products_at_least(products: int, *, of: Filter = ALL_GOODS) -> ProductsAtLeast:
    """Ask for at least so many different products."""
    return ProductsAtLeast(products, of=of)


def is_member() -> IsMember:
    """Ask for a member."""
    return IsMember()


def in_tier(*tiers: str) -> InTier:
    """Ask for a member of one of these tiers."""
    return InTier(tiers)


def member_tagged(*tags: str) -> MemberTagged:
    """Ask for a person whom the shop gave one of these tags."""
    return MemberTagged(tags)


def in_market(*markets: str) -> InMarket:
    """Ask for a sale in one of these markets."""
    return InMarket(markets)


def via_channel(*channels: str) -> ViaChannel:
    """Ask for a sale through one of these channels."""
    return ViaChannel(channels)


def paid_by(*payments: str) -> PaidBy:
    """Ask for one of these ways to pay."""
    return PaidBy(payments)


def code_presented(code: str) -> CodePresented:
    """Ask for a code.

    Raises:
        UsageError: Text that is no code.
    """
    return CodePresented(code)


def coupon_held(campaign_id: str) -> CouponHeld:
    """Ask for a coupon of a campaign; the campaign's own offer asks for it anyway.

    Raises:
        UsageError: No id of a campaign.
    """
    return CouponHeld(campaign_id)


def first_order() -> NthOrder:
    """Ask for a person without orders."""
    return NthOrder(1)


def nth_order(number: int) -> NthOrder:
    """Ask for the person's n-th order."""
    return NthOrder(number)


def during(*, window: Window | None = None, schedule: Schedule | None = None, recurrence: Recurrence | None = None) -> During:
    """Ask for a time: a span, hours of the week, days that come again."""
    return During(window=window, schedule=schedule, recurrence=recurrence)


def points_at_least(points: int) -> PointsAtLeast:
    """Ask for a balance of so many points."""
    return PointsAtLeast(points)


def past_discount_at_least(percent: str | int) -> PastDiscount:
    """Ask for a member whose orders were bought this far below list prices: ``~past_discount_at_least("10")`` for the rest."""
    return PastDiscount(Rate.percent(percent))


def own(rule: OwnRule) -> OwnCondition:
    """Take a shop's own condition.

    Raises:
        UsageError: What is none, or has an id that is no name.
    """
    return OwnCondition(rule)


def all_of(*conditions: Condition) -> AllOf:
    """Ask for all of these; of none it always holds."""
    return AllOf(conditions)


def any_of(*conditions: Condition) -> AnyOf:
    """Ask for one of these."""
    return AnyOf(conditions)


def check(condition: Condition, situation: Situation, *, left: Left = None) -> Accepted[tuple[Evidence, ...]] | Refused:
    """Answer for a condition: met, with the evidence of each part, or not, with what is unmet.

    Args:
        condition: Any of the union.
        situation: What is the case.
        left: What the offers before have left of each group, in minor units; ``None`` where none came before.

    Raises:
        UsageError: What is no condition.
        CurrencyMismatchError: A threshold in another currency than the basket's.
    """
    refusals = unmet(condition, situation, left=left)
    return Refused(refusals) if refusals else Accepted(_evidence(condition, situation, left))


def holds(condition: Condition, situation: Situation, *, left: Left = None) -> bool:
    """Say whether a condition is met, and not why: the quickest way to ask.

    Args:
        condition: Any of the union.
        situation: What is the case.
        left: What the offers before have left of each group, in minor units; ``None`` where none came before.

    Raises:
        UsageError: What is no condition.
        CurrencyMismatchError: A threshold in another currency than the basket's.
    """
    return _holds(check_condition(condition), situation, left)


def unmet(condition: Condition, situation: Situation, *, left: Left = None) -> tuple[Refusal, ...]:
    """List what keeps a condition from holding, in the order of ``Reason``; empty when it holds.

    Of several ways, of which one is enough, the nearest is told: that with the fewest refusals, the first of equals.

    Args:
        condition: Any of the union.
        situation: What is the case.
        left: What the offers before have left of each group, in minor units; ``None`` where none came before.

    Raises:
        UsageError: What is no condition.
        CurrencyMismatchError: A threshold in another currency than the basket's.
    """
    found = _unmet(check_condition(condition), situation, left)
    return tuple(sorted(found, key=lambda refusal: refusal.reason.precedence)) if found else ()


def evidence(condition: Condition, situation: Situation, *, left: Left = None) -> tuple[Evidence, ...]:
    """List why a condition holds, part by part; of several ways the first that does. Empty where it does not hold.

    Args:
        condition: Any of the union.
        situation: What is the case.
        left: What the offers before have left of each group, in minor units; ``None`` where none came before.

    Raises:
        UsageError: What is no condition.
        CurrencyMismatchError: A threshold in another currency than the basket's.
    """
    return _evidence(condition, situation, left) if holds(condition, situation, left=left) else ()


def _holds(condition: Condition, situation: Situation, left: Left) -> bool:
    return _HOLDS[type(condition)](condition, situation, left)


def _unmet(condition: Condition, situation: Situation, left: Left) -> Sequence[Refusal]:
    """List what is unmet, as it stands in the condition."""
    if _holds(condition, situation, left):
        return ()
    match condition:
        case AllOf():
            return [refusal for part in condition.parts for refusal in _unmet(part, situation, left)]
        case AnyOf():
            return min((_unmet(part, situation, left) for part in condition.parts), key=len)
        case single:
            return (_SINGLES[type(single)].refusal(single, situation, left),)


def _evidence(condition: Condition, situation: Situation, left: Left) -> tuple[Evidence, ...]:
    """List why a condition holds that does."""
    match condition:
        case AllOf():
            return tuple(found for part in condition.parts for found in _evidence(part, situation, left))
        case AnyOf():
            return _evidence(next(part for part in condition.parts if _holds(part, situation, left)), situation, left)
        case single:
            return (Evidence(single, _SINGLES[type(single)].seen(single, situation, left)),)


class _Answer(NamedTuple, Generic[C]):
    """How one kind of single condition answers.

    Attributes:
        holds: Whether it is met.
        refusal: Why not; asked only where it is not met.
        seen: What met it; asked only where it is met.
    """

    holds: Callable[[C, Situation, Left], bool]
    refusal: Callable[[C, Situation, Left], Refusal]
    seen: Callable[[C, Situation, Left], dict[str, Detail]]


def _spent(condition: SpendAtLeast, situation: Situation, left: Left) -> int:
    if condition.amount.currency != situation.basket.currency:
        raise CurrencyMismatchError(condition.amount.currency, situation.basket.currency)
    goods = situation.goods.of(condition.of)
    if condition.base is Base.LIST or left is None:
        return goods.list_minor
    return sum([left[place] for place in goods.places])


def _spend_holds(condition: SpendAtLeast, situation: Situation, left: Left) -> bool:
    return _spent(condition, situation, left) >= condition.amount.minor_units


def _spend_refusal(condition: SpendAtLeast, situation: Situation, left: Left) -> Refusal:
    needed = condition.amount.minor_units
    missing = needed - _spent(condition, situation, left)
    details: dict[str, Detail] = {"needed_minor": needed, "missing_minor": missing, "currency": condition.amount.currency}
    return Refusal(Reason.BASKET_BELOW_THRESHOLD, details)


def _spend_seen(condition: SpendAtLeast, situation: Situation, left: Left) -> dict[str, Detail]:
    needed = condition.amount
    found = _spent(condition, situation, left)
    return {"found_minor": found, "needed_minor": needed.minor_units, "currency": needed.currency}


def _units(condition: QuantityAtLeast, situation: Situation) -> int:
    goods = situation.goods.of(condition.of)
    if condition.across is Across.BASKET:
        return goods.units
    alike = Counter[tuple[str, int]]()
    for group in [situation.groups[place] for place in goods.places]:
        alike[group.product_id, group.unit_minor] += group.quantity
    return max(alike.values(), default=0)


def _quantity_holds(condition: QuantityAtLeast, situation: Situation, _: Left) -> bool:
    return _units(condition, situation) >= condition.units


def _quantity_refusal(condition: QuantityAtLeast, situation: Situation, _: Left) -> Refusal:
    missing = condition.units - _units(condition, situation)
    return Refusal(Reason.QUANTITY_BELOW_THRESHOLD, {"needed_units": condition.units, "missing_units": missing})


def _quantity_seen(condition: QuantityAtLeast, situation: Situation, _: Left) -> dict[str, Detail]:
    return {"found_units": _units(condition, situation), "needed_units": condition.units}


def _products_holds(condition: ProductsAtLeast, situation: Situation, _: Left) -> bool:
    return situation.goods.of(condition.of).products >= condition.products


def _products_refusal(condition: ProductsAtLeast, situation: Situation, _: Left) -> Refusal:
    missing = condition.products - situation.goods.of(condition.of).products
    return Refusal(Reason.PRODUCTS_BELOW_THRESHOLD, {"needed_products": condition.products, "missing_products": missing})


def _products_seen(condition: ProductsAtLeast, situation: Situation, _: Left) -> dict[str, Detail]:
    return {"found_products": situation.goods.of(condition.of).products, "needed_products": condition.products}


def _member_holds(_condition: IsMember, situation: Situation, _: Left) -> bool:
    return situation.is_member


def _member_refusal(_condition: IsMember, _situation: Situation, _: Left) -> Refusal:
    return Refusal(Reason.MEMBER_REQUIRED)


def _member_seen(_condition: IsMember, _situation: Situation, _: Left) -> dict[str, Detail]:
    return {}


def _outside(reason: Reason, name: str, found: str | None, needed: frozenset[str]) -> Refusal:
    """Refuse what is not one of several names; where nothing is known, only those that are needed are told."""
    details: dict[str, Detail] = {"needed": tuple(sorted(needed))}
    return Refusal(reason, details if found is None else {**details, name: found})


def _inside(name: str, found: str | None) -> dict[str, Detail]:
    assert found is not None  # it is one of the names that are needed
    return {name: found}


def _tier_holds(condition: InTier, situation: Situation, _: Left) -> bool:
    return situation.tier in condition.tiers


def _tier_refusal(condition: InTier, situation: Situation, _: Left) -> Refusal:
    return _outside(Reason.TIER_MISMATCH, "tier", situation.tier, condition.tiers)


def _tier_seen(_condition: InTier, situation: Situation, _: Left) -> dict[str, Detail]:
    return _inside("tier", situation.tier)


def _member_tag_holds(condition: MemberTagged, situation: Situation, _: Left) -> bool:
    return not condition.tags.isdisjoint(situation.profile.tags)


def _member_tag_refusal(condition: MemberTagged, _situation: Situation, _: Left) -> Refusal:
    return Refusal(Reason.MEMBER_TAG_MISSING, {"needed": tuple(sorted(condition.tags))})


def _member_tag_seen(condition: MemberTagged, situation: Situation, _: Left) -> dict[str, Detail]:
    return {"tags": tuple(sorted(condition.tags & situation.profile.tags))}


def _market_holds(condition: InMarket, situation: Situation, _: Left) -> bool:
    return situation.market in condition.markets


def _market_refusal(condition: InMarket, situation: Situation, _: Left) -> Refusal:
    return _outside(Reason.MARKET_MISMATCH, "market", situation.market, condition.markets)


def _market_seen(_condition: InMarket, situation: Situation, _: Left) -> dict[str, Detail]:
    return _inside("market", situation.market)


def _channel_holds(condition: ViaChannel, situation: Situation, _: Left) -> bool:
    return situation.basket.channel in condition.channels


def _channel_refusal(condition: ViaChannel, situation: Situation, _: Left) -> Refusal:
    return _outside(Reason.CHANNEL_MISMATCH, "channel", situation.basket.channel, condition.channels)


def _channel_seen(_condition: ViaChannel, situation: Situation, _: Left) -> dict[str, Detail]:
    return _inside("channel", situation.basket.channel)


def _payment_holds(condition: PaidBy, situation: Situation, _: Left) -> bool:
    return situation.basket.payment in condition.payments


def _payment_refusal(condition: PaidBy, situation: Situation, _: Left) -> Refusal:
    return _outside(Reason.PAYMENT_MISMATCH, "payment", situation.basket.payment, condition.payments)


def _payment_seen(_condition: PaidBy, situation: Situation, _: Left) -> dict[str, Detail]:
    return _inside("payment", situation.basket.payment)


def _code_holds(condition: CodePresented, situation: Situation, _: Left) -> bool:
    return condition.folded in situation.codes


def _code_refusal(_condition: CodePresented, _situation: Situation, _: Left) -> Refusal:
    return Refusal(Reason.CODE_MISSING)


def _code_seen(condition: CodePresented, _situation: Situation, _: Left) -> dict[str, Detail]:
    return {"code": condition.code}


def _coupon_holds(condition: CouponHeld, situation: Situation, _: Left) -> bool:
    return condition.campaign_id in situation.coupons


def _coupon_refusal(condition: CouponHeld, _situation: Situation, _: Left) -> Refusal:
    return Refusal(Reason.COUPON_MISSING, {"campaign_id": condition.campaign_id})


def _coupon_seen(condition: CouponHeld, _situation: Situation, _: Left) -> dict[str, Detail]:
    return {"campaign_id": condition.campaign_id}


def _order_holds(condition: NthOrder, situation: Situation, _: Left) -> bool:
    return situation.order_count + 1 == condition.number


def _order_refusal(condition: NthOrder, situation: Situation, _: Left) -> Refusal:
    if condition.number == 1:
        return Refusal(Reason.ORDER_NOT_FIRST, {"order_count": situation.order_count})
    return Refusal(Reason.ORDER_NOT_NTH, {"number": condition.number, "order_count": situation.order_count})


def _order_seen(condition: NthOrder, _situation: Situation, _: Left) -> dict[str, Detail]:
    return {"number": condition.number}


def _time_holds(condition: During, situation: Situation, _: Left) -> bool:
    return condition.holds(situation.at, calendar=situation.calendar)


def _time_refusal(_condition: During, situation: Situation, _: Left) -> Refusal:
    return Refusal(Reason.TIME_MISMATCH, {"at": instant_text(situation.at)})


def _time_seen(_condition: During, situation: Situation, _: Left) -> dict[str, Detail]:
    return {"at": instant_text(situation.at)}


def _points_holds(condition: PointsAtLeast, situation: Situation, _: Left) -> bool:
    return situation.points >= condition.points


def _points_refusal(condition: PointsAtLeast, situation: Situation, _: Left) -> Refusal:
    asked, available = condition.points, situation.points
    details: dict[str, Detail] = {"asked_points": asked, "available_points": available, "missing_points": asked - available}
    return Refusal(Reason.POINTS_INSUFFICIENT, details)


def _points_seen(condition: PointsAtLeast, situation: Situation, _: Left) -> dict[str, Detail]:
    return {"available_points": situation.points, "needed_points": condition.points}


def _past_discount_holds(condition: PastDiscount, situation: Situation, _: Left) -> bool:
    listed = situation.past_list_minor
    return listed > 0 and Fraction(situation.past_discount_minor, listed) >= condition.share.factor


def _past_discount_refusal(condition: PastDiscount, situation: Situation, _: Left) -> Refusal:
    return Refusal(Reason.PAST_DISCOUNT_BELOW, _past_discount_seen(condition, situation, _))


def _past_discount_seen(_condition: PastDiscount, situation: Situation, _: Left) -> dict[str, Detail]:
    return {"past_list_minor": situation.past_list_minor, "past_discount_minor": situation.past_discount_minor}


def _own_holds(condition: OwnCondition, situation: Situation, _: Left) -> bool:
    return check_kind(f"the answer of {condition.own_id!r}", condition.rule.holds(situation), bool)


def _own_refusal(condition: OwnCondition, _situation: Situation, _: Left) -> Refusal:
    return Refusal(Reason.CONDITION_UNMET, {"condition": condition.own_id})


def _own_seen(condition: OwnCondition, _situation: Situation, _: Left) -> dict[str, Detail]:
    return {"condition": condition.own_id}


def _not_holds(condition: Not, situation: Situation, left: Left) -> bool:
    return not _holds(condition.condition, situation, left)


def _not_refusal(condition: Not, _situation: Situation, _: Left) -> Refusal:
    return Refusal(Reason.CONDITION_EXCLUDED, {"condition": _name(condition.condition)})


def _not_seen(condition: Not, _situation: Situation, _: Left) -> dict[str, Detail]:
    return {"condition": _name(condition.condition)}


def _name(condition: Condition) -> str:
    return condition.own_id if isinstance(condition, OwnCondition) else type(condition).__name__


def _all_hold(condition: AllOf, situation: Situation, left: Left) -> bool:
    return all(_holds(part, situation, left) for part in condition.parts)


def _any_holds(condition: AnyOf, situation: Situation, left: Left) -> bool:
    return any(_holds(part, situation, left) for part in condition.parts)


_SINGLES: Final[dict[type, _Answer[Any]]] = {
    SpendAtLeast: _Answer(_spend_holds, _spend_refusal, _spend_seen),
    QuantityAtLeast: _Answer(_quantity_holds, _quantity_refusal, _quantity_seen),
    ProductsAtLeast: _Answer(_products_holds, _products_refusal, _products_seen),
    IsMember: _Answer(_member_holds, _member_refusal, _member_seen),
    InTier: _Answer(_tier_holds, _tier_refusal, _tier_seen),
    MemberTagged: _Answer(_member_tag_holds, _member_tag_refusal, _member_tag_seen),
    InMarket: _Answer(_market_holds, _market_refusal, _market_seen),
    ViaChannel: _Answer(_channel_holds, _channel_refusal, _channel_seen),
    PaidBy: _Answer(_payment_holds, _payment_refusal, _payment_seen),
    CodePresented: _Answer(_code_holds, _code_refusal, _code_seen),
    CouponHeld: _Answer(_coupon_holds, _coupon_refusal, _coupon_seen),
    NthOrder: _Answer(_order_holds, _order_refusal, _order_seen),
    During: _Answer(_time_holds, _time_refusal, _time_seen),
    PointsAtLeast: _Answer(_points_holds, _points_refusal, _points_seen),
    PastDiscount: _Answer(_past_discount_holds, _past_discount_refusal, _past_discount_seen),
    OwnCondition: _Answer(_own_holds, _own_refusal, _own_seen),
    Not: _Answer(_not_holds, _not_refusal, _not_seen),
}
"""Every kind of condition but those that put several together."""

_HOLDS: Final[dict[type, Callable[[Any, Situation, Left], bool]]] = {
    **{kind: answer.holds for kind, answer in _SINGLES.items()},
    AllOf: _all_hold,
    AnyOf: _any_holds,
}
