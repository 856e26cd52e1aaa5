"""Classic views over a repository: get an object, decide, save what it decided.

For a script, a job, or an admin page that works on one thing at a time; ``Loyalty`` does the whole checkout, with receipts and
retries. ``save`` takes postings, never states, and keeps several of them together or none.

Invariants:
    1. What is saved moved on from what was read, or it is a ``ConflictError``: read again and decide again.
    2. After an answer that got lost, read again and decide again: the same reference gives no facts, and nothing happens twice.
    3. A posting without facts is of something that was looked at: it must not have moved either.

>>> from datetime import UTC, datetime
>>> from loyaltycore.store.memory import MemoryRepository
>>> now = datetime(2026, 7, 1, 10, tzinfo=UTC)
>>> accounts = Accounts(MemoryRepository())
>>> accounts.save(accounts.get("m-42").earn(120, ref="order-1", expires_at=None, at=now))
>>> giver, taker = accounts.get("m-42"), accounts.get("m-43")
>>> moved = giver.transfer(100, to=taker, ref="gift-1", at=now)
>>> accounts.save(moved.giver, moved.taker)
>>> accounts.get("m-42").available(at=now), accounts.get("m-43").available(at=now)
(20, 100)
"""

from __future__ import annotations

from typing import Any, Final, final

import attrs

from loyaltycore._checks import check_several
from loyaltycore.codec import encode_fact
from loyaltycore.errors import ConflictError, DuplicateError, UsageError
from loyaltycore.facts import Change, Command, Expect, Posting
from loyaltycore.identity import Key, check_slug, member_stream, order_stream
from loyaltycore.ledger import Ledger
from loyaltycore.memberships import Membership
from loyaltycore.orders import Order
from loyaltycore.points import POINTS, PointsAccount
from loyaltycore.repositories import Repository
from loyaltycore.wire import digest

__all__ = ["Accounts", "Memberships", "Orders", "save"]

_ACTOR: Final = "shop"


@final
@attrs.frozen
class Accounts:
    """Points accounts by member.

    They are the accounts of ``Loyalty``: what it did for the member is seen here, and it sees what is saved here.

    Attributes:
        repository: Any.
        account: Which of the members' accounts; the main one unless said.
    """

    repository: Repository
    account: str = attrs.field(default=POINTS, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the name."""
        check_slug("account", self.account)

    def get(self, member_id: str, /) -> PointsAccount:
        """Give a member's account; one never seen is empty.

        Args:
            member_id: The shop's own.
        """
        stream = member_stream(member_id)
        account = PointsAccount(member_id=member_id, ledger=Ledger(account=self.account))
        return account.folded(self.repository.load([stream])[stream].facts)

    def save(self, *postings: Posting[PointsAccount]) -> None:
        """Keep what commands decided, together; see ``save``.

        Raises:
            ConflictError: An account moved since it was read.
            UsageError: Another of a member's accounts.
        """
        for posting in check_several("postings", postings, Posting):
            if posting.state.ledger.account != self.account:
                msg = f"postings must be of account {self.account!r}, got one of {posting.state.ledger.account!r}"
                raise UsageError(msg)
        save(self.repository, *postings)


@final
@attrs.frozen
class Memberships:
    """Memberships by member.

    Attributes:
        repository: Any.
    """

    repository: Repository

    def get(self, member_id: str, /) -> Membership:
        """Give a member's whole state; of one never seen there is nothing.

        Args:
            member_id: The shop's own.
        """
        stream = member_stream(member_id)
        return Membership.replay(member_id, self.repository.load([stream])[stream].facts)

    def save(self, *postings: Posting[Membership]) -> None:
        """Keep what commands decided, together; see ``save``.

        Raises:
            ConflictError: A member moved since it was read.
        """
        save(self.repository, *postings)


@final
@attrs.frozen
class Orders:
    """Orders by id.

    Attributes:
        repository: Any.
    """

    repository: Repository

    def get(self, order_id: str, /) -> Order:
        """Give an order as it stands; one never placed has ``placed`` ``None``.

        Args:
            order_id: The shop's own.
        """
        stream = order_stream(order_id)
        return Order.replay(order_id, self.repository.load([stream])[stream].facts)

    def save(self, *postings: Posting[Order]) -> None:
        """Keep what commands decided, together; see ``save``. An order's member is kept in the same ``save`` of the module.

        Raises:
            ConflictError: An order moved since it was read.
        """
        save(self.repository, *postings)


def save(repository: Repository, *postings: Posting[Any]) -> None:
    """Keep what commands decided on members and orders, all of it or nothing.

    Args:
        repository: Any.
        *postings: Of one stream each; those without facts were looked at, and must not have moved.

    Raises:
        ConflictError: Something moved since it was read: read again and decide again.
        UsageError: No posting, or two of one stream.

    Example:
        >>> from datetime import UTC, datetime
        >>> from loyaltycore import Basket, Program
        >>> from loyaltycore.store.memory import MemoryRepository
        >>> now, repository = datetime(2026, 7, 1, 10, tzinfo=UTC), MemoryRepository()
        >>> program = Program.load("program.toml")
        >>> member = Memberships(repository).get("m-42")
        >>> quote = program.quote(Basket.of("EUR", {"bell": "12.50"}), member, at=now)
        >>> placed = program.place(quote, member, order_id="1", at=now)
        >>> save(repository, *placed.postings)
        >>> Orders(repository).get("1").placed == placed.fact
        True
    """
    streams = {posting.stream for posting in check_several("postings", postings, Posting)}
    if not postings or len(streams) < len(postings):
        msg = f"postings must be at least one, and of one stream each, got {len(postings)} of {len(streams)} streams"
        raise UsageError(msg)
    changes = list[Change]()
    for posting in postings:
        changes += posting.changes or (Expect(stream=posting.stream, version=posting.version),)
    if not any(posting.facts for posting in postings):
        return
    kept = [[posting.stream, posting.version, [encode_fact(fact) for fact in posting.facts]] for posting in postings]
    name = digest(kept, purpose="lc.postings")
    home = next(posting.stream for posting in postings if posting.facts)
    try:
        repository.commit(Command.of(home, Key(f"save:{name}"), actor=_ACTOR, postings=name), changes)
    except DuplicateError as error:
        msg = f"these postings were saved before: {home!r} has moved on"
        raise ConflictError(msg) from error
