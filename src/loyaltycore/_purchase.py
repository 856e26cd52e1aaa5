"""What the rules of earning give for one basket.

What an order earned is frozen with it, as ``EarnedPoints``. Offers join in: points they give on top are earned by a rule named
after the offer, and goods they let count several times do so for every rule of the main account.

Invariants:
    1. ``0 <= granted <= desired``, and fewer are granted than desired only with a refusal that names the cap, or where
       another rule gives instead.
    2. In one rule's own basis more never earns fewer, but where a cap refuses instead of truncating.
    3. What a rule counts is shared out to lines at purchase: the lines sum to what counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import lcm
from typing import Final, NamedTuple, TypeAlias, final

import attrs

from loyaltycore._earning import (
    EVER,
    Basis,
    Combine,
    EarningAnswer,
    EarningRule,
    Over,
    Shipping,
    held_in,
)
from loyaltycore._formula import POINTS, SHIPPING_LINE, Counted, EarnedPoints, Flat, Formula, sums_by_times
from loyaltycore.basket import Basket, Filter, UnitGroup
from loyaltycore.benefits import BonusPoints
from loyaltycore.conditions import Situation
from loyaltycore.errors import Detail, Reason, Refusal
from loyaltycore.ledger import Ledger
from loyaltycore.offers import AppliedOffer
from loyaltycore.periods import Expires, opens_and_ends
from loyaltycore.quantities import Rate, allocate, share_of_units

__all__ = ["Earnings", "Purchase", "earn_on_order", "ends_of", "to_earn", "to_take"]


@final
@attrs.frozen(kw_only=True)
class Earnings:
    """What all rules give for a basket.

    Attributes:
        answers: By rule, in their order; then by offer that gives points.
        earned: What is booked.
        shares: Points of the main account by unit group; shipping's part is nobody's.
    """

    answers: tuple[EarningAnswer, ...]
    earned: tuple[EarnedPoints, ...]
    shares: tuple[int, ...]


@final
@attrs.frozen(kw_only=True)
class Purchase:
    """What the rules see of a basket.

    Attributes:
        basket: For its market and channel.
        groups: Its units.
        prices: By basis, what each group counts for.
        shipping_minor: What is paid for shipping; 0 while it is not known.
        situation: Who asks, and when.
        ledgers: The member's accounts, by name; empty for a guest.
        carried: Spend carried over, by rule; ``None`` for a guest, whose cannot be.
        offers: Those that apply; none before the program starts.
    """

    basket: Basket
    groups: tuple[UnitGroup, ...]
    prices: Mapping[Basis, Sequence[int]]
    shipping_minor: int
    situation: Situation
    ledgers: Mapping[str, Ledger]
    carried: Mapping[str, int] | None
    offers: Sequence[AppliedOffer] = ()


_Counts: TypeAlias = list[tuple[int, Fraction]]


class _Answer(NamedTuple):
    """A rule's answer, before the rules meet."""

    rule: EarningRule
    answer: EarningAnswer
    matches: bool = False
    earned: EarnedPoints | None = None
    counts: _Counts | None = None


def earn_on_order(rules: Sequence[EarningRule], combine: Combine, purchase: Purchase) -> Earnings:
    """Ask every rule what a basket earns, and let those of one account meet.

    Args:
        rules: In their order.
        combine: How they meet.
        purchase: What they see.

    Complexity:
        O(rules · groups · multipliers), and O(lots) for each cap on a span.
    """
    asked = [_ask(rule, purchase) for rule in rules]
    taken = _met(asked, combine)
    answers, earned, shares = list[EarningAnswer](), list[EarnedPoints](), [0] * len(purchase.groups)
    for one in asked:
        chosen = taken.get(one.rule.account) if one.matches else None
        if chosen is not None and chosen is not one:
            answers.append(attrs.evolve(one.answer, granted=0, refusal=None, instead=chosen.rule.rule_id))
            continue
        answers.append(one.answer)
        if one.earned is not None and one.counts is not None:
            earned.append(one.earned)
            if one.rule.account == POINTS:
                shares = [sum(both) for both in zip(shares, _shared(one.earned.points, one.counts), strict=False)]
    for offer in purchase.offers:
        for bonus in offer.bonus:
            answer, given, counts = _on_top(offer.offer_id, bonus, purchase, ends_of(rules))
            answers.append(answer)
            if given is not None:
                earned.append(given)
                shares = [sum(both) for both in zip(shares, _shared(given.points, counts), strict=False)]
    return Earnings(answers=tuple(answers), earned=tuple(earned), shares=tuple(shares))


def ends_of(rules: Iterable[EarningRule]) -> Expires:
    """Say when points end that say no end of their own: as those of the first rule for the main account."""
    return next((rule.expires for rule in rules if rule.account == POINTS), None)


def _on_top(
    offer_id: str, bonus: BonusPoints, purchase: Purchase, ends: Expires
) -> tuple[EarningAnswer, EarnedPoints | None, _Counts]:
    """Give the points of an offer, once, for what is paid for the goods that offers may touch."""
    situation, paid = purchase.situation, purchase.prices[Basis.PAID]
    touched = frozenset(situation.goods.open_places)
    counts = [(minor if place in touched else 0, _ONCE) for place, minor in enumerate(paid)]
    counts.append((0, _ONCE))  # shipping
    counted = _by_line(counts, purchase.groups)
    terms = opens_and_ends(bonus.pending, bonus.ends(ends), at=situation.at, calendar=situation.calendar)
    answer = EarningAnswer(rule_id=offer_id, account=POINTS)
    if not counted or terms is None:
        return answer, None, counts
    earned = EarnedPoints(
        rule=offer_id,
        points=bonus.points,
        formula=Flat(bonus.points).frozen(),
        counted=counted,
        available_at=terms.available_at,
        expires_at=terms.expires_at,
        awaits=terms.awaits,
        lasts=terms.lasts,
    )
    return attrs.evolve(answer, desired=bonus.points, granted=bonus.points), earned, counts


def _met(asked: Sequence[_Answer], combine: Combine) -> dict[str, _Answer]:
    """Give the one answer that is taken, by account; none where all are."""
    taken: dict[str, _Answer] = {}
    if combine is Combine.SUM:
        return taken
    for one in asked:
        first = taken.get(one.rule.account)
        better = first is not None and combine is Combine.BEST and one.answer.granted > first.answer.granted
        if one.matches and (first is None or better):
            taken[one.rule.account] = one
    return taken


def _ask(rule: EarningRule, purchase: Purchase) -> _Answer:
    """Ask one rule alone."""
    situation = purchase.situation
    nothing = _Answer(rule, EarningAnswer(rule_id=rule.rule_id, account=rule.account))
    terms = rule.terms(situation.at, calendar=situation.calendar)
    if terms is None or not rule.when.holds(situation, purchase.basket):
        return nothing
    counts = _counts(rule, purchase)
    if sum([minor for minor, _ in counts]) < max(1, rule.at_least_minor):
        return nothing
    counted = _by_line(counts, purchase.groups)
    by_times = sums_by_times(counted)
    formula = rule.formula(by_times)
    if formula is None:
        return nothing._replace(matches=True)
    ledger = purchase.ledgers.get(rule.account)
    carried = None if purchase.carried is None or not rule.carries else purchase.carried.get(rule.rule_id, 0)
    if carried is None:
        desired = formula.of(by_times)
    else:
        spent_minor = carried + sum([minor for minor, _ in counts])
        desired = to_earn(formula, spent_minor) - to_earn(formula, carried)
    answer = _capped(nothing.answer, rule, max(0, desired), ledger, situation)
    # What a guest spent below the first step counts on, once the order finds its member.
    is_carried = carried is not None or (rule.carries and answer.granted == 0)
    if answer.granted == 0 and not is_carried:
        return _Answer(rule, answer, matches=True)
    earned = EarnedPoints(
        rule=rule.rule_id,
        account=rule.account,
        points=answer.granted,
        formula=formula,
        counted=counted,
        carried=is_carried,
        available_at=terms.available_at,
        expires_at=terms.expires_at,
        awaits=terms.awaits,
        lasts=terms.lasts,
    )
    return _Answer(rule, answer, matches=True, earned=earned, counts=counts)


def to_earn(formula: Formula, carried_minor: int) -> int:
    """Give the points a member holds of a rule whose spend is carried over: those of the whole steps of the sum.

    The least of a single order is asked before its spend is added, not here.
    """
    return formula.points * (max(0, carried_minor) // formula.per_minor)


def to_take(earned: EarnedPoints, carried_minor: int, left_minor: int, ledger: Ledger) -> int:
    """Give the points to take back when less spend is carried over, by the step that the order was bought under.

    Args:
        earned: What the order earned.
        carried_minor: What was carried over before.
        left_minor: What still is; where that is nothing, all that is held goes.
        ledger: The account.
    """
    held = held_in(earned.rule, ledger, EVER)
    if left_minor <= 0:
        return held
    return min(held, to_earn(earned.formula, carried_minor) - to_earn(earned.formula, left_minor))


def _counts(rule: EarningRule, purchase: Purchase) -> _Counts:
    """Give what each group counts for and how many times, and shipping last."""
    matches = [one for one in rule.multipliers if one.when.holds(purchase.situation, purchase.basket)]
    holding = [(one.times, one.only, one.only.is_open) for one in matches]
    if rule.account == POINTS:
        # Goods that no offer touches are multiplied by none either.
        out = purchase.situation.exclude_tags
        offered = [one for offer in purchase.offers for one in offer.times]
        holding += [(one.times, _apart_from(out, one.of), one.of.is_open) for one in offered]
    # Few sets of multipliers meet on many groups: fractions are multiplied once for each.
    known: dict[tuple[Rate, ...], Fraction] = {}
    counts = _Counts()
    for group, minor in zip(purchase.groups, purchase.prices[rule.basis], strict=True):
        if minor and rule.counts(group):
            matching = tuple([rate for rate, only, _ in holding if only.takes(group)]) if holding else ()
            times = known.get(matching)
            if times is None:
                times = known[matching] = _times(rule, matching)
            counts.append((minor, times))
        else:
            counts.append((0, _ONCE))
    shipping_minor = purchase.shipping_minor if rule.shipping is Shipping.IN else 0
    counts.append((shipping_minor, _times(rule, [rate for rate, _, is_open in holding if is_open])))
    return counts


def _apart_from(tags: frozenset[str], only: Filter) -> Filter:
    """Leave goods with some tags out of a filter."""
    return attrs.evolve(only, exclude_tags=only.exclude_tags | tags) if tags else only


_ONCE: Final = Fraction(1)
_PARTS_LIMIT: Final = 1_000_000
_TIMES_LIMIT: Final = Fraction(1_000_000)


def _times(rule: EarningRule, rates: Iterable[Rate]) -> Fraction:
    times = _ONCE
    for rate in rates:
        times *= rate.factor
    if times.denominator > _PARTS_LIMIT:
        # Many odd multipliers together: a millionth of a time gives nobody a point, and longer fractions fit no column.
        times = Fraction(int(times * _PARTS_LIMIT), _PARTS_LIMIT)
    return min(times, _TIMES_LIMIT if rule.times_limit is None else rule.times_limit.factor)


def _by_line(counts: _Counts, groups: Sequence[UnitGroup]) -> tuple[Counted, ...]:
    """Share what counts out to lines, each its fixed units of the group; by line id, shipping first."""
    counted = list[Counted]()
    for group, (minor, times) in zip(groups, counts, strict=False):
        if not minor:
            continue
        upper, lower = times.numerator, times.denominator
        for units in group.lines:
            alone = len(group.lines) == 1
            part = minor if alone else share_of_units(minor, group.quantity, start=units.start, stop=units.stop)
            if part:
                counted.append(Counted(units.line_id, part, upper, lower))
    shipping_minor, times = counts[-1]
    if shipping_minor:
        counted.append(Counted(SHIPPING_LINE, shipping_minor, times.numerator, times.denominator))
    return tuple(sorted(counted, key=lambda part: part.line_id))


def _capped(answer: EarningAnswer, rule: EarningRule, desired: int, ledger: Ledger | None, situation: Situation) -> EarningAnswer:
    """Cut what a rule would give down to what its caps leave."""
    if rule.caps is None:
        return attrs.evolve(answer, desired=desired, granted=desired)
    left, name, cap = rule.caps.left(rule.rule_id, ledger, at=situation.at, calendar=situation.calendar)
    if desired <= left:
        return attrs.evolve(answer, desired=desired, granted=desired)
    granted = left if rule.caps.over is Over.TRUNCATE else 0
    details: dict[str, Detail] = {
        "rule": rule.rule_id,
        "cap": name,
        "cap_points": cap,
        "desired_points": desired,
        "granted_points": granted,
    }
    return attrs.evolve(answer, desired=desired, granted=granted, refusal=Refusal(Reason.POINTS_CAP_REACHED, details))


def _shared(points: int, counts: _Counts) -> tuple[int, ...]:
    """Share points out in proportion to what counted, as often as it did; shipping last."""
    below = lcm(*[times.denominator for _, times in counts])
    weights = [minor * times.numerator * (below // times.denominator) for minor, times in counts]
    # Where all that counts does so no times at all, there are no points either.
    return allocate(points, weights)
