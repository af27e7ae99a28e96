"""Where results go: their names, what may be overwritten, and a record of what each result was made from.

The record lies in each folder of results, as a hidden file. By it a second run knows what is done, which files are results
themselves, and which of two inputs of the same name a result belongs to.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from srgan.data import media
from srgan.errors import SRGANError
from srgan.runs.locks import only_one
from srgan.runs.outside import TEXT, Damaged, read_json, whole
from srgan.runs.paths import LONGEST_NAME, write_json

RESULT = re.compile(r"(?<=.)(_x[\d.]+|_w\d+|_w\d+_h\d+|_h\d+)(_preview)?$")  # behind the stem of an input's name (`Size.suffix`)
PANELS = "_panels.png"
RECORD = ".srgan-upscaled.json"
_NUMBER = whole(-(2**62))
RECORDED = {"results": {...: {"source": TEXT, "size": whole(), "changed": _NUMBER, "how": TEXT, "result": [_NUMBER]}}}
# Endings that mean a file and not a folder, where one result is wanted.
FILES = (*media.PICTURES, *media.FILMS, *media.SOUNDS, ".jp2", ".jxl", ".pdf", ".psd", ".svg", ".tga", ".xyz", ".zip")


def require_free(target: Path, source: Path, force: bool = False) -> None:
    """Raises SRGANError if `target` is the source itself, is there already (unless `force`), or has a name that is too long."""
    length = len(os.fsencode(target.name))
    if length > LONGEST_NAME:
        raise SRGANError(
            f"{source}: the name of the result, {target.name}, would have {length} bytes, and {LONGEST_NAME} is the most that a "
            "disk takes. Choose a shorter one with -o."
        )
    if target.exists() and source.exists() and target.samefile(source):
        raise SRGANError(f"{target} would be written over itself, and an input is never overwritten. Choose another name.")
    if os.path.lexists(target) and not force:  # a link that leads nowhere is there, too
        raise SRGANError(f"{target} is there already. Choose another name, or overwrite it with --force.")


class Record:
    """What the results in `folder` were made from."""

    def __init__(self, folder: Path):
        self._path, self.results = folder / RECORD, {}
        with contextlib.suppress(FileNotFoundError, Damaged):  # nothing is known then, and so nothing is overwritten
            self.results = read_json(self._path, RECORDED)["results"]

    def of(self, source: Path, how: str) -> str | None:
        """The name of the result that was made of `source` in this way, if it is there still."""
        place = self._place(source)
        names = [name for name, made in self.results.items() if (made["source"], made["how"]) == (place, how)]
        return next((name for name in names if (self._path.parent / name).exists()), None)

    def is_current(self, name: str, source: Path, how: str) -> bool:
        """Whether the result `name` was made in this way of `source` as it is now."""
        return self.results.get(name, {}) | self._about(source, how) == self.results.get(name)

    def is_untouched(self, name: str) -> bool:
        """Whether the result `name` is as it was made: then it may be made anew."""
        return name in self.results and self.results[name]["result"] == self._stamp(self._path.parent / name)

    def add(self, name: str, source: Path, how: str) -> None:
        """Remember what the result `name` was made of. Raises SRGANError if that cannot be written."""
        made = self._about(source, how) | {"result": self._stamp(self._path.parent / name)}
        with only_one(self._path, quietly=True):  # others may be at work here
            self.results = Record(self._path.parent).results | {name: made}
            write_json(self._path, {"about": "what `python -m srgan upscale` made here, and of what", "results": self.results})

    def _about(self, source: Path, how: str) -> dict:
        size, changed = self._stamp(source)
        return {"source": self._place(source), "size": size, "changed": changed, "how": how}

    @staticmethod
    def _stamp(path: Path) -> list[int]:
        stat = path.stat()
        return [stat.st_size, stat.st_mtime_ns]

    def _place(self, source: Path) -> str:
        """Where the source lies, counted from the folder, so that both can be moved together."""
        try:
            place = os.path.relpath(source.resolve(), self._path.parent.resolve())
        except ValueError:  # on another drive of Windows
            place = str(source.resolve())
        return os.fsencode(Path(place).as_posix()).decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class Job:
    """One result to be made."""

    source: Path
    target: Path
    how: str  # tells one way to make a result from another
    is_done: bool  # by an earlier run
    may_replace: bool  # what lies at `target` was made of the same input, in the same way, and nobody has touched it since


def is_file(out: str) -> bool:
    """Whether -o names a file and not a folder."""
    path = Path(out)
    return path.suffix.lower() in FILES and not out.endswith(("/", os.sep)) and not path.is_dir()


def plan(found: list[tuple[Path, Path]], out: str | None, ending: Callable[[Path], str], how: Callable[[Path], str]) -> list[Job]:
    """Where the result of each of `found` (file, its place below the input) goes, and which are done.

    Beside the input, below the folder `out`, or into the file `out` if there is one input. `ending` gives what stands behind the
    stem, such as "_x4.png"; `how` tells one way to make a result from another (`Job.how`). No two inputs get the same name, and
    none gets the name of another one's result.
    """
    if out is not None and len(found) == 1 and is_file(out):
        target = Path(out)
        record = Record(target.parent)
        own = os.path.exists(found[0][0]) and record.of(found[0][0], how(found[0][0])) == target.name
        return [_job(found[0][0], target, own, record, how(found[0][0]))]
    records: dict[Path, Record] = {}
    jobs, taken = [], set()
    for source, inside in found:
        place = source if out is None else Path(out) / inside
        record = records.setdefault(place.parent, Record(place.parent))
        name = record.of(source, how(source)) if os.path.exists(source) else None
        own = name is not None and place.parent / name not in taken
        if not own:
            name = next(name for name in _names(place, source, ending(source)) if _is_free(place.parent / name, record, taken))
        taken.add(place.parent / name)
        jobs.append(_job(source, place.parent / name, own, record, how(source)))
    return jobs


def _job(source: Path, target: Path, own: bool, record: Record, how: str) -> Job:
    """`own`: whether what lies at `target` was made of `source` in the same way."""
    return Job(source, target, how, own and record.is_current(target.name, source, how), own and record.is_untouched(target.name))


def _names(place: Path, source: Path, ending: str) -> Iterator[str]:
    """Names for the result, the best first: the input's own, with its old ending, with its folder's name, with a number."""
    old = f"{place.stem}_{place.suffix[1:]}" if place.suffix else place.stem
    yield place.stem + ending
    yield old + ending
    yield f"{old}_{source.resolve().parent.name}{ending}"
    number = 2
    while True:
        yield f"{old}_{number}{ending}"
        number += 1


def _is_free(target: Path, record: Record, taken: set[Path]) -> bool:
    """Whether no other input has this name for its result. Files of unknown origin are `require_free`'s matter."""
    return target not in taken and not (target.name in record.results and target.exists())
