"""Checks that value objects share: each takes a value and gives it back, or says what is allowed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from enum import Enum
from itertools import islice
from typing import Final, TypeVar

from loyaltycore.errors import UsageError

__all__ = [
    "WHOLE_LIMIT",
    "check_count",
    "check_day",
    "check_instant",
    "check_kind",
    "check_several",
    "check_whole",
    "keep_in_utc",
    "masked",
    "shown",
]

WHOLE_LIMIT: Final = 2**63 - 1
"""The largest whole number either side of zero: what a 64-bit column holds."""

SHOWN_LIMIT: Final = 200
"""Characters of a value in a message: enough to recognise it, too few to flood a log."""

MASKED_FROM: Final = 10
"""Characters above which a code is one that a machine made: ``SUMMER10`` is no secret."""

SEVERAL_LIMIT: Final = 1_000_000
"""Items of anything that is given as several: beyond it an iterator never ends."""

FIRST_YEAR: Final = 2
LAST_YEAR: Final = 9998
"""Of instants and local days: in the years 1 and 9999 a change of time zone can leave the calendar."""

K = TypeVar("K")
T = TypeVar("T")


def shown(value: object) -> str:
    """Print a value for a message: its ``repr``, cut where it is long."""
    if isinstance(value, str | bytes) and len(value) > SHOWN_LIMIT:
        return f"{value[:80]!r}… ({len(value)} characters)"
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001  # a message about a bad value must come out, whatever its repr does (an int of 5,000 digits raises)
        return f"a {type(value).__name__} that cannot be printed"
    return text if len(text) <= SHOWN_LIMIT else f"{text[:80]}…"


def masked(text: str) -> str:
    """Print a code, or an id that leads to one, for a ``repr``: enough to recognise it, too little to use it."""
    return repr(f"{text[:4]}…" if len(text) > MASKED_FROM else text)


def check_whole(name: str, value: object, *, low: int = -WHOLE_LIMIT, high: int = WHOLE_LIMIT) -> int:
    """Take a whole number of exactly type ``int`` within ``[low, high]``.

    Args:
        name: For the message.
        value: What was passed; ``True`` and ``1.0`` are refused.
        low: The least allowed.
        high: The greatest allowed.

    Raises:
        UsageError: Another type, or out of range.
    """
    if type(value) is not int or not low <= value <= high:
        msg = f"{name} must be a whole number in [{low}, {high}], got {shown(value)}"
        raise UsageError(msg)
    return value


def check_count(name: str, value: object, *, high: int = WHOLE_LIMIT) -> int:
    """Take a whole number of at least one.

    Raises:
        UsageError: Another type, or out of range.
    """
    return check_whole(name, value, low=1, high=high)


def check_kind(name: str, value: object, kind: type[T]) -> T:
    """Take a value of a class.

    Args:
        name: For the message.
        value: What was passed; the text of an enum's member is no member.
        kind: The class.

    Raises:
        UsageError: Another class.
    """
    if not isinstance(value, kind):
        allowed = (
            f"one of {', '.join(map(str, kind))}, as {kind.__name__}" if issubclass(kind, Enum) else f"of type {kind.__name__}"
        )
        msg = f"{name} must be {allowed}, got {shown(value)}"
        raise UsageError(msg)
    return value


def check_several(name: str, values: object, kind: type[T], *, limit: int = SEVERAL_LIMIT) -> tuple[T, ...]:
    """Take several values of a class, from any iterable but a text.

    Args:
        name: For the message.
        values: What was passed.
        kind: The class of each.
        limit: The most there may be.

    Raises:
        UsageError: No iterable, too many items, or one of another class.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        msg = f"{name} must be several values of type {kind.__name__}, got {shown(values)}"
        raise UsageError(msg)
    found = tuple(islice(values, limit + 1))
    if len(found) > limit:
        msg = f"{name} must be at most {limit} in number, got more"
        raise UsageError(msg)
    for value in found:
        check_kind(f"each of {name}", value, kind)
    return found


def check_mapping(name: str, values: Mapping[K, T], *, limit: int = SEVERAL_LIMIT) -> dict[K, T]:
    """Take a mapping, as a copy.

    Args:
        name: For the message.
        values: What was passed.
        limit: The most items there may be.

    Raises:
        UsageError: No mapping, or too many items.
    """
    if not _is(values, Mapping) or len(values) > limit:
        msg = f"{name} must be a mapping of at most {limit} items, got {shown(values)}"
        raise UsageError(msg)
    return dict(values)


def _is(value: object, kind: type) -> bool:
    return isinstance(value, kind)


def check_day(name: str, day: object) -> date:
    """Take a local day: a ``date`` of the years 2 to 9998 that is no ``datetime``.

    Raises:
        UsageError: Another type, or out of range.
    """
    if not isinstance(day, date) or isinstance(day, datetime) or not FIRST_YEAR <= day.year <= LAST_YEAR:
        msg = f"{name} must be a date of the years {FIRST_YEAR} to {LAST_YEAR}, got {shown(day)}"
        raise UsageError(msg)
    return day


def check_instant(name: str, at: object) -> datetime:
    """Take a timezone-aware instant, and give it in UTC.

    In UTC two instants compare as they follow each other; within one zone Python compares the clocks on the wall, which run
    twice through one hour when summer time ends.

    Args:
        name: For the message.
        at: What was passed.

    Raises:
        UsageError: No ``datetime``, a naive one, or one outside the years 2 to 9998.
    """
    if not isinstance(at, datetime) or at.utcoffset() is None:
        msg = f"{name} must be a timezone-aware datetime, got {shown(at)}"
        raise UsageError(msg)
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        msg = f"{name} must lie in the years {FIRST_YEAR} to {LAST_YEAR} (no end is None), got {shown(at)}"
        raise UsageError(msg)
    return at if at.tzinfo is UTC else at.astimezone(UTC)


def keep_in_utc(owner: object, *names: str) -> None:
    """Check instants of a frozen value that is just being made, and keep them in UTC.

    Args:
        owner: The value.
        *names: Its fields; one that is ``None`` stays so.

    Raises:
        UsageError: As ``check_instant``.
    """
    for name in names:
        at = getattr(owner, name)
        if at is not None:
            object.__setattr__(owner, name, check_instant(name, at))
