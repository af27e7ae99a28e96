"""Discriminators that judge each place of a picture: a map of logits in place of one.

They have no norm: with spectral norm, a faint grid went unseen (docs/weights.md). Where the stride is 2 the kernels are 4x4, since
those see every pixel equally often (Odena et al. 2016).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import keras
from keras import layers

from srgan.config import Config
from srgan.models import lpips
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
    depths = PerceptualDepths(name="depths")(image) if config.discriminator.sees == "lpips" else [None] * 3
    skips = []
    for i, (multiple, seen) in enumerate(zip((2, 4, 8), depths, strict=True), start=1):
        skips.append(x)
        x = _conv(x, multiple * base, 2, f"down{i}", seen)
    for i, multiple in enumerate((4, 2, 1), start=1):
        # Filters are reduced before the enlargement, not after it: a quarter of the work.
        x = _conv(x, multiple * base, 1, f"up{i}")
        x = layers.UpSampling2D(2, interpolation="bilinear", name=f"up{i}_bilinear")(x)
        x = layers.Add(name=f"up{i}_skip")([x, skips.pop()])
    x = _conv(x, base, 1, "conv2")
    return keras.Model(image, _logits(x), name="discriminator")


KINDS: dict[str, Callable[[Config], keras.Model]] = {"patch": patch, "unet": unet}


def _conv(x, filters: int, stride: int, name: str, seen=None):
    """A convolution, 3x3 or with stride 2 4x4, and leaky ReLU. Features that are `seen` are added by a 1x1 convolution."""
    x = layers.Conv2D(filters, 3 if stride == 1 else 4, stride, padding="same", kernel_initializer="he_normal", name=name)(x)
    if seen is not None:
        seen = layers.Conv2D(filters, 1, use_bias=False, kernel_initializer="he_normal", name=f"{name}_seen")(seen)
        x = layers.Add(name=f"{name}_add")([x, seen])
    return LeakyReLU(LEAK, name=f"{name}_leaky")(x)


class PerceptualDepths(layers.Layer):
    """The trunk of LPIPS, which does not learn: (B, H, W, 3) in [-1, 1] -> features at H / 2, H / 4 and H / 8.

    As in projected GANs (Sauer et al. 2021): a D that begins with the eyes of a trained network tells textures apart from its first
    steps on. Each place's vector has the length of the root of its channels' number, so that a channel is about 1.
    """

    def __init__(self, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.depths = lpips.load("vgg16", keras.config.dtype_policy().compute_dtype, weighted=False)

    def call(self, images):
        found = self.depths(images).compared
        side = images.shape[1]
        return [
            features[:, : side >> depth, : side >> depth] * math.sqrt(features.shape[-1])
            for depth, features in enumerate(found[1:4], start=1)
        ]

    def compute_output_shape(self, shape):
        return [(shape[0], shape[1] >> depth, shape[2] >> depth, channels) for depth, channels in ((1, 128), (2, 256), (3, 512))]


def _logits(x):
    return layers.Conv2D(1, 3, padding="same", dtype="float32", name="logits")(x)
