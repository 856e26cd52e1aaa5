"""A tier that somebody granted by hand."""

from __future__ import annotations

from datetime import datetime
from typing import final

import attrs

from loyaltycore._checks import check_instant, keep_in_utc
from loyaltycore.errors import UsageError
from loyaltycore.identity import check_id, check_slug, check_text

__all__ = ["TierGrant"]


@final
@attrs.frozen(kw_only=True)
class TierGrant:
    """A tier that was granted by hand: within its time the member stands at least there; it never lowers.

    Attributes:
        ref: The shop's own name for it.
        tier: Which tier.
        granted_at: First instant at which it holds.
        until: First instant at which it no longer does; ``None`` holds until it is ended.
        reason: In the shop's words.
        actor: Who granted it.
    """

    ref: str
    tier: str
    granted_at: datetime
    until: datetime | None = None
    reason: str = ""
    actor: str = ""

    def __attrs_post_init__(self) -> None:
        """Refuse an empty time, and what is no name."""
        check_id("ref", self.ref)
        check_slug("tier", self.tier)
        check_text("reason", self.reason)
        check_text("actor", self.actor)
        keep_in_utc(self, "granted_at", "until")
        if self.until is not None and self.until < self.granted_at:
            msg = f"until must not be before {self.granted_at.isoformat()}, got {self.until.isoformat()}"
            raise UsageError(msg)

    def holds(self, at: datetime) -> bool:
        """Say whether it holds at an instant.

        Args:
            at: Timezone-aware; ``at == until`` is outside.
        """
        return self.granted_at <= check_instant("at", at) and (self.until is None or at < self.until)
