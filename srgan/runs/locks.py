"""One process at a time makes a thing that several may want, such as a prepared data set or a download; the others wait."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from srgan.runs.paths import PARTIAL

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


@contextlib.contextmanager
def only_one(path: Path, quietly: bool = False) -> Iterator[None]:
    """Hold the right to make `path`, waiting (`quietly`, or with a word) for the process that holds it; the system takes it back
    from one that dies.

    Where the file system knows no locks nobody waits: the work is then done twice, and the later result stays.
    """
    lock = path.with_name(f"{PARTIAL}lock-{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}")
    number = _locked(lock, path, quietly) if fcntl else None
    try:
        yield
    finally:
        if number is not None:
            with contextlib.suppress(OSError):
                lock.unlink()
            os.close(number)


def _locked(lock: Path, path: Path, quietly: bool) -> int | None:
    """The open and locked file; None where that cannot be."""
    while True:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            number = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        except OSError:
            return None  # whoever writes there will say why it cannot
        try:
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not quietly:
                    print(f"Another process is making {path}: waiting for it.", flush=True)
                fcntl.flock(number, fcntl.LOCK_EX)
            if lock.exists() and os.path.samestat(os.fstat(number), os.stat(lock)):
                return number
        except OSError:
            os.close(number)
            return None
        except BaseException:  # Ctrl-C while waiting
            os.close(number)
            raise
        os.close(number)  # the other one has removed it: there may be a new one by now
