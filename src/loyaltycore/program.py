"""The program: a shop's rulebook, and the one way from a basket to a booked order.

``quote`` prices a basket; ``place`` books exactly what was quoted; ``refund`` takes it back, in any parts. All three are pure:
they are given the state and the time, and return what would be.

Steps of a quote, one way, with no edge back: units → offers → burn → earning → resulting tier → payment.

Invariants:
    1. ``quote`` is a function: twice the same.
    2. ``place`` on an unchanged situation books exactly the quote; on a changed one it refuses with what moved.
    3. The total is never negative, and the order's discount is the sum of its shares.
    4. A quote never raises for a rule's no: codes, burns and offers are answered in it.

>>> from datetime import UTC, datetime
>>> program = Program.parse('''
... [program]
... name = "velo"
... version = 1
... currency = "EUR"
... zone = "Europe/Paris"
... starts_on = 2026-07-01
... [stacking]
... mode = "best"
... [[offers]]
... id = "ten-from-fifty"
... when = { spend_at_least = "50.00" }
... give = { percent_off = "10" }
... ''')
>>> quote = program.quote(Basket.of("EUR", {"bell": "12.50", "bag": "32.50"}), at=datetime(2026, 7, 1, 10, tzinfo=UTC))
>>> print(quote.total, "|", quote.nudges[0].text("en"))
45.00 EUR | Spend €5.00 more for 10% off
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from os import PathLike  # noqa: TID251 - a type only
from typing import final

import attrs

from loyaltycore._booking import (
    BurnFirst,
    book_reserved,
    with_facts,
)
from loyaltycore._campaign import campaigns_by_id
from loyaltycore._checks import check_count, check_kind, check_mapping, check_several
from loyaltycore._decisions import (
    Attached,
    Cancelled,
    Needs,
    Overview,
    Placed,
    ReferralOverview,
    Refunded,
    Reserved,
    check_free,
    check_member,
    check_unchanged,
    known_order,
    order_posting,
)
from loyaltycore._earning import RULES_LIMIT, Action, Combine, EarningRule, check_together
from loyaltycore._frozen import FrozenMap
from loyaltycore._offer_warnings import OfferWarning, warnings_of
from loyaltycore._on_orders import OnOrders
from loyaltycore._placing import claims_of, order_placed
from loyaltycore._program_file import ORDER_RULE, Problem, ProgramError, read_program
from loyaltycore._purchase import ends_of
from loyaltycore._quote import Asked, CardAnswer, Quote, QuotedLine
from loyaltycore._quoting import price
from loyaltycore._redeeming import counters_of
from loyaltycore._reward_warnings import RewardWarning, RewardWarningKind, reward_warnings
from loyaltycore._rewarding import RewardReturned, RewardTaken
from loyaltycore._rewards_due import settle
from loyaltycore._settling import (
    beside_placed,
    beside_reserved,
    beside_streams,
    facts_reserved,
)
from loyaltycore.basket import Basket
from loyaltycore.benefits import BonusPoints, NextCoupon, PointsTimes, singles
from loyaltycore.coupons import CouponCampaign
from loyaltycore.errors import CurrencyMismatchError, Reason, Refusal, RefusedError, UsageError
from loyaltycore.identity import check_slug, member_stream, order_stream, referral_stream
from loyaltycore.members import Profile
from loyaltycore.memberships import Membership
from loyaltycore.offers import NO_VIEW, Offer, OfferBook, View
from loyaltycore.orders import (
    Order,
    OrderPlaced,
    OrderReserved,
)
from loyaltycore.periods import Calendar, Expires, Term, check_instant
from loyaltycore.points import POINTS, BurnRule, Overdraft
from loyaltycore.quantities import exponent_of
from loyaltycore.referrals import After, Referral, ReferralProgram
from loyaltycore.rewards import (
    CatalogueReward,
    Milestone,
    check_rewards,
    milestones_by_id,
    reward_campaigns,
    rewards_by_id,
)
from loyaltycore.tiers import TierRule
from loyaltycore.wire import digest, instant_text, plain

__all__ = [
    "ORDER_RULE",
    "Asked",
    "Attached",
    "BurnFirst",
    "Cancelled",
    "CardAnswer",
    "Needs",
    "Overview",
    "Placed",
    "Problem",
    "Program",
    "ProgramError",
    "ProgramWarning",
    "Quote",
    "QuotedLine",
    "ReferralOverview",
    "Refunded",
    "Reserved",
    "RewardReturned",
    "RewardTaken",
    "RewardWarning",
    "RewardWarningKind",
]


def _rules(rules: Iterable[EarningRule]) -> tuple[EarningRule, ...]:
    return check_several("earning", rules, EarningRule, limit=RULES_LIMIT)


def _actions(actions: Mapping[str, Action]) -> FrozenMap[str, Action]:
    return FrozenMap(check_mapping("actions", actions))


def _book_of(offers: Sequence[Offer], book: OfferBook) -> OfferBook:
    """Put offers into a book that stacks as another one, which is left as it is where it has as many."""
    return book if len(offers) == len(book.offers) else OfferBook(offers, stacking=book.stacking)


class ProgramWarning(UserWarning):
    """A program can be executed, but something about its offers is odd."""


@final
@attrs.frozen(kw_only=True)
class Program(OnOrders):
    """A shop's rules, frozen and versioned.

    Attributes:
        name: The shop's name for it.
        version: Rises with every change.
        currency: Of all money in it.
        calendar: The local days that count.
        starts_on: Before this local day nothing is earned, and nothing counts for tiers.
        returns: How long an order can be returned, from its purchase; ``None`` for ever.
        earning: Points on orders, by rules that are asked in this order; at most 100, none earns nothing.
        combine: What becomes of several rules that give to one account.
        actions: Points by named action, such as a review.
        burning: Points as a discount; ``None`` refuses every burn.
        burn_first: Which points an order burns first.
        overdraft: What happens when returned points were spent.
        restore: How long burned points can be used that come back into a lot that has expired; ``None`` leaves them there.
        tiers: Tiers; ``None`` has none.
        book: The offers; given as those without a campaign, here those of all campaigns stand among them.
        campaigns: What only a code or a granted coupon opens, by id; given as several ``CouponCampaign``, the shop's own. Here
            those that rewards need stand among them.
        referrals: What members get who bring friends; ``None`` has none.
        rewards: What members can have for points, by id; given as several ``CatalogueReward``.
        milestones: What members are given once they have come so far, by id; given as several ``Milestone``.
    """

    name: str
    version: int
    currency: str
    calendar: Calendar
    starts_on: date
    returns: Term | None
    earning: tuple[EarningRule, ...] = attrs.field(converter=_rules)
    combine: Combine
    actions: FrozenMap[str, Action] = attrs.field(converter=_actions)
    burning: BurnRule | None
    burn_first: BurnFirst
    overdraft: Overdraft
    restore: Term | None
    tiers: TierRule | None
    _book: OfferBook = attrs.field(alias="book", repr=False)
    _campaigns: FrozenMap[str, CouponCampaign] = attrs.field(
        default=FrozenMap[str, CouponCampaign](), converter=campaigns_by_id, alias="campaigns", repr=False
    )
    referrals: ReferralProgram | None = None
    rewards: FrozenMap[str, CatalogueReward] = attrs.field(default=FrozenMap[str, CatalogueReward](), converter=rewards_by_id)
    milestones: FrozenMap[str, Milestone] = attrs.field(default=FrozenMap[str, Milestone](), converter=milestones_by_id)
    book: OfferBook = attrs.field(init=False, eq=False)
    campaigns: FrozenMap[str, CouponCampaign] = attrs.field(init=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Check what the parts cannot check alone."""
        check_slug("name", self.name)
        check_count("version", self.version)
        exponent_of(self.currency)
        check_kind("calendar", self.calendar, Calendar)
        check_kind("overdraft", self.overdraft, Overdraft)
        check_kind("book", self._book, OfferBook)
        check_kind("combine", self.combine, Combine)
        check_kind("burn_first", self.burn_first, BurnFirst)
        if self.restore is not None:
            check_kind("restore", self.restore, Term)
        for action, given in self.actions.items():
            check_slug("action", action)
            check_kind(f"action {action!r}", given, Action)
        check_together(self.earning, self.combine, self.actions, None if self.tiers is None else self.tiers.ladder)
        self._check_referrals()
        self._take_campaigns()
        policy = self.book.stacking.discount_limit
        moneys = [amount for offer in self.book.offers for amount in offer.moneys]
        for amount in (*moneys, *(() if policy is None else (policy,))):
            if amount.currency != self.currency:
                raise CurrencyMismatchError(self.currency, amount.currency)
        self._check_points_of_offers()

    def _check_referrals(self) -> None:
        """Refuse rewards that would wait for ever."""
        if self.referrals is not None and self.referrals.after is After.RETURN_WINDOW and self.returns is None:
            msg = "after must be said where an order can come back for ever, got the return window"
            raise UsageError(msg)

    def _take_campaigns(self) -> None:
        """Put the offers of the campaigns into the book, and the campaigns that rewards need beside the shop's own.

        What is handed in is kept apart from it, so that a program made out of this one has nothing of rewards it no longer has.
        """
        made = reward_campaigns(self.rewards, self.milestones, self.tiers, self.referrals, campaigns=self._campaigns)
        own = FrozenMap({name: one for name, one in self._campaigns.items() if one not in made})
        campaigns = own.updated({campaign.campaign_id: campaign for campaign in made})
        check_rewards(self.rewards, self.milestones, self.tiers, self.referrals, campaigns=campaigns, currency=self.currency)
        for campaign_id, campaign in campaigns.items():
            known = self._book.offer(campaign_id)
            if known is not None and known != campaign.offer:
                msg = f"campaign and offer must have names of their own, got {campaign_id!r} for both"
                raise UsageError(msg)
        plain = [offer for offer in self._book.offers if offer.offer_id not in campaigns]
        both = [*plain, *(campaign.offer for campaign in campaigns.values())]
        for name, value in (
            ("_campaigns", own),
            ("campaigns", campaigns),
            ("_book", _book_of(plain, self._book)),
            ("book", _book_of(both, self._book)),
        ):
            object.__setattr__(self, name, value)

    def _check_points_of_offers(self) -> None:
        """Refuse offers whose points would be taken for others', or that multiply what cannot be."""
        taken = {ORDER_RULE, *(rule.rule_id for rule in self.earning), *self.actions}
        carrying = next((rule.rule_id for rule in self.earning if rule.carries and rule.account == POINTS), None)
        for offer in self.book.offers:
            if offer.offer_id in taken and _gives(offer, BonusPoints):
                msg = f"an offer that gives points must have a name of its own: their lots do, got that of {offer.offer_id!r}"
                raise UsageError(msg)
            if carrying is not None and _gives(offer, PointsTimes):
                msg = f"offer {offer.offer_id!r} lets goods count several times, got rule {carrying!r} that carries spend over"
                raise UsageError(msg)

    @classmethod
    def parse(cls, text: str) -> Program:
        """Read a program from TOML text.

        Args:
            text: See ``docs/reference/program-file.md``.

        Raises:
            ProgramError: Everything that is wrong with it, all at once.
        """
        return cls(**read_program(text))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Program:
        """Read a program from a TOML file: one of two places where the core reads anything, and only at start-up.

        What is odd about its offers and rewards is told as a ``ProgramWarning``, by Python's ``warnings``; see ``warnings``.

        Raises:
            ProgramError: Everything that is wrong with it, all at once.
            OSError: The file cannot be read.
        """
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - the pure floors know no pathlib
            try:
                text = file.read()
            except UnicodeDecodeError as error:
                raise ProgramError(Problem("file", "", f"must be UTF-8 text: {error}")) from error
        program = cls.parse(text)
        for warning in program.warnings:
            warnings.warn(warning.text, ProgramWarning, stacklevel=2)
        return program

    @cached_property
    def digest(self) -> str:
        """The whole rulebook in 32 characters: equal for equal rules, on any machine."""
        return digest(plain(self), purpose="lc.program")

    @cached_property
    def warnings(self) -> tuple[OfferWarning | RewardWarning, ...]:
        """What a person should know before a shopper meets it.

        Offers that cannot apply, or where only ids decide; rewards that cost more than they bring.
        """
        tiers = frozenset[str]() if self.tiers is None else frozenset(rung.value for rung in self.tiers.ladder.rungs)
        of_offers = warnings_of(self.book, tiers=tiers, starts_at=self.starts_at)
        return (*of_offers, *reward_warnings(self, self.book.offers))

    @cached_property
    def starts_at(self) -> datetime:
        """First instant at which anything is earned."""
        return self.calendar.first_instant(self.starts_on)

    @cached_property
    def points_expire(self) -> Expires:
        """When points end that say no end of their own: as those of the first rule for the main account."""
        return ends_of(self.earning)

    @cached_property
    def rule_ids(self) -> frozenset[str]:
        """The names that rules, actions and offers give to lots: points given by hand must have others."""
        of_offers = [offer.offer_id for offer in self.book.offers if _gives(offer, BonusPoints)]
        return frozenset([*(rule.rule_id for rule in self.earning), *self.actions, *of_offers])

    @cached_property
    def coupons_to_come(self) -> tuple[str, ...]:
        """The campaigns without codes whose coupons an order may give its member, by id."""
        given = {one.coupon_id for offer in self.book.offers for one in singles(offer.give) if isinstance(one, NextCoupon)}
        return tuple(sorted(name for name in given if name in self.campaigns and self.campaigns[name].codes is None))

    @cached_property
    def looks_back(self) -> bool:
        """Whether an order asks for all that a member ever earned: for a cap, or spend that is carried over."""
        return any(rule.carries or (rule.caps is not None and rule.caps.looks_back) for rule in self.earning)

    def needs(
        self,
        member_id: str | None = None,
        *,
        order_id: str | None = None,
        order: Order | None = None,
        at: datetime | None = None,
    ) -> Needs:
        """Name the streams to load before a command, and the counters.

        Args:
            member_id: Whose basket; ``None`` for a guest.
            order_id: The order to place; ``None`` for a quote.
            order: The order to confirm, cancel or refund, as far as it is known: its coupons and gift cards.
            at: The instant, for counters that carry their day or month in their name; without it none are named.
        """
        streams = [member_stream(member_id)] if member_id is not None else []
        streams += [order_stream(order_id)] if order_id is not None else []
        # What an order did for the advocate of its member is undone with it, also where there are no referrals any more.
        has_referral = order is not None and order.placed is not None and order.placed.referral is not None
        if member_id is not None and order_id is not None and (self.referrals is not None or has_referral):
            streams.append(referral_stream(member_id))
        streams += beside_streams(order) if order is not None else ()
        counters = () if at is None else counters_of(self.book.limited, at=at, calendar=self.calendar)
        return Needs(streams=tuple(sorted(streams)), counters=counters)

    def quote(
        self,
        basket: Basket,
        membership: Membership | None = None,
        *,
        profile: Profile | None = None,
        codes: Iterable[str] = (),
        burn: int = 0,
        coupons: Iterable[str] = (),
        cards: Iterable[str] = (),
        order_id: str | None = None,
        view: View = NO_VIEW,
        at: datetime,
    ) -> Quote:
        """Price a basket: what is shown is what can be booked.

        Args:
            basket: In the program's currency.
            membership: Whose; ``None`` for a guest, who earns too, until the order finds its member.
            profile: What the shop tells about the person.
            codes: As typed; each gets an answer.
            burn: Points to burn, at least 0; as many as are allowed are granted, and ``quote.burn`` says why fewer.
            coupons: Coupons of the member's that are chosen, by id; those of campaigns that say so apply by themselves.
            cards: Gift cards that are to pay, by their ids, in the order they are asked; the view holds them.
            order_id: The order it is to become, where points are held in its name: then these are the ones to burn.
            view: What was loaded besides the member: how much of each offer is used up, what is out of stock, what the codes
                came to, coupons and gift cards.
            at: Timezone-aware.

        Raises:
            UsageError: Another currency, a naive time, a negative burn. A rule's no never raises.
        """
        asked = Asked(
            basket=basket,
            member_id=None if membership is None else membership.member_id,
            profile=profile or Profile(),
            codes=codes,
            burn=burn,
            coupons=coupons,
            cards=cards,
        )
        return price(self, asked, membership, order_id=order_id, view=view, at=at)

    def place(
        self,
        quote: Quote,
        membership: Membership | None = None,
        *,
        order_id: str,
        order: Order | None = None,
        referral: Referral | None = None,
        view: View = NO_VIEW,
        at: datetime,
    ) -> Placed:
        """Book exactly what was quoted.

        Where points are held in the order's name, they are what it burns, however late it is paid; what is held and not
        burned goes back.

        Args:
            quote: What the shopper saw.
            membership: As it is now; must be the quote's member.
            order_id: The shop's own.
            order: As it is now, if it may be known already.
            referral: The member's own, as a friend whom somebody referred.
            view: What is so now, besides the member; as for ``quote``.
            at: Timezone-aware.

        Returns:
            The postings to keep; without facts when this order was placed already.

        Raises:
            RefusedError: ``quote_changed`` with the fields that moved; ``key_reused`` for another order under this id;
                ``order_reserved`` where it was reserved: confirm or cancel it; ``order_cancelled`` where it was cancelled.
            UsageError: Another member's state.
        """
        known = known_order(quote, membership, order_id, order)
        if known.placed is not None:
            return self._placed_again(known, known.placed, quote, membership)
        check_free(known)
        fresh = price(self, quote.asked, membership, order_id=order_id, view=view, at=at)
        if fresh.digest != quote.digest and membership is not None:
            # A paid order is never refused: what was held for it when it was quoted pays for it, however late it comes.
            fresh = price(self, quote.asked, membership, order_id=order_id, view=view, at=at, late=True)
        check_unchanged(quote, fresh)
        return self._booked(fresh, membership, known, referral)

    def place_unseen(
        self,
        asked: Asked,
        membership: Membership | None = None,
        *,
        order_id: str,
        order: Order | None = None,
        referral: Referral | None = None,
        view: View = NO_VIEW,
        at: datetime,
    ) -> Placed:
        """Book an order that was paid elsewhere, at a till or in another system, at what it comes to now.

        Nobody saw a quote, so there is nothing it could differ from.

        Args:
            asked: The basket, whose, and the codes and points presented.
            membership: As it is now; must be of the member asked for.
            order_id: The shop's own.
            order: As it is now, if it may be known already; of one that was placed nothing is booked again.
            referral: The member's own, as a friend whom somebody referred.
            view: What is so now, besides the member; as for ``quote``.
            at: Timezone-aware.

        Raises:
            RefusedError: ``order_reserved`` or ``order_cancelled``, as for ``place``.
            UsageError: Another currency, a naive time, another member's state.
        """
        check_member(asked.member_id, membership)
        known = Order.open(order_id) if order is None else order
        if known.placed is not None:
            again = None if membership is None else membership.posting(())
            return Placed(fact=known.placed, order=order_posting(known, ()), member=again)
        check_free(known)
        fresh = price(self, asked, membership, order_id=order_id, view=view, at=at)
        return self._booked(fresh, membership, known, referral)

    def reserve(
        self,
        quote: Quote,
        membership: Membership | None = None,
        *,
        order_id: str,
        order: Order | None = None,
        view: View = NO_VIEW,
        until: datetime,
        at: datetime,
    ) -> Reserved:
        """Set an order aside exactly as quoted, until it is paid: what it is to burn is held.

        Args:
            quote: What the shopper saw.
            membership: As it is now; must be the quote's member.
            order_id: The shop's own.
            order: As it is now, if it may be known already.
            view: What is so now, besides the member; as for ``quote``.
            until: First instant at which what is held is free again by itself.
            at: Timezone-aware.

        Returns:
            The postings to keep; without facts when this order was reserved so already.

        Raises:
            RefusedError: ``quote_changed``, ``key_reused`` or ``order_cancelled``, as for ``place``; ``order_placed``.
            UsageError: Another member's state; an end that has passed.
        """
        known = known_order(quote, membership, order_id, order)
        if check_instant("until", until) <= check_instant("at", at):
            msg = f"until must be after {instant_text(at)}, got {instant_text(until)}"
            raise UsageError(msg)
        if known.placed is not None:
            raise RefusedError(Refusal(Reason.ORDER_PLACED, {"order_id": order_id}))
        if known.reserved is not None and known.cancelled_at is None:
            if known.reserved.order.digest != quote.digest:
                raise RefusedError(Refusal(Reason.KEY_REUSED, {"key": f"reserve:{order_id}", "fields": ("quote",)}))
            again = None if membership is None else membership.posting(())
            return Reserved(fact=known.reserved, order=order_posting(known, ()), member=again)
        check_free(known)
        fresh = price(self, quote.asked, membership, order_id=order_id, view=view, at=at)
        check_unchanged(quote, fresh)
        fact = OrderReserved(order=self._order_placed(fresh, order_id, at), until=until, at=at)
        member, beside = None, beside_reserved(fact.order, fresh.asked.basket, view, until=until)
        if membership is not None:
            held = book_reserved(membership, fact.order, until=until, burn_first=self.burn_first)
            named = with_facts(held, facts_reserved(fact.order, until=until))
            member, beside = settle(self, membership, named, beside=beside, at=at)
        return Reserved(
            fact=fact,
            order=order_posting(known, (fact,)),
            member=member,
            beside=beside,
            claims=claims_of(fresh, fact.order, until=until, calendar=self.calendar),
        )

    def _booked(self, quote: Quote, membership: Membership | None, order: Order, referral: Referral | None) -> Placed:
        """Put what was priced into postings."""
        placed = self._order_placed(quote, order.order_id, quote.at)
        beside = beside_placed(placed, quote.asked.basket, quote.view, self.campaigns, self.calendar)
        member, beside = self._member_placed(membership, placed, beside, referral)
        return Placed(
            fact=placed,
            order=order_posting(order, (placed,)),
            member=member,
            beside=beside,
            claims=claims_of(quote, placed, until=None, calendar=self.calendar),
        )

    def _order_placed(self, quote: Quote, order_id: str, at: datetime) -> OrderPlaced:
        """Freeze a quote into the fact of an order."""
        return order_placed(quote, order_id, campaigns=self.campaigns, final_at=self._final_at(at), calendar=self.calendar, at=at)

    def _placed_again(self, order: Order, placed: OrderPlaced, quote: Quote, membership: Membership | None) -> Placed:
        if placed.digest != quote.digest:
            raise RefusedError(Refusal(Reason.KEY_REUSED, {"key": f"place:{order.order_id}", "fields": ("quote",)}))
        return Placed(fact=placed, order=order_posting(order, ()), member=None if membership is None else membership.posting(()))


def _gives(offer: Offer, kind: type[BonusPoints | PointsTimes]) -> bool:
    """Whether a benefit of an offer is of a kind."""
    return any(isinstance(one, kind) for one in singles(offer.give))
