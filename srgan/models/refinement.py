"""A refinement at HR size: what follows the one shuffle by 4, so that neighbouring pixels are drawn with a view of each other.

Behind a single shuffle the 48 numbers of a place become 16 pixels that never saw one another: a grid of period 4 costs such a
network nothing, and a line across the cells of the shuffle is hard for it. Two small convolutions at HR size mend both.
"""

from __future__ import annotations

import keras
from keras import layers

from srgan.config import SCALE
from srgan.models.layers import LEAK, LeakyReLU, PixelShuffle


def refined(picture, trunk, filters: int):
    """`picture` (B, 4 H, 4 W, 3) plus a correction by `trunk` (B, H, W, C) and the picture itself; it begins as 0.

    Plain convolutions: with 16 filters they were measured to be faster on CPUs than the rearranged ones of layers.py.
    """
    x = layers.Conv2D(SCALE**2 * filters, 3, padding="same", name="tail_conv1")(trunk)
    x = PixelShuffle(SCALE, name="tail_shuffle")(x)  # (B, 4 H, 4 W, filters)
    x = layers.Concatenate(name="tail_join")([x, picture])
    x = layers.Conv2D(filters, 3, padding="same", name="tail_conv2")(x)
    x = LeakyReLU(LEAK, name="tail_leaky")(x)  # no slope a channel: all pixels of a cell are treated alike
    last = dict(padding="same", kernel_initializer="zeros", dtype="float32", name="tail_conv3")
    x = layers.Conv2D(3, 3, **last)(x)
    return layers.Add(dtype="float32", name="tail_add")([picture, x])


def is_refinement(layer: keras.layers.Layer) -> bool:
    """Whether the layer is one of those that `refined` adds."""
    return layer.name.startswith("tail_")
