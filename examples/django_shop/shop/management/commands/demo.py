"""``python manage.py demo``: everything that is needed to look at the shop, in one command."""

from __future__ import annotations

from argparse import ArgumentParser

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand

from shop.models import Product

PRODUCTS = (
    ("helmet", "City helmet", "safety", "79.90"),
    ("bell", "Brass bell", "parts", "12.50"),
    ("lock", "Folding lock", "safety", "49.00"),
)


class Command(BaseCommand):
    """Makes the tables, a few products and somebody at the desk, and opens the shop."""

    help = "Make the tables, a few products and somebody at the desk, and open the shop."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what ``runserver`` takes."""
        parser.add_argument("address", nargs="?", default="127.0.0.1:8000")
        parser.add_argument("--prepare", action="store_true", help="do not open the shop")

    def handle(self, *_: object, **options: str) -> None:
        """Do it."""
        call_command("migrate", verbosity=0)
        for sku, name, category, price in PRODUCTS:
            Product.objects.get_or_create(sku=sku, defaults={"name": name, "category": category, "price": price})
        users = get_user_model().objects
        if not users.filter(username="desk").exists():
            users.create_user("desk", password="desk", is_staff=True)  # noqa: S106 - for the example alone
        self.stdout.write("Register as a customer, or log in as desk, password desk, to take things back.")
        if not options["prepare"]:
            call_command("runserver", options["address"], use_reloader=False)
