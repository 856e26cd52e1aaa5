"""How each registered type is drawn; made when the first one is asked for."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any, Final, get_args, get_origin

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from loyaltycore._code_blocks import SpaceBlocks
from loyaltycore.basket import Basket, Filter, Line, Return
from loyaltycore.coupons import Campaign, Coupon, CouponCampaign
from loyaltycore.facts import Append, Claim, Command, Expect, Fact, Posting
from loyaltycore.gift_cards import GiftCard
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.ladders import Ladder, Rung
from loyaltycore.members import Profile
from loyaltycore.memberships import Membership
from loyaltycore.offers import Limits, Offer, OfferBook, Stacking, View
from loyaltycore.orders import Order
from loyaltycore.periods import Calendar, Period, Term, Window
from loyaltycore.points import PointsAccount
from loyaltycore.quantities import Money, Rate
from loyaltycore.referrals import Referral
from loyaltycore.repositories import (
    Claimed,
    Cursor,
    Due,
    KeptClaim,
    KeptCommit,
    Receipt,
    Snapshot,
    SnapshotStream,
    StoredStream,
)
from loyaltycore.rewards import Payout
from loyaltycore.testing import _rights_drawn as rights
from loyaltycore.testing import strategies as own
from loyaltycore.testing._histories import fact_kinds

__all__ = ["strategy_of"]

_IDS: Final = st.integers(1, 99).map("m-{}".format)
_STREAMS: Final = st.builds(lambda kind, name: StreamId(f"{kind}/{name}"), st.sampled_from(("member", "order")), _IDS)
_COUNTERS: Final = _IDS.map(lambda name: CounterId(f"offer/{name}"))
_KEYS: Final = own.refs().map(Key)
_CURSORS: Final = st.integers(1, 99).map(lambda number: Cursor(str(number)))
_COUNTS: Final = st.integers(1, 9)
_TEXTS: Final = st.text(max_size=20)


def strategy_of(kind: Any) -> SearchStrategy[Any]:  # noqa: ANN401 - Hypothesis passes types and generic aliases
    """Give the strategy of a registered type; of ``Ladder[int]`` and its like, with the values that its argument says.

    Args:
        kind: The type, or the type with arguments.
    """
    origin = get_origin(kind)
    if origin in {Ladder, Rung}:
        values = st.from_type(get_args(kind)[0])
        return own.ladders(values) if origin is Ladder else st.builds(Rung, st.integers(0, 10**6), values)
    return _strategies()[origin or kind]


@cache
def _strategies() -> dict[type, SearchStrategy[Any]]:
    facts = dict(fact_kinds())
    accounts = own.points_accounts()
    return {
        **facts,
        **_values(),
        **_port(st.one_of(list(facts.values()))),
        Order: own.orders(),
        Payout: own.payouts(),
        PointsAccount: accounts,
        Membership: _members(),
        Posting: accounts.flatmap(
            lambda account: st.integers(1, 99).map(
                lambda units: account.earn(units, ref="drawn", expires_at=None, at=account.ledger.last_at or own.EARLIEST)
            )
        ),
    }


def _members() -> SearchStrategy[Membership]:
    """Draw members who joined and were given points once or twice."""
    gifts = st.lists(st.tuples(st.integers(1, 999), own.instants()), max_size=3)

    def given(name: str, joined: datetime, found: list[tuple[int, datetime]]) -> Membership:
        member = Membership.open(name).join(at=joined).state
        for place, (points, at) in enumerate(found):
            member = member.earn(points, ref=f"gift-{place}", expires_at=None, at=at).state
        return member

    return st.builds(given, _IDS, own.instants(), gifts)


def _values() -> dict[type, SearchStrategy[Any]]:
    return {
        Basket: own.baskets(),
        Calendar: own.calendars(),
        Campaign: rights.campaigns(),
        Coupon: own.coupons(),
        CouponCampaign: rights.coupon_campaigns(),
        Filter: own.filters(),
        GiftCard: own.gift_cards(),
        Ladder: own.ladders(),
        Limits: rights.limits(),
        Line: own.lines(),
        Money: own.monies(),
        Offer: own.offers(),
        OfferBook: own.offer_books(),
        Period: own.periods(),
        Profile: own.profiles(),
        Rate: own.rates(),
        Referral: own.referrals(),
        Return: own.baskets(min_lines=1).flatmap(own.returns_of),
        Rung: st.builds(Rung, st.integers(0, 10**6), st.text(max_size=9)),
        SpaceBlocks: rights.space_blocks(),
        Stacking: own.stackings(),
        Term: own.terms(),
        View: rights.views(),
        Window: own.windows(),
    }


def _port(facts: SearchStrategy[Fact]) -> dict[type, SearchStrategy[Any]]:
    """Draw what goes through the port."""
    several = st.lists(facts, min_size=1, max_size=3)
    appends = st.builds(
        Append, stream=_STREAMS, expected_version=st.integers(0, 9), facts=several, due_at=st.none() | own.instants()
    )
    commands = st.builds(
        lambda home, key, actor, passed: Command.of(home, key, actor=actor, passed=passed),
        _STREAMS,
        _KEYS,
        st.sampled_from(("shop", "agent-7")),
        _TEXTS,
    )
    windows = own.windows().filter(lambda window: window.starts_at is not None)
    claims = st.builds(
        lambda counter, key, amount, limit, window: Claim(
            counter=counter, key=key, amount=amount, limit=limit, at=window.starts_at, until=window.ends_at
        ),
        _COUNTERS,
        _KEYS,
        st.integers(0, 9),
        st.none() | st.integers(0, 99),
        windows,
    )
    appended = st.lists(appends, max_size=2, unique_by=lambda append: append.stream)
    snapshots = st.builds(Snapshot, form=st.just("drawn-1"), version=_COUNTS, text=_TEXTS)
    return {
        Fact: facts,
        Append: appends,
        Command: commands,
        Claim: claims,
        Expect: st.builds(Expect, stream=_STREAMS, version=st.integers(0, 9)),
        Claimed: st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda held: Claimed(total=sum(held), mine=held[0])),
        Due: st.builds(Due, stream=_STREAMS, due_at=own.instants(), cursor=_CURSORS),
        KeptClaim: st.builds(
            KeptClaim, counter=_COUNTERS, key=_KEYS, amount=_COUNTS, until=st.none() | own.instants(), cursor=_CURSORS
        ),
        KeptCommit: st.builds(KeptCommit, command=commands, appends=appended.map(tuple), cursor=_CURSORS),
        Receipt: st.builds(
            Receipt, command=commands, facts=appended.map(lambda found: {append.stream: append.facts for append in found})
        ),
        Snapshot: snapshots,
        SnapshotStream: st.builds(
            lambda snapshot, more: SnapshotStream(version=snapshot.version + len(more), snapshot=snapshot, facts=tuple(more)),
            snapshots,
            several,
        ),
        StoredStream: st.lists(facts, max_size=3).map(lambda found: StoredStream(len(found), tuple(found))),
    }
