"""What happens to an order, each in one transaction: the shop's rows and the loyalty facts are kept together, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import wraps
from typing import ParamSpec, TypeVar

from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from loyaltycore import ConflictError, Quote, Reason, RefusedError
from shop.loyalty import loyalty, member_id
from shop.models import Item, Order, Product, Refund, Status

__all__ = ["book", "give_up", "in_one_transaction", "mark_failed", "mark_paid", "take_back", "welcome"]

HOLD_FOR = timedelta(minutes=30)
TRIES = 5

P = ParamSpec("P")
R = TypeVar("R")


def in_one_transaction(work: Callable[P, R]) -> Callable[P, R]:
    """Run all of it in one transaction, and all of it again when another request was faster: what it read may have changed."""

    @wraps(work)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        for _ in range(TRIES - 1):
            try:
                with transaction.atomic():
                    return work(*args, **kwargs)
            except ConflictError:
                continue
        with transaction.atomic():
            return work(*args, **kwargs)

    return run


@in_one_transaction
def welcome(form: UserCreationForm) -> AbstractBaseUser:
    """Make somebody a customer and a member, with the points for signing up."""
    user = form.save()
    loyalty.join(member_id(user))
    loyalty.record("sign_up", member_id=member_id(user), ref="sign-up")
    return user


@in_one_transaction
def book(quote: Quote, *, order_id: str, user_id: int | None) -> Order:
    """Make the order that was quoted, and set points and codes aside for it until it is paid.

    Raises:
        RefusedError: Something moved since the quote; nothing is kept of the order.
    """
    order, is_new = Order.objects.get_or_create(pk=order_id, defaults={"user_id": user_id, "total": quote.to_pay.decimal})
    if is_new:
        products = {product.sku: product for product in Product.objects.filter(sku__in=list(quote.lines))}
        lines = quote.lines.values()
        Item.objects.bulk_create(Item(order=order, product=products[line.line_id], quantity=line.quantity) for line in lines)
        loyalty.reserve(quote, order_id=order_id, hold_for=HOLD_FOR)
    return order


@in_one_transaction
def mark_paid(order_id: str) -> Order:
    """Note that the money has come: once, late, or after the order was given up, it is booked."""
    order = Order.objects.select_for_update().get(pk=order_id)
    order.is_late = loyalty.confirm(order_id).late
    order.status = Status.PAID
    order.save()
    return order


@in_one_transaction
def mark_failed(order_id: str) -> Order:
    """Note that no money will come, and free what was set aside."""
    order = Order.objects.select_for_update().get(pk=order_id)
    try:
        loyalty.cancel(order_id)
    except RefusedError as no:
        if no.refusal.reason is not Reason.ORDER_PLACED:
            raise
        return order  # the message of a first attempt, overtaken by that of the second: the money is there
    order.status = Status.FAILED
    order.save()
    return order


def give_up(order_id: str) -> None:
    """Free what was set aside for an order that the shopper left; nothing where there is none."""
    if Order.objects.filter(pk=order_id, status=Status.WAITING).exists():
        mark_failed(order_id)


@in_one_transaction
def take_back(order_id: str, *, return_id: str, lines: Mapping[str, int]) -> Refund:
    """Take goods back: what was earned for them goes, what paid for them comes back.

    Args:
        order_id: Of the order.
        return_id: The shop's own name for this return: under one name it happens once.
        lines: How many of what.

    Raises:
        RefusedError: More than was bought, or too late.
    """
    order = Order.objects.select_for_update().get(pk=order_id)
    done = loyalty.refund(order_id, return_id=return_id, lines=lines)
    refund, _ = Refund.objects.get_or_create(order=order, return_id=return_id, defaults={"money": done.money.decimal})
    return refund
