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

from datetime import datetime
from typing import Any, Final, Generic, TypeVar, final

import attrs

from loyaltycore._checks import check_instant, check_kind, check_several
from loyaltycore._code_book import CodeBook, SpaceBlocks
from loyaltycore._code_space import CodeVerdict
from loyaltycore.codec import encode_fact
from loyaltycore.coupons import Coupon
from loyaltycore.errors import ConflictError, DuplicateError, Reason, Refusal, RefusedError, UsageError
from loyaltycore.facts import Change, Command, Expect, Fact, Posting
from loyaltycore.gift_cards import GiftCard
from loyaltycore.identity import (
    Key,
    StreamId,
    card_stream,
    check_slug,
    coupon_stream,
    member_stream,
    order_stream,
    payout_stream,
    referral_stream,
    space_stream,
)
from loyaltycore.ledger import Ledger
from loyaltycore.memberships import Membership
from loyaltycore.orders import Order
from loyaltycore.points import POINTS, PointsAccount
from loyaltycore.program import Program
from loyaltycore.referrals import Referral
from loyaltycore.repositories import Repository
from loyaltycore.rewards import Payout
from loyaltycore.wire import digest

__all__ = ["Accounts", "Coupons", "GiftCards", "Memberships", "Orders", "Payouts", "Referrals", "save"]

_ACTOR: Final = "shop"

A = TypeVar("A")


@attrs.frozen
class _View(Generic[A]):
    """Objects of one kind over a repository; each kind adds how one is got.

    Attributes:
        repository: Any.
    """

    repository: Repository

    def save(self, *postings: Posting[A]) -> None:
        """Keep what commands decided, together; see ``save`` of the module.

        Raises:
            ConflictError: Something moved since it was read.
        """
        save(self.repository, *postings)

    def _facts(self, stream: StreamId) -> tuple[Fact, ...]:
        return self.repository.load([stream])[stream].facts


@final
@attrs.frozen
class Accounts(_View[PointsAccount]):
    """Points accounts by member.

    They are the accounts of ``Loyalty``: what it did for the member is seen here, and it sees what is saved here.

    Attributes:
        repository: Any.
        account: Which of the members' accounts; the main one unless said.
    """

    account: str = attrs.field(default=POINTS, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the name."""
        check_slug("account", self.account)

    def get(self, member_id: str, /) -> PointsAccount:
        """Give a member's account; one never seen is empty.

        Args:
            member_id: The shop's own.
        """
        account = PointsAccount(member_id=member_id, ledger=Ledger(account=self.account))
        return account.folded(self._facts(member_stream(member_id)))

    def save(self, *postings: Posting[PointsAccount]) -> None:
        """Keep what commands decided, together; see ``save`` of the module.

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
class Memberships(_View[Membership]):
    """Memberships by member.

    Attributes:
        repository: Any.
    """

    def get(self, member_id: str, /) -> Membership:
        """Give a member's whole state; of one never seen there is nothing.

        Args:
            member_id: The shop's own.
        """
        return Membership.replay(member_id, self._facts(member_stream(member_id)))


@final
@attrs.frozen
class Orders(_View[Order]):
    """Orders by id. An order's member, coupons and gift cards are kept in the same ``save`` of the module.

    Attributes:
        repository: Any.
    """

    def get(self, order_id: str, /) -> Order:
        """Give an order as it stands; one never placed has ``placed`` ``None``.

        Args:
            order_id: The shop's own.
        """
        return Order.replay(order_id, self._facts(order_stream(order_id)))


@final
@attrs.frozen
class Payouts(_View[Payout]):
    """What the shop pays members outside, by id. What gave a payout stands with its member.

    Attributes:
        repository: Any.
    """

    def get(self, payout_id: str, /) -> Payout:
        """Give a payout as it stands; of one never due nothing is known.

        Args:
            payout_id: As a member's reward names it.
        """
        return Payout.replay(payout_id, self._facts(payout_stream(payout_id)))


@final
@attrs.frozen
class Referrals(_View[Referral]):
    """How friends came, and what became of it, by the friend. What the advocate got stands with the advocate.

    Attributes:
        repository: Any.
    """

    def get(self, friend_id: str, /) -> Referral:
        """Give a referral as it stands; of somebody whom nobody brought the status is ``none``.

        Args:
            friend_id: The friend's member id.
        """
        return Referral.replay(friend_id, self._facts(referral_stream(friend_id)))


@final
@attrs.frozen
class Coupons(_View[Coupon]):
    """Coupons by id, and by the code that a machine made.

    Attributes:
        repository: Any.
    """

    def get(self, coupon_id: str, /) -> Coupon:
        """Give a coupon as it stands; of one never granted nor used there is nothing.

        Args:
            coupon_id: Unique, for ever.
        """
        return Coupon.replay(coupon_id, self._facts(coupon_stream(coupon_id)))

    def get_by_code(self, text: str, /, *, book: CodeBook, program: Program | None = None, at: datetime) -> Coupon:
        """Give the coupon of a code that a machine made; whether it may be redeemed, its ``check`` says.

        A shop that asks this for people it does not know limits how often they ask: nothing is counted here.

        Args:
            text: As typed.
            book: The shop's spaces and keys.
            program: Says which campaigns are the shop's; ``None`` asks of none.
            at: Timezone-aware; a retired key is no longer read from its date on.

        Raises:
            RefusedError: ``code_unknown`` for any text that is no code of the shop's, or was never issued.
            UsageError: A text that is no text, or blocks that were taken under another key of the same id.
        """
        check_instant("at", at)
        reading = check_kind("book", book, CodeBook).read(text, at=at)
        # Without the blocks, a code that proves itself was not issued.
        if reading.verdict is not CodeVerdict.NOT_ISSUED:
            raise _unknown()
        streams = {space.space_id: space_stream(space.space_id) for space in book.spaces}
        stored = self.repository.load(list(streams.values()))
        blocks = {space_id: SpaceBlocks.replay(space_id, stored[stream].facts) for space_id, stream in streams.items()}
        reading = book.read(text, at=at, blocks=blocks)
        block, coupon_id = reading.block, reading.coupon_id
        if block is None or coupon_id is None:
            raise _unknown()
        if program is not None:
            campaign = program.campaigns.get(block.campaign_id)
            if campaign is None or campaign.space_id != reading.space_id:
                raise _unknown()
        coupon = Coupon.issued(coupon_id)
        if not block.holder_bound:  # else it is nobody's, and good for nothing, until it is granted
            coupon = Coupon.issued(coupon_id, campaign_id=block.campaign_id, starts_at=block.starts_at, ends_at=block.ends_at)
        return coupon.folded(self._facts(coupon_stream(coupon_id)))


def _unknown() -> RefusedError:
    return RefusedError(Refusal(Reason.CODE_UNKNOWN))


@final
@attrs.frozen
class GiftCards(_View[GiftCard]):
    """Gift cards by id.

    Attributes:
        repository: Any.
    """

    def get(self, card_id: str, /) -> GiftCard:
        """Give a card as it stands; of one never issued there is nothing.

        Args:
            card_id: The shop's own; never the number.
        """
        return GiftCard.replay(card_id, self._facts(card_stream(card_id)))


def save(repository: Repository, *postings: Posting[Any]) -> None:
    """Keep what commands decided on members, orders, coupons and gift cards, all of it or nothing.

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
