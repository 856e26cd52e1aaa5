"""Alphabets of codes, and the check symbol that finds slips of typing.

An alphabet is a row of letters and digits of which no two look alike. The check symbol is public arithmetic: it is right for
browsers and logs, and worth nothing against forgery.

Invariants:
    1. No two symbols of an alphabet read as one another, and each reads as itself.
    2. Every single wrong symbol and every swap of neighbours is found, check symbol included.
    3. With 32 or 31 symbols every swap of any two places is found, up to a length of 31 or 30.

>>> check = CheckSymbol.of(len(WORD_SAFE))
>>> check.digit([3, 1, 4, 1, 5])
1
>>> check.holds([3, 1, 4, 1, 5, 1]), check.holds([3, 1, 4, 5, 1, 1])
(True, False)

Source: Horner's scheme over finite fields, after Verhoeff, "Error detecting decimal codes" (1969); for ten digits H. Michael
Damm, "Total anti-symmetrische Quasigruppen" (2004). Crockford's Base32 for the 32 symbols.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Final, TypeAlias, final

import attrs

from loyaltycore._checks import shown
from loyaltycore.errors import UsageError
from loyaltycore.identity import fold_code

__all__ = ["CROCKFORD", "DIGITS", "UNAMBIGUOUS", "WORD_SAFE", "CheckSymbol", "check_alphabet"]

CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""32 symbols: the most room; I, L and O read as 1 and 0, and there is no U."""

UNAMBIGUOUS: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""31 symbols: nothing that looks like 0 or 1 is printed at all."""

WORD_SAFE: Final = "23456789CFGHJMPQRVWX"
"""20 symbols: no vowels and few letters that digits stand for, so that hardly a word appears."""

DIGITS: Final = "0123456789"
"""Ten digits: for a telephone's keys."""

_SMALLEST: Final = 2
"""Symbols of the smallest alphabet; the largest has 33, for so many letters and digits look like no other."""

_TWO_MODULO_FOUR: Final = 2

_BYTE: Final = 256

# Of each field its prime, and what the root to the power of its degree comes down to, the constant term first. Where the size is
# a prime, the root is the least primitive one; else it is the x of the polynomial beside it.
_FIELDS: Final = {
    3: (3, (2,)),
    4: (2, (1, 1)),  # x² + x + 1
    5: (5, (2,)),
    7: (7, (3,)),
    8: (2, (1, 0, 1)),  # x³ + x² + 1
    9: (3, (1, 2)),  # x² + x + 2
    11: (11, (2,)),
    13: (13, (2,)),
    16: (2, (1, 0, 0, 1)),  # x⁴ + x³ + 1
    17: (17, (3,)),
    19: (19, (2,)),
    23: (23, (5,)),
    25: (5, (3, 4)),  # x² + x + 2
    27: (3, (2, 0, 1)),  # x³ + 2x² + 1
    29: (29, (2,)),
    31: (31, (3,)),
    32: (2, (1, 0, 0, 1, 0)),  # x⁵ + x³ + 1
}

_DAMM: Final = (
    "0317598642",
    "7092154863",
    "4206871359",
    "1750983426",
    "6123045978",
    "3674209581",
    "5869720134",
    "8945362017",
    "9438617205",
    "2581436790",
)


def check_alphabet(alphabet: object) -> str:
    """Take an alphabet: 2 to 33 different upper-case letters and digits that read as themselves.

    Args:
        alphabet: In any order; the order decides which codes come out.

    Raises:
        UsageError: No text, a symbol twice, or one that reads as another: a small letter, I, L or O, anything not ASCII.

    Example:
        >>> check_alphabet("ABCDEF")
        'ABCDEF'
    """
    if (
        not isinstance(alphabet, str)
        or not alphabet.isascii()
        or not alphabet.isalnum()
        or not _SMALLEST <= len(set(alphabet)) == len(alphabet)
        or any(fold_code(symbol) != symbol for symbol in alphabet)
    ):
        msg = (
            f"alphabet must be {_SMALLEST} or more different digits and upper-case letters without I, L and O, "
            f"got {shown(alphabet)}"
        )
        raise UsageError(msg)
    return alphabet


@final
@attrs.frozen
class CheckSymbol:
    """How the check symbol of one size of alphabet is made: a state that each symbol moves, and that ends at zero.

    The next state is ``sums[left[state] + right[symbol]]``, and each sum fits a byte: that is how a whole column of symbols moves
    a column of states in one addition.

    Attributes:
        left: By state, one side of the sum.
        right: By symbol, the other side.
        sums: The next state, by sum.
        closing: By state, the symbol that leads to zero.
    """

    left: bytes
    right: bytes
    sums: bytes
    closing: bytes

    @classmethod
    def of(cls, size: int) -> CheckSymbol:
        """Make it for an alphabet of so many symbols.

        Args:
            size: 3 to 33.

        Raises:
            UsageError: 2, 6, 14, 18, 22, 26 or 30: no such arithmetic is known for them.
        """
        if size % 4 == _TWO_MODULO_FOUR and size != len(_DAMM):
            msg = f"an alphabet of {size} symbols has no check symbol: add or leave out one symbol, or say check=False"
            raise UsageError(msg)
        left, right, steps = _damm_steps() if size == len(_DAMM) else _linear_steps(size)
        sums = bytearray(_BYTE)
        for state, row in enumerate(steps):
            for digit, following in enumerate(row):
                sums[left[state] + right[digit]] = following
        return cls(_table(left), _table(right), bytes(sums), _table([row.index(0) for row in steps]))

    def digit(self, digits: Iterable[int]) -> int:
        """Give the check symbol of a row of symbols, each as its place in the alphabet."""
        return self.closing[self._state(digits)]

    def holds(self, digits: Iterable[int]) -> bool:
        """Say whether a row of symbols that ends with its check symbol is right."""
        return self._state(digits) == 0

    def digits(self, columns: Sequence[bytes]) -> bytes:
        """Give the check symbols of many rows at once.

        Args:
            columns: At least one: the first symbols of all rows, then their second symbols, and so on.
        """
        states = bytes(len(columns[0]))
        for column in columns:
            sums = int.from_bytes(states.translate(self.left)) + int.from_bytes(column.translate(self.right))
            states = sums.to_bytes(len(states)).translate(self.sums)
        return states.translate(self.closing)

    def _state(self, digits: Iterable[int]) -> int:
        return reduce(lambda state, digit: self.sums[self.left[state] + self.right[digit]], digits, 0)


def _table(values: Sequence[int]) -> bytes:
    """Fill up to what ``bytes.translate`` takes."""
    return bytes(values).ljust(_BYTE, b"\0")


_Steps: TypeAlias = tuple[list[int], list[int], list[list[int]]]
"""The two sides of each sum, by state and by symbol, and the next state by both."""


def _damm_steps() -> _Steps:
    size = len(_DAMM)
    return [size * state for state in range(size)], list(range(size)), [[int(state) for state in row] for row in _DAMM]


def _linear_steps(size: int) -> _Steps:
    """Tabulate root × state + symbol, each part of the size in its own field.

    The sides are written in bases so wide that no part of a sum runs over into the next.
    """
    powers = [power for power, (prime, _) in _FIELDS.items() if size % power == 0 and size % (power * prime)]
    fields = sorted(_FIELDS[power] for power in powers)
    primes = [prime for prime, reduction in fields for _ in reduction]
    wide = [2 * prime - 1 for prime in primes]
    elements = [_apart(digit, primes) for digit in range(size)]
    moved = [_times_alpha(element, fields) for element in elements]
    steps = [[_together(_sum(state, element, primes), primes) for element in elements] for state in moved]
    return [_together(state, wide) for state in moved], [_together(element, wide) for element in elements], steps


def _times_alpha(element: list[int], fields: list[tuple[int, tuple[int, ...]]]) -> list[int]:
    """Multiply by the root of each field: all parts move up by one, and what leaves at the top comes down as lower ones."""
    product: list[int] = []
    for prime, reduction in fields:
        *lower, top = element[len(product) : len(product) + len(reduction)]
        product += [(part + top * factor) % prime for part, factor in zip((0, *lower), reduction, strict=True)]
    return product


def _sum(left: list[int], right: list[int], primes: list[int]) -> list[int]:
    return [(a + b) % prime for a, b, prime in zip(left, right, primes, strict=True)]


def _apart(whole: int, bases: list[int]) -> list[int]:
    """Write a number in mixed bases, the lowest first."""
    parts = []
    for base in bases:
        whole, part = divmod(whole, base)
        parts.append(part)
    return parts


def _together(parts: list[int], bases: list[int]) -> int:
    """Read a number written in mixed bases."""
    whole = 0
    for part, base in zip(reversed(parts), reversed(bases), strict=True):
        whole = whole * base + part
    return whole
