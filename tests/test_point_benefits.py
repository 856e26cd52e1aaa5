"""Tests of what an order brings besides a price: the words of its errors are tested with the other benefits."""

import pytest

from loyaltycore.benefits import BonusPoints
from loyaltycore.errors import UsageError
from loyaltycore.periods import AS_RULES, Period, Sliding, Term


class TestEnds:
    YEAR = Term(Period(months=12))

    def test_as_the_rules_unless_said(self) -> None:
        """Points that say no end of their own end as those of the program's rules."""
        assert BonusPoints(500).expires is AS_RULES
        assert BonusPoints(500).ends(self.YEAR) == self.YEAR
        assert BonusPoints(500).ends(None) is None

    @pytest.mark.parametrize("own", [None, Term(Period(days=30)), Sliding(Term(Period(months=6)))])
    def test_its_own_where_it_has_one(self, own: Term | Sliding | None) -> None:
        """Never is an end of its own too."""
        assert BonusPoints(500, expires=own).ends(self.YEAR) == own

    def test_no_other_word(self) -> None:
        """An end is a policy."""
        with pytest.raises(UsageError, match="expires"):
            BonusPoints(500, expires="12 months")  # type: ignore[arg-type]
