"""What it costs that a friend was brought: from joining with a code to the advocate's reward."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

from benchmarks._harness import Pair, bench
from benchmarks.bench_store import folder
from loyaltycore import Basket, Program
from loyaltycore.services import Loyalty
from loyaltycore.store.sqlite import SQLiteRepository

PROGRAM = """
program = { name = "bench", version = 1, currency = "EUR", zone = "Europe/Paris", starts_on = 2026-01-01 }
points = { earn = "1 per 1.00", basis = "paid", expires = "12 months", worth = "0.01", overdraft = "carry" }
stacking = { mode = "best" }
"""
REFERRALS = """
[referrals]
codes = "VELO-####-####"
qualifies = { first_order = true, spend_at_least = "40.00" }
after = "at once"
friend = { amount_off = "10.00", per = "basket" }
advocate = { 1 = { points = 500 } }
"""
START = datetime(2026, 7, 1, 10, tzinfo=UTC)
BASKET = Basket.of("EUR", {"helmet": "79.90"})
REWARD = 500
FRIENDS = 10
"""That each advocate brings: no stream grows with the rounds."""


def shop(name: str, rules: str, clock: list[datetime]) -> Loyalty:
    """Open a shop in a file of its own."""
    return Loyalty(Program.parse(rules), SQLiteRepository(folder() / f"{name}.db"), clock=lambda: clock[0])


@bench("referrals.convert", unit="ms", against="joining and ordering, without referrals")
def convert() -> Pair:
    """Let a friend join with a code and order, and reward the advocate."""
    clock, numbers = [START], count()
    brought, alone = shop("referrals", PROGRAM + REFERRALS, clock), shop("alone", PROGRAM, clock)

    def order(one: Loyalty, member_id: str) -> None:
        one.place_unseen(BASKET, order_id=f"order-{member_id}", member_id=member_id)

    def ours() -> object:
        number = next(numbers)
        advocate, friend = f"advocate-{number // FRIENDS}", f"friend-{number}"
        clock[0] += timedelta(seconds=1)
        if number % FRIENDS == 0:
            brought.join(advocate)
        brought.join(friend, referral_code=brought.referrals.code(advocate).code, identity_hashes=[friend])
        order(brought, friend)
        return brought.sweep()

    def floor() -> None:
        friend = f"friend-{next(numbers)}"
        clock[0] += timedelta(seconds=1)
        alone.join(friend)
        order(alone, friend)

    ours()
    assert brought.overview("advocate-0").balance.available == REWARD
    return Pair(ours, floor)
