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
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Self, final

import attrs

from loyaltycore._burning import BurnAnswer, BurnRule
from loyaltycore._checks import check_whole
from loyaltycore._earning import Basis, EarningRule
from loyaltycore.errors import Accepted, Refused
from loyaltycore.facts import Fact, Posting
from loyaltycore.identity import check_id, check_slug, check_text, member_stream
from loyaltycore.ledger import Balance, Books, Expiring, Ledger, Overdraft
from loyaltycore.wire import read_state, write_state

__all__ = [
    "POINTS",
    "Balance",
    "Basis",
    "Books",
    "BurnAnswer",
    "BurnRule",
    "EarningRule",
    "Expiring",
    "Overdraft",
    "PointsAccount",
    "PointsVerbs",
    "Posting",
]

POINTS: Final = "points"
"""Name of a member's main account."""


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

    def check_burn(self, points: int, *, at: datetime) -> Accepted[int] | Refused:
        """Ask whether a burn would go through; never raises for a rule's no.

        Args:
            points: How many, at least 1.
            at: Timezone-aware.

        Returns:
            The points, or ``points_insufficient`` with ``missing_points``, or ``at_before_last``.
        """
        answer = self.ledger.check_burn(points, at=at)
        return Accepted(points) if isinstance(answer, Accepted) else answer

    def earn(
        self,
        points: int,
        *,
        ref: str,
        expires_at: datetime | None,
        available_at: datetime | None = None,
        rule: str = "base",
        at: datetime,
    ) -> Posting[Self]:
        """Give points.

        Args:
            points: How many, at least 1.
            ref: The shop's own name for what earned them, for example an order number.
            expires_at: First instant at which they can no longer be burned; ``None`` never. It has no default:
                forgetting it costs money.
            available_at: First instant at which they can be burned; ``None`` is at once.
            rule: Which rule gave them; with the ref it names the lot.
            at: When they were earned; may lie before the last fact.

        Raises:
            UsageError: A value out of range, an empty window or a naive time.
            RefusedError: ``key_reused``.
        """
        check_id("ref", ref)
        check_slug("rule", rule)
        return self._posting(
            self.ledger.grant(points, ref=ref, rule=rule, available_at=available_at, expires_at=expires_at, at=at)
        )

    def burn(self, points: int, *, ref: str, at: datetime) -> Posting[Self]:
        """Take points, soonest expiry first.

        Args:
            points: How many, at least 1.
            ref: The shop's own name for what they pay, for example an order number.
            at: Not before the last fact.

        Raises:
            RefusedError: ``points_insufficient``, ``at_before_last`` or ``key_reused``.
        """
        return self._posting(self.ledger.burn(points, ref=check_id("ref", ref), at=at))

    def refund_burn(self, burn_ref: str, points: int | None = None, *, ref: str, at: datetime) -> Posting[Self]:
        """Give burned points back to the lots they came from, the last taken first.

        Args:
            burn_ref: The ``ref`` of the burn.
            points: How many, at least 1; ``None`` is all that is left of it.
            ref: The shop's own name for the return.
            at: May lie before the last fact. Points of a lot that has expired meanwhile stay expired.

        Raises:
            RefusedError: ``burn_not_found``, ``burn_exceeded`` or ``key_reused``.
        """
        return self._posting(self.ledger.refund_burn(burn_ref, points, ref=check_id("ref", ref), at=at))

    def revoke(
        self, earn_ref: str, points: int | None = None, *, ref: str, overdraft: Overdraft, rule: str | None = None, at: datetime
    ) -> Posting[Self]:
        """Take earned points back, because what earned them was returned.

        Args:
            earn_ref: The ``ref`` they were earned for.
            points: How many, at least 1; ``None`` is all that is not yet revoked.
            ref: The shop's own name for the return.
            overdraft: What happens when some were spent already. There is no default: it costs money.
            rule: Only what this rule gave; ``None`` is from all its lots, the latest first.
            at: May lie before the last fact.

        Raises:
            RefusedError: ``earning_not_found``, ``earning_exceeded``, ``key_reused``, or under ``Overdraft.REJECT``
                ``points_insufficient``.
        """
        return self._posting(
            self.ledger.revoke(earn_ref, points, ref=check_id("ref", ref), overdraft=overdraft, rule=rule, at=at)
        )

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
        return self._posting(self.ledger.adjust_down(points, ref=check_id("ref", ref), reason=reason, actor=actor, at=at))

    def reverse_adjustment(self, adjustment_ref: str, *, ref: str, at: datetime) -> Posting[Self]:
        """Undo an adjustment: its points go back to their lots.

        Args:
            adjustment_ref: The ``ref`` of the adjustment.
            ref: The shop's own name for undoing it.
            at: May lie before the last fact.

        Raises:
            RefusedError: ``burn_not_found``, ``burn_exceeded`` or ``key_reused``.
        """
        return self._posting(self.ledger.reverse_adjustment(adjustment_ref, ref=check_id("ref", ref), at=at))

    def _posting(self, facts: Sequence[Fact]) -> Posting[Self]:
        state = self.folded(facts) if facts else self
        return Posting(state, facts=tuple(facts), stream=member_stream(self.member_id), version=self.version)


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
