"""A mapping that cannot change: for the fields of frozen values.

The standard ``MappingProxyType`` is only a view and cannot be pickled or hashed; this one owns its items.

>>> rungs = FrozenMap({"silver": 1, "gold": 2})
>>> rungs["gold"], len(rungs)
(2, 2)
>>> rungs == {"gold": 2, "silver": 1}
True
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar, final

__all__ = ["FrozenMap"]

K = TypeVar("K")
V_co = TypeVar("V_co", covariant=True)


@final
class FrozenMap(Mapping[K, V_co], Generic[K, V_co]):
    """An immutable mapping that keeps the order it was given in.

    Equal to any mapping of equal items, whatever their order; hashable when its values are.
    """

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[K, V_co] | Iterable[tuple[K, V_co]] = ()) -> None:
        """Copy the items.

        Args:
            items: A mapping, or pairs; of two equal keys the later wins.
        """
        self._items: dict[K, V_co] = dict(items)

    def __getitem__(self, key: K) -> V_co:
        """Return the value of a key, or raise ``KeyError``."""
        return self._items[key]

    def __iter__(self) -> Iterator[K]:
        """Go through the keys in the order given."""
        return iter(self._items)

    def __len__(self) -> int:
        """Count the keys."""
        return len(self._items)

    def updated(self, changes: Mapping[K, V_co]) -> FrozenMap[K, V_co]:
        """Give a copy with some items set."""
        copy = FrozenMap[K, V_co]()
        copy._items = {**self._items, **changes}
        return copy

    def __eq__(self, other: object) -> bool:
        """Compare by content with any mapping, whatever the order."""
        if isinstance(other, FrozenMap):
            return bool(self._items == other._items)  # without the copies that the general way makes
        return bool(self._items == dict(other)) if isinstance(other, Mapping) else NotImplemented

    def __hash__(self) -> int:
        """Hash the items, whatever their order."""
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        """Print as the call that makes it again."""
        return f"FrozenMap({self._items!r})"

    def __reduce__(self) -> tuple[type[FrozenMap[K, V_co]], tuple[dict[K, V_co]]]:
        """Pickle by content."""
        return (FrozenMap, (self._items,))
