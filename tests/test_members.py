"""What the shop tells about a member."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given

from loyaltycore.errors import UsageError
from loyaltycore.members import Profile
from loyaltycore.testing.strategies import profiles
from tests.odd_values import answers_or_refuses


class TestProfile:
    def test_nothing_needs_to_be_told(self) -> None:
        """Everything may be unknown."""
        assert Profile() == Profile(market=None, birthday=None, tags=[], consents=())

    def test_labels_are_sets(self) -> None:
        """Given in any form, each once."""
        profile = Profile(tags=["club", "club"], consents=("e-mail",), birthday=date(2000, 2, 29), market="FR")
        assert profile.tags == frozenset({"club"})
        assert profile.consents == frozenset({"e-mail"})

    @pytest.mark.parametrize(
        "wrong,message",
        [
            ({"market": "la France"}, "market must be 1 to 64 letters"),
            ({"market": ""}, "market must be 1 to 64 letters"),
            ({"birthday": datetime(2000, 2, 29, tzinfo=UTC)}, "birthday must be a date"),
            ({"birthday": "2000-02-29"}, "birthday must be a date"),
            ({"tags": "club"}, "labels must be several values"),
            ({"consents": [""]}, "each of the labels must be text"),
        ],
    )
    def test_wrong_values(self, wrong: dict[str, Any], message: str) -> None:
        """Each field is checked."""
        with pytest.raises(UsageError, match=message):
            Profile(**wrong)

    @given(profiles())
    def test_survives_pickle(self, profile: Profile) -> None:
        """It comes back equal."""
        assert pickle.loads(pickle.dumps(profile)) == profile

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(Profile, market="FR", birthday=date(2000, 2, 29), tags=["club"], consents=["e-mail"])
