"""The FastAPI example: quote, order, payment, return and account over HTTP, in this process and in one of its own."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn, TypeAlias, final

import attrs
import httpx
import pytest
from fastapi import FastAPI

from examples.fastapi_shop.app import make_app
from loyaltycore import ConflictError
from loyaltycore.errors import OutcomeUnknownError
from tests.postgres import Cluster
from tools.project import ROOT

NOON = datetime(2026, 7, 1, 10, tzinfo=UTC)
SECRET = "only the payment provider knows"
HELMET = {"lines": [{"id": "helmet", "price_minor": 7990}], "shipping_minor": 490}
SECONDS = 30

Answer: TypeAlias = tuple[int, Any]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Say where a fresh database is, as SQLAlchemy asks for it."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'loyalty.db'}"
    cluster: Cluster = request.getfixturevalue("postgres_cluster")
    return cluster.url(cluster.database()).render_as_string(hide_password=False)


@final
@attrs.define
class Service:
    """The service and who calls it.

    Attributes:
        app: The service.
        client: The shop's own server, and the payment provider.
        now: The present instant, as a test says.
    """

    app: FastAPI
    client: httpx.AsyncClient
    now: datetime = NOON

    async def post(self, path: str, body: object) -> Answer:
        """Send JSON; give the answer's status and what it says."""
        answer = await self.client.post(path, json=body)
        return answer.status_code, answer.json()

    async def account(self, member: str) -> tuple[int, int, int]:
        """Say how many points are available, pending, held."""
        answer = (await self.client.get(f"/members/{member}")).json()
        return answer["available"], answer["pending"], answer["held"]

    async def buy(self, order_id: str, body: dict[str, object]) -> Answer:
        """Look at a basket, and order what was seen."""
        _, seen = await self.post("/quote", body)
        return await self.post(f"/orders/{order_id}", {**body, "seen": seen["seen"]})

    async def hear(self, order_id: str, status: str, *, secret: str = SECRET) -> Answer:
        """Call as the payment provider does."""
        return await hear(self.client, order_id, status, secret=secret)

    async def give(self, points: int, member: str) -> None:
        """Give points by hand."""
        loyalty = self.app.state.loyalty
        await loyalty.earn(points, member_id=member, ref="welcome", expires_at=None, actor="test")


async def hear(client: httpx.AsyncClient, order_id: str, status: str, *, secret: str = SECRET) -> Answer:
    """Call a service as the payment provider does."""
    body = json.dumps({"order": order_id, "status": status}).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    answer = await client.post("/payments/webhook", content=body, headers={"X-Signature": signature})
    return answer.status_code, answer.json()


@asynccontextmanager
async def started(url: str) -> AsyncIterator[Service]:
    """Start the service in this process, with a clock that stands still, and stop it."""
    app = make_app({"DATABASE_URL": url, "PAYMENT_SECRET": SECRET})
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            service = Service(app, client)
            app.state.loyalty = attrs.evolve(app.state.loyalty, clock=lambda: service.now)
            yield service


def play(url: str, story: Callable[[Service], Awaitable[None]]) -> None:
    """Run a story against a service of its own."""

    async def run() -> None:
        async with started(url) as service:
            await story(service)

    asyncio.run(run())


class TestQuote:
    def test_basket_is_priced(self, url: str) -> None:
        """What it comes to, what it earns, how little more is rewarded."""

        async def story(service: Service) -> None:
            status, said = await service.post("/quote", {**HELMET, "codes": ["WELCOME10", "GUESS"]})
            assert status == 200
            assert (said["to_pay_minor"], said["earns"]) == (7681, 71)
            assert said["codes"] == {"WELCOME10": None, "GUESS": "coupon_invalid"}
            assert any("free shipping" in nudge for nudge in said["nudges"])

        play(url, story)

    def test_coupons_and_the_device_are_passed_on(self, url: str) -> None:
        """A coupon that the member does not hold changes nothing; the device that asks is no part of the quote."""

        async def story(service: Service) -> None:
            _, plain = await service.post("/quote", {**HELMET, "member": "m-42"})
            asked = {"member": "m-42", "coupons": ["sorry/ticket-7"], "client": "203.0.113.7"}
            status, said = await service.post("/quote", {**HELMET, **asked})
            assert (status, said["to_pay_minor"]) == (200, plain["to_pay_minor"])
            _, other = await service.post("/quote", {**HELMET, **asked, "client": None})
            assert other == said
            assert (await service.post("/quote", {**HELMET, "client": ["no", "text"]}))[0] == 422

        play(url, story)

    def test_what_is_no_basket_is_told(self, url: str) -> None:
        """By FastAPI for the form of it, by loyaltycore for the rest."""

        async def story(service: Service) -> None:
            assert (await service.post("/quote", {"lines": [{"id": "helmet", "price_minor": -1}]}))[0] == 422
            status, said = await service.post("/quote", {"lines": [*HELMET["lines"], *HELMET["lines"]]})  # type: ignore[misc]  # a list
            assert (status, "line" in said["detail"]) == (422, True)

        play(url, story)


class TestOrder:
    def test_order_is_set_aside_and_answers_the_same_again(self, url: str) -> None:
        """The answer may be lost: the same call gives it again, and holds no points twice."""

        async def story(service: Service) -> None:
            await service.give(500, "m-1")
            body = {**HELMET, "member": "m-1", "burn": 500}
            _, quoted = await service.post("/quote", body)
            order = {**body, "seen": quoted["seen"]}
            first, second = [await service.post("/orders/1001", order) for _ in range(2)]
            assert first == second == (200, {"to_pay_minor": 7980, "until": "2026-07-01T10:30:00Z"})
            assert await service.account("m-1") == (0, 0, 500)

        play(url, story)

    def test_what_was_not_seen_is_not_booked(self, url: str) -> None:
        """A digest of something else, and a used order id."""

        async def story(service: Service) -> None:
            assert await service.post("/orders/1001", {**HELMET, "seen": "x"}) == (409, {"detail": "quote_changed"})
            await service.buy("1001", HELMET)
            assert await service.buy("1001", {**HELMET, "shipping_minor": 0}) == (409, {"detail": "key_reused"})

        play(url, story)

    def test_points_are_held_for_one_of_many_orders_at_once(self, url: str) -> None:
        """All see the points; one order gets them."""

        async def story(service: Service) -> None:
            await service.give(500, "m-1")
            body = {**HELMET, "member": "m-1", "burn": 500}
            _, quoted = await service.post("/quote", body)
            orders = [service.post(f"/orders/{n}", {**body, "seen": quoted["seen"]}) for n in range(4)]
            assert sorted(status for status, _ in await asyncio.gather(*orders)) == [200, 409, 409, 409]
            assert await service.account("m-1") == (0, 0, 500)

        play(url, story)

    @pytest.mark.parametrize("error", [ConflictError(), OutcomeUnknownError()])
    def test_caller_is_asked_to_come_again(self, url: str, error: Exception) -> None:
        """Where others were always faster, or the database did not answer."""

        @attrs.define
        class Failing:
            repository: Any

            def __getattr__(self, name: str) -> object:
                return getattr(self.repository, name)

            async def commit(self, *_: object) -> NoReturn:
                raise error

        async def story(service: Service) -> None:
            loyalty = service.app.state.loyalty
            service.app.state.loyalty = attrs.evolve(loyalty, repository=Failing(loyalty.repository))
            assert await service.buy("1001", HELMET) == (503, {"detail": "try_again"})

        play(url, story)


class TestPayment:
    def test_paid_order_is_booked_once(self, url: str) -> None:
        """The message comes twice, at once and later."""

        async def story(service: Service) -> None:
            await service.give(500, "m-1")
            await service.buy("1001", {**HELMET, "member": "m-1", "burn": 500})
            answers = await asyncio.gather(*[service.hear("1001", "paid") for _ in range(4)])
            assert {(status, said["status"]) for status, said in [*answers, await service.hear("1001", "paid")]} == {
                (200, "paid")
            }
            assert await service.account("m-1") == (0, 74, 0)

        play(url, story)

    def test_late_money_is_honoured(self, url: str) -> None:
        """The hold has run out, or the payment had been told to have failed."""

        async def story(service: Service) -> None:
            await service.give(500, "m-1")
            await service.buy("1001", {**HELMET, "member": "m-1", "burn": 500})
            service.now += timedelta(minutes=31)
            assert await service.account("m-1") == (500, 0, 0)
            assert await service.hear("1001", "paid") == (200, {"status": "late"})
            assert await service.account("m-1") == (0, 74, 0)
            await service.buy("1002", HELMET)
            assert await service.hear("1002", "failed") == (200, {"status": "failed"})
            assert await service.hear("1002", "paid") == (200, {"status": "late"})

        play(url, story)

    def test_failure_frees_the_points_unless_the_money_came_first(self, url: str) -> None:
        """A message that was overtaken changes nothing."""

        async def story(service: Service) -> None:
            await service.give(500, "m-1")
            await service.buy("1001", {**HELMET, "member": "m-1", "burn": 500})
            assert await service.hear("1001", "failed") == (200, {"status": "failed"})
            assert await service.account("m-1") == (500, 0, 0)
            await service.buy("1002", {**HELMET, "member": "m-1"})
            assert await service.hear("1002", "paid") == (200, {"status": "paid"})
            assert await service.hear("1002", "failed") == (200, {"status": "paid"})

        play(url, story)

    def test_only_the_provider_is_heard(self, url: str) -> None:
        """A wrong signature, an order that is not there."""

        async def story(service: Service) -> None:
            assert (await service.hear("1001", "paid", secret="guessed"))[0] == 403
            for status in ("paid", "failed"):
                assert await service.hear("1001", status) == (404, {"detail": "order_not_found"})
            assert (await service.hear("1001", "perhaps"))[0] == 422

        play(url, story)


class TestReturn:
    def test_goods_and_amounts_come_back_once(self, url: str) -> None:
        """The same name of a return answers the same."""

        async def story(service: Service) -> None:
            await service.give(500, "m-1")
            await service.buy("1001", {**HELMET, "member": "m-1", "burn": 500})
            await service.hear("1001", "paid")
            back = {"money_minor": 1000, "points_revoked": 10, "points_given_back": 66}
            for _ in range(2):
                assert await service.post("/orders/1001/returns/r-1", {"amount_minor": 1000}) == (200, back)
            status, said = await service.post("/orders/1001/returns/r-2", {"lines": {"helmet": 1}})
            assert (status, said["money_minor"]) == (200, 6490)
            assert await service.account("m-1") == (500, 0, 0)

        play(url, story)

    def test_more_than_was_bought_is_refused(self, url: str) -> None:
        """And what says neither goods nor an amount."""

        async def story(service: Service) -> None:
            await service.buy("1001", HELMET)
            await service.hear("1001", "paid")
            assert (await service.post("/orders/1001/returns/r-1", {"lines": {"helmet": 2}}))[0] == 409
            assert (await service.post("/orders/1001/returns/r-1", {}))[0] == 422

        play(url, story)


class TestProcess:
    def test_service_runs_by_one_command(self, tmp_path: Path) -> None:
        """As the guide says: started, asked, killed, started again, and it remembers."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "uvicorn", "--app-dir", str(ROOT / "examples" / "fastapi_shop"), "app:app"]
        environment = {**os.environ, "PAYMENT_SECRET": SECRET, "DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'loyalty.db'}"}
        body = {**HELMET, "member": "m-1"}
        with Process([*command, "--port", str(port)], environment, port) as client:
            seen = client.post("/quote", json=body).json()["seen"]
            assert client.post("/orders/1001", json={**body, "seen": seen}).status_code == 200
        with Process([*command, "--port", str(port)], environment, port) as client:
            said = json.dumps({"order": "1001", "status": "paid"}).encode()
            signature = hmac.new(SECRET.encode(), said, hashlib.sha256).hexdigest()
            answer = client.post("/payments/webhook", content=said, headers={"X-Signature": signature})
            assert answer.json() == {"status": "paid"}
            assert client.get("/members/m-1").json() == {"available": 0, "pending": 79, "held": 0, "orders": 1}


@final
class Process:
    """A service in a process of its own; it is killed at the end, as a machine that loses its power."""

    def __init__(self, command: list[str], environment: dict[str, str], port: int) -> None:
        self.command, self.environment = command, environment
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=SECONDS)

    def __enter__(self) -> httpx.Client:
        self.process = subprocess.Popen(self.command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            try:
                self.client.get("/openapi.json")
            except httpx.ConnectError:
                time.sleep(0.1)
            else:
                return self.client
        self.process.kill()
        msg = "the service did not start"
        raise AssertionError(msg)

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(SECONDS)
        self.client.close()
