"""Coupons: one right to one benefit, for one order.

A coupon is granted to somebody, or issued in a batch and bearer of whoever types its code; then an order reserves it, redeems it,
or releases it. It is the stream ``coupon/<id>``; of a coupon that nobody used, and that was not granted, nothing is stored.

=========  =======================================  ==========================================
 from       what happens                             to
=========  =======================================  ==========================================
 issued     ``grant``                                granted
 granted    ``reserve``                              reserved, until its time has run out
 reserved   ``redeem``                               redeemed
 granted    ``redeem``                               redeemed
 reserved   ``release``, or its time runs out        as before it was reserved
 redeemed   ``release``                              as before it was redeemed
 any        ``revoke``                               revoked
=========  =======================================  ==========================================

Invariants:
    1. At any instant at most one order holds a coupon; only an order that was paid late may redeem it beside another.
    2. One redemption is one use: redeeming again for the same order changes nothing, releasing it restores exactly one use.
    3. What an order reserved is free again by itself at ``until``.
    4. A refusal leaves no trace.

>>> from datetime import UTC, datetime
>>> now = datetime(2026, 7, 1, 10, tzinfo=UTC)
>>> coupon = Coupon.issued("sorry-10/t-1").grant("sorry-10", holder="m-42", ref="t-1", at=now).state
>>> coupon.check("m-43", at=now).refusal.reason.value
'coupon_member_mismatch'
>>> used = coupon.redeem("1001", member_id="m-42", at=now).state
>>> used.status(at=now).value, used.release("1001", at=now).state.status(at=now).value
('redeemed', 'granted')
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, final

import attrs

from loyaltycore._checks import check_instant, check_kind, check_whole, keep_in_utc, masked
from loyaltycore._frozen import FrozenMap
from loyaltycore.errors import Accepted, CorruptStateError, Detail, Reason, Refusal, Refused, RefusedError, UsageError
from loyaltycore.facts import Fact, Posting
from loyaltycore.identity import check_id, check_slug, check_text, coupon_stream
from loyaltycore.wire import instant_text, read_state, write_state

__all__ = [
    "Coupon",
    "CouponGranted",
    "CouponRedeemed",
    "CouponReleased",
    "CouponReserved",
    "CouponRevoked",
    "CouponStatus",
    "CouponUse",
    "ReadCode",
    "RedeemedCoupon",
    "UseState",
]


class CouponStatus(StrEnum):
    """Where a coupon stands at an instant."""

    ISSUED = "issued"
    GRANTED = "granted"
    PENDING = "pending"
    RESERVED = "reserved"
    REDEEMED = "redeemed"
    EXPIRED = "expired"
    REVOKED = "revoked"


class UseState(StrEnum):
    """What became of a coupon in an order."""

    RESERVED = "reserved"
    REDEEMED = "redeemed"
    RELEASED = "released"


@final
@attrs.frozen(kw_only=True)
class CouponGranted(Fact):
    """A coupon was given to somebody.

    Attributes:
        coupon_id: Which.
        campaign_id: Of which campaign.
        holder: The member who alone may redeem it; empty for whoever has the code.
        starts_at: First instant at which it can be redeemed; ``None`` at once.
        ends_at: First instant at which it no longer can; ``None`` never ends by itself.
        ref: The shop's own name for why, for example a ticket.
        actor: Who gave it.
    """

    kind: ClassVar[str] = "coupon.granted"
    coupon_id: str
    campaign_id: str
    holder: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    ref: str = ""
    actor: str = ""


@final
@attrs.frozen(kw_only=True)
class CouponReserved(Fact):
    """An order that is not paid yet holds a coupon.

    Attributes:
        coupon_id: Which.
        campaign_id: Of which campaign.
        order_id: The order.
        until: First instant at which it is free again by itself.
    """

    kind: ClassVar[str] = "coupon.reserved"
    coupon_id: str
    campaign_id: str
    order_id: str
    until: datetime


@final
@attrs.frozen(kw_only=True)
class CouponRedeemed(Fact):
    """A paid order used a coupon up.

    Attributes:
        coupon_id: Which.
        campaign_id: Of which campaign.
        order_id: The order.
        late: Whether the order was paid after it no longer held the coupon: it has it all the same.
    """

    kind: ClassVar[str] = "coupon.redeemed"
    coupon_id: str
    campaign_id: str
    order_id: str
    late: bool = False


@final
@attrs.frozen(kw_only=True)
class CouponReleased(Fact):
    """An order gave a coupon back: it was given up, or all of it came back.

    Attributes:
        coupon_id: Which.
        order_id: The order.
    """

    kind: ClassVar[str] = "coupon.released"
    coupon_id: str
    order_id: str


@final
@attrs.frozen(kw_only=True)
class CouponRevoked(Fact):
    """A coupon was taken back by the shop.

    Attributes:
        coupon_id: Which.
        reason: In the shop's words.
        actor: Who took it back.
    """

    kind: ClassVar[str] = "coupon.revoked"
    coupon_id: str
    reason: str = ""
    actor: str = ""


@final
@attrs.frozen(kw_only=True)
class CouponUse:
    """What one order did with a coupon.

    Attributes:
        state: Reserved, redeemed or released.
        at: Since when.
        until: First instant at which a reservation no longer counts.
        late: Whether it was redeemed after its time.
    """

    state: UseState
    at: datetime
    until: datetime | None = None
    late: bool = False

    def holds(self, at: datetime) -> bool:
        """Say whether the order has the coupon at an instant."""
        return self.state is UseState.REDEEMED or (self.state is UseState.RESERVED and (self.until is None or at < self.until))


@final
@attrs.frozen(kw_only=True)
class Coupon:
    """One right to one benefit.

    Attributes:
        coupon_id: Unique, for ever; of one with a code, the space, the key and the serial of the code.
        version: Facts folded so far.
        campaign_id: The campaign; ``None`` for one that nothing is known of.
        holder: The member who alone may redeem it; empty for whoever has the code.
        starts_at: First instant at which it can be redeemed; ``None`` always.
        ends_at: First instant at which it no longer can; ``None`` never.
        ref: What it was granted for; empty for one of a batch.
        is_granted: Whether it was given to somebody by name or one by one.
        uses: What orders did with it, by order.
        revoked_at: When the shop took it back; ``None`` if it did not.
        revoked_by: Who took it back.
        revoked_reason: Why, in the shop's words.
    """

    coupon_id: str = attrs.field(repr=masked)
    version: int = 0
    campaign_id: str | None = None
    holder: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    ref: str = ""
    is_granted: bool = False
    uses: FrozenMap[str, CouponUse] = FrozenMap[str, CouponUse]()
    revoked_at: datetime | None = None
    revoked_by: str = ""
    revoked_reason: str = ""

    def __attrs_post_init__(self) -> None:
        """Check the ids, the version and the window."""
        check_id("coupon_id", self.coupon_id)
        check_whole("version", self.version, low=0)
        if self.campaign_id is not None:
            check_slug("campaign_id", self.campaign_id)
        if self.holder:
            check_id("holder", self.holder)
        keep_in_utc(self, "starts_at", "ends_at", "revoked_at")
        if self.starts_at is not None and self.ends_at is not None and self.ends_at <= self.starts_at:
            msg = f"ends_at must be after {self.starts_at}, got {self.ends_at}"
            raise UsageError(msg)

    @classmethod
    def issued(
        cls,
        coupon_id: str,
        *,
        campaign_id: str | None = None,
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
    ) -> Coupon:
        """Give a coupon that nothing was stored of yet: one of a batch, or one that is to be granted.

        Args:
            coupon_id: Unique, for ever.
            campaign_id: The campaign its batch belongs to; ``None`` where it is to be granted.
            starts_at: First instant at which one of the batch can be redeemed.
            ends_at: First instant at which it no longer can.
        """
        return cls(coupon_id=coupon_id, campaign_id=campaign_id, starts_at=starts_at, ends_at=ends_at)

    def status(self, *, at: datetime) -> CouponStatus:
        """Tell where it stands: what matters most comes first.

        Args:
            at: Timezone-aware.
        """
        check_instant("at", at)
        held = {use.state for use in self.uses.values() if use.holds(at)}
        if UseState.REDEEMED in held:
            return CouponStatus.REDEEMED
        if self.revoked_at is not None:
            return CouponStatus.REVOKED
        if held:
            return CouponStatus.RESERVED
        if self.ends_at is not None and at >= self.ends_at:
            return CouponStatus.EXPIRED
        if self.starts_at is not None and at < self.starts_at:
            return CouponStatus.PENDING
        return CouponStatus.GRANTED if self.is_granted else CouponStatus.ISSUED

    def check(self, member_id: str | None, *, order_id: str | None = None, at: datetime) -> Accepted[Coupon] | Refused:
        """Ask whether it may be redeemed.

        Args:
            member_id: Who asks; ``None`` for a guest.
            order_id: For which order, where that is known: what this order holds already does not stand in its way.
            at: Timezone-aware; ``at == ends_at`` is too late.

        Returns:
            The coupon; or ``coupon_not_found``, ``coupon_revoked``, ``coupon_member_mismatch``, ``coupon_redeemed``,
            ``coupon_reserved``, ``coupon_not_started`` and ``coupon_expired``, as many as are so.
        """
        check_instant("at", at)
        if self.campaign_id is None:
            return Refused([Refusal(Reason.COUPON_NOT_FOUND)])
        refusals = list[Refusal]()
        if self.revoked_at is not None:
            refusals.append(Refusal(Reason.COUPON_REVOKED, {"revoked_at": instant_text(self.revoked_at)}))
        if self.holder and self.holder != member_id:
            refusals.append(Refusal(Reason.COUPON_MEMBER_MISMATCH))
        refusals += [_held_by(order, use) for order, use in self.uses.items() if order != order_id and use.holds(at)]
        refusals += self._out_of_time(at)
        return Refused(refusals) if refusals else Accepted(self)

    def grant(
        self,
        campaign_id: str,
        *,
        holder: str | None,
        ref: str,
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
        actor: str = "",
        at: datetime,
    ) -> Posting[Coupon]:
        """Give it to somebody, once.

        Args:
            campaign_id: The campaign.
            holder: The member who alone may redeem it; ``None`` for whoever has the code.
            ref: The shop's own name for why; the same again changes nothing.
            starts_at: First instant at which it can be redeemed; ``None`` at once.
            ends_at: First instant at which it no longer can; ``None`` never.
            actor: Who gives it.
            at: Timezone-aware.

        Raises:
            RefusedError: ``key_reused`` where it was given for something else, or used.
            UsageError: An empty window.
        """
        check_id("ref", ref)
        if self.version:
            fields = [
                name
                for name, same in (
                    ("ref", self.ref == ref),
                    ("campaign", self.campaign_id == campaign_id),
                    ("holder", self.holder == (holder or "")),
                )
                if not same
            ]
            if fields:
                raise RefusedError(Refusal(Reason.KEY_REUSED, {"key": f"grant:{ref}", "fields": tuple(fields)}))
            return self._posting()
        fact = CouponGranted(
            coupon_id=self.coupon_id,
            campaign_id=check_slug("campaign_id", campaign_id),
            holder="" if holder is None else check_id("holder", holder),
            starts_at=starts_at,
            ends_at=ends_at,
            ref=ref,
            actor=check_text("actor", actor, limit=200),
            at=at,
        )
        return self._posting(fact)

    def reserve(self, order_id: str, *, member_id: str | None, until: datetime, at: datetime) -> Posting[Coupon]:
        """Set it aside for an order until that is paid; an order that holds it as long already changes nothing.

        Args:
            order_id: The shop's own.
            member_id: Who orders; ``None`` for a guest.
            until: First instant at which it is free again by itself.
            at: Timezone-aware.

        Raises:
            RefusedError: What ``check`` refuses.
            UsageError: An end that has passed.
        """
        if check_instant("until", until) <= check_instant("at", at):
            msg = f"until must be after {instant_text(at)}, got {instant_text(until)}"
            raise UsageError(msg)
        use = self.uses.get(check_id("order_id", order_id))
        if use is not None and use.holds(at) and (use.until is None or use.until >= until):
            return self._posting()
        campaign_id = self._checked(member_id, order_id, at)
        return self._posting(
            CouponReserved(coupon_id=self.coupon_id, campaign_id=campaign_id, order_id=order_id, until=until, at=at)
        )

    def redeem(self, order_id: str, *, member_id: str | None, late: bool = False, at: datetime) -> Posting[Coupon]:
        """Use it up for a paid order, once.

        Args:
            order_id: The shop's own.
            member_id: Whose the order is; ``None`` for a guest.
            late: The order was promised the coupon and is paid now: it has it, whatever happened to it meanwhile.
            at: Timezone-aware.

        Raises:
            RefusedError: What ``check`` refuses, unless it is late.
        """
        check_instant("at", at)
        check_kind("late", late, bool)
        use = self.uses.get(check_id("order_id", order_id))
        if use is not None and use.state is UseState.REDEEMED:
            return self._posting()
        is_held = use is not None and use.holds(at)
        promised = late or (is_held and self.campaign_id is not None)
        campaign_id = self.campaign_id or "" if promised else self._checked(member_id, order_id, at)
        fact = CouponRedeemed(
            coupon_id=self.coupon_id, campaign_id=campaign_id, order_id=order_id, late=late and not is_held, at=at
        )
        return self._posting(fact)

    def release(self, order_id: str, *, at: datetime) -> Posting[Coupon]:
        """Give it back, because the order was given up or came back; where the order does not have it, nothing changes.

        Args:
            order_id: The shop's own.
            at: Timezone-aware.
        """
        check_instant("at", at)
        use = self.uses.get(check_id("order_id", order_id))
        if use is None or use.state is UseState.RELEASED:
            return self._posting()
        return self._posting(CouponReleased(coupon_id=self.coupon_id, order_id=order_id, at=at))

    def revoke(self, *, reason: str, actor: str, at: datetime) -> Posting[Coupon]:
        """Take it back, once: from now on nobody can redeem it. An order that holds it may still be confirmed.

        Args:
            reason: In the shop's words.
            actor: Who does it.
            at: Timezone-aware.
        """
        check_text("reason", reason)
        check_text("actor", actor, limit=200)
        if self.revoked_at is not None:
            return self._posting()
        return self._posting(CouponRevoked(coupon_id=self.coupon_id, reason=reason, actor=actor, at=at))

    @classmethod
    def replay(cls, coupon_id: str, facts: Iterable[Fact]) -> Coupon:
        """Fold all facts of a coupon."""
        return cls.issued(coupon_id).folded(facts)

    def folded(self, facts: Iterable[Fact]) -> Coupon:
        """Give the coupon after more facts.

        Raises:
            CorruptStateError: A fact that cannot follow.
        """
        state, uses = self, dict(self.uses)
        version = self.version
        for fact in facts:
            if getattr(fact, "coupon_id", None) != self.coupon_id:
                msg = f"coupon {self.coupon_id!r} cannot go on with {fact.kind!r}"
                raise CorruptStateError(msg)
            match fact:
                case CouponGranted() if version == 0:
                    state = attrs.evolve(
                        state,
                        campaign_id=fact.campaign_id,
                        holder=fact.holder,
                        starts_at=fact.starts_at,
                        ends_at=fact.ends_at,
                        ref=fact.ref,
                        is_granted=True,
                    )
                case CouponReserved():
                    state = attrs.evolve(state, campaign_id=state.campaign_id or fact.campaign_id)
                    uses[fact.order_id] = CouponUse(state=UseState.RESERVED, at=fact.at, until=fact.until)
                case CouponRedeemed():
                    state = attrs.evolve(state, campaign_id=state.campaign_id or fact.campaign_id or None)
                    uses[fact.order_id] = CouponUse(state=UseState.REDEEMED, at=fact.at, late=fact.late)
                case CouponReleased() if fact.order_id in uses:
                    uses[fact.order_id] = CouponUse(state=UseState.RELEASED, at=fact.at)
                case CouponRevoked():
                    state = state if state.revoked_at is not None else _revoked(state, fact)
                case _:
                    msg = f"coupon {self.coupon_id!r} cannot go on with {fact.kind!r}"
                    raise CorruptStateError(msg)
            version += 1
        return attrs.evolve(state, version=version, uses=FrozenMap(uses))

    def to_dict(self) -> dict[str, Any]:
        """Write the coupon as JSON values."""
        return write_state(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Coupon:
        """Read what ``to_dict`` wrote.

        Raises:
            CorruptStateError: Anything else.
        """
        return read_state(cls, data)

    def _checked(self, member_id: str | None, order_id: str, at: datetime) -> str:
        """Give the campaign of a coupon that may be redeemed, or refuse."""
        answer = self.check(member_id, order_id=check_id("order_id", order_id), at=at)
        if isinstance(answer, Refused):
            raise RefusedError(*answer.refusals)
        assert self.campaign_id is not None  # check refuses one that nothing is known of
        return self.campaign_id

    def _out_of_time(self, at: datetime) -> list[Refusal]:
        if self.starts_at is not None and at < self.starts_at:
            return [Refusal(Reason.COUPON_NOT_STARTED, {"starts_at": instant_text(self.starts_at)})]
        if self.ends_at is not None and at >= self.ends_at:
            return [Refusal(Reason.COUPON_EXPIRED, {"ended_at": instant_text(self.ends_at)})]
        return []

    def _posting(self, *facts: Fact) -> Posting[Coupon]:
        return Posting(self.folded(facts), facts=facts, stream=coupon_stream(self.coupon_id), version=self.version)


def _revoked(coupon: Coupon, fact: CouponRevoked) -> Coupon:
    return attrs.evolve(coupon, revoked_at=fact.at, revoked_by=fact.actor, revoked_reason=fact.reason)


def _held_by(order_id: str, use: CouponUse) -> Refusal:
    details: dict[str, Detail] = {"order_id": order_id}
    if use.state is UseState.REDEEMED:
        return Refusal(Reason.COUPON_REDEEMED, details)
    assert use.until is not None  # a reservation says until when
    return Refusal(Reason.COUPON_RESERVED, {**details, "until": instant_text(use.until)})


@final
@attrs.frozen(kw_only=True)
class RedeemedCoupon:
    """A coupon that an order uses.

    Attributes:
        campaign_id: The campaign, whose offer it opened.
        coupon_id: Which coupon.
    """

    campaign_id: str
    coupon_id: str = attrs.field(repr=masked)


@final
@attrs.frozen(kw_only=True)
class ReadCode:
    """What a code that a machine made came to, as whoever holds the key read it.

    Attributes:
        coupon: The coupon as it is now; ``None`` where the code is none, or was never issued.
        refusal: Why there is none, for the log; ``None`` where there is one.
        proven: Whether the code cannot have been guessed, so that its holder may be told why it does not apply.
    """

    coupon: Coupon | None = None
    refusal: Refusal | None = None
    proven: bool = False

    def __attrs_post_init__(self) -> None:
        """Demand one of the two."""
        if (self.coupon is None) is (self.refusal is None):
            msg = "a code that was read must come to a coupon or to a refusal, and not to both"
            raise UsageError(msg)
