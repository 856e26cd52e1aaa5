"""Signed lots: the arithmetic under points, and later under gift cards.

A *lot* is a quantity with one origin and one window of validity. Everything taken names the lots it was taken from, so an
expiry, a refund and a revocation always know what they touch.

Invariants:
    1. ``remaining = granted − revoked − burned``, never clamped. Below zero the lot *is* the debt of the purchase that caused it.
    2. Only a positive remainder has a window ``[available_at, expires_at)``; a negative one counts always.
    3. ``available = max(0, live positives + negatives)``.
    4. A burn takes soonest expiry first, then earliest ``available_at``, then id; what never expires comes last.
    5. What was burned goes back to the lots it came from, the last taken first; never more than was taken.
    6. A lot never holds more than ``granted − revoked``: nothing is minted.
    7. The same reference again, with the same content, gives no facts; with other content it is refused.

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

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar, Final, Self, final

import attrs

from loyaltycore._checks import check_count, check_kind
from loyaltycore._frozen import FrozenMap
from loyaltycore.errors import Accepted, CorruptStateError, Reason, Refusal, Refused, RefusedError, UsageError
from loyaltycore.facts import Fact
from loyaltycore.periods import check_instant
from loyaltycore.wire import instant_text

__all__ = [
    "Adjusted",
    "AdjustmentReversed",
    "Balance",
    "Books",
    "BurnRefunded",
    "Burned",
    "Expiring",
    "Granted",
    "Ledger",
    "LedgerFact",
    "Lot",
    "Overdraft",
    "Part",
    "Reversal",
    "Revoked",
    "Take",
]

_NEVER: Final = datetime.max.replace(tzinfo=UTC)


class Overdraft(StrEnum):
    """What happens when more is revoked from a lot than is left on it.

    ``CARRY``: the lot goes below zero, and the debt is netted against whatever else the account holds.
    ``REJECT``: the revocation is refused.
    """

    CARRY = "carry"
    REJECT = "reject"


@final
@attrs.frozen
class Part:
    """Units of one lot.

    Attributes:
        lot_id: Which lot.
        units: How many, at least 1.
    """

    lot_id: str
    units: int

    def __attrs_post_init__(self) -> None:
        """Refuse to move nothing, or backwards: a stored fact could not mint with it."""
        check_count("units", self.units)


@final
@attrs.frozen(kw_only=True)
class Lot:
    """A quantity with one origin and one window of validity.

    Attributes:
        lot_id: ``<ref>/<rule>``: what it was earned for, and by which rule.
        granted: Units given at first.
        granted_at: When, by the shop's account of it.
        available_at: First instant at which they can be burned.
        expires_at: First instant at which they can no longer be burned; ``None`` never.
        revoked: Units taken back because the purchase was.
        burned: Units taken by burns and negative adjustments, less what was given back.
    """

    lot_id: str
    granted: int
    granted_at: datetime
    available_at: datetime
    expires_at: datetime | None
    revoked: int = 0
    burned: int = 0

    @property
    def remaining(self) -> int:
        """What is left: below zero it is a debt."""
        return self.granted - self.revoked - self.burned

    def came_from(self, ref: str, rule: str | None) -> bool:
        """Say whether it was earned for a reference, by a rule or by any."""
        # A rule holds no slash, so the last one parts the two.
        own_ref, _, own_rule = self.lot_id.rpartition("/")
        return own_ref == ref and rule in {None, own_rule}

    def is_live(self, at: datetime) -> bool:
        """Say whether an instant lies in ``[available_at, expires_at)``."""
        return self.available_at <= at and (self.expires_at is None or at < self.expires_at)

    @property
    def grant_key(self) -> tuple[datetime, str]:
        """Place in the order granted: instant, then id."""
        return (self.granted_at, self.lot_id)

    @property
    def burn_key(self) -> tuple[datetime, datetime, str]:
        """Place in the burn order: soonest expiry, then earliest availability, then id."""
        return (self.expires_at or _NEVER, self.available_at, self.lot_id)


@final
@attrs.frozen
class Take:
    """What one burn or negative adjustment took, and how much of it was given back.

    Attributes:
        parts: From which lots, in the order taken.
        given_back: Units that went back, the last taken first.
    """

    parts: tuple[Part, ...]
    given_back: int = 0

    @property
    def units(self) -> int:
        """Units taken at first."""
        return sum(part.units for part in self.parts)

    def going_back(self, units: int) -> tuple[Part, ...]:
        """Give the parts that the next so many units go back to."""
        skip, left, back = self.given_back, units, list[Part]()
        for part in reversed(self.parts):
            skipped = min(skip, part.units)
            given = min(left, part.units - skipped)
            if given:
                back.append(Part(part.lot_id, given))
            skip, left = skip - skipped, left - given
        return tuple(back)


@final
@attrs.frozen
class Reversal:
    """What one reference took back or gave back.

    Attributes:
        of: What it reversed.
        units: How many.
    """

    of: str
    units: int


@final
@attrs.frozen(kw_only=True)
class Balance:
    """An account at one instant.

    Attributes:
        available: What a burn can take: live lots less debts, never below 0.
        pending: Granted and not yet available.
        held: Set aside for orders not yet paid.
        debt: Units owed, gross: the negative lots.
    """

    available: int
    pending: int
    held: int
    debt: int


@final
@attrs.frozen(kw_only=True)
class Books:
    """Where every unit ever granted is: ``granted − revoked − burned = pending + live + expired − debt``.

    Attributes:
        granted: Units ever granted.
        revoked: Units taken back because a purchase was.
        burned: Units burned or adjusted away, less what was given back.
        pending: Left on lots that are not yet available.
        live: Left on lots that can be burned.
        expired: Left on lots whose time is over.
        debt: Missing on lots below zero.
    """

    granted: int = 0
    revoked: int = 0
    burned: int = 0
    pending: int = 0
    live: int = 0
    expired: int = 0
    debt: int = 0

    @property
    def balanced(self) -> bool:
        """Say whether both sides of the equation agree."""
        return self.granted - self.revoked - self.burned == self.pending + self.live + self.expired - self.debt

    def __add__(self, other: Books) -> Books:
        """Add the books of another account."""
        return Books(**{field.name: getattr(self, field.name) + getattr(other, field.name) for field in attrs.fields(Books)})


@final
@attrs.frozen
class Expiring:
    """What expires at one instant.

    Attributes:
        expires_at: First instant at which it is gone.
        units: Left to expire.
    """

    expires_at: datetime
    units: int


@attrs.frozen(kw_only=True)
class LedgerFact(Fact):
    """A movement on one account.

    Attributes:
        account: Which of a member's accounts.
        ref: The shop's own name for what happened.
    """

    account: str
    ref: str


@final
@attrs.frozen(kw_only=True)
class Granted(LedgerFact):
    """Units were earned: a new lot ``<ref>/<rule>``.

    Attributes:
        rule: By which rule.
        units: How many.
        available_at: First instant they can be burned.
        expires_at: First instant they no longer can; ``None`` never.
    """

    kind: ClassVar[str] = "ledger.granted"
    rule: str
    units: int
    available_at: datetime
    expires_at: datetime | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse to give nothing, or less."""
        super().__attrs_post_init__()
        check_count("units", self.units)

    @property
    def lot_id(self) -> str:
        """The lot this made."""
        return f"{self.ref}/{self.rule}"


@final
@attrs.frozen(kw_only=True)
class Burned(LedgerFact):
    """Units were burned.

    Attributes:
        parts: From which lots, in the order taken.
    """

    kind: ClassVar[str] = "ledger.burned"
    parts: tuple[Part, ...]


@final
@attrs.frozen(kw_only=True)
class BurnRefunded(LedgerFact):
    """Burned units went back to their lots.

    Attributes:
        burn_ref: The burn they came from.
        parts: To which lots, the last taken first.
    """

    kind: ClassVar[str] = "ledger.burn_refunded"
    burn_ref: str
    parts: tuple[Part, ...]


@final
@attrs.frozen(kw_only=True)
class Revoked(LedgerFact):
    """Earned units were taken back, because what earned them was.

    Attributes:
        earn_ref: What they were earned for.
        parts: From which lots; a lot may go below zero.
    """

    kind: ClassVar[str] = "ledger.revoked"
    earn_ref: str
    parts: tuple[Part, ...]


@final
@attrs.frozen(kw_only=True)
class Adjusted(LedgerFact):
    """Somebody at the shop took units away by hand, and said why.

    Attributes:
        parts: From which lots.
        reason: In the shop's words.
        actor: Who did it.
    """

    kind: ClassVar[str] = "ledger.adjusted"
    parts: tuple[Part, ...]
    reason: str
    actor: str


@final
@attrs.frozen(kw_only=True)
class AdjustmentReversed(LedgerFact):
    """An adjustment was undone: its units went back to their lots.

    Attributes:
        adjustment_ref: The adjustment.
        parts: To which lots.
    """

    kind: ClassVar[str] = "ledger.adjustment_reversed"
    adjustment_ref: str
    parts: tuple[Part, ...]


def _units(parts: Iterable[Part]) -> int:
    return sum(part.units for part in parts)


@final
@attrs.frozen(kw_only=True)
class Ledger:
    """The lots of one account, and what was taken from them.

    Attributes:
        account: Its name among a member's accounts.
        lots: By lot id, in the order granted.
        burns: Takes by the ``ref`` of the burn.
        adjustments: Takes by the ``ref`` of the adjustment.
        returned: What each reversing ``ref`` moved: ``"revoke:<ref>"``, ``"refund_burn:<ref>"``, ``"reverse_adjustment:<ref>"``.
        last_at: The latest instant of any fact; ``None`` before the first.
    """

    account: str
    lots: FrozenMap[str, Lot] = FrozenMap[str, Lot]()
    burns: FrozenMap[str, Take] = FrozenMap[str, Take]()
    adjustments: FrozenMap[str, Take] = FrozenMap[str, Take]()
    returned: FrozenMap[str, Reversal] = FrozenMap[str, Reversal]()
    last_at: datetime | None = None

    def checked(self) -> Self:
        """Give the ledger itself, where it hangs together: for one that was read from outside.

        Raises:
            CorruptStateError: A lot under another's id, or a burn or adjustment that names a lot that is not there.
        """
        takes = (*self.burns.values(), *self.adjustments.values())
        named = {part.lot_id for take in takes for part in take.parts}
        if any(key != lot.lot_id for key, lot in self.lots.items()) or not named <= self.lots.keys():
            msg = f"the lots of account {self.account!r} do not hang together"
            raise CorruptStateError(msg)
        return self

    def available(self, *, at: datetime) -> int:
        """Say what a burn can take at an instant.

        Args:
            at: Timezone-aware; ``at == expires_at`` is too late. All known facts count, whatever their time.
        """
        return self.balance(at=at).available

    def balance(self, *, at: datetime) -> Balance:
        """Sum the account up at an instant.

        Complexity:
            O(lots).
        """
        books = self.books(at=at)
        return Balance(available=max(0, books.live - books.debt), pending=books.pending, held=0, debt=books.debt)

    def books(self, *, at: datetime) -> Books:
        """Say where every unit ever granted is at an instant; always ``balanced``.

        Complexity:
            O(lots).
        """
        check_instant("at", at)
        granted = revoked = burned = pending = live = expired = debt = 0
        for lot in self.lots.values():
            granted, revoked, burned = granted + lot.granted, revoked + lot.revoked, burned + lot.burned
            remaining = lot.remaining
            if remaining < 0:
                debt -= remaining
            elif at < lot.available_at:
                pending += remaining
            elif lot.is_live(at):
                live += remaining
            else:
                expired += remaining
        return Books(granted=granted, revoked=revoked, burned=burned, pending=pending, live=live, expired=expired, debt=debt)

    def expiring(self, *, after: datetime, before: datetime | None = None) -> tuple[Expiring, ...]:
        """List what will expire in a span, soonest first, if nothing is burned.

        Args:
            after: First instant of the span, inside.
            before: First instant after the span; ``None`` has no end.
        """
        check_instant("after", after)
        if before is not None:
            check_instant("before", before)
        sums: dict[datetime, int] = {}
        for lot in self.lots.values():
            if lot.remaining <= 0 or lot.expires_at is None:
                continue
            if after <= lot.expires_at and (before is None or lot.expires_at < before):
                sums[lot.expires_at] = sums.get(lot.expires_at, 0) + lot.remaining
        return tuple(Expiring(expires_at, sums[expires_at]) for expires_at in sorted(sums))

    def check_at(self, at: datetime) -> Refusal | None:
        """Ask whether a burn may be dated so: not before the last fact, or ``at_before_last``."""
        if self.last_at is None or at >= self.last_at:
            return None
        return Refusal(Reason.AT_BEFORE_LAST, {"at": instant_text(at), "last_at": instant_text(self.last_at)})

    def check_burn(self, units: int, *, at: datetime) -> Accepted[tuple[Part, ...]] | Refused:
        """Ask whether a burn would go through, and from which lots.

        Args:
            units: How many, at least 1.
            at: Timezone-aware.

        Returns:
            The parts in burn order, or ``at_before_last`` or ``points_insufficient`` with ``missing_points``.
        """
        check_count("points", units)
        check_instant("at", at)
        too_early = self.check_at(at)
        if too_early is not None:
            return Refused([too_early])
        available = self.available(at=at)
        if units > available:
            details = {"asked_points": units, "available_points": available, "missing_points": units - available}
            return Refused([Refusal(Reason.POINTS_INSUFFICIENT, details)])
        return Accepted(self._taken(units, at=at))

    def grant(
        self, units: int, *, ref: str, rule: str, available_at: datetime | None, expires_at: datetime | None, at: datetime
    ) -> tuple[LedgerFact, ...]:
        """Decide a new lot.

        Args:
            units: How many, at least 1.
            ref: What they are earned for.
            rule: By which rule; with the ref it names the lot.
            available_at: First instant they can be burned; ``None`` is at once.
            expires_at: First instant they no longer can; ``None`` never.
            at: When they are earned; may lie before the last fact.

        Raises:
            UsageError: An empty window.
            RefusedError: ``key_reused``.
        """
        check_count("points", units)
        check_instant("at", at)
        opens_at = at if available_at is None else check_instant("available_at", available_at)
        if expires_at is not None and check_instant("expires_at", expires_at) <= max(opens_at, at):
            msg = f"expires_at must be after {instant_text(max(opens_at, at))}, got {instant_text(expires_at)}"
            raise UsageError(msg)
        known = self.lots.get(f"{ref}/{rule}")
        if known is None:
            return (
                Granted(
                    account=self.account, ref=ref, rule=rule, units=units, available_at=opens_at, expires_at=expires_at, at=at
                ),
            )
        _check_same(
            f"earn:{ref}",
            points=known.granted == units,
            available_at=available_at is None or known.available_at == available_at,
            expires_at=known.expires_at == expires_at,
        )
        return ()

    def burn(self, units: int, *, ref: str, at: datetime) -> tuple[LedgerFact, ...]:
        """Decide a burn.

        Args:
            units: How many, at least 1.
            ref: What they are burned for.
            at: Not before the last fact.

        Raises:
            RefusedError: ``at_before_last``, ``points_insufficient`` or ``key_reused``.
        """
        known = self.burns.get(ref)
        if known is not None:
            _check_same(f"burn:{ref}", points=known.units == units)
            return ()
        parts = _accepted(self.check_burn(units, at=at))
        return (Burned(account=self.account, ref=ref, parts=parts, at=at),)

    def refund_burn(self, burn_ref: str, units: int | None = None, *, ref: str, at: datetime) -> tuple[LedgerFact, ...]:
        """Decide to give burned units back to their lots, the last taken first.

        Args:
            burn_ref: The burn.
            units: How many, at least 1; ``None`` is all that is left of it.
            ref: What they go back for.
            at: May lie before the last fact. Units of a lot that has expired are expired.

        Raises:
            RefusedError: ``burn_not_found``, ``burn_exceeded`` or ``key_reused``.
        """
        parts = self._going_back(self.burns, "refund_burn", burn_ref, units, ref=ref)
        return (BurnRefunded(account=self.account, ref=ref, burn_ref=burn_ref, parts=parts, at=at),) if parts else ()

    def revoke(
        self, earn_ref: str, units: int | None = None, *, ref: str, overdraft: Overdraft, rule: str | None = None, at: datetime
    ) -> tuple[LedgerFact, ...]:
        """Decide to take earned units back, because what earned them was.

        Args:
            earn_ref: What they were earned for.
            units: How many, at least 1; ``None`` is all that is not yet revoked.
            ref: What they are taken back for.
            overdraft: What happens when more is revoked than is left.
            rule: Only from the lot of this rule; ``None`` is from all lots of ``earn_ref``, the latest first.
            at: May lie before the last fact.

        Raises:
            RefusedError: ``earning_not_found``, ``earning_exceeded``, ``key_reused``; under ``REJECT`` ``points_insufficient``.
        """
        check_instant("at", at)
        check_kind("overdraft", overdraft, Overdraft)
        key = f"revoke:{ref}"
        known = self.returned.get(key)
        if known is not None:
            _check_same(key, earn_ref=known.of == earn_ref, points=units is None or known.units == units)
            return ()
        # Sorted, because a stored account may have lost the order in which its lots were granted.
        lots = sorted((lot for lot in self.lots.values() if lot.came_from(earn_ref, rule)), key=lambda lot: lot.grant_key)
        if not lots:
            raise RefusedError(Refusal(Reason.EARNING_NOT_FOUND, {"earn_ref": earn_ref}))
        left = sum(lot.granted - lot.revoked for lot in lots)
        asked = left if units is None else check_count("points", units)
        if asked > left:
            raise RefusedError(
                Refusal(Reason.EARNING_EXCEEDED, {"earn_ref": earn_ref, "asked_points": asked, "left_points": left})
            )
        parts = _spread(asked, [(lot.lot_id, lot.granted - lot.revoked) for lot in reversed(lots)])
        if overdraft is Overdraft.REJECT:
            _check_left(parts, self.lots)
        return (Revoked(account=self.account, ref=ref, earn_ref=earn_ref, parts=parts, at=at),) if parts else ()

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
        known = self.adjustments.get(ref)
        if known is not None:
            _check_same(f"adjust:{ref}", points=known.units == units)
            return ()
        parts = _accepted(attrs.evolve(self, last_at=None).check_burn(units, at=at))
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
        parts = self._going_back(self.adjustments, "reverse_adjustment", adjustment_ref, None, ref=ref)
        return (
            (AdjustmentReversed(account=self.account, ref=ref, adjustment_ref=adjustment_ref, parts=parts, at=at),)
            if parts
            else ()
        )

    def folded(self, facts: Iterable[Fact]) -> Self:
        """Give the ledger after more facts; those of other accounts and other kinds are passed over.

        Complexity:
            O(lots + facts): the fold works on copies and freezes once.

        Raises:
            CorruptStateError: A fact that names a lot or a take that is not there.
        """
        mine = [fact for fact in facts if isinstance(fact, LedgerFact) and fact.account == self.account]
        if not mine:
            return self
        fold = _Fold(dict(self.lots), dict(self.burns), dict(self.adjustments), dict(self.returned))
        for fact in mine:
            try:
                fold.take_in(fact)
            except KeyError as error:
                msg = f"{fact.kind} {fact.ref!r} names {error.args[0]!r}, which is not in the account"
                raise CorruptStateError(msg) from error
        last_at = max([fact.at for fact in mine] + ([self.last_at] if self.last_at is not None else []))
        return attrs.evolve(
            self,
            lots=FrozenMap(fold.lots),
            burns=FrozenMap(fold.burns),
            adjustments=FrozenMap(fold.adjustments),
            returned=FrozenMap(fold.returned),
            last_at=last_at,
        )

    def _taken(self, units: int, *, at: datetime) -> tuple[Part, ...]:
        live = sorted((lot for lot in self.lots.values() if lot.remaining > 0 and lot.is_live(at)), key=lambda lot: lot.burn_key)
        return _spread(units, [(lot.lot_id, lot.remaining) for lot in live])

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


@final
@attrs.define
class _Fold:
    """The mutable copy that a fold works on."""

    lots: dict[str, Lot]
    burns: dict[str, Take]
    adjustments: dict[str, Take]
    returned: dict[str, Reversal]

    def take_in(self, fact: LedgerFact) -> None:
        """Book one fact."""
        match fact:
            case Granted():
                if fact.lot_id in self.lots:
                    msg = f"{fact.kind} grants {fact.lot_id!r} twice"
                    raise CorruptStateError(msg)
                self.lots[fact.lot_id] = Lot(
                    lot_id=fact.lot_id,
                    granted=fact.units,
                    granted_at=fact.at,
                    available_at=fact.available_at,
                    expires_at=fact.expires_at,
                )
            case Burned():
                self._move(fact.parts, burned=1)
                self.burns[fact.ref] = Take(fact.parts)
            case Adjusted():
                self._move(fact.parts, burned=1)
                self.adjustments[fact.ref] = Take(fact.parts)
            case BurnRefunded():
                self._give_back(self.burns, fact.burn_ref, fact.parts)
                self.returned[f"refund_burn:{fact.ref}"] = Reversal(fact.burn_ref, _units(fact.parts))
            case AdjustmentReversed():
                self._give_back(self.adjustments, fact.adjustment_ref, fact.parts)
                self.returned[f"reverse_adjustment:{fact.ref}"] = Reversal(fact.adjustment_ref, _units(fact.parts))
            case Revoked():
                self._move(fact.parts, revoked=1)
                self.returned[f"revoke:{fact.ref}"] = Reversal(fact.earn_ref, _units(fact.parts))
            case _:
                msg = f"a ledger of this version does not know {fact.kind!r}"
                raise CorruptStateError(msg)

    def _move(self, parts: Iterable[Part], *, burned: int = 0, revoked: int = 0) -> None:
        for part in parts:
            lot = self.lots[part.lot_id]
            self.lots[part.lot_id] = attrs.evolve(
                lot, burned=lot.burned + burned * part.units, revoked=lot.revoked + revoked * part.units
            )

    def _give_back(self, takes: dict[str, Take], take_ref: str, parts: tuple[Part, ...]) -> None:
        take = takes[take_ref]
        takes[take_ref] = attrs.evolve(take, given_back=take.given_back + _units(parts))
        self._move(parts, burned=-1)


def _spread(units: int, limits: Iterable[tuple[str, int]]) -> tuple[Part, ...]:
    """Take units from the first lots that have any."""
    parts, left = list[Part](), units
    for lot_id, limit in limits:
        taken = min(left, limit)
        if taken > 0:
            parts.append(Part(lot_id, taken))
            left -= taken
    return tuple(parts)


def _check_left(parts: Iterable[Part], lots: Mapping[str, Lot]) -> None:
    left = {part.lot_id: max(0, lots[part.lot_id].remaining) for part in parts}
    missing = sum(max(0, part.units - left[part.lot_id]) for part in parts)
    if missing:
        asked = _units(parts)
        details = {"asked_points": asked, "available_points": asked - missing, "missing_points": missing}
        raise RefusedError(Refusal(Reason.POINTS_INSUFFICIENT, details))


def _check_same(key: str, **same: bool) -> None:
    fields = tuple(name for name, holds in same.items() if not holds)
    if fields:
        raise RefusedError(Refusal(Reason.KEY_REUSED, {"key": key, "fields": fields}))


def _accepted(answer: Accepted[tuple[Part, ...]] | Refused) -> tuple[Part, ...]:
    if isinstance(answer, Refused):
        raise RefusedError(*answer.refusals)
    return answer.value
