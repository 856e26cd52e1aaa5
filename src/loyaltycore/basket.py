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
from functools import cached_property
from typing import Final, final

import attrs

from loyaltycore._checks import check_count, check_kind, check_mapping, check_several, check_whole, shown
from loyaltycore._frozen import FrozenMap
from loyaltycore.errors import CurrencyMismatchError, UsageError
from loyaltycore.identity import check_id, check_slug, labels
from loyaltycore.quantities import Money, exponent_of

__all__ = ["LINES_LIMIT", "QUANTITY_LIMIT", "Basket", "Line", "LineUnits", "Return", "UnitGroup"]

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
        regular_price: The crossed-out price where the unit price is already reduced.
    """

    line_id: str
    unit_price: Money
    quantity: int = 1
    product_id: str = attrs.field(default=attrs.Factory(lambda self: self.line_id, takes_self=True), kw_only=True)
    categories: frozenset[str] = attrs.field(default=frozenset(), converter=labels, kw_only=True)
    tags: frozenset[str] = attrs.field(default=frozenset(), converter=labels, kw_only=True)
    regular_price: Money | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check ids, price and quantity."""
        check_id("line_id", self.line_id)
        check_id("product_id", self.product_id)
        _check_price("unit_price", self.unit_price)
        check_count("quantity", self.quantity, high=QUANTITY_LIMIT)
        if self.regular_price is not None and _check_price("regular_price", self.regular_price) < self.unit_price:
            msg = f"regular_price must be at least the unit price {self.unit_price}, got {self.regular_price}"
            raise UsageError(msg)
        check_whole("what the line costs in minor units", self.unit_price.minor_units * self.quantity)

    @property
    def list_price(self) -> Money:
        """What the line costs before offers: unit price times quantity."""
        return self.unit_price * self.quantity


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
        regular_minor: The crossed-out price of one unit; ``None`` if there is none.
        lines: Which line holds which units, by line id.
    """

    product_id: str
    unit_minor: int
    quantity: int
    categories: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    regular_minor: int | None = None
    lines: tuple[LineUnits, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Refuse a group of nothing and a price below zero."""
        check_whole("unit_minor", self.unit_minor, low=0)
        check_count("quantity", self.quantity)

    @property
    def list_minor(self) -> int:
        """List price of all units."""
        return self.unit_minor * self.quantity


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
        regular_minor=None if line.regular_price is None else line.regular_price.minor_units,
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
        currency: Of all prices; needed only where there is neither a line nor a shipping price to tell it.
    """

    lines: tuple[Line, ...] = attrs.field(converter=_lines)
    shipping: Money | None = attrs.field(default=None, kw_only=True)
    market: str | None = attrs.field(default=None, kw_only=True)
    channel: str | None = attrs.field(default=None, kw_only=True)
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
        for name in ("market", "channel"):
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

    @cached_property
    def _unit_groups(self) -> tuple[UnitGroup, ...]:
        groups: dict[tuple[object, ...], list[Line]] = {}
        for line in self.lines:
            regular = -1 if line.regular_price is None else line.regular_price.minor_units
            key = (
                line.product_id,
                line.unit_price.minor_units,
                regular,
                tuple(sorted(line.tags)),
                tuple(sorted(line.categories)),
            )
            groups.setdefault(key, []).append(line)
        return tuple(_group(groups[key]) for key in sorted(groups))


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
