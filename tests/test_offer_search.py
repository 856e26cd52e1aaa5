"""The search for the best set: allowed sets, ties, and where it stops."""

from __future__ import annotations

from typing import Any

import pytest

from loyaltycore._offer_search import STEPS_LIMIT, Table, choose, worth_of
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
)
from loyaltycore.conditions import Base, Situation, spend_at_least
from loyaltycore.offers import NO_VIEW, AppliedOffer, Combines, GiftGiven, Lane, Limits, Mode, Offer, Stacking, Used, View
from loyaltycore.quantities import Money, Over, Rate, Remainder, Rounding
from tests.offers_by_hand import by_hand
from tests.offers_drawn import AT

A, B = Filter(products=["a"]), Filter(products=["b"])


def cents(minor: int) -> Money:
    """Take minor units."""
    return Money(minor, "EUR")


def line(product: str, minor: int, quantity: int = 1, **said: Any) -> Line:  # noqa: ANN401 - the fields of a line
    """Make a line."""
    return Line(f"{product}-{minor}", cents(minor), quantity, product_id=product, **said)


def offer(name: str, give: Benefit | str, **said: Any) -> Offer:  # noqa: ANN401 - the fields of an offer
    """Make an offer; a text gives so many per cent off."""
    return Offer(name, give=PercentOff(give) if isinstance(give, str) else give, **said)


def best(
    *offers: Offer,
    goods: list[Line],
    shipping: int | None = None,
    view: View = NO_VIEW,
    **said: Any,  # noqa: ANN401 - the fields of a policy
) -> list[str]:
    """Name the best set; it is what comparing all sets by hand finds."""
    basket = Basket(goods, shipping=None if shipping is None else cents(shipping), currency="EUR")
    stacking, situation = Stacking(Mode.BEST, **said), Situation(basket=basket, at=AT)
    found, optimal = choose(Table(sorted(offers, key=lambda one: one.rank), situation, stacking, view))
    assert optimal
    assert found == by_hand(offers, situation, stacking, view)
    return [one.offer_id for one in found]


TEN_EUROS = [line("a", 1000)]


class TestTies:
    def test_more_points_then_gifts_then_coupons(self) -> None:
        """Where the money is the same: points, multiples of points, gifts, coupons for later."""
        gives: list[Benefit] = [
            BonusPoints(1, expires=None),
            PointsTimes(Rate.times("1.001")),
            Gift("z"),
            NextCoupon("back"),
        ]
        for place, give in enumerate(gives):
            others = [offer(f"a{number}", other, group="g", priority=9) for number, other in enumerate(gives[place + 1 :])]
            assert best(offer("z", give, group="g"), *others, goods=TEN_EUROS) == ["z"]
        more = [offer("a", BonusPoints(5, expires=None), group="g"), offer("b", BonusPoints(6, expires=None), group="g")]
        assert best(*more, goods=TEN_EUROS) == ["b"]
        assert best(*more, offer("c", AmountOff(cents(1), per=Per.BASKET), group="g"), goods=TEN_EUROS) == ["c"]

    def test_fewer_claims_then_fewer_offers_then_rank(self) -> None:
        """An offer without limits before one of which there are few; one that takes all before two; priority, then id."""
        free = [offer("a", "100", limits=Limits(total=5)), offer("b", "100", priority=-1)]
        assert best(*free, goods=TEN_EUROS) == ["b"]
        assert best(offer("half", "50", lane=Lane.PRODUCT), offer("all", "100"), goods=TEN_EUROS) == ["all"]
        assert best(offer("a", "100"), offer("b", "100", priority=1), goods=TEN_EUROS) == ["b"]
        assert best(offer("b", "100"), offer("a", "100"), goods=TEN_EUROS) == ["a"]
        limited = [
            offer("c", "100", limits=limits) for limits in (Limits(per_member=1), Limits(units=9), Limits(budget=cents(9999)))
        ]
        for one in limited:
            assert best(one, offer("d", "100"), goods=TEN_EUROS) == ["d"]

    @pytest.mark.law(23)
    def test_apart_and_together_decide_alike(self) -> None:
        """Offers that share nothing are searched apart; a rule that spans all has them searched together: the same set."""
        offers = [
            offer("a", PercentOff("100", of=A)),
            offer("b", PercentOff("100", of=A), lane=Lane.PRODUCT),
            offer("c", PercentOff("100", of=B), lane=Lane.PRODUCT),
        ]
        goods = [line("a", 100), line("b", 100)]
        assert best(*offers, goods=goods) == best(*offers, goods=goods, offers_at_most=9) == ["b", "c"]

    def test_worth(self) -> None:
        """Money first; free shipping of unknown price counts double, eased shipping once; each kind adds up."""
        both = [
            AppliedOffer(offer_id="a", lane=Lane.BASKET, shares=(3, 4), shipping_minor=5, frees_shipping=True),
            AppliedOffer(
                offer_id="b",
                lane=Lane.BASKET,
                shares=(1, 0),
                eases_shipping=True,
                gifts=(GiftGiven("z", 2), GiftGiven("y", 1)),
                bonus=(BonusPoints(5, expires=None), BonusPoints(6, expires=None)),
                times=(PointsTimes(Rate.times("2")), PointsTimes(Rate.times("1.5"))),
                coupons=("x", "y"),
            ),
            AppliedOffer(offer_id="c", lane=Lane.BASKET, shares=(0, 0), frees_shipping=True),
        ]
        assert worth_of(both) == (13, 3, 11, 1500, 3, 2)
        assert worth_of([]) == (0, 0, 0, 0, 0, 0)


class TestSets:
    def test_exclusive_offers_stand_alone(self) -> None:
        """Two exclusive ones never meet; the better of them is compared with all the others together."""
        offers = [offer("x", "30", combines=Combines.ALONE), offer("y", "40", combines=Combines.ALONE), offer("a", "10")]
        assert best(*offers, goods=TEN_EUROS) == ["y"]
        assert best(*offers, offer("b", "35", lane=Lane.PRODUCT), goods=TEN_EUROS) == ["b", "a"]
        assert best(offers[0], offer("a", "30"), goods=TEN_EUROS) == ["a"]
        nothing = offer("n", PercentOff("100", of=B), combines=Combines.ALONE)
        assert best(nothing, goods=TEN_EUROS) == []

    def test_groups_spread_over_goods_and_lanes(self) -> None:
        """Of one group one applies, though they share nothing else."""
        offers = [
            offer("a", PercentOff("10", of=A), group="g"),
            offer("b", PercentOff("20", of=B), group="g"),
            offer("s", FreeShipping(), group="g"),
            offer("t", FreeShipping(), group="other"),
        ]
        assert best(*offers, goods=[line("a", 100), line("b", 100)], shipping=15) == ["b", "t"]

    def test_last_is_weighed_against_what_comes_after(self) -> None:
        """An offer that ends the order is left out where what it would keep away is worth more."""
        offers = [offer("p", "10", lane=Lane.PRODUCT, combines=Combines.LAST), offer("a", "20")]
        assert best(*offers, goods=TEN_EUROS) == ["a"]
        assert best(offer("p", "30", lane=Lane.PRODUCT, combines=Combines.LAST), offers[1], goods=TEN_EUROS) == ["p"]

    def test_running_thresholds(self) -> None:
        """An offer that would lower the total under another's threshold is left out where that is better."""
        when = spend_at_least(cents(950), base=Base.RUNNING)
        offers = [offer("p", "10", lane=Lane.PRODUCT), offer("a", "40", when=when)]
        assert best(*offers, goods=TEN_EUROS) == ["a"]
        assert best(*offers, goods=[line("a", 2000)]) == ["p", "a"]

    def test_limits_of_all_offers(self) -> None:
        """With a limit of all discounts together, free shipping still adds; the fewest offers that reach it are taken."""
        offers = [offer("a", "30"), offer("p", "30", lane=Lane.PRODUCT), offer("s", FreeShipping())]
        assert best(*offers, goods=TEN_EUROS, shipping=100, discount_limit=cents(300)) == ["p", "s"]
        assert best(*offers, goods=TEN_EUROS, shipping=100, discount_share=Rate.percent("20")) == ["p", "s"]
        assert best(*offers, goods=TEN_EUROS, shipping=100, offers_at_most=1) == ["p"]


SAVES_BESIDE: list[tuple[str, list[Offer], list[Line], list[str], dict[str, Any]]] = [
    (
        "fixed price picks the next unit",
        [
            offer("x", PercentOff("10", of=A), priority=5),
            offer("y", FixedPrice(cents(200), units=Units(at_most=1))),
        ],
        [line("a", 100), line("b", 1000)],
        ["x", "y"],
        {},
    ),
    (
        "what is left of the units",
        [
            offer("b", PercentOff("10", of=A), priority=9),
            offer("c", PercentOff("5", of=B), priority=8),
            offer("a", "50", limits=Limits(units=1)),
        ],
        [line("a", 100), line("b", 10000)],
        ["b", "a"],
        {},
    ),
    (
        "each of two picks a unit of one product",
        [
            offer("x", AmountOff(cents(150), per=Per.BASKET), priority=1),
            offer("y", AmountOff(cents(100), per=Per.SHARED, units=Units(at_most=1))),
            offer("z", AmountOff(cents(100), per=Per.SHARED, units=Units(at_most=1))),
        ],
        [line("a", 500, 2)],
        ["y", "z"],
        {},
    ),
    (
        "the first of many small ones gets the rest",
        [
            offer("a", PercentOff("100", of=A), priority=1),
            offer("z", PercentOff("50", remainder=Remainder.FIRST)),
        ],
        [line("a", 1), *(line(name, 101) for name in "bcde")],
        ["a", "z"],
        {},
    ),
    (
        "more than the budget alone, not beside another",
        [
            offer("p", AmountOff(cents(60), per=Per.BASKET), priority=1),
            offer("z", "100", limits=Limits(budget=cents(40), over=Over.REFUSE)),
        ],
        [line("a", 100)],
        ["p", "z"],
        {"at_most": {Lane.BASKET: 2}},
    ),
    (
        "the dearest, where the cheapest are closed",
        [
            offer("x", BuyGet(buy=Part(1, A), get=Part(1, A), reward=Reward.DEAREST), priority=1),
            offer("y", cheapest_free()),
        ],
        [line("a", 10, 2), line("b", 1000)],
        ["x", "y"],
        {},
    ),
]


class TestSavesBeside:
    @pytest.mark.law(23)
    @pytest.mark.parametrize("offers,goods,expected,said", [pytest.param(*case[1:], id=case[0]) for case in SAVES_BESIDE])
    def test_some_offers_save_more_beside_others(
        self, offers: list[Offer], goods: list[Line], expected: list[str], said: dict[str, Any]
    ) -> None:
        """What an offer gives by itself is no bound for what it gives beside others, and is not taken for one."""
        assert best(*offers, goods=goods, **said) == expected


BOUNDED: list[Benefit] = [
    *(PercentOff("33.3", rounded_per=level, rounding=rounding) for level in Level for rounding in Rounding),
    PercentOff("50", units=Units(first=Pick.CHEAPEST, at_most=3)),
    AmountOff(cents(70), per=Per.BASKET),
    AmountOff(cents(70), per=Per.SHARED, of=A, spread=Spread.GOODS_AND_SHIPPING),
    AmountOff(cents(70), per=Per.UNIT, units=Units(at_most=2)),
    AmountOff(cents(70), per=Per.LINE),
    FixedPrice(cents(90)),
    FixedPrice(cents(90), units=Units(at_most=1)),
    BundlePrice(cents(150), parts=[Part(1, A), Part(1, B)]),
    BuyGet(buy=Part(1), get=Part(1), times=2),
    BuyGet(buy=Part(1, A), get=Part(2, B), percent="50"),
    Gift("a", 2, fill=Fill.MISSING),
    Gift("a", 2),
    FreeShipping(),
    ShippingPercentOff("50"),
    ShippingAmountOff(cents(30)),
    ShippingPrice(cents(20)),
    BonusPoints(5, expires=None),
    NextCoupon("back"),
    PointsTimes(Rate.times("2"), of=A),
    Several([PercentOff("10"), FreeShipping()]),
    SpendLadder({cents(100): PercentOff("10"), cents(300): PercentOff("20")}),
    SpendLadder({cents(10_000): PercentOff("10")}),
    QuantityLadder([(2, FixedPrice(cents(50))), (99, PercentOff("90"))]),
    QuantityLadder({99: PercentOff("90")}),
]


class TestBounds:
    @pytest.mark.law(23)
    @pytest.mark.parametrize("give", BOUNDED, ids=lambda give: type(give).__name__)
    @pytest.mark.parametrize("shipping", [None, 49])
    def test_no_better_set_is_passed_over(self, give: Benefit, shipping: int | None) -> None:
        """Beside offers that compete for the same goods, whichever comes first."""
        goods = [line("a", 99, 2), line("b", 101, 3), line("c", 0), line("d", 100, floor_price=cents(60))]
        for priority in (-1, 1):
            others = [
                offer("m", PercentOff("40", of=A)),
                offer("n", AmountOff(cents(45), per=Per.SHARED, of=B)),
                offer("o", cheapest_free(of=Filter(products=["b", "d"])), lane=Lane.PRODUCT),
                offer("s", ShippingPercentOff("60")),
            ]
            best(offer("x", give, priority=priority), *others, goods=goods, shipping=shipping)
            best(offer("x", give, priority=priority, discount_limit=cents(50)), *others, goods=goods, shipping=shipping)
            best(offer("x", give, priority=priority, combines=Combines.LAST), *others, goods=goods, shipping=shipping)


class TestSize:
    def table(self, count: int) -> Table:
        """Make so many offers that all compete for one thing, none of which beats two others."""
        offers = [
            offer(f"o{number:02}", AmountOff(cents(100 + number), per=Per.BASKET), lane=list(Lane)[number % 2])
            for number in range(count)
        ]
        basket = Basket([line("a", 1_000_000)])
        stacking = Stacking(Mode.BEST, at_most={Lane.PRODUCT: count, Lane.BASKET: count}, offers_at_most=count // 2)
        return Table(sorted(offers, key=lambda one: one.rank), Situation(basket=basket, at=AT), stacking, NO_VIEW)

    def test_twelve_that_compete_are_compared(self) -> None:
        """All sets of twelve."""
        found, optimal = choose(self.table(12))
        assert optimal
        assert sum(one.goods_minor for one in found) == sum(100 + number for number in range(6, 12))

    def test_beyond_the_limit_it_says_so(self) -> None:
        """Too many sets to compare: what is told is allowed, no worse than the first by priority, and not called the best."""
        table = self.table(40)
        found, optimal = choose(table)
        assert not optimal
        assert len(found) == 20
        assert sum(one.goods_minor for one in found) >= sum(sorted(100 + number for number in range(0, 40, 2))[:20])
        assert STEPS_LIMIT == 8_192

    def test_offers_that_share_nothing_do_not_count(self) -> None:
        """Forty offers on forty things are forty small searches."""
        goods = [line(f"p{number:02}", 1000) for number in range(40)]
        offers = [offer(f"o{number:02}", PercentOff("10", of=Filter(products=[f"p{number:02}"]))) for number in range(40)]
        found, optimal = choose(Table(offers, Situation(basket=Basket(goods), at=AT), Stacking(Mode.BEST), NO_VIEW))
        assert (len(found), optimal) == (40, True)

    def test_used_up_units_are_seen(self) -> None:
        """What was used before counts in the search."""
        view = View(used={"a": Used(units=1)})
        half, goods = offer("a", "50", priority=1, limits=Limits(units=2)), [line("a", 100, 2)]
        assert best(half, offer("b", "30"), goods=goods, view=view) == ["a", "b"]
        assert best(half, offer("b", "80"), goods=goods, view=view) == ["b"]


class TestTurns:
    def test_the_deepest_discount_goes_first(self) -> None:
        """Of one lane and priority: what it takes off its goods by itself, as a share of their list prices."""
        goods = [line("a", 100), line("b", 100)]
        assert best(offer("a", "20"), offer("z", PercentOff("50", of=A)), goods=goods) == ["z", "a"]
        assert best(offer("a", "20", priority=1), offer("z", PercentOff("50", of=A)), goods=goods) == ["z"]
        # Of units that it picks, not of all that are like them: the free one goes first, and 40 % off the other two.
        assert best(offer("a", "40"), offer("z", cheapest_free()), goods=[line("a", 1000, 3)]) == ["z", "a"]
        fixed = offer("z", FixedPrice(cents(10), of=A))
        assert best(offer("a", "20"), offer("b", PercentOff("50", of=A)), fixed, goods=goods) == ["z", "a"]

    def test_equal_depth_goes_by_narrower_goods_then_id(self) -> None:
        """As in every other mode."""
        goods = [line("a", 100), line("b", 100)]
        offers = [offer("a", "50"), offer("z", PercentOff("50", of=A))]
        assert best(*offers, goods=goods, at_most={Lane.BASKET: 2}) == ["z", "a"]
        assert best(offers[0], offer("b", "50"), goods=goods, at_most={Lane.BASKET: 2}) == ["a", "b"]
