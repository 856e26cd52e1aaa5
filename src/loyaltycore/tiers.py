"""Membership tiers: a ladder of what counts within a window, and what was reached is kept for as long.

What counts is spend, orders, earned points, friends brought, or a mix of them. A tier is reached on a day, begins at once or
with the next window, and is kept; then it falls as the rule says. Whatever is asked, nothing is ever posted: a tier is worked out
from what is known.

Invariants:
    1. The status on a day is a function of what is known then; asking changes nothing.
    2. More of what counts never lowers the tier on any date.
    3. A tier reached at ``s`` is kept through the window that starts at ``s`` (rolling), or through the end of the next one
       (years and months), and a grace; then it falls by one step for each whole window without reaching it again, or to what
       was reached since, or never.
    4. Thresholds that change take nothing away that was reached under the former ones.
    5. A grant lifts, and never lowers.
    6. A tally and what came after it give the same answers as the whole history.

>>> from datetime import UTC, date, datetime
>>> ladder = Ladder.of({0: "bronze", 30000: "silver", 100000: "gold"})
>>> tiers = TierRule(ladder, window=Period(months=12), downgrade=Downgrade.ONE_STEP)
>>> paris = Calendar("Europe/Paris")
>>> spring = [Qualifying(day=date(2026, 4, 1), units=120000)]
>>> [tiers.status(spring, day=day, calendar=paris).tier for day in (date(2026, 4, 1), date(2027, 4, 2), date(2028, 4, 2))]
['gold', 'silver', 'bronze']
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Final, final

import attrs

from loyaltycore._checks import check_day, check_instant, check_kind, check_mapping, check_several, shown
from loyaltycore._frozen import FrozenMap
from loyaltycore._tier_grant import TierGrant
from loyaltycore._tier_status import Course, Standing, stretches_of
from loyaltycore._tier_values import (
    AsRules,
    Downgrade,
    Metric,
    Mix,
    Qualifying,
    Reach,
    Thresholds,
    TierAnswer,
    TierBenefits,
    TierEntry,
    TierReach,
    TierStatus,
    TierTally,
    Upgrade,
    check_tiers,
    sums_text,
)
from loyaltycore._tier_windows import (
    FOREVER,
    CalendarMonths,
    CalendarYears,
    Lifetime,
    MembershipYears,
    Rolling,
    TierWindow,
    check_window,
    frame_of,
)
from loyaltycore.errors import UsageError
from loyaltycore.identity import check_slug
from loyaltycore.ladders import Ladder, Rung
from loyaltycore.periods import Calendar, Expires, Period
from loyaltycore.wire import digest, plain

__all__ = [
    "BEFORE_LIMIT",
    "AsRules",
    "CalendarMonths",
    "CalendarYears",
    "Downgrade",
    "Ladder",
    "Lifetime",
    "MembershipYears",
    "Metric",
    "Mix",
    "Qualifying",
    "Reach",
    "Rolling",
    "Rung",
    "Thresholds",
    "TierAnswer",
    "TierBenefits",
    "TierEntry",
    "TierGrant",
    "TierReach",
    "TierRule",
    "TierStatus",
    "TierTally",
    "TierWindow",
    "Upgrade",
]

BEFORE_LIMIT: Final = 100
"""Earlier ladders of one rule: a change every year for as long as anybody shops."""

_DAY: Final = timedelta(days=1)
_TICK: Final = timedelta(microseconds=1)
_NO_BENEFITS: Final = TierBenefits()
_SOME_DAY: Final = date(2000, 1, 1)


def _earlier(before: Iterable[Thresholds]) -> tuple[Thresholds, ...]:
    return tuple(sorted(check_several("before", before, Thresholds, limit=BEFORE_LIMIT), key=lambda one: one.until))


def _benefits(benefits: Mapping[str, TierBenefits]) -> FrozenMap[str, TierBenefits]:
    found = check_mapping("benefits", benefits, limit=1_000)
    for tier, one in found.items():
        check_kind(f"the benefits of {tier}", one, TierBenefits)
    return FrozenMap(found)


@final
@attrs.frozen
class TierRule:
    """How tiers are reached and kept, and what they give.

    Attributes:
        ladder: What each tier takes, in units of the metric (minor units of spend, orders, points, friends), with its name.
        window: Over which days things count together, and with it how long a tier is kept. A ``Period`` is a rolling one.
        downgrade: What happens when that time is over.
        metric: What counts.
        account: The account whose points count, where points do.
        upgrade: When a tier that was reached begins.
        grace: How much longer each step is kept: once, counted from the last day of its time; ``None`` is not at all.
        before: Earlier ladders, each with the day until which it held. Their tiers are among today's, in the same order.
            Where a threshold was lowered, or a tier is new, the window of the first day of that counts as a purchase on that
            day would: whoever has it stands there from then on.
        benefits: What tiers give, by name.
    """

    ladder: Ladder[str]
    window: TierWindow = attrs.field(kw_only=True, converter=check_window)
    downgrade: Downgrade = attrs.field(kw_only=True)
    metric: Metric | Mix = attrs.field(default=Metric.SPEND, kw_only=True)
    account: str = attrs.field(default="points", kw_only=True)
    upgrade: Upgrade = attrs.field(default=Upgrade.AT_ONCE, kw_only=True)
    grace: Period | None = attrs.field(default=None, kw_only=True)
    before: tuple[Thresholds, ...] = attrs.field(default=(), converter=_earlier, kw_only=True)
    benefits: FrozenMap[str, TierBenefits] = attrs.field(
        default=FrozenMap[str, TierBenefits](), converter=_benefits, kw_only=True
    )
    _names: tuple[str, ...] = attrs.field(init=False, eq=False, repr=False)
    _course: Course = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Check the names of the tiers, and what goes together."""
        names = check_tiers(self.ladder)
        check_kind("downgrade", self.downgrade, Downgrade)
        check_kind("upgrade", self.upgrade, Upgrade)
        metric: object = self.metric
        if not isinstance(metric, Metric | Mix):
            msg = f"metric must be a Metric or a Mix, got {shown(metric)}"
            raise UsageError(msg)
        check_slug("account", self.account)
        if self.grace is not None:
            check_kind("grace", self.grace, Period)
        if self.upgrade is Upgrade.NEXT_PERIOD and isinstance(self.window, Rolling | Lifetime):
            msg = "upgrade at the next period needs years or months as its window: no other has a next one"
            raise UsageError(msg)
        self._check_earlier(names)
        unknown = sorted(self.benefits.keys() - set(names))
        if unknown:
            msg = f"benefits must be of the tiers {', '.join(names)}, got {unknown[0]!r}"
            raise UsageError(msg)
        object.__setattr__(self, "_names", names)
        object.__setattr__(self, "_course", self._course_of())

    def _check_earlier(self, names: tuple[str, ...]) -> None:
        for one, following in zip(self.before, self.before[1:], strict=False):
            if one.until == following.until:
                msg = f"before must say one ladder for each day, got two until {one.until}"
                raise UsageError(msg)
        for one in self.before:
            former = check_tiers(one.ladder)
            if [name for name in names if name in former] != list(former):
                msg = f"the tiers before {one.until} must be among {', '.join(names)}, in this order, got {', '.join(former)}"
                raise UsageError(msg)

    def _course_of(self) -> Course:
        grace = self.grace
        return Course(
            frame=frame_of(self.window, joined_on=None),
            stretches=stretches_of(
                check_tiers(self.ladder), [*((one.ladder, one.until) for one in self.before), (self.ladder, FOREVER)]
            ),
            downgrade=self.downgrade,
            waits=self.upgrade is Upgrade.NEXT_PERIOD,
            grace_months=0 if grace is None else grace.years * 12 + grace.months,
            grace_days=0 if grace is None else grace.weeks * 7 + grace.days,
        )

    # ---- what it says of itself ----

    @property
    def tiers(self) -> tuple[str, ...]:
        """The names of the tiers, lowest first."""
        return self._names

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What counts, each once."""
        return (self.metric,) if isinstance(self.metric, Metric) else tuple(self.metric.weights)

    @cached_property
    def tally_digest(self) -> str:
        """A text that changes with all that a tally depends on, and not with what tiers give."""
        names = [field.name for field in attrs.fields(TierRule) if field.eq and field.name != "benefits"]
        return digest({name: plain(getattr(self, name)) for name in names}, purpose="lc.tiers")

    def benefits_of(self, tier: str | None) -> TierBenefits:
        """Say what a tier gives; without a tier it is nothing."""
        return self.benefits.get(tier, _NO_BENEFITS) if tier is not None else _NO_BENEFITS

    def expires_in(self, tier: str | None, expires: Expires) -> Expires:
        """Say when points of the main account end that are earned in a tier.

        Args:
            tier: Where the member stands; ``None`` below the first.
            expires: As the rule says that gives them.
        """
        own = self.benefits_of(tier).expires
        return expires if isinstance(own, AsRules) else own

    # ---- where a member stands ----

    def status(
        self,
        history: Iterable[Qualifying],
        *,
        day: date,
        calendar: Calendar,
        joined_on: date | None = None,
        grants: Iterable[TierGrant] = (),
        tally: TierTally | None = None,
        at: datetime | None = None,
    ) -> TierStatus:
        """Tell where a member stands on a local day.

        ``index(day) = max over days s ≤ day of index(metric(s)) − steps lost since``, where ``metric(s)`` is what the window of
        ``s`` holds, ``index`` follows the thresholds in force at ``s``, and ``s`` is a day on which something counted, the first
        one of a lower threshold, or the last one on which a tier took nothing. It is no less than what takes nothing on ``day``,
        and no less than what was granted.

        Args:
            history: What counts as known, in any order; what is of later days is passed over, and so are other metrics.
            day: The local day.
            calendar: For the instant at which the tier falls, and for grants.
            joined_on: The local day of joining; ``None`` when it is not known.
            grants: The member's, in any order. A grant of a tier that there is no more lifts nobody.
            tally: What the older part of the history comes to; then ``history`` holds only what is of later days than it.
            at: The instant of the day that is asked about: grants begin and end within a day. Without it one that touches the
                day counts.

        Raises:
            UsageError: No day; a tally of another rule or another day of joining, of a later day, or that holds a day of the
                history.

        Complexity:
            O(n + d log d) for n events on d different days.
        """
        counted, live = self._counted(history, day, tally), self._live(grants, day, calendar, at)
        if not counted and not live and tally is None and self._untouched is not None:
            return self._untouched
        course = self._of(joined_on)
        standing = course.standing(counted, day, joined_on=joined_on, tally=self._fitting(tally, day, joined_on))
        return self._told(standing, course, calendar, live)

    def project(
        self,
        history: Iterable[Qualifying],
        *,
        day: date,
        on: date,
        calendar: Calendar,
        adding: Qualifying | None = None,
        joined_on: date | None = None,
        grants: Iterable[TierGrant] = (),
        tally: TierTally | None = None,
    ) -> TierStatus:
        """Tell where a member will stand on a later day, if nothing more counts than what is said.

        Args:
            history: As for ``status``; what is of later days than ``day`` is passed over.
            day: The local day of which what is known counts.
            on: The local day that is asked about.
            calendar: As for ``status``.
            adding: What is thought to come, on its own day; ``None`` is nothing.
            joined_on: As for ``status``.
            grants: As for ``status``; those that began by ``day``.
            tally: As for ``status``.

        Raises:
            UsageError: As for ``status``; ``on`` before ``day``.

        Example:
            >>> rule = TierRule(Ladder.of({0: "bronze", 300: "silver"}), window=Period(months=12), downgrade=Downgrade.REASSESS)
            >>> known, paris = [Qualifying(day=date(2026, 4, 1), units=300)], Calendar("Europe/Paris")
            >>> later = rule.project(known, day=date(2026, 12, 1), on=date(2027, 4, 2), calendar=paris)
            >>> later.tier, later.shortfall
            ('bronze', 300)
            >>> new = Qualifying(day=date(2026, 12, 1), units=300)
            >>> rule.project(known, day=date(2026, 12, 1), on=date(2027, 4, 2), adding=new, calendar=paris).tier
            'silver'
        """
        if check_day("on", on) < check_day("day", day):
            msg = f"on must not be before {day}, got {on}"
            raise UsageError(msg)
        known = [event for event in history if event.day <= day]
        known += [] if adding is None else [check_kind("adding", adding, Qualifying)]
        granted = [grant for grant in grants if calendar.day_of(grant.granted_at) <= day]
        return self.status(known, day=on, calendar=calendar, joined_on=joined_on, grants=granted, tally=tally)

    def entries(
        self,
        history: Iterable[Qualifying],
        *,
        day: date,
        calendar: Calendar,
        joined_on: date | None = None,
        grants: Iterable[TierGrant] = (),
        tally: TierTally | None = None,
    ) -> tuple[TierEntry, ...]:
        """Give every time that the member rose into a tier, by a grant too.

        A jump over two tiers enters each of them. A tier that takes nothing is entered on the day of joining, or on the first
        day on which something counted where that is earlier. Reached again before it fell, a tier is not entered again.

        Args:
            history: As for ``status``.
            day: The last local day.
            calendar: For grants.
            joined_on: As for ``status``.
            grants: As for ``status``.
            tally: As for ``status``; then entries of later days than it alone are given.

        Returns:
            In order of days; those of one day from the lowest tier up.

        Raises:
            UsageError: As for ``status``.

        Complexity:
            O(n + d log d + d · r) for n events on d different days, and r tiers.
        """
        course, counted = self._of(joined_on), self._counted(history, day, tally)
        spans = self._spans(grants, calendar)
        return tuple(
            TierEntry(self._names[index - 1], when)
            for when, index in course.rises(counted, spans, day, joined_on=joined_on, tally=self._fitting(tally, day, joined_on))
        )

    def explain(
        self,
        history: Iterable[Qualifying],
        *,
        day: date,
        calendar: Calendar,
        joined_on: date | None = None,
        grants: Iterable[TierGrant] = (),
        tally: TierTally | None = None,
        at: datetime | None = None,
    ) -> TierAnswer:
        """Tell why a member stands where he does on a local day: what carries the tier, and what else would.

        Args:
            history: As for ``status``.
            day: As for ``status``.
            calendar: As for ``status``.
            joined_on: As for ``status``.
            grants: As for ``status``.
            tally: As for ``status``.
            at: As for ``status``.

        Raises:
            UsageError: As for ``status``.

        Complexity:
            As ``status``.

        Example:
            >>> rule = TierRule(Ladder.of({0: "bronze", 300: "silver"}), window=Period(months=12), downgrade=Downgrade.REASSESS)
            >>> known = [Qualifying(day=date(2026, 4, 1), units=350)]
            >>> why = rule.explain(known, day=date(2026, 12, 1), calendar=Calendar("Europe/Paris"))
            >>> why.status.tier, str(why.reached_on), why.reached.metric, why.reached.threshold, str(why.reached.window_starts_on)
            ('silver', '2026-04-01', 350, 300, '2025-04-01')
        """
        course, standing = self._of(joined_on), self._standing(history, day, joined_on, tally)
        live = self._live(grants, day, calendar, at)
        status = self._told(standing, course, calendar, live)
        level = 0 if status.tier is None else self._names.index(status.tier) + 1
        # What takes nothing is carried by nothing.
        is_free = level <= course.stretch_on(day).base
        carrying = [] if is_free else [one for one in standing.latest.values() if course.left(one, day)[0] >= level]
        carrying.sort(key=lambda one: (course.keeps_through(one, level), one.day, one.index), reverse=True)
        found = [self._reach(course, one, day, calendar) for one in carrying]
        lifting = [grant for grant in live if self._names.index(grant.tier) + 1 >= level]
        lifting.sort(key=lambda grant: (grant.until is None, grant.until or grant.granted_at, grant.ref), reverse=True)
        return TierAnswer(
            status=status, reached=found[0] if found else None, others=tuple(found[1:]), grants=() if is_free else tuple(lifting)
        )

    def tally(
        self,
        history: Iterable[Qualifying],
        *,
        through: date,
        joined_on: date | None = None,
        tally: TierTally | None = None,
    ) -> TierTally:
        """Bring a history down to what later days still need of it.

        Args:
            history: What counts as known; what is of later days than ``through`` is passed over.
            through: The last local day that it holds; only this and later ones can be told with it.
            joined_on: As for ``status``.
            tally: An earlier one: then ``history`` holds only what is of later days than it, and what comes out is the same as
                of the whole.

        Returns:
            At most two days for each tier, and the sum of each day that is still in a rolling window, or of the window.

        Raises:
            UsageError: As for ``status``.

        Complexity:
            As ``status``.

        Example:
            >>> rule = TierRule(Ladder.of({0: "bronze", 300: "silver"}), window=Period(months=12), downgrade=Downgrade.ONE_STEP)
            >>> known = [Qualifying(day=date(2026, 1, day), units=100) for day in (1, 2, 3)]
            >>> short = rule.tally(known, through=date(2026, 6, 30))
            >>> [str(one.day) for one in short.reached], short.total
            (['2026-01-02', '2026-01-03'], 300)
            >>> new, paris = [Qualifying(day=date(2027, 1, 3), units=1)], Calendar("Europe/Paris")
            >>> whole = rule.status([*known, *new], day=date(2027, 1, 3), calendar=paris)
            >>> whole == rule.status(new, day=date(2027, 1, 3), calendar=paris, tally=short)
            True
        """
        course, counted = self._of(joined_on), self._counted(history, through, tally)
        older = self._fitting(tally, through, joined_on)
        standing = course.standing(counted, through, joined_on=joined_on, tally=older)
        total, rest = course.rest(counted, through, older)
        reached = [*standing.latest.values(), *[reach for _, reach in standing.coming if reach.day <= through]]
        return TierTally(
            digest=self.tally_digest,
            through=through,
            joined_on=self._needed(joined_on),
            first_on=standing.first_on,
            reached=tuple(sorted(reached, key=lambda one: (one.day, one.index, one.metric))),
            total=total,
            sums=sums_text(rest),
        )

    # ---- how ----

    @cached_property
    def _untouched(self) -> TierStatus | None:
        """Where everybody stands of whom nothing is known; ``None`` where that is not the same on every day."""
        if self.before or not isinstance(self.window, Rolling | Lifetime):
            return None
        return self._told(self._course.standing({}, _SOME_DAY), self._course, Calendar("UTC"), [])

    def _of(self, joined_on: date | None) -> Course:
        if joined_on is None or not isinstance(self.window, MembershipYears):
            return self._course
        return attrs.evolve(self._course, frame=frame_of(self.window, joined_on=check_day("joined_on", joined_on)))

    def _needed(self, joined_on: date | None) -> date | None:
        """Keep the day of joining where a tally depends on it."""
        return joined_on if self.before or isinstance(self.window, MembershipYears) else None

    def _fitting(self, tally: TierTally | None, day: date, joined_on: date | None) -> TierTally | None:
        if tally is not None:
            check_kind("tally", tally, TierTally)
            if tally.digest != self.tally_digest:
                msg = "tally must be of this rule, got one of another"
                raise UsageError(msg)
            if tally.joined_on != self._needed(joined_on):
                msg = f"tally must be made with the same day of joining, got {tally.joined_on} and {joined_on}"
                raise UsageError(msg)
            if tally.through > day:
                msg = f"a tally through {tally.through} says nothing of {day}"
                raise UsageError(msg)
        return tally

    def _counted(self, history: Iterable[Qualifying], day: date, tally: TierTally | None) -> dict[date, int]:
        """Sum what counts, by day."""
        check_day("day", day)
        sums = dict[date, int]()
        metric = self.metric
        if isinstance(metric, Metric):
            for event in history:
                if event.metric is metric and event.units and event.day <= day:
                    sums[event.day] = sums.get(event.day, 0) + event.units
        else:
            weights = {one: (rate.factor.numerator, rate.factor.denominator) for one, rate in metric.weights.items()}
            for event in history:
                if event.metric in weights and event.day <= day:
                    times, over = weights[event.metric]
                    if units := event.units * times // over:
                        sums[event.day] = sums.get(event.day, 0) + units
        if tally is not None and sums and min(sums) <= tally.through:
            msg = f"history must hold only what is after the tally, {tally.through}, got {min(sums)}"
            raise UsageError(msg)
        return sums

    def _standing(self, history: Iterable[Qualifying], day: date, joined_on: date | None, tally: TierTally | None) -> Standing:
        counted = self._counted(history, day, tally)
        return self._of(joined_on).standing(counted, day, joined_on=joined_on, tally=self._fitting(tally, day, joined_on))

    def _spans(self, grants: Iterable[TierGrant], calendar: Calendar) -> list[tuple[int, date, date]]:
        """Give the tiers that were granted, with the first and the last local day that each touches."""
        return [
            (
                self._names.index(grant.tier) + 1,
                calendar.day_of(grant.granted_at),
                FOREVER if grant.until is None else calendar.day_of(grant.until - _TICK),
            )
            for grant in grants
            if grant.tier in self._names and grant.until != grant.granted_at
        ]

    def _live(self, grants: Iterable[TierGrant], day: date, calendar: Calendar, at: datetime | None) -> list[TierGrant]:
        """Keep the grants that hold."""
        known = [grant for grant in grants if grant.tier in self._names]
        if not known:
            return []
        if at is not None:
            return [grant for grant in known if grant.holds(check_instant("at", at))]
        starts, ends = calendar.first_instant(day), calendar.first_instant(day + _DAY)
        return [
            grant
            for grant in known
            if grant.granted_at < ends and (grant.until is None or max(starts, grant.granted_at) < grant.until)
        ]

    def _told(self, standing: Standing, course: Course, calendar: Calendar, live: list[TierGrant]) -> TierStatus:
        earned, through = course.level(standing)
        level, until, to_keep = earned, None, None
        if live:
            level = max(earned, *(self._names.index(grant.tier) + 1 for grant in live))
            until = self._granted_until(
                standing, course, calendar, live, level=level, through=through if earned == level else None
            )
        elif through != FOREVER:
            until = calendar.first_instant(through + _DAY)
        stretch = course.stretch_on(standing.day)
        if until is not None:
            to_keep = self._to_keep(standing, course, calendar, level, until)
        # What the window holds already and begins with the next one is not to be reached any more.
        held = max(level, stretch.reached(standing.metric))
        above = next((place for place, index in enumerate(stretch.indexes) if index > held), None)
        tier = self._names[level - 1] if level else None
        return TierStatus(
            tier=tier,
            metric=standing.metric,
            kept_until=until,
            next_tier=None if above is None else self._names[stretch.indexes[above] - 1],
            shortfall=None if above is None else stretch.thresholds[above] - standing.metric,
            to_keep=to_keep,
            window_ends_on=course.frame.last_of(standing.day),
            perks=self.benefits_of(tier).perks,
            granted=level > earned,
            graces=level == earned and self.grace is not None and course.level(standing, is_graced=False)[0] < level,
        )

    def _granted_until(
        self,
        standing: Standing,
        course: Course,
        calendar: Calendar,
        live: list[TierGrant],
        *,
        level: int,
        through: date | None,
    ) -> datetime | None:
        """Give the first instant at which neither a grant nor what was earned carries a tier."""
        ends = [grant.until for grant in live if self._names.index(grant.tier) + 1 >= level]
        ends += [] if through is None else [_end_of(through, calendar)]
        until = max([end for end in ends if end is not None], default=None)
        if until is None or None in ends:
            return None
        for begins, last in course.ahead(standing, level):
            if calendar.first_instant(begins) > until:
                break
            end = _end_of(last, calendar)
            if end is None:
                return None
            until = max(until, end)
        return until

    def _to_keep(self, standing: Standing, course: Course, calendar: Calendar, level: int, until: datetime) -> int | None:
        """Say how much more today keeps a tier longer."""
        stretch = course.stretch_on(standing.day)
        if level not in stretch.indexes:
            return None
        renewed = Reach(level, standing.day, 1)
        begins, end = course.begins_on(renewed), _end_of(course.keeps_through(renewed, level), calendar)
        if (end is not None and end <= until) or calendar.first_instant(begins) > until:
            return None
        return max(1, stretch.thresholds[stretch.indexes.index(level)] - standing.metric)

    def _reach(self, course: Course, one: Reach, day: date, calendar: Calendar) -> TierReach:
        """Say in words what a day reached."""
        index, through = course.left(one, day)
        stretch, first = course.stretch_on(one.day), course.frame.first_of(one.day)
        return TierReach(
            tier=self._names[one.index - 1],
            day=one.day,
            metric=one.metric,
            threshold=stretch.thresholds[stretch.indexes.index(one.index)],
            window_starts_on=None if first == date.min else first,
            begins_on=course.begins_on(one),
            lowered=one.index - index,
            kept_until=_end_of(through, calendar),
        )


def _end_of(through: date, calendar: Calendar) -> datetime | None:
    """Give the first instant after a day; ``None`` is never."""
    return None if through == FOREVER else calendar.first_instant(through + _DAY)
