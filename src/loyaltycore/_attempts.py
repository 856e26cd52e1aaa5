"""Attempts: how often somebody may try a code before all codes are refused for a while."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, final

import attrs

from loyaltycore._checks import check_count, check_instant, check_kind
from loyaltycore.errors import UsageError
from loyaltycore.facts import Claim, Command
from loyaltycore.identity import CounterId, Key, StreamId, check_text
from loyaltycore.wire import digest, instant_text

__all__ = ["Attempts", "attempt"]

_HOME: Final = StreamId("attempts/codes")
"""Where attempts are remembered: no stream, only receipts and counters."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST: Final = timedelta(days=31)


@final
@attrs.frozen(kw_only=True)
class Attempts:
    """How many different codes may be tried in a span of time; ``None`` is no limit.

    A code tried again is no new attempt, nor is one with a typing error: only what fits the pattern and the check symbol of a
    space, or of a gift card, could have been guessed.

    Attributes:
        per_client: By one device, as the shop names it.
        per_member: By one member.
        per_shop: By all together: so the odds of a guess hold, whoever shares the work. Once it is reached, nobody's codes are
            taken until the span is over.
        span: Above 0 and at most 31 days; spans follow each other from midnight UTC of the first day of 1970.
    """

    per_client: int | None = 20
    per_member: int | None = 20
    per_shop: int | None = 10_000
    span: timedelta = timedelta(hours=1)

    def __attrs_post_init__(self) -> None:
        """Check the numbers."""
        for name in ("per_client", "per_member", "per_shop"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        if not timedelta(0) < check_kind("span", self.span, timedelta) <= _LONGEST:
            msg = f"span must be above 0 and at most {_LONGEST.days} days, got {self.span}"
            raise UsageError(msg)


def attempt(
    attempts: Attempts, tried: Mapping[str, int], *, client: str | None, member_id: str | None, at: datetime
) -> tuple[Command, tuple[Claim, ...]]:
    """Give the command that counts what was tried, before anybody looks at it.

    Args:
        attempts: The limits.
        tried: The weight of each text, by a digest of it that leads nowhere: 0 for what cannot have been guessed.
        client: Which device, in the shop's own words; ``None`` where it is not known.
        member_id: Which member; ``None`` for a guest.
        at: When.

    Returns:
        A command that is the same for the same texts in the same span, and its claims.
    """
    number = (check_instant("at", at) - _EPOCH) // attempts.span
    until, within = _EPOCH + (number + 1) * attempts.span, instant_text(_EPOCH + number * attempts.span)
    who = {"client": _name(client), "member": _name(member_id), "shop": "all"}
    limits = {"client": attempts.per_client, "member": attempts.per_member, "shop": attempts.per_shop}
    claims = tuple(
        Claim(
            counter=CounterId(f"attempts/{scope}/{name}/{within}"),
            key=Key(text),
            amount=weight,
            limit=limits[scope],
            at=at,
            until=until,
        )
        for scope, name in who.items()
        if name is not None and limits[scope] is not None
        for text, weight in sorted(tried.items())
    )
    form = [within, who["client"], who["member"], sorted(tried)]
    key = Key(f"{within}/{digest(form, purpose='lc.attempt')}")
    return Command.of(_HOME, key, actor="shop"), claims


def _name(value: str | None) -> str | None:
    """Give a name that leads back to nobody."""
    return None if value is None else digest(check_text("client", value, limit=1000), purpose="lc.attempt.who")
