"""What our policies give for the rules of other vendors, worked out by the library alone: programs, and calls on the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final

from loyaltycore import Basket, Line, Membership, Money, PointsAccount, Program, RefusedError, Return
from loyaltycore.orders import EarnedPoints
from loyaltycore.periods import Lasting, Sliding
from loyaltycore.points import Overdraft
from loyaltycore.program import Placed

__all__ = ["CEILINGS", "DURATIONS", "FOLDER", "NEAREST", "OURS", "PROGRAMS", "program"]

FOLDER: Final = Path(__file__).parent
PROGRAMS: Final = tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))
AT: Final = datetime(2026, 7, 6, 10, tzinfo=UTC)


def program(name: str) -> Program:
    """Load a vendor's rule."""
    return Program.load(FOLDER / f"{name}.toml")


def basket(rules: Program, price: str) -> Basket:
    """Put one thing into a basket."""
    return Basket([Line("1", Money.of(price, rules.currency), product_id="thing")])


def earned(name: str, price: str, *, at: datetime = AT) -> tuple[EarnedPoints, ...]:
    """Say what a purchase earns, by rule."""
    rules = program(name)
    return rules.quote(basket(rules, price), at=at).earned


def points(name: str, price: str, *, at: datetime = AT) -> int:
    """Say how many points a purchase earns."""
    return sum(one.points for one in earned(name, price, at=at))


def bought(rules: Program, price: str, member: Membership, *, order_id: str, at: datetime = AT) -> Placed:
    """Book a purchase."""
    return rules.place(rules.quote(basket(rules, price), member, at=at), member, order_id=order_id, at=at)


def last_day(rules: Program, expires_at: datetime | None) -> date:
    """Give the last local day on which points can be used."""
    assert expires_at is not None, "these points never end"
    return rules.calendar.day_of(expires_at - timedelta(microseconds=1))


def expires_on(rules: Program, expires_at: datetime | None) -> date:
    """Give the local day on which points are gone."""
    assert expires_at is not None, "these points never end"
    return rules.calendar.day_of(expires_at)


def step_floor() -> int:
    """Earn whole steps only."""
    return points("square", "105.00")


def promotion_multiplier() -> int:
    """Multiply 5 base points by 1.5."""
    return points("square-times", "50.00")


def latest_promotion() -> tuple[str, int, int]:
    """Name the promotion that applies, count those that do, and say what one gives where there are no base points."""
    applied = earned("square-latest", "50.00")
    return applied[0].rule.removeprefix("promotion-"), len(applied), points("square-latest", "9.99")


def tuesday() -> tuple[bool, bool, bool]:
    """Say whether double points apply on Tuesday 16:30, Tuesday 18:30 and Wednesday 16:30 in New York."""
    asked = (
        datetime(2026, 7, 7, 20, 30, tzinfo=UTC),
        datetime(2026, 7, 7, 22, 30, tzinfo=UTC),
        datetime(2026, 7, 8, 20, 30, tzinfo=UTC),
    )
    first, second, third = (points("square-tuesday", "10.00", at=at) == 20 for at in asked)
    return first, second, third


def first_match() -> tuple[str, tuple[str | None, ...]]:
    """Name the rule that applies, and which one each rule has to stand back for."""
    rules = program("voucherify-first")
    quote = rules.quote(basket(rules, "150.00"), at=AT)
    (one,) = quote.earned
    return one.rule, tuple(answer.instead for answer in quote.earning)


NEAREST: Final[Mapping[str, int]] = MappingProxyType({"10.30": 3, "9.70": 2, "10.00": 3, "9.99": 2, "0.10": 0})
"""Amounts, and the points of 2.5 % of them at 0.10 a point: 2.575, 2.425, 2.5, 2.4975 and 0.025, to the nearest."""


def nearest() -> dict[str, int]:
    """Round decimal points."""
    return {price: points("voucherify-nearest", price) for price in NEAREST}


CEILINGS: Final[Mapping[str, tuple[int, str]]] = MappingProxyType(
    {"tenths": (10, "74.50"), "ones": (100, "75.00"), "tens": (1000, "80.00")}
)
"""By rule: what one of its points is worth in minor units, and 74.44 rounded up to whole ones."""


def ceilings() -> list[str]:
    """Round 74.44 up to tenths, ones and tens."""
    given = {one.rule: one.points for one in earned("voucherify-ceil", "74.44")}
    return [str(Money(given[rule] * minor, "EUR").decimal) for rule, (minor, _) in CEILINGS.items()]


def month_cap() -> int:
    """Earn 50 when 80 of 100 a month are earned."""
    rules = program("voucherify-month-cap")
    member = bought(rules, "80.00", Membership.open("m"), order_id="1").membership
    return bought(rules, "50.00", member, order_id="2", at=AT + timedelta(days=1)).fact.points


def twelve_months() -> tuple[date, date]:
    """Earn on 6 July 2020 and say until when the points can be used, and when they are gone."""
    (one,) = earned("square", "10.00", at=datetime(2020, 7, 6, 19, tzinfo=UTC))
    rules = program("square")
    return last_day(rules, one.expires_at), expires_on(rules, one.expires_at)


def a_month_after_31_january() -> date:
    """Earn on 31 January of a common year."""
    (one,) = earned("voucherify-month", "10.00", at=datetime(2027, 1, 31, 10, tzinfo=UTC))
    return last_day(program("voucherify-month"), one.expires_at)


def next_new_year() -> date:
    """Earn on 10 March 2025."""
    (one,) = earned("voucherify-new-year", "10.00", at=datetime(2025, 3, 10, 10, tzinfo=UTC))
    return last_day(program("voucherify-new-year"), one.expires_at)


def spend_order() -> dict[str, int]:
    """Spend 60 of two lots and say what is left, by the last day of each."""
    june, march = datetime(2027, 7, 1, tzinfo=UTC), datetime(2027, 4, 1, tzinfo=UTC)
    account = PointsAccount.open("m").earn(50, ref="june", expires_at=june, at=AT).state
    account = account.earn(80, ref="march", expires_at=march, at=AT + timedelta(days=1)).state
    account = account.burn(60, ref="order", at=AT + timedelta(days=2)).state
    return {
        f"{day.day} {day:%B}": left
        for day, left in ((one.expires_at - timedelta(days=1), one.units) for one in account.expiring(after=AT))
    }


def enabling_inactivity() -> tuple[date, date, date | None]:
    """Switch sliding expiry on in the night to 1 March 2022 for a member with points that never ended.

    Returns:
        The day on which points of a silent member are gone; the same for one who buys on 1 June; and when old points end
        that nobody moved: never, whatever is bought under the new program.
    """
    rules = program("loyaltylion")
    switched = datetime(2022, 2, 28, 23, 59, tzinfo=UTC)
    old = Membership.open("m").earn(500, ref="old", expires_at=None, at=datetime(2021, 5, 1, tzinfo=UTC)).state
    expires = rules.earning[0].expires
    assert isinstance(expires, Sliding)
    lasts = Lasting(expires.term, rules.calendar.zone, sliding=True)
    moved = old.adjust_down(500, ref="sliding", reason="moved to sliding expiry", actor="program-2", at=switched).state
    moved = moved.earn(500, ref="sliding", rule="moved-over", expires_at=None, lasts=lasts, at=switched).state
    silent = moved.expiring(after=switched)[0].expires_at
    june = datetime(2022, 6, 1, 9, tzinfo=UTC)
    active = bought(rules, "10.00", moved, order_id="1", at=june).membership.expiring(after=switched)[0].expires_at
    untouched = bought(rules, "10.00", old, order_id="1", at=june).membership.ledger.lot("old/base").expires_at
    return expires_on(rules, silent), expires_on(rules, active), None if untouched is None else expires_on(rules, untouched)


def inactivity_365_days() -> tuple[date, date]:
    """Visit on 5 January 2020 and on 10 August 2020; say the last day after each."""
    rules, member, found = program("thrive"), Membership.open("m"), list[date]()
    for ref, at in (("v-1", datetime(2020, 1, 5, 17, tzinfo=UTC)), ("v-2", datetime(2020, 8, 10, 17, tzinfo=UTC))):
        member = rules.record("visit", member, ref=ref, at=at).state
        ends = {one.expires_at for one in member.expiring(after=at)}
        found.append(last_day(rules, *ends))
    first, second = found
    return first, second


def collapse() -> int:
    """Earn 100, spend them, earn 60 that never expire, and wait for the end of the first."""
    end = AT + timedelta(days=30)
    account = PointsAccount.open("m").earn(100, ref="a", expires_at=end, at=AT).state
    account = account.burn(100, ref="b", at=AT).state.earn(60, ref="c", expires_at=None, at=AT).state
    return account.available(at=end)


def refund_of_a_step() -> int:
    """Refund 10.00 of an order of 57.00."""
    rules = program("square")
    placed = bought(rules, "57.00", Membership.open("m"), order_id="1")
    back = Return(amount=Money.of("10.00", "USD"))
    done = rules.refund(placed.order.state, placed.membership, back=back, return_id="r", at=AT)
    return done.fact.points_revoked


def refund_below_zero() -> tuple[tuple[int, int], tuple[int, int]]:
    """Revoke what was spent: balance and debt when it is forgiven, and when it is carried."""
    found = []
    for overdraft in (Overdraft.FORGIVE, Overdraft.CARRY):
        account = PointsAccount.open("m").earn(100, ref="a", expires_at=None, at=AT).state
        account = account.burn(80, ref="b", at=AT).state.revoke("a", ref="r", overdraft=overdraft, at=AT).state
        balance = account.balance(at=AT)
        found.append((balance.available, balance.debt))
    forgiven, carried = found
    return forgiven, carried


def negative_balance() -> tuple[int, list[int]]:
    """Spend 100 points and remove the payment that earned them: the balance, and the same after two accruals of 60."""
    rules = program("zenoti")
    first = bought(rules, "100.00", Membership.open("m"), order_id="1")
    member = first.membership.burn(100, ref="2", at=AT).state
    member = rules.refund(first.order.state, member, back=Return(lines={"1": 1}), return_id="removed", at=AT).membership
    net = [_net(member)]
    for order_id in ("3", "4"):
        member = bought(rules, "60.00", member, order_id=order_id).membership
        net.append(_net(member))
    return net[0], net[1:]


def _net(member: Membership) -> int:
    balance = member.balance(at=AT)
    return balance.available - balance.debt


def negative_points() -> tuple[int, int]:
    """Owe 40: what is owed, and what is active."""
    account = PointsAccount.open("m").earn(40, ref="a", expires_at=None, at=AT).state
    account = account.burn(40, ref="b", at=AT).state.revoke("a", ref="r", overdraft=Overdraft.CARRY, at=AT).state
    balance = account.balance(at=AT)
    return balance.debt, balance.available


_MONDAY: Final = datetime(2026, 7, 6, 8, tzinfo=UTC)
"""Ten o'clock in Berlin."""

DURATIONS: Final[Mapping[str, datetime | None]] = MappingProxyType(
    {
        "validity-5D_U": datetime(2026, 7, 11, 22, tzinfo=UTC),
        "validity-5D_D": datetime(2026, 7, 10, 22, tzinfo=UTC),
        "validity-10M_U": datetime(2027, 5, 31, 22, tzinfo=UTC),
        "validity-1Y_U": datetime(2027, 12, 31, 23, tzinfo=UTC),
        "validity-unlimited": None,
        "pending-5D_D": datetime(2026, 7, 10, 22, tzinfo=UTC),
        "90s": _MONDAY + timedelta(seconds=90),
        "30m": _MONDAY + timedelta(minutes=30),
        "2h": _MONDAY + timedelta(hours=2),
        "5D": datetime(2026, 7, 11, 8, tzinfo=UTC),
        "7W": datetime(2026, 8, 24, 8, tzinfo=UTC),
        "10M": datetime(2027, 5, 6, 8, tzinfo=UTC),
        "1Y": datetime(2027, 7, 6, 8, tzinfo=UTC),
        "7W_U": datetime(2026, 8, 30, 22, tzinfo=UTC),
    }
)
"""When points of Monday 6 July 2026, ten in Berlin, end or open: worked out by hand."""


def durations() -> dict[str, datetime | None]:
    """Say when points end, or open, under each form of a duration.

    What a program has a phrase for is its rule; a span below a day, an exact end and the end of a week are instants, which
    the shop works out and the ledger takes: they hold to the microsecond.
    """
    found: dict[str, datetime | None] = {}
    for one in earned("talon-one", "10.00", at=_MONDAY):
        if not one.awaits:
            found[one.rule] = one.available_at if one.rule.startswith("pending") else one.expires_at
    for form, end in DURATIONS.items():
        if form not in found and end is not None:
            account = PointsAccount.open("m").earn(10, ref=form, expires_at=end, at=_MONDAY).state
            if (account.available(at=end - timedelta(microseconds=1)), account.available(at=end)) == (10, 0):
                found[form] = end
    return found


def on_action() -> tuple[int, int]:
    """Say what is available before and after the action that pending points await."""
    rules = program("talon-one")
    member = bought(rules, "10.00", Membership.open("m"), order_id="1", at=_MONDAY).membership
    before = member.available(at=_MONDAY)
    after = rules.release("delivered", member, ref="1", at=_MONDAY).state.available(at=_MONDAY)
    return before, after


def reward_hold() -> tuple[int, int, str]:
    """Create a reward of 15 from 30, delete it; redeem another and try to delete that."""
    until = AT + timedelta(days=1)
    account = PointsAccount.open("m").earn(30, ref="a", expires_at=None, at=AT).state
    created = account.hold(15, ref="reward", until=until, at=AT).state
    deleted = created.void("reward", at=AT).state
    redeemed = created.capture("reward", at=AT).state
    try:
        redeemed.void("reward", at=AT)
    except RefusedError as no:
        return created.available(at=AT), deleted.available(at=AT), no.refusal.reason.value
    return created.available(at=AT), deleted.available(at=AT), "deleted"


OURS: Final[Mapping[str, Callable[[], object]]] = MappingProxyType(
    {
        "sq-earn-step-floor": step_floor,
        "sq-promo-multiplier-fraction": promotion_multiplier,
        "sq-latest-promo": latest_promotion,
        "sq-promo-schedule": tuesday,
        "v-first-match": first_match,
        "v-round-nearest": nearest,
        "v-formula-ceil": ceilings,
        "v-period-cap-partial": month_cap,
        "sq-expiry-p12m": twelve_months,
        "v-exp-31jan": a_month_after_31_january,
        "v-exp-fixed-day": next_new_year,
        "v-spend-order": spend_order,
        "ll-enable-grace": enabling_inactivity,
        "thrive-365": inactivity_365_days,
        "flocafe-collapse": collapse,
        "sq-refund-10": refund_of_a_step,
        "sq-refund-floor-zero": refund_below_zero,
        "zenoti-negative": negative_balance,
        "t-negative": negative_points,
        "t-validity-suffix": durations,
        "sq-reward-hold": reward_hold,
    }
)
"""What ours gives, by case id."""
