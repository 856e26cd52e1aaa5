"""Returns that withdraw offers: what each offer needs of the goods that are kept, and what comes back then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from hypothesis import given
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
    all_of,
    any_of,
    code_presented,
    contains,
    is_member,
    products_at_least,
    quantity_at_least,
    spend_at_least,
)
from loyaltycore.errors import Accepted
from loyaltycore.offers import Mode, Offer, OfferBook, Returns, Stacking
from loyaltycore.orders import NeedOf, OfferCost, OfferNeed, OrderPlaced, OrderReturned
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
            (any_of(contains(BELLS), contains(BELLS) & contains(HELMETS)), {frozenset([units(1, "b")])}),
            (any_of(contains(BELLS), contains(Filter(products=["lamp"])) & is_member()), {frozenset([units(1, "b")])}),
            (quantity_at_least(2) & quantity_at_least(4) & quantity_at_least(3), {frozenset([units(4, *OPEN)])}),
            (spend_at_least(euros("20")) | spend_at_least(euros("30")), {frozenset([spend("20", *OPEN)])}),
        ],
    )
    def test_of_conditions(self, when: Condition, expected: set[frozenset[OfferNeed]]) -> None:
        """What speaks of goods, in every way that was met; where something else is enough, nothing."""
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
            (Several([n_for_m(3, 2, of=BELLS), BonusPoints(5, expires=None)]), set()),
            (
                Several([n_for_m(3, 2, of=BELLS), PercentOff("10", of=BELLS, units=Units(skip=1))]),
                {frozenset([units(2, "b")])},
            ),
        ],
    )
    def test_of_benefits(self, give: Benefit, expected: set[frozenset[OfferNeed]]) -> None:
        """One set of what is bought together, the first rung of a ladder; of several benefits, what any of them asks for."""
        assert ways_of(all_of(), give) == expected

    def test_both(self) -> None:
        """What the condition asks for, and what the benefit does."""
        assert ways_of(spend_at_least(euros("90")), n_for_m(3, 2, of=BELLS)) == {frozenset([spend("90", *OPEN), units(3, "b")])}

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
