"""The secret order of the codes of one space: serials to numbers and back, and many codes printed at once.

A serial is masked by what its tag gives, and the tag by what the masked serial gives. Who has no key cannot tell a genuine number
from another. One code is made by plain arithmetic; of a batch each step is taken for a thousand codes at once, in the lanes of
one large whole number, and gives the same.

>>> spelling = Spelling(bytes(range(64)), size=32, symbols=5, tag=2)
>>> spelling.capacity, spelling.odds
(32768, 1024)
>>> spelling.serial(spelling.number(7)), spelling.serial(spelling.number(7) + 1)
(7, None)
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from hmac import compare_digest
from struct import iter_unpack
from typing import Final, final

from loyaltycore._alphabets import CheckSymbol

__all__ = ["BLOCK", "Lanes", "Press", "Spelling"]

_PRIME_BITS: Final = 127
_PRIME: Final = 2**_PRIME_BITS - 1
"""Of the outer round: far above the capacity, and quick to divide by."""

_HASH: Final = 16
"""Bytes of a hash that masks."""

_LANE: Final = 24
"""Bytes for the product of a number below the prime and one below the capacity."""

BLOCK: Final = 1_024
"""Codes made at once: enough that what they share costs nothing, few enough to stay near the processor."""


@final
class Lanes:
    """Many numbers side by side in one whole number, each in a lane of bytes that none outgrows.

    What is added, multiplied or masked off is so in all lanes at once, for hardly more than in one.
    """

    __slots__ = ("_same", "count", "upwards")

    def __init__(self, count: int) -> None:
        """Make so many lanes."""
        self.count: Final = count
        self.upwards: Final = int.from_bytes(b"".join([number.to_bytes(_LANE) for number in range(count)]))
        self._same: Final[dict[tuple[int, int], int]] = {}

    def each(self, value: int, *, width: int = _LANE) -> int:
        """Give one number in all lanes."""
        if (value, width) not in self._same:
            self._same[value, width] = int.from_bytes(value.to_bytes(width) * self.count)
        return self._same[value, width]

    def together(self, texts: Iterable[bytes]) -> int:
        """Put numbers of 16 bytes into lanes."""
        return int.from_bytes(bytes(_LANE - _HASH).join(texts))

    def apart(self, row: int, *, width: int) -> list[bytes]:
        """Take the numbers out of lanes of some width."""
        return [number for (number,) in iter_unpack(f"{width}s", row.to_bytes(width * self.count))]

    def modulo(self, row: int, modulus: int, *, width: int = _LANE) -> int:
        """Give the remainder in each lane: masked off for a power of two, one by one for others."""
        if modulus & (modulus - 1) == 0:
            return row & self.each(modulus - 1, width=width)
        remainders = [(int.from_bytes(number) % modulus).to_bytes(width) for number in self.apart(row, width=width)]
        return int.from_bytes(b"".join(remainders))

    def digits(self, row: int, base: int, places: int) -> list[bytes]:
        """Write the numbers in a base, and give the columns: all first digits, then all second ones.

        The numbers are made fractions of ``base ** places``; multiplied by the base, a fraction shows its next digit before
        the point, and that is the first byte of its lane. The fractions have twice the bits of the numbers, so that what they
        are rounded up by never reaches a digit; those of powers of two are exact.
        """
        bits = (base**places - 1).bit_length()
        behind_point = _bytes_for(bits if base & (base - 1) == 0 else 2 * bits)
        width, point = behind_point + 1, 2 ** (8 * behind_point)
        wide, narrow = row.to_bytes(_LANE * self.count), bytearray(width * self.count)
        for byte in range(1, _bytes_for(bits) + 1):
            narrow[width - byte :: width] = wide[_LANE - byte :: _LANE]
        fractions = int.from_bytes(narrow) * -(-point // base**places)
        columns = []
        for _ in range(places):
            fractions *= base
            columns.append(fractions.to_bytes(width * self.count)[::width])
            fractions &= self.each(point - 1, width=width)
        return columns


def _bytes_for(bits: int) -> int:
    return (bits + 7) // 8


def _hashes(state: blake2b, texts: Iterable[bytes]) -> list[bytes]:
    """Hash each text, from one keyed state."""
    copy, hashes = state.copy, []
    for text in texts:
        one = copy()
        one.update(text)
        hashes.append(one.digest())
    return hashes


@final
class Spelling:
    """The secret order of one space: serials to numbers of ``size ** symbols``, of which few are genuine, and back.

    The number of a serial is ``masked × odds + outer``: the serial, masked by what its tag gives, and the tag, masked by what the
    masked serial gives. Small spaces work as well as large ones; whether they are safe is asked elsewhere.
    """

    __slots__ = ("_factor", "_mask", "_shift", "_tag", "capacity", "odds", "symbols", "tag")

    def __init__(self, material: bytes, *, size: int, symbols: int, tag: int) -> None:
        """Take 64 secret bytes.

        Args:
            material: The key of both hashes, then the two numbers of the outer round.
            size: Of the alphabet.
            symbols: Of the serial and the tag together.
            tag: Of the tag alone.
        """
        self.symbols: Final = symbols
        self.tag: Final = tag
        self.odds: Final = int(size**tag)
        self.capacity: Final = int(size ** (symbols - tag))
        self._tag: Final = blake2b(key=material[:32], person=b"tag")
        self._mask: Final = blake2b(key=material[:32], person=b"mask", digest_size=_HASH)
        self._factor: Final = int.from_bytes(material[32:48]) % (_PRIME - 1) + 1
        self._shift: Final = int.from_bytes(material[48:]) % _PRIME

    def number(self, serial: int) -> int:
        """Give the number of a serial."""
        tag = self._tag_of(serial)
        masked = (serial + self._mask_of(tag)) % self.capacity
        return masked * self.odds + (tag + self._outer(masked)) % self.odds

    def serial(self, number: int) -> int | None:
        """Give the serial of a number, or ``None`` for a number that no serial has."""
        masked, outer = divmod(number, self.odds)
        tag = (outer - self._outer(masked)) % self.odds
        serial = (masked - self._mask_of(tag)) % self.capacity
        # In a time that does not tell how much of it was right.
        return serial if compare_digest(self._tag_of(serial).to_bytes(_HASH), tag.to_bytes(_HASH)) else None

    def numbers(self, start: int, lanes: Lanes) -> tuple[int, int]:
        """Give the numbers of as many serials as there are lanes, each as its two halves: what is masked, and the tag.

        Every step of ``number`` is taken in all lanes at once; only the hashes are made one by one.
        """
        fours = [four.to_bytes(8) for four in range(start // 4, (start + lanes.count + 3) // 4)]
        first = start % 4 * _HASH
        slots = b"".join(_hashes(self._tag, fours))[first : first + lanes.count * _HASH]
        tags = lanes.modulo(int.from_bytes(slots), self.odds, width=_HASH)
        texts = lanes.apart(tags, width=_HASH)
        masks = lanes.together(_hashes(self._mask, texts)) + lanes.upwards + lanes.each(1) * start
        masked = lanes.modulo(masks, self.capacity)
        outer = masked * self._factor + lanes.each(self._shift)
        # Modulo 2¹²⁷ − 1: the high bits are added to the low ones, and what reaches the prime then goes on from zero.
        outer = (outer & lanes.each(_PRIME)) + ((outer >> _PRIME_BITS) & lanes.each(2**64 - 1))
        reaches = ((outer + lanes.each(1)) >> _PRIME_BITS) & lanes.each(1)
        outer = (outer + reaches) & lanes.each(_PRIME)
        return masked, lanes.modulo(outer + lanes.together(texts), self.odds)

    def _tag_of(self, serial: int) -> int:
        state = self._tag.copy()
        state.update((serial // 4).to_bytes(8))
        slot = _HASH * (serial % 4)
        return int.from_bytes(state.digest()[slot : slot + _HASH]) % self.odds

    def _mask_of(self, tag: int) -> int:
        state = self._mask.copy()
        state.update(tag.to_bytes(_HASH))
        return int.from_bytes(state.digest())

    def _outer(self, masked: int) -> int:
        return (self._factor * masked + self._shift) % _PRIME


@final
class Press:
    """Prints the codes of a space, a block at a time.

    The symbols of a block are made column by column: all first symbols, then all second ones.
    """

    __slots__ = ("_alphabet", "_check", "_lanes", "_letters", "_line", "_places", "_spelling")

    def __init__(self, spelling: Spelling, check: CheckSymbol | None, *, pattern: str, alphabet: str) -> None:
        """Set up what the blocks share.

        Args:
            spelling: Of the space.
            check: Its check symbol; ``None`` for none.
            pattern: ``#`` for each symbol, anything else is printed as it is.
            alphabet: The symbols in their order.
        """
        self._spelling: Final = spelling
        self._check: Final = check
        self._alphabet: Final = alphabet
        self._line: Final = f"{pattern}\n".encode()
        self._places: Final = [place for place, sign in enumerate(pattern) if sign == "#"]
        self._letters: Final = alphabet.encode().ljust(256, b"#")
        self._lanes = Lanes(0)

    def codes(self, block: range) -> list[str]:
        """Print the codes of some serials, best of 1,024."""
        if len(block) != self._lanes.count:
            self._lanes = Lanes(len(block))
        lanes, spelling, size = self._lanes, self._spelling, len(self._alphabet)
        masked, tags = spelling.numbers(block.start, lanes)
        columns = lanes.digits(masked, size, spelling.symbols - spelling.tag) + lanes.digits(tags, size, spelling.tag)
        if self._check is not None:
            columns.append(self._check.digits(columns))
        page = bytearray(self._line * len(block))
        for place, column in zip(self._places, columns, strict=True):
            page[place :: len(self._line)] = column.translate(self._letters)
        return page.decode().splitlines()
