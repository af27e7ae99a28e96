"""Notebook 04: a small training that is killed on purpose and goes on, beside one that was left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from srgan.results.tables import Table
from srgan.runs import history
from srgan.runs.checkpoints import Checkpoint
from srgan.runs.outside import sha256
from srgan.runs.paths import PROJECT, Paths

SETTINGS = {"blocks": 1, "filters": 8, "hr_size": 32, "batch_size": 4, "pretrain_steps": 200, "gan_steps": 0, "log_every": 5,
            "sample_every": 200, "save_minutes": 0, "warmup_steps": 10, "precision": "float32"}  # fmt: skip
PATIENCE = 300.0  # seconds that a training of these settings takes at most


@dataclass(frozen=True)
class Ended:
    """A training that reached its end."""

    rows: list[dict[str, float]]  # its loss history
    checksum: str  # sha256 of its weights
    killed_at: int  # the last step in its loss history when it was killed; 0: it was left alone


def train(workdir: Path, kill: bool) -> Ended:
    """Train SETTINGS in a process of its own in `workdir`; with `kill` it gets SIGKILL half-way, and the same command goes on."""
    paths = Paths(workdir, "quick")
    changes = [f"--set={name}={value}" for name, value in SETTINGS.items()]
    command = [sys.executable, "-m", "srgan", "pretrain", "--preset", "quick", "--workdir", str(workdir), *changes]
    killed_at = 0
    if kill:
        process = _start(command)
        try:
            killed_at = _wait_for_step(paths, SETTINGS["pretrain_steps"] // 3, process)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    process = _start(command)
    if process.wait(PATIENCE):
        raise RuntimeError(f"The training in {workdir} failed: {process.stderr.read()}")
    return Ended(history.read(paths.history("srresnet")), sha256(paths.weights("srresnet")), killed_at)


def _start(command: list[str]) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "TF_CPP_MIN_LOG_LEVEL": "2"}
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)


def _wait_for_step(paths: Paths, step: int, process: subprocess.Popen) -> int:
    """The last step in the loss history, as soon as it is `step` or more, or the process has ended."""
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        rows = history.read(paths.history("srresnet"))
        if rows and rows[-1]["step"] >= step:
            return int(rows[-1]["step"])
        time.sleep(0.02)
    rows = history.read(paths.history("srresnet"))
    return int(rows[-1]["step"]) if rows else 0


def comparison(alone: Ended, killed: Ended) -> Table:
    """Whether both ended alike: losses row by row, and the weights' checksums."""
    losses = [[(row["step"], row["loss"]) for row in each.rows] for each in (alone, killed)]
    rows = [
        ("left alone", len(alone.rows), f"{alone.rows[-1]['loss']:.7g}", alone.checksum[:16]),
        (f"killed at step {killed.killed_at:,}", len(killed.rows), f"{killed.rows[-1]['loss']:.7g}", killed.checksum[:16]),
        ("equal", losses[0] == losses[1], alone.rows[-1]["loss"] == killed.rows[-1]["loss"], alone.checksum == killed.checksum),
    ]
    return Table(("training", "rows of losses", "last loss", "sha256 of the weights"), rows)


def contents(checkpoint: Checkpoint) -> Table:
    """What a checkpoint holds: arrays and numbers of each part."""
    parts: dict[str, list[int]] = {}
    for name, array in checkpoint.arrays.items():
        parts.setdefault(name.partition("/")[0], []).append(array.size)
    return Table(("part", "arrays", "numbers"), ((part, len(sizes), f"{sum(sizes):,}") for part, sizes in parts.items()))
