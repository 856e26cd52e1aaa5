"""Reading a program from TOML: every mistake at once, each with its key, what was found and what is allowed."""

from __future__ import annotations

import tomllib
from datetime import date
from typing import TypedDict

import attrs

from loyaltycore._booking import BurnFirst
from loyaltycore._campaign import campaigns_by_id
from loyaltycore._checks import check_kind
from loyaltycore._earning import POINTS, Action, Combine, EarningRule, Multiplier, check_together
from loyaltycore._frozen import FrozenMap
from loyaltycore._offers_file import OfferTerms, coupons_of, granted_of, read_offers
from loyaltycore._phrases import ALWAYS, TERM, read_term
from loyaltycore._points_file import ORDER_RULE, read_points, read_terms
from loyaltycore._referrals_file import read_referrals
from loyaltycore._rewards_file import read_milestones, read_rewards
from loyaltycore._tables import Problem, ProgramError, Table, begins, same
from loyaltycore._tiers_file import read_tiers
from loyaltycore.benefits import BonusPoints, singles
from loyaltycore.coupons import CouponCampaign
from loyaltycore.errors import UsageError
from loyaltycore.identity import check_slug
from loyaltycore.offers import Mode, OfferBook, Stacking
from loyaltycore.periods import Calendar, Term
from loyaltycore.points import BurnRule, Overdraft
from loyaltycore.quantities import exponent_of
from loyaltycore.referrals import After, ReferralProgram
from loyaltycore.rewards import CatalogueReward, Milestone, reward_campaigns
from loyaltycore.tiers import TierRule

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
    rewards: tuple[CatalogueReward, ...]
    milestones: tuple[Milestone, ...]
    referrals: ReferralProgram | None


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
    earning = () if points is None else points["earning"]
    terms = OfferTerms(
        name=parts["name"] if head.is_right("name") else "program",
        currency=currency,
        calendar=calendar,
        tiers=None,
        points=read_terms(data.get("points")),
        taken=frozenset([ORDER_RULE, *(rule.rule_id for rule in earning), *parts["actions"]]),
        carries=next((rule.rule_id for rule in earning if rule.carries and rule.account == POINTS), None),
        coupons=coupons_of(data.get("campaigns", [])),
        granted=granted_of(data.get("campaigns", [])),
    )
    tiers = root.table("tiers")
    parts["tiers"], multipliers = read_tiers(tiers, terms)
    parts["earning"] = _multiplied(earning, multipliers, tiers)
    if points is not None:
        _check_points(parts, problems)
    terms = attrs.evolve(terms, tiers=_tier_names(tiers, parts["tiers"]))
    parts["book"], parts["campaigns"] = read_offers(root, terms, problems)
    parts["rewards"], parts["milestones"] = read_rewards(root, terms), read_milestones(root, terms)
    referrals = root.table("referrals")
    parts["referrals"] = read_referrals(referrals, terms)
    _check_after(parts, referrals)
    parts["book"] = _with_coupons(parts, root, terms)
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
        rewards=(),
        milestones=(),
        referrals=None,
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


def _check_after(parts: ProgramParts, referrals: Table | None) -> None:
    """Report a reward that would wait for the end of a return window which has none."""
    if referrals is None or referrals.problems or parts["referrals"] is None or parts["returns"] is not None:
        return
    if parts["referrals"].after is After.RETURN_WINDOW:
        referrals.report("after", referrals.values.get("after"), "must be said where orders can come back for ever")


def _with_coupons(parts: ProgramParts, root: Table, terms: OfferTerms) -> OfferBook:
    """Put what rewards make coupons of into the book; where it cannot stand beside the shop's own offers this is a problem."""
    book = parts["book"]
    if root.problems:
        return book
    try:
        own = campaigns_by_id(parts["campaigns"])
        campaigns = reward_campaigns(parts["rewards"], parts["milestones"], parts["tiers"], parts["referrals"], campaigns=own)
        for campaign in campaigns:
            _check_name(campaign, book, terms)
        if not campaigns:
            return book
        book = OfferBook([*book.offers, *(campaign.offer for campaign in campaigns)], stacking=book.stacking)
    except UsageError as error:
        root.report("rewards", None, str(error))
    if "stacking" not in root.values:
        root.report("stacking.mode", None, "is missing; where rewards are coupons, how they meet offers must be said")
    return book


def _check_name(campaign: CouponCampaign, book: OfferBook, terms: OfferTerms) -> None:
    """Refuse a campaign of the program's own whose name is an offer's, or whose points would be taken for others'."""
    name = campaign.campaign_id
    gives_points = any(isinstance(one, BonusPoints) for one in singles(campaign.give))
    if book.offer(name) is not None or (gives_points and name in terms.taken):
        msg = f"no offer, rule or action may be called {name!r}: the program makes a campaign of that name"
        raise UsageError(msg)


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
