"""Google Drive as the second home of a run: written by a background thread, believed only after it was read back.

Drive is not a disk: a write can hang, fail with errno 107 after hours, or never reach the cloud. So a run lives on
the local disk, training never waits for Drive, and a file counts as copied only when it was written under a new name,
read back, compared, moved into place, and listed in the manifest, in this order. Works for any second folder.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from srgan.config import STAGES
from srgan.errors import SRGANError
from srgan.runs.paths import Paths, write_atomically
from srgan.runs.progress import Progress, ago

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds before a failed copy is tried again: doubled each time
CHUNK = 2**22  # bytes
OWN_FILES = ("proven.json", "session.json")  # on Drive beside the run's files, but not of them
UNFINISHED = ".copying"  # suffix of a copy that is not proven yet
CHECKPOINT = re.compile(rf"checkpoints/({'|'.join(STAGES)})-\d+\.npz$")


class Mirror:
    """Keeps the run's files under `remote` equal to those of `paths`. `start`, `wake` after each save, `close`."""

    def __init__(self, paths: Paths, remote: Path):
        self._paths, self._remote = paths, remote
        self._manifest_path = remote / "model" / paths.run / "proven.json"
        self._manifest: dict[str, dict] = {}
        self._wanted, self._stop, self._idle = threading.Event(), threading.Event(), threading.Event()
        self._complaint, self._proven_at = "", None
        self._thread: threading.Thread | None = None

    def pull(self) -> list[str]:
        """Bring what `remote` has and this machine lacks; returns what happened, in sentences.

        A file that differs from the manifest's checksum is passed over and named; nothing newer here is overwritten.
        """
        self._manifest = self._read_manifest()
        brought, complaints = 0, []
        for name, source in self._files(self._remote):
            local, entry = self._paths.workdir / name, self._manifest.get(name)
            if local.exists() and (entry is None or local.stat().st_mtime_ns >= entry["mtime_ns"]):
                continue
            try:
                write_atomically(local, functools.partial(_copy_checked, source, entry))
                brought += 1
            except SRGANError as error:
                complaints.append(f"{source} is passed over: {error}")
        return complaints + ([f"Brought {brought} files from {self._remote}."] if brought else [])

    def start(self) -> None:
        """Begin to copy in the background."""
        self._manifest = self._manifest or self._read_manifest()
        self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)
        self._thread.start()
        self.wake()

    def wake(self) -> None:
        """Something new was saved: copy it when Drive lets you. Returns at once."""
        self._idle.clear()
        self._wanted.set()

    def close(self, patience: float = 120.0) -> str:
        """Wait until all is copied, `patience` seconds at most; returns how it stands."""
        self._idle.wait(patience)
        self._stop.set()
        self._wanted.set()
        return self.status()

    def status(self) -> str:
        """One phrase: the age of the last proven copy, and what is wrong, if anything."""
        age = "nothing yet" if self._proven_at is None else ago(time.time() - self._proven_at)
        return f"on Drive: {age}" + (f" ({self._complaint}, trying again)" if self._complaint else "")

    def _run(self) -> None:
        wait = FIRST_WAIT
        while self._wanted.wait() and not self._stop.is_set():
            self._wanted.clear()
            try:
                self._copy_all()
                self._complaint, wait = "", FIRST_WAIT
                if not self._wanted.is_set():
                    self._idle.set()
            except OSError as error:
                self._complaint = str(error.strerror or error)
                self._stop.wait(wait)
                wait = min(2 * wait, LONGEST_WAIT)
                self._wanted.set()

    def _copy_all(self) -> None:
        """One pass over the local files, in order of urgency. Raises OSError if the drive fails."""
        if not self._remote.is_dir():  # unmounted: a folder made in its place would be no copy at all
            raise OSError(errno.ENOENT, f"{self._remote} is gone")
        for name, local in sorted(self._files(self._paths.workdir), key=_urgency):
            if self._stop.is_set():
                return
            try:
                entry, stat = self._manifest.get(name), local.stat()
                if entry is None or (entry["bytes"], entry["mtime_ns"]) != (stat.st_size, stat.st_mtime_ns):
                    self._copy(name, local, stat)
            except FileNotFoundError:
                if local.exists():  # else it is a checkpoint that was removed meanwhile
                    raise
        self._remove_old_checkpoints()
        for leftover in (self._remote / "model" / self._paths.run / "checkpoints").glob(f"*{UNFINISHED}"):
            leftover.unlink(missing_ok=True)
        self._proven_at = time.time()

    def _copy(self, name: str, local: Path, stat: os.stat_result) -> None:
        """Write under a new name, read back, compare, move into place; then the manifest."""
        remote = self._remote / name
        unfinished = remote.with_name(remote.name + UNFINISHED)
        remote.parent.mkdir(parents=True, exist_ok=True)
        digest = _copy_bytes(local, unfinished)
        if _sha256(unfinished) != digest:
            raise OSError(f"{name} read back differently")
        if self._stop.is_set():
            return  # closed while this copy hung: another mirror may be at work by now
        os.replace(unfinished, remote)
        entry = {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": digest}
        self._write_manifest(self._manifest | {name: entry})

    def _remove_old_checkpoints(self) -> None:
        """Remove those that this machine has removed too, but for the newest two of each stage that are proven."""
        for stage in STAGES:
            proven = sorted((n for n in self._manifest if CHECKPOINT.search(n) and f"/{stage}-" in n), reverse=True)
            for name in proven[2:]:
                if not (self._paths.workdir / name).exists():
                    self._write_manifest({other: entry for other, entry in self._manifest.items() if other != name})
                    (self._remote / name).unlink(missing_ok=True)

    def _files(self, root: Path) -> Iterator[tuple[str, Path]]:
        """The run's files under `root`, with their names relative to it; prepared data of all runs included.

        Downloads are left out: thousands of photos that can be fetched again.
        """
        downloads = self._paths.downloads.relative_to(self._paths.workdir)
        folders = [root / folder / self._paths.run for folder in ("model", "loss", "output")]
        folders += [folder for folder in sorted((root / "data").glob("*")) if folder != root / downloads]
        for folder in folders:
            for path in sorted([folder, *folder.rglob("*")]):
                hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
                if path.is_file() and not hidden and path.suffix != UNFINISHED and path.name not in OWN_FILES:
                    yield path.relative_to(root).as_posix(), path

    def _read_manifest(self) -> dict[str, dict]:
        """What is proven to lie on `remote`; nothing if the manifest is missing or torn (the files are then looked at anew)."""
        try:
            files = json.loads(self._manifest_path.read_text(encoding="utf-8"))["files"]
            return {name: entry for name, entry in files.items() if {"bytes", "mtime_ns", "sha256"} <= entry.keys()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def _write_manifest(self, manifest: dict[str, dict]) -> None:
        """Make `manifest` the one on `remote`, and only then this object's."""
        unfinished = self._manifest_path.with_name(self._manifest_path.name + UNFINISHED)
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"files": manifest}, indent=1) + "\n"
        with open(unfinished, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if unfinished.read_text(encoding="utf-8") != text:
            raise OSError("the manifest read back differently")
        os.replace(unfinished, self._manifest_path)
        self._manifest = manifest


def fetch(paths: Paths, progress: Progress) -> Mirror | None:
    """Bring what `paths.drive` has and this machine lacks; None without a drive.

    Raises SRGANError if the drive cannot be read: what this run has saved there is not known then.
    """
    if paths.drive is None:
        return None
    mirror = Mirror(paths, paths.drive)
    try:
        paths.drive.mkdir(parents=True, exist_ok=True)
        for sentence in mirror.pull():
            progress.say(sentence)
    except OSError as error:
        raise SRGANError(
            f"{paths.drive} cannot be read ({error.strerror or error}), so it is not known what this run has saved there. "
            "Mount it again and run the same again."
        ) from error
    return mirror


def proven_checkpoints(paths: Paths) -> set[str]:
    """The names of this run's checkpoints that were read back from `paths.drive` and compared; none without a drive."""
    names = Mirror(paths, paths.drive)._read_manifest() if paths.drive else ()
    return {Path(name).name for name in names if CHECKPOINT.search(name)}


@contextlib.contextmanager
def open_mirror(paths: Paths, progress: Progress) -> Iterator[Mirror | None]:
    """First `fetch`, then, as long as the context lasts, copy to the drive what is saved; its end waits for the copies."""
    mirror = fetch(paths, progress)
    if mirror is None:
        yield None
        return
    mirror.start()
    progress.standing = mirror.status
    try:
        yield mirror
    finally:
        mirror.wake()
        progress.say(f"Copy {mirror.close()}.")


def _urgency(named: tuple[str, Path]) -> tuple[int, int]:
    """The order of copying: what no checkpoint can bring back, then checkpoints, then the rest; the newest first each."""
    name, path = named
    if "/samples/" in name:
        rank = 0
    elif CHECKPOINT.search(name):
        rank = 1
    else:
        rank = 3 if name.endswith("/manifest.json") else 2  # a data set's manifest says that all of it is there
    return rank, -path.stat().st_mtime_ns if path.exists() else 0


def _copy_bytes(source: Path, target: Path) -> str:
    """Copy and flush; returns the sha256 of what was read."""
    digest = hashlib.sha256()
    with open(source, "rb") as reader, open(target, "wb") as writer:
        while chunk := reader.read(CHUNK):
            digest.update(chunk)
            writer.write(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    return digest.hexdigest()


def _copy_checked(source: Path, entry: dict | None, target: Path) -> None:
    """Copy a file whose manifest entry is `entry`, with its time. Raises OSError if its checksum does not hold."""
    digest = _copy_bytes(source, target)
    if entry is not None:
        if digest != entry["sha256"]:
            raise OSError("its checksum does not hold")
        os.utime(target, ns=(entry["mtime_ns"], entry["mtime_ns"]))


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
