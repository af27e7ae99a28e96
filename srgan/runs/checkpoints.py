"""Checkpoints: the full state of training in one file, never half-written, the newest readable one picked up.

A checkpoint is an uncompressed .npz (arrays by name) whose entry "about" is JSON: stage, step, settings, data set, loss
history, time, line of descent, and the checksum of all arrays. Reading one never runs code, and never takes more memory
than the file has bytes.

The line of descent ("line") tells the lives of a run apart: [life, step at which it began] of each session that trained
it, oldest first. Two machines that both went on from step 80 have lines that part there. The later life is the newer one,
and within it the later step: a step number alone does not win.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from srgan.errors import SRGANError
from srgan.runs.outside import ANYTHING, NUMBER, TEXT, Damaged, Kind, check, parse_json, read_arrays, whole
from srgan.runs.paths import write_atomically

FORMAT = 1
STEPS = whole(0, 10**8 - 1)  # eight digits in a file's name


def _is_time(value) -> bool:
    try:
        return isinstance(value, str) and 1970 < datetime.datetime.fromisoformat(value).year < 9000
    except ValueError:
        return False


# What a checkpoint says of itself, where it says it at all; the second is what going on from it needs.
ABOUT = {
    "format": whole(FORMAT, FORMAT),
    "stage": TEXT,
    "step": STEPS,
    "saved?": Kind("a time", _is_time),
    "seconds?": NUMBER,
    "history?": TEXT,
    "window?": [{...: [NUMBER]}],
    "config?": {...: ANYTHING},
    "data?": TEXT,
    "before?": [{...: ANYTHING}],
    "metrics?": {...: NUMBER},
    "line?": [{"life": TEXT, "begun": STEPS}],
}
NEEDED = dict.fromkeys(("saved", "seconds", "history", "window", "config", "data"), ANYTHING)


@dataclass(frozen=True)
class Checkpoint:
    """The contents of one file."""

    path: Path
    arrays: dict[str, np.ndarray]
    about: dict

    @property
    def step(self) -> int:
        return self.about["step"]


def save(folder: Path, arrays: dict[str, np.ndarray], about: dict, keep: int, hourly: int = 0, best: bool = False) -> Path:
    """Write a checkpoint of `about["stage"]` at `about["step"]`, read it back, then remove the old ones.

    The newest `keep` stay; so do, where asked for, the last ones of the newest `hourly` hours and the `best` by
    `about["metrics"]["psnr_y"]`.

    Raises SRGANError if a value is not finite (the training went wrong, and the good checkpoints stay) or if the
    file cannot be written.
    """
    broken = [name for name, array in arrays.items() if array.dtype.kind == "f" and not np.isfinite(array).all()]
    if broken:
        raise SRGANError(f"Not saved: {broken[0]} is not finite. The checkpoints before it are untouched.")
    path = folder / f"{about['stage']}-{about['step']:08d}.npz"
    contents = arrays | {"about": np.frombuffer(json.dumps({"format": FORMAT} | about).encode(), np.uint8)}

    def write(temporary: Path) -> None:
        with open(temporary, "wb") as file:
            np.savez(file, sha256=_sha256(contents), **contents)
        try:
            read(temporary, path.name)
        except (Damaged, FileNotFoundError) as error:
            raise OSError(f"it reads back wrong: {error}") from error

    write_atomically(path, write)
    _remove_old(path, about["stage"], keep, hourly, best)
    return path


def _remove_old(latest: Path, stage: str, keep: int, hourly: int, best: bool) -> None:
    # Files of later steps are left alone: they could not be read, and must not push out those that can be.
    paths = [path for path in _latest_first(latest.parent, stage) if path.name <= latest.name]
    kept, old = set(paths[:keep]), paths[keep:]
    if old and (hourly or best):
        abouts = {path: told for path in paths if (told := read_about(path)) is not None}
        hours: dict[str, Path] = {}
        for path, told in abouts.items():
            hours.setdefault(told.get("saved", "")[:13], path)
        kept |= set(list(hours.values())[:hourly])
        if best:
            kept.add(max(abouts, key=lambda path: abouts[path].get("metrics", {}).get("psnr_y", -np.inf)))
    for path in old:
        if path not in kept:
            path.unlink(missing_ok=True)


def newest(folder: Path, stage: str) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint of `stage` that can be gone on from, and a sentence for each newer one that cannot."""
    complaints = []
    for path in _newest_first(folder, stage):
        try:
            checkpoint = read(path)
            check(checkpoint.about, NEEDED, f"{path} cannot be gone on from: it")
            return checkpoint, complaints
        except (Damaged, FileNotFoundError) as error:
            complaints.append(f"{error}: passed over.")
    return None, complaints


def about(folder: Path, stage: str) -> Iterator[dict]:
    """What the checkpoints of `stage` say of themselves, newest first; unreadable ones are left out."""
    return (told for path in _newest_first(folder, stage) if (told := read_about(path)) is not None)


def read_about(path: Path, name: str = "") -> dict | None:
    """What the checkpoint at `path` says of itself; None if it cannot be read. `name`: the file's true one, if `path` is a copy."""
    try:
        return _about(read_arrays(path, only=("about",)), path, name or path.name)
    except (Damaged, FileNotFoundError):
        return None


def read(path: Path, name: str = "") -> Checkpoint:
    """All of the file. Raises Damaged if it is not what was saved, FileNotFoundError if it is gone."""
    arrays = read_arrays(path)
    if "sha256" not in arrays or not np.array_equal(arrays["sha256"], _sha256(arrays)):
        raise Damaged(f"{path} cannot be read (its checksum does not hold)")
    about = _about(arrays, path, name or path.name)
    return Checkpoint(path, {key: array for key, array in arrays.items() if key not in ("sha256", "about")}, about)


def _about(arrays: dict[str, np.ndarray], path: Path, name: str) -> dict:
    try:
        if "about" not in arrays:
            raise Damaged("it says nothing of itself")
        about = parse_json(arrays["about"].tobytes(), ABOUT, "what it says of itself")
        if name != f"{about['stage']}-{about['step']:08d}.npz":
            raise Damaged(f"it is of stage {about['stage'][:40]!a}, step {about['step']}")
    except Damaged as error:
        raise Damaged(f"{path} cannot be read ({error})") from error
    return about


def line(about: dict) -> list[dict]:
    """The lives that led to a checkpoint, oldest first: [{"life": name, "begun": step}]; older checkpoints tell none."""
    return about.get("line", [])


def rank(about: dict) -> tuple[int, int]:
    """What makes one checkpoint of a stage newer than another: the number of lives, then the step."""
    return len(line(about)), about["step"]


def leads_to(earlier: dict, later: dict) -> bool:
    """Whether the checkpoint that says `earlier` lies on the line of the one that says `later`."""
    mine, theirs = line(earlier), line(later)
    if mine != theirs[: len(mine)]:
        return False
    return earlier["step"] <= (later["step"] if len(mine) == len(theirs) else theirs[len(mine)]["begun"])


def _sha256(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """32 bytes that depend on all names, types, shapes and values, but for an entry "sha256"."""
    digest = hashlib.sha256()
    for name in sorted(arrays.keys() - {"sha256"}):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]))
    return np.frombuffer(digest.digest(), np.uint8)


def _newest_first(folder: Path, stage: str) -> list[Path]:
    """By `rank`; those that say nothing of themselves where their steps would stand."""
    paths = _latest_first(folder, stage)
    abouts = {path: read_about(path) for path in paths}
    lives = max((len(line(told)) for told in abouts.values() if told), default=0)
    return sorted(paths, key=lambda p: rank(abouts[p]) if abouts[p] else (lives, int(p.stem[-8:])), reverse=True)


def _latest_first(folder: Path, stage: str) -> list[Path]:
    """By step."""
    pattern = re.compile(rf"{stage}-\d{{8}}\.npz")
    return sorted((path for path in folder.glob(f"{stage}-*.npz") if pattern.fullmatch(path.name)), reverse=True)
