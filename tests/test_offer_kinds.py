"""Offers as values: what they take, and what they say of themselves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from loyaltycore._earning import Times as TimesOfActions
from loyaltycore._offer_kinds import LANES, OPEN_LIMITS, own_lane
from loyaltycore.basket import Basket, Filter
from loyaltycore.benefits import (
    AmountOff,
    Benefit,
    BundlePrice,
    BuyGet,
    FixedPrice,
    FreeShipping,
    Gift,
    Level,
    Part,
    Per,
    PercentOff,
    Several,
    ShippingAmountOff,
    ShippingPercentOff,
    ShippingPrice,
    SpendLadder,
    Units,
)
from loyaltycore.conditions import (
    Base,
    Condition,
    Situation,
    all_of,
    any_of,
    code_presented,
    contains,
    is_member,
    products_at_least,
    quantity_at_least,
    spend_at_least,
)
from loyaltycore.coupons import Coupon, ReadCode
from loyaltycore.errors import Reason, Refusal, UsageError
from loyaltycore.gift_cards import GiftCard
from loyaltycore.offers import (
    NO_VIEW,
    AppliedOffer,
    Combines,
    FreedBy,
    Lane,
    Limits,
    Mode,
    Offer,
    Returns,
    Span,
    Stacking,
    Times,
    Used,
    View,
)
from loyaltycore.periods import Calendar, Window
from loyaltycore.quantities import Money, Over, Rate
from tests.offers_drawn import AT

TEN = PercentOff("10")
FIVE = Money(500, "EUR")
BELL = Filter(products=["bell"], price_from=Money(7, "EUR"))


def offer(**said: Any) -> Offer:  # noqa: ANN401 - the fields of an offer
    """Make an offer of ten per cent off."""
    return Offer(said.pop("offer_id", "a"), **{"give": TEN, **said})


def limited(**said: Any) -> Limits:  # noqa: ANN401 - the fields of limits
    """Make limits."""
    return Limits(**said)


def seen(**said: Any) -> Situation:  # noqa: ANN401 - the fields of a situation
    """Tell what conditions see of an empty basket."""
    return Situation(**{"basket": Basket([], currency="EUR"), "at": AT, **said})


class TestOffer:
    @pytest.mark.parametrize("offer_id", ["", "a b", "é", "x" * 65, None])
    def test_id_is_a_slug(self, offer_id: object) -> None:
        """The program's name for it is plain."""
        with pytest.raises(UsageError, match="offer_id"):
            offer(offer_id=offer_id)

    @pytest.mark.parametrize(
        "name,value",
        [
            ("when", None),
            ("when", "member"),
            ("give", "10"),
            ("give", None),
            ("lane", "basket"),
            ("priority", -1_000_001),
            ("priority", 1_000_001),
            ("priority", True),
            ("priority", 1.0),
            ("window", "always"),
            ("base", "list"),
            ("combines", "any"),
            ("group", "a b"),
            ("discount_limit", Money(0, "EUR")),
            ("discount_limit", Money(-1, "EUR")),
            ("discount_limit", 5),
            ("limits", None),
        ],
    )
    def test_what_is_refused(self, name: str, value: object) -> None:
        """Each part has its kind and its range."""
        with pytest.raises(UsageError):
            offer(**{name: value})

    @pytest.mark.parametrize("priority", [-1_000_000, 1_000_000])
    def test_bounds_of_priority_are_allowed(self, priority: int) -> None:
        """The bounds themselves count; the higher goes first."""
        assert offer(priority=priority).rank == (1, -priority, 2, "a")

    @pytest.mark.parametrize(
        "give,lane",
        [
            (TEN, Lane.BASKET),
            (Gift("z"), Lane.BASKET),
            (FreeShipping(), Lane.SHIPPING),
            (ShippingPercentOff("5"), Lane.SHIPPING),
            (ShippingAmountOff(FIVE), Lane.SHIPPING),
            (ShippingPrice(FIVE), Lane.SHIPPING),
            (Several([FreeShipping(), TEN]), Lane.BASKET),
            (SpendLadder({FIVE: ShippingPercentOff("5")}), Lane.SHIPPING),
        ],
    )
    def test_lane_is_that_of_what_it_gives(self, give: Benefit, lane: Lane) -> None:
        """What is off shipping works in the shipping lane and all else in the basket's, unless it is said."""
        assert offer(give=give).lane is lane
        assert offer(give=give, lane=Lane.PRODUCT).lane is Lane.PRODUCT

    def test_rank_goes_by_lane_priority_id(self) -> None:
        """The total order of offers."""
        made = [offer(offer_id="b", lane=lane, priority=priority) for lane in reversed(LANES) for priority in (-1, 0, 5)]
        made.append(offer(offer_id="a"))
        ordered = [(one.lane, one.priority, one.offer_id) for one in sorted(made, key=lambda one: one.rank)]
        assert ordered[:3] == [(Lane.PRODUCT, 5, "b"), (Lane.PRODUCT, 0, "b"), (Lane.PRODUCT, -1, "b")]
        assert ordered[3:7] == [(Lane.BASKET, 5, "b"), (Lane.BASKET, 0, "a"), (Lane.BASKET, 0, "b"), (Lane.BASKET, -1, "b")]
        assert [one[0] for one in ordered[7:]] == [Lane.SHIPPING] * 3
        assert [one.lane_place for one in (offer(lane=lane) for lane in LANES)] == [0, 1, 2]

    @pytest.mark.parametrize(
        "give,breadth",
        [
            (PercentOff("10", of=Filter(products=["bell"], tags=["sale"])), 0),
            (PercentOff("10", of=Filter(tags=["sale"])), 1),
            (PercentOff("10", exclude_tags=["low"]), 1),
            (TEN, 2),
            (BuyGet(buy=Part(1, BELL), get=Part(1, BELL)), 0),
            (BuyGet(buy=Part(1, BELL), get=Part(1, Filter(tags=["sale"]))), 1),
            (BuyGet(buy=Part(1, BELL), get=Part(1)), 2),
            (Several([FixedPrice(FIVE, of=BELL), TEN]), 2),
            (Several([FixedPrice(FIVE, of=BELL), FixedPrice(FIVE, of=Filter(tags=["sale"]))]), 1),
            (SpendLadder({FIVE: FixedPrice(FIVE, of=BELL)}), 0),
            (Gift("z"), 2),
            (FreeShipping(), 2),
        ],
    )
    def test_narrower_goods_go_first(self, give: Benefit, breadth: int) -> None:
        """Of equal priority: products, kinds of goods, all goods; then by id."""
        assert offer(give=give, lane=Lane.BASKET, offer_id="z").rank == (1, 0, breadth, "z")

    def test_codes(self) -> None:
        """However deep they were written, folded; one that must be absent opens nothing."""
        deep = all_of(all_of(code_presented("summer-1o"), is_member()), any_of(code_presented("X-1"), ~code_presented("NO-1")))
        assert offer(when=deep).codes == {"SUMMER10", "X1"}
        assert offer().codes == offer(when=~code_presented("X-1")).codes == frozenset()

    def test_filters_and_moneys(self) -> None:
        """The goods its condition counts, and every amount it names."""
        when = all_of(spend_at_least(Money(1, "EUR"), of=BELL), ~quantity_at_least(2, of=BELL), products_at_least(2), is_member())
        one = offer(
            when=when,
            give=AmountOff(Money(2, "EUR"), per=Per.SHARED, of=Filter(price_to=Money(3, "EUR"))),
            discount_limit=Money(4, "EUR"),
            limits=Limits(budget=Money(5, "EUR")),
        )
        assert one.filters == (BELL, BELL, Filter())
        assert sorted(money.minor_units for money in one.moneys) == [1, 2, 3, 4, 5, 7, 7]
        assert list(offer().moneys) == []

    @pytest.mark.parametrize(
        "give,lines",
        [
            (TEN, False),
            (PercentOff("10", rounded_per=Level.LINE), True),
            (PercentOff("10", rounded_per=Level.UNIT), False),
            (AmountOff(FIVE, per=Per.LINE), True),
            (AmountOff(FIVE, per=Per.UNIT), False),
            (Several([TEN, AmountOff(FIVE, per=Per.LINE)]), True),
        ],
    )
    def test_speaks_of_lines(self, give: Benefit, *, lines: bool) -> None:
        """What is off each line, or rounded for each."""
        assert offer(give=give).speaks_of_lines is lines

    @pytest.mark.parametrize(
        "said,picks",
        [
            ({}, False),
            ({"give": FreeShipping()}, False),
            ({"give": PercentOff("10", units=Units(at_most=1))}, True),
            ({"give": FixedPrice(FIVE)}, False),
            ({"give": FixedPrice(FIVE, units=Units(skip=1))}, True),
            ({"give": BundlePrice(FIVE, parts=[Part(2)])}, True),
            ({"give": BuyGet(buy=Part(1), get=Part(1))}, True),
            ({"give": Several([TEN, Gift("z")])}, True),
            ({"limits": Limits(units=1)}, True),
            ({"limits": Limits(total=1)}, False),
            ({"limits": Limits(budget=FIVE, over=Over.REFUSE)}, True),
        ],
    )
    def test_picks_units(self, said: dict[str, Any], *, picks: bool) -> None:
        """Whether it may reach some units of a group and not others, or be too much."""
        assert offer(**said).picks_units is picks

    @pytest.mark.parametrize(
        "when,follows",
        [
            (spend_at_least(FIVE), False),
            (spend_at_least(FIVE, base=Base.RUNNING), True),
            (contains(BELL) & (is_member() | ~spend_at_least(FIVE, base=Base.RUNNING)), True),
        ],
    )
    def test_follows_others(self, when: Condition, *, follows: bool) -> None:
        """Whether it looks at what is left."""
        assert offer(when=when).follows_others is follows


class TestRefusals:
    def test_window(self) -> None:
        """Before its first instant it has not started, from its end on it has expired; without bounds it always runs."""
        end = AT + timedelta(days=1)
        one = offer(window=Window(starts_at=AT, ends_at=end))
        tick = timedelta(microseconds=1)
        for at, expected in [(AT - tick, Reason.OFFER_NOT_STARTED), (AT, None), (end - tick, None), (end, Reason.OFFER_EXPIRED)]:
            assert [refusal.reason for refusal in one.refusals(seen(at=at))] == ([] if expected is None else [expected])
        early, late = one.refusals(seen(at=AT - tick)), one.refusals(seen(at=end))
        assert early[0].details == {"offer_id": "a", "starts_at": "2026-07-01T10:00:00Z", "starts_on": "2026-07-01"}
        assert late[0].details == {"offer_id": "a", "ended_at": "2026-07-02T10:00:00Z", "last_on": "2026-07-02"}
        auckland = seen(at=end, calendar=Calendar("Pacific/Auckland"))
        assert one.refusals(auckland)[0].details["last_on"] == "2026-07-02"
        midnight = Window(starts_at=None, ends_at=AT - timedelta(hours=10))
        assert offer(window=midnight).refusals(seen(at=end))[0].details["last_on"] == "2026-06-30"
        for open_window in (Window(starts_at=None, ends_at=end), Window(starts_at=AT, ends_at=None)):
            assert offer(window=open_window).refusals(seen()) == ()

    def test_come_in_order(self) -> None:
        """Window, limits and conditions are told together, in the order of reasons."""
        one = offer(
            when=spend_at_least(FIVE) & code_presented("XYZ"),
            window=Window(starts_at=AT, ends_at=None),
            limits=Limits(total=2, per_member=1, budget=FIVE, units=3),
        )
        used = Used(times=2, by_member=1, spent_minor=500, units=3)
        refusals = one.refusals(seen(at=AT - timedelta(days=1)), used)
        assert [refusal.reason for refusal in refusals] == [
            Reason.CODE_MISSING,
            Reason.OFFER_NOT_STARTED,
            Reason.OFFER_LIMIT_REACHED,
            Reason.OFFER_LIMIT_REACHED,
            Reason.OFFER_MEMBER_LIMIT_REACHED,
            Reason.OFFER_BUDGET_REACHED,
            Reason.BASKET_BELOW_THRESHOLD,
        ]
        assert [refusal.details["limit"] for refusal in refusals[2:5]] == [2, 3, 1]

    @pytest.mark.parametrize(
        "limits,used",
        [
            (Limits(total=2), Used(times=1)),
            (Limits(per_member=2), Used(times=9, by_member=1)),
            *((Limits(total=Times(**{span: 2})), Used(times=1, times_in={span: 1})) for span in Span),
            *((Limits(per_member=Times(**{span: 2})), Used(times=9, by_member=1, by_member_in={span: 1})) for span in Span),
            (Limits(total=Times(per_day=2)), Used(times=9, times_in={Span.WEEK: 9, Span.EVER: 9}, by_member_in={Span.DAY: 9})),
            (Limits(total=3), Used(times=2, times_in={Span.EVER: 3})),
            (Limits(per_member=3), Used(by_member=2, by_member_in={Span.EVER: 3}, times=9)),
            (Limits(budget=FIVE), Used(spent_minor=499)),
            (Limits(units=2), Used(units=1)),
        ],
    )
    def test_not_before_the_limit(self, limits: Limits, used: Used) -> None:
        """The last one is still given."""
        assert offer(limits=limits).refusals(seen(), used) == ()

    @pytest.mark.parametrize("span", Span)
    def test_at_the_limit_of_a_span(self, span: Span) -> None:
        """As often as it may be, and no more often; the refusal names the span."""
        used = Used(times=2, times_in={span: 2}, by_member=2, by_member_in={span: 2})
        for name, reason in (("total", Reason.OFFER_LIMIT_REACHED), ("per_member", Reason.OFFER_MEMBER_LIMIT_REACHED)):
            (refusal,) = offer(limits=limited(**{name: Times(**{span: 2})})).refusals(seen(), used)
            assert refusal == Refusal(reason, {"offer_id": "a", "limit": 2, "period": span.value})
            assert not offer(limits=limited(**{name: Times(**{span: 2})})).holds(seen(), used)
            assert offer(limits=limited(**{name: Times(**{span: 3})})).holds(seen(), used)

    def test_every_span_that_is_used_up_is_told(self) -> None:
        """Of all limits those that are reached, narrowest span first."""
        limits = Limits(total=Times(per_day=1, per_year=2, lifetime=3), per_member=Times(per_week=1, per_month=5))
        used = Used(times=3, times_in={Span.DAY: 1, Span.YEAR: 2}, by_member_in={Span.WEEK: 1, Span.MONTH: 4})
        found = offer(limits=limits).refusals(seen(), used)
        assert [(one.reason, one.details["period"]) for one in found] == [
            (Reason.OFFER_LIMIT_REACHED, "per_day"),
            (Reason.OFFER_LIMIT_REACHED, "per_year"),
            (Reason.OFFER_LIMIT_REACHED, "lifetime"),
            (Reason.OFFER_MEMBER_LIMIT_REACHED, "per_week"),
        ]

    def test_conditions_see_what_is_left(self) -> None:
        """Where it is told."""
        goods = Basket.of("EUR", {"bell": "5.00"})
        one = offer(when=spend_at_least(FIVE, base=Base.RUNNING))
        assert one.refusals(seen(basket=goods)) == ()
        assert one.refusals(seen(basket=goods), left=[500]) == ()
        assert one.refusals(seen(basket=goods), left=[499])[0].details["missing_minor"] == 1


class TestLimits:
    @pytest.mark.parametrize(
        "said",
        [
            {"units": -1},
            {"units": 1.0},
            {"total": 1.0},
            {"total": "5"},
            {"per_member": "5"},
            {"per_member": (1,)},
            {"budget": Money(0, "EUR")},
            {"budget": 5},
            {"over": "refuse"},
            {"freed_by": "returned"},
        ],
    )
    def test_limits_of_nothing_are_refused(self, said: dict[str, Any]) -> None:
        """A limit is at least one, and of its kind."""
        with pytest.raises(UsageError, match=next(iter(said))):
            limited(**said)

    @pytest.mark.parametrize("name", ["total", "per_member"])
    @pytest.mark.parametrize("count", [0, -1, True])
    def test_no_times_are_refused(self, name: str, count: int) -> None:
        """A number is for ever, and at least one."""
        with pytest.raises(UsageError, match=f"must be a whole number in .*, got {count}"):
            limited(**{name: count})

    @pytest.mark.parametrize("name", ["total", "per_member"])
    def test_a_number_is_for_ever(self, name: str) -> None:
        """As a table of spans says it; none says nothing."""
        assert TimesOfActions is Times
        assert getattr(limited(**{name: 5}), name) == Times(lifetime=5)
        assert limited(**{name: None}) == limited(**{name: Times()}) == OPEN_LIMITS

    def test_are_open(self) -> None:
        """Nothing said is no limit, whatever should happen at one, and whatever frees it."""
        assert Limits().are_open
        assert Limits(over=Over.REFUSE, freed_by=FreedBy.RETURNED).are_open
        some: dict[str, Any] = {"total": 1, "per_member": 1, "units": 1, "budget": FIVE}
        more: list[dict[str, Any]] = [{name: Times(**{span: 1})} for name in ("total", "per_member") for span in Span]
        for said in (*({name: value} for name, value in some.items()), *more):
            assert not limited(**said).are_open
            assert offer(limits=limited(**said)).is_limited
        assert not offer().is_limited

    @pytest.mark.parametrize(
        "limits,shared,members",
        [
            (Limits(), False, False),
            (Limits(total=5), True, False),
            (Limits(total=Times(per_day=5)), True, False),
            (Limits(units=5), True, False),
            (Limits(budget=FIVE), True, False),
            (Limits(per_member=1), False, True),
            (Limits(per_member=Times(per_year=1)), False, True),
            (Limits(total=5, per_member=1), True, True),
        ],
    )
    def test_whose_limits(self, limits: Limits, *, shared: bool, members: bool) -> None:
        """Some are shared by all, some are each member's own."""
        assert (limits.are_shared, limits.are_members) == (shared, members)

    def test_own_lane(self) -> None:
        """Of what is off shipping alone the shipping lane, of the rest that of the basket."""
        assert own_lane(FreeShipping()) is own_lane(Several([FreeShipping(), ShippingPercentOff("10")])) is Lane.SHIPPING
        assert own_lane(TEN) is own_lane(Several([FreeShipping(), TEN])) is Lane.BASKET
        with pytest.raises(UsageError):
            own_lane("10")  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", ["times", "by_member", "spent_minor", "units"])
    def test_used_counts(self, name: str) -> None:
        """Whole numbers of at least nothing."""
        said: dict[str, Any] = {name: 3}
        assert getattr(Used(**said), name) == 3
        for other in (-1, 1.5, True, "1"):
            with pytest.raises(UsageError, match=name):
                Used(**{name: other})  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", ["times_in", "by_member_in"])
    def test_used_in_spans(self, name: str) -> None:
        """Counts by span, at least nothing; of a span that is not named, none."""
        said: dict[str, Any] = {"times": 7, "by_member": 3, name: {Span.DAY: 2, Span.EVER: 5}}
        used = Used(**said)
        ask, ever = (used.in_span, 7) if name == "times_in" else (used.by_member_in_span, 3)
        assert [ask(span) for span in Span] == [2, 0, 0, 0, ever]
        assert Used().in_span(Span.DAY) == Used().by_member_in_span(Span.DAY) == 0
        others: tuple[Any, ...] = ({"per_day": 1}, {Span.DAY: -1}, {Span.DAY: True}, {Span.DAY: 1.0}, [Span.DAY], "per_day")
        for other in others:
            with pytest.raises(UsageError):
                Used(**{name: other})

    def test_view(self) -> None:
        """Of an offer that is not named nothing was used; other things are refused."""
        view = View(used={"a": Used(times=2)}, out_of_stock=["z"])
        assert (view.used_of("a"), view.used_of("b")) == (Used(times=2), Used())
        assert (NO_VIEW.used_of("a"), NO_VIEW.out_of_stock) == (Used(), frozenset())
        several: tuple[dict[str, Any], ...] = (
            {"used": {"a": 2}},
            {"used": [Used()]},
            {"out_of_stock": "z"},
            {"codes": {"ABC": Coupon.issued("c")}},
            {"codes": ["ABC"]},
            {"coupons": ["c"]},
            {"coupons": "c"},
            {"stopped": "summer"},
            {"cards": {"card-1": "card-1"}},
            {"cards": [GiftCard.open("card-1")]},
            {"refused_cards": {"card-1": Reason.CARD_UNKNOWN}},
            {"refused_cards": ["card-1"]},
        )
        for said in several:
            with pytest.raises(UsageError):
                View(**said)

    def test_cards_of_a_view(self) -> None:
        """Each by its own id: a number that someone typed is none."""
        card = GiftCard.open("card-1")
        assert View(cards={"card-1": card}).cards == {"card-1": card}
        with pytest.raises(UsageError, match="cards must be given by their ids, got 'card-1' as 'card-2'"):
            View(cards={"card-2": card})

    def test_coupons_of_a_view(self) -> None:
        """One that is held is found, and one that a code came to; a code that came to none hides no other."""
        held, typed = (Coupon.issued(name, campaign_id="welcome") for name in ("welcome/t-1", "velo/A1"))
        unknown = ReadCode(refusal=Refusal(Reason.CODE_UNKNOWN))
        view = View(codes={"nothing": unknown, "AAAA-BBBB-CCCC": ReadCode(coupon=typed)}, coupons=[held])
        assert view.coupon("welcome/t-1") == held
        assert view.coupon("velo/A1") == typed
        assert view.coupon("welcome/t-2") is NO_VIEW.coupon("welcome/t-1") is None
        assert "AAAA" not in repr(view)


class TestStacking:
    @pytest.mark.parametrize(
        "said",
        [
            {"mode": "best"},
            {"exclude_tags": "card"},
            {"at_most": {"basket": 1}},
            {"at_most": {Lane.BASKET: 0}},
            {"at_most": [Lane.BASKET]},
            {"offers_at_most": 0},
            {"discount_limit": Money(0, "EUR")},
            {"discount_share": Rate.percent("0")},
            {"discount_share": Rate.percent("100.1")},
            {"discount_share": "0"},
            {"discount_share": "101"},
            {"discount_share": 0.5},
            {"returns": "keep"},
        ],
    )
    def test_what_is_refused(self, said: dict[str, Any]) -> None:
        """Each part has its kind and its range."""
        with pytest.raises(UsageError):
            Stacking(**{"mode": Mode.BEST, **said})

    def test_most(self) -> None:
        """One offer a lane and unit, in mode all any number, or what is said."""
        said = {Lane.BASKET: 3}
        assert [Stacking(Mode.BEST, at_most=said).most(lane) for lane in LANES] == [1, 3, 1]
        assert [Stacking(Mode.PRIORITY).most(lane) for lane in LANES] == [1, 1, 1]
        assert [Stacking(Mode.ALL, at_most=said).most(lane) for lane in LANES] == [None, 3, None]

    def test_bounds_are_allowed(self) -> None:
        """A share of all, a limit of one minor unit."""
        assert Stacking(Mode.ALL, discount_share="50") == Stacking(Mode.ALL, discount_share=Rate.percent("50"))
        policy = Stacking(Mode.ALL, discount_share=Rate.percent("100"), discount_limit=Money(1, "EUR"))
        assert (policy.returns, policy.offers_at_most, policy.exclude_tags) == (Returns.KEEP, None, frozenset())

    @pytest.mark.parametrize(
        "kind,values",
        [
            (Mode, ["all", "priority", "best"]),
            (Lane, ["product", "basket", "shipping"]),
            (Combines, ["any", "last", "alone"]),
            (Returns, ["keep", "reprice"]),
        ],
    )
    def test_words(self, kind: type, values: list[str]) -> None:
        """As they are written in files and shown."""
        assert [one.value for one in kind] == values  # type: ignore[attr-defined]


class TestAppliedOffer:
    def test_sums(self) -> None:
        """What it takes off the goods, and in all."""
        one = AppliedOffer(offer_id="a", lane=Lane.BASKET, shares=(3, 0, 4), shipping_minor=5)
        assert (one.goods_minor, one.discount_minor) == (7, 12)
        assert attrs.evolve(one, shares=()).goods_minor == 0
