"""What the shop tells about a member at the moment of a question; never stored here.

>>> Profile(market="FR", tags=["club"]).tags
frozenset({'club'})
"""

from __future__ import annotations

from datetime import date
from typing import final

import attrs

from loyaltycore._checks import check_day
from loyaltycore.identity import check_slug, labels

__all__ = ["Profile"]


@final
@attrs.frozen(kw_only=True)
class Profile:
    """What conditions may ask about a person.

    Attributes:
        market: The shop's own word for where the member buys; ``None`` if unknown.
        birthday: Local date of birth; ``None`` if not told.
        tags: The shop's own labels for members.
        consents: What the member agreed to, in the shop's own words, for example ``"e-mail"``.
    """

    market: str | None = None
    birthday: date | None = None
    tags: frozenset[str] = attrs.field(default=frozenset(), converter=labels)
    consents: frozenset[str] = attrs.field(default=frozenset(), converter=labels)

    def __attrs_post_init__(self) -> None:
        """Check the market and the birthday."""
        if self.market is not None:
            check_slug("market", self.market)
        if self.birthday is not None:
            check_day("birthday", self.birthday)
