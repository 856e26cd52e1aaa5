"""A mapping that cannot change: for the fields of frozen values.

The standard ``MappingProxyType`` is only a view and cannot be pickled or hashed; this one owns its items. A copy with a few
items set shares the rest with its original, so that changing one of ten thousand costs what changing one of ten does.

>>> rungs = FrozenMap({"silver": 1, "gold": 2})
>>> rungs["gold"], len(rungs)
(2, 2)
>>> rungs.updated({"gold": 3}), rungs["gold"]
(FrozenMap({'silver': 1, 'gold': 3}), 2)
>>> rungs == {"gold": 2, "silver": 1}
True
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Final, Generic, TypeVar, final

__all__ = ["FrozenMap"]

K = TypeVar("K")
V_co = TypeVar("V_co", covariant=True)

_SHARED_FROM: Final = 64
"""Items from which a changed copy shares them; fewer are copied faster than they are looked up in two places."""


@final
class FrozenMap(Mapping[K, V_co], Generic[K, V_co]):
    """An immutable mapping that keeps the order it was given in.

    Equal to any mapping of equal items, whatever their order; hashable when its values are.
    """

    # What ``_changed`` holds hides what ``_items`` does; neither dict is ever written to once it is here.
    __slots__ = ("_changed", "_items")

    def __init__(self, items: Mapping[K, V_co] | Iterable[tuple[K, V_co]] = ()) -> None:
        """Copy the items.

        Args:
            items: A mapping, or pairs; of two equal keys the later wins.
        """
        self._items: dict[K, V_co] = dict(items)
        self._changed: dict[K, V_co] = {}

    def __getitem__(self, key: K) -> V_co:
        """Return the value of a key, or raise ``KeyError``."""
        if key in self._changed:
            return self._changed[key]
        return self._items[key]

    def __contains__(self, key: object) -> bool:
        """Say whether there is an item for a key."""
        return key in self._items or key in self._changed

    def __iter__(self) -> Iterator[K]:
        """Go through the keys in the order given."""
        return iter(self._whole())

    def keys(self) -> KeysView[K]:
        """Show the keys in the order given."""
        return self._whole().keys()

    def values(self) -> ValuesView[V_co]:
        """Show the values in the order given."""
        return self._whole().values()

    def items(self) -> ItemsView[K, V_co]:
        """Show the items in the order given."""
        return self._whole().items()

    def __len__(self) -> int:
        """Count the keys."""
        return len(self._items) + sum(key not in self._items for key in self._changed)

    def updated(self, changes: Mapping[K, V_co]) -> FrozenMap[K, V_co]:
        """Give a copy with some items set.

        Complexity:
            O(changes), and now and then O(items).
        """
        if not self._items:
            return FrozenMap(changes)
        copy = FrozenMap[K, V_co]()
        changed = {**self._changed, **changes}
        if len(self._items) < _SHARED_FROM or len(changed) > _SHARED_FROM:
            copy._items = {**self._items, **changed}
        else:
            copy._items, copy._changed = self._items, changed
        return copy

    def _whole(self) -> dict[K, V_co]:
        """Bring all items together: to go through them costs as much anyway."""
        if self._changed:
            # In this order: whoever looks in between finds every item, in one dict or in both.
            self._items = {**self._items, **self._changed}
            self._changed = {}
        return self._items

    def __eq__(self, other: object) -> bool:
        """Compare by content with any mapping, whatever the order."""
        if isinstance(other, FrozenMap):
            return bool(self._whole() == other._whole())  # without the copies that the general way makes
        return bool(self._whole() == dict(other)) if isinstance(other, Mapping) else NotImplemented

    def __hash__(self) -> int:
        """Hash the items, whatever their order."""
        return hash(frozenset(self._whole().items()))

    def __repr__(self) -> str:
        """Print as the call that makes it again."""
        return f"FrozenMap({self._whole()!r})"

    def __reduce__(self) -> tuple[type[FrozenMap[K, V_co]], tuple[dict[K, V_co]]]:
        """Pickle by content."""
        return (FrozenMap, (self._whole(),))
