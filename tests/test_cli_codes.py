"""The commands about codes: what they print, how they end, and that no key is shown."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from loyaltycore._alphabets import DIGITS, UNAMBIGUOUS, WORD_SAFE
from loyaltycore._cli_codes import CODES_KEY
from loyaltycore._code_book import plan_codes
from loyaltycore._code_space import AvoidedWords, CodeSpace, SecretKey
from loyaltycore.cli import main

Capture = pytest.CaptureFixture[str]

HEX = bytes(range(32)).hex()
KEY = SecretKey("2026a", bytes(range(32)))
SPACE = CodeSpace(KEY, pattern="HI-####-####-####", context="velo")
MADE_WITH = ("--pattern", "HI-####-####-####", "--context", "velo")


def run(*arguments: object) -> int:
    """Run a command."""
    return main([str(argument) for argument in arguments])


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a key into the environment."""
    monkeypatch.setenv(CODES_KEY, HEX)


@pytest.fixture
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take any key out of the environment."""
    monkeypatch.delenv(CODES_KEY, raising=False)


class TestPlan:
    def test_says_pattern_and_odds(self, capsys: Capture) -> None:
        """The pattern stands alone in the first line; the words follow."""
        assert run("codes", "plan", 200_000, "--symbols", 12) == 0
        assert capsys.readouterr().out.splitlines() == [
            "####-####-####",
            plan_codes(200_000, symbols=12).text,
        ]

    def test_settings(self, capsys: Capture) -> None:
        """Alphabet, prefix and groups are those asked for."""
        assert run("codes", "plan", 1_000, "--alphabet", "digits", "--prefix", "HI", "--group", 5) == 0
        assert capsys.readouterr().out.splitlines()[0] == "HI-#####-#####-###"

    @pytest.mark.usefixtures("no_key")
    def test_needs_no_key(self, capsys: Capture) -> None:
        """What room a pattern has depends on no key."""
        assert run("codes", "plan", 10) == 0
        assert capsys.readouterr().out.startswith("####-####\n")

    def test_what_has_no_room(self, capsys: Capture) -> None:
        """The fewest symbols that do are named."""
        assert run("codes", "plan", 200_000, "--symbols", 8) == 2
        assert capsys.readouterr().err == "loyaltycore: symbols must be at least 11 for 200,000 codes, got 8\n"


@pytest.mark.usefixtures("key")
class TestGenerate:
    def test_prints_the_codes_of_a_range(self, capsys: Capture) -> None:
        """One to a line; how many, and of which key, is said beside them."""
        assert run("codes", "generate", *MADE_WITH, "--from", 3, "--to", 1003, "--key-id", "2026a") == 0
        out, err = capsys.readouterr()
        assert out.splitlines() == list(SPACE.codes(range(3, 1003)))
        assert err == f"1,000 codes of key 2026a, check value {KEY.check_value}\n"

    def test_from_the_first(self, capsys: Capture) -> None:
        """The range begins at 0 where nothing else is said."""
        assert run("codes", "generate", *MADE_WITH, "--to", 2) == 0
        assert capsys.readouterr().out.splitlines() == list(SPACE.codes(range(2)))

    def test_csv(self, capsys: Capture) -> None:
        """With a heading, a mail tool knows the column."""
        assert run("codes", "generate", *MADE_WITH, "--to", 3, "--csv") == 0
        rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
        assert [row["code"] for row in rows] == list(SPACE.codes(range(3)))

    def test_avoids_words(self, tmp_path: Path, capsys: Capture) -> None:
        """Words in any lines; the version of the list is told for the block."""
        words = tmp_path / "words.txt"
        words.write_text("\ufeffabc xyz\n  777\n", encoding="utf-8")
        listed = ["abc", "xyz", "777"]
        assert run("codes", "generate", *MADE_WITH, "--to", 3_000, "--avoid", words) == 0
        out, err = capsys.readouterr()
        codes = list(SPACE.codes(range(3_000), avoid=listed))
        assert out.splitlines() == codes
        assert len(codes) < 3_000
        avoided = f"which avoid the words {AvoidedWords.of(listed).digest}"
        assert err == f"{len(codes):,} codes of key key, check value {KEY.check_value}, {avoided}\n"

    @pytest.mark.parametrize(
        "name,alphabet",
        [("unambiguous", UNAMBIGUOUS), ("word-safe", WORD_SAFE), ("digits", DIGITS), ("ABCDEFGHJKMNP", "ABCDEFGHJKMNP")],
    )
    def test_alphabets(self, name: str, alphabet: str, capsys: Capture) -> None:
        """One that is shipped goes by its name, any other by its symbols."""
        assert run("codes", "generate", "--pattern", "#" * 14, "--context", "velo", "--alphabet", name, "--to", 2) == 0
        space = CodeSpace(KEY, pattern="#" * 14, context="velo", alphabet=alphabet)
        assert capsys.readouterr().out.splitlines() == list(space.codes(range(2)))

    def test_other_settings(self, capsys: Capture) -> None:
        """Whatever a space can be, the command makes."""
        assert (
            run("codes", "generate", "--pattern", "########", "--context", "velo", "--tag", 4, "--weak", "--no-check", "--to", 2)
            == 0
        )
        space = CodeSpace(KEY, pattern="########", context="velo", tag=4, weak=True, check=False)
        assert capsys.readouterr().out.splitlines() == list(space.codes(range(2)))

    @pytest.mark.parametrize(
        "arguments,told",
        [
            (("--from", 2, "--to", 1), "--to must not be before --from, 2, got 1"),
            (("--from", -1, "--to", 1), "serials must be a range within [0, 33554432)"),
            (("--to", 33_554_433), "serials must be a range within [0, 33554432)"),
            (("--to", 1, "--weak", "--tag", 3), "tag must make at most one try in"),
            (("--to", 1, "--check-value", ""), "--check-value: the key's is"),
        ],
    )
    def test_refuses(self, arguments: tuple[object, ...], told: str, capsys: Capture) -> None:
        """Nothing is printed where the range or the space cannot be."""
        assert run("codes", "generate", *MADE_WITH, *arguments) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert told in err

    def test_words_that_cannot_be_read(self, tmp_path: Path, capsys: Capture) -> None:
        """No file, and no UTF-8, are told with the file's name."""
        words = tmp_path / "words.txt"
        assert run("codes", "generate", *MADE_WITH, "--to", 1, "--avoid", words) == 2
        assert f"{words}: No such file" in capsys.readouterr().err
        words.write_bytes(b"\xff")
        assert run("codes", "generate", *MADE_WITH, "--to", 1, "--avoid", words) == 2
        assert f"{words}: 'utf-8' codec" in capsys.readouterr().err

    def test_a_range_needs_an_end(self, capsys: Capture) -> None:
        """Who forgets it does not print 33 million codes."""
        with pytest.raises(SystemExit) as caught:
            run("codes", "generate", *MADE_WITH)
        assert caught.value.code == 2
        assert "--to" in capsys.readouterr().err

    def test_streams(self) -> None:
        """Whoever reads the first lines of millions waits for no others."""
        command = [sys.executable, "-m", "loyaltycore", "codes", "generate", *MADE_WITH, "--to", "33000000"]
        environment = {**os.environ, CODES_KEY: HEX}
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == f"{SPACE.code(0)}\n"
            process.stdout.close()
            assert process.stderr is not None
            assert process.stderr.read() == ""
            assert process.wait() == 141


@pytest.mark.usefixtures("key")
class TestRead:
    def test_says_what_each_is(self, capsys: Capture) -> None:
        """In the order given; 1 where one is not genuine."""
        genuine = SPACE.code(7)
        slip = genuine[:-1] + ("0" if genuine[-1] != "0" else "1")
        assert run("codes", "read", *MADE_WITH, genuine.lower(), slip, "SUMMER10") == 1
        assert capsys.readouterr().out.splitlines() == [
            f"{genuine.lower()!r}: genuine, serial 7",
            f"{slip!r}: check",
            "'SUMMER10': length",
        ]

    def test_all_genuine(self, capsys: Capture) -> None:
        """0 where all are."""
        assert run("codes", "read", SPACE.code(7), SPACE.code(8), *MADE_WITH) == 0
        assert capsys.readouterr().out.count("genuine") == 2

    def test_of_another_context(self, capsys: Capture) -> None:
        """A code of another context is forged here."""
        assert run("codes", "read", SPACE.code(7), "--pattern", "HI-####-####-####", "--context", "shop") == 1
        assert capsys.readouterr().out == f"{SPACE.code(7)!r}: forged\n"


class TestKey:
    @pytest.mark.usefixtures("no_key")
    def test_from_a_file(self, tmp_path: Path, capsys: Capture) -> None:
        """A file holds the digits, and may end in a line end."""
        path = tmp_path / "codes.key"
        path.write_text(f"{HEX.upper()}\n", encoding="ascii")
        assert run("codes", "read", *MADE_WITH, SPACE.code(7), "--key-file", path, "--check-value", KEY.check_value) == 0
        assert capsys.readouterr().out.endswith("genuine, serial 7\n")

    @pytest.mark.usefixtures("key")
    def test_a_file_goes_before_the_environment(self, tmp_path: Path, capsys: Capture) -> None:
        """What is said for one command is meant."""
        path = tmp_path / "codes.key"
        path.write_text("00" * 32, encoding="ascii")
        assert run("codes", "read", *MADE_WITH, SPACE.code(7), "--key-file", path) == 1
        assert capsys.readouterr().out.endswith("forged\n")

    @pytest.mark.usefixtures("no_key")
    def test_none_at_all(self, capsys: Capture) -> None:
        """Both ways to give one are named."""
        assert run("codes", "read", *MADE_WITH, "X") == 2
        assert (
            capsys.readouterr().err == f"loyaltycore: a key must be given: --key-file FILE, or {CODES_KEY} in the environment\n"
        )

    @pytest.mark.usefixtures("no_key")
    @pytest.mark.parametrize("text", ["", HEX[:-1], HEX + "0", HEX[:-1] + "g", "é" * 64, HEX + "\n" + HEX])
    def test_what_is_no_key_is_not_shown(self, text: str, tmp_path: Path, capsys: Capture) -> None:
        """A key that is nearly right is nearly known: only where it was looked for is told."""
        path = tmp_path / "codes.key"
        path.write_text(text, encoding="utf-8")
        code = run("codes", "generate", *MADE_WITH, "--to", 1, "--key-file", path)
        out, err = capsys.readouterr()
        assert (code, out) == (2, "")
        assert err == f"loyaltycore: {path}: key 'key' must be written as 64 hexadecimal digits, got something else\n"

    def test_no_key_in_the_environment_is_not_shown(self, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
        """The variable is named, and nothing of what it holds."""
        monkeypatch.setenv(CODES_KEY, HEX[:-1])
        assert run("codes", "generate", *MADE_WITH, "--to", 1) == 2
        assert capsys.readouterr().err == (
            f"loyaltycore: {CODES_KEY}: key 'key' must be written as 64 hexadecimal digits, got something else\n"
        )

    def test_no_such_file(self, capsys: Capture, tmp_path: Path) -> None:
        """A file that is not there is named."""
        assert run("codes", "generate", *MADE_WITH, "--to", 1, "--key-file", tmp_path / "none") == 2
        assert "No such file" in capsys.readouterr().err

    @pytest.mark.law(31)
    @pytest.mark.usefixtures("key")
    def test_another_key_is_refused(self, capsys: Capture) -> None:
        """The check value tells before anything is made or read."""
        for verb in (("generate", "--to", 1), ("read", SPACE.code(7))):
            assert run("codes", *verb, *MADE_WITH, "--check-value", "0" * 16) == 2
            out, err = capsys.readouterr()
            assert out == ""
            assert err == f"loyaltycore: --check-value: the key's is {KEY.check_value}, got '{'0' * 16}': it is another key\n"

    @pytest.mark.usefixtures("key")
    def test_no_option_takes_a_key(self, capsys: Capture) -> None:
        """A key among the arguments would stand in the shell's history."""
        with pytest.raises(SystemExit):
            run("codes", "generate", *MADE_WITH, "--to", 1, "--key", HEX)
        with pytest.raises(SystemExit):
            run("codes", "generate", "--help")
        assert "--key HEX" not in capsys.readouterr().out
