"""Strategies for what happens to points: calls on the accounts of two members, drawn one by one.

A call is plain values, so that it can be made on any account, and a failing history shrinks by losing calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final, Literal, TypeAlias, final

import attrs
from hypothesis import strategies as st

from loyaltycore._frozen import FrozenMap
from loyaltycore.errors import RefusedError
from loyaltycore.facts import Posting
from loyaltycore.ledger import BurnOrder, Overdraft, newest_first, oldest_first, soonest_expiry
from loyaltycore.periods import Lasting, Period, Term
from loyaltycore.points import PointsAccount

__all__ = [
    "FIRST_DAY",
    "FROM_RELEASE",
    "MEMBERS",
    "ORDERS",
    "SLIDING",
    "PointsCall",
    "Verb",
    "accounts_after",
    "points_accounts",
    "points_histories",
]

FIRST_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""Where histories without a program begin."""

MEMBERS: Final = ("m-42", "m-43")
"""Whose accounts the calls are made on; points go from one to the other."""

ORDERS: Final[Mapping[str, BurnOrder]] = {
    "soonest_expiry": soonest_expiry,
    "oldest_first": oldest_first,
    "newest_first": newest_first,
}
"""The burn orders by their names: a name can be read when a test fails."""

SLIDING: Final = Lasting(Term(Period(days=10)), "UTC", sliding=True)
FROM_RELEASE: Final = Lasting(Term(Period(days=5)), "UTC")

Verb: TypeAlias = Literal[
    "earn",
    "burn",
    "revoke",
    "refund_burn",
    "hold",
    "capture",
    "void",
    "transfer",
    "undo_transfer",
    "adjust_down",
    "reverse_adjustment",
    "release",
    "touch",
    "report_expired",
]

_OFTEN: Final[tuple[Verb, ...]] = (
    *("earn",) * 8,
    *("burn", "revoke", "refund_burn") * 3,
    *("hold", "capture", "transfer", "release") * 2,
    *("void", "undo_transfer", "adjust_down", "reverse_adjustment", "touch", "report_expired"),
)
"""Most often what leads somewhere: without points nothing can be taken, and nothing come back."""

_ORIGINS: Final[Mapping[Verb, tuple[Verb, ...]]] = {
    "release": ("earn",),
    "revoke": ("earn", "transfer"),
    "refund_burn": ("burn", "hold"),
    "capture": ("hold",),
    "void": ("hold",),
    "reverse_adjustment": ("adjust_down",),
    "undo_transfer": ("transfer",),
    **dict.fromkeys(("burn", "hold", "transfer", "adjust_down"), ("earn", "transfer")),
}
"""What must have happened before a call: what it comes back to, or what brought something to take."""

_TAKING: Final = ("burn", "hold", "transfer", "adjust_down")

_NAMES: Final = ("a", "b", "a/b", "é")
_EVENTS: Final = ("delivered", "paid")


@final
@attrs.frozen(kw_only=True)
class PointsCall:
    """One call of a verb on a points account, as plain values.

    Attributes:
        verb: Which.
        who: On whose account; of a transfer and its undoing, the giver's.
        ref: What it is called for; the second step of a hold and the undoing of a transfer have none of their own.
        of: What it comes back to: an earning, a burn, a hold, a transfer, an adjustment.
        points: How many; ``None``, for what comes back to something, is all that is left, and 1 otherwise.
        rule: Which rule earned the points; for a revocation, ``None`` is all rules.
        pending: How long earned points wait.
        life: How long they can be burned then; ``None`` for ever.
        awaits: The event that earned points wait for, and the one that a release is about.
        lasts: How their end is counted, if not by ``life``.
        until: How long a hold counts.
        order: By what burn order points are taken.
        extended: How long points live anew that go back to a lot that has expired; ``None`` leaves them there.
        overdraft: What happens when a revocation takes more than is left.
        at: When.
    """

    verb: Verb
    who: str = MEMBERS[0]
    ref: str = ""
    of: str = ""
    points: int | None = None
    rule: str | None = "base"
    pending: timedelta = timedelta()
    life: timedelta | None = None
    awaits: str = ""
    lasts: Lasting | None = None
    until: timedelta = timedelta(days=1)
    order: str = "soonest_expiry"
    extended: timedelta | None = None
    overdraft: Overdraft = Overdraft.CARRY
    at: datetime = FIRST_DAY

    @property
    def other(self) -> str:
        """The member on the other side of a transfer."""
        return MEMBERS[1] if self.who == MEMBERS[0] else MEMBERS[0]

    @property
    def opens_at(self) -> datetime:
        """The first instant at which what is earned can be burned, or the deadline of what it waits for."""
        return self.at + self.pending

    @property
    def ends_at(self) -> datetime | None:
        """The first instant at which what is earned no longer can."""
        return None if self.life is None or self.lasts is not None else self.opens_at + self.life

    @property
    def extended_until(self) -> datetime | None:
        """The end of what goes back to a lot that has expired."""
        return None if self.extended is None else self.at + self.extended

    def on(self, accounts: Mapping[str, PointsAccount]) -> tuple[Posting[PointsAccount], ...]:
        """Make the call.

        Args:
            accounts: By member; one that is not there is opened.

        Returns:
            What it posts: one posting, or the giver's and the taker's.

        Raises:
            RefusedError: As the verb says.
        """
        account, other = (accounts.get(member) or PointsAccount.open(member) for member in (self.who, self.other))
        match self.verb:
            case "transfer":
                moved = account.transfer(self.points or 1, to=other, ref=self.ref, at=self.at)
                return moved.giver, moved.taker
            case "undo_transfer":
                moved = account.undo_transfer(self.of, taker=other, at=self.at)
                return moved.giver, moved.taker
            case _:
                return (self._alone(account),)

    def _alone(self, account: PointsAccount) -> Posting[PointsAccount]:  # noqa: C901 - one case for each verb
        """Make a call that is about one account."""
        ref, points, at = self.ref, self.points or 1, self.at
        match self.verb:
            case "earn":
                return account.earn(
                    points,
                    ref=ref,
                    rule=self.rule or "base",
                    available_at=self.opens_at,
                    expires_at=self.ends_at,
                    awaits=self.awaits,
                    lasts=self.lasts,
                    at=at,
                )
            case "burn":
                return account.burn(points, ref=ref, order=ORDERS[self.order], at=at)
            case "revoke":
                return account.revoke(self.of, self.points, ref=ref, rule=self.rule, overdraft=self.overdraft, at=at)
            case "refund_burn":
                return account.refund_burn(self.of, self.points, ref=ref, extended_until=self.extended_until, at=at)
            case "hold":
                return account.hold(points, ref=ref, until=at + self.until, at=at)
            case "capture":
                return account.capture(self.of, self.points, at=at)
            case "void":
                return account.void(self.of, at=at)
            case "adjust_down":
                return account.adjust_down(points, ref=ref, reason="goodwill", actor="desk", at=at)
            case "reverse_adjustment":
                return account.reverse_adjustment(self.of, ref=ref, at=at)
            case "release":
                return account.release(self.of, event=self.awaits or _EVENTS[0], at=at)
            case "touch":
                return account.touch(ref=ref, at=at)
            case _:  # the one that is left: the others are about two accounts
                return account.report_expired(ref=ref, at=at)


def accounts_after(
    calls: Sequence[PointsCall], accounts: Mapping[str, PointsAccount] = FrozenMap[str, PointsAccount]()
) -> FrozenMap[str, PointsAccount]:
    """Make calls one by one; those that are refused leave nothing.

    Args:
        calls: In their order.
        accounts: Where they begin.

    Returns:
        The account of each member.
    """
    states = {member: accounts.get(member) or PointsAccount.open(member) for member in MEMBERS}
    for call in calls:
        try:
            postings = call.on(states)
        except RefusedError:
            continue
        states |= {posting.state.member_id: posting.state for posting in postings}
    return FrozenMap(states)


def _days(low: int, high: int) -> st.SearchStrategy[timedelta]:
    return st.integers(low, high).map(lambda count: timedelta(days=count))


def _earnings() -> st.SearchStrategy[PointsCall]:
    """Draw points that are earned: with an end or without, awaiting something or not."""
    earned = {
        "verb": st.just("earn"),
        "points": st.integers(1, 60),
        "rule": st.sampled_from(("base", "bonus")),
        "life": st.none() | _days(1, 40),
    }
    at_once = st.builds(PointsCall, **earned)
    awaiting = {"awaits": st.sampled_from(_EVENTS), "pending": _days(1, 12)}
    return st.one_of(
        *(at_once,) * 4,
        st.builds(PointsCall, **earned, pending=_days(0, 12)),
        st.builds(PointsCall, **earned, **awaiting),
        st.builds(PointsCall, **earned, pending=st.just(timedelta()) | _days(0, 12), lasts=st.just(SLIDING)),
        st.builds(PointsCall, **earned, **awaiting, lasts=st.sampled_from((FROM_RELEASE, SLIDING))),
    )


def _calls(overdrafts: st.SearchStrategy[Overdraft]) -> st.SearchStrategy[PointsCall]:
    """Draw a call without names and time; what it says of nothing to its verb stays as it is."""
    some, few = st.none() | st.integers(1, 40), st.integers(1, 20)
    verbs: dict[Verb, dict[str, st.SearchStrategy[object]]] = {
        "burn": {"points": few, "order": st.sampled_from(tuple(ORDERS))},
        "revoke": {"points": some, "rule": st.sampled_from((None, None, "base")), "overdraft": overdrafts},
        "refund_burn": {"points": st.none() | st.integers(1, 10), "extended": st.none() | _days(1, 30)},
        "hold": {"points": few, "until": _days(1, 20)},
        "capture": {"points": st.none() | few},
        "void": {},
        "transfer": {"points": few},
        "undo_transfer": {},
        "adjust_down": {"points": few},
        "reverse_adjustment": {},
        "release": {"awaits": st.sampled_from(_EVENTS)},
        "touch": {},
        "report_expired": {},
    }
    by_verb = {verb: st.builds(PointsCall, verb=st.just(verb), **fields) for verb, fields in verbs.items()}
    by_verb["earn"] = _earnings()
    return st.sampled_from(_OFTEN).flatmap(by_verb.__getitem__)


@final
@attrs.frozen(kw_only=True)
class _Step:
    """A call, and how it hangs together with those before it.

    Attributes:
        call: What; with no names and no time yet.
        who: On whose account, where it does not come back to anything.
        wait: How long after the one before it.
        back: How far back it is dated.
        place: To which of the calls before it comes back that it can come back to, counted from the last.
        name: Whether it has a name of its own, or that of the last call of its verb, or is the last call once more.
    """

    call: PointsCall
    who: str
    wait: timedelta
    back: timedelta
    place: int
    name: Literal["own", "known", "again"]

    def after(self, calls: Sequence[PointsCall], at: datetime) -> PointsCall:
        """Name the call and date it."""
        if self.name == "again" and calls:
            return attrs.evolve(calls[-1], at=at)
        call, verb = self.call, self.call.verb
        origins = [one for one in calls if one.verb in _ORIGINS.get(verb, ())]
        if verb in _ORIGINS and not origins and self.name == "own":
            # Nothing has happened yet that it could come back to, or take from: let that happen instead.
            call, verb = PointsCall(verb="earn", points=call.points or 25), "earn"
        known = [one.ref for one in calls if one.verb == verb]
        origin = origins[-1 - self.place % len(origins)] if origins else None
        return attrs.evolve(
            call,
            who=self.who if origin is None else _whose(verb, origin),
            ref=known[-1] if known and self.name == "known" else f"{_NAMES[len(calls) % len(_NAMES)]}{len(calls)}",
            of="" if verb not in _ORIGINS or verb in _TAKING else "nothing" if origin is None else origin.ref,
            at=at - self.back,
        )


def _whose(verb: Verb, origin: PointsCall) -> str:
    """Say whose account a call is about that comes after another: what was moved is the taker's to lose and to spend."""
    return origin.other if origin.verb == "transfer" and verb != "undo_transfer" else origin.who


def _dated(steps: Sequence[_Step]) -> tuple[PointsCall, ...]:
    clock, calls = FIRST_DAY, list[PointsCall]()
    for step in steps:
        clock += step.wait
        calls.append(step.after(calls, clock))
    return tuple(calls)


def points_histories(*, calls_limit: int = 12, overdraft: Overdraft | None = None) -> st.SearchStrategy[tuple[PointsCall, ...]]:
    """Draw calls on the points accounts of two members: some are backdated, some repeated, some will be refused.

    Args:
        calls_limit: The most calls drawn.
        overdraft: What every revocation says of debts; ``None`` draws it for each.

    Example:
        >>> from hypothesis import find
        >>> (call,) = find(points_histories(), lambda calls: len(calls) == 1)
        >>> call.verb
        'earn'
    """
    return _histories(calls_limit, overdraft)


@cache  # Hypothesis prepares a strategy when it is first drawn from: many draws share one
def _histories(calls_limit: int, overdraft: Overdraft | None) -> st.SearchStrategy[tuple[PointsCall, ...]]:
    step = st.builds(
        _Step,
        call=_calls(st.sampled_from(Overdraft) if overdraft is None else st.just(overdraft)),
        who=st.sampled_from((*MEMBERS[:1] * 5, MEMBERS[1])),
        wait=st.sampled_from((0, 0, 1, 3, 12)).map(lambda days: timedelta(days=days)),
        back=st.sampled_from((*[timedelta()] * 6, timedelta(days=15))),
        place=st.integers(0, 5),
        name=st.sampled_from((*("own",) * 8, "known", "again")),
    )
    # By itself Hypothesis makes few lists of more than ten, and what is wrong needs many calls now and then.
    some, many = (st.lists(step, min_size=least, max_size=calls_limit) for least in (0, calls_limit * 2 // 3))
    return st.one_of(some, many).map(_dated)


def points_accounts(*, calls_limit: int = 12, overdraft: Overdraft | None = None) -> st.SearchStrategy[PointsAccount]:
    """Draw accounts as calls leave them; refused calls leave nothing.

    Args:
        calls_limit: The most calls made.
        overdraft: What every revocation says of debts; ``None`` draws it for each.

    Example:
        >>> from hypothesis import find
        >>> find(points_accounts(), lambda account: account.version > 0).version
        1
    """
    return points_histories(calls_limit=calls_limit, overdraft=overdraft).map(lambda calls: accounts_after(calls)[MEMBERS[0]])
