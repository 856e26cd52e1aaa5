"""What a command brings about besides: gifts for entering a tier, and milestones; and what a return undoes of them.

Both are worked out from what the member was before the command and is after it, so that a change of the program takes nothing
back and gives nothing for the past. Only a balance is looked at as it is.

Invariants:
    1. Settled again, the same command gives nothing more.
    2. A return takes back the gifts of as many entries as it undid, the latest first, and the milestones whose mark is no longer
       reached: that of today, or that of then where it is lower.
    3. There are never more gifts of a tier than entries into it.
    4. What points were spent on saves no milestone of a balance: it stands as long as the lots that reached it do.
    5. A command that lost an entry and won it back leaves the gift alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from typing import Final, NamedTuple, Protocol, TypeAlias, final

import attrs

from loyaltycore._frozen import FrozenMap
from loyaltycore._giving import Beside, Given, Giving, give, kept_coupons, moved, next_name, standing, streams_of, take_back
from loyaltycore._tallied import lifetime_points
from loyaltycore.coupons import Coupon, CouponCampaign
from loyaltycore.facts import Posting
from loyaltycore.identity import StreamId
from loyaltycore.ledger import Lot, Overdraft
from loyaltycore.memberships import REWARD_RULE, Membership, RewardOffered, TierGrantEnded
from loyaltycore.offers import NO_VIEW, View
from loyaltycore.periods import Calendar, Expires, Term
from loyaltycore.points import POINTS
from loyaltycore.rewards import (
    BalanceReaches,
    CatalogueReward,
    Choice,
    Crossing,
    LifetimePoints,
    Milestone,
    OrderNumber,
    RewardBenefit,
    gift_campaign_id,
)
from loyaltycore.tiers import Ladder, Qualifying, TierEntry, TierRule, TierTally

__all__ = ["Rules", "giving", "reward_streams", "seen_after", "settle", "settle_return"]

Settled: TypeAlias = tuple[Posting[Membership], Beside]
"""The member's posting with what was added to it, and all that happens beside."""

_TIER: Final = "tier/"
_MILESTONE: Final = "milestone/"

_UNDONE: Final = "what it was given for came back"


class Rules(Protocol):
    """What rewards ask of a program."""

    @property
    def calendar(self) -> Calendar:
        """The local days that count."""
        ...

    @property
    def points_expire(self) -> Expires:
        """When points end that say no end of their own."""
        ...

    @property
    def overdraft(self) -> Overdraft:
        """What happens when returned points were spent."""
        ...

    @property
    def tiers(self) -> TierRule | None:
        """The tiers, and their entry gifts."""
        ...

    @property
    def rewards(self) -> Mapping[str, CatalogueReward]:
        """The catalogue, by id."""
        ...

    @property
    def milestones(self) -> Mapping[str, Milestone]:
        """The milestones, by id."""
        ...

    @property
    def campaigns(self) -> Mapping[str, CouponCampaign]:
        """All campaigns, by id."""
        ...


def reward_streams(membership: Membership) -> tuple[StreamId, ...]:
    """Name the coupons and payouts that a return may take back, to load before it: those of gifts and milestones.

    Args:
        membership: As it is now.
    """
    own = [held for held in membership.rewards.values() if not held.is_gone and held.source.startswith((_TIER, _MILESTONE))]
    return tuple(dict.fromkeys([stream for held in own for stream in streams_of(held)]))


def giving(rules: Rules, *, at: datetime, posted_at: datetime | None = None) -> Giving:
    """Say what rewards of a program are given by.

    Args:
        rules: The program.
        at: The instant they are of.
        posted_at: When they are posted, where that is later; ``None`` is ``at``.
    """
    return Giving(campaigns=rules.campaigns, calendar=rules.calendar, expires=rules.points_expire, at=at, posted_at=posted_at)


def settle(
    rules: Rules,
    before: Membership,
    posting: Posting[Membership],
    *,
    beside: Beside = (),
    at: datetime,
    posted_at: datetime | None = None,
) -> Settled:
    """Add the entry gifts and milestones that a command brought about, or that time brought since the last one.

    What is given here counts from the next command on.

    Args:
        rules: The program.
        before: The member before the command.
        posting: What the command decided.
        beside: What it does to coupons and gift cards: one that an order gives back, and that nothing stands for, is revoked.
        at: The instant of the command.
        posted_at: When it is posted, where that is later: coupons and choices count from then on; ``None`` is ``at``.

    Returns:
        The member's posting, and all that happens to coupons, gift cards and payouts.

    Complexity:
        O(orders + lots + friends) for each milestone that does not stand and, without a snapshot, for the tiers.
    """
    added = _Added(rules, posting, beside, giving(rules, at=at, posted_at=posted_at))
    added.follow_coupons()
    if not added.posting.facts:
        return added.posting, added.beside
    after = added.posting.state
    # Balances first: what is given with them comes behind them, and is no part of what reached them.
    for milestone in sorted(rules.milestones.values(), key=lambda one: not isinstance(one.when, BalanceReaches)):
        if standing(after, milestone.source) is None and _is_passed(milestone, before, after, at):
            added.give_milestone(milestone, _mark(milestone, after, at))
    for entry in _gained(rules, before, after, at):
        added.give_gift(entry)
    return added.posting, added.beside


def settle_return(
    rules: Rules,
    before: Membership,
    posting: Posting[Membership],
    *,
    beside: Beside = (),
    view: View,
    at: datetime,
) -> Settled:
    """Take back the entry gifts and milestones that a return undid.

    Args:
        rules: The program.
        before: The member before the return.
        posting: What the return decided.
        beside: What it does to coupons and gift cards.
        view: The coupons and payouts that ``reward_streams`` names.
        at: The instant of the return.

    Returns:
        The member's posting, and all that happens to coupons, gift cards and payouts: one posting for each.

    Raises:
        UsageError: A view without them.

    Complexity:
        O(orders + lots + friends) for each milestone and each tier whose gift stands.
    """
    if not posting.facts:
        return posting, beside
    after, added = posting.state, _Added(rules, posting, beside, giving(rules, at=at), view)
    ended = frozenset(fact.ref for fact in posting.facts if isinstance(fact, TierGrantEnded))
    for name in _lost(rules, before, after, ended, at):
        added.take(name)
    for milestone in rules.milestones.values():
        stands = standing(after, milestone.source)
        if stands is not None and _is_undone(milestone.when, after.rewards[stands].mark, after):
            added.take(stands)
    # What was taken back may have carried a balance, and so on.
    while (stands := _without_ground(rules, added.posting.state)) is not None:
        added.take(stands)
    return added.posting, added.beside


@final
class _Added:
    """A command's posting, with what rewards add to it."""

    __slots__ = ("besides", "by", "posting", "rules", "view")

    def __init__(self, rules: Rules, posting: Posting[Membership], beside: Beside, by: Giving, view: View = NO_VIEW) -> None:
        self.rules, self.posting, self.by, self.view = rules, posting, by, view
        self.besides = {one.stream: one for one in beside}

    @property
    def beside(self) -> Beside:
        """All that happens to coupons, gift cards and payouts."""
        return tuple(self.besides.values())

    def give_gift(self, entry: TierEntry) -> None:
        """Give what entering a tier gives."""
        assert self.rules.tiers is not None  # it was entered
        gift = self.rules.tiers.benefits[entry.tier].entry_gift
        assert gift is not None  # only such entries are looked for
        name, source = f"{_TIER}{entry.tier}/{entry.day.isoformat()}", f"{_TIER}{entry.tier}"
        by = attrs.evolve(self.by, expires=self.rules.tiers.expires_in(entry.tier, self.by.expires))
        mark = max(0, _threshold(self.rules.tiers, entry.tier) or 0)
        self._give(gift, name, source, gift_campaign_id(entry.tier), by=by, mark=mark)

    def give_milestone(self, milestone: Milestone, mark: int) -> None:
        """Give what a milestone gives, or let the member choose."""
        name = milestone.source
        if not isinstance(milestone.give, Choice):
            self._give(milestone.give, name, name, milestone.campaign_id(), by=self.by, mark=mark)
            return
        option = self._chosen_before(milestone, milestone.give)
        if option:
            give = milestone.give.options[option]
            self._give(give, name, name, milestone.campaign_id(option), by=self.by, option=option, mark=mark)
            return
        fact = RewardOffered(
            reward_id=next_name(self.posting.state, milestone.source),
            source=milestone.source,
            options=tuple(milestone.give.options),
            until=Term(milestone.give.within).end_after(self.by.valid_from, calendar=self.rules.calendar),
            mark=mark,
            at=self.by.at,
        )
        self._add(Given(reward_id=fact.reward_id, facts=(fact,)))

    def _chosen_before(self, milestone: Milestone, choice: Choice) -> str:
        """Name what was chosen, and used, before it was taken back: chosen anew, something else would come on top of it."""
        if not kept_coupons(self.posting.state, milestone.source):
            return ""
        gone = [held for held in self.posting.state.rewards.values() if held.source == milestone.source and held.coupons_kept]
        return gone[-1].option if gone[-1].option in choice.options else ""

    def _give(
        self,
        benefit: RewardBenefit,
        name: str,
        source: str,
        campaign_id: str,
        *,
        by: Giving,
        option: str = "",
        mark: int,
    ) -> None:
        given = give(
            self.posting.state,
            benefit,
            reward_id=name,
            source=source,
            campaign_id=campaign_id,
            by=by,
            option=option,
            mark=mark,
        )
        self._add(given)

    def follow_coupons(self) -> None:
        """Go after the coupons that the command used or gave back, and whose rewards were taken back before."""
        for one in self.beside:
            given = moved(self.posting.state, one.state, at=self.by.at) if isinstance(one.state, Coupon) and one.facts else None
            if given is not None:
                self._add(given)

    def take(self, name: str) -> None:
        """Take a reward back, as its coupons are after the command."""
        taken = take_back(
            self.posting.state,
            name,
            reason=_UNDONE,
            view=seen_after(self.view, self.beside),
            overdraft=self.rules.overdraft,
            at=self.by.at,
        )
        self._add(taken)

    def _add(self, given: Given) -> None:
        self.posting = given.onto(self.posting)
        for one in given.beside:
            first = self.besides.get(one.stream)
            facts = one.facts if first is None else (*first.facts, *one.facts)
            version = one.version if first is None else first.version
            self.besides[one.stream] = Posting(one.state, facts=facts, stream=one.stream, version=version)


def seen_after(view: View, beside: Beside) -> View:
    """Give a view as it is after postings of coupons.

    Args:
        view: As it was before.
        beside: What happens.
    """
    moved = [one.state for one in beside if isinstance(one.state, Coupon)]
    names = {coupon.coupon_id for coupon in moved}
    kept = [coupon for coupon in view.coupons if coupon.coupon_id not in names]
    return attrs.evolve(view, coupons=(*moved, *kept)) if moved else view


# ---- entries into tiers ----


class _Entries(NamedTuple):
    """When a member rose into which tier.

    Attributes:
        before: As known before the command, up to the last day of anything.
        now: As known after it, up to today.
    """

    before: tuple[TierEntry, ...]
    now: tuple[TierEntry, ...]


def _entries(
    rule: TierRule,
    calendar: Calendar,
    before: Membership,
    after: Membership,
    *,
    but: AbstractSet[str] = frozenset(),
    whole: bool,
    at: datetime,
) -> _Entries:
    """List when a member rose into which tier, before a command and after it; afterwards without some grants.

    Unless it is the whole, those of days that were added up may be left out: they are the same before and after.
    """
    last, today = _last_day(rule, before, calendar, at), calendar.day_of(at)
    today = today if last is None else max(today, last)
    had, sums = before.toward(rule, day=today, calendar=calendar)
    has, now = after.toward(rule, day=today, calendar=calendar)
    if whole or sums != now:
        had, has = before.qualifying(rule, calendar=calendar), after.qualifying(rule, calendar=calendar)
        sums = None
    entered = () if last is None else _entered(rule, before, had, day=last, calendar=calendar, tally=sums)
    left = attrs.evolve(after, tier_grants=FrozenMap({ref: one for ref, one in after.tier_grants.items() if ref not in but}))
    return _Entries(before=entered, now=_entered(rule, left, has, day=today, calendar=calendar, tally=sums))


def _entered(
    rule: TierRule,
    membership: Membership,
    history: Iterable[Qualifying],
    *,
    day: date,
    calendar: Calendar,
    tally: TierTally | None,
) -> tuple[TierEntry, ...]:
    return rule.entries(
        history,
        day=day,
        calendar=calendar,
        joined_on=None if membership.joined_at is None else calendar.day_of(membership.joined_at),
        grants=membership.tier_grants.values(),
        tally=tally,
    )


def _last_day(rule: TierRule, membership: Membership, calendar: Calendar, at: datetime) -> date | None:
    """Give the last local day of which anything is known of a member; ``None`` for nobody."""
    history, tally = membership.toward(rule, day=calendar.day_of(at), calendar=calendar)
    known = [event.day for event in history] + [calendar.day_of(instant) for instant in _instants(membership)]
    return max(known if tally is None else [*known, tally.through], default=None)


def _instants(membership: Membership) -> Iterator[datetime]:
    """Give instants at which something happened to a member, besides purchases."""
    yield from (ledger.last_at for ledger in membership.ledgers.values() if ledger.last_at is not None)
    yield from (grant.granted_at for grant in membership.tier_grants.values())
    # What an attached order brought was given then, and is dated back itself.
    yield from (held.at for held in membership.rewards.values() if held.source.startswith(_TIER))
    yield from () if membership.joined_at is None else (membership.joined_at,)


def _gained(rules: Rules, before: Membership, after: Membership, at: datetime) -> Iterator[TierEntry]:
    """Give the entries with a gift that are new: brought about now, or by time since the last command."""
    gifts = _gifts(rules)
    if not gifts or rules.tiers is None:
        return
    entries = _entries(rules.tiers, rules.calendar, before, after, whole=False, at=at)
    more = Counter(entry.tier for entry in entries.now if entry.tier in gifts) - Counter(entry.tier for entry in entries.before)
    standing_gifts = _standing_gifts(after) if more else {}
    new = _new_entries(entries.now, more, standing_gifts)
    if any(entry.tier in standing_gifts for entry in new):
        # Never more gifts than entries: one may stand of which the program knew nothing for a time.
        whole = Counter(entry.tier for entry in _entries(rules.tiers, rules.calendar, before, after, whole=True, at=at).now)
        room = {tier: whole[tier] - len(names) for tier, names in standing_gifts.items()}
        for entry in new:
            room[entry.tier] = room.get(entry.tier, whole[entry.tier]) - 1
            if room[entry.tier] >= 0:
                yield entry
    else:
        yield from new


def _new_entries(
    entries: Sequence[TierEntry], more: Mapping[str, int], standing_gifts: Mapping[str, Iterable[tuple[str, date]]]
) -> list[TierEntry]:
    """Give so many entries that were not there before: the latest without a gift, as their days may have moved meanwhile."""
    left, found = Counter(more), list[TierEntry]()
    given = {(tier, day) for tier, names in standing_gifts.items() for _, day in names}
    for entry in reversed(entries):
        if left[entry.tier] > 0 and (entry.tier, entry.day) not in given:
            left[entry.tier] -= 1
            found.append(entry)
    return found[::-1]


def _lost(rules: Rules, before: Membership, after: Membership, ended: AbstractSet[str], at: datetime) -> Iterator[str]:
    """Name the gifts of as many entries as were undone: the latest of those whose day is no day of an entry any more."""
    tiers = rules.tiers
    if tiers is None:
        return  # without tiers nobody can say what is left of an entry
    for tier, names in _standing_gifts(after).items():
        rule = _rule_of_then(tiers, tier, min(after.rewards[name].mark for name, _ in names))
        entries = _entries(rule, rules.calendar, before, after, but=ended, whole=True, at=at)
        left = [entry.day for entry in entries.now if entry.tier == tier]
        # So many were undone now; or earlier, by something that takes nothing back, such as a day of joining that came late.
        count = max(sum(entry.tier == tier for entry in entries.before), len(names)) - len(left)
        yield from [name for name, day in names if day not in left][: max(0, count)]


def _threshold(rule: TierRule, tier: str) -> int | None:
    return next((rung.threshold for rung in rule.ladder.rungs if rung.value == tier), None)


def _rule_of_then(rule: TierRule, tier: str, mark: int) -> TierRule:
    """Give the rule by which a gift was given: with the mark of then, where more is asked for today, or the tier is no more."""
    now = _threshold(rule, tier)
    if now is not None and now <= mark:
        return rule
    return attrs.evolve(rule, ladder=Ladder.of({mark: tier}), before=(), benefits={})


def _gifts(rules: Rules) -> frozenset[str]:
    """Name the tiers whose entry gives something."""
    benefits = {} if rules.tiers is None else rules.tiers.benefits
    return frozenset(tier for tier, one in benefits.items() if one.entry_gift is not None)


def _standing_gifts(membership: Membership) -> dict[str, list[tuple[str, date]]]:
    """Give the names of entry gifts that stand, each with its day, by tier, the latest first."""
    found = defaultdict[str, list[tuple[str, date]]](list)
    own = [(name, held) for name, held in membership.rewards.items() if held.source.startswith(_TIER) and not held.is_gone]
    for name, held in sorted(own, key=lambda item: (item[1].at, item[0]), reverse=True):
        tier = held.source.removeprefix(_TIER)
        found[tier].append((name, date.fromisoformat(name.removeprefix(f"{_TIER}{tier}/").partition("/")[0])))
    return found


# ---- milestones ----


def _is_passed(milestone: Milestone, before: Membership, after: Membership, at: datetime) -> bool:
    """Say whether a mark is passed now that was not before; a balance is looked at as it is."""
    mark = milestone.when
    if isinstance(mark, BalanceReaches):
        return after.ledger_of(POINTS).available(at=at) >= mark.points
    return _is_reached(mark, _number(mark), after) and not _is_reached(mark, _number(mark), before)


def _is_undone(mark: Crossing, given_at: int, after: Membership) -> bool:
    """Say whether a mark is not reached any more, neither that of today nor that of then; a balance is looked at by itself."""
    return not isinstance(mark, BalanceReaches) and not _is_reached(mark, min(given_at, _number(mark)), after)


def _number(mark: Crossing) -> int:
    return mark.number if isinstance(mark, OrderNumber) else mark.points


def _is_reached(mark: LifetimePoints | OrderNumber, number: int, membership: Membership) -> bool:
    if isinstance(mark, LifetimePoints):
        return lifetime_points(membership.ledger_of(mark.account)) >= number
    if membership.order_count < number:
        return False  # without a look at the orders
    return sum(counted.units > 0 for counted in membership.orders.values()) >= number


def _without_ground(rules: Rules, membership: Membership) -> str | None:
    """Name a milestone of a balance of whose lots too little is left; ``None`` where all stand."""
    for milestone in rules.milestones.values():
        name = standing(membership, milestone.source) if isinstance(milestone.when, BalanceReaches) else None
        if name is None:
            continue
        held = membership.rewards[name]
        if _open_points(membership, held.at, behind=name) < held.mark:
            return name
    return None


def _mark(milestone: Milestone, after: Membership, at: datetime) -> int:
    """Say what must be left so that it stands: the number itself, or of a balance so much of the lots that are open now."""
    number = _number(milestone.when)
    if not isinstance(milestone.when, BalanceReaches):
        return number
    spare = after.ledger_of(POINTS).available(at=at) - number
    return max(0, _open_points(after, at) - spare)


def _open_points(membership: Membership, at: datetime, *, behind: str | None = None) -> int:
    """Sum what is left of the lots that were open at an instant, however much of it was spent.

    Args:
        membership: As it is now.
        at: The instant.
        behind: A reward: lots that this one or a later one gave came after it.
    """
    names = list(membership.rewards)
    later = frozenset[str]() if behind is None else frozenset(names[names.index(behind) :])
    ledger = membership.ledger_of(POINTS)
    revoked = Counter[str]()
    for lot in ledger.lots.values():
        revoked[lot.earned_by] += lot.revoked
    return sum(lot.granted - revoked[lot.lot_id] for lot in ledger.lots.values() if _was_open(lot, at, later))


def _was_open(lot: Lot, at: datetime, later: AbstractSet[str]) -> bool:
    """Whether a lot counted for a balance."""
    is_later = lot.rule == REWARD_RULE and lot.earn_ref in later
    return lot.granted_at <= at and not lot.origin and lot.is_live(at) and not is_later
