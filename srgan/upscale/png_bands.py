"""Write a PNG band by band, so that an image larger than the memory can be made (PNG specification, third edition)."""

from __future__ import annotations

import itertools
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np

from srgan.errors import SRGANError
from srgan.runs.paths import write_atomically

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {1: 0, 3: 2, 2: 4, 4: 6}  # channels -> gray, RGB, gray + alpha, RGBA
LARGEST = 2**31 - 1  # of either side
STRIP = 2**19  # bytes that are filtered and packed at once: temporary arrays stay in the cache
SAMPLE = 2**16  # bytes of a strip by which it is decided how to pack it
LEVEL = 3  # of zlib: on filtered pictures as small as 6, in a third of the time
ADLER = 65521
ZLIB_HEADER = b"\x78\x9c"  # deflate with a window of 32 KiB, packed as by default (RFC 1950)
END_OF_DEFLATE = b"\x03\x00"  # an empty last block


def write(path: Path, width: int, height: int, bands: Iterable[np.ndarray], chunks: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Write `bands`, arrays (h, width, channels) of uint8 or uint16 from top to bottom, as one PNG of `height` rows.

    One, two, three or four channels: gray, gray and alpha, RGB, RGBA. `chunks` (type, data) such as (b"pHYs", ...) go
    before the pixels. Written atomically. Raises SRGANError if the bands are not what was announced or the file cannot be
    written.
    """
    if not (0 < width <= LARGEST and 0 < height <= LARGEST):
        raise SRGANError(f"A PNG of {width}x{height} pixels cannot be: both sides must lie between 1 and {LARGEST:,}.")

    def stream(temporary: Path) -> None:
        with open(temporary, "wb") as file:
            _stream(file, width, height, iter(bands), chunks)

    write_atomically(path, stream)


def _stream(file: BinaryIO, width: int, height: int, bands: Iterator[np.ndarray], chunks) -> None:
    first = next(bands, None)
    if first is None or first.ndim != 3 or first.shape[2] not in COLOUR_TYPES or first.dtype not in (np.uint8, np.uint16):
        raise SRGANError("A PNG is made of bands (rows, width, 1 to 4 channels) of uint8 or uint16; the first one is not.")
    channels, depth = first.shape[2], 8 * first.dtype.itemsize
    file.write(SIGNATURE)
    _chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, depth, COLOUR_TYPES[channels], 0, 0, 0))
    for kind, content in chunks:
        _chunk(file, kind, content)
    bands = itertools.chain(iter([first]), bands)
    del first  # it would stay in memory to the end
    checksum, content = 1, ZLIB_HEADER
    for packed, part, length in _packed(_strips(bands, width, height), channels * depth // 8):
        _chunk(file, b"IDAT", content + packed)
        checksum, content = _joined(checksum, part, length), b""
    _chunk(file, b"IDAT", END_OF_DEFLATE + struct.pack(">I", checksum))
    _chunk(file, b"IEND", b"")


def _strips(bands: Iterator[np.ndarray], width: int, height: int) -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
    """Of each band the strips, as rows of bytes, each with the row above it."""
    above, written, kind = None, 0, None
    for band in (band for band in bands if len(band)):
        kind = kind or (band.shape[1:], band.dtype)
        if (band.shape[1:], band.dtype) != kind or band.shape[1] != width:
            raise SRGANError(f"A band of shape {band.shape}, {band.dtype} does not belong to {width}x{height} pixels.")
        rows = _bytes(band)
        above = np.zeros_like(rows[:1]) if above is None else above
        pace = max(STRIP // rows.shape[1], 1)
        yield [(rows[i : i + pace], rows[i - 1 : i] if i else above) for i in range(0, len(rows), pace)]
        above, written = rows[-1:].copy(), written + len(rows)
    if written != height:
        raise SRGANError(f"The bands have {written} rows and not {height}.")


def _packed(bands: Iterator[list], step: int) -> Iterator[tuple[bytes, int, int]]:
    """The strips packed in order, on all cores; while those of one band are, the next one is being made."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        under_way: list[Future] = []
        try:
            for strips in bands:
                begun = [pool.submit(_pack, rows, above, step) for rows, above in strips]
                yield from (future.result() for future in under_way)
                under_way = begun
            yield from (future.result() for future in under_way)
        finally:
            pool.shutdown(cancel_futures=True)


def _pack(rows: np.ndarray, above: np.ndarray, step: int) -> tuple[bytes, int, int]:
    """A strip filtered and packed to be continued; the Adler-32 and the length of what was packed.

    What is left of a photo by the filters is packed best and by far fastest by its runs alone; not so text and drawings.
    """
    plain = _filtered(rows, above, step).tobytes()
    middle = max(len(plain) - SAMPLE, 0) // 2
    sample = plain[middle : middle + SAMPLE]
    strategy = min(zlib.Z_RLE, zlib.Z_DEFAULT_STRATEGY, key=lambda strategy: len(_deflated(sample, strategy)))
    return _deflated(plain, strategy), zlib.adler32(plain), len(plain)


def _deflated(plain: bytes, strategy: int) -> bytes:
    """`plain` as whole bytes of a raw deflate stream (RFC 1951) that goes on."""
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, 9, strategy)
    return compressor.compress(plain) + compressor.flush(zlib.Z_FULL_FLUSH)


def _joined(front: int, back: int, length: int) -> int:
    """The Adler-32 of two pieces, of which the second has `length` bytes, from that of each (RFC 1950, section 8.2)."""
    low = (front & 0xFFFF) - 1
    high = (front >> 16) + (back >> 16) + low * length
    return (high % ADLER) << 16 | (low + (back & 0xFFFF)) % ADLER


def _chunk(file: BinaryIO, kind: bytes, content: bytes) -> None:
    file.write(struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content)))


def _bytes(band: np.ndarray) -> np.ndarray:
    """The bytes of each row, samples of two bytes with the high one first."""
    band = np.ascontiguousarray(band, band.dtype.newbyteorder(">"))
    return band.view(np.uint8).reshape(len(band), band.shape[1] * band.shape[2] * band.dtype.itemsize)


def _filtered(rows: np.ndarray, above: np.ndarray, step: int) -> np.ndarray:
    """Each row as its differences to the left, to the row above or to Paeth's prediction, behind the number of the filter.

    Of the three the one with the smallest sum of absolute differences is taken, as the specification advises (12.7).
    """
    up = np.concatenate([above, rows[:-1]])
    left, corner = (np.pad(each, ((0, 0), (step, 0)))[:, :-step] for each in (rows, up))
    candidates = {1: rows - left, 2: rows - up, 4: rows - _paeth(left, up, corner)}
    # As signed numbers the differences d and d - 256 are the same byte.
    costs = [np.minimum(each, -each).sum(axis=1, dtype=np.uint32) for each in candidates.values()]
    best = np.array(list(candidates), np.uint8)[np.argmin(costs, axis=0)]
    chosen = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    chosen[:, 0] = best
    for kind, candidate in candidates.items():
        chosen[best == kind, 1:] = candidate[best == kind]
    return chosen


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Of the three neighbours the one nearest to left + up - corner."""
    to_left, to_up = up - corner.astype(np.int16), left - corner.astype(np.int16)
    to_corner = np.abs(to_left + to_up)
    np.abs(to_left, out=to_left)
    np.abs(to_up, out=to_up)
    return np.where((to_left <= to_up) & (to_left <= to_corner), left, np.where(to_up <= to_corner, up, corner))
