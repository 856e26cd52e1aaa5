"""The code book of a shop: which spaces it reads, and under which keys."""

from __future__ import annotations

import csv
import io
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import partial
from itertools import islice, permutations, product
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore import _code_space, _spelling
from loyaltycore._alphabets import CROCKFORD, DIGITS, UNAMBIGUOUS, WORD_SAFE
from loyaltycore._code_blocks import Block, SpaceBlocks
from loyaltycore._code_book import (
    ATTEMPTS,
    KEYS_LIMIT,
    SPACES_LIMIT,
    BookReading,
    CodeBook,
    code_rows,
    plan_codes,
)
from loyaltycore._code_space import AvoidedWords, CodeSpace, CodeVerdict, SecretKey
from loyaltycore.errors import UsageError

AT = datetime(2026, 7, 1, tzinfo=UTC)
SOON = AT + timedelta(days=30)
LATE = AT + timedelta(days=60)
OLD, NEW = SecretKey("2026a", bytes(range(32))), SecretKey("2026b", bytes(range(1, 33)))
THIRD, FOURTH, FIFTH = (SecretKey(f"2026{name}", bytes([number] * 32)) for number, name in enumerate("cde", 1))
SPACE = CodeSpace(OLD, pattern="HI-####-####-####", context="velo")
LONG = CodeSpace(OLD, pattern="####-####-####-####", context="velo")
CODE = SPACE.code(7)
SMALL = "23456"
"""An alphabet for spaces that can be gone through."""


def taken(
    space: CodeSpace, count: int = 100, ref: str = "mail", *, before: SpaceBlocks | None = None, words: str = ""
) -> SpaceBlocks:
    """Take a block of a space's codes for a campaign."""
    state = SpaceBlocks.open(space.space_id) if before is None else before
    return state.take(
        count,
        campaign_id="welcome",
        key_id=space.key_id,
        check_value=space.check_value,
        capacity=space.capacity,
        ref=ref,
        words_digest=words,
        at=AT,
    ).state


def issued(*spaces: CodeSpace) -> dict[str, SpaceBlocks]:
    """Take a block of each space."""
    return {space.space_id: taken(space) for space in spaces}


@contextmanager
def unguarded() -> Iterator[None]:
    """Let spaces be so small that forgeries can be counted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_code_space, "WEAK_ODDS_LEAST", 2)
        yield


def tiny(key: SecretKey = OLD, *, pattern: str = "####", tag: int = 1, check: bool = True) -> CodeSpace:
    """Make a space of 25 codes, one try in five of which is one; call it within `unguarded`."""
    return CodeSpace(key, pattern=pattern, context="tiny", alphabet=SMALL, tag=tag, check=check, weak=True)


def hash_calls(read: Callable[[], object]) -> int:
    """Count how often a code was compared with what a key makes of it: each takes the same hash calls before."""
    calls = 0

    def counted(left: bytes, right: bytes) -> bool:
        nonlocal calls
        calls += 1
        return left == right

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_spelling, "compare_digest", counted)
        read()
    return calls


def with_verdict(space: CodeSpace, verdict: CodeVerdict) -> str:
    """Find a text that a space reads so, beginning from a code."""
    code = space.code(7)
    tails = ("".join(tail) for tail in product(space.alphabet, repeat=3))
    return next(text for text in (code[:-3] + tail for tail in tails) if space.read(text).verdict is verdict)


class TestRead:
    def test_genuine(self) -> None:
        """A code that proves itself and was issued names its space, key, serial and block."""
        blocks = issued(SPACE)
        block = blocks[SPACE.space_id].blocks[0]
        reading = CodeBook([SPACE]).read(CODE.lower(), at=AT, blocks=blocks)
        assert reading == BookReading(
            verdict=CodeVerdict.GENUINE, space_id="velo/H1############", key_id="2026a", serial=7, block=block
        )
        assert reading.is_genuine
        assert reading.coupon_id == "velo/H1############/2026a/7"

    @pytest.mark.parametrize("blocks", [{}, {SPACE.space_id: SpaceBlocks.open(SPACE.space_id)}, issued(LONG)])
    def test_not_issued(self, blocks: dict[str, SpaceBlocks]) -> None:
        """In no block, it proves itself all the same, and is no coupon."""
        reading = CodeBook([SPACE, LONG]).read(CODE, at=AT, blocks=blocks)
        assert reading == BookReading(verdict=CodeVerdict.NOT_ISSUED, space_id=SPACE.space_id, key_id="2026a", serial=7)
        assert not reading.is_genuine
        assert reading.coupon_id is None

    def test_end_of_block(self) -> None:
        """The last serial of a block was issued, the next was not."""
        book, blocks = CodeBook([SPACE]), issued(SPACE)
        verdicts = [book.read(SPACE.code(serial), at=AT, blocks=blocks).verdict for serial in (99, 100)]
        assert verdicts == [CodeVerdict.GENUINE, CodeVerdict.NOT_ISSUED]

    @pytest.mark.parametrize("verdict", [CodeVerdict.SYMBOL, CodeVerdict.CHECK, CodeVerdict.FORGED])
    def test_the_furthest_verdict_is_told(self, verdict: CodeVerdict) -> None:
        """Of several spaces the one that came furthest has the say, in either order."""
        text = CODE[:-1] + "U" if verdict is CodeVerdict.SYMBOL else with_verdict(SPACE, verdict)
        for spaces in ([SPACE, LONG], [LONG, SPACE]):
            assert CodeBook(spaces).read(text, at=AT) == BookReading(verdict=verdict)

    @pytest.mark.parametrize("text", ["", " ", "HI", CODE + "0", "0" * 65, "0" * 10_000_000])
    def test_other_lengths(self, text: str) -> None:
        """Too short or too long for every space."""
        assert CodeBook([SPACE, LONG]).read(text, at=AT).verdict is CodeVerdict.LENGTH

    def test_empty_book(self) -> None:
        """A book without spaces reads nothing."""
        assert CodeBook([]).read(CODE, at=AT).verdict is CodeVerdict.LENGTH

    @pytest.mark.parametrize("book", [CodeBook([]), CodeBook([SPACE])])
    def test_what_is_no_text_is_a_bug(self, book: CodeBook) -> None:
        """Bytes and numbers are no text."""
        with pytest.raises(UsageError, match="a code must be"):
            book.read(b"HI", at=AT)  # type: ignore[arg-type]  # the point

    def test_naive_time_is_a_bug(self) -> None:
        """When a code was read decides which keys count."""
        with pytest.raises(UsageError, match="timezone-aware"):
            CodeBook([SPACE]).read(CODE, at=AT.replace(tzinfo=None))

    def test_blocks_stand_under_their_space(self) -> None:
        """Blocks of another space would issue what never was."""
        with pytest.raises(UsageError, match="under their own space"):
            CodeBook([SPACE]).read(CODE, at=AT, blocks={SPACE.space_id: taken(LONG)})
        with pytest.raises(UsageError, match="each of blocks"):
            CodeBook([SPACE]).read(CODE, at=AT, blocks={SPACE.space_id: None})  # type: ignore[dict-item]  # the point

    def test_blocks_of_unknown_spaces_are_passed_over(self) -> None:
        """A store may hold a space that the shop gave up."""
        assert CodeBook([SPACE]).read(CODE, at=AT, blocks=issued(LONG, SPACE)).is_genuine

    def test_repr_masks_the_serial(self) -> None:
        """A log shows whose code it was, and not which."""
        reading = CodeBook([SPACE]).read(SPACE.code(77), at=AT, blocks=issued(SPACE))
        assert "77" not in repr(reading)
        assert "serial=…" in repr(reading)
        assert "serial=None" in repr(BookReading(verdict=CodeVerdict.CHECK))


class TestRotation:
    def test_retired_key_reads_until_its_date(self) -> None:
        """The old codes are good up to the date, exclusive; afterwards they are as good as forged."""
        rotated = SPACE.under(NEW)
        book = CodeBook([rotated], retired={OLD: SOON})
        blocks = {SPACE.space_id: taken(rotated, before=taken(SPACE), ref="august")}
        just_before = book.read(CODE, at=SOON - timedelta(microseconds=1), blocks=blocks)
        assert (just_before.key_id, just_before.serial, just_before.is_genuine) == ("2026a", 7, True)
        assert book.read(CODE, at=SOON, blocks=blocks) == BookReading(verdict=CodeVerdict.FORGED)
        assert book.read(rotated.code(7), at=LATE, blocks=blocks).coupon_id == f"{SPACE.space_id}/2026b/7"

    def test_revoked_key_reads_nothing(self) -> None:
        """A key that leaked takes its codes along, at once."""
        book = CodeBook([SPACE.under(NEW)], retired={OLD: SOON}, revoked=["2026a", "2025z"])
        assert book.read(CODE, at=AT, blocks=issued(SPACE)) == BookReading(verdict=CodeVerdict.FORGED)
        assert book.expected_hits == Fraction(ATTEMPTS, SPACE.odds)

    def test_key_that_still_issues_elsewhere(self) -> None:
        """A key retired for one space goes on in another that issues with it."""
        book = CodeBook([SPACE.under(NEW), LONG], retired={OLD: SOON})
        assert book.read(LONG.code(3), at=LATE, blocks=issued(LONG)).is_genuine
        assert book.read(CODE, at=LATE, blocks=issued(SPACE)).verdict is CodeVerdict.FORGED
        assert book.expected_hits == ATTEMPTS * (Fraction(2, SPACE.odds) + Fraction(1, LONG.odds))

    def test_several_retired_keys(self) -> None:
        """Each key has its own date."""
        book = CodeBook([SPACE.under(FOURTH)], retired={OLD: AT, NEW: SOON, THIRD: LATE})
        blocks = {SPACE.space_id: SpaceBlocks.open(SPACE.space_id)}
        for number, key in enumerate((OLD, NEW, THIRD, FOURTH)):
            blocks[SPACE.space_id] = taken(SPACE.under(key), before=blocks[SPACE.space_id], ref=f"mail-{number}")
        read = [
            [book.read(SPACE.under(key).code(1), at=at, blocks=blocks).is_genuine for key in (OLD, NEW, THIRD, FOURTH)]
            for at in (AT - timedelta(days=1), AT, SOON, LATE)
        ]
        assert read == [[True] * 4, [False, True, True, True], [False, False, True, True], [False, False, False, True]]

    def test_equal_books_read_alike(self) -> None:
        """Of two keys with one date, the order in which they were listed says nothing."""
        with unguarded():
            books = [
                CodeBook([tiny(THIRD)], retired=dict.fromkeys(keys, SOON), attempts=1, tolerated_hits="1")
                for keys in ((OLD, NEW), (NEW, OLD))
            ]
            assert books[0] == books[1]
            both = [code for code in tiny(OLD).codes(range(25)) if tiny(NEW).read(code).is_genuine]
            assert both
            for code in both:
                assert books[0].read(code, at=AT) == books[1].read(code, at=AT)

    def test_what_was_issued_goes_before_what_was_not(self) -> None:
        """A space that comes later does not take away what another has printed, also under a key that is older."""
        with unguarded():
            one = tiny(NEW)
            later = CodeSpace(NEW, pattern="####", context="later", alphabet="34562", tag=1, weak=True)
            state = taken(one, 25)
            alone, both = (
                CodeBook(spaces, retired={OLD: SOON}, attempts=1, tolerated_hits="1") for spaces in ([one], [later, one])
            )
            printed = list(alone.codes(one.space_id, state.blocks[0]))
            assert any(later.under(OLD).read(code).is_genuine for code in printed)
            for code in printed:
                reading = both.read(code, at=AT, blocks={one.space_id: state})
                assert (reading.space_id, reading.key_id, reading.serial) == (one.space_id, "2026b", one.read(code).serial)
                assert reading.is_genuine


class TestHashCalls:
    @pytest.mark.parametrize("retired", [{}, {NEW: SOON}, {NEW: SOON, THIRD: AT}])
    def test_what_fails_costs_the_same(self, retired: dict[SecretKey, datetime]) -> None:
        """Past the check symbol every key is tried once: forged, not issued, timed out or genuine alike."""
        book, blocks = CodeBook([SPACE, LONG], retired=retired), issued(SPACE)
        texts = [
            with_verdict(SPACE, CodeVerdict.FORGED),
            SPACE.code(7),
            SPACE.code(100),
            *(SPACE.under(k).code(1) for k in retired),
        ]
        calls = [hash_calls(partial(book.read, text, at=SOON, blocks=blocks)) for text in texts]
        assert calls == [1 + len(retired)] * len(texts)

    def test_what_fails_before_costs_none(self) -> None:
        """A slip of typing asks no key."""
        texts = ["", "0" * 65, CODE[:-1] + "U", with_verdict(SPACE, CodeVerdict.CHECK), "\N{PILE OF POO}"]
        assert [hash_calls(partial(CodeBook([SPACE]).read, text, at=AT)) for text in texts] == [0] * len(texts)


class TestKeys:
    @pytest.mark.law(31)
    @pytest.mark.parametrize("key_id", ["2026a", "2026b"])
    def test_a_wrong_key_is_refused_before_any_reading(self, key_id: str) -> None:
        """Of the key that issues and of a retired one the check value must be the one noted."""
        values = {"2026a": OLD.check_value, "2026b": NEW.check_value, "2025z": "0" * 16}
        assert CodeBook([SPACE.under(NEW)], retired={OLD: SOON}, check_values=values).check_values == values
        with pytest.raises(UsageError, match=f"key '{key_id}' must have the check value {'f' * 16}, got one with"):
            CodeBook([SPACE.under(NEW)], retired={OLD: SOON}, check_values={**values, key_id: "f" * 16})

    @pytest.mark.law(31)
    def test_a_wrong_key_is_refused_by_what_it_issued(self) -> None:
        """Blocks remember the check value: with another key under the same id nothing is read, whatever was typed."""
        wrong = SPACE.under(SecretKey("2026a", bytes(32)))
        for book in (CodeBook([wrong]), CodeBook([SPACE.under(NEW)], retired={SecretKey("2026a", bytes(32)): SOON})):
            for text in ("", CODE, wrong.code(7)):
                with pytest.raises(UsageError, match=f"key '2026a' must have the check value {OLD.check_value}"):
                    book.read(text, at=AT, blocks=issued(SPACE))

    @pytest.mark.parametrize("value", ["", "0" * 15, "0" * 17, "G" * 16, "A" * 16, None])
    def test_check_values_are_hexadecimal(self, value: Any) -> None:  # noqa: ANN401  # no check value at all
        """What could never fit is refused as such."""
        with pytest.raises(UsageError, match="check_value must be"):
            CodeBook([SPACE], check_values={"2026a": value})

    def test_two_keys_of_one_id(self) -> None:
        """Which of them a coupon's id means could not be told."""
        other = SecretKey("2026a", bytes(32))
        for spaces, retired in (
            ([SPACE, LONG.under(other)], {}),
            ([SPACE.under(NEW)], {OLD: SOON, other: SOON}),
            ([SPACE], {other: SOON}),
        ):
            with pytest.raises(UsageError, match="it is another key"):
                CodeBook(spaces, retired=retired)

    def test_two_ids_of_one_key(self) -> None:
        """Every code would read twice."""
        with pytest.raises(UsageError, match="a secret of its own, got one under '2026a' and 'again'"):
            CodeBook([SPACE], retired={SecretKey("again", bytes(range(32))): SOON})

    def test_revoked_key_cannot_issue(self) -> None:
        """Its codes would be refused on the day they are sent."""
        with pytest.raises(UsageError, match="revoked must name no key that issues, got '2026a'"):
            CodeBook([LONG.under(NEW), SPACE], revoked=["2026a"])

    def test_keys_have_a_limit(self) -> None:
        """Each key is one more chance for whoever guesses; those revoked are none."""
        retired = {OLD: SOON, NEW: SOON, THIRD: SOON, FOURTH: AT}
        with pytest.raises(UsageError, match=f"at most {KEYS_LIMIT} keys, got 5 for '{LONG.space_id}'"):
            CodeBook([LONG.under(FIFTH)], retired=retired)
        assert CodeBook([LONG.under(FIFTH)], retired=retired, revoked=["2026a"]).revoked == {"2026a"}

    @pytest.mark.parametrize(
        "fields",
        [
            {"retired": [OLD]},
            {"retired": {"2026b": SOON}},
            {"retired": {NEW: SOON.replace(tzinfo=None)}},
            {"retired": {NEW: None}},
            {"revoked": "2026b"},
            {"revoked": [""]},
            {"revoked": [NEW]},
            {"check_values": ["2026b"]},
            {"attempts": 0},
            {"attempts": 1.0},
            {"tolerated_hits": 0.01},
            {"tolerated_hits": "one"},
            {"tolerated_hits": "1e9"},
            {"tolerated_hits": "1/0"},
            {"tolerated_hits": "-1"},
            {"tolerated_hits": "1" * 21},
            {"tolerated_hits": True},
        ],
    )
    def test_refuses(self, fields: dict[str, Any]) -> None:
        """What is no key, no date, no number."""
        with pytest.raises(UsageError):
            CodeBook([SPACE], **fields)

    def test_keys_are_not_shown(self) -> None:
        """A book prints without any key, and is not pickled."""
        book = CodeBook([SPACE.under(NEW)], retired={OLD: SOON})
        assert not any(bytes(key).hex() in repr(book) or repr(bytes(key)) in repr(book) for key in (range(32), range(1, 33)))
        with pytest.raises(UsageError, match="not pickled"):
            pickle.dumps(book)

    def test_books_are_compared_by_content(self) -> None:
        """Two books of the same spaces and keys are equal."""
        assert CodeBook([SPACE], retired={NEW: SOON}) == CodeBook([SPACE], retired={NEW: SOON})
        assert CodeBook([SPACE], retired={NEW: SOON}) != CodeBook([SPACE])


class TestSpaces:
    def test_space(self) -> None:
        """A space is found by its id, under the key that issues."""
        book = CodeBook([SPACE, LONG])
        assert (book.space(SPACE.space_id), book.space(LONG.space_id)) == (SPACE, LONG)
        with pytest.raises(UsageError, match="space_id must be one of 'velo/H1############', 'velo/################', got 'x'"):
            book.space("x")
        with pytest.raises(UsageError, match="must be one of none"):
            CodeBook([]).space("x")

    @pytest.mark.parametrize(
        "other,name",
        [
            (SPACE, "space_id"),
            (SPACE.under(NEW), "space_id"),
            (CodeSpace(OLD, pattern="HI-####-####-####", context="velo", alphabet=UNAMBIGUOUS), "space_id"),
            (CodeSpace(OLD, pattern="hi############", context="shop"), "shape"),
            (CodeSpace(OLD, pattern="HI-####-####-####", context="shop", check=False), "shape"),
        ],
    )
    def test_two_that_could_be_confused(self, other: CodeSpace, name: str) -> None:
        """Two spaces of one id or of one shape are refused, in either order."""
        for spaces in ([SPACE, other], [other, LONG, SPACE]):
            with pytest.raises(UsageError, match=f"spaces must differ in {name}"):
                CodeBook(spaces)

    def test_near_ones_may_stand_together(self) -> None:
        """Another literal, another place of it, or another alphabet is another shape."""
        others = [
            CodeSpace(OLD, pattern="HO-####-####-####", context="velo"),
            CodeSpace(OLD, pattern="####-####-####-HI", context="velo"),
            CodeSpace(OLD, pattern="HI-####-####-####", context="shop", alphabet=UNAMBIGUOUS),
        ]
        assert len(CodeBook([SPACE, *others]).spaces) == 4

    def test_what_is_no_space(self) -> None:
        """Only spaces, and not without end."""
        with pytest.raises(UsageError, match="each of spaces"):
            CodeBook([OLD])  # type: ignore[list-item]  # the point
        with pytest.raises(UsageError, match=f"spaces must be at most {SPACES_LIMIT} in number"):
            CodeBook([SPACE] * (SPACES_LIMIT + 1))

    def test_odds_are_summed_over_pairs(self) -> None:
        """Each space under each key is a chance for a guesser; as many as are tolerated may stand, and not one more."""
        odds = Fraction(ATTEMPTS) * (Fraction(2, SPACE.odds) + Fraction(2, LONG.odds))
        told = f"{odds.numerator}/{odds.denominator}"
        assert CodeBook([SPACE, LONG], retired={NEW: AT}, tolerated_hits=told).expected_hits == odds
        for less in (odds - Fraction(1, 10**30), Fraction(0)):
            with pytest.raises(UsageError, match=r"0\.0019 for 4 pairs of space and key and 1,000,000 attempts"):
                CodeBook([SPACE, LONG], retired={NEW: AT}, tolerated_hits=less)

    def test_default_tolerates_a_hundredth(self) -> None:
        """A million attempts on a space of the usual odds pass; on a weak one only with few attempts."""
        assert CodeBook([SPACE]).tolerated_hits == Fraction(1, 100)
        weak = CodeSpace(OLD, pattern="########", context="velo", tag=4, weak=True)
        with pytest.raises(UsageError, match=r"0\.95 for 1 pairs .* a limit on attempts"):
            CodeBook([weak])
        assert CodeBook([weak], attempts=10_485).expected_hits <= Fraction(1, 100)
        with pytest.raises(UsageError, match="tolerated_hits"):
            CodeBook([weak], attempts=10_486)


class TestCode:
    def test_spells_what_was_read(self) -> None:
        """A coupon's id leads back to its code, under the key that issues and under one that is retired."""
        rotated = SPACE.under(NEW)
        book = CodeBook([LONG, rotated], retired={OLD: SOON})
        blocks = {SPACE.space_id: taken(rotated, before=taken(SPACE), ref="august")}
        for space in (SPACE, rotated):
            coupon_id = book.read(space.code(7), at=AT, blocks=blocks).coupon_id
            assert coupon_id is not None
            assert book.code(coupon_id) == space.code(7)

    @pytest.mark.parametrize(
        "coupon_id,told",
        [
            ("velo/####/2026a/7", "space_id must be one of"),
            ("7", "space_id must be one of"),
            (f"{SPACE.space_id}/2026b/7", "the key of a coupon must be one of the book's, got '2026b'"),
            (f"{SPACE.space_id}/2026a/seven", "the key of a coupon"),
            (f"{SPACE.space_id}/2026a/-1", "the key of a coupon"),
            (f"{SPACE.space_id}/2026a/", "the key of a coupon"),
            (f"{SPACE.space_id}/2026a/{SPACE.capacity}", "serial must be a whole number in"),
            ("", "coupon_id must be text"),
        ],
    )
    def test_refuses(self, coupon_id: str, told: str) -> None:
        """What no reading named has no code."""
        with pytest.raises(UsageError, match=told):
            CodeBook([SPACE]).code(coupon_id)


class TestCodes:
    def test_codes_of_a_block(self) -> None:
        """A block's codes are those of its serials."""
        blocks = taken(SPACE, 5, "second", before=taken(SPACE, 3))
        assert list(CodeBook([SPACE, LONG]).codes(SPACE.space_id, blocks.blocks[1])) == list(SPACE.codes(range(3, 8)))

    def test_of_a_retired_key(self) -> None:
        """A batch is printed again under the key that it was taken with."""
        block = taken(SPACE, 5).blocks[0]
        assert list(CodeBook([SPACE.under(NEW)], retired={OLD: AT}).codes(SPACE.space_id, block)) == list(SPACE.codes(range(5)))

    def test_of_an_unknown_key(self) -> None:
        """A key that is not in the book spells nothing, and neither does one that was revoked."""
        block = taken(SPACE).blocks[0]
        for book in (CodeBook([SPACE.under(NEW)]), CodeBook([SPACE.under(NEW)], retired={OLD: SOON}, revoked=["2026a"])):
            with pytest.raises(UsageError, match="the block's key must be one of the book's, got '2026a'"):
                book.codes(SPACE.space_id, block)

    def test_of_an_unknown_space(self) -> None:
        """A space that is not in the book has no codes."""
        with pytest.raises(UsageError, match="space_id must be one of"):
            CodeBook([SPACE]).codes(LONG.space_id, taken(LONG).blocks[0])

    def test_words_are_those_of_the_block(self) -> None:
        """Other words would skip other serials: the batch would not be the one that was sent."""
        words = ["abc", "xyz"]
        block = taken(SPACE, 2_000, words=AvoidedWords.of(words).digest).blocks[0]
        book = CodeBook([SPACE])
        codes = list(book.codes(SPACE.space_id, block, avoid=words))
        assert codes == list(SPACE.codes(range(2_000), avoid=words))
        assert codes == list(book.codes(SPACE.space_id, block, avoid=AvoidedWords.of(reversed(words))))
        for others in ((), ["abc"], ["abc", "xyz", "def"]):
            with pytest.raises(UsageError, match="avoid must be the words that block 'mail' was taken with"):
                book.codes(SPACE.space_id, block, avoid=others)

    def test_a_block_beyond_the_capacity(self) -> None:
        """A block of a space that was larger then is told at once, not in the middle of a batch."""
        beyond = Block(campaign_id="c", key_id="2026a", start=SPACE.capacity - 1, stop=SPACE.capacity + 1, ref="r")
        with pytest.raises(UsageError, match="serials must be a range within"):
            CodeBook([SPACE]).codes(SPACE.space_id, beyond)

    def test_streams(self) -> None:
        """A large block begins at once."""
        block = taken(SPACE, 30_000_000).blocks[0]
        assert list(islice(CodeBook([SPACE]).codes(SPACE.space_id, block), 2)) == list(SPACE.codes(range(2)))

    def test_clashes(self) -> None:
        """A code that reads under two keys is left out of a batch; one that reads under one is not."""
        with unguarded():
            book = CodeBook([tiny(NEW)], retired={OLD: SOON}, attempts=1, tolerated_hits="1")
            block = taken(tiny(NEW), 25).blocks[0]
            every = [tiny(NEW).code(serial) for serial in range(25)]
            clashing = {code for code in every if tiny(OLD).read(code).is_genuine}
            assert 0 < len(clashing) < 25
            assert {code for code in every if book.clashes(code)} == clashing
            assert {book.read(code, at=AT).key_id for code in clashing} == {"2026a"}, "the oldest key that reads it"
            assert list(book.codes(tiny().space_id, block)) == [code for code in every if code not in clashing]

    def test_clashes_of_two_spaces(self) -> None:
        """Two spaces whose codes have one length may clash as well; those of another length cannot."""
        with unguarded():
            one, other = tiny(), CodeSpace(OLD, pattern="####", context="other", alphabet="34562", tag=1, weak=True)
            longer = tiny(pattern="#####", tag=2)
            book = CodeBook([one, other, longer], attempts=1, tolerated_hits="1")
            every = list(one.codes(range(25)))
            clashing = {code for code in every if other.read(code).is_genuine}
            assert clashing
            assert set(book.codes(one.space_id, taken(one, 25).blocks[0])) == set(every) - clashing
            whole = book.codes(longer.space_id, taken(longer, 25).blocks[0])
            assert list(whole) == list(longer.codes(range(25)))


class TestLaws:
    @pytest.mark.law(28)
    @pytest.mark.parametrize(
        "keys", list(permutations((OLD, NEW, THIRD))), ids=lambda keys: "".join(key.key_id[-1] for key in keys)
    )
    @pytest.mark.parametrize("check", [True, False])
    def test_no_text_reads_as_two_serials(self, keys: Sequence[SecretKey], check: bool) -> None:  # noqa: FBT001  # a parameter
        """On a small space, over three keys in turn: what was issued under one reads as that, then and after each rotation.

        Of all texts, those that read are exactly the serials in blocks that some key spells, each under one name; nothing is
        issued twice; and with the date of its key a code is gone for good, also where another key would read it.
        """
        with unguarded():
            first = tiny(keys[0], check=check)
            printed = dict[str, tuple[str, int]]()
            state, books = SpaceBlocks.open(first.space_id), list[CodeBook]()
            for turn, key in enumerate(keys):
                retired = {old: AT + timedelta(days=30 * (number + 1)) for number, old in enumerate(keys[:turn])}
                space = first.under(key)
                books.append(CodeBook([space], retired=retired, attempts=1, tolerated_hits="1"))
                state = taken(space, space.capacity, f"batch-{turn}", before=state)
                codes = set(books[-1].codes(space.space_id, state.blocks[-1]))
                assert codes.isdisjoint(printed)
                assert codes | {c for c in space.codes(range(space.capacity)) if books[-1].clashes(c)} == set(
                    space.codes(range(space.capacity))
                )
                printed |= {code: (key.key_id, serial) for serial, code in space.serials(range(space.capacity)) if code in codes}
                blocks = {space.space_id: state}
                for code, name in printed.items():
                    reading = books[-1].read(code, at=AT, blocks=blocks)
                    assert (reading.key_id, reading.serial) == name
            texts = ["".join(text) for text in product(SMALL, repeat=4)]
            read = {text: books[-1].read(text, at=AT, blocks=blocks) for text in texts}
            genuine = [(one.key_id, one.serial) for one in read.values() if one.is_genuine]
            assert len(genuine) == len(set(genuine)) == len(printed)
            assert {text for text, one in read.items() if one.is_genuine} == printed.keys()
            for days in (30, 60):
                later = {text: books[-1].read(text, at=AT + timedelta(days=days), blocks=blocks) for text in texts}
                gone = {key.key_id for key in keys[: days // 30]}
                assert {t: (r.key_id, r.serial) for t, r in later.items() if r.is_genuine} == {
                    code: name for code, name in printed.items() if name[0] not in gone
                }

    @pytest.mark.law(28)
    @given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.sampled_from(((), ("abc",), ("23a", "xyz", "777"))))
    def test_shards_joined_equal_the_whole(self, sizes: list[int], words: tuple[str, ...]) -> None:
        """Any plan of blocks, with any words: joined they are the batch of the whole range, and no code comes twice."""
        state, book = SpaceBlocks.open(SPACE.space_id), CodeBook([SPACE], retired={NEW: SOON})
        for number, size in enumerate(sizes):
            state = taken(SPACE, size, str(number), before=state, words=AvoidedWords.of(words).digest)
        shards = [list(book.codes(SPACE.space_id, block, avoid=words)) for block in state.blocks]
        joined = [code for shard in shards for code in shard]
        assert joined == list(SPACE.codes(range(sum(sizes)), avoid=words))
        assert len(set(joined)) == len(joined)
        for block, shard in zip(state.blocks, shards, strict=True):
            read = [book.read(code, at=AT, blocks={SPACE.space_id: state}) for code in shard]
            assert all(one.block == block and one.serial in block.serials for one in read)

    @pytest.mark.law(28)
    def test_processes_issue_nothing_twice(self) -> None:
        """Two processes over disjoint ranges make the codes of the whole."""
        halves = (range(3_000), range(3_000, 6_000))
        with ProcessPoolExecutor(2) as pool:
            codes = [code for shard in pool.map(made, halves) for code in shard]
        assert codes == list(SPACE.codes(range(6_000)))
        assert len(set(codes)) == 6_000

    @pytest.mark.law(29)
    @given(st.text(max_size=80))
    def test_any_text_is_a_verdict(self, text: str) -> None:
        """Whatever is typed, never an exception."""
        assert CodeBook([SPACE, LONG]).read(text, at=AT).verdict in CodeVerdict

    @pytest.mark.law(29)
    @given(st.integers(0, 99), st.data())
    def test_mangled_codes_read(self, serial: int, data: st.DataObject) -> None:
        """Case, spaces, dashes and look-alikes do not matter."""
        typed = "".join(
            data.draw(st.sampled_from([sign, sign.lower(), f"{sign} ", f"-{sign}", {"0": "o", "1": "l"}.get(sign, sign)]))
            for sign in SPACE.code(serial)
            if sign != "-"
        )
        assert CodeBook([SPACE, LONG]).read(typed, at=AT, blocks=issued(SPACE)).serial == serial

    @given(st.text(alphabet=CROCKFORD + "-UO", min_size=10, max_size=20))
    def test_looks_like_one_exactly_when_a_key_is_asked(self, text: str) -> None:
        """What has the shape and the check symbol of a space is what a key has to decide."""
        book = CodeBook([SPACE, LONG])
        keyed = {CodeVerdict.FORGED, CodeVerdict.NOT_ISSUED, CodeVerdict.GENUINE}
        assert book.looks_like_one(text) == (book.read(text, at=AT).verdict in keyed)


def made(serials: range) -> list[str]:
    """Make codes in another process, which has to be given its key there."""
    return list(CodeSpace(SecretKey("2026a", bytes(range(32))), pattern="HI-####-####-####", context="velo").codes(serials))


class TestLooksLikeOne:
    def test_codes_and_forgeries_do(self) -> None:
        """Without the key, a forgery looks like a code."""
        book = CodeBook([SPACE])
        assert book.looks_like_one(CODE)
        assert book.looks_like_one(with_verdict(SPACE, CodeVerdict.FORGED))

    def test_others_do_not(self) -> None:
        """Codes made by people may have another shape, or another check symbol."""
        texts = ("SUMMER10", "", with_verdict(SPACE, CodeVerdict.CHECK), CODE[:-1] + "U")
        assert not any(CodeBook([SPACE]).looks_like_one(text) for text in texts)


class TestRows:
    def test_rows_of_a_book(self) -> None:
        """One column with a heading, which any CSV reader reads."""
        block = taken(SPACE, 3).blocks[0]
        rows = list(code_rows(CodeBook([SPACE]), block))
        assert rows == ["code", *SPACE.codes(range(3))]
        read = list(csv.DictReader(io.StringIO("\n".join(rows))))
        assert [row["code"] for row in read] == rows[1:]

    def test_of_several_spaces_one_is_named(self) -> None:
        """A block does not say whose it is."""
        block = taken(LONG, 3).blocks[0]
        assert list(code_rows(CodeBook([SPACE, LONG]), block, space_id=LONG.space_id)) == ["code", *LONG.codes(range(3))]
        with pytest.raises(UsageError, match="space_id must be given for a book of 2 spaces"):
            code_rows(CodeBook([SPACE, LONG]), block)
        with pytest.raises(UsageError, match="space_id must be given for a book of 0 spaces"):
            code_rows(CodeBook([]), block)

    def test_rows_of_a_space(self) -> None:
        """A space alone prints its own blocks, and no others."""
        words = ["abc"]
        block = taken(SPACE, 500, words=AvoidedWords.of(words).digest).blocks[0]
        assert list(code_rows(SPACE, block, avoid=words)) == ["code", *SPACE.codes(range(500), avoid=words)]
        with pytest.raises(UsageError, match="avoid must be the words"):
            code_rows(SPACE, block)
        with pytest.raises(UsageError, match="the block's key must be the space's, '2026b', got '2026a'"):
            code_rows(SPACE.under(NEW), block, avoid=words)

    def test_what_is_neither(self) -> None:
        """A key alone spells nothing."""
        with pytest.raises(UsageError, match="source must be of type CodeBook"):
            code_rows(OLD, taken(SPACE).blocks[0])  # type: ignore[arg-type]  # the point

    def test_memory_does_not_grow_with_the_batch(self) -> None:
        """Ten times as many codes take the same memory."""
        code = """
import tracemalloc
from datetime import UTC, datetime
from loyaltycore._code_book import SpaceBlocks, code_rows
from loyaltycore._code_space import CodeSpace, SecretKey
space = CodeSpace(SecretKey("k", bytes(32)), pattern="#" * 12, context="velo")
said = {"campaign_id": "c", "key_id": "k", "check_value": space.check_value, "capacity": space.capacity}
said["at"] = datetime(2026, 7, 1, tzinfo=UTC)
blocks = SpaceBlocks.open(space.space_id).take(20_000, ref="few", **said).state.take(200_000, ref="many", **said).state.blocks
peaks = []
for block in blocks:
    tracemalloc.start()
    assert sum(1 for _ in code_rows(space, block)) == len(block.serials) + 1
    peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
print(*peaks)
"""
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        few, many = map(int, done.stdout.split())
        assert many < few * 1.2


class TestPlan:
    def test_words(self) -> None:
        """The example of the page: 200,000 codes of twelve symbols."""
        plan = plan_codes(200_000, symbols=12)
        assert (plan.pattern, plan.capacity, plan.odds) == ("####-####-####", 33_554_432, 1_073_741_824)
        assert plan.text == (
            "12 symbols: room for 33,554,432 codes; one try in 1,073,741,824 is a code, however many are issued; "
            "4,000,000 tries an hour find one in 11 days"
        )

    def test_long_times_are_told_in_years(self) -> None:
        """Nobody counts 11 million days."""
        assert plan_codes(1, symbols=13).text.endswith("find one in 11 days")
        assert plan_codes(200_000, alphabet=WORD_SAFE, symbols=16).text.endswith("find one in 13 days")
        assert plan_codes(1, symbols=16).text.endswith("find one in 357 days")
        assert plan_codes(1, symbols=17).text.endswith("find one in 31 years")
        assert plan_codes(1, symbols=18).text.endswith("find one in 1,004 years")

    @pytest.mark.parametrize("alphabet", [CROCKFORD, UNAMBIGUOUS, WORD_SAFE, DIGITS])
    @pytest.mark.parametrize("count", [1, 33, 200_000, 10**9, 10**11])
    def test_fewest_symbols(self, alphabet: str, count: int) -> None:
        """Left out, the symbols are the fewest that have room; one less has none."""
        plan = plan_codes(count, alphabet=alphabet)
        length = plan.pattern.count("#")
        assert plan.capacity >= count
        assert plan == plan_codes(count, alphabet=alphabet, symbols=length)
        with pytest.raises(UsageError, match=f"symbols must be at least {length} for {count:,} codes, got {length - 1}"):
            plan_codes(count, alphabet=alphabet, symbols=length - 1)

    @pytest.mark.parametrize(
        "settings,pattern",
        [
            ({"symbols": 12, "prefix": "HI"}, "HI-####-####-####"),
            ({"symbols": 12, "group": 6}, "######-######"),
            ({"symbols": 13, "group": 5}, "#####-#####-###"),
            ({"symbols": 12, "group": 24}, "############"),
            ({"symbols": 12, "group": 1, "prefix": "A"}, "A-#-#-#-#-#-#-#-#-#-#-#-#"),
        ],
    )
    def test_pattern(self, settings: dict[str, Any], pattern: str) -> None:
        """The prefix, then groups, the last as long as is left; a space takes it."""
        plan = plan_codes(100, **settings)
        assert plan.pattern == pattern
        space = CodeSpace(OLD, pattern=plan.pattern, context="velo")
        assert (space.capacity, space.odds) == (plan.capacity, plan.odds)

    def test_too_many_codes(self) -> None:
        """No pattern has room for more than the construction is made for."""
        assert plan_codes(2**40).capacity == 2**40
        with pytest.raises(UsageError, match="count must be at most what 24 symbols of the alphabet have room for"):
            plan_codes(2**40 + 1)
        with pytest.raises(UsageError, match="count must be at most what 12 symbols of the alphabet have room for"):
            plan_codes(2**40 + 1, symbols=12)

    @pytest.mark.parametrize(
        "settings",
        [
            {"count": 0},
            {"symbols": 3},
            {"symbols": 25},
            {"symbols": "12"},
            {"group": 0},
            {"group": 25},
            {"prefix": "É"},
            {"prefix": "#"},
            {"prefix": None},
            {"prefix": "X" * 65},
            {"alphabet": "00"},
            {"alphabet": ""},
        ],
    )
    def test_refuses(self, settings: dict[str, Any]) -> None:
        """What is wrong with the alphabet or the prefix is said as such."""
        with pytest.raises(UsageError) as caught:
            plan_codes(**{"count": 100, **settings})
        assert "room" not in str(caught.value)

    def test_is_a_value(self) -> None:
        """A plan holds no key."""
        assert {field.name for field in attrs.fields(type(plan_codes(1)))} == {"pattern", "capacity", "odds", "text"}
