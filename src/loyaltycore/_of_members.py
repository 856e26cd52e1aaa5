"""What a program says of one member, with no basket at hand: actions, tiers, and what "my account" shows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Protocol

import attrs

from loyaltycore._booking import BurnFirst, book_action, book_release
from loyaltycore._checks import check_day, check_kind
from loyaltycore._decisions import Overview, ReferralOverview
from loyaltycore._earning import Action
from loyaltycore._frozen import FrozenMap
from loyaltycore._giving import Beside
from loyaltycore._quoting import Rules, counted, tier_of
from loyaltycore._referring import Settled as ReferralSettled
from loyaltycore._referring import referral_streams, reversed_for, rewarded_for
from loyaltycore._rewarding import RewardReturned, RewardTaken, choose, give_back, take
from loyaltycore._rewards_due import giving, reward_streams, settle, settle_return
from loyaltycore.errors import Reason, Refusal, RefusedError, UsageError
from loyaltycore.facts import Posting
from loyaltycore.identity import StreamId, check_id, check_text
from loyaltycore.memberships import Membership, TierGranted, TierGrantEnded
from loyaltycore.offers import NO_VIEW, View
from loyaltycore.periods import Expires, Term, check_instant
from loyaltycore.points import POINTS, Overdraft
from loyaltycore.referrals import Referral, ReferralStatus
from loyaltycore.rewards import CatalogueReward, Milestone
from loyaltycore.tiers import Qualifying, TierAnswer, TierStatus
from loyaltycore.wire import instant_text

__all__ = ["OfMembers"]

_NO_PERKS: frozenset[str] = frozenset()


class OfMembers(Rules, Protocol):
    """The calls of a program that look at one member."""

    __slots__ = ()

    @property
    def actions(self) -> Mapping[str, Action]:
        """Points by named action."""
        ...

    @property
    def burn_first(self) -> BurnFirst:
        """Which points a burn takes first."""
        ...

    @property
    def restore(self) -> Term | None:
        """How long burned points can be used that come back into a lot that has expired."""
        ...

    @property
    def milestones(self) -> Mapping[str, Milestone]:
        """What members are given once they have come so far."""
        ...

    @property
    def overdraft(self) -> Overdraft:
        """What happens when returned points were spent."""
        ...

    @property
    def points_expire(self) -> Expires:
        """When points end that say no end of their own."""
        ...

    @property
    def rewards(self) -> Mapping[str, CatalogueReward]:
        """What members can have for points."""
        ...

    @property
    def starts_on(self) -> date:
        """Before this local day nothing is earned."""
        ...

    # ---- actions ----

    def record(self, action: str, membership: Membership, *, ref: str, at: datetime) -> Posting[Membership]:
        """Give the points of a named action, such as a review.

        Args:
            action: One of the program's.
            membership: As it is now.
            ref: The shop's own name for this one; the same ref again gives nothing.
            at: Timezone-aware.

        Raises:
            RefusedError: ``action_unknown``, ``program_not_started``, ``action_limit_reached`` where it was done as often as it
                may be, or ``action_expired`` where its points could never be used.
        """
        check_kind("membership", membership, Membership)
        given = self.actions.get(check_id("action", action))
        if given is None:
            raise RefusedError(Refusal(Reason.ACTION_UNKNOWN, {"action": action, "known": tuple(sorted(self.actions))}))
        if check_instant("at", at) < self.starts_at:
            raise RefusedError(
                Refusal(
                    Reason.PROGRAM_NOT_STARTED,
                    {"starts_at": instant_text(self.starts_at), "starts_on": self.starts_on.isoformat()},
                )
            )
        ledger = membership.ledger_of(given.account)
        if f"{check_id('ref', ref)}/{action}" in ledger.lots:
            return membership.posting(())
        refusal = given.refusal(action, ledger, at=at, calendar=self.calendar)
        if refusal is not None:
            raise RefusedError(refusal)
        terms = given.terms(at, calendar=self.calendar)
        if terms is None:
            raise RefusedError(Refusal(Reason.ACTION_EXPIRED, {"action": action, "at": instant_text(at)}))
        return book_action(membership, given, terms, name=action, ref=ref, at=at)

    def release(self, event: str, membership: Membership, *, ref: str, at: datetime) -> Posting[Membership]:
        """Make available what an order or an action earned and what waits for an event, such as ``"delivered"``.

        Args:
            event: The shop's own name for it, as the rules of earning say.
            membership: As it is now.
            ref: The order or the action; releasing it again changes nothing.
            at: When it happened.

        Raises:
            RefusedError: ``earning_not_found`` where nothing of it awaits the event, ``release_too_late`` at the deadline.
        """
        check_kind("membership", membership, Membership)
        return book_release(membership, event, ref=ref, at=at)

    # ---- tiers ----

    def tier(self, membership: Membership, *, at: datetime) -> TierStatus | None:
        """Tell where a member stands; ``None`` in a program without tiers."""
        check_kind("membership", membership, Membership)
        return tier_of(self, membership, check_instant("at", at))

    def perks(self, membership: Membership, *, at: datetime) -> frozenset[str]:
        """Name what the shop promises a member in this tier, such as ``"free-returns"``; none in a program without tiers.

        Args:
            membership: As it is now.
            at: Timezone-aware.
        """
        status = self.tier(membership, at=at)
        return _NO_PERKS if status is None else status.perks

    def explain_tier(self, membership: Membership, *, at: datetime) -> TierAnswer | None:
        """Say why a member stands where he stands; ``None`` in a program without tiers.

        Args:
            membership: As it is now.
            at: Timezone-aware.
        """
        check_kind("membership", membership, Membership)
        if self.tiers is None:
            return None
        history, terms = counted(self.tiers, self, membership, check_instant("at", at))
        return self.tiers.explain(history, **terms)

    def project_tier(
        self, membership: Membership, *, on: date, adding: Qualifying | None = None, at: datetime
    ) -> TierStatus | None:
        """Tell where a member will stand on a later day if nothing more is bought, or only this.

        Args:
            membership: As it is now.
            on: A local day, today or later.
            adding: What is thought of besides, such as an order of today: ``Qualifying(day=…, units=…)``.
            at: Now, timezone-aware.

        Raises:
            UsageError: A day before today.
        """
        check_kind("membership", membership, Membership)
        if self.tiers is None:
            return None
        today = self.calendar.day_of(check_instant("at", at))
        if check_day("on", on) < today:
            msg = f"on must not be before {today.isoformat()}, got {on.isoformat()}"
            raise UsageError(msg)
        more = () if adding is None else (check_kind("adding", adding, Qualifying),)
        return tier_of(self, membership, max(at, self.calendar.first_instant(on)), adding=more)

    def grant_tier(
        self,
        tier: str,
        membership: Membership,
        *,
        ref: str,
        until: datetime | None,
        reason: str,
        actor: str,
        at: datetime,
    ) -> Posting[Membership]:
        """Grant a tier by hand: until it ends the member stands at least there.

        Args:
            tier: One of the program's.
            membership: As it is now.
            ref: The shop's own name for the grant; the same ref again changes nothing.
            until: First instant at which it no longer holds; ``None`` holds until it is ended.
            reason: In the shop's words.
            actor: Who grants it.
            at: Timezone-aware.

        Raises:
            RefusedError: ``tier_unknown``.
            UsageError: An end that has passed.
        """
        known = () if self.tiers is None else tuple(rung.value for rung in self.tiers.ladder.rungs)
        if check_id("tier", tier) not in known:
            raise RefusedError(Refusal(Reason.TIER_UNKNOWN, {"tier": tier, "known": known}))
        check_kind("membership", membership, Membership)
        if check_id("ref", ref) in membership.tier_grants:
            return membership.posting(())
        if until is not None and check_instant("until", until) <= check_instant("at", at):
            msg = f"until must be after {instant_text(at)}, got {instant_text(until)}"
            raise UsageError(msg)
        fact = TierGranted(
            ref=ref,
            tier=tier,
            until=until,
            reason=check_text("reason", reason),
            actor=check_text("actor", actor, limit=200),
            at=at,
        )
        return membership.posting((fact,))

    def end_tier_grant(self, ref: str, membership: Membership, *, reason: str, actor: str, at: datetime) -> Posting[Membership]:
        """End a tier that was granted by hand, before its time; one that has ended is not changed.

        Args:
            ref: The shop's own name for the grant.
            membership: As it is now.
            reason: In the shop's words.
            actor: Who ends it.
            at: Timezone-aware.

        Raises:
            RefusedError: ``tier_grant_not_found``.
        """
        check_kind("membership", membership, Membership)
        grant = membership.tier_grants.get(check_id("ref", ref))
        if grant is None:
            raise RefusedError(Refusal(Reason.TIER_GRANT_NOT_FOUND, {"grant_ref": ref}))
        if grant.until is not None and grant.until <= check_instant("at", at):
            return membership.posting(())
        fact = TierGrantEnded(ref=ref, reason=check_text("reason", reason), actor=check_text("actor", actor, limit=200), at=at)
        return membership.posting((fact,))

    # ---- rewards and friends ----

    def take_reward(self, reward_id: str, membership: Membership, *, ref: str, view: View = NO_VIEW, at: datetime) -> RewardTaken:
        """Take a reward of the catalogue for its price in points.

        Args:
            reward_id: Which.
            membership: As it is now.
            ref: The shop's own name for it; the same again changes nothing.
            view: How much of the stock is used, and which campaigns are stopped.
            at: Timezone-aware.

        Raises:
            RefusedError: ``reward_not_found``, ``program_not_started``, ``reward_not_started``, ``reward_closed``,
                ``tier_mismatch``, ``reward_limit_reached``, ``reward_member_limit_reached``, ``campaign_stopped``,
                ``campaign_closed``, ``points_insufficient`` or ``at_before_last``; ``key_reused`` for another reward under this
                name.
        """
        status = self.tier(membership, at=at)
        tier = None if status is None else status.tier
        taken = take(self, reward_id, membership, ref=ref, tier=tier, view=view, at=at)
        member, beside = settle(self, membership, taken.member, beside=taken.beside, at=at)
        return attrs.evolve(taken, member=member, beside=beside)

    def give_back_reward(
        self, ref: str, membership: Membership, *, reason: str, actor: str, view: View = NO_VIEW, at: datetime
    ) -> RewardReturned:
        """Take a reward back that was taken for points: the points go back to the lots they came from.

        Args:
            ref: The shop's own name that it was taken under; given back again, nothing changes.
            membership: As it is now.
            reason: In the shop's words.
            actor: Who takes it back.
            view: Its coupons and payouts, as they are now, and those of gifts and milestones.
            at: Timezone-aware.

        Raises:
            RefusedError: ``reward_not_found``; ``reward_used`` where something of it was used.
            UsageError: A view without its coupons and payouts.
        """
        check_kind("membership", membership, Membership)
        back = give_back(self, ref, membership, reason=reason, actor=actor, view=view, at=at)
        # Points that go back with it may have carried a milestone.
        member, beside = settle_return(self, membership, back.member, beside=back.beside, view=view, at=at)
        member, beside = settle(self, membership, member, beside=beside, at=at)
        return attrs.evolve(back, member=member, beside=beside)

    def choose_reward(
        self, reward_id: str, option: str, membership: Membership, *, view: View = NO_VIEW, at: datetime
    ) -> RewardTaken:
        """Choose one of what a milestone offers.

        Args:
            reward_id: The name of what is offered, as ``overview`` lists it.
            option: What is chosen; the same again changes nothing.
            membership: As it is now.
            view: Which campaigns are stopped.
            at: Timezone-aware; at the end of its time it is too late.

        Raises:
            RefusedError: ``reward_not_found``, ``reward_not_offered``, ``reward_choice_expired``, ``campaign_stopped`` or
                ``campaign_closed``; ``key_reused`` where another was chosen.
        """
        check_kind("membership", membership, Membership)
        chosen = choose(self, reward_id, option, membership, view=view, at=at)
        member, beside = settle(self, membership, chosen.member, beside=chosen.beside, at=at)
        return attrs.evolve(chosen, member=member, beside=beside)

    def settle(
        self, before: Membership, posting: Posting[Membership], *, view: View = NO_VIEW, at: datetime
    ) -> tuple[Posting[Membership], Beside]:
        """Add to what a command did the gifts and milestones that it brought about; orders and returns do so by themselves.

        Where a grant of a tier is ended, the gift goes of an entry that it alone made.

        Args:
            before: The member before the command.
            posting: What it decided.
            view: Where a grant is ended, the coupons and payouts of the member's gifts.
            at: Timezone-aware.

        Returns:
            The posting with what is given, and the postings of coupons and payouts beside it.

        Raises:
            UsageError: A view without the coupons and payouts of a gift that goes.
        """
        beside: Beside = ()
        if any(isinstance(fact, TierGrantEnded) for fact in posting.facts):
            posting, beside = settle_return(self, before, posting, view=view, at=at)
        return settle(self, before, posting, beside=beside, at=at)

    def reward_referral(
        self,
        referral: Referral,
        advocate: Membership,
        *,
        at: datetime,
        posted_at: datetime | None = None,
    ) -> ReferralSettled:
        """Reward an advocate for a friend who qualified; where it is done, or not to be done, nothing changes.

        Args:
            referral: Of the friend.
            advocate: As a member.
            at: When it was due: whenever it is posted, it is of that instant.
            posted_at: When it is posted, where that is later: coupons are valid from then on; ``None`` is ``at``.
        """
        check_kind("referral", referral, Referral)
        check_kind("advocate", advocate, Membership)
        settled = rewarded_for(
            self.referrals,
            referral,
            advocate,
            by=giving(self, at=at, posted_at=posted_at),
        )
        posting, beside = settle(self, advocate, settled.advocate, beside=settled.beside, at=at, posted_at=posted_at)
        return attrs.evolve(settled, advocate=posting, beside=beside)

    def reverse_referral(
        self,
        referral: Referral,
        advocate: Membership,
        *,
        stand_in: Referral | None = None,
        view: View,
        at: datetime,
        posted_at: datetime | None = None,
    ) -> ReferralSettled:
        """Let a friend whose order came back count no longer, and take back what he brought.

        Args:
            referral: Of the friend.
            advocate: As a member.
            stand_in: Of the friend who steps in, where ``referral_needs`` names one.
            view: The coupons and payouts that ``referral_needs`` names, as they are now.
            at: When the order came back.
            posted_at: When it is posted, where that is later: coupons of whoever steps in are valid from then on; ``None`` is
                ``at``.

        Raises:
            UsageError: A view without what ``referral_needs`` names.
        """
        check_kind("referral", referral, Referral)
        check_kind("advocate", advocate, Membership)
        settled = reversed_for(
            self.referrals,
            referral,
            advocate,
            stand_in=stand_in,
            view=view,
            overdraft=self.overdraft,
            by=giving(self, at=at, posted_at=posted_at),
        )
        posting, beside = settle_return(self, advocate, settled.advocate, beside=settled.beside, view=view, at=at)
        posting, beside = settle(self, advocate, posting, beside=beside, at=at, posted_at=posted_at)
        return attrs.evolve(settled, advocate=posting, beside=beside)

    def referral_needs(self, referral: Referral, advocate: Membership) -> tuple[StreamId, ...]:
        """Name what to load before a friend is reversed: what is taken back, and whoever steps in.

        Args:
            referral: Of the friend.
            advocate: As a member.
        """
        check_kind("advocate", advocate, Membership)
        if check_kind("referral", referral, Referral).status is not ReferralStatus.REVERSING:
            return ()
        found = (*referral_streams(self.referrals, referral, advocate), *reward_streams(advocate))
        return tuple(dict.fromkeys(found))

    # ---- what "my account" shows ----

    def overview(self, membership: Membership, *, referral: Referral | None = None, at: datetime) -> Overview:
        """Gather what "my account" shows.

        Args:
            membership: As it is now.
            referral: The member's own, as a friend whom somebody referred, where the shop has loaded it.
            at: Timezone-aware.
        """
        if referral is not None:
            check_kind("referral", referral, Referral)
        status = self.tier(membership, at=check_instant("at", at))
        return Overview(
            member_id=membership.member_id,
            joined_at=membership.joined_at,
            balance=membership.ledger_of(POINTS).balance(at=at),
            accounts=FrozenMap({name: ledger.balance(at=at) for name, ledger in membership.ledgers.items()}),
            expiring=membership.ledger_of(POINTS).expiring(after=at),
            tier=status,
            perks=_NO_PERKS if status is None else status.perks,
            order_count=membership.order_count,
            referral=ReferralOverview.of(membership, referral),
            choices=FrozenMap({name: one.options for name, one in membership.rewards.items() if one.is_open(at)}),
        )
