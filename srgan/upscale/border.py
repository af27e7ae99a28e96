"""The edge of an image: what the network sees beyond it is the image's mirror image.

The convolutions take what lies beyond for zeros. What a GAN makes of them at the edges of its patches nobody judges: at an image's
edge it was seen as rows of dots. Three pixels of mirror image keep them away, and a few more on the right make the width a multiple
of eight: with bfloat16 on AMX a row of 262 pixels was measured to take a quarter longer than one of 264.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from srgan.config import SCALE

BORDER = 3  # LR pixels, or more on the right
MULTIPLE = 8  # LR pixels: the width is one of this


class Bordered:
    """An image (H, W, C) with its mirror image around it. No copy is made: a piece is put together when it is asked for."""

    def __init__(self, image: np.ndarray):
        self._image = image
        height, width = image.shape[:2]
        self._rows = np.pad(np.arange(height), BORDER, "symmetric")
        self._columns = np.pad(np.arange(width), (BORDER, BORDER + -(width + 2 * BORDER) % MULTIPLE), "symmetric")

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, with the border."""
        return len(self._rows), len(self._columns)

    def __getitem__(self, piece: tuple[slice, slice]) -> np.ndarray:
        """Rows and columns of it, counted from the border's edge, (h, w, C)."""
        rows, columns = piece
        return self._image[self._rows[rows, None], self._columns[columns]]

    def removed(self, bands: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """SR's rows without the border, from bands that have it."""
        height, width = self._image.shape[:2]
        first, last, right = SCALE * BORDER, SCALE * (BORDER + height), SCALE * (BORDER + width)
        top = 0
        for band in bands:
            kept = band[max(first - top, 0) : max(last - top, 0), first:right]
            top += len(band)
            if len(kept):
                yield kept
