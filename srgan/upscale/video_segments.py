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
# frames: in it and the parts before; state: of what the frame after it depends on
ABOUT = {"about": ANYTHING, "parts": [{"frames": whole(1), "sha256": SHA256, "state": SHA256}]}
HEAD = struct.Struct("<qqqBI")  # pts, dts, duration, whether it is a key frame, bytes


class Segments:
    """Packets of the encoded picture in the order of the encoder, in parts that each begin anew."""

    def __init__(self, folder: Path | None, about: dict):
        """`folder`: where parts are kept; None: nowhere. Those of another film, or made in another way than `about` says, go."""
        self._folder, self._about = folder, about
        self._packets: list[bytes] = []  # of the part that is being made, as they are kept
        self._begun = time.monotonic()
        self._parts = _finished(folder, about) if folder else []
        if not self._parts:
            self.remove()

    @property
    def frames(self) -> int:
        """How many the finished parts hold."""
        return self._parts[-1]["frames"] if self._parts else 0

    @property
    def state(self) -> bytes:
        """What was given to `keep` with the last part; b"" before the first one."""
        return _path(self._folder, self.frames, "state").read_bytes() if self._parts else b""

    def is_due(self) -> bool:
        """Whether the part that is being made has taken long enough to be kept."""
        return self._folder is not None and time.monotonic() - self._begun > SECONDS

    def add(self, packets: list[av.Packet]) -> None:
        self._packets += [HEAD.pack(p.pts, p.dts, p.duration or 0, p.is_keyframe, p.size) + bytes(p) for p in packets]

    def keep(self, frames: int, state: bytes) -> None:
        """Finish a part: it and the earlier ones hold the first `frames` frames; the next one depends on `state`.

        Raises SRGANError if it cannot be written.
        """
        before, part = self.frames, {"frames": frames}
        for key, suffix, content in (("sha256", "packets", b"".join(self._packets)), ("state", "state", state)):
            write_atomically(_path(self._folder, frames, suffix), lambda temporary, content=content: temporary.write_bytes(content))
            part[key] = hashlib.sha256(content).hexdigest()
        self._parts.append(part)
        write_json(self._folder / "about.json", {"about": self._about, "parts": self._parts})
        _path(self._folder, before, "state").unlink(missing_ok=True)
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


def _finished(folder: Path, about: dict) -> list[dict]:
    """The parts of this film in `folder`, as its table tells of them; none if one of them is missing or not as it was made."""
    try:
        kept = read_json(folder / "about.json", ABOUT)
        files = [(part["frames"], "packets", part["sha256"]) for part in kept["parts"]]
        files += [(part["frames"], "state", part["state"]) for part in kept["parts"][-1:]]
        if any(sha256(_path(folder, frames, suffix)) != expected for frames, suffix, expected in files):
            return []
    except (FileNotFoundError, Damaged):
        return []
    return kept["parts"] if kept["about"] == about else []


def _unpacked(content: bytes) -> Iterator[av.Packet]:
    at = 0
    while at < len(content):
        pts, dts, duration, is_key, size = HEAD.unpack_from(content, at)
        packet = av.Packet(content[at + HEAD.size : at + HEAD.size + size])
        packet.pts, packet.dts, packet.duration, packet.is_keyframe = pts, dts, duration, bool(is_key)
        at += HEAD.size + size
        yield packet
