"""Files whose structure is odd: each is a right picture or film, or refused in a sentence that names it.

python -m tests.fuzz [COUNT [SEED]]
"""

from __future__ import annotations

import functools
import io
import itertools
import struct
import sys
import tempfile
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from srgan.data import pictures
from srgan.data.metadata import png_chunk
from srgan.errors import SRGANError
from srgan.upscale import image_files, video
from tests import clips

Made = tuple[bytes, np.ndarray | None]  # a file, and what it must show if that is known
RNG = np.random.Generator


def known_tiff(rng: RNG) -> Made:
    """A TIFF in any layout, whose pixels are known."""
    channels, dtype = int(rng.choice([1, 2, 3, 4])), rng.choice([np.uint8, np.uint16])
    pixels = rng.integers(0, np.iinfo(dtype).max + 1, (int(rng.integers(1, 50)), int(rng.integers(1, 50)), channels), dtype)
    options = {"bigtiff": bool(rng.integers(2)), "byteorder": rng.choice(["<", ">"]), "compression": rng.choice([None, "zlib"])}
    options |= {"tile": (16 * int(rng.integers(1, 4)), 16)} if rng.integers(2) else {"rowsperstrip": int(rng.integers(1, 60))}
    stored = pixels[..., 0] if channels == 1 else pixels
    # libvips refuses tiles of separate planes.
    if channels in (3, 4) and "tile" not in options and rng.integers(2):
        stored, options["planarconfig"] = np.moveaxis(pixels, 2, 0), "separate"
    if channels in (2, 4):
        options["extrasamples"] = ["unassalpha"]
    if channels == 2:
        options["planarconfig"] = "contig"
    photometric = "rgb" if channels > 2 else str(rng.choice(["minisblack", "miniswhite"])) if channels == 1 else "minisblack"
    stored = np.iinfo(dtype).max - stored if photometric == "miniswhite" else stored
    file = io.BytesIO()
    turn = int(rng.integers(1, 9))
    tifffile.imwrite(file, stored, photometric=photometric, metadata=None, extratags=[(274, "H", 1, turn, True)], **options)
    return file.getvalue(), pictures.TURNS.get(turn, lambda a: a)(pixels)


def odd_tiff(rng: RNG) -> Made:
    """A directory of which some entries are missing or anything."""
    order = str(rng.choice(["<", ">"]))
    width, height, samples, bits = (int(rng.choice(choices)) for choices in ([1, 7, 40], [1, 7, 40], [1, 3, 4], [8, 16]))
    strip = rng.bytes(width * height * samples * bits // 8)
    tags = {254: 0, 256: width, 257: height, 258: bits, 259: 1, 262: 1 if samples == 1 else 2, 273: 8, 274: rng.integers(0, 10),
            277: samples, 278: height, 279: len(strip), 282: rng.integers(0, 2**32), 284: 1, 296: rng.integers(0, 5), 317: 1,
            338: rng.integers(0, 4)}  # fmt: skip
    for _ in range(int(rng.integers(0, 4))):
        tag = int(rng.choice([*tags, 322, 323, 324, 325, 339, 700, 33723, 34665, 34675]))
        tags[tag] = int(rng.choice([0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 32, 255, 32773, int(rng.integers(0, 2**32))]))
    if rng.random() < 0.2:
        del tags[int(rng.choice([*tags]))]
    entries = []
    for tag, value in sorted(tags.items()):
        kind, count = (4, 1) if rng.random() < 0.97 else (int(number) for number in rng.integers(0, (20, 2**16)))
        entries.append(struct.pack(order + "HHII", tag, kind, count, int(value)))
    directory = struct.pack(order + "H", len(entries)) + b"".join(entries) + struct.pack(order + "I", int(rng.choice([0, 0, 0, 8])))
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8 + len(strip))
    return head + strip + directory, None


def odd_apng(rng: RNG) -> Made:
    """Chunks of an animation in any order, with regions of any size."""
    width, height = (int(rng.integers(1, 30)) for _ in range(2))
    rows = zlib.compress(rng.integers(0, 5, (height, 1 + 3 * width), np.uint8).tobytes())
    chunks, number = [png_chunk(b"acTL", struct.pack(">II", int(rng.integers(0, 5)), int(rng.integers(0, 3))))], 0
    for frame in range(int(rng.integers(0, 5))):
        if rng.random() < 0.9:
            place = [int(rng.integers(0, 3)) for _ in range(2)] if rng.random() < 0.3 else [0, 0]
            size = (width - place[0] if rng.random() < 0.9 else int(rng.integers(0, 2**31)), height - place[1])
            ways = [int(rng.integers(0, 4)) for _ in range(2)]
            control = (number, *(max(side, 0) for side in size), *place, *(int(rng.integers(0, 100)) for _ in range(2)), *ways)
            chunks.append(png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", *control)))
            number += rng.random() < 0.95
        chunks.append(png_chunk(b"IDAT", rows) if frame == 0 else png_chunk(b"fdAT", struct.pack(">I", number) + rows))
        number += frame > 0
    if rng.random() < 0.3:
        rng.shuffle(chunks)
    head = png_chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, int(rng.choice([8, 8, 16, 4])), int(rng.choice([2, 2, 0, 3, 6])), 0, 0, 0)
    )
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + png_chunk(b"IEND", b""), None


def known_gif(rng: RNG) -> Made:
    """Frames of a few colours, one after the other."""
    frames = [Image.fromarray(rng.integers(0, 4, (9, 14), np.uint8) * 60).convert("P") for _ in range(int(rng.integers(1, 5)))]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=[int(rng.integers(0, 9)) * 10 for _ in frames])
    return file.getvalue(), np.asarray(frames[0].convert("RGB"))


def odd_gif(rng: RNG) -> Made:
    """The blocks of a GIF cut out, repeated and exchanged."""
    content = bytearray(known_gif(rng)[0])
    for _ in range(int(rng.integers(1, 6))):
        first, second = sorted(int(place) for place in rng.integers(6, len(content) + 1, 2))
        piece = bytes(content[first:second])
        content[first : second if rng.random() < 0.3 else first] = b"" if rng.random() < 0.3 else piece
        if rng.random() < 0.5:
            content[int(rng.integers(6, max(len(content), 7))) - 1] = int(rng.choice([0x21, 0x2C, 0x3B, 0xF9, 0xFF, 0]))
    return bytes(content[:20_000]), None


def odd_webp(rng: RNG) -> Made:
    """Chunks of a WebP left out, repeated, resized, in another order."""
    image, file = Image.fromarray(rng.integers(0, 256, (9, 14, 3), np.uint8)), io.BytesIO()
    others = [image.rotate(90 * i) for i in range(int(rng.integers(0, 3)))]
    image.save(file, "WEBP", save_all=bool(others), append_images=others, exif=b"Exif\0\0II*\0", xmp=b"<x/>", lossless=True)
    content, at, chunks = file.getvalue(), 12, []
    while at < len(content):
        length = struct.unpack_from("<I", content, at + 4)[0]
        chunks.append(content[at : at + 8 + length + length % 2])
        at += len(chunks[-1])
    for _ in range(int(rng.integers(0, 4))):
        which = int(rng.integers(len(chunks)))
        change = rng.integers(4)
        if change == 0 and len(chunks) > 1:
            del chunks[which]
        elif change == 1:
            chunks.insert(int(rng.integers(len(chunks) + 1)), chunks[which])
        elif change == 2:
            rng.shuffle(chunks)
        else:
            chunks[which] = chunks[which][:4] + struct.pack("<I", int(rng.integers(0, 2**32))) + chunks[which][8:]
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body, None


@functools.cache
def films() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        names = ("a.ts", "a.mp4", "a.mkv", "a.flv")
        return {name: clips.write(Path(folder, name), audio="aac", stamps=range(12)).read_bytes() for name in names}


def odd_film(rng: RNG) -> Made:
    """Recordings joined, cut, shifted; packets and pieces repeated or missing."""
    originals = films()
    content = bytearray(originals[str(rng.choice(sorted(originals)))])
    unit = 188 if content[0] == 0x47 else 1
    for _ in range(int(rng.integers(1, 4))):
        first, second = sorted(int(place) * unit for place in rng.integers(0, len(content) // unit + 1, 2))
        change = rng.integers(5)
        if change == 0:
            content += originals[str(rng.choice(sorted(originals)))] if rng.random() < 0.3 else bytes(content)
        elif change == 1:
            del content[second:]
        elif change == 2:
            content[second:second] = content[first:second]
        elif change == 3:
            del content[first:second]
        else:
            content[first : first + 4] = rng.bytes(4)
        content = content[:200_000]
    return bytes(content), None


KINDS = {"known TIFF": known_tiff, "odd TIFF": odd_tiff, "odd APNG": odd_apng, "known GIF": known_gif, "odd GIF": odd_gif,
         "odd WebP": odd_webp}  # fmt: skip
FILMS = 20  # of how many inputs one is a film, which takes longer


def check(path: Path, expected: np.ndarray | None) -> str:
    """What became of the picture at `path`, in a word. Raises AssertionError if that is wrong."""
    try:
        picture = pictures.read(path)
    except SRGANError as error:
        assert expected is None, error
        assert str(path) in str(error) and "\n" not in str(error)
        return "refused"
    frames = picture.frames
    assert all(frame.dtype in (np.uint8, np.uint16) and frame.shape == frames[0].shape and frame.size for frame in frames)
    assert len(picture.durations) == (len(frames) if picture.is_moving else 0)
    if expected is not None:
        found = frames[0][..., :3] if picture.format == "GIF" else frames[0]
        assert np.array_equal(found, expected), "the pixels are wrong"
    target = path.with_name("again.png")
    image_files.write(target, [[frame] for frame in frames], *frames[0].shape[:2], picture)
    assert all(
        np.array_equal(a[..., :3], b[..., :3]) or a.dtype != b.dtype
        for a, b in zip(pictures.read(target).frames, frames, strict=False)
    )
    return "read"


def check_film(path: Path) -> str:
    target = path.with_name("again.mkv")
    target.unlink(missing_ok=True)
    try:
        made = video.upscale(path, target, lambda lr: lr.repeat(4, 0).repeat(4, 1), say=lambda _: None)
    except SRGANError as error:
        assert str(path) in str(error) and not target.exists()
        return "refused"
    times = clips.stamps(target)
    assert made.frames and len(times) == made.frames and all(a < b for a, b in itertools.pairwise(times))
    return "done"


def run(count: int, seed: int = 0) -> Counter:
    """`count` inputs; returns how many of each kind were read and refused. A failure is raised with the number that makes it."""
    told: Counter = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(seed, seed + count):
            rng = np.random.default_rng(number)
            is_film = number % FILMS == 0
            kind = "odd film" if is_film else list(KINDS)[number % len(KINDS)]
            content, expected = (odd_film if is_film else KINDS[kind])(rng)
            path = Path(folder, "film.ts" if is_film else "picture")
            path.write_bytes(content)
            try:
                told[kind, check_film(path) if is_film else check(path, expected)] += 1
            except Exception as error:
                raise AssertionError(f"{kind} of number {number}: {type(error).__name__}: {error}") from error
    return told


if __name__ == "__main__":
    pictures.LARGEST = 1_000_000  # what promises more is refused; reading so much takes long
    for (kind, outcome), times in sorted(run(*map(int, sys.argv[1:] or ["10000"])).items()):
        print(f"{kind:12} {outcome:8} {times:6,}")
