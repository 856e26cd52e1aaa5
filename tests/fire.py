"""Lose answers and repeat calls in random shops: nothing may happen twice, and everything must come to zero in the end.

Each shop draws a program, members, baskets, burns, reviews, adjustments and returns from a seed. Of all calls of the
repository 40 % lose their connection, before or after they are done; the shop calls again until it hears an answer, and then
once more, as a webhook that comes twice. A *twin* of the shop does the same once over a repository that loses nothing.

- The answers are those of the twin, and the same both times.
- The stores hold the same facts as the twin's, stream by stream.
- The books of every member balance, and no balance is below zero.
- At the end every order is refunded, in any order: every lot and every burn that came from an order is back at zero.

Run it by ``python tests/fire.py [shops] [seed]``; it ends with code 1 when a shop burns.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from loyaltycore import Basket, Line, Loyalty, Membership, Money, Program, RefusedError
from loyaltycore.facts import Change, Command
from loyaltycore.identity import CounterId, Key, StreamId, member_stream
from loyaltycore.orders import OrderPlaced
from loyaltycore.repositories import Claimed, Cursor, Due, Enumerable, Receipt, Repository, StoredStream, every_stream
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.store.sqlite import SQLiteRepository

__all__ = ["BATCH", "LOST", "Fire", "LossyRepository", "burn_down", "main"]

LOST: Final = 0.4
"""Share of the calls that lose their answer or their question."""

SHOPS: Final = 100
BATCH: Final = 10
"""Shops a line of the report."""

PATIENCE: Final = 500
"""Calls of one command before the shop is said to be dead: at 40 % a hundred lost in a row are not chance."""

MEMBERS: Final = ("ann", "bob", "zoé")
PRODUCTS: Final = ("helmet", "bell", "bag", "pump", "gift-card")
START: Final = datetime(2026, 7, 1, 8, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)

PROGRAM: Final = """
program = {{ name = "fire", version = 1, currency = "EUR", zone = "Europe/Paris", starts_on = 2026-07-01 }}
stacking = {{ mode = "{stacking}", exclude_tags = ["gift-card"] }}
[points]
earn = "{points} per {per}"
basis = "{basis}"
earn_exclude_tags = ["gift-card"]
pending = "{pending} days"
expires = "{months} months, end of month"
worth = "{worth}"
burn_minimum = {minimum}
burn_share = "{share} %"
overdraft = "carry"
[points.actions]
review = 50
[[offers]]
id = "percent"
when = {{ spend_at_least = "{threshold}.00" }}
give = {{ percent_off = "{percent}" }}
[[offers]]
id = "code"
when = {{ code = "FIRE10" }}
give = {{ percent_off = "10" }}
"""

T = TypeVar("T")


class LossyRepository:
    """Passes everything on, and loses its connection in many calls, before or after."""

    def __init__(self, inner: Repository, chance: random.Random) -> None:
        """Burn with a repository's calls.

        Args:
            inner: What keeps the facts.
            chance: Decides which calls are lost.
        """
        self.inner = inner
        self.chance = chance
        self.calls = 0
        self.lost = 0

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        """Pass on, or lose."""
        return self.passed(lambda: self.inner.load(streams))

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        """Pass on, or lose."""
        return self.passed(lambda: self.inner.receipt(home, key))

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Pass on, or lose."""
        self.passed(lambda: self.inner.commit(command, changes))

    def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        """Pass on, or lose."""
        return self.passed(lambda: self.inner.claimed(counters, key=key, at=at))

    def due(self, *, before: datetime, after: Cursor | None, limit: int) -> Sequence[Due]:
        """Pass on, or lose."""
        return self.passed(lambda: self.inner.due(before=before, after=after, limit=limit))

    def passed(self, call: Callable[[], T]) -> T:
        """Make a call; lose its question, or its answer."""
        self.calls += 1
        fate = self.chance.random()
        if fate < LOST / 2:
            self.lost += 1
            msg = "the question was lost"
            raise ConnectionError(msg)
        answer = call()
        if fate < LOST:
            self.lost += 1
            msg = "the answer was lost"
            raise ConnectionError(msg)
        return answer


class Fire:
    """One shop in the fire, and its twin out of it."""

    def __init__(self, seed: int, store: Repository) -> None:
        """Draw a shop.

        Args:
            seed: All of it follows from this number.
            store: An empty one.
        """
        self.chance = random.Random(f"fire {seed}")
        self.at = START
        self.lossy = LossyRepository(store, random.Random(f"losses {seed}"))
        program = self.program()
        self.shop = Loyalty(program, self.lossy, clock=lambda: self.at)
        self.twin = Loyalty(program, MemoryRepository(), clock=lambda: self.at)
        self.orders = list[str]()
        self.seen = Counter[str]()

    def program(self) -> Program:
        """Draw a program."""
        draw = self.chance
        return Program.parse(
            PROGRAM.format(
                stacking=draw.choice(["best", "priority", "all"]),
                points=draw.choice([1, 2, 10]),
                per=draw.choice(["1.00", "0.50", "3.00"]),
                basis=draw.choice(["paid", "list", "discounted"]),
                pending=draw.choice([1, 14, 30]),
                months=draw.choice([1, 6, 12]),
                worth=draw.choice(["0.01", "0.005", "0.10"]),
                minimum=draw.choice([1, 10, 50]),
                share=draw.choice([30, 50, 100]),
                threshold=draw.choice([20, 50, 100]),
                percent=draw.choice([5, 10, 33]),
            )
        )

    def run(self) -> None:
        """Let the shop burn, and refund every order.

        Raises:
            AssertionError: Something happened twice, or not at all.
        """
        for number in range(self.chance.randint(8, 16)):
            self.at += timedelta(seconds=self.chance.randint(0, 3 * 86_400))
            step = self.chance.choices([self.order, self.back, self.review, self.adjust, self.joined], [6, 3, 3, 1, 1])[0]
            step(number)
            self.check()
        for order_id in self.chance.sample(self.orders, len(self.orders)):
            self.back_whole(order_id)
        self.check()
        self.check_end()

    def order(self, number: int) -> None:
        """Quote a basket, and place it."""
        lines = [
            Line(
                product,
                Money.minor(self.chance.randint(0, 9999), "EUR"),
                self.chance.randint(1, 4),
                tags=["gift-card"] if product == "gift-card" else [],
            )
            for product in self.chance.sample(PRODUCTS, self.chance.randint(1, 4))
        ]
        basket = Basket(lines, shipping=Money.minor(self.chance.choice([0, 490]), "EUR"))
        member_id = self.chance.choice([*MEMBERS, None])
        burn = self.chance.choice([0, 0, 10, 100, 1000])
        codes = self.chance.choice([[], ["FIRE10"]])
        order_id = f"o-{number}"
        # What the shopper saw is remembered by the shop: the same quote is placed by each call.
        quote = self.twin.quote(basket, member_id=member_id, codes=codes, burn=burn)
        self.twice("orders", lambda shop: shop.place(quote, order_id=order_id))
        self.orders.append(order_id)
        self.seen["burns"] += quote.burn.granted > 0

    def back(self, number: int) -> None:
        """Return some of an order, by units or by amount."""
        if not self.orders:
            return
        order_id = self.chance.choice(self.orders)
        placed = self.placed(order_id)
        line = self.chance.choice(placed.lines)
        units = self.chance.randint(1, line.quantity)
        amount = Money.minor(self.chance.randint(1, 500), "EUR")
        if self.chance.random() < 0.8:
            self.twice("returns", lambda shop: shop.refund(order_id, return_id=f"r-{number}", lines={line.line_id: units}))
        else:
            self.twice("returns", lambda shop: shop.refund(order_id, return_id=f"r-{number}", amount=amount))

    def back_whole(self, order_id: str) -> None:
        """Return all that is left of an order, in one or more parts."""
        order = self.twin.order(order_id)
        left = {line.line_id: line.quantity - order.returned.get(line.line_id, 0) for line in self.placed(order_id).lines}
        for line_id, units in left.items():
            for part, count in enumerate([units] if self.chance.random() < 0.5 else [1, units - 1]):
                if 0 < count <= units:
                    self.back_at_purchase(order_id, f"end-{line_id}-{part}", {line_id: count})

    def back_at_purchase(self, order_id: str, return_id: str, lines: Mapping[str, int]) -> None:
        """Return units at an instant at which the return window is open, whatever the program says."""
        now, self.at = self.at, self.placed(order_id).at
        try:
            self.twice("returns", lambda shop: shop.refund(order_id, return_id=return_id, lines=lines))
        finally:
            self.at = now

    def review(self, number: int) -> None:
        """Give the points of a review."""
        member_id = self.chance.choice(MEMBERS)
        self.twice("actions", lambda shop: shop.record("review", member_id=member_id, ref=f"review-{number}"))

    def adjust(self, number: int) -> None:
        """Take points by hand, more than there are now and then."""
        member_id, points = self.chance.choice(MEMBERS), self.chance.randint(1, 60)
        ref = f"ticket-{number}"
        self.twice(
            "adjustments",
            lambda shop: shop.adjust_down(points, member_id=member_id, ref=ref, reason="🔥", actor="zoé"),
        )

    def joined(self, _number: int) -> None:
        """Make somebody a member, who may be one."""
        member_id = self.chance.choice(MEMBERS)
        self.twice("joins", lambda shop: shop.join(member_id))

    def twice(self, what: str, call: Callable[[Loyalty], object]) -> None:
        """Call until there is an answer, call once more, and demand the twin's answer both times."""
        wanted = self.answer(lambda: call(self.twin))
        now = self.at
        try:
            for again in (0, 1):
                # What was done answers for itself, whatever the time; a refusal was not done, and is of its time.
                self.at = now if isinstance(wanted, tuple) else now + again * HOUR
                found = self.insist(lambda: call(self.shop))
                assert found == wanted, f"{what}: {found!r} instead of {wanted!r}"
        finally:
            self.at = now
        self.seen[what] += 1

    def insist(self, call: Callable[[], object]) -> object:
        """Call until there is an answer."""
        for _ in range(PATIENCE):
            try:
                return self.answer(call)
            except ConnectionError:
                continue
        msg = f"no answer after {PATIENCE} calls"
        raise AssertionError(msg)

    def answer(self, call: Callable[[], object]) -> object:
        """Give what a call answers, or why it is refused."""
        try:
            return call()
        except RefusedError as refused:
            self.seen["refusals"] += 1
            return refused.refusals

    def placed(self, order_id: str) -> OrderPlaced:
        """Give what was booked."""
        placed = self.twin.order(order_id).placed
        assert placed is not None  # the twin placed it before
        return placed

    def check(self) -> None:
        """Demand the facts of the twin, and books that balance."""
        burned, calm = self.lossy.inner, self.twin.repository
        assert isinstance(burned, Enumerable)
        assert isinstance(calm, Enumerable)
        for kind in ("member", "order"):
            streams = list(every_stream(calm, kind))
            assert list(every_stream(burned, kind)) == streams
            assert burned.load(streams) == calm.load(streams)
        for membership in self.memberships():
            books = membership.books(at=self.at)
            assert books.balanced, f"the books of {membership.member_id} do not balance: {books!r}"
            assert membership.available(at=self.at) >= 0

    def check_end(self) -> None:
        """Demand that nothing is left of any order, all of them having come back."""
        for order_id in self.orders:
            placed, returns = self.placed(order_id), self.twin.order(order_id).returns.values()
            assert sum(back.points_revoked for back in returns) == placed.points
            assert sum(back.points_given_back for back in returns) == placed.burn_points
        for membership in self.memberships():
            taken = sum(take.units - take.given_back for take in membership.ledger.adjustments.values())
            given = sum(lot.granted for lot_id, lot in membership.ledger.lots.items() if lot_id.endswith("/review"))
            left = sum(lot.remaining for lot in membership.ledger.lots.values())
            assert left == given - taken, f"{membership.member_id} holds {left}, not {given} less {taken}"
            assert all(take.units == take.given_back for take in membership.ledger.burns.values())
            assert all(counted.units == 0 for counted in membership.orders.values())

    def memberships(self) -> list[Membership]:
        """Give all members as the store holds them."""
        streams = [member_stream(member_id) for member_id in MEMBERS]
        loaded = self.lossy.inner.load(streams)
        return [Membership.replay(name, loaded[stream].facts) for name, stream in zip(MEMBERS, streams, strict=True)]


def burn_down(seeds: Sequence[int], folder: Path) -> tuple[Counter[str], list[str]]:
    """Let shops burn, each over memory and over SQLite.

    Returns:
        What happened, counted, and what was wrong.
    """
    seen, wrong = Counter[str](), list[str]()
    for seed in seeds:
        with SQLiteRepository(folder / f"shop-{seed}.db") as sqlite:
            for kind, store in (("memory", MemoryRepository()), ("sqlite", sqlite)):
                fire = Fire(seed, store)
                try:
                    fire.run()
                except Exception as error:  # noqa: BLE001 - whatever breaks a shop is told, and the next one burns
                    wrong.append(f"shop {seed} over {kind}: {type(error).__name__}: {error}"[:2000])
                seen.update(fire.seen)
                seen.update(shops=1, calls=fire.lossy.calls, lost=fire.lossy.lost)
    return seen, wrong


def told(seen: Counter[str]) -> str:
    """Say in one line what happened."""
    share = 100 * seen["lost"] / max(1, seen["calls"])
    names = ("orders", "burns", "returns", "actions", "adjustments", "joins", "refusals")
    counts = ", ".join(f"{seen[name]} {name}" for name in names)
    return f"{counts}; {seen['calls']} calls, {share:.0f} % of them lost"


def main(arguments: Sequence[str]) -> int:
    """Burn shops batch by batch, and sum up.

    Args:
        arguments: How many shops, and the first seed.
    """
    count = int(arguments[0]) if arguments else SHOPS
    first = int(arguments[1]) if len(arguments) > 1 else 0
    total, wrong = Counter[str](), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        for start in range(first, first + count, BATCH):
            seeds = range(start, min(start + BATCH, first + count))
            seen, failures = burn_down(seeds, Path(folder))
            print(f"shops {seeds[0]} to {seeds[-1]}, over memory and SQLite: {told(seen)}")
            for failure in failures:
                print(f"  {failure}")
            total += seen
            wrong += failures
    verdict = f"{len(wrong)} burned down" if wrong else "nothing twice, the books balance, the end law holds"
    print(f"{count} shops, every call made twice: {told(total)}; {verdict}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
