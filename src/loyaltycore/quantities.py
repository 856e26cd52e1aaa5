"""Money, rates and exact division.

Invariants:
    1. Money is whole minor units of one currency; a float, or an amount finer than the minor unit, is refused.
    2. Every division says how it rounds; parts always sum to the whole.
    3. Two currencies never mix: ``CurrencyMismatchError``.

>>> price = Money.of("12.90", "EUR")
>>> price, price.minor_units, price * 3
(Money.of('12.90', 'EUR'), 1290, Money.of('38.70', 'EUR'))
>>> Rate.percent("10").of(price, rounding=Rounding.HALF_UP)
Money.of('1.29', 'EUR')
>>> allocate(1000, (1, 1, 1))
(334, 333, 333)

Source: minor units after ISO 4217; the remainder rules are those of apportionment (Hamilton's method for ``LARGEST``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final, assert_never, final

import attrs

from loyaltycore._apportion import Remainder, apportion
from loyaltycore._checks import WHOLE_LIMIT, check_kind, check_several, check_whole, shown
from loyaltycore._currencies import EXPONENTS
from loyaltycore.errors import CurrencyMismatchError, UsageError

__all__ = [
    "Money",
    "Over",
    "Rate",
    "Remainder",
    "Rounding",
    "allocate",
    "divide",
    "exponent_of",
    "share_of_units",
    "total",
]

_PARSE_DIGITS_LIMIT: Final = 40
"""More digits than any amount has; longer text is refused before it is computed with."""

_FACTOR_LIMIT: Final = 10**100
"""Of the two halves of a rate: far beyond what text of 40 digits gives, small enough to compute with and to print."""

_DECIMAL: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


class Rounding(StrEnum):
    """How an exact value becomes a whole number; there is no default anywhere."""

    DOWN = "down"
    UP = "up"
    HALF_UP = "half_up"
    HALF_DOWN = "half_down"
    HALF_EVEN = "half_even"


class Over(StrEnum):
    """What happens above a cap: as much as it leaves, or nothing at all."""

    TRUNCATE = "truncate"
    REFUSE = "refuse"


def exponent_of(currency: str) -> int:
    """Give the digits after the decimal point of a currency: 2 for EUR, 0 for JPY, 3 for KWD.

    Raises:
        UsageError: No alphabetic code of ISO 4217.
    """
    exponent = EXPONENTS.get(currency) if isinstance(currency, str) else None
    if exponent is None:
        msg = f"currency must be an ISO 4217 code such as 'EUR', got {shown(currency)}"
        raise UsageError(msg)
    return exponent


def divide(numerator: int, denominator: int, *, rounding: Rounding) -> int:
    """Divide two whole numbers and round as said.

    Args:
        numerator: Any sign.
        denominator: Above zero.
        rounding: ``DOWN`` is towards zero, ``UP`` away from it; the halves differ only at exactly one half.

    Raises:
        UsageError: No whole numbers, a denominator of 0 or less, or no rounding.

    Example:
        >>> [divide(-5, 2, rounding=rounding) for rounding in (Rounding.DOWN, Rounding.UP, Rounding.HALF_EVEN)]
        [-2, -3, -2]
    """
    if not _are_whole(numerator, denominator) or denominator < 1:
        msg = f"numerator and denominator must be whole, denominator above 0, got {shown(numerator)} and {shown(denominator)}"
        raise UsageError(msg)
    check_kind("rounding", rounding, Rounding)
    sign = -1 if numerator < 0 else 1
    whole, rest = divmod(abs(numerator), denominator)
    return sign * (whole + _carry(whole, 2 * rest - denominator, rest, rounding))


def _are_whole(*values: object) -> bool:
    return all(type(value) is int for value in values)


def _carry(whole: int, over_half: int, rest: int, rounding: Rounding) -> int:
    match rounding:
        case Rounding.DOWN:
            return 0
        case Rounding.UP:
            return int(rest > 0)
        case Rounding.HALF_UP:
            return int(over_half >= 0)
        case Rounding.HALF_DOWN:
            return int(over_half > 0)
        case Rounding.HALF_EVEN:
            return int(over_half > 0 or (over_half == 0 and whole % 2 == 1))
    assert_never(rounding)


def allocate(total: int, weights: Sequence[int], *, remainder: Remainder = Remainder.LARGEST) -> tuple[int, ...]:
    """Split a whole number in proportion to weights; the parts always sum to it.

    Args:
        total: What to split, any sign; a negative total is split as the positive one, each part negated.
        weights: Whole numbers of at least 0, in an order the caller fixes: ties go to the earlier part.
        remainder: Who gets what is left after each exact share was cut to whole.

    Returns:
        One part per weight, in their order; with ``LARGEST`` each within one of its exact share.

    Raises:
        UsageError: A negative weight, or no weight above zero for a total that is not zero.

    Complexity:
        O(n log n).

    Example:
        >>> allocate(10, (6, 6, 2)), allocate(10, (6, 6, 2), remainder=Remainder.LAST)
        ((4, 4, 2), (4, 4, 2))
        >>> allocate(100, (1, 1, 1), remainder=Remainder.LAST)
        (33, 33, 34)
    """
    check_kind("remainder", remainder, Remainder)
    if not _are_whole(total) or not isinstance(weights, Sequence) or not _are_whole(*weights):
        msg = f"total and weights must be whole numbers, got {shown(total)} and {shown(weights)}"
        raise UsageError(msg)
    whole = sum(weights)
    if min(weights, default=0) < 0 or (whole == 0 and total != 0):
        msg = f"weights must be 0 or more and not all 0, got {shown(weights)}"
        raise UsageError(msg)
    if total == 0:
        return (0,) * len(weights)
    sign = -1 if total < 0 else 1
    return tuple(sign * part for part in apportion(abs(total), weights, remainder))


def share_of_units(whole: int, quantity: int, *, start: int, stop: int) -> int:
    """Give what the units ``start`` to ``stop`` (exclusive) of a quantity hold of a whole.

    The units hold equal shares, but for the minor units that cannot be split: the last units hold one more. This is fixed
    once and for all, so that units returned one by one give exactly what they give together, and never touch another's share.
    A smaller whole never gives any unit more than a larger one.

    Args:
        whole: What all units hold together, at least 0.
        quantity: How many units there are, at least 1.
        start: First unit, counted from 0.
        stop: First unit after; at most ``quantity``.

    Raises:
        UsageError: Anything outside these ranges.

    Example:
        >>> [share_of_units(11, 3, start=i, stop=i + 1) for i in range(3)]
        [3, 4, 4]
    """
    if not _are_whole(whole, quantity, start, stop) or whole < 0 or not 0 <= start <= stop <= quantity or quantity == 0:
        got = f"{shown(start)} to {shown(stop)} of {shown(quantity)} for {shown(whole)}"
        msg = f"units must be a range within a quantity of 1 or more, for a whole of 0 or more, got {got}"
        raise UsageError(msg)
    each, over = divmod(whole, quantity)
    plain = quantity - over
    return each * (stop - start) + max(0, stop - plain) - max(0, start - plain)


@final
@attrs.frozen(order=False, repr=False)
class Money:
    """An exact amount of one currency.

    Attributes:
        minor_units: The amount in the currency's smallest unit: 1290 is 12.90 EUR, 1290 JPY, 1.290 KWD.
        currency: ISO 4217 alphabetic code, upper case.
    """

    minor_units: int
    currency: str

    def __attrs_post_init__(self) -> None:
        """Refuse floats, bools, amounts past the limit and unknown currencies."""
        check_whole("minor_units", self.minor_units)
        exponent_of(self.currency)

    @classmethod
    def of(cls, amount: str | int | Decimal, currency: str) -> Money:
        """Read an amount as people write it, with a point: ``"12.90"``, ``Decimal("12.9")`` or ``13``.

        Trailing zeros are exact; anything finer than the minor unit is refused, never rounded.

        Raises:
            UsageError: A float, no number, too fine, too large, or an unknown currency.

        Example:
            >>> Money.of("1.500", "EUR"), Money.of("0.5", "KWD").minor_units
            (Money.of('1.50', 'EUR'), 500)
        """
        exponent = exponent_of(currency)
        exact = _exact("amount", amount) * 10**exponent
        if exact.denominator != 1:
            msg = f"amount must have at most {exponent} decimals in {currency}, got {shown(amount)}"
            raise UsageError(msg)
        return cls(exact.numerator, currency)

    @classmethod
    def minor(cls, minor_units: int, currency: str) -> Money:
        """Take an amount already in minor units: ``Money.minor(1290, "EUR")`` is 12.90 EUR."""
        return cls(minor_units, currency)

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Nothing, in a currency."""
        return cls(0, currency)

    @property
    def decimal(self) -> Decimal:
        """The amount as a ``Decimal`` with exactly the currency's decimals, for a ``DecimalField``."""
        # Built from its digits: arithmetic would round to the precision of the caller's decimal context.
        sign, digits, _ = Decimal(self.minor_units).as_tuple()
        return Decimal((sign, digits, -exponent_of(self.currency)))

    def __add__(self, other: Money) -> Money:
        """Add an amount of the same currency."""
        return Money(self.minor_units + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        """Subtract an amount of the same currency; the result may be below zero."""
        return Money(self.minor_units - self._same(other), self.currency)

    def __mul__(self, count: int) -> Money:
        """Take it a whole number of times."""
        return Money(self.minor_units * check_whole("count", count), self.currency)

    __rmul__ = __mul__

    def __neg__(self) -> Money:
        """Turn the sign."""
        return Money(-self.minor_units, self.currency)

    def __lt__(self, other: Money) -> bool:
        """Compare within one currency."""
        return self.minor_units < self._same(other)

    def __le__(self, other: Money) -> bool:
        """Compare within one currency."""
        return self.minor_units <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        """Compare within one currency."""
        return self.minor_units > self._same(other)

    def __ge__(self, other: Money) -> bool:
        """Compare within one currency."""
        return self.minor_units >= self._same(other)

    def __str__(self) -> str:
        """Print plainly, the same everywhere: ``12.90 EUR``."""
        return f"{self.decimal:f} {self.currency}"

    def __repr__(self) -> str:
        """Print as the call that makes it again."""
        return f"Money.of('{self.decimal:f}', '{self.currency}')"

    def _same(self, other: object) -> int:
        money = check_kind("the other amount", other, Money)
        if money.currency != self.currency:
            raise CurrencyMismatchError(self.currency, money.currency)
        return money.minor_units


def total(currency: str, items: Iterable[Money]) -> Money:
    """Add up amounts of one currency; of none it is zero.

    Raises:
        CurrencyMismatchError: An item of another currency.
        UsageError: An item that is no money, an unknown currency, or a sum past the limit.

    Example:
        >>> total("EUR", [Money.of("12.90", "EUR"), Money.of("0.10", "EUR")]), total("EUR", [])
        (Money.of('13.00', 'EUR'), Money.of('0.00', 'EUR'))
    """
    exponent_of(currency)
    whole = 0
    for item in check_several("items", items, Money):
        if item.currency != currency:
            raise CurrencyMismatchError(currency, item.currency)
        whole += item.minor_units
    return Money(whole, currency)


@final
@attrs.frozen
class Rate:
    """An exact factor, at least 0: ``Rate.percent("10")`` is one tenth.

    Attributes:
        factor: The factor as a fraction.
    """

    factor: Fraction

    def __attrs_post_init__(self) -> None:
        """Refuse what is no exact, non-negative fraction, or an absurdly long one."""
        exact = type(self.factor) is Fraction and self.factor >= 0
        if not exact or max(self.factor.numerator, self.factor.denominator) > _FACTOR_LIMIT:
            msg = f"factor must be a Fraction of at least 0 with at most 100 digits, got {shown(self.factor)}"
            raise UsageError(msg)

    @classmethod
    def percent(cls, percent: str | int | Decimal) -> Rate:
        """Read a percentage: ``"10"``, ``"2.5"`` or ``10``.

        Raises:
            UsageError: A float, no number, or below zero.
        """
        return cls(_not_below_zero("percent", percent) / 100)

    @classmethod
    def times(cls, factor: str | int | Decimal) -> Rate:
        """Read a factor: ``"1.5"`` is half as much again.

        Raises:
            UsageError: A float, no number, or below zero.
        """
        return cls(_not_below_zero("factor", factor))

    def of_whole(self, whole: int, *, rounding: Rounding) -> int:
        """Take the rate of a whole number (minor units, points), rounded as said.

        Example:
            >>> Rate.percent("2.5").of_whole(1000, rounding=Rounding.DOWN)
            25
        """
        return divide(check_whole("whole", whole) * self.factor.numerator, self.factor.denominator, rounding=rounding)

    def of(self, money: Money, *, rounding: Rounding) -> Money:
        """Take the rate of an amount, rounded to the minor unit as said."""
        minor_units = check_kind("money", money, Money).minor_units
        return Money(self.of_whole(minor_units, rounding=rounding), money.currency)


def _exact(name: str, value: object) -> Fraction:
    if type(value) is int and abs(value) <= WHOLE_LIMIT:
        return Fraction(value)
    text = str(value) if isinstance(value, str | Decimal) else ""
    if len(text) <= _PARSE_DIGITS_LIMIT:
        if _DECIMAL.fullmatch(text):
            return Fraction(text)
        if isinstance(value, Decimal) and _is_short(value):
            return Fraction(value)
    msg = f"{name} must be a decimal number as text, int or Decimal of at most 40 digits (never float), got {shown(value)}"
    raise UsageError(msg)


def _not_below_zero(name: str, value: object) -> Fraction:
    exact = _exact(name, value)
    if exact < 0:
        msg = f"{name} must be 0 or more, got {shown(value)}"
        raise UsageError(msg)
    return exact


def _is_short(value: Decimal) -> bool:
    """Tell 1E+2 from 1E+999999, which would be written out digit by digit."""
    return value.is_finite() and abs(value.adjusted()) <= _PARSE_DIGITS_LIMIT
