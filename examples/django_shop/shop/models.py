"""What a shop has anyway: products, orders and what is in them."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

__all__ = ["Item", "Order", "Product", "Refund", "Status"]


class Product(models.Model):
    """Something for sale."""

    sku = models.SlugField(unique=True)
    name = models.CharField(max_length=200)
    category = models.SlugField()
    price = models.DecimalField(max_digits=10, decimal_places=2)

    def __str__(self) -> str:
        return str(self.name)


class Status(models.TextChoices):
    """Where an order stands."""

    WAITING = "waiting", "waiting for payment"
    PAID = "paid", "paid"
    FAILED = "failed", "payment failed"


class Order(models.Model):
    """An order; the loyalty side knows it by the text of its id."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT)
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    total = models.DecimalField(max_digits=10, decimal_places=2)
    is_late = models.BooleanField(default=False)
    placed_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.pk}: {self.total}, {self.get_status_display()}"


class Item(models.Model):
    """A line of an order."""

    order = models.ForeignKey(Order, related_name="items", on_delete=models.CASCADE)
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    quantity = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product}"


class Refund(models.Model):
    """Money that went back; a return has one name, so that it goes back once."""

    order = models.ForeignKey(Order, related_name="refunds", on_delete=models.CASCADE)
    return_id = models.SlugField()
    money = models.DecimalField(max_digits=10, decimal_places=2)

    class Meta:
        """What is in it once."""

        constraints = (models.UniqueConstraint(fields=["order", "return_id"], name="shop_refund_once"),)

    def __str__(self) -> str:
        return f"{self.return_id}: {self.money}"
