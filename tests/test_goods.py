"""What a filter means in a basket: worked out once, and the same as looking at each group anew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loyaltycore._goods import ALL_GOODS, Goods, Matching
from loyaltycore.basket import Basket, Filter, Line, PriceState, UnitGroup
from loyaltycore.quantities import Money

GROUPS = Basket(
    [
        Line("1", Money.of("20.00", "EUR"), 2, product_id="helmet", categories=["helmets"]),
        Line(
            "2", Money.of("15.00", "EUR"), 1, product_id="helmet", categories=["helmets"], regular_price=Money.of("20.00", "EUR")
        ),
        Line("3", Money.of("5.00", "EUR"), 3, product_id="bell", brand="Bella"),
        Line("4", Money.of("50.00", "EUR"), 1, product_id="card", tags=["gift-card"]),
        Line("5", Money.of("0.00", "EUR"), 1, product_id="catalogue", tags=["paper"]),
    ]
).unit_groups()

FILTERS = [
    Filter(),
    Filter(categories=["helmets"]),
    Filter(products=["bell", "card"]),
    Filter(tags=["gift-card"]),
    Filter(brands=["Bella"]),
    Filter(price=PriceState.REDUCED),
    Filter(price_from=Money.of("5.00", "EUR"), price_to=Money.of("15.00", "EUR")),
    Filter(products=["nothing"]),
]


def by_hand(groups: tuple[UnitGroup, ...], exclude: frozenset[str], only: Filter) -> Matching:
    """Look at each group."""
    places = [place for place, group in enumerate(groups) if not exclude & group.tags and only.takes(group)]
    meant = [groups[place] for place in places]
    return Matching(
        places=tuple(places),
        place_set=frozenset(places),
        list_minor=sum(group.unit_minor * group.quantity for group in meant),
        units=sum(group.quantity for group in meant),
        products=len({group.product_id for group in meant}),
    )


class TestGoods:
    def test_all_goods_but_those_that_no_offer_touches(self) -> None:
        """The gift card counts for nothing; goods for nothing count as units."""
        goods = Goods(GROUPS, frozenset({"gift-card"}))
        everything = goods.of(ALL_GOODS)
        assert (everything.list_minor, everything.units, everything.products) == (7000, 7, 3)
        assert [GROUPS[place].product_id for place in goods.open_places] == ["bell", "catalogue", "helmet", "helmet"]
        assert goods.groups is GROUPS

    def test_one_product_at_two_prices_is_one_product(self) -> None:
        """Its units and its worth add up."""
        helmets = Goods(GROUPS, frozenset()).of(Filter(categories=["helmets"]))
        assert (helmets.list_minor, helmets.units, helmets.products) == (5500, 3, 1)
        assert helmets.place_set == set(helmets.places)

    def test_nothing_is_meant(self) -> None:
        """A filter that no goods answer."""
        assert Goods(GROUPS, frozenset()).of(Filter(products=["nothing"])) == Matching((), frozenset(), 0, 0, 0)
        assert Goods((), frozenset()).of(ALL_GOODS) == Matching((), frozenset(), 0, 0, 0)

    def test_worked_out_once(self) -> None:
        """The same filter, and one that is equal to it, get the very same answer."""
        goods = Goods(GROUPS, frozenset())
        helmets = Filter(categories=["helmets"])
        first = goods.of(helmets)
        assert goods.of(helmets) is first
        assert goods.of(Filter(categories=["helmets"])) is first

    @given(
        st.lists(st.sampled_from(FILTERS), max_size=12),
        st.sampled_from([frozenset[str](), frozenset({"gift-card"}), frozenset({"gift-card", "paper", "none"})]),
    )
    def test_what_was_asked_before_changes_no_answer(self, asked: list[Filter], exclude: frozenset[str]) -> None:
        """Each answer is what looking at each group gives."""
        goods = Goods(GROUPS, exclude)
        for only in asked:
            assert goods.of(only) == by_hand(GROUPS, exclude, only)

    def test_a_filter_that_is_gone_leaves_its_answer_to_no_other(self) -> None:
        """Filters made on the way, one after the other: memory that is used again does not mix them up."""
        goods = Goods(GROUPS, frozenset())
        for turn in range(200):
            assert goods.of(Filter(products=["bell"] if turn % 2 else ["helmet"])).products == 1
            assert goods.of(Filter(products=["bell"] if turn % 2 else ["helmet"])).units == 3
            assert goods.of(Filter(brands=["Bella"] if turn % 2 else ["none"])).units == (3 if turn % 2 else 0)
