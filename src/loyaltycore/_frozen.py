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

Two kinds read alike and hold less at first. A ``LaterMap`` makes its items when somebody looks; told how many there are and by
which names, it counts them, and says that a new name is none of them, without looking. A ``PartialMap`` lacks some and
knows their names: whatever would need one of them raises ``HistoryNeeded``, so that no answer is ever a guess.

>>> lots = PartialMap({"order-9/base": 40}, left_out={"order-1/base"})
>>> lots["order-9/base"], lots.get("order-10/base")
(40, None)
>>> lots.get("order-1/base")
Traceback (most recent call last):
loyaltycore._frozen.HistoryNeeded: 'order-1/base' is left out
"""

from __future__ import annotations

from collections.abc import Callable, Container, ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from functools import cache
from typing import Any, Final, Generic, TypeVar, final

__all__ = ["FrozenMap", "HistoryNeeded", "LaterMap", "PartialMap"]

K = TypeVar("K")
V_co = TypeVar("V_co", covariant=True)

_SHARED_FROM: Final = 64
"""Items from which a changed copy shares them; fewer are copied faster than they are looked up in two places."""


@final
class HistoryNeeded(Exception):  # noqa: N818 - no error: whoever loaded less than everything loads everything and asks again
    """What is asked cannot be told from what was loaded."""


class FrozenMap(Mapping[K, V_co], Generic[K, V_co]):
    """An immutable mapping that keeps the order it was given in.

    Equal to any mapping of equal items, whatever their order; hashable when its values are.
    """

    # What ``_changed`` holds hides what ``_items`` does; neither dict is ever written to once it is here.
    # ``_make`` is there only where the items are made later.
    __slots__ = ("_changed", "_items", "_make")

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

    @property
    def kept(self) -> Mapping[K, V_co]:
        """What is here: all items, where none is left out."""
        return self._whole()

    def updated(self, changes: Mapping[K, V_co]) -> FrozenMap[K, V_co]:
        """Give a copy with some items set.

        Complexity:
            O(changes), and now and then O(items).
        """
        return self._update(FrozenMap[K, V_co](), changes)

    def _update(self, copy: FrozenMap[K, V_co], changes: Mapping[K, V_co]) -> FrozenMap[K, V_co]:
        """Fill an empty copy with the items, some of them set anew."""
        if not self._items:
            copy._items = {**self._changed, **changes}
            return copy
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


@final
class _Later(Generic[K, V_co]):
    """What is known of items before they are made."""

    __slots__ = ("count", "make", "names")

    def __init__(self, make: Callable[[], dict[K, V_co]], count: int, names: Container[object] | None) -> None:
        self.make: Final = cache(make)
        self.count: Final = count
        self.names: Final = names

    def lacks(self, key: object) -> bool:
        """Say whether a key is certainly none of them."""
        return self.names is not None and key not in self.names


@final
class LaterMap(FrozenMap[K, V_co]):
    """A ``FrozenMap`` whose items are made when somebody first looks; from then on it is an ordinary one."""

    __slots__ = ()

    def __init__(self, make: Callable[[], dict[K, V_co]], *, count: int = 0, names: Container[object] | None = None) -> None:
        """Keep what makes the items.

        Args:
            make: Called at most once, also where copies with items set look as well.
            count: How many it makes, where ``names`` are given.
            names: Holds the keys of all items, and maybe some more; ``None`` where they are not known.
        """
        # The items stay unset: to look at them is to ask ``__getattr__``.
        self._changed = {}
        self._make = _Later(make, count, names)

    def __getattr__(self, name: str) -> dict[K, V_co]:
        """Make the items, when they are first looked at."""
        if name != "_items":
            msg = f"{type(self).__name__!r} object has no attribute {name!r}"
            raise AttributeError(msg)
        self._items = self._make.make()
        self.__class__ = FrozenMap  # type: ignore[assignment]  # of the same layout, and quicker to read
        return self._items

    # Each looks at the changes first: whoever makes the items meanwhile turns the map into an ordinary one, then merges them.
    # For the same reason none asks for ``super()``: by then it may be no ``LaterMap`` any more.

    def __getitem__(self, key: K) -> V_co:
        """Return the value of a key, or raise ``KeyError``: at once for one that is none of them."""
        changed = self._changed
        if type(self) is LaterMap and key not in changed and self._make.lacks(key):
            raise KeyError(key)
        return FrozenMap.__getitem__(self, key)

    def __contains__(self, key: object) -> bool:
        """Say whether there is an item for a key: at once for one that is none of them."""
        if key in self._changed:
            return True
        if type(self) is LaterMap and self._make.lacks(key):
            return False
        return FrozenMap.__contains__(self, key)

    def __len__(self) -> int:
        """Count the keys; where none was set anew that may be one of them, without making the items."""
        changed, make = self._changed, self._make
        if type(self) is LaterMap and make.names is not None and all(make.lacks(key) for key in changed):
            return make.count + len(changed)
        return FrozenMap.__len__(self)

    def updated(self, changes: Mapping[K, V_co]) -> FrozenMap[K, V_co]:
        """Give a copy with some items set, which makes the others no sooner."""
        changed = self._changed
        if type(self) is FrozenMap:
            return self.updated(changes)
        copy = LaterMap[K, V_co](self._make.make)
        copy._changed, copy._make = {**changed, **changes}, self._make  # what is made is made once for both
        return copy


@final
class PartialMap(FrozenMap[K, V_co]):
    """A ``FrozenMap`` some items of which are left out, by names that are known.

    An item that is left out, and whatever would have to look at all items, raises ``HistoryNeeded``. A name that is neither here
    nor left out is simply not there.
    """

    __slots__ = ("left_out",)

    def __init__(self, items: Mapping[K, V_co] = FrozenMap[Any, Any](), *, left_out: Container[object]) -> None:
        """Copy the items.

        Args:
            items: Those that are here.
            left_out: The names of those that are not; it may name some that are here since, or never were.
        """
        super().__init__(items)
        self.left_out: Final = left_out

    def __getitem__(self, key: K) -> V_co:
        """Return the value of a key that is here, or raise ``KeyError`` where there is none."""
        if key in self._changed:
            return self._changed[key]
        if key not in self._items and key in self.left_out:
            raise _left_out(key)
        return self._items[key]

    def __contains__(self, key: object) -> bool:
        """Say whether there is an item for a key."""
        if key in self._items or key in self._changed:
            return True
        if key in self.left_out:
            raise _left_out(key)
        return False

    def __bool__(self) -> bool:
        """Say that it is not empty: something is left out."""
        return True

    def __len__(self) -> int:
        """Refuse to count: how many are left out is not known."""
        return len(self._whole())

    def __repr__(self) -> str:
        """Print what is here."""
        return f"PartialMap({self.kept!r}, left_out={self.left_out!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by content."""
        return (_partial_map, (self.kept, self.left_out))

    @property
    def kept(self) -> dict[K, V_co]:
        """What is here."""
        return super()._whole()

    def updated(self, changes: Mapping[K, V_co]) -> FrozenMap[K, V_co]:
        """Give a copy with some items set, which lacks the same."""
        return self._update(PartialMap[K, V_co](left_out=self.left_out), changes)

    def _whole(self) -> dict[K, V_co]:
        msg = "some items are left out"
        raise HistoryNeeded(msg)


def _left_out(key: object) -> HistoryNeeded:
    return HistoryNeeded(f"{key!r} is left out")


def _partial_map(kept: dict[K, V_co], left_out: Container[object]) -> PartialMap[K, V_co]:
    return PartialMap(kept, left_out=left_out)
