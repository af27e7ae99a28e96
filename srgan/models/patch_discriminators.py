"""Discriminators that judge each place of a picture: a map of logits in place of one.

They have no norm: with spectral norm, a faint grid went unseen (docs/weights.md). Where the stride is 2 the kernels are 4x4, since
those see every pixel equally often (Odena et al. 2016).
"""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import layers

from srgan.config import Config
from srgan.models.layers import LEAK, LeakyReLU


def patch(config: Config) -> keras.Model:
    """Isola et al. 2017: HR or SR (B, H, W, 3) in [-1, 1] -> logits (B, H / 8, W / 8, 1), each of about 70x70 pixels."""
    image = keras.Input((config.data.hr_size, config.data.hr_size, 3), name="image")
    base = config.discriminator.filters
    x = _conv(image, base, 1, "conv1")
    for i, multiple in enumerate((1, 2, 4), start=1):
        x = _conv(x, multiple * base, 2, f"conv{2 * i}")
        x = _conv(x, min(2 * multiple, 4) * base, 1, f"conv{2 * i + 1}")
    return keras.Model(image, _logits(x), name="discriminator")


def unet(config: Config) -> keras.Model:
    """Schönfeld et al. 2020, as in Real-ESRGAN (Wang et al. 2021): HR or SR (B, H, W, 3) -> logits (B, H, W, 1).

    Down to an eighth and up again, with skips, so that it judges each pixel by what is around it at every size. Sides are multiples
    of 8.
    """
    image = keras.Input((config.data.hr_size, config.data.hr_size, 3), name="image")
    base = config.discriminator.filters
    x = _conv(image, base, 1, "conv1")
    skips = []
    for i, multiple in enumerate((2, 4, 8), start=1):
        skips.append(x)
        x = _conv(x, multiple * base, 2, f"down{i}")
    for i, multiple in enumerate((4, 2, 1), start=1):
        # Filters are reduced before the enlargement, not after it: a quarter of the work.
        x = _conv(x, multiple * base, 1, f"up{i}")
        x = layers.UpSampling2D(2, interpolation="bilinear", name=f"up{i}_bilinear")(x)
        x = layers.Add(name=f"up{i}_skip")([x, skips.pop()])
    x = _conv(x, base, 1, "conv2")
    return keras.Model(image, _logits(x), name="discriminator")


KINDS: dict[str, Callable[[Config], keras.Model]] = {"patch": patch, "unet": unet}


def _conv(x, filters: int, stride: int, name: str):
    """A convolution, 3x3 or with stride 2 4x4, and leaky ReLU."""
    x = layers.Conv2D(filters, 3 if stride == 1 else 4, stride, padding="same", kernel_initializer="he_normal", name=name)(x)
    return LeakyReLU(LEAK, name=f"{name}_leaky")(x)


def _logits(x):
    return layers.Conv2D(1, 3, padding="same", dtype="float32", name="logits")(x)
