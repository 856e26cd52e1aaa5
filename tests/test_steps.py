"""The steps of a service: what is asked of a repository, in which order, and how often."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import attrs
import pytest

from loyaltycore import Basket, Loyalty, Money, Reason, RefusedError, UsageError
from loyaltycore._steps import (
    SKEW,
    Loaded,
    Sight,
    basket_digest,
    check_avoid,
    check_service,
    count_or_none,
    folded_codes,
    instant_or_none,
    not_before_last,
    the,
    until_now,
)
from loyaltycore.benefits import PercentOff
from loyaltycore.coupons import Coupon, CouponCampaign
from loyaltycore.errors import ConflictError, CorruptStateError, DuplicateError, LimitReachedError
from loyaltycore.facts import Append, Claim, Command, Expect, Posting
from loyaltycore.gift_cards import GiftCard
from loyaltycore.identity import (
    CounterId,
    Key,
    StreamId,
    campaign_stream,
    card_stream,
    coupon_stream,
    member_stream,
    space_stream,
)
from loyaltycore.ledger import Granted
from loyaltycore.memberships import MemberJoined, Membership
from loyaltycore.repositories import SnapshotStream
from loyaltycore.store.memory import MemoryRepository
from tests.test_coupon_steps import BOOK, SPACE, campaigns, given, open_shop, percent
from tests.test_services import HELMET, NOON, PROGRAM, Clock, LossyRepository, facts_in, lost, refusal_of

STREAM = member_stream("m")
COMMAND = Command.of(STREAM, Key("join"), actor="test")
COUNTER = CounterId("offer/x/orders")


def joined(loaded: Loaded, _: object = None) -> tuple[Posting[Membership]]:
    """Decide that somebody joins."""
    return (loaded.member("m").posting((MemberJoined(member_id="m", at=NOON),)),)


@pytest.fixture
def store() -> LossyRepository:
    """A repository in memory that can be made to fail."""
    return LossyRepository()


@pytest.fixture
def shop(store: LossyRepository) -> Loyalty:
    """A service over it."""
    return Loyalty(PROGRAM, store, clock=Clock(), retries=2)


def raising(error: Exception) -> Callable[[], None]:
    """Fail by an error."""

    def fail() -> None:
        raise error

    return fail


@pytest.mark.law(38)
class TestOnce:
    def test_once(self, shop: Loyalty, store: LossyRepository) -> None:
        """It loads, decides and commits; the second time its receipt answers, and nothing is decided."""
        first = shop._run(shop._once(COMMAND, (STREAM,), joined))
        assert store.calls == ["receipt", "load", "commit"]

        def never(*_: object) -> Any:  # noqa: ANN401  # nothing
            raise AssertionError

        assert shop._run(shop._once(COMMAND, (STREAM,), never)) == first == {STREAM: (MemberJoined(member_id="m", at=NOON),)}

    @pytest.mark.parametrize("error", [ConflictError(), LimitReachedError(COUNTER)])
    @pytest.mark.parametrize("times", [1, 2, 3])
    def test_a_lost_race_is_decided_again(self, times: int, error: Exception, shop: Loyalty, store: LossyRepository) -> None:
        """As often as there are retries; then it is told."""
        store.before["commit"] = [raising(error)] * times
        if times <= shop.retries:
            shop._run(shop._once(COMMAND, (STREAM,), joined))
        else:
            with pytest.raises(type(error)):
                shop._run(shop._once(COMMAND, (STREAM,), joined))
        assert store.calls.count("load") == min(times, shop.retries) + 1

    def test_another_fault_is_not_tried_again(self, shop: Loyalty, store: LossyRepository) -> None:
        """A lost connection is the caller's to try again."""
        store.before["commit"] = [lost]
        with pytest.raises(ConnectionError):
            shop._run(shop._once(COMMAND, (STREAM,), joined))
        assert store.calls.count("commit") == 1

    def test_what_was_only_looked_at_must_not_move(self, shop: Loyalty, store: LossyRepository) -> None:
        """A posting without facts is expected where it was; a claim goes along."""
        seen = list[Any]()
        store.inner.commit, keep = (lambda command, changes: (seen.extend(changes), keep(command, changes))), store.inner.commit  # type: ignore[method-assign, func-returns-value, assignment]
        claim = Claim(counter=COUNTER, key=Key("k"), amount=1, limit=3, at=NOON, until=None)
        other = campaign_stream("welcome")

        def decide(loaded: Loaded, _: object) -> Any:  # noqa: ANN401  # postings
            guard = Posting(loaded.campaign("welcome"), facts=(), stream=other, version=0)
            return guard, *joined(loaded), claim

        shop._run(shop._once(COMMAND, (STREAM, other), decide))
        assert [type(change) for change in seen] == [Expect, Append, Claim]
        assert (seen[0].stream, seen[0].version, seen[2]) == (other, 0, claim)

    def test_nothing_to_do_and_nothing_done(self, shop: Loyalty) -> None:
        """Who decides nothing, and did nothing before, has a name that is used."""
        refusal = refusal_of(
            lambda: shop._run(shop._once(COMMAND, (STREAM,), lambda loaded, _: (loaded.member("m").posting(()),)))
        )
        assert (refusal.reason, refusal.details) == (Reason.KEY_REUSED, {"key": "join", "fields": ("ref",)})

    def test_a_known_key_without_a_receipt(self, shop: Loyalty, store: LossyRepository) -> None:
        """A repository that breaks its contract is not asked for ever."""
        store.before["commit"] = [raising(DuplicateError())] * 9
        with pytest.raises(ConflictError, match="'join' in 'member/m' lost every race"):
            shop._run(shop._once(COMMAND, (STREAM,), joined))

    def test_counters_of_others(self, shop: Loyalty, store: LossyRepository) -> None:
        """What a command holds itself does not count; it is asked after everything was loaded."""
        for key, amount in (("mine", 2), ("theirs", 3)):
            claim = Claim(counter=COUNTER, key=Key(key), amount=amount, limit=None, at=NOON, until=None)
            store.inner.commit(Command.of(STREAM, Key(key), actor="test"), [claim])
        sight = Sight(
            streams=(STREAM,),
            more=lambda loaded, _: tuple(coupon_stream(f"c-{n}") for n in range(2) if loaded.member("m").version == 0),
            counters=lambda _: (COUNTER,),
            key=Key("mine"),
        )
        loaded = shop._run(shop._seen(sight, lambda loaded, _: loaded))
        assert loaded.taken == {COUNTER: 3}
        assert loaded.streams.keys() == {STREAM, "coupon/c-0", "coupon/c-1"}
        assert store.calls == ["load", "load", "claimed"]

    def test_nothing_to_look_at(self, shop: Loyalty, store: LossyRepository) -> None:
        """A guest's basket asks for nothing."""
        assert shop._run(shop._seen((), lambda loaded, at: (dict(loaded.streams), at))) == ({}, NOON)
        assert store.calls == []


class TestSnapshots:
    def test_what_was_granted_with_an_order_is_kept(self) -> None:
        """Streams that were never loaded are committed, and no snapshot is wanted of them."""
        program = campaigns(CouponCampaign("sorry", give=PercentOff("10"), codes=None))
        shop = open_shop(program, MemoryRepository(), snapshot_every=1)
        for number in range(3):
            given(shop, f"t-{number}", campaign_id="sorry")
        assert len(shop.coupons("m")) == 3
        store = shop.repository
        assert isinstance(store, MemoryRepository)
        assert list(store._snapshots) == [STREAM]

    def test_a_snapshot_that_fails_is_no_fault(self) -> None:
        """The command is kept, and its answer matters."""

        class Full(LossyRepository):
            """Cannot keep snapshots."""

            def load_tails(self, streams: Any, /, *, form: str) -> Any:  # noqa: ANN401  # passed on
                assert isinstance(self.inner, MemoryRepository)
                return self.inner.load_tails(streams, form=form)

            def keep_snapshot(self, *_: object) -> None:
                raise ConnectionError

        shop = Loyalty(PROGRAM, Full(), clock=Clock(), snapshot_every=1)
        shop.record("sign_up", member_id="m", ref="s")
        assert shop.overview("m").balance.available == 1000

    @pytest.mark.parametrize("error", [CorruptStateError("x")])
    def test_what_is_corrupt_without_a_snapshot_is_told(self, error: Exception) -> None:
        """There is nothing else to read."""
        shop = Loyalty(PROGRAM, MemoryRepository(), clock=Clock())
        with pytest.raises(CorruptStateError):
            shop._run(shop._seen((STREAM,), lambda *_: raising(error)()))


class TestLoaded:
    def test_each_thing_by_its_name(self) -> None:
        """As it is where nothing was stored of it."""
        names = (STREAM, campaign_stream("c"), space_stream(SPACE.space_id), coupon_stream("k"), card_stream("g"))
        loaded = Loaded(dict.fromkeys(names, SnapshotStream()))
        assert loaded.member("m") == Membership.open("m")
        assert loaded.member_or_none("m") == Membership.open("m")
        assert loaded.member_or_none(None) is None
        assert not loaded.campaign("c").is_stopped
        assert loaded.space(SPACE.space_id).blocks == ()
        assert loaded.coupon(Coupon.issued("k", campaign_id="c")).campaign_id == "c"
        assert loaded.card("g").issued is None


class TestHelpers:
    def test_services_are_checked(self) -> None:
        """A code of people's that looks like a machine's, a space that is not in the book, a hook that nobody calls."""
        lookalike = CouponCampaign(SPACE.code(1).replace("-", ""), give=PercentOff("10"), codes="human")
        with pytest.raises(UsageError, match="looks like one that a machine made"):
            open_shop(campaigns(lookalike))
        with pytest.raises(UsageError, match=r"codes must be a CodeBook with the space of campaign 'far', 'velo/X1########'"):
            open_shop(campaigns(percent("far", "velo/X1########")))
        with pytest.raises(UsageError, match="project needs a repository that has commit_then, got LossyRepository"):
            Loyalty(PROGRAM, LossyRepository(), project=lambda _: None)
        check_service(campaigns(percent("welcome"), percent("GOOD25", "human")), BOOK, None, LossyRepository())

    def test_a_service_without_keys(self) -> None:
        """A worker that sweeps needs none: codes of machines are unknown to it, and it issues none."""
        shop = open_shop(campaigns(percent("welcome"), percent("GOOD25", "human")), codes=None)
        code = SPACE.code(0)
        assert shop.quote(HELMET, codes=[code]).codes[code].refusal is not None
        for call in (
            partial(shop.grant, "welcome", ref="t", by="me"),
            partial(shop.issue_codes, "welcome", 1, ref="m", by="me"),
        ):
            with pytest.raises(UsageError, match="codes"):
                call()

    @pytest.mark.parametrize("behind, lifted", [(timedelta(0), False), (SKEW, True), (SKEW + timedelta(microseconds=1), False)])
    def test_clocks_that_differ(self, behind: timedelta, lifted: bool) -> None:  # noqa: FBT001
        """A little is another server's clock, of the member or of a card; more is a fault that is told."""
        member = Membership.open("m").on("points").earn(1, ref="r", expires_at=None, at=NOON).state
        card = GiftCard.open("c").issue(Money.of("1", "EUR"), ref="r", expires_at=None, at=NOON).state
        at = NOON - behind
        for found in (not_before_last(member, at), not_before_last(None, at, card), not_before_last(member, at, card)):
            assert found == (NOON if lifted else at)
        assert not_before_last(None, at, GiftCard.open("x")) == at

    def test_texts_and_numbers(self) -> None:
        """As a command writes them down."""
        assert folded_codes(["twenty", "TWENTY", "?!", "\ud800"]) == sorted(["TWENTY", "?!", "\\ud800"])
        assert (instant_or_none(None), instant_or_none(NOON)) == (None, "2026-07-01T12:00:00Z")
        assert (count_or_none(None), count_or_none(3)) == (None, 3)
        with pytest.raises(UsageError):
            count_or_none(0)
        assert check_avoid(["words"]) == check_avoid(check_avoid(["words"]))

    def test_a_window_up_to_now(self) -> None:
        """Or to the last fact, where a clock ran ahead."""
        (late,) = Membership.open("m").on("points").earn(1, ref="x", expires_at=None, at=NOON + SKEW).facts
        tick = timedelta(microseconds=1)
        assert until_now([], now=NOON) == NOON + tick
        assert until_now([late], now=NOON) == NOON + SKEW + tick
        assert the(Granted, [MemberJoined(member_id="m", at=NOON), late]) is late

    def test_a_basket_in_short(self) -> None:
        """All that was said of it counts."""
        assert basket_digest(HELMET) == basket_digest(Basket.of("EUR", {"helmet": "79.90"}))
        assert basket_digest(HELMET) != basket_digest(attrs.evolve(HELMET, shipping=Money.of("0", "EUR")))

    def test_facts_are_counted(self, store: LossyRepository) -> None:
        """The tests' own help: streams without facts have none."""
        assert facts_in(store, StreamId("member/x")) == [0]
        with pytest.raises(RefusedError):
            Loyalty(PROGRAM, store, clock=Clock()).confirm("nosuch")
