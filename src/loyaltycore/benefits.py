"""Benefits: what an offer gives.

A benefit is a value: how much, off which goods, off how many of their units. How it is worked out for a basket, beside the
offers before it, is in ``offers``.

Invariants:
    1. A benefit never gives more than there is: no unit falls below its floor, or below zero.
    2. What is taken off is rounded as the benefit says, and shared out so that the shares sum to it.
    3. Units that earn a reward and units that are the reward are different ones.

>>> PercentOff("10", of=Filter(categories=["helmets"])).text
'percent_off'
>>> three_for_two = n_for_m(3, 2)
>>> three_for_two.buy.units, three_for_two.get.units
(2, 1)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar, Final, TypeAlias, final

import attrs

from loyaltycore._checks import check_count, check_kind, check_several, check_whole, shown
from loyaltycore._goods import ALL_GOODS
from loyaltycore._point_benefits import BonusPoints, NextCoupon, PointsTimes
from loyaltycore.basket import Filter
from loyaltycore.errors import UsageError
from loyaltycore.identity import check_id, labels
from loyaltycore.quantities import Money, Rate, Remainder, Rounding

__all__ = [
    "BENEFITS_LIMIT",
    "SHIPPING_BENEFITS",
    "AmountOff",
    "Benefit",
    "BonusPoints",
    "BundlePrice",
    "BuyGet",
    "Fill",
    "FixedPrice",
    "FreeShipping",
    "Gift",
    "Level",
    "NextCoupon",
    "Part",
    "Per",
    "PercentOff",
    "Pick",
    "PointsTimes",
    "QuantityLadder",
    "Reward",
    "Several",
    "ShippingAmountOff",
    "ShippingPercentOff",
    "ShippingPrice",
    "SpendLadder",
    "Spread",
    "Units",
    "cheapest_free",
    "check_benefit",
    "moneys_of",
    "n_for_m",
    "singles",
]

BENEFITS_LIMIT: Final = 10
"""Benefits of one offer, rungs of one ladder, parts of one bundle: more is a mistake in a file."""

_WHOLE: Final = Rate.percent(100)


def _percent(percent: str | int | Decimal) -> str:
    rate = Rate.percent(percent)
    if not 0 < rate.factor <= _WHOLE.factor:
        msg = f"percent must be above 0 and at most 100, got {percent!r}"
        raise UsageError(msg)
    text = f"{Decimal(percent):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _check_amount(name: str, amount: object, *, low: int = 1) -> None:
    if not isinstance(amount, Money) or amount.minor_units < low:
        msg = f"{name} must be Money {'above 0' if low else 'of 0 or more'}, got {shown(amount)}"
        raise UsageError(msg)


class Pick(StrEnum):
    """Which units come first where not all are meant; equal prices by product."""

    CHEAPEST = "cheapest"
    DEAREST = "dearest"


class Level(StrEnum):
    """What is rounded: the offer's whole, once, and then shared out; or each line; or each unit."""

    OFFER = "offer"
    LINE = "line"
    UNIT = "unit"


class Per(StrEnum):
    """How often an amount is taken off.

    ``BASKET``: once, shared by all goods. ``SHARED``: once, shared by the goods that are meant. ``LINE``: off each line that is
    meant. ``UNIT``: off each unit that is meant.
    """

    BASKET = "basket"
    SHARED = "shared"
    LINE = "line"
    UNIT = "unit"


class Spread(StrEnum):
    """What shares an amount: the goods, or the goods and known shipping."""

    GOODS = "goods"
    GOODS_AND_SHIPPING = "goods and shipping"


@final
@attrs.frozen(kw_only=True)
class Units:
    """How many of the units that are meant, and which: all, unless said.

    Units stand in a row by price, as ``first`` says; then ``skip`` leaves out the first ones, ``every`` takes one in so many,
    and the limits cut what is left.

    Attributes:
        first: From which end they are taken.
        at_most: So many at most; ``None`` no limit.
        each_at_most: So many at most of each product at one price; ``None`` no limit.
        sets_of: Only whole sets of so many: 2 takes complete pairs.
        skip: So many are left out first.
        every: One in so many is taken, beginning with the first: with ``skip=1, every=3`` the second, fifth, eighth.
    """

    first: Pick = Pick.CHEAPEST
    at_most: int | None = None
    each_at_most: int | None = None
    sets_of: int = 1
    skip: int = 0
    every: int = 1

    def __attrs_post_init__(self) -> None:
        """Check the numbers."""
        check_kind("first", self.first, Pick)
        for name in ("at_most", "each_at_most"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        check_count("sets_of", self.sets_of)
        check_whole("skip", self.skip, low=0)
        check_count("every", self.every)

    @cached_property
    def are_all(self) -> bool:
        """Whether nothing is said, so that every unit is meant."""
        return self == _ALL_UNITS


_ALL_UNITS: Final = Units()


@final
@attrs.frozen
class PercentOff:
    """A share off the price of goods.

    Attributes:
        percent: Above 0, at most 100, as text, int or ``Decimal``: ``"10"``, ``"2.5"``.
        of: Off which goods.
        units: Off how many of them.
        exclude_tags: Goods with one of these tags are left out, besides those no offer touches.
        rounding: How a fraction of a minor unit is rounded.
        rounded_per: What is rounded: the whole, once, unless said.
        remainder: Who gets the minor units that are left when the whole is shared out.
    """

    text: ClassVar[str] = "percent_off"
    percent: str = attrs.field(converter=_percent)
    of: Filter = attrs.field(default=ALL_GOODS, kw_only=True)
    units: Units = attrs.field(default=_ALL_UNITS, kw_only=True)
    exclude_tags: frozenset[str] = attrs.field(default=frozenset(), converter=labels, kw_only=True)
    rounding: Rounding = attrs.field(default=Rounding.HALF_UP, kw_only=True)
    rounded_per: Level = attrs.field(default=Level.OFFER, kw_only=True)
    remainder: Remainder = attrs.field(default=Remainder.LARGEST, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the kinds."""
        check_kind("of", self.of, Filter)
        check_kind("units", self.units, Units)
        check_kind("rounding", self.rounding, Rounding)
        check_kind("rounded_per", self.rounded_per, Level)
        check_kind("remainder", self.remainder, Remainder)

    @cached_property
    def goods(self) -> Filter:
        """Which goods are meant, with what it leaves out."""
        return _without(self.of, self.exclude_tags)

    def amount_off(self, minor: int) -> int:
        """Give the discount on an amount, rounded once.

        Args:
            minor: In minor units, at least 0.
        """
        return self.rate.of_whole(minor, rounding=self.rounding)

    @cached_property
    def rate(self) -> Rate:
        """The share."""
        return Rate.percent(self.percent)


def _without(of: Filter, exclude_tags: frozenset[str]) -> Filter:
    return attrs.evolve(of, exclude_tags=of.exclude_tags | exclude_tags) if exclude_tags else of


@final
@attrs.frozen
class AmountOff:
    """An amount off the price of goods; ``per`` says how often.

    Attributes:
        amount: Above 0.
        per: Once for the basket, once shared by some goods, off each line, off each unit.
        of: Off which goods; of ``per`` basket always all.
        units: Off how many of them.
        exclude_tags: Goods with one of these tags are left out, besides those no offer touches.
        spread: Whether shipping takes a share too; only of what is taken off once.
        remainder: Who gets the minor units that are left when it is shared out.
    """

    text: ClassVar[str] = "amount_off"
    amount: Money
    per: Per = attrs.field(kw_only=True)
    of: Filter = attrs.field(default=ALL_GOODS, kw_only=True)
    units: Units = attrs.field(default=_ALL_UNITS, kw_only=True)
    exclude_tags: frozenset[str] = attrs.field(default=frozenset(), converter=labels, kw_only=True)
    spread: Spread = attrs.field(default=Spread.GOODS, kw_only=True)
    remainder: Remainder = attrs.field(default=Remainder.LARGEST, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Refuse what says two things at once."""
        _check_amount("amount", self.amount)
        check_kind("per", self.per, Per)
        check_kind("of", self.of, Filter)
        check_kind("units", self.units, Units)
        check_kind("spread", self.spread, Spread)
        check_kind("remainder", self.remainder, Remainder)
        if self.per is Per.BASKET and not (self.of.is_open and self.units.are_all):
            msg = "per must be 'shared' where only some goods share the amount, got 'basket'"
            raise UsageError(msg)
        if self.per is Per.LINE and not self.units.are_all:
            msg = "per must be 'unit' or 'shared' where only some units are meant, got 'line'"
            raise UsageError(msg)
        if self.spread is Spread.GOODS_AND_SHIPPING and self.per in {Per.LINE, Per.UNIT}:
            msg = f"spread must be 'goods' for an amount per {self.per.value}, got {self.spread.value!r}"
            raise UsageError(msg)

    @classmethod
    def per_basket(cls, amount: Money) -> AmountOff:
        """Take an amount off once, shared by all goods.

        Args:
            amount: Above 0.
        """
        return cls(amount, per=Per.BASKET)

    @cached_property
    def goods(self) -> Filter:
        """Which goods are meant, with what it leaves out."""
        return _without(self.of, self.exclude_tags)


@final
@attrs.frozen
class FixedPrice:
    """A unit costs so much; one that costs less already stays as it is.

    Attributes:
        price: Of one unit, 0 or more.
        of: Of which goods.
        units: Of how many of them.
    """

    text: ClassVar[str] = "fixed_price"
    price: Money
    of: Filter = attrs.field(default=ALL_GOODS, kw_only=True)
    units: Units = attrs.field(default=_ALL_UNITS, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the price."""
        _check_amount("price", self.price, low=0)
        check_kind("of", self.of, Filter)
        check_kind("units", self.units, Units)

    @property
    def goods(self) -> Filter:
        """Which goods are meant."""
        return self.of


@final
@attrs.frozen
class Part:
    """Some units of some goods: what a bundle is made of, what is to be bought, what one gets.

    Attributes:
        units: At least 1.
        of: Of which goods.
    """

    units: int
    of: Filter = ALL_GOODS

    def __attrs_post_init__(self) -> None:
        """Check the number."""
        check_count("units", self.units)
        check_kind("of", self.of, Filter)


def _parts(parts: Iterable[Part]) -> tuple[Part, ...]:
    return check_several("parts", parts, Part, limit=BENEFITS_LIMIT)


@final
@attrs.frozen
class BundlePrice:
    """So many units together cost so much: three for 20.00, or a camera and a lens for 500.00.

    The dearest units are bundled first, unless said; one that would cost more than its units is no bundle, and ends them. A unit
    is in one bundle.

    Attributes:
        price: Of one bundle, 0 or more.
        parts: What one bundle is made of; where parts overlap, the one that fewest units fit is filled first.
        times: So many bundles at most; ``None`` as many as there are.
        first: Which units are bundled first.
    """

    text: ClassVar[str] = "bundle_price"
    price: Money
    parts: tuple[Part, ...] = attrs.field(converter=_parts, kw_only=True)
    times: int | None = attrs.field(default=None, kw_only=True)
    first: Pick = attrs.field(default=Pick.DEAREST, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the price and the parts."""
        _check_amount("price", self.price, low=0)
        check_kind("first", self.first, Pick)
        if not self.parts:
            msg = "parts must be at least one, got none"
            raise UsageError(msg)
        if self.times is not None:
            check_count("times", self.times)


class Reward(StrEnum):
    """Which of the units that one may get.

    ``CHEAPEST_OF_SET``: where one kind of goods is both bought and got; the dearest units make the first set, the next ones the
    second, and in each the cheapest are got, so that more in the basket never costs a set its reward. ``CHEAPEST``: the cheapest
    of all, which leaves the dearer ones to be bought. ``DEAREST``: the dearest. ``DEAREST_LEFT``: the dearest ones are bought,
    and of those that are left the dearest are got. ``SAME``: more of the very product that was bought.
    """

    CHEAPEST_OF_SET = "cheapest of set"
    CHEAPEST = "cheapest"
    DEAREST = "dearest"
    DEAREST_LEFT = "dearest left"
    SAME = "same"


def _usual_reward(buy: Part, get: Part) -> Reward:
    same = check_kind("buy", buy, Part).of == check_kind("get", get, Part).of
    return Reward.CHEAPEST_OF_SET if same else Reward.CHEAPEST


@final
@attrs.frozen(kw_only=True)
class BuyGet:
    """Buy some units, get others cheaper or free, again and again.

    Only whole sets count: with two to buy and one to get, five units hold one set. The units bought and those got are different
    ones, and no unit is used twice.

    Attributes:
        buy: What is bought.
        get: What one gets.
        percent: Off what one gets: 100 is free.
        reward: Which of the units one may get: of each set the cheapest where the same goods are bought and got, or else the
            cheapest, unless said.
        times: So many sets at most; ``None`` as many as there are.
        rounding: How a fraction of a minor unit is rounded.
    """

    text: ClassVar[str] = "buy_get"
    buy: Part
    get: Part
    percent: str = attrs.field(default="100", converter=_percent)
    reward: Reward = attrs.field(default=attrs.Factory(lambda self: _usual_reward(self.buy, self.get), takes_self=True))
    times: int | None = None
    rounding: Rounding = Rounding.HALF_UP

    def __attrs_post_init__(self) -> None:
        """Check the parts."""
        check_kind("buy", self.buy, Part)
        check_kind("get", self.get, Part)
        check_kind("reward", self.reward, Reward)
        if self.reward is Reward.CHEAPEST_OF_SET and self.buy.of != self.get.of:
            msg = "reward must be another than 'cheapest of set' where what is bought and what one gets differ"
            raise UsageError(msg)
        check_kind("rounding", self.rounding, Rounding)
        if self.times is not None:
            check_count("times", self.times)

    def amount_off(self, minor: int) -> int:
        """Give the discount on what one gets, rounded once.

        Args:
            minor: In minor units, at least 0.
        """
        return Rate.percent(self.percent).of_whole(minor, rounding=self.rounding)


@final
@attrs.frozen
class FreeShipping:
    """Shipping costs nothing."""

    text: ClassVar[str] = "free_shipping"


@final
@attrs.frozen
class ShippingPercentOff:
    """A share off shipping.

    Attributes:
        percent: Above 0, at most 100.
        rounding: How a fraction of a minor unit is rounded.
    """

    text: ClassVar[str] = "shipping_percent_off"
    percent: str = attrs.field(converter=_percent)
    rounding: Rounding = attrs.field(default=Rounding.HALF_UP, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the rounding."""
        check_kind("rounding", self.rounding, Rounding)

    def amount_off(self, minor: int) -> int:
        """Give the discount on shipping, rounded once.

        Args:
            minor: In minor units, at least 0.
        """
        return Rate.percent(self.percent).of_whole(minor, rounding=self.rounding)


@final
@attrs.frozen
class ShippingAmountOff:
    """An amount off shipping, as far as it goes.

    Attributes:
        amount: Above 0.
    """

    text: ClassVar[str] = "shipping_amount_off"
    amount: Money

    def __attrs_post_init__(self) -> None:
        """Check the amount."""
        _check_amount("amount", self.amount)


@final
@attrs.frozen
class ShippingPrice:
    """Shipping costs so much; where it costs less already it stays as it is.

    Attributes:
        price: 0 or more.
    """

    text: ClassVar[str] = "shipping_price"
    price: Money

    def __attrs_post_init__(self) -> None:
        """Check the price."""
        _check_amount("price", self.price, low=0)


class Fill(StrEnum):
    """How a gift comes: always beside what is bought, or so that the basket holds as many, those in it being free."""

    ADD = "add"
    MISSING = "missing"


@final
@attrs.frozen
class Gift:
    """Units of a product, free, where they are in stock.

    Attributes:
        product_id: Which product.
        quantity: How many.
        fill: ``ADD`` puts them beside what is bought; ``MISSING`` frees those in the basket and adds the rest.
    """

    text: ClassVar[str] = "gift"
    product_id: str
    quantity: int = 1
    fill: Fill = attrs.field(default=Fill.ADD, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the product and the number."""
        check_id("product_id", self.product_id)
        check_count("quantity", self.quantity)
        check_kind("fill", self.fill, Fill)


Single: TypeAlias = (
    PercentOff
    | AmountOff
    | FixedPrice
    | BundlePrice
    | BuyGet
    | FreeShipping
    | ShippingPercentOff
    | ShippingAmountOff
    | ShippingPrice
    | Gift
    | BonusPoints
    | PointsTimes
    | NextCoupon
)
"""A benefit that is made of no others."""


SHIPPING_BENEFITS: Final = (FreeShipping, ShippingPercentOff, ShippingAmountOff, ShippingPrice)
"""The benefits that are off shipping alone."""


def _singles(benefits: Iterable[Single]) -> tuple[Single, ...]:
    found = tuple(benefits) if isinstance(benefits, Iterable) else ()
    if not 0 < len(found) <= BENEFITS_LIMIT or not all(isinstance(one, Single) for one in found):
        msg = f"benefits must be 1 to {BENEFITS_LIMIT} of this module's single ones, got {shown(benefits)}"
        raise UsageError(msg)
    return found


def _several(benefits: Iterable[Single]) -> tuple[Single, ...]:
    found = _singles(benefits)
    if sum(isinstance(one, BonusPoints) for one in found) > 1:
        msg = f"benefits must give points on top once, because an order names them after the offer, got {shown(found)}"
        raise UsageError(msg)
    return found


@final
@attrs.frozen
class Several:
    """Several benefits of one offer, given one after the other.

    Attributes:
        benefits: In their order; points on top at most once.
    """

    text: ClassVar[str] = "several"
    benefits: tuple[Single, ...] = attrs.field(converter=_several)


def _rungs(rungs: object) -> list[tuple[Any, Any]]:
    """Take what was given for the rungs of a ladder apart: a mapping, or pairs of a start and a benefit."""
    given = rungs.items() if isinstance(rungs, Mapping) else rungs
    found = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else []
    pairs = [rung for rung in found if isinstance(rung, tuple) and len(rung) == _PAIR]
    starts = [start for start, _ in pairs]
    if len(pairs) < len(found) or not 0 < len(found) <= BENEFITS_LIMIT or any(starts.count(start) > 1 for start in starts):
        msg = f"rungs must be 1 to {BENEFITS_LIMIT} benefits by different starts, got {shown(rungs)}"
        raise UsageError(msg)
    _singles([give for _, give in pairs])
    return pairs


_PAIR: Final = 2
"""A start and a benefit."""


def _spend_rungs(rungs: Mapping[Money, Single] | Iterable[tuple[Money, Single]]) -> tuple[tuple[Money, Single], ...]:
    found = _rungs(rungs)
    for start, _ in found:
        _check_amount("a rung", start, low=0)
    return tuple(sorted(found, key=lambda rung: rung[0].minor_units))


def _quantity_rungs(rungs: Mapping[int, Single] | Iterable[tuple[int, Single]]) -> tuple[tuple[int, Single], ...]:
    found = _rungs(rungs)
    for start, _ in found:
        check_count("a rung", start)
    return tuple(sorted(found, key=lambda rung: rung[0]))


@final
@attrs.frozen
class SpendLadder:
    """The more is spent, the better: the benefit of the highest rung that is reached.

    Attributes:
        rungs: Benefit by the amount it begins at, at list prices; a first rung at 0 is given always.
        of: Which goods count.
    """

    text: ClassVar[str] = "ladder"
    rungs: tuple[tuple[Money, Single], ...] = attrs.field(converter=_spend_rungs)
    of: Filter = attrs.field(default=ALL_GOODS, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the filter."""
        check_kind("of", self.of, Filter)

    def at(self, minor: int) -> Single | None:
        """Give the benefit of an amount; ``None`` below the first rung."""
        reached = [give for start, give in self.rungs if start.minor_units <= minor]
        return reached[-1] if reached else None


@final
@attrs.frozen
class QuantityLadder:
    """The more units, the better: the benefit of the highest rung that is reached.

    Attributes:
        rungs: Benefit by the number of units it begins at.
        of: Which goods count.
    """

    text: ClassVar[str] = "ladder"
    rungs: tuple[tuple[int, Single], ...] = attrs.field(converter=_quantity_rungs)
    of: Filter = attrs.field(default=ALL_GOODS, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the filter."""
        check_kind("of", self.of, Filter)

    def at(self, units: int) -> Single | None:
        """Give the benefit of a number of units; ``None`` below the first rung."""
        reached = [give for start, give in self.rungs if start <= units]
        return reached[-1] if reached else None


Benefit: TypeAlias = Single | Several | SpendLadder | QuantityLadder
"""The closed union of benefits."""


def check_benefit(benefit: object) -> Benefit:
    """Take a benefit of the union.

    Raises:
        UsageError: Anything else.
    """
    if isinstance(benefit, Benefit):
        return benefit
    msg = f"a benefit must be one of this module's, got {shown(benefit)}"
    raise UsageError(msg)


def singles(benefit: Benefit) -> Iterator[Single]:
    """Give the benefits that one is made of: its parts, its rungs, or itself."""
    match benefit:
        case Several():
            yield from benefit.benefits
        case SpendLadder() | QuantityLadder():
            yield from (give for _, give in benefit.rungs)
        case _:
            yield benefit


def moneys_of(benefit: Benefit) -> Iterator[Money]:
    """Give every amount a benefit names: those of a program are all in its currency."""
    if isinstance(benefit, SpendLadder):
        yield from (start for start, _ in benefit.rungs)
    if isinstance(benefit, SpendLadder | QuantityLadder):
        yield from benefit.of.bounds
    for single in singles(benefit):
        match single:
            case AmountOff() | ShippingAmountOff():
                yield single.amount
            case FixedPrice() | BundlePrice() | ShippingPrice():
                yield single.price
            case _:
                pass
        yield from (bound for filtered in filters_of(single) for bound in filtered.bounds)


def filters_of(single: Single) -> tuple[Filter, ...]:
    """Give the filters of a benefit: the goods it speaks of."""
    match single:
        case PercentOff() | AmountOff() | FixedPrice():
            return (single.goods,)
        case PointsTimes():
            return (single.of,)
        case BundlePrice():
            return tuple(part.of for part in single.parts)
        case BuyGet():
            return (single.buy.of, single.get.of)
        case _:
            return ()


def n_for_m(units: int, paid: int, *, of: Filter = ALL_GOODS, times: int | None = None) -> BuyGet:
    """Give so many units for the price of fewer: of each set the cheapest are free.

    Args:
        units: In one set, at least 2.
        paid: Of them, at least 1.
        of: Of which goods.
        times: So many sets at most; ``None`` as many as there are.

    Raises:
        UsageError: As many paid as there are.
    """
    if check_count("paid", paid) >= check_count("units", units):
        msg = f"paid must be below units {units}, got {paid}"
        raise UsageError(msg)
    return BuyGet(buy=Part(paid, of), get=Part(units - paid, of), times=times)


def cheapest_free(*, of: Filter = ALL_GOODS) -> PercentOff:
    """Give the cheapest unit free."""
    return PercentOff("100", of=of, units=Units(at_most=1))
