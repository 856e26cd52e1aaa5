"""Formulas: what an amount earns, counted by hand; more never earns fewer; what is kept never earns more than all did."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from itertools import count
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loyaltycore._formula import (
    Counted,
    EarnedPoints,
    Flat,
    Formula,
    Own,
    OwnRule,
    Percent,
    Shape,
    Step,
    sums_by_times,
)
from loyaltycore.errors import UsageError
from loyaltycore.quantities import Rate, Rounding
from tests.odd_values import answers_or_refuses
from tests.points_by_hand import by_hand

AT = datetime(2026, 7, 1, tzinfo=UTC)
ONE = Fraction(1)


class Squares:
    """A shop's own rule: the square of the tens."""

    own_id = "squares-1"

    def points(self, counted_minor: int) -> int:
        """Give the points."""
        return (counted_minor // 1000) ** 2


@attrs.frozen
class Answering:
    """A shop's own rule that answers anything."""

    answer: Any
    own_id: Any = "answering"

    def points(self, counted_minor: int) -> Any:  # noqa: ANN401  # the point is that it is anything
        """Give the answer."""
        assert counted_minor >= 0
        return self.answer


def percent(rate: str, worth: str = "1", rounding: Rounding = Rounding.DOWN) -> Formula:
    """Give the formula of a percentage."""
    return Percent(Rate.percent(rate), worth_minor=Rate.times(worth), rounding=rounding).frozen()


def formulas() -> st.SearchStrategy[Formula]:
    """Draw formulas of every shape."""
    counts, per = st.integers(1, 9), st.sampled_from((1, 7, 100))
    least = st.sampled_from((0, 0, 1, 150))
    return st.one_of(
        st.builds(Formula, shape=st.just(Shape.STEP), points=counts, per_minor=per, at_least_minor=least),
        st.builds(Formula, shape=st.just(Shape.FLAT), points=counts, at_least_minor=least),
        st.builds(
            Formula,
            shape=st.just(Shape.SHARE),
            points=counts,
            per_minor=per,
            rounding=st.sampled_from(Rounding),
            at_least_minor=least,
        ),
    )


TIMES = st.sampled_from((ONE, ONE, Fraction(3, 2), Fraction(2), Fraction(1, 3), Fraction(0)))
PARTS = st.lists(st.tuples(TIMES, st.integers(1, 300)), max_size=4)


def summed(parts: list[tuple[Fraction, int]]) -> dict[Fraction, int]:
    """Sum parts by how many times they count."""
    sums: dict[Fraction, int] = {}
    for times, minor in parts:
        sums[times] = sums.get(times, 0) + minor
    return sums


def earned(formula: Formula, *counted: Counted, **fields: Any) -> EarnedPoints:  # noqa: ANN401  # a field of any type
    """Book what an order earns."""
    points = formula.of(sums_by_times(counted))
    plain = {"rule": "order", "points": points, "formula": formula, "counted": counted, "available_at": AT}
    return EarnedPoints(**{**plain, **fields})


class TestFormula:
    @pytest.mark.parametrize(
        "formula,by_times,points",
        [
            (Step(1, per_minor=100).frozen(), {ONE: 99}, 0),
            (Step(1, per_minor=100).frozen(), {ONE: 100}, 1),
            (Step(3, per_minor=100).frozen(), {ONE: 299}, 6),
            (Step(1, per_minor=5000).frozen(), {ONE: 5000}, 1),
            (Step(1, per_minor=100).frozen(), {}, 0),
            (Step(1, per_minor=1000).frozen(), {ONE: 10500}, 10),  # Square's own example
            (Step(1, per_minor=1000).frozen(), {Fraction("1.5"): 5000}, 7),  # 5 base points, one and a half times
            # 15.00 twice and 15.00 once: the second ten holds 5.00 of each, and counts once.
            (Step(1, per_minor=1000).frozen(), {Fraction(2): 1500, ONE: 1500}, 4),
            (Step(1, per_minor=1000).frozen(), {ONE: 1500, Fraction(2): 1500}, 4),
            (Step(1, per_minor=1000).frozen(), {Fraction(2): 500, ONE: 499}, 0),
            (Step(1, per_minor=100 ).frozen(), {Fraction(0): 900}, 0),
            (Step(1, per_minor=100).frozen(at_least_minor=500), {ONE: 499}, 0),
            (Step(1, per_minor=100).frozen(at_least_minor=500), {ONE: 500}, 5),
            (Step(1, per_minor=100).frozen(at_least_minor=500), {ONE: 300, Fraction(2): 200}, 7),
            (Flat(50).frozen(), {ONE: 1}, 50),
            (Flat(50).frozen(), {ONE: 0}, 0),
            (Flat(50).frozen(), {ONE: 100, Fraction("1.5"): 1}, 75),
            (Flat(5).frozen(), {Fraction("1.5"): 1}, 7),
            (Flat(50).frozen(at_least_minor=2), {ONE: 1}, 0),
            (percent("5"), {ONE: 8000}, 400),
            (percent("5"), {ONE: 999}, 49),
            (percent("5", rounding=Rounding.HALF_UP), {ONE: 990}, 50),
            (percent("5", rounding=Rounding.UP), {ONE: 981}, 50),
            (percent("5", "0.5"), {ONE: 8000}, 800),
            (percent("10"), {Fraction("1.5"): 33, ONE: 33}, 8),  # 4.95 and 3.3: rounded once
        ],
    )  # fmt: skip
    def test_worked_examples(self, formula: Formula, by_times: Mapping[Fraction, int], points: int) -> None:
        """Each reckoned by hand from the words of the rule."""
        assert formula.of(by_times) == points

    @given(formulas(), PARTS)
    def test_agrees_with_counting_cents(self, formula: Formula, parts: list[tuple[Fraction, int]]) -> None:
        """Cent by cent from what counts most often down: every whole step counts as often as its last cent."""
        assert formula.of(summed(parts)) == by_hand(formula, parts)

    @pytest.mark.law(19)
    @given(formulas(), PARTS, TIMES, st.integers(1, 300))
    @example(Step(1, per_minor=100).frozen(), [(ONE, 99)], Fraction(1, 3), 1)
    def test_more_never_earns_fewer(
        self, formula: Formula, parts: list[tuple[Fraction, int]], times: Fraction, minor: int
    ) -> None:
        """An amount more, whatever it counts, and the same amounts counting more often, earn as many points or more."""
        points = formula.of(summed(parts))
        assert formula.of(summed([*parts, (times, minor)])) >= points
        assert formula.of(summed([(max(times, each), part) for each, part in parts])) >= points

    @given(st.integers(1, 9), st.sampled_from((1, 7, 100)), TIMES, st.integers(0, 3000))
    def test_one_multiplier_for_all_is_taken_of_the_base_points(
        self, points: int, per_minor: int, times: Fraction, minor: int
    ) -> None:
        """Where everything counts alike, it is the multiplier times the base points, rounded down once."""
        base = points * (minor // per_minor)
        assert Step(points, per_minor=per_minor).frozen().of({times: minor}) == base * times // 1

    @pytest.mark.parametrize(
        "fields",
        [
            {"shape": "step"},
            {"points": 0},
            {"points": 10**200},
            {"per_minor": 0},
            {"per_minor": True},
            {"rounding": "down"},
            {"at_least_minor": -1},
        ],
        ids=str,
    )
    def test_is_checked(self, fields: dict[str, Any]) -> None:
        """Nothing that divides by nothing, or gives nothing, is frozen."""
        with pytest.raises(UsageError, match=next(iter(fields))):
            Formula(**{"shape": Shape.STEP, "points": 1, **fields})


class TestGives:
    @pytest.mark.parametrize("value", [0, -1, True, 1.0, "1", 2**63])
    def test_points_and_steps_are_whole(self, value: Any) -> None:  # noqa: ANN401  # anything at all
        """At least one point, for at least one minor unit."""
        for make in (lambda: Step(value, per_minor=1), lambda: Step(1, per_minor=value), lambda: Flat(value)):
            with pytest.raises(UsageError, match="must be a whole number"):
                make()

    def test_a_percentage_of_something(self) -> None:
        """Neither the rate nor the worth of a point may be nothing, and its rounding is said."""
        good: dict[str, Any] = {"rate": Rate.percent("5"), "worth_minor": Rate.times("1"), "rounding": Rounding.DOWN}
        for name, odd in (("rate", Rate.percent("0")), ("worth_minor", Rate.times("0")), ("rounding", "down")):
            with pytest.raises(UsageError, match=f"{name} must be"):
                Percent(**{**good, name: odd})
        answers_or_refuses(Percent, **good)

    def test_absurdly_long_rates_are_refused(self) -> None:
        """What cannot be computed with for ever is not frozen."""
        with pytest.raises(UsageError, match="points must be a whole number"):
            Percent(Rate(Fraction(10**99)), worth_minor=Rate(Fraction(1, 10**99)), rounding=Rounding.DOWN)


class TestOwn:
    def test_a_shops_own_rule(self) -> None:
        """It is asked for what counts; multipliers take their part of each level."""
        own = Own(Squares())
        assert own.desired({ONE: 3500}) == 9
        assert own.desired({Fraction(2): 1000, ONE: 2000}) == 10  # (2 − 1) · 1 + 1 · 9
        assert own.desired({}) == 0

    def test_is_frozen_as_a_proportion(self) -> None:
        """Half of what counted keeps half of the points, rounded down; all of it keeps them all."""
        formula = Own(Squares()).frozen({ONE: 3500}, at_least_minor=1000)
        assert formula is not None
        assert [formula.of({ONE: minor}) for minor in (3500, 3499, 1750, 1000, 999)] == [9, 8, 4, 2, 0]
        assert Own(Squares()).frozen({ONE: 999}) is None
        assert Own(Answering(5)).frozen({Fraction(0): 100}) is None

    @given(st.lists(st.tuples(TIMES.filter(bool), st.integers(1, 5000)), min_size=1, max_size=4))
    def test_frozen_gives_what_was_asked(self, parts: list[tuple[Fraction, int]]) -> None:
        """For all that counted the proportion is exact, whatever the multipliers."""
        own, by_times = Own(Squares()), summed(parts)
        formula = own.frozen(by_times)
        assert (0 if formula is None else formula.of(by_times)) == own.desired(by_times)

    @pytest.mark.parametrize("answer", [-1, 1.5, True, "9", None, 2**63])
    def test_answers_are_checked(self, answer: object) -> None:
        """Points are whole and not below zero, whoever works them out."""
        with pytest.raises(UsageError, match="points of rule 'answering' must be a whole number"):
            Own(Answering(answer)).desired({ONE: 1})

    @pytest.mark.parametrize("rule", [None, 5, object(), Answering(1, own_id="two words"), Answering(1, own_id=7)], ids=count())
    def test_what_is_no_rule(self, rule: Any) -> None:  # noqa: ANN401  # anything at all
        """It has a name and answers."""
        with pytest.raises(UsageError, match=r"gives must be|own_id must be"):
            Own(rule)

    def test_is_known_by_its_id(self) -> None:
        """Two of one id are equal; it survives a pickle; it shows its id."""
        assert isinstance(Squares(), OwnRule)
        own = Own(Squares())
        assert own == Own(Squares()) != Own(Answering(1))
        assert pickle.loads(pickle.dumps(own)).desired({ONE: 2000}) == 4
        assert repr(own) == "Own(own_id='squares-1')"


class TestEarnedPoints:
    @pytest.mark.parametrize("kept,points", [(0, 0), (99, 0), (100, 2), (199, 2), (700, 14), (799, 14), (800, 14), (10_000, 14)])
    def test_points_of_what_is_kept(self, kept: int, points: int) -> None:
        """Whole steps only, and never more than were earned."""
        assert earned(Step(2, per_minor=100).frozen(), Counted("1", 799)).on({"1": kept}) == points

    def test_lines_that_are_not_named_keep_nothing(self) -> None:
        """Shipping goes under the empty id; a line below zero takes from the others, and nothing goes below nothing."""
        one = earned(Step(1, per_minor=100).frozen(), Counted("1", 500), Counted("2", 300), Counted("", 200))
        assert (one.points, one.counted_minor) == (10, 1000)
        assert one.on({"1": 500}) == 5
        assert one.on({"": 200, "2": 300, "other": 900}) == 5
        assert one.on({"1": 500, "2": -200}) == 3
        assert one.on({"1": 100, "2": -200}) == 0

    def test_fewer_points_than_the_formula_gives_are_kept_while_it_gives_as_many(self) -> None:
        """A cap at purchase stays one: returns take nothing until what is kept earns less."""
        one = earned(Step(1, per_minor=100).frozen(), Counted("1", 1000), points=6)
        assert [one.on({"1": kept}) for kept in (1000, 600, 599, 0)] == [6, 6, 5, 0]

    @pytest.mark.law(13, 19)
    @given(formulas(), st.lists(st.tuples(TIMES, st.integers(1, 300)), min_size=1, max_size=4), st.data())
    def test_less_kept_never_earns_more(self, formula: Formula, parts: list[tuple[Fraction, int]], data: st.DataObject) -> None:
        """Between nothing and all that counted, points lie between 0 and what was earned, and follow what is kept."""
        counted = [Counted(str(place), minor, of.numerator, of.denominator) for place, (of, minor) in enumerate(parts)]
        one = earned(formula, *counted, carried=True)
        less = {part.line_id: data.draw(st.integers(-50, part.minor)) for part in counted}
        more = {line_id: data.draw(st.integers(minor, parts[int(line_id)][1])) for line_id, minor in less.items()}
        assert 0 <= one.on(less) <= one.on(more) <= one.points
        assert one.on({part.line_id: part.minor for part in counted}) == one.points
        assert one.carried_on(less) <= one.carried_on(more) <= one.counted_minor

    def test_spend_that_is_carried_over(self) -> None:
        """All that is kept, or nothing below the least that an order must count."""
        formula = Step(1, per_minor=5000).frozen(at_least_minor=500)
        one = earned(formula, Counted("1", 800), Counted("2", 200), carried=True)
        assert one.points == 0
        assert [one.carried_on(kept) for kept in ({"1": 800, "2": 200}, {"1": 500}, {"1": 499}, {})] == [1000, 500, 0, 0]

    def test_times_are_summed_whatever_way_they_are_written(self) -> None:
        """Six quarters are three halves."""
        assert sums_by_times([Counted("1", 5, 6, 4), Counted("2", 7, 3, 2)]) == {Fraction(3, 2): 12}

    @pytest.mark.parametrize(
        "fields",
        [
            {"points": 0},
            {"points": -1, "carried": True},
            {"points": True},
            {"rule": "a/b"},
            {"account": ""},
            {"carried": 1},
            {"available_at": AT.replace(tzinfo=None)},
        ],
        ids=str,
    )
    def test_is_checked(self, fields: dict[str, Any]) -> None:
        """Nothing earned is not noted down, unless its spend is carried over."""
        with pytest.raises(UsageError, match=next(iter(fields))):
            earned(Step(1, per_minor=100).frozen(), Counted("1", 100), **fields)

    @pytest.mark.parametrize("fields", [{"minor": 0}, {"minor": 1.5}, {"times": -1}, {"of": 0}], ids=str)
    def test_what_counts_is_checked(self, fields: dict[str, Any]) -> None:
        """A line that counts nothing is left out; a multiplier is a fraction of at least 0."""
        with pytest.raises(UsageError, match=next(iter(fields))):
            Counted(**{"line_id": "1", "minor": 1, **fields})
