"""Histories as JSON Lines: what is an event, what is not, and files that cannot be read to their end."""

from __future__ import annotations

import gzip
import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loyaltycore import _history
from loyaltycore._history import (
    Acted,
    Bucket,
    CardMade,
    Chosen,
    CodesIssued,
    CouponGranted,
    Event,
    Fields,
    GrantName,
    HistoryError,
    Joined,
    Ordered,
    ReturnedLines,
    RewardAsked,
    Tally,
    TierLifted,
    open_history,
    read_jsonl,
    take_basket,
)
from loyaltycore.basket import Basket, Line, Return
from loyaltycore.errors import UsageError
from loyaltycore.quantities import Money

AT = "2026-07-01T10:00:00+02:00"
INSTANT = datetime(2026, 7, 1, 8, tzinfo=UTC)
JOIN: dict[str, Any] = {"kind": "join", "at": AT, "member_id": "m-1"}
LINE: dict[str, Any] = {"line_id": "1", "unit_price": "79.90"}
ORDER: dict[str, Any] = {"kind": "order", "at": AT, "order_id": "1001", "lines": [LINE]}
RETURN: dict[str, Any] = {"kind": "return", "at": AT, "return_id": "r-1", "order_id": "1001", "lines": {"1": 1}}
ACTION: dict[str, Any] = {"kind": "action", "at": AT, "action": "review", "member_id": "m-1", "ref": "t-1"}

CODES: dict[str, Any] = {"kind": "codes", "at": AT, "campaign": "welcome", "count": 300, "ref": "flyers"}
GRANT: dict[str, Any] = {"kind": "grant", "at": AT, "campaign": "welcome", "member_id": "m-1", "ref": "ticket-7"}
TIER: dict[str, Any] = {"kind": "tier_grant", "at": AT, "tier": "gold", "member_id": "m-1", "ref": "press-1", "reason": "press"}
REWARD: dict[str, Any] = {"kind": "reward", "at": AT, "reward": "cap", "member_id": "m-1", "ref": "take-1"}
CHOICE: dict[str, Any] = {"kind": "choose", "at": AT, "reward": "milestone/tenth", "option": "mug", "member_id": "m-1"}
CARD: dict[str, Any] = {
    "kind": "card",
    "at": AT,
    "ref": "card-7",
    "amount": "50.00",
    "expires_at": AT,
    "order_id": "1001",
    "line_id": "1",
}


def read(tmp_path: Path, *lines: str | bytes) -> tuple[list[Event], Tally]:
    """Read lines as a history."""
    path, tally = tmp_path / "history.jsonl", Tally()
    path.write_bytes(b"\n".join(line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line for line in lines))
    return [event for event, _ in read_jsonl(path, tally, currency="EUR")], tally


def one(tmp_path: Path, data: object) -> Event | None:
    """Read one line; ``None`` when it was counted as unreadable."""
    events, tally = read(tmp_path, data if isinstance(data, str) else json.dumps(data))
    assert tally.read == 1
    assert tally.buckets == ({} if events else {Bucket.UNREADABLE: 1})
    return events[0] if events else None


class TestEvents:
    """What each kind of line says."""

    def test_join(self, tmp_path: Path) -> None:
        """A joining names a member; its instant is in UTC."""
        assert one(tmp_path, JOIN) == Joined(at=INSTANT, member_id="m-1")

    def test_join_by_a_friend(self, tmp_path: Path) -> None:
        """A joining may say who brought the member, and what the shop knows the person by."""
        brought = {**JOIN, "referred_by": "m-7", "identity_hashes": ["a1", "b2"]}
        joined = Joined(at=INSTANT, member_id="m-1", referred_by="m-7", identity_hashes=("a1", "b2"))
        assert one(tmp_path, brought) == joined
        assert one(tmp_path, {**JOIN, "referred_by": None}) == Joined(at=INSTANT, member_id="m-1")

    def test_tier_grant(self, tmp_path: Path) -> None:
        """A member is lifted to a tier, for a time or for good."""
        lifted = TierLifted(at=INSTANT, tier="gold", member_id="m-1", ref="press-1", reason="press", until=INSTANT)
        assert one(tmp_path, {**TIER, "until": AT}) == lifted
        assert one(tmp_path, TIER) == one(tmp_path, {**TIER, "until": None}) == attrs.evolve(lifted, until=None)

    def test_reward(self, tmp_path: Path) -> None:
        """A member takes a reward of the catalogue."""
        assert one(tmp_path, REWARD) == RewardAsked(at=INSTANT, reward_id="cap", member_id="m-1", ref="take-1")

    def test_choose(self, tmp_path: Path) -> None:
        """A member chooses one of the things that a reward offers."""
        chosen = Chosen(at=INSTANT, reward_id="milestone/tenth", option="mug", member_id="m-1")
        assert one(tmp_path, CHOICE) == chosen

    def test_smallest_order(self, tmp_path: Path) -> None:
        """An order needs an id and lines; a line needs an id and a price; everything else has a neutral default."""
        basket = Basket([Line("1", Money.of("79.90", "EUR"), 1, product_id="1")], currency="EUR")
        assert one(tmp_path, ORDER) == Ordered(at=INSTANT, order_id="1001", member_id=None, basket=basket)

    def test_whole_order(self, tmp_path: Path) -> None:
        """Every field of an order is read."""
        line = {
            "line_id": "1",
            "product_id": "helmet",
            "unit_price": "79.90",
            "quantity": 2,
            "categories": ["helmets"],
            "tags": ["safety"],
            "brand": "Velo",
            "regular_price": "99.90",
            "floor_price": "50.00",
        }
        told = {"shipping": "4.90", "market": "FR", "channel": "web", "payment": "card"}
        named = {"coupons": ["welcome/ticket-7", "sorry-10/a/b"], "gift_cards": ["card-7"], "rewards": ["reward/take-1"]}
        rest = {"member_id": "m-1", **told, "codes": ["summer 10"], **named, "burn": 500}
        read_line = Line(
            "1",
            Money.of("79.90", "EUR"),
            2,
            product_id="helmet",
            categories=["helmets"],
            tags=["safety"],
            brand="Velo",
            regular_price=Money.of("99.90", "EUR"),
            floor_price=Money.of("50.00", "EUR"),
        )
        shipping = Money.of("4.90", "EUR")
        event = one(tmp_path, {**ORDER, **rest, "lines": [line]})
        assert event == Ordered(
            at=INSTANT,
            order_id="1001",
            member_id="m-1",
            basket=Basket([read_line], shipping=shipping, market="FR", channel="web", payment="card", currency="EUR"),
            codes=("summer 10",),
            coupons=(GrantName("welcome", "ticket-7"), GrantName("sorry-10", "a/b")),
            rewards=("reward/take-1",),
            gift_cards=("card-7",),
            burn=500,
        )

    def test_null_stands_for_what_there_may_not_be(self, tmp_path: Path) -> None:
        """A null member is a guest, and a null shipping is not known."""
        nulls = {"member_id": None, "shipping": None, "market": None, "channel": None, "payment": None}
        none = {"regular_price": None, "floor_price": None, "brand": None}
        assert one(tmp_path, {**ORDER, **nulls, "lines": [{**LINE, **none}]}) == one(tmp_path, ORDER)

    def test_returns(self, tmp_path: Path) -> None:
        """Units of lines, or an amount."""
        units = ReturnedLines(at=INSTANT, return_id="r-1", order_id="1001", back=Return(lines={"1": 1}))
        assert one(tmp_path, RETURN) == one(tmp_path, {**RETURN, "amount": None}) == units
        amount = {**{key: value for key, value in RETURN.items() if key != "lines"}, "amount": "5.00"}
        assert one(tmp_path, amount) == attrs.evolve(units, back=Return(amount=Money.of("5.00", "EUR")))

    def test_action(self, tmp_path: Path) -> None:
        """A named action of a member."""
        assert one(tmp_path, ACTION) == Acted(at=INSTANT, action="review", member_id="m-1", ref="t-1")

    def test_codes(self, tmp_path: Path) -> None:
        """So many codes of a campaign, for whoever gets them."""
        assert one(tmp_path, CODES) == CodesIssued(at=INSTANT, campaign_id="welcome", count=300, ref="flyers")

    def test_grant(self, tmp_path: Path) -> None:
        """One coupon of a campaign, for a member or for whoever has its code."""
        granted = CouponGranted(at=INSTANT, campaign_id="welcome", member_id="m-1", ref="ticket-7")
        assert one(tmp_path, GRANT) == granted
        for anybody in ({"member_id": None}, {}):
            bare = {key: value for key, value in GRANT.items() if key != "member_id"}
            assert one(tmp_path, {**bare, **anybody}) == attrs.evolve(granted, member_id=None)

    def test_card(self, tmp_path: Path) -> None:
        """A gift card with its amount; and, if there are any, its end and the line that sold it."""
        made = CardMade(
            at=INSTANT, ref="card-7", amount=Money.of("50.00", "EUR"), expires_at=INSTANT, order_id="1001", line_id="1"
        )
        assert one(tmp_path, CARD) == made
        bare = {key: value for key, value in CARD.items() if key in {"kind", "at", "ref", "amount"}}
        given = attrs.evolve(made, expires_at=None, order_id=None, line_id=None)
        assert one(tmp_path, bare) == one(tmp_path, {**bare, "expires_at": None, "order_id": None, "line_id": None}) == given


UNREADABLE: list[Any] = [
    "",
    "x",
    "null",
    "1",
    '"join"',
    "[]",
    "[" * 100_000,
    '{"a":' * 100_000,
    json.dumps(JOIN)[:-5],
    json.dumps(JOIN) + json.dumps(JOIN),
    json.dumps(JOIN)[:-1] + ', "member_id": "m-2"}',
    json.dumps(ORDER).replace('"line_id": "1"', '"line_id": "1", "line_id": "2"'),
    json.dumps({**ORDER, "burn": 7}).replace("7}", "9" * 5_000 + "}"),
    json.dumps({**ORDER, "burn": 7}).replace("7}", "1e3}"),
    json.dumps({**ORDER, "burn": 7}).replace("7}", "NaN}"),
    json.dumps({**ORDER, "burn": 7}).replace("7}", "-Infinity}"),
    {},
    {**JOIN, "kind": "leave"},
    {**JOIN, "kind": ["join"]},
    {**JOIN, "kind": None},
    {**JOIN, "extra": 1},
    {**JOIN, "member_id": 42},
    {**JOIN, "member_id": ""},
    {**JOIN, "member_id": "m" * 201},
    {**JOIN, "member_id": None},
    {**JOIN, "member_id": "\ud800"},
    {**JOIN, "member_id": "a\0b"},
    {**JOIN, "at": "2026-07-01T10:00:00"},
    {**JOIN, "at": "yesterday"},
    {**JOIN, "at": 1_782_892_800},
    {**JOIN, "at": None},
    {**JOIN, "at": "0001-01-01T00:00:00Z"},
    {**JOIN, "at": "9999-12-31T23:59:59Z"},
    {**ORDER, "order_id": None},
    {**ORDER, "lines": None},
    {**ORDER, "lines": {"1": LINE}},
    {**ORDER, "lines": [None]},
    {**ORDER, "lines": [[["line_id", "1"], ["unit_price", "1.00"]]]},
    {**ORDER, "lines": [LINE, LINE]},
    {**ORDER, "lines": [{"line_id": "1"}]},
    {**ORDER, "lines": [{**LINE, "colour": "red"}]},
    {**ORDER, "lines": [{**LINE, "unit_price": 79.9}]},
    {**ORDER, "lines": [{**LINE, "unit_price": 79}]},
    {**ORDER, "lines": [{**LINE, "unit_price": "79,90"}]},
    {**ORDER, "lines": [{**LINE, "unit_price": "1e5"}]},
    {**ORDER, "lines": [{**LINE, "unit_price": "٧٩"}]},
    {**ORDER, "lines": [{**LINE, "unit_price": "0.001"}]},
    {**ORDER, "lines": [{**LINE, "unit_price": "-1.00"}]},
    {**ORDER, "lines": [{**LINE, "quantity": 0}]},
    {**ORDER, "lines": [{**LINE, "quantity": True}]},
    {**ORDER, "lines": [{**LINE, "quantity": None}]},
    {**ORDER, "lines": [{**LINE, "tags": "safety"}]},
    {**ORDER, "lines": [{**LINE, "tags": [1]}]},
    {**ORDER, "lines": [{**LINE, "regular_price": "10.00"}]},
    {**ORDER, "shipping": "free"},
    {**ORDER, "market": "a b"},
    {**ORDER, "codes": "SUMMER10"},
    {**ORDER, "codes": None},
    {**ORDER, "codes": [1]},
    {**ORDER, "codes": ["\udfff"]},
    {**ORDER, "burn": -1},
    {**ORDER, "burn": None},
    {**ORDER, "burn": "500"},
    {**ORDER, "burn": 2**63},
    {**ORDER, "coupons": "welcome/ticket-7"},
    {**ORDER, "coupons": ["welcome"]},
    {**ORDER, "coupons": ["/ticket-7"]},
    {**ORDER, "coupons": ["welcome/"]},
    {**ORDER, "coupons": [7]},
    {**ORDER, "rewards": "reward/take-1"},
    {**ORDER, "rewards": [""]},
    {**ORDER, "gift_cards": "card-7"},
    {**ORDER, "gift_cards": [""]},
    {**ORDER, "gift_cards": None},
    {**CODES, "campaign": "a campaign"},
    {**CODES, "count": 0},
    {**CODES, "count": "300"},
    {**CODES, "ref": ""},
    {**CODES, "member_id": "m-1"},
    {**GRANT, "campaign": None},
    {**GRANT, "member_id": ""},
    {**GRANT, "ref": None},
    {**JOIN, "referred_by": 7},
    {**JOIN, "referred_by": ""},
    {**JOIN, "identity_hashes": "a1"},
    {**JOIN, "identity_hashes": None},
    {**JOIN, "identity_hashes": [7]},
    {**JOIN, "identity_hashes": [""]},
    {**TIER, "tier": "a tier"},
    {**TIER, "member_id": None},
    {**TIER, "ref": ""},
    {**TIER, "reason": None},
    {**TIER, "until": "2027-07-01"},
    {key: value for key, value in TIER.items() if key != "reason"},
    {**REWARD, "reward": "a reward"},
    {**REWARD, "member_id": ""},
    {**REWARD, "ref": None},
    {**REWARD, "price": 500},
    {**CHOICE, "reward": ""},
    {**CHOICE, "option": "a mug"},
    {**CHOICE, "member_id": 7},
    {**CARD, "ref": ""},
    {**CARD, "amount": 50},
    {**CARD, "amount": "50,00"},
    {**CARD, "expires_at": "2027-07-01"},
    {**CARD, "order_id": None},
    {**CARD, "line_id": None},
    {**CARD, "number": "MXN3-NA4S-7QTM-J495"},
    {**RETURN, "lines": {"1": 0}},
    {**RETURN, "lines": {"1": "1"}},
    {**RETURN, "lines": {}},
    {**RETURN, "lines": None},
    {**RETURN, "lines": [["1", 1]]},
    {**RETURN, "amount": "5.00"},
    {**RETURN, "return_id": "a\nb"},
    {**ACTION, "action": "a review"},
    {**ACTION, "ref": 7},
]


class TestUnreadable:
    """A line that is no event is counted, and never stops anything."""

    @pytest.mark.parametrize("data", UNREADABLE, ids=lambda data: repr(data)[:60])
    def test_counted(self, tmp_path: Path, data: object) -> None:
        """Between two good lines the bad one is counted, and the good ones are read."""
        text = data if isinstance(data, str) else json.dumps(data)
        events, tally = read(tmp_path, json.dumps(JOIN), text or "?", json.dumps(ACTION))
        assert [type(event) for event in events] == [Joined, Acted]
        assert (tally.read, tally.buckets) == (3, {Bucket.UNREADABLE: 1})

    @given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n")))
    @example('{"kind": "join"')
    def test_any_text(self, tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
        """Any line at all is an event, blank, or unreadable."""
        events, tally = read(tmp_path_factory.mktemp("any"), text)
        assert len(events) + tally.buckets[Bucket.UNREADABLE] == tally.read == (1 if text.strip() else 0)

    @given(st.data())
    def test_any_value_anywhere(self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
        """Any JSON in any field is an event or unreadable."""
        event = data.draw(st.sampled_from([JOIN, ORDER, RETURN, ACTION]))
        leaves = st.none() | st.booleans() | st.integers() | st.text() | st.floats()
        value = data.draw(st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5))
        field = data.draw(st.sampled_from([*event, "burn", "codes", "shipping", "amount"]))
        line = json.dumps({**event, field: value})
        events, tally = read(tmp_path_factory.mktemp("any"), line)
        assert len(events) + tally.buckets[Bucket.UNREADABLE] == tally.read == 1


class TestLines:
    """Where a line begins and ends."""

    def test_blank_lines_do_not_count(self, tmp_path: Path) -> None:
        """Blank lines, Windows line ends and a byte order mark at the start are no rows."""
        join = json.dumps(JOIN).encode()
        events, tally = read(tmp_path, b"\xef\xbb\xbf" + join + b"\r", b"", b"  \t", join + b"\r", b"")
        assert (len(events), tally.read, tally.buckets) == (2, 2, {})

    def test_too_long_line(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A line longer than any event counts once, is not held in memory, and the next one is read."""
        monkeypatch.setattr(_history, "LINE_LIMIT", 100)
        short = json.dumps(JOIN)
        events, tally = read(tmp_path, short, short + " " * 1_000, short + " " * (99 - len(short)), short)
        assert (len(events), tally.read) == (4, 4)  # cut, the second is still whole
        events, tally = read(tmp_path, " " * 250 + short, short)
        assert (len(events), tally.read) == (1, 1)  # cut, the first is blank
        events, tally = read(tmp_path, "x" * 250 + short, short)
        assert (len(events), tally.read, tally.buckets) == (1, 2, {Bucket.UNREADABLE: 1})

    def test_position_rises_to_the_size(self, tmp_path: Path) -> None:
        """The bytes read never fall, and end at the file's size: a progress bar arrives."""
        path = tmp_path / "history.jsonl"
        path.write_text((json.dumps(JOIN) + "\n") * 5_000)
        positions = [position for _, position in read_jsonl(path, Tally(), currency="EUR")]
        assert positions == sorted(positions)
        assert 0 < positions[0] < positions[-1] == path.stat().st_size

    def test_gzip(self, tmp_path: Path) -> None:
        """A gzipped file is known by its first bytes, whatever its name."""
        path, tally = tmp_path / "history.jsonl", Tally()
        path.write_bytes(gzip.compress(json.dumps(JOIN).encode()))
        assert [event for event, _ in read_jsonl(path, tally, currency="EUR")] == [Joined(at=INSTANT, member_id="m-1")]

    def test_empty(self, tmp_path: Path) -> None:
        """An empty file has no rows."""
        assert read(tmp_path) == ([], Tally())


def packed() -> bytes:
    """Give a gzip file of several blocks."""
    noise = random.Random(7)
    return gzip.compress(b"".join(b"%d\n" % noise.getrandbits(64) for _ in range(10_000)))


class TestFiles:
    """A file that cannot be read to its end is named, with the reason."""

    @pytest.mark.parametrize(
        "data, why",
        [
            (packed()[:50_000], "the gzip file is damaged or cut off"),
            (packed()[:-9], "the gzip file is damaged or cut off"),
            (packed()[:2_000] + b"\0\0\0\0" + packed()[2_004:], "the gzip file is damaged or cut off"),
            (packed() + b"more", "the gzip file is damaged or cut off"),
            (packed()[:2] + b"more", "the gzip file is damaged or cut off"),
            (packed()[:2], "the gzip file is damaged or cut off"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\r\xff\xfe", "not UTF-8 text"),
            ("kind".encode("utf-16"), "not UTF-8 text"),
            (gzip.compress(b"\xff\xff"), "not UTF-8 text"),
        ],
        ids=range(9),  # a gzip file tells the time
    )
    def test_damaged(self, tmp_path: Path, data: bytes, why: str) -> None:
        """Cut off, damaged, with something after it, or no text."""
        path = tmp_path / "history.jsonl"
        path.write_bytes(data)
        with pytest.raises(HistoryError, match=f"history.jsonl: {why}"):
            list(read_jsonl(path, Tally(), currency="EUR"))

    def test_absent(self, tmp_path: Path) -> None:
        """No such file; or a folder."""
        for path in (tmp_path / "none.jsonl", tmp_path):
            with pytest.raises(HistoryError, match="cannot be read"), open_history(path):
                pytest.fail("there is nothing to open")


class TestBasket:
    """A basket on its own says what is wrong with it, and where."""

    @pytest.mark.parametrize(
        "data, message",
        [
            ([], r"must be an object, got \[\]"),
            ({}, "lines is missing"),
            ({"lines": "1"}, "lines must be a list, got '1'"),
            ({"lines": [LINE, 7]}, "line 2: must be an object, got 7"),
            ({"lines": [LINE, {"line_id": "2"}]}, "line 2: unit_price is missing"),
            ({"lines": [{"unit_price": "1.00"}]}, "line 1: line_id is missing"),
            ({"lines": [{**LINE, "quantity": "2"}]}, "line 1: quantity must be a whole number, got '2'"),
            ({"lines": [{**LINE, "unit_price": 2}]}, "line 1: unit_price must be text, got 2"),
            ({"lines": [{**LINE, "b": 1, "a": 1}]}, "line 1: unknown fields: a, b"),
            ({"lines": [LINE], "shipping": 4}, "shipping must be text, got 4"),
        ],
    )
    def test_wrong(self, data: object, message: str) -> None:
        """The message names the field, the line and what is allowed."""
        with pytest.raises(UsageError, match=f"^{message}$"):
            read_basket(data)

    def test_leaves_the_rest(self) -> None:
        """What is no basket's stays among the fields, for who asked; the caller's own mapping is never touched."""
        data = {"lines": [LINE], "codes": ["A"]}
        fields = Fields(data)
        assert take_basket(fields, currency="EUR").subtotal == Money.of("79.90", "EUR")
        assert fields.data == {"codes": ["A"]}
        assert data == {"lines": [{"line_id": "1", "unit_price": "79.90"}], "codes": ["A"]}


def read_basket(data: object) -> Basket:
    """Read a basket that is all there is."""
    fields = Fields(data)
    basket = take_basket(fields, currency="EUR")
    fields.end()
    return basket
