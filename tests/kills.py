"""Kill commands at random moments, run them again, and compare with a run that was never touched: nothing may be left behind.

python -m tests.kills --kills 40        (of each command; the training has its own soak, tests/soak.py)
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from srgan.runs.paths import PROJECT
from tests import clips, pairs
from tests.servers import serve

KILLS_IN_A_ROW = 3


def export(folder: Path, server) -> list[str]:
    return ["-m", "srgan", "export", pairs.WEIGHTS, "--format", "keras", "-o", str(folder / "out.keras"), "--force"]


def film(folder: Path, server) -> list[str]:
    if not (folder / "photos" / "clip.mp4").exists():
        clips.write(folder / "photos" / "clip.mp4")
    return ["-m", "srgan", "upscale", str(folder / "photos" / "clip.mp4"), "-o", str(folder / "out.mp4"), "--model", pairs.WEIGHTS]


KINDS = pairs.KINDS | {"export": export, "film": film}


def run(kind: str, kills: int, seed: int = 1) -> int:
    """Kill `kind` so many times; returns how many kills met it at work. Raises AssertionError if an end differs."""
    rng, killed = random.Random(f"{kind} {seed}"), 0
    with serve() as server, tempfile.TemporaryDirectory() as root:
        alone = Path(root) / "alone" / "work"
        pairs.photos(alone)
        begun = time.monotonic()
        finish(kind, alone, server)
        usual = time.monotonic() - begun
        for number in range(0, kills, KILLS_IN_A_ROW):
            folder = Path(root) / str(number) / "work"
            pairs.photos(folder)
            command = [sys.executable, *KINDS[kind](folder, server)]
            for _ in range(min(KILLS_IN_A_ROW, kills - number)):
                process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                try:
                    process.wait(rng.uniform(0.2, 1.1) * usual)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                    killed += 1
            finish(kind, folder, server)
            found, expected = pairs.contents(folder), pairs.contents(alone)
            assert pairs.same(found, expected), f"{kind}: {sorted(found.keys() ^ expected.keys())}"
    return killed


def finish(kind: str, folder: Path, server) -> None:
    done = subprocess.run([sys.executable, *KINDS[kind](folder, server)], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("kinds", nargs="*", default=list(KINDS))
    options = parser.parse_args()
    for kind in options.kinds:
        killed = run(kind, options.kills)
        print(f"{kind}: {killed} of {options.kills} kills met it at work; all ends are those of an untouched run", flush=True)


if __name__ == "__main__":
    main()
