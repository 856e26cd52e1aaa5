"""What a service does with rewards and payouts, as steps."""

from __future__ import annotations

from datetime import datetime
from typing import Final, final

import attrs

from loyaltycore._card_steps import CardSteps
from loyaltycore._checks import check_count, check_kind
from loyaltycore._payouts import Payout, PayoutStatus
from loyaltycore._rewarding import (
    RewardAnswer,
    answer,
    stock_counters,
    stock_used,
    taken_streams,
)
from loyaltycore._rewards_due import reward_streams
from loyaltycore._steps import ListStreams, Loaded, Postings, Sight, Steps, not_before_last, the
from loyaltycore.errors import UsageError
from loyaltycore.facts import Command
from loyaltycore.identity import Key, StreamId, campaign_stream, check_id, check_text, member_stream, payout_stream
from loyaltycore.memberships import Membership, RewardGiven, RewardTakenBack
from loyaltycore.offers import View
from loyaltycore.repositories import Enumerable
from loyaltycore.rewards import CatalogueReward, campaigns_needed

__all__ = ["PAYOUTS_LIMIT", "PayoutPage", "RewardSteps"]

PAYOUTS_LIMIT: Final = 1000
"""Payouts of one page, at most."""


@final
@attrs.frozen(kw_only=True)
class PayoutPage:
    """Some of the payouts, in order of their ids.

    Attributes:
        payouts: At most as many as were asked for.
        after: Where the next page begins; ``None`` after the last.
    """

    payouts: tuple[Payout, ...]
    after: str | None


class RewardSteps(CardSteps):
    """Rewards and payouts."""

    __slots__ = ()

    # ---- the catalogue ----

    def _rewards_of(self, member_id: str) -> Steps[tuple[RewardAnswer, ...]]:
        """List the catalogue to a member, by id."""
        rewards = tuple(reward for _, reward in sorted(self.program.rewards.items()))
        sight = self._sight_of_rewards(member_id, rewards)

        def look(loaded: Loaded, at: datetime) -> tuple[RewardAnswer, ...]:
            member = loaded.member(member_id)
            at = not_before_last(member, at)
            view, tier = self._view_of_rewards(loaded, rewards, at), self._tier(member, at)
            return tuple(answer(self.program, reward, member, tier=tier, view=view, at=at) for reward in rewards)

        return (yield from self._seen(sight, look))

    def _take_reward(self, reward_id: str, member_id: str, ref: str, actor: str) -> Steps[RewardGiven]:
        home, key = member_stream(member_id), Key(f"take_reward:{check_id('ref', ref)}")
        command = Command.of(home, key, actor=actor, reward_id=check_kind("reward_id", reward_id, str))
        reward = self.program.rewards.get(reward_id)
        rewards = () if reward is None else (reward,)

        def decide(loaded: Loaded, at: datetime) -> Postings:
            member = loaded.member(member_id)
            at = not_before_last(member, at)
            view = self._view_of_rewards(loaded, rewards, at)
            taken = self.program.take_reward(reward_id, member, ref=ref, view=view, at=at)
            return (*taken.postings, *taken.claims, *self._guards(loaded, _campaigns(rewards)))

        facts = yield from self._once(command, self._sight_of_rewards(member_id, rewards), decide)
        return the(RewardGiven, facts[home])

    def _give_back(self, ref: str, member_id: str, reason: str, actor: str) -> Steps[RewardTakenBack]:
        home, key = member_stream(member_id), Key(f"return_reward:{check_id('ref', ref)}")
        command = Command.of(home, key, actor=actor, reason=check_text("reason", reason))

        def more(loaded: Loaded, _at: datetime) -> tuple[StreamId, ...]:
            member = loaded.member(member_id)
            return tuple(dict.fromkeys([*taken_streams(member, ref), *reward_streams(member)]))

        def decide(loaded: Loaded, at: datetime) -> Postings:
            member = loaded.member(member_id)
            back = self.program.give_back_reward(ref, member, reason=reason, actor=actor, view=loaded.beside(), at=at)
            return (*back.postings, *back.claims)

        facts = yield from self._once(command, Sight(streams=(home,), more=more), decide)
        return the(RewardTakenBack, facts[home])

    def _sight_of_rewards(self, member_id: str, rewards: tuple[CatalogueReward, ...]) -> Sight:
        switches = map(campaign_stream, _campaigns(rewards))
        calendar = self.program.calendar
        return Sight(
            streams=(member_stream(member_id), *switches),
            counters=lambda at: stock_counters(rewards, at=at, calendar=calendar),
        )

    def _view_of_rewards(self, loaded: Loaded, rewards: tuple[CatalogueReward, ...], at: datetime) -> View:
        used = stock_used(rewards, loaded.taken, at=at, calendar=self.program.calendar)
        return View(used=used, stopped=self._stopped(loaded))

    def _tier(self, member: Membership, at: datetime) -> str | None:
        status = self.program.tier(member, at=at)
        return None if status is None else status.tier

    # ---- choosing ----

    def _choose(self, reward_id: str, option: str, member_id: str, actor: str = "shop") -> Steps[RewardGiven]:
        home, key = member_stream(member_id), Key(f"choose:{check_id('reward_id', reward_id)}")
        command = Command.of(home, key, actor=actor, option=check_id("option", option))

        def needed(loaded: Loaded) -> tuple[str, ...]:
            held = loaded.member(member_id).rewards.get(reward_id)
            milestone = None if held is None else self.program.milestones.get(held.source.partition("/")[2])
            gives = {} if milestone is None else dict(milestone.gives)
            if milestone is None or option not in gives:
                return ()
            return campaigns_needed(gives[option], milestone.campaign_id(option))

        def decide(loaded: Loaded, at: datetime) -> Postings:
            view = View(stopped=self._stopped(loaded))
            chosen = self.program.choose_reward(reward_id, option, loaded.member(member_id), view=view, at=at)
            return (*chosen.postings, *self._guards(loaded, needed(loaded)))

        sight = Sight(streams=(home,), more=lambda loaded, _at: tuple(map(campaign_stream, needed(loaded))))
        facts = yield from self._once(command, sight, decide)
        return the(RewardGiven, facts[home])

    # ---- payouts ----

    def _payouts(self, after: str | None, limit: int, status: PayoutStatus | None) -> Steps[PayoutPage]:
        """List payouts in order of their ids; of one status, where one is asked for."""
        check_count("limit", limit, high=PAYOUTS_LIMIT)
        if status is not None:
            check_kind("status", status, PayoutStatus)
        if not isinstance(self.repository, Enumerable):
            msg = f"payouts needs a repository that has streams, got {type(self.repository).__name__}"
            raise UsageError(msg)
        last, found = None if after is None else payout_stream(after), list[Payout]()
        while True:
            page: tuple[StreamId, ...] = tuple((yield ListStreams("payout", last)))
            if not page:
                return PayoutPage(payouts=tuple(found), after=None)
            loaded = yield from self._whole(page)
            for last in page:
                payout = loaded.payout(_name_of(last))
                if status is None or payout.status is status:
                    found.append(payout)
                if len(found) == limit:
                    return PayoutPage(payouts=tuple(found), after=payout.payout_id)

    def _pay_out(self, payout_id: str, ref: str, by: str) -> Steps[Payout]:
        stream = payout_stream(payout_id)
        command = Command.of(stream, Key("pay"), actor=by, ref=check_id("ref", ref))

        def decide(loaded: Loaded, at: datetime) -> Postings:
            return (loaded.payout(payout_id).pay(ref=ref, actor=by, at=at),)

        yield from self._once(command, (stream,), decide)
        return (yield from self._whole((stream,))).payout(payout_id)


def _name_of(stream: StreamId) -> str:
    return stream.partition("/")[2]


def _campaigns(rewards: tuple[CatalogueReward, ...]) -> tuple[str, ...]:
    """Name the campaigns that rewards give coupons of."""
    names = [name for reward in rewards for name in campaigns_needed(reward.give, reward.campaign_id)]
    return tuple(dict.fromkeys(names))
