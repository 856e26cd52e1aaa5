"""What a service does with referrals, as steps."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final, cast, final

import attrs

from loyaltycore._campaign import SHORTEST_CODE
from loyaltycore._checks import check_count, check_kind, check_several
from loyaltycore._code_space import CodeSpace, CodeVerdict
from loyaltycore._coupon_steps import blinded
from loyaltycore._frozen import FrozenMap
from loyaltycore._reward_steps import RewardSteps
from loyaltycore._reward_warnings import friend_cost_minor
from loyaltycore._steps import (
    AskClaimed,
    AskReceipt,
    Commit,
    Decide,
    ListStreams,
    Loaded,
    Postings,
    Projected,
    Sight,
    Steps,
    the,
)
from loyaltycore.coupons import Coupon
from loyaltycore.errors import (
    ConflictError,
    Detail,
    DuplicateError,
    LimitReachedError,
    Reason,
    Refusal,
    RefusedError,
    UsageError,
)
from loyaltycore.facts import Claim, Command, Posting
from loyaltycore.identity import (
    CounterId,
    Key,
    StreamId,
    check_text,
    coupon_stream,
    fold_code,
    member_stream,
    referral_code_stream,
    referral_stream,
)
from loyaltycore.memberships import CouponGiven, MemberJoined, Membership, ReferralCodeGiven
from loyaltycore.periods import Window
from loyaltycore.quantities import Money
from loyaltycore.referrals import (
    PublicCodes,
    Rank,
    Referral,
    ReferralCase,
    ReferralCode,
    ReferralCodeIssued,
    ReferralProgram,
    ReferralReport,
    ReferralStatus,
    check,
    codes_of_member,
    friend_coupon_id,
    leaderboard,
    referral_codes,
    referral_report,
    verdict_of,
)
from loyaltycore.repositories import Claimed, Enumerable, SnapshotStream
from loyaltycore.wire import digest

__all__ = ["ReferralSteps"]

_ACTOR: Final = "shop"
"""Who acts in what a person's own call brings."""

_SWEEP: Final = "sweep"
"""Who gives what time has brought."""

HASHES_LIMIT: Final = 20
"""Identity hashes of one call: a person has a few cards, addresses and devices."""

TRIES_LIMIT: Final = 50
"""Facts of one referral beyond which another code is not looked at: nobody mistypes so often."""

_TOGETHER: Final = 100
"""Advocates looked at together for a report."""

_AT_ONCE: Final = 8
"""Codes looked at together to find one that nobody has."""

_DAY: Final = timedelta(days=1)

OWN_CODES_LIMIT: Final = 5
"""Codes that one member may have: each is everybody else's loss, for ever."""

_NOT_MADE: Final = frozenset({CodeVerdict.LENGTH, CodeVerdict.SYMBOL})
"""How a text reads that no machine made, whatever the slip."""

_HASH_LENGTH: Final = 1000
_WISH_LENGTH: Final = 1000
"""Characters: what is longer is no code."""

_NO_MEMBER: Final = StreamId("member/")
"""Stands for who is not there, and is nobody's: as much is asked of the store for a code that leads nowhere."""

_NO_REFERRAL: Final = StreamId("referral/")
_NO_CODE: Final = StreamId("referral_code/")


@final
@attrs.frozen(kw_only=True)
class _Tried:
    """A code that somebody signs up with.

    Attributes:
        program: The referral program.
        friend_id: Who signs up.
        text: As typed.
        owner: Whose code it is; ``None`` for a code of nobody.
        known: The counters of what the friend is recognised by.
    """

    program: ReferralProgram
    friend_id: str
    text: str
    owner: str | None
    known: tuple[CounterId, ...]

    @property
    def code(self) -> str:
        """The code as it is compared; empty for what is none."""
        return _folded(self.text)

    @property
    def advocate_id(self) -> str | None:
        """Who brings the friend: nobody brings himself."""
        return None if self.owner == self.friend_id else self.owner

    @property
    def coupon_id(self) -> str:
        """The coupon that the friend is given."""
        campaign = self.program.friend_campaign
        return friend_coupon_id(self.program.program_id if campaign is None else campaign.campaign_id, self.friend_id)


@final
class _Due:
    """What is due for a friend, and for whom.

    Attributes:
        referral: As it was found.
        advocate_id: Whom it brings something, or takes from.
        at: Since when.
    """

    __slots__ = ("_known", "advocate_id", "at", "referral")

    def __init__(self, referral: Referral, advocate_id: str, at: datetime) -> None:
        self.referral, self.advocate_id, self.at = referral, advocate_id, at
        self._known: tuple[SnapshotStream, Membership] | None = None

    def advocate(self, loaded: Loaded) -> Membership:
        """Give the advocate as loaded; one with thousands of friends is read once."""
        stream = loaded.streams[member_stream(self.advocate_id)]
        if self._known is None or self._known[0] is not stream:
            self._known = stream, loaded.member(self.advocate_id)
        return self._known[1]


class ReferralSteps(RewardSteps):
    """Referrals."""

    __slots__ = ()

    # ---- joining ----

    def _join(self, member_id: str, referral_code: str | None = None, identity_hashes: Iterable[str] = ()) -> Steps[MemberJoined]:
        """Make somebody a member, and then a friend of whoever's code it is: no code stops a sign-up."""
        known = _identities(identity_hashes)
        if referral_code is not None:
            check_kind("referral_code", referral_code, str)
        stream = member_stream(member_id)
        command = Command.of(stream, Key("join"), actor=_ACTOR)
        facts = yield from self._of_member(member_id, command, lambda member, at: member.join(at=at))
        if known:
            yield from self._know(member_id, known)
        program = self.program.referrals
        if program is not None and referral_code is not None and not referral_code.isspace() and referral_code:
            yield from self._refer(program, member_id, referral_code, known)
        return the(MemberJoined, facts)

    def _know(self, member_id: str, known: tuple[CounterId, ...]) -> Steps[None]:
        """Note what a person is recognised by, each for whoever came first, in a commit of its own."""
        key = Key(f"identity:{digest(list(known), purpose='lc.identity')}")
        command, who = Command.of(member_stream(member_id), key, actor=_ACTOR), _who(member_id)
        lost = beaten = 0
        while (yield AskReceipt(command)) is None:
            at = self._now()
            claimed = cast("dict[CounterId, Claimed]", (yield AskClaimed(known, who, at)))
            claims = tuple(
                # What somebody else is known by is claimed all the same, for nothing: the store is asked no less.
                Claim(counter=name, key=who, amount=int(one.total == one.mine), limit=1, at=at, until=None)
                for name, one in claimed.items()
            )
            try:
                yield Commit(command, claims, Projected(command, (), at))
            except LimitReachedError:
                if beaten == len(known):
                    raise  # somebody was faster, but with each of them only once
                beaten += 1
            except DuplicateError:
                return
            except ConflictError:
                if lost == self.retries:
                    raise
                lost += 1

    def _refer(self, program: ReferralProgram, friend_id: str, text: str, known: tuple[CounterId, ...]) -> Steps[None]:
        """Look at a code, once, and write down what became of it: the store is asked the same whatever it is worth."""
        home, pointer = referral_stream(friend_id), _pointer(_folded(text))
        command = Command.of(home, Key(f"join:{blinded(text)}"), actor=_ACTOR)
        while True:
            seen = yield from self._whole((home, pointer))
            if seen.streams[home].version >= TRIES_LIMIT:
                return
            tried = _Tried(program=program, friend_id=friend_id, text=text, owner=_owner(seen, pointer), known=known)
            try:
                yield from self._once(command, self._sight_of_joining(tried), self._joining(tried))
            except _MovedError:
                continue  # who owns the code was forgotten, or the code was given, between two looks
            except _NothingNewError:
                return  # the beginning of a long text, which was refused before
            return

    def _sight_of_joining(self, tried: _Tried) -> Sight:
        """Say what a code is looked at with: as many streams and counters for a code of nobody, or of the friend's own."""
        advocate_id = tried.advocate_id
        streams = (
            referral_stream(tried.friend_id),
            member_stream(tried.friend_id),
            _pointer(tried.code),
            coupon_stream(tried.coupon_id),
            _NO_REFERRAL if advocate_id is None else referral_stream(advocate_id),
            _NO_MEMBER if advocate_id is None else member_stream(advocate_id),
        )

        def counters(at: datetime) -> tuple[CounterId, ...]:
            return (*tried.known, *(claim.counter for claim in self._places(tried, at)))

        return Sight(streams=streams, counters=counters, key=_who(tried.friend_id))

    def _joining(self, tried: _Tried) -> Decide:
        program, verdict = tried.program, self._verdict(tried.program, tried.text)

        def decide(loaded: Loaded, at: datetime) -> Postings:
            if _owner(loaded, _pointer(tried.code)) != tried.owner:
                raise _MovedError
            referral = _referral(loaded, tried.friend_id)
            case = ReferralCase(
                program=program,
                friend=loaded.member(tried.friend_id),
                referral=referral,
                advocate_id=tried.owner,
                advocate=loaded.member_or_none(tried.advocate_id),
                advocate_referral=None if tried.advocate_id is None else _referral(loaded, tried.advocate_id),
                code=tried.code,
                verdict=verdict,
                identities_known=sum(loaded.taken.get(name, 0) for name in tried.known),
                joined_today=sum(loaded.taken.get(claim.counter, 0) for claim in self._places(tried, at)),
                calendar=self.program.calendar,
                at=at,
            )
            refusal = check(case).refusal
            if refusal is None:
                return *self._joined(tried, loaded, at), *self._places(tried, at)
            refused = referral.refuse(program.program_id, refusal, code=tried.text, at=at)
            if not refused.facts:
                raise _NothingNewError
            return (refused,)

        return decide

    def _joined(self, tried: _Tried, loaded: Loaded, at: datetime) -> tuple[Posting[Any], ...]:
        """Give what a friend's joining writes: the referral, and the coupon it brings."""
        program, advocate_id, campaign = tried.program, tried.advocate_id, tried.program.friend_campaign
        assert advocate_id is not None  # a code of nobody, and one's own, is refused
        referral, friend = _referral(loaded, tried.friend_id), loaded.member(tried.friend_id)
        coupon = Coupon.replay(tried.coupon_id, loaded.streams[coupon_stream(tried.coupon_id)].facts)
        # Who brings the friend must not be brought by the friend meanwhile, nor be forgotten.
        guards = [
            Posting(None, facts=(), stream=stream, version=loaded.streams[stream].version)
            for stream in (referral_stream(advocate_id), member_stream(advocate_id))
        ]
        # Who was forgotten and comes again had the coupon before.
        if campaign is None or coupon.version:
            joined = referral.join(program.program_id, advocate_id=advocate_id, code=tried.code, at=at)
            return joined, friend.posting(()), *guards
        joined = referral.join(program.program_id, advocate_id=advocate_id, code=tried.code, coupon_id=coupon.coupon_id, at=at)
        starts_at, ends_at = campaign.dates(at, calendar=self.program.calendar)
        granted = coupon.grant(
            campaign.campaign_id,
            holder=friend.member_id,
            ref=program.program_id,
            starts_at=starts_at,
            ends_at=ends_at,
            actor=_ACTOR,
            at=at,
        )
        given = CouponGiven(coupon_id=coupon.coupon_id, campaign_id=campaign.campaign_id, ends_at=ends_at, at=at)
        return joined, granted, friend.posting((given,)), *guards

    def _places(self, tried: _Tried, at: datetime) -> tuple[Claim, ...]:
        """Claim a place among those whom one advocate brings in a day; where any number may, nobody counts."""
        program, calendar = tried.program, self.program.calendar
        if program.joins_per_day is None:
            return ()
        day = calendar.day_of(at)
        claim = Claim(
            counter=CounterId(f"referral/{program.program_id}/{_who(tried.advocate_id or '')}/{day.isoformat()}"),
            key=_who(tried.friend_id),
            amount=1,
            limit=program.joins_per_day,
            at=at,
            until=calendar.first_instant(day + _DAY),
        )
        return (claim,)

    def _verdict(self, program: ReferralProgram, text: str) -> str:
        """Say how a code read that a machine may have made, for the log."""
        space = self._space_of_referrals(program)
        if space is None:
            return ""
        verdict = verdict_of(space, text)
        # It is asked of what is nobody's: a code that reads well was never given.
        return (CodeVerdict.NOT_ISSUED if verdict is CodeVerdict.GENUINE else verdict).value

    # ---- codes ----

    def _referral_code(self, member_id: str, wish: str | None = None) -> Steps[ReferralCode]:
        """Give the code with which a member brings friends; one is made where there is none, or the one that is wished for."""
        program = self._referral_program()
        if wish is not None:
            return (yield from self._wished_code(program, member_id, wish))
        while True:
            member = (yield from self._whole((member_stream(member_id),))).member(member_id)
            if member.referral_code is not None:
                return ReferralCode(member.referral_code)
            try:
                return (yield from self._made_code(program, member_id))
            except _MovedError:
                continue  # another call gave the member a code meanwhile

    def _made_code(self, program: ReferralProgram, member_id: str) -> Steps[ReferralCode]:
        """Make a code that nobody has: the first of those that the member's id points at."""
        space = self._space_of_referrals(program)
        if space is None:
            msg = f"codes must be a CodeBook with the space of the referrals, {program.space_id!r}, to make a code of it"
            raise UsageError(msg)
        stream = member_stream(member_id)
        command, drawn = Command.of(stream, Key("referral_code"), actor=_ACTOR), codes_of_member(space, member_id)
        while several := tuple(islice(drawn, _AT_ONCE)):
            pointers = {referral_code_stream(code): code for code in several if not self.avoid.found_in(code)}

            def decide(loaded: Loaded, at: datetime, pointers: Mapping[StreamId, str] = FrozenMap(pointers)) -> Postings:
                member = loaded.member(member_id)
                if member.referral_code is not None:
                    raise _MovedError
                free = next((name for name in pointers if not loaded.streams[name].version), None)
                if free is None:
                    raise _AllGivenError
                return _given(member, pointers[free], free, at)

            try:
                facts = yield from self._once(command, (stream, *pointers), decide)
            except _AllGivenError:
                continue
            return ReferralCode(the(ReferralCodeGiven, facts[stream]).code)
        details: dict[str, Detail] = {"space_id": program.codes, "asked": 1, "left": 0}
        raise RefusedError(Refusal(Reason.CODES_EXHAUSTED, details))

    def _wished_code(self, program: ReferralProgram, member_id: str, wish: str) -> Steps[ReferralCode]:
        """Give a member the code that is wished for, where nobody has it and nothing else is meant by it."""
        code = self._wished(program, wish)
        stream, pointer = member_stream(member_id), referral_code_stream(code)
        command = Command.of(stream, Key(f"referral_code:{blinded(code)}"), actor=_ACTOR)

        def decide(loaded: Loaded, at: datetime) -> Postings:
            if _owner(loaded, pointer) == member_id:
                raise _MovedError
            if loaded.streams[pointer].version:
                raise RefusedError(_taken(code))
            member = loaded.member(member_id)
            if len(member.referral_codes) >= OWN_CODES_LIMIT:
                raise RefusedError(Refusal(Reason.REFERRAL_CODES_LIMIT_REACHED, {"limit": OWN_CODES_LIMIT}))
            return _given(member, code, pointer, at)

        with suppress(_MovedError):  # it is the member's own: it was made, or wished for in other letters
            yield from self._once(command, (stream, pointer), decide)
        facts = (yield from self._whole((pointer,))).streams[pointer].facts
        return ReferralCode(the(ReferralCodeIssued, facts).code)

    def _wished(self, program: ReferralProgram, wish: str) -> str:
        """Give a wish as it is shown: letters, digits, dashes and blanks, in capitals.

        Raises:
            RefusedError: ``code_malformed`` for what is no code; ``referral_code_taken`` for what would be taken for another.
        """
        shown = _printed(check_kind("wish", wish, str))
        folded = _folded(shown)
        if len(folded) < SHORTEST_CODE:
            raise RefusedError(Refusal(Reason.CODE_MALFORMED))
        if self.avoid.found_in(shown):
            raise RefusedError(_taken(shown))
        space, book = self._space_of_referrals(program), self.codes
        # A slip in a code that is made must not lead to somebody who wished for what it comes to.
        begins = "" if space is None else _folded(space.pattern.partition("#")[0])
        looks_made = (begins != "" and folded.startswith(begins)) or (
            (space is not None and verdict_of(space, shown) not in _NOT_MADE) or (book is not None and book.looks_like_one(shown))
        )
        if looks_made or self.program.book.offer_of_code(folded) is not None:
            raise RefusedError(_taken(shown))
        return shown

    def _referral_program(self) -> ReferralProgram:
        program = self.program.referrals
        if program is None:
            msg = f"program {self.program.name!r} must have referrals to give a code to bring friends with"
            raise UsageError(msg)
        return program

    def _space_of_referrals(self, program: ReferralProgram) -> PublicCodes | CodeSpace | None:
        """Give the codes that are made: of a pattern, or of a space; ``None`` where its key is not at hand."""
        space = referral_codes(program, context=self.program.name)
        if space is not None or self.codes is None or program.space_id not in {one.space_id for one in self.codes.spaces}:
            return space
        return self.codes.space(program.space_id)

    # ---- what time brings, and returns ----

    def _settle_referral(self, stream: StreamId) -> Steps[bool]:
        """Give what is due for a friend, or take it back, once; where nothing is due, or no longer, nothing happens.

        Returns:
            Whether anything could be done: not where he waits for the program that he joined under.
        """
        friend_id, is_done = stream.partition("/")[2], False
        while True:
            seen = _referral((yield from self._whole((stream,))), friend_id)
            if seen.advocate_id is None or seen.due_at is None or seen.due_at > self._now():
                return True
            if seen.status is ReferralStatus.QUALIFIED and not self._is_program_of(seen):
                return is_done
            # Two at once see one version, and do it once; what comes next is done at another.
            command = Command.of(stream, Key(f"settle:{seen.version}"), actor=_SWEEP)
            due = _Due(referral=seen, advocate_id=seen.advocate_id, at=seen.due_at)
            sight = Sight(streams=(stream, member_stream(due.advocate_id)), more=self._beside_referral(due), follows=True)
            with suppress(_MovedError):  # an order came or came back, or somebody was forgotten, between two looks
                yield from self._once(command, sight, self._settling(due))
                is_done = True

    def _is_program_of(self, referral: Referral) -> bool:
        program = self.program.referrals
        return program is not None and program.program_id == referral.program_id

    def _beside_referral(self, due: _Due) -> Callable[[Loaded, datetime], tuple[StreamId, ...]]:
        """Name what a reward, or one that is taken back, may move besides: coupons, payouts, and a friend who steps in."""

        def more(loaded: Loaded, _: datetime) -> tuple[StreamId, ...]:
            return self.program.referral_needs(due.referral, due.advocate(loaded))

        return more

    def _settling(self, due: _Due) -> Decide:
        def decide(loaded: Loaded, now: datetime) -> Postings:
            seen = due.referral
            if _referral(loaded, seen.friend_id) != seen:
                raise _MovedError
            advocate, view = due.advocate(loaded), loaded.beside()
            # What is due is the same whenever it is written down; only coupons are valid from then on, or none might be left.
            if seen.status is ReferralStatus.REVERSING:
                others = [name for kind, name in _named(loaded) if kind == "referral" and name != seen.friend_id]
                stand_in = _referral(loaded, others[0]) if others else None
                settled = self.program.reverse_referral(seen, advocate, stand_in=stand_in, view=view, at=due.at, posted_at=now)
            else:
                settled = self.program.reward_referral(seen, advocate, at=due.at, posted_at=now)
            return settled.postings

        return decide

    # ---- looking ----

    def _referral(self, friend_id: str) -> Steps[Referral]:
        return _referral((yield from self._whole((referral_stream(friend_id),))), friend_id)

    def _leaderboard(self, window: Window, limit: int) -> Steps[tuple[Rank, ...]]:
        check_count("limit", limit)
        return leaderboard((yield from self._all_referrals()), window=window, limit=limit)

    def _referral_report(self, ltv: Money | None, window: Window) -> Steps[ReferralReport]:
        referrals, members, after = (yield from self._all_referrals()), 0, cast("StreamId | None", None)
        while True:
            page: tuple[StreamId, ...] = tuple((yield ListStreams("member", after)))
            if not page:
                reward = yield from self._given_for(referrals, window)
                return referral_report(referrals, members=members, ltv=ltv, reward=reward, window=window)
            members, after = members + len(page), page[-1]

    def _given_for(self, referrals: Iterable[Referral], window: Window) -> Steps[Money | None]:
        """Sum up what both sides get for friends who came in a window and were rewarded for, as the program says today.

        Which number a friend has is said by the advocate: as others come back it is another than when he was rewarded for.
        """
        program = self.program.referrals
        if program is None:
            return None
        brought = dict[str, list[str]]()
        for one in referrals:
            came = one.status is ReferralStatus.REWARDED and one.joined_at is not None and window.contains(one.joined_at)
            if came and one.advocate_id is not None:
                brought.setdefault(one.advocate_id, []).append(one.friend_id)
        numbers, advocates = Counter[int](), list(brought)
        for start in range(0, len(advocates), _TOGETHER):
            several = advocates[start : start + _TOGETHER]
            loaded = yield from self._whole(tuple(map(member_stream, several)))
            for advocate_id in several:
                friends = loaded.member(advocate_id).friends
                known = [friends[name] for name in brought[advocate_id] if name in friends]
                numbers.update(one.number for one in known if one.number and one.program_id == program.program_id)
        cost = sum(friend_cost_minor(self.program, number) * times for number, times in numbers.items())
        return Money(int(cost), self.program.currency)

    def _all_referrals(self) -> Steps[list[Referral]]:
        """Give all referrals, page by page."""
        if not isinstance(self.repository, Enumerable):
            msg = f"a leaderboard or a report needs a repository that has streams, got {type(self.repository).__name__}"
            raise UsageError(msg)
        found, after = list[Referral](), cast("StreamId | None", None)
        while True:
            page: tuple[StreamId, ...] = tuple((yield ListStreams("referral", after)))
            if not page:
                return found
            loaded, after = (yield from self._whole(page)), page[-1]
            found += [_referral(loaded, stream.partition("/")[2]) for stream in page]


class _MovedError(Exception):
    """What was looked at is another now."""


class _AllGivenError(Exception):
    """Every code that was looked at is somebody's."""


class _NothingNewError(Exception):
    """What is to be written down is there already."""


def _identities(hashes: Iterable[str]) -> tuple[CounterId, ...]:
    """Name what a person is recognised by: nothing leads back from it."""
    several = check_several("identity_hashes", hashes, str, limit=HASHES_LIMIT)
    found = [digest(check_text("each of identity_hashes", one, limit=_HASH_LENGTH), purpose="lc.identity") for one in several]
    return tuple(CounterId(f"identity/{name}") for name in sorted(set(found)))


def _who(member_id: str) -> Key:
    """Give a name for a member in what is counted, from which nothing leads back."""
    return Key(digest(member_id, purpose="lc.referral.who"))


def _folded(text: str) -> str:
    """Give a code as it is compared; empty for what is none."""
    try:
        return fold_code(text)
    except UsageError:
        return ""


def _pointer(code: str) -> StreamId:
    """Name the stream of a folded code; of what is no code one that nobody has."""
    return referral_code_stream(code) if code else _NO_CODE


def _printed(wish: str) -> str:
    """Give a wish in capitals, without what is neither letter, digit, dash nor blank."""
    kept = [sign for sign in unicodedata.normalize("NFKC", wish[:_WISH_LENGTH]).upper() if sign.isalnum() or sign in "- "]
    return "".join(kept).strip("- ")


def _owner(loaded: Loaded, pointer: StreamId) -> str | None:
    facts = loaded.streams[pointer].facts
    return the(ReferralCodeIssued, facts).member_id if facts else None


def _referral(loaded: Loaded, friend_id: str) -> Referral:
    return Referral.replay(friend_id, loaded.streams[referral_stream(friend_id)].facts)


def _given(member: Membership, code: str, pointer: StreamId, at: datetime) -> Postings:
    """Give a code to a member: whoever is first has it."""
    issued = ReferralCodeIssued(code=code, member_id=member.member_id, at=at)
    return member.posting((ReferralCodeGiven(code=code, at=at),)), Posting(None, facts=(issued,), stream=pointer, version=0)


def _taken(code: str) -> Refusal:
    return Refusal(Reason.REFERRAL_CODE_TAKEN, {"code": code})


def _named(loaded: Loaded) -> Iterator[tuple[str, str]]:
    for stream in loaded.streams:
        kind, _, name = stream.partition("/")
        yield kind, name
