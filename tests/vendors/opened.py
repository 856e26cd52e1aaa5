"""What our campaigns, limits and gift cards give for the rules of other vendors; each takes the vendor's own numbers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from loyaltycore import Basket, Line, Loyalty, Membership, Money, Program
from loyaltycore.benefits import PercentOff
from loyaltycore.conditions import code_presented
from loyaltycore.coupons import HUMAN, Coupon, CouponCampaign, Limits
from loyaltycore.errors import Reason, RefusedError, UsageError
from loyaltycore.gift_cards import GiftCard
from loyaltycore.identity import fold_code
from loyaltycore.offers import Mode, Offer, OfferBook, Stacking, View
from loyaltycore.periods import Calendar, Window
from loyaltycore.store.memory import MemoryRepository
from tests.vendors.deals import program_of

__all__ = ["code_uses", "codes_together", "discounted_units", "is_plain_code", "sessions", "topped_up", "validity"]

AT: Final = datetime(2026, 7, 6, 10, tzinfo=UTC)
CODE: Final = "SUMMER10"
TENTH: Final = PercentOff("10")


def campaigns(*several: CouponCampaign) -> Program:
    """Make a program of nothing but campaigns."""
    return attrs.evolve(program_of(OfferBook((), stacking=Stacking(Mode.ALL)), "EUR"), campaigns=several)


def basket(units: int = 1) -> Basket:
    """Buy so many units of one thing at ten."""
    return Basket([Line("1", Money.of("10.00", "EUR"), units)])


class Shop:
    """A shop with one code, a clock, and nothing else."""

    def __init__(self, limits: Limits) -> None:
        self.now = AT
        code = CouponCampaign(CODE, give=TENTH, codes=HUMAN, limits=limits)
        self.loyalty = Loyalty(campaigns(code), MemoryRepository(), clock=lambda: self.now)

    def buy(self, order_id: str, *, member_id: str | None = None, units: int = 1) -> Reason | None:
        """Place an order with the code; say why it does not apply."""
        quote = self.loyalty.quote(basket(units), member_id=member_id, codes=[CODE])
        self.loyalty.place(quote, order_id=order_id)
        refusal = quote.codes[CODE].refusal
        return None if refusal is None else refusal.reason

    def open_session(self, order_id: str, hold_for: timedelta) -> Reason | None:
        """Set an order aside with the code; say why that is refused, or the code does not apply."""
        quote = self.loyalty.quote(basket(), codes=[CODE])
        refusal = quote.codes[CODE].refusal
        if refusal is None:
            try:
                self.loyalty.reserve(quote, order_id=order_id, hold_for=hold_for)
            except RefusedError as error:
                refusal = error.refusal
        return None if refusal is None else refusal.reason


def code_uses(total: int | None, per_member: int | None, *, before: Sequence[str], member_id: str) -> Reason | None:
    """Use a code so often, by these members one after the other, then once more: say why it does not apply."""
    shop = Shop(Limits(total=total, per_member=per_member))
    for number, member in enumerate(before):
        assert shop.buy(f"before-{number}", member_id=member) is None, "the uses before must be allowed"
    return shop.buy("asked", member_id=member_id)


def codes_together(first: str, second: str) -> bool:
    """Say whether a program can have both codes: as two campaigns, and as a campaign and an offer."""
    one, other = (CouponCampaign(code, give=TENTH, codes=HUMAN) for code in (first, second))
    book = OfferBook([Offer("offer", when=code_presented(first), give=TENTH)], stacking=Stacking(Mode.ALL))
    allowed = list[bool]()
    for program, several in ((campaigns(), [one, other]), (program_of(book, "EUR"), [other])):
        try:
            attrs.evolve(program, campaigns=several)
        except UsageError:
            allowed.append(False)
        else:
            allowed.append(True)
    assert len(set(allowed)) == 1, "both ways must agree"
    return allowed[0]


def is_plain_code(text: str) -> bool:
    """Say whether a text can be a code as it stands in the file."""
    try:
        fold_code(text)
    except UsageError:
        return False
    return True


def validity(valid_for: timedelta, *, before_end: timedelta) -> timedelta:
    """Publish a coupon so long before the end of its campaign: say how long it can be redeemed from then on."""
    window = Window(starts_at=AT - timedelta(days=30), ends_at=AT + before_end)
    campaign = CouponCampaign("flash", give=TENTH, codes=None, window=window, valid_for=valid_for)
    assert campaign.closed(at=AT) is None, "it must be published while the campaign runs"
    starts_at, ends_at = campaign.dates(AT, calendar=Calendar("Europe/Paris"))
    assert ends_at is not None
    coupon = Coupon.issued("flash/1").grant("flash", holder="m", ref="1", starts_at=starts_at, ends_at=ends_at, at=AT).state
    program, tick = campaigns(campaign), timedelta(microseconds=1)
    for at, expected in ((AT, True), (ends_at - tick, True), (ends_at, False)):
        quote = program.quote(basket(), Membership.open("m"), coupons=["flash/1"], view=View(coupons=[coupon]), at=at)
        assert bool(quote.offers.applied) is expected, "it must apply as long as it says"
    return ends_at - AT


def sessions(limit: int, opened: int, hold_for: timedelta) -> tuple[int, list[Reason], int]:
    """Open so many sessions at once: how many are opened, why the others are not, and how many after their time has run out."""
    shop = Shop(Limits(total=limit))
    answers = [shop.open_session(f"session-{number}", hold_for) for number in range(opened)]
    shop.now += hold_for
    later = [shop.open_session(f"later-{number}", hold_for) for number in range(opened)]
    return answers.count(None), [reason for reason in answers if reason is not None], later.count(None)


def topped_up(amount: str, *, rewards: Sequence[str], card: str, by: str) -> list[str]:
    """Issue a card for each reward on top of the campaign's amount, and load another: what they hold."""
    balances = list[str]()
    for number, reward in enumerate(rewards):
        start = Money.of(amount, "EUR") + Money.of(reward, "EUR")
        issued = GiftCard.open(f"card-{number}").issue(start, ref=f"reward-{number}", expires_at=None, at=AT).state
        balances.append(str(issued.balance(at=AT).available.decimal))
    held = GiftCard.open("existing").issue(Money.of(card, "EUR"), ref="sale", expires_at=None, at=AT).state
    loaded = held.load(Money.of(by, "EUR"), ref="reward", expires_at=None, at=AT).state
    return [*balances, str(loaded.balance(at=AT).available.decimal)]


def discounted_units(limit: int, buyers: Sequence[int]) -> list[int]:
    """Let buyers take units of a campaign that has only so many: how many each gets cheaper."""
    shop, found = Shop(Limits(units=limit)), list[int]()
    for number, units in enumerate(buyers):
        quote = shop.loyalty.quote(basket(units), codes=[CODE])
        shop.loyalty.place(quote, order_id=f"buyer-{number}")
        found.append(sum(applied.units for applied in quote.offers.applied))
        assert quote.discount == Money(100 * found[-1], "EUR")  # a tenth of ten, for each unit
    return found
