"""Kill commands at random moments, run them again, and compare with a run that was never touched: nothing may be left behind.

python -m tests.kills --count 20 [KIND ...]        (the training has its own soak, tests/soak.py)
"""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path

from tests import work
from tests.servers import Server, serve

KILLS_IN_A_ROW = 3


def run(kind: str, kills: int, seed: int = 1) -> int:
    """Kill `kind` until it was met at work so many times; returns how many lives that took.

    Raises AssertionError if an end differs.
    """
    rng, killed, lives = random.Random(f"{kind} {seed}"), 0, 0
    with serve() as server, tempfile.TemporaryDirectory() as root:
        for name in ("first", "alone"):  # the first one waits for TensorFlow
            alone, begun = work.make(Path(root) / name / "work"), time.monotonic()
            finish(kind, alone, server)
            usual = time.monotonic() - begun
        while killed < kills:
            folder = work.make(Path(root) / str(lives) / "work")
            for _ in range(KILLS_IN_A_ROW):
                process = work.start(kind, folder, server)
                process.join(rng.uniform(0.05, 1.0) * usual)
                killed, lives = killed + process.is_alive(), lives + 1
                process.kill()
                process.join()
            finish(kind, folder, server)
            assert not work.differing(folder, alone), f"{kind}: {work.differing(folder, alone)}"
    return lives


def finish(kind: str, folder: Path, server: Server) -> None:
    process = work.start(kind, folder, server)
    process.join()
    assert process.exitcode == 0, work.said(process, folder)


def _tell(kind: str, kills: int, seed: int) -> str:
    lives = run(kind, kills, seed)
    return f"{kills} kills met it at work, in {lives} lives; all ends are those of an untouched run"


if __name__ == "__main__":
    work.command_line(__doc__, _tell, 20)
