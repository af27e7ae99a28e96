"""Files from outside, mutated at random: each must end in right values or a sentence, in bounded memory.

python -m tests.mutations --examples 10000
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from srgan.config import settings
from srgan.data.dataset import Dataset
from srgan.data.preparation import prepare
from srgan.errors import SRGANError
from srgan.results import evaluation
from srgan.runs import checkpoints, history
from srgan.runs.drive import Mirror
from srgan.runs.heartbeat import Heartbeat
from srgan.runs.paths import Paths

MEMORY = 2 * 10**9  # bytes that reading one file may take besides what the process has
HOSTILE = (b"1e999", b"-1", b"null", b"{}", b"[]", b'"x"', b"9" * 5000, b"NaN", b"[" * 100_000, b"\0", b"\xff", b"true", b"../../x")
CONFIG = settings(hr_size=16, batch_size=2, blocks=1, filters=4)


def mutated(content: bytes, rng: random.Random) -> bytes:
    """`content` with one thing wrong: bits, cut, doubled, zeroed, or a number or text replaced by something hostile."""
    at, length = rng.randrange(len(content)), rng.randrange(1, 64)
    kind = rng.randrange(7)
    if kind == 0:
        return content[:at]
    if kind == 1:
        return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]
    if kind == 2:
        return content[:at] + rng.randbytes(length) + content[at + length :]
    if kind == 3:
        return content[:at] + content[at + length :]
    if kind == 4:
        return content[:at] + content[max(at - length, 0) : at] + content[at:]
    if kind == 5:
        return content[:at] + bytes(length) + content[at + length :]
    return content[:at] + rng.choice(HOSTILE) + content[at + rng.randrange(12) :]


class Reader:
    """One kind of file: an untouched one, and what reading it must give."""

    def __init__(self, path: Path, read: Callable[[], object], same: Callable[[object], bool]):
        self.path, self.read, self.same = path, read, same
        self.content = path.read_bytes()

    def outcome(self, content: bytes) -> str:
        """ "right", "left out" or "told". Raises AssertionError for wrong values, and whatever else the reader raises."""
        self.path.write_bytes(content)
        try:
            value = self.read()
        except SRGANError as error:
            assert len(str(error)) > 10
            return "told"
        finally:
            self.path.write_bytes(self.content)
        if not value:
            return "left out"
        assert self.same(value), f"other values: {str(value)[:300]}"
        return "right"


def readers(root: Path) -> dict[str, Reader]:
    """One of each kind, in the empty folder `root`."""
    paths = Paths(root / "machine", "run", root / "drive")
    about = {"stage": "srgan", "step": 7, "saved": "2026-11-25T20:00:00+00:00", "seconds": 1.5, "history": "step,loss\n1,2\n",
             "window": [{"loss": [0.5]}], "config": {"blocks": 1}, "data": "x", "line": [{"life": "a", "begun": 0}]}  # fmt: skip
    arrays = {"generator/a": np.arange(60, dtype=np.float32).reshape(3, 4, 5), "n": np.arange(3)}
    file = checkpoints.save(paths.checkpoints, arrays, about, keep=2)
    text = "step,loss,learning_rate,images_per_second\n"
    text += "".join(f"{i},{1 / i:.4f},0.001,5\n" for i in range(1, 30))
    paths.history("srgan").parent.mkdir(parents=True)
    paths.history("srgan").write_text(text)
    paths.drive.mkdir()
    mirror = Mirror(paths, paths.drive)
    mirror.copy_all()
    entries, _ = mirror._read_manifest()
    sets = {"held-out": {"srgan": {"psnr_y": 30.5, "images": 2}}}
    results = {"sets": sets, "steps": {"srgan": 7}, "seconds": 1.5, "machine": "m", "commit": "c"}
    (root / "results.json").write_text(json.dumps(results))
    beat = Heartbeat(paths.session)
    beat._beat()
    session = beat._read()
    dataset = _dataset(root)
    manifest = dataset.manifest
    return {
        "checkpoint": Reader(file, lambda: checkpoints.newest(paths.checkpoints, "srgan")[0],
                             lambda found: all(np.array_equal(found.arrays[name], arrays[name]) for name in arrays)),
        "loss CSV": Reader(paths.history("srgan"), lambda: history.read(paths.history("srgan")), lambda found: _plain(found)),
        "proven list": Reader(paths.drive / "model/run/proven.json", lambda: mirror._read_manifest()[0],
                              lambda found: found.keys() != entries.keys() or all(_is_entry(entry) for entry in found.values())),
        "results": Reader(root / "results.json", lambda: evaluation._read_results(root / "results.json"),
                          lambda found: isinstance(str(evaluation.table(found)), str)),
        "heartbeat": Reader(paths.session, beat._read, lambda found: found.keys() >= session.keys() and 0 < found["pid"] < 2**31),
        "manifest of photos": Reader(dataset.folder / "manifest.json", lambda: Dataset(dataset.folder, CONFIG),
                                     lambda found: found.manifest["train"] == manifest["train"]),
        "pack of photos": Reader(dataset.folder / "train.u8", lambda: Dataset(dataset.folder, CONFIG),
                                 lambda found: bool((found.train.pair(0)[1] == dataset.train.pair(0)[1]).all())),
        "weights' card": _card(root),
    }  # fmt: skip


def _plain(rows: list[dict]) -> bool:
    return all(abs(value) < 1e300 for row in rows for value in row.values()) and all(row["step"] >= 0 for row in rows)


def _is_entry(entry: dict) -> bool:
    return type(entry["bytes"]) is int and entry["bytes"] >= 0 and len(entry["sha256"]) == 64


def _dataset(root: Path) -> Dataset:
    (root / "photos").mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 24, 3), np.uint8)
        Image.fromarray(pixels).save(root / "photos" / f"{number}.png")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return prepare(CONFIG.replace(dataset=f"folder:{root / 'photos'}"), Paths(root / "prepared", "run"))


def _card(root: Path) -> Reader:
    from srgan.models import networks
    from srgan.runs import weights

    path = root / "srgan.weights.h5"
    weights.save(path, networks.generator(CONFIG), CONFIG, {"stage": "srgan", "step": 7, "seconds": 1.5, "before": []})
    return Reader(weights.card_path(path), lambda: weights.card(path), lambda found: 0 <= found["network"]["blocks"] <= 512)


@contextlib.contextmanager
def bounded_memory():
    """The address space may grow by MEMORY at most."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def run(examples: int, seed: int = 1) -> dict[str, Counter]:
    """Outcomes of so many mutations of each kind of file. Raises what a reader raises, with the seed that makes it."""
    told = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, reader in readers(Path(folder)).items():
            assert reader.outcome(reader.content) == "right", kind
            told[kind] = Counter()
            with bounded_memory():
                for number in range(seed, seed + examples):
                    try:
                        told[kind][reader.outcome(mutated(reader.content, random.Random(f"{kind} {number}")))] += 1
                    except Exception as error:
                        raise AssertionError(f"{kind}, mutation {number}: {type(error).__name__}: {error}") from error
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begun = time.monotonic()
    for kind, outcomes in run(options.examples, options.seed).items():
        print(f"{kind}: " + ", ".join(f"{count:,} {what}" for what, count in sorted(outcomes.items())))
    print(f"{time.monotonic() - begun:.0f} s; no reader took more than {MEMORY / 1e9:g} GB")


if __name__ == "__main__":
    main()
