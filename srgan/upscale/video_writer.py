"""The film that is written: its picture encoded, its other streams copied, and in words what it cannot hold."""

from __future__ import annotations

import errno
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext

from srgan.errors import SRGANError
from srgan.upscale import video_frames
from srgan.upscale.video_frames import FrameFormat
from srgan.upscale.video_reader import Source, copy_of, is_cover, tags

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}  # what is written
# The best first. CRF 18: no loss that is seen. Preset veryfast: half the time of the default at about the same size.
ENCODERS = {"libx264": {"crf": "18", "preset": "veryfast"}, "mpeg4": {"qmin": "2", "qmax": "3"}}
WIDEST = 16_384  # pixels a side that the encoder takes
LOOKAHEAD = 2**28  # bytes of frames that the encoder may hold to plan ahead
OF_THE_DISK = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM}
GLOBAL_HEADER = av.codec.context.Flags.global_header

Remark = Callable[[str], None]


class Encoder:
    """Frames of SR to packets of H.264. Each one begins anew: what several of them make can be joined."""

    def __init__(self, reading: Source, like: FrameFormat):
        self.name = next(name for name in ENCODERS if name in av.codecs_available)
        self._context, self._like = av.CodecContext.create(self.name, "w"), like
        self._context.flags |= GLOBAL_HEADER
        set_up(self._context, self.name, reading, like)
        self._durations: dict[int, int] = {}

    def encode(self, sr: np.ndarray, pts: int, duration: int) -> list[av.Packet]:
        """The packets that are ready once SR (H, W, 3) uint8 is added, at `pts` for `duration`, in units of `unit_of`."""
        frame = video_frames.to_yuv(sr, self._like)
        frame.time_base, frame.pts, frame.duration = self._context.time_base, pts, duration
        self._durations[pts] = duration
        return self._told(self._context.encode(frame))

    def finish(self, last: int = 0) -> list[av.Packet]:
        """The packets that are left; the last frame is shown up to `last` at least."""
        pts = max(self._durations, default=0)
        self._durations[pts] = max(self._durations.get(pts, 0), last - pts)
        return self._told(self._context.encode(None))

    def _told(self, packets: list[av.Packet]) -> list[av.Packet]:
        for packet in packets:  # encoders forget how long a frame is shown
            packet.duration = self._durations.get(packet.pts, packet.duration)
        return packets


def unit_of(reading: Source, name: str) -> Fraction:
    """What the encoder of this name counts in, in seconds."""
    unit = reading.picture.time_base
    return Fraction(1, 60_000) if name == "mpeg4" and unit.denominator > 65_535 else unit  # the most that it can count


def set_up(context: VideoCodecContext, name: str, reading: Source, like: FrameFormat) -> None:
    """The picture's size, times, colours and shape."""
    height, width = like.shape
    lookahead = min(40, max(5, LOOKAHEAD // (height * width * 3 // 2)))
    # Where the last frame is shown long, it must be the last that is stored, too: players add up what is stored.
    order = {"bf": "0"} if reading.shown_until else {}
    context.options = ENCODERS[name] | ({"rc-lookahead": str(lookahead)} | order if name == "libx264" else {})
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.framerate, context.time_base = reading.rate, unit_of(reading, name)
    context.sample_aspect_ratio = 1 / like.aspect if like.sideways else like.aspect
    context.colorspace, context.color_range = like.matrix, like.range
    context.color_primaries, context.color_trc = like.primaries, like.transfer


class Writing:
    """The file that is written. What it cannot hold is told to `remark`."""

    def __init__(self, container: OutputContainer, reading: Source, like: FrameFormat, remark: Remark, others: bool = True):
        """`others`: whether there is anything but the picture."""
        self._container, self._remark = container, remark
        self._picture = self._picture_stream(reading, like)
        self._last: dict[Stream, int] = {}  # the time stamp of each stream's last packet
        self.copies: dict[Stream, Stream] = {}
        self._recoders: dict[Stream, Recoder] = {}
        self._damaged: set[Stream] = set()
        chapters = reading.container.chapters()
        for stream in reading.others if others else ():
            self._take(stream, bool(chapters), reading.container)
        container.metadata.update(tags(reading.container.metadata))
        container.set_chapters(chapters if others else [])
        container.start_encoding()

    def _picture_stream(self, reading: Source, like: FrameFormat) -> Stream:
        height, width = like.shape
        if max(height, width) > WIDEST:
            raise SRGANError(
                f"{reading.path}: SR would be {width}x{height}; a side can have {WIDEST} pixels at most. Shrink it first."
            )
        name = next(name for name in ENCODERS if name in av.codecs_available)
        if name != "libx264":
            self._remark(
                f"this PyAV has no encoder for H.264, so SR is {name}, which looks a little worse. pip install av brings one."
            )
        picture = self._container.add_stream(name, rate=reading.rate, width=width, height=height)
        set_up(picture.codec_context, name, reading, like)
        picture.metadata.update(tags(reading.picture.metadata))
        picture.disposition = reading.picture.disposition
        self.unit = unit_of(reading, name)
        return picture

    def _take(self, stream: Stream, has_chapters: bool, source: InputContainer) -> None:
        """Make a stream for the packets of `stream`, or tell that there is none."""
        copy, form = copy_of(stream, self._container), self._container.format.name
        if form == "matroska" and (stream.type == "attachment" or is_cover(stream)):
            self._attach(stream, source)
        elif copy is not None:
            self.copies[stream] = copy
        elif stream.type == "audio" and form == "matroska" and stream.codec_context:
            self._recoders[stream] = recoder = Recoder(stream, self._container)
            self.copies[stream] = recoder.stream
            self._remark(f"its sound, stream {stream.index} ({stream.codec_context.name}), becomes FLAC, which loses nothing.")
        elif stream.type == "data" and (
            has_chapters or ("timecode" in str(source.metadata) + str(stream.metadata) and form != "matroska")
        ):
            pass  # the titles of chapters; the time code, which the file's tags bring again
        else:
            self._remark(_left_out(stream, self._container))

    def _attach(self, stream: Stream, source: InputContainer) -> None:
        """Keep a cover or another attachment, such as a font of the subtitles, as Matroska does: as a file within the file."""
        if stream.type == "attachment":
            name, mime, content = stream.name, stream.mimetype, stream.data
        else:
            kind = {"mjpeg": "jpeg"}.get(stream.codec_context.name, stream.codec_context.name)
            with av.open(source.name, options={"protocol_whitelist": "file"}) as again:
                content = next(bytes(packet) for packet in again.demux(again.streams[stream.index]) if packet.size)
            name, mime = f"cover.{kind.replace('jpeg', 'jpg')}", f"image/{kind}"
        self._container.add_attachment(name or "attachment", mime or "application/octet-stream", content)

    def picture(self, packet: av.Packet) -> None:
        """Append a packet of the picture, its stamps in units of `unit_of`."""
        packet.time_base = self.unit
        self._mux(packet, self._picture)

    def copy(self, packet: av.Packet, second: float) -> None:
        """Append a packet of another stream. One that cannot be written is left out, and the film goes on without it."""
        stream = packet.stream
        try:
            for part in self._recoders[stream].recode(packet) if stream in self._recoders else [packet]:
                self._mux(part, self.copies[stream])
        except (av.FFmpegError, ValueError) as error:
            if getattr(error, "errno", None) in OF_THE_DISK:
                raise
            if stream not in self._damaged:
                self._damaged.add(stream)
                reason = getattr(error, "strerror", None) or error
                what = f"of its {_kind(stream)}, stream {stream.index}"
                self._remark(f"{what}, from second {second:.1f} on, what cannot be written ({reason}) is left out.")

    def _mux(self, packet: av.Packet, to: Stream) -> None:
        """Write the packet; its stamps rise, whatever the source says (as FFmpeg's program does it)."""
        unit = to.time_base
        pts, dts = (None if stamp is None else round(stamp * packet.time_base / unit) for stamp in (packet.pts, packet.dts))
        last = self._last.get(to)
        dts = dts if dts is not None else pts
        dts = dts if dts is not None and (last is None or dts > last) else (0 if last is None else last + 1)
        duration = round((packet.duration or 0) * packet.time_base / unit)
        packet.stream, packet.time_base = to, unit
        packet.dts, packet.pts, packet.duration = dts, max(dts, pts if pts is not None else dts), duration
        self._last[to] = dts
        self._container.mux(packet)

    def finish(self) -> None:
        """Write what the recoders still hold."""
        for stream, recoder in self._recoders.items():
            if stream in self.copies:
                for packet in recoder.recode(None):
                    self._mux(packet, recoder.stream)


class Recoder:
    """Sound of a kind that no container takes, decoded and packed again without loss."""

    def __init__(self, stream: Stream, container: OutputContainer):
        context = stream.codec_context
        self._source = stream
        self.stream = container.add_stream("flac", rate=context.sample_rate)
        self.stream.layout = context.layout
        self.stream.format = "s16" if context.format and context.format.bits <= 16 else "s32"
        self.stream.metadata.update(tags(stream.metadata))
        self._resampler = av.AudioResampler(self.stream.format, self.stream.layout, self.stream.rate)

    def recode(self, packet: av.Packet | None) -> list[av.Packet]:
        """The packets of FLAC that `packet` completes; of None those that are left. What is damaged is passed over."""
        made = []
        try:
            frames = self._source.decode(packet)
        except av.FFmpegError:
            frames = []
        for frame in frames:
            for part in self._resampler.resample(frame):
                made += self.stream.encode(part)
        return made + (self.stream.encode(None) if packet is None else [])


def _kind(stream: Stream) -> str:
    if is_cover(stream):
        return "cover"
    return {"audio": "sound", "subtitle": "subtitles"}.get(stream.type, stream.type)


def _left_out(stream: Stream, container: OutputContainer) -> str:
    codec = f" ({stream.codec_context.name})" if stream.codec_context else ""
    if stream.type in ("video", "data") and not is_cover(stream):
        what = f"its {stream.type}, stream {stream.index}{codec}"
        return f"{what}, is left out: one picture is upscaled, sound and subtitles are copied."
    hint = " A target that ends in .mkv holds more." if container.format.name != "matroska" else ""
    return f"its {_kind(stream)}, stream {stream.index}{codec}, cannot be kept in this kind of file and is left out.{hint}"
