"""Coupons: every step of a life, every refusal, and a machine that compares whole lives with a model of a few lines."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from loyaltycore._coupon import CouponUse, UseState
from loyaltycore.coupons import (
    CampaignStopped,
    Coupon,
    CouponGranted,
    CouponRedeemed,
    CouponReleased,
    CouponReserved,
    CouponRevoked,
    CouponStatus,
    ReadCode,
    RedeemedCoupon,
)
from loyaltycore.errors import Accepted, CorruptStateError, Reason, Refusal, Refused, RefusedError, UsageError
from loyaltycore.facts import Fact, Posting

NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
END = NOW + 24 * HOUR
CODE = "velo/H1############/2026a/17"


def granted(holder: str | None = "m-42", *, starts_at: datetime | None = None, ends_at: datetime | None = END) -> Coupon:
    """Give a coupon of the campaign "sorry"."""
    coupon = Coupon.issued("sorry/t-1")
    return coupon.grant("sorry", holder=holder, ref="t-1", starts_at=starts_at, ends_at=ends_at, actor="ann", at=NOW).state


def batch() -> Coupon:
    """Give a coupon of a batch: nothing was stored of it."""
    return Coupon.issued(CODE, campaign_id="welcome", starts_at=NOW, ends_at=END)


def reserved(coupon: Coupon, order_id: str = "1", *, hours: int = 2, at: datetime = NOW) -> Coupon:
    """Set it aside."""
    return coupon.reserve(order_id, member_id="m-42", until=at + hours * HOUR, at=at).state


def redeemed(coupon: Coupon, order_id: str = "1", *, at: datetime = NOW) -> Coupon:
    """Use it up."""
    return coupon.redeem(order_id, member_id="m-42", at=at).state


def revoked(coupon: Coupon, *, at: datetime = NOW) -> Coupon:
    """Take it back."""
    return coupon.revoke(reason="misprint", actor="ann", at=at).state


def reasons(coupon: Coupon, member_id: str | None = "m-42", *, order_id: str | None = None, at: datetime = NOW) -> list[str]:
    """Say why it cannot be redeemed."""
    answer = coupon.check(member_id, order_id=order_id, at=at)
    return [refusal.reason.value for refusal in answer.refusals] if isinstance(answer, Refused) else []


def refused(act: Callable[[], object]) -> Refusal:
    """Give the reason for which a step is refused."""
    with pytest.raises(RefusedError) as error:
        act()
    return error.value.refusal


class TestStatus:
    @pytest.mark.parametrize(
        "coupon,at,expected",
        [
            (batch(), NOW, CouponStatus.ISSUED),
            (batch(), NOW - TICK, CouponStatus.PENDING),
            (batch(), END - TICK, CouponStatus.ISSUED),
            (batch(), END, CouponStatus.EXPIRED),
            (Coupon.issued("c"), NOW, CouponStatus.ISSUED),
            (granted(), NOW, CouponStatus.GRANTED),
            (granted(starts_at=NOW + HOUR), NOW, CouponStatus.PENDING),
            (granted(starts_at=NOW + HOUR), NOW + HOUR, CouponStatus.GRANTED),
            (granted(ends_at=None), NOW + 9999 * HOUR, CouponStatus.GRANTED),
            (reserved(granted()), NOW, CouponStatus.RESERVED),
            (reserved(granted()), NOW + 2 * HOUR - TICK, CouponStatus.RESERVED),
            (reserved(granted()), NOW + 2 * HOUR, CouponStatus.GRANTED),
            (reserved(batch()), NOW + 2 * HOUR, CouponStatus.ISSUED),
            (reserved(granted(), hours=48), END, CouponStatus.RESERVED),
            (redeemed(granted()), NOW, CouponStatus.REDEEMED),
            (redeemed(granted()), END, CouponStatus.REDEEMED),
            (revoked(granted()), NOW, CouponStatus.REVOKED),
            (revoked(granted()), END, CouponStatus.REVOKED),
            (revoked(granted(starts_at=NOW + HOUR)), NOW, CouponStatus.REVOKED),
            (revoked(reserved(granted())), NOW, CouponStatus.REVOKED),
            (revoked(redeemed(granted())), NOW, CouponStatus.REDEEMED),
            (redeemed(granted()).release("1", at=NOW).state, NOW, CouponStatus.GRANTED),
            (redeemed(batch()).release("1", at=NOW).state, NOW, CouponStatus.ISSUED),
        ],
    )
    def test_what_matters_most_comes_first(self, coupon: Coupon, at: datetime, expected: CouponStatus) -> None:
        """Used, taken back, set aside, ended, to come, or there."""
        assert coupon.status(at=at) is expected

    def test_a_naive_time_is_refused(self) -> None:
        """As everywhere."""
        for ask in (batch().status, lambda at: batch().check(None, at=at)):
            with pytest.raises(UsageError, match=r"^at must be a timezone-aware datetime"):
                ask(at=datetime(2026, 7, 1))  # noqa: DTZ001


class TestCheck:
    @pytest.mark.parametrize(
        "coupon,refusals",
        [
            (Coupon.issued("c"), [Refusal(Reason.COUPON_NOT_FOUND)]),
            (revoked(Coupon.issued("c")), [Refusal(Reason.COUPON_NOT_FOUND)]),
            (revoked(granted()), [Refusal(Reason.COUPON_REVOKED, {"revoked_at": "2026-07-01T10:00:00Z"})]),
            (granted("m-1"), [Refusal(Reason.COUPON_MEMBER_MISMATCH)]),
            (redeemed(granted()), [Refusal(Reason.COUPON_REDEEMED, {"order_id": "1"})]),
            (
                reserved(granted()),
                [Refusal(Reason.COUPON_RESERVED, {"order_id": "1", "until": "2026-07-01T12:00:00Z"})],
            ),
            (
                granted(starts_at=NOW + HOUR),
                [Refusal(Reason.COUPON_NOT_STARTED, {"starts_at": "2026-07-01T11:00:00Z"})],
            ),
            (granted(ends_at=NOW), [Refusal(Reason.COUPON_EXPIRED, {"ended_at": "2026-07-01T10:00:00Z"})]),
        ],
    )
    def test_each_refusal(self, coupon: Coupon, refusals: list[Refusal]) -> None:
        """With what is needed to act on it."""
        assert coupon.check("m-42", at=NOW) == Refused(refusals)

    def test_what_may_be_redeemed(self) -> None:
        """By its holder; of no holder by anybody, a guest too."""
        assert granted().check("m-42", at=NOW) == Accepted(granted())
        for member_id in ("m-42", None):
            assert granted(None).check(member_id, at=NOW) == Accepted(granted(None))
            assert batch().check(member_id, at=NOW) == Accepted(batch())
        assert reasons(granted(), None) == ["coupon_member_mismatch"]
        for coupon in (granted(ends_at=None), granted(starts_at=NOW, ends_at=None)):
            assert coupon.check("m-42", at=END + 9999 * HOUR) == Accepted(coupon)

    def test_bounds(self) -> None:
        """The first instant is inside, the last outside."""
        coupon = granted(starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR)
        found = [reasons(coupon, at=NOW + HOUR + shift) for shift in (-TICK, 0 * TICK, HOUR - TICK, HOUR)]
        assert found == [["coupon_not_started"], [], [], ["coupon_expired"]]

    def test_all_that_is_so_is_told(self) -> None:
        """In the order of reasons, whoever asks."""
        coupon = revoked(redeemed(granted(), "1"))
        late = coupon.redeem("2", member_id="m-42", late=True, at=NOW).state
        assert reasons(late, "m-1", at=END) == [
            "coupon_revoked",
            "coupon_member_mismatch",
            "coupon_redeemed",
            "coupon_redeemed",
            "coupon_expired",
        ]

    def test_its_own_order_does_not_stand_in_the_way(self) -> None:
        """What the order holds is its own; what another holds is not."""
        for coupon in (reserved(granted()), redeemed(granted())):
            assert reasons(coupon, order_id="1") == []
            assert len(reasons(coupon, order_id="2")) == 1

    def test_a_reservation_frees_itself(self) -> None:
        """At its end another order may have it."""
        assert reasons(reserved(granted()), at=NOW + 2 * HOUR - TICK) == ["coupon_reserved"]
        assert reasons(reserved(granted()), at=NOW + 2 * HOUR) == []


class TestGrant:
    def test_fact(self) -> None:
        """Who gave what to whom, why, and from when to when."""
        posting = Coupon.issued("sorry/t-1").grant(
            "sorry", holder="m-42", ref="t-1", starts_at=NOW, ends_at=END, actor="ann", at=NOW
        )
        fact = CouponGranted(
            coupon_id="sorry/t-1",
            campaign_id="sorry",
            holder="m-42",
            starts_at=NOW,
            ends_at=END,
            ref="t-1",
            actor="ann",
            at=NOW,
        )
        assert (posting.facts, posting.stream, posting.version) == ((fact,), "coupon/sorry/t-1", 0)
        assert posting.state == Coupon(
            coupon_id="sorry/t-1",
            version=1,
            campaign_id="sorry",
            holder="m-42",
            starts_at=NOW,
            ends_at=END,
            ref="t-1",
            is_granted=True,
        )

    def test_bearer(self) -> None:
        """For whoever has the code: for nobody by name."""
        coupon = Coupon.issued("c").grant("sorry", holder=None, ref="t-1", at=NOW).state
        assert (coupon.holder, coupon.starts_at, coupon.ends_at, coupon.is_granted) == ("", None, None, True)

    def test_again_changes_nothing(self) -> None:
        """The same reference names the same coupon, whatever became of it, and whatever its dates would be now."""
        for coupon in (granted(), redeemed(granted()), revoked(granted())):
            again = coupon.grant("sorry", holder="m-42", ref="t-1", ends_at=None, at=NOW + HOUR)
            assert (again.facts, again.state) == ((), coupon)
        bearer = granted(None)
        assert bearer.grant("sorry", holder=None, ref="t-1", at=NOW).facts == ()

    @pytest.mark.parametrize(
        "coupon,said,fields",
        [
            (granted(), {"ref": "t-2"}, ("ref",)),
            (granted(), {"campaign_id": "welcome"}, ("campaign",)),
            (granted(), {"holder": "m-1"}, ("holder",)),
            (granted(), {"holder": None}, ("holder",)),
            (granted(), {"campaign_id": "welcome", "holder": None, "ref": "t-2"}, ("ref", "campaign", "holder")),
            (redeemed(batch()), {"campaign_id": "welcome", "holder": None}, ("ref",)),
        ],
    )
    def test_for_something_else_it_is_refused(self, coupon: Coupon, said: dict[str, str | None], fields: tuple[str, ...]) -> None:
        """A coupon is given once; the fields that differ are named."""
        asked: dict[str, str | None] = {"campaign_id": "sorry", "holder": "m-42", "ref": "t-1", **said}
        campaign_id, ref = str(asked["campaign_id"]), str(asked["ref"])
        refusal = refused(lambda: coupon.grant(campaign_id, holder=asked["holder"], ref=ref, at=NOW))
        assert refusal == Refusal(Reason.KEY_REUSED, {"key": f"grant:{ref}", "fields": fields})

    def test_what_is_refused(self) -> None:
        """Names that are none, and a window in which nothing lies."""
        coupon = Coupon.issued("c")
        wrong: list[dict[str, Any]] = [
            {"campaign_id": "a b"},
            {"holder": ""},
            {"ref": ""},
            {"actor": "x" * 201},
            {"starts_at": NOW, "ends_at": NOW},
            {"at": datetime(2026, 7, 1)},  # noqa: DTZ001
        ]
        for said in wrong:
            with pytest.raises(UsageError):
                coupon.grant(**{"campaign_id": "a", "holder": None, "ref": "t", "at": NOW, **said})
        assert granted().grant("sorry", holder="m-42", ref="t-1", at=NOW).facts == ()
        with pytest.raises(UsageError, match=r"^ref"):
            granted().grant("sorry", holder="m-42", ref="", at=NOW)


class TestReserve:
    def test_fact(self) -> None:
        """Which order, and until when."""
        posting = batch().reserve("1", member_id=None, until=NOW + HOUR, at=NOW)
        fact = CouponReserved(coupon_id=CODE, campaign_id="welcome", order_id="1", until=NOW + HOUR, at=NOW)
        assert posting.facts == (fact,)
        assert posting.state.uses == {"1": CouponUse(state=UseState.RESERVED, at=NOW, until=NOW + HOUR)}

    def test_again(self) -> None:
        """As long or shorter changes nothing, whatever happened to the coupon meanwhile; longer is told."""
        held = reserved(granted())
        for coupon in (held, revoked(held)):
            for until in (NOW + HOUR, NOW + 2 * HOUR):
                assert coupon.reserve("1", member_id="m-42", until=until, at=NOW).facts == ()
        ended = reserved(granted(), hours=48)
        assert ended.reserve("1", member_id="m-42", until=NOW + 48 * HOUR, at=END).facts == ()
        longer = held.reserve("1", member_id="m-42", until=NOW + 2 * HOUR + TICK, at=NOW)
        assert longer.state.uses["1"].until == NOW + 2 * HOUR + TICK
        assert refused(lambda: revoked(held).reserve("1", member_id="m-42", until=END, at=NOW)).reason is Reason.COUPON_REVOKED

    def test_one_that_it_redeemed(self) -> None:
        """What is used up by the order needs not be set aside for it."""
        assert redeemed(granted()).reserve("1", member_id="m-42", until=END, at=NOW).facts == ()

    def test_after_its_time_has_run_out(self) -> None:
        """It may be set aside once more, by this order or another."""
        later = NOW + 2 * HOUR
        for order_id in ("1", "2"):
            again = reserved(granted()).reserve(order_id, member_id="m-42", until=later + HOUR, at=later)
            assert again.state.uses[order_id].holds(later)

    def test_after_it_was_given_back(self) -> None:
        """It may be set aside once more."""
        back = reserved(granted()).release("1", at=NOW).state
        assert reserved(back).status(at=NOW) is CouponStatus.RESERVED

    def test_naive_times(self) -> None:
        """Are refused, whatever the order has already."""
        naive = datetime(2026, 7, 1)  # noqa: DTZ001
        for coupon in (granted(), redeemed(granted()), reserved(granted())):
            for name in ("until", "at"):
                said: dict[str, Any] = {"until": END, "at": NOW, name: naive}
                with pytest.raises(UsageError, match=f"^{name} must be"):
                    coupon.reserve("1", member_id="m-42", **said)
            with pytest.raises(UsageError, match=r"^at must be"):
                coupon.redeem("1", member_id="m-42", at=naive)

    def test_refusals(self) -> None:
        """What may not be redeemed may not be set aside."""
        assert refused(lambda: reserved(reserved(granted()), "2")).reason is Reason.COUPON_RESERVED
        assert refused(lambda: reserved(granted("m-1"))).reason is Reason.COUPON_MEMBER_MISMATCH
        assert refused(lambda: reserved(Coupon.issued("c"))).reason is Reason.COUPON_NOT_FOUND
        for until in (NOW, NOW - TICK):
            with pytest.raises(UsageError, match=r"^until must be after 2026-07-01T10:00:00Z, got 2026-07-01T"):
                granted().reserve("1", member_id="m-42", until=until, at=NOW)
        with pytest.raises(UsageError, match=r"^order_id"):
            granted().reserve("", member_id="m-42", until=END, at=NOW)


class TestRedeem:
    def test_fact(self) -> None:
        """Which order; in time, so not late."""
        posting = batch().redeem("1", member_id=None, at=NOW)
        assert posting.facts == (CouponRedeemed(coupon_id=CODE, campaign_id="welcome", order_id="1", at=NOW),)
        assert posting.state.uses == {"1": CouponUse(state=UseState.REDEEMED, at=NOW)}

    def test_again_changes_nothing(self) -> None:
        """One order, one use; late or not."""
        used = redeemed(granted())
        for late in (False, True):
            assert used.redeem("1", member_id="m-1", late=late, at=END).facts == ()

    def test_what_was_set_aside_is_kept(self) -> None:
        """While the order holds it: taken back, ended or not, it has it in time."""
        for held in (reserved(granted()), revoked(reserved(granted())), reserved(granted(ends_at=NOW + HOUR))):
            posting = held.redeem("1", member_id="m-42", at=NOW + 2 * HOUR - TICK)
            assert [fact.late for fact in posting.facts if isinstance(fact, CouponRedeemed)] == [False]

    @pytest.mark.law(43)
    def test_a_paid_order_is_never_refused(self) -> None:
        """After its time, even where another order has used the coupon, and of one that nothing is known of: it says so."""
        later = NOW + 2 * HOUR
        taken = redeemed(reserved(granted()), "2", at=later)
        for coupon in (reserved(granted()), revoked(reserved(granted())), taken, Coupon.issued("c"), granted("m-1")):
            posting = coupon.redeem("1", member_id="m-42", late=True, at=later)
            assert [fact.late for fact in posting.facts if isinstance(fact, CouponRedeemed)] == [True]
            assert posting.state.status(at=later) is CouponStatus.REDEEMED
            assert posting.state.uses["1"] == CouponUse(state=UseState.REDEEMED, at=later, late=True)
            assert [fact.campaign_id for fact in posting.facts if isinstance(fact, CouponRedeemed)] == [coupon.campaign_id or ""]
        both = taken.redeem("1", member_id="m-42", late=True, at=later).state
        assert [order for order, use in both.uses.items() if use.holds(later)] == ["1", "2"]
        assert Coupon.issued("c").redeem("1", member_id=None, late=True, at=NOW).state.campaign_id is None

    def test_late_while_it_is_still_held_is_not_late(self) -> None:
        """Nobody lost anything."""
        posting = reserved(granted()).redeem("1", member_id="m-42", late=True, at=NOW + HOUR)
        assert posting.state.uses["1"] == CouponUse(state=UseState.REDEEMED, at=NOW + HOUR)

    def test_refusals(self) -> None:
        """As check says; after the reservation's end it is asked anew."""
        later = NOW + 2 * HOUR
        assert refused(lambda: redeemed(redeemed(granted()), "2")).reason is Reason.COUPON_REDEEMED
        assert refused(lambda: redeemed(revoked(reserved(granted())), at=later)).reason is Reason.COUPON_REVOKED
        assert refused(lambda: redeemed(granted(), at=END)).reason is Reason.COUPON_EXPIRED
        assert redeemed(reserved(granted()), at=later).uses["1"].late is False
        with pytest.raises(UsageError, match=r"^late"):
            granted().redeem("1", member_id="m-42", late=1, at=NOW)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=r"^order_id"):
            granted().redeem("", member_id="m-42", at=NOW)

    def test_again_after_it_was_given_back(self) -> None:
        """The same order may use it once more."""
        back = redeemed(granted()).release("1", at=NOW).state
        assert redeemed(back).status(at=NOW) is CouponStatus.REDEEMED


class TestRelease:
    @pytest.mark.law(33)
    def test_restores_exactly_one_use(self) -> None:
        """Of the order that had it; the other keeps its own."""
        both = redeemed(granted(), "1").redeem("2", member_id="m-42", late=True, at=NOW).state
        one = both.release("1", at=NOW).state
        assert [order for order, use in one.uses.items() if use.holds(NOW)] == ["2"]
        assert one.release("1", at=NOW).facts == ()
        assert one.release("2", at=NOW).state.status(at=NOW) is CouponStatus.GRANTED

    def test_fact(self) -> None:
        """Which order."""
        posting = reserved(granted()).release("1", at=NOW)
        assert posting.facts == (CouponReleased(coupon_id="sorry/t-1", order_id="1", at=NOW),)
        assert posting.state.uses == {"1": CouponUse(state=UseState.RELEASED, at=NOW)}
        assert posting.state.status(at=NOW) is CouponStatus.GRANTED

    def test_an_order_that_does_not_have_it(self) -> None:
        """Nothing changes."""
        assert granted().release("1", at=NOW).facts == ()
        assert reserved(granted()).release("2", at=NOW).facts == ()
        with pytest.raises(UsageError, match=r"^order_id"):
            granted().release("", at=NOW)
        with pytest.raises(UsageError, match=r"^at must be"):
            granted().release("1", at=datetime(2026, 7, 1))  # noqa: DTZ001


class TestRevoke:
    def test_once(self) -> None:
        """By whom and why; again nothing changes, and the first time counts."""
        posting = granted().revoke(reason="misprint", actor="ann", at=NOW)
        assert posting.facts == (CouponRevoked(coupon_id="sorry/t-1", reason="misprint", actor="ann", at=NOW),)
        assert (posting.state.revoked_at, posting.state.revoked_by, posting.state.revoked_reason) == (NOW, "ann", "misprint")
        assert posting.state.revoke(reason="again", actor="bob", at=END).facts == ()
        twice = posting.state.folded([attrs.evolve(posting.facts[0], at=END)])
        assert (twice.revoked_at, twice.revoked_by, twice.version) == (NOW, "ann", 3)

    def test_what_is_refused(self) -> None:
        """Text that is none."""
        wrong: list[dict[str, Any]] = [{"reason": 5, "actor": ""}, {"reason": "", "actor": "x" * 201}]
        for coupon in (granted(), revoked(granted())):
            for said in wrong:
                with pytest.raises(UsageError):
                    coupon.revoke(**said, at=NOW)


class TestState:
    def test_what_is_refused(self) -> None:
        """Ids that are none, a version below nothing, an empty window, naive times."""
        wrong: list[dict[str, Any]] = [
            {"coupon_id": ""},
            {"version": -1},
            {"campaign_id": "a b"},
            {"holder": "\n"},
            {"ends_at": NOW, "starts_at": NOW},
            {"ends_at": NOW, "starts_at": END},
            {"ends_at": datetime(2026, 7, 1)},  # noqa: DTZ001
        ]
        for said in wrong:
            with pytest.raises(UsageError, match=f"^{next(iter(said))} must be"):
                Coupon(**{"coupon_id": "c", **said})

    def test_windows_that_are_open(self) -> None:
        """At either end, or both; a reservation without an end holds."""
        coupon = Coupon.issued("c", campaign_id="a", starts_at=NOW, ends_at=END)
        assert (coupon.starts_at, coupon.ends_at, coupon.campaign_id) == (NOW, END, "a")
        assert Coupon.issued("c", starts_at=NOW).status(at=END) is CouponStatus.ISSUED
        assert Coupon.issued("c", ends_at=END).status(at=END) is CouponStatus.EXPIRED
        assert CouponUse(state=UseState.RESERVED, at=NOW).holds(END)

    def test_instants_are_kept_in_utc(self) -> None:
        """Whatever the clocks they were told in."""
        paris = timezone(2 * HOUR)
        coupon = Coupon.issued("c", starts_at=NOW.astimezone(paris), ends_at=END.astimezone(paris))
        assert coupon == Coupon.issued("c", starts_at=NOW, ends_at=END)
        assert coupon.starts_at is not None
        assert coupon.starts_at.tzinfo is UTC

    def test_ids_are_masked(self) -> None:
        """They lead to the code of whoever has it."""
        for value in (batch(), RedeemedCoupon(campaign_id="welcome", coupon_id=CODE), ReadCode(coupon=batch())):
            assert CODE not in repr(value)
            assert "velo…" in repr(value)

    @pytest.mark.parametrize(
        "facts",
        [
            [CouponGranted(coupon_id="d", campaign_id="sorry", at=NOW)],
            [CouponRevoked(coupon_id="c", at=NOW), CouponGranted(coupon_id="c", campaign_id="sorry", at=NOW)],
            [CouponReleased(coupon_id="c", order_id="1", at=NOW)],
            [CampaignStopped(campaign_id="c", at=NOW)],
        ],
    )
    def test_facts_that_cannot_follow(self, facts: list[Fact]) -> None:
        """Are told, with the id and the kind."""
        with pytest.raises(CorruptStateError, match=f"^coupon 'c' cannot go on with '{facts[-1].kind}'"):
            Coupon.replay("c", facts)

    def test_a_batch_of_which_only_uses_are_stored(self) -> None:
        """The campaign comes from the first use, and stays."""
        used = [
            CouponReserved(coupon_id="c", campaign_id="welcome", order_id="1", until=END, at=NOW),
            CouponRedeemed(coupon_id="c", campaign_id="other", order_id="1", at=NOW),
        ]
        assert Coupon.replay("c", used).campaign_id == "welcome"
        assert Coupon.replay("c", [*used[1:], *used[:1]]).campaign_id == "other"
        assert Coupon.issued("c", campaign_id="sorry").folded(used).campaign_id == "sorry"

    @pytest.mark.parametrize("coupon", [batch(), granted(), revoked(reserved(redeemed(granted()).release("1", at=NOW).state))])
    def test_round_trip(self, coupon: Coupon) -> None:
        """As JSON values and back; anything else is told."""
        assert Coupon.from_dict(coupon.to_dict()) == coupon
        for data in ({}, {**coupon.to_dict(), "version": -1}, {**coupon.to_dict(), "uses": 5}):
            with pytest.raises(CorruptStateError):
                Coupon.from_dict(data)

    def test_what_a_code_came_to(self) -> None:
        """A coupon or a refusal: one of the two."""
        refusal = Refusal(Reason.CODE_UNKNOWN)
        assert ReadCode(coupon=batch(), proven=True).proven
        assert ReadCode(refusal=refusal).coupon is None
        for said in ({}, {"coupon": batch(), "refusal": refusal}):
            with pytest.raises(UsageError, match=r"^a code that was read must come to a coupon or to a refusal"):
                ReadCode(**said)  # type: ignore[arg-type]


ORDERS = st.sampled_from(["1", "2", "3"])
MEMBERS = st.sampled_from(["m-42", "m-43", None])
HOURS = st.integers(1, 12)


class CouponMachine(RuleBasedStateMachine):
    """One coupon, three orders and a clock, beside a model that knows nothing of facts."""

    @initialize(
        kind=st.sampled_from(["batch", "granted", "to be granted"]),
        holder=st.sampled_from(["m-42", None]),
        starts=st.none() | st.integers(-5, 5),
        ends=st.none() | st.integers(6, 30),
    )
    def begin(self, *, kind: str, holder: str | None, starts: int | None, ends: int | None) -> None:
        """One of a batch, one that was given, or one that will be."""
        self.at = NOW
        self.holder, self.known = holder if kind == "granted" else None, kind != "to be granted"
        self.starts_at = None if starts is None else NOW + starts * HOUR
        self.ends_at = None if ends is None else NOW + ends * HOUR
        self.revoked = False
        self.reserved: dict[str, datetime] = {}
        self.redeemed: list[str] = []
        self.facts: list[Fact] = []
        if kind == "batch":
            self.first = Coupon.issued("c", campaign_id="sorry", starts_at=self.starts_at, ends_at=self.ends_at)
            self.coupon = self.first
        else:
            self.first = self.coupon = Coupon.issued("c")
        if kind == "granted":
            self.grant(holder=holder)

    def keep(self, posting: Posting[Coupon]) -> int:
        """Keep a posting; say how many facts it has."""
        assert posting.version == self.coupon.version
        assert self.coupon.folded(posting.facts) == posting.state
        self.coupon = posting.state
        self.facts += posting.facts
        return len(posting.facts)

    def holds(self, order_id: str) -> bool:
        """Say whether an order has the coupon."""
        return order_id in self.redeemed or (order_id in self.reserved and self.at < self.reserved[order_id])

    def others_hold(self, order_id: str) -> bool:
        """Say whether another order has it."""
        return any(self.holds(other) for other in ("1", "2", "3") if other != order_id)

    def allowed(self, member_id: str | None, order_id: str) -> bool:
        """Say whether it may be redeemed."""
        in_time = (self.starts_at is None or self.starts_at <= self.at) and (self.ends_at is None or self.at < self.ends_at)
        mine = self.holder is None or self.holder == member_id
        return self.known and in_time and mine and not self.revoked and not self.others_hold(order_id)

    def refused(self, act: Callable[[], object]) -> None:
        """Demand a refusal, and no trace of it."""
        before = self.coupon
        with pytest.raises(RefusedError):
            act()
        assert self.coupon == before

    @rule(hours=HOURS)
    def wait(self, hours: int) -> None:
        """Let time go by."""
        self.at += hours * HOUR

    @precondition(lambda self: not self.known and not self.facts)
    @rule(holder=st.sampled_from(["m-42", None]))
    def grant(self, holder: str | None) -> None:
        """Give it to somebody."""
        said = {"holder": holder, "ref": "t-1", "starts_at": self.starts_at, "ends_at": self.ends_at, "at": self.at}
        assert self.keep(self.coupon.grant("sorry", **said)) == 1  # type: ignore[arg-type]
        assert self.keep(self.coupon.grant("sorry", **said)) == 0  # type: ignore[arg-type]
        self.known, self.holder = True, holder

    @rule(order_id=ORDERS, member_id=MEMBERS, hours=HOURS)
    def reserve(self, order_id: str, member_id: str | None, hours: int) -> None:
        """Set it aside."""
        until = self.at + hours * HOUR
        held = order_id in self.redeemed or (self.holds(order_id) and self.reserved[order_id] >= until)
        if held:
            assert self.keep(self.coupon.reserve(order_id, member_id=member_id, until=until, at=self.at)) == 0
        elif self.allowed(member_id, order_id):
            assert self.keep(self.coupon.reserve(order_id, member_id=member_id, until=until, at=self.at)) == 1
            assert self.keep(self.coupon.reserve(order_id, member_id=member_id, until=until, at=self.at)) == 0
            self.reserved[order_id] = until
        else:
            self.refused(lambda: self.coupon.reserve(order_id, member_id=member_id, until=until, at=self.at))

    @rule(order_id=ORDERS, member_id=MEMBERS, late=st.booleans())
    def redeem(self, order_id: str, member_id: str | None, *, late: bool) -> None:
        """Use it up, in time or because it was paid late."""
        if order_id in self.redeemed:
            assert self.keep(self.coupon.redeem(order_id, member_id=member_id, late=late, at=self.at)) == 0
        elif late or (self.holds(order_id) and self.known) or self.allowed(member_id, order_id):
            in_time = self.holds(order_id) or not late
            assert self.keep(self.coupon.redeem(order_id, member_id=member_id, late=late, at=self.at)) == 1
            assert self.coupon.uses[order_id].late is not in_time
            self.reserved.pop(order_id, None)
            self.redeemed.append(order_id)
        else:
            self.refused(lambda: self.coupon.redeem(order_id, member_id=member_id, at=self.at))

    @rule(order_id=ORDERS)
    def release(self, order_id: str) -> None:
        """Give it back: exactly one use, of this order."""
        had = [other for other in ("1", "2", "3") if self.holds(other)]
        touched = order_id in self.redeemed or order_id in self.reserved
        assert self.keep(self.coupon.release(order_id, at=self.at)) == int(touched)
        assert self.keep(self.coupon.release(order_id, at=self.at)) == 0
        self.reserved.pop(order_id, None)
        self.redeemed = [other for other in self.redeemed if other != order_id]
        assert [other for other in ("1", "2", "3") if self.holds(other)] == [other for other in had if other != order_id]

    @rule()
    def revoke(self) -> None:
        """Take it back."""
        assert self.keep(self.coupon.revoke(reason="", actor="ann", at=self.at)) == int(not self.revoked)
        self.revoked = True

    @invariant()
    def same_answers(self) -> None:
        """What the model says is what the coupon says, of every order and member."""
        for order_id in ("1", "2", "3"):
            use = self.coupon.uses.get(order_id)
            assert (use is not None and use.holds(self.at)) is self.holds(order_id)
            for member_id in ("m-42", None):
                answer = self.coupon.check(member_id, order_id=order_id, at=self.at)
                assert isinstance(answer, Accepted) is self.allowed(member_id, order_id)

    @invariant()
    def at_most_one_but_for_late_ones(self) -> None:
        """Besides orders that were paid late, one order at most holds it."""
        holding = [use for use in self.coupon.uses.values() if use.holds(self.at) and not use.late]
        late = [use for use in self.coupon.uses.values() if use.holds(self.at) and use.late]
        assert len(holding) <= 1 or late
        assert (self.coupon.status(at=self.at) is CouponStatus.REDEEMED) is bool(self.redeemed)

    @invariant()
    def facts_are_the_state(self) -> None:
        """All facts folded, on what is known without them, give it; so does what is stored of it."""
        assert self.first.folded(self.facts) == self.coupon
        assert Coupon.from_dict(self.coupon.to_dict()) == self.coupon


TestLife = pytest.mark.law(33)(CouponMachine.TestCase)
