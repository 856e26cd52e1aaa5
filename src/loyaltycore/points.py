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
from enum import StrEnum
from fractions import Fraction
from math import ceil
from typing import Any, Final, Self, final

import attrs

from loyaltycore._checks import check_count, check_kind, check_whole
from loyaltycore.errors import Accepted, Reason, Refusal, Refused, UsageError
from loyaltycore.facts import Fact, Posting
from loyaltycore.identity import check_id, check_slug, check_text, labels, member_stream
from loyaltycore.ledger import Balance, Books, Expiring, Ledger, Overdraft
from loyaltycore.periods import Calendar, Term
from loyaltycore.quantities import Rate, Rounding, allocate
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


class Basis(StrEnum):
    """Of which price points are earned: before offers, after offers, or after offers and burned points."""

    LIST = "list"
    DISCOUNTED = "discounted"
    PAID = "paid"


@final
@attrs.frozen(kw_only=True)
class EarningRule:
    """So many points for each whole step of money spent on an order.

    Attributes:
        rule_id: Names the lot together with the order.
        points: Points a step, at least 1.
        per_minor: Money a step in minor units, at least 1. Only whole steps count, so there is nothing to round.
        basis: Of which price.
        exclude_tags: Lines with one of these tags earn nothing.
        pending: Until when the points wait, from the order on; ``None`` is at once.
        expires: How long they can be burned, from when they can be; ``None`` for ever.
    """

    rule_id: str
    points: int
    per_minor: int
    basis: Basis
    exclude_tags: frozenset[str] = attrs.field(default=frozenset(), converter=labels)
    pending: Term | None
    expires: Term | None

    def __attrs_post_init__(self) -> None:
        """Check the step."""
        check_slug("rule_id", self.rule_id)
        check_kind("basis", self.basis, Basis)
        check_count("points", self.points)
        check_count("per_minor", self.per_minor)

    def earned(self, basis_minor: Sequence[int]) -> tuple[int, tuple[int, ...]]:
        """Give the points of an order, and their shares by unit group.

        Args:
            basis_minor: What each group counts for, 0 for those that earn nothing.

        Returns:
            ``points · floor(sum / per_minor)``, and shares in proportion that sum to it.

        Example:
            >>> rule = EarningRule(rule_id="base", points=1, per_minor=100, basis=Basis.PAID, pending=None, expires=None)
            >>> rule.earned((7191, 1125))
            (83, (72, 11))
        """
        points = self.points * (sum(basis_minor) // self.per_minor)
        return points, allocate(points, basis_minor)

    def terms(self, at: datetime, *, calendar: Calendar) -> tuple[datetime, datetime | None]:
        """Give ``available_at`` and ``expires_at`` of what is earned at an instant."""
        available_at = at if self.pending is None else self.pending.end_after(at, calendar=calendar)
        return available_at, None if self.expires is None else self.expires.end_after(available_at, calendar=calendar)


@final
@attrs.frozen(kw_only=True)
class BurnAnswer:
    """What became of the points a shopper wants to burn.

    Attributes:
        asked: Points asked.
        granted: Points that will be burned: the most that is allowed, at most what was asked.
        discount_minor: What they take off, in minor units.
        refusal: Why fewer are granted than asked; ``None`` when all that take something off are.
    """

    asked: int = 0
    granted: int = 0
    discount_minor: int = 0
    refusal: Refusal | None = None


@final
@attrs.frozen(kw_only=True)
class BurnRule:
    """Points as a discount.

    Attributes:
        worth_minor: Minor units a point is worth: ``Rate.times("1")`` is 0.01 EUR a point.
        minimum: The fewest points burned at once, at least 1.
        share: Of the goods, after offers, that points may pay at most; ``None`` all.
        exclude_tags: Lines with one of these tags are not paid with points.
    """

    worth_minor: Rate
    minimum: int
    share: Rate | None
    exclude_tags: frozenset[str] = attrs.field(default=frozenset(), converter=labels)

    def __attrs_post_init__(self) -> None:
        """Refuse worthless points, and a share above the whole."""
        check_count("minimum", self.minimum)
        if self.worth_minor.factor == 0 or (self.share is not None and not 0 < self.share.factor <= 1):
            msg = f"a point must be worth something and share lie in (0 %, 100 %], got {self.worth_minor!r}, {self.share!r}"
            raise UsageError(msg)

    def answer(self, asked: int, *, available: int, goods_minor: int) -> BurnAnswer:
        """Decide how many points are burned.

        Args:
            asked: At least 0; 0 asks for nothing.
            available: Points that can be burned.
            goods_minor: What is left to pay, after offers, of goods that points may pay.

        Returns:
            Fewer than asked with ``points_insufficient``, ``points_above_share`` or ``points_below_minimum``. Where a point is
            worth less than a minor unit, those that would take nothing more off are left with the member, without a refusal.
        """
        check_whole("burn", asked, low=0)
        most_minor = goods_minor if self.share is None else self.share.of_whole(goods_minor, rounding=Rounding.DOWN)
        by_share = int(Fraction(most_minor) / self.worth_minor.factor)
        needed = max(self.minimum, self._points_for(1))
        allowed = min(asked, available, by_share)
        discount_minor = self.worth_minor.of_whole(allowed, rounding=Rounding.DOWN) if allowed >= needed else 0
        granted = self._points_for(discount_minor)
        refusal = None
        if available < asked:
            details = {"asked_points": asked, "available_points": available, "missing_points": asked - available}
            refusal = Refusal(Reason.POINTS_INSUFFICIENT, details)
        elif by_share < asked:
            refusal = Refusal(Reason.POINTS_ABOVE_SHARE, {"asked_points": asked, "granted_points": granted})
        elif 0 < asked < needed:
            details = {"asked_points": asked, "needed_points": needed, "missing_points": needed - asked}
            refusal = Refusal(Reason.POINTS_BELOW_MINIMUM, details)
        return BurnAnswer(asked=asked, granted=granted, discount_minor=discount_minor, refusal=refusal)

    def _points_for(self, discount_minor: int) -> int:
        """Give the fewest points that take so much off."""
        return ceil(discount_minor / self.worth_minor.factor)
