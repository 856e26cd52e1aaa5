"""The values of a ledger: lots, what was taken from them, and what an account comes to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeAlias, final

import attrs

from loyaltycore._checks import check_count
from loyaltycore.periods import Lasting

__all__ = [
    "Balance",
    "Books",
    "BurnOrder",
    "Expiring",
    "Hold",
    "Lot",
    "Overdraft",
    "Part",
    "Reversal",
    "Span",
    "Take",
    "last_ending",
    "newest_first",
    "oldest_first",
    "soonest_expiry",
]

NEVER: Final = datetime.max.replace(tzinfo=UTC)
"""The end, for comparisons, of what has none."""


class Overdraft(StrEnum):
    """What happens when more is revoked from a lot than is left on it.

    ``CARRY``: the lot goes below zero, and the debt is netted against whatever else the account holds.
    ``SETTLE``: the same, and what else the account holds, or earns later, pays the debt off.
    ``FORGIVE``: what was spent stays spent, and nothing is owed.
    ``REJECT``: the revocation is refused.

    Whatever is given back later undoes this first: a debt that is no more was never paid, and never forgiven.
    """

    CARRY = "carry"
    SETTLE = "settle"
    FORGIVE = "forgive"
    REJECT = "reject"


FOLLOWED: Final = frozenset({Overdraft.SETTLE, Overdraft.FORGIVE})
"""Policies under which something follows from a debt."""


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
class Lot(NamedTuple):
    """A quantity with one origin and one window of validity.

    Attributes:
        lot_id: ``<ref>/<rule>``: what it was earned for, and by which rule.
        granted: Units given at first.
        granted_at: When, by the shop's account of it.
        available_at: First instant at which they can be burned; while an event is awaited, the deadline for it.
        expires_at: First instant at which they can no longer be burned; ``None`` never, or as ``lasts`` says.
        revoked: Units taken back because the purchase was.
        burned: Units taken by burns and negative adjustments, less what was given back.
        paid_out: Units that paid the debts of other lots.
        paid_in: Units by which other lots paid its debt.
        forgiven: Units of its debt that nobody pays.
        moved: Units that went to another account.
        renewed: Units that went on to a lot of their own with a later end.
        origin: The lot whose units these are, where they went on from one; empty otherwise.
        overdraft: What the last revocation said of debts.
        awaits: The event that makes it available; empty when none does.
        lasts: How its end is counted, where it is not known from the start.
        span: Which common end it shares with other lots, by its number; 0 when it has its own.
    """

    lot_id: str
    granted: int
    granted_at: datetime
    available_at: datetime
    expires_at: datetime | None
    revoked: int = 0
    burned: int = 0
    paid_out: int = 0
    paid_in: int = 0
    forgiven: int = 0
    moved: int = 0
    renewed: int = 0
    origin: str = ""
    overdraft: Overdraft = Overdraft.CARRY
    awaits: str = ""
    lasts: Lasting | None = None
    span: int = 0

    @property
    def remaining(self) -> int:
        """What is left, held or not: below zero it is a debt."""
        taken = self.revoked + self.burned + self.paid_out + self.moved + self.renewed
        return self.granted + self.paid_in + self.forgiven - taken

    @property
    def revocable(self) -> int:
        """What was earned and not taken back; what went on to another lot is that one's."""
        return self.granted - self.revoked - self.renewed

    @property
    def is_sound(self) -> bool:
        """Whether it can have come about: nothing taken that was not there, and above zero nothing owed."""
        taken = (self.revoked, self.burned, self.paid_out, self.paid_in, self.forgiven, self.moved, self.renewed)
        owes_nothing = self.remaining <= 0 or (self.paid_in == 0 and self.forgiven == 0)
        return self.granted > 0 and min(taken) >= 0 and self.revocable >= 0 and self.forgiven <= self.revoked and owes_nothing

    @property
    def is_marked(self) -> bool:
        """Whether a policy follows its debts, or has followed one."""
        return self.overdraft in FOLLOWED or self.paid_in > 0 or self.forgiven > 0

    @property
    def earned_by(self) -> str:
        """The lot id under which the units were earned: its own, or its origin's."""
        return self.origin or self.lot_id

    @property
    def earn_ref(self) -> str:
        """What the units were earned for."""
        return self.earned_by.rpartition("/")[0]

    @property
    def rule(self) -> str:
        """The rule that gave them."""
        # A rule holds no slash, so the last one parts the two.
        return self.earned_by.rpartition("/")[2]

    def is_live(self, at: datetime) -> bool:
        """Say whether an instant lies in ``[available_at, expires_at)``."""
        return self.available_at <= at and not self.awaits and (self.expires_at is None or at < self.expires_at)

    def is_over(self, at: datetime) -> bool:
        """Say whether its time has ended, or the deadline of what it awaits has passed."""
        return (self.expires_at is not None and self.expires_at <= at) or (self.awaits != "" and self.available_at <= at)

    @property
    def grant_key(self) -> tuple[datetime, str]:
        """Place in the order granted: instant, then id."""
        return (self.granted_at, self.lot_id)

    @property
    def burn_key(self) -> tuple[datetime, datetime, str]:
        """Place in the burn order: soonest expiry, then earliest availability, then id."""
        return (self.expires_at or NEVER, self.available_at, self.lot_id)


BurnOrder: TypeAlias = Callable[[Lot], Any]
"""A pure function from a lot to what lots are sorted by; equals are taken by lot id."""


def soonest_expiry(lot: Lot) -> tuple[datetime, datetime]:
    """Burn what expires soonest first: the order that loses the fewest points."""
    return (lot.expires_at or NEVER, lot.available_at)


def oldest_first(lot: Lot) -> datetime:
    """Burn what was earned first."""
    return lot.granted_at


def newest_first(lot: Lot) -> timedelta:
    """Burn what was earned last first."""
    return NEVER - lot.granted_at


@final
class Take(NamedTuple):
    """What one burn, negative adjustment or transfer took, and how much of it was given back.

    Attributes:
        parts: From which lots, in the order taken.
        given_back: Units that went back, the last taken first.
        to: Who got them, of a transfer; empty otherwise.
    """

    parts: tuple[Part, ...]
    given_back: int = 0
    to: str = ""

    @property
    def units(self) -> int:
        """Units taken at first."""
        return sum(part.units for part in self.parts)

    def left(self) -> tuple[Part, ...]:
        """Give the parts that did not go back."""
        return self.going_back(self.units - self.given_back)

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
class Hold(NamedTuple):
    """Units set aside for something that is not paid yet.

    Attributes:
        parts: From which lots, in the order taken.
        until: First instant at which it no longer counts.
        captured: Units that were burned in the end; ``None`` while it is open, 0 when it was given up.
    """

    parts: tuple[Part, ...]
    until: datetime
    captured: int | None = None

    @property
    def units(self) -> int:
        """Units set aside."""
        return sum(part.units for part in self.parts)

    @property
    def is_open(self) -> bool:
        """Whether neither of the two second steps was made; time alone does not resolve it."""
        return self.captured is None


@final
class Span(NamedTuple):
    """The common end of lots that last until some time after the last activity.

    Attributes:
        lasts: How the end is counted.
        opened_at: When the first of its lots was earned.
        active_at: The last activity.
        ends_at: First instant at which its lots can no longer be burned.
        is_closed: Whether something happened after its end: nothing moves it any more.
    """

    lasts: Lasting
    opened_at: datetime
    active_at: datetime
    ends_at: datetime
    is_closed: bool = False


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
    """Where every unit ever granted is.

    ``granted − revoked − burned − held + forgiven − moved = pending + live + expired − debt``

    Attributes:
        granted: Units ever granted.
        revoked: Units taken back because a purchase was.
        burned: Units burned or adjusted away, less what was given back.
        held: Units set aside.
        forgiven: Units of debts that nobody pays.
        moved: Units that went to another account, or on to another lot of this one, where they are granted once more.
        pending: Left on lots that are not yet available.
        live: Left on lots that can be burned.
        expired: Left on lots whose time is over.
        debt: Missing on lots below zero.
    """

    granted: int = 0
    revoked: int = 0
    burned: int = 0
    held: int = 0
    forgiven: int = 0
    moved: int = 0
    pending: int = 0
    live: int = 0
    expired: int = 0
    debt: int = 0

    @property
    def balanced(self) -> bool:
        """Say whether both sides of the equation agree."""
        given = self.granted - self.revoked - self.burned - self.held + self.forgiven - self.moved
        return given == self.pending + self.live + self.expired - self.debt

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


def last_ending(lots: Iterable[Lot], units: int, held: Mapping[str, int]) -> tuple[Part, ...]:
    """Take units from lots, from what ends last on, and nothing that is held.

    Args:
        lots: From which.
        units: How many; fewer are taken where there are not so many.
        held: What is held of each lot.
    """
    left, found = units, list[Part]()
    by_end = sorted(lots, key=lambda lot: (lot.expires_at or NEVER, lot.lot_id), reverse=True)
    for lot in by_end:
        part = min(left, lot.revocable, max(0, lot.remaining - held.get(lot.lot_id, 0)))
        if part:
            found.append(Part(lot.lot_id, part))
            left -= part
    return tuple(found)
