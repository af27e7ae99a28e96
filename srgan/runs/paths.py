"""Where a run reads and writes, and how a file is written so that no half of it is ever seen."""

from __future__ import annotations

import contextlib
import errno
import functools
import glob
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from srgan.errors import SRGANError

_ROOT = Path(__file__).resolve().parents[2]
IS_CHECKOUT = (_ROOT / "pyproject.toml").is_file()  # else the package was installed
PROJECT = _ROOT if IS_CHECKOUT else Path.cwd()  # where a run reads and writes unless it is told another place
LONGEST_NAME = 255  # bytes, on every common file system
PARTIAL = ".partial-"  # how the names of unfinished files begin


@dataclass(frozen=True)
class Paths:
    """The folders of the run `run` in the working directory `workdir`, which `drive`, if there is one, mirrors."""

    workdir: Path
    run: str
    drive: Path | None = None

    @property
    def data(self) -> Path:
        """Prepared data sets, shared by all runs."""
        return self.workdir / "data"

    @property
    def downloads(self) -> Path:
        """What was fetched, and the photos unpacked from it. Drive does not keep it: it can be fetched again."""
        return self.data / "downloads"

    @property
    def features(self) -> Path:
        """Weights of the fixed feature networks, shared by all runs; Drive keeps them."""
        return self.data / "features"

    @property
    def model(self) -> Path:
        """Weights, with their cards."""
        return self.workdir / "model" / self.run

    @property
    def checkpoints(self) -> Path:
        return self.model / "checkpoints"

    @property
    def output(self) -> Path:
        """Pictures, tables and executed notebooks."""
        return self.workdir / "output" / self.run

    @property
    def session(self) -> Path:
        """The heartbeat of the session that trains this run: where other machines see it too, if there is such a place."""
        return (self.drive or self.workdir) / "model" / self.run / "session.json"

    def weights(self, stage: str) -> Path:
        return self.model / f"{stage}.weights.h5"

    def history(self, stage: str) -> Path:
        return self.workdir / "loss" / self.run / f"{stage}.csv"

    def sample(self, stage: str, step: int) -> Path:
        return self.output / "samples" / f"{stage}_step_{step:07d}.png"


def remove_leftovers(paths: Paths) -> None:
    """Remove the unfinished files that killed processes left in the run's folders; nobody else may be at work there."""
    for folder in (paths.model, paths.history("").parent, paths.output):
        for path in folder.rglob(f"{PARTIAL}*"):
            path.unlink(missing_ok=True)


def open_workdir(workdir: str | os.PathLike, run: str, drive: str | os.PathLike | None = None) -> Paths:
    """The paths of `run`, once it is proven that `workdir` can be written to. Raises SRGANError if it cannot.

    `drive` is a second folder, such as one on Google Drive, that keeps a copy. It must be there: a folder made in the place
    of a drive that is not mounted would be no copy. Later it may be away for a while.
    """
    try:
        workdir = Path(workdir).expanduser().resolve()
        workdir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=workdir) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
            os.fsync(probe.fileno())
    except (OSError, RuntimeError) as error:  # RuntimeError: of an unknown "~user", or of links in a circle
        raise SRGANError(
            f"The working directory {workdir} cannot be written to ({getattr(error, 'strerror', None) or error}). "
            "Free some space or choose another one (workdir in a notebook, --workdir in the shell)."
        ) from error
    return Paths(workdir, run, _second_folder(drive, workdir) if drive else None)


def _second_folder(drive: str | os.PathLike, workdir: Path) -> Path:
    try:
        folder = Path(drive).expanduser().resolve()
        if folder.is_dir():
            if folder.is_relative_to(workdir):
                raise SRGANError(f"{folder} is to keep a copy of {workdir}, so it must not lie in it. Choose another folder.")
            return folder
    except (OSError, RuntimeError) as error:
        raise SRGANError(f"{drive} cannot be used for a copy ({getattr(error, 'strerror', None) or error}).") from error
    raise SRGANError(
        f"There is no folder {folder} to keep a copy. If it is on a drive, mount it; if it is new, make it (mkdir {folder.name})."
    )


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write(temporary)` make a file beside `path`, flush it to disk, then move it into place in one step.

    The temporary file is new, under a name that nobody can foretell; it ends like `path`, which some writers look at. What killed
    processes left of the same work goes. Raises SRGANError with the system's reason (disk full, read-only, ...) if anything fails;
    what lay at `path` is then untouched.
    """
    temporary = temporary_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(path)
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        write(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise SRGANError(
            f"{path} could not be written ({error.strerror or error}). What was there before is untouched. {_advice(error)}"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # where nothing could be written, nothing can be removed; the reason is told above
            temporary.unlink()


def remove_folder(folder: Path) -> None:
    """Remove what lies at `folder` with all in it; a link itself, not where it leads."""
    if folder.is_symlink():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def temporary_name(path: Path) -> Path:
    """A new name beside `path`, with this process and this machine in it, by which `remove_abandoned` knows it."""
    return path.with_name(f"{PARTIAL}{os.getpid()}-{_machine()}{_life()}{secrets.token_hex(4)}-{_short(path.name)}")


@functools.cache
def _machine() -> str:
    """Four hexadecimal digits of this machine since its last start: elsewhere the same process number is another process."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    text = socket.gethostname() + (boot.read_text() if boot.is_file() else "")
    return hashlib.sha256(text.encode()).hexdigest()[:4]


@functools.cache
def _life() -> str:
    """Four hexadecimal digits of this process: after a new start of a container another one may have its number."""
    return secrets.token_hex(2)


def _short(name: str) -> str:
    """`name`, or its end and a hash where with PARTIAL before it the name would be longer than a disk takes."""
    encoded = os.fsencode(name)
    if len(encoded) <= LONGEST_NAME - 36:
        return name
    suffix = "".join(Path(name).suffixes[-2:])
    return hashlib.sha256(encoded).hexdigest()[:16] + (suffix if len(os.fsencode(suffix)) < 32 else "")


def _advice(error: OSError) -> str:
    """What to do when a file could not be written."""
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "This place is read-only or another person's: choose another one."
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        return "Something else is in the way: choose another place."
    if error.errno == errno.ENAMETOOLONG:
        return "Choose a shorter name."
    return "Free some space or choose another place, then run the same again."


def remove_abandoned(path: Path) -> None:
    """Remove the unfinished files and folders that processes which are no more left of `path`."""
    for leftover in path.parent.glob(f"{PARTIAL}*-{glob.escape(_short(path.name))}"):
        told = re.match(r"(\d{1,9})-([0-9a-f]{12,16}-)?", leftover.name.removeprefix(PARTIAL))  # earlier versions name no machine
        if told and (told[2] or _machine()).startswith(_machine()) and not _is_at_work(int(told[1]), told[2] or ""):
            with contextlib.suppress(OSError):  # it may be gone by now, or be another person's
                remove_folder(leftover) if leftover.is_dir() else leftover.unlink()


def _is_at_work(pid: int, mark: str) -> bool:
    """Whether the process that left a file with this `mark` in its name still is."""
    if pid == os.getpid():
        return mark.startswith(_machine() + _life())
    if os.name == "nt":  # there no signal is harmless, and files that are open cannot be removed anyway
        return False
    try:
        os.kill(pid, 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)  # else it is another person's
    return True


def write_json(path: Path, content: dict) -> None:
    """`content` as readable JSON at `path`, atomically."""
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    # Bytes of a file name that are not UTF-8 are lone surrogates in `text`; backslashed they are JSON's own escapes.
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8", errors="backslashreplace"))
