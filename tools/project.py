"""Where things are: the tree, its settings, the shared data."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "SHARED_ABSENT", "settings", "shared_folder"]

ROOT = Path(__file__).resolve().parent.parent

SHARED_ABSENT = "shared data absent"
"""Why a test that needs the shared data is passed over; the summary counts it by this text."""


def settings() -> dict[str, Any]:
    """Read the project's own table of pyproject.toml."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        table: dict[str, Any] = tomllib.load(file)["tool"]["loyaltycore"]
    return table


def shared_folder() -> Path | None:
    """Find the folder of shared data and cases, ``None`` when this machine has none."""
    folder = Path(os.environ.get("LOYALTYCORE_SHARED") or ROOT.parent / "shared")
    return folder if folder.is_dir() else None
