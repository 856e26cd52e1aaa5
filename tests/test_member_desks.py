"""The desks of rewards and referrals: every call reaches its step with all that was passed, awaited or not."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import attrs
import pytest

from loyaltycore import AsyncLoyalty, Loyalty
from loyaltycore._member_desks import AsyncReferralDesk, AsyncRewardDesk, ReferralDesk, RewardDesk
from loyaltycore.periods import Window
from loyaltycore.quantities import Money
from loyaltycore.rewards import PayoutStatus
from loyaltycore.services import ReferralDesk as PublicReferralDesk
from loyaltycore.services import RewardDesk as PublicRewardDesk
from loyaltycore.store.memory import MemoryRepository
from tests.test_async_services import Awaited, methods
from tests.test_card_desks import NOTED, NOTED_LATER
from tests.test_referral_steps import REFERRALS
from tests.test_reward_steps import RULES
from tests.test_services import NOON, Clock

REWARD_CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "of": (("m",), {}),
    "take": (("mug",), {"member_id": "m", "ref": "t-1", "actor": "till"}),
    "give_back": (("t-1",), {"member_id": "m", "reason": "sorry", "by": "ann"}),
    "choose": (("milestone/first", "ten"), {"member_id": "m", "actor": "till"}),
    "payouts": ((), {"status": PayoutStatus.DUE, "after": "p-1", "limit": 7}),
    "pay_out": (("p-1",), {"ref": "run-1", "by": "ann"}),
}
REWARD_STEPS = {
    "of": "_rewards_of",
    "take": "_take_reward",
    "give_back": "_give_back",
    "choose": "_choose",
    "payouts": "_payouts",
    "pay_out": "_pay_out",
}


class TestRewardDesks:
    def test_every_call_is_tried_here(self) -> None:
        """So that none is forgotten."""
        assert methods(RewardDesk).keys() == methods(AsyncRewardDesk).keys() == REWARD_CALLS.keys() == REWARD_STEPS.keys()
        assert PublicRewardDesk is RewardDesk

    @pytest.mark.parametrize("name", REWARD_CALLS)
    def test_all_that_is_passed_arrives(self, name: str) -> None:
        """Both desks ask the step of the same meaning for the same; nothing is dropped."""
        args, kwargs = REWARD_CALLS[name]
        step, passed, named = getattr(RewardDesk(NOTED), name)(*args, **kwargs)
        assert step == REWARD_STEPS[name]
        assert {*map(repr, passed), *map(repr, named.values())} == {*map(repr, args), *map(repr, kwargs.values())}
        assert asyncio.run(getattr(AsyncRewardDesk(NOTED_LATER), name)(*args, **kwargs)) == (step, passed, named)

    def test_what_is_passed_stands_in_its_place(self) -> None:
        """The steps take most by position."""
        desk: Any = RewardDesk(NOTED)
        assert desk.take("mug", member_id="m", ref="t-1", actor="till") == ("_take_reward", ("mug", "m", "t-1", "till"), {})
        assert desk.give_back("t-1", member_id="m", reason="r", by="ann") == ("_give_back", ("t-1", "m", "r", "ann"), {})
        assert desk.choose("x", "ten", member_id="m", actor="till") == ("_choose", ("x", "ten", "m", "till"), {})
        assert desk.payouts(status=PayoutStatus.PAID, after="p", limit=2) == ("_payouts", ("p", 2, PayoutStatus.PAID), {})
        assert desk.pay_out("p-1", ref="run-1", by="ann") == ("_pay_out", ("p-1", "run-1", "ann"), {})

    @pytest.mark.parametrize("name", ["take", "choose"])
    def test_the_shop_acts_when_nobody_is_named(self, name: str) -> None:
        """As everywhere."""
        args, kwargs = REWARD_CALLS[name]
        _, passed, _ = getattr(RewardDesk(NOTED), name)(*args, **{key: value for key, value in kwargs.items() if key != "actor"})
        assert passed[-1] == "shop"

    @pytest.mark.parametrize("name", ["give_back", "pay_out"])
    def test_a_person_is_named_where_it_matters(self, name: str) -> None:
        """There is no default for who took a reward back, or paid."""
        assert inspect.signature(getattr(RewardDesk, name)).parameters["by"].default is inspect.Parameter.empty

    def test_a_page_of_payouts_unless_said(self) -> None:
        """All of them, a thousand at most."""
        desk: Any = RewardDesk(NOTED)
        assert desk.payouts() == ("_payouts", (None, 1000, None), {})

    def test_both_end_in_the_same_books(self) -> None:
        """One reward, taken by either: the same facts."""
        inner, own = MemoryRepository(), MemoryRepository()
        plain, twin = Loyalty(RULES, own, clock=Clock(NOON)), AsyncLoyalty(RULES, Awaited(inner), clock=Clock(NOON))
        plain.earn(100, member_id="m", ref="welcome", expires_at=None, actor="ann")
        asyncio.run(twin.earn(100, member_id="m", ref="welcome", expires_at=None, actor="ann"))
        assert asyncio.run(twin.rewards.of("m")) == plain.rewards.of("m")
        taken = plain.rewards.take("cash", member_id="m", ref="t-1")
        assert asyncio.run(twin.rewards.take("cash", member_id="m", ref="t-1")) == taken
        assert own._streams == inner._streams

    def test_a_desk_prints_no_service(self) -> None:
        """Nor does it change."""
        desk = Loyalty(RULES, MemoryRepository()).rewards
        assert repr(desk) == "RewardDesk()"
        assert repr(AsyncRewardDesk(NOTED_LATER)) == "AsyncRewardDesk()"
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            desk.service = desk.service  # type: ignore[misc]  # that it cannot is the point


SINCE = Window(starts_at=NOON, ends_at=None)
LTV = Money.of("200.00", "EUR")
REFERRAL_CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "code": (("m",), {"wish": "BIKER"}),
    "of": (("f-1",), {}),
    "leaderboard": ((), {"window": SINCE, "limit": 3}),
    "report": ((), {"ltv": LTV, "window": SINCE}),
}
REFERRAL_STEPS = {"code": "_referral_code", "of": "_referral", "leaderboard": "_leaderboard", "report": "_referral_report"}


class TestReferralDesks:
    def test_every_call_is_tried_here(self) -> None:
        """So that none is forgotten."""
        assert methods(ReferralDesk).keys() == methods(AsyncReferralDesk).keys() == REFERRAL_CALLS.keys() == REFERRAL_STEPS.keys()
        assert PublicReferralDesk is ReferralDesk

    @pytest.mark.parametrize("name", REFERRAL_CALLS)
    def test_all_that_is_passed_arrives(self, name: str) -> None:
        """Both desks ask the step of the same meaning for the same; nothing is dropped, and each stands in its place."""
        args, kwargs = REFERRAL_CALLS[name]
        asked: Any = (REFERRAL_STEPS[name], (*args, *kwargs.values()), {})
        assert getattr(ReferralDesk(NOTED), name)(*args, **kwargs) == asked
        assert asyncio.run(getattr(AsyncReferralDesk(NOTED_LATER), name)(*args, **kwargs)) == asked

    def test_ten_places_of_all_time_unless_said(self) -> None:
        """A leaderboard is short, and a report of everything."""
        desk: Any = ReferralDesk(NOTED)
        always = Window(starts_at=None, ends_at=None)
        assert desk.leaderboard() == ("_leaderboard", (always, 10), {})
        assert desk.report() == ("_referral_report", (None, always), {})
        assert desk.code("m") == ("_referral_code", ("m", None), {})

    def test_a_shop_has_one(self) -> None:
        """Awaited or not."""
        store, clock = MemoryRepository(), Clock()
        shop = Loyalty(REFERRALS, store, clock=clock)
        code = shop.referrals.code("ann")
        later = AsyncLoyalty(REFERRALS, Awaited(store), clock=clock)

        async def look() -> None:
            assert await later.referrals.code("ann") == code
            joined = await later.join("bob", referral_code=code.code, identity_hashes=["card"])
            assert joined == shop.join("bob", referral_code=code.code)
            assert await later.referrals.of("bob") == shop.referrals.of("bob")
            assert await later.referrals.leaderboard() == ()
            assert (await later.referrals.report()).joined == 1

        asyncio.run(look())
