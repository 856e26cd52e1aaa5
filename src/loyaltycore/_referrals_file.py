"""The table ``[referrals]`` of a program file: who may bring whom, what counts, and what both get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from loyaltycore._code_space import space_id_of
from loyaltycore._offers_file import (
    SINGLES,
    VALID,
    Kind,
    OfferTerms,
    check_times,
    read_bonus,
    read_gives,
    read_valid_for,
    read_when,
    together,
)
from loyaltycore._phrases import TERM, read_term
from loyaltycore._referral_program import PROGRAM_ID_LIMIT
from loyaltycore._rewards_file import read_reward_ladder
from loyaltycore._tables import Table, made
from loyaltycore.benefits import Benefit, Single
from loyaltycore.errors import UsageError
from loyaltycore.identity import check_slug
from loyaltycore.periods import Term
from loyaltycore.referrals import After, ReferralProgram, Restart

__all__ = ["read_referrals"]

_NAME: Final = "letters, digits and dashes"
_PATTERN: Final = 'a pattern such as "VELO-####-####"'
_DEFAULT_ID: Final = "referrals"
_AFTER: Final = f'"{After.RETURN_WINDOW}", "{After.AT_ONCE}", or {TERM}'
_RETURN_WINDOW: Final[Term | After] = After.RETURN_WINDOW
_LIMITS: Final = ("limit_per_month", "limit_per_year", "limit_in_all", "joins_per_day")


def read_referrals(table: Table | None, terms: OfferTerms) -> ReferralProgram | None:
    """Read the table; ``None`` where there is none, or where it is wrong."""
    if table is None:
        return None
    program_id = table.text("id", _program_id, _NAME, _DEFAULT_ID)
    codes = table.text("codes", lambda text: _pattern(text, terms), _PATTERN)
    if table.flag("secret_codes") and table.is_right("codes"):
        codes = space_id_of(codes, context=terms.name)
    qualifies = read_when(table.table("qualifies"), terms)
    after = table.text("after", _after, _AFTER, _RETURN_WINDOW)
    said: dict[str, Any] = {**table.choices(restarts=Restart), **table.counts(*_LIMITS)}
    for name in ("friend_valid_for", "valid_for"):
        said[name] = table.text(name, read_valid_for, VALID, None)
    friend = _friend(table, terms) if "friend" in table.values else None
    advocate = read_reward_ladder(table, "advocate", terms)
    advocate_at = read_reward_ladder(table, "advocate_at", terms)
    table.asked += ["friend"]
    if "qualifies" not in table.values:
        table.report("qualifies", None, "is missing; must be a table such as { first_order = true }")
    if "advocate" not in table.values:
        table.report("advocate", None, "is missing; must be a table such as { 1 = { points = 500 } }")
    table.close()
    if advocate is None:
        return None
    return made(
        table,
        lambda: ReferralProgram(
            program_id,
            codes=codes,
            qualifies=qualifies,
            after=after,
            friend=friend,
            advocate=advocate,
            advocate_at=advocate_at,
            **said,
        ),
        key="codes",
    )


def _program_id(text: str) -> str:
    if len(check_slug("id", text)) > PROGRAM_ID_LIMIT:
        msg = f"must be at most {PROGRAM_ID_LIMIT} characters"
        raise UsageError(msg)
    return text


def _pattern(text: str, terms: OfferTerms) -> str:
    space_id_of(text, context=terms.name)  # the name of a space is no pattern
    return text


def _after(text: str) -> Term | After:
    if text in list(After):
        return After(text)
    try:
        return read_term(text)
    except UsageError as error:
        raise UsageError(str(error).replace(TERM, _AFTER)) from error


def _friend(table: Table, terms: OfferTerms) -> Benefit | None:
    """Read what the friend gets with the order that qualifies: what an offer gives."""
    parts = read_gives(table, "friend", terms, _KINDS)
    give = None if parts is None else together(table, "friend", parts)
    if give is not None:
        check_times(table, "friend", give, terms)
    return give


def _points(table: Table, terms: OfferTerms) -> Callable[[], Single]:
    """Read points of the friend's order: they wait as its other points do."""
    return read_bonus(table, "points", terms, pending=None if terms.points is None else terms.points[0])


_KINDS: Final[dict[str, Kind[Single]]] = {**SINGLES, "points": _points}
"""What a friend may get, by the key that names it: points have the name that they have beside it, for the advocate."""
