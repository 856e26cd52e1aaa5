"""Tiers: a closed form of what was bought and known, checked against a diary of the purchases."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loyaltycore.errors import UsageError
from loyaltycore.periods import Calendar, Period
from loyaltycore.tiers import Downgrade, Ladder, Qualifying, Rung, TierRule, TierStatus

PARIS = Calendar("Europe/Paris")
DAY = timedelta(days=1)
START = date(2026, 1, 1)

LADDERS = st.sampled_from(
    (
        Ladder.of({0: "bronze", 30: "silver", 100: "gold"}),
        Ladder.of({30: "silver", 100: "gold", 101: "platinum"}),
        Ladder.of({1: "member"}),
    )
)
WINDOWS = st.sampled_from((Period(days=7), Period(months=1), Period(weeks=1, days=3)))
DAYS = st.integers(0, 120).map(lambda days: START + days * DAY)
HISTORIES = st.lists(st.builds(Qualifying, day=DAYS, units=st.sampled_from((0, 1, 29, 30, 70, 100, 250))), max_size=6)


def rule(ladder: Ladder[str], window: Period) -> TierRule:
    """Make a rule."""
    return TierRule(ladder, window=window, downgrade=Downgrade.ONE_STEP)


def by_diary(ladder: Ladder[str], window: Period, history: list[Qualifying], day: date) -> int:
    """Say the rung on a day the long way: for every day of a purchase, what it reached, less one for each whole window since."""
    best = ladder.index(0)
    for since in {one.day for one in history if one.units and one.day <= day}:
        metric = sum(one.units for one in history if one.day <= since <= window.after(one.day))
        lost = 0
        while window.after(since, count=lost + 1) < day:
            lost += 1
        best = max(best, ladder.index(metric) - lost)
    return best


def index(ladder: Ladder[str], status: TierStatus) -> int:
    """Give the rung of a status by its number."""
    return next((place for place, rung in enumerate(ladder.rungs, 1) if rung.value == status.tier), 0)


class TestLaws:
    @pytest.mark.law(35)
    @given(LADDERS, WINDOWS, HISTORIES, DAYS)
    def test_status_equals_a_diary(self, ladder: Ladder[str], window: Period, history: list[Qualifying], day: date) -> None:
        """The closed form is what a diary of the purchases would say, in whatever order they are told."""
        status = rule(ladder, window).status(history, day=day, calendar=PARIS)
        assert index(ladder, status) == by_diary(ladder, window, history, day)
        assert rule(ladder, window).status(history[::-1], day=day, calendar=PARIS) == status

    @pytest.mark.law(35)
    @given(LADDERS, WINDOWS, HISTORIES, st.builds(Qualifying, day=DAYS, units=st.integers(0, 300)), DAYS)
    def test_more_spend_never_lowers_tier(
        self, ladder: Ladder[str], window: Period, history: list[Qualifying], more: Qualifying, day: date
    ) -> None:
        """One more purchase, on any day, leaves the tier as high or higher on every day."""
        tiers = rule(ladder, window)
        before, after = (tiers.status(known, day=day, calendar=PARIS) for known in (history, [*history, more]))
        assert index(ladder, after) >= index(ladder, before)

    @pytest.mark.law(35)
    @given(LADDERS, WINDOWS, HISTORIES, DAYS)
    def test_it_is_kept_until_it_says(self, ladder: Ladder[str], window: Period, history: list[Qualifying], day: date) -> None:
        """With nothing more bought, the tier stands through the day before `kept_until`, and falls on that day."""
        tiers, known = rule(ladder, window), [one for one in history if one.day <= day]
        status = tiers.status(known, day=day, calendar=PARIS)
        if status.kept_until is None:
            assert index(ladder, status) <= ladder.index(0)
            return
        falls_on = PARIS.day_of(status.kept_until)
        assert status.kept_until == PARIS.first_instant(falls_on)
        assert falls_on > day
        for when, lost in [(falls_on - DAY, False), (falls_on, True)]:
            later = tiers.status(known, day=when, calendar=PARIS)
            assert (index(ladder, later) < index(ladder, status)) is lost

    @pytest.mark.law(35)
    @given(LADDERS, WINDOWS, HISTORIES, DAYS)
    def test_shortfall_reaches_the_next_tier(
        self, ladder: Ladder[str], window: Period, history: list[Qualifying], day: date
    ) -> None:
        """Spending exactly the shortfall today reaches the next rung; one unit less does not."""
        tiers, known = rule(ladder, window), [one for one in history if one.day <= day]
        status = tiers.status(known, day=day, calendar=PARIS)
        if status.shortfall is None:
            assert status.next_tier is None
            assert index(ladder, status) == len(ladder.rungs)
            return
        assert status.shortfall >= 1
        for short, reached in [(0, status.next_tier), (1, status.tier)]:
            bought = [*known, Qualifying(day=day, units=status.shortfall - short)]
            assert tiers.status(bought, day=day, calendar=PARIS).tier == reached


class TestStatus:
    GOLD = TierRule(Ladder.of({0: "bronze", 300: "silver", 1000: "gold"}), window=Period(months=12), downgrade=Downgrade.ONE_STEP)

    def told(self, *bought: tuple[date, int], day: date) -> TierStatus:
        """Ask where a member stands."""
        return self.GOLD.status([Qualifying(day=when, units=units) for when, units in bought], day=day, calendar=PARIS)

    def test_nothing_bought(self) -> None:
        """The rung at zero is everybody's, and cannot be lost."""
        assert self.told(day=START) == TierStatus(tier="bronze", metric=0, kept_until=None, next_tier="silver", shortfall=300)

    def test_below_the_first_rung(self) -> None:
        """Where the ladder starts above zero there may be no tier."""
        tiers = TierRule(Ladder.of({300: "silver"}), window=Period(months=12), downgrade=Downgrade.ONE_STEP)
        assert tiers.status([], day=START, calendar=PARIS) == TierStatus(
            tier=None, metric=0, kept_until=None, next_tier="silver", shortfall=300
        )
        first = tiers.status([Qualifying(day=START, units=300)], day=START, calendar=PARIS)
        assert first.kept_until == datetime(2027, 1, 1, 23, tzinfo=UTC)

    def test_one_step_for_each_window(self) -> None:
        """Gold in April is silver after a year and bronze after two; the instant is the first of the next local day."""
        april = date(2026, 4, 1)
        expected = [
            (april, "gold", datetime(2027, 4, 1, 22, tzinfo=UTC), 1200, None, None),
            (date(2027, 4, 1), "gold", datetime(2027, 4, 1, 22, tzinfo=UTC), 1200, None, None),
            (date(2027, 4, 2), "silver", datetime(2028, 4, 1, 22, tzinfo=UTC), 0, "gold", 1000),
            (date(2028, 4, 2), "bronze", None, 0, "silver", 300),
        ]
        for day, tier, until, metric, following, shortfall in expected:
            assert self.told((april, 1200), day=day) == TierStatus(
                tier=tier, metric=metric, kept_until=until, next_tier=following, shortfall=shortfall
            )

    def test_a_small_purchase_takes_nothing_away(self) -> None:
        """What reaches a lower rung never stands against what is still left of a higher one."""
        status = self.told((date(2026, 4, 1), 1200), (date(2027, 4, 2), 1), day=date(2027, 4, 2))
        assert (status.tier, status.kept_until) == ("silver", PARIS.first_instant(date(2028, 4, 2)))

    def test_the_best_of_what_is_left_counts(self) -> None:
        """Two steps down from the fourth rung are more than one step down from the second."""
        ladder = Ladder.of({0: "bronze", 30: "silver", 100: "gold", 200: "platinum"})
        bought = [Qualifying(day=START, units=250), Qualifying(day=START + 8 * DAY, units=30)]
        status = rule(ladder, Period(days=7)).status(bought, day=START + 16 * DAY, calendar=PARIS)
        assert (status.tier, status.kept_until) == ("silver", PARIS.first_instant(START + 22 * DAY))

    def test_what_is_bought_later_does_not_count_yet(self) -> None:
        """Asked about an earlier day, the answer is of that day."""
        assert self.told((date(2026, 4, 1), 1200), day=date(2026, 3, 31)).tier == "bronze"

    @pytest.mark.parametrize("day,metric", [(date(2024, 2, 29), 300), (date(2025, 2, 28), 300), (date(2025, 3, 1), 0)])
    def test_leap_day(self, day: date, metric: int) -> None:
        """What was bought on 29 February counts through 28 February of the next year."""
        status = self.told((date(2024, 2, 29), 300), day=day)
        assert status.metric == metric
        assert status.tier == ("silver" if metric else "bronze")
        until = [PARIS.first_instant(date(2025, 3, 1))] if metric else [None]
        assert [status.kept_until] == until

    def test_leap_day_is_counted_from_the_anchor(self) -> None:
        """Four windows after 29 February lies 29 February again, not 28."""
        gold = self.told((date(2024, 2, 29), 1000), day=date(2025, 6, 1))
        assert (gold.tier, gold.kept_until) == ("silver", PARIS.first_instant(date(2026, 3, 1)))

    def test_purchases_add_up_within_the_window(self) -> None:
        """Two purchases reach together what neither does alone, while both are in the window."""
        both = ((date(2026, 1, 10), 200), (date(2026, 12, 1), 100))
        assert self.told(*both, day=date(2026, 12, 1)).tier == "silver"
        apart = ((date(2026, 1, 10), 200), (date(2027, 1, 11), 100))
        assert self.told(*apart, day=date(2027, 1, 11)).tier == "bronze"
        last = ((date(2026, 1, 10), 200), (date(2027, 1, 10), 100))
        assert self.told(*last, day=date(2027, 1, 10)).tier == "silver"

    def test_reached_again_is_kept_longer(self) -> None:
        """The later of two purchases that reach a rung decides how long it is kept."""
        status = self.told((date(2026, 1, 1), 300), (date(2026, 6, 1), 300), day=date(2026, 7, 1))
        assert status.kept_until == PARIS.first_instant(date(2027, 6, 2))
        assert (status.metric, status.shortfall) == (600, 400)

    def test_a_higher_rung_lost_beats_nothing(self) -> None:
        """Silver by one step down from gold and silver by a purchase: the one that is kept longer counts."""
        status = self.told((date(2024, 1, 1), 1000), (date(2025, 6, 1), 300), day=date(2025, 7, 1))
        assert (status.tier, status.kept_until) == ("silver", PARIS.first_instant(date(2026, 6, 2)))
        status = self.told((date(2024, 1, 1), 1000), (date(2024, 1, 2), 0), day=date(2025, 1, 2))
        assert (status.tier, status.kept_until) == ("silver", PARIS.first_instant(date(2026, 1, 2)))


class TestValues:
    @pytest.mark.parametrize("units", [-1, True, 1.0])
    def test_units_are_whole(self, units: int) -> None:
        """Returns lower a purchase, never below nothing."""
        with pytest.raises(UsageError, match=r"^units must be"):
            Qualifying(day=START, units=units)

    def test_names_of_tiers_are_slugs(self) -> None:
        """They stand in facts and programs."""
        with pytest.raises(UsageError, match=r"^tier must be"):
            rule(Ladder([Rung(0, "very gold")]), Period(months=1))

    @given(st.integers(0, 10**12))
    @example(0)
    def test_any_amount_counts(self, units: int) -> None:
        """A purchase of any size."""
        assert Qualifying(day=START, units=units).units == units
