"""Loyalty as a service beside the shop: quote, order, payment, return, account, over HTTP.

It is called by the shop's own servers, which know the prices and who is logged in; the webhook by the payment provider.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy.ext.asyncio import create_async_engine

from loyaltycore import AsyncLoyalty, Basket, ConflictError, Line, Money, Program, Reason, RefusedError, UsageError
from loyaltycore.coupons import CodeAnswer, NotApplied
from loyaltycore.errors import OutcomeUnknownError
from loyaltycore.store.sqlalchemy import AsyncSQLAlchemyRepository

__all__ = ["app", "make_app"]

PROGRAM = Path(__file__).parent / "program.toml"
HOLD_FOR = timedelta(minutes=30)


class LineIn(BaseModel):
    """A line of a basket."""

    id: str
    price_minor: int = Field(ge=0)
    quantity: int = Field(default=1, ge=1)
    categories: list[str] = []


class BasketIn(BaseModel):
    """What is bought, by whom, and what is to be used."""

    lines: list[LineIn]
    shipping_minor: int | None = Field(default=None, ge=0)
    member: str | None = None
    codes: list[str] = []
    coupons: list[str] = []
    burn: int = Field(default=0, ge=0)
    client: str | None = None  # which device asks, in the shop's words: the codes that it tries are counted


class OrderIn(BasketIn):
    """A basket as the shopper saw it."""

    seen: str


class QuoteOut(BaseModel):
    """What the basket page shows."""

    to_pay_minor: int
    earns: int
    codes: dict[str, str | None]
    nudges: list[str]
    seen: str


class OrderOut(BaseModel):
    """What was set aside."""

    to_pay_minor: int
    until: datetime


class PaymentIn(BaseModel):
    """What a payment provider says."""

    order: str
    status: Literal["paid", "failed"]


class PaymentOut(BaseModel):
    """What came of it."""

    status: Literal["paid", "late", "failed"]


class ReturnIn(BaseModel):
    """What comes back: units of lines, or an amount."""

    lines: dict[str, int] = {}
    amount_minor: int | None = None


class ReturnOut(BaseModel):
    """What the shopper gets back."""

    money_minor: int
    points_revoked: int
    points_given_back: int


class AccountOut(BaseModel):
    """What "my account" shows."""

    available: int
    pending: int
    held: int
    orders: int


def loyalty_of(request: Request) -> AsyncLoyalty:
    """Give the program at work, which the service made when it started."""
    loyalty: AsyncLoyalty = request.app.state.loyalty
    return loyalty


Loyal = Annotated[AsyncLoyalty, Depends(loyalty_of)]
router = APIRouter()


def asked(body: BasketIn) -> dict[str, Any]:
    """Read a basket, and what is asked with it."""
    lines = [Line(line.id, Money(line.price_minor, "EUR"), line.quantity, categories=line.categories) for line in body.lines]
    shipping = None if body.shipping_minor is None else Money(body.shipping_minor, "EUR")
    basket = Basket(lines, currency="EUR", shipping=shipping)
    return {
        "basket": basket,
        "member_id": body.member,
        "codes": body.codes,
        "coupons": body.coupons,
        "burn": body.burn,
        "client": body.client,
    }


def told(answer: CodeAnswer) -> str | None:
    """Say what the shopper may know of a code: a page that told an expired code from an unknown one would help guessing."""
    public = answer.public
    return public.reason if isinstance(public, NotApplied) else None


@router.post("/quote")
async def quote(body: BasketIn, loyalty: Loyal) -> QuoteOut:
    """Price a basket."""
    quoted = await loyalty.quote(**asked(body))
    return QuoteOut(
        to_pay_minor=quoted.to_pay.minor_units,
        earns=quoted.points_to_earn,
        codes={text: told(answer) for text, answer in quoted.codes.items()},
        nudges=[nudge.text("en") for nudge in quoted.nudges],
        seen=quoted.digest,
    )


@router.post("/orders/{order_id}")
async def order(order_id: str, body: OrderIn, loyalty: Loyal) -> OrderOut:
    """Set an order aside as it was seen, until it is paid; called again it answers the same."""
    reserved = (await loyalty.order(order_id)).reserved
    if reserved is None or reserved.order.digest != body.seen:
        quoted = await loyalty.quote(**asked(body))
        if quoted.digest != body.seen:
            raise HTTPException(409, Reason.QUOTE_CHANGED.public)
        reserved = await loyalty.reserve(quoted, order_id=order_id, hold_for=HOLD_FOR)
    return OrderOut(to_pay_minor=reserved.to_pay.minor_units, until=reserved.until)


@router.post("/payments/webhook")
async def payment(request: Request, loyalty: Loyal) -> PaymentOut:
    """Hear from the payment provider: it calls twice, late, in any order, and again when it is not answered."""
    body = await request.body()
    signature = hmac.new(request.app.state.payment_secret, body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(signature, request.headers.get("X-Signature", "")):
        raise HTTPException(403)
    try:
        said = PaymentIn.model_validate_json(body)
    except ValidationError as error:
        raise HTTPException(422) from error
    if said.status == "paid":
        return PaymentOut(status="late" if (await loyalty.confirm(said.order)).late else "paid")
    try:
        await loyalty.cancel(said.order)
    except RefusedError as no:
        if no.refusal.reason is not Reason.ORDER_PLACED:
            raise
        return PaymentOut(status="paid")  # the message of a first attempt, overtaken by that of the second
    return PaymentOut(status="failed")


@router.post("/orders/{order_id}/returns/{return_id}")
async def take_back(order_id: str, return_id: str, body: ReturnIn, loyalty: Loyal) -> ReturnOut:
    """Take goods or an amount back, once for each name of a return."""
    amount = None if body.amount_minor is None else Money(body.amount_minor, "EUR")
    done = await loyalty.refund(order_id, return_id=return_id, lines=body.lines, amount=amount)
    return ReturnOut(
        money_minor=done.money.minor_units, points_revoked=done.points_revoked, points_given_back=done.points_given_back
    )


@router.get("/members/{member_id}")
async def account(member_id: str, loyalty: Loyal) -> AccountOut:
    """Show a member's points."""
    overview = await loyalty.overview(member_id)
    balance = overview.balance
    return AccountOut(available=balance.available, pending=balance.pending, held=balance.held, orders=overview.order_count)


async def refused(_: Request, error: Exception) -> JSONResponse:
    """Say no by the public reason: the rest is for the log."""
    assert isinstance(error, RefusedError)  # it is registered for these alone
    reason = error.refusal.reason
    return JSONResponse({"detail": reason.public}, status_code=404 if reason is Reason.ORDER_NOT_FOUND else 409)


async def try_again(_: Request, __: Exception) -> JSONResponse:
    """Ask for the same call again: others were faster, or the database did not answer. It happens once all the same."""
    return JSONResponse({"detail": "try_again"}, status_code=503, headers={"Retry-After": "1"})


async def misused(_: Request, error: Exception) -> JSONResponse:
    """Say what is wrong with a request that no rule could answer."""
    return JSONResponse({"detail": str(error)}, status_code=422)


def make_app(settings: Mapping[str, str] = os.environ) -> FastAPI:
    """Make the service.

    Args:
        settings: ``DATABASE_URL`` for SQLAlchemy, with an asynchronous driver, and ``PAYMENT_SECRET``.
    """

    @asynccontextmanager
    async def lifespan(service: FastAPI) -> AsyncIterator[None]:
        engine = create_async_engine(settings.get("DATABASE_URL", "sqlite+aiosqlite:///loyalty.db"))
        try:
            repository = AsyncSQLAlchemyRepository(engine)
            await repository.create_tables()
            service.state.loyalty = AsyncLoyalty(Program.load(PROGRAM), repository)
            yield
        finally:
            await engine.dispose()

    service = FastAPI(title="loyalty", lifespan=lifespan)
    service.state.payment_secret = settings.get("PAYMENT_SECRET", "shared with the payment provider").encode()
    service.include_router(router)
    service.add_exception_handler(RefusedError, refused)
    service.add_exception_handler(ConflictError, try_again)
    service.add_exception_handler(OutcomeUnknownError, try_again)
    service.add_exception_handler(UsageError, misused)
    return service


app = make_app()
