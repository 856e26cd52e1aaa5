"""Money, rates and exact division."""

from __future__ import annotations

import decimal
import operator
import pickle
from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from itertools import count

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loyaltycore._checks import WHOLE_LIMIT
from loyaltycore.errors import CurrencyMismatchError, UsageError
from loyaltycore.quantities import (
    Money,
    Rate,
    Remainder,
    Rounding,
    allocate,
    divide,
    exponent_of,
    share_of_units,
    total,
)
from loyaltycore.testing.strategies import currencies, monies, rates
from tests.odd_values import answers_or_refuses

ROUNDINGS = st.sampled_from(Rounding)
REMAINDERS = st.sampled_from(Remainder)
WEIGHTS = st.lists(st.integers(0, 10_000), min_size=1, max_size=12).filter(any)

# The other names of the same roundings, in an implementation that is not ours.
OF_DECIMAL = {
    Rounding.DOWN: decimal.ROUND_DOWN,
    Rounding.UP: decimal.ROUND_UP,
    Rounding.HALF_UP: decimal.ROUND_HALF_UP,
    Rounding.HALF_DOWN: decimal.ROUND_HALF_DOWN,
    Rounding.HALF_EVEN: decimal.ROUND_HALF_EVEN,
}

# A caller's decimal context that would spoil any arithmetic done in it.
HOSTILE = Context(prec=1, rounding=decimal.ROUND_UP, capitals=0, traps=list(Context().flags))


class TestExponentOf:
    @pytest.mark.parametrize("currency,expected", [("JPY", 0), ("EUR", 2), ("KWD", 3), ("CLF", 4)])
    def test_decimals(self, currency: str, expected: int) -> None:
        """As ISO 4217 says."""
        assert exponent_of(currency) == expected

    @pytest.mark.parametrize("currency", ["eur", "EU", "XAU", "", "€", None, 978, ["EUR"]], ids=count())
    def test_unknown_is_refused(self, currency: str) -> None:
        """Lower case, symbols and numbers are no codes."""
        with pytest.raises(UsageError, match=r"^currency must be an ISO 4217 code such as 'EUR', got"):
            exponent_of(currency)


class TestDivide:
    @pytest.mark.parametrize(
        "rounding,expected",
        [
            (Rounding.DOWN, [-2, -1, -1, 0, 0, 0, 1, 1, 2]),
            (Rounding.UP, [-2, -2, -1, -1, 0, 1, 1, 2, 2]),
            (Rounding.HALF_UP, [-2, -2, -1, -1, 0, 1, 1, 2, 2]),
            (Rounding.HALF_DOWN, [-2, -1, -1, 0, 0, 0, 1, 1, 2]),
            (Rounding.HALF_EVEN, [-2, -2, -1, 0, 0, 0, 1, 2, 2]),
        ],
    )
    def test_halves(self, rounding: Rounding, expected: list[int]) -> None:
        """From -2 to 2 by halves: that is where roundings differ."""
        assert [divide(halves, 2, rounding=rounding) for halves in range(-4, 5)] == expected

    @given(st.integers(-(10**12), 10**12), st.integers(1, 10**6), ROUNDINGS)
    def test_agrees_with_decimal(self, numerator: int, denominator: int, rounding: Rounding) -> None:
        """An implementation that shares no line with ours rounds the same."""
        whole, rest = divmod(numerator, denominator)
        # A Decimal cannot hold a third: 0.25 and 0.75 stand for whatever lies on the same side of one half.
        side = (2 * rest > denominator) - (2 * rest < denominator)
        place = Decimal(0) if rest == 0 else {-1: Decimal("0.25"), 0: Decimal("0.5"), 1: Decimal("0.75")}[side]
        with localcontext(prec=60):
            expected = (whole + place).quantize(Decimal(1), rounding=OF_DECIMAL[rounding])
        assert divide(numerator, denominator, rounding=rounding) == expected

    @given(st.integers(), st.integers(1), ROUNDINGS)
    def test_is_within_one(self, numerator: int, denominator: int, rounding: Rounding) -> None:
        """Less than one away, at most one half away for the halves."""
        error = abs(divide(numerator, denominator, rounding=rounding) - Fraction(numerator, denominator))
        assert error < 1 if rounding in {Rounding.DOWN, Rounding.UP} else error <= Fraction(1, 2)

    @given(st.integers(), st.integers(1), ROUNDINGS)
    def test_sign_does_not_count(self, numerator: int, denominator: int, rounding: Rounding) -> None:
        """A refund rounds as the payment did."""
        assert divide(-numerator, denominator, rounding=rounding) == -divide(numerator, denominator, rounding=rounding)

    @pytest.mark.law(3)
    @pytest.mark.parametrize(
        "numerator,denominator", [(1, 0), (1, -1), (1.5, 2), (1, 2.0), (True, 2), (1, True), ("1", 2), (1, None)]
    )
    def test_whole_numbers_only(self, numerator: int, denominator: int) -> None:
        """No float, no bool, nothing by zero."""
        with pytest.raises(UsageError, match=r"^numerator and denominator must be whole, denominator above 0, got"):
            divide(numerator, denominator, rounding=Rounding.DOWN)

    def test_rounding_is_said(self) -> None:
        """The text of a rounding is no rounding."""
        with pytest.raises(UsageError, match=r"^rounding must be one of down, up"):
            divide(1, 2, rounding="down")  # type: ignore[arg-type]

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(divide, numerator=7, denominator=2, rounding=Rounding.UP)


class TestAllocate:
    @pytest.mark.law(1)
    @given(st.integers(-(10**9), 10**9), WEIGHTS, REMAINDERS)
    @example(10, [6, 6, 2], Remainder.LARGEST)
    @example(1000, [1, 1, 1], Remainder.LARGEST)
    def test_allocation_sums_to_whole(self, whole: int, weights: list[int], remainder: Remainder) -> None:
        """Whoever gets the rest, nothing is lost; 10.00 over three lines once lost a cent (medusa)."""
        assert sum(allocate(whole, weights, remainder=remainder)) == whole

    @pytest.mark.law(1)
    @given(st.integers(-(10**9), 10**9), WEIGHTS)
    def test_largest_remainder_is_within_one(self, whole: int, weights: list[int]) -> None:
        """Each part is less than one minor unit from its exact share."""
        for part, weight in zip(allocate(whole, weights), weights, strict=True):
            assert abs(part - Fraction(whole * weight, sum(weights))) < 1

    @given(st.integers(0, 10**6), WEIGHTS)
    def test_largest_remainder_agrees_with_hamilton(self, whole: int, weights: list[int]) -> None:
        """One unit at a time to whoever is furthest below the exact share, ties to the earlier: the naive way."""
        exact = [Fraction(whole * weight, sum(weights)) for weight in weights]
        parts = [int(share) for share in exact]
        while sum(parts) < whole:
            furthest = max(range(len(parts)), key=lambda i: (exact[i] - parts[i], -i))
            parts[furthest] += 1
        assert allocate(whole, weights) == tuple(parts)

    @given(st.integers(-(10**6), 10**6), WEIGHTS, REMAINDERS)
    def test_what_has_no_weight_gets_nothing(self, whole: int, weights: list[int], remainder: Remainder) -> None:
        """An excluded line never takes the rest, not even as the first or the last."""
        assert all(
            part == 0 for part, weight in zip(allocate(whole, weights, remainder=remainder), weights, strict=True) if not weight
        )

    @given(st.integers(0, 10**6), WEIGHTS, REMAINDERS)
    def test_negative_total_is_the_positive_one_turned(self, whole: int, weights: list[int], remainder: Remainder) -> None:
        """A reversal takes back exactly what was given."""
        turned = tuple(-part for part in allocate(-whole, weights, remainder=remainder))
        assert turned == allocate(whole, weights, remainder=remainder)

    @pytest.mark.parametrize(
        "whole,weights,remainder,expected",
        [
            (100, (1, 1, 1), Remainder.LARGEST, (34, 33, 33)),
            (100, (1, 1, 1), Remainder.FIRST, (34, 33, 33)),
            (100, (1, 1, 1), Remainder.LAST, (33, 33, 34)),
            (101, (1, 1, 1), Remainder.FIRST, (35, 33, 33)),
            (101, (0, 1, 1, 1, 0), Remainder.FIRST, (0, 35, 33, 33, 0)),
            (101, (0, 1, 1, 1, 0), Remainder.LAST, (0, 33, 33, 35, 0)),
            (10, (6, 6, 2), Remainder.LARGEST, (4, 4, 2)),
            (11, (6, 6, 2), Remainder.LARGEST, (5, 5, 1)),
            (0, (0, 0), Remainder.FIRST, (0, 0)),
            (0, (), Remainder.LAST, ()),
            (-5, (1, 1), Remainder.LAST, (-2, -3)),
        ],
    )
    def test_table(self, whole: int, weights: tuple[int, ...], remainder: Remainder, expected: tuple[int, ...]) -> None:
        """Who gets the rest, by hand."""
        assert allocate(whole, weights, remainder=remainder) == expected

    @pytest.mark.parametrize("whole,weights", [(1, ()), (1, (0,)), (5, (3, -1)), (0, (-1,)), (1, (1, -1))])
    def test_impossible_weights(self, whole: int, weights: tuple[int, ...]) -> None:
        """Nothing to share among, or a share below nothing."""
        with pytest.raises(UsageError, match=r"^weights must be 0 or more and not all 0, got"):
            allocate(whole, weights)

    @pytest.mark.law(3)
    @pytest.mark.parametrize(
        "whole,weights", [(1.0, (1,)), (True, (1,)), (1, (1.0,)), (1, (True,)), (1, "12"), (1, {1: 1}), (1, None)]
    )
    def test_whole_numbers_only(self, whole: int, weights: tuple[int, ...]) -> None:
        """No float, no bool, and weights in an order."""
        with pytest.raises(UsageError, match=r"^total and weights must be whole numbers, got"):
            allocate(whole, weights)

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(allocate, total=10, weights=(1, 2), remainder=Remainder.FIRST)


class TestShareOfUnits:
    @given(st.integers(0, 10**6), st.integers(1, 60), st.data())
    def test_parts_sum_to_the_whole(self, whole: int, quantity: int, data: st.DataObject) -> None:
        """Units returned in any two steps give what they give together."""
        cut = data.draw(st.integers(0, quantity))
        halves = share_of_units(whole, quantity, start=0, stop=cut) + share_of_units(whole, quantity, start=cut, stop=quantity)
        assert halves == whole

    @given(st.integers(0, 10**4), st.integers(1, 30), st.data())
    def test_agrees_with_one_unit_at_a_time(self, whole: int, quantity: int, data: st.DataObject) -> None:
        """The naive way: equal parts, the rest one each to the last units."""
        each, over = divmod(whole, quantity)
        units = [each] * (quantity - over) + [each + 1] * over
        start = data.draw(st.integers(0, quantity))
        stop = data.draw(st.integers(start, quantity))
        assert share_of_units(whole, quantity, start=start, stop=stop) == sum(units[start:stop])

    @given(st.integers(0, 10**4), st.integers(0, 10**4), st.integers(1, 30), st.data())
    def test_a_smaller_whole_never_gives_more(self, one: int, other: int, quantity: int, data: st.DataObject) -> None:
        """A discount below the price stays below it on every unit."""
        unit = data.draw(st.integers(0, quantity - 1))
        shares = [share_of_units(whole, quantity, start=unit, stop=unit + 1) for whole in sorted((one, other))]
        assert shares == sorted(shares)

    @pytest.mark.parametrize(
        "whole,quantity,start,stop",
        [(-1, 1, 0, 1), (1, 0, 0, 0), (1, 2, -1, 1), (1, 2, 2, 1), (1, 2, 0, 3), (1.0, 2, 0, 1), (1, 2, False, 1)],
    )
    def test_outside_is_refused(self, whole: int, quantity: int, start: int, stop: int) -> None:
        """A range within the units, of whole numbers."""
        with pytest.raises(UsageError, match=r"^units must be a range within a quantity of 1 or more, for a whole of 0 or more"):
            share_of_units(whole, quantity, start=start, stop=stop)

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(share_of_units, whole=10, quantity=3, start=1, stop=2)


VALID_AMOUNTS = [
    ("12.90", "EUR", 1290),
    ("12.9", "EUR", 1290),
    ("12.90000", "EUR", 1290),
    ("-0.01", "EUR", -1),
    ("+3", "EUR", 300),
    ("0003", "JPY", 3),
    ("3.000", "JPY", 3),
    ("0.001", "KWD", 1),
    ("0.0001", "CLF", 1),
    (13, "EUR", 1300),
    (Decimal("12.9"), "EUR", 1290),
    (Decimal("1E+2"), "EUR", 10_000),
    (Decimal("-1E-2"), "EUR", -1),
    ("92233720368547758.07", "EUR", WHOLE_LIMIT),
    (WHOLE_LIMIT, "JPY", WHOLE_LIMIT),
]

INVALID_AMOUNTS = [
    (12.9, "EUR", "decimal number"),
    (True, "EUR", "decimal number"),
    (None, "EUR", "decimal number"),
    ("", "EUR", "decimal number"),
    ("12,90", "EUR", "decimal number"),
    (" 12.90", "EUR", "decimal number"),
    ("12.90\n", "EUR", "decimal number"),
    ("12.", "EUR", "decimal number"),
    (".5", "EUR", "decimal number"),
    ("1e3", "EUR", "decimal number"),
    ("1/3", "EUR", "decimal number"),
    ("1_000", "EUR", "decimal number"),
    ("١٢", "EUR", "decimal number"),
    ("nan", "EUR", "decimal number"),
    (Decimal("NaN"), "EUR", "decimal number"),
    (Decimal("sNaN"), "EUR", "decimal number"),
    (Decimal("Infinity"), "EUR", "decimal number"),
    (Decimal("1E+999999"), "EUR", "decimal number"),
    (Decimal("1E-999999"), "EUR", "decimal number"),
    (Fraction(1, 2), "EUR", "decimal number"),
    (WHOLE_LIMIT + 1, "JPY", "decimal number"),
    ("0" * 41, "EUR", "decimal number"),
    ("12.905", "EUR", "at most 2 decimals in EUR"),
    ("0.5", "JPY", "at most 0 decimals in JPY"),
    (Decimal("0.0001"), "KWD", "at most 3 decimals in KWD"),
    ("92233720368547758.08", "EUR", "minor_units must be a whole number"),
    ("1", "XAU", "currency must be"),
]


class TestMoney:
    @pytest.mark.parametrize("amount,currency,minor", VALID_AMOUNTS)
    def test_reads_exactly(self, amount: str | int | Decimal, currency: str, minor: int) -> None:
        """Text, whole numbers and Decimals, trailing zeros and all, in any decimal context."""
        assert Money.of(amount, currency).minor_units == minor
        with localcontext(HOSTILE):
            assert Money.of(amount, currency).minor_units == minor

    @pytest.mark.law(3)
    @pytest.mark.parametrize("amount,currency,message", INVALID_AMOUNTS, ids=range(len(INVALID_AMOUNTS)))
    def test_refuses_what_is_not_exact(self, amount: str, currency: str, message: str) -> None:
        """Floats, foreign notations, and anything finer than the minor unit."""
        with pytest.raises(UsageError, match=message):
            Money.of(amount, currency)

    @pytest.mark.law(3)
    @pytest.mark.parametrize("minor_units", [1.0, True, "1", None, WHOLE_LIMIT + 1, -WHOLE_LIMIT - 1])
    def test_minor_units_are_whole(self, minor_units: int) -> None:
        """The same for the constructor and its named factory."""
        for make in (Money, Money.minor):
            with pytest.raises(UsageError, match=r"^minor_units must be a whole number in"):
                make(minor_units, "EUR")

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(Money, minor_units=1, currency="EUR")
        answers_or_refuses(Money.of, amount="1", currency="EUR")
        answers_or_refuses(lambda money: Money.zero("EUR") + money, money=Money.zero("EUR"))
        answers_or_refuses(lambda money: Money.zero("EUR") <= money, money=Money.zero("EUR"))
        answers_or_refuses(lambda count: Money.zero("EUR") * count, count=2)
        answers_or_refuses(total, currency="EUR", items=[Money.zero("EUR")])

    @given(monies(min_minor=-WHOLE_LIMIT, max_minor=WHOLE_LIMIT))
    def test_round_trips(self, money: Money) -> None:
        """Through Decimal, text, repr and pickle, in any decimal context."""
        for context in (Context(), HOSTILE):
            with localcontext(context):
                assert Money.of(money.decimal, money.currency) == money
                assert Money.of(str(money).split()[0], money.currency) == money
                assert eval(repr(money)) == money
        assert pickle.loads(pickle.dumps(money)) == money
        assert -money.decimal.as_tuple().exponent == exponent_of(money.currency)  # type: ignore[operator]  # it is finite

    @pytest.mark.parametrize(
        "money,text",
        [
            (Money.of("12.9", "EUR"), "12.90 EUR"),
            (Money.of("-0.05", "EUR"), "-0.05 EUR"),
            (Money.zero("EUR"), "0.00 EUR"),
            (Money.of("1234567", "JPY"), "1234567 JPY"),
            (Money.of("1", "KWD"), "1.000 KWD"),
        ],
    )
    def test_prints_all_decimals(self, money: Money, text: str) -> None:
        """Plainly, the same everywhere."""
        assert str(money) == text
        amount, currency = text.split()
        assert repr(money) == f"Money.of('{amount}', '{currency}')"

    @given(currencies(), st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9), st.integers(-(10**6), 10**6))
    def test_arithmetic_is_that_of_whole_numbers(self, currency: str, a: int, b: int, count: int) -> None:
        """Plus, minus, times, the sign and the order."""
        left, right = Money(a, currency), Money(b, currency)
        assert (left + right).minor_units == a + b
        assert (left - right).minor_units == a - b
        assert (-left).minor_units == -a
        assert (left * count).minor_units == (count * left).minor_units == a * count
        for compare in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne):
            assert compare(left, right) == compare(a, b)
        assert total(currency, [left, right, left]).minor_units == 2 * a + b
        assert total(currency, []) == Money.zero(currency)

    @pytest.mark.law(2)
    @pytest.mark.parametrize(
        "mix",
        [operator.add, operator.sub, operator.lt, operator.le, operator.gt, operator.ge, lambda a, b: total(a.currency, [a, b])],
    )
    def test_currencies_never_mix(self, mix: Callable[[Money, Money], object]) -> None:
        """Not even nothing of one with nothing of the other; only equality answers."""
        euros, dollars = Money.zero("EUR"), Money.zero("USD")
        with pytest.raises(CurrencyMismatchError, match="got EUR and USD") as caught:
            mix(euros, dollars)
        assert (caught.value.left, caught.value.right) == ("EUR", "USD")
        assert euros != dollars

    @pytest.mark.parametrize("other", [1, 1.5, None, "1.00 EUR", Decimal(1)])
    def test_combines_with_money_only(self, other: Money) -> None:
        """A bare number has no currency."""
        for combine in (operator.add, operator.sub, operator.lt, operator.ge):
            with pytest.raises(UsageError, match=r"^the other amount must be of type Money, got"):
                combine(Money.zero("EUR"), other)

    @pytest.mark.law(3)
    @pytest.mark.parametrize("count", [1.5, True, "2", None, Decimal(2)])
    def test_counts_are_whole(self, count: int) -> None:
        """Half of a price needs a rounding: that is a rate's business."""
        with pytest.raises(UsageError, match=r"^count must be a whole number"):
            Money.of("1", "EUR") * count

    def test_sums_stay_in_bounds(self) -> None:
        """Beyond what a column holds is an error, not a wrap."""
        most = Money(WHOLE_LIMIT, "EUR")
        sums: list[Callable[[], Money]] = [lambda: most + most, lambda: most * 2, lambda: total("EUR", [most, most])]
        for too_much in sums:
            with pytest.raises(UsageError, match="minor_units must be"):
                too_much()

    def test_total_takes_money_only(self) -> None:
        """A number among the items is a bug."""
        with pytest.raises(UsageError, match=r"^each of items must be of type Money, got 1$"):
            total("EUR", [1])  # type: ignore[list-item]


class TestRate:
    @pytest.mark.parametrize(
        "rate,factor",
        [
            (Rate.percent("10"), Fraction(1, 10)),
            (Rate.percent("2.5"), Fraction(1, 40)),
            (Rate.percent(100), Fraction(1)),
            (Rate.percent(Decimal("0.1")), Fraction(1, 1000)),
            (Rate.percent(0), Fraction(0)),
            (Rate.times("1.5"), Fraction(3, 2)),
            (Rate.times(2), Fraction(2)),
            (Rate(Fraction(1, 3)), Fraction(1, 3)),
        ],
    )
    def test_reads_exactly(self, rate: Rate, factor: Fraction) -> None:
        """A tenth is a tenth, not 0.1000000000000000055."""
        assert rate.factor == factor
        assert eval(repr(rate)) == rate
        assert pickle.loads(pickle.dumps(rate)) == rate

    @pytest.mark.law(3)
    @pytest.mark.parametrize("value", [0.1, True, "-1", -1, "ten", None, Decimal("-0.1")])
    def test_refuses_floats_and_less_than_nothing(self, value: str) -> None:
        """As a percentage and as a factor."""
        reads: list[Callable[[str], Rate]] = [Rate.percent, Rate.times]
        for read in reads:
            with pytest.raises(UsageError, match=r"^(percent|factor) must be"):
                read(value)

    @pytest.mark.law(3)
    @pytest.mark.parametrize("value", ["-5", -5, Decimal("-0.1")])
    def test_less_than_nothing_is_told_by_name(self, value: str | int | Decimal) -> None:
        """What was given is named, as it was given."""
        for read, name in ((Rate.percent, "percent"), (Rate.times, "factor")):
            with pytest.raises(UsageError) as raised:
                read(value)
            assert str(raised.value) == f"{name} must be 0 or more, got {value!r}"
        assert Rate.percent("-0") == Rate.times("-0.0") == Rate(Fraction(0))

    @pytest.mark.law(3)
    @pytest.mark.parametrize("factor", [0.1, 1, True, "1/3", None, Fraction(-1, 3)])
    def test_factor_is_a_fraction(self, factor: Fraction) -> None:
        """Exactly that type."""
        with pytest.raises(UsageError, match=r"^factor must be a Fraction of at least 0 with at most 100 digits, got"):
            Rate(factor)

    def test_a_decimal_has_a_length(self) -> None:
        """A short way to write a very long number is refused before it is written out."""
        assert Rate.times(Decimal("1E+40")).factor == 10**40
        assert Rate.times(Decimal("1E-40")).factor == Fraction(1, 10**40)
        for too_long in (Decimal("1E+41"), Decimal("1E-41")):
            with pytest.raises(UsageError, match=r"^factor must be a decimal number"):
                Rate.times(too_long)

    def test_factor_has_a_length(self) -> None:
        """A hundred digits above and below, no more."""
        assert Rate(Fraction(10**100, 7)).factor == Fraction(10**100, 7)
        for too_long in (Fraction(10**100 + 1), Fraction(1, 10**100 + 1)):
            with pytest.raises(UsageError, match="at most 100 digits"):
                Rate(too_long)

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(Rate, factor=Fraction(1))
        answers_or_refuses(Rate.percent, percent="1")
        answers_or_refuses(Rate.times, factor="1")
        answers_or_refuses(Rate.percent("10").of, money=Money.zero("EUR"), rounding=Rounding.UP)
        answers_or_refuses(Rate.percent("10").of_whole, whole=10, rounding=Rounding.UP)

    @given(rates(max_percent=300), st.integers(-(10**9), 10**9), ROUNDINGS)
    def test_takes_its_share(self, rate: Rate, minor: int, rounding: Rounding) -> None:
        """Of money as of a plain number, less than one minor unit off."""
        part = rate.of(Money(minor, "EUR"), rounding=rounding)
        assert part.minor_units == rate.of_whole(minor, rounding=rounding)
        assert abs(part.minor_units - minor * rate.factor) < 1
        assert part.currency == "EUR"

    @pytest.mark.law(2)
    @given(rates(), st.integers(0, 10**6), st.integers(1, 1000), ROUNDINGS)
    @example(Rate.percent("10"), 4, 100, Rounding.DOWN)
    def test_scaling_scales_the_share(self, rate: Rate, minor: int, k: int, rounding: Rounding) -> None:
        """K times the price gives k times the share, within k + 1 minor units (10 % of 0.04 is 0, of 4.00 it is 0.40)."""
        small, large = rate.of_whole(minor, rounding=rounding), rate.of_whole(k * minor, rounding=rounding)
        assert abs(large - k * small) <= k + 1

    @pytest.mark.parametrize("minor,expected", [(1999, 500), (1, 0), (2, 1), (-2, -1)])
    def test_a_quarter(self, minor: int, expected: int) -> None:
        """25 % of 19.99 is 5.00 by the half-up rule (one cent off in saleor)."""
        assert Rate.percent("25").of_whole(minor, rounding=Rounding.HALF_UP) == expected
