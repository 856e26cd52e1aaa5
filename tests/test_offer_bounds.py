"""Bounds: no set of offers saves more than they say, whatever was given before."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from loyaltycore import _offer_bounds
from loyaltycore._offer_bounds import Bounds, most_of
from loyaltycore._prices import Prices
from loyaltycore.basket import Basket, Filter, Line
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
    Level,
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
    SpendLadder,
    Spread,
    Units,
)
from loyaltycore.conditions import Situation
from loyaltycore.offers import NO_VIEW, Lane, Mode, Offer, Stacking
from loyaltycore.quantities import Money, Rate, Rounding
from tests.offers_drawn import AT, Case, cases, picking_cases

A, B = Filter(products=["a"]), Filter(products=["b"])


def cents(minor: int) -> Money:
    """Take minor units."""
    return Money(minor, "EUR")


GOODS = Basket([Line("a", cents(99), 2), Line("b", cents(10), 3), Line("c", cents(0))])


def bound(give: Benefit, *, shipping: int = 0, **said: Any) -> int:  # noqa: ANN401 - the fields of an offer
    """Bound what an offer saves of two of 0.99, three of 0.10 and one that is free."""
    situation = Situation(basket=GOODS, at=AT)
    return most_of(Offer("x", give=give, **said), situation.goods, shipping)


def check(case: Case, data: st.DataObject) -> None:
    """Give some offers in their order: from each place on they save no more than the bound said there."""
    book, situation, view = case
    shipping = situation.basket.shipping
    shipping_minor = 0 if shipping is None else shipping.minor_units
    bounds = Bounds(book.offers, situation.goods, shipping_minor)
    prices = Prices(situation.goods, book.stacking, None if shipping is None else shipping_minor)
    said, saved = [bounds.most(prices, 0, 0)], [0]
    left_out = data.draw(st.sets(st.integers(0, len(book.offers) - 1), max_size=2))
    for place, offer in enumerate(book.offers):
        found = None if place in left_out else prices.give(offer, view)
        saved.append(saved[-1] + (0 if found is None else found.discount_minor))
        said.append(bounds.most(prices, place + 1, 0))
    event(f"saved {min(saved[-1], 1)}")
    for most, before in zip(said, saved, strict=True):
        assert saved[-1] - before <= most


class TestLaw:
    @pytest.mark.law(23)
    @settings(max_examples=200)
    @given(cases(mode=Mode.BEST, conditional=False, offers_limit=6), st.data())
    def test_no_set_saves_more(self, case: Case, data: st.DataObject) -> None:
        """Whatever the offers are."""
        check(case, data)

    @pytest.mark.law(23)
    @settings(max_examples=500)
    @given(picking_cases(), st.data())
    def test_no_set_of_picked_units_saves_more(self, case: Case, data: st.DataObject) -> None:
        """Where several offers of a lane pick units of one product, to the cent."""
        check(case, data)


class TestMost:
    @pytest.mark.parametrize(
        "give,most",
        [
            (PercentOff("50"), 114),
            (PercentOff("50", of=A), 99),
            (PercentOff("50", units=Units(at_most=1)), 50),
            (PercentOff("50", units=Units(at_most=3)), 104),
            (PercentOff("25", rounded_per=Level.UNIT, rounding=Rounding.UP), 59),
            (AmountOff(cents(70), per=Per.BASKET), 70),
            (AmountOff(cents(7), per=Per.UNIT), 42),
            (AmountOff(cents(7), per=Per.UNIT, units=Units(at_most=2)), 14),
            (AmountOff(cents(7), per=Per.LINE), 21),
            (FixedPrice(cents(40)), 118),
            (FixedPrice(cents(40), units=Units(at_most=1)), 59),
            (BundlePrice(cents(50), parts=[Part(1, A), Part(1, B)]), 228),
            (BuyGet(buy=Part(1, B), get=Part(1, A), times=1), 99),
            (BuyGet(buy=Part(1, B), get=Part(1, A)), 198),
            (Gift("a", 1), 0),
            (Gift("a", 1, fill=Fill.MISSING), 99),
            (FreeShipping(), 490),
            (ShippingPercentOff("10"), 490),
            (ShippingAmountOff(cents(10)), 490),
            (ShippingPrice(cents(10)), 490),
            (BonusPoints(5, expires=None), 0),
            (PointsTimes(Rate.times("2")), 0),
            (NextCoupon("back"), 0),
            (Several([AmountOff(cents(70), per=Per.BASKET), FreeShipping()]), 560),
            (SpendLadder({cents(228): AmountOff(cents(7), per=Per.BASKET)}), 7),
            (SpendLadder({cents(229): AmountOff(cents(7), per=Per.BASKET)}), 0),
            (QuantityLadder({6: AmountOff(cents(7), per=Per.BASKET)}), 7),
            (QuantityLadder({7: AmountOff(cents(7), per=Per.BASKET)}), 0),
        ],
    )
    def test_table(self, give: Benefit, most: int) -> None:
        """What it would save of list prices, off the dearest units it may mean."""
        assert bound(give, shipping=490) == most

    def test_rounding_may_add(self) -> None:
        """Where it is rounded several times, each time may bring one more."""
        assert bound(PercentOff("33.3", rounded_per=Level.LINE)) >= 33 + 10 + 33
        assert bound(BuyGet(buy=Part(1), get=Part(1), reward=Reward.SAME, percent="50")) >= 50 + 5

    def test_its_own_limit(self) -> None:
        """An offer saves no more than its limit."""
        assert bound(PercentOff("50"), discount_limit=cents(20)) == 20
        assert bound(PercentOff("50"), discount_limit=cents(2000)) == 114


class TestBounds:
    def bounds(self, *offers: Offer, shipping: int | None = None, most: dict[Lane, int] | None = None) -> list[int]:
        """Bound offers before anything was given, from each place on."""
        situation = Situation(basket=GOODS, at=AT)
        ordered = sorted(offers, key=lambda offer: offer.rank)
        found = Bounds(ordered, situation.goods, shipping or 0)
        prices = Prices(situation.goods, Stacking(Mode.BEST, at_most=most or {}), shipping)
        return [found.most(prices, place, 0) for place in range(len(ordered) + 1)]

    def test_a_lane_takes_off_a_unit_once(self) -> None:
        """Two offers of a lane on the same goods save what the better of them does, about; of two lanes both do."""
        two = [Offer("1", give=FixedPrice(cents(9), of=A)), Offer("2", give=FixedPrice(cents(19), of=A))]
        assert self.bounds(*two) == [180, 160, 0]
        other = Offer("3", give=FixedPrice(cents(59), of=A), lane=Lane.PRODUCT)
        assert self.bounds(*two, other) == [198, 180, 160, 0]
        assert self.bounds(*two, most={Lane.BASKET: 2}) == [198, 160, 0]

    def test_shipping_counts_where_an_offer_eases_it(self) -> None:
        """Known shipping, for offers off it; also for an amount that it shares."""
        goods, ship = Offer("1", give=FixedPrice(cents(9), of=A)), Offer("2", give=FreeShipping())
        assert self.bounds(goods, ship, shipping=50) == [230, 50, 0]
        assert self.bounds(goods, shipping=50) == [180, 0]
        shared = Offer("2", give=AmountOff(cents(300), per=Per.BASKET, spread=Spread.GOODS_AND_SHIPPING))
        assert self.bounds(shared, shipping=50) == [278, 0]
        assert self.bounds(ship) == [0, 0]

    def test_what_was_given_is_not_there_any_more(self) -> None:
        """Goods that an offer made cheaper can be made cheaper by less."""
        situation = Situation(basket=GOODS, at=AT)
        first, second = Offer("1", give=PercentOff("90", of=A), lane=Lane.PRODUCT), Offer("2", give=FixedPrice(cents(9), of=A))
        bounds = Bounds([first, second], situation.goods, 0)
        prices = Prices(situation.goods, Stacking(Mode.BEST), None)
        assert bounds.most(prices, 1, 0) == 180
        prices.give(first, NO_VIEW)
        assert bounds.most(prices, 1, 0) == 198 - 178

    def test_a_bound_below_what_is_needed_is_enough(self) -> None:
        """The sum of all is told where it is less than asked for, or where there are too many groups to look at each."""
        situation = Situation(basket=GOODS, at=AT)
        two = [Offer("1", give=FixedPrice(cents(9), of=A)), Offer("2", give=FixedPrice(cents(19), of=A))]
        prices = Prices(situation.goods, Stacking(Mode.BEST), None)
        bounds = Bounds(two, situation.goods, 0)
        assert bounds.most(prices, 0, 341) == 340
        assert bounds.most(prices, 0, 340) == 180

    def test_too_many_groups(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where a table of all groups would be too large the sums are enough."""
        monkeypatch.setattr(_offer_bounds, "_TABLE_LIMIT", 5)
        two = [Offer("1", give=FixedPrice(cents(9), of=A)), Offer("2", give=FixedPrice(cents(19), of=A))]
        assert self.bounds(*two) == [340, 160, 0]
        monkeypatch.setattr(_offer_bounds, "_TABLE_LIMIT", 6)
        assert self.bounds(*two) == [180, 160, 0]
