"""Codes, coupons and campaigns at the service: one answer to every guess, exactly what there is, everything once."""

from __future__ import annotations

import pickle
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import URL, create_engine

from loyaltycore import Basket, Loyalty, Money, Reason, RefusedError, UsageError
from loyaltycore._code_book import CodeBook
from loyaltycore._code_space import CodeSpace, SecretKey
from loyaltycore._coupon_steps import HELD_LIMIT, Grant
from loyaltycore._settling import coupon_id_of
from loyaltycore.benefits import FixedPrice, PercentOff
from loyaltycore.conditions import first_order, spend_at_least
from loyaltycore.coupons import (
    CODES_LIMIT,
    CouponCampaign,
    CouponStatus,
    FreedBy,
    Limits,
    NotApplied,
)
from loyaltycore.errors import ConflictError
from loyaltycore.facts import Append, Change, Claim, Command, Expect
from loyaltycore.identity import (
    CounterId,
    Key,
    StreamId,
    campaign_stream,
    coupon_stream,
    space_stream,
)
from loyaltycore.offers import Times
from loyaltycore.orders import OrderPlaced, OrderReserved
from loyaltycore.periods import Period, Window
from loyaltycore.program import Program, Quote
from loyaltycore.quantities import Over
from loyaltycore.repositories import Claimed, Repository, StoredStream
from loyaltycore.services import Attempts, Projected
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.store.sqlalchemy import SQLAlchemyRepository
from loyaltycore.store.sqlite import SQLiteRepository
from loyaltycore.testing.machines import CheckoutMachine
from tests.test_services import BELL, HELMET, NOON, PROGRAM, Clock, LossyRepository, lost, outrun, refusal_of

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
HALF_HOUR = timedelta(minutes=30)
SPRING = Window(starts_at=None, ends_at=NOON - DAY)
FALL = Window(starts_at=NOON + 60 * DAY, ends_at=None)

KEY = SecretKey("2026a", bytes(range(32)))
NEXT_KEY = SecretKey("2026b", bytes(range(1, 33)))
OLD_KEY = SecretKey("2025", bytes(range(2, 34)))
SPACE = CodeSpace(KEY, pattern="HI-####-####-####", context="velo")
OTHER = CodeSpace(KEY, pattern="BYE-####-####-####", context="velo")
BOOK = CodeBook([SPACE, OTHER], retired={OLD_KEY: NOON - HOUR})
OPEN = Attempts(per_client=None, per_member=None, per_shop=None)


def campaigns(*several: CouponCampaign) -> Program:
    """Give the program with campaigns."""
    return attrs.evolve(PROGRAM, campaigns=several)


def percent(campaign_id: str, codes: CodeSpace | str | None = SPACE, off: str = "25", **more: Any) -> CouponCampaign:  # noqa: ANN401
    """Make a campaign that gives more than the program's other offers do."""
    return CouponCampaign(campaign_id, give=PercentOff(off), codes=codes, **more)


CAMPAIGNS = campaigns(
    percent("welcome"),
    percent("stopped"),
    percent("over", OTHER, valid_for=timedelta(minutes=1)),
    percent("later", OTHER, window=FALL),
    percent("STOPPED25", "human"),
    percent("SPRING25", "human", window=SPRING),
    percent("BIG25", "human", when=spend_at_least(Money.of("500", "EUR"))),
    percent("GOOD25", "human"),
    percent("sorry", None, automatic=True),
    percent("choice", None),
)


def open_shop(
    program: Program = CAMPAIGNS,
    store: Repository | None = None,
    clock: Clock | None = None,
    **more: Any,  # noqa: ANN401
) -> Loyalty:
    """Open a shop that counts no attempts, unless it is said."""
    passed: dict[str, Any] = {"codes": BOOK, "attempts": OPEN, "clock": clock or Clock(), **more}
    return Loyalty(program, MemoryRepository() if store is None else store, **passed)


def issued(shop: Loyalty, campaign_id: str = "welcome", count: int = 10, ref: str = "mail") -> list[str]:
    """Issue codes."""
    return list(shop.issue_codes(campaign_id, count, ref=ref, by="me").codes())


def reason_of(quote: Quote, code: str) -> Reason | None:
    """Give why a code does not apply."""
    refusal = quote.codes[code].refusal
    return None if refusal is None else refusal.reason


class Recorder:
    """Writes down every call, with all names masked that a secret could hide behind."""

    def __init__(self, inner: Repository) -> None:
        self.inner = inner
        self.calls = list[tuple[object, ...]]()

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        """Note how many streams of each kind are asked for."""
        self.calls.append(("load", tuple(sorted(Counter(kinds(streams)).items()))))
        return self.inner.load(streams)

    def receipt(self, home: StreamId, key: Key, /) -> Any:  # noqa: ANN401  # what the repository says
        """Note whose receipt."""
        self.calls.append(("receipt", *kinds([home])))
        return self.inner.receipt(home, key)

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Note what is written, and which counters are claimed."""
        seen = [change.counter if isinstance(change, Claim) else (type(change), *kinds([change.stream])) for change in changes]
        self.calls.append(("commit", tuple(seen)))
        self.inner.commit(command, changes)

    def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        """Note the counters: their names tell of offers alone."""
        self.calls.append(("claimed", tuple(counters)))
        return self.inner.claimed(counters, key=key, at=at)

    def due(self, **_: object) -> Any:  # noqa: ANN401  # never
        """Nobody sweeps here."""
        raise NotImplementedError


def kinds(streams: Iterable[StreamId]) -> list[str]:
    """Give the kinds of streams."""
    return [stream.partition("/")[0] for stream in streams]


def heard(recorder: Recorder, call: Callable[[], Any]) -> tuple[Any, list[tuple[object, ...]]]:
    """Make a call, and give its answer with the calls it made."""
    recorder.calls.clear()
    try:
        answer = call()
    except RefusedError as error:
        answer = error.refusals
    return answer, list(recorder.calls)


def mistyped(code: str) -> str:
    """Put another symbol in the last place."""
    return code[:-1] + ("0" if code[-1] != "0" else "1")


@attrs.frozen
class Town:
    """A shop with codes of every kind, and somebody else's among them."""

    shop: Loyalty
    recorder: Recorder
    codes: dict[str, str]


def town(limits: Attempts = OPEN) -> Town:
    """Make it: none of the codes below is worth anything to whoever tries it."""
    clock = Clock()
    recorder = Recorder(MemoryRepository())
    shop = open_shop(store=recorder, clock=clock)
    batch, stopped = issued(shop), issued(shop, "stopped")
    over, later = issued(shop, "over"), issued(shop, "later")
    mine, theirs = (shop.grant("welcome", member_id=who, ref=who, by="me").code for who in ("m", "other"))
    gone = shop.grant("welcome", ref="gone", by="me")
    shop.grant("sorry", member_id="m", ref="s", by="me")
    shop.revoke_coupon(gone.coupon_id, reason="sent twice", by="me")
    shop.revoke_coupon(shop.coupon(batch[1]).coupon_id, reason="leaked", by="me")
    for name in ("stopped", "STOPPED25"):
        shop.stop(name, by="me")
    shop.place(shop.quote(HELMET, codes=[batch[2]]), order_id="used")
    shop.reserve(shop.quote(HELMET, codes=[batch[3]]), order_id="held", hold_for=HALF_HOUR)
    given = {shop.coupon(code).coupon_id for code in (mine, theirs, gone.code)}
    block = next(block for block in blocks_of(shop) if block.holder_bound)
    never = next(n for n in block.serials if f"{SPACE.space_id}/{KEY.key_id}/{n}" not in given)
    clock.at += timedelta(minutes=5)
    codes = {
        "unknown": "NOSUCH",
        "malformed": "?!",
        "endless": "HI" * 10_000,
        "wrong check symbol": mistyped(batch[0]),
        "forged": SPACE.under(SecretKey("evil", b"6" * 32)).code(3),
        "not issued": SPACE.code(10**6),
        "not granted": SPACE.code(never),
        "revoked": batch[1],
        "revoked after it was granted": gone.code,
        "not yours": theirs,
        "stopped": stopped[0],
        "stopped, for everybody": "stopped25",
        "expired, for everybody": "SPRING25",
        "below its threshold": "BIG25",
        "another space's retired key": OTHER.under(OLD_KEY).code(1),
        "redeemed": batch[2],
        "reserved": batch[3],
        "expired": over[0],
        "not started": later[0],
    }
    return Town(attrs.evolve(shop, attempts=limits), recorder, codes)


def blocks_of(shop: Loyalty, space: CodeSpace = SPACE) -> tuple[Any, ...]:
    """Give what was taken of a space."""
    return shop._run(shop._whole((space_stream(space.space_id),))).space(space.space_id).blocks


TOLD = {
    "redeemed": "coupon_redeemed",
    "reserved": "coupon_reserved",
    "expired": "coupon_expired",
    "not started": "coupon_not_started",
}
"""Of a code that cannot have been guessed its holder is told why."""


@pytest.mark.law(44)
class TestOneAnswer:
    @pytest.mark.parametrize("member_id", [None, "m", "nobody"])
    @pytest.mark.parametrize("beside", [(), ("GOOD25",)], ids=["alone", "beside a good one"])
    def test_every_guess_is_one_guess(self, member_id: str | None, beside: tuple[str, ...]) -> None:
        """Whatever is wrong with a code, the store is asked the same, and the answer has the same bytes."""
        shop = town(Attempts(per_client=100, per_member=100))
        calls, told = dict[str, object](), dict[str, bytes]()
        for name, code in shop.codes.items():
            asked = partial(shop.shop.quote, HELMET, member_id=member_id, codes=[code, *beside], client="c")
            quote, calls[name] = heard(shop.recorder, asked)
            assert quote.codes[code].refusal is not None, name
            told[name] = pickle.dumps(quote.codes[code].public)
            if name in TOLD:
                assert quote.codes[code].public.reason == TOLD[name]
        assert set(map(str, calls.values())) == {str(calls["unknown"])}
        assert {bytes_ for name, bytes_ in told.items() if name not in TOLD} == {pickle.dumps(NotApplied())}
        assert [call[0] for call in calls["unknown"]] == ["receipt", "commit", "load", "load"]  # type: ignore[attr-defined]

    def test_several_guesses_are_as_many(self) -> None:
        """Two codes of one campaign ask for as much as two of none, also of whoever holds a coupon of it."""
        shop = town()
        pairs = [
            ("revoked", "revoked after it was granted"),
            ("not yours", "revoked"),
            ("unknown", "malformed"),
            ("stopped", "forged"),
        ]
        for member_id in ("m", None):
            seen = {
                str(heard(shop.recorder, partial(shop.shop.quote, HELMET, member_id=member_id, codes=codes))[1])
                for codes in ([shop.codes[name] for name in pair] for pair in pairs)
            }
            assert len(seen) == 1

    def test_a_changed_quote_says_no_more(self) -> None:
        """Between the page and the order a code was revoked, used, stopped, reserved, or ended: one refusal, the same calls."""
        seen, told = set[str](), set[bytes]()
        for name in ("revoked", "used", "reserved", "stopped", "expired", "stopped, for everybody", "retired"):
            clock, recorder = Clock(), Recorder(MemoryRepository())
            program = campaigns(percent("welcome", valid_for=timedelta(hours=2)), percent("GOOD25", "human"))
            shop = open_shop(program, recorder, clock)
            code = "GOOD25" if name == "stopped, for everybody" else issued(shop)[0]
            quote = shop.quote(HELMET, codes=[code])
            assert quote.codes[code].applied
            again = shop
            match name:
                case "revoked":
                    shop.revoke_coupon(shop.coupon(code).coupon_id, reason="", by="me")
                case "used":
                    shop.place(quote, order_id="other")
                case "reserved":
                    shop.reserve(quote, order_id="other", hold_for=HOUR)
                case "stopped" | "stopped, for everybody":
                    shop.stop(quote.offers.applied[0].offer_id, by="me")
                case "expired":
                    clock.at += 2 * HOUR
                case _:
                    again = attrs.evolve(shop, codes=CodeBook([s.under(NEXT_KEY) for s in (SPACE, OTHER)], retired={KEY: NOON}))
                    clock.at += timedelta(seconds=1)
            answer, calls = heard(recorder, partial(again.place, quote, order_id="mine"))
            assert answer[0].reason is Reason.QUOTE_CHANGED
            told.add(pickle.dumps([(one.reason.public, {**one.details, "fields": "…"}) for one in answer]))
            seen.add(str(calls))
            assert shop.order("mine").placed is None
        assert len(seen) == len(told) == 1

    def test_only_five_codes_are_looked_at(self) -> None:
        """More are refused alike, before anybody looks."""
        shop = open_shop()
        codes = issued(shop, count=7)
        quote = shop.quote(HELMET, codes=codes)
        assert [quote.codes[code].public for code in codes[CODES_LIMIT:]] == [
            NotApplied(reason="codes_limit_reached", details={"limit": 5})
        ] * 2


def tried(shop: Loyalty, code: str, **who: Any) -> bool:  # noqa: ANN401  # whoever tries
    """Try a code, and say whether it was looked at."""
    return reason_of(shop.quote(BELL, codes=[code], **who), code) is not Reason.ATTEMPTS_LIMIT_REACHED


class TestAttempts:
    def test_a_code_again_is_no_new_attempt(self) -> None:
        """Reloading the page, typing it in small letters or beside another code counts once."""
        shop = open_shop(attempts=Attempts(per_client=2))
        first, second, third = (SPACE.code(n) for n in range(3))
        for text in (first, first, first.lower(), first.replace("-", " ")):
            assert tried(shop, text, client="c")
        assert shop.quote(BELL, codes=[second, first], client="c").codes[second].refusal.reason is Reason.CODE_UNKNOWN  # type: ignore[union-attr]
        assert not tried(shop, third, client="c")
        assert tried(shop, first, client="c")
        assert tried(shop, third, client="another")

    def test_a_typing_error_weighs_nothing(self) -> None:
        """Nor does a code made by people, nor text of any kind: none of them could be a lucky guess."""
        shop = open_shop(attempts=Attempts(per_client=1))
        code = SPACE.code(0)
        for text in (mistyped(code), "GOOD25", "?!", "\ud800", "x" * 100_000, "HI-1"):
            assert tried(shop, text, client="c")
        assert tried(shop, code, client="c")
        assert not tried(shop, SPACE.code(1), client="c")

    @pytest.mark.parametrize(
        "limits, mine, others",
        [
            (Attempts(per_client=2, per_member=None), {"client": "c"}, {"client": "d"}),
            (Attempts(per_client=None, per_member=2), {"member_id": "m"}, {"member_id": "n"}),
            (Attempts(per_client=2, per_member=None), {"client": "c", "member_id": "m"}, {"member_id": "m"}),
        ],
    )
    def test_whoever_tries_too_often_waits(self, limits: Attempts, mine: dict[str, str], others: dict[str, str]) -> None:
        """Per client and per member; the others go on, and the span ends by itself."""
        clock = Clock(NOON + timedelta(minutes=59))
        shop = open_shop(attempts=limits, clock=clock)
        assert [tried(shop, SPACE.code(n), **mine) for n in range(4)] == [True, True, False, False]
        assert tried(shop, SPACE.code(9), **others)
        clock.at += timedelta(minutes=1)
        assert tried(shop, SPACE.code(3), **mine)

    def test_all_together_are_limited(self) -> None:
        """However many devices share the work."""
        shop = open_shop(attempts=Attempts(per_shop=3))
        assert [tried(shop, SPACE.code(n), client=f"c-{n}") for n in range(5)] == [True, True, True, False, False]

    def test_a_genuine_code_is_not_looked_at_either(self) -> None:
        """Nobody learns by the last try that it was one; the whole quote says the same of all its codes."""
        shop = open_shop(attempts=Attempts(per_client=1))
        code = issued(shop)[0]
        assert tried(shop, SPACE.code(99), client="c")
        quote = shop.quote(HELMET, codes=[code, "GOOD25"], client="c")
        assert {answer.public for answer in quote.codes.values()} == {NotApplied(reason="attempts_limit_reached")}
        assert quote.coupons_redeemed == ()

    @pytest.mark.law(44)
    def test_attempts_outlive_what_fails_afterwards(self) -> None:
        """They are kept before anybody looks: a refused order, or a store that fails at the next call, frees none."""
        store = LossyRepository()
        shop = open_shop(store=store, attempts=Attempts(per_client=2))
        code = issued(shop)[0]
        store.before["load"] = [lost]
        with pytest.raises(ConnectionError):
            shop.quote(HELMET, codes=[SPACE.code(50)], client="c")
        quote = shop.quote(HELMET, codes=[code], client="c")
        shop.stop("welcome", by="me")
        assert refusal_of(lambda: shop.place(quote, order_id="1")).reason is Reason.QUOTE_CHANGED
        assert not tried(shop, SPACE.code(51), client="c")

    def test_a_lost_answer_counts_once(self) -> None:
        """Counted, and the answer lost: tried again it is the same attempt."""
        store = LossyRepository()
        shop = open_shop(store=store, attempts=Attempts(per_client=1))
        store.after["commit"] = [lost]
        with pytest.raises(ConnectionError):
            tried(shop, SPACE.code(0), client="c")
        assert tried(shop, SPACE.code(0), client="c")

    def test_a_race_is_run_again(self) -> None:
        """Another call was faster, or the database was busy: the attempt is counted, as often as there are retries."""
        store = LossyRepository()
        shop = open_shop(store=store, attempts=Attempts(per_client=1), retries=2)
        store.before["commit"] = [outrun, outrun]
        assert tried(shop, SPACE.code(0), client="c")
        assert not tried(shop, SPACE.code(1), client="c")
        store.before["commit"] = [outrun] * 3
        with pytest.raises(ConflictError):
            tried(shop, SPACE.code(2), client="d")

    def test_the_same_call_was_faster(self) -> None:
        """Two tabs ask for one thing: both are answered, and it counts once."""
        store = LossyRepository()
        shop = open_shop(store=store, attempts=Attempts(per_client=1))
        twin = attrs.evolve(shop, repository=store.inner)
        store.before["commit"] = [lambda: tried(twin, SPACE.code(0), client="c")]
        assert tried(shop, SPACE.code(0), client="c")
        assert not tried(shop, SPACE.code(1), client="c")

    def test_no_limit_asks_for_nothing(self) -> None:
        """A shop that counts none writes nothing for a quote."""
        store = LossyRepository()
        tried(open_shop(store=store), SPACE.code(0), client="c")
        assert "commit" not in store.calls

    def test_a_shop_without_a_book_counts_none(self) -> None:
        """Codes made by people are public."""
        store = LossyRepository()
        shop = open_shop(campaigns(percent("GOOD25", "human")), store, codes=None, attempts=Attempts(per_client=1))
        for text in ("GOOD25", "NOSUCH", "N0T"):
            assert tried(shop, text, client="c")
        assert "commit" not in store.calls


# ---- what there is of it ----


STORES = ["memory", "sqlite", "postgresql"]


@pytest.fixture(params=STORES)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterable[Repository]:
    """Each of the stores, empty."""
    if request.param == "memory":
        yield MemoryRepository()
    elif request.param == "sqlite":
        yield SQLiteRepository(tmp_path / "shop.db")
    else:
        url: URL = request.getfixturevalue("postgres")
        engine = create_engine(url, pool_size=8, max_overflow=8, pool_timeout=120)
        repository = SQLAlchemyRepository(engine)
        repository.create_tables()
        yield repository
        engine.dispose()


def fought(shop: Loyalty, quotes: Sequence[Callable[[], Quote]], threads: int = 32) -> list[OrderPlaced | None]:
    """Let threads place orders at once, each twice: once it was placed, the second time answers the same."""
    barrier = threading.Barrier(threads, timeout=120)

    def one(number: int) -> OrderPlaced | None:
        quote = quotes[number]()
        if number < threads:
            barrier.wait()
        try:
            placed = shop.place(quote, order_id=f"o-{number}")
        except RefusedError as refused:
            if refused.refusal.reason is not Reason.QUOTE_CHANGED:
                raise
            return None
        assert shop.place(quote, order_id=f"o-{number}") == placed
        return placed

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(len(quotes))))


def live(shop: Loyalty, *names: str) -> list[int]:
    """Give what is claimed of counters now."""
    counters = [CounterId(name) for name in names]
    found = shop.repository.claimed(counters, key=Key("-"), at=shop.clock())
    return [found[counter].total for counter in counters]


@pytest.mark.law(32)
class TestCaps:
    def test_total(self, kept: Repository) -> None:
        """Thirty-two at once for seven places: seven orders have it, the others are told that it changed."""
        shop = open_shop(campaigns(percent("SEVEN", "human", limits=Limits(total=7))), kept, retries=100)
        placed = fought(shop, [lambda: shop.quote(HELMET, codes=["seven"])] * 32)
        assert sum(one is not None for one in placed) == 7
        assert live(shop, "offer/SEVEN/orders") == [7]
        assert reason_of(shop.quote(HELMET, codes=["SEVEN"]), "SEVEN") is Reason.OFFER_LIMIT_REACHED

    def test_total_of_a_month(self, kept: Repository) -> None:
        """So many a month of local time, and so many in all; the next month has its own."""
        clock = Clock(datetime(2026, 7, 31, 21, 59, tzinfo=UTC))  # one minute to August in Paris
        limits = Limits(total=Times(per_month=4, lifetime=6))
        shop = open_shop(campaigns(percent("MONTH", "human", limits=limits)), kept, clock, retries=100)
        assert sum(one is not None for one in fought(shop, [lambda: shop.quote(HELMET, codes=["MONTH"])] * 12, 12)) == 4
        clock.at += timedelta(minutes=1)
        august = open_shop(shop.program, kept, clock, retries=100)
        applied = list[bool]()
        for number in range(3):
            quote = august.quote(BELL, codes=["MONTH"])
            applied.append(quote.codes["MONTH"].applied)
            august.place(quote, order_id=f"a-{number}")
        assert applied == [True, True, False]
        names = ("offer/MONTH/orders", "offer/MONTH/orders/2026-07", "offer/MONTH/orders/2026-08")
        assert live(shop, *names) == [6, 4, 2]

    @pytest.mark.parametrize("over", Over)
    def test_budget(self, kept: Repository, over: Over) -> None:
        """What is given away never passes the budget, and what is left of it goes to one order, or to none."""
        limits = Limits(budget=Money.of("100", "EUR"), over=over)
        shop = open_shop(campaigns(percent("BUDGET", "human", limits=limits)), kept, retries=100)
        placed = [one for one in fought(shop, [lambda: shop.quote(HELMET, codes=["BUDGET"])] * 16, 16) if one is not None]
        spent = sum(cost.discount_minor for one in placed for cost in one.offers if cost.offer_id == "BUDGET")
        assert (spent, len(placed)) == (5 * 1998, 5)  # 19.98 of each helmet
        assert live(shop, "offer/BUDGET/spent") == [spent]
        last = shop.quote(BELL, codes=["BUDGET"])
        assert (last.offers.goods_minor, last.codes["BUDGET"].applied) == ((10, True) if over is Over.TRUNCATE else (0, False))

    def test_units(self, kept: Repository) -> None:
        """So many units in all."""
        sale = CouponCampaign("UNITS", give=FixedPrice(Money.of("1", "EUR")), codes="human", limits=Limits(units=9))
        shop = open_shop(campaigns(sale), kept, retries=100)
        two = Basket.of("EUR", {"bell": "12.50", "bag": "12.50"})
        placed = [one for one in fought(shop, [lambda: shop.quote(two, codes=["UNITS"])] * 12, 12) if one is not None]
        assert len(placed) == 4
        assert shop.place(shop.quote(two, codes=["UNITS"]), order_id="rest").total == Money.of("13.50", "EUR")
        assert live(shop, "offer/UNITS/units") == [9]

    def test_per_member(self, kept: Repository) -> None:
        """One member in many windows at once: his uses stand in his own stream, and are as many as there may be."""
        limits = Limits(per_member=Times(per_month=2, lifetime=3))
        shop = open_shop(campaigns(percent("MINE", "human", limits=limits)), kept, retries=100)
        asked = [lambda: shop.quote(BELL, member_id="m", codes=["MINE"])] * 8
        assert sum(one is not None for one in fought(shop, asked, 8)) == 2
        assert reason_of(shop.quote(BELL, member_id="m", codes=["MINE"]), "MINE") is Reason.OFFER_MEMBER_LIMIT_REACHED
        assert shop.quote(BELL, member_id="n", codes=["MINE"]).codes["MINE"].applied

    @pytest.mark.law(33)
    def test_a_code_for_one_order(self, kept: Repository) -> None:
        """Sixteen baskets with one single-use code: one order has it."""
        shop = open_shop(store=kept, retries=100)
        code = issued(shop)[0]
        placed = [one for one in fought(shop, [lambda: shop.quote(HELMET, codes=[code])] * 16, 16) if one is not None]
        assert len(placed) == 1
        assert shop.coupon(code).status(at=NOON) is CouponStatus.REDEEMED
        assert list(shop.coupon(code).uses) == [placed[0].order_id]


class TestSlots:
    """Limits that are held, freed, timed out and paid late, in one thread, so that each step can be looked at."""

    @staticmethod
    def open(clock: Clock, **limits: Any) -> Loyalty:  # noqa: ANN401  # of the campaign
        """Open a shop whose one campaign has limits."""
        return open_shop(campaigns(percent("TWO", "human", limits=Limits(**limits))), clock=clock)

    @staticmethod
    def held(shop: Loyalty, order_id: str, **who: Any) -> OrderReserved:  # noqa: ANN401  # whoever orders
        """Reserve an order with the code."""
        return shop.reserve(shop.quote(HELMET, codes=["TWO"], order_id=order_id, **who), order_id=order_id, hold_for=HALF_HOUR)

    @pytest.mark.law(32)
    def test_the_last_holder_still_sees_his_slot(self) -> None:
        """Whoever holds the last place is not told that it is gone; anybody else is."""
        shop = self.open(Clock(), total=2)
        for order_id in ("1", "2"):
            self.held(shop, order_id)
        for order_id in ("1", "2"):
            assert shop.quote(HELMET, codes=["TWO"], order_id=order_id).codes["TWO"].applied
        for asking in (None, "3"):
            assert reason_of(shop.quote(HELMET, codes=["TWO"], order_id=asking), "TWO") is Reason.OFFER_LIMIT_REACHED

    @pytest.mark.law(32)
    def test_a_retry_is_free_and_a_time_out_frees(self) -> None:
        """Reserved again it holds one place; when its time has run out somebody else gets it."""
        clock = Clock()
        shop = self.open(clock, total=1)
        quote = shop.quote(HELMET, codes=["TWO"])
        first = shop.reserve(quote, order_id="1", hold_for=HALF_HOUR)
        assert shop.reserve(quote, order_id="1", hold_for=HALF_HOUR) == first
        assert live(shop, "offer/TWO/orders") == [1]
        clock.at += HALF_HOUR
        assert live(shop, "offer/TWO/orders") == [0]
        assert shop.place(shop.quote(HELMET, codes=["TWO"]), order_id="2").counters == {"offer/TWO/orders": 1}

    @pytest.mark.law(33)
    @pytest.mark.parametrize("freed_by", FreedBy)
    def test_what_is_given_up_or_comes_back(self, freed_by: FreedBy) -> None:
        """Cancelled it is free at once; what comes back whole is, where the campaign says so, and then exactly once."""
        shop = self.open(Clock(), total=1, per_member=1, freed_by=freed_by)
        self.held(shop, "1", member_id="m")
        shop.cancel("1")
        shop.cancel("1")
        shop.place(shop.quote(HELMET, member_id="m", codes=["TWO"]), order_id="2")
        assert shop.refund("2", return_id="half", amount=Money.of("10", "EUR")).money == Money.of("10", "EUR")
        assert live(shop, "offer/TWO/orders") == [1]
        back = shop.refund("2", return_id="rest", lines={"helmet": 1})
        assert shop.refund("2", return_id="rest", lines={"helmet": 1}) == back
        quote = shop.quote(HELMET, member_id="m", codes=["TWO"])
        assert quote.codes["TWO"].applied is (freed_by is FreedBy.RETURNED)
        assert live(shop, "offer/TWO/orders") == [int(freed_by is FreedBy.CANCELLED)]

    @pytest.mark.law(43)
    @pytest.mark.parametrize(
        "limit, reason",
        [
            ("total", Reason.OFFER_LIMIT_REACHED),
            ("budget", Reason.OFFER_BUDGET_REACHED),
            ("units", Reason.OFFER_LIMIT_REACHED),
            ("per_member", Reason.OFFER_MEMBER_LIMIT_REACHED),
        ],
    )
    def test_only_late_orders_pass_a_cap(self, limit: str, reason: Reason) -> None:
        """Paid after its time it has its place all the same, and says so; nobody else gets in beyond the cap."""
        clock = Clock()
        value: Any = Money.of("20", "EUR") if limit == "budget" else 1
        shop = self.open(clock, **{limit: value})
        who: Any = {"member_id": "m"} if limit == "per_member" else {}
        for order_id in ("1", "2"):
            self.held(shop, order_id, **who)
            clock.at += HALF_HOUR
        placed = shop.place(shop.quote(HELMET, codes=["TWO"], **who), order_id="3")
        assert {cost.offer_id for cost in placed.offers} >= {"TWO"}
        for order_id in ("1", "2"):
            late = shop.confirm(order_id)
            assert late.late
            assert late.total == placed.total
            assert shop.confirm(order_id) == late
        assert reason_of(shop.quote(HELMET, codes=["TWO"], **who), "TWO") is reason
        if limit != "per_member":
            name = {"total": "orders", "budget": "spent", "units": "units"}[limit]
            assert live(shop, f"offer/TWO/{name}") == [3 * (1998 if limit == "budget" else 1)]

    @pytest.mark.law(43)
    def test_a_late_order_has_its_coupon(self) -> None:
        """Somebody else redeemed it meanwhile: the paid order has it too, and its fact says late."""
        clock = Clock()
        shop = open_shop(clock=clock)
        code = issued(shop)[0]
        shop.reserve(shop.quote(HELMET, codes=[code]), order_id="1", hold_for=HALF_HOUR)
        clock.at += HALF_HOUR
        shop.place(shop.quote(HELMET, codes=[code]), order_id="2")
        assert shop.confirm("1").late
        assert {order: use.late for order, use in shop.coupon(code).uses.items()} == {"1": True, "2": False}

    @pytest.mark.law(43)
    def test_a_reserved_order_outlives_everything(self) -> None:
        """The campaign was stopped and the coupon revoked while the bank page was open: the paid order is booked as reserved."""
        shop = open_shop()
        code = issued(shop)[0]
        reserved = shop.reserve(shop.quote(HELMET, codes=[code]), order_id="1", hold_for=HALF_HOUR)
        shop.stop("welcome", by="me")
        shop.revoke_coupon(shop.coupon(code).coupon_id, reason="leaked", by="me")
        placed = shop.confirm("1")
        assert (placed.total, placed.late) == (reserved.order.total, False)

    @pytest.mark.law(33)
    def test_a_coupon_held_by_an_abandoned_basket_comes_back(self) -> None:
        """By itself when the time has run out, or at once when it is cancelled."""
        clock = Clock()
        shop = open_shop(clock=clock)
        code = issued(shop)[0]
        for order_id in ("1", "2"):
            shop.reserve(shop.quote(HELMET, codes=[code]), order_id=order_id, hold_for=HALF_HOUR)
            assert reason_of(shop.quote(HELMET, codes=[code]), code) is Reason.COUPON_RESERVED
            assert shop.quote(HELMET, codes=[code], order_id=order_id).codes[code].applied
            if order_id == "1":
                clock.at += HALF_HOUR
            else:
                shop.cancel(order_id)
            assert shop.quote(HELMET, codes=[code]).codes[code].applied


# ---- everything once ----


MOMENTS = [
    ("before", "receipt"),
    ("before", "load"),
    ("before", "commit"),
    ("after", "receipt"),
    ("after", "load"),
    ("after", "commit"),
]


@pytest.fixture
def store() -> LossyRepository:
    """A repository in memory that can be made to fail."""
    return LossyRepository()


@pytest.fixture
def shop(store: LossyRepository) -> Loyalty:
    """A shop over it."""
    return open_shop(store=store)


def given(shop: Loyalty, ref: str, member_id: str | None = "m", campaign_id: str = "welcome") -> Grant:
    """Grant a coupon."""
    return shop.grant(campaign_id, member_id=member_id, ref=ref, by="me")


class TestGrant:
    @pytest.mark.parametrize("campaign_id", ["welcome", "sorry"])
    @pytest.mark.parametrize("moment, name", MOMENTS)
    def test_a_lost_answer(self, campaign_id: str, moment: str, name: str, shop: Loyalty, store: LossyRepository) -> None:
        """Wherever it was lost, the ticket gets one coupon."""
        getattr(store, moment)[name] = [lost]
        with pytest.raises(ConnectionError):
            given(shop, "t-1", campaign_id=campaign_id)
        first = given(shop, "t-1", campaign_id=campaign_id)
        assert given(shop, "t-1", campaign_id=campaign_id) == first
        assert [one.coupon_id for one in shop.coupons("m")] == [first.coupon_id]

    @pytest.mark.parametrize("other, fields", [({"member_id": "n"}, ("member_id",)), ({"by": "you"}, ("actor",))])
    def test_the_same_ticket_for_something_else(self, other: dict[str, str], fields: tuple[str, ...], shop: Loyalty) -> None:
        """It says what differs; another campaign has tickets of its own."""
        first = given(shop, "t-1")
        refusal = refusal_of(lambda: shop.grant("welcome", **{"member_id": "m", "ref": "t-1", "by": "me", **other}))
        assert (refusal.reason, refusal.details["fields"]) == (Reason.KEY_REUSED, fields)
        assert given(shop, "t-1", campaign_id="sorry").coupon_id != first.coupon_id

    def test_it_opens_the_offer_for_its_holder(self, shop: Loyalty) -> None:
        """By its code, for the member it was given to, and for no one else; it is gone when it was used."""
        one = given(shop, "t-1")
        assert (one.campaign_id, one.holder, one.starts_at, one.ends_at) == ("welcome", "m", None, None)
        assert one.code not in repr(one)
        assert one.coupon_id not in repr(one)
        quote = shop.quote(HELMET, member_id="m", codes=[one.code])
        assert shop.place(quote, order_id="1").coupons_redeemed == quote.coupons_redeemed
        assert shop.coupons("m") == ()
        assert shop.quote(HELMET, member_id="m", codes=[one.code]).codes[one.code].public == NotApplied(reason="coupon_redeemed")

    def test_it_may_be_for_whoever_has_the_code(self, shop: Loyalty) -> None:
        """A visitor who left an address."""
        one = given(shop, "visitor", None)
        assert one.holder is None
        assert shop.quote(HELMET, codes=[one.code]).codes[one.code].applied

    def test_without_a_code_it_is_chosen_or_applies_by_itself(self, shop: Loyalty) -> None:
        """As the campaign says."""
        choice, sorry = given(shop, "t", campaign_id="choice"), given(shop, "t", campaign_id="sorry")
        assert (choice.code, choice.coupon_id) == ("", coupon_id_of("choice", "t"))
        quote = shop.quote(HELMET, member_id="m")
        assert [one.coupon_id for one in quote.coupons_redeemed] == [sorry.coupon_id]
        shop.revoke_coupon(sorry.coupon_id, reason="", by="me")
        chosen = shop.quote(HELMET, member_id="m", coupons=[choice.coupon_id])
        assert [one.coupon_id for one in chosen.coupons_redeemed] == [choice.coupon_id]
        assert shop.quote(HELMET, member_id="m").coupons_redeemed == ()
        assert shop.quote(HELMET, member_id="n", coupons=[choice.coupon_id]).total == shop.quote(HELMET).total

    def test_what_cannot_be_granted(self, shop: Loyalty) -> None:
        """A program without it, a campaign that is over or stopped, one code for everybody, nobody to hold it."""
        refusals = {"nosuch": Reason.CAMPAIGN_NOT_FOUND, "stopped": Reason.CAMPAIGN_STOPPED}
        shop.stop("stopped", by="me")
        for name, reason in refusals.items():
            assert refusal_of(partial(given, shop, "t", campaign_id=name)).reason is reason
        over = open_shop(campaigns(percent("done", window=SPRING)))
        assert refusal_of(lambda: given(over, "t", campaign_id="done")).reason is Reason.CAMPAIGN_CLOSED
        with pytest.raises(UsageError, match="'GOOD25' has one code for everybody"):
            given(shop, "t", campaign_id="GOOD25")
        with pytest.raises(UsageError, match="'sorry' has no codes: a coupon of it needs a member_id"):
            given(shop, "t", None, "sorry")

    def test_the_longest_ticket_fits(self, shop: Loyalty) -> None:
        """Names up to the limit of ids."""
        assert given(shop, "t" * 150).code
        assert len(given(shop, "t" * 150, campaign_id="sorry").coupon_id) <= 200

    def test_words_are_avoided(self) -> None:
        """No code given one by one holds one: the next serial it points at is taken."""
        plain = {given(open_shop(), f"t-{n}").code for n in range(40)}
        word = next(part[:3] for code in plain for part in code.split("-") if part[:3].isalpha() and len(part) > 3)
        careful = open_shop(avoid=[word])
        found = {given(careful, f"t-{n}").code for n in range(40)}
        assert any(careful.avoid.found_in(code) for code in plain)
        assert not any(careful.avoid.found_in(code) for code in found)
        assert len(found) == 40

    def test_one_ticket_at_two_desks(self, kept: Repository) -> None:
        """Sixteen threads grant under one ref: one coupon, and one answer."""
        shop = open_shop(store=kept, retries=100)
        for ref in ("a", "b"):
            with ThreadPoolExecutor(8) as pool:
                grants = set(pool.map(partial(given, shop), [ref] * 8))
            assert len(grants) == 1
        assert len(shop.coupons("m")) == 2

    def test_a_moved_member_is_looked_at_again(self, shop: Loyalty, store: LossyRepository) -> None:
        """Another commit was faster: the grant is decided again."""
        store.before["commit"] = [lambda: None, lambda: store.inner.load([]), outrun]
        assert given(shop, "t-1") == given(shop, "t-1")

    def test_no_serial_twice_and_no_hot_stream(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Hundreds of grants through several blocks, batches beside them, and a new key in between."""
        monkeypatch.setattr("loyaltycore._coupon_steps.GRANT_BLOCK", 64)
        check_grants(400)

    @pytest.mark.slow
    def test_twenty_thousand_grants(self) -> None:
        """The same at full size."""
        check_grants(20_000)

    def test_serials_run_out(self) -> None:
        """The space is full: it says so, and what was granted stays."""
        small = CodeSpace(KEY, pattern="S-###-######-#", context="velo", tag=8, weak=True)
        shop = open_shop(campaigns(percent("few", small)), codes=CodeBook([small]))
        assert small.capacity == 32
        grants, reasons = list[Grant](), list[Reason]()
        for number in range(200):
            try:
                grants.append(given(shop, f"t-{number}", campaign_id="few"))
            except RefusedError as refused:
                reasons.append(refused.refusal.reason)
        assert set(reasons) == {Reason.CODES_EXHAUSTED}
        assert len({one.code for one in grants}) == len(grants) == 32
        assert given(shop, "t-0", campaign_id="few") == grants[0]


def check_grants(number: int) -> None:
    """Grant many, in threads, with batches and a rotation in between: every code once, every commit on a stream of its own."""
    store = Written()
    first = open_shop(store=store, retries=100)
    rotated = attrs.evolve(first, codes=CodeBook([space.under(NEXT_KEY) for space in (SPACE, OTHER)], retired={KEY: NOON + DAY}))
    batches = list[str]()
    grants = list[Grant]()
    for shop, refs in ((first, range(number // 2)), (rotated, range(number // 2, number))):
        with ThreadPoolExecutor(4) as pool:
            more = pool.map(partial(given, shop), [f"t-{ref}" for ref in refs], [f"m-{ref % 50}" for ref in refs])
            batches += issued(shop, count=50, ref=f"mail-{refs.start}")
            grants += more
    codes = [*batches, *(one.code for one in grants)]
    assert len(set(codes)) == len(codes) == number + 100
    assert len({one.coupon_id for one in grants}) == number
    blocks = blocks_of(first)
    assert {block.key_id for block in blocks} == {KEY.key_id, NEXT_KEY.key_id}
    for key in (KEY, NEXT_KEY):
        sizes = [len(block.serials) for block in blocks if block.key_id == key.key_id and block.holder_bound]
        assert sizes == [sizes[0] * 2**nth for nth in range(len(sizes))]
        assert len(sizes) >= 2
    assert store.appended[space_stream(SPACE.space_id)] == len(blocks)
    assert store.appended[campaign_stream("welcome")] == 0
    for nth in (0, -1):
        one = grants[nth]
        assert rotated.quote(HELMET, member_id=one.holder, codes=[one.code]).codes[one.code].applied
        assert given(rotated, f"t-{range(number)[nth]}", one.holder) == one


class Written:
    """Counts what is appended to each stream."""

    def __init__(self) -> None:
        self.inner = MemoryRepository()
        self.load, self.receipt, self.claimed, self.due = (
            self.inner.load,
            self.inner.receipt,
            self.inner.claimed,
            self.inner.due,
        )
        self.appended = Counter[StreamId]()

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Count, and pass on."""
        self.inner.commit(command, changes)
        self.appended.update(change.stream for change in changes if isinstance(change, Append))


class TestIssue:
    @pytest.mark.parametrize("moment, name", MOMENTS)
    def test_a_lost_answer(self, moment: str, name: str, shop: Loyalty, store: LossyRepository) -> None:
        """One block for one mailing, and the same codes."""
        getattr(store, moment)[name] = [lost]
        with pytest.raises(ConnectionError):
            issued(shop)
        assert issued(shop) == issued(shop) == [SPACE.code(n) for n in range(10)]
        assert len(blocks_of(shop)) == 1

    @pytest.mark.parametrize(
        "other, fields",
        [({"count": 11}, ("count",)), ({"by": "you"}, ("actor",)), ({"avoid": ["words"]}, ("words",))],
    )
    def test_the_same_mailing_otherwise(self, other: dict[str, Any], fields: tuple[str, ...], shop: Loyalty) -> None:
        """It says what differs."""
        issued(shop)
        refusal = refusal_of(lambda: shop.issue_codes("welcome", **{"count": 10, "ref": "mail", "by": "me", **other}))
        assert (refusal.reason, refusal.details["fields"]) == (Reason.KEY_REUSED, fields)

    def test_a_batch_masks_its_codes(self, shop: Loyalty) -> None:
        """What is printed of it is where it lies, not what it says."""
        batch = shop.issue_codes("welcome", 3, ref="mail", by="me")
        assert (batch.space_id, batch.block.serials, batch.block.ref) == (SPACE.space_id, range(3), "batch/mail")
        assert all(code not in repr(batch) for code in batch.codes())
        assert batch.block.taken_at == NOON

    def test_what_cannot_be_issued(self, shop: Loyalty) -> None:
        """Codes of a campaign that has none, that is stopped or over, or more than there are."""
        for name, kind in (("GOOD25", "one code for everybody"), ("sorry", "no codes")):
            with pytest.raises(UsageError, match=f"must have codes that a machine makes, it has {kind}"):
                shop.issue_codes(name, 1, ref="mail", by="me")
        shop.stop("welcome", by="me")
        assert refusal_of(lambda: issued(shop)).reason is Reason.CAMPAIGN_STOPPED
        assert (
            refusal_of(lambda: shop.issue_codes("stopped", SPACE.capacity + 1, ref="m", by="me")).reason is Reason.CODES_EXHAUSTED
        )
        assert refusal_of(lambda: shop.issue_codes("nosuch", 1, ref="m", by="me")).details["known"] == tuple(
            sorted(CAMPAIGNS.campaigns)
        )

    def test_a_batch_waits_for_its_window(self) -> None:
        """Issued before it begins, its codes are good from then on, and end with it or after their time."""
        clock = Clock()
        windowed = percent("fall", window=Window(starts_at=NOON + DAY, ends_at=NOON + 3 * DAY), valid_for=Period(days=1))
        shop = open_shop(campaigns(windowed), clock=clock)
        code = issued(shop, "fall")[0]
        seen = list[Reason | None]()
        for _ in range(4):
            seen.append(reason_of(shop.quote(HELMET, codes=[code]), code))
            clock.at += DAY
        assert seen == [Reason.COUPON_NOT_STARTED, None, None, Reason.COUPON_EXPIRED]

    def test_a_campaign_that_left_the_program(self, shop: Loyalty) -> None:
        """Its codes are read, and open nothing."""
        code, one = issued(shop)[0], given(shop, "t-1")
        without = attrs.evolve(shop, program=campaigns(percent("other")))
        assert reason_of(without.quote(HELMET, codes=[code]), code) is Reason.COUPON_NOT_FOUND
        assert reason_of(without.quote(HELMET, member_id="m", codes=[one.code]), one.code) is Reason.COUPON_NOT_FOUND
        assert without.coupons("m") == ()
        assert attrs.evolve(shop, program=PROGRAM, codes=None).quote(HELMET, codes=[code]).codes[code].refusal is not None

    def test_a_retired_key(self, shop: Loyalty) -> None:
        """Its codes are good until the date that was said, and the new key's besides."""
        old = issued(shop)[0]
        book = CodeBook([space.under(NEXT_KEY) for space in (SPACE, OTHER)], retired={KEY: NOON + DAY})
        clock = Clock()
        rotated = attrs.evolve(shop, codes=book, clock=clock)
        new = issued(rotated, ref="mail-2")[0]
        assert [block.key_id for block in blocks_of(rotated)] == [KEY.key_id, NEXT_KEY.key_id]
        for code in (old, new):
            assert rotated.quote(HELMET, codes=[code]).codes[code].applied
        clock.at += DAY
        assert reason_of(rotated.quote(HELMET, codes=[old]), old) is Reason.CODE_UNKNOWN
        assert rotated.quote(HELMET, codes=[new]).codes[new].applied
        assert next(rotated.issue_codes("welcome", 10, ref="mail", by="me").codes()) == old

    def test_another_key_of_the_same_name(self, shop: Loyalty) -> None:
        """It is refused before anything is read or issued."""
        issued(shop)
        wrong = SecretKey(KEY.key_id, b"w" * 32)
        shop = attrs.evolve(shop, codes=CodeBook([SPACE.under(wrong), OTHER.under(wrong)]))
        with pytest.raises(UsageError, match="it is another key"):
            issued(shop, ref="more")
        with pytest.raises(UsageError, match="it is another key"):
            shop.quote(HELMET, codes=["any"])


class TestSwitch:
    def test_stopped_at_once(self, shop: Loyalty) -> None:
        """In every basket, also between the page and the order; and on again as it was."""
        code = issued(shop)[0]
        quote = shop.quote(HELMET, codes=[code])
        stopped = shop.stop("welcome", reason="too many", by="me")
        assert (stopped.is_stopped, stopped.stopped_at) == (True, NOON)
        assert refusal_of(lambda: shop.place(quote, order_id="1")).reason is Reason.QUOTE_CHANGED
        assert shop.order("1").placed is None
        assert shop.coupon(code).uses == {}
        assert not shop.resume("welcome", by="me").is_stopped
        assert shop.place(quote, order_id="1").coupons_redeemed == quote.coupons_redeemed

    def test_the_switch_is_guarded(self, shop: Loyalty, store: LossyRepository) -> None:
        """Stopped after the order was decided and before it is kept: it is decided again, and refused."""
        other = attrs.evolve(shop, repository=store.inner)
        calls: list[Callable[[Quote], object]] = [
            partial(shop.place, order_id="1"),
            partial(shop.reserve, order_id="2", hold_for=HOUR),
        ]
        for call in calls:
            quote = shop.quote(HELMET, codes=["GOOD25"])
            store.before["commit"] = [partial(other.stop, "GOOD25", by="me")]
            assert refusal_of(partial(call, quote)).reason is Reason.QUOTE_CHANGED
            shop.resume("GOOD25", by="me")
        assert live(shop, "offer/GOOD25/orders") == [0]

    def test_a_grant_is_guarded(self, shop: Loyalty, store: LossyRepository) -> None:
        """Nor is a coupon given of a campaign that was stopped meanwhile."""
        other = attrs.evolve(shop, repository=store.inner)
        store.before["commit"] = [lambda: None, lambda: other.stop("welcome", by="me")]
        assert refusal_of(lambda: given(shop, "t-1")).reason is Reason.CAMPAIGN_STOPPED
        assert shop.coupons("m") == ()

    @pytest.mark.parametrize("moment, name", [one for one in MOMENTS if one != ("after", "load")])
    def test_a_lost_answer(self, moment: str, name: str, shop: Loyalty, store: LossyRepository) -> None:
        """Stopped once."""
        getattr(store, moment)[name] = [lost]
        with pytest.raises(ConnectionError):
            shop.stop("welcome", by="me")
        assert shop.stop("welcome", by="me").version == 1

    def test_each_time_it_is_asked(self, shop: Loyalty) -> None:
        """Stopped, resumed and stopped again is stopped; what is so already is left."""
        for call, version in ((shop.resume, 0), (shop.stop, 1), (shop.stop, 1), (shop.resume, 2), (shop.stop, 3)):
            assert call("welcome", by="me").version == version

    @pytest.mark.parametrize("moment", [("after", "load"), ("before", "commit")])
    def test_two_people_stop_it(self, moment: tuple[str, str], shop: Loyalty, store: LossyRepository) -> None:
        """Both hear that it is stopped, whoever was faster."""
        other = attrs.evolve(shop, repository=store.inner)
        getattr(store, moment[0])[moment[1]] = [lambda: other.stop("welcome", by="you")]
        assert shop.stop("welcome", by="me").version == 1

    def test_a_campaign_of_the_program(self, shop: Loyalty) -> None:
        """Another is not found."""
        for call in (shop.stop, shop.resume):
            assert refusal_of(partial(call, "nosuch", by="me")).reason is Reason.CAMPAIGN_NOT_FOUND

    def test_a_switch_that_others_wrote(self, shop: Loyalty, store: LossyRepository) -> None:
        """A key that is used without a fact is told, and not asked for ever."""
        stream = campaign_stream("welcome")
        store.inner.commit(Command.of(stream, Key("stop:0"), actor="import"), [Expect(stream=stream, version=0)])
        assert refusal_of(lambda: shop.stop("welcome", by="me")).reason is Reason.KEY_REUSED


class TestRevoke:
    def test_nobody_can_redeem_it(self, shop: Loyalty) -> None:
        """One of a batch, one that was granted, one without a code; the member no longer holds it."""
        code = issued(shop)[0]
        one, sorry = given(shop, "t-1"), given(shop, "t-2", campaign_id="sorry")
        for coupon_id in (shop.coupon(code).coupon_id, one.coupon_id, sorry.coupon_id):
            revoked = shop.revoke_coupon(coupon_id, reason="leaked", by="me")
            assert revoked.status(at=NOON) is CouponStatus.REVOKED
            assert shop.revoke_coupon(coupon_id, reason="again", by="you") == revoked
        quote = shop.quote(HELMET, member_id="m", codes=[code, one.code])
        assert {reason_of(quote, text) for text in (code, one.code)} == {Reason.COUPON_REVOKED}
        assert (quote.coupons_redeemed, shop.coupons("m")) == ((), ())

    def test_what_was_never_issued(self, shop: Loyalty, store: LossyRepository) -> None:
        """Another's id, a serial in no block, one that waits to be granted, another spelling of a serial: nothing is written."""
        issued(shop)
        one = given(shop, "t-1")
        named = one.coupon_id.rpartition("/")[0]
        free = next(n for n in range(10, 20) if f"{named}/{n}" != one.coupon_id)
        for coupon_id in (
            "nosuch",
            "welcome/t-9",
            f"{named}/x",
            f"{named}/07",
            f"{named}/{10**7}",
            f"{named}/{free}",
            "no/2026a/1",
        ):
            revoke = partial(shop.revoke_coupon, coupon_id, reason="", by="me")
            assert refusal_of(revoke).reason is Reason.COUPON_NOT_FOUND
            assert store.inner.load([coupon_stream(coupon_id)])[coupon_stream(coupon_id)].version == 0
        without = attrs.evolve(shop, program=PROGRAM, codes=None)
        assert refusal_of(lambda: without.revoke_coupon(f"{named}/0", reason="", by="me")).reason is Reason.COUPON_NOT_FOUND

    def test_two_people_take_it_back(self, shop: Loyalty, store: LossyRepository) -> None:
        """Both hear that it is revoked."""
        one, other = given(shop, "t-1"), attrs.evolve(shop, repository=store.inner)
        store.before["commit"] = [lambda: other.revoke_coupon(one.coupon_id, reason="mine", by="you")]
        assert shop.revoke_coupon(one.coupon_id, reason="yours", by="me").version == 2

    def test_redeemed_meanwhile(self, shop: Loyalty, store: LossyRepository) -> None:
        """The order that was faster keeps it, and the answer shows both."""
        one, other = given(shop, "t-1"), attrs.evolve(shop, repository=store.inner)
        quote = shop.quote(HELMET, member_id="m", codes=[one.code])
        store.before["commit"] = [lambda: other.place(quote, order_id="1")]
        revoked = shop.revoke_coupon(one.coupon_id, reason="late", by="me")
        assert (revoked.version, revoked.status(at=NOON)) == (3, CouponStatus.REDEEMED)

    def test_its_holder_was_forgotten_meanwhile(self, shop: Loyalty, store: LossyRepository) -> None:
        """It is another's by name: he is looked at instead."""
        one, other = given(shop, "t-1"), attrs.evolve(shop, repository=store.inner)
        store.after["load"] = [lambda: other.forget("m", alias="nobody")]
        assert shop.revoke_coupon(one.coupon_id, reason="", by="me").holder == "nobody"
        assert (shop.coupons("m"), shop.coupons("nobody")) == ((), ())

    def test_a_key_that_others_used(self, shop: Loyalty, store: LossyRepository) -> None:
        """It is told, and not asked for ever."""
        stream = coupon_stream(given(shop, "t-1").coupon_id)
        store.inner.commit(Command.of(stream, Key("revoke"), actor="import"), [Expect(stream=stream, version=1)])
        refusal = refusal_of(lambda: shop.revoke_coupon(stream.partition("/")[2], reason="", by="me"))
        assert refusal.reason is Reason.KEY_REUSED


class TestLooking:
    def test_the_desk_reads_a_code(self, shop: Loyalty) -> None:
        """With its orders and its dates, and it is no attempt."""
        code = issued(shop)[0]
        shop.place(shop.quote(HELMET, codes=[code]), order_id="1")
        guarded = attrs.evolve(shop, attempts=Attempts(per_client=1, per_shop=1))
        for _ in range(3):
            assert list(guarded.coupon(code.lower()).uses) == ["1"]

    @pytest.mark.parametrize(
        "code, verdict",
        [
            ("?!", "symbol"),
            (mistyped(SPACE.code(0)), "check"),
            (SPACE.under(SecretKey("evil", b"6" * 32)).code(3), "forged"),
            (SPACE.code(10**6), "not_issued"),
            ("HI-1", "length"),
        ],
    )
    def test_it_says_how_far_a_code_was_read(self, code: str, verdict: str, shop: Loyalty) -> None:
        """For whoever helps."""
        refusal = refusal_of(lambda: shop.coupon(code))
        assert refusal.reason is Reason.CODE_UNKNOWN
        assert refusal.details["verdict"] in {verdict, "length"}

    def test_a_serial_that_waits_is_told(self, shop: Loyalty) -> None:
        """In a block to grant from, and not granted."""
        one = given(shop, "t-1")
        block = blocks_of(shop)[0]
        free = next(n for n in block.serials if not one.coupon_id.endswith(f"/{n}"))
        assert refusal_of(lambda: shop.coupon(SPACE.code(free))).details == {"verdict": "not_granted"}

    def test_without_a_book_there_is_nothing_to_read(self) -> None:
        """It says so."""
        with pytest.raises(UsageError, match="codes must be a CodeBook to read one"):
            open_shop(PROGRAM, codes=None).coupon("any")

    def test_what_a_member_may_use(self, shop: Loyalty) -> None:
        """Those that end soonest first, with why one cannot be used at present; at most fifty."""
        clock = Clock()
        program = campaigns(
            percent("week", None, valid_for=Period(days=7)), percent("ever", None, automatic=True), percent("welcome")
        )
        shop = open_shop(program, clock=clock)
        ever, week = given(shop, "1", campaign_id="ever"), given(shop, "2", campaign_id="week")
        coded = given(shop, "3")
        assert [(one.coupon_id, one.automatic) for one in shop.coupons("m")] == [
            (week.coupon_id, False),
            *sorted([(ever.coupon_id, True), (coded.coupon_id, False)]),
        ]
        assert coded.coupon_id not in repr(shop.coupons("m"))
        shop.stop("ever", by="me")
        shop.reserve(shop.quote(HELMET, member_id="m", coupons=[week.coupon_id]), order_id="1", hold_for=HALF_HOUR)
        refusals = {one.coupon_id: one.refusal for one in shop.coupons("m")}
        assert {name: one.reason for name, one in refusals.items() if one} == {
            ever.coupon_id: Reason.CAMPAIGN_STOPPED,
            week.coupon_id: Reason.COUPON_RESERVED,
        }
        clock.at += 9 * DAY
        assert {one.coupon_id for one in shop.coupons("m")} == {ever.coupon_id, coded.coupon_id}
        for number in range(HELD_LIMIT):
            given(shop, f"n-{number}", campaign_id="week")
        assert len(shop.coupons("m")) == HELD_LIMIT
        assert shop.coupons("nobody") == ()

    def test_one_that_is_chosen_counts_beyond_the_first_fifty(self) -> None:
        """However many end sooner."""
        shop = open_shop(campaigns(percent("week", None, valid_for=Period(days=7)), percent("ever", None)))
        last = given(shop, "last", campaign_id="ever")
        for number in range(HELD_LIMIT + 1):
            given(shop, f"n-{number}", campaign_id="week")
        quote = shop.quote(HELMET, member_id="m", coupons=[last.coupon_id])
        assert [one.coupon_id for one in quote.coupons_redeemed] == [last.coupon_id]

    def test_conditions_hold_besides(self) -> None:
        """A code opens its offer only where the rest holds too, and its holder is told what is missing."""
        rest = first_order() & spend_at_least(Money.of("50", "EUR"))
        shop = open_shop(campaigns(percent("welcome", when=rest)))
        code = issued(shop)[0]
        quote = shop.quote(BELL, codes=[code], member_id="m")
        told = quote.codes[code].public
        assert isinstance(told, NotApplied)
        assert told.reason == "basket_below_threshold"
        assert told.details["missing_minor"] == 5000 - 1250

    def test_a_short_code_is_not_proof(self) -> None:
        """Where odds are bad its holder is told no more than anybody."""
        weak = CodeSpace(KEY, pattern="########", context="velo", weak=True, tag=4)
        shop = open_shop(campaigns(percent("weak", weak)), codes=CodeBook([weak], attempts=1000))
        code = issued(shop, "weak")[0]
        shop.place(shop.quote(HELMET, codes=[code]), order_id="1")
        assert shop.quote(HELMET, codes=[code]).codes[code].public == NotApplied()


class TestHook:
    def test_a_shop_is_told_of_coupons_and_switches(self) -> None:
        """Within the commit, as they are afterwards; attempts are none of its business."""
        seen = list[Projected]()
        shop = open_shop(project=seen.append, attempts=Attempts())
        one = given(shop, "t-1")
        shop.place(shop.quote(HELMET, member_id="m", codes=[one.code]), order_id="1")
        shop.stop("welcome", by="me")
        assert [sorted(type(state).__name__ for state in projected.states) for projected in seen] == [
            ["SpaceBlocks"],
            ["Coupon", "Membership"],
            ["Coupon", "Membership", "Order"],
            ["Campaign"],
        ]


BROKEN_LAWS = {
    "a code is for whoever comes first",
    "a code is held by whom the model says",
    "a card pays what it can",
    "what is claimed is what is held",
    "what left the card is what reached orders",
}


class OverMemory(CheckoutMachine):
    """The machine of checkouts, over a memory."""

    make_repository = MemoryRepository


FEW = settings(max_examples=25, stateful_step_count=25, deadline=None, database=None)
BROKEN = settings(FEW, max_examples=100, phases=[Phase.generate], derandomize=True)


@pytest.mark.law(32, 33, 37, 43)
class TestMachine:
    def test_over_memory(self) -> None:
        """Against a model with one row for each order."""
        run_state_machine_as_test(OverMemory, settings=FEW)

    def test_over_sqlite(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The same over files, which are closed."""
        numbers, closed, close = count(), list[object](), SQLiteRepository.close

        def closing(repository: SQLiteRepository) -> None:
            closed.append(repository)
            close(repository)

        monkeypatch.setattr(SQLiteRepository, "close", closing)

        class OverFile(CheckoutMachine):
            make_repository = staticmethod(lambda: SQLiteRepository(tmp_path / f"{next(numbers)}.db"))

        run_state_machine_as_test(OverFile, settings=settings(FEW, max_examples=3))
        assert closed

    @pytest.mark.parametrize(
        "name", ["claims_of", "holding", "freeing", "beside_reserved", "beside_cancelled", "beside_returned"]
    )
    def test_a_broken_library_is_told(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """One that claims, holds, frees or gives back nothing breaks a law."""
        none = (lambda _, fact, *__, **___: (fact, ())) if name == "beside_returned" else (lambda *_, **__: ())
        module = "program" if name in {"claims_of", "beside_reserved"} else "_on_orders"
        monkeypatch.setattr(f"loyaltycore.{module}.{name}", none)
        with pytest.raises(AssertionError) as error:
            run_state_machine_as_test(OverMemory, settings=BROKEN)
        assert str(error.value).partition(";")[0].partition("\n")[0] in BROKEN_LAWS
