"""Campaigns, limits and gift cards of other vendors, said with ours; these need no shared data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from loyaltycore.errors import Reason
from tests.vendors import opened

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class TestCodes:
    @pytest.mark.parametrize(
        "total,per_member,before,expected",
        [
            (100, 2, ("m", "m"), Reason.OFFER_MEMBER_LIMIT_REACHED),
            (100, 2, ("m", "other"), None),
            (3, 2, ("m", "other", "third"), Reason.OFFER_LIMIT_REACHED),
            (3, 3, ("m", "m", "m"), Reason.OFFER_LIMIT_REACHED),
            (None, 1, ("m",), Reason.OFFER_MEMBER_LIMIT_REACHED),
            (None, None, ("m",) * 5, None),
        ],
    )
    def test_caps(self, total: int | None, per_member: int | None, before: Sequence[str], expected: Reason | None) -> None:
        """Of one member and of all; a member's uses count for both."""
        assert opened.code_uses(total, per_member, before=before, member_id="m") is expected

    @pytest.mark.parametrize(
        "first,second,allowed",
        [("Spring-10", "SPRING-10", False), ("SPRING10", "SPRING-1O", False), ("SPRING10", "SPRING11", True)],
    )
    def test_codes_that_look_alike(self, first: str, second: str, *, allowed: bool) -> None:
        """Are one code."""
        assert opened.codes_together(first, second) is allowed

    def test_signs(self) -> None:
        """Letters, digits and dashes."""
        assert [opened.is_plain_code(text) for text in ("Spring-10", "a_b", "a!", "")] == [True, False, False, False]


class TestCoupons:
    @pytest.mark.parametrize("valid_for,before_end", [(24 * HOUR, HOUR), (24 * HOUR, 30 * DAY), (HOUR, DAY)])
    def test_validity(self, valid_for: timedelta, before_end: timedelta) -> None:
        """As long as the coupon says, wherever its campaign ends."""
        assert opened.validity(valid_for, before_end=before_end) == valid_for

    @pytest.mark.parametrize("limit,asked", [(4, 5), (4, 3), (1, 9)])
    def test_sessions(self, limit: int, asked: int) -> None:
        """No more than the limit at once; when their time has run out others may have them."""
        found, why, later = opened.sessions(limit, asked, 7 * DAY)
        assert (found, later) == (min(limit, asked), min(limit, asked))
        assert why == [Reason.OFFER_LIMIT_REACHED] * max(0, asked - limit)

    @pytest.mark.parametrize("limit,buyers,expected", [(10, (5, 4, 3), [5, 4, 1]), (3, (5, 1), [3, 0]), (9, (4, 5), [4, 5])])
    def test_units(self, limit: int, buyers: Sequence[int], expected: list[int]) -> None:
        """The last buyer gets what is left."""
        assert opened.discounted_units(limit, buyers) == expected


class TestCards:
    def test_topped_up(self) -> None:
        """A reward comes on top of the campaign's amount; a load on top of what is there."""
        assert opened.topped_up("100", rewards=("0", "10"), card="46", by="10") == ["100.00", "110.00", "56.00"]
        assert opened.topped_up("0.01", rewards=("1.50",), card="0.02", by="0.03") == ["1.51", "0.05"]
