"""The loyalty app."""

from __future__ import annotations

from django.apps import AppConfig


class LoyaltyConfig(AppConfig):
    """Holds the tables of the loyalty facts."""

    name = "loyalty"
    default_auto_field = "django.db.models.BigAutoField"
