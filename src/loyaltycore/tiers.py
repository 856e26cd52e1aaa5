"""Membership tiers: a ladder of spend within a window, and what was reached is kept for as long.

Invariants:
    1. The status at an instant is a function of the purchases and returns known then; asking changes nothing.
    2. More purchases never lower the tier on any date.
    3. A tier reached at ``s`` is kept through the window that starts at ``s``; then one step goes for each whole window
       without reaching it again, never below what the last window's spend reaches by itself.

>>> from datetime import UTC, date, datetime
>>> ladder = Ladder.of({0: "bronze", 30000: "silver", 100000: "gold"})
>>> tiers = TierRule(ladder, window=Period(months=12), downgrade=Downgrade.ONE_STEP)
>>> paris = Calendar("Europe/Paris")
>>> spring = [Qualifying(day=date(2026, 4, 1), units=120000)]
>>> [tiers.status(spring, day=day, calendar=paris).tier for day in (date(2026, 4, 1), date(2027, 4, 2), date(2028, 4, 2))]
['gold', 'silver', 'bronze']
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import final

import attrs

from loyaltycore._checks import check_whole
from loyaltycore.identity import check_slug
from loyaltycore.ladders import Ladder, Rung
from loyaltycore.periods import Calendar, Period

__all__ = ["Downgrade", "Ladder", "Qualifying", "Rung", "TierRule", "TierStatus"]


class Downgrade(StrEnum):
    """What happens when a tier's time is over and it was not reached again.

    ``ONE_STEP``: one step for each whole window since.
    """

    ONE_STEP = "one step"


@final
@attrs.frozen(kw_only=True)
class Qualifying:
    """What counts for a tier on one local day: a purchase, less what came back of it.

    Attributes:
        day: The local day of the purchase.
        units: In the ladder's unit (minor units of spend), at least 0.
    """

    day: date
    units: int

    def __attrs_post_init__(self) -> None:
        """Refuse a negative amount: returns lower a purchase, never below nothing."""
        check_whole("units", self.units, low=0)


@final
@attrs.frozen(kw_only=True)
class TierStatus:
    """Where a member stands at an instant.

    Attributes:
        tier: The rung's name; ``None`` below the first.
        metric: What the window that ends now holds, in the ladder's unit.
        kept_until: First instant at which it falls if nothing more is bought; ``None`` at the lowest it can be.
        next_tier: The next rung above the tier; ``None`` at the top.
        shortfall: How much more in this window reaches the next rung; ``None`` at the top.
    """

    tier: str | None
    metric: int
    kept_until: datetime | None
    next_tier: str | None
    shortfall: int | None


@final
@attrs.frozen
class TierRule:
    """How tiers are reached and kept.

    Attributes:
        ladder: Thresholds of spend in minor units, with the tiers' names.
        window: Over which spend counts, rolling, in local days; and for how long a tier is kept.
        downgrade: What happens then.
    """

    ladder: Ladder[str]
    window: Period = attrs.field(kw_only=True)
    downgrade: Downgrade = attrs.field(kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the names of the tiers."""
        for rung in self.ladder.rungs:
            check_slug("tier", rung.value)

    def status(self, history: Iterable[Qualifying], *, day: date, calendar: Calendar) -> TierStatus:
        """Tell where a member stands on a local day.

        ``index(day) = max over days s ≤ day with a purchase of index(metric(s)) − whole windows since s``, where ``metric(s)``
        sums what was bought at most one window before ``s``.

        Args:
            history: Purchases as known, in any order; those after ``day`` are passed over.
            day: The local day.
            calendar: For the instant at which the tier falls.

        Complexity:
            O(n log n) for n purchases.
        """
        events = sorted((event for event in history if event.day <= day and event.units), key=lambda event: event.day)
        last_reached: dict[int, date] = {}
        start = metric = 0
        for event in events:
            metric += event.units
            start, metric = self._without_old(events, start, metric, event.day)
            # Of the days that reached one rung the latest keeps it longest.
            last_reached[self.ladder.index(metric)] = event.day
        _, metric = self._without_old(events, start, metric, day)
        index, kept_through = self.ladder.index(metric), None
        for reached, since in last_reached.items():
            steps = self._whole_windows(since, day)
            through = self.window.after(since, count=steps + 1)
            if reached > steps and (reached - steps, through) > (index, kept_through or date.min):
                index, kept_through = reached - steps, through
        return self._told(index, kept_through, metric, calendar)

    def _without_old(self, events: list[Qualifying], start: int, metric: int, day: date) -> tuple[int, int]:
        """Take off the events whose window is over by a day; they stand first."""
        while start < len(events) and self.window.after(events[start].day) < day:
            metric -= events[start].units
            start += 1
        return start, metric

    def _whole_windows(self, since: date, day: date) -> int:
        steps = 0
        while steps <= len(self.ladder.rungs) and self.window.after(since, count=steps + 1) < day:
            steps += 1
        return steps

    def _told(self, index: int, kept_through: date | None, metric: int, calendar: Calendar) -> TierStatus:
        following = self.ladder.rungs[index] if index < len(self.ladder.rungs) else None
        lowest = self.ladder.index(0)
        kept_until = (
            calendar.first_instant(kept_through + timedelta(days=1)) if kept_through is not None and index > lowest else None
        )
        return TierStatus(
            tier=self.ladder.rungs[index - 1].value if index else None,
            metric=metric,
            kept_until=kept_until,
            next_tier=None if following is None else following.value,
            shortfall=None if following is None else following.threshold - metric,
        )
