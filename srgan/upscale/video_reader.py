"""A video that is read: its picture as frames, the rest as packets, and in words what is damaged in it."""

from __future__ import annotations

import contextlib
import functools
import io
import math
import struct
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.stream import Disposition, Stream

from srgan.errors import SRGANError
from srgan.upscale import video_frames
from srgan.upscale.video_frames import FrameFormat

# What FFmpeg reads as video too: images, text, and lists of other files.
NO_VIDEO = ("image2", "_pipe", "gif", "apng", "webp", "ico", "tty", "hls", "concat", "dash")
STILLS = ("heic", "heix", "mif1", "msf1", "avif", "avis")  # brands of images in the container of MP4
# How the names of tags begin that are not of the film.
OF_THE_FILE = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration", "rotate", "bps", "number_of_",
               "_statistics", "vendor_id", "alpha_mode")  # fmt: skip
MOST_PIXELS = 2**27  # of a frame: a small file may promise more than the memory holds, and none so large can be written
SILENCE = 0.5  # seconds that a file may end before it says so, and be whole
# Seconds that a time stamp may lie behind or before the one expected; what is farther is a new recording (as in FFmpeg's program).
BACKWARD, FORWARD = Fraction(1, 10), 10
MAY_JUMP = 0x0200  # flag of formats whose stamps may jump, such as transport streams (AVFMT_TS_DISCONT)


class Source:
    """A video that is read. Seconds count from where the file begins. Raises SRGANError, with its name, for what is no video."""

    def __init__(self, path: Path):
        self.path = path
        self.reached = 0.0  # the second up to which the file has been read
        self._damaged: list[float] = []  # seconds of the picture
        self._cut = False
        self._next, self._deinterlacer = 0, None
        self.container = _open(path)
        pictures = [stream for stream in self.container.streams.video if not is_cover(stream)]
        brand = self.container.metadata.get("major_brand", "")
        if not pictures or brand in STILLS or any(name in self.container.format.name for name in NO_VIDEO):
            self.container.close()
            raise SRGANError(f"{path} holds no video.")
        self.picture = pictures[0]
        self.picture.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
        self.others = [stream for stream in self.container.streams if stream.index != self.picture.index]
        self.rate = self.picture.average_rate or self.picture.guessed_rate or Fraction(25)
        self._begin = max(Fraction(self.container.start_time or 0, av.time_base), Fraction(0))
        self._shifts = [-self._begin]  # seconds that are added to the stamps; of two recordings joined in the file both
        self._latest: dict[int, Fraction] = {}  # when the last packet of a stream was decoded
        self._expected: dict[int, Fraction] = {}  # and when the next one should be

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *exception) -> None:
        self.container.close()

    @property
    def duration(self) -> float:
        """Seconds, by what the file says; 0 if it says nothing."""
        return (self.container.duration or 0) / av.time_base

    @property
    def frames(self) -> int:
        """How many frames there should be, by what the file says; 0 if it says nothing."""
        return self.picture.frames or round(self.duration * self.rate)

    @functools.cached_property
    def shown_until(self) -> float:
        """When its last frame goes, where the header of an MP4 says that it stays longer than FFmpeg sees; else 0."""
        if "mp4" not in self.container.format.name:
            return 0.0
        seconds = _track_seconds(self.path, self.picture.id) - float(self._begin)
        return seconds if seconds > self.duration + max(0.1, 1.2 / self.rate) else 0.0

    def frame_format(self) -> FrameFormat:
        """What the first frame tells. Raises SRGANError if there is none that can be read."""
        with Source(self.path) as again:
            frame = next(again.items([]), None)
            if frame is None:
                raise SRGANError(
                    f"{self.path}: none of its frames can be read. It is damaged, or of a kind that is not known here."
                )
            try:
                found = video_frames.frame_format(frame, self.picture.sample_aspect_ratio)
            except SRGANError as error:
                raise SRGANError(f"{self.path}: {error}") from error
            remarks = [*found.remarks]
            if again._deinterlacer is not None:
                remarks.append("it is interlaced: each frame is made whole from its two fields first.")
            if self.picture.metadata.get("alpha_mode") == "1":
                remarks.append("its transparency is left out.")
            return found._replace(remarks=tuple(remarks))

    def items(self, others: Iterable[Stream]) -> Iterator[av.VideoFrame | av.Packet]:
        """The frames of the picture and the packets of `others`, in the order of the file, as far as it can be read."""
        for packet in self.packets([self.picture, *others]):
            if packet.stream_index == self.picture.index:
                yield from self._decoded(packet)
            else:
                yield packet
        yield from self._decoded(None)

    def second(self, item: av.VideoFrame | av.Packet) -> float:
        """When `item` begins."""
        stamp = item.dts if item.pts is None else item.pts
        return self.reached if stamp is None else float(stamp * item.time_base)

    def damage(self, whole: bool) -> list[str]:
        """Sentences on what could not be read; on the end only if the file was read up to there (`whole`)."""
        sentences = []
        if self._damaged:
            times = "once" if len(self._damaged) == 1 else f"{len(self._damaged)} times"
            sentences.append(f"it is damaged at second {self._damaged[0]:.1f}, {times} in all. What could be read is kept.")
        # Matroska tells when the film ends, the others how long it is.
        duration = self.duration - float(self._begin) if "matroska" in self.container.format.name else self.duration
        if whole and (self._cut or self.reached < duration - SILENCE):
            sentences.append(
                f"it breaks off at second {self.reached:.1f} of {max(duration, self.reached):.1f}. What is before is kept."
            )
        return sentences

    def packets(self, streams: list[Stream]) -> Iterator[av.Packet]:
        """The packets of these streams in the order of the file, as far as it can be read, their stamps mended."""
        packets = self.container.demux(streams) if streams else iter(())
        while True:
            try:
                packet = next(packets, None)
            except (OSError, av.FFmpegError):
                self._cut = True
                return
            if packet is None:
                return
            if packet.size or packet.dts is not None:  # the others only mark the end
                self._cut = packet.is_corrupt  # of the last one: the file ends in it
                self._mend(packet)
                self.reached = max(self.reached, self.second(packet) + float((packet.duration or 0) * packet.time_base))
                yield packet

    def _mend(self, packet: av.Packet) -> None:
        """Count the stamps from the beginning of the file; where they jump, a new recording goes on where the one before ended."""
        unit, expected, shift = packet.time_base, self._expected.get(packet.stream_index), self._shifts[-1]
        if packet.dts is not None:
            begin = packet.dts * unit
            if expected is not None:  # where two recordings meet, packets of both come by turns
                shift = min(self._shifts, key=lambda shift: abs(begin + shift - expected))
                ahead = FORWARD if self.container.format.flags & MAY_JUMP else math.inf
                if not self._latest[packet.stream_index] - BACKWARD <= begin + shift <= expected + ahead:
                    shift = expected - begin
                    self._shifts = [self._shifts[-1], shift]
            self._latest[packet.stream_index] = begin + shift
            end = begin + shift + (packet.duration or 0) * unit
            self._expected[packet.stream_index] = end if expected is None else max(end, expected)
        ticks = round(shift / unit)
        packet.dts = None if packet.dts is None else packet.dts + ticks
        packet.pts = None if packet.pts is None else packet.pts + ticks

    def _decoded(self, packet: av.Packet | None) -> Iterator[av.VideoFrame]:
        """The frames that `packet` completes; of None, those that are left."""
        try:
            decoded = self.picture.decode(packet)
        except av.FFmpegError:
            self._damaged.append(self.reached)
            decoded = []
        for frame in decoded:
            if frame.is_corrupt:
                self._damaged.append(self.second(frame))
            yield from self._deinterlaced(self._timed(frame))
        if packet is None:
            yield from self._deinterlaced(None)

    def _timed(self, frame: av.VideoFrame) -> av.VideoFrame:
        """`frame` with a time and a duration, where the file gives none."""
        frame.time_base = frame.time_base or self.picture.time_base
        frame.duration = frame.duration or max(1, round(1 / (self.rate * frame.time_base)))
        frame.pts = self._next if frame.pts is None else frame.pts
        self._next = frame.pts + frame.duration
        return frame

    def _deinterlaced(self, frame: av.VideoFrame | None) -> Iterator[av.VideoFrame]:
        """`frame`; in an interlaced video the frames that it completes, each made of its fields."""
        if self._deinterlacer is None and frame is not None and frame.interlaced_frame:
            graph = self._deinterlacer = av.filter.Graph()
            graph.link_nodes(
                graph.add_buffer(self.picture),
                graph.add("bwdif", "mode=send_frame:deint=interlaced"),
                graph.add("buffersink"),
            ).configure()
        if self._deinterlacer is None:
            yield from [] if frame is None else [frame]
            return
        self._deinterlacer.vpush(frame)
        with contextlib.suppress(av.BlockingIOError, av.EOFError):  # it wants the next frame first, or has no more
            while True:
                yield self._deinterlacer.vpull()


def is_cover(stream: Stream) -> bool:
    """Whether this video stream is one picture, such as the cover of an album."""
    return bool(stream.disposition & Disposition.attached_pic)


def copy_of(stream: Stream, container: OutputContainer) -> Stream | None:
    """A new stream in `container` for the packets of `stream`; None where it cannot hold them, and for other pictures and data."""
    if stream.type in ("data", "attachment") or (stream.type == "video" and not is_cover(stream)):
        return None
    try:
        copy = container.add_stream_from_template(stream, opaque=True)
    except (ValueError, av.FFmpegError):  # by the container's table of codecs
        return None
    copy.metadata.update(tags(stream.metadata))
    copy.disposition = stream.disposition
    return copy


def unheld(source: Source, format: str) -> list[Stream]:
    """Sound and subtitles that a file of this format cannot hold, or where few players find them."""
    with av.open(io.BytesIO(), "w", format=format) as container:
        streams = [stream for stream in source.others if stream.type in ("audio", "subtitle")]
        return [
            s for s in streams if not copy_of(s, container) or (format == "mp4" and s.codec_context.name.startswith(("pcm", "mp2")))
        ]


def tags(metadata: dict[str, str]) -> dict[str, str]:
    """Without what is of the old file itself."""
    return {name: text for name, text in metadata.items() if not name.lower().startswith(OF_THE_FILE)}


def _open(path: Path) -> InputContainer:
    try:
        if path.stat().st_size == 0:
            raise SRGANError(f"{path} is empty (0 bytes). Copy or download it again.")
        # A list of other files may lie under a video's name: nothing but local files is opened.
        return av.open(f"file:{path.resolve()}", options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except (av.InvalidDataError, av.EOFError) as error:
        raise SRGANError(
            f"{path} cannot be read as a video: it is something else, or its index is missing, as where a recording or a download "
            "was cut off. Copy or download it again."
        ) from error
    except (OSError, RuntimeError, av.FFmpegError) as error:  # RuntimeError: of links in a circle
        raise SRGANError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error}).") from error


def _track_seconds(path: Path, track: int) -> float:
    """How long this track is shown, by the headers of an MP4 (ISO/IEC 14496-12, 8.2 and 8.3); 0 where they do not say."""
    with open(path, "rb") as file:
        for kind, content in _boxes(file, path.stat().st_size):
            if kind == b"moov":
                moov = io.BytesIO(file.read(content))
                inside = {kind: [] for kind in (b"mvhd", b"trak")}
                for kind, size in _boxes(moov, content):
                    inside.setdefault(kind, []).append(moov.read(size))
                return _seconds_of(inside[b"mvhd"], inside[b"trak"], track)
    return 0.0


def _boxes(file: io.IOBase, end: int) -> Iterator[tuple[bytes, int]]:
    """Kind and length of each box from here to `end`, the file standing at its content."""
    at = file.tell()
    while at + 8 <= end:
        file.seek(at)
        length, kind = struct.unpack(">I4s", file.read(8))
        head = 8
        if length == 1:
            length, head = int.from_bytes(file.read(8), "big"), 16
        length = length or end - at
        if length < head:
            return
        yield kind, min(length - head, end - at - head)
        at += length


def _seconds_of(mvhd: list[bytes], traks: list[bytes], track: int) -> float:
    for trak in traks:
        file = io.BytesIO(trak)
        tkhd = next((file.read(size) for kind, size in _boxes(file, len(trak)) if kind == b"tkhd"), b"")
        layout = ">I4xQ" if tkhd[:1] == b"\1" else ">I4xI"  # number, reserved, duration
        begin = 20 if tkhd[:1] == b"\1" else 12
        if len(tkhd) >= begin + struct.calcsize(layout) and mvhd and len(mvhd[0]) >= 32:
            number, duration = struct.unpack_from(layout, tkhd, begin)
            (scale,) = struct.unpack_from(">I", mvhd[0], 20 if mvhd[0][:1] == b"\1" else 12)
            unknown = 2**64 - 1 if tkhd[:1] == b"\1" else 2**32 - 1
            if number == track and scale and duration != unknown:
                return duration / scale
    return 0.0
