"""Build the wheel and look at it where a user would: in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.project import ROOT

__all__ = ["build", "install", "main", "verify_types"]


def build(tree: Path, folder: Path) -> Path:
    """Build the wheel of a source tree into a folder and give its path.

    The tools of this environment are used as they are: nothing is fetched.
    """
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(tree)]
    _run(command)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, environment: Path, *, extras: str = "") -> Path:
    """Install a wheel into a fresh environment and give the path of its Python.

    Args:
        wheel: The wheel.
        environment: The folder to make the environment in.
        extras: What to take with it, as ``[cli]``; nothing means the base alone.
    """
    _run([sys.executable, "-m", "venv", "--without-pip", str(environment)])
    python = environment / "bin" / "python"
    constraints = ROOT / "constraints.txt"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-qq", "-c", str(constraints)]
    _run([*pip, f"{wheel}{extras}"])
    return python


def verify_types(python: Path) -> subprocess.CompletedProcess[str]:
    """Ask pyright whether every public name of the installed package has a known type."""
    home = python.parent.parent
    own = {"PATH": f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}", "VIRTUAL_ENV": str(home)}
    command = [sys.executable, "-m", "pyright", "--verifytypes", "loyaltycore", "--ignoreexternal"]
    # Away from the tree: pyright would find the sources first, and they are not what a user gets.
    return subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, **own}, cwd=home.parent)


def main() -> int:
    """Print what pyright says of the wheel; return 1 when a public name has no known type."""
    with tempfile.TemporaryDirectory(prefix="loyaltycore-") as scratch:
        folder = Path(scratch)
        # The stores, the catalogues and the kit are public too: their extras must be there to be looked at.
        python = install(build(ROOT, folder / "dist"), folder / "environment", extras="[cli,locale,qr,sqlalchemy,testing]")
        result = verify_types(python)
    print(result.stdout + result.stderr)
    return result.returncode


def _run(command: list[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        msg = f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        raise RuntimeError(msg)


if __name__ == "__main__":
    sys.exit(main())
