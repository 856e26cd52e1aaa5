"""Referrals under fire: many sign up, order, return and sweep at once, and connections break. Nothing happens twice.

Whatever the order in which things happen, an advocate has in the end what the friends who stand bring.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from loyaltycore import Loyalty, Reason, RefusedError
from loyaltycore.facts import Append, Change, Command
from loyaltycore.identity import Key, StreamId, member_stream, referral_stream
from loyaltycore.memberships import FriendRewarded
from loyaltycore.referrals import ReferralStatus
from loyaltycore.repositories import Repository, every_stream
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.store.sqlalchemy import SQLAlchemyRepository
from loyaltycore.store.sqlite import SQLiteRepository
from tests.fire import LossyRepository
from tests.test_referral_steps import CARD, DAY, bought, brought_friends, holdings, joined, open_shop, program, refunded
from tests.test_services import HELMET, NOON, Clock

THREADS = 8
RETRIES = 60
"""More than as many as are at it at once: who loses a race looks again."""


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Repository]:
    """Each kind of store."""
    match request.param:
        case "memory":
            yield MemoryRepository()
        case "sqlite":
            yield SQLiteRepository(tmp_path / "shop.db")
        case _:
            engine = create_engine(request.getfixturevalue("postgres"), pool_size=THREADS)
            repository = SQLAlchemyRepository(engine)
            repository.create_tables()
            yield repository
            engine.dispose()


def at_once(calls: Iterable[Callable[[], Any]]) -> list[Any]:
    """Make calls at once, each in a thread of its own; what is refused is the answer."""
    several = list(calls)
    start = threading.Barrier(len(several))

    def run(call: Callable[[], Any]) -> Any:  # noqa: ANN401  # whatever the call answers
        start.wait()
        try:
            return call()
        except RefusedError as error:
            return error.refusal.reason

    with ThreadPoolExecutor(len(several)) as pool:
        return list(pool.map(run, several))


def having(store: Repository, clock: Clock | None = None, **more: Any) -> Loyalty:  # noqa: ANN401  # as for a program
    """Open a shop that does not give up."""
    return open_shop(program(**more), store, clock, retries=RETRIES)


def brings(friends: int) -> tuple[int, int]:
    """Say what so many friends bring: points, and coupons."""
    return 500 * min(friends, 2), max(0, friends - 2)


@pytest.mark.law(36, 38)
class TestAtOnce:
    def test_two_advocates_want_one_friend(self, store: Repository) -> None:
        """One of them has the friend, and the other's code is refused."""
        shop = having(store)
        codes = [shop.referrals.code(name).code for name in ("ann", "eve")]
        for number in range(6):
            friend = f"f-{number}"
            answers = at_once([partial(shop.join, friend, referral_code=code) for code in codes])
            assert answers[0] == answers[1]
            referral = shop.referrals.of(friend)
            assert referral.advocate_id in ("ann", "eve")
            assert referral.refused is None or referral.refused.reason is Reason.REFERRAL_ALREADY_REFERRED
            assert list(shop.membership(friend).coupons) == [referral.coupon_id]

    def test_two_bring_each_other(self, store: Repository) -> None:
        """Of A who brings B and B who brings A only one stands."""
        shop = having(store)
        for number in range(6):
            names = [f"a-{number}", f"b-{number}"]
            codes = [shop.referrals.code(name).code for name in names]
            at_once(partial(shop.join, who, referral_code=code) for who, code in zip(names, reversed(codes), strict=True))
            stand = [shop.referrals.of(name).status for name in names]
            assert sorted(stand) == [ReferralStatus.JOINED, ReferralStatus.REFUSED]

    def test_one_card_for_many(self, store: Repository) -> None:
        """Whoever is first is brought; the others are recognised."""
        shop = having(store)
        code = shop.referrals.code("ann").code
        names = [f"f-{number}" for number in range(THREADS)]
        at_once(partial(shop.join, name, referral_code=code, identity_hashes=[CARD, name]) for name in names)
        stand = Counter(shop.referrals.of(name).status for name in names)
        assert stand == {ReferralStatus.JOINED: 1, ReferralStatus.REFUSED: THREADS - 1}

    def test_the_last_places_of_a_day(self, store: Repository) -> None:
        """As many as the program says, whoever comes at once."""
        shop = having(store, joins_per_day=3)
        code = shop.referrals.code("ann").code
        names = [f"f-{number}" for number in range(THREADS)]
        at_once(partial(shop.join, name, referral_code=code) for name in names)
        stand = Counter(shop.referrals.of(name).status for name in names)
        assert stand == {ReferralStatus.JOINED: 3, ReferralStatus.REFUSED: THREADS - 3}

    def test_one_code_for_many(self, store: Repository) -> None:
        """A wish is granted once; a code that is made is nobody else's, and one member's calls answer alike."""
        shop = having(store, codes="V######")
        wishes = at_once(partial(shop.referrals.code, f"m-{number}", wish="BIKER") for number in range(THREADS))
        assert Counter(map(str, wishes))["referral_code_taken"] == THREADS - 1
        made = at_once(partial(shop.referrals.code, f"n-{number // 2}") for number in range(THREADS))
        assert made[::2] == made[1::2]
        assert len({one.folded for one in made}) == THREADS // 2

    def test_friends_convert_at_once(self, store: Repository) -> None:
        """Sweeps beside each other, and returns beside them, leave what the friends who stand bring."""
        clock = Clock()
        shop = having(store, clock)
        names = brought_friends(shop, 6)
        clock.at += 15 * DAY
        at_once([*(partial(refunded, shop, name) for name in names[:2]), *([shop.sweep] * 3)])
        shop.sweep()
        assert holdings(shop) == brings(4)
        at_once([*(partial(refunded, shop, name) for name in names[2:5]), shop.sweep])
        shop.sweep()
        assert holdings(shop) == brings(1)
        assert not shop.sweep().done


STEPS = 40
NAMES = [f"f-{number}" for number in range(8)]


def work(path: str, seed: int) -> None:
    """Sign up, order, return and sweep as chance says, and every call twice, as another process does at the same time."""
    chance = random.Random(f"referrals {seed}")
    at = [NOON]
    shop = having(SQLiteRepository(path), clock=lambda: at[0])  # type: ignore[arg-type]  # a clock is a function
    code = shop.referrals.code("ann").code
    for _ in range(STEPS):
        friend = chance.choice(NAMES)
        at[0] += timedelta(days=chance.choice([0, 1, 4]))
        calls: list[Callable[[], object]] = [
            partial(shop.join, friend, referral_code=code, identity_hashes=[f"card {friend}"]),
            partial(order, shop, friend),
            partial(come_back, shop, friend),
            shop.sweep,
        ]
        call = chance.choice(calls)
        for _ in range(2):
            call()


def order(shop: Loyalty, friend: str) -> None:
    """Order once; another process may have been faster, and then it is ordered."""
    if shop.order(f"order-{friend}").placed is None:
        shop.place_unseen(HELMET, member_id=friend, order_id=f"order-{friend}")


def come_back(shop: Loyalty, friend: str) -> None:
    """Bring all of an order back, where there is one; half of the friends keep what they buy."""
    placed = shop.order(f"order-{friend}").placed
    if placed is not None and friend in NAMES[::2]:
        (line,) = placed.lines
        shop.refund(f"order-{friend}", return_id="r", lines={line.line_id: line.quantity})


def standing(shop: Loyalty) -> int:
    """Count the friends who joined before they ordered, and kept what they bought."""
    kept = [name for name in NAMES if (order := shop.order(f"order-{name}")).placed is not None and not order.returns]
    return sum(shop.referrals.of(name).advocate_id is not None for name in kept)


@pytest.mark.law(36, 38, 40)
class TestProcesses:
    @pytest.mark.parametrize("seed", range(2))
    def test_on_sqlite(self, seed: int, tmp_path: Path) -> None:
        """Processes that know nothing of each other leave what the friends who stand bring."""
        path = str(tmp_path / "shop.db")
        SQLiteRepository(path).close()
        with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
            list(pool.map(partial(work, path), range(3 * seed, 3 * seed + 3)))
        clock = Clock(NOON + 1000 * DAY)
        shop = having(SQLiteRepository(path), clock)
        assert not shop.sweep().failed
        assert sum(shop.order(f"order-{name}").placed is not None for name in NAMES) > 4
        friends = standing(shop)
        assert 0 < friends < len(NAMES)
        assert len(shop.membership("ann").friends) == friends
        assert holdings(shop) == brings(friends)


def persistent(call: Callable[[], Any]) -> Any:  # noqa: ANN401  # whatever the call answers
    """Call until an answer is heard, and then once more, as a webhook that comes twice."""
    for _ in range(2):
        for _ in range(500):
            try:
                answer = call()
            except ConnectionError:
                continue
            break
        else:
            msg = "the shop is dead"
            raise AssertionError(msg)
    return answer


def facts_of(store: MemoryRepository) -> dict[StreamId, Any]:
    """Give all facts, by stream."""
    kinds = ("member", "order", "referral", "referral_code", "coupon", "payout")
    streams = [stream for kind in kinds for stream in every_stream(store, kind)]
    return {stream: kept.facts for stream, kept in store.load(streams).items()}


@pytest.mark.law(36, 40)
class TestLostAnswers:
    @pytest.mark.parametrize("seed", range(4))
    def test_a_shop_whose_connection_breaks(self, seed: int) -> None:
        """Of all calls 40 % lose their question or their answer; its twin loses nothing, and they hold the same facts."""
        kept, clean, clock = MemoryRepository(), MemoryRepository(), Clock()
        lossy = LossyRepository(kept, random.Random(f"losses {seed}"))
        shop, twin = (having(store, clock, joins_per_day=3, limit_per_year=3) for store in (lossy, clean))
        chance = random.Random(f"steps {seed}")
        answers = set[bool]()
        for _ in range(80):
            clock.at += timedelta(days=chance.choice([0, 0, 1, 5]), seconds=1)
            verb, friend, code = (
                chance.choice(["join", "order", "back", "sweep"]),
                chance.choice(NAMES),
                chance.choice(["ann", "eve"]),
            )
            seen = [run(shop, verb, friend, code) for shop, run in ((shop, lossy_step), (twin, step_of))]
            answers.add(seen[0] == seen[1])
        persistent(lambda: whole_sweep(shop))
        twin.sweep()
        assert answers == {True}
        assert facts_of(kept) == facts_of(clean)
        assert lossy.lost > 100


def lossy_step(shop: Loyalty, verb: str, friend: str, code: str) -> object:
    """Do a step until it is heard."""
    return persistent(partial(step_of, shop, verb, friend, code))


def whole_sweep(shop: Loyalty) -> None:
    """Sweep until nothing failed."""
    if shop.sweep().failed:
        raise ConnectionError


def step_of(shop: Loyalty, verb: str, friend: str, code: str) -> object:
    """Do one step, and give what was answered."""
    if verb == "join":
        return shop.join(friend, referral_code=shop.referrals.code(code).code, identity_hashes=[f"card {friend}"])
    if verb == "order":
        order(shop, friend)
    elif verb == "back":
        come_back(shop, friend)
    else:
        whole_sweep(shop)
    return None


class Counting:
    """Counts what is written to each stream."""

    def __init__(self, inner: MemoryRepository) -> None:
        self.inner = inner
        self.written = Counter[str]()
        self.load, self.receipt, self.claimed, self.due = inner.load, inner.receipt, inner.claimed, inner.due
        self.load_tails, self.keep_snapshot, self.streams = inner.load_tails, inner.keep_snapshot, inner.streams

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Note the streams, and pass on."""
        self.written.update(change.stream for change in changes if isinstance(change, Append))
        self.inner.commit(command, changes)


def crowd(friends: int) -> tuple[Counting, Loyalty, Clock]:
    """Let one advocate bring many friends, who all order."""
    store, clock = Counting(MemoryRepository()), Clock()
    shop = having(store, clock)
    code = shop.referrals.code("ann").code
    for number in range(friends):
        assert joined(shop, f"f-{number}", code) is ReferralStatus.JOINED
        shop.place_unseen(HELMET, member_id=f"f-{number}", order_id=f"order-f-{number}")
    return store, shop, clock


class TestInfluencer:
    def test_no_friend_writes_to_the_advocate(self) -> None:
        """Signing up, ordering and returning write to the friend's own streams."""
        store, shop, _ = crowd(30)
        refunded(shop, "f-3")
        assert store.written[member_stream("ann")] == 1  # the code
        assert store.written[referral_stream("ann")] == 0
        assert max(count for stream, count in store.written.items() if stream.startswith("referral/")) == 3

    def test_ten_thousand_friends(self) -> None:
        """The next ones add as many facts to the advocate's stream as the first did, and nothing but their rewards."""
        store, shop, clock = crowd(4)
        stream = member_stream("ann")
        clock.at += 15 * DAY
        shop.sweep()
        facts = store.load([stream])[stream].version
        assert facts == 1 + 3 * 4  # the code; what is given, its name, and the friend
        many = [
            FriendRewarded(friend_id=f"old-{nth}", program_id="friends", day=NOON.date(), number=5 + nth, at=clock.at)
            for nth in range(10_000)
        ]
        seed = Command.of(stream, Key("seed"), actor="test")
        store.commit(seed, [Append(stream=stream, expected_version=facts, facts=many)])
        store.written.clear()
        code = shop.referrals.code("ann").code
        names = [f"new-{number}" for number in range(5)]
        for name in names:
            assert joined(shop, name, code) is ReferralStatus.JOINED
            bought(shop, name, f"order-{name}")
        assert not store.written[stream]
        clock.at += 15 * DAY
        assert shop.sweep().done == 5
        assert store.written[stream] == 5
        assert store.load([stream])[stream].version == facts + 10_000 + 3 * 5
        assert [shop.referrals.of(name).number for name in names] == [10_005, 10_006, 10_007, 10_008, 10_009]
        refunded(shop, names[0])
        assert shop.referrals.of(names[4]).number == 10_009  # with the advocate the last one takes the place of the first
        assert shop.membership("ann").friends[names[4]].number == 10_005
