"""Points as a discount: in steps, within what is there and what points may pay."""

from __future__ import annotations

import pickle
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loyaltycore._burning import BurnAnswer, BurnRule
from loyaltycore.errors import Reason, UsageError
from loyaltycore.messages import explain_refusal
from loyaltycore.quantities import Rate
from loyaltycore.wire import plain
from tests.odd_values import answers_or_refuses

WORTHS = ("0.001", "0.1", "0.333", "1", "2.5", "3", "150")


def rule(worth: str = "1", minimum: int = 1, step: int = 1, share: str | None = None) -> BurnRule:
    """Make a rule with points worth so many minor units."""
    return BurnRule(
        worth_minor=Rate.times(worth), minimum=minimum, step=step, share=None if share is None else Rate.percent(share)
    )


def rules() -> st.SearchStrategy[BurnRule]:
    """Draw rules with every kind of worth, minimum, step and share."""
    shares = st.none() | st.sampled_from(["1", "33.3", "50", "100"])
    return st.builds(rule, st.sampled_from(WORTHS), st.integers(1, 600), st.integers(1, 600), shares)


class TestStep:
    @pytest.mark.parametrize(
        "minimum,step,asked,available,goods,granted,missing",
        [
            (500, 100, 500, 900, 9999, 500, None),
            (500, 100, 600, 900, 9999, 600, None),
            (500, 100, 750, 900, 9999, 700, 50),
            (500, 100, 799, 900, 9999, 700, 1),
            (500, 100, 701, 900, 9999, 700, 99),
            (500, 500, 999, 999, 9999, 500, 1),
            (250, 500, 499, 999, 9999, 0, 1),
            (501, 500, 600, 999, 9999, 0, 400),
            (501, 500, 1000, 1000, 9999, 1000, None),
            (1, 500, 0, 999, 9999, 0, None),
            (1, 7, 20, 20, 9999, 14, 1),
        ],
    )
    def test_multiples_from_the_minimum_up(  # noqa: PLR0917  # one column of the table each
        self, minimum: int, step: int, asked: int, available: int, goods: int, granted: int, missing: int | None
    ) -> None:
        """Points go in whole steps; what is asked beyond them says how many are missing for the next."""
        answer = rule(minimum=minimum, step=step).answer(asked, available=available, goods_minor=goods)
        assert (answer.granted, answer.discount_minor) == (granted, granted)
        found = None if answer.refusal is None else answer.refusal.details["missing_points"]
        assert found == missing
        assert answer.refusal is None or answer.refusal.reason is Reason.POINTS_BELOW_MINIMUM

    def test_a_cut_to_a_step_says_which_step(self) -> None:
        """The reason is that of too few points, and one more detail tells the two apart."""
        cut = rule(minimum=500, step=100).answer(750, available=900, goods_minor=9999).refusal
        too_few = rule(minimum=500, step=100).answer(450, available=900, goods_minor=9999).refusal
        assert cut is not None
        assert too_few is not None
        assert cut.details == {"asked_points": 750, "needed_points": 800, "missing_points": 50, "step_points": 100}
        assert too_few.details == {"asked_points": 450, "needed_points": 500, "missing_points": 50}
        assert explain_refusal(cut) == "points are burned 100 at a time; 50 more make 800"
        assert explain_refusal(cut, "fr") == "points utilisables par 100 ; avec 50 de plus, ce serait 800"
        assert explain_refusal(too_few) == "at least 500 points must be burned at once; 50 are missing"

    def test_what_cuts_first_is_said(self) -> None:
        """The balance, then the share, then the step; each answer is in whole steps."""
        steps = rule(minimum=100, step=100, share="50")
        found = [
            steps.answer(asked, available=available, goods_minor=goods)
            for asked, available, goods in [
                (950, 890, 9999),
                (950, 950, 1500),
                (950, 950, 9999),
                (90, 950, 9999),
                (900, 950, 9999),
            ]
        ]
        assert [answer.granted for answer in found] == [800, 700, 900, 0, 900]
        assert [answer.refusal and answer.refusal.reason for answer in found] == [
            Reason.POINTS_INSUFFICIENT,
            Reason.POINTS_ABOVE_SHARE,
            Reason.POINTS_BELOW_MINIMUM,
            Reason.POINTS_BELOW_MINIMUM,
            None,
        ]
        assert found[0].refusal is not None
        assert found[0].refusal.details == {"asked_points": 950, "available_points": 890, "missing_points": 60}
        assert found[1].refusal is not None
        assert found[1].refusal.details == {"asked_points": 950, "granted_points": 700}

    def test_points_without_effect_stay_as_far_as_steps_allow(self) -> None:
        """At a third of a minor unit a point and four at a time, eight take two off, as seven would."""
        answer = rule("0.333", step=4).answer(11, available=11, goods_minor=9999)
        assert (answer.granted, answer.discount_minor) == (8, 2)
        tenth = rule("0.1", step=4).answer(16, available=20, goods_minor=9999)
        assert tenth == BurnAnswer(asked=16, granted=12, discount_minor=1, refusal=None)

    def test_a_step_that_takes_nothing_off(self) -> None:
        """Ten points make a minor unit: twelve are the first whole steps of four that take one off."""
        answer = rule("0.1", step=4).answer(8, available=20, goods_minor=9999)
        assert (answer.granted, answer.discount_minor) == (0, 0)
        assert answer.refusal is not None
        assert answer.refusal.details == {"asked_points": 8, "needed_points": 12, "missing_points": 4}


class TestLaws:
    @pytest.mark.law(19)
    @given(rules(), st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 5000))
    @example(rule("0.1", step=4), 16, 20, 9999)
    def test_never_more_than_is_allowed(self, burning: BurnRule, asked: int, available: int, goods: int) -> None:
        """Within what is asked, what is there, what points may pay; in whole steps; none taken that takes nothing off."""
        answer = burning.answer(asked, available=available, goods_minor=goods)
        exact = burning.worth_minor.factor
        most = goods if burning.share is None else int(burning.share.factor * goods)
        assert 0 <= answer.granted <= min(asked, available)
        assert answer.granted % burning.step == 0
        assert 0 <= answer.discount_minor <= most
        assert answer.discount_minor <= answer.granted * exact
        if answer.granted:
            assert asked >= burning.minimum
            assert (answer.granted - burning.step) * exact < answer.discount_minor
        if asked and answer.granted + burning.step <= asked:
            fits = (answer.granted + burning.step) * exact < answer.discount_minor + 1
            assert answer.refusal is not None or fits, "fewer are granted, and nobody says why"

    @pytest.mark.law(19)
    @given(rules(), st.integers(0, 100_000))
    def test_money_to_points_to_money_never_gains(self, burning: BurnRule, minor: int) -> None:
        """As many points as an amount is worth take at most that amount off; and the points of what they took are no more."""
        points = int(minor / burning.worth_minor.factor)
        back = burning.answer(points, available=points, goods_minor=10**9)
        assert back.discount_minor <= minor
        again = burning.answer(back.granted, available=back.granted, goods_minor=10**9)
        assert (again.granted, again.discount_minor) == (back.granted, back.discount_minor)

    @pytest.mark.law(19)
    @given(rules(), st.integers(0, 2000), st.integers(0, 2000), st.integers(0, 2000), st.integers(0, 2000))
    def test_two_burns_take_no_more_off_than_one(  # one strategy each
        self, burning: BurnRule, first: int, second: int, available: int, goods: int
    ) -> None:
        """Asking in two parts, one after the other, gains nothing."""
        one = burning.answer(first, available=available, goods_minor=goods)
        two = burning.answer(second, available=available - one.granted, goods_minor=goods - one.discount_minor)
        whole = burning.answer(available, available=available, goods_minor=goods)
        exact = burning.worth_minor.factor
        assert one.discount_minor + two.discount_minor <= Fraction(one.granted + two.granted) * exact
        assert one.granted + two.granted <= available
        if burning.share is None:
            assert one.discount_minor + two.discount_minor <= goods
        if burning.share is None and burning.step == burning.minimum == 1:
            assert one.discount_minor + two.discount_minor <= whole.discount_minor

    @given(rules(), st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 500))
    def test_more_allowed_never_takes_less_off(  # one strategy each
        self, burning: BurnRule, asked: int, available: int, goods: int, more: int
    ) -> None:
        """Asking for more, having more, or buying more never makes the discount smaller."""
        first = burning.answer(asked, available=available, goods_minor=goods).discount_minor
        for bigger in (
            burning.answer(asked + more, available=available, goods_minor=goods),
            burning.answer(asked, available=available + more, goods_minor=goods),
            burning.answer(asked, available=available, goods_minor=goods + more),
        ):
            assert first <= bigger.discount_minor


class TestBurnRule:
    def test_step_and_exclusions_are_neutral_unless_said(self) -> None:
        """Any number of points, on any goods."""
        plainest = BurnRule(worth_minor=Rate.times("1"), minimum=1, share=None)
        assert (plainest.step, plainest.exclude_tags, plainest.exclude_products) == (1, frozenset(), frozenset())

    def test_takes_labels_from_any_iterable(self) -> None:
        """But not from a text; and a program's digest sees them."""
        burning = BurnRule(
            worth_minor=Rate.times("1"), minimum=1, share=None, exclude_tags=["gift-card"], exclude_products=("bell", "bell")
        )
        assert burning.exclude_products == {"bell"}
        assert plain(burning)["exclude_products"] == ["bell"]
        assert pickle.loads(pickle.dumps(burning)) == burning
        with pytest.raises(UsageError, match=r"^labels must be several values"):
            BurnRule(worth_minor=Rate.times("1"), minimum=1, share=None, exclude_products="bell")

    @pytest.mark.parametrize("name", ["minimum", "step"])
    @pytest.mark.parametrize("wrong", [0, -1, True, 1.0, None])
    def test_minimum_and_step_are_counts(self, name: str, wrong: object) -> None:
        """At least one."""
        with pytest.raises(UsageError, match=f"^{name} must be a whole number in "):
            BurnRule(**{"worth_minor": Rate.times("1"), "minimum": 1, "share": None, name: wrong})  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "worth,share,said",
        [
            ("0", None, r"^a point must be worth something"),
            ("1", "0", r"share lie in \(0 %, 100 %\]"),
            ("1", "100.1", r"share lie in \(0 %, 100 %\]"),
        ],
    )
    def test_worth_and_share_are_in_range(self, worth: str, share: str | None, said: str) -> None:
        """A point is worth something, and a share lies between nothing and everything."""
        with pytest.raises(UsageError, match=said):
            rule(worth, share=share)

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(
            BurnRule,
            worth_minor=Rate.times("1"),
            minimum=1,
            share=Rate.percent("50"),
            step=1,
            exclude_tags=["x"],
            exclude_products=["y"],
        )
        answers_or_refuses(lambda asked: rule().answer(asked, available=10, goods_minor=10), asked=5)
