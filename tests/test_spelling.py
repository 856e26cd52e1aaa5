"""The secret order of codes: a bijection, hidden, and the same for one code as for many."""

from __future__ import annotations

from collections import defaultdict
from hashlib import blake2b
from itertools import combinations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loyaltycore._alphabets import CROCKFORD, DIGITS, WORD_SAFE, CheckSymbol
from loyaltycore._spelling import BLOCK, Lanes, Press, Spelling

MATERIAL = bytes(range(64))
PRIME = 2**127 - 1
# Size of the alphabet, symbols, and how many of them are the tag: spaces so small that every text can be looked at.
SMALL = [(2, 12, 3), (3, 7, 2), (4, 5, 2), (5, 4, 1), (7, 4, 3), (10, 4, 2), (20, 3, 1), (31, 2, 1), (32, 3, 2), (33, 2, 2)]


class WithoutMask(Spelling):  # type: ignore[misc]  # a mutant: what the serial is masked by is left out
    """The serial stands in the code as it is."""

    def _mask_of(self, tag: int) -> int:  # noqa: ARG002
        return 0


class TwoRounds(Spelling):  # type: ignore[misc]  # a mutant: the outer round is left out
    """The tag stands in the code as it is."""

    def _outer(self, masked: int) -> int:  # noqa: ARG002
        return 0


def by_hand(material: bytes, serial: int, *, size: int, symbols: int, tag: int) -> int:
    """Give the number of a serial as the construction is written down."""
    odds, capacity = int(size**tag), int(size ** (symbols - tag))
    key, factor, shift = material[:32], int.from_bytes(material[32:48]), int.from_bytes(material[48:])
    slots = blake2b((serial // 4).to_bytes(8), key=key, person=b"tag").digest()
    inner = int.from_bytes(slots[serial % 4 * 16 :][:16]) % odds
    mask = blake2b(inner.to_bytes(16), key=key, person=b"mask", digest_size=16).digest()
    left = (serial + int.from_bytes(mask)) % capacity
    outer = ((factor % (PRIME - 1) + 1) * left + shift % PRIME) % PRIME
    return left * odds + (inner + outer) % odds


@st.composite
def shapes(draw: st.DrawFn) -> tuple[int, int, int]:
    """Draw the size of an alphabet, symbols and a tag, within the capacity that is allowed."""
    size, symbols = draw(st.integers(2, 33)), draw(st.integers(1, 24))
    tags = [tag for tag in range(1, symbols + 1) if size ** (symbols - tag) <= 2**40]
    return size, symbols, draw(st.sampled_from(tags))


def differences_shown(spelling: Spelling, count: int) -> tuple[int, int]:
    """Count pairs of codes whose printed tags are equal, and those of them that are as far apart as their serials."""
    by_tag = defaultdict(list)
    for serial in range(count):
        masked, printed = divmod(spelling.number(serial), spelling.odds)
        by_tag[printed].append((serial, masked))
    pairs = [pair for group in by_tag.values() for pair in combinations(group, 2)]
    return len(pairs), sum((b[1] - a[1] - b[0] + a[0]) % spelling.capacity == 0 for a, b in pairs)


def many(spelling: Spelling, start: int, lanes: Lanes) -> list[int]:
    """Give the numbers that are made in lanes, one by one."""
    masked, outer = (lanes.apart(row, width=24) for row in spelling.numbers(start, lanes))
    return [int.from_bytes(m) * spelling.odds + int.from_bytes(o) for m, o in zip(masked, outer, strict=True)]


class TestSpelling:
    @pytest.mark.law(28)
    @pytest.mark.parametrize("size,symbols,tag", SMALL)
    @pytest.mark.parametrize("material", [MATERIAL, bytes(64), bytes([255]) * 64], ids=["rising", "zero", "full"])
    def test_exactly_the_capacity_is_genuine(self, material: bytes, size: int, symbols: int, tag: int) -> None:
        """Of all numbers just those of the serials read as genuine, each as its own."""
        spelling = Spelling(material, size=size, symbols=symbols, tag=tag)
        numbers = {spelling.number(serial): serial for serial in range(spelling.capacity)}
        assert len(numbers) == spelling.capacity == size ** (symbols - tag)
        assert spelling.odds == size**tag
        read = {number: spelling.serial(number) for number in range(size**symbols)}
        assert {number: serial for number, serial in read.items() if serial is not None} == numbers

    @given(st.binary(min_size=64, max_size=64), shapes(), st.data())
    def test_code_roundtrip(self, material: bytes, shape: tuple[int, int, int], data: st.DataObject) -> None:
        """As by hand, and back, for any shape."""
        size, symbols, tag = shape
        spelling = Spelling(material, size=size, symbols=symbols, tag=tag)
        serial = data.draw(st.integers(0, spelling.capacity - 1))
        number = spelling.number(serial)
        assert number == by_hand(material, serial, size=size, symbols=symbols, tag=tag)
        assert spelling.serial(number) == serial

    @given(st.binary(min_size=64, max_size=64), shapes(), st.integers(0, 70), st.data())
    def test_many_at_once(self, material: bytes, shape: tuple[int, int, int], count: int, data: st.DataObject) -> None:
        """In lanes come the same numbers as one by one, from whatever serial."""
        size, symbols, tag = shape
        spelling = Spelling(material, size=size, symbols=symbols, tag=tag)
        start = data.draw(st.integers(0, max(0, spelling.capacity - count)))
        lanes = Lanes(count)
        assert many(spelling, start, lanes) == [spelling.number(serial) for serial in range(start, start + count)]

    @pytest.mark.parametrize("by", [-1, 0, 1, 2])
    def test_many_at_once_around_the_prime(self, by: int) -> None:
        """Where factor times the masked serial plus shift is just below the prime, the prime itself, and just above."""
        plain = Spelling(bytes(64), size=32, symbols=4, tag=3)
        masked = next(left for left in (plain.number(serial) // plain.odds for serial in range(32)) if left > by)
        # The factor is 1 here, so that the shift alone decides what comes out of the outer round.
        material = bytes(48) + (PRIME - masked + by).to_bytes(16)
        spelling, lanes = Spelling(material, size=32, symbols=4, tag=3), Lanes(32)
        assert (masked + PRIME - masked + by) % PRIME == by % PRIME
        expected = [by_hand(material, serial, size=32, symbols=4, tag=3) for serial in range(32)]
        assert many(spelling, 0, lanes) == expected
        assert [spelling.number(serial) for serial in range(32)] == expected

    @pytest.mark.law(30)
    def test_serial_differences_do_not_show(self) -> None:
        """Codes with equal printed tags are as far apart as their serials no more often than chance has it.

        Expected are pairs / odds + pairs / capacity, about 12; the bound is far outside of what chance does (1 in 10¹⁵).
        """
        pairs, shown = differences_shown(Spelling(MATERIAL, size=32, symbols=5, tag=2), 5_000)
        assert pairs > 10_000
        assert shown < 60

    @pytest.mark.law(30)
    @pytest.mark.parametrize("mutant", [WithoutMask, TwoRounds])
    def test_serial_differences_show_in_mutants(self, mutant: type[Spelling]) -> None:
        """Without the mask, or without the outer round, every such pair tells how many codes lie between."""
        spelling = mutant(MATERIAL, size=32, symbols=5, tag=2)
        pairs, shown = differences_shown(spelling, 5_000)
        assert shown == pairs > 10_000
        # They are bijections nevertheless: that law alone does not see them.
        assert all(spelling.serial(spelling.number(serial)) == serial for serial in range(2_000))

    def random_forgeries(self, spelling: Spelling, tries: int) -> int:
        """Count random numbers that read as genuine."""
        draw = Random(42).randrange
        everything = spelling.capacity * spelling.odds
        return sum(spelling.serial(draw(everything)) is not None for _ in range(tries))

    def neighbours_forged(self, spelling: Spelling, tries: int) -> int:
        """Count changes to genuine numbers that read as genuine: of the tag, of what is masked, and of both."""
        draw, genuine = Random(43), 0
        for turn in range(tries):
            masked, outer = divmod(spelling.number(draw.randrange(spelling.capacity)), spelling.odds)
            if turn % 3:
                masked = (masked + draw.choice((-2, -1, 1, 2))) % spelling.capacity
            if turn % 3 != 1:
                outer = (outer + draw.choice((-2, -1, 1, 2))) % spelling.odds
            genuine += spelling.serial(masked * spelling.odds + outer) is not None
        return genuine

    @pytest.mark.law(30)
    @pytest.mark.parametrize("size,symbols,tag", [(32, 5, 2), (31, 5, 2), (10, 7, 3)])
    @pytest.mark.parametrize("forged", [random_forgeries, neighbours_forged], ids=["random", "neighbours"])
    def test_forgeries(self, forged: object, size: int, symbols: int, tag: int) -> None:
        """30,000 tries pass at the odds, within five standard deviations."""
        self.check_odds(forged, Spelling(MATERIAL, size=size, symbols=symbols, tag=tag), 30_000)

    @pytest.mark.law(30)
    @pytest.mark.slow
    @pytest.mark.parametrize("forged", [random_forgeries, neighbours_forged], ids=["random", "neighbours"])
    def test_a_million_forgeries(self, forged: object) -> None:
        """A million tries pass at the odds, within five standard deviations."""
        self.check_odds(forged, Spelling(MATERIAL, size=32, symbols=5, tag=2), 1_000_000)

    def check_odds(self, forged: object, spelling: Spelling, tries: int) -> None:
        """Compare with the binomial distribution."""
        assert callable(forged)
        share = 1 / spelling.odds
        expected, deviation = tries * share, (tries * share * (1 - share)) ** 0.5
        assert abs(forged(self, spelling, tries) - expected) < 5 * deviation


class TestLanes:
    @given(st.lists(st.integers(0, 2**128 - 1), max_size=20), st.integers(1, 2**122))
    def test_modulo(self, numbers: list[int], modulus: int) -> None:
        """In each lane, whether or not it is a power of two."""
        lanes = Lanes(len(numbers))
        row = lanes.together([number.to_bytes(16) for number in numbers])
        for divisor in (modulus, 2 ** modulus.bit_length()):
            remainders = lanes.apart(lanes.modulo(row, divisor), width=24)
            assert [int.from_bytes(remainder) for remainder in remainders] == [number % divisor for number in numbers]

    @settings(max_examples=200)
    @given(base=st.integers(2, 33), data=st.data())
    def test_digits(self, base: int, data: st.DataObject) -> None:
        """Of the greatest number, of those around each power of the base, and of any other: exact in every base and place."""
        places = data.draw(st.integers(1, 24))
        top = base**places
        edges = st.builds(lambda power, by: min(max(base**power + by, 0), top - 1), st.integers(0, places), st.integers(-2, 2))
        numbers = data.draw(st.lists(st.integers(0, top - 1) | edges, min_size=1, max_size=8))
        lanes = Lanes(len(numbers))
        columns = lanes.digits(lanes.together([number.to_bytes(16) for number in numbers]), base, places)
        rows = [[number // base**power % base for power in reversed(range(places))] for number in numbers]
        assert [list(row) for row in zip(*columns, strict=True)] == rows

    def test_no_places(self) -> None:
        """A number of no digits has no columns."""
        assert Lanes(2).digits(0, 32, 0) == []

    def test_counting(self) -> None:
        """Lanes of one number, and of rising ones."""
        lanes = Lanes(3)
        assert lanes.apart(lanes.each(7), width=24) == [(7).to_bytes(24)] * 3
        assert lanes.apart(lanes.upwards, width=24) == [number.to_bytes(24) for number in range(3)]


class TestPress:
    @pytest.mark.parametrize("alphabet", [CROCKFORD, WORD_SAFE, DIGITS], ids=len)
    @pytest.mark.parametrize("tag", [1, 4, 5])
    def test_prints_by_hand(self, alphabet: str, tag: int) -> None:
        """Digits, check symbol and what stands between, also where every symbol is tag, and blocks of different lengths."""
        size = len(alphabet)
        spelling, check = Spelling(MATERIAL, size=size, symbols=5, tag=tag), CheckSymbol.of(size)
        press = Press(spelling, check, pattern="a##-##b##c", alphabet=alphabet)
        for block in (range(min(9, spelling.capacity)), range(spelling.capacity - 1, spelling.capacity)):
            expected = []
            for serial in block:
                digits = [spelling.number(serial) // size**power % size for power in (4, 3, 2, 1, 0)]
                a, b, c, d, e, f = (alphabet[digit] for digit in (*digits, check.digit(digits)))
                expected.append(f"a{a}{b}-{c}{d}b{e}{f}c")
            assert press.codes(block) == expected

    def test_without_check_symbol(self) -> None:
        """All symbols are payload then."""
        spelling = Spelling(MATERIAL, size=2, symbols=5, tag=3)
        press = Press(spelling, None, pattern="#####", alphabet="AB")
        assert press.codes(range(1, 4)) == [f"{spelling.number(n):05b}".replace("0", "A").replace("1", "B") for n in (1, 2, 3)]

    def test_block(self) -> None:
        """A thousand and some at once."""
        assert BLOCK == 1_024
