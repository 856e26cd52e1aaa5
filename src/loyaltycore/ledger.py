"""Signed lots: the arithmetic under points, and later under gift cards.

A *lot* is a quantity with one origin and one window of validity. Everything taken names the lots it was taken from, so an
expiry, a refund and a revocation always know what they touch.

Invariants:
    1. ``remaining = granted − revoked − burned − held − paid_out + paid_in + forgiven − moved − renewed``, never clamped. Below
       zero the lot *is* the debt of the purchase that caused it.
    2. Only a positive remainder has a window ``[available_at, expires_at)``; a negative one counts always.
    3. ``available = max(0, live positives + negatives)``.
    4. A burn takes soonest expiry first, then earliest ``available_at``, then id; what never expires comes last.
    5. What was burned goes back to the lots it came from, the last taken first; never more than was taken.
    6. A lot never holds more than ``granted − revoked``: nothing is minted. Above zero it owes nothing: what others paid for
       it, and what was forgiven, went back first.
    7. The second step of a hold never fails for balance.
    8. The same reference again, with the same content, gives no facts; with other content it is refused.

>>> from datetime import UTC, datetime
>>> at = datetime(2026, 1, 1, tzinfo=UTC)
>>> ledger = Ledger(account="points")
>>> ledger = ledger.folded(ledger.grant(120, ref="order-1", rule="base", available_at=at, expires_at=None, at=at))
>>> ledger = ledger.folded(ledger.burn(100, ref="order-2", at=at))
>>> ledger = ledger.folded(ledger.revoke("order-1", 60, ref="return-1", overdraft=Overdraft.CARRY, at=at))
>>> ledger.balance(at=at)
Balance(available=0, pending=0, held=0, debt=40)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, final

import attrs

from loyaltycore._balancing import Balancing
from loyaltycore._checks import check_count, check_kind
from loyaltycore._holdings import Holdings
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
from loyaltycore._lots import (
    FOLLOWED,
    Balance,
    Books,
    BurnOrder,
    Expiring,
    Hold,
    Lot,
    Overdraft,
    Part,
    Reversal,
    Span,
    Take,
    newest_first,
    oldest_first,
    soonest_expiry,
)
from loyaltycore.errors import Accepted, Detail, Reason, Refusal, Refused, RefusedError, UsageError
from loyaltycore.periods import Lasting, check_instant
from loyaltycore.wire import instant_text

__all__ = [
    "Adjusted",
    "AdjustmentReversed",
    "Balance",
    "Books",
    "BurnOrder",
    "BurnRefunded",
    "Burned",
    "Captured",
    "Expiring",
    "ExpiryReported",
    "Forgiven",
    "ForgivenessTakenBack",
    "Granted",
    "Held",
    "Hold",
    "Ledger",
    "LedgerFact",
    "Lot",
    "MovedLot",
    "Overdraft",
    "Part",
    "Released",
    "Renewed",
    "Reversal",
    "Revoked",
    "Settled",
    "SettlementUndone",
    "Span",
    "Take",
    "Touched",
    "TransferUndone",
    "TransferredIn",
    "TransferredOut",
    "Voided",
    "newest_first",
    "oldest_first",
    "soonest_expiry",
]

_KEPT_RULE: Final = re.compile(r"(moved|renewed)-[0-9]+")
"""Names of lots that units went on to."""


@final
@attrs.frozen(kw_only=True)
class Ledger(Holdings):
    """One account: what it holds, and the commands that decide what happens to it.

    A command changes nothing; it answers with facts, and ``folded`` gives the ledger after them.

    Attributes:
        account: Its name among a member's accounts.
        lots: By lot id, in the order granted.
        burns: Takes by the ``ref`` of the burn.
        adjustments: Takes by the ``ref`` of the adjustment.
        transfers: Takes by the ``ref`` of the transfer to another account.
        holds: By ``ref``, resolved ones too.
        returned: What each reversing ``ref`` moved, by verb and ref: ``"revoke:<ref>"``, ``"refund_burn:<ref>"`` and so on.
        payments: Who paid the debt of a lot, in the order paid, by the lot.
        spans: Common ends of lots that last until some time after the last activity; ``Lot.span`` counts them from 1.
        last_at: The latest instant of any fact that is no report; ``None`` before the first.
    """

    def check_at(self, at: datetime) -> Refusal | None:
        """Ask whether a burn, hold or transfer may be dated so: not before the last fact, or ``at_before_last``."""
        if self.last_at is None or at >= self.last_at:
            return None
        return Refusal(Reason.AT_BEFORE_LAST, {"at": instant_text(at), "last_at": instant_text(self.last_at)})

    def check_burn(self, units: int, *, at: datetime, order: BurnOrder = soonest_expiry) -> Accepted[tuple[Part, ...]] | Refused:
        """Ask whether a burn would go through, and from which lots.

        Args:
            units: How many, at least 1.
            at: Timezone-aware.
            order: What is burned first.

        Returns:
            The parts in burn order, or ``at_before_last`` or ``points_insufficient`` with ``missing_points``.
        """
        check_count("points", units)
        check_instant("at", at)
        too_early = self.check_at(at)
        if too_early is not None:
            return Refused([too_early])
        return self._check_left(units, at=at, order=order)

    def grant(
        self,
        units: int,
        *,
        ref: str,
        rule: str,
        available_at: datetime | None,
        expires_at: datetime | None,
        awaits: str = "",
        lasts: Lasting | None = None,
        reason: str = "",
        actor: str = "",
        at: datetime,
    ) -> tuple[LedgerFact, ...]:
        """Decide a new lot.

        Args:
            units: How many, at least 1.
            ref: What they are earned for.
            rule: By which rule; with the ref it names the lot.
            available_at: First instant they can be burned; ``None`` is at once. With ``awaits``, the deadline.
            expires_at: First instant they no longer can; ``None`` never, or as ``lasts`` says.
            awaits: The event that makes them available, before the deadline; empty when none does.
            lasts: How their end is counted, where it is not known yet: from the release, or from the last activity.
            reason: Why, where somebody gives them by hand.
            actor: Who does.
            at: When they are earned; may lie before the last fact.

        Raises:
            UsageError: An empty window, an event without a deadline, two ends at once, or an end that nothing would tell.
            RefusedError: ``key_reused``.
        """
        check_count("points", units)
        check_instant("at", at)
        check_kind("reason", reason, str)
        check_kind("actor", actor, str)
        if _KEPT_RULE.fullmatch(rule) is not None:
            msg = f"rule must not be named as lots are that units went on to, got {rule!r}"
            raise UsageError(msg)
        opens_at = at if available_at is None else check_instant("available_at", available_at)
        if expires_at is not None:
            check_instant("expires_at", expires_at)
        known = self.lots.get(f"{ref}/{rule}")
        if known is None:
            _check_terms(opens_at, expires_at, awaits, lasts, at)
            fact = Granted(
                account=self.account,
                ref=ref,
                rule=rule,
                units=units,
                available_at=opens_at,
                expires_at=expires_at,
                awaits=awaits,
                lasts=lasts,
                reason=reason,
                actor=actor,
                at=at,
            )
            return self._balanced((fact,), ref=ref, at=at)
        is_released = awaits != "" and known.awaits == "" and f"release:{awaits}:{ref}" in self.returned
        _check_same(
            f"earn:{ref}",
            points=known.granted == units,
            awaits=is_released or known.awaits == awaits,
            available_at=available_at is None or is_released or known.available_at == available_at,
            expires_at=is_released or known.expires_at == expires_at,
            lasts=known.lasts == lasts,
        )
        return ()

    def release(self, earn_ref: str, *, event: str, at: datetime) -> tuple[LedgerFact, ...]:
        """Decide that what lots awaited has happened: they can be burned from now on.

        Args:
            earn_ref: What they were earned for.
            event: What happened; lots that await another are left alone.
            at: Before their deadline; may lie before the last fact.

        Raises:
            RefusedError: ``earning_not_found``, or ``release_too_late`` where all that awaited it have lapsed.
        """
        check_instant("at", at)
        waiting = [lot for lot in self._earned(earn_ref, None) if lot.awaits == event]
        if not waiting and f"release:{event}:{earn_ref}" in self.returned:
            return ()
        if not waiting:
            raise RefusedError(Refusal(Reason.EARNING_NOT_FOUND, {"earn_ref": earn_ref, "event": event}))
        lots = tuple(lot.lot_id for lot in waiting if at < lot.available_at)
        if not lots:
            deadline = max(lot.available_at for lot in waiting)
            details: dict[str, Detail] = {"earn_ref": earn_ref, "event": event, "deadline_at": instant_text(deadline)}
            raise RefusedError(Refusal(Reason.RELEASE_TOO_LATE, details))
        return self._balanced((Released(account=self.account, ref=earn_ref, event=event, lots=lots, at=at),), ref=earn_ref, at=at)

    def burn(self, units: int, *, ref: str, order: BurnOrder = soonest_expiry, at: datetime) -> tuple[LedgerFact, ...]:
        """Decide a burn.

        Args:
            units: How many, at least 1.
            ref: What they are burned for.
            order: What is burned first.
            at: Not before the last fact.

        Raises:
            RefusedError: ``at_before_last``, ``points_insufficient`` or ``key_reused``.
        """
        known, hold = self.burns.get(ref), self.holds.get(ref)
        is_held = hold is not None and hold.captured != 0  # a hold that was given up leaves its name to a burn
        if known is not None or is_held:
            _check_same(f"burn:{ref}", points=known is not None and known.units == units, verb=not is_held)
            return ()
        parts = _accepted(self.check_burn(units, at=at, order=order))
        return (Burned(account=self.account, ref=ref, parts=parts, at=at),)

    def hold(
        self, units: int, *, ref: str, until: datetime, order: BurnOrder = soonest_expiry, at: datetime
    ) -> tuple[LedgerFact, ...]:
        """Decide to set units aside.

        Args:
            units: How many, at least 1.
            ref: What they are held for; the burn that may follow has the same name.
            until: First instant at which the hold no longer counts; held again under the same ref, the first counts.
            order: What is taken first.
            at: Not before the last fact.

        Raises:
            UsageError: A hold that ends before it begins.
            RefusedError: ``at_before_last``, ``points_insufficient`` or ``key_reused``.
        """
        check_instant("at", at)
        check_instant("until", until)
        known = self.holds.get(ref)
        if known is not None or ref in self.burns:
            # Like the instant of a command its end is no part of it: a call made again has a later clock.
            _check_same(f"hold:{ref}", points=known is not None and known.units == units, verb=known is not None)
            return ()
        if until <= at:
            msg = f"until must be after {instant_text(at)}, got {instant_text(until)}"
            raise UsageError(msg)
        parts = _accepted(self.check_burn(units, at=at, order=order))
        return (Held(account=self.account, ref=ref, parts=parts, until=until, at=at),)

    def capture(self, hold_ref: str, units: int | None = None, *, given_up: bool = False, at: datetime) -> tuple[LedgerFact, ...]:
        """Decide to burn what was held; what is left of the hold is given back.

        Args:
            hold_ref: The hold; the burn is named as it is.
            units: How many, at least 1, of those taken first; ``None`` is all.
            given_up: Whether a hold that was given up is burned too, and late: its order was paid all the same.
            at: May lie before the last fact. Once the hold has ended it is late, and burned all the same: below zero, where
                the units were taken meanwhile.

        Raises:
            RefusedError: ``hold_not_found``, ``hold_resolved``, ``hold_exceeded`` or ``key_reused``.
        """
        check_instant("at", at)
        hold = self._hold(hold_ref)
        asked = hold.units if units is None else check_count("points", units)
        if hold.captured:
            _check_same(f"capture:{hold_ref}", points=units is None or hold.captured == asked)
            return ()
        if not hold.is_open and not given_up:
            raise RefusedError(Refusal(Reason.HOLD_RESOLVED, {"hold_ref": hold_ref, "captured_points": 0}))
        if not hold.is_open and hold_ref in self.burns:
            # Given up, it had left its name to a burn.
            raise RefusedError(Refusal(Reason.KEY_REUSED, {"key": f"capture:{hold_ref}", "fields": ("burn",)}))
        if asked > hold.units:
            details: dict[str, Detail] = {"hold_ref": hold_ref, "asked_points": asked, "left_points": hold.units}
            raise RefusedError(Refusal(Reason.HOLD_EXCEEDED, details))
        parts = _spread(asked, [(part.lot_id, part.units) for part in hold.parts])
        late = at >= hold.until or not hold.is_open
        fact = Captured(account=self.account, ref=hold_ref, parts=parts, late=late, at=at)
        return self._balanced((fact,), ref=hold_ref, at=at)

    def void(self, hold_ref: str, *, at: datetime) -> tuple[LedgerFact, ...]:
        """Decide to give a hold up.

        Args:
            hold_ref: The hold; one that ended by itself may be given up too, and nothing changes.
            at: May lie before the last fact.

        Raises:
            RefusedError: ``hold_not_found``, or ``hold_resolved`` where it was captured: refund the burn instead.
        """
        check_instant("at", at)
        hold = self._hold(hold_ref)
        if hold.captured:
            raise RefusedError(Refusal(Reason.HOLD_RESOLVED, {"hold_ref": hold_ref, "captured_points": hold.captured}))
        return self._balanced((Voided(account=self.account, ref=hold_ref, at=at),), ref=hold_ref, at=at) if hold.is_open else ()

    def refund_burn(
        self, burn_ref: str, units: int | None = None, *, ref: str, extended_until: datetime | None = None, at: datetime
    ) -> tuple[LedgerFact, ...]:
        """Decide to give burned units back to their lots, the last taken first.

        Args:
            burn_ref: The burn.
            units: How many, at least 1; ``None`` is all that is left of it.
            ref: What they go back for.
            extended_until: Units of a lot that has expired go on to a new lot with this end; ``None`` leaves them expired.
            at: May lie before the last fact.

        Raises:
            UsageError: A new end that has passed already.
            RefusedError: ``burn_not_found``, ``burn_exceeded`` or ``key_reused``.
        """
        check_instant("at", at)
        if extended_until is not None:
            check_instant("extended_until", extended_until)
        parts = self._going_back(self.burns, "refund_burn", burn_ref, units, ref=ref)
        if not parts:
            return ()
        if extended_until is not None and extended_until <= at:
            msg = f"extended_until must be after {instant_text(at)}, got {instant_text(extended_until)}"
            raise UsageError(msg)
        fact = BurnRefunded(account=self.account, ref=ref, burn_ref=burn_ref, parts=parts, at=at)
        return self._balanced((fact,), ref=ref, back=parts, extended_until=extended_until, at=at)

    def revoke(
        self,
        earn_ref: str | None,
        units: int | None = None,
        *,
        ref: str,
        overdraft: Overdraft,
        rule: str | None = None,
        at: datetime,
    ) -> tuple[LedgerFact, ...]:
        """Decide to take earned units back, because what earned them was.

        Args:
            earn_ref: What they were earned for; ``None`` is anything, and needs a rule.
            units: How many, at least 1; ``None`` is all that is not yet revoked.
            ref: What they are taken back for.
            overdraft: What happens when more is revoked than is left.
            rule: Only from lots of this rule; ``None`` is from all lots of ``earn_ref``, the latest first.
            at: May lie before the last fact.

        Raises:
            RefusedError: ``earning_not_found``, ``earning_exceeded``, ``key_reused``; under ``REJECT`` ``points_insufficient``.
        """
        check_instant("at", at)
        check_kind("overdraft", overdraft, Overdraft)
        key, of = f"revoke:{ref}", earn_ref or ""
        known = self.returned.get(key)
        if known is not None:
            _check_same(key, earn_ref=known.of == of, points=units is None or known.units == units)
            return ()
        lots = self._earned(earn_ref, rule)
        if not lots:
            raise RefusedError(Refusal(Reason.EARNING_NOT_FOUND, {"earn_ref": of or f"*/{rule}"}))
        left = sum(lot.revocable for lot in lots)
        asked = left if units is None else check_count("points", units)
        if asked > left:
            raise RefusedError(Refusal(Reason.EARNING_EXCEEDED, {"earn_ref": of, "asked_points": asked, "left_points": left}))
        parts = _spread(asked, [(lot.lot_id, lot.revocable) for lot in reversed(lots)])
        if overdraft is Overdraft.REJECT:
            self._check_covered(parts, at=at)
        if not parts:
            return ()
        fact = Revoked(account=self.account, ref=ref, earn_ref=of, parts=parts, overdraft=overdraft, at=at)
        return self._balanced((fact,), ref=ref, at=at)

    def left_to_revoke(self, earn_ref: str | None, *, rule: str | None = None) -> int:
        """Say how many units of what was earned are not yet taken back; see ``revoke``."""
        return sum(lot.revocable for lot in self._earned(earn_ref, rule))

    def left_to_refund(self, burn_ref: str) -> int:
        """Say how many units of a burn have not come back yet; 0 where there is no such burn."""
        take = self.burns.get(burn_ref)
        return 0 if take is None else take.units - take.given_back

    def adjust_down(self, units: int, *, ref: str, reason: str, actor: str, at: datetime) -> tuple[LedgerFact, ...]:
        """Decide to take units away by hand.

        Args:
            units: How many, at least 1, at most what is available.
            ref: The shop's own name for it.
            reason: In the shop's words.
            actor: Who does it.
            at: May lie before the last fact.

        Raises:
            RefusedError: ``points_insufficient`` or ``key_reused``.
        """
        check_count("points", units)
        check_instant("at", at)
        known = self.adjustments.get(ref)
        if known is not None:
            _check_same(f"adjust:{ref}", points=known.units == units)
            return ()
        parts = _accepted(self._check_left(units, at=at, order=soonest_expiry))
        return (Adjusted(account=self.account, ref=ref, parts=parts, reason=reason, actor=actor, at=at),)

    def reverse_adjustment(self, adjustment_ref: str, *, ref: str, at: datetime) -> tuple[LedgerFact, ...]:
        """Decide to give back all that an adjustment took.

        Args:
            adjustment_ref: The adjustment.
            ref: What it is undone for.
            at: May lie before the last fact.

        Raises:
            RefusedError: ``burn_not_found``, ``burn_exceeded`` or ``key_reused``.
        """
        check_instant("at", at)
        parts = self._going_back(self.adjustments, "reverse_adjustment", adjustment_ref, None, ref=ref)
        if not parts:
            return ()
        fact = AdjustmentReversed(account=self.account, ref=ref, adjustment_ref=adjustment_ref, parts=parts, at=at)
        return self._balanced((fact,), ref=ref, at=at)

    def transfer_out(self, units: int, *, ref: str, to: str, at: datetime) -> tuple[LedgerFact, ...]:
        """Decide to give units to another account, in burn order.

        Args:
            units: How many, at least 1.
            ref: The shop's own name for the transfer.
            to: Who gets them.
            at: Not before the last fact.

        Raises:
            RefusedError: ``at_before_last``, ``points_insufficient`` or ``key_reused``.
        """
        known = self.transfers.get(ref)
        if known is not None:
            _check_same(f"transfer:{ref}", points=known.units == units, to=known.to == to)
            return ()
        parts = _accepted(self.check_burn(units, at=at))
        return (TransferredOut(account=self.account, ref=ref, parts=parts, to=to, at=at),)

    def moved_lots(self, ref: str) -> tuple[MovedLot, ...]:
        """Give what a transfer took from this account, as it goes to the other: with the terms of each lot."""
        take = self.transfers.get(ref)
        return tuple(self._moved_lot(part) for part in (() if take is None else take.parts))

    def transfer_in(self, lots: Sequence[MovedLot], *, ref: str, giver: str, at: datetime) -> tuple[LedgerFact, ...]:
        """Decide to take in what came from another account.

        Args:
            lots: What the giver's ``moved_lots`` says.
            ref: The shop's own name for the transfer.
            giver: Who gives.
            at: May lie before the last fact.

        Raises:
            RefusedError: ``key_reused``.
        """
        check_instant("at", at)
        known = self.returned.get(f"transfer_in:{ref}")
        if known is not None:
            _check_same(f"transfer:{ref}", giver=known.of == giver, points=known.units == sum(lot.units for lot in lots))
            return ()
        fact = TransferredIn(account=self.account, ref=ref, lots=tuple(lots), giver=giver, at=at)
        return self._balanced((fact,), ref=ref, at=at)

    def undo_transfer_out(self, ref: str, *, to: str, at: datetime) -> tuple[LedgerFact, ...]:
        """Decide to take back what a transfer gave to another account.

        Args:
            ref: The transfer.
            to: Who got them.
            at: May lie before the last fact.

        Raises:
            RefusedError: ``transfer_not_found``.
        """
        check_instant("at", at)
        take = self.transfers.get(ref)
        if take is None or take.to != to:
            raise RefusedError(Refusal(Reason.TRANSFER_NOT_FOUND, {"transfer_ref": ref}))
        return self._transfer_undone(take.going_back(take.units - take.given_back), ref=ref, at=at)

    def undo_transfer_in(self, ref: str, *, giver: str, at: datetime) -> tuple[LedgerFact, ...]:
        """Decide to give back what a transfer brought from another account.

        Args:
            ref: The transfer.
            giver: Who gave them.
            at: May lie before the last fact. Where the units were spent, the lots go below zero.

        Raises:
            RefusedError: ``transfer_not_found``.
        """
        check_instant("at", at)
        came_in = self.returned.get(f"transfer_in:{ref}")
        if came_in is None or came_in.of != giver:
            raise RefusedError(Refusal(Reason.TRANSFER_NOT_FOUND, {"transfer_ref": ref}))
        if f"undo_transfer:{ref}" in self.returned:
            return ()
        lots = [lot for lot in self._earned(ref, None) if _KEPT_RULE.fullmatch(lot.rule)]
        parts = tuple(Part(lot.lot_id, lot.revocable) for lot in lots if lot.revocable)
        return self._transfer_undone(parts, ref=ref, taken_back=True, at=at)

    def _transfer_undone(
        self, parts: tuple[Part, ...], *, ref: str, taken_back: bool = False, at: datetime
    ) -> tuple[LedgerFact, ...]:
        if not parts:
            return ()
        fact = TransferUndone(account=self.account, ref=ref, parts=parts, taken_back=taken_back, at=at)
        return self._balanced((fact,), ref=ref, at=at)

    def touch(self, *, ref: str, at: datetime) -> tuple[LedgerFact, ...]:
        """Decide that somebody was active: ends that are counted from the last activity move on."""
        check_instant("at", at)
        return () if f"touch:{ref}" in self.returned else (Touched(account=self.account, ref=ref, at=at),)

    def report_expired(self, *, ref: str, at: datetime) -> tuple[LedgerFact, ...]:
        """Write down what has expired so far; it moves nothing, and nothing waits for it."""
        check_instant("at", at)
        if f"report_expired:{ref}" in self.returned:
            return ()
        return (ExpiryReported(account=self.account, ref=ref, units=self.expired(at=at), at=at),)

    def _balanced(
        self,
        facts: tuple[LedgerFact, ...],
        *,
        ref: str,
        back: tuple[Part, ...] = (),
        extended_until: datetime | None = None,
        at: datetime,
    ) -> tuple[LedgerFact, ...]:
        """Add what follows from facts: debts that are no more are undone, the rest is forgiven or settled, as was said.

        In between, what came back to lots whose time is over goes on to new ones, where an end is given for it.
        """
        marks = any(isinstance(fact, Revoked) and fact.overdraft in FOLLOWED for fact in facts)
        if not marks and not self.open_lots.has_marked and extended_until is None:
            return facts
        fold = self.working_copy()
        fold.book(facts, self.account)
        more, held = Balancing(fold=fold, account=self.account, ref=ref, at=at), self.held(at, fold.holds)
        more.unwind(tuple(fold.lots))
        if extended_until is not None:
            more.renew(back, extended_until, held)
        debtors = {**self.open_lots.debts, **fold.lots}
        more.forgive(debtors)
        more.settle(debtors, more.payers(self.open_lots), held)
        return (*facts, *more.facts)

    def _moved_lot(self, part: Part) -> MovedLot:
        lot = self.lot(part.lot_id)
        return MovedLot(units=part.units, granted_at=lot.granted_at, available_at=lot.available_at, expires_at=lot.expires_at)

    def _hold(self, ref: str) -> Hold:
        hold = self.holds.get(ref)
        if hold is None:
            raise RefusedError(Refusal(Reason.HOLD_NOT_FOUND, {"hold_ref": ref}))
        return hold

    def _check_left(self, units: int, *, at: datetime, order: BurnOrder) -> Accepted[tuple[Part, ...]] | Refused:
        available = self.available(at=at)
        if units > available:
            details = {"asked_points": units, "available_points": available, "missing_points": units - available}
            return Refused([Refusal(Reason.POINTS_INSUFFICIENT, details)])
        return Accepted(_spread(units, self._left(at, order)))

    def _left(self, at: datetime, order: BurnOrder) -> Iterator[tuple[str, int]]:
        """Go through what each live lot has left, in burn order."""
        held = self.held(at)
        live = self.open_lots.live(at, self.span_ends())
        left = ((lot_id, units - held.get(lot_id, 0)) for (_, _, lot_id), units in live)
        if order is soonest_expiry:
            return left
        return iter(sorted(left, key=lambda one: (order(self.lot(one[0])), one[0])))

    def _earned(self, earn_ref: str | None, rule: str | None) -> list[Lot]:
        """Give the lots of what was earned, in the order granted; those that units went on to stand with their origin."""
        if earn_ref is None:
            check_kind("rule", rule, str)
            found = [lot for lot in self.lots.values() if lot.rule == rule]
        else:
            lots = [self.lots[lot_id] for lot_id in self.lots_by_ref.get(earn_ref, ())]
            found = [lot for lot in lots if rule in {None, lot.rule}]
        return sorted(found, key=lambda lot: lot.grant_key)

    def _check_covered(self, parts: Iterable[Part], *, at: datetime) -> None:
        held = self.held(at)
        left = {lot_id: max(0, self.lots[lot_id].remaining - held.get(lot_id, 0)) for lot_id in {part.lot_id for part in parts}}
        missing = sum(max(0, part.units - left[part.lot_id]) for part in parts)
        if missing:
            asked = sum(part.units for part in parts)
            details = {"asked_points": asked, "available_points": asked - missing, "missing_points": missing}
            raise RefusedError(Refusal(Reason.POINTS_INSUFFICIENT, details))

    def _going_back(
        self, takes: Mapping[str, Take], verb: str, take_ref: str, units: int | None, *, ref: str
    ) -> tuple[Part, ...]:
        key = f"{verb}:{ref}"
        known = self.returned.get(key)
        if known is not None:
            _check_same(key, burn_ref=known.of == take_ref, points=units is None or known.units == units)
            return ()
        take = takes.get(take_ref)
        if take is None:
            raise RefusedError(Refusal(Reason.BURN_NOT_FOUND, {"burn_ref": take_ref}))
        left = take.units - take.given_back
        asked = left if units is None else check_count("points", units)
        if asked > left:
            raise RefusedError(Refusal(Reason.BURN_EXCEEDED, {"burn_ref": take_ref, "asked_points": asked, "left_points": left}))
        return take.going_back(asked)


def _spread(units: int, limits: Iterable[tuple[str, int]]) -> tuple[Part, ...]:
    """Take units from the first lots that have any."""
    parts, left = list[Part](), units
    for lot_id, limit in limits:
        if not left:
            break
        taken = min(left, limit)
        if taken > 0:
            parts.append(Part(lot_id, taken))
            left -= taken
    return tuple(parts)


def _check_terms(opens_at: datetime, expires_at: datetime | None, awaits: str, lasts: Lasting | None, at: datetime) -> None:
    """Refuse windows that nothing could lie in."""
    if expires_at is not None and expires_at <= max(opens_at, at):
        msg = f"expires_at must be after {instant_text(max(opens_at, at))}, got {instant_text(expires_at)}"
        raise UsageError(msg)
    if awaits and opens_at <= at:
        msg = f"available_at must be the deadline for {awaits!r}, after {instant_text(at)}, got {instant_text(opens_at)}"
        raise UsageError(msg)
    if lasts is None:
        return
    check_kind("lasts", lasts, Lasting)
    if expires_at is not None or not (awaits or lasts.sliding):
        msg = f"lasts must be sliding or come with awaits, and without expires_at, got {lasts!r}"
        raise UsageError(msg)


def _check_same(key: str, **same: bool) -> None:
    fields = tuple(name for name, holds in same.items() if not holds)
    if fields:
        raise RefusedError(Refusal(Reason.KEY_REUSED, {"key": key, "fields": fields}))


def _accepted(answer: Accepted[tuple[Part, ...]] | Refused) -> tuple[Part, ...]:
    if isinstance(answer, Refused):
        raise RefusedError(*answer.refusals)
    return answer.value
