"""The stored form of facts: what was written once decodes for ever.

The golden files in tests/golden/facts hold the form as it was first released: one file a kind and form, every field set, and
with every field that has a default left out. They are never rewritten; a new form gets a new file beside the old one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore import CorruptStateError, UsageError
from loyaltycore._frozen import FrozenMap
from loyaltycore.codec import FACTS, decode_fact, encode_fact, fact_from_text, fact_text
from loyaltycore.facts import Fact
from loyaltycore.orders import OrderPlaced, OrderReturned
from loyaltycore.testing.strategies import facts
from loyaltycore.wire import canonical
from tests.golden_facts import AT, FULL, LEAST

GOLDEN = Path(__file__).parent / "golden" / "facts"
FILES = sorted(GOLDEN.glob("*.json"))


def subclasses(kind: type[Fact]) -> set[type[Fact]]:
    """Name every kind of fact that the library defines."""
    return {one for child in kind.__subclasses__() for one in (child, *subclasses(child))}


def by_name(path: Path) -> dict[str, Any]:
    """Read a golden file."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def reversed_map(items: FrozenMap[str, int]) -> FrozenMap[str, int]:
    """Give equal items in another order."""
    return FrozenMap(reversed(list(items.items())))


class TestGolden:
    @pytest.mark.law(42)
    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
    def test_released_forms_decode_for_ever(self, path: Path) -> None:
        """Every form in the files gives the fact it stood for; the current form is written byte for byte the same."""
        golden = by_name(path)
        assert golden["provenance"]
        known = {(fact.kind, place): fact for place, group in (("full", FULL), ("least", LEAST)) for fact in group}
        for place in ("full", "least"):
            stored = golden[place]
            fact = decode_fact(stored)
            if fact.form == golden["form"]:
                assert fact == known[golden["kind"], place]
                assert encode_fact(fact) == stored
                assert fact_text(fact) == canonical(stored).decode() == golden[f"{place}_text"]
                assert fact_from_text(golden[f"{place}_text"]) == fact

    def test_every_kind_has_its_file(self) -> None:
        """A new kind or form of fact comes with its golden file, named after it, with every field of it set."""
        names = {f"{fact.kind}.{fact.form}" for fact in FACTS}
        assert names <= {path.stem for path in FILES}
        for path in FILES:
            golden = by_name(path)
            assert path.stem == f"{golden['kind']}.{golden['form']}"
        for fact in FULL:
            fields = [field.name for field in attrs.fields(type(fact)) if field.init]
            assert set(fields) | {"kind", "form"} == set(by_name(GOLDEN / f"{fact.kind}.{fact.form}.json")["full"])

    def test_every_kind_is_coded(self) -> None:
        """No fact that a module defines is forgotten, and no kind is there twice."""
        ours = {kind for kind in subclasses(Fact) if kind.__module__.startswith("loyaltycore.")}
        defined = {kind for kind in ours if "kind" in vars(kind) and not kind.__name__.startswith("_")}
        assert defined == set(FACTS)
        assert len({(kind.kind, kind.form) for kind in FACTS}) == len(FACTS)
        assert {type(fact) for fact in FULL} == {type(fact) for fact in LEAST} == set(FACTS)


class TestLaws:
    @pytest.mark.law(42)
    @given(facts())
    def test_decode_after_encode_is_identity(self, fact: Fact) -> None:
        """Through JSON values and through text, whatever the fields hold."""
        assert decode_fact(encode_fact(fact)) == fact
        assert decode_fact(json.loads(json.dumps(encode_fact(fact)))) == fact
        assert fact_from_text(fact_text(fact)) == fact
        assert fact_from_text(fact_text(fact).encode()) == fact
        assert list(encode_fact(fact))[:2] == ["kind", "form"]

    @pytest.mark.law(42)
    @given(facts())
    def test_equal_facts_give_equal_bytes(self, fact: Fact) -> None:
        """A fact read back writes the same text, and so does one whose mappings came in another order."""
        again = fact_from_text(fact_text(fact))
        if isinstance(again, OrderReturned):
            again = attrs.evolve(again, lines=reversed_map(again.lines), to_cards=reversed_map(again.to_cards))
        if isinstance(again, OrderPlaced):
            again = attrs.evolve(again, counters=reversed_map(again.counters), gifts=reversed_map(again.gifts))
        assert again == fact
        assert fact_text(again) == fact_text(fact)

    @pytest.mark.law(42)
    def test_bytes_do_not_depend_on_the_hash_seed(self) -> None:
        """Processes with different hash seeds write the same journal and the same digests, byte for byte."""
        script = (
            "from tests.golden_facts import FULL, LEAST\n"
            "from loyaltycore import Basket, Line, Money, Program\n"
            "from loyaltycore.codec import fact_text\n"
            "tags = ['a', 'b', 'gift-card', 'low-margin', 'z']\n"
            "from datetime import UTC, datetime\n"
            "program = Program.load('examples/velo/program.toml')\n"
            "basket = Basket([Line('1', Money.of('70', 'EUR'), tags=tags)])\n"
            "quote = program.quote(basket, codes=['SUMMER10'], at=datetime(2026, 7, 1, tzinfo=UTC))\n"
            "print(*map(fact_text, FULL + LEAST), program.digest, quote.digest, ascii(quote.explain()), sep='\\n')\n"
        )
        outputs = {
            subprocess.run(
                [sys.executable, "-c", script],
                check=True,
                capture_output=True,
                env={**os.environ, "PYTHONHASHSEED": seed},
                cwd=GOLDEN.parents[2],
            ).stdout
            for seed in ("0", "4242")
        }
        assert len(outputs) == 1
        assert outputs != {b""}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


ORDER: dict[str, Any] = {
    "kind": "order.placed",
    "form": 1,
    "at": "2026-07-01T08:00:00Z",
    "order_id": "1001",
    "currency": "EUR",
    "lines": [],
}
EARNED: dict[str, Any] = {
    "rule": "order",
    "points": 1,
    "formula": {"shape": "step", "points": 1, "per_minor": 100},
    "counted": [{"line_id": "1", "minor": 100}],
    "available_at": "2026-07-01T08:00:00Z",
}


class TestDecode:
    @given(JSON)
    def test_any_json_is_a_fact_or_corrupt(self, data: object) -> None:
        """Whatever was stored, the answer is a fact or one error."""
        with pytest.raises(CorruptStateError):
            decode_fact(data)

    @given(facts(), st.data())
    def test_a_damaged_fact_is_a_fact_or_corrupt(self, fact: Fact, data: st.DataObject) -> None:
        """One field replaced, removed or added: read as what it says, or refused; never half read."""
        stored = encode_fact(fact)
        name = data.draw(st.sampled_from([*stored, "extra"]))
        if data.draw(st.booleans()):
            stored.pop(name, None)
        else:
            stored[name] = data.draw(JSON)
        try:
            read = decode_fact(stored)
        except CorruptStateError:
            return
        assert decode_fact(encode_fact(read)) == read

    @pytest.mark.parametrize(
        "data",
        [
            None,
            [],
            {},
            {"kind": "member.joined"},
            {"kind": "member.joined", "form": True, "at": "2026-07-01T08:00:00Z", "member_id": "m"},
            {"kind": "member.joined", "form": 2, "at": "2026-07-01T08:00:00Z", "member_id": "m"},
            {"kind": ["member.joined"], "form": 1},
            {"kind": "member.left", "form": 1},
            {"kind": "member.joined", "form": 1, "at": "2026-07-01T08:00:00", "member_id": "m"},
            {"kind": "member.joined", "form": 1, "at": "2026-07-01T08:00:00Z"},
            {"kind": "member.joined", "form": 1, "at": "2026-07-01T08:00:00Z", "member_id": "m", "more": 1},
            {"kind": "member.order_counted", "form": 1, "at": "2026-07-01T08:00:00Z", "order_id": "1", "day": "2026-02-30"},
            {"kind": "ledger.burned", "form": 1, "at": "2026-07-01T08:00:00Z", "account": "points", "ref": "1", "parts": [1]},
            {**ORDER, "earned": [{"rule": "order", "points": 1, "available_at": "2026-07-01T08:00:00Z"}]},
            {**ORDER, "earned": [{**EARNED, "formula": {"shape": "step", "points": 1, "per_minor": 0}}]},
            {**ORDER, "earned": [{**EARNED, "formula": {"shape": "step", "points": 0}}]},
            {**ORDER, "earned": [{**EARNED, "formula": {"shape": "cube", "points": 1}}]},
            {**ORDER, "earned": [{**EARNED, "counted": [{"line_id": "1", "minor": 0}]}]},
            {**ORDER, "earned": [{**EARNED, "points": 0}]},
            {**ORDER, "earned": [{**EARNED, "points": -1}]},
            {**ORDER, "lines": [{"line_id": "1", "product_id": "helmet", "quantity": 1, "list_minor": 7990, "points": 79}]},
        ],
    )  # fmt: skip
    def test_what_was_never_written_is_corrupt(self, data: object) -> None:
        """Unknown kinds, unknown forms, missing, strange and additional fields; points without the formula that earned them."""
        with pytest.raises(CorruptStateError):
            decode_fact(data)

    def test_an_order_like_the_corrupt_ones_decodes(self) -> None:
        """What the damaged orders above are made from is itself an order: each is refused for its damage alone."""
        order = decode_fact({**ORDER, "earned": [EARNED]})
        assert isinstance(order, OrderPlaced)
        assert order.points == 1

    @pytest.mark.parametrize("text", ["", "{", "[]", b"\xff", '{"kind": 1.5}', "NaN"])
    def test_text_that_is_no_fact_is_corrupt(self, text: str | bytes) -> None:
        """Garbled text, floats, and JSON that is something else."""
        with pytest.raises(CorruptStateError):
            fact_from_text(text)

    def test_facts_of_others_are_not_written(self) -> None:
        """A shop's own fact has no form of ours."""

        @attrs.frozen(kw_only=True)
        class Hailed(Fact):
            kind = "weather.hailed"

        with pytest.raises(UsageError, match=r"a fact must be of a kind in FACTS, got 'weather\.hailed' form 1"):
            encode_fact(Hailed(at=AT))

    def test_every_field_that_says_nothing_is_left_out(self) -> None:
        """A field that holds its default is not written, so that one added later keeps old forms readable."""
        assert encode_fact(next(fact for fact in LEAST if isinstance(fact, OrderReturned))) == {
            "kind": "order.returned",
            "form": 1,
            "at": "2027-07-31T22:00:00Z",
            "order_id": "1001",
            "return_id": "r-1",
            "currency": "EUR",
        }
