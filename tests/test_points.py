"""Points: the account's verbs, what an order earns, what a burn is allowed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore.errors import Accepted, CorruptStateError, Reason, Refused, RefusedError, UsageError
from loyaltycore.ledger import Ledger, LedgerFact
from loyaltycore.points import Books, BurnAnswer, BurnRule, Expiring, Overdraft, PointsAccount
from loyaltycore.quantities import Rate

T = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def burning(worth: str = "1", minimum: int = 1, share: str | None = None) -> BurnRule:
    """Make a rule of burning: worth in minor units."""
    return BurnRule(worth_minor=Rate.times(worth), minimum=minimum, share=None if share is None else Rate.percent(share))


class TestAccount:
    def test_refund_half_after_spending(self) -> None:
        """Earn 120, burn 100, return half of what earned them: 40 are owed, until the burn is refunded."""
        a = PointsAccount.open("m-42")
        a = a.earn(120, ref="order-1", expires_at=T + timedelta(days=365), at=T).state
        a = a.burn(100, ref="order-2", at=T + DAY).state
        a = a.revoke("order-1", 60, ref="return-1", overdraft=Overdraft.CARRY, at=T + 2 * DAY).state
        assert a.balance(at=T + 2 * DAY).debt == 40
        a = a.refund_burn("order-2", ref="return-2", at=T + 3 * DAY).state
        assert a.available(at=T + 3 * DAY) == 60
        answer = a.check_burn(100, at=T + 3 * DAY)
        assert isinstance(answer, Refused)
        assert answer.refusal.details["missing_points"] == 40
        assert a.check_burn(60, at=T + 3 * DAY) == Accepted(60)

    def test_postings_name_their_stream(self) -> None:
        """A posting can be kept as facts or as a state."""
        first = PointsAccount.open("m-42").earn(5, ref="a", expires_at=None, at=T)
        assert (first.stream, first.version, first.state.version, len(first.facts)) == ("member/m-42", 0, 1, 1)
        again = first.state.earn(5, ref="a", expires_at=None, at=T + DAY)
        assert (again.facts, again.version) == ((), 1)
        assert again.state is first.state
        assert first.state.adjust_down(2, ref="t", reason="r", actor="e", at=T).version == 1

    def test_adjustment_and_its_reversal(self) -> None:
        """Taken away by hand and given back."""
        a = PointsAccount.open("m").earn(5, ref="a", expires_at=T + DAY, at=T).state
        down = a.adjust_down(2, ref="t-1", reason="goodwill", actor="eva", at=T).state
        assert down.books(at=T) == Books(granted=5, burned=2, live=3)
        assert down.expiring(after=T, before=T + 2 * DAY) == down.expiring(after=T) == (Expiring(T + DAY, 3),)
        assert down.expiring(after=T, before=T + DAY) == ()
        assert down.reverse_adjustment("t-1", ref="t-2", at=T).state.available(at=T) == 5

    def test_one_rule_of_several(self) -> None:
        """A revocation may be told which rule's points to take."""
        a = PointsAccount.open("m").earn(5, ref="a", rule="base", expires_at=None, at=T).state
        a = a.earn(7, ref="a", rule="bonus", expires_at=None, at=T).state
        a = a.revoke("a", ref="r", rule="base", overdraft=Overdraft.REJECT, at=T).state
        assert {lot_id: lot.remaining for lot_id, lot in a.ledger.lots.items()} == {"a/base": 0, "a/bonus": 7}

    @pytest.mark.parametrize("ref", ["", "a\n", 7, None, "x" * 201])
    def test_refs_are_ids(self, ref: str) -> None:
        """Every verb checks the shop's own name for what happens."""
        a = PointsAccount.open("m").earn(5, ref="a", expires_at=None, at=T).state.burn(1, ref="b", at=T).state
        a = a.adjust_down(1, ref="c", reason="r", actor="e", at=T).state
        calls: list[Callable[[], object]] = [
            lambda: a.earn(1, ref=ref, expires_at=None, at=T),
            lambda: a.burn(1, ref=ref, at=T),
            lambda: a.refund_burn("b", ref=ref, at=T),
            lambda: a.revoke("a", ref=ref, overdraft=Overdraft.CARRY, at=T),
            lambda: a.adjust_down(1, ref=ref, reason="r", actor="e", at=T),
            lambda: a.reverse_adjustment("c", ref=ref, at=T),
            lambda: a.hold(1, ref=ref, until=T + DAY, at=T),
            lambda: a.transfer(1, to=PointsAccount.open("n"), ref=ref, at=T),
            lambda: a.touch(ref=ref, at=T),
            lambda: a.report_expired(ref=ref, at=T),
        ]
        for call in calls:
            with pytest.raises(UsageError, match="ref must be text"):
                call()

    def test_rules_reasons_and_actors_are_checked(self) -> None:
        """A rule holds no slash, for the last one parts it from the ref; a reason is text, an actor an id."""
        a = PointsAccount.open("m").earn(5, ref="a", expires_at=None, at=T).state
        with pytest.raises(UsageError, match="rule"):
            a.earn(1, ref="b", rule="x/y", expires_at=None, at=T)
        with pytest.raises(UsageError, match="reason"):
            a.adjust_down(1, ref="t", reason="\0", actor="e", at=T)
        with pytest.raises(UsageError, match="actor"):
            a.adjust_down(1, ref="t", reason="r", actor="", at=T)

    def test_a_burn_may_not_be_backdated(self) -> None:
        """What is known decides; earlier than that nothing is decided any more."""
        a = PointsAccount.open("m").earn(5, ref="a", expires_at=None, at=T).state
        with pytest.raises(RefusedError) as refused:
            a.burn(1, ref="b", at=T - DAY)
        assert refused.value.refusal.reason is Reason.AT_BEFORE_LAST

    def test_other_facts_count_as_versions_only(self) -> None:
        """An account reads a member's whole stream: what is no points fact moves its version alone."""
        a = PointsAccount.open("m").earn(5, ref="a", expires_at=None, at=T)
        strange = [attrs.evolve(fact, account="miles") for fact in a.facts if isinstance(fact, LedgerFact)]
        after = a.state.folded(strange)
        assert (after.version, after.ledger) == (2, a.state.ledger)
        assert PointsAccount.open("m").ledger == Ledger(account="points")


class TestHold:
    def test_set_aside_then_paid(self) -> None:
        """Held points cannot be burned; what was paid is burned under the name of the hold, the rest is there again."""
        a = PointsAccount.open("m").earn(100, ref="a", expires_at=None, at=T).state
        a = a.hold(80, ref="order-1", until=T + DAY, at=T).state
        assert (a.available(at=T), a.balance(at=T).held) == (20, 80)
        assert (a.available(at=T + DAY), a.balance(at=T + DAY).held) == (100, 0)
        a = a.capture("order-1", 50, at=T).state
        assert (a.available(at=T), a.balance(at=T).held) == (50, 0)
        assert a.refund_burn("order-1", ref="return-1", at=T).state.available(at=T) == 100

    def test_paid_too_late_is_paid(self) -> None:
        """An order that was paid is never refused: a late capture takes what somebody else has spent, as a debt."""
        a = PointsAccount.open("m").earn(10, ref="a", expires_at=None, at=T).state
        a = a.hold(10, ref="order-1", until=T + DAY, at=T).state.burn(10, ref="order-2", at=T + DAY).state
        a = a.capture("order-1", at=T + 2 * DAY).state
        assert a.balance(at=T + 2 * DAY).debt == 10


class TestTransfer:
    def test_one_reference_in_both_directions(self) -> None:
        """Two members give each other points under one name: undoing the one leaves the other as it is."""
        anna = PointsAccount.open("anna").earn(10, ref="a", expires_at=None, at=T).state
        berta = PointsAccount.open("berta").earn(10, ref="b", expires_at=None, at=T).state
        there = anna.transfer(4, to=berta, ref="gift", at=T)
        anna, berta = there.giver.state, there.taker.state
        back = berta.transfer(3, to=anna, ref="gift", at=T)
        berta, anna = back.giver.state, back.taker.state
        assert (anna.available(at=T), berta.available(at=T)) == (9, 11)
        undone = anna.undo_transfer("gift", taker=berta, at=T)
        assert (undone.giver.state.available(at=T), undone.taker.state.available(at=T)) == (13, 7)

    def test_goes_to_another_member_on_one_account(self) -> None:
        """Nobody gives to himself, to another kind of account, or to what is no account."""
        anna = PointsAccount.open("anna").earn(10, ref="a", expires_at=None, at=T).state
        status = attrs.evolve(PointsAccount.open("berta"), ledger=Ledger(account="status"))
        for other, said in [(anna, "between two members"), (status, "on one account"), ("berta", "the other member")]:
            with pytest.raises(UsageError, match=said):
                anna.transfer(1, to=other, ref="gift", at=T)  # type: ignore[type-var]  # one of them is no account
            with pytest.raises(UsageError, match=said):
                anna.undo_transfer("gift", taker=other, at=T)  # type: ignore[type-var]  # one of them is no account

    def test_undone_after_a_forgiving_return(self) -> None:
        """The taker owes what the giver got back, though a return of some of it was forgiven before."""
        anna = PointsAccount.open("anna").earn(10, ref="a", expires_at=None, at=T).state
        there = anna.transfer(10, to=PointsAccount.open("berta"), ref="gift", at=T)
        berta = there.taker.state.burn(10, ref="order-1", at=T).state
        berta = berta.revoke("gift", 1, ref="return-1", overdraft=Overdraft.FORGIVE, at=T).state
        undone = there.giver.state.undo_transfer("gift", taker=berta, at=T)
        assert undone.giver.state.available(at=T) == 10
        assert undone.taker.state.balance(at=T).debt >= 9


class TestBurnRule:
    @pytest.mark.parametrize(
        "asked,available,goods,granted,off,reason",
        [
            (0, 0, 0, 0, 0, None),
            (500, 500, 1000, 500, 500, None),
            (501, 500, 1000, 500, 500, Reason.POINTS_INSUFFICIENT),
            (501, 501, 1000, 500, 500, Reason.POINTS_ABOVE_SHARE),
            (500, 500, 1001, 500, 500, None),
            (500, 500, 999, 499, 499, Reason.POINTS_ABOVE_SHARE),
            (10, 500, 1000, 10, 10, None),
            (9, 500, 1000, 0, 0, Reason.POINTS_BELOW_MINIMUM),
            (20, 9, 1000, 0, 0, Reason.POINTS_INSUFFICIENT),
            (20, 20, 19, 0, 0, Reason.POINTS_ABOVE_SHARE),
            (20, 20, 20, 10, 10, Reason.POINTS_ABOVE_SHARE),
        ],
    )
    def test_most_that_is_allowed(  # noqa: PLR0917  # one column of the table each
        self, asked: int, available: int, goods: int, granted: int, off: int, reason: Reason | None
    ) -> None:
        """Half of the goods at most, ten points at least, and no more than there are."""
        answer = burning(minimum=10, share="50").answer(asked, available=available, goods_minor=goods)
        assert (answer.asked, answer.granted, answer.discount_minor) == (asked, granted, off)
        assert (answer.refusal.reason if answer.refusal else None) is reason

    def test_refusals_say_how_far_off(self) -> None:
        """Each carries what is needed to act on it."""
        rule = burning(minimum=10, share="50")
        for asked, available, goods, details in [
            (20, 9, 1000, {"asked_points": 20, "available_points": 9, "missing_points": 11}),
            (20, 20, 20, {"asked_points": 20, "granted_points": 10}),
            (9, 20, 1000, {"asked_points": 9, "needed_points": 10, "missing_points": 1}),
        ]:
            refusal = rule.answer(asked, available=available, goods_minor=goods).refusal
            assert refusal is not None
            assert refusal.details == details

    @pytest.mark.law(19)
    @given(
        st.sampled_from(("0.001", "0.1", "0.333", "1", "2.5", "3", "150")),
        st.integers(1, 50),
        st.none() | st.sampled_from(("1", "33.3", "100")),
        st.integers(0, 5000),
        st.integers(0, 5000),
        st.integers(0, 5000),
    )
    def test_burn_is_fair_both_ways(  # noqa: PLR0917  # one strategy each
        self, worth: str, minimum: int, share: str | None, asked: int, available: int, goods: int
    ) -> None:
        """Never more off than the points are worth, nor a point taken that takes nothing off; all within the bounds."""
        answer = burning(worth, minimum, share).answer(asked, available=available, goods_minor=goods)
        exact = Fraction(worth)
        most = goods if share is None else int(Fraction(share) * goods / 100)
        assert 0 <= answer.granted <= min(asked, available)
        assert 0 <= answer.discount_minor <= most
        assert answer.granted * exact - 1 < answer.discount_minor <= answer.granted * exact
        if answer.granted:
            assert (answer.granted - 1) * exact < answer.discount_minor
            assert asked >= minimum
        elif asked and answer.refusal is None:
            pytest.fail("nothing is granted, and nobody says why")

    def test_points_without_effect_stay(self) -> None:
        """At a tenth of a minor unit a point, 505 points are worth what 500 are: five stay with the member."""
        assert burning("0.1").answer(505, available=600, goods_minor=9999) == BurnAnswer(
            asked=505, granted=500, discount_minor=50, refusal=None
        )
        nothing = burning("0.1").answer(9, available=600, goods_minor=9999)
        assert (nothing.granted, nothing.discount_minor) == (0, 0)
        assert nothing.refusal is not None
        assert nothing.refusal.details == {"asked_points": 9, "needed_points": 10, "missing_points": 1}

    @pytest.mark.parametrize(
        "worth,minimum,share,said",
        [
            ("0", 1, None, "^a point must be worth something"),
            ("1", 0, None, "^minimum must be"),
            ("1", 1, "0", "share lie in"),
            ("1", 1, "100.1", "share lie in"),
            ("1", True, None, "^minimum must be"),
        ],
    )
    def test_is_checked(self, worth: str, minimum: int, share: str | None, said: str) -> None:
        """A point is worth something, a burn is of something, a share is above nothing and at most everything."""
        with pytest.raises(UsageError, match=said):
            burning(worth, minimum, share)
        assert burning("1", 1, "100").share == Rate.percent(100)

    @pytest.mark.parametrize("asked", [-1, True, 1.0])
    def test_points_asked_are_whole(self, asked: int) -> None:
        """At least nothing."""
        with pytest.raises(UsageError, match="burn must be a whole number"):
            burning().answer(asked, available=1, goods_minor=1)


class TestStoredStates:
    def test_lots_that_do_not_hang_together_are_corrupt(self) -> None:
        """A lot under another's id, and a burn of a lot that is not there, are found when the state is read."""
        at = datetime(2026, 1, 1, tzinfo=UTC)
        account = PointsAccount.open("m-42").earn(10, ref="a", expires_at=None, at=at).state.burn(5, ref="b", at=at).state
        lots = account.to_dict()["ledger"]["lots"]
        for wrong in ({"x/base": lots["a/base"]}, {}):
            data = account.to_dict()
            data["ledger"]["lots"] = wrong
            with pytest.raises(CorruptStateError, match="do not hang together"):
                PointsAccount.from_dict(data)
