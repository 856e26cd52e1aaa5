"""Errors and refusals."""

from __future__ import annotations

import copy
import pickle
import re
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore.errors import (
    Accepted,
    ConflictError,
    CorruptStateError,
    CurrencyMismatchError,
    Detail,
    DuplicateError,
    LimitReachedError,
    LoyaltyError,
    Reason,
    Refusal,
    Refused,
    RefusedError,
    UsageError,
)
from tests.odd_values import answers_or_refuses
from tools.project import ROOT

SHORT = Refusal(Reason.POINTS_INSUFFICIENT, {"asked_points": 100, "available_points": 60, "missing_points": 40})
LATE = Refusal(Reason.OFFER_EXPIRED, {"offer_id": "spring"})
EARLY = Refusal(Reason.AT_BEFORE_LAST)

DETAILS = st.dictionaries(st.text(max_size=5), st.integers() | st.text() | st.lists(st.text()).map(tuple), max_size=3)


class TestReason:
    def test_values_are_lower_case_names(self) -> None:
        """The stored word is the name, so that a search finds both."""
        assert [reason.value for reason in Reason] == [reason.name.lower() for reason in Reason]

    def test_precedence_is_the_order_of_declaration(self) -> None:
        """The first declared is named first."""
        assert sorted(Reason, key=lambda reason: reason.precedence) == list(Reason)
        assert len({reason.precedence for reason in Reason}) == len(Reason)
        assert Reason.KEY_REUSED.precedence == 0

    @pytest.mark.house
    def test_page_is_in_the_order_of_precedence(self) -> None:
        """docs/reasons.md explains them as they are declared."""
        page = (ROOT / "docs" / "reasons.md").read_text(encoding="utf-8")
        assert re.findall(r"^## `([a-z_]+)`$", page, re.MULTILINE) == [reason.value for reason in Reason]

    @pytest.mark.house
    @pytest.mark.parametrize("reason", Reason)
    def test_each_is_explained_with_an_example_that_runs(self, reason: Reason) -> None:
        """What it means, its details, whether to show it, what is public, and a refusal that carries it."""
        page = (ROOT / "docs" / "reasons.md").read_text(encoding="utf-8")
        entry = page.partition(f"## `{reason.value}`\n")[2].partition("\n## ")[0]
        assert re.search(r"^- Details: ", entry, re.MULTILINE)
        assert re.search(r"^- (Show|Log|Neither)\b", entry, re.MULTILINE)
        assert f"- Public: `{reason.public}`" in entry
        _, _, example = entry.partition("```python\n>>> ")
        assert re.search(rf"^{reason.value}\b", example, re.MULTILINE)

    @pytest.mark.parametrize("reason", [Reason.CODE_MALFORMED, Reason.CODE_UNKNOWN])
    def test_a_guesser_hears_one_answer(self, reason: Reason) -> None:
        """A form for codes does not tell which exist."""
        assert reason.public == "coupon_invalid"

    def test_other_reasons_are_public_as_they_are(self) -> None:
        """Nothing else is hidden."""
        hidden = {reason for reason in Reason if reason.public != reason.value}
        coupons = {reason for reason in hidden if reason.public == "coupon_invalid"}
        assert coupons == {
            Reason.CODE_MALFORMED,
            Reason.CODE_UNKNOWN,
            Reason.CAMPAIGN_STOPPED,
            Reason.COUPON_NOT_FOUND,
            Reason.COUPON_REVOKED,
            Reason.COUPON_MEMBER_MISMATCH,
            Reason.COUPON_REDEEMED,
            Reason.COUPON_RESERVED,
            Reason.COUPON_NOT_STARTED,
            Reason.COUPON_EXPIRED,
        }
        cards = {reason for reason in hidden if reason.public == "card_invalid"}
        assert cards == {Reason.CARD_UNKNOWN, Reason.CARD_NOT_FOUND, Reason.CARD_BLOCKED, Reason.CARD_EXPIRED}
        referrals = hidden - coupons - cards
        assert {reason.public for reason in referrals} == {"referral_invalid"}
        assert referrals == {
            Reason.REFERRAL_CODE_UNKNOWN,
            Reason.REFERRAL_SELF,
            Reason.REFERRAL_ALREADY_REFERRED,
            Reason.REFERRAL_ALREADY_CUSTOMER,
            Reason.REFERRAL_CIRCULAR,
            Reason.REFERRAL_IDENTITY_KNOWN,
            Reason.REFERRAL_VELOCITY_REACHED,
            Reason.REFERRAL_LIMIT_REACHED,
            Reason.REFERRAL_GUARDED,
        }


class TestRefusal:
    def test_prints_in_one_line(self) -> None:
        """Reason first, then the details, as a log wants them."""
        assert str(SHORT) == "points_insufficient: asked_points = 100, available_points = 60, missing_points = 40"
        assert str(EARLY) == "at_before_last"

    def test_details_are_a_copy_and_do_not_change(self) -> None:
        """A refusal says for ever what it said."""
        details: dict[str, Detail] = {"limit": 10}
        refusal = Refusal(Reason.CODES_LIMIT_REACHED, details)
        details["limit"] = 11
        assert refusal.details == {"limit": 10}
        assert hash(refusal) == hash(Refusal(Reason.CODES_LIMIT_REACHED, {"limit": 10}))

    @pytest.mark.law(3)
    @pytest.mark.parametrize("value", [1.5, True, None, ["a"], (1,), ("a", None), {}, b"x"])
    def test_details_are_whole_numbers_and_text(self, value: object) -> None:
        """What cannot be shown or stored exactly is refused."""
        with pytest.raises(UsageError, match=r"^details of code_unknown must be whole numbers, text or tuples of text, by name"):
            Refusal(Reason.CODE_UNKNOWN, {"detail": value})  # type: ignore[dict-item]

    @pytest.mark.parametrize("value", [0, -(10**30), "", "x", Reason.CODE_UNKNOWN, (), ("a", "b")])
    def test_details_allowed(self, value: Detail) -> None:
        """Numbers of any size, text, several texts."""
        assert Refusal(Reason.CODE_UNKNOWN, {"detail": value}).details["detail"] == value

    def test_names_of_details_are_text(self) -> None:
        """A number names nothing."""
        with pytest.raises(UsageError, match=r"got int by int$"):
            Refusal(Reason.CODE_UNKNOWN, {1: 1})  # type: ignore[dict-item]

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(Refusal, reason=Reason.CODE_UNKNOWN, details={})

    @given(st.sampled_from(Reason), DETAILS)
    def test_survives_pickle_and_repr(self, reason: Reason, details: dict[str, Detail]) -> None:
        """It comes back equal."""
        refusal = Refusal(reason, details)
        assert pickle.loads(pickle.dumps(refusal)) == refusal
        assert copy.deepcopy(refusal) == refusal


class TestRefused:
    def test_first_by_precedence_is_the_reason(self) -> None:
        """In whatever order rules said no, the answer is one."""
        for order in permutations([SHORT, LATE, EARLY]):
            refused = Refused(order)
            assert refused.refusals == (EARLY, SHORT, LATE)
            assert refused.refusal is EARLY

    def test_equal_reasons_keep_their_order(self) -> None:
        """Two lines refused for one reason are told as they came."""
        one, two = (Refusal(Reason.ORDER_LINE_NOT_FOUND, {"line_id": line}) for line in ("b", "a"))
        assert Refused([one, two]).refusals == (one, two)

    @pytest.mark.parametrize("refusals,got", [([], "none"), ([None], "NoneType"), ([SHORT, "no", "yes"], "Refusal, str")])
    def test_needs_a_refusal(self, refusals: list[Refusal], got: str) -> None:
        """A no without a reason is a bug, whether returned or raised."""
        with pytest.raises(UsageError, match=rf"^a no must carry one Refusal or more and nothing else, got {got}$"):
            Refused(refusals)
        with pytest.raises(UsageError, match=rf"^a no must carry one Refusal or more and nothing else, got {got}$"):
            RefusedError(*refusals)

    def test_needs_several(self) -> None:
        """One refusal alone still stands in brackets."""
        with pytest.raises(UsageError, match=r"^refusals must be of type Iterable, got Refusal$"):
            Refused(SHORT)  # type: ignore[arg-type]


class TestAccepted:
    def test_carries_a_value(self) -> None:
        """Equal by it, and picklable."""
        assert Accepted(7) == Accepted(7) != Accepted(8)
        assert pickle.loads(pickle.dumps(Accepted(7))) == Accepted(7)


ERRORS = [
    UsageError("limit must be in [1, 10], got 0"),
    CurrencyMismatchError("EUR", "USD"),
    RefusedError(LATE, EARLY),
    ConflictError(),
    ConflictError("member/1 moved"),
    DuplicateError("place:1"),
    LimitReachedError("coupon/SUMMER"),
    CorruptStateError("not JSON"),
]


class TestErrors:
    @pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
    def test_all_are_loyalty_errors_and_survive_pickle(self, error: LoyaltyError) -> None:
        """One ``except`` catches everything; a worker process can hand an error back whole."""
        assert isinstance(error, LoyaltyError)
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)

    def test_texts(self) -> None:
        """What a log shows."""
        assert [str(error) for error in ERRORS] == [
            "limit must be in [1, 10], got 0",
            "currency must be one and the same, got EUR and USD",
            "at_before_last; offer_expired: offer_id = spring",
            "the stored version moved since it was read",
            "member/1 moved",
            "place:1",
            "no room left in counter 'coupon/SUMMER'",
            "not JSON",
        ]

    def test_usage_errors_are_value_errors(self) -> None:
        """A caller's bug is one in the eyes of any framework; a refusal is not."""
        assert issubclass(CurrencyMismatchError, UsageError)
        assert issubclass(UsageError, ValueError)
        assert not issubclass(RefusedError, ValueError)

    def test_fields(self) -> None:
        """What a handler reads."""
        mismatch = CurrencyMismatchError("EUR", "USD")
        assert (mismatch.left, mismatch.right) == ("EUR", "USD")
        assert LimitReachedError("c").counter == "c"
        assert RefusedError(LATE, EARLY).refusal == EARLY
        assert RefusedError(LATE, EARLY).refusals == (EARLY, LATE)


class TestEitherAnswer:
    def test_either_answer_can_be_asked_why_not(self) -> None:
        """A yes has no refusal, and none to go through."""
        yes = Accepted(5)
        assert yes.refusal is None
        assert yes.refusals == ()
