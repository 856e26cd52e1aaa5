"""How orders and time move a referral: what qualifies a friend, what the advocate is given for him, and what is taken back.

What an advocate has is a function of the friends who stand, of their number in each span that counts together and of the limits.
So the reward that goes with a friend who is reversed is the one of the highest number: whoever had that number takes the place of
the one who goes. Where a limit had kept a reward back from somebody else, he steps into the free place, and nothing is taken.

"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from functools import cache
from typing import Any, Final, NamedTuple, assert_never, final

import attrs

from loyaltycore._giving import Given, Giving, give, streams_of, take_back
from loyaltycore._referral import Referral, ReferralStatus
from loyaltycore._referral_program import After, ReferralProgram
from loyaltycore.facts import Fact, Posting
from loyaltycore.identity import StreamId, referral_stream
from loyaltycore.ledger import Overdraft
from loyaltycore.memberships import FriendReversed, FriendRewarded, Membership, RewardedFriend
from loyaltycore.offers import View
from loyaltycore.orders import NeedOf, OfferNeed, Order, OrderPlaced, OrderReturned
from loyaltycore.periods import Calendar, Period, Term
from loyaltycore.quantities import share_of_units

__all__ = [
    "Settled",
    "referral_placed",
    "referral_returned",
    "referral_streams",
    "reversed_for",
    "rewarded_for",
    "still_qualifies",
]

_RETURNED: Final = "the order that counted came back"


def referral_placed(
    referral: Referral, placed: OrderPlaced, *, program: ReferralProgram | None, calendar: Calendar
) -> Posting[Referral]:
    """Qualify a friend by an order that was placed, or that found its member; where it does not, nothing changes.

    Args:
        referral: Of the order's member.
        placed: The order, as booked.
        program: The referral program.
        calendar: Whose local days count.
    """
    need = placed.referral
    if program is None or need is None or not need.program_id == program.program_id == referral.program_id:
        return _nothing(referral)
    return referral.qualify(placed.order_id, due_at=_due_at(program, placed, calendar), final_at=placed.final_at, at=placed.at)


def _due_at(program: ReferralProgram, placed: OrderPlaced, calendar: Calendar) -> datetime:
    match program.after:
        case Period():
            return Term(program.after).end_after(placed.at, calendar=calendar)
        case Term():
            return program.after.end_after(placed.at, calendar=calendar)
        case After.AT_ONCE:
            return placed.at
        case After.RETURN_WINDOW:
            return placed.at if placed.final_at is None else placed.final_at
    assert_never(program.after)


def referral_returned(referral: Referral, order: Order, fact: OrderReturned) -> Posting[Referral]:
    """Let an order count no longer, where what is kept of it after a return is not enough.

    Args:
        referral: Of the order's member.
        order: As before the return.
        fact: The return.
    """
    if order.order_id not in referral.orders:
        return _nothing(referral)
    placed, after = order.placed, order.folded([fact])
    assert placed is not None  # it qualifies him
    if still_qualifies(placed, after):
        return _nothing(referral)
    return referral.unqualify(order.order_id, return_id=fact.return_id, at=fact.at)


def still_qualifies(placed: OrderPlaced, order: Order) -> bool:
    """Say whether enough of an order is kept that it qualifies a friend, as far as it did at purchase.

    Money given back without goods counts as so much of the goods as it paid for: it comes off every spend that is asked for.

    Args:
        placed: The order, as booked.
        order: The same, with all that came back.
    """
    if order.is_all_back:
        return False
    need = placed.referral
    if need is None or not need.ways:
        return True
    ways = tuple(way for way in need.ways if all(_is_paid(need.needs[place], placed, order) for place in way))
    return bool(ways) and attrs.evolve(need, ways=ways).stands(placed.lines, order.returned)


def _is_paid(need: OfferNeed, placed: OrderPlaced, order: Order) -> bool:
    """Whether a spend that is asked for is left of all that is kept once money came back without goods.

    Both sides are multiplied by what was paid for the goods, so that nothing is rounded.
    """
    if need.of is not NeedOf.SPEND or not order.amount_minor:
        return True
    back = order.returned
    kept = sum(
        share_of_units(line.list_minor, line.quantity, start=0, stop=line.quantity - back.get(line.line_id, 0))
        for line in placed.lines
    )
    whole = sum(line.list_minor for line in placed.lines)
    return kept * placed.goods_minor - whole * order.amount_minor >= need.at_least * placed.goods_minor


@final
@attrs.frozen(kw_only=True)
class Settled:
    """What rewarding for a friend, or reversing that, comes to.

    Attributes:
        referral: Of the friend.
        advocate: Of the advocate.
        stand_in: Of a friend whom a limit had kept back, and who is rewarded for in the free place; ``None`` where there is none.
        beside: Coupons and payouts.
    """

    referral: Posting[Referral]
    advocate: Posting[Membership]
    stand_in: Posting[Referral] | None = None
    beside: tuple[Posting[Any], ...] = ()

    @property
    def postings(self) -> tuple[Posting[Any], ...]:
        """All of it, for one commit."""
        others = () if self.stand_in is None else (self.stand_in,)
        return (self.referral, self.advocate, *others, *self.beside)


def rewarded_for(
    program: ReferralProgram | None,
    referral: Referral,
    advocate: Membership,
    *,
    by: Giving,
) -> Settled:
    """Reward an advocate for a friend who qualified; where it is done, or not to be done, nothing changes.

    Args:
        program: The referral program as it is today: its ladders and limits decide. Without the one that the friend joined under
            he waits.
        referral: Of the friend.
        advocate: As a member.
        by: The program, and when it was due: whenever it is posted, it is of that instant.
    """
    friend_id, at = referral.friend_id, by.at
    if program is None or program.program_id != referral.program_id or referral.status is not ReferralStatus.QUALIFIED:
        return Settled(referral=_nothing(referral), advocate=advocate.posting(()))
    known = advocate.friends.get(friend_id)
    if known is not None and known.number:
        return Settled(referral=referral.reward(number=known.number, rewards=known.rewards, at=at), advocate=advocate.posting(()))
    day = by.calendar.day_of(at)
    refusal = program.full(_others(advocate, friend_id), day)
    if refusal is not None:
        kept_back = FriendRewarded(
            friend_id=friend_id,
            program_id=program.program_id,
            day=day,
            number=0,
            period=program.restarts.period(day),
            at=at,
        )
        return Settled(referral=referral.reject(refusal, counts=True, at=at), advocate=advocate.posting((kept_back,)))
    moves = _Moves(advocate)
    fact = moves.fill(program, friend_id, day=day, by=by)
    return Settled(
        referral=referral.reward(number=fact.number, rewards=fact.rewards, at=at),
        advocate=moves.posting(),
        beside=moves.beside,
    )


class _Leaving(NamedTuple):
    """What goes with a friend who is reversed.

    Attributes:
        gone: The friend, as he stands with the advocate; ``None`` where he does not.
        last: Whoever has the highest number of those that count together, and his rewards: they are taken back.
        heir: Whoever was kept back by a limit that has room now; ``None`` where nobody was.
    """

    gone: RewardedFriend | None
    last: tuple[str, RewardedFriend] | None
    heir: tuple[str, RewardedFriend] | None


def _leaving(program: ReferralProgram | None, friend_id: str, advocate: Membership) -> _Leaving:
    gone = advocate.friends.get(friend_id)
    if gone is None or not gone.number:
        return _Leaving(gone, None, None)
    together = [
        (one.number, name)
        for name, one in advocate.friends.items()
        if (one.program_id, one.period) == (gone.program_id, gone.period)
    ]
    last = max(together)[1]
    heir = None
    if program is not None and program.program_id == gone.program_id:
        others = tuple(_others(advocate, friend_id))
        # Days of one month meet the same limits: thousands wait in a few months.
        has_room = cache(lambda month: program.full(others, month) is None)
        waiting = [
            (one.day, name)
            for name, one in advocate.friends.items()
            if not one.number and one.program_id == gone.program_id and has_room(one.day.replace(day=1))
        ]
        heir = min(waiting)[1] if waiting else None
    return _Leaving(gone, (last, advocate.friends[last]), None if heir is None else (heir, advocate.friends[heir]))


def referral_streams(program: ReferralProgram | None, referral: Referral, advocate: Membership) -> tuple[StreamId, ...]:
    """Name what to load before a reward is reversed, besides the friend's referral and the advocate. Giving needs nothing.

    Args:
        program: The referral program as it is today.
        referral: Of the friend.
        advocate: As a member.

    Returns:
        The referral of whoever steps in; coupons and payouts that are taken back.
    """
    if referral.status is not ReferralStatus.REVERSING:
        return ()
    leaving = _leaving(program, referral.friend_id, advocate)
    heir = () if leaving.heir is None else (referral_stream(leaving.heir[0]),)
    names = () if leaving.last is None else leaving.last[1].rewards
    gone = [stream for name in names if name in advocate.rewards for stream in streams_of(advocate.rewards[name])]
    return tuple(dict.fromkeys((*heir, *gone)))


def reversed_for(
    program: ReferralProgram | None,
    referral: Referral,
    advocate: Membership,
    *,
    stand_in: Referral | None = None,
    view: View,
    overdraft: Overdraft,
    by: Giving,
) -> Settled:
    """Let a friend count no longer, and take back what he brought; where that is not to be done, nothing changes.

    Args:
        program: The referral program as it is today; without one nobody steps in.
        referral: Of the friend.
        advocate: As a member.
        stand_in: Of the friend who steps in, where ``referral_streams`` names one.
        view: The coupons and payouts that are taken back, as they are now.
        overdraft: What happens where the points are spent.
        by: The program, and when the order came back.

    Raises:
        UsageError: A view without what is taken back.
    """
    if referral.status is not ReferralStatus.REVERSING:
        return Settled(referral=_nothing(referral), advocate=advocate.posting(()))
    at = by.at
    friend_id, gone_from = referral.friend_id, referral.reverse(at=at)
    gone, last, heir = _leaving(program, friend_id, advocate)
    if gone is None:
        return Settled(referral=gone_from, advocate=advocate.posting(()))
    moves = _Moves(advocate)
    steps_in = heir is not None and heir[1].period == gone.period
    successor = heir if steps_in else last
    if last is not None and not steps_in:
        moves.take_back(last[1], view=view, overdraft=overdraft, at=at)
    name = "" if successor is None or successor[0] == friend_id else successor[0]
    moves.add(FriendReversed(friend_id=friend_id, program_id=gone.program_id, stand_in=name, at=at))
    if heir is not None and not steps_in and program is not None:
        moves.fill(program, heir[0], day=heir[1].day, by=by)
    return Settled(
        referral=gone_from,
        advocate=moves.posting(),
        stand_in=None if heir is None else _stepped(stand_in, heir[0], moves.state, at),
        beside=moves.beside,
    )


def _stepped(stand_in: Referral | None, name: str, advocate: Membership, at: datetime) -> Posting[Referral] | None:
    """Write down that a friend who had been kept back is rewarded for; of one who goes himself there is nothing to write."""
    if stand_in is None or stand_in.friend_id != name or stand_in.status is not ReferralStatus.REJECTED:
        return None
    friend = advocate.friends[name]
    return stand_in.reward(number=friend.number, rewards=friend.rewards, at=at)


@final
class _Moves:
    """What happens to an advocate, one thing after the other, each on what those before it left."""

    __slots__ = ("before", "beside", "facts", "state")

    def __init__(self, advocate: Membership) -> None:
        self.before = self.state = advocate
        self.facts: list[Fact] = []
        self.beside: tuple[Posting[Any], ...] = ()

    def add(self, fact: Fact) -> None:
        """Take a fact that needs no decision."""
        self.state = self.state.folded([fact])
        self.facts.append(fact)

    def follow(self, given: Given) -> None:
        """Take what was decided of a reward."""
        self.state = self.state.folded(given.facts)
        self.facts += given.facts
        self.beside += given.beside

    def fill(self, program: ReferralProgram, friend_id: str, *, day: date, by: Giving) -> FriendRewarded:
        """Give a friend the next number of those that count together, and the advocate what goes with it."""
        period = program.restarts.period(day)
        together = (program.program_id, period)
        number = 1 + sum(one.number > 0 for one in self.state.friends.values() if (one.program_id, one.period) == together)
        names = list[str]()
        for source, benefit in program.rungs(number):
            given = give(
                self.state,
                benefit,
                reward_id=f"referral/{program.program_id}/{_slot(program, source, number, period)}",
                source=_source(source),
                campaign_id=source,
                by=by,
            )
            names.append(given.reward_id)
            self.follow(given)
        fact = FriendRewarded(
            friend_id=friend_id,
            program_id=program.program_id,
            day=day,
            number=number,
            period=period,
            rewards=tuple(names),
            at=by.at,
        )
        self.add(fact)
        return fact

    def take_back(self, friend: RewardedFriend, *, view: View, overdraft: Overdraft, at: datetime) -> None:
        """Take back the rewards of a number."""
        for name in friend.rewards:
            self.follow(take_back(self.state, name, reason=_RETURNED, view=view, overdraft=overdraft, at=at))

    def posting(self) -> Posting[Membership]:
        """Give all of it as one posting."""
        return self.before.posting(self.facts)


def _source(campaign_id: str) -> str:
    """Name what gives a reward: the rung of the ladder."""
    return f"referral/{campaign_id}"


def _slot(program: ReferralProgram, source: str, number: int, period: str) -> str:
    """Name what is given for a number: ``3``, ``at-3``, ``2026-3``, ``2026-at-3``."""
    exact = "at-" if source == f"{program.program_id}-at-{number}" else ""
    return f"{period}-{exact}{number}" if period else f"{exact}{number}"


def _others(advocate: Membership, friend_id: str) -> Iterator[RewardedFriend]:
    for name, friend in advocate.friends.items():
        if name != friend_id:
            yield friend


def _nothing(referral: Referral) -> Posting[Referral]:
    return Posting(referral, facts=(), stream=referral_stream(referral.friend_id), version=referral.version)
