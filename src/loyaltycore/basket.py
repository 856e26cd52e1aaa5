"""What a shopper is about to buy, and what comes back later.

Invariants:
    1. One currency; prices are 0 or more; quantities at least 1; line ids are unique.
    2. The order of the lines, and one line of two or two lines of one, never decide a price.

>>> basket = Basket.of("EUR", {"helmet": "79.90", "bell": "12.50"})
>>> basket.subtotal
Money.of('92.40', 'EUR')
>>> Basket([Line("1", Money.of("79.90", "EUR"), 2, product_id="helmet", tags=["safety"])]).subtotal
Money.of('159.80', 'EUR')
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Final, final

import attrs

from loyaltycore._checks import check_count, check_kind, check_mapping, check_several, check_whole, shown
from loyaltycore._frozen import FrozenMap
from loyaltycore.errors import CurrencyMismatchError, UsageError
from loyaltycore.identity import check_id, check_slug, labels
from loyaltycore.quantities import Money, exponent_of

__all__ = ["LINES_LIMIT", "QUANTITY_LIMIT", "Basket", "Filter", "Line", "LineUnits", "PriceState", "Return", "UnitGroup"]

LINES_LIMIT: Final = 10_000
"""Lines of one basket; the largest real invoice known to us has 1,114."""

_SHOWN_LINES: Final = 3
"""Lines named in a message."""

QUANTITY_LIMIT: Final = 1_000_000
"""Units of one line; the largest real line known to us has 80,995."""


def _check_price(name: str, price: object) -> Money:
    money = check_kind(name, price, Money)
    if money.minor_units < 0:
        msg = f"{name} must be 0 or more, got {money}"
        raise UsageError(msg)
    return money


@final
@attrs.frozen
class Line:
    """One line of a basket.

    Attributes:
        line_id: The shop's own, unique in the basket.
        unit_price: What one unit costs before offers: the *list* price here.
        quantity: Whole units, 1 to 1,000,000.
        product_id: The shop's own; the line id when not given. Lines of one product, price and set of labels are one to the
            offers.
        categories: The shop's own labels.
        tags: The shop's own labels, such as ``"gift-card"``, that a program may exclude.
        brand: The shop's own word for who makes it; ``None`` if it does not matter.
        regular_price: The crossed-out price where the unit price is already reduced.
        floor_price: No offer takes a unit below this price; ``None`` is no floor but zero. One above the unit price lets no
            offer touch the line.
    """

    line_id: str
    unit_price: Money
    quantity: int = 1
    product_id: str = attrs.field(default=attrs.Factory(lambda self: self.line_id, takes_self=True), kw_only=True)
    categories: frozenset[str] = attrs.field(default=frozenset(), converter=labels, kw_only=True)
    tags: frozenset[str] = attrs.field(default=frozenset(), converter=labels, kw_only=True)
    brand: str | None = attrs.field(default=None, kw_only=True)
    regular_price: Money | None = attrs.field(default=None, kw_only=True)
    floor_price: Money | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check ids, prices and quantity."""
        check_id("line_id", self.line_id)
        check_id("product_id", self.product_id)
        _check_price("unit_price", self.unit_price)
        check_count("quantity", self.quantity, high=QUANTITY_LIMIT)
        if self.regular_price is not None and _check_price("regular_price", self.regular_price) < self.unit_price:
            msg = f"regular_price must be at least the unit price {self.unit_price}, got {self.regular_price}"
            raise UsageError(msg)
        if self.floor_price is not None and _check_price("floor_price", self.floor_price).currency != self.unit_price.currency:
            raise CurrencyMismatchError(self.unit_price.currency, self.floor_price.currency)
        if self.brand is not None:
            check_id("brand", self.brand)
        check_whole("what the line costs in minor units", self.unit_price.minor_units * self.quantity)

    @property
    def list_price(self) -> Money:
        """What the line costs before offers: unit price times quantity."""
        return self.unit_price * self.quantity

    @cached_property
    def _likeness(self) -> tuple[object, ...]:
        """What units must share to be one to the offers, in the order of the groups."""
        regular = -1 if self.regular_price is None else self.regular_price.minor_units
        labels_of = (tuple(sorted(self.tags)), tuple(sorted(self.categories)), self.brand or "")
        return (self.product_id, self.unit_price.minor_units, regular, *labels_of, self._floor_minor)

    @property
    def _floor_minor(self) -> int:
        return 0 if self.floor_price is None else min(self.floor_price.minor_units, self.unit_price.minor_units)

    @cached_property
    def _alone(self) -> UnitGroup:
        """The group it makes where no other line is like it: as it is in most baskets, and again in the next one."""
        return _group([self])


@final
@attrs.frozen
class LineUnits:
    """Which units of a group a line holds.

    Attributes:
        line_id: The line.
        start: Its first unit in the group, counted from 0.
        stop: The first unit after.
    """

    line_id: str
    start: int
    stop: int

    def __attrs_post_init__(self) -> None:
        """Refuse an empty range."""
        check_whole("stop", self.stop, low=1)
        check_whole("start", self.start, low=0, high=self.stop - 1)


@final
@attrs.frozen(kw_only=True)
class UnitGroup:
    """All units of one product, price and set of labels, from however many lines.

    Offers, burns and earnings share out to groups, so that splitting a line changes nothing.

    Attributes:
        product_id: The product.
        unit_minor: List price of one unit in minor units.
        quantity: Units in all.
        categories: The shop's labels.
        tags: The shop's labels.
        brand: Who makes it; ``None`` if it does not matter.
        regular_minor: The crossed-out price of one unit; ``None`` if there is none.
        floor_minor: No offer takes a unit below this; at most ``unit_minor``.
        lines: Which line holds which units, by line id.
    """

    product_id: str
    unit_minor: int
    quantity: int
    categories: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    brand: str | None = None
    regular_minor: int | None = None
    floor_minor: int = 0
    lines: tuple[LineUnits, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Refuse a group of nothing and a price below zero."""
        check_whole("unit_minor", self.unit_minor, low=0)
        check_count("quantity", self.quantity)
        check_whole("floor_minor", self.floor_minor, low=0, high=self.unit_minor)

    @property
    def list_minor(self) -> int:
        """List price of all units."""
        return self.unit_minor * self.quantity

    @cached_property
    def labels(self) -> tuple[tuple[str, str], ...]:
        """All it is known by: its product, categories, tags and brand, each with its kind."""
        return (
            ("product", self.product_id),
            *[("category", category) for category in sorted(self.categories)],
            *[("tag", tag) for tag in sorted(self.tags)],
            *([] if self.brand is None else [("brand", self.brand)]),
        )

    @property
    def is_reduced(self) -> bool:
        """Whether its price is below a crossed-out one."""
        return self.regular_minor is not None and self.regular_minor > self.unit_minor


class PriceState(StrEnum):
    """Which prices a filter means: all, only those that are not reduced, or only those below a crossed-out price."""

    ANY = "any"
    REGULAR = "regular"
    REDUCED = "reduced"


@final
@attrs.frozen(kw_only=True, cache_hash=True)
class Filter:
    """Which goods are meant; what is left out means all.

    Attributes:
        tags: Goods with one of these tags.
        products: These products, by the shop's ids.
        categories: Goods of one of these categories.
        brands: Goods of one of these brands.
        price: By whether their price is reduced.
        price_from: Goods whose unit price is at least this.
        price_to: Goods whose unit price is at most this.
        exclude_tags: None of the goods with one of these tags, whatever else is said.
        exclude_products: None of these products, whatever else is said.

    Example:
        >>> helmet = Basket([Line("1", Money.of("79.90", "EUR"), categories=["helmets"])]).unit_groups()[0]
        >>> Filter(categories=["helmets"], price_from=Money.of("50", "EUR")).takes(helmet)
        True
    """

    tags: frozenset[str] = attrs.field(default=frozenset(), converter=labels)
    products: frozenset[str] = attrs.field(default=frozenset(), converter=labels)
    categories: frozenset[str] = attrs.field(default=frozenset(), converter=labels)
    brands: frozenset[str] = attrs.field(default=frozenset(), converter=labels)
    price: PriceState = PriceState.ANY
    price_from: Money | None = None
    price_to: Money | None = None
    exclude_tags: frozenset[str] = attrs.field(default=frozenset(), converter=labels)
    exclude_products: frozenset[str] = attrs.field(default=frozenset(), converter=labels)

    def __attrs_post_init__(self) -> None:
        """Check the price state and the two bounds."""
        check_kind("price", self.price, PriceState)
        for name, bound in (("price_from", self.price_from), ("price_to", self.price_to)):
            if bound is not None:
                _check_price(name, bound)
        if self.price_from is not None and self.price_to is not None and self.price_to < self.price_from:
            msg = f"price_to must be at least price_from {self.price_from}, got {self.price_to}"
            raise UsageError(msg)

    @property
    def is_open(self) -> bool:
        """Whether nothing is said, so that all is meant."""
        said = self.tags or self.products or self.categories or self.brands or self.exclude_tags or self.exclude_products
        return not said and self.price is PriceState.ANY and self.price_from is None and self.price_to is None

    @cached_property
    def labels(self) -> tuple[tuple[str, str], ...]:
        """Labels of which goods must have one, as ``UnitGroup.labels`` says them; none where any goods may do."""
        for kind, names in (
            ("product", self.products),
            ("brand", self.brands),
            ("category", self.categories),
            ("tag", self.tags),
        ):
            if names:
                return tuple([(kind, name) for name in sorted(names)])
        return ()

    @property
    def bounds(self) -> tuple[Money, ...]:
        """The prices it names: those of a program are all in its currency."""
        return tuple(bound for bound in (self.price_from, self.price_to) if bound is not None)

    def takes(self, group: UnitGroup) -> bool:
        """Say whether goods answer every part that is said: how ``only`` reads it."""
        return (
            (not self.tags or not self.tags.isdisjoint(group.tags))
            and (not self.products or group.product_id in self.products)
            and (not self.categories or not self.categories.isdisjoint(group.categories))
            and (not self.brands or group.brand in self.brands)
            and (self.price is PriceState.ANY or (self.price is PriceState.REDUCED) is group.is_reduced)
            and self._is_within(group)
            and self.exclude_tags.isdisjoint(group.tags)
            and group.product_id not in self.exclude_products
        )

    def hits(self, group: UnitGroup) -> bool:
        """Say whether goods answer any part that is said: how ``exclude`` reads it; a filter that says nothing hits nothing."""
        return (
            self._hits_some(group) and self.exclude_tags.isdisjoint(group.tags) and group.product_id not in self.exclude_products
        )

    def _hits_some(self, group: UnitGroup) -> bool:
        return (
            not self.tags.isdisjoint(group.tags)
            or group.product_id in self.products
            or not self.categories.isdisjoint(group.categories)
            or group.brand in self.brands
            or (self.price is not PriceState.ANY and (self.price is PriceState.REDUCED) is group.is_reduced)
            or (bool(self.bounds) and self._is_within(group))
        )

    def _is_within(self, group: UnitGroup) -> bool:
        """Say whether a unit costs what the two bounds ask."""
        return (self.price_from is None or self.price_from.minor_units <= group.unit_minor) and (
            self.price_to is None or group.unit_minor <= self.price_to.minor_units
        )


def _group(lines: Iterable[Line]) -> UnitGroup:
    ranges, start = list[LineUnits](), 0
    for line in sorted(lines, key=lambda line: line.line_id):
        ranges.append(LineUnits(line.line_id, start, start + line.quantity))
        start += line.quantity
    return UnitGroup(
        product_id=line.product_id,
        unit_minor=line.unit_price.minor_units,
        quantity=start,
        categories=line.categories,
        tags=line.tags,
        brand=line.brand,
        regular_minor=None if line.regular_price is None else line.regular_price.minor_units,
        floor_minor=line._floor_minor,  # noqa: SLF001 - one module
        lines=tuple(ranges),
    )


def _lines(lines: Iterable[Line]) -> tuple[Line, ...]:
    return check_several("lines", lines, Line, limit=LINES_LIMIT)


def _currency_of(lines: tuple[Line, ...], shipping: Money | None) -> str:
    if lines:
        return lines[0].unit_price.currency
    if shipping is not None:
        return check_kind("shipping", shipping, Money).currency
    msg = "currency must be given for a basket without lines or shipping, got none"
    raise UsageError(msg)


@final
@attrs.frozen
class Basket:
    """The lines of a purchase that may still change.

    Attributes:
        lines: At most 10,000.
        shipping: What shipping costs before offers; ``None`` while it is not known.
        market: The shop's own word for where it sells, for conditions.
        channel: The shop's own word for how it sells (web, till).
        payment: The shop's own word for how it is paid, where that is known and an offer asks for it.
        currency: Of all prices; needed only where there is neither a line nor a shipping price to tell it.
    """

    lines: tuple[Line, ...] = attrs.field(converter=_lines)
    shipping: Money | None = attrs.field(default=None, kw_only=True)
    market: str | None = attrs.field(default=None, kw_only=True)
    channel: str | None = attrs.field(default=None, kw_only=True)
    payment: str | None = attrs.field(default=None, kw_only=True)
    currency: str = attrs.field(
        default=attrs.Factory(lambda self: _currency_of(self.lines, self.shipping), takes_self=True), kw_only=True
    )

    def __attrs_post_init__(self) -> None:
        """Check the lines against one another."""
        exponent_of(self.currency)
        prices = [line.unit_price for line in self.lines]
        if self.shipping is not None:
            prices.append(_check_price("shipping", self.shipping))
        for price in prices:
            if price.currency != self.currency:
                raise CurrencyMismatchError(self.currency, price.currency)
        twice = [line_id for line_id, times in Counter(line.line_id for line in self.lines).items() if times > 1]
        if twice:
            msg = f"line_id must be unique in a basket, got {', '.join(map(repr, sorted(twice)[:_SHOWN_LINES]))} more than once"
            raise UsageError(msg)
        shipping_minor = 0 if self.shipping is None else self.shipping.minor_units
        goods_minor = sum(line.unit_price.minor_units * line.quantity for line in self.lines)
        check_whole("what the basket costs in minor units", goods_minor + shipping_minor)
        for name in ("market", "channel", "payment"):
            if getattr(self, name) is not None:
                check_slug(name, getattr(self, name))

    @classmethod
    def of(cls, currency: str, prices: Mapping[str, str | int | Decimal]) -> Basket:
        """Make a basket of single units: ``Basket.of("EUR", {"helmet": "79.90"})``.

        Args:
            currency: Of all prices.
            prices: Price by line id, as ``Money.of`` reads them.

        Raises:
            UsageError: No mapping, or a price that is no amount.
        """
        found = check_mapping("prices", prices, limit=LINES_LIMIT)
        return cls([Line(line_id, Money.of(price, currency)) for line_id, price in found.items()], currency=currency)

    @property
    def subtotal(self) -> Money:
        """The list prices of all lines, without shipping."""
        return Money(sum(line.unit_price.minor_units * line.quantity for line in self.lines), self.currency)

    def unit_groups(self) -> tuple[UnitGroup, ...]:
        """Give the units in their one order: by product, price and labels, whatever the order of the lines.

        Complexity:
            O(n log n) for n lines.
        """
        return self._unit_groups

    def line_groups(self) -> tuple[UnitGroup, ...]:
        """Give each line as a group of its own, in the same order: for offers that speak of lines."""
        lines = sorted(self.lines, key=lambda line: (*line._likeness, line.line_id))  # noqa: SLF001 - one module
        return tuple([line._alone for line in lines])  # noqa: SLF001

    @cached_property
    def _unit_groups(self) -> tuple[UnitGroup, ...]:
        groups: dict[tuple[object, ...], list[Line]] = {}
        for line in self.lines:
            groups.setdefault(line._likeness, []).append(line)  # noqa: SLF001 - one module
        of_each = [groups[key] for key in sorted(groups)]
        return tuple([lines[0]._alone if len(lines) == 1 else _group(lines) for lines in of_each])  # noqa: SLF001


def _units_by_line(lines: Mapping[str, int]) -> FrozenMap[str, int]:
    return FrozenMap(check_mapping("lines", lines, limit=LINES_LIMIT))


@final
@attrs.frozen(kw_only=True)
class Return:
    """What comes back of an order: units of lines, or an amount without goods; and of shipping.

    Attributes:
        lines: Units by line id, each at least 1; empty when an amount is given.
        amount: Money above 0 given back of what was paid for goods, without goods; ``None`` when lines are.
        shipping: Money above 0 given back of shipping, alone or with the rest; ``None`` gives none back.
    """

    lines: FrozenMap[str, int] = attrs.field(default=FrozenMap[str, int](), converter=_units_by_line)
    amount: Money | None = None
    shipping: Money | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse lines with an amount, and empty returns."""
        nothing = not self.lines and self.amount is None and self.shipping is None
        if nothing or (self.lines and self.amount is not None):
            found = f"{shown(dict(self.lines))} and {shown(self.amount)}"
            msg = f"a return must name lines or an amount, one of the two, or shipping alone, got {found}"
            raise UsageError(msg)
        for line_id, units in self.lines.items():
            check_id("line_id", line_id)
            check_count(f"units of line {shown(line_id)}", units, high=QUANTITY_LIMIT)
        for name, money in (("amount", self.amount), ("shipping", self.shipping)):
            if money is not None and _check_price(name, money).minor_units == 0:
                msg = f"{name} must be above 0, got {money}"
                raise UsageError(msg)
