"""Products, orders and what is in them."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import migrations, models

STATUSES = [
    ("waiting", "waiting for payment"),
    ("paid", "paid"),
    ("failed", "payment failed"),
]


class Migration(migrations.Migration):
    """Make them."""

    initial = True

    dependencies: ClassVar = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations: ClassVar = [
        migrations.CreateModel(
            name="Product",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sku", models.SlugField(unique=True)),
                ("name", models.CharField(max_length=200)),
                ("category", models.SlugField()),
                ("price", models.DecimalField(decimal_places=2, max_digits=10)),
            ],
        ),
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("status", models.CharField(choices=STATUSES, default="waiting", max_length=10)),
                ("total", models.DecimalField(decimal_places=2, max_digits=10)),
                ("is_late", models.BooleanField(default=False)),
                ("placed_at", models.DateTimeField(auto_now_add=True)),
                ("user", models.ForeignKey(null=True, on_delete=models.PROTECT, to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name="Item",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("quantity", models.PositiveIntegerField()),
                ("order", models.ForeignKey(on_delete=models.CASCADE, related_name="items", to="shop.order")),
                ("product", models.ForeignKey(on_delete=models.PROTECT, to="shop.product")),
            ],
        ),
        migrations.CreateModel(
            name="Refund",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("return_id", models.SlugField()),
                ("money", models.DecimalField(decimal_places=2, max_digits=10)),
                ("order", models.ForeignKey(on_delete=models.CASCADE, related_name="refunds", to="shop.order")),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("order", "return_id"), name="shop_refund_once")]},
        ),
    ]
