"""Referrals at the service: no code stops a sign-up, one answer to every bad code, and everything once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any

import attrs
import pytest

from loyaltycore import Basket, Loyalty, Money, Reason, RefusedError, UsageError
from loyaltycore._frozen import FrozenMap
from loyaltycore._referral_steps import HASHES_LIMIT, OWN_CODES_LIMIT, TRIES_LIMIT
from loyaltycore.benefits import AmountOff, BonusPoints, Per
from loyaltycore.conditions import first_order, spend_at_least
from loyaltycore.coupons import CodeBook, CodeSpace, Coupon, SecretKey
from loyaltycore.errors import ConflictError, LimitReachedError, Refusal
from loyaltycore.facts import Change, Claim, Command
from loyaltycore.identity import CounterId, Key, StreamId, coupon_stream, member_stream, referral_code_stream, referral_stream
from loyaltycore.ladders import Ladder
from loyaltycore.periods import Period, Window
from loyaltycore.program import Program
from loyaltycore.referrals import (
    After,
    ReferralCase,
    ReferralProgram,
    ReferralStatus,
)
from loyaltycore.repositories import Claimed, Repository, StoredStream
from loyaltycore.rewards import PayOut, PayoutStatus
from loyaltycore.store.memory import MemoryRepository
from tests.test_coupon_steps import Recorder
from tests.test_services import HELMET, NOON, PROGRAM, Clock, LossyRepository, lost, outrun, refusal_of

DAY = timedelta(days=1)
FORTNIGHT = 14 * DAY
BELL = Basket.of("EUR", {"bell": "12.50"})
CARD = "sha256:4242"


def eur(text: str) -> Money:
    """Give euros."""
    return Money.of(text, "EUR")


FRIENDS = ReferralProgram(
    "friends",
    codes="VELO-####-####",
    qualifies=first_order() & spend_at_least(eur("40.00")),
    friend=AmountOff(eur("10.00"), per=Per.BASKET),
    advocate=Ladder.of({1: BonusPoints(500, expires=None), 3: AmountOff(eur("15.00"), per=Per.BASKET)}),
    after=Period(days=14),
)


def program(**more: Any) -> Program:  # noqa: ANN401  # whatever a referral program takes
    """Give the program with referrals."""
    return attrs.evolve(PROGRAM, referrals=attrs.evolve(FRIENDS, **more))


REFERRALS = program()


def open_shop(
    rules: Program = REFERRALS,
    store: Repository | None = None,
    clock: Clock | None = None,
    **more: Any,  # noqa: ANN401  # whatever the shop takes
) -> Loyalty:
    """Open a shop where friends bring friends."""
    return Loyalty(rules, MemoryRepository() if store is None else store, clock=clock or Clock(), **more)


def joined(shop: Loyalty, friend_id: str, code: str | None = None, **more: Any) -> ReferralStatus:  # noqa: ANN401
    """Let somebody sign up, and say how the referral stands."""
    assert shop.join(friend_id, referral_code=code, **more).member_id == friend_id
    return shop.referrals.of(friend_id).status


def reason_of(shop: Loyalty, friend_id: str) -> Reason | None:
    """Give why the last code was refused."""
    refused = shop.referrals.of(friend_id).refused
    return None if refused is None else refused.reason


def bought(shop: Loyalty, friend_id: str, order_id: str, basket: Basket = HELMET) -> None:
    """Let somebody order."""
    shop.place(shop.quote(basket, member_id=friend_id), order_id=order_id)


def versions(store: Repository, *streams: StreamId) -> list[int]:
    """Count the facts of streams."""
    loaded = store.load(streams)
    return [loaded[stream].version for stream in streams]


class Closed:
    """A guard of the shop's own, that lets nobody in."""

    guard_id = "closed-1"

    def check(self, _: ReferralCase) -> Refusal | None:
        """Say no."""
        return Refusal(Reason.REFERRAL_GUARDED)


class TestJoin:
    def test_without_a_code_it_is_what_it_was(self) -> None:
        """One fact, one receipt; no referral is written, whatever the program says."""
        for rules in (PROGRAM, REFERRALS):
            store = LossyRepository()
            shop = open_shop(rules, store)
            first = shop.join("m-1")
            assert store.calls == ["receipt", "load", "commit"]
            assert shop.join("m-1") == first
            assert versions(store, member_stream("m-1"), referral_stream("m-1")) == [1, 0]

    def test_a_friend_joins(self) -> None:
        """The referral says who brought the friend, and the friend's coupon comes with the same commit."""
        store = MemoryRepository()
        shop = open_shop(store=store)
        code = shop.referrals.code("ann").code
        assert joined(shop, "bob", code) is ReferralStatus.JOINED
        referral = shop.referrals.of("bob")
        assert (referral.advocate_id, referral.program_id, referral.joined_at) == ("ann", "friends", NOON)
        held = shop.membership("bob").coupons[referral.coupon_id]
        assert held.campaign_id == "friends-friend"
        assert "bob" not in referral.coupon_id
        assert shop.coupons("bob")[0].coupon_id == referral.coupon_id
        assert versions(store, coupon_stream(referral.coupon_id)) == [1]
        quote = shop.quote(HELMET, member_id="bob")
        assert [one.offer_id for one in quote.offers.applied] == ["friends-friend"]

    def test_whatever_it_is_typed_like(self) -> None:
        """Case, blanks, dashes and look-alikes do not matter."""
        shop = open_shop()
        code = shop.referrals.code("ann").code
        for number, typed in enumerate((code.lower(), code.replace("-", " "), code.replace("0", "O"), f"  {code}\n")):
            assert joined(shop, f"f-{number}", typed) is ReferralStatus.JOINED

    def test_a_program_without_a_friends_benefit(self) -> None:
        """The friend holds nothing."""
        shop = open_shop(program(friend=None))
        assert joined(shop, "bob", shop.referrals.code("ann").code) is ReferralStatus.JOINED
        assert not shop.referrals.of("bob").coupon_id
        assert not shop.membership("bob").coupons

    def test_a_coupon_is_for_as_long_as_the_program_says(self) -> None:
        """It ends with the local day."""
        shop = open_shop(program(friend_valid_for=Period(days=30)))
        joined(shop, "bob", shop.referrals.code("ann").code)
        held = shop.membership("bob").coupons[shop.referrals.of("bob").coupon_id]
        assert held.ends_at == REFERRALS.calendar.first_instant((NOON + 31 * DAY).date())

    def test_without_referrals_a_code_leads_nowhere(self) -> None:
        """Nothing is asked for, and nothing raised."""
        store = LossyRepository()
        shop = open_shop(PROGRAM, store)
        assert joined(shop, "bob", "VELO-0000-0000") is ReferralStatus.NONE
        assert store.calls == ["receipt", "load", "commit", "load"]

    @pytest.mark.parametrize("empty", ["", " ", "\n\t "])
    def test_an_empty_field_is_no_code(self, empty: str) -> None:
        """A form sends what nobody filled in."""
        assert joined(open_shop(), "bob", empty) is ReferralStatus.NONE

    @pytest.mark.parametrize(
        "text",
        ["🚲🚲🚲", "x" * 10**6, "\0", "\ud800", "?!", "NOSUCH", "VELO-0000-0001", "'; DROP TABLE member", "ＶＥＬＯ"],  # noqa: RUF001
        ids=range(9),
    )
    def test_text_of_any_kind_is_refused_and_not_raised(self, text: str) -> None:
        """Whatever a person pastes into the field, the sign-up goes on."""
        shop = open_shop()
        assert joined(shop, "bob", text) is ReferralStatus.REFUSED
        assert joined(shop, "bob", text) is ReferralStatus.REFUSED
        assert reason_of(shop, "bob") is Reason.REFERRAL_CODE_UNKNOWN
        assert versions(shop.repository, referral_stream("bob")) == [1]
        assert shop.membership("bob").joined_at == NOON

    def test_what_begins_alike_is_refused_once(self) -> None:
        """Of long text only the beginning is kept."""
        shop = open_shop()
        for end in ("a", "b"):
            assert joined(shop, "bob", "!" * 900 + end) is ReferralStatus.REFUSED
        assert versions(shop.repository, referral_stream("bob")) == [1]

    def test_the_log_says_how_far_a_code_was_read(self) -> None:
        """A slip of typing is told from a code that was never given."""
        shop = open_shop()
        code = shop.referrals.code("ann").code
        typo = code[:-1] + ("0" if code[-1] != "0" else "1")
        seen = dict[str, str]()
        for friend_id, text in (("f-1", typo), ("f-2", "VELO-#"), ("f-3", "SHORT")):
            joined(shop, friend_id, text)
            refused = shop.referrals.of(friend_id).refused
            assert refused is not None
            seen[friend_id] = refused.details["verdict"]
        assert seen == {"f-1": "check", "f-2": "symbol", "f-3": "length"}

    def test_what_is_no_text_changes_nothing(self) -> None:
        """A mistake of the caller's is told before anything is written."""
        shop = open_shop()
        calls: list[Callable[[], object]] = [
            partial(shop.join, "bob", referral_code=42),  # type: ignore[arg-type]
            partial(shop.join, "bob", identity_hashes=CARD),
            partial(shop.join, "bob", identity_hashes=["\0"]),
            partial(shop.join, "bob", identity_hashes=[str(n) for n in range(HASHES_LIMIT + 1)]),
            partial(shop.join, "", referral_code="VELO"),
        ]
        for call in calls:
            with pytest.raises(UsageError):
                call()
        assert shop.membership("bob").version == 0

    def test_again_answers_the_same(self) -> None:
        """A repeated sign-up changes nothing, also when the code is given to somebody meanwhile."""
        store = MemoryRepository()
        shop = open_shop(store=store)
        code = shop.referrals.code("ann").code
        answers = [shop.join("bob", referral_code=code), shop.join("bob", referral_code=code.lower())]
        assert answers[0] == answers[1]
        assert joined(shop, "cat", "BIKER") is ReferralStatus.REFUSED
        shop.referrals.code("ann", wish="BIKER")
        assert joined(shop, "cat", "BIKER") is ReferralStatus.REFUSED
        assert versions(store, referral_stream("bob"), referral_stream("cat")) == [1, 1]

    def test_after_a_slip_another_code_is_taken(self) -> None:
        """A refused friend may try again, and one that joined may not."""
        shop = open_shop()
        ann, cat = (shop.referrals.code(name).code for name in ("ann", "cat"))
        assert joined(shop, "bob", "NOSUCH") is ReferralStatus.REFUSED
        assert joined(shop, "bob", ann) is ReferralStatus.JOINED
        assert joined(shop, "bob", cat) is ReferralStatus.JOINED
        assert (shop.referrals.of("bob").advocate_id, reason_of(shop, "bob")) == ("ann", Reason.REFERRAL_ALREADY_REFERRED)

    def test_nobody_mistypes_so_often(self) -> None:
        """Beyond that a code is not looked at, good or bad, and the stream grows no more."""
        store = MemoryRepository()
        shop = open_shop(store=store)
        code = shop.referrals.code("ann").code
        for number in range(TRIES_LIMIT + 3):
            joined(shop, "bob", f"GUESS{number}")
        assert versions(store, referral_stream("bob")) == [TRIES_LIMIT]
        assert joined(shop, "bob", code) is ReferralStatus.REFUSED

    def test_a_member_of_long_standing_may_be_brought(self) -> None:
        """The code comes later, before the first order."""
        shop = open_shop()
        first = shop.join("bob")
        assert shop.join("bob", referral_code=shop.referrals.code("ann").code) == first
        assert shop.referrals.of("bob").status is ReferralStatus.JOINED


def circle(shop: Loyalty) -> str:
    """Let the friend have brought the advocate."""
    joined(shop, "ann", shop.referrals.code("bob").code)
    return shop.referrals.code("ann").code


def customer(shop: Loyalty) -> str:
    """Let the friend have ordered."""
    bought(shop, "bob", "before")
    return shop.referrals.code("ann").code


def brought(shop: Loyalty) -> str:
    """Let somebody else have brought the friend."""
    joined(shop, "bob", shop.referrals.code("cat").code)
    return shop.referrals.code("ann").code


def recognised(shop: Loyalty) -> str:
    """Let the advocate have the friend's card."""
    shop.join("ann", identity_hashes=[CARD])
    return shop.referrals.code("ann").code


def crowded(shop: Loyalty) -> str:
    """Let the advocate have brought as many as a day allows."""
    code = shop.referrals.code("ann").code
    for number in range(2):
        assert joined(shop, f"f-{number}", code) is ReferralStatus.JOINED
    return code


CASES: Mapping[str, tuple[Reason, Callable[[Loyalty], str]]] = {
    "unknown": (Reason.REFERRAL_CODE_UNKNOWN, lambda _: "NOSUCH"),
    "a slip": (Reason.REFERRAL_CODE_UNKNOWN, lambda _: "VELO-0000-0001"),
    "no code": (Reason.REFERRAL_CODE_UNKNOWN, lambda _: "🚲" * 100),
    "one's own": (Reason.REFERRAL_SELF, lambda shop: shop.referrals.code("bob").code),
    "brought by another": (Reason.REFERRAL_ALREADY_REFERRED, brought),
    "a customer": (Reason.REFERRAL_ALREADY_CUSTOMER, customer),
    "in a circle": (Reason.REFERRAL_CIRCULAR, circle),
    "recognised": (Reason.REFERRAL_IDENTITY_KNOWN, recognised),
    "too many a day": (Reason.REFERRAL_VELOCITY_REACHED, crowded),
    "guarded": (Reason.REFERRAL_GUARDED, lambda shop: shop.referrals.code("ann").code),
}


class MaskedRecorder(Recorder):
    """Writes down every call; counters by their kind alone, since their names are digests."""

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        """Note how many of each kind, none of them twice."""
        assert len(set(streams)) == len(streams)
        return super().load(streams)

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Note what is written."""
        masked = [_masked(change) for change in changes]
        super().commit(command, changes)
        self.calls[-1] = ("commit", tuple(masked))

    def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: Any) -> Mapping[CounterId, Claimed]:  # noqa: ANN401
        """Note which kinds of counters."""
        answer = super().claimed(counters, key=key, at=at)
        self.calls[-1] = ("claimed", tuple(name.partition("/")[0] for name in counters))
        return answer


def _masked(change: Change) -> tuple[str, ...]:
    if isinstance(change, Claim):
        return (change.counter.partition("/")[0], str(change.amount))
    return (type(change).__name__, change.stream.partition("/")[0])


@pytest.mark.law(44)
class TestOneAnswer:
    @pytest.mark.parametrize("name", CASES)
    def test_every_refusal_says_why_in_the_log(self, name: str) -> None:
        """The sign-up goes on, and the referral says which rule said no."""
        reason, prepared = CASES[name]
        shop = open_shop(program(joins_per_day=2, guards=(Closed(),) if name == "guarded" else ()))
        code = prepared(shop)
        status = joined(shop, "bob", code, identity_hashes=[CARD])
        assert status is (ReferralStatus.JOINED if name == "brought by another" else ReferralStatus.REFUSED)
        assert reason_of(shop, "bob") is reason
        assert reason.public == "referral_invalid"

    def test_every_refusal_asks_the_same(self) -> None:
        """Unknown, own, somebody else's: as many streams, counters and commits, so that time tells nothing either."""
        seen, answers = dict[str, str](), set[object]()
        for name, (_, prepared) in CASES.items():
            recorder = MaskedRecorder(MemoryRepository())
            shop = open_shop(program(joins_per_day=2, guards=(Closed(),) if name == "guarded" else ()), recorder)
            code = prepared(shop)
            shop.join("bob", identity_hashes=[CARD])
            recorder.calls.clear()
            answers.add(shop.join("bob", referral_code=code, identity_hashes=[CARD]))
            seen[name] = str(recorder.calls)
        assert set(seen.values()) == {seen["unknown"]}
        assert len(answers) == 1


class TestInBetween:
    def test_two_bring_each_other(self) -> None:
        """Whoever is outrun looks again, and finds the circle."""
        store, rules = LossyRepository(), program(friend=None)  # so that joining writes to the referral alone
        shop = open_shop(rules, store)
        other = open_shop(rules, store.inner)
        ann, bob = (shop.referrals.code(name).code for name in ("ann", "bob"))
        for name in ("ann", "bob"):
            shop.join(name)
        store.before["commit"] = [partial(other.join, "ann", referral_code=bob)]
        assert joined(shop, "bob", ann) is ReferralStatus.REFUSED
        assert reason_of(shop, "bob") is Reason.REFERRAL_CIRCULAR
        assert shop.referrals.of("ann").advocate_id == "bob"

    def test_the_friend_orders(self) -> None:
        """A customer by the time it is kept is one that is not brought."""
        store = LossyRepository()
        shop = open_shop(store=store)
        ann = shop.referrals.code("ann").code
        shop.join("bob")
        store.before["commit"] = [partial(bought, open_shop(store=store.inner), "bob", "first")]
        assert joined(shop, "bob", ann) is ReferralStatus.REFUSED
        assert reason_of(shop, "bob") is Reason.REFERRAL_ALREADY_CUSTOMER


class TestIdentities:
    def test_a_card_is_known_once(self) -> None:
        """Whoever came first with it has it, and nobody else is brought with it: not by the same advocate, nor another."""
        shop = open_shop()
        code = shop.referrals.code("ann").code
        assert joined(shop, "bob", code, identity_hashes=[CARD, "device"]) is ReferralStatus.JOINED
        assert joined(shop, "cat", code, identity_hashes=["other", CARD]) is ReferralStatus.REFUSED
        refused = shop.referrals.of("cat").refused
        assert refused is not None
        assert (refused.reason, refused.details["hashes"]) == (Reason.REFERRAL_IDENTITY_KNOWN, "1")
        assert joined(shop, "dan", code, identity_hashes=["other"]) is ReferralStatus.REFUSED

    def test_an_advocate_is_known_without_a_code(self) -> None:
        """What a member signed up with is known, also where nobody brought the member."""
        for rules in (REFERRALS, PROGRAM):
            store = MemoryRepository()
            open_shop(rules, store).join("ann", identity_hashes=[CARD])
            shop = open_shop(store=store)
            assert joined(shop, "bob", shop.referrals.code("ann").code, identity_hashes=[CARD]) is ReferralStatus.REFUSED
            assert reason_of(shop, "bob") is Reason.REFERRAL_IDENTITY_KNOWN

    def test_ones_own_is_no_hindrance(self) -> None:
        """The same person again, with the same card."""
        shop = open_shop()
        code = shop.referrals.code("ann").code
        shop.join("bob", identity_hashes=[CARD])
        assert joined(shop, "bob", code, identity_hashes=[CARD, CARD]) is ReferralStatus.JOINED

    def test_later_calls_add_to_what_is_known(self) -> None:
        """A card that comes with a later call is known from then on; asked again, nothing is claimed twice."""
        store = LossyRepository()
        shop = open_shop(store=store)
        for hashes in ([CARD], [CARD, "second"], ["second", CARD]):
            shop.join("ann", identity_hashes=hashes)
        assert store.calls.count("commit") == 3
        assert joined(shop, "bob", shop.referrals.code("ann").code, identity_hashes=["second"]) is ReferralStatus.REFUSED

    def test_no_name_is_kept_in_a_counter_or_a_key(self) -> None:
        """Neither who somebody is, nor the hash: a list of counters tells nothing."""
        store = MemoryRepository()
        shop = open_shop(program(joins_per_day=5), store)
        shop.join("bob-42", referral_code=shop.referrals.code("ann-42").code, identity_hashes=[CARD])
        claims = [f"{one.counter} {one.key}" for one in store.claims(after=None, limit=100)]
        assert len(claims) == 2
        assert not any(word in text for text in claims for word in ("bob-42", "ann-42", CARD))
        keys = [str(one.command.key) for one in store.commits(after=None, limit=100)]
        assert not any(word in key for key in keys for word in ("bob-42", "ann-42", "VELO"))

    def test_who_is_outrun_looks_again(self) -> None:
        """Somebody takes the card between the look and the claim: it is theirs, and the sign-up goes on."""
        store = LossyRepository()
        shop = open_shop(store=store)
        code = shop.referrals.code("ann").code

        other = open_shop(store=store.inner)
        store.before["commit"] = [lambda: None, partial(other.join, "eve", identity_hashes=[CARD])]
        assert joined(shop, "bob", code, identity_hashes=[CARD]) is ReferralStatus.REFUSED
        assert reason_of(shop, "bob") is Reason.REFERRAL_IDENTITY_KNOWN
        assert joined(shop, "eve", code, identity_hashes=[CARD]) is ReferralStatus.JOINED

    def test_a_race_is_lost_so_often(self) -> None:
        """What a database calls a conflict is tried again, as often as the shop says."""
        store = LossyRepository()
        shop = open_shop(store=store, retries=1)
        store.before["commit"] = [lambda: None, outrun]
        shop.join("ann", identity_hashes=[CARD])
        store.before["commit"] = [outrun, outrun]
        with pytest.raises(ConflictError):
            shop.join("ann", identity_hashes=["second"])
        assert shop.join("ann", identity_hashes=["second"]).member_id == "ann"

    def test_a_store_that_says_there_is_no_room(self) -> None:
        """Somebody can be faster once with each card; a store that says so again is not asked for ever."""
        store = LossyRepository()
        shop = open_shop(store=store)
        shop.join("ann")

        def full() -> None:
            raise LimitReachedError("identity")  # noqa: EM101 - the name of a counter

        store.before["commit"] = [full, full, full]
        with pytest.raises(LimitReachedError):
            shop.join("ann", identity_hashes=[CARD])

    def test_the_same_call_twice_at_once(self) -> None:
        """The other one claimed what this one is about to claim."""
        store = LossyRepository()
        shop = open_shop(store=store)
        shop.join("ann")
        store.before["commit"] = [partial(open_shop(store=store.inner).join, "ann", identity_hashes=[CARD])]
        shop.join("ann", identity_hashes=[CARD])
        assert len(store.inner.claims(after=None, limit=10)) == 1  # type: ignore[attr-defined]


class TestVelocity:
    def test_a_day_is_a_local_day(self) -> None:
        """As many as the program says until midnight in Paris; then as many again."""
        clock = Clock(NOON.replace(hour=21))
        shop = open_shop(program(joins_per_day=2), clock=clock)
        code = shop.referrals.code("ann").code
        names = (f"f-{number}" for number in count())
        seen = [joined(shop, next(names), code) for _ in range(3)]
        assert seen == [ReferralStatus.JOINED, ReferralStatus.JOINED, ReferralStatus.REFUSED]
        claims = shop.repository.claims(after=None, limit=9)  # type: ignore[attr-defined]  # memory can list them
        assert {(one.counter[-11:], one.until) for one in claims} == {("/2026-07-01", NOON.replace(hour=22))}
        clock.at = NOON.replace(hour=22)
        assert joined(shop, next(names), code) is ReferralStatus.JOINED

    def test_others_are_not_counted(self) -> None:
        """Each advocate has a day's number, and a friend who was refused takes none of it."""
        shop = open_shop(program(joins_per_day=1))
        ann, eve = shop.referrals.code("ann").code, shop.referrals.code("eve").code
        bought(shop, "old", "1")
        assert joined(shop, "old", ann) is ReferralStatus.REFUSED
        assert joined(shop, "f-1", ann) is ReferralStatus.JOINED
        assert joined(shop, "f-2", eve) is ReferralStatus.JOINED
        assert joined(shop, "f-3", eve) is ReferralStatus.REFUSED

    def test_who_is_outrun_is_refused(self) -> None:
        """The last place of the day goes to whoever was faster."""
        store = LossyRepository()
        shop = open_shop(program(joins_per_day=1), store)
        code = shop.referrals.code("ann").code
        other = open_shop(program(joins_per_day=1), store.inner)
        store.before["commit"] = [lambda: None, partial(other.join, "eve", referral_code=code)]
        assert joined(shop, "bob", code) is ReferralStatus.REFUSED
        assert reason_of(shop, "bob") is Reason.REFERRAL_VELOCITY_REACHED


class TestCodes:
    def test_a_member_has_one_code(self) -> None:
        """The same call gives the same; the code is the member's fact, and its stream says whose it is."""
        store = MemoryRepository()
        shop = open_shop(store=store)
        code = shop.referrals.code("ann")
        assert shop.referrals.code("ann") == code
        assert code.code.startswith("VELO-")
        assert shop.membership("ann").referral_code == code.code
        assert versions(store, member_stream("ann"), referral_code_stream(code.code)) == [1, 1]
        assert code.link("https://shop.example/join?lang=fr") == f"https://shop.example/join?lang=fr&ref={code.code}"

    def test_codes_are_several(self) -> None:
        """Whatever members are called, no two have one."""
        shop = open_shop(program(codes="V######"))
        codes = {shop.referrals.code(f"m-{number}").folded for number in range(16)}
        assert len(codes) == 16

    def test_words_are_avoided(self) -> None:
        """A code that holds one is not given."""
        plain = open_shop().referrals.code("ann").code
        shop = open_shop(avoid=[plain.replace("-", "")[4:8]])
        other = shop.referrals.code("ann").code
        assert other != plain
        assert not shop.avoid.found_in(other)

    def test_of_the_shops_own_book(self) -> None:
        """A program may take a space of the code book; whoever has no book can give none of it."""
        space = CodeSpace(SecretKey("2026f", bytes(range(32))), pattern="AMI-####-####-####", context="velo")
        rules = program(codes=space)
        store = MemoryRepository()
        shop = open_shop(rules, store, codes=CodeBook([space]))
        code = shop.referrals.code("ann").code
        assert space.read(code).is_genuine
        assert joined(shop, "bob", code) is ReferralStatus.JOINED
        without = open_shop(rules, store)
        assert without.referrals.code("ann").code == code
        assert joined(without, "cat", code) is ReferralStatus.JOINED
        with pytest.raises(UsageError, match="codes must be a CodeBook with the space of the referrals"):
            without.referrals.code("eve")

    def test_where_all_are_given(self) -> None:
        """Codes of a small space run out; it is said, and nothing is written."""
        space = CodeSpace(SecretKey("friends", bytes(range(32))), pattern="V######", context="velo", tag=4, weak=True)
        shop = open_shop(program(codes=space), codes=CodeBook([space], attempts=10_000))
        seen = list[Reason | str]()
        for number in range(33):
            try:
                seen.append(shop.referrals.code(f"m-{number}").folded)
            except RefusedError as error:
                seen.append(error.refusal.reason)
                assert shop.membership(f"m-{number}").version == 0
        given = set(seen) - {Reason.CODES_EXHAUSTED}
        assert Reason.CODES_EXHAUSTED in seen
        assert 16 < len(given) <= 32

    def test_a_wish(self) -> None:
        """A code of one's own, shown in capitals and read in any form; the other one still leads to its member."""
        shop = open_shop()
        first = shop.referrals.code("ann").code
        wished = shop.referrals.code("ann", wish="  biker-Zoé ")
        assert wished.code == "BIKER-ZOÉ"
        assert shop.referrals.code("ann", wish="Biker Zoe") == wished
        assert shop.referrals.code("ann").code == wished.code
        for friend_id, code in (("bob", first), ("cat", "bikerzoe")):
            assert joined(shop, friend_id, code) is ReferralStatus.JOINED
            assert shop.referrals.of(friend_id).advocate_id == "ann"

    def test_a_wish_that_is_taken(self) -> None:
        """Look-alikes are one code; whoever was first has it."""
        shop = open_shop()
        shop.referrals.code("ann", wish="OLIVIA")
        refusal = refusal_of(partial(shop.referrals.code, "eve", wish="0livia"))
        assert (refusal.reason, refusal.details["code"]) == (Reason.REFERRAL_CODE_TAKEN, "0LIVIA")
        assert shop.membership("eve").version == 0

    @pytest.mark.parametrize(
        "wish",
        [
            "",
            "ab",
            "🚲🚲🚲🚲",
            "x" * 10**6,
            "x" * 65,
            "darn it",
            "twenty",
            "VELO-0000-0000",
            "VELO-0000-000",
            "VELO",
            "hi 1234 5678 9012",
        ],
    )
    def test_a_wish_that_is_no_code(self, wish: str) -> None:
        """Too short, no letters, a bad word, another offer's code, what a machine's code looks like."""
        space = CodeSpace(SecretKey("2026a", bytes(range(32))), pattern="HI-####-####-####", context="velo")
        shop = open_shop(avoid=["darn"], codes=CodeBook([space]))
        wish = space.code(7) if wish.startswith("hi") else wish
        is_one = wish.startswith(("HI", "VELO", "darn", "twenty"))
        reason = Reason.REFERRAL_CODE_TAKEN if is_one else Reason.CODE_MALFORMED
        assert refusal_of(partial(shop.referrals.code, "eve", wish=wish)).reason is reason

    def test_a_wish_that_a_machine_could_have_made(self) -> None:
        """Of a pattern that begins with nothing of its own: what has its length and symbols is no wish."""
        shop = open_shop(program(codes="####-####"))
        made = shop.referrals.code("ann").code
        for wish in (made, "7KQ2-88AB", "ABCD EFGH"):
            assert refusal_of(partial(shop.referrals.code, "eve", wish=wish)).reason is Reason.REFERRAL_CODE_TAKEN
        assert shop.referrals.code("eve", wish="ABC-DEF").code == "ABC-DEF"

    def test_the_friends_coupon(self) -> None:
        """It is the friend's, and ends as the program says; the referral says with which code he came."""
        clock = Clock()
        shop = open_shop(program(friend_valid_for=Period(days=9)), clock=clock)
        code = shop.referrals.code("ann")
        shop.join("bob", referral_code=code.code.lower())
        (mine,) = shop.coupons("bob")
        stream = coupon_stream(mine.coupon_id)
        coupon = Coupon.replay(mine.coupon_id, shop.repository.load([stream])[stream].facts)
        local = shop.program.calendar
        ends_at = local.first_instant(local.day_of(clock.at) + 10 * DAY)
        assert (coupon.holder, coupon.starts_at, coupon.ends_at, mine.ends_at) == ("bob", None, ends_at, ends_at)
        assert shop.referrals.of("bob").code == code.folded

    def test_codes_are_few(self) -> None:
        """Each is lost to everybody else: five are had, also by two calls at once; one's own again is no new one."""
        store = LossyRepository()
        shop = open_shop(store=store)
        first = shop.referrals.code("ann")
        wishes = [shop.referrals.code("ann", wish=f"ANN {number}").code for number in range(2, OWN_CODES_LIMIT)]
        assert shop.referrals.code("ann", wish="ann-2").code == wishes[0]
        last = partial(open_shop(store=store.inner).referrals.code, "ann", wish="ANN 8")
        store.before["commit"] = [last]
        refusal = refusal_of(partial(shop.referrals.code, "ann", wish="ANN 9"))
        assert (refusal.reason, refusal.details) == (Reason.REFERRAL_CODES_LIMIT_REACHED, {"limit": OWN_CODES_LIMIT})
        assert shop.referrals.code("ann") == last()
        assert shop.membership("ann").referral_codes == (first.code, *wishes, "ANN 8")
        assert shop.referrals.code("eve", wish="ANN 9").code == "ANN 9"

    def test_somebody_forgotten_begins_anew(self) -> None:
        """Whoever has the id next has as many."""
        shop = open_shop()
        for number in range(OWN_CODES_LIMIT):
            shop.referrals.code("ann", wish=f"ANN {number}")
        shop.forget("ann")
        assert shop.referrals.code("ann", wish="ANN 9").code == "ANN 9"

    def test_a_wish_is_text(self) -> None:
        """Anything else is a mistake of the caller's."""
        with pytest.raises(UsageError, match="wish"):
            open_shop().referrals.code("eve", wish=42)  # type: ignore[arg-type]

    def test_a_program_without_referrals_has_no_codes(self) -> None:
        """It says so."""
        with pytest.raises(UsageError, match="must have referrals"):
            open_shop(PROGRAM).referrals.code("ann")

    def test_two_members_at_once(self) -> None:
        """Whoever is outrun gets the next one."""
        store = LossyRepository()
        shop = open_shop(store=store)
        code = open_shop().referrals.code("ann").code
        store.before["commit"] = [partial(open_shop(store=store.inner).referrals.code, "eve", wish=code[5:])]
        assert shop.referrals.code("ann").code == code
        store.before["commit"] = [partial(open_shop(store=store.inner).referrals.code, "bea", wish="BEE")]
        assert shop.referrals.code("bea").code == "BEE"

    def test_one_wish_twice_at_once(self) -> None:
        """The other call of the same member was faster: it is the member's."""
        store = LossyRepository()
        shop = open_shop(store=store)
        store.before["load"] = [partial(open_shop(store=store.inner).referrals.code, "ann", wish="BEE-1")]
        assert shop.referrals.code("ann", wish="BEE1").code == "BEE-1"

    def test_a_code_that_is_given_away_meanwhile(self) -> None:
        """Between the look and the commit the code finds an owner: it is looked at again."""
        store = LossyRepository()
        shop = open_shop(store=store)
        other = open_shop(store=store.inner)
        store.after["load"] = [lambda: None, partial(other.referrals.code, "ann", wish="BIKER")]
        assert joined(shop, "bob", "BIKER") is ReferralStatus.JOINED

    def test_lost_answers(self) -> None:
        """Called again, the same code comes."""
        for number in range(2):
            store = LossyRepository()
            shop = open_shop(store=store)
            (store.after if number else store.before)["commit"] = [lost]
            with pytest.raises(ConnectionError):
                shop.referrals.code("ann")
            code = shop.referrals.code("ann")
            assert versions(store.inner, member_stream("ann"), referral_code_stream(code.code)) == [1, 1]


def brought_friends(shop: Loyalty, number: int, code: str | None = None, *, since: int = 0) -> list[str]:
    """Let friends of one advocate join and order."""
    code = shop.referrals.code("ann").code if code is None else code
    names = [f"f-{nth}" for nth in range(since, since + number)]
    for name in names:
        assert joined(shop, name, code) is ReferralStatus.JOINED
        bought(shop, name, f"order-{name}")
    return names


def refunded(shop: Loyalty, friend_id: str) -> None:
    """Let all of a friend's order come back."""
    (line,) = shop.order(f"order-{friend_id}").placed.lines  # type: ignore[union-attr]
    shop.refund(f"order-{friend_id}", return_id="r", lines={line.line_id: line.quantity})


def statuses(shop: Loyalty, names: Sequence[str]) -> list[ReferralStatus]:
    """Say how referrals stand."""
    return [shop.referrals.of(name).status for name in names]


def holdings(shop: Loyalty, member_id: str = "ann") -> tuple[int, int]:
    """Give a member's points, and the coupons that can be redeemed."""
    coupons = [one for one in shop.coupons(member_id) if one.refusal is None]
    return shop.overview(member_id).balance.available, len(coupons)


@pytest.mark.law(36)
class TestSettle:
    def test_time_rewards_an_advocate(self) -> None:
        """Two weeks after the order, and not before; swept again, nothing more."""
        clock = Clock()
        shop = open_shop(clock=clock)
        (friend,) = brought_friends(shop, 1)
        assert shop.referrals.of(friend).status is ReferralStatus.QUALIFIED
        due_at = shop.referrals.of(friend).due_at
        assert due_at == REFERRALS.calendar.first_instant((NOON + 15 * DAY).date())
        clock.at = due_at - timedelta(microseconds=1)
        assert shop.sweep().done == 0
        clock.at = due_at
        for done in (1, 0):
            swept = shop.sweep()
            assert (swept.done, swept.failed) == (done, ())
            assert holdings(shop) == (500, 0)
        assert shop.referrals.of(friend).status is ReferralStatus.REWARDED
        assert shop.membership("ann").friends[friend].number == 1

    def test_the_third_friend_brings_a_coupon(self) -> None:
        """Each friend is a rung of the ladder, however many are due at once."""
        clock = Clock()
        shop = open_shop(clock=clock)
        names = brought_friends(shop, 4)
        clock.at += 15 * DAY
        assert shop.sweep().done == 4
        assert holdings(shop) == (1000, 2)
        assert {shop.referrals.of(name).number for name in names} == {1, 2, 3, 4}

    def test_an_order_that_comes_back_in_time_brings_nothing(self) -> None:
        """The friend has joined, as before, and a later order may still count where the program says so."""
        clock = Clock()
        shop = open_shop(program(qualifies=spend_at_least(eur("40.00"))), clock=clock)
        names = brought_friends(shop, 2)
        refunded(shop, names[0])
        assert statuses(shop, names) == [ReferralStatus.JOINED, ReferralStatus.QUALIFIED]
        clock.at += 15 * DAY
        shop.sweep()
        assert holdings(shop) == (500, 0)
        bought(shop, names[0], "second")
        clock.at += 15 * DAY
        shop.sweep()
        assert holdings(shop) == (1000, 0)

    def test_an_order_that_comes_back_later_takes_all_back(self) -> None:
        """The refund does it in the same call; the advocate has what the friends who are left bring."""
        clock = Clock()
        shop = open_shop(clock=clock)
        names = brought_friends(shop, 3)
        clock.at += 15 * DAY
        shop.sweep()
        assert holdings(shop) == (1000, 1)
        for left, held in ((2, (1000, 0)), (1, (500, 0)), (0, (0, 0))):
            refunded(shop, names[2 - left])
            assert holdings(shop) == held
            assert sorted(one.number for one in shop.membership("ann").friends.values()) == list(range(1, left + 1))
        assert statuses(shop, names) == [ReferralStatus.REVERSED] * 3
        assert shop.sweep().done == 0

    def test_a_refund_is_not_lost_with_what_follows(self) -> None:
        """Where the connection breaks after the refund was kept, the refund is answered, and the sweep takes back."""
        clock, store = Clock(), LossyRepository()
        shop = open_shop(clock=clock, store=store)
        (friend,) = brought_friends(shop, 1)
        clock.at += 15 * DAY
        shop.sweep()
        store.before["commit"] = [lambda: None, lost]
        refunded(shop, friend)
        assert holdings(shop) == (500, 0)
        assert shop.referrals.of(friend).status is ReferralStatus.REVERSING
        assert open_shop(clock=clock, store=store.inner).referrals.report().reward == eur("0")
        came_back_at = clock.at
        clock.at += DAY
        assert shop.sweep().done == 1
        assert holdings(shop) == (0, 0)
        assert shop.referrals.of(friend).reversed_at == came_back_at

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_lost_answers(self, when: str) -> None:
        """A sweep whose connection breaks names the stream; the next one does it, once."""
        clock, store = Clock(), LossyRepository()
        shop = open_shop(clock=clock, store=store)
        brought_friends(shop, 1)
        clock.at += 15 * DAY
        getattr(store, when)["commit"] = [lost]
        assert [one.stream for one in shop.sweep().failed] == [referral_stream("f-0")]
        assert not shop.sweep().failed
        assert holdings(shop) == (500, 0)
        assert versions(store.inner, referral_stream("f-0")) == [3]

    def test_two_sweeps_at_once(self) -> None:
        """What one is about to write, the other has written: it is done once."""
        for call in ("load", "receipt", "commit"):
            clock, store = Clock(), LossyRepository()
            shop = open_shop(clock=clock, store=store)
            other = open_shop(clock=clock, store=store.inner)
            brought_friends(shop, 2)
            clock.at += 15 * DAY
            store.before[call] = [other.sweep]
            assert not shop.sweep().failed
            assert holdings(shop) == (1000, 0)

    def test_the_advocate_is_written_to_meanwhile(self) -> None:
        """The sweep looks at the advocate again."""
        clock, store = Clock(), LossyRepository()
        shop = open_shop(clock=clock, store=store)
        other = open_shop(clock=clock, store=store.inner)
        brought_friends(shop, 1)
        clock.at += 15 * DAY
        store.before["commit"] = [partial(other.earn, 7, member_id="ann", ref="gift", expires_at=None, actor="test")]
        assert not shop.sweep().failed
        assert holdings(shop) == (507, 0)

    def test_an_order_comes_back_while_it_is_rewarded(self) -> None:
        """The sweep looks again, and finds nothing to give."""
        clock, store = Clock(), LossyRepository()
        shop = open_shop(clock=clock, store=store)
        other = open_shop(clock=clock, store=store.inner)
        (friend,) = brought_friends(shop, 1)
        clock.at += 15 * DAY
        store.before["commit"] = [partial(refunded, other, friend)]
        assert not shop.sweep().failed
        assert shop.referrals.of(friend).status is ReferralStatus.JOINED
        assert holdings(shop) == (0, 0)

    def test_it_is_the_same_whenever_it_is_written_down(self) -> None:
        """A sweep that comes a month late gives what one in time would have given, as of that day; coupons are valid as long."""
        seen, ends = [], []
        for late in (0, 30):
            clock = Clock()
            shop = open_shop(program(valid_for=Period(days=7)), clock=clock)
            names = brought_friends(shop, 3)
            due_at = shop.referrals.of(names[0]).due_at
            assert due_at is not None
            clock.at = due_at + late * DAY
            shop.sweep()
            member = shop.membership("ann")
            ((name, coupon),) = member.coupons.items()
            assert coupon.ends_at is not None
            ends.append(coupon.ends_at)
            assert [one.coupon_id for one in shop.coupons("ann")] == [name]
            same = attrs.evolve(member, coupons=FrozenMap({name: attrs.evolve(coupon, ends_at=None)}))
            seen.append((same, [shop.referrals.of(name) for name in names]))
        assert seen[0] == seen[1]
        assert ends[1] - ends[0] == 30 * DAY

    def test_a_limit_keeps_a_reward_back(self) -> None:
        """The friend stands all the same, and steps in when another is reversed."""
        clock = Clock()
        shop = open_shop(program(limit_per_year=2), clock=clock)
        names = brought_friends(shop, 3)
        clock.at += 15 * DAY
        shop.sweep()
        assert holdings(shop) == (1000, 0)
        assert statuses(shop, names) == [ReferralStatus.REWARDED, ReferralStatus.REWARDED, ReferralStatus.REJECTED]
        refunded(shop, names[0])
        assert holdings(shop) == (1000, 0)
        assert statuses(shop, names) == [ReferralStatus.REVERSED, ReferralStatus.REWARDED, ReferralStatus.REWARDED]

    def test_cash_is_a_payout(self) -> None:
        """What the shop pays outside is listed, and reversed with the order."""
        clock = Clock()
        shop = open_shop(program(advocate=Ladder.of({1: PayOut(eur("5.00"))})), clock=clock)
        (friend,) = brought_friends(shop, 1)
        clock.at += 15 * DAY
        shop.sweep()
        (payout,) = shop.rewards.payouts().payouts
        assert (payout.member_id, payout.amount, payout.status) == ("ann", eur("5.00"), PayoutStatus.DUE)
        refunded(shop, friend)
        assert [one.status for one in shop.rewards.payouts().payouts] == [PayoutStatus.REVERSED]

    def test_another_program_rewards_nobody(self) -> None:
        """Friends of a program that was taken out of the file wait, and hold nothing up."""
        clock, store = Clock(), MemoryRepository()
        shop = open_shop(clock=clock, store=store)
        (friend,) = brought_friends(shop, 1)
        clock.at += 15 * DAY
        for rules in (PROGRAM, attrs.evolve(PROGRAM, referrals=attrs.evolve(FRIENDS, program_id="others"))):
            assert not open_shop(rules, store, clock).sweep().failed
        assert shop.referrals.of(friend).status is ReferralStatus.QUALIFIED
        shop.sweep()
        assert holdings(shop) == (500, 0)
        refunded(attrs.evolve(shop, program=PROGRAM), friend)
        assert holdings(shop) == (0, 0)

    def test_friends_of_another_program_are_not_counted(self) -> None:
        """They wait, however many: a sweep passes them over, and does what is due behind them."""
        clock, store = Clock(), MemoryRepository()
        old = open_shop(clock=clock, store=store)
        names = brought_friends(old, 3)
        shop = open_shop(attrs.evolve(PROGRAM, referrals=attrs.evolve(FRIENDS, program_id="others")), store, clock)
        clock.at += DAY
        joined(shop, "new", shop.referrals.code("ann").code)
        bought(shop, "new", "o-new")
        clock.at += 20 * DAY
        swept = shop.sweep(1)
        assert (swept.done, swept.failed) == (1, ())
        assert statuses(shop, [*names, "new"]) == [ReferralStatus.QUALIFIED] * 3 + [ReferralStatus.REWARDED]
        assert shop.sweep().done == 0
        assert old.sweep().done == 3

    def test_who_waits_again_was_done(self) -> None:
        """Reversed without the program, with another order since: the first is done, the second waits."""
        clock, store = Clock(), MemoryRepository()
        lossy = LossyRepository(store)
        shop = open_shop(program(qualifies=spend_at_least(eur("40.00"))), lossy, clock)
        (friend,) = brought_friends(shop, 1)
        clock.at += 15 * DAY
        shop.sweep()
        lossy.before["commit"] = [lambda: None, lost]
        refunded(shop, friend)
        bought(shop, friend, "second")
        clock.at += 15 * DAY
        without = open_shop(PROGRAM, store, clock)
        assert without.sweep().done == 1
        assert without.referrals.of(friend).status is ReferralStatus.QUALIFIED
        assert holdings(without) == (0, 0)
        assert without.sweep().done == 0

    @pytest.mark.parametrize("late", [False, True])
    def test_money_without_goods(self, *, late: bool) -> None:
        """A price adjustment leaves too little of what must be spent: before the reward, and after it."""
        clock = Clock()
        shop = open_shop(program(qualifies=spend_at_least(eur("40.00"))), clock=clock)
        (friend,) = brought_friends(shop, 1)
        paid = shop.order(f"order-{friend}").placed
        assert paid is not None
        clock.at += (15 if late else 1) * DAY
        shop.sweep()
        shop.refund(f"order-{friend}", return_id="scratch", amount=eur("1.00"))
        assert holdings(shop) == (500 if late else 0, 0)
        assert shop.referrals.of(friend).orders
        shop.refund(f"order-{friend}", return_id="more", amount=Money(paid.goods_minor - 200, "EUR"))
        assert not shop.referrals.of(friend).orders
        assert holdings(shop) == (0, 0)

    def test_money_that_went_back_before_a_guest_was_known(self) -> None:
        """An order that finds its member qualifies by what is left of it."""
        for amount, status in (("1.00", ReferralStatus.QUALIFIED), ("55.00", ReferralStatus.JOINED)):
            shop = open_shop(program(qualifies=spend_at_least(eur("40.00")), friend=None))
            joined(shop, "bob", shop.referrals.code("ann").code)
            shop.place(shop.quote(HELMET), order_id="guest")
            shop.refund("guest", return_id="r", amount=eur(amount))
            shop.attach("guest", member_id="bob")
            assert shop.referrals.of("bob").status is status

    def test_a_used_coupon_is_what_the_next_friend_brings(self) -> None:
        """One friend stands, one coupon was had; where the order that used it comes back, it can be used again, once."""
        clock = Clock()
        shop = open_shop(program(advocate=Ladder.of({1: AmountOff(eur("15.00"), per=Per.BASKET)})), clock=clock)
        (first,) = brought_friends(shop, 1)
        clock.at += 15 * DAY
        shop.sweep()
        (used,) = [one.coupon_id for one in shop.coupons("ann")]
        shop.place(shop.quote(HELMET, member_id="ann", coupons=[used]), order_id="hers")
        refunded(shop, first)
        assert holdings(shop)[1] == 0
        brought_friends(shop, 1, since=1)
        clock.at += 15 * DAY
        shop.sweep()
        assert holdings(shop)[1] == 0
        shop.refund("hers", return_id="r", lines={line.line_id: line.quantity for line in shop.order("hers").placed.lines})  # type: ignore[union-attr]
        assert holdings(shop)[1] == 1
        assert [one.coupon_id for one in shop.coupons("ann") if one.refusal is None] == [used]

    def test_at_once(self) -> None:
        """A program may not wait; then the next sweep rewards."""
        shop = open_shop(program(after=After.AT_ONCE))
        brought_friends(shop, 1)
        assert shop.sweep().done == 1
        assert holdings(shop) == (500, 0)

    def test_an_advocate_is_forgotten_meanwhile(self) -> None:
        """Between the look and the commit: the reward goes to the books under the alias."""
        clock, store = Clock(), MemoryRepository()
        lossy = LossyRepository(store)
        shop = open_shop(clock=clock, store=lossy)
        (friend,) = brought_friends(shop, 1)
        clock.at += 15 * DAY
        lossy.before["commit"] = [partial(open_shop(store=store, clock=clock).forget, "ann", alias="gone-1")]
        assert not shop.sweep().failed
        assert holdings(shop, "gone-1") == (500, 0)
        assert versions(store, member_stream("ann")) == [0]
        assert shop.referrals.of(friend).advocate_id == "gone-1"

    def test_what_is_not_due_is_left_alone(self) -> None:
        """Asked for a stream where nothing is due, nothing happens."""
        store = MemoryRepository()
        shop = open_shop(store=store)
        brought_friends(shop, 1)
        for name in ("f-0", "nobody", "ann"):
            shop._run(shop._settle_referral(referral_stream(name)))
        assert holdings(shop) == (0, 0)
        assert versions(store, *map(referral_stream, ("f-0", "nobody"))) == [2, 0]


class TestForget:
    def test_an_advocate(self) -> None:
        """The books stay under the alias; the friend's order still moves them; nobody joins with the codes any more."""
        clock, store = Clock(), MemoryRepository()
        shop = open_shop(store=store, clock=clock)
        made = shop.referrals.code("ann").code
        shop.referrals.code("ann", wish="ANN-MARTIN")
        names = brought_friends(shop, 2, made)
        clock.at += 15 * DAY
        shop.sweep()
        shop.forget("ann", alias="gone-1")
        assert holdings(shop, "gone-1") == (1000, 0)
        refunded(shop, names[0])
        assert holdings(shop, "gone-1") == (500, 0)
        kinds = ("member", "referral", "referral_code", "order", "coupon")
        kept = [stream for kind in kinds for stream in store.streams(kind)]
        told = " ".join(f"'{stream}' {one.facts}" for stream, one in store.load(kept).items())
        assert "gone-1" in told
        assert not any(word in told for word in ("'ann'", "/ann'", "ANN-MARTIN", "ANNMART1N", made))
        assert joined(shop, "late", "ann martin") is ReferralStatus.REFUSED
        assert joined(shop, "later", made) is ReferralStatus.REFUSED

    def test_a_friend(self) -> None:
        """The referral goes over to the alias, and what is due comes; the same id again is somebody who was never brought."""
        clock, store = Clock(), MemoryRepository()
        shop = open_shop(store=store, clock=clock)
        brought_friends(shop, 2)
        code = shop.referrals.code("ann").code
        shop.forget("f-0", alias="gone-1")
        clock.at += 15 * DAY
        assert not shop.sweep().failed
        assert set(shop.membership("ann").friends) == {"gone-1", "f-1"}
        shop.forget("f-1", alias="gone-2")
        assert set(shop.membership("ann").friends) == {"gone-1", "gone-2"}
        assert joined(shop, "f-1", code) is ReferralStatus.JOINED
        assert not shop.membership("f-1").coupons  # what it is called leads to the one that was given before
        assert holdings(shop) == (1000, 0)

    @pytest.mark.parametrize("call", ["load", "receipt", "commit"])
    def test_an_advocate_while_somebody_joins(self, call: str) -> None:
        """Before the look, or between the look and the commit: nothing is kept under the old name."""
        store = LossyRepository()
        shop = open_shop(store=store)
        shop.join("bob")
        code = shop.referrals.code("ann", wish="ANN-MARTIN").code
        store.before[call] = [lambda: None, partial(open_shop(store=store.inner).forget, "ann", alias="gone-1")]
        if call == "commit":
            store.before[call].pop(0)  # the sign-up was kept before
        assert joined(shop, "bob", code) is ReferralStatus.REFUSED
        assert versions(store.inner, member_stream("ann")) == [0]


class Unlisted:
    """A repository that cannot list its streams."""

    def __init__(self) -> None:
        inner = MemoryRepository()
        self.load, self.receipt, self.commit = inner.load, inner.receipt, inner.commit
        self.claimed, self.due = inner.claimed, inner.due


class TestLooking:
    def test_a_leaderboard(self) -> None:
        """Who brought most friends comes first, and those with as many share a place."""
        clock = Clock()
        shop = open_shop(clock=clock)
        brought_friends(shop, 2)
        for name, since in (("eve", 2), ("bea", 3)):
            brought_friends(shop, 1, shop.referrals.code(name).code, since=since)
        assert shop.referrals.leaderboard() == ()
        clock.at += 15 * DAY
        shop.sweep()
        ranks = [(one.place, one.advocate_id, one.friends) for one in shop.referrals.leaderboard()]
        assert ranks == [(1, "ann", 2), (2, "bea", 1), (2, "eve", 1)]
        assert shop.referrals.report().reward == eur("60.00")
        assert len(shop.referrals.leaderboard(limit=1)) == 1
        assert shop.referrals.leaderboard(window=Window(starts_at=clock.at, ends_at=None)) == ()

    def test_a_report(self) -> None:
        """How many joined, converted and came back."""
        clock = Clock()
        shop = open_shop(clock=clock)
        names = brought_friends(shop, 3)
        joined(shop, "bob", "NOSUCH")
        joined(shop, "cat", shop.referrals.code("ann").code)
        clock.at += 15 * DAY
        shop.sweep()
        refunded(shop, names[0])
        report = shop.referrals.report(ltv=eur("200.00"))
        assert (report.joined, report.refused, report.rewarded, report.reversed, report.members) == (4, 1, 2, 1, 6)
        # They stand as the first and the second: 10.00 off and 500 points for each. What the third brought is taken back.
        assert report.reward == eur("30.00")
        assert shop.referrals.of(names[2]).number == 3  # as which the advocate was rewarded for; which he is now, she says
        assert shop.membership("ann").friends[names[2]].number == 1
        assert report.ltv == eur("200.00")

    def test_a_report_of_a_span(self) -> None:
        """Friends who came in it, and what was given for them; without referrals nothing is said of that."""
        clock, store = Clock(), MemoryRepository()
        shop = open_shop(store=store, clock=clock)
        brought_friends(shop, 1)
        clock.at += 15 * DAY
        brought_friends(shop, 1, since=1)
        clock.at += 15 * DAY
        shop.sweep()
        for window, seen in (
            (Window(starts_at=None, ends_at=NOON + DAY), (1, 1, eur("15.00"))),
            (Window(starts_at=NOON + DAY, ends_at=None), (1, 1, eur("15.00"))),
            (Window(starts_at=NOON + 20 * DAY, ends_at=None), (0, 0, eur("0"))),
        ):
            report = shop.referrals.report(window=window)
            assert (report.joined, report.rewarded, report.reward) == seen
        others = attrs.evolve(PROGRAM, referrals=attrs.evolve(FRIENDS, program_id="others"))
        assert open_shop(others, store, clock).referrals.report().reward == eur("0")
        assert open_shop(PROGRAM, store, clock).referrals.report().reward is None

    def test_in_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """However many a page holds, all are counted once."""
        clock, store = Clock(), MemoryRepository()
        shop = open_shop(store=store, clock=clock)
        names = brought_friends(shop, 5)
        clock.at += 15 * DAY
        shop.sweep()
        whole = shop.referrals.report()
        listed = store.streams
        monkeypatch.setattr(store, "streams", lambda kind, after=None: listed(kind, after=after, limit=2))
        assert [one.friends for one in shop.referrals.leaderboard()] == [len(names)]
        assert shop.referrals.report() == whole

    @pytest.mark.parametrize("call", ["leaderboard", "report"])
    def test_a_repository_that_cannot_list(self, call: str) -> None:
        """It is said."""
        shop = open_shop(store=Unlisted())
        with pytest.raises(UsageError, match="needs a repository that has streams, got Unlisted"):
            getattr(shop.referrals, call)()

    def test_limits_are_numbers(self) -> None:
        """A mistake of the caller's."""
        with pytest.raises(UsageError, match="limit"):
            open_shop().referrals.leaderboard(limit=0)

    def test_somebody_never_seen(self) -> None:
        """There is nothing, and that is said."""
        assert open_shop().referrals.of("nobody").status is ReferralStatus.NONE
