"""Ids, names made of them, and codes that people type."""

# ruff: noqa: RUF001 - look-alike characters are the subject

from __future__ import annotations

import time
import unicodedata
from itertools import chain, count

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loyaltycore.errors import UsageError
from loyaltycore.identity import (
    CODE_LENGTH_LIMIT,
    ID_LENGTH_LIMIT,
    LABELS_LIMIT,
    NAME_LENGTH_LIMIT,
    TEXT_LENGTH_LIMIT,
    check_id,
    check_name,
    check_slug,
    check_text,
    fold_code,
    labels,
    member_stream,
    order_stream,
    payout_stream,
    referral_code_stream,
    referral_stream,
    within,
)
from loyaltycore.testing.strategies import ids
from tests.odd_values import answers_or_refuses

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=70)
# What people and mail programs do to a code: it still reads the same.
NOISE = st.sampled_from(["", " ", "-", "\u2011", "\u00a0", "\u200b", "\n"])


class TestCheckText:
    @pytest.mark.parametrize("text", ["", "é", "\n\t", "🎁" * 10, "x" * TEXT_LENGTH_LIMIT], ids=count())
    def test_any_unicode_text_passes(self, text: str) -> None:
        """Whatever a database holds."""
        assert check_text("note", text) == text

    @pytest.mark.parametrize(
        "text,message",
        [
            (None, "note must be text of at most 100000 characters without NUL, got None"),
            (b"x", "note must be text of at most 100000 characters without NUL, got b'x'"),
            ("a\0b", "note must be text of at most 100000 characters without NUL"),
            ("x" * (TEXT_LENGTH_LIMIT + 1), "note must be text of at most 100000 characters without NUL"),
            ("\ud800", "note must be Unicode text without lone surrogates"),
        ],
        ids=range(5),
    )
    def test_the_rest_does_not(self, text: object, message: str) -> None:
        """No other type, no NUL, no lone surrogate, no novel."""
        with pytest.raises(UsageError, match=f"^{message}"):
            check_text("note", text)

    def test_limit_is_inside(self) -> None:
        """As many as the limit, not one more."""
        assert check_text("note", "ab", limit=2) == "ab"
        with pytest.raises(UsageError, match="at most 1 characters"):
            check_text("note", "ab", limit=1)


class TestCheckId:
    @pytest.mark.parametrize(
        "value",
        ["1", "order/1001 (web)", " ", "m-42", "é", "🎁", "\u00a0", "x" * ID_LENGTH_LIMIT, "é" * ID_LENGTH_LIMIT],
        ids=count(),
    )
    def test_ids_are_kept_as_given(self, value: str) -> None:
        """Any text of the shop's, unchanged."""
        assert check_id("order_id", value) == value

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "a\n",
            "\x7f",
            "\x1f",
            "\x85",
            "é\n",
            "\ud800",
            "x" * (ID_LENGTH_LIMIT + 1),
            "é" * (ID_LENGTH_LIMIT + 1),
            1,
            None,
            b"1",
            True,
        ],
        ids=range(13),
    )
    def test_the_rest_is_refused(self, value: object) -> None:
        """Nothing, too long, control characters, or a number that was not made text."""
        with pytest.raises(UsageError, match=r"^order_id must be text of 1 to 200 characters without control characters, got"):
            check_id("order_id", value)

    @given(ids())
    def test_any_id_can_be_written_down(self, value: str) -> None:
        """What passes is Unicode text a database holds."""
        assert check_text("id", check_id("id", value)) == value


class TestCheckName:
    def test_length(self) -> None:
        """From one to a thousand characters."""
        assert check_name("key", "x" * NAME_LENGTH_LIMIT)
        assert check_name("key", "x") == "x"
        for bad in ("", "x" * (NAME_LENGTH_LIMIT + 1)):
            with pytest.raises(UsageError, match=r"^key must be text of .* 1000 characters"):
                check_name("key", bad)


class TestCheckSlug:
    @pytest.mark.parametrize("value", ["a", "9", "spring-2026_b.c:d", "A" * 64])
    def test_ids_of_a_program(self, value: str) -> None:
        """What a file may call a rule, an offer, a rung."""
        assert check_slug("offer_id", value) == value

    @pytest.mark.parametrize("value", ["", "-a", "_a", "a b", "é", "a/b", "a\n", "A" * 65, None, 1], ids=count())
    def test_the_rest_is_refused(self, value: object) -> None:
        """It has to be typed, searched and put into a URL."""
        with pytest.raises(UsageError, match=r"^offer_id must be 1 to 64 letters, digits, '_', '.', ':' or '-', got"):
            check_slug("offer_id", value)


class TestLabels:
    @pytest.mark.parametrize("values", [["a", "b"], ("b", "a", "a"), {"a", "b"}, iter("ab"), {"a": 1, "b": 2}])
    def test_from_any_iterable(self, values: list[str]) -> None:
        """A set, whatever it was given as."""
        assert labels(values) == frozenset({"a", "b"})

    @pytest.mark.parametrize("values", ["club", b"club", None, 1])
    def test_one_text_is_not_several(self, values: list[str]) -> None:
        """A forgotten pair of brackets would make labels of letters."""
        with pytest.raises(UsageError, match=r"^labels must be several values of type str, got"):
            labels(values)

    @pytest.mark.parametrize("value", ["", "a\n", 1, None], ids=count())
    def test_each_is_an_id(self, value: str) -> None:
        """Nothing empty, no other type."""
        with pytest.raises(UsageError, match=r"^each of (the )?labels must be"):
            labels(["fine", value])

    def test_their_number_is_bounded(self) -> None:
        """A thousand, no more."""
        assert len(labels(map(str, range(LABELS_LIMIT)))) == LABELS_LIMIT
        with pytest.raises(UsageError, match="labels must be at most 1000 in number"):
            labels(map(str, range(LABELS_LIMIT + 1)))


class TestStreams:
    def test_names(self) -> None:
        """Kind and id."""
        assert member_stream("m-42") == "member/m-42"
        assert order_stream("2026/1001") == "order/2026/1001"
        assert payout_stream("p-1") == "payout/p-1"
        assert referral_stream("m-42") == "referral/m-42"
        assert referral_code_stream(" velo-7ko2 ") == referral_code_stream("VELO7K02") == "referral_code/VE107K02"

    def test_ids_are_checked(self) -> None:
        """A number is no id."""
        with pytest.raises(UsageError, match=r"^member_id must be text"):
            member_stream(42)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=r"^order_id must be text"):
            order_stream("")
        with pytest.raises(UsageError, match=r"^payout_id must be text"):
            payout_stream("")
        with pytest.raises(UsageError, match=r"^friend_id must be text"):
            referral_stream("")
        with pytest.raises(UsageError, match=r"^a code must be letters and digits"):
            referral_code_stream("?!")


class TestWithin:
    @given(ids(max_length=8), ids(max_length=8), ids(max_length=8), ids(max_length=8))
    @example("a/b", "c", "a", "b/c")
    @example("a%2Fb", "c", "a/b", "c")
    def test_two_pairs_never_give_one_name(self, whole: str, part: str, other_whole: str, other_part: str) -> None:
        """A slash in an id cannot forge another's name."""
        same = (whole, part) == (other_whole, other_part)
        assert (within(whole, part) == within(other_whole, other_part)) is same

    def test_plain_names_stay_readable(self) -> None:
        """Only slashes and per cent signs of the first are written otherwise."""
        assert within("1001", "r/1%") == "1001/r/1%"
        assert within("20%/1", "r") == "20%25%2F1/r"


class TestFoldCode:
    @pytest.mark.parametrize(
        "typed,folded",
        [
            ("SUMMER10", "SUMMER10"),
            (" summer-1O ", "SUMMER10"),
            ("ѕuммеr10", "SUMMER10"),
            ("ＳＵＭＭＥＲ１０", "SUMMER10"),
            ("s\u00adu\u200bm\nm\ter10", "SUMMER10"),
            ("vélo", "VE10"),
            ("ve\u0301lo", "VE10"),
            ("straße", "STRASSE"),
            ("٢٠٢٦", "2026"),
            ("OIL", "011"),
            ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZH1KMN0PTYX"),
            ("АВЕКМНОРСТХІЈЅУ", "ABEKMH0PCTX1JSY"),
            ("UV5S2Z8B", "UV5S2Z8B"),
            ("x" * CODE_LENGTH_LIMIT, "X" * CODE_LENGTH_LIMIT),
        ],
        ids=count(),
    )
    def test_table(self, typed: str, folded: str) -> None:
        """Case, accents, blanks, dashes, width and look-alikes fold; what merely rhymes does not."""
        assert fold_code(typed) == folded

    @pytest.mark.parametrize(
        "text",
        ["", " - ", "a!", "a_b", "½", "\u0302", "ﷺ" * 5, "x" * (CODE_LENGTH_LIMIT + 1), "\ud800", None, 10, b"A"],
        ids=range(12),
    )
    def test_the_rest_is_no_code(self, text: str) -> None:
        """Nothing left, something else than letters and digits, too long before or after."""
        with pytest.raises(UsageError, match=r"^a code must be"):
            fold_code(text)

    @given(ANY_TEXT)
    @example("İ")
    @example("ŉ")
    @example("ǰ")
    def test_folding_twice_changes_nothing(self, text: str) -> None:
        """Any text at all folds to a fixed point or is no code."""
        try:
            folded = fold_code(text)
        except UsageError:
            return
        assert fold_code(folded) == folded
        assert folded.isalnum()
        assert len(folded) <= CODE_LENGTH_LIMIT

    def test_every_character_folds_to_a_fixed_point(self) -> None:
        """All of Unicode, one by one."""
        accepted = 0
        for character in map(chr, range(0x110000)):
            if unicodedata.category(character) in {"Cn", "Co", "Cs"}:
                continue
            try:
                folded = fold_code(character)
            except UsageError:
                continue
            assert fold_code(folded) == folded
            accepted += 1
        assert accepted > 100_000

    @given(st.text("ABCDEFGHJKMNPQRSTVWXYZ0123456789", min_size=1, max_size=20), st.data())
    def test_what_people_do_to_a_code_does_not_count(self, code: str, data: st.DataObject) -> None:
        """Case, blanks and dashes anywhere, O for 0 and I or L for 1."""
        typed = [data.draw(st.sampled_from({"0": "0oO", "1": "1iIlL"}.get(c, c + c.lower()))) for c in code]
        noise = [data.draw(NOISE) for _ in code]
        assert fold_code("".join(chain.from_iterable(zip(noise, typed, strict=True)))) == code

    def test_long_text_costs_no_more(self) -> None:
        """A text of ten million characters is not looked at."""
        text = "O" * 10**7
        started = time.perf_counter()
        for _ in range(1_000):
            with pytest.raises(UsageError):
                fold_code(text)
        assert time.perf_counter() - started < 2, "reading it a thousand times takes longer"


class TestOddValues:
    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(lambda value: check_text("t", value), value="x")
        answers_or_refuses(lambda value: check_id("t", value), value="x")
        answers_or_refuses(lambda value: check_name("t", value), value="x")
        answers_or_refuses(lambda value: check_slug("t", value), value="x")
        answers_or_refuses(labels, values=["x"])
        answers_or_refuses(member_stream, member_id="x")
        answers_or_refuses(order_stream, order_id="x")
        answers_or_refuses(within, whole="x", part="y")
        answers_or_refuses(fold_code, text="x")
