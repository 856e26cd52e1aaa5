"""Benefits and nudges in a few words: what a shopper gets, off which goods, and how little more it takes."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, Protocol, assert_never

from loyaltycore.basket import Filter, PriceState
from loyaltycore.benefits import (
    AmountOff,
    Benefit,
    BonusPoints,
    BundlePrice,
    BuyGet,
    FixedPrice,
    FreeShipping,
    Gift,
    NextCoupon,
    Part,
    Per,
    PercentOff,
    Pick,
    PointsTimes,
    QuantityLadder,
    Reward,
    Several,
    ShippingAmountOff,
    ShippingPercentOff,
    ShippingPrice,
    SpendLadder,
    Units,
    check_benefit,
)
from loyaltycore.messages import Language, money_text, name_text, say
from loyaltycore.quantities import Money

__all__ = ["count_text", "goods_text", "list_text", "nudge_text", "reward_text"]

_NAMED_LIMIT: Final = 3
"""Products, categories or brands named in one breath; nobody reads more in a nudge."""

_TIMES: Final = {Decimal(2): "reward.points_double", Decimal(3): "reward.points_triple"}


class Nudging(Protocol):
    """What a nudge says: what is missing, of which goods, for which benefit."""

    @property
    def give(self) -> Benefit:
        """What it would give."""
        ...

    @property
    def of(self) -> Filter:
        """Which goods are to be added."""
        ...

    @property
    def missing(self) -> Money | None:
        """How much is to be spent; ``None`` where units or products are missing."""
        ...

    @property
    def missing_units(self) -> int | None:
        """How many units are to be added."""
        ...

    @property
    def missing_products(self) -> int | None:
        """How many other products are to be added."""
        ...


def nudge_text(nudge: Nudging, language: Language = "en") -> str:
    """Say to a shopper how little more gets a reward.

    Args:
        nudge: What is missing, and for what.
        language: ``"en"``, ``"fr"`` or a catalogue.
    """
    of, missing = nudge.of, nudge.missing
    if missing is None:
        if nudge.missing_units is not None:
            added = count_text(nudge.missing_units, of, language, key="more")
        else:
            added = count_text(nudge.missing_products or 0, of, language, key="different")
        return say("nudge.add", language, goods=added, reward=reward_text(nudge.give, language))
    goods = goods_text(of, language)
    if goods:
        return say("nudge.spend_on", language, missing=missing, goods=goods, reward=reward_text(nudge.give, language))
    match nudge.give:
        case PercentOff() if nudge.give.goods.is_open and nudge.give.units.are_all:
            return say("nudge.percent_off", language, missing=missing, percent=Decimal(nudge.give.percent))
        case FreeShipping():
            return say("nudge.free_shipping", language, missing=missing)
        case _:
            return say("nudge.spend", language, missing=missing, reward=reward_text(nudge.give, language))


def reward_text(benefit: Benefit, language: Language = "en") -> str:
    """Say a benefit in a few words, which stand alone and after "for": ``10% off helmets``, ``free shipping``, ``3 for 2``.

    Args:
        benefit: Any of the union.
        language: ``"en"``, ``"fr"`` or a catalogue.

    Example:
        >>> reward_text(PercentOff("10", of=Filter(categories=["helmets"])))
        '10% off helmets'
        >>> reward_text(FreeShipping(), "fr")
        'la livraison offerte'
    """
    match check_benefit(benefit):
        case PercentOff() | AmountOff() | FixedPrice() as priced:
            return _priced(priced, language)
        case BundlePrice() as bundle:
            parts = " + ".join(count_text(part.units, part.of, language) for part in bundle.parts)
            return say("reward.bundle_price", language, goods=parts, price=bundle.price)
        case BuyGet() as deal:
            return _deal(deal, language)
        case FreeShipping() | ShippingPercentOff() | ShippingAmountOff() | ShippingPrice() as shipping:
            return _shipping(shipping, language)
        case Gift() | BonusPoints() | PointsTimes() | NextCoupon() as extra:
            return _extra(extra, language)
        case Several() as several:
            return list_text([reward_text(one, language) for one in several.benefits], language, last="reward.and")
        case SpendLadder() | QuantityLadder() as ladder:
            return ", ".join(
                say("reward.from", language, reward=reward_text(give, language), start=_start(ladder, start, language))
                for start, give in ladder.rungs
            )
        case never:
            assert_never(never)


def _priced(benefit: PercentOff | AmountOff | FixedPrice, language: Language) -> str:
    """Say what goods cost less, and which."""
    goods = goods_text(benefit.of, language)
    meant = _target(benefit.units, goods, language) or goods
    of = "_of" if meant else ""
    match benefit:
        case PercentOff() if benefit.percent == "100" and benefit.units == Units(at_most=1):
            return say(f"reward.cheapest_free{'_of' if goods else ''}", language, goods=goods)
        case PercentOff():
            return say(f"reward.percent_off{of}", language, percent=Decimal(benefit.percent), goods=meant)
        case FixedPrice():
            return say(f"reward.fixed_price{of}", language, price=benefit.price, goods=meant)
        case AmountOff():
            each = f"_{benefit.per.value}" if benefit.per in {Per.UNIT, Per.LINE} else ""
            return say(f"reward.amount_off{each}{of}", language, amount=benefit.amount, goods=meant)
        case never:
            assert_never(never)


def _target(units: Units, goods: str, language: Language) -> str:
    """Say which units are meant; nothing where all are."""
    if units.are_all:
        return ""
    kind, count = _kind_of(units)
    return say(f"target.{kind}{'_of' if goods else ''}", language, units=count, goods=goods)


def _kind_of(units: Units) -> tuple[str, int]:
    """Choose the words for a choice of units, and their number; a choice that says several things is only some units."""
    if units == Units(first=units.first, at_most=units.at_most):
        end = "cheapest" if units.first is Pick.CHEAPEST else "dearest"
        return (f"{end}_one" if units.at_most == 1 else end), units.at_most or 0
    if units == Units(first=units.first, every=units.every, skip=units.skip):
        return ("every", units.every) if units.every > 1 else ("some", 0)
    if units == Units(first=units.first, sets_of=units.sets_of):
        return "sets", units.sets_of
    if units == Units(first=units.first, each_at_most=units.each_at_most):
        return "each", units.each_at_most or 0
    return "some", 0


def _deal(deal: BuyGet, language: Language) -> str:
    """Say what is bought and what one gets."""
    is_free = deal.percent == "100"
    if is_free and deal.buy.of == deal.get.of and deal.reward in {Reward.CHEAPEST, Reward.CHEAPEST_OF_SET}:
        goods = goods_text(deal.buy.of, language)
        units = deal.buy.units + deal.get.units
        return say(f"reward.n_for_m{'_of' if goods else ''}", language, units=units, paid=deal.buy.units, goods=goods)
    got = _got(deal.get, deal.reward, language)
    bought = count_text(deal.buy.units, deal.buy.of, language)
    key = "reward.get_free" if is_free else "reward.get_cheaper"
    return say(key, language, percent=Decimal(deal.percent), got=got, bought=bought)


def _got(part: Part, reward: Reward, language: Language) -> str:
    if reward is Reward.SAME:
        return say("reward.same", language, units=part.units)
    return count_text(part.units, part.of, language)


def _shipping(benefit: FreeShipping | ShippingPercentOff | ShippingAmountOff | ShippingPrice, language: Language) -> str:
    match benefit:
        case FreeShipping():
            return say("reward.free_shipping", language)
        case ShippingPercentOff():
            return say("reward.shipping_percent_off", language, percent=Decimal(benefit.percent))
        case ShippingAmountOff():
            return say("reward.shipping_amount_off", language, amount=benefit.amount)
        case ShippingPrice():
            return say("reward.shipping_price", language, price=benefit.price)
        case never:
            assert_never(never)


def _extra(benefit: Gift | BonusPoints | PointsTimes | NextCoupon, language: Language) -> str:
    """Say what is given besides a lower price."""
    match benefit:
        case Gift():
            key = "reward.gift" if benefit.quantity == 1 else "reward.gifts"
            return say(key, language, units=benefit.quantity, product=name_text(benefit.product_id, language))
        case BonusPoints():
            return say("reward.bonus_points", language, points=benefit.points)
        case PointsTimes():
            return _times(benefit, language)
        case NextCoupon():
            return say("reward.next_coupon", language)
        case never:
            assert_never(never)


def _times(benefit: PointsTimes, language: Language) -> str:
    # A rate is said with two digits at most: a third has no end.
    hundredths = round(benefit.times.factor * 100)
    times = Decimal(f"{hundredths // 100}.{hundredths % 100:02}".rstrip("0").rstrip("."))
    reward = say(_TIMES.get(times, "reward.points_times"), language, times=times)
    goods = goods_text(benefit.of, language)
    return say("reward.points_of", language, reward=reward, goods=goods) if goods else reward


def _start(ladder: SpendLadder | QuantityLadder, start: Money | int, language: Language) -> str:
    """Say where a rung begins."""
    if isinstance(start, Money):
        return money_text(start, language)
    return count_text(start, ladder.of, language)


def goods_text(of: Filter, language: Language = "en") -> str:
    """Name the goods a filter means, in the shop's words: ``helmets by Bell up to €50.00``; what it leaves out is not said.

    Args:
        of: The filter.
        language: ``"en"``, ``"fr"`` or a catalogue.

    Returns:
        Nothing where it means all goods.
    """
    named = _named(of, language)
    whole = say("goods.items", language)
    described = _described(named or whole, of, language)
    return "" if described == whole else described


def count_text(units: int, of: Filter, language: Language = "en", *, key: str = "units") -> str:
    """Say so many units of the goods a filter means: ``2 items from helmets``, ``1 × bell``.

    Args:
        units: How many.
        of: Which goods.
        language: ``"en"``, ``"fr"`` or a catalogue.
        key: How they are said: ``"units"``, ``"more"`` of them, or ``"different"`` products.
    """
    named = _named(of, language)
    kind = "units" if not named else "product" if len(of.products) == 1 else "goods"
    return _described(say(f"{key}.{kind}", language, units=units, goods=named), of, language)


def _named(of: Filter, language: Language) -> str:
    """Name products, or else categories."""
    return _any_of(of.products or of.categories, language)


def _any_of(names: frozenset[str], language: Language) -> str:
    said = [name_text(name, language) for name in sorted(names)]
    if len(said) > _NAMED_LIMIT:
        return ", ".join(said[:_NAMED_LIMIT]) + "…"
    return list_text(said, language, last="goods.or")


def list_text(said: Sequence[str], language: Language, *, last: str) -> str:
    """Join several things; before the last one stands a word.

    Args:
        said: Each of them.
        language: ``"en"``, ``"fr"`` or a catalogue.
        last: The key that joins the last one to those before it.
    """
    if len(said) <= 1:
        return "".join(said)
    *before, end = said
    first = ", ".join(before)
    return say(last, language, goods=first, reward=first, last=end)


def _described(goods: str, of: Filter, language: Language) -> str:
    """Add to goods what a filter says of brand, tag and price."""
    if of.brands:
        goods = say("goods.brands", language, goods=goods, brands=_any_of(of.brands, language))
    if of.tags:
        goods = say("goods.tags", language, goods=goods, tags=_any_of(of.tags, language))
    if of.price is not PriceState.ANY:
        goods = say(f"goods.{of.price.value}", language, goods=goods)
    low, high = of.price_from, of.price_to
    if low is None:
        return goods if high is None else say("goods.price_to", language, goods=goods, price=high)
    if high is None:
        return say("goods.price_from", language, goods=goods, price=low)
    return say("goods.price_between", language, goods=goods, price=low, price_to=high)
