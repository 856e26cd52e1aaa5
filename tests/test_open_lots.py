"""The sorted lots of an account: carried along with every change, they answer as the lots themselves would."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore._lots import NEVER, Lot
from loyaltycore._open_lots import CHUNK, OpenLots, Standing
from loyaltycore.ledger import Overdraft, Part
from loyaltycore.periods import Lasting, Period, Term
from loyaltycore.points import PointsAccount, soonest_expiry

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    """Give an instant by its day."""
    return T0 + timedelta(days=number)


SPANS = {1: day(30), 2: day(60)}


def lots_of(draw: random.Random, count: int) -> list[Lot]:
    """Make lots of every kind: with an end of their own, without one, with a common one, waiting for an event."""
    lots = []
    for number in range(count):
        opens = draw.randrange(40)
        kind = draw.choice(("own", "own", "own", "never", "span", "awaits"))
        lots.append(
            Lot(
                f"order-{number}/base",
                draw.randrange(1, 50),
                day(opens),
                day(opens),
                day(opens + draw.randrange(1, 60)) if kind == "own" else None,
                revoked=draw.choice((0, 0, 0, 60)),
                span=draw.choice((1, 2)) if kind == "span" else 0,
                awaits="delivered" if kind == "awaits" else "",
            )
        )
    return lots


def ended(lot: Lot) -> Lot:
    """Give a lot its common end, where it has one."""
    return lot._replace(expires_at=SPANS[lot.span]) if lot.span else lot


def naive_standing(lots: list[Lot], at: datetime) -> Standing:
    """Look at every lot."""
    pending = live = expired = 0
    for lot in map(ended, lots):
        left = max(0, lot.remaining)
        if at < lot.available_at:
            pending += left
        elif lot.is_live(at):
            live += left
        else:
            expired += left
    return Standing(pending, live, expired)


def naive_live(lots: list[Lot], at: datetime) -> list[tuple[str, int]]:
    """Sort every lot."""
    live = [lot for lot in map(ended, lots) if lot.remaining > 0 and lot.is_live(at)]
    return [(lot.lot_id, lot.remaining) for lot in sorted(live, key=lambda lot: lot.burn_key)]


def seen(found: Iterator[tuple[tuple[datetime, datetime, str], int]]) -> list[tuple[str, int]]:
    """Give ids and units."""
    return [(key[2], units) for key, units in found]


class TestAgainstEveryLot:
    @pytest.mark.law(7)
    @given(st.integers(0, 2**32), st.sampled_from((0, 3, 40, 3 * CHUNK)), st.integers(0, 60))
    def test_carried_changes_answer_as_a_fresh_sort(self, seed: int, count: int, changes: int) -> None:
        """Sums, burn order and debts agree with the lots, at every instant, before and after changes carried one by one."""
        draw = random.Random(seed)
        lots = {lot.lot_id: lot for lot in lots_of(draw, count)}
        found = OpenLots.of(lots.values(), {})
        for change in range(changes):
            if lots and draw.random() < 0.7:
                before = lots[draw.choice(sorted(lots))]
                after = before._replace(burned=max(0, before.burned + draw.randrange(-30, 31)))
                if after.awaits and draw.random() < 0.5:
                    after = after._replace(awaits="", available_at=day(draw.randrange(20)))
            else:
                after = lots_of(draw, 1)[0]._replace(lot_id=f"new-{change}/base")
            found = found.changed(lots, [after], None)
            lots[after.lot_id] = after
        everything = list(lots.values())
        for at in (day(0), day(29), day(30), day(31), day(59), day(60), day(150)):
            assert found.standing(at, SPANS) == naive_standing(everything, at)
            assert seen(found.live(at, SPANS)) == naive_live(everything, at)
            left = [lot for lot in map(ended, everything) if lot.remaining > 0 and not lot.is_over(at)]
            assert seen(found.unexpired(at, SPANS)) == [
                (lot.lot_id, lot.remaining) for lot in sorted(left, key=lambda lot: lot.burn_key)
            ]
        assert found.debts == {lot.lot_id: -lot.remaining for lot in everything if lot.remaining < 0}
        kept = [lot_id for chunks in found.groups.values() for chunk in chunks for (_, _, lot_id), _ in chunk.lots]
        assert sorted(kept) == sorted(lot.lot_id for lot in everything if lot.remaining > 0)

    def test_a_full_chunk_is_parted(self) -> None:
        """Lots that all come in between the same two do not make one chunk longer and longer."""
        found, lots = OpenLots.of([], {}), dict[str, Lot]()
        for number in range(5 * CHUNK):
            lot = Lot(f"order-{number:03}/base", 1, day(0), day(0), day(10))
            found = found.changed(lots, [lot], None)
            lots[lot.lot_id] = lot
        assert max(len(chunk.lots) for chunk in found.groups[0]) < 2 * CHUNK
        assert [lot_id for lot_id, _ in seen(found.live(day(1), {}))] == sorted(lots)

    def test_an_empty_group_is_gone(self) -> None:
        """What holds nothing is not kept."""
        lot = Lot("a/base", 5, day(0), day(0), None)
        found = OpenLots.of([lot], {}).changed({"a/base": lot}, [lot._replace(burned=5)], None)
        assert (found.groups, found.debts) == ({}, {})


class TestCarriedAlong:
    def test_an_account_of_many_lots_answers_the_same_after_a_reload(self) -> None:
        """Whatever was carried along command by command is what a fresh account works out."""
        draw = random.Random(7)
        sliding = Lasting(Term(Period(days=20)), "UTC", sliding=True)
        account = PointsAccount.open("m-42")
        for number in range(400):
            at, verb = day(number // 4), draw.choice(("earn", "earn", "slide", "burn", "hold", "revoke", "refund"))
            if verb == "earn":
                account = account.earn(draw.randrange(1, 90), ref=f"o-{number}", expires_at=day(number // 4 + 30), at=at).state
            elif verb == "slide":
                account = account.earn(5, ref=f"o-{number}", expires_at=None, lasts=sliding, at=at).state
            elif verb == "burn" and account.available(at=at):
                account = account.burn(1 + account.available(at=at) // 3, ref=f"o-{number}", at=at).state
            elif verb == "hold" and account.available(at=at):
                account = account.hold(1 + account.available(at=at) // 4, ref=f"o-{number}", until=day(number), at=at).state
            elif verb == "revoke":
                earned = sorted({lot.earn_ref for lot in account.ledger.lots.values() if lot.revocable})
                if earned:
                    policy = draw.choice((Overdraft.CARRY, Overdraft.SETTLE, Overdraft.FORGIVE))
                    account = account.revoke(draw.choice(earned), ref=f"r-{number}", overdraft=policy, at=at).state
            elif verb == "refund":
                open_burns = [ref for ref, take in account.ledger.burns.items() if take.given_back < take.units]
                if open_burns:
                    account = account.refund_burn(draw.choice(open_burns), ref=f"r-{number}", at=at).state
            fresh = PointsAccount.from_dict(account.to_dict())
            assert fresh == account
            assert [account.balance(at=at + timedelta(days=gap)) for gap in (-9, 0, 9, 99)] == [
                fresh.balance(at=at + timedelta(days=gap)) for gap in (-9, 0, 9, 99)
            ]
            assert account.books(at=at).balanced
            assert account.ledger.lots_by_ref == fresh.ledger.lots_by_ref
        assert len(account.ledger.lots) > 2 * CHUNK

    def test_bounds_of_time(self) -> None:
        """A lot without an end lies after every lot with one."""
        assert datetime(9999, 1, 1, tzinfo=UTC) < NEVER
        account = PointsAccount.open("m").earn(5, ref="a", expires_at=None, at=day(0)).state
        account = account.earn(5, ref="b", expires_at=day(9000), at=day(0)).state
        assert account.burn(6, ref="c", at=day(0)).facts[0].parts == (Part("b/base", 5), Part("a/base", 1))  # type: ignore[attr-defined]  # a burn


class TestBurnOrders:
    def test_an_order_that_wraps_the_first_is_the_first(self) -> None:
        """A shop's own order that sorts as the library does takes the same lots."""
        account = PointsAccount.open("m")
        for number, (opens, ends) in enumerate(((3, 40), (1, 40), (2, None), (0, 30))):
            expires_at = None if ends is None else day(ends)
            account = account.earn(5, ref=f"o-{number}", available_at=day(opens), expires_at=expires_at, at=day(0)).state
        ours = account.burn(18, ref="b", at=day(5)).facts
        assert account.burn(18, ref="b", order=lambda lot: soonest_expiry(lot), at=day(5)).facts == ours  # noqa: PLW0108 - not the same function

    def test_a_rules_latest_points_go_first(self) -> None:
        """Without a reference a revocation takes from the lots of a rule, the latest first."""
        account = PointsAccount.open("m")
        for number in range(3):
            account = account.earn(5, ref=f"o-{number}", rule="order", expires_at=None, at=day(number)).state
        posting = account.revoke(None, 7, ref="r", rule="order", overdraft=Overdraft.CARRY, at=day(3))
        assert posting.facts[0].parts == (Part("o-2/order", 5), Part("o-1/order", 2))  # type: ignore[attr-defined]  # a revocation
