"""Tiles: how to cut an image that is too large for the memory, so that the seams cannot be seen."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import keras
import tensorflow as tf

from srgan.layers import PixelShuffle

SMALLEST = 128  # side in LR pixels that always fits
LARGEST = 1024
BUDGET = 2**30  # bytes for what the network computes inside a tile, or a quarter of what is free if that is less
LIVE = 4  # of the widest activation, so many at once were measured during inference
BICUBIC = 3  # LR pixels that the bicubic skip sees to each side


class Span(NamedTuple):
    """Along one axis, in LR pixels: the tile covers begin to end, and of it first to last is kept."""

    begin: int
    end: int
    first: int
    last: int


def spans(length: int, side: int, overlap: int) -> Iterator[Span]:
    """Cut `length` into tiles of equal sides that see `overlap` pixels beyond what is kept of them.

    The outer tiles end where the image ends, so that the network pads them as it pads the image.
    """
    if length <= side:
        yield Span(0, length, 0, length)
        return
    begins = [*range(0, length - side, side - 2 * overlap), length - side]
    for i, begin in enumerate(begins):
        first = begin + overlap if i else 0
        last = begins[i + 1] + overlap if i + 1 < len(begins) else length
        yield Span(begin, begin + side, first, last)


def side(generator: keras.Model, budget: int = 0) -> int:
    """The side of the largest square tile whose activations fit into `budget` bytes (0: what this machine can spare).

    It is never so small that most of a tile would be overlap.
    """
    fits = int(((budget or _spare()) / bytes_per_pixel(generator)) ** 0.5)
    return max(min(fits, LARGEST) // 8 * 8, SMALLEST, 4 * radius(generator))


def radius(generator: keras.Model) -> int:
    """How many LR pixels away an input can be and still change an output: the sum of what each convolution sees."""
    seen, scale = 0.0, 1
    for layer in generator.layers:
        if isinstance(layer, keras.layers.Conv2D):
            seen += (layer.kernel_size[0] // 2) / scale
        scale *= _enlargement(layer)
    return max(math.ceil(seen), BICUBIC)


def bytes_per_pixel(generator: keras.Model) -> int:
    """The memory that inference takes for each LR pixel."""
    widest, scale = 0, 1
    for layer in generator.layers:
        scale *= _enlargement(layer)
        if isinstance(layer, (keras.layers.Conv2D, PixelShuffle, keras.layers.UpSampling2D)):
            widest = max(widest, 4 * layer.output.shape[-1] * scale**2)  # float32; half precision takes less
    return LIVE * widest


def _enlargement(layer: keras.layers.Layer) -> int:
    if isinstance(layer, PixelShuffle):
        return layer.factor
    return layer.size[0] if isinstance(layer, keras.layers.UpSampling2D) else 1


def _spare() -> int:
    """BUDGET, or a quarter of the memory that is free now if that is less."""
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file() and not tf.config.list_physical_devices("GPU"):
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return min(BUDGET, int(line.split()[1]) * 1024 // 4)
    return BUDGET
