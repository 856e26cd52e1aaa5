"""Codes made from a key: the same for ever, read however they are typed, and silent about the key."""

# ruff: noqa: RUF001 - look-alike characters are part of the subject

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, count, islice, pairwise, product
from random import Random
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loyaltycore import _code_space
from loyaltycore._alphabets import CROCKFORD, DIGITS, UNAMBIGUOUS, WORD_SAFE
from loyaltycore._code_space import (
    CAPACITY_LIMIT,
    CONTEXT_LENGTH_LIMIT,
    KEY_ID_LENGTH_LIMIT,
    ODDS_LEAST,
    SYMBOLS_LIMIT,
    WEAK_ODDS_LEAST,
    WORDS_LIMIT,
    AvoidedWords,
    CodeReading,
    CodeSpace,
    CodeVerdict,
    SecretKey,
    space_id_of,
)
from loyaltycore.errors import UsageError
from loyaltycore.identity import fold_code
from tests.odd_values import answers_or_refuses
from tools.project import ROOT

GOLDEN = json.loads((ROOT / "tests" / "golden" / "codes.json").read_text(encoding="utf-8"))
SECRET = bytes.fromhex(GOLDEN["key"])
KEY = SecretKey("2026a", SECRET)
OTHER = SecretKey("2026b", bytes(32))
GENUINE, FORGED, CHECK = CodeVerdict.GENUINE, CodeVerdict.FORGED, CodeVerdict.CHECK

SPACES = {
    "crockford": CodeSpace(KEY, pattern="HI-####-####-####", context="velo"),
    "unambiguous": CodeSpace(KEY, pattern="#### #### ####", context="velo", alphabet=UNAMBIGUOUS),
    "word-safe": CodeSpace(KEY, pattern="Lo####x####-####9", context="velo", alphabet=WORD_SAFE),
    "digits": CodeSpace(KEY, pattern="####-####-####-####", context="velo", alphabet=DIGITS),
    "unchecked": CodeSpace(KEY, pattern="########-9", context="velo", check=False, tag=6),
    "long": CodeSpace(KEY, pattern="#" * 24, context="velo", alphabet="ABCDEFGHJKMNPQRST0123456789UVWXYZ", tag=20),
    "all tag": CodeSpace(KEY, pattern="#######", context="velo", tag=6),
}
# As people and their devices write what is printed: each character and what may stand in its place.
TYPED = {
    "0": "0Oo０٠ОοО",
    "1": "1IiLl１۱ІіΙ",
    "A": "AaＡАа",
    "B": "BbＢΒВ",
    "C": "CcС",
    "E": "EeÉéЕ",
    "H": "HhНΗ",
    "K": "KkКΚ",
    "M": "MmМΜ",
    "P": "PpРΡ",
    "T": "TtТΤ",
    "X": "XxХΧ",
    "Z": "ZzΖｚ",
}
NOISE = ["", "", "", " ", "-", "‐", "–", "\u00a0", "\u200b", "\n", "\t"]


@pytest.fixture
def unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let spaces be so small that every text can be looked at."""
    monkeypatch.setattr(_code_space, "ODDS_LEAST", 1)
    monkeypatch.setattr(_code_space, "WEAK_ODDS_LEAST", 1)


@st.composite
def mangled(draw: st.DrawFn, code: str) -> str:
    """Draw how a code may be typed."""
    draw_noise, typed = st.sampled_from(NOISE), ""
    for sign in fold_code(code):
        typed += draw(draw_noise) + draw(st.sampled_from(TYPED.get(sign, sign + sign.lower())))
    return typed[:64]


def pieces(stop: int, cuts: list[int]) -> Iterator[range]:
    """Cut a range in pieces."""
    edges = [0, *sorted(cuts), stop]
    return (range(a, b) for a, b in pairwise(edges))


class TestSecretKey:
    def test_what_is_public(self) -> None:
        """Its name and its check value."""
        assert (KEY.key_id, KEY.check_value) == ("2026a", GOLDEN["check_value"])

    @pytest.mark.parametrize(
        "text", [SECRET.hex(), SECRET.hex().upper(), f" {SECRET.hex()}\n", f"\u00a0{SECRET.hex()}"], ids=count()
    )
    def test_from_hex(self, text: str) -> None:
        """As it stands in a file or an environment variable."""
        assert SecretKey.from_hex("2026a", text) == KEY

    @pytest.mark.parametrize(
        "text",
        ["", SECRET.hex()[:-1], SECRET.hex() + "0", SECRET.hex()[:-1] + "g", SECRET.hex().replace("00", "0 0"), SECRET, None],
    )
    def test_from_hex_refuses(self, text: str) -> None:
        """Anything but 64 digits: which key, and nothing of what it was."""
        with pytest.raises(UsageError) as caught:
            SecretKey.from_hex("2026a", text)
        assert str(caught.value) == "key '2026a' must be written as 64 hexadecimal digits, got something else"

    @pytest.mark.parametrize(
        "secret,found",
        [
            (SECRET[:31], "bytes of length 31"),
            (SECRET + b"x", "bytes of length 33"),
            (b"", "bytes of length 0"),
            ("x" * 32, "str of length 32"),
            (bytearray(32), "bytearray of length 32"),
            (None, "NoneType"),
            (list(SECRET), "list"),
        ],
        ids=count(),
    )
    def test_secret_is_32_bytes(self, secret: bytes, found: str) -> None:
        """Neither text nor another length; the value is not shown."""
        with pytest.raises(UsageError) as caught:
            SecretKey("2026a", secret)
        assert str(caught.value) == f"secret must be exactly 32 bytes, got {found}"

    @pytest.mark.parametrize("key_id", ["", "a b", "a/b", None, "x" * (KEY_ID_LENGTH_LIMIT + 1)], ids=count())
    def test_key_id(self, key_id: str) -> None:
        """A short name that can stand in the id of a coupon."""
        assert SecretKey("x" * KEY_ID_LENGTH_LIMIT, SECRET).key_id == "x" * 32
        with pytest.raises(UsageError, match=r"^key_id must be"):
            SecretKey(key_id, SECRET)

    def test_equality(self) -> None:
        """By name and content; hashed alike."""
        same = SecretKey("2026a", bytes(SECRET))
        assert same == KEY
        assert hash(same) == hash(KEY) == hash(("2026a", GOLDEN["check_value"]))
        assert SecretKey("2026b", SECRET) != KEY
        assert SecretKey("2026a", bytes(32)) != KEY
        assert KEY != SECRET
        assert {KEY: 1}[same] == 1

    def test_hash(self) -> None:
        """Keyed, for a purpose, of a size: what the check value is cut from."""
        assert KEY.hash(b"", person=b"loyaltycore.kcv", size=32)[:8].hex() == KEY.check_value
        assert KEY.hash(b"x", person=b"a", size=16) != KEY.hash(b"x", person=b"b", size=16)
        assert len(KEY.hash(b"x", person=b"a", size=64)) == 64

    @pytest.mark.parametrize("name", ["key_id", "_secret", "other"])
    def test_does_not_change(self, name: str) -> None:
        """Neither set nor deleted."""
        with pytest.raises(AttributeError, match=f"^'{name}' of a SecretKey cannot be set$"):
            setattr(KEY, name, b"x")
        with pytest.raises(AttributeError, match=f"^'{name}' of a SecretKey cannot be set$"):
            delattr(KEY, name)


@attrs.frozen
class Holder:
    """A value that somebody puts a key or a space into."""

    held: object


@dataclass
class PlainHolder:
    """The same, of the standard library."""

    held: object


class TestSilence:
    """A key is in no ``repr``, no message, no pickle and no copy."""

    FORMS = (SECRET.hex(), repr(SECRET), repr(SECRET)[2:20], str(list(SECRET))[:20], SECRET.decode("latin-1"))

    def hold(self, *texts: object) -> None:
        """Look for the key in what was said."""
        for text, form in product(map(str, texts), self.FORMS):
            assert form not in text

    @pytest.mark.parametrize("value", [KEY, SPACES["crockford"]], ids=["key", "space"])
    def test_printing(self, value: object) -> None:
        """Alone, within others, formatted."""
        holder = Holder(value)
        self.hold(repr(value), str(value), f"{value}", holder, PlainHolder(value), [value], {"a": value}, attrs.asdict(holder))
        assert repr(KEY) == "SecretKey('2026a', …)"
        assert repr(SPACES["crockford"]) == (
            "CodeSpace(SecretKey('2026a', …), pattern='HI-####-####-####', context='velo', "
            "alphabet='0123456789ABCDEFGHJKMNPQRSTVWXYZ', tag=6)"
        )
        assert not hasattr(value, "__dict__")

    @pytest.mark.parametrize("value", [KEY, SPACES["crockford"]], ids=["key", "space"])
    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_no_pickle(self, value: object, protocol: int) -> None:
        """Neither alone nor within others."""
        for held in (value, [value], {"a": value}):
            with pytest.raises(UsageError, match=r"^a (SecretKey|CodeSpace) is not pickled: make it again from its key"):
                pickle.dumps(held, protocol)

    @pytest.mark.parametrize("value", [KEY, SPACES["crockford"]], ids=["key", "space"])
    def test_copies(self, value: object) -> None:
        """A copy is the thing itself: nothing is taken out of it."""
        assert copy.copy(value) is value
        assert copy.deepcopy([value])[0] is value
        assert replace(PlainHolder(value)).held is value

    @pytest.mark.parametrize(
        "call",
        [
            lambda: SecretKey("a", SECRET + b"x"),
            lambda: SecretKey("a", SECRET.hex()),  # type: ignore[arg-type]
            lambda: SecretKey("a", list(SECRET)),  # type: ignore[arg-type]
            lambda: SecretKey.from_hex("a", SECRET.hex() + "0"),
            lambda: SecretKey.from_hex("a", SECRET),  # type: ignore[arg-type]
            lambda: SecretKey("a b", SECRET),
            lambda: CodeSpace(SECRET, pattern="#" * 12, context="a"),  # type: ignore[arg-type]
            lambda: CodeSpace(SECRET.hex(), pattern="#" * 12, context="a"),  # type: ignore[arg-type]
            lambda: CodeSpace(KEY, pattern="#", context="a"),
            lambda: CodeSpace(KEY, pattern="#" * 12, context=""),
            lambda: CodeSpace(KEY, pattern="#" * 12, context="a", tag=2),
            lambda: SPACES["crockford"].under(SECRET),  # type: ignore[arg-type]
            lambda: SPACES["crockford"].code(-1),
            lambda: SPACES["crockford"].codes(range(2**60)),
            lambda: SPACES["crockford"].read(SPACES["crockford"]),  # type: ignore[arg-type]
            lambda: SPACES["crockford"].read(KEY),  # type: ignore[arg-type]
        ],
        ids=count(),
    )
    def test_messages(self, call: Callable[[], object]) -> None:
        """Whatever is wrong, and where it came from."""
        with pytest.raises(UsageError) as caught:
            call()
        # What was passed stands in the test's own source: only what the library says counts.
        self.hold(caught.value, *traceback.format_exception_only(caught.value))


class TestGolden:
    @pytest.mark.law(31)
    @pytest.mark.parametrize("golden", GOLDEN["spaces"], ids=count())
    def test_codes_are_the_same_for_ever(self, golden: dict[str, Any]) -> None:
        """Made one by one and in a batch, and read."""
        literals, codes = golden["literals"], golden["codes"]
        space = CodeSpace(
            KEY,
            pattern=literals + "#" * (golden["symbols"] + 1),
            context=golden["context"],
            alphabet=golden["alphabet"],
            tag=golden["tag"],
            weak=True,
        )
        serials = [0, 1, 2, 3, 4, 1000, space.capacity - 1]
        assert [space.code(serial) for serial in serials] == [literals + code for code in codes]
        assert list(space.codes(range(5))) == [literals + code for code in codes[:5]]
        assert list(space.codes(range(1000, 1001))) == [literals + codes[5]]
        assert list(space.codes(range(space.capacity - 1, space.capacity))) == [literals + codes[6]]
        assert [space.read(literals + code).serial for code in codes] == serials

    @pytest.mark.law(31)
    @pytest.mark.parametrize("seed", ["0", "1", "4711"])
    def test_hash_seed_does_not_matter(self, seed: str) -> None:
        """A process with another seed makes the same codes, and finds the same version of a list of words."""
        code = (
            "from loyaltycore._code_space import AvoidedWords, CodeSpace, SecretKey\n"
            "space = CodeSpace(SecretKey('k', bytes(range(32))), pattern='############', context='shop-1')\n"
            "print(*space.codes(range(5)), AvoidedWords(['abc', 'def', 'xyz']).digest)"
        )
        shown = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        assert shown.split() == [*GOLDEN["spaces"][0]["codes"][:5], AvoidedWords(["abc", "def", "xyz"]).digest]


class TestCodeSpace:
    def test_what_it_tells(self) -> None:
        """Everything but the key."""
        space = SPACES["crockford"]
        assert (space.capacity, space.odds, space.symbols, space.tag) == (2**25, 2**30, 11, 6)
        assert (space.key_id, space.check_value) == ("2026a", KEY.check_value)
        assert (space.pattern, space.context, space.alphabet) == ("HI-####-####-####", "velo", CROCKFORD)
        assert space.space_id == "velo/H1############"
        assert space.shape == (14, CROCKFORD, ((0, "H"), (1, "1")))
        assert SPACES["word-safe"].space_id == "velo/10####X########9"
        assert SPACES["word-safe"].shape == (16 - 1 + 1, WORD_SAFE, ((0, "1"), (1, "0"), (6, "X"), (15, "9")))

    @pytest.mark.parametrize(
        "settings_,tag,capacity,odds",
        [
            ({"pattern": "#" * 12}, 6, 32**5, 32**6),
            ({"pattern": "#" * 16}, 7, 32**8, 32**7),
            ({"pattern": "#" * 24}, 15, 32**8, 32**15),
            ({"pattern": "#" * 7}, 6, 1, 32**6),
            ({"pattern": "#" * 12, "check": False}, 6, 32**6, 32**6),
            ({"pattern": "#" * 8, "tag": 4, "weak": True}, 4, 32768, 2**20),
            ({"pattern": "#" * 8, "weak": True}, 6, 32, 32**6),
            ({"pattern": "#" * 12, "alphabet": UNAMBIGUOUS}, 6, 31**5, 31**6),
            ({"pattern": "#" * 12, "alphabet": WORD_SAFE}, 7, 20**4, 20**7),
            ({"pattern": "#" * 16, "alphabet": DIGITS}, 9, 10**6, 10**9),
            ({"pattern": "#" * 24, "alphabet": "AB", "check": False, "tag": 20, "weak": True}, 20, 16, 2**20),
        ],
        ids=count(),
    )
    def test_sizes(self, settings_: dict[str, Any], tag: int, capacity: int, odds: int) -> None:
        """The least tag with odds of one in 2²⁹ and at most 2⁴⁰ codes, unless it is said."""
        space = CodeSpace(KEY, context="velo", **settings_)
        assert (space.tag, space.capacity, space.odds) == (tag, capacity, odds)
        assert space.capacity * space.odds == len(space.alphabet) ** space.symbols

    def test_limits_are_inside(self) -> None:
        """Odds and capacity of just the limits pass, and the numbers are those that are promised."""
        assert (ODDS_LEAST, WEAK_ODDS_LEAST, CAPACITY_LIMIT, SYMBOLS_LIMIT) == (2**29, 2**20, 2**40, 24)
        eight = "01234567"
        assert CodeSpace(KEY, pattern="#" * 12, context="a", alphabet="ABCD", check=False, tag=10, weak=True).odds == 2**20
        assert CodeSpace(KEY, pattern="#" * 24, context="a", alphabet=CROCKFORD, check=False, tag=16).capacity == 2**40
        two = CodeSpace(KEY, pattern="#" * 24, context="a", alphabet="01", check=False, tag=24, weak=True)
        assert (two.capacity, two.odds) == (1, 2**24)
        assert CodeSpace(KEY, pattern="#" * 24, context="a", alphabet=eight, check=False).tag == 11

    @pytest.mark.parametrize(
        "settings_,message",
        [
            ({"pattern": None}, "pattern must be '#' for each symbol"),
            ({"pattern": ""}, "pattern must be '#' for each symbol"),
            ({"pattern": "É" + "#" * 12}, "pattern must be '#' for each symbol"),
            ({"pattern": "_" + "#" * 12}, "pattern must be '#' for each symbol"),
            ({"pattern": "#" * 12 + "\n"}, "pattern must be '#' for each symbol"),
            ({"pattern": "#" * 12 + "-" * 53}, "pattern must be '#' for each symbol"),
            ({"pattern": "###"}, r"the number of '#' in pattern must be a whole number in \[4, 24\], got 3"),
            ({"pattern": "#" * 25}, r"the number of '#' in pattern must be a whole number in \[4, 24\], got 25"),
            ({"pattern": "######"}, "pattern has too few symbols to keep guesses out: 5 of 32, without the check symbol"),
            ({"pattern": "######", "weak": True}, "pattern has too few symbols to keep guesses out"),
            ({"pattern": "#" * 24, "alphabet": "AB", "check": False}, "pattern has too few symbols to keep guesses out: 24 of 2"),
            ({"context": ""}, "context must be text of 1 to 200"),
            ({"context": "a\n"}, "context must be text of 1 to 200"),
            ({"context": None}, "context must be text of 1 to 200"),
            ({"context": "x" * (CONTEXT_LENGTH_LIMIT + 1)}, "context must be at most 64 characters"),
            ({"alphabet": "ABCA"}, "alphabet must be 2 or more different"),
            ({"alphabet": "ABCDEF"}, "an alphabet of 6 symbols has no check symbol"),
            ({"tag": 0}, r"tag must be a whole number in \[1, 11\], got 0"),
            ({"tag": 12}, r"tag must be a whole number in \[1, 11\], got 12"),
            ({"tag": True}, r"tag must be a whole number in \[1, 11\], got True"),
            ({"tag": 5}, r"tag must make at most one try in 536870912 a code \(with weak=True in 1048576\), got 1 in 33554432"),
            ({"tag": 3, "weak": True}, "tag must make at most one try in 536870912 a code .*, got 1 in 32768"),
            ({"tag": 6, "pattern": "#" * 16}, "tag must leave room for at most 1099511627776 codes, got 6 of 15 symbols"),
            ({"tag": 2, "pattern": "#" * 16, "weak": True}, "tag must leave room for at most 1099511627776 codes"),
            ({"check": None}, "check must be of type bool"),
            ({"weak": 1}, "weak must be of type bool"),
            ({"secret": None}, "secret must be of type SecretKey, got a value of type NoneType"),
        ],
        ids=count(),
    )
    def test_the_rest_is_refused(self, settings_: dict[str, Any], message: str) -> None:
        """Each setting with its range."""
        secret = settings_.pop("secret", KEY) if "secret" in settings_ else KEY
        with pytest.raises(UsageError, match=f"^{message}"):
            CodeSpace(secret, **{"pattern": "#" * 12, "context": "velo", **settings_})

    def test_longest_pattern_and_context(self) -> None:
        """64 characters each."""
        space = CodeSpace(KEY, pattern="#" * 12 + "-" * 52, context="é" * CONTEXT_LENGTH_LIMIT)
        assert space.read(space.code(7)).serial == 7

    def test_any_value_is_taken_or_refused(self) -> None:
        """Whatever is passed: a space or ``UsageError``."""
        answers_or_refuses(
            CodeSpace, secret=KEY, pattern="#" * 12, context="velo", alphabet=CROCKFORD, tag=6, check=True, weak=False
        )
        answers_or_refuses(SecretKey, key_id="a", secret=SECRET)
        answers_or_refuses(SecretKey.from_hex, key_id="a", text=SECRET.hex())
        answers_or_refuses(SPACES["crockford"].code, serial=1)
        answers_or_refuses(SPACES["crockford"].codes, serials=range(2), avoid=["abc"])
        answers_or_refuses(SPACES["crockford"].read, text="x")

    @pytest.mark.parametrize(
        "settings_",
        [
            {"context": "shop"},
            {"pattern": "HA-####-####-####"},
            {"pattern": "####-####-####"},
            {"pattern": "HI-####-####-#####"},
            {"alphabet": CROCKFORD[::-1]},
            {"tag": 7},
        ],
        ids=count(),
    )
    def test_what_is_bound(self, settings_: dict[str, Any]) -> None:
        """Other words before it, another context, alphabet or size: other symbols altogether."""
        space = SPACES["crockford"]
        other = CodeSpace(KEY, **{"pattern": space.pattern, "context": space.context, **settings_})
        symbols = [code[-14:].replace("-", "")[:10] for code in space.codes(range(50))]
        assert not set(symbols) & {code[-14:].replace("-", "")[:10] for code in other.codes(range(50))}
        assert other != space

    def test_lengths_are_bound(self) -> None:
        """What ends one part and begins the next cannot be shifted: context and literals are told apart."""
        left = CodeSpace(KEY, pattern="C############", context="ab")
        right = CodeSpace(KEY, pattern="############", context="abC")
        assert left.code(0)[1:] != right.code(0)

    def test_separators_are_not_bound(self) -> None:
        """Blanks and dashes are print; so is the case of what stands before."""
        space = SPACES["crockford"]
        other = CodeSpace(KEY, pattern="hi ######-######", context="velo")
        assert [fold_code(code) for code in other.codes(range(9))] == [fold_code(code) for code in space.codes(range(9))]
        assert other.code(0).startswith("hi ")
        assert other.space_id == space.space_id
        assert other.read(space.code(5)).serial == 5

    def test_another_key(self) -> None:
        """The same space, other codes; neither reads the other's."""
        space = SPACES["word-safe"]
        other = space.under(OTHER)
        assert (other.key_id, other.check_value) == (OTHER.key_id, OTHER.check_value)
        assert (other.space_id, other.shape, other.tag, other.pattern) == (space.space_id, space.shape, space.tag, space.pattern)
        assert {other.read(code).verdict for code in space.codes(range(99))} == {FORGED}
        assert {space.read(code).verdict for code in other.codes(range(99))} == {FORGED}
        assert other.under(KEY) == space
        weak = CodeSpace(KEY, pattern="########", context="a", tag=4, weak=True, check=False)
        assert weak.under(OTHER).under(KEY) == weak
        assert weak.under(OTHER).code(0) != weak.code(0)

    def test_equality(self) -> None:
        """By key and settings; hashed alike."""
        space = SPACES["crockford"]
        same = CodeSpace(KEY, pattern="HI-####-####-####", context="velo", tag=6)
        assert same == space
        assert hash(same) == hash(space)
        assert space.under(OTHER) != space
        assert space != "velo"
        unchecked = CodeSpace(KEY, pattern="HI-####-####-####", context="velo", tag=6, check=False)
        assert unchecked != space

    def test_does_not_change(self) -> None:
        """Neither set nor deleted."""
        with pytest.raises(AttributeError, match=r"^'_tag' of a CodeSpace cannot be set$"):
            setattr(SPACES["long"], "_tag", 1)  # noqa: B010  # not a name that a type checker lets through
        with pytest.raises(AttributeError, match=r"^'_tag' of a CodeSpace cannot be set$"):
            delattr(SPACES["long"], "_tag")


class TestSpaceIdOf:
    @pytest.mark.parametrize("name", SPACES)
    def test_is_that_of_the_space(self, name: str) -> None:
        """Without a key."""
        space = SPACES[name]
        assert space_id_of(space.pattern, context=space.context) == space.space_id

    @pytest.mark.parametrize(
        "pattern,context,message",
        [
            ("###", "velo", "the number of '#'"),
            ("_####", "velo", "pattern must be"),
            ("####", "", "context must be text of 1 to 200"),
            ("####", "x" * (CONTEXT_LENGTH_LIMIT + 1), "context must be at most 64 characters"),
        ],
        ids=count(),
    )
    def test_what_a_space_refuses(self, pattern: str, context: str, message: str) -> None:
        """As the space itself does."""
        with pytest.raises(UsageError, match=f"^{message}"):
            space_id_of(pattern, context=context)

    def test_any_value_is_taken_or_refused(self) -> None:
        """Whatever is passed: a name or ``UsageError``."""
        answers_or_refuses(space_id_of, pattern="####", context="velo")


class TestCodes:
    @pytest.mark.parametrize("name", SPACES)
    @settings(max_examples=25)
    @given(data=st.data())
    def test_batch_is_what_single_codes_are(self, name: str, data: st.DataObject) -> None:
        """Any range of any space, through the ends of blocks."""
        space = SPACES[name]
        length = data.draw(st.sampled_from([0, 1, 3, 4, 1023, 1024, 1025, 2050]))
        start = data.draw(st.integers(0, max(0, space.capacity - length)))
        serials = range(start, min(start + length, space.capacity))
        codes = [space.code(serial) for serial in serials]
        assert list(space.codes(serials)) == codes
        assert list(space.serials(serials)) == list(zip(serials, codes, strict=True))

    @pytest.mark.parametrize("name", SPACES)
    def test_code_roundtrip(self, name: str) -> None:
        """First, last and some between; each has the pattern."""
        space = SPACES[name]
        for serial in {0, space.capacity // 2, space.capacity - 1}:
            code = space.code(serial)
            assert space.read(code) == CodeReading(verdict=GENUINE, serial=serial)
            assert len(code) == len(space.pattern)
            assert all(
                sign == found if sign != "#" else found in space.alphabet for sign, found in zip(space.pattern, code, strict=True)
            )

    @pytest.mark.parametrize("serial", [-1, 2**25, True, 1.0, "1", None], ids=count())
    def test_serial_is_within(self, serial: int) -> None:
        """No code beyond the capacity."""
        with pytest.raises(UsageError, match=r"^serial must be a whole number in \[0, 33554431\], got"):
            SPACES["crockford"].code(serial)

    @pytest.mark.parametrize(
        "serials",
        [range(-1, 5), range(2**25 + 1), range(0, 10, 2), range(9, 0, -1), range(5, 3), [1, 2], 7, None, slice(3)],
        ids=count(),
    )
    def test_ranges_are_within(self, serials: range) -> None:
        """At once, not when the first code is asked for."""
        with pytest.raises(UsageError, match=r"^serials must be a range within \[0, 33554432\) in steps of one, got"):
            SPACES["crockford"].codes(serials)
        with pytest.raises(UsageError, match=r"^serials must be a range"):
            SPACES["crockford"].serials(serials)

    def test_streams(self) -> None:
        """The first of a million millions comes at once, and a copy of the range is never made."""
        space = CodeSpace(KEY, pattern="#" * 16, context="velo")
        assert list(islice(space.codes(range(space.capacity)), 3)) == [space.code(serial) for serial in range(3)]

    @pytest.mark.law(28)
    @settings(max_examples=30)
    @given(data=st.data())
    def test_shards_joined_equal_the_whole(self, data: st.DataObject) -> None:
        """Whatever the cuts, whatever the words, also those that do occur; and no serial comes twice."""
        name = data.draw(st.sampled_from(["crockford", "word-safe", "digits"]))
        space, stop = SPACES[name], 1500
        whole = list(space.serials(range(stop)))
        words = data.draw(
            st.lists(st.sampled_from([code[-4:] for _, code in whole]) | st.sampled_from(["abc", "v3x", "444"]), max_size=9)
        )
        cuts = data.draw(st.lists(st.integers(0, stop), max_size=5))
        joined = list(chain.from_iterable(space.serials(shard, avoid=words) for shard in pieces(stop, cuts)))
        assert joined == list(space.serials(range(stop), avoid=words))
        assert [code for _, code in joined] == list(space.codes(range(stop), avoid=words))
        assert len(dict(joined)) == len(joined)
        found = AvoidedWords(words)
        assert joined == [(serial, code) for serial, code in whole if not found.found_in(code)]

    @pytest.mark.law(28)
    @pytest.mark.usefixtures("unguarded")
    @pytest.mark.parametrize(
        "alphabet,pattern,tag,check",
        [
            ("ABCD", "#####", 2, True),
            ("ABC", "######", 2, True),
            ("ABCDEFG", "##A#-#", 1, True),
            ("ABCDEFGH", "####", 2, True),
            ("123456789", "####", 3, True),
            (DIGITS, "9 ####", 2, True),
            (DIGITS, "####", 2, False),
            ("ABCDEF", "####", 2, False),
            ("ABCDEFGHJKMN", "####", 1, True),
            ("01", "########", 3, False),
        ],
        ids=count(),
    )
    def test_exactly_the_capacity_is_genuine(self, alphabet: str, pattern: str, tag: int, check: bool) -> None:  # noqa: FBT001
        """Of all texts of the pattern's shape just the codes read as genuine, each as its serial."""
        space = CodeSpace(KEY, pattern=pattern, context="small", alphabet=alphabet, tag=tag, check=check)
        codes = dict(space.serials(range(space.capacity)))
        assert len(set(codes.values())) == space.capacity == len(alphabet) ** (space.symbols - tag)
        form = pattern.replace("#", "{}")
        texts = (form.format(*symbols) for symbols in product(alphabet, repeat=pattern.count("#")))
        genuine = {text: space.read(text).serial for text in texts}
        assert {serial: text for text, serial in genuine.items() if serial is not None} == codes

    @pytest.mark.law(30)
    @pytest.mark.parametrize("name", ["crockford", "unambiguous", "word-safe", "digits"])
    def test_symbols_are_uniform_in_each_place(self, name: str) -> None:
        """20,000 codes, chi-square in each place, the check symbol's too: beyond this bound chance comes once in 10⁸ places."""
        space, sample = SPACES[name], 20_000
        size = len(space.alphabet)
        places = [place for place, sign in enumerate(space.pattern) if sign == "#"]
        columns = list(zip(*space.codes(range(sample)), strict=True))
        freedom = size - 1
        bound = freedom * (1 - 2 / (9 * freedom) + 5.6 * (2 / (9 * freedom)) ** 0.5) ** 3  # Wilson and Hilferty
        for place in places:
            counts = Counter(columns[place])
            square = sum((counts[symbol] - sample / size) ** 2 for symbol in space.alphabet) / (sample / size)
            assert set(counts) == set(space.alphabet)
            assert square < bound


class TestRead:
    @pytest.mark.law(29)
    @pytest.mark.parametrize("name", ["crockford", "unambiguous", "word-safe", "digits"])
    @given(data=st.data())
    def test_however_it_is_typed(self, name: str, data: st.DataObject) -> None:
        """Case, blanks, dashes, full width, letters of other scripts, O for 0, I and l for 1."""
        space = SPACES[name]
        serial = data.draw(st.integers(0, space.capacity - 1))
        assert space.read(data.draw(mangled(space.code(serial)).filter(lambda typed: len(typed) < 64))).serial == serial

    @pytest.mark.parametrize(
        "text,verdict",
        [
            ("", "length"),
            (" \n", "length"),
            ("x" * 65, "length"),
            ("HI-MME2-F4JX-SST", "length"),
            ("HI-MME2-F4JX-SSTXX", "length"),
            ("HI", "length"),
            ("HA-MME2-F4JX-SSTX", "symbol"),
            ("HI-UME2-F4JX-SSTX", "symbol"),
            ("HI-ДME2-F4JX-SSTX", "symbol"),
            ("HI-ME2!-F4JX-SSTX", "symbol"),
            ("---", "symbol"),
            ("\ud800", "symbol"),
            ("ﷺ" * 14, "symbol"),
            ("IH-MME2-F4JX-SSTX", "symbol"),
        ],
        ids=count(),
    )
    def test_verdicts(self, text: str, verdict: str) -> None:
        """What is wrong first: the length, a sign, then the check symbol."""
        assert SPACES["crockford"].read(text) == CodeReading(verdict=CodeVerdict(verdict))

    @pytest.mark.law(30)
    @pytest.mark.parametrize("name", ["crockford", "unambiguous", "word-safe", "digits"])
    def test_single_typo_is_detected(self, name: str) -> None:
        """Every other symbol in every place of a code, and every swap of neighbours: a wrong check symbol, nothing else."""
        space = SPACES[name]
        code = space.code(4711)
        places = [place for place, sign in enumerate(space.pattern) if sign == "#"]
        for place, symbol in product(places, space.alphabet):
            wrong = code[:place] + symbol + code[place + 1 :]
            assert space.read(wrong).verdict is (GENUINE if wrong == code else CHECK)
        for i, j in pairwise(places):
            signs = list(code)
            signs[i], signs[j] = signs[j], signs[i]
            assert space.read("".join(signs)).verdict is (GENUINE if signs[i] == signs[j] else CHECK)

    @pytest.mark.law(30)
    def test_forgeries(self) -> None:
        """5,000 texts of the right shape, random and next to genuine ones: none is a code."""
        space, draw = SPACES["unchecked"], Random(1)
        for serial in range(2_500):
            random = "".join(draw.choices(CROCKFORD, k=8)) + "9"
            place = draw.randrange(8)
            near = list(space.code(serial % space.capacity))
            near[place] = CROCKFORD[(CROCKFORD.index(near[place]) + draw.choice((-1, 1))) % 32]
            assert space.read(random) == space.read("".join(near)) == CodeReading(verdict=FORGED)

    @pytest.mark.law(29)
    @pytest.mark.parametrize("tries", [10_000, pytest.param(100_000, marks=pytest.mark.slow)])
    def test_any_text_reads(self, tries: int) -> None:
        """Random texts of any Unicode, lone surrogates too: a verdict, never an exception, never a code."""
        draw, space = Random(29), SPACES["crockford"]
        seen = Counter(
            space.read(
                "".join([chr(draw.randrange(draw.choice((0x80, 0x3000, 0x110000)))) for _ in range(draw.randrange(70))])
            ).verdict
            for _ in range(tries)
        )
        assert set(seen) == {CodeVerdict.LENGTH, CodeVerdict.SYMBOL}

    @pytest.mark.law(29)
    @given(st.text(st.characters(exclude_categories=()), max_size=70) | st.text(CROCKFORD + "OIl -", min_size=12, max_size=16))
    def test_a_verdict_always(self, text: str) -> None:
        """Any text at all, and such as nearly are codes."""
        reading = SPACES["crockford"].read(text)
        assert reading.verdict is not CodeVerdict.NOT_ISSUED
        assert reading.is_genuine is (reading.serial is not None) is (reading.verdict is GENUINE)

    @pytest.mark.law(29)
    @pytest.mark.parametrize("sign", ["x", "é", "\u0301", " ", "ß"])
    def test_long_text_costs_what_short_text_does(self, sign: str) -> None:
        """Ten million characters are looked at no further than 65; a generous bound, for a look at each takes seconds."""
        long, took = sign * 10**7, []
        for text in (sign * 65, long):
            begun = time.perf_counter()
            for _ in range(20):
                assert SPACES["crockford"].read(text).verdict is CodeVerdict.LENGTH
            took.append(time.perf_counter() - begun)
        assert took[1] < took[0] + 0.1

    @pytest.mark.parametrize("text", [None, b"MME2F4JXSSTX", 12, ["x"]], ids=count())
    def test_no_text(self, text: str) -> None:
        """Another type is the caller's mistake."""
        with pytest.raises(UsageError, match=r"^text must be of type str, got"):
            SPACES["crockford"].read(text)

    def test_printing(self) -> None:
        """A reading shows no serial; its verdict is what goes to logs."""
        assert (
            repr(CodeReading(verdict=GENUINE, serial=4711)) == "CodeReading(verdict=<CodeVerdict.GENUINE: 'genuine'>, serial=…)"
        )
        assert repr(CodeReading(verdict=FORGED)) == "CodeReading(verdict=<CodeVerdict.FORGED: 'forged'>, serial=None)"
        assert [verdict.value for verdict in CodeVerdict] == ["length", "symbol", "check", "forged", "not_issued", "genuine"]
        assert CodeReading(verdict=GENUINE, serial=0).is_genuine


class TestAvoidedWords:
    # Written with what looks like it: each group is one and the same to a reader.
    ALIKE = ("0Oo", "1IiLl", "2Zz", "3Ee", "4Aa", "5Ss", "6Gg9", "7Tt", "8Bb", "UuVv")

    def skeleton(self, text: str) -> str:
        """Give the skeleton by hand: the first of each group."""
        groups = {sign: group[0].upper() for group in self.ALIKE for sign in group}
        return "".join(groups.get(sign, sign.upper()) for sign in text if sign.isalnum())

    @pytest.mark.parametrize(
        "word,code",
        [
            ("shit", "5H1T-0000"),
            ("shit", "00SH-IT00"),
            ("SHIT", "00-S5HI-T0"),
            ("hello", "x4e110x".upper().replace("4", "H")),
            ("fuck", "AFVCK"),
            ("bite", "8173"),
            ("gag", "649"),
            ("zoo", "200"),
            ("ass", "455"),
            ("élan", "31 4N"),
            ("s-h i.t".replace(".", ""), "SHIT"),
            ("ѕех", "5EX"),
        ],
        ids=count(),
    )
    def test_found_however_it_is_written(self, word: str, code: str) -> None:
        """Digits for letters, across separators, in any case, with accents or letters of other scripts in the list."""
        assert AvoidedWords([word]).found_in(code)

    @pytest.mark.parametrize("code", ["SH1-X7", "5H-1", "", "TIHS", "HIT", "5H1"], ids=count())
    def test_not_found(self, code: str) -> None:
        """Something between, too short, backwards."""
        assert not AvoidedWords(["shit"]).found_in(code)

    @pytest.mark.parametrize("words", [["shirt", "shit"], ["shit", "shirt"]], ids=count())
    def test_words_that_begin_alike(self, words: list[str]) -> None:
        """Each is looked for, whichever comes first."""
        assert AvoidedWords(words).clean(["SHIT-00", "5H1R-T0", "SHIP-00", "SHI"]) == [False, False, True, True]

    @given(
        st.lists(st.text("0O1IlZ2Ee3A4sS5gG69tT7bB8UVvxXkK", min_size=3, max_size=5), max_size=5),
        st.lists(st.text("0O1ILZ2E3A4S5G69T7B8UVXK -", min_size=1, max_size=12), max_size=8),
    )
    def test_by_hand(self, words: list[str], codes: list[str]) -> None:
        """A code is clean just when no word's skeleton is part of its own."""
        expected = [not any(self.skeleton(word) in self.skeleton(code) for word in words) for code in codes]
        assert AvoidedWords(words).clean(codes) == expected

    @pytest.mark.parametrize(
        "words", ["shit", b"shit", None, 7, [""], ["ab"], ["a-b"], ["a!bc"], [None], ["x" * 65]], ids=count()
    )
    def test_what_is_no_list_of_words(self, words: list[str]) -> None:
        """A single text, no text, too short, other signs."""
        with pytest.raises(UsageError, match=r"^(avoid must be several values of type str|each (of avoid|word)|a code must be)"):
            AvoidedWords(words)

    def test_short_words(self) -> None:
        """Three letters and digits at least, and says so."""
        with pytest.raises(UsageError, match=r"^each word to avoid must have at least 3 letters and digits, got 'no'$"):
            AvoidedWords(["yes", "no"])

    def test_their_number_is_bounded(self) -> None:
        """A hundred thousand, no more; those that look alike count once."""
        words = [f"{number:06x}".translate(str.maketrans("bde", "wyx")) for number in range(WORDS_LIMIT + 1)]
        assert len(AvoidedWords(words[:-1])) > 50_000
        with pytest.raises(UsageError, match=r"^avoid must be at most 100000 in number, got more"):
            AvoidedWords(words)
        assert len(AvoidedWords(["sell", "5ELL", "se1l", "cell"])) == 2

    def test_version(self) -> None:
        """The same for the same words in any order, as often as they are named; another for others; none for none."""
        digest = AvoidedWords(["sell", "cell"]).digest
        assert AvoidedWords(iter(["CELL", "5e1l", "cell"])).digest == digest
        assert AvoidedWords(["sell", "cel1", "tell"]).digest != digest
        assert AvoidedWords(["sellcell"]).digest != digest
        assert len(digest) == 16
        assert AvoidedWords([]).digest == ""
        assert digest == "6389eb02bc67ba78"

    def test_value(self) -> None:
        """Equal by content, pickled, printed without the words."""
        words = AvoidedWords(["sell", "cell"])
        assert words == AvoidedWords(["cell", "sell"])
        assert hash(words) == hash(AvoidedWords(["cell", "sell"]))
        assert pickle.loads(pickle.dumps(words)).found_in("5E11")
        assert repr(words) == "AvoidedWords(2 words)"
        assert AvoidedWords.of(words) is words

    @pytest.mark.parametrize(
        "name,word", [("crockford", "h1x"), ("word-safe", "lox"), ("word-safe", "xv9"), ("unambiguous", "k22")]
    )
    def test_across_literals_and_separators(self, name: str, word: str) -> None:
        """A word may begin in what stands before the symbols, and go on behind a dash or blank."""
        space, serials = SPACES[name], range(20_000)
        left = list(space.codes(serials, avoid=[word]))
        out = [code for code in space.codes(serials) if self.skeleton(word) in self.skeleton(code)]
        assert out
        assert left == [code for code in space.codes(serials) if code not in set(out)]

    @pytest.mark.parametrize("avoid", [["lox"], ["l0xx"]])
    def test_a_pattern_that_holds_a_word(self, avoid: list[str]) -> None:
        """Every code would be left out: it is said at once, instead of an empty batch."""
        space = CodeSpace(KEY, pattern="l-oxx####-####-####", context="velo")
        with pytest.raises(UsageError, match=r"^no code is left: the pattern 'l-oxx####-####-####' itself holds a word to avoid"):
            space.codes(range(9), avoid=avoid)

    def test_a_batch_gets_shorter_never_its_range_longer(self) -> None:
        """Of 30,000 codes those that hold a word are left out, and no others are put in for them."""
        space, serials = SPACES["unambiguous"], range(5_000, 35_000)
        words = AvoidedWords(["kkk", "k2k"])
        pairs = list(space.serials(serials, avoid=words))
        assert 5 < len(serials) - len(pairs) < 100
        assert {serial for serial, _ in pairs} < set(serials)
        assert all(space.code(serial) == code for serial, code in pairs)
        assert {space.read(code).verdict for code in set(space.codes(serials)) - {code for _, code in pairs}} == {GENUINE}
