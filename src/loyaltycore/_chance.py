"""The one place of the library that draws at random: what nobody can guess or find again."""

from __future__ import annotations

from secrets import token_bytes, token_hex  # noqa: TID251 - the one source of chance

__all__ = ["entropy", "new_name"]


def new_name(prefix: str) -> str:
    """Make a name that nothing leads back from.

    Args:
        prefix: What it starts with, before a dash and 16 hexadecimal digits.
    """
    return f"{prefix}-{token_hex(8)}"


def entropy(size: int) -> bytes:
    """Draw bytes that nobody can guess.

    Args:
        size: How many.
    """
    return token_bytes(size)
