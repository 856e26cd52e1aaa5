"""What tiers are told by: metrics, mixes, events, thresholds, benefits."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore._payouts import PayOut
from loyaltycore._tier_values import (
    PERKS_LIMIT,
    AsRules,
    Metric,
    Mix,
    Qualifying,
    Thresholds,
    TierBenefits,
    TierEntry,
    check_tiers,
    read_sums,
    sums_text,
)
from loyaltycore.benefits import BonusPoints
from loyaltycore.errors import CorruptStateError, UsageError
from loyaltycore.ladders import Ladder, Rung
from loyaltycore.periods import Period, Term, UntilDay
from loyaltycore.quantities import Money, Rate
from tests.odd_values import answers_or_refuses

TODAY = date(2026, 7, 1)


class TestMix:
    def test_weights_stand_in_one_order(self) -> None:
        """However they are told, two equal mixes are written alike."""
        told = {Metric.REFERRALS: Rate.times(1), Metric.SPEND: Rate(Fraction(1, 100))}
        assert list(Mix(told).weights) == [Metric.SPEND, Metric.REFERRALS]
        assert Mix(told) == Mix(dict(reversed(told.items())))

    @pytest.mark.parametrize(
        "weights,message",
        [
            ({}, "weights must name at least one metric, got none"),
            ({"spend": Rate.times(1)}, "each metric of weights must be one of spend, orders, points, referrals, as Metric"),
            ({Metric.SPEND: 1}, "the weight of spend must be of type Rate"),
            ({Metric.SPEND: Rate.times(0)}, "the weight of spend must be above 0"),
            ([Metric.SPEND], "weights must be a mapping"),
        ],
    )
    def test_refused(self, weights: Any, message: str) -> None:  # noqa: ANN401  # wrong on purpose
        """A score has at least one metric that counts for something."""
        with pytest.raises(UsageError, match=f"^{message}"):
            Mix(weights)

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(Mix, weights={Metric.SPEND: Rate.times(1)})


class TestQualifying:
    def test_spend_unless_said(self) -> None:
        """Most shops count spend."""
        assert Qualifying(day=TODAY, units=1).metric is Metric.SPEND

    @pytest.mark.parametrize("day", [datetime(2026, 7, 1, tzinfo=UTC), "2026-07-01", date(1, 1, 1), None])
    def test_days_are_local_days(self, day: Any) -> None:  # noqa: ANN401  # wrong on purpose
        """An instant is none: whose day it is must be said."""
        with pytest.raises(UsageError, match=r"^day must be a date"):
            Qualifying(day=day, units=1)

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(Qualifying, day=TODAY, units=1, metric=Metric.SPEND)


class TestThresholds:
    def test_holds_a_ladder_of_tiers(self) -> None:
        """Names of tiers, each once."""
        assert check_tiers(Ladder.of({0: "bronze", 5: "silver"})) == ("bronze", "silver")
        with pytest.raises(UsageError, match=r"^tiers must have names of their own, got 'bronze' twice"):
            Thresholds(Ladder([Rung(0, "bronze"), Rung(1, "bronze"), Rung(2, "silver")]), until=TODAY)
        with pytest.raises(UsageError, match=r"^tier must be"):
            Thresholds(Ladder([Rung(0, "very gold")]), until=TODAY)
        with pytest.raises(UsageError, match=r"^until must be a date"):
            Thresholds(Ladder.of({0: "bronze"}), until=datetime(2026, 7, 1, tzinfo=UTC))

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(Thresholds, ladder=Ladder.of({0: "bronze"}), until=TODAY)


class TestTierBenefits:
    def test_nothing_unless_said(self) -> None:
        """A tier without benefits changes nothing."""
        plain = TierBenefits()
        assert (plain.perks, plain.entry_gift, plain.expires, plain.valid_for) == (frozenset(), None, AsRules.AS_RULES, None)

    def test_never_is_not_nothing(self) -> None:
        """Points of a tier may never end; that is another thing than changing nothing."""
        assert TierBenefits(expires=None) != TierBenefits()
        assert TierBenefits(expires=UntilDay(TODAY)).expires == UntilDay(TODAY)

    @pytest.mark.parametrize("gift", [BonusPoints(200), PayOut(Money.of("5.00", "EUR"))])
    def test_gifts_are_benefits_or_payouts(self, gift: Any) -> None:  # noqa: ANN401  # any of them
        """What the shop knows already."""
        assert TierBenefits(entry_gift=gift, valid_for=Period(days=30)).entry_gift == gift

    @pytest.mark.parametrize("valid_for", [Period(days=30), Term(Period(months=1)), timedelta(hours=1), timedelta(days=366)])
    def test_lengths_of_time(self, valid_for: Any) -> None:  # noqa: ANN401  # any of them
        """As a campaign says them."""
        assert TierBenefits(valid_for=valid_for).valid_for == valid_for

    @pytest.mark.parametrize(
        "told,message",
        [
            ({"perks": "free-returns"}, "perks must be several values"),
            ({"perks": ["free returns"]}, "perk must be"),
            ({"perks": [f"p{n}" for n in range(PERKS_LIMIT + 1)]}, "perks must be at most 100 in number"),
            ({"entry_gift": 200}, "a benefit must be one of this module's, got 200"),
            ({"expires": "never"}, "expires must be"),
            ({"valid_for": "30 days"}, "valid_for must be a Period, a Term or a timedelta"),
            ({"valid_for": timedelta(0)}, "valid_for must be above 0 and at most 366 days"),
            ({"valid_for": timedelta(days=366, microseconds=1)}, "valid_for must be above 0 and at most 366 days"),
        ],
    )
    def test_refused(self, told: Any, message: str) -> None:  # noqa: ANN401  # wrong on purpose
        """What is no perk, no gift, no end."""
        with pytest.raises(UsageError, match=f"^{message}"):
            TierBenefits(**told)

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(
            TierBenefits,
            perks=["free-returns"],
            entry_gift=BonusPoints(1),
            expires=None,
            valid_for=Period(days=1),
        )


class TestTierEntry:
    def test_names_a_tier_and_a_day(self) -> None:
        """It is what a gift is named after."""
        assert TierEntry("gold", TODAY) == TierEntry("gold", date(2026, 7, 1))


class TestSums:
    @given(st.lists(st.tuples(st.dates(date(2, 1, 1), date(9998, 12, 31)), st.integers(0, 10**20))))
    def test_text_comes_back(self, sums: list[tuple[date, int]]) -> None:
        """Any days, any numbers."""
        assert list(read_sums(sums_text(sums))) == sums

    @pytest.mark.parametrize("rest", ["x", "738000", "738000:", "738000:-1", "0:1", "3652060:1", "738000:1;", "738000:1 "])
    def test_anything_else_is_corrupt(self, rest: str) -> None:
        """Where it is reached, not before."""
        sums = read_sums(f"738000:5,{rest}")
        assert next(sums) == (date.fromordinal(738000), 5)
        with pytest.raises(CorruptStateError, match=r"^the sums of a tally cannot be read"):
            list(sums)

    def test_the_last_day(self) -> None:
        """The calendar's last is read still."""
        assert list(read_sums("3652059:1")) == [(date.max, 1)]
