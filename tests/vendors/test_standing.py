"""Tiers, birthdays and referrals of other vendors, said with ours; these need no shared data."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from loyaltycore.errors import Reason
from loyaltycore.periods import Period, YearDay
from loyaltycore.tiers import CalendarYears, Downgrade, Lifetime
from tests.vendors import standing
from tests.vendors.standing import Event

RUNGS = {0: "Basic", 100: "Silver", 500: "Gold"}
JANUARY, MARCH, NEXT = date(2026, 1, 10), date(2026, 3, 1), date(2027, 1, 2)


class TestTiers:
    def test_balance_and_points_earned_part_ways(self) -> None:
        """What is spent lowers a balance, and not what was earned."""
        events = [Event(JANUARY, 100), Event(MARCH, -50)]
        assert standing.by_balance(RUNGS, events, [JANUARY, MARCH]) == [("Silver", 100), ("Basic", 50)]
        assert standing.by_points_earned(RUNGS, events, [JANUARY, MARCH], Lifetime()) == ["Silver", "Silver"]

    def test_points_earned_in_a_period(self) -> None:
        """A calendar year counts by itself, and what it reached is kept through the next."""
        events = [Event(JANUARY, 60), Event(NEXT, 60)]
        assert standing.by_points_earned(RUNGS, events, [NEXT], CalendarYears()) == ["Basic"]
        assert standing.by_points_earned(RUNGS, events, [NEXT], Period(months=12)) == ["Silver"]

    @pytest.mark.parametrize(
        "length,ends_at",
        [
            (Period(days=30), datetime(2026, 8, 20, tzinfo=UTC)),
            (Period(months=1), datetime(2026, 8, 21, tzinfo=UTC)),
            (Period(years=1), datetime(2027, 7, 21, tzinfo=UTC)),
        ],
    )
    def test_fixed_duration(self, length: Period, ends_at: datetime) -> None:
        """It counts from the day of reaching, and the last day is whole."""
        reached = date(2026, 7, 20)
        assert standing.fixed_duration(length, reached, date(2026, 7, 25)) == (reached, ends_at)

    @pytest.mark.parametrize(
        "points,downgrade,expected",
        [
            (0, Downgrade.ONE_STEP, "Silver"),
            (0, Downgrade.REASSESS, "Basic"),
            (0, Downgrade.NEVER, "Gold"),
            (100, Downgrade.REASSESS, "Silver"),
            (500, Downgrade.ONE_STEP, "Gold"),
        ],
    )
    def test_after_expiry(self, points: int, downgrade: Downgrade, expected: str) -> None:
        """As the downgrade says, never below what the points reach."""
        assert standing.after_expiry(RUNGS, "Gold", points, downgrade) == expected

    def test_projected(self) -> None:
        """What is missing is told where the tier would be lost, and only there."""
        assert standing.projected(RUNGS, "Gold", 300) == {
            "projected_active_points": 300,
            "projected_tier_name": "Silver",
            "stay_in_tier_points": 200,
        }
        assert standing.projected(RUNGS, "Gold", 500) == {"projected_active_points": 500, "projected_tier_name": "Gold"}


class TestBirthdays:
    def test_too_soon_is_next_year(self) -> None:
        """Exactly until so many days ahead."""
        born, entered = YearDay(4, 9), MARCH
        assert standing.birthdays_rewarded(born, entered=entered, closed_days=39, years=1) == [date(2027, 4, 9)]
        assert standing.birthdays_rewarded(born, entered=entered, closed_days=38, years=2) == [date(2026, 4, 9), date(2027, 4, 9)]

    def test_29_february(self) -> None:
        """The 28th in years that have none, once a year."""
        found = standing.birthdays_rewarded(YearDay(2, 29), entered=MARCH, closed_days=30, years=2)
        assert found == [date(2027, 2, 28), date(2028, 2, 29)]


class TestReferrals:
    @pytest.mark.parametrize(
        "reason",
        [
            Reason.REFERRAL_SELF,
            Reason.REFERRAL_ALREADY_REFERRED,
            Reason.REFERRAL_ALREADY_CUSTOMER,
            Reason.REFERRAL_CIRCULAR,
            Reason.REFERRAL_CODE_UNKNOWN,
        ],
    )
    def test_refused(self, reason: Reason) -> None:
        """Each for its own reason."""
        assert standing.why_not_referred(reason) is reason

    @pytest.mark.parametrize(
        "friends,limit,expected",
        [(0, None, (0, 0)), (2, None, (2, 20)), (3, None, (3, 80)), (4, None, (4, 90)), (4, 2, (2, 20))],
    )
    def test_rewarded(self, friends: int, limit: int | None, expected: tuple[int, int]) -> None:
        """So much for each, more for the third, nothing beyond the limit."""
        assert standing.friends_rewarded(friends, each=10, at={3: 50}, limit=limit) == expected
