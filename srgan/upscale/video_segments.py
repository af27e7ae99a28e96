"""The encoded picture of a film in parts: the finished ones lie on disk, so that an interrupted film goes on from there."""

from __future__ import annotations

import hashlib
import shutil
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import av

from srgan.runs.outside import ANYTHING, SHA256, Damaged, read_json, sha256, whole
from srgan.runs.paths import write_atomically, write_json

SECONDS = 30.0  # of work that an interruption may cost
STATES = 3  # that are kept, of the newest parts
# frames: in it and the parts before; state: of what the frame after it depends on
ABOUT = {"about": ANYTHING, "parts": [{"frames": whole(1), "sha256": SHA256, "state": SHA256}]}
HEAD = struct.Struct("<qqqBI")  # pts, dts, duration, whether it is a key frame, bytes


class Segments:
    """Packets of the encoded picture in the order of the encoder, in parts that each begin anew."""

    def __init__(self, folder: Path | None, about: dict):
        """`folder`: where parts are kept; None: nowhere. Those of another film, or made in another way than `about` says, go.

        `state`: what was given to `keep` with the last part that is there; b"" before the first one.
        """
        self._folder, self._about = folder, about
        self._packets: list[bytes] = []  # of the part that is being made, as they are kept
        self._begun = time.monotonic()
        self._parts, self.state = _finished(folder, about) if folder else ([], b"")
        if not self._parts:
            self.remove()

    @property
    def frames(self) -> int:
        """How many the finished parts hold."""
        return self._parts[-1]["frames"] if self._parts else 0

    def is_due(self) -> bool:
        """Whether the part that is being made has taken long enough to be kept."""
        return self._folder is not None and time.monotonic() - self._begun > SECONDS

    def add(self, packets: list[av.Packet]) -> None:
        self._packets += [HEAD.pack(p.pts, p.dts, p.duration or 0, p.is_keyframe, p.size) + bytes(p) for p in packets]

    def keep(self, frames: int, state: bytes) -> None:
        """Finish a part: it and the earlier ones hold the first `frames` frames; the next one depends on `state`.

        Raises SRGANError if it cannot be written.
        """
        part = {"frames": frames}
        for key, suffix, content in (("sha256", "packets", b"".join(self._packets)), ("state", "state", state)):
            write_atomically(_path(self._folder, frames, suffix), lambda temporary, content=content: temporary.write_bytes(content))
            part[key] = hashlib.sha256(content).hexdigest()
        self._parts.append(part)
        write_json(self._folder / "about.json", {"about": self._about, "parts": self._parts})
        for part in self._parts[-1 - STATES : -STATES]:  # another process may be about to read the newest
            _path(self._folder, part["frames"], "state").unlink(missing_ok=True)
        self._packets, self._begun = [], time.monotonic()

    def packets(self) -> Iterator[av.Packet]:
        """All packets, of the parts on disk first."""
        for part in self._parts:
            yield from _unpacked(_path(self._folder, part["frames"], "packets").read_bytes())
        yield from _unpacked(b"".join(self._packets))

    def remove(self) -> None:
        """The film is whole, or these parts are of another one."""
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)


def _path(folder: Path, frames: int, suffix: str) -> Path:
    return folder / f"{frames:09d}.{suffix}"


def _finished(folder: Path, about: dict) -> tuple[list[dict], bytes]:
    """The parts of this film in `folder`, as its table tells of them, and what the frame after them depends on.

    None if one of them is missing or not as it was made. Where that is because another process went on meanwhile, the table tells
    of more by now, and is read again.
    """
    before = None
    while True:
        try:
            kept = read_json(folder / "about.json", ABOUT)
        except (FileNotFoundError, Damaged):
            return [], b""
        if kept == before or kept["about"] != about or not kept["parts"]:
            return [], b""
        state = _state(folder, kept["parts"])
        if state is not None:
            return kept["parts"], state
        before = kept


def _state(folder: Path, parts: list[dict]) -> bytes | None:
    """What the frame after `parts` depends on; None if that or one of them is not whole."""
    try:
        whole = all(sha256(_path(folder, part["frames"], "packets")) == part["sha256"] for part in parts)
        state = _path(folder, parts[-1]["frames"], "state").read_bytes()
    except (OSError, Damaged):
        return None
    return state if whole and hashlib.sha256(state).hexdigest() == parts[-1]["state"] else None


def _unpacked(content: bytes) -> Iterator[av.Packet]:
    at = 0
    while at < len(content):
        pts, dts, duration, is_key, size = HEAD.unpack_from(content, at)
        packet = av.Packet(content[at + HEAD.size : at + HEAD.size + size])
        packet.pts, packet.dts, packet.duration, packet.is_keyframe = pts, dts, duration, bool(is_key)
        at += HEAD.size + size
        yield packet
