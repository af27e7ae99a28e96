"""Many files upscaled one after the other. What fails is told at the end and stops nobody else."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from tqdm.auto import tqdm

from srgan.data import media
from srgan.errors import SRGANError
from srgan.runs.locks import only_one
from srgan.runs.outside import printable
from srgan.runs.progress import clock, shows_bars
from srgan.upscale import files
from srgan.upscale.targets import PANELS, RESULT, Job, Record, require_free

Say = Callable[[str], None]


def find(inputs: list[Path], out: Path | None = None, say: Say = tqdm.write) -> tuple[list[tuple[Path, Path]], list[str]]:
    """(file, its place below the input it was found in) of every input, and what cannot be read, in sentences.

    A folder stands for all images and videos in it. Left out are hidden files, results of earlier runs and, with a word to `say`,
    what is neither image nor video. Links are followed, circles not. Raises SRGANError where nothing is found at all.
    """
    found: list[tuple[Path, Path]] = []
    failed: list[str] = []
    for path in inputs:
        if not os.path.isdir(path):  # of Path raises on names that are too long
            found.append((path, Path(path.name)))
            continue
        locked: list[OSError] = []
        files = list(media.walk(path, locked.append))
        failed += [f"The folder {error.filename or path} cannot be read ({error.strerror or error})." for error in locked]
        results = _results(files, out if out and _is_inside(out, path) else None)
        kinds = {file: media.kind(file) for file in files if file not in results}
        found += [(file, file.relative_to(path)) for file, kind in kinds.items() if kind]
        other = [file.name for file, kind in kinds.items() if not kind]
        if other:
            named = ", ".join(other[:5]) + (", ..." if len(other) > 5 else "")
            say(f"{path}: passed over, as neither image nor video: {named}" + (f" ({len(other)} files)" if len(other) > 5 else ""))
        if not any(kinds.values()) and not results and not locked:
            failed.append(f"The folder {path} holds no image and no video, subfolders included.")
    if not found and failed:
        raise SRGANError("\n".join(failed))
    return found, failed


def tell(sentence: str) -> None:
    """Print a line beside the bar. Names of files are strangers' words: escape sequences in them are written out."""
    tqdm.write(printable(sentence))


def _is_inside(out: Path, folder: Path) -> bool:
    return out.resolve() != folder.resolve() and out.resolve().is_relative_to(folder.resolve())


def _results(files: list[Path], out: Path | None) -> set[Path]:
    """Those of `files` that earlier runs made: by the records of their folders, by their names, or as they lie in `out`."""
    records = {folder: Record(folder).results for folder in {file.parent for file in files}}
    stems = {(file.parent, file.stem) for file in files}
    results = set()
    for file in files:
        origin = file.name.removesuffix(PANELS) if file.name.endswith(PANELS) else RESULT.sub("", file.stem)
        by_name = origin != file.stem and (file.parent, origin) in stems
        if file.name in records[file.parent] or by_name or (out and file.resolve().is_relative_to(out.resolve())):
            results.add(file)
    return results


def run(jobs: list[Job], work: Callable[[Path, Path, bool], str], force: bool = False) -> list[str]:
    """`work(source, target, force)` for each job that is not done; it returns a sentence. Prints a line for each.

    Returns what failed, in words. No failure stops the others.
    """
    failed: list[str] = []
    todo = [job for job in jobs if force or not job.is_done]
    for job in jobs:
        if job.is_done and not force:
            tell(f"{job.source}: done earlier, {job.target}")
    pixels = [files.pixels(job.source) if len(todo) > 1 else 0 for job in todo]
    left = TimeLeft(sum(pixels))
    with tqdm(total=left.pixels, unit="pixel", unit_scale=True, disable=len(todo) < 2 or not shows_bars()) as bar:
        for job, its_pixels in zip(todo, pixels, strict=True):
            begun = time.monotonic()
            try:
                said = _do(job, work, force)
            except SRGANError as error:
                failed.append(str(error))
            except Exception as error:  # whatever it is, it must not cost the others; its kind helps whoever reports it
                failed.append(f"{job.source} could not be upscaled ({type(error).__name__}: {error}).")
            else:
                seconds = time.monotonic() - begun
                left.count(its_pixels, seconds)
                tell(f"{job.source} -> {job.target}: {said}, {seconds:.1f} s{left.words() if bar.disable else ''}")
                bar.update(its_pixels)
                continue
            tell(f"{job.source}: failed")
            left.pixels -= its_pixels
            bar.total -= its_pixels
    return failed


def _do(job: Job, work: Callable[[Path, Path, bool], str], force: bool) -> str:
    """Make one result and remember what it was made of; returns what `work` says of it."""
    may_replace = force or job.may_replace
    with only_one(job.target):
        record = Record(job.target.parent)
        if not force and os.path.exists(job.target) and record.is_current(job.target.name, job.source, job.how):
            return "done by another process"
        require_free(job.target, job.source, may_replace)
        said = work(job.source, job.target, may_replace)
        if job.target.is_file():  # nobody may read the result who may not read the source
            job.target.chmod(job.target.stat().st_mode & (job.source.stat().st_mode | 0o600))
        record.add(job.target.name, job.source, job.how)
    return said


class TimeLeft:
    """How long the rest will take, as the pixels went that are done."""

    def __init__(self, pixels: int):
        """`pixels`: of all that is to be done."""
        self.pixels, self._done, self._seconds = pixels, 0, 0.0

    def count(self, pixels: int, seconds: float) -> None:
        """So many more are done, which took so long."""
        self._done, self._seconds = self._done + pixels, self._seconds + seconds

    def words(self) -> str:
        """Such as ", 12:40 left"; nothing where nothing is left or known."""
        rest = self.pixels - self._done
        return f", {clock(rest * self._seconds / self._done)} left" if self._done and rest > 0 else ""
