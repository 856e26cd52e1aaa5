"""Vendors: rules and examples from the documentation of others.

What ours gives is worked out in ``tests/vendors``: points in ``rules.py``, offers in ``deals.py``, codes, limits and gift
cards in ``opened.py``, tiers, birthdays and referrals in ``standing.py``. The last two are read by their words, in
``tests/vendors/words.py`` those of ``standing.py``: whatever the numbers, a case that is said so is compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, final

from loyaltycore.errors import Reason
from tests.cases import Case, Expression, NotExpressible, VendorInconsistent
from tests.vendors import deals, opened, rules
from tests.vendors.words import ORDINALS, STANDING, Found, needs, number, same

__all__ = ["CASES", "worded"]


def step_floor(case: Case) -> None:
    """Whole steps only."""
    same(rules.step_floor(), case["expect"]["points"])


def promotion_multiplier(case: Case) -> None:
    """The fraction of a point is dropped, once, at the end."""
    same(rules.promotion_multiplier(), case["expect"]["total_points"])


def latest_promotion(case: Case) -> None:
    """The rules stand latest first, and the first that matches gives; a multiple of no points is no points."""
    name, count, without_base = rules.latest_promotion()
    same((name, count), (case["expect"]["applied_promotion"], case["expect"]["promotions_applied"]))
    same(without_base, 0)


def tuesday(case: Case) -> None:
    """A multiplier with hours of the week."""
    said = {"applies": True, "does not apply": False}
    same(rules.tuesday(), tuple(said[case["expect"][name]] for name in ("tue_16_30", "tue_18_30", "wed_16_30")))


def first_match(case: Case) -> None:
    """One applies, and the later ones stand back for it."""
    applied, instead = rules.first_match()
    same(applied, case["expect"]["applied"].replace("#", "number-"))
    same(instead, (None, None, applied))


def nearest(case: Case) -> None:
    """Decimal points go to the nearest whole number; nothing is ever lost for being decimal."""
    assert case["expect"]["rounding"] == "nearest whole number"
    same(rules.nearest(), dict(rules.NEAREST))


def ceilings(case: Case) -> None:
    """Rounding up to a tenth, to one, to ten is a percentage of a point's worth, rounded up."""
    same(rules.ceilings(), case["expect"]["results"])


def month_cap(case: Case) -> None:
    """What is left of the month is given."""
    same(rules.month_cap(), case["expect"]["awarded"])


def twelve_months(case: Case) -> None:
    """Through the end of the month, a year later."""
    expected = case["expect"]
    same(rules.twelve_months(), (date.fromisoformat(expected["usable_through"]), date.fromisoformat(expected["expire_on"])))


def a_month_after_31_january(case: Case) -> None:
    """February's last day, whole."""
    last = rules.a_month_after_31_january()
    same(f"{last.day} {last:%B}, end of day", case["expect"]["usable_through"])


def next_new_year(case: Case) -> None:
    """The day itself still counts."""
    same(f"{rules.next_new_year()}, end of day", case["expect"]["usable_through"])


def spend_order(case: Case) -> None:
    """Soonest expiry first, whichever was earned first."""
    same(rules.spend_order(), case["expect"]["left"])


def enabling_inactivity(case: Case) -> None:
    """Nothing ends before a whole period after the switch; whoever is active has longer, and old lots keep their terms."""
    silent, active, untouched = rules.enabling_inactivity()
    same(silent, date.fromisoformat(case["expect"]["first_expiries"]))
    same((active > silent, untouched), (True, None))


def inactivity_365_days(case: Case) -> None:
    """Both ends are 365 local days after the visit, that day included."""
    days = tuple(date.fromisoformat(day) for day in case["expect"]["calendar_365_days"])
    same(rules.inactivity_365_days(), days)
    why = "ours counts 365 local days from each visit, the last one whole; of their two dates the first is counted so"
    raise VendorInconsistent(why)


def collapse(case: Case) -> None:
    """What was burned before its end does not end once more."""
    same(rules.collapse(), case["expect"]["correct_balance"])


def refund_of_a_step(case: Case) -> None:
    """One step less is one point less."""
    same(rules.refund_of_a_step(), case["expect"]["points_deducted"])


def refund_below_zero(case: Case) -> None:
    """Forgiving sets to 0 as the forum says; carrying owes it as the reference says."""
    assert set(case["expect"]) == {"forum_answer", "api_reference"}
    same(rules.refund_below_zero(), ((0, 0), (0, 80)))
    why = 'the policy says it: "forgive" is the answer of the forum, "carry" that of the reference, which we take for Square'
    raise VendorInconsistent(why)


def negative_balance(case: Case) -> None:
    """The debt is the balance, and what comes next pays it off first."""
    balance, later = rules.negative_balance()
    same(balance, case["expect"]["balance"])
    same(later, [balance + 60, balance + 120])


def negative_points(case: Case) -> None:
    """Who owes has nothing to burn."""
    same(rules.negative_points(), (40, case["expect"]["activePoints"]))


def durations(case: Case) -> None:
    """Every form of a duration ends where it was worked out by hand; pending may wait for an action."""
    same(rules.durations(), dict(rules.DURATIONS))
    same(case["expect"]["unlimited"], "never")
    same(rules.on_action(), (50, 60))


def reward_hold(case: Case) -> None:
    """A reward is a hold: voided it comes back, captured it stays."""
    created, deleted, again = rules.reward_hold()
    same((created, deleted), (case["expect"]["after_create"], case["expect"]["after_delete"]))
    same(again, "hold_resolved")


def amounts(said: Iterable[object]) -> list[Decimal]:
    """Read amounts: 1.6 and 1.60 are the same."""
    return [Decimal(str(one)) for one in said]


def three_in_a_row(case: Case) -> None:
    """Each on what is left; gift credits are an amount off."""
    expected = case["expect"]
    same(deals.three_in_a_row(), (expected["applied"], expected["total_discount"], expected["total"]))


def two_bases(case: Case) -> None:
    """The base is the offer's own."""
    same(deals.two_bases(), (case["expect"]["on_initial"], case["expect"]["on_discounted"]))


def never_stackable(case: Case) -> None:
    """The exclusive one stands alone, in whatever order they come; the other gave way to it."""
    assert case["expect"] == {"applied": ["50%"], "10%": "skipped: exclusion_rules_not_met"}
    same(deals.never_stackable(), ({"half"}, {Reason.OFFER_SUPERSEDED}))


def off_eligible_goods(case: Case) -> None:
    """Only the eligible lines are touched."""
    ours = {"v-split-amount": deals.split_amount, "v-new-price": deals.new_price}[case["id"]]
    discounts, left = ours()
    same(amounts(discounts), amounts(case["expect"]["line_discounts"]))
    same(amounts([left]), amounts([case["expect"]["total"]]))


def add_missing(case: Case) -> None:
    """Those in the basket are free, and only the rest is added."""
    same(deals.add_missing(), (case["expect"]["added"], case["expect"]["free_units"]))


def every_third(case: Case) -> None:
    """Ours takes units by price, so the ten cost one more each."""
    same(deals.every_third(), case["expect"]["discounted_units"])


def two_order_discounts(case: Case) -> None:
    """Both of the list price."""
    same(deals.two_order_discounts(), (case["expect"]["discounts"], case["expect"]["total_discount"]))


def best_deal(case: Case) -> None:
    """One of a group applies: in this mode the better one."""
    assert case["expect"]["best_deal"] == "only the product discount applies"
    same(deals.best_deal(), (case["expect"]["product_discounted"], ["product"], [Reason.OFFER_SUPERSEDED]))


def eligibility(case: Case) -> None:
    """A guest is no VIP."""
    assert case["expect"]["returned"] == ["10% promo"]
    same(deals.eligibility(), (["for-all"], case["expect"]["discount"], case["expect"]["total"]))


# ---- read by their words ----

SPANS: Final = {"h": "hours", "hour": "hours", "day": "days", "minute": "minutes", "week": "weeks"}


def span(text: str) -> timedelta:
    """Read ``24 h``, ``one hour`` or ``7 days``."""
    count, unit = text.split()
    if unit.removesuffix("s") not in SPANS:
        why = f"no span of time: {text}"
        raise NotExpressible(why)
    return timedelta(**{SPANS[unit.removesuffix("s")]: number(count)})


def capped_code(found: Found, case: Case) -> None:
    """A use beyond a cap: of the customer's own, or of all, to which his own count too."""
    (state,) = needs(case, "state")
    total, per_member = (None if found[name] is None else int(found[name]) for name in ("total", "own"))
    reason = opened.code_uses(total, per_member, before=["customer"] * (number(found["use"]) - 1), member_id="customer")
    reached = {Reason.OFFER_LIMIT_REACHED: "MaxApplicationReached", Reason.OFFER_MEMBER_LIMIT_REACHED: "MaxApplicationReached"}
    same("MatchesCart" if reason is None else reached.get(reason, reason.value), state)


def same_code_twice(found: Found, case: Case) -> None:
    """Codes that differ only in how they are typed are one code; letters, digits and dashes make one."""
    allowed, charset = needs(case, "allowed", "charset")
    same(opened.codes_together(found["first"], found["second"]), allowed)
    for signs in str(charset or "").split():
        low, _, high = signs.partition("-") if len(signs) > 1 else (signs, "", "")
        for sign in map(chr, range(ord(low), ord(high or low) + 1)):
            same((sign, opened.is_plain_code(f"AB{sign}CD")), (sign, True))


def valid_after_publishing(found: Found, case: Case) -> None:
    """A coupon counts its own time, whenever its campaign ends."""
    (said,) = needs(case, "valid_for")
    expected = re.match(r"\w+ \w+", str(said))
    assert expected is not None
    same(opened.validity(span(found["valid"]), before_end=span(found["before"])), span(expected[0]))


def locked_sessions(found: Found, case: Case) -> None:
    """What is set aside counts against the limit until its time has run out; how long is the shop's to say."""
    limit, asked = number(found["limit"]), number(found["opened"])
    words = [word for word in case["expect"] if word in ORDINALS]
    count, ttl, *why = needs(case, "opened", "default_ttl", *words)
    found_open, reasons, later = opened.sessions(limit, asked, span(str(ttl or "7 days")))
    same((found_open, later), (count, min(limit, asked)))
    for word, said in zip(words, why, strict=True):
        refused = reasons[number(word) - limit - 1 : number(word) - limit] if number(word) > limit else []
        same(["quantity_exceeded" if reason is Reason.OFFER_LIMIT_REACHED else reason.value for reason in refused], said_of(said))


def said_of(said: object) -> list[object]:
    """Take what is said of one session: nothing of one that is opened."""
    return [] if said is None else [said]


def topped_up_cards(found: Found, case: Case) -> None:
    """A reward comes on top of what a card begins with, or of what it holds."""
    (balances,) = needs(case, "balances")
    rewards = re.split(r",? then |, ", found["rewards"])
    ours = opened.topped_up(found["amount"], rewards=rewards, card=found["card"], by=found["by"])
    same(amounts(ours), amounts(balances))


def units_of_a_campaign(found: Found, case: Case) -> None:
    """The last buyer gets what is left of the units."""
    (discounted,) = needs(case, "discounted")
    same(opened.discounted_units(number(found["limit"]), [int(units) for units in found["buyers"].split(", ")]), discounted)


_AMOUNT: Final = r"\d+(?:\.\d+)?"
WORDED: Final[tuple[tuple[re.Pattern[str], Callable[[Found, Case], None]], ...]] = tuple(
    (re.compile(pattern), read)
    for pattern, read in (
        (
            (
                r"(?:maxApplications (?P<total>\d+))?(?:, )?(?:maxApplicationsPerCustomer (?P<own>\d+))?"
                r"; a customer's (?P<use>\w+) use\."
            ),
            capped_code,
        ),
        (r"Codes '(?P<first>[^']+)' and '(?P<second>[^']+)' both active for the same customer scope\.", same_code_twice),
        (
            r"Valid (?P<valid>\w+ \w+) after publishing; published (?P<before>\w+ \w+) before campaign end\.",
            valid_after_publishing,
        ),
        (r"Redemption limit (?P<limit>\w+); (?P<opened>\w+) validation sessions opened\.", locked_sessions),
        (
            (
                rf"Campaign amount (?P<amount>{_AMOUNT}): reward balance (?P<rewards>{_AMOUNT}(?:(?:, |,? then )+{_AMOUNT})*)\."
                rf" Existing card (?P<card>{_AMOUNT}) topped up by (?P<by>{_AMOUNT})\."
            ),
            topped_up_cards,
        ),
        (
            r"Max (?P<limit>\w+) discounted units per campaign; buyers take (?P<buyers>\d+(?:, \d+)*)\.",
            units_of_a_campaign,
        ),
        *STANDING,
    )
)


def worded(case: Case) -> None:
    """Compare a case whose words say it all."""
    for pattern, read in WORDED:
        found = pattern.fullmatch(str(case.get("given", "")))
        if found is not None:
            read(found, case)
            return
    why = "no expression yet"
    raise NotExpressible(why)


NAMED: Final[Mapping[str, Expression]] = {
    "sq-earn-step-floor": step_floor,
    "sq-promo-multiplier-fraction": promotion_multiplier,
    "sq-latest-promo": latest_promotion,
    "sq-promo-schedule": tuesday,
    "v-first-match": first_match,
    "v-round-nearest": nearest,
    "v-formula-ceil": ceilings,
    "v-period-cap-partial": month_cap,
    "sq-expiry-p12m": twelve_months,
    "v-exp-31jan": a_month_after_31_january,
    "v-exp-fixed-day": next_new_year,
    "v-spend-order": spend_order,
    "ll-enable-grace": enabling_inactivity,
    "thrive-365": inactivity_365_days,
    "flocafe-collapse": collapse,
    "sq-refund-10": refund_of_a_step,
    "sq-refund-floor-zero": refund_below_zero,
    "zenoti-negative": negative_balance,
    "t-negative": negative_points,
    "t-validity-suffix": durations,
    "sq-reward-hold": reward_hold,
    "v-stack-gift-pct-amt": three_in_a_row,
    "v-calc-mode": two_bases,
    "v-exclusive": never_stackable,
    "v-split-amount": off_eligible_goods,
    "v-new-price": off_eligible_goods,
    "v-add-missing": add_missing,
    "v-skip-repeat": every_third,
    "shopify-two-order-pct": two_order_discounts,
    "ct-best-deal": best_deal,
    "v-qualify-10pct": eligibility,
}


@final
class Cases(Mapping[str, Expression]):
    """The rules that are named, and for any other case its words."""

    def __getitem__(self, case_id: str) -> Expression:
        """Give the rule."""
        return NAMED.get(case_id, worded)

    def __iter__(self) -> Iterator[str]:
        """Name the cases that have a rule of their own."""
        return iter(NAMED)

    def __len__(self) -> int:
        """Count them."""
        return len(NAMED)


CASES: Final = Cases()
