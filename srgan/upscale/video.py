"""Video: read, upscaled and written frame by frame; sound, subtitles, chapters and tags are copied as they are.

SR is H.264 in MP4 or Matroska, with the times, the colours and the shape of the source, and without flicker where it stands still.
"""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from srgan.errors import SRGANError

try:
    import av
except ImportError as error:  # Colab has it not
    raise SRGANError("Videos need the package PyAV: pip install av") from error

from tqdm.auto import tqdm

from srgan.runs.paths import write_atomically
from srgan.runs.progress import clock, shows_bars
from srgan.upscale import video_frames
from srgan.upscale.resampling import enlarged_to
from srgan.upscale.size import FOUR_TIMES, Size
from srgan.upscale.steady import KIND, Steady
from srgan.upscale.targets import require_free
from srgan.upscale.video_frames import FrameFormat
from srgan.upscale.video_reader import Source, unheld
from srgan.upscale.video_segments import Segments
from srgan.upscale.video_writer import FORMATS, Encoder, Remark, Writing, unit_of

PREVIEW = 1.0  # seconds


class Upscaled(NamedTuple):
    """What `upscale` made."""

    path: Path
    frames: int
    seconds: float  # that the work took
    remarks: tuple[str, ...]  # in sentences, what is not as in the source, and what was damaged in it


def default_target(source: Path, size: Size = FOUR_TIMES) -> Path:
    """Beside `source`, "_x4" or another size behind its name; of its suffix if that can be written and holds all its sound and
    subtitles, else MP4 if that does, else Matroska."""
    with Source(source) as reading:
        fitting = [s for s in (source.suffix.lower(), ".mp4") if s in FORMATS and not unheld(reading, FORMATS[s])]
    return source.with_name(f"{source.stem}{size.suffix}{[*fitting, '.mkv'][0]}")


def pixels(source: Path) -> int:
    """How many pixels all its frames have, by what the file says. Raises SRGANError for what is no video."""
    with Source(source) as reading:
        return reading.frames * reading.picture.codec_context.width * reading.picture.codec_context.height


def first_picture(source: Path) -> np.ndarray:
    """Its first frame, upright, (H, W, 3) uint8. Raises SRGANError for what is no video."""
    with Source(source) as reading:
        return video_frames.to_rgb(next(reading.items([])), reading.frame_format())


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
    how: str = "",
    say: Callable[[str], None] = tqdm.write,
    size: Size = FOUR_TIMES,
) -> Upscaled:
    """Write the video `source`, enlarged to `size`, to `target` (.mp4, .m4v, .mov or .mkv).

    `upscaler`: LR (H, W, 3) uint8 -> SR (4 H, 4 W, 3) uint8. `preview`: the first second only. `how` names the upscaler: where it
    is given, an interrupted video goes on from its finished parts, which lie in a hidden folder beside `target`. `say` is told
    before the work of all that will not be as in the source. What is damaged is upscaled as far as it can be read; then the remarks
    tell where it breaks. Raises SRGANError for what cannot be read or written, and for a `target` that is there already, unless
    `force`.
    """
    if target.suffix.lower() not in FORMATS:
        raise SRGANError(f"{target}: videos are written as {', '.join(FORMATS)}. Choose a name that ends so.")
    require_free(target, source, force)
    remarks: list[str] = []

    def remark(sentence: str) -> None:
        remarks.append(f"{source}: {sentence}")
        say(remarks[-1])

    with Source(source) as reading:
        like = reading.frame_format().sized(size, source)
        for sentence in like.remarks:
            remark(sentence)
        segments = _segments(source, target, like, how if not preview else "")
        if segments.frames:
            say(f"{source}: goes on after frame {segments.frames:,}, where an earlier run was interrupted.")
        count, seconds = _write(reading, target, like, upscaler, PREVIEW if preview else None, segments, remark)
        segments.remove()
        for sentence in reading.damage(whole=not preview):
            remark(sentence)
        if preview and count:
            say(f"{target}: the first second. All of it would take about {clock(seconds / count * reading.frames)}.")
    return Upscaled(target, count, seconds, tuple(remarks))


def _segments(source: Path, target: Path, like: FrameFormat, how: str) -> Segments:
    """The parts of this film that an earlier run left."""
    name = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]
    stat = source.stat()
    about = {"how": how, "source": [stat.st_size, stat.st_mtime_ns], "format": str(like), "encoder": av.__version__, "steady": KIND}
    return Segments(target.parent / f".unfinished-{name}" if how else None, about)


def _write(
    reading: Source, target: Path, like: FrameFormat, upscaler: Callable, limit: float | None, segments: Segments, remark: Remark
) -> tuple[int, float]:
    """Make the file, of the seconds before `limit`; returns how many frames it has and the seconds that they took."""
    done: list = []
    form = FORMATS[target.suffix.lower()]
    # Tags that are Apple's own, such as a phone's make and place, are written only if it is asked for.
    own_tags = form != "matroska" and any(name.startswith("com.") for name in reading.container.metadata)

    def write(temporary: Path, others: bool) -> None:
        options = {"movflags": "use_metadata_tags"} if own_tags else {}
        with av.open(f"file:{temporary.resolve()}", "w", format=form, container_options=options) as container:
            writing = Writing(container, reading, like, remark, others)
            if not done:
                begun = time.monotonic()
                done.append(_encode(reading, like, upscaler, limit, segments))
                done.append(time.monotonic() - begun)
            _mux(reading.path, writing, limit, segments)

    try:
        write_atomically(target, lambda temporary: write(temporary, others=True))
    except av.FFmpegError as error:  # those of the system, such as a full disk, it has told of itself
        if not done:
            raise SRGANError(f"{reading.path}: {target} could not be written ({error.strerror}).") from error
        remark(f"what goes along with its picture cannot be written ({error.strerror}), and is left out.")
        write_atomically(target, lambda temporary: write(temporary, others=False))
    return tuple(done)


def _encode(reading: Source, like: FrameFormat, upscaler: Callable, limit: float | None, segments: Segments) -> int:
    """Upscale and encode the frames before second `limit` that no earlier run has; returns how many frames there are."""
    total = reading.frames if limit is None else min(reading.frames, round(limit * reading.rate))
    encoder, count, last = Encoder(reading, like), 0, None
    unit, steady = unit_of(reading, encoder.name), Steady(segments.state)
    step = max(1, math.ceil(Fraction(1, 1000) / unit))  # of Matroska, which counts milliseconds
    about = {"total": total or None, "initial": segments.frames, "desc": reading.path.name, "unit": "frame"}
    with tqdm(**about, mininterval=0.1 if shows_bars() else 10.0) as bar:
        for item in reading.items(reading.others):  # the others too, to know how far the file goes
            if limit is not None and reading.reached > limit + 1.0:
                break
            if isinstance(item, av.Packet) or (limit is not None and reading.second(item) >= limit):
                continue
            pts, duration = (round(number * item.time_base / unit) for number in (item.pts, item.duration))
            last = pts if last is None or pts > last else last + step  # no two frames can be shown at once
            count += 1
            if count <= segments.frames:
                continue
            bar.update()
            lr = video_frames.to_rgb(item, like)
            bands = enlarged_to(*like.shape, lr, lambda lr: [upscaler(lr)])
            segments.add(encoder.encode(steady(lr, np.concatenate(list(bands)), item.key_frame), last, duration))
            if segments.is_due():
                segments.add(encoder.finish())
                segments.keep(count, steady.state())
                encoder = Encoder(reading, like)
    segments.add(encoder.finish(0 if limit else round(reading.shown_until / unit)))
    return count


def _mux(source: Path, writing: Writing, limit: float | None, segments: Segments) -> None:
    """Bring the encoded picture and the other streams of `source` into the file, in order of time."""
    with Source(source) as reading:
        copies = {stream.index: stream for stream in writing.copies}
        pictures, ready = segments.packets(), None
        for packet in reading.packets([stream for stream in reading.others if stream.index in copies]):
            second = reading.second(packet)
            if limit is not None and second >= limit:
                continue
            ready = _until(second, pictures, ready, writing)
            packet.stream = copies[packet.stream_index]
            writing.copy(packet, second)
        _until(math.inf, pictures, ready, writing)
    writing.finish()


def _until(second: float, packets: Iterator[av.Packet], ready: av.Packet | None, writing: Writing) -> av.Packet | None:
    """Write the packets of the picture that come before `second`; returns the one after them."""
    ready = ready or next(packets, None)
    while ready is not None and float(ready.dts * writing.unit) <= second:
        writing.picture(ready)
        ready = next(packets, None)
    return ready
