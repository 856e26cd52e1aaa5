"""The calls on rewards and referrals of ``Loyalty`` and ``AsyncLoyalty``."""

from __future__ import annotations

from typing import final

import attrs

from loyaltycore._driver import AsyncDriver, Driver
from loyaltycore._reward_steps import PAYOUTS_LIMIT, PayoutPage
from loyaltycore._rewarding import RewardAnswer
from loyaltycore._service import ACTOR
from loyaltycore.memberships import ALWAYS, RewardGiven, RewardTakenBack
from loyaltycore.periods import Window
from loyaltycore.quantities import Money
from loyaltycore.referrals import Rank, Referral, ReferralCode, ReferralReport
from loyaltycore.rewards import Payout, PayoutStatus

__all__ = ["AsyncReferralDesk", "AsyncRewardDesk", "ReferralDesk", "RewardDesk"]


@final
@attrs.frozen
class ReferralDesk:
    """Members who bring friends, at the service: ``loyalty.referrals``.

    Attributes:
        service: A ``Loyalty`` whose program has referrals.
    """

    service: Driver = attrs.field(repr=False)

    def code(self, member_id: str, *, wish: str | None = None) -> ReferralCode:
        """Give the code with which a member brings friends; called again it is the same.

        Args:
            member_id: Whose.
            wish: A code that the member would like, such as a name: a new one is shown from now on, and those before it go on
                leading to the member. ``None`` gives the one that is shown, or has one made where there is none yet.

        Raises:
            RefusedError: ``referral_code_taken`` for a wish that somebody has, or that looks like another code;
                ``referral_codes_limit_reached`` for a member who has five; ``code_malformed`` for one that is no code of 3 to 64
                letters and digits.
            UsageError: A program without referrals; codes of a space whose key is not at hand.
        """
        return self.service._run(self.service._referral_code(member_id, wish))

    def of(self, friend_id: str) -> Referral:
        """Give the referral of a friend as it is: who brought him, and what became of it.

        Its number and rewards are those of when the advocate was rewarded; what they are now stands in ``friends`` of the
        advocate's membership.

        Args:
            friend_id: The friend's member id; of one whom nobody brought the status is ``none``.
        """
        return self.service._run(self.service._referral(friend_id))

    def leaderboard(self, *, window: Window = ALWAYS, limit: int = 10) -> tuple[Rank, ...]:
        """List who brought the most friends; equals share a place.

        Args:
            window: Friends who count since then and until then; of all time, unless said.
            limit: Places, at least 1.

        Raises:
            UsageError: A repository that cannot list its streams.

        Complexity:
            Reads every referral.
        """
        return self.service._run(self.service._leaderboard(window, limit))

    def report(self, *, ltv: Money | None = None, window: Window = ALWAYS) -> ReferralReport:
        """Sum up what referrals came to: who joined and converted, friends for each member, what it cost and returned.

        Args:
            ltv: What a member brings in the end; ``None`` leaves the return out.
            window: Referrals of this time alone; of all time, unless said.

        Raises:
            UsageError: A repository that cannot list its streams.

        Complexity:
            Reads every referral, and every advocate who was rewarded.
        """
        return self.service._run(self.service._referral_report(ltv, window))


@final
@attrs.frozen
class AsyncReferralDesk:
    """Members who bring friends, at the service that is awaited; every call of ``ReferralDesk``, by the same name.

    Attributes:
        service: An ``AsyncLoyalty`` whose program has referrals.
    """

    service: AsyncDriver = attrs.field(repr=False)

    async def code(self, member_id: str, *, wish: str | None = None) -> ReferralCode:
        """Give the code with which a member brings friends; called again it is the same.

        As ``ReferralDesk.code``, awaited.
        """
        return await self.service._run(self.service._referral_code(member_id, wish))

    async def of(self, friend_id: str) -> Referral:
        """Give the referral of a friend as it is: who brought him, and what became of it.

        As ``ReferralDesk.of``, awaited.
        """
        return await self.service._run(self.service._referral(friend_id))

    async def leaderboard(self, *, window: Window = ALWAYS, limit: int = 10) -> tuple[Rank, ...]:
        """List who brought the most friends; equals share a place.

        As ``ReferralDesk.leaderboard``, awaited.
        """
        return await self.service._run(self.service._leaderboard(window, limit))

    async def report(self, *, ltv: Money | None = None, window: Window = ALWAYS) -> ReferralReport:
        """Sum up what referrals came to: who joined and converted, friends for each member, what it cost and returned.

        As ``ReferralDesk.report``, awaited.
        """
        return await self.service._run(self.service._referral_report(ltv, window))


@final
@attrs.frozen
class RewardDesk:
    """Rewards, at the service: ``loyalty.rewards``.

    Attributes:
        service: A ``Loyalty`` whose program has rewards.
    """

    service: Driver = attrs.field(repr=False)

    def of(self, member_id: str) -> tuple[RewardAnswer, ...]:
        """List the catalogue to a member, by id: what each costs, and why it cannot be taken at present.

        Args:
            member_id: Whose page it is; one never seen has no points.
        """
        return self.service._run(self.service._rewards_of(member_id))

    def take(self, reward_id: str, *, member_id: str, ref: str, actor: str = ACTOR) -> RewardGiven:
        """Take a reward for its price in points, once for each ``ref``.

        Args:
            reward_id: One of the program's.
            member_id: Who takes it.
            ref: The shop's own name for it; ``give_back`` takes the same.
            actor: Who asks.

        Raises:
            RefusedError: ``reward_not_found``, ``program_not_started``, ``reward_not_started``, ``reward_closed``,
                ``tier_mismatch``, ``reward_limit_reached``, ``reward_member_limit_reached``, ``campaign_stopped``,
                ``campaign_closed``, ``points_insufficient`` or ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self.service._run(self.service._take_reward(reward_id, member_id, ref, actor))

    def give_back(self, ref: str, *, member_id: str, reason: str, by: str) -> RewardTakenBack:
        """Take a reward back that was taken for points, once: the points go back to the lots they came from.

        Args:
            ref: The shop's own name that it was taken under.
            member_id: Whose.
            reason: In the shop's words.
            by: Who does it.

        Raises:
            RefusedError: ``reward_not_found``; ``reward_used`` where something of it was used; ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self.service._run(self.service._give_back(ref, member_id, reason, by))

    def choose(self, reward_id: str, option: str, *, member_id: str, actor: str = ACTOR) -> RewardGiven:
        """Choose one of what a milestone offers, once; ``overview(member_id).choices`` lists what there is to choose.

        Args:
            reward_id: The name of what is offered.
            option: The name of what is chosen.
            member_id: Who chooses.
            actor: Who asks.

        Raises:
            RefusedError: ``reward_not_found``, ``reward_not_offered``, ``reward_choice_expired``, ``campaign_stopped``,
                ``campaign_closed`` or ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self.service._run(self.service._choose(reward_id, option, member_id, actor))

    def payouts(self, *, status: PayoutStatus | None = None, after: str | None = None, limit: int = PAYOUTS_LIMIT) -> PayoutPage:
        """List what the shop pays outside, in order of the ids.

        Args:
            status: Only those that stand so, such as ``PayoutStatus.DUE``; ``None`` lists all.
            after: Where an earlier page stopped; ``None`` begins.
            limit: 1 to 1,000.

        Raises:
            UsageError: A repository that cannot list its streams.
        """
        return self.service._run(self.service._payouts(after, limit, status))

    def pay_out(self, payout_id: str, *, ref: str, by: str) -> Payout:
        """Write down that the shop paid something outside, once.

        Args:
            payout_id: As ``payouts`` names it.
            ref: The shop's own name for the payment, such as that of the transfer.
            by: Who paid.

        Raises:
            RefusedError: ``payout_not_found``; ``payout_reversed`` where what gave it was undone; ``key_reused`` where it was
                paid under another name.
        """
        return self.service._run(self.service._pay_out(payout_id, ref, by))


@final
@attrs.frozen
class AsyncRewardDesk:
    """Rewards, at the service that is awaited; every call of ``RewardDesk``, by the same name.

    Attributes:
        service: An ``AsyncLoyalty`` whose program has rewards.
    """

    service: AsyncDriver = attrs.field(repr=False)

    async def of(self, member_id: str) -> tuple[RewardAnswer, ...]:
        """List the catalogue to a member, by id: what each costs, and why it cannot be taken at present.

        As ``RewardDesk.of``, awaited.
        """
        return await self.service._run(self.service._rewards_of(member_id))

    async def take(self, reward_id: str, *, member_id: str, ref: str, actor: str = ACTOR) -> RewardGiven:
        """Take a reward for its price in points, once for each ``ref``.

        As ``RewardDesk.take``, awaited.
        """
        return await self.service._run(self.service._take_reward(reward_id, member_id, ref, actor))

    async def give_back(self, ref: str, *, member_id: str, reason: str, by: str) -> RewardTakenBack:
        """Take a reward back that was taken for points, once: the points go back to the lots they came from.

        As ``RewardDesk.give_back``, awaited.
        """
        return await self.service._run(self.service._give_back(ref, member_id, reason, by))

    async def choose(self, reward_id: str, option: str, *, member_id: str, actor: str = ACTOR) -> RewardGiven:
        """Choose one of what a milestone offers, once; ``overview(member_id).choices`` lists what there is to choose.

        As ``RewardDesk.choose``, awaited.
        """
        return await self.service._run(self.service._choose(reward_id, option, member_id, actor))

    async def payouts(
        self, *, status: PayoutStatus | None = None, after: str | None = None, limit: int = PAYOUTS_LIMIT
    ) -> PayoutPage:
        """List what the shop pays outside, in order of the ids.

        As ``RewardDesk.payouts``, awaited.
        """
        return await self.service._run(self.service._payouts(after, limit, status))

    async def pay_out(self, payout_id: str, *, ref: str, by: str) -> Payout:
        """Write down that the shop paid something outside, once.

        As ``RewardDesk.pay_out``, awaited.
        """
        return await self.service._run(self.service._pay_out(payout_id, ref, by))
