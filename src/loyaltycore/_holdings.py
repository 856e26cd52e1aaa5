"""What an account holds: its lots, and what they come to at an instant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, Self

import attrs

from loyaltycore._frozen import FrozenMap, PartialMap
from loyaltycore._ledger_fold import Fold, Layer
from loyaltycore._lots import Balance, Books, Expiring, Hold, Lot, Part, Reversal, Span, Take
from loyaltycore._open_lots import OpenLots
from loyaltycore.errors import CorruptStateError
from loyaltycore.facts import Fact
from loyaltycore.periods import check_instant

__all__ = ["Holdings"]

_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
_FEW: Final = 64
"""Changed lots that are carried into the sorted ones; after more they are sorted anew."""

_TICK: Final = timedelta(microseconds=1)

_freeze_lot: Final[Callable[[Iterable[Any]], Lot]] = partial(tuple.__new__, Lot)


@attrs.frozen(kw_only=True)
class Holdings:
    """The lots of one account, what was taken from them, and what they come to.

    Attributes:
        account: Its name among a member's accounts.
        lots: By lot id, in the order granted.
        burns: Takes by the ``ref`` of the burn.
        adjustments: Takes by the ``ref`` of the adjustment.
        transfers: Takes by the ``ref`` of the transfer to another account.
        holds: By ``ref``, resolved ones too.
        returned: What each reversing ``ref`` moved: ``"revoke:<ref>"``, ``"refund_burn:<ref>"``, ``"reverse_adjustment:<ref>"``
            and so on.
        payments: Who paid the debt of a lot, in the order paid, by the lot.
        spans: Common ends of lots that last until some time after the last activity; ``Lot.span`` counts them from 1.
        last_at: The latest instant of any fact that is no report; ``None`` before the first.
        reported_at: Up to when expiry was reported; ``None`` before the first report.
        earned_before: What of the points over a lifetime is of lots that a snapshot left out; 0 where none is.
    """

    account: str
    lots: FrozenMap[str, Lot] = FrozenMap[str, Lot]()
    burns: FrozenMap[str, Take] = FrozenMap[str, Take]()
    adjustments: FrozenMap[str, Take] = FrozenMap[str, Take]()
    transfers: FrozenMap[str, Take] = FrozenMap[str, Take]()
    holds: FrozenMap[str, Hold] = FrozenMap[str, Hold]()
    returned: FrozenMap[str, Reversal] = FrozenMap[str, Reversal]()
    payments: FrozenMap[str, tuple[Part, ...]] = FrozenMap[str, tuple[Part, ...]]()
    spans: tuple[Span, ...] = ()
    last_at: datetime | None = None
    reported_at: datetime | None = None
    earned_before: int = 0
    _open: OpenLots | None = attrs.field(default=None, eq=False, repr=False, alias="_open")
    _by_ref: FrozenMap[str, tuple[str, ...]] | None = attrs.field(default=None, eq=False, repr=False, alias="_by_ref")

    def checked(self) -> Self:
        """Give the ledger itself, where it hangs together: for one that was read from outside.

        Raises:
            CorruptStateError: A lot under another's id, a burn, hold or payment that names a lot that is not there, or a lot
                that says other than they do what was taken from it.
        """
        takes = (*self.burns.values(), *self.adjustments.values(), *self.transfers.values())
        taken = [take.parts for take in takes] + [hold.parts for hold in self.holds.values()] + list(self.payments.values())
        named = {part.lot_id for parts in taken for part in parts} | self.payments.keys()
        spans = range(len(self.spans) + 1)
        is_sound = all(key == lot.lot_id and lot.span in spans and lot.is_sound for key, lot in self.lots.items())
        if not is_sound or not named <= self.lots.keys() or not self._is_booked():
            msg = f"the lots of account {self.account!r} do not hang together"
            raise CorruptStateError(msg)
        return self

    @property
    def open_lots(self) -> OpenLots:
        """The lots that hold something, sorted when first asked for."""
        if self._open is None:
            # Nothing that can be seen changes: the same lots in another order, kept for the next question.
            object.__setattr__(self, "_open", OpenLots.of(self.lots.values(), self.holds))
        assert self._open is not None  # just made
        return self._open

    @property
    def lots_by_ref(self) -> FrozenMap[str, tuple[str, ...]]:
        """The ids of lots by what they were earned for, gathered when first asked for."""
        if self._by_ref is None:
            by_ref: dict[str, list[str]] = {}
            for lot in self.lots.values():
                by_ref.setdefault(lot.earn_ref, []).append(lot.lot_id)
            object.__setattr__(self, "_by_ref", FrozenMap({ref: tuple(ids) for ref, ids in by_ref.items()}))
        assert self._by_ref is not None  # just made
        return self._by_ref

    def lot(self, lot_id: str) -> Lot:
        """Give a lot with the end that it has at present: its own, or the one it shares.

        Raises:
            KeyError: No such lot.
        """
        lot = self.lots[lot_id]
        return lot._replace(expires_at=self.spans[lot.span - 1].ends_at) if lot.span else lot

    def available(self, *, at: datetime) -> int:
        """Say what a burn can take at an instant.

        Args:
            at: Timezone-aware; ``at == expires_at`` is too late. All known facts count, whatever their time.
        """
        return self.balance(at=at).available

    def balance(self, *, at: datetime) -> Balance:
        """Sum the account up at an instant.

        Complexity:
            O(lots / 64), once the lots were sorted.
        """
        check_instant("at", at)
        standing = self.open_lots.standing(at, self.span_ends())
        live, pending, debt, held = standing.live, standing.pending, sum(self.open_lots.debts.values()), 0
        for lot_id, units in self.held(at).items():
            lot, left = self.lot(lot_id), self.lots[lot_id].remaining
            lost = max(0, left) - max(0, left - units)
            held, debt = held + units, debt + units - lost
            live -= lost if lot.is_live(at) else 0
            pending -= 0 if lot.is_live(at) or lot.is_over(at) else lost
        return Balance(available=max(0, live - debt), pending=pending, held=held, debt=debt)

    def books(self, *, at: datetime) -> Books:
        """Say where every unit ever granted is at an instant; always ``balanced``.

        Complexity:
            O(lots).
        """
        check_instant("at", at)
        held = self.held(at)
        pending = live = expired = debt = 0
        for lot in map(self.lot, self.lots):
            left = lot.remaining - held.get(lot.lot_id, 0)
            if left < 0:
                debt -= left
            elif lot.is_over(at):
                expired += left
            elif lot.is_live(at):
                live += left
            else:
                pending += left
        return Books(
            granted=self._sum("granted") + self._sum("paid_in") - self._sum("paid_out"),
            revoked=self._sum("revoked"),
            burned=self._sum("burned"),
            held=sum(held.values()),
            forgiven=self._sum("forgiven"),
            moved=self._sum("moved") + self._sum("renewed"),
            pending=pending,
            live=live,
            expired=expired,
            debt=debt,
        )

    def expired(self, *, at: datetime) -> int:
        """Say how many units lie on lots whose time is over, and are not held.

        Complexity:
            O(lots / 64), once the lots were sorted.
        """
        check_instant("at", at)
        units = self.open_lots.standing(at, self.span_ends()).expired
        for lot_id, held in self.held(at).items():
            if self.lot(lot_id).is_over(at):
                left = self.lots[lot_id].remaining
                units -= max(0, left) - max(0, left - held)
        return units

    @property
    def due_at(self) -> datetime | None:
        """When time next brings something that was not reported: an expiry, or the end of a hold; ``None`` if nothing."""
        return self.open_lots.next_end(self.reported_at or _EARLIEST, self.span_ends())

    def expiring(self, *, after: datetime, before: datetime | None = None) -> tuple[Expiring, ...]:
        """List what will expire in a span, soonest first, if nothing is burned.

        Args:
            after: First instant of the span, inside.
            before: First instant after the span; ``None`` has no end.

        Complexity:
            O(open lots · log groups).
        """
        check_instant("after", after)
        if before is not None:
            check_instant("before", before)
        held, sums = self.held(after), dict[datetime, int]()
        # What ends at ``after`` itself is told too.
        for (_, _, lot_id), units in self.open_lots.unexpired(after - _TICK, self.span_ends()):
            lot, left = self.lot(lot_id), units - held.get(lot_id, 0)
            ends_at = lot.available_at if lot.awaits else lot.expires_at
            if left > 0 and ends_at is not None and (before is None or ends_at < before):
                sums[ends_at] = sums.get(ends_at, 0) + left
        return tuple(Expiring(ends_at, sums[ends_at]) for ends_at in sorted(sums))

    def folded(self, facts: Iterable[Fact]) -> Self:
        """Give the ledger after more facts; those of other accounts and other kinds are passed over.

        Complexity:
            O(facts), and a copy of the lots now and then; what no fact touches is shared.

        Raises:
            CorruptStateError: A fact that names a lot or a take that is not there.
        """
        fold = self.working_copy()
        fold.book(facts, self.account)
        return self._after(fold)

    def working_copy(self) -> Fold:
        return Fold(
            known=self.lots,
            has_known=bool(self.lots),
            burns=Layer(self.burns),
            adjustments=Layer(self.adjustments),
            transfers=Layer(self.transfers),
            holds=Layer(self.holds),
            returned=Layer(self.returned),
            payments=Layer(self.payments),
            spans=list(self.spans),
            last_at=self.last_at,
            reported_at=self.reported_at,
        )

    def _after(self, fold: Fold) -> Self:
        if not fold.lots and not fold.returned and fold.last_at == self.last_at:
            return self
        changed = list(map(_freeze_lot, fold.lots.values()))
        # A few changes are carried into the sorted lots; after many they are sorted anew, when somebody asks. Where some lots are
        # left out they could not be: those that are open were sorted from the start, and every change is carried.
        is_carried = self._open is not None and (len(changed) <= _FEW or isinstance(self.lots, PartialMap))
        still_open = self.open_lots.changed(self.lots, changed, self._waiting(fold)) if is_carried else None
        return attrs.evolve(
            self,
            lots=self.lots.updated(dict(zip(fold.lots, changed, strict=True))),
            burns=fold.burns.frozen(),
            adjustments=fold.adjustments.frozen(),
            transfers=fold.transfers.frozen(),
            holds=fold.holds.frozen(),
            returned=fold.returned.frozen(),
            payments=fold.payments.frozen(),
            spans=tuple(fold.spans),
            last_at=fold.last_at,
            reported_at=fold.reported_at,
            _open=still_open,
            _by_ref=None if self._by_ref is None else self._refs_after(changed),
        )

    def _waiting(self, fold: Fold) -> Mapping[str, Hold] | None:
        """Give the holds that may be open, where any of them changed: those that were, and what became of some."""
        return {**{ref: self.holds[ref] for _, ref in self.open_lots.holds}, **fold.holds} if fold.holds else None

    def _is_booked(self) -> bool:
        """Whether what was burned, moved and paid is what the lots say was taken from them."""
        takes = (*self.burns.values(), *self.adjustments.values(), *self.transfers.values())
        if not all(0 <= take.given_back <= take.units for take in takes):
            return False
        if not all(hold.captured is None or 0 <= hold.captured <= hold.units for hold in self.holds.values()):
            return False
        burned = _by_lot(take.left() for take in (*self.burns.values(), *self.adjustments.values()))
        moved = _by_lot(take.left() for take in self.transfers.values())
        paid_out = _by_lot(self.payments.values())
        paid_in = {debtor_id: sum(part.units for part in parts) for debtor_id, parts in self.payments.items() if parts}
        return all(
            (lot.burned, lot.moved, lot.paid_out, lot.paid_in)
            == (burned.get(lot_id, 0), moved.get(lot_id, 0), paid_out.get(lot_id, 0), paid_in.get(lot_id, 0))
            for lot_id, lot in self.lots.items()
        )

    def _refs_after(self, changed: Iterable[Lot]) -> FrozenMap[str, tuple[str, ...]]:
        known, more = self.lots_by_ref, dict[str, tuple[str, ...]]()
        for lot in changed:
            if lot.lot_id not in self.lots:
                more[lot.earn_ref] = (*more.get(lot.earn_ref, known.get(lot.earn_ref, ())), lot.lot_id)
        return known.updated(more)

    def _sum(self, name: str) -> int:
        return sum(getattr(lot, name) for lot in self.lots.values())

    def span_ends(self) -> dict[int, datetime]:
        return {number: span.ends_at for number, span in enumerate(self.spans, 1)}

    def held(self, at: datetime, changed: Mapping[str, Hold] = FrozenMap[str, Hold]()) -> dict[str, int]:
        """Sum up what holds keep of each lot at an instant, some of them as they are about to be."""
        known = [self.holds[ref] for ref in self.open_lots.held_at(at) if ref not in changed]
        held: dict[str, int] = {}
        for hold in (*known, *(hold for hold in changed.values() if hold.is_open and at < hold.until)):
            for part in hold.parts:
                held[part.lot_id] = held.get(part.lot_id, 0) + part.units
        return held


def _by_lot(several: Iterable[tuple[Part, ...]]) -> dict[str, int]:
    """Sum up units by lot."""
    sums: dict[str, int] = {}
    for parts in several:
        for part in parts:
            sums[part.lot_id] = sums.get(part.lot_id, 0) + part.units
    return sums
