"""A replay that is killed, and started again, ends in the store of one that never was.

Run it by ``python tests/fire_replay.py [trials] [seed]``; it ends with code 1 when a store differs.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from loyaltycore.codec import fact_text
from loyaltycore.repositories import every_stream
from loyaltycore.store.sqlite import SQLiteRepository

__all__ = ["Histories", "main"]

ROOT: Final = Path(__file__).parents[1]
TRIALS: Final = 20
KILLS: Final = 3
"""Kills of a trial, at most."""


class Histories:
    """A small shop's history, and what it comes to when nothing happens to the replay."""

    def __init__(self, folder: Path, *, members: int = 40, orders: int = 300) -> None:
        """Write it, and replay it once.

        Args:
            folder: Where to.
            members: In the history.
            orders: In the history.
        """
        self.folder = folder
        self.history = folder / "history.jsonl"
        generate = [sys.executable, "examples/velo/generate.py", "--out", str(self.history)]
        subprocess.run([*generate, "--members", str(members), "--orders", str(orders)], cwd=ROOT, check=True, capture_output=True)
        began = time.monotonic()
        assert self.replay(folder / "whole.db").wait() == 0
        self.seconds = time.monotonic() - began
        self.whole = kept(folder / "whole.db")

    def replay(self, store: Path) -> subprocess.Popen[bytes]:
        """Start a replay."""
        command = [sys.executable, "-m", "loyaltycore", "replay", "examples/velo/program.toml", str(self.history)]
        command += [f"--{of}-key-file={self.folder / of}.key" for of in ("codes", "cards")]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        quiet = subprocess.DEVNULL
        return subprocess.Popen(
            [*command, "--store", f"sqlite:///{store}"], cwd=ROOT, env=environment, stdout=quiet, stderr=quiet
        )

    def trial(self, seed: int) -> int:
        """Kill a replay at random, start it again, and compare.

        Args:
            seed: Decides when.

        Returns:
            How often it was killed.

        Raises:
            AssertionError: Another store.
        """
        chance, store, kills = random.Random(f"replay {seed}"), self.folder / f"trial-{seed}.db", 0
        while True:
            process = self.replay(store)
            if kills < KILLS:
                try:
                    process.wait(timeout=chance.uniform(0.1, 1.0) * self.seconds)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    kills += 1
            code = process.wait()
            if code == 0:
                break
            assert code == -signal.SIGKILL, f"the replay ended with code {code}"
        assert kept(store) == self.whole, f"trial {seed}: killed {kills} times, the store differs"
        return kills


def kept(store: Path) -> dict[str, list[str]]:
    """Read all facts of a store, as they are written."""
    with SQLiteRepository(store) as repository:
        streams = [name for kind in ("member", "order") for name in every_stream(repository, kind)]
        return {name: [fact_text(fact) for fact in repository.load([name])[name].facts] for name in streams}


def main(arguments: list[str] | None = None) -> int:
    """Run trials, and print what was seen."""
    numbers = [int(text) for text in (sys.argv[1:] if arguments is None else arguments)]
    trials, seed = (*numbers, *(TRIALS, 0)[len(numbers) :])
    with tempfile.TemporaryDirectory() as folder:
        histories = Histories(Path(folder))
        try:
            kills = sum(histories.trial(seed + number) for number in range(trials))
        except AssertionError as error:
            print(f"the replay burned down: {error}")
            return 1
    facts = sum(map(len, histories.whole.values()))
    print(f"{trials} replays of {facts:,} facts, killed {kills} times: each store is that of a replay never killed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
