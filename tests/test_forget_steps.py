"""Forgetting at the service: friends and advocates, their codes and payouts; and what happens where it breaks off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import attrs
import pytest

from loyaltycore import ConflictError, Loyalty
from loyaltycore._forget_steps import alias_or_new
from loyaltycore.archive import export_lines
from loyaltycore.facts import Fact
from loyaltycore.identity import StreamId, member_stream, referral_code_stream, referral_stream
from loyaltycore.ladders import Ladder
from loyaltycore.program import Program
from loyaltycore.referrals import ReferralStatus
from loyaltycore.rewards import PayOut
from loyaltycore.store.memory import MemoryRepository
from tests.test_referral_steps import DAY, FORTNIGHT, FRIENDS, bought, eur, joined, open_shop
from tests.test_services import PROGRAM, Clock

PAID: Program = attrs.evolve(PROGRAM, referrals=attrs.evolve(FRIENDS, advocate=Ladder.of({1: PayOut(eur("5.00"))})))
"""Advocates get money."""


class Partial:
    """A repository that has some of what another has."""

    def __init__(self, inner: MemoryRepository, *names: str) -> None:
        self.inner = inner
        for name in ("load", "receipt", "commit", "claimed", "due", *names):
            setattr(self, name, getattr(inner, name))


class Breaking(Partial):
    """A repository whose renames fail, one after the other, as it is told."""

    def __init__(self, inner: MemoryRepository) -> None:
        super().__init__(inner, "streams")
        self.errors = list[Exception | None]()
        self.renamed = list[StreamId]()

    def rename(self, old: StreamId, new: StreamId, /, *, facts: Mapping[StreamId, Sequence[Fact]]) -> None:
        """Rename, or fail."""
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        self.inner.rename(old, new, facts=facts)
        self.renamed.append(old)


def lived(store: Any) -> tuple[Loyalty, Clock]:  # noqa: ANN401 - what it has is all that a shop asks for
    """Let Anna bring Bob, who bought, and Cleo, who did not; Dora tried her code and had bought before; Anna was brought too."""
    clock = Clock()
    shop = open_shop(PAID, store, clock)
    assert joined(shop, "anna", shop.referrals.code("zoe").code) is ReferralStatus.JOINED
    drawn, wished = shop.referrals.code("anna").code, shop.referrals.code("anna", wish="ANNA-MARTIN").code
    bought(shop, "anna", "1001")
    bought(shop, "dora", "1002")
    assert joined(shop, "bob", "anna martin") is ReferralStatus.JOINED
    assert joined(shop, "cleo", drawn) is ReferralStatus.JOINED
    assert joined(shop, "dora", wished) is ReferralStatus.REFUSED
    bought(shop, "bob", "1003")
    clock.at += FORTNIGHT + DAY
    assert not shop.sweep().failed
    return shop, clock


def told(store: MemoryRepository, name: str) -> list[str]:
    """Give the lines of an export that hold a name, however it is written."""
    return [line for line in export_lines(store) if name in line.casefold()]


class TestForget:
    def test_an_advocate_is_gone_everywhere(self) -> None:
        """From the member, the codes, the friends' referrals, also of those who did not buy, the payouts, and every receipt."""
        store = MemoryRepository()
        shop, _ = lived(store)
        paid = [(one.amount, one.status) for one in shop.rewards.payouts().payouts]
        friends = dict(shop.membership("anna").friends)
        assert shop.forget("anna", alias="nobody-1") > 0
        assert told(store, "anna") == []
        assert shop.membership("nobody-1").friends == friends
        assert {shop.referrals.of(friend).advocate_id for friend in ("bob", "cleo")} == {"nobody-1"}
        assert {one.member_id for one in shop.rewards.payouts().payouts} == {"nobody-1", "zoe"}
        assert [(one.amount, one.status) for one in shop.rewards.payouts().payouts] == paid

    def test_a_friend_is_gone_everywhere(self) -> None:
        """From the referral, and from the stream of whoever brought the friend."""
        store = MemoryRepository()
        shop, _ = lived(store)
        shop.forget("bob", alias="nobody-2")
        assert told(store, "bob") == []
        assert set(shop.membership("anna").friends) == {"nobody-2"}
        assert shop.referrals.of("nobody-2").status is ReferralStatus.REWARDED
        assert shop.referrals.of("bob").status is ReferralStatus.NONE

    def test_an_order_that_comes_back_later_still_takes_the_reward_back(self) -> None:
        """Both were forgotten meanwhile: the books go on under the aliases."""
        store = MemoryRepository()
        shop, clock = lived(store)
        shop.forget("bob", alias="nobody-2")
        shop.forget("anna", alias="nobody-1")
        clock.at += timedelta(hours=1)
        shop.refund("1003", return_id="r-1", lines={"helmet": 1})
        assert not shop.membership("nobody-1").friends
        assert shop.referrals.of("nobody-2").status is ReferralStatus.REVERSED
        assert [one.status.value for one in shop.rewards.payouts().payouts if one.member_id == "nobody-1"] == ["reversed"]

    def test_a_code_brings_nobody_any_more(self) -> None:
        """It leads to nobody; whoever comes with the id again is new, and may have the name again."""
        store = MemoryRepository()
        shop, _ = lived(store)
        old = shop.referrals.code("anna").code
        shop.forget("anna", alias="nobody-1")
        assert joined(shop, "eve", old) is ReferralStatus.REFUSED
        assert joined(shop, "finn", "ANNA-MARTIN") is ReferralStatus.REFUSED
        assert shop.referrals.code("anna", wish="ANNA-MARTIN").code == "ANNA-MARTIN"
        assert joined(shop, "gina", "ANNA-MARTIN") is ReferralStatus.JOINED
        assert shop.referrals.of("gina").advocate_id == "anna"

    def test_without_a_listing_friends_who_did_not_buy_are_not_found(self) -> None:
        """What the member's facts tell of is found; the others only where streams can be listed, as the guide says."""
        store = MemoryRepository()
        shop, _ = lived(Partial(store, "rename"))
        shop.forget("anna", alias="nobody-1")
        loaded = store.load([referral_stream("bob"), referral_stream("cleo")])
        assert ["anna" in str(stream.facts) for stream in loaded.values()] == [False, True]


class TestBrokenOff:
    @pytest.mark.parametrize("at", range(4))
    def test_called_again_it_goes_on(self, at: int) -> None:
        """Wherever it broke off, what is there is whole, and the next call ends it under the alias it began with."""
        store = Breaking(MemoryRepository())
        shop, _ = lived(store)
        store.errors = [*[None] * at, OSError("the line is down")]
        with pytest.raises(OSError, match="the line is down"):
            shop.forget("anna", alias="nobody-1")
        assert len(store.renamed) == at
        shop.forget("anna", alias="nobody-1")
        assert told(store.inner, "anna") == []
        assert shop.referrals.of("bob").advocate_id == "nobody-1"
        assert shop.referrals.of("nobody-1").advocate_id == "zoe"
        assert set(shop.membership("nobody-1").friends) == {"bob"}
        assert set(shop.membership("zoe").friends) == {"nobody-1"}

    def test_the_alias_it_began_with_is_kept(self) -> None:
        """Another alias the second time would leave half of the member under the first."""
        store = Breaking(MemoryRepository())
        shop, _ = lived(store)
        store.errors = [None, None, None, OSError("the line is down")]
        with pytest.raises(OSError, match="the line is down"):
            shop.forget("anna")
        shop.forget("anna")
        assert told(store.inner, "anna") == []
        (name,) = shop.membership("zoe").friends
        assert shop.referrals.of(name).advocate_id == "zoe"
        assert set(shop.membership(name).friends) == {"bob"}

    def test_who_was_faster_is_looked_at_again(self) -> None:
        """A conflict at any of the renames begins again with what is there then."""
        store = Breaking(MemoryRepository())
        shop, _ = lived(store)
        store.errors = [ConflictError("moved"), None, ConflictError("moved"), None, ConflictError("moved")]
        assert shop.forget("anna", alias="nobody-1") > 0
        assert told(store.inner, "anna") == []
        assert store.renamed[-2:] == [referral_stream("anna"), member_stream("anna")]
        assert store.renamed[0].startswith(referral_code_stream("x" * 9)[: len("referral_code/")])

    def test_somebody_always_faster_ends_it(self) -> None:
        """It is told, and nothing is half done."""
        store = Breaking(MemoryRepository())
        shop, _ = lived(store)
        store.errors = [ConflictError("moved")] * 5
        with pytest.raises(ConflictError, match="call again"):
            shop.forget("anna", alias="nobody-1")
        assert store.renamed == []


class TestAlias:
    def test_one_that_is_given_or_one_made_at_random(self) -> None:
        """Nothing leads back from it."""
        assert alias_or_new("x") == "x"
        assert alias_or_new(None).startswith("forgotten-")
        assert alias_or_new(None) != alias_or_new(None)
