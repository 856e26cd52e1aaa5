"""Folding facts into lots: on working copies, which are frozen once at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar, final

import attrs

from loyaltycore._frozen import FrozenMap
from loyaltycore._ledger_facts import (
    Adjusted,
    AdjustmentReversed,
    Burned,
    BurnRefunded,
    Captured,
    ExpiryReported,
    Forgiven,
    ForgivenessTakenBack,
    Granted,
    Held,
    LedgerFact,
    MovedLot,
    Released,
    Renewed,
    Revoked,
    Settled,
    SettlementUndone,
    Touched,
    TransferredIn,
    TransferredOut,
    TransferUndone,
    Voided,
)
from loyaltycore._lots import Hold, Lot, Overdraft, Part, Reversal, Span, Take
from loyaltycore.errors import CorruptStateError
from loyaltycore.facts import Fact
from loyaltycore.periods import Lasting

__all__ = ["Fold", "Layer"]

V = TypeVar("V")

(
    _LOT_ID,
    _GRANTED,
    _GRANTED_AT,
    _AVAILABLE_AT,
    _EXPIRES_AT,
    _REVOKED,
    _BURNED,
    _PAID_OUT,
    _PAID_IN,
    _FORGIVEN,
    _MOVED,
    _RENEWED,
    _ORIGIN,
    _OVERDRAFT,
    _AWAITS,
    _LASTS,
    _SPAN,
) = range(17)
"""Places of a lot's fields in its working copy, a list: the same as in the lot itself."""

_CARRY: Final = Overdraft.CARRY
_take: Final[Callable[[Iterable[Any]], Take]] = partial(tuple.__new__, Take)


@final
class Layer(dict[str, V]):
    """What is new, over what was known: a mapping of which only the new part is written."""

    __slots__ = ("known",)

    def __init__(self, known: FrozenMap[str, V]) -> None:
        super().__init__()
        self.known: FrozenMap[str, V] = known

    def __missing__(self, key: str) -> V:
        """Look among what was known."""
        return self.known[key]

    def find(self, key: str, default: V) -> V:
        """Give what is new or known, or something else."""
        return self[key] if key in self else self.known.get(key, default)

    def frozen(self) -> FrozenMap[str, V]:
        """Give both layers as one."""
        return self.known.updated(self) if self else self.known


@final
@attrs.define(kw_only=True)
class Fold:
    """The parts of a ledger that facts change: what was there before, and what is new.

    Attributes:
        known: The lots before; never written to.
        has_known: Whether there are any: a history is folded faster without looking.
        lots: Working copies of those that change, and of new ones, in the order first touched.
        takes: Burns, adjustments and transfers by verb and ref: those before, and the new.
        holds: Holds by ref.
        returned: What each reversing ref moved.
        payments: Who paid the debt of a lot, by debtor, in the order paid.
        spans: Common ends; a lot names its span by place, counted from 1.
        last_at: The latest instant of any fact but reports.
        reported_at: The latest instant of a report.
    """

    known: FrozenMap[str, Lot]
    has_known: bool
    lots: dict[str, list[Any]] = attrs.field(factory=dict)
    burns: Layer[Take]
    adjustments: Layer[Take]
    transfers: Layer[Take]
    holds: Layer[Hold]
    returned: Layer[Reversal]
    payments: Layer[tuple[Part, ...]]
    spans: list[Span]
    last_at: datetime | None
    reported_at: datetime | None

    def book(self, facts: Iterable[Fact], account: str) -> None:
        """Take facts in, passing over those of other kinds and accounts.

        Raises:
            CorruptStateError: A fact that cannot follow.
        """
        handlers, last_at = _HANDLERS, self.last_at
        for fact in facts:
            handler = handlers.get(fact.__class__)
            if handler is None and not isinstance(fact, LedgerFact):
                continue
            if fact.account != account:  # type: ignore[attr-defined]  # what has a handler is a fact of ledgers
                continue
            if handler is None:
                msg = f"a ledger of this version does not know {fact.kind!r}"
                raise CorruptStateError(msg)
            try:
                handler(self, fact)
            except KeyError as error:
                msg = f"{fact.kind} {fact.ref!r} names {error.args[0]!r}, which is not in the account"  # type: ignore[attr-defined]  # as above
                raise CorruptStateError(msg) from error
            at = fact.at
            if (last_at is None or last_at < at) and handler is not _reported:
                last_at = at
        self.last_at = last_at

    def lot(self, lot_id: str) -> list[Any]:
        """Give the working copy of a lot."""
        row = self.lots.get(lot_id)
        if row is None:
            row = self.lots[lot_id] = list(self.known[lot_id])
        return row

    def frozen_lot(self, lot_id: str) -> Lot:
        """Give a lot as it is now."""
        row = self.lots.get(lot_id)
        return self.known[lot_id] if row is None else Lot._make(row)

    def ended_lot(self, lot_id: str) -> Lot:
        """Give a lot as it is now, with its common end where it has one."""
        lot = self.frozen_lot(lot_id)
        return lot._replace(expires_at=self.spans[lot.span - 1].ends_at) if lot.span else lot

    def grant(self, lot_id: str, row: list[Any]) -> None:
        """Put a new lot down."""
        if lot_id in self.lots or lot_id in self.known:
            msg = f"lot {lot_id!r} is granted twice"
            raise CorruptStateError(msg)
        self.lots[lot_id] = row

    def move(self, parts: Iterable[Part], field: int, sign: int = 1) -> None:
        """Add units to one field of each lot."""
        lots = self.lots
        for part in parts:
            lot_id = part.lot_id
            row = lots.get(lot_id)
            if row is None:
                row = lots[lot_id] = list(self.known[lot_id])
            row[field] += sign * part.units
            _check(row[field] >= 0, lot_id)

    def revoke(self, parts: Iterable[Part], overdraft: Overdraft) -> None:
        """Take back what was earned, and note what happens to the debt."""
        self.move(parts, _REVOKED)
        for part in parts:
            self.lots[part.lot_id][_OVERDRAFT] = overdraft
            _check(self.frozen_lot(part.lot_id).revocable >= 0, part.lot_id)

    def give_back(self, takes: Layer[Take], ref: str, parts: tuple[Part, ...], field: int) -> None:
        """Return what a burn, an adjustment or a transfer took."""
        take = takes[ref]
        back = take._replace(given_back=take.given_back + _units(parts))
        _check(back.given_back <= back.units, ref)
        takes[ref] = back
        self.move(parts, field, -1)

    def active(self, at: datetime, until: datetime) -> None:
        """Move the common ends on that have not passed, and close for good those that have."""
        for place, span in enumerate(self.spans):
            if at >= span.ends_at:
                self.spans[place] = span._replace(is_closed=True)
            elif span.opened_at <= at and span.active_at < until and not span.is_closed:
                ends_at = max(span.ends_at, span.lasts.ends_after(until))
                self.spans[place] = span._replace(active_at=until, ends_at=ends_at)

    def span_of(self, lasts: Lasting, at: datetime, until: datetime) -> int:
        """Find the span that an activity falls into, or open one: after a gap, or before what is known, it is another."""
        for place, span in enumerate(self.spans, 1):
            if span.lasts == lasts and span.opened_at <= at < span.ends_at and not span.is_closed:
                return place
        self.spans.append(Span(lasts, at, until, lasts.ends_after(until)))
        return len(self.spans)


def _check(holds: bool, what: str) -> None:  # noqa: FBT001 - what must hold
    """Refuse a fact that could not follow: folded twice, or made by nobody."""
    if not holds:
        msg = f"more is moved of {what!r} than there is"
        raise CorruptStateError(msg)


def _units(parts: Iterable[Part | MovedLot]) -> int:
    return sum([part.units for part in parts])


def _granted(fold: Fold, fact: Granted) -> None:
    lot_id, at, opens_at, lasts, span = f"{fact.ref}/{fact.rule}", fact.at, fact.available_at, fact.lasts, 0
    if fold.spans or lasts is not None:
        # Points that wait are an activity of the day they can first be burned, so that no end comes before that.
        until = at if fact.awaits else opens_at
        fold.active(at, max(at, until))
        if lasts is not None and lasts.sliding and not fact.awaits:
            span = fold.span_of(lasts, at, max(at, until))
    lots = fold.lots
    if lot_id in lots or (fold.has_known and lot_id in fold.known):
        msg = f"lot {lot_id!r} is granted twice"
        raise CorruptStateError(msg)
    lots[lot_id] = [lot_id, fact.units, at, opens_at, fact.expires_at, 0, 0, 0, 0, 0, 0, 0, "", _CARRY, fact.awaits, lasts, span]


def _released(fold: Fold, fact: Released) -> None:
    for lot_id in fact.lots:
        row, at = fold.lot(lot_id), fact.at
        row[_AWAITS], row[_AVAILABLE_AT] = "", at
        lasts = row[_LASTS]
        if lasts is not None and lasts.sliding:
            row[_SPAN] = fold.span_of(lasts, at, at)
        elif lasts is not None:
            row[_EXPIRES_AT] = lasts.ends_after(at)
    fold.active(fact.at, fact.at)
    fold.returned[f"release:{fact.event}:{fact.ref}"] = Reversal(fact.ref, 0)


def _burned(fold: Fold, fact: Burned) -> None:
    parts = fact.parts
    fold.move(parts, _BURNED)
    fold.burns[fact.ref] = _take((parts, 0, ""))
    if fold.spans:
        fold.active(fact.at, fact.at)


def _adjusted(fold: Fold, fact: Adjusted) -> None:
    fold.move(fact.parts, _BURNED)
    fold.adjustments[fact.ref] = Take(fact.parts)


def _burn_refunded(fold: Fold, fact: BurnRefunded) -> None:
    fold.give_back(fold.burns, fact.burn_ref, fact.parts, _BURNED)
    fold.returned[f"refund_burn:{fact.ref}"] = Reversal(fact.burn_ref, _units(fact.parts))


def _adjustment_reversed(fold: Fold, fact: AdjustmentReversed) -> None:
    fold.give_back(fold.adjustments, fact.adjustment_ref, fact.parts, _BURNED)
    fold.returned[f"reverse_adjustment:{fact.ref}"] = Reversal(fact.adjustment_ref, _units(fact.parts))


def _renewed(fold: Fold, fact: Renewed) -> None:
    fold.move(fact.parts, _RENEWED)
    for number, part in enumerate(fact.parts, 1):
        lot_id = f"{fact.ref}/renewed-{number}"
        row = list(Lot(lot_id, part.units, fact.at, fact.at, fact.expires_at, origin=Lot._make(fold.lot(part.lot_id)).earned_by))
        fold.grant(lot_id, row)


def _revoked(fold: Fold, fact: Revoked) -> None:
    fold.revoke(fact.parts, fact.overdraft)
    fold.returned[f"revoke:{fact.ref}"] = Reversal(fact.earn_ref, _units(fact.parts))


def _held(fold: Fold, fact: Held) -> None:
    for part in fact.parts:
        fold.lot(part.lot_id)
    fold.holds[fact.ref] = Hold(fact.parts, fact.until)
    fold.active(fact.at, fact.at)


def _captured(fold: Fold, fact: Captured) -> None:
    hold = fold.holds[fact.ref]
    # Given up, a hold is burned only late, for an order that was paid all the same.
    _check((hold.is_open or (hold.captured == 0 and fact.late)) and _units(fact.parts) <= hold.units, fact.ref)
    _check(hold.is_open or (fact.ref not in fold.burns.known and fact.ref not in fold.burns), fact.ref)
    fold.holds[fact.ref] = Hold(hold.parts, hold.until, _units(fact.parts))
    _burned(fold, Burned(account=fact.account, ref=fact.ref, parts=fact.parts, at=fact.at))


def _voided(fold: Fold, fact: Voided) -> None:
    hold = fold.holds[fact.ref]
    _check(hold.is_open, fact.ref)
    fold.holds[fact.ref] = Hold(hold.parts, hold.until, 0)
    for part in hold.parts:
        fold.lot(part.lot_id)


def _settled(fold: Fold, fact: Settled) -> None:
    fold.move(fact.parts, _PAID_OUT)
    fold.lot(fact.debtor_id)[_PAID_IN] += _units(fact.parts)
    fold.payments[fact.debtor_id] = (*fold.payments.find(fact.debtor_id, ()), *fact.parts)
    _check(fold.frozen_lot(fact.debtor_id).remaining <= 0, fact.debtor_id)


def _settlement_undone(fold: Fold, fact: SettlementUndone) -> None:
    fold.move(fact.parts, _PAID_OUT, -1)
    units = _units(fact.parts)
    fold.lot(fact.debtor_id)[_PAID_IN] -= units
    fold.payments[fact.debtor_id] = _without_last(fold.payments[fact.debtor_id], units)


def _without_last(parts: tuple[Part, ...], units: int) -> tuple[Part, ...]:
    kept = list(parts)
    while units:
        if not kept:
            msg = "more was paid back than had been paid"
            raise CorruptStateError(msg)
        last = kept.pop()
        if last.units > units:
            kept.append(Part(last.lot_id, last.units - units))
        units -= min(units, last.units)
    return tuple(kept)


def _forgiven(fold: Fold, fact: Forgiven) -> None:
    fold.move(fact.parts, _FORGIVEN)
    for part in fact.parts:
        _check(fold.frozen_lot(part.lot_id).remaining <= 0, part.lot_id)


def _forgiveness_taken_back(fold: Fold, fact: ForgivenessTakenBack) -> None:
    fold.move(fact.parts, _FORGIVEN, -1)


def _transferred_out(fold: Fold, fact: TransferredOut) -> None:
    fold.move(fact.parts, _MOVED)
    fold.transfers[fact.ref] = Take(fact.parts, to=fact.to)


def _transferred_in(fold: Fold, fact: TransferredIn) -> None:
    for number, lot in enumerate(fact.lots, 1):
        lot_id = f"{fact.ref}/moved-{number}"
        fold.grant(lot_id, list(Lot(lot_id, lot.units, lot.granted_at, lot.available_at, lot.expires_at)))
    fold.returned[f"transfer_in:{fact.ref}"] = Reversal(fact.giver, _units(fact.lots))


def _transfer_undone(fold: Fold, fact: TransferUndone) -> None:
    if fact.taken_back:
        fold.revoke(fact.parts, _CARRY)
        fold.returned[f"undo_transfer:{fact.ref}"] = Reversal(fact.ref, _units(fact.parts))
    else:
        fold.give_back(fold.transfers, fact.ref, fact.parts, _MOVED)


def _touched(fold: Fold, fact: Touched) -> None:
    fold.active(fact.at, fact.at)
    fold.returned[f"touch:{fact.ref}"] = Reversal("", 0)


def _reported(fold: Fold, fact: ExpiryReported) -> None:
    fold.returned[f"report_expired:{fact.ref}"] = Reversal("", fact.units)
    fold.reported_at = fact.at if fold.reported_at is None else max(fold.reported_at, fact.at)


_HANDLERS: Final[Mapping[type, Callable[[Fold, Any], None]]] = {
    Granted: _granted,
    Released: _released,
    Burned: _burned,
    BurnRefunded: _burn_refunded,
    Renewed: _renewed,
    Revoked: _revoked,
    Adjusted: _adjusted,
    AdjustmentReversed: _adjustment_reversed,
    Held: _held,
    Captured: _captured,
    Voided: _voided,
    Settled: _settled,
    SettlementUndone: _settlement_undone,
    Forgiven: _forgiven,
    ForgivenessTakenBack: _forgiveness_taken_back,
    TransferredOut: _transferred_out,
    TransferredIn: _transferred_in,
    TransferUndone: _transfer_undone,
    Touched: _touched,
    ExpiryReported: _reported,
}
