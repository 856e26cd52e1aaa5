"""What a replay must remember of the events it booked, in a temporary database on disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Final, Self, cast, final

import attrs

from loyaltycore._history import (
    Acted,
    Cancelled,
    CardMade,
    Chosen,
    CodesIssued,
    CouponGranted,
    Event,
    Joined,
    Ordered,
    ReturnedLines,
    RewardAsked,
    TierLifted,
)
from loyaltycore.codec import fact_from_text, fact_text
from loyaltycore.orders import OrderPlaced, OrderReturned

__all__ = ["ORDERS_PLACE", "Notes", "Taken", "key_of"]

ORDERS_PLACE: Final = "e"
"""Place of orders among what happens at one instant."""


_NAMED_BY: Final[Mapping[type[Event], tuple[str, ...]]] = {
    Joined: ("a", "member_id", "referred_by"),
    CodesIssued: ("b", "campaign_id", "ref"),
    CouponGranted: ("c", "campaign_id", "ref"),
    TierLifted: ("d", "member_id", "ref"),
    Ordered: (ORDERS_PLACE, "order_id"),
    CardMade: ("f", "ref"),
    ReturnedLines: ("g", "order_id", "return_id"),
    Cancelled: ("h", "return_id"),
    Acted: ("i", "member_id", "ref"),
    RewardAsked: ("j", "member_id", "ref"),
    Chosen: ("k", "member_id", "reward_id"),
}
"""A kind's place at one instant, and the ids that name an event of it."""


def key_of(event: Event) -> tuple[str, ...]:
    """Name an event: its kind's place at one instant, and its ids."""
    place, *fields = _NAMED_BY[type(event)]
    return (place, *(getattr(event, name) or "" for name in fields))


@final
@attrs.frozen
class Taken:
    """Units taken back from one line of an order."""

    place: int
    order_id: str
    line_id: str
    units: int


@final
class Notes:
    """What a replay must remember, in a temporary database on disk: it grows with the history, and memory must not.

    Which events were booked, where each member bought each product and how much of that has not come back, and the returns
    that came too late.
    """

    def __init__(self) -> None:
        self.db = sqlite3.connect("", isolation_level=None)
        self.db.execute("PRAGMA journal_mode = OFF")
        self.db.execute("CREATE TABLE booked (key TEXT PRIMARY KEY) WITHOUT ROWID")
        self.db.execute(
            "CREATE TABLE bought (member TEXT, product TEXT, place INTEGER, order_id TEXT, line_id TEXT, units INTEGER,"
            " PRIMARY KEY (member, product, place)) WITHOUT ROWID"
        )
        self.db.execute(
            "CREATE TABLE late (order_id TEXT, return_id TEXT, fact TEXT, PRIMARY KEY (order_id, return_id)) WITHOUT ROWID"
        )
        self.db.execute("BEGIN")
        self.place = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.db.close()

    def is_first(self, event: Event) -> bool:
        """Note that an event was booked, and say whether it is the first of its name."""
        return self.db.execute("INSERT OR IGNORE INTO booked VALUES (?)", (_joined(key_of(event)),)).rowcount == 1

    def knows(self, *key: str) -> bool:
        """Say whether an event of this name was booked."""
        return self.db.execute("SELECT 1 FROM booked WHERE key = ?", (_joined(key),)).fetchone() is not None

    def bought(self, placed: OrderPlaced) -> None:
        """Remember what a member bought."""
        member_id, order_id, start = placed.member_id, placed.order_id, self.place
        self.place += len(placed.lines)
        rows = [
            (member_id, line.product_id, place, order_id, line.line_id, line.quantity)
            for place, line in enumerate(placed.lines, start)
        ]
        self.db.executemany("INSERT INTO bought VALUES (?, ?, ?, ?, ?, ?)", rows)

    def take(self, member_id: str, product_id: str, units: int) -> list[Taken]:
        """Take units back from the latest purchases."""
        found, left = list[Taken](), units
        rows = self.db.execute(
            "SELECT place, order_id, line_id, units FROM bought WHERE member = ? AND product = ? AND units > 0"
            " ORDER BY place DESC",
            (member_id, product_id),
        )
        for place, order_id, line_id, bought in rows:
            found.append(Taken(place, order_id, line_id, min(left, bought)))
            left -= found[-1].units
            if left == 0:
                break
        rows.close()
        self._move(member_id, product_id, [(-one.units, one.place) for one in found])
        return found

    def give_back(self, member_id: str, product_id: str, taken: Iterable[Taken]) -> None:
        """Put units back where they were taken: they did not come back after all."""
        self._move(member_id, product_id, [(one.units, one.place) for one in taken])

    def _move(self, member_id: str, product_id: str, moves: list[tuple[int, int]]) -> None:
        self.db.executemany(
            "UPDATE bought SET units = units + ? WHERE member = ? AND product = ? AND place = ?",
            [(units, member_id, product_id, place) for units, place in moves],
        )

    def late(self, order_id: str) -> dict[str, OrderReturned]:
        """Give the returns of an order that came too late, by their id."""
        rows = self.db.execute("SELECT return_id, fact FROM late WHERE order_id = ? ORDER BY return_id", (order_id,))
        return {return_id: cast("OrderReturned", fact_from_text(text)) for return_id, text in rows}

    def came_late(self, fact: OrderReturned) -> None:
        """Remember a return that came too late."""
        self.db.execute("INSERT INTO late VALUES (?, ?, ?)", (fact.order_id, fact.return_id, fact_text(fact)))


def _joined(key: tuple[str, ...]) -> str:
    return "\x1f".join(key)  # no id holds a control character
