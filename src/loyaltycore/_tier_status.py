"""Where a member stands: the closed form of tiers, over the days that could have reached one.

Tiers are counted from below here: 1 is the lowest, 0 is none. A day *reaches* what the thresholds of that day give for what
its window holds. Only some days are looked at, because on no other can anything be reached that is not held already: those on
which something counted; the first day of thresholds of which one was lowered; and, where a tier took nothing any more, the last
day before it took something.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import chain
from typing import Final, NamedTuple, final

import attrs

from loyaltycore._tier_values import DaySum, Downgrade, Reach, TierTally, read_sums
from loyaltycore._tier_windows import FOREVER, Frame, RollingFrame, shifted
from loyaltycore.ladders import Ladder

__all__ = ["Course", "Standing", "Stretch", "Sums", "stretches_of"]

_DAY: Final = timedelta(days=1)


class Stretch(NamedTuple):
    """The days on which one ladder was in force.

    Attributes:
        starts: The first of them; ``date.min`` for the first ladder.
        until: The first day after; ``FOREVER`` for the last ladder.
        thresholds: What its tiers take, rising.
        indexes: Which tiers these are.
        lowered: The thresholds that are lower than in the ladder before, or new.
        lowered_indexes: Which tiers these are.
        base: The tier that takes nothing; 0 is none.
    """

    starts: date
    until: date
    thresholds: tuple[int, ...]
    indexes: tuple[int, ...]
    lowered: tuple[int, ...]
    lowered_indexes: tuple[int, ...]
    base: int

    def reached(self, metric: int) -> int:
        """Say which tier a number reaches."""
        found = bisect_right(self.thresholds, metric)
        return self.indexes[found - 1] if found else 0

    def newly_reached(self, metric: int) -> int:
        """Say which tier a number reaches of those that became easier."""
        found = bisect_right(self.lowered, metric)
        return self.lowered_indexes[found - 1] if found else 0


def stretches_of(names: Sequence[str], ladders: Iterable[tuple[Ladder[str], date]]) -> tuple[Stretch, ...]:
    """Put ladders one after the other.

    Args:
        names: The tiers of today, lowest first.
        ladders: Each with the first day after it, in order; the last one with ``FOREVER``.
    """
    found = list[Stretch]()
    starts, former = date.min, dict[int, int]()
    for ladder, until in ladders:
        taken = {names.index(rung.value) + 1: rung.threshold for rung in ladder.rungs}
        easier = {index: least for index, least in taken.items() if index not in former or least < former[index]}
        stretch = Stretch(starts, until, tuple(taken.values()), tuple(taken), tuple(easier.values()), tuple(easier), 0)
        found.append(stretch._replace(base=stretch.reached(0)))
        starts, former = until, taken
    return tuple(found)


@final
class Sums:
    """What the window holds on one day after the other."""

    __slots__ = ("_days", "_frame", "_leaving", "_next", "_oldest", "_through", "metric")

    def __init__(self, frame: Frame, days: Sequence[DaySum], tally: TierTally | None = None) -> None:
        """Start before the first day.

        Args:
            frame: The windows.
            days: What counted on each day, in order.
            tally: What counted before the first of them.
        """
        self._frame, self._days, self._next = frame, days, 0
        self.metric = 0 if tally is None else tally.total
        # What is of the tally is read only as far as it has left the window.
        self._leaving = iter(days) if tally is None else chain(read_sums(tally.sums), days)
        self._advance()

    def _advance(self) -> None:
        self._oldest = next(self._leaving, None)
        self._through = FOREVER if self._oldest is None else self._frame.counts_through(self._oldest[0])

    def on(self, day: date) -> int:
        """Say what the window of a day holds.

        Args:
            day: Not before the one asked for last.
        """
        while self._next < len(self._days) and self._days[self._next][0] <= day:
            self.metric += self._days[self._next][1]
            self._next += 1
        while self._oldest is not None and self._through < day:
            self.metric -= self._oldest[1]
            self._advance()
        return self.metric

    def rest(self) -> list[DaySum]:
        """Give what has not left the window, by day; nothing can be asked any more."""
        return [] if self._oldest is None else [self._oldest, *self._leaving]


class Standing(NamedTuple):
    """What was reached, as known on a day.

    Attributes:
        day: The day.
        metric: What its window holds.
        latest: The latest day that reached each tier, of those whose tier has begun.
        coming: What was or will be reached and has not begun yet, with its first day.
        first_on: The first day on which something counted; ``None`` for nothing.
    """

    day: date
    metric: int
    latest: dict[int, Reach]
    coming: list[tuple[date, Reach]]
    first_on: date | None


@final
@attrs.frozen
class Course:
    """How tiers come and go, for one member.

    Attributes:
        frame: The member's windows.
        stretches: The ladders, each with its days.
        downgrade: What happens when a tier's time is over.
        waits: Whether a tier begins with the next window only.
        grace_months: How much longer each step is kept, in months.
        grace_days: And in days.
    """

    frame: Frame
    stretches: tuple[Stretch, ...]
    downgrade: Downgrade
    waits: bool
    grace_months: int
    grace_days: int

    def stretch_on(self, day: date) -> Stretch:
        """Give the ladder in force on a day."""
        stretches = self.stretches
        return stretches[0] if len(stretches) == 1 else next(one for one in stretches if day < one.until)

    def begins_on(self, reach: Reach) -> date:
        """Give the first day of what a day reached; what took nothing is never waited for."""
        return self.frame.next_after(reach.day) if self.waits and reach.metric else reach.day

    def keeps_through(self, reach: Reach, level: int) -> date:
        """Give the last day on which what a day reached is at least a tier; never one above what it reached."""
        return self._ends(reach.day, reach.index - level + 1 if self.downgrade is Downgrade.ONE_STEP else 1, is_graced=True)

    def left(self, reach: Reach, day: date, *, is_graced: bool = True) -> tuple[int, date]:
        """Say what is left on a day of what was reached before, and through which day.

        Args:
            reach: What was reached.
            day: Not before it begins.
            is_graced: Whether the grace counts.

        Returns:
            The tier, 0 for nothing, and the last day on which it is so.
        """
        lost, through = 0, self._ends(reach.day, 1, is_graced=is_graced)
        while through < day:
            lost = lost + 1 if self.downgrade is Downgrade.ONE_STEP else reach.index
            if lost == reach.index:
                return 0, FOREVER
            through = self._ends(reach.day, lost + 1, is_graced=is_graced)
        return reach.index - lost, through

    def _ends(self, day: date, count: int, *, is_graced: bool) -> date:
        if self.downgrade is Downgrade.NEVER:
            return FOREVER
        through = self.frame.kept_through(day, count)
        if not is_graced or not (self.grace_months or self.grace_days) or through == FOREVER:
            return through
        return shifted(through, self.grace_months, self.grace_days)

    def reaches(self, sums: Sums, days: Sequence[date], *, after: date, through: date, known_on: date) -> Iterator[Reach]:
        """Give what was reached, in order.

        Args:
            sums: What counted; at most the day before ``after`` was asked for.
            days: The days on which something counted, in order, all of them in the span.
            after: The day before the span.
            through: The last day of the span.
            known_on: The first day on which anything is known of the member.
        """
        start = 0
        for stretch in self.stretches:
            if after < stretch.starts <= through:
                metric = sums.on(stretch.starts)
                if metric and (index := stretch.newly_reached(metric)):
                    yield Reach(index, stretch.starts, metric)
            stop = len(days) if stretch.until == FOREVER else bisect_left(days, stretch.until)
            for day in days[start:stop]:
                metric = sums.on(day)
                if index := stretch.reached(metric):
                    yield Reach(index, day, metric)
            start = stop
            if stretch.until != FOREVER and stretch.base and known_on < stretch.until and after < stretch.until - _DAY <= through:
                yield Reach(stretch.base, stretch.until - _DAY, 0)

    def standing(
        self, counted: dict[date, int], day: date, *, joined_on: date | None = None, tally: TierTally | None = None
    ) -> Standing:
        """Look at all days through one.

        Args:
            counted: What counted on each day; none after ``day``, none that the tally holds.
            day: The day.
            joined_on: The local day of joining, where it is known.
            tally: What an older part of the history comes to.
        """
        days, sums, first_on, after = self._prepared(counted, tally)
        known_on = min(joined_on or FOREVER, first_on or FOREVER)
        latest, pending = dict[int, Reach](), dict[int, Reach]()
        begun = self.frame.first_of(day) if self.waits else FOREVER
        if tally is not None:
            for reach in tally.reached:
                (latest if reach.day < begun or not reach.metric else pending)[reach.index] = reach
        for reach in self.reaches(sums, days, after=after, through=day, known_on=known_on):
            # Of the days that reached one tier the latest keeps it longest.
            (latest if reach.day < begun or not reach.metric else pending)[reach.index] = reach
        metric = sums.on(day)
        ahead = list(pending.values())
        if self.stretches[-1].starts > day:
            ahead += self.reaches(sums, (), after=day, through=FOREVER, known_on=known_on)
        return Standing(day, metric, latest, [(self.begins_on(reach), reach) for reach in ahead], first_on)

    def _prepared(self, counted: dict[date, int], tally: TierTally | None) -> tuple[list[date], Sums, date | None, date]:
        """Give the days to look at, their sums, the first day of all, and the day before those to look at."""
        days = sorted(counted)
        sums = Sums(self.frame, [(day, counted[day]) for day in days], tally)
        first_on = days[0] if days else None
        if tally is None:
            return days, sums, first_on, date.min
        return days, sums, tally.first_on or first_on, tally.through

    def rest(self, counted: dict[date, int], day: date, tally: TierTally | None) -> tuple[int, tuple[DaySum, ...]]:
        """Give what the window of a day holds, and the days it is of as far as they leave it one by one.

        Args:
            counted: As for ``standing``.
            day: The day.
            tally: As for ``standing``.
        """
        sums = self._prepared(counted, tally)[1]
        metric, rest = sums.on(day), sums.rest()
        if rest and not isinstance(self.frame, RollingFrame):
            rest = [(rest[-1][0], metric)]  # they leave it together
        return metric, tuple(rest)

    def level(self, standing: Standing, *, is_graced: bool = True) -> tuple[int, date]:
        """Say where somebody stands, and the last day on which it is so if nothing more counts.

        Args:
            standing: What was reached.
            is_graced: Whether the grace counts.

        Returns:
            The tier, 0 for none, and the day; ``FOREVER`` where it never falls.
        """
        day = standing.day
        base = level = self.stretch_on(day).base
        through = day
        for reach in standing.latest.values():
            index, until = self.left(reach, day, is_graced=is_graced)
            if index > level or (index == level and until > through):
                level, through = index, until
        if standing.coming or base >= level or self.stretches[-1].starts > day:
            through = self._prolonged(standing, level, through)
        return level, through

    def _prolonged(self, standing: Standing, level: int, through: date) -> date:
        """Go on with what begins before the last day is over."""
        for begins, until in self.ahead(standing, level):
            if through == FOREVER or begins > through + _DAY:
                break
            through = max(through, until)
        return through

    def ahead(self, standing: Standing, level: int) -> list[tuple[date, date]]:
        """Give the first and last days of what will carry a tier, in order: what has not begun, and what takes nothing."""
        coming = [(begins, self.keeps_through(reach, level)) for begins, reach in standing.coming if reach.index >= level]
        free = [one for one in self.stretches if one.base >= level and one.until > standing.day]
        return sorted([*coming, *[(max(one.starts, standing.day), _last_before(one.until)) for one in free]])

    def rises(
        self,
        counted: dict[date, int],
        spans: Sequence[tuple[int, date, date]],
        day: date,
        *,
        joined_on: date | None = None,
        tally: TierTally | None = None,
    ) -> Iterator[tuple[date, int]]:
        """Give each day on which somebody rose into a tier, and the tier, in order.

        Args:
            counted: As for ``standing``.
            spans: Tiers that were granted, with their first and last days.
            day: The last day.
            joined_on: As for ``standing``.
            tally: As for ``standing``; then only later days are given.
        """
        days, sums, first_on, after = self._prepared(counted, tally)
        known_on = min(joined_on or FOREVER, first_on or FOREVER)
        starts_on = min([known_on, *[first for _, first, _ in spans]])
        begun = dict[date, list[Reach]]()
        for reach in (
            *(() if tally is None else tally.reached),
            *self.reaches(sums, days, after=after, through=day, known_on=known_on),
        ):
            begun.setdefault(self.begins_on(reach), []).append(reach)
        changes = {starts_on, *begun, *[first for _, first, _ in spans], *[one.starts for one in self.stretches]}
        latest = dict[int, Reach]()
        for change in sorted(changes):
            if change > day:
                break
            is_told = change > after and change >= starts_on
            before = self._stands(latest, spans, change - _DAY) if is_told and change > starts_on else 0
            latest.update({reach.index: reach for reach in begun.get(change, ())})
            if is_told:
                yield from [(change, index) for index in range(before + 1, self._stands(latest, spans, change) + 1)]

    def _stands(self, latest: dict[int, Reach], spans: Sequence[tuple[int, date, date]], day: date) -> int:
        return max(
            self.stretch_on(day).base,
            *[self.left(reach, day)[0] for reach in latest.values()],
            *[index for index, first, last in spans if first <= day <= last],
            0,
        )


def _last_before(until: date) -> date:
    return until if until == FOREVER else until - _DAY
