"""What conditions and benefits count of a basket's goods: for each filter its units, worked out once.

It remembers what it was asked, so it belongs to one quote; the answers are functions of the groups and the filter alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, final

from loyaltycore.basket import Filter, UnitGroup

__all__ = ["ALL_GOODS", "Goods", "Matching"]

ALL_GOODS: Final = Filter()
"""The filter that leaves nothing out."""


class Matching(NamedTuple):
    """The goods a filter means.

    Attributes:
        places: Their groups, by place.
        place_set: The same, to ask for one.
        list_minor: What they cost before offers.
        units: How many they are.
        products: How many products they are.
    """

    places: tuple[int, ...]
    place_set: frozenset[int]
    list_minor: int
    units: int
    products: int


@final
class Goods:
    """The goods of one basket that offers may touch, by filter."""

    __slots__ = ("_known", "_labelled", "_seen", "groups", "open_places")

    def __init__(self, groups: Sequence[UnitGroup], exclude_tags: frozenset[str]) -> None:
        """Leave out what no offer touches.

        Args:
            groups: The units in their one order.
            exclude_tags: Goods with one of these tags count for nothing.
        """
        self.groups: Sequence[UnitGroup] = groups
        self.open_places: tuple[int, ...] = tuple(
            place for place, group in enumerate(groups) if exclude_tags.isdisjoint(group.tags)
        )
        # By identity first: the filters of a program are asked again and again. What is kept alive keeps its identity.
        self._seen: dict[int, tuple[Filter, Matching]] = {}
        self._known: dict[Filter, Matching] = {}
        self._labelled: dict[tuple[str, str], list[int]] | None = None

    def of(self, only: Filter) -> Matching:
        """Give the goods a filter means."""
        seen = self._seen.get(id(only))
        if seen is not None:
            return seen[1]
        known = self._known.get(only)
        if known is None:
            known = self._known[only] = self._match(only)
        self._seen[id(only)] = (only, known)
        return known

    def _by_label(self) -> dict[tuple[str, str], list[int]]:
        """Give the groups that have each label."""
        if self._labelled is None:
            self._labelled = {}
            for place in self.open_places:
                for label in self.groups[place].labels:
                    self._labelled.setdefault(label, []).append(place)
        return self._labelled

    def _match(self, only: Filter) -> Matching:
        groups, could = self.groups, self.open_places
        if only.labels:
            could = tuple(sorted({place for label in only.labels for place in self._by_label().get(label, ())}))
        places = tuple([place for place in could if only.takes(groups[place])])
        return Matching(
            places,
            frozenset(places),
            sum([groups[place].list_minor for place in places]),
            sum([groups[place].quantity for place in places]),
            len({groups[place].product_id for place in places}),
        )
