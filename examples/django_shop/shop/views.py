"""The pages: a basket, the checkout, the payment provider's messages, returns, my account."""

from __future__ import annotations

import hashlib
import hmac
import json
from uuid import UUID

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required, user_passes_test
from django.contrib.auth.forms import UserCreationForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from loyaltycore import ConflictError, Quote, RefusedError
from loyaltycore.coupons import NotApplied
from loyaltycore.errors import OutcomeUnknownError
from loyaltycore.messages import explain_refusal
from shop import orders
from shop.cart import Cart
from shop.forms import AddForm, AskForm, RefundForm
from shop.loyalty import loyalty, member_id
from shop.models import Order, Product, Status

CHANGED = 409
TRY_AGAIN = 503


def quote_for(request: HttpRequest, cart: Cart) -> Quote:
    """Price what is in the basket; a guest has no name, and may buy as well."""
    who = member_id(request.user) if request.user.is_authenticated else None
    # Codes that one device tries are counted, so that nobody guesses many.
    return loyalty.quote(cart.basket(), member_id=who, codes=cart.codes, burn=cart.burn, client=request.META.get("REMOTE_ADDR"))


@require_GET
def basket_page(request: HttpRequest) -> HttpResponse:
    """Show the basket."""
    return basket_as_it_is(request)


def basket_as_it_is(request: HttpRequest, *, said: str = "", status: int = 200) -> HttpResponse:
    """Show the basket as it comes to now, with something to say."""
    cart = Cart(request.session)
    quote = quote_for(request, cart)
    # The public answer alone: a page that told an expired code from an unknown one would help guessing.
    answers = [answer.public for answer in quote.codes.values()]
    errors = [answer.reason for answer in answers if isinstance(answer, NotApplied)]
    errors += [quote.burn.refusal.reason.public] if quote.burn.refusal is not None else []
    page = {
        "products": Product.objects.order_by("name"),
        "quote": quote,
        "said": said,
        "errors": errors,
        "nudges": [nudge.text("en") for nudge in quote.nudges],
        "ask": AskForm(initial={"code": " ".join(cart.codes), "burn": cart.burn}),
    }
    return render(request, "shop/basket.html", page, status=status)


@require_POST
def add(request: HttpRequest) -> HttpResponse:
    """Put something into the basket."""
    form = AddForm(request.POST)
    if form.is_valid():
        cart = Cart(request.session)
        orders.give_up(cart.order_id)
        cart.add(form.cleaned_data["product"].sku, form.cleaned_data["quantity"])
    return redirect("basket")


@require_POST
def ask(request: HttpRequest) -> HttpResponse:
    """Remember codes and points."""
    form = AskForm(request.POST)
    if form.is_valid():
        cart = Cart(request.session)
        orders.give_up(cart.order_id)
        cart.ask(codes=form.cleaned_data["code"].split(), burn=form.cleaned_data["burn"] or 0)
    return redirect("basket")


@require_POST
def checkout(request: HttpRequest) -> HttpResponse:
    """Book what the shopper saw, and go to the payment page."""
    cart = Cart(request.session)
    if not cart.quantities:
        return redirect("basket")
    # Pressed twice: the second time its own hold would make the quote another one.
    if not Order.objects.filter(pk=cart.order_id).exists():
        quote = quote_for(request, cart)
        if quote.digest != request.POST.get("seen"):
            return basket_as_it_is(request, said="Something has changed: please look again.", status=CHANGED)
        try:
            orders.book(quote, order_id=cart.order_id, user_id=request.user.pk)
        except RefusedError as no:
            return basket_as_it_is(request, said=explain_refusal(no.refusal), status=CHANGED)
    return redirect("payment", cart.order_id)


def payment_page(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Stand in for the page of a payment provider, where there is none."""
    if not settings.DEBUG:
        raise Http404
    order = get_object_or_404(Order, pk=order_id)
    if request.method != "POST":
        return render(request, "shop/payment.html", {"order": order})
    settle(str(order_id), request.POST["status"])
    return redirect("order", order_id)


def settle(order_id: str, status: str) -> None:
    """Take what a payment provider says; of what is neither of the two, nothing comes."""
    if status == "paid":
        orders.mark_paid(order_id)
    elif status == "failed":
        orders.mark_failed(order_id)


@csrf_exempt
@require_POST
def payment_webhook(request: HttpRequest) -> HttpResponse:
    """Hear from the payment provider: it calls twice, late, in any order, and again when it is not answered."""
    signature = hmac.new(settings.PAYMENT_SECRET.encode(), request.body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(signature, request.headers.get("X-Signature", "")):
        return HttpResponse(status=403)
    said = json.loads(request.body)
    try:
        settle(said["order"], said["status"])
    except Order.DoesNotExist:
        return HttpResponse(status=404)
    except (ConflictError, OutcomeUnknownError):
        return HttpResponse(status=TRY_AGAIN)
    return HttpResponse()


@require_GET
def order_page(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Show an order to whoever has its address; a desk sees what can come back."""
    order = get_object_or_404(Order, pk=order_id)
    cart = Cart(request.session)
    if cart.order_id == str(order_id) and order.status == Status.PAID:
        cart.clear()
    if cart.order_id == str(order_id) and order.status == Status.FAILED:
        cart.try_again()
    return order_as_it_is(request, order)


def order_as_it_is(request: HttpRequest, order: Order, *, said: str = "", status: int = 200) -> HttpResponse:
    """Show an order, with something to say."""
    form = RefundForm()
    form.fields["item"].queryset = order.items.select_related("product")
    return render(request, "shop/order.html", {"order": order, "form": form, "said": said}, status=status)


@require_POST
@user_passes_test(lambda user: user.is_staff)
def refund(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Take back what a customer returned."""
    order = get_object_or_404(Order, pk=order_id)
    form = RefundForm(request.POST)
    form.fields["item"].queryset = order.items.select_related("product")
    if not form.is_valid():
        return render(request, "shop/order.html", {"order": order, "form": form}, status=400)
    lines = {form.cleaned_data["item"].product.sku: form.cleaned_data["quantity"]}
    try:
        orders.take_back(str(order_id), return_id=form.cleaned_data["return_id"], lines=lines)
    except RefusedError as no:
        return order_as_it_is(request, order, said=explain_refusal(no.refusal), status=CHANGED)
    return redirect("order", order_id)


def register(request: HttpRequest) -> HttpResponse:
    """Make somebody a customer and a member, with the points of the day."""
    form = UserCreationForm(request.POST or None)
    if not form.is_valid():
        return render(request, "shop/login.html", {"form": form})
    login(request, orders.welcome(form))
    return redirect("basket")


@require_GET
@login_required
def my_account(request: HttpRequest) -> HttpResponse:
    """Show points and orders."""
    page = {
        "overview": loyalty.overview(member_id(request.user)),
        "orders": Order.objects.filter(user=request.user).order_by("-placed_at"),
    }
    return render(request, "shop/account.html", page)
