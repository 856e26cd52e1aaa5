"""The commands about one member, and about what members are owed outside: ``member``, ``payouts``."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import date, datetime, timedelta
from typing import Final

from loyaltycore._checks import check_day, shown
from loyaltycore._payouts import Payout, PayoutStatus
from loyaltycore._referral import Referral, ReferralStatus
from loyaltycore._statement import statement, until_text
from loyaltycore._steps import until_now
from loyaltycore.errors import UsageError
from loyaltycore.identity import StreamId, member_stream, payout_stream, referral_stream
from loyaltycore.memberships import Membership
from loyaltycore.messages import Language, money_text, number_text, say
from loyaltycore.periods import Calendar, Window
from loyaltycore.points import POINTS
from loyaltycore.program import Program
from loyaltycore.quantities import Money
from loyaltycore.replay import StoredRepository
from loyaltycore.services import utc_now
from loyaltycore.tiers import Metric, TierAnswer
from loyaltycore.wire import instant_text

__all__ = ["add_member"]

_PAGE: Final = 500
"""Payouts loaded at once."""

_REWARDS: Final = 10
"""Of the latest that are told."""

_COLUMNS: Final = (
    *("payout_id", "member_id", "amount", "currency", "paid_as", "status", "since", "source", "ref"),
    *("paid_ref", "paid_at"),
)

_DONE: Final = 0

_TICK: Final = timedelta(microseconds=1)


def add_member(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    *,
    urls: str,
    load: Callable[[str], Program],
    readable: Callable[[str], AbstractContextManager[StoredRepository]],
) -> None:
    """Add the commands ``member`` and ``payouts``.

    Args:
        commands: Where the program keeps its commands.
        urls: How a store is named, for people.
        load: Reads a program.
        readable: Opens a store that is there, for reading.
    """
    member = commands.add_parser("member", help="show a member's balance, and a statement of what happened")
    member.add_argument("member_id", metavar="ID", help="the shop's own id of the member")
    member.add_argument("--store", metavar="URL", required=True, help=f"where the facts are: {urls}; it is only read")
    member.add_argument(
        "--program", metavar="PROGRAM", help="the program, a TOML file: for the tier and why, and the zone of the days"
    )
    member.add_argument("--account", metavar="NAME", default=POINTS, help="which of the member's accounts")
    member.add_argument("--from", metavar="DAY", dest="first_on", help="first day told; left out, from the beginning")
    member.add_argument("--to", metavar="DAY", dest="last_on", help="last day told, at most today; left out, up to now")
    member.add_argument("--language", choices=("en", "fr"), default="en")
    member.set_defaults(run=lambda options: _member(options, load, readable))

    payouts = commands.add_parser("payouts", help="list what the shop pays outside, as CSV")
    payouts.add_argument("--store", metavar="URL", required=True, help=f"where the facts are: {urls}; it is only read")
    payouts.add_argument(
        "--status", choices=[status.value for status in PayoutStatus if status is not PayoutStatus.NONE], help="left out, all"
    )
    payouts.set_defaults(run=lambda options: _payouts(options, readable))


def _member(
    options: argparse.Namespace,
    load: Callable[[str], Program],
    readable: Callable[[str], AbstractContextManager[StoredRepository]],
) -> int:
    program = None if options.program is None else load(options.program)
    calendar = Calendar("UTC") if program is None else program.calendar
    first_on, last_on = _day("--from", options.first_on), _day("--to", options.last_on)
    stream = member_stream(options.member_id)
    with readable(options.store) as repository:
        facts = repository.load([stream])[stream].facts
        membership = Membership.replay(options.member_id, facts).on(options.account)
        payouts, referral = _beside(repository, membership)
    if not facts:
        msg = f"there is no member {options.member_id!r}"  # without the URL: it may hold a password
        raise UsageError(msg)
    ends_at = until_now(facts, now=utc_now())
    last_at = ends_at - _TICK
    if options.account not in {POINTS, *membership.ledgers}:
        # Everybody has the main account; another one that is empty is a slip of the keyboard.
        there_are = ", ".join(sorted({POINTS, *membership.ledgers}))
        msg = f"--account must be one that {options.member_id!r} has used ({there_are}), got {shown(options.account)}"
        raise UsageError(msg)
    if last_on is not None:
        ends_at = min(ends_at, calendar.first_instant(last_on + timedelta(days=1)))
    starts_at = None if first_on is None else calendar.first_instant(first_on)
    if starts_at is not None and starts_at >= ends_at:
        msg = f"--from must not be after --to, nor after today, got {first_on}"
        raise UsageError(msg)
    told = statement(facts, window=Window(starts_at=starts_at, ends_at=ends_at), account=options.account)
    print("\n".join(_head(membership, program, calendar, options.language, at=last_at)))
    held = [
        *_held(membership, payouts, calendar, options.language, at=last_at),
        *_friends(membership, referral, options.language),
    ]
    print("\n".join(["", *held, ""]) if held else "")
    print(told.text(options.language, calendar=calendar))
    return _DONE


def _head(
    membership: Membership, program: Program | None, calendar: Calendar, language: Language, *, at: datetime
) -> Iterator[str]:
    """Lay out where a member stands."""
    balance, ledger = membership.balance(at=at), membership.ledger
    yield say("member.title", language, member=membership.member_id)
    accounts = sorted({POINTS, *membership.ledgers})
    if len(accounts) > 1:
        yield say("member.accounts", language, accounts=", ".join(accounts))
    why = None if program is None else program.explain_tier(membership, at=at)
    if program is not None and why is not None:
        yield from _tier(program, why, language)
    yield say("member.available", language, points=number_text(balance.available, language))
    for name in ("pending", "held", "debt"):
        points = getattr(balance, name)
        if points:
            yield say(f"member.{name}", language, points=number_text(points, language))
    for ref, hold in sorted(ledger.holds.items()):
        if hold.is_open and at < hold.until:
            until = until_text(hold.until, language, calendar=calendar)
            yield say("member.hold", language, ref=ref, until=until, points=number_text(hold.units, language))
    for expiring in ledger.expiring(after=at)[:1]:
        last_on = calendar.day_of(expiring.expires_at - _TICK).isoformat()
        yield say("member.expiring", language, last_on=last_on, points=number_text(expiring.units, language))


def _tier(program: Program, why: TierAnswer, language: Language) -> Iterator[str]:
    """Say which tier it is, what carries it, until when, and what is missing."""
    status, calendar = why.status, program.calendar
    yield say("member.tier", language, tier=status.tier or "–")
    if why.reached is not None:
        amount = _counted(program, why.reached.metric, language)
        yield say("member.tier_reached", language, reached_on=why.reached.day.isoformat(), amount=amount)
    for grant in why.grants:
        if grant.until is None:
            yield say("member.tier_granted_open", language, ref=grant.ref, reason=grant.reason)
        else:
            until = until_text(grant.until, language, calendar=calendar)
            yield say("member.tier_granted", language, ref=grant.ref, reason=grant.reason, until=until)
    if status.kept_until is not None:
        yield say("member.tier_kept", language, last_on=calendar.day_of(status.kept_until - _TICK).isoformat())
    if status.to_keep == 1:  # the window holds enough already: whatever comes next renews it
        yield say("member.tier_renews", language)
    elif status.to_keep is not None:
        yield say("member.tier_keep", language, missing=_counted(program, status.to_keep, language))
    if status.next_tier is not None and status.shortfall is not None:
        missing = _counted(program, status.shortfall, language)
        yield say("member.tier_next", language, missing=missing, tier=status.next_tier)
    if status.perks:
        yield say("member.perks", language, perks=", ".join(sorted(status.perks)))


def _counted(program: Program, units: int, language: Language) -> str:
    """Write what counts for tiers: money where that is what is spent, else a number."""
    is_money = program.tiers is not None and program.tiers.metric is Metric.SPEND
    return money_text(Money(units, program.currency), language) if is_money else number_text(units, language)


def _beside(repository: StoredRepository, membership: Membership) -> tuple[Mapping[str, Payout], Referral]:
    """Load what a member is paid outside, and how the member came."""
    ids = [payout_id for held in membership.rewards.values() for payout_id in held.payouts]
    came = referral_stream(membership.member_id)
    loaded = repository.load([came, *(payout_stream(payout_id) for payout_id in ids)])
    payouts = {payout_id: Payout.replay(payout_id, loaded[payout_stream(payout_id)].facts) for payout_id in ids}
    return payouts, Referral.replay(membership.member_id, loaded[came].facts)


def _held(
    membership: Membership, payouts: Mapping[str, Payout], calendar: Calendar, language: Language, *, at: datetime
) -> Iterator[str]:
    """Say which coupons and rewards a member has."""
    for _, coupon in sorted(membership.coupons.items()):
        if coupon.is_gone or (coupon.ends_at is not None and coupon.ends_at <= at):
            continue
        if coupon.ends_at is None:
            yield say("member.coupon_open", language, campaign=coupon.campaign_id)
        else:
            until = until_text(coupon.ends_at, language, calendar=calendar)
            yield say("member.coupon", language, campaign=coupon.campaign_id, until=until)
    latest = sorted(membership.rewards.items(), key=lambda item: (item[1].at, item[0]))
    for reward_id, held in latest[-_REWARDS:]:
        if held.is_open(at):
            options = ", ".join(held.options)
            if held.until is None:
                yield say("member.reward_choice_open", language, reward=reward_id, options=options)
            else:
                until = until_text(held.until, language, calendar=calendar)
                yield say("member.reward_choice", language, reward=reward_id, options=options, until=until)
        elif not held.options:
            key = "member.reward_gone" if held.is_gone else "member.reward"
            yield say(key, language, source=held.source, given_on=calendar.day_of(held.at).isoformat())
    for payout in payouts.values():
        assert payout.amount is not None  # the reward that names it made it due
        status = say(f"payout_status.{payout.status.name.lower()}", language)
        yield say("member.payout", language, source=payout.source, amount=money_text(payout.amount, language), status=status)


def _friends(membership: Membership, referral: Referral, language: Language) -> Iterator[str]:
    """Say how a member came, and whom the member brought."""
    if referral.status not in {ReferralStatus.NONE, ReferralStatus.REFUSED}:
        yield say("member.came_through", language, status=say(f"referral_status.{referral.status.name.lower()}", language))
    if membership.referral_code is not None:
        yield say("member.referral_code", language, code=membership.referral_code)
        yield say("member.friends", language, count=number_text(len(membership.friends), language))


def _payouts(options: argparse.Namespace, readable: Callable[[str], AbstractContextManager[StoredRepository]]) -> int:
    with readable(options.store) as repository:
        rows = [_row(payout) for payout in _every_payout(repository) if options.status in {None, payout.status.value}]
    # All or nothing: half a list may be paid as if it were all.
    csv.writer(sys.stdout, lineterminator="\n").writerows([_COLUMNS, *rows])
    return _DONE


def _every_payout(repository: StoredRepository) -> Iterator[Payout]:
    """Load all payouts, some at a time, by what they are called."""
    after: StreamId | None = None
    while streams := repository.streams("payout", after=after, limit=_PAGE):
        for stream, stored in repository.load(streams).items():
            yield Payout.replay(stream.partition("/")[2], stored.facts)
        after = streams[-1]


def _row(payout: Payout) -> Iterable[str]:
    amount, since = payout.amount, payout.since
    assert amount is not None  # a stream that is listed has facts
    assert since is not None
    number, _, currency = str(amount).rpartition(" ")
    return (
        payout.payout_id,
        payout.member_id,
        number,
        currency,
        payout.paid_as.value,
        payout.status.value,
        instant_text(since),
        payout.source,
        payout.ref,
        payout.paid_ref,
        "" if payout.paid_at is None else instant_text(payout.paid_at),
    )


def _day(name: str, text: str | None) -> date | None:
    try:
        return None if text is None else check_day(name, date.fromisoformat(text))
    except UsageError:
        raise
    except ValueError as error:
        msg = f"{name} must be a day such as 2026-07-01, got {shown(text)}"
        raise UsageError(msg) from error
