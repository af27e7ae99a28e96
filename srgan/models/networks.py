"""Generator and discriminator (paper figure 4), flat functional Keras, with the switches of the reproduced systems."""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers

from srgan.config import SCALE, Config
from srgan.models.layers import BatchNormalization, BicubicUpsampling, PixelShuffle, PReLU
from srgan.models.layers import Conv2D as PhasedConv2D

LEAK = 0.2  # slope of every LeakyReLU; paper §2.1.1


def generator(config: Config) -> keras.Model:
    """SRResNet: LR (B, H, W, 3) in [0, 1] -> SR (B, 4 H, 4 W, 3), trained towards [-1, 1]. Any H and W."""
    lr = keras.Input((None, None, 3), name="lr")
    x = lr if config.generator.lr_range == "zero_one" else layers.Rescaling(2.0, offset=-1.0, name="lr_range")(lr)
    x = layers.Conv2D(config.generator.filters, config.generator.head_kernel, padding="same", name="head_conv")(x)
    head = x = prelu("head_prelu")(x)

    for i in range(1, config.generator.blocks + 1):
        x = res_block(x, config, f"block{i}")

    x = layers.Conv2D(config.generator.filters, 3, padding="same", name="trunk_conv")(x)
    x = _norm(x, config, "trunk_norm")
    x = layers.Add(name="trunk_add")([head, x])

    # With the skip the network begins as plain bicubic upscaling, so its last kernel begins near zero.
    initial = _near_zero() if config.generator.global_skip else "glorot_uniform"
    output = dict(padding="same", kernel_initializer=initial, dtype="float32", name="output_conv")
    if config.generator.upsampling == "espcn":
        x = layers.Conv2D(3 * SCALE**2, config.generator.output_kernel, **output)(x)
        x = PixelShuffle(SCALE, dtype="float32", name="output_shuffle")(x)
    else:
        x = upsample(x, config, "up1")  # (B, 2 H, 2 W, ...)
        x = upsample(x, config, "up2")  # (B, 4 H, 4 W, ...)
        x = _few_filters()(3, config.generator.output_kernel, **output)(x)

    if config.generator.global_skip:
        bicubic = BicubicUpsampling(dtype="float32", name="bicubic")(lr)  # [0, 1]
        if config.generator.hr_range == "minus_one_one":
            bicubic = layers.Rescaling(2.0, offset=-1.0, dtype="float32", name="bicubic_range")(bicubic)
        x = layers.Add(dtype="float32", name="global_skip")([x, bicubic])
    if config.generator.output_activation == "tanh":
        x = layers.Activation("tanh", dtype="float32", name="output_tanh")(x)
    if config.generator.hr_range == "zero_one":
        x = layers.Rescaling(2.0, offset=-1.0, dtype="float32", name="output_range")(x)  # [-1, 1]
    return keras.Model(lr, x, name="generator")


def res_block(x, config: Config, name: str):
    """conv-BN-PReLU-conv-BN and a skip around it; shape (B, H, W, filters) throughout."""
    # Without batch norm nothing holds the residual's scale, so it begins near zero: the block begins as the identity.
    last = "glorot_uniform" if config.generator.norm else _near_zero()
    y = layers.Conv2D(config.generator.filters, 3, padding="same", name=f"{name}_conv1")(x)
    y = _norm(y, config, f"{name}_norm1")
    y = prelu(f"{name}_prelu")(y)
    y = layers.Conv2D(config.generator.filters, 3, padding="same", kernel_initializer=last, name=f"{name}_conv2")(y)
    y = _norm(y, config, f"{name}_norm2")
    return layers.Add(name=f"{name}_add")([x, y])


def upsample(x, config: Config, name: str):
    """(B, H, W, filters) -> (B, 2 H, 2 W, filters or 4 filters), by sub-pixel convolution or conv and nearest neighbour."""
    x = layers.Conv2D(4 * config.generator.filters, 3, padding="same", name=f"{name}_conv")(x)
    if config.generator.upsampling == "pixel_shuffle":
        x = PixelShuffle(name=f"{name}_shuffle")(x)
    else:
        x = layers.UpSampling2D(2, interpolation="nearest", name=f"{name}_nearest")(x)
    if config.generator.upsampling_activation == "prelu":
        return prelu(f"{name}_prelu")(x)
    return layers.LeakyReLU(LEAK, name=f"{name}_leaky")(x)


def discriminator(config: Config) -> keras.Model:
    """HR or SR (B, hr_size, hr_size, 3) in [-1, 1] -> logits (B, 1); their sigmoid is the probability of HR."""
    image = keras.Input((config.data.hr_size, config.data.hr_size, 3), name="image")
    base = config.discriminator.filters
    x = image if config.generator.hr_range == "minus_one_one" else layers.Rescaling(0.5, offset=0.5, name="image_range")(image)
    initializer = "glorot_uniform" if config.discriminator.norm else "he_normal"
    x = layers.Conv2D(base, 3, padding="same", kernel_initializer=initializer, name="conv1")(x)
    x = layers.LeakyReLU(LEAK, name="leaky1")(x)
    for i, (multiple, stride) in enumerate(((1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2)), start=2):
        x = layers.Conv2D(multiple * base, 3, stride, padding="same", kernel_initializer=initializer, name=f"conv{i}")(x)
        x = _leaky(x, config, i)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(config.discriminator.dense, name="dense1")(x)
    x = layers.LeakyReLU(LEAK, name="leaky_dense")(x)
    logits = layers.Dense(1, dtype="float32", name="logits")(x)
    return keras.Model(image, logits, name="discriminator")


def prelu(name: str) -> layers.Layer:
    """PReLU with one slope a channel (paper §2.1.1), from 0.25 as in He et al. 2015."""
    return PReLU(alpha_initializer=keras.initializers.Constant(0.25), shared_axes=[1, 2], name=name)


def _norm(x, config: Config, name: str):
    if not config.generator.norm:
        return x
    return BatchNormalization(momentum=config.generator.momentum, name=name)(x)


def _leaky(x, config: Config, i: int):
    """What follows D's convolution `i`: leaky ReLU, and batch norm before or after it, or none."""
    leaky = layers.LeakyReLU(LEAK, name=f"leaky{i}")
    if not config.discriminator.norm:
        return leaky(x)
    norm = BatchNormalization(momentum=config.discriminator.momentum, name=f"norm{i}")
    return leaky(norm(x)) if config.discriminator.order == "norm_first" else norm(leaky(x))


def _few_filters() -> type[layers.Conv2D]:
    """The convolution at HR size: rearranged where there is no GPU, which was measured to be faster on CPUs."""
    return layers.Conv2D if tf.config.list_physical_devices("GPU") else PhasedConv2D


def _near_zero() -> keras.initializers.Initializer:
    return keras.initializers.VarianceScaling(0.01)
