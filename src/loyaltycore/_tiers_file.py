"""The table ``[tiers]`` of a program file: what counts, over which time, the rungs, what they were before, and what they give."""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction
from typing import Any, Final

import attrs

from loyaltycore._checks import check_count, check_whole
from loyaltycore._earning import POINTS, EarningWhen, Multiplier
from loyaltycore._offers_file import VALID, OfferTerms, read_valid_for
from loyaltycore._phrases import EXPIRES, STEP, TIER_WINDOW, read_expires, read_period, read_step, read_tier_window
from loyaltycore._rewards_file import read_reward
from loyaltycore._tables import Table, begins, check_said, made, read_price, same
from loyaltycore.errors import UsageError
from loyaltycore.identity import check_slug
from loyaltycore.ladders import RUNGS_LIMIT
from loyaltycore.periods import AS_RULES, AsRules, Expires
from loyaltycore.quantities import Rate
from loyaltycore.tiers import Downgrade, Ladder, Metric, Mix, Thresholds, TierBenefits, TierRule, Upgrade

__all__ = ["METRIC", "WHOLE", "read_tiers"]

_NAME: Final = "letters, digits and dashes"
_TIMES: Final = 'how many times points are earned, such as "1.5"'
_AMOUNT: Final = 'an amount such as "300.00"'
WHOLE: Final = "a whole number of 0 or more, such as 50"
_PERKS: Final = 'a list of names such as ["early-access"]'
_WEIGHT: Final = 'a number above 0, such as 50 or "0.5"'
_AS_RULES: Final[Expires | AsRules] = AS_RULES
_DIGITS: Final = re.compile(r"[0-9]{1,18}")
_PERIOD: Final = '"N days|weeks|months|years", such as "30 days"'
METRIC: Final = " or ".join(f'"{metric}"' for metric in Metric) + ", or a table of what each counts"


def read_tiers(table: Table | None, terms: OfferTerms) -> tuple[TierRule | None, tuple[Multiplier, ...]]:
    """Read how tiers are reached and kept, and how they multiply points; none where something is wrong with them."""
    if table is None:
        return None, ()
    metric = _metric(table, terms)
    said: dict[str, Any] = {
        "window": table.text("window", read_tier_window, TIER_WINDOW),
        "downgrade": table.choice("downgrade", Downgrade),
        **table.choices(upgrade=Upgrade),
        "account": table.text("account", lambda text: check_slug("account", text), _NAME, POINTS),
        "grace": table.text("grace", read_period, _PERIOD, None),
    }
    if metric is not None and "account" in table.values and not _counts_points(metric):
        table.report("account", table.values["account"], f'goes with metric = "{Metric.POINTS}"')
    rungs, benefits, multipliers = _rungs(table, metric, terms)
    names = list(rungs.values()) if table.sound else None
    before = [_thresholds(one, metric, names, terms) for one in table.tables("before")]
    table.close()
    rule = made(
        table,
        lambda: TierRule(
            Ladder.of(rungs),
            metric=Metric.SPEND if metric is None else metric,
            before=[one for one in before if one is not None],
            benefits=benefits,
            **said,
        ),
        key="before",
    )
    return (None, ()) if rule is None else (rule, multipliers)


# What counts.


def _metric(table: Table, terms: OfferTerms) -> Metric | Mix | None:
    """Read what counts: one thing by its name, or a mix of several; ``None`` where it cannot be read."""
    if not isinstance(table.values.get("metric"), dict):
        return table.text("metric", _named_metric, METRIC)
    inner = table.needed("metric")
    weights = dict[Metric, Rate]()
    for metric in Metric:
        if metric.value in inner.values:
            weights[metric] = _weight(inner, metric, terms)
        inner.asked.append(metric.value)
    inner.close()
    check_said(inner)
    return made(inner, lambda: Mix(weights))


def _named_metric(text: str) -> Metric:
    if text not in list(Metric):
        msg = f"must be {METRIC}"
        raise UsageError(msg)
    return Metric(text)


def _weight(table: Table, metric: Metric, terms: OfferTerms) -> Rate:
    """Read how much something counts: of spend so many for an amount, of anything else a number for one."""
    name = metric.value
    if metric is Metric.SPEND:
        return table.text(name, lambda text: _per_minor(text, terms.currency), STEP)
    if isinstance(table.values[name], str):
        return table.text(name, _factor, _WEIGHT)
    return table.take(name, int, lambda number: Rate.times(check_count("it", number)), _WEIGHT)


def _per_minor(text: str, currency: str) -> Rate:
    points, minor = read_step(text, currency=currency)
    return Rate(Fraction(points, minor))


def _factor(text: str) -> Rate:
    rate = Rate.times(text)
    if rate.factor == 0:
        msg = "must be above 0"
        raise UsageError(msg)
    return rate


def _counts_points(metric: Metric | Mix) -> bool:
    return metric is Metric.POINTS or (isinstance(metric, Mix) and Metric.POINTS in metric.weights)


# The rungs.


def _rungs(
    table: Table, metric: Metric | Mix | None, terms: OfferTerms
) -> tuple[dict[int, str], dict[str, TierBenefits], tuple[Multiplier, ...]]:
    """Read the tiers by where they begin, what they give, and how they multiply."""
    rungs, benefits, multipliers = dict[int, str](), dict[str, TierBenefits](), list[Multiplier]()
    names = list[str]()
    for rung in table.tables("rung"):
        name = rung.text("id", lambda text: check_slug("id", text), _NAME)
        start = _start(rung, "from", metric, terms)
        times = rung.text("earn_multiplier", Rate.times, _TIMES, None)
        benefit = _benefits(rung, terms)
        rung.close()
        if rung.sound and start in rungs:
            rung.report("from", rung.values["from"], f"must differ from that of {rungs[start]!r}")
        elif rung.sound and name in names:
            rung.report("id", rung.values["id"], "must differ from that of every other rung")
        elif rung.sound:
            names.append(name)
            benefits |= {} if benefit is None else {name: benefit}
            multipliers += [] if times is None else [Multiplier(times=times, when=EarningWhen(tiers=[name]))]
            rungs |= {} if start is None else {start: name}
    if not rungs and table.sound:
        table.report("rung", None, "is missing; must be at least one [[tiers.rung]]")
    if len(rungs) > RUNGS_LIMIT:
        table.report("rung", len(rungs), f"must be at most {RUNGS_LIMIT} tables")
    return rungs, benefits, tuple(multipliers)


def _start(table: Table, name: str, metric: Metric | Mix | None, terms: OfferTerms) -> int | None:
    """Read where a tier begins: an amount of spend, a number of anything else; ``None`` where it is not known which, or wrong."""
    if metric is Metric.SPEND:
        return table.text(name, lambda text: read_price(text, terms.currency).minor_units, _AMOUNT)
    if metric is None:
        table.asked.append(name)
        return None
    if isinstance(table.values.get(name), str):
        return table.text(name, _whole, WHOLE)
    return table.take(name, int, lambda number: check_whole("it", number, low=0), WHOLE)


def _whole(text: str) -> int:
    if not _DIGITS.fullmatch(text):
        msg = f"must be {WHOLE}"
        raise UsageError(msg)
    return int(text)


def _benefits(rung: Table, terms: OfferTerms) -> TierBenefits | None:
    """Read what a tier gives; ``None`` where it gives nothing by itself."""
    perks = rung.take("perks", list, lambda perks: TierBenefits(perks=perks).perks, _PERKS, frozenset[str]())
    expires = rung.text("expires", _expires, EXPIRES, _AS_RULES)
    if not isinstance(expires, AsRules):
        # The gift is points of a member of this tier.
        terms = attrs.evolve(terms, points=(None if terms.points is None else terms.points[0], expires))
    gift = read_reward(rung, "entry_gift", terms) if "entry_gift" in rung.values else None
    valid_for = rung.text("valid_for", read_valid_for, VALID, None)
    rung.asked.append("entry_gift")
    if "valid_for" in rung.values and "entry_gift" not in rung.values:
        rung.report("valid_for", rung.values["valid_for"], "goes with entry_gift")
    found = made(rung, lambda: TierBenefits(perks=perks, entry_gift=gift, expires=expires, valid_for=valid_for))
    return None if found == TierBenefits() else found


def _expires(text: str) -> Expires | AsRules:
    return read_expires(text)


def _thresholds(table: Table, metric: Metric | Mix | None, names: list[str] | None, terms: OfferTerms) -> Thresholds | None:
    """Read an earlier ladder; ``names`` are the tiers of today, where they could be read."""
    until = table.take("until", date, same, "a date such as 2027-01-01")
    begins(table, "until", until, terms.calendar)
    inner = table.needed("rungs")
    rungs = dict[int, str]()
    for name in inner.values:
        start = _start(inner, name, metric, terms)
        if start in rungs:
            inner.report(name, inner.values[name], f"must differ from that of {rungs[start]!r}")
        elif names is not None and name not in names:
            inner.report(name, inner.values[name], f"must be of the tiers {', '.join(names)}")
        elif start is not None:
            rungs[start] = name
    if not inner.values and inner.sound:
        inner.report("", None, 'must name at least one tier, such as { silver = "250.00" }')
    table.close()
    if metric is None:
        return None
    return made(table, lambda: Thresholds(Ladder.of(rungs), until=until), key="rungs")
