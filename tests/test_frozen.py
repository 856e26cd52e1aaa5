"""The mapping under frozen values."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore._frozen import FrozenMap

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
