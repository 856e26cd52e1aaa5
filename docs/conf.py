"""How Sphinx builds the documentation."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "loyaltycore"
author = "loyaltycore contributors"
project_copyright = f"2026, {author}"
release = version = _PROJECT["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
html_theme = "furo"
html_title = f"loyaltycore {release}"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_typehints_format = "short"
# Attributes stand in the class docstring, under "Attributes:"; listing them again would say everything twice.
autodoc_default_options = {"members": True, "undoc-members": False, "show-inheritance": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = [
    "Invariants",
    "Complexity",
    "Source",
    ("Version added", "notes"),
    ("Version changed", "notes"),
]
default_role = "any"

# No page is fetched while building, so names of others cannot be linked; nor can type variables and private names.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(abc|attrs?|collections|contextlib|dataclasses|datetime|decimal|enum|fractions|functools|hypothesis)\b.*"),
    ("py:.*", r"(os|pathlib|random|sqlite3|types|typing|typing_extensions|zoneinfo)\b.*"),
    ("py:.*", r"(Any|Callable|Iterable|Iterator|Mapping|Protocol|Sequence|Final|Fraction|Decimal|Literal|Path)"),
    ("py:.*", r"(date|datetime|time|timedelta|tzinfo|ZoneInfo|ValueError|Exception|.*SearchStrategy.*)"),
    ("py:.*", r".*\b[A-Z](_co|_contra)?"),
    ("py:.*", r"(.*\.)?_\w+(\..*)?"),
]


def keep_whole(_app: Sphinx, what: str, _name: str, _obj: object, _options: object, lines: list[str]) -> None:
    """Keep the first line of an attribute's docstring a sentence.

    The Google style reads ``type: meaning`` there; ours are sentences, some with a colon. An empty comment above takes
    the place where a type would be looked for.
    """
    if what in {"attribute", "data", "property"}:
        lines[:0] = ["..", ""]


def setup(app: Sphinx) -> None:
    """Look at docstrings before napoleon does."""
    app.connect("autodoc-process-docstring", keep_whole, priority=400)
