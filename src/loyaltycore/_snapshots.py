"""Snapshots of a member: what is still open as text, so that loading a member costs what is open, not what ever happened.

What is closed is left out: lots with nothing on them, the burns that emptied them, holds that were resolved, what each return
moved. Of that only the names stay, packed, and whatever comes back to one of them needs the history. Orders, what they use of
offers, coupons, rewards and friends stay, also those that are gone: a limit may ask for any of them again, and each has a few
characters. They are read when somebody asks for them; where the member stands in the tiers is told without them, from sums.

A snapshot is ten lines: what is read at once; the orders, what they use of offers, the coupons, the rewards, the friends; what
counts for tiers lately, and the sums of what counted before; packed names of what stays, and of what is left out.

Invariants:
    1. A membership restored from a snapshot decides every command and answers every question exactly as one replayed from all
       facts, or raises ``HistoryNeeded``: load all facts then, and ask again.
    2. What is named for the first time, earned, burned or held, never needs the history.
    3. A snapshot of what was restored from a snapshot is that snapshot.
    4. Any text at all is restored to a membership, or raises ``CorruptStateError`` or ``HistoryNeeded``, nothing else.

>>> from datetime import UTC, datetime
>>> from loyaltycore.ledger import Overdraft
>>> at = datetime(2026, 7, 1, tzinfo=UTC)
>>> member = Membership.open("m-42").earn(120, ref="order-1", expires_at=None, at=at).state
>>> member = member.burn(120, ref="order-2", at=at).state.earn(40, ref="order-3", expires_at=None, at=at).state
>>> stored = SnapshotStream(version=3, snapshot=compact(member))
>>> again = restored("m-42", stored)
>>> again.available(at=at), again.burn(30, ref="order-4", at=at).facts == member.burn(30, ref="order-4", at=at).facts
(40, True)
>>> again.revoke("order-1", ref="return-1", overdraft=Overdraft.CARRY, at=at)
Traceback (most recent call last):
loyaltycore._frozen.HistoryNeeded: 'order-1' is left out
"""

from __future__ import annotations

import json
from base64 import b64encode
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final, TypeVar, final

import attrs

from loyaltycore._checks import check_kind, check_whole
from loyaltycore._frozen import FrozenMap, HistoryNeeded, LaterMap, PartialMap
from loyaltycore._lots import Lot, Reversal, Take
from loyaltycore._open_lots import OpenLots
from loyaltycore._tallied import Tallied, as_counted, earned_units, lifetime_points, named_events
from loyaltycore._tier_grant import TierGrant
from loyaltycore.errors import CorruptStateError, LoyaltyError, UsageError
from loyaltycore.identity import check_id, check_slug
from loyaltycore.ledger import Ledger
from loyaltycore.memberships import HeldCoupon, HeldReward, Membership, OfferUses, RewardedFriend
from loyaltycore.periods import Calendar
from loyaltycore.repositories import Snapshot, SnapshotStream
from loyaltycore.tiers import Metric, Qualifying, TierRule, TierTally
from loyaltycore.wire import coder, instant_text, parse_instant, read_json

__all__ = ["SNAPSHOT_FORM", "HistoryNeeded", "compact", "restored", "tallied"]

SNAPSHOT_FORM: Final = "member/3"
"""Name of the form of the text; it changes with anything that an older library would read otherwise."""

TAKES_KEPT: Final = 64
"""Burns, and adjustments, that stay: the latest, for a lot that many small burns took from would keep them all."""

NAME_BYTES: Final = 6
"""48 bits of a name's digest: eight characters of base64, so that names are found as they stand. A new name that falls together
with one of ten thousand, once in 28,000,000,000 questions, costs a look at the history and no more.
"""

LATE: Final = timedelta(days=2)
"""What of the last days is kept apart from the sums, so that it can still change: an order that was confirmed past midnight, a
return the day after. Whatever is later than that costs one look at all.
"""

_NAME_LENGTH: Final = NAME_BYTES * 8 // 6
_MAPS: Final = ("lots", "burns", "adjustments", "transfers", "holds", "returned", "payments")
"""What an account keeps by name, and may leave out; the references of lots, gathered from them, come besides."""

_REFS: Final = "refs"
_NOTHING: Final = "[]"
_STAYING: Final = "staying"
_LINES: Final = ("orders", "uses", "coupons", "rewards", "friends", "later", "tallies", _STAYING)
"""The lines between the head and the names of what is left out."""

_NAMED: Final = ("orders", "rewards", "friends")
"""Those of which packed names stand in a line too: what is new is none of them, which is seen without reading them."""

_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)

V = TypeVar("V")


@final
@attrs.frozen(kw_only=True)
class _Account:
    """An account as it is written down.

    Attributes:
        ledger: What is kept of it.
        is_marked: Whether a policy follows the debts of any lot, or has: it may be one that is left out.
        is_partial: Whether anything is left out.
    """

    ledger: Ledger
    is_marked: bool = False
    is_partial: bool = False


@final
@attrs.frozen(kw_only=True)
class _Sums:
    """What the sums of what counts for tiers are of.

    Attributes:
        through: The last local day that was added up.
        zone: Of the local days.
        metrics: What counts.
        account: The account whose points count.
    """

    through: date
    zone: str
    metrics: tuple[Metric, ...]
    account: str


@final
@attrs.frozen(kw_only=True)
class _Head:
    """The first line of a snapshot: all that is read at once.

    Attributes:
        joined_at: When the member joined.
        carried: What was spent under rules that carry a remainder over.
        past_list_minor: What the goods of all orders cost before offers.
        past_discount_minor: What offers took off them.
        accounts: The accounts.
        tier_grants: Tiers that were granted by hand.
        referral_codes: The member's own codes.
        sums: Of what counts for tiers.
        sizes: Characters of each line that follows.
        counts: How much each line holds of which packed names stand in a line too.
        names: How many names were left out: the last line holds as many.
    """

    joined_at: datetime | None = None
    carried: FrozenMap[str, int] = FrozenMap[str, int]()
    past_list_minor: int = 0
    past_discount_minor: int = 0
    accounts: tuple[_Account, ...] = ()
    tier_grants: FrozenMap[str, TierGrant] = FrozenMap[str, TierGrant]()
    referral_codes: tuple[str, ...] = ()
    sums: _Sums | None = None
    sizes: FrozenMap[str, int] = FrozenMap[str, int]()
    counts: FrozenMap[str, int] = FrozenMap[str, int]()
    names: int = 0


@final
@attrs.frozen
class _Names:
    """Names of one mapping, among those of the whole member that stay, or that were left out.

    Attributes:
        text: The snapshot. The digests of names stand there in base64, sorted, with nothing between them; they are looked for
            where they stand, since to copy them takes longer than to read the rest.
        start: Where they begin.
        stop: Where they end.
        of: Which account and which mapping.
        asked: What was found, by name: a new lot is looked for three times while its fact is folded.
    """

    text: str = attrs.field(repr=False)
    start: int
    stop: int
    of: str
    asked: dict[str, bool] = attrs.field(factory=dict, init=False, repr=False, eq=False)

    def __contains__(self, name: object) -> bool:
        """Say whether a name is one of them, or looks like one.

        Complexity:
            O(log names), once for each name.
        """
        asked = str(name)
        found = self.asked.get(asked)
        if found is None:
            found = self.asked[asked] = self._find(_packed_name(self.of, asked))
        return found

    def _find(self, wanted: str) -> bool:
        places, text = self.places, self.text
        place = bisect_left(places, wanted, key=lambda start: text[start : start + _NAME_LENGTH])
        return place < len(places) and text.startswith(wanted, places[place])

    @property
    def places(self) -> range:
        """Where each digest begins, of whatever mapping."""
        return range(self.start, self.stop, _NAME_LENGTH)

    def each(self) -> Iterator[str]:
        """Go through all digests, of whatever mapping."""
        return (self.text[start : start + _NAME_LENGTH] for start in self.places)


def tallied(membership: Membership, rule: TierRule | None, *, calendar: Calendar, at: datetime) -> Membership:
    """Add up what counts for a member's tiers, but for what happened lately.

    Args:
        membership: Any; one that was restored goes on from the sums it has.
        rule: What counts; ``None`` in a program without tiers.
        calendar: Whose local days count.
        at: Now.

    Returns:
        The member with the sums; without any where it takes the history to make them.

    Complexity:
        O(what is looked at): of a member with sums what came after them, of another all orders and points.
    """
    through = calendar.day_of(at) - LATE
    known = None if rule is None else membership.tallied
    if rule is None or (known is not None and known.through > through and known.of(rule, day=known.through, calendar=calendar)):
        return attrs.evolve(membership, tallied=known)
    before = None if known is None else known.of(rule, day=through, calendar=calendar)
    try:
        events = known.later if known is not None and before is not None else _counting(membership, rule, calendar)
    except HistoryNeeded:
        return attrs.evolve(membership, tallied=None)
    old = as_counted((event for event in events.values() if event.day <= through), rule.metrics)
    joined_on = None if membership.joined_at is None else calendar.day_of(membership.joined_at)
    sums = rule.tally(old, through=through, joined_on=joined_on, tally=before)
    return attrs.evolve(
        membership,
        tallied=Tallied(
            through=through,
            calendar=calendar,
            metrics=rule.metrics,
            account=rule.account,
            tallies=FrozenMap({rule.tally_digest: sums}),
            later=FrozenMap({name: event for name, event in events.items() if event.day > through}),
        ),
    )


def _counting(membership: Membership, rule: TierRule, calendar: Calendar) -> Mapping[str, Qualifying]:
    """Give all that counts of a member, by what it is of."""
    friends = {friend_id: friend.day for friend_id, friend in membership.friends.items()}
    ledger = membership.ledger_of(rule.account)
    return dict(named_events(rule.metrics, orders=membership.orders, ledger=ledger, friends=friends, calendar=calendar))


def compact(membership: Membership) -> Snapshot:
    """Write down what is open of a member, and the names of what is closed.

    Args:
        membership: With one fact at least; it may be a restored one. ``tallied`` adds up what counts for its tiers.

    Complexity:
        O(lots), and O(n log n) for the n names of what is left out, of orders, rewards and friends.
    """
    names, accounts = set[str](), list[_Account]()
    for ledger in membership.ledgers.values():
        kept = _kept(ledger)
        left_out = _left_out(ledger, kept)
        names |= left_out
        accounts.append(_Account(ledger=kept, is_marked=ledger.open_lots.has_marked, is_partial=bool(left_out)))
    named: dict[str, Mapping[str, object]] = {line: getattr(membership, line) for line in _NAMED}
    staying = {_packed_name(_of_member(line), name) for line, items in named.items() for name in items}
    lines = {line: _ENCODER.encode(cells) for line, cells in _cells(membership).items()}
    lines[_STAYING] = "".join(sorted(staying)) or _NOTHING
    counted = membership.tallied
    head = _Head(
        joined_at=membership.joined_at,
        carried=membership.carried,
        past_list_minor=membership.past_list_minor,
        past_discount_minor=membership.past_discount_minor,
        accounts=tuple(accounts),
        tier_grants=membership.tier_grants,
        referral_codes=membership.referral_codes,
        sums=None
        if counted is None
        else _Sums(through=counted.through, zone=counted.calendar.zone, metrics=counted.metrics, account=counted.account),
        sizes=FrozenMap({line: len(text) for line, text in lines.items() if text != _NOTHING}),
        counts=FrozenMap({line: len(items) for line, items in named.items() if items}),
        names=len(names),
    )
    # JSON has no line breaks of its own here, so that a line is found without being read.
    text = "\n".join([_ENCODER.encode(coder(_Head).encode(head)), *lines.values(), "".join(sorted(names))])
    return Snapshot(form=SNAPSHOT_FORM, version=membership.version, text=text)


def _cells(membership: Membership) -> dict[str, list[Any]]:
    """Write the lines between the head and the names, cell by cell."""
    counted = membership.tallied
    later = {} if counted is None else counted.later
    rewards, tallies = coder(HeldReward), coder(TierTally)
    cells: dict[str, list[tuple[Any, ...]]] = {
        "orders": [(name, one.day.isoformat(), one.units) for name, one in membership.orders.items()],
        "uses": [
            (name, list(one.offers), instant_text(one.at), _text_or_none(one.until)) for name, one in membership.uses.items()
        ],
        "coupons": [(name, one.campaign_id, _text_or_none(one.ends_at), one.is_gone) for name, one in membership.coupons.items()],
        "rewards": [(name, rewards.encode(one)) for name, one in membership.rewards.items()],
        "friends": [
            (name, one.program_id, one.day.isoformat(), one.number, one.period, list(one.rewards))
            for name, one in membership.friends.items()
        ],
        # What came to nothing is left out, but for orders: of these what comes to nothing is known to.
        "later": [
            (name, one.day.isoformat(), one.units, one.metric.value)
            for name, one in sorted(later.items())
            if one.units or one.metric is Metric.SPEND
        ],
        "tallies": [(name, tallies.encode(one)) for name, one in ({} if counted is None else counted.tallies).items()],
    }
    return {line: [cell for row in rows for cell in row] for line, rows in cells.items()}


def restored(member_id: str, stream: SnapshotStream) -> Membership:
    """Give a member as stored: from the snapshot and the facts after it, or from all facts where there is none.

    Args:
        member_id: Whose.
        stream: As a repository gives it.

    Raises:
        HistoryNeeded: The facts after the snapshot come back to what it left out.
        CorruptStateError: Another form, a text that does not hang together, or a fact that cannot follow. All facts may still.
    """
    if stream.snapshot is None:
        return Membership.replay(member_id, stream.facts)
    membership = _read(member_id, stream.snapshot)
    if membership.version + len(stream.facts) != stream.version:
        msg = f"a snapshot at {membership.version} and {len(stream.facts)} facts make no version {stream.version}"
        raise CorruptStateError(msg)
    return membership.folded(stream.facts) if stream.facts else membership


def _kept(ledger: Ledger) -> Ledger:
    """Give of an account what its next commands look at."""
    holds = FrozenMap({ref: hold for ref, hold in ledger.holds.kept.items() if hold.is_open})
    held = {part.lot_id for hold in holds.values() for part in hold.parts}
    lots = FrozenMap({lot_id: lot for lot_id, lot in ledger.lots.kept.items() if lot.remaining or lot_id in held})
    return attrs.evolve(
        ledger,
        lots=lots,
        burns=_latest(ledger.burns, lots),
        adjustments=_latest(ledger.adjustments, lots),
        transfers=FrozenMap[str, Take](),  # they name other members, who may wish to be forgotten
        holds=holds,
        returned=FrozenMap[str, Reversal](),
        payments=FrozenMap({lot_id: parts for lot_id, parts in ledger.payments.kept.items() if lot_id in lots}),
        earned_before=lifetime_points(ledger) - earned_units(lots.values()),
        _open=None,
        _by_ref=None,
    )


def _latest(takes: FrozenMap[str, Take], lots: Mapping[str, Lot]) -> FrozenMap[str, Take]:
    """Give the latest takes that something can go back from, to a lot that is kept."""
    may_go_back = [
        (ref, take)
        for ref, take in takes.kept.items()
        if take.given_back < take.units and any(part.lot_id in lots for part in take.parts)
    ]
    return FrozenMap(may_go_back[-TAKES_KEPT:])


def _left_out(ledger: Ledger, kept: Ledger) -> set[str]:
    """Give the packed names of what is left out of an account, and of what was before."""
    names = {
        _packed_name(_of(ledger, what), name)
        for what in _MAPS
        for name in getattr(ledger, what).kept.keys() - getattr(kept, what).keys()
    }
    closed = [lot for lot_id, lot in ledger.lots.kept.items() if lot_id not in kept.lots]
    names |= {_packed_name(_of(ledger, _REFS), ref) for ref in {lot.earn_ref for lot in closed}}
    before = ledger.lots.left_out if isinstance(ledger.lots, PartialMap) else None
    return names | set(before.each()) if isinstance(before, _Names) else names


def _of(ledger: Ledger, what: str) -> str:
    return f"{ledger.account}/{what}"


def _of_member(what: str) -> str:
    return f"/{what}"


def _packed_name(of: str, name: str) -> str:
    # The name of an account holds no slash, and is not empty: no two of these are the same text.
    data = f"{of}/{name}".encode(errors="surrogatepass")  # what nothing can be named is looked for like any other
    return b64encode(blake2b(data, digest_size=NAME_BYTES).digest()).decode()


def _read(member_id: str, snapshot: Snapshot) -> Membership:
    text, head_ends = snapshot.text, snapshot.text.find("\n")
    if snapshot.form != SNAPSHOT_FORM or snapshot.version < 1 or head_ends < 0:
        msg = f"no snapshot of the form {SNAPSHOT_FORM}: {snapshot.form!r} at {snapshot.version}"
        raise CorruptStateError(msg)
    head = coder(_Head).decode(read_json(text[:head_ends]))
    start = len(text) - head.names * _NAME_LENGTH
    lines = _lines(member_id, text, head, start=head_ends + 1, stop=start)
    accounts = {account.ledger.account: account for account in head.accounts}
    if len(accounts) != len(head.accounts):
        raise _disjointed(member_id)
    return Membership(
        member_id=member_id,
        version=snapshot.version,
        joined_at=head.joined_at,
        ledgers=FrozenMap({name: _ledger(account, text, start) for name, account in accounts.items()}),
        orders=lines.later("orders", _orders),
        carried=head.carried,
        past_list_minor=head.past_list_minor,
        past_discount_minor=head.past_discount_minor,
        uses=lines.later("uses", _uses),
        coupons=lines.later("coupons", _coupons),
        tier_grants=head.tier_grants,
        rewards=lines.later("rewards", _rewards),
        friends=lines.later("friends", _friends),
        referral_codes=head.referral_codes,
        tallied=None if head.sums is None else _tallied(head.sums, lines),
    )


@final
@attrs.frozen
class _Lines:
    """The lines of a snapshot, each read when somebody first asks for what it holds; one that holds nothing is not.

    Attributes:
        text: The snapshot.
        places: Where each line begins and ends.
        counts: How much each holds of which packed names stand in a line too.
    """

    text: str
    places: Mapping[str, tuple[int, int]]
    counts: Mapping[str, int]

    def later(self, line: str, read: Callable[[Iterator[Any]], Iterable[tuple[str, V]]]) -> FrozenMap[str, V]:
        """Give what a line holds, by its first cells.

        Args:
            line: Which.
            read: Makes of all cells the items.
        """
        start, stop = self.places[line]
        if stop - start == len(_NOTHING) and self.text.startswith(_NOTHING, start):
            return FrozenMap()
        text, count = self.text, self.counts.get(line, 0)

        def make() -> dict[str, V]:
            with _read_late(line):
                items = dict(read(iter(check_kind("a line", read_json(text[start:stop]), list))))
                if line in _NAMED and len(items) != count:
                    msg = f"{len(items)} where {count} were counted"
                    raise CorruptStateError(msg)
                return items

        names = _Names(text, *self.places[_STAYING], _of_member(line)) if line in _NAMED else None
        return LaterMap(make, count=count, names=names)


def _lines(member_id: str, text: str, head: _Head, *, start: int, stop: int) -> _Lines:
    """Find the lines by their sizes: to look for where they end would take as long as they are."""
    places = dict[str, tuple[int, int]]()
    for line in _LINES:
        end = start + head.sizes.get(line, len(_NOTHING))
        if not start < end < stop <= len(text) or text[end] != "\n":
            raise _disjointed(member_id)
        places[line], start = (start, end), end + 1
    counted = {line for line in _NAMED if line in head.sizes}
    is_counted = head.counts.keys() == counted and min(head.counts.values(), default=1) > 0
    if start != stop or not head.sizes.keys() <= places.keys() or not is_counted:
        raise _disjointed(member_id)
    return _Lines(text, places, head.counts)


def _disjointed(member_id: str) -> CorruptStateError:
    return CorruptStateError(f"the snapshot of member {member_id!r} does not hang together")


def _ledger(account: _Account, text: str, start: int) -> Ledger:
    """Give an account as it was, less what is left out, whose names begin at a place of the text."""
    ledger = _sound(account.ledger)
    lots = ledger.lots.values()
    open_lots = attrs.evolve(OpenLots.of(lots, ledger.holds), has_marked=account.is_marked)
    if not account.is_partial:
        return attrs.evolve(ledger, _open=open_lots)
    names = {what: _Names(text, start, len(text), _of(ledger, what)) for what in (*_MAPS, _REFS)}
    partials: dict[str, Any] = {what: PartialMap(getattr(ledger, what), left_out=names[what]) for what in _MAPS}
    by_ref = dict[str, tuple[str, ...]]()
    for lot in lots:
        by_ref[lot.earn_ref] = (*by_ref.get(lot.earn_ref, ()), lot.lot_id)
    # Where one lot of a reference is left out, the others alone would be a wrong answer.
    whole = {ref: lot_ids for ref, lot_ids in by_ref.items() if ref not in names[_REFS]}
    return attrs.evolve(ledger, **partials, _open=open_lots, _by_ref=PartialMap(whole, left_out=names[_REFS]))


def _sound(ledger: Ledger) -> Ledger:
    """Refuse an account that could not have been left so; what was taken from its lots cannot be added up again."""
    takes, spans = (*ledger.burns.values(), *ledger.adjustments.values()), range(len(ledger.spans) + 1)
    named = {part.lot_id for hold in ledger.holds.values() for part in hold.parts} | ledger.payments.keys()
    is_sound = all(lot_id == lot.lot_id and lot.span in spans and lot.is_sound for lot_id, lot in ledger.lots.items())
    is_booked = all(0 <= take.given_back <= take.units for take in takes) and named <= ledger.lots.keys()
    is_closed = ledger.transfers or ledger.returned or not all(hold.is_open for hold in ledger.holds.values())
    if not is_sound or not is_booked or is_closed:
        msg = f"the snapshot of account {ledger.account!r} does not hang together"
        raise CorruptStateError(msg)
    return ledger


def _rows(cells: Iterator[Any], width: int) -> Iterator[tuple[Any, ...]]:
    return zip(*[cells] * width, strict=True)


def _orders(cells: Iterator[Any]) -> Iterator[tuple[str, Qualifying]]:
    for order_id, day, units in _rows(cells, 3):
        yield check_id("order_id", order_id), Qualifying(day=date.fromisoformat(day), units=units)


def _uses(cells: Iterator[Any]) -> Iterator[tuple[str, OfferUses]]:
    for order_id, offers, at, until in _rows(cells, 4):
        yield (
            check_id("order_id", order_id),
            OfferUses(
                offers=tuple(check_slug("offer_id", offer_id) for offer_id in check_kind("offers", offers, list)),
                at=parse_instant(at),
                until=None if until is None else parse_instant(until),
            ),
        )


def _coupons(cells: Iterator[Any]) -> Iterator[tuple[str, HeldCoupon]]:
    for coupon_id, campaign_id, ends_at, is_gone in _rows(cells, 4):
        yield (
            check_id("coupon_id", coupon_id),
            HeldCoupon(
                campaign_id=check_slug("campaign_id", campaign_id),
                ends_at=None if ends_at is None else parse_instant(ends_at),
                is_gone=check_kind("is_gone", is_gone, bool),
            ),
        )


def _rewards(cells: Iterator[Any]) -> Iterator[tuple[str, HeldReward]]:
    for reward_id, reward in _rows(cells, 2):
        yield check_id("reward_id", reward_id), coder(HeldReward).decode(reward)


def _friends(cells: Iterator[Any]) -> Iterator[tuple[str, RewardedFriend]]:
    for friend_id, program_id, day, number, period, rewards in _rows(cells, 6):
        yield (
            check_id("friend_id", friend_id),
            RewardedFriend(
                program_id=check_slug("program_id", program_id),
                day=date.fromisoformat(day),
                number=check_whole("number", number, low=0),
                period=check_kind("period", period, str),
                rewards=tuple(check_id("reward_id", reward_id) for reward_id in check_kind("rewards", rewards, list)),
            ),
        )


def _tallied(sums: _Sums, lines: _Lines) -> Tallied:
    try:
        calendar = Calendar(sums.zone)
    except UsageError as error:
        msg = f"a snapshot of the zone {sums.zone!r}"
        raise CorruptStateError(msg) from error
    return Tallied(
        through=sums.through,
        calendar=calendar,
        metrics=sums.metrics,
        account=sums.account,
        tallies=lines.later("tallies", _tallies),
        later=lines.later("later", _events),
    )


def _tallies(cells: Iterator[Any]) -> Iterator[tuple[str, TierTally]]:
    for name, sums in _rows(cells, 2):
        yield check_kind("digest", name, str), coder(TierTally).decode(sums)


def _events(cells: Iterator[Any]) -> Iterator[tuple[str, Qualifying]]:
    for name, day, units, metric in _rows(cells, 4):
        yield check_kind("name", name, str), Qualifying(day=date.fromisoformat(day), units=units, metric=Metric(metric))


@contextmanager
def _read_late(what: str) -> Iterator[None]:
    """Ask for the history where a line is no good: it is read when somebody first asks, too late to say so otherwise."""
    try:
        yield
    except (LoyaltyError, ValueError, TypeError) as error:
        msg = f"the {what} of a snapshot cannot be read: {error}"
        raise HistoryNeeded(msg) from error


def _text_or_none(at: datetime | None) -> str | None:
    return None if at is None else instant_text(at)
