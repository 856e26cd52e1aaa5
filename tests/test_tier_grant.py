"""Tests of tiers granted by hand."""

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from loyaltycore.errors import UsageError
from loyaltycore.tiers import TierGrant

AT = datetime(2026, 7, 1, 10, tzinfo=UTC)
GRANT = TierGrant(ref="t-1", tier="gold", granted_at=AT, until=AT + timedelta(days=30), reason="a lost parcel", actor="ann")


class TestHolds:
    @pytest.mark.parametrize(
        "seconds, holds",
        [(-1, False), (0, True), (86_400 * 30 - 1, True), (86_400 * 30, False)],
        ids=["before", "at its beginning", "just before its end", "at its end"],
    )
    def test_within_its_time(self, seconds: int, *, holds: bool) -> None:
        """The beginning is inside, the end is not."""
        assert GRANT.holds(AT + timedelta(seconds=seconds)) is holds

    def test_without_an_end(self) -> None:
        """One without an end holds for ever."""
        assert attrs.evolve(GRANT, until=None).holds(AT + timedelta(days=36_500))

    def test_a_naive_time_is_refused(self) -> None:
        """An instant has a zone."""
        with pytest.raises(UsageError, match="timezone-aware"):
            GRANT.holds(datetime(2026, 7, 1))  # noqa: DTZ001 - that is what is refused


class TestMaking:
    def test_an_end_before_the_beginning_is_refused(self) -> None:
        """A grant may end when it begins, because it was ended; not before."""
        assert not attrs.evolve(GRANT, until=AT).holds(AT)
        with pytest.raises(UsageError, match="until must not be before 2026-07-01T10:00:00"):
            attrs.evolve(GRANT, until=AT - timedelta(seconds=1))

    @pytest.mark.parametrize("field", ["ref", "tier"])
    def test_names_are_needed(self, field: str) -> None:
        """It has a name, and names a tier."""
        with pytest.raises(UsageError, match=field):
            TierGrant(**{**attrs.asdict(GRANT), field: ""})
