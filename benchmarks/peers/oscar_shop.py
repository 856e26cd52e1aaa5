"""The offers of django-oscar: its ``Applicator`` on a real basket, in SQLite in memory, with the settings oscar comes with.

Each time the basket is loaded anew, as oscar does for each request; then its offers are applied and its total is read.
It runs in a process of its own, with the folder of its packages as argument; benchmarks/_peers.py says how it is asked.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeAlias

sys.path.insert(0, sys.argv[1])

import django
import oscar
import oscar.defaults
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import transaction
from django.utils.timezone import now
from oscar.core.loading import get_class, get_model

Row: TypeAlias = Any
"""A row of oscar's tables: Django has no types."""


def set_up() -> None:
    """Make the tables."""
    defaults = {name: value for name, value in vars(oscar.defaults).items() if name.startswith("OSCAR_")}
    settings.configure(
        **defaults | {"OSCAR_DEFAULT_CURRENCY": "EUR"},
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        HAYSTACK_CONNECTIONS={"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}},
        INSTALLED_APPS=oscar.INSTALLED_APPS,
        SITE_ID=1,
        USE_TZ=True,
    )
    django.setup()
    # Straight from the models, without the years of migrations.
    settings.MIGRATION_MODULES = {app.label: None for app in apps.get_app_configs()}
    call_command("migrate", run_syncdb=True, verbosity=0)


class Shop:
    """One case as rows of oscar's tables."""

    def __init__(self, case: dict[str, Any]) -> None:
        """Write the rows, those of an earlier case being gone."""
        call_command("flush", interactive=False, verbosity=0)
        self._ranges: dict[tuple[str | None, str | None], Row] = {}
        with transaction.atomic():
            self._goods = get_model("catalogue", "ProductClass").objects.create(name="goods", track_stock=False)
            user = get_model("auth", "User").objects.create(username="customer")
            self.basket = get_model("basket", "Basket").objects.create(owner=user)
            self.basket.strategy = get_class("partner.strategy", "Selector")().strategy(user=user)
            self._fill(case["lines"])
            for offer in case["offers"]:
                self._publish(offer, entered=offer["code"] in case["codes"])

    def total(self) -> Decimal:
        """Do what a request does: load the basket, apply the offers, read the total."""
        user = self.basket.owner
        basket = get_model("basket", "Basket").objects.get(pk=self.basket.pk)
        basket.strategy = get_class("partner.strategy", "Selector")().strategy(user=user)
        get_class("offer.applicator", "Applicator")().apply(basket, user)
        total: Decimal = basket.total_excl_tax
        return total

    def _fill(self, lines: list[dict[str, Any]]) -> None:
        partner = get_model("partner", "Partner").objects.create(name="shop")
        for line in lines:
            product = self._product(line["product"])
            product.categories.add(self._category(line["category"]))
            price = Decimal(line["price"])
            product.stockrecords.create(partner=partner, partner_sku=product.upc, price=price, price_currency="EUR")
            self.basket.add_product(product, quantity=line["quantity"])

    def _publish(self, offer: dict[str, Any], *, entered: bool) -> None:
        """Publish an offer; one behind a code as a voucher, which the basket holds when its code was entered."""
        conditions = get_model("offer", "Condition")
        benefits = get_model("offer", "Benefit")
        offers = get_model("offer", "ConditionalOffer")
        goods = self._range(offer["category"], offer["product"])
        if offer["minimum"] is None:
            condition = conditions.objects.create(type=conditions.COUNT, range=goods, value=1)
        else:
            everything = self._range(None, None)
            condition = conditions.objects.create(type=conditions.VALUE, range=everything, value=Decimal(offer["minimum"]))
        published = offers.objects.create(
            name=offer["id"],
            offer_type=offers.SITE if offer["code"] is None else offers.VOUCHER,
            exclusive=False,
            max_basket_applications=1,
            condition=condition,
            benefit=benefits.objects.create(type=benefits.FIXED, range=goods, value=Decimal(offer["amount"])),
        )
        if offer["code"] is not None:
            day = timedelta(days=1)
            voucher = published.vouchers.create(
                name=offer["code"], code=offer["code"], start_datetime=now() - day, end_datetime=now() + day
            )
            if entered:
                self.basket.vouchers.add(voucher)

    def _range(self, category: str | None, product: str | None) -> Row:
        """Give oscar's word for these goods, made when first asked for."""
        key = (category, product)
        if key not in self._ranges:
            name = category or product or "all"
            self._ranges[key] = made = get_model("offer", "Range").objects.create(
                name=name, includes_all_products=key == (None, None)
            )
            if category is not None:
                made.included_categories.add(self._category(category))
            if product is not None:
                made.add_product(self._product(product))
        return self._ranges[key]

    def _product(self, upc: str) -> Row:
        found, _ = get_model("catalogue", "Product").objects.get_or_create(
            upc=upc, defaults={"title": upc, "product_class": self._goods}
        )
        return found

    @staticmethod
    def _category(slug: str) -> Row:
        categories = get_model("catalogue", "Category")
        return categories.objects.filter(slug=slug).first() or categories.objects.add_root({"name": slug, "slug": slug})


def timed(shop: Shop, loops: int) -> dict[str, object]:
    """Time some requests, as the harness does with ours."""
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        for _ in range(loops):
            total = shop.total()
        return {"total": str(total), "seconds": time.perf_counter() - start}
    finally:
        gc.enable()


def serve() -> None:
    """Answer until nothing more is asked."""
    set_up()
    for line in sys.stdin:
        question = json.loads(line)
        if "prepare" in question:
            shop = Shop(question["prepare"])
        print(json.dumps(timed(shop, question.get("loops", 1))), flush=True)


if __name__ == "__main__":
    serve()
