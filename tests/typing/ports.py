"""What type checkers make of the ports: a shop's own repository need not inherit; read by mypy and pyright, never run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import assert_type

from loyaltycore import Accepted, Basket, Loyalty, Membership, PointsAccount, Program, Quote, Refused
from loyaltycore.facts import Posting
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.repositories import (
    Change,
    Claimed,
    Command,
    Cursor,
    Due,
    Enumerable,
    PointsAccountRepository,
    Receipt,
    Repository,
    StoredStream,
)
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.store.sqlite import SQLiteRepository
from loyaltycore.testing import check_points_repository, check_repository


class ShopRepository:
    """A shop's own, over a database of its own."""

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        """Answer every stream with none."""
        return {stream: StoredStream() for stream in streams}

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        """Know no command."""

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Keep nothing."""

    def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        """Answer every counter with nothing."""
        return {counter: Claimed(total=0, mine=0) for counter in counters}

    def due(self, *, before: datetime, after: Cursor | None, limit: int) -> Sequence[Due]:
        """Wait for nothing."""
        return ()


class HalfRepository:
    """Lacks all but one method of the port."""

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        """Answer every stream with none."""
        return {stream: StoredStream() for stream in streams}


class AccountTable:
    """The classic way, for points alone."""

    def get(self, member_id: str, /) -> PointsAccount:
        """Open an account each time."""
        return PointsAccount.open(member_id)

    def save(self, posting: Posting[PointsAccount], /) -> None:
        """Keep nothing."""


def shops(program: Program, memory: MemoryRepository, sqlite: SQLiteRepository) -> None:
    """Any class with the five methods will do, and no other."""
    Loyalty(program, ShopRepository())
    ports: list[Repository] = [memory, sqlite, ShopRepository()]
    listed: list[Enumerable] = [memory, sqlite]
    tables: list[PointsAccountRepository] = [AccountTable()]
    assert_type((ports, listed), tuple[list[Repository], list[Enumerable]])
    assert_type(tables[0].get("m-42"), PointsAccount)
    Loyalty(program, HalfRepository())  # type: ignore[arg-type]


def kit() -> None:
    """The kit takes what makes a repository, and nothing else."""
    check_repository(ShopRepository, threads=1)
    check_points_repository(AccountTable, new_member=lambda: "m-42")
    check_repository(ShopRepository())  # type: ignore[arg-type]
    check_repository(HalfRepository)  # type: ignore[arg-type]
    check_points_repository(ShopRepository)  # type: ignore[arg-type]


def points(account: PointsAccount, membership: Membership, at: datetime) -> None:
    """A command gives a posting of what it was asked of; a check gives a yes or a no."""
    assert_type(account.burn(500, ref="order-2", at=at), Posting[PointsAccount])
    assert_type(account.burn(500, ref="order-2", at=at).state, PointsAccount)
    assert_type(membership.earn(500, ref="welcome", expires_at=None, at=at).state, Membership)
    assert_type(account.check_burn(500, at=at), Accepted[int] | Refused)
    account.earn(500, ref="welcome", at=at)  # type: ignore[call-arg]
    account.burn(500, "order-2", at)  # type: ignore[call-arg, arg-type]


def quotes(program: Program, loyalty: Loyalty, basket: Basket, at: datetime) -> None:
    """A quote is one value, with a store or without."""
    assert_type(program.quote(basket, at=at), Quote)
    assert_type(loyalty.quote(basket, member_id="m-42"), Quote)
