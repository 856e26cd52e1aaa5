"""Referrals: how one friend came, and what became of it.

A friend joins with an advocate's code; an order that meets the conditions qualifies him; when it can no longer come back the
advocate is rewarded. It is the stream ``referral/<friend>``: a friend's orders write here, and never to the advocate.

=============  ================================================  =============================
 from           what happens                                      to
=============  ================================================  =============================
 none           ``refuse``                                        refused
 refused        ``refuse``, with another code                     refused
 none           ``join``                                          joined
 refused        ``join``                                          joined
 joined         ``qualify``                                       qualified
 reversed       ``qualify``                                       qualified
 qualified      ``unqualify``, and no other order qualifies       as before it was qualified
 qualified      ``reward``, from ``due_at`` on                    rewarded
 qualified      ``reject``                                        rejected
 joined         ``reject``                                        rejected
 reversed       ``reject``                                        rejected
 rejected       ``reward``, where a limit had kept it back        rewarded
 rewarded       ``unqualify``, and no other order qualifies       reversing
 rejected       the same, where a limit had kept it back          reversing
 reversing      ``reverse``                                       reversed, or qualified again
=============  ================================================  =============================

Invariants:
    1. A friend has at most one advocate, and is never his own.
    2. A friend is rewarded for at most once at a time: again only after the reward was reversed.
    3. Doing what was done changes nothing.

>>> from datetime import UTC, datetime
>>> now = datetime(2026, 7, 1, 10, tzinfo=UTC)
>>> joined = Referral.open("m-77").join("friends", advocate_id="m-42", code="VELO-7KQ2-88AB", at=now).state
>>> bought = joined.qualify("1001", due_at=datetime(2026, 7, 31, 22, tzinfo=UTC), at=now).state
>>> joined.status.value, bought.status.value, bought.unqualify("1001", return_id="r-1", at=now).state.status.value
('joined', 'qualified', 'joined')
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Final, final

import attrs

from loyaltycore._checks import check_instant, check_kind, check_mapping, check_whole, keep_in_utc
from loyaltycore._frozen import FrozenMap
from loyaltycore.errors import CorruptStateError, Detail, Reason, Refusal, RefusedError, UsageError
from loyaltycore.facts import Fact, Posting
from loyaltycore.identity import check_id, check_slug, check_text, referral_stream
from loyaltycore.wire import instant_text, read_state, write_state

__all__ = [
    "Denial",
    "QualifyingOrder",
    "Referral",
    "ReferralJoined",
    "ReferralQualified",
    "ReferralRefused",
    "ReferralRejected",
    "ReferralReversed",
    "ReferralRewarded",
    "ReferralStatus",
    "ReferralUnqualified",
]

CODE_LIMIT: Final = 64
"""Characters kept of what was typed as a code: longer text is no code."""


class ReferralStatus(StrEnum):
    """Where a referral stands."""

    NONE = "none"
    REFUSED = "refused"
    JOINED = "joined"
    QUALIFIED = "qualified"
    REWARDED = "rewarded"
    REJECTED = "rejected"
    REVERSING = "reversing"
    REVERSED = "reversed"


_NOT_JOINED: Final = frozenset({ReferralStatus.NONE, ReferralStatus.REFUSED})


def _as_text(details: Mapping[str, Detail]) -> FrozenMap[str, str]:
    """Keep details as text: they are for people who look into a case."""
    found = check_mapping("details", details)
    return FrozenMap({name: ", ".join(value) if isinstance(value, tuple) else str(value) for name, value in found.items()})


@final
@attrs.frozen(kw_only=True)
class ReferralJoined(Fact):
    """A friend came with an advocate's code.

    Attributes:
        friend_id: Who came.
        program_id: The referral program.
        advocate_id: Whose code it was.
        code: As ``fold_code`` gives it.
        coupon_id: The coupon that the friend holds for it; empty where there is none.
    """

    kind: ClassVar[str] = "referral.joined"
    friend_id: str
    program_id: str
    advocate_id: str
    code: str = ""
    coupon_id: str = ""


@final
@attrs.frozen(kw_only=True)
class ReferralRefused(Fact):
    """A friend came with a code that could not be taken; the sign-up went on.

    Attributes:
        friend_id: Who came.
        program_id: The referral program.
        reason: The first reason; for the log, the friend is told nothing but that the code is not valid.
        details: What goes with it, as text.
        code: The beginning of what was typed.
    """

    kind: ClassVar[str] = "referral.refused"
    friend_id: str
    program_id: str
    reason: Reason
    details: FrozenMap[str, str] = attrs.field(default=FrozenMap[str, str](), converter=_as_text)
    code: str = ""


@final
@attrs.frozen(kw_only=True)
class ReferralQualified(Fact):
    """An order of the friend met the conditions.

    Attributes:
        friend_id: Whose order.
        order_id: Which order.
        due_at: First instant at which the advocate is rewarded for it.
        final_at: First instant at which none of it can come back; ``None`` never.
    """

    kind: ClassVar[str] = "referral.qualified"
    friend_id: str
    order_id: str
    due_at: datetime
    final_at: datetime | None = None


@final
@attrs.frozen(kw_only=True)
class ReferralUnqualified(Fact):
    """What is kept of an order meets the conditions no longer.

    Attributes:
        friend_id: Whose order.
        order_id: Which order.
        return_id: The return after which it is so.
    """

    kind: ClassVar[str] = "referral.unqualified"
    friend_id: str
    order_id: str
    return_id: str


@final
@attrs.frozen(kw_only=True)
class ReferralRewarded(Fact):
    """The advocate was rewarded; what was given stands with him.

    Attributes:
        friend_id: For whom.
        number: Which of the advocate's friends it was, from 1, of those that count together.
        rewards: The names of what was given; none where his ladder begins later.
    """

    kind: ClassVar[str] = "referral.rewarded"
    friend_id: str
    number: int
    rewards: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Refuse what no friend is."""
        super().__attrs_post_init__()
        check_whole("number", self.number, low=1)


@final
@attrs.frozen(kw_only=True)
class ReferralRejected(Fact):
    """The advocate is not rewarded.

    Attributes:
        friend_id: For whom.
        reason: Why.
        details: What goes with it, as text.
        counts: Whether the friend counts all the same, and only a limit keeps the reward back: he may be rewarded for in the
            place of another who is reversed.
    """

    kind: ClassVar[str] = "referral.rejected"
    friend_id: str
    reason: Reason
    details: FrozenMap[str, str] = attrs.field(default=FrozenMap[str, str](), converter=_as_text)
    counts: bool = False


@final
@attrs.frozen(kw_only=True)
class ReferralReversed(Fact):
    """The friend counts no longer, and what he brought the advocate was taken back.

    Attributes:
        friend_id: Who.
    """

    kind: ClassVar[str] = "referral.reversed"
    friend_id: str


@final
@attrs.frozen(kw_only=True)
class QualifyingOrder:
    """An order that qualifies the friend.

    Attributes:
        due_at: First instant at which the advocate is rewarded for it.
        final_at: First instant at which none of it can come back; ``None`` never.
    """

    due_at: datetime
    final_at: datetime | None = None


@final
@attrs.frozen(kw_only=True)
class Denial:
    """A no that was written down.

    Attributes:
        reason: Why.
        details: What goes with it, as text.
        at: When.
        code: The beginning of the code that was refused; empty where none was.
    """

    reason: Reason
    details: FrozenMap[str, str] = FrozenMap[str, str]()
    at: datetime
    code: str = ""

    @property
    def refusal(self) -> Refusal:
        """The same as a refusal."""
        return Refusal(self.reason, self.details)


@final
@attrs.frozen(kw_only=True)
class Referral:
    """How one friend came, and what became of it.

    Attributes:
        friend_id: The friend's member id.
        version: Facts folded so far.
        program_id: The referral program; empty while he has not joined.
        advocate_id: Whose code he joined with; ``None`` while he has not.
        code: The code, folded.
        coupon_id: The coupon that he holds for it; empty where there is none.
        joined_at: When he joined with it; ``None`` while he has not.
        orders: The orders that qualify him, by id.
        refused: The last code that was refused him; ``None`` where none was.
        number: Which of the advocate's friends he was, from 1, when the advocate was rewarded for him; ``None`` while that is not
            so. As friends come back others take their numbers: which he is now is said by the ``friends`` of the advocate.
        rewards: The names of what the advocate was given for him then; what is left of it stands there too.
        rewarded_at: When the advocate was rewarded; ``None`` while he is not.
        rejected: Why the advocate is not rewarded; ``None`` where nothing says so.
        counts: Whether he counts among the advocate's friends: rewarded for, or kept back by a limit alone.
        reversing_at: Since when he ought to count no longer; ``None`` where all is well.
        reversed_at: When that was last done; ``None`` if it never was.
    """

    friend_id: str
    version: int = 0
    program_id: str = ""
    advocate_id: str | None = None
    code: str = ""
    coupon_id: str = ""
    joined_at: datetime | None = None
    orders: FrozenMap[str, QualifyingOrder] = FrozenMap[str, QualifyingOrder]()
    refused: Denial | None = None
    number: int | None = None
    rewards: tuple[str, ...] = ()
    rewarded_at: datetime | None = None
    rejected: Denial | None = None
    counts: bool = False
    reversing_at: datetime | None = None
    reversed_at: datetime | None = None

    def __attrs_post_init__(self) -> None:
        """Check the ids and the version."""
        check_id("friend_id", self.friend_id)
        check_whole("version", self.version, low=0)
        keep_in_utc(self, "joined_at", "rewarded_at", "reversing_at", "reversed_at")
        if self.advocate_id == self.friend_id:
            msg = f"friend {self.friend_id!r} must not be his own advocate"
            raise UsageError(msg)

    @classmethod
    def open(cls, friend_id: str) -> Referral:
        """Start with nobody who brought him; needs no fact."""
        return cls(friend_id=friend_id)

    @classmethod
    def replay(cls, friend_id: str, facts: Iterable[Fact]) -> Referral:
        """Fold all facts of a referral."""
        return cls.open(friend_id).folded(facts)

    @property
    def status(self) -> ReferralStatus:
        """Where it stands."""
        if self.advocate_id is None:
            return ReferralStatus.NONE if self.refused is None else ReferralStatus.REFUSED
        if self.reversing_at is not None:
            return ReferralStatus.REVERSING
        if self.rewarded_at is not None:
            return ReferralStatus.REWARDED
        if self.rejected is not None:
            return ReferralStatus.REJECTED
        if self.orders:
            return ReferralStatus.QUALIFIED
        return ReferralStatus.JOINED if self.reversed_at is None else ReferralStatus.REVERSED

    @property
    def due_at(self) -> datetime | None:
        """When the advocate is to be rewarded, or since when that is to be reversed; ``None`` where nothing is to come."""
        if self.status is ReferralStatus.QUALIFIED:
            return min(order.due_at for order in self.orders.values())
        return self.reversing_at

    def open_to_orders(self, *, at: datetime) -> bool:
        """Say whether an order that is placed now may qualify him.

        It may also once the advocate was rewarded, as long as what he was rewarded for can come back, for another order may then
        stand in for it.

        Args:
            at: Timezone-aware.
        """
        check_instant("at", at)
        match self.status:
            case ReferralStatus.JOINED | ReferralStatus.QUALIFIED | ReferralStatus.REVERSING | ReferralStatus.REVERSED:
                return True
            case ReferralStatus.REWARDED | ReferralStatus.REJECTED if self.counts:
                return not any(order.final_at is not None and order.final_at <= at for order in self.orders.values())
            case _:
                return False

    def join(self, program_id: str, *, advocate_id: str, code: str = "", coupon_id: str = "", at: datetime) -> Posting[Referral]:
        """Write down who brought him, once; joining again with the same advocate changes nothing.

        Whether he may is asked before, of ``check``.

        Args:
            program_id: The referral program.
            advocate_id: Whose code he joined with.
            code: The code, folded.
            coupon_id: The coupon that he is given for it.
            at: Timezone-aware.

        Raises:
            RefusedError: ``referral_self``; ``referral_already_referred`` where somebody else brought him.
        """
        if check_id("advocate_id", advocate_id) == self.friend_id:
            raise RefusedError(Refusal(Reason.REFERRAL_SELF))
        if self.advocate_id is not None:
            if self.advocate_id != advocate_id:
                raise RefusedError(Refusal(Reason.REFERRAL_ALREADY_REFERRED))
            return self._posting()
        fact = ReferralJoined(
            friend_id=self.friend_id,
            program_id=check_slug("program_id", program_id),
            advocate_id=advocate_id,
            code=check_text("code", code, limit=CODE_LIMIT),
            coupon_id=coupon_id and check_id("coupon_id", coupon_id),
            at=at,
        )
        return self._posting(fact)

    def refuse(self, program_id: str, refusal: Refusal, *, code: str = "", at: datetime) -> Posting[Referral]:
        """Write down that a code could not be taken; the same again changes nothing. He may try another one.

        Args:
            program_id: The referral program.
            refusal: Why.
            code: What was typed; its beginning is kept.
            at: Timezone-aware.
        """
        check_kind("refusal", refusal, Refusal)
        fact = ReferralRefused(
            friend_id=self.friend_id,
            program_id=check_slug("program_id", program_id),
            reason=refusal.reason,
            details=refusal.details,
            code=_beginning(code),
            at=at,
        )
        last = self.refused
        if last is not None and (last.reason, last.details, last.code) == (fact.reason, fact.details, fact.code):
            return self._posting()
        return self._posting(fact)

    def qualify(self, order_id: str, *, due_at: datetime, final_at: datetime | None = None, at: datetime) -> Posting[Referral]:
        """Write down that an order met the conditions, once.

        Args:
            order_id: The shop's own.
            due_at: First instant at which the advocate is rewarded for it.
            final_at: First instant at which none of it can come back; ``None`` never.
            at: Timezone-aware.

        Raises:
            UsageError: Nobody brought him.
        """
        self._check_turn(*(status for status in ReferralStatus if status not in _NOT_JOINED))
        if check_id("order_id", order_id) in self.orders or not self.open_to_orders(at=at):
            return self._posting()
        fact = ReferralQualified(friend_id=self.friend_id, order_id=order_id, due_at=due_at, final_at=final_at, at=at)
        return self._posting(fact)

    def unqualify(self, order_id: str, *, return_id: str, at: datetime) -> Posting[Referral]:
        """Write down that what is kept of an order is not enough; of an order that does not qualify him nothing changes.

        Args:
            order_id: The shop's own.
            return_id: The return after which it is so.
            at: Timezone-aware.
        """
        check_instant("at", at)
        if check_id("order_id", order_id) not in self.orders:
            return self._posting()
        fact = ReferralUnqualified(friend_id=self.friend_id, order_id=order_id, return_id=check_id("return_id", return_id), at=at)
        return self._posting(fact)

    def reward(self, *, number: int, rewards: Iterable[str] = (), at: datetime) -> Posting[Referral]:
        """Write down that the advocate was rewarded, once.

        Args:
            number: Which of the advocate's friends he is, from 1.
            rewards: The names of what was given.
            at: Timezone-aware; not before it is due.

        Raises:
            UsageError: He does not qualify, or it is not due yet.
        """
        if self.rewarded_at is not None and self.reversing_at is None:
            return self._posting()
        if not (self.status is ReferralStatus.REJECTED and self.counts):
            self._check_turn(ReferralStatus.QUALIFIED)
        self._check_due(at)
        fact = ReferralRewarded(friend_id=self.friend_id, number=number, rewards=tuple(rewards), at=at)
        return self._posting(fact)

    def reject(self, refusal: Refusal, *, counts: bool = False, at: datetime) -> Posting[Referral]:
        """Write down that the advocate is not rewarded; rejected again, nothing changes.

        Args:
            refusal: Why.
            counts: Whether he counts all the same, and only a limit keeps the reward back.
            at: Timezone-aware.

        Raises:
            UsageError: Nobody brought him, or the advocate is rewarded already; ``counts`` before he is due.
        """
        check_kind("refusal", refusal, Refusal)
        if self.rejected is not None and self.reversing_at is None:
            return self._posting()
        if check_kind("counts", counts, bool):
            self._check_turn(ReferralStatus.QUALIFIED)
            self._check_due(at)
        self._check_turn(ReferralStatus.JOINED, ReferralStatus.QUALIFIED, ReferralStatus.REVERSED)
        fact = ReferralRejected(friend_id=self.friend_id, reason=refusal.reason, details=refusal.details, counts=counts, at=at)
        return self._posting(fact)

    def reverse(self, *, at: datetime) -> Posting[Referral]:
        """Write down that he counts no longer; where that is not to be done, nothing changes.

        Args:
            at: Timezone-aware.
        """
        check_instant("at", at)
        if self.reversing_at is None:
            return self._posting()
        return self._posting(ReferralReversed(friend_id=self.friend_id, at=at))

    def folded(self, facts: Iterable[Fact]) -> Referral:
        """Give the referral after more facts.

        Raises:
            CorruptStateError: A fact that cannot follow.
        """
        state = self
        for fact in facts:
            after = _after(state, fact) if getattr(fact, "friend_id", None) == self.friend_id else None
            if after is None:
                msg = f"referral of {self.friend_id!r} cannot go on with {fact.kind!r}"
                raise CorruptStateError(msg)
            state = attrs.evolve(after, version=state.version + 1)
        return state

    def to_dict(self) -> dict[str, Any]:
        """Write the referral as JSON values."""
        return write_state(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Referral:
        """Read what ``to_dict`` wrote.

        Raises:
            CorruptStateError: Anything else.
        """
        return read_state(cls, data)

    def _check_due(self, at: datetime) -> None:
        due_at = self.due_at
        if due_at is not None and check_instant("at", at) < due_at:
            msg = f"at must not be before {instant_text(due_at)}, got {instant_text(at)}"
            raise UsageError(msg)

    def _check_turn(self, *allowed: ReferralStatus) -> None:
        if self.status not in allowed:
            wanted = " or ".join(status.value for status in allowed)
            msg = f"the referral of {self.friend_id!r} must be {wanted}, it is {self.status.value}"
            raise UsageError(msg)

    def _posting(self, *facts: Fact) -> Posting[Referral]:
        return Posting(self.folded(facts), facts=facts, stream=referral_stream(self.friend_id), version=self.version)


def _beginning(code: str) -> str:
    """Keep what a store can hold of any text that was typed."""
    return check_kind("code", code, str)[:CODE_LIMIT].replace("\0", "").encode("ascii", "backslashreplace").decode()[:CODE_LIMIT]


def _after(state: Referral, fact: Fact) -> Referral | None:
    """Give a referral after one fact of it; ``None`` where it cannot follow."""
    match fact:
        case ReferralRefused():
            return attrs.evolve(state, refused=_denial(fact, fact.code))
        case ReferralJoined() if state.advocate_id is None:
            return attrs.evolve(
                state,
                program_id=fact.program_id,
                advocate_id=fact.advocate_id,
                code=fact.code,
                coupon_id=fact.coupon_id,
                joined_at=fact.at,
            )
        case _ if state.advocate_id is None:
            return None
        case ReferralQualified():
            order = QualifyingOrder(due_at=fact.due_at, final_at=fact.final_at)
            return attrs.evolve(state, orders=state.orders.updated({fact.order_id: order}))
        case ReferralUnqualified() if fact.order_id in state.orders:
            left = FrozenMap({order_id: order for order_id, order in state.orders.items() if order_id != fact.order_id})
            reversing = fact.at if state.counts and not left and state.reversing_at is None else state.reversing_at
            return attrs.evolve(state, orders=left, reversing_at=reversing)
        case ReferralRewarded():
            return attrs.evolve(state, number=fact.number, rewards=fact.rewards, rewarded_at=fact.at, rejected=None, counts=True)
        case ReferralRejected():
            return attrs.evolve(state, rejected=_denial(fact), counts=fact.counts)
        case ReferralReversed() if state.reversing_at is not None:
            return attrs.evolve(
                state,
                number=None,
                rewards=(),
                rewarded_at=None,
                rejected=None,
                counts=False,
                reversing_at=None,
                reversed_at=fact.at,
            )
    return None


def _denial(fact: ReferralRefused | ReferralRejected, code: str = "") -> Denial:
    return Denial(reason=fact.reason, details=fact.details, at=fact.at, code=code)
