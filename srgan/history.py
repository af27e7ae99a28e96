"""The loss history of one stage: a CSV that only grows, and is cut back to the checkpoint when training resumes."""

from __future__ import annotations

import csv
from pathlib import Path

from srgan.errors import SRGANError
from srgan.paths import write_atomically


class History:
    """Rows of numbers under loss/, one every few steps; the first column is the step."""

    def __init__(self, path: Path, columns: tuple[str, ...], step: int):
        """Open the history of a run that stands at `step`; rows beyond it, of work that was lost, are cut off."""
        self.path, self._columns = path, columns
        kept = [row for row in read(path) if row["step"] <= step]
        write_atomically(path, lambda temporary: _write(temporary, columns, kept))

    def append(self, row: dict[str, float]) -> None:
        """Add one row. Raises SRGANError if it cannot be written."""
        try:
            with open(self.path, "a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, self._columns).writerow(_format(row))
        except OSError as error:
            raise SRGANError(
                f"{self.path} could not be written ({error.strerror}). The last checkpoint is good: "
                "free some space, then run the same again."
            ) from error


def read(path: Path) -> list[dict[str, float]]:
    """The rows of a history, oldest first; none if there is no such file. A row torn by a crash is left out."""
    if not path.is_file():
        return []
    rows = []
    whole = path.read_text(encoding="utf-8", errors="replace").rpartition("\n")[0]  # behind the last line end: a torn row
    for row in csv.DictReader(whole.splitlines()):
        try:
            rows.append({name: float(value) for name, value in row.items()})
        except (TypeError, ValueError):
            continue
    return rows


def _write(path: Path, columns: tuple[str, ...], rows: list[dict[str, float]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(_format(row) for row in rows)


def _format(row: dict[str, float]) -> dict[str, str]:
    return {name: str(int(value)) if name == "step" else f"{value:.7g}" for name, value in row.items()}
