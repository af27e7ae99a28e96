"""Checkpoints: the full state of training in one file, never half-written, the newest readable one picked up.

A checkpoint is an uncompressed .npz (arrays by name) whose entry "about" is JSON: stage, step, settings, data set, loss
history, time, and the checksum of all arrays. Reading one never runs code (`allow_pickle=False`).
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from srgan.errors import SRGANError
from srgan.runs.paths import write_atomically

FORMAT = 1
# What json, numpy and zipfile raise on a damaged file; RuntimeError: it seems encrypted, or compressed in an unknown way.
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile)


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
            _read(temporary)
        except _UNREADABLE as error:
            raise OSError(f"it reads back wrong: {error}") from error

    write_atomically(path, write)
    _remove_old(path, about["stage"], keep, hourly, best)
    return path


def _remove_old(latest: Path, stage: str, keep: int, hourly: int, best: bool) -> None:
    # Files of later steps are left alone: they could not be read, and must not push out those that can be.
    paths = [path for path in _newest_first(latest.parent, stage) if path.name <= latest.name]
    kept, old = set(paths[:keep]), paths[keep:]
    if old and (hourly or best):
        abouts = {path: told for path in paths if (told := read_about(path)) is not None}
        hours: dict[str, Path] = {}
        for path, told in abouts.items():
            hours.setdefault(told["saved"][:13], path)
        kept |= set(list(hours.values())[:hourly])
        if best:
            kept.add(max(abouts, key=lambda path: abouts[path].get("metrics", {}).get("psnr_y", -np.inf)))
    for path in old:
        if path not in kept:
            path.unlink(missing_ok=True)


def newest(folder: Path, stage: str) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint of `stage` that can be read, and a sentence for each newer one that cannot."""
    complaints = []
    for path in _newest_first(folder, stage):
        try:
            return _read(path), complaints
        except _UNREADABLE as error:
            complaints.append(f"{path} cannot be read ({error}): passed over.")
    return None, complaints


def about(folder: Path, stage: str) -> Iterator[dict]:
    """What the checkpoints of `stage` say of themselves, newest first; unreadable ones are left out."""
    return (told for path in _newest_first(folder, stage) if (told := read_about(path)) is not None)


def read_about(path: Path) -> dict | None:
    """What the checkpoint at `path` says of itself; None if it cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return json.loads(file["about"].tobytes())
    except _UNREADABLE:
        return None


def _read(path: Path) -> Checkpoint:
    """All of the file. Raises one of _UNREADABLE if it is not what was saved."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    if not np.array_equal(arrays["sha256"], _sha256(arrays)):
        raise ValueError("its checksum does not hold")
    about = json.loads(arrays.pop("about").tobytes())
    if about["format"] != FORMAT:
        raise ValueError(f"format {about['format']}, this version reads {FORMAT}")
    del arrays["sha256"]
    return Checkpoint(path, arrays, about)


def _sha256(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """32 bytes that depend on all names, types, shapes and values, but for an entry "sha256"."""
    digest = hashlib.sha256()
    for name in sorted(arrays.keys() - {"sha256"}):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]))
    return np.frombuffer(digest.digest(), np.uint8)


def _newest_first(folder: Path, stage: str) -> list[Path]:
    pattern = re.compile(rf"{stage}-\d{{8}}\.npz")
    return sorted((path for path in folder.glob(f"{stage}-*.npz") if pattern.fullmatch(path.name)), reverse=True)
