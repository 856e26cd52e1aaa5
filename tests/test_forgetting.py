"""Forgetting: the id is gone from everything that is stored, and every book is what it was."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args, get_type_hints

import attrs
import pytest

from loyaltycore import Basket, Loyalty, Membership, Return
from loyaltycore._forgetting import (
    NAMING,
    NAMING_CARDS,
    TYPED,
    alias_code,
    forgotten,
    linked_streams,
    tells_of,
    without_code,
)
from loyaltycore._frozen import FrozenMap
from loyaltycore.archive import export_lines
from loyaltycore.benefits import PercentOff
from loyaltycore.codec import FACTS, fact_text
from loyaltycore.coupons import Campaign, CampaignStopped, Coupon, CouponCampaign, CouponGranted, CouponRevoked, RedeemedCoupon
from loyaltycore.errors import Reason, UsageError
from loyaltycore.facts import Fact
from loyaltycore.gift_cards import CardBlocked, GiftCard
from loyaltycore.identity import (
    StreamId,
    campaign_stream,
    card_stream,
    coupon_stream,
    fold_code,
    member_stream,
    order_stream,
    referral_code_stream,
    referral_stream,
)
from loyaltycore.ledger import Adjusted, Burned, Granted, Held, Part, TransferredIn, TransferredOut
from loyaltycore.memberships import (
    CouponGiven,
    FriendReversed,
    FriendRewarded,
    MemberJoined,
    OffersHeld,
    OrderCounted,
    ReferralCodeGiven,
    ReturnCounted,
    RewardGiven,
)
from loyaltycore.offers import FreedBy, Limits, View
from loyaltycore.orders import CardPayment, Order, OrderCardSold, OrderPlaced, OrderReserved
from loyaltycore.quantities import Money
from loyaltycore.referrals import ReferralCodeIssued, ReferralJoined, ReferralRefused, ReferralReversed
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.views import Coupons, GiftCards, Memberships, Orders, save
from tests.golden_facts import FULL
from tests.programs import velo

AT = datetime(2026, 7, 1, 10, tzinfo=UTC)
OLD, NEW = "m-42", "forgotten-7f3a"

# Fields of facts, and of what they hold, that are text and never name a member.
OTHER = frozenset(
    {
        "account",
        "adjustment_ref",
        "awaits",
        "brands",
        "burn_ref",
        "by",
        "campaign_id",
        "card_id",
        "cards_cancelled",
        "categories",
        "check_value",
        "code",
        "codes",
        "counters",
        "coupon_id",
        "coupons",
        "coupons_kept",
        "currency",
        "debtor_id",
        "details",
        "digest",
        "earn_ref",
        "event",
        "exclude_products",
        "exclude_tags",
        "gifts",
        "key_id",
        "last_four",
        "line_id",
        "lines",
        "lot_id",
        "lots",
        "offer_id",
        "offers",
        "offers_per_member",
        "option",
        "options",
        "order_id",
        "payout_id",
        "payouts",
        "pepper_id",
        "period",
        "product_id",
        "products",
        "program",
        "program_id",
        "ref",
        "replaces",
        "return_id",
        "reward_id",
        "rewards",
        "rule",
        "source",
        "stock_key",
        "space_id",
        "tags",
        "tier",
        "to_cards",
        "withdrawn",
        "words_digest",
        "zone",
    }
)


def texts_of(kind: Any, name: str = "") -> Iterator[str]:  # noqa: ANN401 - whatever a field is annotated with
    """Name every field of text in a coded class, and in those it holds."""
    if kind is str:
        yield name
    elif attrs.has(kind) or hasattr(kind, "_fields"):
        hints = get_type_hints(kind)
        names = getattr(kind, "_fields", None) or [field.name for field in attrs.fields(kind)]
        for field in names:
            yield from texts_of(hints[field], field)
    for part in get_args(kind):
        yield from texts_of(part, name)


def granted(reason: str, *, actor: str = "eva", ref: str = "t-1") -> Granted:
    """Make points given by hand."""
    return Granted(account="points", ref=ref, rule="gift", units=5, available_at=AT, reason=reason, actor=actor, at=AT)


def refused(code: str, **details: str) -> ReferralRefused:
    """Refuse a friend who tried a code."""
    return ReferralRefused(
        friend_id="m-9", program_id="f", reason=Reason.REFERRAL_SELF, details=FrozenMap(details), code=code, at=AT
    )


def renamed(*facts: Fact, member_id: str = OLD) -> tuple[Fact, ...]:
    """Forget a member whose facts are these."""
    alias = forgotten({member_stream(member_id): facts}, member_id=member_id, alias=NEW)
    return alias[member_stream(NEW)]


class TestFields:
    """Where an id stands."""

    def test_every_text_is_judged(self) -> None:
        """A new field of text either may name a member, or never does: somebody has to say which."""
        found = {name for kind in FACTS for name in texts_of(kind)}
        assert found - NAMING - TYPED - OTHER == set()
        assert found >= NAMING | TYPED
        assert not OTHER & (NAMING | TYPED)
        assert NAMING_CARDS < NAMING

    @pytest.mark.parametrize("fact", FULL, ids=lambda fact: fact.kind)
    def test_golden_facts(self, fact: Fact) -> None:
        """In facts of every kind, the ids of two people, one after the other, go wherever they stand alone."""
        for member_id in ("m-42", "m-43", "eva", "m-42 é 🚲"):
            (new,) = renamed(fact, member_id=member_id)
            text = fact_text(new)
            assert f'"{member_id}"' not in text
            assert fact_text(fact).replace(f'"{member_id}"', f'"{NEW}"') == text
            assert new.at == fact.at

    def test_fields_that_name_a_member(self) -> None:
        """Joining, orders of all kinds, transfers, who acted."""
        order = OrderPlaced(order_id="1001", member_id=OLD, currency="EUR", lines=(), at=AT)
        parts = (Part("t-1/gift", 5),)
        facts: tuple[Fact, ...] = (
            MemberJoined(member_id=OLD, at=AT),
            order,
            OrderReserved(order=order, until=AT + timedelta(hours=1), at=AT),
            TransferredOut(account="points", ref="g", parts=parts, to=OLD, at=AT),
            TransferredIn(account="points", ref="g", lots=(), giver=OLD, at=AT),
            Adjusted(account="points", ref="t", parts=parts, reason="-", actor=OLD, at=AT),
            CouponGranted(coupon_id="sorry/t-1", campaign_id="sorry", holder=OLD, ref="t-1", actor=OLD, at=AT),
            CouponRevoked(coupon_id="sorry/t-1", reason=f"{OLD} has two", actor="eva", at=AT),
        )
        other = OrderPlaced(order_id="1001", member_id=NEW, currency="EUR", lines=(), at=AT)
        assert renamed(*facts) == (
            MemberJoined(member_id=NEW, at=AT),
            other,
            OrderReserved(order=other, until=AT + timedelta(hours=1), at=AT),
            TransferredOut(account="points", ref="g", parts=parts, to=NEW, at=AT),
            TransferredIn(account="points", ref="g", lots=(), giver=NEW, at=AT),
            Adjusted(account="points", ref="t", parts=parts, reason="-", actor=NEW, at=AT),
            CouponGranted(coupon_id="sorry/t-1", campaign_id="sorry", holder=NEW, ref="t-1", actor=NEW, at=AT),
            CouponRevoked(coupon_id="sorry/t-1", reason=f"{NEW} has two", actor="eva", at=AT),
        )

    def test_what_only_looks_like_the_id(self) -> None:
        """An order, a reference or a lot may have the same name, and keeps it."""
        facts = (
            OrderCounted(order_id="42", day=date(2026, 7, 1), at=AT),
            granted("42 points", actor="42", ref="42"),
            Burned(account="points", ref="42", parts=(Part("42/gift", 5),), at=AT),
        )
        counted, given, burned = renamed(*facts, member_id="42")
        assert (counted, burned) == (facts[0], facts[2])
        assert given == granted(f"{NEW} points", actor=NEW, ref="42")

    @pytest.mark.parametrize(
        "member_id, reason, after",
        [
            ("m-42", "m-42", NEW),
            ("m-42", "for m-42, m-42's card (m-42)", f"for {NEW}, {NEW}'s card ({NEW})"),
            ("m-42", "m-421 or am-42 or m-42b is somebody else", "m-421 or am-42 or m-42b is somebody else"),
            ("m-42", "会员m-42的卡", f"会员{NEW}的卡"),
            ("é-4", "née-4", "née-4"),
            ("é-4", "xé-4 é-4é é-45", f"x{NEW} {NEW}é é-45"),
            ("4.2", "442 4.2", f"442 {NEW}"),
            ("(a)", "x(a)y", f"x{NEW}y"),
            (r"\1", r"no. \1!", f"no. {NEW}!"),
        ],
    )
    def test_reasons(self, member_id: str, reason: str, after: str) -> None:
        """Among other words the id goes where it stands as a word of its own."""
        assert renamed(granted(reason), member_id=member_id) == (granted(after),)


class TestLinkedStreams:
    """What must be loaded besides."""

    def test_orders_and_people(self) -> None:
        """Orders counted or held for, returns, givers and takers; each once, sorted, without the member."""
        parts = (Part("t-1/gift", 5),)
        facts: tuple[Fact, ...] = (
            MemberJoined(member_id=OLD, at=AT),
            OrderCounted(order_id="1002", day=date(2026, 7, 1), at=AT),
            ReturnCounted(order_id="1002", return_id="r-1", at=AT),
            Held(account="points", ref="1003", parts=parts, until=AT, at=AT),
            TransferredOut(account="points", ref="g", parts=parts, to="m-7", at=AT),
            TransferredIn(account="points", ref="g", lots=(), giver="m-9", at=AT),
            TransferredIn(account="points", ref="g", lots=(), giver=OLD, at=AT),
            granted("-", ref="x" * 201),
        )
        assert linked_streams(OLD, facts) == ("member/m-7", "member/m-9", "order/1002", "order/1003", "referral/m-42")

    def test_coupons_and_cards(self) -> None:
        """Of the member's facts the coupons given; of the orders' what they redeem, give, are paid with and sell."""
        given: tuple[Fact, ...] = (
            CouponGiven(coupon_id="sorry/t-1", campaign_id="sorry", at=AT),
            OffersHeld(order_id="1004", offers=(), until=AT, at=AT),
        )
        assert linked_streams(OLD, given) == ("campaign/sorry", "coupon/sorry/t-1", "order/1004")
        order = OrderPlaced(
            order_id="1001",
            currency="EUR",
            lines=(),
            coupons_redeemed=(RedeemedCoupon(campaign_id="a", coupon_id="a/1"),),
            coupons_granted=(RedeemedCoupon(campaign_id="b", coupon_id="b/1"),),
            card_payments=(CardPayment(card_id="card-7", minor=1),),
            at=AT,
        )
        found = ("campaign/a", "campaign/b", "coupon/a/1", "coupon/b/1", "gift_card/card-7")
        assert linked_streams(OLD, [order]) == found
        assert linked_streams(OLD, [OrderReserved(order=order, until=AT, at=AT)]) == found
        assert linked_streams(OLD, [OrderCardSold(order_id="1001", line_id="1", card_id="card-9", at=AT)]) == (
            "gift_card/card-9",
        )

    def test_rewards_and_friends(self) -> None:
        """Of the member's facts payouts, friends and the code; of the member's own referral whoever brought the member."""
        facts: tuple[Fact, ...] = (
            RewardGiven(reward_id="reward/t-1", source="catalogue/mug", payouts=("p-1", "p-2"), at=AT),
            FriendRewarded(friend_id="m-7", program_id="friends", day=date(2026, 7, 1), number=1, at=AT),
            FriendReversed(friend_id="m-8", program_id="friends", stand_in="m-7", at=AT),
            ReferralCodeGiven(code="VELO-ANNA", at=AT),
        )
        assert linked_streams(OLD, facts) == (
            "payout/p-1",
            "payout/p-2",
            "referral/m-7",
            "referral/m-8",
            "referral_code/VE10ANNA",
        )
        joined = ReferralJoined(friend_id=OLD, program_id="friends", advocate_id="m-9", at=AT)
        assert linked_streams(OLD, [joined]) == ("member/m-9",)
        assert linked_streams("m-9", [joined]) == ()

    def test_nobody(self) -> None:
        """Without facts there is nothing to load."""
        assert linked_streams(OLD, ()) == ()


class TestForgotten:
    """What is given to ``Forgetting.rename``."""

    def test_only_what_changed(self) -> None:
        """The member's stream comes under the alias; another only where it named the member."""
        mine, theirs = MemberJoined(member_id=OLD, at=AT), MemberJoined(member_id="m-7", at=AT)
        order = OrderPlaced(order_id="1", member_id=OLD, currency="EUR", lines=(), at=AT)
        given: Mapping[StreamId, Sequence[Fact]] = {
            member_stream(OLD): [mine],
            member_stream("m-7"): [theirs],
            order_stream("1"): [order],
            order_stream("2"): [],
        }
        assert forgotten(given, member_id=OLD, alias=NEW) == {
            member_stream(NEW): (MemberJoined(member_id=NEW, at=AT),),
            order_stream("1"): (attrs.evolve(order, member_id=NEW),),
        }

    def test_a_member_who_is_not_named(self) -> None:
        """The stream itself is renamed all the same."""
        assert forgotten({member_stream(OLD): [granted("-")]}, member_id=OLD, alias=NEW) == {member_stream(NEW): (granted("-"),)}

    def test_streams_of_coupons_cards_and_campaigns(self) -> None:
        """Who holds a coupon, and who acted on it, on a campaign or on a gift card, goes under the alias."""
        coupon = Coupon.issued("sorry/t-1").grant("sorry", holder=OLD, ref="t-1", actor="eva", at=AT)
        card = GiftCard.open("card-7").issue(Money.of("5", "EUR"), ref="t-2", expires_at=None, at=AT)
        blocked = card.state.block(reason=f"{OLD} lost it", actor=OLD, at=AT)
        given: Mapping[StreamId, Sequence[Fact]] = {
            coupon_stream("sorry/t-1"): coupon.facts,
            coupon_stream("sorry/t-2"): Coupon.issued("sorry/t-2").grant("sorry", holder="m-7", ref="t-2", at=AT).facts,
            card_stream("card-7"): [*card.facts, *blocked.facts],
            campaign_stream("sorry"): [CampaignStopped(campaign_id="sorry", reason=f"told by {OLD}", actor=OLD, at=AT)],
        }
        assert forgotten(given, member_id=OLD, alias=NEW) == {
            coupon_stream("sorry/t-1"): (attrs.evolve(coupon.facts[0], holder=NEW),),  # type: ignore[call-arg]  # a grant
            card_stream("card-7"): (*card.facts, CardBlocked(card_id="card-7", reason=f"{NEW} lost it", actor=NEW, at=AT)),
            campaign_stream("sorry"): (CampaignStopped(campaign_id="sorry", reason=f"told by {NEW}", actor=NEW, at=AT),),
        }

    def test_a_card_that_is_called_what_the_member_is(self) -> None:
        """Money that went from card to card names cards; they keep their names, and their books."""
        first = GiftCard.open("7").issue(Money.of("5", "EUR"), ref="t-1", expires_at=None, at=AT).state
        moved = first.replace(GiftCard.open("8"), ref="t-2", actor="7", at=AT)
        given = {card_stream("7"): moved.old.facts, card_stream("8"): moved.new.facts}
        after = forgotten(given, member_id="7", alias=NEW)
        assert after.keys() == {card_stream("7")}
        assert [getattr(fact, "actor", None) for fact in after[card_stream("7")]] == [NEW, None]
        assert first.folded(after[card_stream("7")]) == moved.old.state
        assert forgotten(given, member_id="8", alias=NEW) == {}

    @pytest.mark.parametrize("alias", ["", "a\nb", OLD])
    def test_wrong_alias(self, alias: str) -> None:
        """No id, or the same."""
        with pytest.raises(UsageError, match="alias must"):
            forgotten({member_stream(OLD): [granted("-")]}, member_id=OLD, alias=alias)

    @pytest.mark.parametrize("given", [{}, {member_stream(OLD): []}, {order_stream("1"): [granted("-")]}])
    def test_nothing_to_forget(self, given: Mapping[StreamId, Sequence[Fact]]) -> None:
        """Nothing is known of the member."""
        assert forgotten(given, member_id=OLD, alias=NEW) == {}

    def test_only_an_order(self) -> None:
        """An order may name a member of whom nothing else is known."""
        order = OrderPlaced(order_id="1", member_id=OLD, currency="EUR", lines=(), at=AT)
        given = {member_stream(OLD): (), order_stream("1"): (OrderReserved(order=order, until=AT, at=AT),)}
        found = forgotten(given, member_id=OLD, alias=NEW)
        assert found == {order_stream("1"): (OrderReserved(order=attrs.evolve(order, member_id=NEW), until=AT, at=AT),)}


class TestCodes:
    """A code to bring friends with may be a name: it goes like one."""

    CODE = "VELO-ANNA"
    OTHER = alias_code(NEW)
    GIVEN: Mapping[StreamId, Sequence[Fact]] = {
        referral_code_stream(CODE): [ReferralCodeIssued(code=CODE, member_id=OLD, at=AT)],
        member_stream(OLD): [MemberJoined(member_id=OLD, at=AT), ReferralCodeGiven(code=CODE, at=AT)],
        referral_stream("m-7"): [ReferralJoined(friend_id="m-7", program_id="f", advocate_id=OLD, code="VE10ANNA", at=AT)],
        referral_stream("m-8"): [ReferralJoined(friend_id="m-8", program_id="f", advocate_id="m-9", code="0THER", at=AT)],
        referral_stream("m-9"): [refused("VE10ANNA"), refused("VELO-ANNA"), refused("?!"), refused("")],
    }

    def test_a_code_is_replaced_wherever_it_stands(self) -> None:
        """As it is shown and as it is read; another one stays, and so does what is none."""
        assert without_code(self.GIVEN, code=self.CODE, other=self.OTHER) == {
            referral_code_stream(self.OTHER): (ReferralCodeIssued(code=self.OTHER, member_id=OLD, at=AT),),
            member_stream(OLD): (MemberJoined(member_id=OLD, at=AT), ReferralCodeGiven(code=self.OTHER, at=AT)),
            referral_stream("m-7"): (
                ReferralJoined(friend_id="m-7", program_id="f", advocate_id=OLD, code=fold_code(self.OTHER), at=AT),
            ),
            referral_stream("m-9"): (refused(fold_code(self.OTHER)), refused(self.OTHER), refused("?!"), refused("")),
        }

    def test_the_other_code_says_nothing(self) -> None:
        """It is made of the alias, the same each time, and of letters and digits."""
        assert alias_code(NEW) == self.OTHER
        assert len({alias_code("forgotten-2"), self.OTHER, alias_code(NEW, 1)}) == 3
        assert (len(self.OTHER), self.OTHER.isalnum()) == (16, True)

    @pytest.mark.parametrize(
        "fact,tells",
        [
            (ReferralJoined(friend_id="m-7", program_id="f", advocate_id=OLD, at=AT), True),
            (ReferralJoined(friend_id="m-7", program_id="f", advocate_id="m-9", code="VE10ANNA", at=AT), False),
            (ReferralRefused(friend_id="m-7", program_id="f", reason=Reason.REFERRAL_SELF, code="VE10ANNA", at=AT), True),
            (ReferralRefused(friend_id="m-7", program_id="f", reason=Reason.REFERRAL_SELF, code="0THER", at=AT), False),
            (refused("", advocate_id=OLD), True),
            (refused("", advocate_id="m-9"), False),
            (ReferralReversed(friend_id="m-7", at=AT), False),
        ],
    )  # fmt: skip
    def test_which_friends_tell_of_a_member(self, fact: Fact, tells: bool) -> None:  # noqa: FBT001 - a table
        """Those whom the member brought, and those who tried the member's code."""
        assert tells_of([fact], OLD, frozenset({"VE10ANNA"})) is tells


class TestReferrals:
    """Friends stand in the advocate's stream, advocates in the friend's."""

    def test_both_sides_go_under_the_alias(self) -> None:
        """In whatever stream they stand; a reason of the library's is no text that somebody typed."""
        given: Mapping[StreamId, Sequence[Fact]] = {
            referral_stream(OLD): [ReferralJoined(friend_id=OLD, program_id="f", advocate_id="m-9", at=AT)],
            referral_stream("m-7"): [ReferralJoined(friend_id="m-7", program_id="f", advocate_id=OLD, at=AT)],
            member_stream("m-9"): [
                FriendRewarded(friend_id=OLD, program_id="f", day=date(2026, 7, 1), number=1, at=AT),
                FriendReversed(friend_id="m-7", program_id="f", stand_in=OLD, at=AT),
            ],
        }
        assert forgotten(given, member_id=OLD, alias=NEW, named=referral_stream) == {
            referral_stream(NEW): (ReferralJoined(friend_id=NEW, program_id="f", advocate_id="m-9", at=AT),),
            referral_stream("m-7"): (ReferralJoined(friend_id="m-7", program_id="f", advocate_id=NEW, at=AT),),
            member_stream("m-9"): (
                FriendRewarded(friend_id=NEW, program_id="f", day=date(2026, 7, 1), number=1, at=AT),
                FriendReversed(friend_id="m-7", program_id="f", stand_in=NEW, at=AT),
            ),
        }

    def test_a_member_whose_id_is_part_of_a_reason_code(self) -> None:
        """Somebody called "self" is no part of ``referral_self``."""
        fact = refused("", advocate_id="self")
        (new,) = renamed(fact, member_id="self")
        assert isinstance(new, ReferralRefused)
        assert (new.reason, dict(new.details)) == (Reason.REFERRAL_SELF, {"advocate_id": NEW})


class TestInAStore:
    """A shop at work forgets somebody."""

    def test_the_link_goes_and_the_books_stay(self) -> None:
        """No line of an export holds the id; balances, tiers, orders and statements are equal under the alias."""
        repository = MemoryRepository()
        clock = [AT]
        shop = Loyalty(velo(), repository, clock=lambda: clock[-1])
        shop.join(OLD)
        shop.earn(900, member_id=OLD, ref="ticket-7", expires_at=None, reason=f"call of {OLD}, late parcel", actor=OLD)
        shop.earn(100, member_id="m-7", ref="ticket-8", expires_at=None, actor="eva")
        quote = shop.quote(Basket.of("EUR", {"helmet": "79.90", "bell": "12.50"}), member_id=OLD, burn=500)
        shop.place(quote, order_id="1001", actor=OLD)
        shop.hold(50, member_id=OLD, ref="1002", until=AT + timedelta(hours=1))
        shop.transfer(60, member_id=OLD, to="m-7", ref="out")
        shop.transfer(30, member_id="m-7", to=OLD, ref="in", actor=OLD)
        shop.refund("1001", return_id="r-1", lines={"helmet": 1})
        before = {"overview": shop.overview(OLD), "other": shop.overview("m-7"), "order": shop.order("1001")}
        assert sum(OLD in line for line in export_lines(repository)) == 7

        home = member_stream(OLD)
        mine = repository.load([home])[home].facts
        loaded = repository.load([home, *linked_streams(OLD, mine)])
        repository.rename(
            home,
            member_stream(NEW),
            facts=forgotten({stream: stored.facts for stream, stored in loaded.items()}, member_id=OLD, alias=NEW),
        )
        assert not [line for line in export_lines(repository) if re.search(re.escape(OLD), line)]
        assert attrs.evolve(shop.overview(NEW), member_id=OLD) == before["overview"]
        assert shop.overview("m-7") == before["other"]
        order = shop.order("1001")
        assert isinstance(order, Order)
        assert order.placed is not None
        assert attrs.evolve(order, placed=attrs.evolve(order.placed, member_id=OLD)) == before["order"]
        old, new = (
            Membership.replay(who, facts)
            for who, facts in ((OLD, mine), (NEW, repository.load([member_stream(NEW)])[member_stream(NEW)].facts))
        )
        assert new.ledger.balance(at=AT) == old.ledger.balance(at=AT)
        assert new.ledger.burns == old.ledger.burns
        assert new.orders == old.orders
        assert shop.overview(OLD).balance.available == 0
        # Life goes on: what comes back of the order goes to who has the alias now.
        shop.refund("1001", return_id="r-2", lines={"bell": 1})
        assert shop.undo_transfer("out", member_id=NEW, taker="m-7").taken_back is False

    def test_coupons_cards_and_campaigns_of_an_order(self) -> None:
        """Asked twice, of the member and of the member's orders, every stream is found; a return then finds its way."""
        repository = MemoryRepository()
        campaign = CouponCampaign(
            "sorry", give=PercentOff("20"), codes=None, limits=Limits(per_member=1, freed_by=FreedBy.RETURNED)
        )
        program = attrs.evolve(velo(), campaigns=[campaign])
        members, orders = Memberships(repository), Orders(repository)
        coupons, cards = Coupons(repository), GiftCards(repository)
        card = cards.get("card-7").issue(Money.of("20", "EUR"), ref="t-2", expires_at=None, at=AT)
        blocked = card.state.block(reason=f"lost by {OLD}", actor=OLD, at=AT)
        for posting in (card, blocked, blocked.state.unblock(reason="found", actor="eva", at=AT)):
            cards.save(posting)
        granted = coupons.get("sorry/t-1").grant("sorry", holder=OLD, ref="t-1", actor="eva", at=AT)
        given = members.get(OLD).posting([CouponGiven(coupon_id="sorry/t-1", campaign_id="sorry", at=AT)])
        stopped = Campaign.open("sorry").stop(reason=f"{OLD} told", actor=OLD, at=AT)
        save(repository, granted, given, stopped)
        save(repository, Campaign.replay("sorry", stopped.facts).resume(actor="eva", at=AT))
        view = View(coupons=[coupons.get("sorry/t-1")], cards={"card-7": cards.get("card-7")})
        member = members.get(OLD)
        asked: dict[str, Any] = {"coupons": ["sorry/t-1"], "cards": ["card-7"], "view": view, "at": AT}
        quote = program.quote(Basket.of("EUR", {"helmet": "79.90"}), member, **asked)
        placed = program.place(quote, member, order_id="1001", view=view, at=AT)
        save(repository, *placed.postings)
        assert [one.coupon_id for one in placed.fact.coupons_redeemed] == ["sorry/t-1"]
        assert placed.fact.paid_by_cards_minor == 2000
        assert not any(OLD in f"{claim.counter}{claim.key}" for claim in placed.claims)

        home = member_stream(OLD)
        mine = repository.load([home])[home].facts
        first = repository.load([home, *linked_streams(OLD, mine)])
        of_orders = [fact for stream, one in first.items() if stream.startswith("order/") for fact in one.facts]
        loaded = {**first, **repository.load(list(linked_streams(OLD, of_orders)))}
        facts = forgotten({stream: one.facts for stream, one in loaded.items()}, member_id=OLD, alias=NEW)
        assert set(facts) == {
            member_stream(NEW),
            order_stream("1001"),
            coupon_stream("sorry/t-1"),
            card_stream("card-7"),
            campaign_stream("sorry"),
        }
        repository.rename(home, member_stream(NEW), facts=facts)
        assert not [line for line in export_lines(repository) if OLD in line]

        view = View(coupons=[coupons.get("sorry/t-1")], cards={"card-7": cards.get("card-7")})
        back = program.refund(
            orders.get("1001"), members.get(NEW), back=Return(lines={"helmet": 1}), return_id="r-1", view=view, at=AT
        )
        assert back.membership.coupons_at(AT) == ("sorry/t-1",)
        assert coupons.get("sorry/t-1").holder == NEW
        assert back.fact.to_cards == {"card-7": 2000}
