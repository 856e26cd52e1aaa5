"""The wire form: one exact way to write values down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any, NewType, final
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore._frozen import FrozenMap
from loyaltycore.errors import CorruptStateError, LoyaltyError, UsageError
from loyaltycore.quantities import Money, Rate, Rounding
from loyaltycore.testing.strategies import currencies, ids, instants
from loyaltycore.wire import (
    Coder,
    Json,
    canonical,
    coded_digest,
    coded_text,
    coder,
    digest,
    instant_text,
    parse_instant,
    plain,
    read_json,
    read_state,
    write_state,
)
from tests.odd_values import DEEP, ODD, answers_or_refuses

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "wire.json").read_text(encoding="utf-8"))

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
)
JUNK: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["note", "at", "on", "a", "2026-07-01", "red"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["note", "at", "on", "colour", "inner", "many", "pair", "names", "count", "form", "x"]), inner
        )
    ),
)


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


Name = NewType("Name", str)


@final
@attrs.frozen(kw_only=True)
class Inner:
    """A coded class within another.

    Attributes:
        count: Checked, so that a stored form may be refused.
    """

    count: int

    def __attrs_post_init__(self) -> None:
        """Refuse less than nothing."""
        if self.count < 0:
            msg = "count must be 0 or more"
            raise UsageError(msg)


def _kept(at: datetime) -> datetime:
    return at.astimezone(UTC)


@final
@attrs.frozen(kw_only=True)
class Everything:
    """One field of each kind that has a wire form."""

    flag: bool
    count: int
    note: str
    name: Name
    at: datetime = attrs.field(converter=_kept)
    on: date
    colour: Colour
    inner: Inner
    maybe: Inner | None = None
    many: tuple[Inner, ...] = ()
    pair: tuple[str, int] = ("", 0)
    names: FrozenMap[str, Inner] = FrozenMap[str, Inner]()
    _hidden: int = 7
    derived: int = attrs.field(init=False, eq=False, default=0)


INNER = st.builds(Inner, count=st.integers(0))
EVERYTHING = st.builds(
    Everything,
    flag=st.booleans(),
    count=st.integers(),
    note=TEXT,
    name=ids(max_length=5),
    at=instants(),
    on=st.dates(),
    colour=st.sampled_from(Colour),
    inner=INNER,
    maybe=st.none() | INNER,
    many=st.lists(INNER, max_size=3).map(tuple),
    pair=st.tuples(TEXT, st.integers()),
    names=st.dictionaries(TEXT, INNER, max_size=3).map(FrozenMap),
)


def example(**changes: Any) -> Everything:  # noqa: ANN401  # fields of every kind
    """Give a value with little in it."""
    fields: dict[str, Any] = {
        "flag": True,
        "count": 1,
        "note": "é",
        "name": "n",
        "at": datetime(2026, 7, 1, 10, tzinfo=ZoneInfo("Europe/Paris")),
        "on": date(2026, 7, 1),
        "colour": Colour.RED,
        "inner": Inner(count=2),
    }
    return Everything(**{**fields, **changes})


WRITTEN = {
    "flag": True,
    "count": 1,
    "note": "é",
    "name": "n",
    "at": "2026-07-01T08:00:00Z",
    "on": "2026-07-01",
    "colour": "red",
    "inner": {"count": 2},
}


class TestInstants:
    @pytest.mark.parametrize("case", GOLDEN["instants"], ids=lambda case: case["written"])
    def test_golden(self, case: dict[str, str]) -> None:
        """One instant, one text."""
        assert instant_text(parse_instant(case["written"])) == case["canonical"]
        assert parse_instant(case["canonical"]) == parse_instant(case["written"])
        assert parse_instant(case["written"]).tzinfo is UTC

    @pytest.mark.law(42)
    @given(instants())
    def test_round_trip(self, at: datetime) -> None:
        """Whatever the zone, the instant comes back."""
        assert parse_instant(instant_text(at)) == at.astimezone(UTC)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "today",
            "2026-07-01",
            "2026-07-01T08:00:00",
            "2026-07-32T08:00:00Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T00:00:00Z",
            None,
            1,
        ],
    )
    def test_no_instant(self, text: str) -> None:
        """Without an offset a time is none, and none lies at the ends of the calendar."""
        with pytest.raises(UsageError, match=r"^an instant must be written like 2026-07-01T10:00:00\+02:00, got"):
            parse_instant(text)

    def test_naive_is_refused(self) -> None:
        """The zone of the machine is never taken instead."""
        with pytest.raises(UsageError, match="an instant must be a timezone-aware datetime"):
            instant_text(datetime(2026, 7, 1))  # noqa: DTZ001

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(instant_text, at=datetime(2026, 7, 1, tzinfo=UTC))
        answers_or_refuses(parse_instant, text="2026-07-01T08:00:00Z")


class TestCanonical:
    @pytest.mark.law(42)
    @pytest.mark.parametrize("case", GOLDEN["canonical"], ids=range(len(GOLDEN["canonical"])))
    def test_golden(self, case: dict[str, Any]) -> None:
        """The bytes and their digest, for ever."""
        assert canonical(case["value"]) == case["bytes"].encode()
        assert digest(case["value"], purpose=GOLDEN["purpose"]) == case["digest"]

    @pytest.mark.law(42)
    @given(JSON)
    def test_round_trip(self, value: Json) -> None:
        """What was written is read again, and written the same."""
        assert read_json(canonical(value)) == value
        assert canonical(read_json(canonical(value))) == canonical(value)
        assert read_json(canonical(value).decode()) == value

    @given(st.dictionaries(TEXT, JSON))
    def test_order_of_keys_does_not_count(self, value: dict[str, Json]) -> None:
        """Equal values give equal bytes."""
        assert canonical(dict(reversed(value.items()))) == canonical(value)

    @pytest.mark.law(42)
    def test_hash_seed_does_not_count(self) -> None:
        """Another process, other hashes, the same bytes."""
        code = (
            "from loyaltycore.wire import canonical, plain\n"
            "print(canonical(plain(({'b': 1, 'a': (1, 'x')}, frozenset(map(str, range(20)))))).hex())"
        )
        printed = {
            subprocess.run(
                [sys.executable, "-c", code],
                check=True,
                capture_output=True,
                text=True,
                env={**os.environ, "PYTHONHASHSEED": seed},
            ).stdout
            for seed in ("0", "1", "4242")
        }
        assert len(printed) == 1

    @pytest.mark.law(3)
    @pytest.mark.parametrize("value", [1.0, [1.5], {"a": {"b": (0.1,)}}, {1.5: "a"}, float("nan")], ids=str)
    def test_floats_never_enter(self, value: Json) -> None:
        """At no depth, and not as a key."""
        with pytest.raises(UsageError, match="cannot be written exactly"):
            canonical(value)

    @pytest.mark.parametrize(
        "value", [{1: "a"}, {None: "a"}, "\ud800", {"\ud800": 1}, b"x", Decimal(1), {"a"}, object(), DEEP], ids=range(9)
    )
    def test_what_json_has_not(self, value: Json) -> None:
        """Keys are text, text is Unicode, and nesting has an end."""
        with pytest.raises(UsageError, match=r"^a wire value must be made of None, bool, int, str, list and dict, got"):
            canonical(value)

    def test_message_names_what_is_wrong(self) -> None:
        """In a large value, the small thing that cannot be written; keys of a rule as well."""
        with pytest.raises(UsageError, match=r"\(cannot be written exactly: 0\.25\)$"):
            canonical({"order": [1, 0.25]})
        with pytest.raises(UsageError, match=r"^no wire form for 0\.25$"):
            plain((0.25,))
        with pytest.raises(UsageError, match=r"^the keys of a mapping must be text, got 7$"):
            plain({7: 1})

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(canonical, value=1)
        answers_or_refuses(digest, value=1, purpose="test")


class TestCoded:
    @given(EVERYTHING)
    def test_is_the_canonical_form(self, value: Everything) -> None:
        """What a coder made is written without a second look, and written the same."""
        written = coder(Everything).encode(value)
        assert coded_text(written).encode() == canonical(written)
        assert coded_digest(written, purpose="lc.test") == digest(written, purpose="lc.test")


class TestDigest:
    def test_purposes_are_kept_apart(self) -> None:
        """A digest of one kind never passes for another's."""
        assert digest(1, purpose="lc.one") != digest(1, purpose="lc.two")
        assert len(digest(1, purpose="x" * 16)) == 32

    @pytest.mark.parametrize("purpose", ["x" * 17, "é", None, b"x"], ids=count())
    def test_purpose_is_short(self, purpose: str) -> None:
        """What the hash has room for."""
        with pytest.raises(UsageError, match=r"^purpose must be at most 16 ASCII characters, got"):
            digest(1, purpose=purpose)


class TestReadJson:
    @pytest.mark.parametrize(
        "text",
        ["", "{", "1.5", "[1e3]", "NaN", "Infinity", "{'a': 1}", b"\xff\xfe\x00", "[" * 100_000, "1" * 5_000, None, 1],
        ids=range(12),
    )
    def test_refuses_the_rest(self, text: str) -> None:
        """No JSON, a float, too deep, too long a number."""
        with pytest.raises(CorruptStateError, match=r"^not JSON of this library: "):
            read_json(text)

    @given(st.text() | st.binary())
    def test_any_text_is_read_or_corrupt(self, text: str | bytes) -> None:
        """Nothing else is raised."""
        with suppress(CorruptStateError):
            read_json(text)


class TestCoder:
    def test_written_form(self) -> None:
        """A class says its stored form by saying its fields; defaults, hidden and derived fields are left out."""
        assert coder(Everything).encode(example()) == WRITTEN
        assert coder(Everything).decode(WRITTEN) == example()

    def test_every_kind_of_field(self) -> None:
        """All of them, away from their defaults."""
        value = example(
            maybe=Inner(count=0),
            many=(Inner(count=1), Inner(count=2)),
            pair=("a", 1),
            names=FrozenMap({"x": Inner(count=3)}),
            hidden=8,
        )
        written = {
            **WRITTEN,
            "maybe": {"count": 0},
            "many": [{"count": 1}, {"count": 2}],
            "pair": ["a", 1],
            "names": {"x": {"count": 3}},
        }
        assert coder(Everything).encode(value) == written
        assert coder(Everything).decode(written) == attrs.evolve(value, hidden=7)

    @pytest.mark.law(42)
    @given(EVERYTHING)
    def test_round_trip(self, value: Everything) -> None:
        """Encode then decode is identity, through bytes as through values."""
        one = coder(Everything)
        assert one.decode(one.encode(value)) == value
        assert one.decode(read_json(canonical(one.encode(value)))) == value
        assert read_state(Everything, write_state(value)) == value

    @pytest.mark.law(42)
    @given(st.builds(Money, st.integers(-(10**15), 10**15), currencies()))
    def test_round_trip_of_money(self, money: Money) -> None:
        """A value of the library itself."""
        assert coder(Money).encode(money) == {"minor_units": money.minor_units, "currency": money.currency}
        assert coder(Money).decode(coder(Money).encode(money)) == money

    def test_is_made_once(self) -> None:
        """Asking again costs nothing."""
        assert coder(Inner).encode is coder(Inner).encode

    @pytest.mark.parametrize(
        "changes,message",
        [
            ({"flag": 1}, "expected bool, got 1"),
            ({"count": True}, "expected int, got True"),
            ({"count": 1.0}, "expected int, got 1.0"),
            ({"note": 1}, "expected str, got 1"),
            ({"note": "\ud800"}, "expected Unicode text without lone surrogates"),
            ({"name": None}, "expected str, got None"),
            ({"at": "2026-07-01T08:00:00"}, "an instant must be written like"),
            ({"at": 0}, "expected str, got 0"),
            ({"on": "2026-02-30"}, "expected a date, got '2026-02-30'"),
            ({"on": 20260701}, "expected str, got 20260701"),
            ({"colour": "green"}, "expected one of \\['red', 'blue'\\], got 'green'"),
            ({"colour": 1}, "expected str, got 1"),
            ({"inner": None}, "expected dict, got None"),
            ({"inner": {}}, "Inner needs \\['count'\\] and may have \\['count'\\], got \\[\\]"),
            ({"inner": {"count": 1, "x": 1}}, "Inner needs \\['count'\\] and may have \\['count'\\], got \\['count', 'x'\\]"),
            ({"inner": {"count": -1}}, "Inner cannot be {'count': -1}: count must be 0 or more"),
            ({"maybe": []}, "expected dict, got \\[\\]"),
            ({"many": {}}, "expected list, got {}"),
            ({"many": [1]}, "expected dict, got 1"),
            ({"pair": ["a"]}, "expected 2 items, got \\['a'\\]"),
            ({"pair": "ab"}, "expected list, got 'ab'"),
            ({"names": []}, "expected dict, got \\[\\]"),
            ({"names": {1: {"count": 1}}}, "expected str, got 1"),
            ({"names": {"\ud800": {"count": 1}}}, "expected Unicode text"),
            ({"_hidden": 8}, "and may have"),
            ({"derived": 8}, "and may have"),
        ],
        ids=count(),
    )
    def test_what_was_never_written_is_corrupt(self, changes: dict[str, Json], message: str) -> None:
        """Each field is read back exactly, or refused with its value."""
        with pytest.raises(CorruptStateError, match=message):
            coder(Everything).decode({**WRITTEN, **changes})

    @given(JUNK)
    def test_any_json_is_a_value_or_corrupt(self, junk: Json) -> None:
        """Nothing else is raised, for the whole and for a single field."""
        fields = junk if isinstance(junk, dict) else {}
        for data in (junk, {**WRITTEN, **fields}):
            with suppress(CorruptStateError):
                coder(Everything).decode(data)

    @pytest.mark.parametrize("name", [None, *WRITTEN, "maybe", "many", "pair", "names"])
    def test_any_value_is_a_value_or_corrupt(self, name: str | None) -> None:
        """Not even what no JSON reader gives raises anything else."""
        for odd in ODD:
            with suppress(CorruptStateError):
                coder(Everything).decode(odd if name is None else {**WRITTEN, name: odd})

    @pytest.mark.parametrize(
        "changes",
        [
            {"flag": 1},
            {"count": 1.0},
            {"count": True},
            {"note": b"x"},
            {"note": "\ud800"},
            {"names": FrozenMap({"\ud800": Inner(count=1)})},
            {"on": datetime(2026, 7, 1, tzinfo=UTC)},
            {"colour": "red"},
            {"inner": None},
            {"inner": {"count": 1}},
            {"maybe": 1},
            {"many": [Inner(count=1)]},
            {"many": (1,)},
            {"pair": ("a",)},
            {"pair": ["a", 1]},
            {"names": {"x": Inner(count=1)}},
            {"names": FrozenMap({1: Inner(count=1)})},
        ],
        ids=count(),
    )
    @pytest.mark.law(3)
    def test_wrong_fields_are_never_written(self, changes: dict[str, object]) -> None:
        """A value that slipped past its class is refused before it is stored."""
        with pytest.raises(UsageError, match="expected "):
            coder(Everything).encode(example(**changes))

    def test_another_class_is_never_written(self) -> None:
        """The coder of a class takes that class."""
        with pytest.raises(UsageError, match="expected Inner, got"):
            coder(Inner).encode(example())  # type: ignore[arg-type]

    def test_text_of_a_subclass_is_text(self) -> None:
        """A framework's own kind of text is written as what it says."""
        assert coder(Everything).encode(example(note=Colour.RED))["note"] == "red"

    @pytest.mark.parametrize("kind", [float, Decimal, bytes, list, dict, object, set])
    def test_other_classes_have_no_form(self, kind: type) -> None:
        """A bug of the class, told when its coder is asked for."""
        with pytest.raises(UsageError, match="no wire form for"):
            coder(kind)
        field = attrs.make_class("Odd", {"field": attrs.field(type=kind)}, frozen=True)
        with pytest.raises(UsageError, match="no wire form for"):
            coder(field)

    @pytest.mark.parametrize(
        "kind", [int | str, int | str | None, tuple[float, ...], FrozenMap[str, float], float | None], ids=str
    )
    def test_other_fields_have_no_form(self, kind: type) -> None:
        """A union says nothing about which it is."""
        with pytest.raises(UsageError, match="no wire form for"):
            coder(attrs.make_class("Odd", {"field": attrs.field(type=kind)}, frozen=True))

    @pytest.mark.parametrize("kind", [None, 1, "str", [], int | None])
    def test_a_kind_is_a_class(self, kind: type) -> None:
        """Nothing else is asked for."""
        with pytest.raises(UsageError, match=r"^kind must be of type type, got"):
            coder(kind)

    def test_a_fixed_tuple_of_two_kinds(self) -> None:
        """Two items of their own kinds are not many of one."""
        kind = attrs.make_class("Pair", {"field": attrs.field(type=tuple[int, int])}, frozen=True)
        assert coder(kind).decode({"field": [1, 2]}).field == (1, 2)
        with pytest.raises(CorruptStateError, match="expected 2 items"):
            coder(kind).decode({"field": [1, 2, 3]})

    def test_is_a_value(self) -> None:
        """Two functions, and nothing more."""
        pair = Coder[int](encode=str, decode=int)
        assert pair.decode(pair.encode(3)) == 3


class TestState:
    def test_carries_the_number_of_its_form(self) -> None:
        """So that a later version can read an earlier form."""
        assert write_state(Inner(count=1)) == {"form": 1, "count": 1}

    @pytest.mark.parametrize(
        "data",
        [None, [], {}, {"count": 1}, {"form": 2, "count": 1}, {"form": True, "count": 1}, {"form": 1.0, "count": 1}, {"form": 1}],
        ids=str,
    )
    def test_anything_else_is_corrupt(self, data: Json) -> None:
        """No mapping, another form, a field missing."""
        with pytest.raises(CorruptStateError, match="Inner"):
            read_state(Inner, data)

    @pytest.mark.parametrize("state", [None, 1, "x", int])
    def test_a_state_is_a_coded_value(self, state: object) -> None:
        """Plain numbers have no aggregate."""
        with pytest.raises(UsageError, match="a state must be a value of a coded class"):
            write_state(state)
        with pytest.raises(UsageError, match=r"a state must be|kind must be"):
            read_state(state, {"form": 1})  # type: ignore[arg-type]


class TestPlain:
    @pytest.mark.parametrize(
        "value,expected",
        [
            (None, None),
            (True, True),
            (3, 3),
            ("x", "x"),
            (Colour.RED, "red"),
            (datetime(2026, 7, 1, 10, tzinfo=ZoneInfo("Europe/Paris")), "2026-07-01T08:00:00Z"),
            (date(2026, 7, 1), "2026-07-01"),
            (time(16, 30), "16:30:00"),
            (Fraction(1, 10), "1/10"),
            (frozenset({"b", "a"}), ["a", "b"]),
            (frozenset({2, "a", None, 10}), ["a", 10, 2, None]),
            ((1, ("a",)), [1, ["a"]]),
            (FrozenMap({"b": (1,), "a": None}), {"a": None, "b": [1]}),
            (Inner(count=1), {"is": "Inner", "count": 1}),
            (Rate.percent("10"), {"is": "Rate", "factor": "1/10"}),
        ],
    )
    def test_table(self, value: object, expected: Json) -> None:
        """Everything a program is made of."""
        assert plain(value) == expected
        canonical(plain(value))

    def test_classes_are_named(self) -> None:
        """Two rules of equal fields are not one rule; a hidden field counts, one that equality does not see does not."""
        other = attrs.make_class("Other", ["count"], frozen=True)
        assert plain(Inner(count=1)) != plain(other(1))
        assert plain(example())["_hidden"] == 7
        assert "derived" not in plain(example())

    @pytest.mark.parametrize("value", [1.5, (1.5,), Decimal(1), b"x", [1], object(), {1: "x"}, {None: 1}, int], ids=range(9))
    def test_the_rest_is_refused(self, value: object) -> None:
        """No float, nothing that can change, no keys but text."""
        with pytest.raises(UsageError, match=r"no wire form for|keys of a mapping must be text"):
            plain(value)

    def test_depth_has_an_end(self) -> None:
        """Nesting without end is refused."""
        nested: tuple[Any, ...] = ()
        for _ in range(100_000):
            nested = (nested,)
        with pytest.raises(UsageError, match="nested too deeply, or holds too long a number: tuple"):
            plain(nested)

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(plain, value=Rounding.UP)


@pytest.mark.parametrize("call", [write_state, coder, lambda kind: read_state(kind, {"form": 1})])
def test_odd_kinds_are_refused(call: Callable[[Any], object]) -> None:
    """No odd class raises anything else either."""
    for odd in ODD:
        with suppress(LoyaltyError):
            call(odd)
