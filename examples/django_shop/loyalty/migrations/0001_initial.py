"""The five tables of the loyalty facts."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models

from loyalty.models import Name


class Migration(migrations.Migration):
    """Make them."""

    initial = True

    dependencies: ClassVar[list[str]] = []

    operations: ClassVar = [
        migrations.CreateModel(
            name="Counter",
            fields=[("counter", Name(primary_key=True, serialize=False))],
        ),
        migrations.CreateModel(
            name="Claim",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("counter", Name()),
                ("key", Name()),
                ("amount", models.PositiveBigIntegerField()),
                ("until", models.DateTimeField(null=True)),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("counter", "key"), name="loyalty_claim_once")]},
        ),
        migrations.CreateModel(
            name="Fact",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("stream", Name()),
                ("version", models.PositiveIntegerField()),
                ("fact", models.JSONField()),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("stream", "version"), name="loyalty_fact_once")]},
        ),
        migrations.CreateModel(
            name="Receipt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("home", Name()),
                ("key", Name()),
                ("actor", models.CharField(max_length=200)),
                ("fingerprint", models.JSONField()),
                ("appended", models.JSONField()),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("home", "key"), name="loyalty_receipt_once")]},
        ),
        migrations.CreateModel(
            name="Stream",
            fields=[
                ("stream", Name(primary_key=True, serialize=False)),
                ("version", models.PositiveIntegerField()),
                ("due_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["due_at", "stream"], condition=models.Q(("due_at__isnull", False)), name="loyalty_due")
                ]
            },
        ),
    ]
