"""Reading a program from TOML: every mistake at once, each with its key, what was found and what is allowed."""

from __future__ import annotations

import tomllib
from datetime import date
from enum import StrEnum
from typing import TypedDict

import attrs

from loyaltycore._booking import BurnFirst
from loyaltycore._checks import check_kind
from loyaltycore._earning import POINTS, Action, Combine, EarningRule, EarningWhen, Multiplier, check_together
from loyaltycore._frozen import FrozenMap
from loyaltycore._offers_file import OfferTerms, coupons_of, read_offers
from loyaltycore._phrases import ALWAYS, TERM, read_period, read_term
from loyaltycore._points_file import ORDER_RULE, read_points, read_terms
from loyaltycore._tables import Problem, ProgramError, Table, begins, read_price, same
from loyaltycore.coupons import CouponCampaign
from loyaltycore.errors import UsageError
from loyaltycore.identity import check_slug
from loyaltycore.ladders import RUNGS_LIMIT
from loyaltycore.offers import Mode, OfferBook, Stacking
from loyaltycore.periods import Calendar, Term
from loyaltycore.points import BurnRule, Overdraft
from loyaltycore.quantities import Rate, exponent_of
from loyaltycore.tiers import Downgrade, Ladder, TierRule

__all__ = ["ORDER_RULE", "Problem", "ProgramError", "ProgramParts", "Table", "read_program"]


class ProgramParts(TypedDict):
    """What a program is made of: the fields of ``Program``."""

    name: str
    version: int
    currency: str
    calendar: Calendar
    starts_on: date
    returns: Term | None
    earning: tuple[EarningRule, ...]
    combine: Combine
    actions: FrozenMap[str, Action]
    burning: BurnRule | None
    burn_first: BurnFirst
    overdraft: Overdraft
    restore: Term | None
    tiers: TierRule | None
    book: OfferBook
    campaigns: tuple[CouponCampaign, ...]


def read_program(text: str) -> ProgramParts:
    """Read TOML into the parts of a program.

    Raises:
        ProgramError: Everything that is wrong, all at once; or where the text is no TOML.
    """
    try:
        data = tomllib.loads(check_kind("text", text, str))
    except (ValueError, RecursionError) as error:
        # Besides what is no TOML: what is no text, numbers of too many digits, and nesting that is too deep to read.
        raise ProgramError(Problem("file", "", f"must be TOML: {error}")) from error
    problems: list[Problem] = []
    root = Table(data, "", problems)
    head = root.needed("program")
    parts = _head(head)
    # Where these are wrong, amounts, dates and codes are still read, so that all that is wrong with them is said too.
    currency = parts["currency"] if head.is_right("currency") else "EUR"
    calendar = parts["calendar"] if head.is_right("zone") else Calendar("UTC")
    points = read_points(root.table("points"), currency, calendar)
    if points is not None:
        # The return window is the time points wait, unless it is said.
        if "returns" not in head.values:
            parts["returns"] = points["waits"]
        parts["combine"], parts["actions"] = points["combine"], points["actions"]
        parts["burning"], parts["burn_first"] = points["burning"], points["burn_first"]
        parts["overdraft"], parts["restore"] = points["overdraft"], points["restore"]
    tiers = root.table("tiers")
    parts["tiers"], multipliers = _tiers(tiers, currency)
    if points is not None:
        parts["earning"] = _multiplied(points["earning"], multipliers, tiers)
        _check_points(parts, problems)
    terms = OfferTerms(
        name=parts["name"] if head.is_right("name") else "program",
        currency=currency,
        calendar=calendar,
        tiers=_tier_names(tiers, parts["tiers"]),
        points=read_terms(data.get("points")),
        taken=frozenset([ORDER_RULE, *(rule.rule_id for rule in parts["earning"]), *parts["actions"]]),
        carries=next((rule.rule_id for rule in parts["earning"] if rule.carries and rule.account == POINTS), None),
        coupons=coupons_of(data.get("campaigns", [])),
    )
    parts["book"], parts["campaigns"] = read_offers(root, terms, problems)
    root.close()
    if problems:
        raise ProgramError(*problems)
    return parts


def _head(table: Table) -> ProgramParts:
    parts = ProgramParts(
        name=table.text("name", lambda text: check_slug("name", text), "letters, digits and dashes"),
        version=table.count("version"),
        currency=table.text("currency", _currency, 'an ISO 4217 code such as "EUR"'),
        calendar=table.text("zone", Calendar, 'an IANA time zone such as "Europe/Paris"'),
        starts_on=table.take("starts_on", date, same, "a date such as 2026-07-01"),
        returns=table.text("returns", _returns, f'"{ALWAYS}" or {TERM}', None),
        earning=(),
        combine=Combine.SUM,
        actions=FrozenMap(),
        burning=None,
        burn_first=BurnFirst.SOONEST_EXPIRY,
        overdraft=Overdraft.CARRY,
        restore=None,
        tiers=None,
        book=OfferBook((), stacking=Stacking(Mode.ALL)),
        campaigns=(),
    )
    if table.is_right("zone") and table.is_right("starts_on"):
        begins(table, "starts_on", parts["starts_on"], parts["calendar"])
    table.close()
    return parts


def _multiplied(
    rules: tuple[EarningRule, ...], multipliers: tuple[Multiplier, ...], tiers: Table | None
) -> tuple[EarningRule, ...]:
    """Let tiers multiply what the main account gets."""
    multiplied = list[EarningRule]()
    for rule in rules:
        if tiers is None or not multipliers or rule.account != POINTS:
            multiplied.append(rule)
        else:
            try:
                multiplied.append(attrs.evolve(rule, multipliers=(*multipliers, *rule.multipliers)))
            except UsageError as error:
                tiers.report("rung.earn_multiplier", None, str(error).partition(", got")[0])
    return tuple(multiplied)


def _check_points(parts: ProgramParts, problems: list[Problem]) -> None:
    if problems:
        return
    tiers = parts["tiers"]
    try:
        check_together(parts["earning"], parts["combine"], parts["actions"], None if tiers is None else tiers.ladder)
    except UsageError as error:
        problems.append(Problem("points", "", str(error)))


def _tiers(table: Table | None, currency: str) -> tuple[TierRule | None, tuple[Multiplier, ...]]:
    if table is None:
        return None, ()
    table.choice("metric", Metric)
    window = table.text("window", read_period, '"N days|weeks|months|years", such as "12 months"')
    downgrade = table.choice("downgrade", Downgrade)
    rungs: dict[int, str] = {}
    multipliers = list[Multiplier]()
    for rung in table.tables("rung"):
        name = rung.text("id", lambda text: check_slug("id", text), "letters, digits and dashes")
        start = rung.text("from", lambda text: read_price(text, currency), 'an amount such as "300.00"')
        times = rung.text("earn_multiplier", Rate.times, 'how many times points are earned, such as "1.5"', None)
        rung.close()
        if rung.sound and times is not None:
            multipliers.append(Multiplier(times=times, when=EarningWhen(tiers=[name])))
        if rung.sound and start.minor_units in rungs:
            rung.report("from", rung.values["from"], f"must differ from that of {rungs[start.minor_units]!r}")
        elif rung.sound and name in rungs.values():
            rung.report("id", rung.values["id"], "must differ from that of every other rung")
        elif rung.sound:
            rungs[start.minor_units] = name
    if not rungs and table.sound:
        table.report("rung", None, "is missing; must be at least one [[tiers.rung]]")
    if len(rungs) > RUNGS_LIMIT:
        table.report("rung", len(rungs), f"must be at most {RUNGS_LIMIT} tables")
    table.close()
    if not table.sound:
        return None, ()
    return TierRule(Ladder.of(rungs), window=window, downgrade=downgrade), tuple(multipliers)


class Metric(StrEnum):
    """What tiers count in this version."""

    SPEND = "spend"


def _currency(text: str) -> str:
    exponent_of(text)
    return text


def _tier_names(table: Table | None, rule: TierRule | None) -> frozenset[str] | None:
    """Name the tiers there are; ``None`` where the table is wrong, so that nothing else is wrong because of it."""
    if rule is None:
        return frozenset() if table is None else None
    return frozenset(rung.value for rung in rule.ladder.rungs)


def _returns(text: str) -> Term | None:
    return None if text == ALWAYS else read_term(text)
