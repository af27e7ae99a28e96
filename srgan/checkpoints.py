"""Checkpoints: the full state of training in one file, never half-written, the newest readable one picked up.

A checkpoint is an uncompressed .npz (arrays by name, each with its CRC) whose entry "about" is JSON: stage, step,
settings, data set, time. Reading one never runs code (`allow_pickle=False`).
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from srgan.errors import SRGANError
from srgan.paths import write_atomically

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


def save(folder: Path, arrays: dict[str, np.ndarray], about: dict, keep: int) -> Path:
    """Write a checkpoint of `about["stage"]` at `about["step"]`, read it back, then remove all but the newest `keep`.

    Raises SRGANError if a value is not finite (the training went wrong, and the good checkpoints stay) or if the
    file cannot be written.
    """
    broken = [name for name, array in arrays.items() if array.dtype.kind == "f" and not np.isfinite(array).all()]
    if broken:
        raise SRGANError(f"Not saved: {broken[0]} is not finite. The checkpoints before it are untouched.")
    path = folder / f"{about['stage']}-{about['step']:08d}.npz"
    text = np.frombuffer(json.dumps({"format": FORMAT, "arrays": len(arrays)} | about).encode(), np.uint8)

    def write(temporary: Path) -> None:
        with open(temporary, "wb") as file:
            np.savez(file, about=text, **arrays)
        try:
            _read(temporary)
        except _UNREADABLE as error:
            raise OSError(f"it reads back wrong: {error}") from error

    write_atomically(path, write)
    # Files of later steps are left alone: they could not be read, and must not push out those that can be.
    reached = [old for old in _newest_first(folder, about["stage"]) if old.name <= path.name]
    for old in reached[keep:]:
        old.unlink(missing_ok=True)
    return path


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
    for path in _newest_first(folder, stage):
        try:
            with np.load(path, allow_pickle=False) as file:
                yield json.loads(file["about"].tobytes())
        except _UNREADABLE:
            continue


def _read(path: Path) -> Checkpoint:
    """All of the file, once every CRC is checked: numpy reads no further than an array's header tells it to."""
    with np.load(path, allow_pickle=False) as file:
        damaged = file.zip.testzip()
        if damaged:
            raise ValueError(f"{damaged} is damaged")
        arrays = {name: file[name] for name in file.files}
    about = json.loads(arrays.pop("about").tobytes())
    if about["format"] != FORMAT:
        raise ValueError(f"format {about['format']}, this version reads {FORMAT}")
    if len(arrays) != about.get("arrays", len(arrays)):  # the table of contents is damaged; earlier files do not say
        raise ValueError(f"it holds {len(arrays)} arrays of {about['arrays']}")
    return Checkpoint(path, arrays, about)


def _newest_first(folder: Path, stage: str) -> list[Path]:
    pattern = re.compile(rf"{stage}-\d{{8}}\.npz")
    return sorted((path for path in folder.glob(f"{stage}-*.npz") if pattern.fullmatch(path.name)), reverse=True)
