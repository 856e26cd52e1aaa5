"""Ladders of thresholds."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore._checks import WHOLE_LIMIT
from loyaltycore.errors import UsageError
from loyaltycore.ladders import RUNGS_LIMIT, Ladder, Rung
from loyaltycore.testing.strategies import ladders
from tests.odd_values import answers_or_refuses

NUMBERS = st.integers(-10, 2_000_000)
NEAR = st.integers(-2, 2)

TIERS = Ladder.of({0: "bronze", 30_000: "silver", 100_000: "gold"})


class TestRung:
    @pytest.mark.law(3)
    @pytest.mark.parametrize("threshold", [1.0, True, "1", None, WHOLE_LIMIT + 1])
    def test_threshold_is_whole(self, threshold: int) -> None:
        """No float, no bool."""
        with pytest.raises(UsageError, match=r"^threshold must be a whole number in"):
            Rung(threshold, "silver")

    def test_value_is_something(self) -> None:
        """None is the answer below the first rung, so no rung may hold it."""
        with pytest.raises(UsageError, match="the value of a rung must not be None"):
            Rung(0, None)
        assert Rung(0, 0).value == 0

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(Rung, threshold=1, value="x")


class TestLadder:
    @pytest.mark.parametrize(
        "number,reached,value,following,missing",
        [
            (-1, 0, None, "bronze", 1),
            (0, 1, "bronze", "silver", 30_000),
            (29_999, 1, "bronze", "silver", 1),
            (30_000, 2, "silver", "gold", 70_000),
            (99_999, 2, "silver", "gold", 1),
            (100_000, 3, "gold", None, None),
            (10**9, 3, "gold", None, None),
        ],
    )
    def test_table(self, number: int, reached: int, value: str | None, following: str | None, missing: int | None) -> None:
        """The rung reached, the next, and how far it is."""
        ahead = TIERS.next(number)
        assert TIERS.index(number) == reached
        assert TIERS.at(number) == value
        assert (ahead.value if ahead else None) == following
        assert TIERS.shortfall(number) == missing

    @pytest.mark.law(34)
    @given(ladders(), NUMBERS, st.integers(0, 1_000_000))
    def test_more_never_reaches_less(self, ladder: Ladder[str], number: int, more: int) -> None:
        """The rung is monotone in the number."""
        assert ladder.index(number) <= ladder.index(number + more)

    @pytest.mark.law(34)
    @given(ladders(), st.data())
    def test_shortfall_is_exact(self, ladder: Ladder[str], data: st.DataObject) -> None:
        """With the shortfall the next rung is reached, with one less it is not; at the top nothing is missing."""
        near = data.draw(st.sampled_from(ladder.rungs)).threshold + data.draw(NEAR)
        number = data.draw(st.just(near) | NUMBERS)
        missing, ahead = ladder.shortfall(number), ladder.next(number)
        if missing is None or ahead is None:
            assert missing is None
            assert ahead is None
            assert ladder.at(number) == ladder.rungs[-1].value
        else:
            assert missing >= 1
            assert ladder.at(number + missing) == ahead.value
            assert ladder.at(number + missing - 1) == ladder.at(number) != ahead.value

    @pytest.mark.law(34)
    @given(ladders(), NUMBERS)
    def test_agrees_with_counting(self, ladder: Ladder[str], number: int) -> None:
        """The naive way: the last rung whose threshold is not above; None when there is none."""
        reached = [rung.value for rung in ladder.rungs if rung.threshold <= number]
        assert ladder.index(number) == len(reached)
        assert ladder.at(number) == (reached[-1] if reached else None)

    @pytest.mark.law(34)
    @given(
        st.dictionaries(NUMBERS, st.integers() | st.text() | st.tuples(st.integers()) | st.just(()), min_size=1, max_size=5),
        NUMBERS,
    )
    def test_rungs_hold_any_value(self, rungs: dict[int, object], number: int) -> None:
        """A ladder never looks into its values: a reward, an amount, even nothing but None."""
        ladder = Ladder.of(rungs)
        reached = [value for threshold, value in sorted(rungs.items(), key=lambda rung: rung[0]) if threshold <= number]
        assert ladder.at(number) == (reached[-1] if reached else None)
        missing = ladder.shortfall(number)
        assert missing is None or ladder.at(number + missing) == rungs[number + missing]

    @pytest.mark.parametrize(
        "rungs,message",
        [
            ([], "a ladder must have 1 to 100 rungs, got none"),
            ([Rung(1, "a"), Rung(1, "b")], "thresholds must rise, got 1 before 1"),
            ([Rung(2, "a"), Rung(1, "b")], "thresholds must rise, got 2 before 1"),
            ([Rung(n, "a") for n in range(RUNGS_LIMIT + 1)], "rungs must be at most 100 in number, got more"),
            ([(1, "a")], "each of rungs must be of type Rung"),
            (None, "rungs must be several values"),
        ],
    )
    def test_wrong_rungs(self, rungs: Any, message: str) -> None:  # noqa: ANN401  # wrong on purpose
        """Too few, too many, out of order, or no rungs at all."""
        with pytest.raises(UsageError, match=message):
            Ladder(rungs)

    def test_longest(self) -> None:
        """A hundred rungs stand."""
        assert len(Ladder.of({n: n for n in range(RUNGS_LIMIT)}).rungs) == RUNGS_LIMIT
        with pytest.raises(UsageError, match="rungs must be a mapping of at most 100 items"):
            Ladder.of({n: n for n in range(RUNGS_LIMIT + 1)})

    @given(ladders())
    def test_of_takes_any_order(self, ladder: Ladder[str]) -> None:
        """A file may name the rungs as it likes; a ladder survives pickle."""
        backwards = {rung.threshold: rung.value for rung in reversed(ladder.rungs)}
        assert Ladder.of(backwards) == ladder
        assert pickle.loads(pickle.dumps(ladder)) == ladder

    @pytest.mark.law(3)
    @pytest.mark.parametrize("number", [1.0, True, "1", None])
    def test_numbers_are_whole(self, number: int) -> None:
        """Every question takes a whole number."""
        for ask in (TIERS.index, TIERS.at, TIERS.next, TIERS.shortfall):
            with pytest.raises(UsageError, match=r"^number must be a whole number in"):
                ask(number)

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(Ladder, rungs=[Rung(1, "x")])
        answers_or_refuses(Ladder.of, rungs={1: "x"})
        answers_or_refuses(TIERS.shortfall, number=1)
