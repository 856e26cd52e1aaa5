"""Nudges: exactly what they say gets the reward, and one less does not."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from loyaltycore._nudges import NUDGES_LIMIT, TRIED_LIMIT
from loyaltycore.basket import Basket, Filter, Line, PriceState, UnitGroup
from loyaltycore.benefits import (
    AmountOff,
    Benefit,
    BonusPoints,
    BundlePrice,
    BuyGet,
    FreeShipping,
    Gift,
    Part,
    Per,
    PercentOff,
    QuantityLadder,
    Several,
    SpendLadder,
    n_for_m,
)
from loyaltycore.conditions import (
    Across,
    AllOf,
    Base,
    Condition,
    Situation,
    code_presented,
    contains,
    is_member,
    products_at_least,
    quantity_at_least,
    spend_at_least,
)
from loyaltycore.offers import NO_VIEW, Combines, Lane, Limits, Mode, Nudge, NudgeOrder, Offer, OfferBook, Stacking, Used, View
from loyaltycore.quantities import Money
from tests.offers_by_hand import by_hand, key_by_hand
from tests.offers_drawn import AT, Case, cases

HELMETS, SALE, BELLS = Filter(categories=["helmets"]), Filter(tags=["sale"]), Filter(products=["bell"])
TEN = PercentOff("10")


def cents(minor: int) -> Money:
    """Take minor units."""
    return Money(minor, "EUR")


def offer(name: str, give: Benefit | str, when: Condition = AllOf(()), **said: Any) -> Offer:  # noqa: ANN401, B008
    """Make an offer; a text gives so many per cent off."""
    return Offer(name, when=when, give=PercentOff(give) if isinstance(give, str) else give, **said)


def nudges(
    *offers: Offer,
    lines: list[Line] | None = None,
    shipping: int | None = None,
    mode: Mode = Mode.BEST,
    order: NudgeOrder = NudgeOrder.NEAREST,
    view: View = NO_VIEW,
    **facts: Any,  # noqa: ANN401 - of a situation
) -> tuple[Nudge, ...]:
    """Ask for the nudges on a basket; of one thing for 45.00 unless said."""
    book = OfferBook(offers, stacking=Stacking(mode, exclude_tags=["card"]))
    goods = [Line("bell", cents(4500))] if lines is None else lines
    basket = Basket(goods, shipping=None if shipping is None else cents(shipping), currency="EUR")
    return book.nudges(book.situation(basket, **{"at": AT, "is_member": True, **facts}), view=view, order=order)


def names(found: tuple[Nudge, ...]) -> list[str]:
    """Name the offers."""
    return [one.offer_id for one in found]


# ---- law 24, by hand ----


def probe(nudge: Nudge, less: int, situation: Situation) -> list[Line]:
    """Make the goods that a nudge says, or a little less, with nothing but what its filter asks for.

    Their products come after those of the shop: equal prices go by product.
    """
    of, currency = nudge.of, situation.basket.currency
    if less == (nudge.missing_units or nudge.missing_products) or nudge.missing == Money(less, currency):
        return []
    if nudge.missing is not None:
        return [labelled("~probe", of, nudge.missing.minor_units - less, 1, currency)]
    open_places = situation.goods.of(of).places
    like = [situation.groups[place] for place in open_places]
    if nudge.missing_units is not None:
        count = nudge.missing_units - less
        if nudge.across is Across.PRODUCT and like:
            return [again("~probe", max(like, key=lambda group: group.quantity), count, currency)]
        return [labelled("~probe", of, unit_price(of, like, situation), count, currency)]
    assert nudge.missing_products is not None
    held = {group.product_id for group in situation.groups}
    new = sorted(of.products - of.exclude_products - held) or [f"~probe-{n}" for n in range(nudge.missing_products)]
    price = unit_price(of, like, situation)
    return [
        attrs.evolve(labelled(f"~probe-{n}", of, price, 1, currency), product_id=new[n])
        for n in range(nudge.missing_products - less)
    ]


def unit_price(of: Filter, like: list[UnitGroup], situation: Situation) -> int:
    """Take the price of the cheapest such goods in the basket, or of its dearest goods, within what the filter asks for."""
    price = min([group.unit_minor for group in like]) if like else max([g.unit_minor for g in situation.groups], default=0)
    low = 1 if of.price_from is None else of.price_from.minor_units
    high = None if of.price_to is None else of.price_to.minor_units
    return max(price, low) if high is None else min(max(price, low), high)


def labelled(name: str, of: Filter, minor: int, quantity: int, currency: str) -> Line:
    """Make a line with the first label of each kind that a filter asks for."""
    return Line(
        name,
        Money(minor, currency),
        quantity,
        product_id=next(iter(sorted(of.products - of.exclude_products)), name),
        categories=sorted(of.categories)[:1],
        tags=sorted(of.tags)[:1],
        brand=next(iter(sorted(of.brands)), None),
        regular_price=Money(minor + 1, currency) if of.price is PriceState.REDUCED else None,
    )


def again(name: str, group: UnitGroup, quantity: int, currency: str) -> Line:
    """Make a line of more units of a group."""
    return Line(
        name,
        Money(group.unit_minor, currency),
        quantity,
        product_id=group.product_id,
        categories=group.categories,
        tags=group.tags,
        brand=group.brand,
        regular_price=None if group.regular_minor is None else Money(group.regular_minor, currency),
        floor_price=Money(group.floor_minor, currency),
    )


def pays(nudge: Nudge, less: int, case: Case) -> tuple[bool, int]:
    """Say whether the offer applies with that more and makes that basket cheaper or richer, and by how much money."""
    book, situation, view = case
    lines = [*situation.basket.lines, *probe(nudge, less, situation)]
    basket = attrs.evolve(situation.basket, lines=lines)
    probed = attrs.evolve(situation, basket=basket, groups=book.situation(basket, at=AT).groups)
    beside = by_hand(book.offers, probed, book.stacking, view)
    without = by_hand([one for one in book.offers if one.offer_id != nudge.offer_id], probed, book.stacking, view)
    better = key_by_hand([], beside)[:6] < key_by_hand([], without)[:6]
    applied = [one for one in beside if one.offer_id == nudge.offer_id]
    money = sum(one.discount_minor for one in beside) - sum(one.discount_minor for one in without)
    return bool(applied) and better, money


THRESHOLDS: list[Condition] = [
    *(spend_at_least(Money(minor, "EUR"), of=of) for minor in (150, 1000) for of in (Filter(), BELLS, SALE)),
    spend_at_least(Money(800, "EUR"), base=Base.RUNNING),
    spend_at_least(Money(300, "EUR"), of=Filter(price_from=Money(50, "EUR"))),
    spend_at_least(Money(300, "EUR"), of=Filter(price_to=Money(120, "EUR"))),
    spend_at_least(Money(300, "EUR"), of=Filter(price=PriceState.REDUCED, exclude_products=["p"])),
    *(quantity_at_least(units, of=of, across=across) for units in (1, 4) for of in (Filter(), SALE) for across in Across),
    products_at_least(3),
    products_at_least(2, of=Filter(products=["q", "x", "y"])),
    contains(HELMETS),
    spend_at_least(Money(700, "EUR")) & contains(SALE),
    spend_at_least(Money(700, "EUR")) & products_at_least(2),
    spend_at_least(Money(700, "EUR"), of=SALE) | quantity_at_least(9),
    is_member() & quantity_at_least(5),
    ~contains(BELLS) & spend_at_least(Money(900, "EUR")),
]
GIVES: list[Benefit] = [
    TEN,
    PercentOff("50", of=SALE),
    AmountOff(cents(70), per=Per.BASKET),
    FreeShipping(),
    Gift("z"),
    BonusPoints(5, expires=None),
    n_for_m(3, 2),
    BuyGet(buy=Part(2), get=Part(1, HELMETS)),
    BundlePrice(cents(150), parts=[Part(2, SALE)]),
    SpendLadder({cents(200): TEN, cents(900): PercentOff("20")}),
    QuantityLadder({3: TEN, 6: PercentOff("20")}, of=SALE),
    Several([TEN, n_for_m(3, 2, of=SALE)]),
]


@st.composite
def near(draw: st.DrawFn) -> Case:
    """Draw books whose offers are often only a little away."""
    drawn = draw(cases(offers_limit=1).filter(lambda case: case.situation.basket.currency == "EUR"))
    offers = [
        Offer(
            name,
            when=draw(st.sampled_from(THRESHOLDS)) if draw(st.booleans()) else AllOf(()),
            give=draw(st.sampled_from(GIVES)),
            priority=draw(st.integers(0, 1)),
            combines=draw(st.sampled_from((Combines.ANY, Combines.ANY, Combines.LAST, Combines.ALONE))),
        )
        for name in ("b", "c", "d")[: draw(st.integers(1, 3))]
    ]
    book = attrs.evolve(drawn.book, offers=offers, stacking=Stacking(draw(st.sampled_from(Mode)), exclude_tags=["card"]))
    situation = attrs.evolve(drawn.situation, exclude_tags=["card"], groups=drawn.situation.basket.unit_groups())
    return Case(book, situation, NO_VIEW)


class TestLaw:
    @pytest.mark.law(24)
    @settings(max_examples=150)
    @given(near())
    def test_exactly_that_pays_and_one_less_does_not(self, case: Case) -> None:
        """Verified apart from the library: the probe gets the offer applied, and the basket cheaper or richer."""
        found = case.book.nudges(case.situation, view=case.view)
        for nudge in found:
            kind = "money" if nudge.missing is not None else "units" if nudge.missing_units is not None else "products"
            one = case.book.offer(nudge.offer_id)
            assert one is not None
            event(f"{kind}, {case.book.stacking.mode.value}, {type(one.give).__name__}")
            has_price = nudge.missing is not None or case.situation.goods.of(nudge.of).places
            applies, money = pays(nudge, 0, case)
            assert applies
            # What is saved on goods that the basket has none of depends on a price that nobody has said.
            assert nudge.gain_minor == (money if has_price else 0)
            # Of a ladder the rung below may pay too.
            if not isinstance(one.give, SpendLadder | QuantityLadder):
                assert not pays(nudge, 1, case)[0]

    @pytest.mark.law(24)
    @given(near())
    def test_nearest_first_or_most_worth_first(self, case: Case) -> None:
        """Amounts before numbers; the other order holds the same nudges."""
        nearest = case.book.nudges(case.situation, view=case.view)
        by_worth = case.book.nudges(case.situation, view=case.view, order=NudgeOrder.WORTH)
        assert sorted(map(repr, nearest)) == sorted(map(repr, by_worth))
        distances = [(one.missing is None, _amount(one), one.offer_id) for one in nearest]
        assert distances == sorted(distances)
        gains = [(-one.gain_minor, one.offer_id) for one in by_worth]
        assert gains == sorted(gains)

    @pytest.mark.law(24)
    @given(st.integers(1, 5_000), st.lists(st.integers(0, 2_000), max_size=3), st.sampled_from([1, 10, 50]))
    def test_a_threshold_in_reach_is_always_told(self, threshold: int, prices: list[int], percent: int) -> None:
        """A percentage from an amount on: the distance is told whenever there is one, and the reward is not nothing."""
        lines = [Line(f"l{place}", cents(minor)) for place, minor in enumerate(prices)]
        found = nudges(offer("a", PercentOff(percent), spend_at_least(cents(threshold))), lines=lines)
        missing = threshold - sum(prices)
        expected = [cents(missing)] if missing > 0 and PercentOff(percent).amount_off(threshold) else []
        assert [one.missing for one in found] == expected


def _amount(nudge: Nudge) -> int:
    minor = None if nudge.missing is None else nudge.missing.minor_units
    return minor or nudge.missing_units or nudge.missing_products or 0


class TestMoney:
    def test_exact_distance(self) -> None:
        """What is missing to the threshold, to the minor unit, and what it saves."""
        ten = offer("ten", "10", spend_at_least(cents(5000)))
        (one,) = nudges(ten, lines=[Line("bell", cents(4999))])
        assert one == Nudge(offer_id="ten", give=TEN, missing=cents(1), gain_minor=500, currency="EUR")
        assert nudges(ten, lines=[Line("bell", cents(5000))]) == ()

    def test_empty_basket(self) -> None:
        """The reward may come from the added thing alone; where it would round to nothing there is none."""
        for threshold, expected in [(5000, ["ten"]), (5, ["ten"]), (4, [])]:
            assert names(nudges(offer("ten", "10", spend_at_least(cents(threshold))), lines=[])) == expected

    def test_goods_that_count(self) -> None:
        """The probe has what the filter asks for, and no more: its brand, its price, its state."""
        of = Filter(categories=["helmets"], tags=["sale"], brands=["acme"], price=PriceState.REDUCED, exclude_tags=["low"])
        (one,) = nudges(offer("ten", "10", spend_at_least(cents(5000), of=of)))
        assert (one.missing, one.of, one.gain_minor) == (cents(5000), of, 950)
        regular = Filter(price=PriceState.REGULAR)
        (one,) = nudges(offer("ten", "10", spend_at_least(cents(5000), of=regular)))
        assert (one.missing, one.of) == (cents(500), regular)

    def test_price_bounds(self) -> None:
        """A thing of at least 20.00 costs 20.00, though 5.00 are missing; one of at most 4.00 cannot bring 5.00."""
        dear, cheap = Filter(price_from=cents(2000)), Filter(price_to=cents(400))
        (one,) = nudges(offer("ten", "10", spend_at_least(cents(5000), of=dear)))
        assert one.missing == cents(2000)
        cheap_line = Line("bell", cents(400), 10)
        assert nudges(offer("ten", "10", spend_at_least(cents(4500), of=cheap)), lines=[cheap_line]) == ()
        (one,) = nudges(offer("ten", "10", spend_at_least(cents(4300), of=cheap)), lines=[cheap_line])
        assert one.missing == cents(300)

    def test_running_threshold(self) -> None:
        """What is added is reduced too: to bring 9.00 at 10 % off, 10.00 are added."""
        offers = [
            offer("p", "10", lane=Lane.PRODUCT),
            offer("ten", FreeShipping(), spend_at_least(cents(4950), base=Base.RUNNING)),
        ]
        (one,) = nudges(*offers, shipping=490)
        assert (one.offer_id, one.missing, one.gain_minor) == ("ten", cents(1000), 490)
        half = [attrs.evolve(offers[0], give=PercentOff("99")), offers[1]]
        assert nudges(*half, shipping=490, mode=Mode.ALL) == ()

    def test_next_rung(self) -> None:
        """The rung above the one that is reached; at the top there is none."""
        ladder = offer("l", SpendLadder({cents(5000): TEN, cents(9000): PercentOff("20")}))
        (one,) = nudges(ladder)
        assert (one.missing, one.give, one.gain_minor) == (cents(500), TEN, 500)
        (one,) = nudges(ladder, lines=[Line("bell", cents(5000))])
        assert (one.missing, one.give, one.gain_minor) == (cents(4000), PercentOff("20"), 1800)
        assert nudges(ladder, lines=[Line("bell", cents(9000))]) == ()

    def test_ladder_under_a_condition(self) -> None:
        """Its first rung is what it would give."""
        ladder = offer("l", SpendLadder({cents(100): TEN, cents(9000): PercentOff("20")}), spend_at_least(cents(5000)))
        (one,) = nudges(ladder)
        assert (one.missing, one.give) == (cents(500), TEN)


class TestUnits:
    def test_units(self) -> None:
        """At the price of the cheapest such goods in the basket."""
        goods = [Line("a", cents(500), 2, tags=["sale"]), Line("b", cents(300), tags=["sale"]), Line("c", cents(100))]
        (one,) = nudges(offer("ten", "10", quantity_at_least(5, of=SALE)), lines=goods)
        assert (one.missing_units, one.of, one.gain_minor) == (2, SALE, 200)
        assert (one.missing, one.missing_products) == (None, None)

    def test_units_of_goods_that_are_not_there(self) -> None:
        """Tried at the price of the dearest goods in the basket, within the bounds that the filter names; no gain is promised."""
        for of in (HELMETS, attrs.evolve(HELMETS, price_to=cents(100)), attrs.evolve(HELMETS, price_from=cents(9000))):
            (one,) = nudges(offer("ten", "10", contains(of)))
            assert (one.missing_units, one.gain_minor) == (1, 0)
        # One of 0.04 would save nothing.
        assert nudges(offer("ten", PercentOff("10", of=HELMETS), contains(attrs.evolve(HELMETS, price_to=cents(4))))) == ()
        (one,) = nudges(offer("gift", Gift("z"), contains(HELMETS)), lines=[])
        assert (one.missing_units, one.gain_minor) == (1, 0)

    def test_units_of_one_product(self) -> None:
        """More of the product there is most of."""
        goods = [
            Line("a", cents(500), 2),
            Line("b", cents(300), 3, brand="acme", regular_price=cents(400), floor_price=cents(290)),
            Line("c", cents(500)),
        ]
        when = quantity_at_least(5, across=Across.PRODUCT)
        (one,) = nudges(offer("ten", "100", when), lines=goods)
        assert (one.missing_units, one.gain_minor) == (2, 1500 + 50)
        assert (one.of, one.across) == (Filter(products=["b"]), Across.PRODUCT)
        # Of a product that has two prices, or labels that do not count, the one of which there is most.
        prices = [Line("a", cents(500), 2, product_id="b"), Line("b", cents(300), 3), Line("c", cents(400), 2, tags=["sale"])]
        (one,) = nudges(offer("ten", "10", when), lines=prices)
        assert one.of == Filter(products=["b"], price_from=cents(300), price_to=cents(300))
        mixed = [Line("1", cents(300), 2, product_id="b", tags=["sale"]), Line("2", cents(300), product_id="b")]
        (one,) = nudges(offer("ten", "10", quantity_at_least(4, of=SALE, across=Across.PRODUCT)), lines=mixed)
        assert (one.missing_units, one.of) == (2, attrs.evolve(SALE, products=["b"]))
        (one,) = nudges(offer("gift", Gift("z"), when), lines=[])
        assert one.missing_units == 5

    def test_sets_that_lack_units(self) -> None:
        """Buy two, get one: two of three are there."""
        (one,) = nudges(offer("n", n_for_m(3, 2)), lines=[Line("a", cents(500), 2)])
        assert (one.missing_units, one.gain_minor, one.give) == (1, 500, n_for_m(3, 2))
        get_bell = BuyGet(buy=Part(2, SALE), get=Part(1, BELLS))
        (one,) = nudges(offer("n", get_bell), lines=[Line("a", cents(500), 2, tags=["sale"])])
        assert (one.missing_units, one.of, one.gain_minor) == (1, BELLS, 0)
        bundle = BundlePrice(cents(900), parts=[Part(1, BELLS), Part(1, SALE)])
        (one,) = nudges(offer("n", bundle), lines=[Line("bell", cents(500))])
        assert (one.missing_units, one.of, one.gain_minor) == (1, SALE, 0)
        spare = [Line("bell", cents(500), 3), Line("a", cents(500), tags=["sale"])]
        two = BundlePrice(cents(900), parts=[Part(1, BELLS), Part(2, SALE)])
        (one,) = nudges(offer("n", two), lines=spare)
        assert (one.missing_units, one.of, one.gain_minor) == (1, SALE, 600)
        assert nudges(offer("n", bundle), lines=[]) == ()
        assert nudges(offer("n", bundle), lines=[Line("bell", cents(500)), Line("a", cents(500), tags=["sale"])]) == ()

    def test_next_rung(self) -> None:
        """By units."""
        ladder = offer("l", QuantityLadder({2: TEN, 5: PercentOff("20")}, of=SALE))
        (one,) = nudges(ladder, lines=[Line("a", cents(500), 3, tags=["sale"])])
        assert (one.missing_units, one.give, one.of, one.gain_minor) == (2, PercentOff("20"), SALE, 500)
        (one,) = nudges(ladder, lines=[Line("a", cents(500), 2, tags=["sale"])])
        assert (one.missing_units, one.give) == (3, PercentOff("20"))
        assert nudges(ladder, lines=[Line("a", cents(500), 5, tags=["sale"])]) == ()


class TestProducts:
    def test_other_products(self) -> None:
        """So many that are not in the basket yet; of a list those that are named."""
        (one,) = nudges(offer("ten", "10", products_at_least(3)), lines=[Line("a", cents(500), 9)])
        assert (one.missing_products, one.gain_minor) == (2, 550)
        of = Filter(products=["a", "b", "c"], exclude_products=["c"])
        (one,) = nudges(offer("ten", "10", products_at_least(2, of=of)), lines=[Line("a", cents(500))])
        assert (one.missing_products, one.of) == (1, of)
        assert nudges(offer("ten", "10", products_at_least(3, of=of)), lines=[Line("a", cents(500))]) == ()


class TestTogether:
    @pytest.mark.parametrize(
        "when,expected",
        [
            (spend_at_least(cents(5000)) & spend_at_least(cents(6000)), cents(1500)),
            (spend_at_least(cents(5000)) & contains(SALE), cents(500)),
            (spend_at_least(cents(5000), of=SALE) & contains(SALE), cents(5000)),
            (spend_at_least(cents(5000)) & products_at_least(2), cents(500)),
            (spend_at_least(cents(5000)) & products_at_least(3), None),
            (spend_at_least(cents(5000)) & quantity_at_least(3), None),
            (spend_at_least(cents(5000), of=SALE) & contains(HELMETS), None),
            (quantity_at_least(3) & quantity_at_least(2), 2),
            (spend_at_least(cents(5000)) | contains(SALE), 1),
            (spend_at_least(cents(9000)) | code_presented("X-1"), cents(4500)),
            (code_presented("X-1") & spend_at_least(cents(5000)), None),
            (~contains(BELLS) & spend_at_least(cents(5000)), None),
            (~contains(SALE) & spend_at_least(cents(5000)), cents(500)),
            (~spend_at_least(cents(4000)), None),
        ],
    )
    def test_what_one_line_can_bring(self, when: Condition, expected: Money | int | None) -> None:
        """An amount, one unit and one product at once; not two kinds of goods, nor several units with an amount."""
        found = nudges(offer("ten", "10", when))
        assert [one.missing if one.missing_units is None else one.missing_units for one in found] == (
            [] if expected is None else [expected]
        )


class TestNotShown:
    def test_for_what_lacks_something_else(self) -> None:
        """An offer that also asks for a code, or for a member, is no question of spending more; nor one that is used up."""
        ten = offer("ten", "10", spend_at_least(cents(5000)) & is_member())
        assert len(nudges(ten)) == 1
        assert nudges(ten, is_member=False) == ()
        assert nudges(offer("mine", "10", is_member()), is_member=False) == ()
        limited = attrs.evolve(ten, limits=Limits(total=1))
        assert len(nudges(limited)) == 1
        assert nudges(limited, view=View(used={"ten": Used(times=1)})) == ()

    def test_when_a_better_offer_applies_anyway(self) -> None:
        """More spending for an offer that another one beats is no reason to spend more."""
        twenty = offer("twenty", "20")
        assert nudges(offer("ten", "10", spend_at_least(cents(5000))), twenty) == ()
        assert len(nudges(offer("thirty", "30", spend_at_least(cents(5000))), twenty)) == 1

    def test_when_it_would_take_nothing_more_off(self) -> None:
        """In mode all, an offer that finds nothing left is no reward; nor free shipping where shipping is free."""
        everything = offer("everything", "100", priority=1)
        assert nudges(offer("ten", "10", spend_at_least(cents(5000))), everything, mode=Mode.ALL) == ()
        ship = offer("ship", FreeShipping(), spend_at_least(cents(5000)))
        assert nudges(ship, shipping=0) == ()
        assert len(nudges(ship, shipping=None)) == len(nudges(ship, shipping=1)) == 1

    def test_where_a_limit_cuts_it(self) -> None:
        """What the offer says that it takes off at most is told with it; what a budget leaves of it is not what was promised."""
        ten = offer("ten", "10", spend_at_least(cents(5000)), discount_limit=cents(499))
        (one,) = nudges(ten)
        assert (one.missing, one.discount_limit, one.gain_minor) == (cents(500), cents(499), 499)
        assert nudges(attrs.evolve(ten, limits=Limits(budget=cents(498)))) == ()
        assert len(nudges(attrs.evolve(ten, limits=Limits(budget=cents(499))))) == 1

    def test_where_all_offers_would_save_less(self) -> None:
        """An offer that goes first and is last: what is saved now is worth more than it."""
        first = offer("a", "5", spend_at_least(cents(5000)), lane=Lane.PRODUCT, combines=Combines.LAST)
        assert nudges(first, offer("old", "10"), mode=Mode.ALL) == ()
        # Better than nothing from 50.00 on, but below it 20 % are taken off.
        below = offer("below", "20", ~spend_at_least(cents(5000)))
        assert nudges(offer("ten", "10", spend_at_least(cents(5000))), below) == ()
        assert len(nudges(offer("ten", "30", spend_at_least(cents(5000))), below)) == 1

    def test_when_it_makes_nothing_cheaper(self) -> None:
        """An offer that takes no more off than another does, or less though it goes first."""
        assert nudges(offer("new", "10", spend_at_least(cents(5000)), priority=5), offer("old", "10")) == ()
        worse = offer("new", "5", spend_at_least(cents(5000)), priority=5)
        assert nudges(worse, offer("old", "10"), mode=Mode.PRIORITY) == ()

    def test_when_less_would_do(self) -> None:
        """Three of one kind are told, and two of them meet another way of the same condition: that is no exact number."""
        ways = quantity_at_least(3, of=SALE) | (quantity_at_least(3) & products_at_least(2))
        assert nudges(offer("ten", "10", ways)) == ()
        assert len(nudges(offer("ten", "10", quantity_at_least(3, of=SALE)))) == 1

    def test_beyond_all_that_a_basket_may_hold(self) -> None:
        """A threshold that no basket can meet."""
        most = 2**63 - 1
        assert nudges(offer("a", "10", spend_at_least(cents(most))), lines=[]) != ()
        assert nudges(offer("a", "10", spend_at_least(cents(most), of=SALE))) == ()
        assert nudges(offer("a", "10", quantity_at_least(1_000_001))) != ()
        assert nudges(offer("a", "10", quantity_at_least(1_000_002))) == ()
        assert nudges(offer("a", "10", products_at_least(10_002))) == ()

    @pytest.mark.parametrize("units", [1, 2])
    def test_when_it_applies_already(self, units: int) -> None:
        """An offer of several benefits of which one is given: that another lacks a unit is no nudge."""
        both = offer("both", Several([TEN, n_for_m(3, 2)]))
        assert nudges(both, lines=[Line("a", cents(500), units)]) == ()

    def test_one_that_cannot_be_had_hides_no_other(self) -> None:
        """Each offer is looked at, whatever stands before it."""
        first = offer("a", "50", spend_at_least(cents(5000)) & is_member(), priority=1)
        assert names(nudges(first, offer("b", "10", spend_at_least(cents(5000))), is_member=False)) == ["b"]


class TestOrder:
    def test_nearest_first(self) -> None:
        """By amount, then by id; numbers of units after them."""
        offers = [
            offer("c", "10", spend_at_least(cents(4600)), lane=Lane.PRODUCT),
            offer("a", Gift("z"), spend_at_least(cents(4700))),
            offer("b", FreeShipping(), spend_at_least(cents(4600))),
            offer("0", Gift("y"), quantity_at_least(2)),
        ]
        assert names(nudges(*offers)) == ["b", "c", "a", "0"]
        assert names(nudges(*offers, order=NudgeOrder.WORTH)) == ["c", "0", "a", "b"]

    def test_at_most_so_many(self) -> None:
        """Nobody reads more than ten, and no more than the nearest are tried."""
        offers = [offer(f"o{n:02}", Gift("z"), spend_at_least(cents(4501 + n))) for n in range(NUDGES_LIMIT + 1)]
        assert names(nudges(*offers)) == [f"o{n:02}" for n in range(NUDGES_LIMIT)]
        vain = [offer(f"v{n:02}", PercentOff("0.01", of=HELMETS), spend_at_least(cents(4501))) for n in range(TRIED_LIMIT)]
        last = offer("z", "10", spend_at_least(cents(4502)))
        assert names(nudges(*vain[1:], last)) == ["z"]
        assert names(nudges(*vain, last)) == []

    def test_own_lines_of_that_name(self) -> None:
        """A shop's line that is named like a probe is no trouble."""
        goods = [Line("~probe-0", cents(2000)), Line("~probe-2", cents(2500))]
        (one,) = nudges(offer("ten", "10", spend_at_least(cents(5000))), lines=goods)
        assert one.missing == cents(500)
        (one,) = nudges(offer("ten", "10", products_at_least(4)), lines=goods)
        assert one.missing_products == 2


class TestText:
    @pytest.mark.parametrize(
        "give,missing,english,french",
        [
            (TEN, 500, "Spend €5.00 more for 10% off", "Encore 5,00 € pour −10 %"),
            (FreeShipping(), 760, "Spend €7.60 more for free shipping", "Encore 7,60 € pour la livraison offerte"),
        ],
    )
    def test_in_english_and_french(self, give: Benefit, missing: int, english: str, french: str) -> None:
        """As a shopper reads it."""
        nudge = Nudge(offer_id="a", give=give, missing=cents(missing), currency="EUR")
        assert nudge.text() == nudge.text("en") == english
        assert nudge.text("fr") == french
