"""A check of the port at work: its calls, the facts it plays with, and a look at everything they may have touched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Final, TypeVar, assert_never, final

from loyaltycore._frozen import FrozenMap
from loyaltycore.coupons import (
    Block,
    BlockTaken,
    CampaignResumed,
    CampaignStopped,
    CouponGranted,
    CouponRedeemed,
    CouponReleased,
    CouponReserved,
    CouponRevoked,
)
from loyaltycore.errors import ConflictError, DuplicateError, LimitReachedError, Reason, Refusal
from loyaltycore.facts import Append, Change, Claim, Command, Expect, Fact, Posting
from loyaltycore.gift_cards import CardNumbered, GiftCard
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.ledger import Granted, Ledger, Overdraft
from loyaltycore.memberships import (
    CouponGiven,
    CouponGone,
    FriendReversed,
    FriendRewarded,
    Membership,
    OffersFreed,
    OffersHeld,
    OrderCounted,
    ReferralCodeGiven,
    ReturnCounted,
    RewardGiven,
    RewardOffered,
    RewardTakenBack,
    SpendCarried,
    TierGranted,
    TierGrantEnded,
)
from loyaltycore.orders import (
    Counted,
    EarnedPoints,
    Formula,
    OfferCost,
    OrderAttached,
    OrderCancelled,
    OrderCardSold,
    OrderLine,
    OrderPlaced,
    OrderReserved,
    OrderReturned,
    Shape,
)
from loyaltycore.periods import Lasting, Period, Term
from loyaltycore.points import PointsAccount, PointsVerbs
from loyaltycore.quantities import Money
from loyaltycore.referrals import Referral, ReferralCodeIssued
from loyaltycore.repositories import Claimed, Cursor, Due, Receipt, Repository, StoredStream
from loyaltycore.rewards import PayOut, Payout
from loyaltycore.testing._stage import Source, Stage

__all__ = [
    "AT",
    "DUE",
    "HOUR",
    "TICK",
    "Port",
    "append_to",
    "claim_of",
    "life_of",
    "life_of_member",
    "life_of_order",
    "lives_of_rights",
    "marker",
    "shown_commit",
]

AT: Final = datetime(2026, 7, 1, 10, 30, 15, 123456, tzinfo=UTC)
TICK: Final = timedelta(microseconds=1)
HOUR: Final = timedelta(hours=1)

# Long before anything real is due: a listing starts with what the kit put there.
DUE: Final = datetime(1950, 1, 1, tzinfo=UTC)

_YEAR: Final = Lasting(Term(Period(months=12)), "Europe/Paris")
_SLIDING: Final = Lasting(Term(Period(months=6)), "Europe/Paris", sliding=True)
_SHORT: Final = Lasting(Term(Period(days=1)), "Asia/Kathmandu", sliding=True)

_REFUSALS: Final = (ConflictError, DuplicateError, LimitReachedError)


A = TypeVar("A", bound=PointsVerbs)
S = TypeVar("S")


@final
class Port(Stage[Repository]):
    """A check of the port: its calls, and everything they may have touched."""

    def __init__(self, contract: type, clause: int, source: Source[Repository], repository: Repository) -> None:
        """Start with no calls: see ``Stage``."""
        super().__init__(contract, clause, source, repository)
        self._streams: dict[StreamId, None] = {}
        self._holders: dict[tuple[CounterId, Key], None] = {}
        self._commands: dict[tuple[StreamId, Key], None] = {}
        self._says_due = False

    def stream(self, name: str, *, kind: str = "member") -> StreamId:
        """Name a stream of this check."""
        return StreamId(f"{kind}/{self.mark}-{name}")

    def counter(self, name: str) -> CounterId:
        """Name a counter of this check."""
        return CounterId(f"kit/{self.mark}-{name}")

    def key(self, name: str) -> Key:
        """Name a key of this check."""
        return Key(f"kit:{self.mark}-{name}")

    def command(self, name: str, *, home: StreamId | None = None, ref: str = "", actor: str = "kit") -> Command:
        """Make a command, at home in one stream unless said."""
        return Command.of(self.stream("home") if home is None else home, self.key(name), actor=actor, ref=ref)

    def commit(self, command: Command, *changes: Change, repository: Repository | None = None) -> Exception | None:
        """Commit, and give the refusal."""
        self.know(command, changes)
        chosen = self.repository if repository is None else repository
        return self.tried(shown_commit(command, changes), lambda: chosen.commit(command, changes), _REFUSALS)

    def keeps(self, command: Command, *changes: Change) -> None:
        """Commit what must not be refused."""
        refusal = self.commit(command, *changes)
        if refusal is not None:
            self.fail(f"the last commit raised {type(refusal).__name__}: {refusal}")

    def refuses(self, wanted: type[Exception], command: Command, *changes: Change) -> None:
        """Commit what must be refused, and leave nothing behind."""
        before = self.look(command, changes)
        refusal = self.commit(command, *changes)
        if not isinstance(refusal, wanted):
            got = "nothing" if refusal is None else type(refusal).__name__
            self.fail(f"the last commit raised {got}, not {wanted.__name__}")
        self.unchanged(before, self.look(command, changes))

    def survives(self, command: Command, *changes: Change) -> bool:
        """Commit what cannot be kept, and say whether it was kept all the same."""
        self.know(command, changes)
        call = shown_commit(command, changes)
        return self.tried(call, lambda: self.repository.commit(command, changes), (Exception,)) is None

    def unchanged(self, before: Mapping[str, object], after: Mapping[str, object]) -> None:
        """Demand that a refused commit left nothing behind."""
        for name, value in before.items():
            self.demand(f"after a refused commit, {name}", after[name], value)

    def look(self, command: Command, changes: Iterable[Change]) -> dict[str, object]:
        """Look at everything that this check knows of."""
        self.know(command, changes)

        def answer() -> dict[str, object]:
            loaded, at = self.repository.load(list(self._streams)), AT + TICK
            seen: dict[str, object] = {f"stream {stream!r}": loaded.get(stream) for stream in self._streams}
            for counter, key in self._holders:
                seen[f"counter {counter!r} for {key!r}"] = self.repository.claimed([counter], key=key, at=at).get(counter)
            for home, key in self._commands:
                seen[f"the receipt of {key!r} in {home!r}"] = self.repository.receipt(home, key)
            return seen

        seen = self.asked("(a look at everything)", answer)
        if self._says_due:
            seen["what is due"] = self.due(before=DUE + 9 * HOUR)
        return seen

    def load(self, *streams: StreamId) -> Mapping[StreamId, StoredStream]:
        """Load streams, each of which must be answered."""
        answer = self.asked(f"load([{_several(streams)}])", lambda: self.repository.load(list(streams)))
        missing = [stream for stream in streams if stream not in answer]
        self.demand("what load does not answer", missing, [])
        return answer

    def holds(self, stream: StreamId, *facts: Fact) -> None:
        """Demand exactly these facts of a stream."""
        stored = self.load(stream)[stream]
        self.demand(f"the version of {stream!r}", stored.version, len(facts))
        self.demand(f"what {stream!r} holds", tuple(stored.facts), facts)

    def receipt(self, command: Command) -> Receipt | None:
        """Ask what a command did."""
        return self.asked(
            f"receipt({command.home!r}, {command.key!r})", lambda: self.repository.receipt(command.home, command.key)
        )

    def claimed(self, *counters: CounterId, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        """Ask what is held of counters, each of which must be answered."""
        call = f"claimed([{_several(counters)}], key={key!r}, at={at.isoformat()})"
        answer = self.asked(call, lambda: self.repository.claimed(list(counters), key=key, at=at))
        missing = [counter for counter in counters if counter not in answer]
        self.demand("what claimed does not answer", missing, [])
        return answer

    def counts(self, counter: CounterId, key: Key, *, total: int, mine: int, at: datetime = AT) -> None:
        """Demand what is held of a counter."""
        held = self.claimed(counter, key=key, at=at)[counter]
        self.demand(f"what {key!r} holds of {counter!r}", held.mine, mine)
        self.demand(f"the live total of {counter!r}", held.total, total)

    def due(self, *, before: datetime, limit: int = 100) -> list[tuple[StreamId, datetime]]:
        """List, page by page, which streams of this check are due."""
        found, seen, after = list[tuple[StreamId, datetime]](), set[StreamId](), None
        while page := self._due_page(before, after, limit):
            if len(page) > limit:
                self.fail(f"a listing of at most {limit} holds {len(page)}")
            for due in page:
                if due.stream in seen:
                    self.fail(f"{due.stream!r} is listed twice: a page does not go on after the one before")
                seen.add(due.stream)
                if self.mark in due.stream:
                    found.append((due.stream, due.due_at))
            after = page[-1].cursor
        return found

    def _due_page(self, before: datetime, after: Cursor | None, limit: int) -> Sequence[Due]:
        call = f"due(before={before.isoformat()}, after={after!r}, limit={limit})"
        return self.asked(call, lambda: self.repository.due(before=before, after=after, limit=limit))

    def know(self, command: Command, changes: Iterable[Change]) -> None:
        """Remember what a look at everything is to look at."""
        self._commands[command.home, command.key] = None
        for change in changes:
            if isinstance(change, Claim):
                self._holders[change.counter, change.key] = None
            else:
                self._streams[change.stream] = None
            self._says_due = self._says_due or (isinstance(change, Append) and change.due_at is not None)


def marker(ref: str) -> Granted:
    """Make a fact that is told apart by its ref."""
    return Granted(account="points", ref=ref, rule="kit", units=1, available_at=AT, at=AT)


def life_of(account: A) -> Iterator[Posting[A]]:
    """Give postings that hold every movement of points there is, each on the state before.

    What they leave behind: an open hold, debts that others paid, that were forgiven and that stand, lots that await an event,
    ends that slide and one that no longer does, transfers both ways, and takes that were given back in part.
    """
    stories: tuple[Callable[[A], Iterator[Posting[A]]], ...] = (
        _spends_and_returns,
        *(partial(_owes, policy=policy) for policy in (Overdraft.SETTLE, Overdraft.FORGIVE, Overdraft.CARRY)),
        _holds_points,
        _moves_points,
        _waits_and_lasts,
    )
    return _in_turn(account, stories)


def _in_turn(account: A, stories: Iterable[Callable[[A], Iterator[Posting[A]]]]) -> Iterator[Posting[A]]:
    for story in stories:
        for posting in story(account):
            yield posting
            account = posting.state


def _each(account: A, *decisions: Callable[[A], Posting[A]]) -> Iterator[Posting[A]]:
    for decide in decisions:
        posting = decide(account)
        yield posting
        account = posting.state


def _spends_and_returns(account: A) -> Iterator[Posting[A]]:
    late = AT.astimezone(timezone(timedelta(hours=5, minutes=45)))
    return _each(
        account,
        lambda a: a.earn(71, ref="o-1", available_at=AT + HOUR, expires_at=AT + 2 * HOUR, at=AT),
        lambda a: a.earn(500, ref="welcome", rule="gift", expires_at=None, reason="by hand", actor="kit", at=late),
        lambda a: a.burn(100, ref="o-2", at=AT),
        lambda a: a.refund_burn("o-2", 30, ref="r-2", at=AT),
        lambda a: a.revoke("o-1", ref="r-1", overdraft=Overdraft.CARRY, at=AT),
        lambda a: a.adjust_down(5, ref="t-1", reason="by hand", actor="kit", at=AT),
        lambda a: a.reverse_adjustment("t-1", ref="t-2", at=AT),
        lambda a: a.adjust_down(7, ref="t-3", reason="by hand again", actor="kit", at=AT),
    )


def _owes(account: A, *, policy: Overdraft) -> Iterator[Posting[A]]:
    """Spend what is taken back then, and give back a part of what was spent: some of the debt is no more."""
    ref = policy.value
    return _each(
        account,
        lambda a: a.earn(10, ref=ref, expires_at=AT + HOUR, at=AT),
        lambda a: a.burn(10, ref=f"{ref}-spent", at=AT),
        lambda a: a.earn(3, ref=f"{ref}-later", expires_at=None, at=AT),  # a second payer, before the other
        lambda a: a.revoke(ref, ref=f"{ref}-revoked", overdraft=policy, at=AT),
        lambda a: a.refund_burn(f"{ref}-spent", 4, ref=f"{ref}-given-back", at=AT),
    )


def _holds_points(account: A) -> Iterator[Posting[A]]:
    return _each(
        account,
        lambda a: a.hold(50, ref="h-1", until=AT + 24 * HOUR, at=AT),
        lambda a: a.capture("h-1", 30, at=AT + HOUR),
        lambda a: a.hold(20, ref="h-2", until=AT + 24 * HOUR, at=AT + HOUR),
        lambda a: a.void("h-2", at=AT + HOUR),
        lambda a: a.hold(5, ref="h-3", until=AT + 2 * HOUR, at=AT + HOUR),
        lambda a: a.capture("h-3", at=AT + 2 * HOUR),
        lambda a: a.hold(20, ref="h-4", until=AT + 100 * HOUR, at=AT + 2 * HOUR),
    )


def _moves_points(account: A) -> Iterator[Posting[A]]:
    """Give to a friend and get from one, and undo one of each."""
    at = AT + 2 * HOUR
    friend = PointsAccount(member_id="kit-friend", ledger=Ledger(account=account.ledger.account))
    rich = friend.earn(8, ref="f-1", expires_at=AT + 90 * HOUR, at=AT).state.earn(30, ref="f-2", expires_at=None, at=AT).state
    return _each(
        account,
        lambda a: a.transfer(11, to=friend, ref="g-1", at=at).giver,
        lambda a: a.transfer(12, to=friend, ref="g-2", at=at).giver,
        lambda a: a.undo_transfer("g-2", taker=a.transfer(12, to=friend, ref="g-2", at=at).taker.state, at=at).giver,
        lambda a: rich.transfer(17, to=a, ref="g-3", at=at).taker,
        lambda a: rich.transfer(9, to=a, ref="g-4", at=at).taker,
        lambda a: rich.transfer(9, to=a, ref="g-4", at=at).giver.state.undo_transfer("g-4", taker=a, at=at).taker,
    )


def _waits_and_lasts(account: A) -> Iterator[Posting[A]]:
    deadline = AT + 48 * HOUR
    return _each(
        account,
        lambda a: a.earn(40, ref="review", expires_at=None, lasts=_SLIDING, at=AT),
        lambda a: a.earn(6, ref="visit", expires_at=None, lasts=_SHORT, at=AT),
        lambda a: a.earn(30, ref="o-3", awaits="delivered", available_at=deadline, expires_at=None, lasts=_SLIDING, at=AT),
        lambda a: a.earn(20, ref="o-4", awaits="delivered", available_at=deadline, expires_at=None, lasts=_YEAR, at=AT),
        lambda a: a.release("o-3", event="delivered", at=AT + 3 * HOUR),
        lambda a: a.earn(10, ref="o-5", expires_at=AT + 4 * HOUR, at=AT),
        lambda a: a.burn(10, ref="o-6", at=AT + 3 * HOUR),
        lambda a: a.refund_burn("o-6", ref="r-6", extended_until=AT + 90 * HOUR, at=AT + 5 * HOUR),
        lambda a: a.touch(ref="came-back", at=AT + 72 * HOUR),
        lambda a: a.report_expired(ref="july", at=AT + 72 * HOUR),
        lambda a: a.earn(15, ref="forgotten", expires_at=None, at=AT - 720 * HOUR),
    )


def life_of_member(member: Membership) -> Iterator[Posting[Membership]]:
    """Give postings that hold every kind of fact of a member, on two accounts, each on the state before."""
    counted = OrderCounted(order_id="o-1", day=AT.date(), qualifying_minor=7191, at=AT)
    returned = ReturnCounted(order_id="o-1", return_id="r-1", qualifying_minor=7191, at=AT)
    carried = SpendCarried(rule="base", ref="o-1", minor=-91, at=AT)
    held = OffersHeld(order_id="o-2", offers=("ten",), until=AT + HOUR, at=AT)
    freed = OffersFreed(order_id="o-2", offers=("ten",), at=AT)
    given = CouponGiven(coupon_id="sorry/t-1", campaign_id="sorry", ends_at=AT + HOUR, at=AT)
    gone = CouponGone(coupon_id="sorry/t-1", at=AT)
    stands = (
        TierGranted(ref="ticket-1", tier="gold", until=AT + HOUR, reason="a lost parcel, 📦", actor="ann", at=AT),
        TierGrantEnded(ref="ticket-1", reason="found", actor="bob", at=AT),
        RewardOffered(reward_id="milestone/tenth", source="milestone/tenth", options=("mug", "points"), until=AT + HOUR, at=AT),
        RewardGiven(reward_id="milestone/tenth", source="milestone/tenth", coupons=("sorry/t-1",), option="mug", at=AT),
        RewardTakenBack(reward_id="milestone/tenth", reason="the order came back", coupons_kept=("sorry/t-1",), at=AT),
        ReferralCodeGiven(code="VÉLO-7KQ2", at=AT),
        FriendRewarded(friend_id="f", program_id="friends", day=AT.date(), number=1, period="2026", at=AT),
        FriendReversed(friend_id="f", program_id="friends", at=AT),
    )
    stories: tuple[Callable[[Membership], Iterator[Posting[Membership]]], ...] = (
        lambda m: _each(m, lambda m: m.join(at=AT), lambda m: m.posting([counted, carried, held, freed, given, gone, *stands])),
        life_of,
        lambda m: life_of(m.on("status")),
        lambda m: _each(m.on("points"), lambda m: m.posting([returned]), lambda m: m.touch(ref="last", at=AT + 80 * HOUR)),
    )
    return _in_turn(member, stories)


def life_of_order(order_id: str) -> tuple[Fact, ...]:
    """Give every kind of fact of an order; they need not follow one another."""
    line = OrderLine(line_id="1", product_id="bell", quantity=3, list_minor=3000, discount_minor=10, burn_points=7)
    step = Formula(shape=Shape.STEP, points=1, per_minor=100)
    earned = EarnedPoints(rule="base", points=29, formula=step, counted=(Counted("1", 2990),), available_at=AT + HOUR)
    offer = OfferCost(offer_id="ten", discount_minor=10)
    placed = OrderPlaced(
        order_id=order_id, member_id="m", currency="EUR", lines=(line,), offers=(offer,), earned=(earned,), codes=("ÉTÉ",), at=AT
    )
    back = OrderReturned(order_id=order_id, return_id="r-1", currency="EUR", lines=FrozenMap({"1": 2}), money_minor=1993, at=AT)
    reserved = OrderReserved(order=placed, until=AT + HOUR, at=AT)
    attached = OrderAttached(order_id=order_id, member_id="m", earned=(earned,), at=AT + HOUR)
    sold = OrderCardSold(order_id=order_id, line_id="1", card_id="card-1", at=AT)
    return reserved, placed, sold, attached, back, OrderCancelled(order_id=order_id, at=AT + HOUR)


def lives_of_rights(name: str) -> dict[str, tuple[Fact, ...]]:
    """Give every kind of fact of rights: coupons, campaigns, spaces of codes, gift cards, referrals, payouts; by their streams.

    Args:
        name: Of each stream, behind its kind.
    """
    until = AT + HOUR
    coupon = (
        CouponGranted(coupon_id=name, campaign_id="sorry", holder="m", ends_at=until, ref="t-1", actor="ann", at=AT),
        CouponReserved(coupon_id=name, campaign_id="sorry", order_id="1", until=until, at=AT),
        CouponReleased(coupon_id=name, order_id="1", at=AT),
        CouponRedeemed(coupon_id=name, campaign_id="sorry", order_id="2", late=True, at=until),
        CouponRevoked(coupon_id=name, reason="misprint, 🛵", actor="ann", at=until),
    )
    campaign = (
        CampaignStopped(campaign_id="sorry", reason="misprint", actor="ann", at=AT),
        CampaignResumed(campaign_id="sorry", actor="bob", at=until),
    )
    block = Block(campaign_id="welcome", key_id="2026a", start=0, stop=1000, ref="mail", words_digest="0" * 16, ends_at=until)
    card = GiftCard.open(name).issue(Money.of("50", "EUR"), ref="g-1", expires_at=until, last_four="AB12", at=AT)
    card = _onward(card, lambda one: one.block(reason="lost", actor="ann", at=AT))
    card = _onward(card, lambda one: one.unblock(reason="found", actor="ann", at=AT))
    card = _onward(card, lambda one: one.replace(GiftCard.open(f"{name}-2"), ref="r-1", actor="ann", at=AT).old)
    friend = Referral.open("f").refuse("friends", Refusal(Reason.REFERRAL_SELF), code="VE17777", at=AT)
    friend = _onward(friend, lambda one: one.join("friends", advocate_id="m", code="VE17KQ2", at=AT))
    friend = _onward(friend, lambda one: one.qualify("1", due_at=until, at=AT))
    friend = _onward(friend, lambda one: one.unqualify("1", return_id="r-1", at=AT))
    friend = _onward(friend, lambda one: one.qualify("2", due_at=until, at=AT))
    friend = _onward(friend, lambda one: one.reward(number=1, rewards=("referral/friends/1",), at=until))
    friend = _onward(friend, lambda one: one.unqualify("2", return_id="r-2", at=until))
    friend = _onward(friend, lambda one: one.reverse(at=until))
    kept_back = Referral.open("f").join("friends", advocate_id="m", code="VE17KQ2", at=AT)
    kept_back = _onward(kept_back, lambda one: one.qualify("1", due_at=until, at=AT))
    limit = Refusal(Reason.REFERRAL_LIMIT_REACHED, {"limit": 20, "period": "per year"})
    kept_back = _onward(kept_back, lambda one: one.reject(limit, counts=True, at=until))
    owed = Payout.open(name).fall_due(
        PayOut(Money.of("5", "EUR")), member_id="m", source="referral/friends", ref="referral/friends/1", at=AT
    )
    owed = _onward(owed, lambda one: one.pay(ref="sepa-1", actor="ann", at=AT))
    owed = _onward(owed, lambda one: one.reverse(reason="the order came back", at=until))
    return {
        "referral": (*friend.facts, kept_back.facts[-1]),
        "referral_code": (ReferralCodeIssued(code="VÉLO-7KQ2", member_id="m", at=AT),),
        "payout": owed.facts,
        "coupon": coupon,
        "campaign": campaign,
        "code_space": (BlockTaken(space_id=name, check_value="0123456789abcdef", block=block, at=AT),),
        "gift_card": card.facts,
        "gift_card_number": (CardNumbered(card_id=name, pepper_id="p-1", at=AT),),
    }


def _onward(before: Posting[S], verb: Callable[[S], Posting[S]]) -> Posting[S]:
    after = verb(before.state)
    return Posting(after.state, facts=(*before.facts, *after.facts), stream=before.stream, version=before.version)


def append_to(stream: StreamId, version: int, *facts: Fact, due_at: datetime | None = None) -> Append:
    """Make an append."""
    return Append(stream=stream, expected_version=version, facts=facts, due_at=due_at)


def claim_of(
    counter: CounterId, key: Key, amount: int, limit: int | None, *, at: datetime = AT, until: datetime | None = None
) -> Claim:
    """Make a claim."""
    return Claim(counter=counter, key=key, amount=amount, limit=limit, at=at, until=until)


def _several(ids: Sequence[str]) -> str:
    shown = [repr(one) for one in ids[:4]]
    return ", ".join(shown if len(ids) <= len(shown) else [*shown, f"and {len(ids) - len(shown)} more"])


def shown_commit(command: Command, changes: Sequence[Change]) -> str:
    """Show a commit as a call."""
    return f"commit(Command({command.home!r}, {command.key!r}), [{', '.join(map(_shown_change, changes))}])"


def _shown_change(change: Change) -> str:
    match change:
        case Append():
            due = "" if change.due_at is None else f", due_at={change.due_at.isoformat()}"
            return f"Append({change.stream!r}, {change.expected_version}, {len(change.facts)} facts{due})"
        case Expect():
            return f"Expect({change.stream!r}, {change.version})"
        case Claim():
            until = "" if change.until is None else f", until={change.until.isoformat()}"
            amounts = f"{change.amount}, limit={change.limit}, at={change.at.isoformat()}{until}"
            return f"Claim({change.counter!r}, {change.key!r}, {amounts})"
    assert_never(change)
