"""What the campaigns, gift cards and orders of a whole store came to: how much was given out, used, brought and paid.

Invariants:
    1. ``loaded − cancelled − paid − lapsed − held = left + expired − owed``, over all cards.
    2. What an order says that a card paid, less what returns gave back to it, is what the card says that it paid for the order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol, final

import attrs

from loyaltycore._frozen import FrozenMap
from loyaltycore.coupons import BlockTaken, CouponGranted
from loyaltycore.facts import Fact
from loyaltycore.gift_cards import GiftCard
from loyaltycore.identity import StreamId, card_stream
from loyaltycore.ledger import Books, Burned, BurnRefunded, Captured
from loyaltycore.orders import OrderPlaced, OrderReturned
from loyaltycore.program import Program
from loyaltycore.repositories import Enumerable, Repository, every_stream
from loyaltycore.rewards import reward_campaigns

__all__ = ["Listed", "Takings", "takings"]

_PAGE: Final = 500
"""Streams loaded at once."""

NO_COUPONS: Final = FrozenMap[str, str]()

_OF_CAMPAIGNS: Final = ("issued", "granted", "redeemed", "brought_minor", "cost_minor")


class Listed(Repository, Enumerable, Protocol):
    """A repository that can also list its streams."""


@final
@attrs.frozen(kw_only=True)
class Takings:
    """What campaigns and gift cards came to.

    Attributes:
        campaigns: By campaign, of those that the program makes for its rewards only where there is anything: ``issued``, serials
            of its batches; ``granted``, coupons given one by one; ``redeemed``, orders that it took part in; ``brought_minor``,
            what those orders paid, less what came back; ``cost_minor``, what it took off them.
        gift_cards: Of all cards in the program's currency: ``cards``, how many there are; ``sold``, those that orders sold; and
            amounts in minor units. Empty where there are none.
        rewards: By what gave the coupons: ``coupons_used``, and ``cost_minor``, what they took off orders.
        members_minor: What members' orders paid, less what came back; 0 where orders were not looked through.
        balanced: Whether both invariants hold.
    """

    campaigns: Mapping[str, Mapping[str, int]]
    gift_cards: Mapping[str, int]
    rewards: Mapping[str, Mapping[str, int]]
    members_minor: int
    balanced: bool


def takings(program: Program, repository: Listed, *, coupons: Mapping[str, str] = NO_COUPONS, at: datetime) -> Takings:
    """Sum up what campaigns, gift cards and the coupons of rewards came to.

    Args:
        program: Its campaigns, and its currency.
        repository: What is summed up; orders are looked through only where there are campaigns, gift cards or referrals.
        coupons: What gave the coupons that are rewards, by coupon; left out, none is.
        at: The instant at which money is left, held or expired.
    """
    cards = _Cards(at)
    for card_id, facts in _each(repository, "gift_card"):
        card = GiftCard.replay(card_id, facts)
        if card.currency == program.currency:
            cards.add(card, facts)
    campaigns = {campaign_id: Counter(dict.fromkeys(_OF_CAMPAIGNS, 0)) for campaign_id in sorted(program.campaigns)}
    if not campaigns and not cards.counts and program.referrals is None:
        return Takings(campaigns={}, gift_cards={}, rewards={}, members_minor=0, balanced=True)
    for campaign_id, name, count in _given(repository) if campaigns else ():
        if campaign_id in campaigns:
            campaigns[campaign_id][name] += count
    made = {one.campaign_id for one in reward_campaigns(program.rewards, program.milestones, program.tiers, program.referrals)}
    orders = _Orders(campaigns, coupons)
    agrees = _add_orders(repository, orders)
    return Takings(
        campaigns={
            campaign_id: dict(one) for campaign_id, one in campaigns.items() if campaign_id not in made or any(one.values())
        },
        gift_cards=cards.summed(),
        rewards=orders.rewards,
        members_minor=orders.members_minor,
        balanced=agrees and cards.balanced,
    )


def _given(repository: Listed) -> Iterator[tuple[str, str, int]]:
    """Say what campaigns gave out: which, how, and how many."""
    for _, facts in _each(repository, "code_space"):
        for fact in facts:
            # Serials that are given one by one count when they are.
            if isinstance(fact, BlockTaken) and not fact.block.holder_bound:
                yield fact.block.campaign_id, "issued", len(fact.block.serials)
    for _, facts in _each(repository, "coupon"):
        for fact in facts:
            if isinstance(fact, CouponGranted):
                yield fact.campaign_id, "granted", 1


@final
class _Orders:
    """What all orders add up to."""

    def __init__(self, campaigns: Mapping[str, Counter[str]], coupons: Mapping[str, str]) -> None:
        self.campaigns, self.coupons = campaigns, coupons
        self.rewards: dict[str, Counter[str]] = {}
        self.members_minor = 0

    def add(self, placed: OrderPlaced, returns: Sequence[OrderReturned]) -> None:
        brought = placed.total.minor_units - sum(fact.money_minor for fact in returns)
        if placed.member_id is not None:
            self.members_minor += brought
        taken_off = {offer.offer_id: offer.discount_minor for offer in placed.offers}
        for campaign_id, cost in taken_off.items():
            if campaign_id in self.campaigns:
                self.campaigns[campaign_id].update(redeemed=1, cost_minor=cost, brought_minor=brought)
        for one in placed.coupons_redeemed:
            source = self.coupons.get(one.coupon_id)
            if source is not None:
                cost = taken_off.get(one.campaign_id, 0)
                self.rewards.setdefault(source, Counter()).update(coupons_used=1, cost_minor=cost)


def _add_orders(repository: Listed, orders: _Orders) -> bool:
    """Add what orders say, and say whether their gift cards say the same of them."""
    agrees = True
    for page in _pages(repository, "order"):
        paid = dict[tuple[str, str], int]()
        for order_id, facts in page:
            placed = next((fact for fact in facts if isinstance(fact, OrderPlaced)), None)
            if placed is None:
                continue
            returns = [fact for fact in facts if isinstance(fact, OrderReturned)]
            orders.add(placed, returns)
            for one in placed.card_payments:
                back = sum(fact.to_cards.get(one.card_id, 0) for fact in returns)
                paid[one.card_id, order_id] = one.minor - back
        agrees = _on_cards(repository, paid) == paid and agrees
    return agrees


def _on_cards(repository: Listed, paid: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Say what cards paid for orders, as the cards say."""
    pairs = list(paid)
    ids = {card_stream(card_id): card_id for card_id, _ in pairs}
    loaded = repository.load(list(ids)) if ids else {}
    cards = {ids[stream]: GiftCard.replay(ids[stream], stored.facts) for stream, stored in loaded.items()}
    return {(card_id, order_id): cards[card_id].ledger.left_to_refund(order_id) for card_id, order_id in pairs}


def _each(repository: Listed, kind: str) -> Iterator[tuple[str, Sequence[Fact]]]:
    for page in _pages(repository, kind):
        yield from page


def _pages(repository: Listed, kind: str) -> Iterator[list[tuple[str, Sequence[Fact]]]]:
    """Load all streams of a kind, some at a time, by what they are called."""
    page = list[StreamId]()
    for stream in every_stream(repository, kind):
        page.append(stream)
        if len(page) == _PAGE:
            yield _loaded(repository, page)
            page = []
    if page:
        yield _loaded(repository, page)


def _loaded(repository: Listed, page: Sequence[StreamId]) -> list[tuple[str, Sequence[Fact]]]:
    return [(stream.partition("/")[2], stored.facts) for stream, stored in repository.load(page).items()]


@final
class _Cards:
    """What all cards add up to."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.counts: Counter[str] = Counter()
        self.books = Books()
        self.paid = 0

    def add(self, card: GiftCard, facts: Iterable[Fact]) -> None:
        assert card.issued is not None  # it has a currency
        # A card that took another's place is the same card with another number.
        is_first = not card.issued.replaces
        self.counts.update(cards=int(is_first), sold=int(is_first and card.issued.order_id is not None))
        self.books += card.ledger.books(at=self.at)
        for fact in facts:
            match fact:
                case Burned() | Captured():
                    self.paid += sum(part.units for part in fact.parts)
                case BurnRefunded():
                    self.paid -= sum(part.units for part in fact.parts)
                case _:
                    pass

    @property
    def balanced(self) -> bool:
        return self.books.balanced

    def summed(self) -> dict[str, int]:
        books = self.books
        if not self.counts:
            return {}
        return {
            "cards": self.counts["cards"],
            "sold": self.counts["sold"],
            "loaded_minor": books.granted - books.moved,
            "cancelled_minor": books.revoked,
            "paid_minor": self.paid,
            "lapsed_minor": books.burned - self.paid,
            "held_minor": books.held,
            "left_minor": books.live + books.pending,
            "expired_minor": books.expired,
            "owed_minor": books.debt,
        }
