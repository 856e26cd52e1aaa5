"""A cap under fire: many processes fight for few places, with kills, retries and reservations that time out.

Each attempt reserves one place of a counter for a moment, and then confirms it, gives it up, or is forgotten. Every commit moves
three things at once: the order, the points of a member, and the claim. Workers are killed at random and started again; each
goes on where it last heard an answer, so that the call whose answer it missed is made a second time, and many others are too.

At the end of the first fire:

- Exactly as many orders are confirmed as the cap allows, and exactly those claims count.
- Every answer that a worker heard was kept; every commit is there whole: order, points, claim and receipt.
- No call was counted twice: a member has the points of its confirmed orders, and the books balance.
- Nothing hung: a deadlock would be told by the database, or by the clock.

The second fire goes through ``Loyalty``: a code for everybody with few places, and codes for one order each, of which two orders
want every one. At its end:

- As many orders have the code for everybody as there are places, and beside them only those that were paid late, and say so.
- Each single-use code was redeemed exactly once, by the order whose shopper heard so.
- Every answer was kept, every order is there whole, its points with it, and no call was counted twice.

Run it by ``python -m tests.fire_cap URL``, which ends with code 1 when a cap burns; URL is ``sqlite:///FILE``, one of
SQLAlchemy, or ``postgresql`` for a throwaway server.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import attrs

from loyaltycore import Basket, Loyalty, Program
from loyaltycore._code_book import CodeBook
from loyaltycore._code_space import CodeSpace, SecretKey
from loyaltycore.benefits import PercentOff
from loyaltycore.coupons import CouponCampaign, Limits
from loyaltycore.errors import ConflictError, DuplicateError, LimitReachedError, Reason, RefusedError
from loyaltycore.facts import Append, Claim, Command
from loyaltycore.identity import CounterId, Key, StreamId, member_stream, order_stream
from loyaltycore.orders import OrderLine, OrderPlaced, OrderReserved
from loyaltycore.points import POINTS as POINTS_ACCOUNT
from loyaltycore.points import PointsAccount
from loyaltycore.quantities import Money
from loyaltycore.services import Attempts
from loyaltycore.store.sqlite import SQLiteRepository
from tests import postgres

__all__ = ["Seen", "Shopper", "burn", "burn_campaign", "main"]

COUNTER: Final = CounterId("coupon/FIRE")
MEMBERS: Final = 40
POINTS: Final = 10
HELD: Final = timedelta(milliseconds=300)
AT: Final = datetime(2026, 7, 1, tzinfo=UTC)
ROOT: Final = Path(__file__).parents[1]

CONFIRMED, FULL, GIVEN_UP, FORGOTTEN, TOO_LATE = "confirmed", "full", "given up", "forgotten", "too late"


def repository_of(url: str, *, keeps: bool = False) -> Any:  # noqa: ANN401  # any repository
    """Open the store; the drivers of SQLAlchemy are asked for only where they are needed."""
    if url.startswith("sqlite:///"):
        return SQLiteRepository(url.removeprefix("sqlite:///"))
    from sqlalchemy import NullPool, create_engine  # noqa: PLC0415 - an extra

    from loyaltycore.store.sqlalchemy import SQLAlchemyRepository  # noqa: PLC0415 - an extra

    # A worker keeps its connection and is killed with it; who only looks leaves none open.
    return SQLAlchemyRepository(create_engine(url) if keeps else create_engine(url, poolclass=NullPool))


class Worker:
    """One of many who want a place."""

    def __init__(self, url: str, *, cap: int, seed: int) -> None:
        """Open the store.

        Args:
            url: Where it is.
            cap: How many places there are.
            seed: Decides what becomes of each attempt; the same attempt again is the same.
        """
        self.repository = repository_of(url, keeps=True)
        self.cap = cap
        self.seed = seed

    def attempt(self, number: int, *, honest: bool) -> str:
        """Try for a place, and give what became of it.

        Args:
            number: Which attempt; it names the order.
            honest: Whether it is to be confirmed, whatever chance says.
        """
        chance = random.Random(f"{self.seed} {number}")
        fate = 0.0 if honest else chance.random()
        again = chance.random() < 0.5
        order_id = f"o-{number}"
        try:
            self.twice(again, lambda: self.reserve(order_id, number))
        except LimitReachedError:
            return FULL
        if fate > 0.8:
            return FORGOTTEN
        if fate > 0.6:
            self.twice(again, lambda: self.give_up(order_id))
            return GIVEN_UP
        try:
            self.twice(again, lambda: self.confirm(order_id, number))
        except LimitReachedError:
            return TOO_LATE  # its moment was over, and somebody else has the place
        return CONFIRMED

    def twice(self, again: bool, call: Any) -> None:  # noqa: ANN401, FBT001  # a draw, and any call
        """Make a call, and perhaps once more: the second time it must be known."""
        call()
        if again:
            call()

    def reserve(self, order_id: str, number: int) -> None:
        """Hold a place for a moment."""
        order = OrderPlaced(
            order_id=order_id,
            member_id=f"m-{number % MEMBERS}",
            currency="EUR",
            lines=(OrderLine(line_id="1", product_id="bell", quantity=1, list_minor=100),),
            at=AT,
        )
        now = datetime.now(UTC)
        fact = OrderReserved(order=order, until=now + HELD, at=AT)
        append = Append(stream=order_stream(order_id), expected_version=0, facts=[fact])
        self.commit("reserve", order_id, [append, self.claim(order_id, 1, now, now + HELD)])

    def give_up(self, order_id: str) -> None:
        """Free the place."""
        now = datetime.now(UTC)
        self.commit("give up", order_id, [self.claim(order_id, 0, now, None)])

    def confirm(self, order_id: str, number: int) -> None:
        """Take the place for good, with points for the member, in one commit."""
        member_id = f"m-{number % MEMBERS}"
        stream = member_stream(member_id)
        while True:
            if self.repository.receipt(order_stream(order_id), Key("confirm")) is not None:
                return
            facts = self.repository.load([stream])[stream].facts
            posting = PointsAccount.replay(member_id, facts).earn(POINTS, ref=order_id, expires_at=None, at=AT)
            now = datetime.now(UTC)
            placed = OrderPlaced(
                order_id=order_id,
                member_id=member_id,
                currency="EUR",
                lines=(OrderLine(line_id="1", product_id="bell", quantity=1, list_minor=100),),
                at=AT,
            )
            append = Append(stream=order_stream(order_id), expected_version=1, facts=[placed])
            try:
                self.commit("confirm", order_id, [append, *posting.changes, self.claim(order_id, 1, now, None)])
            except ConflictError:
                continue  # another order of the member was faster
            return

    def claim(self, order_id: str, amount: int, now: datetime, until: datetime | None) -> Claim:
        """Make a claim."""
        return Claim(counter=COUNTER, key=Key(order_id), amount=amount, limit=self.cap, at=now, until=until)

    def commit(self, verb: str, order_id: str, changes: list[Any]) -> None:
        """Commit once: what was done before is done."""
        command = Command.of(order_stream(order_id), Key(verb), actor="fire")
        for _ in range(1000):
            try:
                self.repository.commit(command, changes)
            except DuplicateError:
                return
            except ConflictError:
                if verb == "confirm":
                    raise
                continue  # a busy database
            return
        msg = f"{verb} of {order_id} never got through"
        raise AssertionError(msg)


SHOP: Final = Program.parse("""
program = { name = "fire", version = 1, currency = "EUR", zone = "Europe/Paris", starts_on = 2026-01-01 }
stacking = { mode = "best" }
points = { earn = "1 per 1.00", basis = "paid", expires = "never", overdraft = "carry" }
""")
SPACE: Final = CodeSpace(SecretKey("fire", bytes(range(32))), pattern="F-####-####-####", context="fire")
GOODS: Final = Basket.of("EUR", {"bell": "20.00"})
SINGLE: Final = "single"
EVERYBODY: Final = "FIRE"


def shop_of(url: str, *, cap: int, keeps: bool = False) -> Loyalty:
    """Open the shop of the second fire."""
    campaigns = [
        CouponCampaign(EVERYBODY, give=PercentOff("25"), codes="human", limits=Limits(total=cap)),
        CouponCampaign(SINGLE, give=PercentOff("25"), codes=SPACE),
    ]
    program = attrs.evolve(SHOP, campaigns=campaigns)
    free = Attempts(per_client=None, per_member=None, per_shop=None)
    return Loyalty(program, repository_of(url, keeps=keeps), codes=CodeBook([SPACE]), attempts=free, retries=100)


def single_codes(shop: Loyalty, attempts: int) -> list[str]:
    """Give the codes that are for one order each: every fourth attempt has one of its own."""
    return list(shop.issue_codes(SINGLE, max(1, attempts // 4), ref="fire", by="fire").codes())


class Shopper:
    """One of many who want what a campaign has few of."""

    def __init__(self, url: str, *, cap: int, seed: int, attempts: int) -> None:
        """Open the shop.

        Args:
            url: Where it keeps its books.
            cap: How many may have the code for everybody.
            seed: Decides what becomes of each attempt; the same attempt again is the same.
            attempts: In all.
        """
        self.shop = shop_of(url, cap=cap, keeps=True)
        self.codes = single_codes(self.shop, attempts)
        self.seed = seed

    def attempt(self, number: int, *, honest: bool) -> str:
        """Try for a discount, and give what became of it.

        Args:
            number: Which attempt; it names the order. Even ones type the code for everybody, and of odd ones two share a code.
            honest: Whether it is to be paid at once, whatever chance says.
        """
        order_id = f"c-{number}"
        if self.shop.order(order_id).placed is not None:
            return CONFIRMED  # it was, and the shopper was gone before he heard
        code = self.codes[number // 4] if number % 2 else EVERYBODY
        quote = self.shop.quote(GOODS, member_id=f"s-{number % MEMBERS}", codes=[code], order_id=order_id)
        if not quote.codes[code].applied:
            return FULL
        chance = random.Random(f"{self.seed} {number}")
        fate, again = chance.random(), chance.random() < 0.5
        try:
            if honest or number % 2 or fate < 0.5:
                self.twice(again, lambda: self.shop.place(quote, order_id=order_id))
                return CONFIRMED
            self.twice(again, lambda: self.shop.reserve(quote, order_id=order_id, hold_for=HELD))
        except RefusedError as refused:
            if refused.refusal.reason is not Reason.QUOTE_CHANGED:
                raise
            return FULL
        if fate > 0.85:
            return FORGOTTEN
        if fate > 0.7:
            self.twice(again, lambda: self.shop.cancel(order_id))
            return GIVEN_UP
        if fate > 0.65:
            time.sleep(1.5 * HELD.total_seconds())  # the bank's page was open for too long
        self.twice(again, lambda: self.shop.confirm(order_id))
        return CONFIRMED

    def twice(self, again: bool, call: Callable[[], object]) -> None:  # noqa: FBT001  # a draw
        """Make a call, and perhaps once more: the answers are the same."""
        answer = call()
        assert not again or call() == answer, "a call made twice had two answers"


def work(url: str, log: Path, *, first: int, step: int, stop: int, cap: int, seed: int, honest: int, shops: int = 0) -> None:
    """Make every ``step``-th attempt from ``first`` on; go on after the last answer that was written down."""
    done = len(log.read_bytes().splitlines()) if log.exists() else 0
    worker = Shopper(url, cap=cap, seed=seed, attempts=stop) if shops else Worker(url, cap=cap, seed=seed)
    numbers, is_waiting = range(first + done * step, stop, step), True
    with log.open("ab", buffering=0) as answers:
        for number in numbers:
            if number >= honest and is_waiting:
                time.sleep(2 * HELD.total_seconds())  # what this worker has forgotten is free again before it is honest
                is_waiting = False
            answers.write(f"{number} {worker.attempt(number, honest=number >= honest)}\n".encode())


class Seen(Counter[str]):
    """What the fire saw."""


def burn(url: str, folder: Path, *, cap: int, processes: int, attempts: int, kills: int, seed: int = 0) -> Seen:
    """Let processes fight, kill some, and look at what is left.

    Args:
        url: An empty store.
        folder: For the answers that were heard.
        cap: Places.
        processes: Workers at once.
        attempts: In all; the last of them give nothing up, so that no place stays free.
        kills: Workers that are killed while they work, at least.
        seed: Of chance.

    Raises:
        AssertionError: The cap burned.
    """
    if not url.startswith("sqlite:///"):
        repository_of(url).create_tables()
    # Whoever comes last still has as many attempts as there are places, when every forgotten one is free again.
    honest = max(attempts // 2, attempts - processes * cap)
    logs = [folder / f"worker-{number}.log" for number in range(processes)]
    seen = _fought(url, logs, kills=kills, seed=seed, passed=(processes, attempts, cap, seed, honest, 0))
    _look(repository_of(url), logs, seen, cap=cap, attempts=attempts)
    return seen


def burn_campaign(url: str, folder: Path, *, cap: int, processes: int, attempts: int, kills: int, seed: int = 0) -> Seen:
    """Let processes fight for a campaign through ``Loyalty``, kill some, and look at what is left.

    Args:
        url: A store; what the first fire left there does not matter.
        folder: For the answers that were heard.
        cap: Orders that may have the code for everybody.
        processes: Workers at once, an even number, so that two want each single-use code.
        attempts: In all, a multiple of four; the second half pays at once.
        kills: Workers that are killed while they work, at least.
        seed: Of chance.

    Raises:
        AssertionError: The cap burned.
    """
    if not url.startswith("sqlite:///"):
        repository_of(url).create_tables()
    codes = single_codes(shop_of(url, cap=cap), attempts)
    logs = [folder / f"shopper-{number}.log" for number in range(processes)]
    seen = _fought(url, logs, kills=kills, seed=seed, passed=(processes, attempts, cap, seed, attempts // 2, 1))
    time.sleep(2 * HELD.total_seconds())
    shop, last = shop_of(url, cap=cap), attempts
    while True:  # what was forgotten last is free again: whoever comes now gets it
        quote = shop.quote(GOODS, codes=[EVERYBODY])
        if not quote.codes[EVERYBODY].applied:
            break
        shop.place(quote, order_id=f"c-{last}")
        last += 1
    _look_campaign(shop, logs, seen, codes, cap=cap, attempts=attempts, last=last)
    return seen


def _fought(url: str, logs: list[Path], *, kills: int, seed: int, passed: tuple[int, ...]) -> Seen:
    """Start the workers, kill some and start them again, until all have done their part."""
    seen, chance, began = Seen(), random.Random(f"kills {seed}"), time.monotonic()

    def start(number: int) -> subprocess.Popen[bytes]:
        arguments = (url, logs[number], number, *passed)
        return subprocess.Popen(
            [sys.executable, __file__, "--work", *map(str, arguments)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )

    running = {number: start(number) for number in range(len(logs))}
    while running:
        time.sleep(0.02)
        for number, process in list(running.items()):
            code = process.poll()
            if code == 0:
                del running[number]
            elif code is not None:
                assert code == -signal.SIGKILL, f"worker {number} ended with code {code}"
                running[number] = start(number)
        heard = sum(log.stat().st_size for log in logs if log.exists())
        if seen["kills"] < kills and running and heard and chance.random() < 0.3:
            process = running[chance.choice(sorted(running))]
            process.send_signal(signal.SIGKILL)
            process.wait()
            seen["kills"] += 1
        assert time.monotonic() - began < 1800, "the workers hang"
    seen["seconds"] = round(time.monotonic() - began)
    for log in logs:
        for line in log.read_text().splitlines():
            seen[line.partition(" ")[2]] += 1
    return seen


def _look(repository: Any, logs: list[Path], seen: Seen, *, cap: int, attempts: int) -> None:  # noqa: ANN401  # any repository
    """Hold what is kept against what was heard, and against itself."""
    told = dict(line.split(" ", 1) for log in logs for line in log.read_text().splitlines())
    assert len(told) == attempts, "an attempt was lost"
    points, confirmed, now = Counter[str](), set[str](), datetime.now(UTC) + 2 * HELD
    names = [order_stream(f"o-{number}") for number in range(attempts)]
    kept = dict[StreamId, Any]()
    for start in range(0, attempts, 500):
        kept |= repository.load(names[start : start + 500])
    for number, name in enumerate(names):
        kinds = [fact.kind for fact in kept[name].facts]
        if "order.placed" in kinds:
            confirmed.add(f"o-{number}")
            points[f"m-{number % MEMBERS}"] += POINTS
        assert kinds in ([], ["order.reserved"], ["order.reserved", "order.placed"]), f"{name}: {kinds}"
        _check_answer(repository, name, kinds, told[str(number)])
    assert len(confirmed) == cap, f"{len(confirmed)} confirmed, of {cap} places"
    for order_id in confirmed:
        claimed = repository.claimed([COUNTER], key=Key(order_id), at=now)[COUNTER]
        assert (claimed.total, claimed.mine) == (cap, 1), f"{order_id}: {claimed}"
    for number in range(MEMBERS):
        stream = member_stream(f"m-{number}")
        account = PointsAccount.replay(f"m-{number}", repository.load([stream])[stream].facts)
        books = account.ledger.books(at=now)
        assert books.balanced
        assert books.live == points[f"m-{number}"], f"{stream} has {books.live}, not {points[f'm-{number}']}"
    seen["attempts"], seen["cap"] = attempts, cap


_LIVES: Final[tuple[list[str], ...]] = (
    [],
    ["order.reserved"],
    ["order.reserved", "order.cancelled"],
    ["order.reserved", "order.placed"],
    ["order.placed"],
)
"""What may become of an order of the second fire."""


def _look_campaign(shop: Loyalty, logs: list[Path], seen: Seen, codes: list[str], *, cap: int, attempts: int, last: int) -> None:
    """Hold what is kept against what was heard, and against itself."""
    told = dict(line.split(" ", 1) for log in logs for line in log.read_text().splitlines())
    assert len(told) == attempts, "an attempt was lost"
    points, having, late = Counter[str](), set[str](), set[str]()
    for number in range(last):
        name = order_stream(f"c-{number}")
        facts = shop.repository.load([name])[name].facts
        kinds = [fact.kind for fact in facts]
        assert kinds in _LIVES, f"{name}: {kinds}"
        assert number >= attempts or ("order.placed" in kinds) == (told[str(number)] == CONFIRMED), f"{name}: {told[str(number)]}"
        for placed in [fact for fact in facts if isinstance(fact, OrderPlaced)]:
            points[placed.member_id or ""] += placed.points
            assert placed.total == Money.of("15.00", "EUR"), f"{name} was paid at {placed.total}"
            if not number % 2 or number >= attempts:
                having.add(placed.order_id)
                late |= {placed.order_id} if placed.late else set()
    assert len(having) - len(late) <= cap <= len(having), f"{len(having)} have it, {len(late)} of them late, of {cap} places"
    counter = CounterId(f"offer/{EVERYBODY}/orders")
    claimed = shop.repository.claimed([counter], key=Key("-"), at=datetime.now(UTC))[counter]
    assert claimed.total == len(having), f"{claimed.total} claimed, {len(having)} have it"
    for number, code in enumerate(codes):
        uses = {order: use.state for order, use in shop.coupon(code).uses.items()}
        confirmed = {f"c-{n}" for n in (4 * number + 1, 4 * number + 3) if told[str(n)] == CONFIRMED}
        assert set(uses) == confirmed, f"a code was redeemed by {sorted(uses)}, and {sorted(confirmed)} heard so"
        assert len(uses) == 1, f"a code was redeemed by {sorted(uses)}"
    for number in range(MEMBERS):
        books = shop.membership(f"s-{number}").ledger_of(POINTS_ACCOUNT).books(at=datetime.now(UTC))
        assert books.balanced
        assert books.live == points[f"s-{number}"], f"s-{number} has {books.live} points, not {points[f's-{number}']}"
    seen["attempts"], seen["cap"], seen["late"], seen["single codes"] = attempts, cap, len(late), len(codes)


def _check_answer(repository: Any, name: StreamId, kinds: list[str], heard: str) -> None:  # noqa: ANN401  # any repository
    """What was heard must be what is kept, with a receipt."""
    if heard == CONFIRMED:
        assert "order.placed" in kinds, f"{name} was confirmed and is lost"
        receipt = repository.receipt(name, Key("confirm"))
        assert receipt is not None, f"{name} has no receipt"
        assert len(receipt.facts) == 2, f"{name}: half a commit"
    else:
        assert "order.placed" not in kinds, f"{name} is kept, and was told as {heard}"
    if heard in {GIVEN_UP, FORGOTTEN}:
        assert kinds, f"{name} was reserved and is lost"


def main(arguments: list[str] | None = None) -> int:
    """Burn a store, and print what was seen."""
    if arguments is None and sys.argv[1:2] == ["--work"]:
        url, log, *numbers = sys.argv[2:]
        first, step, stop, cap, seed, honest, shops = map(int, numbers)
        work(url, Path(log), first=first, step=step, stop=stop, cap=cap, seed=seed, honest=honest, shops=shops)
        return 0
    parser = argparse.ArgumentParser(description="Let many processes fight for few places.")
    told_url = "an empty store; left out, SQLite in a temporary folder; postgresql, a throwaway server of this machine"
    parser.add_argument("url", nargs="?", help=told_url)
    defaults = (("cap", 500), ("processes", 16), ("attempts", 20_000), ("kills", 200), ("seed", 0), ("shoppers", 4000))
    for name, number in defaults:
        parser.add_argument(f"--{name}", type=int, default=number)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        url = asked.url or f"sqlite:///{folder}/fire.db"
        if url == "postgresql":
            programs = postgres.binaries()
            if programs is None:
                print(f"WARNING: {postgres.POSTGRES_ABSENT}: nothing burned")
                return 0
            cluster = stack.enter_context(postgres.running(programs))
            url = cluster.url(cluster.database()).render_as_string(hide_password=False)
        passed = {name: getattr(asked, name) for name in ("cap", "processes", "attempts", "kills", "seed")}
        try:
            seen = burn(url, Path(folder), **passed)
            kept = "every answer kept, nothing half, nothing twice, the books balance"
            print(f"{_told(seen)}: exactly {seen['cap']} places taken, {kept}")
            seen = burn_campaign(url, Path(folder), **{**passed, "attempts": asked.shoppers, "kills": asked.kills // 4})
        except AssertionError as error:
            print(f"the cap burned down: {error}")
            return 1
    print(f"{_told(seen)}: {seen['cap']} places taken and beyond them only late orders, each single code redeemed exactly once")
    return 0


def _told(seen: Seen) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(seen.items()))


if __name__ == "__main__":
    sys.exit(main())
