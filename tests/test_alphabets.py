"""Alphabets, and what the check symbol finds."""

from __future__ import annotations

import json
from functools import reduce
from itertools import combinations, count, permutations, product
from string import ascii_uppercase, digits

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loyaltycore._alphabets import CROCKFORD, DIGITS, UNAMBIGUOUS, WORD_SAFE, CheckSymbol, check_alphabet
from loyaltycore.errors import UsageError
from loyaltycore.identity import fold_code
from tools.project import ROOT

SHIPPED = {"crockford": CROCKFORD, "unambiguous": UNAMBIGUOUS, "word-safe": WORD_SAFE, "digits": DIGITS}
WITHOUT = [2, 6, 14, 18, 22, 26, 30]
SIZES = [size for size in range(3, 34) if size not in WITHOUT]
# Of each extension field its prime, and the polynomial as CODES says it, from the highest power down.
POLYNOMIALS = {
    4: (2, (1, 1, 1)),
    8: (2, (1, 1, 0, 1)),
    9: (3, (1, 1, 2)),
    16: (2, (1, 1, 0, 0, 1)),
    25: (5, (1, 1, 2)),
    27: (3, (1, 2, 0, 1)),
    32: (2, (1, 0, 1, 0, 0, 1)),
}
ROOTS = {3: 2, 5: 2, 11: 2, 13: 2, 19: 2, 29: 2, 7: 3, 17: 3, 31: 3, 23: 5}
PARTS = {
    **{size: (size,) for size in (*POLYNOMIALS, *ROOTS)},
    12: (4, 3),
    15: (3, 5),
    20: (4, 5),
    21: (3, 7),
    24: (8, 3),
    28: (4, 7),
    33: (3, 11),
}


def polynomial(size: int, element: int) -> list[int]:
    """Write an element as coefficients, from the highest power down."""
    prime, modulus = POLYNOMIALS[size]
    return [element // prime**power % prime for power in reversed(range(len(modulus) - 1))]


def multiplied(size: int, element: int, times: int) -> int:
    """Multiply an element by a power of the root: long multiplication, then long division."""
    if size in ROOTS:
        return element * pow(ROOTS[size], times, size) % size
    prime, modulus = POLYNOMIALS[size]
    long = polynomial(size, element) + [0] * times
    while len(long) >= len(modulus):
        lead = long[0]
        padded = [*modulus, *[0] * (len(long) - len(modulus))]
        long = [(a - lead * b) % prime for a, b in zip(long, padded, strict=True)][1:]
    return reduce(lambda whole, part: whole * prime + part, long, 0)


def added(size: int, left: int, right: int) -> int:
    """Add two elements, coefficient by coefficient."""
    if size in ROOTS:
        return (left + right) % size
    prime = POLYNOMIALS[size][0]
    both = zip(polynomial(size, left), polynomial(size, right), strict=True)
    return reduce(lambda whole, pair: whole * prime + sum(pair) % prime, both, 0)


def weighed(size: int, row: list[int]) -> list[int]:
    """Sum up a row in each field, each symbol times a power of the root by its distance from the end."""
    sums, below = [], 1
    for part in PARTS[size]:
        elements = [digit // below % part for digit in row]
        terms = [multiplied(part, element, distance) for distance, element in enumerate(reversed(elements))]
        sums.append(reduce(lambda a, b, part=part: added(part, a, b), terms, 0))  # type: ignore[misc]  # bound at once
        below *= part
    return sums


def step(check: CheckSymbol, state: int, digit: int) -> int:
    """Move a state by one symbol."""
    return check.sums[check.left[state] + check.right[digit]]


class TestCheckAlphabet:
    @pytest.mark.parametrize("alphabet", SHIPPED.values(), ids=SHIPPED)
    def test_shipped_ones_pass(self, alphabet: str) -> None:
        """Taken as they are."""
        assert check_alphabet(alphabet) == alphabet

    def test_sizes(self) -> None:
        """As promised."""
        assert [len(alphabet) for alphabet in SHIPPED.values()] == [32, 31, 20, 10]

    @pytest.mark.parametrize("alphabet", ["01", "BA", "".join(sorted(set(digits + ascii_uppercase) - set("ILO")))], ids=len)
    def test_others_pass(self, alphabet: str) -> None:
        """Two symbols or 33, in any order."""
        assert check_alphabet(alphabet) == alphabet

    @pytest.mark.parametrize(
        "alphabet",
        [
            None,
            32,
            list("ABC"),
            b"ABC",
            "",
            "A",
            "AA",
            "ABCA",
            "abc",
            "ABCI",
            "ABCL",
            "ABCO",
            "AB-",
            "AB ",
            "ABÉ",
            "AB\u0410",  # looks like an A
            "AB\u0414",  # a letter like no other, on few keyboards
            "AB٣",
            "AB#",
        ],
        ids=count(),
    )
    def test_the_rest_is_refused(self, alphabet: object) -> None:
        """Too few, twice, small, a look-alike, no letter or digit, not ASCII."""
        with pytest.raises(
            UsageError, match=r"^alphabet must be 2 or more different digits and upper-case letters without I, L and O"
        ):
            check_alphabet(alphabet)

    @given(st.text(digits + ascii_uppercase, min_size=2, max_size=36))
    def test_no_two_symbols_read_as_one(self, alphabet: str) -> None:
        """What passes reads as itself; what does not has a symbol twice once it is read."""
        try:
            passed = check_alphabet(alphabet)
        except UsageError:
            assert fold_code(alphabet) != alphabet or len(set(alphabet)) < len(alphabet)
        else:
            assert fold_code(passed) == passed
            assert len(set(passed)) == len(passed)


class TestCheckSymbol:
    @pytest.mark.parametrize("size", WITHOUT)
    def test_sizes_without(self, size: int) -> None:
        """Twice an odd number has no field in which 1 and the root differ."""
        with pytest.raises(UsageError, match=f"^an alphabet of {size} symbols has no check symbol: add or leave out one symbol"):
            CheckSymbol.of(size)

    def test_every_size_is_tested(self) -> None:
        """The table of fields by hand knows each size there is, ten apart."""
        assert sorted([*PARTS, 10]) == SIZES

    @pytest.mark.law(30)
    @pytest.mark.parametrize("size", SIZES)
    def test_single_errors_and_swaps_of_neighbours(self, size: int) -> None:
        """From every state: two symbols never lead to one state, two states never meet, and the order of two symbols matters.

        So an error shows at once, and is never made good by what follows it: true of rows of any length.
        """
        check = CheckSymbol.of(size)
        everything = set(range(size))
        for state in range(size):
            assert {step(check, state, digit) for digit in range(size)} == everything
            assert {step(check, other, state) for other in range(size)} == everything
            for a, b in combinations(range(size), 2):
                assert step(check, step(check, state, a), b) != step(check, step(check, state, b), a)

    @pytest.mark.law(30)
    @pytest.mark.parametrize("alphabet", SHIPPED.values(), ids=SHIPPED)
    @settings(max_examples=25)
    @given(data=st.data())
    def test_single_typo_is_detected(self, alphabet: str, data: st.DataObject) -> None:
        """In a drawn code of 4 to 24 symbols: every other symbol in every place, and every swap of neighbours that differ."""
        size = len(alphabet)
        check = CheckSymbol.of(size)
        payload = data.draw(st.lists(st.integers(0, size - 1), min_size=3, max_size=23))
        row = [*payload, check.digit(payload)]
        assert check.holds(row)
        for place, digit in product(range(len(row)), range(size)):
            assert check.holds([*row[:place], digit, *row[place + 1 :]]) is (digit == row[place])
        for place in range(len(row) - 1):
            swapped = [*row[:place], row[place + 1], row[place], *row[place + 2 :]]
            assert check.holds(swapped) is (swapped == row)

    @pytest.mark.law(30)
    @pytest.mark.parametrize("size,length", [(32, 31), (31, 30)])
    def test_all_swaps(self, size: int, length: int) -> None:
        """Every two places with every two symbols, up to the length that is promised: by the check symbols of many rows at once.

        What stands in the other places adds the same to both sides.
        """
        check = CheckSymbol.of(size)
        pairs = list(permutations(range(size), 2))
        for i, j in combinations(range(length - 1), 2):
            columns = [bytes(len(pairs))] * (length - 1)
            columns[i], columns[j] = bytes([a for a, _ in pairs]), bytes([b for _, b in pairs])
            right = check.digits(columns)
            columns[i], columns[j] = columns[j], columns[i]
            assert all(a != b for a, b in zip(right, check.digits(columns), strict=True))

    @pytest.mark.law(30)
    @pytest.mark.parametrize("size,length", [(32, 31), (31, 30)])
    @settings(max_examples=20)
    @given(data=st.data())
    def test_all_swaps_in_a_drawn_row(self, size: int, length: int, data: st.DataObject) -> None:
        """The check symbol's own place too."""
        check = CheckSymbol.of(size)
        payload = data.draw(st.lists(st.integers(0, size - 1), min_size=length - 1, max_size=length - 1))
        row = [*payload, check.digit(payload)]
        for i, j in combinations(range(length), 2):
            swapped = row.copy()
            swapped[i], swapped[j] = row[j], row[i]
            assert check.holds(swapped) is (swapped == row)

    @pytest.mark.parametrize("size,length", [(32, 32), (31, 31)])
    def test_longer_rows_miss_a_swap(self, size: int, length: int) -> None:
        """One symbol more, and the first and the last place weigh the same: the promise ends where it says."""
        check = CheckSymbol.of(size)
        payload = [1, 1, *[0] * (length - 3)]
        row = [*payload, check.digit(payload)]
        assert row[0] != row[-1]
        assert check.holds([row[-1], *row[1:-1], row[0]])

    @pytest.mark.parametrize("size", sorted(PARTS))
    @settings(max_examples=25)
    @given(data=st.data())
    def test_arithmetic_by_hand(self, size: int, data: st.DataObject) -> None:
        """A row with its check symbol sums up to zero in each field."""
        payload = data.draw(st.lists(st.integers(0, size - 1), max_size=23))
        assert weighed(size, [*payload, CheckSymbol.of(size).digit(payload)]) == [0] * len(PARTS[size])

    @pytest.mark.parametrize("size", sorted({*POLYNOMIALS, *ROOTS}))
    def test_root_is_primitive(self, size: int) -> None:
        """Its powers are all elements but zero."""
        check = CheckSymbol.of(size)
        powers, power = set(), 1
        for _ in range(size - 1):
            power = step(check, power, 0)
            powers.add(power)
        assert powers == set(range(1, size))

    @pytest.mark.law(31)
    def test_golden_powers(self) -> None:
        """Of the root of 32, as other languages find them."""
        golden = json.loads((ROOT / "tests" / "golden" / "codes.json").read_text(encoding="utf-8"))
        check, power = CheckSymbol.of(32), 1
        for expected in golden["powers_of_the_root_of_32"]:
            power = step(check, power, 0)
            assert power == expected

    @pytest.mark.parametrize("row,digit", [([5, 7, 2], 4), ([0], 0), ([4, 3, 8, 8, 1], 0), ([1], 3), ([9], 2)], ids=count())
    def test_ten_digits(self, row: list[int], digit: int) -> None:
        """Damm's own example, and others read off his table."""
        assert CheckSymbol.of(10).digit(row) == digit

    @pytest.mark.parametrize("size", [3, 10, 20, 27, 32, 33])
    @settings(max_examples=25)
    @given(data=st.data())
    def test_many_rows_at_once(self, size: int, data: st.DataObject) -> None:
        """Column by column gives what row by row does."""
        check = CheckSymbol.of(size)
        width = data.draw(st.integers(1, 8))
        symbols = st.integers(0, size - 1)
        rows = data.draw(st.lists(st.lists(symbols, min_size=width, max_size=width), min_size=1, max_size=9))
        columns = [bytes(column) for column in zip(*rows, strict=True)]
        assert list(check.digits(columns)) == [check.digit(row) for row in rows]
