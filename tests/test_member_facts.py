"""Tests of the facts of a member."""

from datetime import UTC, date, datetime
from typing import Any

import attrs
import pytest

from loyaltycore import _member_facts
from loyaltycore.errors import UsageError
from loyaltycore.memberships import FriendRewarded, OrderCounted, RewardGiven

AT = datetime(2026, 7, 1, 10, tzinfo=UTC)


class TestKinds:
    def test_each_has_a_name_of_its_own(self) -> None:
        """Every kind is named after the member and what happened, once."""
        kinds = [getattr(_member_facts, name).kind for name in _member_facts.__all__]
        assert len(set(kinds)) == len(kinds) == len(_member_facts.__all__)
        assert all(kind.startswith("member.") for kind in kinds)

    def test_each_is_exported(self) -> None:
        """What a module of a shop may match stands in ``memberships``."""
        from loyaltycore import memberships  # noqa: PLC0415 - looked at as a whole

        assert set(_member_facts.__all__) <= set(memberships.__all__)


class TestNumbers:
    @pytest.mark.parametrize(
        "field, value",
        [("points", -1), ("price_points", -1), ("mark", -1), ("points", 1.0), ("price_points", True)],
    )
    def test_a_reward_takes_nothing(self, field: str, value: object) -> None:
        """Points of a reward are whole numbers of at least 0."""
        wrong: dict[str, Any] = {field: value}
        with pytest.raises(UsageError, match=field):
            RewardGiven(reward_id="reward/t-1", source="catalogue/mug", at=AT, **wrong)

    def test_a_friend_has_a_number(self) -> None:
        """The first friend is number 1; one whom a limit kept back has none."""
        friend = FriendRewarded(friend_id="m-2", program_id="friends", day=date(2026, 7, 1), number=0, at=AT)
        assert friend.number == 0
        with pytest.raises(UsageError, match="number"):
            attrs.evolve(friend, number=-1)

    @pytest.mark.parametrize("field", ["list_minor", "discount_minor"])
    def test_an_order_costs_at_least_nothing(self, field: str) -> None:
        """Amounts of an order are at least 0."""
        wrong: dict[str, Any] = {field: -1}
        with pytest.raises(UsageError, match=field):
            OrderCounted(order_id="1", day=date(2026, 7, 1), at=AT, **wrong)
