"""The same work by two processes at once, again and again: both must be right, or one told.

python -m tests.pairs --pairs 20
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from srgan.runs.paths import PROJECT
from tests.archives import zip_of
from tests.servers import serve

WEIGHTS = "fast"


def contents(folder: Path) -> dict[str, bytes]:
    """All that lies in `folder` but the photos that were put there."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_relative_to(folder / "photos")
    }


def photos(folder: Path, count: int = 12, side: int = 64) -> Path:
    (folder / "photos").mkdir(parents=True)
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (side, side, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{number:02d}.png")
    return folder / "photos"


def prepare(folder: Path, server) -> list[str]:
    return ["-m", "srgan", "prepare", "--dataset", f"folder:{folder / 'photos'}", "--workdir", str(folder), "--set", "hr_size=32"]


def fetch(folder: Path, server) -> list[str]:
    content = bytes(range(256)) * 2**12
    server.files["a.bin"] = content
    checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
    file = f"RemoteFile('a.bin', ({server.address('slow', 'a.bin')!r},), {len(content)}, {checksum!r})"
    return ["-c", f"from pathlib import Path; from srgan.data.fetch import *; fetch({file}, Path({str(folder)!r}))"]


def unpack(folder: Path, server) -> list[str]:
    archive = folder.parent / "archive.zip"
    if not archive.exists():
        zip_of(archive, {f"{number}.jpg": bytes(1000) * number for number in range(300)})
    code = "from pathlib import Path; from srgan.data.unpack import unpack"
    return ["-c", f"{code}; unpack(Path({str(archive)!r}), Path({str(folder / 'out')!r}), lambda name: name)"]


def upscale(folder: Path, server) -> list[str]:
    return ["-m", "srgan", "upscale", str(folder / "photos"), "-o", str(folder / "out"), "--model", WEIGHTS]


KINDS: dict[str, Callable] = {"prepare": prepare, "fetch": fetch, "unpack": unpack, "upscale": upscale}


def run(kind: str, pairs: int) -> tuple[int, int]:
    """How many of `pairs` ended with both right, and in how many one was told. Raises AssertionError for anything else."""
    right = told = 0
    with serve() as server, tempfile.TemporaryDirectory() as root:
        alone = Path(root) / "alone" / "work"
        photos(alone)
        assert subprocess.run([sys.executable, *KINDS[kind](alone, server)], cwd=PROJECT, capture_output=True).returncode == 0
        for number in range(pairs):
            folder = Path(root) / str(number) / "work"
            photos(folder)
            command = [sys.executable, *KINDS[kind](folder, server)]
            both = []
            for _ in range(2):
                both.append(subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
                time.sleep(0.05 * (number % 4))
            said = [process.communicate(timeout=600)[0] for process in both]
            codes = [process.returncode for process in both]
            assert not any("Traceback" in text for text in said), "\n".join(said)
            assert 0 in codes, "\n".join(said)
            assert same(contents(folder), contents(alone)), sorted(contents(folder).keys() ^ contents(alone).keys())
            right, told = right + (codes == [0, 0]), told + (codes != [0, 0])
    return right, told


def same(one: dict[str, bytes], other: dict[str, bytes]) -> bool:
    """Whether both hold the same files. The prepared set tells the folder of its photos, and a batch its own folder."""
    told = (".json", ".jsonl", ".keras")
    return one.keys() == other.keys() and all(one[name] == other[name] for name in one if not name.endswith(told))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("kinds", nargs="*", default=list(KINDS))
    options = parser.parse_args()
    for kind in options.kinds:
        right, told = run(kind, options.pairs)
        print(f"{kind}: {right} of {options.pairs} pairs with both right, {told} with one told", flush=True)


if __name__ == "__main__":
    main()
