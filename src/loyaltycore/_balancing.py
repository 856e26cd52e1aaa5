"""What follows from a command on an account whose debts are settled or forgiven.

First what is no more a debt is undone, then the rest is forgiven or paid, as the last revocation of each lot said. All of it
looks at what lots hold whether held or not, so that nothing is minted when a hold ends by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from heapq import merge
from typing import Final, TypedDict, final

import attrs

from loyaltycore._ledger_facts import Forgiven, ForgivenessTakenBack, LedgerFact, Renewed, Settled, SettlementUndone
from loyaltycore._ledger_fold import Fold
from loyaltycore._lots import NEVER, Lot, Overdraft, Part
from loyaltycore._open_lots import OpenLot, OpenLots

__all__ = ["Balancing"]


_NOBODY: Final[OpenLot] = ((NEVER, NEVER, ""), 0)


class _Named(TypedDict):
    account: str
    ref: str
    at: datetime


@final
@attrs.define(kw_only=True)
class Balancing:
    """The facts that follow from those a fold has taken in.

    Attributes:
        fold: Takes in each fact as it is decided.
        account: Of the facts.
        ref: Of the facts: that of the command they follow from.
        at: Of the facts.
        facts: Decided so far.
    """

    fold: Fold
    account: str
    ref: str
    at: datetime
    facts: list[LedgerFact] = attrs.field(factory=list)

    def unwind(self, lot_ids: Iterable[str]) -> None:
        """Where a lot rose above zero, take its forgiveness back, then pay its payers back, the last that paid first.

        A payer that rises above zero does the same in turn. It ends: every step gives back units that were forgiven or paid.
        """
        waiting = deque(lot_ids)
        while waiting:
            lot = self.fold.frozen_lot(waiting.popleft())
            over, forgiven = lot.remaining, lot.forgiven
            taken = min(over, forgiven)
            if taken > 0:
                self._post(ForgivenessTakenBack(**self._named, parts=(Part(lot.lot_id, taken),)))
            back = min(over - taken, lot.paid_in) if taken == forgiven else 0
            if back > 0:
                parts = _last(self.fold.payments[lot.lot_id], back)
                self._post(SettlementUndone(**self._named, debtor_id=lot.lot_id, parts=parts))
                waiting.extend(part.lot_id for part in parts)

    def renew(self, back: Iterable[Part], until: datetime, held: Mapping[str, int]) -> None:
        """Send on what came back to lots whose time is over: as much of it as they owe nobody."""
        lots = [(self.fold.ended_lot(part.lot_id), part.units) for part in back]
        free = [(lot, min(units, lot.remaining - held.get(lot.lot_id, 0))) for lot, units in lots if lot.is_over(self.at)]
        parts = tuple(Part(lot.lot_id, units) for lot, units in free if units > 0)
        if parts:
            self._post(Renewed(**self._named, parts=parts, expires_at=until))

    def forgive(self, lot_ids: Iterable[str]) -> None:
        """Lift every debt of which the last revocation said so, as far as revocations made it."""
        lots = self._debtors(lot_ids, Overdraft.FORGIVE)
        # No more than was revoked: what a late capture spends besides was never forgiven.
        units = [(lot.lot_id, min(-lot.remaining, lot.revoked - lot.forgiven)) for lot in lots]
        parts = tuple(Part(lot_id, count) for lot_id, count in units if count > 0)
        if parts:
            self._post(Forgiven(**self._named, parts=parts))

    def settle(self, debtor_ids: Iterable[str], payers: Iterator[OpenLot], held: Mapping[str, int]) -> None:
        """Pay debts, the oldest first, from what is not held.

        Args:
            debtor_ids: Where debts may be.
            payers: Whatever is not over, in burn order; it is gone through only as far as the debts go.
            held: What holds keep of each lot.
        """
        lot_id, left = "", 0
        for debtor in self._debtors(debtor_ids, Overdraft.SETTLE):
            parts, owed = list[Part](), -debtor.remaining
            while owed:
                if left <= 0:
                    ((_, _, lot_id), units) = next(payers, _NOBODY)
                    if not units:
                        break
                    left = units - held.get(lot_id, 0)
                else:
                    paid = min(owed, left)
                    parts.append(Part(lot_id, paid))
                    owed, left = owed - paid, left - paid
            if parts:
                self._post(Settled(**self._named, debtor_id=debtor.lot_id, parts=tuple(parts)))

    def payers(self, open_lots: OpenLots) -> Iterator[OpenLot]:
        """Go through the lots that are not over, in burn order: those that change as they are now, the others as they were."""
        spans = {number: span.ends_at for number, span in enumerate(self.fold.spans, 1)}
        same = (lot for lot in open_lots.unexpired(self.at, spans) if lot[0][2] not in self.fold.lots)
        lots = [self.fold.ended_lot(lot_id) for lot_id in self.fold.lots]
        changed = sorted((lot.burn_key, lot.remaining) for lot in lots if lot.remaining > 0 and not lot.is_over(self.at))
        return merge(same, changed)

    def _debtors(self, lot_ids: Iterable[str], policy: Overdraft) -> list[Lot]:
        lots = [self.fold.frozen_lot(lot_id) for lot_id in lot_ids]
        return sorted((lot for lot in lots if lot.overdraft is policy and lot.remaining < 0), key=lambda lot: lot.grant_key)

    @property
    def _named(self) -> _Named:
        return {"account": self.account, "ref": self.ref, "at": self.at}

    def _post(self, fact: LedgerFact) -> None:
        self.fold.book((fact,), self.account)
        self.facts.append(fact)


def _last(parts: tuple[Part, ...], units: int) -> tuple[Part, ...]:
    """Give the last so many units, the very last first."""
    found, left = list[Part](), units
    for part in reversed(parts):
        taken = min(left, part.units)
        if not taken:
            break
        found.append(Part(part.lot_id, taken))
        left -= taken
    return tuple(found)
