"""Commands small enough to be killed (tests/kills.py) or run twice (tests/pairs.py) again and again, each in a process of its own.

The processes are forked from one that has loaded TensorFlow, so that none of them has to load it.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import shutil
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
from PIL import Image

from srgan.runs.paths import PROJECT
from tests import clips
from tests.archives import zip_of
from tests.servers import Server

WEIGHTS = "fast"
TOLD = (".json", ".keras", ".pb")
CONTENT = bytes(range(256)) * 2**12  # of the file that is fetched
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tensorflow", "srgan.upscale.export", "srgan.upscale.video", "srgan.results.comparisons"])


def prepare(folder: Path, base: str) -> int:
    return _srgan("prepare", "--dataset", f"folder:{folder / 'photos'}", "--workdir", folder, "--set", "hr_size=32")


def fetch(folder: Path, base: str) -> int:
    from srgan.data.fetch import RemoteFile, fetch

    checksum = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    fetch(RemoteFile("a.bin", (f"{base}/slow/a.bin",), len(CONTENT), checksum), folder)
    return 0


def unpack(folder: Path, base: str) -> int:
    from srgan.data.unpack import unpack

    unpack(folder.parent / "archive.zip", folder / "out", lambda name: name)
    return 0


def _films_alike() -> None:
    """Let equal frames become equal bytes: with its macroblock tree x264 ends in others now and then, on one thread too."""
    from srgan.upscale import video_writer

    video_writer.ENCODERS["libx264"]["x264-params"] = "mbtree=0"


def upscale(folder: Path, base: str) -> int:
    _films_alike()
    return _srgan("upscale", folder / "photos", "-o", folder / "out", "--model", WEIGHTS)


def film(folder: Path, base: str) -> int:
    """Each frame is a part of its own, from which the next life goes on; a film that is there is whole, and not made again."""
    from srgan.upscale import video_segments

    if (folder / "out.mp4").exists():
        return 0
    _films_alike()
    video_segments.SECONDS = 0.0
    return _srgan("upscale", folder / "photos" / "clip.mp4", "-o", folder / "out.mp4", "--model", WEIGHTS)


def export(folder: Path, base: str) -> int:
    return _srgan("export", WEIGHTS, "--format", "keras", "-o", folder / "out.keras", "--force")


def export_folder(folder: Path, base: str) -> int:
    return _srgan("export", WEIGHTS, "--format", "savedmodel", "-o", folder / "out", "--force")


def evaluate(folder: Path, base: str) -> int:
    place = ("--dataset", f"folder:{folder / 'photos'}", "--workdir", folder)
    return _srgan("evaluate", *place, "--set", "hr_size=32", "--set", "gan_steps=0", "--set", "test_fraction=0.5")


def ship(folder: Path, base: str) -> int:
    """`python -m tools ship` in a project of its own."""
    from srgan.runs import weights
    from tools import readme
    from tools.__main__ import main

    project = folder / "project"
    weights.PROJECT = readme.PROJECT = project
    readme.BEFORE_AND_AFTER, readme.DETAILS = project / "docs" / "before_after.jpg", project / "docs" / "weights.jpg"
    readme.DETAILS_OF = readme.DETAILS_OF[:1]
    os.environ["SRGAN_BENCHMARKS"] = str(folder / "photos" / "benchmarks")
    return main(["ship", WEIGHTS, str(_weights(folder)), "--photos", "mine"])


def _srgan(*arguments) -> int:
    from srgan.__main__ import main

    return main([str(argument) for argument in arguments])


KINDS: dict[str, Callable[[Path, str], int]] = {
    kind.__name__: kind for kind in (prepare, fetch, unpack, upscale, film, export, export_folder, evaluate, ship)
}


def _weights(folder: Path) -> Path:
    """Where those lie that are measured: as a run would have left them."""
    return folder / "model" / "quick" / "srresnet.weights.h5"


def make(folder: Path) -> Path:
    """What the commands work on, in `folder` and beside it."""
    (folder / "photos" / "benchmarks").mkdir(parents=True)
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{number:02d}.png")
        for name in ("Set5", "Set14", "BSD100"):
            for side, step in (("HR", 1), ("LR_x4", 4)):
                path = folder / "photos" / "benchmarks" / name / side / f"{number:02d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels[::step, ::step]).save(path)
    clips.write(folder / "photos" / "clip.mp4", stamps=range(30))
    zip_of(folder.parent / "archive.zip", {f"{number}.jpg": bytes(1000) * number for number in range(300)})
    _weights(folder).parent.mkdir(parents=True)
    for ending in (".weights.h5", ".json"):
        shutil.copy(PROJECT / "model" / f"{WEIGHTS}{ending}", _weights(folder).parent / f"srresnet{ending}")
    (folder / "project" / "docs").mkdir(parents=True)
    (folder / "project" / "model").mkdir()
    shutil.copy(PROJECT / "README.md", folder / "project")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """All that lies in `folder` but the photos that were put there."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
        if not path.is_relative_to(folder / "photos")
    }


def differing(one: Path, other: Path) -> list[str]:
    """The files that are not the same below both. What tells places and times, or is of no fixed order, must be there."""
    mine, theirs = contents(one), contents(other)

    def same(name: str) -> bool:
        return name in mine and name in theirs and (mine[name] == theirs[name] or name.endswith(TOLD) or "/variables." in name)

    return sorted(name for name in mine.keys() | theirs.keys() if not same(name))


def start(kind: str, folder: Path, server: Server) -> BaseProcess:
    """The command at work; what it says goes to a file beside `folder`."""
    server.files["a.bin"] = CONTENT
    process = PROCESSES.Process(target=_live, args=(kind, folder, server.base))
    process.start()
    return process


def _live(kind: str, folder: Path, base: str) -> None:
    said = os.open(folder.parent / f"said-{os.getpid()}.txt", os.O_WRONLY | os.O_CREAT)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.chdir(PROJECT)
    sys.exit(KINDS[kind](folder, base))


def said(process: BaseProcess, folder: Path) -> str:
    return (folder.parent / f"said-{process.pid}.txt").read_text()


def command_line(about: str, run: Callable[[str, int, int], str], count: int) -> None:
    """`run(kind, count, seed)` for the kinds that the shell names, or all; prints the sentence that it returns."""
    parser = argparse.ArgumentParser(description=about.split("\n")[0])
    parser.add_argument("--count", type=int, default=count, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("kinds", nargs="*", default=list(KINDS))
    options = parser.parse_args()
    for kind in options.kinds:
        print(f"{kind}: {run(kind, options.count, options.seed)}", flush=True)
