"""Campaigns: offers that only a code or a granted coupon opens, and the switch that stops them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar, Final, TypeAlias, final

import attrs

from loyaltycore._checks import check_instant, check_kind, check_several, check_whole, shown
from loyaltycore._code_space import CodeSpace
from loyaltycore._frozen import FrozenMap
from loyaltycore._offer_kinds import OPEN_LIMITS, Combines, Lane, Limits, Offer, own_lane
from loyaltycore.benefits import Benefit, check_benefit
from loyaltycore.conditions import AllOf, Base, CodePresented, Condition, CouponHeld, leaves
from loyaltycore.errors import CorruptStateError, Detail, Reason, Refusal, RefusedError, UsageError
from loyaltycore.facts import Fact, Posting
from loyaltycore.identity import campaign_stream, check_id, check_slug, check_text, fold_code
from loyaltycore.periods import Calendar, Period, Term, Window
from loyaltycore.quantities import Money
from loyaltycore.wire import instant_text, read_state, write_state

__all__ = [
    "CAMPAIGNS_LIMIT",
    "HUMAN",
    "SHORTEST_CODE",
    "Campaign",
    "CampaignResumed",
    "CampaignStopped",
    "CouponCampaign",
    "Validity",
    "campaigns_by_id",
    "check_validity",
]

HUMAN: Final = "human"
"""Says that the id of a campaign is its one code, made for people, such as ``SUMMER10``."""

CAMPAIGNS_LIMIT: Final = 10_000
"""Campaigns of one program."""

SHORTEST_CODE: Final = 3
"""A shorter code is guessed, or typed, by accident."""

LONGEST_HOURS: Final = timedelta(days=366)
"""A span counted in hours is a short one; longer ones are counted in days."""

Validity: TypeAlias = Period | Term | timedelta
"""How long a coupon can be redeemed from its grant: local days, or hours to the minute."""


def check_validity(name: str, value: object) -> None:
    """Refuse what is no length of time for which a coupon can be redeemed.

    Args:
        name: How messages call it.
        value: What came in; ``None`` is as the campaign's window says.

    Raises:
        UsageError: Another kind of value, or hours out of range.
    """
    if value is not None and not isinstance(value, Period | Term | timedelta):
        msg = f"{name} must be a Period, a Term or a timedelta, got {shown(value)}"
        raise UsageError(msg)
    if isinstance(value, timedelta) and not timedelta(0) < value <= LONGEST_HOURS:
        msg = f"{name} must be above 0 and at most {LONGEST_HOURS.days} days, got {value}"
        raise UsageError(msg)


def _codes(codes: CodeSpace | str | None) -> str | None:
    return codes.space_id if isinstance(codes, CodeSpace) else codes


@final
@attrs.frozen
class CouponCampaign:
    """A benefit that only a code, or a coupon granted to somebody, opens.

    In the program's book it is an offer of the same id, so that it meets other offers as the shop's stacking says, and has the
    same limits. No key stands in it: of a ``CodeSpace`` it keeps the name alone, so that a program can be written down, compared
    and sent to another machine.

    Attributes:
        campaign_id: The program's name for it; of a campaign with a human code, the code.
        give: What it gives.
        codes: ``"human"``: the id is the code, for everybody who knows it. A ``CodeSpace``, or its ``space_id``: codes that a
            machine makes, each for one order. ``None``: coupons without a code, which members hold.
        when: What must hold besides.
        window: When coupons can be granted and codes issued; without ``valid_for`` also when they can be redeemed. ``None``
            always.
        valid_for: How long a coupon can be redeemed from its grant, or from when its batch was issued, or from the beginning of
            the window where that is later. It may reach beyond the window's end. ``None`` is as the window says.
        limits: How much of it there is, over all orders.
        automatic: Whether a coupon that a member holds applies by itself; otherwise the member chooses it, or types its code.
        lane: As of an offer.
        priority: As of an offer.
        base: As of an offer.
        combines: As of an offer.
        group: As of an offer.
        discount_limit: As of an offer.

    Example:
        >>> from loyaltycore.benefits import PercentOff
        >>> summer = CouponCampaign("SUMMER10", give=PercentOff("10"), codes="human", limits=Limits(total=500, per_member=1))
        >>> summer.offer.when
        CodePresented(code='SUMMER10', folded='SUMMER10')
    """

    campaign_id: str
    give: Benefit = attrs.field(kw_only=True)
    codes: str | None = attrs.field(converter=_codes, kw_only=True)
    when: Condition = attrs.field(default=AllOf(()), kw_only=True)
    window: Window | None = attrs.field(default=None, kw_only=True)
    valid_for: Validity | None = attrs.field(default=None, kw_only=True)
    limits: Limits = attrs.field(default=OPEN_LIMITS, kw_only=True)
    automatic: bool = attrs.field(default=False, kw_only=True)
    lane: Lane = attrs.field(
        default=attrs.Factory(lambda self: own_lane(check_benefit(self.give)), takes_self=True), kw_only=True
    )
    priority: int = attrs.field(default=0, kw_only=True)
    base: Base = attrs.field(default=Base.LIST, kw_only=True)
    combines: Combines = attrs.field(default=Combines.ANY, kw_only=True)
    group: str | None = attrs.field(default=None, kw_only=True)
    discount_limit: Money | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the id and what does not go together; the rest is checked by the offer it makes."""
        check_slug("campaign_id", self.campaign_id)
        check_kind("automatic", self.automatic, bool)
        if self.codes is not None:
            check_id("codes", self.codes)
        check_validity("valid_for", self.valid_for)
        if self.is_human and len(fold_code(self.campaign_id)) < SHORTEST_CODE:
            msg = f"a code must have at least {SHORTEST_CODE} letters and digits, got {self.campaign_id!r}"
            raise UsageError(msg)
        if self.is_human and (self.valid_for is not None or self.automatic):
            msg = f"campaign {self.campaign_id!r} has one code for everybody: valid_for and automatic go with coupons of one each"
            raise UsageError(msg)
        if any(isinstance(part, CouponHeld) for part in leaves(self.when)):
            msg = f"campaign {self.campaign_id!r} must not ask for a coupon itself: its own opens it"
            raise UsageError(msg)
        check_kind("offer", self.offer, Offer)  # made here, so that whatever is wrong with it is said at once

    @property
    def is_human(self) -> bool:
        """Whether everybody may type its id as its code."""
        return self.codes == HUMAN

    @property
    def space_id(self) -> str | None:
        """The space of its codes; ``None`` where a machine makes none."""
        return None if self.is_human else self.codes

    @cached_property
    def offer(self) -> Offer:
        """What stands in the program's book: the benefit, under the code or the coupon and whatever else must hold."""
        opened = CodePresented(self.campaign_id) if self.is_human else CouponHeld(self.campaign_id)
        return Offer(
            self.campaign_id,
            when=opened if self.when == AllOf(()) else opened & self.when,
            give=self.give,
            lane=self.lane,
            priority=self.priority,
            window=self.window if self.valid_for is None else None,
            base=self.base,
            combines=self.combines,
            group=self.group,
            discount_limit=self.discount_limit,
            limits=self.limits,
        )

    def closed(self, *, at: datetime) -> Refusal | None:
        """Say why no coupon can be granted, or code be issued, at an instant: only before the end of the window; or ``None``.

        A batch may be issued before the window begins: its codes wait for it.
        """
        ends_at = None if self.window is None else self.window.ends_at
        if ends_at is None or check_instant("at", at) < ends_at:
            return None
        return Refusal(Reason.CAMPAIGN_CLOSED, {"campaign_id": self.campaign_id, "ended_at": instant_text(ends_at)})

    def dates(self, granted_at: datetime, *, calendar: Calendar) -> tuple[datetime | None, datetime | None]:
        """Give from when to when a coupon can be redeemed that is granted at an instant, the end outside.

        Args:
            granted_at: When it is granted, or its batch was issued.
            calendar: Whose local days count.

        Raises:
            UsageError: An end beyond what calendars reach.

        Example:
            >>> from datetime import UTC
            >>> from loyaltycore.benefits import PercentOff
            >>> july = Window(starts_at=None, ends_at=datetime(2026, 8, 1, tzinfo=UTC))
            >>> flash = CouponCampaign("flash", give=PercentOff("10"), codes=None, window=july, valid_for=timedelta(hours=24))
            >>> flash.dates(datetime(2026, 7, 31, 23, tzinfo=UTC), calendar=Calendar("UTC"))[1].isoformat()
            '2026-08-01T23:00:00+00:00'
        """
        check_instant("granted_at", granted_at)
        starts_at = None if self.window is None else self.window.starts_at
        if self.valid_for is None:
            return starts_at, None if self.window is None else self.window.ends_at
        since = granted_at if starts_at is None else max(granted_at, starts_at)
        if isinstance(self.valid_for, timedelta):
            return starts_at, check_instant("the end of a coupon", since + self.valid_for)
        term = self.valid_for if isinstance(self.valid_for, Term) else Term(self.valid_for)
        return starts_at, term.end_after(since, calendar=calendar)


def campaigns_by_id(campaigns: Iterable[CouponCampaign] | Mapping[str, CouponCampaign]) -> FrozenMap[str, CouponCampaign]:
    """Take campaigns of a program, in any order or by their ids.

    Raises:
        UsageError: Two of one name, or too many.
    """
    given = campaigns.values() if isinstance(campaigns, Mapping) else campaigns
    several = check_several("campaigns", given, CouponCampaign, limit=CAMPAIGNS_LIMIT)
    found = {campaign.campaign_id: campaign for campaign in several}
    if len(found) < len(several):
        doubled = sorted(Counter(campaign.campaign_id for campaign in several).items(), key=lambda item: -item[1])
        msg = f"campaigns must have names of their own, got {doubled[0][0]!r} twice"
        raise UsageError(msg)
    return FrozenMap(found)


@final
@attrs.frozen(kw_only=True)
class CampaignStopped(Fact):
    """A campaign was stopped, at once and whatever its window says.

    Attributes:
        campaign_id: Which.
        reason: In the shop's words.
        actor: Who stopped it.
    """

    kind: ClassVar[str] = "campaign.stopped"
    campaign_id: str
    reason: str = ""
    actor: str = ""


@final
@attrs.frozen(kw_only=True)
class CampaignResumed(Fact):
    """A campaign that was stopped goes on.

    Attributes:
        campaign_id: Which.
        actor: Who lets it go on.
    """

    kind: ClassVar[str] = "campaign.resumed"
    campaign_id: str
    actor: str = ""


@final
@attrs.frozen(kw_only=True)
class Campaign:
    """Whether a campaign was stopped: the stream ``campaign/<id>``.

    Attributes:
        campaign_id: The program's name for it.
        version: Facts folded so far.
        stopped_at: Since when it has been stopped; ``None`` while it runs.
        stopped_by: Who stopped it; empty while it runs.
        stopped_reason: Why, in the shop's words.
    """

    campaign_id: str
    version: int = 0
    stopped_at: datetime | None = None
    stopped_by: str = ""
    stopped_reason: str = ""

    def __attrs_post_init__(self) -> None:
        """Check the id and the version."""
        check_slug("campaign_id", self.campaign_id)
        check_whole("version", self.version, low=0)

    @classmethod
    def open(cls, campaign_id: str) -> Campaign:
        """Start running; needs no fact."""
        return cls(campaign_id=campaign_id)

    @classmethod
    def replay(cls, campaign_id: str, facts: Iterable[Fact]) -> Campaign:
        """Fold all facts of a campaign."""
        return cls.open(campaign_id).folded(facts)

    @property
    def is_stopped(self) -> bool:
        """Whether it gives nothing at present."""
        return self.stopped_at is not None

    def check(self) -> None:
        """Refuse to go on with a campaign that was stopped.

        Raises:
            RefusedError: ``campaign_stopped``.
        """
        if self.stopped_at is not None:
            details: dict[str, Detail] = {"campaign_id": self.campaign_id, "stopped_at": instant_text(self.stopped_at)}
            raise RefusedError(Refusal(Reason.CAMPAIGN_STOPPED, details))

    def stop(self, *, reason: str = "", actor: str, at: datetime) -> Posting[Campaign]:
        """Stop it: no code and no coupon of it opens anything from now on, in any basket; stopped again, nothing changes.

        Args:
            reason: In the shop's words.
            actor: Who stops it.
            at: Timezone-aware.
        """
        check_text("reason", reason)
        if self.is_stopped:
            return self._posting()
        fact = CampaignStopped(campaign_id=self.campaign_id, reason=reason, actor=check_text("actor", actor, limit=200), at=at)
        return self._posting(fact)

    def resume(self, *, actor: str, at: datetime) -> Posting[Campaign]:
        """Let it go on; one that runs is not changed.

        Args:
            actor: Who lets it go on.
            at: Timezone-aware.
        """
        if not self.is_stopped:
            return self._posting()
        return self._posting(CampaignResumed(campaign_id=self.campaign_id, actor=check_text("actor", actor, limit=200), at=at))

    def folded(self, facts: Iterable[Fact]) -> Campaign:
        """Give the campaign after more facts.

        Raises:
            CorruptStateError: A fact that cannot follow.
        """
        version, stopped = self.version, (self.stopped_at, self.stopped_by, self.stopped_reason)
        for fact in facts:
            match fact:
                case CampaignStopped(campaign_id=self.campaign_id):
                    stopped = (fact.at, fact.actor, fact.reason) if stopped[0] is None else stopped
                case CampaignResumed(campaign_id=self.campaign_id):
                    stopped = (None, "", "")
                case _:
                    msg = f"campaign {self.campaign_id!r} cannot go on with {fact.kind!r}"
                    raise CorruptStateError(msg)
            version += 1
        stopped_at, stopped_by, stopped_reason = stopped
        return attrs.evolve(self, version=version, stopped_at=stopped_at, stopped_by=stopped_by, stopped_reason=stopped_reason)

    def to_dict(self) -> dict[str, Any]:
        """Write the campaign as JSON values."""
        return write_state(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Campaign:
        """Read what ``to_dict`` wrote.

        Raises:
            CorruptStateError: Anything else.
        """
        return read_state(cls, data)

    def _posting(self, *facts: Fact) -> Posting[Campaign]:
        return Posting(self.folded(facts), facts=facts, stream=campaign_stream(self.campaign_id), version=self.version)
