"""Numbers of gift cards: drawn without bias, read however they are typed, kept as digests, and shown nowhere."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
import traceback
from collections import Counter
from collections.abc import Callable
from hashlib import blake2b

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loyaltycore._alphabets import CROCKFORD, DIGITS, UNAMBIGUOUS, WORD_SAFE, CheckSymbol
from loyaltycore._card_numbers import CardNumbers, _drawn
from loyaltycore._code_space import SecretKey
from loyaltycore.errors import Reason, Refusal, UsageError
from loyaltycore.identity import fold_code

SECRET = bytes(range(32))
PEPPER = SecretKey("pepper-1", SECRET)
SECOND = SecretKey("pepper-2", SECRET[::-1])
THIRD = SecretKey("pepper-3", bytes(32))
NUMBERS = CardNumbers(PEPPER)
ENTROPY = b"sixteen random b"

LOOKS = [
    CardNumbers(PEPPER),
    CardNumbers(PEPPER, pattern="GIFT ####-####-####-####-#", alphabet=UNAMBIGUOUS),
    CardNumbers(PEPPER, pattern="vélo".replace("é", "e") + "#" * 19 + "-X", alphabet=WORD_SAFE),
    CardNumbers(PEPPER, pattern="#####" * 5, alphabet=DIGITS),
]

UNKNOWN = Refusal(Reason.CARD_UNKNOWN)

entropies = st.binary(min_size=16, max_size=48)
looks = st.sampled_from(LOOKS)


def canonical(numbers: CardNumbers, entropy: bytes) -> str:
    """Draw a number and read it."""
    found = numbers.read(numbers.number(entropy))
    assert isinstance(found, str)
    return found


class TestNumber:
    def test_golden_numbers(self) -> None:
        """A number once printed comes out of its entropy for ever: a retry after an update reveals the same."""
        assert [numbers.number(ENTROPY) for numbers in LOOKS] == [
            "MXN3-NA4S-7QTM-J459",
            "GIFT Q3V9-XH9Y-AVWS-P97W-X",
            "veloJ73HG2MXXWR427WRV6Q-X",
            "2511500399862058674725725",
        ]

    @given(numbers=looks, entropy=entropies)
    def test_same_entropy_same_number(self, numbers: CardNumbers, entropy: bytes) -> None:
        """A retry reveals the same number, under any pepper: the number has no key to leak."""
        number = numbers.number(entropy)
        assert number == numbers.number(entropy)
        other = CardNumbers(SECOND, pattern=numbers.pattern, alphabet=numbers.alphabet, older=[PEPPER])
        assert other.number(entropy) == number

    @given(numbers=looks, entropy=entropies)
    def test_number_has_the_shape_of_the_pattern(self, numbers: CardNumbers, entropy: bytes) -> None:
        """Symbols stand where the pattern has them, and everything else is as it is printed there."""
        number = numbers.number(entropy)
        assert len(number) == len(numbers.pattern)
        for sign, printed in zip(numbers.pattern, number, strict=True):
            assert printed in numbers.alphabet if sign == "#" else printed == sign

    def test_numbers_differ(self) -> None:
        """Other entropy gives another number, be it longer by a zero only."""
        entropy = [bytes(length) for length in range(16, 80)] + [bytes([n]) * 16 for n in range(1, 200)]
        assert len({NUMBERS.number(one) for one in entropy}) == len(entropy)

    @pytest.mark.parametrize("numbers", LOOKS, ids=lambda numbers: numbers.pattern)
    def test_every_symbol_is_as_likely_as_any_other(self, numbers: CardNumbers) -> None:
        """Within five standard deviations at every place: a byte's range that is no multiple of the size is not folded over."""
        many, size = 4_000, len(numbers.alphabet)
        drawn = [numbers.number(n.to_bytes(16)) for n in range(many)]
        spread = 5 * math.sqrt(many / size * (1 - 1 / size))
        for place, sign in enumerate(numbers.pattern):
            if sign == "#":
                found = Counter(number[place] for number in drawn)
                assert all(abs(found[symbol] - many / size) < spread for symbol in numbers.alphabet)

    @pytest.mark.parametrize("size", [2, 10, 20, 31, 32, 33])
    def test_stream_is_bytes_below_a_multiple(self, size: int) -> None:
        """The stream is BLAKE2b over a counter and the entropy, and what would favour the first symbols is passed over."""
        blocks = [blake2b(n.to_bytes(8) + ENTROPY, person=b"lc.gift.draw", digest_size=64).digest() for n in range(3)]
        even = 256 // size * size
        expected = [byte % size for byte in b"".join(blocks) if byte < even]
        assert list(itertools.islice(_drawn(ENTROPY, size), len(expected))) == expected

    @pytest.mark.parametrize("entropy", [b"", b"fifteen bytes!!", bytes(1025), "sixteen letters!", bytearray(16), 16, None])
    def test_poor_entropy_is_refused(self, entropy: object) -> None:
        """Too little can be tried out, too much is a mistake, and text is no entropy."""
        with pytest.raises(UsageError, match="entropy must be 16 to 1024 bytes, got"):
            NUMBERS.number(entropy)  # type: ignore[arg-type]  # the point

    def test_bounds_of_entropy(self) -> None:
        """Both bounds are inside."""
        assert NUMBERS.number(bytes(16)) != NUMBERS.number(bytes(1024))


class TestSettings:
    @pytest.mark.parametrize("alphabet, enough", [(CROCKFORD, 16), (UNAMBIGUOUS, 17), (WORD_SAFE, 19), (DIGITS, 25), ("ABC", 51)])
    def test_least_number_of_symbols(self, alphabet: str, enough: int) -> None:
        """At least 16 symbols, and 2^80 texts: one symbol less is refused, and the message says how many it takes."""
        assert CardNumbers(PEPPER, pattern="#" * enough, alphabet=alphabet).number(ENTROPY)
        message = f"pattern must have at least {enough} symbols of {len(alphabet)}, got {enough - 1}"
        with pytest.raises(UsageError, match=message):
            CardNumbers(PEPPER, pattern="#" * (enough - 1), alphabet=alphabet)

    @pytest.mark.parametrize("pattern", ["", "#" * 65, "####_####_####_####", "É" + "#" * 16, None, b"#" * 16])
    def test_other_patterns_are_refused(self, pattern: object) -> None:
        """Symbols, letters, digits, dashes and blanks, at most 64."""
        with pytest.raises(UsageError, match="pattern must be '#' for each symbol"):
            CardNumbers(PEPPER, pattern=pattern)  # type: ignore[arg-type]  # the point

    def test_longest_pattern(self) -> None:
        """As long as what can be read."""
        numbers = CardNumbers(PEPPER, pattern="#" * 64)
        assert isinstance(numbers.read(numbers.number(ENTROPY)), str)

    @pytest.mark.parametrize("alphabet", ["AB12345O", "AA", CROCKFORD[:30]])
    def test_other_alphabets_are_refused(self, alphabet: str) -> None:
        """Look-alikes, doubles, and sizes without a check symbol."""
        with pytest.raises(UsageError, match="alphabet"):
            CardNumbers(PEPPER, pattern="#" * 60, alphabet=alphabet)

    @pytest.mark.parametrize(
        "older", [[PEPPER], [SECOND, SECOND], [SecretKey("pepper-1", bytes(32))], [SecretKey("pepper-0", SECRET)]]
    )
    def test_a_pepper_twice_is_refused(self, older: list[SecretKey]) -> None:
        """A pepper that was never changed is no rotation, and two of one name could not be told apart."""
        with pytest.raises(UsageError, match="pepper and older must be different keys of different names, got pepper-"):
            CardNumbers(PEPPER, older=older)

    @pytest.mark.parametrize("older", [["pepper"], "pepper", [SecretKey(f"p-{n}", bytes([n]) * 32) for n in range(8)]])
    def test_other_peppers_are_refused(self, older: list[SecretKey]) -> None:
        """Keys, and at most eight of them in all."""
        with pytest.raises(UsageError, match="older"):
            CardNumbers(PEPPER, older=older)
        assert len(CardNumbers(PEPPER, older=[SecretKey(f"p-{n}", bytes([n]) * 32) for n in range(7)]).check_values) == 8

    def test_pepper_must_be_a_key(self) -> None:
        """Bytes are none."""
        with pytest.raises(UsageError, match="pepper must be of type SecretKey"):
            CardNumbers(SECRET)  # type: ignore[arg-type]  # the point

    def test_what_it_tells_of_itself(self) -> None:
        """Names and check values are public: with them a wrong pepper is noticed before it is used."""
        rotated = CardNumbers(SECOND, older=[PEPPER])
        assert CardNumbers(THIRD, older=[PEPPER, SECOND]).pepper_id == "pepper-3"
        assert (rotated.pepper_id, rotated.pattern, rotated.alphabet) == ("pepper-2", "####-####-####-####", CROCKFORD)
        assert list(rotated.check_values.items()) == [("pepper-1", PEPPER.check_value), ("pepper-2", SECOND.check_value)]


class TestRead:
    @given(numbers=looks, entropy=entropies, data=st.data())
    def test_mangled_numbers_read_the_same(self, numbers: CardNumbers, entropy: bytes, data: st.DataObject) -> None:
        """Case, spaces, dashes, full width, and the letters O, I and L for digits change nothing."""
        number = numbers.number(entropy)
        found = numbers.read(number)
        assert found == fold_code(number)
        typed = number.replace("0", data.draw(st.sampled_from("0Oo"))).replace("1", data.draw(st.sampled_from("1IiLl")))
        typed = data.draw(st.sampled_from([typed, typed.lower(), typed.translate({n: n + 0xFEE0 for n in range(48, 91)})]))
        typed = typed.replace("-", data.draw(st.sampled_from(["", " ", "-", "–"])))
        assert numbers.read(f" {typed}\n") == numbers.read(str(found)) == found

    @pytest.mark.parametrize("numbers", LOOKS, ids=lambda numbers: numbers.pattern)
    def test_single_typo_is_detected(self, numbers: CardNumbers) -> None:
        """Any other symbol at any place, and any two neighbours swapped, is no number."""
        number = canonical(numbers, ENTROPY)
        places = [place for place, sign in enumerate(numbers.pattern.replace("-", "").replace(" ", "")) if sign == "#"]
        for place in places:
            for symbol in numbers.alphabet.replace(number[place], ""):
                assert numbers.read(number[:place] + symbol + number[place + 1 :]) == UNKNOWN
        for place in places[:-1]:
            swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
            assert swapped == number or numbers.read(swapped) == UNKNOWN

    def test_last_symbol_is_the_check(self) -> None:
        """The shipped check symbol, over the symbols alone."""
        for numbers in LOOKS:
            number = numbers.number(ENTROPY)
            places = [numbers.alphabet.index(c) for c, sign in zip(number, numbers.pattern, strict=True) if sign == "#"]
            assert CheckSymbol.of(len(numbers.alphabet)).digit(places[:-1]) == places[-1]

    @pytest.mark.parametrize(
        "text",
        ["", "MXN3", "MXN3-NA4S-7QTM-J459-0", "MXN3-NA4S-7QTM-J45", "MXN3-NA4S-7QTM-J45!", "UXN3-NA4S-7QTM-J459", "\0", "x" * 65],
    )
    def test_what_is_no_number(self, text: str) -> None:
        """Wrong length, wrong symbols and no code at all are one answer without details, and show as one."""
        assert NUMBERS.read(text) == UNKNOWN
        assert UNKNOWN.reason.public == "card_invalid"

    def test_another_sign_is_not_the_last_symbol(self) -> None:
        """A letter that is no symbol stands for none."""
        with_z = next(number for number in (NUMBERS.number(bytes([n]) * 16) for n in range(99)) if "Z" in number)
        assert NUMBERS.read(with_z.replace("Z", "U")) == UNKNOWN

    def test_another_literal_is_no_number(self) -> None:
        """What stands in the pattern must stand in the number."""
        number = canonical(LOOKS[1], ENTROPY)
        assert number.startswith("G1FT")
        assert LOOKS[1].read("H" + number[1:]) == UNKNOWN

    @given(text=st.text(max_size=80))
    @example("MXN3-NA4S-7QTM-J459\ud800")
    @example("ΐ" * 40)
    def test_any_text_is_answered(self, text: str) -> None:
        """A canonical number or the refusal, never an exception."""
        found = NUMBERS.read(text)
        assert found == UNKNOWN or NUMBERS.read(str(found)) == found

    def test_long_text_is_not_looked_at(self) -> None:
        """Ten million characters are refused before anything is done with them."""
        assert NUMBERS.read("ﷺ" * 10_000_000) == UNKNOWN

    @pytest.mark.parametrize("value", [None, 4111, b"MXN3NA4S7QTMJ459"])
    def test_what_is_no_text(self, value: object) -> None:
        """That is a bug of the caller; the message does not show the value."""
        with pytest.raises(UsageError, match=f"^a card number must be text, got a {type(value).__name__}$"):
            NUMBERS.read(value)  # type: ignore[arg-type]  # the point


def hashed(secret: bytes, data: bytes) -> bytes:
    """Give the digest as the construction says it."""
    return blake2b(data, key=secret, person=b"lc.gift.v1", digest_size=32).digest()


class TestDigest:
    def test_digest_is_the_construction(self) -> None:
        """BLAKE2b-256 under the pepper over the canonical number."""
        number = NUMBERS.number(ENTROPY)
        assert NUMBERS.digest(number) == hashed(SECRET, b"MXN3NA4S7QTMJ459").hex()
        assert NUMBERS.digests(number) == (NUMBERS.digest(number),)
        assert NUMBERS.digest(number) == "e04e9dcfac67be042b43cc54ca5a5821859be9018c26e58cbe1e3c1cabe49716"

    @given(numbers=looks, entropy=entropies)
    def test_digest_is_of_the_canonical_number(self, numbers: CardNumbers, entropy: bytes) -> None:
        """However a number is typed, it is looked up by one digest."""
        number = numbers.number(entropy)
        assert numbers.digest(number) == numbers.digest(number.lower()) == numbers.digest(fold_code(number))

    def test_each_newer_pepper_wraps_the_digest(self) -> None:
        """Oldest innermost; every stage is there, newest first, and a stored digest is wrapped without its number."""
        number = NUMBERS.number(ENTROPY)
        first = hashed(SECRET, b"MXN3NA4S7QTMJ459")
        second = hashed(SECRET[::-1], first)
        third = hashed(bytes(32), second)
        twice, thrice = CardNumbers(SECOND, older=[PEPPER]), CardNumbers(THIRD, older=[PEPPER, SECOND])
        assert twice.digests(number) == (second.hex(), first.hex())
        assert thrice.digests(number) == (third.hex(), second.hex(), first.hex())
        assert thrice.digest(number) == third.hex()
        assert twice.rewrapped(first.hex(), "pepper-1") == second.hex()
        assert thrice.rewrapped(second.hex(), "pepper-2") == thrice.rewrapped(first.hex(), "pepper-1") == third.hex()

    @pytest.mark.parametrize("digest", ["", "ab" * 31, "AB" * 32, "zz" * 32, None, "ab" * 32 + "\n"])
    def test_only_digests_are_wrapped(self, digest: object) -> None:
        """Anything else is refused, and not shown."""
        message = "^digest must be 64 hexadecimal digits under one of 'pepper-1', 'pepper-2' older peppers$"
        with pytest.raises(UsageError, match=message):
            CardNumbers(THIRD, older=[PEPPER, SECOND]).rewrapped(digest, "pepper-1")  # type: ignore[arg-type]  # the point

    @pytest.mark.parametrize("pepper_id", ["pepper-1", "pepper-3", "", None])
    def test_only_older_digests_are_wrapped(self, pepper_id: object) -> None:
        """Not one under the present pepper, nor under one that is not known."""
        with pytest.raises(UsageError, match="under one of no older peppers"):
            NUMBERS.rewrapped("ab" * 32, pepper_id)  # type: ignore[arg-type]  # the point
        if pepper_id != "pepper-1":
            with pytest.raises(UsageError, match="under one of 'pepper-1', 'pepper-2' older peppers"):
                CardNumbers(THIRD, older=[PEPPER, SECOND]).rewrapped("ab" * 32, pepper_id)  # type: ignore[arg-type]  # the point

    @pytest.mark.parametrize("number", ["", "MXN3-NA4S-7QTM-J458", None, 7])
    def test_digest_of_no_number(self, number: object) -> None:
        """Only what reads as a number has a digest or last symbols."""
        for ask in (NUMBERS.digest, NUMBERS.digests, NUMBERS.last_four):
            with pytest.raises(
                UsageError, match="number must be one that reads as a card number of pattern '####-####-####-####'"
            ):
                ask(number)  # type: ignore[arg-type]  # the point


class TestLastFour:
    @given(numbers=looks, entropy=entropies)
    def test_last_four_symbols(self, numbers: CardNumbers, entropy: bytes) -> None:
        """The last symbols, not what the pattern prints behind them."""
        number = numbers.number(entropy)
        symbols = "".join([c for c, sign in zip(number, numbers.pattern, strict=True) if sign == "#"])
        assert numbers.last_four(number) == numbers.last_four(number.lower()) == symbols[-4:]

    def test_forty_bits_stay_hidden_under_every_alphabet(self) -> None:
        """Three drawn symbols and the check are four equations: the least numbers keep more than 54 bits all the same."""
        for size in range(2, 34):
            symbols = next(length for length in itertools.count(16) if size**length >= 2**80)
            assert size ** (symbols - 1 - 4) > 2**54


class TestSecrecy:
    def messages(self) -> list[str]:
        """Print whatever can go wrong with a number in hand."""
        number = NUMBERS.number(ENTROPY)
        wrong = number[:-1] + "8"
        attempts: list[Callable[[], object]] = [
            lambda: NUMBERS.digest(wrong),
            lambda: NUMBERS.digests(wrong + "é"),
            lambda: NUMBERS.last_four(wrong * 9),
            lambda: NUMBERS.read(number.encode()),  # type: ignore[arg-type]  # the point
            lambda: NUMBERS.rewrapped(number, "pepper-1"),
            lambda: NUMBERS.number(ENTROPY[:15]),
            lambda: NUMBERS.number(bytearray(SECRET)),  # type: ignore[arg-type]  # the point
            lambda: pickle.dumps(NUMBERS),
        ]
        told = [repr(NUMBERS), str(NUMBERS), repr(NUMBERS.read(wrong)), str(NUMBERS.read(wrong * 9))]
        for attempt in attempts:
            with pytest.raises(UsageError) as caught:
                attempt()
            told.append("".join([f"{one}" for one in traceback.format_exception(caught.value) if "File" not in one]))
            assert caught.value.__context__ is None
        return told

    def test_secrets_are_in_no_text(self) -> None:
        """Number, pepper and entropy are in no ``repr`` and no message, not even by their first half."""
        for text in self.messages():
            for secret in ("MXN3-NA4S", "MXN3NA4S", "sixteen", ENTROPY.hex(), SECRET.hex()[:32], repr(SECRET)[2:20]):
                assert secret not in text

    def test_it_is_one_of_a_kind(self) -> None:
        """It cannot be pickled, nor changed; it is its own copy, and prints no pepper."""
        with pytest.raises(UsageError, match="not pickled"):
            pickle.dumps(NUMBERS)
        with pytest.raises(AttributeError, match="'_peppers' of CardNumbers cannot be set"):
            NUMBERS._peppers = ()
        with pytest.raises(AttributeError, match="'_peppers' of CardNumbers cannot be deleted"):
            del NUMBERS._peppers
        assert copy.copy(NUMBERS) is copy.deepcopy(NUMBERS) is NUMBERS
        assert repr(NUMBERS) == f"CardNumbers(SecretKey('pepper-1', …), pattern='####-####-####-####', alphabet='{CROCKFORD}')"


@settings(max_examples=20)
@given(entropy=entropies)
def test_digests_of_two_peppers_have_nothing_in_common(entropy: bytes) -> None:
    """Another shop's pepper gives another digest: two databases cannot be compared."""
    number = NUMBERS.number(entropy)
    assert NUMBERS.digest(number) != CardNumbers(SECOND).digest(number)
