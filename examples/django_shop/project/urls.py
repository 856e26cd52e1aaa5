"""Where the pages are."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path
from shop import views

urlpatterns = [
    path("", views.basket_page, name="basket"),
    path("basket/add", views.add, name="add"),
    path("basket/ask", views.ask, name="ask"),
    path("checkout", views.checkout, name="checkout"),
    path("orders/<uuid:order_id>", views.order_page, name="order"),
    path("orders/<uuid:order_id>/refund", views.refund, name="refund"),
    path("payments/<uuid:order_id>", views.payment_page, name="payment"),
    path("payments/webhook", views.payment_webhook, name="webhook"),
    path("account", views.my_account, name="account"),
    path("register", views.register, name="register"),
    path("login", LoginView.as_view(template_name="shop/login.html"), name="login"),
    path("logout", LogoutView.as_view(), name="logout"),
]
