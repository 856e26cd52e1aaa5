"""What it costs to tell the tier of a member who has bought for long, and was loaded from a snapshot.

What the loading costs has comparisons of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks._harness import Pair, bench
from benchmarks.bench_store import folder
from loyaltycore import Program
from loyaltycore._snapshots import SNAPSHOT_FORM, compact, restored, tallied
from loyaltycore.facts import Append, Command, Fact
from loyaltycore.identity import Key, member_stream
from loyaltycore.memberships import Membership, OrderCounted
from loyaltycore.store.sqlite import SQLiteRepository

PROGRAM = Path("examples/velo/program.toml")
END = datetime(2026, 7, 1, tzinfo=UTC)
STEP = timedelta(hours=2)
"""Between two orders: a canteen that has bought for twenty years, twelve times a day."""

TAIL = 10
"""Facts after the snapshot: on average so many where one is kept every twenty facts."""


def orders(count: int) -> list[Fact]:
    """Let a member place so many orders, the last of them at the end; what counts is little, so that no tier is out of reach."""
    instants = [END - STEP * (count - number) for number in range(count)]
    return [
        OrderCounted(order_id=f"order-{number}", day=at.date(), qualifying_minor=7 if count > TAIL * 2 else 3_000, at=at)
        for number, at in enumerate(instants)
    ]


def asking(program: Program, count: int, cut: int) -> Callable[[], object]:
    """Keep a member with so many orders, with a snapshot of the first, load the member, and give what asks for the tier."""
    member_id, facts, repository = "m-42", orders(count), SQLiteRepository(folder() / f"tier-{count}.db")
    stream = member_stream(member_id)
    for start, some in ((0, facts[:cut]), (cut, facts[cut:])):
        if some:
            append = Append(stream=stream, expected_version=start, facts=some)
            repository.commit(Command.of(stream, Key(f"facts-{start}"), actor="shop"), [append])
    if cut:
        member = Membership.replay(member_id, facts[:cut])
        kept = tallied(member, program.tiers, calendar=program.calendar, at=facts[cut - 1].at)
        repository.keep_snapshot(stream, compact(kept))

    loaded = restored(member_id, repository.load_tails([stream], form=SNAPSHOT_FORM)[stream])
    assert program.tier(loaded, at=END) == program.tier(Membership.replay(member_id, facts), at=END)
    return lambda: program.tier(loaded, at=END)


@bench("tiers.status, 100,000 orders", unit="µs", against="a member with 10 orders")
def status() -> Pair:
    """Tell the tier of a member with 100,000 orders."""
    program = Program.load(PROGRAM)
    return Pair(asking(program, 100_000, 100_000 - TAIL), asking(program, 10, 0))
