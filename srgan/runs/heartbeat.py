"""One training at a time on one run: a small file that the session at work writes anew every few seconds.

Clocks of two machines are never compared. A session of another machine is alive if its file changes while this one looks
on, by its own clock; a session of this machine is alive if its process is. There is no lock that Google Drive would know.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from srgan.errors import SRGANError
from srgan.runs.outside import NUMBER, TEXT, Damaged, read_json, whole
from srgan.runs.progress import clock

INTERVAL = 20.0  # seconds between two beats
STALE = 3  # intervals without a change after which a session of another machine counts as dead

SESSION = {"session": TEXT, "host": TEXT, "pid": whole(1, 2**31 - 1), "started?": TEXT, "time": NUMBER}


_HERE: set[str] = set()  # the sessions of this process


class Heartbeat:
    """While it is held, other sessions that share the folder are told so, and stop."""

    def __init__(self, path: Path, say: Callable[[str], None] = print):
        self._path, self._say = path, say
        self.session = uuid.uuid4().hex  # the name of this life of the run
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_beating, name="heartbeat", daemon=True)
        self.lost = False  # another session has taken over

    def __enter__(self) -> Heartbeat:
        """Raises SRGANError if another session is alive; finding out may take STALE intervals. And if no sign can be left."""
        if self._path.is_dir():
            raise SRGANError(
                f"{self._path} must be a file, this session's sign of life, but is a folder. Remove it, or choose another run."
            )
        other = self._read()
        if other and self._is_alive(other):
            raise self._refusal(other)
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
        self._beat()
        winner = self._read()
        if winner and winner["session"] != self.session:  # both began in the same moment
            raise self._refusal(winner)
        _HERE.add(self.session)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join(INTERVAL)  # else a last beat could come behind the end
        _HERE.discard(self.session)
        with contextlib.suppress(OSError):
            if not self.lost and (self._read() or {}).get("session") == self.session:
                self._path.unlink()

    def check(self) -> None:
        """Raises SRGANError if another session has taken over this run."""
        other = self._read()
        self.lost = self.lost or (other is not None and other["session"] != self.session)
        if self.lost:
            raise SRGANError("Another session has taken over this run, so this one stops; its checkpoints are untouched.")

    def _keep_beating(self) -> None:
        while not self._stop.wait(INTERVAL):
            try:
                self.check()
            except SRGANError:
                return
            self._beat()

    def _beat(self) -> None:
        pid = os.getpid()
        content = {"session": self.session, "host": _host(), "pid": pid, "started": _started(pid), "time": time.time()}
        with contextlib.suppress(OSError):  # Drive is away: the next beat may reach it. No folder is made in its place.
            unfinished = self._path.with_name(f".{self._path.name}-{self.session}")
            try:
                with open(unfinished, "x", encoding="utf-8") as file:
                    file.write(json.dumps(content))
                os.replace(unfinished, self._path)
            finally:
                unfinished.unlink(missing_ok=True)  # else no later beat could be written

    def _read(self) -> dict | None:
        """The session that beat last; None if there is none, or its file is torn."""
        try:
            return read_json(self._path, SESSION, most=2**16)
        except (Damaged, OSError):
            return None

    def _is_alive(self, other: dict) -> bool:
        """Whether the session `other` still is: its process on this machine, or else a change of its file."""
        if other["host"] == _host():
            if other["pid"] == os.getpid():
                return other["session"] in _HERE
            return _is_running(other["pid"]) and other.get("started", "") in ("", _started(other["pid"]))
        self._say(
            f"A session on {other['host'][:80]!r} has left its sign of life on this run. Watching for "
            f"{clock(STALE * INTERVAL)} whether it still changes."
        )
        begun = time.monotonic()
        while time.monotonic() - begun < STALE * INTERVAL:
            time.sleep(INTERVAL / 4)
            now = self._read()
            if now is None:
                return False
            if now != other:
                return True
        return False

    def _refusal(self, other: dict) -> SRGANError:
        return SRGANError(
            f"Another session trains this run: process {other['pid']} on {other['host'][:80]} ({self._path}). "
            "Stop it, or wait until it has ended, or choose another run name. Nothing was written to the run."
        )


def _host() -> str:
    """This machine, since its last start: the name alone may be shared by all machines of a cloud."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return socket.gethostname() + (f" {boot.read_text().strip()[:8]}" if boot.is_file() else "")


def _started(pid: int) -> str:
    """When this process began, in ticks since the machine did; "" where that is not known.

    After a new start of a container another process may have its number.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]  # proc(5)
    except (OSError, IndexError):
        return ""


def _is_running(pid: int) -> bool:
    if os.name == "nt":  # there os.kill would end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
