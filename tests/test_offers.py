"""Offers: which apply, what each takes off, what is only an amount away."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, TypeAlias

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore.basket import Basket, Line, UnitGroup
from loyaltycore.benefits import Benefit, FreeShipping, PercentOff
from loyaltycore.conditions import AllOf, Condition, Situation, code_presented, is_member, spend_at_least
from loyaltycore.errors import Accepted, Reason, Refused, UsageError
from loyaltycore.offers import (
    COMBINATIONS_LIMIT,
    OFFERS_LIMIT,
    AppliedOffer,
    Evaluation,
    Lane,
    Mode,
    Nudge,
    Offer,
    OfferBook,
    Stacking,
)
from loyaltycore.periods import Calendar, Window
from loyaltycore.quantities import Money

AT = datetime(2026, 7, 1, tzinfo=UTC)
ALWAYS = AllOf(())

Groups: TypeAlias = tuple[UnitGroup, ...]


def euros(text: str) -> Money:
    """Read an amount."""
    return Money.of(text, "EUR")


def groups_of(*lines: tuple[str, str, int] | tuple[str, str, int, str]) -> Groups:
    """Make unit groups of lines: product, price, quantity, and a tag if it has one."""
    return Basket(
        [
            Line(f"{place}", euros(price), quantity, product_id=name, tags=tags)
            for place, (name, price, quantity, *tags) in enumerate(lines)
        ],
        currency="EUR",
    ).unit_groups()


def seen(book: OfferBook, groups: Groups, **changes: Any) -> Situation:  # noqa: ANN401  # a field of any type
    """Tell what conditions see."""
    situation = Situation(currency="EUR", goods_minor=book.goods_minor(groups), is_member=True, order_count=0, codes=(), at=AT)
    return attrs.evolve(situation, **changes)


def offer(name: str, give: Benefit | str, when: Condition = ALWAYS, *, lane: Lane = Lane.BASKET, priority: int = 0) -> Offer:
    """Make an offer; a text gives so many per cent off."""
    benefit = PercentOff(give) if isinstance(give, str) else give
    return Offer(name, when=when, give=benefit, lane=lane, priority=priority)


def told(book: OfferBook, groups: Groups, *, shipping: int | None = None, **changes: Any) -> Evaluation:  # noqa: ANN401
    """Evaluate a book."""
    return book.evaluate(groups, shipping_minor=shipping, situation=seen(book, groups, **changes))


def reason(evaluation: Evaluation, offer_id: str) -> Reason:
    """Give the reason an offer is refused for."""
    verdict = evaluation.verdict(offer_id)
    assert isinstance(verdict, Refused)
    return verdict.refusal.reason


OFFERS = st.builds(
    Offer,
    st.uuids().map(lambda uuid: f"o{uuid.hex[:6]}"),
    when=st.sampled_from(
        (ALWAYS, spend_at_least(euros("50")), spend_at_least(euros("0.01")), is_member(), code_presented("X-1"))
    ),
    give=st.sampled_from(
        (PercentOff("10"), PercentOff("33.3"), PercentOff("100"), PercentOff("20", exclude_tags=["low"]), FreeShipping())
    ),
    lane=st.sampled_from(Lane),
    priority=st.integers(-1, 1),
)
BOOKS = st.builds(
    OfferBook,
    st.lists(OFFERS, max_size=6, unique_by=lambda one: one.offer_id).filter(
        lambda found: sum(1 for one in found if one.codes) <= 1
    ),
    stacking=st.builds(Stacking, st.sampled_from(Mode), exclude_tags=st.sampled_from(((), ("card",)))),
)
GROUPS = st.lists(
    st.tuples(
        st.sampled_from("pqr"),
        st.sampled_from(("0", "0.01", "12.33", "49.99", "80")),
        st.integers(1, 3),
        st.sampled_from(("card", "low", "other")),
    ),
    max_size=4,
).map(lambda lines: groups_of(*lines))
SHIPPING = st.none() | st.sampled_from((0, 1, 490))
SEEN = st.fixed_dictionaries({"is_member": st.booleans(), "codes": st.sampled_from(((), ("X1",)))})


def allowed_sets(candidates: list[Offer]) -> list[tuple[Offer, ...]]:
    """Name every set of offers with at most one a lane."""
    sets = itertools.chain.from_iterable(itertools.combinations(candidates, size) for size in range(len(candidates) + 1))
    return [some for some in sets if len({one.lane for one in some}) == len(some)]


def naive(book: OfferBook, some: tuple[Offer, ...], groups: Groups, shipping: int | None) -> tuple[int, bool]:
    """Apply a set the plain way: each lane in turn, each percentage of the list prices, never below zero."""
    left = [group.list_minor for group in groups]
    ship, free = shipping, False
    for one in sorted(some, key=lambda one: (list(Lane).index(one.lane), -one.priority, one.offer_id)):
        if isinstance(one.give, FreeShipping):
            free = free or ship != 0
            ship = 0
            continue
        out = book.stacking.exclude_tags | one.give.exclude_tags
        weights = [0 if group.tags & out else group.list_minor for group in groups]
        off = (2 * sum(weights) * int(Fraction(one.give.percent) * 10) + 1000) // 2000
        exact = [Fraction(off * weight, sum(weights) or 1) for weight in weights]
        shares = [int(share) for share in exact]
        for place in sorted(range(len(exact)), key=lambda place: (shares[place] - exact[place], place))[: off - sum(shares)]:
            shares[place] += 1
        left = [max(0, rest - share) for rest, share in zip(left, shares, strict=True)]
    money = sum(group.list_minor for group in groups) - sum(left) + (shipping or 0) - (ship or 0)
    return money, free and shipping is None


class TestLaws:
    @pytest.mark.law(20)
    @given(BOOKS, GROUPS, SHIPPING, SEEN)
    def test_no_group_goes_below_zero(self, book: OfferBook, groups: Groups, shipping: int | None, sees: dict[str, Any]) -> None:
        """All offers together take no more off a group than it costs, and excluded goods are not touched."""
        evaluation = told(book, groups, shipping=shipping, **sees)
        for place, group in enumerate(groups):
            shares = [applied.shares[place] for applied in evaluation.applied]
            assert all(share >= 0 for share in shares)
            assert sum(shares) <= group.list_minor
            if group.tags & book.stacking.exclude_tags:
                assert sum(shares) == 0
        assert 0 <= evaluation.shipping_minor <= (shipping or 0)
        assert evaluation.goods_minor == sum(sum(applied.shares) for applied in evaluation.applied)

    @pytest.mark.law(21)
    @given(BOOKS, GROUPS, SHIPPING, SEEN, st.data())
    def test_order_of_the_book_decides_nothing(
        self, book: OfferBook, groups: Groups, shipping: int | None, sees: dict[str, Any], data: st.DataObject
    ) -> None:
        """Offers in any order are one book."""
        shuffled = attrs.evolve(book, offers=data.draw(st.permutations(book.offers)))
        assert shuffled == book
        assert told(shuffled, groups, shipping=shipping, **sees) == told(book, groups, shipping=shipping, **sees)

    @pytest.mark.law(23, 26)
    @given(BOOKS, GROUPS, SHIPPING, SEEN)
    def test_best_equals_brute_force(self, book: OfferBook, groups: Groups, shipping: int | None, sees: dict[str, Any]) -> None:
        """In best mode, no allowed set of offers whose conditions hold makes goods and shipping cheaper."""
        book = attrs.evolve(book, stacking=attrs.evolve(book.stacking, mode=Mode.BEST))
        situation = seen(book, groups, **sees)
        holding = [one for one in book.offers if not one.refusals(situation)]
        evaluation = told(book, groups, shipping=shipping, **sees)
        assert evaluation.optimal
        assert evaluation.worth == max(naive(book, some, groups, shipping) for some in allowed_sets(holding))

    @pytest.mark.law(23)
    @given(BOOKS, OFFERS, GROUPS, SHIPPING, SEEN)
    def test_new_offer_never_makes_the_basket_dearer(
        self, book: OfferBook, new: Offer, groups: Groups, shipping: int | None, sees: dict[str, Any]
    ) -> None:
        """In best mode one more optional offer takes as much off or more."""
        book = attrs.evolve(book, stacking=attrs.evolve(book.stacking, mode=Mode.BEST))
        if new.codes & frozenset(code for one in book.offers for code in one.codes):
            return
        larger = attrs.evolve(book, offers=[*book.offers, attrs.evolve(new, offer_id="new")])
        assert told(larger, groups, shipping=shipping, **sees).worth >= told(book, groups, shipping=shipping, **sees).worth

    @pytest.mark.law(25)
    @given(BOOKS, GROUPS, SHIPPING, SEEN)
    def test_every_offer_is_answered_and_none_gives_nothing(
        self, book: OfferBook, groups: Groups, shipping: int | None, sees: dict[str, Any]
    ) -> None:
        """Applied with an effect, or refused with a reason: exactly one of the two, for each offer."""
        evaluation = told(book, groups, shipping=shipping, **sees)
        applied = [one.offer_id for one in evaluation.applied]
        assert sorted([*applied, *evaluation.refused]) == sorted(one.offer_id for one in book.offers)
        assert all(one.discount_minor > 0 or one.frees_shipping for one in evaluation.applied)
        if book.stacking.mode is not Mode.ALL:
            assert len({one.lane for one in evaluation.applied}) == len(applied)
        for refusals in evaluation.refused.values():
            for refusal in refusals:
                if refusal.reason is Reason.OFFER_SUPERSEDED and refusal.details["by"] != refusal.details["offer_id"]:
                    assert refusal.details["by"] in applied

    @pytest.mark.law(24)
    @given(BOOKS, GROUPS, SHIPPING, SEEN)
    def test_nudges_are_verified_and_sorted(
        self, book: OfferBook, groups: Groups, shipping: int | None, sees: dict[str, Any]
    ) -> None:
        """Nearest first; each is exactly the threshold's distance, and only for an offer that is refused for nothing else."""
        nudges = book.nudges(groups, shipping_minor=shipping, situation=seen(book, groups, **sees))
        assert [(one.missing.minor_units, one.offer_id) for one in nudges] == sorted(
            (one.missing.minor_units, one.offer_id) for one in nudges
        )
        by_id = {one.offer_id: one for one in book.offers}
        for nudge in nudges:
            (threshold,) = by_id[nudge.offer_id].thresholds
            assert nudge.missing.minor_units == threshold.minor_units - book.goods_minor(groups) > 0


class TestOffer:
    @pytest.mark.parametrize("offer_id", ["", "a b", "é", "x" * 65])
    def test_id_is_a_slug(self, offer_id: str) -> None:
        """The program's name for it is plain."""
        with pytest.raises(UsageError, match="offer_id"):
            offer(offer_id, "10")

    @pytest.mark.parametrize("priority", [-1_000_001, 1_000_001, True, 1.0])
    def test_priority_is_bounded(self, priority: int) -> None:
        """A whole number within a million."""
        with pytest.raises(UsageError, match="priority"):
            offer("a", "10", priority=priority)

    @pytest.mark.parametrize("priority", [-1_000_000, 1_000_000])
    def test_bounds_of_priority_are_allowed(self, priority: int) -> None:
        """The bounds themselves count."""
        assert offer("a", "10", priority=priority).rank == (-priority, "a")

    def test_lane_is_that_of_what_it_gives(self) -> None:
        """Free shipping works in the shipping lane and all else in the basket's, unless it is said."""
        assert Offer("a", when=ALWAYS, give=FreeShipping()).lane is Lane.SHIPPING
        assert Offer("a", when=ALWAYS, give=PercentOff("10")).lane is Lane.BASKET
        assert Offer("a", when=ALWAYS, give=FreeShipping(), lane=Lane.BASKET).lane is Lane.BASKET

    def test_knows_its_codes_and_thresholds(self) -> None:
        """However deep they were written."""
        one = offer("a", "10", AllOf((AllOf((code_presented("SUMMER10"), is_member())), spend_at_least(euros("5")))))
        assert one.codes == {"SUMMER10"}
        assert one.thresholds == (euros("5"),)
        assert offer("a", "10").codes == frozenset()

    def test_window(self) -> None:
        """Before its first instant it has not started, from its end on it has expired; without bounds it always runs."""
        end = AT + timedelta(days=1)
        one = attrs.evolve(offer("a", "10"), window=Window(starts_at=AT, ends_at=end))
        book = OfferBook([one], stacking=Stacking(Mode.ALL))
        tick = timedelta(microseconds=1)
        for at, expected in [(AT - tick, Reason.OFFER_NOT_STARTED), (AT, None), (end - tick, None), (end, Reason.OFFER_EXPIRED)]:
            refusals = one.refusals(seen(book, (), at=at))
            assert [refusal.reason for refusal in refusals] == ([] if expected is None else [expected])
        early, late = one.refusals(seen(book, (), at=AT - tick)), one.refusals(seen(book, (), at=end))
        assert early[0].details == {"offer_id": "a", "starts_at": "2026-07-01T00:00:00Z", "starts_on": "2026-07-01"}
        assert late[0].details == {"offer_id": "a", "ended_at": "2026-07-02T00:00:00Z", "last_on": "2026-07-01"}
        tokyo = seen(book, (), at=end, calendar=Calendar("Asia/Tokyo"))
        assert one.refusals(tokyo)[0].details["last_on"] == "2026-07-02"
        for open_window in (Window(starts_at=None, ends_at=end), Window(starts_at=AT, ends_at=None)):
            assert attrs.evolve(one, window=open_window).refusals(seen(book, (), at=AT)) == ()

    def test_refusals_come_in_order(self) -> None:
        """Window and conditions are told together, in the order of reasons."""
        one = attrs.evolve(
            offer("a", "10", spend_at_least(euros("5")) & code_presented("XYZ")), window=Window(starts_at=AT, ends_at=None)
        )
        book = OfferBook([one], stacking=Stacking(Mode.ALL))
        refusals = one.refusals(seen(book, (), at=AT - timedelta(days=1)))
        assert [refusal.reason for refusal in refusals] == [
            Reason.CODE_MISSING,
            Reason.OFFER_NOT_STARTED,
            Reason.BASKET_BELOW_THRESHOLD,
        ]


class TestBook:
    def test_ids_and_codes_belong_to_one_offer(self) -> None:
        """A double would make an answer ambiguous; codes that look alike are the same."""
        with pytest.raises(UsageError, match="id a belongs to two offers: a and a"):
            OfferBook([offer("a", "10"), offer("a", "20")], stacking=Stacking(Mode.ALL))
        with pytest.raises(UsageError, match="code SUMMER10 belongs to two offers: a and b"):
            OfferBook(
                [offer("a", "10", code_presented("SUMMER10")), offer("b", "20", code_presented("summer-1o"))],
                stacking=Stacking(Mode.ALL),
            )

    def test_length_is_bounded(self) -> None:
        """At most ten thousand offers."""
        one = offer("a", "10")
        with pytest.raises(UsageError, match=f"at most {OFFERS_LIMIT} offers, got {OFFERS_LIMIT + 1}"):
            OfferBook([one] * (OFFERS_LIMIT + 1), stacking=Stacking(Mode.ALL))
        with pytest.raises(UsageError, match="belongs to two"):
            OfferBook([one] * OFFERS_LIMIT, stacking=Stacking(Mode.ALL))

    def test_finds_the_offer_of_a_code(self) -> None:
        """By its folded form."""
        ten = offer("ten", "10", code_presented("SUMMER10"))
        book = OfferBook([offer("a", "10"), ten], stacking=Stacking(Mode.ALL))
        assert book.offer_of_code("SUMMER10") == ten
        assert book.offer_of_code("OTHER") is None

    def test_excluded_goods_do_not_count(self) -> None:
        """They raise no threshold."""
        groups = groups_of(("card", "50", 1, "gift-card"), ("bell", "12.50", 2))
        assert OfferBook([], stacking=Stacking(Mode.ALL, exclude_tags=["gift-card"])).goods_minor(groups) == 2500


class TestEvaluate:
    def test_all_stack_on_list_prices_down_to_nothing(self) -> None:
        """In mode all, percentages are each of the list price; the last gets what is left."""
        book = OfferBook([offer("a", "60"), offer("b", "60"), offer("c", "60")], stacking=Stacking(Mode.ALL))
        evaluation = told(book, groups_of(("bell", "10", 1)))
        assert [(one.offer_id, one.discount_minor) for one in evaluation.applied] == [("a", 600), ("b", 400)]
        assert evaluation.verdict("c") == Refused(evaluation.refused["c"])
        assert evaluation.refused["c"][0].details == {"offer_id": "c", "by": "a"}

    def test_lanes_go_in_their_order(self) -> None:
        """Product, basket, shipping; within a lane the higher priority, then the id."""
        book = OfferBook(
            [
                offer("z", FreeShipping(), lane=Lane.SHIPPING, priority=9),
                offer("b", "10"),
                offer("a", "10"),
                offer("c", "10", priority=1),
                offer("p", "10", lane=Lane.PRODUCT, priority=-5),
            ],
            stacking=Stacking(Mode.ALL),
        )
        evaluation = told(book, groups_of(("bell", "10", 1)), shipping=490)
        assert [one.offer_id for one in evaluation.applied] == ["p", "c", "a", "b", "z"]
        assert (evaluation.goods_minor, evaluation.shipping_minor, evaluation.frees_shipping) == (400, 490, True)
        assert evaluation.worth == (890, False)

    def test_priority_takes_the_first_of_each_lane(self) -> None:
        """Priority is what the shop said, not what is best for the customer."""
        book = OfferBook([offer("big", "50"), offer("first", "10", priority=1)], stacking=Stacking(Mode.PRIORITY))
        evaluation = told(book, groups_of(("bell", "10", 1)))
        assert [one.offer_id for one in evaluation.applied] == ["first"]
        assert evaluation.refused["big"][0].details == {"offer_id": "big", "by": "first"}

    def test_best_prefers_fewer_offers_then_priority_then_id(self) -> None:
        """Where sets take the same off, the smaller set applies; of equals the higher priority, then the id."""
        book = OfferBook(
            [offer("half", "50", lane=Lane.PRODUCT), offer("all", "100"), offer("a", "100", priority=-1), offer("zzz", "100")],
            stacking=Stacking(Mode.BEST),
        )
        evaluation = told(book, groups_of(("bell", "10", 1)))
        assert [one.offer_id for one in evaluation.applied] == ["all"]
        assert reason(evaluation, "half") is Reason.OFFER_SUPERSEDED
        assert evaluation.refused["half"][0].details["by"] == "all"

    def test_best_weighs_shipping_against_goods(self) -> None:
        """In one lane, free shipping of 4.90 beats 2.00 off the goods, and 1.90 does not."""
        book = OfferBook([offer("ten", "10"), offer("ship", FreeShipping(), lane=Lane.BASKET)], stacking=Stacking(Mode.BEST))
        for shipping, best in [(490, "ship"), (190, "ten")]:
            evaluation = told(book, groups_of(("bell", "20", 1)), shipping=shipping)
            assert [one.offer_id for one in evaluation.applied] == [best]

    def test_the_winner_of_its_own_lane_is_named(self) -> None:
        """An offer that lost hears which one took its lane, not which one came first."""
        book = OfferBook(
            [offer("first", "5", lane=Lane.PRODUCT), offer("big", "20"), offer("small", "10")], stacking=Stacking(Mode.BEST)
        )
        evaluation = told(book, groups_of(("bell", "10", 1)))
        assert [one.offer_id for one in evaluation.applied] == ["first", "big"]
        assert evaluation.refused["small"][0].details == {"offer_id": "small", "by": "big"}

    @pytest.mark.parametrize("mode", list(Mode))
    def test_what_was_compared_whole_is_optimal(self, mode: Mode) -> None:
        """Only `best` with too many sets may fall short of what it promises."""
        book = OfferBook([offer("a", "10"), offer("b", "20")], stacking=Stacking(mode))
        assert told(book, groups_of(("bell", "10", 1))).optimal

    def test_best_counts_unknown_shipping_as_something(self) -> None:
        """Free shipping applies before the price of shipping is known."""
        book = OfferBook([offer("ship", FreeShipping(), lane=Lane.SHIPPING)], stacking=Stacking(Mode.BEST))
        applied = told(book, groups_of(("bell", "10", 1))).applied
        assert applied == (AppliedOffer(offer_id="ship", lane=Lane.SHIPPING, shares=(0,), frees_shipping=True),)

    def test_shipping_that_costs_nothing_cannot_be_freed(self) -> None:
        """An offer without effect is not applied, and says so."""
        book = OfferBook([offer("ship", FreeShipping())], stacking=Stacking(Mode.BEST))
        evaluation = told(book, groups_of(("bell", "10", 1)), shipping=0)
        assert reason(evaluation, "ship") is Reason.OFFER_WITHOUT_EFFECT
        assert evaluation.refused["ship"][0].details == {"offer_id": "ship"}

    def test_shipping_is_freed_once(self) -> None:
        """A second free shipping finds nothing to free."""
        book = OfferBook([offer("a", FreeShipping()), offer("b", FreeShipping())], stacking=Stacking(Mode.ALL))
        for shipping in (490, None):
            evaluation = told(book, groups_of(("bell", "10", 1)), shipping=shipping)
            assert [one.offer_id for one in evaluation.applied] == ["a"]
            assert evaluation.shipping_minor == (shipping or 0)

    def test_too_small_a_percentage_has_no_effect(self) -> None:
        """A tenth of four cents is nothing."""
        book = OfferBook([offer("ten", "10")], stacking=Stacking(Mode.BEST))
        assert reason(told(book, groups_of(("bell", "0.04", 1))), "ten") is Reason.OFFER_WITHOUT_EFFECT
        assert told(book, groups_of(("bell", "0.05", 1))).goods_minor == 1

    def test_own_exclusions(self) -> None:
        """A percentage may leave out more tags than the book does; they still count towards a threshold."""
        give = PercentOff("10", exclude_tags=["low"])
        book = OfferBook([offer("ten", give, spend_at_least(euros("20")))], stacking=Stacking(Mode.BEST, exclude_tags=["card"]))
        groups = groups_of(("a", "10", 1, "low"), ("b", "10", 1), ("c", "10", 1, "card"))
        assert told(book, groups).applied[0].shares == (0, 100, 0)

    def test_unknown_offer(self) -> None:
        """An id that the book does not have is answered too."""
        evaluation = told(OfferBook([], stacking=Stacking(Mode.ALL)), ())
        verdict = evaluation.verdict("nobody's")
        assert isinstance(verdict, Refused)
        assert (verdict.refusal.reason, verdict.refusal.details) == (Reason.OFFER_NOT_FOUND, {"offer_id": "nobody's"})

    def test_applied_offer_is_accepted(self) -> None:
        """The verdict on an applied offer is what it takes off."""
        book = OfferBook([offer("ten", "10"), offer("one", "1")], stacking=Stacking(Mode.ALL))
        evaluation = told(book, groups_of(("bell", "10", 1)))
        assert evaluation.verdict("one") == Accepted(evaluation.applied[0])
        assert evaluation.verdict("ten") == Accepted(evaluation.applied[1])

    def test_beyond_the_limit_each_lane_takes_its_best(self) -> None:
        """Too many sets to compare: the result says that it may not be the best, and is still what each lane does best."""
        lanes = (Lane.PRODUCT, Lane.BASKET, Lane.SHIPPING)
        many = [offer(f"{lane.value}-{n}", str(n + 1), lane=lane) for lane in lanes for n in range(15)]
        assert COMBINATIONS_LIMIT == 16**3
        at_limit = told(OfferBook(many, stacking=Stacking(Mode.BEST)), groups_of(("bell", "10", 1)))
        assert at_limit.optimal
        beyond = told(OfferBook([*many, offer("extra", "99")], stacking=Stacking(Mode.BEST)), groups_of(("bell", "10", 1)))
        assert not beyond.optimal
        assert [one.offer_id for one in beyond.applied] == ["product-14", "extra"]
        assert beyond.goods_minor == 1000
        assert reason(beyond, "shipping-14") is Reason.OFFER_SUPERSEDED


class TestNudges:
    def nudged(
        self,
        *offers: Offer,
        price: str = "45",
        shipping: int | None = None,
        mode: Mode = Mode.BEST,
        **sees: Any,  # noqa: ANN401  # a field of any type
    ) -> tuple[Nudge, ...]:
        """Ask for the nudges on a basket of one thing."""
        book = OfferBook(offers, stacking=Stacking(mode))
        groups = groups_of(("bell", price, 1))
        return book.nudges(groups, shipping_minor=shipping, situation=seen(book, groups, **sees))

    def test_exact_distance(self) -> None:
        """What is missing to the threshold, to the minor unit."""
        ten = offer("ten", "10", spend_at_least(euros("50")))
        assert self.nudged(ten, price="49.99") == (Nudge("ten", euros("0.01"), PercentOff("10")),)
        assert self.nudged(ten, price="50") == ()

    def test_empty_basket(self) -> None:
        """The reward may come from the added thing alone; where it would round to nothing there is none."""
        for threshold, expected in [("50", ["ten"]), ("0.05", ["ten"]), ("0.04", [])]:
            book = OfferBook([offer("ten", "10", spend_at_least(euros(threshold)))], stacking=Stacking(Mode.BEST))
            nudges = book.nudges((), shipping_minor=None, situation=seen(book, ()))
            assert [nudge.offer_id for nudge in nudges] == expected

    def test_one_that_cannot_be_had_hides_no_other(self) -> None:
        """Each offer is looked at, whatever stands before it."""
        first = offer("a", "50", spend_at_least(euros("50")) & is_member(), priority=1)
        assert [one.offer_id for one in self.nudged(first, offer("b", "10", spend_at_least(euros("50"))), is_member=False)] == [
            "b"
        ]

    def test_not_for_what_lacks_something_else(self) -> None:
        """An offer that also asks for a code, or for a member, is no question of spending more."""
        ten = offer("ten", "10", spend_at_least(euros("50")) & is_member())
        assert len(self.nudged(ten)) == 1
        assert self.nudged(ten, is_member=False) == ()
        assert self.nudged(offer("ten", "10", spend_at_least(euros("50")) & code_presented("XYZ"))) == ()
        assert self.nudged(offer("mine", "10", is_member()), is_member=False) == ()

    def test_not_when_a_better_offer_applies_anyway(self) -> None:
        """More spending for an offer that another one beats is no reason to spend more."""
        twenty = offer("twenty", "20")
        assert self.nudged(offer("ten", "10", spend_at_least(euros("50"))), twenty) == ()
        assert len(self.nudged(offer("thirty", "30", spend_at_least(euros("50"))), twenty)) == 1

    def test_not_when_it_would_take_nothing_more_off(self) -> None:
        """In mode all, an offer that finds nothing left is no reward; nor free shipping where shipping is free."""
        everything = offer("everything", "100", priority=1)
        assert self.nudged(offer("ten", "10", spend_at_least(euros("50"))), everything, mode=Mode.ALL) == ()
        ship = offer("ship", FreeShipping(), spend_at_least(euros("50")), lane=Lane.SHIPPING)
        assert self.nudged(ship, shipping=0) == ()
        assert len(self.nudged(ship, shipping=None)) == len(self.nudged(ship, shipping=1)) == 1

    def test_equal_reward_is_no_reward(self) -> None:
        """An offer of higher priority that takes no more off than another does makes nothing cheaper."""
        assert self.nudged(offer("new", "10", spend_at_least(euros("50")), priority=5), offer("old", "10")) == ()

    def test_nearest_first(self) -> None:
        """By amount, then by id."""
        offers = [
            offer("c", "10", spend_at_least(euros("46")), lane=Lane.PRODUCT),
            offer("a", "10", spend_at_least(euros("47"))),
            offer("b", FreeShipping(), spend_at_least(euros("46")), lane=Lane.SHIPPING),
        ]
        assert [nudge.offer_id for nudge in self.nudged(*offers)] == ["b", "c", "a"]

    def test_text(self) -> None:
        """In English and in French."""
        percent, ship = Nudge("a", euros("5"), PercentOff("10")), Nudge("a", euros("7.60"), FreeShipping())
        assert percent.text() == percent.text("en") == "Spend €5.00 more for 10% off"
        assert percent.text("fr") == "Encore 5,00 € pour −10 %"
        assert ship.text("en") == "Spend €7.60 more for free shipping"
        assert ship.text("fr") == "Encore 7,60 € pour la livraison offerte"
