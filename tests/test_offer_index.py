"""The index: what it leaves out does not apply, and what it need not ask it leaves out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from loyaltycore._offer_index import OfferIndex
from loyaltycore.basket import Basket, Filter, Line
from loyaltycore.benefits import (
    AmountOff,
    Benefit,
    BundlePrice,
    BuyGet,
    FixedPrice,
    FreeShipping,
    Part,
    Per,
    PercentOff,
    PointsTimes,
    Several,
    n_for_m,
)
from loyaltycore.conditions import (
    AllOf,
    Base,
    Condition,
    Situation,
    code_presented,
    contains,
    coupon_held,
    during,
    first_order,
    in_market,
    in_tier,
    is_member,
    member_tagged,
    paid_by,
    points_at_least,
    products_at_least,
    quantity_at_least,
    spend_at_least,
    via_channel,
)
from loyaltycore.members import Profile
from loyaltycore.offers import Offer
from loyaltycore.periods import Schedule, Weekday, Window
from loyaltycore.quantities import Money, Rate
from tests.offers_by_hand import given_by_hand, may_apply
from tests.offers_drawn import AT, EARLY, LATE, Case, cases

HELMETS, ACME = Filter(categories=["helmets"]), Filter(brands=["acme"])
SALE, BELL = Filter(tags=["sale"]), Filter(products=["bell"])
TEN = PercentOff("10")


def cents(minor: int) -> Money:
    """Take minor units."""
    return Money(minor, "EUR")


def seen(*lines: Line, **said: Any) -> Situation:  # noqa: ANN401 - the fields of a basket and of a situation
    """Tell what conditions see."""
    of_basket = {name: said.pop(name) for name in ("market", "channel", "payment") if name in said}
    return Situation(basket=Basket(lines, currency="EUR", **of_basket), **{"at": AT, **said})


NOTHING = seen()
BELL_LINE = Line("1", cents(1000), product_id="bell")
HELMET_LINE = Line("1", cents(1000), categories=["helmets"], tags=["sale"], brand="acme")


def found(when: Condition, situation: Situation, *, give: Benefit = TEN, window: Window | None = None) -> bool:
    """Say whether an offer is asked."""
    return OfferIndex([Offer("x", when=when, give=give, window=window)]).candidates(situation) == [0]


class TestCandidates:
    @pytest.mark.law(26)
    @settings(max_examples=200)
    @given(cases(offers_limit=12))
    def test_every_offer_that_applies_is_found(self, case: Case) -> None:
        """Each need that the index goes by is necessary; and what is found is in order, once each."""
        numbers = OfferIndex(case.book.offers).candidates(case.situation)
        event(f"{len(numbers) < len(case.book.offers)}")
        assert numbers == sorted(set(numbers))
        for number, offer in enumerate(case.book.offers):
            if may_apply(offer, case.situation, case.view):
                gives = given_by_hand([offer], case.situation, case.book.stacking, case.view)[1]
                assert number in numbers or not gives

    @pytest.mark.parametrize(
        "when,shows",
        [
            (code_presented("SUMMER10"), {"codes": ["summer-1o"]}),
            (coupon_held("welcome"), {"coupons": ["welcome", "sorry"]}),
            (is_member() & coupon_held("welcome"), {"coupons": ["welcome"]}),
            (in_tier("gold", "silver"), {"tier": "silver"}),
            (member_tagged("club"), {"profile": Profile(tags=["staff", "club"])}),
            (in_market("FR"), {"profile": Profile(market="FR")}),
            (in_market("FR"), {"market": "FR"}),
            (via_channel("web"), {"channel": "web"}),
            (paid_by("card"), {"payment": "card"}),
            (is_member(), {"is_member": True}),
            (is_member() & code_presented("X-1"), {"codes": ["X-1"]}),
            (code_presented("X-1") | in_tier("gold"), {"tier": "gold"}),
            (code_presented("X-1") | in_tier("gold"), {"codes": ["X-1"]}),
        ],
    )
    def test_waits_for_what_must_be_there(self, when: Condition, shows: dict[str, Any]) -> None:
        """Where nothing of it is shown the offer is not asked."""
        assert not found(when, NOTHING)
        assert not found(when & first_order(), seen(BELL_LINE))
        assert found(when, seen(**shows))
        assert found(when & first_order(), seen(**shows))

    @pytest.mark.parametrize(
        "of,line",
        [(HELMETS, HELMET_LINE), (ACME, HELMET_LINE), (SALE, HELMET_LINE), (BELL, BELL_LINE)],
        ids=["category", "brand", "tag", "product"],
    )
    def test_waits_for_goods(self, of: Filter, line: Line) -> None:
        """Those that a condition counts, or that the benefit is off."""
        other = Line("9", cents(500), product_id="other")
        conditions: list[Condition] = [contains(of), quantity_at_least(2, of=of), products_at_least(1, of=of)]
        for when in [*conditions, spend_at_least(cents(1), of=of)]:
            assert not found(when, seen(other))
            assert found(when, seen(other, line))
        gives: list[Benefit] = [
            PercentOff("10", of=of),
            AmountOff(cents(1), per=Per.SHARED, of=of),
            FixedPrice(cents(1), of=of),
            n_for_m(2, 1, of=of),
            BundlePrice(cents(1), parts=[Part(1), Part(1, of)]),
            BuyGet(buy=Part(1), get=Part(1, of)),
            PointsTimes(Rate.times("2"), of=of),
            Several([PercentOff("10", of=of)]),
        ]
        for give in gives:
            assert not found(AllOf(()), seen(other), give=give)
            assert found(AllOf(()), seen(other, line), give=give)

    def test_excluded_goods_show_nothing(self) -> None:
        """What no offer touches opens none."""
        assert not found(contains(SALE), seen(HELMET_LINE, exclude_tags=["sale"]))
        assert not found(contains(HELMETS), seen(HELMET_LINE, exclude_tags=["sale"]))

    @pytest.mark.parametrize(
        "when",
        [
            AllOf(()),
            first_order(),
            points_at_least(5),
            ~code_presented("X-1"),
            ~coupon_held("welcome"),
            ~contains(BELL),
            code_presented("X-1") | first_order(),
            code_presented("X-1") | spend_at_least(cents(500)),
            during(schedule=Schedule(weekdays=[Weekday.MONDAY])),
        ],
    )
    def test_asks_always_where_nothing_is_needed(self, when: Condition) -> None:
        """No need, no short cut."""
        assert found(when, NOTHING)
        assert found(AllOf(()), NOTHING, give=FreeShipping())
        assert found(AllOf(()), NOTHING, give=Several([PercentOff("10", of=BELL), FreeShipping()]))

    def test_waits_for_an_amount(self) -> None:
        """All goods together cost at least the threshold, whichever of them count, at whatever prices."""
        for base in Base:
            for of in (Filter(), Filter(price_from=cents(5))):
                when = spend_at_least(cents(1000), of=of, base=base)
                assert not found(when, seen(Line("1", cents(333), 3)))
                assert found(when, seen(Line("1", cents(500), 2)))
        assert not found(spend_at_least(cents(1000)), seen(Line("1", cents(5000), tags=["card"]), exclude_tags=["card"]))

    def test_waits_for_its_time(self) -> None:
        """A window of the offer or of its condition: from its start on, until before its end."""
        tick = timedelta(microseconds=1)
        for window, inside, outside in [
            (Window(starts_at=EARLY, ends_at=LATE), [EARLY, AT, LATE - tick], [EARLY - tick, LATE]),
            (Window(starts_at=AT, ends_at=None), [AT, LATE], [EARLY, AT - tick]),
            (Window(starts_at=None, ends_at=AT), [EARLY, AT - tick], [AT, LATE]),
            (Window(starts_at=None, ends_at=None), [EARLY, LATE], []),
        ]:
            for at, expected in [*((at, True) for at in inside), *((at, False) for at in outside)]:
                assert found(AllOf(()), seen(at=at), window=window) is expected
                assert found(during(window=window), seen(at=at)) is expected

    def test_the_rarest_need_is_chosen(self) -> None:
        """A code before a product, before a label, before a person, before a time, before an amount, before membership."""
        needs: list[tuple[Condition, dict[str, Any], list[Line]]] = [
            (code_presented("X-1"), {"codes": ["X-1"]}, []),
            (contains(BELL), {}, [BELL_LINE]),
            (contains(SALE), {}, [HELMET_LINE]),
            (in_tier("gold"), {"tier": "gold"}, []),
            (during(window=Window(starts_at=AT, ends_at=None)), {"at": AT}, []),
            (spend_at_least(cents(1000)), {}, [Line("9", cents(1000))]),
            (is_member(), {"is_member": True}, []),
        ]
        for place in range(len(needs)):
            when = AllOf([condition for condition, _, _ in needs[place:]])
            for other, (_, facts, lines) in enumerate(needs[place:], place):
                assert found(when, seen(*lines, **{"at": EARLY, **facts})) is (other == place)

    @given(st.lists(st.tuples(st.none() | st.integers(0, 20), st.none() | st.integers(0, 20)), max_size=12), st.integers(-1, 21))
    def test_windows_are_found_by_instant(self, drawn: list[tuple[int | None, int | None]], hour: int) -> None:
        """Of any windows, exactly those that hold the instant."""
        windows = [
            Window(
                starts_at=None if first is None else EARLY + timedelta(hours=first),
                ends_at=None if last is None else EARLY + timedelta(hours=last),
            )
            for first, last in drawn
            if first is None or last is None or first < last
        ]
        index = OfferIndex([Offer(f"o{place}", give=TEN, window=window) for place, window in enumerate(windows)])
        at = EARLY + timedelta(hours=hour)
        assert index.candidates(seen(at=at)) == [place for place, window in enumerate(windows) if window.contains(at)]
