"""Google Drive as the second home of a run: written by a background thread, believed only after it was read back.

Drive is not a disk: a write can hang, fail with errno 107 after hours, come late, or never reach the cloud. So a run lives
on the local disk, training never waits for Drive, and a file counts as copied only when it was written under a new name,
read back, compared, moved into place, found there, and listed in the manifest, in this order. Nothing is written without
the heartbeat (heartbeat.py). A machine goes on from its own checkpoint only if that descends from the newest one on Drive
(checkpoints.py, line of descent); else it goes on from Drive's, and sets its own aside. Works for any second folder.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from srgan.config import STAGES
from srgan.errors import SRGANError
from srgan.runs import checkpoints
from srgan.runs.heartbeat import Heartbeat
from srgan.runs.outside import ANYTHING, SHA256, Damaged, check, read_json, whole
from srgan.runs.paths import PARTIAL, Paths, write_atomically
from srgan.runs.progress import Progress, ago

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds before a failed copy is tried again: doubled each time
CHUNK = 2**22  # bytes
OWN_FILES = ("proven.json", "session.json")  # on Drive beside the run's files, but not of them
UNFINISHED = ".copying"  # suffix of a copy that is not proven yet
SET_ASIDE = "set-aside"  # folder among the checkpoints, for those of another line
ENTRY = {"bytes": whole(), "mtime_ns": whole(-(2**62)), "sha256": SHA256}


class Mirror:
    """Keeps the run's files under `remote` equal to those of `paths`. `pull`, `start`, `wake` after each save, `close`."""

    def __init__(self, paths: Paths, remote: Path, heartbeat: Heartbeat | None = None):
        """`heartbeat`: of the session that may write to `remote`, as long as it holds the run."""
        self._paths, self.remote, self._heartbeat = paths, remote, heartbeat
        self._manifest_path = remote / "model" / paths.run / "proven.json"
        self._manifest, self._generation = self._read_manifest()
        self._has_claimed = False
        self._written: dict[str, tuple] = {}  # what this session has put on Drive: name -> `_looks` of it
        self._wanted, self._stop, self._idle = threading.Event(), threading.Event(), threading.Event()
        self._complaint, self._proven_at, self._clean = "", None, False
        self._thread: threading.Thread | None = None

    # From Drive

    def pull(self, holds_run: bool = False) -> list[str]:
        """Bring what `remote` has and this machine lacks; returns what happened, in sentences.

        Where this session holds the run and Drive's checkpoints are newer, Drive's files replace those here, and checkpoints
        of another line here are set aside. What cannot be read, or differs from its checksum, is passed over and named.
        """
        newest, newer, told = self._compare() if holds_run else ({}, False, [])
        for stage, best in newest.items():
            told += self._set_aside(stage, best)
        brought = 0
        for name, source in self._files(self.remote):
            local, entry = self._paths.workdir / name, self._manifest.get(name)
            replaces = newer and not name.startswith("data/") and entry is not None
            if local.exists() and not (replaces and entry != self._entry(local)):
                continue
            if self._is_of_another_line(source, newest):
                continue
            try:
                write_atomically(local, lambda temporary, source=source, entry=entry: _bring(source, entry, temporary))
                brought += 1
            except SRGANError as error:
                told.append(f"{source} is passed over: {error}")
        return told + ([f"Brought {brought} files from {self.remote}."] if brought else [])

    def _compare(self) -> tuple[dict[str, dict], bool, list[str]]:
        """What the newest readable checkpoint of each stage says of itself, here or on Drive; if Drive's are newer; complaints."""
        newest, newer, told = {}, False, []
        for stage in STAGES:
            theirs, complaints = checkpoints.newest(self.remote / self._folder, stage)
            ours, _ = checkpoints.newest(self._paths.checkpoints, stage)
            told += complaints
            wins = theirs is not None and (ours is None or not checkpoints.leads_to(theirs.about, ours.about))
            newer = newer or wins
            if theirs or ours:
                newest[stage] = (theirs if wins else ours).about
        return newest, newer, told

    def _set_aside(self, stage: str, best: dict) -> list[str]:
        """Move the checkpoints here that do not lead to `best` into a folder of their own."""
        told = []
        for path in sorted(self._paths.checkpoints.glob(f"{stage}-*.npz")):
            about = checkpoints.read_about(path)
            if about is not None and not checkpoints.leads_to(about, best):
                kept = _aside(path, about)
                kept.parent.mkdir(exist_ok=True)
                os.replace(path, kept)
                told.append(
                    f"{path.name} here is of another line of this run than the newest checkpoint on Drive, of step "
                    f"{best['step']:,}: training goes on from that one, and this one is kept as {kept}."
                )
        return told

    def _is_of_another_line(self, path: Path, newest: dict[str, dict]) -> bool:
        """Whether `path` is a checkpoint that does not lead to the newest of its stage."""
        if not self._is_checkpoint(path) or path.name.partition("-")[0] not in newest:
            return False
        about = checkpoints.read_about(path)
        return about is not None and not checkpoints.leads_to(about, newest[path.name.partition("-")[0]])

    # To Drive

    def start(self) -> None:
        """Begin to copy in the background."""
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
        """One phrase: when all files of the run were last proven to lie on Drive, and what is wrong, if anything."""
        age = "nothing yet" if self._proven_at is None else ago(time.monotonic() - self._proven_at)
        return f"on Drive: {age}" + (f" ({self._complaint}, trying again)" if self._complaint else "")

    def _run(self) -> None:
        wait = FIRST_WAIT
        while self._wanted.wait() and not self._stop.is_set():
            self._wanted.clear()
            try:
                self.copy_all()
                self._complaint, wait = "", FIRST_WAIT
                if not self._wanted.is_set():
                    self._idle.set()
            except Exception as error:  # the last net: whatever it is, it is told, and the next pass may succeed
                self._complaint = str(getattr(error, "strerror", None) or error) or type(error).__name__
                self._stop.wait(wait)
                wait = min(2 * wait, LONGEST_WAIT)
                self._wanted.set()

    def copy_all(self) -> None:
        """One pass over the local files, in order of urgency. Raises OSError if the drive fails, SRGANError if the run is lost."""
        if not self.remote.is_dir():  # unmounted: a folder made in its place would be no copy at all
            raise OSError(errno.ENOENT, f"{self.remote} is gone")
        self._claim()
        for name, local in sorted(self._files(self._paths.workdir), key=_urgency):
            if self._stop.is_set():
                return
            try:
                if not self._is_proven(name, local, read_back=True):
                    self._copy(name, local)
            except FileNotFoundError:
                if local.exists():  # else it is a checkpoint that was removed meanwhile
                    raise
        self._remove_old_checkpoints()
        if not self._clean:  # of copies that failed, or of sessions that are no more
            for folder in self._folders(self.remote):
                for leftover in folder.rglob(f"*{UNFINISHED}"):
                    _remove(leftover)
            self._clean = True
        if self.is_complete():
            self._proven_at = time.monotonic()
        else:
            self._wanted.set()  # something was saved meanwhile

    def _claim(self) -> None:
        """See to it that this session's manifest lies on Drive. Raises SRGANError if a later session has put its own there."""
        manifest, generation = self._read_manifest()
        if not self._has_claimed:
            self._generation = max(self._generation, generation) + 1
            self._write_manifest(self._manifest)
            self._has_claimed = True
        elif generation > self._generation:
            if self._heartbeat:
                self._heartbeat.lost = True
            raise SRGANError("Another session has trained this run meanwhile: this one writes no more to it.")
        elif (manifest, generation) != (self._manifest, self._generation):  # lost, or a late write of an earlier session
            self._write_manifest(self._manifest)

    def _check(self) -> None:
        """Raises SRGANError if this session may not write any more."""
        if self._heartbeat:
            self._heartbeat.check()

    def is_complete(self) -> bool:
        """Whether every file of the run, as it is now, is proven to lie on Drive."""
        return all(self._is_proven(name, local) for name, local in self._files(self._paths.workdir) if local.exists())

    def _is_proven(self, name: str, local: Path, read_back: bool = False) -> bool:
        entry, stat = self._manifest.get(name), local.stat()
        if entry is None or (entry["bytes"], entry["mtime_ns"]) != (stat.st_size, stat.st_mtime_ns):
            return False
        looks = _looks(self.remote / name)
        if looks is None or looks[0] != entry["bytes"]:
            return False
        if name not in self._written and read_back and not name.startswith("data/"):  # an earlier session wrote it: once more
            if _sha256(self.remote / name) != entry["sha256"]:
                return False
            self._written[name] = looks
        return self._written.get(name, looks) == looks

    def _copy(self, name: str, local: Path) -> None:
        """Write under a new name, read back, compare, move into place, look; then the manifest."""
        self._check()
        remote, stat = self.remote / name, local.stat()
        unfinished = remote.with_name(f".{secrets.token_hex(8)}{UNFINISHED}")
        remote.parent.mkdir(parents=True, exist_ok=True)
        try:
            digest = _copy_bytes(local, unfinished)
            if _sha256(unfinished) != digest:
                raise OSError(f"{name} read back differently")
            looks = _looks(unfinished)
            if self._stop.is_set():
                return  # closed while this copy hung: another mirror may be at work by now
            self._check()
            self._spare_another_line(local, remote)
            _move(unfinished, remote)
            if _looks(remote) != looks:
                raise OSError(f"{name} has not arrived")
        finally:
            self._clean = False
        entry = {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": digest}
        self._write_manifest(self._manifest | {name: entry})
        self._written[name] = looks

    def _spare_another_line(self, local: Path, remote: Path) -> None:
        """If the checkpoint that lies at `remote` does not lead to the one that is to replace it, set it aside."""
        if not self._is_checkpoint(local) or not remote.exists():
            return
        theirs, ours = checkpoints.read_about(remote), checkpoints.read_about(local)
        if theirs is not None and ours is not None and not checkpoints.leads_to(theirs, ours):
            kept = _aside(remote, theirs)
            kept.parent.mkdir(exist_ok=True)
            unfinished = kept.with_name(f".{secrets.token_hex(8)}{UNFINISHED}")
            digest = _copy_bytes(remote, unfinished)  # a copy: should ours not arrive, theirs is still in its place
            _move(unfinished, kept)
            if not kept.exists() or _sha256(kept) != digest:
                raise OSError(f"{kept.name} has not arrived")

    def _remove_old_checkpoints(self) -> None:
        """Remove those of this line that this machine has removed too, but for the newest two of each stage that are proven."""
        for stage in STAGES:
            ours = next(checkpoints.about(self._paths.checkpoints, stage), None)
            names = sorted((name for name in self._manifest if self._is_checkpoint(self.remote / name, stage)), reverse=True)
            kept = 0
            for name in names if ours else ():
                theirs = checkpoints.read_about(self.remote / name)
                if theirs is None or not checkpoints.leads_to(theirs, ours):
                    continue
                kept += 1
                if kept > 2 and not (self._paths.workdir / name).exists():
                    self._check()
                    self._write_manifest({other: entry for other, entry in self._manifest.items() if other != name})
                    _remove(self.remote / name)

    # The files

    @property
    def _folder(self) -> str:
        return f"model/{self._paths.run}/checkpoints"

    def _is_checkpoint(self, path: Path, stage: str = "|".join(STAGES)) -> bool:
        own = (self._paths.workdir / self._folder, self.remote / self._folder)
        return path.parent in own and re.fullmatch(rf"({stage})-\d{{8}}\.npz", path.name) is not None

    def _files(self, root: Path) -> Iterator[tuple[str, Path]]:
        """The run's files under `root`, with their names relative to it; prepared data of all runs included.

        Downloads are left out: thousands of photos that can be fetched again.
        """
        for folder in self._folders(root):
            for path in sorted([folder, *folder.rglob("*")]):
                unfinished = any(part.startswith(PARTIAL) for part in path.relative_to(root).parts)
                own = path.suffix == UNFINISHED or path.name.lstrip(".").startswith(OWN_FILES)
                if path.is_file() and not unfinished and not own:
                    yield path.relative_to(root).as_posix(), path

    def _folders(self, root: Path) -> list[Path]:
        """Those of the run and of the data sets; a file that lies among the data sets too."""
        downloads = root / self._paths.downloads.relative_to(self._paths.workdir)
        sets = [path for path in sorted((root / "data").glob("*")) if path != downloads]
        return [root / folder / self._paths.run for folder in ("model", "loss", "output")] + sets

    def _entry(self, local: Path) -> dict | None:
        """What the manifest would say of the file here."""
        stat = local.stat()
        return {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": _sha256(local)}

    def _read_manifest(self) -> tuple[dict[str, dict], int]:
        """What is proven to lie on `remote`, and the number of the session that says so.

        Nothing if the manifest is missing or torn: the files are then looked at anew.
        """
        try:
            told = read_json(self._manifest_path, {"files": {...: ANYTHING}, "generation?": whole(0, 2**53)})
        except (Damaged, OSError):
            return {}, 0
        files = told["files"]
        entries = {name: {key: entry[key] for key in ENTRY} for name, entry in files.items() if _is_entry(entry)}
        return entries, told.get("generation", 0)

    def _write_manifest(self, manifest: dict[str, dict]) -> None:
        """Make `manifest` the one on `remote`, and only then this object's."""
        self._check()
        unfinished = self._manifest_path.with_name(f".{secrets.token_hex(8)}{UNFINISHED}")
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        text = (json.dumps({"generation": self._generation, "files": manifest}, indent=1) + "\n").encode()
        with open(unfinished, "xb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        _move(unfinished, self._manifest_path)
        if self._manifest_path.read_bytes() != text:
            raise OSError("the manifest read back differently")
        self._manifest = manifest


def fetch(paths: Paths, progress: Progress) -> None:
    """Bring what `paths.drive` has and this machine lacks, where there is a drive. Nothing is written to it."""
    if paths.drive is not None:
        _refuse_absent(paths.drive)
        _pull(Mirror(paths, paths.drive), progress)


@contextlib.contextmanager
def open_run(paths: Paths, progress: Progress) -> Iterator[tuple[Mirror | None, Heartbeat]]:
    """Hold the run for this session: first the heartbeat, then what Drive has, then copying what is saved; its end waits for it.

    Raises SRGANError if another session trains the run, or if the drive is not there or cannot be read.
    """
    if paths.drive is not None:
        _refuse_absent(paths.drive)
    with Heartbeat(paths.session, progress.say) as heartbeat:
        if paths.drive is None:
            yield None, heartbeat
            return
        mirror = Mirror(paths, paths.drive, heartbeat)
        _pull(mirror, progress, holds_run=True)
        mirror.start()
        progress.standing = mirror.status
        try:
            yield mirror, heartbeat
        finally:
            mirror.wake()
            progress.say(f"Copy {mirror.close()}.")


def _pull(mirror: Mirror, progress: Progress, holds_run: bool = False) -> None:
    """Raises SRGANError if the drive cannot be read: what this run has saved there is not known then."""
    try:
        for sentence in mirror.pull(holds_run):
            progress.say(sentence)
    except OSError as error:
        raise _away(mirror.remote, error) from error


def _refuse_absent(drive: Path) -> None:
    try:
        os.listdir(drive)
    except OSError as error:
        raise _away(drive, error) from error


def _away(drive: Path, error: OSError) -> SRGANError:
    return SRGANError(
        f"{drive} cannot be read ({error.strerror or error}), so it is not known what this run has saved there. "
        "Mount it again and run the same again."
    )


def is_on_drive(paths: Paths) -> bool:
    """Whether every file of the run was read back from `paths.drive`, compared and listed there, as it is now."""
    return paths.drive is not None and Mirror(paths, paths.drive).is_complete()


def _is_entry(entry) -> bool:
    try:
        check(entry, ENTRY, "it")
    except Damaged:
        return False
    return True


def _aside(path: Path, about: dict) -> Path:
    """Where a checkpoint of another line is kept, beside the others."""
    lives = checkpoints.line(about)
    return path.parent / SET_ASIDE / f"{path.stem}-{re.sub(r'[^0-9a-z]', '', lives[-1]['life'])[:8] if lives else 'old'}.npz"


def _urgency(named: tuple[str, Path]) -> tuple[int, int]:
    """The order of copying: what no checkpoint can bring back, then checkpoints, then the rest; the newest first each."""
    name, path = named
    if "/samples/" in name:
        rank = 0
    elif "/checkpoints/" in name:
        rank = 1
    else:
        rank = 3 if name.endswith("/manifest.json") else 2  # a data set's manifest says that all of it is there
    return rank, -path.stat().st_mtime_ns if path.exists() else 0


def _bring(source: Path, entry: dict | None, target: Path) -> None:
    """Copy a file whose manifest entry is `entry`, with its time. Raises OSError if its checksum does not hold.

    A checkpoint's own checksum is believed where the manifest's does not hold: a late write may have brought an older one.
    """
    digest = _copy_bytes(source, target)
    if entry is None or digest != entry["sha256"]:
        if checkpoints.read_about(source) is not None:
            checkpoints.read(target, source.name)
        elif entry is not None:
            raise OSError("its checksum does not hold")
        return
    os.utime(target, ns=(entry["mtime_ns"], entry["mtime_ns"]))


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


def _move(source: Path, target: Path) -> None:
    os.replace(source, target)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _looks(path: Path) -> tuple[int, int] | None:
    """Size and time of a file on Drive; None if there is none."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_size, stat.st_mtime_ns


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
