"""Referrals as a shop sees them: what is public, and the laws of the design in one place."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

import loyaltycore.referrals as public
from loyaltycore import _referral, _referral_codes, _referral_insight, _referral_program
from loyaltycore.errors import Reason


class TestPublic:
    def test_everything_is_there(self) -> None:
        """What the parts promise is promised here, but what only the shop's services need."""
        own = {"public_space", "GUARDS_LIMIT", "RANKS"}
        parts = (_referral, _referral_codes, _referral_insight, _referral_program)
        assert {name for part in parts for name in part.__all__} - own <= set(public.__all__)

    @pytest.mark.parametrize("name", public.__all__)
    def test_each_name(self, name: str) -> None:
        """Is the part's own."""
        assert getattr(public, name) is not None

    def test_one_public_answer(self) -> None:
        """Nobody learns why a code was refused; what becomes of a wish is told."""
        reasons = [reason for reason in Reason if reason.value.startswith("referral_")]
        told = {reason for reason in reasons if reason.public != "referral_invalid"}
        assert told == {Reason.REFERRAL_CODE_TAKEN, Reason.REFERRAL_CODES_LIMIT_REACHED}

    def test_the_docs_first_example(self) -> None:
        """Joined, bought, rewarded, and back as if it had never been."""
        now = datetime(2026, 7, 1, tzinfo=UTC)
        joined = public.Referral.open("f-1").join("friends", advocate_id="ann", at=now).state
        rewarded = joined.qualify("1", due_at=now, at=now).state.reward(number=1, at=now).state
        reversed_ = rewarded.unqualify("1", return_id="r", at=now).state.reverse(at=now).state
        again = reversed_.qualify("1", due_at=now, at=now).state
        assert (again.orders, again.number, again.rewards) == (joined.qualify("1", due_at=now, at=now).state.orders, None, ())
