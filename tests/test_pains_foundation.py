"""What goes wrong elsewhere, as far as money, time and codes decide it: each test is named after the pain."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from loyaltycore.errors import CurrencyMismatchError, UsageError
from loyaltycore.identity import fold_code
from loyaltycore.periods import Calendar, Period, Term
from loyaltycore.quantities import Money, Rate, Rounding, allocate, share_of_units, total

PARIS = Calendar("Europe/Paris")


class TestMoney:
    def test_one_cent_off(self) -> None:
        """25 % of 19.99 (saleor), 10 over three lines (medusa), 0.11 off on 25 × 399.00 (vendure)."""
        assert Rate.percent("25").of(Money.of("19.99", "EUR"), rounding=Rounding.HALF_UP) == Money.of("5.00", "EUR")
        assert allocate(1000, (1, 1, 1)) == (334, 333, 333)
        discount = Rate.percent("10").of(Money.of("399.00", "EUR") * 25, rounding=Rounding.DOWN)
        shares = [share_of_units(discount.minor_units, 25, start=unit, stop=unit + 1) for unit in range(25)]
        assert sum(shares) == discount.minor_units == 99_750
        assert max(shares) - min(shares) <= 1

    def test_total_is_minus_a_trillionth(self) -> None:
        """Ten times 0.10 less 1.00 is nothing, not −1.6e−14 (medusa)."""
        dime = Money.of("0.10", "EUR")
        assert total("EUR", [dime] * 10) - Money.of("1.00", "EUR") == Money.zero("EUR")
        with pytest.raises(UsageError):
            Money.of(0.1, "EUR")  # type: ignore[arg-type]

    def test_result_of_a_formula_gave_no_points(self) -> None:
        """A rate of a whole number is whole, rounded as said (Voucherify)."""
        assert Rate.percent("1.5").of_whole(999, rounding=Rounding.DOWN) == 14
        assert Rate.percent("1.5").of_whole(999, rounding=Rounding.UP) == 15

    def test_a_returned_line_takes_a_share_back(self) -> None:
        """Split anew, 10 and 11 over 6/6/2 give the third line 2 and 1: so shares are fixed once, and grow with the whole."""
        assert allocate(10, (6, 6, 2))[2] > allocate(11, (6, 6, 2))[2]
        for unit in range(7):
            before, after = (share_of_units(whole, 7, start=unit, stop=unit + 1) for whole in (10, 11))
            assert before <= after

    def test_two_currencies_add_up(self) -> None:
        """Not here."""
        with pytest.raises(CurrencyMismatchError):
            Money.of("1.00", "EUR") + Money.of("1.00", "USD")


class TestTime:
    def test_expires_at_the_start_of_its_day(self) -> None:
        """The last day counts whole (lifterlms)."""
        end = Term(Period(days=30)).end_after(datetime(2026, 6, 1, 9, tzinfo=UTC), calendar=PARIS)
        last_moment = datetime(2026, 7, 1, 23, 59, 59, tzinfo=ZoneInfo("Europe/Paris"))
        assert last_moment < end == datetime(2026, 7, 2, tzinfo=ZoneInfo("Europe/Paris"))

    @pytest.mark.parametrize("month,day", [(3, 28), (10, 24)])
    def test_an_hour_off_when_the_clocks_change(self, month: int, day: int) -> None:
        """A day later is local midnight, in the week of the change too (s2member, emfcamp)."""
        end = Term(Period(days=1)).end_after(datetime(2026, month, day, 12, tzinfo=UTC), calendar=PARIS)
        assert PARIS.local(end).isoformat()[:16] == f"2026-{month:02}-{day + 2:02}T00:00"

    def test_the_end_of_the_month_wanders_off(self) -> None:
        """31 January and one month, twelve times, chained, ends on the 28th: ours is counted from the anchor."""
        start = datetime(2027, 1, 31, 12, tzinfo=UTC)
        days = [Period(months=1).after(PARIS.day_of(start), count=nth).day for nth in range(1, 13)]
        assert days == [28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31]


class TestCodes:
    @pytest.mark.parametrize(
        "typed", ["SUMMER10", "summer10", " SUMMER10 ", "SUMMER1O", "SUMMER-10", "SUMMER 10", "SUMMERl0", "SUMMER10\r\n"]
    )
    def test_a_right_code_is_refused(self, typed: str) -> None:
        """Case, blanks, dashes, O for 0 and l for 1 are how people type (pimcore, vendure, magento)."""
        assert fold_code(typed) == "SUMMER10"
