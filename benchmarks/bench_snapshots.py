"""What loading a member costs who has been there for long: from a snapshot and the facts after it, as the services load one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from benchmarks._harness import Pair, bench
from benchmarks.bench_store import folder
from loyaltycore._snapshots import SNAPSHOT_FORM, compact, restored
from loyaltycore.facts import Append, Command, Fact
from loyaltycore.identity import Key, member_stream
from loyaltycore.memberships import Membership, OrderCounted
from loyaltycore.store.sqlite import SQLiteRepository

START = datetime(2020, 1, 1, tzinfo=UTC)
END = datetime(2026, 7, 1, tzinfo=UTC)
OPEN = 10
"""Lots that are open in the end."""

TAIL = 10
"""Facts after the snapshot: on average so many where one is kept every twenty facts."""


def history(member_id: str, facts: int) -> list[Fact]:
    """Let a member place orders and spend what they earned, all but that of the last ones."""
    member, known = Membership.open(member_id), list[Fact]()
    for number in range(facts):
        at = START + timedelta(hours=number)
        ref, is_last = f"order-{number}", len(known) + 2 * OPEN >= facts
        counted = OrderCounted(order_id=ref, day=at.date(), qualifying_minor=5000, at=at)
        posting = member.earn(50, ref=ref, rule="order", expires_at=None, at=at)
        new = (*posting.facts, counted, *(() if is_last else posting.state.burn(50, ref=ref, at=at).facts))
        member = member.folded(new)
        known += new
    return known[:facts]


def loading(repository: SQLiteRepository, member_id: str, facts: list[Fact], cut: int) -> Callable[[], Membership]:
    """Keep a member's facts, with a snapshot of the first so many, and give what loads the member."""
    stream = member_stream(member_id)
    for start, some in ((0, facts[:cut]), (cut, facts[cut:])):
        if some:
            append = Append(stream=stream, expected_version=start, facts=some)
            repository.commit(Command.of(stream, Key(f"facts-{start}"), actor="shop"), [append])
    if cut:
        repository.keep_snapshot(stream, compact(Membership.replay(member_id, facts[:cut])))
    return lambda: restored(member_id, repository.load_tails([stream], form=SNAPSHOT_FORM)[stream])


def loaded(facts: int, cut: int) -> Callable[[], Membership]:
    """Give what loads a member of so many facts, of whom the same is known as from all facts."""
    known = history("m-42", facts)
    load = loading(SQLiteRepository(folder() / f"{facts}-{cut}.db"), "m-42", known, cut)
    member, full = load(), Membership.replay("m-42", known)
    assert (member.version, member.balance(at=END), member.orders) == (facts, full.balance(at=END), full.orders)
    assert sum(lot.remaining > 0 for lot in full.ledger.lots.values()) == min(OPEN, facts // 2)
    return load


@bench("load.10000_facts", unit="µs", against="loading a member with 10 facts")
def load() -> Pair:
    """Load a member with 10,000 facts of which 10 lots are open, ready to burn."""
    many, few = loaded(10_000, 10_000 - TAIL), loaded(10, 0)
    return Pair(lambda: many().available(at=END), lambda: few().available(at=END))


@bench("load.10000_facts, no snapshot", unit="µs", against="the same member from a snapshot")
def load_whole() -> Pair:
    """Load the same member from all facts, as it would be without a snapshot."""
    whole, snapshot = loaded(10_000, 0), loaded(10_000, 10_000 - TAIL)
    return Pair(lambda: whole().available(at=END), lambda: snapshot().available(at=END))
