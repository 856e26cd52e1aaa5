"""The project's own tools read and count rightly."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from textwrap import dedent

import attrs
import pytest

from benchmarks._harness import Benchmark, Elsewhere, Pair, bench, measure
from benchmarks._peers import Peer, Prepared
from benchmarks.run import ready, row
from tools.laws import report
from tools.mutants import SIBLINGS, files, own_tests, parse, summary
from tools.project import ROOT

pytestmark = pytest.mark.house

RESULTS = """
    loyaltycore.points.x_burn__mutmut_1: killed
    loyaltycore.points.x_burn__mutmut_2: survived
    loyaltycore.points.x_earn__mutmut_1: timeout
    loyaltycore.points.x_earn__mutmut_2: no tests
"""


class TestMutants:
    def test_every_status_is_read(self) -> None:
        """Each mutant has one status; other lines are none."""
        assert parse(f"Running\n{RESULTS}") == {
            "loyaltycore.points.x_burn__mutmut_1": "killed",
            "loyaltycore.points.x_burn__mutmut_2": "survived",
            "loyaltycore.points.x_earn__mutmut_1": "timeout",
            "loyaltycore.points.x_earn__mutmut_2": "no tests",
        }

    def test_private_siblings_belong_to_their_module(self) -> None:
        """The ledger is all of the files it is made of, each of which is there."""
        assert files("quantities") == ("src/loyaltycore/quantities.py",)
        assert files("ledger")[:2] == ("src/loyaltycore/ledger.py", "src/loyaltycore/_lots.py")
        assert all((ROOT / name).is_file() for module in SIBLINGS for name in files(module))

    def test_a_module_has_tests_of_its_own(self) -> None:
        """They are named after it or after a sibling; without any, every mutant would live."""
        assert "tests/test_tier_windows.py" in own_tests("tiers")
        assert all(own_tests(module) for module in SIBLINGS)

    def test_what_no_test_reaches_is_not_caught(self) -> None:
        """A mutant that hangs is caught; one that no test runs is left."""
        text = summary(parse(RESULTS))
        assert "left: loyaltycore.points.x_burn__mutmut_2 (survived)" in text
        assert "left: loyaltycore.points.x_earn__mutmut_2 (no tests)" in text
        assert text.endswith("score 2 / 4 = 50.0 %")


class TestLaws:
    def test_laws_are_sorted_by_number(self) -> None:
        """Law 2 stands before law 14, and what is missing is told apart."""
        lines, complaints = report({14: {"b", "a"}, 2: {"c"}}, [2, 7])
        assert lines == ["law 2: c", "law 14: a", "law 14: b"]
        assert complaints == ["law 7 has no test, and is listed as finished"]


class TestBench:
    def test_ratio_above_one_is_better(self) -> None:
        """A call that costs a third of the other has ratio 3, and its own cost as value."""
        now = 0.0

        def spend(seconds: float) -> None:
            nonlocal now
            now += seconds

        pair = Pair(lambda: spend(0.5), lambda: spend(1.5), items=5)
        benchmark = Benchmark(name="n", unit="ms", against="a", peers=(), prepare=lambda: pair)
        result = measure(benchmark, clock=lambda: now)
        assert (result.name, result.unit, result.against) == ("n", "ms", "a")
        assert (result.value, result.ratio) == pytest.approx((100, 3))
        assert row(result).split() == ["n", "100.000", "ms", "3.00", "×", "a"]

    def test_unknown_unit_is_refused(self) -> None:
        """A unit is one of time."""
        with pytest.raises(ValueError, match="unit must be one of s, ms, µs, ns, got 'h'"):
            bench("n", unit="h", against="a")

    def test_time_taken_elsewhere_counts(self) -> None:
        """A process that needs twice our time for each of its loops, whatever its answers cost here, has ratio 2."""
        now = 0.0
        asked: list[int] = []

        def spend() -> None:
            nonlocal now
            now += 0.25

        def seconds(loops: int) -> float:
            nonlocal now
            now += 1_000
            asked.append(loops)
            return 0.5 * loops

        pair = Pair(spend, Elsewhere(seconds))
        result = measure(Benchmark(name="n", unit="s", against="a", peers=(), prepare=lambda: pair), clock=lambda: now)
        assert (result.value, result.ratio) == pytest.approx((0.25, 2))
        assert set(asked) == {1}


@pytest.fixture
def peer(tmp_path: Path) -> Peer:
    """Give a peer that is there, counts the loops it was ever asked for, and ends at the word "end"."""
    script = tmp_path / "peer.py"
    script.write_text(
        dedent("""
            import json, sys

            done = 0
            for line in sys.stdin:
                question = json.loads(line)
                if question.get("prepare") == "end":
                    break
                done += question.get("loops", 0)
                print(json.dumps({"total": "9.50", "seconds": done / 4}), flush=True)
        """),
        encoding="utf-8",
    )
    (tmp_path / "one.installed").write_text("a==1\nb==2", encoding="utf-8")
    return Peer(name="one", runs_on="python", packages=("a==1", "b==2"), script=script, folder=tmp_path)


class TestPeers:
    def test_a_peer_answers_from_its_own_process(self, peer: Peer) -> None:
        """What it makes of a case and the seconds of its loops come back, from one process."""
        process = peer.start()
        assert process.prepare({"any": "case"}) == Prepared(total=Decimal("9.50"), seconds=0)
        assert [process.seconds(3), process.seconds(5)] == [0.75, 2.0]
        process.stop()

    def test_a_peer_that_ended_is_told(self, peer: Peer) -> None:
        """No answer is never taken for one, nor waited for."""
        process = peer.start()
        for _ in range(2):
            with pytest.raises(RuntimeError, match="one must answer, but its process has ended"):
                process.prepare("end")
        process.stop()

    def test_other_versions_are_not_there(self, peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
        """A comparison is left out, aloud, unless exactly the packages it names are installed."""
        pair = Pair(lambda: None, lambda: None)
        benchmark = Benchmark(name="n", unit="s", against="a", peers=(peer,), prepare=lambda: pair)
        assert peer.lacks() is None
        assert ready(benchmark, install=True)
        newer = attrs.evolve(peer, packages=("a==1", "b==3"))
        assert not ready(attrs.evolve(benchmark, peers=(newer,)), install=False)
        assert capsys.readouterr().err == "left out: n (needs a==1 and b==3; give --peers to install)\n"

    def test_without_node_it_says_so(
        self, peer: Peer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Nothing is installed for a program that this machine does not have."""
        monkeypatch.setattr("benchmarks._peers.shutil.which", lambda *_, **__: None)
        script = attrs.evolve(peer, runs_on="node", packages=("c@3",))
        pair = Pair(lambda: None, lambda: None)
        assert not ready(Benchmark(name="n", unit="s", against="a", peers=(script,), prepare=lambda: pair), install=True)
        assert capsys.readouterr().err == "left out: n (needs node and npm, which this machine does not have)\n"
