"""Offers: the laws of what a book says to a basket, and every offer's answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from loyaltycore.basket import Basket, Filter, Line
from loyaltycore.benefits import (
    AmountOff,
    Benefit,
    BonusPoints,
    FixedPrice,
    FreeShipping,
    Gift,
    Level,
    NextCoupon,
    Per,
    PercentOff,
    Several,
    ShippingPercentOff,
    singles,
)
from loyaltycore.conditions import AllOf, Base, Condition, Situation, code_presented, spend_at_least
from loyaltycore.errors import Accepted, CurrencyMismatchError, Reason, Refused, UsageError
from loyaltycore.offers import (
    NO_VIEW,
    OFFERS_LIMIT,
    AppliedOffer,
    Combines,
    Evaluation,
    GiftGiven,
    Lane,
    Limits,
    Mode,
    Offer,
    OfferBook,
    Span,
    Stacking,
    Times,
    Used,
    View,
)
from loyaltycore.quantities import Money, Over, Remainder, share_of_units
from loyaltycore.testing import strategies as public
from tests.offers_by_hand import by_hand, given_by_hand, may_apply
from tests.offers_drawn import AT, Case, benefits_of, cases, line_free, picking_cases

ALWAYS = AllOf(())


def euros(text: str) -> Money:
    """Read an amount."""
    return Money.of(text, "EUR")


def basket_of(
    *lines: tuple[str, str, int] | tuple[str, str, int, str], shipping: int | None = None, currency: str = "EUR"
) -> Basket:
    """Make a basket of lines: product, price, quantity, and a tag if it has one."""
    return Basket(
        [
            Line(f"{place}", Money.of(price, currency), quantity, product_id=name, tags=tags)
            for place, (name, price, quantity, *tags) in enumerate(lines)
        ],
        shipping=None if shipping is None else Money(shipping, currency),
        currency=currency,
    )


def offer(name: str, give: Benefit | str, when: Condition = ALWAYS, **said: Any) -> Offer:  # noqa: ANN401 - its fields
    """Make an offer; a text gives so many per cent off."""
    return Offer(name, when=when, give=PercentOff(give) if isinstance(give, str) else give, **said)


def book_of(*offers: Offer, mode: Mode = Mode.BEST, **said: Any) -> OfferBook:  # noqa: ANN401 - the fields of a policy
    """Make a book."""
    return OfferBook(offers, stacking=Stacking(mode, **said))


def told(book: OfferBook, basket: Basket, *, view: View = NO_VIEW, **facts: Any) -> Evaluation:  # noqa: ANN401 - of a situation
    """Evaluate a book."""
    return book.evaluate(book.situation(basket, **{"at": AT, "is_member": True, **facts}), view=view)


def ids(evaluation: Evaluation) -> list[str]:
    """Name what is applied."""
    return [one.offer_id for one in evaluation.applied]


def why(evaluation: Evaluation, offer_id: str) -> tuple[Reason, Mapping[str, object]]:
    """Give the first reason an offer is refused for, and its facts."""
    verdict = evaluation.verdict(offer_id)
    assert isinstance(verdict, Refused)
    return verdict.refusal.reason, verdict.refusal.details


def nets(evaluation: Evaluation) -> Counter[tuple[str, int, int]]:
    """Count the units by product, list price, and what is left of it."""
    found = Counter[tuple[str, int, int]]()
    for place, group in enumerate(evaluation.situation.groups):
        net = group.list_minor - sum(applied.shares[place] for applied in evaluation.applied)
        for unit in range(group.quantity):
            of_unit = share_of_units(net, group.quantity, start=unit, stop=unit + 1)
            found[group.product_id, group.unit_minor, of_unit] += 1
    return found


def with_basket(case: Case, basket: Basket) -> Situation:
    """Show the same with another basket."""
    groups = case.book.situation(basket, at=case.situation.at).groups
    return attrs.evolve(case.situation, basket=basket, groups=groups)


class TestAmounts:
    @pytest.mark.law(20)
    @given(cases())
    def test_no_line_goes_below_its_floor(self, case: Case) -> None:
        """For every group: min(floor, list) ≤ net ≤ list; shares are never negative; excluded goods are not touched."""
        evaluation = case.book.evaluate(case.situation, view=case.view)
        event(f"{min(len(evaluation.applied), 3)} applied")
        for place, group in enumerate(case.situation.groups):
            taken = [applied.shares[place] for applied in evaluation.applied]
            assert min(taken, default=0) >= 0
            assert group.floor_minor * group.quantity <= group.list_minor - sum(taken) <= group.list_minor
            if group.tags & case.book.stacking.exclude_tags:
                assert sum(taken) == 0
        shipping = case.situation.basket.shipping
        assert 0 <= evaluation.shipping_minor <= (0 if shipping is None else shipping.minor_units)

    @pytest.mark.law(20)
    @given(cases())
    def test_the_discount_is_the_sum_of_its_shares(self, case: Case) -> None:
        """Of each offer and of all; each stays within its own limits and those of the policy."""
        evaluation = case.book.evaluate(case.situation, view=case.view)
        stacking = case.book.stacking
        assert evaluation.goods_minor == sum(sum(applied.shares) for applied in evaluation.applied)
        for applied in evaluation.applied:
            found = case.book.offer(applied.offer_id)
            assert found is not None
            assert applied.discount_minor == applied.goods_minor + applied.shipping_minor
            assert found.discount_limit is None or applied.discount_minor <= found.discount_limit.minor_units
            used, limits = case.view.used_of(applied.offer_id), found.limits
            assert limits.budget is None or used.spent_minor + applied.discount_minor <= limits.budget.minor_units
            assert limits.units is None or used.units + applied.units <= limits.units
        if stacking.discount_limit is not None:
            assert evaluation.goods_minor <= stacking.discount_limit.minor_units
        if stacking.discount_share is not None:
            listed = case.situation.goods.of(Filter()).list_minor
            assert evaluation.goods_minor <= listed * stacking.discount_share.factor

    @pytest.mark.law(2)
    @given(
        st.sampled_from(["10", "33.3", "2.5", "0.01", "100"]),
        st.lists(st.integers(0, 5_000), min_size=1, max_size=4),
        st.integers(1, 3),
        st.integers(1, 9),
    )
    def test_scaling_prices_scales_a_discount(self, percent: str, prices: list[int], quantity: int, times: int) -> None:
        """Prices k times as high give k times the discount, within k + 1 minor units."""

        def off(factor: int) -> int:
            lines = [Line(f"{n}", Money(minor * factor, "EUR"), quantity) for n, minor in enumerate(prices)]
            amount = AmountOff(Money(77 * factor, "EUR"), per=Per.BASKET)
            evaluation = told(book_of(offer("a", percent), offer("b", amount), mode=Mode.ALL), Basket(lines))
            return evaluation.goods_minor

        assert abs(off(times) - times * off(1)) <= times + 1


class TestOrder:
    @pytest.mark.law(21)
    @given(cases(), st.data())
    def test_order_of_the_book_decides_nothing(self, case: Case, data: st.DataObject) -> None:
        """Offers in any order are one book, with one answer."""
        shuffled = attrs.evolve(case.book, offers=data.draw(st.permutations(case.book.offers)))
        assert shuffled == case.book
        before, after = (one.evaluate(case.situation, view=case.view) for one in (case.book, shuffled))
        assert (after.applied, after.refused) == (before.applied, before.refused)

    @pytest.mark.law(21)
    @given(cases(lines_limit=5), st.data())
    def test_order_of_the_lines_decides_nothing(self, case: Case, data: st.DataObject) -> None:
        """Whatever the offers are: the same shares, for the same units."""
        basket = case.situation.basket
        moved = attrs.evolve(basket, lines=data.draw(st.permutations(basket.lines)))
        assert (
            case.book.evaluate(with_basket(case, moved), view=case.view).applied
            == case.book.evaluate(case.situation, view=case.view).applied
        )

    @pytest.mark.law(21)
    @given(cases(only=line_free), st.data())
    def test_splitting_a_line_decides_nothing(self, case: Case, data: st.DataObject) -> None:
        """One line of three and lines of one and two: the same total, the same of each offer, the same nets of the units."""
        split = list[Line]()
        for line in case.situation.basket.lines:
            cut = data.draw(st.integers(0, line.quantity - 1))
            split.append(attrs.evolve(line, quantity=line.quantity - cut))
            if cut:
                split.append(attrs.evolve(line, line_id=f"{line.line_id}/2", quantity=cut))
        lines = data.draw(st.permutations(split))
        situation = with_basket(case, attrs.evolve(case.situation.basket, lines=lines))
        before, after = case.book.evaluate(case.situation, view=case.view), case.book.evaluate(situation, view=case.view)
        assert after.applied == before.applied
        assert nets(after) == nets(before)

    @pytest.mark.parametrize(
        "give", [AmountOff(euros("1"), per=Per.LINE), PercentOff("10", rounded_per=Level.LINE)], ids=["amount", "rounding"]
    )
    def test_per_line_is_exempt(self, give: Benefit) -> None:
        """Amounts and rounding per line see the lines: two of one and one of two differ, as their names say."""
        book = book_of(offer("a", give))
        one, two = told(book, basket_of(("a", "2.04", 2))), told(book, basket_of(("a", "2.04", 1), ("a", "2.04", 1)))
        assert (one.goods_minor, two.goods_minor) == ((100, 200) if isinstance(give, AmountOff) else (41, 40))

    def test_first_and_last_remainder_follow_the_groups(self) -> None:
        """They go to one group, that of the first product or the last, and so to more units of it where it has more."""
        book = book_of(offer("a", PercentOff("10", remainder=Remainder.LAST)))
        assert told(book, basket_of(("a", "0.15", 1), ("b", "0.15", 1), ("c", "0.15", 1))).applied[0].shares == (1, 1, 3)


class TestBest:
    @pytest.mark.law(23)
    @given(cases(mode=Mode.BEST, conditional=False))
    def test_best_equals_brute_force(self, case: Case) -> None:
        """The set that applies is the best of all that are allowed, ties and all."""
        evaluation = case.book.evaluate(case.situation, view=case.view)
        event(f"{min(len(evaluation.applied), 3)} applied, optimal {evaluation.optimal}")
        assert evaluation.optimal
        assert evaluation.applied == by_hand(case.book.offers, case.situation, case.book.stacking, case.view)

    @pytest.mark.law(23)
    @settings(max_examples=200)
    @given(picking_cases())
    def test_best_of_picked_units_equals_brute_force(self, case: Case) -> None:
        """The same where offers pick units: each unit is reached as often as its lane says, a product more often."""
        evaluation = case.book.evaluate(case.situation)
        event(f"{min(len(evaluation.applied), 3)} applied")
        assert evaluation.optimal
        assert evaluation.applied == by_hand(case.book.offers, case.situation, case.book.stacking, NO_VIEW)

    @pytest.mark.law(23)
    @settings(max_examples=8)
    @given(cases(mode=Mode.BEST, conditional=False, offers_limit=10, lines_limit=3))
    def test_best_of_ten_equals_brute_force(self, case: Case) -> None:
        """The same with up to ten offers, all sets of them."""
        evaluation = case.book.evaluate(case.situation, view=case.view)
        event(f"{len(case.book.offers)} offers, optimal {evaluation.optimal}")
        expected = by_hand(case.book.offers, case.situation, case.book.stacking, case.view)
        assert evaluation.optimal
        assert evaluation.applied == expected

    @pytest.mark.law(23)
    @given(cases(mode=Mode.BEST), st.data())
    def test_new_offer_never_makes_the_basket_dearer(self, case: Case, data: st.DataObject) -> None:
        """One more optional offer: goods and shipping cost as much or less, where both answers are the best."""
        currency = case.situation.basket.currency
        new = offer("new", data.draw(st.sampled_from(benefits_of(currency))), combines=data.draw(st.sampled_from(Combines)))
        larger = attrs.evolve(case.book, offers=[*case.book.offers, new])
        # A book that speaks of lines groups goods otherwise: both must.
        assume(larger.speaks_of_lines is case.book.speaks_of_lines)
        before, after = (one.evaluate(case.situation, view=case.view) for one in (case.book, larger))
        event(f"new one applied: {'new' in ids(after)}")
        assert not (before.optimal and after.optimal) or after.worth >= before.worth

    @pytest.mark.law(23)
    @given(cases(mode=Mode.BEST))
    def test_leaving_out_is_as_if_it_were_not_there(self, case: Case) -> None:
        """``without`` gives what the book without that offer gives."""
        first, *others = case.book.offers
        without = case.book.evaluate(case.situation, view=case.view, without=frozenset({first.offer_id}))
        assert without.applied == by_hand(others, case.situation, case.book.stacking, case.view)


class TestAnswers:
    @pytest.mark.law(25)
    @given(cases())
    def test_every_offer_is_answered_and_none_gives_nothing(self, case: Case) -> None:
        """Applied with an effect, or refused with reasons: exactly one of the two, for each offer."""
        evaluation = case.book.evaluate(case.situation, view=case.view)
        applied = ids(evaluation)
        assert sorted([*applied, *evaluation.refused]) == sorted(one.offer_id for one in case.book.offers)
        for one in evaluation.applied:
            assert (
                one.discount_minor
                or one.frees_shipping
                or one.eases_shipping
                or one.gifts
                or one.bonus
                or one.times
                or one.coupons
            )
            assert evaluation.verdict(one.offer_id) == Accepted(one)
        for offer_id, refusals in evaluation.refused.items():
            assert evaluation.verdict(offer_id) == Refused(refusals)
            assert list(refusals) == sorted(refusals, key=lambda refusal: refusal.reason.precedence)
            for refusal in refusals:
                if refusal.reason is Reason.OFFER_SUPERSEDED:
                    assert refusal.details["by"] in [*applied, offer_id]

    @pytest.mark.law(25)
    @given(cases())
    def test_refused_offers_could_not_have_applied(self, case: Case) -> None:
        """A reason of its own is told exactly where the offer could not apply by itself."""
        evaluation = case.book.evaluate(case.situation, view=case.view)
        for offer_id, refusals in evaluation.refused.items():
            found = case.book.offer(offer_id)
            assert found is not None
            beside = {Reason.OFFER_SUPERSEDED, Reason.OFFER_WITHOUT_EFFECT, Reason.GIFT_UNAVAILABLE}
            if not may_apply(found, case.situation, case.view):
                assert refusals[0].reason not in beside
            elif found.follows_others:
                continue  # its condition is asked at its turn: other tests look at what it is told then
            elif not given_by_hand([found], case.situation, case.book.stacking, case.view)[1]:
                too_little = {Reason.OFFER_LIMIT_REACHED, Reason.OFFER_BUDGET_REACHED}
                assert refusals[0].reason in {Reason.OFFER_WITHOUT_EFFECT, Reason.GIFT_UNAVAILABLE, *too_little}
            else:
                assert refusals[0].reason is Reason.OFFER_SUPERSEDED

    @pytest.mark.law(26)
    @settings(max_examples=300)
    @given(cases())
    def test_book_equals_the_naive_evaluation(self, case: Case) -> None:
        """With its index and its search it says what asking every offer, unit by unit, says."""
        evaluation = case.book.evaluate(case.situation, view=case.view)
        event(f"{case.book.stacking.mode.value}: {min(len(evaluation.applied), 3)} applied")
        for applied in evaluation.applied:
            found = case.book.offer(applied.offer_id)
            assert found is not None
            for single in singles(found.give):
                event(type(single).__name__)
        assert evaluation.applied == by_hand(case.book.offers, case.situation, case.book.stacking, case.view)

    @pytest.mark.law(26)
    @settings(max_examples=50)
    @given(st.data(), public.baskets(max_quantity=4, max_lines=5), public.instants())
    def test_any_book_equals_the_naive_evaluation(self, data: st.DataObject, basket: Basket, at: datetime) -> None:
        """The same for whatever the public strategies draw."""
        book = data.draw(public.offer_books(max_offers=5))
        situation = book.situation(basket, at=at, is_member=True, codes=["SUMMER10"], tier="gold", points=500)
        evaluation = book.evaluate(situation)
        event(f"{len(evaluation.applied)} applied")
        assert not evaluation.optimal or evaluation.applied == by_hand(book.offers, situation, book.stacking, NO_VIEW)

    @pytest.mark.law(27)
    @given(cases(), st.data())
    def test_returned_one_by_one_shares_sum(self, case: Case, data: st.DataObject) -> None:
        """Units that come back in any order bring back exactly the shares, and none changes another's."""
        evaluation = case.book.evaluate(case.situation, view=case.view)
        for applied in evaluation.applied:
            for group, share in zip(case.situation.groups, applied.shares, strict=True):
                units = data.draw(st.permutations(range(group.quantity)))
                of_unit = [share_of_units(share, group.quantity, start=unit, stop=unit + 1) for unit in units]
                assert sum(of_unit) == share
                of_lines = [share_of_units(share, group.quantity, start=own.start, stop=own.stop) for own in group.lines]
                assert sum(of_lines) == share


def kinds_of(benefit: Benefit) -> set[str]:
    """Name a benefit and those it is made of."""
    return {type(benefit).__name__, *(type(single).__name__ for single in singles(benefit))}


@pytest.mark.parametrize("kind", sorted({kind for give in benefits_of("EUR") for kind in kinds_of(give)}))
def test_every_kind_of_benefit_applies(kind: str) -> None:
    """The drawn books are worth their laws: of those with benefits of one kind many apply, some of them beside others."""
    seen = Counter[bool]()

    @settings(max_examples=60, database=None, derandomize=True)
    @given(cases(only=lambda give: kind in kinds_of(give)))
    def look(case: Case) -> None:
        applied = case.book.evaluate(case.situation, view=case.view).applied
        seen.update(len(applied) > 1 for _ in applied)

    look()
    assert seen.total() >= 10
    assert seen[True]


class TestBook:
    def test_ids_and_codes_belong_to_one_offer(self) -> None:
        """A double would make an answer ambiguous; codes that look alike are the same."""
        with pytest.raises(UsageError, match="id a belongs to two offers: a and a"):
            book_of(offer("a", "10"), offer("a", "20"))
        with pytest.raises(UsageError, match="code SUMMER10 belongs to two offers: a and b"):
            book_of(offer("a", "10", code_presented("SUMMER10")), offer("b", "20", code_presented("summer-1o")))

    def test_length_is_bounded(self) -> None:
        """At most a hundred thousand offers."""
        one = offer("a", "10")
        with pytest.raises(UsageError, match=f"offers must be at most {OFFERS_LIMIT} in number"):
            book_of(*[one] * (OFFERS_LIMIT + 1))
        with pytest.raises(UsageError, match="belongs to two"):
            book_of(*[one] * OFFERS_LIMIT)

    @pytest.mark.parametrize("others", ["10", [PercentOff("10")], [None]])
    def test_holds_offers_only(self, others: Any) -> None:  # noqa: ANN401 - what is no list of offers
        """A benefit alone is no offer."""
        with pytest.raises(UsageError, match="offers"):
            OfferBook(others, stacking=Stacking(Mode.ALL))

    @pytest.mark.law(2)
    def test_amounts_are_of_one_currency(self) -> None:
        """A book names one currency, in its offers and its policy."""
        yen = AmountOff(Money(5, "JPY"), per=Per.BASKET)
        with pytest.raises(CurrencyMismatchError):
            book_of(offer("a", yen), offer("b", FixedPrice(euros("1"))))
        with pytest.raises(CurrencyMismatchError):
            book_of(offer("a", yen), discount_limit=euros("1"))
        assert book_of(offer("a", yen)).currency == "JPY"
        assert book_of(offer("a", "10"), discount_limit=euros("1")).currency == "EUR"
        assert book_of(offer("a", "10")).currency is None

    @pytest.mark.law(2)
    def test_basket_is_of_the_same_currency(self) -> None:
        """Euros are not taken off a basket in yen."""
        book = book_of(offer("a", AmountOff(euros("5"), per=Per.BASKET)))
        with pytest.raises(CurrencyMismatchError):
            told(book, basket_of(("a", "10", 1), currency="JPY"))
        assert told(book_of(offer("a", "10")), basket_of(("a", "10", 1), currency="JPY")).goods_minor == 1

    def test_situation_is_the_books_own(self) -> None:
        """One of other excluded tags, or without a group for each line where offers speak of lines, would count other goods."""
        basket = basket_of(("a", "1", 1), ("a", "1", 2))
        by_line = book_of(offer("a", AmountOff(euros("1"), per=Per.LINE)), exclude_tags=["card"])
        plain = book_of(offer("a", "10"), exclude_tags=["card"])
        for book, other in [(by_line, plain), (plain, book_of(exclude_tags=["low"]))]:
            with pytest.raises(UsageError, match="situation must be one that this book made"):
                book.evaluate(other.situation(basket, at=AT))
            assert book.evaluate(book.situation(basket, at=AT)).applied

    def test_finds_offers_by_id_and_code(self) -> None:
        """A code by its folded form."""
        ten = offer("ten", "10", code_presented("SUMMER10"))
        book = book_of(offer("a", "10"), ten)
        assert (book.offer_of_code("SUMMER10"), book.offer_of_code("OTHER")) == (ten, None)
        assert (book.offer("ten"), book.offer("other")) == (ten, None)

    def test_situation_groups_by_line_where_the_book_speaks_of_lines(self) -> None:
        """Each line is a group then; and goods that the policy excludes are told."""
        basket = basket_of(("a", "1", 1), ("a", "1", 2))
        gives: list[tuple[Benefit, int]] = [(PercentOff("10"), 1), (AmountOff(euros("1"), per=Per.LINE), 2)]
        for give, groups in gives:
            book = book_of(offer("a", give), exclude_tags=["card"])
            situation = book.situation(basket, at=AT)
            assert len(situation.groups) == groups
            assert situation.exclude_tags == {"card"}
            assert book.speaks_of_lines is (groups == 2)


class TestEvaluate:
    def test_all_stack_on_list_prices_down_to_nothing(self) -> None:
        """In mode all, percentages are each of the list price; the last gets what is left."""
        book = book_of(offer("a", "60"), offer("b", "60"), offer("c", "60"), mode=Mode.ALL)
        evaluation = told(book, basket_of(("bell", "10", 1)))
        assert [(one.offer_id, one.discount_minor) for one in evaluation.applied] == [("a", 600), ("b", 400)]
        assert evaluation.verdict("c") == Refused(evaluation.refused["c"])
        assert evaluation.refused["c"][0].details == {"offer_id": "c", "by": "a"}

    def test_lanes_go_in_their_order(self) -> None:
        """Product, basket, shipping; within a lane the higher priority, then the id."""
        book = book_of(
            offer("z", FreeShipping(), priority=9),
            offer("b", "10"),
            offer("a", "10"),
            offer("c", "10", priority=1),
            offer("p", "10", lane=Lane.PRODUCT, priority=-5),
            mode=Mode.ALL,
        )
        evaluation = told(book, basket_of(("bell", "10", 1), shipping=490))
        assert ids(evaluation) == ["p", "c", "a", "b", "z"]
        assert (evaluation.goods_minor, evaluation.shipping_minor, evaluation.frees_shipping) == (400, 490, True)
        assert evaluation.worth == (890, 0, 0, 0, 0, 0)

    def test_priority_takes_the_first_of_each_lane(self) -> None:
        """Priority is what the shop said, not what is best for the customer."""
        book = book_of(offer("big", "50"), offer("first", "10", priority=1), mode=Mode.PRIORITY)
        evaluation = told(book, basket_of(("a", "10", 1)))
        assert ids(evaluation) == ["first"]
        assert why(evaluation, "big") == (Reason.OFFER_SUPERSEDED, {"offer_id": "big", "by": "first"})

    def test_the_winner_of_its_own_lane_is_named(self) -> None:
        """An offer that lost hears which one took its goods in its lane, not which one came first."""
        book = book_of(
            offer("first", "5", lane=Lane.PRODUCT),
            offer("other", PercentOff("50", of=Filter(products=["a"])), priority=1),
            offer("big", PercentOff("20", of=Filter(products=["b"]))),
            offer("small", PercentOff("10", of=Filter(products=["b"]))),
        )
        evaluation = told(book, basket_of(("a", "10", 1), ("b", "10", 1)))
        assert ids(evaluation) == ["first", "other", "big"]
        assert why(evaluation, "small")[1]["by"] == "big"

    def test_the_winner_of_its_own_group_is_named(self) -> None:
        """Of one group one applies; that one is named, wherever it works."""
        book = book_of(
            offer("big", "20", group="deals", lane=Lane.PRODUCT), offer("other", "20"), offer("small", "10", group="deals")
        )
        assert why(told(book, basket_of(("bell", "10", 1))), "small")[1]["by"] == "big"

    def test_the_winner_of_its_own_lane_comes_before_others(self) -> None:
        """Where they share no goods, one of the same lane."""
        a, b = Filter(products=["a"]), Filter(products=["b"])
        book = book_of(
            offer("first", PercentOff("5", of=a), lane=Lane.PRODUCT),
            offer("in-lane", PercentOff("20", of=a)),
            offer("small", PercentOff("10", of=b), lane=Lane.BASKET, priority=-1),
            mode=Mode.ALL,
            offers_at_most=2,
        )
        assert why(told(book, basket_of(("a", "10", 1), ("b", "10", 1))), "small")[1]["by"] == "in-lane"

    def test_exclusive_offers(self) -> None:
        """Alone or not at all: in order the first that gives something, in best where it is better than all others."""
        goods = basket_of(("bell", "10", 1))
        offers = [offer("alone", "15", combines=Combines.ALONE), offer("ten", "10"), offer("six", "6", lane=Lane.PRODUCT)]
        assert ids(told(book_of(*offers, mode=Mode.ALL), goods)) == ["alone"]
        assert ids(told(book_of(*offers, mode=Mode.PRIORITY), goods)) == ["alone"]
        assert ids(told(book_of(*offers), goods)) == ["six", "ten"]
        assert ids(told(book_of(offers[0], offers[1]), goods)) == ["alone"]
        vain = offer("alone", "1", combines=Combines.ALONE)
        assert ids(told(book_of(vain, offers[1], mode=Mode.ALL), basket_of(("bell", "0.20", 1)))) == ["ten"]

    def test_no_offer_after_the_last(self) -> None:
        """One that is last ends the order, if it gives something."""
        last = offer("a", "10", combines=Combines.LAST)
        book = book_of(last, offer("b", "20"), offer("p", "5", lane=Lane.PRODUCT), mode=Mode.ALL)
        assert ids(told(book, basket_of(("bell", "10", 1)))) == ["p", "a"]
        assert ids(told(book, basket_of(("bell", "0.04", 1)))) == ["b"]

    def test_offers_at_most(self) -> None:
        """So many of one order; which of them is a matter of the mode."""
        offers = [offer("a", "5", priority=1), offer("b", "10"), offer("c", "20", lane=Lane.PRODUCT, priority=-9)]
        goods = basket_of(("bell", "10", 1))
        assert ids(told(book_of(*offers, mode=Mode.ALL, offers_at_most=2), goods)) == ["c", "a"]
        assert ids(told(book_of(*offers, offers_at_most=1), goods)) == ["c"]

    def test_running_thresholds_look_at_what_is_left(self) -> None:
        """10 % off from 50.00 of what the offer before has left, and the answer says how much is missing."""
        when = spend_at_least(euros("50"), base=Base.RUNNING)
        book = book_of(offer("p", "20", lane=Lane.PRODUCT), offer("ten", "10", when), offer("z", "1"), mode=Mode.ALL)
        assert ids(told(book, basket_of(("bell", "62.50", 1)))) == ["p", "ten", "z"]
        evaluation = told(book, basket_of(("bell", "60", 1)))
        assert ids(evaluation) == ["p", "z"]
        missing = {"needed_minor": 5000, "missing_minor": 200, "currency": "EUR"}
        assert why(evaluation, "ten") == (Reason.BASKET_BELOW_THRESHOLD, missing)

    def test_best_weighs_shipping_against_goods(self) -> None:
        """In one group, free shipping of 4.90 beats 2.00 off the goods, and 1.90 does not."""
        book = book_of(offer("ten", "10", group="g"), offer("ship", FreeShipping(), group="g"))
        for shipping, best in [(490, "ship"), (190, "ten")]:
            assert ids(told(book, basket_of(("bell", "20", 1), shipping=shipping))) == [best]

    def test_best_counts_unknown_shipping_as_something(self) -> None:
        """Free shipping applies before the price of shipping is known, and counts for more than cheaper shipping."""
        applied = told(book_of(offer("ship", FreeShipping())), basket_of(("bell", "10", 1))).applied
        assert applied == (AppliedOffer(offer_id="ship", lane=Lane.SHIPPING, shares=(0,), frees_shipping=True),)
        half = offer("half", ShippingPercentOff("50"), priority=9)
        evaluation = told(book_of(offer("ship", FreeShipping()), half), basket_of(("bell", "10", 1)))
        assert (ids(evaluation), evaluation.worth) == (["ship"], (0, 2, 0, 0, 0, 0))
        assert told(book_of(half), basket_of(("bell", "10", 1))).worth == (0, 1, 0, 0, 0, 0)

    def test_without_effect(self) -> None:
        """Free shipping that is free, a tenth of four cents: not applied, and says so."""
        book = book_of(offer("ship", FreeShipping()), offer("ten", "10"))
        evaluation = told(book, basket_of(("bell", "0.04", 1), shipping=0))
        for name in ("ship", "ten"):
            assert why(evaluation, name) == (Reason.OFFER_WITHOUT_EFFECT, {"offer_id": name})
        assert told(book, basket_of(("bell", "0.05", 1))).goods_minor == 1

    def test_gift_out_of_stock(self) -> None:
        """What cannot be given is not, and says so; where something else is given beside it, that is."""
        view, goods = View(out_of_stock=["bottle"]), basket_of(("bell", "10", 1))
        evaluation = told(book_of(offer("gift", Gift("bottle"))), goods, view=view)
        assert why(evaluation, "gift") == (Reason.GIFT_UNAVAILABLE, {"offer_id": "gift", "product_id": "bottle"})
        both = told(book_of(offer("gift", Several([Gift("bottle"), PercentOff("10")]))), goods, view=view)
        assert (ids(both), both.gifts) == (["gift"], ())
        assert told(book_of(offer("gift", Gift("bottle"))), goods).gifts == (GiftGiven("bottle", 1),)

    @pytest.mark.parametrize(
        "limits,used,reason,details",
        [
            (Limits(total=3), Used(times=3), Reason.OFFER_LIMIT_REACHED, {"limit": 3, "period": "lifetime"}),
            (
                Limits(total=Times(per_day=3)),
                Used(times=9, times_in={Span.DAY: 3}),
                Reason.OFFER_LIMIT_REACHED,
                {"limit": 3, "period": "per_day"},
            ),
            (Limits(units=3), Used(units=3), Reason.OFFER_LIMIT_REACHED, {"limit": 3}),
            (
                Limits(per_member=1),
                Used(times=5, by_member=1),
                Reason.OFFER_MEMBER_LIMIT_REACHED,
                {"limit": 1, "period": "lifetime"},
            ),
            (
                Limits(per_member=Times(per_month=2)),
                Used(times=5, times_in={Span.MONTH: 5}, by_member=4, by_member_in={Span.MONTH: 2}),
                Reason.OFFER_MEMBER_LIMIT_REACHED,
                {"limit": 2, "period": "per_month"},
            ),
            (Limits(budget=Money(500, "EUR")), Used(spent_minor=500), Reason.OFFER_BUDGET_REACHED, {"limit_minor": 500}),
            (
                Limits(budget=Money(500, "EUR"), over=Over.REFUSE),
                Used(spent_minor=450),
                Reason.OFFER_BUDGET_REACHED,
                {"limit_minor": 500},
            ),
            (Limits(units=3, over=Over.REFUSE), Used(units=2), Reason.OFFER_LIMIT_REACHED, {"limit": 3}),
            (
                Limits(units=3, budget=Money(500, "EUR"), over=Over.REFUSE),
                Used(units=2),
                Reason.OFFER_LIMIT_REACHED,
                {"limit": 3},
            ),
            (
                Limits(units=5, budget=Money(250, "EUR"), over=Over.REFUSE),
                Used(units=2, spent_minor=100),
                Reason.OFFER_BUDGET_REACHED,
                {"limit_minor": 250},
            ),
        ],
    )
    def test_used_up(self, limits: Limits, used: Used, reason: Reason, details: dict[str, object]) -> None:
        """Each limit has its reason, with the limit; before anything was used the offer applies."""
        book = book_of(offer("ten", "10", limits=limits))
        goods = basket_of(("bell", "10", 2))
        refused = why(told(book, goods, view=View(used={"ten": used})), "ten")
        currency = {"currency": "EUR"} if "limit_minor" in details else {}
        assert refused == (reason, {"offer_id": "ten", **details, **currency})
        assert ids(told(book, goods)) == ["ten"]

    def test_a_stopped_campaign(self) -> None:
        """It gives nothing, and says so before anything else; the others are as if it were not there."""
        book = book_of(offer("ten", "10", limits=Limits(total=1)), offer("half", "50"), mode=Mode.ALL)
        goods = basket_of(("bell", "10", 1))
        assert ids(told(book, goods)) == ["half", "ten"]
        stopped = told(book, goods, view=View(stopped=["half"], used={"ten": Used(times=1)}))
        assert (ids(stopped), stopped.goods_minor) == ([], 0)
        assert why(stopped, "half") == (Reason.CAMPAIGN_STOPPED, {"campaign_id": "half"})
        assert why(stopped, "ten")[0] is Reason.OFFER_LIMIT_REACHED
        stopped = told(book, goods, view=View(stopped=["ten", "half"], used={"ten": Used(times=1)}))
        assert why(stopped, "ten") == (Reason.CAMPAIGN_STOPPED, {"campaign_id": "ten"})
        assert told(book, goods, view=View(stopped=["ten"])).applied == told(book_of(offer("half", "50")), goods).applied

    def test_limited_offers(self) -> None:
        """The book knows of which offers there is only so much: for all, and for each member."""
        book = book_of(
            offer("a", "10"),
            offer("b", "10", limits=Limits(per_member=1)),
            offer("c", "10", limits=Limits(total=Times(per_day=1), per_member=Times(per_day=1))),
            offer("d", "10", limits=Limits(budget=euros("5"))),
            offer("e", "10", limits=Limits(units=5)),
        )
        assert [one.offer_id for one in book.limited] == ["c", "d", "e"]
        assert [one.offer_id for one in book.limited_per_member] == ["b", "c"]

    def test_own_exclusions(self) -> None:
        """A percentage may leave out more tags than the book does; they still count towards a threshold."""
        give = PercentOff("10", exclude_tags=["low"])
        book = book_of(offer("ten", give, spend_at_least(euros("20"))), exclude_tags=["card"])
        goods = basket_of(("a", "10", 1, "low"), ("b", "10", 1), ("c", "10", 1, "card"))
        assert told(book, goods).applied[0].shares == (0, 100, 0)
        assert why(told(book, basket_of(("b", "10", 1), ("c", "10", 1, "card"))), "ten")[0] is Reason.BASKET_BELOW_THRESHOLD

    def test_unknown_offer(self) -> None:
        """An id that the book does not have is answered too."""
        assert why(told(book_of(), basket_of()), "nobody's") == (Reason.OFFER_NOT_FOUND, {"offer_id": "nobody's"})

    def test_what_is_told_of_all(self) -> None:
        """Gifts, points and coupons of all offers, in their order."""
        bonus = BonusPoints(5, expires=None)
        book = book_of(
            offer("b", Several([bonus, Gift("z"), NextCoupon("back")])), offer("a", Several([NextCoupon("soon"), Gift("y", 2)]))
        )
        evaluation = told(book, basket_of(("bell", "10", 1)))
        assert evaluation.bonus == (bonus,)
        assert evaluation.gifts == (GiftGiven("y", 2), GiftGiven("z", 1))
        assert evaluation.coupons == ("soon", "back")
        assert evaluation.worth == (0, 0, 5, 0, 3, 2)
        assert not evaluation.frees_shipping

    def test_left_before(self) -> None:
        """What the applied offers before an offer's place leave of each group."""
        book = book_of(offer("p", "20", lane=Lane.PRODUCT), offer("a", "10"), offer("b", "5"), mode=Mode.ALL)
        evaluation = told(book, basket_of(("bell", "10", 1), ("lock", "20", 1)))
        assert [evaluation.left_before(one) for one in book.offers] == [[1000, 2000], [800, 1600], [700, 1400]]

    @pytest.mark.parametrize("mode", list(Mode))
    def test_what_was_compared_whole_is_optimal(self, mode: Mode) -> None:
        """Only `best` with too many sets may fall short of what it promises."""
        assert told(book_of(offer("a", "10"), offer("b", "20"), mode=mode), basket_of(("bell", "10", 1))).optimal
        assert told(book_of(mode=mode), basket_of(("bell", "10", 1))).optimal
