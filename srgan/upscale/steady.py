"""Films without flicker: where LR stays as it was, the SR that is shown stays, too.

A network answers to what a codec changes from frame to frame, however little, with other details: in still regions they flicker.
So each pixel of SR follows the network only as far as LR has changed there since (conditional replenishment, Mounts 1969).
A codec makes a key frame without the frames before it: it differs a little everywhere, most where there is texture, and no less
where nothing moves. There more of a change is let pass, if what is broader than texture stands still.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, uniform_filter

KIND = 3  # of how a film is made steady, and of the state that is kept; another one does not go on from it
STILL, MOVED = 4.0, 8.0  # levels of 255 that LR may change by and be as it was; by which it is new
WINDOW = 3  # LR pixels, whose mean change is asked for: noise and single pixels move nothing
TEXTURE = 0.9  # of LR's standard deviation around a place, before and after: what may change in a key frame, if more than STILL
TEXTURE_WINDOW = 5  # LR pixels
BROAD = 2.0  # sigma, LR pixels: what a Gaussian of this width leaves is broader than texture
BROAD_STILL, BROAD_MOVED = 2.5, 5.0  # as STILL and MOVED, of that


class Steady:
    """The frames of a film as they are to be shown, each made from the one before."""

    def __init__(self, state: bytes = b""):
        """`state`: what `state` gave after an earlier frame; b"" before the first one."""
        self._sr = None
        if state:
            with np.load(io.BytesIO(state), allow_pickle=False) as kept:
                self._sr, self._lr, self._latest = kept["sr"], kept["lr"], kept["latest"]

    def __call__(self, lr: np.ndarray, sr: np.ndarray, key: bool = False) -> np.ndarray:
        """The next frame: LR (h, w, 3) uint8, and SR (H, W, 3) uint8 of any size as the network makes it -> SR to be shown.

        `key`: whether it is a key frame.
        """
        if self._sr is None:
            self._sr, self._lr, self._latest = sr, lr, lr  # shown; what that was made from; what the next frames are made from
            return sr
        weight = Image.fromarray(changed(self._lr if key else self._latest, lr, key))
        self._latest = lr if key else _towards(self._latest, lr, weight)
        self._lr, self._sr = _towards(self._lr, lr, weight), _towards(self._sr, sr, weight)
        return self._sr

    def state(self) -> bytes:
        """All that the next frame depends on."""
        content = io.BytesIO()
        np.savez(content, sr=self._sr, lr=self._lr, latest=self._latest)
        return content.getvalue()


def changed(before: np.ndarray, after: np.ndarray, key: bool = False) -> np.ndarray:
    """How far each place of two frames (h, w, 3) uint8 has changed, as (h, w) uint8: 0 is not, 255 is wholly."""
    change = after.astype(np.float32) - before
    still, broadly = STILL, 0.0
    if key:
        still = np.maximum(STILL, TEXTURE * np.minimum(*(_spread(frame.mean(-1, dtype=np.float32)) for frame in (before, after))))
        broad = np.abs(gaussian_filter(change, (BROAD, BROAD, 0))).max(-1)
        broadly = _ramp(broad - BROAD_STILL, BROAD_MOVED - BROAD_STILL)
    of_texture = _ramp(uniform_filter(np.abs(change).max(-1), WINDOW) - still, MOVED - STILL)
    return np.rint(255 * np.maximum(of_texture, broadly)).astype(np.uint8)


def _ramp(x: np.ndarray, width: float) -> np.ndarray:
    """0 up to x = 0, 1 from x = `width` on."""
    return np.clip(x / width, 0, 1)


def _spread(y: np.ndarray) -> np.ndarray:
    """Standard deviation of `y` (h, w) in the window around each place."""
    return np.sqrt(np.maximum(uniform_filter(y * y, TEXTURE_WINDOW) - uniform_filter(y, TEXTURE_WINDOW) ** 2, 0))


def _towards(old: np.ndarray, new: np.ndarray, weight: Image.Image) -> np.ndarray:
    """(H, W, 3) uint8 between `old` (weight 0) and `new` (weight 255); the weights of any size."""
    mask = weight.resize(new.shape[1::-1], Image.Resampling.BILINEAR)
    return np.asarray(Image.composite(Image.fromarray(new), Image.fromarray(old), mask))
