"""Films without flicker: where LR stays as it was, the SR that is shown stays, too.

A network answers to what a codec changes from frame to frame, however little, with other details: in still regions they flicker.
So each pixel of SR follows the network only as far as LR has changed there since (conditional replenishment, Mounts 1969).
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from scipy.ndimage import uniform_filter

STILL, MOVED = 3.0, 6.0  # levels of 255 that LR may change by and be as it was; by which it is new
WINDOW = 3  # LR pixels, whose mean change is asked for: noise and single pixels move nothing


class Steady:
    """The frames of a film as they are to be shown, each made from the one before."""

    def __init__(self, state: bytes = b""):
        """`state`: what `state` gave after an earlier frame; b"" before the first one."""
        self._lr = self._sr = None
        if state:
            with np.load(io.BytesIO(state), allow_pickle=False) as kept:
                self._lr, self._sr = kept["lr"], kept["sr"]

    def __call__(self, lr: np.ndarray, sr: np.ndarray) -> np.ndarray:
        """The next frame: LR (h, w, 3) uint8, and SR (H, W, 3) uint8 of any size as the network makes it -> SR to be shown."""
        if self._lr is None:
            self._lr, self._sr = lr, sr
            return sr
        weight = Image.fromarray(changed(self._lr, lr))
        self._lr, self._sr = _towards(self._lr, lr, weight), _towards(self._sr, sr, weight)
        return self._sr

    def state(self) -> bytes:
        """All that the next frame depends on."""
        content = io.BytesIO()
        np.savez(content, lr=self._lr, sr=self._sr)
        return content.getvalue()


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """How far each place of two frames (h, w, 3) uint8 has changed, as (h, w) uint8: 0 is not, 255 is wholly."""
    change = np.abs(after.astype(np.float32) - before).max(-1)
    return np.rint(255 * np.clip((uniform_filter(change, WINDOW) - STILL) / (MOVED - STILL), 0, 1)).astype(np.uint8)


def _towards(old: np.ndarray, new: np.ndarray, weight: Image.Image) -> np.ndarray:
    """(H, W, 3) uint8 between `old` (weight 0) and `new` (weight 255); the weights of any size."""
    mask = weight.resize(new.shape[1::-1], Image.Resampling.BILINEAR)
    return np.asarray(Image.composite(Image.fromarray(new), Image.fromarray(old), mask))
