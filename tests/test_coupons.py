"""Codes that people type, and their answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore.coupons import CODES_LIMIT, Applied, CodeAnswer, HumanCode, NotApplied, fold_code, read_codes
from loyaltycore.errors import Reason, Refusal, UsageError


class TestHumanCode:
    @pytest.mark.parametrize("entered", ["SUMMER10", " summer-1o ", "SUMMER\uff11\uff10", "sum mer10", "SUMMER-10\n"])
    def test_look_alikes_match(self, entered: str) -> None:
        """Case, spaces, dashes, width and O for 0 do not matter."""
        assert HumanCode("SUMMER10").matches(entered)

    @pytest.mark.parametrize("entered", ["SUMMER11", "SUMMER", "SUMMER100"])
    def test_others_do_not(self, entered: str) -> None:
        """Another code is another code."""
        assert not HumanCode("SUMMER10").matches(entered)

    @pytest.mark.parametrize("text", ["ab", "a-b", "?", "", "x" * 65])
    def test_too_short_or_no_code(self, text: str) -> None:
        """Two letters are typed by accident; a blank is no code."""
        with pytest.raises(UsageError, match="code"):
            HumanCode(text)

    def test_three_letters_are_enough(self) -> None:
        """The bound itself counts."""
        code = HumanCode("a-b-c")
        assert (code.text, code.folded) == ("a-b-c", "ABC")
        assert code == HumanCode("a-b-c")

    def test_entered_text_that_is_no_code(self) -> None:
        """The caller hears that it is none."""
        with pytest.raises(UsageError):
            HumanCode("SUMMER10").matches("?!")


class TestReadCodes:
    def test_folds_and_refuses(self) -> None:
        """Each as typed: its folded form, or why it has none."""
        folded, refused = read_codes(("summer-1o", "?!", "x" * 65))
        assert folded == {"summer-1o": "SUMMER10"}
        assert refused == {"?!": Refusal(Reason.CODE_MALFORMED), "x" * 65: Refusal(Reason.CODE_MALFORMED)}

    def test_only_the_first_five_are_looked_at(self) -> None:
        """Each is an attempt at a guess; repetitions count once."""
        folded, refused = read_codes(("A1", "A1", "B2", "C3", "D4", "E5", "F6", "?"))
        assert list(folded) == ["A1", "B2", "C3", "D4", "E5"]
        assert refused == dict.fromkeys(("F6", "?"), Refusal(Reason.CODES_LIMIT_REACHED, {"limit": CODES_LIMIT}))

    @given(st.lists(st.text(max_size=70), max_size=8))
    def test_every_text_is_answered_once(self, entered: list[str]) -> None:
        """Any text at all: folded or refused, never both, never an exception."""
        folded, refused = read_codes(tuple(entered))
        assert set(folded) | set(refused) == set(entered)
        assert not set(folded) & set(refused)
        assert all(fold_code(text) == code for text, code in folded.items())


class TestCodeAnswer:
    def test_applied(self) -> None:
        """Without a refusal it is applied."""
        assert CodeAnswer(entered="A1", offer_id="a", refusal=None).applied
        assert not CodeAnswer(entered="A1", offer_id=None, refusal=Refusal(Reason.CODE_UNKNOWN)).applied


class TestPublicTexts:
    """What a shopper reads."""

    def test_applied_says_nothing(self) -> None:
        """Both answers can be asked the same."""
        answer = Applied(offer_id="ten")
        assert (answer.reason, dict(answer.details), answer.text("fr")) == ("", {}, "")

    @pytest.mark.parametrize(
        "answer, english",
        [
            (NotApplied(), "this is no valid code"),
            (NotApplied(reason="coupon_redeemed"), "this code was used already"),
            (NotApplied(reason="coupon_reserved", details={"until": "2026-07-01T10:00:00Z"}), None),
            (
                NotApplied(reason="coupon_not_started", details={"starts_at": "2026-07-01T10:00:00Z"}),
                "this code is not valid yet",
            ),
            (
                NotApplied(reason="coupon_expired", details={"ended_at": "2026-07-01T10:00:00Z"}),
                "this code is not valid any more",
            ),
            (NotApplied(reason="codes_limit_reached", details={"limit": 5}), "at most 5 codes can be entered at once"),
        ],
    )
    def test_not_applied(self, answer: NotApplied, english: str | None) -> None:
        """Of a proven code the reason in words; of any other always the same."""
        assert answer.text() == (english or "another order holds this code until it is paid")
        assert answer.text("fr") != answer.text("en")
