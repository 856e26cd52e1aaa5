"""``AsyncLoyalty``: every call of ``Loyalty``, awaited, with the same answers."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import attrs
import pytest

from loyaltycore import AsyncLoyalty, Basket, Loyalty, Money, Program, RefusedError, UsageError
from loyaltycore._card_desks import AsyncCardDesk, CardDesk
from loyaltycore._card_steps import card_id_of
from loyaltycore._member_desks import AsyncReferralDesk, AsyncRewardDesk, ReferralDesk, RewardDesk
from loyaltycore._snapshots import SNAPSHOT_FORM
from loyaltycore._steps import Commit, Steps
from loyaltycore.benefits import BonusPoints, Gift, PercentOff
from loyaltycore.conditions import spend_at_least
from loyaltycore.errors import ConflictError
from loyaltycore.facts import Append, Change, Command, Fact
from loyaltycore.gift_cards import CardNumbers, SecretKey
from loyaltycore.identity import CounterId, Key, StreamId, member_stream
from loyaltycore.memberships import MemberJoined
from loyaltycore.offers import Limits, Offer
from loyaltycore.periods import Period, Window
from loyaltycore.referrals import After, ReferralProgram
from loyaltycore.repositories import STREAMS_PAGE, Claimed, Cursor, Due, Receipt, Snapshot, SnapshotStream, StoredStream
from loyaltycore.rewards import CatalogueReward, Choice, Milestone, OrderNumber, PayOut, PayoutStatus
from loyaltycore.services import Attempts, Projected
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.tiers import Downgrade, Ladder, TierBenefits, TierRule
from tests.test_coupon_steps import BOOK, CAMPAIGNS, SPACE
from tests.test_services import HELMET, NOON, PROGRAM, Clock

T = TypeVar("T")

DAY = timedelta(days=1)


class Awaited:
    """A memory that is awaited: others run while a call is on its way."""

    def __init__(self, inner: MemoryRepository | None = None) -> None:
        self.inner = MemoryRepository() if inner is None else inner

    async def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        """Pass on."""
        return await later(self.inner.load(streams))

    async def load_tails(self, streams: Sequence[StreamId], /, *, form: str) -> Mapping[StreamId, SnapshotStream]:
        """Pass on."""
        return await later(self.inner.load_tails(streams, form=form))

    async def keep_snapshot(self, stream: StreamId, snapshot: Snapshot, /) -> None:
        """Pass on."""
        await later(None)
        self.inner.keep_snapshot(stream, snapshot)

    async def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        """Pass on."""
        return await later(self.inner.receipt(home, key))

    async def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Pass on."""
        await later(None)
        self.inner.commit(command, changes)

    async def commit_then(self, command: Command, changes: Sequence[Change], then: Callable[[Any], Awaitable[None]], /) -> None:
        """Pass on, with what the shop does beside."""
        await then("transaction")
        self.inner.commit(command, changes)

    async def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        """Pass on."""
        return await later(self.inner.claimed(counters, key=key, at=at))

    async def due(self, *, before: datetime, after: Cursor | None, limit: int) -> Sequence[Due]:
        """Pass on."""
        return await later(self.inner.due(before=before, after=after, limit=limit))

    async def streams(self, kind: str, /, *, after: StreamId | None = None, limit: int = STREAMS_PAGE) -> Sequence[StreamId]:
        """Pass on."""
        return await later(self.inner.streams(kind, after=after, limit=limit))

    async def rename(self, old: StreamId, new: StreamId, /, *, facts: Mapping[StreamId, Sequence[Fact]]) -> None:
        """Pass on."""
        await later(None)
        self.inner.rename(old, new, facts=facts)


async def later(value: T) -> T:
    """Give a value, after the others had their turn."""
    await asyncio.sleep(0)
    return value


def run(steps: Coroutine[Any, Any, T]) -> T:
    """Run to the end."""
    return asyncio.run(steps)


def methods(kind: type) -> dict[str, Any]:
    """Give the public methods of a class, by name, those of what it is made of among them."""
    return {name: method for name, method in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}


def first_line(method: object) -> str:
    """Give the first line of a docstring."""
    return (inspect.getdoc(method) or "").partition("\n")[0]


def heard(call: Callable[[], object]) -> object:
    """Give an answer, or a refusal."""
    try:
        return call()
    except RefusedError as refused:
        return refused.refusals


class TestTwin:
    def test_every_call_is_there_with_the_same_arguments(self) -> None:
        """A call that one has and the other lacks would be found by the first shop that needs it."""
        for one, other in ((Loyalty, AsyncLoyalty), *DESKS.values()):
            ours, theirs = methods(one), methods(other)
            assert ours.keys() == theirs.keys()
            for name, method in ours.items():
                assert inspect.iscoroutinefunction(theirs[name])
                assert inspect.signature(theirs[name]) == inspect.signature(method)
                assert first_line(theirs[name]) == first_line(method)
        assert {field.name for field in attrs.fields(Loyalty)} == {field.name for field in attrs.fields(AsyncLoyalty)}

    def test_every_call_answers_the_same(self) -> None:
        """Stories told to both, call by call: the same answers, and the same facts in the end."""
        told = tell_both(CAMPAIGNS, STORY) | tell_both(CLUB, STORY_OF_A_CLUB)
        of_desks = {f"{name}.{verb}" for name, (desk, _) in DESKS.items() for verb in methods(desk)}
        assert told == {*methods(Loyalty), *of_desks}


def tell_both(program: Program, story: list[tuple[str, tuple[Any, ...], dict[str, Any]]]) -> set[str]:
    """Tell a story to a shop and to its twin, and say which calls were made."""
    clock, inner, plain = Clock(), MemoryRepository(), MemoryRepository()
    passed: dict[str, Any] = {"clock": clock, "codes": BOOK, "card_numbers": CARDS, "attempts": Attempts(per_client=3)}
    shop, twin = Loyalty(program, plain, **passed), AsyncLoyalty(program, Awaited(inner), **passed)
    told = set[str]()

    async def tell() -> None:
        for name, args, passed_on in story:
            if name == "later":
                clock.at += args[0]
                continue
            kwargs = {**passed_on}
            asked = [shop.quote(*args, **kwargs.pop("quoted"))] if "quoted" in kwargs else list(args)
            desk, _, verb = name.rpartition(".")
            ours, theirs = (getattr(shop, desk), getattr(twin, desk)) if desk else (shop, twin)
            given = heard(partial(getattr(ours, verb), *asked, **kwargs))
            try:
                answer = await getattr(theirs, verb)(*asked, **kwargs)
            except RefusedError as refused:
                answer = refused.refusals
            assert answer == given, name
            told.add(name)

    run(tell())
    for kind in KINDS:
        streams = plain.streams(kind)
        assert inner.streams(kind) == streams
        assert inner.load(streams) == plain.load(streams)
    return told


GIFT = Money.of("50", "EUR")
KINDS = (
    "member",
    "order",
    "coupon",
    "campaign",
    "code_space",
    "gift_card",
    "gift_card_number",
    "payout",
    "referral",
    "referral_code",
)
DESKS: dict[str, tuple[type, type]] = {
    "cards": (CardDesk, AsyncCardDesk),
    "rewards": (RewardDesk, AsyncRewardDesk),
    "referrals": (ReferralDesk, AsyncReferralDesk),
}
CLUB = attrs.evolve(
    CAMPAIGNS,
    tiers=TierRule(
        Ladder.of({0: "bronze", 30000: "gold"}),
        window=Period(months=12),
        downgrade=Downgrade.ONE_STEP,
        benefits={"gold": TierBenefits(perks=["early"], entry_gift=BonusPoints(7))},
    ),
    rewards=[CatalogueReward("mug", give=Gift("mug"), price=20)],
    milestones=[
        Milestone(
            "first", when=OrderNumber(1), give=Choice({"some": BonusPoints(3), "cash": PayOut(GIFT)}, within=Period(days=9))
        )
    ],
    referrals=ReferralProgram(
        "friends",
        codes="AMI-####-####",
        qualifies=spend_at_least(GIFT),
        advocate=Ladder.of({1: PayOut(GIFT)}),
        after=After.AT_ONCE,
    ),
)
STORY_OF_A_CLUB: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("join", ("m",), {"identity_hashes": ["card-1"]}),
    ("record", ("sign_up",), {"member_id": "m", "ref": "s"}),
    ("grant_tier", ("gold",), {"member_id": "m", "ref": "g", "until": None, "reason": "sorry", "by": "me"}),
    ("grant_tier", ("platinum",), {"member_id": "m", "ref": "p", "until": None, "reason": "", "by": "me"}),
    ("explain_tier", ("m",), {}),
    ("end_tier_grant", ("g",), {"member_id": "m", "reason": "twice", "by": "me"}),
    ("rewards.of", ("m",), {}),
    ("rewards.take", ("mug",), {"member_id": "m", "ref": "t-1"}),
    ("rewards.give_back", ("t-1",), {"member_id": "m", "reason": "broken", "by": "me"}),
    ("rewards.take", ("nothing",), {"member_id": "m", "ref": "t-2"}),
    ("referrals.code", ("m",), {"wish": "Mia rides"}),
    ("join", ("f",), {"referral_code": "mia rides", "identity_hashes": ["card-2"]}),
    ("join", ("g",), {"referral_code": "mia rides", "identity_hashes": ["card-1"]}),
    ("place_unseen", (HELMET,), {"member_id": "f", "order_id": "1"}),
    ("rewards.choose", ("milestone/first", "some"), {"member_id": "f"}),
    ("sweep", (), {}),
    ("referrals.of", ("f",), {}),
    ("referrals.leaderboard", (), {}),
    ("referrals.report", (), {"ltv": GIFT}),
    ("rewards.payouts", (), {"status": PayoutStatus.DUE}),
    ("rewards.pay_out", ("none",), {"ref": "sepa-1", "by": "me"}),
    ("refund", ("1",), {"return_id": "r", "lines": {"helmet": 1}}),
    ("overview", ("m",), {}),
    ("overview", ("g",), {}),
    ("forget", ("m",), {"alias": "nobody"}),
]
BY = {"member_id": "m"}
HAND = {"member_id": "m", "actor": "desk"}
STORY: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("join", ("m",), {}),
    ("record", ("sign_up",), {**BY, "ref": "s"}),
    ("quote", (HELMET,), {**BY, "burn": 100}),
    ("place", (HELMET,), {"quoted": {**BY, "burn": 100}, "order_id": "1"}),
    ("place_unseen", (HELMET,), {**BY, "order_id": "2", "codes": ["TWENTY"]}),
    ("reserve", (HELMET,), {"quoted": {**BY, "burn": 50}, "order_id": "3", "hold_for": timedelta(minutes=9)}),
    ("confirm", ("3",), {}),
    ("reserve", (HELMET,), {"quoted": {**BY, "burn": 50}, "order_id": "4", "hold_for": timedelta(minutes=9)}),
    ("cancel", ("4",), {}),
    ("place_unseen", (HELMET,), {"order_id": "5"}),
    ("attach", ("5",), {**BY}),
    ("refund", ("1",), {"return_id": "r", "lines": {"helmet": 1}}),
    ("earn", (40,), {**HAND, "ref": "t-1", "expires_at": NOON + DAY}),
    ("adjust_down", (15,), {**HAND, "ref": "t-2", "reason": "twice"}),
    ("reverse_adjustment", ("t-2",), {**HAND, "ref": "t-3"}),
    ("burn", (10,), {**BY, "ref": "b"}),
    ("refund_burn", ("b",), {**BY, "ref": "b-back"}),
    ("hold", (10,), {**BY, "ref": "h", "until": NOON + DAY}),
    ("capture", ("h", 5), {**BY}),
    ("hold", (10,), {**BY, "ref": "h2", "until": NOON + DAY}),
    ("void", ("h2",), {**BY}),
    ("touch", (), {**BY, "ref": "seen"}),
    ("transfer", (10,), {**BY, "to": "n", "ref": "gift"}),
    ("undo_transfer", ("gift",), {**BY, "taker": "n"}),
    ("overview", ("m",), {}),
    ("membership", ("m",), {}),
    ("order", ("1",), {}),
    ("statement", ("m",), {"window": Window(starts_at=NOON - DAY, ends_at=None)}),
    ("later", (timedelta(days=3),), {}),
    ("sweep", (), {}),
    ("forget", ("m",), {"alias": "nobody"}),
]
STORY.insert(28, ("release", ("delivered",), {**BY, "ref": "never"}))
CARDS = CardNumbers(SecretKey("pepper-2", bytes(range(1, 33))), older=[SecretKey("pepper-1", bytes(range(32)))])
CODE, NUMBER = SPACE.code(0), CARDS.number(b"1" * 16)
CARD = card_id_of("g-1")
DESK = {"actor": "desk"}
STORY[5:5] = [
    ("issue_codes", ("welcome", 3), {"ref": "mail", "by": "me"}),
    ("grant", ("welcome",), {**BY, "ref": "t-1", "by": "me"}),
    ("grant", ("sorry",), {**BY, "ref": "t-1", "by": "me"}),
    ("coupons", ("m",), {}),
    ("quote", (HELMET,), {**BY, "codes": [CODE, "GOOD25", "?!"], "client": "c"}),
    ("place", (HELMET,), {"quoted": {**BY, "codes": [CODE]}, "order_id": "c-1"}),
    ("quote", (HELMET,), {"codes": [SPACE.code(n) for n in range(2, 7)], "client": "c"}),
    ("coupon", (CODE,), {}),
    ("coupon", ("NOSUCH",), {}),
    ("stop", ("welcome",), {"by": "me"}),
    ("resume", ("welcome",), {"by": "me"}),
    ("revoke_coupon", (f"{SPACE.space_id}/{SPACE.key_id}/1",), {"reason": "leaked", "by": "me"}),
    ("cards.issue", (GIFT,), {"ref": "g-1", "entropy": b"1" * 16, "expires_at": None}),
    ("cards.load", (CARD, GIFT), {"ref": "top", "expires_at": NOON + DAY}),
    ("cards.find", (NUMBER,), {}),
    ("cards.balance", (NUMBER,), {"client": "d"}),
    ("quote", (HELMET,), {"gift_cards": [NUMBER, "?!"], "cards": [CARD], "client": "d"}),
    ("place_unseen", (HELMET,), {"gift_cards": [NUMBER], "order_id": "c-2"}),
    ("cards.card", (CARD,), {}),
    ("cards.statement", (CARD,), {"window": Window(starts_at=None, ends_at=None)}),
    ("cards.block", (CARD,), {"reason": "lost", **DESK}),
    ("cards.unblock", (CARD,), {"reason": "found", **DESK}),
    ("cards.replace", (CARD,), {"ref": "g-2", "entropy": b"2" * 16, **DESK}),
    ("cards.replace", (CARD,), {"ref": "g-3", "entropy": b"3" * 16, **DESK}),
    ("cards.rotate_peppers", (), {}),
]


class TestAsync:
    @pytest.mark.law(32)
    def test_limits_are_counted(self) -> None:
        """As by ``Loyalty``: of twenty orders in one loop three have what there is for three."""
        offer = Offer("first-three", give=PercentOff("25"), limits=Limits(total=3))
        program = attrs.evolve(PROGRAM, book=attrs.evolve(PROGRAM.book, offers=[offer]))
        shop = AsyncLoyalty(program, Awaited(), clock=Clock(), retries=100)

        async def order(number: int) -> bool:
            quote = await shop.quote(HELMET)
            try:
                await shop.place(quote, order_id=f"o-{number}")
            except RefusedError:
                return False
            return bool(quote.offers.applied)

        async def many() -> int:
            return sum(await asyncio.gather(*map(order, range(20))))

        assert run(many()) == 3

    def test_many_at_once(self) -> None:
        """Twenty calls for one member race in one loop: each does its part once."""
        shop = AsyncLoyalty(PROGRAM, Awaited(), clock=Clock(), retries=100)

        async def many() -> int:
            given = await asyncio.gather(*(shop.record("review", member_id="m", ref=f"r{n // 2}") for n in range(20)))
            assert {one.units for one in given} == {50}
            return (await shop.overview("m")).balance.available

        assert run(many()) == 500

    def test_the_hook_is_awaited(self) -> None:
        """Within the commit, with the repository's transaction; what it raises undoes it."""
        seen = list[Projected]()

        async def project(projected: Projected) -> None:
            await later(None)
            if projected.command.key == "record:no":
                raise ConnectionError
            seen.append(projected)

        repository = Awaited()
        shop = AsyncLoyalty(PROGRAM, repository, clock=Clock(), project=project)
        run(shop.join("m"))
        with pytest.raises(ConnectionError):
            run(shop.record("review", member_id="m", ref="no"))
        assert [one.transaction for one in seen] == ["transaction"]
        assert len(run(shop.membership("m")).ledgers) == 0

    def test_the_hook_hears_of_states_alone(self) -> None:
        """A commit that changes no object says nothing, as of the calls that do not wait."""
        stream, joined = member_stream("m"), MemberJoined(member_id="m", at=NOON)
        command = Command.of(stream, Key("join"), actor="test")
        seen = list[Projected]()

        async def project(projected: Projected) -> None:
            seen.append(await later(projected))

        def steps() -> Steps[None]:
            change = Append(stream=stream, expected_version=0, facts=[joined])
            yield Commit(command, (change,), Projected(command, (), NOON))

        shop = AsyncLoyalty(PROGRAM, Awaited(), clock=Clock(), project=project)
        run(shop._run(steps()))
        assert seen == []
        assert run(shop.membership("m")).joined_at == NOON

    def test_refusals_and_faults_come_through(self) -> None:
        """As they are, from the call that was awaited."""
        shop = AsyncLoyalty(PROGRAM, Awaited(), clock=Clock())
        with pytest.raises(RefusedError):
            run(shop.confirm("1"))

        class Broken(Awaited):
            async def load(self, *_: object) -> Mapping[StreamId, StoredStream]:
                raise ConnectionError

        with pytest.raises(ConnectionError):
            run(AsyncLoyalty(PROGRAM, Broken(), clock=Clock(), snapshot_every=0).overview("m"))

    def test_a_race_lost_too_often(self) -> None:
        """It says so."""

        class Raced(Awaited):
            async def commit(self, *_: object) -> None:
                raise ConflictError

        with pytest.raises(ConflictError):
            run(AsyncLoyalty(PROGRAM, Raced(), clock=Clock(), retries=2).join("m"))

    def test_snapshots_are_kept(self) -> None:
        """As by ``Loyalty``."""
        repository = Awaited()
        shop = AsyncLoyalty(PROGRAM, repository, clock=Clock(), snapshot_every=3)

        async def several() -> None:
            for number in range(7):
                await shop.record("review", member_id="m", ref=f"r{number}")

        run(several())
        tail = repository.inner.load_tails([StreamId("member/m")], form=SNAPSHOT_FORM)[StreamId("member/m")]
        assert tail.snapshot is not None
        assert len(tail.facts) < 3

    @pytest.mark.parametrize("arguments", [{"retries": -1}, {"retries": 101}, {"snapshot_every": -1}, {"retries": True}], ids=str)
    def test_numbers_are_checked(self, arguments: dict[str, Any]) -> None:
        """As for ``Loyalty``."""
        with pytest.raises(UsageError):
            AsyncLoyalty(PROGRAM, Awaited(), **arguments)

    def test_a_hook_needs_a_repository_that_can(self) -> None:
        """Told at once."""

        class Bare:
            """Has nothing."""

        async def project(_: Projected) -> None:
            """Do nothing."""

        with pytest.raises(UsageError, match="project needs a repository that has commit_then, got Bare"):
            AsyncLoyalty(PROGRAM, Bare(), project=project)  # type: ignore[arg-type]  # a wrong value on purpose

    def test_the_default_clock_runs(self) -> None:
        """Without a clock of the shop's it is now."""
        shop = AsyncLoyalty(PROGRAM, Awaited())
        assert run(shop.quote(Basket.of("EUR", {"a": "1.00"}))).at > NOON
