"""Images of any size: what the network makes, four times as large, shrunk by libvips; and made twice where four is not enough."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyvips

from srgan.config import SCALE
from srgan.upscale.image_files import uncompressed
from srgan.upscale.size import between

KERNEL = "cubic"  # by which HR becomes LR in training, too
BAND = 2**20  # bytes

Enlarge = Callable[[np.ndarray], Iterable[np.ndarray]]  # (H, W, C) -> bands (h, 4 W, C) from top to bottom


def enlarged_to(height: int, width: int, lr: np.ndarray, enlarge: Enlarge) -> Iterator[np.ndarray]:
    """`lr` (H, W, C), uint8 or uint16, at `height` x `width`, as bands (h, width, C) from top to bottom."""
    if height > SCALE * lr.shape[0] or width > SCALE * lr.shape[1]:
        lr = np.concatenate(list(enlarged_to(*between(height, width), lr, enlarge)))
    return resampled(enlarge(lr), lr, height, width)


def resampled(bands: Iterable[np.ndarray], lr: np.ndarray, height: int, width: int) -> Iterator[np.ndarray]:
    """The image in `bands`, four times `lr`, at `height` x `width` and in bands again: antialiased, and never whole in memory.

    Raises what making the bands raises.
    """
    before, channels = (SCALE * lr.shape[0], SCALE * lr.shape[1]), lr.shape[2]
    if before == (height, width):
        yield from bands
        return
    source = _Source(uncompressed(bands, *before, channels, lr.dtype == np.uint16))
    with source.failures():
        image = pyvips.Image.new_from_source(source.vips, "", access="sequential", fail_on="error", unlimited=True)
        image = image.resize(width / before[1], vscale=height / before[0], kernel=KERNEL, gap=0)
        region = pyvips.Region.new(image)
    rows = max(BAND // (width * channels * lr.itemsize), 1)
    for top in range(0, height, rows):
        count = min(rows, height - top)
        with source.failures():
            band = region.fetch(0, top, width, count)
        yield np.frombuffer(band, lr.dtype).reshape(count, width, channels)


class _Source:
    """Pieces of a file, from which libvips takes what it needs next. What making them raises cannot go through it: it is kept."""

    def __init__(self, pieces: Iterator[bytes]):
        self._pieces, self._rest, self._failure = pieces, b"", None
        self.vips = pyvips.SourceCustom()
        self.vips.on_read(self._read)

    def _read(self, most: int) -> bytes:
        try:
            self._rest = self._rest or next(self._pieces, b"")
        except BaseException as failure:  # Ctrl-C, too; it is raised again below
            self._failure, self._rest = failure, b""
        piece, self._rest = self._rest[:most], self._rest[most:]
        return piece

    @contextlib.contextmanager
    def failures(self) -> Iterator[None]:
        """While libvips works: raises what kept it from going on."""
        try:
            yield
        except pyvips.Error:
            if self._failure is None:
                raise
        if self._failure is not None:
            raise self._failure
