"""A video that is read: its picture as frames, the rest as packets, and in words what is damaged in it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.stream import Disposition, Stream

from srgan.errors import SRGANError
from srgan.upscale import video_frames as frames

# What FFmpeg reads as video too: images, text, and lists of other files.
NO_VIDEO = ("image2", "_pipe", "gif", "apng", "webp", "ico", "tty", "hls", "concat", "dash")
STILLS = ("heic", "heix", "mif1", "msf1", "avif", "avis")  # brands of images in the container of MP4
# How the names of tags begin that are not of the film.
OF_THE_FILE = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration", "rotate", "bps", "number_of_",
               "_statistics")  # fmt: skip
SILENCE = 0.5  # seconds that a file may end before it says so, and be whole


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
        self.others = [stream for stream in self.container.streams if stream.index != self.picture.index]
        self.rate = self.picture.average_rate or self.picture.guessed_rate or Fraction(25)
        self._begin = (self.container.start_time or 0) / av.time_base

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

    def look(self) -> frames.Look:
        """What the first frame tells. Raises SRGANError if there is none that can be read."""
        with Source(self.path) as again:
            frame = next(again.items([]), None)
            if frame is None:
                raise SRGANError(
                    f"{self.path}: none of its frames can be read. It is damaged, or of a kind that is not known here."
                )
            try:
                look = frames.look(frame, self.picture.sample_aspect_ratio)
            except SRGANError as error:
                raise SRGANError(f"{self.path}: {error}") from error
            if again._deinterlacer is not None:
                look = look._replace(
                    remarks=(*look.remarks, "it is interlaced: each frame is made whole from its two fields first.")
                )
            return look

    def items(self, others: Iterable[Stream]) -> Iterator[av.VideoFrame | av.Packet]:
        """The frames of the picture and the packets of `others`, in the order of the file, as far as it can be read."""
        for packet in self._packets([self.picture, *others]):
            if packet.stream_index == self.picture.index:
                yield from self._decoded(packet)
            else:
                yield packet
        yield from self._decoded(None)

    def second(self, item: av.VideoFrame | av.Packet) -> float:
        """When `item` begins."""
        stamp = item.dts if item.pts is None else item.pts
        return self.reached if stamp is None else float(stamp * item.time_base) - self._begin

    def damage(self, whole: bool) -> list[str]:
        """Sentences on what could not be read; on the end only if the file was read up to there (`whole`)."""
        sentences = []
        if self._damaged:
            times = "once" if len(self._damaged) == 1 else f"{len(self._damaged)} times"
            sentences.append(f"it is damaged at second {self._damaged[0]:.1f}, {times} in all. What could be read is kept.")
        if whole and (self._cut or self.reached < self.duration - SILENCE):
            sentences.append(
                f"it breaks off at second {self.reached:.1f} of {max(self.duration, self.reached):.1f}. What is before is kept."
            )
        return sentences

    def _packets(self, streams: list[Stream]) -> Iterator[av.Packet]:
        packets = self.container.demux(streams)
        while True:
            try:
                packet = next(packets, None)
            except (OSError, av.FFmpegError):
                self._cut = True
                return
            if packet is None:
                return
            if packet.size or packet.dts is not None:  # the others only mark the end
                self._cut |= packet.is_corrupt
                self.reached = max(self.reached, self.second(packet) + float((packet.duration or 0) * packet.time_base))
                yield packet

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
    if stream.type == "data" or (stream.type == "video" and not is_cover(stream)):
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
        return av.open(str(path.resolve()), options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except (av.InvalidDataError, av.EOFError) as error:
        raise SRGANError(
            f"{path} cannot be read as a video: it is something else, or its index is missing, as where a recording or a download "
            "was cut off. Copy or download it again."
        ) from error
    except (OSError, RuntimeError, av.FFmpegError) as error:  # RuntimeError: of links in a circle
        raise SRGANError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error}).") from error
