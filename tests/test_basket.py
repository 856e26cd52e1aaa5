"""Baskets and returns."""

from __future__ import annotations

import pickle
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore._checks import WHOLE_LIMIT
from loyaltycore._frozen import FrozenMap
from loyaltycore.basket import (
    LINES_LIMIT,
    QUANTITY_LIMIT,
    Basket,
    Filter,
    Line,
    LineUnits,
    PriceState,
    Return,
    UnitGroup,
)
from loyaltycore.errors import CurrencyMismatchError, UsageError
from loyaltycore.quantities import Money
from loyaltycore.testing.strategies import baskets, lines, returns_of
from tests.odd_values import answers_or_refuses

PRICE = Money.of("79.90", "EUR")
BELL = Money.of("12.50", "EUR")


def line(line_id: str = "1", price: Money = PRICE, quantity: int = 1, **more: Any) -> Line:  # noqa: ANN401  # fields of every kind
    """Give a line of a helmet."""
    return Line(line_id, price, quantity, **{"product_id": "helmet", **more})


class TestLine:
    def test_product_is_the_line_unless_said(self) -> None:
        """A shop with one line a product need not say it twice."""
        assert Line("helmet", PRICE).product_id == "helmet"
        assert line().product_id == "helmet"
        assert Line("helmet", PRICE).quantity == 1

    @given(lines())
    def test_list_price_is_price_times_quantity(self, one: Line) -> None:
        """Before any offer."""
        assert one.list_price.minor_units == one.unit_price.minor_units * one.quantity
        assert pickle.loads(pickle.dumps(one)) == one

    @pytest.mark.parametrize(
        "changes",
        [
            {"quantity": QUANTITY_LIMIT},
            {"price": Money.zero("EUR")},
            {"regular_price": PRICE},
            {"regular_price": Money.of("99", "EUR")},
            {"price": Money(WHOLE_LIMIT, "EUR")},
            {"floor_price": Money.zero("EUR")},
            {"floor_price": Money.of("99", "EUR")},
            {"brand": "Abus & Söhne"},
        ],
        ids=str,
    )
    def test_allowed(self, changes: dict[str, Any]) -> None:
        """Up to the bounds."""
        assert line(**changes).list_price.minor_units >= 0

    def test_labels_are_sets(self) -> None:
        """Given in any form, each once."""
        labelled = line(tags=["a", "a"], categories=iter("ab"))
        assert labelled.tags == frozenset({"a"})
        assert labelled.categories == frozenset({"a", "b"})

    @pytest.mark.parametrize(
        "changes,message",
        [
            ({"line_id": ""}, "line_id must be text"),
            ({"line_id": 1}, "line_id must be text"),
            ({"product_id": ""}, "product_id must be text"),
            ({"product_id": None}, "product_id must be text"),
            ({"price": Money.minor(-1, "EUR")}, "unit_price must be 0 or more, got -0.01 EUR"),
            ({"price": 79}, "unit_price must be of type Money, got 79"),
            ({"quantity": 0}, r"quantity must be a whole number in \[1, 1000000\], got 0"),
            ({"quantity": QUANTITY_LIMIT + 1}, "quantity must be a whole number"),
            ({"quantity": 1.0}, "quantity must be a whole number"),
            ({"quantity": True}, "quantity must be a whole number"),
            ({"tags": "sale"}, "labels must be several values"),
            ({"categories": [1]}, "each of labels must be of type str"),
            (
                {"regular_price": Money.of("79.89", "EUR")},
                "regular_price must be at least the unit price 79.90 EUR, got 79.89 EUR",
            ),
            ({"regular_price": Money.minor(-1, "EUR")}, "regular_price must be 0 or more"),
            ({"regular_price": Money.of("99", "USD")}, "currency must be one and the same"),
            ({"regular_price": "99"}, "regular_price must be of type Money"),
            ({"floor_price": Money.minor(-1, "EUR")}, "floor_price must be 0 or more, got -0.01 EUR"),
            ({"floor_price": "9"}, "floor_price must be of type Money"),
            ({"floor_price": Money.of("9", "USD")}, "currency must be one and the same, got EUR and USD"),
            ({"brand": ""}, "brand must be text of 1 to 200 characters"),
            ({"brand": 1}, "brand must be text"),
            ({"price": Money(WHOLE_LIMIT, "EUR"), "quantity": 2}, "what the line costs in minor units must be a whole number"),
        ],
        ids=count(),
    )
    def test_refused(self, changes: dict[str, Any], message: str) -> None:
        """Each field by name."""
        with pytest.raises(UsageError, match=f"^{message}"):
            line(**changes)

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(
            Line,
            line_id="1",
            unit_price=PRICE,
            quantity=1,
            product_id="p",
            categories=["a"],
            tags=["b"],
            brand="c",
            regular_price=Money.of("99", "EUR"),
            floor_price=Money.of("9", "EUR"),
        )


class TestBasket:
    def test_currency_is_told_by_what_is_in_it(self) -> None:
        """By a line, or by shipping; an empty basket has to say."""
        assert Basket([line()]).currency == "EUR"
        assert Basket([], shipping=Money.zero("USD")).currency == "USD"
        assert Basket([], currency="JPY").subtotal == Money.zero("JPY")
        with pytest.raises(UsageError, match=r"^currency must be given for a basket without lines or shipping"):
            Basket([])

    def test_of_reads_prices(self) -> None:
        """Single units by line id, as people write them."""
        basket = Basket.of("EUR", {"helmet": "79.90", "bell": Decimal("12.5"), "lock": 20})
        assert basket.lines == (Line("helmet", PRICE), Line("bell", BELL), Line("lock", Money.of("20.00", "EUR")))
        assert Basket.of("JPY", {}) == Basket([], currency="JPY")
        for wrong in ([("helmet", "79.90")], {str(n): 1 for n in range(LINES_LIMIT + 1)}):
            with pytest.raises(UsageError, match=r"^prices must be a mapping of at most 10000 items, got"):
                Basket.of("EUR", wrong)  # type: ignore[arg-type]

    @given(baskets())
    def test_subtotal_is_the_sum_of_the_lines(self, basket: Basket) -> None:
        """Without shipping."""
        assert basket.subtotal.minor_units == sum(one.list_price.minor_units for one in basket.lines)
        assert pickle.loads(pickle.dumps(basket)) == basket

    @pytest.mark.law(2)
    @pytest.mark.parametrize(
        "fields",
        [
            {"lines": [line("1"), line("2", Money.of("1", "USD"))]},
            {"lines": [line("1")], "shipping": Money.zero("USD")},
            {"lines": [line("1")], "currency": "USD"},
            {"lines": [], "shipping": Money.zero("EUR"), "currency": "USD"},
        ],
        ids=range(4),
    )
    def test_currencies_never_mix(self, fields: dict[str, Any]) -> None:
        """One basket, one currency, named as both."""
        with pytest.raises(CurrencyMismatchError):
            Basket(**fields)

    @pytest.mark.parametrize(
        "fields,message",
        [
            (
                {"lines": [line("1"), line("2"), line("1"), line("2")]},
                "line_id must be unique in a basket, got '1', '2' more than once",
            ),
            (
                {"lines": [line(str(n % 5)) for n in range(10)]},
                "line_id must be unique in a basket, got '0', '1', '2' more than once",
            ),
            ({"lines": None}, "lines must be several values of type Line"),
            ({"lines": [None]}, "each of lines must be of type Line"),
            ({"lines": line()}, "lines must be several values of type Line"),
            ({"lines": [], "shipping": 5}, "shipping must be of type Money"),
            ({"shipping": 5}, "shipping must be of type Money"),
            ({"shipping": Money.minor(-1, "EUR")}, "shipping must be 0 or more"),
            ({"market": "la France"}, "market must be 1 to 64"),
            ({"channel": ""}, "channel must be 1 to 64"),
            ({"payment": "in cash"}, "payment must be 1 to 64"),
            ({"currency": "eur"}, "currency must be an ISO 4217 code"),
            (
                {"lines": [line("1", Money(WHOLE_LIMIT, "EUR")), line("2", Money.minor(1, "EUR"))]},
                "what the basket costs in minor units",
            ),
            (
                {"lines": [line("1", Money(WHOLE_LIMIT, "EUR"))], "shipping": Money.minor(1, "EUR")},
                "what the basket costs in minor units",
            ),
        ],
        ids=range(14),
    )
    def test_refused(self, fields: dict[str, Any], message: str) -> None:
        """Each field by name."""
        with pytest.raises(UsageError, match=f"^{message}"):
            Basket(**{"lines": [line()], **fields})

    def test_number_of_lines_is_bounded(self) -> None:
        """Ten thousand, even of an iterator; and a bad big basket is refused at once."""
        many = [line(str(n)) for n in range(LINES_LIMIT)]
        assert len(Basket(iter(many)).lines) == LINES_LIMIT
        with pytest.raises(UsageError, match="lines must be at most 10000 in number"):
            Basket([*many, line("one more")])
        with pytest.raises(UsageError, match="line_id must be unique"):
            Basket([*many[1:], many[1]])

    def test_market_channel_and_payment(self) -> None:
        """The shop's own words, or nothing."""
        basket = Basket([line()], market="FR", channel="web", payment="card")
        assert (basket.market, basket.channel, basket.payment, basket.shipping) == ("FR", "web", "card", None)
        assert (Basket([line()]).market, Basket([line()]).channel, Basket([line()]).payment) == (None, None, None)

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(Basket, lines=[line()], shipping=PRICE, market="FR", channel="web", payment="card", currency="EUR")
        answers_or_refuses(lambda shipping: Basket([], shipping=shipping), shipping=PRICE)
        answers_or_refuses(Basket.of, currency="EUR", prices={"a": 1})


class TestUnitGroups:
    def test_lines_of_one_product_price_and_labels_are_one(self) -> None:
        """Their units stand in the order of the line ids."""
        basket = Basket(
            [line("b", quantity=2, tags=["x"]), line("c"), line("a", tags=["x"]), line("d", BELL), line("e", product_id="bike")]
        )
        assert [
            (g.product_id, g.unit_minor, g.quantity, set(g.tags), [u.line_id for u in g.lines]) for g in basket.unit_groups()
        ] == [
            ("bike", 7990, 1, set(), ["e"]),
            ("helmet", 1250, 1, set(), ["d"]),
            ("helmet", 7990, 1, set(), ["c"]),
            ("helmet", 7990, 3, {"x"}, ["a", "b"]),
        ]
        assert basket.unit_groups()[-1].lines == (LineUnits("a", 0, 1), LineUnits("b", 1, 3))
        assert basket.unit_groups()[-1].list_minor == 3 * 7990

    def test_regular_prices_and_categories_tell_lines_apart(self) -> None:
        """What an offer may ask about keeps lines apart, in a fixed order."""
        basket = Basket(
            [
                line("a", categories=["z"]),
                line("b", regular_price=PRICE),
                line("c", categories=["a"]),
                line("d", regular_price=PRICE),
            ]
        )
        assert [(sorted(g.categories), g.regular_minor, g.quantity) for g in basket.unit_groups()] == [
            (["a"], None, 1),
            (["z"], None, 1),
            ([], 7990, 2),
        ]

    def test_brands_and_floors_tell_lines_apart(self) -> None:
        """A floor above the price is one at the price: no offer touches either."""
        nine, ninety = Money.of("9", "EUR"), Money.of("90", "EUR")
        basket = Basket(
            [
                line("a", floor_price=PRICE),
                line("b", floor_price=ninety),
                line("c", floor_price=nine),
                line("d", brand="Abus"),
                line("e", floor_price=Money.zero("EUR")),
                line("f"),
            ]
        )
        assert [(g.brand, g.floor_minor, [u.line_id for u in g.lines]) for g in basket.unit_groups()] == [
            (None, 0, ["e", "f"]),
            (None, 900, ["c"]),
            (None, 7990, ["a", "b"]),
            ("Abus", 0, ["d"]),
        ]

    def test_labels_are_all_it_is_known_by(self) -> None:
        """Each with its kind, so that a tag is no category; in one order."""
        (group,) = Basket([line(tags=["x", "a"], categories=["x"], brand="Abus")]).unit_groups()
        assert group.labels == (("product", "helmet"), ("category", "x"), ("tag", "a"), ("tag", "x"), ("brand", "Abus"))
        assert UnitGroup(product_id="a", unit_minor=0, quantity=1).labels == (("product", "a"),)
        assert pickle.loads(pickle.dumps(group)) == group

    def test_reduced_is_below_the_regular_price(self) -> None:
        """At it, or without one, a price is regular."""
        prices = {"a": None, "b": PRICE, "c": Money.of("79.91", "EUR")}
        groups = Basket([line(line_id, regular_price=price) for line_id, price in prices.items()]).unit_groups()
        assert [(g.lines[0].line_id, g.is_reduced) for g in groups] == [("a", False), ("b", False), ("c", True)]

    @given(baskets(), st.randoms(use_true_random=False))
    def test_order_of_lines_does_not_count(self, basket: Basket, random: Any) -> None:  # noqa: ANN401  # a Random
        """Shuffled, the basket is the same to the offers."""
        shuffled = list(basket.lines)
        random.shuffle(shuffled)
        assert Basket(shuffled, currency="EUR").unit_groups() == basket.unit_groups()

    @given(baskets(min_lines=1), st.data())
    def test_splitting_a_line_does_not_count(self, basket: Basket, data: st.DataObject) -> None:
        """One line of two, or two lines of one: groups hold the same units at the same price."""
        place = data.draw(st.integers(0, len(basket.lines) - 1))
        whole = basket.lines[place]
        first = data.draw(st.integers(1, whole.quantity))
        parts = [(whole.line_id, first), (f"{whole.line_id}-rest", whole.quantity - first)]
        split = [Line(i, whole.unit_price, n, product_id=whole.product_id, tags=whole.tags) for i, n in parts if n]
        other = Basket([*basket.lines[:place], *split, *basket.lines[place + 1 :]], currency="EUR")
        without_lines = [[(g.product_id, g.unit_minor, g.tags, g.quantity) for g in b.unit_groups()] for b in (basket, other)]
        assert without_lines[0] == without_lines[1]

    @given(baskets())
    def test_groups_are_no_part_of_the_value(self, basket: Basket) -> None:
        """Asked for or not, a basket is equal to its like, and survives pickle."""
        asked = pickle.loads(pickle.dumps(basket))
        groups = asked.unit_groups()
        assert asked == basket
        assert hash(asked) == hash(basket)
        assert pickle.loads(pickle.dumps(asked)).unit_groups() == groups == basket.unit_groups()

    @given(baskets())
    def test_units_are_numbered_without_gap(self, basket: Basket) -> None:
        """Every unit of every line stands in exactly one group, once."""
        held = dict[str, int]()
        for group in basket.unit_groups():
            assert [units.start for units in group.lines] == [0, *(units.stop for units in group.lines[:-1])]
            assert group.lines[-1].stop == group.quantity
            held |= {units.line_id: units.stop - units.start for units in group.lines}
        assert held == {one.line_id: one.quantity for one in basket.lines}

    @pytest.mark.parametrize(
        "kind,fields,message",
        [
            (LineUnits, {"line_id": "a", "start": 0, "stop": 0}, "stop must be"),
            (LineUnits, {"line_id": "a", "start": 1, "stop": 1}, "start must be"),
            (LineUnits, {"line_id": "a", "start": -1, "stop": 1}, "start must be"),
            (UnitGroup, {"product_id": "a", "unit_minor": -1, "quantity": 1}, "unit_minor must be"),
            (UnitGroup, {"product_id": "a", "unit_minor": 0, "quantity": 0}, "quantity must be"),
            (
                UnitGroup,
                {"product_id": "a", "unit_minor": 5, "quantity": 1, "floor_minor": 6},
                r"floor_minor must be .* \[0, 5\]",
            ),
            (UnitGroup, {"product_id": "a", "unit_minor": 5, "quantity": 1, "floor_minor": -1}, "floor_minor must be"),
        ],
    )
    def test_refused(self, kind: type, fields: dict[str, Any], message: str) -> None:
        """No range without units, no price below zero."""
        with pytest.raises(UsageError, match=message):
            kind(**fields)

    def test_smallest(self) -> None:
        """One unit, for nothing."""
        assert UnitGroup(product_id="a", unit_minor=0, quantity=1).list_minor == 0
        assert LineUnits("a", 0, 1).stop == 1
        assert UnitGroup(product_id="a", unit_minor=5, quantity=1, floor_minor=5).floor_minor == 5


class TestLineGroups:
    def test_each_line_is_a_group_of_its_own(self) -> None:
        """In the order of the unit groups, and of the line ids within one."""
        basket = Basket([line("b", quantity=2), line("a"), line("c", BELL, brand="Abus", floor_price=Money.of("9", "EUR"))])
        assert [(g.unit_minor, g.quantity, g.brand, g.floor_minor, g.lines) for g in basket.line_groups()] == [
            (1250, 1, "Abus", 900, (LineUnits("c", 0, 1),)),
            (7990, 1, None, 0, (LineUnits("a", 0, 1),)),
            (7990, 2, None, 0, (LineUnits("b", 0, 2),)),
        ]
        assert Basket([], currency="EUR").line_groups() == ()

    @given(baskets(), st.randoms(use_true_random=False))
    def test_order_of_lines_does_not_count(self, basket: Basket, random: Any) -> None:  # noqa: ANN401  # a Random
        """Shuffled, it gives the same; and the units of each line are those of its unit group."""
        shuffled = list(basket.lines)
        random.shuffle(shuffled)
        assert Basket(shuffled, currency="EUR").line_groups() == basket.line_groups()
        by_units = [
            (group.product_id, group.unit_minor, group.tags, units.line_id, units.stop - units.start)
            for group in basket.unit_groups()
            for units in group.lines
        ]
        by_lines = [(g.product_id, g.unit_minor, g.tags, g.lines[0].line_id, g.quantity) for g in basket.line_groups()]
        assert by_lines == by_units


GOODS = Basket(
    [
        line("bell", Money.of("5.00", "EUR"), product_id="bell", categories=["parts"], brand="Bella"),
        line("bike", Money.of("400.00", "EUR"), product_id="bike", tags=["sale"], regular_price=Money.of("500.00", "EUR")),
        line("card", Money.of("50.00", "EUR"), product_id="card", tags=["gift-card"]),
        line("lamp", Money.of("20.00", "EUR"), product_id="lamp", categories=["parts", "lights"], tags=["sale", "heavy"]),
    ]
).unit_groups()


class TestFilter:
    @pytest.mark.parametrize(
        "fields,taken,hit",
        [
            ({}, "bell bike card lamp", ""),
            ({"tags": ["sale", "gift-card"]}, "bike card lamp", "bike card lamp"),
            ({"products": ["bell", "none"]}, "bell", "bell"),
            ({"categories": ["lights"]}, "lamp", "lamp"),
            ({"brands": ["Bella", "Abus"]}, "bell", "bell"),
            ({"price": PriceState.REDUCED}, "bike", "bike"),
            ({"price": PriceState.REGULAR}, "bell card lamp", "bell card lamp"),
            ({"price_from": Money.of("20.00", "EUR")}, "bike card lamp", "bike card lamp"),
            ({"price_from": Money.of("20.01", "EUR")}, "bike card", "bike card"),
            ({"price_to": Money.of("20.00", "EUR")}, "bell lamp", "bell lamp"),
            ({"price_to": Money.of("19.99", "EUR")}, "bell", "bell"),
            ({"price_from": Money.of("20.00", "EUR"), "price_to": Money.of("50.00", "EUR")}, "card lamp", "card lamp"),
            ({"exclude_tags": ["sale"]}, "bell card", ""),
            ({"exclude_products": ["bell", "card"]}, "bike lamp", ""),
            ({"tags": ["sale"], "exclude_tags": ["heavy"]}, "bike", "bike"),
            ({"categories": ["parts"], "exclude_products": ["lamp"]}, "bell", "bell"),
            ({"tags": ["sale"], "categories": ["parts"]}, "lamp", "bell bike lamp"),
            ({"tags": ["sale"], "brands": ["Bella"]}, "", "bell bike lamp"),
        ],
        ids=str,
    )
    def test_which_goods_are_meant(self, fields: dict[str, Any], taken: str, hit: str) -> None:
        """Every part that is said holds, or any; one that says nothing takes all and hits nothing."""
        only = Filter(**fields)
        assert " ".join(sorted(taken.split())) == " ".join(sorted(g.product_id for g in GOODS if only.takes(g)))
        assert " ".join(sorted(hit.split())) == " ".join(sorted(g.product_id for g in GOODS if only.hits(g)))
        assert only.is_open is (not fields)

    def test_bounds_are_the_prices_it_names(self) -> None:
        """In the order from, to."""
        low, high = Money.of("5", "EUR"), Money.of("9", "EUR")
        assert Filter().bounds == ()
        assert Filter(price_from=low).bounds == (low,)
        assert Filter(price_from=low, price_to=high).bounds == (low, high)
        assert Filter(price_from=low, price_to=low).bounds == (low, low)

    @pytest.mark.parametrize(
        "fields,message",
        [
            ({"price": "reduced"}, "price must be one of any, regular, reduced"),
            ({"price_from": 5}, "price_from must be of type Money"),
            ({"price_to": Money.minor(-1, "EUR")}, "price_to must be 0 or more"),
            (
                {"price_from": PRICE, "price_to": BELL},
                "price_to must be at least price_from 79.90 EUR, got 12.50 EUR",
            ),
            ({"price_from": BELL, "price_to": Money.of("20", "USD")}, "currency must be one and the same"),
            ({"brands": "Abus"}, "labels must be several values"),
        ],
        ids=range(6),
    )
    def test_refused(self, fields: dict[str, Any], message: str) -> None:
        """Each field by name."""
        with pytest.raises(UsageError, match=f"^{message}"):
            Filter(**fields)

    def test_equal_by_what_is_said(self) -> None:
        """In any order, each once; a copy too."""
        one = Filter(tags=["a", "b", "a"], price_from=BELL)
        assert one == Filter(tags=iter("ba"), price_from=BELL) != Filter(tags=["a"], price_from=BELL)
        assert hash(one) == hash(pickle.loads(pickle.dumps(one)))
        assert pickle.loads(pickle.dumps(one)) == one

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(
            Filter,
            tags=["a"],
            products=["b"],
            categories=["c"],
            brands=["d"],
            price=PriceState.ANY,
            price_from=BELL,
            price_to=PRICE,
            exclude_tags=["e"],
            exclude_products=["f"],
        )


class TestReturn:
    def test_lines_or_an_amount(self) -> None:
        """One of the two."""
        assert Return(lines={"a": 1}).amount is None
        assert Return(amount=PRICE).lines == {}
        assert isinstance(Return(lines={"a": 1}).lines, FrozenMap)

    @pytest.mark.parametrize(
        "fields,message",
        [
            ({}, "a return must name lines or an amount, one of the two, or shipping alone, got {} and None"),
            ({"lines": {"a": 1}, "amount": PRICE}, "a return must name lines or an amount, one of the two"),
            ({"lines": {}, "amount": None}, "a return must name lines or an amount"),
            ({"lines": {"a": 0}}, r"units of line 'a' must be a whole number in \[1, 1000000\], got 0"),
            ({"lines": {"a": QUANTITY_LIMIT + 1}}, "units of line 'a' must be"),
            ({"lines": {"a": 1.0}}, "units of line 'a' must be"),
            ({"lines": {"": 1}}, "line_id must be text"),
            ({"lines": {1: 1}}, "line_id must be text"),
            ({"lines": ["a"]}, "lines must be a mapping of at most 10000 items"),
            ({"amount": Money.zero("EUR")}, "amount must be above 0, got 0.00 EUR"),
            ({"amount": Money.minor(-1, "EUR")}, "amount must be 0 or more"),
            ({"amount": 5}, "amount must be of type Money"),
        ],
        ids=range(12),
    )
    def test_refused(self, fields: dict[str, Any], message: str) -> None:
        """Neither, both, nothing, or wrong."""
        with pytest.raises(UsageError, match=f"^{message}"):
            Return(**fields)

    @given(baskets(min_lines=1).flatmap(lambda basket: st.tuples(st.just(basket), returns_of(basket))))
    def test_survives_pickle(self, drawn: tuple[Basket, Return]) -> None:
        """It comes back equal."""
        _, back = drawn
        assert pickle.loads(pickle.dumps(back)) == back

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(lambda lines: Return(lines=lines), lines={"a": 1})
        answers_or_refuses(lambda amount: Return(amount=amount), amount=PRICE)
        answers_or_refuses(lambda units: Return(lines={"a": units}), units=1)
