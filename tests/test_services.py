"""``Loyalty`` over a repository: everything once, whatever gets lost, and however many ask at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore import Basket, Line, Loyalty, Money, Profile, Program, Reason, RefusedError, UsageError
from loyaltycore._service import RETRIES_LIMIT
from loyaltycore.benefits import Gift, PercentOff
from loyaltycore.errors import ConflictError, DuplicateError, LimitReachedError, Refusal
from loyaltycore.facts import Change, Command
from loyaltycore.identity import CounterId, Key, StreamId, member_stream, order_stream
from loyaltycore.ledger import Adjusted, Granted
from loyaltycore.memberships import MemberJoined, Membership
from loyaltycore.offers import Limits, Mode, Offer, OfferBook, Stacking, View
from loyaltycore.orders import OrderPlaced
from loyaltycore.periods import Period, Term, Window
from loyaltycore.program import Quote
from loyaltycore.repositories import Claimed, Cursor, Due, Receipt, Repository, StoredStream
from loyaltycore.services import utc_now
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.store.sqlite import SQLiteRepository

T = TypeVar("T")

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
PROGRAM = Program.parse(
    """
    [program]
    name = "velo"
    version = 1
    currency = "EUR"
    zone = "Europe/Paris"
    starts_on = 2026-01-01
    [points]
    earn = "1 per 1.00"
    basis = "paid"
    expires = "12 months"
    worth = "0.01"
    burn_minimum = 1
    overdraft = "carry"
    [points.actions]
    review = 50
    sign_up = 1000
    [stacking]
    mode = "best"
    [[offers]]
    id = "ten-from-fifty"
    when = { spend_at_least = "50.00" }
    give = { percent_off = "10" }
    [[offers]]
    id = "twenty"
    when = { code = "TWENTY" }
    give = { percent_off = "20" }
    """
)
HELMET = Basket.of("EUR", {"helmet": "79.90"})
BELL = Basket.of("EUR", {"bell": "12.50"})


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def __call__(self) -> datetime:
        """Give the time it shows."""
        return self.at


class LossyRepository:
    """Passes everything on to a repository, and runs a fault before or after chosen calls."""

    def __init__(self, inner: Repository | None = None) -> None:
        self.inner = MemoryRepository() if inner is None else inner
        self.calls = list[str]()
        self.before = dict[str, list[Callable[[], object]]]()
        self.after = dict[str, list[Callable[[], object]]]()

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        """Pass on."""
        return self.passed("load", lambda: self.inner.load(streams))

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        """Pass on."""
        return self.passed("receipt", lambda: self.inner.receipt(home, key))

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Pass on."""
        self.passed("commit", lambda: self.inner.commit(command, changes))

    def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        """Pass on."""
        return self.passed("claimed", lambda: self.inner.claimed(counters, key=key, at=at))

    def due(self, *, before: datetime, after: Cursor | None, limit: int) -> Sequence[Due]:
        """Pass on."""
        return self.passed("due", lambda: self.inner.due(before=before, after=after, limit=limit))

    def passed(self, name: str, call: Callable[[], T]) -> T:
        """Run what was planned, and the call in between."""
        self.calls.append(name)
        self.planned(self.before, name)
        answer = call()
        self.planned(self.after, name)
        return answer

    def planned(self, plan: dict[str, list[Callable[[], object]]], name: str) -> None:
        """Run the next fault planned for a call."""
        if plan.get(name):
            plan[name].pop(0)()


def lost() -> None:
    """Lose the connection."""
    msg = "the connection was lost"
    raise ConnectionError(msg)


def outrun() -> None:
    """Let another writer be faster."""
    raise ConflictError


def refusal_of(call: Callable[[], object]) -> Refusal:
    """Give why a call is refused."""
    with pytest.raises(RefusedError) as refused:
        call()
    return refused.value.refusal


@pytest.fixture
def clock() -> Clock:
    """A clock at noon."""
    return Clock()


@pytest.fixture
def store() -> LossyRepository:
    """A repository in memory that can be made to fail."""
    return LossyRepository()


@pytest.fixture
def shop(store: LossyRepository, clock: Clock) -> Loyalty:
    """A shop over it."""
    return Loyalty(PROGRAM, store, clock=clock)


def facts_in(store: LossyRepository, *streams: StreamId) -> list[int]:
    """Count the facts of streams."""
    loaded = store.inner.load(streams)
    return [loaded[stream].version for stream in streams]


class TestLoyalty:
    def test_clock_is_utc_now_unless_said(self) -> None:
        """The default clock gives the present instant in UTC."""
        before = datetime.now(UTC)
        assert before <= utc_now() <= datetime.now(UTC)
        shop = Loyalty(PROGRAM, MemoryRepository())
        assert shop.clock is utc_now
        assert shop.retries == 5

    @pytest.mark.parametrize("retries", [-1, RETRIES_LIMIT + 1, True, 1.0])
    def test_retries_are_limited(self, retries: int) -> None:
        """Retries number 0 to 100."""
        with pytest.raises(UsageError, match="retries must be a whole number"):
            Loyalty(PROGRAM, MemoryRepository(), retries=retries)

    def test_most_and_fewest_retries_are_allowed(self) -> None:
        """Both bounds are inside."""
        assert Loyalty(PROGRAM, MemoryRepository(), retries=0).retries == 0
        assert Loyalty(PROGRAM, MemoryRepository(), retries=RETRIES_LIMIT).retries == 100

    @pytest.mark.law(32)
    def test_limits_are_counted(self, clock: Clock) -> None:
        """An offer for the first two orders is given to two, whoever orders; the third quote says so."""
        offer = Offer("first-two", give=PercentOff("10"), limits=Limits(total=2))
        limited = attrs.evolve(PROGRAM, book=attrs.evolve(PROGRAM.book, offers=[*PROGRAM.book.offers, offer]))
        shop = Loyalty(limited, MemoryRepository(), clock=clock)
        for order_id in ("1", "2"):
            placed = shop.place(shop.quote(BELL), order_id=order_id)
            assert (placed.total, dict(placed.counters)) == (Money.of("11.25", "EUR"), {"offer/first-two/orders": 1})
        quote = shop.quote(BELL)
        refusal = quote.verdict("first-two").refusal
        assert refusal is not None
        assert (quote.total, refusal.reason) == (Money.of("12.50", "EUR"), Reason.OFFER_LIMIT_REACHED)
        assert shop.quote(BELL, order_id="2").total == Money.of("11.25", "EUR")  # this place is its own

    @pytest.mark.law(8)
    def test_naive_clock_is_refused(self, store: LossyRepository) -> None:
        """A clock without a zone is a bug of the caller, in every call; nothing is written."""
        quote = Loyalty(PROGRAM, store, clock=Clock()).quote(HELMET, member_id="m")
        shop = Loyalty(PROGRAM, store, clock=lambda: datetime(2026, 7, 1, 12))  # noqa: DTZ001 - naive on purpose
        calls: list[Callable[[], object]] = [
            lambda: shop.quote(HELMET),
            lambda: shop.place(quote, order_id="1"),
            lambda: shop.join("m"),
            lambda: shop.record("review", member_id="m", ref="r"),
            lambda: shop.overview("m"),
        ]
        for call in calls:
            with pytest.raises(UsageError, match=r"clock\(\) must be a timezone-aware datetime"):
                call()
        assert facts_in(store, member_stream("m"), order_stream("1")) == [0, 0]


class TestQuote:
    def test_guest_needs_nothing_loaded(self, shop: Loyalty, store: LossyRepository) -> None:
        """A guest's quote asks the repository nothing."""
        assert str(shop.quote(HELMET).total) == "71.91 EUR"
        assert store.calls == []

    def test_member_is_loaded_once(self, shop: Loyalty, store: LossyRepository) -> None:
        """A member's quote takes one round trip, and writes nothing."""
        shop.record("sign_up", member_id="m", ref="s")
        store.calls.clear()
        profile, codes = Profile(tags={"club"}), ["SUMMER10"]
        quote = shop.quote(HELMET, member_id="m", profile=profile, codes=codes, burn=100)
        assert store.calls == ["load"]
        membership = Membership.replay("m", store.inner.load([member_stream("m")])[member_stream("m")].facts)
        assert quote == PROGRAM.quote(HELMET, membership, profile=profile, codes=codes, burn=100, at=NOON)
        assert (quote.burn.granted, str(quote.total)) == (100, "70.91 EUR")


class TestPlace:
    @pytest.mark.law(8, 38)
    def test_placed_twice_is_placed_once(self, shop: Loyalty, store: LossyRepository, clock: Clock) -> None:
        """The webhook that comes twice hears the same answer, even a day later, and books nothing."""
        quote = shop.quote(HELMET, member_id="m")
        first = shop.place(quote, order_id="1")
        clock.at += timedelta(days=1)
        assert shop.place(quote, order_id="1") == first
        assert first == OrderPlaced(**{**attrs.asdict(first, recurse=False), "at": NOON})
        assert facts_in(store, order_stream("1"), member_stream("m")) == [1, 2]
        assert shop.overview("m").balance.available == 71

    def test_books_what_was_quoted(self, shop: Loyalty) -> None:
        """The order is the quote: lines, offers, points, burn."""
        shop.record("sign_up", member_id="m", ref="s")
        quote = shop.quote(HELMET, member_id="m", burn=500)
        placed = shop.place(quote, order_id="1")
        assert (placed.digest, placed.total, placed.points) == (quote.digest, quote.total, quote.points_to_earn)
        assert placed.burn_points == 500
        assert shop.order("1").placed == placed
        assert shop.overview("m").balance.available == 1000 - 500 + placed.points

    def test_guest_order_is_booked(self, shop: Loyalty, store: LossyRepository) -> None:
        """A guest's order is an order; no member is touched."""
        placed = shop.place(shop.quote(HELMET), order_id="1")
        assert (placed.member_id, placed.points) == (None, 71)
        assert facts_in(store, order_stream("1")) == [1]

    @pytest.mark.parametrize("moment", ["before", "after"])
    @pytest.mark.parametrize("name", ["receipt", "load", "commit"])
    def test_retry_after_a_lost_answer_hears_the_first_answer(
        self, name: str, moment: str, shop: Loyalty, store: LossyRepository
    ) -> None:
        """Wherever the connection was lost, the call made again does it once."""
        shop.record("sign_up", member_id="m", ref="s")
        quote = shop.quote(HELMET, member_id="m", burn=1000)
        getattr(store, moment)[name] = [lost]
        with pytest.raises(ConnectionError):
            shop.place(quote, order_id="1")
        placed = shop.place(quote, order_id="1")
        assert (placed.burn_points, placed.total) == (1000, quote.total)
        assert facts_in(store, order_stream("1")) == [1]
        assert shop.overview("m").balance.available == placed.points

    def test_receipt_is_asked_before_deciding(self, shop: Loyalty, store: LossyRepository) -> None:
        """A retry costs one question, and never hears that the points it burned are missing."""
        shop.record("sign_up", member_id="m", ref="s")
        quote = shop.quote(HELMET, member_id="m", burn=1000)
        shop.place(quote, order_id="1")
        store.calls.clear()
        shop.place(quote, order_id="1")
        assert store.calls == ["receipt"]

    @pytest.mark.parametrize(
        "changed, fields",
        [
            (lambda shop: shop.quote(BELL, member_id="m"), ("basket",)),
            (lambda shop: shop.quote(HELMET, member_id="n"), ("member_id",)),
            (lambda shop: shop.quote(HELMET), ("member_id",)),
            (lambda shop: shop.quote(HELMET, member_id="m", codes=["SUMMER10"]), ("codes",)),
            (lambda shop: shop.quote(HELMET, member_id="m", burn=1), ("burn",)),
            (lambda shop: shop.quote(HELMET, member_id="m", profile=Profile(tags={"club"})), ("profile",)),
            (lambda shop: shop.quote(BELL, member_id="m", burn=2), ("basket", "burn")),
        ],
    )
    @pytest.mark.law(8)
    def test_reused_key_names_the_fields(
        self, changed: Callable[[Loyalty], Quote], fields: tuple[str, ...], shop: Loyalty, store: LossyRepository
    ) -> None:
        """Another order under a used id is refused, and told what differs."""
        shop.place(shop.quote(HELMET, member_id="m"), order_id="1")
        before = facts_in(store, order_stream("1"), member_stream("m"), member_stream("n"))
        refusal = refusal_of(lambda: shop.place(changed(shop), order_id="1"))
        assert refusal.reason is Reason.KEY_REUSED
        assert refusal.details == {"key": "place", "fields": fields}
        assert facts_in(store, order_stream("1"), member_stream("m"), member_stream("n")) == before

    @pytest.mark.parametrize(
        "line",
        [
            Line("2", Money.of("79.90", "EUR"), product_id="helmet"),
            Line("helmet", Money.of("79.91", "EUR")),
            Line("helmet", Money.of("79.90", "EUR"), 2),
            Line("helmet", Money.of("79.90", "EUR"), product_id="p"),
            Line("helmet", Money.of("79.90", "EUR"), tags=["safety"]),
            Line("helmet", Money.of("79.90", "EUR"), categories=["safety"]),
            Line("helmet", Money.of("79.90", "EUR"), regular_price=Money.of("99.90", "EUR")),
        ],
    )
    def test_any_change_of_a_line_is_another_basket(self, line: Line, shop: Loyalty) -> None:
        """Everything said of a line is part of what was asked."""
        shop.place(shop.quote(HELMET), order_id="1")
        assert refusal_of(lambda: shop.place(shop.quote(Basket([line])), order_id="1")).details["fields"] == ("basket",)

    @pytest.mark.parametrize(
        "basket",
        [
            attrs.evolve(HELMET, shipping=Money.of("4.90", "EUR")),
            attrs.evolve(HELMET, market="fr"),
            attrs.evolve(HELMET, channel="till"),
            Basket([*HELMET.lines, *BELL.lines]),
        ],
    )
    def test_any_change_of_a_basket_is_another_basket(self, basket: Basket, shop: Loyalty) -> None:
        """Everything said of a basket is part of what was asked."""
        shop.place(shop.quote(HELMET), order_id="1")
        assert refusal_of(lambda: shop.place(shop.quote(basket), order_id="1")).details["fields"] == ("basket",)

    def test_actor_is_part_of_what_was_asked(self, shop: Loyalty) -> None:
        """Another actor under a used id is another command; the first is kept in the receipt."""
        quote = shop.quote(HELMET)
        shop.place(quote, order_id="1", actor="zoé")
        assert refusal_of(lambda: shop.place(quote, order_id="1")).details["fields"] == ("actor",)
        receipt = shop.repository.receipt(order_stream("1"), Key("place"))
        assert receipt is not None
        assert receipt.command.actor == "zoé"

    @pytest.mark.law(8, 22)
    def test_changed_quote_is_refused_and_books_nothing(self, shop: Loyalty, store: LossyRepository) -> None:
        """Points that are gone since the quote are told, not silently left out."""
        shop.record("sign_up", member_id="m", ref="s")
        quote = shop.quote(HELMET, member_id="m", burn=1000)
        shop.place(shop.quote(BELL, member_id="m", burn=600), order_id="other")
        refusal = refusal_of(lambda: shop.place(quote, order_id="1"))
        assert refusal.reason is Reason.QUOTE_CHANGED
        assert facts_in(store, order_stream("1")) == [0]
        assert store.inner.receipt(order_stream("1"), Key("place")) is None

    @pytest.mark.law(38)
    def test_conflict_is_retried(self, shop: Loyalty, store: LossyRepository) -> None:
        """Who lost a race loads and decides again."""
        store.before["commit"] = [outrun, outrun]
        quote = shop.quote(HELMET, member_id="m")
        store.calls.clear()
        assert shop.place(quote, order_id="1").points == 71
        assert store.calls == ["receipt", "load", "commit"] * 3

    @pytest.mark.parametrize("retries", [0, 1, 5])
    def test_conflict_is_raised_after_the_last_retry(self, retries: int, store: LossyRepository, clock: Clock) -> None:
        """Whoever loses every race is told so, and nothing was written."""
        shop = Loyalty(PROGRAM, store, clock=clock, retries=retries)
        store.before["commit"] = [outrun] * (retries + 1)
        quote = shop.quote(HELMET, member_id="m")
        with pytest.raises(ConflictError):
            shop.place(quote, order_id="1")
        assert store.calls.count("commit") == retries + 1
        assert facts_in(store, order_stream("1"), member_stream("m")) == [0, 0]

    def test_last_retry_may_succeed(self, store: LossyRepository, clock: Clock) -> None:
        """As many races may be lost as there are retries."""
        store.before["commit"] = [outrun] * 2
        shop = Loyalty(PROGRAM, store, clock=clock, retries=2)
        assert shop.place(shop.quote(HELMET), order_id="1").points == 71

    @pytest.mark.parametrize("retries", [0, 5])
    @pytest.mark.parametrize("moment", [("after", "receipt"), ("before", "load"), ("after", "load"), ("before", "commit")])
    @pytest.mark.law(38)
    def test_same_order_placed_by_another_thread_meanwhile(
        self, moment: tuple[str, str], retries: int, store: LossyRepository, clock: Clock
    ) -> None:
        """Whenever the other one came in between, both hear the same answer, without a retry."""
        other = Loyalty(PROGRAM, store.inner, clock=clock)
        shop = Loyalty(PROGRAM, store, clock=clock, retries=retries)
        quote = shop.quote(HELMET, member_id="m")
        firsts = list[OrderPlaced]()
        when, name = moment
        getattr(store, when)[name] = [lambda: firsts.append(other.place(quote, order_id="1"))]
        clock.at += timedelta(minutes=1)
        assert shop.place(quote, order_id="1") == firsts[0]
        assert facts_in(store, order_stream("1"), member_stream("m")) == [1, 2]

    @pytest.mark.parametrize("moment", [("after", "receipt"), ("before", "commit")])
    def test_another_order_placed_under_the_id_meanwhile(
        self, moment: tuple[str, str], shop: Loyalty, store: LossyRepository, clock: Clock
    ) -> None:
        """Whoever came second under one id hears that it is used."""
        other = Loyalty(PROGRAM, store.inner, clock=clock)
        quote, another = shop.quote(HELMET, member_id="m"), shop.quote(BELL, member_id="m")
        when, name = moment
        getattr(store, when)[name] = [lambda: other.place(another, order_id="1")]
        assert refusal_of(lambda: shop.place(quote, order_id="1")).reason is Reason.KEY_REUSED

    def test_order_that_others_wrote_without_a_receipt_is_refused(self, shop: Loyalty, store: LossyRepository) -> None:
        """An order that stands in the store under no command of ours is not answered for."""
        quote = shop.quote(HELMET)
        posting = PROGRAM.place(quote, order_id="1", at=NOON).order
        store.inner.commit(Command.of(order_stream("1"), Key("import"), actor="import"), posting.changes)
        again = refusal_of(lambda: shop.place(quote, order_id="1"))
        assert (again.reason, again.details["fields"]) == (Reason.KEY_REUSED, ("ref",))

    def test_forgetful_repository_is_not_asked_for_ever(self, shop: Loyalty, store: LossyRepository) -> None:
        """A repository that knows a key and has no receipt for it breaks its contract; the call ends."""

        def known() -> None:
            raise DuplicateError

        store.before["commit"] = [known] * 20
        with pytest.raises(ConflictError, match="'place' in 'order/1' lost every race"):
            shop.place(shop.quote(HELMET), order_id="1")
        assert store.calls.count("commit") == shop.retries + 1

    @pytest.mark.parametrize("times, is_kept", [(1, True), (5, True), (6, False)])
    def test_a_full_counter_is_a_lost_race(self, times: int, is_kept: bool, shop: Loyalty, store: LossyRepository) -> None:  # noqa: FBT001
        """Whoever came too late decides again, as often as there are retries: the next decision sees what is left."""

        def full() -> None:
            raise LimitReachedError(CounterId("offer/summer/orders"))

        store.before["commit"] = [full] * times
        if is_kept:
            assert shop.place(shop.quote(HELMET), order_id="1") == shop.order("1").placed
        else:
            with pytest.raises(LimitReachedError):
                shop.place(shop.quote(HELMET), order_id="1")
        assert store.calls.count("commit") == min(times, shop.retries) + 1

    @pytest.mark.law(8, 32)
    def test_the_last_place_was_taken_meanwhile(self, store: LossyRepository, clock: Clock) -> None:
        """Between the decision and the commit: decided again, the quote is another one, and nothing is booked."""
        offer = Offer("first-one", give=PercentOff("10"), limits=Limits(total=1))
        limited = attrs.evolve(PROGRAM, book=attrs.evolve(PROGRAM.book, offers=[*PROGRAM.book.offers, offer]))
        shop, other = (Loyalty(limited, one, clock=clock) for one in (store, store.inner))
        quote = shop.quote(BELL)
        store.before["commit"] = [lambda: other.place(quote, order_id="faster")]
        assert refusal_of(lambda: shop.place(quote, order_id="1")).reason is Reason.QUOTE_CHANGED
        assert facts_in(store, order_stream("1"), order_stream("faster")) == [0, 1]


class TestPlaceUnseen:
    def test_placed_twice_is_placed_once(self, shop: Loyalty, store: LossyRepository, clock: Clock) -> None:
        """The till's file that is read twice books each order once, at what it came to."""

        def book() -> OrderPlaced:
            return shop.place_unseen(HELMET, order_id="1", member_id="m", codes=["NOSUCH"], burn=5000, profile=Profile())

        first = book()
        clock.at += timedelta(days=1)
        assert book() == first
        assert (str(first.total), first.points, first.burn_points, first.codes) == ("71.91 EUR", 71, 0, ())
        assert facts_in(store, order_stream("1"), member_stream("m")) == [1, 2]

    def test_answers_the_same_as_place(self, shop: Loyalty) -> None:
        """The page and the till may both tell of one order."""
        quote = shop.quote(HELMET, member_id="m")
        assert shop.place_unseen(HELMET, order_id="1", member_id="m") == shop.place(quote, order_id="1")

    def test_codes_apply(self, shop: Loyalty) -> None:
        """A code typed at the till takes off what it takes off on the page."""
        placed = shop.place_unseen(HELMET, order_id="1", codes=["twenty"])
        assert (str(placed.total), placed.codes) == ("63.92 EUR", ("TWENTY",))

    def test_codes_are_compared_as_they_are_read(self, shop: Loyalty) -> None:
        """Typed in other letters, in another order or twice, it is the same order."""
        first = shop.place_unseen(HELMET, order_id="1", codes=["TWENTY", "other", "?!"])
        assert shop.place_unseen(HELMET, order_id="1", codes=["?!", "0THER", "twenty", "Twenty"]) == first

    def test_profile_is_part_of_what_was_asked(self, shop: Loyalty) -> None:
        """What the shop told of the person is compared, as everything is."""
        shop.place_unseen(HELMET, order_id="1", profile=Profile(tags={"club"}))
        assert shop.place_unseen(HELMET, order_id="1", profile=Profile(tags={"club"})).total.minor_units == 7191
        assert refusal_of(lambda: shop.place_unseen(HELMET, order_id="1")).details["fields"] == ("profile",)

    def test_guest_order_is_booked(self, shop: Loyalty) -> None:
        """An order of nobody is an order."""
        assert shop.place_unseen(HELMET, order_id="1").member_id is None

    def test_as_many_points_are_burned_as_there_are(self, shop: Loyalty, store: LossyRepository, clock: Clock) -> None:
        """A race that changes the balance changes the price; the order is booked all the same."""
        shop.record("sign_up", member_id="m", ref="s")
        other = Loyalty(PROGRAM, store.inner, clock=clock)
        store.before["commit"] = [lambda: other.place_unseen(BELL, order_id="2", member_id="m", burn=600)]
        assert shop.place_unseen(HELMET, order_id="1", member_id="m", burn=1000, actor="till").burn_points == 406

    @pytest.mark.parametrize(
        "other",
        [
            Basket([Line("bell", Money.of("12.50", "EUR"), brand="Velo")]),
            Basket([Line("bell", Money.of("12.50", "EUR"), floor_price=Money.of("5", "EUR"))]),
            Basket([Line("bell", Money.of("12.50", "EUR"), regular_price=Money.of("15", "EUR"))]),
            attrs.evolve(BELL, payment="card"),
        ],
        ids=["brand", "floor", "regular", "payment"],
    )
    def test_all_that_is_said_of_a_basket_makes_it_another(self, shop: Loyalty, other: Basket) -> None:
        """What offers may ask for is part of what was bought: under one id it may not change."""
        shop.place_unseen(BELL, order_id="1")
        again = refusal_of(lambda: shop.place_unseen(other, order_id="1"))
        assert (again.reason, again.details["fields"]) == (Reason.KEY_REUSED, ("basket",))

    def test_reused_key_names_the_fields(self, shop: Loyalty) -> None:
        """Another order under a used id is refused."""
        shop.place_unseen(HELMET, order_id="1")
        again = refusal_of(lambda: shop.place_unseen(BELL, order_id="1", actor="till"))
        assert (again.reason, again.details["fields"]) == (Reason.KEY_REUSED, ("actor", "basket"))


def record_twice(shop: Loyalty, clock: Clock) -> None:
    """Give points a day ago, and some at noon: the last fact."""
    for at in (NOON - timedelta(days=1), NOON):
        clock.at = at
        shop.record("sign_up", member_id="m", ref=at.isoformat())


class TestClocksApart:
    @pytest.mark.parametrize(
        "behind,booked",
        [(timedelta(0), NOON), (timedelta(microseconds=1), NOON), (timedelta(minutes=5), NOON)],
    )
    def test_a_clock_a_little_behind_burns_at_the_last_fact(
        self, behind: timedelta, booked: datetime, shop: Loyalty, clock: Clock
    ) -> None:
        """Another server's clock is ahead by seconds: the purchase is booked at the last fact's instant."""
        record_twice(shop, clock)
        clock.at = NOON - behind
        placed = shop.place(shop.quote(HELMET, member_id="m", burn=600), order_id="1")
        assert (placed.at, placed.burn_points) == (booked, 600)

    def test_a_clock_far_behind_burns_nothing_and_says_so(self, shop: Loyalty, clock: Clock) -> None:
        """More than servers lie apart is not lifted: no points are burned, and no paid order is refused for it."""
        record_twice(shop, clock)
        clock.at = NOON - timedelta(minutes=5, microseconds=1)
        answer = shop.quote(HELMET, member_id="m", burn=600).burn
        assert (answer.granted, answer.refusal and answer.refusal.reason) == (0, Reason.AT_BEFORE_LAST)
        placed = shop.place_unseen(HELMET, order_id="1", member_id="m", burn=600)
        assert (placed.at, placed.burn_points) == (clock.at, 0)

    def test_a_clock_ahead_is_as_it_says(self, shop: Loyalty, clock: Clock) -> None:
        """Later than the last fact is the usual case."""
        record_twice(shop, clock)
        clock.at = NOON + timedelta(seconds=1)
        assert shop.place_unseen(HELMET, order_id="1", member_id="m").at == clock.at


class TestConcurrency:
    @pytest.mark.law(38)
    @pytest.mark.parametrize("kind", ["memory", "sqlite"])
    def test_one_balance_is_never_overspent(self, kind: str, clock: Clock, tmp_path: Path) -> None:
        """Sixteen orders at once want the same 1,000 points: two of 500 get them, the others hear that the quote changed."""
        repository: Repository = MemoryRepository() if kind == "memory" else SQLiteRepository(tmp_path / "loyalty.db")
        shop = Loyalty(PROGRAM, repository, clock=clock, retries=100)
        shop.record("sign_up", member_id="m", ref="s")
        basket = Basket.of("EUR", {"pump": "5.00"})
        quotes = [shop.quote(basket, member_id="m", burn=500) for _ in range(16)]
        assert {quote.burn.granted for quote in quotes} == {500}
        ready = threading.Barrier(16)

        def place(number: int) -> Reason | None:
            ready.wait(timeout=30)
            try:
                shop.place(quotes[number], order_id=str(number))
            except RefusedError as refused:
                return refused.refusal.reason
            return None

        with ThreadPoolExecutor(16) as pool:
            heard = list(pool.map(place, range(16)))
        assert (heard.count(None), heard.count(Reason.QUOTE_CHANGED)) == (2, 14)
        member = member_stream("m")
        books = Membership.replay("m", repository.load([member])[member].facts).books(at=clock.at)
        assert (books.granted, books.burned, books.live, books.debt) == (1000, 1000, 0, 0)

    @pytest.mark.law(38)
    @pytest.mark.parametrize("kind", ["memory", "sqlite"])
    def test_one_order_at_once_from_many_is_placed_once(self, kind: str, clock: Clock, tmp_path: Path) -> None:
        """Eight webhooks for one order hear one answer."""
        repository: Repository = MemoryRepository() if kind == "memory" else SQLiteRepository(tmp_path / "loyalty.db")
        shop = Loyalty(PROGRAM, repository, clock=clock, retries=0)
        quote = shop.quote(HELMET, member_id="m")
        ready = threading.Barrier(8)

        def place(_: int) -> OrderPlaced:
            ready.wait(timeout=30)
            return shop.place(quote, order_id="1")

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(place, range(8)))
        assert len(set(answers)) == 1
        assert [stored.version for stored in repository.load([order_stream("1"), member_stream("m")]).values()] == [1, 2]


class TestRefund:
    def test_refunded_twice_is_refunded_once(self, shop: Loyalty, store: LossyRepository, clock: Clock) -> None:
        """Money, points and the burn come back once, however often it is asked."""
        shop.record("sign_up", member_id="m", ref="s")
        shop.place(shop.quote(HELMET, member_id="m", burn=500), order_id="1")
        first = shop.refund("1", return_id="r", lines={"helmet": 1})
        clock.at += timedelta(days=1)
        assert shop.refund("1", return_id="r", lines={"helmet": 1}) == first
        assert (str(first.money), first.points_given_back, first.at) == ("66.91 EUR", 500, NOON)
        assert shop.overview("m").balance.available == 1000
        assert facts_in(store, order_stream("1")) == [2]

    def test_amount_is_refunded(self, shop: Loyalty) -> None:
        """Money may come back without goods."""
        shop.place(shop.quote(HELMET, member_id="m"), order_id="1")
        assert str(shop.refund("1", return_id="r", amount=Money.of("10.00", "EUR")).money) == "10.00 EUR"

    def test_guest_is_refunded(self, shop: Loyalty, store: LossyRepository) -> None:
        """A guest's return needs no member."""
        shop.place(shop.quote(HELMET), order_id="1")
        store.calls.clear()
        assert str(shop.refund("1", return_id="r", lines={"helmet": 1}).money) == "71.91 EUR"
        assert store.calls == ["load", "receipt", "load", "commit"]

    @pytest.mark.law(8)
    def test_unknown_order_is_refused(self, shop: Loyalty, store: LossyRepository) -> None:
        """What was never placed cannot come back."""
        refusal = refusal_of(lambda: shop.refund("1", return_id="r", lines={"helmet": 1}))
        assert (refusal.reason, refusal.details) == (Reason.ORDER_NOT_FOUND, {"order_id": "1"})
        assert facts_in(store, order_stream("1")) == [0]

    @pytest.mark.law(8)
    def test_too_many_units_are_refused(self, shop: Loyalty, store: LossyRepository) -> None:
        """No more comes back than was bought; nothing is written."""
        shop.place(shop.quote(HELMET), order_id="1")
        refusal = refusal_of(lambda: shop.refund("1", return_id="r", lines={"helmet": 2}))
        assert refusal.reason is Reason.REFUND_EXCEEDS_ORDER
        assert facts_in(store, order_stream("1")) == [1]

    @pytest.mark.parametrize(
        "again, fields",
        [
            ({"lines": {"helmet": 2}}, ("lines",)),
            ({"amount": Money.of("1.00", "EUR")}, ("amount", "lines")),
            ({"lines": {"helmet": 1}, "actor": "zoé"}, ("actor",)),
        ],
    )
    def test_reused_return_names_the_fields(self, again: dict[str, object], fields: tuple[str, ...], shop: Loyalty) -> None:
        """Another return under a used id is refused, and told what differs."""
        shop.place(shop.quote(Basket([Line("helmet", Money.of("79.90", "EUR"), 3)])), order_id="1")
        shop.refund("1", return_id="r", lines={"helmet": 1})
        refusal = refusal_of(lambda: shop.refund("1", return_id="r", **again))  # type: ignore[arg-type]  # a table of arguments
        assert (refusal.reason, refusal.details) == (Reason.KEY_REUSED, {"key": "refund:r", "fields": fields})

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_retry_after_a_lost_answer_hears_the_first_answer(self, moment: str, shop: Loyalty, store: LossyRepository) -> None:
        """A refund is given once, whether its answer or its question was lost."""
        shop.place(shop.quote(HELMET, member_id="m"), order_id="1")
        getattr(store, moment)["commit"] = [lost]
        with pytest.raises(ConnectionError):
            shop.refund("1", return_id="r", lines={"helmet": 1})
        assert shop.refund("1", return_id="r", lines={"helmet": 1}).points_revoked == 71
        assert shop.overview("m").balance.available == 0

    def test_wrong_return_id_is_a_usage_error(self, shop: Loyalty) -> None:
        """A return id is an id."""
        with pytest.raises(UsageError, match="return_id must be text"):
            shop.refund("1", return_id="", lines={"helmet": 1})

    def test_return_in_two_currencies_is_a_usage_error(self, shop: Loyalty) -> None:
        """An amount is in the order's currency."""
        shop.place(shop.quote(HELMET), order_id="1")
        with pytest.raises(UsageError, match="USD"):
            shop.refund("1", return_id="r", amount=Money.of("1.00", "USD"))


class TestJoin:
    def test_joined_twice_is_joined_once(self, shop: Loyalty, store: LossyRepository, clock: Clock) -> None:
        """The first time is the time of joining."""
        first = shop.join("m")
        clock.at += timedelta(days=1)
        assert shop.join("m") == first == MemberJoined(member_id="m", at=NOON)
        assert facts_in(store, member_stream("m")) == [1]
        assert shop.overview("m").joined_at == NOON

    def test_retry_after_a_lost_answer_hears_the_first_answer(self, shop: Loyalty, store: LossyRepository) -> None:
        """Joining again after a lost answer changes nothing."""
        store.after["commit"] = [lost]
        with pytest.raises(ConnectionError):
            shop.join("m")
        assert shop.join("m").at == NOON
        assert facts_in(store, member_stream("m")) == [1]


class TestRecord:
    def test_recorded_twice_is_recorded_once(self, shop: Loyalty, clock: Clock) -> None:
        """One review gives its points once."""
        first = shop.record("review", member_id="m", ref="r-1")
        clock.at += timedelta(days=1)
        assert shop.record("review", member_id="m", ref="r-1") == first
        assert (first.units, first.rule, first.ref, first.at) == (50, "review", "r-1", NOON)
        assert shop.record("review", member_id="m", ref="r-2").ref == "r-2"
        assert shop.overview("m").balance.available == 100

    @pytest.mark.parametrize(
        "again, fields",
        [
            (lambda shop: shop.record("sign_up", member_id="m", ref="r"), ("action",)),
            (lambda shop: shop.record("review", member_id="m", ref="r", actor="zoé"), ("actor",)),
        ],
    )
    def test_reused_ref_names_the_fields(
        self, again: Callable[[Loyalty], object], fields: tuple[str, ...], shop: Loyalty
    ) -> None:
        """Another action under a used ref is refused."""
        shop.record("review", member_id="m", ref="r")
        refusal = refusal_of(lambda: again(shop))
        assert (refusal.reason, refusal.details) == (Reason.KEY_REUSED, {"key": "record:r", "fields": fields})

    @pytest.mark.law(8)
    def test_unknown_action_is_refused(self, shop: Loyalty, store: LossyRepository) -> None:
        """Only the program's actions give points."""
        assert refusal_of(lambda: shop.record("nap", member_id="m", ref="r")).reason is Reason.ACTION_UNKNOWN
        assert facts_in(store, member_stream("m")) == [0]

    def test_same_action_recorded_by_another_thread_meanwhile(self, store: LossyRepository, clock: Clock) -> None:
        """Both hear the same answer."""
        shop = Loyalty(PROGRAM, store, clock=clock, retries=0)
        other = Loyalty(PROGRAM, store.inner, clock=clock)
        store.after["receipt"] = [lambda: other.record("review", member_id="m", ref="r")]
        assert shop.record("review", member_id="m", ref="r") == other.record("review", member_id="m", ref="r")
        assert shop.overview("m").balance.available == 50

    def test_wrong_ref_is_a_usage_error(self, shop: Loyalty) -> None:
        """A ref is an id."""
        with pytest.raises(UsageError, match=r"^ref must be text"):
            shop.record("review", member_id="m", ref="")


class TestAdjustDown:
    def test_adjusted_twice_is_adjusted_once(self, shop: Loyalty, clock: Clock) -> None:
        """A ticket takes its points once."""
        shop.record("sign_up", member_id="m", ref="s")
        first = shop.adjust_down(300, member_id="m", ref="t", reason="typed twice", actor="zoé")
        clock.at += timedelta(days=1)
        assert shop.adjust_down(300, member_id="m", ref="t", reason="typed twice", actor="zoé") == first
        assert isinstance(first, Adjusted)
        assert sum(part.units for part in first.parts) == 300
        assert (first.reason, first.actor, first.at) == ("typed twice", "zoé", NOON)
        assert shop.overview("m").balance.available == 700

    @pytest.mark.parametrize(
        "again, field",
        [({"points": 301}, "points"), ({"reason": "other"}, "reason"), ({"actor": "max"}, "actor")],
    )
    def test_reused_ref_names_the_fields(self, again: dict[str, object], field: str, shop: Loyalty) -> None:
        """Another adjustment under a used ref is refused."""
        shop.record("sign_up", member_id="m", ref="s")

        def adjust(points: int = 300, reason: str = "typed twice", actor: str = "zoé") -> Adjusted:
            return shop.adjust_down(points, member_id="m", ref="t", reason=reason, actor=actor)

        adjust()
        refusal = refusal_of(lambda: adjust(**again))  # type: ignore[arg-type]  # a table of arguments
        assert (refusal.reason, refusal.details) == (Reason.KEY_REUSED, {"key": "adjust_down:t", "fields": (field,)})

    @pytest.mark.law(8)
    def test_more_than_is_available_is_refused(self, shop: Loyalty, store: LossyRepository) -> None:
        """Points that are not there cannot be taken."""
        refusal = refusal_of(lambda: shop.adjust_down(1, member_id="m", ref="t", reason="r", actor="zoé"))
        assert (refusal.reason, refusal.details["missing_points"]) == (Reason.POINTS_INSUFFICIENT, 1)
        assert facts_in(store, member_stream("m")) == [0]

    def test_wrong_ref_is_a_usage_error(self, shop: Loyalty) -> None:
        """A ref is an id."""
        with pytest.raises(UsageError, match=r"^ref must be text"):
            shop.adjust_down(1, member_id="m", ref="", reason="r", actor="zoé")

    @pytest.mark.parametrize("points", [0, -1, True])
    def test_wrong_points_are_a_usage_error(self, points: int, shop: Loyalty) -> None:
        """At least one point is taken."""
        with pytest.raises(UsageError, match="points must be a whole number"):
            shop.adjust_down(points, member_id="m", ref="t", reason="r", actor="zoé")


class TestEarn:
    def test_given_twice_is_given_once(self, shop: Loyalty, clock: Clock) -> None:
        """Goodwill of one ticket is given once, with its own terms."""
        terms = {"available_at": NOON + timedelta(days=2), "expires_at": NOON + timedelta(days=9)}

        def earn() -> Granted:
            return shop.earn(300, member_id="m", ref="t", rule="goodwill", actor="zoé", **terms)  # type: ignore[arg-type]

        first = earn()
        clock.at += timedelta(days=1)
        assert earn() == first
        assert (first.units, first.ref, first.rule, first.at) == (300, "t", "goodwill", NOON)
        assert (first.available_at, first.expires_at) == (terms["available_at"], terms["expires_at"])
        assert shop.overview("m").balance.pending == 300
        clock.at += timedelta(days=1)
        assert shop.overview("m").balance.available == 300

    def test_gift_is_the_rule_unless_said(self, shop: Loyalty) -> None:
        """Points by hand are a gift, at once and for ever."""
        given = shop.earn(1, member_id="m", ref="t", expires_at=None, actor="zoé")
        assert (given.rule, given.available_at, given.expires_at) == ("gift", NOON, None)

    @pytest.mark.parametrize(
        "again, field",
        [
            ({"points": 301}, "points"),
            ({"rule": "other"}, "rule"),
            ({"reason": "other"}, "reason"),
            ({"account": "status"}, "account"),
            ({"actor": "max"}, "actor"),
            ({"expires_at": NOON + timedelta(days=1)}, "expires_at"),
            ({"available_at": NOON}, "available_at"),
        ],
    )
    def test_reused_ref_names_the_fields(self, again: dict[str, object], field: str, shop: Loyalty) -> None:
        """Another gift under a used ref is refused."""
        first: dict[str, object] = {"points": 300, "member_id": "m", "ref": "t", "expires_at": None, "actor": "zoé"}
        shop.earn(**first)  # type: ignore[arg-type]  # a table of arguments
        refusal = refusal_of(lambda: shop.earn(**{**first, **again}))  # type: ignore[arg-type]
        assert (refusal.reason, refusal.details) == (Reason.KEY_REUSED, {"key": "earn:t", "fields": (field,)})

    @pytest.mark.parametrize("expires_at", [datetime(2026, 8, 1), NOON])  # noqa: DTZ001 - naive on purpose
    @pytest.mark.law(8)
    def test_wrong_terms_are_a_usage_error(self, expires_at: datetime, shop: Loyalty, store: LossyRepository) -> None:
        """A naive time and an empty window are bugs of the caller; nothing is written."""
        with pytest.raises(UsageError):
            shop.earn(1, member_id="m", ref="t", expires_at=expires_at, actor="zoé")
        assert facts_in(store, member_stream("m")) == [0]

    def test_wrong_ref_is_a_usage_error(self, shop: Loyalty) -> None:
        """A ref is an id."""
        with pytest.raises(UsageError, match=r"^ref must be text"):
            shop.earn(1, member_id="m", ref="", expires_at=None, actor="zoé")


class TestReverseAdjustment:
    def test_reversed_twice_is_reversed_once(self, shop: Loyalty, clock: Clock) -> None:
        """What was taken by mistake is given back once."""
        shop.record("sign_up", member_id="m", ref="s")
        shop.adjust_down(300, member_id="m", ref="t", reason="typed twice", actor="zoé")
        first = shop.reverse_adjustment("t", member_id="m", ref="t-2", actor="max")
        clock.at += timedelta(days=1)
        assert shop.reverse_adjustment("t", member_id="m", ref="t-2", actor="max") == first
        assert (first.adjustment_ref, first.ref, first.at) == ("t", "t-2", NOON)
        assert shop.overview("m").balance.available == 1000

    def test_reused_ref_names_the_fields(self, shop: Loyalty) -> None:
        """Another reversal under a used ref is refused."""
        shop.record("sign_up", member_id="m", ref="s")
        shop.adjust_down(300, member_id="m", ref="t", reason="typed twice", actor="zoé")
        shop.reverse_adjustment("t", member_id="m", ref="t-2", actor="max")
        refusal = refusal_of(lambda: shop.reverse_adjustment("u", member_id="m", ref="t-2", actor="zoé"))
        assert refusal.details == {"key": "reverse_adjustment:t-2", "fields": ("actor", "adjustment_ref")}

    def test_unknown_adjustment_is_refused(self, shop: Loyalty) -> None:
        """What was never taken cannot be given back."""
        refusal = refusal_of(lambda: shop.reverse_adjustment("t", member_id="m", ref="t-2", actor="max"))
        assert refusal.reason is Reason.BURN_NOT_FOUND

    def test_wrong_ref_is_a_usage_error(self, shop: Loyalty) -> None:
        """A ref is an id."""
        with pytest.raises(UsageError, match=r"^ref must be text"):
            shop.reverse_adjustment("t", member_id="m", ref="", actor="zoé")


class TestMembership:
    def test_member_never_seen_is_open(self, shop: Loyalty) -> None:
        """Nobody is an error."""
        assert shop.membership("m") == Membership.open("m")

    def test_whole_state_is_given(self, shop: Loyalty, store: LossyRepository) -> None:
        """What the stream holds, folded."""
        shop.join("m")
        shop.place(shop.quote(HELMET, member_id="m"), order_id="1")
        facts = store.inner.load([member_stream("m")])[member_stream("m")].facts
        assert shop.membership("m") == Membership.replay("m", facts)
        assert shop.membership("m").order_count == 1


class TestKeys:
    def test_keys_are_a_promise(self, shop: Loyalty) -> None:
        """What stands in the store is found again by every later version: the verb and the shop's own name."""
        shop.join("m")
        shop.record("sign_up", member_id="m", ref="s-1")
        shop.adjust_down(1, member_id="m", ref="t-1", reason="r", actor="zoé")
        shop.reverse_adjustment("t-1", member_id="m", ref="t-2", actor="zoé")
        shop.earn(1, member_id="m", ref="t-3", expires_at=None, actor="zoé")
        shop.place(shop.quote(HELMET, member_id="m"), order_id="1")
        shop.refund("1", return_id="r-1", lines={"helmet": 1})
        for home, keys in {
            member_stream("m"): ("join", "record:s-1", "adjust_down:t-1", "reverse_adjustment:t-2", "earn:t-3"),
            order_stream("1"): ("place", "refund:r-1"),
        }.items():
            for key in keys:
                receipt = shop.repository.receipt(home, Key(key))
                assert receipt is not None
                assert (receipt.command.home, receipt.command.key) == (home, key)

    @pytest.mark.parametrize(
        "key, names",
        [
            ("place", ["actor", "basket", "burn", "codes", "member_id", "profile"]),
            ("refund:r-1", ["actor", "amount", "lines", "shipping"]),
        ],
    )
    def test_fingerprint_holds_what_was_passed(self, key: str, names: list[str], shop: Loyalty) -> None:
        """Never the time, never the digest of the quote."""
        shop.place(shop.quote(HELMET), order_id="1")
        shop.refund("1", return_id="r-1", lines={"helmet": 1})
        receipt = shop.repository.receipt(order_stream("1"), Key(key))
        assert receipt is not None
        assert sorted(receipt.command.fingerprint) == names


class TestOverview:
    def test_member_never_seen_has_nothing(self, shop: Loyalty) -> None:
        """Nobody is an error; a new one has no points."""
        overview = shop.overview("m")
        assert (overview.member_id, overview.joined_at, overview.order_count) == ("m", None, 0)
        assert (overview.balance.available, overview.expiring, overview.tier) == (0, (), None)

    def test_overview_sums_up(self, shop: Loyalty, clock: Clock) -> None:
        """Joining, orders and points in one value, as of the clock."""
        shop.join("m")
        shop.place(shop.quote(HELMET, member_id="m"), order_id="1")
        overview = shop.overview("m")
        assert (overview.joined_at, overview.order_count, overview.balance.available) == (NOON, 1, 71)
        assert [expiring.units for expiring in overview.expiring] == [71]
        clock.at += timedelta(days=400)
        assert shop.overview("m").balance.available == 0


class TestOrder:
    def test_order_never_placed_is_open(self, shop: Loyalty) -> None:
        """Asking for an order that is not there is no error."""
        assert shop.order("1").placed is None

    def test_order_stands_with_its_returns(self, shop: Loyalty) -> None:
        """What was booked and what came back."""
        placed = shop.place(shop.quote(HELMET), order_id="1")
        returned = shop.refund("1", return_id="r", lines={"helmet": 1})
        order = shop.order("1")
        assert order.placed == placed
        assert dict(order.returns) == {"r": returned}


def settle(shop: Loyalty, orders: Sequence[str], returns: Mapping[str, Sequence[int]]) -> None:
    """Refund orders in an order, each in the parts given."""
    for order_id in orders:
        for number, units in enumerate(returns[order_id]):
            shop.refund(order_id, return_id=f"r-{number}", lines={"bell": units})


class TestEndLaw:
    @pytest.mark.law(14, 46)
    @given(data=st.data())
    def test_refunding_all_orders_in_any_order_returns_to_zero(self, data: st.DataObject) -> None:
        """Every balance that came from orders ends at zero, whatever was burned in between, in any order and any parts."""
        clock = Clock()
        shop = Loyalty(PROGRAM, MemoryRepository(), clock=clock)
        shop.record("review", member_id="m", ref="given")
        quantities = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=6), label="quantities")
        parts = dict[str, list[int]]()
        for number, quantity in enumerate(quantities):
            clock.at += timedelta(hours=1)
            basket = Basket([Line("bell", Money.of("12.57", "EUR"), quantity)])
            quote = shop.quote(basket, member_id="m", burn=data.draw(st.integers(0, 200), label="burn"))
            shop.place(quote, order_id=str(number))
            first = data.draw(st.integers(1, quantity), label="first")
            parts[str(number)] = [units for units in (first, quantity - first) if units]
        clock.at += timedelta(hours=1)
        settle(shop, data.draw(st.permutations(sorted(parts)), label="refunds"), parts)
        member = member_stream("m")
        membership = Membership.replay("m", shop.repository.load([member])[member].facts)
        lots = {lot_id: lot.remaining for lot_id, lot in membership.ledger.lots.items()}
        assert lots.pop("given/review") == 50
        assert set(lots.values()) <= {0}
        assert membership.balance(at=clock.at).available == 50
        assert sum(qualifying.units for qualifying in membership.orders.values()) == 0
        assert membership.books(at=clock.at).balanced


class TestShipping:
    def test_shipping_comes_back_and_moves_no_points(self, shop: Loyalty) -> None:
        """What was paid for goods with points stays paid: shipping given back touches neither points nor tiers."""
        shop.record("sign_up", member_id="m", ref="s")
        basket = Basket.of("EUR", {"helmet": "79.90"})
        shipped = Basket(basket.lines, shipping=Money.of("5", "EUR"))
        shop.place_unseen(shipped, order_id="1", member_id="m", burn=1000)
        back = shop.refund("1", return_id="s", shipping=Money.of("5", "EUR"))
        assert (str(back.money), back.points_given_back, back.points_revoked) == ("5.00 EUR", 0, 0)
        again = refusal_of(lambda: shop.refund("1", return_id="t", shipping=Money.of("0.01", "EUR")))
        assert (again.reason, again.details["left_minor"]) == (Reason.REFUND_EXCEEDS_ORDER, 0)
        other = refusal_of(lambda: shop.refund("1", return_id="s", shipping=Money.of("4", "EUR")))
        assert other.details["fields"] == ("shipping",)


class TestByHand:
    @pytest.mark.parametrize("rule", ["order", "sign_up"])
    def test_gifts_take_no_name_of_the_program(self, rule: str, shop: Loyalty) -> None:
        """A gift under the rule of orders or of an action would be taken for one."""
        with pytest.raises(UsageError, match="rule must not be that of orders or of an action"):
            shop.earn(5, member_id="m", ref="1001", expires_at=None, rule=rule, actor="desk")

    def test_undoing_twice_says_that_nothing_is_left(self, shop: Loyalty) -> None:
        """A second undoing under another name is no lost race."""
        shop.record("sign_up", member_id="m", ref="s")
        shop.adjust_down(10, member_id="m", ref="t", reason="typo", actor="desk")
        shop.reverse_adjustment("t", member_id="m", ref="u", actor="desk")
        again = refusal_of(lambda: shop.reverse_adjustment("t", member_id="m", ref="v", actor="desk"))
        assert (again.reason, again.details["left_points"]) == (Reason.BURN_EXCEEDED, 0)

    def test_a_used_reference_is_told(self, shop: Loyalty) -> None:
        """An order id that already names a burn of the member's is refused, and not taken for that burn."""
        shop.record("sign_up", member_id="m", ref="s")
        member = shop.membership("m")
        burned = member.burn(500, ref="1001", at=NOON)
        shop.repository.commit(Command.of(member_stream("m"), Key("import"), actor="import"), burned.changes)
        again = refusal_of(lambda: shop.place_unseen(HELMET, order_id="1001", member_id="m", burn=500))
        assert (again.reason, again.details["fields"]) == (Reason.KEY_REUSED, ("burn",))


SOON = NOON + timedelta(days=3)


def give(shop: Loyalty, points: int = 1000, member_id: str = "m", **named: object) -> None:
    """Give points by hand, to begin with."""
    shop.earn(points, member_id=member_id, ref="start", expires_at=None, actor="zoé", **named)  # type: ignore[arg-type]


def held(shop: Loyalty) -> None:
    """Give points, and set some aside."""
    give(shop)
    shop.hold(300, member_id="m", ref="h", until=SOON)


def burned(shop: Loyalty) -> None:
    """Give points, and burn some."""
    give(shop)
    shop.burn(300, member_id="m", ref="b")


def transferred(shop: Loyalty) -> None:
    """Give points, and let some go to another member."""
    give(shop)
    shop.transfer(300, member_id="m", to="n", ref="t")


@attrs.frozen
class Verb:
    """One of the calls on points: how it begins, its arguments, and others under the same key with what they differ in."""

    name: str
    before: Callable[[Loyalty], None]
    arguments: Mapping[str, object]
    key: str
    others: Mapping[str, object]

    def on(self, shop: Loyalty, **changed: object) -> object:
        """Make the call."""
        call: Callable[..., object] = getattr(shop, self.name)
        return call(**{"member_id": "m", **self.arguments, **changed})


VERBS = [
    Verb("burn", give, {"points": 300, "ref": "b"}, "burn:b", {"points": 301, "account": "status", "actor": "max"}),
    Verb(
        "refund_burn",
        burned,
        {"burn_ref": "b", "points": 200, "ref": "x"},
        "refund_burn:x",
        {"points": None, "burn_ref": "c", "account": "status", "actor": "max"},
    ),
    Verb(
        "hold",
        give,
        {"points": 300, "ref": "h", "until": SOON},
        "hold:h",
        {"points": 301, "account": "status", "actor": "max"},
    ),
    Verb("capture", held, {"hold_ref": "h", "points": 200}, "capture:h", {"points": None, "account": "status", "actor": "max"}),
    Verb("void", held, {"hold_ref": "h"}, "void:h", {"account": "status", "actor": "max"}),
    Verb("touch", give, {"ref": "login"}, "touch:login", {"account": "status", "actor": "max"}),
    Verb(
        "transfer",
        give,
        {"points": 300, "to": "n", "ref": "t"},
        "transfer:t",
        {"points": 301, "to": "o", "account": "status", "actor": "max"},
    ),
    Verb(
        "undo_transfer",
        transferred,
        {"transfer_ref": "t", "taker": "n"},
        "undo_transfer:t",
        {"taker": "o", "account": "status", "actor": "max"},
    ),
]


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
class TestPointsVerbs:
    """What every call on points keeps."""

    @pytest.mark.law(38)
    def test_done_twice_is_done_once(self, verb: Verb, shop: Loyalty, store: LossyRepository, clock: Clock) -> None:
        """The same call answers the same, a day later too, and writes nothing more."""
        verb.before(shop)
        first = verb.on(shop)
        before = facts_in(store, member_stream("m"), member_stream("n"))
        clock.at += timedelta(days=1)
        assert verb.on(shop) == first
        assert facts_in(store, member_stream("m"), member_stream("n")) == before

    @pytest.mark.law(8)
    def test_reused_key_names_the_fields(self, verb: Verb, shop: Loyalty, store: LossyRepository) -> None:
        """Another call under a used key is refused, and told what differs."""
        verb.before(shop)
        verb.on(shop)
        before = facts_in(store, member_stream("m"), member_stream("n"))
        for field, value in verb.others.items():
            refusal = refusal_of(lambda changed={field: value}: verb.on(shop, **changed))  # type: ignore[misc]
            assert (refusal.reason, refusal.details) == (Reason.KEY_REUSED, {"key": verb.key, "fields": (field,)})
        assert facts_in(store, member_stream("m"), member_stream("n")) == before

    @pytest.mark.parametrize("moment", ["before", "after"])
    @pytest.mark.parametrize("name", ["receipt", "load", "commit"])
    def test_retry_after_a_lost_answer_hears_the_first_answer(
        self, name: str, moment: str, verb: Verb, shop: Loyalty, store: LossyRepository
    ) -> None:
        """Wherever the connection was lost, the call made again does it once."""
        verb.before(shop)
        twin = Loyalty(PROGRAM, MemoryRepository(), clock=shop.clock)
        verb.before(twin)
        getattr(store, moment)[name] = [lost]
        with pytest.raises(ConnectionError):
            verb.on(shop)
        assert verb.on(shop) == verb.on(twin)
        assert shop.membership("m") == twin.membership("m")
        assert shop.membership("n") == twin.membership("n")

    def test_lost_races_are_run_again(self, verb: Verb, shop: Loyalty, store: LossyRepository) -> None:
        """It loads and decides anew, up to the number of retries."""
        verb.before(shop)
        store.before["commit"] = [outrun] * shop.retries
        verb.on(shop)
        again = attrs.evolve(shop, retries=0)
        store.before["commit"] = [outrun]
        with pytest.raises(ConflictError):
            again.touch(member_id="m", ref="other")

    def test_account_is_the_one_that_is_named(self, verb: Verb, store: LossyRepository, clock: Clock) -> None:
        """Every call acts on one account of the member, and leaves the others alone."""
        shop = Loyalty(PROGRAM, store, clock=clock)
        give(shop, account="status")
        if verb.name in {"capture", "void"}:
            shop.hold(300, member_id="m", ref="h", until=SOON, account="status")
        if verb.name == "refund_burn":
            shop.burn(300, member_id="m", ref="b", account="status")
        if verb.name == "undo_transfer":
            shop.transfer(300, member_id="m", to="n", ref="t", account="status")
        verb.on(shop, account="status")
        assert set(shop.membership("m").ledgers) == {"status"}
        with pytest.raises(UsageError, match=r"^account must be"):
            verb.on(shop, account="not/an/account", **{name: "new" for name in ("ref", "hold_ref") if name in verb.arguments})


class TestHolds:
    def test_a_checkout_with_points(self, shop: Loyalty, clock: Clock) -> None:
        """Set aside, paid in part; the burn is named as the hold, and can come back."""
        give(shop)
        hold = shop.hold(300, member_id="m", ref="order-1", until=SOON)
        assert (sum(part.units for part in hold.parts), hold.until, hold.at) == (300, SOON, NOON)
        assert shop.overview("m").balance.held == 300
        captured = shop.capture("order-1", 200, member_id="m")
        assert (sum(part.units for part in captured.parts), captured.late) == (200, False)
        assert (shop.overview("m").balance.available, shop.overview("m").balance.held) == (800, 0)
        clock.at += timedelta(days=1)
        shop.refund_burn("order-1", member_id="m", ref="back")
        assert shop.overview("m").balance.available == 1000

    def test_a_call_made_again_has_a_later_clock(self, shop: Loyalty, clock: Clock) -> None:
        """The end of a hold is counted from the call: made again it is later, and the first still counts."""
        give(shop)
        first = shop.hold(300, member_id="m", ref="h", until=SOON)
        clock.at += timedelta(seconds=2)
        assert shop.hold(300, member_id="m", ref="h", until=SOON + timedelta(seconds=2)) == first

    def test_an_order_burns_what_was_held_for_it(self, shop: Loyalty, clock: Clock) -> None:
        """The basket page quotes, the checkout holds in the order's name, the bank takes its time, the order is booked."""
        give(shop)
        basket = Basket.of("EUR", {"helmet": "80.00"})
        seen = shop.quote(basket, member_id="m", burn=600)
        shop.hold(600, member_id="m", ref="1001", until=SOON)
        assert shop.quote(basket, member_id="m", burn=600, order_id="1001").digest == seen.digest
        clock.at = SOON + timedelta(hours=1)
        shop.burn(1000, member_id="m", ref="elsewhere")
        placed = shop.place(seen, order_id="1001")
        assert (placed.burn_points, placed.total) == (600, seen.total)
        assert shop.place(seen, order_id="1001") == placed
        assert shop.overview("m").balance.debt == 600
        shop.refund("1001", return_id="r", lines={"helmet": 1})
        assert shop.overview("m").balance.debt == 0

    def test_paid_late_is_honoured(self, shop: Loyalty, clock: Clock) -> None:
        """The hold has ended, and its points were burned by somebody else: the account owes them."""
        give(shop, 300)
        shop.hold(300, member_id="m", ref="order-1", until=SOON)
        clock.at = SOON
        shop.burn(300, member_id="m", ref="order-2")
        assert shop.capture("order-1", member_id="m").late
        assert (shop.overview("m").balance.available, shop.overview("m").balance.debt) == (0, 300)

    @pytest.mark.law(8)
    def test_refused(self, shop: Loyalty, store: LossyRepository) -> None:
        """Points that are not there, holds that are not there, more than was held, the other second step."""
        give(shop, 300)
        shop.hold(200, member_id="m", ref="h", until=SOON)
        before = facts_in(store, member_stream("m"))
        reasons = [
            refusal_of(call).reason
            for call in (
                lambda: shop.hold(101, member_id="m", ref="i", until=SOON),
                lambda: shop.burn(101, member_id="m", ref="b"),
                lambda: shop.capture("x", member_id="m"),
                lambda: shop.void("x", member_id="m"),
                lambda: shop.capture("h", 201, member_id="m"),
                lambda: shop.refund_burn("h", member_id="m", ref="r"),
            )
        ]
        assert reasons == [
            Reason.POINTS_INSUFFICIENT,
            Reason.POINTS_INSUFFICIENT,
            Reason.HOLD_NOT_FOUND,
            Reason.HOLD_NOT_FOUND,
            Reason.HOLD_EXCEEDED,
            Reason.BURN_NOT_FOUND,
        ]
        assert facts_in(store, member_stream("m")) == before
        shop.void("h", member_id="m")
        assert refusal_of(lambda: shop.capture("h", member_id="m")).reason is Reason.HOLD_RESOLVED

    @pytest.mark.parametrize("points", [0, -1, True, 1.5])
    def test_points_are_counts(self, points: int, shop: Loyalty) -> None:
        """At least one, in every call."""
        calls: list[Callable[[], object]] = [
            lambda: shop.burn(points, member_id="m", ref="b"),
            lambda: shop.hold(points, member_id="m", ref="h", until=SOON),
            lambda: shop.capture("h", points, member_id="m"),
            lambda: shop.refund_burn("b", points, member_id="m", ref="r"),
            lambda: shop.transfer(points, member_id="m", to="n", ref="t"),
        ]
        for call in calls:
            with pytest.raises(UsageError, match=r"^points must be a whole number"):
                call()

    def test_another_servers_clock_may_run_behind(self, shop: Loyalty, clock: Clock) -> None:
        """By minutes: the call counts at the last fact; by more it is refused."""
        give(shop)
        clock.at = NOON - timedelta(minutes=5)
        assert shop.burn(1, member_id="m", ref="a").at == NOON
        assert shop.hold(1, member_id="m", ref="b", until=SOON).at == NOON
        assert shop.transfer(1, member_id="m", to="n", ref="c").at == NOON
        clock.at = NOON - timedelta(minutes=6)
        assert refusal_of(lambda: shop.burn(1, member_id="m", ref="d")).reason is Reason.AT_BEFORE_LAST


class TestRefundBurn:
    def test_nothing_is_given_back_twice(self, shop: Loyalty) -> None:
        """What came back is gone from the burn."""
        burned(shop)
        shop.refund_burn("b", member_id="m", ref="x")
        refusal = refusal_of(lambda: shop.refund_burn("b", member_id="m", ref="y"))
        assert (refusal.reason, refusal.details) == (
            Reason.BURN_EXCEEDED,
            {"burn_ref": "b", "asked_points": 0, "left_points": 0},
        )

    def test_restore_is_the_programs(self, store: LossyRepository, clock: Clock) -> None:
        """Where the program says so, what comes back to an expired lot lives on."""
        shop = Loyalty(attrs.evolve(PROGRAM, restore=Term(Period(days=30))), store, clock=clock)
        shop.earn(300, member_id="m", ref="g", expires_at=SOON, actor="zoé")
        shop.burn(300, member_id="m", ref="b")
        clock.at = SOON
        shop.refund_burn("b", member_id="m", ref="x")
        assert shop.overview("m").balance.available == 300
        assert [expiring.units for expiring in shop.overview("m").expiring] == [300]


AWAITING = Program.parse(
    """
    [program]
    name = "velo"
    version = 1
    currency = "EUR"
    zone = "Europe/Paris"
    starts_on = 2026-01-01
    [points]
    earn = "1 per 1.00"
    basis = "paid"
    pending = "on delivered within 60 days"
    expires = "12 months"
    overdraft = "carry"
    """
)


class TestRelease:
    def test_released_twice_is_released_once(self, store: LossyRepository, clock: Clock) -> None:
        """The parcel arrives: what the order earned can be burned."""
        shop = Loyalty(AWAITING, store, clock=clock)
        shop.place(shop.quote(HELMET, member_id="m"), order_id="1")
        assert shop.overview("m").balance.available == 0
        clock.at += timedelta(days=2)
        first = shop.release("delivered", member_id="m", ref="1")
        clock.at += timedelta(days=1)
        assert shop.release("delivered", member_id="m", ref="1") == first
        assert [(fact.event, fact.lots, fact.at) for fact in first] == [
            ("delivered", ("1/order",), NOON + timedelta(days=2)),
        ]
        assert shop.overview("m").balance.available == 79

    @pytest.mark.law(8)
    def test_refused(self, store: LossyRepository, clock: Clock) -> None:
        """Nothing waits for it; the deadline has passed; another actor asks under the same key; no name for an event."""
        shop = Loyalty(AWAITING, store, clock=clock)
        shop.place(shop.quote(HELMET, member_id="m"), order_id="1")
        shop.place(shop.quote(HELMET, member_id="m"), order_id="2")
        assert refusal_of(lambda: shop.release("paid", member_id="m", ref="1")).reason is Reason.EARNING_NOT_FOUND
        shop.release("delivered", member_id="m", ref="1")
        refusal = refusal_of(lambda: shop.release("delivered", member_id="m", ref="1", actor="max"))
        assert refusal.details == {"key": "release:1:delivered", "fields": ("actor",)}
        with pytest.raises(UsageError, match=r"^event must be"):
            shop.release("on delivery", member_id="m", ref="1")
        clock.at += timedelta(days=61)
        assert refusal_of(lambda: shop.release("delivered", member_id="m", ref="2")).reason is Reason.RELEASE_TOO_LATE


class TestTransfer:
    def test_both_move_in_one_commit(self, shop: Loyalty, store: LossyRepository) -> None:
        """The giver's stream is the home; the taker's points keep their terms."""
        shop.earn(300, member_id="m", ref="g", expires_at=SOON, actor="zoé")
        store.calls.clear()
        out = shop.transfer(200, member_id="m", to="n", ref="t")
        assert store.calls == ["receipt", "load", "commit"]
        assert (out.to, sum(part.units for part in out.parts)) == ("n", 200)
        receipt = store.inner.receipt(member_stream("m"), Key("transfer:t"))
        assert receipt is not None
        assert [type(fact).__name__ for facts in receipt.facts.values() for fact in facts] == ["TransferredOut", "TransferredIn"]
        assert (shop.overview("m").balance.available, shop.overview("n").balance.available) == (100, 200)
        assert [expiring.expires_at for expiring in shop.overview("n").expiring] == [SOON]
        shop.undo_transfer("t", member_id="m", taker="n")
        assert (shop.overview("m").balance.available, shop.overview("n").balance.available) == (300, 0)

    @pytest.mark.law(8)
    def test_refused(self, shop: Loyalty, store: LossyRepository) -> None:
        """To oneself, of points that are not there, the undoing of what never was, or of what went to somebody else."""
        give(shop)
        with pytest.raises(UsageError, match="a transfer must go between two members"):
            shop.transfer(1, member_id="m", to="m", ref="t")
        assert refusal_of(lambda: shop.transfer(1001, member_id="m", to="n", ref="t")).reason is Reason.POINTS_INSUFFICIENT
        undo = refusal_of(lambda: shop.undo_transfer("t", member_id="m", taker="n"))
        assert undo.reason is Reason.TRANSFER_NOT_FOUND
        shop.transfer(1, member_id="m", to="n", ref="t")
        assert refusal_of(lambda: shop.undo_transfer("t", member_id="m", taker="o")).reason is Reason.TRANSFER_NOT_FOUND
        assert facts_in(store, member_stream("m"), member_stream("n"), member_stream("o")) == [2, 1, 0]

    @pytest.mark.law(8, 19)
    def test_two_givers_under_one_name(self, shop: Loyalty, store: LossyRepository) -> None:
        """The taker knows a transfer of that name already: nothing leaves the second giver."""
        give(shop)
        give(shop, member_id="o")
        shop.transfer(5, member_id="m", to="n", ref="t")
        assert refusal_of(lambda: shop.transfer(5, member_id="o", to="n", ref="t")).reason is Reason.KEY_REUSED
        assert facts_in(store, member_stream("o"), member_stream("n")) == [1, 1]
        assert shop.overview("o").balance.available == 1000

    def test_two_shops_at_once(self, tmp_path: Path) -> None:
        """However many send the same transfer at the same time, it happens once and all hear the same."""
        with SQLiteRepository(tmp_path / "shop.db") as repository:
            shop = Loyalty(PROGRAM, repository, clock=Clock(), retries=50)
            give(shop)
            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(lambda _: shop.transfer(100, member_id="m", to="n", ref="t"), range(8)))
            assert len(set(answers)) == 1
            assert (shop.overview("m").balance.available, shop.overview("n").balance.available) == (900, 100)


class TestStatement:
    def test_up_to_now(self, shop: Loyalty, clock: Clock) -> None:
        """Without an end it stops at the clock: what will expire tomorrow is not told today."""
        shop.earn(300, member_id="m", ref="g", expires_at=SOON, reason="goodwill", actor="zoé")
        told = shop.statement("m", window=Window(starts_at=None, ends_at=None))
        assert [(line.movement.value, line.points, line.balance) for line in told.lines] == [("earned", 300, 300)]
        assert (told.lines[0].why["reason"], told.lines[0].why["actor"]) == ("goodwill", "zoé")
        clock.at = SOON
        told = shop.statement("m", window=Window(starts_at=SOON, ends_at=None))
        assert [(line.movement.value, line.points, line.balance) for line in told.lines] == [("expired", -300, 0)]
        assert (told.opening, told.closing) == (300, 0)

    def test_a_clock_that_ran_ahead(self, shop: Loyalty, clock: Clock) -> None:
        """The last fact is told, though this server's clock has not reached it."""
        give(shop)
        clock.at = NOON - timedelta(minutes=1)
        assert shop.statement("m", window=Window(starts_at=None, ends_at=None)).closing == 1000

    def test_ends_where_it_is_said(self, shop: Loyalty, store: LossyRepository) -> None:
        """In one round trip, for any account."""
        give(shop, account="status")
        store.calls.clear()
        window = Window(starts_at=None, ends_at=NOON + timedelta(days=1))
        assert shop.statement("m", window=window, account="status").closing == 1000
        assert shop.statement("m", window=window).lines == ()
        assert store.calls == ["load", "load"]

    def test_of_nobody_there_is_nothing_to_tell(self, shop: Loyalty) -> None:
        """A member never seen."""
        assert shop.statement("m", window=Window(starts_at=None, ends_at=None)).lines == ()


class TestHandsOn:
    def test_by_hand_on_another_account(self, shop: Loyalty) -> None:
        """Given, taken and given back, on the account that is named."""
        given = shop.earn(9, member_id="m", ref="g", expires_at=None, reason="moved house", account="status", actor="zoé")
        assert (given.account, given.reason, given.actor) == ("status", "moved house", "zoé")
        taken = shop.adjust_down(5, member_id="m", ref="t", reason="typed twice", account="status", actor="zoé")
        back = shop.reverse_adjustment("t", member_id="m", ref="u", account="status", actor="zoé")
        assert (taken.account, back.account) == ("status", "status")
        assert set(shop.membership("m").ledgers) == {"status"}


class TestStock:
    """What is out of stock is told with each call: a gift that cannot be given is not promised."""

    PROGRAM: ClassVar[Program] = attrs.evolve(
        PROGRAM, book=OfferBook([Offer("bottle", give=Gift("bottle"))], stacking=Stacking(Mode.ALL))
    )
    GONE: ClassVar[View] = View(out_of_stock=["bottle"])

    def test_a_gift_is_promised_and_booked_while_it_is_there(self) -> None:
        """The order says what was given."""
        shop = Loyalty(self.PROGRAM, MemoryRepository(), clock=lambda: NOON)
        placed = shop.place(shop.quote(HELMET), order_id="1")
        assert dict(placed.gifts) == {"bottle": 1}
        assert dict(shop.place_unseen(HELMET, order_id="2", view=self.GONE).gifts) == {}

    @pytest.mark.parametrize("call", ["place", "reserve"])
    def test_one_that_went_meanwhile_changes_the_quote(self, call: str) -> None:
        """Shown and gone is said, not booked; what was shown without it is booked without it."""
        shop = Loyalty(self.PROGRAM, MemoryRepository(), clock=lambda: NOON)
        more: dict[str, Any] = {} if call == "place" else {"hold_for": timedelta(minutes=5)}
        with pytest.raises(RefusedError) as refused:
            getattr(shop, call)(shop.quote(HELMET), order_id="1", view=self.GONE, **more)
        assert refused.value.refusal.reason is Reason.QUOTE_CHANGED
        without = shop.quote(HELMET, view=self.GONE)
        assert without.gifts == ()
        assert getattr(shop, call)(without, order_id="1", view=self.GONE, **more).total == without.total
