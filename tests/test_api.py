"""The code a shop developer wishes to write: it runs as it stands, and the same calls run here without the shared folder."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
from hypothesis import given

from loyaltycore import AsyncLoyalty, Basket, Loyalty, Membership, Money, PointsAccount, Program
from loyaltycore.benefits import PercentOff
from loyaltycore.conditions import first_order, in_market, spend_at_least
from loyaltycore.coupons import CodeBook, CodeSpace, CouponCampaign, Limits, SecretKey
from loyaltycore.errors import Accepted, Refused
from loyaltycore.periods import Period, Window
from loyaltycore.points import Overdraft
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.store.sqlite import SQLiteRepository
from loyaltycore.testing import check_repository
from loyaltycore.testing.strategies import baskets, instants, memberships
from tests.programs import VELO
from tests.test_async_services import Awaited
from tools.project import ROOT

NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)
NUDGE = "Encore 7,60 € pour la livraison offerte"
PRODUCTS = {"helmet": (), "bell": (), "gift-card-50": ("gift-card",)}
PROGRAM = Program.parse(VELO)
KEY = bytes(range(32)).hex()
SORRY = CouponCampaign("sorry-10", give=PercentOff(10), codes=None)


@pytest.fixture
def folder(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shop's folder, with the program that the first version executes."""
    shutil.copy(shared / "api" / "program_1.toml", tmp_path / "program.toml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shop_tests(path: Path) -> dict[str, Callable[[], None]]:
    """Load a shop's test file, and give its tests."""
    found: dict[str, Any] = runpy.run_path(str(path))
    return {name: test for name, test in found.items() if name.startswith("test_") and inspect.isfunction(test)}


def coupon_shop(campaigns: list[CouponCampaign], space: CodeSpace) -> Loyalty:
    """Give the bicycle shop with campaigns of its own."""
    book = attrs.evolve(PROGRAM.book, offers=[offer for offer in PROGRAM.book.offers if offer.offer_id != "summer"])
    sorry = attrs.evolve(campaigns[-1], codes=space.space_id)
    program = attrs.evolve(PROGRAM, book=book, campaigns=[*campaigns[:-1], sorry])
    return Loyalty(program, MemoryRepository(), clock=lambda: NOW, codes=CodeBook([space]))


@pytest.mark.shared
class TestAsItStands:
    def test_readme(self, shared: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The ten lines print what their comments say."""
        assert (folder / "program.toml").is_file()
        runpy.run_path(str(shared / "api" / "w1_readme.py"))
        lines = capsys.readouterr().out.splitlines()
        assert lines[:2] == ["78.16 EUR 78", NUDGE]
        assert len(lines) > 2

    def test_readme_with_the_whole_program(self, shared: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Campaigns, tiers and referrals beside, the ten lines print the same."""
        shutil.copy(shared / "api" / "program.toml", folder / "program.toml")
        runpy.run_path(str(shared / "api" / "w1_readme.py"))
        assert capsys.readouterr().out.splitlines()[:2] == ["78.16 EUR 78", NUDGE]

    def test_pure(self, shared: Path) -> None:
        """Pure objects, no repository."""
        tests = shop_tests(shared / "api" / "w2_pure.py")
        assert list(tests) == ["test_refund_half_after_spending"]
        for test in tests.values():
            test()

    def test_sqlite(self, shared: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The embedded store: place twice is once."""
        script = runpy.run_path(str(shared / "api" / "w3_sqlite.py"))
        assert capsys.readouterr().out == "71\n"
        script["shop"].repository.close()
        assert (folder / "loyalty.db").is_file()

    # The script leaves closing its list of words to the end of the file object.
    @pytest.mark.filterwarnings("ignore:.*words.txt", "ignore:.*words.txt:pytest.PytestUnraisableExceptionWarning")
    def test_coupons(
        self, shared: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Ten thousand codes stream out as CSV, and a coupon is one call for the support desk."""
        (folder / "words.txt").write_text("velo bike\n", encoding="utf-8")
        monkeypatch.setenv("CODES_KEY", KEY)
        script = runpy.run_path(str(shared / "api" / "w6_coupons.py"))
        rows = capsys.readouterr().out.splitlines()
        assert 9_900 < len(rows) <= 10_000
        assert all(script["space"].read(code).is_genuine for code in rows[::500])
        shop = coupon_shop([script["welcome"], SORRY], script["space"])
        codes = [script["sorry"](shop, "m-42", ticket, "agent-7") for ticket in ("t-1", "t-1", "t-2")]
        assert (codes[0] == codes[1], codes[0] == codes[2]) == (True, False)
        assert shop.coupon(codes[0]).holder == "m-42"

    def test_referral(self, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Then nothing: placing qualifies, time rewards, a return reverses; and a bad code stops no sign-up."""
        monkeypatch.setenv("FRIENDS_KEY", KEY)
        script = runpy.run_path(str(shared / "api" / "w7_referral.py"))
        now = [NOW]
        program, book = (
            attrs.evolve(PROGRAM, referrals=script["parrainage"], returns=None),
            CodeBook([script["friends"]], attempts=10_000),
        )
        shop = Loyalty(program, MemoryRepository(), clock=lambda: now[0], codes=book)
        shop.join("advocate")
        script["sign_up"](shop, "friend", shop.referrals.code("advocate").code, "card-1")
        script["sign_up"](shop, "stranger", "VELO-0000-0000", "card-2")
        assert shop.overview("stranger").referral.answer == "referral_invalid"
        quote = shop.quote(Basket.of("EUR", {"helmet": "79.90"}), member_id="friend")
        assert quote.total == Money.of("69.90", "EUR")
        shop.place(quote, order_id="1")
        assert (shop.sweep().done, shop.overview("advocate").balance.available) == (0, 0)
        now[0] += timedelta(days=31)
        assert (shop.sweep().done, shop.overview("advocate").balance.available) == (1, 500)
        shop.refund("1", return_id="r", lines={"helmet": 1})
        assert (shop.overview("advocate").balance.available, shop.overview("advocate").referral.friends) == (0, 0)

    def test_fastapi(self, shared: Path, folder: Path) -> None:
        """The asynchronous shop: quote, order as it was seen, and a conflict where it was not."""
        assert (folder / "program.toml").is_file()
        spec = importlib.util.spec_from_file_location("w9", shared / "api" / "w9_fastapi.py")
        assert spec is not None
        assert spec.loader is not None
        module: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.loyalty = AsyncLoyalty(Program.load("program.toml"), Awaited(), clock=lambda: NOW)
        body = {"member": "m-42", "lines": [{"id": "helmet", "price_minor": 7990, "qty": 1}]}

        async def shop() -> list[Any]:
            transport = httpx.ASGITransport(app=module.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
                quoted = (await client.post("/quote", json=body)).json()
                placed = await client.post("/orders/1", json={**body, "seen": quoted["seen"]})
                other = await client.post("/orders/2", json={**body, "seen": "another"})
            return [quoted["total"], placed.status_code, other.status_code, other.json()["detail"]]

        assert asyncio.run(shop()) == [7191, 200, 409, "quote_changed"]
        order = asyncio.run(module.loyalty.order("1"))
        assert order.is_reserved(at=NOW)

    def test_shop(self, shared: Path, folder: Path) -> None:
        """The shop's own suite, with the library's strategies and the kit."""
        assert (folder / "program.toml").is_file()
        tests = shop_tests(shared / "api" / "w8_test_shop.py")
        assert sorted(tests) == [
            "test_my_repository",
            "test_total_is_never_negative_and_gift_cards_are_never_discounted",
        ]
        for test in tests.values():
            test()


class TestTypes:
    """What a shop developer writes also stands before a type checker."""

    @pytest.mark.shared
    @pytest.mark.parametrize("name", ["w6_coupons.py", "w7_referral.py"])
    def test_files(self, shared: Path, name: str) -> None:
        """The files on coupons and referrals are strictly typed."""
        command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-incremental", "--cache-dir=" + os.devnull]
        done = subprocess.run(
            [*command, str(shared / "api" / name)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "MYPYPATH": str(ROOT / "src")},
        )
        assert done.returncode == 0, done.stdout


class TestCoupons:
    """The calls of the coupons file, here."""

    def test_codes_and_one_call_for_the_desk(self) -> None:
        """A space, a campaign over it, a batch of its codes, and a coupon for one person."""
        space = CodeSpace(SecretKey.from_hex("2026a", KEY), pattern="HI-####-####-####", context="velo")
        welcome = CouponCampaign(
            "welcome",
            give=PercentOff(10, exclude_tags=("low-margin", "gift-card")),
            codes=space,
            when=first_order() & in_market("FR") & spend_at_least(Money.of("50.00", "EUR")),
            window=Window(starts_at=datetime(2026, 7, 1, tzinfo=UTC), ends_at=None),
            valid_for=Period(days=30),
            limits=Limits(total=500, per_member=1),
        )
        assert len(set(space.codes(range(1_000), avoid=["velo", "bike"]))) > 990
        shop = coupon_shop([welcome, SORRY], space)
        grant = shop.grant("sorry-10", member_id="m-42", ref="ticket-1", by="agent-7")
        assert shop.grant("sorry-10", member_id="m-42", ref="ticket-1", by="agent-7").code == grant.code
        basket = Basket.of("EUR", {"bell": "12.50"})
        assert str(shop.quote(basket, member_id="m-42", codes=[grant.code]).total) == "11.25 EUR"
        assert str(shop.quote(basket, member_id="m-43", codes=[grant.code]).total) == "12.50 EUR"


class TestReadme:
    def test_quote(self) -> None:
        """A basket, a code and a burn: the total, the points, the nudge, and the reasons."""
        member = Membership.open("m-42").earn(800, ref="welcome", expires_at=None, at=NOW).state
        basket = Basket.of("EUR", {"helmet": "79.90", "bell": "12.50"})
        quote = PROGRAM.quote(basket, member, codes=["SUMMER10"], burn=500, at=NOW)
        assert (str(quote.total), quote.points_to_earn) == ("78.16 EUR", 78)
        assert quote.nudges[0].text("fr") == NUDGE
        assert "Total: €78.16" in quote.explain()


class TestPure:
    def test_refund_half_after_spending(self) -> None:
        """A debt is carried, and settled by a refund."""
        account = PointsAccount.open("m-42")
        account = account.earn(120, ref="order-1", expires_at=NOW + timedelta(days=365), at=NOW).state
        account = account.burn(100, ref="order-2", at=NOW + timedelta(days=1)).state
        account = account.revoke("order-1", 60, ref="return-1", overdraft=Overdraft.CARRY, at=NOW + timedelta(days=2)).state
        assert account.balance(at=NOW + timedelta(days=2)).debt == 40
        account = account.refund_burn("order-2", ref="return-2", at=NOW + timedelta(days=3)).state
        assert account.available(at=NOW + timedelta(days=3)) == 60
        assert isinstance(account.check_burn(60, at=NOW + timedelta(days=3)), Accepted)
        answer = account.check_burn(100, at=NOW + timedelta(days=3))
        assert isinstance(answer, Refused)
        assert answer.refusal.details["missing_points"] == 40


class TestSQLite:
    @pytest.mark.law(8, 38)
    def test_place_twice_is_once(self, tmp_path: Path) -> None:
        """Join, quote, place, place again, refund."""
        with SQLiteRepository(tmp_path / "loyalty.db") as repository:
            shop = Loyalty(PROGRAM, repository, clock=lambda: NOW)
            shop.join("m-42")
            quote = shop.quote(Basket.of("EUR", {"helmet": "79.90"}), member_id="m-42")
            assert shop.place(quote, order_id="1001") == shop.place(quote, order_id="1001")
            assert shop.overview("m-42").balance.pending == 71
            assert shop.overview("m-42").order_count == 1
            returned = shop.refund("1001", return_id="r-1", lines={"helmet": 1})
            assert (returned.points_revoked, str(returned.money)) == (71, "71.91 EUR")
            assert shop.overview("m-42").balance.pending == 0


class TestShop:
    @given(baskets(products=PRODUCTS), memberships(PROGRAM), instants())
    def test_total_is_never_negative_and_gift_cards_are_never_discounted(
        self, basket: Basket, member: Membership, at: datetime
    ) -> None:
        """A shop's property over its own program."""
        quote = PROGRAM.quote(basket, member, codes=["SUMMER10"], burn=member.available(at=at), at=at)
        assert quote.total.minor_units >= 0
        assert all(line.discount.minor_units == 0 for name, line in quote.lines.items() if name == "gift-card-50")

    def test_my_repository(self) -> None:
        """The kit, as a shop calls it."""
        check_repository(MemoryRepository)
