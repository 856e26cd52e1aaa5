"""Snapshots of a member: what is still open as text, so that loading a member costs what is open, not what ever happened.

What is closed is left out: lots with nothing on them, the burns that emptied them, holds that were resolved, what each return
moved. Of that only the names stay, packed, and whatever comes back to one of them needs the history. Orders, what they use of
offers, and coupons stay, also those that are gone: a limit may ask for any of them again, and each has a few characters.

A snapshot is five lines: what is read at once, the orders, what they use of offers, the coupons, and the names left out.

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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from hashlib import blake2b
from typing import Any, Final, TypeVar, final

import attrs

from loyaltycore._checks import check_kind
from loyaltycore._frozen import FrozenMap, HistoryNeeded, LaterMap, PartialMap
from loyaltycore._lots import Lot, Reversal, Take
from loyaltycore._open_lots import OpenLots
from loyaltycore.errors import CorruptStateError, LoyaltyError
from loyaltycore.identity import check_id, check_slug
from loyaltycore.ledger import Ledger
from loyaltycore.memberships import HeldCoupon, Membership, OfferUses
from loyaltycore.repositories import Snapshot, SnapshotStream
from loyaltycore.tiers import Qualifying
from loyaltycore.wire import coder, instant_text, parse_instant, read_json

__all__ = ["SNAPSHOT_FORM", "HistoryNeeded", "compact", "restored"]

SNAPSHOT_FORM: Final = "member/2"
"""Name of the form of the text; it changes with anything that an older library would read otherwise."""

TAKES_KEPT: Final = 64
"""Burns, and adjustments, that stay: the latest, for a lot that many small burns took from would keep them all."""

NAME_BYTES: Final = 6
"""48 bits of a name's digest: eight characters of base64, so that names are found as they stand. A new name that falls together
with one of ten thousand, once in 28,000,000,000 questions, costs a look at the history and no more.
"""

_NAME_LENGTH: Final = NAME_BYTES * 8 // 6
_MAPS: Final = ("lots", "burns", "adjustments", "transfers", "holds", "returned", "payments")
"""What an account keeps by name, and may leave out; the references of lots, gathered from them, come besides."""

_REFS: Final = "refs"
_NOTHING: Final = "[]"
_LINES_BELOW: Final = 4
"""Orders, uses, coupons, and the empty text between the last line break and the first name."""

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
class _Head:
    """The first line of a snapshot: all that is read at once.

    Attributes:
        joined_at: When the member joined.
        carried: What was spent under rules that carry a remainder over.
        past_list_minor: What the goods of all orders cost before offers.
        past_discount_minor: What offers took off them.
        accounts: The accounts.
        names: How many names were left out: the last line holds as many.
    """

    joined_at: datetime | None = None
    carried: FrozenMap[str, int] = FrozenMap[str, int]()
    past_list_minor: int = 0
    past_discount_minor: int = 0
    accounts: tuple[_Account, ...] = ()
    names: int = 0


@final
@attrs.frozen
class _Names:
    """The names that were left out of one mapping of one account, among those of the whole member.

    Attributes:
        text: The snapshot. It ends with the digests of all names in base64, sorted, with nothing between them; they are looked
            for where they stand, since to copy them takes longer than to read the rest.
        start: Where they begin.
        of: Which account and which mapping.
        asked: What was found, by name: a new lot is looked for three times while its fact is folded.
    """

    text: str = attrs.field(repr=False)
    start: int
    of: str
    asked: dict[str, bool] = attrs.field(factory=dict, init=False, repr=False, eq=False)

    def __contains__(self, name: object) -> bool:
        """Say whether a name was left out.

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
        return range(self.start, len(self.text), _NAME_LENGTH)

    def each(self) -> Iterator[str]:
        """Go through all digests, of whatever mapping."""
        return (self.text[start : start + _NAME_LENGTH] for start in self.places)


def compact(membership: Membership) -> Snapshot:
    """Write down what is open of a member, and the names of what is closed.

    Args:
        membership: With one fact at least; it may be a restored one.

    Complexity:
        O(lots), and O(n log n) for the n names left out.
    """
    names, accounts = set[str](), list[_Account]()
    for ledger in membership.ledgers.values():
        kept = _kept(ledger)
        left_out = _left_out(ledger, kept)
        names |= left_out
        accounts.append(_Account(ledger=kept, is_marked=ledger.open_lots.has_marked, is_partial=bool(left_out)))
    head = _Head(
        joined_at=membership.joined_at,
        carried=membership.carried,
        past_list_minor=membership.past_list_minor,
        past_discount_minor=membership.past_discount_minor,
        accounts=tuple(accounts),
        names=len(names),
    )
    orders = [cell for name, one in membership.orders.items() for cell in (name, one.day.isoformat(), one.units)]
    uses = [
        cell
        for name, one in membership.uses.items()
        for cell in (name, list(one.offers), instant_text(one.at), _text_or_none(one.until))
    ]
    coupons = [
        cell
        for name, one in membership.coupons.items()
        for cell in (name, one.campaign_id, _text_or_none(one.ends_at), one.is_gone)
    ]
    # JSON has no line breaks of its own here, so that a line is found without being read.
    lines = [coder(_Head).encode(head), orders, uses, coupons]
    text = "\n".join([*map(_ENCODER.encode, lines), "".join(sorted(names))])
    return Snapshot(form=SNAPSHOT_FORM, version=membership.version, text=text)


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
    holds = FrozenMap({ref: hold for ref, hold in _here(ledger.holds).items() if hold.is_open})
    held = {part.lot_id for hold in holds.values() for part in hold.parts}
    lots = FrozenMap({lot_id: lot for lot_id, lot in _here(ledger.lots).items() if lot.remaining or lot_id in held})
    return attrs.evolve(
        ledger,
        lots=lots,
        burns=_latest(ledger.burns, lots),
        adjustments=_latest(ledger.adjustments, lots),
        transfers=FrozenMap[str, Take](),  # they name other members, who may wish to be forgotten
        holds=holds,
        returned=FrozenMap[str, Reversal](),
        payments=FrozenMap({lot_id: parts for lot_id, parts in _here(ledger.payments).items() if lot_id in lots}),
        _open=None,
        _by_ref=None,
    )


def _latest(takes: FrozenMap[str, Take], lots: Mapping[str, Lot]) -> FrozenMap[str, Take]:
    """Give the latest takes that something can go back from, to a lot that is kept."""
    may_go_back = [
        (ref, take)
        for ref, take in _here(takes).items()
        if take.given_back < take.units and any(part.lot_id in lots for part in take.parts)
    ]
    return FrozenMap(may_go_back[-TAKES_KEPT:])


def _left_out(ledger: Ledger, kept: Ledger) -> set[str]:
    """Give the packed names of what is left out of an account, and of what was before."""
    names = {
        _packed_name(_of(ledger, what), name)
        for what in _MAPS
        for name in _here(getattr(ledger, what)).keys() - getattr(kept, what).keys()
    }
    closed = [lot for lot_id, lot in _here(ledger.lots).items() if lot_id not in kept.lots]
    names |= {_packed_name(_of(ledger, _REFS), ref) for ref in {lot.earn_ref for lot in closed}}
    before = ledger.lots.left_out if isinstance(ledger.lots, PartialMap) else None
    return names | set(before.each()) if isinstance(before, _Names) else names


def _here(items: FrozenMap[str, V]) -> Mapping[str, V]:
    """Give what is here of a mapping that may lack some."""
    return items.kept if isinstance(items, PartialMap) else items


def _of(ledger: Ledger, what: str) -> str:
    return f"{ledger.account}/{what}"


def _packed_name(of: str, name: str) -> str:
    # The name of an account holds no slash: no two of these are the same text.
    data = f"{of}/{name}".encode(errors="surrogatepass")  # what nothing can be named is looked for like any other
    return b64encode(blake2b(data, digest_size=NAME_BYTES).digest()).decode()


def _read(member_id: str, snapshot: Snapshot) -> Membership:
    text, head_ends = snapshot.text, snapshot.text.find("\n")
    if snapshot.form != SNAPSHOT_FORM or snapshot.version < 1 or head_ends < 0:
        msg = f"no snapshot of the form {SNAPSHOT_FORM}: {snapshot.form!r} at {snapshot.version}"
        raise CorruptStateError(msg)
    head = coder(_Head).decode(read_json(text[:head_ends]))
    start = len(text) - head.names * _NAME_LENGTH
    lines = text[head_ends + 1 : max(0, start)].split("\n")
    accounts = {account.ledger.account: account for account in head.accounts}
    if head.names < 0 or len(lines) != _LINES_BELOW or lines[-1] or len(accounts) != len(head.accounts):
        msg = f"the snapshot of member {member_id!r} does not hang together"
        raise CorruptStateError(msg)
    return Membership(
        member_id=member_id,
        version=snapshot.version,
        joined_at=head.joined_at,
        ledgers=FrozenMap({name: _ledger(account, text, start) for name, account in accounts.items()}),
        orders=LaterMap(lambda: _orders(lines[0])),
        carried=head.carried,
        past_list_minor=head.past_list_minor,
        past_discount_minor=head.past_discount_minor,
        uses=_later(lines[1], _uses),
        coupons=_later(lines[2], _coupons),
    )


def _later(line: str, read: Callable[[str], dict[str, V]]) -> FrozenMap[str, V]:
    """Read a line when somebody first asks for what it holds; one that holds nothing is read."""
    return FrozenMap() if line == _NOTHING else LaterMap(lambda: read(line))


def _ledger(account: _Account, text: str, start: int) -> Ledger:
    """Give an account as it was, less what is left out, whose names begin at a place of the text."""
    ledger = _sound(account.ledger)
    lots = ledger.lots.values()
    open_lots = attrs.evolve(OpenLots.of(lots, ledger.holds), has_marked=account.is_marked)
    if not account.is_partial:
        return attrs.evolve(ledger, _open=open_lots)
    names = {what: _Names(text, start, _of(ledger, what)) for what in (*_MAPS, _REFS)}
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


def _orders(line: str) -> dict[str, Qualifying]:
    with _read_late("orders"):
        return {
            check_id("order_id", order_id): Qualifying(day=date.fromisoformat(day), units=units)
            for order_id, day, units in _rows(line, 3)
        }


def _uses(line: str) -> dict[str, OfferUses]:
    with _read_late("uses"):
        return {
            check_id("order_id", order_id): OfferUses(
                offers=tuple(check_slug("offer_id", offer_id) for offer_id in check_kind("offers", offers, list)),
                at=parse_instant(at),
                until=None if until is None else parse_instant(until),
            )
            for order_id, offers, at, until in _rows(line, 4)
        }


def _coupons(line: str) -> dict[str, HeldCoupon]:
    with _read_late("coupons"):
        return {
            check_id("coupon_id", coupon_id): HeldCoupon(
                campaign_id=check_slug("campaign_id", campaign_id),
                ends_at=None if ends_at is None else parse_instant(ends_at),
                is_gone=check_kind("is_gone", is_gone, bool),
            )
            for coupon_id, campaign_id, ends_at, is_gone in _rows(line, 4)
        }


def _rows(line: str, width: int) -> Iterator[tuple[Any, ...]]:
    cells = iter(check_kind("a line", read_json(line), list))
    return zip(*[cells] * width, strict=True)


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
