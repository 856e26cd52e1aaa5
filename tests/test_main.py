"""``python -m loyaltycore`` is the command."""

from __future__ import annotations

import runpy
import subprocess
import sys

import pytest

from examples.velo import generate


def test_is_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The module runs the command and ends with its exit code."""
    program = generate.__file__.replace("generate.py", "program.toml")
    for arguments, code in (["check", program], 0), (["check", "none.toml"], 2):
        monkeypatch.setattr(sys, "argv", ["loyaltycore", *arguments])
        with pytest.raises(SystemExit) as ended:
            runpy.run_module("loyaltycore", run_name="__main__")
        assert ended.value.code == code
    out, err = capsys.readouterr()
    assert out.startswith("velo 3: ")
    assert err == "loyaltycore: none.toml: No such file or directory\n"


def test_in_a_process() -> None:
    """It answers for help, under its own name."""
    done = subprocess.run([sys.executable, "-m", "loyaltycore", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith("usage: loyaltycore ")


def test_importing_it_does_nothing() -> None:
    """Imported, it runs nothing."""
    assert runpy.run_module("loyaltycore.__main__", run_name="imported")["__name__"] == "imported"
