"""The lots of an account that hold something, in burn order: what makes a command on ten thousand lots cheap.

Lots with units left stand sorted in chunks that know their sum and the bounds of their windows. A question goes over chunks,
and looks into those only that are neither wholly live nor wholly pending nor wholly over; a change rebuilds one chunk.
Lots that share a common end (a *span*) stand in a group of their own, where the end is no part of the order: when it moves,
nothing has to. Group 0 holds the lots with an end of their own; lots that await an event stand apart.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from heapq import merge
from operator import attrgetter, itemgetter
from typing import Final, NamedTuple, TypeAlias, final

import attrs

from loyaltycore._lots import FOLLOWED, NEVER, Hold, Lot

__all__ = ["OpenLot", "OpenLots", "Standing"]

CHUNK: Final = 64
"""Lots of a chunk when it is made; at twice as many it is parted."""

_AWAITING: Final = -1
_Key = tuple[datetime, datetime, str]


OpenLot: TypeAlias = tuple[_Key, int]
"""A lot with units left: its place in the burn order, whose last part is its id, and how many."""


class _Chunk(NamedTuple):
    """Neighbours in the burn order.

    The bounds are never too tight; they may be too wide after lots were taken out.
    """

    lots: tuple[OpenLot, ...]
    units: int
    opens_first: datetime
    opens_last: datetime
    ends_first: datetime
    ends_last: datetime

    @property
    def first(self) -> _Key:
        return self.lots[0][0]


@final
@attrs.frozen
class Standing:
    """Units left on open lots, by what an instant makes of them."""

    pending: int
    live: int
    expired: int


def _chunk(lots: tuple[OpenLot, ...]) -> _Chunk:
    opens = [key[1] for key, _ in lots]
    return _Chunk(lots, sum([units for _, units in lots]), min(opens), max(opens), *_ends(lots))


def _ends(lots: tuple[OpenLot, ...]) -> tuple[datetime, datetime]:
    return lots[0][0][0], lots[-1][0][0]


def _chunks(lots: list[OpenLot]) -> tuple[_Chunk, ...]:
    lots.sort()
    return tuple(_chunk(tuple(lots[start : start + CHUNK])) for start in range(0, len(lots), CHUNK))


def _group(lot: Lot) -> int:
    return _AWAITING if lot.awaits else lot.span


def _key(lot: Lot) -> _Key:
    return (lot.expires_at or NEVER, lot.available_at, lot.lot_id)


_key_of = itemgetter(0)
_first_of = attrgetter("first")


@final
@attrs.frozen(kw_only=True)
class OpenLots:
    """What a ledger's commands look at; made from the lots once, and carried along with every change.

    Attributes:
        groups: Chunks in order, by group.
        debts: Units missing, by the lots below zero.
        holds: Open holds with their ends, soonest first.
        has_marked: Whether a policy follows the debts of any lot, or has.
    """

    groups: dict[int, tuple[_Chunk, ...]]
    debts: dict[str, int]
    holds: tuple[tuple[datetime, str], ...]
    has_marked: bool

    @classmethod
    def of(cls, lots: Iterable[Lot], holds: Mapping[str, Hold]) -> OpenLots:
        """Sort the lots of an account.

        Complexity:
            O(n log n).
        """
        groups: dict[int, list[OpenLot]] = {}
        debts: dict[str, int] = {}
        has_marked = False
        for lot in lots:
            # Taken apart in one step: whole accounts come through here.
            (
                lot_id,
                granted,
                _,
                opens_at,
                ends_at,
                revoked,
                burned,
                paid_out,
                paid_in,
                forgiven,
                moved,
                renewed,
                _,
                overdraft,
                awaits,
                _,
                span,
            ) = lot
            units = granted + paid_in + forgiven - revoked - burned - paid_out - moved - renewed
            if units > 0:
                groups.setdefault(_AWAITING if awaits else span, []).append(((ends_at or NEVER, opens_at, lot_id), units))
            elif units < 0:
                debts[lot_id] = -units
            has_marked = has_marked or overdraft in FOLLOWED or paid_in > 0 or forgiven > 0
        return cls(
            groups={group: _chunks(found) for group, found in groups.items()},
            debts=debts,
            holds=_waiting(holds),
            has_marked=has_marked,
        )

    def changed(self, before: Mapping[str, Lot], after: Sequence[Lot], holds: Mapping[str, Hold] | None) -> OpenLots:
        """Give the same after some lots changed or came.

        Args:
            before: The lots as they were.
            after: Those that changed, as they are.
            holds: All holds, where any of them changed.

        Complexity:
            O(lots changed · (chunks + lots of a chunk)), all of it the copying of tuples.
        """
        groups, debts = dict(self.groups), self.debts
        for lot in after:
            known, units = before.get(lot.lot_id), lot.remaining
            place = (_group(lot), _key(lot))
            if known is not None and known.remaining > 0 and (units <= 0 or place != (_group(known), _key(known))):
                _put(groups, _group(known), _key(known), 0)
            if units > 0:
                _put(groups, *place, units)
            if units < 0 or lot.lot_id in debts:
                debts = {lot_id: owed for lot_id, owed in debts.items() if lot_id != lot.lot_id}
                if units < 0:
                    debts[lot.lot_id] = -units
        return OpenLots(
            groups=groups,
            debts=debts,
            holds=self.holds if holds is None else _waiting(holds),
            has_marked=self.has_marked or any(lot.is_marked for lot in after),
        )

    def standing(self, at: datetime, spans: Mapping[int, datetime]) -> Standing:
        """Sum up what is pending, live and expired at an instant.

        Args:
            at: The instant.
            spans: The common ends, by span.

        Complexity:
            O(chunks).
        """
        pending = live = total = 0
        for group, chunks in self.groups.items():
            is_over = group in spans and spans[group] <= at
            for chunk in chunks:
                total += chunk.units
                if at < chunk.opens_first:
                    pending += chunk.units
                elif group == _AWAITING:
                    pending += sum(units for key, units in chunk.lots if at < key[1])
                elif is_over or chunk.ends_last <= at:
                    # What is not open yet cannot be over: every window ends after it has begun.
                    pending += 0 if chunk.opens_last <= at else sum(units for key, units in chunk.lots if at < key[1])
                elif chunk.opens_last <= at < chunk.ends_first:
                    live += chunk.units
                else:
                    for (ends_at, opens_at, _), units in chunk.lots:
                        if at < opens_at:
                            pending += units
                        elif at < ends_at:
                            live += units
        return Standing(pending, live, total - pending - live)

    def live(self, at: datetime, spans: Mapping[int, datetime]) -> Iterator[OpenLot]:
        """Go through the lots that can be burned at an instant, in burn order, as far as anybody asks."""
        groups = [
            (_opened(chunks, at) if group == 0 else _with_end(_opened(chunks, at), spans[group]))
            for group, chunks in self.groups.items()
            if group != _AWAITING and (group == 0 or at < spans[group])
        ]
        return groups[0] if len(groups) == 1 else merge(*groups)

    def unexpired(self, at: datetime, spans: Mapping[int, datetime]) -> Iterator[OpenLot]:
        """Go through the lots whose time is not over at an instant, whether it has begun or not, as far as anybody asks."""
        groups = [
            _unended(chunks, at, spans.get(group), is_awaiting=group == _AWAITING)
            for group, chunks in self.groups.items()
            if at < spans.get(group, NEVER)
        ]
        return merge(*groups)

    def next_end(self, after: datetime, spans: Mapping[int, datetime]) -> datetime | None:
        """Give the first instant after another at which the time of a lot or a hold is over; ``None`` if none.

        Complexity:
            O(chunks), and O(lots that await an event).
        """
        ends = [ends_at for ends_at in (self._first_end(group, after, spans) for group in self.groups) if ends_at is not None]
        start = bisect_right(self.holds, after, key=itemgetter(0))
        ends += [until for until, _ in self.holds[start : start + 1]]
        return min(ends, default=None)

    def _first_end(self, group: int, after: datetime, spans: Mapping[int, datetime]) -> datetime | None:
        if group in spans:
            return spans[group] if after < spans[group] else None
        if group == _AWAITING:  # what does not come in time lapses at the deadline, and these stand in another order
            return min((key[1] for chunk in self.groups[group] for key, _ in chunk.lots if after < key[1]), default=None)
        later = (chunk for chunk in self.groups[group] if after < chunk.ends_last)
        return next((key[0] for chunk in later for key, _ in chunk.lots if after < key[0] < NEVER), None)

    def held_at(self, at: datetime) -> Iterator[str]:
        """Go through the holds that count at an instant."""
        start = bisect_right(self.holds, at, key=itemgetter(0))
        return (ref for _, ref in self.holds[start:])


def _waiting(holds: Mapping[str, Hold]) -> tuple[tuple[datetime, str], ...]:
    return tuple(sorted((hold.until, ref) for ref, hold in holds.items() if hold.is_open))


def _opened(chunks: tuple[_Chunk, ...], at: datetime) -> Iterator[OpenLot]:
    for chunk in chunks:
        if chunk.ends_last <= at or at < chunk.opens_first:
            continue
        for lot in chunk.lots:
            if lot[0][1] <= at < lot[0][0]:
                yield lot


def _with_end(lots: Iterable[OpenLot], ends_at: datetime) -> Iterator[OpenLot]:
    for (_, opens_at, lot_id), units in lots:
        yield (ends_at, opens_at, lot_id), units


def _unended(chunks: tuple[_Chunk, ...], at: datetime, ends_at: datetime | None, *, is_awaiting: bool) -> Iterator[OpenLot]:
    for chunk in chunks:
        if chunk.ends_last <= at:
            continue
        for (own_end, opens_at, lot_id), units in chunk.lots:
            if at < (opens_at if is_awaiting else own_end):
                yield (ends_at or own_end, opens_at, lot_id), units


def _put(groups: dict[int, tuple[_Chunk, ...]], group: int, key: _Key, units: int) -> None:
    """Set what a lot holds: put it in its place, or take it out of it."""
    chunks = groups.get(group, ())
    place = max(0, bisect_right(chunks, key, key=_first_of) - 1)
    if not chunks:
        groups[group] = (_chunk(((key, units),)),)
        return
    chunk = chunks[place]
    start = bisect_left(chunk.lots, key, key=_key_of)
    stop = start + 1 if start < len(chunk.lots) and chunk.lots[start][0] == key else start
    taken = chunk.lots[start][1] if stop > start else 0
    lots = (*chunk.lots[:start], *(((key, units),) if units else ()), *chunk.lots[stop:])
    if not lots:
        fresh: tuple[_Chunk, ...] = ()
    elif len(lots) >= 2 * CHUNK:
        fresh = (_chunk(lots[:CHUNK]), _chunk(lots[CHUNK:]))
    else:
        opens_at = key[1]
        fresh = (
            _Chunk(
                lots,
                chunk.units - taken + units,
                min(chunk.opens_first, opens_at),
                max(chunk.opens_last, opens_at),
                *_ends(lots),
            ),
        )
    groups[group] = (*chunks[:place], *fresh, *chunks[place + 1 :])
    if not groups[group]:
        del groups[group]
