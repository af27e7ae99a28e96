"""Write a PNG band by band, so that an image larger than the memory can be made (PNG specification, third edition)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from srgan.errors import SRGANError
from srgan.paths import write_atomically

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {1: 0, 3: 2, 2: 4, 4: 6}  # channels -> gray, RGB, gray + alpha, RGBA
LARGEST = 2**31 - 1  # of either side
ROWS = 16  # filtered at once: temporary arrays stay small, however high a band is
LEVEL = 6  # of zlib


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
    first = next(bands)
    channels, depth = first.shape[2], 8 * first.dtype.itemsize
    file.write(SIGNATURE)
    _chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, depth, COLOUR_TYPES[channels], 0, 0, 0))
    for kind, content in chunks:
        _chunk(file, kind, content)
    compressor = zlib.compressobj(LEVEL)
    above, written = np.zeros(width * channels * depth // 8, np.uint8), 0
    while first is not None:
        if first.shape[1:] != (width, channels) or first.dtype.itemsize * 8 != depth:
            raise SRGANError(f"A band of shape {first.shape}, {first.dtype} does not belong to {width}x{height} pixels.")
        for begin in range(0, len(first), ROWS):
            rows = _rows(first[begin : begin + ROWS])
            packed = compressor.compress(_filtered(rows, above, channels * depth // 8).tobytes())
            above = rows[-1]
            if packed:
                _chunk(file, b"IDAT", packed)
        written += len(first)
        first = next(bands, None)
    if written != height:
        raise SRGANError(f"The bands have {written} rows and not {height}.")
    _chunk(file, b"IDAT", compressor.flush())
    _chunk(file, b"IEND", b"")


def _chunk(file: BinaryIO, kind: bytes, content: bytes) -> None:
    file.write(struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content)))


def _rows(band: np.ndarray) -> np.ndarray:
    """The bytes of each row, samples of two bytes with the high one first."""
    band = np.ascontiguousarray(band, band.dtype.newbyteorder(">"))
    return band.view(np.uint8).reshape(len(band), -1)


def _filtered(rows: np.ndarray, above: np.ndarray, step: int) -> np.ndarray:
    """Each row as its differences to the left, to the row above or to Paeth's prediction, behind the number of the filter.

    Of the three the one with the smallest sum of absolute differences is taken, as the specification advises (12.7).
    """
    up = np.vstack([above, rows[:-1]])
    left, corner = (np.pad(each, ((0, 0), (step, 0)))[:, :-step] for each in (rows, up))
    candidates = {1: rows - left, 2: rows - up, 4: rows - _paeth(left, up, corner)}
    costs = [np.abs(candidate.view(np.int8).astype(np.int16)).sum(axis=1) for candidate in candidates.values()]
    best = np.argmin(costs, axis=0)
    kinds = np.array(list(candidates), np.uint8)[best]
    chosen = np.stack(list(candidates.values()))[best, np.arange(len(rows))]
    return np.hstack([kinds[:, None], chosen])


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Of the three neighbours the one nearest to left + up - corner."""
    a, b, c = (each.astype(np.int16) for each in (left, up, corner))
    to_a, to_b, to_c = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    return np.where((to_a <= to_b) & (to_a <= to_c), left, np.where(to_b <= to_c, up, corner))
