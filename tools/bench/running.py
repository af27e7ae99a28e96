"""What surrounds the steps: batches from memory and from disk, a checkpoint's cost, the way back into training."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import srgan.data.dataset
from srgan.config import Config
from srgan.data import preparation
from srgan.data.dataset import Dataset
from srgan.runs.paths import PROJECT, Paths, write_json
from tools.bench import work

BATCHES = 10  # of a measurement with a cold page cache


def batches_in_memory(config: Config, folder: Path) -> Callable[[], float]:
    """A measurement of one batch of the data set in `folder`, all of it in memory."""
    dataset, step = Dataset(folder, config), 0

    def batch() -> float:
        nonlocal step
        step += 1
        return dataset.batch(step)[1][0, 0, 0, 0]

    return work.repeated(batch)


def batches_from_disk(config: Config, folder: Path, checked: bool) -> Callable[[], float]:
    """A measurement of one batch of the data set in `folder`, mapped, with nothing of it in the page cache.

    Until a photo is `checked`, in the first epoch, all of it is read and held against its checksum.
    """
    srgan.data.dataset.IN_MEMORY = 0  # so that a pack of any size is mapped
    pack, step = folder / "train.u8", 0

    def measure() -> float:
        nonlocal step
        drop_from_cache(pack)
        dataset = Dataset(folder, config)
        if checked:
            dataset.train._unchecked.clear()
        begun = time.perf_counter()
        for _ in range(BATCHES):
            step += 1
            dataset.batch(step)
        return (time.perf_counter() - begun) / BATCHES  # the mapping goes too: the cache keeps what is mapped

    return measure


def drop_from_cache(path: Path) -> None:
    """Let the system forget the file's pages, so that the next reader waits for the disk."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def enlarge(source: Path, target: Path, copies: int) -> None:
    """A data set of the same photos `copies` times over, each in a place of its own."""
    target.mkdir(parents=True)
    manifest = json.loads((source / "manifest.json").read_text(encoding="utf-8"))
    pixels, photos = (source / "train.u8").read_bytes(), manifest["train"]
    manifest["train"], checksum = [], hashlib.sha256()
    with open(target / "train.u8", "wb") as file:
        for _ in range(copies):
            manifest["train"] += [photo | {"offset": photo["offset"] + file.tell()} for photo in photos]
            file.write(pixels)
            checksum.update(pixels)
    manifest["sha256"]["train"] = checksum.hexdigest()
    manifest.pop("checksum", None)
    (target / "test.u8").write_bytes((source / "test.u8").read_bytes())
    write_json(target / "manifest.json", manifest)


def save(config: Config, stage: str, workdir: Path) -> Callable[[], float]:
    """A measurement of one save of `stage`: metrics, checkpoint and weights, in the data set's working directory."""
    from srgan.train import saving
    from srgan.train.state import State
    from srgan.upscale import network

    paths, state = Paths(workdir, f"{config.name}-{stage}"), State(config, stage)
    dataset = preparation.prepare(config, paths)
    upscaler = network.network(state.generator)
    return work.repeated(lambda: saving.save(config, paths, state, dataset, upscaler).stat().st_size)


def resume(changes: dict, workdir: Path) -> Callable[[], float]:
    """A measurement from a process's start to the end of the first step that it resumes, in the shell's own words."""
    reached = 2
    _pretrain(changes, workdir, reached)

    def measure() -> float:
        nonlocal reached
        reached += 1
        return _pretrain(changes, workdir, reached)

    return measure


def _pretrain(changes: dict, workdir: Path, total: int) -> float:
    """Train in a process of its own until `total`; returns the seconds until it says that it is there."""
    settings = changes | {"run": "resume", "pretrain_steps": total, "log_every": 1}
    command = [sys.executable, "-m", "srgan", "pretrain", "--preset", "quick", "--workdir", workdir]
    command += [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    seconds, said = np.nan, []
    begun = time.perf_counter()
    with subprocess.Popen(
        [str(part) for part in command], cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout:
            said.append(line.strip())
            if line.startswith(f"srresnet step {total} of {total}"):
                seconds = time.perf_counter() - begun
    resumed = any(line.startswith("Going on from") for line in said) or total <= 2
    if process.returncode or np.isnan(seconds) or not resumed:
        raise RuntimeError(f"python -m srgan pretrain did not go on: {said[-1] if said else 'it said nothing'}")
    return seconds
