"""One training at a time on one run: a small file that the session at work keeps young."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from pathlib import Path

from srgan.errors import SRGANError
from srgan.runs.progress import clock

INTERVAL = 20.0  # seconds between two beats
STALE = 3  # intervals after which a silent session counts as dead


class Heartbeat:
    """While it is held, other sessions that share the folder are told so, and stop."""

    def __init__(self, path: Path):
        self._path, self._session = path, uuid.uuid4().hex
        self._stop = threading.Event()
        self.lost = False  # another session has taken over

    def __enter__(self) -> Heartbeat:
        """Raises SRGANError if another session is alive."""
        other = self._read()
        if other and not _is_dead(other):
            age = time.time() - other["time"]
            raise SRGANError(
                f"Another session trains this run: process {other['pid']} on {other['host']}, last seen {clock(age)} ago "
                f"({self._path}). Stop it, or wait until it is silent for {clock(STALE * INTERVAL)}, or choose another run name."
            )
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
        self._beat()
        threading.Thread(target=self._keep_beating, name="heartbeat", daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        with contextlib.suppress(OSError):
            if not self.lost and (self._read() or {}).get("session") == self._session:
                self._path.unlink()

    def _keep_beating(self) -> None:
        while not self._stop.wait(INTERVAL):
            with contextlib.suppress(OSError):  # Drive is away: the next beat may reach it
                other = self._read()
                if other and other["session"] != self._session:
                    self.lost = True
                    return
                self._beat()

    def _beat(self) -> None:
        content = {"session": self._session, "host": _host(), "pid": os.getpid(), "time": time.time()}
        with contextlib.suppress(OSError):  # makes no folder: in the place of an unmounted Drive it would be no Drive
            unfinished = self._path.with_name(f".{self._path.name}-{self._session}")
            unfinished.write_text(json.dumps(content), encoding="utf-8")
            os.replace(unfinished, self._path)

    def _read(self) -> dict | None:
        """The session that beat last; None if there is none, or its file is torn."""
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            return content if {"session", "host", "pid", "time"} <= set(content) else None
        except (OSError, ValueError, TypeError):
            return None


def _host() -> str:
    """This machine, since its last start: the name alone may be shared by all machines of a cloud."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return socket.gethostname() + (f" {boot.read_text().strip()[:8]}" if boot.is_file() else "")


def _is_dead(other: dict) -> bool:
    """Silent for long, or a process of this machine that is no more."""
    if time.time() - other["time"] > STALE * INTERVAL:
        return True
    if other["host"] != _host():
        return False
    try:
        os.kill(other["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
