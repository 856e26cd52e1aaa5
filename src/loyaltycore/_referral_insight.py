"""Who brought most friends, and what it brought the shop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from fractions import Fraction
from typing import Final, final

import attrs

from loyaltycore._checks import check_count, check_kind, check_whole
from loyaltycore._referral import Referral, ReferralStatus
from loyaltycore.errors import CurrencyMismatchError, UsageError
from loyaltycore.memberships import ALWAYS
from loyaltycore.periods import Window
from loyaltycore.quantities import Money, Rounding, divide

__all__ = ["RANKS", "Rank", "ReferralReport", "leaderboard", "referral_report"]

RANKS: Final = 10
"""Places of a leaderboard, where nothing else is said."""


@final
@attrs.frozen(kw_only=True)
class Rank:
    """A place on the leaderboard.

    Attributes:
        place: From 1; those with as many friends share one, and the places after it are left out: 1, 2, 2, 4.
        advocate_id: Who.
        friends: For how many friends the advocate was rewarded, and who stand.
    """

    place: int
    advocate_id: str
    friends: int


def leaderboard(referrals: Iterable[Referral], *, window: Window = ALWAYS, limit: int = RANKS) -> tuple[Rank, ...]:
    """List the advocates with the most friends rewarded for.

    Args:
        referrals: All there are, one at a time: none is kept.
        window: In which the reward was due; of all time, unless said.
        limit: So many places; of those that share the last one all are listed.

    Returns:
        The most friends first; those with as many by their ids.

    Complexity:
        O(referrals) time, O(advocates) space.

    Example:
        >>> from datetime import UTC, datetime
        >>> now = datetime(2026, 7, 1, tzinfo=UTC)
        >>> def friend(friend_id, advocate_id):
        ...     joined = Referral.open(friend_id).join("friends", advocate_id=advocate_id, at=now).state
        ...     return joined.qualify("1", due_at=now, at=now).state.reward(number=1, at=now).state
        >>> brought = [friend("f-1", "ann"), friend("f-2", "ben"), friend("f-3", "cem"), friend("f-4", "cem")]
        >>> [(rank.place, rank.advocate_id, rank.friends) for rank in leaderboard(brought)]
        [(1, 'cem', 2), (2, 'ann', 1), (2, 'ben', 1)]
    """
    check_count("limit", limit)
    check_kind("window", window, Window)
    friends = Counter[str]()
    for referral in referrals:
        one = check_kind("each of referrals", referral, Referral)
        if one.status is ReferralStatus.REWARDED and _contains(window, one.rewarded_at):
            assert one.advocate_id is not None  # somebody was rewarded
            friends[one.advocate_id] += 1
    ranks = list[Rank]()
    for nth, (advocate_id, count) in enumerate(sorted(friends.items(), key=lambda item: (-item[1], item[0])), start=1):
        place = ranks[-1].place if ranks and ranks[-1].friends == count else nth
        if place > limit:
            break
        ranks.append(Rank(place=place, advocate_id=advocate_id, friends=count))
    return tuple(ranks)


def _contains(window: Window, at: datetime | None) -> bool:
    return at is not None and window.contains(at)


def _text(share: Fraction | None) -> str:
    if share is None:
        return ""
    places = divide(share.numerator * 10_000, share.denominator, rounding=Rounding.HALF_EVEN)
    return f"{'-' if places < 0 else ''}{abs(places) // 10_000}.{abs(places) % 10_000:04}"


@final
@attrs.frozen(kw_only=True)
class ReferralReport:
    """What a referral program came to, of the friends who came in a window.

    Attributes:
        joined: Friends who joined with a code, whatever became of them.
        refused: People whose code was refused, and who joined with no other.
        qualified: Of those who joined, the friends whose order qualifies them and for whom the reward is to come.
        rewarded: Those for whom the advocate was rewarded, and who stand.
        rejected: Those for whom the advocate is not rewarded.
        reversed: Those who were rewarded for and count no longer, or are about to.
        members: So many members there are, who could have brought somebody.
        reward: What was given for all of them, to both sides; ``None`` where nobody said.
        ltv: What one customer brings in over the years; ``None`` where nobody said.
    """

    joined: int
    refused: int
    qualified: int
    rewarded: int
    rejected: int
    reversed: int
    members: int
    reward: Money | None = None
    ltv: Money | None = None

    @property
    def conversion(self) -> Fraction | None:
        """Of those who joined, the share that was rewarded for; ``None`` where nobody joined."""
        return Fraction(self.rewarded, self.joined) if self.joined else None

    @property
    def k(self) -> Fraction | None:
        """Friends rewarded for by each member: at 1 and above a shop grows by itself; ``None`` where there is no member."""
        return Fraction(self.rewarded, self.members) if self.members else None

    @property
    def roi(self) -> Fraction | None:
        """What came back of each unit of money given: ``(ltv · (1 + k) − reward) ÷ reward``, both of one friend rewarded for.

        ``None`` where a part is missing, or nothing was given.
        """
        if self.ltv is None or self.reward is None or self.k is None or not self.reward.minor_units:
            return None
        spent = self.reward.minor_units
        return (self.ltv.minor_units * self.rewarded * (1 + self.k) - spent) / spent

    def texts(self) -> dict[str, str]:
        """Write conversion, k and ROI with four places, half to even, for a page; empty where there is none."""
        return {name: _text(value) for name, value in (("conversion", self.conversion), ("k", self.k), ("roi", self.roi))}


def referral_report(
    referrals: Iterable[Referral],
    *,
    members: int,
    ltv: Money | None = None,
    reward: Money | None = None,
    window: Window = ALWAYS,
) -> ReferralReport:
    """Count what became of the friends who came, and what it brought.

    Args:
        referrals: All there are, one at a time: none is kept.
        members: So many members there are, who could have brought somebody.
        ltv: What one customer brings in over the years, before rewards.
        reward: What was given for the friends of the report, to both sides.
        window: In which they joined, or were refused; of all time, unless said.

    Raises:
        UsageError: Money below zero.
        CurrencyMismatchError: ``ltv`` and ``reward`` in two currencies.
    """
    check_whole("members", members, low=0)
    check_kind("window", window, Window)
    for name, money in (("ltv", ltv), ("reward", reward)):
        if money is not None and check_kind(name, money, Money).minor_units < 0:
            msg = f"{name} must be 0 or more, got {money}"
            raise UsageError(msg)
    if ltv is not None and reward is not None and ltv.currency != reward.currency:
        raise CurrencyMismatchError(ltv.currency, reward.currency)
    found = Counter(
        one.status
        for one in (check_kind("each of referrals", referral, Referral) for referral in referrals)
        if _contains(window, _came_at(one))
    )
    joined = found.total() - found[ReferralStatus.REFUSED]
    return ReferralReport(
        joined=joined,
        refused=found[ReferralStatus.REFUSED],
        qualified=found[ReferralStatus.QUALIFIED],
        rewarded=found[ReferralStatus.REWARDED],
        rejected=found[ReferralStatus.REJECTED],
        reversed=found[ReferralStatus.REVERSING] + found[ReferralStatus.REVERSED],
        members=members,
        reward=reward,
        ltv=ltv,
    )


def _came_at(referral: Referral) -> datetime | None:
    if referral.joined_at is None and referral.refused is not None:
        return referral.refused.at
    return referral.joined_at
