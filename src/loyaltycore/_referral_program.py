"""What a referral program says, and whether a friend may join it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property
from typing import Final, Protocol, TypeAlias, assert_never, final, runtime_checkable

import attrs

from loyaltycore._campaign import CouponCampaign, Validity, check_validity
from loyaltycore._checks import check_count, check_instant, check_kind, check_several, check_whole, shown
from loyaltycore._code_space import CodeSpace
from loyaltycore._condition_kinds import check_condition
from loyaltycore._offer_kinds import FreedBy, Limits, Offer
from loyaltycore._payouts import RewardBenefit, check_reward_benefit
from loyaltycore._referral import Referral
from loyaltycore._referral_codes import PublicCodes
from loyaltycore._reprice import needs_of
from loyaltycore.benefits import Benefit, BonusPoints, check_benefit
from loyaltycore.conditions import Condition, Situation, holds
from loyaltycore.errors import Accepted, Detail, Reason, Refusal, Refused, UsageError
from loyaltycore.identity import check_id, check_slug, check_text, within
from loyaltycore.ladders import Ladder
from loyaltycore.memberships import Membership, RewardedFriend
from loyaltycore.orders import ReferralNeed
from loyaltycore.periods import Calendar, Period, Term
from loyaltycore.quantities import Money
from loyaltycore.rewards import reward_campaign

__all__ = [
    "GUARDS_LIMIT",
    "After",
    "OwnGuard",
    "ReferralCase",
    "ReferralGuard",
    "ReferralProgram",
    "Restart",
    "Wait",
    "check",
    "referral_codes",
    "referral_need",
]

GUARDS_LIMIT: Final = 100
"""Guards of a shop's own: more are a mistake."""

PROGRAM_ID_LIMIT: Final = 40
"""Characters of the name of a referral program: it begins the names of the campaigns that it makes."""


class Restart(StrEnum):
    """When friends are counted from one again."""

    NEVER = "never"
    MONTH = "month"
    YEAR = "year"

    def period(self, day: date) -> str:
        """Name the span of time in which friends count together: ``""``, ``"2026"`` or ``"2026-07"``.

        Args:
            day: The local day on which the reward is due.
        """
        match self:
            case Restart.NEVER:
                return ""
            case Restart.MONTH:
                return _month(day)
            case Restart.YEAR:
                return _year(day)
        assert_never(self)


def _year(day: date) -> str:
    return f"{day.year:04}"


def _month(day: date) -> str:
    return f"{day.year:04}-{day.month:02}"


class After(StrEnum):
    """When the advocate is rewarded, where it is no span of time."""

    RETURN_WINDOW = "return window"
    """When nothing of the order can come back."""
    AT_ONCE = "at once"


Wait: TypeAlias = Period | Term | After
"""How long after the order that qualified the friend the advocate is rewarded."""


@runtime_checkable
class ReferralGuard(Protocol):
    """A shop's own guard.

    1. ``check(case)`` is a function of the case alone: twice the same.
    2. ``guard_id`` says which rule and which version of it: programs with equal ids are taken for equal.

    Example:
        >>> class NoStaff:
        ...     guard_id = "no-staff-1"
        ...
        ...     def check(self, case: ReferralCase) -> Refusal | None:
        ...         return Refusal(Reason.REFERRAL_GUARDED) if case.friend.member_id.startswith("staff-") else None
        >>> isinstance(NoStaff(), ReferralGuard)
        True
    """

    @property
    def guard_id(self) -> str:
        """Name of the guard, with its version."""
        ...

    def check(self, case: ReferralCase) -> Refusal | None:
        """Say why a friend may not join; ``None`` where he may."""
        ...


def _guard(guard: object) -> ReferralGuard:
    if not isinstance(guard, ReferralGuard):
        msg = f"a shop's own guard must have guard_id and check(), got {shown(guard)}"
        raise UsageError(msg)
    return guard


@final
@attrs.frozen
class OwnGuard:
    """A shop's own guard, known by its id: what a program's digest and equality see of it.

    Attributes:
        guard: The guard.
        guard_id: As the guard says.
    """

    guard: ReferralGuard = attrs.field(converter=_guard, eq=False, repr=False)
    guard_id: str = attrs.field(
        default=attrs.Factory(lambda self: check_slug("guard_id", self.guard.guard_id), takes_self=True), init=False
    )


def _guards(guards: Iterable[ReferralGuard | OwnGuard]) -> tuple[OwnGuard, ...]:
    several = check_several("guards", guards, object, limit=GUARDS_LIMIT)
    found = tuple(guard if isinstance(guard, OwnGuard) else OwnGuard(_guard(guard)) for guard in several)
    names = [guard.guard_id for guard in found]
    if len(set(names)) < len(names):
        msg = f"guards must have names of their own, got {shown(tuple(names))}"
        raise UsageError(msg)
    return found


def _codes(codes: CodeSpace | str) -> str:
    return codes.space_id if isinstance(codes, CodeSpace) else codes


@final
@attrs.frozen
class ReferralProgram:
    """How members bring friends, and what both get for it.

    The friend holds a coupon from joining on, which applies by itself to the first basket that meets ``qualifies``: it is the
    offer ``<program_id>-friend``, and meets others as the shop's stacking says. The advocate is rewarded when the order that
    qualified the friend can no longer come back, as the program says on that day.

    Attributes:
        program_id: Its name, at most 40 characters.
        codes: What members' codes look like: a pattern such as ``"VELO-####-####"``; or a ``CodeSpace`` of the shop's code book,
            or its ``space_id``, where codes are to be the shop's secret.
        qualifies: What an order of the friend's must meet.
        friend: What the friend gets with that order; ``None`` nothing.
        advocate: What the advocate gets for each friend, by the number of friends from which on he gets it.
        advocate_at: What he gets besides for exactly the nth friend; ``None`` nothing.
        after: How long after the order the advocate is rewarded: local days, the program's return window, or at once.
        restarts: When friends are counted from one again.
        limit_per_month: For so many friends an advocate is rewarded in a calendar month at most; ``None`` for any number.
        limit_per_year: Likewise in a calendar year.
        limit_in_all: Likewise ever.
        joins_per_day: So many friends of one advocate join on one local day at most; ``None`` any number.
        guards: The shop's own, each a ``ReferralGuard``.
        friend_valid_for: How long the friend's coupon can be redeemed from joining on; ``None`` for ever.
        valid_for: How long the advocate's coupons can be redeemed from the day of the reward; ``None`` for ever.

    Example:
        >>> from loyaltycore.benefits import AmountOff, BonusPoints, Per
        >>> from loyaltycore.conditions import first_order, spend_at_least
        >>> from loyaltycore.quantities import Money
        >>> friends = ReferralProgram(
        ...     "friends",
        ...     codes="VELO-####-####",
        ...     qualifies=first_order() & spend_at_least(Money.of("40.00", "EUR")),
        ...     friend=AmountOff(Money.of("10.00", "EUR"), per=Per.BASKET),
        ...     advocate=Ladder.of({1: BonusPoints(500, expires=None), 3: AmountOff(Money.of("15.00", "EUR"), per=Per.BASKET)}),
        ...     limit_per_year=20,
        ... )
        >>> friends.friend_campaign.campaign_id, [source for source, _ in friends.rungs(3)]
        ('friends-friend', ['friends-3'])
    """

    program_id: str
    codes: str = attrs.field(converter=_codes, kw_only=True)
    qualifies: Condition = attrs.field(kw_only=True)
    friend: Benefit | None = attrs.field(default=None, kw_only=True)
    advocate: Ladder[RewardBenefit] = attrs.field(kw_only=True)
    advocate_at: Ladder[RewardBenefit] | None = attrs.field(default=None, kw_only=True)
    after: Wait = attrs.field(default=After.RETURN_WINDOW, kw_only=True)
    restarts: Restart = attrs.field(default=Restart.NEVER, kw_only=True)
    limit_per_month: int | None = attrs.field(default=None, kw_only=True)
    limit_per_year: int | None = attrs.field(default=None, kw_only=True)
    limit_in_all: int | None = attrs.field(default=None, kw_only=True)
    joins_per_day: int | None = attrs.field(default=None, kw_only=True)
    guards: tuple[OwnGuard, ...] = attrs.field(default=(), converter=_guards, kw_only=True)
    friend_valid_for: Validity | None = attrs.field(default=None, kw_only=True)
    valid_for: Validity | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check every part."""
        if len(check_slug("program_id", self.program_id)) > PROGRAM_ID_LIMIT:
            msg = f"program_id must be at most {PROGRAM_ID_LIMIT} characters, got {self.program_id!r}"
            raise UsageError(msg)
        _check_codes(self.codes, self.program_id)
        check_condition(self.qualifies)
        if self.friend is not None:
            check_benefit(self.friend)
        _check_ladder("advocate", self.advocate)
        if self.advocate_at is not None:
            _check_ladder("advocate_at", self.advocate_at)
        after: object = self.after
        if not isinstance(after, Period | Term | After):
            msg = f"after must be a Period, a Term or an After, got {shown(after)}"
            raise UsageError(msg)
        check_kind("restarts", self.restarts, Restart)
        for name in ("limit_per_month", "limit_per_year", "limit_in_all", "joins_per_day"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        if self.friend is None and self.friend_valid_for is not None:
            msg = "friend_valid_for goes with a friend's benefit, and there is none"
            raise UsageError(msg)
        for name in ("friend_valid_for", "valid_for"):
            check_validity(name, getattr(self, name))
        check_kind("qualifier", self.qualifier, Offer)  # made here, as the campaigns, so that what is wrong is said at once
        check_several("campaigns", self.campaigns, CouponCampaign)

    @property
    def space_id(self) -> str | None:
        """The space of the codes in the shop's code book; ``None`` where a pattern says what they look like."""
        return self.codes if "/" in self.codes else None

    @property
    def pattern(self) -> str | None:
        """The pattern of the codes; ``None`` where they are of a space in the shop's code book."""
        return None if "/" in self.codes else self.codes

    @cached_property
    def qualifier(self) -> Offer:
        """What qualifies, as an offer that stands in no book: what goods it needs is worked out as of any other."""
        return Offer(self.program_id, when=self.qualifies, give=BonusPoints(1, expires=None))

    @cached_property
    def friend_campaign(self) -> CouponCampaign | None:
        """The campaign of the coupon that a friend holds from joining on; ``None`` where he gets nothing."""
        if self.friend is None:
            return None
        return CouponCampaign(
            f"{self.program_id}-friend",
            give=self.friend,
            codes=None,
            when=self.qualifies,
            valid_for=self.friend_valid_for,
            limits=Limits(freed_by=FreedBy.RETURNED),
            automatic=True,
        )

    @cached_property
    def campaigns(self) -> tuple[CouponCampaign, ...]:
        """The campaigns that it makes: of the friend's coupon, and of what of the advocate's rewards applies to a basket."""
        made = [reward_campaign(source, benefit, self.valid_for) for source, benefit in self.sources()]
        return tuple(campaign for campaign in (self.friend_campaign, *made) if campaign is not None)

    def sources(self) -> tuple[tuple[str, RewardBenefit], ...]:
        """Give everything an advocate can get, each under the name of the campaign that its coupons are of."""
        found = [(self._source(rung.threshold), rung.value) for rung in self.advocate.rungs]
        exact = () if self.advocate_at is None else self.advocate_at.rungs
        return (*found, *((self._source_at(rung.threshold), rung.value) for rung in exact))

    def rungs(self, number: int) -> tuple[tuple[str, RewardBenefit], ...]:
        """Give what an advocate gets for the nth friend, each under the name of the campaign that its coupons are of.

        Args:
            number: From 1.
        """
        check_whole("number", number, low=1)
        found = list[tuple[str, RewardBenefit]]()
        reached = self.advocate.index(number)
        if reached:
            rung = self.advocate.rungs[reached - 1]
            found.append((self._source(rung.threshold), rung.value))
        exact = () if self.advocate_at is None else self.advocate_at.rungs
        return (*found, *((self._source_at(rung.threshold), rung.value) for rung in exact if rung.threshold == number))

    @property
    def gives(self) -> tuple[RewardBenefit, ...]:
        """What it gives an advocate, for any number; what a friend gets is an offer."""
        ladders = [self.advocate] if self.advocate_at is None else [self.advocate, self.advocate_at]
        return tuple(rung.value for ladder in ladders for rung in ladder.rungs)

    @property
    def moneys(self) -> tuple[Money, ...]:
        """Amounts that qualify a friend."""
        return tuple(self.qualifier.moneys)

    def full(self, friends: Iterable[RewardedFriend], day: date | None) -> Refusal | None:
        """Say which limit keeps an advocate from being rewarded for one more friend; ``None`` where none does.

        Args:
            friends: Those that the advocate was rewarded for, and who stand.
            day: The local day on which the reward is due; ``None`` before that is known: then only what is counted for ever says
                so.
        """
        if self.limit_per_month is None and self.limit_per_year is None and self.limit_in_all is None:
            return None  # no friend is looked at: there may be thousands
        counted = [friend.day for friend in friends if friend.number and friend.program_id == self.program_id]
        spans = [("in all", self.limit_in_all, len(counted))]
        if day is not None:
            in_month = sum(_month(one) == _month(day) for one in counted)
            in_year = sum(_year(one) == _year(day) for one in counted)
            spans = [("per month", self.limit_per_month, in_month), ("per year", self.limit_per_year, in_year), *spans]
        for period, limit, found in spans:
            if limit is not None and found >= limit:
                return Refusal(Reason.REFERRAL_LIMIT_REACHED, {"limit": limit, "period": period})
        return None

    def _source(self, threshold: int) -> str:
        return f"{self.program_id}-{threshold}"

    def _source_at(self, threshold: int) -> str:
        return f"{self.program_id}-at-{threshold}"


def _check_codes(codes: object, program_id: str) -> None:
    """Check a pattern by making its codes; the name of a space is checked where the code book is."""
    if isinstance(codes, str) and "/" in codes:
        check_id("codes", codes)
    else:
        PublicCodes(check_kind("codes", codes, str), purpose=program_id)


def _check_ladder(name: str, ladder: Ladder[RewardBenefit]) -> None:
    for rung in check_kind(name, ladder, Ladder).rungs:
        if rung.threshold < 1:
            msg = f"{name} must begin with the first friend, or later, got {rung.threshold}"
            raise UsageError(msg)
        check_reward_benefit(rung.value)


def referral_codes(program: ReferralProgram, *, context: str) -> PublicCodes | None:
    """Give the codes of a referral program; ``None`` where they are of a space in the shop's code book.

    Args:
        program: The referral program.
        context: What the codes are for, such as the shop's name.
    """
    if program.pattern is None:
        return None
    return PublicCodes(program.pattern, purpose=within(context, program.program_id))


def referral_need(program: ReferralProgram | None, situation: Situation) -> ReferralNeed | None:
    """Say what an order needs to keep to qualify a friend; ``None`` where it does not qualify anybody.

    Args:
        program: The referral program; ``None`` where there is none.
        situation: Under which it is ordered; a guest's order is looked at as a new member's.
    """
    own = attrs.evolve(situation, is_member=True)
    if program is None or not holds(program.qualifies, own):
        return None
    needs, ways = needs_of(program.qualifier, own)
    first_only = not situation.is_member and not holds(program.qualifies, attrs.evolve(own, order_count=1))
    return ReferralNeed(program_id=program.program_id, needs=needs, ways=ways, first_only=first_only)


@final
@attrs.frozen(kw_only=True)
class ReferralCase:
    """All that is known when a friend enters a code: what every guard looks at, and nothing else.

    Attributes:
        program: The referral program.
        friend: Who enters it, as a member.
        referral: How he came, as far as is known.
        code: What he typed, folded; its beginning where it is no code.
        verdict: How far the code could be read, of one that is nobody's: what a log says beside it.
        advocate_id: Whose code it is; ``None`` where it is nobody's.
        advocate: The advocate, as a member; ``None`` where it is nobody, or the friend himself.
        advocate_referral: How the advocate came; ``None`` where there is none, or it is the friend himself.
        identities_known: So many of the friend's identity hashes somebody else has.
        joined_today: So many friends of the advocate joined on this local day, besides this one.
        calendar: Whose local days count.
        at: When, timezone-aware.
    """

    program: ReferralProgram
    friend: Membership
    referral: Referral
    code: str = ""
    verdict: str = ""
    advocate_id: str | None = None
    advocate: Membership | None = None
    advocate_referral: Referral | None = None
    identities_known: int = 0
    joined_today: int = 0
    calendar: Calendar
    at: datetime

    def __attrs_post_init__(self) -> None:
        """Check that the parts belong together."""
        check_kind("program", self.program, ReferralProgram)
        check_kind("calendar", self.calendar, Calendar)
        check_instant("at", self.at)
        check_text("code", self.code)
        check_whole("identities_known", self.identities_known, low=0)
        check_whole("joined_today", self.joined_today, low=0)
        if check_kind("referral", self.referral, Referral).friend_id != check_kind("friend", self.friend, Membership).member_id:
            msg = f"referral must be of the friend {self.friend.member_id!r}, got one of {self.referral.friend_id!r}"
            raise UsageError(msg)
        if self.advocate is not None and self.advocate.member_id != self.advocate_id:
            msg = f"advocate must be the member {self.advocate_id!r}, got {self.advocate.member_id!r}"
            raise UsageError(msg)
        if self.advocate_referral is not None and self.advocate_referral.friend_id != self.advocate_id:
            msg = f"advocate_referral must be of {self.advocate_id!r}, got one of {self.advocate_referral.friend_id!r}"
            raise UsageError(msg)


def check(case: ReferralCase) -> Accepted[str] | Refused:
    """Ask whether a friend may join with a code.

    Args:
        case: All that is known.

    Returns:
        The advocate's id, or every reason against it. Their precedence is that of ``Reason``, from ``referral_code_unknown`` on;
        ``referral_guarded`` is what the shop's own guards say. All of them are shown as ``referral_invalid``.
    """
    refusals = [*_of_the_friend(check_kind("case", case, ReferralCase)), *_of_the_advocate(case)]
    refusals += [refusal for own in case.program.guards if (refusal := _guarded(own, case)) is not None]
    if refusals:
        return Refused(refusals)
    assert case.advocate_id is not None  # without one the code is unknown
    return Accepted(case.advocate_id)


def _of_the_friend(case: ReferralCase) -> list[Refusal]:
    found = list[Refusal]()
    if case.advocate_id is None:
        found.append(Refusal(Reason.REFERRAL_CODE_UNKNOWN, {"verdict": case.verdict} if case.verdict else {}))
    if case.advocate_id == case.friend.member_id:
        found.append(Refusal(Reason.REFERRAL_SELF))
    if case.referral.advocate_id is not None:
        found.append(Refusal(Reason.REFERRAL_ALREADY_REFERRED))
    if case.friend.order_count:
        found.append(Refusal(Reason.REFERRAL_ALREADY_CUSTOMER, {"order_count": case.friend.order_count}))
    if case.identities_known:
        found.append(Refusal(Reason.REFERRAL_IDENTITY_KNOWN, {"hashes": case.identities_known}))
    return found


def _of_the_advocate(case: ReferralCase) -> list[Refusal]:
    found = list[Refusal]()
    brought = case.advocate_referral
    if brought is not None and brought.advocate_id == case.friend.member_id:
        found.append(Refusal(Reason.REFERRAL_CIRCULAR))
    limit = case.program.joins_per_day
    if limit is not None and case.joined_today >= limit:
        found.append(Refusal(Reason.REFERRAL_VELOCITY_REACHED, {"limit": limit}))
    if case.advocate is not None and case.program.limit_in_all is not None:  # else no friend is looked at: there may be thousands
        refusal = case.program.full(case.advocate.friends.values(), None)
        found += [] if refusal is None else [refusal]
    return found


def _guarded(own: OwnGuard, case: ReferralCase) -> Refusal | None:
    """Ask a shop's own guard; whatever its reason is called, it is one no of the shop's."""
    answer = own.guard.check(case)
    if answer is None:
        return None
    refusal = check_kind(f"the answer of {own.guard_id!r}", answer, Refusal)
    details: dict[str, Detail] = {**refusal.details, "guard_id": own.guard_id}
    if refusal.reason is not Reason.REFERRAL_GUARDED:
        details["reason"] = refusal.reason.value
    return Refusal(Reason.REFERRAL_GUARDED, details)
