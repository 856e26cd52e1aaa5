"""Points: what a ledger does with refunds and debts, and calendar cases; how ours says them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from loyaltycore.basket import Return
from loyaltycore.errors import Accepted
from loyaltycore.ledger import Overdraft
from loyaltycore.orders import Counted, EarnedPoints, Order, OrderLine, OrderPlaced
from loyaltycore.periods import Calendar, Period, Term, Through
from loyaltycore.points import PointsAccount, Step
from loyaltycore.quantities import Money
from tests.cases import Case, Differs, Expression

__all__ = ["CASES"]

THROUGH = {"end_of_day": Through.DAY, "end_of_quarter": Through.QUARTER, "end_of_year": Through.YEAR}


def period_of(text: str) -> Period:
    """Read ``13 months`` or ``2 months from anchor``."""
    count, unit = text.removesuffix(" from anchor").split()
    return Period(**{unit.rstrip("s") + "s": int(count)})


def same(ours: object, expected: object) -> None:
    """Complain when ours is another answer."""
    if ours != expected:
        text = f"{ours}, not {expected}"
        raise Differs(text)


def day_reached(case: Case) -> None:
    """Count a period from a local day."""
    same(period_of(case["add"]).after(date.fromisoformat(case["anchor"])), date.fromisoformat(case["expect"]))


def end_of_term(case: Case) -> None:
    """Say when a term ends that starts at an instant."""
    term = Term(period_of(case["add"]), through_end_of=THROUGH[case["rounding"]])
    end = term.end_after(datetime.fromisoformat(case["earned_utc"]), calendar=Calendar(case["tz"]))
    same(end, datetime.fromisoformat(case["expect_exclusive_utc"]))


def first_instant(case: Case) -> None:
    """Say when a local day begins."""
    first = Calendar(case["tz"]).first_instant(date.fromisoformat(case["local_midnight"]))
    same(first, datetime.fromisoformat(case["expect_first_instant"]))


AT = datetime(2026, 7, 1, tzinfo=UTC)

POLICIES = {"policy_settle": Overdraft.SETTLE, "policy_carry": Overdraft.CARRY, "policy_forgive": Overdraft.FORGIVE}


def hour(number: int) -> datetime:
    """Give ``t=10`` of a case as an instant."""
    return AT + timedelta(hours=number)


def earned_and_spent() -> PointsAccount:
    """Earn 100 for A, spend 60 on B."""
    account = PointsAccount.open("m").earn(100, ref="A", expires_at=None, at=AT).state
    return account.burn(60, ref="B", at=AT).state


def without_a(account: PointsAccount, overdraft: Overdraft) -> PointsAccount:
    """Take back what A earned."""
    return account.revoke("A", 100, ref="return-A", overdraft=overdraft, at=AT).state


def without_b(account: PointsAccount) -> PointsAccount:
    """Give back what B spent."""
    return account.refund_burn("B", 60, ref="return-B", at=AT).state


def netted(account: PointsAccount) -> dict[str, int]:
    """Say the balance, and the debt gross."""
    balance = account.balance(at=AT)
    return {"balance": balance.available, "debt": balance.debt}


def cross_refund(case: Case) -> None:
    """Return both orders, in either order, under every policy that lets debts be."""
    for overdraft in POLICIES.values():
        for account in (
            without_b(without_a(earned_and_spent(), overdraft)),
            without_a(without_b(earned_and_spent()), overdraft),
        ):
            same(netted(account), case["expect"])


def debt_then_earn(case: Case) -> None:
    """A debt and new points, under each policy; the case says what is netted and what is paid."""
    for name, overdraft in POLICIES.items():
        account = without_a(earned_and_spent(), overdraft).earn(50, ref="C", expires_at=None, at=AT).state
        same(netted(account), {key: case["expect"][name][key] for key in ("balance", "debt")})


def debt_settled_then_refund(case: Case) -> None:
    """The burn comes back after that: what is left is what C earned, whoever had paid or forgiven."""
    for name, overdraft in POLICIES.items():
        account = without_a(earned_and_spent(), overdraft).earn(50, ref="C", expires_at=None, at=AT).state
        same(netted(without_b(account)), case["expect"][name])


def held_over_the_end() -> PointsAccount:
    """Earn 10 that end at t=10, and hold them at t=9 until t=20."""
    account = PointsAccount.open("m").earn(10, ref="A", expires_at=hour(10), at=hour(0)).state
    return account.hold(10, ref="B", until=hour(20), at=hour(9)).state


def hold_survives_expiry(case: Case) -> None:
    """What is held does not expire meanwhile."""
    account = held_over_the_end().capture("B", at=hour(15)).state
    same(account.books(at=hour(15)).burned, case["expect"]["captured"])
    same(account.books(at=hour(15)).expired, 0)


def void_after_expiry(case: Case) -> None:
    """What is given back to a lot that has ended is expired at once."""
    account = held_over_the_end().void("B", at=hour(15)).state
    ours = {"balance": account.available(at=hour(15)), "expired": account.books(at=hour(15)).expired}
    same(ours, case["expect"])


def cumulative_refund(case: Case) -> None:
    """Twice a fifth of the amount takes twice a fifth of the points."""
    line = OrderLine(line_id="1", product_id="a", quantity=1, list_minor=5000)
    formula = Step(1, per_minor=50).frozen()
    earned = EarnedPoints(rule="order", points=100, formula=formula, counted=(Counted("1", 5000),), available_at=AT)
    order = Order.replay("A", [OrderPlaced(order_id="A", currency="EUR", lines=(line,), earned=(earned,), at=AT)])
    for return_id in ("1", "2"):
        answer = order.plan(Return(amount=Money.of("10.00", "EUR")), return_id=return_id, at=AT)
        assert isinstance(answer, Accepted)
        order = order.folded([answer.value])
    same(sum(back.points_revoked for back in order.returns.values()), case["expect"]["revoked_total"])


CASES: dict[str, Expression] = {
    "cross-refund": cross_refund,
    "debt-then-earn": debt_then_earn,
    "debt-settled-then-refund": debt_settled_then_refund,
    "hold-survives-expiry": hold_survives_expiry,
    "void-after-expiry": void_after_expiry,
    "cumulative-refund": cumulative_refund,
    "dates-1": day_reached,
    "dates-2": day_reached,
    "dates-3": day_reached,
    "dates-4": day_reached,
    "dates-5": end_of_term,
    "dates-6": end_of_term,
    "dates-7": end_of_term,
    "dates-8": first_instant,
}
