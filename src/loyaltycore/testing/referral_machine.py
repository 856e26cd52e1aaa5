"""A state machine for referrals: Hypothesis lets friends join, order, bring back, and time pass, and compares with counting.

``ReferralMachine`` drives ``Loyalty`` over your repository. Now and then an answer is lost: what was asked was kept, or not, and
the same call is made again. Run it to see that a friend is rewarded for once however often anything is asked, and that whoever
comes back leaves no trace.

Invariants, after each step:
    1. A friend counts with one advocate at most, exactly while his own referral says so, and never with himself.
    2. An advocate has what his ladders give for so many friends as stand, up to the limit, and nothing else.

In the end, when all that is due was done:
    3. Exactly the friends count of whom an order was kept that is enough.

>>> from hypothesis import settings
>>> from hypothesis.stateful import run_state_machine_as_test
>>> from loyaltycore.store.memory import MemoryRepository
>>> class MyMachine(ReferralMachine):
...     make_repository = MemoryRepository
>>> few = settings(max_examples=3, stateful_step_count=10, deadline=None, database=None)
>>> run_state_machine_as_test(MyMachine, settings=few)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, TypeVar, final

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from loyaltycore.basket import Basket, Line
from loyaltycore.benefits import AmountOff, BonusPoints, Per, PercentOff
from loyaltycore.conditions import spend_at_least
from loyaltycore.errors import OutcomeUnknownError
from loyaltycore.facts import Change, Command
from loyaltycore.ladders import Ladder
from loyaltycore.periods import Period
from loyaltycore.program import Program
from loyaltycore.quantities import Money
from loyaltycore.referrals import PayOut, Referral, ReferralProgram, ReferralStatus, RewardBenefit
from loyaltycore.repositories import Repository
from loyaltycore.services import Loyalty

__all__ = ["ReferralMachine"]

FIRST_DAY: Final = datetime(2026, 1, 1, 9, tzinfo=UTC)
DAY: Final = timedelta(days=1)

_T = TypeVar("_T")

_FRIENDS: Final = ("f-1", "f-2", "f-3", "f-4", "f-5", "f-6")
_ADVOCATES: Final = ("ann", "ben", "f-1")
_PEOPLE: Final = ("ann", "ben", *_FRIENDS)
_BELL: Final = Money.of("20.00", "EUR")
_ENOUGH: Final = 2
"""Bells of an order that is enough to qualify a friend."""

_LIMIT: Final = 2
_AFTER: Final = 5
_RETURNS: Final = 60 * DAY

_LADDER: Final[dict[int, RewardBenefit]] = {
    1: BonusPoints(100, expires=None),
    2: AmountOff(Money.of("15.00", "EUR"), per=Per.BASKET),
}
_EXACT: Final[dict[int, RewardBenefit]] = {2: PayOut(Money.of("5.00", "EUR"))}
_BROUGHT: Final = (Counter(points=100), Counter(coupons=1, payouts=1))
"""What the first and the second friend bring; a third is over the limit."""

_SHOP: Final = attrs.evolve(
    Program.parse("""
program = { name = "machine", version = 1, currency = "EUR", zone = "UTC", starts_on = 2026-01-01, returns = "60 days" }
stacking = { mode = "best" }
"""),
    referrals=ReferralProgram(
        "friends",
        codes="F-####-####",
        qualifies=spend_at_least(_BELL * _ENOUGH),
        friend=PercentOff("10"),
        advocate=Ladder.of(_LADDER),
        advocate_at=Ladder.of(_EXACT),
        after=Period(days=_AFTER),
        limit_in_all=_LIMIT,
    ),
)


@final
class _Losing:
    """A repository of which some answers are lost: of commits that were kept, and of some that were not."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.losses: list[bool] = []

    def __getattr__(self, name: str) -> object:
        """Be the repository in all else."""
        return getattr(self.repository, name)

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Keep it and lose the answer, or lose it on the way; or keep it and say so."""
        lost = self.losses.pop() if self.losses else None
        if lost is not False:
            self.repository.commit(command, changes)
        if lost is not None:
            msg = "the line broke"
            raise OutcomeUnknownError(msg)


@final
@attrs.frozen
class _Bought:
    """What the naive model knows of an order."""

    friend_id: str
    at: datetime
    units: int
    returns: int = 0


class ReferralMachine(RuleBasedStateMachine):
    """``Loyalty`` over a repository: friends join, order and bring back, and the shop looks now and then at what is due.

    Set ``make_repository`` to a factory of a ``Repository``; one that can list its streams is not needed.
    """

    make_repository: ClassVar[Callable[[], Repository]]
    """Makes what the shop keeps its books in, once for each run; closed after it where it has ``close``."""

    def __init__(self) -> None:
        """Open the shop, and give everybody a code."""
        super().__init__()
        self.clock: datetime = FIRST_DAY
        self._repository = _Losing(type(self).make_repository())
        repository: Any = self._repository
        self._shop = Loyalty(_SHOP, repository, clock=lambda: self.clock)
        self._codes = {name: self._shop.referrals.code(name).code for name in _ADVOCATES}
        self._advocates: dict[str, str] = {}
        self._orders: dict[str, _Bought] = {}

    @initialize(came=st.lists(st.tuples(st.sampled_from(("ann", "ann", "ben")), st.integers(0, 5)), min_size=4, max_size=5))
    def begin(self, came: list[tuple[str, int]]) -> None:
        """Let some friends come, order enough and be rewarded for: otherwise many a run would never see a reward."""
        for friend_id, (advocate_id, days) in zip(_FRIENDS, came, strict=False):
            self.wait(days)
            self.join(friend_id, advocate_id, [])
            self.order(friend_id, _ENOUGH, [])
        self.wait(_AFTER)
        self.sweep([], len(came))

    @rule(days=st.integers(1, 12))
    def wait(self, days: int) -> None:
        """Let time pass."""
        self.clock += days * DAY

    @rule(friend_id=st.sampled_from(_PEOPLE), advocate_id=st.sampled_from(_ADVOCATES), losses=st.lists(st.booleans(), max_size=2))
    def join(self, friend_id: str, advocate_id: str, losses: list[bool]) -> None:
        """Sign up with a code, one's own too, and again with another one."""
        self._again(losses, lambda: self._shop.join(friend_id, referral_code=self._codes[advocate_id]))
        is_customer = any(one.friend_id == friend_id for one in self._orders.values())
        is_circular = self._advocates.get(advocate_id) == friend_id
        has_room = self._standing(advocate_id) < _LIMIT
        if friend_id not in self._advocates and friend_id != advocate_id and not (is_customer or is_circular) and has_room:
            self._advocates[friend_id] = advocate_id
        found = self._shop.referrals.of(friend_id)
        _check(found.advocate_id == self._advocates.get(friend_id), "whoever came first brought the friend", friend=friend_id)

    @rule(friend_id=st.sampled_from(_FRIENDS), units=st.integers(1, 3), losses=st.lists(st.booleans(), max_size=1))
    def order(self, friend_id: str, units: int, losses: list[bool]) -> None:
        """Order too little, or enough."""
        order_id = f"o-{len(self._orders)}"
        quote = self._shop.quote(Basket([Line("bell", _BELL, units)]), member_id=friend_id)
        self._again(losses, lambda: self._shop.place(quote, order_id=order_id))
        self._orders[order_id] = _Bought(friend_id, self.clock, units)

    @rule(number=st.integers(0, 30), units=st.sampled_from((1, 3, 3)), losses=st.lists(st.booleans(), max_size=2))
    def bring_back(self, number: int, units: int, losses: list[bool]) -> None:
        """Bring some of an order back, within its time."""
        kept = [(name, one) for name, one in self._orders.items() if one.units and self.clock < one.at + _RETURNS]
        for order_id, one in [kept[number % len(kept)]] if kept else []:
            back, return_id = min(units, one.units), f"r-{one.returns}"
            self._again(losses, lambda: self._shop.refund(order_id, return_id=return_id, lines={"bell": back}))  # noqa: B023
            self._orders[order_id] = attrs.evolve(one, units=one.units - back, returns=one.returns + 1)

    @rule(losses=st.lists(st.booleans(), max_size=2), limit=st.sampled_from((1, 9, 9)))
    def sweep(self, losses: list[bool], limit: int) -> None:
        """Look at what is due, or at the first of it; what failed is done the next time."""
        self._repository.losses = losses
        self._shop.sweep(limit)
        self._repository.losses = []

    @invariant()
    def keeps_the_laws(self) -> None:
        """Hold what everybody has against counting."""
        for advocate_id in _ADVOCATES:
            referrals = [self._shop.referrals.of(name) for name, by in self._advocates.items() if by == advocate_id]
            self._check_advocate(advocate_id, {one.friend_id: one for one in referrals})

    def teardown(self) -> None:
        """Do all that is due; then exactly those count who kept enough."""
        try:
            self.clock += 100 * DAY
            self._shop.sweep()  # there are fewer than one sweep does
            self.keeps_the_laws()
            for friend_id in self._advocates:
                kept = [one.units for one in self._orders.values() if one.friend_id == friend_id]
                counts = self._shop.referrals.of(friend_id).counts
                _check(counts is any(units >= _ENOUGH for units in kept), "who kept enough counts", friend=friend_id, kept=kept)
        finally:
            close = getattr(self._repository.repository, "close", None)
            if close is not None:
                close()

    def _check_advocate(self, advocate_id: str, brought: dict[str, Referral]) -> None:
        member = self._shop.membership(advocate_id)
        counting = {name for name, referral in brought.items() if referral.counts}
        _check(set(member.friends) == counting, "a friend counts where his referral says so", known=set(member.friends))
        numbers = sorted(friend.number for friend in member.friends.values() if friend.number)
        stands = min(len(counting), _LIMIT)
        _check(numbers == list(range(1, stands + 1)), "friends are numbered without a gap, up to the limit", numbers=numbers)
        kept_back = [one for one in brought.values() if one.status is ReferralStatus.REJECTED]
        _check(not kept_back or stands == _LIMIT, "a limit alone keeps a reward back", kept_back=kept_back)
        found = Counter(
            points=sum(lot.remaining for lot in member.ledger.lots.values()),
            coupons=sum(member.coupons[name].campaign_id == "friends-2" for name in member.coupons_at(self.clock)),
            payouts=sum(len(reward.payouts) for reward in member.rewards.values() if not reward.is_gone),
        )
        expected = sum(_BROUGHT[:stands], Counter[str]())
        _check(+found == expected, "an advocate has what the friends who stand bring", found=found, expected=expected)

    def _standing(self, advocate_id: str) -> int:
        return sum(friend.number > 0 for friend in self._shop.membership(advocate_id).friends.values())

    def _again(self, losses: list[bool], call: Callable[[], _T]) -> _T:
        """Make a call until it answers, and once more: the answers are the same."""
        self._repository.losses = losses
        while True:
            try:
                answer = call()
            except OutcomeUnknownError:
                continue
            break
        self._repository.losses = []
        _check(call() == answer, "the same call again answers the same", answer=answer)
        return answer


def _check(holds: bool, law: str, **seen: object) -> None:  # noqa: FBT001 - what is checked comes first, as after assert
    """Fail with what was seen when a law does not hold."""
    if not holds:
        msg = "; ".join([law, *(f"{name}: {value!r}" for name, value in seen.items())])
        raise AssertionError(msg)
