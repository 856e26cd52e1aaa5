"""Benefits and nudges in a few words: what a shopper gets, off which goods, and how little more it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final, Protocol, assert_never

from loyaltycore.basket import Filter, PriceState
from loyaltycore.benefits import (
    AmountOff,
    Benefit,
    BonusPoints,
    BundlePrice,
    BuyGet,
    Fill,
    FixedPrice,
    FreeShipping,
    Gift,
    NextCoupon,
    Part,
    Per,
    PercentOff,
    PointsTimes,
    QuantityLadder,
    Reward,
    Several,
    ShippingAmountOff,
    ShippingPercentOff,
    ShippingPrice,
    Single,
    SpendLadder,
    Units,
    check_benefit,
    singles,
)
from loyaltycore.conditions import Across
from loyaltycore.messages import Language, name_text, say
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
    def discount_limit(self) -> Money | None:
        """What it takes off at most; ``None`` where nothing limits it."""
        ...

    @property
    def of(self) -> Filter:
        """Which goods are to be added."""
        ...

    @property
    def across(self) -> Across:
        """Whether the units to be added are of one product."""
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
    reward = reward_text(nudge.give, language, discount_limit=nudge.discount_limit)
    if missing is None:
        return say("nudge.add", language, goods=_added(nudge, language), reward=reward)
    goods = goods_text(of, language)
    if goods:
        return say("nudge.spend_on", language, missing=missing, goods=goods, reward=reward)
    match nudge.give:
        case PercentOff("100"):
            return say("nudge.spend", language, missing=missing, reward=reward)
        case PercentOff() if nudge.give.goods.is_open and nudge.give.units.are_all and nudge.discount_limit is None:
            return say("nudge.percent_off", language, missing=missing, percent=Decimal(nudge.give.percent))
        case FreeShipping() if nudge.discount_limit is None:
            return say("nudge.free_shipping", language, missing=missing)
        case _:
            return say("nudge.spend", language, missing=missing, reward=reward)


def _added(nudge: Nudging, language: Language) -> str:
    """Say the units or products that are missing."""
    if nudge.missing_units is None:
        return count_text(nudge.missing_products or 0, nudge.of, language, key="different")
    # Where one product is named, its units are of one product anyway.
    any_product = nudge.across is Across.PRODUCT and len(nudge.of.products) != 1
    return count_text(nudge.missing_units, nudge.of, language, key="one" if any_product else "more")


def reward_text(benefit: Benefit, language: Language = "en", *, discount_limit: Money | None = None) -> str:
    """Say a benefit in a few words, which stand alone and after "for": ``10% off helmets``, ``free shipping``, ``3 for 2``.

    What narrows it is said, and nothing else.

    Args:
        benefit: Any of the union.
        language: ``"en"``, ``"fr"`` or a catalogue.
        discount_limit: What its offer takes off at most; ``None`` where nothing limits it.

    Example:
        >>> reward_text(PercentOff("10", of=Filter(categories=["helmets"])))
        '10% off helmets'
        >>> reward_text(PercentOff("10"), discount_limit=Money.of("5.00", "EUR"))
        '10% off, at most €5.00'
        >>> reward_text(FreeShipping(), "fr")
        'la livraison offerte'
    """
    reward = _reward(check_benefit(benefit), language)
    if discount_limit is None or not _is_cut(benefit, discount_limit):
        return reward
    return say("reward.at_most", language, reward=reward, limit=discount_limit)


def _is_cut(benefit: Benefit, limit: Money) -> bool:
    """Say whether a benefit could take off more than a limit."""
    most = [_most_off(single) for single in singles(benefit)]
    known = [minor for minor in most if minor is not None]
    whole = sum(known) if isinstance(benefit, Several) else max(known, default=0)
    return len(known) < len(most) or whole > limit.minor_units


def _most_off(single: Single) -> int | None:
    """Say how much a benefit takes off at most, whatever is bought; ``None`` where that depends on it."""
    match single:
        case BonusPoints() | PointsTimes() | NextCoupon():
            return 0
        case Gift():
            return 0 if single.fill is Fill.ADD else None
        case ShippingAmountOff():
            return single.amount.minor_units
        case AmountOff() if single.per in {Per.BASKET, Per.SHARED}:
            return single.amount.minor_units
        case _:
            return None


def _reward(benefit: Benefit, language: Language) -> str:
    match benefit:
        case PercentOff() | AmountOff() | FixedPrice() as priced:
            return _priced(priced, language)
        case BundlePrice() as bundle:
            parts = " + ".join(count_text(part.units, part.of, language) for part in bundle.parts)
            key = "reward.bundle_price" if bundle.price.minor_units else "reward.free_of"
            return _so_often(say(key, language, goods=parts, price=bundle.price), bundle.times, language)
        case BuyGet() as deal:
            return _so_often(_deal(deal, language), deal.times, language)
        case FreeShipping() | ShippingPercentOff() | ShippingAmountOff() | ShippingPrice() as shipping:
            return _shipping(shipping, language)
        case Gift() | BonusPoints() | PointsTimes() | NextCoupon() as extra:
            return _extra(extra, language)
        case Several() as several:
            return list_text([_reward(one, language) for one in several.benefits], language, last="reward.and")
        case SpendLadder() | QuantityLadder() as ladder:
            return ", ".join(_rung(ladder, start, _reward(give, language), language) for start, give in ladder.rungs)
        case never:
            assert_never(never)


def _so_often(reward: str, times: int | None, language: Language) -> str:
    """Say how often sets give something at most."""
    if times is None:
        return reward
    return say("reward.once" if times == 1 else "reward.at_most_times", language, reward=reward, times=times)


def _priced(benefit: PercentOff | AmountOff | FixedPrice, language: Language) -> str:
    """Say what goods cost less, and which."""
    goods = goods_text(benefit.goods, language)
    meant = _target(benefit.units, goods, language) or goods
    of = "_of" if meant else ""
    if _is_free(benefit):
        if benefit.units == Units(at_most=1):
            return say(f"reward.cheapest_free{'_of' if goods else ''}", language, goods=goods)
        # Behind a comma the word would belong to what stands there alone.
        more = "_too" if len(list(_narrowed(benefit.units))) > 1 else of
        return say(f"reward.free{more}", language, goods=meant)
    match benefit:
        case PercentOff():
            return say(f"reward.percent_off{of}", language, percent=Decimal(benefit.percent), goods=meant)
        case FixedPrice():
            return say(f"reward.fixed_price{of}", language, price=benefit.price, goods=meant)
        case AmountOff():
            each = f"_{benefit.per.value}" if benefit.per in {Per.UNIT, Per.LINE} else ""
            return say(f"reward.amount_off{each}{of}", language, amount=benefit.amount, goods=meant)
        case never:
            assert_never(never)


def _is_free(benefit: PercentOff | AmountOff | FixedPrice) -> bool:
    """Say whether units cost nothing: a share of everything, or a price of nothing."""
    match benefit:
        case PercentOff():
            return benefit.percent == "100"
        case FixedPrice():
            return benefit.price.minor_units == 0
        case _:
            return False


def _target(units: Units, goods: str, language: Language) -> str:
    """Say which units are meant; nothing where all are."""
    said = ""
    for kind, count in _narrowed(units):
        if said:
            said = say(f"target.{kind}_too", language, units=count, goods=said)
        else:
            said = say(f"target.{kind}{'_of' if goods else ''}", language, units=count, goods=goods)
    return said


def _narrowed(units: Units) -> Iterator[tuple[str, int]]:
    """Give the words for all that narrows a choice of units, each with its number."""
    end = units.first.value
    if units == Units(first=units.first, at_most=units.at_most):
        if units.at_most is not None:
            yield (f"{end}_one" if units.at_most == 1 else end), units.at_most
        return
    if units.every > 1:
        yield "every", units.every
    if units.sets_of > 1:
        yield "sets", units.sets_of
    if units.each_at_most is not None:
        yield "each", units.each_at_most
    if units.at_most is not None:
        yield "most", units.at_most
    if units.skip:
        yield (f"skip_{end}_one" if units.skip == 1 else f"skip_{end}"), units.skip


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
        case FreeShipping() | ShippingPercentOff("100"):
            return say("reward.free_shipping", language)
        case ShippingPrice() if benefit.price.minor_units == 0:
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


def _rung(ladder: SpendLadder | QuantityLadder, start: Money | int, reward: str, language: Language) -> str:
    """Say where a rung begins; nothing where every basket is above it."""
    if isinstance(start, Money):
        goods = goods_text(ladder.of, language)
        key = f"reward.from{'_of' if goods else ''}"
        return say(key, language, reward=reward, start=start, goods=goods) if start.minor_units else reward
    if start == 1 and ladder.of.is_open:
        return reward
    return say("reward.from_units", language, reward=reward, start=count_text(start, ladder.of, language, key="least"))


def goods_text(of: Filter, language: Language = "en") -> str:
    """Name the goods a filter means, in the shop's words: ``helmets by Bell up to €50.00``, ``items not tagged sale``.

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
        key: How they are said: ``"units"``, so many ``"more"``, at ``"least"`` so many, so many of any ``"one"`` product, or so
            many ``"different"`` products.
    """
    named = _named(of, language)
    kind = "units" if not named else "product" if len(of.products) == 1 else "goods"
    return _described(say(f"{key}.{kind}", language, units=units, goods=named), of, language)


def _named(of: Filter, language: Language) -> str:
    """Name products, or else categories."""
    return _any_of((of.products - of.exclude_products) or of.products or of.categories, language)


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
    """Add to goods what a filter says of brand, tag and price, and what it leaves out."""
    if of.brands:
        goods = say("goods.brands", language, goods=goods, brands=_any_of(of.brands, language))
    if of.tags:
        goods = say("goods.tags", language, goods=goods, tags=_any_of(of.tags, language))
    if of.price is not PriceState.ANY:
        goods = say(f"goods.{of.price.value}", language, goods=goods)
    goods = _bounded(goods, of.price_from, of.price_to, language)
    if of.exclude_tags:
        goods = say("goods.except_tags", language, goods=goods, tags=_any_of(of.exclude_tags, language))
    if of.exclude_products and not of.products:
        goods = say("goods.except_products", language, goods=goods, products=_any_of(of.exclude_products, language))
    return goods


def _bounded(goods: str, low: Money | None, high: Money | None, language: Language) -> str:
    """Add to goods what their prices must be."""
    if low is None:
        return goods if high is None else say("goods.price_to", language, goods=goods, price=high)
    if high is None:
        return say("goods.price_from", language, goods=goods, price=low)
    if low == high:
        return say("goods.price_at", language, goods=goods, price=low)
    return say("goods.price_between", language, goods=goods, price=low, price_to=high)
