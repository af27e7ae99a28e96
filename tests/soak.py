"""Kill training at random moments, again and again, and compare its end with a run that was never touched.

python -m tests.soak --kills 40 --seed 1
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from srgan import presets
from srgan.config import Config
from srgan.runs import history
from srgan.runs.checkpoints import newest
from srgan.runs.paths import PROJECT, open_workdir

SPEED_COLUMNS = ("images_per_second",)  # the only numbers that may differ: they measure time


def tiny(steps: int, save_minutes: float) -> Config:
    """A network small enough to live and die within seconds, on the real sample photos."""
    return presets.preset(
        "quick", run="soak", deterministic=True, blocks=1, filters=4, tail_filters=4, hr_size=32, batch_size=2,
        discriminator_filters=2, discriminator_dense=4, chroma_weight=1.0, spectrum_weight=0.1, label_noise=0.05, warmup_steps=5,
        pretrain_steps=steps, gan_steps=steps, log_every=3, sample_every=10, save_minutes=save_minutes,
    )  # fmt: skip


def live(workdir: Path, drive: Path, steps: int, save_minutes: float) -> None:
    """The child: both stages, from whatever is there to the end."""
    from srgan.runs.load_tensorflow import load_tensorflow

    load_tensorflow()
    from srgan.runs.progress import Progress
    from srgan.train import training

    class Heard(Progress):
        def saved(self, path: Path) -> None:
            print("saved", path.name, flush=True)

    config = tiny(steps, save_minutes)
    paths = open_workdir(workdir, config.name, drive)
    for stage in config.stages:
        training.fit(config, paths, stage, Heard())


def start(workdir: Path, drive: Path, steps: int, save_minutes: float) -> subprocess.Popen:
    command = [sys.executable, "-m", "tests.soak", "--child", workdir, drive, "--steps", steps, "--save-minutes", save_minutes]
    return subprocess.Popen(
        [str(part) for part in command], cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def torture(folder: Path, kills: int, steps: int, chance: random.Random) -> dict[str, int]:
    """Run to the end through `kills` SIGKILLs; returns what happened. Some lives begin on a fresh machine."""
    workdir, drive = folder / "machine", folder / "drive"
    told = {"kills": 0, "in start-up": 0, "fresh machines": 0, "passed over": 0}
    while True:
        process = start(workdir, drive, steps, save_minutes=0.0)
        if told["kills"] < kills:
            if chance.random() < 0.2:
                told["in start-up"] += 1
                time.sleep(chance.uniform(0.0, 6.0))
            else:
                _until_saved(process, told)
                time.sleep(chance.uniform(0.0, 0.6))
            if process.poll() is None:
                process.kill()
                told["kills"] += 1
        output, _ = process.communicate()
        told["passed over"] += output.count("passed over")
        if process.returncode == 0:
            return told
        if process.returncode != -9:
            raise SystemExit(f"A life ended by itself with status {process.returncode}:\n{output}")
        if chance.random() < 0.25:
            told["fresh machines"] += 1
            shutil.rmtree(workdir, ignore_errors=True)


def _until_saved(process: subprocess.Popen, told: dict[str, int]) -> None:
    for line in process.stdout:
        told["passed over"] += line.count("passed over")
        if line.startswith("saved"):
            return


def differences(untouched: Path, tortured: Path) -> list[str]:
    """Everything in which the two working directories differ, but for times."""
    found = []
    for stage in tiny(1, 1.0).stages:
        one, other = (newest(folder / "model" / "soak" / "checkpoints", stage)[0] for folder in (untouched, tortured))
        if one.step != other.step or set(one.arrays) != set(other.arrays):
            found.append(f"{stage}: other steps or arrays")
            continue
        found += [
            f"{stage}: {name}"
            for name in one.arrays
            if name != "history" and not np.array_equal(one.arrays[name], other.arrays[name])
        ]
        rows = [history.read(folder / "loss" / "soak" / f"{stage}.csv") for folder in (untouched, tortured)]
        for row in rows[0] + rows[1]:
            for column in SPEED_COLUMNS:
                row.pop(column)
        if rows[0] != rows[1]:
            found.append(f"{stage}: loss history")
    samples = [
        {path.name: path.read_bytes() for path in (folder / "output" / "soak" / "samples").glob("*.png")}
        for folder in (untouched, tortured)
    ]
    found += [name for name in samples[0].keys() | samples[1].keys() if samples[0].get(name) != samples[1].get(name)]
    return found


def soak(kills: int, seed: int, steps: int) -> tuple[dict[str, int], list[str]]:
    """The whole experiment in a temporary folder."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for drive in (folder / "untouched-drive", folder / "tortured" / "drive"):  # a Drive is there before a run is
            drive.mkdir(parents=True)
        reference = start(folder / "untouched", folder / "untouched-drive", steps, save_minutes=5.0)
        output, _ = reference.communicate()
        if reference.returncode != 0:
            raise SystemExit(f"The untouched run failed:\n{output}")
        told = torture(folder / "tortured", kills, steps, random.Random(seed))
        return told, differences(folder / "untouched", folder / "tortured" / "machine")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=0, help="of each stage (default: 6 a kill)")
    parser.add_argument("--child", nargs=2, metavar=("WORKDIR", "DRIVE"), help=argparse.SUPPRESS)
    parser.add_argument("--save-minutes", type=float, default=0.0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    steps = options.steps or 6 * options.kills
    if options.child:
        live(Path(options.child[0]), Path(options.child[1]), steps, options.save_minutes)
        return 0
    told, found = soak(options.kills, options.seed, steps)
    print(", ".join(f"{count} {what}" for what, count in told.items()), f"over 2 x {steps} steps")
    print(f"{len(found)} differences from the untouched run", *found, sep="\n  ")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
