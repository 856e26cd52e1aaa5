"""Facts, postings and the changes that carry them."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, ClassVar, final
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore._frozen import FrozenMap
from loyaltycore.errors import Reason, RefusedError, UsageError
from loyaltycore.facts import Append, Claim, Command, Expect, Fact, Posting
from loyaltycore.identity import CounterId, Key, StreamId, member_stream
from loyaltycore.testing.strategies import instants, refs
from loyaltycore.wire import coder
from tests.odd_values import answers_or_refuses

AT = datetime(2026, 7, 1, tzinfo=UTC)
HOME = member_stream("m-42")
PARIS = ZoneInfo("Europe/Paris")


@final
@attrs.frozen(kw_only=True)
class Lent(Fact):
    """Something was lent; a kind of its own, with an instant that may be missing."""

    kind: ClassVar[str] = "test.lent"
    ref: str
    since: datetime
    until: datetime | None = None


def lent(**changes: Any) -> Lent:  # noqa: ANN401  # fields of every kind
    """Give a fact."""
    return Lent(**{"ref": "r", "at": AT, "since": AT, **changes})


class TestFact:
    @given(instants(), st.none() | instants())
    def test_equality_is_by_instant(self, at: datetime, until: datetime | None) -> None:
        """Two tellings of one instant, by whatever clocks, are one fact; so it survives being stored and pickled."""
        fact = lent(at=at, since=at, until=until)
        again = lent(at=at.astimezone(PARIS), since=at.astimezone(UTC), until=until)
        assert fact == again
        assert hash(fact) == hash(again)
        assert coder(Lent).decode(coder(Lent).encode(fact)) == fact
        assert pickle.loads(pickle.dumps(fact)) == fact

    def test_instants_are_kept_in_utc(self) -> None:
        """Half past two, the second time that night."""
        twice = datetime(2026, 10, 25, 2, 30, tzinfo=PARIS, fold=1)
        fact = lent(at=twice, since=twice, until=twice)
        assert [fact.at, fact.since, fact.until] == [datetime(2026, 10, 25, 1, 30, tzinfo=UTC)] * 3
        assert fact.at.tzinfo is UTC
        assert fact != lent(at=twice.replace(fold=0), since=twice, until=twice)

    @pytest.mark.parametrize("name", ["at", "since", "until"])
    @pytest.mark.parametrize("bad", [datetime(2026, 7, 1), "2026-07-01T00:00:00Z", 0])  # noqa: DTZ001
    def test_naive_times_are_refused_by_name(self, name: str, bad: object) -> None:
        """Every field that is an instant, also those of a kind of its own."""
        with pytest.raises(UsageError, match=rf"^{name} must be a timezone-aware datetime"):
            lent(**{name: bad})

    def test_at_is_never_missing(self) -> None:
        """What happened, happened at some time."""
        with pytest.raises(UsageError, match=r"^at must be a timezone-aware datetime, got None$"):
            lent(at=None)

    def test_the_first_form_is_one(self) -> None:
        """A kind says another number when its stored form changes."""
        assert (Fact.form, Lent.form, Lent.kind) == (1, 1, "test.lent")

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(Fact, at=AT)
        answers_or_refuses(Lent, at=AT, ref="r", since=AT, until=AT)


GOOD: dict[type, dict[str, Any]] = {
    Append: {"stream": HOME, "expected_version": 0, "facts": [lent()], "due_at": AT},
    Expect: {"stream": HOME, "version": 0},
    Claim: {"counter": "coupon/X", "key": "order/1", "amount": 1, "limit": 10, "at": AT, "until": AT + timedelta(hours=1)},
    Command: {"home": HOME, "key": "review-1", "fingerprint": FrozenMap({"verb": "x"}), "actor": "shop"},
    Posting: {"state": None, "stream": HOME, "version": 0, "facts": [lent()]},
}

WRONG = [
    (Append, {"facts": []}, r"an append to 'member/m-42' must hold at least one fact"),
    (Append, {"facts": [1]}, r"each of facts must be of type Fact, got 1"),
    (Append, {"facts": None}, r"facts must be several values"),
    (Append, {"expected_version": -1}, r"expected_version must be a whole number in \[0,"),
    (Append, {"due_at": datetime(2026, 7, 1)}, r"due_at must be a timezone-aware"),  # noqa: DTZ001
    (Append, {"stream": ""}, r"stream must be text of 1 to"),
    (Expect, {"version": -1}, r"version must be a whole number in \[0,"),
    (Expect, {"version": True}, r"version must be a whole number"),
    (Expect, {"stream": None}, r"stream must be text"),
    (Claim, {"amount": -1}, r"amount must be a whole number in \[0,"),
    (Claim, {"limit": -1}, r"limit must be a whole number in \[0,"),
    (Claim, {"limit": 1.5}, r"limit must be a whole number in \[0,"),
    (Claim, {"at": None}, r"at must be a timezone-aware"),
    (Claim, {"until": AT}, r"until must be after 2026-07-01 00:00:00\+00:00, got 2026-07-01 00:00:00\+00:00"),
    (Claim, {"until": 1}, r"until must be a timezone-aware"),
    (Claim, {"counter": ""}, r"counter must be text of 1 to"),
    (Claim, {"key": ""}, r"key must be text of 1 to"),
    (Command, {"home": ""}, r"home must be text of 1 to"),
    (Command, {"key": "\0"}, r"key must be text of at most"),
    (Command, {"fingerprint": {"verb": 1}}, r"fingerprint must be a mapping of text to text"),
    (Command, {"fingerprint": "verb"}, r"fingerprint must be a mapping of text to text"),
    (Command, {"actor": "x" * 201}, r"actor must be text of at most 200"),
    (Posting, {"facts": ["x"]}, r"each of facts must be of type Fact"),
    (Posting, {"version": -1}, r"version must be a whole number in \[0,"),
]


class TestChanges:
    @pytest.mark.parametrize("kind", GOOD, ids=lambda kind: kind.__name__)
    def test_good_values(self, kind: type) -> None:
        """Each is a value: equal by content, picklable; and no odd value raises anything else."""
        value = kind(**GOOD[kind])
        assert value == kind(**GOOD[kind])
        assert pickle.loads(pickle.dumps(value)) == value
        answers_or_refuses(kind, **GOOD[kind])

    @pytest.mark.parametrize("kind,wrong,message", WRONG, ids=count())
    def test_wrong_values(self, kind: type, wrong: dict[str, object], message: str) -> None:
        """Nothing that a store could not keep."""
        with pytest.raises(UsageError, match=f"^{message}"):
            kind(**{**GOOD[kind], **wrong})

    def test_nothing_may_be_due(self) -> None:
        """Then the append says so."""
        assert Append(stream=HOME, expected_version=3, facts=iter([lent()])).due_at is None

    def test_bounds_of_a_claim(self) -> None:
        """Nothing of nothing, for ever, is a claim: it frees."""
        claim = Claim(counter=CounterId("c"), key=Key("k"), amount=0, limit=0, at=AT, until=None)
        assert claim.until is None
        assert attrs.evolve(claim, limit=None).limit is None

    def test_instants_are_kept_in_utc(self) -> None:
        """So that stores compare them as they follow each other."""
        local = AT.astimezone(PARIS)
        claim = Claim(counter=CounterId("c"), key=Key("k"), amount=1, limit=None, at=local, until=local + timedelta(hours=1))
        assert claim.until is not None
        assert claim.at.tzinfo is claim.until.tzinfo is UTC
        due = Append(stream=HOME, expected_version=0, facts=[lent()], due_at=local).due_at
        assert due is not None
        assert due.tzinfo is UTC


PASSED = st.dictionaries(
    st.sampled_from(["verb", "ref", "basket", "key", "home"]), st.none() | st.integers() | refs(), max_size=4
)


class TestCommand:
    def test_fingerprint_is_golden(self) -> None:
        """Stored for ever: one digest for each thing passed, and for who asked."""
        command = Command.of(HOME, Key("record:review-1"), actor="shop", action="review")
        assert command.fingerprint == {
            "action": "f55dd0c71ae7756717e5cc62855d5202",
            "actor": "80092f51df87181f35bb496e0a96f2f2",
        }
        assert list(command.fingerprint) == ["action", "actor"]

    @given(PASSED, PASSED)
    def test_differs_names_what_differs(self, first: dict[str, Any], second: dict[str, Any]) -> None:
        """What was added, left out or changed; sorted; the same both ways."""
        one, other = (Command.of(HOME, Key("k"), actor="shop", **passed) for passed in (first, second))
        missing = object()
        names = sorted(name for name in first.keys() | second.keys() if first.get(name, missing) != second.get(name, missing))
        assert one.differs_from(other) == other.differs_from(one) == tuple(names)

    def test_who_asks_is_part_of_it(self) -> None:
        """Another member cannot repeat somebody's command."""
        shop, member = (Command.of(HOME, Key("k"), actor=actor, points=5) for actor in ("shop", "m-1"))
        assert member.differs_from(shop) == ("actor",)

    def test_same_content_passes(self) -> None:
        """A retry is no error."""
        Command.of(HOME, Key("k"), actor="shop", points=5).check_same(Command.of(HOME, Key("k"), actor="shop", points=5))

    def test_other_content_is_key_reused(self) -> None:
        """The refusal names the fields that differ."""
        first, second = (Command.of(HOME, Key("k"), actor="shop", points=points, ref="r", note=points) for points in (5, 6))
        with pytest.raises(RefusedError) as caught:
            second.check_same(first)
        assert caught.value.refusal.reason is Reason.KEY_REUSED
        assert caught.value.refusal.details == {"key": "k", "fields": ("note", "points")}

    @pytest.mark.law(3)
    def test_floats_have_no_fingerprint(self) -> None:
        """What was passed must be exact."""
        with pytest.raises(UsageError, match="cannot be written exactly"):
            Command.of(HOME, Key("k"), actor="shop", amount=1.5)

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(
            lambda home, key, actor, passed: Command.of(home, key, actor=actor, passed=passed),
            home=HOME,
            key="k",
            actor="shop",
            passed=1,
        )


class TestPosting:
    def test_changes_append_the_facts(self) -> None:
        """Where they belong, after what was there."""
        posting = Posting("state", facts=[lent()], stream=StreamId("member/1"), version=7)
        assert posting.changes == (Append(stream=StreamId("member/1"), expected_version=7, facts=(lent(),)),)

    def test_no_facts_no_changes(self) -> None:
        """A repeated command leaves nothing to keep."""
        assert Posting("state", facts=(), stream=HOME, version=7).changes == ()
