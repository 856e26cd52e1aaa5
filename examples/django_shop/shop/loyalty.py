"""The loyalty program at work, made once for each process."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from loyalty.repository import DjangoRepository

from loyaltycore import Loyalty, Program

__all__ = ["loyalty", "member_id"]

loyalty = Loyalty(Program.load(settings.LOYALTY_PROGRAM), DjangoRepository())


def member_id(user: AbstractBaseUser) -> str:
    """Name a user for the loyalty facts: never by a mail address, which changes."""
    return f"user-{user.pk}"
