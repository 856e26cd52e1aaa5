"""How cases about tiers, birthdays and referrals are read: by their words, whatever the numbers.

Every word must be read: one that nothing here reads makes the case not expressible.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, Final

from loyaltycore.errors import Reason
from loyaltycore.periods import Period, YearDay
from loyaltycore.tiers import CalendarYears, Downgrade, Lifetime, TierWindow
from tests.cases import Case, Differs, NotExpressible
from tests.vendors import standing
from tests.vendors.standing import Event

__all__ = ["ORDINALS", "STANDING", "Found", "needs", "number", "same"]

Found = re.Match[str]

ORDINALS: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
NUMBERS: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
YEAR: Final = 2026
"""The year of days that are said without one; none of them is near 29 February."""


def same(ours: object, expected: object) -> None:
    """Complain when ours is another answer."""
    if ours != expected:
        text = f"{ours}, not {expected}"
        raise Differs(text)


def number(word: str) -> int:
    """Read ``5``, ``five``, ``fifth`` or ``5th``."""
    for words in (NUMBERS, ORDINALS):
        if word.lower() in words:
            return words.index(word.lower()) + 1
    digits = re.match(r"\d+", word)
    if digits is None:
        why = f"no number: {word}"
        raise NotExpressible(why)
    return int(digits[0])


def needs(case: Case, *words: str) -> list[Any]:
    """Take what a case expects; a word that nothing here reads makes it not expressible."""
    strange = sorted(set(case["expect"]) - set(words))
    if strange:
        why = f"nothing reads {', '.join(strange)}"
        raise NotExpressible(why)
    return [case["expect"].get(word) for word in words]


def picked(words: Mapping[str, Any], word: object) -> Any:  # noqa: ANN401 - what the words stand for
    """Take what a word stands for."""
    if word not in words:
        why = f"nothing reads {word}"
        raise NotExpressible(why)
    return words[str(word)]


# ---- tiers ----

_RANGE: Final = r"[A-Z][A-Za-z ]*? \d+(?:-\d+|\+)"
_RANGES: Final = rf"(?P<ranges>{_RANGE}(?:, {_RANGE})*)"
_EVENT: Final = r"\d{4}-\d\d-\d\d (?:\+|-|earn |add |spend |burn |redeem |lose )\d+"
_DAY: Final = r"\d{1,2} [A-Z][a-z]+(?: \d{4})?"

UNITS: Final = frozenset({"days", "weeks", "months", "years"})
DOWNGRADES: Final = MappingProxyType(
    {
        "one_down": Downgrade.ONE_STEP,
        "Single-level downgrade": Downgrade.ONE_STEP,
        "balance_based": Downgrade.REASSESS,
        "Multi-level downgrade": Downgrade.REASSESS,
        "No downgrade": Downgrade.NEVER,
    }
)


def rungs_of(text: str) -> dict[int, str]:
    """Read ``Basic 0-99, Silver 100-499, Gold 500+``: ranges that follow each other."""
    found, following = dict[int, str](), None
    for one in text.split(", "):
        name, _, bounds = one.rpartition(" ")
        low, _, high = bounds.removesuffix("+").partition("-")
        if following not in (None, int(low)):
            why = f"a ladder has no gaps: {text}"
            raise NotExpressible(why)
        found[int(low)], following = name, int(high) + 1 if high else -1
    return found


def events_of(text: str) -> list[Event]:
    """Read ``2026-01-10 +100; 2026-02-15 spend 50``."""
    found = list[Event]()
    for one in text.split("; "):
        day, _, move = one.partition(" ")
        points = int(re.sub(r"\D", "", move))
        found.append(Event(date.fromisoformat(day), points if move[0] in "+ea" else -points))
    return found


def period(text: str) -> Period:
    """Read ``30 days`` or ``1 year``."""
    count, unit = text.split()
    name = f"{unit.removesuffix('s')}s"
    if name not in UNITS:
        why = f"no period: {text}"
        raise NotExpressible(why)
    return Period(**{name: number(count)})


def window(text: str | None) -> TierWindow | Period:
    """Read over which time points count."""
    match text:
        case None:
            return Lifetime()
        case "calendar year":
            return CalendarYears()
        case _:
            return period(text)


def day_of(text: str, *, after: date | None = None) -> date:
    """Read ``20 July`` or ``20 July 2025``; without a year it comes after another day."""
    day, month, *year = text.split()
    if month not in MONTHS:
        why = f"no month: {month}"
        raise NotExpressible(why)
    found = date(int(year[0]) if year else YEAR, MONTHS.index(month) + 1, int(day))
    return found.replace(year=YEAR + 1) if after is not None and not year and found < after else found


def tiers_by_points(found: Found, case: Case) -> None:
    """The balance of points, or points earned whatever became of them, decides."""
    rungs, events = rungs_of(found["ranges"]), events_of(found["events"])
    days = [date.fromisoformat(word) for word in case["expect"] if re.fullmatch(r"\d{4}-\d\d-\d\d", word)]
    said = needs(case, *map(str, days))
    if found["metric"] == "Balance":
        for (tier, balance), one in zip(standing.by_balance(rungs, events, days), said, strict=True):
            same(f"{tier} (balance {balance})" if "balance" in one else tier, one)
    else:
        same(standing.by_points_earned(rungs, events, days, window(found["window"])), said)


def fixed_duration(found: Found, case: Case) -> None:
    """A tier is kept for a time from the day it was reached, whatever becomes of the points."""
    counts_from, expires_at = needs(case, "counts_from", "expires_at")
    reached = day_of(found["reached"])
    falls = reached if found["falls"] is None else day_of(found["falls"], after=reached)
    since, until = standing.fixed_duration(period(found["length"]), reached, falls)
    ours = (f"{since.day} {since:%B}", f"{until.day} {until:%B} {until:%H:%M}")
    said = (counts_from, None if expires_at is None else expires_at.replace(f" {until.year} ", " "))
    for mine, one in zip(ours, said, strict=True):
        same(mine if one is not None else None, one)


def tier_after_expiry(found: Found, case: Case) -> None:
    """One step down, or to where the points that are left reach, or nowhere."""
    (tier,) = needs(case, "tier")
    how = picked(DOWNGRADES, found["how"])
    same(standing.after_expiry(rungs_of(found["ranges"]), found["tier"], int(found["points"]), how), tier)


FIELDS: Final = ("projected_active_points", "stay_in_tier_points", "projected_tier_name")
IF_DOWN: Final = " (only if a downgrade is projected)"


def projected_fields(found: Found, case: Case) -> None:
    """What is told of a tier that ends; some of it only where it would be lost."""
    (fields,) = needs(case, "fields")
    downgrade = found["how"] == "below"
    ladder = {0: "Basic", 100: "Silver", 500: "Gold"}
    ours = standing.projected(ladder, "Gold", 300 if downgrade else 500)
    same(set(ours), {name.removesuffix(IF_DOWN) for name in fields if downgrade or not name.endswith(IF_DOWN)})
    same("stay_in_tier_points" in ours, downgrade)


def projected_values(found: Found, case: Case) -> None:
    """The same with numbers."""
    needs(case, *FIELDS)
    ours = standing.projected(rungs_of(found["ranges"]), found["tier"], int(found["points"]))
    same({name: ours.get(name) for name in case["expect"]}, case["expect"])


# ---- birthdays ----

SMILE_DAYS: Final = 30
"""Whoever tells a birthday that comes sooner waits a year."""

REWARDED: Final = MappingProxyType({"no reward": False, "rewarded on the day": True})


def birthday_told(found: Found, case: Case) -> None:
    """A birthday that comes too soon after it was told is rewarded a year later; so is that of the day itself."""
    this_year, next_year = (picked(REWARDED, said) for said in needs(case, "this_year", "next_year"))
    days = 0 if found["days"] is None else int(found["days"])
    within = range(days + 1) if found["how"] == "within the next" else [days]
    closed = days if found["how"] == "within the next" else SMILE_DAYS
    entered = date(YEAR, 3, 10)
    for ahead in within:
        born = entered + timedelta(days=ahead)
        ours = standing.birthdays_rewarded(YearDay(born.month, born.day), entered=entered, closed_days=closed, years=2)
        same([day in ours for day in (born, born.replace(year=YEAR + 1))], [this_year, next_year])


def born_on_29_february(_: Found, case: Case) -> None:
    """Each year has the day."""
    years = [word for word in case["expect"] if re.fullmatch(r"\d{4}", word)]
    for year, said in zip(years, needs(case, *years), strict=True):
        entered = date(int(year) - 1, 6, 1)
        (ours,) = standing.birthdays_rewarded(YearDay(2, 29), entered=entered, closed_days=SMILE_DAYS, years=1)
        same(f"{ours.day} {ours:%B}", said)


# ---- referrals ----

ERRORS: Final[Mapping[str, Reason]] = MappingProxyType(
    {
        "referrer_not_permitted_to_redeem": Reason.REFERRAL_SELF,
        "ReferralRecipientIdSameAsAdvocate": Reason.REFERRAL_SELF,
        "ReferralCustomerAlreadyReferred": Reason.REFERRAL_ALREADY_REFERRED,
        "ReferralNotFound": Reason.REFERRAL_CODE_UNKNOWN,
        "ReferralLimitReached": Reason.REFERRAL_LIMIT_REACHED,
    }
)


def refused(reason: Reason) -> Callable[[Found, Case], None]:
    """Compare the error of a code that is refused with our reason, which the shopper does not hear."""

    def compared(_: Found, case: Case) -> None:
        (error,) = needs(case, "error")
        same(standing.why_not_referred(reason), ERRORS.get(str(error), error))

    return compared


def friends_brought(found: Found, case: Case) -> None:
    """So much for each friend, and more at so many."""
    rewarded, points = needs(case, "rewarded", "points")
    at = {int(found["at"]): int(found["more"])} if found["at"] else {}
    limit = None if found["limit"] is None else int(found["limit"])
    ours = standing.friends_rewarded(int(found["friends"]), each=int(found["each"]), at=at, limit=limit)
    for mine, said in zip(ours, (rewarded, points), strict=True):
        same(mine if said is not None else None, said)


_USES: Final = r"(?:redeems|uses|enters)"
STANDING: Final[tuple[tuple[str, Callable[[Found, Case], None]], ...]] = (
    (
        (
            rf"{_RANGES}\. (?P<metric>Balance|Points earned)(?: in (?:a |one )?(?P<window>calendar year|\w+ \w+))? events:"
            rf" (?P<events>{_EVENT}(?:; {_EVENT})*)\."
        ),
        tiers_by_points,
    ),
    (
        (
            rf"Fixed duration (?P<length>\w+ \w+); reached (?P<tier>\w+) (?P<reached>{_DAY})"
            rf"(?:; balance falls on (?P<falls>{_DAY}))?\."
        ),
        fixed_duration,
    ),
    (
        rf"{_RANGES}\. (?P<how>\w[\w -]*); (?P<tier>[A-Z]\w*) expires with (?P<points>\d+) (?:active )?points\.",
        tier_after_expiry,
    ),
    (r"Tier expires; projected active points (?P<how>below|at|above) (?:the )?threshold\.", projected_fields),
    (rf"{_RANGES}\. (?P<tier>[A-Z]\w*) expires; projected active points (?P<points>\d+)\.", projected_values),
    (r"Customer enters a birthday falling (?:today|(?P<how>within the next|in) (?P<days>\d+) days)\.", birthday_told),
    (r"Customer born on 29 February\.", born_on_29_february),
    (rf"(?:Code owner|Referrer|Advocate) {_USES} (?:the )?own referral code\.", refused(Reason.REFERRAL_SELF)),
    (rf"(?:Referred customer|Friend) {_USES} (?:another|a second) referral code\.", refused(Reason.REFERRAL_ALREADY_REFERRED)),
    (rf"(?:Existing|Returning) customer {_USES} a referral code\.", refused(Reason.REFERRAL_ALREADY_CUSTOMER)),
    (rf"(?:Customer|Friend) {_USES} an unknown referral code\.", refused(Reason.REFERRAL_CODE_UNKNOWN)),
    (rf"(?:Referrer|Advocate) {_USES} the friend's referral code\.", refused(Reason.REFERRAL_CIRCULAR)),
    (
        (
            r"(?:Referrer|Advocate) gets (?P<each>\d+) points for each friend"
            r"(?:, (?P<more>\d+) more at (?P<at>\d+) friends)?(?:, limit (?P<limit>\d+) friends)?;"
            r" (?P<friends>\d+) friends buy\."
        ),
        friends_brought,
    ),
)
"""What a case says, as a pattern, and what reads it."""
