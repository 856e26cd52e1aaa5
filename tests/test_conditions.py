"""Conditions: they only look, and say what met them or how far off they are."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any, get_args

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore import conditions
from loyaltycore.basket import Basket, Filter, Line
from loyaltycore.conditions import (
    CONDITIONS_LIMIT,
    DEPTH_LIMIT,
    Across,
    AllOf,
    AnyOf,
    Base,
    CodePresented,
    Condition,
    During,
    Evidence,
    InMarket,
    InTier,
    IsMember,
    MemberTagged,
    Not,
    NthOrder,
    OwnCondition,
    OwnRule,
    PaidBy,
    PastDiscount,
    PointsAtLeast,
    ProductsAtLeast,
    QuantityAtLeast,
    Situation,
    SpendAtLeast,
    ViaChannel,
    all_of,
    any_of,
    check,
    code_presented,
    contains,
    coupon_held,
    during,
    evidence,
    first_order,
    holds,
    in_market,
    in_tier,
    is_member,
    leaves,
    member_tagged,
    nth_order,
    own,
    paid_by,
    past_discount_at_least,
    points_at_least,
    products_at_least,
    quantity_at_least,
    spend_at_least,
    unmet,
    via_channel,
)
from loyaltycore.errors import Accepted, CurrencyMismatchError, Detail, Reason, Refused, UsageError
from loyaltycore.members import Profile
from loyaltycore.periods import Calendar, Recurrence, Schedule, Weekday, Window
from loyaltycore.quantities import Money, Rate
from tests.odd_values import answers_or_refuses

AT = datetime(2026, 7, 1, 10, tzinfo=UTC)  # a Wednesday, noon in Paris
PARIS = Calendar("Europe/Paris")


def euros(amount: str) -> Money:
    """Write an amount."""
    return Money.of(amount, "EUR")


def basket(*lines: Line, **more: Any) -> Basket:  # noqa: ANN401  # fields of every kind
    """Give a basket in euros."""
    return Basket(lines, currency="EUR", **more)


# 45.00 of goods that count, 3 units, 2 products; and a gift card that no offer touches.
HELMET = Line("helmet", euros("20.00"), 2, categories=["helmets"], brand="Abus")
BELL = Line("bell", euros("5.00"), tags=["small"])
CARD = Line("card", euros("50.00"), tags=["gift-card"])
BASKET = basket(HELMET, BELL, CARD, market="FR", channel="web", payment="card")
SEEN = Situation(
    basket=BASKET,
    exclude_tags=["gift-card"],
    is_member=True,
    order_count=2,
    codes=["summer-1o"],
    coupons=["welcome"],
    tier="gold",
    points=300,
    past_list_minor=20000,
    past_discount_minor=2000,
    profile=Profile(market="BE", tags=["staff", "club"]),
    at=AT,
    calendar=PARIS,
)
GUEST = Situation(basket=basket(), at=AT)
HELMETS = Filter(categories=["helmets"])


class Even:
    """A shop's own rule."""

    own_id = "even-cents-1"

    def holds(self, situation: Situation) -> bool:
        """Say whether the cents are even."""
        return situation.basket.subtotal.minor_units % 2 == 0


class Odd:
    """Another."""

    own_id = "odd-cents-1"

    def holds(self, situation: Situation) -> bool:
        """Say whether the cents are odd."""
        return situation.basket.subtotal.minor_units % 2 == 1


JULY = Window(starts_at=AT, ends_at=datetime(2026, 8, 1, tzinfo=UTC))
NOON = Schedule(weekdays=[Weekday.WEDNESDAY], starts=time(12), ends=time(13))
FIRST_WEDNESDAY = Recurrence("FREQ=MONTHLY;BYDAY=1WE")

MET: list[tuple[Condition, dict[str, Detail]]] = [
    (spend_at_least(euros("45.00")), {"found_minor": 4500, "needed_minor": 4500, "currency": "EUR"}),
    (spend_at_least(euros("40.00"), of=HELMETS), {"found_minor": 4000, "needed_minor": 4000, "currency": "EUR"}),
    (quantity_at_least(3), {"found_units": 3, "needed_units": 3}),
    (quantity_at_least(1, of=HELMETS), {"found_units": 2, "needed_units": 1}),
    (quantity_at_least(2, across=Across.PRODUCT), {"found_units": 2, "needed_units": 2}),
    (contains(Filter(brands=["Abus"])), {"found_units": 2, "needed_units": 1}),
    (products_at_least(2), {"found_products": 2, "needed_products": 2}),
    (is_member(), {}),
    (in_tier("silver", "gold"), {"tier": "gold"}),
    (member_tagged("club", "staff", "press"), {"tags": ("club", "staff")}),
    (in_market("FR"), {"market": "FR"}),
    (via_channel("web", "till"), {"channel": "web"}),
    (paid_by("card"), {"payment": "card"}),
    (code_presented("SUMMER10"), {"code": "SUMMER10"}),
    (coupon_held("welcome"), {"campaign_id": "welcome"}),
    (nth_order(3), {"number": 3}),
    (during(window=JULY), {"at": "2026-07-01T10:00:00Z"}),
    (during(schedule=NOON), {"at": "2026-07-01T10:00:00Z"}),
    (during(recurrence=FIRST_WEDNESDAY), {"at": "2026-07-01T10:00:00Z"}),
    (points_at_least(300), {"available_points": 300, "needed_points": 300}),
    (past_discount_at_least("10"), {"past_list_minor": 20000, "past_discount_minor": 2000}),
    (own(Even()), {"condition": "even-cents-1"}),
    (~first_order(), {"condition": "NthOrder"}),
    (~own(Odd()), {"condition": "odd-cents-1"}),
    (~(is_member() & first_order()), {"condition": "AllOf"}),
]

UNMET: list[tuple[Condition, Reason, dict[str, Detail]]] = [
    (
        spend_at_least(euros("50.00")),
        Reason.BASKET_BELOW_THRESHOLD,
        {"needed_minor": 5000, "missing_minor": 500, "currency": "EUR"},
    ),
    (
        spend_at_least(euros("40.01"), of=HELMETS),
        Reason.BASKET_BELOW_THRESHOLD,
        {"needed_minor": 4001, "missing_minor": 1, "currency": "EUR"},
    ),
    (quantity_at_least(5), Reason.QUANTITY_BELOW_THRESHOLD, {"needed_units": 5, "missing_units": 2}),
    (contains(Filter(brands=["Giro"])), Reason.QUANTITY_BELOW_THRESHOLD, {"needed_units": 1, "missing_units": 1}),
    (
        quantity_at_least(3, across=Across.PRODUCT),
        Reason.QUANTITY_BELOW_THRESHOLD,
        {"needed_units": 3, "missing_units": 1},
    ),
    (
        quantity_at_least(2, of=Filter(tags=["gift-card"]), across=Across.PRODUCT),
        Reason.QUANTITY_BELOW_THRESHOLD,
        {"needed_units": 2, "missing_units": 2},
    ),
    (products_at_least(3), Reason.PRODUCTS_BELOW_THRESHOLD, {"needed_products": 3, "missing_products": 1}),
    (in_tier("silver", "bronze"), Reason.TIER_MISMATCH, {"needed": ("bronze", "silver"), "tier": "gold"}),
    (member_tagged("vip", "press"), Reason.MEMBER_TAG_MISSING, {"needed": ("press", "vip")}),
    (in_market("BE"), Reason.MARKET_MISMATCH, {"needed": ("BE",), "market": "FR"}),
    (via_channel("till"), Reason.CHANNEL_MISMATCH, {"needed": ("till",), "channel": "web"}),
    (paid_by("cash"), Reason.PAYMENT_MISMATCH, {"needed": ("cash",), "payment": "card"}),
    (code_presented("SUMMER11"), Reason.CODE_MISSING, {}),
    (coupon_held("welcome-back"), Reason.COUPON_MISSING, {"campaign_id": "welcome-back"}),
    (first_order(), Reason.ORDER_NOT_FIRST, {"order_count": 2}),
    (nth_order(2), Reason.ORDER_NOT_NTH, {"number": 2, "order_count": 2}),
    (nth_order(4), Reason.ORDER_NOT_NTH, {"number": 4, "order_count": 2}),
    (
        during(window=Window(starts_at=None, ends_at=AT)),
        Reason.TIME_MISMATCH,
        {"at": "2026-07-01T10:00:00Z"},
    ),
    (
        points_at_least(301),
        Reason.POINTS_INSUFFICIENT,
        {"asked_points": 301, "available_points": 300, "missing_points": 1},
    ),
    (
        past_discount_at_least("10.01"),
        Reason.PAST_DISCOUNT_BELOW,
        {"past_list_minor": 20000, "past_discount_minor": 2000},
    ),
    (own(Odd()), Reason.CONDITION_UNMET, {"condition": "odd-cents-1"}),
    (~in_tier("gold"), Reason.CONDITION_EXCLUDED, {"condition": "InTier"}),
    (~own(Even()), Reason.CONDITION_EXCLUDED, {"condition": "even-cents-1"}),
]

SINGLES: list[Condition] = [condition for condition, _ in MET] + [condition for condition, _, _ in UNMET]


def combined() -> st.SearchStrategy[Condition]:
    """Draw conditions of every kind, some put together."""
    return st.recursive(
        st.sampled_from(SINGLES),
        lambda part: st.builds(all_of, part, part) | st.builds(any_of, part, part) | st.builds(lambda one: ~one, part),
        max_leaves=6,
    )


def situations() -> st.SearchStrategy[Situation]:
    """Draw what may be the case."""
    lines = st.lists(st.sampled_from([HELMET, BELL, CARD]), unique=True)
    return st.builds(
        lambda found, places, **facts: Situation(basket=basket(*found, **places), at=AT, calendar=PARIS, **facts),
        lines,
        st.sampled_from([{}, {"market": "FR"}, {"channel": "web", "payment": "card"}, {"channel": "till", "payment": "cash"}]),
        exclude_tags=st.sampled_from([(), ("gift-card",)]),
        is_member=st.booleans(),
        order_count=st.integers(0, 3),
        codes=st.sampled_from([(), ("SUMMER10",), ("SUMMER11",)]),
        coupons=st.sampled_from([(), ("welcome",), ("welcome-back", "sorry")]),
        tier=st.sampled_from([None, "silver", "gold"]),
        points=st.integers(299, 301),
        past_list_minor=st.sampled_from([0, 19999, 20000]),
        past_discount_minor=st.sampled_from([0, 2000, 2001]),
        profile=st.sampled_from([Profile(), Profile(market="BE", tags=["club"])]),
    )


def reasons(condition: Condition, situation: Situation = SEEN) -> list[Reason]:
    """Name why a condition does not hold."""
    return [refusal.reason for refusal in unmet(condition, situation)]


def some(condition: Condition) -> bool:
    """Say whether there is anything in it that could be evidence, whichever way of several was taken."""
    match condition:
        case AllOf():
            return any(some(part) for part in condition.parts)
        case AnyOf():
            return all(some(part) for part in condition.parts)
        case _:
            return True


class TestEachKind:
    @pytest.mark.parametrize("condition,details", MET, ids=[type(condition).__name__ for condition, _ in MET])
    def test_met(self, condition: Condition, details: dict[str, Detail]) -> None:
        """What was found is told."""
        assert holds(condition, SEEN)
        assert unmet(condition, SEEN) == ()
        assert check(condition, SEEN) == Accepted((Evidence(condition, details),))
        assert evidence(condition, SEEN) == (Evidence(condition, details),)

    @pytest.mark.parametrize("condition,reason,details", UNMET, ids=[reason.value for _, reason, _ in UNMET])
    def test_unmet(self, condition: Condition, reason: Reason, details: dict[str, Detail]) -> None:
        """What is needed is told, and how far off it is."""
        assert not holds(condition, SEEN)
        (refusal,) = unmet(condition, SEEN)
        assert (refusal.reason, dict(refusal.details)) == (reason, details)
        assert check(condition, SEEN) == Refused((refusal,))
        assert evidence(condition, SEEN) == ()

    def test_nothing_is_known_of_a_guest(self) -> None:
        """What is not known is not told, and met only by what asks for nothing."""
        assert [condition for condition, _ in MET if holds(condition, GUEST) and not isinstance(condition, During | Not)] == [
            own(Even())
        ]
        assert reasons(is_member(), GUEST) == [Reason.MEMBER_REQUIRED]
        asked: list[tuple[Condition, Reason]] = [
            (in_tier("gold"), Reason.TIER_MISMATCH),
            (in_market("FR"), Reason.MARKET_MISMATCH),
            (via_channel("web"), Reason.CHANNEL_MISMATCH),
            (paid_by("card"), Reason.PAYMENT_MISMATCH),
        ]
        for condition, reason in asked:
            (refusal,) = unmet(condition, GUEST)
            assert refusal.reason is reason
            assert list(refusal.details) == ["needed"]
        assert holds(first_order(), GUEST)

    def test_every_kind_answers(self) -> None:
        """None is forgotten in the table, and each stands among the cases above."""
        kinds = set(get_args(Condition))
        assert set(conditions._HOLDS) == kinds
        assert set(conditions._SINGLES) == kinds - {AllOf, AnyOf}
        assert {type(condition) for condition, _ in MET} == kinds - {AllOf, AnyOf}


class TestGoods:
    @pytest.mark.parametrize("goods,missing", [("0.00", 5000), ("49.99", 1), ("50.00", None), ("50.01", None)])
    def test_spend(self, goods: str, missing: int | None) -> None:
        """At the threshold it holds; below it the distance is told, to the minor unit."""
        situation = attrs.evolve(
            GUEST, basket=Basket.of("EUR", {"helmet": goods}), groups=basket(Line("1", euros(goods))).unit_groups()
        )
        details = [{"needed_minor": 5000, "missing_minor": missing, "currency": "EUR"}] if missing else []
        assert [dict(refusal.details) for refusal in unmet(spend_at_least(euros("50")), situation)] == details

    def test_spend_in_another_currency_is_a_usage_error(self) -> None:
        """Currencies never mix."""
        for ask in (holds, unmet, check, evidence):
            with pytest.raises(CurrencyMismatchError) as error:
                ask(spend_at_least(Money.of("50", "USD")), SEEN)
            assert (error.value.left, error.value.right) == ("USD", "EUR")

    def test_goods_that_no_offer_touches_count_for_nothing(self) -> None:
        """Not as money, not as units, not as products."""
        everything = attrs.evolve(SEEN, exclude_tags=())
        for condition in (spend_at_least(euros("45.01")), quantity_at_least(4), products_at_least(3)):
            assert not holds(condition, SEEN)
            assert holds(condition, everything)

    def test_running_prices(self) -> None:
        """What the offers before have left of the groups that are meant; at list prices that does not matter."""
        places = {group.product_id: place for place, group in enumerate(SEEN.groups)}
        left = [0, 0, 0]
        left[places["helmet"]], left[places["bell"]], left[places["card"]] = 3600, 450, 5000
        running = spend_at_least(euros("40.50"), base=Base.RUNNING)
        assert evidence(running, SEEN, left=left)[0].details["found_minor"] == 4050
        assert holds(running, SEEN, left=left)
        assert unmet(spend_at_least(euros("40.51"), base=Base.RUNNING), SEEN, left=left)[0].details["missing_minor"] == 1
        assert not holds(spend_at_least(euros("36.01"), of=HELMETS, base=Base.RUNNING), SEEN, left=left)
        assert holds(spend_at_least(euros("45.00")), SEEN, left=left)
        assert check(~running & is_member(), SEEN, left=left).refusal is not None
        assert evidence(running, SEEN)[0].details["found_minor"] == 4500

    def test_units_of_one_product_at_one_price_are_counted_over_lines(self) -> None:
        """Two lines of one product add up, also in a book that speaks of lines; another price does not."""
        lines = [
            Line("1", euros("20.00"), 2, product_id="helmet"),
            Line("2", euros("20.00"), 1, product_id="helmet", tags=["gift"]),
            Line("3", euros("19.00"), 5, product_id="helmet"),
            Line("4", euros("20.00"), 4, product_id="bell"),
        ]
        bought = basket(*lines[:2])
        for groups in (bought.unit_groups(), bought.line_groups()):
            situation = Situation(basket=bought, groups=groups, at=AT)
            assert holds(quantity_at_least(3, across=Across.PRODUCT), situation)
            assert reasons(quantity_at_least(4, across=Across.PRODUCT), situation) == [Reason.QUANTITY_BELOW_THRESHOLD]
        most = evidence(quantity_at_least(1, across=Across.PRODUCT), Situation(basket=basket(*lines), at=AT))
        assert most[0].details["found_units"] == 5

    @pytest.mark.law(21)
    @given(st.lists(st.sampled_from([HELMET, BELL, CARD]), unique=True), st.data())
    def test_order_and_splitting_of_lines_change_no_answer(self, lines: list[Line], data: st.DataObject) -> None:
        """One line of two is two lines of one."""
        whole = attrs.evolve(SEEN, basket=basket(*lines), groups=basket(*lines).unit_groups())
        parts = [
            attrs.evolve(line, line_id=f"{line.line_id}/{unit}", quantity=1, product_id=line.product_id)
            for line in lines
            for unit in range(line.quantity)
        ]
        split = basket(*data.draw(st.permutations(parts)))
        for condition in SINGLES:
            assert check(condition, attrs.evolve(whole, basket=split, groups=split.unit_groups())) == check(condition, whole)

    @given(situations(), st.lists(st.sampled_from([HELMET, BELL]), unique=True))
    def test_more_goods_never_unmeet_a_threshold(self, situation: Situation, more: list[Line]) -> None:
        """A threshold that is met stays so."""
        added = [attrs.evolve(line, line_id=f"{line.line_id}/more", product_id=line.product_id) for line in more]
        bigger = Basket([*situation.basket.lines, *added], currency="EUR")
        then = attrs.evolve(situation, basket=bigger, groups=bigger.unit_groups())
        for condition in SINGLES:
            if isinstance(condition, SpendAtLeast | QuantityAtLeast | ProductsAtLeast):
                assert holds(condition, then) or not holds(condition, situation)


class TestPerson:
    def test_market_is_that_of_the_basket_or_else_of_the_profile(self) -> None:
        """Where both are known, where it is sold counts."""
        there = attrs.evolve(SEEN, basket=attrs.evolve(BASKET, market=None))
        assert (SEEN.market, there.market, GUEST.market) == ("FR", "BE", None)
        assert holds(in_market("BE"), there)
        assert not holds(in_market("BE"), SEEN)

    @pytest.mark.parametrize("typed", ["SUMMER10", "summer-1o", " Summer 10 "])
    def test_code_is_known_by_its_folded_form(self, typed: str) -> None:
        """On both sides."""
        assert holds(code_presented(typed), SEEN)
        assert holds(code_presented("SUMMER10"), attrs.evolve(GUEST, codes=[typed]))
        assert not holds(code_presented("SUMMER11"), attrs.evolve(GUEST, codes=[typed]))

    @pytest.mark.parametrize(
        "listed,taken,met",
        [
            (0, 0, False),
            (10000, 999, False),
            (10000, 1000, True),
            (10000, 10000, True),
            (3, 1, True),
            (1, 0, False),
            (1, 1, True),
        ],
    )
    def test_past_discount(self, listed: int, taken: int, met: bool) -> None:  # noqa: FBT001  # the expectation of a table
        """Exact, over all orders together; who never ordered is not among those who buy at a discount."""
        situation = attrs.evolve(GUEST, past_list_minor=listed, past_discount_minor=taken)
        assert holds(past_discount_at_least("10"), situation) is met
        assert holds(~past_discount_at_least("10"), situation) is not met

    @pytest.mark.parametrize(
        "said,met",
        [
            ({"window": JULY, "schedule": NOON, "recurrence": FIRST_WEDNESDAY}, True),
            ({"window": JULY, "schedule": attrs.evolve(NOON, starts=time(12, 1))}, False),
            ({"schedule": NOON, "recurrence": Recurrence("FREQ=MONTHLY;BYDAY=2WE")}, False),
            ({"window": attrs.evolve(JULY, starts_at=datetime(2026, 7, 2, tzinfo=UTC)), "recurrence": FIRST_WEDNESDAY}, False),
        ],
        ids=range(4),
    )
    def test_every_part_of_a_time_holds(self, said: dict[str, Any], met: bool) -> None:  # noqa: FBT001  # the expectation of a table
        """From when to when, at which hours, on which days: all that is said."""
        assert holds(during(**said), SEEN) is met

    def test_days_and_hours_are_those_of_the_zone(self) -> None:
        """At ten in London it is noon in Paris; at eleven in the evening it is the next day there."""
        assert not holds(during(schedule=NOON), attrs.evolve(SEEN, calendar=Calendar("Europe/London")))
        late = attrs.evolve(SEEN, at=datetime(2026, 7, 4, 23, tzinfo=UTC))
        sunday = during(recurrence=Recurrence("FREQ=WEEKLY;BYDAY=SU"))
        assert holds(sunday, late)
        assert not holds(sunday, attrs.evolve(late, calendar=Calendar("UTC")))


class TestOwn:
    def test_known_by_its_id(self) -> None:
        """Two objects of one id are one condition; the rule survives a copy."""
        assert own(Even()) == own(Even()) != own(Odd())
        assert holds(pickle.loads(pickle.dumps(own(Even()))), SEEN)
        assert isinstance(own(Even()).rule, OwnRule)
        assert OwnCondition(Even()) == own(Even())

    def test_refused_where_it_is_none(self) -> None:
        """It needs a way to answer, and a name."""
        with pytest.raises(UsageError, match=r"^a shop's own condition must have own_id and holds\(\), got"):
            own(lambda situation: True)  # type: ignore[arg-type]  # noqa: ARG005  # a function has no name of its own

        class Nameless(Even):
            own_id = "even cents"

        with pytest.raises(UsageError, match=r"^own_id must be"):
            own(Nameless())

    def test_answers_with_yes_or_no(self) -> None:
        """Whatever else it gives is a bug that is named."""

        class Vague(Even):
            def holds(self, situation: Situation) -> bool:  # noqa: ARG002  # it has to take it
                return 1  # type: ignore[return-value]  # that it is none is the point

        with pytest.raises(UsageError, match=r"^the answer of 'even-cents-1' must be of type bool, got 1$"):
            holds(own(Vague()), SEEN)


class TestCombining:
    def test_all_of_tells_everything(self) -> None:
        """All that is unmet, in the order of reasons; of nothing at all, nothing."""
        every = [spend_at_least(euros("1")), in_tier("gold"), is_member(), code_presented("SUMMER10"), nth_order(2)]
        assert reasons(AllOf(every), GUEST) == [
            Reason.MEMBER_REQUIRED,
            Reason.TIER_MISMATCH,
            Reason.CODE_MISSING,
            Reason.ORDER_NOT_NTH,
            Reason.BASKET_BELOW_THRESHOLD,
        ]
        assert reasons(all_of(), GUEST) == []
        assert check(all_of(), GUEST) == Accepted(())

    def test_all_of_gives_the_evidence_of_each_part(self) -> None:
        """In the order of the parts."""
        assert [found.condition for found in evidence(points_at_least(1) & is_member(), SEEN)] == [
            points_at_least(1),
            is_member(),
        ]

    def test_any_of_tells_the_nearest(self) -> None:
        """That with the fewest refusals; of equals the first."""
        far, near = in_tier("bronze") & code_presented("SUMMER11"), in_market("BE")
        assert reasons(far | near) == reasons(near | far) == [Reason.MARKET_MISMATCH]
        assert reasons(near | first_order()) == [Reason.MARKET_MISMATCH]
        assert reasons(first_order() | near) == [Reason.ORDER_NOT_FIRST]

    def test_any_of_gives_the_evidence_of_the_first_that_holds(self) -> None:
        """And of no other."""
        assert evidence(first_order() | in_tier("gold") | is_member(), SEEN) == (Evidence(in_tier("gold"), {"tier": "gold"}),)

    def test_and_and_or_are_flat(self) -> None:
        """However they were put together, the parts stand in one list."""
        one, two, three, four = SINGLES[:4]
        assert (one & two) & (three & four) == all_of(one, two, three, four)
        assert AllOf([AllOf([one, AllOf([two])]), AllOf([]), three, four]) == AllOf([one, two, three, four])
        assert (one | two) | (three | four) == any_of(one, two, three, four)
        assert AnyOf([one | two, AnyOf([three])]).parts == (one, two, three)
        assert (one & two | three).parts == (AllOf([one, two]), three)
        assert ((one | two) & three).parts == (AnyOf([one, two]), three)

    def test_twice_turned_around_is_the_same(self) -> None:
        """No Not of a Not."""
        assert ~is_member() == Not(is_member())
        assert ~~is_member() == is_member()

    @given(combined(), situations())
    def test_the_three_answers_agree(self, condition: Condition, situation: Situation) -> None:
        """Met, with evidence and no refusal; or unmet, with refusals in their order and no evidence. Twice the same."""
        refusals, found = unmet(condition, situation), evidence(condition, situation)
        assert holds(condition, situation) is (refusals == ())
        assert bool(found) is (refusals == () and some(condition))
        assert list(refusals) == sorted(refusals, key=lambda refusal: refusal.reason.precedence)
        assert check(condition, situation) == (Refused(refusals) if refusals else Accepted(found))
        assert check(condition, situation) == check(condition, attrs.evolve(situation))
        assert all(holds(one.condition, situation) for one in found)

    @given(combined(), combined(), situations())
    def test_not_and_or_keep_their_laws(self, one: Condition, two: Condition, situation: Situation) -> None:
        """De Morgan's, the excluded middle, and what & and | mean."""
        first, second = holds(one, situation), holds(two, situation)
        assert holds(Not(one), situation) is not first
        assert holds(one & two, situation) is (first and second)
        assert holds(one | two, situation) is (first or second)
        assert holds(Not(one & two), situation) is holds(Not(one) | Not(two), situation)
        assert holds(Not(one | two), situation) is holds(Not(one) & Not(two), situation)

    @given(st.lists(st.sampled_from(SINGLES), max_size=5), situations())
    def test_all_of_refuses_with_what_its_parts_do(self, parts: list[Condition], situation: Situation) -> None:
        """None is lost and none added."""
        each = [refusal for part in parts for refusal in unmet(part, situation)]
        assert list(unmet(AllOf(parts), situation)) == sorted(each, key=lambda refusal: refusal.reason.precedence)

    def test_only_conditions_combine(self) -> None:
        """Anything else is a bug that is found at once, not at the first basket."""
        wrong: list[Callable[[], object]] = [
            lambda: is_member() & "SUMMER10",  # type: ignore[operator]
            lambda: is_member() | None,  # type: ignore[operator]
            lambda: AllOf(["SUMMER10"]),
            lambda: AnyOf([1]),
            lambda: Not("SUMMER10"),  # type: ignore[arg-type]
            lambda: holds("SUMMER10", SEEN),  # type: ignore[arg-type]
            lambda: unmet(Even(), SEEN),  # type: ignore[arg-type]
            lambda: evidence(None, SEEN),  # type: ignore[arg-type]
            lambda: list(leaves("SUMMER10")),
        ]
        for call in wrong:
            with pytest.raises(UsageError, match=r"^a condition must be one of this module's, or made by own\(\), got"):
                call()

    def test_length_is_bounded(self) -> None:
        """At most twenty parts, wherever they stand; one way at least."""
        assert len(AllOf([is_member()] * CONDITIONS_LIMIT).parts) == CONDITIONS_LIMIT
        for longer in (
            lambda: AllOf([is_member()] * (CONDITIONS_LIMIT + 1)),
            lambda: AnyOf([is_member()] * (CONDITIONS_LIMIT + 1)),
            lambda: AnyOf([is_member()] * CONDITIONS_LIMIT) & is_member(),
        ):
            with pytest.raises(UsageError, match=f"at most {CONDITIONS_LIMIT} parts, got {CONDITIONS_LIMIT + 1}"):
                longer()
        with pytest.raises(UsageError, match=r"^any_of must have at least one part, got none$"):
            any_of()

    def test_depth_is_bounded(self) -> None:
        """At most eight deep, counted with what stands innermost."""
        deep: Condition = is_member()
        for turn in range(DEPTH_LIMIT - 1):
            deep = AllOf([deep, is_member()]) if turn % 2 else Not(deep)
        assert holds(deep, SEEN) in {True, False}
        for deeper in (lambda: Not(deep), lambda: AnyOf([deep]), lambda: AllOf([is_member(), AnyOf([deep])])):
            with pytest.raises(UsageError, match=f"at most {DEPTH_LIMIT} deep in one another, got"):
                deeper()

    def test_leaves_are_the_single_parts(self) -> None:
        """Also of what must not hold, in their order."""
        one, two, three = SINGLES[:3]
        assert list(leaves(one & ~(two | three))) == [one, two, three]
        assert list(leaves(one)) == [one]
        assert list(leaves(all_of())) == []


class TestValues:
    @pytest.mark.parametrize("amount", [Money.of("0", "EUR"), Money.of("-1", "EUR"), 50, "50"])
    def test_threshold_is_money_above_nothing(self, amount: object) -> None:
        """A threshold that everything meets is a mistake."""
        with pytest.raises(UsageError, match="spend_at_least must be Money above 0"):
            spend_at_least(amount)  # type: ignore[arg-type]
        assert spend_at_least(Money(1, "EUR")).amount == Money(1, "EUR")

    @pytest.mark.parametrize("code", ["", "?!", "x" * 65])
    def test_text_that_is_no_code(self, code: str) -> None:
        """Nothing but letters and digits makes a code."""
        with pytest.raises(UsageError, match="code"):
            code_presented(code)

    def test_code_keeps_how_it_is_written(self) -> None:
        """The folded form beside it."""
        assert (code_presented("Summer-10").code, code_presented("Summer-10").folded) == ("Summer-10", "SUMMER10")

    @pytest.mark.parametrize(
        "make,name",
        [(in_tier, "tiers"), (member_tagged, "tags"), (in_market, "markets"), (via_channel, "channels"), (paid_by, "payments")],
    )
    def test_one_of_none_is_a_mistake(self, make: Callable[..., Condition], name: str) -> None:
        """Nobody could meet it; and a single text is not several."""
        with pytest.raises(UsageError, match=f"^{name} must name at least one, got none$"):
            make()
        kind: Callable[[str], Condition] = type(make("gold"))
        assert getattr(make("gold", "silver"), name) == frozenset({"gold", "silver"})
        with pytest.raises(UsageError, match="labels must be several values"):
            kind("gold")

    def test_time_says_something(self) -> None:
        """A time that is always is a mistake."""
        with pytest.raises(UsageError, match=r"^during must say a window, a schedule or a recurrence, got none$"):
            during()

    @pytest.mark.parametrize("percent", ["0", "100.01", "-1"])
    def test_past_discount_is_a_share(self, percent: str) -> None:
        """Above nothing, at most all."""
        with pytest.raises(UsageError, match=r"share must be above 0 and at most 1|percent must be 0 or more"):
            past_discount_at_least(percent)
        assert past_discount_at_least("100") == PastDiscount(Rate.percent(100))

    def test_values_survive_pickle_and_show_what_they_are(self) -> None:
        """Each equal to its copy."""
        for condition in SINGLES:
            assert pickle.loads(pickle.dumps(condition)) == condition
            assert hash(condition) == hash(pickle.loads(pickle.dumps(condition)))
        assert repr(is_member() & ~in_tier("gold")) == (
            "AllOf(parts=(IsMember(), Not(condition=InTier(tiers=frozenset({'gold'})))))"
        )

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(SpendAtLeast, amount=euros("1"), of=HELMETS, base=Base.LIST)
        answers_or_refuses(QuantityAtLeast, units=1, of=HELMETS, across=Across.BASKET)
        answers_or_refuses(ProductsAtLeast, products=1, of=HELMETS)
        answers_or_refuses(InTier, tiers=["gold"])
        answers_or_refuses(MemberTagged, tags=["vip"])
        answers_or_refuses(InMarket, markets=["FR"])
        answers_or_refuses(ViaChannel, channels=["web"])
        answers_or_refuses(PaidBy, payments=["card"])
        answers_or_refuses(CodePresented, code="SUMMER10")
        answers_or_refuses(NthOrder, number=1)
        answers_or_refuses(During, window=JULY, schedule=NOON, recurrence=FIRST_WEDNESDAY)
        answers_or_refuses(PointsAtLeast, points=1)
        answers_or_refuses(PastDiscount, share=Rate.percent("10"))
        answers_or_refuses(own, rule=Even())
        answers_or_refuses(AllOf, parts=[IsMember()])
        answers_or_refuses(AnyOf, parts=[IsMember()])
        answers_or_refuses(Not, condition=IsMember())
        answers_or_refuses(Evidence, condition=IsMember(), details={})


class TestSituation:
    @pytest.mark.parametrize(
        "changes",
        [
            {"basket": None},
            {"order_count": -1},
            {"order_count": True},
            {"points": -1},
            {"points": 1.0},
            {"past_list_minor": -1},
            {"past_discount_minor": -1},
            {"is_member": 1},
            {"tier": ""},
            {"profile": None},
            {"at": AT.replace(tzinfo=None)},
            {"calendar": "Europe/Paris"},
            {"codes": "SUMMER10"},
            {"groups": None},
        ],
        ids=str,
    )
    def test_is_checked(self, changes: dict[str, Any]) -> None:
        """Numbers are whole and not negative, the time has a zone, a code is not several."""
        with pytest.raises(UsageError, match=f"^{next(iter(changes))} must be"):
            attrs.evolve(SEEN, **changes)

    def test_what_is_not_said_is_that_of_a_guest(self) -> None:
        """Nothing bought before, no points, no codes, no tier."""
        assert Situation(basket=BASKET, at=AT) == Situation(
            basket=BASKET,
            groups=BASKET.unit_groups(),
            exclude_tags=(),
            is_member=False,
            order_count=0,
            codes=(),
            tier=None,
            points=0,
            past_list_minor=0,
            past_discount_minor=0,
            profile=Profile(),
            at=AT,
            calendar=Calendar("UTC"),
        )

    def test_time_is_kept_in_utc(self) -> None:
        """One instant, one situation."""
        there = attrs.evolve(SEEN, at=PARIS.local(AT))
        assert there == SEEN
        assert there.at.tzinfo is UTC

    def test_groups_may_be_lines(self) -> None:
        """For offers that speak of lines; any iterable will do."""
        twice = basket(attrs.evolve(BELL, line_id="1", product_id="bell"), attrs.evolve(BELL, line_id="2", product_id="bell"))
        assert len(Situation(basket=twice, at=AT).groups) == 1
        assert Situation(basket=twice, groups=iter(twice.line_groups()), at=AT).groups == twice.line_groups()

    def test_survives_pickle(self) -> None:
        """With the goods that were asked for, and without."""
        assert pickle.loads(pickle.dumps(SEEN)) == SEEN
        assert SEEN.goods.of(Filter()).list_minor == 4500
        assert holds(spend_at_least(euros("45")), pickle.loads(pickle.dumps(SEEN)))

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(
            Situation,
            basket=BASKET,
            groups=BASKET.unit_groups(),
            exclude_tags=["gift-card"],
            is_member=True,
            order_count=1,
            codes=["SUMMER10"],
            tier="gold",
            points=1,
            past_list_minor=1,
            past_discount_minor=1,
            profile=Profile(),
            at=AT,
            calendar=PARIS,
        )

    def test_recurrence_of_a_first_day(self) -> None:
        """A recurrence that begins on a day holds from then on."""
        fortnights = during(recurrence=Recurrence("FREQ=WEEKLY;INTERVAL=2", starts_on=date(2026, 7, 1)))
        assert [
            holds(fortnights, attrs.evolve(SEEN, at=datetime(2026, month, day, 10, tzinfo=UTC)))
            for month, day in [(6, 17), (7, 1), (7, 8), (7, 15)]
        ] == [False, True, False, True]
