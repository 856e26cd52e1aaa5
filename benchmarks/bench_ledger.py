"""What an account costs: to fold its facts, beside a loop over plain tuples, and to command with many open lots."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from benchmarks._harness import Pair, bench
from loyaltycore.facts import Fact
from loyaltycore.ledger import Burned, BurnRefunded, Granted, Overdraft, Part, Revoked
from loyaltycore.points import POINTS, PointsAccount

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=100)
FACTS = 1_000
PERIOD = 10

Plain: TypeAlias = tuple[str, str, str, datetime, datetime | None, tuple[tuple[str, int], ...], str]


def history() -> tuple[list[Fact], list[Plain]]:
    """Make a thousand facts, and the same as plain tuples: of ten, seven earn, one burns, one gives back, one takes back."""
    facts: list[Fact] = []
    plain: list[Plain] = []
    for number in range(FACTS):
        at, ref, expires_at = START + timedelta(hours=number), f"order-{number}", START + timedelta(days=365, hours=number)
        last = number - number % PERIOD
        lots = [f"order-{last}/order", f"order-{last + 1}/order"]
        match number % PERIOD:
            case 7:
                facts.append(Burned(account=POINTS, ref=ref, parts=(Part(lots[0], 100), Part(lots[1], 30)), at=at))
                plain.append(("burn", ref, "", at, None, ((lots[0], 100), (lots[1], 30)), ""))
            case 8:
                facts.append(
                    BurnRefunded(account=POINTS, ref=ref, burn_ref=f"order-{last + 7}", parts=(Part(lots[1], 30),), at=at)
                )
                plain.append(("back", ref, "", at, None, ((lots[1], 30),), f"order-{last + 7}"))
            case 9:
                facts.append(Revoked(account=POINTS, ref=ref, earn_ref=f"order-{last + 1}", parts=(Part(lots[1], 60),), at=at))
                plain.append(("revoke", ref, "", at, None, ((lots[1], 60),), f"order-{last + 1}"))
            case _:
                fact = Granted(account=POINTS, ref=ref, rule="order", units=100, available_at=at, expires_at=expires_at, at=at)
                facts.append(fact)
                plain.append(("earn", ref, "order", at, expires_at, (("", 100),), ""))
    return facts, plain


def fold_plain(plain: list[Plain]) -> int:
    """Do the arithmetic of the ledger on lists in dicts, without its types, and sum up what can be burned at the end."""
    lots: dict[str, list[Any]] = {}
    burns: dict[str, tuple[tuple[tuple[str, int], ...], int]] = {}
    moved: dict[str, tuple[str, int]] = {}
    last_at = START
    for kind, ref, rule, at, expires_at, parts, of in plain:
        units = sum([units for _, units in parts])
        if kind == "earn":
            lot_id = f"{ref}/{rule}"
            if lot_id in lots:
                raise ValueError(lot_id)
            lots[lot_id] = [units, 0, 0, at, expires_at]
        elif kind == "burn":
            book_plain(lots, parts, 1, 1)
            burns[ref] = (parts, 0)
        elif kind == "back":
            book_plain(lots, parts, 1, -1)
            burns[of] = (burns[of][0], burns[of][1] + units)
            moved[f"back:{ref}"] = (of, units)
        else:
            book_plain(lots, parts, 2, 1)
            moved[f"revoke:{ref}"] = (of, units)
        last_at = max(last_at, at)
    return live_plain(lots)


def book_plain(lots: dict[str, list[Any]], parts: tuple[tuple[str, int], ...], field: int, sign: int) -> None:
    """Add units to one field of some lots."""
    for lot_id, units in parts:
        lots[lot_id][field] += sign * units


def live_plain(lots: dict[str, list[Any]]) -> int:
    """Sum up what can be burned at the end."""
    live = 0
    for granted, burned, revoked, opens_at, ends_at in lots.values():
        left = granted - burned - revoked
        if left < 0 or opens_at <= END < ends_at:
            live += left
    return live


@bench("ledger.replay", unit="µs", against="a loop over plain tuples with the same arithmetic")
def ledger_replay() -> Pair:
    """Fold a history into an account that answers what can be burned; the value is the time of one fact."""
    facts, plain = history()
    assert PointsAccount.replay("m-42", facts).available(at=END) == fold_plain(plain)
    return Pair(lambda: PointsAccount.replay("m-42", facts).available(at=END), lambda: fold_plain(plain), items=FACTS)


def account(lots: int) -> PointsAccount:
    """Make an account of open lots, each with an end of its own, that has answered a question before."""
    facts = [
        Granted(
            account=POINTS,
            ref=f"order-{number}",
            rule="order",
            units=100,
            available_at=START,
            expires_at=START + timedelta(days=365, minutes=number),
            at=START,
        )
        for number in range(lots)
    ]
    made = PointsAccount.replay("m-42", facts)
    assert made.available(at=END) == 100 * lots
    return made


def command(verb: Callable[[PointsAccount], object]) -> Pair:
    """Give a command with ten thousand open lots, beside the same with ten."""
    many, few = account(10_000), account(10)
    return Pair(lambda: verb(many), lambda: verb(few))


@bench("ledger.command.10000_lots", unit="µs", against="the same burn with 10 open lots")
def burn_lots() -> Pair:
    """Burn points from three lots."""
    return command(lambda made: made.burn(250, ref="order-x", at=END))


@bench("ledger.command.10000_lots, hold", unit="µs", against="the same hold with 10 open lots")
def hold_lots() -> Pair:
    """Set points of three lots aside."""
    return command(lambda made: made.hold(250, ref="order-x", until=END + timedelta(hours=1), at=END))


@bench("ledger.command.10000_lots, revoke", unit="µs", against="the same revocation with 10 open lots")
def revoke_lots() -> Pair:
    """Take back what one order earned."""
    return command(lambda made: made.revoke("order-5", ref="return-x", overdraft=Overdraft.CARRY, at=END))


@bench("ledger.command.10000_lots, settle", unit="µs", against="the same revocation with 10 open lots")
def settle_lots() -> Pair:
    """Take back what one order earned and another order spent, where the other lots pay the debt."""

    def spent(made: PointsAccount) -> PointsAccount:
        return made.burn(100, ref="order-x", at=END).state

    many, few = spent(account(10_000)), spent(account(10))
    return Pair(
        lambda: many.revoke("order-0", ref="return-x", overdraft=Overdraft.SETTLE, at=END),
        lambda: few.revoke("order-0", ref="return-x", overdraft=Overdraft.SETTLE, at=END),
    )
