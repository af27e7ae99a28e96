"""The encoded picture of a film in parts: the finished ones lie on disk, so that an interrupted film goes on from there."""

from __future__ import annotations

import json
import shutil
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import av

from srgan.runs.paths import write_atomically, write_json

SECONDS = 30.0  # of work that an interruption may cost
HEAD = struct.Struct("<qqqBI")  # pts, dts, duration, whether it is a key frame, bytes


class Segments:
    """Packets of the encoded picture in the order of the encoder, in parts that each begin anew."""

    def __init__(self, folder: Path | None, about: dict):
        """`folder`: where parts are kept; None: nowhere. Those of another film, or made in another way than `about` says, go."""
        self._folder, self._about = folder, about
        self._packets: list[bytes] = []  # of the part that is being made, as they are kept
        self._begun = time.monotonic()
        self.frames = 0  # that the finished parts hold
        if folder and folder.is_dir():
            try:
                kept = json.loads((folder / "about.json").read_text(encoding="utf-8"))
                if kept["about"] == about:
                    self.frames = int(kept["frames"])
            except (OSError, ValueError, KeyError, TypeError):  # written half, or by something else: begun anew
                pass
            if not self.frames:
                self.remove()

    def is_due(self) -> bool:
        """Whether the part that is being made has taken long enough to be kept."""
        return self._folder is not None and time.monotonic() - self._begun > SECONDS

    def add(self, packets: list[av.Packet]) -> None:
        self._packets += [HEAD.pack(p.pts, p.dts, p.duration or 0, p.is_keyframe, p.size) + bytes(p) for p in packets]

    def keep(self, frames: int) -> None:
        """Finish a part: it and the earlier ones hold the first `frames` frames. Raises SRGANError if it cannot be written."""
        path = self._folder / f"{frames:09d}.packets"
        write_atomically(path, lambda temporary: temporary.write_bytes(b"".join(self._packets)))
        write_json(self._folder / "about.json", {"about": self._about, "frames": frames})
        self._packets, self._begun, self.frames = [], time.monotonic(), frames

    def packets(self) -> Iterator[av.Packet]:
        """All packets, of the parts on disk first."""
        kept = sorted(self._folder.glob("*.packets")) if self._folder and self.frames else []
        for path in kept:
            if int(path.stem) > self.frames:  # written, but not told of: a kill came between
                continue
            yield from _unpacked(path.read_bytes())
        yield from _unpacked(b"".join(self._packets))

    def remove(self) -> None:
        """The film is whole, or these parts are of another one."""
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)


def _unpacked(content: bytes) -> Iterator[av.Packet]:
    at = 0
    while at < len(content):
        pts, dts, duration, is_key, size = HEAD.unpack_from(content, at)
        packet = av.Packet(content[at + HEAD.size : at + HEAD.size + size])
        packet.pts, packet.dts, packet.duration, packet.is_keyframe = pts, dts, duration, bool(is_key)
        at += HEAD.size + size
        yield packet
