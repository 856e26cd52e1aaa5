"""Returns that withdraw offers: what each offer needs of the goods that are kept, and what comes back then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from loyaltycore import Basket, Line, Membership, Money, Order, Program, Return
from loyaltycore._reprice import needs_of
from loyaltycore.basket import Filter
from loyaltycore.benefits import (
    AmountOff,
    Benefit,
    BonusPoints,
    BundlePrice,
    BuyGet,
    FixedPrice,
    FreeShipping,
    Part,
    Per,
    PercentOff,
    QuantityLadder,
    Reward,
    Several,
    SpendLadder,
    Units,
    n_for_m,
)
from loyaltycore.conditions import (
    Across,
    Base,
    Condition,
    Not,
    all_of,
    any_of,
    code_presented,
    contains,
    holds,
    is_member,
    products_at_least,
    quantity_at_least,
    spend_at_least,
)
from loyaltycore.errors import Accepted
from loyaltycore.offers import Mode, Offer, OfferBook, Returns, Stacking
from loyaltycore.orders import NeedOf, OfferCost, OfferNeed, OrderLine, OrderPlaced, OrderReturned
from loyaltycore.quantities import share_of_units
from tests.dealing import dealing_programs, goods
from tests.programs import NOW, START

BOOK = OfferBook((), stacking=Stacking(Mode.ALL))
SHOP = Program.parse(
    f'program = {{ name = "velo", version = 1, currency = "EUR", zone = "Europe/Paris", starts_on = {START} }}\n'
    '[points]\nearn = "1 per 1.00"\nbasis = "paid"\nexpires = "12 months"\n'
    'worth = "0.01"\nburn_minimum = 1\noverdraft = "carry"\n'
)


def euros(text: str) -> Money:
    """Read an amount."""
    return Money.of(text, "EUR")


BASKET = Basket(
    [
        Line("h1", euros("40"), product_id="helmet", categories=["helmets"]),
        Line("h2", euros("40"), product_id="helmet", categories=["helmets"]),
        Line("b", euros("5"), 3, product_id="bell"),
        Line("c", euros("50"), product_id="card", tags=["gift-card"]),
    ]
)
SEEN = OfferBook((), stacking=Stacking(Mode.ALL, exclude_tags=["gift-card"])).situation(BASKET, at=NOW, is_member=True)
HELMETS, BELLS = Filter(categories=["helmets"]), Filter(products=["bell"])


def spend(text: str, *lines: str) -> OfferNeed:
    """Ask for so much money."""
    return OfferNeed(of=NeedOf.SPEND, at_least=euros(text).minor_units, lines=lines)


def units(count: int, *lines: str) -> OfferNeed:
    """Ask for so many units."""
    return OfferNeed(of=NeedOf.UNITS, at_least=count, lines=lines)


def products(count: int, *lines: str) -> OfferNeed:
    """Ask for so many products."""
    return OfferNeed(of=NeedOf.PRODUCTS, at_least=count, lines=lines)


OPEN = ("b", "h1", "h2")
"""The lines that offers may touch."""


def ways_of(when: Condition, give: Benefit = FreeShipping()) -> set[frozenset[OfferNeed]]:  # noqa: B008 - a value
    """Give the ways in which an offer stands."""
    needs, ways = needs_of(Offer("deal", when=when, give=give), SEEN)
    assert {place for way in ways for place in way} == set(range(len(needs)))
    return {frozenset(needs[place] for place in way) for way in ways}


class TestNeeds:
    @pytest.mark.parametrize(
        "when,expected",
        [
            (all_of(), set()),
            (is_member(), set()),
            (code_presented("TEN") | is_member(), set()),
            (spend_at_least(euros("90")), {frozenset([spend("90", *OPEN)])}),
            (spend_at_least(euros("90"), base=Base.RUNNING), {frozenset([spend("90", *OPEN)])}),
            (spend_at_least(euros("60"), of=HELMETS), {frozenset([spend("60", "h1", "h2")])}),
            (quantity_at_least(4), {frozenset([units(4, *OPEN)])}),
            (contains(BELLS), {frozenset([units(1, "b")])}),
            (quantity_at_least(3, across=Across.PRODUCT), {frozenset([units(3, "b")])}),
            (quantity_at_least(2, across=Across.PRODUCT), {frozenset([units(2, "b")]), frozenset([units(2, "h1", "h2")])}),
            (products_at_least(2), {frozenset([products(2, *OPEN)])}),
            (spend_at_least(euros("90")) & is_member(), {frozenset([spend("90", *OPEN)])}),
            (spend_at_least(euros("90")) & contains(BELLS), {frozenset([spend("90", *OPEN), units(1, "b")])}),
            (spend_at_least(euros("90")) | contains(BELLS), {frozenset([spend("90", *OPEN)]), frozenset([units(1, "b")])}),
            (spend_at_least(euros("900")) | contains(BELLS), {frozenset([units(1, "b")])}),
            (spend_at_least(euros("90")) | is_member(), set()),
            (~contains(Filter(products=["lamp"])), set()),
            (~contains(BELLS) | quantity_at_least(4), {frozenset([units(4, *OPEN)])}),
            (~contains(Filter(products=["lamp"])) | quantity_at_least(4), set()),
            (~contains(Filter(products=["lamp"])) & quantity_at_least(4), {frozenset([units(4, *OPEN)])}),
            (~code_presented("TEN") & contains(BELLS), {frozenset([units(1, "b")])}),
            (~is_member() | contains(BELLS), {frozenset([units(1, "b")])}),
            (~spend_at_least(euros("1"), base=Base.RUNNING), set()),
            (~spend_at_least(euros("1"), base=Base.RUNNING) & contains(BELLS), {frozenset([units(1, "b")])}),
            (Not(Not(contains(BELLS))), {frozenset([units(1, "b")])}),
            (~(~contains(BELLS) | code_presented("TEN")), {frozenset([units(1, "b")])}),
            (~(~contains(BELLS) & ~contains(HELMETS)), {frozenset([units(1, "b")]), frozenset([units(1, "h1", "h2")])}),
            (~is_member(), set()),
            (any_of(contains(BELLS), contains(BELLS) & contains(HELMETS)), {frozenset([units(1, "b")])}),
            (any_of(contains(BELLS), contains(Filter(products=["lamp"])) & is_member()), {frozenset([units(1, "b")])}),
            (quantity_at_least(2) & quantity_at_least(4) & quantity_at_least(3), {frozenset([units(4, *OPEN)])}),
            (spend_at_least(euros("20")) | spend_at_least(euros("30")), {frozenset([spend("20", *OPEN)])}),
        ],
    )
    def test_of_conditions(self, when: Condition, expected: set[frozenset[OfferNeed]]) -> None:
        """What speaks of goods, in every way that was met, however it is turned; where something else is enough, nothing."""
        assert ways_of(when) == expected

    @pytest.mark.parametrize(
        "give,expected",
        [
            (PercentOff("10"), set()),
            (AmountOff(euros("5"), per=Per.BASKET), set()),
            (FixedPrice(euros("1"), of=BELLS, units=Units(skip=1)), {frozenset([units(2, "b")])}),
            (PercentOff("50", of=BELLS, units=Units(skip=1, every=2)), {frozenset([units(2, "b")])}),
            (PercentOff("50", of=BELLS, units=Units(sets_of=3)), {frozenset([units(3, "b")])}),
            (n_for_m(3, 2, of=BELLS), {frozenset([units(3, "b")])}),
            (BuyGet(buy=Part(2, HELMETS), get=Part(1, BELLS)), {frozenset([units(2, "h1", "h2"), units(1, "b")])}),
            (
                BuyGet(buy=Part(1), get=Part(1), reward=Reward.SAME),
                {frozenset([units(2, "b")]), frozenset([units(2, "h1", "h2")])},
            ),
            (
                BundlePrice(euros("40"), parts=[Part(1, HELMETS), Part(1, BELLS), Part(1, BELLS)]),
                {frozenset([units(1, "h1", "h2"), units(2, "b")])},
            ),
            (
                SpendLadder({euros("20"): PercentOff("5"), euros("90"): PercentOff("10")}, of=HELMETS),
                {frozenset([spend("20", "h1", "h2")])},
            ),
            (SpendLadder({euros("0"): PercentOff("5")}), set()),
            (QuantityLadder({2: PercentOff("5"), 5: PercentOff("10")}), {frozenset([units(2, *OPEN)])}),
            (Several([n_for_m(3, 2, of=BELLS), BonusPoints(5, expires=None)]), {frozenset([units(3, "b")])}),
            (
                Several([n_for_m(3, 2, of=BELLS), PercentOff("10", of=BELLS, units=Units(skip=1))]),
                {frozenset([units(3, "b")])},
            ),
            (Several([n_for_m(4, 2, of=BELLS), PercentOff("10", of=BELLS, units=Units(skip=1))]), {frozenset([units(2, "b")])}),
            (BuyGet(buy=Part(1, BELLS), get=Part(3, BELLS), reward=Reward.SAME), set()),
            (
                BuyGet(buy=Part(1, Filter(products=["bell", "card"])), get=Part(1, BELLS), reward=Reward.SAME),
                {frozenset([units(2, "b")])},
            ),
        ],
    )
    def test_of_benefits(self, give: Benefit, expected: set[frozenset[OfferNeed]]) -> None:
        """One set of what is bought together, the first rung of a ladder; of several benefits, what each of them asks for."""
        assert ways_of(all_of(), give) == expected

    def test_both(self) -> None:
        """What the condition asks for, and what the benefit does."""
        assert ways_of(spend_at_least(euros("90")), n_for_m(3, 2, of=BELLS)) == {frozenset([spend("90", *OPEN), units(3, "b")])}

    def test_more_than_four_parts(self) -> None:
        """Of five parts or more each is asked for, and all of them together: four of each, and 20 in all."""
        tagged = [Filter(tags=[f"t{number}"]) for number in range(5)]
        basket = Basket([Line(f"l{place}", euros("1"), 4, tags=[f"t{place}", f"t{(place + 1) % 5}"]) for place in range(5)])
        give = BundlePrice(euros("1"), parts=[Part(4, of) for of in tagged])
        needs, ways = needs_of(Offer("deal", give=give), BOOK.situation(basket, at=NOW))
        assert sorted(need.at_least for need in needs) == [4, 4, 4, 4, 4, 20]
        assert ways == (tuple(range(6)),)

    def test_parts_apart_are_asked_for_apart(self) -> None:
        """Where parts share no goods nothing is said of their sum; where some do, of the sum with these."""
        give = BundlePrice(euros("1"), parts=[Part(1, HELMETS), Part(2, BELLS), Part(1, Filter(products=["helmet", "bell"]))])
        assert ways_of(all_of(), give) == {frozenset([units(1, "h1", "h2"), units(2, "b"), units(4, *OPEN)])}

    def test_at_most_64_ways(self) -> None:
        """Five times one of four is 1,024 ways, of which 64 are kept: the same ones, however the parts stand."""
        lines = [Line(f"l{which}{one}", euros("1"), product_id=f"p{which}{one}") for which in range(5) for one in range(4)]
        parts = [[contains(Filter(products=[f"p{which}{one}"])) for one in range(4)] for which in range(5)]
        seen = BOOK.situation(Basket(lines), at=NOW)
        needs, ways = needs_of(Offer("deal", when=all_of(*[any_of(*one) for one in parts]), give=PercentOff("10")), seen)
        assert len(ways) == len(set(ways)) == 64
        assert {len(way) for way in ways} == {5}
        turned = all_of(*[any_of(*one[::-1]) for one in parts[::-1]])
        assert needs_of(Offer("deal", when=turned, give=PercentOff("10")), seen) == (needs, ways)

    def test_the_shortest_ways_are_kept(self) -> None:
        """Beside 256 ways of four needs, one of two is kept; and one that asks for more than another is none."""
        names = [f"p{number:02}" for number in range(20)]
        each = [contains(Filter(products=[name])) for name in names]
        many = all_of(*[any_of(*each[start : start + 4]) for start in range(0, 16, 4)])
        seen = BOOK.situation(Basket([Line(name, euros("1"), 2) for name in names]), at=NOW)
        twice = quantity_at_least(2, of=Filter(products=[names[18]]))
        needs, ways = needs_of(Offer("deal", when=any_of(many, each[18] & each[19], twice & each[19]), give=FreeShipping()), seen)
        assert Counter(map(len, ways)) == {2: 1, 4: 63}
        assert [needs[place] for way in ways if len(way) == 2 for place in way] == [units(1, "p18"), units(1, "p19")]

    def test_at_most_64_products(self) -> None:
        """Of a hundred products of which one is enough, 64 are kept, by the names of their lines."""
        basket = Basket([Line(f"l{number:02}", euros("1"), 2, product_id=f"p{99 - number:02}") for number in range(100)])
        give = BuyGet(buy=Part(1), get=Part(1), reward=Reward.SAME)
        needs, ways = needs_of(Offer("deal", give=give), BOOK.situation(basket, at=NOW))
        assert needs == tuple(units(2, f"l{number:02}") for number in range(64))
        assert ways == tuple((number,) for number in range(64))

    def test_all_lines_have_no_names(self) -> None:
        """Where every line counts, none is named: an order of a thousand lines names them once."""
        needs, _ = needs_of(Offer("a", when=spend_at_least(euros("90")), give=PercentOff("10")), BOOK.situation(BASKET, at=NOW))
        assert needs == (spend("90"),)


def selling(*offers: Offer, **changes: Any) -> Program:  # noqa: ANN401  # a field of any type
    """Give a program that prices returns anew."""
    return attrs.evolve(SHOP, book=OfferBook(offers, stacking=Stacking(Mode.ALL, returns=Returns.REPRICE)), **changes)


def bought(rules: Program, basket: Basket, **asked: Any) -> tuple[Order, Membership]:  # noqa: ANN401  # what a quote is asked
    """Place an order of somebody with points."""
    who = Membership.open("m").earn(5000, ref="welcome", expires_at=None, at=NOW).state
    done = rules.place(rules.quote(basket, who, at=NOW, **asked), who, order_id="1", at=NOW)
    return done.order.state, done.membership


def back(order: Order, returned: Return, number: int = 0) -> tuple[Order, OrderReturned]:
    """Return something that must be accepted."""
    answer = order.plan(returned, return_id=str(number), at=NOW)
    assert isinstance(answer, Accepted), answer
    return order.folded([answer.value]), answer.value


def money_back(order: Order, *backs: Return | Mapping[str, int]) -> list[int]:
    """Give the money of several returns, one after the other."""
    found = list[int]()
    for number, one in enumerate(backs):
        order, fact = back(order, one if isinstance(one, Return) else Return(lines=one), number)
        found.append(fact.money_minor)
    return found


class TestReprice:
    TWENTY = Offer("twenty", when=spend_at_least(euros("100")), give=PercentOff("20"))
    ELEVEN = Basket([Line("a", euros("10"), 11)])

    def test_below_the_threshold_the_offer_goes(self) -> None:
        """20 % from 100.00 on 110.00: one of eleven keeps it; two do not, and what is kept costs more than was paid."""
        order, _ = bought(selling(self.TWENTY), self.ELEVEN)
        assert money_back(order, {"a": 1}) == [800]
        assert money_back(order, {"a": 2}) == [0]
        assert money_back(order, {"a": 4}) == [1800]  # 88.00 was paid, 70.00 is kept
        assert money_back(order, {"a": 11}) == [8800]
        _, fact = back(order, Return(lines={"a": 4}))
        assert fact.withdrawn == ("twenty",)
        assert back(order, Return(lines={"a": 1}))[1].withdrawn == back(order, Return(lines={"a": 11}))[1].withdrawn == ()

    def test_what_came_back_is_not_asked_for_again(self) -> None:
        """8.00 came back before the offer went: nothing, until what is kept costs less than what was kept of the money."""
        order, _ = bought(selling(self.TWENTY), self.ELEVEN)
        assert money_back(order, *[{"a": 1}] * 11) == [800, 0, 0, 1000, *[1000] * 7]
        order, _ = back(order, Return(lines={"a": 2}))
        _, again = back(order, Return(lines={"a": 1}), 1)
        assert again.withdrawn == ()  # it was withdrawn before

    def test_kept_is_the_default(self) -> None:
        """Without the word each unit keeps its share, and the order holds nothing that returns would need."""
        keeping = attrs.evolve(SHOP, book=OfferBook([self.TWENTY], stacking=Stacking(Mode.ALL)))
        order, _ = bought(keeping, self.ELEVEN)
        assert money_back(order, *[{"a": 1}] * 11) == [800] * 11
        assert order.placed is not None
        assert order.placed.offers == (OfferCost(offer_id="twenty", discount_minor=2200),)

    def test_other_offers_stay(self) -> None:
        """Only the offer that is no longer earned goes; what a code gave, and what points paid, stays with what is kept."""
        ten = Offer("ten", when=code_presented("TEN"), give=PercentOff("10"))
        order, _ = bought(selling(self.TWENTY, ten), self.ELEVEN, codes=["TEN"], burn=1100)
        assert order.placed is not None
        assert order.placed.goods_minor == 11000 - 1100 - 2200 - 1100
        assert money_back(order, {"a": 6}) == [6600 - 5 * (1000 - 100 - 100)]

    def test_gone_with_what_it_was_for(self) -> None:
        """A helmet brings the bell at half price: without the helmet the bell costs its price."""
        deal = Offer("deal", give=BuyGet(buy=Part(1, HELMETS), get=Part(1, BELLS), percent="50"))
        order, _ = bought(selling(deal), Basket([BASKET.lines[0], attrs.evolve(BASKET.lines[2], quantity=1)]))
        assert money_back(order, {"b": 1}, {"h1": 1}) in ([250, 4000], [500, 3750])
        assert sum(money_back(order, {"h1": 1}, {"b": 1})) == 4250
        assert money_back(order, {"h1": 1}) == [3750]

    def test_amounts_keep_the_goods(self) -> None:
        """Money without goods withdraws nothing; it may take all that is left, and then nothing is kept."""
        order, who = bought(selling(self.TWENTY), self.ELEVEN)
        assert money_back(order, Return(amount=euros("20")), {"a": 1}, {"a": 10}) == [2000, 800, 6000]
        assert money_back(order, {"a": 2}, Return(amount=euros("88"))) == [0, 8800]
        rules, kept = selling(self.TWENTY), [88]
        for number, one in enumerate((Return(lines={"a": 2}), Return(amount=euros("40")), Return(amount=euros("48")))):
            done = rules.refund(order, who, back=one, return_id=str(number), at=NOW)
            order, who = done.order.state, done.membership
            kept.append(who.available(at=NOW) - 5000)
        assert kept == [88, 72, 32, 0]  # points follow the shares that were given at purchase

    def test_reserved_and_confirmed(self) -> None:
        """What is frozen at the reservation is what returns follow."""
        rules = selling(self.TWENTY)
        quote = rules.quote(self.ELEVEN, at=NOW)
        reserved = rules.reserve(quote, order_id="1", until=NOW.replace(hour=23), at=NOW).order.state
        order = rules.confirm(reserved, at=NOW).order.state
        assert money_back(order, {"a": 2}) == [0]
        assert Order.from_dict(order.to_dict()) == order


ANY, TAGGED, SAME = Part(2), Part(1, Filter(tags=["t"])), BuyGet(buy=Part(1), get=Part(1), reward=Reward.SAME)
RED_AND_BLUE = [Line(f"a{place}", euros("10"), product_id="a", tags=[f"colour-{place}"]) for place in range(3)]
THREE_OF_ONE = quantity_at_least(3, across=Across.PRODUCT)
MIXED = [Line("a", euros("10"), 2), Line("t", euros("10"), tags=["t"])]
TWO = [Line("a", euros("30")), Line("b", euros("30"))]
FIFTY = spend_at_least(euros("50"))


class TestThresholds:
    """What is kept no longer earns the offer, so it is paid at its list price; and the two thresholds that are meant as such."""

    @pytest.mark.parametrize(
        "when,give,lines,returned,expected",
        [
            pytest.param(
                all_of(),
                SAME,
                [Line("a1", euros("10"), product_id="a"), Line("a2", euros("9"), product_id="a")],
                [{"a1": 1}],
                [100],
                id="one product at two prices",
            ),
            pytest.param(all_of(), SAME, RED_AND_BLUE[:2], [{"a1": 1}], [0], id="one product with two tags"),
            pytest.param(
                THREE_OF_ONE, PercentOff("20"), RED_AND_BLUE, [{"a0": 1}, {"a1": 1}], [400, 1000], id="one price with three tags"
            ),
            pytest.param(
                THREE_OF_ONE,
                AmountOff(euros("2"), per=Per.LINE),
                [attrs.evolve(line, tags=()) for line in RED_AND_BLUE],
                [{"a0": 1}, {"a1": 1}],
                [400, 1000],
                id="one price on three lines",
            ),
            pytest.param(all_of(), BuyGet(buy=ANY, get=TAGGED), MIXED, [{"a": 1}], [0], id="bought and got overlap"),
            pytest.param(
                all_of(), BundlePrice(euros("15"), parts=[ANY, TAGGED]), MIXED, [{"a": 1}], [0], id="parts of a bundle overlap"
            ),
            pytest.param(
                all_of(),
                Several([n_for_m(3, 2), AmountOff(euros("1"), per=Per.BASKET)]),
                [Line("a", euros("10"), 3)],
                [{"a": 2}],
                [900],
                id="one of several asks for nothing",
            ),
            pytest.param(Not(Not(FIFTY)), PercentOff("20"), TWO, [{"a": 1}], [1800], id="turned around twice"),
            pytest.param(
                ~(~FIFTY | code_presented("ZZZZ")), PercentOff("20"), TWO, [{"a": 1}], [1800], id="neither too little nor a code"
            ),
            pytest.param(FIFTY, PercentOff("20"), TWO, [{"a": 1}], [1800], id="as it is written plainly"),
        ],
    )
    def test_holes(
        self, when: Condition, give: Benefit, lines: list[Line], returned: list[dict[str, int]], expected: list[int]
    ) -> None:
        """Ways around a threshold that were open once: the discount stayed though what is kept no longer earns it."""
        order, _ = bought(selling(Offer("deal", when=when, give=give)), Basket(lines))
        assert money_back(order, *returned) == expected
        everything = Return(lines={line.line_id: line.quantity for line in lines})
        assert back(order, everything)[1].money_minor == placed_of(order).goods_minor

    def test_a_ladder_stands_while_its_first_rung_is_reached(self) -> None:
        """5 % from 20.00, 50 % from 50.00: 60.00 cost 30.00, and half of it keeps the half; below 20.00 all of it goes."""
        ladder = SpendLadder({euros("20"): PercentOff("5"), euros("50"): PercentOff("50")})
        order, _ = bought(selling(Offer("deal", give=ladder)), Basket(TWO))
        assert money_back(order, {"a": 1}) == [1500]
        order, _ = bought(selling(Offer("deal", give=ladder)), Basket([Line("a", euros("10"), 6)]))
        assert money_back(order, {"a": 4}, {"a": 1}) == [2000, 0]

    def test_the_rung_itself_asks_for_nothing(self) -> None:
        """A ladder of 3 for 2 from 0.00: there is no first rung to fall below, and two that come back leave one at 6.67."""
        order, _ = bought(
            selling(Offer("deal", give=SpendLadder({euros("0"): n_for_m(3, 2)}))), Basket([Line("a", euros("10"), 3)])
        )
        assert money_back(order, {"a": 1}, {"a": 1}) == [666, 667]

    def test_of_several_sets_one_is_asked_for(self) -> None:
        """3 for 2 on six: four that are kept hold one set, and cost 26.68; two hold none, and cost 20.00."""
        order, _ = bought(selling(Offer("deal", give=n_for_m(3, 2))), Basket([Line("a", euros("10"), 6)]))
        assert money_back(order, {"a": 2}, {"a": 2}) == [1332, 668]


def placed_of(order: Order) -> OrderPlaced:
    """Give what was booked."""
    assert order.placed is not None
    return order.placed


def kept_costs_by_hand(fact: OrderPlaced, returned: Mapping[str, int]) -> int:
    """Go through every unit that is kept: its list price, less what each standing offer takes off it, less what points paid."""
    costs = 0
    for line in fact.lines:

        def unit(whole: int, place: int, quantity: int = line.quantity) -> int:
            return share_of_units(whole, quantity, start=place, stop=place + 1)

        for place in range(returned.get(line.line_id, 0), line.quantity):
            left = line.list_minor
            costs += unit(left, place)
            for offer in fact.offers:
                before, left = left, left - offer.lines.get(line.line_id, 0)
                if not offer.ways or any(
                    all(offer.needs[need].is_met(fact.lines, returned) for need in way) for way in offer.ways
                ):
                    costs -= unit(before, place) - unit(left, place)
            costs -= unit(left, place) - unit(left - line.burn_minor, place)
    return costs


REPRICING = dealing_programs(returns=Returns.REPRICE)

LABELLED = (Filter(), Filter(products=["p"]), Filter(tags=["x"]), Filter(tags=["x", "y"]), Filter(price_from=euros("10")))
"""Filters that overlap in every way."""

ROWS = st.builds(
    Line,
    st.just("l"),
    st.sampled_from((euros("10"), euros("9"))),
    st.integers(1, 3),
    product_id=st.sampled_from("pq"),
    tags=st.sampled_from(((), ("x",), ("y",), ("x", "y"))),
)
BASKETS = st.lists(ROWS, min_size=1, max_size=4).map(
    lambda rows: Basket([attrs.evolve(row, line_id=f"l{place}") for place, row in enumerate(rows)])
)
PARTS = st.builds(Part, st.integers(1, 2), st.sampled_from(LABELLED))


def _of_goods() -> st.SearchStrategy[Condition]:
    of = st.sampled_from(LABELLED)
    return st.one_of(
        st.builds(spend_at_least, st.sampled_from((euros("1"), euros("20"), euros("37"))), of=of),
        st.builds(quantity_at_least, st.integers(1, 4), of=of, across=st.sampled_from(Across)),
        st.builds(products_at_least, st.integers(1, 2), of=of),
        st.sampled_from((is_member(), code_presented("TEN"))),
    )


def _joined(single: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    pairs = st.tuples(single, single)
    return pairs.map(lambda two: all_of(*two)) | pairs.map(lambda two: any_of(*two))


def _turned(single: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    return _joined(single) | single.map(Not)


def kept_of(basket: Basket, data: st.DataObject) -> tuple[Basket, dict[str, int]]:
    """Draw what comes back; give what is kept."""
    returned = {line.line_id: data.draw(st.integers(0, line.quantity)) for line in basket.lines}
    kept = [attrs.evolve(line, quantity=line.quantity - returned[line.line_id]) for line in basket.lines
            if line.quantity > returned[line.line_id]]  # fmt: skip
    return Basket(kept, currency="EUR"), returned


def stands(offer: Offer, basket: Basket, returned: Mapping[str, int]) -> bool:
    """Say whether what was frozen of an offer is met."""
    needs, ways = needs_of(offer, BOOK.situation(basket, at=NOW))
    lines = [
        OrderLine(
            line_id=line.line_id, product_id=line.product_id, quantity=line.quantity, list_minor=line.list_price.minor_units
        )
        for line in basket.lines
    ]
    return OfferCost(offer_id=offer.offer_id, discount_minor=1, needs=needs, ways=ways).stands(lines, returned)


def is_set(parts: Sequence[Part], lines: Iterable[Line]) -> bool:
    """Find a unit of its own for each that a set asks for, moving others where it must."""
    units_there = [line for line in lines for _ in range(line.quantity)]
    holders = dict[int, Filter]()

    def found(of: Filter, tried: set[int]) -> bool:
        for place, line in enumerate(units_there):
            if place in tried or not of.takes(Basket([line]).unit_groups()[0]):
                continue
            tried.add(place)
            if place not in holders or found(holders[place], tried):
                holders[place] = of
                return True
        return False

    return all(found(part.of, set()) for part in parts for _ in range(part.units))


class TestModels:
    @given(st.recursive(_of_goods(), _joined, max_leaves=4), BASKETS, st.data())
    def test_stands_where_the_condition_holds(self, when: Condition, basket: Basket, data: st.DataObject) -> None:
        """Without anything turned around, an offer stands exactly where its condition holds for what is kept."""
        assume(holds(when, BOOK.situation(basket, at=NOW)))
        kept, returned = kept_of(basket, data)
        assert stands(Offer("deal", when=when, give=FreeShipping()), basket, returned) is holds(
            when, BOOK.situation(kept, at=NOW)
        )

    @given(st.recursive(_of_goods(), _turned, max_leaves=5), BASKETS, st.data())
    def test_stands_only_where_the_condition_holds(self, when: Condition, basket: Basket, data: st.DataObject) -> None:
        """However it is turned around: what stands is earned by what is kept."""
        assume(holds(when, BOOK.situation(basket, at=NOW)))
        kept, returned = kept_of(basket, data)
        if stands(Offer("deal", when=when, give=FreeShipping()), basket, returned):
            assert holds(when, BOOK.situation(kept, at=NOW))

    @given(st.lists(PARTS, min_size=1, max_size=4), BASKETS, st.data())
    def test_a_bundle_stands_while_there_is_one(self, parts: list[Part], basket: Basket, data: st.DataObject) -> None:
        """Up to four parts it is exact, however they overlap."""
        assume(is_set(parts, basket.lines))
        kept, returned = kept_of(basket, data)
        deal = Offer("deal", give=BundlePrice(euros("1"), parts=parts))
        assert stands(deal, basket, returned) is is_set(parts, kept.lines)

    @given(st.lists(st.builds(Part, st.just(1), st.sampled_from(LABELLED)), min_size=5, max_size=6), BASKETS, st.data())
    def test_no_bundle_of_many_parts_goes_too_early(self, parts: list[Part], basket: Basket, data: st.DataObject) -> None:
        """Beyond four parts it may stand longer, never shorter."""
        assume(is_set(parts, basket.lines))
        kept, returned = kept_of(basket, data)
        if is_set(parts, kept.lines):
            assert stands(Offer("deal", give=BundlePrice(euros("1"), parts=parts)), basket, returned)

    @given(PARTS, PARTS, st.sampled_from((Reward.CHEAPEST, Reward.SAME)), BASKETS, st.data())
    def test_bought_and_got_stand_while_there_is_a_set(
        self, buy: Part, get: Part, reward: Reward, basket: Basket, data: st.DataObject
    ) -> None:
        """Of any goods together, or of one product."""

        def is_there(lines: Sequence[Line]) -> bool:
            own = [[line for line in lines if line.product_id == product] for product in "pq"]
            return any(is_set([buy, get], some) for some in (own if reward is Reward.SAME else [lines]))

        assume(is_there(basket.lines))
        kept, returned = kept_of(basket, data)
        deal = Offer("deal", give=BuyGet(buy=buy, get=get, reward=reward))
        assert stands(deal, basket, returned) is is_there(kept.lines)


class TestLaws:
    @pytest.mark.law(13, 27)
    @given(REPRICING, st.data())
    def test_what_is_kept_is_paid_and_no_more(self, rules: Program, data: st.DataObject) -> None:
        """Units one by one in any order: after each as much has come back as was ever paid above what is kept costs.

        It never falls, it is never more than with shares that are kept, and once everything came back all the money did.
        """
        order, _ = bought(rules, data.draw(goods(rules)), burn=data.draw(st.sampled_from((0, 300))), codes=["CODEA", "CODEB"])
        fact = placed_of(order)
        names = data.draw(st.permutations([line.line_id for line in fact.lines for _ in range(line.quantity)]))
        most = given_back = 0
        for number, name in enumerate(names):
            order, one = back(order, Return(lines={name: 1}), number)
            given_back += one.money_minor
            most = max(most, fact.goods_minor - kept_costs_by_hand(fact, order.returned))
            assert one.money_minor >= 0
            assert given_back == most
            assert most <= sum(
                share_of_units(line.net_minor, line.quantity, start=0, stop=order.returned.get(line.line_id, 0))
                for line in fact.lines
            )
        assert given_back == fact.goods_minor

    @pytest.mark.law(13, 27)
    @given(REPRICING, st.data())
    def test_what_is_kept_costs_between_its_share_and_its_list_price(self, rules: Program, data: st.DataObject) -> None:
        """Never less than where shares are kept, and never more than before all offers; at the end all the money is back."""
        keeping = attrs.evolve(
            rules, book=OfferBook(rules.book.offers, stacking=attrs.evolve(rules.book.stacking, returns=Returns.KEEP))
        )
        basket, burn = data.draw(goods(rules)), data.draw(st.sampled_from((0, 300)))
        orders = [bought(some, basket, burn=burn, codes=["CODEA", "CODEB"])[0] for some in (keeping, rules)]
        left = [placed_of(order).goods_minor for order in orders]
        assert left[0] == left[1]
        for number, name in enumerate(
            data.draw(st.permutations([line.line_id for line in basket.lines for _ in range(line.quantity)]))
        ):
            for which, order in enumerate(orders):
                orders[which], one = back(order, Return(lines={name: 1}), number)
                left[which] -= one.money_minor
            listed = sum(
                share_of_units(line.list_minor, line.quantity, start=orders[1].returned.get(line.line_id, 0), stop=line.quantity)
                for line in placed_of(orders[1]).lines
            )
            assert left[0] <= left[1] <= listed
        assert left == [0, 0]

    @pytest.mark.law(13)
    @given(REPRICING, st.data())
    def test_in_parts_or_at_once_everything_is_everything(self, rules: Program, data: st.DataObject) -> None:
        """However the units are parted, all of them end where one return of all does: money, points, what counts for tiers."""
        order, who = bought(rules, data.draw(goods(rules)), burn=data.draw(st.sampled_from((0, 300))))
        units_out = [line.line_id for line in placed_of(order).lines for _ in range(line.quantity)]
        names = data.draw(st.permutations(units_out))
        cut = data.draw(st.integers(0, len(names)))
        ends = []
        for parts in ([names], [names[:cut], names[cut:]]):
            state, member = order, who
            for number, part in enumerate(part for part in parts if part):
                done = rules.refund(state, member, back=Return(lines=Counter(part)), return_id=str(number), at=NOW)
                state, member = done.order.state, done.membership
            moved = sum(one.money_minor for one in state.returns.values())
            ends.append((moved, member.balance(at=NOW), [one.units for one in member.orders.values()]))
        assert ends[0] == ends[1]
        assert ends[0][0] == placed_of(order).goods_minor

    @pytest.mark.law(13)
    @given(REPRICING, st.data())
    def test_amounts_between_units(self, rules: Program, data: st.DataObject) -> None:
        """Amounts come back in full wherever they stand, never past what was paid, and the units give the rest."""
        order, _ = bought(rules, data.draw(goods(rules)))
        fact = placed_of(order)
        names = data.draw(st.permutations([line.line_id for line in fact.lines for _ in range(line.quantity)]))
        left = fact.goods_minor
        for number, name in enumerate(names):
            if left and data.draw(st.booleans()):
                minor = data.draw(st.integers(1, left))
                order, one = back(order, Return(amount=Money(minor, fact.currency)), 1000 + number)
                assert one.money_minor == minor
                left -= minor
            order, one = back(order, Return(lines={name: 1}), number)
            left -= one.money_minor
            assert left >= 0
        assert left == 0
