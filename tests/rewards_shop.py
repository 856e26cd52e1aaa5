"""A shop with rewards that keeps all that is decided: a member, orders, coupons, payouts, and what is claimed of counters."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs

from loyaltycore import Basket, Line, Membership, Money, Order, Program, Return
from loyaltycore._payouts import Payout
from loyaltycore._rewarding import RewardReturned, RewardTaken, choose, give_back, stock_used, take
from loyaltycore.coupons import Coupon, CouponCampaign
from loyaltycore.facts import Claim, Posting
from loyaltycore.offers import View
from loyaltycore.periods import Period
from loyaltycore.points import Overdraft
from loyaltycore.rewards import CatalogueReward, Milestone
from loyaltycore.tiers import Downgrade, Ladder, TierBenefits, TierRule

__all__ = ["DAY", "NOON", "PLAIN", "RewardShop", "euros", "program", "tiers"]

NOON: Final = datetime(2026, 7, 1, 12, tzinfo=UTC)
DAY: Final = timedelta(days=1)
PLAIN: Final = Program.parse(
    """
    [program]
    name = "velo"
    version = 1
    currency = "EUR"
    zone = "Europe/Paris"
    starts_on = 2026-01-01
    [points]
    earn = "1 per 1.00"
    basis = "paid"
    pending = "at once"
    expires = "12 months"
    worth = "0.01"
    burn_minimum = 1
    overdraft = "carry"
    [points.actions]
    review = 50
    [stacking]
    mode = "all"
    """
)


def euros(text: str) -> Money:
    """Read an amount."""
    return Money.of(text, "EUR")


def tiers(rungs: dict[int, str], **benefits: TierBenefits) -> TierRule:
    """Give tiers of a rolling year of spend, in cents."""
    return TierRule(Ladder.of(rungs), window=Period(months=12), downgrade=Downgrade.ONE_STEP, benefits=benefits)


def program(
    *,
    rewards: Iterable[CatalogueReward] = (),
    milestones: Iterable[Milestone] = (),
    tier_rule: TierRule | None = None,
    campaigns: Iterable[CouponCampaign] = (),
    overdraft: Overdraft = Overdraft.CARRY,
) -> Program:
    """Give a program with rewards."""
    return attrs.evolve(PLAIN, rewards=rewards, milestones=milestones, tiers=tier_rule, campaigns=campaigns, overdraft=overdraft)


class RewardShop:
    """A shop with one member that keeps all that is decided."""

    def __init__(self, rules: Program) -> None:
        self.program = rules
        self.member = Membership.open("m")
        self.orders: dict[str, Order] = {}
        self.coupons: dict[str, Coupon] = {}
        self.payouts: dict[str, Payout] = {}
        self.claims: dict[tuple[str, str], Claim] = {}
        self.stopped: frozenset[str] = frozenset()
        self.at = NOON

    # ---- what a shop does ----

    def wait(self, days: int) -> None:
        """Let time pass."""
        self.at += days * DAY

    def order(self, order_id: str, amount: str, *, burn: int = 0, coupons: Iterable[str] = ()) -> None:
        """Place an order."""
        self.at += timedelta(minutes=1)
        basket = Basket([Line("1", euros(amount), product_id="bike")], currency="EUR")
        view = self.view()
        quote = self.program.quote(basket, self.member, burn=burn, coupons=coupons, view=view, at=self.at)
        placed = self.program.place(quote, self.member, order_id=order_id, view=view, at=self.at)
        self.keep(*placed.postings)
        self.orders[order_id] = placed.order.state

    def back(self, order_id: str, amount: str | None = None) -> None:
        """Take an order back, or so much of it."""
        self.at += timedelta(minutes=1)
        order = self.orders[order_id]
        what = Return(amount=euros(amount)) if amount is not None else Return(lines={"1": 1})
        refunded = self.program.refund(
            order, self.member, back=what, return_id=f"r{len(order.returns)}", view=self.view(), at=self.at
        )
        self.keep(*refunded.postings)
        self.orders[order_id] = refunded.order.state

    def record(self, ref: str) -> None:
        """Give the points of a review."""
        self.at += timedelta(minutes=1)
        decided = self.program.record("review", self.member, ref=ref, at=self.at)
        posting, beside = self.program.settle(self.member, decided, view=self.view(), at=self.at)
        self.keep(posting, *beside)

    def take(self, reward_id: str, ref: str) -> RewardTaken:
        """Take a reward for points."""
        status = self.program.tier(self.member, at=self.at)
        tier = None if status is None else status.tier
        taken = take(self.program, reward_id, self.member, ref=ref, tier=tier, view=self.view(), at=self.at)
        self.keep(*taken.postings, *taken.claims)
        return taken

    def give_back(self, ref: str) -> RewardReturned:
        """Give a reward back."""
        back = give_back(self.program, ref, self.member, reason="sorry", actor="ann", view=self.view(), at=self.at)
        self.keep(*back.postings, *back.claims)
        return back

    def choose(self, reward_id: str, option: str) -> RewardTaken:
        """Choose a reward."""
        chosen = choose(self.program, reward_id, option, self.member, view=self.view(), at=self.at)
        self.keep(*chosen.postings)
        return chosen

    def pay(self, payout_id: str) -> None:
        """Pay money outside."""
        self.keep(self.payouts[payout_id].pay(ref="run-1", actor="ann", at=self.at))

    # ---- what it knows ----

    def view(self) -> View:
        """Give all that is known besides the member."""
        taken = dict[Any, int]()
        for (counter, _), claim in self.claims.items():
            taken[counter] = taken.get(counter, 0) + claim.amount
        used = stock_used(self.program.rewards.values(), taken, at=self.at, calendar=self.program.calendar)
        return View(used=used, coupons=self.coupons.values(), payouts=self.payouts, stopped=self.stopped)

    def keep(self, *decided: Posting[Any] | Claim) -> None:
        """Keep what was decided: each stream once, at the version that it has."""
        streams = [one.stream for one in decided if isinstance(one, Posting)]
        assert len(streams) == len(set(streams)), streams
        for one in decided:
            if isinstance(one, Claim):
                self.claims[one.counter, one.key] = one
                continue
            kind, _, name = one.stream.partition("/")
            match kind:
                case "member":
                    assert one.version == self.member.version
                    self.member = one.state
                case "coupon":
                    before = self.coupons.get(name, Coupon.issued(name))
                    assert one.version == before.version
                    assert before.folded(one.facts) == one.state
                    self.coupons[name] = one.state
                case "payout":
                    assert one.version == self.payouts.get(name, Payout.open(name)).version
                    self.payouts[name] = one.state

    @property
    def points(self) -> int:
        """Points that can be burned."""
        return self.member.available(at=self.at)

    @property
    def standing(self) -> dict[str, str]:
        """What the member was given and has: each name with what gave it."""
        return {name: held.source for name, held in self.member.rewards.items() if not held.is_gone}

    @property
    def usable(self) -> list[str]:
        """The coupons of the member's that can be redeemed now."""
        return [name for name in self.member.coupons_at(self.at) if self.coupons[name].check("m", at=self.at).refusal is None]
