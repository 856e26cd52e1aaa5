"""What the stores make of names: cursors, where a listing goes on, and the id that a stream is named after.

>>> read_number(number_cursor(7)), read_pair(pair_cursor("coupon/SUMMER", "order/1001"))
(7, ('coupon/SUMMER', 'order/1001'))
"""

from __future__ import annotations

import json
import re
from typing import Final

from loyaltycore.errors import UsageError
from loyaltycore.identity import StreamId
from loyaltycore.repositories import Cursor

__all__ = ["foreign", "id_of", "number_cursor", "pair_cursor", "read_number", "read_pair"]

# No listing is as long as eighteen digits say, and any database can compare so many.
_NUMBER: Final = re.compile(r"[0-9]{1,18}")


def id_of(stream: StreamId) -> str:
    """Give the id that a stream is named after: what stands behind its slash."""
    return stream.partition("/")[2]


def number_cursor(number: int) -> Cursor:
    """Write the place of a commit in the order of commits."""
    return Cursor(str(number))


def read_number(cursor: Cursor | None) -> int:
    """Read what ``number_cursor`` wrote; ``None`` is before the first.

    Raises:
        UsageError: Anything else.
    """
    if cursor is None:
        return 0
    if not _NUMBER.fullmatch(cursor):
        raise foreign(cursor)
    return int(cursor)


def pair_cursor(first: str, second: str) -> Cursor:
    """Write two names, whatever characters are in them."""
    return Cursor(json.dumps([first, second]))


def read_pair(cursor: Cursor | None) -> tuple[str, str]:
    """Read what ``pair_cursor`` wrote; ``None`` is before the first.

    Raises:
        UsageError: Anything else.
    """
    if cursor is None:
        return "", ""
    try:
        match json.loads(cursor):
            case [str(first), str(second)]:
                return first, second
    except (ValueError, RecursionError):
        pass
    raise foreign(cursor)


def foreign(cursor: Cursor) -> UsageError:
    """Say that a cursor is of no listing of ours."""
    return UsageError(f"a cursor must come from an earlier listing, got {cursor!r:.80}")
