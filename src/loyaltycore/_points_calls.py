"""The calls on points of ``Loyalty``: what is given, taken, held and moved without an order."""

from __future__ import annotations

from datetime import datetime

from loyaltycore._driver import Driver
from loyaltycore._service import ACTOR
from loyaltycore.ledger import (
    Adjusted,
    AdjustmentReversed,
    Burned,
    BurnRefunded,
    Captured,
    Granted,
    Held,
    Released,
    Touched,
    TransferredOut,
    TransferUndone,
    Voided,
)
from loyaltycore.points import POINTS

__all__ = ["PointsCalls"]


class PointsCalls(Driver):
    """Points by hand."""

    __slots__ = ()

    def earn(
        self,
        points: int,
        *,
        member_id: str,
        ref: str,
        expires_at: datetime | None,
        available_at: datetime | None = None,
        rule: str = "gift",
        reason: str = "",
        account: str = POINTS,
        actor: str,
    ) -> Granted:
        """Give points by hand, once for each ``ref``: goodwill, a balance brought from another system.

        Args:
            points: At least 1.
            member_id: Whose.
            ref: The shop's own name for it, for example a ticket.
            expires_at: First instant at which they can no longer be burned; ``None`` never.
            available_at: First instant at which they can be burned; ``None`` is at once.
            rule: Names what they are given for.
            reason: In the shop's words.
            account: Which of the member's accounts.
            actor: Who gives them.

        Raises:
            UsageError: A value out of range or an empty window.
            RefusedError: ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        steps = self._earn(
            points,
            member_id=member_id,
            ref=ref,
            expires_at=expires_at,
            available_at=available_at,
            rule=rule,
            reason=reason,
            account=account,
            actor=actor,
        )
        return self._run(steps)

    def adjust_down(self, points: int, *, member_id: str, ref: str, reason: str, account: str = POINTS, actor: str) -> Adjusted:
        """Take points away by hand, once for each ``ref``.

        Args:
            points: At least 1, at most what is available.
            member_id: Whose.
            ref: The shop's own name for it, for example a ticket.
            reason: In the shop's words.
            account: Which of the member's accounts.
            actor: Who does it.

        Raises:
            RefusedError: ``points_insufficient`` or ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._run(self._adjust_down(points, member_id=member_id, ref=ref, reason=reason, account=account, actor=actor))

    def reverse_adjustment(
        self, adjustment_ref: str, *, member_id: str, ref: str, account: str = POINTS, actor: str
    ) -> AdjustmentReversed:
        """Undo what ``adjust_down`` took, once for each ``ref``.

        Args:
            adjustment_ref: The ``ref`` of the adjustment.
            member_id: Whose.
            ref: The shop's own name for undoing it.
            account: Which of the member's accounts.
            actor: Who does it.

        Raises:
            RefusedError: ``burn_not_found``, ``burn_exceeded`` or ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._run(self._reverse_adjustment(adjustment_ref, member_id=member_id, ref=ref, account=account, actor=actor))

    def burn(self, points: int, *, member_id: str, ref: str, account: str = POINTS, actor: str = ACTOR) -> Burned:
        """Take points for something else than an order of the program, once for each ``ref``; first what the program says.

        Args:
            points: At least 1, at most what is available.
            member_id: Whose.
            ref: The shop's own name for what they pay.
            account: Which of the member's accounts.
            actor: Who asks.

        Raises:
            RefusedError: ``points_insufficient``, ``at_before_last`` or ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._run(self._burn(points, member_id=member_id, ref=ref, account=account, actor=actor))

    def refund_burn(
        self,
        burn_ref: str,
        points: int | None = None,
        *,
        member_id: str,
        ref: str,
        account: str = POINTS,
        actor: str = ACTOR,
    ) -> BurnRefunded:
        """Give burned points back, once for each ``ref``; those of lots that have expired as the program's ``restore`` says.

        Args:
            burn_ref: The ``ref`` of the burn, or of the hold that was captured.
            points: At least 1; ``None`` is all that is left of it.
            member_id: Whose.
            ref: The shop's own name for giving them back.
            account: Which of the member's accounts.
            actor: Who asks.

        Raises:
            RefusedError: ``burn_not_found``, ``burn_exceeded`` or ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._run(self._refund_burn(burn_ref, points, member_id=member_id, ref=ref, account=account, actor=actor))

    def hold(self, points: int, *, member_id: str, ref: str, until: datetime, account: str = POINTS, actor: str = ACTOR) -> Held:
        """Set points aside while something waits for its payment, once for each ``ref``; then ``capture`` or ``void``.

        Args:
            points: At least 1, at most what is available.
            member_id: Whose.
            ref: The shop's own name for what they are to pay.
            until: First instant at which the hold ends by itself.
            account: Which of the member's accounts.
            actor: Who asks.

        Raises:
            UsageError: An end that has passed.
            RefusedError: ``points_insufficient``, ``at_before_last`` or ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._run(self._hold(points, member_id=member_id, ref=ref, until=until, account=account, actor=actor))

    def capture(
        self, hold_ref: str, points: int | None = None, *, member_id: str, account: str = POINTS, actor: str = ACTOR
    ) -> Captured:
        """Burn what was held, once; what is left of the hold goes back. It never fails for balance.

        Args:
            hold_ref: The ``ref`` of the hold; the burn has the same.
            points: At least 1, at most what was held; ``None`` is all.
            member_id: Whose.
            account: Which of the member's accounts.
            actor: Who asks.

        Raises:
            RefusedError: ``hold_not_found``, ``hold_resolved``, ``hold_exceeded`` or ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._run(self._capture(hold_ref, points, member_id=member_id, account=account, actor=actor))

    def void(self, hold_ref: str, *, member_id: str, account: str = POINTS, actor: str = ACTOR) -> Voided:
        """Give a hold up, once.

        Args:
            hold_ref: The ``ref`` of the hold.
            member_id: Whose.
            account: Which of the member's accounts.
            actor: Who asks.

        Raises:
            RefusedError: ``hold_not_found``, ``hold_resolved`` or ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._run(self._void(hold_ref, member_id=member_id, account=account, actor=actor))

    def release(self, event: str, *, member_id: str, ref: str, actor: str = ACTOR) -> tuple[Released, ...]:
        """Make available what an order or an action earned and what waits for an event, once, on every account.

        Args:
            event: What happened, such as ``"delivered"``.
            member_id: Whose.
            ref: The order or the action.
            actor: Who asks.

        Raises:
            RefusedError: ``earning_not_found``, ``release_too_late`` or ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._run(self._release(event, member_id, ref, actor))

    def touch(self, *, member_id: str, ref: str, account: str = POINTS, actor: str = ACTOR) -> Touched:
        """Note that a member was active, once for each ``ref``: ends that are counted from the last activity move on.

        Args:
            member_id: Who.
            ref: The shop's own name for what the member did.
            account: Which of the member's accounts.
            actor: Who asks.

        Raises:
            RefusedError: ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._run(self._touch(member_id=member_id, ref=ref, account=account, actor=actor))

    def transfer(
        self, points: int, *, member_id: str, to: str, ref: str, account: str = POINTS, actor: str = ACTOR
    ) -> TransferredOut:
        """Give points to another member with the terms they have, once for each ``ref``: both accounts move, or none.

        Args:
            points: At least 1, at most what is available.
            member_id: Who gives; a repeated call finds its receipt there.
            to: Who gets them.
            ref: The shop's own name for the transfer.
            account: Of both members.
            actor: Who asks.

        Raises:
            UsageError: A transfer to oneself.
            RefusedError: ``points_insufficient``, ``at_before_last`` or ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._run(self._transfer(points, member_id=member_id, to=to, ref=ref, account=account, actor=actor))

    def undo_transfer(
        self, transfer_ref: str, *, member_id: str, taker: str, account: str = POINTS, actor: str = ACTOR
    ) -> TransferUndone:
        """Undo a transfer, once; what the taker has spent of it becomes a debt there.

        Args:
            transfer_ref: The ``ref`` of the transfer.
            member_id: Who gave.
            taker: Who got the points.
            account: Of both members.
            actor: Who asks.

        Raises:
            RefusedError: ``transfer_not_found`` or ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._run(self._undo_transfer(transfer_ref, member_id=member_id, taker=taker, account=account, actor=actor))
