"""A guest's order that finds its member gives what it would have given at purchase (law 47).

Two shops see the same story: in one the order is the member's from the beginning, in the other a guest placed it and it was
attached later. What the member then has must be the same, today and on any day to come. Left out, because a guest is quoted
without them: offers and rules for members alone, multipliers of tiers, points burned and coupons used with the order.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore import Basket, Line, Loyalty, Money, Program
from loyaltycore.referrals import ReferralStatus
from loyaltycore.store.memory import MemoryRepository
from tests.test_services import Clock

START: Final = datetime(2026, 7, 29, 9, tzinfo=UTC)
"""So late in a month that what follows lies in another one."""
DAY: Final = timedelta(days=1)
ORDER: Final = "the-order"
SOON_AND_LATE: Final = (0, 1, 14, 29, 31, 61, 100, 370, 800)
"""Days after the last thing that happened: before and after every end that a program below has."""

HEAD: Final = """
program = { name = "drawn", version = 1, currency = "EUR", zone = "Europe/Paris", starts_on = 2026-01-01 }
stacking = { mode = "best" }
"""
OFFERS: Final = """
[[offers]]
id = "tenth"
when = { spend_at_least = "50.00" }
give = { percent_off = "10" }
[[offers]]
id = "thanks"
when = { spend_at_least = "40.00" }
give = { next_coupon = "back-again" }
lane = "product"
[[campaigns]]
id = "back-again"
give = { percent_off = "10" }
valid_for = "90 days"
"""
TIERS: Final = """
[tiers]
metric = "spend"
window = "2 months"
downgrade = "one step"
[[tiers.rung]]
id = "silver"
from = "60.00"
{silver}
[[tiers.rung]]
id = "gold"
from = "150.00"
{gold}
"""
GIVES: Final = (
    'points = 25, expires = "never"',  # from when it is given, which differs
    'pay_out = "5.00"',
    'next_coupon = "back-again"',
    'percent_off = "5"',
)
GIFTS: Final = st.just("") | st.sampled_from(GIVES).map(lambda give: f"entry_gift = {{ {give} }}")
MARKS: Final = st.sampled_from(("{ order = 1 }", "{ order = 2 }", "{ lifetime_points = 60 }", "{ lifetime_points = 150 }"))
BALANCES: Final = st.sampled_from(("{ balance = 60 }", "{ balance = 90 }"))
REFERRALS: Final = """
[referrals]
id = "friends"
codes = "HI-####-####"
qualifies = { first_order = true, spend_at_least = "40.00" }
after = "5 days"
advocate = { 1 = { points = 70 } }
"""


def _milestones(number: int, marks: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(marks, st.sampled_from(GIVES)).map(
        lambda drawn: f'[[milestones]]\nid = "milestone-{number}"\nwhen = {drawn[0]}\ngive = {{ {drawn[1]} }}'
    )


@st.composite
def programs(draw: st.DrawFn, *, plain: bool = False) -> Program:
    """Draw programs that treat a guest's basket as a member's; plain ones give for an order the same whatever else there was."""
    points = draw(st.sampled_from(('earn = "1 per 1.00"', 'earn = "2 per 7.00"', 'earn = "5 %"\nrounding = "half_up"')))
    carried = "carry_over = true" if not plain and "per 7" in points and draw(st.booleans()) else ""
    caps = st.sampled_from(
        (
            "",
            'caps = { per_day = 90, over = "truncate" }',
            'caps = { per_month = 120, over = "truncate" }',
            'caps = { per_order = 60, balance = 150, over = "refuse" }',
        )
    )
    lines = [
        HEAD,
        f'[points]\n{points}\n{carried}\nbasis = "paid"\nworth = "0.01"\noverdraft = "carry"',
        f'pending = "{draw(st.sampled_from(("at once", "30 days")))}"',
        f'expires = "{draw(st.sampled_from(("never", "60 days", "12 months, end of month")))}"',
        "" if carried or plain else draw(caps),
        draw(st.sampled_from(("", REFERRALS))),
        TIERS.format(silver=draw(GIFTS), gold=draw(GIFTS)),
        OFFERS,
        *[draw(_milestones(number, MARKS if plain else MARKS | BALANCES)) for number in range(draw(st.integers(0, 2)))],
    ]
    return Program.parse("\n".join(lines))


@attrs.frozen
class Story:
    """What happens: orders of the member's before, the order that a guest may place, returns of it, and when it finds its member.

    Attributes:
        before: Prices of earlier orders.
        gap: Days between them, and to the order.
        price: Of a unit of the order, of which there are four.
        returned: Units that come back, one return after the other.
        meanwhile: How many of these returns come before the order is attached.
        wait: Days between one thing and the next.
        between: Prices of the member's orders that come between the order and its returns.
    """

    before: tuple[int, ...]
    gap: int
    price: int
    returned: tuple[int, ...]
    meanwhile: int
    wait: int
    between: tuple[int, ...] = ()


PRICES: Final = st.sampled_from((999, 2_500, 3_990, 6_100)) | st.integers(1, 9_000)
STORIES: Final = st.builds(
    Story,
    before=st.lists(PRICES, max_size=2).map(tuple),
    gap=st.integers(0, 1),
    price=PRICES,
    returned=st.sampled_from(((), (1,), (2, 1), (4,), (1, 3))),
    meanwhile=st.integers(0, 2),
    wait=st.integers(0, 3),
)


def basket(price: int, units: int = 1) -> Basket:
    """Buy so many units of one thing."""
    return Basket([Line("1", Money(price, "EUR"), units)])


def told(program: Program, story: Story, *, attached: bool) -> tuple[Loyalty, Clock]:
    """Let it all happen in a shop of its own."""
    clock = Clock(START)
    shop = Loyalty(program, MemoryRepository(), clock=clock)
    shop.join("advocate")
    shop.join("m", referral_code=None if program.referrals is None else shop.referrals.code("advocate").code)
    for number, price in enumerate(story.before):
        shop.place(shop.quote(basket(price), member_id="m"), order_id=f"before-{number}")
        clock.at += story.gap * DAY
    quote = shop.quote(basket(story.price, 4), member_id=None if attached else "m")
    shop.place(quote, order_id=ORDER)
    for number, price in enumerate(story.between):
        clock.at += story.wait * DAY
        shop.place(shop.quote(basket(price), member_id="m"), order_id=f"between-{number}")
    returns = [*enumerate(story.returned)]
    for number, units in returns[: story.meanwhile]:
        clock.at += story.wait * DAY
        shop.refund(ORDER, return_id=f"r-{number}", lines={"1": units})
    clock.at += story.wait * DAY
    if attached:
        shop.attach(ORDER, member_id="m")
    for number, units in returns[story.meanwhile :]:
        clock.at += story.wait * DAY
        shop.refund(ORDER, return_id=f"r-{number}", lines={"1": units})
    return shop, clock


def standing(shop: Loyalty, clock: Clock) -> dict[date, Any]:
    """Give what the member has: now, and on days to come if nothing more happens."""
    now, found = clock.at, dict[date, Any]()
    for days in SOON_AND_LATE:
        clock.at = now + days * DAY
        overview = shop.overview("m")
        found[clock.at.date()] = (overview.balance, overview.tier, overview.perks, overview.order_count)
    clock.at = now
    return found


def brought(shop: Loyalty, clock: Clock) -> list[object]:
    """Give what the advocate has for the friend, on days to come, and how the referral stands."""
    now, found = clock.at, list[object]()
    for days in SOON_AND_LATE:
        clock.at = now + days * DAY
        shop.sweep()
        advocate, referral = shop.membership("advocate"), shop.referrals.of("m")
        terms = [(lot.remaining, lot.granted_at, lot.expires_at) for lot in advocate.ledger.lots.values()]
        found.append((clock.at, advocate.friends, terms, referral.status, referral.due_at, referral.number))
    clock.at = now
    return found


def lots(shop: Loyalty) -> dict[str, tuple[object, ...]]:
    """Give the points that orders earned, each with its terms."""
    ledger = shop.membership("m").ledger
    return {
        lot_id: (lot.granted, lot.revoked, lot.remaining, lot.granted_at, lot.available_at, lot.expires_at)
        for lot_id, lot in ledger.lots.items()
        if lot.rule == "order"
    }


def rights(shop: Loyalty) -> tuple[list[object], ...]:
    """Give what the member holds beside points: coupons by campaign, and rewards with what they gave.

    When they were given differs, for it is when the order found its member; and of what was given and taken back in between
    nothing is left.
    """
    member = shop.membership("m")
    coupons = sorted(coupon.campaign_id for coupon in shop.coupons("m"))
    rewards = sorted(
        (held.source, held.points, len(held.coupons), len(held.payouts)) for held in member.rewards.values() if not held.is_gone
    )
    return [*coupons], [*rewards]


@pytest.mark.law(47)
class TestLaw:
    @given(programs(), STORIES)
    def test_attached_is_as_if_ordered_by_the_member(self, program: Program, story: Story) -> None:
        """Points with their terms, tiers, coupons to come, entry gifts, milestones and the advocate's reward, on every day."""
        (bought, clock), (found, later) = (told(program, story, attached=attached) for attached in (False, True))
        assert clock.at == later.at
        assert lots(found) == lots(bought)
        assert standing(found, later) == standing(bought, clock)
        assert rights(found) == rights(bought)
        mine, its = (shop.membership("m") for shop in (bought, found))
        assert its.orders == mine.orders
        assert (its.carried, its.past_list_minor, its.past_discount_minor) == (
            mine.carried,
            mine.past_list_minor,
            mine.past_discount_minor,
        )
        if program.referrals is not None:
            assert brought(found, later) == brought(bought, clock)

    @given(programs(plain=True), STORIES, st.lists(PRICES, min_size=1, max_size=2).map(tuple))
    def test_what_came_between_changes_nothing(self, program: Program, story: Story, between: tuple[int, ...]) -> None:
        """Where no cap looks at the order of things, it does not matter what the member did before the order was attached."""
        story = attrs.evolve(story, between=between)
        (bought, clock), (found, later) = (told(program, story, attached=attached) for attached in (False, True))
        assert lots(found) == lots(bought)
        assert standing(found, later) == standing(bought, clock)
        assert rights(found) == rights(bought)


class TestReferral:
    POINTS: Final = 'points = { earn = "1 per 1.00", basis = "paid", expires = "never", overdraft = "carry" }'
    PROGRAM: Final = Program.parse(f"{HEAD}{POINTS}\n{REFERRALS}\n{OFFERS}")

    def shop(self) -> tuple[Loyalty, Clock, str]:
        """Open a shop with somebody who has a code to pass on."""
        clock = Clock(START)
        shop = Loyalty(self.PROGRAM, MemoryRepository(), clock=clock)
        shop.join("advocate")
        return shop, clock, shop.referrals.code("advocate").code

    @pytest.mark.law(47)
    def test_an_order_before_joining_brings_nobody(self) -> None:
        """As a member's it would have made him a customer already: a code that comes later does not reach back."""
        shop, clock, code = self.shop()
        shop.place(shop.quote(basket(8_000)), order_id=ORDER)
        clock.at += DAY
        shop.join("m", referral_code=code)
        shop.attach(ORDER, member_id="m")
        assert shop.referrals.of("m").status is ReferralStatus.JOINED

    @pytest.mark.law(47)
    @pytest.mark.parametrize("returned,status", [(0, "qualified"), (2, "qualified"), (3, "joined"), (4, "joined")])
    def test_what_came_back_before_does_not_qualify(self, returned: int, status: str) -> None:
        """Four units of 20.00 with a tenth off, and what is kept must come to 40.00 in list prices."""
        shop, _, code = self.shop()
        shop.join("m", referral_code=code)
        shop.place(shop.quote(basket(2_000, 4)), order_id=ORDER)
        if returned:
            shop.refund(ORDER, return_id="r", lines={"1": returned})
        shop.attach(ORDER, member_id="m")
        assert shop.referrals.of("m").status == status

    @pytest.mark.law(47)
    def test_attached_after_it_was_due(self) -> None:
        """The advocate is rewarded by the next sweep, as of the day on which it was due."""
        shop, clock, code = self.shop()
        shop.join("m", referral_code=code)
        shop.place(shop.quote(basket(8_000)), order_id=ORDER)
        clock.at += 30 * DAY
        shop.attach(ORDER, member_id="m")
        shop.sweep()
        (friend,) = shop.membership("advocate").friends.values()
        assert (friend.day, friend.number) == (date(2026, 8, 4), 1)
