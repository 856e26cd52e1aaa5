"""How orders, returns, actions and releases move a member.

The facts of one command are decided one after the other, each on what those before it left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, final

import attrs

from loyaltycore._earning import Action, EarningRule
from loyaltycore._formula import POINTS, EarnedPoints, Shape
from loyaltycore._purchase import to_earn, to_take
from loyaltycore.errors import Reason, Refusal, RefusedError
from loyaltycore.facts import Fact, Posting
from loyaltycore.identity import check_id, within
from loyaltycore.ledger import BurnOrder, Hold, Ledger, Overdraft, newest_first, oldest_first, soonest_expiry
from loyaltycore.memberships import Membership, OrderCounted, ReturnCounted, SpendCarried
from loyaltycore.orders import OrderPlaced, OrderReturned, TakenBack
from loyaltycore.periods import Calendar, Term, Terms
from loyaltycore.quantities import Over

__all__ = [
    "BurnFirst",
    "book_action",
    "book_attached",
    "book_cancelled",
    "book_order",
    "book_release",
    "book_report",
    "book_reserved",
    "book_return",
    "earned_now",
    "is_given_up",
    "own_hold",
    "with_facts",
]


@final
class _Moves:
    """The facts of one command on one member; what every account is turned to stays as it was."""

    __slots__ = ("before", "facts", "state")

    def __init__(self, membership: Membership) -> None:
        self.before = self.state = membership
        self.facts: list[Fact] = []

    def add(self, fact: Fact) -> None:
        """Book a fact that needs no decision."""
        self.follow(self.state.posting((fact,)))

    def follow(self, posting: Posting[Membership]) -> None:
        """Book what a verb decided."""
        self.state = posting.state
        self.facts += posting.facts

    def posting(self) -> Posting[Membership]:
        """Give all of it as one posting."""
        return self.before.posting(self.facts)


class BurnFirst(StrEnum):
    """Which points a burn takes first."""

    SOONEST_EXPIRY = "soonest expiry"
    OLDEST = "oldest"
    NEWEST = "newest"

    @property
    def order(self) -> BurnOrder:
        """The order of the lots."""
        return _ORDERS[self]


_ORDERS: Final[Mapping[BurnFirst, BurnOrder]] = {
    BurnFirst.SOONEST_EXPIRY: soonest_expiry,
    BurnFirst.OLDEST: oldest_first,
    BurnFirst.NEWEST: newest_first,
}


def book_order(
    membership: Membership,
    placed: OrderPlaced,
    *,
    burn_first: BurnFirst,
    beside: Iterable[Fact] = (),
    calendar: Calendar,
) -> Posting[Membership]:
    """Count an order, burn what it burned, from the hold in its name where there is one, and give what it earned.

    Args:
        membership: As it is now.
        placed: The order.
        burn_first: Which points a burn takes first.
        beside: What else happens to the member with it.
        calendar: Whose local days count.

    Raises:
        RefusedError: ``key_reused`` where its id already names an order, a burn or an earning of the member.
    """
    _check_unused(membership, placed)
    order_id, at = placed.order_id, placed.at
    moves = _counted(membership, placed, calendar)
    verbs, hold = moves.state.on(POINTS), membership.ledger_of(POINTS).holds.get(order_id)
    if hold is not None and (hold.is_open or placed.ordered_at is not None):
        moves.follow(_resolved(moves.state, placed, hold))
    elif placed.burn_points:
        moves.follow(verbs.burn(placed.burn_points, ref=order_id, order=burn_first.order, at=at))
    _give(moves, placed)
    for fact in beside:
        moves.add(fact)
    return moves.posting()


def _resolved(state: Membership, placed: OrderPlaced, hold: Hold) -> Posting[Membership]:
    """Burn what was held in an order's name, also where it was given up and the order then paid; or give it back."""
    ledger, order_id, at = state.ledger_of(POINTS), placed.order_id, placed.at
    if hold.captured:
        return state.posting(())  # the shop burned it by hand: once is enough
    if not placed.burn_points:
        return state.posting(ledger.void(order_id, at=at))
    given_up = placed.ordered_at is not None
    return state.posting(ledger.capture(order_id, placed.burn_points, given_up=given_up, at=at))


def _counted(membership: Membership, placed: OrderPlaced, calendar: Calendar) -> _Moves:
    """Count an order for its member, on the day it was ordered."""
    moves, day = _Moves(membership), calendar.day_of(placed.since)
    moves.add(
        OrderCounted(
            order_id=placed.order_id,
            day=day,
            qualifying_minor=placed.qualifying_minor,
            list_minor=sum(line.list_minor for line in placed.lines),
            discount_minor=sum(line.discount_minor for line in placed.lines),
            offers=placed.offers_per_member,
            ordered_at=placed.ordered_at if placed.offers_per_member else None,
            at=placed.at,
        )
    )
    return moves


def _give(moves: _Moves, placed: OrderPlaced) -> None:
    """Give what an order earned, as of when it was ordered."""
    for earned in placed.earned:
        if earned.carried:
            moves.add(SpendCarried(rule=earned.rule, ref=placed.order_id, minor=earned.counted_minor, at=placed.at))
        if earned.points:
            moves.follow(_granted(moves.state, earned, placed.order_id, placed.since))


def with_facts(posting: Posting[Membership], facts: Iterable[Fact]) -> Posting[Membership]:
    """Add facts that need no decision to what was decided."""
    more = tuple(facts)
    if not more:
        return posting
    return Posting(posting.state.folded(more), facts=(*posting.facts, *more), stream=posting.stream, version=posting.version)


def book_reserved(membership: Membership, placed: OrderPlaced, *, until: datetime, burn_first: BurnFirst) -> Posting[Membership]:
    """Hold what an order is to burn; a hold in its name that stands as long is that one.

    Raises:
        RefusedError: ``key_reused`` as for ``book_order``, and where a hold of the name was resolved or ends sooner: what is
            set aside under it is not what this order needs; ``at_before_last``.
    """
    _check_unused(membership, placed)
    hold = membership.ledger_of(POINTS).holds.get(placed.order_id)
    if not placed.burn_points:
        return membership.posting(())
    if hold is not None:
        if not hold.is_open or hold.until < until or hold.units < placed.burn_points:
            raise RefusedError(Refusal(Reason.KEY_REUSED, {"key": f"reserve:{placed.order_id}", "fields": ("hold",)}))
        return membership.posting(())
    return membership.on(POINTS).hold(placed.burn_points, ref=placed.order_id, until=until, order=burn_first.order, at=placed.at)


def book_cancelled(membership: Membership, order_id: str, *, at: datetime) -> Posting[Membership]:
    """Free what was held for an order."""
    if own_hold(membership, order_id) is None:
        return membership.posting(())
    return membership.on(POINTS).void(order_id, at=at)


def earned_now(
    rules: Iterable[EarningRule],
    earned: Sequence[EarnedPoints],
    membership: Membership,
    *,
    since: datetime,
    calendar: Calendar,
    capped: bool = True,
) -> tuple[EarnedPoints, ...]:
    """Give what an order earns that was priced before, as caps and what is carried over have it now; never more by a cap.

    Args:
        rules: Those of today; what a rule gave that is no more stays as it was.
        earned: As it was frozen when the order was priced.
        membership: As it is now.
        since: When it was ordered: the local day, week, month or year that caps look at.
        calendar: Whose local days count.
        capped: Whether caps are looked at; spend is carried over in any case.
    """
    known = {rule.rule_id: rule for rule in rules}
    earned = [_carried_now(known.get(one.rule), one) for one in earned]
    points = [_points_now(known.get(one.rule) if capped else None, one, membership, since, calendar) for one in earned]
    return tuple(attrs.evolve(one, points=now) for one, now in zip(earned, points, strict=True) if now or one.carried)


def _carried_now(rule: EarningRule | None, earned: EarnedPoints) -> EarnedPoints:
    """Let spend that was a guest's be carried over from now on, where the rule does so: it is the member's."""
    is_step = earned.formula.shape is Shape.STEP and all(part.factor == 1 for part in earned.counted)
    return attrs.evolve(earned, carried=True) if rule is not None and rule.carries and is_step else earned


def _points_now(
    rule: EarningRule | None, earned: EarnedPoints, membership: Membership, since: datetime, calendar: Calendar
) -> int:
    points = earned.points
    if earned.carried:
        carried = membership.carried.get(earned.rule, 0)
        points = max(0, to_earn(earned.formula, carried + earned.counted_minor) - to_earn(earned.formula, carried))
    if rule is not None and rule.caps is not None:
        left, _, _ = rule.caps.left(earned.rule, membership.ledger_of(earned.account), at=since, calendar=calendar)
        if points > left:
            points = left if rule.caps.over is Over.TRUNCATE else 0
    return points


def book_attached(
    membership: Membership,
    placed: OrderPlaced,
    returns: Iterable[tuple[tuple[TakenBack, ...], OrderReturned]],
    *,
    overdraft: Overdraft,
    restore: Term | None,
    calendar: Calendar,
) -> Posting[Membership]:
    """Count a guest's order for the member it found, give what it earned, and take back what came back meanwhile.

    Args:
        membership: As it is now.
        placed: The order, now the member's; ``at`` is when it was attached.
        returns: What each return takes back, in their order.
        overdraft: What happens where returned points were spent; here none can have been.
        restore: As for ``book_return``.
        calendar: Whose local days count.

    Raises:
        RefusedError: ``key_reused`` as for ``book_order``.
    """
    _check_unused(membership, placed)
    moves = _counted(membership, placed, calendar)
    _give(moves, placed)
    for taken, planned in returns:
        _, posting = book_return(moves.state, taken, planned, overdraft=overdraft, restore=restore, calendar=calendar)
        moves.follow(posting)
    return moves.posting()


def own_hold(membership: Membership, order_id: str) -> Hold | None:
    """Give the hold in an order's name that is not resolved, in time or late; ``None`` where there is none."""
    hold = membership.ledger_of(POINTS).holds.get(order_id)
    return hold if hold is not None and hold.is_open else None


def is_given_up(membership: Membership, placed: OrderPlaced) -> bool:
    """Whether the points an order is to burn are no longer set aside for it."""
    hold = membership.ledger_of(POINTS).holds.get(placed.order_id)
    return placed.burn_points > 0 and (hold is None or hold.captured == 0)


def _granted(state: Membership, earned: EarnedPoints, order_id: str, at: datetime) -> Posting[Membership]:
    return state.on(earned.account).earn(
        earned.points,
        ref=order_id,
        rule=earned.rule,
        available_at=earned.available_at,
        expires_at=earned.expires_at,
        awaits=earned.awaits,
        lasts=earned.lasts,
        at=at,
    )


def book_return(
    membership: Membership,
    taken: tuple[TakenBack, ...],
    planned: OrderReturned,
    *,
    overdraft: Overdraft,
    restore: Term | None,
    calendar: Calendar,
) -> tuple[OrderReturned, Posting[Membership]]:
    """Take back what a return takes of a member's points, and give back what it gives.

    Args:
        membership: As it is now.
        taken: What the return takes of each rule's points, as far as the order can tell.
        planned: The return; where spend is carried over, its points are known only here.
        overdraft: What happens when returned points were spent.
        restore: How long points can be used that come back into a lot that has expired.
        calendar: Whose local days count.

    Raises:
        RefusedError: ``points_insufficient`` where the overdraft is ``reject``.
    """
    at, order_id, return_id = planned.at, planned.order_id, planned.return_id
    ref = within(order_id, return_id)
    moves = _Moves(membership)
    moves.add(ReturnCounted(order_id=order_id, return_id=return_id, qualifying_minor=planned.qualifying_minor, at=at))
    by_account = Counter(one.earned.account for one in taken)
    revoked = 0
    for one in taken:
        rule, account, points = one.earned.rule, one.earned.account, one.points
        if one.carried_minor:
            carried = moves.state.carried.get(rule, 0)
            moves.add(SpendCarried(rule=rule, ref=ref, minor=-one.carried_minor, at=at))
            points = to_take(one.earned, carried, carried - one.carried_minor, moves.state.ledger_of(account))
        earn_ref, ledger = None if one.earned.carried else order_id, moves.state.ledger_of(account)
        # What somebody took back by hand before cannot come back again: a return is never refused for it.
        points = min(points, ledger.left_to_revoke(earn_ref, rule=rule))
        if points:
            # One ref names one revocation of an account; where several rules gave to it, each has a name of its own.
            own_ref = ref if by_account[account] == 1 else within(order_id, within(return_id, rule))
            own_ref = _unused(own_ref, "revoke", ledger)
            facts = ledger.revoke(earn_ref, points, ref=own_ref, overdraft=overdraft, rule=rule, at=at)
            moves.follow(moves.state.posting(facts))
            revoked += points if account == POINTS else 0
    ledger = moves.state.ledger_of(POINTS)
    given_back = min(planned.points_given_back, ledger.left_to_refund(order_id))
    if given_back:
        until = None if restore is None else restore.end_after(at, calendar=calendar)
        own_ref = _unused(ref, "refund_burn", ledger)
        facts = ledger.refund_burn(order_id, given_back, ref=own_ref, extended_until=until, at=at)
        moves.follow(moves.state.posting(facts))
    return attrs.evolve(planned, points_revoked=revoked, points_given_back=given_back), moves.posting()


def _unused(ref: str, verb: str, ledger: Ledger) -> str:
    """Give a name for what a return moves: its own, or where a shop has used that for something else, one behind it."""
    while f"{verb}:{ref}" in ledger.returned:
        ref += "+"
    return ref


def book_action(
    membership: Membership, action: Action, terms: Terms, *, name: str, ref: str, at: datetime
) -> Posting[Membership]:
    """Give the points of an action."""
    moves = _Moves(membership)
    moves.follow(
        membership.on(action.account).earn(
            action.points,
            ref=ref,
            rule=name,
            available_at=terms.available_at,
            expires_at=terms.expires_at,
            awaits=terms.awaits,
            lasts=terms.lasts,
            at=at,
        )
    )
    return moves.posting()


def book_release(membership: Membership, event: str, *, ref: str, at: datetime) -> Posting[Membership]:
    """Make available what awaits an event on any account.

    Raises:
        RefusedError: What the accounts refuse, where none of them has anything that could be released.
    """
    check_id("ref", ref)
    moves, refusals, found = _Moves(membership), list[Refusal](), False
    for account in membership.ledgers:
        try:
            moves.follow(moves.state.on(account).release(ref, event=event, at=at))
            found = True
        except RefusedError as error:
            refusals += error.refusals
    if not found:
        # Where something awaited it on one account, that nothing did on another is no news.
        late = [refusal for refusal in refusals if refusal.reason is not Reason.EARNING_NOT_FOUND]
        raise RefusedError(*(late or [Refusal(Reason.EARNING_NOT_FOUND, {"earn_ref": ref, "event": event})]))
    return moves.posting()


def _check_unused(membership: Membership, placed: OrderPlaced) -> None:
    """Refuse an order whose id already names an order, a burn or a lot of the member: it would be taken for that one."""
    order_id = placed.order_id
    used = {
        "order": order_id in membership.orders,
        "burn": placed.burn_points > 0 and _is_burned(membership, placed),
        "earned": any(f"{order_id}/{one.rule}" in membership.ledger_of(one.account).lots for one in placed.earned),
    }
    fields = tuple(name for name, is_used in used.items() if is_used)
    if fields:
        raise RefusedError(Refusal(Reason.KEY_REUSED, {"key": f"place:{order_id}", "fields": fields}))


def _is_burned(membership: Membership, placed: OrderPlaced) -> bool:
    """Whether a burn has the name of an order and is not of that order: of what was reserved for it, as much."""
    ledger = membership.ledger_of(POINTS)
    burn, hold = ledger.burns.get(placed.order_id), ledger.holds.get(placed.order_id)
    is_own = placed.ordered_at is not None and hold is not None and hold.captured == placed.burn_points
    return burn is not None and not is_own


def book_report(membership: Membership, *, ref: str, at: datetime) -> Posting[Membership]:
    """Write down what has expired: on each account that something is due on, or else on the main one."""
    moves = _Moves(membership)
    due = [name for name, ledger in membership.ledgers.items() if ledger.due_at is not None and ledger.due_at <= at]
    for account in due or [POINTS]:
        moves.follow(moves.state.on(account).report_expired(ref=ref, at=at))
    return moves.posting()
