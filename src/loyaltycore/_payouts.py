"""Payouts: what a shop pays somebody outside of its shop, and what a reward may give.

The library decides that money is due and keeps what became of it; the shop transfers it, or sends the gift card. It is the
stream ``payout/<id>``.

============  ========================================  ================
 from          what happens                              to
============  ========================================  ================
 due           ``pay``                                   paid
 due           ``reverse``                               reversed
 paid          ``reverse``                               to claim back
============  ========================================  ================

Invariants:
    1. A payout is due once, paid once and reversed once: the same again changes nothing.
    2. What was reversed is not paid any more; what was paid and then reversed is to be claimed back.

>>> from datetime import UTC, datetime
>>> now = datetime(2026, 7, 1, 10, tzinfo=UTC)
>>> reward = PayOut(Money.of("5.00", "EUR"))
>>> due = Payout.open("p-1").fall_due(reward, member_id="m-42", source="referral/friends", ref="referral/friends/1", at=now).state
>>> paid = due.pay(ref="transfer-77", actor="ann", at=now).state
>>> due.status.value, paid.status.value, paid.reverse(reason="the order came back", at=now).state.status.value
('due', 'paid', 'to claim back')
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, TypeAlias, final

import attrs

from loyaltycore._checks import check_instant, check_kind, check_whole, keep_in_utc, shown
from loyaltycore.benefits import Benefit, check_benefit
from loyaltycore.errors import CorruptStateError, Reason, Refusal, RefusedError, UsageError
from loyaltycore.facts import Fact, Posting
from loyaltycore.identity import check_id, check_text, payout_stream
from loyaltycore.quantities import Money
from loyaltycore.wire import read_state, write_state

__all__ = [
    "PayOut",
    "Payout",
    "PayoutAs",
    "PayoutDue",
    "PayoutPaid",
    "PayoutReversed",
    "PayoutStatus",
    "RewardBenefit",
    "check_reward_benefit",
]


class PayoutAs(StrEnum):
    """How the shop pays outside."""

    CASH = "cash"
    GIFT_CARD = "gift card"


@final
@attrs.frozen
class PayOut:
    """The shop pays so much outside: it transfers money, or sends a gift card.

    Attributes:
        amount: Above 0, in the program's currency.
        as_: How it is paid.
    """

    text: ClassVar[str] = "pay_out"
    amount: Money
    as_: PayoutAs = PayoutAs.CASH

    def __attrs_post_init__(self) -> None:
        """Check the amount and the kinds."""
        if not isinstance(self.amount, Money) or self.amount.minor_units < 1:
            msg = f"amount must be Money above 0, got {shown(self.amount)}"
            raise UsageError(msg)
        check_kind("as_", self.as_, PayoutAs)


RewardBenefit: TypeAlias = Benefit | PayOut
"""What a reward gives: points on the main account, a coupon, both of these, or what the shop pays outside."""


def check_reward_benefit(benefit: object) -> RewardBenefit:
    """Take what a reward gives.

    Raises:
        UsageError: Anything else than a benefit or a ``PayOut``.
    """
    return benefit if isinstance(benefit, PayOut) else check_benefit(benefit)


class PayoutStatus(StrEnum):
    """Where a payout stands."""

    NONE = "none"
    DUE = "due"
    PAID = "paid"
    REVERSED = "reversed"
    TO_CLAIM_BACK = "to claim back"


@final
@attrs.frozen(kw_only=True)
class PayoutDue(Fact):
    """The shop owes a member money, outside.

    Attributes:
        payout_id: Its name.
        member_id: Whom.
        minor: How much, in minor units.
        currency: Of which currency.
        paid_as: How it is paid.
        source: What gave it, for example ``referral/friends``.
        ref: The name of the reward with the member.
    """

    kind: ClassVar[str] = "payout.due"
    payout_id: str
    member_id: str
    minor: int
    currency: str
    paid_as: PayoutAs = PayoutAs.CASH
    source: str = ""
    ref: str = ""

    def __attrs_post_init__(self) -> None:
        """Refuse to owe nothing, and what is no currency."""
        super().__attrs_post_init__()
        check_whole("minor", self.minor, low=1)
        Money(self.minor, self.currency)  # refuses what is no currency


@final
@attrs.frozen(kw_only=True)
class PayoutPaid(Fact):
    """The shop paid it.

    Attributes:
        payout_id: Which.
        ref: The shop's own name for the payment.
        actor: Who paid.
    """

    kind: ClassVar[str] = "payout.paid"
    payout_id: str
    ref: str
    actor: str = ""


@final
@attrs.frozen(kw_only=True)
class PayoutReversed(Fact):
    """What gave it was undone.

    Attributes:
        payout_id: Which.
        reason: Why.
    """

    kind: ClassVar[str] = "payout.reversed"
    payout_id: str
    reason: str = ""


@final
@attrs.frozen(kw_only=True)
class Payout:
    """What the shop pays a member outside, once.

    Attributes:
        payout_id: Unique, for ever.
        version: Facts folded so far.
        member_id: Whom; empty while nothing is due.
        amount: How much; ``None`` while nothing is due.
        paid_as: How it is paid.
        source: What gave it.
        ref: The name of the reward with the member.
        since: When it fell due; ``None`` while it is not.
        paid_at: When it was paid; ``None`` if it was not.
        paid_ref: The shop's own name for the payment.
        paid_by: Who paid.
        reversed_at: When what gave it was undone; ``None`` if it was not.
        reversed_reason: Why.
    """

    payout_id: str
    version: int = 0
    member_id: str = ""
    amount: Money | None = None
    paid_as: PayoutAs = PayoutAs.CASH
    source: str = ""
    ref: str = ""
    since: datetime | None = None
    paid_at: datetime | None = None
    paid_ref: str = ""
    paid_by: str = ""
    reversed_at: datetime | None = None
    reversed_reason: str = ""

    def __attrs_post_init__(self) -> None:
        """Check the id and the version."""
        check_id("payout_id", self.payout_id)
        check_whole("version", self.version, low=0)
        keep_in_utc(self, "since", "paid_at", "reversed_at")

    @classmethod
    def open(cls, payout_id: str) -> Payout:
        """Start with nothing due; needs no fact."""
        return cls(payout_id=payout_id)

    @classmethod
    def replay(cls, payout_id: str, facts: Iterable[Fact]) -> Payout:
        """Fold all facts of a payout."""
        return cls.open(payout_id).folded(facts)

    @property
    def status(self) -> PayoutStatus:
        """Where it stands."""
        match self.amount, self.paid_at, self.reversed_at:
            case None, _, _:
                return PayoutStatus.NONE
            case _, None, None:
                return PayoutStatus.DUE
            case _, _, None:
                return PayoutStatus.PAID
            case _, None, _:
                return PayoutStatus.REVERSED
        return PayoutStatus.TO_CLAIM_BACK

    def fall_due(self, reward: PayOut, *, member_id: str, source: str, ref: str, at: datetime) -> Posting[Payout]:
        """Owe it to a member; what is owed already changes nothing.

        Args:
            reward: How much, and how it is paid.
            member_id: Whom.
            source: What gives it.
            ref: The name of the reward with the member.
            at: Timezone-aware.

        Raises:
            RefusedError: ``key_reused`` where it is owed to somebody else, or for something else.
        """
        check_kind("reward", reward, PayOut)
        if self.version:
            passed = {"member_id": member_id, "amount": reward.amount, "paid_as": reward.as_, "source": source, "ref": ref}
            fields = tuple(name for name, value in passed.items() if getattr(self, name) != value)
            if fields:
                raise _reused(self.payout_id, "give", fields)
            return self._posting()
        fact = PayoutDue(
            payout_id=self.payout_id,
            member_id=check_id("member_id", member_id),
            minor=reward.amount.minor_units,
            currency=reward.amount.currency,
            paid_as=reward.as_,
            source=check_id("source", source),
            ref=check_id("ref", ref),
            at=at,
        )
        return self._posting(fact)

    def pay(self, *, ref: str, actor: str, at: datetime) -> Posting[Payout]:
        """Write down that the shop pays it, before the money leaves; the same again changes nothing.

        Args:
            ref: The shop's own name for the payment, for example that of the transfer.
            actor: Who paid.
            at: Timezone-aware.

        Raises:
            RefusedError: ``payout_not_found`` where nothing is due; ``payout_reversed`` where it no longer is; ``key_reused``
                where it was paid under another name.
        """
        check_id("ref", ref)
        check_text("actor", actor, limit=200)
        if self.amount is None:
            raise RefusedError(Refusal(Reason.PAYOUT_NOT_FOUND, {"payout_id": self.payout_id}))
        if self.paid_at is not None:
            if self.paid_ref != ref:
                raise _reused(self.payout_id, "pay", ("ref",))
            return self._posting()
        if self.reversed_at is not None:
            raise RefusedError(Refusal(Reason.PAYOUT_REVERSED, {"payout_id": self.payout_id}))
        return self._posting(PayoutPaid(payout_id=self.payout_id, ref=ref, actor=actor, at=at))

    def reverse(self, *, reason: str, at: datetime) -> Posting[Payout]:
        """Owe it no longer, because what gave it was undone; where nothing is due, or no longer, nothing changes.

        Args:
            reason: Why.
            at: Timezone-aware.
        """
        check_text("reason", reason)
        check_instant("at", at)
        if self.amount is None or self.reversed_at is not None:
            return self._posting()
        return self._posting(PayoutReversed(payout_id=self.payout_id, reason=reason, at=at))

    def folded(self, facts: Iterable[Fact]) -> Payout:
        """Give the payout after more facts.

        Raises:
            CorruptStateError: A fact that cannot follow.
        """
        state, version = self, self.version
        for fact in facts:
            if getattr(fact, "payout_id", None) != self.payout_id:
                raise _cannot_follow(self.payout_id, fact)
            match fact:
                case PayoutDue() if state.amount is None:
                    state = attrs.evolve(
                        state,
                        member_id=fact.member_id,
                        amount=Money(fact.minor, fact.currency),
                        paid_as=fact.paid_as,
                        source=fact.source,
                        ref=fact.ref,
                        since=fact.at,
                    )
                case PayoutPaid() if state.status is PayoutStatus.DUE:
                    state = attrs.evolve(state, paid_at=fact.at, paid_ref=fact.ref, paid_by=fact.actor)
                case PayoutReversed() if state.amount is not None and state.reversed_at is None:
                    state = attrs.evolve(state, reversed_at=fact.at, reversed_reason=fact.reason)
                case _:
                    raise _cannot_follow(self.payout_id, fact)
            version += 1
        return attrs.evolve(state, version=version)

    def to_dict(self) -> dict[str, Any]:
        """Write the payout as JSON values."""
        return write_state(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Payout:
        """Read what ``to_dict`` wrote.

        Raises:
            CorruptStateError: Anything else.
        """
        return read_state(cls, data)

    def _posting(self, *facts: Fact) -> Posting[Payout]:
        return Posting(self.folded(facts), facts=facts, stream=payout_stream(self.payout_id), version=self.version)


def _reused(payout_id: str, verb: str, fields: tuple[str, ...]) -> RefusedError:
    return RefusedError(Refusal(Reason.KEY_REUSED, {"key": f"{verb}:{payout_id}", "fields": fields}))


def _cannot_follow(payout_id: str, fact: Fact) -> CorruptStateError:
    msg = f"payout {payout_id!r} cannot go on with {fact.kind!r}"
    return CorruptStateError(msg)
