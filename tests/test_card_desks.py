"""The desks of gift cards: every call reaches its step with all that was passed, awaited or not."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import attrs
import pytest

from loyaltycore import AsyncLoyalty
from loyaltycore._card_desks import AsyncCardDesk, CardDesk
from loyaltycore.basket import Filter
from loyaltycore.gift_cards import CardUses
from loyaltycore.periods import Window
from loyaltycore.services import CardDesk as PublicDesk
from loyaltycore.store.memory import MemoryRepository
from tests.test_async_services import Awaited, methods
from tests.test_card_steps import NUMBERS, card_shop, entropy, euros
from tests.test_services import NOON, PROGRAM, Clock

ISSUE: dict[str, Any] = {
    "ref": "gift-1",
    "entropy": entropy(1),
    "expires_at": NOON.replace(year=2029),
    "uses": CardUses.ONE,
    "minimum": euros("10"),
    "only": Filter(products=["bell"]),
    "actor": "till",
}


class Noted:
    """A service that notes what it is asked, and runs nothing."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # any step
        def step(*args: object, **kwargs: object) -> tuple[Any, ...]:
            return name, args, kwargs

        return step

    def _run(self, steps: object) -> object:
        return steps


class NotedLater(Noted):
    """The same, awaited."""

    async def _run(self, steps: object) -> object:
        return steps


NOTED: Any = Noted()
NOTED_LATER: Any = NotedLater()

CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "issue": ((euros("5"),), {**ISSUE, "order_id": "o", "line_id": "l"}),
    "load": (("card", euros("5")), {"ref": "r", "expires_at": NOON, "actor": "till"}),
    "find": (("number",), {"client": "c", "member_id": "m"}),
    "balance": (("number",), {"client": "c", "member_id": "m"}),
    "card": (("card",), {}),
    "statement": (("card",), {"window": Window(starts_at=None, ends_at=None)}),
    "block": (("card",), {"reason": "lost", "actor": "till"}),
    "unblock": (("card",), {"reason": "found", "actor": "till"}),
    "replace": (("card",), {"ref": "r", "entropy": entropy(2), "actor": "till"}),
    "rotate_peppers": ((7,), {}),
}
STEPS = {
    "issue": "_issue_card",
    "load": "_load_card",
    "find": "_find_card",
    "balance": "_card_balance",
    "card": "_card",
    "statement": "_card_statement",
    "block": "_block_card",
    "unblock": "_unblock_card",
    "replace": "_replace_card",
    "rotate_peppers": "_rotate_peppers",
}


class TestDesks:
    def test_every_call_is_tried_here(self) -> None:
        """So that none is forgotten."""
        assert methods(CardDesk).keys() == methods(AsyncCardDesk).keys() == CALLS.keys() == STEPS.keys()
        assert PublicDesk is CardDesk

    @pytest.mark.parametrize("name", CALLS)
    def test_all_that_is_passed_arrives(self, name: str) -> None:
        """Both desks ask the step of the same meaning for the same; nothing is dropped."""
        args, kwargs = CALLS[name]
        step, passed, named = getattr(CardDesk(NOTED), name)(*args, **kwargs)
        assert step == STEPS[name]
        assert {*map(repr, passed), *map(repr, named.values())} == {*map(repr, args), *map(repr, kwargs.values())}
        assert asyncio.run(getattr(AsyncCardDesk(NOTED_LATER), name)(*args, **kwargs)) == (step, passed, named)

    @pytest.mark.parametrize("name", [name for name in CALLS if "actor" in CALLS[name][1] and name in {"issue", "load"}])
    def test_the_shop_acts_when_nobody_is_named(self, name: str) -> None:
        """As everywhere."""
        args, kwargs = CALLS[name]
        _, _, named = getattr(CardDesk(NOTED), name)(*args, **{key: value for key, value in kwargs.items() if key != "actor"})
        assert named["actor"] == "shop"

    @pytest.mark.parametrize("name", ["block", "unblock", "replace"])
    def test_a_person_is_named_where_it_matters(self, name: str) -> None:
        """There is no default for who turned a card off."""
        assert inspect.signature(getattr(CardDesk, name)).parameters["actor"].default is inspect.Parameter.empty

    def test_a_thousand_at_once(self) -> None:
        """So many digests are brought under the present pepper, unless it is said."""
        asked: object = CardDesk(NOTED).rotate_peppers()
        assert asked == ("_rotate_peppers", (1000,), {})

    def test_both_end_in_the_same_books(self) -> None:
        """One card, made by either: the same facts."""
        inner = MemoryRepository()
        plain, twin = card_shop(MemoryRepository()), AsyncLoyalty(PROGRAM, Awaited(inner), clock=Clock(), card_numbers=NUMBERS)
        card = plain.cards.issue(euros("50"), **ISSUE)
        assert asyncio.run(twin.cards.issue(euros("50"), **ISSUE)) == card
        assert isinstance(plain.repository, MemoryRepository)
        assert plain.repository._streams == inner._streams

    def test_a_desk_prints_no_service(self) -> None:
        """Nor does it change."""
        desk = card_shop().cards
        assert repr(desk) == "CardDesk()"
        assert repr(AsyncCardDesk(NOTED_LATER)) == "AsyncCardDesk()"
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            desk.service = desk.service  # type: ignore[misc]  # that it cannot is the point
