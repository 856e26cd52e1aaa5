"""What a service does with codes, coupons and campaigns, as steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, final

import attrs

from loyaltycore._attempts import attempt
from loyaltycore._checks import check_count, masked
from loyaltycore._code_book import Block, BlockTaken, BookReading, CodeBook, SpaceBlocks
from loyaltycore._code_space import AvoidedWords, CodeVerdict
from loyaltycore._redeeming import used_of
from loyaltycore._rewards_due import reward_streams
from loyaltycore._settling import coupon_id_of
from loyaltycore._steps import (
    AskReceipt,
    Commit,
    Loaded,
    Postings,
    Projected,
    Service,
    Sight,
    Steps,
    the,
)
from loyaltycore.basket import Basket
from loyaltycore.coupons import CODES_LIMIT, Campaign, Coupon, CouponCampaign, CouponGranted, ReadCode, UseState
from loyaltycore.errors import ConflictError, DuplicateError, LimitReachedError, Reason, Refusal, RefusedError, UsageError
from loyaltycore.facts import Command, Fact, Posting
from loyaltycore.identity import (
    Key,
    StreamId,
    campaign_stream,
    check_id,
    check_text,
    coupon_stream,
    fold_code,
    member_stream,
    space_stream,
)
from loyaltycore.memberships import CouponGiven, CouponGone, Membership
from loyaltycore.offers import NO_VIEW, View
from loyaltycore.program import Asked, Quote
from loyaltycore.wire import digest

__all__ = ["Batch", "CouponSteps", "Grant", "UsableCoupon", "blinded"]

PROVEN_FROM: Final = 2**29
"""Odds from which a code cannot have been guessed: its holder may be told why it does not apply."""

GRANT_BLOCK: Final = 4096
"""Serials of the first block from which a campaign gives codes one by one; each further block is twice as large."""

CANDIDATES: Final = 8
"""Serials looked at for one grant; where all are given, the block is mostly full, and the next one is taken."""

_TEXT_LIMIT: Final = 1000
"""Characters of what is no code by which it is known: longer ones are no attempt."""

HELD_LIMIT: Final = 50
"""Coupons of one member that are looked at for a quote: those that end soonest."""


@final
@attrs.frozen(kw_only=True)
class Grant:
    """A coupon that was given.

    Attributes:
        coupon_id: Its id.
        campaign_id: Of which campaign.
        code: What its holder types; empty where the campaign has no codes.
        holder: The member who alone may redeem it; ``None`` for whoever has the code.
        starts_at: First instant at which it can be redeemed; ``None`` at once.
        ends_at: First instant at which it no longer can; ``None`` never.
    """

    coupon_id: str = attrs.field(repr=masked)
    campaign_id: str
    code: str = attrs.field(repr=masked)
    holder: str | None
    starts_at: datetime | None
    ends_at: datetime | None


@final
@attrs.frozen(kw_only=True)
class Batch:
    """Codes that were issued together, for whoever gets them.

    Attributes:
        space_id: The space they are of.
        block: Their serials, and what they are for.
        words: The words that none of them holds.
    """

    space_id: str
    block: Block
    words: AvoidedWords = attrs.field(repr=False)
    _book: CodeBook = attrs.field(repr=False, alias="book")

    def codes(self) -> Iterator[str]:
        """Give the codes, one at a time: a million of them takes no room. They are the same every time."""
        return self._book.codes(self.space_id, self.block, self.words)


@final
@attrs.frozen(kw_only=True)
class UsableCoupon:
    """A coupon that a member holds, for a page that lists them.

    Attributes:
        coupon_id: To choose it by.
        campaign_id: Of which campaign.
        automatic: Whether it applies by itself.
        starts_at: First instant at which it can be redeemed; ``None`` at once.
        ends_at: First instant at which it no longer can; ``None`` never.
        refusal: Why it cannot be redeemed at present; ``None`` where only a basket decides.
    """

    coupon_id: str = attrs.field(repr=masked)
    campaign_id: str
    automatic: bool
    starts_at: datetime | None
    ends_at: datetime | None
    refusal: Refusal | None


class CouponSteps(Service):
    """Codes, coupons and campaigns."""

    __slots__ = ()

    # ---- what a quote looks at ----

    def _sight(self, streams: tuple[StreamId, ...], asked: Asked, key: Key) -> Sight:
        """Say what a quote of the program looks at: the same number of streams, whatever its codes come to."""
        spaces = () if self.codes is None or not asked.codes else tuple(space.space_id for space in self.codes.spaces)
        first = (*streams, *map(space_stream, spaces))
        program = self.program
        may_hold = bool(program.campaigns) and (asked.member_id is not None or bool(asked.codes))

        def more(loaded: Loaded, at: datetime) -> tuple[StreamId, ...]:
            presented, held = list[StreamId](), dict[StreamId, None]()
            for place, text in enumerate(self._entered(asked)):
                reading = self._reading(text, loaded, at)
                coupon_id, campaign_id = self._names(text, reading)
                # What leads nowhere is looked for all the same: how much is asked of the store tells nothing.
                presented.append(coupon_stream(coupon_id or f"none-{place}"))
                presented.append(campaign_stream(campaign_id or f"none-{place}"))
            member = loaded.member_or_none(asked.member_id)
            if member is not None:
                for coupon_id in _looked_at(member, asked, at):
                    campaign_id = member.coupons[coupon_id].campaign_id
                    held |= {coupon_stream(coupon_id): None, campaign_stream(campaign_id): None}
                # What an order may give its member, it does not give while it is stopped.
                held |= dict.fromkeys(map(campaign_stream, program.coupons_to_come))
            found = dict.fromkeys([*presented, *held])
            # Two codes of one campaign, or one of a campaign that the member holds a coupon of, would ask for less.
            fewer = len(presented) + len(held) - len(found)
            return (*found, *(campaign_stream(f"none-{CODES_LIMIT + place}") for place in range(fewer)))

        limited = bool(program.book.limited)
        return Sight(
            streams=tuple(dict.fromkeys(first)),
            more=more if may_hold else None,
            counters=(lambda at: program.needs(at=at).counters) if limited else None,
            key=key,
        )

    def _view(
        self, asked: Asked, loaded: Loaded, view: View, at: datetime, *, refused: bool = False, before: Quote | None = None
    ) -> View:
        """Gather what was loaded besides the member.

        Args:
            asked: The codes, coupons and gift cards presented.
            loaded: All that ``_sight`` names.
            view: What the shop says besides.
            at: The instant of the question.
            refused: Whether too many codes were tried: then none is looked at.
            before: The quote that is placed: codes that were not looked at for it are not looked at now.
        """
        program = self.program
        used = {**used_of(program.book.limited, loaded.taken, at=at, calendar=program.calendar), **view.used}
        codes, coupons = dict[str, ReadCode](), list[Coupon]()
        if refused:
            codes = dict.fromkeys(asked.codes, ReadCode(refusal=Refusal(Reason.ATTEMPTS_LIMIT_REACHED)))
        elif program.campaigns:
            codes = self._read_codes(asked, loaded, at) | _not_looked_at(before)
        member = loaded.member_or_none(asked.member_id)
        if member is not None and program.campaigns:
            coupons = [loaded.coupon(Coupon.issued(coupon_id)) for coupon_id in _looked_at(member, asked, at)]
        return attrs.evolve(
            view,
            used=used,
            codes={**codes, **view.codes},
            coupons=(*coupons, *view.coupons),
            stopped=view.stopped | self._stopped(loaded),
            cards={**{card_id: loaded.card(card_id) for card_id in asked.cards}, **view.cards},
        )

    def _stopped(self, loaded: Loaded) -> frozenset[str]:
        """Name the campaigns that were stopped, of those whose switches were loaded."""
        switches = [
            Campaign.replay(name, one.facts)
            for stream, one in loaded.streams.items()
            for kind, _, name in [stream.partition("/")]
            if kind == "campaign" and name in self.program.campaigns
        ]
        return frozenset(switch.campaign_id for switch in switches if switch.is_stopped)

    def _of_member(
        self,
        member_id: str,
        command: Command,
        decide: Callable[[Membership, datetime], Posting[Membership]],
        *,
        undoes: bool = False,
    ) -> Steps[tuple[Fact, ...]]:
        """Do a command that one member's state decides, with the gifts it brings about, and answer with the facts it stored.

        Args:
            member_id: Whose.
            command: What is asked.
            decide: Decides it.
            undoes: Whether it may take gifts back: then what became of them is loaded too.
        """
        home = command.home

        def both(loaded: Loaded, at: datetime) -> Postings:
            member = loaded.member(member_id)
            return self._settled(loaded, member, decide(member, at), at)

        def gifts(loaded: Loaded, _: datetime) -> tuple[StreamId, ...]:
            return reward_streams(loaded.member(member_id))

        facts = yield from self._once(command, Sight(streams=(home,), more=gifts if undoes else None), both)
        return facts[home]

    def _settled(self, loaded: Loaded, before: Membership, posting: Posting[Membership], at: datetime) -> Postings:
        """Add the gifts that a command of a member brings about."""
        posting, beside = self.program.settle(before, posting, view=loaded.beside(), at=at)
        return (posting, *beside)

    def _guards(self, loaded: Loaded, campaign_ids: Iterable[str]) -> tuple[Posting[Campaign], ...]:
        """Give the switches that a command relies on: they must not have been turned when it is kept."""
        found = list[Posting[Campaign]]()
        for campaign_id in dict.fromkeys(campaign_ids):
            stream = campaign_stream(campaign_id)
            if stream in loaded.streams:
                switch = loaded.campaign(campaign_id)
                found.append(Posting(switch, facts=(), stream=stream, version=switch.version))
        return tuple(found)

    def _entered(self, asked: Asked) -> tuple[str, ...]:
        return tuple(dict.fromkeys(asked.codes))[:CODES_LIMIT]

    def _reading(self, text: str, loaded: Loaded, at: datetime) -> BookReading | None:
        """Read a code that a machine may have made; ``None`` where there is no book."""
        if self.codes is None:
            return None
        blocks = {space.space_id: loaded.space(space.space_id) for space in self.codes.spaces}
        return self.codes.read(text, at=at, blocks=blocks)

    def _names(self, text: str, reading: BookReading | None) -> tuple[str | None, str | None]:
        """Name the coupon and the campaign of a code, as far as it has them."""
        if reading is not None and reading.block is not None:
            return reading.coupon_id, reading.block.campaign_id
        try:
            offer = self.program.book.offer_of_code(fold_code(text))
        except UsageError:
            return None, None
        return None, offer.offer_id if offer is not None and offer.offer_id in self.program.campaigns else None

    def _read_codes(self, asked: Asked, loaded: Loaded, at: datetime) -> dict[str, ReadCode]:
        """Say what codes came to that a machine made, or may have."""
        found = dict[str, ReadCode]()
        for text in self._entered(asked):
            reading = self._reading(text, loaded, at)
            if reading is None or reading.verdict in _NOT_A_CODE:
                continue  # it may be one that people made
            found[text] = self._read_code(reading, loaded)
        return found

    def _read_code(self, reading: BookReading, loaded: Loaded) -> ReadCode:
        coupon = self._coupon_of(reading, loaded)
        if coupon is None:
            verdict = reading.verdict.value if not reading.is_genuine else "not_granted"
            return ReadCode(refusal=Refusal(Reason.CODE_UNKNOWN, {"verdict": verdict}))
        assert self.codes is not None  # it read the code
        assert reading.space_id is not None  # it proved itself
        return ReadCode(coupon=coupon, proven=self.codes.space(reading.space_id).odds >= PROVEN_FROM)

    def _coupon_of(self, reading: BookReading, loaded: Loaded) -> Coupon | None:
        """Give the coupon of a code: of a batch whoever has the code, otherwise only once it was granted."""
        block = reading.block
        if block is None or reading.coupon_id is None:
            return None
        coupon = loaded.coupon(self._issued(reading.coupon_id, block))
        return None if block.holder_bound and not coupon.is_granted else coupon

    def _issued(self, coupon_id: str, block: Block) -> Coupon:
        """Give what is known of a coupon by its block alone."""
        if block.holder_bound:
            return Coupon.issued(coupon_id)
        # As it was when it was issued: a program that says other dates by now changes nothing of what was sent.
        return Coupon.issued(coupon_id, campaign_id=block.campaign_id, starts_at=block.starts_at, ends_at=block.ends_at)

    def _check_readable(self, quote: Quote | None) -> None:
        """Refuse to place without a book what was quoted with one: the codes would read as unknown."""
        if self.codes is None and quote is not None and any(one.coupon is not None for one in quote.view.codes.values()):
            msg = "codes must be a CodeBook to place a quote with codes that a machine made"
            raise UsageError(msg)

    # ---- attempts ----

    def _attempt(self, tried: Mapping[str, int], client: str | None, member_id: str | None) -> Steps[None]:
        """Count what is tried, in a commit of its own and before anybody looks at it.

        Args:
            tried: The weight of each text, by a name that leads nowhere.
            client: Which device.
            member_id: Which member.

        Raises:
            RefusedError: ``attempts_limit_reached``.
        """
        command, claims = attempt(self.attempts, tried, client=client, member_id=member_id, at=self._now())
        if (yield AskReceipt(command)) is not None or not claims:
            return
        lost = 0
        while True:
            try:
                yield Commit(command, claims, Projected(command, (), self._now()))
            except DuplicateError:
                return
            except LimitReachedError as error:
                raise RefusedError(Refusal(Reason.ATTEMPTS_LIMIT_REACHED)) from error
            except ConflictError:
                if lost == self.retries:
                    raise
                lost += 1
            else:
                return

    def _try_codes(self, asked: Asked, client: str | None) -> Steps[bool]:
        """Say whether the codes of a quote may be looked at."""
        book = self.codes
        if book is None or not asked.codes:
            return True
        tried = {blinded(text): int(book.looks_like_one(text)) for text in self._entered(asked)}
        try:
            yield from self._attempt(tried, client, asked.member_id)
        except RefusedError:
            return False
        return True

    # ---- campaigns ----

    def _stop(self, campaign_id: str, reason: str, by: str) -> Steps[Campaign]:
        self._campaign(campaign_id)
        return (yield from self._switch(campaign_id, "stop", by, lambda switch, at: switch.stop(reason=reason, actor=by, at=at)))

    def _resume(self, campaign_id: str, by: str) -> Steps[Campaign]:
        self._campaign(campaign_id)
        return (yield from self._switch(campaign_id, "resume", by, lambda switch, at: switch.resume(actor=by, at=at)))

    def _switch(
        self, campaign_id: str, verb: str, by: str, turn: Callable[[Campaign, datetime], Posting[Campaign]]
    ) -> Steps[Campaign]:
        """Turn a switch, each time it is asked for: stopped, resumed and stopped again is stopped."""
        stream = campaign_stream(campaign_id)
        seen = (yield from self._whole((stream,))).campaign(campaign_id)
        while turn(seen, self._now()).facts:
            command = Command.of(stream, Key(f"{verb}:{seen.version}"), actor=by)
            try:
                yield from self._once(command, (stream,), lambda loaded, at: (turn(loaded.campaign(campaign_id), at),))
            except RefusedError:
                before, seen = seen, (yield from self._whole((stream,))).campaign(campaign_id)
                if seen.version == before.version:
                    raise  # otherwise somebody else turned it, between two looks
            else:
                return (yield from self._whole((stream,))).campaign(campaign_id)
        return seen

    def _campaign(self, campaign_id: str) -> CouponCampaign:
        campaign = self.program.campaigns.get(campaign_id)
        if campaign is None:
            known = tuple(sorted(self.program.campaigns))
            raise RefusedError(Refusal(Reason.CAMPAIGN_NOT_FOUND, {"campaign_id": campaign_id, "known": known}))
        return campaign

    def _running(self, campaign: CouponCampaign, loaded: Loaded, at: datetime) -> Posting[Campaign]:
        """Check that a campaign gives coupons at present, and give its switch, which must not be turned meanwhile."""
        switch = loaded.campaign(campaign.campaign_id)
        switch.check()
        closed = campaign.closed(at=at)
        if closed is not None:
            raise RefusedError(closed)
        return Posting(switch, facts=(), stream=campaign_stream(campaign.campaign_id), version=switch.version)

    # ---- issuing and granting ----

    def _issue(self, campaign_id: str, count: int, ref: str, avoid: Iterable[str] | AvoidedWords, by: str) -> Steps[Batch]:
        campaign, words = self._campaign(campaign_id), AvoidedWords.of(avoid)
        space_id, book = self._space_of(campaign)
        stream = space_stream(space_id)
        key = Key(f"issue:{campaign_id}:{check_id('ref', ref)}")
        command = Command.of(stream, key, actor=by, count=check_count("count", count), words=words.digest)

        def decide(loaded: Loaded, at: datetime) -> Postings:
            guard = self._running(campaign, loaded, at)
            return guard, self._taken(
                loaded.space(space_id), campaign, count, f"batch/{ref}", words=words.digest, bound=False, at=at
            )

        facts = yield from self._once(command, (stream, campaign_stream(campaign_id)), decide)
        taken = the(BlockTaken, facts[stream])
        block = attrs.evolve(taken.block, taken_at=taken.at)
        return Batch(space_id=space_id, block=block, words=words, book=book)

    def _taken(
        self, blocks: SpaceBlocks, campaign: CouponCampaign, count: int, ref: str, *, words: str = "", bound: bool, at: datetime
    ) -> Posting[SpaceBlocks]:
        """Take the next serials of the key that issues; codes of a batch keep the dates that the campaign gives them now."""
        starts_at, ends_at = (None, None) if bound else campaign.dates(at, calendar=self.program.calendar)
        assert self.codes is not None  # the campaign's space is in the book
        space = self.codes.space(blocks.space_id)
        return blocks.take(
            count,
            campaign_id=campaign.campaign_id,
            key_id=space.key_id,
            check_value=space.check_value,
            capacity=space.capacity,
            ref=ref,
            holder_bound=bound,
            words_digest=words,
            starts_at=starts_at,
            ends_at=ends_at,
            at=at,
        )

    def _space_of(self, campaign: CouponCampaign) -> tuple[str, CodeBook]:
        """Give the space of a campaign whose codes a machine makes."""
        if campaign.space_id is None or self.codes is None:
            kind = "one code for everybody" if campaign.is_human else "no codes"
            msg = f"campaign {campaign.campaign_id!r} must have codes that a machine makes, it has {kind}"
            raise UsageError(msg)
        return campaign.space_id, self.codes

    def _grant(self, campaign_id: str, member_id: str | None, ref: str, by: str) -> Steps[Grant]:
        campaign = self._campaign(campaign_id)
        if campaign.is_human:
            msg = f"campaign {campaign_id!r} has one code for everybody: there is nothing to grant"
            raise UsageError(msg)
        if member_id is None and campaign.codes is None:
            msg = f"campaign {campaign_id!r} has no codes: a coupon of it needs a member_id"
            raise UsageError(msg)
        holder = None if member_id is None else check_id("member_id", member_id)
        key = Key(f"grant:{check_id('ref', ref)}")
        command = Command.of(campaign_stream(campaign_id), key, actor=by, member_id=holder)
        receipt = yield from self._receipt(command)
        if receipt is not None:
            return self._granted([fact for facts in receipt.facts.values() for fact in facts])
        if campaign.codes is None:
            streams = yield from self._once_granted(command, campaign, [coupon_id_of(campaign_id, ref)], holder=holder, ref=ref)
            return self._granted([fact for facts in streams.values() for fact in facts])
        return (yield from self._grant_code(command, campaign, holder, ref))

    def _grant_code(self, command: Command, campaign: CouponCampaign, holder: str | None, ref: str) -> Steps[Grant]:
        """Grant a coupon with a code: one of some serials that the reference points at, in a block with room to spare."""
        space_id, book = self._space_of(campaign)
        while True:
            block = yield from self._grant_block(campaign, space_id, book.space(space_id).key_id)
            candidates = [
                f"{space_id}/{block.key_id}/{serial}"
                for serial in _pointed_at(campaign.campaign_id, ref, block)
                if self._may_be_given(space_id, serial)
            ]
            try:
                stored = yield from self._once_granted(command, campaign, candidates, holder=holder, ref=ref)
            except _AllGivenError:
                yield from self._take_grant_block(campaign, space_id, after=block)
            else:
                return self._granted([fact for facts in stored.values() for fact in facts])

    def _may_be_given(self, space_id: str, serial: int) -> bool:
        """Whether a code holds none of the words to avoid, and reads under one key alone."""
        assert self.codes is not None  # the campaign's space is in the book
        code = self.codes.space(space_id).code(serial)
        return not self.codes.clashes(code) and not self.avoid.found_in(code)

    def _once_granted(
        self, command: Command, campaign: CouponCampaign, coupon_ids: Sequence[str], *, holder: str | None, ref: str
    ) -> Steps[Mapping[StreamId, tuple[Fact, ...]]]:
        """Grant the first of some coupons that nobody has."""

        def decide(loaded: Loaded, at: datetime) -> Postings:
            guard = self._running(campaign, loaded, at)
            coupons = [loaded.coupon(Coupon.issued(coupon_id)) for coupon_id in coupon_ids]
            free = next((coupon for coupon in coupons if not coupon.version), None)
            if free is None:
                raise _AllGivenError
            starts_at, ends_at = campaign.dates(at, calendar=self.program.calendar)
            given = free.grant(
                campaign.campaign_id, holder=holder, ref=ref, starts_at=starts_at, ends_at=ends_at, actor=command.actor, at=at
            )
            if holder is None:
                return guard, given
            fact = CouponGiven(coupon_id=free.coupon_id, campaign_id=campaign.campaign_id, ends_at=ends_at, at=at)
            return guard, given, loaded.member(holder).posting((fact,))

        home = campaign_stream(campaign.campaign_id)
        members = () if holder is None else (member_stream(holder),)
        return (yield from self._once(command, (home, *members, *map(coupon_stream, coupon_ids)), decide))

    def _grant_block(self, campaign: CouponCampaign, space_id: str, key_id: str) -> Steps[Block]:
        """Give the block from which a campaign gives codes one by one; take one where there is none."""
        while True:
            blocks = (yield from self._whole((space_stream(space_id),))).space(space_id)
            own = _grant_blocks(blocks, campaign.campaign_id, key_id)
            if own:
                return own[-1]
            yield from self._take_grant_block(campaign, space_id, after=None)

    def _take_grant_block(self, campaign: CouponCampaign, space_id: str, *, after: Block | None) -> Steps[None]:
        """Take another block to give codes from, twice as large as the last; whoever takes it first takes it for all."""
        assert self.codes is not None  # the campaign's space is in the book
        key_id, capacity, stream = self.codes.space(space_id).key_id, self.codes.space(space_id).capacity, space_stream(space_id)
        ref = f"grants/{key_id}/{0 if after is None else after.stop}"
        command = Command.of(stream, Key(f"grants:{campaign.campaign_id}:{ref}"), actor="shop")

        def decide(loaded: Loaded, at: datetime) -> Postings:
            blocks = loaded.space(space_id)
            wanted = GRANT_BLOCK if after is None else 2 * len(after.serials)
            count = max(1, min(wanted, capacity - blocks.next_serial(key_id)))
            return (self._taken(blocks, campaign, count, ref, bound=True, at=at),)

        yield from self._once(command, (stream,), decide)

    def _granted(self, facts: Iterable[Fact]) -> Grant:
        fact = the(CouponGranted, tuple(facts))
        return Grant(
            coupon_id=fact.coupon_id,
            campaign_id=fact.campaign_id,
            code=self._code_of(fact.coupon_id, fact.campaign_id),
            holder=fact.holder or None,
            starts_at=fact.starts_at,
            ends_at=fact.ends_at,
        )

    def _code_of(self, coupon_id: str, campaign_id: str) -> str:
        """Spell the code of a coupon, under whichever key it has; empty where it has none."""
        campaign = self.program.campaigns.get(campaign_id)
        if campaign is None or campaign.space_id is None or self.codes is None:
            return ""
        try:
            return self.codes.code(coupon_id)
        except UsageError:
            return ""  # it was granted when the campaign had other codes, or none

    # ---- one coupon ----

    def _revoke(self, coupon_id: str, reason: str, by: str) -> Steps[Coupon]:
        stream = coupon_stream(coupon_id)
        check_text("reason", reason)
        while True:
            seen = (yield from self._whole((stream,))).coupon(Coupon.issued(coupon_id))
            if seen.revoked_at is not None:
                return seen
            if not seen.version and not (yield from self._is_of_batch(coupon_id)):
                raise RefusedError(Refusal(Reason.COUPON_NOT_FOUND))
            members = (member_stream(seen.holder),) if seen.holder else ()

            def decide(loaded: Loaded, at: datetime, seen: Coupon = seen) -> Postings:
                coupon = loaded.coupon(Coupon.issued(coupon_id))
                if coupon.holder != seen.holder:
                    raise _HolderMovedError
                revoked = coupon.revoke(reason=reason, actor=by, at=at)
                if not coupon.holder:
                    return (revoked,)
                member = loaded.member(coupon.holder)
                held = member.coupons.get(coupon_id)
                gone = () if held is None or held.is_gone else (CouponGone(coupon_id=coupon_id, at=at),)
                return revoked, member.posting(gone)

            command = Command.of(stream, Key("revoke"), actor=by, reason=reason)
            try:
                yield from self._once(command, (stream, *members), decide)
            except _HolderMovedError:
                continue  # its holder was forgotten between two looks; that happens once
            except RefusedError:
                if (yield from self._whole((stream,))).coupon(Coupon.issued(coupon_id)).revoked_at is None:
                    raise  # otherwise somebody else took it back, between two looks

    def _is_of_batch(self, coupon_id: str) -> Steps[bool]:
        """Say whether a coupon is one of a batch: of such a one nothing is stored until it is used."""
        named, _, serial = coupon_id.rpartition("/")
        space_id, _, key_id = named.rpartition("/")
        spaces = () if self.codes is None else tuple(space.space_id for space in self.codes.spaces)
        if space_id not in spaces or not serial.isdecimal() or serial != str(int(serial)):
            return False
        block = (yield from self._whole((space_stream(space_id),))).space(space_id).block_of(key_id, int(serial))
        return block is not None and not block.holder_bound

    def _coupon(self, code: str) -> Steps[Coupon]:
        """Read a code for whoever helps its holder."""
        if self.codes is None:
            msg = "codes must be a CodeBook to read one"
            raise UsageError(msg)
        spaces = tuple(space_stream(space.space_id) for space in self.codes.spaces)
        loaded = yield from self._whole(spaces)
        reading = self._reading(code, loaded, self._now())
        assert reading is not None  # there is a book
        if reading.block is None or reading.coupon_id is None:
            raise RefusedError(Refusal(Reason.CODE_UNKNOWN, {"verdict": reading.verdict.value}))
        more = yield from self._whole((coupon_stream(reading.coupon_id),))
        coupon = self._coupon_of(reading, Loaded({**loaded.streams, **more.streams}))
        if coupon is None:
            raise RefusedError(Refusal(Reason.CODE_UNKNOWN, {"verdict": "not_granted"}))
        return coupon

    def _coupons(self, member_id: str) -> Steps[tuple[UsableCoupon, ...]]:
        asked = Asked(basket=Basket([], currency=self.program.currency), member_id=member_id)
        sight = self._sight((member_stream(member_id),), asked, Key("-"))

        def look(loaded: Loaded, at: datetime) -> tuple[UsableCoupon, ...]:
            view = self._view(asked, loaded, NO_VIEW, at)
            return tuple(self._usable(coupon, view, member_id, at) for coupon in view.coupons if self._is_listed(coupon))

        return (yield from self._seen(sight, look))

    def _is_listed(self, coupon: Coupon) -> bool:
        """Whether a coupon may be used, now or later: not one that an order had used, or the shop revoked, when handed on."""
        is_used = any(use.state is UseState.REDEEMED for use in coupon.uses.values()) or coupon.revoked_at is not None
        return coupon.campaign_id in self.program.campaigns and not is_used

    def _usable(self, coupon: Coupon, view: View, member_id: str, at: datetime) -> UsableCoupon:
        assert coupon.campaign_id is not None  # it is listed
        refusal = coupon.check(member_id, at=at).refusal
        if refusal is None and coupon.campaign_id in view.stopped:
            refusal = Refusal(Reason.CAMPAIGN_STOPPED, {"campaign_id": coupon.campaign_id})
        return UsableCoupon(
            coupon_id=coupon.coupon_id,
            campaign_id=coupon.campaign_id,
            automatic=self.program.campaigns[coupon.campaign_id].automatic,
            starts_at=coupon.starts_at,
            ends_at=coupon.ends_at,
            refusal=refusal,
        )


class _AllGivenError(Exception):
    """Every serial that a reference points at was given."""


class _HolderMovedError(Exception):
    """A coupon is another's than at the look before."""


_NOT_A_CODE: Final = frozenset({CodeVerdict.LENGTH, CodeVerdict.SYMBOL, CodeVerdict.CHECK})


def _not_looked_at(quote: Quote | None) -> dict[str, ReadCode]:
    """Give the codes of a quote that too many tries kept from being looked at."""
    read = {} if quote is None else quote.view.codes
    return {
        text: one for text, one in read.items() if one.refusal is not None and one.refusal.reason is Reason.ATTEMPTS_LIMIT_REACHED
    }


def _looked_at(member: Membership, asked: Asked, at: datetime) -> tuple[str, ...]:
    """Name the coupons of a member that a quote looks at: those that were chosen, and those that end soonest."""
    chosen = [coupon_id for coupon_id in asked.coupons if coupon_id in member.coupons]
    return tuple(dict.fromkeys([*chosen, *member.coupons_at(at)[:HELD_LIMIT]]))


def _grant_blocks(blocks: SpaceBlocks, campaign_id: str, key_id: str) -> list[Block]:
    return [
        block for block in blocks.blocks if block.holder_bound and block.campaign_id == campaign_id and block.key_id == key_id
    ]


def _pointed_at(campaign_id: str, ref: str, block: Block) -> tuple[int, ...]:
    """Give the serials of a block that a reference points at: spread evenly, and the same every time."""
    size = len(block.serials)
    found = [int(digest([campaign_id, ref, nth], purpose="lc.grant"), 16) % size for nth in range(min(CANDIDATES, size))]
    return tuple(dict.fromkeys(block.start + offset for offset in found))


def blinded(text: str) -> str:
    """Give a name of what was typed, under which nobody finds it again that does not know it; typed otherwise, the same."""
    try:
        known = fold_code(text)
    except UsageError:
        # What is no code may be text of any kind and length: its beginning, with its marks written out, can be digested.
        known = text[:_TEXT_LIMIT].encode("ascii", "backslashreplace").decode()
    return digest(known, purpose="lc.attempt.code")
