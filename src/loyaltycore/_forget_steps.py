"""What the services do to forget a member: as generators of calls, like all they do."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from typing import Final, TypeAlias

from loyaltycore._chance import new_name
from loyaltycore._forgetting import alias_code, forgotten, linked_streams, tells_of, without_code
from loyaltycore._frozen import FrozenMap
from loyaltycore._steps import ListStreams, Rename, Service, Steps
from loyaltycore.errors import ConflictError, UsageError
from loyaltycore.facts import Fact
from loyaltycore.identity import StreamId, fold_code, member_stream, referral_code_stream, referral_stream
from loyaltycore.memberships import MemberJoined, ReferralCodeGiven
from loyaltycore.orders import Order
from loyaltycore.repositories import Enumerable, Forgetting

__all__ = ["ForgetSteps", "alias_or_new"]

_FORGET_TRIES: Final = 5

_TELLING: Final = ("order/", "referral/")
"""The kinds of streams that tell of others, beside the member's own."""

_Found: TypeAlias = Mapping[StreamId, tuple[Fact, ...]]


class ForgetSteps(Service):
    """Forgetting."""

    __slots__ = ()

    def _forget(self, member_id: str, alias: str) -> Steps[int]:
        """Put an alias in a member's place, everywhere; answers with the number of streams that were rewritten.

        A stream goes over to another name at a time: the member's code, the member's referral, and the member last. What broke
        off in between goes on from there.
        """
        if not isinstance(self.repository, Forgetting):
            msg = f"forget needs a repository that has rename, got {type(self.repository).__name__}"
            raise UsageError(msg)
        stream = member_stream(member_id)
        if (yield from self._whole((member_stream(alias),))).streams[member_stream(alias)].version:
            msg = f"alias must be a name that nobody has, got {alias!r}"
            raise UsageError(msg)
        rewritten = set[StreamId]()
        for _ in range(_FORGET_TRIES):
            facts = yield from self._naming(stream, member_id)
            own = facts.get(stream, ())
            name = _begun(own, member_id) or alias
            try:
                facts = yield from self._forget_codes(facts, own, name, rewritten)
                facts = yield from self._rename(facts, member_id, name, referral_stream, rewritten)
                yield from self._rename(facts, member_id, name, member_stream, rewritten)
            except ConflictError:
                continue
            # Some were rewritten under the old name first.
            return len(rewritten - {stream, referral_stream(member_id)})
        msg = f"{stream!r}, or an order of it, was written to each time it was to be forgotten: call again"
        raise ConflictError(msg)

    def _forget_codes(self, facts: _Found, own: Iterable[Fact], alias: str, rewritten: set[StreamId]) -> Steps[_Found]:
        """Put other codes in the place of the member's."""
        codes = [fact.code for fact in own if isinstance(fact, ReferralCodeGiven)]
        for nth, code in enumerate(codes):
            other = alias_code(alias, nth)
            if code != other:
                old, new = referral_code_stream(code), referral_code_stream(other)
                facts = yield from self._renamed(facts, old, new, without_code(facts, code=code, other=other), rewritten)
        return facts

    def _rename(
        self, facts: _Found, member_id: str, alias: str, named: Callable[[str], StreamId], rewritten: set[StreamId]
    ) -> Steps[_Found]:
        """Put the alias everywhere, and take one of the streams that are named as the member is over to it."""
        old, new = named(member_id), named(alias)
        changed = forgotten(facts, member_id=member_id, alias=alias, named=named)
        return (yield from self._renamed(facts, old, new, changed, rewritten)) if new in changed else facts

    def _renamed(self, facts: _Found, old: StreamId, new: StreamId, changed: _Found, rewritten: set[StreamId]) -> Steps[_Found]:
        yield Rename(old, new, dict(changed))
        rewritten.update(changed)
        kept = {stream: several for stream, several in facts.items() if stream != old}
        return {**kept, **changed}

    def _naming(self, stream: StreamId, member_id: str) -> Steps[_Found]:
        """Load all streams that may name a member: its own, those it tells of, any order and any friend that can be listed."""
        facts = dict((yield from self._facts_of([stream])))
        own = facts.get(stream, ())
        codes = frozenset(fold_code(fact.code) for fact in own if isinstance(fact, ReferralCodeGiven))
        facts |= yield from self._facts_of(linked_streams(member_id, own))
        # An order that was only reserved is told of nowhere else, nor is a friend who did not buy yet.
        facts |= yield from self._listed("order", lambda name, found: _order_of(name, found).member_id == member_id, facts)
        facts |= yield from self._listed("referral", lambda _, found: tells_of(found, member_id, codes), facts)
        told = [fact for name, several in facts.items() if name.startswith(_TELLING) for fact in several]
        facts |= yield from self._facts_of([name for name in linked_streams(member_id, told) if name not in facts])
        return FrozenMap(facts)

    def _listed(
        self, kind: str, is_wanted: Callable[[StreamId, tuple[Fact, ...]], bool], known: Container[StreamId]
    ) -> Steps[_Found]:
        """Load the streams of a kind that are wanted and not known, where the repository can list them."""
        wanted, after = dict[StreamId, tuple[Fact, ...]](), None
        while isinstance(self.repository, Enumerable):
            page: tuple[StreamId, ...] = tuple((yield ListStreams(kind, after)))
            if not page:
                break
            after = page[-1]
            found = yield from self._facts_of([name for name in page if name not in known])
            wanted |= {name: several for name, several in found.items() if is_wanted(name, several)}
        return wanted

    def _facts_of(self, streams: Iterable[StreamId]) -> Steps[_Found]:
        found = (yield from self._whole(tuple(streams))).streams
        return {name: one.facts for name, one in found.items() if one.facts}


def _order_of(stream: StreamId, facts: tuple[Fact, ...]) -> Order:
    return Order.replay(stream.partition("/")[2], facts)


def _begun(own: Iterable[Fact], member_id: str) -> str | None:
    """Give the alias under which a member was being forgotten, when that broke off."""
    return next((fact.member_id for fact in own if isinstance(fact, MemberJoined) and fact.member_id != member_id), None)


def alias_or_new(alias: str | None) -> str:
    """Take a name for somebody forgotten, or make one that nothing leads back from."""
    return new_name("forgotten") if alias is None else alias
