"""The checks that value objects share."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import count
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore._checks import (
    SHOWN_LIMIT,
    WHOLE_LIMIT,
    check_count,
    check_day,
    check_instant,
    check_kind,
    check_mapping,
    check_several,
    check_whole,
    keep_in_utc,
    shown,
)
from loyaltycore.errors import UsageError
from loyaltycore.quantities import Rounding
from tests.odd_values import ODD, answers_or_refuses

PARIS = ZoneInfo("Europe/Paris")


class TestShown:
    @pytest.mark.parametrize(
        "value", [None, 1, "é", b"x", [1, "two"], Decimal("1.5"), "x" * (SHOWN_LIMIT - 2), 10 ** (SHOWN_LIMIT - 1)], ids=count()
    )
    def test_short_values_print_as_they_are(self, value: object) -> None:
        """The repr, where it fits into a log line."""
        assert shown(value) == repr(value)

    @pytest.mark.parametrize(
        "value,expected",
        [
            ("x" * 201, f"'{'x' * 80}'… (201 characters)"),
            (b"x" * 201, f"b'{'x' * 80}'… (201 characters)"),
            ([1] * 200, f"[{'1, ' * 26}1…"),
            (10**SHOWN_LIMIT, f"1{'0' * 79}…"),
            pytest.param(10**5_000, "a int that cannot be printed", id="huge"),
        ],
        ids=count(),
    )
    def test_long_values_are_cut(self, value: object, expected: str) -> None:
        """A message stays short, whatever it was given."""
        assert shown(value) == expected

    @pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
    def test_anything_can_be_shown(self, value: object) -> None:
        """A broken repr does not break the message."""
        assert len(shown(value)) <= SHOWN_LIMIT + 2


class TestWhole:
    @pytest.mark.parametrize("value", [0, 1, -1, WHOLE_LIMIT, -WHOLE_LIMIT])
    def test_whole_numbers_pass(self, value: int) -> None:
        """Anything a 64-bit column holds, either side of zero."""
        assert check_whole("n", value) == value

    @pytest.mark.law(3)
    @pytest.mark.parametrize("value", [True, False, 1.0, "1", None, Decimal(1), WHOLE_LIMIT + 1, -WHOLE_LIMIT - 1])
    def test_nothing_else_does(self, value: object) -> None:
        """A float, a bool, a text or a number out of range is refused by name."""
        with pytest.raises(UsageError, match=r"^n must be a whole number in \["):
            check_whole("n", value)

    def test_bounds_are_inside(self) -> None:
        """Low and high are allowed, one beyond is not; the message names all three."""
        assert [check_whole("n", n, low=2, high=4) for n in (2, 3, 4)] == [2, 3, 4]
        for n in (1, 5):
            with pytest.raises(UsageError, match=rf"^n must be a whole number in \[2, 4\], got {n}$"):
                check_whole("n", n, low=2, high=4)

    def test_a_count_is_at_least_one(self) -> None:
        """Nothing is no count."""
        assert [check_count("n", n, high=2) for n in (1, 2)] == [1, 2]
        for n in (0, 3):
            with pytest.raises(UsageError, match=rf"\[1, 2\], got {n}$"):
                check_count("n", n, high=2)


class TestKind:
    def test_takes_the_class_alone(self) -> None:
        """The message names the class."""
        assert check_kind("day", "x", str) == "x"
        with pytest.raises(UsageError, match=r"^day must be of type str, got 1$"):
            check_kind("day", 1, str)

    def test_lists_the_members_of_an_enum(self) -> None:
        """The text of a member is no member: a typing error would pass silently."""
        assert check_kind("rounding", Rounding.UP, Rounding) is Rounding.UP
        with pytest.raises(
            UsageError, match=r"^rounding must be one of down, up, half_up, half_down, half_even, as Rounding, got 'up'$"
        ):
            check_kind("rounding", "up", Rounding)


class TestSeveral:
    @pytest.mark.parametrize("values", [["a", "b"], ("a", "b"), {"a": 1, "b": 2}, iter("ab")])
    def test_any_iterable_becomes_a_tuple(self, values: object) -> None:
        """Lists, generators and keys alike."""
        assert check_several("words", values, str, limit=2) == ("a", "b")

    @pytest.mark.parametrize("values", ["ab", b"ab", None, 1, 1.5])
    def test_a_single_text_is_not_several(self, values: object) -> None:
        """A forgotten pair of brackets is no list of letters."""
        with pytest.raises(UsageError, match=r"^words must be several values of type str, got"):
            check_several("words", values, str)

    def test_each_is_checked(self) -> None:
        """One wrong item is enough."""
        with pytest.raises(UsageError, match=r"^each of words must be of type str, got 1$"):
            check_several("words", ["a", 1], str)

    def test_the_number_is_bounded(self) -> None:
        """At most so many, even of an iterator that never ends."""
        with pytest.raises(UsageError, match=r"^words must be at most 1 in number, got more$"):
            check_several("words", iter(["a", "b"]), str, limit=1)


class TestMapping:
    def test_gives_a_copy(self) -> None:
        """The copy is not the caller's mapping."""
        given_items = {"a": 1}
        copy = check_mapping("items", given_items, limit=1)
        assert copy == given_items
        assert copy is not given_items

    @pytest.mark.parametrize("values", [None, [("a", 1)], {"a": 1, "b": 2}])
    def test_refuses_the_rest(self, values: dict[str, int]) -> None:
        """No pairs, and no more items than the limit."""
        with pytest.raises(UsageError, match=r"^items must be a mapping of at most 1 items, got"):
            check_mapping("items", values, limit=1)


class TestDay:
    @pytest.mark.parametrize("day", [date(2, 1, 1), date(2024, 2, 29), date(9998, 12, 31)])
    def test_days_pass(self, day: date) -> None:
        """Any date of the years 2 to 9998."""
        assert check_day("day", day) == day

    @pytest.mark.parametrize("day", [date(1, 12, 31), date(9999, 1, 1), datetime(2026, 7, 1, tzinfo=UTC), "2026-07-01", None])
    def test_nothing_else_does(self, day: object) -> None:
        """An instant is no day."""
        with pytest.raises(UsageError, match=r"^day must be a date of the years 2 to 9998, got"):
            check_day("day", day)


class TestInstant:
    @pytest.mark.parametrize("at", [datetime(2, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, 23, 59, 59, tzinfo=UTC)])
    def test_utc_passes_as_it_is(self, at: datetime) -> None:
        """Nothing to convert."""
        assert check_instant("at", at) is at

    @given(st.datetimes(datetime(2, 1, 2), datetime(9998, 12, 30), timezones=st.just(PARIS)))  # noqa: DTZ001  # bounds without a zone
    def test_other_zones_become_utc(self, at: datetime) -> None:
        """The same instant, by other clocks."""
        assert check_instant("at", at).tzinfo is UTC
        assert check_instant("at", at).timestamp() == at.timestamp()

    @pytest.mark.parametrize("at", [datetime(2026, 7, 1), date(2026, 7, 1), "2026-07-01T00:00:00Z", None, 0])  # noqa: DTZ001
    def test_naive_times_are_refused(self, at: object) -> None:
        """A time without a zone is no instant."""
        with pytest.raises(UsageError, match=r"^at must be a timezone-aware datetime, got"):
            check_instant("at", at)

    @pytest.mark.parametrize(
        "at", [datetime(1, 12, 31, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=PARIS)]
    )
    def test_the_ends_of_the_calendar_are_refused(self, at: datetime) -> None:
        """There a change of zone would overflow; an end that never comes is None."""
        with pytest.raises(UsageError, match=r"^at must lie in the years 2 to 9998 \(no end is None\), got"):
            check_instant("at", at)

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(check_instant, name="at", at=datetime(2026, 7, 1, tzinfo=timezone(timedelta(seconds=1))))


@attrs.frozen
class Span:
    starts_at: datetime | None
    ends_at: datetime | None


class TestKeepInUtc:
    def test_converts_what_is_there(self) -> None:
        """An instant is kept in UTC, None stays None."""
        span = Span(datetime(2026, 7, 1, 2, tzinfo=PARIS), None)
        keep_in_utc(span, "starts_at", "ends_at")
        assert span == Span(datetime(2026, 7, 1, tzinfo=UTC), None)
        assert span.starts_at is not None
        assert span.starts_at.tzinfo is UTC

    def test_names_the_field(self) -> None:
        """The message says which of them."""
        with pytest.raises(UsageError, match=r"^ends_at must be a timezone-aware datetime"):
            keep_in_utc(Span(None, datetime(2026, 7, 1)), "starts_at", "ends_at")  # noqa: DTZ001
