"""The closed form of tiers: every combination of settings, against the long way round."""

from __future__ import annotations

from datetime import date, timedelta

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from loyaltycore._tier_status import Sums, stretches_of
from loyaltycore._tier_windows import FOREVER, RollingFrame
from loyaltycore.errors import CorruptStateError
from loyaltycore.ladders import Ladder
from loyaltycore.tiers import Qualifying, TierRule, TierStatus, TierTally, Upgrade
from loyaltycore.wire import coder
from tests.tiers_by_hand import DAY, PARIS, START, Known, Naive, index_of, known, qualifyings, whole


def ask(one: Known, day: date, **more: object) -> TierStatus:
    """Ask where the member stands."""
    told = {"joined_on": one.joined_on, "grants": one.grants, "calendar": PARIS, **more}
    return one.rule.status(told.pop("history", one.history), day=day, **told)  # type: ignore[arg-type]  # the names are the call's


def as_of(one: Known, day: date) -> Known:
    """Forget what came later, and grants as well: they end at hours."""
    return one._replace(history=[event for event in one.history if event.day <= day], grants=[])


def some_day(data: st.DataObject, one: Known, *, beyond: int = 60) -> date:
    """Draw a day of the story, often one on which something happens or ends."""
    near = [event.day for event in one.history] + [former.until for former in one.rule.before]
    days = st.integers(0, one.days + beyond).map(lambda days: START + days * DAY)
    if near:
        days = days | st.sampled_from(near).flatmap(lambda day: st.integers(-2, 2).map(lambda off: day + off * DAY))
    return data.draw(days, label="day")


class TestClosedForm:
    @pytest.mark.law(35)
    @given(known(), st.data())
    def test_status_equals_the_long_way(self, one: Known, data: st.DataObject) -> None:
        """Tier, metric, grace and grant are what a diary of every day says."""
        day = some_day(data, one)
        status = ask(one, day)
        naive = Naive(one._replace(history=[event for event in one.history if event.day <= day]))
        earned = naive.earned(day)
        assert index_of(one.rule, status) == naive.stands(day)
        assert status.metric == naive.metric(day)
        assert status.granted is (naive.granted(day) > earned)
        assert status.graces is (naive.granted(day) <= earned and naive.earned(day, graced=False) < earned)

    @pytest.mark.law(35)
    @given(known(), st.data())
    def test_asking_changes_nothing(self, one: Known, data: st.DataObject) -> None:
        """The same whenever and in whatever order it is told, and whatever was asked before."""
        day, other = some_day(data, one), some_day(data, one)
        status = ask(one, day)
        ask(one, other)
        later = [Qualifying(day=day + DAY, units=1000, metric=metric) for metric in one.rule.metrics]
        for history in (one.history, one.history[::-1], [*one.history, *later]):
            assert whole(ask(one, day, history=history, grants=one.grants[::-1])) == whole(status)

    @pytest.mark.law(35)
    @given(known(), st.data())
    def test_more_never_lowers_the_tier(self, one: Known, data: st.DataObject) -> None:
        """One more event, on any day, of any size, leaves the tier as high or higher on every day, told or projected."""
        more, day = data.draw(qualifyings(one.rule, one.days), label="more"), some_day(data, one)
        assert index_of(one.rule, ask(one, day, history=[*one.history, more])) >= index_of(one.rule, ask(one, day))
        on = day + data.draw(st.integers(0, one.days), label="later") * DAY
        told = {"day": day, "on": on, "calendar": PARIS, "joined_on": one.joined_on, "grants": one.grants}
        before, after = (one.rule.project(one.history, adding=add, **told) for add in (None, more))  # type: ignore[arg-type]
        assert index_of(one.rule, after) >= index_of(one.rule, before)

    @pytest.mark.law(35)
    @given(known(), st.data())
    def test_it_is_kept_until_it_says(self, one: Known, data: st.DataObject) -> None:
        """With nothing more the tier stands on every day before `kept_until`, and falls on that day."""
        day = some_day(data, one)
        one = as_of(one, day)
        status, naive = ask(one, day), Naive(one)
        if status.kept_until is None:
            days = [day + data.draw(st.integers(0, 6 * one.days), label="later") * DAY for _ in range(3)]
        else:
            falls_on = PARIS.day_of(status.kept_until)
            assert status.kept_until == PARIS.first_instant(falls_on)
            assert naive.earned(falls_on) < index_of(one.rule, status)
            between = st.integers(0, (falls_on - day).days - 1)
            days = [falls_on - DAY, day + data.draw(between, label="before") * DAY]
        for when in days:
            assert naive.earned(when) >= index_of(one.rule, status)

    @pytest.mark.law(35)
    @given(known(granted=False), st.data())
    def test_shortfall_is_exact(self, one: Known, data: st.DataObject) -> None:
        """Exactly the shortfall on that day reaches the next tier, one unit less does not."""
        rule = attrs.evolve(one.rule, metric=one.rule.metrics[0])
        day = some_day(data, one)
        one = as_of(one._replace(rule=rule), day)
        status, naive = ask(one, day), Naive(one)
        if status.shortfall is None or status.next_tier is None:
            held = naive.index(naive.metric(day), naive.ladder(day))
            assert max(index_of(rule, status), held) >= naive.index(10**6, naive.ladder(day))
            return
        assert status.shortfall >= 1
        begins = day if rule.upgrade is Upgrade.AT_ONCE or status.window_ends_on is None else status.window_ends_on + DAY
        wanted = rule.tiers.index(status.next_tier) + 1
        for units, is_reached in ((status.shortfall, True), (status.shortfall - 1, False)):
            more = Qualifying(day=day, units=units, metric=rule.metrics[0])
            later = rule.project(one.history, day=day, on=begins, calendar=PARIS, adding=more, joined_on=one.joined_on)
            if is_reached:
                assert index_of(rule, later) >= wanted
            elif not any(day < former.until <= begins for former in rule.before):
                assert index_of(rule, later) < wanted

    @pytest.mark.law(35)
    @given(known(), st.data())
    def test_what_is_missing_to_keep_it_is_exact(self, one: Known, data: st.DataObject) -> None:
        """So much more on that day keeps the tier longer, one unit less does not; where nothing is said, only rising would."""
        day = some_day(data, one)
        # A change of thresholds that is still to come may make any unit worth more than today.
        before = [former for former in one.rule.before if former.until <= day]
        rule = attrs.evolve(one.rule, metric=one.rule.metrics[0], before=before)
        one = one._replace(
            rule=rule,
            history=[event for event in one.history if event.day <= day],
            grants=[grant for grant in one.grants if grant.granted_at < PARIS.first_instant(day + DAY)],
        )
        # Somebody of whom nothing is known has nothing to lose when thresholds rise, but would have with a purchase.
        assume(Naive(one).counted or (one.joined_on and one.joined_on <= day) or not one.rule.before)
        status = ask(one, day)
        assert status.to_keep is None or (status.kept_until is not None and status.to_keep >= 1)
        if status.kept_until is None:
            return
        level = index_of(rule, status)

        def longer(units: int) -> bool:
            more = Qualifying(day=day, units=units, metric=rule.metrics[0])
            history = [*one.history, more]
            if status.kept_until is None:
                return False
            if index_of(rule, ask(one, day, history=history)) > level:
                # It rises as well: is it still there, or above, when it would have fallen?
                falls_on = PARIS.day_of(status.kept_until)
                return Naive(one._replace(history=history)).earned(falls_on) >= level
            until = ask(one, day, history=history).kept_until
            return until is None or until > status.kept_until

        if status.to_keep is None:
            missing = max(1, Naive(one).ladder(day).get(status.tier or "", 0) - status.metric)
            # What rises above it may keep it longer as well: that is the shortfall's answer.
            assert (status.shortfall is not None and missing >= status.shortfall) or not longer(missing)
        else:
            assert longer(status.to_keep)
            assert not longer(status.to_keep - 1)


class TestThresholds:
    @pytest.mark.law(35)
    @given(known(granted=False), st.data())
    def test_new_thresholds_never_demote(self, one: Known, data: st.DataObject) -> None:
        """On every day after a change a member stands no lower than the former thresholds had left of what was reached."""
        assume(one.rule.before)
        *earlier, last = one.rule.before
        day = last.until + data.draw(st.integers(0, one.days), label="after") * DAY
        former = TierRule(
            last.ladder,
            window=one.rule.window,
            downgrade=one.rule.downgrade,
            metric=one.rule.metric,
            upgrade=one.rule.upgrade,
            grace=one.rule.grace,
        )
        if any(rung.value not in former.tiers for older in earlier for rung in older.ladder.rungs):
            return
        former = attrs.evolve(former, before=earlier)
        history = [event for event in one.history if event.day < last.until]
        joined_on = one.joined_on
        then = former.status(history, day=last.until - DAY, calendar=PARIS, joined_on=joined_on)
        is_known = Naive(one._replace(history=history)).counted or (joined_on and joined_on < last.until)
        assume(then.tier is not None and is_known)
        kept = former.project(history, day=last.until - DAY, on=day, calendar=PARIS, joined_on=joined_on)
        now = one.rule.status(one.history, day=day, calendar=PARIS, joined_on=joined_on)
        is_free = kept.tier is not None and former.ladder.index(0) > former.tiers.index(kept.tier)
        if kept.tier is not None and not is_free:
            assert one.rule.tiers.index(now.tier or "") >= one.rule.tiers.index(kept.tier)
        first = one.rule.status(one.history, day=last.until, calendar=PARIS, joined_on=joined_on)
        if then.kept_until is None or then.kept_until > PARIS.first_instant(last.until):
            assert one.rule.tiers.index(first.tier or "") >= one.rule.tiers.index(then.tier or "")


class TestGrants:
    @pytest.mark.law(35)
    @given(known(), st.data())
    def test_grants_lift_and_never_lower(self, one: Known, data: st.DataObject) -> None:
        """With its grants a member stands no lower than without, and at least where each that holds says."""
        at = data.draw(st.integers(0, one.days * 86400), label="at")
        instant = PARIS.first_instant(START) + timedelta(seconds=at)
        day = PARIS.day_of(instant)
        status, without = ask(one, day, at=instant), ask(one, day, grants=())
        held = [one.rule.tiers.index(grant.tier) + 1 for grant in one.grants if grant.holds(instant)]
        assert index_of(one.rule, status) == max([index_of(one.rule, without), *held])
        assert status.granted is (index_of(one.rule, status) > index_of(one.rule, without))

    @pytest.mark.law(35)
    @given(known(), st.data())
    def test_a_granted_tier_falls_when_it_says(self, one: Known, data: st.DataObject) -> None:
        """Up to the instant it stands, by the grant or by what was earned; at the instant it does not."""
        at = PARIS.first_instant(START) + timedelta(seconds=data.draw(st.integers(0, one.days * 86400), label="at"))
        day = PARIS.day_of(at)
        one = one._replace(
            history=[event for event in one.history if event.day <= day],
            grants=[grant for grant in one.grants if grant.granted_at <= at],
        )
        status = ask(one, day, at=at)
        until = status.kept_until
        ends = [until - timedelta(microseconds=1), until] if until else [at + timedelta(days=10 * one.days)]
        for when, stands in zip(ends, (True, False), strict=False):
            later = ask(one, PARIS.day_of(when), at=when)
            assert (index_of(one.rule, later) >= index_of(one.rule, status)) is stands


class TestEntries:
    @pytest.mark.law(35)
    @given(known(), st.data())
    def test_entries_equal_a_diary(self, one: Known, data: st.DataObject) -> None:
        """Each rise from one day to the next, tier by tier."""
        assume(one.days <= 150)
        day = some_day(data, one)
        found = one.rule.entries(one.history, day=day, calendar=PARIS, joined_on=one.joined_on, grants=one.grants)
        naive = Naive(one._replace(history=[event for event in one.history if event.day <= day]))
        assert [(entry.tier, entry.day) for entry in found] == naive.entries(day)


class TestTally:
    @pytest.mark.law(35)
    @given(known(), st.data())
    def test_tally_and_rest_are_the_whole(self, one: Known, data: st.DataObject) -> None:
        """Whatever is asked of later days, sums and what came after answer as the whole history does."""
        through = some_day(data, one)
        day = through + data.draw(st.integers(0, one.days), label="later") * DAY
        rule, joined_on = one.rule, one.joined_on
        tally = rule.tally(one.history, through=through, joined_on=joined_on)
        rest = [event for event in one.history if event.day > through]
        told = {"day": day, "calendar": PARIS, "joined_on": joined_on, "grants": one.grants}
        assert whole(ask(one, day, history=rest, tally=tally)) == whole(ask(one, day))
        assert rule.explain(rest, tally=tally, **told) == rule.explain(one.history, **told)  # type: ignore[arg-type]
        entries = [entry for entry in rule.entries(one.history, **told) if entry.day > through]  # type: ignore[arg-type]
        assert list(rule.entries(rest, tally=tally, **told)) == entries  # type: ignore[arg-type]
        on = day + DAY
        assert rule.project(rest, tally=tally, on=on, **told) == rule.project(one.history, on=on, **told)  # type: ignore[arg-type]

    @pytest.mark.law(35)
    @given(known(granted=False), st.data())
    def test_a_tally_goes_on(self, one: Known, data: st.DataObject) -> None:
        """Going on from an earlier tally gives the tally of all; it comes back from its coded form."""
        first = some_day(data, one)
        through = first + data.draw(st.integers(0, one.days), label="later") * DAY
        older = one.rule.tally(one.history, through=first, joined_on=one.joined_on)
        rest = [event for event in one.history if event.day > first]
        tally = one.rule.tally(rest, through=through, joined_on=one.joined_on, tally=older)
        assert tally == one.rule.tally(one.history, through=through, joined_on=one.joined_on)
        form = coder(TierTally)
        assert form.decode(form.encode(tally)) == tally


class TestExplained:
    @pytest.mark.law(35)
    @given(known(), st.data())
    def test_what_carries_a_tier_has_reached_it(self, one: Known, data: st.DataObject) -> None:
        """The day and the metric are those of the diary, what is left is the tier, and nothing else carries it longer."""
        day = some_day(data, one)
        why = one.rule.explain(one.history, day=day, calendar=PARIS, joined_on=one.joined_on, grants=one.grants)
        naive = Naive(one._replace(history=[event for event in one.history if event.day <= day]))
        level = index_of(one.rule, why.status)
        assert whole(why.status) == whole(ask(one, day))
        assert (why.reached is None) is (level <= naive.index(0, naive.ladder(day)) or naive.earned(day) < level)
        reaches = [] if why.reached is None else [why.reached, *why.others]
        assert bool(reaches) or not why.others
        for reach in reaches:
            assert reach.metric in {naive.metric(reach.day), 0}
            assert reach.threshold <= reach.metric
            assert one.rule.tiers.index(reach.tier) + 1 - reach.lowered >= level
            assert reach.begins_on <= day
            assert reach.window_starts_on is None or naive.metric(reach.day) == sum(
                units for when, units in naive.counted if reach.window_starts_on <= when <= reach.day
            )
        ends = [reach.kept_until for reach in reaches]
        assert ends == sorted(ends, key=lambda end: (end is None, end or PARIS.first_instant(START)), reverse=True)


class TestParts:
    def test_stretches(self) -> None:
        """Each ladder has its days, its tiers of today, and what became easier."""
        names = ("bronze", "silver", "gold")
        first, second = Ladder.of({0: "bronze", 100: "gold"}), Ladder.of({0: "bronze", 20: "silver", 90: "gold"})
        one, two = stretches_of(names, [(first, START), (second, FOREVER)])
        assert (one.starts, one.until, one.thresholds, one.indexes, one.base) == (date.min, START, (0, 100), (1, 3), 1)
        assert (one.lowered, one.lowered_indexes) == ((0, 100), (1, 3))
        assert (two.starts, two.until, two.lowered, two.lowered_indexes) == (START, FOREVER, (20, 90), (2, 3))
        assert [two.newly_reached(metric) for metric in (0, 19, 20, 89, 90)] == [0, 0, 2, 2, 3]
        assert [one.reached(metric) for metric in (-1, 0, 99, 100)] == [0, 1, 1, 3]

    def test_sums(self) -> None:
        """What counts is added on its day, and taken off on the day after its last."""
        days = [(START, 5), (START + DAY, 3), (START + 20 * DAY, 1)]
        sums = Sums(RollingFrame(0, 7), days)
        assert [sums.on(START + days * DAY) for days in (0, 1, 7, 8, 9, 20)] == [5, 8, 8, 3, 0, 1]
        assert sums.rest() == days[2:]
        assert Sums(RollingFrame(0, 7), []).rest() == []

    def test_sums_go_on_from_a_tally(self) -> None:
        """Of its days only those that leave the window are read."""
        tally = TierTally(digest="", through=START + DAY, total=8, sums=f"{START.toordinal()}:5,{START.toordinal() + 1}:3,rest")
        sums = Sums(RollingFrame(0, 7), [(START + 2 * DAY, 1)], tally)
        assert [sums.on(START + days * DAY) for days in (2, 7, 8)] == [9, 9, 4]
        with pytest.raises(CorruptStateError, match="the sums of a tally cannot be read: 'rest'"):
            sums.on(START + 9 * DAY)
