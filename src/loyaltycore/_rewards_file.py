"""The tables ``[[rewards]]`` and ``[[milestones]]`` of a program file, and what any reward may give."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

from loyaltycore._checks import check_whole
from loyaltycore._offers_file import (
    SINGLES,
    VALID,
    Kind,
    OfferTerms,
    check_times,
    in_tier,
    read_bonus,
    read_gives,
    read_sale,
    read_times,
    read_valid_for,
    together,
)
from loyaltycore._payouts import PayOut, PayoutAs, RewardBenefit
from loyaltycore._phrases import read_period
from loyaltycore._tables import Table, made, read_above_nothing
from loyaltycore.benefits import NextCoupon, Single
from loyaltycore.errors import UsageError
from loyaltycore.identity import check_slug
from loyaltycore.ladders import Ladder
from loyaltycore.points import POINTS
from loyaltycore.rewards import (
    BalanceReaches,
    CatalogueReward,
    Choice,
    Crossing,
    LifetimePoints,
    Milestone,
    OrderNumber,
)

__all__ = ["KINDS", "read_milestones", "read_reward", "read_reward_ladder", "read_rewards"]

T = TypeVar("T")

_NAME: Final = "letters, digits and dashes"
_AMOUNT: Final = 'an amount such as "5.00"'
_PERIOD: Final = '"N days|weeks|months|years", such as "30 days"'
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")
_CROSSINGS: Final = ("balance", "lifetime_points", "order")


def read_rewards(root: Table, terms: OfferTerms) -> tuple[CatalogueReward, ...]:
    """Read the catalogue: what members may take for points."""
    return _named(root, "rewards", lambda table: _reward(table, terms), lambda reward: reward.reward_id)


def read_milestones(root: Table, terms: OfferTerms) -> tuple[Milestone, ...]:
    """Read what members get, once, for what they reach."""
    return _named(root, "milestones", lambda table: _milestone(table, terms), lambda milestone: milestone.milestone_id)


def _named(root: Table, name: str, read: Callable[[Table], T | None], name_of: Callable[[T], str]) -> tuple[T, ...]:
    """Read tables that have names of their own."""
    found = dict[str, T]()
    for table in root.tables(name):
        one = read(table)
        if one is None:
            continue
        if name_of(one) in found:
            table.report("id", name_of(one), f"must differ from that of every other of [[{name}]]")
        found[name_of(one)] = one
    return tuple(found.values())


def _reward(table: Table, terms: OfferTerms) -> CatalogueReward | None:
    reward_id = table.text("id", lambda text: check_slug("id", text), _NAME)
    give, price = read_reward(table, "give", terms), _price(table, "price")
    said: dict[str, Any] = {name: read_times(table, name) for name in ("stock", "per_member") if name in table.values}
    table.asked += ["stock", "per_member"]
    said["tier_prices"] = _tier_prices(table.table("tier_prices"), terms)
    gate = 'a list of tiers such as ["gold"]'
    said["tiers"] = table.take("tiers", list, lambda tiers: in_tier(tiers, terms).tiers, gate, frozenset[str]())
    said["window"] = read_sale(table.table("window"), terms)
    said["valid_for"] = table.text("valid_for", read_valid_for, VALID, None)
    table.close()
    if give is None:
        return None
    return made(table, lambda: CatalogueReward(reward_id, give=give, price=price, **said), key="id")


def _tier_prices(table: Table | None, terms: OfferTerms) -> dict[str, int]:
    """Read the price by tier, of which each must be one of the program's."""
    if table is None:
        return {}
    for tier in table.values:
        try:
            in_tier([tier], terms)
        except UsageError as error:
            table.report(tier, table.values[tier], str(error).partition(", got")[0])
    return {tier: _price(table, tier) for tier in table.values if table.is_right(tier)}


def _price(table: Table, name: str) -> int:
    return table.take(name, int, lambda points: check_whole("it", points, low=0), "a whole number of points, 0 or more")


def _milestone(table: Table, terms: OfferTerms) -> Milestone | None:
    milestone_id = table.text("id", lambda text: check_slug("id", text), _NAME)
    when = _crossing(table.needed("when"))
    give: RewardBenefit | Choice | None
    if "choice" in table.values:
        give = _choice(table, terms)
        others, beside = ["give"], "goes without choice"
    else:
        give = read_reward(table, "give", terms)
        others, beside = ["choice", "within"], "goes with choice"
    for name in others:
        table.asked.append(name)
        if name in table.values:
            table.report(name, table.values[name], beside)
    valid_for = table.text("valid_for", read_valid_for, VALID, None)
    table.close()
    if when is None or give is None:
        return None
    return made(table, lambda: Milestone(milestone_id, when=when, give=give, valid_for=valid_for), key="id")


def _crossing(table: Table) -> Crossing | None:
    """Read what must be reached: the one key that names it."""
    named = [name for name in _CROSSINGS if name in table.values]
    if len(named) != 1:
        if table.sound:
            table.report("", ", ".join(table.values) or None, f"must say one of {', '.join(_CROSSINGS)}")
        return None
    (name,) = named
    number = table.count(name)
    account = POINTS
    if name == "lifetime_points":
        account = table.text("account", lambda text: check_slug("account", text), _NAME, POINTS)
    table.close(beside=name)
    if name == "balance":
        return made(table, lambda: BalanceReaches(number), key=name)
    if name == "order":
        return made(table, lambda: OrderNumber(number), key=name)
    return made(table, lambda: LifetimePoints(number, account), key=name)


def _choice(table: Table, terms: OfferTerms) -> Choice | None:
    """Read what a member may choose from, and within which time."""
    within = table.text("within", read_period, _PERIOD)
    options = table.needed("choice")
    found = dict[str, RewardBenefit]()
    for name in options.values:
        try:
            check_slug("an option", name)
        except UsageError as error:
            options.report(name, None, str(error))
            continue
        give = read_reward(options, name, terms)
        if give is not None:
            found[name] = give
    return made(table, lambda: Choice(found, within=within), key="choice")


# What any reward gives.


def read_reward(table: Table, name: str, terms: OfferTerms) -> RewardBenefit | None:
    """Read what a reward gives: one thing, or a list of several; ``None`` where something is wrong with it.

    Beside what an offer gives this is ``points``, there at once unless they say otherwise, and ``pay_out``.
    """
    parts = read_gives(table, name, terms, KINDS)
    if parts is None:
        return None
    inside = [part for part in parts if not isinstance(part, PayOut)]
    if len(parts) > len(inside):
        if len(parts) > 1:
            table.report(name, None, "must pay out alone, with nothing beside")
        return next(part for part in parts if isinstance(part, PayOut))
    give = together(table, name, inside)
    if give is not None:
        check_times(table, name, give, terms)
    return give


def _points(table: Table, terms: OfferTerms, *, name: str) -> Callable[[], Single]:
    return read_bonus(table, name, terms, pending=None)


def _next_coupon(table: Table, terms: OfferTerms) -> Callable[[], Single]:
    coupon_id = table.text("next_coupon", lambda text: _granted(text, terms), 'the id of a campaign such as "sorry"')
    return lambda: NextCoupon(coupon_id)


def _granted(text: str, terms: OfferTerms) -> str:
    """Take the name of a campaign whose coupons can be given to somebody: unlike an offer's, a reward is not given without."""
    check_slug("next_coupon", text)
    if terms.granted is not None and text not in terms.granted:
        msg = "goes with a table [[campaigns]] without codes"
        if terms.granted:
            msg = f"must be of the campaigns without codes: {', '.join(sorted(terms.granted))}"
        raise UsageError(msg)
    return text


def _pay_out(table: Table, terms: OfferTerms) -> Callable[[], PayOut]:
    amount = table.text("pay_out", lambda text: read_above_nothing(text, terms.currency), _AMOUNT)
    as_ = table.choice("as", PayoutAs, PayoutAs.CASH)
    return lambda: PayOut(amount, as_)


KINDS: Final[dict[str, Kind[Single | PayOut]]] = {
    **SINGLES,
    "bonus_points": partial(_points, name="bonus_points"),
    "next_coupon": _next_coupon,
    "points": partial(_points, name="points"),
    "pay_out": _pay_out,
}
"""What a reward may give, by the key that names it."""


def read_reward_ladder(table: Table, name: str, terms: OfferTerms) -> Ladder[RewardBenefit] | None:
    """Read rewards by the number that earns them; ``None`` where there are none, or where something is wrong with them."""
    inner = table.table(name)
    if inner is None:
        return None
    rungs = dict[int, RewardBenefit]()
    for number in inner.values:
        if not _NUMBER.fullmatch(number):
            inner.report(number, None, "must be a whole number of at least 1, such as 3")
            continue
        give = read_reward(inner, number, terms)
        if give is not None:
            rungs[int(number)] = give
    return made(inner, lambda: Ladder.of(rungs))
