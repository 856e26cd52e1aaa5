"""What a replay remembers: the names of events, what was bought, and what came back too late."""

from __future__ import annotations

from copy import copy
from datetime import UTC, datetime
from typing import get_args

import attrs
import pytest

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
from loyaltycore._notes import ORDERS_PLACE, Notes, Taken, key_of
from loyaltycore.basket import Basket, Line, Return
from loyaltycore.orders import OrderPlaced, OrderReturned
from loyaltycore.program import Program
from loyaltycore.quantities import Money

NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)
ONE = Money.of("1.00", "EUR")

# In the order in which they are booked at one instant.
EVENTS: list[Event] = [
    Joined(at=NOW, member_id="m"),
    CodesIssued(at=NOW, campaign_id="welcome", count=3, ref="r"),
    CouponGranted(at=NOW, campaign_id="welcome", member_id="m", ref="r"),
    TierLifted(at=NOW, tier="gold", member_id="m", ref="r", reason="press", until=None),
    Ordered(at=NOW, order_id="1", member_id="m", basket=Basket.of("EUR", {"bell": "1.00"})),
    CardMade(at=NOW, ref="r", amount=ONE, expires_at=None, order_id=None, line_id=None),
    ReturnedLines(at=NOW, return_id="r", order_id="1", back=Return(amount=ONE)),
    Cancelled(at=NOW, return_id="r", member_id="m", items=()),
    Acted(at=NOW, action="review", member_id="m", ref="r"),
    RewardAsked(at=NOW, reward_id="cap", member_id="m", ref="r"),
    Chosen(at=NOW, reward_id="milestone/tenth", option="mug", member_id="m"),
]

# Of each kind, what tells two of them apart.
NAMED = [
    ("member_id", "referred_by"),
    ("campaign_id", "ref"),
    ("campaign_id", "ref"),
    ("member_id", "ref"),
    ("order_id",),
    ("ref",),
    ("order_id", "return_id"),
    ("return_id",),
    ("member_id", "ref"),
    ("member_id", "ref"),
    ("member_id", "reward_id"),
]


def with_field(event: Event, name: str, value: object) -> Event:
    """Give an event with another value in one field."""
    other = copy(event)
    object.__setattr__(other, name, value)
    return other


class TestNames:
    def test_every_kind_has_its_place(self) -> None:
        """At one instant the kinds come in this order."""
        assert {type(event) for event in EVENTS} == set(get_args(Event))
        places = [key_of(event)[0] for event in EVENTS]
        assert places == sorted(set(places))
        assert key_of(EVENTS[4]) == (ORDERS_PLACE, "1")

    @pytest.mark.parametrize("event, fields", [*zip(EVENTS, NAMED, strict=True)])
    def test_ids_make_the_name(self, event: Event, fields: tuple[str, ...]) -> None:
        """Another id is another event; all else may differ, and it is the same one."""
        for name in fields:
            assert key_of(with_field(event, name, "other")) != key_of(event)
        assert key_of(with_field(event, "at", NOW.replace(year=2027))) == key_of(event)

    def test_each_once(self) -> None:
        """An event is the first of its name once."""
        with Notes() as notes:
            assert [notes.is_first(event) for event in EVENTS] == [True] * len(EVENTS)
            assert [notes.is_first(event) for event in EVENTS] == [False] * len(EVENTS)
            assert (notes.knows(ORDERS_PLACE, "1"), notes.knows(ORDERS_PLACE, "2")) == (True, False)


class TestBought:
    @staticmethod
    def placed(order_id: str, **quantities: int) -> OrderPlaced:
        """Let a member buy units of products."""
        head = 'program = { name = "shop", version = 1, currency = "EUR", zone = "UTC", starts_on = 2026-01-01 }'
        basket = Basket([Line(product, ONE, units) for product, units in quantities.items()], currency="EUR")
        quote = Program.parse(head).quote(basket, at=NOW)
        fact = Program.parse(head).place(quote, None, order_id=order_id, at=NOW).fact
        return attrs.evolve(fact, member_id="m")

    def test_the_latest_first(self) -> None:
        """Units are taken back from the latest purchases, as far as there are any, and can be put back."""
        with Notes() as notes:
            notes.bought(self.placed("1", bell=2, lamp=1))
            notes.bought(self.placed("2", bell=3))
            taken = notes.take("m", "bell", 4)
            assert taken == [Taken(2, "2", "bell", 3), Taken(0, "1", "bell", 1)]
            assert notes.take("m", "bell", 4) == [Taken(0, "1", "bell", 1)]
            assert notes.take("m", "bell", 1) == notes.take("other", "bell", 1) == notes.take("m", "pump", 1) == []
            notes.give_back("m", "bell", taken)
            assert notes.take("m", "bell", 9) == [Taken(2, "2", "bell", 3), Taken(0, "1", "bell", 1)]


def test_late_returns() -> None:
    """A return that came too late is remembered with what it says."""
    facts = [OrderReturned(order_id="1", return_id=return_id, currency="EUR", at=NOW) for return_id in ("b", "a")]
    with Notes() as notes:
        assert notes.late("1") == {}
        for fact in facts:
            notes.came_late(fact)
        assert (list(notes.late("1")), notes.late("1")["b"], notes.late("2")) == (["a", "b"], facts[0], {})
