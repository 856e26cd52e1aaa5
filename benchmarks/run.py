"""Run the comparisons, print a table, write build/bench.json: ``python -m benchmarks.run [PART OF A NAME…]``.

A comparison lives in ``benchmarks/bench_<subject>.py`` and is registered by `benchmarks._harness.bench`. One that
needs packages which are no part of development is left out, unless ``--peers`` is given: then they are installed in
build/peers.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import subprocess
import sys

import attrs

from benchmarks._harness import REGISTRY, Benchmark, Result, measure
from tools.project import ROOT

__all__ = ["chosen", "main", "row"]

PEERS = ROOT / "build" / "peers"


def chosen(parts: list[str]) -> list[Benchmark]:
    """Give the registered comparisons whose name holds one of the parts; no part means all."""
    return [REGISTRY[name] for name in sorted(REGISTRY) if not parts or any(part in name for part in parts)]


def row(result: Result) -> str:
    """Write one result as a line of the table."""
    return f"{result.name:<44} {result.value:>12.3f} {result.unit:<3} {result.ratio:>9.2f} ×  {result.against}"


def main(arguments: list[str] | None = None) -> int:
    """Measure what is asked for; return 2 when nothing goes by that name."""
    parser = argparse.ArgumentParser(description="Compare what the library costs with code that does without.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a part of a comparison's name")
    parser.add_argument("--peers", action="store_true", help="install the packages some comparisons need")
    asked = parser.parse_args(arguments)
    for path in sorted((ROOT / "benchmarks").glob("bench_*.py")):
        importlib.import_module(f"benchmarks.{path.stem}")
    benchmarks = chosen(asked.names)
    if not benchmarks:
        print(f"no comparison is named like {', '.join(asked.names) or 'anything'}", file=sys.stderr)
        return 2
    ready = [benchmark for benchmark in benchmarks if _ready(benchmark, install=asked.peers)]
    print(f"{'name':<44} {'value':>16} {'cheaper':>11}  against")
    results = []
    for benchmark in ready:
        results.append(measure(benchmark))
        print(row(results[-1]), flush=True)
    target = ROOT / "build" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    text = json.dumps([attrs.asdict(result) for result in results], ensure_ascii=False, indent=1)
    target.write_text(text + "\n", encoding="utf-8")
    return 0


def _ready(benchmark: Benchmark, *, install: bool) -> bool:
    """Say whether the packages a comparison needs are there, after installing them when told to."""
    if not benchmark.peers:
        return True
    if install:
        pip = [sys.executable, "-m", "pip", "install", "-qq", "--upgrade", "--target", str(PEERS)]
        subprocess.run([*pip, *benchmark.peers], check=True)
    if PEERS.is_dir() and str(PEERS) not in sys.path:
        sys.path.append(str(PEERS))
    missing = [peer for peer in benchmark.peers if importlib.util.find_spec(peer.replace("-", "_")) is None]
    if missing:
        print(f"left out: {benchmark.name} (needs {', '.join(missing)}; give --peers to install)", file=sys.stderr)
    return not missing


if __name__ == "__main__":
    sys.exit(main())
