"""Benefits: what they take, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore.basket import Filter
from loyaltycore.benefits import (
    BENEFITS_LIMIT,
    AmountOff,
    Benefit,
    BonusPoints,
    BundlePrice,
    BuyGet,
    Fill,
    FixedPrice,
    FreeShipping,
    Gift,
    Level,
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
    Spread,
    Units,
    cheapest_free,
    check_benefit,
    filters_of,
    moneys_of,
    n_for_m,
    singles,
)
from loyaltycore.errors import UsageError
from loyaltycore.periods import Period, Term
from loyaltycore.quantities import Money, Rate, Rounding
from loyaltycore.testing import strategies as public

PERCENTS = st.integers(1, 10_000).map(lambda hundredths: Decimal(hundredths) / 100)
TEN = PercentOff("10")
EURO = Money(100, "EUR")
BELL = Filter(products=["bell"], price_from=Money(7, "EUR"))
SHARES: list[Callable[[Any], Any]] = [
    PercentOff,
    ShippingPercentOff,
    lambda percent: BuyGet(buy=Part(1), get=Part(1), percent=percent),
]


class TestPercent:
    @pytest.mark.parametrize(
        "percent,list_minor,expected",
        [
            ("25", 1999, 500),  # 499.75
            ("10", 4, 0),
            ("10", 5, 1),
            ("50", 1, 1),
            ("2.5", 100, 3),  # 2.5, half up
            ("2.5", 99, 2),
            ("100", 12345, 12345),
            ("0.01", 4999, 0),
            ("0.01", 5000, 1),
            (10, 9240, 924),
            (Decimal("33.3"), 1000, 333),
            ("10", 0, 0),
        ],
    )
    def test_is_rounded_half_up_once(self, percent: str | int | Decimal, list_minor: int, expected: int) -> None:
        """Known answers around the half, of all benefits that have a percentage."""
        assert [make(percent).amount_off(list_minor) for make in SHARES] == [expected] * 3

    @pytest.mark.parametrize("rounding,expected", [("down", 2), ("up", 3), ("half_up", 3), ("half_down", 2), ("half_even", 2)])
    def test_other_roundings(self, rounding: str, expected: int) -> None:
        """Half of 5."""
        way = Rounding(rounding)
        buy_get = BuyGet(buy=Part(1), get=Part(1), percent="50", rounding=way)
        assert PercentOff("50", rounding=way).amount_off(5) == buy_get.amount_off(5) == expected
        assert ShippingPercentOff("50", rounding=way).amount_off(5) == expected

    @pytest.mark.law(20)
    @given(PERCENTS, st.integers(0, 10**9))
    def test_never_gives_more_than_there_is(self, percent: Decimal, list_minor: int) -> None:
        """Between nothing and all, within half a minor unit of the exact share."""
        off = PercentOff(percent).amount_off(list_minor)
        assert 0 <= off <= list_minor
        assert abs(off - Fraction(percent) * list_minor / 100) <= Fraction(1, 2)

    @pytest.mark.law(3)
    @pytest.mark.parametrize("percent", ["0", "100.01", "101", "ten", "", 10.0, True, None, "NaN", Decimal("Infinity")])
    def test_other_percentages_are_refused(self, percent: object) -> None:
        """Above nothing, at most everything, and exact."""
        for make in SHARES:
            with pytest.raises(UsageError, match="percent"):
                make(percent)

    def test_negative_percentages_are_refused(self) -> None:
        """A rate is never below nothing."""
        with pytest.raises(UsageError, match=r"^percent must be "):
            PercentOff("-1")

    @pytest.mark.parametrize(
        "written,kept",
        [("10", "10"), ("10.0", "10"), ("2.50", "2.5"), (100, "100"), (Decimal("1E+1"), "10"), ("010", "10"), ("0.10", "0.1")],
    )
    def test_is_kept_in_one_form(self, written: str, kept: str) -> None:
        """Equal percentages are equal benefits, however they were written."""
        for make in SHARES:
            assert make(written).percent == kept
            assert make(written) == make(kept)
        assert PercentOff(written).rate == Rate.percent(kept)

    def test_excluded_tags(self) -> None:
        """Several labels, as everywhere; they join those that the filter leaves out."""
        assert PercentOff("10", exclude_tags=["a", "a", "b"]).exclude_tags == {"a", "b"}
        for give in (
            PercentOff("10", of=Filter(exclude_tags=["x"]), exclude_tags=["a"]),
            AmountOff(EURO, per=Per.UNIT, of=Filter(exclude_tags=["x"]), exclude_tags=["a"]),
        ):
            assert give.goods == Filter(exclude_tags=["a", "x"])
        assert PercentOff("10", of=BELL).goods is BELL
        with pytest.raises(UsageError):
            PercentOff("10", exclude_tags="low")


REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: PercentOff("10", of="bell"), "of must be"),  # type: ignore[arg-type]
    (lambda: PercentOff("10", units=1), "units must be"),  # type: ignore[arg-type]
    (lambda: PercentOff("10", rounding="up"), "rounding must be"),  # type: ignore[arg-type]
    (lambda: PercentOff("10", rounded_per="line"), "rounded_per must be"),  # type: ignore[arg-type]
    (lambda: PercentOff("10", remainder="first"), "remainder must be"),  # type: ignore[arg-type]
    (lambda: AmountOff(Money(0, "EUR"), per=Per.UNIT), "amount must be Money above 0, got"),
    (lambda: AmountOff(5, per=Per.UNIT), "amount must be Money above 0, got 5"),  # type: ignore[arg-type]
    (lambda: AmountOff(EURO, per="unit"), "per must be"),  # type: ignore[arg-type]
    (lambda: AmountOff(EURO, per=Per.UNIT, of="x"), "of must be"),  # type: ignore[arg-type]
    (lambda: AmountOff(EURO, per=Per.UNIT, units=2), "units must be"),  # type: ignore[arg-type]
    (lambda: AmountOff(EURO, per=Per.UNIT, spread="goods"), "spread must be"),  # type: ignore[arg-type]
    (lambda: AmountOff(EURO, per=Per.UNIT, remainder="last"), "remainder must be"),  # type: ignore[arg-type]
    (
        lambda: AmountOff(EURO, per=Per.BASKET, of=BELL),
        "per must be 'shared' where only some goods share the amount, got 'basket'",
    ),
    (lambda: AmountOff(EURO, per=Per.BASKET, units=Units(at_most=1)), "per must be 'shared' where only some"),
    (lambda: AmountOff(EURO, per=Per.LINE, units=Units(at_most=1)), "per must be 'unit' or 'shared' where only some units"),
    (
        lambda: AmountOff(EURO, per=Per.LINE, spread=Spread.GOODS_AND_SHIPPING),
        "spread must be 'goods' for an amount per line, got 'goods and shipping'",
    ),
    (lambda: AmountOff(EURO, per=Per.UNIT, spread=Spread.GOODS_AND_SHIPPING), "spread must be 'goods' for an amount per unit"),
    (lambda: FixedPrice(Money(-1, "EUR")), "price must be Money of 0 or more, got"),
    (lambda: FixedPrice(5), "price must be Money of 0 or more, got 5"),  # type: ignore[arg-type]
    (lambda: FixedPrice(EURO, of="x"), "of must be"),  # type: ignore[arg-type]
    (lambda: FixedPrice(EURO, units=1), "units must be"),  # type: ignore[arg-type]
    (lambda: Part(0), "units must be a whole number in"),
    (lambda: Part(True), "units must be"),  # noqa: FBT003 - a bool is no number
    (lambda: Part(1, "x"), "of must be"),  # type: ignore[arg-type]
    (lambda: BundlePrice(EURO, parts=[]), "parts must be at least one, got none"),
    (lambda: BundlePrice(EURO, parts=[Part(1)] * (BENEFITS_LIMIT + 1)), "parts must be at most 10"),
    (lambda: BundlePrice(EURO, parts=[1]), "parts"),  # type: ignore[list-item]
    (lambda: BundlePrice(Money(-1, "EUR"), parts=[Part(1)]), "price must be Money of 0 or more"),
    (lambda: BundlePrice(EURO, parts=[Part(1)], times=0), "times must be a whole number in"),
    (lambda: BundlePrice(EURO, parts=[Part(1)], first="dearest"), "first must be"),  # type: ignore[arg-type]
    (lambda: BuyGet(buy=1, get=Part(1)), "buy must be"),  # type: ignore[arg-type]
    (lambda: BuyGet(buy=Part(1), get=1), "get must be"),  # type: ignore[arg-type]
    (lambda: BuyGet(buy=Part(1), get=Part(1), reward="same"), "reward must be"),  # type: ignore[arg-type]
    (
        lambda: BuyGet(buy=Part(1, BELL), get=Part(1), reward=Reward.CHEAPEST_OF_SET),
        "reward must be another than 'cheapest of set' where what is bought and what one gets differ",
    ),
    (lambda: BuyGet(buy=Part(1), get=Part(1), times=0), "times must be a whole number in"),
    (lambda: BuyGet(buy=Part(1), get=Part(1), rounding="up"), "rounding must be"),  # type: ignore[arg-type]
    (lambda: ShippingPercentOff("5", rounding="up"), "rounding must be"),  # type: ignore[arg-type]
    (lambda: ShippingAmountOff(Money(0, "EUR")), "amount must be Money above 0"),
    (lambda: ShippingPrice(Money(-1, "EUR")), "price must be Money of 0 or more"),
    (lambda: Gift(""), "product_id"),
    (lambda: Gift("z", 0), "quantity must be a whole number in"),
    (lambda: Gift("z", fill="add"), "fill must be"),  # type: ignore[arg-type]
    (lambda: BonusPoints(0, expires=None), "points must be a whole number in"),
    (lambda: BonusPoints(5, expires="never"), "expires"),  # type: ignore[arg-type]
    (lambda: PointsTimes(Rate.times("1")), "times must be above 1, got"),
    (lambda: PointsTimes("1"), "times must be above 1, got"),
    (lambda: PointsTimes(2.5), "factor must be"),  # type: ignore[arg-type]
    (lambda: PointsTimes(Rate.times("2"), of="x"), "of must be"),  # type: ignore[arg-type]
    (lambda: NextCoupon("a b"), "coupon_id"),
    (lambda: Several([]), "benefits must be 1 to 10 of this module's single ones"),
    (lambda: Several([TEN] * (BENEFITS_LIMIT + 1)), "benefits must be 1 to 10"),
    (lambda: Several([BonusPoints(1, expires=None), BonusPoints(2, expires=None)]), "benefits must give points on top once"),
    (lambda: Several(5), "benefits must be 1 to 10"),  # type: ignore[arg-type]
    (lambda: Several([Several([TEN])]), "benefits must be 1 to 10"),  # type: ignore[list-item]
    (lambda: SpendLadder({}), "rungs must be 1 to 10"),
    (lambda: SpendLadder([(EURO, TEN), (EURO, TEN)]), "rungs must be 1 to 10"),
    (lambda: SpendLadder({Money(-1, "EUR"): TEN}), "a rung must be Money of 0 or more"),
    (lambda: SpendLadder({5: TEN}), "a rung must be Money"),  # type: ignore[arg-type]
    (lambda: SpendLadder({EURO: Several([TEN])}), "benefits must be"),  # type: ignore[arg-type]
    (lambda: SpendLadder({EURO: TEN}, of="x"), "of must be"),  # type: ignore[arg-type]
    (lambda: SpendLadder({Money(n, "EUR"): TEN for n in range(BENEFITS_LIMIT + 1)}), "rungs must be 1 to 10"),
    (lambda: QuantityLadder({}), "rungs must be 1 to 10"),
    (lambda: QuantityLadder({0: TEN}), "a rung must be a whole number in"),
    (lambda: QuantityLadder([(2, TEN), (2, TEN)]), "rungs must be 1 to 10"),
    (lambda: QuantityLadder({1: "10"}), "benefits must be"),  # type: ignore[arg-type]
    (lambda: QuantityLadder({1: TEN}, of="x"), "of must be"),  # type: ignore[arg-type]
    (lambda: Units(first="cheapest"), "first must be"),  # type: ignore[arg-type]
    (lambda: Units(at_most=0), "at_most must be a whole number in"),
    (lambda: Units(each_at_most=0), "each_at_most must be a whole number in"),
    (lambda: Units(sets_of=0), "sets_of must be a whole number in"),
    (lambda: Units(skip=-1), "skip must be a whole number in"),
    (lambda: Units(every=0), "every must be a whole number in"),
    (lambda: n_for_m(2, 2), "paid must be below units 2, got 2"),
    (lambda: n_for_m(2, 3), "paid must be below units 2, got 3"),
    (lambda: n_for_m(2, 0), "paid must be a whole number in"),
]


class TestRefused:
    @pytest.mark.parametrize("make,message", REFUSED, ids=[message for _, message in REFUSED])
    def test_what_says_nothing_or_two_things(self, make: Callable[[], object], message: str) -> None:
        """Each message names the field, and what it may be."""
        with pytest.raises(UsageError, match=message):
            make()


class TestValues:
    def test_bounds_are_allowed(self) -> None:
        """The least of everything, and as much as there may be."""
        assert len(Several([TEN] * BENEFITS_LIMIT).benefits) == BENEFITS_LIMIT
        assert len(BundlePrice(Money(0, "EUR"), parts=[Part(1)] * BENEFITS_LIMIT, times=1).parts) == BENEFITS_LIMIT
        assert AmountOff(Money(1, "EUR"), per=Per.BASKET, exclude_tags=["low"]).of.is_open
        assert AmountOff(EURO, per=Per.SHARED, of=BELL, spread=Spread.GOODS_AND_SHIPPING).goods == BELL
        assert AmountOff(EURO, per=Per.LINE, of=BELL).goods == BELL
        assert BonusPoints(1, expires=Term(Period(days=1)), pending=Term(Period(days=1))).points == 1
        assert PointsTimes(Rate.times("1.01")).of.is_open
        assert PointsTimes("2") == PointsTimes(2) == PointsTimes(Rate.times("2"))
        assert FixedPrice(Money(0, "EUR")).goods.is_open

    def test_all_units(self) -> None:
        """Nothing said is every unit; one word is not."""
        assert Units().are_all
        for said in ({"first": Pick.DEAREST}, {"at_most": 1}, {"each_at_most": 1}, {"sets_of": 2}, {"skip": 1}, {"every": 2}):
            assert not Units(**said).are_all

    @pytest.mark.parametrize(
        "kind,values",
        [
            (Pick, ["cheapest", "dearest"]),
            (Level, ["offer", "line", "unit"]),
            (Per, ["basket", "shared", "line", "unit"]),
            (Spread, ["goods", "goods and shipping"]),
            (Reward, ["cheapest of set", "cheapest", "dearest", "dearest left", "same"]),
            (Fill, ["add", "missing"]),
        ],
    )
    def test_words(self, kind: type, values: list[str]) -> None:
        """As they are written in files and shown."""
        assert [one.value for one in kind] == values  # type: ignore[attr-defined]

    def test_names_of_kinds(self) -> None:
        """What explains a benefit goes by its kind's name."""
        named: dict[str, Benefit] = {
            "percent_off": TEN,
            "amount_off": AmountOff(EURO, per=Per.UNIT),
            "fixed_price": FixedPrice(EURO),
            "bundle_price": BundlePrice(EURO, parts=[Part(1)]),
            "buy_get": n_for_m(3, 2),
            "free_shipping": FreeShipping(),
            "shipping_percent_off": ShippingPercentOff("5"),
            "shipping_amount_off": ShippingAmountOff(EURO),
            "shipping_price": ShippingPrice(EURO),
            "gift": Gift("z"),
            "bonus_points": BonusPoints(5, expires=None),
            "points_times": PointsTimes(Rate.times("2")),
            "next_coupon": NextCoupon("back"),
            "several": Several([TEN]),
            "ladder": SpendLadder({EURO: TEN}),
        }
        assert {give.text: give for give in named.values()} == named
        assert QuantityLadder({1: TEN}).text == "ladder"

    def test_short_forms(self) -> None:
        """Three for two is two to buy and one to get; the cheapest free is one unit at nothing."""
        assert n_for_m(3, 2, of=BELL, times=4) == BuyGet(buy=Part(2, BELL), get=Part(1, BELL), times=4)
        assert n_for_m(2, 1).reward is Reward.CHEAPEST_OF_SET
        assert BuyGet(buy=Part(1, BELL), get=Part(1)).reward is Reward.CHEAPEST
        assert n_for_m(5, 1) == BuyGet(buy=Part(1), get=Part(4))
        assert cheapest_free(of=BELL) == PercentOff("100", of=BELL, units=Units(at_most=1))


class TestLadders:
    def test_rungs_rise_however_they_were_given(self) -> None:
        """By mapping or in pairs, in any order."""
        twenty = PercentOff("20")
        spend = SpendLadder({EURO: twenty, Money(50, "EUR"): TEN})
        assert spend == SpendLadder([(Money(50, "EUR"), TEN), (EURO, twenty)])
        assert [spend.at(minor) for minor in (0, 49, 50, 99, 100, 10**9)] == [None, None, TEN, TEN, twenty, twenty]
        units = QuantityLadder({5: twenty, 2: TEN})
        assert units == QuantityLadder([(2, TEN), (5, twenty)])
        assert [units.at(count) for count in (1, 2, 4, 5, 99)] == [None, TEN, TEN, twenty, twenty]
        assert SpendLadder({Money(0, "EUR"): TEN}).at(0) is TEN


class TestParts:
    def test_singles(self) -> None:
        """The parts of several, the rungs of a ladder, or the benefit itself."""
        assert list(singles(TEN)) == [TEN]
        assert list(singles(Several([TEN, FreeShipping()]))) == [TEN, FreeShipping()]
        assert list(singles(SpendLadder({EURO: TEN}))) == list(singles(QuantityLadder({2: TEN}))) == [TEN]

    @pytest.mark.parametrize(
        "give,filters",
        [
            (PercentOff("10", of=BELL), (BELL,)),
            (PercentOff("10", exclude_tags=["low"]), (Filter(exclude_tags=["low"]),)),
            (AmountOff(EURO, per=Per.UNIT, of=BELL), (BELL,)),
            (FixedPrice(EURO, of=BELL), (BELL,)),
            (PointsTimes(Rate.times("2"), of=BELL), (BELL,)),
            (BundlePrice(EURO, parts=[Part(1, BELL), Part(2)]), (BELL, Filter())),
            (BuyGet(buy=Part(1, BELL), get=Part(1)), (BELL, Filter())),
            (FreeShipping(), ()),
            (Gift("z"), ()),
        ],
    )
    def test_filters(self, give: Any, filters: tuple[Filter, ...]) -> None:  # noqa: ANN401 - any single benefit
        """The goods it speaks of."""
        assert filters_of(give) == filters

    @pytest.mark.parametrize(
        "give,minors",
        [
            (PercentOff("10", of=BELL), [7]),
            (AmountOff(EURO, per=Per.UNIT, of=BELL), [100, 7]),
            (FixedPrice(EURO), [100]),
            (BundlePrice(EURO, parts=[Part(1, BELL)]), [100, 7]),
            (ShippingPrice(EURO), [100]),
            (ShippingAmountOff(EURO), [100]),
            (BuyGet(buy=Part(1, BELL), get=Part(1, BELL)), [7, 7]),
            (Several([FixedPrice(EURO), TEN, ShippingPrice(EURO)]), [100, 100]),
            (SpendLadder([(EURO, TEN), (Money(200, "EUR"), FixedPrice(Money(3, "EUR")))], of=BELL), [100, 200, 7, 3]),
            (QuantityLadder({2: TEN}, of=BELL), [7]),
            (Gift("z"), []),
        ],
    )
    def test_moneys(self, give: Benefit, minors: list[int]) -> None:
        """Every amount it names."""
        assert [money.minor_units for money in moneys_of(give)] == minors

    @given(public.benefits("KWD"))
    def test_moneys_of_any(self, give: Benefit) -> None:
        """All are of the currency they were made in, and each filter's bounds are among them."""
        moneys = list(moneys_of(give))
        assert {money.currency for money in moneys} <= {"KWD"}
        bounds = [bound for single in singles(give) for only in filters_of(single) for bound in only.bounds]
        assert all(moneys.count(bound) >= bounds.count(bound) for bound in bounds)


class TestCheckBenefit:
    @given(public.benefits())
    def test_takes_those_of_the_union(self, benefit: Benefit) -> None:
        """What an offer can give."""
        assert check_benefit(benefit) is benefit

    @pytest.mark.parametrize("other", ["10", None, PercentOff, Part(1), Units()])
    def test_refuses_the_rest(self, other: object) -> None:
        """A text, nothing, the class itself, a part of one."""
        with pytest.raises(UsageError, match="a benefit must be one of this module's"):
            check_benefit(other)
