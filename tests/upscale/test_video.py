"""Video: what comes out is the source, four times as large, and nothing else has changed; or it is told in words."""

from __future__ import annotations

import importlib
import io
import itertools
import math
import os
import re
import subprocess
import sys
import weakref
from fractions import Fraction
from pathlib import Path

import av
import keras
import numpy as np
import pytest
from av.stream import Disposition
from PIL import Image

from srgan.config import settings
from srgan.errors import SRGANError
from srgan.models import networks
from srgan.runs.paths import PROJECT
from srgan.upscale import network, video
from srgan.upscale.video_writer import ENCODERS
from tests import clips
from tests.clips import number_of, packets, pictures, stamps


def larger(lr: np.ndarray) -> np.ndarray:
    """Every pixel four by four."""
    return lr.repeat(4, axis=0).repeat(4, axis=1)


@pytest.fixture(autouse=True)
def quick_encoder(monkeypatch):
    """The encoder takes as little time as it can."""
    monkeypatch.setitem(ENCODERS, "libx264", ENCODERS["libx264"] | {"preset": "ultrafast"})


@pytest.fixture
def clip(tmp_path) -> Path:
    """Ten frames with sound."""
    return clips.write(tmp_path / "clip.mp4", audio="aac")


def seconds(path: Path) -> float:
    with av.open(str(path)) as container:
        return container.duration / av.time_base


def codecs(path: Path) -> list[tuple[str, str]]:
    with av.open(str(path)) as container:
        return [(stream.type, stream.codec_context.codec.canonical_name) for stream in container.streams]


def run(source: Path, upscaler=larger, **options) -> video.Upscaled:
    target = video.default_target(source)
    return video.upscale(source, video.preview_path(target) if options.get("preview") else target, upscaler, **options)


# What is kept --------------------------------------------------------------------------------------------------------


def test_ten_seconds_of_320x180_with_sound_become_1280x720_and_all_else_stays(tmp_path):
    source = clips.write(tmp_path / "clip.mp4", size=(320, 180), stamps=range(250), audio="aac")
    made = run(source)
    assert made.path == tmp_path / "clip_x4.mp4" and made.frames == 250 and made.remarks == ()
    assert clips.sizes_and_numbers(made.path) == [(1280, 720, number) for number in range(250)]
    assert stamps(made.path) == [Fraction(n, 25) for n in range(250)]
    assert abs(seconds(made.path) - seconds(source)) <= 1 / 25 and abs(seconds(made.path) - 10) <= 1 / 25
    assert codecs(made.path) == [("video", "h264"), ("audio", "aac")]
    heard = packets(source, "audio")
    assert len(heard) > 400 and packets(made.path, "audio") == heard
    assert sorted(os.listdir(tmp_path)) == ["clip.mp4", "clip_x4.mp4"]


X265 = {"x265-params": "log-level=none:pools=none:frame-threads=1", "preset": "ultrafast"}
KINDS = {
    "mpeg4 and mp3 in AVI": ("clip.avi", dict(video="mpeg4", audio="libmp3lame"), ".mp4"),
    "VP9 and Opus in WebM": ("clip.webm", dict(video="libvpx-vp9", audio="libopus"), ".mp4"),
    "H.264, FLAC and SubRip in Matroska": ("clip.mkv", dict(audio="flac", subtitle="subrip"), ".mkv"),
    "H.264, AAC and mov_text in MP4": ("clip.mp4", dict(audio="aac", subtitle="mov_text"), ".mp4"),
    "Motion JPEG and PCM in AVI": ("clip.avi", dict(video="mjpeg", audio="pcm_s16le", tags={"pix_fmt": "yuvj420p"}), ".mkv"),
    "MPEG-2 and MP2 in a transport stream": ("clip.ts", dict(video="mpeg2video", audio="mp2"), ".mkv"),
    "VP8 and SubRip, no sound": ("a clip – été.mkv", dict(video="libvpx", subtitle="subrip"), ".mkv"),
    "ProRes in QuickTime": ("clip.MOV", dict(video="prores_ks", audio="aac", tags={"pix_fmt": "yuv422p10le"}), ".mov"),
    "H.265": ("clip.mp4", dict(video="libx265", audio="aac", size=(64, 64), options=X265), ".mp4"),
    "odd sides": ("clip.mkv", dict(video="libvpx-vp9", size=(49, 31)), ".mkv"),
    "one frame": ("clip.mp4", dict(stamps=[0]), ".mp4"),
    "a suffix that tells nothing": ("clip.dat", dict(), ".mp4"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_frames_times_sound_and_subtitles_of_every_kind_are_those_of_the_source(tmp_path, kind):
    name, options, suffix = KINDS[kind]
    source = clips.write(tmp_path / name.replace(".dat", ".mp4"), **options).rename(tmp_path / name)
    made = run(source)
    assert made.path == tmp_path / f"{source.stem}_x4{suffix}"
    count = len(options.get("stamps", range(10)))
    width, height = options.get("size", (48, 32))
    assert made.frames == count
    assert [number_of(image) for image in pictures(made.path)] == list(range(count))
    assert {image.shape for image in pictures(made.path)} == {(4 * height, 4 * width, 3)}
    with av.open(str(source)) as container:  # a transport stream begins later
        begin = max(Fraction(container.start_time, av.time_base), 0)
    assert all(
        abs(made - stamp) < Fraction(1, 40_000)
        for made, stamp in zip(stamps(made.path), (s - begin for s in stamps(source)), strict=True)
    )
    assert abs(seconds(made.path) - seconds(source)) <= 1 / 25
    assert codecs(made.path)[1:] == codecs(source)[1:]
    for kind, _ in codecs(source)[1:]:
        kept, given = packets(made.path, kind), packets(source, kind)
        if "mov_text" in options.values():  # the time between subtitles is filled with empty ones
            kept, given = ([text for text in texts if text != b"\0\0"] for texts in (kept, given))
        assert kept == given != []
    assert bool(made.remarks) == ("prores" in str(options))  # of its ten bits


@pytest.mark.parametrize(("name", "unit"), [("clip.mp4", Fraction(1, 90_000)), ("clip.mkv", Fraction(1, 1000))])
def test_variable_timing_is_kept_exactly(tmp_path, name, unit):
    times = [0, 33, 40, 41, 700, 701, 2900, 3000]
    source = clips.write(tmp_path / name, stamps=times, unit=unit)
    assert stamps(source) == [time * unit for time in times]
    assert stamps(run(source).path) == [time * unit for time in times]


@pytest.mark.parametrize("rate", [Fraction(24_000, 1001), Fraction(60), Fraction(15, 2)])
def test_the_frame_rate_is_kept(tmp_path, rate):
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=rate, width=48, height=32)
        for number in range(12):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(clips.pattern(number, 48, 32), "rgb24")))
        container.mux(stream.encode(None))
    with av.open(str(run(tmp_path / "clip.mp4").path)) as container:
        assert container.streams.video[0].average_rate == rate and container.streams.video[0].frames == 12
    assert stamps(tmp_path / "clip_x4.mp4") == [number / rate for number in range(12)]


def test_chapters_and_tags_are_kept(tmp_path):
    chapters = [
        {"id": 1, "start": 0, "end": 200, "time_base": Fraction(1, 1000), "metadata": {"title": "Beach"}},
        {"id": 2, "start": 200, "end": 400, "time_base": Fraction(1, 1000), "metadata": {"title": "Rain"}},
    ]

    def prepare(container) -> None:
        container.metadata["title"], container.metadata["artist"] = "Summer", "Ann"
        container.streams.audio[0].metadata["language"] = "fra"
        container.set_chapters(chapters)

    for name in ("clip.mp4", "clip.mkv"):
        with av.open(str(run(clips.write(tmp_path / name, audio="aac", prepare=prepare)).path)) as container:
            tags = {key.lower(): text for key, text in container.metadata.items()}
            assert (tags["title"], tags["artist"]) == ("Summer", "Ann")
            assert container.streams.audio[0].language == "fra"
            told = [(c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"]["title"]) for c in container.chapters()]
            assert told == [(0, Fraction(1, 5), "Beach"), (Fraction(1, 5), Fraction(2, 5), "Rain")]


# Shape ---------------------------------------------------------------------------------------------------------------

TURNS = {  # the display matrix a, b, c, d -> what is shown of what is stored
    "a quarter clockwise": ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    "a quarter anticlockwise": ((0, -1, 1, 0), lambda image: np.rot90(image)),
    "upside down": ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
    "mirrored": ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
    "mirrored and turned": ((0, 1, 1, 0), lambda image: np.transpose(image, (1, 0, 2))),
    "twice as large": ((2, 0, 0, 2), lambda image: image),
}


@pytest.mark.parametrize("turn", TURNS)
def test_the_picture_is_stored_as_it_is_shown(tmp_path, turn):
    matrix, shown = TURNS[turn]
    source = clips.turned(clips.write(tmp_path / "clip.mp4", stamps=range(3), tags={"sample_aspect_ratio": Fraction(4, 3)}), matrix)
    made = run(source)
    assert made.remarks == ()
    with av.open(str(made.path)) as container:
        frame = next(container.decode(video=0))
        assert "DISPLAYMATRIX" not in [data.type.name for data in frame.side_data]
        assert container.streams.video[0].sample_aspect_ratio == (
            Fraction(3, 4) if "quarter" in turn or "and" in turn else Fraction(4, 3)
        )
    for before, after in zip(pictures(source), pictures(made.path), strict=True):
        expected = larger(shown(before)).astype(int)
        assert after.shape == expected.shape and np.abs(after - expected).mean() < 3 < np.abs(after[::-1] - expected).mean()


def test_a_slant_is_left_out_in_words(tmp_path):
    turn = math.radians(80)
    matrix = (math.cos(turn), math.sin(turn), -math.sin(turn), math.cos(turn))
    made = run(clips.turned(clips.write(tmp_path / "clip.mp4", stamps=[0]), matrix))
    assert "at a slant" in made.remarks[0] and pictures(made.path)[0].shape == (192, 128, 3)


def test_the_shape_of_a_pixel_is_kept_in_matroska_too(tmp_path):
    source = clips.write(tmp_path / "clip.mkv", stamps=[0], tags={"sample_aspect_ratio": Fraction(64, 45)})
    with av.open(str(run(source).path)) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(64, 45)
        assert container.streams.video[0].display_aspect_ratio == Fraction(48, 32) * Fraction(64, 45)


# Colour --------------------------------------------------------------------------------------------------------------

LUMA = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}  # red and blue, H.273
COLOURS = [(200, 30, 40), (20, 180, 60), (30, 40, 220), (240, 230, 10), (255, 255, 255), (0, 0, 0)]


def to_yuv(rgb: tuple[int, int, int], matrix: int, full: bool) -> list[int]:
    """By the formulas of ITU-T H.273."""
    red, blue = LUMA[matrix]
    r, g, b = (level / 255 for level in rgb)
    y = red * r + (1 - red - blue) * g + blue * b
    u, v = (b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)
    exact = (255 * y, 255 * u + 128, 255 * v + 128) if full else (219 * y + 16, 224 * u + 128, 224 * v + 128)
    return [min(255, round(level)) for level in exact]


def plane(part) -> np.ndarray:
    return np.frombuffer(part, np.uint8).reshape(part.height, part.line_size)[:, : part.width]


def plain(yuv: list[int], width: int, height: int) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, "yuv420p")
    for part, level in zip(frame.planes, yuv, strict=True):
        part.update(bytes([level]) * part.buffer_size)
    return frame


@pytest.mark.parametrize(("matrix", "full"), [*itertools.product(LUMA, (False, True))])
def test_colours_are_read_and_written_by_the_streams_own_matrix_and_range(tmp_path, matrix, full):
    coded = [to_yuv(rgb, matrix, full) for rgb in COLOURS]
    tags = {"colorspace": matrix, "color_range": 2 if full else 1, "color_primaries": 9, "color_trc": 13}
    source = clips.write(tmp_path / "clip.mkv", stamps=range(len(coded)), options={"qp": "0"}, tags=tags,
                         picture=lambda number, width, height: plain(coded[number], width, height))  # fmt: skip
    seen = []
    made = run(source, lambda lr: (seen.append(lr), larger(lr))[1])
    for lr, rgb in zip(seen, COLOURS, strict=True):
        assert np.abs(lr.astype(int) - rgb).max() <= 2
    with av.open(str(made.path)) as container:
        for frame, yuv in zip(container.decode(video=0), coded, strict=True):
            assert (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc) == (
                matrix,
                2 if full else 1,
                9,
                13,
            )
            assert all(np.abs(plane(part).astype(int) - level).max() <= 2 for part, level in zip(frame.planes, yuv, strict=True))


@pytest.mark.parametrize(("size", "matrix"), [((320, 180), 6), ((720, 576), 6), ((1280, 16), 1), ((16, 720), 1)])
def test_colours_that_do_not_say_what_they_are_are_those_of_their_size_and_say_it_afterwards(tmp_path, size, matrix):
    """Players take small ones for BT.601 and large ones for BT.709: SR is large."""
    source = clips.write(tmp_path / "clip.mp4", size=size, stamps=[0], options={"qp": "0"},
                         picture=lambda number, width, height: plain(to_yuv(COLOURS[0], matrix, False), width, height))  # fmt: skip
    seen = []
    with av.open(str(run(source, lambda lr: (seen.append(lr), larger(lr))[1]).path)) as container:
        assert next(container.decode(video=0)).colorspace == matrix
    assert np.abs(seen[0].astype(int) - COLOURS[0]).max() <= 2


@pytest.mark.parametrize("kind", ["bgr0", "gbrp10le", "gray", "rgba", "yuv444p10le"])
def test_other_kinds_of_pixels_are_read_as_what_they_show(tmp_path, kind):
    codec = {"rgba": "png", "gray": "png"}.get(kind, "ffv1")
    colour = (90, 90, 90) if kind == "gray" else COLOURS[0]
    picture = np.full((32, 48, 3), colour, np.uint8)
    path = tmp_path / ("clip.mov" if codec == "png" else "clip.mkv")
    source = clips.write(path, stamps=range(2), video=codec, tags={"pix_fmt": kind}, picture=lambda *_: picture)
    seen = []
    made = run(source, lambda lr: (seen.append(lr), larger(lr))[1])
    assert np.abs(seen[0].astype(int) - colour).max() <= 2
    assert np.abs(pictures(made.path)[0].astype(int) - colour).max() <= 3
    assert [words in str(made.remarks) for words in ("10 bits a colour become 8", "transparency")] == ["10" in kind, kind == "rgba"]


# Bad input -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def long_clip(tmp_path) -> Path:
    """Four seconds in which each frame is a whole picture, so that a damaged one harms no other."""
    return clips.write(tmp_path / "clip.mkv", audio="aac", stamps=range(100), options={"g": "1"})


def test_of_a_video_that_was_cut_off_the_readable_part_is_kept_and_the_second_told(tmp_path, long_clip):
    content = long_clip.read_bytes()
    long_clip.write_bytes(content[: len(content) * 6 // 10])
    said = []
    made = run(long_clip, say=said.append)
    assert 50 < made.frames < 70
    assert [number_of(image) for image in pictures(made.path)] == list(range(made.frames))
    assert len(made.remarks) == 1 and said == list(made.remarks)
    told = re.fullmatch(rf"{long_clip}: it breaks off at second (\d\.\d) of 4\.0\. What is before is kept\.", said[0])
    assert abs(float(told[1]) - made.frames / 25) < 0.15
    heard = packets(made.path, "audio")
    assert heard == packets(long_clip, "audio")[: len(heard)] and len(heard) > 100


def test_of_an_mp4_that_was_cut_off_behind_its_index_likewise(tmp_path):
    whole = clips.write(tmp_path / "whole.mp4", stamps=range(100), audio="aac", options={"g": "1"})
    with av.open(str(whole)) as reading, av.open(str(tmp_path / "clip.mp4"), "w", options={"movflags": "faststart"}) as writing:
        copies = {stream.index: writing.add_stream_from_template(stream) for stream in reading.streams}
        for packet in reading.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                writing.mux(packet)
    content = (tmp_path / "clip.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    (tmp_path / "clip.mp4").write_bytes(content[: len(content) * 6 // 10])
    made = run(tmp_path / "clip.mp4")
    assert 40 < made.frames < 75 and "breaks off at second" in made.remarks[-1]
    assert [number_of(image) for image in pictures(made.path)][:-1] == list(range(made.frames - 1))


def test_damage_in_the_middle_costs_only_what_it_hit(long_clip):
    content = bytearray(long_clip.read_bytes())
    packet = packets(long_clip, "video")[50]
    half = len(packet) // 2
    begin = content.index(packet) + half // 2
    content[begin : begin + half] = bytes(half)
    long_clip.write_bytes(content)
    made = run(long_clip)
    assert "damaged at second 2.0, once in all. What could be read is kept." in made.remarks[0]
    numbers = [number_of(image) for image in pictures(made.path)]
    assert [n for n in numbers if n != 50][:50] == list(range(50)) and numbers[-49:] == list(range(51, 100))
    assert packets(made.path, "audio") == packets(long_clip, "audio")


def no_video(path: Path) -> None:
    clips.write(path.with_suffix(".m4a"), video=None, audio="aac").rename(path)


def without_index(path: Path) -> None:
    content = clips.write(path, audio="aac").read_bytes()
    path.write_bytes(content[: content.index(b"moov") - 4])


NO_INDEX = "cannot be read as a video: it is something else, or its index is missing"
PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nclip.ts\n#EXT-X-ENDLIST\n"
BAD = {
    "nothing": (lambda path: None, "cannot be read (No such file or directory)"),
    "a folder": (Path.mkdir, "cannot be read (Is a directory)"),
    "zero bytes": (Path.touch, "is empty (0 bytes). Copy or download it again."),
    "text": (
        lambda path: path.write_text("Dear diary, " * 99),
        "cannot be read as a video: it is something else, or its index is missing",
    ),
    "noise": (
        lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)),
        "cannot be read as a video: it is something else",
    ),
    "zeros": (lambda path: path.write_bytes(bytes(5000)), NO_INDEX),
    "an index that is missing": (without_index, NO_INDEX),
    "sound alone": (no_video, "holds no video."),
    "a PNG": (lambda path: Image.new("RGB", (9, 9)).save(path, "PNG"), "holds no video."),
    "a GIF": (lambda path: Image.new("RGB", (9, 9)).save(path, "GIF"), "holds no video."),
    "a link in a circle": (lambda path: path.symlink_to(path), "cannot be read"),
    "a list of other files": (lambda path: path.write_text("ffconcat version 1.0\nfile clip.mkv\n"), "clip.mp4"),
    "a playlist": (
        lambda path: path.write_text(PLAYLIST),
        "clip.mp4",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_video_is_refused_by_name(tmp_path, kind):
    make, words = BAD[kind]
    clips.write(tmp_path / "clip.mkv")
    clips.write(tmp_path / "clip.ts", video="mpeg2video")
    make(tmp_path / "clip.mp4")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(SRGANError) as told:
        video.upscale(tmp_path / "clip.mp4", tmp_path / "sr.mp4", larger)
    assert str(told.value).startswith(str(tmp_path / "clip.mp4")) and words in str(told.value)
    assert sorted(os.listdir(tmp_path)) == before


def test_a_video_without_one_readable_frame_is_refused(clip):
    content = bytearray(clip.read_bytes())
    begin = content.index(b"mdat") + 4
    content[begin : content.index(b"moov") - 4] = bytes(content.index(b"moov") - 4 - begin)
    clip.write_bytes(content)
    with pytest.raises(SRGANError, match=f"{clip}: none of its frames can be read"):
        run(clip)
    assert os.listdir(clip.parent) == [clip.name]


def test_a_video_that_would_be_too_large_is_refused(tmp_path):
    source = clips.write(tmp_path / "clip.mkv", size=(4100, 16), stamps=[0], video="mjpeg", tags={"pix_fmt": "yuvj420p"})
    with pytest.raises(SRGANError, match=r"SR would be 16400x64; a side can have 16384 pixels at most"):
        run(source)
    assert os.listdir(tmp_path) == ["clip.mkv"]


# The target ----------------------------------------------------------------------------------------------------------


def test_what_is_there_is_overwritten_only_by_force_and_the_source_never(clip):
    target = clip.with_name("sr.mp4")
    target.write_text("mine")
    with pytest.raises(SRGANError, match=f"{target} is there already"):
        video.upscale(clip, target, larger)
    assert target.read_text() == "mine"
    assert video.upscale(clip, target, larger, force=True).frames == 10
    assert len(pictures(target)) == 10
    content = clip.read_bytes()
    for name in (clip, clip.parent / "." / clip.name):
        with pytest.raises(SRGANError, match="an input is never overwritten"):
            video.upscale(clip, name, larger, force=True)
    assert clip.read_bytes() == content


def test_a_target_of_another_kind_is_refused(clip):
    with pytest.raises(SRGANError, match=r"sr\.webm: videos are written as \.mp4, \.m4v, \.mov, \.mkv"):
        video.upscale(clip, clip.with_name("sr.webm"), larger)


def test_what_the_target_cannot_hold_is_told_before_the_work_begins(tmp_path):
    source = clips.write(tmp_path / "clip.mkv", audio="aac", subtitle="subrip")
    told = []

    def upscaler(lr):
        assert told == [f"{source}: its subtitles, stream 2 (srt), cannot be kept in this kind of file and is left out. "
                        "A target that ends in .mkv holds more."]  # fmt: skip
        return larger(lr)

    made = video.upscale(source, tmp_path / "sr.mp4", upscaler, say=told.append)
    assert made.remarks == tuple(told) and codecs(made.path) == [("video", "h264"), ("audio", "aac")]
    assert packets(made.path, "audio") == packets(source, "audio")


def test_a_second_picture_is_left_out_in_words_and_a_cover_is_kept(tmp_path):
    def prepare(container) -> None:
        for disposition in (Disposition.attached_pic, Disposition.default):
            cover = container.add_stream("mjpeg", width=16, height=16, pix_fmt="yuvj420p")
            cover.disposition = disposition
            covers.append(cover)

    covers = []
    source = tmp_path / "clip.mp4"
    with av.open(str(source), "w") as container:
        shown = container.add_stream("libx264", rate=25, width=48, height=32)
        prepare(container)
        for number in range(5):
            container.mux(shown.encode(av.VideoFrame.from_ndarray(clips.pattern(number, 48, 32), "rgb24")))
        for cover in covers:
            container.mux(cover.encode(av.VideoFrame.from_ndarray(clips.pattern(7, 16, 16), "rgb24")))
        for stream in (shown, *covers):
            container.mux(stream.encode(None))
    made = run(source)
    assert [
        "stream 2 (mjpeg), is left out" in sentence or "stream 1 (mjpeg), is left out" in sentence for sentence in made.remarks
    ] == [True]
    assert codecs(made.path) == [("video", "h264"), ("video", "mjpeg")] and made.frames == 5


def test_a_cover_of_matroska_is_a_cover_again(tmp_path):
    cover, source = io.BytesIO(), clips.write(tmp_path / "a.mkv", stamps=range(3))
    Image.new("RGB", (16, 16), "red").save(cover, "PNG")
    with av.open(str(source)) as reading, av.open(str(tmp_path / "b.mkv"), "w") as writing:
        copy = writing.add_stream_from_template(reading.streams.video[0])
        writing.add_attachment("cover.png", "image/png", cover.getvalue())
        writing.add_attachment("font.ttf", "application/x-truetype-font", b"a font")
        for packet in reading.demux():
            if packet.size:
                packet.stream = copy
                writing.mux(packet)
    made = run(tmp_path / "b.mkv")
    assert made.remarks == () and made.frames == 3
    with av.open(str(made.path)) as container:
        assert [stream.codec_context and stream.codec_context.name for stream in container.streams.video] == ["h264", "png"]
        assert bytes(next(packet for packet in container.demux(container.streams.video[1]))) == cover.getvalue()
        (font,) = [stream for stream in container.streams if stream.type == "attachment"]
        assert (font.name, bytes(font.data)) == ("font.ttf", b"a font")


def test_a_time_code_is_kept_and_not_told_as_left_out(tmp_path):
    source = clips.write(tmp_path / "a.mov", stamps=range(3),
                         prepare=lambda container: container.metadata.update(timecode="01:00:00:00"))  # fmt: skip
    made = run(source)
    assert made.remarks == ()
    with av.open(str(made.path)) as container:
        assert "01:00:00:00" in [stream.metadata.get("timecode") for stream in container.streams if stream.type == "data"]


def test_a_size_that_changes_is_the_first_one_all_through(tmp_path):
    parts = [clips.write(tmp_path / f"{i}.ts", size=size, stamps=range(20)) for i, size in enumerate(((48, 32), (64, 48)))]
    (tmp_path / "a.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    made = run(tmp_path / "a.ts")
    assert made.remarks == () and made.frames == 40 and {image.shape for image in pictures(made.path)} == {(128, 192, 3)}


def test_a_preview_is_the_first_second_with_its_sound_and_says_how_long_all_will_take(long_clip):
    said = []
    made = run(long_clip, preview=True, say=said.append)
    assert made.path == long_clip.with_name("clip_x4_preview.mkv") and made.frames == 25
    assert stamps(made.path) == [Fraction(n, 25) for n in range(25)]
    heard = packets(made.path, "audio")
    assert heard == packets(long_clip, "audio")[: len(heard)] and 0.95 < len(heard) * 1024 / clips.SOUND_RATE < 1.07
    assert made.remarks == () and re.fullmatch(rf"{made.path}: the first second\. All of it would take about \d:\d\d\.", said[-1])
    assert sorted(os.listdir(long_clip.parent)) == ["clip.mkv", "clip_x4_preview.mkv"]


def test_an_interlaced_video_is_made_of_whole_frames(tmp_path):
    """A bar that moves leaves a comb where two fields are woven."""

    def fields(number: int, width: int, height: int) -> np.ndarray:
        image = np.full((height, width, 3), 40, np.uint8)
        for field in (0, 1):
            begin = 8 + 4 * (2 * number + field)
            image[field::2, begin : begin + 24] = 220
        return image

    options = {"x264-params": "interlaced=1:tff=1", "crf": "5"}
    source = clips.write(tmp_path / "clip.mp4", size=(160, 96), stamps=range(8), options=options, picture=fields)

    def comb(image: np.ndarray) -> float:
        rows = image[8:-8, :, 1].astype(float)
        return np.abs(2 * rows[1:-1] - rows[:-2] - rows[2:]).mean()

    seen = []
    made = run(source, lambda lr: (seen.append(lr), larger(lr))[1])
    assert "interlaced" in made.remarks[0] and made.frames == 8 and stamps(made.path) == stamps(source)
    woven = np.mean([comb(image) for image in pictures(source)])
    assert np.mean([comb(image) for image in seen]) < woven / 3
    assert not any(frame.interlaced_frame for frame in av.open(str(made.path)).decode(video=0))


# The disk, the interruption, the process that dies -------------------------------------------------------------------


@pytest.mark.parametrize("after", [0, 2_000, 30_000])
def test_a_full_disk_is_told_in_words_and_leaves_nothing(long_clip, full_disk, after):
    target = long_clip.with_name("sr.mp4")
    target.write_text("mine")
    with full_disk(after=after), pytest.raises(SRGANError, match=f"{target} could not be written"):
        video.upscale(long_clip, target, larger, force=True)
    assert target.read_text() == "mine" and sorted(os.listdir(long_clip.parent)) == ["clip.mkv", "sr.mp4"]


def test_a_folder_that_cannot_be_made_is_told_in_words(clip):
    with pytest.raises(SRGANError, match=r"sr\.mp4 could not be written"):
        video.upscale(clip, clip / "folder" / "sr.mp4", larger)


def test_ctrl_c_leaves_nothing(clip):
    def stopped(lr):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(clip, stopped)
    assert os.listdir(clip.parent) == [clip.name]


def test_a_process_that_is_killed_leaves_no_broken_film_and_the_next_one_cleans_up(clip):
    """It is killed while its third frame is upscaled."""
    code = """if True:
        import os, signal, sys
        from pathlib import Path
        from srgan.upscale import video
        seen = []
        def upscaler(lr):
            seen.append(lr)
            if len(seen) == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            return lr.repeat(4, 0).repeat(4, 1)
        video.upscale(Path(sys.argv[1]), Path(sys.argv[2]), upscaler)
    """
    target = clip.with_name("sr.mp4")
    died = subprocess.run([sys.executable, "-c", code, str(clip), str(target)], cwd=PROJECT, capture_output=True)
    assert died.returncode == -9
    left = [name for name in os.listdir(clip.parent) if name != clip.name]
    assert len(left) == 1 and re.fullmatch(r"\.partial-\d+-[0-9a-f]{16}-sr\.mp4", left[0])
    others = clip.with_name(f".partial-{os.getppid()}-sr.mp4")  # of a process that lives
    others.write_text("at work")
    assert video.upscale(clip, target, larger).frames == 10
    assert sorted(os.listdir(clip.parent)) == sorted([clip.name, target.name, others.name])


def test_without_pyav_the_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(sys.modules, "srgan.upscale.video")
    with pytest.raises(SRGANError, match="pip install av"):
        importlib.import_module("srgan.upscale.video")


# The rest ------------------------------------------------------------------------------------------------------------


def test_a_network_upscales_the_frames(clip):
    keras.utils.set_random_seed(0)
    upscaler = network.network(networks.generator(settings(blocks=1, filters=4, head_kernel=3, output_kernel=3, upsampling="espcn",
                                                      global_skip=True, generator_norm=False)))  # fmt: skip
    made = run(clip, upscaler)
    for lr, sr in zip(pictures(clip), pictures(made.path), strict=True):
        assert np.abs(upscaler(lr).astype(int) - sr).mean() < 8 < np.abs(upscaler(lr)[::-1].astype(int) - sr).mean()


def test_no_more_than_a_few_frames_are_in_memory(tmp_path):
    made, alive = [], []

    def upscaler(lr):
        sr = larger(lr)
        made.append(weakref.ref(sr))
        alive.append(sum(reference() is not None for reference in made))
        return sr

    assert run(clips.write(tmp_path / "clip.mkv", stamps=range(60)), upscaler).frames == 60
    assert len(alive) == 60 and max(alive) <= 3


def test_without_an_h264_encoder_the_next_best_is_taken_in_words(tmp_path, monkeypatch):
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    source = clips.write(tmp_path / "clip.mp4", unit=Fraction(1, 90_000), stamps=[0, 3003, 6006, 12012], audio="aac")
    made = run(source)
    assert codecs(made.path) == [("video", "mpeg4"), ("audio", "aac")] and "no encoder for H.264" in made.remarks[0]
    assert [number_of(image) for image in pictures(made.path)] == [0, 1, 2, 3]
    assert max(abs(a - b) for a, b in zip(stamps(made.path), stamps(source), strict=True)) <= Fraction(1, 60_000)


# Odd films -----------------------------------------------------------------------------------------------------------


def shifted(path: Path, changes, audio_only: bool = False) -> Path:
    """The film at `path` again, each packet's stamps as `changes(number of the packet in its stream, stamp in seconds)`."""
    again = path.with_name(f"odd{path.suffix}")
    with (
        av.open(str(path)) as reading,
        av.open(str(again), "w", options={"mpegts_copyts": "1", "max_interleave_delta": "0"}) as writing,
    ):
        copies = {stream.index: writing.add_stream_from_template(stream) for stream in reading.streams}
        counts = dict.fromkeys(copies, 0)
        for packet in reading.demux():
            if packet.size:
                number, unit = counts[packet.stream_index], packet.time_base
                counts[packet.stream_index] += 1
                if packet.stream.type == "audio" or not audio_only:
                    packet.dts, packet.pts = (round(changes(number, stamp * unit) / unit) for stamp in (packet.dts, packet.pts))
                packet.stream = copies[packet.stream_index]
                writing.mux(packet)
    return again


def test_joined_recordings_are_one_film(tmp_path):
    parts = [clips.write(tmp_path / f"{i}.ts", audio="aac", stamps=range(50)) for i in range(2)]
    source = tmp_path / "joined.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    made = run(source)
    assert made.frames == 100 and made.remarks == ()
    times = stamps(made.path)
    assert all(Fraction(3, 100) < after - before < Fraction(1, 5) for before, after in itertools.pairwise(times))
    assert 3.9 < seconds(made.path) < 4.2
    assert len(packets(made.path, "audio")) == sum(len(packets(part, "audio")) for part in parts)


@pytest.mark.parametrize("name", ["a.ts", "a.mkv", "a.mp4"])
@pytest.mark.parametrize("start", [5, 36_000])
def test_a_recording_that_starts_late_starts_at_zero(name, start, tmp_path):
    source = shifted(clips.write(tmp_path / name, audio="aac", stamps=range(50)), lambda number, second: second + start)
    made = run(source)
    assert made.remarks == () and 0 <= stamps(made.path)[0] < Fraction(1, 10) and 1.9 < seconds(made.path) < 2.2
    with av.open(str(made.path)) as container:
        sound = next(packet for packet in container.demux(container.streams.audio[0]))
        assert abs(float(sound.pts * sound.time_base) - float(stamps(made.path)[0])) < 0.1  # in step


def test_sound_whose_stamps_repeat_is_kept_whole(tmp_path):
    source = clips.write(tmp_path / "a.flv", audio="aac", stamps=range(50))
    content, heard = bytearray(source.read_bytes()), packets(source, "audio")
    at, times = 13, []
    while at + 11 < len(content):  # tags of FLV: kind, size, time
        size, time = int.from_bytes(content[at + 1 : at + 4], "big"), int.from_bytes(content[at + 4 : at + 7], "big")
        if content[at] == 8:
            times.append(time)
            content[at + 4 : at + 7] = times[-2 if len(times) % 20 == 0 else -1].to_bytes(3, "big")
        at += 11 + size + 4
    source.write_bytes(content)
    for suffix in (".mp4", ".mkv"):
        made = video.upscale(source, source.with_name(f"sr{suffix}"), larger)
        assert made.frames == 50 and made.remarks == () and packets(made.path, "audio") == heard


def test_sound_that_cannot_be_written_any_more_ends_and_the_film_goes_on(tmp_path, monkeypatch):
    source = clips.write(tmp_path / "a.mkv", audio="aac", stamps=range(50))
    real = video.Writing._mux

    def mux(self, packet, to):
        if to is not self._picture and packet.pts * packet.time_base > 1:
            raise av.error.ArgumentError(22, "Invalid argument")
        real(self, packet, to)

    monkeypatch.setattr(video.Writing, "_mux", mux)
    made = run(source)
    assert made.frames == 50 and len(stamps(made.path)) == 50
    assert re.search(r"of its sound, stream 1, from second 1\.\d on, what cannot be written .* is left out", made.remarks[0])
    assert 40 < len(packets(made.path, "audio")) < 60


@pytest.mark.parametrize("codec, kept", [("wmav2", "flac"), ("adpcm_ima_wav", "flac"), ("pcm_mulaw", "flac")])
def test_old_sound_is_kept_in_matroska(codec, kept, tmp_path):
    source = clips.write(tmp_path / ("a.wmv" if codec == "wmav2" else "a.avi"), video="mpeg4", audio=codec, stamps=range(50))
    made = run(source)
    assert made.path.suffix == ".mkv" and "loses nothing" in made.remarks[0]
    with av.open(str(made.path)) as container:
        assert container.streams.audio[0].codec_context.name == kept
        sound = np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(audio=0)])
    assert abs(len(sound) / clips.SOUND_RATE - 2) < 0.15 and sound.std() > 0


@pytest.mark.parametrize("codec", ["wmav2", "adpcm_ima_wav"])
def test_old_sound_stays_in_step_with_the_picture(codec, tmp_path, monkeypatch):
    """A click every half second. The first packets of Windows sound hold none: what is heard begins after 86 ms, there as here."""

    def clicks(container, stream, seconds: float) -> None:
        for begin in range(0, round(seconds * clips.SOUND_RATE), 960):
            tone = np.where(np.arange(960) < 40, 0.9 * (begin % 24_000 == 0), 0).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(tone[None], "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = clips.SOUND_RATE, begin, Fraction(1, clips.SOUND_RATE)
            container.mux(stream.encode(frame))

    def heard(path: Path) -> list[float]:
        with av.open(str(path)) as container:
            (first, *_) = [frame.pts * frame.time_base for frame in container.decode(video=0)]
        with av.open(str(path)) as container:
            found = []
            for frame in container.decode(audio=0):
                loud = np.abs(frame.to_ndarray().astype(float)).ravel()
                loud /= np.iinfo(frame.to_ndarray().dtype).max if frame.to_ndarray().dtype.kind == "i" else 1
                found += [float(frame.pts * frame.time_base - first) + i / clips.SOUND_RATE for i in np.nonzero(loud > 0.3)[0][:1]]
        return [second for second in found if second > 0.1]

    monkeypatch.setattr(clips, "_sound", clicks)
    source = clips.write(tmp_path / ("a.wmv" if codec == "wmav2" else "a.avi"), video="mpeg4", audio=codec, stamps=range(40))
    assert heard(source) == pytest.approx([0.5, 1.0, 1.5], abs=0.002)
    assert heard(run(source).path) == pytest.approx(heard(source), abs=0.002)


def test_the_tags_of_a_phone_are_kept(tmp_path):
    tags = {"com.apple.quicktime.make": "Apple", "com.apple.quicktime.location.ISO6709": "+48.1+011.5/", "title": "Sea",
            "com.apple.quicktime.creationdate": "2024-05-01T12:00:00+0200"}  # fmt: skip
    source = tmp_path / "a.mov"
    with av.open(str(source), "w", container_options={"movflags": "use_metadata_tags"}) as container:
        container.metadata.update(tags)
        stream = container.add_stream("libx264", rate=25, width=48, height=32)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(clips.pattern(0, 48, 32), "rgb24")))
        container.mux(stream.encode(None))
    with av.open(str(run(source).path)) as container:
        assert tags.items() <= container.metadata.items()


def test_a_last_frame_that_stays_long_does(tmp_path):
    source = tmp_path / "a.mp4"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=1, width=48, height=32)
        made = []
        for number, second in enumerate((0, 1, 4)):
            frame = av.VideoFrame.from_ndarray(clips.pattern(number, 48, 32), "rgb24")
            frame.pts, frame.time_base = second, Fraction(1, 1)
            made += stream.encode(frame)
        for packet in made + stream.encode(None):
            packet.duration = {0: 1, 1: 3, 4: 6}[round(packet.pts * packet.time_base)] / packet.time_base
            container.mux(packet)
    made = run(source)
    assert stamps(made.path) == [0, 1, 4] and abs(seconds(made.path) - 10) < 0.1


def test_the_transparency_of_webm_is_told(tmp_path):
    source = clips.write(tmp_path / "a.webm", video="libvpx-vp9", stamps=range(3), tags={"pix_fmt": "yuva420p"})
    assert "its transparency is left out." in run(source).remarks[0]


def test_a_colon_in_a_name_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clips.write(tmp_path / "a.mp4", stamps=range(3)).rename("12:30.mp4")
    made = video.upscale(Path("12:30.mp4"), Path("12:45.mp4"), larger)
    assert made.frames == 3 and len(stamps(tmp_path / "12:45.mp4")) == 3


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_an_interrupted_film_goes_on_from_its_finished_parts(suffix, tmp_path, monkeypatch):
    monkeypatch.setattr("srgan.upscale.video_segments.SECONDS", 0.0)
    source = clips.write(tmp_path / "clip.mkv", audio="aac", stamps=range(30))
    target, seen = tmp_path / f"sr{suffix}", []

    def stops(lr):
        seen.append(lr)
        if len(seen) == 13:
            raise KeyboardInterrupt
        return larger(lr)

    with pytest.raises(KeyboardInterrupt):
        video.upscale(source, target, stops, how="a")
    assert not target.exists() and len(seen) == 13
    made = video.upscale(source, target, lambda lr: (seen.append(lr), larger(lr))[1], how="a")
    assert made.frames == 30 and len(seen) == 31  # the one that was interrupted is made again
    assert [number_of(image) for image in pictures(target)] == list(range(30))
    assert stamps(target) == stamps(source) and packets(target, "audio") == packets(source, "audio")
    assert sorted(os.listdir(tmp_path)) == sorted(["clip.mkv", target.name])


def test_key_frames_are_known_to_what_makes_a_film_steady(tmp_path, monkeypatch):
    keys = []

    def told(self, lr, sr, key, steady=video.Steady.__call__):
        keys.append(key)
        return steady(self, lr, sr, key)

    monkeypatch.setattr(video.Steady, "__call__", told)
    source = clips.write(tmp_path / "clip.mp4", stamps=range(10), options={"g": "4", "x264-params": "scenecut=0"})
    video.upscale(source, tmp_path / "sr.mp4", larger)
    assert [number for number, key in enumerate(keys) if key] == [0, 4, 8]


def test_parts_of_another_upscaler_are_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr("srgan.upscale.video_segments.SECONDS", 0.0)
    source, seen = clips.write(tmp_path / "clip.mkv", stamps=range(10)), []

    def stops(lr):
        if len(seen) == 5:
            raise KeyboardInterrupt
        seen.append(lr)
        return larger(lr)

    with pytest.raises(KeyboardInterrupt):
        video.upscale(source, tmp_path / "sr.mkv", stops, how="a")
    seen.clear()
    video.upscale(source, tmp_path / "sr.mkv", lambda lr: (seen.append(lr), larger(lr))[1], how="b")
    assert len(seen) == 10
