"""Classic views: get, decide, save; several together or none, and nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from loyaltycore import Basket, ConflictError, Loyalty, UsageError
from loyaltycore.facts import Posting
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.views import Accounts, Memberships, Orders, save
from tests.test_services import HELMET, NOON, PROGRAM, Clock

LATER = NOON + timedelta(minutes=1)


class TestAccounts:
    def test_they_are_those_of_the_shop(self) -> None:
        """What ``Loyalty`` did is seen here, and what is saved here is seen there; an order counts among the facts."""
        repository = MemoryRepository()
        shop = Loyalty(PROGRAM, repository, clock=Clock())
        shop.place(shop.quote(HELMET, member_id="m"), order_id="1")
        accounts = Accounts(repository)
        account = accounts.get("m")
        assert account.available(at=NOON) == 71
        assert account.version == 2
        accounts.save(account.burn(11, ref="coffee", at=NOON))
        assert shop.overview("m").balance.available == 60

    def test_two_move_together_or_not_at_all(self) -> None:
        """A transfer whose taker moved meanwhile leaves the giver as before."""
        accounts = Accounts(MemoryRepository())
        accounts.save(accounts.get("a").earn(100, ref="o", expires_at=None, at=NOON))
        moved = accounts.get("a").transfer(40, to=accounts.get("b"), ref="gift", at=NOON)
        accounts.save(accounts.get("b").earn(1, ref="o", expires_at=None, at=NOON))
        with pytest.raises(ConflictError):
            accounts.save(moved.giver, moved.taker)
        assert (accounts.get("a").available(at=NOON), accounts.get("b").available(at=NOON)) == (100, 1)
        again = accounts.get("a").transfer(40, to=accounts.get("b"), ref="gift", at=NOON)
        accounts.save(again.giver, again.taker)
        assert (accounts.get("a").available(at=NOON), accounts.get("b").available(at=NOON)) == (60, 41)

    def test_another_account(self) -> None:
        """Each view is of one; what is of another is refused before it would be lost from sight."""
        repository = MemoryRepository()
        status = Accounts(repository, account="status")
        status.save(status.get("m").earn(5, ref="o", expires_at=None, at=NOON))
        assert status.get("m").available(at=NOON) == 5
        assert Accounts(repository).get("m").available(at=NOON) == 0
        posting = status.get("m").burn(5, ref="b", at=NOON)
        with pytest.raises(UsageError, match="postings must be of account 'points', got one of 'status'"):
            Accounts(repository).save(posting)
        with pytest.raises(UsageError, match="account"):
            Accounts(repository, account="no such name")

    def test_saved_again_is_a_conflict(self) -> None:
        """It was decided on what is no more; decided anew, the same reference gives nothing to save."""
        accounts = Accounts(MemoryRepository())
        posting = accounts.get("a").earn(100, ref="o", expires_at=None, at=NOON)
        accounts.save(posting)
        with pytest.raises(ConflictError, match="these postings were saved before: 'member/a' has moved on"):
            accounts.save(posting)
        accounts.save(accounts.get("a").earn(100, ref="o", expires_at=None, at=NOON))
        assert accounts.get("a").available(at=NOON) == 100
        assert accounts.get("a").version == 1


class TestSave:
    def test_an_order_and_its_member(self) -> None:
        """The pure program decides, the view keeps both."""
        repository = MemoryRepository()
        members, orders = Memberships(repository), Orders(repository)
        members.save(members.get("m").join(at=NOON))
        member = members.get("m")
        placed = PROGRAM.place(PROGRAM.quote(HELMET, member, at=NOON), member, order_id="1", at=NOON)
        save(repository, *placed.postings)
        assert orders.get("1") == placed.order.state
        assert members.get("m") == placed.membership
        attached = PROGRAM.reserve(PROGRAM.quote(Basket.of("EUR", {"a": "2.00"}), at=NOON), order_id="2", until=LATER, at=NOON)
        orders.save(attached.order)
        assert orders.get("2").reserved == attached.fact

    def test_what_was_looked_at_must_not_have_moved(self) -> None:
        """A posting without facts is an expectation."""
        repository = MemoryRepository()
        accounts = Accounts(repository)
        looked = accounts.get("a").posting(())
        decided = accounts.get("b").earn(1, ref="o", expires_at=None, at=NOON)
        accounts.save(accounts.get("a").earn(1, ref="o", expires_at=None, at=NOON))
        with pytest.raises(ConflictError):
            accounts.save(looked, decided)
        accounts.save(accounts.get("a").posting(()), decided)
        assert accounts.get("b").version == 1

    def test_nothing_decided_nothing_kept(self) -> None:
        """The same reference again gives a posting without facts."""
        repository = MemoryRepository()
        accounts = Accounts(repository)
        accounts.save(accounts.get("a").posting(()))
        assert repository.commits(after=None, limit=9) == []

    @pytest.mark.parametrize("several", [lambda _: (), lambda posting: (posting, posting)])
    def test_refuses_none_and_two_of_one(self, several: Callable[[object], tuple[Posting[object], ...]]) -> None:
        """Two decisions on one state cannot both be right."""
        posting = Accounts(MemoryRepository()).get("a").earn(1, ref="o", expires_at=None, at=datetime(2026, 7, 1, tzinfo=UTC))
        with pytest.raises(UsageError, match="postings must be at least one, and of one stream each"):
            save(MemoryRepository(), *several(posting))

    def test_refuses_a_state(self) -> None:
        """``save`` takes what was decided, not what it led to."""
        state = Accounts(MemoryRepository()).get("a")
        with pytest.raises(UsageError, match="each of postings must be of type Posting"):
            save(MemoryRepository(), state)  # type: ignore[arg-type]  # a wrong value on purpose
