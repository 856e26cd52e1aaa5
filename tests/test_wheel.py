"""What a user installs: the wheel, in an environment of its own."""

from __future__ import annotations

import re
import subprocess
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from tools.project import ROOT
from tools.wheel import build, install

pytestmark = [pytest.mark.slow, pytest.mark.house]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree."""
    return build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds the wheel and what it asks for, no extra."""
    return install(wheel, tmp_path_factory.mktemp("wheel") / "environment")


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    """What the wheel says about itself."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def run(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the environment's Python, away from the tree and its settings."""
    return subprocess.run(
        [python, *arguments], check=False, capture_output=True, text=True, cwd=python.parent.parent, env={"PATH": ""}
    )


class TestMetadata:
    def test_base_asks_for_two_packages(self, metadata: Message) -> None:
        """The base install brings attrs and python-dateutil; all else is an extra."""
        asked = [text for text in metadata.get_all("Requires-Dist", []) if "extra ==" not in text]
        assert sorted(re.split(r"[<>=!~ ]", text)[0] for text in asked) == ["attrs", "python-dateutil"]

    def test_extras_are_those_that_work(self, metadata: Message) -> None:
        """An extra is declared once something uses it."""
        assert sorted(metadata.get_all("Provides-Extra", [])) == ["cli", "locale", "qr", "sqlalchemy", "testing"]

    def test_licence_and_version(self, metadata: Message) -> None:
        """The licence is said in the way tools read."""
        assert metadata["License-Expression"] == "MIT"
        assert metadata["Version"] == "0.1.0.dev0"
        assert metadata["Requires-Python"] == ">=3.11"

    def test_readme_comes_along(self, metadata: Message) -> None:
        """The README is the page that a package index shows."""
        assert metadata["Description-Content-Type"] == "text/markdown"

    def test_nothing_but_the_package(self, wheel: Path) -> None:
        """The wheel carries py.typed and the licence, and nothing from beside the package."""
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
        assert "loyaltycore/py.typed" in names
        assert [name for name in names if name.endswith("licenses/LICENSE")]
        assert {name.split("/")[0] for name in names} == {"loyaltycore", "loyaltycore-0.1.0.dev0.dist-info"}


class TestInstalled:
    def test_only_the_base_is_installed(self, python: Path) -> None:
        """Beside the library stand attrs, dateutil and the zone data that dateutil brings."""
        code = "import importlib.metadata as m; print(*sorted(d.name for d in m.distributions()))"
        assert run(python, "-c", code).stdout.split() == ["attrs", "loyaltycore", "python-dateutil", "tzdata"]

    def test_import(self, python: Path) -> None:
        """The package is imported without any extra."""
        done = run(python, "-W", "error", "-c", "import loyaltycore; print(loyaltycore.__file__)")
        assert done.returncode == 0, done.stderr
        assert Path(done.stdout.strip()).is_relative_to(python.parent.parent)

    def test_zone_data_comes_along(self, python: Path) -> None:
        """Zones are known even where the system has no zone data."""
        code = "import zoneinfo; zoneinfo.reset_tzpath(()); print(zoneinfo.ZoneInfo('Europe/Paris'))"
        assert run(python, "-c", code).stdout.strip() == "Europe/Paris"

    @pytest.mark.parametrize("command", [["-m", "loyaltycore"], [str(Path("bin") / "loyaltycore")]], ids=["-m", "script"])
    def test_command_line_helps_without_extras(self, python: Path, command: list[str]) -> None:
        """Both ways to the command line work on the base install."""
        done = run(python, *command, "--help")
        assert done.returncode == 0, done.stderr
        assert "replay" in done.stdout

    def test_every_module_is_imported(self, python: Path) -> None:
        """No module but those behind an extra needs more than the base."""
        code = (
            "import importlib, pkgutil, loyaltycore\n"
            "for module in pkgutil.walk_packages(loyaltycore.__path__, 'loyaltycore.'):\n"
            "    behind = ('testing', '__main__', 'store.sqlalchemy', 'store._sql_', 'languages', '.qr')\n"
            "    if not any(name in module.name for name in behind):\n"
            "        importlib.import_module(module.name)\n"
        )
        done = run(python, "-W", "error", "-c", code)
        assert done.returncode == 0, done.stderr
