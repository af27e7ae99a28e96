"""Generator and discriminator (paper figure 4) in functional Keras, with the switches of the five published systems."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf
from keras import layers

from srgan.config import SCALE, Config, Discriminator, Generator
from srgan.models import patch_discriminators
from srgan.models.layers import LEAK, BatchNormalization, BicubicUpsampling, Fork, LeakyReLU, PixelShuffle, PReLU
from srgan.models.layers import Conv2D as PhasedConv2D
from srgan.models.refinement import refined

DENSE = ("dense1", "leaky_dense", "logits")  # the last layers of the paper's discriminator


def generator(config: Config, last_shuffle: bool = True, sums: str | None = None) -> keras.Model:
    """SRResNet: LR (B, H, W, 3) in [0, 1] -> SR (B, 4 H, 4 W, 3), trained towards [-1, 1]. Any H and W.

    Around the network: the ranges that it sees inside, and where wanted the bicubic upscaling that it adds to. Without the
    `last_shuffle` of two the output convolution takes what the shuffle would have got, where that is faster: the same numbers
    from the same weights, in less time. `sums`: the type of number of the sums around the blocks; None: that of the blocks.
    """
    g = config.generator
    lr = keras.Input((None, None, 3), name="lr")
    x = lr if g.lr_range == "zero_one" else layers.Rescaling(2.0, offset=-1.0, name="lr_range")(lr)
    trunk = body(x, g, sums)
    x = upsampled(trunk, g, last_shuffle)
    if g.global_skip:
        bicubic = BicubicUpsampling(dtype="float32", name="bicubic")(lr)  # [0, 1]
        if g.hr_range == "minus_one_one":
            bicubic = layers.Rescaling(2.0, offset=-1.0, dtype="float32", name="bicubic_range")(bicubic)
        x = layers.Add(dtype="float32", name="global_skip")([x, bicubic])
    if g.tail_filters:
        x = refined(x, trunk, g.tail_filters)
    if g.output_activation == "tanh":
        x = layers.Activation("tanh", dtype="float32", name="output_tanh")(x)
    if g.hr_range == "zero_one":
        x = layers.Rescaling(2.0, offset=-1.0, dtype="float32", name="output_range")(x)  # [-1, 1]
    return keras.Model(lr, x, name="generator")


def body(x, g: Generator, sums: str | None = None):
    """All that is done at LR size: (B, H, W, 3) -> features (B, H, W, filters)."""
    # In float32 where all else is in half precision: bfloat16 has no more than 8 bits for a pixel near 1, an error of half a level.
    x = layers.Conv2D(g.filters, g.head_kernel, padding="same", dtype="float32", name="head_conv")(x)
    head = prelu("head_prelu")(x)

    x = Fork(name="head_fork")(head)
    for i in range(1, g.blocks + 1):
        x = res_block(x, g, f"block{i}", sums)

    x = layers.Conv2D(g.filters, 3, padding="same", name="trunk_conv")(x)
    x = _norm(x, g, "trunk_norm")
    return layers.Add(dtype=sums, name="trunk_add")([head, x])


def upsampled(x, g: Generator, last_shuffle: bool = True):
    """Features (B, H, W, filters) -> picture (B, 4 H, 4 W, 3) float32."""
    # With the skip the network begins as plain bicubic upscaling, so its last kernel begins near zero.
    initial = _near_zero() if g.global_skip else "glorot_uniform"
    output = dict(padding="same", kernel_initializer=initial, name="output_conv")
    if g.upsampling == "espcn":
        x = layers.Conv2D(3 * SCALE**2, g.output_kernel, **output)(x)
        return PixelShuffle(SCALE, dtype="float32", name="output_shuffle")(x)
    x = upsample(x, g, "up1")  # (B, 2 H, 2 W, ...)
    conv = _output_conv_type()
    if last_shuffle or conv is not PhasedConv2D or (g.upsampling, g.upsampling_activation) != ("pixel_shuffle", "prelu"):
        x = upsample(x, g, "up2")  # (B, 4 H, 4 W, ...)
    else:
        x = upsample(x, g, "up2", shuffle=False)  # (B, 2 H, 2 W, 4 filters)
        output["shuffled"] = False
    x = conv(3, g.output_kernel, **output)(x)
    return layers.Activation("linear", dtype="float32", name="output_float32")(x)


def res_block(x, g: Generator, name: str, sums: str | None = None):
    """conv-BN-PReLU-conv-BN and a skip around it; shape (B, H, W, filters) throughout."""
    # Without batch norm nothing holds the residual's scale, so it begins near zero: the block begins as the identity.
    last = "glorot_uniform" if g.norm else _near_zero()
    y = layers.Conv2D(g.filters, 3, padding="same", name=f"{name}_conv1")(x)
    y = _norm(y, g, f"{name}_norm1")
    y = prelu(f"{name}_prelu")(y)
    y = layers.Conv2D(g.filters, 3, padding="same", kernel_initializer=last, name=f"{name}_conv2")(y)
    y = _norm(y, g, f"{name}_norm2")
    return layers.Add(dtype=sums, name=f"{name}_add")([x, y])


def upsample(x, g: Generator, name: str, shuffle: bool = True):
    """(B, H, W, filters) -> (B, 2 H, 2 W, filters or 4 filters), by sub-pixel convolution or conv and nearest neighbour.

    Without `shuffle` what it would lay apart stays in the channels: (B, H, W, 4 filters), the same numbers.
    """
    x = layers.Conv2D(4 * g.filters, 3, padding="same", name=f"{name}_conv")(x)
    if not shuffle:
        return prelu(f"{name}_prelu", pixels=4)(x)
    if g.upsampling == "pixel_shuffle":
        x = PixelShuffle(name=f"{name}_shuffle")(x)
    else:
        x = layers.UpSampling2D(2, interpolation="nearest", name=f"{name}_nearest")(x)
    if g.upsampling_activation == "prelu":
        return prelu(f"{name}_prelu")(x)
    return LeakyReLU(LEAK, name=f"{name}_leaky")(x)


def discriminator(config: Config) -> keras.Model:
    """HR or SR (B, hr_size, hr_size, 3) in [-1, 1] -> logits (B, 1), or a map of them; their sigmoid is D(image)."""
    if config.discriminator.kind != "vgg":
        return patch_discriminators.KINDS[config.discriminator.kind](config)
    d, size = config.discriminator, config.data.hr_size
    image = keras.Input((size, size, 3), name="image")
    zero_one = config.generator.hr_range == "zero_one"
    x = layers.Rescaling(0.5, offset=0.5, name="image_range")(image) if zero_one else image
    initializer = "glorot_uniform" if d.norm else "he_normal"
    x = layers.Conv2D(d.filters, 3, padding="same", kernel_initializer=initializer, name="conv1")(x)
    x = LeakyReLU(LEAK, name="leaky1")(x)
    for i, (multiple, stride) in enumerate(((1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2)), start=2):
        x = layers.Conv2D(multiple * d.filters, 3, stride, padding="same", kernel_initializer=initializer, name=f"conv{i}")(x)
        x = _norm_and_leaky(x, d, i)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(d.dense, name=DENSE[0])(x)
    x = LeakyReLU(LEAK, name=DENSE[1])(x)
    logits = layers.Dense(1, dtype="float32", name=DENSE[2])(x)
    return keras.Model(image, logits, name="discriminator")


def judging(discriminator: keras.Model) -> Callable[..., list[tf.Tensor]]:
    """A discriminator in training, as a function from batches of images to the logits of each; batch norm sees each by itself.

    The dense layers of the paper's D take all batches at once: nine in ten of its numbers are there, and are read once so.
    """
    if discriminator.layers[-2].name not in DENSE:
        return lambda *batches: [discriminator(images, training=True) for images in batches]
    convolutions = keras.Model(discriminator.input, discriminator.get_layer("flatten").output)

    def judge(*batches: tf.Tensor) -> list[tf.Tensor]:
        x = tf.concat([convolutions(images, training=True) for images in batches], axis=0)
        for name in DENSE:
            x = discriminator.get_layer(name)(x)
        return tf.split(x, len(batches))

    return judge


def prelu(name: str, **options) -> layers.Layer:
    """PReLU with one slope a channel (paper §2.1.1), from 0.25 as in He et al. 2015."""
    return PReLU(alpha_initializer=keras.initializers.Constant(0.25), shared_axes=[1, 2], name=name, **options)


def _norm(x, g: Generator, name: str):
    return BatchNormalization(momentum=g.momentum, name=name)(x) if g.norm else x


def _norm_and_leaky(x, d: Discriminator, i: int):
    """What follows D's convolution `i`: leaky ReLU, and batch norm before or after it, or none."""
    leaky = LeakyReLU(LEAK, name=f"leaky{i}")
    if not d.norm:
        return leaky(x)
    norm = BatchNormalization(momentum=d.momentum, name=f"norm{i}")
    return leaky(norm(x)) if d.order == "norm_first" else norm(leaky(x))


def _output_conv_type() -> type[layers.Conv2D]:
    """The class of the convolution at HR size: the rearranged one where there is no GPU, since it is faster on CPUs."""
    return layers.Conv2D if tf.config.list_physical_devices("GPU") else PhasedConv2D


def _near_zero() -> keras.initializers.Initializer:
    return keras.initializers.VarianceScaling(0.01)
