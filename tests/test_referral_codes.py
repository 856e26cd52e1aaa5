"""Personal codes: the same for a member every time, readable whatever the slip, and links that carry them."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore._referral_codes import CANDIDATES
from loyaltycore.coupons import CROCKFORD, CodeSpace, CodeVerdict, SecretKey
from loyaltycore.errors import UsageError
from loyaltycore.identity import coupon_stream
from loyaltycore.referrals import LINK_PARAMETER, PublicCodes, ReferralCode, codes_of_member, friend_coupon_id, verdict_of

CODES = PublicCodes("VELO-####-####", purpose="velo/friends")
GOLDEN = ["VELO-JPTM-TDF0", "VELO-KWCD-9VNT"]
SPACE = CodeSpace(SecretKey("k", bytes(range(32))), pattern="VELO-####-####", context="velo", tag=4, weak=True)


class TestPublicCodes:
    def test_golden(self) -> None:
        """Codes are a promise: they stand on cards and in mails."""
        assert list(islice(codes_of_member(CODES, "m-42"), 2)) == GOLDEN

    @pytest.mark.parametrize("pattern,capacity", [("#####", 32**4), ("VELO-####-####", 32**7), ("#" * 24, 32**23)])
    def test_room(self, pattern: str, capacity: int) -> None:
        """One symbol finds slips, the others count."""
        codes = PublicCodes(pattern, purpose="velo/friends")
        assert codes.capacity == capacity
        assert codes.read(next(codes.of_member("m-42"))) is CodeVerdict.GENUINE

    @pytest.mark.parametrize("pattern", ["####", "VELO", "", "#" * 25, 7, None, "VELO_#####"])
    def test_too_little(self, pattern: object) -> None:
        """There is nothing to count with, or it is no pattern."""
        with pytest.raises(UsageError, match="pattern"):
            PublicCodes(pattern, purpose="velo/friends")  # type: ignore[arg-type]

    def test_a_purpose(self) -> None:
        """Programs and shops have codes of their own."""
        others = [PublicCodes("VELO-####-####", purpose=purpose) for purpose in ("velo/friends", "velo/family", "shop-2/friends")]
        assert len({next(codes.of_member("m-42")) for codes in others}) == 3
        with pytest.raises(UsageError, match="purpose"):
            PublicCodes("VELO-####-####", purpose="")

    @given(st.text(min_size=1, max_size=20).filter(str.isprintable), st.integers(0, 7), st.sampled_from(CROCKFORD))
    def test_a_slip_is_found(self, member_id: str, place: int, symbol: str) -> None:
        """Another symbol anywhere is read as no code."""
        code = next(CODES.of_member(member_id))
        places = [at for at, sign in enumerate(code) if at > 4 and sign != "-"]
        slipped = code[: places[place]] + symbol + code[places[place] + 1 :]
        assert CODES.read(slipped) is (CodeVerdict.GENUINE if slipped == code else CodeVerdict.CHECK)

    @pytest.mark.parametrize(
        "text,verdict",
        [
            ("velo jptm tdf0", CodeVerdict.GENUINE),
            ("VELO-JPTM-TDFO", CodeVerdict.GENUINE),
            ("VELO-JPTM-TDF1", CodeVerdict.CHECK),
            ("VELO-JPTM-TDFU", CodeVerdict.SYMBOL),
            ("BIKE-JPTM-TDF0", CodeVerdict.SYMBOL),
            ("VELO-#", CodeVerdict.SYMBOL),
            ("VELO-JPTM-TDF", CodeVerdict.LENGTH),
            ("  ", CodeVerdict.LENGTH),
            ("", CodeVerdict.LENGTH),
            ("\U0001f600" * 1_000, CodeVerdict.LENGTH),
        ],
    )
    def test_read(self, text: str, verdict: CodeVerdict) -> None:
        """Any text has a verdict; case, blanks and look-alikes do not count."""
        assert CODES.read(text) is verdict
        assert verdict_of(CODES, text) is verdict


class TestCodesOfMember:
    @given(st.text(min_size=1, max_size=20).filter(str.isprintable), st.sampled_from([CODES, SPACE]))
    def test_the_same_every_time(self, member_id: str, codes: PublicCodes | CodeSpace) -> None:
        """Genuine, so many, and the same."""
        found = list(codes_of_member(codes, member_id))
        assert found == list(codes_of_member(codes, member_id))
        assert len(found) == CANDIDATES
        assert all(verdict_of(codes, code) is CodeVerdict.GENUINE for code in found)

    def test_spread(self) -> None:
        """Members who follow one another have nothing in common."""
        first = [next(codes_of_member(CODES, f"m-{n}")) for n in range(2_000)]
        assert len(set(first)) == 2_000

    @pytest.mark.parametrize("codes", [CODES, SPACE], ids=["pattern", "space"])
    def test_no_id(self, codes: PublicCodes | CodeSpace) -> None:
        """Is refused."""
        with pytest.raises(UsageError, match=r"^member_id must be"):
            next(codes_of_member(codes, ""))


class TestReferralCode:
    @pytest.mark.parametrize(
        "url,link",
        [
            ("https://shop.example", "https://shop.example?ref=VELO-7KQ2"),
            ("https://shop.example/join", "https://shop.example/join?ref=VELO-7KQ2"),
            ("https://shop.example/join?lang=fr&empty=", "https://shop.example/join?lang=fr&empty=&ref=VELO-7KQ2"),
            ("https://shop.example/join?ref=OTHER&x=1#top", "https://shop.example/join?x=1&ref=VELO-7KQ2#top"),
            ("/join", "/join?ref=VELO-7KQ2"),
            ("", "?ref=VELO-7KQ2"),
        ],
    )
    def test_link(self, url: str, link: str) -> None:
        """What stands in the address stays, but another code."""
        assert ReferralCode("VELO-7KQ2").link(url) == link
        assert f"{LINK_PARAMETER}=" in link

    def test_a_code_with_blanks(self) -> None:
        """Is written so that an address can hold it."""
        assert ReferralCode("ANNE VÉLO").link("/j") == "/j?ref=ANNE+V%C3%89LO"

    @pytest.mark.parametrize("url", ["https://[", 7, None])
    def test_what_is_no_address(self, url: object) -> None:
        """Is refused."""
        with pytest.raises(UsageError, match=r"^url must be"):
            ReferralCode("VELO-7KQ2").link(url)  # type: ignore[arg-type]

    def test_look_alikes(self) -> None:
        """Are one code."""
        assert ReferralCode("velo-1O").folded == ReferralCode("VELO-lo").folded == "VE1010"

    @pytest.mark.parametrize("code", ["", "AB", "A-B", "😀😀😀", "x" * 65])
    def test_what_is_no_code(self, code: str) -> None:
        """Is refused."""
        with pytest.raises(UsageError, match=r"^a code must"):
            ReferralCode(code)

    def test_three_signs(self) -> None:
        """Are enough."""
        assert ReferralCode("A-BC").folded == "ABC"


class TestFriendCoupon:
    def test_its_name(self) -> None:
        """The friend cannot be read out of it, and two friends have two."""
        names = {friend_coupon_id("friends-friend", friend_id) for friend_id in ("f-1", "f-2", "x" * 200)}
        assert len(names) == 3
        assert all(name.startswith("+friends-friend/") and "f-1" not in name for name in names)
        assert all(coupon_stream(name) for name in names)
        assert friend_coupon_id("friends-friend", "f-1") == friend_coupon_id("friends-friend", "f-1")

    def test_no_id(self) -> None:
        """Is refused."""
        with pytest.raises(UsageError, match=r"^friend_id must be"):
            friend_coupon_id("friends-friend", "")
