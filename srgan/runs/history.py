"""The loss history of one stage: a CSV that only grows, and begins again from what the checkpoint kept of it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np

from srgan.errors import SRGANError
from srgan.runs.outside import MOST_JSON, Damaged, open_regular
from srgan.runs.paths import write_atomically

NOT_LOSSES = ("step", "learning_rate", "images_per_second")


class History:
    """Rows of numbers under loss/, one every few steps; the first column is the step."""

    def __init__(self, path: Path, columns: tuple[str, ...], text: str = ""):
        """Begin the file anew with `text`, what a checkpoint kept of it: rows of work that was lost are gone."""
        self.path, self._columns = path, columns
        self.text = text or ",".join(columns) + "\n"
        write_atomically(path, lambda temporary: temporary.write_text(self.text, encoding="utf-8"))

    def append(self, row: dict[str, float]) -> None:
        """Add a row with a number for each column. Raises SRGANError if it cannot be written."""
        line = ",".join(str(int(row[name])) if name == "step" else f"{row[name]:.7g}" for name in self._columns) + "\n"
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise SRGANError(
                f"{self.path} could not be written ({error.strerror or error}). Free some space and run the same again."
            ) from error
        self.text += line


def read(path: Path) -> list[dict[str, float]]:
    """The rows of a history, oldest first; none if there is no such file, or a vast one. A row torn by a crash is left out."""
    try:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size > MOST_JSON:
                return []
            return parse(file.read().decode("utf-8", "replace"))
    except (Damaged, OSError):
        return []


def parse(text: str) -> list[dict[str, float]]:
    """The rows of a history's `text`; what stands behind the last line end, or is no number, is left out."""
    head, *lines = text.rpartition("\n")[0].split("\n")
    names = head.strip().split(",")
    rows = []
    for line in lines if names[0] == "step" and len(set(names)) == len(names) else ():
        with contextlib.suppress(ValueError):
            row = dict(zip(names, map(float, line.split(",")), strict=True))
            if all(abs(value) < 1e300 for value in row.values()) and row["step"] >= 0:  # not so of what is no number
                rows.append(row)
    return rows


def summary(rows: list[dict[str, float]]) -> list[dict[str, str | float]]:
    """{"loss", "mean", "standard deviation", "minimum"} of every loss recorded in `rows`, in order of columns.

    Each row is itself a mean, of the steps since the row before; the standard deviation is that of the rows.
    """
    names = [name for name in (rows[0] if rows else {}) if name not in NOT_LOSSES]
    columns = {name: np.array([row[name] for row in rows]) for name in names}
    return [
        {"loss": name, "mean": float(values.mean()), "standard deviation": float(values.std()), "minimum": float(values.min())}
        for name, values in columns.items()
    ]


def thinned(rows: list[dict[str, float]], most: int) -> list[dict[str, float]]:
    """`rows`, or where there are more than `most` the means of equal groups of them, each at its last step."""
    size = -(-len(rows) // most)
    if size <= 1:
        return rows
    groups = [rows[max(end - size, 0) : end] for end in range(len(rows), 0, -size)]  # from the end: the newest is whole
    means = [{name: sum(row[name] for row in group) / len(group) for name in group[0]} for group in reversed(groups)]
    return [mean | {"step": group[-1]["step"]} for mean, group in zip(means, reversed(groups), strict=True)]


def smooth(values: np.ndarray) -> np.ndarray:
    """A running mean over about a thirtieth of the rows, shorter at both ends."""
    width = max(len(values) // 30, 1)
    sums = np.convolve(values, np.ones(width), "same")
    return sums / np.convolve(np.ones(len(values)), np.ones(width), "same")
