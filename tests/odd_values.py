"""Values that no caller should pass, and the promise that each gives an answer or a `LoyaltyError`, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

from loyaltycore.errors import LoyaltyError

__all__ = ["ODD", "answers_or_refuses"]


MESSAGE_LIMIT = 1_000


class Unprintable:
    """A value whose repr is broken."""

    def __repr__(self) -> str:
        """Fail, as the reprs of half-made objects do."""
        msg = "no repr"
        raise RuntimeError(msg)


class Endless:
    """An iterable that never ends."""

    def __iter__(self) -> Endless:
        """Give itself."""
        return self

    def __next__(self) -> str:
        """Give one more."""
        return "again"


DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]

CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)

ODD: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    2**63,
    10**5_000,
    -(10**5_000),
    1.5,
    float("nan"),
    float("inf"),
    Decimal("NaN"),
    Decimal("sNaN"),
    Decimal("Infinity"),
    Decimal("1E+999999"),
    Decimal("1E-999999"),
    Fraction(1, 3),
    Fraction(10**5_000),
    "",
    " ",
    "x",
    "\0",
    "\ud800",
    "é" * 100_000,
    b"x",
    [],
    [None],
    [[]],
    (),
    (None,),
    {},
    {"x": None},
    {None: "x"},
    {1.5: 1.5},
    {"x"},
    frozenset({1}),
    range(3),
    datetime(2026, 7, 1),  # noqa: DTZ001  # naive on purpose
    datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
    datetime.max.replace(tzinfo=timezone(-timedelta(hours=14))),
    datetime(2026, 7, 1, tzinfo=UTC),
    date.min,
    date.max,
    time(1, tzinfo=UTC),
    timedelta(1),
    object(),
    int,
    Unprintable(),
    Endless(),
    DEEP,
    CIRCLE,
]
"""From harmless to absurd."""


def answers_or_refuses(call: Callable[..., object], **good: object) -> None:
    """Call with good arguments, then with each of them replaced by each odd value.

    Args:
        call: Takes the arguments by name.
        **good: Arguments it accepts.
    """
    call(**good)
    for name in good:
        for odd in ODD:
            refused = ""
            try:
                call(**{**good, name: odd})
            except LoyaltyError as error:
                refused = str(error)
            assert len(refused) < MESSAGE_LIMIT, "a message is for a log line"
