"""The table ``[points]`` of a program file: what earns points, on which terms, and what they take off."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, TypeAlias, TypedDict, TypeVar, assert_never, final

import attrs

from loyaltycore._booking import BurnFirst
from loyaltycore._earning import (
    MULTIPLIERS_LIMIT,
    POINTS,
    RULES_LIMIT,
    Action,
    Basis,
    Caps,
    CarryOver,
    Combine,
    EarningRule,
    EarningWhen,
    Flat,
    Multiplier,
    Over,
    Percent,
    Shipping,
    Step,
    Times,
)
from loyaltycore._frozen import FrozenMap
from loyaltycore._phrases import EARN, EXPIRES, PENDING, TERM, read_earn, read_expires, read_pending, read_percent, read_term
from loyaltycore._tables import Table, read_above_nothing, read_exclusion, read_filter, read_schedule, read_window
from loyaltycore.errors import UsageError
from loyaltycore.identity import check_slug
from loyaltycore.periods import Calendar, Expires, Pending, Term
from loyaltycore.points import BurnRule, Overdraft
from loyaltycore.quantities import Rate, Rounding, exponent_of

__all__ = ["ORDER_RULE", "PointsParts", "read_points", "read_terms"]

ORDER_RULE: Final = "order"
"""Names the lots of the one rule that stands in ``[points]`` itself: ``<order>/order``."""

ORIGINAL: Final = "original"
"""Burned points go back to the lots they came from, expired or not."""

_NAME: Final = "letters, digits and dashes"
_TIMES: Final = 'how many times points are earned, such as "1.5"'
_OF_A_RULE: Final = ("only", "exclude", "at_least", "when", "times_limit", "caps", "carry_over")
_OF_BURNING: Final = ("burn_minimum", "burn_step", "burn_share", "burn_exclude_tags", "burn_exclude_products", "burn_order")


class PointsParts(TypedDict):
    """What ``[points]`` says; ``waits`` is the return window of a program that says none."""

    earning: tuple[EarningRule, ...]
    combine: Combine
    actions: FrozenMap[str, Action]
    burning: BurnRule | None
    burn_first: BurnFirst
    overdraft: Overdraft
    restore: Term | None
    waits: Term | None


E = TypeVar("E", bound=StrEnum)


@final
@attrs.frozen(kw_only=True)
class _Common:
    """What rules and actions take from ``[points]`` where they say nothing themselves; ``None`` where it says nothing either."""

    currency: str
    calendar: Calendar
    basis: Basis | None
    rounding: Rounding | None
    shipping: Shipping
    pending: Pending
    expires: Expires
    worth_minor: Rate | None
    exclude_tags: frozenset[str]
    multipliers: tuple[Multiplier, ...]
    times_limit: Rate | None


def read_points(table: Table | None, currency: str, calendar: Calendar) -> PointsParts | None:
    """Read the table; ``None`` where there is none, or where it is wrong."""
    if table is None:
        return None
    # A table without any rule must have its own: that is what the message says then.
    has_own = "earn" in table.values or "rules" not in table.values
    earn = _earn(table, currency) if has_own else None
    common = _common(table, currency, calendar, has_own=has_own)
    rules = list[EarningRule | None]()
    if has_own:
        rules.append(_rule(table, common, rule_id=ORDER_RULE, earn=earn))
    else:
        _without_own(table)
    rules += [_own_rule(one, common) for one in table.tables("rules")]
    combine = _combine(table, rules)
    burning, burn_first = _burning(table, common)
    overdraft = table.choice("overdraft", Overdraft)
    restore = table.text("restore", _restore, f'"{ORIGINAL}" or {TERM}', None)
    actions = _actions(table.table("actions"), common)
    table.close()
    if not table.sound:
        return None
    return PointsParts(
        earning=tuple(rule for rule in rules if rule is not None),
        combine=combine,
        actions=actions,
        burning=burning,
        burn_first=burn_first,
        overdraft=overdraft,
        restore=restore,
        waits=common.pending if isinstance(common.pending, Term) else None,
    )


def read_terms(data: object) -> tuple[Pending, Expires] | None:
    """Read how points wait and end, for bonus points that do not say; ``None`` where there is no table.

    What is wrong with it is reported by ``read_points``.
    """
    if data is None:
        return None
    table = Table(data, "points", [])
    return table.text("pending", read_pending, PENDING, None), table.text("expires", read_expires, EXPIRES, None)


def _common(table: Table, currency: str, calendar: Calendar, *, has_own: bool) -> _Common:
    """Read what holds for all rules and actions."""
    return _Common(
        currency=currency,
        calendar=calendar,
        basis=table.choice("basis", Basis) if has_own else _maybe(table, "basis", Basis),
        rounding=_maybe(table, "rounding", Rounding),
        shipping=table.choice("shipping", Shipping, Shipping.OUT),
        exclude_tags=table.tags("earn_exclude_tags"),
        pending=table.text("pending", read_pending, PENDING, None),
        expires=table.text("expires", read_expires, EXPIRES),
        worth_minor=table.text("worth", lambda text: _worth(text, currency), 'an amount a point such as "0.01"', None),
        multipliers=_multipliers(table, currency, calendar),
        times_limit=table.text("times_limit", Rate.times, _TIMES, None),
    )


def _combine(table: Table, rules: list[EarningRule | None]) -> Combine:
    if len(rules) > RULES_LIMIT:
        table.report("rules", len(rules), f"must be at most {RULES_LIMIT} tables")
    combine = _maybe(table, "combine", Combine)
    if len(rules) > 1 and "combine" not in table.values:
        table.report("combine", None, 'is missing; where there are several rules it must be "sum" or "best" or "first"')
    return Combine.SUM if combine is None else combine


def _without_own(table: Table) -> None:
    """Report what belongs to the table's own rule, where it has none."""
    table.asked.append("earn")
    for name in _OF_A_RULE:
        table.asked.append(name)
        if name in table.values:
            table.report(name, table.values[name], "goes with earn, or stands on one of [[points.rules]]")


def _own_rule(table: Table, common: _Common) -> EarningRule | None:
    """Read one of ``[[points.rules]]``: what it leaves out is as ``[points]`` says."""
    rule_id = table.text("id", lambda text: check_slug("id", text), _NAME)
    earn = _earn(table, common.currency)
    if common.basis is None or "basis" in table.values:
        common = attrs.evolve(common, basis=table.choice("basis", Basis))
    table.asked.append("basis")
    rounding = _maybe(table, "rounding", Rounding)
    own = attrs.evolve(
        common,
        rounding=common.rounding if rounding is None else rounding,
        shipping=table.choice("shipping", Shipping, common.shipping),
        pending=table.text("pending", read_pending, PENDING, common.pending),
        expires=table.text("expires", read_expires, EXPIRES, common.expires),
        times_limit=table.text("times_limit", Rate.times, _TIMES, common.times_limit),
    )
    account = table.text("account", lambda text: check_slug("account", text), _NAME, POINTS)
    # What tiers and times multiply is what members spend; points of another account count as they are, unless the rule says so.
    shared = common.multipliers if account == POINTS else ()
    own = attrs.evolve(own, multipliers=(*shared, *_multipliers(table, common.currency, common.calendar)))
    rule = _rule(table, own, rule_id=rule_id, earn=earn, account=account)
    table.close()
    return rule


def _rule(table: Table, terms: _Common, *, rule_id: str, earn: _Earn, account: str = POINTS) -> EarningRule | None:
    """Read what is a rule's alone, and put it together; ``None`` where something is wrong with it."""
    only = read_filter(table.table("only"), terms.currency)
    exclude = read_exclusion(table.table("exclude"), terms.currency)
    exclude = attrs.evolve(exclude, tags=exclude.tags | (terms.exclude_tags or frozenset()))
    at_least = table.text(
        "at_least", lambda text: read_above_nothing(text, terms.currency).minor_units, 'an amount such as "20.00"', 0
    )
    when = _when(table.table("when"), terms.calendar)
    caps = _caps(table.table("caps"))
    carry_over = CarryOver.ON if table.flag("carry_over") else CarryOver.OFF
    gives = _gives(table, terms, earn)
    if gives is None or terms.basis is None or not table.sound:
        return None
    try:
        return EarningRule(
            rule_id=rule_id,
            gives=gives,
            basis=terms.basis,
            shipping=terms.shipping,
            only=only,
            exclude=exclude,
            at_least_minor=at_least,
            when=when,
            multipliers=terms.multipliers,
            times_limit=terms.times_limit,
            caps=caps,
            carry_over=carry_over,
            pending=terms.pending,
            expires=terms.expires,
            account=account,
        )
    except UsageError as error:
        key = "carry_over" if carry_over is CarryOver.ON else "pending"
        table.report(key, table.values.get(key), str(error).partition(", got")[0])
        return None


_Earn: TypeAlias = tuple[int, int] | int | Rate | None


def _earn(table: Table, currency: str) -> _Earn:
    return table.text("earn", lambda text: read_earn(text, currency=currency), EARN)


def _gives(table: Table, terms: _Common, earn: _Earn) -> Step | Flat | Percent | None:
    match earn:
        case Rate():
            if terms.rounding is None:
                allowed = " or ".join(f'"{rounding.value}"' for rounding in Rounding)
                table.report("rounding", None, f"is missing; a percentage of the money needs it: {allowed}")
            if terms.worth_minor is None:
                table.report("earn", table.values["earn"], "must go with points.worth: a percentage is of the money")
            if terms.rounding is None or terms.worth_minor is None:
                return None
            return Percent(earn, worth_minor=terms.worth_minor, rounding=terms.rounding)
        case int():
            return Flat(earn)
        case tuple():
            return Step(earn[0], per_minor=earn[1])
        case None:
            return None
    assert_never(earn)


def _when(table: Table | None, calendar: Calendar) -> EarningWhen:
    if table is None:
        return EarningWhen()
    window = read_window(table, calendar)
    if not {"from", "to"} & table.values.keys():
        window = None
    schedule = read_schedule(table)
    tiers, member_tags = table.some("tiers"), table.some("member_tags")
    markets, channels = table.some("markets"), table.some("channels")
    table.close()
    if not table.sound:
        return EarningWhen()
    return EarningWhen(window=window, schedule=schedule, tiers=tiers, member_tags=member_tags, markets=markets, channels=channels)


def _multipliers(table: Table, currency: str, calendar: Calendar) -> tuple[Multiplier, ...]:
    tables = table.tables("multipliers")
    if len(tables) > MULTIPLIERS_LIMIT:
        table.report("multipliers", len(tables), f"must be at most {MULTIPLIERS_LIMIT} tables")
    found = list[Multiplier]()
    for one in tables:
        times = one.text("times", Rate.times, _TIMES)
        only, when = read_filter(one.table("only"), currency), _when(one.table("when"), calendar)
        one.close()
        if one.sound:
            found.append(Multiplier(times=times, only=only, when=when))
    return tuple(found)


def _caps(table: Table | None) -> Caps | None:
    if table is None:
        return None
    names = [name for name in (field.name for field in attrs.fields(Caps)) if name != "over"]
    limits = table.counts(*names)
    over = table.choice("over", Over)
    table.close()
    if not table.sound:
        return None
    try:
        return Caps(**limits, over=over)
    except UsageError as error:
        table.report("", None, str(error).partition(", got")[0])
        return None


def _actions(table: Table | None, common: _Common) -> FrozenMap[str, Action]:
    if table is None:
        return FrozenMap()
    actions = dict[str, Action]()
    for name, value in table.values.items():
        try:
            check_slug("action", name)
        except UsageError as error:
            table.report(name, None, str(error))
            table.asked.append(name)
            continue
        if name == ORDER_RULE:
            table.report(name, None, "is the name of what orders earn; an action needs another")
        if isinstance(value, dict):
            action = _action(table.needed(name), common)
        else:
            points = table.count(name)
            action = Action(points=points, expires=common.expires) if table.sound else None
        if action is not None:
            actions[name] = action
    return FrozenMap(actions)


def _action(table: Table, common: _Common) -> Action | None:
    points = table.count("points")
    names = [field.name for field in attrs.fields(Times)]
    limits = table.counts(*names)
    pending = table.text("pending", read_pending, PENDING, None)
    expires = table.text("expires", read_expires, EXPIRES, common.expires)
    account = table.text("account", lambda text: check_slug("account", text), _NAME, POINTS)
    table.close()
    if not table.sound:
        return None
    try:
        return Action(points=points, times=Times(**limits), pending=pending, expires=expires, account=account)
    except UsageError as error:
        table.report("pending", table.values.get("pending"), str(error).partition(", got")[0])
        return None


def _burning(table: Table, common: _Common) -> tuple[BurnRule | None, BurnFirst]:
    minimum, step = table.count("burn_minimum", 1), table.count("burn_step", 1)
    share = table.text("burn_share", read_percent, 'a percentage such as "50 %"', None)
    tags, products = table.tags("burn_exclude_tags"), table.tags("burn_exclude_products")
    first = table.choice("burn_order", BurnFirst, BurnFirst.SOONEST_EXPIRY)
    said = [name for name in _OF_BURNING if name in table.values]
    if said and "worth" not in table.values:
        table.report("worth", None, f"is missing; must be said where {' and '.join(said)} {'are' if said[1:] else 'is'}")
    if common.worth_minor is None or not table.sound:
        return None, first
    try:
        rule = BurnRule(
            worth_minor=common.worth_minor,
            minimum=minimum,
            share=share,
            step=step,
            exclude_tags=tags,
            exclude_products=products,
        )
    except UsageError as error:
        table.report("burn_share", table.values.get("burn_share"), str(error).partition(", got")[0])
        return None, first
    return rule, first


def _maybe(table: Table, name: str, kind: type[E]) -> E | None:
    """Read a choice that may be left out."""
    table.asked.append(name)
    return table.choice(name, kind) if name in table.values else None


def _restore(text: str) -> Term | None:
    return None if text == ORIGINAL else read_term(text)


def _worth(text: str, currency: str) -> Rate:
    rate = Rate.times(text)
    if rate.factor == 0:
        msg = "must be above 0"
        raise UsageError(msg)
    return Rate(rate.factor * 10 ** exponent_of(currency))
