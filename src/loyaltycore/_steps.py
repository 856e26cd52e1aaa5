"""What services are made of: the steps that ask a repository, who runs them, and what is read out of its answers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias, TypeVar, assert_never, cast, final

import attrs

from loyaltycore._checks import check_count, check_instant
from loyaltycore.basket import Basket
from loyaltycore.coupons import read_codes
from loyaltycore.errors import ConflictError, Detail, DuplicateError, Reason, Refusal, RefusedError
from loyaltycore.facts import Append, Change, Command, Fact, Posting
from loyaltycore.identity import StreamId, member_stream
from loyaltycore.memberships import Membership
from loyaltycore.repositories import Receipt, Repository, StoredStream
from loyaltycore.wire import coded_digest, instant_text

__all__ = [
    "SKEW",
    "AskReceipt",
    "Call",
    "Commit",
    "Load",
    "Service",
    "Steps",
    "basket_digest",
    "count_or_none",
    "folded_codes",
    "gives_back",
    "instant_or_none",
    "loaded_membership",
    "not_before_last",
    "the",
    "until_now",
]

SKEW: Final = timedelta(minutes=5)
"""How far the clocks of a shop's servers may lie apart: a purchase just before the last fact is booked at that fact's instant."""

_TICK: Final = timedelta(microseconds=1)

A = TypeVar("A")
F = TypeVar("F", bound=Fact)


@final
@attrs.frozen
class Load:
    """Ask for streams."""

    streams: tuple[StreamId, ...]


@final
@attrs.frozen
class AskReceipt:
    """Ask what a command did."""

    command: Command


@final
@attrs.frozen
class Commit:
    """Ask to keep changes."""

    command: Command
    changes: tuple[Change, ...]


Call: TypeAlias = Load | AskReceipt | Commit
Steps: TypeAlias = Generator[Call, Any, A]
"""A service, written once: it yields calls of the port and is sent their answers; a driver runs it, here a synchronous one."""


class Service:
    """Runs steps over a repository: each command once, and again from the start when another was faster."""

    __slots__ = ()

    repository: Repository
    clock: Callable[[], datetime]
    retries: int

    def _once(
        self,
        command: Command,
        streams: tuple[StreamId, ...],
        decide: Callable[[Mapping[StreamId, StoredStream], datetime], tuple[Change, ...]],
    ) -> Steps[Mapping[StreamId, tuple[Fact, ...]]]:
        """Do a command once, and answer with the facts it stored, however often it is called."""
        for attempt in range(self.retries + 1):
            receipt = yield from self._receipt(command)
            if receipt is not None:
                return receipt.facts
            loaded = yield from self._load(streams)
            changes = decide(loaded, check_instant("clock()", self.clock()))
            if changes:
                try:
                    yield Commit(command, changes)
                except ConflictError:
                    if attempt == self.retries:
                        raise
                    continue
                except DuplicateError:
                    pass
                else:
                    return {change.stream: change.facts for change in changes if isinstance(change, Append)}
            # The same call was faster, between our receipt and our commit: its receipt answers.
            receipt = yield from self._receipt(command)
            if receipt is not None:
                return receipt.facts
            if not changes:
                details: dict[str, Detail] = {"key": command.key, "fields": ("ref",)}
                raise RefusedError(Refusal(Reason.KEY_REUSED, details))
        msg = f"{command.key!r} in {command.home!r} lost every race"
        raise ConflictError(msg)

    def _load(self, streams: tuple[StreamId, ...]) -> Steps[Mapping[StreamId, StoredStream]]:
        return cast("Mapping[StreamId, StoredStream]", (yield Load(streams)))

    def _receipt(self, command: Command) -> Steps[Receipt | None]:
        receipt = cast("Receipt | None", (yield AskReceipt(command)))
        if receipt is not None:
            command.check_same(receipt.command)
        return receipt

    def _run(self, steps: Steps[A]) -> A:
        """Drive a service over a synchronous repository."""
        answer: object = None
        error: Exception | None = None
        while True:
            try:
                call = steps.send(answer) if error is None else steps.throw(error)
            except StopIteration as stop:
                return cast("A", stop.value)
            answer, error = None, None
            try:
                answer = self._answer(call)
            except (ConflictError, DuplicateError) as raised:
                error = raised

    def _answer(self, call: Call) -> object:
        match call:
            case Load():
                return self.repository.load(call.streams)
            case AskReceipt():
                return self.repository.receipt(call.command.home, call.command.key)
            case Commit():
                self.repository.commit(call.command, call.changes)
                return None
        assert_never(call)


def gives_back(posting: Posting[Membership], burn_ref: str) -> Posting[Membership]:
    """Refuse to give back what was given back before: the answer would have no fact."""
    if not posting.facts:
        details: dict[str, Detail] = {"burn_ref": burn_ref, "asked_points": 0, "left_points": 0}
        raise RefusedError(Refusal(Reason.BURN_EXCEEDED, details))
    return posting


def loaded_membership(loaded: Mapping[StreamId, StoredStream], member_id: str | None) -> Membership | None:
    """Give a member as loaded; ``None`` for a guest."""
    return None if member_id is None else Membership.replay(member_id, loaded[member_stream(member_id)].facts)


def not_before_last(membership: Membership | None, at: datetime) -> datetime:
    """Lift an instant to the member's last fact, where only another server's clock can have put it later."""
    last_at = None if membership is None else membership.ledger.last_at
    return last_at if last_at is not None and at < last_at <= at + SKEW else at


def until_now(facts: Iterable[Fact], *, now: datetime) -> datetime:
    """Give the end of a window up to now, or up to the last fact where another server's clock ran ahead."""
    return max([now, *(fact.at for fact in facts)]) + _TICK


def basket_digest(basket: Basket) -> str:
    """Write down all that a shop said of a basket, short: it is hashed at every purchase."""
    lines = []
    for line in basket.lines:
        regular = None if line.regular_price is None else line.regular_price.minor_units
        labels = [sorted(line.categories), sorted(line.tags)]
        lines.append([line.line_id, line.product_id, line.unit_price.minor_units, line.quantity, regular, *labels])
    shipping = None if basket.shipping is None else basket.shipping.minor_units
    form = [basket.currency, shipping, basket.market, basket.channel, lines]
    return coded_digest(form, purpose="lc.basket")


def folded_codes(codes: Iterable[str]) -> list[str]:
    """Give codes as they are read, in one order: typed in other letters, or twice, it is the same order."""
    read, unread = read_codes(tuple(codes))
    # What cannot be read is text of any kind: its marks are written out, so that it can be digested.
    return sorted({*read.values(), *(text.encode("ascii", "backslashreplace").decode() for text in unread)})


def count_or_none(points: int | None) -> int | None:
    """Take a number of points, of at least one, where there is one."""
    return None if points is None else check_count("points", points)


def instant_or_none(at: datetime | None) -> str | None:
    """Write an instant, where there is one."""
    return None if at is None else instant_text(at)


def the(kind: type[F], facts: Sequence[Fact]) -> F:
    """Give the one fact of a kind that answers a call."""
    return next(fact for fact in facts if isinstance(fact, kind))
