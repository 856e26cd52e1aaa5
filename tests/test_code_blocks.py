"""Blocks: which serials of a space belong to which campaign."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore import _code_blocks
from loyaltycore._code_blocks import Block, BlockTaken, SpaceBlocks, check_check_value
from loyaltycore._frozen import FrozenMap
from loyaltycore.errors import CorruptStateError, Reason, RefusedError, UsageError
from loyaltycore.facts import Append, Fact
from loyaltycore.identity import space_stream
from loyaltycore.memberships import MemberJoined

AT = datetime(2026, 7, 1, tzinfo=UTC)
SPACE = "velo/H1############"
VALUE = "0123456789abcdef"
OTHER_VALUE = "fedcba9876543210"
MINE: dict[str, Any] = {
    "campaign_id": "welcome",
    "key_id": "2026a",
    "check_value": VALUE,
    "capacity": 100,
    "ref": "mail",
    "at": AT,
}
NEW = SpaceBlocks.open(SPACE)
TAKEN = NEW.take(10, **MINE).state


def block(start: int = 0, stop: int = 10, **more: Any) -> Block:  # noqa: ANN401  # any field of a block
    """Make a block, of the first ten serials unless told otherwise."""
    return Block(**{"campaign_id": "welcome", "key_id": "2026a", "start": start, "stop": stop, "ref": "mail", **more})


def fact(taken: Block, *, space_id: str = SPACE, check_value: str = VALUE) -> BlockTaken:
    """Say that a block was taken."""
    return BlockTaken(space_id=space_id, check_value=check_value, block=taken, at=AT)


class TestBlock:
    def test_serials_are_half_open(self) -> None:
        """The first is inside, the end is not."""
        assert block(3, 5).serials == range(3, 5)

    @pytest.mark.parametrize(
        "fields",
        [
            {"start": -1},
            {"start": 10, "stop": 10},
            {"start": 0, "stop": True},
            {"campaign_id": ""},
            {"key_id": 7},
            {"ref": ""},
            {"words_digest": "x" * 65},
            {"words_digest": None},
            {"holder_bound": 1},
            {"taken_at": AT.replace(tzinfo=None)},
        ],
    )
    def test_refuses(self, fields: dict[str, Any]) -> None:
        """No empty range, no id that no store keeps, and only a bool says whose a code is."""
        with pytest.raises(UsageError):
            block(**fields)

    def test_keeps_instants_in_utc(self) -> None:
        """Two blocks of one instant are equal, whatever the clocks, and are stored alike."""
        paris = block(taken_at=AT.astimezone(timezone(timedelta(hours=2))))
        assert paris == block(taken_at=AT)
        assert str(paris.taken_at) == "2026-07-01 00:00:00+00:00"

    def test_longest_words_digest(self) -> None:
        """The version of a list of words has room for 64 characters."""
        assert block(words_digest="x" * 64).words_digest == "x" * 64


class TestBlockTaken:
    def test_keeps_instants_in_utc(self) -> None:
        """Two facts of one instant are equal, whatever the clocks."""
        paris = timezone(timedelta(hours=2))
        assert BlockTaken(space_id=SPACE, check_value=VALUE, block=block(), at=AT.astimezone(paris)) == fact(block())

    @pytest.mark.parametrize(
        "fields",
        [
            {"space_id": ""},
            {"check_value": VALUE.upper()},
            {"check_value": VALUE[:-1]},
            {"check_value": VALUE + "0"},
            {"check_value": None},
            {"block": None},
            {"block": attrs.evolve(block(), taken_at=AT)},
            {"at": AT.replace(tzinfo=None)},
        ],
    )
    def test_refuses(self, fields: dict[str, Any]) -> None:
        """It names a space, a key and a range, at an instant."""
        with pytest.raises(UsageError):
            BlockTaken(**{"space_id": SPACE, "check_value": VALUE, "block": block(), "at": AT, **fields})

    def test_check_value_is_taken_as_it_is(self) -> None:
        """What is one comes back."""
        assert check_check_value(VALUE) == VALUE


class TestTake:
    def test_takes_the_first_serials(self) -> None:
        """A new space begins at 0; the posting carries the append of one fact."""
        posting = NEW.take(10, **MINE, holder_bound=True, words_digest="w")
        taken = block(words_digest="w", holder_bound=True)
        assert posting.state.blocks == (attrs.evolve(taken, taken_at=AT),)
        assert posting.facts == (fact(taken),)
        assert posting.stream == posting.state.stream == space_stream(SPACE) == f"code_space/{SPACE}"
        assert posting.changes == (Append(stream=posting.stream, expected_version=0, facts=posting.facts),)
        assert (NEW.version, posting.state.version) == (0, 1)

    def test_takes_the_next_serials_of_the_key(self) -> None:
        """Another batch begins where the last one of its key ends; another key begins at 0."""
        more = TAKEN.take(5, **{**MINE, "campaign_id": "sorry"}).state
        other = more.take(7, **{**MINE, "key_id": "2026b", "check_value": OTHER_VALUE, "ref": "august"}).state
        last = other.take(1, **{**MINE, "ref": "september"}).state
        assert [(one.key_id, one.start, one.stop) for one in last.blocks] == [
            ("2026a", 0, 10),
            ("2026a", 10, 15),
            ("2026b", 0, 7),
            ("2026a", 15, 16),
        ]
        assert (last.next_serial("2026a"), last.next_serial("2026b"), last.next_serial("2026c")) == (16, 7, 0)
        assert last.check_values == {"2026a": VALUE, "2026b": OTHER_VALUE}

    def test_same_ref_again_changes_nothing(self) -> None:
        """A retry hears what is there, whatever is full and whichever key issues by then."""
        again = TAKEN.take(10, **MINE)
        assert (again.state, again.facts, again.changes) == (TAKEN, (), ())
        full = {**MINE, "capacity": 1}
        rotated = {**MINE, "key_id": "2026b", "check_value": OTHER_VALUE}
        assert TAKEN.take(10, **full).state == TAKEN.take(10, **rotated).state == TAKEN

    @pytest.mark.parametrize(
        "count,more,fields",
        [
            (11, {}, ("count",)),
            (10, {"holder_bound": True}, ("holder_bound",)),
            (10, {"words_digest": "w"}, ("words_digest",)),
            (9, {"words_digest": "w", "holder_bound": True}, ("count", "holder_bound", "words_digest")),
        ],
    )
    def test_same_ref_with_other_content_is_refused(self, count: int, more: dict[str, Any], fields: tuple[str, ...]) -> None:
        """The refusal names what differs."""
        with pytest.raises(RefusedError) as caught:
            TAKEN.take(count, **MINE, **more)
        assert caught.value.refusal.reason is Reason.KEY_REUSED
        assert caught.value.refusal.details == {"key": "block:mail", "fields": fields}

    def test_a_ref_is_of_its_campaign(self) -> None:
        """Two campaigns may call their batches alike."""
        both = TAKEN.take(3, **{**MINE, "campaign_id": "sorry"}).state
        assert both.block_named("welcome", "mail") == block(taken_at=AT)
        assert both.block_named("sorry", "mail") == block(10, 13, campaign_id="sorry", taken_at=AT)
        assert both.block_named("sorry", "post") is None

    def test_never_beyond_the_capacity(self) -> None:
        """The last serials can be taken, and not one more."""
        full = TAKEN.take(90, **{**MINE, "ref": "rest"}).state
        assert full.next_serial("2026a") == 100
        for state, count, left in ((TAKEN, 91, 90), (full, 1, 0)):
            with pytest.raises(RefusedError) as caught:
                state.take(count, **{**MINE, "ref": "more"})
            assert caught.value.refusal.reason is Reason.CODES_EXHAUSTED
            assert caught.value.refusal.details == {"space_id": SPACE, "key_id": "2026a", "asked": count, "left": left}

    def test_a_space_that_became_smaller_has_nothing_left(self) -> None:
        """Serials beyond a new capacity count as none left, not as fewer than none."""
        with pytest.raises(RefusedError, match="left = 0"):
            TAKEN.take(1, **{**MINE, "ref": "more", "capacity": 5})

    @pytest.mark.law(31)
    def test_another_key_under_a_known_id_is_refused(self) -> None:
        """The check value tells that it is another key; nothing is taken with it, not even by a retry."""
        for ref in ("mail", "more"):
            with pytest.raises(UsageError, match=f"must have the check value {VALUE}, got one with {OTHER_VALUE}"):
                TAKEN.take(10, **{**MINE, "ref": ref, "check_value": OTHER_VALUE})

    @pytest.mark.parametrize(
        "name,value",
        [
            ("campaign_id", ""),
            ("key_id", ""),
            ("check_value", "x"),
            ("capacity", 0),
            ("ref", ""),
            ("at", AT.replace(tzinfo=None)),
        ],
    )
    def test_refuses(self, name: str, value: object) -> None:
        """What no store could keep is refused."""
        with pytest.raises(UsageError):
            NEW.take(10, **{**MINE, name: value})

    @pytest.mark.parametrize("count", [0, -1, True, 1.0])
    def test_refuses_counts(self, count: Any) -> None:  # noqa: ANN401  # no count at all
        """At least one serial."""
        with pytest.raises(UsageError, match="count"):
            NEW.take(count, **MINE)

    def test_blocks_have_a_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who needs more blocks than any shop has takes larger ones."""
        monkeypatch.setattr(_code_blocks, "BLOCKS_LIMIT", 1)
        assert TAKEN.take(10, **MINE).state == TAKEN
        with pytest.raises(UsageError, match="at most 1 blocks"):
            TAKEN.take(1, **{**MINE, "ref": "more"})


class TestBlockOf:
    @pytest.mark.parametrize(
        "key_id,serial,ref",
        [
            ("2026a", 0, "mail"),
            ("2026a", 9, "mail"),
            ("2026a", 10, "next"),
            ("2026a", 14, "next"),
            ("2026a", 15, None),
            ("2026a", -1, None),
            ("2026b", 0, "other"),
            ("2026b", 3, None),
            ("2026c", 0, None),
        ],
    )
    def test_finds_the_block(self, key_id: str, serial: int, ref: str | None) -> None:
        """A serial lies in one block of its key, or was never issued."""
        state = TAKEN.take(3, **{**MINE, "key_id": "2026b", "check_value": OTHER_VALUE, "ref": "other"}).state
        found = state.take(5, **{**MINE, "ref": "next"}).state.block_of(key_id, serial)
        assert (None if found is None else found.ref) == ref


takes = st.lists(
    st.tuples(
        st.integers(1, 40),
        st.sampled_from(("a", "b")),
        st.sampled_from(("k1", "k2")),
        st.sampled_from(("x", "y", "z")),
        st.booleans(),
    ),
    max_size=12,
)


class TestLaws:
    @pytest.mark.law(28)
    @pytest.mark.law(7)
    @given(takes)
    def test_no_serial_is_issued_twice_by_any_plan(self, plan: list[tuple[int, str, str, str, bool]]) -> None:
        """Whoever takes what, the blocks of a key follow each other from 0 to at most the capacity; replay gives the same."""
        state, facts = SpaceBlocks.open(SPACE), list[Fact]()
        for count, campaign_id, key_id, ref, bound in plan:
            value = VALUE if key_id == "k1" else OTHER_VALUE
            asked: dict[str, Any] = {
                "campaign_id": campaign_id,
                "key_id": key_id,
                "check_value": value,
                "ref": ref,
                "capacity": 100,
            }
            try:
                posting = state.take(count, **asked, holder_bound=bound, at=AT)
            except RefusedError as error:
                assert error.refusal.reason in {Reason.KEY_REUSED, Reason.CODES_EXHAUSTED}  # noqa: PT017  # both may happen
                continue
            assert posting.version == state.version
            state, facts = posting.state, [*facts, *posting.facts]
        for key_id in ("k1", "k2"):
            blocks = [one for one in state.blocks if one.key_id == key_id]
            assert [one.start for one in blocks[:1]] in ([], [0])
            assert all(first.stop == second.start for first, second in pairwise(blocks))
            assert state.next_serial(key_id) == sum(len(one.serials) for one in blocks) <= 100
            for serial in range(101):
                inside = [one for one in blocks if serial in one.serials]
                assert [one for one in (state.block_of(key_id, serial),) if one] == inside
        assert SpaceBlocks.replay(SPACE, facts) == state
        assert state.version == len(facts)
        assert SpaceBlocks.from_dict(json.loads(json.dumps(state.to_dict()))) == state
        assert pickle.loads(pickle.dumps(state)) == state
        assert hash(state) == hash(SpaceBlocks.replay(SPACE, facts))

    def test_index_survives_pickling(self) -> None:
        """A state that was pickled before anybody looked finds its blocks."""
        assert pickle.loads(pickle.dumps(NEW.take(10, **MINE).state)).block_of("2026a", 9) == block(taken_at=AT)


class TestFolded:
    @pytest.mark.parametrize(
        "facts",
        [
            [MemberJoined(member_id="m", at=AT)],
            [fact(block(), space_id="velo/####")],
            [fact(block(1, 10))],
            [fact(block()), fact(block(9, 20, ref="next"))],
            [fact(block()), fact(block(11, 20, ref="next"))],
            [fact(block()), fact(block(10, 20))],
            [fact(block()), fact(block(10, 20, ref="next"), check_value=OTHER_VALUE)],
        ],
        ids=["other kind", "other space", "not from 0", "overlap", "gap", "ref twice", "other key"],
    )
    def test_damage_is_told(self, facts: list[Fact]) -> None:
        """What no commands can have led to is no state."""
        with pytest.raises(CorruptStateError):
            SpaceBlocks.replay(SPACE, facts)

    def test_nothing_follows_from_nothing(self) -> None:
        """No facts, no change."""
        assert TAKEN.folded([]) == TAKEN
        assert SpaceBlocks.replay(SPACE, []) == NEW


class TestStored:
    def test_form(self) -> None:
        """The stored form is plain JSON; what holds its default is left out."""
        taken = {
            "campaign_id": "welcome",
            "key_id": "2026a",
            "start": 0,
            "stop": 10,
            "ref": "mail",
            "taken_at": "2026-07-01T00:00:00Z",
        }
        form = {"form": 1, "space_id": SPACE, "blocks": [taken], "check_values": {"2026a": VALUE}}
        assert TAKEN.to_dict() == form
        assert SpaceBlocks.from_dict(form) == TAKEN

    @pytest.mark.parametrize(
        "state",
        [
            attrs.evolve(TAKEN, blocks=[block(1, 10)]),
            attrs.evolve(TAKEN, blocks=[block(), block(10, 20)]),
            attrs.evolve(TAKEN, check_values=FrozenMap({})),
            attrs.evolve(TAKEN, check_values=FrozenMap({"2026a": VALUE, "2026b": VALUE})),
        ],
        ids=["gap", "ref twice", "no check value", "one too many"],
    )
    def test_damage_is_told(self, state: SpaceBlocks) -> None:
        """A stored state that does not hang together is refused."""
        with pytest.raises(CorruptStateError):
            SpaceBlocks.from_dict(state.to_dict())

    @pytest.mark.parametrize("data", [None, {}, {"form": 1}, {"form": 1, "space_id": ""}, {"form": 2, "space_id": SPACE}])
    def test_anything_else_is_refused(self, data: Any) -> None:  # noqa: ANN401  # any JSON
        """Whatever is stored, a state or a damage."""
        with pytest.raises(CorruptStateError):
            SpaceBlocks.from_dict(data)

    def test_a_space_has_an_id(self) -> None:
        """Without one there is no stream."""
        with pytest.raises(UsageError, match="space_id"):
            SpaceBlocks.open("")
