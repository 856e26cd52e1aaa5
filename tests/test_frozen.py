"""The mapping under frozen values."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from itertools import count
from operator import eq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore._frozen import FrozenMap, HistoryNeeded, LaterMap, PartialMap

ASKED: tuple[Callable[[FrozenMap[str, int], str], object], ...] = (
    lambda items, _: len(items),
    lambda items, _: bool(items),
    lambda items, key: key in items,
    lambda items, key: items.get(key),
    lambda items, key: key in items.updated({"new": 1}),
)
ITEMS = st.dictionaries(st.text(max_size=3), st.integers())


class TestFrozenMap:
    @given(ITEMS)
    def test_reads_like_the_mapping_it_was_made_of(self, items: dict[str, int]) -> None:
        """Items, order, length and equality are those of the mapping given, or of its pairs."""
        frozen = FrozenMap(items)
        assert list(frozen.items()) == list(items.items())
        assert len(frozen) == len(items)
        assert frozen == items
        assert items == frozen
        assert frozen == FrozenMap(items.items())

    def test_keeps_a_copy(self) -> None:
        """What happens to the mapping it was made of is not its concern."""
        items = {"a": 1}
        frozen = FrozenMap(items)
        items["b"] = 2
        assert frozen == {"a": 1}

    def test_cannot_be_written(self) -> None:
        """There is no way to set or delete an item, nor to hang an attribute on it."""
        frozen = FrozenMap({"a": 1})
        with pytest.raises(TypeError, match="assignment"):
            frozen["a"] = 2  # type: ignore[index]
        with pytest.raises(TypeError, match="deletion"):
            del frozen["a"]  # type: ignore[attr-defined]
        with pytest.raises(AttributeError):
            frozen.other = 1  # type: ignore[attr-defined]

    def test_missing_key_is_a_key_error(self) -> None:
        """As with any mapping."""
        with pytest.raises(KeyError, match="b"):
            FrozenMap({"a": 1})["b"]

    @given(ITEMS)
    def test_order_does_not_count(self, items: dict[str, int]) -> None:
        """Equal items are equal and hash alike, whatever their order."""
        forth, back = FrozenMap(items), FrozenMap(reversed(items.items()))
        assert forth == back
        assert hash(forth) == hash(back)

    @pytest.mark.parametrize("other", [{"a": 2}, {"b": 1}, {"a": 1, "b": 2}, {}, FrozenMap({"a": 2}), [("a", 1)], None, "a"])
    def test_other_content_is_not_equal(self, other: object) -> None:
        """Nothing but a mapping of equal items is equal."""
        assert FrozenMap({"a": 1}) != other

    @given(ITEMS, ITEMS)
    def test_updated_changes_the_copy_alone(self, items: dict[str, int], changes: dict[str, int]) -> None:
        """The copy has the changes, the original has not."""
        frozen = FrozenMap(items)
        assert frozen.updated(changes) == {**items, **changes}
        assert frozen == items

    @pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 200])
    @pytest.mark.parametrize("steps", [1, 64, 65, 130])
    def test_many_changes_one_by_one(self, size: int, steps: int) -> None:
        """However many copies share their items, each reads like a dict that was changed in the same way."""
        plain = {str(number): number for number in range(size)}
        frozen, kept = FrozenMap(plain), list[tuple[FrozenMap[str, int], dict[str, int]]]()
        for step in range(steps):
            changes = {str(step * 7 % (size + 5)): -step, f"new-{step % 90}": step}
            frozen, plain = frozen.updated(changes), {**plain, **changes}
            kept.append((frozen, plain))
            assert len(frozen) == len(plain)
            assert [frozen.get(key) for key in ("0", "5", "new-0", "none")] == [plain.get(k) for k in ("0", "5", "new-0", "none")]
            assert ("new-3" in frozen, "none" in frozen) == ("new-3" in plain, False)
        for copied, expected in kept:
            assert list(copied.items()) == list(expected.items())
            assert (list(copied), list(copied.keys()), list(copied.values())) == (
                list(expected),
                list(expected),
                list(expected.values()),
            )
            assert copied == expected

    def test_a_copy_of_many_items_shares_them(self) -> None:
        """One change of ten thousand items copies the one."""
        frozen = FrozenMap({str(number): number for number in range(10_000)})
        assert frozen.updated({"5": -5})._items is frozen._items
        assert frozen.updated({})["5"] == 5

    @given(ITEMS)
    def test_survives_pickle_copy_and_repr(self, items: dict[str, int]) -> None:
        """It comes back equal, in the same order."""
        frozen = FrozenMap(items)
        for again in (pickle.loads(pickle.dumps(frozen)), copy.deepcopy(frozen), eval(repr(frozen))):
            assert type(again) is FrozenMap
            assert list(again.items()) == list(items.items())


class TestLaterMap:
    @given(ITEMS, ITEMS)
    def test_reads_like_the_mapping_that_is_made(self, items: dict[str, int], changes: dict[str, int]) -> None:
        """Items, order, equality and copies with items set are those of an ordinary one, and it becomes one."""
        later = LaterMap(lambda: items)
        assert later.updated(changes) == {**items, **changes}
        assert list(later.items()) == list(items.items())
        assert type(later) is FrozenMap
        assert later.updated(changes) == {**items, **changes}

    def test_is_made_once_and_only_when_looked_at(self) -> None:
        """Copies that are changed before anybody looks share what is made."""
        made = list[str]()

        def make() -> dict[str, int]:
            made.append("made")
            return {"a": 1}

        later = LaterMap(make)
        twice = later.updated({"b": 2}).updated({"a": 3})
        assert made == []
        assert twice == {"a": 3, "b": 2}
        assert later == {"a": 1}
        assert (len(later), "a" in later, later.get("b"), twice["b"], made) == (1, True, None, 2, ["made"])

    def test_what_cannot_be_made_is_told_each_time(self) -> None:
        """The error of whoever makes the items comes out, and nothing is there afterwards either."""

        def fail() -> dict[str, int]:
            raise HistoryNeeded

        later = LaterMap(fail)
        for _ in range(2):
            with pytest.raises(HistoryNeeded):
                later.get("a")
        with pytest.raises(AttributeError, match="other"):
            later.other  # noqa: B018 - asked for to see it is not there

    def test_survives_pickle_and_copy(self) -> None:
        """It comes back as an ordinary one."""
        assert pickle.loads(pickle.dumps(LaterMap(lambda: {"a": 1}))) == {"a": 1}
        assert copy.deepcopy(LaterMap(lambda: {"a": 1})) == {"a": 1}

    @given(ITEMS, ITEMS, st.frozensets(st.text(max_size=3)), st.text(max_size=3))
    def test_names_change_no_answer(self, items: dict[str, int], changes: dict[str, int], more: frozenset[str], key: str) -> None:
        """Told how many items there are and by which names, and maybe some more, it answers as an ordinary one."""
        whole = FrozenMap(items).updated(changes)
        for ask in ASKED:
            later = LaterMap(lambda: items, count=len(items), names=items.keys() | more).updated(changes)
            assert ask(later, key) == ask(whole, key)
            assert later == whole
            assert ask(later, key) == ask(whole, key)

    def test_what_is_new_is_told_without_a_look(self) -> None:
        """Names say what is none of the items, and how many there are; whatever may be one of them is looked at."""
        made = list[str]()

        def make() -> dict[str, int]:
            made.append("made")
            return {"a": 1, "b": 2}

        later = LaterMap(make, count=2, names={"a", "b", "looks alike"}).updated({"new": 3})
        assert (len(later), "c" in later, later.get("c", 5), "new" in later, later["new"], made) == (3, False, 5, True, 3, [])
        with pytest.raises(KeyError, match="c"):
            later["c"]
        assert made == []
        assert ("looks alike" in later, made) == (False, ["made"])
        again = LaterMap(make, count=2, names={"a", "b"}).updated({"a": 4})
        assert (len(again), again["a"], again["b"]) == (2, 4, 2)

    def test_a_look_while_the_items_are_made_misses_nothing(self) -> None:
        """Whoever looks at the items in another thread turns the map into an ordinary one between two steps of this one."""
        later = LaterMap(lambda: {"a": 1}, count=1, names={"a"}).updated({"b": 2})
        assert dict(later) == {"a": 1, "b": 2}
        contains, item, length = LaterMap.__contains__, LaterMap.__getitem__, LaterMap.__len__
        assert (contains(later, "b"), item(later, "b"), length(later)) == (True, 2, 2)  # type: ignore[arg-type]  # it is an ordinary one by now

    def test_a_copy_made_while_the_items_are_made_loses_nothing(self) -> None:
        """Whoever looks at the items in another thread turns the map into an ordinary one between two steps of this one."""
        later = LaterMap(lambda: {"a": 1}).updated({"b": 2})
        unbound = LaterMap.updated
        assert len(later) == 2
        assert unbound(later, {"c": 3}) == {"a": 1, "b": 2, "c": 3}  # type: ignore[arg-type]  # it is an ordinary one by now


class TestPartialMap:
    PARTIAL = PartialMap({"here": 1}, left_out={"gone", "back"})

    def test_what_is_here_is_told(self) -> None:
        """As by any mapping; a name that is neither here nor left out is not there."""
        assert (self.PARTIAL["here"], self.PARTIAL.get("here"), "here" in self.PARTIAL) == (1, 1, True)
        assert (self.PARTIAL.get("none"), self.PARTIAL.get("none", 5), "none" in self.PARTIAL) == (None, 5, False)
        assert self.PARTIAL.kept == {"here": 1}
        assert bool(self.PARTIAL)
        assert bool(PartialMap[str, int](left_out={"gone"}))
        with pytest.raises(KeyError, match="none"):
            self.PARTIAL["none"]

    @pytest.mark.parametrize(
        "ask",
        [
            lambda partial: partial["gone"],
            lambda partial: partial.get("gone"),
            lambda partial: partial.get("gone", 5),
            lambda partial: "gone" in partial,
            lambda partial: {"here": 1, "gone": 2}.keys() <= partial.keys(),
            len,
            iter,
            hash,
            list,
            dict,
            lambda partial: partial.keys(),
            lambda partial: partial.values(),
            lambda partial: partial.items(),
            lambda partial: partial == {"here": 1},
            lambda partial: eq({"here": 1}, partial),
            lambda partial: FrozenMap({"here": 1}) == partial,
            lambda partial: partial != FrozenMap(),
        ],
        ids=count(),
    )
    def test_what_is_left_out_needs_the_history(self, ask: Callable[[PartialMap[str, int]], object]) -> None:
        """By its name, and by whatever would have to look at all items."""
        with pytest.raises(HistoryNeeded, match="left out"):
            ask(self.PARTIAL)

    @pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 200])
    def test_copies_lack_the_same(self, size: int) -> None:
        """However many changes are made one by one, each copy reads like a dict, and what is left out needs the history."""
        plain = {str(number): number for number in range(size)}
        partial: FrozenMap[str, int] = PartialMap(plain, left_out={"gone", "back"})
        for step in range(130):
            changes = {str(step * 7 % (size + 5)): -step, f"new-{step % 90}": step}
            partial, plain = partial.updated(changes), {**plain, **changes}
            assert isinstance(partial, PartialMap)
            assert [partial.get(key) for key in ("0", "5", "new-0", "none")] == [
                plain.get(k) for k in ("0", "5", "new-0", "none")
            ]
            assert ("new-0" in partial, "none" in partial) == (True, False)
            with pytest.raises(HistoryNeeded):
                partial.get("gone")
        assert isinstance(partial, PartialMap)
        assert list(partial.kept.items()) == list(plain.items())

    def test_what_comes_back_is_here(self) -> None:
        """An item that is set anew is no longer left out."""
        back = self.PARTIAL.updated({"back": 2})
        assert (back["back"], "back" in back, self.PARTIAL.kept) == (2, True, {"here": 1})

    def test_survives_pickle_copy_and_repr(self) -> None:
        """It comes back with what is here, and lacks the same."""
        changed = PartialMap({str(number): number for number in range(100)}, left_out={"gone"}).updated({"5": 0})
        assert isinstance(changed, PartialMap)
        for partial in (pickle.loads(pickle.dumps(changed)), copy.deepcopy(changed), eval(repr(changed))):
            assert partial.kept == changed.kept
            with pytest.raises(HistoryNeeded, match="gone"):
                partial["gone"]


def test_an_empty_later_map_keeps_what_was_set_on_it() -> None:
    """Set once, looked at, set again: both are there, though there was nothing to begin with."""
    first = LaterMap[int, str](dict).updated({1: "a"})
    assert len(first) == 1
    assert first.updated({2: "b"}) == {1: "a", 2: "b"}
