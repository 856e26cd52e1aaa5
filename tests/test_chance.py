"""The one place that draws at random."""

from __future__ import annotations

import re

from loyaltycore._chance import entropy, new_name
from tools.project import ROOT


def test_names_are_never_the_same() -> None:
    """A thousand of them, each 64 bits long behind what it starts with."""
    names = {new_name("forgotten") for _ in range(1000)}
    assert len(names) == 1000
    assert all(re.fullmatch(r"forgotten-[0-9a-f]{16}", name) for name in names)


def test_entropy_is_new_every_time() -> None:
    """As many bytes as are asked for."""
    drawn = {entropy(16) for _ in range(1000)}
    assert len(drawn) == 1000
    assert {len(one) for one in drawn} == {16}


def test_nothing_else_draws() -> None:
    """Below the kit, where Hypothesis and threads are, one module knows of chance."""
    package = ROOT / "src" / "loyaltycore"
    using = re.compile(r"^(?:from|import) (?:random|secrets|uuid)\b", re.MULTILINE)
    found = {path.name for path in package.rglob("*.py") if "testing" not in path.parts and using.search(path.read_text())}
    assert found == {"_chance.py"}
