"""A teacher: weights whose pictures the network learns from in place of HR.

Most of what HR has beyond the network's best guess cannot be told from LR, and to a pixel loss it is noise. A teacher's
picture has none of it. That of a trained network, averaged over eight orientations, is nearer to HR than the network's
own, so a network can learn from itself. (Hinton et al. 2015 on distillation, Timofte et al. 2016 on the eight orientations.)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# TensorFlow is loaded for a teacher only: preparing photos without one starts at once.


def load(name: str) -> Callable:
    """The teacher by the weights that `name` means (`weights.find`). Raises SRGANError if they are missing or damaged."""
    from srgan.runs import weights
    from srgan.upscale import network as upscale

    return over_orientations(upscale.load(weights.find(name)))


def sha256(name: str) -> str:
    """Of the teacher's weights. Raises SRGANError as `load` does."""
    from srgan.runs import weights

    return weights.card(weights.find(name))["sha256"]


def over_orientations(upscaler: Callable) -> Callable:
    """The mean of what `upscaler` makes of an image flipped or not and turned by 0, 90, 180 and 270 degrees, turned back."""

    def mean(lr: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 -> (4 H, 4 W, 3) uint8."""
        srs = []
        for image, flip in ((lr, 1), (lr[:, ::-1], -1)):
            for turns in range(4):
                sr = upscaler(np.ascontiguousarray(np.rot90(image, turns)))
                srs.append(np.rot90(sr, -turns)[:, ::flip])
        return np.round(np.mean(srs, axis=0)).astype(np.uint8)

    return mean
