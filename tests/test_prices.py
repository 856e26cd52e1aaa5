"""What each benefit takes off which units, by example; the laws are in the tests of offers."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

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
    n_for_m,
)
from loyaltycore.conditions import Base
from loyaltycore.offers import (
    NO_VIEW,
    AppliedOffer,
    GiftGiven,
    Lane,
    Limits,
    Mode,
    Offer,
    OfferBook,
    Stacking,
    Used,
    View,
)
from loyaltycore.quantities import Money, Over, Rate, Remainder, Rounding
from tests.offers_drawn import AT

A, B = Filter(products=["a"]), Filter(products=["b"])
ALL = Stacking(Mode.ALL)


def cents(minor: int) -> Money:
    """Take minor units."""
    return Money(minor, "EUR")


def line(product: str, minor: int, quantity: int = 1, **said: Any) -> Line:  # noqa: ANN401 - the fields of a line
    """Make a line; its id tells its product and price."""
    return Line(f"{product}-{minor}-{len(said)}", cents(minor), quantity, product_id=product, **said)


def given(
    give: Benefit | list[Offer],
    *lines: Line,
    shipping: int | None = None,
    stacking: Stacking = ALL,
    view: View = NO_VIEW,
    **said: Any,  # noqa: ANN401 - the fields of an offer
) -> list[AppliedOffer]:
    """Give a benefit, or several offers, whatever the search would choose."""
    offers = give if isinstance(give, list) else [Offer("x", give=give, **said)]
    book = OfferBook(offers, stacking=stacking)
    basket = Basket(lines, shipping=None if shipping is None else cents(shipping), currency="EUR")
    prices = book.prices(book.situation(basket, at=AT))
    found = [prices.give(offer, view) for offer in book.offers]
    return [one for one in found if one is not None]


def shares(give: Benefit | list[Offer], *lines: Line, **said: Any) -> list[tuple[int, ...]]:  # noqa: ANN401
    """Give what each offer takes off each group, by product and price."""
    return [one.shares for one in given(give, *lines, **said)]


class TestPercentOff:
    @pytest.mark.parametrize(
        "give,lines,expected",
        [
            (PercentOff("25"), [line("a", 1999)], (500,)),
            (PercentOff("10"), [line("a", 100), line("b", 100), line("c", 100)], (10, 10, 10)),
            (PercentOff("10"), [line("a", 33), line("b", 33), line("c", 34)], (3, 3, 4)),
            (PercentOff("10", of=B), [line("a", 100), line("b", 50)], (0, 5)),
            (PercentOff("10", exclude_tags=["low"]), [line("a", 100, tags=["low"]), line("b", 50)], (0, 5)),
            (PercentOff("50", rounding=Rounding.DOWN), [line("a", 3)], (1,)),
            (PercentOff("50", rounding=Rounding.HALF_EVEN), [line("a", 5)], (2,)),
            (PercentOff("10", rounding=Rounding.UP), [line("a", 1)], (1,)),
            # Per line or per unit a cent is rounded each time.
            (PercentOff("10", rounded_per=Level.OFFER), [line("a", 15, 2), line("b", 15)], (3, 2)),
            (PercentOff("10", rounded_per=Level.LINE), [line("a", 15, 2), line("b", 15)], (3, 2)),
            (PercentOff("10", rounded_per=Level.LINE), [line("a", 4), line("b", 15)], (0, 2)),
            (PercentOff("10", rounded_per=Level.UNIT), [line("a", 15, 2), line("b", 15)], (4, 2)),
            (PercentOff("10", remainder=Remainder.FIRST), [line("a", 15), line("b", 15), line("c", 15)], (3, 1, 1)),
            (PercentOff("10", remainder=Remainder.LAST), [line("a", 15), line("b", 15), line("c", 15)], (1, 1, 3)),
        ],
    )
    def test_table(self, give: PercentOff, lines: list[Line], expected: tuple[int, ...]) -> None:
        """What is rounded, and who gets what is left."""
        assert shares(give, *lines) == [expected]

    @pytest.mark.parametrize(
        "units,expected",
        [
            (Units(), (300, 400, 500)),
            (Units(at_most=1), (100, 0, 0)),
            (Units(at_most=4), (300, 200, 0)),
            (Units(first=Pick.DEAREST, at_most=2), (0, 200, 500)),
            (Units(sets_of=4), (300, 200, 0)),
            (Units(sets_of=7), None),
            (Units(skip=2), (100, 400, 500)),
            (Units(skip=6), None),
            (Units(every=2), (200, 200, 0)),  # the first, third and fifth
            (Units(skip=1, every=3), (100, 200, 0)),  # the second and fifth
            (Units(each_at_most=1), (100, 200, 500)),
            (Units(each_at_most=2, at_most=3), (200, 200, 0)),
            (Units(first=Pick.DEAREST, every=2, skip=1), (200, 200, 0)),  # the second, fourth and sixth
        ],
    )
    def test_units(self, units: Units, expected: tuple[int, ...] | None) -> None:
        """Three of 1.00, two of 2.00, one of 5.00: which of them are free."""
        goods = [line("a", 100, 3), line("b", 200, 2), line("c", 500)]
        assert shares(PercentOff("100", units=units), *goods) == ([] if expected is None else [expected])

    def test_each_at_most_counts_a_product_at_one_price(self) -> None:
        """However many labels tell its lines apart, and even where each line is a group of its own."""
        goods = [line("a", 100), line("a", 100, tags=["sale"]), line("a", 200)]
        free = PercentOff("100", units=Units(each_at_most=1))
        assert sum(map(sum, shares(free, *goods))) == 300
        by_line = Offer("z", give=PercentOff("1", rounded_per=Level.LINE, of=B))
        assert sum(map(sum, shares([Offer("x", give=free), by_line], *goods))) == 300

    def test_equal_prices_go_by_group(self) -> None:
        """The cheapest one of two that cost the same is the first by product."""
        assert shares(cheapest_free(), line("b", 100), line("a", 100)) == [(100, 0)]

    def test_floor_cuts(self) -> None:
        """No unit falls below its floor, and what it keeps is not given to others."""
        goods = [line("a", 100, floor_price=cents(80)), line("b", 100)]
        assert shares(PercentOff("50"), *goods) == [(20, 50)]
        assert shares(PercentOff("50"), line("a", 100, floor_price=cents(200))) == []

    def test_excluded_goods_are_not_touched(self) -> None:
        """The policy's excluded tags leave goods out of everything."""
        stacking = Stacking(Mode.ALL, exclude_tags=["card"])
        assert shares(PercentOff("10"), line("a", 100, tags=["card"]), line("b", 100), stacking=stacking) == [(0, 10)]
        assert shares(PercentOff("10"), line("a", 100, tags=["card"]), stacking=stacking) == []


class TestAmountOff:
    @pytest.mark.parametrize(
        "give,lines,expected",
        [
            (AmountOff(cents(1000), per=Per.BASKET), [line("a", 900), line("b", 900), line("c", 900)], (334, 333, 333)),
            (AmountOff(cents(1000), per=Per.BASKET), [line("a", 300), line("b", 100)], (300, 100)),
            (AmountOff(cents(11), per=Per.BASKET), [line("a", 399, 25)], (11,)),
            (AmountOff(cents(100), per=Per.SHARED, of=A), [line("a", 300), line("b", 300)], (100, 0)),
            (AmountOff(cents(100), per=Per.UNIT), [line("a", 300, 2), line("b", 30, 3)], (200, 90)),
            (AmountOff(cents(100), per=Per.UNIT, units=Units(at_most=1)), [line("a", 300, 2)], (100,)),
            (AmountOff(cents(100), per=Per.LINE, of=A), [line("a", 300, 2), line("a", 50), line("b", 9)], (50, 100, 0)),
            (
                AmountOff(cents(100), per=Per.SHARED, units=Units(first=Pick.DEAREST, at_most=1)),
                [line("a", 300), line("b", 400)],
                (0, 100),
            ),
            (
                AmountOff(cents(10), per=Per.BASKET, remainder=Remainder.LAST),
                [line("a", 99), line("b", 99), line("c", 99)],
                (3, 3, 4),
            ),
            (
                AmountOff(cents(10), per=Per.BASKET, remainder=Remainder.FIRST),
                [line("a", 0), line("b", 99), line("c", 99), line("d", 99)],
                (0, 4, 3, 3),
            ),
            (AmountOff(cents(10), per=Per.BASKET, exclude_tags=["low"]), [line("a", 90), line("b", 9, tags=["low"])], (10, 0)),
        ],
    )
    def test_table(self, give: AmountOff, lines: list[Line], expected: tuple[int, ...]) -> None:
        """Per basket, shared by some, per line, per unit."""
        assert shares(give, *lines) == [expected]

    def test_what_a_floor_keeps_goes_to_the_others(self) -> None:
        """An amount is taken off in full, as long as anybody has room for it."""
        goods = [line("a", 100, floor_price=cents(90)), line("b", 100), line("c", 100, floor_price=cents(100))]
        assert shares(AmountOff(cents(60), per=Per.BASKET), *goods) == [(10, 50, 0)]
        assert shares(AmountOff(cents(111), per=Per.BASKET), *goods) == [(10, 100, 0)]
        assert shares(AmountOff(cents(30), per=Per.BASKET), *goods) == [(10, 20, 0)]

    def test_per_line_is_off_each_line(self) -> None:
        """Two lines of one are two lines."""
        twice = [Line("1", cents(500), product_id="a"), Line("2", cents(500), product_id="a")]
        assert shares(AmountOff(cents(100), per=Per.LINE), *twice) == [(100, 100)]
        assert shares(AmountOff(cents(100), per=Per.LINE), line("a", 500, 2)) == [(100,)]

    def test_shipping_takes_its_share(self) -> None:
        """By what it costs; free shipping and unknown shipping take none."""
        give = AmountOff(cents(300), per=Per.BASKET, spread=Spread.GOODS_AND_SHIPPING)
        (one,) = given(give, line("a", 1000), shipping=500)
        assert (one.shares, one.shipping_minor) == ((200,), 100)
        for shipping in (0, None):
            (one,) = given(give, line("a", 1000), shipping=shipping)
            assert (one.shares, one.shipping_minor) == ((300,), 0)
        (one,) = given(give, line("a", 100), shipping=500)
        assert (one.shares, one.shipping_minor) == ((50,), 250)
        (one,) = given(give, line("a", 100, floor_price=cents(90)), shipping=500)
        assert (one.shares, one.shipping_minor) == ((10,), 290)

    def test_shipping_takes_none_without_goods(self) -> None:
        """An amount off goods that are not in the basket is not taken off shipping."""
        give = AmountOff(cents(300), per=Per.SHARED, of=B, spread=Spread.GOODS_AND_SHIPPING)
        assert given(give, line("a", 1000), shipping=500) == []

    def test_shipping_is_reached_as_often_as_its_lane_says(self) -> None:
        """A lane that may reach shipping once leaves the whole amount to the goods the second time."""
        give = AmountOff(cents(300), per=Per.BASKET, spread=Spread.GOODS_AND_SHIPPING)
        stacking = Stacking(Mode.ALL, at_most={Lane.BASKET: 1})
        offers = [Offer("1", give=FreeShipping(), lane=Lane.BASKET), Offer("2", give=give)]
        first, second = given(offers, line("a", 1000), shipping=500, stacking=stacking)
        assert (first.shipping_minor, second.shares, second.shipping_minor) == (500, (300,), 0)


class TestFixedPrice:
    @pytest.mark.parametrize(
        "give,lines,expected",
        [
            (FixedPrice(cents(100)), [line("a", 300, 2), line("b", 90)], (400, 0)),
            (FixedPrice(cents(0), of=A), [line("a", 300), line("b", 90)], (300, 0)),
            (FixedPrice(cents(100), units=Units(first=Pick.DEAREST, at_most=1)), [line("a", 300, 2)], (200,)),
        ],
    )
    def test_table(self, give: FixedPrice, lines: list[Line], expected: tuple[int, ...]) -> None:
        """Down to the price, never up."""
        assert shares(give, *lines) == [expected]

    def test_cheaper_goods_stay_as_they_are(self) -> None:
        """Nothing is given, and nothing reached: another offer of the lane may still take something off them."""
        assert shares(FixedPrice(cents(100)), line("a", 100)) == []
        offers = [Offer("1", give=FixedPrice(cents(100))), Offer("2", give=PercentOff("10"))]
        assert shares(offers, line("a", 50), line("b", 200), stacking=Stacking(Mode.PRIORITY)) == [(0, 100), (5, 0)]


class TestBundlePrice:
    @pytest.mark.parametrize(
        "give,lines,expected",
        [
            # Three for 5.00: the dearest first.
            (BundlePrice(cents(500), parts=[Part(3)]), [line("a", 200, 3)], (100,)),
            (BundlePrice(cents(500), parts=[Part(3)]), [line("a", 200, 7)], (200,)),
            (BundlePrice(cents(500), parts=[Part(3)], times=1), [line("a", 200, 7)], (100,)),
            (BundlePrice(cents(500), parts=[Part(3)]), [line("a", 200, 2)], None),
            (BundlePrice(cents(600), parts=[Part(3)]), [line("a", 200, 3)], None),
            (BundlePrice(cents(500), parts=[Part(2)]), [line("a", 100, 2), line("b", 400, 2)], (0, 300)),
            (
                BundlePrice(cents(100), parts=[Part(2)], times=1, first=Pick.CHEAPEST),
                [line("a", 100, 2), line("b", 400)],
                (100, 0),
            ),
            # Seven units are three pairs.
            (BundlePrice(cents(300), parts=[Part(2)]), [line("a", 200, 3), line("b", 300, 4)], (100, 600)),
            (BundlePrice(cents(1000), parts=[Part(1, A), Part(1, B)]), [line("a", 900), line("b", 300)], (150, 50)),
            (BundlePrice(cents(1000), parts=[Part(1, A), Part(1, B)]), [line("a", 900)], None),
            (BundlePrice(cents(1000), parts=[Part(1, A), Part(1, B)]), [line("a", 900, 2), line("b", 300, 2)], (300, 100)),
            # Where parts overlap, the one with least to spare is filled first.
            (
                BundlePrice(cents(100), parts=[Part(1, Filter(products=["a", "b"])), Part(3, Filter(products=["b", "c"]))]),
                [line("a", 50), line("b", 100), line("c", 60, 2)],
                (31, 63, 76),
            ),
            (BundlePrice(cents(100), parts=[Part(1), Part(1, A)]), [line("a", 300), line("b", 100)], (225, 75)),
            (
                BundlePrice(cents(1200), parts=[Part(1, Filter(products=["a", "b"])), Part(1, A)]),
                [line("a", 1000, 3), line("b", 100)],
                (800, 0),
            ),
            (BundlePrice(cents(0), parts=[Part(1)]), [line("a", 0)], None),
        ],
    )
    def test_table(self, give: BundlePrice, lines: list[Line], expected: tuple[int, ...] | None) -> None:
        """Whole bundles, each unit in one, as long as they save something."""
        assert shares(give, *lines) == ([] if expected is None else [expected])

    def test_a_bundle_reaches_all_of_its_units(self) -> None:
        """Also one whose share is nothing: the lane gives it no second time."""
        offers = [Offer("1", give=BundlePrice(cents(100), parts=[Part(1, A), Part(1, B)])), Offer("2", give=PercentOff("10"))]
        goods = [line("a", 100, floor_price=cents(100)), line("b", 200), line("c", 10)]
        assert shares(offers, *goods, stacking=Stacking(Mode.PRIORITY)) == [(0, 200, 0), (0, 0, 1)]


class TestBuyGet:
    @pytest.mark.parametrize(
        "give,lines,expected",
        [
            (n_for_m(3, 2), [line("a", 300, 3)], (300,)),
            (n_for_m(3, 2), [line("a", 300, 2)], None),
            (n_for_m(3, 2), [line("a", 300, 7)], (600,)),
            (n_for_m(3, 2, times=1), [line("a", 300, 7)], (300,)),
            (n_for_m(3, 2), [line("a", 100), line("b", 200), line("c", 300)], (100, 0, 0)),
            # More in the basket never costs a set its reward: of the three dearest one is free, whatever comes after them.
            (n_for_m(3, 2), [line("a", 1000, 3), line("b", 100)], (1000, 0)),
            (n_for_m(3, 2), [line("a", 300, 2), line("b", 200, 2), line("c", 100, 2)], (0, 200, 100)),
            (n_for_m(3, 1), [line("a", 300, 2), line("b", 200, 2), line("c", 100, 2)], (300, 200, 200)),
            (n_for_m(4, 2, times=1), [line("a", 300, 3), line("b", 200, 3)], (300, 200)),
            (BuyGet(buy=Part(2), get=Part(1), reward=Reward.CHEAPEST), [line("a", 1000, 3), line("b", 100)], (0, 100)),
            (n_for_m(2, 1, of=B), [line("a", 100, 2), line("b", 200, 2)], (0, 200)),
            # One buys a, and gets b.
            (BuyGet(buy=Part(2, A), get=Part(1, B)), [line("a", 100, 4), line("b", 50, 3)], (0, 100)),
            (BuyGet(buy=Part(2, A), get=Part(1, B)), [line("a", 100, 1), line("b", 50, 3)], None),
            (BuyGet(buy=Part(1, A), get=Part(1, B), percent="50"), [line("a", 100), line("b", 55)], (0, 28)),
            (
                BuyGet(buy=Part(1, A), get=Part(1, B), percent="50", rounding=Rounding.DOWN),
                [line("a", 100), line("b", 55)],
                (0, 27),
            ),
            # What can be both leaves enough to be bought.
            (BuyGet(buy=Part(1, A), get=Part(1)), [line("a", 100), line("b", 200)], (0, 200)),
            (BuyGet(buy=Part(1, A), get=Part(1)), [line("a", 100, 2), line("b", 200)], (100, 0)),
            (BuyGet(buy=Part(1), get=Part(1, A)), [line("a", 100, 2), line("b", 200)], (100, 0)),
            (BuyGet(buy=Part(1), get=Part(2)), [line("a", 100, 2), line("b", 200)], (200, 0)),
            (BuyGet(buy=Part(1), get=Part(1), reward=Reward.DEAREST), [line("a", 100), line("b", 200, 2)], (0, 200)),
            (BuyGet(buy=Part(1), get=Part(1), reward=Reward.DEAREST_LEFT), [line("a", 100), line("b", 200, 2)], (0, 200)),
            (BuyGet(buy=Part(2), get=Part(1), reward=Reward.DEAREST_LEFT), [line("a", 100, 5), line("b", 200)], (200, 0)),
            (BuyGet(buy=Part(2), get=Part(1), reward=Reward.DEAREST), [line("a", 100, 5), line("b", 200)], (100, 200)),
            (BuyGet(buy=Part(1), get=Part(1), reward=Reward.SAME), [line("a", 100), line("b", 200, 2)], (0, 200)),
            (BuyGet(buy=Part(1), get=Part(1), reward=Reward.SAME), [line("a", 100), line("b", 200)], None),
            (BuyGet(buy=Part(1), get=Part(1), reward=Reward.SAME, times=1), [line("a", 100, 2), line("b", 200, 2)], (100, 0)),
            (BuyGet(buy=Part(1), get=Part(1), reward=Reward.SAME, times=3), [line("a", 100, 4), line("b", 200, 6)], (200, 200)),
            # What costs nothing is no reward, and uses up no set.
            (BuyGet(buy=Part(1), get=Part(1), reward=Reward.SAME, times=1), [line("a", 0, 2), line("b", 200, 2)], (0, 200)),
            (n_for_m(2, 1), [line("a", 0, 2)], None),
        ],
    )
    def test_table(self, give: BuyGet, lines: list[Line], expected: tuple[int, ...] | None) -> None:
        """Whole sets, again and again; what is bought is not got."""
        assert shares(give, *lines) == ([] if expected is None else [expected])

    def test_what_was_bought_is_reached(self) -> None:
        """In a lane that reaches units once, the units bought earn no second reward."""
        offers = [Offer("1", give=BuyGet(buy=Part(2, A), get=Part(1, B))), Offer("2", give=PercentOff("10"))]
        goods = [line("a", 100, 3), line("b", 50, 2)]
        once = Stacking(Mode.PRIORITY)
        assert shares(offers, *goods, stacking=once) == [(0, 50), (10, 5)]

    def test_sets_are_counted_whatever_else_the_offer_gives(self) -> None:
        """A benefit before it in the same offer leaves the number of sets as it is."""
        give = Several([PercentOff("10", of=A), BuyGet(buy=Part(1, A), get=Part(1, B), times=1)])
        assert shares(give, line("a", 100, 5), line("b", 50, 3)) == [(50, 50)]

    def test_rewards_that_round_to_nothing_count_in_their_set(self) -> None:
        """2.5 % of three units of 0.10 is one cent: one set of three was given, and one is left."""
        give = BuyGet(buy=Part(1), get=Part(3), percent="2.5", reward=Reward.SAME, times=2)
        goods = [line("a", 10, 4), line("b", 10, 4), line("c", 10, 4)]
        assert shares(give, *goods) == [(1, 1, 0)]


class TestShipping:
    @pytest.mark.parametrize(
        "give,shipping,off,frees,eases",
        [
            (FreeShipping(), 490, 490, True, False),
            (FreeShipping(), None, 0, True, False),
            (ShippingPercentOff("50"), 491, 246, False, False),
            (ShippingPercentOff("50", rounding=Rounding.DOWN), 491, 245, False, False),
            (ShippingPercentOff("50"), None, 0, False, True),
            (ShippingAmountOff(cents(100)), 490, 100, False, False),
            (ShippingAmountOff(cents(500)), 490, 490, False, False),
            (ShippingAmountOff(cents(500)), None, 0, False, True),
            (ShippingPrice(cents(290)), 490, 200, False, False),
            (ShippingPrice(cents(290)), None, 0, False, True),
        ],
    )
    def test_table(self, give: Benefit, shipping: int | None, off: int, *, frees: bool, eases: bool) -> None:
        """Known or not."""
        (one,) = given(give, line("a", 100), shipping=shipping)
        assert (one.shipping_minor, one.frees_shipping, one.eases_shipping) == (off, frees, eases)
        assert (one.lane, one.shares, one.units) == (Lane.SHIPPING, (0,), 0)

    @pytest.mark.parametrize(
        "give,shipping",
        [
            (FreeShipping(), 0),
            (ShippingPercentOff("50"), 0),
            (ShippingAmountOff(cents(1)), 0),
            (ShippingPrice(cents(490)), 490),
            (ShippingPrice(cents(500)), 490),
        ],
    )
    def test_what_is_no_less_is_nothing(self, give: Benefit, shipping: int) -> None:
        """Where shipping costs no less for it, nothing is given."""
        assert given(give, line("a", 100), shipping=shipping) == []

    def test_one_after_the_other(self) -> None:
        """Half off what the first left; what is free cannot be made cheaper."""
        half, tenth, free = ShippingPercentOff("50"), ShippingPercentOff("10"), FreeShipping()
        offers = [Offer("1", give=half), Offer("2", give=tenth), Offer("3", give=free), Offer("4", give=free)]
        assert [one.shipping_minor for one in given(offers, shipping=400)] == [200, 20, 180]
        assert [one.frees_shipping for one in given(offers)] == [False, False, True]
        assert [one.offer_id for one in given([offers[3], Offer("5", give=half)])] == ["4"]

    @pytest.mark.parametrize(
        "give", [FreeShipping(), ShippingPercentOff("50"), ShippingAmountOff(cents(5)), ShippingPrice(cents(5))]
    )
    def test_a_lane_reaches_it_once(self, give: Benefit) -> None:
        """Known or not, the second offer of the lane finds it taken."""
        offers = [Offer("1", give=ShippingPercentOff("10")), Offer("2", give=give)]
        for shipping in (400, None):
            assert len(given(offers, shipping=shipping, stacking=Stacking(Mode.PRIORITY))) == 1
            assert len(given(offers, shipping=shipping)) == 2

    def test_limited_free_shipping(self) -> None:
        """Up to the limit; it is only free where nothing is left, and unknown shipping is only eased."""
        for limit, shipping, expected in [
            (300, 490, (300, False, False)),
            (490, 490, (490, True, False)),
            (300, None, (0, False, True)),
        ]:
            (one,) = given(FreeShipping(), shipping=shipping, discount_limit=cents(limit))
            assert (one.shipping_minor, one.frees_shipping, one.eases_shipping) == expected


class TestGiftsAndPoints:
    def test_added_gift(self) -> None:
        """Beside what is bought, where it is in stock."""
        (one,) = given(Gift("a", 2), line("a", 100))
        assert (one.gifts, one.shares) == ((GiftGiven("a", 2),), (0,))
        assert given(Gift("a", 2), line("a", 100), view=View(out_of_stock=["a"])) == []

    @pytest.mark.parametrize(
        "lines,out_of_stock,expected,gifts",
        [
            ([line("b", 50)], [], (0,), (GiftGiven("a", 2),)),
            ([line("a", 100), line("b", 50)], [], (100, 0), (GiftGiven("a", 1),)),
            ([line("a", 100), line("a", 90, 3)], [], (180, 0), ()),
            ([line("a", 100)], ["a"], (100,), ()),
            ([line("a", 100, floor_price=cents(100))], [], (0,), (GiftGiven("a", 1),)),
            # What no offer touches is there all the same.
            ([line("a", 100, tags=["card"]), line("b", 50)], [], (0, 0), (GiftGiven("a", 1),)),
        ],
    )
    def test_missing_gift(
        self, lines: list[Line], out_of_stock: list[str], expected: tuple[int, ...], gifts: tuple[GiftGiven, ...]
    ) -> None:
        """What is in the basket is freed, the cheapest first; the rest is added, in stock."""
        policy = Stacking(Mode.ALL, exclude_tags=["card"])
        (one,) = given(Gift("a", 2, fill=Fill.MISSING), *lines, view=View(out_of_stock=out_of_stock), stacking=policy)
        assert (one.shares, one.gifts) == (expected, gifts)

    def test_points_and_coupons(self) -> None:
        """They are told, and take nothing off."""
        bonus, times = BonusPoints(50, expires=None), PointsTimes(Rate.times("2"), of=A)
        give = Several([bonus, times, NextCoupon("back")])
        (one,) = given(give, line("a", 100))
        assert (one.bonus, one.times, one.coupons, one.discount_minor, one.units) == ((bonus,), (times,), ("back",), 0, 0)
        (one,) = given(give, line("b", 100))
        assert (one.bonus, one.times) == ((bonus,), ())
        assert given(times, line("b", 100)) == []
        assert given(PointsTimes(Rate.times("2")), line("b", 100))[0].times == (PointsTimes(Rate.times("2")),)
        times = PointsTimes(Rate.times("2"), of=Filter(price_from=cents(500)))
        assert given(times, line("b", 100)) == []

    @pytest.mark.parametrize(
        "give",
        [Gift("z"), Gift("z", fill=Fill.MISSING), BonusPoints(5, expires=None), NextCoupon("back"), PointsTimes(Rate.times("2"))],
    )
    def test_nothing_comes_with_nothing(self, give: Benefit) -> None:
        """Who buys nothing that offers touch is given no gift, no points and no coupon."""
        policy = Stacking(Mode.ALL, exclude_tags=["card"])
        assert given(give, stacking=policy) == given(give, line("a", 100, tags=["card"]), stacking=policy) == []
        assert given(give, line("a", 0), stacking=policy) != []

    def test_no_points_before_a_program_starts(self) -> None:
        """Where no points are given at all, none are promised; what comes beside them is."""
        give = Several([BonusPoints(50, expires=None), PointsTimes(Rate.times("2")), NextCoupon("back")])
        offer = Offer("x", give=give)
        book = OfferBook([offer], stacking=ALL)
        for gives_points, expected in [(True, (1, 1, 1)), (False, (0, 0, 1))]:
            situation = book.situation(Basket([line("a", 100)]), at=AT, gives_points=gives_points)
            one = book.prices(situation).give(offer, NO_VIEW)
            assert one is not None
            assert (len(one.bonus), len(one.times), len(one.coupons)) == expected


class TestLadders:
    @pytest.mark.parametrize("minor,expected", [(999, None), (1000, 100), (1999, 200), (2000, 400), (5000, 1000)])
    def test_spend(self, minor: int, expected: int | None) -> None:
        """The rung that is reached, and no other."""
        ladder = SpendLadder({cents(1000): PercentOff("10"), cents(2000): PercentOff("20")}, of=A)
        found = shares(ladder, line("a", minor), line("b", 0))
        assert found == ([] if expected is None else [(expected, 0)])

    @pytest.mark.parametrize("units,expected", [(1, None), (2, 20), (4, 40), (5, 100)])
    def test_quantity(self, units: int, expected: int | None) -> None:
        """The same by units; of goods that count, not of all."""
        ladder = QuantityLadder({2: PercentOff("10", of=A), 5: PercentOff("20", of=A)}, of=A)
        found = shares(ladder, line("a", 100, units), line("b", 100, 9))
        assert found == ([] if expected is None else [(expected, 0)])


class TestLimits:
    def test_offer_takes_at_most_its_limit(self) -> None:
        """What it may take is shared out like what it would have taken."""
        goods = [line("a", 300), line("b", 100)]
        assert shares(PercentOff("50"), *goods, discount_limit=cents(100)) == [(75, 25)]
        give = Several([PercentOff("50", of=A), PercentOff("50", of=B), FreeShipping()])
        (one,) = given(give, *goods, shipping=490, discount_limit=cents(170))
        assert (one.shares, one.shipping_minor) == ((150, 20), 0)
        (one,) = given(give, *goods, shipping=490, discount_limit=cents(300))
        assert (one.shares, one.shipping_minor, one.frees_shipping) == ((150, 50), 100, False)
        first = Several([FreeShipping(), PercentOff("50")])
        (one,) = given(first, *goods, shipping=100, discount_limit=cents(100))
        assert (one.shares, one.shipping_minor) == ((0, 0), 100)

    def test_what_a_limit_keeps_is_told(self) -> None:
        """What it would take off besides: its own limit's, its budget's, and that of all offers together."""
        goods = [line("a", 300), line("b", 100)]
        assert [one.cut_minor for one in given(PercentOff("50"), *goods)] == [0]
        assert [one.cut_minor for one in given(PercentOff("50"), *goods, discount_limit=cents(150))] == [50]
        assert [one.cut_minor for one in given(PercentOff("50"), *goods, limits=Limits(budget=cents(30)))] == [170]
        policy = Stacking(Mode.ALL, discount_limit=cents(250))
        two = [Offer("1", give=PercentOff("50")), Offer("2", give=PercentOff("50"))]
        assert [one.cut_minor for one in given(two, *goods, stacking=policy)] == [0, 150]
        both = Several([PercentOff("50", of=A), FreeShipping()])
        assert [one.cut_minor for one in given(both, *goods, shipping=490, discount_limit=cents(200))] == [440]
        # What is no less for it has no limit to thank.
        assert given(PercentOff("50"), *goods, stacking=Stacking(Mode.ALL, discount_limit=cents(200)))[0].cut_minor == 0

    def test_budget_gives_what_is_left(self) -> None:
        """The order that reaches the budget gets what is left of it; or nothing, where that is said."""
        view = View(used={"x": Used(spent_minor=70)})
        assert shares(PercentOff("50"), line("a", 200), limits=Limits(budget=cents(100)), view=view) == [(30,)]
        assert shares(PercentOff("50"), line("a", 200), limits=Limits(budget=cents(70)), view=view) == []
        whole = Limits(budget=cents(170), over=Over.REFUSE)
        assert shares(PercentOff("50"), line("a", 200), limits=whole, view=view) == [(100,)]
        assert shares(PercentOff("50"), line("a", 202), limits=whole, view=view) == []
        assert given(FreeShipping(), shipping=101, limits=whole, view=view) == []
        assert given(FreeShipping(), shipping=100, limits=whole, view=view) != []
        assert given(Several([PercentOff("50"), FreeShipping()]), line("a", 100), shipping=51, limits=whole, view=view) == []

    def test_units_gives_what_is_left(self) -> None:
        """The cheapest of them; of sets and bundles whole ones."""
        view, three = View(used={"x": Used(units=1)}), Limits(units=4)
        assert shares(PercentOff("100"), line("a", 100, 2), line("b", 200, 9), limits=three, view=view) == [(200, 200)]
        assert shares(n_for_m(2, 1), line("a", 100, 9), limits=three, view=view) == [(300,)]
        assert shares(BuyGet(buy=Part(1), get=Part(2)), line("a", 100, 9), limits=three, view=view) == [(200,)]
        assert shares(BundlePrice(cents(100), parts=[Part(2)]), line("a", 100, 9), limits=three, view=view) == [(100,)]
        assert shares(PercentOff("100"), line("a", 100), limits=Limits(units=1), view=view) == []
        whole = Limits(units=4, over=Over.REFUSE)
        assert shares(PercentOff("100"), line("a", 100, 3), limits=whole, view=view) == [(300,)]
        assert shares(PercentOff("100"), line("a", 100, 4), limits=whole, view=view) == []
        assert shares(PercentOff("100", units=Units(at_most=3)), line("a", 100, 4), limits=whole, view=view) == [(300,)]

    def test_units_are_counted_once_an_offer(self) -> None:
        """Several benefits of one offer on one unit use one of it, and so does its limit see them."""
        twice = Several([PercentOff("10"), PercentOff("50")])
        assert given(twice, line("a", 100, 2))[0].units == 2
        assert shares(twice, line("a", 100, 2), limits=Limits(units=2)) == [(120,)]
        other = Several([PercentOff("10", of=A), PercentOff("50", units=Units(first=Pick.DEAREST, at_most=3))])
        assert shares(other, line("a", 100, 2), line("b", 200, 5), limits=Limits(units=3)) == [(20, 100)]
        assert given(twice, line("a", 100, 3), limits=Limits(units=3, over=Over.REFUSE))[0].units == 3
        assert given(twice, line("a", 100, 3), limits=Limits(units=2, over=Over.REFUSE)) == []

    def test_all_offers_together(self) -> None:
        """An amount, or a share of the list prices of all goods, rounded down."""
        offers = [Offer("1", give=PercentOff("40")), Offer("2", give=PercentOff("40")), Offer("3", give=PercentOff("40"))]
        goods = [line("a", 100), line("b", 9, tags=["card"])]
        for said, expected in [
            ({"discount_limit": cents(50)}, [40, 10]),
            ({"discount_share": Rate.percent("50.9")}, [40, 10]),  # of what offers may touch, 0.509
            ({"discount_limit": cents(45), "discount_share": Rate.percent("50")}, [40, 5]),
            ({"discount_limit": cents(60), "discount_share": Rate.percent("54")}, [40, 14]),
            ({}, [40, 40, 20]),
        ]:
            stacking = Stacking(Mode.ALL, exclude_tags=["card"], **said)  # type: ignore[arg-type]  # its own fields
            assert [sum(one) for one in shares(offers, *goods, stacking=stacking)] == expected


class TestOneAfterTheOther:
    def test_list_and_running_base(self) -> None:
        """10 % of the list prices, or of what the half price has left."""
        half = Offer("1", give=PercentOff("50"))
        for base, expected in [(Base.LIST, 10), (Base.RUNNING, 5)]:
            tenth = Offer("2", give=PercentOff("10"), base=base)
            assert shares([half, tenth], line("a", 100)) == [(50,), (expected,)]

    def test_running_base_takes_the_cheapest_now(self) -> None:
        """Units go by what is left of their price."""
        first = Offer("1", give=PercentOff("90", of=B))
        for base, expected in [(Base.LIST, (100, 0)), (Base.RUNNING, (0, 20))]:
            assert shares([first, Offer("2", give=cheapest_free(), base=base)], line("a", 100), line("b", 200)) == [
                (0, 180),
                expected,
            ]

    def test_running_shares_by_what_is_left(self) -> None:
        """An amount is shared by list prices, or by what is left."""
        first = Offer("1", give=PercentOff("50", of=A))
        for base, expected in [(Base.LIST, (15, 15)), (Base.RUNNING, (10, 20))]:
            amount = Offer("2", give=AmountOff(cents(30), per=Per.BASKET), base=base)
            assert shares([first, amount], line("a", 100), line("b", 100))[1] == expected

    def test_per_unit_rounding_sees_each_unit(self) -> None:
        """Two units hold 0.15 between them: 0.07 and 0.08."""
        first = Offer("1", give=AmountOff(cents(5), per=Per.BASKET))
        tenth = Offer("2", give=PercentOff("20", rounded_per=Level.UNIT), base=Base.RUNNING)
        assert shares([first, tenth], line("a", 10, 2)) == [(5,), (3,)]
        down = attrs.evolve(tenth, give=PercentOff("13", rounded_per=Level.UNIT, rounding=Rounding.DOWN))
        assert shares([first, down], line("a", 10, 2)) == [(5,), (1,)]

    def test_a_lane_reaches_units_not_products(self) -> None:
        """The unit that was free is left out; the others of its line are open to the next offer of the lane."""
        offers = [Offer("1", give=cheapest_free()), Offer("2", give=PercentOff("10"))]
        assert shares(offers, line("a", 100, 3), stacking=Stacking(Mode.PRIORITY)) == [(100,), (20,)]
        twice = Stacking(Mode.PRIORITY, at_most={Lane.BASKET: 2})
        assert shares(offers, line("a", 100, 3), stacking=twice) == [(100,), (20,)]
        again = [*offers, Offer("3", give=PercentOff("10"))]
        assert shares(again, line("a", 100, 3), stacking=twice) == [(100,), (20,), (20,)]
        other = [offers[0], Offer("2", give=PercentOff("10"), lane=Lane.PRODUCT)]
        assert shares(other, line("a", 100, 3), stacking=Stacking(Mode.PRIORITY)) == [(30,), (90,)]

    def test_a_second_benefit_reaches_what_the_first_did(self) -> None:
        """A unit that a later benefit of the same offer picked in vain stays reached."""
        give = Several([PercentOff("10"), AmountOff(cents(1), per=Per.UNIT, units=Units(at_most=1))])
        offers = [Offer("1", give=give, discount_limit=cents(30)), Offer("2", give=PercentOff("50"))]
        assert shares(offers, line("a", 100, 3), stacking=Stacking(Mode.PRIORITY)) == [(30,)]

    def test_nothing_given_changes_nothing(self) -> None:
        """What was split apart in vain is together again: shares are rounded as if the offer were not there."""
        vain = Offer("1", give=BuyGet(buy=Part(1), get=Part(1, A), percent="1"))
        ten = Offer("2", give=AmountOff(cents(2), per=Per.BASKET))
        goods = [line("a", 10, 2), line("b", 10)]
        assert shares([vain, ten], *goods) == shares([ten], *goods)
        limited = Offer("1", give=PercentOff("1"), limits=Limits(units=1))
        assert shares([limited, ten], *goods) == shares([ten], *goods)
        whole = Offer("1", give=Several([FreeShipping(), PercentOff("50")]), limits=Limits(units=1, over=Over.REFUSE))
        after = Offer("2", give=FreeShipping())
        assert [one.shipping_minor for one in given([whole, after], *goods, shipping=490)] == [490]
