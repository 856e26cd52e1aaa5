"""What happens on the accounts of a ledger."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, final

import attrs

from loyaltycore._checks import check_count, check_whole, keep_in_utc
from loyaltycore._lots import Overdraft, Part
from loyaltycore.facts import Fact
from loyaltycore.periods import Lasting

__all__ = [
    "Adjusted",
    "AdjustmentReversed",
    "BurnRefunded",
    "Burned",
    "Captured",
    "ExpiryReported",
    "Forgiven",
    "ForgivenessTakenBack",
    "Granted",
    "Held",
    "LedgerFact",
    "MovedLot",
    "Released",
    "Renewed",
    "Revoked",
    "Settled",
    "SettlementUndone",
    "Touched",
    "TransferUndone",
    "TransferredIn",
    "TransferredOut",
    "Voided",
]


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
        available_at: First instant they can be burned; while an event is awaited, the deadline for it.
        expires_at: First instant they no longer can; ``None`` never, or as ``lasts`` says.
        awaits: The event that makes them available; empty when none does.
        lasts: How their end is counted, where it is not known yet.
        reason: Why, in the shop's words, where somebody gave them by hand.
        actor: Who did.
    """

    kind: ClassVar[str] = "ledger.granted"
    rule: str
    units: int
    available_at: datetime
    expires_at: datetime | None = None
    awaits: str = ""
    lasts: Lasting | None = None
    reason: str = ""
    actor: str = ""

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
class Released(LedgerFact):
    """What was awaited happened: the lots can be burned from now on.

    Attributes:
        event: What happened.
        lots: Which lots.
    """

    kind: ClassVar[str] = "ledger.released"
    event: str
    lots: tuple[str, ...]


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
class Renewed(LedgerFact):
    """Units that had come back to lots whose time was over went on to lots ``<ref>/renewed-N`` with a later end.

    Attributes:
        parts: From which lots; N counts them from 1.
        expires_at: First instant at which they can no longer be burned.
    """

    kind: ClassVar[str] = "ledger.renewed"
    parts: tuple[Part, ...]
    expires_at: datetime


@final
@attrs.frozen(kw_only=True)
class Revoked(LedgerFact):
    """Earned units were taken back, because what earned them was.

    Attributes:
        earn_ref: What they were earned for; empty where a rule took back its latest.
        parts: From which lots; a lot may go below zero.
        overdraft: What happens then.
    """

    kind: ClassVar[str] = "ledger.revoked"
    earn_ref: str
    parts: tuple[Part, ...]
    overdraft: Overdraft = Overdraft.CARRY


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


@final
@attrs.frozen(kw_only=True)
class Held(LedgerFact):
    """Units were set aside for what ``ref`` names, which is not paid yet.

    Attributes:
        parts: From which lots, in the order taken.
        until: First instant at which the hold no longer counts.
    """

    kind: ClassVar[str] = "ledger.held"
    parts: tuple[Part, ...]
    until: datetime


@final
@attrs.frozen(kw_only=True)
class Captured(LedgerFact):
    """Held units were burned, and the rest of the hold given back: a burn named as the hold.

    Attributes:
        parts: From which lots, in the order taken.
        late: Whether the hold had ended before; what was paid is burned all the same.
    """

    kind: ClassVar[str] = "ledger.captured"
    parts: tuple[Part, ...]
    late: bool = False


@final
@attrs.frozen(kw_only=True)
class Voided(LedgerFact):
    """A hold was given up: all of its units are where they were."""

    kind: ClassVar[str] = "ledger.voided"


@final
@attrs.frozen(kw_only=True)
class Settled(LedgerFact):
    """Lots paid the debt of another.

    Attributes:
        debtor_id: The lot below zero.
        parts: From which lots.
    """

    kind: ClassVar[str] = "ledger.settled"
    debtor_id: str
    parts: tuple[Part, ...]


@final
@attrs.frozen(kw_only=True)
class SettlementUndone(LedgerFact):
    """A debt was less than had been paid for it: lots were paid back, the last that had paid first.

    Attributes:
        debtor_id: The lot whose debt it was.
        parts: To which lots.
    """

    kind: ClassVar[str] = "ledger.settlement_undone"
    debtor_id: str
    parts: tuple[Part, ...]


@final
@attrs.frozen(kw_only=True)
class Forgiven(LedgerFact):
    """Debts that nobody pays.

    Attributes:
        parts: Of which lots.
    """

    kind: ClassVar[str] = "ledger.forgiven"
    parts: tuple[Part, ...]


@final
@attrs.frozen(kw_only=True)
class ForgivenessTakenBack(LedgerFact):
    """Debts were less than had been forgiven.

    Attributes:
        parts: Of which lots.
    """

    kind: ClassVar[str] = "ledger.forgiveness_taken_back"
    parts: tuple[Part, ...]


@final
@attrs.frozen(kw_only=True)
class TransferredOut(LedgerFact):
    """Units went to another account.

    Attributes:
        parts: From which lots, in the order taken.
        to: Whose account, or which.
    """

    kind: ClassVar[str] = "ledger.transferred_out"
    parts: tuple[Part, ...]
    to: str


@final
@attrs.frozen(kw_only=True)
class MovedLot:
    """Units that came from a lot of another account, with its terms.

    Attributes:
        units: How many.
        granted_at: As on the lot they came from.
        available_at: As on the lot they came from.
        expires_at: As on the lot they came from; one that was counted from the last activity there is fixed now.
    """

    units: int
    granted_at: datetime
    available_at: datetime
    expires_at: datetime | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse to move nothing, and keep instants in UTC."""
        check_count("units", self.units)
        keep_in_utc(self, "granted_at", "available_at", "expires_at")


@final
@attrs.frozen(kw_only=True)
class TransferredIn(LedgerFact):
    """Units came from another account: new lots ``<ref>/moved-N`` with the terms they had there.

    Attributes:
        lots: One for each lot they came from; N counts them from 1.
        giver: Whose account, or which.
    """

    kind: ClassVar[str] = "ledger.transferred_in"
    lots: tuple[MovedLot, ...]
    giver: str


@final
@attrs.frozen(kw_only=True)
class TransferUndone(LedgerFact):
    """A transfer was undone, on the giver's account or on the taker's.

    Attributes:
        parts: To the giver's lots, or from the taker's.
        taken_back: Whether this is the taker's account.
    """

    kind: ClassVar[str] = "ledger.transfer_undone"
    parts: tuple[Part, ...]
    taken_back: bool = False


@final
@attrs.frozen(kw_only=True)
class Touched(LedgerFact):
    """Somebody was active: ends that are counted from the last activity move on."""

    kind: ClassVar[str] = "ledger.touched"


@final
@attrs.frozen(kw_only=True)
class ExpiryReported(LedgerFact):
    """What has expired so far was written down; it moves nothing.

    Attributes:
        units: All that lie on lots whose time is over.
    """

    kind: ClassVar[str] = "ledger.expiry_reported"
    units: int

    def __attrs_post_init__(self) -> None:
        """Refuse a number below nothing."""
        super().__attrs_post_init__()
        check_whole("units", self.units, low=0)
