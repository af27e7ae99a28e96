"""The edge of an image: what the network sees beyond it is the image's mirror image.

The convolutions take what lies beyond for zeros. What a GAN makes of them at the edges of its patches nobody judges: at an image's
edge it was seen as rows of dots. Three pixels of mirror image keep them away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from srgan.config import SCALE

BORDER = 3  # LR pixels


class Bordered:
    """An image (H, W, C) with its mirror image around it. No copy is made: a piece is put together when it is asked for."""

    def __init__(self, image: np.ndarray):
        self._image = image
        self._rows, self._columns = (np.pad(np.arange(side), BORDER, "symmetric") for side in image.shape[:2])

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
        first, last = SCALE * BORDER, SCALE * (self.shape[0] - BORDER)
        top = 0
        for band in bands:
            kept = band[max(first - top, 0) : max(last - top, 0), first:-first]
            top += len(band)
            if len(kept):
                yield kept
