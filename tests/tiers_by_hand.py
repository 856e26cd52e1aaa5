"""Where a member stands, told the long way: day by day, straight from the closed form, with no code of the library's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

import attrs
from dateutil.relativedelta import relativedelta
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from loyaltycore.periods import Calendar, Period, YearDay
from loyaltycore.quantities import Rate
from loyaltycore.tiers import (
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
    Thresholds,
    TierGrant,
    TierRule,
    TierStatus,
    TierWindow,
    Upgrade,
)

__all__ = ["DAY", "PARIS", "START", "Known", "Naive", "index_of", "known", "qualifyings", "rules", "whole"]

PARIS = Calendar("Europe/Paris")
DAY = timedelta(days=1)
START = date(2024, 1, 20)
NEVER = date(9000, 1, 1)
NAMES = ("bronze", "silver", "gold", "platinum")

WINDOWS: tuple[tuple[TierWindow, int], ...] = (
    (Rolling(Period(days=7)), 40),
    (Rolling(Period(months=1)), 150),
    (Rolling(Period(weeks=1, days=3)), 60),
    (Rolling(Period(months=1, days=2)), 150),
    (Rolling(Period(years=1)), 1500),
    (CalendarMonths(1), 150),
    (CalendarMonths(3), 500),
    (CalendarYears(), 1500),
    (CalendarYears(YearDay(2, 29)), 1500),
    (CalendarYears(YearDay(4, 1), years=2), 2500),
    (MembershipYears(), 1500),
    (MembershipYears(2), 2500),
    (Lifetime(), 400),
)
"""Windows, each with the days over which its story is told."""

GRACES = (None, None, Period(days=1), Period(days=10), Period(months=1), Period(years=1))


class Known(NamedTuple):
    """A rule, and what is known of a member.

    Attributes:
        rule: The rule.
        history: What counts.
        joined_on: The day of joining.
        grants: What was granted by hand.
        days: How long the story is.
    """

    rule: TierRule
    history: list[Qualifying]
    joined_on: date | None
    grants: list[TierGrant]
    days: int


class Naive:
    """Answers about one member, each from nothing but the rule and what is known.

    Nothing is kept between two questions but the borders of the windows.
    """

    def __init__(self, known: Known) -> None:
        """Take a member."""
        self.rule, self.joined_on, self.grants = known.rule, known.joined_on, known.grants
        self.counted = [(event.day, units) for event in known.history if (units := self.units(event))]
        self.starts = list(self._starts())

    def units(self, event: Qualifying) -> int:
        """Say what an event counts."""
        if isinstance(self.rule.metric, Metric):
            return event.units if event.metric is self.rule.metric else 0
        return int(event.units * self.rule.metric.weights[event.metric].factor) if event.metric in self.rule.metric.weights else 0

    def _starts(self) -> Iterable[date]:
        match self.rule.window:
            case CalendarYears() as window:
                anchor, months = window.starts.on_or_after(date(2000, 1, 1)), 12 * window.years
            case CalendarMonths() as window:
                anchor, months = date(2000, 1, 1), window.months
            case MembershipYears() as window:
                anchor, months = self.joined_on or date(2000, 1, 1), 12 * window.years
            case _:
                return []
        return [anchor + relativedelta(months=months * number) for number in range(-300 // months, 900 // months)]

    def window_of(self, day: date) -> int:
        """Number the window of a day."""
        return max(number for number, start in enumerate(self.starts) if start <= day)

    def metric(self, day: date) -> int:
        """Add up what the window of a day holds."""
        match self.rule.window:
            case Rolling(period):
                return sum(units for when, units in self.counted if when <= day <= period.after(when))
            case Lifetime():
                return sum(units for when, units in self.counted if when <= day)
        return sum(units for when, units in self.counted if when <= day and self.window_of(when) == self.window_of(day))

    def ladder(self, day: date) -> dict[str, int]:
        """Give the thresholds in force on a day."""
        for one in sorted(self.rule.before, key=lambda one: one.until):
            if day < one.until:
                return {rung.value: rung.threshold for rung in one.ladder.rungs}
        return {rung.value: rung.threshold for rung in self.rule.ladder.rungs}

    def index(self, metric: int, ladder: dict[str, int]) -> int:
        """Count the tiers of today up to the best that a number has."""
        return max([0, *[self.rule.tiers.index(name) + 1 for name, least in ladder.items() if metric >= least]])

    def reached(self, day: date, as_known_on: date) -> list[tuple[int, date]]:
        """Give what one day reached, each with its first day."""
        found = []
        metric, ladder = self.metric(day), self.ladder(day)
        waits = self.rule.upgrade is Upgrade.NEXT_PERIOD
        begins = self.starts[self.window_of(day) + 1] if waits else day
        if any(when == day for when, _ in self.counted):
            found.append((self.index(metric, ladder), begins))
        if any(one.until == day for one in self.rule.before) and metric:
            former = self.ladder(day - DAY)
            easier = {name: least for name, least in ladder.items() if name not in former or former[name] > least}
            found.append((self.index(metric, easier), begins))
        if any(one.until == day + DAY for one in self.rule.before):
            known = [when for when, _ in self.counted if when <= as_known_on]
            if any(when <= day for when in [*known, *([self.joined_on] if self.joined_on else [])]):
                found.append((self.index(0, ladder), day))
        return found

    def kept_through(self, day: date, count: int, *, graced: bool = True) -> date:
        """Give the last day of the count-th stretch for which something is kept."""
        if self.rule.downgrade is Downgrade.NEVER or isinstance(self.rule.window, Lifetime):
            return NEVER
        if isinstance(self.rule.window, Rolling):
            last = self.rule.window.period.after(day, count=count)
        else:
            last = self.starts[self.window_of(day) + 1 + count] - DAY
        return last if self.rule.grace is None or not graced else self.rule.grace.after(last)

    def earned(self, day: date, *, graced: bool = True, as_known_on: date | None = None) -> int:
        """Give the tier on a day, without grants."""
        best = self.index(0, self.ladder(day))
        looked = {when for when, _ in self.counted} | {one.until for one in self.rule.before}
        looked |= {one.until - DAY for one in self.rule.before}
        for since in sorted(one for one in looked if one <= day):
            for index, begins in self.reached(since, as_known_on or day):
                if begins > day:
                    continue
                lost = sum(self.kept_through(since, count, graced=graced) < day for count in range(1, len(NAMES) + 1))
                if lost and self.rule.downgrade is Downgrade.REASSESS:
                    lost = index
                best = max(best, index - lost)
        return best

    def granted(self, day: date) -> int:
        """Give the best tier granted for some of a day."""
        starts, ends = (PARIS.first_instant(one) for one in (day, day + DAY))
        held = [
            one.tier
            for one in self.grants
            if one.granted_at < ends and (one.until is None or max(one.granted_at, starts) < one.until)
        ]
        return max([0, *[self.rule.tiers.index(tier) + 1 for tier in held]])

    def stands(self, day: date) -> int:
        """Give the tier on a day."""
        return max(self.earned(day), self.granted(day))

    def entries(self, day: date) -> list[tuple[str, date]]:
        """Go through all days and note each rise."""
        found, before = [], 0
        first = [when for when, _ in self.counted] + [
            PARIS.day_of(one.granted_at) for one in self.grants if one.until != one.granted_at
        ]
        first += [self.joined_on] if self.joined_on else []
        when = min(first, default=NEVER)
        while when <= day:
            now = self.stands(when)
            found += [(self.rule.tiers[index - 1], when) for index in range(before + 1, now + 1)]
            before, when = now, when + DAY
        return found


def index_of(rule: TierRule, status: TierStatus) -> int:
    """Give the tier of a status by its number."""
    return 0 if status.tier is None else rule.tiers.index(status.tier) + 1


def whole(status: TierStatus) -> tuple[object, ...]:
    """Give all of a status, what is not compared included."""
    return attrs.astuple(status, recurse=False)


@st.composite
def ladders(draw: DrawFn, names: Sequence[str]) -> Ladder[str]:
    """Draw a ladder of these tiers; it may start at nothing, or above."""
    steps = [draw(st.sampled_from((0, 1, 10)))]
    for _ in names[1:]:
        steps.append(steps[-1] + draw(st.sampled_from((1, 10, 25))))
    return Ladder.of(dict(zip(steps, names, strict=True)))


def offsets(days: int) -> st.SearchStrategy[date]:
    """Draw days of a story."""
    return st.integers(0, days).map(lambda days: START + days * DAY)


METRICS: st.SearchStrategy[Metric | Mix] = st.sampled_from(
    (
        Metric.SPEND,
        Metric.SPEND,
        Metric.ORDERS,
        Mix({Metric.SPEND: Rate.times(1), Metric.ORDERS: Rate.times(10)}),
        Mix({Metric.POINTS: Rate(Fraction(2, 3)), Metric.REFERRALS: Rate.times(7)}),
    )
)


def qualifyings(rule: TierRule, days: int, *, least: int = 0) -> st.SearchStrategy[Qualifying]:
    """Draw what counts, mostly of the metric that the rule asks for."""
    units = st.sampled_from((least, 1, 5, 9, 10, 25, 60))
    return st.builds(Qualifying, day=offsets(days), units=units, metric=st.sampled_from((*rule.metrics, *rule.metrics, *Metric)))


@st.composite
def rules(draw: DrawFn) -> tuple[TierRule, int]:
    """Draw a rule out of everything that can be combined, and how long its story is."""
    window, days = draw(st.sampled_from(WINDOWS))
    waits = draw(st.booleans()) and not isinstance(window, Rolling | Lifetime)
    names = NAMES[: draw(st.integers(1, len(NAMES)))]
    former = [
        Thresholds(draw(ladders(sorted(draw(st.sets(st.sampled_from(names), min_size=1)), key=names.index))), until=until)
        for until in draw(st.lists(offsets(days), max_size=2, unique=True))
    ]
    rule = TierRule(
        draw(ladders(names)),
        window=window,
        downgrade=draw(st.sampled_from(Downgrade)),
        metric=draw(METRICS),
        upgrade=Upgrade.NEXT_PERIOD if waits else Upgrade.AT_ONCE,
        grace=draw(st.sampled_from(GRACES)),
        before=former,
    )
    return rule, days


@st.composite
def grants(draw: DrawFn, rule: TierRule, days: int) -> TierGrant:
    """Draw a grant that begins and ends at some hour."""
    seconds = days * 86400
    granted_at = datetime(2024, 1, 20, tzinfo=UTC) + timedelta(seconds=draw(st.integers(0, seconds)))
    lasts = draw(st.none() | st.integers(0, seconds).map(lambda one: timedelta(seconds=one)))
    until = None if lasts is None else granted_at + lasts
    return TierGrant(ref="g", tier=draw(st.sampled_from(rule.tiers)), granted_at=granted_at, until=until)


@st.composite
def known(draw: DrawFn, *, granted: bool = True) -> Known:
    """Draw a rule and a member."""
    rule, days = draw(rules())
    history = draw(st.lists(qualifyings(rule, days), max_size=6))
    joined_on = draw(st.none() | offsets(days))
    given = draw(st.lists(grants(rule, days), max_size=2)) if granted and draw(st.booleans()) else []
    return Known(rule, history, joined_on, given, days)
