"""Codes that people type, and the answer each one gets.

Invariants:
    1. A human code is public: it is guarded by conditions and windows, never by secrecy.
    2. Two codes that look alike are the same code, whoever typed them.
    3. Every entered code is answered; codes that do not exist and text that is no code get one public answer.

>>> HumanCode("SUMMER10").matches(" summer-1o ")
True
"""

from __future__ import annotations

from typing import Final, final

import attrs

from loyaltycore.errors import Reason, Refusal, UsageError
from loyaltycore.identity import fold_code

__all__ = ["CODES_LIMIT", "CodeAnswer", "HumanCode", "fold_code", "read_codes"]

CODES_LIMIT: Final = 5
"""Codes of one quote: each is an attempt at a guess."""

_SHORTEST: Final = 3
"""A shorter code is guessed, or typed, by accident."""


@final
@attrs.frozen
class HumanCode:
    """A code made by people for people, such as ``SUMMER10``.

    Attributes:
        text: As the shop writes it, 3 to 64 characters.
        folded: The form under which look-alikes are the same.
    """

    text: str
    folded: str = attrs.field(init=False, eq=False, default=attrs.Factory(lambda self: fold_code(self.text), takes_self=True))

    def __attrs_post_init__(self) -> None:
        """Refuse codes that are too short to mean anything."""
        if len(self.folded) < _SHORTEST:
            msg = f"a code must have at least {_SHORTEST} letters and digits, got {self.text!r}"
            raise UsageError(msg)

    def matches(self, entered: str) -> bool:
        """Say whether what a person typed is this code.

        Raises:
            UsageError: Text that is no code.
        """
        return fold_code(entered) == self.folded


@final
@attrs.frozen(kw_only=True)
class CodeAnswer:
    """What became of one entered code.

    Attributes:
        entered: As it was typed.
        offer_id: The offer it belongs to; ``None`` if it belongs to none.
        refusal: Why that offer is not applied; ``None`` when it is.
    """

    entered: str
    offer_id: str | None
    refusal: Refusal | None

    @property
    def applied(self) -> bool:
        """Say whether the code's offer is applied."""
        return self.refusal is None


def read_codes(entered: tuple[str, ...]) -> tuple[dict[str, str], dict[str, Refusal]]:
    """Fold the codes of a quote.

    Args:
        entered: As typed; repetitions count once, only the first 5 are looked at.

    Returns:
        The folded form by entered text, and the refusals of those that cannot be read.
    """
    folded: dict[str, str] = {}
    refused: dict[str, Refusal] = {}
    for place, text in enumerate(dict.fromkeys(entered)):
        if place >= CODES_LIMIT:
            refused[text] = Refusal(Reason.CODES_LIMIT_REACHED, {"limit": CODES_LIMIT})
            continue
        try:
            folded[text] = fold_code(text)
        except UsageError:
            refused[text] = Refusal(Reason.CODE_MALFORMED)
    return folded, refused
