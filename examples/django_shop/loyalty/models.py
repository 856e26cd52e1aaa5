"""The tables of the loyalty facts: five, and none of them knows the shop's own."""

from __future__ import annotations

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["Claim", "Counter", "Fact", "Name", "Receipt", "Stream"]

NAME_LIMIT = 1000
"""As long as loyaltycore lets a name be: nothing is ever cut."""


class Name(models.CharField):
    """An id, compared and ordered by code point, so that ``a`` is not ``A`` and listings have one order everywhere."""

    def __init__(self, *args: object, **options: object) -> None:
        options.setdefault("max_length", NAME_LIMIT)
        super().__init__(*args, **options)

    def db_parameters(self, connection: BaseDatabaseWrapper) -> dict[str, object]:
        """Say so to PostgreSQL, whose own order is that of a language; it is what SQLite does by itself."""
        collation = "C" if connection.vendor == "postgresql" else None
        return {**super().db_parameters(connection), "collation": collation}


class Stream(models.Model):
    """How many facts a stream holds, and when time next brings something for it; 0 is a stream that was only locked."""

    stream = Name(primary_key=True)
    version = models.PositiveIntegerField()
    due_at = models.DateTimeField(null=True)

    class Meta:
        """How it is found, and what is in it once."""

        indexes = (models.Index(fields=["due_at", "stream"], condition=models.Q(due_at__isnull=False), name="loyalty_due"),)

    def __str__(self) -> str:
        return f"{self.stream} at {self.version}"


class Fact(models.Model):
    """One fact, as readable JSON; never updated, never deleted."""

    stream = Name()
    version = models.PositiveIntegerField()
    fact = models.JSONField()

    class Meta:
        """How it is found, and what is in it once."""

        constraints = (models.UniqueConstraint(fields=["stream", "version"], name="loyalty_fact_once"),)

    def __str__(self) -> str:
        return f"{self.stream} {self.version}"


class Receipt(models.Model):
    """What a command did: which versions of which streams it appended."""

    home = Name()
    key = Name()
    actor = models.CharField(max_length=200)
    fingerprint = models.JSONField()
    appended = models.JSONField()

    class Meta:
        """How it is found, and what is in it once."""

        constraints = (models.UniqueConstraint(fields=["home", "key"], name="loyalty_receipt_once"),)

    def __str__(self) -> str:
        return f"{self.home} {self.key}"


class Counter(models.Model):
    """A total that many share: the row that is locked while its claims change."""

    counter = Name(primary_key=True)

    def __str__(self) -> str:
        return str(self.counter)


class Claim(models.Model):
    """What one key holds of a counter."""

    counter = Name()
    key = Name()
    amount = models.PositiveBigIntegerField()
    until = models.DateTimeField(null=True)

    class Meta:
        """How it is found, and what is in it once."""

        constraints = (models.UniqueConstraint(fields=["counter", "key"], name="loyalty_claim_once"),)

    def __str__(self) -> str:
        return f"{self.counter}: {self.amount} by {self.key}"
