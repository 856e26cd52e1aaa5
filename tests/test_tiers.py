"""Tiers: a closed form of what was bought and known, checked against a diary of the purchases."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loyaltycore._tier_values import read_sums
from loyaltycore.benefits import BonusPoints
from loyaltycore.errors import UsageError
from loyaltycore.periods import Calendar, Period, Term, UntilDay, YearDay
from loyaltycore.quantities import Rate
from loyaltycore.tiers import (
    BEFORE_LIMIT,
    CalendarMonths,
    CalendarYears,
    Downgrade,
    Ladder,
    Lifetime,
    MembershipYears,
    Metric,
    Mix,
    Qualifying,
    Rolling,
    Rung,
    Thresholds,
    TierBenefits,
    TierEntry,
    TierGrant,
    TierRule,
    TierStatus,
    Upgrade,
)
from tests.odd_values import answers_or_refuses

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


THREE = Ladder.of({0: "bronze", 300: "silver", 1000: "gold"})
YEAR = Period(months=12)


def yearly(**more: Any) -> TierRule:  # noqa: ANN401  # any of the rule's settings
    """Make a rule of calendar years."""
    return TierRule(THREE, window=CalendarYears(), downgrade=Downgrade.ONE_STEP, **more)


def spent(*bought: tuple[date, int]) -> list[Qualifying]:
    """Tell purchases."""
    return [Qualifying(day=day, units=units) for day, units in bought]


def tiers_on(rule: TierRule, history: list[Qualifying], *days: date, **more: Any) -> list[str | None]:  # noqa: ANN401  # of the call
    """Ask on several days."""
    return [rule.status(history, day=day, calendar=PARIS, **more).tier for day in days]


class TestWindows:
    def test_calendar_years(self) -> None:
        """Reached in a year: at once, and through the end of the next; each whole year then takes one step."""
        tiers, known = yearly(), spent((date(2026, 3, 1), 400), (date(2026, 11, 1), 600))
        days = [date(2026, 10, 31), date(2026, 11, 1), date(2027, 12, 31), date(2028, 1, 1), date(2028, 12, 31), date(2029, 1, 1)]
        assert tiers_on(tiers, known, *days) == ["silver", "gold", "gold", "silver", "silver", "bronze"]
        status = tiers.status(known, day=date(2027, 5, 1), calendar=PARIS)
        assert (status.metric, status.window_ends_on) == (0, date(2027, 12, 31))
        assert status.kept_until == PARIS.first_instant(date(2028, 1, 1))
        assert (status.to_keep, status.next_tier) == (1000, None)

    def test_reached_in_this_window_is_kept_as_long_as_can_be(self) -> None:
        """Nothing more in a year keeps longer what it holds already."""
        status = yearly().status(spent((date(2026, 3, 1), 1000)), day=date(2026, 6, 1), calendar=PARIS)
        assert (status.tier, status.to_keep) == ("gold", None)
        assert status.kept_until == PARIS.first_instant(date(2028, 1, 1))

    def test_next_period(self) -> None:
        """What a year holds begins with the next; what the year holds already is not called missing."""
        tiers, known = yearly(upgrade=Upgrade.NEXT_PERIOD), spent((date(2026, 3, 1), 400))
        assert tiers_on(tiers, known, date(2026, 12, 31), date(2027, 1, 1), date(2027, 12, 31), date(2028, 1, 1)) == [
            "bronze",
            "silver",
            "silver",
            "bronze",
        ]
        status = tiers.status(known, day=date(2026, 6, 1), calendar=PARIS)
        assert (status.tier, status.next_tier, status.shortfall, status.kept_until) == ("bronze", "gold", 600, None)

    def test_next_period_goes_on_where_it_is_held_already(self) -> None:
        """A tier that the coming year carries on is kept through that year."""
        tiers, known = yearly(upgrade=Upgrade.NEXT_PERIOD), spent((date(2026, 3, 1), 400), (date(2027, 3, 1), 300))
        before, after = (tiers.status(known, day=day, calendar=PARIS) for day in (date(2027, 2, 28), date(2027, 3, 1)))
        assert (before.kept_until, before.to_keep) == (PARIS.first_instant(date(2028, 1, 1)), 300)
        assert (after.kept_until, after.to_keep) == (PARIS.first_instant(date(2029, 1, 1)), None)

    def test_membership_years(self) -> None:
        """The years begin on the day of joining; before that is known, with the calendar's."""
        tiers = TierRule(THREE, window=MembershipYears(), downgrade=Downgrade.REASSESS)
        known = spent((date(2026, 6, 30), 200), (date(2026, 7, 1), 200))
        joined = {"joined_on": date(2025, 7, 1)}
        assert tiers_on(tiers, known, date(2026, 7, 1)) == ["silver"]
        assert tiers_on(tiers, known, date(2026, 7, 1), **joined) == ["bronze"]
        more = [*known, *spent((date(2027, 6, 30), 100))]
        assert tiers_on(tiers, more, date(2027, 6, 30), date(2028, 6, 30), date(2028, 7, 1), **joined) == [
            "silver",
            "silver",
            "bronze",
        ]

    def test_months(self) -> None:
        """A quarter, and the one after."""
        tiers = TierRule(THREE, window=CalendarMonths(3), downgrade=Downgrade.ONE_STEP)
        known = spent((date(2026, 3, 31), 299), (date(2026, 4, 1), 300))
        assert tiers_on(tiers, known, date(2026, 3, 31), date(2026, 4, 1), date(2026, 9, 30), date(2026, 10, 1)) == [
            "bronze",
            "silver",
            "silver",
            "bronze",
        ]

    def test_lifetime(self) -> None:
        """All adds up, and nothing is lost."""
        tiers = TierRule(THREE, window=Lifetime(), downgrade=Downgrade.ONE_STEP)
        status = tiers.status(spent((date(2006, 1, 1), 200), (date(2026, 1, 1), 100)), day=date(2046, 1, 1), calendar=PARIS)
        assert (status.tier, status.kept_until, status.to_keep, status.window_ends_on) == ("silver", None, None, None)

    def test_a_period_is_rolling(self) -> None:
        """Said either way it is the same rule."""
        assert TierRule(THREE, window=YEAR, downgrade=Downgrade.NEVER).window == Rolling(YEAR)


class TestDowngrades:
    @pytest.mark.parametrize(
        "downgrade,expected",
        [
            (Downgrade.ONE_STEP, ["gold", "silver", "bronze"]),
            (Downgrade.REASSESS, ["gold", "bronze", "bronze"]),
            (Downgrade.NEVER, ["gold", "gold", "gold"]),
        ],
    )
    def test_after_one_and_two_windows(self, downgrade: Downgrade, expected: list[str]) -> None:
        """One step a window, all at once, or never."""
        tiers = TierRule(THREE, window=YEAR, downgrade=downgrade)
        days = (date(2027, 4, 1), date(2027, 4, 2), date(2028, 4, 2))
        assert tiers_on(tiers, spent((date(2026, 4, 1), 1200)), *days) == expected

    def test_reassessed_to_what_was_reached_since(self) -> None:
        """What the window gives by itself is kept for its own time."""
        tiers = TierRule(THREE, window=YEAR, downgrade=Downgrade.REASSESS)
        known = spent((date(2026, 4, 1), 1200), (date(2027, 4, 2), 300))
        days = (date(2027, 4, 1), date(2027, 4, 2), date(2028, 4, 2), date(2028, 4, 3))
        assert tiers_on(tiers, known, *days) == ["gold", "silver", "silver", "bronze"]

    def test_never_has_no_end(self) -> None:
        """Nothing is missing to keep what is never lost."""
        tiers = TierRule(THREE, window=YEAR, downgrade=Downgrade.NEVER)
        status = tiers.status(spent((date(2006, 4, 1), 1200)), day=date(2026, 1, 1), calendar=PARIS)
        assert (status.tier, status.kept_until, status.to_keep) == ("gold", None, None)

    def test_grace(self) -> None:
        """Each step comes so much later, once; the last days are told."""
        tiers = TierRule(THREE, window=YEAR, downgrade=Downgrade.ONE_STEP, grace=Period(days=30))
        known = spent((date(2026, 4, 1), 1200))
        days = (date(2027, 4, 1), date(2027, 4, 2), date(2027, 5, 1), date(2027, 5, 2), date(2028, 5, 1), date(2028, 5, 2))
        told = [tiers.status(known, day=day, calendar=PARIS) for day in days]
        assert [status.tier for status in told] == ["gold", "gold", "gold", "silver", "silver", "bronze"]
        assert [status.graces for status in told] == [False, True, True, False, True, False]
        assert told[1].kept_until == PARIS.first_instant(date(2027, 5, 2))
        assert told[1].to_keep == 1000

    def test_grace_of_months(self) -> None:
        """A grace of months and days goes on from the last day."""
        tiers = yearly(grace=Period(months=2, weeks=1, days=1))
        known = spent((date(2026, 4, 1), 300))
        assert tiers_on(tiers, known, date(2028, 3, 7), date(2028, 3, 8), date(2028, 3, 9)) == ["silver", "silver", "bronze"]
        assert tiers_on(yearly(grace=Period(years=1)), known, date(2028, 12, 31), date(2029, 1, 1)) == ["silver", "bronze"]


class TestMetrics:
    def test_only_what_is_asked_for_counts(self) -> None:
        """Points do not count where orders do."""
        known = [
            Qualifying(day=START, units=500),
            Qualifying(day=START, units=1, metric=Metric.ORDERS),
            Qualifying(day=START, units=40, metric=Metric.POINTS),
            Qualifying(day=START, units=3, metric=Metric.REFERRALS),
        ]
        rules = [TierRule(THREE, window=YEAR, downgrade=Downgrade.NEVER, metric=metric) for metric in Metric]
        assert [tiers.status(known, day=START, calendar=PARIS).metric for tiers in rules] == [500, 1, 40, 3]
        assert [tiers.metrics for tiers in rules] == [(metric,) for metric in Metric]

    def test_a_mix_is_cut_event_by_event(self) -> None:
        """Each event counts whole, so what comes later never changes what an earlier one counted."""
        mix = Mix({Metric.ORDERS: Rate.times(50), Metric.SPEND: Rate(Fraction(1, 100))})
        tiers = TierRule(THREE, window=YEAR, downgrade=Downgrade.NEVER, metric=mix)
        known = [*spent((START, 1999), (START, 1999), (START, 99)), Qualifying(day=START, units=2, metric=Metric.ORDERS)]
        known.append(Qualifying(day=START, units=9, metric=Metric.POINTS))
        known.append(Qualifying(day=START + DAY, units=9, metric=Metric.ORDERS))
        assert tiers.status(known, day=START, calendar=PARIS).metric == 19 + 19 + 100
        assert tiers.metrics == (Metric.SPEND, Metric.ORDERS)


class TestThresholds:
    NEW = TierRule(
        Ladder.of({0: "bronze", 200: "silver", 1500: "gold"}),
        window=YEAR,
        downgrade=Downgrade.ONE_STEP,
        before=[Thresholds(THREE, until=date(2027, 1, 1))],
    )

    def test_higher_ones_take_nothing_away(self) -> None:
        """Gold by the former thresholds is kept for its time."""
        known = spent((date(2026, 9, 1), 1000))
        assert tiers_on(self.NEW, known, date(2026, 12, 31), date(2027, 1, 1), date(2027, 9, 1), date(2027, 9, 2)) == [
            "gold",
            "gold",
            "gold",
            "silver",
        ]
        assert tiers_on(self.NEW, spent((date(2027, 1, 1), 1000)), date(2027, 1, 1)) == ["silver"]

    def test_lower_ones_count_from_their_first_day(self) -> None:
        """Whoever's window has a threshold that was lowered stands there from then on, for a whole window."""
        known = spent((date(2026, 9, 1), 250))
        assert tiers_on(self.NEW, known, date(2026, 12, 31), date(2027, 1, 1), date(2028, 1, 1), date(2028, 1, 2)) == [
            "bronze",
            "silver",
            "silver",
            "bronze",
        ]
        why = self.NEW.explain(known, day=date(2027, 6, 1), calendar=PARIS).reached
        assert why is not None
        assert (why.day, why.metric, why.threshold) == (date(2027, 1, 1), 250, 200)
        assert tiers_on(self.NEW, spent((date(2025, 9, 1), 250)), date(2027, 1, 1)) == ["bronze"]

    def test_what_is_coming_is_told(self) -> None:
        """Before the change the status goes by the former thresholds, and knows how long it will be kept."""
        status = self.NEW.status(spent((date(2026, 9, 1), 250)), day=date(2026, 12, 1), calendar=PARIS)
        assert (status.tier, status.next_tier, status.shortfall, status.kept_until) == ("bronze", "silver", 50, None)
        lower = attrs.evolve(self.NEW, ladder=Ladder.of({0: "bronze", 300: "silver", 900: "gold"}))
        known = spent((date(2026, 9, 1), 300), (date(2026, 9, 2), 650))
        held = lower.status(known, day=date(2026, 12, 1), calendar=PARIS)
        assert (held.tier, held.kept_until) == ("silver", PARIS.first_instant(date(2029, 1, 2)))

    def test_a_tier_that_took_nothing(self) -> None:
        """Where the lowest takes something from now on, whoever was there keeps it for a window more."""
        tiers = TierRule(
            Ladder.of({100: "bronze", 300: "silver"}),
            window=YEAR,
            downgrade=Downgrade.REASSESS,
            before=[Thresholds(Ladder.of({0: "bronze", 300: "silver"}), until=date(2027, 1, 1))],
        )
        days = (date(2026, 12, 31), date(2027, 1, 1), date(2027, 12, 31), date(2028, 1, 1))
        assert tiers_on(tiers, [], *days, joined_on=date(2026, 5, 1)) == ["bronze", "bronze", "bronze", None]
        assert tiers_on(tiers, [], *days, joined_on=date(2027, 1, 1)) == ["bronze", None, None, None]
        status = tiers.status([], day=date(2026, 12, 31), calendar=PARIS, joined_on=date(2026, 12, 31))
        assert status.kept_until == PARIS.first_instant(date(2028, 1, 1))
        why = tiers.explain([], day=date(2027, 2, 1), calendar=PARIS, joined_on=date(2026, 5, 1)).reached
        assert why is not None
        assert (why.day, why.metric, why.threshold) == (date(2026, 12, 31), 0, 0)

    def test_what_is_left_of_more_may_be_kept_longer(self) -> None:
        """A step down from gold is kept longer than silver that was reached after it by harder thresholds."""
        tiers = TierRule(
            Ladder.of({0: "bronze", 300: "silver", 5000: "gold"}),
            window=YEAR,
            downgrade=Downgrade.ONE_STEP,
            before=[Thresholds(THREE, until=date(2026, 7, 1))],
        )
        known = spent((date(2026, 6, 1), 1000), (date(2026, 9, 1), 10))
        why = tiers.explain(known, day=date(2027, 6, 2), calendar=PARIS)
        assert (why.status.tier, why.status.kept_until) == ("silver", PARIS.first_instant(date(2028, 6, 2)))
        assert [why.reached_on, *[one.day for one in why.others]] == [date(2026, 6, 1), date(2026, 9, 1)]

    def test_thresholds_that_will_take_nothing_again(self) -> None:
        """A tier that falls to nobody in the meantime does not fall."""
        tiers = TierRule(
            Ladder.of({0: "bronze"}),
            window=Period(days=7),
            downgrade=Downgrade.ONE_STEP,
            before=[Thresholds(Ladder.of({5: "bronze"}), until=START + 8 * DAY)],
        )
        for day, until in [(START, None), (START - DAY, PARIS.first_instant(START + 7 * DAY))]:
            assert tiers.status(spent((day, 5)), day=day, calendar=PARIS).kept_until == until

    def test_new_tiers_in_between(self) -> None:
        """A tier may be new; one step down is a step of today's."""
        tiers = TierRule(
            THREE,
            window=YEAR,
            downgrade=Downgrade.ONE_STEP,
            before=[Thresholds(Ladder.of({0: "bronze", 1000: "gold"}), until=date(2027, 1, 1))],
        )
        known = spent((date(2026, 9, 1), 1000))
        assert tiers_on(tiers, known, date(2027, 9, 1), date(2027, 9, 2)) == ["gold", "silver"]
        status = tiers.status(spent((date(2026, 9, 1), 10)), day=date(2026, 12, 1), calendar=PARIS)
        assert (status.next_tier, status.shortfall) == ("gold", 990)

    def test_several_changes_in_any_order(self) -> None:
        """Each day has the thresholds of its time."""
        former = [Thresholds(Ladder.of({0: "bronze", n: "silver"}), until=date(n, 1, 1)) for n in (2026, 2024, 2025)]
        tiers = TierRule(Ladder.of({0: "bronze", 1: "silver"}), window=YEAR, downgrade=Downgrade.NEVER, before=former)
        assert [one.until.year for one in tiers.before] == [2024, 2025, 2026]
        missing = [tiers.status([], day=date(year, 6, 1), calendar=PARIS).shortfall for year in (2023, 2024, 2025, 2026)]
        assert missing == [2024, 2025, 2026, 1]


class TestGrants:
    NOON = datetime(2026, 7, 1, 10, tzinfo=UTC)

    def grant(self, tier: str = "gold", *, until: datetime | None = None) -> TierGrant:
        """Grant a tier on 1 July."""
        return TierGrant(ref="g-1", tier=tier, granted_at=self.NOON, until=until, reason="moved from another shop", actor="ann")

    def test_a_grant_lifts(self) -> None:
        """From its instant to its end, and says so."""
        tiers, until = yearly(), datetime(2026, 9, 1, 10, tzinfo=UTC)
        told = [
            tiers.status([], day=PARIS.day_of(at), at=at, calendar=PARIS, grants=[self.grant(until=until)])
            for at in (self.NOON - timedelta(seconds=1), self.NOON, until - timedelta(seconds=1), until)
        ]
        assert [status.tier for status in told] == ["bronze", "gold", "gold", "bronze"]
        assert [status.granted for status in told] == [False, True, True, False]
        assert [status.kept_until for status in told] == [None, until, until, None]
        assert told[1].to_keep == 1000

    def test_by_days_it_counts_on_each_that_it_touches(self) -> None:
        """Asked without an hour."""
        tiers, until = yearly(), datetime(2026, 7, 2, 10, tzinfo=UTC)
        days = [date(2026, 6, 30), date(2026, 7, 1), date(2026, 7, 2), date(2026, 7, 3)]
        assert tiers_on(tiers, [], *days, grants=[self.grant(until=until)]) == ["bronze", "gold", "gold", "bronze"]
        midnight = PARIS.first_instant(date(2026, 7, 2))
        assert tiers_on(tiers, [], *days, grants=[self.grant(until=midnight)]) == ["bronze", "gold", "bronze", "bronze"]
        assert tiers_on(tiers, [], *days, grants=[self.grant(until=self.NOON)]) == ["bronze"] * 4

    def test_a_grant_touches_no_day_beside_its_own(self) -> None:
        """Neither the day that ends as it begins, nor the one that begins as it ends; an empty one touches none."""
        begins, ends = (PARIS.first_instant(date(2026, 7, day)) for day in (2, 4))
        first = TierGrant(ref="g-1", tier="gold", granted_at=begins, until=ends)
        days = [date(2026, 7, day) for day in (1, 2, 3, 4)]
        assert tiers_on(yearly(), [], *days, grants=[first]) == ["bronze", "gold", "gold", "bronze"]
        again = TierGrant(ref="g-2", tier="gold", granted_at=PARIS.first_instant(date(2026, 7, 5)))
        found = yearly().entries([], day=date(2026, 7, 9), calendar=PARIS, grants=[first, again])
        assert [one.day.day for one in found if one.tier == "gold"] == [2, 5]
        empty = attrs.evolve(first, until=begins)
        assert yearly().entries([], day=date(2026, 7, 9), calendar=PARIS, grants=[empty]) == ()

    def test_a_grant_of_what_will_take_something(self) -> None:
        """Nobody knows the member: the grant alone keeps the tier when thresholds rise."""
        tiers = TierRule(
            THREE,
            window=YEAR,
            downgrade=Downgrade.ONE_STEP,
            before=[Thresholds(Ladder.of({0: "silver", 1000: "gold"}), until=date(2026, 8, 1))],
        )
        until = datetime(2026, 9, 1, tzinfo=UTC)
        told = [
            tiers.status([], day=date(2026, 7, 2), calendar=PARIS, grants=grants).kept_until
            for grants in ([], [self.grant("silver", until=until)])
        ]
        assert told == [PARIS.first_instant(date(2026, 8, 1)), until]

    def test_a_grant_without_an_end(self) -> None:
        """Holds until it is ended."""
        status = yearly().status([], day=date(2046, 1, 1), calendar=PARIS, grants=[self.grant()])
        assert (status.tier, status.granted, status.kept_until, status.to_keep) == ("gold", True, None, None)

    def test_a_lower_grant_changes_nothing(self) -> None:
        """It lifts to at least there."""
        known, day = spent((date(2026, 7, 1), 1000)), date(2026, 7, 2)
        without, lower, same = (
            yearly().status(known, day=day, calendar=PARIS, grants=grants)
            for grants in ([], [self.grant("silver")], [self.grant("gold", until=datetime(2029, 1, 1, tzinfo=UTC))])
        )
        assert attrs.astuple(without) == attrs.astuple(lower)
        assert (same.granted, same.kept_until) == (False, datetime(2029, 1, 1, tzinfo=UTC))
        shorter = self.grant("gold", until=datetime(2027, 1, 1, tzinfo=UTC))
        assert yearly().status(known, day=day, calendar=PARIS, grants=[shorter]) == without

    def test_what_was_earned_takes_over(self) -> None:
        """A tier that begins before the grant is over goes on; one that begins later does not."""
        tiers, known = yearly(upgrade=Upgrade.NEXT_PERIOD), spent((date(2026, 3, 1), 1000))
        new_year = PARIS.first_instant(date(2027, 1, 1))
        ends = [new_year - timedelta(seconds=1), new_year, None]
        told = [
            tiers.status(known, day=date(2026, 8, 1), calendar=PARIS, grants=[self.grant(until=until)]).kept_until
            for until in ends
        ]
        assert told == [ends[0], PARIS.first_instant(date(2028, 1, 1)), None]
        never = attrs.evolve(tiers, downgrade=Downgrade.NEVER)
        status = never.status(known, day=date(2026, 8, 1), calendar=PARIS, grants=[self.grant(until=new_year)])
        assert (status.granted, status.kept_until) == (True, None)
        known = spent((date(2026, 3, 1), 1))
        early, late = (
            tiers.status(known, day=date(2026, 8, 1), calendar=PARIS, grants=[self.grant(until=until)]).to_keep
            for until in ends[:2]
            if until is not None
        )
        assert (early, late) == (None, 999)

    def test_of_several_the_longest(self) -> None:
        """Two grants of one tier hold as long as the longer."""
        other = attrs.evolve(self.grant(until=datetime(2026, 12, 1, tzinfo=UTC)), ref="g-2")
        grants = [self.grant(until=datetime(2026, 9, 1, tzinfo=UTC)), other, self.grant("silver")]
        why = yearly().explain([], day=date(2026, 7, 2), calendar=PARIS, grants=grants)
        assert why.status.kept_until == other.until
        assert (why.reached, why.reached_on, [grant.until for grant in why.grants]) == (
            None,
            None,
            [other.until, grants[0].until],
        )

    def test_what_keeps_it(self) -> None:
        """Where the window holds the tier still, anything does; where the tier is not there yet, nothing does."""
        tiers, known = TierRule(THREE, window=YEAR, downgrade=Downgrade.ONE_STEP), spent((date(2026, 4, 1), 1200))
        days = (date(2026, 4, 1), date(2026, 4, 2), date(2027, 4, 1), date(2027, 4, 2))
        assert [tiers.status(known, day=day, calendar=PARIS).to_keep for day in days] == [None, 1, 1, 300]
        later = [Thresholds(Ladder.of({0: "bronze", 1000: "gold"}), until=date(2027, 1, 1))]
        granted = self.grant("silver", until=datetime(2026, 9, 1, tzinfo=UTC))
        status = attrs.evolve(tiers, before=later).status([], day=date(2026, 7, 2), calendar=PARIS, grants=[granted])
        assert (status.tier, status.kept_until, status.to_keep) == ("silver", granted.until, None)

    def test_the_longest_of_all(self) -> None:
        """A grant without an end has none beside another; what was earned shortens no grant."""
        long, known = datetime(2029, 7, 1, tzinfo=UTC), spent((date(2026, 3, 1), 1000))
        grants = [self.grant(until=long), attrs.evolve(self.grant(), ref="g-2")]
        assert yearly().status([], day=date(2026, 8, 1), calendar=PARIS, grants=grants).kept_until is None
        tiers = yearly(upgrade=Upgrade.NEXT_PERIOD)
        assert tiers.status(known, day=date(2026, 8, 1), calendar=PARIS, grants=grants[:1]).kept_until == long

    def test_a_tier_that_is_no_more(self) -> None:
        """A grant of a tier that left the program lifts nobody."""
        status = yearly().status([], day=date(2026, 7, 2), calendar=PARIS, grants=[self.grant("diamond")])
        assert (status.tier, status.granted) == ("bronze", False)
        told = {"day": date(2026, 7, 2), "calendar": PARIS, "joined_on": date(2026, 1, 1), "grants": [self.grant("diamond")]}
        assert yearly().entries([], **told) == (TierEntry("bronze", date(2026, 1, 1)),)  # type: ignore[arg-type]


class TestEntries:
    def told(self, rule: TierRule, history: list[Qualifying], day: date, **more: Any) -> list[tuple[str, date]]:  # noqa: ANN401  # of the call
        """Give entries as pairs."""
        return [(one.tier, one.day) for one in rule.entries(history, day=day, calendar=PARIS, **more)]

    def test_a_jump_enters_each(self) -> None:
        """From nothing to gold is two tiers beyond the one that takes nothing."""
        day = date(2026, 4, 1)
        expected = [("bronze", day), ("silver", day), ("gold", day)]
        assert self.told(yearly(), spent((day, 1000)), day) == expected
        joined = date(2026, 1, 5)
        assert self.told(yearly(), spent((day, 1000)), day, joined_on=joined) == [("bronze", joined), *expected[1:]]
        assert self.told(yearly(), spent((day, 1000)), day - DAY, joined_on=joined) == [("bronze", joined)]
        assert self.told(yearly(), [], day) == []

    def test_again_after_it_fell(self) -> None:
        """Reached again in time it is not entered again; after it fell it is."""
        tiers = TierRule(THREE, window=YEAR, downgrade=Downgrade.ONE_STEP)
        first, again = date(2026, 4, 1), date(2027, 4, 2)
        known = spent((first, 300), (again, 300))
        assert self.told(tiers, known, again)[1:] == [("silver", first)]
        known = spent((first, 300), (again + DAY, 300))
        assert self.told(tiers, known, again + DAY)[1:] == [("silver", first), ("silver", again + DAY)]

    def test_the_next_period_enters_on_its_first_day(self) -> None:
        """Not when it was reached."""
        tiers, known = yearly(upgrade=Upgrade.NEXT_PERIOD), spent((date(2026, 4, 1), 1000))
        assert self.told(tiers, known, date(2026, 12, 31)) == [("bronze", date(2026, 4, 1))]
        new_year = date(2027, 1, 1)
        assert self.told(tiers, known, new_year)[1:] == [("silver", new_year), ("gold", new_year)]

    def test_by_a_grant(self) -> None:
        """A grant enters too, and again after a gap."""
        grants = [
            TierGrant(ref=str(month), tier="silver", granted_at=datetime(2026, month, 1, 10, tzinfo=UTC), until=until)
            for month, until in [(3, datetime(2026, 4, 1, tzinfo=UTC)), (6, None)]
        ]
        found = self.told(yearly(), [], date(2026, 12, 31), joined_on=date(2026, 1, 1), grants=grants)
        assert found == [("bronze", date(2026, 1, 1)), ("silver", date(2026, 3, 1)), ("silver", date(2026, 6, 1))]
        assert self.told(yearly(), [], date(2026, 12, 31), grants=grants)[0] == ("bronze", date(2026, 3, 1))


class TestExplained:
    def test_what_carries_and_what_else(self) -> None:
        """The longest first, each with its window, its steps and its end."""
        tiers = TierRule(THREE, window=YEAR, downgrade=Downgrade.ONE_STEP)
        known = spent((date(2025, 1, 1), 1000), (date(2026, 2, 1), 300))
        why = tiers.explain(known, day=date(2026, 3, 1), calendar=PARIS)
        assert why.status.tier == "silver"
        assert why.reached is not None
        assert (why.reached_on, why.reached.tier, why.reached.lowered) == (date(2026, 2, 1), "silver", 0)
        assert why.reached.window_starts_on == date(2025, 2, 1)
        assert why.reached.kept_until == why.status.kept_until == PARIS.first_instant(date(2027, 2, 2))
        (other,) = why.others
        assert (other.day, other.tier, other.lowered, other.begins_on) == (date(2025, 1, 1), "gold", 1, date(2025, 1, 1))
        assert other.kept_until == PARIS.first_instant(date(2027, 1, 2))

    def test_what_takes_nothing_is_carried_by_nothing(self) -> None:
        """Bronze is everybody's."""
        why = yearly().explain(spent((date(2026, 1, 1), 5)), day=date(2026, 2, 1), calendar=PARIS)
        assert (why.status.tier, why.reached, why.others, why.grants) == ("bronze", None, (), ())
        why = TierRule(Ladder.of({5: "silver"}), window=YEAR, downgrade=Downgrade.NEVER).explain([], day=START, calendar=PARIS)
        assert (why.status.tier, why.reached) == (None, None)

    def test_lifetime_has_no_first_day(self) -> None:
        """All days count."""
        tiers = TierRule(THREE, window=Lifetime(), downgrade=Downgrade.NEVER)
        reach = tiers.explain(spent((START, 300)), day=START, calendar=PARIS).reached
        assert reach is not None
        assert (reach.window_starts_on, reach.kept_until) == (None, None)

    def test_the_next_period_begins_later(self) -> None:
        """Reached in one year, held in the next."""
        tiers = yearly(upgrade=Upgrade.NEXT_PERIOD)
        reach = tiers.explain(spent((date(2026, 4, 1), 300)), day=date(2027, 1, 1), calendar=PARIS).reached
        assert reach is not None
        assert (reach.day, reach.begins_on) == (date(2026, 4, 1), date(2027, 1, 1))


class TestProjected:
    def test_falls_if_nothing_more_comes(self) -> None:
        """The tier then, what the window will hold then, and how far the tier of today will be."""
        tiers = TierRule(THREE, window=YEAR, downgrade=Downgrade.ONE_STEP)
        known = spent((date(2026, 4, 1), 250), (date(2026, 6, 1), 60), (date(2027, 1, 1), 500))
        today = {"day": date(2026, 12, 1), "calendar": PARIS}
        later = tiers.project(known, on=date(2027, 6, 2), **today)  # type: ignore[arg-type]
        assert (later.tier, later.metric, later.shortfall) == ("bronze", 0, 300)
        last = tiers.project(known, on=date(2027, 6, 1), **today)  # type: ignore[arg-type]
        assert (last.tier, last.metric, last.to_keep) == ("silver", 60, 240)

    def test_grants_to_come_are_not_known(self) -> None:
        """Those of later days are passed over."""
        grant = TierGrant(ref="g", tier="gold", granted_at=datetime(2026, 7, 2, 10, tzinfo=UTC))
        told = {"on": date(2026, 7, 9), "calendar": PARIS, "grants": [grant]}
        found = [yearly().project([], day=date(2026, 7, day), **told).tier for day in (1, 2)]  # type: ignore[arg-type]
        assert found == ["bronze", "gold"]

    def test_refused(self) -> None:
        """Not backwards; and nothing but an event may be added."""
        with pytest.raises(UsageError, match=r"^on must not be before 2026-07-02, got 2026-07-01"):
            yearly().project([], day=date(2026, 7, 2), on=date(2026, 7, 1), calendar=PARIS)
        assert yearly().project([], day=START, on=START, calendar=PARIS).tier == "bronze"
        adding: Any = 300
        with pytest.raises(UsageError, match=r"^adding must be of type Qualifying"):
            yearly().project([], day=START, on=START, adding=adding, calendar=PARIS)


class TestTally:
    def test_is_short(self) -> None:
        """A hundred thousand orders come to one day for each tier and the sums of one window."""
        tiers = TierRule(THREE, window=Period(days=10), downgrade=Downgrade.ONE_STEP)
        known = [Qualifying(day=START + (n % 1000) * DAY, units=1) for n in range(100_000)]
        tally = tiers.tally(known, through=START + 999 * DAY)
        assert [(one.index, one.metric) for one in tally.reached] == [(1, 200), (2, 900), (3, 1100)]
        assert tally.total == 1100
        assert list(read_sums(tally.sums)) == [(START + n * DAY, 100) for n in range(989, 1000)]
        assert (tally.first_on, tally.joined_on) == (START, None)
        whole = yearly().tally(known, through=START + 999 * DAY)
        assert (whole.total, list(read_sums(whole.sums))) == (27000, [(START + 999 * DAY, 27000)])

    @pytest.mark.parametrize(
        "change,message",
        [
            ({"day": date(2026, 6, 29)}, "a tally through 2026-06-30 says nothing of 2026-06-29"),
            ({"history": [Qualifying(day=date(2026, 6, 30), units=1)]}, "history must hold only what is after the tally"),
            ({"joined_on": date(2026, 1, 1)}, "tally must be made with the same day of joining, got None and 2026-01-01"),
            ({"tally": "no tally"}, "tally must be of type TierTally"),
        ],
    )
    def test_refused(self, change: dict[str, Any], message: str) -> None:
        """What it cannot answer, or what would count twice."""
        tiers = TierRule(THREE, window=MembershipYears(), downgrade=Downgrade.ONE_STEP)
        tally = tiers.tally([], through=date(2026, 6, 30))
        told: dict[str, Any] = {"history": [], "day": date(2026, 6, 30), "calendar": PARIS, "tally": tally}
        assert tiers.status(**told).tier == "bronze"
        with pytest.raises(UsageError, match=f"^{message}"):
            tiers.status(**{**told, **change})
        changed = attrs.evolve(yearly(), before=[Thresholds(THREE, until=START)])
        told["tally"] = changed.tally([], through=date(2026, 6, 30), joined_on=date(2026, 1, 1))
        with pytest.raises(UsageError, match=r"^tally must be made with the same day of joining, got 2026-01-01 and None"):
            changed.status(**told)
        with pytest.raises(UsageError, match=r"^tally must be of this rule"):
            attrs.evolve(tiers, ladder=Ladder.of({1: "bronze"})).status(**told)

    def test_every_question_knows_the_day_of_joining(self) -> None:
        """Two purchases of one calendar year, and of two years of a membership: status, entries, reasons and tallies agree."""
        tiers = TierRule(Ladder.of({0: "bronze", 300: "silver"}), window=MembershipYears(), downgrade=Downgrade.REASSESS)
        known = [Qualifying(day=date(2026, 3, 10), units=200), Qualifying(day=date(2026, 3, 20), units=200)]
        last = date(2026, 4, 1)
        for joined_on, tier in ((None, "silver"), (date(2025, 3, 15), "bronze"), (date(2025, 3, 25), "silver")):
            of: dict[str, Any] = {"day": last, "calendar": PARIS, "joined_on": joined_on}
            assert tiers.status(known, **of).tier == tier
            assert tiers.entries(known, **of)[-1].tier == tier
            answer = tiers.explain(known, **of)
            assert (answer.status.tier, answer.reached is None) == (tier, tier == "bronze")
            whole = tiers.tally(known, through=last, joined_on=joined_on)
            first = tiers.tally(known[:1], through=date(2026, 3, 19), joined_on=joined_on)
            assert tiers.tally(known[1:], through=last, joined_on=joined_on, tally=first) == whole
            assert tiers.status([], **of, tally=whole).tier == tier
            assert [one.index for one in whole.reached] == ([1, 2] if tier == "silver" else [1])

    def test_nothing_counts_twice(self) -> None:
        """What a tally holds is refused beside it, whatever is asked."""
        tiers, known = yearly(), [Qualifying(day=date(2026, 6, 30), units=1)]
        tally = tiers.tally(known, through=date(2026, 6, 30))
        of: dict[str, Any] = {"day": date(2026, 7, 1), "calendar": PARIS, "tally": tally}
        for ask in (tiers.status, tiers.entries, tiers.explain):
            with pytest.raises(UsageError, match=r"^history must hold only what is after the tally"):
                ask(known, **of)
        with pytest.raises(UsageError, match=r"^history must hold only what is after the tally"):
            tiers.tally(known, through=date(2026, 7, 1), tally=tally)

    def test_what_does_not_count_may_be_of_any_day(self) -> None:
        """Another metric is passed over."""
        tiers = yearly()
        tally = tiers.tally([], through=date(2026, 6, 30), joined_on=date(2026, 1, 1))
        other = [Qualifying(day=date(2026, 1, 1), units=1, metric=Metric.POINTS)]
        assert tiers.status(other, day=date(2026, 7, 1), calendar=PARIS, tally=tally).metric == 0

    def test_digest(self) -> None:
        """Changes with everything that a tally depends on, and not with what tiers give."""
        base = yearly()
        others = [
            attrs.evolve(base, ladder=Ladder.of({0: "bronze", 301: "silver", 1000: "gold"})),
            attrs.evolve(base, window=CalendarYears(YearDay(4, 1))),
            attrs.evolve(base, window=Rolling(YEAR)),
            attrs.evolve(base, downgrade=Downgrade.NEVER),
            attrs.evolve(base, metric=Metric.ORDERS),
            attrs.evolve(base, metric=Mix({Metric.ORDERS: Rate.times(1)})),
            attrs.evolve(base, account="status"),
            attrs.evolve(base, upgrade=Upgrade.NEXT_PERIOD),
            attrs.evolve(base, grace=YEAR),
            attrs.evolve(base, before=[Thresholds(THREE, until=START)]),
        ]
        assert len({rule.tally_digest for rule in [base, *others]}) == len(others) + 1
        assert attrs.evolve(base, benefits={"gold": TierBenefits(perks=["a"])}).tally_digest == base.tally_digest
        assert pickle.loads(pickle.dumps(base)).tally_digest == base.tally_digest == yearly().tally_digest


class TestBenefits:
    RULE = yearly(
        benefits={
            "silver": TierBenefits(perks=["early-access"], entry_gift=BonusPoints(200), expires=UntilDay(START)),
            "gold": TierBenefits(perks=["free-returns"], expires=None),
        }
    )

    def test_each_tier_has_its_own(self) -> None:
        """Nothing is handed down."""
        known = spent((date(2026, 4, 1), 300), (date(2026, 5, 1), 700))
        perks = [
            self.RULE.status(known, day=day, calendar=PARIS).perks
            for day in (date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 1))
        ]
        assert perks == [frozenset(), {"early-access"}, {"free-returns"}]
        assert self.RULE.benefits_of("silver").entry_gift == BonusPoints(200)
        assert self.RULE.benefits_of(None) == self.RULE.benefits_of("bronze") == TierBenefits()

    def test_when_points_end(self) -> None:
        """A tier may end them later, or never, or say nothing."""
        rule = Term(YEAR)
        found = [self.RULE.expires_in(tier, rule) for tier in (None, "bronze", "silver", "gold")]
        assert found == [rule, rule, UntilDay(START), None]


class TestRule:
    @pytest.mark.parametrize(
        "change,message",
        [
            ({"ladder": THREE.rungs}, "ladder must be of type Ladder"),
            ({"ladder": Ladder([Rung(0, "a"), Rung(1, "a")])}, "tiers must have names of their own, got 'a' twice"),
            ({"window": 12}, "window must be a Period or one of the windows"),
            ({"downgrade": "never"}, "downgrade must be one of one step, reassess, never, as Downgrade"),
            ({"upgrade": "at once"}, "upgrade must be one of at once, next period, as Upgrade"),
            ({"metric": "spend"}, "metric must be a Metric or a Mix, got 'spend'"),
            ({"account": "my points"}, "account must be"),
            ({"grace": 30}, "grace must be of type Period"),
            ({"window": Lifetime(), "upgrade": Upgrade.NEXT_PERIOD}, "upgrade at the next period needs years or months"),
            ({"window": YEAR, "upgrade": Upgrade.NEXT_PERIOD}, "upgrade at the next period needs years or months"),
            ({"before": [THREE]}, "each of before must be of type Thresholds"),
            (
                {"before": [Thresholds(THREE, until=START)] * 2},
                "before must say one ladder for each day, got two until 2026-01-01",
            ),
            (
                {"before": [Thresholds(Ladder.of({0: "tin"}), until=START)]},
                "the tiers before 2026-01-01 must be among bronze, silver, gold, in this order, got tin",
            ),
            (
                {"before": [Thresholds(Ladder.of({0: "silver", 1: "bronze"}), until=START)]},
                "the tiers before 2026-01-01 must be among bronze, silver, gold, in this order, got silver, bronze",
            ),
            (
                {"before": [Thresholds(THREE, until=START + n * DAY) for n in range(BEFORE_LIMIT + 1)]},
                "before must be at most 100 in number",
            ),
            ({"benefits": {"tin": TierBenefits()}}, "benefits must be of the tiers bronze, silver, gold, got 'tin'"),
            ({"benefits": {"gold": ["perk"]}}, "the benefits of gold must be of type TierBenefits"),
            ({"benefits": [TierBenefits()]}, "benefits must be a mapping"),
        ],
    )
    def test_refused(self, change: dict[str, Any], message: str) -> None:
        """What does not go together, or is of another kind."""
        told: dict[str, Any] = {"ladder": THREE, "window": CalendarYears(), "downgrade": Downgrade.ONE_STEP}
        with pytest.raises(UsageError, match=f"^{message}"):
            TierRule(**{**told, **change})

    def test_asked_for_no_day(self) -> None:
        """An instant is no day."""
        day: Any = datetime(2026, 7, 1, tzinfo=UTC)
        for ask in (yearly().status, yearly().entries, yearly().explain):
            with pytest.raises(UsageError, match=r"^day must be a date"):
                ask([], day=day, calendar=PARIS)
        with pytest.raises(UsageError, match=r"^day must be a date"):
            yearly().project([], day=day, on=START, calendar=PARIS)
        with pytest.raises(UsageError, match=r"^joined_on must be a date"):
            TierRule(THREE, window=MembershipYears(), downgrade=Downgrade.NEVER).status(
                [], day=START, calendar=PARIS, joined_on=day
            )

    def test_survives_pickle(self) -> None:
        """It travels with the program."""
        tiers = yearly(benefits={"gold": TierBenefits(perks=["a"])}, grace=YEAR)
        assert pickle.loads(pickle.dumps(tiers)) == tiers
        assert hash(tiers) == hash(attrs.evolve(tiers))

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(
            TierRule,
            ladder=THREE,
            window=CalendarYears(),
            downgrade=Downgrade.NEVER,
            metric=Metric.SPEND,
            account="points",
            upgrade=Upgrade.AT_ONCE,
            grace=None,
            before=(),
            benefits={},
        )
