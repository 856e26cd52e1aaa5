"""State machines: Hypothesis drives accounts and checkouts through what can happen, and checks the laws after each step.

Run ``PointsMachine`` to see that the library keeps its word, and ``RepositoryPointsMachine`` over your own repository to see
that what you store and read back is what was decided. ``CheckoutMachine`` drives ``Loyalty`` over your repository: orders with
codes for one order, a code of which there are few, and a gift card. They need the extra ``testing``, and run in pytest and
unittest alike.

Invariants of points, after each step:
    1. The books balance, and what lots paid for each other was received.
    2. What is available is never below nothing, and exactly that can be burned.
    3. A refusal leaves no trace, and the same call again gives no facts.
    4. What is held is set aside until it is captured, given up, or its time is over: nothing of it expires before.
    5. No lot holds more than was granted to it and not taken back; a report changes nothing.
    6. While nobody does anything, what is available changes only when a lot opens or ends, or a hold does.

In the end:
    7. All facts folded, or the first of them, give what was known then; a stored account is the account.
    8. Once every hold is given up, every burn, transfer and adjustment undone and every earning revoked, every lot and every
       debt is zero.

>>> from hypothesis import settings
>>> from hypothesis.stateful import run_state_machine_as_test
>>> few = settings(max_examples=3, stateful_step_count=10, deadline=None, database=None)
>>> run_state_machine_as_test(PointsMachine, settings=few)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import ClassVar, Final, TypeAlias, TypeVar, cast, final
from uuid import uuid4

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, invariant, multiple, rule

from loyaltycore.basket import Basket
from loyaltycore.benefits import PercentOff
from loyaltycore.coupons import CodeBook, CodeSpace, CouponCampaign, FreedBy, Limits, SecretKey, UseState
from loyaltycore.errors import Accepted, RefusedError
from loyaltycore.facts import Command, Fact, Posting
from loyaltycore.gift_cards import CardNumbers
from loyaltycore.identity import CounterId, Key, member_stream
from loyaltycore.ledger import Ledger, Overdraft, newest_first, oldest_first, soonest_expiry
from loyaltycore.memberships import Membership
from loyaltycore.periods import Lasting, Period, Term
from loyaltycore.points import POINTS, PointsAccount, Transferred
from loyaltycore.program import Program
from loyaltycore.quantities import Money
from loyaltycore.repositories import PointsAccountRepository, Repository
from loyaltycore.services import Attempts, Loyalty

__all__ = ["CheckoutMachine", "PointsMachine", "RepositoryPointsMachine"]

FIRST_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)
DAY: Final = timedelta(days=1)
TICK: Final = timedelta(microseconds=1)

STATUS: Final = "status"
"""The second account of a membership."""

SNAPSHOT_EVERY: Final = 8
"""Facts after which a state is kept, to be found again by a replay in the end."""

_T = TypeVar("_T")

Account: TypeAlias = PointsAccount | Membership
Answer: TypeAlias = Posting[Account]

_ORDERS: Final = (soonest_expiry, oldest_first, newest_first)
_SLIDING: Final = Lasting(Term(Period(days=10)), "UTC", sliding=True)
_FROM_RELEASE: Final = Lasting(Term(Period(days=5)), "UTC")
_EVENT: Final = "delivered"

_POINTS: Final = st.integers(1, 60)
_FEW: Final = st.integers(1, 20)
_SOME: Final = st.none() | st.integers(1, 40)
_DAYS: Final = st.integers(1, 15)
_LIFE: Final = st.none() | st.integers(1, 40)
_BACK: Final = st.sampled_from((0, 0, 0, 0, 2, 20))
_WHOSE: Final = st.integers(0, 3)


@final
@attrs.frozen
class _Wallet:
    """One account of one member."""

    member_id: str
    account: str


@final
@attrs.frozen
class _Named:
    """Something that happened in a wallet, by its name."""

    wallet: _Wallet
    ref: str


def _check(holds: bool, law: str, **seen: object) -> None:  # noqa: FBT001 - what is checked comes first, as after assert
    """Fail with what was seen when a law does not hold."""
    if not holds:
        msg = "; ".join([law, *(f"{name}: {value!r}" for name, value in seen.items())])
        raise AssertionError(msg)


class PointsMachine(RuleBasedStateMachine):
    """Two members, each a membership with a spendable and a status account, and everything that can happen to them.

    Give ``make_account`` another body to drive your own way to open accounts, and ``read`` and ``keep`` to drive your own way
    to store them; ``RepositoryPointsMachine`` does the latter for the two kinds of repositories.

    Example:
        >>> from hypothesis import settings
        >>> class CarriedOnly(PointsMachine):
        ...     overdrafts = (Overdraft.CARRY,)
        >>> TestPoints = CarriedOnly.TestCase  # pytest and unittest find it by this name
        >>> TestPoints.settings = settings(max_examples=500, stateful_step_count=60, deadline=None)
    """

    overdrafts: ClassVar[Sequence[Overdraft]] = tuple(Overdraft)
    """What revocations say of debts: one of these each time."""

    earnings: Bundle[_Named] = Bundle("earnings")
    burns: Bundle[_Named] = Bundle("burns")
    holds: Bundle[_Named] = Bundle("holds")
    adjustments: Bundle[_Named] = Bundle("adjustments")
    transfers: Bundle[_Named] = Bundle("transfers")

    def __init__(self) -> None:
        """Open the accounts."""
        super().__init__()
        self._raised_before = sys.exc_info()[1]
        self.clock: datetime = FIRST_DAY
        self._count = 0
        self._states: dict[str, Account] = {}
        self._facts: dict[str, list[Fact]] = {}
        self._known: dict[str, dict[int, Account]] = {}
        self._moved: set[str] = set()
        self._open_holds: dict[_Named, tuple[int, datetime]] = {}
        self._taken: dict[str, list[_Named]] = {"burn": [], "adjust": [], "transfer": []}
        self.begin()
        names = [self.new_member(), self.new_member()]
        for name in names:
            self._facts[name] = []
            self._known[name] = {0: self.read(name)}
        both = (POINTS, STATUS) if isinstance(self.read(names[0]), Membership) else (POINTS,)
        self._wallets = tuple(_Wallet(name, account) for name in names for account in both)
        self._moved.update(names)

    # ---- what a subclass may say ----

    def begin(self) -> None:
        """Make what the accounts are kept in; called once for each run."""

    def new_member(self) -> str:
        """Give the id of a member without points; ids never come back, so that runs may share one database."""
        return f"machine-{uuid4()}"

    def make_account(self, member_id: str) -> Account:
        """Open an account, a ``PointsAccount`` or a ``Membership``, with nothing in it."""
        return Membership.open(member_id)

    def read(self, member_id: str) -> Account:
        """Give a member's account as it is kept."""
        known = self._states.get(member_id)
        return self.make_account(member_id) if known is None else known

    def keep(self, posting: Answer) -> None:
        """Keep what was decided."""
        self._states[posting.state.member_id] = posting.state

    # ---- what can happen ----

    @rule(days=_DAYS)
    def wait(self, days: int) -> None:
        """Let time pass: nobody does anything, and holds and lots end."""
        before = self.clock
        self.clock += days * DAY
        for wallet in self._wallets:
            _check_quiet(self._account(wallet), before, self.clock)
        self._moved.update(self._facts)

    @rule(target=earnings, whose=_WHOSE, points=_POINTS, pending=st.sampled_from((0, 0, 3, 9)), life=_LIFE, back=_BACK)
    def earn(self, whose: int, points: int, pending: int, life: int | None, back: int) -> MultipleResults[_Named]:
        """Earn points with or without an end, at once or later."""
        at = self._at(back)
        opens_at = at + pending * DAY
        ends_at = None if life is None else opens_at + life * DAY
        name = self._name(self._wallets[whose % len(self._wallets)], "earn")
        return self._earned(
            name, lambda account: account.earn(points, ref=name.ref, available_at=opens_at, expires_at=ends_at, at=at)
        )

    @rule(target=earnings, whose=_WHOSE, points=_POINTS, back=_BACK)
    def earn_sliding(self, whose: int, points: int, back: int) -> MultipleResults[_Named]:
        """Earn points that end some days after the last activity."""
        at, name = self._at(back), self._name(self._wallets[whose % len(self._wallets)], "earn")
        return self._earned(name, lambda account: account.earn(points, ref=name.ref, expires_at=None, lasts=_SLIDING, at=at))

    @rule(target=earnings, whose=_WHOSE, points=_POINTS, within=_DAYS, counted=st.booleans(), back=_BACK)
    def earn_awaiting(self, whose: int, points: int, within: int, back: int, *, counted: bool) -> MultipleResults[_Named]:
        """Earn points that wait for an event."""
        at, name = self._at(back), self._name(self._wallets[whose % len(self._wallets)], "earn")
        return self._earned(
            name,
            lambda account: account.earn(
                points,
                ref=name.ref,
                available_at=at + within * DAY,
                expires_at=None,
                awaits=_EVENT,
                lasts=_FROM_RELEASE if counted else None,
                at=at,
            ),
        )

    @rule(earned=earnings, back=_BACK)
    def release(self, earned: _Named, back: int) -> None:
        """Let the event happen that points wait for."""
        at = self._at(back)
        self._do(earned.wallet, lambda account: account.release(earned.ref, event=_EVENT, at=at))

    @rule(target=burns, earned=earnings, points=_FEW, order=st.sampled_from(_ORDERS), back=_BACK)
    def burn(self, earned: _Named, points: int, order: Callable[..., object], back: int) -> MultipleResults[_Named]:
        """Burn points, if there are so many."""
        at, name = self._at(back), self._name(earned.wallet, "burn")
        posting = self._do(name.wallet, lambda account: account.burn(points, ref=name.ref, order=order, at=at))
        return self._noted("burn", name, posting)

    @rule(target=holds, earned=earnings, points=_FEW, days=_DAYS)
    def hold(self, earned: _Named, points: int, days: int) -> MultipleResults[_Named]:
        """Set points aside for a while."""
        at, name = self.clock, self._name(earned.wallet, "hold")
        until = at + days * DAY
        if self._do(name.wallet, lambda account: account.hold(points, ref=name.ref, until=until, at=at)) is None:
            return multiple()
        self._open_holds[name] = (points, until)
        return multiple(name)

    @rule(target=burns, held=holds, points=_SOME)
    def capture(self, held: _Named, points: int | None) -> MultipleResults[_Named]:
        """Burn what is held, all or some; late where the hold has ended."""
        at = self.clock
        posting = self._do(held.wallet, lambda account: account.capture(held.ref, points, at=at))
        if held not in self._open_holds:
            _check(posting is None or not posting.facts, "a hold is resolved once", hold=held)
            return multiple()
        units, _ = self._open_holds[held]
        _check((posting is None) == (points is not None and points > units), "what is held can be captured", hold=held)
        if posting is None:
            return multiple()
        del self._open_holds[held]
        return self._noted("burn", held, posting)

    @rule(held=holds)
    def void(self, held: _Named) -> None:
        """Give a hold up."""
        at = self.clock
        posting = self._do(held.wallet, lambda account: account.void(held.ref, at=at))
        if held in self._open_holds:
            _check(posting is not None, "an open hold can be given up", hold=held)
        else:
            _check(posting is None or not posting.facts, "a hold is resolved once", hold=held)
        self._open_holds.pop(held, None)

    @rule(burned=burns, points=_SOME, extended=_LIFE, back=_BACK)
    def refund_burn(self, burned: _Named, points: int | None, extended: int | None, back: int) -> None:
        """Give burned points back, all or some; what has ended meanwhile may get a later end."""
        at, name = self._at(back), self._name(burned.wallet, "refund")
        until = None if extended is None else at + extended * DAY
        self._do(
            burned.wallet, lambda account: account.refund_burn(burned.ref, points, ref=name.ref, extended_until=until, at=at)
        )

    @rule(earned=earnings, points=_SOME, kind=st.integers(0, 3), back=_BACK)
    def revoke(self, earned: _Named, points: int | None, kind: int, back: int) -> None:
        """Take earned points back, all or some."""
        at, name = self._at(back), self._name(earned.wallet, "return")
        overdraft = self.overdrafts[kind % len(self.overdrafts)]
        self._do(earned.wallet, lambda account: account.revoke(earned.ref, points, ref=name.ref, overdraft=overdraft, at=at))

    @rule(target=adjustments, earned=earnings, points=_FEW, back=_BACK)
    def adjust_down(self, earned: _Named, points: int, back: int) -> MultipleResults[_Named]:
        """Take points away by hand."""
        at, name = self._at(back), self._name(earned.wallet, "adjust")
        posting = self._do(
            name.wallet, lambda account: account.adjust_down(points, ref=name.ref, reason="goodwill", actor="desk", at=at)
        )
        return self._noted("adjust", name, posting)

    @rule(adjusted=adjustments, back=_BACK)
    def reverse_adjustment(self, adjusted: _Named, back: int) -> None:
        """Undo what was taken by hand."""
        at, name = self._at(back), self._name(adjusted.wallet, "reverse")
        self._do(adjusted.wallet, lambda account: account.reverse_adjustment(adjusted.ref, ref=name.ref, at=at))

    @rule(target=transfers, earned=earnings, points=_FEW)
    def transfer(self, earned: _Named, points: int) -> MultipleResults[_Named]:
        """Give points to the other member."""
        at, name = self.clock, self._name(earned.wallet, "transfer")
        taker = self._other(name.wallet)
        before = [self._account(wallet).balance(at=at) for wallet in (name.wallet, taker)]
        posting = self._do_both(name.wallet, taker, lambda giver, to: giver.transfer(points, to=to, ref=name.ref, at=at))
        if posting is None:
            return multiple()
        after = [self._account(wallet).balance(at=at) for wallet in (name.wallet, taker)]
        totals = [sum(balance.available - balance.debt for balance in both) for both in (before, after)]
        owes = any(balance.debt for balance in before)  # a debt hides what it is netted against
        _check(owes or totals[0] == totals[1], "a transfer keeps the total", before=before, after=after)
        return self._noted("transfer", name, posting)

    @rule(moved=transfers, back=_BACK)
    def undo_transfer(self, moved: _Named, back: int) -> None:
        """Undo a transfer, whatever the taker did with the points."""
        self._undo_transfer(moved, self._at(back))

    @rule(earned=earnings, back=_BACK)
    def touch(self, earned: _Named, back: int) -> None:
        """Be active without points."""
        at, name = self._at(back), self._name(earned.wallet, "touch")
        self._do(name.wallet, lambda account: account.touch(ref=name.ref, at=at))

    @rule(earned=earnings, back=_BACK)
    def report_expired(self, earned: _Named, back: int) -> None:
        """Write down what has expired: no balance changes, at any instant."""
        at, name = self._at(back), self._name(earned.wallet, "report")
        before = self._account(name.wallet)
        self._do(name.wallet, lambda account: account.report_expired(ref=name.ref, at=at))
        after = self._account(name.wallet)
        ends = _ends(before.ledger) | _ends(after.ledger)
        for instant in sorted({at, self.clock} | ends | {end - TICK for end in ends}):
            _check(before.balance(at=instant) == after.balance(at=instant), "a report changes nothing", at=instant)

    @rule(earned=earnings, points=_POINTS)
    def reuse(self, earned: _Named, points: int) -> None:
        """Use the name of an earning for another: refused, or the same and without effect."""
        at = self.clock
        posting = self._do(earned.wallet, lambda account: account.earn(points, ref=earned.ref, expires_at=at + 99 * DAY, at=at))
        _check(posting is None or not posting.facts, "a used reference earns nothing more", ref=earned.ref)

    # ---- what holds after each step ----

    @invariant()
    def keeps_the_laws(self) -> None:
        """Look at every account that moved."""
        moved, self._moved = self._moved, set()
        for wallet in self._wallets:
            if wallet.member_id in moved:
                account = self._account(wallet)
                _check_now(account, self.clock)
                held = sum(
                    units for name, (units, until) in self._open_holds.items() if name.wallet == wallet and self.clock < until
                )
                seen = account.balance(at=self.clock).held
                _check(seen == held, "what is held stays held", wallet=wallet, held=held, seen=seen)

    def teardown(self) -> None:
        """Replay what was kept, and undo everything; a step that failed is told alone."""
        if sys.exc_info()[1] is not self._raised_before:
            return
        for member_id, facts in self._facts.items():
            state = self.read(member_id)
            kind = type(state)
            for version, known in {**self._known[member_id], len(facts): state}.items():
                _check(kind.replay(member_id, facts[:version]) == known, "a replay gives what was known", version=version)
            _check(kind.from_dict(state.to_dict()) == state, "a stored account is the account", state=state)
        self._undo_everything()
        for wallet in self._wallets:
            account = self._account(wallet)
            left = {lot_id: lot.remaining for lot_id, lot in account.ledger.lots.items() if lot.remaining}
            _check(not left, "undoing everything leaves nothing", wallet=wallet, left=left)
            _check_now(account, self.clock)

    # ---- how it is done ----

    def _undo_everything(self) -> None:
        at = self.clock
        for name in self._open_holds:
            self._must(name.wallet, "void", name.ref, at=at)
        self._open_holds.clear()
        for number, name in enumerate(self._taken["burn"]):
            self._must(name.wallet, "refund_burn", name.ref, ref=f"end-burn-{number}", at=at)
        for number, name in enumerate(self._taken["adjust"]):
            self._must(name.wallet, "reverse_adjustment", name.ref, ref=f"end-adjust-{number}", at=at)
        for name in self._taken["transfer"]:
            self._undo_transfer(name, at)
        for wallet in self._wallets:
            refs = {lot.earn_ref: None for lot in self._account(wallet).ledger.lots.values()}
            for number, earn_ref in enumerate(refs):
                overdraft = self.overdrafts[number % len(self.overdrafts)]
                self._must(wallet, "revoke", earn_ref, ref=f"end-earn-{number}", overdraft=overdraft, at=at)

    def _must(self, wallet: _Wallet, verb: str, of: str, **more: object) -> None:
        posting = self._do(wallet, lambda account: cast("Answer", getattr(account, verb)(of, **more)))
        _check(posting is not None, "everything can be undone", wallet=wallet, verb=verb, of=of)

    def _undo_transfer(self, moved: _Named, at: datetime) -> None:
        taker = self._other(moved.wallet)
        posting = self._do_both(moved.wallet, taker, lambda giver, to: giver.undo_transfer(moved.ref, taker=to, at=at))
        _check(posting is not None, "a transfer can be undone", transfer=moved)

    def _at(self, back: int) -> datetime:
        return self.clock - back * DAY

    def _name(self, wallet: _Wallet, verb: str) -> _Named:
        self._count += 1
        return _Named(wallet, f"{verb}-{self._count}")

    def _other(self, wallet: _Wallet) -> _Wallet:
        return next(other for other in self._wallets if other.account == wallet.account and other != wallet)

    def _account(self, wallet: _Wallet) -> Account:
        account = self.read(wallet.member_id)
        return account.on(wallet.account) if isinstance(account, Membership) else account

    def _earned(self, name: _Named, decide: Callable[[Account], Answer]) -> MultipleResults[_Named]:
        posting = self._do(name.wallet, decide)
        _check(posting is not None, "points can always be earned", ref=name.ref)
        return multiple(name)

    def _noted(self, verb: str, name: _Named, posting: Answer | None) -> MultipleResults[_Named]:
        if posting is None:
            return multiple()
        self._taken[verb].append(name)
        return multiple(name)

    def _do(self, wallet: _Wallet, decide: Callable[[Account], Answer]) -> Answer | None:
        """Make a call and keep what it posts; then make it again."""
        before = self._account(wallet)
        try:
            posting = decide(before)
        except RefusedError:
            self._check_untouched(wallet, before)
            return None
        self._take_in(posting)
        again = decide(self._account(wallet))
        _check(not again.facts, "the same call again gives no facts", facts=again.facts)
        return posting

    def _do_both(
        self, giver: _Wallet, taker: _Wallet, decide: Callable[[Account, Account], Transferred[Account, Account]]
    ) -> Answer | None:
        before = (self._account(giver), self._account(taker))
        try:
            moved = decide(*before)
        except RefusedError:
            self._check_untouched(giver, before[0])
            self._check_untouched(taker, before[1])
            return None
        self._take_in(moved.giver)
        self._take_in(moved.taker)
        again = decide(self._account(giver), self._account(taker))
        _check(not again.giver.facts + again.taker.facts, "the same call again gives no facts", facts=again.giver.facts)
        return moved.giver

    def _check_untouched(self, wallet: _Wallet, before: Account) -> None:
        after = self._account(wallet)
        _check(after is before or after == before, "a refusal leaves no trace", before=before, after=after)

    def _take_in(self, posting: Answer) -> None:
        member_id, facts = posting.state.member_id, self._facts[posting.state.member_id]
        _check(posting.version == len(facts), "a posting begins where the stream ends", version=posting.version)
        if not posting.facts:
            return
        self.keep(posting)
        facts.extend(posting.facts)
        self._moved.add(member_id)
        kept = self.read(member_id)
        _check(kept.version == len(facts), "what is kept is what was decided", kept=kept.version, decided=len(facts))
        if len(facts) // SNAPSHOT_EVERY > (len(facts) - len(posting.facts)) // SNAPSHOT_EVERY:
            self._known[member_id][len(facts)] = kept


def _check_now(account: Account, at: datetime) -> None:
    """Check what must hold of an account at any time, at an instant that is not before its last fact."""
    books, balance = account.books(at=at), account.balance(at=at)
    _check(books.balanced, "the books balance", books=books)
    lots = account.ledger.lots.values()
    _check(sum(lot.paid_in for lot in lots) == sum(lot.paid_out for lot in lots), "what was paid was received", lots=lots)
    for lot in lots:
        _check(lot.remaining <= lot.granted - lot.revoked, "nothing is minted", lot=lot)
        put_right = lot.remaining <= 0 or (lot.paid_in == 0 and lot.forgiven == 0)
        _check(put_right, "who has something was not paid for", lot=lot)
    available = balance.available
    _check(available >= 0, "available is never below nothing", balance=balance)
    _check(available == max(0, books.live - books.debt), "available is what lives less what is owed", books=books)
    if available:
        _check(account.check_burn(available, at=at) == Accepted(available), "what is available can be burned", at=at)
    _check(not isinstance(account.check_burn(available + 1, at=at), Accepted), "and no more", at=at)


def _ends(ledger: Ledger) -> set[datetime]:
    """Give the instants at which lots end, as it is known now."""
    return {ends_at for lot_id in ledger.lots if (ends_at := ledger.lot(lot_id).expires_at) is not None}


def _marks(ledger: Ledger, after: datetime, last: datetime) -> tuple[list[datetime], set[datetime]]:
    """Give the instants of a span at which time alone may change what is available, and those at which it may raise it."""
    raising = {lot.available_at for lot in ledger.lots.values()} | {hold.until for hold in ledger.holds.values()}
    return sorted(mark for mark in raising | _ends(ledger) if after < mark <= last), raising


def _check_quiet(account: Account, after: datetime, last: datetime) -> None:
    """Check that between its marks an account stands still, and that an end alone never raises what is available."""
    marks, raising = _marks(account.ledger, after, last)
    known = account.available(at=after)
    for mark in marks:
        before, now = account.available(at=mark - TICK), account.available(at=mark)
        _check(before == known, "nothing changes between two marks", at=mark, before=known, after=before)
        _check(mark in raising or now <= before, "an end never raises what is available", at=mark, before=before, after=now)
        known = now
    _check(account.available(at=last) == known, "nothing changes after the last mark", at=last)


class RepositoryPointsMachine(PointsMachine):
    """The same over a repository: everything that is decided is stored, and read back before anything else is decided.

    Set ``make_repository`` to a factory of a ``Repository``, whose streams keep memberships, or of a
    ``PointsAccountRepository``, whose rows keep points accounts.

    Example:
        >>> from loyaltycore.store.memory import MemoryRepository
        >>> class MyPointsMachine(RepositoryPointsMachine):
        ...     make_repository = MemoryRepository
        >>> TestMyPoints = MyPointsMachine.TestCase
    """

    make_repository: ClassVar[Callable[[], Repository | PointsAccountRepository]]
    """Makes what the accounts are kept in, once for each run; closed after it where it has ``close``."""

    def begin(self) -> None:
        """Make the repository."""
        self._repository = type(self).make_repository()

    def read(self, member_id: str) -> Account:
        """Give a member's account as the repository keeps it."""
        if hasattr(self._repository, "save"):
            return cast("PointsAccountRepository", self._repository).get(member_id)
        stream = member_stream(member_id)
        return Membership.replay(member_id, self._repository.load([stream])[stream].facts)

    def keep(self, posting: Answer) -> None:
        """Store what was decided."""
        if hasattr(self._repository, "save"):
            accounts = cast("PointsAccountRepository", self._repository)
            accounts.save(cast("Posting[PointsAccount]", posting))  # the verbs keep the kind that ``get`` gave
        else:
            command = Command.of(posting.stream, Key(f"machine/{posting.version}"), actor="machine", version=posting.version)
            self._repository.commit(command, posting.changes)

    def teardown(self) -> None:
        """Check the end, and close what can be closed."""
        try:
            super().teardown()
        finally:
            close = getattr(self._repository, "close", None)
            if close is not None:
                close()


# ---- checkouts ----


_GOODS: Final = Basket.of("EUR", {"bell": "20.00"})
_SPACE: Final = CodeSpace(SecretKey("machine", bytes(range(32))), pattern="M-####-####-####", context="machine")
_SINGLE, _FEW_ORDERS, _CAP, _LOADED = "single", "FEW", 2, 5000
_CODES: Final = 2
_SHOP: Final = Program.parse("""
program = { name = "machine", version = 1, currency = "EUR", zone = "Europe/Paris", starts_on = 2026-01-01 }
stacking = { mode = "best" }
""")


@final
@attrs.frozen(kw_only=True)
class _Checkout:
    """What the naive model knows of an order."""

    code: str
    paid_minor: int
    until: datetime | None
    is_over: bool = False
    is_late: bool = False

    def holds(self, at: datetime) -> bool:
        """Whether it has its place, its coupon and its money at an instant."""
        return not self.is_over and (self.until is None or at < self.until)


class CheckoutMachine(RuleBasedStateMachine):
    """``Loyalty`` over a repository: orders are placed, reserved, confirmed in time and late, cancelled and returned.

    Two codes are for one order each, of a third there are two in all, and a gift card pays what it can. A model that keeps one
    row for each order says what must come of each step; every call is made twice.

    After each step:
        1. An order has a code exactly when nobody else holds it; the last holder still sees his own.
        2. No more orders hold a limit than it allows, but those that were paid late.
        3. What left the card is what reached orders, less what came back.

    Set ``make_repository`` to a factory of a ``Repository``.

    Example:
        >>> from loyaltycore.store.memory import MemoryRepository
        >>> class MyCheckoutMachine(CheckoutMachine):
        ...     make_repository = MemoryRepository
        >>> TestMyCheckout = MyCheckoutMachine.TestCase
    """

    make_repository: ClassVar[Callable[[], Repository]]
    """Makes what the shop keeps its books in, once for each run; closed after it where it has ``close``."""

    def __init__(self) -> None:
        """Open the shop, issue the codes and make the card."""
        super().__init__()
        self.clock: datetime = FIRST_DAY
        self._repository = type(self).make_repository()
        limits = Limits(freed_by=FreedBy.RETURNED)
        campaigns = [
            CouponCampaign(_SINGLE, give=PercentOff("50"), codes=_SPACE, limits=limits),
            CouponCampaign(_FEW_ORDERS, give=PercentOff("25"), codes="human", limits=attrs.evolve(limits, total=_CAP)),
        ]
        self._shop = Loyalty(
            attrs.evolve(_SHOP, campaigns=campaigns),
            self._repository,
            clock=lambda: self.clock,
            codes=CodeBook([_SPACE]),
            card_numbers=CardNumbers(SecretKey("pepper", bytes(range(1, 33)))),
            attempts=Attempts(per_client=None, per_member=None, per_shop=None),
        )
        self._codes = [*self._shop.issue_codes(_SINGLE, _CODES, ref="batch", by="machine").codes(), _FEW_ORDERS]
        loaded = Money(_LOADED, "EUR")
        self._card = self._shop.cards.issue(loaded, ref="card", entropy=bytes(16), expires_at=None).card_id
        self._orders: dict[str, _Checkout] = {}

    @rule(minutes=st.integers(1, 40))
    def wait(self, minutes: int) -> None:
        """Let time pass."""
        self.clock += timedelta(minutes=minutes)

    @rule(code=st.integers(0, _CODES), pays=st.booleans(), minutes=st.none() | st.integers(10, 30))
    def order(self, code: int, *, pays: bool, minutes: int | None) -> None:
        """Place an order, or reserve it for some minutes."""
        order_id, text = f"o-{len(self._orders)}", self._codes[code]
        free = self._free(text)
        quote = self._shop.quote(_GOODS, codes=[text], cards=[self._card] if pays else [], order_id=order_id)
        price = (1500 if text == _FEW_ORDERS else 1000) if free else 2000
        paid = min(price, max(0, self._left())) if pays else 0
        _check(quote.codes[text].applied is free, "a code is for whoever comes first", order=order_id, code=code)
        _check(quote.total.minor_units == price, "a code takes off what it says", order=order_id, total=quote.total)
        _check(quote.total.minor_units - quote.to_pay.minor_units == paid, "a card pays what it can", order=order_id)
        until = None if minutes is None else self.clock + timedelta(minutes=minutes)
        if minutes is None:
            self._twice(partial(self._shop.place, quote, order_id=order_id))
        else:
            held = timedelta(minutes=minutes)
            self._twice(partial(self._shop.reserve, quote, order_id=order_id, hold_for=held))
        self._orders[order_id] = _Checkout(code=text if free else "", paid_minor=paid, until=until)

    @rule(number=st.integers(0, 30))
    def confirm(self, number: int) -> None:
        """Book an order that was reserved: it was paid, however late."""
        for order_id, known in self._chosen(number, is_reserved=True):
            placed = self._twice(partial(self._shop.confirm, order_id))
            is_late = not known.holds(self.clock)
            self._orders[order_id] = attrs.evolve(known, is_late=is_late, is_over=False, until=None)
            _check(placed.late is is_late, "a late order says so", order=order_id)

    @rule(number=st.integers(0, 30))
    def cancel(self, number: int) -> None:
        """Give an order up that was reserved."""
        for order_id, known in self._chosen(number, is_reserved=True):
            self._twice(partial(self._shop.cancel, order_id))
            self._orders[order_id] = attrs.evolve(known, is_over=True)

    @rule(number=st.integers(0, 30))
    def bring_back(self, number: int) -> None:
        """Return all of an order."""
        for order_id, known in self._chosen(number, is_reserved=False):
            if not known.is_over:
                back = self._twice(partial(self._shop.refund, order_id, return_id="r", lines={"bell": 1}))
                _check(sum(back.to_cards.values()) == known.paid_minor, "cards get back what they paid", order=order_id)
                self._orders[order_id] = attrs.evolve(known, is_over=True)

    @invariant()
    def keeps_the_laws(self) -> None:
        """Hold what is kept against the model."""
        for text in self._codes[:_CODES]:
            uses = self._shop.coupon(text).uses
            held = {order_id for order_id, use in uses.items() if use.holds(self.clock)}
            _check(held == set(self._holders(text)), "a code is held by whom the model says", held=held)
            redeemed = [use for use in uses.values() if use.state is UseState.REDEEMED and not use.late]
            _check(len(redeemed) <= 1, "a code is redeemed once", uses=uses)
        having = self._holders(_FEW_ORDERS)
        counter = CounterId(f"offer/{_FEW_ORDERS}/orders")
        total = self._repository.claimed([counter], key=Key("-"), at=self.clock)[counter].total
        _check(total == len(having), "what is claimed is what is held", claimed=total, held=having)
        in_time = [order_id for order_id in having if not self._orders[order_id].is_late]
        _check(len(in_time) <= _CAP, "a cap is passed by late orders alone", held=having)
        available = self._shop.cards.card(self._card).ledger.available(at=self.clock)
        _check(available == max(0, self._left()), "what left the card is what reached orders", available=available)

    def teardown(self) -> None:
        """Close what can be closed."""
        close = getattr(self._repository, "close", None)
        if close is not None:
            close()

    def _holders(self, text: str) -> list[str]:
        return [order_id for order_id, one in self._orders.items() if one.code == text and one.holds(self.clock)]

    def _free(self, text: str) -> bool:
        return len(self._holders(text)) < (_CAP if text == _FEW_ORDERS else 1)

    def _left(self) -> int:
        return _LOADED - sum(one.paid_minor for one in self._orders.values() if one.holds(self.clock))

    def _chosen(self, number: int, *, is_reserved: bool) -> list[tuple[str, _Checkout]]:
        """Choose one of the orders that are reserved, or booked; or none."""
        found = [(order_id, one) for order_id, one in self._orders.items() if (one.until is not None) is is_reserved]
        return [found[number % len(found)]] if found else []

    def _twice(self, call: Callable[[], _T]) -> _T:
        """Make a call twice: the answers are the same."""
        answer = call()
        _check(call() == answer, "the same call again answers the same", answer=answer)
        return answer
