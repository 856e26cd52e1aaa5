"""Settings of the example shop: SQLite beside this folder, or PostgreSQL where ``DATABASE_URL`` names one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

BASE_DIR = Path(__file__).resolve().parent.parent


def database(url: str) -> dict[str, Any]:
    """Read ``sqlite:///shop.db`` or ``postgresql://user:password@host:port/name``.

    Args:
        url: A host in the query (``?host=/run/postgresql``) is a folder with a socket.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        # A transaction takes the write lock when it begins: one that only read could not take it later.
        options: dict[str, Any] = {"transaction_mode": "IMMEDIATE", "timeout": 30}
        name = parts.path.removeprefix("/")
        # In a file under test too: threads do not share what is in memory.
        tested = {"NAME": f"{name}.test"}
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": options, "TEST": tested}
    query = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.removeprefix("/"),
        "USER": unquote(parts.username or query.get("user", "")),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or query.get("host", ""),
        "PORT": str(parts.port or query.get("port", "")),
    }


# Both are for this example alone: a shop reads them from where it keeps its secrets.
SECRET_KEY = os.environ.get("SECRET_KEY", "for the example alone")
PAYMENT_SECRET = os.environ.get("PAYMENT_SECRET", "shared with the payment provider")

DEBUG = os.environ.get("DEBUG", "1") == "1"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
DATABASES = {"default": database(os.environ.get("DATABASE_URL", f"sqlite:///{BASE_DIR / 'shop.db'}"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The loyalty facts carry instants: without time zones a database would lose what they mean.
USE_TZ = True
TIME_ZONE = "Europe/Paris"
LOYALTY_PROGRAM = BASE_DIR / "program.toml"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "loyalty",
    "shop",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.contrib.auth.context_processors.auth"]},
    }
]
ROOT_URLCONF = "project.urls"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "basket"
LOGOUT_REDIRECT_URL = "basket"
