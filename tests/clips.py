"""Short videos with sound, made by code: every frame tells its number, every codec is one that PyAV brings."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SOUND_RATE = 48_000
QUICKLY = {"libx264": {"preset": "ultrafast", "crf": "18"}, "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"}}


def pattern(number: int, width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8: a slope of colours that moves, and white bars that tell `number` in binary."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    image = np.stack([40 + (x + number) % 150, 40 + (2 * y) % 150, 40 + (x + y) % 150], -1).astype(np.uint8)
    side = width // 12
    for bit in range(10):
        image[:side, (bit + 1) * side : (bit + 2) * side] = 235 if number >> bit & 1 else 16
    return image


def number_of(image: np.ndarray) -> int:
    """The number that `pattern` put into an image, in colour or gray, which may have been enlarged."""
    side = image.shape[1] // 12
    middles = [image[side // 2, (bit + 1) * side + side // 2].mean() for bit in range(10)]
    return sum(1 << bit for bit, level in enumerate(middles) if level > 126)


def write(
    path: Path,
    *,
    size: tuple[int, int] = (48, 32),
    stamps: Sequence[int] = range(10),
    unit: Fraction = Fraction(1, 25),
    video: str | None = "libx264",
    audio: str | None = None,
    options: dict[str, str] | None = None,
    picture: Callable[[int, int, int], np.ndarray] = pattern,
    subtitle: str = "",
    tags: dict[str, object] | None = None,
    prepare: Callable[[av.container.OutputContainer], None] = lambda container: None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write frames at the times `stamps`, in `unit` seconds, with a tone as long and one line of subtitles.

    `tags`: attributes of the encoder, such as pix_fmt and color_range; `prepare` may add to the container.
    """
    with av.open(f"file:{path}", "w", container_options=container_options or {}) as container:
        streams = []
        if video:
            rate = 1 / unit if unit > Fraction(1, 100) else 25
            options = QUICKLY.get(video, {}) | (options or {})
            shown = container.add_stream(video, rate=rate, options=options, width=size[0], height=size[1])
            shown.codec_context.time_base = unit
            for name, value in (tags or {}).items():
                setattr(shown.codec_context, name, value)
            streams.append(shown)
        if audio:
            heard = container.add_stream(audio, rate=SOUND_RATE)
            heard.layout = "mono"
            if audio.startswith("wma"):
                heard.bit_rate = 64_000
            streams.append(heard)
        text = container.add_mux_stream(subtitle, time_base=Fraction(1, 1000)) if subtitle else None
        prepare(container)
        container.start_encoding()
        if video:
            _show(container, shown, stamps, unit, picture)
        if audio:
            _sound(container, heard, float((stamps[-1] + 1 - stamps[0]) * unit))
        for stream in streams:
            container.mux(stream.encode(None))
        if text is not None:
            _subtitle(container, text, subtitle)
    return path


def _show(container, stream, stamps: Sequence[int], unit: Fraction, picture: Callable) -> None:
    for number, stamp in enumerate(stamps):
        image = picture(number, stream.width, stream.height)
        frame = av.VideoFrame.from_ndarray(image, "rgb24") if isinstance(image, np.ndarray) else image
        frame = frame.reformat(format=stream.pix_fmt)
        frame.pts, frame.time_base = stamp, unit
        container.mux(stream.encode(frame))


def _sound(container, stream, seconds: float) -> None:
    for begin in range(0, round(seconds * SOUND_RATE), 960):
        tone = 0.3 * np.sin(2 * np.pi * 440 * (begin + np.arange(960)) / SOUND_RATE)
        frame = av.AudioFrame.from_ndarray(tone[None].astype(np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, begin, Fraction(1, SOUND_RATE)
        container.mux(stream.encode(frame))


def _subtitle(container, stream, codec: str) -> None:
    line = "Grüße vom Meer".encode()
    packet = av.Packet(line if codec != "mov_text" else len(line).to_bytes(2, "big") + line)
    packet.stream, packet.time_base = stream, Fraction(1, 1000)
    packet.pts = packet.dts = 40
    packet.duration = 200
    container.mux(packet)


def turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Write `matrix` (a, b, c, d) into the header of the first track of an MP4: (x, y) is shown at (a x + c y, b x + d y)."""
    content = bytearray(path.read_bytes())
    begin = content.index(b"tkhd") + 44  # ISO/IEC 14496-12, 8.3.2
    assert struct.unpack_from(">9i", content, begin) == (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    a, b, c, d = (round(number * 2**16) for number in matrix)
    struct.pack_into(">9i", content, begin, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


def packets(path: Path, kind: str) -> list[bytes]:
    """What the packets of the first stream of this kind hold."""
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


def stamps(path: Path) -> list[Fraction]:
    """When each frame is shown, in seconds."""
    with av.open(str(path)) as container:
        return [frame.pts * (frame.time_base or container.streams.video[0].time_base) for frame in container.decode(video=0)]


def pictures(path: Path) -> list[np.ndarray]:
    """The frames as RGB by FFmpeg's own filter, as they are stored."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def sizes_and_numbers(path: Path) -> list[tuple[int, int, int]]:
    """Width, height and `number_of` each frame, one in memory at a time."""
    with av.open(str(path)) as container:
        return [(frame.width, frame.height, number_of(frame.to_ndarray(format="gray"))) for frame in container.decode(video=0)]
