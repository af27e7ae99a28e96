"""Pictures written to files by libvips, row by row, so that one larger than the memory can be made."""

from __future__ import annotations

import io
import itertools
import os
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyvips
import tifffile
from PIL import Image

from srgan.data.metadata import EXIF_IFD, GPS_IFD, XMP_KEY, Metadata, png_chunk, tiff_directory
from srgan.data.pictures import Picture
from srgan.errors import SRGANError
from srgan.runs.paths import write_atomically

WRITTEN = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG",
           ".webp": "WEBP", ".avif": "AVIF", ".bmp": "BMP", ".gif": "GIF", ".apng": "PNG"}  # fmt: skip
MOVING = ("GIF", "PNG", "WEBP")
LONGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383, "GIF": 65_535, "AVIF": 16_384, "BMP": 32_767, "TIFF": 2**31 - 1, "PNG": 10**7}
LARGEST_BMP = 400_000_000  # pixels: made in memory
HOLDS = {  # what besides pixels
    "PNG": {"icc", "dpi", "exif", "xmp", "comment", "colour", "texts"},
    "TIFF": {"icc", "dpi", "exif", "xmp", "iptc"},
    "JPEG": {"icc", "dpi", "exif", "xmp", "iptc", "comment"},
    "WEBP": {"icc", "exif", "xmp"},
    "AVIF": {"icc", "exif", "xmp"},
    "GIF": set(),
    "BMP": {"dpi"},
}
SEGMENT = 65_533  # bytes in a segment of JPEG
# PNG: packed for half as long as by default, and hardly larger. JPEG: no loss that is seen.
OPTIONS = {
    "PNG": {"compression": 3, "filter": pyvips.ForeignPngFilter.SUB | pyvips.ForeignPngFilter.UP | pyvips.ForeignPngFilter.AVG},
    "JPEG": {"Q": 95, "subsample_mode": "off"},
    "WEBP": {"lossless": True},
    "AVIF": {"Q": 90, "effort": 2, "compression": "av1", "subsample_mode": "off"},
    "GIF": {"effort": 4},
}
SAVERS = {
    "PNG": "pngsave_target",
    "JPEG": "jpegsave_target",
    "WEBP": "webpsave_target",
    "AVIF": "heifsave_target",
    "GIF": "gifsave_target",
}


def require(target: Path, picture: Picture, height: int, width: int) -> None:
    """Raises SRGANError, in words, if a file of the kind of `target` cannot hold the picture at `height` x `width`."""
    form = WRITTEN.get(target.suffix.lower())
    if form is None:
        raise SRGANError(f'{target}: files of the kind "{target.suffix}" are not written. Choose one of {", ".join(WRITTEN)}.')
    channels, deep = picture.frames[0].shape[2], picture.frames[0].dtype == np.uint16
    if max(height, width) > LONGEST_SIDE[form]:
        raise SRGANError(f"{target}: {form} holds at most {LONGEST_SIDE[form]:,} pixels a side, not {width}x{height}. Choose .png.")
    if picture.is_moving and form not in MOVING:
        raise SRGANError(f"{target}: {form} does not move, and there are {len(picture.frames)} frames. Choose .gif, .webp or .png.")
    if channels in (2, 4) and form in ("JPEG", "BMP"):
        raise SRGANError(f"{target}: {form} has no transparency, and the picture has. Choose .png, .webp or .tif.")
    if deep and form not in ("PNG", "TIFF"):
        raise SRGANError(f"{target}: {form} has 8 bits a channel, and the picture 16. Choose .png or .tif.")
    if form == "BMP" and height * width > LARGEST_BMP:
        raise SRGANError(f"{target}: {height * width / 1e6:,.0f} megapixels are too many for BMP. Choose .png.")


def left_out(target: Path, metadata: Metadata) -> list[str]:
    """In words, what of the metadata a file of the kind of `target` cannot hold."""
    form = WRITTEN[target.suffix.lower()]
    lost = [words for name, words in metadata.words().items() if name not in HOLDS[form]]
    long = [
        words
        for name, words in metadata.words().items()
        if form == "JPEG" and name in ("exif", "xmp", "iptc", "comment") and len(getattr(metadata, name)) > SEGMENT - 64
    ]
    sentences = [f"{form} cannot hold {', '.join(lost)}: left out"] if lost else []
    return sentences + ([f"{', '.join(long)} of more than 64 kB: left out, as JPEG cannot hold it"] if long else [])


def write(target: Path, frames: list[Iterable[np.ndarray]], height: int, width: int, like: Picture) -> None:
    """Write `frames`, each as bands (h, width, C) from top to bottom, with what `like` knows besides pixels. Atomically."""
    form = WRITTEN[target.suffix.lower()]
    channels, deep = like.frames[0].shape[2], like.frames[0].dtype == np.uint16
    bands = (band for frame in frames for band in frame)

    def by_vips(temporary: Path) -> None:
        count = len(frames)
        with open(temporary, "wb") as file:
            if form == "PNG" and count > 1:
                _write_moving_png(file, frames, height, width, like)
            else:
                _write_by_vips(file, form, uncompressed(bands, height * count, width, channels, deep), height, like)

    if form == "TIFF":
        write_atomically(target, lambda temporary: _write_tiff(temporary, bands, (height, width, channels), like))
    elif form == "BMP":
        write_atomically(target, lambda temporary: temporary.write_bytes(_bmp(np.concatenate(list(bands)), like.metadata)))
    else:
        write_atomically(target, by_vips)


# libvips ------------------------------------------------------------------------------------------------------------


def uncompressed(bands: Iterable[np.ndarray], height: int, width: int, channels: int, deep: bool) -> Iterator[bytes]:
    """A PNG that is not compressed: what libvips can read as a stream, of every kind of pixels."""
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    yield b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16 if deep else 8, colour, 0, 0, 0))
    packer, rows = zlib.compressobj(0), max(2**20 // (width * channels), 1)
    for band in bands:
        raw = np.ascontiguousarray(band, band.dtype.newbyteorder(">")).view(np.uint8).reshape(len(band), -1)
        for top in range(0, len(raw), rows):
            yield png_chunk(b"IDAT", packer.compress(np.pad(raw[top : top + rows], ((0, 0), (1, 0))).tobytes()))
    yield png_chunk(b"IDAT", packer.flush()) + png_chunk(b"IEND", b"")


def _write_by_vips(file: BinaryIO, form: str, pieces: Iterable[bytes], page: int, like: Picture) -> None:
    """Make a file of the format `form` of the PNG in `pieces`: libvips does so in a thread, while the next piece is computed."""
    reading, writing = os.pipe()
    output, failed = _Output(file, form, like.metadata), []

    def save() -> None:
        try:
            source = pyvips.Source.new_from_descriptor(reading)
            image = pyvips.Image.new_from_source(source, "", access="sequential", fail_on="error", unlimited=True)
            image = _with_metadata(image, form, page, like)
            target = pyvips.TargetCustom()
            target.on_write(output.write)
            keep = "none" if form in ("PNG", "JPEG") else "all"
            getattr(image, SAVERS[form])(target, keep=keep, page_height=page, **OPTIONS[form])
        except Exception as error:  # it is raised again below
            failed.append(error)
        while os.read(reading, 2**20):  # what a failure left: the other thread must not wait for room in the pipe
            pass

    thread = threading.Thread(target=save)
    thread.start()
    try:
        with open(writing, "wb", buffering=0) as pipe:
            for piece in itertools.takewhile(lambda _: not failed, pieces):
                view = memoryview(piece)
                while view:
                    view = view[pipe.write(view) :]
    finally:
        thread.join()
        os.close(reading)
    output.close()
    if failed:
        raise failed[0]


def _with_metadata(image: pyvips.Image, form: str, page: int, like: Picture) -> pyvips.Image:
    """The image with what libvips writes besides pixels."""
    image, metadata = image.copy(), like.metadata
    blobs = {"icc-profile-data": metadata.icc, "exif-data": metadata.exif and b"Exif\0\0" + metadata.exif, "xmp-data": metadata.xmp}
    for name, blob in blobs.items():
        if blob and form in ("WEBP", "AVIF"):
            image.set_type(pyvips.GValue.blob_type, name, blob)
    if like.is_moving:
        image.set_type(pyvips.GValue.gint_type, "page-height", page)
        image.set_type(pyvips.GValue.array_int_type, "delay", _whole(like.durations, 10 if form == "GIF" else 1))
        image.set_type(pyvips.GValue.gint_type, "loop", like.loop)
    if form == "GIF" and image.bands in (2, 4):  # a pixel of GIF is seen or not
        alpha = (image[image.bands - 1] >= 128).ifthenelse(255, 0)
        image = image[0 : image.bands - 1].bandjoin(alpha.cast("uchar"))
    return image


def _whole(durations: list[float], unit: int) -> list[int]:
    """Durations in whole units, of which each moment of the animation is as near as can be to where it was."""
    ends = np.round(np.cumsum(durations) / unit).astype(int) * unit
    return np.diff(ends, prepend=0).tolist()


class _Output:
    """The file that libvips writes to; between the header and the pixels of PNG and JPEG stands what goes along."""

    def __init__(self, file: BinaryIO, form: str, metadata: Metadata):
        self._file, self._form, self._metadata = file, form, metadata
        self._head: bytes | None = b"" if form in ("PNG", "JPEG") else None
        self._error: OSError | None = None

    def write(self, content: bytes) -> int:
        """Called by libvips; a failure is kept for `close`, as it cannot go through it."""
        try:
            if self._head is None:
                self._file.write(content)
            else:
                self._head += bytes(content)
                if self._form == "JPEG" or b"IDAT" in self._head:
                    self._file.write((_jpeg_head if self._form == "JPEG" else _png_head)(self._head, self._metadata))
                    self._head = None
        except OSError as error:
            self._error = error
            return -1
        return len(content)

    def close(self) -> None:
        if self._error:
            raise self._error


def _png_head(head: bytes, metadata: Metadata) -> bytes:
    """The head of a PNG up to its pixels with `metadata` in it."""
    return head[:33] + b"".join(png_chunk(*chunk) for chunk in _chunks(metadata)) + head[head.index(b"IDAT") - 4 :]


def _chunks(metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    """What a PNG says besides its pixels (PNG specification, third edition, 11.3)."""
    if metadata.icc:
        yield b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc)
    yield from metadata.colour
    if metadata.dpi:
        yield b"pHYs", struct.pack(">IIB", *(round(value / 0.0254) for value in metadata.dpi), 1)
    if metadata.exif:
        yield b"eXIf", metadata.exif
    if metadata.xmp:
        yield b"iTXt", XMP_KEY + b"\0\0\0\0\0" + metadata.xmp
    yield from metadata.texts
    if metadata.comment:
        yield b"iTXt", b"Comment\0\0\0\0\0" + metadata.comment.encode()


def _jpeg_head(head: bytes, metadata: Metadata) -> bytes:
    """The beginning of a JPEG with `metadata` in it, which replaces what libvips says of the resolution."""
    length = 4 + int.from_bytes(head[4:6], "big") - 2 if head[2:4] == b"\xff\xe0" else 2
    dpi = [round(value) for value in metadata.dpi or (1, 1)]
    jfif = b"JFIF\0\1\1" + struct.pack(">BHHBB", 1 if metadata.dpi else 0, *dpi, 0, 0)
    segments = [(0xE0, jfif)]
    segments += [(0xE1, b"Exif\0\0" + metadata.exif)] if metadata.exif else []
    segments += [(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + metadata.xmp)] if metadata.xmp else []
    parts = [metadata.icc[i : i + SEGMENT - 14] for i in range(0, len(metadata.icc or b""), SEGMENT - 14)]
    segments += [(0xE2, b"ICC_PROFILE\0" + bytes((i + 1, len(parts))) + part) for i, part in enumerate(parts)]
    segments += [(0xED, metadata.iptc)] if metadata.iptc else []
    segments += [(0xFE, metadata.comment.encode())] if metadata.comment else []
    written = [struct.pack(">BBH", 0xFF, kind, len(data) + 2) + data for kind, data in segments if len(data) <= SEGMENT]
    return head[:2] + b"".join(written) + head[length:]


def _write_moving_png(file: BinaryIO, frames: list[Iterable[np.ndarray]], height: int, width: int, like: Picture) -> None:
    """An animated PNG of the pixels in the PNG that libvips makes of each frame (PNG specification, third edition, 11.3.6)."""
    channels, deep = like.frames[0].shape[2], like.frames[0].dtype == np.uint16
    number = 0
    for i, (bands, duration) in enumerate(zip(frames, like.durations, strict=True)):
        made = io.BytesIO()
        plain = Picture(like.frames[:1], "PNG", like.metadata if i == 0 else Metadata())
        _write_by_vips(made, "PNG", uncompressed(bands, height, width, channels, deep), height, plain)
        content = made.getvalue()
        begin = content.index(b"IDAT") - 4
        if i == 0:
            file.write(content[:33] + png_chunk(b"acTL", struct.pack(">II", len(frames), like.loop)) + content[33:begin])
        delay = Fraction(duration / 1000).limit_denominator(65_535)
        file.write(png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, width, height, 0, 0, *delay.as_integer_ratio(), 0, 0)))
        number += 1
        while content[begin + 4 : begin + 8] == b"IDAT":
            length = int.from_bytes(content[begin : begin + 4], "big")
            data = content[begin + 8 : begin + 8 + length]
            file.write(png_chunk(b"IDAT", data) if i == 0 else png_chunk(b"fdAT", struct.pack(">I", number) + data))
            number += i > 0
            begin += 12 + length
    file.write(png_chunk(b"IEND", b""))


# TIFF and BMP -------------------------------------------------------------------------------------------------------


def _write_tiff(path: Path, bands: Iterable[np.ndarray], shape: tuple[int, int, int], like: Picture) -> None:
    """By tifffile, as libvips writes no tags of its own choice: title, artist, date, EXIF."""
    height, width, channels = shape
    if channels == 2 and like.frames[0].dtype == np.uint16:
        bands, channels = (band[..., [0, 0, 0, 1]] for band in bands), 4  # few programs read gray with transparency of 16 bits
    metadata, dtype = like.metadata, like.frames[0].dtype
    rows = min(max(2**18 // (width * channels * dtype.itemsize), 1), height)
    exif = Image.Exif()
    exif.load(metadata.exif or b"")
    inner = {number: dict(exif.get_ifd(number)) for number in (EXIF_IFD, GPS_IFD) if exif.get_ifd(number)}
    tags = [_tiff_tag(number, value) for number, value in exif.items() if number not in (EXIF_IFD, GPS_IFD)]
    tags += [(number, "B", len(blob), blob, True) for number, blob in ((700, metadata.xmp), (33723, metadata.iptc)) if blob]
    bigtiff = height * width * channels * dtype.itemsize > 2**31
    tifffile.imwrite(
        path,
        _strips(bands, rows),
        shape=shape[:2] if channels == 1 else (height, width, channels),
        dtype=dtype,
        byteorder="<",
        photometric="minisblack" if channels < 3 else "rgb",
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        planarconfig="contig" if channels > 1 else None,
        compression="zlib",
        rowsperstrip=rows,
        resolution=metadata.dpi,
        resolutionunit="INCH" if metadata.dpi else None,
        iccprofile=metadata.icc,
        metadata=None,
        software=False,
        extratags=[tag for tag in tags if tag],
        bigtiff=bigtiff,
    )
    if inner and not bigtiff:
        _append_directories(path, inner)


def _strips(bands: Iterable[np.ndarray], rows: int) -> Iterator[bytes]:
    """The bands as packed strips of `rows` rows; the last one may have fewer."""
    rest = None
    for band in bands:
        rest = band if rest is None else np.concatenate([rest, band])
        while len(rest) >= rows:
            yield zlib.compress(_little(rest[:rows]), 3)
            rest = rest[rows:]
    if rest is not None and len(rest):
        yield zlib.compress(_little(rest), 3)


def _little(pixels: np.ndarray) -> bytes:
    return pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()


def _tiff_tag(number: int, value) -> tuple | None:
    """A text or a whole number as tifffile wants it."""
    if isinstance(value, str):
        return number, "s", 0, value, True
    if isinstance(value, bytes):
        return number, "B", len(value), value, True
    return (number, "I", 1, value, True) if isinstance(value, int) and 0 <= value < 2**32 else None


def _append_directories(path: Path, inner: dict[int, dict]) -> None:
    """Put the directories of EXIF and GPS at the end of a little-endian TIFF, and there the one that names them, too."""
    with open(path, "r+b") as file:
        file.seek(4)
        file.seek(struct.unpack("<I", file.read(4))[0])
        entries = [file.read(12) for _ in range(struct.unpack("<H", file.read(2))[0])]
        following = file.read(4)
        for number, tags in inner.items():
            offset = file.seek(0, os.SEEK_END)
            offset += file.write(b"\0" * (offset % 2))
            file.write(tiff_directory(tags, offset))
            entries.append(struct.pack("<HHII", number, 4, 1, offset))
        offset = file.seek(0, os.SEEK_END)
        offset += file.write(b"\0" * (offset % 2))
        file.write(struct.pack("<H", len(entries)) + b"".join(sorted(entries, key=lambda e: e[1::-1])) + following)
        file.seek(4)
        file.write(struct.pack("<I", offset))


def _bmp(pixels: np.ndarray, metadata: Metadata) -> bytes:
    """libvips writes no BMP."""
    content = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(content, "BMP", dpi=metadata.dpi or (96, 96))
    return content.getvalue()
