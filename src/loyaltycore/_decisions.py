"""What the program decides, and what it checks before: the results of its commands, and the refusals they share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, final

import attrs

from loyaltycore._checks import check_kind
from loyaltycore._frozen import FrozenMap
from loyaltycore._quote import Quote
from loyaltycore.basket import Return
from loyaltycore.errors import Reason, Refusal, RefusedError, UsageError
from loyaltycore.facts import Claim, Fact, Posting
from loyaltycore.identity import CounterId, StreamId, order_stream
from loyaltycore.ledger import Balance, Expiring
from loyaltycore.memberships import Membership
from loyaltycore.orders import Order, OrderAttached, OrderCancelled, OrderPlaced, OrderReserved, OrderReturned, TakenBack
from loyaltycore.quantities import Money
from loyaltycore.referrals import Referral, ReferralStatus
from loyaltycore.tiers import TierStatus
from loyaltycore.wire import instant_text

__all__ = [
    "Attached",
    "Cancelled",
    "Needs",
    "Overview",
    "Placed",
    "ReferralOverview",
    "Refunded",
    "Reserved",
    "check_free",
    "check_member",
    "check_same_return",
    "check_unchanged",
    "known_order",
    "minor",
    "order_posting",
    "taken_since",
]


@final
@attrs.frozen(kw_only=True)
class Needs:
    """What must be loaded to answer a quote.

    Attributes:
        streams: Ids of streams, sorted.
        counters: Names of counters, sorted.
    """

    streams: tuple[StreamId, ...]
    counters: tuple[CounterId, ...] = ()


@attrs.frozen(kw_only=True)
class _OnOrder:
    """What a command on an order decides.

    Attributes:
        order: The order's posting.
        member: The member's; without facts where nothing of the member's changes, ``None`` for a guest.
        beside: Those of coupons and gift cards.
        claims: What is claimed of counters that all orders share, or freed.
    """

    order: Posting[Order]
    member: Posting[Membership] | None
    beside: tuple[Posting[Any], ...] = ()
    claims: tuple[Claim, ...] = ()

    @property
    def postings(self) -> tuple[Posting[Any], ...]:
        """All that must be kept together, with the claims."""
        return (self.order, *(() if self.member is None else (self.member,)), *self.beside)

    @property
    def membership(self) -> Membership:
        """The member afterwards.

        Raises:
            UsageError: The order is a guest's.
        """
        if self.member is None:
            msg = "a guest's order has no membership"
            raise UsageError(msg)
        return self.member.state


@final
@attrs.frozen(kw_only=True)
class Placed(_OnOrder):
    """What placing an order decides.

    Attributes:
        fact: What is booked.
        order: The order's posting.
        member: The member's; ``None`` for a guest.
        beside: Those of coupons and gift cards.
        claims: What is claimed of counters that all orders share.
    """

    fact: OrderPlaced


@final
@attrs.frozen(kw_only=True)
class Reserved(_OnOrder):
    """What reserving an order decides.

    Attributes:
        fact: What is set aside.
        order: The order's posting.
        member: The member's; without facts where nothing is to be held, ``None`` for a guest.
        beside: Those of coupons and gift cards.
        claims: What is claimed of counters that all orders share, until the reservation runs out.
    """

    fact: OrderReserved


@final
@attrs.frozen(kw_only=True)
class Cancelled(_OnOrder):
    """What cancelling a reserved order decides.

    Attributes:
        fact: That it is.
        order: The order's posting.
        member: The member's; without facts where nothing was held, ``None`` for a guest.
        beside: Those of coupons and gift cards.
        claims: What is freed of counters that all orders share.
    """

    fact: OrderCancelled


@final
@attrs.frozen(kw_only=True)
class Attached(_OnOrder):
    """What attaching a guest's order decides.

    Attributes:
        fact: Whose it is, and what it earned.
        order: The order's posting.
        member: The member's.
        beside: Nothing.
        claims: Nothing.
    """

    fact: OrderAttached
    member: Posting[Membership]


@final
@attrs.frozen(kw_only=True)
class Refunded(_OnOrder):
    """What a return decides.

    Attributes:
        fact: What comes back, in money and points.
        order: The order's posting.
        member: The member's; ``None`` for a guest.
        beside: Those of coupons and gift cards.
        claims: What is freed of counters that all orders share.
    """

    fact: OrderReturned


@final
@attrs.frozen(kw_only=True)
class ReferralOverview:
    """A member's referral, both ways: who was brought, and whom he brings.

    Attributes:
        status: Where the member stands as a friend; ``none`` where nobody brought him.
        answer: What to show of a code that was refused: one text for every reason; empty where none was.
        code: The member's own code to bring friends with; ``None`` where there is none yet.
        friends: How many friends count for the member.
    """

    status: ReferralStatus
    answer: str
    code: str | None
    friends: int

    @classmethod
    def of(cls, membership: Membership, referral: Referral | None) -> ReferralOverview:
        """Gather it of a member, and of the referral as a friend where that was loaded."""
        refused = None if referral is None else referral.refused
        joined = referral is not None and referral.advocate_id is not None
        return cls(
            status=ReferralStatus.NONE if referral is None else referral.status,
            answer="" if refused is None or joined else refused.refusal.reason.public,
            code=membership.referral_code,
            friends=sum(friend.number > 0 for friend in membership.friends.values()),
        )


@final
@attrs.frozen(kw_only=True)
class Overview:
    """What "my account" shows.

    Attributes:
        member_id: Whose.
        joined_at: When; ``None`` if never.
        balance: Points of the main account: available, pending, held, owed.
        accounts: The same of every account the member has used, by name.
        expiring: What expires on the main account, soonest first, if nothing is burned.
        tier: Where the member stands; ``None`` in a program without tiers.
        perks: What the shop promises in that tier.
        order_count: Orders placed.
        referral: Who was brought by whom: as a friend, and as an advocate.
        choices: What may be chosen of rewards, by the reward's name.
    """

    member_id: str
    joined_at: datetime | None
    balance: Balance
    accounts: FrozenMap[str, Balance]
    expiring: tuple[Expiring, ...]
    tier: TierStatus | None
    perks: frozenset[str]
    order_count: int
    referral: ReferralOverview
    choices: FrozenMap[str, tuple[str, ...]]


def minor(money: Money | None) -> int | None:
    """Give the minor units of an amount that may not be known."""
    return None if money is None else money.minor_units


def order_posting(order: Order, facts: tuple[Fact, ...]) -> Posting[Order]:
    """Put the facts of an order into a posting."""
    return Posting(order.folded(facts), facts=facts, stream=order_stream(order.order_id), version=order.version)


def known_order(quote: Quote, membership: Membership | None, order_id: str, order: Order | None) -> Order:
    """Check that a quote, a member and an order belong together."""
    check_kind("quote", quote, Quote)
    check_member(quote.asked.member_id, membership)
    known = Order.open(order_id) if order is None else order
    if known.order_id != order_id:
        msg = f"order must be order {order_id!r}, got {known.order_id!r}"
        raise UsageError(msg)
    return known


def check_free(order: Order) -> None:
    """Refuse to price an order anew that was set aside."""
    if order.cancelled_at is not None:
        details = {"order_id": order.order_id, "cancelled_at": instant_text(order.cancelled_at)}
        raise RefusedError(Refusal(Reason.ORDER_CANCELLED, details))
    if order.reserved is not None:
        details = {"order_id": order.order_id, "until": instant_text(order.reserved.until)}
        raise RefusedError(Refusal(Reason.ORDER_RESERVED, details))


def taken_since(placed: OrderPlaced, returns: Iterable[OrderReturned]) -> Iterator[tuple[tuple[TakenBack, ...], OrderReturned]]:
    """Go through the returns of an order, each with what it takes back of what the order earned."""
    order = Order.open(placed.order_id).folded([placed])
    for back in returns:
        yield order.taken_by(back), back
        order = order.folded([back])


def check_member(member_id: str | None, membership: Membership | None) -> None:
    """Refuse another member's state."""
    if membership is not None:
        check_kind("membership", membership, Membership)
    if member_id != (None if membership is None else membership.member_id):
        given = "none" if membership is None else f"that of {membership.member_id!r}"
        msg = f"membership must be that of member {member_id!r}, got {given}"
        raise UsageError(msg)


def check_unchanged(seen: Quote, fresh: Quote) -> None:
    """Refuse to book what is no longer what the shopper saw."""
    if seen.digest == fresh.digest:
        return
    fields = tuple(name for name, value in fresh.commitment.items() if seen.commitment[name] != value)
    amounts = {"seen_minor": seen.to_pay.minor_units, "now_minor": fresh.to_pay.minor_units}
    raise RefusedError(Refusal(Reason.QUOTE_CHANGED, {"fields": fields, "currency": fresh.to_pay.currency, **amounts}))


def check_same_return(known: OrderReturned, back: Return) -> None:
    """Refuse another return under a used id."""
    fields = [] if known.lines == back.lines else ["lines"]
    fields += [] if known.amount_minor == (minor(back.amount) or 0) else ["amount"]
    fields += [] if known.shipping_minor == (minor(back.shipping) or 0) else ["shipping"]
    if fields:
        raise RefusedError(Refusal(Reason.KEY_REUSED, {"key": f"refund:{known.return_id}", "fields": tuple(fields)}))
