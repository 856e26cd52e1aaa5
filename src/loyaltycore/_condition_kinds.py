"""The kinds of conditions, and what they see: plain values that check themselves when they are made.

How each is answered is in ``conditions``.

>>> rule = SpendAtLeast(Money.of("50", "EUR")) & (IsMember() | CodePresented("SUMMER10"))
>>> [type(part).__name__ for part in leaves(rule)]
['SpendAtLeast', 'IsMember', 'CodePresented']
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Final, Protocol, TypeAlias, cast, final, runtime_checkable

import attrs

from loyaltycore._checks import (
    check_count,
    check_instant,
    check_kind,
    check_mapping,
    check_several,
    check_whole,
    shown,
)
from loyaltycore._frozen import FrozenMap
from loyaltycore._goods import ALL_GOODS, Goods
from loyaltycore.basket import Basket, Filter, UnitGroup
from loyaltycore.errors import Detail, UsageError
from loyaltycore.identity import check_id, check_slug, fold_code, labels
from loyaltycore.members import Profile
from loyaltycore.periods import Calendar, Recurrence, Schedule, Window
from loyaltycore.quantities import Money, Rate

__all__ = [
    "CONDITIONS_LIMIT",
    "DEPTH_LIMIT",
    "Across",
    "AllOf",
    "AnyOf",
    "Base",
    "CodePresented",
    "Condition",
    "CouponHeld",
    "During",
    "Evidence",
    "InMarket",
    "InTier",
    "IsMember",
    "MemberTagged",
    "Not",
    "NthOrder",
    "OwnCondition",
    "OwnRule",
    "PaidBy",
    "PastDiscount",
    "PointsAtLeast",
    "ProductsAtLeast",
    "QuantityAtLeast",
    "Situation",
    "SpendAtLeast",
    "ViaChannel",
    "check_condition",
    "leaves",
]

CONDITIONS_LIMIT: Final = 20
"""Parts of one condition: more is a mistake in a file."""

DEPTH_LIMIT: Final = 8
"""How deep conditions may stand in one another: nobody reads deeper."""


def _folded(codes: Iterable[str]) -> frozenset[str]:
    return frozenset([fold_code(code) for code in check_several("codes", codes, str)])


def _groups(groups: Iterable[UnitGroup]) -> tuple[UnitGroup, ...]:
    return check_several("groups", groups, UnitGroup)


def _units_of(basket: object) -> tuple[UnitGroup, ...]:
    return check_kind("basket", basket, Basket).unit_groups()


@final
@attrs.frozen(kw_only=True)
class Situation:
    """What a condition can see.

    Attributes:
        basket: What is bought; its market, channel and payment are seen too.
        groups: Its units in their one order; those of the basket unless a book speaks of lines.
        exclude_tags: Goods with one of these tags are touched by no offer, and count for no threshold.
        is_member: Whether a member asks; guests are legal.
        order_count: Orders the member has placed before; 0 for a guest.
        codes: The codes presented, however they were typed; kept as ``identity.fold_code`` gives them.
        coupons: The campaigns of which a coupon is presented that can be redeemed now, by id.
        tier: The member's tier; ``None`` for a guest or below the first rung.
        points: Points available to burn.
        past_list_minor: What the goods of the member's orders cost before offers, in all.
        past_discount_minor: What offers took off them, in all.
        profile: What the shop told about the person.
        gives_points: Whether points are given at all: not before a program starts.
        at: The instant of the question, timezone-aware, kept in UTC.
        calendar: Whose local days and hours count; those of UTC unless said.

    Example:
        >>> from datetime import UTC, datetime
        >>> basket = Basket.of("EUR", {"helmet": "45.00"})
        >>> seen = Situation(basket=basket, codes=["summer-1o"], at=datetime(2026, 7, 1, tzinfo=UTC))
        >>> sorted(seen.codes), seen.market
        (['SUMMER10'], None)
    """

    basket: Basket
    groups: tuple[UnitGroup, ...] = attrs.field(
        default=attrs.Factory(lambda self: _units_of(self.basket), takes_self=True), converter=_groups, repr=False
    )
    exclude_tags: frozenset[str] = attrs.field(default=frozenset(), converter=labels)
    is_member: bool = False
    order_count: int = 0
    codes: frozenset[str] = attrs.field(default=frozenset(), converter=_folded)
    coupons: frozenset[str] = attrs.field(default=frozenset(), converter=labels)
    tier: str | None = None
    points: int = 0
    past_list_minor: int = 0
    past_discount_minor: int = 0
    profile: Profile = Profile()
    gives_points: bool = True
    at: datetime
    calendar: Calendar = Calendar("UTC")

    def __attrs_post_init__(self) -> None:
        """Check the numbers, the person and the time."""
        check_kind("basket", self.basket, Basket)
        check_kind("is_member", self.is_member, bool)
        for name in ("order_count", "points", "past_list_minor", "past_discount_minor"):
            check_whole(name, getattr(self, name), low=0)
        if self.tier is not None:
            check_id("tier", self.tier)
        check_kind("profile", self.profile, Profile)
        object.__setattr__(self, "at", check_instant("at", self.at))
        check_kind("calendar", self.calendar, Calendar)

    @property
    def market(self) -> str | None:
        """Where it is sold: as the basket says, or else the profile."""
        return self.profile.market if self.basket.market is None else self.basket.market

    @cached_property
    def goods(self) -> Goods:
        """The goods that offers may touch, by filter."""
        return Goods(self.groups, self.exclude_tags)


def _frozen_details(details: Mapping[str, Detail]) -> FrozenMap[str, Detail]:
    return FrozenMap(check_mapping("details", details))


@final
@attrs.frozen
class Evidence:
    """Why one part of a condition is met.

    Attributes:
        condition: The part.
        details: What was found: whole numbers and text.
    """

    condition: Condition
    details: FrozenMap[str, Detail] = attrs.field(default=FrozenMap[str, Detail](), converter=_frozen_details)


class Base(StrEnum):
    """Which prices count: those before all offers, or what the offers before this one have left."""

    LIST = "list"
    RUNNING = "running"


class Across(StrEnum):
    """What is counted together: all units that are meant, or those of one product at one price."""

    BASKET = "basket"
    PRODUCT = "product"


class _Combinable:
    """Gives conditions their ``&``, ``|`` and ``~``."""

    __slots__ = ()

    def __and__(self, other: Condition) -> AllOf:
        """Both must hold."""
        return AllOf((self, other))

    def __or__(self, other: Condition) -> AnyOf:
        """One of the two must hold."""
        return AnyOf((self, other))

    def __invert__(self) -> Condition:
        """Hold where this does not."""
        return self.condition if isinstance(self, Not) else Not(check_condition(self))


@final
@attrs.frozen
class SpendAtLeast(_Combinable):
    """Goods are worth at least so much.

    Attributes:
        amount: Above 0; goods that offers exclude do not count.
        of: Which goods count.
        base: At list prices, or at what the offers before have left.
    """

    amount: Money
    of: Filter = attrs.field(default=ALL_GOODS, kw_only=True)
    base: Base = attrs.field(default=Base.LIST, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Refuse a threshold that everything meets."""
        if not isinstance(self.amount, Money) or self.amount.minor_units <= 0:
            msg = f"spend_at_least must be Money above 0, got {shown(self.amount)}"
            raise UsageError(msg)
        check_kind("of", self.of, Filter)
        check_kind("base", self.base, Base)


@final
@attrs.frozen
class QuantityAtLeast(_Combinable):
    """At least so many units are in the basket.

    Attributes:
        units: At least 1.
        of: Which goods count.
        across: All of them together, or of one product at one price.
    """

    units: int
    of: Filter = attrs.field(default=ALL_GOODS, kw_only=True)
    across: Across = attrs.field(default=Across.BASKET, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the number."""
        check_count("units", self.units)
        check_kind("of", self.of, Filter)
        check_kind("across", self.across, Across)


@final
@attrs.frozen
class ProductsAtLeast(_Combinable):
    """At least so many different products are in the basket.

    Attributes:
        products: At least 1.
        of: Which goods count.
    """

    products: int
    of: Filter = attrs.field(default=ALL_GOODS, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the number."""
        check_count("products", self.products)
        check_kind("of", self.of, Filter)


@final
@attrs.frozen
class IsMember(_Combinable):
    """A member asks, not a guest."""


def _check_some(name: str, found: frozenset[str]) -> None:
    if not found:
        msg = f"{name} must name at least one, got none"
        raise UsageError(msg)


@final
@attrs.frozen
class InTier(_Combinable):
    """The member is in one of these tiers, as before this order.

    Attributes:
        tiers: At least one.
    """

    tiers: frozenset[str] = attrs.field(converter=labels)

    def __attrs_post_init__(self) -> None:
        """Refuse what nobody could meet."""
        _check_some("tiers", self.tiers)


@final
@attrs.frozen
class MemberTagged(_Combinable):
    """The shop gave the person one of these tags.

    Attributes:
        tags: At least one.
    """

    tags: frozenset[str] = attrs.field(converter=labels)

    def __attrs_post_init__(self) -> None:
        """Refuse what nobody could meet."""
        _check_some("tags", self.tags)


@final
@attrs.frozen
class InMarket(_Combinable):
    """It is sold in one of these markets: as the basket says, or else the profile.

    Attributes:
        markets: At least one.
    """

    markets: frozenset[str] = attrs.field(converter=labels)

    def __attrs_post_init__(self) -> None:
        """Refuse what nobody could meet."""
        _check_some("markets", self.markets)


@final
@attrs.frozen
class ViaChannel(_Combinable):
    """It is sold through one of these channels.

    Attributes:
        channels: At least one.
    """

    channels: frozenset[str] = attrs.field(converter=labels)

    def __attrs_post_init__(self) -> None:
        """Refuse what nobody could meet."""
        _check_some("channels", self.channels)


@final
@attrs.frozen
class PaidBy(_Combinable):
    """It is paid in one of these ways; unmet while the way is not known.

    Attributes:
        payments: At least one.
    """

    payments: frozenset[str] = attrs.field(converter=labels)

    def __attrs_post_init__(self) -> None:
        """Refuse what nobody could meet."""
        _check_some("payments", self.payments)


@final
@attrs.frozen
class CodePresented(_Combinable):
    """A code was entered; case, spaces, dashes and look-alikes do not matter.

    Attributes:
        code: As the shop writes it.
        folded: The form under which codes are the same.
    """

    code: str
    folded: str = attrs.field(init=False, eq=False, default=attrs.Factory(lambda self: fold_code(self.code), takes_self=True))


@final
@attrs.frozen
class CouponHeld(_Combinable):
    """A coupon of a campaign is presented: by its code, by its id, or because the member holds it and it applies by itself.

    Attributes:
        campaign_id: The campaign.
    """

    campaign_id: str

    def __attrs_post_init__(self) -> None:
        """Check the id."""
        check_slug("campaign_id", self.campaign_id)


@final
@attrs.frozen
class NthOrder(_Combinable):
    """It would be the person's first, second, n-th order; a guest's is the first.

    Attributes:
        number: At least 1.
    """

    number: int

    def __attrs_post_init__(self) -> None:
        """Check the number."""
        check_count("number", self.number)


@final
@attrs.frozen(kw_only=True)
class During(_Combinable):
    """The time is right, in the program's zone: every part that is said holds.

    Attributes:
        window: From when to when; ``None`` always.
        schedule: The hours of the week; ``None`` all.
        recurrence: The days that come again, such as the first Sunday of a month; ``None`` all.
    """

    window: Window | None = None
    schedule: Schedule | None = None
    recurrence: Recurrence | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse a time that is always."""
        if self.window is None and self.schedule is None and self.recurrence is None:
            msg = "during must say a window, a schedule or a recurrence, got none"
            raise UsageError(msg)
        for name, kind in (("window", Window), ("schedule", Schedule), ("recurrence", Recurrence)):
            if getattr(self, name) is not None:
                check_kind(name, getattr(self, name), kind)

    def holds(self, at: datetime, *, calendar: Calendar) -> bool:
        """Say whether an instant lies inside."""
        return (
            (self.window is None or self.window.contains(at))
            and (self.schedule is None or self.schedule.contains(at, calendar=calendar))
            and (self.recurrence is None or self.recurrence.contains(calendar.day_of(at)))
        )


@final
@attrs.frozen
class PointsAtLeast(_Combinable):
    """So many points can be burned, as before this order.

    Attributes:
        points: At least 1.
    """

    points: int

    def __attrs_post_init__(self) -> None:
        """Check the number."""
        check_count("points", self.points)


@final
@attrs.frozen
class PastDiscount(_Combinable):
    """The member's orders were bought at least this far below their list prices, taken together.

    Turned around with ``~`` it saves a deep discount for those who do not already buy at a small one. Who never ordered does
    not meet it.

    Attributes:
        share: Of the list prices, above 0 and at most all: ``Rate.percent("10")``.
    """

    share: Rate

    def __attrs_post_init__(self) -> None:
        """Refuse a share that everybody meets, or nobody."""
        if not 0 < check_kind("share", self.share, Rate).factor <= 1:
            msg = f"share must be above 0 and at most 1, got {shown(self.share)}"
            raise UsageError(msg)


@runtime_checkable
class OwnRule(Protocol):
    """A shop's own condition.

    1. ``holds(situation)`` is a function of the situation alone: twice the same.
    2. ``own_id`` says which rule and which version of it: programs with equal ids are taken for equal.

    Example:
        >>> class EvenCents:
        ...     own_id = "even-cents-1"
        ...
        ...     def holds(self, situation: Situation) -> bool:
        ...         return situation.basket.subtotal.minor_units % 2 == 0
        >>> isinstance(EvenCents(), OwnRule)
        True
    """

    @property
    def own_id(self) -> str:
        """Name of the rule, with its version."""
        ...

    def holds(self, situation: Situation) -> bool:
        """Say whether it is met."""
        ...


def _own_rule(rule: object) -> OwnRule:
    if not isinstance(rule, OwnRule):
        msg = f"a shop's own condition must have own_id and holds(), got {shown(rule)}"
        raise UsageError(msg)
    return rule


@final
@attrs.frozen
class OwnCondition(_Combinable):
    """A shop's own condition, known by its id: what a program's digest and equality see of it; made by ``own``.

    Attributes:
        rule: The rule.
        own_id: As the rule says.
    """

    rule: OwnRule = attrs.field(converter=_own_rule, eq=False, repr=False)
    own_id: str = attrs.field(
        default=attrs.Factory(lambda self: check_slug("own_id", self.rule.own_id), takes_self=True), init=False
    )


def _joined(parts: Iterable[object], kind: type[AllOf | AnyOf]) -> tuple[Condition, ...]:
    """Put parts into one list, those of parts of the same kind too."""
    found = list[Condition]()
    for part in check_several("parts", parts, object):
        found += part.parts if isinstance(part, kind) else (check_condition(part),)
    return tuple(found)


def _all_parts(parts: Iterable[object]) -> tuple[Condition, ...]:
    return _joined(parts, AllOf)


@final
@attrs.frozen
class AllOf(_Combinable):
    """Every part must hold.

    Attributes:
        parts: None always holds. Parts that are ``AllOf`` themselves give theirs.
    """

    parts: tuple[Condition, ...] = attrs.field(converter=_all_parts)

    def __attrs_post_init__(self) -> None:
        """Refuse what nobody could read."""
        _check_size(self)


def _any_parts(parts: Iterable[object]) -> tuple[Condition, ...]:
    return _joined(parts, AnyOf)


@final
@attrs.frozen
class AnyOf(_Combinable):
    """One part at least must hold.

    Attributes:
        parts: At least one. Parts that are ``AnyOf`` themselves give theirs.
    """

    parts: tuple[Condition, ...] = attrs.field(converter=_any_parts)

    def __attrs_post_init__(self) -> None:
        """Refuse what nothing could meet, and what nobody could read."""
        if not self.parts:
            msg = "any_of must have at least one part, got none"
            raise UsageError(msg)
        _check_size(self)


@final
@attrs.frozen
class Not(_Combinable):
    """The part must not hold.

    Attributes:
        condition: The part.
    """

    condition: Condition

    def __attrs_post_init__(self) -> None:
        """Check the part."""
        check_condition(self.condition)
        _check_size(self)


Condition: TypeAlias = (
    SpendAtLeast
    | QuantityAtLeast
    | ProductsAtLeast
    | IsMember
    | InTier
    | MemberTagged
    | InMarket
    | ViaChannel
    | PaidBy
    | CodePresented
    | CouponHeld
    | NthOrder
    | During
    | PointsAtLeast
    | PastDiscount
    | OwnCondition
    | AllOf
    | AnyOf
    | Not
)
"""The closed union of conditions; a shop's own come in by ``own``."""


def check_condition(value: object) -> Condition:
    """Take a condition.

    Raises:
        UsageError: Anything else.
    """
    if isinstance(value, _Combinable):  # all of the union are, and nothing else: one look instead of eighteen
        return cast("Condition", value)
    msg = f"a condition must be one of this module's, or made by own(), got {shown(value)}"
    raise UsageError(msg)


def _depth(condition: Condition) -> int:
    match condition:
        case AllOf() | AnyOf():
            return 1 + max((_depth(part) for part in condition.parts), default=0)
        case Not():
            return 1 + _depth(condition.condition)
        case _:
            return 1


def _check_size(condition: Condition) -> None:
    count = sum(1 for _ in leaves(condition))
    if count > CONDITIONS_LIMIT:
        msg = f"a condition must have at most {CONDITIONS_LIMIT} parts, got {count}"
        raise UsageError(msg)
    if _depth(condition) > DEPTH_LIMIT:
        msg = f"conditions must stand at most {DEPTH_LIMIT} deep in one another, got {_depth(condition)}"
        raise UsageError(msg)


def leaves(condition: object) -> Iterator[Condition]:
    """Give the single parts of a condition, also those that must not hold.

    Raises:
        UsageError: What is no condition.
    """
    match check_condition(condition):
        case AllOf() | AnyOf() as several:
            for part in several.parts:
                yield from leaves(part)
        case Not() as turned:
            yield from leaves(turned.condition)
        case single:
            yield single
