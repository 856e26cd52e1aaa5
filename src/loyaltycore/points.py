"""Points: earned, pending, burned, given back, expired.

``PointsAccount`` is one member's points as a pure value: no repository, no clock, no ids but the shop's own. Its commands
decide and change nothing; keep ``posting.state``. ``EarningRule`` and ``BurnRule`` say how a program gives and takes points.

Invariants:
    1. ``available(at) >= 0``, and for ``at`` not before the last fact a burn succeeds exactly when it asks no more.
    2. Expiry and availability are derived: right at any instant, without a nightly job.
    3. ``replay`` of all facts gives an equal account.
    4. The same ``ref`` again changes nothing; with other content it is refused as ``key_reused``.
    5. Refund every burn and revoke every earning, in any order: every lot and every debt is zero.

>>> from datetime import UTC, datetime
>>> at = datetime(2026, 1, 1, tzinfo=UTC)
>>> account = PointsAccount.open("m-42").earn(120, ref="order-1", expires_at=None, at=at).state
>>> account = account.burn(100, ref="order-2", at=at).state
>>> account.balance(at=at)
Balance(available=20, pending=0, held=0, debt=0)
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Generic, Self, TypeVar, final

import attrs

from loyaltycore._burning import BurnAnswer, BurnRule
from loyaltycore._checks import check_kind, check_whole
from loyaltycore._earning import (
    POINTS,
    Action,
    Basis,
    Caps,
    CarryOver,
    Combine,
    EarningAnswer,
    EarningRule,
    EarningWhen,
    Filter,
    Flat,
    Multiplier,
    Over,
    OwnRule,
    Percent,
    PriceState,
    Shipping,
    Step,
    Times,
)
from loyaltycore._statement import Movement, Statement, StatementLine, statement
from loyaltycore.errors import Accepted, Refused, UsageError
from loyaltycore.facts import Fact, Posting
from loyaltycore.identity import check_id, check_slug, check_text, member_stream
from loyaltycore.ledger import (
    Balance,
    Books,
    BurnOrder,
    Expiring,
    Ledger,
    Overdraft,
    newest_first,
    oldest_first,
    soonest_expiry,
)
from loyaltycore.periods import Lasting
from loyaltycore.wire import read_state, write_state

__all__ = [
    "POINTS",
    "Action",
    "Balance",
    "Basis",
    "Books",
    "BurnAnswer",
    "BurnOrder",
    "BurnRule",
    "Caps",
    "CarryOver",
    "Combine",
    "EarningAnswer",
    "EarningRule",
    "EarningWhen",
    "Expiring",
    "Filter",
    "Flat",
    "Movement",
    "Multiplier",
    "Over",
    "Overdraft",
    "OwnRule",
    "Percent",
    "PointsAccount",
    "PointsVerbs",
    "Posting",
    "PriceState",
    "Shipping",
    "Statement",
    "StatementLine",
    "Step",
    "Times",
    "Transferred",
    "newest_first",
    "oldest_first",
    "soonest_expiry",
    "statement",
]

A = TypeVar("A", bound="PointsVerbs")


class PointsVerbs:
    """The verbs of an account: the same on ``PointsAccount`` and, for its main account, on ``Membership``."""

    __slots__ = ()

    member_id: str
    version: int

    @property
    @abstractmethod
    def ledger(self) -> Ledger:
        """The lots of the account."""

    @abstractmethod
    def folded(self, facts: Iterable[Fact]) -> Self:
        """Give the state after more facts."""

    def posting(self, facts: Iterable[Fact]) -> Posting[Self]:
        """Put facts that were decided elsewhere into a posting."""
        more = tuple(facts)
        state = self.folded(more) if more else self
        return Posting(state, facts=more, stream=member_stream(self.member_id), version=self.version)

    def available(self, *, at: datetime) -> int:
        """Say how many points can be burned at an instant.

        Args:
            at: Timezone-aware; ``at == expires_at`` of a lot is too late for it.
        """
        return self.ledger.available(at=at)

    def balance(self, *, at: datetime) -> Balance:
        """Sum the account up at an instant: available, pending, held, debt."""
        return self.ledger.balance(at=at)

    def books(self, *, at: datetime) -> Books:
        """Say where every point ever granted is at an instant."""
        return self.ledger.books(at=at)

    def expiring(self, *, after: datetime, before: datetime | None = None) -> tuple[Expiring, ...]:
        """List what will expire in ``[after, before)``, soonest first, if nothing is burned; ``None`` has no end."""
        return self.ledger.expiring(after=after, before=before)

    def check_burn(self, points: int, *, order: BurnOrder = soonest_expiry, at: datetime) -> Accepted[int] | Refused:
        """Ask whether a burn would go through; never raises for a rule's no.

        Args:
            points: How many, at least 1.
            order: What is burned first.
            at: Timezone-aware.

        Returns:
            The points, or ``points_insufficient`` with ``missing_points``, or ``at_before_last``.
        """
        answer = self.ledger.check_burn(points, order=order, at=at)
        return Accepted(points) if isinstance(answer, Accepted) else answer

    def earn(
        self,
        points: int,
        *,
        ref: str,
        expires_at: datetime | None,
        available_at: datetime | None = None,
        rule: str = "base",
        awaits: str = "",
        lasts: Lasting | None = None,
        reason: str = "",
        actor: str = "",
        at: datetime,
    ) -> Posting[Self]:
        """Give points.

        Args:
            points: How many, at least 1.
            ref: The shop's own name for what earned them, for example an order number.
            expires_at: First instant at which they can no longer be burned; ``None`` never, or as ``lasts`` says. It has no
                default: forgetting it costs money.
            available_at: First instant at which they can be burned; ``None`` is at once. With ``awaits``, the deadline.
            rule: Which rule gave them; with the ref it names the lot.
            awaits: The event that makes them available, if it happens before the deadline (see ``release``).
            lasts: How their end is counted where it is not known yet: from the release, or from the last activity.
            reason: Why, in the shop's words, where somebody gives them by hand.
            actor: Who does.
            at: When they were earned; may lie before the last fact.

        Raises:
            UsageError: A value out of range, an empty window or a naive time.
            RefusedError: ``key_reused``.
        """
        check_id("ref", ref)
        check_slug("rule", rule)
        for name, text in (("reason", reason), ("actor", actor)):
            if text:
                check_text(name, text)
        return self.posting(
            self.ledger.grant(
                points,
                ref=ref,
                rule=rule,
                available_at=available_at,
                expires_at=expires_at,
                awaits=check_slug("awaits", awaits) if awaits else "",
                lasts=lasts,
                reason=reason,
                actor=actor,
                at=at,
            )
        )

    def release(self, earn_ref: str, *, event: str, at: datetime) -> Posting[Self]:
        """Make points available that awaited an event.

        Args:
            earn_ref: The ``ref`` they were earned for.
            event: What happened, for example ``"delivered"``.
            at: Before the deadline; may lie before the last fact.

        Raises:
            RefusedError: ``earning_not_found`` where nothing awaits it, or ``release_too_late``.
        """
        return self.posting(self.ledger.release(check_id("earn_ref", earn_ref), event=check_slug("event", event), at=at))

    def burn(self, points: int, *, ref: str, order: BurnOrder = soonest_expiry, at: datetime) -> Posting[Self]:
        """Take points, soonest expiry first unless another order is given.

        Args:
            points: How many, at least 1.
            ref: The shop's own name for what they pay, for example an order number.
            order: What is burned first: a pure function from a lot to what lots are sorted by.
            at: Not before the last fact.

        Raises:
            RefusedError: ``points_insufficient``, ``at_before_last`` or ``key_reused``.
        """
        return self.posting(self.ledger.burn(points, ref=check_id("ref", ref), order=order, at=at))

    def hold(self, points: int, *, ref: str, until: datetime, order: BurnOrder = soonest_expiry, at: datetime) -> Posting[Self]:
        """Set points aside while an order waits for its payment; then ``capture`` or ``void``.

        Args:
            points: How many, at least 1.
            ref: The shop's own name for what they are to pay; the burn that may follow has the same.
            until: First instant at which the hold ends by itself, with no job to run; held again under the same ref, the
                first counts.
            order: What is taken first.
            at: Not before the last fact.

        Raises:
            UsageError: An end that is not after ``at``.
            RefusedError: ``points_insufficient``, ``at_before_last`` or ``key_reused``.
        """
        return self.posting(self.ledger.hold(points, ref=check_id("ref", ref), until=until, order=order, at=at))

    def capture(self, hold_ref: str, points: int | None = None, *, at: datetime) -> Posting[Self]:
        """Burn what was held; the rest of the hold goes back. It never fails for balance.

        Args:
            hold_ref: The ``ref`` of the hold, and of the burn that this makes: ``refund_burn`` takes it.
            points: How many, at least 1, at most what was held; ``None`` is all.
            at: May lie before the last fact. After the end of the hold it is late and burned all the same, below zero where
                somebody else was faster: a paid order is never refused.

        Raises:
            RefusedError: ``hold_not_found``, ``hold_resolved``, ``hold_exceeded`` or ``key_reused``.
        """
        return self.posting(self.ledger.capture(check_id("hold_ref", hold_ref), points, at=at))

    def void(self, hold_ref: str, *, at: datetime) -> Posting[Self]:
        """Give a hold up: its points are where they were, expired where their time is over.

        Args:
            hold_ref: The ``ref`` of the hold.
            at: May lie before the last fact.

        Raises:
            RefusedError: ``hold_not_found``, or ``hold_resolved`` where it was captured.
        """
        return self.posting(self.ledger.void(check_id("hold_ref", hold_ref), at=at))

    def refund_burn(
        self, burn_ref: str, points: int | None = None, *, ref: str, extended_until: datetime | None = None, at: datetime
    ) -> Posting[Self]:
        """Give burned points back to the lots they came from, the last taken first.

        Args:
            burn_ref: The ``ref`` of the burn.
            points: How many, at least 1; ``None`` is all that is left of it.
            ref: The shop's own name for the return.
            extended_until: Points of a lot that has expired meanwhile can be burned until then; ``None`` leaves them expired.
            at: May lie before the last fact.

        Raises:
            RefusedError: ``burn_not_found``, ``burn_exceeded`` or ``key_reused``.
        """
        return self.posting(
            self.ledger.refund_burn(
                check_id("burn_ref", burn_ref), points, ref=check_id("ref", ref), extended_until=extended_until, at=at
            )
        )

    def revoke(
        self,
        earn_ref: str | None,
        points: int | None = None,
        *,
        ref: str,
        overdraft: Overdraft,
        rule: str | None = None,
        at: datetime,
    ) -> Posting[Self]:
        """Take earned points back, because what earned them was returned.

        Args:
            earn_ref: The ``ref`` they were earned for; ``None`` is whatever a rule gave, the latest first.
            points: How many, at least 1; ``None`` is all that is not yet revoked.
            ref: The shop's own name for the return.
            overdraft: What happens when some were spent already. There is no default: it costs money.
            rule: Only what this rule gave; ``None`` is from all its lots, the latest first.
            at: May lie before the last fact.

        Raises:
            RefusedError: ``earning_not_found``, ``earning_exceeded``, ``key_reused``, or under ``Overdraft.REJECT``
                ``points_insufficient``.
        """
        if earn_ref is not None:
            check_id("earn_ref", earn_ref)
        return self.posting(self.ledger.revoke(earn_ref, points, ref=check_id("ref", ref), overdraft=overdraft, rule=rule, at=at))

    def adjust_down(self, points: int, *, ref: str, reason: str, actor: str, at: datetime) -> Posting[Self]:
        """Take points away by hand; giving by hand is ``earn`` with a rule of its own.

        Args:
            points: How many, at least 1, at most what is available.
            ref: The shop's own name for it, for example a ticket.
            reason: In the shop's words.
            actor: Who does it.
            at: May lie before the last fact.

        Raises:
            RefusedError: ``points_insufficient`` or ``key_reused``.
        """
        check_text("reason", reason)
        check_id("actor", actor)
        return self.posting(self.ledger.adjust_down(points, ref=check_id("ref", ref), reason=reason, actor=actor, at=at))

    def reverse_adjustment(self, adjustment_ref: str, *, ref: str, at: datetime) -> Posting[Self]:
        """Undo an adjustment: its points go back to their lots.

        Args:
            adjustment_ref: The ``ref`` of the adjustment.
            ref: The shop's own name for undoing it.
            at: May lie before the last fact.

        Raises:
            RefusedError: ``burn_not_found``, ``burn_exceeded`` or ``key_reused``.
        """
        return self.posting(
            self.ledger.reverse_adjustment(check_id("adjustment_ref", adjustment_ref), ref=check_id("ref", ref), at=at)
        )

    def transfer(self, points: int, *, to: A, ref: str, at: datetime) -> Transferred[Self, A]:
        """Give points to another member, in burn order and with the terms they have: nothing lives longer for it.

        Args:
            points: How many, at least 1, at most what is available.
            to: Who gets them, on the same account.
            ref: The shop's own name for the transfer.
            at: Not before the last fact of the giver.

        Returns:
            The two postings; keep both, or none.

        Raises:
            UsageError: A transfer to oneself, or to another kind of account.
            RefusedError: ``points_insufficient``, ``at_before_last`` or ``key_reused``.
        """
        self._check_other(to)
        check_id("ref", ref)
        giver = self.posting(self.ledger.transfer_out(points, ref=ref, to=to.member_id, at=at))
        lots = giver.state.ledger.moved_lots(ref)
        return Transferred(giver=giver, taker=to.posting(to.ledger.transfer_in(lots, ref=ref, giver=self.member_id, at=at)))

    def undo_transfer(self, transfer_ref: str, *, taker: A, at: datetime) -> Transferred[Self, A]:
        """Undo a transfer; what the taker has spent of it becomes a debt there.

        Args:
            transfer_ref: The ``ref`` of the transfer.
            taker: Who got the points.
            at: May lie before the last fact.

        Raises:
            UsageError: A taker who is the giver.
            RefusedError: ``transfer_not_found``, on either side.
        """
        self._check_other(taker)
        giver = self.posting(self.ledger.undo_transfer_out(check_id("transfer_ref", transfer_ref), to=taker.member_id, at=at))
        return Transferred(
            giver=giver, taker=taker.posting(taker.ledger.undo_transfer_in(transfer_ref, giver=self.member_id, at=at))
        )

    def touch(self, *, ref: str, at: datetime) -> Posting[Self]:
        """Note that the member was active: points that last until some time after the last activity last longer.

        Earning, burning and holding are activities by themselves.

        Args:
            ref: The shop's own name for what the member did.
            at: May lie before the last fact.
        """
        return self.posting(self.ledger.touch(ref=check_id("ref", ref), at=at))

    def report_expired(self, *, ref: str, at: datetime) -> Posting[Self]:
        """Write down what has expired so far, for the books of the shop; it moves nothing, and nothing waits for it.

        Args:
            ref: The shop's own name for the report, for example the month.
            at: Up to when.
        """
        return self.posting(self.ledger.report_expired(ref=check_id("ref", ref), at=at))

    def _check_other(self, other: PointsVerbs) -> None:
        check_kind("the other member", other, PointsVerbs)  # type: ignore[type-abstract]  # whoever has the verbs
        if other.member_id == self.member_id or other.ledger.account != self.ledger.account:
            mine = f"{self.member_id!r} on {self.ledger.account!r}"
            msg = f"a transfer must go between two members on one account, got {mine} and {other.member_id!r} on "
            raise UsageError(msg + repr(other.ledger.account))


G_co = TypeVar("G_co", covariant=True)
T_co = TypeVar("T_co", covariant=True)


@final
@attrs.frozen(kw_only=True)
class Transferred(Generic[G_co, T_co]):
    """What a transfer decides, or its undoing.

    Attributes:
        giver: The posting of who gives.
        taker: The posting of who gets; both are kept, or none.
    """

    giver: Posting[G_co]
    taker: Posting[T_co]


@final
@attrs.frozen(kw_only=True)
class PointsAccount(PointsVerbs):
    """One member's points.

    Attributes:
        member_id: The shop's own, opaque.
        version: Facts folded so far.
        ledger: The lots.
    """

    member_id: str
    version: int = 0
    ledger: Ledger = Ledger(account=POINTS)

    def __attrs_post_init__(self) -> None:
        """Check the id and the version."""
        check_id("member_id", self.member_id)
        check_whole("version", self.version, low=0)

    @classmethod
    def open(cls, member_id: str) -> PointsAccount:
        """Start an account with nothing in it; needs no fact."""
        return cls(member_id=member_id)

    @classmethod
    def replay(cls, member_id: str, facts: Iterable[Fact]) -> PointsAccount:
        """Fold all facts of an account.

        Complexity:
            O(facts).
        """
        return cls.open(member_id).folded(facts)

    def folded(self, facts: Iterable[Fact]) -> PointsAccount:
        """Give the account after more facts.

        Raises:
            CorruptStateError: A fact that cannot follow.
        """
        more = tuple(facts)
        return attrs.evolve(self, version=self.version + len(more), ledger=self.ledger.folded(more))

    @property
    def due_at(self) -> datetime | None:
        """When time next brings something that was not reported, an expiry or the end of a hold; ``None`` if nothing does."""
        return self.ledger.due_at

    def to_dict(self) -> dict[str, Any]:
        """Write the account as JSON values, for one column beside the customer."""
        return write_state(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PointsAccount:
        """Read what ``to_dict`` wrote.

        Raises:
            CorruptStateError: Anything else.
        """
        account = read_state(cls, data)
        account.ledger.checked()
        return account
