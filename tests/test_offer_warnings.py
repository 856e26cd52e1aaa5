"""Warnings of a book of offers: what never applies, what stands behind another, where only ids decide."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore._offer_warnings import OfferWarning, WarningKind, warnings_of
from loyaltycore.basket import Basket, Filter, Line, PriceState
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
    NextCoupon,
    Part,
    Per,
    PercentOff,
    PointsTimes,
    QuantityLadder,
    Several,
    ShippingPercentOff,
    SpendLadder,
    Units,
    n_for_m,
)
from loyaltycore.conditions import (
    Across,
    AllOf,
    Base,
    Condition,
    Not,
    all_of,
    any_of,
    code_presented,
    contains,
    during,
    first_order,
    in_market,
    in_tier,
    is_member,
    member_tagged,
    nth_order,
    paid_by,
    past_discount_at_least,
    points_at_least,
    products_at_least,
    quantity_at_least,
    spend_at_least,
    via_channel,
)
from loyaltycore.members import Profile
from loyaltycore.offers import Combines, Lane, Limits, Mode, Offer, OfferBook, Stacking
from loyaltycore.periods import Schedule, Weekday, Window
from loyaltycore.quantities import Money, Rate

START = datetime(2026, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NEVER, SHADOWED, ORDER = WarningKind
ALWAYS = AllOf(())
TEN, TWENTY = PercentOff("10"), PercentOff("20")
POINTS = BonusPoints(100, expires=None)


def euros(text: str) -> Money:
    """Read an amount."""
    return Money.of(text, "EUR")


def days(first: int | None, after: int | None) -> Window:
    """Give a window in days from the start of the program."""
    return Window(
        starts_at=None if first is None else START + first * DAY, ends_at=None if after is None else START + after * DAY
    )


def told(
    *offers: Offer,
    mode: Mode = Mode.ALL,
    tiers: frozenset[str] | None = frozenset({"silver", "gold"}),
    **stacking: Any,  # noqa: ANN401  # any field
) -> list[OfferWarning]:
    """Give the warnings of a book."""
    book = OfferBook(offers, stacking=Stacking(mode, **stacking))
    return list(warnings_of(book, tiers=tiers, starts_at=START))


def short(found: list[OfferWarning]) -> list[tuple[WarningKind, tuple[str, ...]]]:
    """Leave out why."""
    return [(warning.kind, warning.offer_ids) for warning in found]


IMPOSSIBLE: list[tuple[Condition, str]] = [
    (is_member() & ~is_member(), "forbids it"),
    (code_presented("SUMMER10") & ~code_presented("summer-1o"), "forbids it"),
    (member_tagged("staff") & ~member_tagged("staff", "press"), "forbids it"),
    (member_tagged("staff", "press") & ~member_tagged("staff") & ~member_tagged("press"), "forbids it"),
    (during(schedule=Schedule(weekdays=[Weekday.MONDAY])) & ~during(schedule=Schedule(weekdays=[Weekday.MONDAY])), "forbids it"),
    (first_order() & nth_order(2), "number of the order"),
    (nth_order(2) & ~nth_order(2), "forbids it"),
    (in_tier("gold") & in_tier("silver"), "no tier meets"),
    (in_tier("gold") & ~in_tier("gold", "silver"), "no tier meets"),
    (in_tier("platinum"), "no tier platinum"),
    (in_tier("platinum", "bronze"), "no tier bronze or platinum"),
    (in_market("FR") & in_market("DE", "BE"), "no market meets"),
    (via_channel("app") & ~via_channel("app", "web"), "no channel meets"),
    (paid_by("card") & paid_by("cash"), "no way to pay meets"),
    (spend_at_least(euros("50")) & ~spend_at_least(euros("50")), "forbids it"),
    (spend_at_least(euros("80")) & ~spend_at_least(euros("50")), "less than that"),
    (quantity_at_least(3) & ~quantity_at_least(2), "less than that"),
    (products_at_least(3) & ~products_at_least(2), "less than that"),
    (points_at_least(500) & ~points_at_least(100), "less than that"),
    (past_discount_at_least("20") & ~past_discount_at_least("10"), "less than that"),
    (points_at_least(1) & ~is_member(), "only members"),
    (in_tier("gold") & ~is_member(), "only members"),
    (nth_order(2) & ~is_member(), "only members"),
    (during(window=days(0, 5)) & during(window=days(5, 9)), "no instant in common"),
    (during(window=days(None, 0)), "before the program starts"),
    (contains(Filter(tags=["gift-card"])), "goods that it counts"),
    (spend_at_least(euros("5"), of=Filter(products=["a"], exclude_products=["a", "b"])), "goods that it counts"),
    (contains(Filter(tags=["sale"], exclude_tags=["sale"])), "goods that it counts"),
    (products_at_least(3, of=Filter(products=["a", "b"])), "more products than it names"),
    (is_member() & any_of(~is_member(), in_tier("platinum")), "forbids it"),
    (is_member() & ~all_of(is_member()), "forbids it"),
    (~any_of(is_member(), in_market("FR")) & in_market("FR"), "forbids it"),
    (Not(all_of()), "always holds"),
    (first_order() & any_of(nth_order(2), nth_order(3) & is_member()), "number of the order"),
]

POSSIBLE: list[Condition] = [
    ALWAYS,
    is_member() & ~in_tier("gold"),
    any_of(is_member(), ~is_member()),
    is_member() & any_of(~is_member(), in_tier("gold")),
    code_presented("SUMMER10") & ~code_presented("WINTER10"),
    member_tagged("staff", "press") & ~member_tagged("staff"),
    member_tagged("staff") & member_tagged("press"),
    in_tier("gold", "platinum"),
    in_market("FR", "DE") & ~in_market("FR"),
    first_order() & ~nth_order(2) & ~is_member(),
    spend_at_least(euros("50")) & ~spend_at_least(euros("80")),
    quantity_at_least(3) & ~quantity_at_least(2, across=Across.PRODUCT),
    spend_at_least(euros("50"), of=Filter(tags=["a"])) & ~spend_at_least(euros("50"), of=Filter(tags=["b"])),
    during(window=days(-5, 1)),
    during(window=days(0, 5)) & during(window=days(4, 9)),
    contains(Filter(tags=["gift-card", "sale"])),
    contains(Filter(products=["a", "b"], exclude_products=["a"])),
    products_at_least(2, of=Filter(products=["a", "b"])),
    products_at_least(2, of=Filter(categories=["a"])),
    ~contains(Filter(tags=["gift-card"])),
    ~all_of(is_member(), in_tier("gold")),
]


class TestNever:
    """Offers that no basket gets."""

    @pytest.mark.parametrize("when, why", IMPOSSIBLE)
    def test_a_condition_that_nothing_meets_is_told(self, when: Condition, why: str) -> None:
        """It asks for what cannot be together, or what there is not."""
        (warning,) = told(Offer("odd", when=when, give=TEN), exclude_tags=["gift-card"])
        assert warning.kind is NEVER
        assert warning.offer_ids == ("odd",)
        assert why in warning.because

    @pytest.mark.parametrize("when", POSSIBLE)
    def test_a_condition_that_something_meets_is_not(self, when: Condition) -> None:
        """However odd it looks."""
        assert told(Offer("fine", when=when, give=TEN), exclude_tags=["gift-card"]) == []

    def test_the_window_counts_with_the_condition(self) -> None:
        """They must meet, and not end before the program starts."""
        spring = Offer("spring", window=days(-90, 0), give=TEN)
        apart = Offer("apart", window=days(0, 5), when=during(window=days(5, None)), give=TEN)
        assert [warning.because for warning in told(spring, apart)] == [
            "its windows have no instant in common",
            "its window ends before the program starts",
        ]

    def test_what_is_not_known_is_not_held_against_it(self) -> None:
        """Without tiers known, and without a start, nothing is said of them."""
        book = OfferBook(
            [Offer("gold", when=in_tier("gold"), give=TEN), Offer("old", window=days(-9, -5), give=POINTS)],
            stacking=Stacking(Mode.ALL),
        )
        assert warnings_of(book, tiers=None, starts_at=None) == ()
        assert [warning.offer_ids for warning in warnings_of(book, tiers=frozenset(), starts_at=START)] == [("gold",), ("old",)]

    @pytest.mark.parametrize(
        "give, why",
        [
            (PercentOff("10", of=Filter(tags=["gift-card"])), "its benefit is of"),
            (AmountOff(euros("5"), per=Per.UNIT, of=Filter(products=["a"], exclude_products=["a"])), "its benefit is of"),
            (FixedPrice(euros("5"), of=Filter(tags=["gift-card"])), "its benefit is of"),
            (BundlePrice(euros("5"), parts=[Part(1), Part(1, Filter(tags=["gift-card"]))]), "its benefit is of"),
            (BuyGet(buy=Part(1, Filter(tags=["gift-card"])), get=Part(1)), "its benefit is of"),
            (BuyGet(buy=Part(1), get=Part(1, Filter(tags=["gift-card"]))), "its benefit is of"),
            (PointsTimes(Rate.times("2"), of=Filter(tags=["gift-card"])), "its benefit is of"),
            (Several([PercentOff("10", of=Filter(tags=["gift-card"]))]), "its benefit is of"),
            (QuantityLadder({1: TEN}, of=Filter(tags=["gift-card"])), "its ladder counts"),
            (SpendLadder({euros("50"): TEN}, of=Filter(tags=["gift-card"])), "its ladder counts"),
        ],
    )
    def test_a_benefit_of_goods_that_no_offer_touches_is_told(self, give: Benefit, why: str) -> None:
        """All it is of is excluded."""
        (warning,) = told(Offer("odd", give=give), exclude_tags=["gift-card"])
        assert warning.kind is NEVER
        assert why in warning.because

    @pytest.mark.parametrize(
        "give",
        [
            Several([PercentOff("10", of=Filter(tags=["gift-card"])), POINTS]),
            SpendLadder({euros("0"): TEN}, of=Filter(tags=["gift-card"])),
            PercentOff("10", of=Filter(tags=["gift-card", "sale"])),
            Gift("gift-card"),
            FreeShipping(),
        ],
    )
    def test_a_benefit_that_gives_something_is_not(self, give: Benefit) -> None:
        """One part, one rung or one tag is enough."""
        assert told(Offer("fine", give=give), exclude_tags=["gift-card"]) == []

    def test_an_offer_that_never_applies_is_in_no_other_warning(self) -> None:
        """One thing at a time."""
        found = told(Offer("a", when=in_tier("platinum"), give=TEN), Offer("b", give=TEN), mode=Mode.PRIORITY)
        assert short(found) == [(NEVER, ("a",))]


class TestShadowed:
    """Offers behind one that always goes first."""

    @pytest.mark.parametrize("mode", [Mode.ALL, Mode.PRIORITY])
    def test_behind_an_exclusive_one(self, mode: Mode) -> None:
        """Every offer that is not exclusive itself and goes before it."""
        found = told(
            Offer("alone", give=TEN, combines=Combines.ALONE),
            Offer("first", give=TWENTY, combines=Combines.ALONE, priority=5, when=is_member()),
            Offer("product", give=TEN, lane=Lane.PRODUCT, priority=9),
            Offer("later", give=TWENTY, combines=Combines.ALONE, priority=-1),
            mode=mode,
        )
        assert short(found) == [(SHADOWED, ("product", "later"))]
        assert found[0].text == (
            "offers product, later can apply only where another gives nothing: "
            "alone has no condition, is exclusive and goes first"
        )

    @pytest.mark.parametrize("give", [NextCoupon("welcome"), Several([TEN, NextCoupon("welcome")])])
    def test_behind_an_exclusive_one_that_always_gives(self, give: Benefit) -> None:
        """Nothing is left at all."""
        found = told(Offer("alone", give=give, combines=Combines.ALONE), Offer("other", give=TEN))
        assert short(found) == [(NEVER, ("other",))]

    @pytest.mark.parametrize("give", [POINTS, Several([TEN, POINTS])])
    def test_behind_an_exclusive_one_that_gives_points(self, give: Benefit) -> None:
        """Points are for goods that offers may touch: a basket of others leaves room."""
        found = told(Offer("alone", give=give, combines=Combines.ALONE), Offer("other", give=TEN))
        assert short(found) == [(SHADOWED, ("other",))]

    @pytest.mark.parametrize(
        "changes",
        [
            {"when": is_member()},
            {"window": days(0, 9)},
            {"window": days(1, None)},
            {"limits": Limits(total=5)},
            {"combines": Combines.ANY},
            {"give": PercentOff("10", of=Filter(categories=["helmets"]))},
            {"give": FixedPrice(euros("10"))},
            {"give": n_for_m(3, 2)},
            {"give": SpendLadder({euros("50"): TEN})},
            {"give": PointsTimes(Rate.times("2"), of=Filter(tags=["club"]))},
        ],
    )
    def test_one_that_may_not_apply_keeps_nobody_out(self, changes: dict[str, Any]) -> None:
        """It must hold for everybody, for ever."""
        fields: dict[str, Any] = {"give": TEN, "combines": Combines.ALONE, **changes}
        assert told(Offer("alone", **fields), Offer("other", give=TEN, lane=Lane.SHIPPING)) == []

    @pytest.mark.parametrize(
        "give",
        [
            FreeShipping(),
            Gift("bottle"),
            PointsTimes(Rate.times("2")),
            AmountOff(euros("5"), per=Per.BASKET),
            PercentOff("10", units=Units(at_most=1)),
            Several([n_for_m(3, 2), TEN]),
        ],
    )
    def test_one_that_gives_to_nearly_every_basket_keeps_the_others_out(self, give: Benefit) -> None:
        """All goods, or none in particular."""
        found = told(Offer("alone", give=give, lane=Lane.BASKET, combines=Combines.ALONE), Offer("other", give=TEN))
        assert short(found) == [(SHADOWED, ("other",))]

    @pytest.mark.parametrize("window", [days(None, None), days(-5, None), days(0, None)])
    def test_a_window_that_holds_from_the_start_on_is_none(self, window: Window) -> None:
        """What was before the program does not matter."""
        found = told(Offer("alone", give=TEN, combines=Combines.ALONE, window=window), Offer("other", give=TEN))
        assert short(found) == [(SHADOWED, ("other",))]

    def test_a_window_without_a_known_start_may_begin_later(self) -> None:
        """Then the other has its time."""
        book = OfferBook(
            [Offer("alone", give=TEN, combines=Combines.ALONE, window=days(0, None)), Offer("other", give=TEN)],
            stacking=Stacking(Mode.ALL),
        )
        assert warnings_of(book, tiers=None, starts_at=None) == ()

    def test_behind_the_last_one(self) -> None:
        """No offer applies after it."""
        found = told(
            Offer("before", give=TEN, priority=9),
            Offer("last", give=TEN, combines=Combines.LAST, priority=5),
            Offer("after", give=TEN),
            Offer("free", give=FreeShipping()),
            Offer("other-last", give=TEN, combines=Combines.LAST, priority=4),
            Offer("alone", when=is_member(), give=TEN, combines=Combines.ALONE),
        )
        assert short(found) == [(SHADOWED, ("other-last", "after", "free"))]
        assert "no offer applies after it" in found[0].because

    def test_the_last_one_may_not_be_reached_though_it_always_gives(self) -> None:
        """One before it may be the last already."""
        found = told(Offer("last", give=POINTS, combines=Combines.LAST, priority=5), Offer("after", give=TEN))
        assert short(found) == [(SHADOWED, ("after",))]

    def test_behind_the_first_of_a_group(self) -> None:
        """Of one group one applies."""
        found = told(
            Offer("first", give=TEN, group="deals", priority=5),
            Offer("second", give=TWENTY, group="deals"),
            Offer("third", give=TWENTY, group="deals", priority=-5),
            Offer("other", give=TWENTY, group="gifts"),
        )
        assert short(found) == [(SHADOWED, ("second", "third"))]
        assert found[0].because.startswith("first ")

    @pytest.mark.parametrize("give", [TEN, AmountOff(euros("5"), per=Per.BASKET)])
    def test_behind_one_of_all_goods_in_its_lane(self, give: Benefit) -> None:
        """A unit is reached once in a lane."""
        found = told(
            Offer("wide", give=give, priority=5),
            Offer("narrow", give=PercentOff("20", of=Filter(categories=["helmets"]))),
            Offer("product", give=TEN, lane=Lane.PRODUCT),
            Offer("points", give=Several([TEN, POINTS])),
            mode=Mode.PRIORITY,
        )
        # The narrow one goes before the one for points, which is of all goods: no id decides between them.
        assert short(found) == [(SHADOWED, ("narrow",))]

    @pytest.mark.parametrize(
        "give, fields",
        [
            (PercentOff("10", of=Filter(categories=["helmets"])), {}),
            (PercentOff("10", units=Units(at_most=1)), {}),
            (PercentOff("10", exclude_tags=["low-margin"]), {}),
            (FixedPrice(euros("10")), {}),
            (n_for_m(3, 2), {}),
            (TEN, {"discount_limit": Money.of("5", "EUR")}),
            (TEN, {"group": "deals"}),
        ],
    )
    def test_one_that_leaves_something_keeps_nobody_out(self, give: Benefit, fields: dict[str, Any]) -> None:
        """Some goods may still be reached."""
        found = told(Offer("wide", give=give, priority=5, **fields), Offer("other", give=TWENTY), mode=Mode.PRIORITY)
        assert found == []

    def test_tags_that_no_offer_touches_are_left_out_of_all_goods(self) -> None:
        """Leaving them out again changes nothing."""
        wide = Offer("wide", give=PercentOff("10", exclude_tags=["gift-card"]), priority=5)
        found = told(wide, Offer("other", give=TWENTY), mode=Mode.PRIORITY, exclude_tags=["gift-card"])
        assert short(found) == [(SHADOWED, ("other",))]

    def test_as_many_must_be_before_as_may_reach_a_unit(self) -> None:
        """With two allowed in a lane, the third is behind."""
        offers = [Offer(name, give=TEN, priority=-place) for place, name in enumerate("abc")]
        assert told(*offers) == []
        assert short(told(*offers, at_most={Lane.BASKET: 2})) == [(SHADOWED, ("c",))]
        assert short(told(*offers, mode=Mode.PRIORITY)) == [(SHADOWED, ("b", "c"))]

    def test_in_best_nobody_goes_first(self) -> None:
        """All sets are compared."""
        assert told(Offer("a", give=TEN, combines=Combines.ALONE, priority=5), Offer("b", give=TWENTY), mode=Mode.BEST) == []


class TestOrder:
    """Offers of one lane and priority, where only their ids say who goes first."""

    def test_those_that_compete_for_units(self) -> None:
        """The pitfall of every rule table: two percentages, and no priority."""
        found = told(Offer("ten", give=TEN), Offer("twenty", give=TWENTY), mode=Mode.PRIORITY)
        assert short(found) == [(ORDER, ("ten", "twenty"))]
        assert found[0].text == (
            "offers ten, twenty have the same lane and priority, so that their ids decide: "
            "at most 1 of them takes something off a unit; give them priorities"
        )

    @pytest.mark.parametrize(
        "one, other",
        [
            ({"priority": 1}, {}),
            ({"lane": Lane.PRODUCT}, {}),
            ({"when": in_tier("gold")}, {"when": in_tier("silver")}),
            ({"when": in_market("FR") & is_member()}, {"when": in_market("DE")}),
            ({"when": first_order()}, {"when": nth_order(2)}),
            ({"window": days(0, 9)}, {"when": during(window=days(9, 20))}),
            ({"give": PercentOff("10", of=Filter(products=["a"]))}, {"give": PercentOff("10", of=Filter(products=["b"]))}),
            ({"give": PercentOff("10", of=Filter(brands=["a"]))}, {"give": PercentOff("10", of=Filter(brands=["b"]))}),
            ({"give": Gift("a", fill=Fill.MISSING)}, {"give": PercentOff("10", of=Filter(products=["b"]))}),
            (
                {"give": PercentOff("10", of=Filter(price=PriceState.REGULAR))},
                {"give": PercentOff("10", of=Filter(price=PriceState.REDUCED))},
            ),
            (
                {"give": PercentOff("10", of=Filter(price_to=euros("9.99")))},
                {"give": PercentOff("10", of=Filter(price_from=euros("10")))},
            ),
            ({"give": POINTS}, {"give": Gift("bottle")}),
            ({"give": TEN}, {"give": Gift("bottle")}),
            ({"give": FreeShipping()}, {"give": TWENTY, "lane": Lane.SHIPPING}),
        ],
    )
    def test_those_that_never_meet_do_not(self, one: dict[str, Any], other: dict[str, Any]) -> None:
        """One basket cannot be of both, or they take nothing from one another."""
        offers = (Offer("one", **{"give": POINTS, **one}), Offer("other", **{"give": POINTS, **other}))
        if "give" not in one:
            both: dict[str, Any] = {"give": PercentOff("10", units=Units(at_most=1))}
            offers = (Offer("one", **both, **one), Offer("other", **both, **other))
        assert told(*offers, mode=Mode.PRIORITY) == []

    @pytest.mark.parametrize(
        "one, other",
        [
            (Filter(products=["a", "b"]), Filter(products=["b", "c"])),
            (Filter(tags=["a"]), Filter(brands=["x"])),
            (Filter(categories=["helmets"]), Filter(categories=["sale"])),
            (Filter(price_to=euros("10")), Filter(price_from=euros("10"))),
        ],
    )
    def test_goods_that_may_be_the_same_do(self, one: Filter, other: Filter) -> None:
        """A helmet may be on sale."""
        found = told(
            Offer("one", give=PercentOff("10", of=one)), Offer("other", give=PercentOff("20", of=other)), mode=Mode.PRIORITY
        )
        assert short(found) == [(ORDER, ("one", "other"))]

    @pytest.mark.parametrize("mode", Mode)
    @pytest.mark.parametrize(
        "narrow, wide",
        [
            (Filter(products=["sofa"]), Filter()),
            (Filter(products=["sofa"]), Filter(categories=["furniture"])),
            (Filter(categories=["furniture"]), Filter()),
        ],
    )
    def test_the_narrower_goes_first_whatever_its_name(self, narrow: Filter, wide: Filter, mode: Mode) -> None:
        """That is the order of the offers, and no id decides."""
        for one, other in (("a", "b"), ("b", "a")):
            pair = (Offer(one, give=PercentOff("30", of=narrow)), Offer(other, give=PercentOff("10", of=wide)))
            assert told(*pair, mode=mode) == []

    @pytest.mark.parametrize(
        "give",
        [
            PercentOff("30", of=Filter(tags=["sale"])),
            PercentOff("30", of=Filter(brands=["b"]), units=Units(at_most=1)),
            FixedPrice(euros("5"), of=Filter(brands=["b"])),
            n_for_m(3, 2, of=Filter(brands=["b"])),
            PercentOff("20", of=Filter(brands=["b"])),
        ],
    )
    def test_in_best_a_unit_goes_to_the_deeper_discount(self, give: Benefit) -> None:
        """Whatever the names, so nothing is to be said; where two may reach a unit, what one takes may change the other."""
        pair = (Offer("brand", give=PercentOff("10", of=Filter(brands=["b"]))), Offer("other", give=give))
        assert told(*pair, mode=Mode.BEST) == []
        assert short(told(*pair, mode=Mode.PRIORITY)) == [(ORDER, ("brand", "other"))]

    def test_in_best_one_of_a_group_applies(self) -> None:
        """The better one, so that they are in no set together."""
        looks, takes = Offer("a", give=FixedPrice(euros("5")), group="deals"), Offer("b", give=TEN, group="deals")
        assert told(looks, takes, mode=Mode.BEST, at_most={Lane.BASKET: 2}) == []
        third = Offer("c", give=TEN)
        assert short(told(looks, takes, third, mode=Mode.BEST, at_most={Lane.BASKET: 2})) == [(ORDER, ("a", "b", "c"))]

    @pytest.mark.parametrize("mode", [Mode.ALL, Mode.PRIORITY])
    def test_those_of_which_one_asks_for_what_the_other_forbids(self, mode: Mode) -> None:
        """They are in no basket together."""
        hundred = spend_at_least(euros("100"))
        below = Offer("half-shipping", when=~hundred & in_market("FR"), give=ShippingPercentOff("50"))
        assert told(Offer("free-shipping", when=hundred, give=FreeShipping()), below, mode=mode) == []
        either = Offer("free-shipping", when=any_of(hundred, is_member()), give=FreeShipping())
        assert len(told(either, below, mode=mode)) == 1
        assert len(told(Offer("free-shipping", when=in_market("FR"), give=FreeShipping()), below, mode=mode)) == 1

    def test_what_others_leave_is_not_the_same_for_two(self) -> None:
        """One may reach the threshold before the other takes something off, and the other fail it afterwards."""
        running = spend_at_least(euros("50"), base=Base.RUNNING)
        found = told(Offer("above", when=running, give=TEN), Offer("below", when=~running, give=TWENTY))
        assert [warning.because for warning in found] == ["a threshold looks at what the others leave"]

    def test_who_meets_nobody_is_not_named(self) -> None:
        """Also where others hang together around it."""
        found = told(
            Offer("a", give=PercentOff("10", of=Filter(products=["a"])), when=in_tier("gold")),
            Offer("b", give=PercentOff("10", of=Filter(products=["a", "b"])), when=in_tier("silver")),
            Offer("c", give=PercentOff("10", of=Filter(products=["b"])), when=in_tier("silver", "gold")),
            mode=Mode.PRIORITY,
        )
        assert short(found) == [(ORDER, ("b", "c"))]

    def test_a_long_window_meets_the_short_ones_in_it(self) -> None:
        """Also the second, though the first has ended."""
        found = told(
            Offer("long", give=TEN, window=days(0, 20)),
            Offer("short", give=TEN, window=days(1, 3)),
            Offer("later", give=TEN, window=days(5, 9)),
            mode=Mode.PRIORITY,
        )
        assert short(found) == [(ORDER, ("later", "long", "short"))]

    def test_a_chain_in_which_nobody_meets_is_none(self) -> None:
        """They hang together by facts that are not the same."""
        found = told(
            Offer("a", give=PercentOff("10", of=Filter(products=["a", "b"])), when=in_tier("gold")),
            Offer("b", give=PercentOff("10", of=Filter(products=["b", "c"])), when=in_tier("silver") & in_market("FR")),
            Offer("c", give=PercentOff("10", of=Filter(products=["c"])), when=in_tier("silver", "gold") & in_market("DE")),
            mode=Mode.PRIORITY,
        )
        assert found == []

    def test_as_many_as_may_reach_a_unit_compete_for_nothing(self) -> None:
        """Two of two."""
        pair = (Offer("a", give=TEN), Offer("b", give=TWENTY))
        assert told(*pair, mode=Mode.PRIORITY, at_most={Lane.BASKET: 2}) == []
        assert told(*pair, mode=Mode.ALL) == []
        assert short(told(*pair, mode=Mode.ALL, at_most={Lane.BASKET: 1})) == [(ORDER, ("a", "b"))]
        assert told(*pair, mode=Mode.BEST) == []

    @pytest.mark.parametrize(
        "give, base",
        [
            (TWENTY, Base.RUNNING),
            (BuyGet(buy=Part(1), get=Part(1)), Base.RUNNING),
            (FixedPrice(euros("10")), Base.LIST),
            (BundlePrice(euros("10"), parts=[Part(2)]), Base.LIST),
        ],
    )
    @pytest.mark.parametrize("mode", [Mode.ALL, Mode.BEST])
    def test_what_looks_at_what_is_left(self, give: Benefit, base: Base, mode: Mode) -> None:
        """Where both may reach a unit, the one that looks gives another result before than after."""
        pair = (Offer("looks", give=give, base=base), Offer("takes", give=TEN))
        (warning,) = told(*pair, mode=mode, at_most={Lane.BASKET: 2})
        assert (warning.kind, warning.offer_ids) == (ORDER, ("looks", "takes"))
        assert "changes what another does" in warning.because
        assert told(*pair, mode=Mode.BEST) == []

    @pytest.mark.parametrize("give", [PercentOff("100", of=Filter(tags=["a"])), n_for_m(2, 1), Gift("a", fill=Fill.MISSING)])
    def test_an_amount_beside_what_frees_goods(self, give: Benefit) -> None:
        """What was shared out to goods that are freed then is lost; the other way round it is spread over the rest."""
        of = Filter(brands=["b"]) if isinstance(give, PercentOff) else Filter()
        assert short(told(Offer("amount", give=AmountOff(euros("5"), per=Per.SHARED, of=of)), Offer("frees", give=give))) == [
            (ORDER, ("amount", "frees"))
        ]
        assert told(Offer("percent", give=TEN), Offer("frees", give=give)) == []

    def test_shipping_is_a_price_too(self) -> None:
        """Half of it, then what is left for 2.00, is not the same the other way round."""
        pair = (Offer("free", give=FreeShipping()), Offer("half", give=ShippingPercentOff("50")))
        assert ["shipping" in warning.because for warning in told(*pair)] == [True]
        assert ["at most 1" in warning.because for warning in told(*pair, mode=Mode.PRIORITY)] == [True]

    def test_a_threshold_of_what_is_left(self) -> None:
        """Whether it holds depends on who was before, in every mode."""
        running = Offer("free", when=spend_at_least(euros("50"), base=Base.RUNNING), give=FreeShipping(), lane=Lane.BASKET)
        for mode in Mode:
            found = told(running, Offer("ten", give=TEN), mode=mode)
            assert [warning.because for warning in found] == ["a threshold looks at what the others leave"]
        assert told(running, Offer("points", give=POINTS)) == []
        summer, winter = Offer("a", give=TEN, window=days(0, 9)), Offer("b", give=POINTS, when=running.when, window=days(9, 20))
        autumn = (Offer("c", give=TEN, window=days(2, 5)),)
        assert told(summer, winter, *autumn) == []

    def test_exclusive_ones(self) -> None:
        """The first that gives something keeps the others out, but not in best."""
        pair = (Offer("a", give=TEN, combines=Combines.ALONE), Offer("b", give=TWENTY, combines=Combines.ALONE))
        assert short(told(*pair)) == [(ORDER, ("a", "b"))]
        assert told(*pair, mode=Mode.BEST) == []

    def test_last_ones(self) -> None:
        """Who comes after it is out."""
        pair = (Offer("a", give=POINTS, combines=Combines.LAST), Offer("b", give=POINTS))
        for mode in Mode:
            assert ["no offer applies after" in warning.because for warning in told(*pair, mode=mode)] == [True]

    def test_groups(self) -> None:
        """The first of a group applies, but in best the better one."""
        offers = [Offer(name, give=POINTS, group=name[0]) for name in ("a1", "a2", "b1")]
        assert short(told(*offers)) == [(ORDER, ("a1", "a2"))]
        assert told(*offers, mode=Mode.BEST) == []

    def test_offers_of_one_order(self) -> None:
        """Three for two places."""
        offers = [Offer(name, give=POINTS) for name in "abc"]
        assert short(told(*offers, offers_at_most=2)) == [(ORDER, ("a", "b", "c"))]
        assert told(*offers, offers_at_most=3) == []
        assert told(*offers, offers_at_most=2, mode=Mode.BEST) == []

    def test_many_are_named_by_a_few(self) -> None:
        """All of them are in the value."""
        offers = [Offer(f"o-{number:02d}", give=TEN) for number in range(40)]
        (warning,) = told(*offers, mode=Mode.PRIORITY)
        assert len(warning.offer_ids) == 40
        assert warning.text.startswith("offers o-00, o-01, o-02 and 37 more have the same lane")

    def test_one_offer_is_spoken_of_alone(self) -> None:
        """Grammar."""
        (warning,) = told(Offer("odd", when=in_tier("platinum"), give=TEN))
        assert warning.text == "offer odd can never apply: the program has no tier platinum"


def all_of_list(parts: list[Condition]) -> Condition:
    """Put parts together."""
    return all_of(*parts)


def any_of_list(parts: list[Condition]) -> Condition:
    """Put ways together."""
    return any_of(*parts)


CONDITIONS = st.recursive(
    st.sampled_from(
        [
            ALWAYS,
            is_member(),
            in_tier("gold"),
            in_tier("gold", "silver"),
            in_tier("platinum"),
            in_market("FR"),
            in_market("FR", "DE"),
            via_channel("web"),
            first_order(),
            nth_order(2),
            points_at_least(100),
            points_at_least(500),
            code_presented("SUMMER10"),
            member_tagged("staff"),
            member_tagged("staff", "press"),
            spend_at_least(euros("20")),
            spend_at_least(euros("50")),
            spend_at_least(euros("20"), base=Base.RUNNING),
            quantity_at_least(2),
            contains(Filter(tags=["gift-card"])),
            products_at_least(2, of=Filter(products=["a"])),
            during(window=days(None, 0)),
            during(window=days(0, 3)),
            during(window=days(3, 9)),
        ]
    ),
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=2, max_size=3).map(all_of_list),
        st.lists(inner, min_size=1, max_size=3).map(any_of_list),
    ),
    max_leaves=5,
)


BENEFITS = st.sampled_from(
    [
        TEN,
        PercentOff("50", of=Filter(products=["a"])),
        PercentOff("10", of=Filter(tags=["gift-card"])),
        AmountOff(euros("3"), per=Per.UNIT),
        FixedPrice(euros("5")),
        n_for_m(2, 1),
        FreeShipping(),
        ShippingPercentOff("50"),
        POINTS,
        Several([TWENTY, POINTS]),
        Gift("a", fill=Fill.MISSING),
        SpendLadder({euros("10"): TEN, euros("40"): TWENTY}),
    ]
)
OFFERS = st.lists(
    st.builds(
        Offer,
        st.sampled_from("abcdefgh"),
        when=st.one_of(st.just(ALWAYS), CONDITIONS),
        give=BENEFITS,
        priority=st.integers(0, 2),
        window=st.sampled_from([None, None, days(0, None), days(0, 4), days(-5, 0), days(4, 9)]),
        base=st.sampled_from(Base),
        combines=st.sampled_from([Combines.ANY, Combines.ANY, *Combines]),
        group=st.sampled_from([None, None, "deals"]),
    ),
    max_size=6,
    unique_by=lambda offer: offer.offer_id,
)


@st.composite
def situations(draw: st.DrawFn) -> dict[str, Any]:
    """Draw what a program tells of a sale after its start: a guest has nothing of a member's."""
    names = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=4))
    basket = Basket(
        [
            Line(
                str(number),
                Money(draw(st.integers(100, 4000)), "EUR"),
                draw(st.integers(1, 3)),
                product_id=name,
                tags=draw(st.sampled_from([(), ("gift-card",), ("sale",)])),
            )
            for number, name in enumerate(names)
        ],
        shipping=draw(st.sampled_from([None, euros("0"), euros("4.90")])),
        market=draw(st.sampled_from([None, "FR", "DE"])),
        channel=draw(st.sampled_from([None, "web"])),
    )
    facts: dict[str, Any] = {
        "basket": basket,
        "codes": draw(st.sampled_from([(), ("SUMMER10",)])),
        "profile": Profile(tags=draw(st.sampled_from([(), ("staff",), ("press",)]))),
        "at": START + draw(st.integers(0, 12)) * DAY,
    }
    if draw(st.booleans()):
        facts |= {
            "is_member": True,
            "order_count": draw(st.integers(0, 2)),
            "tier": draw(st.sampled_from([None, "silver", "gold"])),
            "points": draw(st.sampled_from([0, 100, 600])),
        }
    return facts


def without_code_twice(offers: list[Offer]) -> bool:
    """Say whether no code opens two offers, which a book refuses."""
    codes = [code for offer in offers for code in offer.codes]
    return len(codes) == len(set(codes))


class TestLaws:
    """What is said is true."""

    @given(
        OFFERS.filter(without_code_twice),
        st.sampled_from(Mode),
        st.sampled_from([{}, {Lane.BASKET: 2}]),
        st.sampled_from([None, 2]),
        st.lists(situations(), min_size=3, max_size=3),
    )
    def test_what_never_applies_is_never_applied(
        self,
        offers: list[Offer],
        mode: Mode,
        at_most: dict[Lane, int],
        offers_at_most: int | None,
        sales: list[dict[str, Any]],
    ) -> None:
        """Nor does what stands behind another, while that one gives something to all goods."""
        stacking = Stacking(mode, at_most=at_most, offers_at_most=offers_at_most, exclude_tags=["gift-card"])
        book = OfferBook(offers, stacking=stacking)
        found = warnings_of(book, tiers=frozenset({"silver", "gold"}), starts_at=START)
        never = {name for warning in found if warning.kind is NEVER for name in warning.offer_ids}
        shadowed = {
            name: warning.because.split()[0] for warning in found if warning.kind is SHADOWED for name in warning.offer_ids
        }
        for facts in sales:
            applied = {offer.offer_id for offer in book.evaluate(book.situation(**facts)).applied}
            assert never.isdisjoint(applied)
            # Here prices are high enough for a share of each unit, and nothing has a floor.
            assert not {name for name, first in shadowed.items() if name in applied and first in applied}

    @given(OFFERS.filter(without_code_twice), st.sampled_from(Mode), st.randoms(use_true_random=False))
    def test_the_order_handed_in_does_not_decide(self, offers: list[Offer], mode: Mode, random: Any) -> None:  # noqa: ANN401
        """Nor does asking twice."""
        mixed = offers[:]
        random.shuffle(mixed)
        assert told(*offers, mode=mode) == told(*mixed, mode=mode)

    @given(OFFERS.filter(without_code_twice), situations())
    def test_without_a_warning_ids_do_not_decide(self, offers: list[Offer], facts: dict[str, Any]) -> None:
        """Where nothing is said, other names give the same total."""
        for mode in Mode:
            named = {name for warning in told(*offers, mode=mode) if warning.kind is ORDER for name in warning.offer_ids}
            if named:
                continue
            other = [renamed(offer) for offer in offers]
            one, two = (OfferBook(some, stacking=Stacking(mode)) for some in (offers, other))
            before, after = one.evaluate(one.situation(**facts)), two.evaluate(two.situation(**facts))
            # Of two sets that save as much, one off goods and one off shipping, ``best`` takes the first by name.
            assert before.goods_minor + before.shipping_minor == after.goods_minor + after.shipping_minor


def renamed(offer: Offer) -> Offer:
    """Turn the order of ids around."""
    fields = {name: getattr(offer, name) for name in ("when", "give", "lane", "priority", "window", "base", "combines", "group")}
    return Offer(f"{chr(ord('z') - ord(offer.offer_id) + ord('a'))}", **fields)


class TestCost:
    """Ten thousand offers are looked at before a person has blinked twice."""

    @pytest.mark.parametrize(
        "give",
        [
            lambda _: {"give": TEN},
            lambda number: {"give": PercentOff("10", of=Filter(products=[f"p-{number}", f"p-{number + 1}"]))},
            lambda number: {"give": TEN, "window": days(number, number + 1)},
            lambda number: {"give": PercentOff("10", of=Filter(products=[f"p-{number // 30}"])), "when": in_tier(f"t-{number}")},
        ],
    )
    def test_no_pairs_are_gone_through(self, give: Any) -> None:  # noqa: ANN401
        """Twice as many take about twice as long, whatever they share."""
        taken = []
        for count in (2_500, 10_000):
            book = OfferBook([Offer(f"o-{number}", **give(number)) for number in range(count)], stacking=Stacking(Mode.PRIORITY))
            begun = process_time()
            warnings_of(book, tiers=None, starts_at=START)
            taken.append(process_time() - begun)
        assert taken[1] < 12 * taken[0]


def test_the_sentence_is_one() -> None:
    """No sentence is empty, and none has a stop inside."""
    warnings = itertools.chain(
        told(Offer("a", give=TEN), Offer("b", give=TWENTY), mode=Mode.PRIORITY),
        told(Offer("a", give=TEN, combines=Combines.ALONE), Offer("b", give=TWENTY)),
    )
    for warning in warnings:
        assert warning.text.startswith("offer")
        assert "." not in warning.text
