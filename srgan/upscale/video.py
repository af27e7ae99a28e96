"""Video: read, upscaled and written frame by frame; sound, subtitles, chapters and tags are copied as they are.

SR is H.264 in MP4 or Matroska, with the times, the colours and the shape of the source.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from srgan.errors import SRGANError

try:
    import av
except ImportError as error:  # Colab has it not
    raise SRGANError("Videos need the package PyAV: pip install av") from error

from av.container import OutputContainer
from av.stream import Stream
from av.video.stream import VideoStream
from tqdm.auto import tqdm

from srgan.config import SCALE
from srgan.runs.paths import remove_abandoned, write_atomically
from srgan.runs.progress import clock, shows_bars
from srgan.upscale import video_frames as frames
from srgan.upscale.targets import require_free
from srgan.upscale.video_reader import Source, copy_of, tags, unheld

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}  # what is written
# The best first. CRF 18: no loss that is seen. Preset veryfast: half the time of the default at about the same size.
ENCODERS = {"libx264": {"crf": "18", "preset": "veryfast"}, "mpeg4": {"qmin": "2", "qmax": "3"}}
WIDEST = 16_384  # pixels a side that the encoder takes
LOOKAHEAD = 2**28  # bytes of frames that the encoder may hold to plan ahead
PREVIEW = 1.0  # seconds


class Upscaled(NamedTuple):
    """What `upscale` made."""

    path: Path
    frames: int
    seconds: float  # that the work took
    remarks: tuple[str, ...]  # in sentences, what is not as in the source, and what was damaged in it


def default_target(source: Path) -> Path:
    """Beside `source`, "_x4" behind its name; of its suffix if that can be written and holds all its sound and subtitles, else
    MP4 if that does, else Matroska."""
    with Source(source) as reading:
        fitting = [s for s in (source.suffix.lower(), ".mp4") if s in FORMATS and not unheld(reading, FORMATS[s])]
    return source.with_name(f"{source.stem}_x{SCALE}{[*fitting, '.mkv'][0]}")


def preview_path(target: Path) -> Path:
    """Where the preview of `target` goes."""
    return target.with_name(f"{target.stem}_preview{target.suffix}")


def upscale(
    source: Path,
    target: Path,
    upscaler: Callable[[np.ndarray], np.ndarray],
    *,
    force: bool = False,
    preview: bool = False,
    say: Callable[[str], None] = tqdm.write,
) -> Upscaled:
    """Write the video `source`, four times as wide and as high, to `target` (.mp4, .m4v, .mov or .mkv).

    `upscaler`: LR (H, W, 3) uint8 -> SR (4 H, 4 W, 3) uint8. `preview`: the first second only. `say`
    is told before the work of all that will not be as in the source. What is damaged is upscaled as far as it can be read; then
    the remarks tell where it breaks. Raises SRGANError for what cannot be read or written, and for a `target` that is there
    already, unless `force`.
    """
    _refuse(source, target, force)
    remarks: list[str] = []

    def remark(sentence: str) -> None:
        remarks.append(f"{source}: {sentence}")
        say(remarks[-1])

    with Source(source) as reading:
        look = reading.look()
        for sentence in look.remarks:
            remark(sentence)
        count, seconds = _write(reading, target, look, upscaler, PREVIEW if preview else None, remark)
        for sentence in reading.damage(whole=not preview):
            remark(sentence)
        if preview and count:
            say(f"{target}: the first second. All of it would take about {clock(seconds / count * reading.frames)}.")
    return Upscaled(target, count, seconds, tuple(remarks))


def _refuse(source: Path, target: Path, force: bool) -> None:
    """Raise SRGANError where `target` cannot be meant."""
    if target.suffix.lower() not in FORMATS:
        raise SRGANError(f"{target}: videos are written as {', '.join(FORMATS)}. Choose a name that ends so.")
    require_free(target, source, force)


def _write(reading: Source, target: Path, look: frames.Look, upscaler: Callable, limit: float | None, remark: Callable) -> tuple:
    """Make the file, of the seconds before `limit`; returns how many frames it has and the seconds that they took."""
    done = []

    def write(temporary: Path) -> None:
        with av.open(str(temporary), "w", format=FORMATS[target.suffix.lower()]) as container:
            writing = Writing(container, reading, look, remark)
            begun = time.monotonic()
            done.append(_work(reading, writing, upscaler, limit))
            done.append(time.monotonic() - begun)

    remove_abandoned(target)
    try:
        write_atomically(target, write)
    except av.FFmpegError as error:  # those of the system, such as a full disk, it has told of itself
        raise SRGANError(f"{target} could not be written ({error.strerror}). Try it under a name that ends in .mkv.") from error
    return tuple(done)


def _work(reading: Source, writing: Writing, upscaler: Callable, limit: float | None) -> int:
    """Bring what there is before second `limit` from `reading` to `writing`; returns the number of frames."""
    total = reading.frames if limit is None else min(reading.frames, round(limit * reading.rate))
    count = 0
    with tqdm(total=total or None, desc=reading.path.name, unit="frame", mininterval=0.1 if shows_bars() else 10.0) as bar:
        for item in reading.items(writing.copies):
            if limit is not None and reading.reached > limit + 1.0:  # sound may lie some way behind its picture
                break
            if limit is not None and reading.second(item) >= limit:
                continue
            if isinstance(item, av.Packet):
                writing.copy(item)
            else:
                writing.encode(upscaler(frames.to_rgb(item, writing.look)), item)
                count += 1
                bar.update()
    writing.finish()
    return count


class Writing:
    """The file that is written: the picture encoded, the other streams copied. What it cannot hold is told to `remark`."""

    def __init__(self, container: OutputContainer, reading: Source, look: frames.Look, remark: Callable[[str], None]):
        self._container, self.look = container, look
        self._picture, self._last = self._encoder(reading, remark), None
        self.copies: dict[Stream, Stream] = {}
        chapters = reading.container.chapters()
        for stream in reading.others:
            copy = copy_of(stream, container)
            if copy is not None:
                self.copies[stream] = copy
            elif stream.type != "data" or not chapters:  # these have titles for data
                remark(_left_out(stream, container))
        container.metadata.update(tags(reading.container.metadata))
        container.set_chapters(chapters)
        container.start_encoding()

    def _encoder(self, reading: Source, remark: Callable[[str], None]) -> VideoStream:
        look, (height, width) = self.look, self.look.shape
        if max(height, width) > WIDEST:
            raise SRGANError(
                f"{reading.path}: SR would be {width}x{height}; a side can have {WIDEST} pixels at most. Shrink it first."
            )
        name = next(name for name in ENCODERS if name in av.codecs_available)
        if name != "libx264":
            remark(f"this PyAV has no encoder for H.264, so SR is {name}, which looks a little worse. pip install av brings one.")
        lookahead = min(40, max(5, LOOKAHEAD // (height * width * 3 // 2)))
        options = ENCODERS[name] | ({"rc-lookahead": str(lookahead)} if name == "libx264" else {})
        picture = self._container.add_stream(name, rate=reading.rate, options=options, width=width, height=height)
        context = picture.codec_context
        context.time_base = reading.picture.time_base
        if name == "mpeg4" and context.time_base.denominator > 65_535:  # the most that it can count
            context.time_base = Fraction(1, 60_000)
        context.sample_aspect_ratio = 1 / look.aspect if look.sideways else look.aspect
        context.colorspace, context.color_range = look.matrix, look.range
        context.color_primaries, context.color_trc = look.primaries, look.transfer
        picture.metadata.update(tags(reading.picture.metadata))
        picture.disposition = reading.picture.disposition
        return picture

    def copy(self, packet: av.Packet) -> None:
        packet.stream = self.copies[packet.stream]
        self._container.mux(packet)

    def encode(self, sr: np.ndarray, of: av.VideoFrame) -> None:
        """Append SR (H, W, 3) uint8 of the frame `of`, at its time."""
        unit = self._picture.codec_context.time_base
        frame = frames.to_yuv(sr, self.look)
        frame.time_base = unit
        frame.pts, frame.duration = (round(number * of.time_base / unit) for number in (of.pts, of.duration))
        if self._last is not None and frame.pts <= self._last:  # no two frames can be shown at once
            frame.pts = self._last + 1
        self._last = frame.pts
        self._container.mux(self._picture.encode(frame))

    def finish(self) -> None:
        """Write the frames that the encoder still holds."""
        self._container.mux(self._picture.encode(None))


def _left_out(stream: Stream, container: OutputContainer) -> str:
    kind = {"audio": "sound", "subtitle": "subtitles"}.get(stream.type, stream.type)
    codec = f" ({stream.codec_context.name})" if stream.codec_context else ""
    if stream.type in ("video", "data"):
        return f"its {kind}, stream {stream.index}{codec}, is left out: one picture is upscaled, sound and subtitles are copied."
    hint = " A target that ends in .mkv holds more." if container.format.name != "matroska" else ""
    return f"its {kind}, stream {stream.index}{codec}, cannot be kept in this kind of file and is left out.{hint}"
