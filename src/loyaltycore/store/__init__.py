"""Repositories that come with the library: ``store.memory`` for tests, ``store.sqlite`` for one machine."""

from __future__ import annotations

__all__: list[str] = []
